//! `voicemail` and `record`: what the caller says after the tone. What was said until a hang-up is kept like the rest.

use super::{Exit, Fact, Lower, Refers, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::lower::{Fields, name, telephone_key};
use crate::ivr::run::state::Wait;
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::{Group, Setting, Shape, optional, outcome, required};
use crate::ivr::source::Name;
use crate::ivr::value::{Type, Value};
use crate::ivr::wire::{Action, Event, Kept, Mailbox};
use crate::ivr::yaml::Node;

/// Long enough for a name, a number and what is the matter.
const MAX_MS: u64 = 120_000;
/// Long enough to look for a number.
const QUIET_MS: u64 = 10_000;
const END_KEY: char = '#';
/// For the tone before it.
const TONE_MS: u64 = 2_000;
/// The recorder completes a file in less.
const WRITTEN_WITHIN_MS: u64 = 5_000;

#[derive(Debug)]
struct Recording {
    how: How,
    to: Target,
    failed: Option<Name>,
}

#[derive(Debug)]
struct How {
    say: Vec<Name>,
    max_ms: u64,
    quiet_ms: u64,
    end_key: char,
}

#[derive(Debug)]
enum Target {
    Mailbox { name: Name, urgent: bool },
    Variable(Name),
}

pub(super) const VOICEMAIL: Verb = Verb {
    name: "voicemail",
    help: "Takes a message into a mailbox. What was said until a hang-up is kept.",
    shape: Shape::Group(&VOICEMAIL_SETTINGS),
    outcomes: &["carries on", "failed"],
    example: "- voicemail: {box: service, say: leave_message, max: 2m}",
    lower: lower_voicemail,
};

const VOICEMAIL_SETTINGS: Group = Group {
    what: "`voicemail`",
    settings: &[
        required("box", Shape::Name, "a mailbox of `ivr-flows/messages.yaml`"),
        optional("urgent", Shape::Flag, "`true`: the message is marked urgent").or("false"),
        SAY,
        MAX,
        QUIET,
        END,
        optional("failed", Shape::Section, "where to go when nothing could be recorded; carries on unless told"),
    ],
};

pub(super) const RECORD: Verb = Verb {
    name: "record",
    help: "Records what the caller says; the variable gets the name of the file.",
    shape: Shape::Group(&RECORD_SETTINGS),
    outcomes: &["carries on", "failed"],
    example: "- record: {save: note, say: leave_message, max: 30s, failed: agent}",
    lower: lower_record,
};

// What follows needs the variable, so there is another way when there is nothing to put into it.
const RECORD_SETTINGS: Group = Group {
    what: "`record`",
    settings: &[
        required("save", Shape::Name, "the variable, a text"),
        SAY,
        MAX,
        QUIET,
        END,
        outcome("failed", "when nothing could be recorded"),
    ],
};

const SAY: Setting = optional("say", Shape::Prompts, "what to say before the tone; a key ends it");
const MAX: Setting = optional("max", Shape::Time("`max`", 5_000, 1_800_000), "the longest recording").or("2m");
const QUIET: Setting =
    optional("quiet", Shape::Time("`quiet`", 2_000, 300_000), "the recording ends when nothing is said for so long")
        .or("10s");
const END: Setting = optional("end_key", Shape::Word(&END_KEYS), "the key that ends it").or("hash");
const END_KEYS: [&str; 12] = ["hash", "star", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

fn lower_voicemail(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &VOICEMAIL_SETTINGS, lower.diags)?;
    let mailbox = fields.need("box", lower.diags).and_then(|node| name(node, "a box", lower.diags));
    let urgent = fields.flag("urgent", lower.diags).unwrap_or(false);
    let failed = lower.optional_section(&mut fields, "failed");
    let recording = recording(&mut fields, lower);
    fields.finish(lower.diags);
    let to = Target::Mailbox { name: mailbox?, urgent };
    Some(Box::new(Recording { how: recording?, to, failed: failed? }))
}

fn lower_record(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &RECORD_SETTINGS, lower.diags)?;
    let save = fields.need("save", lower.diags).and_then(|node| name(node, "a variable", lower.diags));
    let failed = lower.outcome(&mut fields, "failed");
    let recording = recording(&mut fields, lower);
    fields.finish(lower.diags);
    let how = recording?;
    Some(Box::new(Recording { how, to: Target::Variable(save?), failed: Some(failed?) }))
}

