//! The thread that keeps what flows post, and sees that it is delivered: a reference is given when the message is on disk,
//! and tries go on, less and less often, until the other system takes it or three days are over.

use super::clock;
use super::event_loop::Control;
use super::outside::{Delivery, Outside};
use crate::api::PostDeed as Deed;
use crate::api::metrics::OutboxFigures;
use crate::events::EventKind;
use crate::ids::CallId;
use crate::ivr::{Bundle, Kept, Mailbox, Post, Request, Template, Value};
use crate::store::{Boxes, Content, Due, Outbox, OutboxState, StoreError};
use crate::switch::SwitchBundle;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Messages on their way to the thread. A disk takes hundreds a second; beyond this it has stood still for seconds.
const QUEUE: usize = 1_000;
/// Deliveries under way at once, to all systems, and of one template: a system that hangs holds up what goes to it only.
const AT_ONCE: usize = 64;
const EACH_AT_ONCE: usize = 4;
const DELIVERY_LIMIT: Duration = Duration::from_secs(15);
/// After the n-th failure; the last again and again.
const PAUSES_S: [u64; 7] = [5, 15, 60, 300, 900, 1_800, 3_600];
const GIVE_UP_MS: u64 = 3 * 86_400_000;
const PRUNE_EVERY_MS: u64 = 3_600_000;
/// What a full or locked disk did not take is offered to it again after this.
const NOTE_AGAIN: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);

enum Job {
    /// From a flow that waits for the reference.
    Post {
        call: CallId,
        id: u32,
        caller: String,
        what: Post,
        fields: Vec<(String, Value)>,
        bundle: Arc<SwitchBundle>,
    },
    /// Somebody has seen to a message, or wants it tried again. Answered with whether there was such a one.
    ByHand {
        reference: i64,
        deed: Deed,
        why: String,
        answer: oneshot::Sender<Result<bool, String>>,
    },
    /// A spoken message that is complete; nobody waits.
    Spoken {
        call: CallId,
        caller: String,
        mailbox: Mailbox,
        kept: Kept,
        bundle: Arc<SwitchBundle>,
    },
    Tried {
        due: Due,
        result: Result<(), Delivery>,
    },
    Stop,
}

/// The sender's side; never waits.
#[derive(Clone)]
pub(super) struct OutboxHandle {
    jobs: SyncSender<Job>,
    control: mpsc::Sender<Control>,
    figures: Arc<Figures>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Default)]
struct Figures {
    waiting: AtomicU64,
    open: AtomicU64,
    failed: AtomicU64,
    delivered: AtomicU64,
    tries_failed: AtomicU64,
}

