//! What the `Switch` says to the media plane and what the plane says back. Pure data, no behaviour.
//!
//! A command names legs, never sockets; every command is idempotent towards a leg that is already gone, so that the
//! two sides need no handshake. Keys are hidden from `Debug`, because a caller's PIN passes here.

use super::clip::Clip;
use crate::events::media::{KeySource, MediaReport, MediaTrouble};
use crate::ids::{CallId, LegId};
use crate::sdp::MediaSpec;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// One media thread. All legs of one call live on one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u16);

/// The right to use one RTP port pair: `port` (even) for RTP and `port + 1` for RTCP. Held by the leg it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortLease {
    pub worker: WorkerId,
    pub port: u16,
}

/// One play on one leg, so that a late `PlayDone` is not taken for that of the next play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordingId(pub u64);

/// Of a conference: more voices than a person can tell apart, and a bound on a turn's work.
pub const MAX_PARTIES: usize = 8;

/// By whom a third party is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// By all.
    Talks,
    /// By nobody.
    Listens,
    /// By this one alone.
    Whispers { to: LegId },
}

#[derive(Clone)]
pub enum MediaCmd {
    /// Opens the leg on a leased port. Nothing is heard or sent before `SetRemote`.
    Create {
        leg: LegId,
        call: CallId,
        port: u16,
    },
    /// After each offer/answer, when media may begin; opens the window in which the peer's address is learned. `via` is
    /// where the peer's signalling comes from.
    SetRemote {
        leg: LegId,
        spec: MediaSpec,
        via: IpAddr,
    },
    /// After an offer/answer by which the stream is a fax (T.38 over UDPTL): datagrams go to the bridged leg as they are, and
    /// nothing else is heard or sent, until `SetRemote`.
    Fax {
        leg: LegId,
        remote: SocketAddr,
    },
    /// Joins two legs; a leg that was joined elsewhere leaves there first.
    Bridge {
        a: LegId,
        b: LegId,
    },
    /// A third party beside the two (or more) that `to` is one of: hears them, and is heard by them as its part is. Said
    /// again, it changes the part. Whoever is there already goes on as before; up to [`MAX_PARTIES`] can be, and what is
    /// beyond is not done.
    Join {
        leg: LegId,
        to: LegId,
        part: Part,
    },
    /// Frees the leg and the one it was joined with. A third party leaves the others to themselves.
    Unbridge {
        leg: LegId,
    },
    /// Replaces what plays. While a play runs, the bridged party is not heard. A bargeable play is stopped by the
    /// first key, here, without asking.
    Play {
        leg: LegId,
        id: PlayId,
        items: Arc<[PlayItem]>,
        repeat: bool,
        bargeable: bool,
    },
    /// Without effect when `id` is no longer what plays.
    StopPlay {
        leg: LegId,
        id: PlayId,
    },
    /// Sends the peer its own audio back.
    Echo {
        leg: LegId,
        on: bool,
    },
    /// Keeps what the peer says from now on, up to `limit`. Answered by `Captured`; replaces a capture under way.
    Capture {
        leg: LegId,
        limit: Duration,
    },
    /// Ends a capture before its limit. Without effect when none is under way.
    StopCapture {
        leg: LegId,
    },
    /// The peer pressed a key by its signalling: as if it had come with its audio, unless it did.
    Press {
        leg: LegId,
        key: char,
        duration_ms: u16,
    },
    /// Sends one key by RFC 4733, or as tones to who does not take that; keys queue behind each other. Answered by
    /// `KeyUnsent` when that is not possible.
    SendDtmf {
        leg: LegId,
        key: char,
        duration_ms: u16,
    },
    /// Keys that the peer presses for us: told by `Feature`, and not passed on. `None` = all keys are for the other party.
    Feature {
        leg: LegId,
        keys: Option<Arc<str>>,
    },
    /// Who takes no telephone-event is not sent its keys as tones either: the plane says which they are, by `KeyUnsent`.
    WithoutTones {
        leg: LegId,
        on: bool,
    },
    /// Left channel = what `near` (the caller) says, right = what `far` says. Ends by itself when `near` is dropped.
    RecordStart {
        call: CallId,
        near: LegId,
        far: Option<LegId>,
        recording: RecordingId,
    },
    /// What is said from now on is silence in the recording, or is in it again.
    RecordPause {
        recording: RecordingId,
        paused: bool,
    },
    RecordStop {
        recording: RecordingId,
    },
    /// Waits until the peer says nothing for `after`, from now on: told by `FellSilent`, once. `None` = no longer.
    AwaitSilence {
        leg: LegId,
        after: Option<Duration>,
    },
    /// Reports `RtpTimeout` when a peer that should send has been silent for `after`; `None` turns it off.
    RtpTimeout {
        leg: LegId,
        after: Option<Duration>,
    },
    /// Says good-bye (RTCP BYE), closes the port and reports `Dropped`, also for a leg that is not there.
    Drop {
        leg: LegId,
    },
}

