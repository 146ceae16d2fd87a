//! `pause`: a moment of silence. Keys pressed meanwhile wait for the next question.

use super::{Exit, Fact, Lower, Step};
use crate::ivr::bundle::Bundle;
use crate::ivr::lower::duration;
use crate::ivr::run::state::Wait;
use crate::ivr::run::{Next, Run};
use crate::ivr::wire::Event;
use crate::ivr::yaml::Node;

#[derive(Debug)]
struct Pause {
    ms: u64,
}

pub(super) fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    Some(Box::new(Pause { ms: duration(node, "a pause", 100..=60_000, lower.diags)? }))
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
