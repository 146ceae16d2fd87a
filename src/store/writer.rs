//! The writer's thread: notes events in the spool within milliseconds, folds them into call records, and commits both to
//! the database a few times a second. The sender's side never blocks.

use super::spool::Spool;
use super::sqlite::{Batch, Database};
use super::{Alarm, Reader, StoreError, StoreOptions};
use crate::cdr::Fold;
use crate::events::{EventKind, SwitchEvent};
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the first event waits for company before it is noted in the spool: what a kill -9 may cost. The thread is
/// asleep meanwhile, not waiting on the channel, so that senders pay no wake-up for each event.
const GATHER: Duration = Duration::from_millis(20);
/// From then to the commit. A commit costs some 200 us of CPU whatever its size; four a second are nothing, and whoever
/// reads asks for one first.
const COMMIT: Duration = Duration::from_millis(250);
/// Events in one transaction, and what brings a commit forward.
const BATCH: usize = 2_000;
/// Events not yet in the database, some 500 octets each: a lock is ridden out for a minute at 60 calls/s.
const MAX_QUEUED: u64 = 100_000;
/// Beyond the bound the beginnings and ends of calls are still taken, so that each call keeps its record.
const MAX_QUEUED_ENDS: u64 = 125_000;
/// After a refused commit, before the next one.
const RETRY: Duration = Duration::from_millis(250);
/// Old rows are looked for this often, and a few at a time, so that no commit takes long.
const PRUNE: Duration = Duration::from_secs(600);
/// Without success for this long, the alarm is raised again.
const REMIND: Duration = Duration::from_secs(60);
/// While calls are open and say nothing, the run notes this often that it is alive: by so much the record of a call that
/// a kill interrupts may be short.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Figures of the store since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Accepted and not yet in the database.
    pub queued: u64,
    pub written: u64,
    /// Refused because the queue was full.
    pub dropped: u64,
    /// Writes that failed and were tried again.
    pub failures: u64,
}

#[derive(Default)]
struct Counters {
    queued: AtomicU64,
    /// Values on their way to the writer. Those that it has take the place of older ones.
    keeping: AtomicU64,
    written: AtomicU64,
    dropped: AtomicU64,
    failures: AtomicU64,
}

enum Message {
    Event(Box<SwitchEvent>),
    Keep(String, Option<String>),
    /// Answered when all that came before is in the database, or not at all.
    Flush(SyncSender<()>),
    /// The last message: write what is left and end.
    End,
}

