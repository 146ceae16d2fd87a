//! `collect`: asks for digits, checks them, may read them back, and stores them. Here digits are data: of the shortcuts
//! only `star` and `hash` act, and only as the first key; later `star` starts the entry over.

use super::{Answer, Exit, Fact, Lower, Question, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::digits::{self, CHECK_NAMES, Check, Pattern};
use crate::ivr::flow::Target;
use crate::ivr::lower::{Fields, name, telephone_key, text};
use crate::ivr::run::ask::{self, Asks, Policy, Taken};
use crate::ivr::run::state::{Asking, Stage};
use crate::ivr::run::{MAX_TYPED, Next, Playing, Run};
use crate::ivr::settings::{Group, Shape, optional, required};
use crate::ivr::source::Name;
use crate::ivr::value::{Type, Value, ymd};
use crate::ivr::wire::{Event, TraceEvent};
use crate::ivr::yaml::Node;

#[derive(Debug)]
struct Collect {
    policy: Policy,
    save: Name,
    min: usize,
    max: usize,
    end_key: Option<char>,
    check: Option<Check>,
    pattern: Option<Pattern>,
    confirm: Option<Name>,
    give_up: Name,
}

pub(super) const VERB: Verb = Verb {
    name: "collect",
    help: "Asks for digits and stores them in a variable. `star` clears what was typed.",
    shape: Shape::Group(&SETTINGS),
    outcomes: &["carries on", "give_up"],
    example: "- collect: {say: ask_account, save: account, digits: 10, check: luhn, confirm: is_this_your_account, give_up: agent}",
    lower,
};

const LENGTH: Shape = Shape::Number(1, MAX_TYPED as u32);

const SETTINGS: Group = Group {
    what: "`collect`",
    settings: &[
        ask::SAY,
        required("save", Shape::Name, "the variable"),
        optional("digits", LENGTH, "the exact length"),
        optional("min", LENGTH, "instead: the shortest"),
        optional("max", LENGTH, "and the longest"),
        optional("end_key", Shape::Word(&END_KEYS), "the key that ends an entry; `none` for no such key").or("hash"),
        optional("check", Shape::Word(&CHECK_NAMES), "`luhn`, `id_card_cn`, `mobile_cn` or `date`"),
        optional("pattern", Shape::Text, "what the digits look like, as `1[3-9].{9}`"),
        optional("confirm", Shape::Prompt, "reads the entry back: 1 is right, 2 asks again"),
        ask::GIVE_UP,
        ask::TRIES,
        ask::WAIT,
        ask::BETWEEN_DIGITS,
        ask::SILENCE,
        ask::WRONG_KEY,
        ask::BARGE_IN,
        ask::FRESH_INPUT,
    ],
};

/// Keys that answer the reading back.
const RIGHT: char = '1';
const AGAIN: char = '2';
const CONFIRM: [char; 2] = [RIGHT, AGAIN];
const END_KEYS: [&str; 13] = ["hash", "star", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "none"];

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &SETTINGS, lower.diags)?;
    let say = fields.need("say", lower.diags).map(|node| lower.prompts(node)).unwrap_or_default();
    let save = fields.need("save", lower.diags).and_then(|node| name(node, "a variable", lower.diags));
    let policy = lower.policy(&mut fields, say);
    let mut count = |key| fields.take(key).map(|node| node.span).map(|span| (span, fields.number(key, lower.diags)));
    let (digits, min, max) = (count("digits"), count("min"), count("max"));
    let end_key = match fields.take("end_key") {
        None => Some(Some('#')),
        Some(node) if node.scalar() == Some("none") => Some(None),
        Some(node) => telephone_key(node, lower.diags).map(Some),
    };
    let check = fields.take("check").map(|node| Check::lower(node, lower.diags));
    let pattern = fields.take("pattern").map(|node| (node.span, lower_pattern(node, lower)));
    let confirm = fields.take("confirm").map(|node| name(node, "a prompt", lower.diags));
    let give_up = lower.give_up(&mut fields);
    fields.finish(lower.diags);

    if let (Some((span, _)), true) = (&digits, min.is_some() || max.is_some()) {
        lower.diags.error_hint("E112", *span, "`digits` is an exact length", "leave out `min` and `max`");
    }
    let length = |given: Option<(_, Option<u32>)>| given.and_then(|(_, n)| n).map(|n| n as usize);
    let exact = length(digits);
    let (min, max) = (exact.or(length(min)).unwrap_or(1), exact.or(length(max)).unwrap_or(MAX_TYPED));
    if min > max {
        lower.diags.error("E112", node.span, "`min` is more than `max`");
    }
    let end_key = end_key?;
    if let Some((span, Some(pattern))) = &pattern
        && !pattern.can_match_length(min, max)
    {
        let message = format!("this pattern can never match {min} to {max} digits");
        lower.diags.error("E405", *span, message);
    }
    if let (Some((span, Some(pattern))), Some(end)) = (&pattern, end_key)
        && pattern.has_key(end)
    {
        let hint = "leave the key out of the pattern, or write `end_key: none`";
        lower.diags.error_hint("E404", *span, "the pattern wants the key that ends the entry", hint);
    }
    if let Some(Some(check)) = &check
        && !check.can_match_length(min, max)
    {
        let message = format!("`{}` can never be right with {min} to {max} digits", check.name());
        lower.diags.error("E405", node.span, message);
    }
    Some(Box::new(Collect {
        policy,
        save: save?,
        min,
        max,
        end_key,
        check: match check {
            Some(check) => Some(check?),
            None => None,
        },
        pattern: match pattern {
            Some((_, pattern)) => Some(pattern?),
            None => None,
        },
        confirm: match confirm {
            Some(confirm) => Some(confirm?),
            None => None,
        },
        give_up: give_up?,
    }))
}

