//! What happens in a trial call, in words: the transcript that a person reads.

use super::call::{Asked, Heard, Line};
use crate::ivr::value::Value;
use crate::ivr::wire::{Event, LookupResult, Post, QueueEvent, Target, TraceEvent, TransferResult};

/// Longest text of a prompt in a transcript line.
const TEXT_SHOWN: usize = 60;

/// `1:02.5`.
pub fn clock(ms: u64) -> String {
    format!("{}:{:02}.{}", ms / 60_000, ms / 1_000 % 60, ms / 100 % 10)
}

/// A length of time as flows write it.
pub fn length(ms: u64) -> String {
    match ms {
        _ if ms.is_multiple_of(60_000) && ms > 0 => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}

/// What an answer from outside says.
pub(super) fn answer(event: &Event) -> String {
    match event {
        Event::Lookup { result: LookupResult::Found(fields), .. } => {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {}", value.plain())).collect();
            format!("found {{{}}}", fields.join(", "))
        }
        Event::Lookup { result: LookupResult::NotFound, .. } => "not_found".into(),
        Event::Lookup { result: LookupResult::Failed, .. } => "fails".into(),
        Event::Queue { event, .. } => match event {
            QueueEvent::Position { ahead, wait_s: None } => format!("{ahead} ahead"),
            QueueEvent::Position { ahead, wait_s: Some(wait) } => format!("{ahead} ahead, {wait}s to wait"),
            QueueEvent::Answered => "an agent answers".into(),
            QueueEvent::Back => "the agent is lost, the caller waits again".into(),
            QueueEvent::Ended(end) => end.name().into(),
        },
        Event::Transfer { result: TransferResult::Answered, .. } => "answered".into(),
        Event::Transfer { result: TransferResult::Failed(why), .. } => why.name().into(),
        Event::Posted { reference: Some(reference), .. } => format!("kept as {reference}"),
        Event::Posted { reference: None, .. } => "fails".into(),
        Event::Recorded { kept: None, .. } => "nothing is recorded".into(),
        Event::AgentGone => "the agent hangs up".into(),
        _ => String::new(),
    }
}

pub(super) fn target(target: &Target) -> String {
    match target {
        Target::Agent(name) => format!("agent {name}"),
        Target::Ext(name) => format!("ext {name}"),
        Target::Trunk { trunk, number } => format!("trunk {trunk}, number {number}"),
    }
}

/// What is posted, and its name.
pub(super) fn posted(what: &Post) -> (&'static str, &str) {
    match what {
        Post::Message { channel, template, .. } => (channel.name(), template),
        Post::Form { template } => ("form", template),
        Post::Callback { queue, .. } => ("callback", queue),
    }
}

/// A line of the transcript: what is done, and what with. `None` for what only machines want to know.
pub fn line(line: &Line) -> Option<(&'static str, String)> {
    Some(match line {
        Line::Hears(Heard { prompt, lang, text, .. }) => {
            let mut shown: String = text.chars().take(TEXT_SHOWN).collect();
            if text.chars().nth(TEXT_SHOWN).is_some() {
                shown.push('…');
            }
            ("hears", format!("{prompt} ({lang}) {shown}"))
        }
        Line::Presses(key) => ("presses", key.to_string()),
        Line::Asks(Asked::Lookup { name, args, secrets, .. }) => {
            let shown = |name: &str, value: &Value| match secrets.contains(name) {
                true => "(secret)".to_string(),
                false => value.masked(),
            };
            let args: Vec<String> =
                args.iter().map(|(name, value)| format!("{name}: {}", shown(name, value))).collect();
            ("lookup", format!("{name} {{{}}}", args.join(", ")))
        }
        Line::Asks(Asked::Queue { name, .. }) => ("queue", name.clone()),
        Line::Asks(Asked::Transfer { target: to, .. }) => ("dials", target(to)),
        Line::Asks(Asked::Post { what, .. }) => {
            let (what, name) = posted(what);
            ("posts", format!("{what} {name}"))
        }
        Line::Answer(words) => ("answer", words.clone()),
        Line::Trace(TraceEvent::Resolved { topic }) => ("resolved", topic.clone()),
        Line::Trace(TraceEvent::Tagged { tag }) => ("tag", tag.clone()),
        Line::Trace(TraceEvent::Limit { which }) => ("limit", (*which).to_string()),
        Line::Trace(_) => return None,
        Line::HangsUp => ("caller", "hangs up".into()),
        Line::Ended(_) => ("flow", "hangs up".into()),
    })
}

/// The transcript, one line each, in the order of time.
pub fn transcript(lines: &[(u64, Line)]) -> Vec<String> {
    let mut told: Vec<(u64, String)> = lines
        .iter()
        // What was cut off at its first moment was not heard.
        .filter(|(_, each)| !matches!(each, Line::Hears(heard) if heard.until <= heard.from))
        .filter_map(|(at, each)| {
            let (what, with) = line(each)?;
            Some((*at, format!("{:>8}  {what:<8} {with}", clock(*at))))
        })
        .collect();
    told.sort_by_key(|(at, _)| *at);
    told.into_iter().map(|(_, text)| text).collect()
}
