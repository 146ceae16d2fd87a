//! What a lookup takes and gives, from `lookups.yaml`. How it reaches the outside (address, body, database) is read by
//! the side that does it; here only the contract with the flows counts.

use super::diag::Diags;
use super::lower::{Fields, duration, identifier, name, names};
use super::value::{TYPE_NAMES, Type};
use super::yaml::{Kind, Node};
use std::collections::BTreeMap;

#[derive(Debug)]
pub struct Lookup {
    pub takes: BTreeMap<String, Type>,
    pub gives: BTreeMap<String, Type>,
    pub timeout_ms: Option<u64>,
}

/// Settings of the transport, which this side only knows by name.
const TRANSPORT: [&str; 15] = [
    "get",
    "post",
    "put",
    "patch",
    "sql",
    "database",
    "redis",
    "auth",
    "headers",
    "query",
    "body",
    "cache",
    "retries",
    "idempotency_key",
    "not_found",
];

/// Reads `lookups.yaml` into `lookups`.
pub(super) fn lower(root: &Node, lookups: &mut BTreeMap<String, Lookup>, diags: &mut Diags) {
    let Some(mut top) = Fields::of(root, "a lookups file", diags) else { return };
    if let Some(node) = top.need("lookups", diags)
        && let Some(all) = Fields::of(node, "`lookups`", diags)
    {
        for (key, value) in all.all() {
            let Some(id) = identifier(key, "a lookup's name", diags) else { continue };
            let Some(mut fields) = Fields::of(value, "a lookup", diags) else { continue };
            let takes = fields.take("takes").map(|node| typed(node, "`takes`", diags)).unwrap_or_default();
            let gives = fields.take("gives").map(|node| typed(node, "`gives`", diags)).unwrap_or_default();
            let timeout_ms = fields.take("timeout").and_then(|node| duration(node, "a timeout", 100..=30_000, diags));
            for setting in TRANSPORT {
                fields.take(setting);
            }
            fields.finish(diags);
            lookups.insert(id.text, Lookup { takes, gives, timeout_ms });
        }
    }
    top.finish(diags);
}

/// `{account: digits, balance: {type: money, at: /data/balance}}`.
fn typed(node: &Node, what: &str, diags: &mut Diags) -> BTreeMap<String, Type> {
    let Some(fields) = Fields::of(node, what, diags) else { return BTreeMap::new() };
    let mut types = BTreeMap::new();
    for (key, value) in fields.all() {
        let Some(name) = name(key, "a name", diags) else { continue };
        let ty = match &value.kind {
            Kind::Map(_) => {
                let Some(mut detail) = Fields::of(value, "a value", diags) else { continue };
                let ty = lower_type(&mut detail, diags);
                for setting in ["at", "unit", "zone"] {
                    detail.take(setting);
                }
                detail.finish(diags);
                ty
            }
            _ => type_name(value, diags),
        };
        types.extend(ty.map(|ty| (name.text, ty)));
    }
    types
}

/// `type:` and, for `one_of`, `of:`.
pub(super) fn lower_type(fields: &mut Fields, diags: &mut Diags) -> Option<Type> {
    let node = fields.need("type", diags)?;
    let choices = fields.take("of").map(|node| names(node, "a choice", diags));
    if node.scalar() == Some("one_of") {
        let Some(choices) = choices else {
            diags.error_hint("E114", node.span, "`one_of` needs its choices", "write `{type: one_of, of: [a, b]}`");
            return None;
        };
        return Some(Type::OneOf(choices.into_iter().map(|choice| choice.text).collect()));
    }
    type_name(node, diags)
}

fn type_name(node: &Node, diags: &mut Diags) -> Option<Type> {
    let name = name(node, "a type", diags)?;
    let found = Type::from_name(&name.text);
    if found.is_none() {
        diags.unknown("E102", node.span, "unknown type", &name.text, TYPE_NAMES);
    }
    found
}
