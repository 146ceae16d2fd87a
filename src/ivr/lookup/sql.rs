//! Questions to a database: one row of one `select`, with parameters that are bound and never written into the text.

use crate::ivr::diag::{Diags, nearest, shown};
use crate::ivr::lower::{Fields, name, text};
use crate::ivr::source::Name;
use crate::ivr::value::Type;
use std::collections::BTreeMap;

#[derive(Debug)]
pub struct Sql {
    /// With `:name` where a parameter goes.
    pub query: String,
    pub(in crate::ivr) database: Name,
    /// In order of their first use.
    pub parameters: Vec<String>,
}

impl Sql {
    pub fn database(&self) -> &str {
        &self.database.text
    }

    pub(super) fn lower(fields: &mut Fields, takes: &BTreeMap<String, Type>, diags: &mut Diags) -> Option<Option<Sql>> {
        let database = fields.take("database");
        let Some(node) = fields.take("sql") else {
            if let Some(node) = database {
                diags.error_hint("E114", node.span, "a database is asked by `sql:`", "add `sql: select ...`");
                return None;
            }
            return Some(None);
        };
        let query = text(node, "a query", diags)?;
        let first = query.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if !matches!(first.as_str(), "select" | "with") || query.contains(';') {
            let hint = "a lookup reads one row: `select a, b from t where c = :c`";
            diags.error_hint("E112", node.span, "only a single `select` can be looked up", hint);
            return None;
        }
        let mut parameters: Vec<String> = Vec::new();
        for (at, parameter) in parameters_of(query) {
            if !takes.contains_key(parameter) {
                let place = diags.part_of(node, at, at + 1 + parameter.len());
                let hint = match nearest(parameter, takes.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `:{near}`?"),
                    None => "list it under `takes:`".into(),
                };
                diags.error_hint("E207", place, format!("`{}` is not taken here", shown(parameter)), hint);
                return None;
            }
            if !parameters.iter().any(|known| known == parameter) {
                parameters.push(parameter.to_string());
            }
        }
        let Some(database) = database else {
            diags.error_hint("E114", node.span, "nothing is said of the database", "add `database: NAME`");
            return None;
        };
        Some(Some(Sql { query: query.to_string(), database: name(database, "a database", diags)?, parameters }))
    }

    /// The query with `$1`, `$2`, ... for the parameters in order, as PostgreSQL has them.
    pub fn numbered(&self) -> String {
        let mut numbered = String::with_capacity(self.query.len());
        let mut from = 0;
        for (at, parameter) in parameters_of(&self.query) {
            let number = self.parameters.iter().position(|known| known == parameter).map_or(0, |index| index + 1);
            numbered.push_str(self.query.get(from..at).unwrap_or_default());
            numbered.push_str(&format!("${number}"));
            from = at + 1 + parameter.len();
        }
        numbered.push_str(self.query.get(from..).unwrap_or_default());
        numbered
    }
}

/// Where each `:name` is. Not in texts in quotes, and not the `::` of a cast.
fn parameters_of(query: &str) -> Vec<(usize, &str)> {
    let bytes = query.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let (mut found, mut at, mut quote) = (Vec::new(), 0, None);
    while let Some(byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(open), byte) if *byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(*byte),
            (None, b':') if bytes.get(at + 1) == Some(&b':') => at += 1,
            (None, b':') => {
                let length = bytes.iter().skip(at + 1).take_while(|byte| is_word(byte)).count();
                found.extend(query.get(at + 1..at + 1 + length).filter(|name| !name.is_empty()).map(|name| (at, name)));
                at += length;
            }
            (None, _) => {}
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_outside_of_quotes_and_casts() {
        let query = "select ':no', a::text from t where b = :b and c=:c_1 and d > :b";
        let names: Vec<&str> = parameters_of(query).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["b", "c_1", "b"]);
        let place = Name { text: "d".into(), span: Default::default() };
        let sql = Sql { query: query.into(), database: place, parameters: vec!["b".into(), "c_1".into()] };
        assert_eq!(sql.numbered(), "select ':no', a::text from t where b = $1 and c=$2 and d > $1");
    }
}
