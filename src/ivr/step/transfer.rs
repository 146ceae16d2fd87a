//! `transfer`: dials an agent, an extension or a number on a trunk, and lets the caller talk.

use super::queue::after_talk;
use super::{Exit, Fact, Lower, Refers, Step, Verb};
use crate::ids::Redacted;
use crate::ivr::bundle::Bundle;
use crate::ivr::expr::Reader;
use crate::ivr::lower::{Fields, name, names, text};
use crate::ivr::run::state::Wait;
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::{Group, Shape, VARIABLES, optional, outcome};
use crate::ivr::source::Name;
use crate::ivr::wire::{Action, Event, Target, TransferFailure, TransferResult};
use crate::ivr::yaml::Node;

const RING_MS: u64 = 30_000;
/// The dial ends by itself; should it fail to, this much later the caller goes on.
const GUARD_MS: u64 = 5_000;

#[derive(Debug)]
struct Transfer {
    to: To,
    ring_ms: u64,
    carry: Vec<Name>,
    failed: Name,
    busy: Option<Name>,
    no_answer: Option<Name>,
    rejected: Option<Name>,
    unreachable: Option<Name>,
    after_call: Option<Name>,
}

#[derive(Debug)]
enum To {
    Agent(Name),
    Ext(Name),
    Trunk { trunk: Name, number: String },
}

pub(super) const VERB: Verb = Verb {
    name: "transfer",
    help: "Dials an agent, an extension or a number on a trunk.",
    shape: Shape::Group(&SETTINGS),
    outcomes: &["busy", "no_answer", "rejected", "unreachable", "after_call"],
    example: "- transfer: {ext: \"1004\", ring: 30s, failed: bye}",
    lower,
};

const SETTINGS: Group = Group {
    what: "`transfer`",
    settings: &[
        optional("agent", Shape::Name, "whom to dial"),
        optional("ext", Shape::Name, "or which extension"),
        optional("trunk", Shape::Name, "or on which trunk"),
        optional("number", Shape::Text, "with a trunk: the number, written out"),
        optional("ring", Shape::Time("`ring`", 1_000, 180_000), "how long it rings").or("30s"),
        optional(
            "carry",
            VARIABLES,
            "variables that go along, each as a header `X-Flow-NAME` of the INVITE (256 characters at most); a secret one cannot",
        ),
        outcome("failed", "when the transfer fails"),
        optional("busy", Shape::Section, "where to go when it is busy"),
        optional("no_answer", Shape::Section, "where to go when nobody answers"),
        optional("rejected", Shape::Section, "where to go when it is refused"),
        optional("unreachable", Shape::Section, "where to go when it cannot be reached"),
        optional("after_call", Shape::Section, "where to go when the other side hangs up first"),
    ],
};

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &SETTINGS, lower.diags)?;
    let mut target = |key, what| fields.take(key).map(|node| (node.span, name(node, what, lower.diags)));
    let agent = target("agent", "an agent");
    let ext = target("ext", "an extension");
    let trunk = target("trunk", "a trunk");
    let number = fields.take("number").map(|node| (node.span, lower_number(node, lower)));
    let ring = fields.time("ring", lower.diags);
    let carry = fields.take("carry").map(|node| names(node, "a variable", lower.diags)).unwrap_or_default();
    let failed = lower.outcome(&mut fields, "failed");
    let mut sections = ["busy", "no_answer", "rejected", "unreachable", "after_call"]
        .map(|key| lower.optional_section(&mut fields, key))
        .into_iter();
    let mut section = || sections.next().flatten();
    let span = fields.span;
    fields.finish(lower.diags);
    let to = match (agent, ext, trunk, number) {
        (Some((_, agent)), None, None, None) => To::Agent(agent?),
        (None, Some((_, ext)), None, None) => To::Ext(ext?),
        (None, None, Some((_, trunk)), Some((_, number))) => To::Trunk { trunk: trunk?, number: number? },
        (None, None, Some((span, _)), None) => {
            lower.diags.error("E114", span, "a trunk needs the `number:` to dial");
            return None;
        }
        _ => {
            let hint = "give one of `agent`, `ext`, or `trunk` with `number`";
            lower.diags.error_hint("E114", span, "`transfer` needs exactly one target", hint);
            return None;
        }
    };
    Some(Box::new(Transfer {
        to,
        ring_ms: ring.unwrap_or(RING_MS),
        carry,
        failed: failed?,
        busy: section()?,
        no_answer: section()?,
        rejected: section()?,
        unreachable: section()?,
        after_call: section()?,
    }))
}

