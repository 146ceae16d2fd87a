//! What the outside answers in a trial: what a `mock` says, one answer after the other, or what is usual.

use super::call::Asked;
use super::choices::target_name;
use super::run::{FIRST_REFERENCE, LOOKUP_MS, PICK_UP_MS, REFUSAL_MS};
use super::script::{Mock, QueueOutcome};
use super::words;
use crate::ivr::wire::{ActionId, Event, QueueEnd, QueueEvent, TransferFailure, TransferResult};
use std::collections::BTreeMap;

/// An answer and the time that it takes.
pub(super) type Timed = (u64, Event);

pub(super) struct Mocks<'t> {
    mock: &'t Mock,
    /// How often each answered.
    used: BTreeMap<String, usize>,
}

impl<'t> Mocks<'t> {
    pub fn of(mock: &'t Mock) -> Self {
        Self { mock, used: BTreeMap::new() }
    }

    /// What the mock answers to this question, if it does.
    pub fn answer(&mut self, asked: &Asked) -> Option<Timed> {
        let mock = self.mock;
        match asked {
            Asked::Lookup { id, name, .. } => {
                let reply = self.next("lookup", name, &mock.lookups)?;
                let after = if reply.after_ms > 0 { reply.after_ms } else { LOOKUP_MS };
                Some((after, Event::Lookup { id: *id, result: reply.result }))
            }
            Asked::Queue { id, name, max_wait_ms, .. } => {
                let ending = self.next("queue", name, &mock.queues)?;
                let (usual, event) = queue(*id, ending.how, *max_wait_ms);
                Some((ending.after_ms.unwrap_or(usual), event))
            }
            Asked::Transfer { id, target, ring_ms, .. } => {
                let pickup = self.next("transfer", target_name(target), &mock.transfers)?;
                let (usual, event) = transfer(*id, pickup.result, *ring_ms);
                Some((pickup.after_ms.unwrap_or(usual), event))
            }
            Asked::Post { id, what, .. } => Some(post(*id, self.next("post", words::posted(what).1, &mock.posts)?)),
        }
    }

    /// The next answer of a mock; its last one again and again.
    fn next<T: Clone>(&mut self, kind: &str, name: &str, mocks: &BTreeMap<String, Vec<T>>) -> Option<T> {
        let answers = mocks.get(name)?;
        let used = self.used.entry(format!("{kind} {name}")).or_default();
        let answer = answers.get(*used).or(answers.last());
        *used += 1;
        answer.cloned()
    }
}

/// What is answered when nobody says otherwise: somebody picks up, what is posted is kept. A lookup has no such answer.
pub(super) fn usual(asked: &Asked) -> Option<Timed> {
    match asked {
        Asked::Lookup { .. } => None,
        Asked::Queue { id, max_wait_ms, .. } => Some(queue(*id, QueueOutcome::Answered, *max_wait_ms)),
        Asked::Transfer { id, ring_ms, .. } => Some(transfer(*id, TransferResult::Answered, *ring_ms)),
        Asked::Post { id, .. } => Some(post(*id, true)),
    }
}

pub(super) fn queue(id: ActionId, how: QueueOutcome, max_wait_ms: u64) -> Timed {
    let (event, after) = match how {
        QueueOutcome::Answered => (QueueEvent::Answered, PICK_UP_MS),
        QueueOutcome::Waits | QueueOutcome::Ended(QueueEnd::Timeout) => {
            (QueueEvent::Ended(QueueEnd::Timeout), max_wait_ms)
        }
        QueueOutcome::Ended(end) => (QueueEvent::Ended(end), 0),
    };
    (after, Event::Queue { id, event })
}

pub(super) fn transfer(id: ActionId, result: TransferResult, ring_ms: u64) -> Timed {
    let after = match result {
        TransferResult::Answered => PICK_UP_MS.min(ring_ms),
        TransferResult::Failed(TransferFailure::NoAnswer) => ring_ms,
        TransferResult::Failed(_) => REFUSAL_MS,
    };
    (after, Event::Transfer { id, result })
}

pub(super) fn post(id: ActionId, kept: bool) -> Timed {
    let reference = kept.then(|| format!("{}", FIRST_REFERENCE + u64::from(id)));
    (LOOKUP_MS, Event::Posted { id, reference })
}
