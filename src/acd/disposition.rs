//! What a call was about, in the words that a queue has for it: a tree of codes, entered as digits.

use std::collections::BTreeMap;
use std::fmt;

/// The codes of a queue by their digits. `11` is below `1`; only what has nothing below it says what a call was about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dispositions {
    /// An agent is not ready again before giving one.
    pub required: bool,
    pub codes: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoDisposition {
    /// The queue has none.
    None,
    /// With those at the top.
    Unknown(Vec<String>),
    /// With those below.
    TooShort(Vec<String>),
}

impl Dispositions {
    /// The names on the way to a code, such as `billing/refund`. It is given as digits, or by those names.
    pub fn find(&self, given: &str) -> Result<String, NoDisposition> {
        if self.codes.is_empty() {
            return Err(NoDisposition::None);
        }
        let digits = self.codes.keys().find(|digits| *digits == given || self.path(digits) == given);
        let Some(digits) = digits else { return Err(NoDisposition::Unknown(self.below(""))) };
        match self.below(digits) {
            below if below.is_empty() => Ok(self.path(digits)),
            below => Err(NoDisposition::TooShort(below)),
        }
    }

    fn path(&self, digits: &str) -> String {
        let on_the_way = self.codes.iter().filter(|(above, _)| digits.starts_with(above.as_str()));
        on_the_way.map(|(_, name)| name.as_str()).collect::<Vec<_>>().join("/")
    }

    /// The next codes below these digits, as `11 refund`.
    fn below(&self, digits: &str) -> Vec<String> {
        let below = |code: &String| code.len() > digits.len() && code.starts_with(digits);
        let has_one_between = |code: &String| {
            self.codes.keys().any(|other| below(other) && code.len() > other.len() && code.starts_with(other.as_str()))
        };
        let next = self.codes.iter().filter(|(code, _)| below(code) && !has_one_between(code));
        next.map(|(code, name)| format!("{code} {name}")).collect()
    }
}

impl fmt::Display for NoDisposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("the queue of that call has no codes; add `dispositions` to it in hotline.yaml"),
            Self::Unknown(known) => write!(f, "there is no such code; there is: {}", known.join(", ")),
            Self::TooShort(below) => write!(f, "say more exactly which: {}", below.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_by_digits_or_by_name_and_only_the_last_one_of_a_branch_will_do() {
        let codes = [("1", "billing"), ("11", "refund"), ("12", "explained"), ("2", "fault"), ("345", "other")];
        let codes = codes.map(|(code, name)| (code.to_string(), name.to_string())).into();
        let queue = Dispositions { required: true, codes };
        assert_eq!(queue.find("11").as_deref(), Ok("billing/refund"));
        assert_eq!(queue.find("billing/refund").as_deref(), Ok("billing/refund"));
        assert_eq!([queue.find("2").as_deref(), queue.find("345").as_deref()], [Ok("fault"), Ok("other")]);
        assert_eq!(queue.find("1"), Err(NoDisposition::TooShort(vec!["11 refund".into(), "12 explained".into()])));
        let top = vec!["1 billing".to_string(), "2 fault".into(), "345 other".into()];
        for unknown in ["", "3", "111", "refund", "\u{7}"] {
            assert_eq!(queue.find(unknown), Err(NoDisposition::Unknown(top.clone())), "{unknown:?}");
        }
        assert_eq!(Dispositions::default().find("1"), Err(NoDisposition::None));
    }
}