#[derive(Clone, Debug)]
pub enum PlayItem {
    Clip(Arc<Clip>),
    /// Milliseconds of silence.
    Silence(u32),
    Tone(Tone),
}

/// Sound that is generated, not loaded. Endless ones end by `StopPlay`, a key, or the next play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// One or two frequencies in Hz (0 = none), `level_dbm0` each, `count` times on and off; 0 = endless.
    Cadence { freqs: [u16; 2], level_dbm0: i8, on_ms: u32, off_ms: u32, count: u32 },
    /// Endless. 425 Hz, 1 s on, 4 s off (ITU-T E.180, China and most of Europe).
    Ringback,
    /// Endless, generated from the worker's seed.
    MusicOnHold,
    /// Endless. 1004 Hz at 0 dBm0, the test tone of ITU-T O.9 and Bell practice.
    Milliwatt,
}

#[derive(Clone, PartialEq)]
pub enum MediaEvent {
    /// The peer's audio comes from `remote`; what we send goes there from now on.
    Latched {
        leg: LegId,
        remote: SocketAddr,
    },
    /// The peer pressed a key: once per press, in however many ways it is told, and as soon as it is known.
    Key {
        leg: LegId,
        key: char,
        via: KeySource,
    },
    /// The peer pressed the keys that are for us.
    Feature {
        leg: LegId,
    },
    /// `leg` cannot be sent this key with its audio: it may not be sent to now, too many keys wait, or it takes its keys
    /// by SIP INFO, which is the `Switch`'s to send.
    KeyUnsent {
        leg: LegId,
        key: char,
    },
    /// A play has ended. `heard_ms` counts what was sent; `stopped` = by a key, `StopPlay` or the next play.
    PlayDone {
        leg: LegId,
        id: PlayId,
        heard_ms: u32,
        stopped: bool,
    },
    /// What was said during a `Capture`.
    Captured {
        leg: LegId,
        clip: Arc<Clip>,
    },
    /// The peer has said nothing for as long as was asked.
    FellSilent {
        leg: LegId,
    },
    RtpTimeout {
        leg: LegId,
    },
    Trouble {
        leg: LegId,
        trouble: MediaTrouble,
    },
    Dropped {
        leg: LegId,
        report: MediaReport,
    },
    /// The port is not one that was leased, or the leg exists already.
    CreateFailed {
        leg: LegId,
    },
}

