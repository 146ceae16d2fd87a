//! Telephone numbers in the forms that carriers want them: a numbering plan, and rules that bring a number into shape.
//!
//! A plan (E.164 with a country's own prefixes) reads what somebody dialled and writes it in another form. Numbers that are
//! no part of it, such as 95598, 110 or 4001234567, have no other form and stay as they are.

use super::pattern::MAX_NUMBER;
use super::{NumberPattern, dialled};
use std::fmt;
use std::ops::RangeInclusive;

/// How numbers are dialled in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub country: String,
    /// The area code, without the prefix of long-distance calls, to which a number without one belongs.
    pub area: Option<String>,
    /// Before a national number, `0` in most countries; may be empty.
    pub trunk_prefix: String,
    /// Before a country code, `00` in most countries.
    pub international_prefix: String,
    /// Digits of a number within an area.
    pub local_digits: RangeInclusive<usize>,
    /// The least digit that such a number begins with.
    pub local_first: u8,
    /// National numbers that are dialled without the prefix: mobiles in China, everything in North America.
    pub bare: Vec<NumberPattern>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `+861088886666`
    E164,
    /// `00861088886666`
    International,
    /// `01088886666`
    National,
    /// `88886666`; a number of another area as a national one.
    Local,
}

/// One rule: the first whose pattern matches decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `None` matches every number.
    pub when: Option<NumberPattern>,
    pub then: Change,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    To(Form),
    /// Takes so many characters away in front, then puts others there.
    Edit {
        strip: usize,
        add: String,
    },
}

/// What one trunk does with numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkNumbers {
    pub plan: Option<Plan>,
    pub called_in: Vec<Rule>,
    pub caller_in: Vec<Rule>,
    pub called_out: Vec<Rule>,
    pub caller_out: Vec<Rule>,
    pub caller_id: CallerId,
    /// The carrier vouches for whom it names as callers, and may know whom we name (RFC 3325's trust domain).
    pub trusted: bool,
    /// The number that was called stands in To; the Request-URI has the user that we registered.
    pub called_in_to: bool,
}

/// Whose number is shown to whoever is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CallerId {
    #[default]
    Pass,
    /// Nobody's.
    Hide,
    /// Ours, whoever calls.
    Replace(String),
    /// The caller's, if it is one of these; else ours.
    Only { allowed: Vec<NumberPattern>, otherwise: String },
}

impl CallerId {
    /// The number to show; `None` for nobody's.
    pub fn shown(&self, number: &str) -> Option<String> {
        match self {
            Self::Pass => Some(number.to_string()).filter(|number| !number.is_empty()),
            Self::Hide => None,
            Self::Replace(own) => Some(own.clone()),
            Self::Only { allowed, otherwise } => {
                let number = dialled(number);
                let is_allowed = allowed.iter().any(|pattern| pattern.matches(&number));
                Some(if is_allowed { number } else { otherwise.clone() })
            }
        }
    }
}

impl TrunkNumbers {
    /// A number after the rules, and which of them it was, counted from 1. Without one it is as it came.
    pub fn apply(&self, rules: &[Rule], number: &str) -> (String, Option<usize>) {
        let plain = dialled(number);
        for (nth, rule) in (1..).zip(rules) {
            if rule.when.as_ref().is_some_and(|when| !when.matches(&plain)) {
                continue;
            }
            let made = match &rule.then {
                Change::To(form) => self.plan.as_ref().and_then(|plan| plan.write(&plain, *form)),
                Change::Edit { strip, add } => edited(&plain, *strip, add),
            };
            let made = made.filter(|made| made.chars().count() <= MAX_NUMBER);
            return (made.unwrap_or(plain), Some(nth));
        }
        (number.to_string(), None)
    }

    /// The forms in which somebody may mean a number that goes out as this one: as it stands and, where the plan knows it,
    /// as it is dialled here. Without the code of the own country: who bars `+*` does not mean the own.
    pub fn meant(&self, sent: &str) -> Vec<String> {
        match self.plan.as_ref().and_then(|plan| Some((plan, plan.read(&dialled(sent))?))) {
            Some((plan, abroad @ Place::Abroad(_))) => vec![sent.to_string(), plan.put(&abroad, Form::National)],
            Some((plan, home)) => vec![plan.put(&home, Form::National)],
            None => vec![sent.to_string()],
        }
    }
}

