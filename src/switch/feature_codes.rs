//! What an agent does from the phone by dialling a code: `*14` is ready, `*132` a pause for the second reason.

use super::Switch;
use super::inbound::Refused;
use crate::acd::{AfterCall, LOGGED_OUT};
use crate::events::Refusal;
use crate::ids::AgentId;
use crate::timers::Now;
use std::collections::BTreeMap;

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
    /// Does what an agent has dialled. `None`: it is no code, or not an agent's phone. A code that cannot be followed is
    /// refused with the reason on the phone's display.
    pub(super) fn follow_code(&mut self, now: Now, agent: &AgentId, dialled: &str) -> Option<Result<(), Refused>> {
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
        let reason = reason.map(str::to_owned);
        let refused = |phrase: String| Err(Refused { phrase: Some(phrase), ..Refused::new(Refusal::NotOpen, 403) });
        Some(match (feature, rest, reason) {
            (Feature::Pause, _, Some(reason)) | (Feature::LogOut, "", Some(reason)) => {
                let _ = self.acd.set_not_ready(now.at, agent, &reason);
                Ok(())
            }
            (Feature::LogIn | Feature::Ready, "", _) => {
                let _ = self.acd.set_ready(now.at, agent);
                Ok(())
            }
            (Feature::EndWrapUp, "", _) => {
                self.after_call(now, agent.clone(), &AfterCall::End).or_else(|why| refused(why.to_string()))
            }
            (Feature::Dispose, code, _) => {
                let wish = AfterCall::Dispose(code.to_owned());
                self.after_call(now, agent.clone(), &wish).or_else(|why| refused(why.to_string()))
            }
            (Feature::Pause, ..) => refused("no reason of a pause has this digit".into()),
            (Feature::LogIn | Feature::LogOut | Feature::Ready | Feature::EndWrapUp, ..) => {
                refused("nothing is dialled behind this code".into())
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
