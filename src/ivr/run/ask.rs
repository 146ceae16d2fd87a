//! One visit of a step that asks for keys: prompt, silence, digits, failures, repeats. Menu, collect and language differ
//! only in what a key means.
//!
//! One counter of failures for silence and wrong keys. Silence is measured from the prompt's end, the pause between
//! digits from the key before.

use super::super::settings::{Setting, Shape, optional, required};
use super::super::source::Name;
use super::super::wire::{Event, TraceEvent};
use super::state::{Asking, Phase, Stage, Surplus, Wait};
use super::{Next, Run};

/// Repeats of one visit that cost no try.
const MAX_REPEATS: u8 = 5;

pub(in crate::ivr) const SAY: Setting = required("say", Shape::Prompts, "the question");
pub(in crate::ivr) const TRIES: Setting =
    optional("tries", Shape::Number(1, 9), "how often silence and wrong keys are allowed together");
pub(in crate::ivr) const WAIT: Setting =
    optional("wait", Shape::Time("the wait for a key", 100, 120_000), "how long to wait for a key after the question");
pub(in crate::ivr) const BETWEEN_DIGITS: Setting = optional(
    "between_digits",
    Shape::Time("the wait between digits", 100, 120_000),
    "how long to wait between two digits",
);
pub(in crate::ivr) const SILENCE: Setting =
    optional("silence", Shape::Prompts, "what to say when nothing is pressed; of a list the next one each time");
pub(in crate::ivr) const WRONG_KEY: Setting =
    optional("wrong_key", Shape::Prompts, "what to say after a wrong key; of a list the next one each time");
pub(in crate::ivr) const BARGE_IN: Setting =
    optional("barge_in", Shape::Flag, "`false`: keys do not end the prompt and are dropped");
pub(in crate::ivr) const FRESH_INPUT: Setting =
    optional("fresh_input", Shape::Flag, "`true`: keys pressed before the question do not count");
pub(in crate::ivr) const GIVE_UP: Setting =
    optional("give_up", Shape::Section, "where to go when the tries run out; `defaults` may say it for all");

/// How a step asks; from its settings and the flow's defaults.
#[derive(Debug)]
pub(in crate::ivr) struct Policy {
    pub say: Vec<Name>,
    pub wait_ms: u64,
    pub between_ms: u64,
    pub tries: u8,
    /// The n-th failure plays the n-th of these (the last again and again), then the question.
    pub silence: Vec<Name>,
    pub wrong_key: Vec<Name>,
    pub barge_in: bool,
    /// Keys typed ahead do not count as an answer.
    pub fresh: bool,
}

impl Policy {
    pub fn prompts(&self) -> impl Iterator<Item = &Name> {
        self.say.iter().chain(&self.silence).chain(&self.wrong_key)
    }
}

/// What a step makes of a key or a pause.
pub(in crate::ivr) enum Taken {
    /// More keys may follow within this time.
    More {
        within_ms: u64,
    },
    Done(Next),
    Wrong,
    Silent,
    /// Play the question again at no cost.
    Repeat,
    /// The caller starts the entry over.
    Cleared,
    /// The entry is stored; read it back and ask whether it is right.
    Confirm,
    /// It was not right.
    Redo,
    /// Answered; the next question follows.
    Next(Stage),
}

pub(in crate::ivr) trait Asks {
    fn policy(&self) -> &Policy;
    fn key(&self, run: &mut Run, asking: &mut Asking, key: char) -> Taken;
    /// Nothing followed the keys entered so far.
    fn pause(&self, run: &mut Run, asking: &mut Asking) -> Taken;
    fn silence(&self, _run: &mut Run) -> Taken {
        Taken::Silent
    }
    fn gave_up(&self, run: &mut Run, stage: Stage) -> Next;
    /// Whether the keys of this stage may be shown in the call's record.
    fn shows_keys(&self, _run: &Run, _stage: Stage) -> bool {
        true
    }
    /// Plays the question of a stage.
    fn question(&self, run: &mut Run, stage: Stage, first: &[Name]) -> Option<super::Playing>;
}

pub(in crate::ivr) fn open(run: &mut Run, asks: &dyn Asks) -> Next {
    if asks.policy().fresh || !asks.policy().barge_in {
        run.clear_typed();
    }
    let mut asking = Asking::default();
    match run.state.typed.pop() {
        Some(key) => {
            run.state.books.asked.typed_ahead = true;
            let taken = press(run, asks, &mut asking, key);
            settle(run, asks, asking, taken)
        }
        None => ask(run, asks, asking, &[]),
    }
}

/// Plays the present question again.
pub(in crate::ivr) fn replay(run: &mut Run, asks: &dyn Asks) -> Next {
    match std::mem::replace(&mut run.state.wait, Wait::Nothing) {
        Wait::Key(asking) => ask(run, asks, asking, &[]),
        other => {
            run.state.wait = other;
            Next::Stay
        }
    }
}

