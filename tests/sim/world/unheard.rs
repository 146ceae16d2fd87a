//! INVITEs of the switch to which no answer came back in time: RFC 3261 9.1 forbids to cancel them, so a phone that did get
//! one rings until its user minds, and nobody is to blame.

use hotline::sip::message::Message;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// 64*T1: Timer B.
const GIVEN_UP: Duration = Duration::from_secs(32);

#[derive(Default)]
pub struct Unheard {
    /// By Call-ID.
    since: BTreeMap<String, Instant>,
}

impl Unheard {
    pub fn invited(&mut self, call_id: &str, now: Instant) {
        self.since.insert(call_id.into(), now);
    }

    /// A message of a phone that the line carries.
    pub fn carried(&mut self, message: &[u8], now: Instant) {
        let Ok(message) = Message::parse(bytes::Bytes::copy_from_slice(message)) else { return };
        if let Ok(call_id) = message.call_id()
            && self.since.get(call_id).is_some_and(|since| now < *since + GIVEN_UP)
        {
            self.since.remove(call_id);
        }
    }

    pub fn contains(&self, call_id: &str) -> bool {
        self.since.contains_key(call_id)
    }
}