fn edited(number: &str, strip: usize, add: &str) -> Option<String> {
    let rest = number.char_indices().nth(strip).map(|(at, _)| &number[at..])?;
    Some(format!("{add}{rest}"))
}

/// A number with its country, as far as the plan knows it.
enum Place {
    /// The national significant number: area code and subscriber, without prefixes.
    Home(String),
    /// A number of the own country that nothing stands before, such as 95598, whatever form it came in.
    Service(String),
    /// Country code and the rest.
    Abroad(String),
}

impl Plan {
    /// Mainland China.
    pub fn china() -> Self {
        Self {
            // Mobiles, and the numbers of companies that are dialled alike from everywhere.
            bare: ["1[3-9]XXXXXXXXX", "[48]00XXXXXXX"]
                .into_iter()
                .filter_map(|it| NumberPattern::pattern(it).ok())
                .collect(),
            local_digits: 7..=8,
            local_first: b'2',
            ..Self::of("86")
        }
    }

    /// North America.
    pub fn nanp() -> Self {
        Self {
            trunk_prefix: "1".into(),
            international_prefix: "011".into(),
            bare: NumberPattern::pattern("NXXNXXXXXX").into_iter().collect(),
            local_digits: 7..=7,
            local_first: b'2',
            ..Self::of("1")
        }
    }

    /// Any other country, with the prefixes that most have.
    pub fn of(country: &str) -> Self {
        Self {
            country: country.into(),
            area: None,
            trunk_prefix: "0".into(),
            international_prefix: "00".into(),
            local_digits: 5..=9,
            local_first: b'1',
            bare: Vec::new(),
        }
    }

    /// `number` in another form; `None` for one that has none.
    pub fn write(&self, number: &str, form: Form) -> Option<String> {
        Some(self.put(&self.read(number)?, form))
    }

    fn put(&self, place: &Place, form: Form) -> String {
        let Self { country, international_prefix, .. } = self;
        match (place, form) {
            (Place::Home(national) | Place::Service(national), Form::E164) => format!("+{country}{national}"),
            (Place::Home(national) | Place::Service(national), Form::International) => {
                format!("{international_prefix}{country}{national}")
            }
            (Place::Home(national), Form::National) => self.national(national),
            (Place::Home(national), Form::Local) => {
                let local = self.area.as_ref().and_then(|area| national.strip_prefix(area.as_str()));
                match local.filter(|local| self.is_local(local) && !self.is_bare(national)) {
                    Some(local) => local.to_string(),
                    None => self.national(national),
                }
            }
            (Place::Service(number), Form::National | Form::Local) => number.clone(),
            (Place::Abroad(digits), Form::E164) => format!("+{digits}"),
            (Place::Abroad(digits), _) => format!("{international_prefix}{digits}"),
        }
    }

    fn national(&self, national: &str) -> String {
        match self.is_bare(national) {
            true => national.to_string(),
            false => format!("{}{national}", self.trunk_prefix),
        }
    }

    fn read(&self, number: &str) -> Option<Place> {
        if let Some(digits) = number.strip_prefix('+') {
            return self.read_international(digits);
        }
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        if let Some(digits) = number.strip_prefix(&self.international_prefix).filter(|_| self.has_international()) {
            return self.read_international(digits);
        }
        if let Some(national) = number.strip_prefix(&self.trunk_prefix).filter(|_| !self.trunk_prefix.is_empty()) {
            return self.is_long(national).then(|| Place::Home(national.into()));
        }
        if self.is_bare(number) {
            return Some(Place::Home(number.into()));
        }
        let area = self.area.as_ref().filter(|_| self.is_local(number))?;
        Some(Place::Home(format!("{area}{number}")))
    }

