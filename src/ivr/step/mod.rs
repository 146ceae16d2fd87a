//! The verbs: one file each, with a verb's settings, what the checker must know of it, and what it does in a call.
//!
//! To add a verb, write its file and name it in [`VERBS`]: the checker, the schema and the reference follow.

mod call;
mod choose;
mod collect;
mod goto;
mod hangup;
mod hours;
mod language;
mod lookup;
mod menu;
mod offer;
mod pause;
mod post;
mod queue;
mod record;
mod say;
mod set;
mod survey;
mod tag;
mod transfer;

use super::bundle::Bundle;
use super::diag::{Diags, shown};
use super::expr::Expr;
use super::flow::{Defaults, Target};
use super::lower::{Fields, name, names};
use super::run::ask::Policy;
use super::run::state::Vars;
use super::run::{Next, Run};
use super::settings::Shape;
use super::source::{Name, Span};
use super::value::Type;
use super::wire::Event;
use super::yaml::{Kind, Node};
use std::fmt;

pub(super) use lookup::{TIMEOUT as LOOKUP_TIMEOUT, WAIT_SAY};

/// What a step of a flow can do.
pub(super) trait Step: fmt::Debug + Send + Sync {
    fn verb(&self) -> &'static str;
    /// Tells the checker, in the order in which it happens, what the step reads, sets, plays and refers to, and where
    /// it can go.
    fn facts<'s>(&'s self, bundle: &'s Bundle, out: &mut Vec<Fact<'s>>);
    fn enter(&self, run: &mut Run) -> Next;
    fn event(&self, run: &mut Run, ev: &Event) -> Next {
        if let Event::Key(key) = ev {
            run.type_ahead(*key);
        }
        Next::Stay
    }
    /// Keys that make a right entry, for whoever plays the caller. `None` where none is known or no entry is asked for.
    fn entry(&self) -> Option<String> {
        None
    }
    /// What a call is served with that has come past what was said before this step.
    fn resolves(&self) -> Option<&str> {
        None
    }
    /// Plays again what a stray key has cut off.
    fn replay(&self, run: &mut Run) -> Next {
        self.enter(run)
    }
    /// The subflow that this step called has returned.
    fn returned(&self, _run: &mut Run, _ok: bool, _vars: &Vars) -> Next {
        Next::WayOut("lost")
    }
}

