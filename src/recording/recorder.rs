//! The recorder's thread: drains the rings of all media workers and keeps one file per recording.
//!
//! A disk that fails costs the recording, which is told; the call goes on. A disk that is slow lets the rings fill, and
//! the media threads drop and count what finds no room.

use super::file::{self, Recovered, Safe, WavFile};
use super::timeline::Timeline;
use super::{RATE, Stereo};
use crate::ids::CallId;
use crate::media::ring::{TapNote, TapReaders};
use crate::media::{RecordingId, TapFrame};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the rings are emptied while anything is recorded: a tenth of what they hold at full load.
const DRAIN_EVERY: Duration = Duration::from_millis(20);
/// How often a file grows. With the 400 ms that the line is kept open for late packets, a killed process loses less
/// than one second of a recording.
const WRITE_EVERY: Duration = Duration::from_millis(500);
/// Loss that goes on is told of this often.
const REMIND: Duration = Duration::from_secs(60);
/// The size field of a WAV file ends after 37 hours; no call lasts half a day.
const LONGEST: i64 = 12 * 3600 * RATE;

/// What became of a recording. `file` is the path below the recordings folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingNotice {
    Started {
        recording: RecordingId,
        call: CallId,
        file: String,
    },
    Ended {
        recording: RecordingId,
        call: CallId,
        file: String,
        length_ms: u64,
    },
    /// The call goes on without it. What was written stays, as `<file>.part`.
    Failed {
        recording: RecordingId,
        call: CallId,
        file: String,
        error: String,
    },
    /// Audio that found a ring full, since the start: 20 ms of one side each. Told when it begins and once a minute.
    FramesLost {
        count: u64,
    },
    /// By a fault of ours nothing is recorded any more.
    Stopped,
}

