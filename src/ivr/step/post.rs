//! `send`, `form` and `callback`: something for another system or for somebody to do. The step is over when it is kept on
//! disk; it is delivered from there, also when that system is away now.

use super::lookup::check_arguments;
use super::{Exit, Fact, Lower, Refers, Step, Verb};
use crate::ids::Redacted;
use crate::ivr::bundle::Bundle;
use crate::ivr::expr::{Expr, Reader};
use crate::ivr::lower::{Fields, assignments, expression, name, received};
use crate::ivr::run::state::Wait;
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::{ASSIGNMENTS, Group, RECEIVED, Setting, Shape, optional, outcome, required};
use crate::ivr::source::Name;
use crate::ivr::value::{Type, Value, is_dialable};
use crate::ivr::wire::{Action, Channel, Event, Post, TraceEvent};
use crate::ivr::yaml::Node;
use std::collections::BTreeMap;

/// A disk that has not kept it by then is full or gone.
pub(super) const KEPT_WITHIN_MS: u64 = 5_000;
const CHANNELS: [(&str, Channel); 3] = [("sms", Channel::Sms), ("mail", Channel::Mail), ("webhook", Channel::Webhook)];

#[derive(Debug)]
struct Posting {
    what: What,
    fields: Vec<(Name, Expr)>,
    /// Variable, and what it receives of the answer.
    get: Vec<(Name, Name)>,
    failed: Name,
}

#[derive(Debug)]
enum What {
    Message { channel: Channel, template: Name, to: Option<Expr> },
    Form { template: Name },
    Callback { queue: Name, number: Option<Expr>, window_s: Option<u64> },
}

pub(super) const SEND: Verb = Verb {
    name: "send",
    help: "Sends a text message, a mail or a webhook by a template of `ivr-flows/messages.yaml`; give exactly one of them.",
    shape: Shape::Group(&SEND_SETTINGS),
    outcomes: &["carries on", "failed"],
    example: "- send: {sms: pay_link, to: caller.number, fields: {account: account}, failed: agent}",
    lower: lower_send,
};

const SEND_SETTINGS: Group = Group {
    what: "`send`",
    settings: &[
        optional("sms", Shape::Name, "a template for text messages"),
        optional("mail", Shape::Name, "a template for mails"),
        optional("webhook", Shape::Name, "a template for another system"),
        optional("to", Shape::Expression, "whom it goes to, where the template does not say"),
        FIELDS,
        outcome("failed", "when it cannot be sent"),
    ],
};

pub(super) const FORM: Verb = Verb {
    name: "form",
    help: "Files a form by a template of `ivr-flows/messages.yaml`. `number` of `get` is what the caller can ask for it by.",
    shape: Shape::Group(&FORM_SETTINGS),
    outcomes: &["carries on", "failed"],
    example: "- form: {template: outage_report, fields: {account: account, contact: caller.number}, get: {ticket: number}, failed: agent}",
    lower: lower_form,
};

const FORM_SETTINGS: Group = Group {
    what: "`form`",
    settings: &[
        required("template", Shape::Name, "which form"),
        FIELDS,
        GET,
        outcome("failed", "when the form cannot be filed"),
    ],
};

pub(super) const CALLBACK: Verb = Verb {
    name: "callback",
    help: "Keeps the caller's wish to be called back by a queue's agents.",
    shape: Shape::Group(&CALLBACK_SETTINGS),
    outcomes: &["carries on", "failed"],
    example: "- callback: {queue: service, window: 4h, failed: agent}",
    lower: lower_callback,
};

const CALLBACK_SETTINGS: Group = Group {
    what: "`callback`",
    settings: &[
        required("queue", Shape::Name, "a queue of `hotline.yaml`"),
        optional("number", Shape::Expression, "the number to call; the caller's unless told"),
        optional("window", Shape::Time("`window`", 60_000, 7 * 86_400_000), "by when"),
        FIELDS,
        GET,
        outcome("failed", "when the wish cannot be kept"),
    ],
};

const FIELDS: Setting =
    optional("fields", ASSIGNMENTS, "what goes along; an optional variable that is not set leaves its field empty");
