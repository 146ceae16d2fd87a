//! What a test expects of a call that is over, and what the call was.

use super::call::{Asked, Call, Line};
use super::run::Fault;
use super::script::{End, Expect, Must};
use super::words;
use crate::ivr::source::Span;
use crate::ivr::wire::{Target, TraceEvent};
use std::collections::BTreeSet;

/// Entries shorter than this are in any log by chance.
const MIN_ENTRY: usize = 4;

pub(super) fn expectations(expect: &Expect, call: &Call, end: End) -> Vec<Fault> {
    let mut judge = Judge { faults: Vec::new() };
    if let Some((span, wanted)) = expect.end {
        judge.same(span, "end", wanted.name(), end.name());
    }
    let traces =
        || call.lines.iter().filter_map(|(_, line)| if let Line::Trace(event) = line { Some(event) } else { None });
    let resolved = traces().filter_map(|event| match event {
        TraceEvent::Resolved { topic } => Some(topic.as_str()),
        _ => None,
    });
    judge.list("resolved", &expect.resolved, &resolved.collect::<Vec<_>>());
    let tags = traces().filter_map(|event| match event {
        TraceEvent::Tagged { tag } => Some(tag.as_str()),
        _ => None,
    });
    judge.list("tags", &expect.tags, &tags.collect::<Vec<_>>());

    let limits = traces().filter_map(|event| if let TraceEvent::Limit { which } = event { Some(*which) } else { None });
    judge.list("limits", &expect.limits, &limits.collect::<Vec<_>>());
    let posted = call.lines.iter().filter_map(|(_, line)| match line {
        Line::Asks(Asked::Post { what, .. }) => Some(words::posted(what).1),
        _ => None,
    });
    judge.list("posted", &expect.posted, &posted.collect::<Vec<_>>());

    let asked = || {
        call.lines.iter().rev().filter_map(|(_, line)| if let Line::Asks(asked) = line { Some(asked) } else { None })
    };
    let queue =
        asked().find_map(|asked| if let Asked::Queue { name, .. } = asked { Some(name.as_str()) } else { None });
    judge.target("queue", &expect.queue, queue);
    let dialled = asked().find_map(|asked| match asked {
        Asked::Transfer { target, carry, .. } => Some((target, carry)),
        _ => None,
    });
    let (mut trunk, mut ext, mut agent) = (None, None, None);
    match dialled.map(|(target, _)| target) {
        Some(Target::Trunk { trunk: name, .. }) => trunk = Some(name.as_str()),
        Some(Target::Ext(name)) => ext = Some(name.as_str()),
        Some(Target::Agent(name)) => agent = Some(name.as_str()),
        None => {}
    }
    judge.target("trunk", &expect.trunk, trunk);
    judge.target("ext", &expect.ext, ext);
    judge.target("agent", &expect.agent, agent);
    for (name, wanted) in &expect.carried {
        let carried = dialled.and_then(|(_, carry)| carry.iter().find(|(known, _)| *known == name.text));
        let carried = carried.map_or("nothing", |(_, value)| value.expose().as_str());
        judge.same(name.span, &format!("carried {}", name.text), wanted, carried);
    }

    if let Some((span, wanted)) = &expect.language {
        judge.same(*span, "language", wanted, call.language());
    }
    if let Some((span, wanted)) = expect.keys {
        let pressed = call.lines.iter().filter(|(_, line)| matches!(line, Line::Presses(_))).count();
        judge.same(span, "keys", &wanted.to_string(), &pressed.to_string());
    }
    if let Some((span, limit)) = expect.under_ms.filter(|(_, limit)| call.now >= *limit) {
        let message =
            format!("the call should last under {} and lasts {}", words::length(limit), words::clock(call.now));
        judge.fault(span, message);
    }
    if let Some((span, limit)) = expect.over_ms.filter(|(_, limit)| call.now <= *limit) {
        let message =
            format!("the call should last over {} and lasts {}", words::length(limit), words::clock(call.now));
        judge.fault(span, message);
    }
    for (name, wanted) in &expect.variables {
        let value = call.variable(&name.text).map_or("not set".into(), |value| value.plain());
        judge.same(name.span, &format!("`{}`", name.text), &wanted.plain(), &value);
    }
    for name in &expect.not_logged {
        if let Some(place) = leak(call, &name.text) {
            judge.fault(name.span, format!("what the caller entered for `{}` is in the record: {place}", name.text));
        }
    }
    judge.faults
}

struct Judge {
    faults: Vec<Fault>,
}

impl Judge {
    fn fault(&mut self, span: Span, message: String) {
        self.faults.push(Fault { code: "T110", span, message, hint: None, wanted: None });
    }

    fn same(&mut self, span: Span, what: &str, wanted: &str, real: &str) {
        if wanted != real {
            self.fault(span, format!("{what} should be {wanted} and is {real}"));
        }
    }

    fn list(&mut self, what: &str, wanted: &Must<Vec<String>>, real: &[&str]) {
        let shown = |list: &[&str]| if list.is_empty() { "none".to_string() } else { list.join(", ") };
        if let Some((span, wanted)) = wanted {
            let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            self.same(*span, what, &shown(&wanted), &shown(real));
        }
    }

    fn target(&mut self, what: &str, wanted: &Must<Option<String>>, real: Option<&str>) {
        if let Some((span, wanted)) = wanted {
            self.same(*span, what, wanted.as_deref().unwrap_or("none"), real.unwrap_or("none"));
        }
    }
}

/// Where the call's record shows what the caller entered for a variable.
fn leak(call: &Call, variable: &str) -> Option<String> {
    let mut pressed = String::new();
    let mut entries = BTreeSet::new();
    let mut visible = String::new();
    let mut told = Vec::new();
    for (_, line) in &call.lines {
        match line {
            Line::Presses(key) if key.is_ascii_digit() => pressed.push(*key),
            Line::Trace(event) => {
                match event {
                    TraceEvent::Collected { name, shown } if name == variable => {
                        let length = shown.chars().count();
                        // A key that confirms the entry may have followed it.
                        for after in [0, 1] {
                            let end = pressed.len().saturating_sub(after);
                            let entry = end.checked_sub(length).and_then(|from| pressed.get(from..end));
                            entries.extend(entry.map(str::to_string));
                        }
                    }
                    TraceEvent::Key { key } => visible.push(key.unwrap_or('.')),
                    _ => {}
                }
                told.push(format!("{event:?}"));
            }
            _ => {}
        }
    }
    told.push(visible);
    let entries = entries.iter().filter(|entry| entry.len() >= MIN_ENTRY);
    entries.flat_map(|entry| told.iter().find(|text| text.contains(entry.as_str()))).next().cloned()
}
