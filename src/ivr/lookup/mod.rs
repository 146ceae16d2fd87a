//! What a flow may ask of other systems, from `lookups.yaml`: what each question takes and gives, how it is put and how
//! its answer is read. Who carries it out is outside; here is no socket, and no secret but its name.

pub(super) mod http;
mod reply;
mod sql;
mod template;

pub use http::{Http, Request};
pub use reply::BadReply;
pub use sql::Sql;

use super::calendar::{lower_zone, zone};
use super::diag::Diags;
use super::lower::{Fields, identifier, name, named, names};
use super::settings::{Group, Setting, Shape, joined, optional, required};
use super::source::Span;
use super::value::{TYPE_NAMES, Type};
use super::yaml::{Kind, Node};
use jiff::tz::TimeZone;
use reply::NotFound;
use std::collections::{BTreeMap, BTreeSet};

/// A day: what is older is looked up again.
const MAX_CACHE_MS: u64 = 86_400_000;

#[derive(Debug)]
pub struct Lookup {
    pub takes: BTreeMap<String, Type>,
    pub gives: BTreeMap<String, Type>,
    /// Arguments that may be given a secret.
    pub secrets: BTreeSet<String>,
    pub timeout_ms: Option<u64>,
    /// How long an answer serves again for the same question.
    pub cache_ms: Option<u64>,
    pub source: Source,
    not_found: NotFound,
    /// Where in the answer each value is.
    places: BTreeMap<String, Place>,
}

#[derive(Debug)]
pub enum Source {
    Http(Http),
    Sql(Sql),
}

#[derive(Debug)]
struct Place {
    /// A JSON pointer (RFC 6901), or a column.
    at: String,
    unit: Unit,
    zone: TimeZone,
}

/// What a bare number counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Unit {
    /// As the type is written: money in yuan.
    #[default]
    Own,
    Fen,
    Seconds,
    Minutes,
    Epoch,
    EpochMs,
}

const UNITS: [(&str, Unit, Type); 6] = [
    ("yuan", Unit::Own, Type::Money),
    ("fen", Unit::Fen, Type::Money),
    ("seconds", Unit::Seconds, Type::Duration),
    ("minutes", Unit::Minutes, Type::Duration),
    ("epoch", Unit::Epoch, Type::Datetime),
    ("epoch_ms", Unit::EpochMs, Type::Datetime),
];

/// A lookups file.
pub(super) const FILE: Group = Group {
    what: "a lookups file",
    settings: &[required("lookups", Shape::Named(&Shape::Group(&LOOKUP)), "lookups by name")],
};

const LOOKUP: Group = Group {
    what: "a lookup",
    settings: &joined::<7, 10, 17>(
        [
            optional("takes", Shape::Named(&ASKED), "its arguments and their types"),
            optional("gives", Shape::Named(&GIVEN), "the fields of its reply, their types and places"),
            optional("timeout", Shape::Time("a timeout", 100, 30_000), "the longest wait").or("3s"),
            optional("cache", Shape::Time("`cache`", 1_000, MAX_CACHE_MS), "how long an answer serves again"),
            optional("not_found", Shape::Group(&reply::NOT_FOUND), "how an answer says that there is nothing"),
            optional("sql", Shape::Text, "instead: a question to a database, with its arguments as `:name`"),
            optional("database", Shape::Name, "which database"),
        ],
        http::SETTINGS,
    ),
};

pub(super) const TAKEN: Shape = Shape::Either(&[Shape::Word(&TYPE_NAMES), Shape::Group(&ARGUMENT)]);
const ASKED: Shape = Shape::Either(&[Shape::Word(&TYPE_NAMES), Shape::Group(&QUESTION)]);
const GIVEN: Shape = Shape::Either(&[Shape::Word(&TYPE_NAMES), Shape::Group(&FIELD)]);
const TYPE: Setting = required("type", Shape::Word(&TYPE_NAMES), "its type");
/// What goes with `one_of`.
pub(super) const CHOICES: Setting = optional("of", Shape::Names, "the choices of `one_of`");

