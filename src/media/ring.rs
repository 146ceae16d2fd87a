//! The way of recorded audio from the media threads to the recorder: one bounded ring of frames per worker, and one
//! channel for what must not be lost (a recording begins, a recording ends).
//!
//! A full ring drops the frame and counts it; a media thread never waits for a disk. The channel is bounded by what it
//! tells of: two notes for each recording.

use super::command::RecordingId;
use super::tap::TapFrame;
use crate::ids::CallId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

/// Frames in one worker's ring, about 17 MB: what a disk may hang, two thirds of a second with 500 recorded calls, 13 s
/// with 25.
pub const RING_FRAMES: usize = 32_768;

/// Order: a note is sent before the frames that follow it are pushed, and after the frames that precede it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapNote {
    Open {
        at: Instant,
        recording: RecordingId,
        call: CallId,
    },
    Close {
        at: Instant,
        recording: RecordingId,
    },
    /// The recorder is to finish its files and end.
    Stop,
}

/// The worker's end.
pub struct TapWriter {
    frames: rtrb::Producer<TapFrame>,
    notes: mpsc::Sender<TapNote>,
    dropped: Arc<AtomicU64>,
}

impl TapWriter {
    pub fn note(&self, note: TapNote) {
        // Without a recorder there is nothing to tell; the call goes on unrecorded, which the recorder's end announced.
        let _ = self.notes.send(note);
    }

    pub fn push(&mut self, frame: TapFrame) {
        if self.frames.push(frame).is_err() {
            self.lose();
        }
    }

    /// A packet that is not recorded.
    pub fn lose(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// The recorder's end.
pub struct TapReaders {
    pub rings: Vec<rtrb::Consumer<TapFrame>>,
    pub notes: mpsc::Receiver<TapNote>,
    /// For the recorder's own use: to be told to stop.
    pub stop: mpsc::Sender<TapNote>,
    dropped: Arc<AtomicU64>,
}

impl TapReaders {
    /// A counter of the packets that are not recorded: a ring was full, or they were too long for it.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        self.dropped.clone()
    }
}

/// A writer for each of `workers` threads and the one reader of all of them.
pub fn tap_rings(workers: usize, frames: usize) -> (Vec<TapWriter>, TapReaders) {
    let (stop, notes) = mpsc::channel();
    let dropped = Arc::new(AtomicU64::new(0));
    let mut rings = Vec::with_capacity(workers);
    let writers = (0..workers)
        .map(|_| {
            let (producer, consumer) = rtrb::RingBuffer::new(frames);
            rings.push(consumer);
            TapWriter { frames: producer, notes: stop.clone(), dropped: dropped.clone() }
        })
        .collect();
    (writers, TapReaders { rings, notes, stop, dropped })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::tap::Side;
    use crate::sdp::spec::Codec;

    #[test]
    fn a_full_ring_is_counted_and_does_not_wait() {
        let (mut writers, readers) = tap_rings(1, 2);
        let frame = TapFrame::empty(RecordingId(1), Side::Near, Codec::Pcmu, Instant::now());
        (0..5).for_each(|_| writers[0].push(frame));
        assert_eq!(readers.rings[0].slots(), 2);
        assert_eq!(readers.dropped().load(Ordering::Relaxed), 3);
    }
}
