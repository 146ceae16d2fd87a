//! `pause`: a moment of silence. Keys pressed meanwhile wait for the next question.

use super::{Exit, Fact, Lower, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::lower::duration;
use crate::ivr::run::state::Wait;
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::Shape;
use crate::ivr::wire::Event;
use crate::ivr::yaml::Node;

#[derive(Debug)]
struct Pause {
    ms: u64,
}

pub(super) const VERB: Verb = Verb {
    name: "pause",
    help: "Silence.",
    shape: Shape::Time("a pause", FROM_MS, TO_MS),
    outcomes: &["carries on"],
    example: "- pause: 500ms",
    lower,
};

const FROM_MS: u64 = 100;
const TO_MS: u64 = 60_000;

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    Some(Box::new(Pause { ms: duration(node, "a pause", FROM_MS..=TO_MS, lower.diags)? }))
}

impl Step for Pause {
    fn verb(&self) -> &'static str {
        "pause"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.push(Exit::below(true));
    }

    fn enter(&self, run: &mut Run) -> Next {
        run.state.wait = Wait::Timer(run.timer(self.ms));
        Next::Stay
    }

    fn event(&self, run: &mut Run, ev: &Event) -> Next {
        match (ev, &run.state.wait) {
            (Event::Key(key), _) => {
                run.type_ahead(*key);
                Next::Stay
            }
            (Event::Timer { id }, Wait::Timer(timer)) if id == timer => {
                run.state.wait = Wait::Nothing;
                Next::CarryOn("ok".into())
            }
            _ => Next::Stay,
        }
    }

    /// No prompt runs here that a key could cut off.
    fn replay(&self, _run: &mut Run) -> Next {
        Next::Stay
    }
}
