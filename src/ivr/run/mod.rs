//! The interpreter: one event in, actions out. No IO, no clock, no randomness; the same events give the same actions.
//!
//! A step is entered, may wait, and ends with an outcome that says where the call goes next. Limits end in a human, not
//! in a dropped call.

pub(super) mod ask;
mod books;
mod moving;
pub(super) mod say;
pub(super) mod state;

pub use moving::move_call;
pub use state::{CallState, MAX_TYPED};

use super::bundle::Bundle;
use super::calendar::Openness;
use super::expr::{Expr, Fault, Reader, eval};
use super::flow::{Flow, Section, Target};
use super::step::Step;
use super::value::Value;
use super::wire::{Action, ActionId, Event, TraceEvent};
use crate::events::Cause;
pub(super) use books::EMERGENCY_PRIORITY;
pub(super) use state::Playing;
use state::{Clock, Counters, Filler, Phase, Running, Wait};
use std::borrow::Cow;

/// Steps without a key or time passing: more is a loop that the checker could not see.
pub const MAX_STEPS_IDLE: u32 = 200;
/// Steps of a whole call.
pub const MAX_STEPS: u32 = 2_000;
/// Time with the machine, queues and talks not counted.
pub const MAX_IVR_MS: u64 = 15 * 60_000;
/// Subflows within subflows.
pub const MAX_DEPTH: usize = 8;
/// Lookups of a whole call; the next ones fail.
pub const MAX_LOOKUPS: u32 = 20;

const LIMIT: &str = "limit";

/// The state of a call that is about to run `flow`, or `None` when the bundle has no such entry flow.
pub fn start(bundle: &Bundle, flow: &str) -> Option<CallState> {
    let index = bundle.flow_index(flow)?;
    let first = bundle.flows.get(index)?;
    let lang = first.languages.first()?.clone();
    Some(CallState::new(bundle.version.clone(), u16::try_from(index).ok()?, lang))
}

/// Takes one event at `at` (ms since the call's start; never earlier than the event before) and appends what is to be
/// done. Events that nothing waits for change nothing.
pub fn step(bundle: &Bundle, state: &mut CallState, at: u64, ev: Event, out: &mut Vec<Action>) {
    Run { bundle, state, out }.handle(at, ev);
}

/// Where a step sends the call.
pub(super) enum Next {
    /// The step goes on waiting.
    Stay,
    /// To the step below.
    CarryOn(Outcome),
    Go(Outcome, String),
    /// To the section `section` of the frame at `depth`, unwinding the subflows above it.
    Unwind {
        outcome: Outcome,
        depth: usize,
        section: String,
    },
    /// To the menu before this one.
    Back,
    /// Into a subflow, with the variables it takes.
    Enter {
        flow: u16,
        vars: state::Vars,
    },
    Return {
        ok: bool,
    },
    Hangup {
        outcome: &'static str,
        cause: Cause,
    },
    /// To the flow's way out, because a limit or fault left no other.
    WayOut(&'static str),
}

pub(super) type Outcome = Cow<'static, str>;

pub(super) struct Run<'b, 's> {
    pub bundle: &'b Bundle,
    pub state: &'s mut CallState,
    pub out: &'s mut Vec<Action>,
}

impl<'b> Run<'b, '_> {
    fn handle(&mut self, at: u64, ev: Event) {
        // A to D are no keys of a caller's telephone; no question has an answer for them.
        if self.state.is_ended() || matches!(ev, Event::Key(key) if !is_key(key)) {
            return;
        }
        let moved = at > self.state.at;
        self.state.at = self.state.at.max(at);
        if moved || matches!(ev, Event::Key(_)) {
            self.state.counters.steps_idle = 0;
        }
        let next = match ev {
            Event::CallerHungUp => return self.drop_call("caller_hung_up"),
            Event::CallEnded => return self.drop_call("call_ended"),
            Event::Started { caller, called, wall_ms, lang } => {
                if self.state.wait != Wait::NotStarted {
                    return;
                }
                self.state.wait = Wait::Nothing;
                self.state.caller = caller;
                self.state.called = called;
                self.state.wall_ms = wall_ms;
                return self.begin(lang);
            }
            Event::Live { on } => {
                self.state.live = on;
                return;
            }
            _ if self.state.wait == Wait::NotStarted => return,
            Event::Timer { id } if self.clock_ran_out(id) => self.limit("time"),
            Event::Key(key) if self.is_surplus(key) => self.after_surplus(),
            ev => match self.current() {
                Some(step) => step.event(self, &ev),
                None => Next::WayOut("lost"),
            },
        };
        self.advance(next);
        self.note_human();
    }

