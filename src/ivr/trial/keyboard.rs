//! A call whose caller sits at a keyboard: each line that is typed is one thing that the caller does, or that a lookup,
//! queue or telephone without a mock answers.
//!
//! Between two lines the call goes on until something is wanted: a key, an answer from outside, the end of a recording or
//! of a conversation.

use super::call::{Asked, Call, Line, Opening};
use super::choices::KEYS;
use super::lower::{LONGEST_MS, POST_WORDS, QUEUE_WORDS, TRANSFER_WORDS};
use super::mocks::{self, Mocks, Timed};
use super::run::{BETWEEN_KEYS_MS, REACTION_MS};
use super::script::{Mock, QueueOutcome, TestFile};
use super::words;
use crate::ivr::bundle::Bundle;
use crate::ivr::value::duration_ms;
use crate::ivr::wire::{Event, LookupResult, QueueEvent, TraceEvent};
use crate::source::diag::nearest;
use std::collections::BTreeMap;

static NO_MOCK: Mock = Mock {
    lookups: BTreeMap::new(),
    queues: BTreeMap::new(),
    transfers: BTreeMap::new(),
    posts: BTreeMap::new(),
    recordings: Vec::new(),
};

/// What may be typed.
pub const HELP: &str = "\
1, 31, *, #     press keys; the first key cuts a prompt short where the flow lets it
. or nothing    stay silent until the next thing happens
wait 5s         let time pass: 500ms, 5s, 2m
hang            hang up
leaves          whoever talks with you hangs up
found a=1 b=2   a lookup answers with these fields; also: not_found, failed
answered        queue: answered, waits, timeout, full, closed, no_agents, ahead 2
                transfer: answered, busy, no_answer, rejected, unreachable
kept            what is sent or filed: kept, fails
help            this
Time is virtual: nobody waits for real, and it stands still while you type. When the input ends, the caller hangs up.
";

pub struct Keyboard<'b> {
    call: Call<'b>,
    mocks: Mocks<'b>,
    /// The newest question to the outside is for the keyboard.
    open: bool,
}

impl<'b> Keyboard<'b> {
    /// The call up to the first thing that is wanted. `None` when there is no such entry flow.
    pub fn begin(bundle: &'b Bundle, flow: &str, opening: &Opening, mock: Option<&'b TestFile>) -> Option<Self> {
        let mut call = Call::begin(bundle, flow, opening)?;
        call.recordings = mock.map(|file| file.mock.recordings.clone()).unwrap_or_default();
        let mocks = Mocks::of(mock.map_or(&NO_MOCK, |file| &file.mock));
        let mut keyboard = Self { call, mocks, open: false };
        keyboard.go_on();
        Some(keyboard)
    }

    pub fn is_over(&self) -> bool {
        self.call.ended.is_some()
    }

    pub fn hang_up(&mut self) {
        self.call.hang_up();
    }

