//! Plays one test: the script's lines in order, then the rest of the call, then what was expected of it.

use super::call::{Asked, Call, Heard, Line, Opening};
use super::judge;
use super::lower::wall_ms;
use super::mocks::{self, Mocks};
use super::script::*;
use crate::ivr::bundle::Bundle;
use crate::ivr::diag::{Diagnostic, Diags};
use crate::ivr::source::{Files, Name, Sources, Span};
use crate::ivr::value::{Type, Value};
use crate::ivr::wire::{Event, QueueEvent, TransferResult};

/// What a caller needs to press a key after the prompt that asks for it, and the time between two keys.
pub(super) const REACTION_MS: u64 = 300;
pub(super) const BETWEEN_KEYS_MS: u64 = 150;
/// A system nearby answers a lookup in this time, an agent or telephone in that.
pub(super) const LOOKUP_MS: u64 = 100;
pub(super) const PICK_UP_MS: u64 = 5_000;
pub(super) const REFUSAL_MS: u64 = 1_000;
/// Numbers under which posted things are kept begin here.
pub(super) const FIRST_REFERENCE: u64 = 100_000;
/// 2026-03-10 10:00, a Tuesday, when a test does not say when it is.
const DEFAULT_AT: i64 = 1_773_136_800;
const DEFAULT_CALLER: &str = "13800138000";
const DEFAULT_CALLED: &str = "95598";

/// Why a test failed, at a place in its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(super) code: &'static str,
    pub(super) span: Span,
    pub message: String,
    pub(super) hint: Option<String>,
    /// The line of the transcript that should have been there, and when.
    pub wanted: Option<(u64, String)>,
}

/// What became of a test.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub faults: Vec<Fault>,
    pub lines: Vec<(u64, Line)>,
    pub end: End,
    pub lasted_ms: u64,
}

impl Verdict {
    pub fn passed(&self) -> bool {
        self.faults.is_empty()
    }

    /// The faults with their places in the files that the tests were read from.
    pub fn explain(&self, sources: &Sources) -> Vec<Diagnostic> {
        let files = Files::new(sources);
        let mut diags = Diags::new(&files);
        for fault in &self.faults {
            match &fault.hint {
                Some(hint) => diags.error_hint(fault.code, fault.span, fault.message.clone(), hint.clone()),
                None => diags.error(fault.code, fault.span, fault.message.clone()),
            }
        }
        diags.into_sorted()
    }
}

/// Plays `test` on `flow`.
pub fn run(bundle: &Bundle, flow: &str, test: &Test) -> Verdict {
    let nothing = |fault| Verdict { faults: vec![fault], lines: Vec::new(), end: End::Hangup, lasted_ms: 0 };
    let lost =
        |message: &str| Fault { code: "T100", span: test.span, message: message.into(), hint: None, wanted: None };
    let Some(opening) = opening(bundle, flow, &test.given) else { return nothing(lost("there is no such moment")) };
    let Some(mut call) = Call::begin(bundle, flow, &opening) else { return nothing(lost("there is no such flow")) };
    call.recordings.clone_from(&test.mock.recordings);
    let mut player = Player { test, call, at: 0, cursor: 0, listening: None, mocks: Mocks::of(&test.mock) };
    let mut faults = match player.script() {
        Ok(()) => Vec::new(),
        Err(fault) => vec![*fault],
    };
    let end = player.end();
    let call = player.call;
    if faults.is_empty() {
        faults = judge::expectations(&test.expect, &call, end);
    }
    Verdict { faults, end, lasted_ms: call.now, lines: call.lines }
}

fn opening(bundle: &Bundle, flow: &str, given: &Given) -> Option<Opening> {
    Some(Opening {
        caller: given.caller.clone().unwrap_or_else(|| DEFAULT_CALLER.into()),
        called: given.called.clone().unwrap_or_else(|| DEFAULT_CALLED.into()),
        wall_ms: wall_ms(bundle.flow(flow)?, given.at.unwrap_or(DEFAULT_AT))?,
        language: given.language.clone().flatten(),
        live: given.live.clone().unwrap_or_default(),
        hours: given.hours.clone(),
    })
}

