//! From what another system answered to values of the declared types. What is missing or of another type is left out: a
//! step that needs it takes its `failed` way.

use super::{Lookup, Unit};
use crate::ivr::diag::Diags;
use crate::ivr::lower::Fields;
use crate::ivr::settings::{Group, Shape, optional};
use crate::ivr::value::{MILLION, Type, Value};
use crate::ivr::wire::LookupResult;
use crate::ivr::yaml::{Kind, Node};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

pub(super) const NOT_FOUND: Group = Group {
    what: "`not_found`",
    settings: &[
        optional("status", Shape::Any, "an HTTP status, or a list of them, as `404`"),
        optional("at", Shape::Text, "or a place in the answer, as `/code`"),
        optional("is", Shape::Any, "and what it then holds"),
    ],
};

/// Which answer says that there is no such thing.
#[derive(Debug, Default)]
pub(super) struct NotFound {
    statuses: Vec<u16>,
    /// A place in the answer, and what it then holds.
    says: Option<(String, Json)>,
}

impl NotFound {
    /// `{status: 404}`, `{status: [404, 410]}` or `{at: /code, is: NO_SUCH_ACCOUNT}`.
    pub fn lower(node: &Node, diags: &mut Diags) -> Option<NotFound> {
        let mut fields = Fields::of(node, &NOT_FOUND, diags)?;
        let mut found = NotFound::default();
        if let Some(node) = fields.take("status") {
            let items = match &node.kind {
                Kind::List(items) => items.iter().collect(),
                _ => vec![node],
            };
            for item in items {
                match item.scalar().and_then(|text| text.parse().ok()).filter(|status| (100..600).contains(status)) {
                    Some(status) => found.statuses.push(status),
                    None => diags.error_hint("E112", item.span, "this is no status of HTTP", "write `status: 404`"),
                }
            }
        }
        let (at, is) = (fields.take("at"), fields.take("is"));
        match (at, is) {
            (Some(at), Some(is)) => {
                let literal = match &is.kind {
                    Kind::Scalar { text, plain: true } => serde_json::from_str(text).ok(),
                    _ => None,
                };
                let wanted = literal.unwrap_or_else(|| Json::from(is.scalar().unwrap_or_default()));
                found.says = super::pointer(at, diags).map(|at| (at, wanted));
            }
            (None, None) => {}
            (Some(node), None) | (None, Some(node)) => {
                diags.error_hint("E114", node.span, "`at` and `is` go together", "write `{at: /code, is: UNKNOWN}`");
            }
        }
        fields.finish(diags);
        Some(found)
    }
}

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadReply {
    Status(u16),
    NotJson,
    /// Nothing of what the lookup gives is in it as declared.
    NothingUsable,
}

impl Lookup {
    /// Reads the answer to a request over HTTP.
    pub fn read_json(&self, status: u16, body: &[u8]) -> Result<LookupResult, BadReply> {
        if self.not_found.statuses.contains(&status) {
            return Ok(LookupResult::NotFound);
        }
        if !(200..300).contains(&status) {
            return Err(BadReply::Status(status));
        }
        let needs_json = !self.gives.is_empty() || self.not_found.says.is_some();
        let reply: Json = match serde_json::from_slice(body) {
            Ok(reply) => reply,
            // "200, and nothing to say" is an answer when nothing was asked for.
            Err(_) if !needs_json => Json::Null,
            Err(_) => return Err(BadReply::NotJson),
        };
        let at = |pointer: &str| reply.pointer(pointer);
        if let Some((pointer, wanted)) = &self.not_found.says
            && at(pointer).unwrap_or(&Json::Null) == wanted
        {
            return Ok(LookupResult::NotFound);
        }
        self.found(|_, place| at(place))
    }

    /// Reads a row; `column` gives what is in a column.
    pub fn read_row<'r>(&self, column: impl Fn(&str) -> Option<&'r Json>) -> Result<LookupResult, BadReply> {
        self.found(|_, place| column(place))
    }

    fn found<'r>(&self, at: impl Fn(&str, &str) -> Option<&'r Json>) -> Result<LookupResult, BadReply> {
        let read = |(name, ty): (&String, &Type)| {
            let place = self.places.get(name)?;
            let raw = at(name, &place.at)?;
            Some((name.clone(), value(ty, place.unit, &place.zone, raw)?))
        };
        let values: std::collections::BTreeMap<_, _> = self.gives.iter().filter_map(read).collect();
        if values.is_empty() && !self.gives.is_empty() {
            return Err(BadReply::NothingUsable);
        }
        Ok(LookupResult::Found(values))
    }
}

/// One value. Numbers are taken by their digits, so that money is as exact as it was written.
fn value(ty: &Type, unit: Unit, zone: &TimeZone, raw: &Json) -> Option<Value> {
    let text = match raw {
        Json::String(text) => text.trim().to_string(),
        Json::Number(number) => number.to_string(),
        Json::Bool(flag) => flag.to_string(),
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    };
    let whole = || text.strip_suffix(".0").unwrap_or(&text).parse::<i64>().ok();
    let from_epoch = |seconds| local(Timestamp::from_second(seconds).ok()?, zone);
    match (ty, unit) {
        (Type::Money, Unit::Fen) => whole().map(Value::Money),
        (Type::Duration, Unit::Seconds) => whole()?.checked_mul(1000).map(Value::Duration),
        (Type::Duration, Unit::Minutes) => whole()?.checked_mul(60_000).map(Value::Duration),
        (Type::Datetime, Unit::Epoch) => from_epoch(whole()?),
        (Type::Datetime, Unit::EpochMs) => from_epoch(whole()?.div_euclid(1000)),
        (Type::Datetime, _) => match text.parse::<Timestamp>() {
            // With an offset or `Z` it is a moment of the world, to be told in the caller's time.
            Ok(moment) => local(moment, zone),
            Err(_) => Type::Datetime.read(text.split_once('.').map_or(text.as_str(), |(whole, _)| whole)),
        },
        (Type::Flag, _) => match text.as_str() {
            "1" => Some(Value::Flag(true)),
            "0" => Some(Value::Flag(false)),
            text => Type::Flag.read(text),
        },
        (Type::Int, _) => whole().map(Value::Int),
        (Type::Number, _) => whole().and_then(|n| n.checked_mul(MILLION)).map(Value::Number).or_else(|| ty.read(&text)),
        // A word where digits belong, or a number where a word does, is read by its characters.
        (ty, _) => ty.read(&text),
    }
}

fn local(moment: Timestamp, zone: &TimeZone) -> Option<Value> {
    let (day, second) = crate::ivr::calendar::local_day(zone, u64::try_from(moment.as_millisecond()).ok()?)?;
    Some(Value::Datetime(i64::from(day) * 86_400 + i64::from(second)))
}
