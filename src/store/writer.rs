//! The writer's thread: gathers events for some milliseconds, folds them into call records, and commits both in one
//! transaction. The sender's side never blocks.

use super::sqlite::{Batch, Database};
use super::{Alarm, StoreError, StoreOptions};
use crate::cdr::Fold;
use crate::events::{EventKind, SwitchEvent};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the first event of a batch waits for company: what a kill -9 may cost. One commit costs some 50 us of CPU,
/// so that a hundred a second are half a percent of a core.
const GATHER: Duration = Duration::from_millis(10);
/// Events in one transaction.
const BATCH: usize = 500;
/// Events not yet in the file, some 500 octets each: a locked database is ridden out for a minute at 60 calls/s.
const MAX_QUEUED: u64 = 100_000;
/// Beyond the bound the beginnings and ends of calls are still taken, so that each call keeps its record.
const MAX_QUEUED_ENDS: u64 = 125_000;
/// After a refused commit, before the next one.
const RETRY: Duration = Duration::from_millis(250);
/// Old rows are looked for this often, and a few at a time, so that no commit takes long.
const PRUNE: Duration = Duration::from_secs(600);
/// Without success for this long, the alarm is raised again.
const REMIND: Duration = Duration::from_secs(60);

/// Figures of the store since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Accepted and not yet in the file.
    pub queued: u64,
    pub written: u64,
    /// Refused because the queue was full.
    pub dropped: u64,
    /// Commits that failed and were tried again.
    pub failures: u64,
}

#[derive(Default)]
struct Counters {
    queued: AtomicU64,
    written: AtomicU64,
    dropped: AtomicU64,
    failures: AtomicU64,
}

enum Message {
    Event(Box<SwitchEvent>),
    /// Answered when all that came before is in the file, or not at all.
    Flush(SyncSender<()>),
}

/// The sender's side. Cloning it is cheap; the writer ends when the last one is gone.
#[derive(Clone)]
pub struct StoreHandle {
    sender: Sender<Message>,
    counters: Arc<Counters>,
    thread: Arc<std::sync::Mutex<Option<JoinHandle<()>>>>,
}

impl StoreHandle {
    pub(super) fn spawn(database: Database, lock: File, options: StoreOptions) -> Result<Self, StoreError> {
        let (sender, receiver) = channel();
        let counters = Arc::new(Counters::default());
        let mut writer = Writer {
            database,
            fold: Fold::new(),
            batch: Batch::default(),
            counters: counters.clone(),
            trouble: None,
            told_lost: 0,
            last_lost: None,
            alarm: options.alarm,
            cdr_days: options.cdr_days,
            journal_days: options.journal_days,
            next_prune: Instant::now() + GATHER,
            _lock: lock,
        };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run(&receiver));
        let thread =
            thread.map_err(|error| StoreError::new(&options.path, format!("cannot start a thread: {error}")))?;
        Ok(Self { sender, counters, thread: Arc::new(std::sync::Mutex::new(Some(thread))) })
    }

    /// Hands an event over. Never waits; `false` means that the queue is full and the event is lost, which is counted.
    pub fn record(&self, event: SwitchEvent) -> bool {
        let ends = matches!(
            event.kind,
            EventKind::CallArrived { .. } | EventKind::CallEnded { .. } | EventKind::CallRefused { .. }
        );
        let bound = if ends { MAX_QUEUED_ENDS } else { MAX_QUEUED };
        let taken = self.counters.queued.fetch_add(1, Ordering::Relaxed) < bound
            && self.sender.send(Message::Event(Box::new(event))).is_ok();
        if !taken {
            self.counters.queued.fetch_sub(1, Ordering::Relaxed);
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    pub fn stats(&self) -> StoreStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            queued: read(&self.counters.queued),
            written: read(&self.counters.written),
            dropped: read(&self.counters.dropped),
            failures: read(&self.counters.failures),
        }
    }

    /// Waits until all that was recorded before is in the file. `false` when that took longer than `limit`. Blocks: not
    /// for the call path.
    pub fn flush(&self, limit: Duration) -> bool {
        let (done, wait) = sync_channel(1);
        self.sender.send(Message::Flush(done)).is_ok() && wait.recv_timeout(limit).is_ok()
    }

    /// Writes what is left and ends the thread, if it is the last handle. Blocks up to `limit`.
    pub fn close(self, limit: Duration) -> bool {
        let flushed = self.flush(limit);
        let thread = self.thread.clone();
        drop(self);
        let last = Arc::strong_count(&thread) == 1;
        let joined = thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let (true, true, Some(thread)) = (flushed, last, joined) {
            return thread.join().is_ok();
        }
        flushed
    }
}

