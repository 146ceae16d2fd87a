//! Variables: each is declared, of the right type, set on every way before it is read, and kept from where it must not go.

use super::View;
use crate::ivr::diag::Diags;
use crate::ivr::expr::{self, Expr, Known, TypeError};
use crate::ivr::source::{Name, Span};
use crate::ivr::step::{Exit, Fact, To};
use crate::ivr::value::Type;
use std::collections::{BTreeMap, BTreeSet};

/// Checks names and types. True when all are known.
pub(super) fn check_types(view: &View, diags: &mut Diags) -> bool {
    let before = diags.error_count();
    let flow = view.flow;
    if flow.unread_vars {
        return false;
    }
    let mut used: BTreeSet<String> = flow.gives.iter().chain(&flow.takes).map(|name| name.text.clone()).collect();
    for fact in view.nodes.iter().flat_map(|node| &node.facts) {
        match fact {
            Fact::Reads(expr, wanted) | Fact::Fills(expr, wanted) => {
                typed(expr, wanted.as_ref(), view, diags);
                no_secret(expr, view, &mut used, diags);
            }
            Fact::Sends(expr, wanted) => {
                typed(expr, wanted.as_ref(), view, diags);
                expr.reads(&mut |name, _, _| {
                    used.insert(name.to_string());
                });
            }
            Fact::Assigns(name, expr) => {
                let wanted = declared(name, view, diags);
                typed(expr, wanted.as_ref(), view, diags);
                no_secret(expr, view, &mut used, diags);
            }
            Fact::Collects(name) => {
                if let Some(ty) = declared(name, view, diags)
                    && !matches!(ty, Type::Digits | Type::Text | Type::Int | Type::Date)
                {
                    let message = format!("digits cannot be stored in `{}`, which is {}", name.text, ty.name());
                    diags.error_hint("E303", name.span, message, "declare it as digits, text, int or date");
                }
            }
            Fact::Carries(name) => {
                used.insert(name.text.clone());
                if flow.type_of(&name.text).is_none() {
                    report(expr::undefined(&name.text, name.span, flow), diags);
                }
                secret(&name.text, name.span, view, diags);
            }
            Fact::Exit(exit) => {
                for (name, from) in &exit.sets {
                    if let (Some(ty), Some(from)) = (declared(name, view, diags), from)
                        && !ty.takes(from)
                    {
                        let message = format!("`{}` is {}, but receives {}", name.text, ty.name(), from.name());
                        diags.error("E303", name.span, message);
                    }
                }
            }
            Fact::Plays(prompt) | Fact::PlaysInQueue(prompt) => {
                for (slot, _) in slots(view, prompt) {
                    used.insert(slot.text.clone());
                }
            }
            _ => {}
        }
    }
    for node in &view.nodes {
        for fact in &node.facts {
            let (prompt, in_queue) = match fact {
                Fact::Plays(prompt) => (prompt, false),
                Fact::PlaysInQueue(prompt) => (prompt, true),
                _ => continue,
            };
            slot_types(view, prompt, in_queue, diags);
        }
    }
    if !flow.broken {
        for (name, decl) in flow.vars.iter().filter(|(name, _)| !used.contains(*name)) {
            diags.warn("E304", decl.span, format!("nothing reads the variable `{name}`"));
        }
    }
    diags.error_count() == before
}

fn typed(expr: &Expr, wanted: Option<&Type>, view: &View, diags: &mut Diags) {
    if let Err(error) = expr::check(expr, view.flow, wanted) {
        report(error, diags);
    }
}

fn report(error: TypeError, diags: &mut Diags) {
    match error.hint {
        Some(hint) => diags.error_hint(error.code, error.span, error.message, hint),
        None => diags.error(error.code, error.span, error.message),
    }
}

/// The type of a variable that is stored to.
fn declared(name: &Name, view: &View, diags: &mut Diags) -> Option<Type> {
    if let Some(decl) = view.flow.vars.get(&name.text) {
        return Some(decl.ty.clone());
    }
    if view.flow.type_of(&name.text).is_some() {
        diags.error("E303", name.span, format!("`{}` is built in and cannot be set", name.text));
    } else {
        report(expr::undefined(&name.text, name.span, view.flow), diags);
    }
    None
}

fn no_secret(expr: &Expr, view: &View, used: &mut BTreeSet<String>, diags: &mut Diags) {
    expr.reads(&mut |name, span, _| {
        used.insert(name.to_string());
        secret(name, span, view, diags);
    });
}

fn secret(name: &str, span: Span, view: &View, diags: &mut Diags) {
    if view.flow.vars.get(name).is_some_and(|decl| decl.secret) {
        let message = format!("`{name}` is secret: it can only be sent to a lookup that takes it so");
        diags.error_hint("E701", span, message, "in lookups.yaml: `takes: {NAME: {type: digits, secret: true}}`");
    }
}

/// The slots of a prompt, over all languages of the flow.
fn slots<'b>(view: &View<'b>, prompt: &Name) -> Vec<(&'b Name, crate::ivr::speech::Format)> {
    let Some(found) = view.bundle.prompts.get(&prompt.text) else { return Vec::new() };
    view.flow.languages.iter().filter_map(|lang| found.texts.get(lang)).flat_map(|text| text.slots()).collect()
}

