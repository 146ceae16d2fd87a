//! One call in virtual time: a caller who presses keys, recordings of one second each, lookups that answer as told, and a
//! queue and telephones that the test speaks for.

use hotline::events::Cause;
use hotline::ids::Redacted;
use hotline::ivr::*;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

/// Length of every recording.
pub const CLIP_MS: u64 = 1_000;
/// 2026-03-10 10:00 in Shanghai, a Tuesday.
pub const MORNING: u64 = 1_773_108_000_000;

/// All YAML files of the project that ships.
pub fn sample() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["ivr-flows", "ivr-flows/lib", "prompts"] {
        let entries = std::fs::read_dir(root.join(folder)).expect("the sample is in the repository");
        for path in entries.map(|entry| entry.expect("a readable folder").path()) {
            if path.extension().is_some_and(|ext| ext == "yaml") {
                let name = format!("{folder}/{}", path.file_name().expect("a name").to_string_lossy());
                files.push((name, std::fs::read_to_string(&path).expect("a readable file")));
            }
        }
    }
    files.sort();
    Sources { files }
}

/// The same after one change of its flow.
pub fn sample_with(from: &str, to: &str) -> Sources {
    let mut sources = sample();
    let flow = sources.files.iter_mut().find(|(path, _)| path.ends_with("power.flow.yaml")).expect("the sample flow");
    assert!(flow.1.contains(from), "{from}");
    flow.1 = flow.1.replacen(from, to, 1);
    sources
}

/// The sample with the settings that the language has and this version's platform does nothing with yet.
pub fn sample_in_full() -> Sources {
    let mut sources = sample();
    let changes = [
        ("        to: service\n", "        to: service\n        skills: [lang]\n"),
        ("wait: your_wait_is}", "wait: your_wait_is, music: calm}"),
    ];
    for (_, text) in sources.files.iter_mut().filter(|(path, _)| path.ends_with("power.flow.yaml")) {
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            *text = text.replacen(from, to, 1);
        }
    }
    sources
}

/// A project of one flow (`test`) and the shipped texts, plus `prompts` as `id: text` in zh alone.
pub fn project(flow: &str, prompts: &[(&str, &str)]) -> Sources {
    let mut sources = sample();
    sources.files.retain(|(path, _)| path.contains("/lib/") || !path.ends_with(".flow.yaml"));
    sources.files.push(("ivr-flows/test.flow.yaml".into(), flow.into()));
    let texts: String = prompts.iter().map(|(id, text)| format!("{id}: {{zh: \"{text}\"}}\n")).collect();
    if !texts.is_empty() {
        sources.files.push(("prompts/test.yaml".into(), texts));
    }
    sources
}

pub fn audio(_: &str, _: &str) -> Option<u32> {
    Some(CLIP_MS as u32)
}

pub fn bundle(sources: &Sources) -> Bundle {
    load(sources, None, &audio).unwrap_or_else(|found| {
        let shown: Vec<_> = found.iter().map(|d| d.to_string()).collect();
        panic!("{}", shown.join("\n"))
    })
}

/// What a lookup's system does.
#[derive(Clone)]
pub enum Reply {
    After(u64, LookupResult),
    Never,
}

pub fn found(fields: &[(&str, Type, &str)]) -> LookupResult {
    let value = |ty: &Type, text: &str| ty.read(text).unwrap_or_else(|| panic!("{text} is no {ty:?}"));
    LookupResult::Found(fields.iter().map(|(name, ty, text)| (name.to_string(), value(ty, text))).collect())
}

/// What goes along with a transfer.
pub type Carried = Vec<(String, Redacted<String>)>;

