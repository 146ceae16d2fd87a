//! `lookup`: asks a system outside for facts, within a time limit. Whatever that system does, the caller goes on; when it
//! takes a while, the caller is told to wait.

use super::set::fitted;
use super::{Exit, Fact, Lower, Refers, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::expr::Expr;
use crate::ivr::lower::{Fields, assignments, name, received};
use crate::ivr::run::state::{Filler, LookupWait, Reply, Wait};
use crate::ivr::run::{MAX_LOOKUPS, Next, Run};
use crate::ivr::settings::{ASSIGNMENTS, Group, RECEIVED, Setting, Shape, optional, outcome, required};
use crate::ivr::source::Name;
use crate::ivr::value::Type;
use crate::ivr::wire::{Action, Event, LookupResult, TraceEvent};
use crate::ivr::yaml::Node;
use std::collections::BTreeMap;

/// A reply within this time needs no "one moment, please".
const FILLER_AFTER_MS: u64 = 800;

#[derive(Debug)]
struct Lookup {
    name: Name,
    send: Vec<(Name, Expr)>,
    /// Variable, and the field of the reply that it receives.
    get: Vec<(Name, Name)>,
    timeout_ms: Option<u64>,
    default_timeout_ms: u64,
    wait_say: Vec<Name>,
    not_found: Name,
    failed: Name,
}

pub(super) const VERB: Verb = Verb {
    name: "lookup",
    help: "Asks another system, by a name of `ivr-flows/lookups.yaml`. What is sent stands at the right, what receives it at the left.",
    shape: Shape::Group(&SETTINGS),
    outcomes: &["found (carries on)", "not_found", "failed"],
    example: "- lookup: {name: account_by_phone, send: {phone: caller.number}, get: {account: account}, not_found: agent, failed: agent}",
    lower,
};

const SETTINGS: Group = Group {
    what: "`lookup`",
    settings: &[
        required("name", Shape::Name, "which lookup"),
        optional("send", ASSIGNMENTS, "its arguments"),
        optional("get", RECEIVED, "variables that receive fields of the reply"),
        TIMEOUT,
        WAIT_SAY,
        outcome("not_found", "when nothing is found"),
        outcome("failed", "when the other system fails or is slow"),
    ],
};

pub(in crate::ivr) const TIMEOUT: Setting =
    optional("timeout", Shape::Time("a timeout", 100, 30_000), "the longest wait").or("3s");
pub(in crate::ivr) const WAIT_SAY: Setting =
    optional("wait_say", Shape::Prompts, "what the caller hears when it takes a moment");

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &SETTINGS, lower.diags)?;
    let lookup = fields.need("name", lower.diags).and_then(|node| name(node, "a lookup", lower.diags));
    let send = fields.take("send").map(|node| assignments(node, "`send`", lower.diags)).unwrap_or_default();
    let get = fields.take("get").map(|node| received(node, lower.diags)).unwrap_or_default();
    let timeout_ms = fields.time("timeout", lower.diags);
    let wait_say = match fields.take("wait_say") {
        Some(node) => lower.prompts(node),
        None => lower.defaults.wait_say.clone(),
    };
    let not_found = lower.outcome(&mut fields, "not_found");
    let failed = lower.outcome(&mut fields, "failed");
    fields.finish(lower.diags);
    Some(Box::new(Lookup {
        name: lookup?,
        send,
        get,
        timeout_ms,
        default_timeout_ms: lower.defaults.lookup_timeout_ms,
        wait_say,
        not_found: not_found?,
        failed: failed?,
    }))
}

impl Lookup {
    fn store(&self, run: &mut Run, result: &LookupResult) -> Reply {
        match result {
            LookupResult::NotFound => Reply::NotFound,
            LookupResult::Failed => Reply::Failed,
            LookupResult::Found(fields) => {
                // A reply that lacks a field or has it in another type is no reply.
                let complete = self.get.iter().all(|(variable, field)| {
                    fields.get(&field.text).is_some_and(|value| run.store(&variable.text, value.clone()))
                });
                if complete { Reply::Found } else { Reply::Failed }
            }
        }
    }

    /// Goes on with a reply, or, while the caller is being told to wait, keeps it until that is said.
    fn replied(&self, run: &mut Run, mut wait: LookupWait, reply: Reply) -> Next {
        run.clear(wait.timeout);
        match wait.filler {
            Filler::Prompt(_) => {
                wait.reply = Some(reply);
                run.state.wait = Wait::Lookup(wait);
                return Next::Stay;
            }
            Filler::Timer(timer) => run.clear(timer),
            Filler::None => {}
        }
        self.go_on(reply)
    }

    fn go_on(&self, reply: Reply) -> Next {
        match reply {
            Reply::Found => Next::CarryOn("found".into()),
            Reply::NotFound => Next::Go("not_found".into(), self.not_found.text.clone()),
            Reply::Failed => Next::Go("failed".into(), self.failed.text.clone()),
        }
    }

    fn filler_ended(&self, run: &mut Run, mut wait: LookupWait) -> Next {
        wait.filler = Filler::None;
        match wait.reply {
            Some(reply) => self.go_on(reply),
            None => {
                run.state.wait = Wait::Lookup(wait);
                Next::Stay
            }
        }
    }
}