impl Opening {
    /// An ordinary call of a flow on a working day.
    pub fn ordinary(bundle: &Bundle, flow: &str) -> Option<Self> {
        opening(bundle, flow, &Given::default())
    }

    /// The same at a local time of the flow, such as `2026-03-10 10:00`.
    pub fn at(self, bundle: &Bundle, flow: &str, local: &str) -> Option<Self> {
        let Some(Value::Datetime(at)) = Type::Datetime.read(local) else { return None };
        Some(Self { wall_ms: wall_ms(bundle.flow(flow)?, at)?, ..self })
    }
}

struct Player<'t, 'b> {
    test: &'t Test,
    call: Call<'b>,
    /// Index of the script's present line.
    at: usize,
    /// Lines of the call before this were heard or talked over.
    cursor: usize,
    /// The prompt that the caller listens to.
    listening: Option<usize>,
    mocks: Mocks<'t>,
}

type Done = Result<(), Box<Fault>>;

impl Player<'_, '_> {
    fn script(&mut self) -> Done {
        self.settle()?;
        for (index, (span, each)) in self.test.script.iter().enumerate() {
            self.at = index;
            self.one(*span, each)?;
        }
        self.at = self.test.script.len();
        while !self.call.talks() && self.tick()? {}
        Ok(())
    }

    fn one(&mut self, span: Span, each: &Move) -> Done {
        match each {
            Move::Hears(wanted) => {
                let mut skip = false;
                for each in wanted {
                    match each {
                        Hear::Anything => skip = true,
                        Hear::Prompt { name, says } => {
                            self.hear(name, skip)?;
                            skip = false;
                            self.compare(name, says.as_deref())?;
                        }
                    }
                }
                // `- hears: ...` by itself lets all go by that is said now.
                if skip {
                    self.skip_to_next_named(span)?;
                }
                Ok(())
            }
            Move::Presses { keys, when } => {
                self.come_to(when)?;
                for (index, key) in keys.chars().enumerate() {
                    if index > 0 {
                        self.wait(BETWEEN_KEYS_MS)?;
                    }
                    self.still_there(span, &format!("presses {key}"))?;
                    self.press(key)?;
                }
                Ok(())
            }
            Move::Waits(ms) => {
                self.finish_listening()?;
                self.wait(*ms)
            }
            Move::SilentForever => {
                while !self.call.talks() && self.tick()? {}
                Ok(())
            }
            Move::HangsUp(when) => {
                self.come_to(when)?;
                self.still_there(span, "hangs up")?;
                self.call.hang_up();
                Ok(())
            }
            Move::AgentAnswers => {
                self.until(span, "waits in a queue or for a transfer", |call| call.waits_for_human())?;
                let event = match (self.call.queue_id(), self.call.dial_id()) {
                    (Some(id), _) => Event::Queue { id, event: QueueEvent::Answered },
                    (None, Some(id)) => Event::Transfer { id, result: TransferResult::Answered },
                    (None, None) => return Ok(()),
                };
                self.say(event)
            }
            Move::AgentLeaves => {
                self.until(span, "talks with somebody", |call| call.talks())?;
                self.say(Event::AgentGone)
            }
            Move::QueueSays(event) => {
                self.until(span, "is in a queue", |call| call.queue_id().is_some())?;
                let Some(id) = self.call.queue_id() else { return Ok(()) };
                self.say(Event::Queue { id, event: *event })
            }
            Move::TransferSays(result) => {
                self.until(span, "waits for a transfer", |call| call.dial_id().is_some())?;
                let Some(id) = self.call.dial_id() else { return Ok(()) };
                self.say(Event::Transfer { id, result: *result })
            }
        }
    }

    /// Waits for the next prompt, which must be `wanted`.
    fn hear(&mut self, wanted: &Name, skip: bool) -> Done {
        loop {
            if let Some(heard) = self.next_heard() {
                if heard.prompt == wanted.text {
                    self.listening = Some(self.cursor);
                    self.cursor += 1;
                    return Ok(());
                }
                if skip || heard.filler {
                    self.cursor += 1;
                    continue;
                }
                let message = format!("the caller should hear `{}` and hears `{}`", wanted.text, heard.prompt);
                return Err(self.fault("T101", wanted, message));
            }
            if self.call.ended.is_some() || self.call.talks() || !self.tick()? {
                let now = match self.call.talks() {
                    true => "talks with somebody",
                    false => "hears nothing more",
                };
                let message = format!("the caller should hear `{}` and {now}", wanted.text);
                return Err(self.fault("T101", wanted, message));
            }
        }
    }

