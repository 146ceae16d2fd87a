//! Requests over HTTP, as `lookups.yaml` and `messages.yaml` describe them. The host, its port and every secret are named
//! by IT in hotline.yaml; a flow's author writes the path below.

use super::template::{Arguments, Body, Template, percent_encoded};
use crate::ivr::diag::{Diags, shown};
use crate::ivr::lower::{self, Fields, name, text};
use crate::ivr::settings::{Setting, Shape, optional};
use crate::ivr::source::Name;
use crate::ivr::value::Type;
use crate::ivr::yaml::{Kind, Node};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

const METHODS: [(&str, &str); 4] = [("get", "GET"), ("post", "POST"), ("put", "PUT"), ("patch", "PATCH")];
/// Of a `GET` that says nothing else: one connection that was reset costs the caller nothing.
const RETRIES: u32 = 1;
pub(super) const MAX_RETRIES: u32 = 3;
const MAX_PARAMETER_BYTES: usize = 64;
/// Headers that a request has from elsewhere, or that would change where it ends.
const TAKEN_HEADERS: [&str; 8] = [
    "host",
    "authorization",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "upgrade",
    "idempotency-key",
];

/// One way to ask a system.
#[derive(Debug)]
pub struct Http {
    method: &'static str,
    pub(in crate::ivr) base: Name,
    path: Template,
    query: Vec<(String, Template)>,
    headers: Vec<(String, Template)>,
    body: Option<Body>,
    pub(in crate::ivr) auth: Option<Name>,
    retries: u32,
    idempotency_key: Option<Template>,
}

/// A request with everything filled in, but for the host and the secret, which are names still.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub method: String,
    pub base: String,
    /// With the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Option<String>,
    pub auth: Option<String>,
    pub retries: u32,
}

/// Path and body tell of the caller.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.method, self.base)
    }
}

/// What a request may say, whatever it is for.
pub(in crate::ivr) const SETTINGS: [Setting; 10] = [GET, POST, PUT, PATCH, QUERY, HEADERS, BODY, AUTH, RETRIED, KEY];
const GET: Setting = optional("get", Shape::Text, "where to ask, as `${base.NAME}/path`");
const POST: Setting = optional("post", Shape::Text, "where to ask by POST");
const PUT: Setting = optional("put", Shape::Text, "where to ask by PUT");
const PATCH: Setting = optional("patch", Shape::Text, "where to ask by PATCH");
const QUERY: Setting = optional("query", Shape::Named(&Shape::Text), "parameters of the address");
const HEADERS: Setting = optional("headers", Shape::Named(&Shape::Text), "headers of the request");
const BODY: Setting = optional("body", Shape::Any, "what is sent, as JSON");
const AUTH: Setting = optional("auth", Shape::Name, "the name of the secret that goes along");
const RETRIED: Setting =
    optional("retries", Shape::Number(0, MAX_RETRIES), "how often it is asked again").or("1 of a `get`");
const KEY: Setting =
    optional("idempotency_key", Shape::Text, "by what the other system knows a request that it has seen");

