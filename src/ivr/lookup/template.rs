//! Texts with `{name}` in them, for requests to other systems. What is put in is data wherever it lands: encoded in an
//! address, escaped in JSON, refused in a header when it could end one.

use crate::ivr::diag::{Diags, nearest, shown};
use crate::ivr::value::{Type, Value};
use crate::ivr::yaml::{Kind, Node};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Write;

pub type Arguments<'a> = &'a [(String, Value)];

#[derive(Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Slot(String),
}

/// JSON whose texts may have slots.
#[derive(Debug)]
pub(super) enum Body {
    Text(Template),
    /// A number, `true`, `false` or `null` as it was written.
    Literal(Json),
    List(Vec<Body>),
    Map(Vec<(String, Body)>),
}

impl Template {
    /// Reports slots that are not among `takes`.
    pub fn lower(node: &Node, takes: &BTreeMap<String, Type>, diags: &mut Diags) -> Option<Template> {
        let Some(text) = node.scalar().filter(|_| !node.is_null()) else {
            diags.error("E112", node.span, format!("a text is needed here, not {}", node.what()));
            return None;
        };
        Self::read(text, 0, node, takes, diags)
    }

    /// The same of `text`, which begins `offset` octets into the node.
    pub fn read(
        text: &str,
        offset: usize,
        node: &Node,
        takes: &BTreeMap<String, Type>,
        diags: &mut Diags,
    ) -> Option<Template> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let at = offset + text.len() - rest.len() + open;
            let Some(close) = rest.get(open..).and_then(|inner| inner.find('}')) else {
                let place = diags.part_of(node, at, at + 1);
                diags.error_hint("E112", place, "this `{` is never closed", "write `{name}` where a value goes");
                return None;
            };
            let name = rest.get(open + 1..open + close).unwrap_or_default();
            if !takes.contains_key(name) {
                let place = diags.part_of(node, at, at + close + 1);
                let hint = match nearest(name, takes.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{{{near}}}`?"),
                    None => "list it under `takes:`".into(),
                };
                diags.error_hint("E207", place, format!("`{}` is not taken here", shown(name)), hint);
                return None;
            }
            parts.push(Part::Text(rest.get(..open).unwrap_or_default().to_string()));
            parts.push(Part::Slot(name.to_string()));
            rest = rest.get(open + close + 1..).unwrap_or_default();
        }
        parts.push(Part::Text(rest.to_string()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Some(Template(parts))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Slot(slot) if slot == name))
    }

    pub fn fill(&self, args: Arguments) -> String {
        self.with(args, |value| value)
    }

    /// Each value encoded, so that it stays within its part of an address (RFC 3986 2.1).
    pub fn fill_encoded(&self, args: Arguments) -> String {
        self.with(args, |value| percent_encoded(&value))
    }

    fn with(&self, args: Arguments, put: impl Fn(String) -> String) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Slot(name) => put(plain(name, args)),
        };
        self.0.iter().map(part).collect()
    }

    /// A slot that stands alone keeps its type where JSON has one.
    fn json(&self, args: Arguments) -> Json {
        let alone = match self.0.as_slice() {
            [Part::Slot(name)] => args.iter().find(|(arg, _)| arg == name).map(|(_, value)| value),
            _ => None,
        };
        match alone {
            Some(Value::Int(whole)) => Json::from(*whole),
            Some(Value::Flag(flag)) => Json::from(*flag),
            _ => Json::from(self.fill(args)),
        }
    }
}

impl Body {
    pub fn lower(node: &Node, takes: &BTreeMap<String, Type>, diags: &mut Diags) -> Option<Body> {
        Some(match &node.kind {
            Kind::Map(pairs) => {
                let lowered = pairs.iter().map(|(key, value)| {
                    let key = key.scalar().unwrap_or_default().to_string();
                    Some((key, Body::lower(value, takes, diags)?))
                });
                Body::Map(lowered.collect::<Option<_>>()?)
            }
            Kind::List(items) => {
                Body::List(items.iter().map(|item| Body::lower(item, takes, diags)).collect::<Option<_>>()?)
            }
            Kind::Scalar { plain: true, text } => match serde_json::from_str::<Json>(text) {
                Ok(literal) if !literal.is_array() && !literal.is_object() => Body::Literal(literal),
                _ if node.is_null() => Body::Literal(Json::Null),
                _ => Body::Text(Template::lower(node, takes, diags)?),
            },
            Kind::Scalar { .. } => Body::Text(Template::lower(node, takes, diags)?),
        })
    }

    pub fn fill(&self, args: Arguments) -> Json {
        match self {
            Body::Text(text) => text.json(args),
            Body::Literal(literal) => literal.clone(),
            Body::List(items) => items.iter().map(|item| item.fill(args)).collect(),
            Body::Map(pairs) => pairs.iter().map(|(key, value)| (key.clone(), value.fill(args))).collect(),
        }
    }
}

fn plain(name: &str, args: Arguments) -> String {
    args.iter().find(|(arg, _)| arg == name).map(|(_, value)| value.plain()).unwrap_or_default()
}

pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}
