//! What a flow's steps name, read off the file by the tables of the verbs and without judging it: the picture of a flow
//! and the notes of its prompts are made from this.

use super::settings::{Group, Shape};
use super::source::Files;
use super::step::VERBS;
use super::yaml::{Kind, Node};

/// A step as it stands in the file.
pub(super) struct Step<'n> {
    /// The item of the list of steps.
    pub item: &'n Node,
    pub verb: &'static str,
    pub settings: &'n Node,
    shape: &'static Shape,
}

/// A name in a step: what it is said to be, where, and by which setting or key.
pub(super) struct Mention<'n> {
    pub what: What,
    pub name: &'n str,
    pub on: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Prompt,
    Section,
    Name,
}

/// The sections of a flow, each with its steps; what is no section or no known step is left out.
pub(super) fn sections(root: &Node) -> impl Iterator<Item = (&Node, Vec<Step<'_>>)> {
    let pairs = match root.child("sections").map(|node| &node.kind) {
        Some(Kind::Map(pairs)) => pairs.as_slice(),
        _ => &[],
    };
    pairs.iter().map(|(name, body)| {
        let steps = match &body.kind {
            Kind::List(items) => items.as_slice(),
            _ => match body.child("steps").map(|node| &node.kind) {
                Some(Kind::List(items)) => items.as_slice(),
                _ => &[],
            },
        };
        (name, steps.iter().filter_map(step).collect())
    })
}

fn step(item: &Node) -> Option<Step<'_>> {
    let Kind::Map(pairs) = &item.kind else { return None };
    let (verb, settings) = pairs.first()?;
    let known = VERBS.iter().find(|known| verb.scalar() == Some(known.name))?;
    Some(Step { item, verb: known.name, settings, shape: &known.shape })
}

impl<'n> Step<'n> {
    /// Every prompt, section and other name, in the order of the file.
    pub fn mentions(&self) -> Vec<Mention<'n>> {
        let mut found = Vec::new();
        mentions(self.settings, self.shape, self.verb, &mut found);
        found
    }

    /// Whether the step has a setting that it does not give.
    pub fn leaves_out(&self, setting: &str) -> bool {
        let has = match self.shape {
            Shape::Group(group) => group.setting(setting).is_some(),
            _ => false,
        };
        has && self.settings.child(setting).is_none()
    }
}

fn mentions<'n>(node: &'n Node, shape: &Shape, on: &str, found: &mut Vec<Mention<'n>>) {
    let mut add = |what, node: &'n Node| {
        let name = node.scalar().filter(|_| !node.is_null());
        found.extend(name.map(|name| Mention { what, name, on: on.to_string() }));
    };
    match (shape, &node.kind) {
        (Shape::Prompt | Shape::Prompts, Kind::Scalar { .. }) => add(What::Prompt, node),
        (Shape::Prompts, Kind::List(items)) => items.iter().for_each(|item| add(What::Prompt, item)),
        (Shape::Section | Shape::Target, Kind::Scalar { .. }) => add(What::Section, node),
        (Shape::Name, Kind::Scalar { .. }) => add(What::Name, node),
        (Shape::Keys(_, to) | Shape::Named(to), Kind::Map(pairs)) => {
            pairs.iter().for_each(|(key, value)| mentions(value, to, key.scalar().unwrap_or_default(), found));
        }
        (Shape::List(to), Kind::List(items)) => items.iter().for_each(|item| mentions(item, to, on, found)),
        (Shape::Either(shapes), _) => {
            if let Some(shape) = shapes.iter().find(|shape| fits(node, shape)) {
                mentions(node, shape, on, found);
            }
        }
        (Shape::Group(group), Kind::Map(pairs)) => {
            let condition = node.child("if").and_then(Node::scalar);
            for (key, value) in pairs {
                let Some(setting) = key.scalar().and_then(|name| group.setting(name)) else { continue };
                // Where a condition leads is told by the condition.
                let on = condition.filter(|_| setting.name == "goto").unwrap_or(setting.name);
                mentions(value, &setting.shape, on, found);
            }
        }
        _ => {}
    }
}

fn fits(node: &Node, shape: &Shape) -> bool {
    match (shape, &node.kind) {
        (Shape::Group(group), Kind::Map(pairs)) => known(group, pairs),
        (Shape::Either(shapes), _) => shapes.iter().any(|shape| fits(node, shape)),
        (Shape::Named(_) | Shape::Keys(..), Kind::Map(_)) => true,
        (Shape::List(_) | Shape::Prompts | Shape::Names | Shape::Steps, Kind::List(_)) => true,
        (
            Shape::Group(_)
            | Shape::One(_)
            | Shape::List(_)
            | Shape::Named(_)
            | Shape::Keys(..)
            | Shape::Steps
            | Shape::Nothing,
            _,
        ) => false,
        (_, Kind::Scalar { .. }) => true,
        _ => false,
    }
}

fn known(group: &Group, pairs: &[(Node, Node)]) -> bool {
    pairs.iter().all(|(key, _)| key.scalar().is_some_and(|name| group.setting(name).is_some()))
}

/// The line of a node, from 1.
pub(super) fn line(files: &Files, node: &Node) -> u32 {
    files.0.get(usize::from(node.span.file)).map_or(0, |file| file.line_column(node.span.start).0)
}
