//! `menu`: one key (or a few digits) chooses a section. Shortcuts of the flow act here; the menu's own keys win.

use super::{Answer, Exit, Fact, Lower, Question, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::diag::shown;
use crate::ivr::flow::Target;
use crate::ivr::lower::{Fields, keys, telephone_key};
use crate::ivr::run::ask::{self, Asks, Policy, Taken};
use crate::ivr::run::state::{Asking, Stage};
use crate::ivr::run::{Next, Outcome, Playing, Run};
use crate::ivr::settings::{Group, Shape, optional, required};
use crate::ivr::source::{Name, Span};
use crate::ivr::wire::Event;
use crate::ivr::yaml::Node;
use std::collections::BTreeMap;

/// Digits of the longest menu key.
const MAX_KEY_DIGITS: usize = 4;

#[derive(Debug)]
struct Menu {
    policy: Policy,
    /// Keys as they are dialled (`1`, `10`, `*`).
    keys: BTreeMap<String, (Span, Target)>,
    key_wait_ms: Option<u64>,
    give_up: Name,
    no_agent: bool,
}

pub(super) const VERB: Verb = Verb {
    name: "menu",
    help: "Asks for a key.",
    shape: Shape::Group(&SETTINGS),
    outcomes: &["one for each key", "give_up"],
    example: "- menu: {say: main_menu, keys: {1: agent, 2: bye, star: repeat}, give_up: agent}",
    lower,
};

const SETTINGS: Group = Group {
    what: "`menu`",
    settings: &[
        ask::SAY,
        required(
            "keys",
            Shape::Keys(MAX_KEY_DIGITS, &Shape::Target),
            "which key leads to which section; `repeat` asks again, `back` goes to the menu before",
        ),
        ask::GIVE_UP,
        optional("no_agent", Shape::Flag, "`true`: no human need be reached from here").or("false"),
        ask::TRIES,
        ask::WAIT,
        optional(
            "key_wait",
            Shape::Time("`key_wait`", 200, 10_000),
            "how long to wait when one key begins another, as 1 and 12",
        ),
        ask::BETWEEN_DIGITS,
        ask::SILENCE,
        ask::WRONG_KEY,
        ask::BARGE_IN,
        ask::FRESH_INPUT,
    ],
};

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &SETTINGS, lower.diags)?;
    let say = fields.need("say", lower.diags).map(|node| lower.prompts(node)).unwrap_or_default();
    let policy = lower.policy(&mut fields, say);
    let key_wait_ms = fields.time("key_wait", lower.diags);
    let keys = fields.need("keys", lower.diags).map(|node| lower_keys(node, lower));
    let give_up = lower.give_up(&mut fields);
    let no_agent = fields.flag("no_agent", lower.diags).unwrap_or(lower.defaults.no_agent);
    fields.finish(lower.diags);
    let menu = Menu { policy, keys: keys?, key_wait_ms, give_up: give_up?, no_agent };
    if menu.keys.is_empty() {
        lower.diags.error("E112", node.span, "a menu needs at least one key");
    }
    menu.report_prefixes(lower);
    Some(Box::new(menu))
}

fn lower_keys(node: &Node, lower: &mut Lower) -> BTreeMap<String, (Span, Target)> {
    let mut bound: BTreeMap<String, (Span, Target)> = BTreeMap::new();
    for (key, value) in keys(node, "`keys`", lower.diags) {
        let several = key.scalar().filter(|text| text.len() > 1 && text.bytes().all(|b| b.is_ascii_digit()));
        let dialled = match several {
            Some(text) if text.len() <= MAX_KEY_DIGITS => text.to_string(),
            Some(text) => {
                let message = format!("`{}` is longer than {MAX_KEY_DIGITS} digits", shown(text));
                lower.diags.error_hint("E112", key.span, message, "use `collect` for longer numbers");
                continue;
            }
            None => match telephone_key(key, lower.diags) {
                Some(key) => key.to_string(),
                None => continue,
            },
        };
        let Some(target) = Target::lower(value, lower.diags) else { continue };
        bound.insert(dialled, (key.span, target));
    }
    bound
}

