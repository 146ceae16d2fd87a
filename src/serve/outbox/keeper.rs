//! The thread that keeps what flows post, and sees that it is delivered: a reference is given when the message is on disk,
//! and tries go on, less and less often, until the other system takes it or three days are over.

use super::{Deed, Figures, Job, Spoken};
use crate::events::EventKind;
use crate::ids::CallId;
use crate::ivr::{Bundle, Post, Request, Template, Value};
use crate::serve::clock;
use crate::serve::event_loop::Control;
use crate::serve::outside::{Delivery, Outside};
use crate::store::{Boxes, Content, Due, Outbox, OutboxState, StoreError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Deliveries under way at once, to all systems, and of one template: a system that hangs holds up what goes to it only.
const AT_ONCE: usize = 64;
pub(super) const EACH_AT_ONCE: usize = 4;
const DELIVERY_LIMIT: Duration = Duration::from_secs(15);
/// After the n-th failure; the last again and again.
const PAUSES_S: [u64; 7] = [5, 15, 60, 300, 900, 1_800, LONGEST_PAUSE_S];
const LONGEST_PAUSE_S: u64 = 3_600;
const GIVE_UP_MS: u64 = 3 * 86_400_000;
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);
/// What a full or locked disk did not take is offered to it again after this.
const AGAIN: Duration = Duration::from_secs(5);
/// Spoken messages that wait for the disk: more than callers leave in the hours that it takes to mend one.
const MAX_UNKEPT: usize = 10_000;
const IDLE: Duration = Duration::from_secs(60);

pub(super) struct Keeper {
    outbox: Outbox,
    outside: Arc<Outside>,
    desk: Handle,
    control: mpsc::Sender<Control>,
    back: SyncSender<Job>,
    figures: Arc<Figures>,
    /// With what and to whom.
    under_way: BTreeMap<i64, (String, String)>,
    /// The file could not be read the last time.
    unreadable: bool,
    /// What the switch was told of the boxes.
    boxes: Boxes,
    /// What became of messages and could not be written down yet. They are not sent again meanwhile.
    unnoted: VecDeque<(i64, Outcome)>,
    /// Spoken messages that the disk did not take yet.
    unkept: VecDeque<Spoken>,
    /// When the disk is tried again with both.
    again: Instant,
    next_prune: Instant,
}

/// What a try came to.
#[derive(Clone)]
enum Outcome {
    Delivered,
    GivenUp(String),
    PutOff(u64, String),
}

impl Keeper {
    pub(super) fn new(
        outbox: Outbox,
        outside: Arc<Outside>,
        desk: Handle,
        (control, back): (mpsc::Sender<Control>, SyncSender<Job>),
        figures: Arc<Figures>,
    ) -> Keeper {
        Keeper {
            outbox,
            outside,
            desk,
            control,
            back,
            figures,
            under_way: BTreeMap::new(),
            unreadable: false,
            boxes: Boxes::new(),
            unnoted: VecDeque::new(),
            unkept: VecDeque::new(),
            again: Instant::now(),
            next_prune: Instant::now(),
        }
    }

