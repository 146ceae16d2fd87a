//! The way of what flows post to the thread that keeps and delivers it; nobody waits here.

mod keeper;

use super::event_loop::Control;
use super::outside::{Delivery, Outside};
use crate::api::PostDeed as Deed;
use crate::api::metrics::OutboxFigures;
use crate::events::EventKind;
use crate::ids::CallId;
use crate::ivr::{Kept, Mailbox, Post, Value};
use crate::store::{Due, Outbox};
use crate::switch::SwitchBundle;
use keeper::Keeper;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Messages on their way to the thread. A disk takes hundreds a second; beyond this it has stood still for seconds.
const QUEUE: usize = 1_000;

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
    /// Nobody waits.
    Spoken(Spoken),
    Tried {
        due: Due,
        result: Result<(), Delivery>,
    },
    Stop,
}

/// A spoken message that is complete.
pub(super) struct Spoken {
    pub call: CallId,
    pub caller: String,
    pub mailbox: Mailbox,
    pub kept: Kept,
    pub bundle: Arc<SwitchBundle>,
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
        // Never full for its own answers: there are no more of them than deliveries at once.
        let mut keeper = Keeper::new(outbox, outside, desk, (control.clone(), jobs.clone()), figures.clone());
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

    pub(super) fn spoken(&self, spoken: Spoken) {
        let (call, file) = (spoken.call, spoken.kept.file.clone());
        if self.jobs.try_send(Job::Spoken(spoken)).is_err() {
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

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
