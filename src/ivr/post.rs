//! What flows may send and where spoken messages go, from `messages.yaml`: what each takes, and how it is delivered.

use super::diag::Diags;
use super::lookup::{self, http};
use super::lookup::{Http, types};
use super::lower::{Fields, identifier};
use super::settings::{Group, Shape, joined, optional};
use super::value::Type;
use super::yaml::Node;
use std::collections::BTreeMap;

/// Filled in for every message: the number that it is kept under, and who called.
pub const OF_EVERY_MESSAGE: [&str; 2] = ["reference", "caller"];
/// Filled in for a spoken message besides.
pub const OF_A_SPOKEN_MESSAGE: [&str; 3] = ["file", "seconds", "urgent"];

/// A message or form that flows fill in, or a box that callers speak into.
#[derive(Debug)]
pub struct Template {
    pub takes: BTreeMap<String, Type>,
    /// Without it the message is kept, and listed for whoever looks.
    pub http: Option<Http>,
}

#[derive(Debug, Default)]
pub(super) struct Templates {
    pub messages: BTreeMap<String, Template>,
    pub forms: BTreeMap<String, Template>,
    pub mailboxes: BTreeMap<String, Template>,
}

impl Templates {
    pub fn all(&self) -> impl Iterator<Item = &Template> {
        [&self.messages, &self.forms, &self.mailboxes].into_iter().flat_map(BTreeMap::values)
    }
}

/// A messages file.
pub(super) const FILE: Group = Group {
    what: "a messages file",
    settings: &[
        optional("messages", MESSAGES, "what `send` sends, by name"),
        optional("forms", MESSAGES, "what `form` files, by name"),
        optional("mailboxes", MESSAGES, "who is told of a message in a mailbox, by its name"),
    ],
};

const MESSAGES: Shape = Shape::Named(&Shape::Group(&MESSAGE));

const MESSAGE: Group = Group {
    what: "a message",
    settings: &joined::<1, 10, 11>(
        [optional("takes", Shape::Named(&lookup::TAKEN), "its fields and their types")],
        http::SETTINGS,
    ),
};

/// Reads `messages.yaml`.
pub(super) fn lower(root: &Node, templates: &mut Templates, diags: &mut Diags) {
    let Some(mut top) = Fields::of(root, &FILE, diags) else { return };
    let spoken: Vec<&str> = OF_EVERY_MESSAGE.into_iter().chain(OF_A_SPOKEN_MESSAGE).collect();
    group(&mut top, "messages", &OF_EVERY_MESSAGE, &mut templates.messages, diags);
    group(&mut top, "forms", &OF_EVERY_MESSAGE, &mut templates.forms, diags);
    group(&mut top, "mailboxes", &spoken, &mut templates.mailboxes, diags);
    top.finish(diags);
}

fn group(
    top: &mut Fields,
    key: &'static str,
    filled_in: &[&str],
    into: &mut BTreeMap<String, Template>,
    diags: &mut Diags,
) {
    let Some(all) = top.take(key).and_then(|node| Fields::of(node, key, diags)) else { return };
    for (name, value) in all.all() {
        let Some(name) = identifier(name, "a name", diags) else { continue };
        let Some(mut fields) = Fields::of(value, &MESSAGE, diags) else { continue };
        let takes = fields.take("takes").map(|node| types(node, "`takes`", diags)).unwrap_or_default();
        let mut known = takes.clone();
        known.extend(filled_in.iter().map(|name| (name.to_string(), Type::Text)));
        let http = Http::lower(&mut fields, &known, diags);
        fields.finish(diags);
        let Some(http) = http else { continue };
        if into.insert(name.text.clone(), Template { takes, http }).is_some() {
            diags.error("E208", name.span, format!("`{}` is there twice", name.text));
        }
    }
}
