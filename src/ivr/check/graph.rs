//! Ways through a flow: each leads on, each section is reached, no loop goes round without a key or time passing, and from
//! everywhere there is a way to an end.

use super::View;
use crate::ivr::diag::Diags;
use crate::ivr::run::MAX_DEPTH;
use crate::ivr::source::Span;
use crate::ivr::step::{Exit, Fact, Refers, To};
use std::collections::{BTreeMap, BTreeSet};

/// Loops and traps that are told of one flow.
const MAX_ROUNDS: usize = 10;
/// Sections of a loop that a message lists.
const LOOP_SHOWN: usize = 8;

/// True when every way of the flow leads somewhere, so that further checks can follow them.
pub(super) fn check(view: &View, diags: &mut Diags) -> bool {
    let sound = every_way_leads_on(view, diags);
    if !sound {
        return false;
    }
    let ways = Ways::new(view);
    let reached = ways.reached_from(view.doors_and_start().collect());
    let kept = view.flow.sections.iter().filter(|section| section.keep);
    let kept: Vec<usize> = kept.filter_map(|section| view.entry(&section.name.text)).collect();
    unreached_sections(view, &reached, &ways.reached_from(kept.clone()), diags);
    let reached = &reached | &ways.reached_from(kept);
    if !loops(view, &ways, &reached, diags) {
        traps(view, &ways, &reached, diags);
    }
    true
}

fn every_way_leads_on(view: &View, diags: &mut Diags) -> bool {
    let before = diags.error_count();
    for (section, first) in view.flow.sections.iter().zip(&view.first) {
        if first.is_none() {
            diags.error("E211", section.name.span, format!("section `{}` is empty", section.name.text));
        }
    }
    let mut cut_off = None;
    for (index, node) in view.nodes.iter().enumerate() {
        if cut_off == Some(node.section) {
            continue;
        }
        let leads_below = node.facts.iter().any(|fact| matches!(fact, Fact::Exit(Exit { to: To::Below, .. })));
        match (leads_below, view.below(index)) {
            (true, None) => {
                let section = view.flow.sections.get(node.section).map_or("", |s| s.name.text.as_str());
                let message = format!("section `{section}` ends here with nowhere to go");
                diags.error_hint("E211", node.span, message, "end it with `- goto: ...` or `- hangup: ...`");
            }
            (false, Some(next)) => {
                let next = view.nodes.get(next).map_or(node.span, |n| n.span);
                let message = format!("nothing gets here: the `{}` above never carries on", node.verb);
                diags.error_hint("E214", next, message, "remove this, or give it a section of its own");
                cut_off = Some(node.section);
            }
            _ => {}
        }
    }
    // Unknown sections were reported already; with one of them the ways cannot be followed.
    let known = view.nodes.iter().flat_map(|node| &node.facts).all(|fact| match fact {
        Fact::Exit(Exit { to: To::Section(name), .. }) | Fact::ExitProving(name, _) => view.entry(&name.text).is_some(),
        _ => true,
    });
    known && diags.error_count() == before
}

/// Where each node leads.
struct Ways {
    all: Vec<Vec<usize>>,
    /// Those that pass no key and no time.
    instant: Vec<Vec<usize>>,
}

impl Ways {
    fn new(view: &View) -> Self {
        let mut ways = Ways { all: Vec::new(), instant: Vec::new() };
        for (index, node) in view.nodes.iter().enumerate() {
            let (mut all, mut instant) = (Vec::new(), Vec::new());
            for fact in &node.facts {
                let (to, passes) = match fact {
                    Fact::Exit(Exit { to: To::Section(name), passes, .. }) => (view.entry(&name.text), *passes),
                    Fact::Exit(Exit { to: To::Below, passes, .. }) => (view.below(index), *passes),
                    Fact::ExitProving(name, _) => (view.entry(&name.text), false),
                    _ => continue,
                };
                all.extend(to);
                if !passes {
                    instant.extend(to);
                }
            }
            ways.all.push(all);
            ways.instant.push(instant);
        }
        ways
    }

