//! What an agent does from the phone by dialling a code: `*14` is ready, `*132` a pause for the second reason.

use super::inbound::Refused;
use super::{Command, Switch};
use crate::acd::{AfterCall, LOGGED_OUT};
use crate::events::Refusal;
use crate::ids::AgentId;
use std::collections::BTreeMap;
use std::fmt::Display;

/// As much as the display of a phone shows: the codes of a large tree would not fit into a datagram.
const LONGEST_PHRASE: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    LogIn,
    LogOut,
    /// A digit behind it names the reason.
    Pause,
    Ready,
    EndWrapUp,
    /// The digits behind it say what the call was about.
    Dispose,
}

impl Feature {
    /// As a file names it, and the code unless told.
    pub const ALL: [(&'static str, Feature, &'static str); 6] = [
        ("log_in", Self::LogIn, "*11"),
        ("log_out", Self::LogOut, "*12"),
        ("pause", Self::Pause, "*13"),
        ("ready", Self::Ready, "*14"),
        ("wrap_up", Self::EndWrapUp, "*15"),
        ("disposition", Self::Dispose, "*16"),
    ];
}

/// The codes in force; none begins like another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureCodes {
    pub codes: BTreeMap<Feature, String>,
    /// Of a pause, by digit.
    pub reasons: BTreeMap<char, String>,
}

impl Default for FeatureCodes {
    fn default() -> Self {
        let codes = Feature::ALL.map(|(_, feature, code)| (feature, code.to_string()));
        let reasons = [('1', "break"), ('2', "lunch"), ('3', "training")];
        Self { codes: codes.into(), reasons: reasons.map(|(digit, reason)| (digit, reason.to_string())).into() }
    }
}

impl FeatureCodes {
    /// No code does anything.
    pub fn none() -> Self {
        Self { codes: BTreeMap::new(), reasons: BTreeMap::new() }
    }

    /// What was dialled, and what stands behind the code.
    fn read<'d>(&self, dialled: &'d str) -> Option<(Feature, &'d str)> {
        self.codes.iter().find_map(|(feature, code)| Some((*feature, dialled.strip_prefix(code.as_str())?)))
    }
}

impl Switch {
    /// What an agent wants who has dialled this. `None`: it is no code, or not an agent's phone. A code that cannot be
    /// followed is refused with the reason on the phone's display.
    pub(super) fn read_code(&self, agent: &AgentId, dialled: &str) -> Option<Result<Command, Refused>> {
        let (feature, rest) = self.config.features.read(dialled)?;
        if !self.acd.is_agent(agent) {
            return None;
        }
        let reason = match (feature, rest) {
            (Feature::Pause, "") => Some("pause"),
            (Feature::Pause, digit) => {
                let mut digits = digit.chars();
                let named = digits.next().and_then(|digit| self.config.features.reasons.get(&digit));
                named.filter(|_| digits.next().is_none()).map(String::as_str)
            }
            (Feature::LogOut, _) => Some(LOGGED_OUT),
            _ => None,
        };
        let refused = |why: &dyn Display| {
            let phrase = why.to_string().chars().take(LONGEST_PHRASE).collect();
            Err(Refused { phrase: Some(phrase), ..Refused::new(Refusal::NotOpen, 403) })
        };
        let after_call = |wish: AfterCall| match self.acd.may_after_call(agent, &wish) {
            Ok(_) => Ok(Command::AfterCall { agent: agent.clone(), wish }),
            Err(why) => refused(&why),
        };
        Some(match (feature, rest, reason) {
            (Feature::Pause, _, Some(reason)) | (Feature::LogOut, "", Some(reason)) => {
                Ok(Command::AgentNotReady { agent: agent.clone(), reason: reason.to_owned() })
            }
            (Feature::LogIn | Feature::Ready, "", _) => Ok(Command::AgentReady { agent: agent.clone() }),
            (Feature::EndWrapUp, "", _) => after_call(AfterCall::End),
            (Feature::Dispose, code, _) => after_call(AfterCall::Dispose(code.to_owned())),
            (Feature::Pause, ..) => refused(&"no reason of a pause has this digit"),
            (Feature::LogIn | Feature::LogOut | Feature::Ready | Feature::EndWrapUp, ..) => {
                refused(&"nothing is dialled behind this code")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_with_what_stands_behind_it() {
        let codes = FeatureCodes::default();
        assert_eq!(codes.read("*11"), Some((Feature::LogIn, "")));
        assert_eq!(codes.read("*132"), Some((Feature::Pause, "2")));
        assert_eq!(codes.read("*1611"), Some((Feature::Dispose, "11")));
        assert_eq!(["*1", "11", "", "1*11"].map(|dialled| codes.read(dialled)), [None; 4]);
        assert_eq!(FeatureCodes::none().read("*11"), None);
    }
}