pub struct Call<'b> {
    bundle: &'b Bundle,
    pub state: CallState,
    pub now: u64,
    timers: BTreeMap<ActionId, u64>,
    playing: Option<(ActionId, u64, u64, bool)>,
    replies: Vec<(u64, ActionId, LookupResult)>,
    pub lookups: BTreeMap<&'static str, VecDeque<Reply>>,
    pub fetched: Vec<(String, Vec<(String, Value)>)>,
    /// What was played, oldest first: `zh/welcome`, with atoms in words.
    heard: VecDeque<String>,
    pub music: Option<String>,
    pub queue: Option<(ActionId, String, Vec<String>, u8, u64)>,
    /// The queue refuses before the interpreter's other wishes are carried out.
    pub refuses_at_once: Option<QueueEnd>,
    pub dialled: Option<(ActionId, Target, Carried)>,
    /// A recording under way, and where it is filed.
    pub recording: Option<(ActionId, u64, Option<Mailbox>)>,
    /// What was posted, by `what: name`, with its fields.
    pub posted: Vec<(Post, Vec<(String, Value)>)>,
    /// The post is out of order: nothing can be kept.
    pub post_fails: bool,
    /// It says nothing at all.
    pub post_hangs: bool,
    pub traces: Vec<TraceEvent>,
    pub log: Vec<Action>,
    pub ended: Option<Cause>,
    words: BTreeMap<String, String>,
}

impl<'b> Call<'b> {
    pub fn start(bundle: &'b Bundle, flow: &str) -> Self {
        let mut call = Self::new(bundle, flow);
        call.begin("13800138000", None);
        call
    }

    pub fn new(bundle: &'b Bundle, flow: &str) -> Self {
        let state = start(bundle, flow).unwrap_or_else(|| panic!("no flow {flow}"));
        Self {
            bundle,
            state,
            now: 0,
            timers: BTreeMap::new(),
            playing: None,
            replies: Vec::new(),
            lookups: BTreeMap::new(),
            fetched: Vec::new(),
            heard: VecDeque::new(),
            music: None,
            queue: None,
            refuses_at_once: None,
            dialled: None,
            recording: None,
            posted: Vec::new(),
            post_fails: false,
            post_hangs: false,
            traces: Vec::new(),
            log: Vec::new(),
            ended: None,
            words: atom_words(),
        }
    }

    pub fn begin(&mut self, caller: &str, lang: Option<&str>) {
        self.begin_at(caller, lang, MORNING);
    }

    pub fn begin_at(&mut self, caller: &str, lang: Option<&str>, wall_ms: u64) {
        self.tell(Event::Started {
            caller: Redacted::new(caller.to_string()),
            called: "95598".into(),
            wall_ms,
            lang: lang.map(str::to_string),
        });
    }

    pub fn mock(&mut self, lookup: &'static str, reply: Reply) -> &mut Self {
        self.lookups.entry(lookup).or_default().push_back(reply);
        self
    }