const ARGUMENT: Group = Group { what: "a value", settings: &[TYPE, CHOICES] };

const QUESTION: Group = Group {
    what: "a value",
    settings: &[
        TYPE,
        CHOICES,
        optional("secret", Shape::Flag, "`true`: a secret may be sent here, and goes no further").or("false"),
    ],
};

const FIELD: Group = Group {
    what: "a value",
    settings: &[
        TYPE,
        CHOICES,
        optional("at", Shape::Text, "where it stands in the reply, as `/data/balance`, or its column"),
        optional("unit", Shape::Text, "what a bare number counts: yuan, fen, seconds, minutes, epoch or epoch_ms"),
        optional("zone", Shape::Text, "the time zone of a time without one").or(super::flow::DEFAULT_ZONE),
    ],
};

/// Reads `lookups.yaml` into `lookups`.
pub(super) fn lower(root: &Node, lookups: &mut BTreeMap<String, Lookup>, diags: &mut Diags) {
    let Some(mut top) = Fields::of(root, &FILE, diags) else { return };
    if let Some(node) = top.need("lookups", diags) {
        for (key, value) in named(node, "`lookups`", diags).unwrap_or_default() {
            let Some(id) = identifier(key, "a lookup's name", diags) else { continue };
            let Some(lookup) = one(key.span, value, diags) else { continue };
            if lookups.insert(id.text.clone(), lookup).is_some() {
                diags.error("E208", id.span, format!("there are two lookups `{}`", id.text));
            }
        }
    }
    top.finish(diags);
}

fn one(span: Span, node: &Node, diags: &mut Diags) -> Option<Lookup> {
    let mut fields = Fields::of(node, &LOOKUP, diags)?;
    let takes = fields.take("takes").map(|node| typed(node, "`takes`", &QUESTION, diags)).unwrap_or_default();
    let gives = fields.take("gives").map(|node| typed(node, "`gives`", &FIELD, diags)).unwrap_or_default();
    let timeout_ms = fields.time("timeout", diags);
    let cache_ms = fields.time("cache", diags);
    let not_found_at = fields.take("not_found");
    let not_found = not_found_at.and_then(|node| NotFound::lower(node, diags)).unwrap_or_default();
    let secrets: BTreeSet<String> =
        takes.iter().filter(|(_, (_, at))| at.secret).map(|(name, _)| name.clone()).collect();
    let takes: BTreeMap<String, Type> = takes.into_iter().map(|(name, (ty, _))| (name, ty)).collect();
    let http = Http::lower(&mut fields, &takes, diags);
    let sql = Sql::lower(&mut fields, &takes, diags);
    fields.finish(diags);
    if let (Some(secret), true) = (secrets.first(), cache_ms.is_some()) {
        let message = format!("`{secret}` is secret, and `cache` would keep what was asked");
        diags.error_hint("E704", span, message, "leave `cache` out");
    }
    if let Some(Some(http)) = &http
        && let Some(secret) = secrets.iter().find(|secret| http.shows(secret))
    {
        let message = format!("`{secret}` is secret, and an address is written into logs on its way");
        diags.error_hint("E704", span, message, "send it in the `body:` of a `post:`");
    }
    let source = match (http?, sql?) {
        (Some(http), None) => Source::Http(http),
        (None, Some(sql)) => Source::Sql(sql),
        (Some(_), Some(_)) => {
            diags.error("E114", span, "a lookup asks a system over HTTP or a database, not both");
            return None;
        }
        (None, None) => {
            let hint = "add `get: ${base.NAME}/path`, `post: ...`, or `sql:` with `database:`";
            diags.error_hint("E114", span, "nothing is said of whom this lookup asks", hint);
            return None;
        }
    };
    let is_sql = matches!(source, Source::Sql(_));
    if let (Some(node), true) = (not_found_at, is_sql) {
        let hint = "leave it out: a database that has no such row has found nothing";
        diags.error_hint("E112", node.span, "`not_found` reads an answer over HTTP, and this asks a database", hint);
    }
    let mut places = BTreeMap::new();
    for (name, (_, place)) in &gives {
        let at = match (&place.at, is_sql) {
            (None, false) => format!("/{name}"),
            (None, true) => name.clone(),
            (Some((span, at)), false) if !at.starts_with('/') => {
                diags.error_hint("E112", *span, "a place in an answer begins with `/`", "write `at: /data/balance`");
                continue;
            }
            (Some((_, at)), _) => at.clone(),
        };
        places.insert(name.clone(), Place { at, unit: place.unit, zone: place.zone.clone() });
    }
    let gives = gives.into_iter().map(|(name, (ty, _))| (name, ty)).collect();
    Some(Lookup { takes, gives, secrets, timeout_ms, cache_ms, source, not_found, places })
}

