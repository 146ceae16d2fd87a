//! `survey`: questions of one key each. A caller who answers none of them goes on all the same.

use super::{Answer, Exit, Fact, Lower, Question as Asked, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::diag::shown;
use crate::ivr::lower::{Fields, name, telephone_key};
use crate::ivr::run::ask::{self, Asks, Policy, Taken};
use crate::ivr::run::state::{Asking, Stage};
use crate::ivr::run::{Next, Playing, Run};
use crate::ivr::settings::{Group, Shape, required};
use crate::ivr::source::Name;
use crate::ivr::wire::{Event, TraceEvent};
use crate::ivr::yaml::{Kind, Node};

/// Nobody answers more at the end of a call.
const MAX_QUESTIONS: usize = 5;

#[derive(Debug)]
struct Survey {
    form: Name,
    questions: Vec<Question>,
    policy: Policy,
}

#[derive(Debug)]
struct Question {
    say: Vec<Name>,
    keys: Vec<char>,
}

pub(super) const VERB: Verb = Verb {
    name: "survey",
    help: "Asks questions of one key each. A caller who answers none goes on all the same.",
    shape: Shape::Group(&SETTINGS),
    outcomes: &["carries on"],
    example: "- survey: {form: csat, questions: [{say: rate_us, keys: 1-5}]}",
    lower,
};

const SETTINGS: Group = Group {
    what: "`survey`",
    settings: &[
        required("form", Shape::Name, "what the answers are filed under"),
        required("questions", Shape::List(&Shape::Group(&QUESTION)), "one to five questions"),
        ask::TRIES,
        ask::WAIT,
        ask::BETWEEN_DIGITS,
        ask::SILENCE,
        ask::WRONG_KEY,
        ask::BARGE_IN,
        ask::FRESH_INPUT,
    ],
};

const QUESTION: Group = Group {
    what: "a question",
    settings: &[
        required("say", Shape::Prompts, "the question"),
        required(
            "keys",
            Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
            "the keys that answer it: `1-5`, or a list",
        ),
    ],
};

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &SETTINGS, lower.diags)?;
    let form = fields.need("form", lower.diags).and_then(|node| name(node, "a survey", lower.diags));
    let policy = lower.policy(&mut fields, Vec::new());
    let questions = fields.need("questions", lower.diags);
    fields.finish(lower.diags);
    let questions = questions?;
    let Kind::List(items) = &questions.kind else {
        let hint = "write `questions: [{say: rate_us, keys: 1-5}]`";
        lower.diags.error_hint("E112", questions.span, "questions are a list", hint);
        return None;
    };
    if items.is_empty() || items.len() > MAX_QUESTIONS {
        let message = format!("a survey has 1 to {MAX_QUESTIONS} questions");
        lower.diags.error("E112", questions.span, message);
        return None;
    }
    let questions = items.iter().map(|item| question(item, lower)).collect::<Option<Vec<_>>>()?;
    Some(Box::new(Survey { form: form?, questions, policy }))
}

fn question(node: &Node, lower: &mut Lower) -> Option<Question> {
    let mut fields = Fields::of(node, &QUESTION, lower.diags)?;
    let say = fields.need("say", lower.diags).map(|node| lower.prompts(node));
    let keys = fields.need("keys", lower.diags).and_then(|node| keys(node, lower));
    fields.finish(lower.diags);
    Some(Question { say: say?, keys: keys? })
}

/// `1-5`, or a list of keys.
fn keys(node: &Node, lower: &mut Lower) -> Option<Vec<char>> {
    if let Kind::List(items) = &node.kind {
        return items.iter().map(|item| telephone_key(item, lower.diags)).collect();
    }
    let text = node.scalar().unwrap_or_default();
    match text.chars().collect::<Vec<_>>()[..] {
        [first, '-', last] if first.is_ascii_digit() && last.is_ascii_digit() && first < last => {
            Some((first..=last).collect())
        }
        _ => {
            let message = format!("`{}` is no range of keys", shown(text));
            lower.diags.error_hint("E112", node.span, message, "write `1-5`, or `[1, 2]`");
            None
        }
    }
}

impl Survey {
    fn asked(&self, stage: Stage) -> (usize, Option<&Question>) {
        let nth = match stage {
            Stage::Question(nth) => usize::from(nth),
            Stage::Entry | Stage::Confirm => 0,
        };
        (nth, self.questions.get(nth))
    }

    /// Notes what came of a question. True when another follows.
    fn note(&self, run: &mut Run, stage: Stage, answer: Option<char>) -> Option<Stage> {
        let (nth, question) = self.asked(stage);
        let asked = question.and_then(|question| question.say.first()).map(|name| name.text.clone());
        run.trace(TraceEvent::Answered { form: self.form.text.clone(), question: asked.unwrap_or_default(), answer });
        let next = u8::try_from(nth + 1).ok()?;
        (nth + 1 < self.questions.len()).then_some(Stage::Question(next))
    }
}

impl Step for Survey {
    fn verb(&self) -> &'static str {
        "survey"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.extend(self.questions.iter().flat_map(|question| &question.say).map(Fact::Plays));
        out.extend(self.policy.prompts().map(Fact::Plays));
        out.extend(self.questions.iter().map(|question| {
            Fact::Asks(Asked {
                what: Answer::Choice,
                say: &question.say,
                keys: question.keys.iter().map(char::to_string).collect(),
                least: 0,
                barge_in: self.policy.barge_in,
                no_agent: true,
            })
        }));
        out.push(Exit::below(true));
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

impl Asks for Survey {
    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn key(&self, run: &mut Run, asking: &mut Asking, key: char) -> Taken {
        if !self.asked(asking.stage).1.is_some_and(|question| question.keys.contains(&key)) {
            return Taken::Wrong;
        }
        match self.note(run, asking.stage, Some(key)) {
            Some(next) => Taken::Next(next),
            None => Taken::Done(Next::CarryOn("answered".into())),
        }
    }

    fn pause(&self, _run: &mut Run, _asking: &mut Asking) -> Taken {
        Taken::Wrong
    }

    /// Who does not answer one is not asked the next.
    fn gave_up(&self, run: &mut Run, stage: Stage) -> Next {
        self.note(run, stage, None);
        Next::CarryOn("skipped".into())
    }

    fn question(&self, run: &mut Run, stage: Stage, first: &[Name]) -> Option<Playing> {
        let say = self.asked(stage).1.map(|question| question.say.as_slice()).unwrap_or_default();
        let prompts = [first, say].concat();
        run.play(&prompts, self.policy.barge_in)
    }
}
