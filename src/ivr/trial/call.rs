//! One call in virtual time: the interpreter, a telephone that hears and presses, and a world that owes answers.
//!
//! Prompts last as long as their recordings, or as long as speaking their text takes. Nothing here decides what lookups,
//! queues and telephones answer; whoever drives the call looks at [`Call::asked`] and says so.

use super::words;
use crate::events::Cause;
use crate::ids::Redacted;
use crate::ivr::bundle::Bundle;
use crate::ivr::calendar::Openness;
use crate::ivr::run::say::{atom_ms, piece_ms};
use crate::ivr::run::state::{Offered, Wait};
use crate::ivr::run::{CallState, start, step};
use crate::ivr::step::Step;
use crate::ivr::value::Value;
use crate::ivr::wire::{Action, ActionId, Event, Kept, Post, QueueEvent, Speech, Target, TraceEvent};
use std::collections::{BTreeMap, BTreeSet};

/// How a call begins.
#[derive(Clone, Debug)]
pub struct Opening {
    pub caller: String,
    pub called: String,
    /// UTC since 1970.
    pub wall_ms: u64,
    /// The language remembered for this caller.
    pub language: Option<String>,
    /// The switches that are on.
    pub live: BTreeSet<String>,
    pub(super) hours: BTreeMap<String, Openness>,
}

/// A prompt that the caller heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    pub prompt: String,
    /// `zh`, or `zh+en` where one prompt is said in several languages.
    pub lang: String,
    pub text: String,
    pub from: u64,
    /// When it ends, or was cut off.
    pub until: u64,
    /// Said to bridge a wait (for a lookup, in a queue), so that a script need not name it.
    pub filler: bool,
}

/// What the outside owes an answer to.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// `secrets` are the arguments whose values no transcript shows.
    Lookup {
        id: ActionId,
        name: String,
        args: Vec<(String, Value)>,
        secrets: BTreeSet<String>,
    },
    Queue {
        id: ActionId,
        name: String,
        max_wait_ms: u64,
        priority: u8,
    },
    Transfer {
        id: ActionId,
        target: Target,
        ring_ms: u64,
        carry: Vec<(String, Redacted<String>)>,
    },
    Post {
        id: ActionId,
        what: Post,
        fields: Vec<(String, Value)>,
    },
}

impl Asked {
    pub fn id(&self) -> ActionId {
        match self {
            Asked::Lookup { id, .. }
            | Asked::Queue { id, .. }
            | Asked::Transfer { id, .. }
            | Asked::Post { id, .. } => *id,
        }
    }
}

/// What an answer is about.
fn about(event: &Event) -> Option<ActionId> {
    match event {
        Event::Lookup { id, .. }
        | Event::Queue { id, .. }
        | Event::Transfer { id, .. }
        | Event::Posted { id, .. }
        | Event::Recorded { id, .. } => Some(*id),
        _ => None,
    }
}

/// One thing that happened, for the transcript.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    Hears(Heard),
    Presses(char),
    Asks(Asked),
    /// What the outside answered, in words.
    Answer(String),
    Trace(TraceEvent),
    HangsUp,
    Ended(Cause),
}

/// What happens next if nobody does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Answer,
    RecordingEnds(ActionId),
    PlayEnds,
    Timer(ActionId),
}

#[derive(Clone, Debug)]
struct Play {
    id: ActionId,
    from: u64,
    length: u64,
    bargeable: bool,
}

#[derive(Clone, Debug)]
pub struct Call<'b> {
    bundle: &'b Bundle,
    pub(super) state: CallState,
    pub now: u64,
    timers: BTreeMap<ActionId, u64>,
    playing: Option<Play>,
    /// The newest question to the outside that is still open.
    pub asked: Option<Asked>,
    is_new: bool,
    answers: Vec<(u64, Event)>,
    /// A recording of the caller: since when, and when it ends at the latest.
    recording: Option<(ActionId, u64, u64)>,
    /// How many were begun, and whether each works; the last says it for all after it.
    recorded: usize,
    pub recordings: Vec<bool>,
    /// Everything that happened, oldest first.
    pub lines: Vec<(u64, Line)>,
    pub ended: Option<Cause>,
}