impl OutboxHandle {
    pub(super) fn start(
        outbox: Outbox,
        outside: Arc<Outside>,
        desk: Handle,
        control: mpsc::Sender<Control>,
    ) -> std::io::Result<OutboxHandle> {
        let (jobs, queue) = sync_channel(QUEUE);
        let figures = Arc::new(Figures::default());
        let mut keeper = Keeper {
            outbox,
            outside,
            desk,
            control: control.clone(),
            // Never full for its own answers: there are no more of them than deliveries at once.
            back: jobs.clone(),
            figures: figures.clone(),
            under_way: BTreeMap::new(),
            unreadable: false,
            boxes: Boxes::new(),
            unnoted: Vec::new(),
            next_note: 0,
            next_prune: 0,
        };
        let thread = std::thread::Builder::new().name("outbox".into()).spawn(move || keeper.run(&queue))?;
        Ok(OutboxHandle { jobs, control, figures, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    pub(super) fn post(
        &self,
        (call, id): (CallId, u32),
        caller: String,
        what: Post,
        fields: Vec<(String, Value)>,
        bundle: Arc<SwitchBundle>,
    ) {
        let job = Job::Post { call, id, caller, what, fields, bundle };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.jobs.try_send(job) {
            let _ = self.control.try_send(Control::Posted { call, id, reference: None });
        }
    }

    pub(super) fn spoken(&self, call: CallId, caller: String, mailbox: Mailbox, kept: Kept, bundle: Arc<SwitchBundle>) {
        let file = kept.file.clone();
        if self.jobs.try_send(Job::Spoken { call, caller, mailbox, kept, bundle }).is_err() {
            let text = format!("the message {file} was recorded, but nobody was told: the outbox does not keep up");
            let _ = self.control.try_send(Control::Fact { call: Some(call), fact: EventKind::Alarm { text } });
        }
    }

    /// `Ok(false)` when there is no such message in a state for it; `Err` is a sentence for who asked.
    pub(super) async fn by_hand(&self, reference: i64, deed: Deed, why: String) -> Result<bool, String> {
        let (answer, answered) = oneshot::channel();
        let busy = "the outbox does not keep up; try again";
        self.jobs.try_send(Job::ByHand { reference, deed, why, answer }).map_err(|_| busy.to_string())?;
        answered.await.map_err(|_| busy.to_string())?
    }

    pub(super) fn figures(&self) -> OutboxFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        OutboxFigures {
            waiting: read(&self.figures.waiting),
            open: read(&self.figures.open),
            failed: read(&self.figures.failed),
            delivered: read(&self.figures.delivered),
            tries_failed: read(&self.figures.tries_failed),
        }
    }

    /// Keeps what is on its way and ends the thread. Blocks for as long as the disk takes.
    pub(super) fn close(&self) {
        let _ = self.jobs.send(Job::Stop);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

struct Keeper {
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
    unnoted: Vec<(i64, Outcome)>,
    next_note: u64,
    next_prune: u64,
}

/// What a try came to.
#[derive(Clone)]
enum Outcome {
    Delivered,
    GivenUp(String),
    PutOff(u64, String),
}

impl Keeper {
    fn run(&mut self, queue: &Receiver<Job>) {
        loop {
            self.note_again();
            self.deliver();
            self.tell_boxes();
            let now = clock::wall_ms();
            let next_due = self.outbox.next_due();
            let next_due = self.read(next_due).flatten();
            let pause = match next_due {
                // Those under way are due still; their end is told by the queue.
                Some(due) if self.under_way.is_empty() => Duration::from_millis(due.saturating_sub(now)).min(IDLE),
                _ if self.unreadable || !self.unnoted.is_empty() => NOTE_AGAIN,
                _ => IDLE,
            };
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
            Job::Spoken { call, caller, mailbox, kept, bundle } => {
                self.spoken(call, caller, &mailbox, kept, &bundle.flows)
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

    fn spoken(&mut self, call: CallId, caller: String, mailbox: &Mailbox, kept: Kept, flows: &Bundle) {
        let mut fields = vec![
            ("caller".to_string(), Value::Text(caller)),
            ("file".to_string(), Value::Text(kept.file)),
            ("seconds".to_string(), Value::Int(i64::from(kept.length_ms.div_ceil(1000)))),
            ("urgent".to_string(), Value::Flag(mailbox.urgent)),
        ];
        let template = flows.mailbox(&mailbox.name);
        let put = self.outbox.put(("voicemail", &mailbox.name), call.0, clock::wall_ms(), |reference| {
            fields.push(("reference".into(), Value::Text(reference.into())));
            content(template, &fields)
        });
        match put {
            Ok(reference) => {
                let (what, name) = ("voicemail".to_string(), mailbox.name.clone());
                let fact = EventKind::Posted { what, name, reference };
                let _ = self.control.blocking_send(Control::Fact { call: Some(call), fact });
            }
            Err(why) => self.alarm(call, &why),
        }
    }

    /// Sets out with what is due, as far as there is room.
    fn deliver(&mut self) {
        let now = clock::wall_ms();
        if now >= self.next_prune {
            self.outbox.prune(now);
            self.next_prune = now + PRUNE_EVERY_MS;
        }
        // Those under way are still among the first of their kind.
        let due = self.outbox.due(now, EACH_AT_ONCE + self.under_way.len());
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
        if let Some(counts) = self.read(counts) {
            self.figures.waiting.store(counts.waiting, Ordering::Relaxed);
            self.figures.open.store(counts.open, Ordering::Relaxed);
            self.figures.failed.store(counts.failed, Ordering::Relaxed);
        }
    }

    /// Tells the switch of boxes that hold something else than before, for the lamps of their phones.
    fn tell_boxes(&mut self) {
        let boxes = self.outbox.boxes();
        if let Some(boxes) = self.read(boxes).filter(|boxes| *boxes != self.boxes) {
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
                self.unnoted.push((due.id, outcome));
            }
        }
    }

    fn note(&self, id: i64, outcome: &Outcome) -> Result<(), StoreError> {
        match outcome {
            Outcome::Delivered => self.outbox.settle(id, OutboxState::Delivered, None),
            Outcome::GivenUp(why) => self.outbox.settle(id, OutboxState::Failed, Some(why)),
            Outcome::PutOff(due, why) => self.outbox.put_off(id, *due, why),
        }
    }

    /// A message whose end is not on disk is still due there: it stays under way until it is, so that nobody gets it twice.
    fn note_again(&mut self) {
        let now = clock::wall_ms();
        if self.unnoted.is_empty() || now < self.next_note {
            return;
        }
        self.next_note = now + NOTE_AGAIN.as_millis() as u64;
        for (id, outcome) in std::mem::take(&mut self.unnoted) {
            match self.note(id, &outcome) {
                Ok(()) => drop(self.under_way.remove(&id)),
                Err(_) => self.unnoted.push((id, outcome)),
            }
        }
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

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