    /// E.164 6.2: country code and national number have at most 15 digits together.
    fn read_international(&self, digits: &str) -> Option<Place> {
        let is_number = (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let is_number = is_number && !digits.starts_with('0');
        if !is_number {
            return None;
        }
        match digits.strip_prefix(&self.country) {
            // `+86 (0)10 ...`: the prefix has no place behind a country code, and many write it there.
            Some(national) if self.trunk_prefix == "0" => {
                Some(national.strip_prefix('0').map_or_else(|| self.at_home(national), |bare| Place::Home(bare.into())))
            }
            Some(national) => Some(self.at_home(national)),
            None => Some(Place::Abroad(digits.into())),
        }
    }

    fn at_home(&self, national: &str) -> Place {
        // With an area code a number is longer than the shortest without.
        match national.len() > *self.local_digits.start() {
            true => Place::Home(national.into()),
            false => Place::Service(national.into()),
        }
    }

    fn has_international(&self) -> bool {
        !self.international_prefix.is_empty()
    }

    fn is_bare(&self, national: &str) -> bool {
        self.bare.iter().any(|pattern| pattern.matches(national))
    }

    fn is_local(&self, number: &str) -> bool {
        self.local_digits.contains(&number.len())
            && number.bytes().next().is_some_and(|digit| digit >= self.local_first)
    }

    /// Longer than what is dialled within an area: an operator at `0` is no national number.
    fn is_long(&self, national: &str) -> bool {
        (6..=13).contains(&national.len())
    }
}

impl Form {
    pub const ALL: [Form; 4] = [Form::E164, Form::International, Form::National, Form::Local];