impl fmt::Debug for MediaCmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { leg, call, port } => {
                f.debug_struct("Create").field("leg", leg).field("call", call).field("port", port).finish()
            }
            Self::SetRemote { leg, spec, via } => {
                f.debug_struct("SetRemote").field("leg", leg).field("spec", spec).field("via", via).finish()
            }
            Self::Fax { leg, remote } => f.debug_struct("Fax").field("leg", leg).field("remote", remote).finish(),
            Self::Bridge { a, b } => f.debug_struct("Bridge").field("a", a).field("b", b).finish(),
            Self::Join { leg, to, part } => {
                f.debug_struct("Join").field("leg", leg).field("to", to).field("part", part).finish()
            }
            Self::Unbridge { leg } => f.debug_struct("Unbridge").field("leg", leg).finish(),
            Self::Play { leg, id, items, repeat, bargeable } => f
                .debug_struct("Play")
                .field("leg", leg)
                .field("id", id)
                .field("items", items)
                .field("repeat", repeat)
                .field("bargeable", bargeable)
                .finish(),
            Self::StopPlay { leg, id } => f.debug_struct("StopPlay").field("leg", leg).field("id", id).finish(),
            Self::Echo { leg, on } => f.debug_struct("Echo").field("leg", leg).field("on", on).finish(),
            Self::Capture { leg, limit } => f.debug_struct("Capture").field("leg", leg).field("limit", limit).finish(),
            Self::StopCapture { leg } => f.debug_struct("StopCapture").field("leg", leg).finish(),
            Self::Press { leg, key: _, duration_ms } => {
                f.debug_struct("Press").field("leg", leg).field("duration_ms", duration_ms).finish_non_exhaustive()
            }
            Self::Feature { leg, keys } => f.debug_struct("Feature").field("leg", leg).field("keys", keys).finish(),
            Self::WithoutTones { leg, on } => f.debug_struct("WithoutTones").field("leg", leg).field("on", on).finish(),
            Self::SendDtmf { leg, key: _, duration_ms } => {
                f.debug_struct("SendDtmf").field("leg", leg).field("duration_ms", duration_ms).finish_non_exhaustive()
            }
            Self::RecordStart { call, near, far, recording } => f
                .debug_struct("RecordStart")
                .field("call", call)
                .field("near", near)
                .field("far", far)
                .field("recording", recording)
                .finish(),
            Self::RecordPause { recording, paused } => {
                f.debug_struct("RecordPause").field("recording", recording).field("paused", paused).finish()
            }
            Self::RecordStop { recording } => f.debug_struct("RecordStop").field("recording", recording).finish(),
            Self::AwaitSilence { leg, after } => {
                f.debug_struct("AwaitSilence").field("leg", leg).field("after", after).finish()
            }
            Self::RtpTimeout { leg, after } => {
                f.debug_struct("RtpTimeout").field("leg", leg).field("after", after).finish()
            }
            Self::Drop { leg } => f.debug_struct("Drop").field("leg", leg).finish(),
        }
    }
}

impl fmt::Debug for MediaEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latched { leg, remote } => {
                f.debug_struct("Latched").field("leg", leg).field("remote", remote).finish()
            }
            Self::Key { leg, key: _, via } => {
                f.debug_struct("Key").field("leg", leg).field("via", via).finish_non_exhaustive()
            }
            Self::Feature { leg } => f.debug_struct("Feature").field("leg", leg).finish(),
            Self::KeyUnsent { leg, key: _ } => f.debug_struct("KeyUnsent").field("leg", leg).finish_non_exhaustive(),
            Self::PlayDone { leg, id, heard_ms, stopped } => f
                .debug_struct("PlayDone")
                .field("leg", leg)
                .field("id", id)
                .field("heard_ms", heard_ms)
                .field("stopped", stopped)
                .finish(),
            Self::Captured { leg, clip } => f.debug_struct("Captured").field("leg", leg).field("clip", clip).finish(),
            Self::FellSilent { leg } => f.debug_struct("FellSilent").field("leg", leg).finish(),
            Self::RtpTimeout { leg } => f.debug_struct("RtpTimeout").field("leg", leg).finish(),
            Self::Trouble { leg, trouble } => {
                f.debug_struct("Trouble").field("leg", leg).field("trouble", trouble).finish()
            }
            Self::Dropped { leg, report } => {
                f.debug_struct("Dropped").field("leg", leg).field("report", report).finish()
            }
            Self::CreateFailed { leg } => f.debug_struct("CreateFailed").field("leg", leg).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_command_or_event_never_shows_the_key() {
        let leg = LegId(1);
        let key = '7';
        let sent = [MediaCmd::SendDtmf { leg, key, duration_ms: 100 }, MediaCmd::Press { leg, key, duration_ms: 100 }];
        let got = [MediaEvent::Key { leg, key, via: KeySource::Info }, MediaEvent::KeyUnsent { leg, key }];
        let shown = format!("{sent:?} {got:?}");
        assert!(!shown.contains('7'), "{shown}");
    }
}