    pub(super) fn run(&mut self, queue: &Receiver<Job>) {
        loop {
            self.try_again();
            self.deliver();
            self.tell_boxes();
            let now = clock::wall_ms();
            let next_due = self.outbox.next_due(now, LONGEST_PAUSE_S * 1000);
            let next_due = self.read(next_due).flatten();
            let pause = match next_due {
                // Those under way are due still; their end is told by the queue.
                Some(due) if self.under_way.is_empty() => Duration::from_millis(due.saturating_sub(now)).min(IDLE),
                _ => IDLE,
            };
            let refused = self.unreadable || !self.unnoted.is_empty() || !self.unkept.is_empty();
            let pause = if refused { pause.min(AGAIN) } else { pause };
            match queue.recv_timeout(pause) {
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(job) => self.take(job),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Post { call, id, caller, what, fields, bundle } => {
                let kept = self.keep(call, caller, &what, fields, &bundle.flows);
                let reference = kept.map_err(|why| self.alarm(call, &why)).ok();
                // Whoever asked waits; the queue to the switch moves on at once or the process is ending.
                let _ = self.control.blocking_send(Control::Posted { call, id, reference });
            }
            Job::Spoken(spoken) => {
                if let Err(why) = self.spoken(&spoken) {
                    self.put_by(spoken, &why);
                }
            }
            Job::Tried { due, result } => self.tried(&due, result),
            Job::ByHand { reference, deed, why, answer } => {
                let done = match deed {
                    Deed::Close => self.outbox.close(reference, &why),
                    Deed::Retry => self.outbox.retry(reference, clock::wall_ms(), &why),
                };
                if let Ok(true) = done {
                    let state = if deed == Deed::Close { "closed" } else { "retried" };
                    let fact = EventKind::PostSettled { reference: reference.to_string(), state: state.into(), why };
                    let _ = self.control.blocking_send(Control::Fact { call: None, fact });
                }
                // Who asked may have gone.
                let _ = answer.send(done.map_err(|error| error.to_string()));
            }
            Job::Stop => {}
        }
    }

    fn alarm(&self, call: CallId, why: &str) {
        let text = format!("what a flow posted could not be kept: {why}");
        let _ = self.control.blocking_send(Control::Fact { call: Some(call), fact: EventKind::Alarm { text } });
    }

    fn keep(
        &mut self,
        call: CallId,
        caller: String,
        what: &Post,
        mut fields: Vec<(String, Value)>,
        flows: &Bundle,
    ) -> Result<String, String> {
        fields.push(("caller".into(), Value::Text(caller)));
        let (kind, name, template) = match what {
            Post::Message { channel, template, .. } => (channel.name(), template, flows.message(template)),
            Post::Form { template } => ("form", template, flows.form(template)),
            Post::Callback { queue, .. } => ("callback", queue, None),
        };
        if let Post::Callback { number, within_s, .. } = what {
            // For whoever calls back; there is no other system that does.
            let until = within_s.map(|within| clock::wall_ms() + within * 1000);
            fields.push(("number".into(), Value::Text(number.expose().clone())));
            fields.extend(until.and_then(|until| Some(("until_ms".into(), Value::Int(i64::try_from(until).ok()?)))));
        }
        self.outbox.put((kind, name), call.0, clock::wall_ms(), |reference| {
            fields.push(("reference".into(), Value::Text(reference.into())));
            content(template, &fields)
        })
    }

    fn spoken(&mut self, spoken: &Spoken) -> Result<(), String> {
        let Spoken { call, caller, mailbox, kept, bundle } = spoken;
        let mut fields = vec![
            ("caller".to_string(), Value::Text(caller.clone())),
            ("file".to_string(), Value::Text(kept.file.clone())),
            ("seconds".to_string(), Value::Int(i64::from(kept.length_ms.div_ceil(1000)))),
            ("urgent".to_string(), Value::Flag(mailbox.urgent)),
        ];
        let template = bundle.flows.mailbox(&mailbox.name);
        let reference = self.outbox.put(("voicemail", &mailbox.name), call.0, clock::wall_ms(), |reference| {
            fields.push(("reference".into(), Value::Text(reference.into())));
            // What was said can be said once: a request that cannot be made leaves it to whoever looks.
            content(template, &fields).or_else(|_| content(None, &fields))
        })?;
        let fact = EventKind::Posted { what: "voicemail".into(), name: mailbox.name.clone(), reference };
        let _ = self.control.blocking_send(Control::Fact { call: Some(*call), fact });
        Ok(())
    }

    /// The caller was told that the message is kept, and has gone: it waits for the disk.
    fn put_by(&mut self, spoken: Spoken, why: &str) {
        let file = &spoken.kept.file;
        let full = self.unkept.len() >= MAX_UNKEPT;
        if full || self.unkept.is_empty() {
            let more = if full { "it is in no box, listen to the recording" } else { "tried again until it is" };
            let text =
                format!("the spoken message {file} could not be put into box `{}`: {why}; {more}", spoken.mailbox.name);
            let _ =
                self.control.blocking_send(Control::Fact { call: Some(spoken.call), fact: EventKind::Alarm { text } });
        } else {
            tracing::warn!(file, "this spoken message waits for its box, too: {why}");
        }
        if !full {
            self.unkept.push_back(spoken);
        }
        self.again = Instant::now() + AGAIN;
    }

    /// Sets out with what is due, as far as there is room.
    fn deliver(&mut self) {
        let now = clock::wall_ms();
        if Instant::now() >= self.next_prune {
            self.outbox.prune(now);
            self.next_prune = Instant::now() + PRUNE_EVERY;
        }
        let mut busy: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        self.under_way.values().for_each(|(what, name)| *busy.entry((what, name)).or_default() += 1);
        // Those under way are still among the first of their kind.
        let room = |what: &str, name: &str| match busy.get(&(what, name)).copied().unwrap_or(0) {
            under_way if under_way < EACH_AT_ONCE => EACH_AT_ONCE + under_way,
            _ => 0,
        };
        let due = match self.under_way.len() < AT_ONCE {
            true => self.outbox.due(now, room),
            false => Ok(Vec::new()),
        };
        for due in self.read(due).unwrap_or_default() {
            let to = (due.what.clone(), due.name.clone());
            let full = self.under_way.values().filter(|other| **other == to).count() >= EACH_AT_ONCE;
            if full || self.under_way.len() >= AT_ONCE || self.under_way.contains_key(&due.id) {
                continue;
            }
            self.under_way.insert(due.id, to);
            let Ok(mut request) = serde_json::from_str::<Request>(&due.request) else {
                let _ = self.outbox.settle(due.id, OutboxState::Failed, Some("cannot be read any more"));
                self.under_way.remove(&due.id);
                continue;
            };
            if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("idempotency-key")) {
                request.headers.push(("Idempotency-Key".into(), due.key.clone()));
            }
            let (outside, back) = (self.outside.clone(), self.back.clone());
            self.desk.spawn(async move {
                let result = outside.deliver(&request, DELIVERY_LIMIT).await;
                // Its room is kept; a thread that has ended needs no answer.
                let _ = tokio::task::spawn_blocking(move || back.send(Job::Tried { due, result }).is_ok()).await;
            });
        }
        let counts = self.outbox.counts();
        self.figures.waiting.store(counts.waiting, Ordering::Relaxed);
        self.figures.open.store(counts.open, Ordering::Relaxed);
        self.figures.failed.store(counts.failed, Ordering::Relaxed);
    }

