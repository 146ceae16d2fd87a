//! Codes that agents dial to say what they do.

use super::super::raw::RawFeatureCodes;
use super::super::read::At;
use super::Check;
use crate::source::diag::shown;
use crate::switch::FeatureCodes;

impl Check<'_> {
    pub(super) fn features(&mut self, raw: &RawFeatureCodes) -> FeatureCodes {
        let mut features = FeatureCodes::default();
        for (feature, code) in raw.codes.iter().filter_map(|(feature, code)| Some((feature, code.as_ref()?))) {
            let key = |key: char| key.is_ascii_digit() || matches!(key, '*' | '#');
            let text = code.value.as_str();
            if !(2..=6).contains(&text.len()) || !text.starts_with(['*', '#']) || !text.chars().all(key) {
                let help = "write two to six keys of a telephone, the first `*` or `#`, such as `\"*13\"`";
                self.error("C188", code, format!("`{}` is no code to be dialled", shown(text)), Some(help.into()));
            }
            features.codes.insert(*feature, text.to_owned());
        }
        for (feature, code) in raw.codes.iter().filter_map(|(feature, code)| Some((feature, code.as_ref()?))) {
            let mut others = features.codes.iter().filter(|(other, _)| *other != feature);
            if let Some((_, other)) =
                others.find(|(_, other)| other.starts_with(&code.value) || code.value.starts_with(*other))
            {
                let message = format!("`{}` begins like the code `{}`", shown(&code.value), shown(other));
                self.error("C188", code, message, Some("give each a beginning of its own".into()));
            }
        }
        if !raw.reasons.is_empty() {
            features.reasons = raw.reasons.iter().filter_map(|(digit, reason)| self.reason(digit, reason)).collect();
        }
        match raw.enabled.as_ref().is_none_or(|enabled| enabled.value) {
            true => features,
            false => FeatureCodes::none(),
        }
    }

    fn reason(&mut self, digit: &At<String>, reason: &At<String>) -> Option<(char, String)> {
        self.name("reason", reason);
        let mut digits = digit.value.chars();
        match (digits.next().filter(char::is_ascii_digit), digits.next()) {
            (Some(digit), None) => Some((digit, reason.value.clone())),
            _ => {
                let message = format!("`{}` is no digit", shown(&digit.value));
                self.error("C188", digit, message, Some("write one digit, such as `{1: lunch}`".into()));
                None
            }
        }
    }
}