impl<'b> Call<'b> {
    /// The call is answered at 0 ms. `None` when there is no such entry flow.
    pub fn begin(bundle: &'b Bundle, flow: &str, opening: &Opening) -> Option<Self> {
        let mut state = start(bundle, flow)?;
        state.held_hours.clone_from(&opening.hours);
        let mut call = Self {
            bundle,
            state,
            now: 0,
            timers: BTreeMap::new(),
            playing: None,
            asked: None,
            is_new: false,
            answers: Vec::new(),
            recording: None,
            recorded: 0,
            recordings: Vec::new(),
            lines: Vec::new(),
            ended: None,
        };
        if !opening.live.is_empty() {
            call.tell(Event::Live { on: opening.live.clone() });
        }
        call.tell(Event::Started {
            caller: Redacted::new(opening.caller.clone()),
            called: opening.called.clone(),
            wall_ms: opening.wall_ms,
            lang: opening.language.clone(),
        });
        Some(call)
    }

    /// The caller has a human on the line.
    pub fn talks(&self) -> bool {
        matches!(self.state.wait, Wait::Talk { .. })
    }

    /// The place in a queue, waiting or talking with its agent.
    pub(super) fn queue_id(&self) -> Option<ActionId> {
        match &self.state.wait {
            Wait::Queue(wait) => Some(wait.id),
            Wait::Talk { queue } => *queue,
            _ => None,
        }
    }

    pub(super) fn dial_id(&self) -> Option<ActionId> {
        match &self.state.wait {
            Wait::Dial { id, .. } => Some(*id),
            _ => None,
        }
    }

    pub fn waits_for_human(&self) -> bool {
        matches!(self.state.wait, Wait::Queue(_) | Wait::Dial { .. })
    }

    /// How far the queue's offer of a call back is.
    pub(super) fn offered(&self) -> Offered {
        match &self.state.wait {
            Wait::Queue(wait) => wait.offer,
            _ => Offered::Not,
        }
    }

    /// A question is asked or about to be.
    pub fn awaits_key(&self) -> bool {
        matches!(self.state.wait, Wait::Key(_))
    }

    pub fn language(&self) -> &str {
        self.state.language()
    }

    /// Hands one event over and carries out what is asked for.
    pub fn tell(&mut self, event: Event) {
        let mut out = Vec::new();
        step(self.bundle, &mut self.state, self.now, event, &mut out);
        for action in out {
            self.act(action);
        }
        // The flow may have gone on without an answer.
        let waited_for = match (&self.asked, &self.state.wait) {
            (Some(Asked::Lookup { id, .. }), Wait::Lookup(wait)) => *id == wait.id && wait.reply.is_none(),
            (Some(Asked::Queue { .. }), Wait::Queue(_) | Wait::Talk { .. }) => true,
            (Some(Asked::Transfer { .. }), Wait::Dial { .. }) => true,
            (Some(Asked::Post { .. }), wait) => *wait != Wait::Ended,
            _ => false,
        };
        if !waited_for {
            self.asked = None;
        }
    }

