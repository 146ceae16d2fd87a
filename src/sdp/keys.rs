//! How an admin wants a party to be told keys.

/// What is sent for a key. Keys that come are understood in every way, whatever this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyPolicy {
    /// Telephone-event where it is agreed on, else tones in the voice.
    #[default]
    Auto,
    /// Telephone-event or nothing: a party that would take tones for noise.
    Rfc4733,
    /// Telephone-event where it is agreed on, else SIP INFO with `application/dtmf-relay`.
    Info,
    /// The same with `application/dtmf`, the bare key.
    InfoPlain,
    /// Tones: telephone-event is neither offered nor agreed to.
    Inband,
}

impl KeyPolicy {
    pub const fn takes_tones(self) -> bool {
        matches!(self, KeyPolicy::Auto | KeyPolicy::Inband)
    }

    /// Type and body of the INFO that tells a key of so many milliseconds; `None` = not told so.
    pub fn info(self, key: char, duration_ms: u16) -> Option<(&'static str, String)> {
        match self {
            KeyPolicy::Info => Some(("application/dtmf-relay", format!("Signal={key}\r\nDuration={duration_ms}\r\n"))),
            KeyPolicy::InfoPlain => Some(("application/dtmf", key.to_string())),
            KeyPolicy::Auto | KeyPolicy::Rfc4733 | KeyPolicy::Inband => None,
        }
    }
}