pub(in crate::ivr) fn event(run: &mut Run, asks: &dyn Asks, ev: &Event) -> Next {
    let mut asking = match std::mem::replace(&mut run.state.wait, Wait::Nothing) {
        Wait::Key(asking) => asking,
        other => {
            run.state.wait = other;
            return Next::Stay;
        }
    };
    let phase = std::mem::take(&mut asking.phase);
    let taken = match (ev, phase) {
        (Event::Key(_), Phase::Prompt(playing)) if !playing.bargeable => {
            run.drop_keys(1);
            asking.phase = Phase::Prompt(playing);
            run.state.wait = Wait::Key(asking);
            return Next::Stay;
        }
        (Event::Key(key), Phase::Prompt(playing)) => {
            // Keys that do not come as audio, and those just before the play begins, have not ended it by themselves.
            run.stop(&playing);
            run.state.books.asked.barged = true;
            press(run, asks, &mut asking, *key)
        }
        (Event::Key(key), Phase::Silence(timer)) => {
            run.clear(timer);
            press(run, asks, &mut asking, *key)
        }
        (Event::PlayDone { id, .. }, Phase::Prompt(playing)) if *id == playing.id => {
            run.clear(playing.guard);
            return await_key(run, asking, asks.policy().wait_ms);
        }
        (Event::Timer { id }, Phase::Prompt(playing)) if *id == playing.guard => {
            run.stop(&playing);
            return await_key(run, asking, asks.policy().wait_ms);
        }
        (Event::Timer { id }, Phase::Silence(timer)) if *id == timer => {
            if asking.entered.is_empty() {
                asks.silence(run)
            } else {
                asks.pause(run, &mut asking)
            }
        }
        (_, phase) => {
            asking.phase = phase;
            run.state.wait = Wait::Key(asking);
            return Next::Stay;
        }
    };
    settle(run, asks, asking, taken)
}

/// Acts on what a key or pause meant, using up the keys typed ahead.
fn settle(run: &mut Run, asks: &dyn Asks, mut asking: Asking, mut taken: Taken) -> Next {
    let policy = asks.policy();
    loop {
        let asked = &mut run.state.books.asked;
        let failure = match taken {
            Taken::Done(next) => return next,
            Taken::More { within_ms } => match run.state.typed.pop() {
                Some(key) => {
                    taken = press(run, asks, &mut asking, key);
                    continue;
                }
                None => return await_key(run, asking, within_ms),
            },
            Taken::Cleared => {
                asking.entered.clear();
                match run.state.typed.pop() {
                    Some(key) => {
                        taken = press(run, asks, &mut asking, key);
                        continue;
                    }
                    None => return await_key(run, asking, policy.wait_ms),
                }
            }
            Taken::Confirm => {
                asking.stage = Stage::Confirm;
                asking.entered.clear();
                // What was typed ahead cannot answer a question that the caller has not heard.
                run.clear_typed();
                return ask(run, asks, asking, &[]);
            }
            Taken::Next(stage) => {
                // What was typed ahead cannot answer a question that the caller has not heard.
                run.clear_typed();
                return ask(run, asks, Asking { stage, ..Asking::default() }, &[]);
            }
            Taken::Repeat if asking.repeats < MAX_REPEATS => {
                asking.repeats += 1;
                run.state.books.asked.repeats = asking.repeats;
                asking.entered.clear();
                run.clear_typed();
                return ask(run, asks, asking, &[]);
            }
            Taken::Silent => {
                asked.silent = asked.silent.saturating_add(1);
                &policy.silence
            }
            Taken::Wrong | Taken::Repeat => {
                asked.wrong = asked.wrong.saturating_add(1);
                &policy.wrong_key
            }
            Taken::Redo => {
                asking.stage = Stage::Entry;
                &Vec::new()
            }
        };
        run.clear_typed();
        asking.entered.clear();
        asking.failures += 1;
        if asking.failures >= policy.tries {
            return asks.gave_up(run, asking.stage);
        }
        let nth = usize::from(asking.failures) - 1;
        let said = failure.get(nth).or(failure.last());
        return ask(run, asks, asking, said.map_or(&[], std::slice::from_ref));
    }
}

fn press(run: &mut Run, asks: &dyn Asks, asking: &mut Asking, key: char) -> Taken {
    let key_shown = asks.shows_keys(run, asking.stage).then_some(key);
    run.trace(TraceEvent::Key { key: key_shown });
    asks.key(run, asking, key)
}

/// Plays `first` and the question, or waits at once when there is nothing to play.
fn ask(run: &mut Run, asks: &dyn Asks, mut asking: Asking, first: &[Name]) -> Next {
    match asks.question(run, asking.stage, first) {
        Some(playing) => {
            asking.phase = Phase::Prompt(playing);
            run.state.wait = Wait::Key(asking);
            Next::Stay
        }
        None => await_key(run, asking, asks.policy().wait_ms),
    }
}

fn await_key(run: &mut Run, mut asking: Asking, within_ms: u64) -> Next {
    asking.phase = Phase::Silence(run.timer(within_ms));
    run.state.wait = Wait::Key(asking);
    Next::Stay
}

impl Run<'_, '_> {
    /// Expects that the caller may still press `key` out of habit, for `within_ms`.
    pub fn expect_surplus(&mut self, key: char, within_ms: u64) {
        if self.state.typed.first() == Some(key) {
            self.state.typed.pop();
            return self.drop_keys(1);
        }
        self.state.surplus = Some(Surplus { key, until: self.state.at.saturating_add(within_ms) });
    }
}
