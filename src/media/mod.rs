//! The media plane: what every RTP packet means and what is sent in return.
//!
//! [`plane`] and all it names are pure: packets, commands and `now` in; calls on a [`sink::Sink`] out. They never know a
//! socket, a clock, a file or a SIP message. `worker` is the thread around a plane and owns the sockets; `ports` and
//! `prompts` prepare off the call path what a worker needs.
//!
//! RFC 3550 (RTP, RTCP), 3551 (PCMU, PCMA), 4733 (telephone-event), 4961 and 7362 (symmetric RTP, latching), 5761 (mux),
//! 3711 and 7714 (SRTP), 5763 and 5764 (DTLS-SRTP), 8445 (ICE).
//!
//! | file | what it is about |
//! |---|---|
//! | `command`, `sink`, `tap` | the vocabulary with the switch, the shell and the recorder |
//! | `plane` | owns the legs; commands, packets and ticks come in here; `plane/conference` has more than two of them mixed |
//! | `leg` | one party's stream: what is heard from it and what it is sent |
//! | `rtp`, `rtcp` | the two wire formats |
//! | `latch` | which address is believed to be the peer |
//! | `stream` | what arrives: order, loss, jitter (one SSRC at a time) |
//! | `egress` | what leaves: one SSRC, sequence and time line per leg, for life |
//! | `srtp`, `leg/guard` | encryption of a leg's packets (RFC 3711) |
//! | `leg/door`, `checks` | keys from a handshake: who may begin one, and on what way (ICE-lite) |
//! | `handshake`, `handshaker` | the handshakes themselves (`rtc-dtls`); the thread around them |
//! | `screen` | which datagrams a handshake may be given, and how many |
//! | `relay` | one packet from a leg to its bridge partner |
//! | `quality` | how good a direction sounds (ITU-T G.107) |
//! | `capture` | what a party says, to be played back to it |
//! | `dtmf` | keys in and out by RFC 4733 |
//! | `player`, `sounds`, `clip` | prompts, tones and hold music |
//! | `wheel` | who is due in this millisecond |
//! | `codec` | G.711, G.722, Opus |
//! | `pcm` | linear sound: jitter buffer, concealment, rates |
//! | `worker`, `shell` | the thread around a plane; its sockets and outlets |
//! | `socket`, `ports`, `stock` | one UDP socket; pairs bound ahead of need; which of them a call gets next |
//! | `sched` | real-time priority |
//! | `ring` | the way of recorded audio to the recorder |
//! | `prompts`, `resample` | prompt files to clips |
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod audio_file;
pub mod capture;
pub mod checks;
pub mod clip;
pub mod codec;
pub mod command;
pub mod dtmf;
pub mod egress;
pub mod handshake;
mod handshaker;
pub mod latch;
mod leg;
pub mod pcm;
pub mod plane;
pub mod player;
pub mod ports;
pub mod prompts;
pub mod quality;
mod relay;
mod resample;
pub mod ring;
pub mod rtcp;
pub mod rtp;
mod sched;
mod screen;
mod shell;
pub mod sink;
mod socket;
pub mod sounds;
mod speech;
pub mod srtp;
mod stock;
pub mod stream;
pub mod tap;
mod wheel;
pub mod worker;

pub use clip::Clip;
pub use command::{MediaCmd, MediaEvent, Part, PlayId, PlayItem, PortLease, RecordingId, Tone, WorkerId};
pub use plane::Plane;
pub use ports::PortRange;
pub use prompts::ClipLibrary;
pub use sink::{LegSlot, Sink};
pub use sounds::Sounds;
pub use tap::{Side, TapFrame};
pub use worker::{MediaNotice, WorkerConfig, WorkerHandle};

/// Microseconds since the plane's epoch: what the plane's parts reckon in.
pub(crate) type Micros = u64;

const MS: Micros = 1_000;
