//! The thread around a worker's handshakes: what a handshake costs would be a gap in the audio of all other calls.

use super::handshake::{Handshakes, Identity, Note, Said, What};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// Datagrams that may wait: those of some 40 handshakes that begin at once.
const NOTES: usize = 256;
/// Of these, for the beginnings and ends of handshakes: a few peers that flood must not be able to stop those of others.
const KEPT: usize = NOTES / 2;
/// What waits for the worker, which looks at least once a millisecond when it has much to do.
pub(super) const SAID: usize = 1024;
/// With nothing under way.
const IDLE: Duration = Duration::from_secs(60);
/// The worker has not taken what waits for it.
const RETRY: Duration = Duration::from_millis(1);

/// The worker's end. Rings, as the worker must never wait for a thread that it outranks.
pub(super) struct Handshaker {
    notes: rtrb::Producer<Note>,
    stop: Arc<AtomicBool>,
    thread: Thread,
}

/// `wake` makes the worker look at what was `said`.
pub(super) fn spawn(
    identity: Identity,
    name: String,
    said: rtrb::Producer<Said>,
    wake: impl Fn() + Send + 'static,
) -> io::Result<(Handshaker, JoinHandle<()>)> {
    let (notes, notes_out) = rtrb::RingBuffer::new(NOTES);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        Loop { handshakes: Handshakes::new(identity), notes: notes_out, said, waiting: None, wake }.run(&stopped);
    })?;
    Ok((Handshaker { notes, stop, thread: thread.thread().clone() }, thread))
}

impl Handshaker {
    /// `false`: too much waits, or the thread is gone.
    pub fn hand(&mut self, note: Note) -> bool {
        let has_room = !matches!(note.what, What::Datagram { .. }) || self.notes.slots() > KEPT;
        let handed = has_room && !self.notes.is_abandoned() && self.notes.push(note).is_ok();
        self.thread.unpark();
        handed
    }
}

impl Drop for Handshaker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

struct Loop<W> {
    handshakes: Handshakes,
    notes: rtrb::Consumer<Note>,
    said: rtrb::Producer<Said>,
    /// What found no room.
    waiting: Option<Said>,
    wake: W,
}

impl<W: Fn()> Loop<W> {
    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            while let Ok(note) = self.notes.pop() {
                self.handshakes.handle(Instant::now(), note);
                self.hand_over();
            }
            let now = Instant::now();
            self.handshakes.handle_timeout(now);
            self.hand_over();
            let pause = match (&self.waiting, self.handshakes.next_timeout()) {
                (Some(_), _) => RETRY,
                (None, Some(due)) => due.saturating_duration_since(now),
                (None, None) => IDLE,
            };
            // A note that comes in between has left a token, and this returns at once.
            std::thread::park_timeout(pause);
        }
    }

    fn hand_over(&mut self) {
        let mut handed = false;
        while let Some(said) = self.waiting.take().or_else(|| self.handshakes.poll()) {
            if let Err(rtrb::PushError::Full(said)) = self.said.push(said) {
                self.waiting = Some(said);
                break;
            }
            handed = true;
        }
        if handed {
            (self.wake)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::LegId;

    #[test]
    fn peers_that_flood_leave_room_for_the_handshakes_of_others() {
        let (notes, notes_out) = rtrb::RingBuffer::new(NOTES);
        let mut handshaker = Handshaker { notes, stop: Arc::default(), thread: std::thread::current() };
        let note = |what| Note { leg: LegId(1), association: 1, what };
        let datagram = || What::Datagram { from: ([192, 0, 2, 1], 4000).into(), octets: Box::default() };
        assert_eq!((0..NOTES).filter(|_| handshaker.hand(note(datagram()))).count(), NOTES - KEPT);
        assert_eq!((0..NOTES).filter(|_| handshaker.hand(note(What::Answered))).count(), KEPT);
        drop(notes_out);
        assert!(!handshaker.hand(note(What::End)));
    }
}