fn slot_types(view: &View, prompt: &Name, in_queue: bool, diags: &mut Diags) {
    for (slot, format) in slots(view, prompt) {
        let Some(ty) = view.flow.type_of(&slot.text) else {
            let mut error = expr::undefined(&slot.text, slot.span, view.flow);
            error.message += &format!(", which flow `{}` would say here", view.flow.name);
            report(error, diags);
            continue;
        };
        if !format.reads(&ty) {
            let message = format!("`{}` is {}, which `{}` cannot read aloud", slot.text, ty.name(), format.name());
            diags.error("E303", slot.span, message);
        }
        if slot.text.starts_with("queue.") && !in_queue {
            let message = format!("`{}` says `{}`, which is only known while the caller waits", prompt.text, slot.text);
            diags.error_hint("E302", prompt.span, message, "use it in `announce:` of a queue");
        }
        secret(&slot.text, slot.span, view, diags);
    }
}

type Set<'v> = BTreeSet<&'v str>;

/// Follows all ways and checks that what is read was set on each of them.
pub(super) fn check_order(view: &View, diags: &mut Diags) {
    let mut before: BTreeMap<usize, Set> = BTreeMap::new();
    let given: Set = view.flow.takes.iter().map(|name| name.text.as_str()).collect();
    let mut open = Vec::new();
    for node in view.entry("start").into_iter().chain(view.doors()) {
        meet(&mut before, node, given.clone(), &mut open);
    }
    // Sets only shrink, so this ends.
    while let Some(node) = open.pop() {
        let Some(known) = before.get(&node).cloned() else { continue };
        for (to, known) in walk(view, node, known, None) {
            meet(&mut before, to, known, &mut open);
        }
    }
    for (node, known) in before {
        walk(view, node, known, Some(diags));
    }
}

/// Joins what is known on one more way to `node`.
fn meet<'v>(before: &mut BTreeMap<usize, Set<'v>>, node: usize, known: Set<'v>, open: &mut Vec<usize>) {
    match before.get_mut(&node) {
        None => {
            before.insert(node, known);
            open.push(node);
        }
        Some(old) => {
            let size = old.len();
            old.retain(|name| known.contains(name));
            if old.len() < size {
                open.push(node);
            }
        }
    }
}

/// Goes through one step with what is set before it; returns what is set on each way out.
fn walk<'v>(view: &'v View, index: usize, mut known: Set<'v>, mut diags: Option<&mut Diags>) -> Vec<(usize, Set<'v>)> {
    let mut ways = Vec::new();
    let Some(node) = view.nodes.get(index) else { return ways };
    let mut need = |name: &str, span: Span, known: &Set, what: &str| {
        let declared = view.flow.vars.get(name);
        if let (Some(decl), Some(diags), false) = (declared, diags.as_deref_mut(), known.contains(name)) {
            let message = format!("`{name}` may not be set yet {what}");
            let hint = if decl.optional {
                format!("ask first: `{name} is set`")
            } else {
                "a way leads here on which no step sets it".to_string()
            };
            diags.error_hint("E302", span, message, hint);
        }
    };
    for fact in &node.facts {
        match fact {
            Fact::Fills(expr, _)
                if expr.variable().and_then(|name| view.flow.vars.get(name)).is_some_and(|decl| decl.optional) => {}
            Fact::Reads(expr, _) | Fact::Fills(expr, _) | Fact::Assigns(_, expr) | Fact::Sends(expr, _) => {
                let mut unsure: Vec<(String, Span)> = Vec::new();
                expr.reads(&mut |name, span, guarded| {
                    if !guarded {
                        unsure.push((name.to_string(), span));
                    }
                });
                unsure.iter().for_each(|(name, span)| need(name, *span, &known, "when this is evaluated"));
                match fact {
                    Fact::Assigns(name, _) => {
                        known.insert(&name.text);
                    }
                    Fact::Sends(..) => {
                        let secret = |name: &str| view.flow.vars.get(name).is_some_and(|decl| decl.secret);
                        let sent: BTreeSet<String> = unsure.into_iter().map(|(name, _)| name).collect();
                        known.retain(|name| !(secret(name) && sent.contains(*name)));
                    }
                    _ => {}
                }
            }
            Fact::Carries(name) if view.flow.vars.get(&name.text).is_some_and(|decl| decl.optional) => {}
            Fact::Carries(name) => need(&name.text, name.span, &known, "when it is sent along"),
            Fact::Collects(name) => {
                known.insert(&name.text);
            }
            Fact::Proves(names) => known.extend(names.iter().map(String::as_str)),
            Fact::Plays(prompt) | Fact::PlaysInQueue(prompt) => {
                for (slot, _) in slots(view, prompt) {
                    need(&slot.text, prompt.span, &known, &format!("when `{}` says it", prompt.text));
                }
            }
            Fact::Gives => {
                for name in &view.flow.gives {
                    need(&name.text, node.span, &known, "when it is given back");
                }
            }
            Fact::Exit(Exit { to, sets, .. }) => {
                let target = match to {
                    To::Section(name) => view.entry(&name.text),
                    To::Below => view.below(index),
                };
                let mut after = known.clone();
                after.extend(sets.iter().map(|(name, _)| name.text.as_str()));
                ways.extend(target.map(|target| (target, after)));
            }
            Fact::ExitProving(name, sure) => {
                let mut after = known.clone();
                after.extend(sure.iter().map(String::as_str));
                ways.extend(view.entry(&name.text).map(|target| (target, after)));
            }
            Fact::Key { .. }
            | Fact::Asks(_)
            | Fact::Bargeable
            | Fact::Urgent
            | Fact::Takes(_)
            | Fact::Records { .. }
            | Fact::Refers(..)
            | Fact::Music(_)
            | Fact::Posts
            | Fact::Ends
            | Fact::Wrong { .. } => {}
        }
    }
    ways
}
