//! A queue's offer to call back: after some time the caller may press a key instead of waiting on. The wish is kept first
//! and the place given up then, so that a full disk costs nobody the place.

use super::Lower;
use super::post::KEPT_WITHIN_MS;
use crate::ids::Redacted;
use crate::ivr::expr::Reader;
use crate::ivr::lower::{Fields, telephone_key};
use crate::ivr::run::Run;
use crate::ivr::run::state::{Offered, QueueWait};
use crate::ivr::settings::{Group, Shape, required};
use crate::ivr::source::Name;
use crate::ivr::value::is_dialable;
use crate::ivr::wire::{Action, Event, Post, TraceEvent};
use crate::ivr::yaml::Node;

#[derive(Debug)]
pub(super) struct Offer {
    after_ms: u64,
    pub key: char,
    pub say: Vec<Name>,
    /// Where the call goes once the wish is kept.
    pub taken: Name,
}

pub(super) const SETTINGS: Group = Group {
    what: "`callback`",
    settings: &[
        required(
            "offer_after",
            Shape::Time("`offer_after`", 5_000, 3_600_000),
            "how long to wait before it is offered",
        ),
        required("key", Shape::Text, "the key that takes it"),
        required("say", Shape::Prompts, "the offer; said again with each announcement"),
        required("taken", Shape::Section, "where to go when the wish is kept"),
    ],
};

/// What an event means for the offer.
pub(super) enum Turn {
    /// Nothing.
    Other,
    /// It is to be said.
    Say,
    /// The caller is called back.
    Taken,
    Seen,
}

pub(super) fn lower(node: &Node, lower: &mut Lower) -> Option<Offer> {
    let mut fields = Fields::of(node, &SETTINGS, lower.diags)?;
    fields.need("offer_after", lower.diags);
    let after_ms = fields.time("offer_after", lower.diags);
    let key = fields.need("key", lower.diags).and_then(|node| telephone_key(node, lower.diags));
    let say = fields.need("say", lower.diags).map(|node| lower.prompts(node));
    let taken = fields.need("taken", lower.diags).and_then(|node| lower.section(node));
    fields.finish(lower.diags);
    Some(Offer { after_ms: after_ms?, key: key?, say: say?, taken: taken? })
}

impl Offer {
    /// Nobody can be called back at a hidden number, so nobody is promised it.
    pub fn begin(&self, run: &mut Run) -> Offered {
        match run.read("caller.number").is_some_and(|number| is_dialable(&number.plain())) {
            true => Offered::Due(run.timer(self.after_ms)),
            false => Offered::Not,
        }
    }

    pub fn event(&self, run: &mut Run, wait: &mut QueueWait, queue: &Name, ev: &Event) -> Turn {
        match (ev, wait.offer) {
            (Event::Timer { id }, Offered::Due(due)) if *id == due => {
                wait.offer = Offered::Made;
                Turn::Say
            }
            (Event::Key(key), Offered::Made) if *key == self.key => {
                run.trace(TraceEvent::Key { key: Some(*key) });
                let Some(number) = run.read("caller.number").map(|number| number.plain()) else { return Turn::Seen };
                let id = run.fresh_id();
                wait.offer = Offered::Keeping { id, guard: run.timer(KEPT_WITHIN_MS) };
                let what = Post::Callback { queue: queue.text.clone(), number: Redacted::new(number), within_s: None };
                run.act(Action::Post { id, what, fields: Vec::new() });
                Turn::Seen
            }
            (Event::Posted { id: of, reference }, Offered::Keeping { id, guard }) if *of == id => {
                run.clear(guard);
                wait.offer = Offered::Made;
                let Some(reference) = reference else { return Turn::Say };
                let (name, reference) = (queue.text.clone(), reference.clone());
                run.trace(TraceEvent::Posted { what: "callback", name, reference });
                // Going back over it would post it twice.
                run.state.back.clear();
                Turn::Taken
            }
            (Event::Timer { id }, Offered::Keeping { guard, .. }) if *id == guard => {
                wait.offer = Offered::Made;
                Turn::Say
            }
            _ => Turn::Other,
        }
    }
}
