//! What must hold before a caller may hear a flow: every name exists, every way leads somewhere, every variable is known
//! and set, every text is there in every language.
//!
//! Findings about what is missing are kept back for flows that could not be read wholly: half a flow has too many holes.

mod branches;
mod care;
mod graph;
mod heard;
mod hours;
mod human;
mod keys;
mod outside;
mod pace;
mod refs;
mod texts;
mod vars;

use super::bundle::{Bundle, Platform};
use super::diag::Diags;
use super::flow::Flow;
use super::source::Name;
use super::source::Span;
use super::step::{Exit, Fact, Question, Refers, To};
use std::collections::BTreeSet;

/// One step with its facts.
struct Node<'b> {
    section: usize,
    span: Span,
    verb: &'static str,
    facts: Vec<Fact<'b>>,
}

/// A flow as the checks see it: its steps in a row.
struct View<'b> {
    bundle: &'b Bundle,
    flow: &'b Flow,
    nodes: Vec<Node<'b>>,
    /// Index of each section's first node; `None` for an empty section.
    first: Vec<Option<usize>>,
}

pub(super) fn check(bundle: &Bundle, platform: Option<&Platform>, diags: &mut Diags) {
    let views: Vec<View> = bundle.flows.iter().map(|flow| View::new(bundle, flow)).collect();
    for view in &views {
        refs::check(view, platform, diags);
        keys::check(view, diags);
        let known_vars = vars::check_types(view, diags);
        if view.flow.broken {
            continue;
        }
        heard::check(view, diags);
        let sound = graph::check(view, diags);
        if known_vars {
            branches::check(view, diags);
        }
        if sound && known_vars {
            vars::check_order(view, diags);
        }
        if sound {
            human::check(view, diags);
            hours::check(view, diags);
            care::check(view, diags);
            pace::check(view, diags);
        }
    }
    graph::check_calls(&views, diags);
    graph::check_gives(&views, diags);
    if let Some(platform) = platform {
        outside::check(&views, bundle, platform, diags);
    }
    texts::check(&views, diags);
}

impl<'b> View<'b> {
    fn new(bundle: &'b Bundle, flow: &'b Flow) -> Self {
        let mut nodes = Vec::new();
        let mut first = Vec::new();
        for (section, steps) in flow.sections.iter().enumerate() {
            first.push((!steps.steps.is_empty()).then_some(nodes.len()));
            for at in &steps.steps {
                let mut facts = Vec::new();
                at.verb.facts(bundle, &mut facts);
                nodes.push(Node { section, span: at.span, verb: at.verb.verb(), facts });
            }
        }
        Self { bundle, flow, nodes, first }
    }

    /// The first node of a section.
    fn entry(&self, section: &str) -> Option<usize> {
        *self.first.get(self.flow.section_index(section)? as usize)?
    }

    /// The node below, if it is in the same section.
    fn below(&self, node: usize) -> Option<usize> {
        let here = self.nodes.get(node)?;
        self.nodes.get(node + 1).filter(|next| next.section == here.section).map(|_| node + 1)
    }

    /// Where a node leads in this flow, and the outcome that leads there.
    fn ways(&self, node: usize) -> impl Iterator<Item = (&'static str, usize)> {
        let facts = self.nodes.get(node).map(|node| node.facts.as_slice()).unwrap_or_default();
        facts.iter().filter_map(move |fact| match fact {
            Fact::Exit(Exit { to: To::Section(name), outcome, .. }) => Some((*outcome, self.entry(&name.text)?)),
            Fact::Exit(Exit { to: To::Below, outcome, .. }) => Some((*outcome, self.below(node)?)),
            Fact::ExitProving(name, _) => Some(("if", self.entry(&name.text)?)),
            _ => None,
        })
    }

    /// All nodes that are reached from these along the ways that `follow` lets pass.
    fn reached(&self, from: impl IntoIterator<Item = usize>, follow: impl Fn(&Node, &str) -> bool) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<usize> = from.into_iter().collect();
        while let Some(index) = open.pop() {
            let Some(node) = self.nodes.get(index).filter(|_| reached.insert(index)) else { continue };
            open.extend(self.ways(index).filter(|(outcome, _)| follow(node, outcome)).map(|(_, to)| to));
        }
        reached
    }

    /// Where calls come into this flow.
    fn doors_and_start(&self) -> impl Iterator<Item = usize> {
        self.entry("start").into_iter().chain(self.doors())
    }

    /// The sections that a call can enter from anywhere: by a shortcut, or as the way out.
    fn doors(&self) -> impl Iterator<Item = usize> {
        let shortcuts = self.flow.shortcuts.values().filter_map(|target| target.section());
        let names = shortcuts.chain(&self.flow.defaults.give_up).map(|name| name.text.as_str());
        names.filter_map(|name| self.entry(name))
    }
}

impl<'b> Node<'b> {
    fn questions(&self) -> impl Iterator<Item = &Question<'b>> {
        self.facts.iter().filter_map(|fact| if let Fact::Asks(question) = fact { Some(question) } else { None })
    }

    fn refers(&self, wanted: Refers) -> Option<&'b Name> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::Refers(what, name) if *what == wanted => Some(*name),
            _ => None,
        })
    }

    /// Prompts that the caller hears here, but for those in a queue.
    fn plays(&self) -> impl Iterator<Item = &'b Name> {
        self.facts.iter().filter_map(|fact| if let Fact::Plays(name) = fact { Some(*name) } else { None })
    }

    /// Hands the caller to somebody: nothing below is heard unless that fails.
    fn is_handover(&self) -> bool {
        matches!(self.verb, "queue" | "transfer")
    }
}

/// A key as flows write it.
fn named_key(key: char) -> String {
    match key {
        '*' => "star".into(),
        '#' => "hash".into(),
        digit => digit.to_string(),
    }
}