fn lower_pattern(node: &Node, lower: &mut Lower) -> Option<Pattern> {
    let text = text(node, "a pattern", lower.diags)?;
    match Pattern::parse(text) {
        Ok(pattern) => Some(pattern),
        Err((at, message)) => {
            let place = lower.diags.part_of(node, at, at + 1);
            let hint = "a pattern holds digits, `[3-9]`, `.`, and `{n}`, `{n,m}`, `?`, `*`, `+` after them";
            lower.diags.error_hint("E112", place, message, hint);
            None
        }
    }
}

impl Collect {
    /// The entry is complete: checks and stores it.
    fn complete(&self, run: &mut Run, asking: &mut Asking) -> Taken {
        let digits = asking.entered.text();
        let right = digits.len() >= self.min
            && digits.len() <= self.max
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(&digits))
            && self.check.is_none_or(|check| check.accepts(&digits));
        let Some(decl) = run.flow().and_then(|flow| flow.vars.get(&self.save.text)) else { return Taken::Wrong };
        let value = match decl.ty {
            Type::Int => digits.parse().ok().map(Value::Int),
            Type::Date => date_of_digits(&digits).map(Value::Date),
            _ => Some(Value::Digits(digits)),
        };
        let stored = match value {
            Some(value) if right => run.store(&self.save.text, value),
            _ => false,
        };
        if !stored {
            return Taken::Wrong;
        }
        if self.confirm.is_some() { Taken::Confirm } else { self.done(run) }
    }

    fn done(&self, run: &mut Run) -> Taken {
        let decl = run.flow().and_then(|flow| flow.vars.get(&self.save.text));
        let value = run.vars().and_then(|vars| vars.read(&self.save.text).cloned());
        if let (Some(decl), Some(value)) = (decl, value) {
            let shown = match (decl.secret, decl.private) {
                (true, _) => "*".repeat(value.plain().len()),
                (false, true) => value.masked(),
                (false, false) => value.plain(),
            };
            run.trace(TraceEvent::Collected { name: self.save.text.clone(), shown });
        }
        Taken::Done(Next::CarryOn("ok".into()))
    }

    fn entry_key(&self, run: &mut Run, asking: &mut Asking, key: char) -> Taken {
        if asking.entered.is_empty()
            && matches!(key, '*' | '#')
            && let Some((depth, target)) = run.shortcut(key)
        {
            return match target {
                Target::Repeat => Taken::Repeat,
                Target::Back => Taken::Done(Next::Back),
                Target::Section(section) => {
                    let outcome = if key == '*' { "star" } else { "hash" };
                    Taken::Done(Next::Unwind { outcome: outcome.into(), depth, section: section.text.clone() })
                }
            };
        }
        if Some(key) == self.end_key {
            return if asking.entered.len() < self.min { Taken::Wrong } else { self.complete(run, asking) };
        }
        match key {
            // The last place of an identity number may be X, which telephones write as star.
            '*' if self.check == Some(Check::IdCardCn) && asking.entered.len() == 17 => {
                asking.entered.push('X');
            }
            '*' => return Taken::Cleared,
            '#' => return Taken::Wrong,
            digit => {
                asking.entered.push(digit);
            }
        }
        if asking.entered.len() < self.max {
            return Taken::More { within_ms: self.policy.between_ms };
        }
        if let Some(end) = self.end_key {
            run.expect_surplus(end, self.policy.between_ms);
        }
        self.complete(run, asking)
    }
}