    fn drop_call(&mut self, outcome: &'static str) {
        self.note_drop();
        self.count(true);
        self.release();
        self.end(outcome);
    }

    fn begin(&mut self, remembered: Option<String>) {
        let Some(flow) = self.flow() else { return self.end("lost") };
        if let Some(lang) = remembered.filter(|lang| flow.languages.contains(lang)) {
            self.state.lang = lang;
            self.state.lang_known = true;
        }
        self.trace(TraceEvent::Started { flow: flow.name.clone() });
        self.clock_start();
        let next = self.enter_current();
        self.advance(next);
    }

    fn advance(&mut self, mut next: Next) {
        loop {
            self.note_wish(&next);
            match next {
                Next::Stay => return,
                Next::CarryOn(outcome) => {
                    self.left(outcome);
                    if let Some(frame) = self.state.frames.last_mut() {
                        frame.step += 1;
                    }
                }
                Next::Go(outcome, section) => {
                    self.left(outcome);
                    self.jump(&section);
                }
                Next::Unwind { outcome, depth, section } => {
                    self.left(outcome);
                    self.state.frames.truncate(depth.max(1));
                    self.jump(&section);
                }
                Next::Back => {
                    self.left("back".into());
                    self.go_back();
                }
                Next::Enter { flow, vars } => {
                    if self.state.frames.len() >= MAX_DEPTH {
                        next = self.limit("depth");
                        continue;
                    }
                    self.state.frames.push(state::Frame { flow, section: 0, step: 0, vars });
                }
                Next::Return { ok } => {
                    self.left(if ok { "ok" } else { "failed" }.into());
                    let done = self.state.frames.pop();
                    let (Some(done), Some(caller)) = (done, self.current()) else {
                        // An entry flow returned: there is nobody to return to.
                        return self.hang_up("returned", Cause::Normal);
                    };
                    next = caller.returned(self, ok, &done.vars);
                    continue;
                }
                Next::Hangup { outcome, cause } => {
                    self.left(outcome.into());
                    return self.hang_up(outcome, cause);
                }
                Next::WayOut(why) => {
                    self.left(why.into());
                    // Limits were told where they were hit.
                    if why != LIMIT {
                        self.trace(TraceEvent::Limit { which: why });
                    }
                    if !self.take_way_out() {
                        return self.hang_up(why, Cause::Limit);
                    }
                }
            }
            next = self.enter_current();
        }
    }

    fn enter_current(&mut self) -> Next {
        let counters = &mut self.state.counters;
        counters.steps += 1;
        counters.steps_idle += 1;
        if counters.steps > MAX_STEPS {
            return self.limit("steps");
        }
        if counters.steps_idle > MAX_STEPS_IDLE {
            return self.limit("loop");
        }
        let Some(step) = self.current() else { return Next::WayOut("lost") };
        if let Some((flow, section, index)) = self.place() {
            self.trace(TraceEvent::Step { flow, section, step: index, verb: step.verb() });
        }
        step.enter(self)
    }