/// Owns the recorder. Dropping it completes all files and ends the thread; drop the media workers first.
pub struct Recorder {
    stop: Sender<TapNote>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Records into `archive`. `notify` is called on the recorder's thread.
    pub fn spawn(
        archive: Archive,
        taps: TapReaders,
        notify: impl FnMut(RecordingNotice) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = taps.stop.clone();
        let mut notify = notify;
        let safe = Safe::spawn()?;
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || {
            let Archive { folder, lock } = archive;
            let dropped = Lost { frames: taps.dropped(), told: None };
            let run = std::panic::AssertUnwindSafe(|| {
                let notify = &mut notify;
                Desk { folder, notify, safe, dropped, recordings: BTreeMap::new(), samples: Vec::new() }.run(taps);
            });
            if std::panic::catch_unwind(run).is_err() {
                notify(RecordingNotice::Stopped);
            }
            drop(lock);
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

/// The folder of the recordings, held by this process alone.
pub struct Archive {
    folder: PathBuf,
    lock: File,
}

impl Archive {
    /// Makes the folder if need be, and completes what a killed process left in it.
    pub fn open(folder: PathBuf) -> io::Result<(Self, Vec<Recovered>)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let lock = lock(&folder)?;
        let recovered = file::recover(&folder);
        Ok((Self { folder, lock }, recovered))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.stop.send(TapNote::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Two processes in one folder would complete each other's running recordings.
fn lock(folder: &Path) -> io::Result<File> {
    let path = folder.join(".lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("another hotline records into {}: stop it or name another folder", folder.display()),
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

struct Desk<N> {
    folder: PathBuf,
    notify: N,
    safe: Safe,
    dropped: Lost,
    recordings: BTreeMap<RecordingId, Recording>,
    /// Reused between writes.
    samples: Vec<Stereo>,
}

/// Frames that found a ring full.
struct Lost {
    frames: Arc<AtomicU64>,
    /// How many were told of, and when.
    told: Option<(u64, Instant)>,
}

impl Lost {
    /// The number, when it is time to tell it.
    fn news(&mut self, now: Instant) -> Option<u64> {
        let count = self.frames.load(Ordering::Relaxed);
        let due = match self.told {
            None => count > 0,
            Some((told, at)) => count > told && now.duration_since(at) >= REMIND,
        };
        due.then(|| {
            self.told = Some((count, now));
            count
        })
    }
}

struct Recording {
    call: CallId,
    line: Timeline,
    file: WavFile,
    next_write: Instant,
}

impl Recording {
    /// Writes what is due at `now`, in chunks.
    fn write_until(&mut self, now: Instant, samples: &mut Vec<Stereo>) -> io::Result<()> {
        loop {
            samples.clear();
            let more = self.line.take(now, samples);
            self.file.write(samples)?;
            if !more {
                return Ok(());
            }
        }
    }
}

impl<N: FnMut(RecordingNotice)> Desk<N> {
    fn run(mut self, mut taps: TapReaders) {
        // Ends that were told before the rings were last emptied: nothing of theirs can come any more.
        let mut ending: Vec<TapNote> = Vec::new();
        loop {
            let note = if self.recordings.is_empty() && ending.is_empty() {
                taps.notes.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                taps.notes.recv_timeout(DRAIN_EVERY)
            };
            match note {
                Ok(note) => self.take_note(note, &mut ending),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => ending.push(TapNote::Stop),
            }
            while let Ok(note) = taps.notes.try_recv() {
                self.take_note(note, &mut ending);
            }
            // What is told while the rings are emptied may belong after frames that are not yet there.
            let mut later = Vec::new();
            for ring in &mut taps.rings {
                for _ in 0..ring.slots() {
                    let Ok(frame) = ring.pop() else { break };
                    if !self.recordings.contains_key(&frame.recording) {
                        while let Ok(note) = taps.notes.try_recv() {
                            self.take_note(note, &mut later);
                        }
                    }
                    self.place(&frame);
                }
            }
            let now = Instant::now();
            for note in std::mem::replace(&mut ending, later) {
                match note {
                    TapNote::Close { at, recording } => self.close(recording, at),
                    TapNote::Stop => {
                        let ids: Vec<_> = self.recordings.keys().copied().collect();
                        ids.into_iter().for_each(|id| self.close(id, now));
                        return;
                    }
                    TapNote::Open { .. } => {}
                }
            }
            self.write_due(now);
            if let Some(count) = self.dropped.news(now) {
                (self.notify)(RecordingNotice::FramesLost { count });
            }
        }
    }

    fn take_note(&mut self, note: TapNote, ending: &mut Vec<TapNote>) {
        match note {
            TapNote::Open { at, recording, call } => self.open(recording, call, at),
            TapNote::Close { .. } | TapNote::Stop => ending.push(note),
        }
    }

    fn open(&mut self, recording: RecordingId, call: CallId, at: Instant) {
        let date = jiff::Zoned::now().date().to_string();
        match WavFile::create(&self.folder, &date, &call.to_string()) {
            Ok(file) => {
                (self.notify)(RecordingNotice::Started { recording, call, file: file.name().into() });
                let line = Timeline::new(at);
                self.recordings.insert(recording, Recording { call, line, file, next_write: at + WRITE_EVERY });
            }
            Err(error) => {
                let file = format!("{date}/{call}.wav");
                (self.notify)(RecordingNotice::Failed { recording, call, file, error: explain(&error) });
            }
        }
    }

    fn place(&mut self, frame: &TapFrame) {
        let Some(recording) = self.recordings.get_mut(&frame.recording) else { return };
        if recording.line.is_behind(frame)
            && let Err(error) = recording.write_until(frame.arrived, &mut self.samples)
        {
            return self.fail(frame.recording, explain(&error));
        }
        recording.line.place(frame);
    }

    fn write_due(&mut self, now: Instant) {
        let mut failed = Vec::new();
        for (id, recording) in self.recordings.iter_mut().filter(|(_, recording)| recording.next_write <= now) {
            recording.next_write = now + WRITE_EVERY;
            match recording.write_until(now, &mut self.samples) {
                Ok(()) if recording.line.taken() < LONGEST => {}
                Ok(()) => failed.push((*id, "longer than 12 hours: start another recording".to_string())),
                Err(error) => failed.push((*id, explain(&error))),
            }
        }
        for (id, error) in failed {
            self.fail(id, error);
        }
    }

    fn close(&mut self, id: RecordingId, at: Instant) {
        let Some(mut recording) = self.recordings.remove(&id) else { return };
        let (call, file) = (recording.call, recording.file.name().to_string());
        let written = recording.write_until(at, &mut self.samples).and_then(|()| {
            self.samples.clear();
            recording.line.finish(at, &mut self.samples);
            recording.file.write(&self.samples)
        });
        let length_ms = u64::try_from(recording.line.taken() * 1000 / RATE).unwrap_or(0);
        match written.and_then(|()| recording.file.finish(&self.safe)) {
            Ok(file) => (self.notify)(RecordingNotice::Ended { recording: id, call, file, length_ms }),
            Err(error) => {
                (self.notify)(RecordingNotice::Failed { recording: id, call, file, error: explain(&error) });
            }
        }
    }

    fn fail(&mut self, id: RecordingId, error: String) {
        let Some(recording) = self.recordings.remove(&id) else { return };
        let file = recording.file.name().to_string();
        (self.notify)(RecordingNotice::Failed { recording: id, call: recording.call, file, error });
    }
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk of the recordings is full: free some space".into()
        }
        io::ErrorKind::PermissionDenied => format!("{error}: give the user of this process the recordings folder"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