    /// Hands one event to the interpreter and carries out what it asks.
    pub fn tell(&mut self, ev: Event) {
        let mut out = Vec::new();
        step(self.bundle, &mut self.state, self.now, ev, &mut out);
        for action in out {
            self.log.push(action.clone());
            assert!(self.ended.is_none(), "{action:?} after the hang-up");
            match action {
                Action::Play { id, items, bargeable } => {
                    let length = items.iter().map(|item| self.length(item)).sum::<u64>();
                    let said: Vec<String> = items.iter().filter_map(|item| self.word(item)).collect();
                    self.heard.push_back(said.join(" "));
                    self.playing = Some((id, self.now, length, bargeable));
                }
                Action::StopPlay { id } => {
                    self.playing.take_if(|playing| playing.0 == id);
                }
                Action::Music { on } => self.music = on,
                Action::TimerSet { id, due_ms } => {
                    assert!(due_ms >= self.now, "a timer in the past");
                    self.timers.insert(id, due_ms);
                }
                Action::TimerClear { id } => {
                    self.timers.remove(&id);
                }
                Action::Fetch { id, lookup, args, .. } => {
                    let reply = self.lookups.get_mut(lookup.as_str()).and_then(VecDeque::pop_front);
                    match reply {
                        Some(Reply::After(ms, result)) => self.replies.push((self.now + ms, id, result)),
                        Some(Reply::Never) => {}
                        None => panic!("nobody told what `{lookup}` answers"),
                    }
                    self.fetched.push((lookup, args));
                }
                Action::Enqueue { id, queue, skills, priority, max_wait_ms, .. } => {
                    assert!(self.queue.is_none(), "in two queues");
                    match self.refuses_at_once {
                        Some(end) => self.tell(Event::Queue { id, event: QueueEvent::Ended(end) }),
                        None => self.queue = Some((id, queue, skills, priority, max_wait_ms)),
                    }
                }
                Action::Dequeue { id } => {
                    self.queue.take_if(|queue| queue.0 == id);
                }
                Action::Dial { id, target, carry, .. } => self.dialled = Some((id, target, carry)),
                Action::DialCancel { id } => {
                    self.dialled.take_if(|dialled| dialled.0 == id);
                }
                Action::Record { id, max_ms, mailbox, .. } => self.recording = Some((id, self.now + max_ms, mailbox)),
                Action::RecordStop { id } => self.end_recording(id),
                Action::Post { id, what, fields } => {
                    self.posted.push((what, fields));
                    if self.post_hangs {
                        continue;
                    }
                    let reference = (!self.post_fails).then(|| format!("{}", 100_000 + self.posted.len()));
                    self.tell(Event::Posted { id, reference });
                }
                Action::Trace(event) => self.traces.push(event),
                Action::Hangup { cause } => self.ended = Some(cause),
            }
        }
    }

    fn end_recording(&mut self, id: ActionId) {
        if self.recording.take_if(|recording| recording.0 == id).is_some() {
            let kept = Some(Kept { file: "1-2.wav".into(), length_ms: 4_000 });
            self.tell(Event::Recorded { id, kept });
        }
    }

    pub fn waits(&mut self, ms: u64) -> &mut Self {
        let end = self.now + ms;
        loop {
            let timer = self.timers.iter().map(|(id, due)| (*due, 2, *id)).min();
            let play = self.playing.as_ref().map(|(id, from, length, _)| (from + length, 1, *id));
            let reply = self.replies.iter().map(|(at, id, _)| (*at, 0, *id)).min();
            let recorded = self.recording.as_ref().map(|(id, end, _)| (*end, 3, *id));
            let Some((at, kind, id)) = [timer, play, reply, recorded].into_iter().flatten().min() else { break };
            if at > end || self.ended.is_some() {
                break;
            }
            self.now = at.max(self.now);
            match kind {
                0 => {
                    let place = self.replies.iter().position(|(_, of, _)| *of == id).expect("just found");
                    let (_, id, result) = self.replies.remove(place);
                    self.tell(Event::Lookup { id, result });
                }
                1 => {
                    let (id, _, length, _) = self.playing.take().expect("just found");
                    self.tell(Event::PlayDone { id, heard_ms: length as u32 });
                }
                3 => self.end_recording(id),
                _ => {
                    self.timers.remove(&id);
                    self.tell(Event::Timer { id });
                }
            }
        }
        self.now = end;
        self
    }

    /// Presses keys 300 ms apart. The media side stops a bargeable prompt at once.
    pub fn presses(&mut self, keys: &str) -> &mut Self {
        for key in keys.chars() {
            self.waits(300);
            if self.ended.is_some() {
                return self;
            }
            let stopped = self.playing.take_if(|playing| playing.3);
            // A prompt that is cut at its first word was not heard.
            if stopped.as_ref().is_some_and(|(_, from, ..)| self.now - from <= 300) {
                self.heard.pop_back();
            }
            self.tell(Event::Key(key));
            if let Some((id, from, ..)) = stopped {
                self.tell(Event::PlayDone { id, heard_ms: (self.now - from) as u32 });
            }
        }
        self
    }

