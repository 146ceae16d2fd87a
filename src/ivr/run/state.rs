//! One call's place in its flow: plain data, so that it can be kept, compared and carried over a restart.
//!
//! Secrets and keys not yet used are never written out: after a restart the caller is asked again.

use super::super::calendar::Openness;
use super::super::value::Value;
use super::super::wire::ActionId;
use super::books::Books;
use crate::ids::{FlowVersion, Redacted};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

/// Keys that wait for the next question; more are dropped.
pub const MAX_TYPED: usize = 20;
/// Menus that `back` can return through.
const MAX_BACK: usize = 4;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallState {
    /// The bundle that this state belongs to; it is of use with no other.
    pub version: FlowVersion,
    pub(in crate::ivr) caller: Redacted<String>,
    pub(in crate::ivr) called: String,
    pub(in crate::ivr) wall_ms: u64,
    /// Time of the latest event, ms since the call's start.
    pub(in crate::ivr) at: u64,
    pub(in crate::ivr) lang: String,
    /// The running flow last; the entry flow first.
    pub(in crate::ivr) frames: Vec<Frame>,
    pub(in crate::ivr) wait: Wait,
    pub(in crate::ivr) typed: Typed,
    pub(in crate::ivr) back: VecDeque<BackPoint>,
    pub(in crate::ivr) queue: QueueView,
    /// The switches that are on.
    pub(in crate::ivr) live: BTreeSet<String>,
    /// The end key that a caller may still press after an entry that was complete without it.
    pub(in crate::ivr) surplus: Option<Surplus>,
    /// The language was brought along or chosen.
    pub(in crate::ivr) lang_known: bool,
    pub(in crate::ivr) counters: Counters,
    pub(in crate::ivr) clock: Clock,
    #[serde(default)]
    pub(in crate::ivr) books: Books,
    pub(in crate::ivr) last_id: ActionId,
    /// Calendars that are open or closed for this call whatever the clock says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::ivr) held_hours: BTreeMap<String, Openness>,
}

impl CallState {
    pub(in crate::ivr) fn new(version: FlowVersion, flow: u16, lang: String) -> Self {
        Self {
            version,
            caller: Redacted::default(),
            called: String::new(),
            wall_ms: 0,
            at: 0,
            lang,
            frames: vec![Frame { flow, section: 0, step: 0, vars: Vars::default() }],
            wait: Wait::NotStarted,
            typed: Typed::default(),
            back: VecDeque::new(),
            queue: QueueView::default(),
            live: BTreeSet::new(),
            surplus: None,
            lang_known: false,
            counters: Counters::default(),
            clock: Clock::default(),
            books: Books::default(),
            last_id: 0,
            held_hours: BTreeMap::new(),
        }
    }

    /// Whether the flow has nothing more to do.
    pub fn is_ended(&self) -> bool {
        self.wait == Wait::Ended
    }

    /// The language that the caller is spoken to in.
    pub fn language(&self) -> &str {
        &self.lang
    }

    pub(in crate::ivr) fn remember_menu(&mut self) {
        if let Some(frame) = self.frames.last() {
            let point =
                BackPoint { depth: self.frames.len(), flow: frame.flow, section: frame.section, step: frame.step };
            if self.back.len() == MAX_BACK {
                self.back.pop_front();
            }
            self.back.push_back(point);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::ivr) struct Frame {
    pub flow: u16,
    pub section: u16,
    pub step: u16,
    pub vars: Vars,
}

/// A menu that was left by a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::ivr) struct BackPoint {
    pub depth: usize,
    pub flow: u16,
    pub section: u16,
    pub step: u16,
}

/// A flow's variables. Secrets stay out of what is serialised.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::ivr) struct Vars {
    open: BTreeMap<String, Value>,
    #[serde(skip)]
    secret: BTreeMap<String, Value>,
}

impl Vars {
    pub fn read(&self, name: &str) -> Option<&Value> {
        self.open.get(name).or_else(|| self.secret.get(name))
    }

    /// Not one that is secret.
    pub fn read_open(&self, name: &str) -> Option<&Value> {
        self.open.get(name)
    }

    pub fn set(&mut self, name: &str, value: Value, secret: bool) {
        let place = if secret { &mut self.secret } else { &mut self.open };
        place.insert(name.to_string(), value);
    }

    /// All that is set, secrets too.
    pub fn each(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.open.iter().chain(&self.secret).map(|(name, value)| (name.as_str(), value))
    }

    pub fn secrets(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.secret.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub fn forget(&mut self, name: &str) {
        self.open.remove(name);
        self.secret.remove(name);
    }

    pub fn forget_secret(&mut self, name: &str) {
        self.secret.remove(name);
    }
}

impl fmt::Debug for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.open.keys().chain(self.secret.keys())).finish()
    }
}