/// A dialled key as the flow file writes it.
pub(super) fn spoken(dialled: &str) -> &str {
    match dialled {
        "*" => "star",
        "#" => "hash",
        digits => digits,
    }
}

impl Menu {
    fn report_prefixes(&self, lower: &mut Lower) {
        if self.key_wait_ms.is_some() {
            return;
        }
        for (key, (span, _)) in &self.keys {
            if let Some(longer) = self.keys.keys().find(|other| other.len() > key.len() && other.starts_with(key)) {
                let message = format!("after `{key}` the caller may still mean `{longer}`");
                let hint = "add `key_wait: 2s`, or choose keys where none begins another";
                lower.diags.error_hint("E401", *span, message, hint);
            }
        }
    }

    /// Leaves by a key.
    fn go(&self, run: &mut Run, outcome: Outcome, target: &Target, depth: usize) -> Taken {
        match target {
            Target::Repeat => Taken::Repeat,
            Target::Back => Taken::Done(Next::Back),
            Target::Section(section) => {
                run.state.remember_menu();
                let section = section.text.clone();
                let here = run.state.frames.len();
                Taken::Done(if depth == here {
                    Next::Go(outcome, section)
                } else {
                    Next::Unwind { outcome, depth, section }
                })
            }
        }
    }
}

impl Step for Menu {
    fn verb(&self) -> &'static str {
        "menu"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.extend(self.policy.prompts().map(Fact::Plays));
        out.push(Fact::Asks(Question {
            what: Answer::Choice,
            say: &self.policy.say,
            keys: self.keys.keys().cloned().collect(),
            least: 1,
            barge_in: self.policy.barge_in,
            no_agent: self.no_agent,
        }));
        out.extend(self.keys.iter().map(|(key, (span, target))| Fact::Key { key, span: *span, target }));
        let sections = self.keys.values().filter_map(|(_, target)| target.section());
        out.extend(sections.map(|name| Exit::to("keys", name, true)));
        out.push(Exit::to("give_up", &self.give_up, true));
    }

    fn enter(&self, run: &mut Run) -> Next {
        ask::open(run, self)
    }

    fn event(&self, run: &mut Run, ev: &Event) -> Next {
        ask::event(run, self, ev)
    }

    fn replay(&self, run: &mut Run) -> Next {
        ask::replay(run, self)
    }
}

impl Asks for Menu {
    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn key(&self, run: &mut Run, asking: &mut Asking, key: char) -> Taken {
        asking.entered.push(key);
        let entered = asking.entered.text();
        let longer = self.keys.keys().any(|other| other.len() > entered.len() && other.starts_with(&entered));
        let here = run.state.frames.len();
        match self.keys.get(&entered) {
            Some(_) if longer => Taken::More { within_ms: self.key_wait_ms.unwrap_or(self.policy.between_ms) },
            Some((_, target)) => self.go(run, spoken(&entered).to_string().into(), target, here),
            None if longer => Taken::More { within_ms: self.policy.between_ms },
            None if entered.len() == 1 => match run.shortcut(key) {
                Some((depth, target)) => self.go(run, spoken(&entered).to_string().into(), target, depth),
                None => Taken::Wrong,
            },
            None => Taken::Wrong,
        }
    }

    fn pause(&self, run: &mut Run, asking: &mut Asking) -> Taken {
        let entered = asking.entered.text();
        let here = run.state.frames.len();
        match self.keys.get(&entered) {
            Some((_, target)) => self.go(run, entered.into(), target, here),
            None => Taken::Wrong,
        }
    }

    fn gave_up(&self, _run: &mut Run, _stage: Stage) -> Next {
        Next::Go("give_up".into(), self.give_up.text.clone())
    }

    fn question(&self, run: &mut Run, _stage: Stage, first: &[Name]) -> Option<Playing> {
        let prompts = [first, &self.policy.say].concat();
        run.play(&prompts, self.policy.barge_in)
    }
}