    fn reached_from(&self, mut open: Vec<usize>) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        while let Some(node) = open.pop() {
            if reached.insert(node) {
                open.extend(self.all.get(node).into_iter().flatten());
            }
        }
        reached
    }
}

/// A section that only a kept one leads to is kept with it.
fn unreached_sections(view: &View, reached: &BTreeSet<usize>, kept: &BTreeSet<usize>, diags: &mut Diags) {
    for (section, first) in view.flow.sections.iter().zip(&view.first) {
        if first.is_none_or(|first| reached.contains(&first) || !section.keep && kept.contains(&first)) {
            continue;
        }
        let message = format!("nothing leads to section `{}`", section.name.text);
        match section.keep {
            true => diags.warn("E213", section.name.span, message),
            false => {
                diags.error_hint("E213", section.name.span, message, "remove it, lead to it, or mark it `keep: true`");
            }
        }
    }
}

/// Peels off every node that cannot be on a loop; what is left are loops and the ways between them. True when there are.
fn loops(view: &View, ways: &Ways, reached: &BTreeSet<usize>, diags: &mut Diags) -> bool {
    let mut left: BTreeSet<usize> = reached.clone();
    let mut open: Vec<usize> = left.iter().copied().collect();
    let back = backward(&ways.instant);
    while let Some(node) = open.pop() {
        let leads_on = ways.instant.get(node).into_iter().flatten().any(|to| left.contains(to));
        if !leads_on && left.remove(&node) {
            open.extend(back.get(&node).into_iter().flatten());
        }
    }
    let found = !left.is_empty();
    for _ in 0..MAX_ROUNDS {
        let Some(&start) = left.first() else { break };
        let round = round(start, &ways.instant, &left);
        if let Some(place) = round.first().and_then(|node| view.nodes.get(*node)) {
            let message = format!("a call can go round without a key or time passing: {}", named(view, &round));
            diags.error_hint("E221", place.span, message, "put a menu, a `pause` or an end on the way");
        }
        // What leads only into this loop would find it again.
        let gone = leading_to(&ways.instant, &round, &left);
        left.retain(|node| !gone.contains(node) && *node != start);
    }
    found
}

/// Follows ways within `left`, where every node leads to another one, until they meet themselves.
fn round(start: usize, ways: &[Vec<usize>], left: &BTreeSet<usize>) -> Vec<usize> {
    let mut path = vec![start];
    let mut places = BTreeMap::from([(start, 0)]);
    while let Some(here) = path.last() {
        let Some(&next) = ways.get(*here).into_iter().flatten().find(|to| left.contains(to)) else { break };
        if let Some(at) = places.get(&next) {
            return path.split_off(*at);
        }
        places.insert(next, path.len());
        path.push(next);
    }
    Vec::new()
}

/// The sections that nodes are in, in their order.
fn named(view: &View, nodes: &[usize]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for node in nodes.iter().filter_map(|node| view.nodes.get(*node)) {
        let name = view.flow.sections.get(node.section).map_or("", |s| s.name.text.as_str());
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    let more = if names.len() > LOOP_SHOWN { " → ..." } else { "" };
    names.truncate(LOOP_SHOWN);
    names.join(" → ") + more
}

fn backward(ways: &[Vec<usize>]) -> BTreeMap<usize, Vec<usize>> {
    let mut back: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, tos) in ways.iter().enumerate() {
        tos.iter().for_each(|to| back.entry(*to).or_default().push(from));
    }
    back
}

/// All nodes of `within` from which one of `goals` is reached.
fn leading_to(ways: &[Vec<usize>], goals: &[usize], within: &BTreeSet<usize>) -> BTreeSet<usize> {
    let back = backward(ways);
    let mut found = BTreeSet::new();
    let mut open = goals.to_vec();
    while let Some(node) = open.pop() {
        if within.contains(&node) && found.insert(node) {
            open.extend(back.get(&node).into_iter().flatten());
        }
    }
    found
}