struct Writer {
    database: Database,
    fold: Fold,
    batch: Batch,
    counters: Arc<Counters>,
    trouble: Option<Trouble>,
    /// Lost events that an alarm has told of.
    told_lost: u64,
    last_lost: Option<Instant>,
    alarm: Alarm,
    cdr_days: u32,
    journal_days: u32,
    next_prune: Instant,
    /// Held for as long as this process writes the file.
    _lock: File,
}

/// Commits have failed since `since`.
struct Trouble {
    since: Instant,
    reminded: Instant,
}

impl Writer {
    fn run(&mut self, receiver: &Receiver<Message>) {
        let mut flushes: Vec<SyncSender<()>> = Vec::new();
        loop {
            let open = self.gather(receiver, &mut flushes);
            let saved = self.save();
            if saved {
                for flush in flushes.drain(..) {
                    // Whoever asked may have stopped waiting.
                    let _ = flush.try_send(());
                }
            }
            if !open && saved {
                return;
            }
            if !open {
                // All handles are gone and the file still refuses: the process is ending, one more try is all.
                std::thread::sleep(RETRY);
                self.save();
                return;
            }
            if !saved {
                std::thread::sleep(RETRY);
            } else if Instant::now() >= self.next_prune {
                self.prune();
            }
        }
    }

    /// Waits for something to do, then takes all there is. `false` when no more will come.
    fn gather(&mut self, receiver: &Receiver<Message>, flushes: &mut Vec<SyncSender<()>>) -> bool {
        if self.batch.is_empty() {
            match receiver.recv_timeout(self.next_prune.saturating_duration_since(Instant::now())) {
                Ok(message) => self.take(message, flushes),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
            // Asleep, not waiting on the channel: senders then pay no wake-up for each event.
            if flushes.is_empty() {
                std::thread::sleep(GATHER);
            }
        }
        loop {
            match receiver.try_recv() {
                Ok(message) => self.take(message, flushes),
                Err(std::sync::mpsc::TryRecvError::Empty) => return true,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn take(&mut self, message: Message, flushes: &mut Vec<SyncSender<()>>) {
        match message {
            Message::Event(event) => {
                let record = self.fold.apply(&event);
                self.batch.push(&event, record);
            }
            Message::Flush(done) => flushes.push(done),
        }
    }

    /// Commits all that was gathered, in parts. `false` when the file refused; what is left stays for the next try.
    fn save(&mut self) -> bool {
        while !self.batch.is_empty() {
            match self.database.commit(&mut self.batch, BATCH) {
                Ok(count) => {
                    self.counters.written.fetch_add(count, Ordering::Relaxed);
                    self.counters.queued.fetch_sub(count, Ordering::Relaxed);
                }
                Err(error) => {
                    self.counters.failures.fetch_add(1, Ordering::Relaxed);
                    self.failed(&error);
                    return false;
                }
            }
        }
        self.recovered();
        true
    }

    fn failed(&mut self, error: &StoreError) {
        let now = Instant::now();
        let first = self.trouble.is_none();
        let trouble = self.trouble.get_or_insert(Trouble { since: now, reminded: now });
        if !first && now.duration_since(trouble.reminded) < REMIND {
            return;
        }
        trouble.reminded = now;
        let queued = self.counters.queued.load(Ordering::Relaxed);
        (self.alarm)(format!(
            "call records cannot be written ({error}); {queued} events wait in memory, room for {MAX_QUEUED}: free the disk \
             or end the program that holds the file"
        ));
    }

    /// After a commit: tells that trouble is over, or that events were lost because the file was too slow.
    fn recovered(&mut self) {
        let lost = self.counters.dropped.load(Ordering::Relaxed) - self.told_lost;
        if let Some(trouble) = self.trouble.take() {
            let for_s = trouble.since.elapsed().as_secs();
            (self.alarm)(format!("call records are written again after {for_s} s; {lost} events were lost"));
        } else if lost > 0 && self.last_lost.is_none_or(|at| at.elapsed() >= REMIND) {
            self.last_lost = Some(Instant::now());
            (self.alarm)(format!(
                "{lost} events were lost because the disk did not keep up; give the state folder a faster one"
            ));
        } else {
            return;
        }
        self.told_lost += lost;
    }

    fn prune(&mut self) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let more = self.database.prune(wall, self.cdr_days, self.journal_days);
        self.next_prune = Instant::now() + if more { RETRY } else { PRUNE };
    }
}
