//! Opening hours in flows: what is closed must not lead to where it is closed, and an emergency asks no calendar.

use super::View;
use crate::ivr::diag::Diags;
use crate::ivr::step::{Exit, Fact, Refers, To};
use std::collections::BTreeSet;

/// Steps that are followed; more are in no flow that a person wrote.
const MAX_FOLLOWED: usize = 100;

pub(super) fn check(view: &View, diags: &mut Diags) {
    closed_to_the_same_queue(view, diags);
    emergencies(view, diags);
}

/// Queues that are come to without a key being pressed and without another handover on the way.
fn queues<'v>(view: &'v View, from: usize) -> BTreeSet<&'v str> {
    let reached = view.reached([from], |node, _| !node.is_handover() && node.questions().next().is_none());
    let queues = reached.into_iter().filter_map(|node| view.nodes.get(node)).filter(|node| node.verb == "queue");
    queues.filter_map(|node| node.refers(Refers::Queue)).map(|name| name.text.as_str()).collect()
}

fn closed_to_the_same_queue(view: &View, diags: &mut Diags) {
    let asking = view.nodes.iter().enumerate().filter(|(_, node)| matches!(node.verb, "hours" | "queue"));
    for (index, node) in asking.take(MAX_FOLLOWED) {
        let open: BTreeSet<&str> = match node.verb {
            "hours" => {
                let ways = view.ways(index).filter(|(outcome, _)| matches!(*outcome, "" | "open"));
                ways.flat_map(|(_, to)| queues(view, to)).collect()
            }
            _ => node.refers(Refers::Queue).map(|name| name.text.as_str()).into_iter().collect(),
        };
        for fact in &node.facts {
            let Fact::Exit(Exit { to: To::Section(name), outcome: "closed" | "holiday" | "no_agents", .. }) = fact
            else {
                continue;
            };
            let Some(to) = view.entry(&name.text) else { continue };
            if let Some(queue) = queues(view, to).intersection(&open).next() {
                let message = format!("when it is closed, the call goes to the queue `{queue}` all the same");
                let hint = "lead to another desk, a message or goodbye";
                diags.warn_hint("E605", name.span, message, hint);
            }
        }
    }
}

fn emergencies(view: &View, diags: &mut Diags) {
    let at_any_hour = view.reached(view.doors_and_start(), |node, outcome| {
        node.verb != "hours" || matches!(outcome, "closed" | "holiday")
    });
    let ever = view.reached(view.doors_and_start(), |_, _| true);
    for index in ever.difference(&at_any_hour) {
        let Some(node) = view.nodes.get(*index) else { continue };
        if node.facts.iter().any(|fact| matches!(fact, Fact::Urgent)) {
            let message = "this queue is for emergencies, and is reached in opening hours only";
            diags.warn_hint("E606", node.span, message, "lead to it before the calendar is asked");
        }
    }
}