impl Step for Lookup {
    fn verb(&self) -> &'static str {
        "lookup"
    }

    fn facts<'s>(&'s self, bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        let known = bundle.lookups.get(&self.name.text);
        out.push(Fact::Refers(Refers::Lookup, &self.name));
        let sends = |argument: &Name, expr, ty| match known.is_none_or(|lookup| lookup.secrets.contains(&argument.text))
        {
            true => Fact::Sends(expr, ty),
            false => Fact::Reads(expr, ty),
        };
        check_arguments(&self.name, known.map(|lookup| &lookup.takes), ("send", &self.send), sends, out);
        let mut sets = Vec::new();
        for (variable, field) in &self.get {
            let ty = known.and_then(|lookup| lookup.gives.get(&field.text));
            if let (Some(lookup), None) = (known, ty) {
                let message = format!("`{}` gives no `{}`", self.name.text, field.text);
                let gives: Vec<_> = lookup.gives.keys().map(String::as_str).collect();
                out.push(wrong(field, message, Some(format!("it gives {}", listed(&gives)))));
            }
            sets.push((variable, ty.cloned()));
        }
        out.extend(self.wait_say.iter().map(Fact::Plays));
        out.push(Exit::to("not_found", &self.not_found, false));
        out.push(Exit::to("failed", &self.failed, false));
        out.push(Exit::below_with(false, sets));
    }

    fn enter(&self, run: &mut Run) -> Next {
        run.state.counters.lookups += 1;
        if run.state.counters.lookups > MAX_LOOKUPS {
            run.trace(TraceEvent::Limit { which: "lookups" });
            return self.go_on(Reply::Failed);
        }
        let known = run.bundle.lookups.get(&self.name.text);
        let mut args = Vec::new();
        for (argument, expr) in &self.send {
            let Ok(value) = run.value(expr) else { return Next::WayOut("fault") };
            let ty = known.and_then(|lookup| lookup.takes.get(&argument.text));
            let value = ty.map_or(value.clone(), |ty| fitted(ty, value));
            args.push((argument.text.clone(), value));
        }
        // A secret has done its work once it is sent.
        for (_, expr) in &self.send {
            expr.reads(&mut |name, _, _| {
                if let Some(vars) = run.vars() {
                    vars.forget_secret(name);
                }
            });
        }
        let id = run.fresh_id();
        let own = self.timeout_ms.or(known.and_then(|lookup| lookup.timeout_ms));
        let within_ms = own.unwrap_or(self.default_timeout_ms);
        let timeout = run.timer(within_ms);
        let filler = if self.wait_say.is_empty() { Filler::None } else { Filler::Timer(run.timer(FILLER_AFTER_MS)) };
        run.state.wait = Wait::Lookup(LookupWait { id, timeout, filler, reply: None });
        // Asked last: the answer may be at hand.
        run.act(Action::Fetch { id, lookup: self.name.text.clone(), args, within_ms });
        Next::Stay
    }

    fn event(&self, run: &mut Run, ev: &Event) -> Next {
        let mut wait = match std::mem::replace(&mut run.state.wait, Wait::Nothing) {
            Wait::Lookup(wait) => wait,
            other => {
                run.state.wait = other;
                return Next::Stay;
            }
        };
        match (ev, &wait.filler) {
            (Event::Key(key), _) => run.type_ahead(*key),
            (Event::Lookup { id, result }, _) if *id == wait.id && wait.reply.is_none() => {
                let reply = self.store(run, result);
                return self.replied(run, wait, reply);
            }
            (Event::Timer { id }, _) if *id == wait.timeout && wait.reply.is_none() => {
                return self.replied(run, wait, Reply::Failed);
            }
            (Event::Timer { id }, Filler::Timer(timer)) if id == timer => {
                wait.filler = run.play(&self.wait_say, false).map_or(Filler::None, Filler::Prompt);
            }
            (Event::PlayDone { id, .. }, Filler::Prompt(playing)) if *id == playing.id => {
                run.clear(playing.guard);
                return self.filler_ended(run, wait);
            }
            (Event::Timer { id }, Filler::Prompt(playing)) if *id == playing.guard => {
                run.stop(playing);
                return self.filler_ended(run, wait);
            }
            _ => {}
        }
        run.state.wait = Wait::Lookup(wait);
        Next::Stay
    }
}

/// `takes` is `None` when what is asked is not known, which is told elsewhere.
pub(super) fn check_arguments<'s>(
    asked: &'s Name,
    takes: Option<&BTreeMap<String, Type>>,
    (setting, given): (&str, &'s [(Name, Expr)]),
    reads: impl Fn(&Name, &'s Expr, Option<Type>) -> Fact<'s>,
    out: &mut Vec<Fact<'s>>,
) {
    for (argument, expr) in given {
        let ty = takes.and_then(|takes| takes.get(&argument.text));
        if let (Some(takes), None) = (takes, ty) {
            let message = format!("`{}` takes no `{}`", asked.text, argument.text);
            let takes: Vec<_> = takes.keys().map(String::as_str).collect();
            out.push(wrong(argument, message, Some(format!("it takes {}", listed(&takes)))));
        }
        out.push(reads(argument, expr, ty.cloned()));
    }
    for missing in takes.into_iter().flat_map(BTreeMap::keys) {
        if given.iter().all(|(name, _)| name.text != *missing) {
            let message = format!("`{}` needs `{missing}`", asked.text);
            out.push(wrong(asked, message, Some(format!("add `{setting}: {{{missing}: ...}}`"))));
        }
    }
}

fn wrong<'s>(name: &Name, message: String, hint: Option<String>) -> Fact<'s> {
    Fact::Wrong { code: "E207", span: name.span, message, hint }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}
