//! What holds where a file says nothing, each with its reason.

use super::{Auth, Limits, MessagePolicy, Queue, Recording, Records, Sip};
use crate::acd::{Dispositions, Matching};
use crate::ids::QueueId;
use crate::sip::digest::Algorithm;
use crate::sip::endpoint::ReliableProvisional;
use std::time::Duration;

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Two legs each out of the default 5,000 port pairs, with room for those being closed.
            calls: 2_000,
            // What a machine can do depends on it and on the flows; measured, not guessed.
            calls_per_second: None,
            // An ordinary conversation may end; a service manager's own limit is usually above this.
            drain_timeout: Duration::from_secs(600),
            // Phones that suppress silence still send something within 20 s.
            rtp_timeout: Duration::from_secs(20),
        }
    }
}

impl Default for Sip {
    fn default() -> Self {
        // What RFC 4028 recommends, and the least that it allows.
        Self {
            session_expires: Duration::from_secs(1800),
            min_se: Duration::from_secs(90),
            message: MessagePolicy::Refuse,
            reliable_provisional: ReliableProvisional::default(),
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        // Long enough that a phone which registers each minute is challenged rarely, short enough to bound a replay.
        Self { nonce_ttl: Duration::from_secs(300), algorithms: Algorithm::OFFERED.to_vec(), admin_token_file: None }
    }
}

impl Default for Recording {
    fn default() -> Self {
        Self { enabled: true, pause_key: None }
    }
}

impl Default for Records {
    fn default() -> Self {
        // A year's comparison with the same month; single events are for looking into a recent call.
        Self { cdr_days: 400, journal_days: 30 }
    }
}

impl Queue {
    pub fn named(id: QueueId) -> Self {
        Self {
            matching: Matching::default(),
            dispositions: Dispositions::default(),
            id,
            ring_timeout: Duration::from_secs(20),
            wrap_up: Duration::from_secs(10),
            max_wait: Duration::from_secs(600),
            max_len: 200,
        }
    }
}