/// The sender's side. Cloning it is cheap.
#[derive(Clone)]
pub struct StoreHandle {
    sender: Sender<Message>,
    counters: Arc<Counters>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl StoreHandle {
    pub(super) fn spawn(
        database: Database,
        spool: Spool,
        lock: File,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = channel();
        let counters = Arc::new(Counters::default());
        let now = Instant::now();
        let mut writer = Writer {
            database,
            spool,
            fold: Fold::new(),
            batch: Batch::default(),
            counters: counters.clone(),
            flushes: Vec::new(),
            trouble: None,
            spool_trouble: None,
            last_sign: (0, now),
            next_beat: now,
            told_lost: 0,
            last_lost: None,
            alarm: options.alarm,
            reader: options.reader,
            cdr_days: options.cdr_days,
            journal_days: options.journal_days,
            next_prune: now,
            next_commit: now,
            _lock: lock,
        };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || {
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writer.run(&receiver))).is_err() {
                (writer.alarm)("call records are written no more, by a fault of ours: restart, and report it".into());
            }
        });
        let thread =
            thread.map_err(|error| StoreError::new(&options.path, format!("cannot start a thread: {error}")))?;
        Ok(Self { sender, counters, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Hands an event over. Never waits; `false` means that the queue is full and the event is lost, which is counted.
    pub fn record(&self, event: SwitchEvent) -> bool {
        let ends = event.kind.begins_call()
            || matches!(event.kind, EventKind::CallEnded { .. } | EventKind::CallRefused { .. });
        let bound = if ends { MAX_QUEUED_ENDS } else { MAX_QUEUED };
        let taken = self.counters.queued.fetch_add(1, Ordering::Relaxed) < bound
            && self.sender.send(Message::Event(Box::new(event))).is_ok();
        if !taken {
            self.counters.queued.fetch_sub(1, Ordering::Relaxed);
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Puts `value` under `name`, or takes away what is there, for the next start to find. Never waits; what finds no room is
    /// counted like a lost event, and the next value mends it.
    pub fn keep(&self, name: &str, value: Option<String>) {
        let room = self.counters.keeping.fetch_add(1, Ordering::Relaxed) < MAX_QUEUED;
        if !room || self.sender.send(Message::Keep(name.to_owned(), value)).is_err() {
            self.counters.keeping.fetch_sub(1, Ordering::Relaxed);
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
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

    /// Waits until all that was recorded before is in the database. `false` when that took longer than `limit`. Blocks:
    /// not for the call path.
    pub fn flush(&self, limit: Duration) -> bool {
        let (done, wait) = sync_channel(1);
        self.sender.send(Message::Flush(done)).is_ok() && wait.recv_timeout(limit).is_ok()
    }

    /// Writes what is left and ends the thread; other handles are of no use afterwards. Blocks up to `limit`. After
    /// `false` the rest is in the spool and comes into the database at the next start.
    pub fn close(&self, limit: Duration) -> bool {
        let flushed = self.flush(limit);
        let _ = self.sender.send(Message::End);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A thread that did not write in time may not end in time either.
        flushed && thread.is_none_or(|thread| thread.join().is_ok())
    }
}

struct Writer {
    database: Database,
    spool: Spool,
    fold: Fold,
    batch: Batch,
    counters: Arc<Counters>,
    /// Who waits for all of the present batch to be in the database.
    flushes: Vec<SyncSender<()>>,
    trouble: Option<Trouble>,
    spool_trouble: Option<Trouble>,
    /// The wall clock of the last event, and when it came.
    last_sign: (u64, Instant),
    /// An event is a sign of life itself.
    next_beat: Instant,
    /// Lost events that an alarm has told of.
    told_lost: u64,
    last_lost: Option<Instant>,
    alarm: Alarm,
    reader: Reader,
    cdr_days: u32,
    journal_days: u32,
    next_prune: Instant,
    next_commit: Instant,
    /// Held for as long as this process writes the database.
    _lock: File,
}

/// Writes have failed since `since`.
struct Trouble {
    since: Instant,
    reminded: Instant,
}

impl Trouble {
    /// Whether the failure of a write is to be told: the first, and one a minute.
    fn is_news(trouble: &mut Option<Trouble>, now: Instant) -> bool {
        match trouble {
            Some(trouble) if now.duration_since(trouble.reminded) < REMIND => false,
            Some(trouble) => {
                trouble.reminded = now;
                true
            }
            None => {
                *trouble = Some(Trouble { since: now, reminded: now });
                true
            }
        }
    }
}

impl Writer {
    fn run(&mut self, receiver: &Receiver<Message>) {
        loop {
            let open = self.gather(receiver);
            let asked = !self.flushes.is_empty() || !open || self.batch.len() >= BATCH;
            let due = Instant::now() >= self.next_commit;
            if due || (asked && self.trouble.is_none()) {
                self.save();
            }
            if !open {
                return;
            }
            if self.batch.is_empty() && Instant::now() >= self.next_prune {
                self.prune();
            }
            self.beat();
        }
    }

    /// Waits for something to do, takes all there is and notes it in the spool. `false` when no more will come.
    fn gather(&mut self, receiver: &Receiver<Message>) -> bool {
        let until = match (self.batch.is_empty(), self.fold.open_calls().len()) {
            (true, 0) => self.next_prune,
            (true, _) => self.next_prune.min(self.next_beat),
            (false, _) => self.next_commit,
        };
        let mut open = match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(message) => self.take(message),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        if open && self.flushes.is_empty() {
            std::thread::sleep(GATHER);
        }
        while open {
            open = match receiver.try_recv() {
                Ok(message) => self.take(message),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => false,
            };
        }
        self.note();
        open
    }

    /// Notes in the spool what was gathered.
    fn note(&mut self) {
        if self.batch.unspooled().is_empty() {
            return;
        }
        let spooled = self.spool.append(self.batch.unspooled());
        self.batch.spooled();
        match spooled {
            Err(error) => {
                self.counters.failures.fetch_add(1, Ordering::Relaxed);
                if Trouble::is_news(&mut self.spool_trouble, Instant::now()) {
                    (self.alarm)(format!(
                        "a kill would cost the last events: the file beside the database cannot be written ({error})"
                    ));
                }
            }
            Ok(()) => {
                if let Some(trouble) = self.spool_trouble.take() {
                    let for_s = trouble.since.elapsed().as_secs();
                    (self.alarm)(format!("the file beside the database is written again after {for_s} s"));
                }
            }
        }
    }

    /// Notes that the run is alive, if calls are open that do not say so themselves.
    fn beat(&mut self) {
        let now = Instant::now();
        if self.fold.open_calls().len() == 0 || now < self.next_beat {
            return;
        }
        self.next_beat = now + HEARTBEAT;
        let (wall, at) = self.last_sign;
        self.database.note_alive(wall + now.duration_since(at).as_millis() as u64);
    }

    /// `false` for the last message.
    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Event(event) => {
                if self.batch.is_empty() {
                    self.next_commit = Instant::now() + COMMIT;
                }
                let now = Instant::now();
                (self.last_sign, self.next_beat) = ((event.wall, now), now + HEARTBEAT);
                let record = self.fold.apply(&event);
                record.iter().for_each(&self.reader);
                self.batch.push(&event, record);
            }
            Message::Keep(name, value) => {
                if self.batch.is_empty() {
                    self.next_commit = Instant::now() + COMMIT;
                }
                self.counters.keeping.fetch_sub(1, Ordering::Relaxed);
                self.batch.keep(name, value);
            }
            Message::Flush(done) => self.flushes.push(done),
            Message::End => return false,
        }
        true
    }

    /// Commits all that was gathered, in parts. What the database refuses stays for the next try.
    fn save(&mut self) {
        while !self.batch.is_empty() {
            match self.database.commit(&mut self.batch, BATCH) {
                Ok(count) => {
                    self.counters.written.fetch_add(count, Ordering::Relaxed);
                    self.counters.queued.fetch_sub(count, Ordering::Relaxed);
                }
                Err(error) => {
                    self.next_commit = Instant::now() + RETRY;
                    return self.failed(&error.to_string());
                }
            }
        }
        // What stays in the spool is recognised by its sequence numbers at the next start.
        let _ = self.spool.clear();
        self.recovered();
        for flush in self.flushes.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = flush.try_send(());
        }
    }

    fn failed(&mut self, error: &str) {
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        if !Trouble::is_news(&mut self.trouble, now) {
            return;
        }
        let queued = self.counters.queued.load(Ordering::Relaxed);
        (self.alarm)(format!(
            "call records cannot be written ({error}); {queued} events wait in memory, which has room for {MAX_QUEUED}"
        ));
    }

    /// After a commit: tells that trouble is over, or that events were lost because the disk was too slow.
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
