//! The recorder's thread: drains the rings of all media workers and keeps one file per recording.
//!
//! A disk that fails costs the recording, which is told; the call goes on. A disk that is slow lets the rings fill, and
//! the media threads drop and count what finds no room.

use super::file::{self, WavFile};
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
    /// Found unfinished at the start and completed.
    Recovered {
        file: String,
        length_ms: u64,
    },
}

/// Owns the recorder. Dropping it completes all files and ends the thread; drop the media workers first.
pub struct Recorder {
    stop: Sender<TapNote>,
    dropped: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Records into `folder`, which is made if need be. `notify` is called on the recorder's thread.
    pub fn spawn(
        folder: PathBuf,
        taps: TapReaders,
        notify: impl Fn(RecordingNotice) + Send + 'static,
    ) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let lock = lock(&folder)?;
        let (stop, dropped) = (taps.stop.clone(), taps.dropped());
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || {
            let run = std::panic::AssertUnwindSafe(|| {
                for (file, length_ms) in file::recover(&folder) {
                    notify(RecordingNotice::Recovered { file, length_ms });
                }
                Desk { folder, notify, recordings: BTreeMap::new(), samples: Vec::new() }.run(taps);
            });
            if std::panic::catch_unwind(run).is_err() {
                tracing::error!(
                    "the recorder stopped by a fault of its own, calls go on unrecorded: restart the switch"
                );
            }
            drop(lock);
        })?;
        Ok(Self { stop, dropped, thread: Some(thread) })
    }

    /// Frames that found a ring full, since the start: 20 ms of one side each.
    pub fn dropped_frames(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
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
    recordings: BTreeMap<RecordingId, Recording>,
    /// Reused between writes.
    samples: Vec<Stereo>,
}

struct Recording {
    call: CallId,
    line: Timeline,
    file: WavFile,
    next_write: Instant,
}

impl<N: Fn(RecordingNotice)> Desk<N> {
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
        if let Some(recording) = self.recordings.get_mut(&frame.recording) {
            recording.line.place(frame);
        }
    }

    fn write_due(&mut self, now: Instant) {
        let mut failed = Vec::new();
        for (id, recording) in self.recordings.iter_mut().filter(|(_, recording)| recording.next_write <= now) {
            self.samples.clear();
            recording.line.take(now, &mut self.samples);
            recording.next_write = now + WRITE_EVERY;
            match recording.file.write(&self.samples) {
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
        self.samples.clear();
        recording.line.finish(at, &mut self.samples);
        let (call, file) = (recording.call, recording.file.name().to_string());
        let length_ms = u64::try_from(recording.line.taken() * 1000 / RATE).unwrap_or(0);
        match recording.file.write(&self.samples).and_then(|()| recording.file.finish()) {
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