    /// Tells the switch of boxes that hold something else than before, for the lamps of their phones.
    fn tell_boxes(&mut self) {
        let boxes = self.outbox.changed_boxes();
        if let Some(boxes) = self.read(boxes).flatten().filter(|boxes| *boxes != self.boxes) {
            self.boxes.clone_from(&boxes);
            let _ = self.control.blocking_send(Control::Boxes(boxes));
        }
    }

    /// What was read of the file; told once when it cannot be, and once when it can be again.
    fn read<T>(&mut self, found: Result<T, StoreError>) -> Option<T> {
        match found {
            Ok(found) => {
                if std::mem::take(&mut self.unreadable) {
                    tracing::warn!("the outbox can be read again");
                }
                Some(found)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.unreadable, true) {
                    tracing::error!("the outbox cannot be read, nothing is delivered meanwhile: {error}");
                }
                None
            }
        }
    }

    fn tried(&mut self, due: &Due, result: Result<(), Delivery>) {
        let now = clock::wall_ms();
        let outcome = match result {
            Ok(()) => {
                self.figures.delivered.fetch_add(1, Ordering::Relaxed);
                Outcome::Delivered
            }
            Err(Delivery { why, for_good }) => {
                self.figures.tries_failed.fetch_add(1, Ordering::Relaxed);
                if for_good || now.saturating_sub(due.made) >= GIVE_UP_MS {
                    let text = format!("{} `{}` was not delivered and is given up: {why}", due.what, due.name);
                    let _ = self.control.blocking_send(Control::Fact { call: None, fact: EventKind::Alarm { text } });
                    Outcome::GivenUp(why)
                } else {
                    let nth = usize::try_from(due.tries).unwrap_or(usize::MAX).min(PAUSES_S.len() - 1);
                    if due.tries == 0 {
                        tracing::warn!("{} `{}` is not delivered yet and tried again: {why}", due.what, due.name);
                    }
                    Outcome::PutOff(now + PAUSES_S[nth] * 1000, why)
                }
            }
        };
        match self.note(due.id, &outcome) {
            Ok(()) => drop(self.under_way.remove(&due.id)),
            Err(error) => {
                if self.unnoted.is_empty() {
                    tracing::error!("the outbox cannot note what became of a message, and keeps trying: {error}");
                }
                self.unnoted.push_back((due.id, outcome));
                self.again = Instant::now() + AGAIN;
            }
        }
    }

    fn note(&mut self, id: i64, outcome: &Outcome) -> Result<(), StoreError> {
        match outcome {
            Outcome::Delivered => self.outbox.settle(id, OutboxState::Delivered, None),
            Outcome::GivenUp(why) => self.outbox.settle(id, OutboxState::Failed, Some(why)),
            Outcome::PutOff(due, why) => self.outbox.put_off(id, *due, why),
        }
    }

    /// Offers the disk what it did not take, the oldest first, until it refuses again. A message whose end is not on disk is
    /// still due there: it stays under way until it is, so that nobody gets it twice.
    fn try_again(&mut self) {
        if Instant::now() < self.again {
            return;
        }
        while let Some((id, outcome)) = self.unnoted.pop_front() {
            if self.note(id, &outcome).is_err() {
                self.unnoted.push_front((id, outcome));
                break;
            }
            self.under_way.remove(&id);
        }
        while let Some(spoken) = self.unkept.pop_front() {
            if self.spoken(&spoken).is_err() {
                self.unkept.push_front(spoken);
                break;
            }
            tracing::info!(file = spoken.kept.file, "the spoken message is in its box now");
        }
        self.again = Instant::now() + AGAIN;
    }
}

/// What goes to the system that the template names; for somebody to read where it names none.
fn content(template: Option<&Template>, fields: &[(String, Value)]) -> Result<Content, String> {
    if let Some(http) = template.and_then(|template| template.http.as_ref()) {
        return written(http.request(fields)).map(Content::Deliver);
    }
    let fields: serde_json::Map<String, serde_json::Value> =
        fields.iter().map(|(name, value)| (name.clone(), value.plain().into())).collect();
    Ok(Content::Read(serde_json::Value::Object(fields).to_string()))
}

fn written(request: Option<Request>) -> Result<String, String> {
    let request = request.ok_or("a value cannot be sent where the message has it")?;
    serde_json::to_string(&request).map_err(|error| error.to_string())
}
