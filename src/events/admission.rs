//! How urgent a call is, and why it was not let in.

use serde::{Deserialize, Serialize};

/// How urgent a new call is, the most urgent first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The green channel.
    Urgent,
    #[default]
    Service,
    Marketing,
    /// Calls to the outside that an agent or the switch itself places.
    Outbound,
}

impl Class {
    pub const ALL: [Class; 4] = [Self::Urgent, Self::Service, Self::Marketing, Self::Outbound];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Service => "service",
            Self::Marketing => "marketing",
            Self::Outbound => "outbound",
        }
    }
}

/// Why an INVITE never became a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The total of calls that this switch may hold is reached.
    TotalCap,
    /// The budget of the number holds as many calls as it may.
    BudgetCeiling,
    /// What is free is kept for the guarantees of other budgets, or for more urgent calls.
    Reserved,
    /// More came than a second may bring; refused unread.
    RateCap,
    /// The switch falls behind and turns away the less urgent; refused unread.
    Overload,
    /// The trunk that it came by carries all the calls that were agreed.
    TrunkCap,
    /// No RTP port is free.
    NoPort,
    Draining,
    NotOpen,
    BadCredentials,
    NoCodec,
    BadRequest,
    LoopDetected,
}

impl Refusal {
    /// The SIP status of a call that there is no room for. 503 asks a carrier to send nothing for a while, and may mark
    /// the whole trunk as down (RFC 3261 21.5.4): where other calls are welcome, only this one is told busy.
    pub fn status_of_full(self) -> u16 {
        match self {
            Self::BudgetCeiling | Self::Reserved => 486,
            _ => 503,
        }
    }
}