    /// The first limit that a call hits leads to the way out with fresh counters; the second ends the call.
    fn limit(&mut self, which: &'static str) -> Next {
        self.release();
        self.trace(TraceEvent::Limit { which });
        let hits = self.state.counters.limits_hit + 1;
        self.state.counters =
            Counters { limits_hit: hits, lookups: self.state.counters.lookups, ..Counters::default() };
        if hits > 1 {
            return Next::Hangup { outcome: LIMIT, cause: Cause::Limit };
        }
        self.clock_stop();
        self.state.clock = Clock::default();
        self.clock_start();
        Next::WayOut(LIMIT)
    }

    /// To the entry flow's `give_up` section, or its section `agent`. False when it has neither.
    fn take_way_out(&mut self) -> bool {
        self.state.frames.truncate(1);
        self.state.typed.clear();
        let Some(flow) = self.flow() else { return false };
        let section = books::way_out(flow).and_then(|name| flow.section_index(name));
        match (section, self.state.frames.last_mut()) {
            (Some(section), Some(frame)) => {
                frame.section = section;
                frame.step = 0;
                true
            }
            _ => false,
        }
    }

    fn jump(&mut self, section: &str) {
        let index = self.flow().and_then(|flow| flow.section_index(section));
        if let Some(frame) = self.state.frames.last_mut() {
            // A name that the checker let through always exists; were it not so, the step count ends the call's wandering.
            frame.section = index.unwrap_or(u16::MAX);
            frame.step = 0;
        }
    }

    /// To the latest menu that still belongs to a running flow; with none, the present menu is heard again.
    fn go_back(&mut self) {
        let here = self.state.frames.last().map(|frame| (frame.flow, frame.section, frame.step));
        while let Some(point) = self.state.back.pop_back() {
            let place = (point.flow, point.section, point.step);
            let frame = point.depth.checked_sub(1).and_then(|index| self.state.frames.get(index));
            if frame.is_some_and(|frame| frame.flow == point.flow) && Some(place) != here {
                self.state.frames.truncate(point.depth);
                if let Some(frame) = self.state.frames.last_mut() {
                    (frame.section, frame.step) = (point.section, point.step);
                }
                return;
            }
        }
    }

    fn hang_up(&mut self, outcome: &'static str, cause: Cause) {
        self.count(false);
        self.release();
        self.end(outcome);
        self.act(Action::Hangup { cause });
    }

    fn end(&mut self, outcome: &'static str) {
        self.clock_stop();
        let flow = self.bundle.flows.get(self.state.frames.first().map_or(0, |f| f.flow) as usize);
        self.trace(TraceEvent::Ended { flow: flow.map(|f| f.name.clone()).unwrap_or_default(), outcome });
        self.state.typed.clear();
        self.state.wait = Wait::Ended;
    }

    /// Takes back all that the present wait has asked for.
    fn release(&mut self) {
        match std::mem::replace(&mut self.state.wait, Wait::Nothing) {
            Wait::NotStarted | Wait::Nothing | Wait::Ended | Wait::Talk { .. } => {}
            Wait::Prompt(playing) => self.stop(&playing),
            Wait::Key(asking) => match asking.phase {
                Phase::Typed => {}
                Phase::Prompt(playing) => self.stop(&playing),
                Phase::Silence(timer) => self.clear(timer),
            },
            Wait::Timer(timer) => self.clear(timer),
            Wait::Posted { guard, .. } => self.clear(guard),
            Wait::Recording { id, timer, .. } => {
                self.clear(timer);
                self.act(Action::RecordStop { id });
            }
            Wait::Lookup(wait) => {
                self.clear(wait.timeout);
                match wait.filler {
                    Filler::None => {}
                    Filler::Timer(timer) => self.clear(timer),
                    Filler::Prompt(playing) => self.stop(&playing),
                }
            }
            Wait::Queue(wait) => {
                wait.playing.iter().for_each(|playing| self.stop(playing));
                self.clear(wait.guard);
                wait.announce.into_iter().chain(wait.offer.timer()).for_each(|timer| self.clear(timer));
                self.act(Action::Music { on: None });
                self.act(Action::Dequeue { id: wait.id });
            }
            Wait::Dial { id, guard } => {
                self.clear(guard);
                self.act(Action::DialCancel { id });
            }
        }
    }

