//! How a caller fared in a flow: each question, where it was left, and the one end that the call counts under.

use serde::{Deserialize, Serialize};

/// How one visit of a question went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Times that nothing was pressed.
    #[serde(skip_serializing_if = "is_zero")]
    pub silent: u8,
    #[serde(skip_serializing_if = "is_zero")]
    pub wrong: u8,
    /// Times that the question was heard again at the caller's wish.
    #[serde(skip_serializing_if = "is_zero")]
    pub repeats: u8,
    /// A key was pressed while the question was being said.
    #[serde(skip_serializing_if = "is_false")]
    pub barged: bool,
    /// Keys that were pressed before the question answered it.
    #[serde(skip_serializing_if = "is_false")]
    pub typed_ahead: bool,
    /// The caller asked for a human here.
    #[serde(skip_serializing_if = "is_false")]
    pub opted_out: bool,
}

impl Asked {
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// What a step was doing when the call ended in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum During {
    /// Nothing was said yet, or a system outside was asked.
    Before,
    Prompt,
    /// After the prompt: a key was awaited.
    Answer,
    Queue,
    /// A telephone rang for the caller.
    Ringing,
    Recording,
}

/// What a call that a flow answered counts as: one of these, so that they add up to all calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceEnd {
    /// The caller left within ten seconds or inside the welcome.
    Short,
    /// Served by the flow, the answer heard, and nothing after it that takes that back.
    Resolved,
    /// The caller left while listening or being asked.
    LeftAtInput,
    /// The caller left after silence, a wrong key, or something that failed.
    LeftAfterError,
    /// The caller left in a queue or while a telephone rang.
    LeftWaiting,
    /// The flow itself ended the call, and nothing was resolved.
    Dismissed,
    /// A fault or a stop of the switch ended the call.
    Interrupted,
    /// A human answered whom the caller had asked for.
    OptedOut,
    /// A human answered to whom the flow leads by its plan.
    Routed,
    /// Tries that ran out, something that failed or a limit ended the call or led to a human.
    Forced,
    /// Nobody answered where the flow led first, or it was closed there.
    Overflow,
    Message,
    Callback,
    Emergency,
}

impl ServiceEnd {
    pub const ALL: [ServiceEnd; 14] = [
        Self::Short,
        Self::Resolved,
        Self::LeftAtInput,
        Self::LeftAfterError,
        Self::LeftWaiting,
        Self::Dismissed,
        Self::Interrupted,
        Self::OptedOut,
        Self::Routed,
        Self::Forced,
        Self::Overflow,
        Self::Message,
        Self::Callback,
        Self::Emergency,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Resolved => "resolved",
            Self::LeftAtInput => "left_at_input",
            Self::LeftAfterError => "left_after_error",
            Self::LeftWaiting => "left_waiting",
            Self::Dismissed => "dismissed",
            Self::Interrupted => "interrupted",
            Self::OptedOut => "opted_out",
            Self::Routed => "routed",
            Self::Forced => "forced",
            Self::Overflow => "overflow",
            Self::Message => "message",
            Self::Callback => "callback",
            Self::Emergency => "emergency",
        }
    }
}

fn is_zero(count: &u8) -> bool {
    *count == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_written_by_one_name_everywhere() {
        for end in ServiceEnd::ALL {
            assert_eq!(serde_json::to_value(end).expect("plain data"), end.as_str());
        }
    }

    #[test]
    fn a_question_that_went_well_takes_no_room() {
        assert_eq!(serde_json::to_string(&Asked::default()).expect("plain data"), "{}");
        assert_eq!(serde_json::from_str::<Asked>("{\"wrong\":2}").expect("plain data").wrong, 2);
    }
}
