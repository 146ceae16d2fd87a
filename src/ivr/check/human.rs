//! A human within reach: from every menu, in open hours, by a few keys, and by 0 where 0 is a key at all.

use super::View;
use crate::ivr::diag::Diags;
use crate::ivr::flow::Target;
use crate::ivr::source::Span;
use crate::ivr::step::{Answer, Fact, Refers};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Keys by which a human must be reached; exploring a flow asks for the same.
const KEYS: usize = 4;
const HINT: &str =
    "lead to a queue or a transfer (a shortcut `0: agent` does it for all menus), or say `no_agent: true`";

pub(super) fn check(view: &View, diags: &mut Diags) {
    let has_people = view.flow.is_subflow() || view.nodes.iter().any(super::Node::is_handover);
    let least = least_keys(view);
    let near = |node: Option<usize>| node.and_then(|node| least.get(&node)).is_some_and(|keys| *keys <= KEYS);
    for (index, node) in view.nodes.iter().enumerate().filter(|(_, node)| node.verb == "menu") {
        if node.questions().any(|question| question.no_agent) {
            continue;
        }
        if !near(Some(index)) {
            let message = match least.get(&index) {
                Some(keys) => format!("a human is {keys} keys away from this menu, more than {KEYS}"),
                None => "in open hours no key of this menu leads to a human".to_string(),
            };
            // A service without people is told so, and may run.
            match has_people {
                true => diags.error_hint("E231", node.span, message, HINT),
                false => diags.warn_hint("E231", node.span, message, HINT),
            }
            continue;
        }
        let (place, target) = match zero(view, index) {
            Some(found) => found,
            None => continue,
        };
        // A section that is not there is told as that.
        let known = target.section().is_none_or(|name| view.entry(&name.text).is_some());
        let leads = target.section().is_some_and(|name| near(view.entry(&name.text)));
        if known && !leads {
            diags.error_hint("E232", place, "callers press 0 for a human, and here it leads to none", HINT);
        }
    }
}

/// What 0 does in a menu.
fn zero<'v>(view: &'v View, menu: usize) -> Option<(Span, &'v Target)> {
    let facts = view.nodes.get(menu).map(|node| node.facts.as_slice()).unwrap_or_default();
    let own = facts.iter().find_map(|fact| match fact {
        Fact::Key { key: "0", span, target } => Some((*span, *target)),
        _ => None,
    });
    own.or_else(|| {
        let target = view.flow.shortcuts.get(&'0')?;
        Some((target.section().map_or(view.nodes.get(menu)?.span, |name| name.span), target))
    })
}

/// The least keys to a human from each node that has one in reach. What happens by silence or by failure is no way there.
fn least_keys(view: &View) -> BTreeMap<usize, usize> {
    let mut before: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    let mut open = BinaryHeap::new();
    for (index, node) in view.nodes.iter().enumerate() {
        for (keys, to) in ways(view, index) {
            before.entry(to).or_default().push((keys, index));
        }
        // A subflow leaves it to whoever called it.
        let human = node.is_handover()
            || node.verb == "return"
            || node.refers(Refers::Flow).and_then(|name| view.bundle.flow(&name.text)).is_some_and(has_human);
        if human {
            open.push(Reverse((0, index)));
        }
    }
    let mut least = BTreeMap::new();
    while let Some(Reverse((keys, node))) = open.pop() {
        if *least.entry(node).or_insert(keys) < keys {
            continue;
        }
        for (more, from) in before.get(&node).into_iter().flatten() {
            if !least.contains_key(from) {
                open.push(Reverse((keys + more, *from)));
            }
        }
    }
    least
}

fn has_human(flow: &crate::ivr::flow::Flow) -> bool {
    let steps = flow.sections.iter().flat_map(|section| &section.steps);
    steps.map(|step| step.verb.verb()).any(|verb| matches!(verb, "queue" | "transfer"))
}

/// Ways in open hours, each with the keys that it takes.
fn ways(view: &View, index: usize) -> Vec<(usize, usize)> {
    let Some(node) = view.nodes.get(index) else { return Vec::new() };
    if node.verb == "menu" {
        let section = |target: &Target| target.section().and_then(|name| view.entry(&name.text));
        let mut found: Vec<(usize, usize)> = Vec::new();
        let mut own = Vec::new();
        for fact in &node.facts {
            let Fact::Key { key, target, .. } = fact else { continue };
            own.push(*key);
            found.extend(section(target).map(|to| (key.len(), to)));
        }
        let shortcuts = view.flow.shortcuts.iter().filter(|(key, _)| !own.contains(&key.to_string().as_str()));
        found.extend(shortcuts.filter_map(|(_, target)| Some((1, section(target)?))));
        return found;
    }
    let entry = node.questions().find(|question| question.what == Answer::Entry);
    let keys = entry.map_or(0, |question| question.least);
    let ways = view.ways(index).filter(|(outcome, _)| !matches!(*outcome, "closed" | "holiday" | "failed" | "give_up"));
    ways.map(|(_, to)| (keys, to)).collect()
}
