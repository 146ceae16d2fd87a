//! `language`: asks for the caller's language, each language in its own words, or sets one. A caller whose language is
//! remembered is not asked again.

use super::{Answer, Exit, Fact, Lower, Question, Refers, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::lower::{Fields, keys, telephone_key};
use crate::ivr::prompt::language;
use crate::ivr::run::ask::{self, Asks, Policy, Taken};
use crate::ivr::run::say::Length;
use crate::ivr::run::state::{Asking, Stage};
use crate::ivr::run::{Next, Playing, Run};
use crate::ivr::settings::{Group, Shape, optional, required};
use crate::ivr::source::Name;
use crate::ivr::wire::{Event, TraceEvent};
use crate::ivr::yaml::{Kind, Node};
use std::collections::BTreeMap;

#[derive(Debug)]
struct Language {
    policy: Policy,
    keys: BTreeMap<char, Name>,
    /// Spoken to who presses nothing.
    silence: Name,
    remember_s: Option<u64>,
}

#[derive(Debug)]
struct SetLanguage {
    lang: Name,
}

pub(super) const VERB: Verb = Verb {
    name: "language",
    help: "Asks for the caller's language, or sets it.",
    shape: Shape::Either(&[LANGUAGE, Shape::Group(&SETTINGS)]),
    outcomes: &["carries on"],
    example: "- language: {say: choose_language, keys: {1: zh, 2: en}, silence: zh}\n- language: en",
    lower,
};

const LANGUAGE: Shape = Shape::Name;

const SETTINGS: Group = Group {
    what: "`language`",
    settings: &[
        ask::SAY,
        required("keys", Shape::Keys(1, &LANGUAGE), "which key is which language"),
        required("silence", LANGUAGE, "the language of who presses nothing"),
        optional(
            "remember",
            Shape::Time("`remember`", 3_600_000, 365 * 86_400_000),
            "for how long a caller who chose is not asked again",
        ),
        ask::TRIES,
        ask::WAIT,
        ask::BETWEEN_DIGITS,
        ask::WRONG_KEY,
        ask::BARGE_IN,
        ask::FRESH_INPUT,
    ],
};

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    if !matches!(node.kind, Kind::Map(_)) {
        return Some(Box::new(SetLanguage { lang: language(node, lower.diags)? }));
    }
    let mut fields = Fields::of(node, &SETTINGS, lower.diags)?;
    let say = fields.need("say", lower.diags).map(|node| lower.prompts(node)).unwrap_or_default();
    // `silence` names a language here, not a prompt.
    let silence = fields.need("silence", lower.diags).and_then(|node| language(node, lower.diags));
    let mut bound = BTreeMap::new();
    if let Some(node) = fields.need("keys", lower.diags) {
        for (key, value) in keys(node, "`keys`", lower.diags) {
            let (key, lang) = (telephone_key(key, lower.diags), language(value, lower.diags));
            bound.extend(key.zip(lang));
        }
    }
    let remember = fields.time("remember", lower.diags);
    let policy = lower.policy_with(&mut fields, say, Vec::new());
    fields.finish(lower.diags);
    Some(Box::new(Language { policy, keys: bound, silence: silence?, remember_s: remember.map(|ms| ms / 1000) }))
}

impl Language {
    fn choose(&self, run: &mut Run, lang: &Name, outcome: String, remember: bool) -> Taken {
        if run.state.lang != lang.text {
            run.clear_typed();
        }
        run.state.lang.clone_from(&lang.text);
        run.state.lang_known = true;
        let remember_s = self.remember_s.filter(|_| remember);
        run.trace(TraceEvent::Language { lang: lang.text.clone(), remember_s });
        Taken::Done(Next::CarryOn(outcome.into()))
    }
}

impl Step for Language {
    fn verb(&self) -> &'static str {
        "language"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.extend(self.policy.prompts().map(Fact::Plays));
        out.push(Fact::Asks(Question {
            what: Answer::Language,
            say: &self.policy.say,
            keys: self.keys.keys().map(char::to_string).collect(),
            least: 0,
            barge_in: self.policy.barge_in,
            no_agent: true,
        }));
        out.extend(self.keys.values().chain([&self.silence]).map(|lang| Fact::Refers(Refers::Language, lang)));
        // A remembered language passes without a key.
        out.push(Exit::below(false));
    }

    fn enter(&self, run: &mut Run) -> Next {
        if self.remember_s.is_some() && run.state.lang_known {
            return Next::CarryOn("remembered".into());
        }
        ask::open(run, self)
    }

    fn event(&self, run: &mut Run, ev: &Event) -> Next {
        ask::event(run, self, ev)
    }

    fn replay(&self, run: &mut Run) -> Next {
        ask::replay(run, self)
    }
}

impl Asks for Language {
    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn key(&self, run: &mut Run, _asking: &mut Asking, key: char) -> Taken {
        match self.keys.get(&key) {
            Some(lang) => self.choose(run, lang, key.to_string(), true),
            None => match run.shortcut(key) {
                Some((depth, target)) => match target.section() {
                    Some(section) => Taken::Done(Next::Unwind {
                        outcome: key.to_string().into(),
                        depth,
                        section: section.text.clone(),
                    }),
                    None => Taken::Repeat,
                },
                None => Taken::Wrong,
            },
        }
    }

    fn pause(&self, _run: &mut Run, _asking: &mut Asking) -> Taken {
        Taken::Wrong
    }

    fn silence(&self, run: &mut Run) -> Taken {
        self.choose(run, &self.silence, "silence".into(), false)
    }

    fn gave_up(&self, run: &mut Run, _stage: Stage) -> Next {
        match self.choose(run, &self.silence, "give_up".into(), false) {
            Taken::Done(next) => next,
            _ => Next::CarryOn("give_up".into()),
        }
    }

    /// Everyone hears the question in a language they understand, so all are played.
    fn question(&self, run: &mut Run, _stage: Stage, first: &[Name]) -> Option<Playing> {
        let languages = run.flow().map(|flow| flow.languages.clone()).unwrap_or_default();
        let mut items = Vec::new();
        let mut length = Length::default();
        let own = run.state.lang.clone();
        for prompt in first {
            length.add(run.speak(&prompt.text, &own, &mut items));
        }
        for lang in &languages {
            for prompt in &self.policy.say {
                length.add(run.speak(&prompt.text, lang, &mut items));
            }
        }
        run.play_items(items, length, self.policy.barge_in)
    }
}

impl Step for SetLanguage {
    fn verb(&self) -> &'static str {
        "language"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.push(Fact::Refers(Refers::Language, &self.lang));
        out.push(Exit::below(false));
    }

    fn enter(&self, run: &mut Run) -> Next {
        if run.state.lang != self.lang.text {
            run.clear_typed();
        }
        run.state.lang.clone_from(&self.lang.text);
        run.state.lang_known = true;
        run.trace(TraceEvent::Language { lang: self.lang.text.clone(), remember_s: None });
        Next::CarryOn("ok".into())
    }
}