/// `20260308`.
fn date_of_digits(digits: &str) -> Option<i32> {
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    ymd(digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..].parse().ok()?)
}

impl Step for Collect {
    fn verb(&self) -> &'static str {
        "collect"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.extend(self.policy.prompts().map(Fact::Plays));
        let asks = |say, what, keys| {
            Fact::Asks(Question { what, say, keys, least: self.min, barge_in: self.policy.barge_in, no_agent: true })
        };
        out.push(asks(&self.policy.say, Answer::Entry, self.end_key.iter().map(char::to_string).collect()));
        out.push(Exit::to("give_up", &self.give_up, true));
        out.push(Fact::Collects(&self.save));
        if let Some(confirm) = &self.confirm {
            out.push(Fact::Plays(confirm));
            out.push(asks(std::slice::from_ref(confirm), Answer::Choice, CONFIRM.map(String::from).to_vec()));
        }
        out.push(Exit::below(true));
    }

    fn entry(&self) -> Option<String> {
        let mut entry = digits::example(self.min, self.max, self.check, self.pattern.as_ref())?;
        if let Some(end) = self.end_key.filter(|_| entry.len() < self.max) {
            entry.push(end);
        }
        Some(entry)
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

impl Asks for Collect {
    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn key(&self, run: &mut Run, asking: &mut Asking, key: char) -> Taken {
        match (asking.stage, key) {
            (Stage::Entry | Stage::Question(_), _) => self.entry_key(run, asking, key),
            (Stage::Confirm, RIGHT) => self.done(run),
            (Stage::Confirm, AGAIN) => {
                if let Some(vars) = run.vars() {
                    vars.forget(&self.save.text);
                }
                Taken::Redo
            }
            (Stage::Confirm, _) => Taken::Wrong,
        }
    }

    fn pause(&self, run: &mut Run, asking: &mut Asking) -> Taken {
        if asking.entered.len() < self.min { Taken::Wrong } else { self.complete(run, asking) }
    }

    fn gave_up(&self, run: &mut Run, _stage: Stage) -> Next {
        if let Some(vars) = run.vars() {
            vars.forget(&self.save.text);
        }
        Next::Go("give_up".into(), self.give_up.text.clone())
    }

    fn shows_keys(&self, run: &Run, stage: Stage) -> bool {
        let decl = run.flow().and_then(|flow| flow.vars.get(&self.save.text));
        stage == Stage::Confirm || decl.is_some_and(|decl| !decl.private && !decl.secret)
    }

    fn question(&self, run: &mut Run, stage: Stage, first: &[Name]) -> Option<Playing> {
        let question = match stage {
            Stage::Entry | Stage::Question(_) => self.policy.say.as_slice(),
            Stage::Confirm => self.confirm.as_slice(),
        };
        run.play(&[first, question].concat(), self.policy.barge_in)
    }
}