    fn compare(&self, name: &Name, says: Option<&str>) -> Done {
        let Some((says, heard)) = says.zip(self.listened_to()) else { return Ok(()) };
        if super::call::spoken(says) == super::call::spoken(&heard.text) {
            return Ok(());
        }
        let message = format!("`{}` says \"{}\"", name.text, heard.text);
        Err(Box::new(Fault {
            code: "T102",
            span: name.span,
            message,
            hint: Some(format!("the test wants \"{says}\"")),
            wanted: Some((heard.from, format!("hears    {} ({}) {says}", name.text, heard.lang))),
        }))
    }

    /// The fault of a prompt that does not come.
    fn fault(&self, code: &'static str, wanted: &Name, message: String) -> Box<Fault> {
        let line = format!("hears    {}", wanted.text);
        let hint = "list every prompt in its order; `...` stands for any";
        let wanted_at = Some((self.call.now, line));
        Box::new(Fault { code, span: wanted.span, message, hint: Some(hint.into()), wanted: wanted_at })
    }

    /// Lets everything go by until the next line's prompt, or until nothing more is said.
    fn skip_to_next_named(&mut self, span: Span) -> Done {
        let next = self.test.script.get(self.at + 1).and_then(|(_, next)| match next {
            Move::Hears(wanted) => wanted.iter().find_map(|each| match each {
                Hear::Prompt { name, .. } => Some(name.clone()),
                Hear::Anything => None,
            }),
            Move::Presses { when: When::While(name) | When::After(name), .. }
            | Move::HangsUp(When::While(name) | When::After(name)) => Some(name.clone()),
            _ => None,
        });
        match next {
            Some(name) => {
                self.hear(&name, true)?;
                // It is heard by the line that names it.
                self.cursor -= 1;
                self.listening = None;
                Ok(())
            }
            None => {
                let asked = |call: &Call| call.awaits_key() || call.talks() || call.waits_for_human();
                self.until(span, "is asked for a key", asked)?;
                self.cursor = self.call.lines.len();
                Ok(())
            }
        }
    }

    fn come_to(&mut self, when: &When) -> Done {
        match when {
            When::Now => {
                self.finish_listening()?;
                self.wait(REACTION_MS)
            }
            When::While(name) => {
                self.hear(name, false)?;
                let middle = self.listened_to().map_or(0, |heard| (heard.until - heard.from) / 2);
                self.listening = None;
                self.wait(middle)
            }
            When::After(name) => {
                self.hear(name, false)?;
                self.finish_listening()
            }
        }
    }

    fn listened_to(&self) -> Option<&Heard> {
        match self.call.lines.get(self.listening?) {
            Some((_, Line::Hears(heard))) => Some(heard),
            _ => None,
        }
    }

    fn finish_listening(&mut self) -> Done {
        while let Some(until) = self.listened_to().map(|heard| heard.until).filter(|until| *until > self.call.now) {
            if !self.tick_before(until)? {
                self.call.now = until;
            }
        }
        self.listening = None;
        Ok(())
    }

    /// The prompt at the cursor, which moves over what is no prompt.
    fn next_heard(&mut self) -> Option<Heard> {
        while let Some((_, line)) = self.call.lines.get(self.cursor) {
            match line {
                Line::Hears(heard) if heard.from > self.call.now => return None,
                Line::Hears(heard) if heard.until > heard.from => return Some(heard.clone()),
                _ => self.cursor += 1,
            }
        }
        None
    }

    fn press(&mut self, key: char) -> Done {
        let before = self.call.lines.len();
        self.call.press(key);
        // What the caller talked over need not be listed.
        while self.cursor < before.min(self.call.lines.len()) {
            match self.call.lines.get(self.cursor) {
                Some((_, Line::Hears(heard))) if heard.until > self.call.now => break,
                _ => self.cursor += 1,
            }
        }
        self.settle()
    }