impl Http {
    /// The settings of one request; `None` when there is none, which is no fault here.
    pub(in crate::ivr) fn lower(
        fields: &mut Fields,
        takes: &BTreeMap<String, Type>,
        diags: &mut Diags,
    ) -> Option<Option<Http>> {
        let given: Vec<(&Node, &'static str)> =
            METHODS.iter().filter_map(|(setting, method)| Some((fields.take(setting)?, *method))).collect();
        let beside = ["query", "headers", "body", "auth", "retries", "idempotency_key"];
        let beside = beside.into_iter().find_map(|setting| fields.take(setting));
        let mut named = |setting| fields.take(setting).map(|node| named(node, setting, takes, diags));
        let (query, headers) = (named("query"), named("headers"));
        if let Some(node) = fields.take("headers") {
            headers_are_free(node, diags);
        }
        let body = fields.take("body").map(|node| (node.span, Body::lower(node, takes, diags)));
        let auth = fields.take("auth").map(|node| name(node, "a secret's name", diags));
        let retries = fields.take("retries").map(|node| (node.span, fields.number("retries", diags)));
        let key = fields.take("idempotency_key").map(|node| Template::lower(node, takes, diags));
        let (node, method) = match given[..] {
            [] => match beside {
                None => return Some(None),
                Some(node) => {
                    let hint = "add `post: ${base.NAME}/path`, or leave this out";
                    diags.error_hint("E114", node.span, "nothing is said of where this goes", hint);
                    return None;
                }
            },
            [one] => one,
            [_, (second, _), ..] => {
                diags.error_hint("E114", second.span, "a request has one address", "keep one of get, post, put, patch");
                return None;
            }
        };
        let (base, path) = address(node, takes, diags)?;
        if let (Some((span, _)), "GET") = (&body, method) {
            diags.error_hint("E112", *span, "a `get` has no body", "use `query:`, or `post:`");
            return None;
        }
        if let (Some((span, Some(1..))), true) = (&retries, method != "GET" && key.is_none()) {
            let hint = "add `idempotency_key: \"{...}\"`, by which the other system knows a request that it has seen";
            diags.error_hint("E112", *span, "only a `get` may be sent twice", hint);
            return None;
        }
        let default = if method == "GET" { RETRIES } else { 0 };
        Some(Some(Http {
            method,
            base,
            path,
            query: query.unwrap_or(Some(Vec::new()))?,
            headers: headers.unwrap_or(Some(Vec::new()))?,
            body: body.map(|(_, body)| body.ok_or(())).transpose().ok()?,
            auth: auth.map(|auth| auth.ok_or(())).transpose().ok()?,
            retries: retries.map_or(Some(default), |(_, retries)| retries)?,
            idempotency_key: key.map(|key| key.ok_or(())).transpose().ok()?,
        }))
    }

    /// Whether a value would stand in the address.
    pub(super) fn shows(&self, name: &str) -> bool {
        self.path.has(name) || self.query.iter().any(|(_, value)| value.has(name))
    }

    /// `None` when an argument cannot be put where it belongs: nothing is sent then.
    pub fn request(&self, args: Arguments) -> Option<Request> {
        let mut path = self.path.fill_encoded(args);
        // Encoding leaves dots alone, and a server may take `..` for the folder above, encoded or not.
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return None;
        }
        for (at, (name, value)) in self.query.iter().enumerate() {
            path.push(if at == 0 { '?' } else { '&' });
            path.push_str(&percent_encoded(name));
            path.push('=');
            path.push_str(&percent_encoded(&value.fill(args)));
        }
        let mut headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.fill(args))).collect();
        headers.extend(self.idempotency_key.iter().map(|key| ("Idempotency-Key".to_string(), key.fill(args))));
        if headers.iter().any(|(_, value)| value.chars().any(|c| c.is_control() || !c.is_ascii())) {
            return None;
        }
        Some(Request {
            method: self.method.to_string(),
            base: self.base.text.clone(),
            path,
            headers,
            body: self.body.as_ref().map(|body| body.fill(args).to_string()),
            auth: self.auth.as_ref().map(|auth| auth.text.clone()),
            retries: self.retries,
        })
    }
}

/// `${base.billing}/v1/bill`.
fn address(node: &Node, takes: &BTreeMap<String, Type>, diags: &mut Diags) -> Option<(Name, Template)> {
    const HINT: &str = "write `${base.billing}/v1/bill`; IT says under `bases:` in hotline.yaml where `billing` is";
    let text = node.scalar().unwrap_or_default();
    let parts = text.strip_prefix("${base.").and_then(|rest| rest.split_once('}'));
    let Some((base, path)) = parts else {
        let message = format!("an address begins with the name of its base, not `{}`", shown(text));
        diags.error_hint("E702", node.span, message, HINT);
        return None;
    };
    let shaped = !base.is_empty() && base.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let plain = path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '\\' | '@'));
    if !shaped || !path.starts_with('/') || !plain {
        let message = format!("`{}` is no address below a base", shown(text));
        diags.error_hint("E702", node.span, message, format!("{HINT}; what follows `?` goes into `query:`"));
        return None;
    }
    let offset = text.len() - path.len();
    let path = Template::read(path, offset, node, takes, diags)?;
    let place = diags.part_of(node, "${base.".len(), "${base.".len() + base.len());
    Some((Name { text: base.to_string(), span: place }, path))
}

/// `name: text` pairs.
fn named(
    node: &Node,
    what: &str,
    takes: &BTreeMap<String, Type>,
    diags: &mut Diags,
) -> Option<Vec<(String, Template)>> {
    let pairs = lower::named(node, &format!("`{what}`"), diags)?;
    let lowered =
        pairs.iter().map(|(key, value)| Some((parameter(key, diags)?, Template::lower(value, takes, diags)?)));
    lowered.collect()
}

/// The name of a parameter or header; what an address cannot hold is encoded there, so `$filter` is as good as any.
fn parameter(node: &Node, diags: &mut Diags) -> Option<String> {
    let text = text(node, "a name", diags)?;
    if text.is_empty() || text.len() > MAX_PARAMETER_BYTES || text.chars().any(char::is_control) {
        diags.error("E112", node.span, format!("`{}` cannot be a name", shown(text)));
        return None;
    }
    Some(text.to_string())
}

fn headers_are_free(node: &Node, diags: &mut Diags) {
    let Kind::Map(pairs) = &node.kind else { return };
    for (key, _) in pairs {
        let text = key.scalar().unwrap_or_default();
        if TAKEN_HEADERS.contains(&text.to_ascii_lowercase().as_str()) {
            let hint = "secrets go by `auth:`, what makes a request safe to repeat by `idempotency_key:`";
            diags.error_hint("E112", key.span, format!("the header `{}` is not for a flow to set", shown(text)), hint);
        } else if !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            diags.error("E112", key.span, format!("`{}` cannot be the name of a header", shown(text)));
        }
    }
}