    fn left(&mut self, outcome: Outcome) {
        let verb = self.current().map(|step| step.verb());
        if let (Some(verb), Some((flow, section, step))) = (verb, self.place()) {
            let asked = self.state.books.asked;
            self.trace(TraceEvent::Outcome { flow, section, step, verb, outcome: outcome.into_owned(), asked });
        }
    }

    pub fn flow(&self) -> Option<&'b Flow> {
        self.bundle.flows.get(self.state.frames.last()?.flow as usize)
    }

    fn section(&self) -> Option<&'b Section> {
        self.flow()?.sections.get(self.state.frames.last()?.section as usize)
    }

    fn current(&self) -> Option<&'b dyn Step> {
        self.section()?.steps.get(self.state.frames.last()?.step as usize).map(|step| &*step.verb)
    }

    /// The step below the present one.
    fn follows(&self) -> Option<&'b dyn Step> {
        let below = usize::from(self.state.frames.last()?.step) + 1;
        self.section()?.steps.get(below).map(|step| &*step.verb)
    }

    fn place(&self) -> Option<(String, String, u16)> {
        let step = self.state.frames.last()?.step;
        Some((self.flow()?.name.clone(), self.section()?.name.text.clone(), step))
    }

    pub fn act(&mut self, action: Action) {
        self.out.push(action);
    }

    pub fn fresh_id(&mut self) -> ActionId {
        self.state.last_id += 1;
        self.state.last_id
    }

    pub fn timer(&mut self, after_ms: u64) -> ActionId {
        let id = self.fresh_id();
        self.act(Action::TimerSet { id, due_ms: self.state.at.saturating_add(after_ms) });
        id
    }

    pub fn clear(&mut self, id: ActionId) {
        self.act(Action::TimerClear { id });
    }

    /// Ends a play that may still be heard.
    pub fn stop(&mut self, playing: &Playing) {
        self.clear(playing.guard);
        self.act(Action::StopPlay { id: playing.id });
    }

    /// A key that comes while nothing is asked waits for the next question.
    pub fn type_ahead(&mut self, key: char) {
        if !self.state.typed.push(key) {
            self.drop_keys(1);
        }
    }

    /// Keys that no question will see. They are told masked: they may have been meant for a private one.
    pub fn drop_keys(&mut self, count: usize) {
        (0..count).for_each(|_| self.trace(TraceEvent::Key { key: None }));
    }

    pub fn clear_typed(&mut self) {
        let count = self.state.typed.len();
        self.state.typed.clear();
        self.drop_keys(count);
    }

    /// Whether a calendar is open now. `None` when there is no such calendar.
    pub fn hours(&self, calendar: &str) -> Option<Openness> {
        let held = self.state.held_hours.get(calendar).copied();
        held.or_else(|| Some(self.bundle.calendars.get(calendar)?.at(self.wall_ms())))
    }

    /// The caller's time now, UTC.
    pub fn wall_ms(&self) -> u64 {
        self.state.wall_ms.saturating_add(self.state.at)
    }

    pub fn value(&self, expr: &Expr) -> Result<Value, Fault> {
        eval(expr, self)
    }

    pub fn vars(&mut self) -> Option<&mut state::Vars> {
        self.state.frames.last_mut().map(|frame| &mut frame.vars)
    }

    /// Whether `key` only ends an entry that was already complete, as in `3101234569#`.
    fn is_surplus(&mut self, key: char) -> bool {
        let surplus = self.state.surplus.take();
        surplus.is_some_and(|surplus| surplus.key == key && self.state.at <= surplus.until)
    }

    /// The media side has stopped the prompt at that key; it is heard again.
    fn after_surplus(&mut self) -> Next {
        self.drop_keys(1);
        let heard = match &self.state.wait {
            Wait::Prompt(playing) => Some(playing.clone()),
            Wait::Key(asking) => match &asking.phase {
                Phase::Prompt(playing) => Some(playing.clone()),
                Phase::Typed | Phase::Silence(_) => None,
            },
            _ => None,
        };
        match (heard.filter(|playing| playing.bargeable), self.current()) {
            (Some(playing), Some(step)) => {
                self.stop(&playing);
                step.replay(self)
            }
            _ => Next::Stay,
        }
    }

    /// Where a shortcut leads from here: the running flow's, else those of the flows that called it. Sections of a
    /// calling flow end the subflow.
    pub fn shortcut(&self, key: char) -> Option<(usize, &'b Target)> {
        (1..=self.state.frames.len()).rev().find_map(|depth| {
            let flow = self.bundle.flows.get(self.state.frames.get(depth - 1)?.flow as usize)?;
            flow.shortcuts.get(&key).map(|target| (depth, target))
        })
    }

    /// Stores a value as the flow declares it; false when it does not fit.
    pub fn store(&mut self, name: &str, value: Value) -> bool {
        let Some(decl) = self.flow().and_then(|flow| flow.vars.get(name)) else { return false };
        let Some(value) = decl.ty.adopt(value) else { return false };
        if let Some(vars) = self.vars() {
            vars.set(name, value, decl.secret);
        }
        true
    }

    pub fn clock_start(&mut self) {
        if self.state.clock.running.is_none() {
            let left = MAX_IVR_MS.saturating_sub(self.state.clock.used_ms);
            let timer = self.timer(left);
            self.state.clock.running = Some(Running { since: self.state.at, timer });
        }
    }

    pub fn clock_stop(&mut self) {
        if let Some(Running { since, timer }) = self.state.clock.running.take() {
            self.clear(timer);
            self.state.clock.used_ms += self.state.at.saturating_sub(since);
        }
    }

    fn clock_ran_out(&self, id: ActionId) -> bool {
        self.state.clock.running.is_some_and(|running| running.timer == id)
    }
}

