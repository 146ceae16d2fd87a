//! What callers must be told and what must not happen to them twice: answers that are heard out, failures that are said,
//! recordings that are announced, forms that are filed once.

use super::View;
use crate::ivr::diag::Diags;
use crate::ivr::expr::{Expr, Kind, Op};
use crate::ivr::step::{Exit, Fact, Refers, To};
use std::collections::BTreeSet;

/// Steps of a kind that are followed; more are in no flow that a person wrote.
const MAX_FOLLOWED: usize = 100;

pub(super) fn check(view: &View, diags: &mut Diags) {
    let mut followed = 0;
    for (index, node) in view.nodes.iter().enumerate() {
        let above = index.checked_sub(1).and_then(|above| view.nodes.get(above));
        let above = above.filter(|above| above.section == node.section && above.verb == "say");
        if let (Some(answer), "resolved") = (above, node.verb)
            && answer.facts.iter().any(|fact| matches!(fact, Fact::Bargeable))
        {
            let message = "this answer can be skipped before it is heard, and would count as given";
            diags.warn_hint("E801", answer.span, message, "add `barge_in: false`");
        }
        if above.is_none() && node.facts.iter().any(|fact| matches!(fact, Fact::Records { told: false })) {
            let message = format!("nothing tells the caller that `{}` records", node.verb);
            diags.error_hint("E705", node.span, message, "add `say:` with a prompt that says so");
        }
        followed += usize::from(matches!(node.verb, "send" | "form"));
        if matches!(node.verb, "send" | "form") && followed <= MAX_FOLLOWED {
            failure_is_said(view, index, diags);
        }
        if node.verb == "form" && followed <= MAX_FOLLOWED {
            filed_once(view, index, diags);
        }
    }
}

/// What is heard first after the step failed.
fn failure_is_said(view: &View, index: usize, diags: &mut Diags) {
    for fact in view.nodes.get(index).map(|node| node.facts.as_slice()).unwrap_or_default() {
        let Fact::Exit(Exit { to: To::Section(name), outcome: "failed", .. }) = fact else { continue };
        let silent = |node: &super::Node| node.plays().next().is_none();
        let reached = view.reached(view.entry(&name.text), |node, _| silent(node) && !node.is_handover());
        let unsaid = reached
            .into_iter()
            .filter_map(|node| view.nodes.get(node))
            .find(|node| silent(node) && (node.is_handover() || matches!(node.verb, "hangup" | "return")));
        if let Some(unsaid) = unsaid {
            let message = format!("when this fails, the caller hears nothing of it before `{}`", unsaid.verb);
            diags.warn_hint("E802", name.span, message, "begin the section with a `say:` that tells it");
        }
    }
}

/// Follows what can happen after a form is filed, with the variable that has its number set.
fn filed_once(view: &View, index: usize, diags: &mut Diags) {
    let Some(node) = view.nodes.get(index) else { return };
    let Some(form) = node.refers(Refers::Form) else { return };
    let mut set: BTreeSet<&str> = BTreeSet::new();
    for fact in &node.facts {
        if let Fact::Exit(exit) = fact {
            set.extend(exit.sets.iter().map(|(name, _)| name.text.as_str()));
        }
    }
    let mut reached = BTreeSet::new();
    let mut open: Vec<usize> = view.below(index).into_iter().collect();
    while let Some(at) = open.pop() {
        let Some(here) = view.nodes.get(at).filter(|_| reached.insert(at)) else { continue };
        if here.refers(Refers::Form).is_some_and(|other| other.text == form.text) {
            let message = format!("the form `{}` can be filed twice in one call", form.text);
            let hint = "lead elsewhere, or keep its number (`get:`) and ask `is set` before it";
            diags.warn_hint("E803", form.span, message, hint);
            return;
        }
        open.extend(ways(view, at, &set));
    }
}

/// The ways of a step, but for those that a condition on what is set rules out.
fn ways(view: &View, index: usize, set: &BTreeSet<&str>) -> Vec<usize> {
    let Some(node) = view.nodes.get(index).filter(|node| node.verb == "choose") else {
        return view.ways(index).map(|(_, to)| to).collect();
    };
    let mut found = Vec::new();
    let mut holds = None;
    for fact in &node.facts {
        match fact {
            Fact::Reads(condition, _) => holds = settled(condition, set),
            Fact::ExitProving(section, _) if holds != Some(false) => {
                found.extend(view.entry(&section.text));
                if holds == Some(true) {
                    return found;
                }
            }
            _ => {}
        }
    }
    found.extend(view.ways(index).filter(|(outcome, _)| *outcome != "if").map(|(_, to)| to));
    found
}

/// Whether a condition holds for certain, by what is set alone.
fn settled(condition: &Expr, set: &BTreeSet<&str>) -> Option<bool> {
    match &condition.kind {
        Kind::IsSet(name) if set.contains(name.as_str()) => Some(true),
        Kind::Not(inner) => settled(inner, set).map(|holds| !holds),
        Kind::Binary(Op::And, a, b) => match (settled(a, set), settled(b, set)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Kind::Binary(Op::Or, a, b) => match (settled(a, set), settled(b, set)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        _ => None,
    }
}