fn recording(fields: &mut Fields, lower: &mut Lower) -> Option<How> {
    let say = fields.take("say").map(|node| lower.prompts(node)).unwrap_or_default();
    let max_ms = fields.time("max", lower.diags).unwrap_or(MAX_MS);
    let quiet_ms = fields.time("quiet", lower.diags).unwrap_or(QUIET_MS);
    let end_key = fields.take("end_key").map_or(Some(END_KEY), |node| telephone_key(node, lower.diags));
    Some(How { say, max_ms, quiet_ms, end_key: end_key? })
}

impl Recording {
    fn begin(&self, run: &mut Run) -> Next {
        let id = run.fresh_id();
        let stop = run.timer(self.how.max_ms + TONE_MS);
        run.state.wait = Wait::Recording { id, timer: stop, stopping: false };
        let mailbox = match &self.to {
            Target::Mailbox { name, urgent } => Some(Mailbox { name: name.text.clone(), urgent: *urgent }),
            Target::Variable(_) => None,
        };
        // Asked last: the answer may be that there is nothing to record with.
        run.act(Action::Record { id, max_ms: self.how.max_ms, quiet_ms: self.how.quiet_ms, mailbox });
        Next::Stay
    }

    fn stop(&self, run: &mut Run, id: u32) -> Next {
        let timer = run.timer(WRITTEN_WITHIN_MS);
        run.state.wait = Wait::Recording { id, timer, stopping: true };
        run.act(Action::RecordStop { id });
        Next::Stay
    }

    fn ended(&self, run: &mut Run, kept: Option<&Kept>) -> Next {
        run.state.wait = Wait::Nothing;
        // Going back over it would record a second message.
        run.state.back.clear();
        let stored = match (&self.to, kept) {
            (_, None) => false,
            (Target::Mailbox { .. }, Some(_)) => true,
            (Target::Variable(variable), Some(kept)) => run.store(&variable.text, Value::Text(kept.file.clone())),
        };
        match (stored, &self.failed) {
            (true, _) => Next::CarryOn("recorded".into()),
            (false, Some(section)) => Next::Go("failed".into(), section.text.clone()),
            (false, None) => Next::CarryOn("failed".into()),
        }
    }
}

impl Step for Recording {
    fn verb(&self) -> &'static str {
        match self.to {
            Target::Mailbox { .. } => "voicemail",
            Target::Variable(_) => "record",
        }
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.extend(self.how.say.iter().map(Fact::Plays));
        out.push(Fact::Records { told: !self.how.say.is_empty() });
        out.extend(self.failed.iter().map(|section| Exit::to("failed", section, true)));
        let mut sets = Vec::new();
        match &self.to {
            Target::Mailbox { name, .. } => out.push(Fact::Refers(Refers::Mailbox, name)),
            Target::Variable(name) => sets.push((name, Some(Type::Text))),
        }
        out.push(Fact::Posts);
        out.push(Exit::below_with(true, sets));
    }

    fn enter(&self, run: &mut Run) -> Next {
        run.clear_typed();
        match run.play(&self.how.say, true) {
            Some(playing) => {
                run.state.wait = Wait::Prompt(playing);
                Next::Stay
            }
            None => self.begin(run),
        }
    }

    fn event(&self, run: &mut Run, ev: &Event) -> Next {
        match (ev, run.state.wait.clone()) {
            // Who has heard it before begins to speak at once.
            (Event::Key(_), Wait::Prompt(playing)) => {
                run.drop_keys(1);
                run.stop(&playing);
                self.begin(run)
            }
            (Event::PlayDone { id, .. }, Wait::Prompt(playing)) if *id == playing.id => {
                run.clear(playing.guard);
                self.begin(run)
            }
            (Event::Timer { id }, Wait::Prompt(playing)) if *id == playing.guard => {
                run.stop(&playing);
                self.begin(run)
            }
            (Event::Key(key), Wait::Recording { id, timer, stopping: false }) if *key == self.how.end_key => {
                run.drop_keys(1);
                run.clear(timer);
                self.stop(run, id)
            }
            (Event::Key(_), _) => {
                run.drop_keys(1);
                Next::Stay
            }
            (Event::Recorded { id: of, kept }, Wait::Recording { id, timer, .. }) if *of == id => {
                run.clear(timer);
                self.ended(run, kept.as_ref())
            }
            (Event::Timer { id: of }, Wait::Recording { id, timer, stopping }) if *of == timer => {
                if stopping {
                    self.ended(run, None)
                } else {
                    self.stop(run, id)
                }
            }
            _ => Next::Stay,
        }
    }
}