/// A number written out. Numbers from variables are refused: a caller could choose what is dialled, and who pays.
fn lower_number(node: &Node, lower: &mut Lower) -> Option<String> {
    let number = text(node, "a number", lower.diags)?;
    let digits = number.strip_prefix('+').unwrap_or(number);
    if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let hint = "write the digits, in quotes: \"8001\"";
        lower.diags.error_hint("E112", node.span, "a number to dial is written out in digits", hint);
        return None;
    }
    Some(number.to_string())
}

impl Transfer {
    fn failed(&self, run: &mut Run, why: TransferFailure) -> Next {
        run.clock_start();
        let own = match why {
            TransferFailure::Busy => &self.busy,
            TransferFailure::NoAnswer => &self.no_answer,
            TransferFailure::Rejected => &self.rejected,
            TransferFailure::Unreachable => &self.unreachable,
        };
        Next::Go(why.name().into(), own.as_ref().unwrap_or(&self.failed).text.clone())
    }
}

impl Step for Transfer {
    fn verb(&self) -> &'static str {
        "transfer"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.push(match &self.to {
            To::Agent(agent) | To::Ext(agent) => Fact::Refers(Refers::Agent, agent),
            To::Trunk { trunk, .. } => Fact::Refers(Refers::Trunk, trunk),
        });
        out.extend(self.carry.iter().map(Fact::Carries));
        out.push(Exit::to("failed", &self.failed, false));
        let own = [&self.busy, &self.no_answer, &self.rejected, &self.unreachable];
        out.extend(own.into_iter().flatten().map(|section| Exit::to("failed", section, false)));
        out.extend(self.after_call.iter().map(|section| Exit::to("after_call", section, true)));
        out.push(Fact::Ends);
    }

    fn enter(&self, run: &mut Run) -> Next {
        run.clear_typed();
        run.clock_stop();
        let carried = |name: &Name| run.read(&name.text).map(|value| (name.text.clone(), Redacted::new(value.plain())));
        let carry = self.carry.iter().filter_map(carried).collect();
        let target = match &self.to {
            To::Agent(agent) => Target::Agent(agent.text.clone()),
            To::Ext(ext) => Target::Ext(ext.text.clone()),
            To::Trunk { trunk, number } => Target::Trunk { trunk: trunk.text.clone(), number: number.clone() },
        };
        let id = run.fresh_id();
        let guard = run.timer(self.ring_ms + GUARD_MS);
        run.state.wait = Wait::Dial { id, guard };
        // Asked last: the dial may fail at once.
        run.act(Action::Dial { id, target, ring_ms: self.ring_ms, carry });
        Next::Stay
    }

    fn event(&self, run: &mut Run, ev: &Event) -> Next {
        match (ev, &run.state.wait) {
            (Event::Key(_), Wait::Dial { .. }) => {
                run.drop_keys(1);
                Next::Stay
            }
            (Event::Transfer { id: of, result }, &Wait::Dial { id, guard }) if *of == id => {
                run.clear(guard);
                run.state.wait = Wait::Nothing;
                match result {
                    TransferResult::Answered => {
                        run.state.wait = Wait::Talk { queue: None };
                        Next::Stay
                    }
                    TransferResult::Failed(why) => self.failed(run, *why),
                }
            }
            (Event::Timer { id: of }, &Wait::Dial { id, guard }) if *of == guard => {
                run.act(Action::DialCancel { id });
                run.state.wait = Wait::Nothing;
                self.failed(run, TransferFailure::NoAnswer)
            }
            (Event::AgentGone, Wait::Talk { queue: None }) => {
                run.state.wait = Wait::Nothing;
                after_talk(run, self.after_call.as_ref())
            }
            _ => Next::Stay,
        }
    }
}
