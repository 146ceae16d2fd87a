//! What must hold before a caller may hear a flow: every name exists, every way leads somewhere, every variable is known
//! and set, every text is there in every language.
//!
//! Findings about what is missing are kept back for flows that could not be read wholly: half a flow has too many holes.

mod graph;
mod keys;
mod outside;
mod refs;
mod texts;
mod vars;

use super::bundle::{Bundle, Platform};
use super::diag::Diags;
use super::flow::Flow;
use super::source::Span;
use super::step::Fact;

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
        if !view.flow.broken {
            let sound = graph::check(view, diags);
            if sound && known_vars {
                vars::check_order(view, diags);
            }
        }
    }
    graph::check_calls(&views, diags);
    if let Some(platform) = platform {
        outside::check(bundle, platform, diags);
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

    /// The sections that a call can enter from anywhere: by a shortcut, or as the way out.
    fn doors(&self) -> impl Iterator<Item = usize> {
        let shortcuts = self.flow.shortcuts.values().filter_map(|target| target.section());
        let names = shortcuts.chain(&self.flow.defaults.give_up).map(|name| name.text.as_str());
        names.filter_map(|name| self.entry(name))
    }
}
