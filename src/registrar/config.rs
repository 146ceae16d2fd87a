//! What the registrar grants, and why it refuses.

use super::{MAX_CALL_ID, MAX_PATH};
use std::fmt;
use std::time::Duration;

/// RFC 3261 10.3 step 7: a minimum above an hour may not be asked of a phone.
const LONGEST_MIN_EXPIRES: u32 = 3_600;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrarConfig {
    /// Shorter lifetimes are answered 423. An hour at most.
    pub min_expires_s: u32,
    /// Longer lifetimes are shortened to this.
    pub max_expires_s: u32,
    /// The lifetime of a contact that names none.
    pub default_expires_s: u32,
    pub max_contacts: usize,
    pub max_bindings: usize,
    /// Between two signs of life asked of a phone behind NAT; zero asks none.
    pub keep_alive: Duration,
    pub ring: Ring,
}

/// In which order the devices of one AOR ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ring {
    /// All at once.
    #[default]
    All,
    /// Those with the highest q at once, then those with the next lower one (RFC 3261 16.6).
    ByPreference,
}

impl Default for RegistrarConfig {
    /// A minute at least, because each refresh costs work; an hour at most, because a phone that is gone is called
    /// in vain for as long. Ten devices are more than one person has. NATs forget a datagram's way after 30 s.
    fn default() -> Self {
        Self {
            min_expires_s: 60,
            max_expires_s: 3_600,
            default_expires_s: 3_600,
            max_contacts: 10,
            max_bindings: 100_000,
            keep_alive: Duration::from_secs(25),
            ring: Ring::All,
        }
    }
}

impl RegistrarConfig {
    /// Limits that keep to the RFC and to each other, whatever was written.
    pub(super) fn checked(self) -> Self {
        let min_expires_s = self.min_expires_s.clamp(1, LONGEST_MIN_EXPIRES);
        let max_expires_s = self.max_expires_s.max(min_expires_s);
        let default_expires_s = self.default_expires_s.clamp(min_expires_s, max_expires_s);
        Self { min_expires_s, max_expires_s, default_expires_s, ..self }
    }

    /// RFC 3261 10.3 step 6 and the 423 of step 7.
    pub(super) fn lifetime(&self, asked_s: Option<u32>) -> Result<u32, RegisterError> {
        match asked_s.unwrap_or(self.default_expires_s) {
            0 => Ok(0),
            brief if brief < self.min_expires_s => {
                Err(RegisterError::IntervalTooBrief { min_expires_s: self.min_expires_s })
            }
            lifetime => Ok(lifetime.min(self.max_expires_s)),
        }
    }
}

/// Why a REGISTER changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterError {
    /// A lifetime below the minimum.
    IntervalTooBrief { min_expires_s: u32 },
    /// Not newer than what the same Call-ID registered before (RFC 3261 10.3 step 7): a delayed or repeated request.
    OutOfOrder,
    /// Not a SIP address, or longer than is kept.
    BadContact,
    /// A flow (reg-id) and another contact in one request (RFC 5626 6).
    SeveralFlows,
    /// The Path is longer than is kept.
    PathTooLong,
    /// The Call-ID is longer than is kept.
    CallIdTooLong,
    /// The AOR would have more contacts than it may.
    TooManyContacts,
    /// The registrar holds all the bindings it may.
    Full,
}

impl RegisterError {
    /// The status owed.
    pub fn status(self) -> u16 {
        match self {
            Self::IntervalTooBrief { .. } => 423,
            Self::OutOfOrder => 500,
            Self::BadContact | Self::SeveralFlows | Self::PathTooLong | Self::CallIdTooLong => 400,
            Self::TooManyContacts => 403,
            Self::Full => 503,
        }
    }

    /// The value of the Min-Expires header that a 423 carries.
    pub fn min_expires(self) -> Option<u32> {
        match self {
            Self::IntervalTooBrief { min_expires_s } => Some(min_expires_s),
            _ => None,
        }
    }
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IntervalTooBrief { min_expires_s } => {
                write!(f, "the lifetime is too short; register for {min_expires_s} s or more")
            }
            Self::OutOfOrder => f.write_str("a newer REGISTER of the same Call-ID was seen; raise the CSeq"),
            Self::BadContact => f.write_str("the contact is no SIP address or too long; register a sip: or sips: URI"),
            Self::SeveralFlows => f.write_str("a contact with reg-id stands alone; register each flow by itself"),
            Self::PathTooLong => write!(f, "the Path is too long; use at most {MAX_PATH} octets"),
            Self::CallIdTooLong => write!(f, "the Call-ID is too long; use at most {MAX_CALL_ID} octets"),
            Self::TooManyContacts => f.write_str("too many devices; unregister one, or wait until one expires"),
            Self::Full => f.write_str("no room for more registrations; try again later"),
        }
    }
}

impl std::error::Error for RegisterError {}