    /// Does what a line says, or tells why it cannot.
    pub fn line(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
        match (word, rest.trim()) {
            ("" | ".", "") => return self.stay_silent(),
            ("wait", length) => {
                let ms = duration_ms(length).and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms <= LONGEST_MS);
                self.wait(ms.ok_or("write how long, at most 4h: `wait 5s`")?);
                return Ok(());
            }
            ("hang", "") => self.hang_up(),
            ("leaves", "") if self.call.talks() => self.call.answer_now(Event::AgentGone),
            ("leaves", "") => return Err("nobody talks with the caller".into()),
            (keys, "") if keys.chars().all(|key| KEYS.contains(&key)) => self.press(keys),
            (word, rest) => self.answer(word, rest)?,
        }
        self.go_on();
        Ok(())
    }

    /// What happened since this was asked last, a line each. Keys of private and secret entries are not in it.
    pub fn news(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for (at, line) in std::mem::take(&mut self.call.lines) {
            let Some((what, with)) = shown(&line) else { continue };
            told.push(format!("{:>8}  {what:<8} {with}", words::clock(at)));
            if let (Line::Asks(asked), true) = (&line, self.open) {
                told.push(format!("{:>8}  answer:  {}", "", self.answers(asked)));
            }
        }
        told
    }

    fn answers(&self, asked: &Asked) -> String {
        let list = |words: Vec<&str>| words.join(", ");
        match asked {
            Asked::Lookup { name, .. } => {
                let gives = self.call.bundle().lookups.get(name).map(|lookup| &lookup.gives);
                let fields: String = gives.into_iter().flatten().map(|(field, _)| format!(" {field}=...")).collect();
                format!("found{fields}, not_found, failed")
            }
            Asked::Queue { .. } => format!("{}, ahead 2", list(QUEUE_WORDS.map(|word| word.0).to_vec())),
            Asked::Transfer { .. } => list(TRANSFER_WORDS.map(|word| word.0).to_vec()),
            Asked::Post { .. } => list(POST_WORDS.map(|word| word.0).to_vec()),
        }
    }

    /// Whether the one at the keyboard has to say what happens.
    fn is_wanted(&self) -> bool {
        let asked = self.open && self.call.asked.is_some();
        asked || self.is_over() || self.call.talks() || self.call.awaits_key() || self.call.records()
    }

    fn go_on(&mut self) {
        self.take_questions();
        while !self.is_wanted() && self.advance() {}
    }

    fn advance(&mut self) -> bool {
        let went_on = self.call.now < LONGEST_MS && self.call.advance();
        self.take_questions();
        went_on
    }

    /// Sees to the answers of mocks. Whether there is a new question for the keyboard; unless it is a lookup's, it is
    /// answered as usual when the keyboard says nothing.
    fn take_questions(&mut self) -> bool {
        let mut new = false;
        while let Some(asked) = self.call.take_question() {
            let mocked = self.mocks.answer(&asked);
            self.open = mocked.is_none();
            new |= self.open;
            if let Some((after, event)) = mocked.or_else(|| mocks::usual(&asked)) {
                self.call.answer(after, event);
            }
        }
        new
    }

    fn stay_silent(&mut self) -> Result<(), String> {
        while !self.call.lines.iter().any(|(_, line)| shown(line).is_some()) {
            if !self.advance() {
                return Err("nothing more happens by itself: `hang` hangs up, `help` tells the rest".into());
            }
        }
        self.go_on();
        Ok(())
    }

    /// Time passes, up to a new question for the keyboard.
    fn wait(&mut self, ms: u64) {
        let until = self.call.now + ms;
        while self.call.next_due().is_some_and(|(at, _)| at <= until) && self.call.advance() {
            if self.take_questions() {
                return;
            }
        }
        if !self.is_over() {
            self.call.now = until;
        }
    }

    fn press(&mut self, keys: &str) {
        for (index, key) in keys.chars().enumerate() {
            self.wait(if index == 0 { REACTION_MS } else { BETWEEN_KEYS_MS });
            self.call.press(key);
            self.take_questions();
        }
    }

    fn answer(&mut self, word: &str, rest: &str) -> Result<(), String> {
        let Some(asked) = self.call.asked.clone() else {
            return Err("these are no keys, and nothing was asked; `help` tells what can be typed".into());
        };
        let no_answer = || format!("answer: {}", self.answers(&asked));
        let known = |words: &[&str]| rest.is_empty() && words.contains(&word);
        let (after, event): Timed = match &asked {
            Asked::Lookup { id, name, .. } => {
                let result = match word {
                    "found" => LookupResult::Found(self.fields(name, rest)?),
                    _ if known(&["not_found"]) => LookupResult::NotFound,
                    _ if known(&["failed", "fails"]) => LookupResult::Failed,
                    _ => return Err(no_answer()),
                };
                (0, Event::Lookup { id: *id, result })
            }
            Asked::Queue { id, max_wait_ms, .. } => {
                if let ("ahead", Ok(ahead)) = (word, rest.parse()) {
                    let event = QueueEvent::Position { ahead, wait_s: None };
                    self.call.answer_now(Event::Queue { id: *id, event });
                    return Ok(());
                }
                let how = said(&QUEUE_WORDS, word, rest).ok_or_else(no_answer)?;
                let (after, event) = mocks::queue(*id, how, *max_wait_ms);
                if how == QueueOutcome::Waits {
                    self.call.answer(after, event);
                    return Ok(());
                }
                (after, event)
            }
            Asked::Transfer { id, ring_ms, .. } => {
                mocks::transfer(*id, said(&TRANSFER_WORDS, word, rest).ok_or_else(no_answer)?, *ring_ms)
            }
            Asked::Post { id, .. } => mocks::post(*id, said(&POST_WORDS, word, rest).ok_or_else(no_answer)?),
        };
        self.call.answer(after, event);
        while self.call.asked.as_ref().is_some_and(|now| now.id() == asked.id()) && self.advance() {}
        Ok(())
    }

    /// `balance=12.50 paid_at=2026-03-10 10:00`: a value goes on up to the next name.
    fn fields(&self, lookup: &str, text: &str) -> Result<BTreeMap<String, crate::ivr::value::Value>, String> {
        let mut written: Vec<(&str, String)> = Vec::new();
        for part in text.split_whitespace() {
            match (part.split_once('='), written.last_mut()) {
                (Some((field, value)), _) => written.push((field, value.to_string())),
                (None, Some((_, value))) => *value = format!("{value} {part}"),
                (None, None) => return Err("write the fields that are found: `found name=value name=value`".into()),
            }
        }
        let mut found = BTreeMap::new();
        let Some(known) = self.call.bundle().lookups.get(lookup) else { return Ok(found) };
        for (field, value) in written {
            let Some(ty) = known.gives.get(field) else {
                let near = nearest(field, known.gives.keys().map(String::as_str));
                let near = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
                return Err(format!("the lookup gives no `{field}`{near}"));
            };
            let read = ty.read(&value).ok_or_else(|| format!("`{field}` is a {}, not `{value}`", ty.name()))?;
            found.insert(field.to_string(), read);
        }
        Ok(found)
    }
}

fn said<T: Copy>(words: &[(&str, T)], word: &str, rest: &str) -> Option<T> {
    words.iter().find(|(known, _)| *known == word && rest.is_empty()).map(|(_, value)| *value)
}

/// What is told of a line: prompts in full, keys as the call's record has them, of a lookup only the names that are sent,
/// since a value may be a secret.
fn shown(line: &Line) -> Option<(&'static str, String)> {
    match line {
        Line::Hears(heard) => Some(("hears", format!("{} ({}) {}", heard.prompt, heard.lang, heard.text))),
        Line::Presses(_) => None,
        Line::Trace(TraceEvent::Key { key }) => Some(("presses", key.map_or("(kept private)".into(), String::from))),
        Line::Asks(Asked::Lookup { name, args, .. }) => {
            let sent: Vec<&str> = args.iter().map(|(field, _)| field.as_str()).collect();
            Some(("lookup", format!("{name} ({})", sent.join(", "))))
        }
        other => words::line(other),
    }
}