/// What the checker learns of a step.
#[derive(Debug)]
pub(super) enum Fact<'s> {
    Plays(&'s Name),
    /// Music while the caller waits, in the language of whoever has not chosen one.
    Music(&'s Name),
    /// Played while the caller waits in a queue, where `queue.*` is known.
    PlaysInQueue(&'s Name),
    /// An expression is evaluated; with a type that it must fit.
    Reads(&'s Expr, Option<Type>),
    /// An expression is sent where a secret may go, which is forgotten with it.
    Sends(&'s Expr, Option<Type>),
    /// An expression fills a field of what is posted. An optional variable that is not set leaves the field empty.
    Fills(&'s Expr, Option<Type>),
    /// A variable goes along with a transfer, if it is set.
    Carries(&'s Name),
    Assigns(&'s Name, &'s Expr),
    /// Digits of the caller are stored.
    Collects(&'s Name),
    /// A key of a menu, as it is dialled, and where it leads.
    Key {
        key: &'s str,
        span: Span,
        target: &'s Target,
    },
    /// The caller is asked for something.
    Asks(Question<'s>),
    /// What is played here can be cut short by a key.
    Bargeable,
    /// Whoever comes here needs help at any hour.
    Urgent,
    /// What the caller says is recorded; whether the caller is told so here.
    Records {
        told: bool,
    },
    /// These are certainly set from here on.
    Proves(Vec<String>),
    Refers(Refers, &'s Name),
    Exit(Exit<'s>),
    /// An exit at once, on which these are certainly set.
    ExitProving(&'s Name, Vec<String>),
    /// Something is handed over here that must not be handed over twice.
    Posts,
    /// The flow can end here in a good way.
    Ends,
    /// This is taken of what the called subflow gives.
    Takes(&'s Name),
    /// What the subflow gives must be set here.
    Gives,
    /// Something only this verb can see.
    Wrong {
        code: &'static str,
        span: Span,
        message: String,
        hint: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refers {
    Queue,
    Skill,
    Trunk,
    Agent,
    Calendar,
    Lookup,
    Flow,
    Language,
    Message,
    Form,
    Mailbox,
}

/// What a step asks the caller.
#[derive(Debug)]
pub(super) struct Question<'s> {
    pub what: Answer,
    pub say: &'s [Name],
    /// Keys that answer it, as they are dialled.
    pub keys: Vec<String>,
    /// The fewest keys of an answer.
    pub least: usize,
    /// Keys act while it is said.
    pub barge_in: bool,
    /// No human need be reached from here.
    pub no_agent: bool,
}

/// What answers a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// One of the keys.
    Choice,
    /// One of the keys, each told in its own language.
    Language,
    /// Digits; the keys end the entry.
    Entry,
}

#[derive(Debug)]
pub(super) struct Exit<'s> {
    pub to: To<'s>,
    /// The setting that names this way; empty where a step carries on by itself.
    pub outcome: &'static str,
    /// Whether the caller pressed something or time went by before this exit.
    pub passes: bool,
    /// Variables that are set on this way only, and by what, where that is known.
    pub sets: Vec<(&'s Name, Option<Type>)>,
}

#[derive(Debug)]
pub(super) enum To<'s> {
    Section(&'s Name),
    /// To the step below.
    Below,
}

impl<'s> Exit<'s> {
    pub fn below(passes: bool) -> Fact<'s> {
        Self::below_with(passes, Vec::new())
    }
    /// On which variables are set.
    pub fn below_with(passes: bool, sets: Vec<(&'s Name, Option<Type>)>) -> Fact<'s> {
        Fact::Exit(Exit { to: To::Below, outcome: "", passes, sets })
    }
    pub fn to(outcome: &'static str, section: &'s Name, passes: bool) -> Fact<'s> {
        Fact::Exit(Exit { to: To::Section(section), outcome, passes, sets: Vec::new() })
    }
}

/// A step and where it stands.
#[derive(Debug)]
pub(super) struct StepAt {
    pub span: Span,
    pub verb: Box<dyn Step>,
}

/// A verb of the language: what it is for, what it takes, and how it is read.
pub(super) struct Verb {
    pub name: &'static str,
    /// A sentence or two for admins.
    pub help: &'static str,
    pub shape: Shape,
    /// Where a call can go on from it, in words for admins.
    pub outcomes: &'static [&'static str],
    /// Lines of a section, as the reference shows them.
    pub example: &'static str,
    lower: fn(&Node, &mut Lower) -> Option<Box<dyn Step>>,
}

/// In the order in which the reference tells them.
pub(super) const VERBS: [Verb; 23] = [
    say::VERB,
    menu::VERB,
    collect::VERB,
    choose::VERB,
    set::VERB,
    language::VERB,
    lookup::VERB,
    hours::VERB,
    queue::VERB,
    transfer::VERB,
    tag::TAG,
    tag::RESOLVED,
    goto::VERB,
    pause::VERB,
    call::CALL,
    call::RETURN,
    hangup::VERB,
    record::VOICEMAIL,
    record::RECORD,
    post::SEND,
    post::FORM,
    post::CALLBACK,
    survey::VERB,
];

/// What lowering a step needs to know of its flow.
pub(super) struct Lower<'l, 'f> {
    pub diags: &'l mut Diags<'f>,
    pub defaults: &'l Defaults,
}

/// Reads one `- verb: settings`.
pub(super) fn lower(node: &Node, lower: &mut Lower) -> Option<StepAt> {
    let known = || VERBS.iter().map(|verb| verb.name);
    let Kind::Map(pairs) = &node.kind else {
        // Reports full-width signs; what is left is a word without its colon.
        let text = super::lower::text(node, "a step", lower.diags)?;
        let hint = match known().find(|verb| text.starts_with(verb)) {
            Some(verb) => format!("a colon is missing: write `- {verb}: ...`"),
            None => "write `- say: prompt`, `- goto: section`, ...".into(),
        };
        lower.diags.error_hint("E112", node.span, format!("`{}` is not a step", shown(text)), hint);
        return None;
    };
    let Some((key, value)) = pairs.first() else {
        lower.diags.error_hint("E112", node.span, "a step without a verb", "write `- say: prompt`, or leave it out");
        return None;
    };
    if let Some((extra, _)) = pairs.get(1) {
        let verbs: Vec<&str> = pairs.iter().filter_map(|(k, _)| k.scalar()).filter(|k| is_verb(k)).collect();
        let hint = match verbs[..] {
            [verb] => format!("settings of `{verb}` go one step deeper, or in braces: `- {verb}: {{...}}`"),
            _ => "start each step with its own dash".into(),
        };
        lower.diags.error_hint("E113", extra.span, "a step has one verb only", hint);
        return None;
    }
    let verb = super::lower::text(key, "a verb", lower.diags)?;
    if let Some(known) = VERBS.iter().find(|known| known.name == verb) {
        return (known.lower)(value, lower).map(|verb| StepAt { span: key.span, verb });
    }
    lower.diags.unknown("E102", key.span, "unknown step", verb, known());
    None
}

fn is_verb(word: &str) -> bool {
    VERBS.iter().any(|verb| verb.name == word)
}

impl Lower<'_, '_> {
    /// A prompt or a list of prompts.
    pub fn prompts(&mut self, node: &Node) -> Vec<Name> {
        names(node, "a prompt", self.diags)
    }

    pub fn section(&mut self, node: &Node) -> Option<Name> {
        name(node, "a section", self.diags)
    }

    /// A section that must be given.
    pub fn outcome(&mut self, fields: &mut Fields, key: &'static str) -> Option<Name> {
        match fields.take(key) {
            Some(node) => self.section(node),
            None => {
                let message = format!("nothing is said for {}", fields.help(key));
                self.diags.error_hint("E212", fields.span, message, format!("add `{key}: <section>`"));
                None
            }
        }
    }

    pub fn optional_section(&mut self, fields: &mut Fields, key: &'static str) -> Option<Option<Name>> {
        match fields.take(key) {
            Some(node) => self.section(node).map(Some),
            None => Some(None),
        }
    }

    /// How a step asks for keys: its own settings over the flow's defaults.
    pub fn policy(&mut self, fields: &mut Fields, say: Vec<Name>) -> Policy {
        let silence = match fields.take("silence") {
            Some(node) => self.prompts(node),
            None => self.defaults.silence.clone(),
        };
        self.policy_with(fields, say, silence)
    }

    /// The same where `silence` means something else or nothing.
    pub fn policy_with(&mut self, fields: &mut Fields, say: Vec<Name>, silence: Vec<Name>) -> Policy {
        let defaults = self.defaults;
        let diags = &mut *self.diags;
        let wait_ms = fields.time("wait", diags).unwrap_or(defaults.wait_ms);
        let between_ms = fields.time("between_digits", diags).unwrap_or(defaults.between_ms);
        let tries = fields.number("tries", diags);
        let wrong_key = match fields.take("wrong_key") {
            Some(node) => names(node, "a prompt", diags),
            None => defaults.wrong_key.clone(),
        };
        let barge_in = fields.flag("barge_in", diags).unwrap_or(true);
        let fresh = fields.flag("fresh_input", diags).unwrap_or(false);
        let tries = tries.map_or(defaults.tries, |tries| tries as u8);
        Policy { say, wait_ms, between_ms, tries, silence, wrong_key, barge_in, fresh }
    }

    /// `give_up:` of a step, else the flow's default.
    pub fn give_up(&mut self, fields: &mut Fields) -> Option<Name> {
        match (fields.take("give_up"), &self.defaults.give_up) {
            (Some(node), _) => self.section(node),
            (None, Some(default)) => Some(default.clone()),
            (None, None) => {
                let hint = "add `give_up: <section>` here or under `defaults: {input: ...}`";
                self.diags.error_hint("E212", fields.span, "nothing is said for when the tries run out", hint);
                None
            }
        }
    }
}