const GET: Setting = optional("get", RECEIVED, "a variable for `number`");

fn lower_send(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &SEND_SETTINGS, lower.diags)?;
    let given: Vec<(Channel, &Node)> =
        CHANNELS.iter().filter_map(|(key, channel)| Some((*channel, fields.take(key)?))).collect();
    let to = fields.take("to").map(|node| expression(node, lower.diags));
    let (values, failed) = rest(&mut fields, lower);
    let span = fields.span;
    fields.finish(lower.diags);
    let [(channel, template)] = given[..] else {
        lower.diags.error_hint(
            "E114",
            span,
            "`send` needs exactly one template",
            "give one of `sms`, `mail`, `webhook`",
        );
        return None;
    };
    let template = name(template, "a template", lower.diags)?;
    let to = to.map_or(Some(None), |to| to.map(Some))?;
    Some(Box::new(Posting {
        what: What::Message { channel, template, to },
        fields: values,
        get: Vec::new(),
        failed: failed?,
    }))
}

fn lower_form(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &FORM_SETTINGS, lower.diags)?;
    let template = fields.need("template", lower.diags).and_then(|node| name(node, "a form", lower.diags));
    let get = fields.take("get").map(|node| received(node, lower.diags)).unwrap_or_default();
    let (values, failed) = rest(&mut fields, lower);
    fields.finish(lower.diags);
    Some(Box::new(Posting { what: What::Form { template: template? }, fields: values, get, failed: failed? }))
}

fn lower_callback(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &CALLBACK_SETTINGS, lower.diags)?;
    let queue = fields.need("queue", lower.diags).and_then(|node| name(node, "a queue", lower.diags));
    let number = fields.take("number").map(|node| expression(node, lower.diags));
    let window_s = fields.time("window", lower.diags);
    let get = fields.take("get").map(|node| received(node, lower.diags)).unwrap_or_default();
    let (values, failed) = rest(&mut fields, lower);
    fields.finish(lower.diags);
    let number = number.map_or(Some(None), |number| number.map(Some))?;
    let what = What::Callback { queue: queue?, number, window_s: window_s.map(|ms| ms / 1000) };
    Some(Box::new(Posting { what, fields: values, get, failed: failed? }))
}

fn rest(fields: &mut Fields, lower: &mut Lower) -> (Vec<(Name, Expr)>, Option<Name>) {
    let values = fields.take("fields").map(|node| assignments(node, "`fields`", lower.diags)).unwrap_or_default();
    (values, lower.outcome(fields, "failed"))
}

impl Posting {
    /// What the platform calls it.
    fn name(&self) -> &Name {
        match &self.what {
            What::Message { template, .. } | What::Form { template } => template,
            What::Callback { queue, .. } => queue,
        }
    }

    fn kind(&self) -> &'static str {
        match &self.what {
            What::Message { channel, .. } => channel.name(),
            What::Form { .. } => "form",
            What::Callback { .. } => "callback",
        }
    }

    fn post(&self, run: &mut Run) -> Option<(Post, Vec<(String, Value)>)> {
        let mut fields = Vec::new();
        for (name, expr) in &self.fields {
            if expr.variable().is_some_and(|variable| run.read(variable).is_none()) {
                continue;
            }
            fields.push((name.text.clone(), run.value(expr).ok()?));
        }
        let what = match &self.what {
            What::Message { channel, template, to } => {
                let to = match to {
                    Some(expr) => Some(run.value(expr).ok()?.plain()),
                    None => None,
                };
                fields.extend(to.iter().map(|to| ("to".to_string(), Value::Text(to.clone()))));
                Post::Message { channel: *channel, template: template.text.clone(), to: to.map(Redacted::new) }
            }
            What::Form { template } => Post::Form { template: template.text.clone() },
            What::Callback { queue, number, window_s } => {
                let number = match number {
                    Some(expr) => run.value(expr).ok()?.plain(),
                    None => run.read("caller.number")?.plain(),
                };
                // Nobody can be called back at a hidden number, or at a name.
                if !is_dialable(&number) {
                    return None;
                }
                Post::Callback { queue: queue.text.clone(), number: Redacted::new(number), within_s: *window_s }
            }
        };
        Some((what, fields))
    }

    fn failed(&self) -> Next {
        Next::Go("failed".into(), self.failed.text.clone())
    }
}