    fn say(&mut self, event: Event) -> Done {
        self.call.answer_now(event);
        self.settle()
    }

    fn still_there(&self, span: Span, what: &str) -> Done {
        if self.call.ended.is_none() {
            return Ok(());
        }
        let message = format!("the caller {what}, and the call is over since {}", super::words::clock(self.call.now));
        let wanted = Some((self.call.now, format!("caller   {what}")));
        Err(Box::new(Fault { code: "T103", span, message, hint: None, wanted }))
    }

    fn until(&mut self, span: Span, what: &str, reached: impl Fn(&Call) -> bool) -> Done {
        while !reached(&self.call) {
            if self.call.ended.is_some() || !self.tick()? {
                let message = format!("the caller never {what}");
                let wanted = Some((self.call.now, format!("caller   {what}")));
                return Err(Box::new(Fault { code: "T104", span, message, hint: None, wanted }));
            }
        }
        Ok(())
    }

    fn wait(&mut self, ms: u64) -> Done {
        let until = self.call.now + ms;
        while self.tick_before(until)? {}
        if self.call.ended.is_none() {
            self.call.now = until;
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<bool, Box<Fault>> {
        self.tick_before(super::lower::LONGEST_MS)
    }

    /// Lets the next thing happen, if it happens by `until`.
    fn tick_before(&mut self, until: u64) -> Result<bool, Box<Fault>> {
        if self.call.ended.is_some() {
            return Ok(false);
        }
        let now = self.call.now;
        let begins = self.call.lines.get(self.cursor..).unwrap_or_default().iter().find_map(|(_, line)| match line {
            Line::Hears(heard) if heard.from > now => Some(heard.from),
            _ => None,
        });
        let due = self.call.next_due().map(|(at, _)| at);
        match (begins, due) {
            (Some(begins), due) if due.is_none_or(|due| begins < due) => {
                if begins > until {
                    return Ok(false);
                }
                self.call.now = begins;
                Ok(true)
            }
            (_, Some(due)) if due <= until => {
                self.call.advance();
                self.settle()?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Sees to the answer of what the flow has asked for.
    fn settle(&mut self) -> Done {
        while let Some(asked) = self.call.take_question() {
            let said_later = match &asked {
                Asked::Queue { .. } => self.scripted(|each| matches!(each, Move::AgentAnswers | Move::QueueSays(_))),
                Asked::Transfer { .. } => self.scripted(|m| matches!(m, Move::AgentAnswers | Move::TransferSays(_))),
                Asked::Lookup { .. } | Asked::Post { .. } => false,
            };
            let answer = match (self.mocks.answer(&asked), &asked) {
                (Some(mocked), _) => Some(mocked),
                (None, Asked::Lookup { name, .. }) => {
                    let span = self.test.script.get(self.at).map_or(self.test.span, |(span, _)| *span);
                    let message = format!("the lookup `{name}` is asked and no mock answers it");
                    let hint = format!("add `mock: {{{name}: ...}}`: its fields, `not_found` or `fails`");
                    return Err(Box::new(Fault { code: "T105", span, message, hint: Some(hint), wanted: None }));
                }
                (None, Asked::Queue { id, max_wait_ms, .. }) if said_later => {
                    Some(mocks::queue(*id, QueueOutcome::Waits, *max_wait_ms))
                }
                (None, _) if said_later => None,
                (None, _) => mocks::usual(&asked),
            };
            if let Some((after, event)) = answer {
                self.call.answer(after, event);
            }
        }
        Ok(())
    }

    /// Whether the script itself still says what agents and queues do.
    fn scripted(&self, by: impl Fn(&Move) -> bool) -> bool {
        self.test.script.iter().skip(self.at).any(|(_, each)| by(each))
    }

    fn end(&self) -> End {
        use crate::events::Cause;
        let hung_up = self.call.lines.iter().any(|(_, line)| *line == Line::HangsUp);
        match self.call.ended {
            _ if hung_up => End::Caller,
            Some(Cause::Limit) => End::Limit,
            Some(_) => End::Hangup,
            None if self.call.talks() => End::Transfer,
            None => End::Waiting,
        }
    }
}