    /// A question to the outside that was not taken yet.
    pub fn take_question(&mut self) -> Option<Asked> {
        if std::mem::take(&mut self.is_new) { self.asked.clone() } else { None }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Play { id, items, bargeable } => {
                let filler = matches!(self.state.wait, Wait::Lookup(_) | Wait::Queue(_));
                if self.playing.take().is_some() {
                    self.cut();
                }
                let length = self.play(&items, filler);
                self.playing = Some(Play { id, from: self.now, length, bargeable });
            }
            Action::StopPlay { id } => {
                if self.playing.take_if(|playing| playing.id == id).is_some() {
                    self.cut();
                }
            }
            Action::Music { .. } => {}
            Action::TimerSet { id, due_ms } => {
                self.timers.insert(id, due_ms);
            }
            Action::TimerClear { id } => {
                self.timers.remove(&id);
            }
            Action::Fetch { id, lookup, args, .. } => {
                let secrets = self.bundle.lookups.get(&lookup).map(|known| known.secrets.clone()).unwrap_or_default();
                self.ask(Asked::Lookup { id, name: lookup, args, secrets });
            }
            Action::Enqueue { id, queue, max_wait_ms, priority, .. } => {
                self.ask(Asked::Queue { id, name: queue, max_wait_ms, priority });
            }
            Action::Dial { id, target, ring_ms, carry } => self.ask(Asked::Transfer { id, target, ring_ms, carry }),
            Action::Record { id, max_ms, .. } => {
                let works = self.recordings.get(self.recorded).or(self.recordings.last()).copied().unwrap_or(true);
                self.recorded += 1;
                match works {
                    true => self.recording = Some((id, self.now, self.now + max_ms)),
                    false => self.answer(0, Event::Recorded { id, kept: None }),
                }
            }
            Action::RecordStop { id } => self.end_recording(id),
            Action::Post { id, what, fields } => self.ask(Asked::Post { id, what, fields }),
            Action::Dequeue { id } | Action::DialCancel { id } => {
                self.asked = None;
                self.answers.retain(|(_, event)| about(event) != Some(id));
            }
            Action::Trace(event) => self.note(Line::Trace(event)),
            Action::Hangup { cause } => {
                self.ended = Some(cause);
                self.note(Line::Ended(cause));
            }
        }
    }

    fn ask(&mut self, asked: Asked) {
        self.note(Line::Asks(asked.clone()));
        self.asked = Some(asked);
        self.is_new = true;
    }

    fn note(&mut self, line: Line) {
        self.lines.push((self.now, line));
    }

    /// Presses one key. A bargeable prompt stops at once, as the media side stops it.
    pub fn press(&mut self, key: char) {
        if self.ended.is_some() {
            return;
        }
        let stopped = self.playing.take_if(|playing| playing.bargeable);
        if stopped.is_some() {
            self.cut();
        }
        self.note(Line::Presses(key));
        self.tell(Event::Key(key));
        if let Some(play) = stopped {
            let heard_ms = u32::try_from(self.now - play.from).unwrap_or(u32::MAX);
            self.tell(Event::PlayDone { id: play.id, heard_ms });
        }
    }

    pub fn hang_up(&mut self) {
        if self.ended.is_none() {
            self.playing = None;
            self.cut();
            self.note(Line::HangsUp);
            self.tell(Event::CallerHungUp);
            self.ended = Some(Cause::Normal);
        }
    }

    /// The outside answers after `after_ms`, and not what it was going to answer.
    pub fn answer(&mut self, after_ms: u64, event: Event) {
        let about = about(&event);
        self.answers.retain(|(_, other)| self::about(other) != about);
        self.answers.push((self.now + after_ms, event));
    }

    /// What is due next and when.
    pub fn next_due(&self) -> Option<(u64, Due)> {
        if self.ended.is_some() {
            return None;
        }
        let answer = self.answers.iter().map(|(at, _)| (*at, 0, Due::Answer)).min_by_key(|due| due.0);
        let play = self.playing.as_ref().map(|play| (play.from + play.length, 1, Due::PlayEnds));
        let recording = self.recording.map(|(id, _, at)| (at, 1, Due::RecordingEnds(id)));
        let timer = self.timers.iter().map(|(id, at)| (*at, 2, Due::Timer(*id))).min_by_key(|due| due.0);
        let first = [answer, recording, play, timer].into_iter().flatten().min_by_key(|due| (due.0, due.1))?;
        Some((first.0.max(self.now), first.2))
    }

    /// Lets the next due thing happen. False when nothing is due any more.
    pub fn advance(&mut self) -> bool {
        let Some((at, due)) = self.next_due() else { return false };
        self.now = at;
        match due {
            Due::Answer => {
                let first = self.answers.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(index, _)| index);
                if let Some(index) = first {
                    let (_, event) = self.answers.remove(index);
                    self.answer_now(event);
                }
            }
            Due::RecordingEnds(id) => self.end_recording(id),
            Due::PlayEnds => {
                if let Some(play) = self.playing.take() {
                    let heard_ms = u32::try_from(play.length).unwrap_or(u32::MAX);
                    self.tell(Event::PlayDone { id: play.id, heard_ms });
                }
            }
            Due::Timer(id) => {
                self.timers.remove(&id);
                self.tell(Event::Timer { id });
            }
        }
        true
    }

    /// The outside answers at this moment.
    pub fn answer_now(&mut self, event: Event) {
        let about = about(&event);
        // A place in a queue is kept until the wait ends or an agent answers; all else is answered once.
        let kept = matches!(event, Event::Queue { event: QueueEvent::Position { .. } | QueueEvent::Back, .. });
        if !kept {
            self.answers.retain(|(_, other)| self::about(other) != about);
        }
        let late = matches!(event, Event::Lookup { .. }) && self.asked.as_ref().map(Asked::id) != about;
        if !late {
            self.note(Line::Answer(words::answer(&event)));
        }
        if !kept && self.asked.as_ref().map(Asked::id) == about {
            self.asked = None;
        }
        self.tell(event);
    }

    fn end_recording(&mut self, id: ActionId) {
        if let Some((_, since, _)) = self.recording.take_if(|recording| recording.0 == id) {
            let length_ms = u32::try_from(self.now - since).unwrap_or(u32::MAX);
            let kept = Some(Kept { file: format!("message-{id}.wav"), length_ms });
            self.note(Line::Answer(format!("recorded {}", words::length(u64::from(length_ms)))));
            self.tell(Event::Recorded { id, kept });
        }
    }

    /// Nothing can be recorded.
    pub fn fail_recording(&mut self) {
        if let Some((id, ..)) = self.recording.take() {
            self.answer_now(Event::Recorded { id, kept: None });
        }
    }

    /// How many recordings were begun.
    pub fn recorded(&self) -> usize {
        self.recorded
    }

    /// What was said up to now ends now; what was yet to come is never heard.
    fn cut(&mut self) {
        let now = self.now;
        self.lines.retain(|(_, line)| !matches!(line, Line::Hears(heard) if heard.from > now));
        let last = self.lines.iter_mut().rev().find_map(|(_, line)| match line {
            Line::Hears(heard) => Some(heard),
            _ => None,
        });
        if let Some(heard) = last.filter(|heard| heard.until > now) {
            heard.until = now;
        }
    }

    /// Notes the prompts of a play and returns its length.
    fn play(&mut self, items: &[Speech], filler: bool) -> u64 {
        let mut said: Vec<Heard> = Vec::new();
        let mut at = self.now;
        for item in items {
            let (lang, id, ms) = match item {
                Speech::Silence(ms) => {
                    at += u64::from(*ms);
                    continue;
                }
                Speech::Atom { lang, id } => (lang, *id, atom_ms(self.bundle, lang, id)),
                Speech::Prompt { lang, id } => (lang, id.as_str(), 0),
            };
            // Only the number of a piece follows a `-`.
            let prompt = id.split_once('-').map_or(id, |(prompt, _)| prompt);
            let piece = self.bundle.prompts.get(prompt).and_then(|known| known.texts.get(lang)?.piece(id));
            let (words, characters) = piece.unwrap_or((id, 0));
            let is_atom = matches!(item, Speech::Atom { .. });
            let ms = if is_atom { ms } else { piece_ms(self.bundle, lang, id, characters) };
            let text = words.to_string();
            match said.last_mut() {
                Some(last) if is_atom || last.prompt == prompt => {
                    // Chinese is written without spaces, other languages with them.
                    if last.lang != "zh" {
                        last.text.push(' ');
                    }
                    last.text.push_str(&text);
                    last.until = at + ms;
                    if last.lang.rsplit('+').next() != Some(lang) {
                        last.lang = format!("{}+{lang}", last.lang);
                    }
                }
                _ => {
                    let (prompt, lang) = (prompt.to_string(), lang.clone());
                    said.push(Heard { prompt, lang, text, from: at, until: at + ms, filler });
                }
            }
            at += ms;
        }
        self.lines.extend(said.into_iter().map(|heard| (heard.from, Line::Hears(heard))));
        at - self.now
    }

    pub(super) fn bundle(&self) -> &'b Bundle {
        self.bundle
    }

    pub(super) fn records(&self) -> bool {
        self.recording.is_some()
    }

    pub(super) fn plays(&self) -> bool {
        self.playing.is_some()
    }

    /// The step that the call is at.
    pub(super) fn step(&self) -> Option<&'b dyn Step> {
        let frame = self.state.frames.last()?;
        let section = self.bundle.flows.get(usize::from(frame.flow))?.sections.get(usize::from(frame.section))?;
        section.steps.get(usize::from(frame.step)).map(|at| &*at.verb)
    }

    /// What the flows' variables of this name hold now, the running flow's first.
    pub(super) fn variable(&self, name: &str) -> Option<&Value> {
        self.state.frames.iter().rev().find_map(|frame| frame.vars.read(name))
    }
}

/// Letters, digits and Chinese characters of a text, by which two texts are compared: signs are not heard.
pub(super) fn spoken(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