impl Step for Posting {
    fn verb(&self) -> &'static str {
        match self.what {
            What::Message { .. } => "send",
            What::Form { .. } => "form",
            What::Callback { .. } => "callback",
        }
    }

    fn facts<'s>(&'s self, bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        let name = self.name();
        let takes = match &self.what {
            What::Message { to, .. } => {
                out.push(Fact::Refers(Refers::Message, name));
                let takes = bundle.templates.messages.get(&name.text).map(|template| &template.takes);
                let wants_to = takes.is_some_and(|takes| takes.contains_key("to"));
                if takes.is_some() && wants_to != to.is_some() {
                    let (message, hint) = match wants_to {
                        true => (format!("`{}` needs to know whom it goes to", name.text), "add `to: caller.number`"),
                        false => (format!("`{}` knows itself whom it goes to", name.text), "leave `to:` out"),
                    };
                    out.push(Fact::Wrong { code: "E207", span: name.span, message, hint: Some(hint.into()) });
                }
                out.extend(to.iter().map(|to| Fact::Reads(to, Some(Type::Text))));
                takes
            }
            What::Form { .. } => {
                out.push(Fact::Refers(Refers::Form, name));
                bundle.templates.forms.get(&name.text).map(|template| &template.takes)
            }
            What::Callback { number, .. } => {
                out.push(Fact::Refers(Refers::Queue, name));
                out.extend(number.iter().map(|number| Fact::Reads(number, Some(Type::Digits))));
                None
            }
        };
        let asked: Option<BTreeMap<_, _>> = takes.map(|takes| {
            takes.iter().filter(|(name, _)| *name != "to").map(|(n, ty)| (n.clone(), ty.clone())).collect()
        });
        check_arguments(name, asked.as_ref(), ("fields", &self.fields), |_, expr, ty| Fact::Fills(expr, ty), out);
        let mut sets = Vec::new();
        for (variable, from) in &self.get {
            if from.text != "number" {
                let message = format!("`{}` gives no `{}`", self.verb(), from.text);
                let hint = Some("it gives `number`, by which the caller can ask for it".into());
                out.push(Fact::Wrong { code: "E207", span: from.span, message, hint });
            }
            sets.push((variable, Some(Type::Digits)));
        }
        out.push(Fact::Posts);
        out.push(Exit::to("failed", &self.failed, false));
        out.push(Exit::below_with(false, sets));
    }

    fn enter(&self, run: &mut Run) -> Next {
        let Some((what, fields)) = self.post(run) else { return self.failed() };
        let id = run.fresh_id();
        let guard = run.timer(KEPT_WITHIN_MS);
        run.state.wait = Wait::Posted { id, guard };
        // Asked last: the answer may be at hand.
        run.act(Action::Post { id, what, fields });
        Next::Stay
    }

    fn event(&self, run: &mut Run, ev: &Event) -> Next {
        match (ev, &run.state.wait) {
            (Event::Key(key), _) => {
                run.type_ahead(*key);
                Next::Stay
            }
            (Event::Posted { id: of, reference }, &Wait::Posted { id, guard }) if *of == id => {
                run.clear(guard);
                run.state.wait = Wait::Nothing;
                let Some(reference) = reference else { return self.failed() };
                // Going back over it would post it twice.
                run.state.back.clear();
                let name = self.name().text.clone();
                run.trace(TraceEvent::Posted { what: self.kind(), name, reference: reference.clone() });
                let kept =
                    self.get.iter().all(|(variable, _)| run.store(&variable.text, Value::Digits(reference.clone())));
                if kept { Next::CarryOn("ok".into()) } else { self.failed() }
            }
            (Event::Timer { id }, &Wait::Posted { guard, .. }) if *id == guard => {
                run.state.wait = Wait::Nothing;
                self.failed()
            }
            _ => Next::Stay,
        }
    }
}