/// A place in a JSON answer.
fn pointer(node: &Node, diags: &mut Diags) -> Option<String> {
    match node.scalar() {
        Some(at) if at.starts_with('/') => Some(at.to_string()),
        _ => {
            diags.error_hint("E112", node.span, "a place in an answer begins with `/`", "write `at: /data/balance`");
            None
        }
    }
}

struct Where {
    at: Option<(Span, String)>,
    unit: Unit,
    zone: TimeZone,
    secret: bool,
}

/// `{account: digits, balance: {type: money, at: /data/balance}}`.
pub(super) fn types(node: &Node, what: &str, diags: &mut Diags) -> BTreeMap<String, Type> {
    typed(node, what, &ARGUMENT, diags).into_iter().map(|(name, (ty, _))| (name, ty)).collect()
}

fn typed(node: &Node, what: &str, group: &'static Group, diags: &mut Diags) -> BTreeMap<String, (Type, Where)> {
    let mut types = BTreeMap::new();
    let here = || zone(super::flow::DEFAULT_ZONE).unwrap_or(TimeZone::UTC);
    for (key, value) in named(node, what, diags).unwrap_or_default() {
        let Some(name) = name(key, "a name", diags) else { continue };
        let mut place = Where { at: None, unit: Unit::Own, zone: here(), secret: false };
        let ty = match &value.kind {
            Kind::Map(_) => {
                let Some(mut detail) = Fields::of(value, group, diags) else { continue };
                let ty = lower_type(&mut detail, diags);
                if group.setting("secret").is_some() {
                    place.secret = detail.flag("secret", diags).unwrap_or(false);
                }
                if group.setting("at").is_some() {
                    place.at = detail.take("at").and_then(|node| Some((node.span, node.scalar()?.to_string())));
                    place.unit = detail.take("unit").zip(ty.as_ref()).map_or(Unit::Own, |(n, ty)| unit(n, ty, diags));
                    place.zone = detail.take("zone").and_then(|node| lower_zone(node, diags)).unwrap_or(place.zone);
                }
                detail.finish(diags);
                ty
            }
            _ => type_name(value, diags),
        };
        types.extend(ty.map(|ty| (name.text, (ty, place))));
    }
    types
}

fn unit(node: &Node, ty: &Type, diags: &mut Diags) -> Unit {
    let text = node.scalar().unwrap_or_default();
    let of_type: Vec<&str> = UNITS.iter().filter(|(.., of)| of == ty).map(|(name, ..)| *name).collect();
    match UNITS.iter().find(|(name, _, of)| *name == text && of == ty) {
        Some((_, unit, _)) => *unit,
        None if of_type.is_empty() => {
            diags.error("E112", node.span, format!("{} has no unit", ty.name()));
            Unit::Own
        }
        None => {
            diags.unknown("E102", node.span, &format!("unknown unit of {}", ty.name()), text, of_type);
            Unit::Own
        }
    }
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