/// Keys pressed and not yet used. They may turn out to be a secret, so they are neither shown nor written out.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "()", into = "()")]
pub(in crate::ivr) struct Typed(VecDeque<char>);

impl Typed {
    /// Whether there was room.
    pub fn push(&mut self, key: char) -> bool {
        let room = self.0.len() < MAX_TYPED;
        if room {
            self.0.push_back(key);
        }
        room
    }
    pub fn pop(&mut self) -> Option<char> {
        self.0.pop_front()
    }
    pub fn first(&self) -> Option<char> {
        self.0.front().copied()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn clear(&mut self) {
        self.0.clear();
    }
    pub fn text(&self) -> String {
        self.0.iter().collect()
    }
}

impl From<()> for Typed {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<Typed> for () {
    fn from(_: Typed) {}
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

/// What the running step waits for, with what only that wait needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::ivr) enum Wait {
    /// For the call to be answered.
    NotStarted,
    /// A step is being taken; it says next what it waits for.
    Nothing,
    /// For the end of a prompt that asks nothing.
    Prompt(Playing),
    /// For a key of menu, collect or language.
    Key(Asking),
    Timer(ActionId),
    Lookup(LookupWait),
    Queue(QueueWait),
    Dial {
        id: ActionId,
        guard: ActionId,
    },
    /// For what was posted to be kept.
    Posted {
        id: ActionId,
        guard: ActionId,
    },
    /// For the end of a recording; `stopping` when it is to end.
    Recording {
        id: ActionId,
        timer: ActionId,
        stopping: bool,
    },
    /// For an agent or a transfer target to leave the caller.
    Talk {
        queue: Option<ActionId>,
    },
    Ended,
}

/// A prompt that is heard. The guard fires when the media side owes its `PlayDone` for too long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::ivr) struct Playing {
    pub id: ActionId,
    pub guard: ActionId,
    pub bargeable: bool,
    /// When it began.
    pub since: u64,
    /// From then until its last value has been said, or all of it where it has none.
    pub told_ms: u64,
}

/// One visit of a step that asks for keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::ivr) struct Asking {
    /// Silences and wrong keys of this visit, in one count.
    pub failures: u8,
    pub repeats: u8,
    pub stage: Stage,
    pub phase: Phase,
    pub entered: Typed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::ivr) enum Stage {
    #[default]
    Entry,
    /// The entry is read back and the caller says whether it is right.
    Confirm,
    /// Of several questions this one, from 0.
    Question(u8),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::ivr) enum Phase {
    /// Keys typed ahead are being used; nothing is heard.
    #[default]
    Typed,
    Prompt(Playing),
    /// The timer of silence, or between digits.
    Silence(ActionId),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::ivr) struct LookupWait {
    pub id: ActionId,
    pub timeout: ActionId,
    /// Until the caller is told to wait, then the prompt that tells it.
    pub filler: Filler,
    /// The reply, while the prompt is still heard.
    pub reply: Option<Reply>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::ivr) enum Filler {
    None,
    Timer(ActionId),
    Prompt(Playing),
}

/// A lookup's reply, already stored in the variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::ivr) enum Reply {
    Found,
    NotFound,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::ivr) struct QueueWait {
    pub id: ActionId,
    pub guard: ActionId,
    pub announce: Option<ActionId>,
    #[serde(default)]
    pub offer: Offered,
    pub playing: Option<Playing>,
}

/// How far the offer of a call back is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::ivr) enum Offered {
    #[default]
    Not,
    /// This timer says when.
    Due(ActionId),
    /// The caller may take it.
    Made,
    /// The caller has, and it is not kept yet.
    Keeping { id: ActionId, guard: ActionId },
}

impl Offered {
    pub fn timer(self) -> Option<ActionId> {
        match self {
            Offered::Not | Offered::Made => None,
            Offered::Due(timer) | Offered::Keeping { guard: timer, .. } => Some(timer),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ivr) struct Surplus {
    pub key: char,
    pub until: u64,
}

/// What the caller's queue last said; the `queue.*` variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ivr) struct QueueView {
    pub ahead: Option<u32>,
    pub wait_s: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ivr) struct Counters {
    pub steps: u32,
    /// Steps since the last key and since time last passed.
    pub steps_idle: u32,
    pub lookups: u32,
    pub limits_hit: u32,
}

/// Time that the caller has spent with the machine; it stands still in queues and talks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ivr) struct Clock {
    pub used_ms: u64,
    pub running: Option<Running>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ivr) struct Running {
    pub since: u64,
    pub timer: ActionId,
}
