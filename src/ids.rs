//! Identities of everything the switch talks about, and [`Redacted`] for what a log may not show in clear.
//!
//! Counted ids (`CallId`, `LegId`, `TicketId`) grow within a process and never repeat across restarts, because
//! their base is the start time. Named ids come from configuration and are cheap to clone and ordered.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

macro_rules! counted_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:x}", self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:x})"), self.0)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
        impl TryFrom<String> for $name {
            type Error = std::num::ParseIntError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                u64::from_str_radix(text, 16).map($name)
            }
        }
    };
}

macro_rules! named_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(name: impl AsRef<str>) -> Self {
                Self(Arc::from(name.as_ref()))
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

counted_id!(
    /// One caller's contact with the switch, from the first INVITE to the last leg's end.
    CallId
);
counted_id!(
    /// One party of a call: its dialog and its media stream.
    LegId
);
counted_id!(
    /// A caller's place in a queue.
    TicketId
);
named_id!(
    /// An agent, by the extension number that the agent registers with.
    AgentId
);
named_id!(QueueId);
named_id!(TrunkId);
named_id!(ProjectId);
named_id!(
    /// A plan by which one project lends agents to another.
    PlanId
);
named_id!(
    /// Something that agents can do, each to a level from 0 to 100.
    SkillId
);
named_id!(
    /// Content hash of a bundle (flows, prompts manifest, lookups, calendars), in hex.
    FlowVersion
);

/// A value that logs show masked. `Display` and `Debug` keep the last two characters only; [`Redacted::expose`]
/// and serialisation (records, which have their own access rules) give it in clear.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl From<&str> for Redacted<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl From<String> for Redacted<String> {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl<T: AsRef<str>> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_ref();
        let shown = if text.chars().count() > 4 { 2 } else { 0 };
        let hidden = text.chars().count() - shown;
        for _ in 0..hidden.min(16) {
            f.write_str("*")?;
        }
        text.chars().skip(hidden).try_for_each(|c| write!(f, "{}", c.escape_default()))
    }
}

impl<T: AsRef<str>> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_number_shows_its_last_two_digits_only() {
        assert_eq!(Redacted::new("13800138000").to_string(), "*********00");
        assert_eq!(format!("{:?}", Redacted::new("1001".to_string())), "****");
    }

    #[test]
    fn a_logged_value_cannot_forge_a_log_line() {
        assert_eq!(Redacted::new("abcdef\n\u{1b}").to_string(), "******\\n\\u{1b}");
    }

    #[test]
    fn a_counted_id_reads_back_what_it_prints() {
        let id = CallId(0x19a_bcde_f012);
        assert_eq!(id.to_string().parse::<CallId>().ok(), Some(id));
    }
}
