//! The lines of a test's script: what the caller hears and does, and what agents and queues do meanwhile.

use super::lower::{LONGEST_MS, Scope, TRANSFER_WORDS, name_in, word};
use super::script::{Hear, Move, When};
use super::shape::{AHEAD, HEARS, MOVES, PRESSES};
use crate::ivr::diag::Diags;
use crate::ivr::lower::{Fields, duration, text};
use crate::ivr::wire::{QueueEnd, QueueEvent};
use crate::ivr::yaml::{Kind, Node};

/// Keys that one line can press.
const MAX_KEYS: usize = 64;

pub(super) const QUEUE_ENDS: [(&str, QueueEvent); 5] = [
    ("timeout", QueueEvent::Ended(QueueEnd::Timeout)),
    ("full", QueueEvent::Ended(QueueEnd::Full)),
    ("closed", QueueEvent::Ended(QueueEnd::Closed)),
    ("no_agents", QueueEvent::Ended(QueueEnd::NoAgents)),
    ("back", QueueEvent::Back),
];

/// `- hears: welcome`, `- agent_answers`.
pub(super) fn lower(node: &Node, scope: &Scope, diags: &mut Diags) -> Option<Move> {
    let (key, value) = match &node.kind {
        Kind::Map(pairs) => {
            if let Some((extra, _)) = pairs.get(1) {
                diags.error_hint("E113", extra.span, "a line of a script does one thing", "give each its own dash");
                return None;
            }
            let Some((key, value)) = pairs.first() else {
                diags.error_hint(
                    "E114",
                    node.span,
                    "this line says nothing",
                    "write `hears: welcome`, or leave it out",
                );
                return None;
            };
            (key, Some(value).filter(|value| !value.is_null()))
        }
        _ => (node, None),
    };
    let verb = text(key, "what happens", diags)?;
    let needed = |diags: &mut Diags| {
        if value.is_none() {
            diags.error("E114", key.span, format!("`{verb}` needs to say what"));
        }
        value
    };
    Some(match verb {
        "hears" => Move::Hears(hears(needed(diags)?, scope, diags)?),
        "presses" => presses(needed(diags)?, scope, diags)?,
        "waits" => Move::Waits(duration(needed(diags)?, "a wait", 1..=LONGEST_MS, diags)?),
        "silent" => match needed(diags)? {
            node if node.scalar() == Some("forever") => Move::SilentForever,
            node => Move::Waits(duration(node, "a silence", 1..=LONGEST_MS, diags)?),
        },
        "hangs_up" => Move::HangsUp(match value {
            Some(node) => when(node, scope, diags)?,
            None => When::Now,
        }),
        "agent_answers" => Move::AgentAnswers,
        "agent_leaves" => Move::AgentLeaves,
        "queue_says" => Move::QueueSays(queue_says(needed(diags)?, diags)?),
        "transfer_says" => {
            Move::TransferSays(word(needed(diags)?, "what the other side says", &TRANSFER_WORDS, diags)?)
        }
        other => {
            diags.unknown("E102", key.span, "a script has no", other, MOVES.names());
            return None;
        }
    })
}

/// `welcome`, `[welcome, ..., main_menu]`, `{prompt: balance_is, says: "..."}`.
fn hears(node: &Node, scope: &Scope, diags: &mut Diags) -> Option<Vec<Hear>> {
    match &node.kind {
        Kind::List(items) if items.is_empty() => {
            diags.error("E112", node.span, "a prompt is needed here, not an empty list");
            None
        }
        Kind::List(items) => items.iter().map(|item| hear(item, scope, diags)).collect(),
        _ => Some(vec![hear(node, scope, diags)?]),
    }
}

fn hear(node: &Node, scope: &Scope, diags: &mut Diags) -> Option<Hear> {
    if node.scalar() == Some("...") {
        return Some(Hear::Anything);
    }
    let Kind::Map(_) = node.kind else {
        return Some(Hear::Prompt { name: scope.prompt(node, diags)?, says: None });
    };
    let mut fields = Fields::of(node, &HEARS, diags)?;
    let prompt = fields.need("prompt", diags).and_then(|node| scope.prompt(node, diags));
    let says = fields.take("says").map(|node| match node.scalar() {
        Some(text) if !node.is_null() => Some(text.to_string()),
        _ => {
            diags.error("E112", node.span, format!("the words are needed here, not {}", node.what()));
            None
        }
    });
    fields.finish(diags);
    Some(Hear::Prompt { name: prompt?, says: says.flatten() })
}

/// `31`, `star`, `{keys: 1, while: main_menu}`.
fn presses(node: &Node, scope: &Scope, diags: &mut Diags) -> Option<Move> {
    let Kind::Map(_) = node.kind else { return Some(Move::Presses { keys: keys(node, diags)?, when: When::Now }) };
    let mut fields = Fields::of(node, &PRESSES, diags)?;
    let keys = fields.need("keys", diags).and_then(|node| keys(node, diags));
    let during = fields.take("while").map(|node| scope.prompt(node, diags));
    let after = fields.take("after").map(|node| scope.prompt(node, diags));
    fields.finish(diags);
    let when = match (during, after) {
        (Some(name), _) => When::While(name?),
        (None, Some(name)) => When::After(name?),
        (None, None) => When::Now,
    };
    Some(Move::Presses { keys: keys?, when })
}

fn keys(node: &Node, diags: &mut Diags) -> Option<String> {
    let text = text(node, "a key", diags)?;
    let keys = match text {
        "star" => "*",
        "hash" => "#",
        text => text,
    };
    let wrong = keys.char_indices().find(|(_, key)| !(key.is_ascii_digit() || matches!(key, '*' | '#')));
    if let Some((at, key)) = wrong {
        let place = diags.part_of(node, at, at + key.len_utf8());
        let hint = "write digits, `star`, `hash`, or several keys in quotes: \"3101234569#\"";
        diags.error_hint("E112", place, format!("`{key}` is no key of a telephone"), hint);
        return None;
    }
    if keys.len() > MAX_KEYS {
        diags.error("E110", node.span, format!("one line presses at most {MAX_KEYS} keys"));
        return None;
    }
    Some(keys.to_string())
}

/// `now`, `while welcome`, `after welcome`.
fn when(node: &Node, scope: &Scope, diags: &mut Diags) -> Option<When> {
    let text = text(node, "a moment", diags)?;
    let (word, prompt) = text.split_once(' ').unwrap_or((text, ""));
    let at = text.len() - prompt.len();
    let mut named = || scope.known_prompt(name_in(node, at, prompt.trim(), diags), diags);
    Some(match word {
        "now" if prompt.is_empty() => When::Now,
        "while" => When::While(named()?),
        "after" => When::After(named()?),
        _ => {
            let hint = "write `now`, `while <prompt>` or `after <prompt>`";
            diags.error_hint("E112", node.span, "this is no moment of the call", hint);
            return None;
        }
    })
}

/// `timeout`, `{ahead: 3, wait: 5m}`.
fn queue_says(node: &Node, diags: &mut Diags) -> Option<QueueEvent> {
    let Kind::Map(_) = node.kind else { return word(node, "what the queue says", &QUEUE_ENDS, diags) };
    let mut fields = Fields::of(node, &AHEAD, diags)?;
    let ahead = fields.need("ahead", diags).and_then(|_| fields.number("ahead", diags));
    let wait = fields.time("wait", diags);
    fields.finish(diags);
    let wait_s = wait.and_then(|ms| u32::try_from(ms / 1_000).ok());
    Some(QueueEvent::Position { ahead: ahead?, wait_s })
}
