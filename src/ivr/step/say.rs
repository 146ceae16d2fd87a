//! `say`: plays prompts, then carries on. A key ends a bargeable prompt and waits for the next question.

use super::{Exit, Fact, Lower, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::expr::Expr;
use crate::ivr::lower::{Fields, expression};
use crate::ivr::run::ask;
use crate::ivr::run::state::Wait;
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::{Group, Shape, optional, required};
use crate::ivr::source::Name;
use crate::ivr::value::{Type, Value};
use crate::ivr::wire::Event;
use crate::ivr::yaml::{Kind, Node};

#[derive(Debug)]
struct Say {
    prompts: Vec<Name>,
    when: Option<Expr>,
    barge_in: bool,
}

pub(super) const VERB: Verb = Verb {
    name: "say",
    help: "Plays a prompt, or a list of them. A key ends it and counts for the next question.",
    shape: Shape::Either(&[Shape::Prompts, Shape::Group(&SETTINGS)]),
    outcomes: &["carries on"],
    example: "- say: hello\n- say: {prompt: goodbye, if: account is set, barge_in: false}",
    lower,
};

const SETTINGS: Group = Group {
    what: "`say`",
    settings: &[
        required("prompt", Shape::Prompts, "what to play"),
        optional("if", Shape::Expression, "play only when this holds"),
        ask::BARGE_IN,
    ],
};

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    if !matches!(node.kind, Kind::Map(_)) {
        return Some(Box::new(Say { prompts: lower.prompts(node), when: None, barge_in: true }));
    }
    let mut fields = Fields::of(node, &SETTINGS, lower.diags)?;
    let prompts = fields.need("prompt", lower.diags).map(|node| lower.prompts(node)).unwrap_or_default();
    let when = fields.take("if").map(|node| expression(node, lower.diags));
    let barge_in = fields.flag("barge_in", lower.diags).unwrap_or(true);
    fields.finish(lower.diags);
    let when = match when {
        Some(parsed) => Some(parsed?),
        None => None,
    };
    Some(Box::new(Say { prompts, when, barge_in }))
}

impl Step for Say {
    fn verb(&self) -> &'static str {
        "say"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        match &self.when {
            Some(when) => {
                out.push(Fact::Reads(when, Some(Type::Flag)));
                out.push(Exit::below(false));
                let mut sure = Vec::new();
                when.proves_set(true, &mut sure);
                out.push(Fact::Proves(sure));
                out.extend(self.prompts.iter().map(Fact::Plays));
            }
            None => out.extend(self.prompts.iter().map(Fact::Plays)),
        }
        if self.barge_in {
            out.push(Fact::Bargeable);
        }
        out.push(Exit::below(true));
    }

    fn enter(&self, run: &mut Run) -> Next {
        match self.when.as_ref().map(|when| run.value(when)) {
            None | Some(Ok(Value::Flag(true))) => {}
            Some(Ok(_)) => return Next::CarryOn("skipped".into()),
            Some(Err(_)) => return Next::WayOut("fault"),
        }
        if !self.barge_in {
            run.clear_typed();
        } else if !run.state.typed.is_empty() {
            run.state.books.said(None, 0, false);
            return Next::CarryOn("typed_over".into());
        }
        match run.play(&self.prompts, self.barge_in) {
            Some(playing) => {
                run.state.wait = Wait::Prompt(playing);
                Next::Stay
            }
            None => {
                run.state.books.said(None, 0, false);
                Next::CarryOn("silent".into())
            }
        }
    }

    fn event(&self, run: &mut Run, ev: &Event) -> Next {
        let Wait::Prompt(playing) = &run.state.wait else { return Next::Stay };
        let playing = playing.clone();
        match ev {
            Event::Key(_) if !playing.bargeable => {
                run.drop_keys(1);
                Next::Stay
            }
            Event::Key(key) => {
                run.stop(&playing);
                run.state.books.said(Some(&playing), run.state.at, false);
                run.type_ahead(*key);
                run.state.wait = Wait::Nothing;
                Next::CarryOn("barged".into())
            }
            Event::PlayDone { id, .. } if *id == playing.id => {
                run.clear(playing.guard);
                run.state.books.said(Some(&playing), run.state.at, true);
                run.state.wait = Wait::Nothing;
                Next::CarryOn("heard".into())
            }
            Event::Timer { id } if *id == playing.guard => {
                run.stop(&playing);
                run.state.books.said(Some(&playing), run.state.at, true);
                run.state.wait = Wait::Nothing;
                Next::CarryOn("heard".into())
            }
            _ => Next::Stay,
        }
    }
}