impl Reader for Run<'_, '_> {
    fn read(&self, name: &str) -> Option<Value> {
        let flow = self.flow()?;
        match name {
            "caller.number" => Some(Value::Digits(digits_only(self.state.caller.expose()))),
            "caller.mobile" => Some(Value::Flag(is_mobile_cn(self.state.caller.expose()))),
            "called" => Some(Value::Digits(digits_only(&self.state.called))),
            "lang" => Some(Value::Text(self.state.lang.clone())),
            "now" => {
                let (day, second) = super::calendar::local_day(&flow.zone, self.wall_ms())?;
                Some(Value::Datetime(i64::from(day) * 86_400 + i64::from(second)))
            }
            "queue.ahead" => self.state.queue.ahead.map(|ahead| Value::Int(i64::from(ahead))),
            "queue.wait" => self.state.queue.wait_s.map(|wait| Value::Duration(i64::from(wait) * 1000)),
            _ => match super::flow::switch_of(name) {
                Some(switch) => Some(Value::Flag(self.state.live.contains(switch))),
                None => self.state.frames.last()?.vars.read(name).cloned(),
            },
        }
    }
}

fn is_key(key: char) -> bool {
    key.is_ascii_digit() || matches!(key, '*' | '#')
}

fn digits_only(number: &str) -> String {
    number.chars().filter(|c| c.is_ascii_digit() || matches!(c, '+' | '*' | '#')).take(32).collect()
}

/// An 11-digit number from 13... to 19..., with or without +86.
pub(super) fn is_mobile_cn(number: &str) -> bool {
    let number = number.strip_prefix("+86").unwrap_or(number).as_bytes();
    number.len() == 11
        && number.iter().all(u8::is_ascii_digit)
        && number.first() == Some(&b'1')
        && matches!(number.get(1), Some(b'3'..=b'9'))
}
