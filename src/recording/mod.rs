//! Recordings of calls: stereo WAV, left the caller, right the other party, 16 bit at 8 kHz.
//!
//! Everything here runs on one ordinary thread, fed by the media workers through rings that drop rather than wait, so no
//! disk, however slow or full, is heard in a call. Knows nothing of SIP, flows or agents.
//!
//! `timeline` places what was received on the line of time (pure); `file` is one WAV on disk; `recorder` is the thread.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod file;
mod recorder;
mod timeline;

pub use file::Recovered;
pub use recorder::{Archive, Recorder, RecordingNotice};

/// Left and right.
type Stereo = [i16; 2];

/// Samples a second.
const RATE: i64 = 8_000;