fn traps(view: &View, ways: &Ways, reached: &BTreeSet<usize>, diags: &mut Diags) {
    let ends = |node: &usize| {
        view.nodes.get(*node).is_some_and(|node| node.facts.iter().any(|fact| matches!(fact, Fact::Ends)))
    };
    let goals: Vec<usize> = reached.iter().filter(|node| ends(node)).copied().collect();
    let saved = leading_to(&ways.all, &goals, reached);
    let mut lost: BTreeSet<usize> = reached.difference(&saved).copied().collect();
    for _ in 0..MAX_ROUNDS {
        let Some(&start) = lost.first() else { break };
        // Without an end every way goes round: that round is the trap, what leads into it is not to blame.
        let round = round(start, &ways.all, &lost);
        if let Some(place) = round.first().and_then(|node| view.nodes.get(*node)) {
            let message = format!("no way leads from here to an end of the call: {}", named(view, &round));
            diags.error_hint("E222", place.span, message, "lead to a queue, a transfer or `hangup`");
        }
        let gone = leading_to(&ways.all, &round, &lost);
        lost.retain(|node| !gone.contains(node) && *node != start);
    }
}

/// What a subflow gives should be taken by somebody, where somebody calls it.
pub(super) fn check_gives(views: &[View], diags: &mut Diags) {
    let mut taken: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for node in views.iter().flat_map(|view| &view.nodes) {
        let Some(flow) = node.refers(Refers::Flow) else { continue };
        let names =
            node.facts.iter().filter_map(|fact| if let Fact::Takes(name) = fact { Some(&*name.text) } else { None });
        taken.entry(&flow.text).or_default().extend(names);
    }
    for view in views {
        let Some(taken) = taken.get(view.flow.name.as_str()) else { continue };
        for name in view.flow.gives.iter().filter(|name| !taken.contains(name.text.as_str())) {
            let message = format!("no flow that calls `{}` takes its `{}`", view.flow.name, name.text);
            diags.warn_hint("E224", name.span, message, "leave it out of `gives`, or take it by `get:`");
        }
    }
}

/// Subflows must not call themselves, nor one another deeper than the interpreter goes.
pub(super) fn check_calls(views: &[View], diags: &mut Diags) {
    let calls: BTreeMap<&str, Vec<(&str, Span)>> = views
        .iter()
        .map(|view| {
            let facts = view.nodes.iter().flat_map(|node| &node.facts);
            let called = facts.filter_map(|fact| match fact {
                Fact::Refers(Refers::Flow, name) => Some((name.text.as_str(), name.span)),
                _ => None,
            });
            (view.flow.name.as_str(), called.collect())
        })
        .collect();
    // The longest chain below each flow grows by one a round; a flow still growing after MAX_DEPTH rounds is too deep or
    // in a circle.
    let mut depth: BTreeMap<&str, usize> = calls.keys().map(|name| (*name, 1)).collect();
    for _ in 0..=MAX_DEPTH {
        for (name, called) in &calls {
            let below = called.iter().filter_map(|(to, _)| depth.get(to)).max().copied().unwrap_or(0);
            depth.insert(name, below + 1);
        }
    }
    let mut told = BTreeSet::new();
    for (name, called) in &calls {
        for (to, span) in called {
            if depth.get(name).is_some_and(|d| *d > MAX_DEPTH)
                && depth.get(to).is_some_and(|d| *d >= MAX_DEPTH)
                && told.insert(*name)
            {
                let message = format!("`{name}` calls itself through `{to}`, or subflows go deeper than {MAX_DEPTH}");
                diags.error_hint("E223", *span, message, "use `goto` within one flow instead");
            }
        }
    }
}