    pub fn name(self) -> &'static str {
        match self {
            Form::E164 => "e164",
            Form::International => "international",
            Form::National => "national",
            Form::Local => "local",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beijing() -> Plan {
        Plan { area: Some("10".into()), ..Plan::china() }
    }

    #[track_caller]
    fn forms(plan: &Plan, number: &str, want: [&str; 4]) {
        let made = Form::ALL.map(|form| plan.write(&dialled(number), form).unwrap_or_else(|| "-".into()));
        assert_eq!(made, want.map(str::to_string), "{number}");
    }

    #[test]
    fn a_chinese_number_has_its_form_for_each_distance() {
        let plan = beijing();
        // 1 begins no number of an area, so there is no shorter form.
        let far = ["+861012345678", "00861012345678", "01012345678", "01012345678"];
        for written in ["010-12345678", "+861012345678"] {
            forms(&plan, written, far);
        }
        let near = ["+861088886666", "00861088886666", "01088886666", "88886666"];
        for written in ["010-88886666", "88886666", "+861088886666", "+86(010)88886666", "00861088886666"] {
            forms(&plan, written, near);
        }
        forms(&plan, "0755-26771234", ["+8675526771234", "008675526771234", "075526771234", "075526771234"]);
        let mobile = ["+8613800138000", "008613800138000", "13800138000", "13800138000"];
        for written in ["13800138000", "013800138000", "+8613800138000", "008613800138000"] {
            forms(&plan, written, mobile);
        }
    }

    #[test]
    fn service_and_emergency_numbers_have_no_other_form() {
        for number in ["95598", "12345", "110", "119", "10086", "1001", "0"] {
            forms(&beijing(), number, ["-"; 4]);
        }
    }

    #[test]
    fn a_service_number_with_a_country_code_is_dialled_as_it_is() {
        for (service, code) in
            [("95598", "+8695598"), ("110", "+86110"), ("10086", "008610086"), ("116114", "+86116114")]
        {
            forms(&beijing(), code, [&format!("+86{service}"), &format!("0086{service}"), service, service]);
        }
        assert_eq!(beijing().write("+86057112345", Form::National).as_deref(), Some("057112345"), "with its prefix");
    }

    #[test]
    fn a_number_that_goes_out_is_meant_as_it_is_dialled_here() {
        let numbers = TrunkNumbers { plan: Some(beijing()), ..TrunkNumbers::default() };
        assert_eq!(numbers.meant("+861088886666"), ["01088886666"]);
        assert_eq!(numbers.meant("+4930901820"), ["+4930901820", "004930901820"]);
        assert_eq!(numbers.meant("*97"), ["*97"]);
        assert_eq!(TrunkNumbers::default().meant("+861088886666"), ["+861088886666"]);
    }

    #[test]
    fn a_companys_number_is_dialled_alike_from_everywhere() {
        let forms_of_400 = ["+864001234567", "00864001234567", "4001234567", "4001234567"];
        for written in ["400-123-4567", "+864001234567", "00864001234567"] {
            forms(&beijing(), written, forms_of_400);
        }
        assert_eq!(beijing().write("+868008101234", Form::National).as_deref(), Some("8008101234"));
    }

    #[test]
    fn a_plan_without_an_international_prefix_takes_no_number_for_one_abroad() {
        let plan = Plan { international_prefix: String::new(), ..beijing() };
        assert_eq!(plan.write("88886666", Form::E164).as_deref(), Some("+861088886666"));
    }

    #[test]
    fn a_number_abroad_stays_abroad() {
        forms(&beijing(), "+4930901820", ["+4930901820", "004930901820", "004930901820", "004930901820"]);
        forms(&beijing(), "004930901820", ["+4930901820", "004930901820", "004930901820", "004930901820"]);
        let us = Plan { area: Some("212".into()), ..Plan::nanp() };
        forms(&us, "+861088886666", ["+861088886666", "011861088886666", "011861088886666", "011861088886666"]);
    }

    #[test]
    fn other_countries_have_other_prefixes() {
        let us = Plan { area: Some("212".into()), ..Plan::nanp() };
        for written in ["212-555-0123", "1-212-555-0123", "+1 (212) 555.0123".replace(' ', "").as_str(), "5550123"] {
            assert_eq!(us.write(&dialled(written), Form::E164).as_deref(), Some("+12125550123"), "{written}");
        }
        let berlin = Plan { area: Some("30".into()), ..Plan::of("49") };
        forms(&berlin, "030 901820".replace(' ', "").as_str(), ["+4930901820", "004930901820", "030901820", "901820"]);
        forms(&berlin, "112", ["-"; 4]);
        let rome = Plan { trunk_prefix: String::new(), ..Plan::of("39") };
        forms(&rome, "+390612345678", ["+390612345678", "00390612345678", "0612345678", "0612345678"]);
    }

    #[test]
    fn what_is_no_number_is_left_alone() {
        for number in ["", "+", "+0", "+86", "abc", "+12345678901234567", "*97", "00", "anonymous", "+86x"] {
            forms(&beijing(), number, ["-"; 4]);
        }
    }

    fn rule(when: &str, then: Change) -> Rule {
        Rule { when: Some(when.parse().unwrap()), then }
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_an_edit_that_leaves_nothing_is_none() {
        let edit = |strip, add: &str| Change::Edit { strip, add: add.into() };
        let rules = [
            rule("9*", edit(1, "")),
            rule("_0[1-9].", Change::To(Form::E164)),
            rule("110", edit(3, "")),
            Rule { when: None, then: edit(0, "77") },
        ];
        let numbers = TrunkNumbers { plan: Some(beijing()), ..TrunkNumbers::default() };
        let made = |number: &str| numbers.apply(&rules, number);
        assert_eq!(made("9-13800138000"), ("13800138000".into(), Some(1)));
        assert_eq!(made("010-88886666"), ("+861088886666".into(), Some(2)));
        assert_eq!(made("110"), ("110".into(), Some(3)));
        assert_eq!(made("9"), ("9".into(), Some(1)));
        assert_eq!(made("12345"), ("7712345".into(), Some(4)));
        assert_eq!(numbers.apply(&rules[..1], "12-34"), ("12-34".into(), None));
        assert_eq!(made(&"1".repeat(64)).0.len(), 64, "beyond the longest number nothing is added");
    }

    #[test]
    fn the_policy_says_whose_number_is_shown() {
        let own = || "01088886600".to_string();
        let only = CallerId::Only { allowed: vec!["010888866*".parse().unwrap()], otherwise: own() };
        assert_eq!(CallerId::Pass.shown("13800138000").as_deref(), Some("13800138000"));
        assert_eq!(CallerId::Pass.shown(""), None);
        assert_eq!(CallerId::Hide.shown("13800138000"), None);
        assert_eq!(CallerId::Replace(own()).shown("1001"), Some(own()));
        assert_eq!(only.shown("010-8888-6688").as_deref(), Some("01088886688"));
        assert_eq!(only.shown("119"), Some(own()));
    }
}
