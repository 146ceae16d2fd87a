//! `hangup`: says goodbye and ends the call.

use super::{Fact, Lower, Step, Verb};
use crate::events::Cause;
use crate::ivr::bundle::Bundle;
use crate::ivr::run::state::Wait;
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::Shape;
use crate::ivr::source::Name;
use crate::ivr::wire::Event;
use crate::ivr::yaml::Node;

#[derive(Debug)]
struct Hangup {
    prompts: Vec<Name>,
}

pub(super) const VERB: Verb = Verb {
    name: "hangup",
    help: "Plays a prompt, if one is named, and ends the call.",
    shape: Shape::Either(&[Shape::Nothing, Shape::Prompts]),
    outcomes: &[],
    example: "- hangup: goodbye",
    lower,
};

/// `hangup: goodbye`, or nothing after the colon for a silent end.
fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let prompts = if node.is_null() { Vec::new() } else { lower.prompts(node) };
    Some(Box::new(Hangup { prompts }))
}

const DONE: Next = Next::Hangup { outcome: "hangup", cause: Cause::Normal };

impl Step for Hangup {
    fn verb(&self) -> &'static str {
        "hangup"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.extend(self.prompts.iter().map(Fact::Plays));
        out.push(Fact::Ends);
    }

    fn enter(&self, run: &mut Run) -> Next {
        run.clear_typed();
        match run.play(&self.prompts, false) {
            Some(playing) => {
                run.state.wait = Wait::Prompt(playing);
                Next::Stay
            }
            None => DONE,
        }
    }

    fn event(&self, run: &mut Run, ev: &Event) -> Next {
        let Wait::Prompt(playing) = &run.state.wait else { return Next::Stay };
        let playing = playing.clone();
        match ev {
            Event::Key(_) => {
                run.drop_keys(1);
                Next::Stay
            }
            Event::PlayDone { id, .. } if *id == playing.id => {
                run.clear(playing.guard);
                run.state.wait = Wait::Nothing;
                DONE
            }
            Event::Timer { id } if *id == playing.guard => {
                run.stop(&playing);
                run.state.wait = Wait::Nothing;
                DONE
            }
            _ => Next::Stay,
        }
    }
}