    /// The next thing played, which must be this. Prompts without a language are Mandarin.
    pub fn hears(&mut self, expected: &str) -> &mut Self {
        let mut limit = 0;
        while self.heard.is_empty() && limit < 60 && self.ended.is_none() {
            self.waits(500);
            limit += 1;
        }
        let said = self.heard.pop_front();
        let named = said.as_deref().map(|said| said.replace("zh/", ""));
        assert_eq!(named.as_deref(), Some(expected), "at {} ms", self.now);
        self
    }

    /// Hears one thing after the other until this.
    pub fn hears_at_last(&mut self, expected: &str) -> &mut Self {
        while self.heard.front().is_some_and(|said| said.replace("zh/", "") != expected) {
            self.heard.pop_front();
        }
        self.hears(expected)
    }

    pub fn hears_nothing_more(&mut self) -> &mut Self {
        assert_eq!(self.heard, [] as [&str; 0]);
        self
    }

    pub fn forget_heard(&mut self) -> &mut Self {
        self.heard.clear();
        self
    }

    /// The media side forgets to say when the running prompt ends.
    pub fn lose_playback(&mut self) {
        self.playing = None;
    }

    pub fn queue_says(&mut self, event: QueueEvent) -> &mut Self {
        let (id, ..) = *self.queue.as_ref().expect("the caller is in a queue");
        if matches!(event, QueueEvent::Ended(_)) {
            self.queue = None;
        }
        self.tell(Event::Queue { id, event });
        self
    }

    pub fn target_says(&mut self, result: TransferResult) -> &mut Self {
        let (id, ..) = *self.dialled.as_ref().expect("somebody is dialled");
        self.tell(Event::Transfer { id, result });
        self
    }

    /// Name of the queue that the caller waits in.
    pub fn in_queue(&self) -> Option<&str> {
        self.queue.as_ref().map(|(_, name, ..)| name.as_str())
    }

    /// `section.verb outcome` of every step left, in order.
    pub fn outcomes(&self) -> Vec<String> {
        let told = self.traces.iter().filter_map(|event| match event {
            TraceEvent::Outcome { section, verb, outcome, .. } => Some(format!("{section}.{verb} {outcome}")),
            _ => None,
        });
        told.collect()
    }

    /// Keys as the call's record shows them; `.` where masked.
    pub fn recorded_keys(&self) -> String {
        let keys = self.traces.iter().filter_map(|event| match event {
            TraceEvent::Key { key } => Some(key.unwrap_or('.')),
            _ => None,
        });
        keys.collect()
    }

    pub fn timers_left(&self) -> usize {
        self.timers.len()
    }

    fn length(&self, item: &Speech) -> u64 {
        match item {
            Speech::Prompt { .. } => CLIP_MS,
            Speech::Atom { .. } => 200,
            Speech::Silence(ms) => u64::from(*ms),
        }
    }

    fn word(&self, item: &Speech) -> Option<String> {
        match item {
            Speech::Prompt { lang, id } => Some(format!("{lang}/{id}")),
            Speech::Atom { lang, id } => Some(self.words.get(&format!("{lang}/{id}")).expect("an atom's text").clone()),
            Speech::Silence(_) => None,
        }
    }
}

/// `zh/a_1` -> `一`.
fn atom_words() -> BTreeMap<String, String> {
    let sources = sample();
    let (_, yaml) = sources.files.iter().find(|(path, _)| path.ends_with("atoms.yaml")).expect("atoms");
    let mut words = BTreeMap::new();
    for line in yaml.lines().filter(|line| line.starts_with("a_")) {
        let (id, rest) = line.split_once(':').expect("an id");
        for lang in ["zh", "en"] {
            if let Some((_, text)) = rest.split_once(&format!("{lang}: \"")) {
                words.insert(format!("{lang}/{id}"), text.split('"').next().expect("a text").to_string());
            }
        }
    }
    words
}
