//! What a trunk does with numbers: its numbering plan, its rules, and whose number it shows.

use super::super::raw::{RawCallerId, RawPlan, RawRule, RawTrunk};
use super::super::read::At;
use super::Check;
use crate::routing::{CallerId, Change, Form, NumberPattern, Plan, Rule, TrunkNumbers};
use crate::source::diag::nearest;

/// Rules of one direction; each new call goes through them.
const MOST_RULES: usize = 200;

impl Check<'_> {
    pub(super) fn trunk_numbers(&mut self, raw: &RawTrunk) -> TrunkNumbers {
        let plan = raw.numbering.as_ref().and_then(|raw| self.plan(raw));
        let has_plan = raw.numbering.is_some();
        TrunkNumbers {
            plan,
            called_in: self.rules(&raw.into.called, has_plan),
            caller_in: self.rules(&raw.into.caller, has_plan),
            called_out: self.rules(&raw.out.called, has_plan),
            caller_out: self.rules(&raw.out.caller, has_plan),
            caller_id: self.caller_id(&raw.caller_id),
            trusted: raw.trusted.as_ref().is_some_and(|trusted| trusted.value),
            called_in_to: raw.called_number.as_ref().is_some_and(|at| self.is_in_to(at)),
        }
    }

    fn is_in_to(&mut self, at: &At<String>) -> bool {
        if !matches!(at.value.as_str(), "request_uri" | "to") {
            let help = "write `to`, or `request_uri`, which is meant without the key";
            self.error("C183", at, format!("`{}` is no part of an INVITE with a number", at.value), Some(help.into()));
        }
        at.value == "to"
    }

    fn plan(&mut self, raw: &RawPlan) -> Option<Plan> {
        let mut plan = match (&raw.plan, &raw.country) {
            (Some(name), _) => match name.value.as_str() {
                "cn" => Plan::china(),
                "nanp" => Plan::nanp(),
                other => {
                    let help = "use `cn` (China), `nanp` (North America), or `country` for any other";
                    self.error("C180", name, format!("there is no numbering plan `{other}`"), Some(help.into()));
                    return None;
                }
            },
            (None, Some(country)) => Plan::of(&country.value),
            (None, None) => {
                let help = "add `plan: cn`, or `country` with the country code";
                self.diags.error_hint("C180", raw.span, "the numbering says no country", help);
                return None;
            }
        };
        if let Some(country) = &raw.country {
            let good = (1..=3).contains(&country.value.len()) && !country.value.starts_with('0');
            if !good || !self.digits(country, "country code") {
                let help = "write it without `+` or `00`, such as `\"86\"`";
                self.error("C180", country, format!("`{}` is no country code", country.value), Some(help.into()));
            }
            plan.country.clone_from(&country.value);
        }
        if let Some(area) = &raw.area {
            self.digits(area, "area code");
            if !plan.trunk_prefix.is_empty() && plan.trunk_prefix == "0" && area.value.starts_with('0') {
                let help = format!("write `\"{}\"`", area.value.trim_start_matches('0'));
                self.error("C180", area, "an area code is written without the 0 before it".into(), Some(help));
            }
            plan.area = Some(area.value.clone());
        }
        for (at, into) in
            [(&raw.trunk_prefix, &mut plan.trunk_prefix), (&raw.international_prefix, &mut plan.international_prefix)]
        {
            if let Some(at) = at {
                if !at.value.is_empty() {
                    self.digits(at, "prefix");
                }
                into.clone_from(&at.value);
            }
        }
        if let Some(at) = raw.international_prefix.as_ref().filter(|at| at.value.is_empty()) {
            let help = "write what is dialled before a country code, such as `\"00\"`, or leave the key out";
            self.error(
                "C180",
                at,
                "without an international prefix every number would be abroad".into(),
                Some(help.into()),
            );
        }
        if let Some(at) = &raw.local_digits {
            let ends = at.value.split_once('-').unwrap_or((&at.value, &at.value));
            match (ends.0.trim().parse::<usize>(), ends.1.trim().parse::<usize>()) {
                (Ok(least), Ok(most)) if (1..=12).contains(&least) && (least..=12).contains(&most) => {
                    plan.local_digits = least..=most;
                }
                _ => {
                    let help = "write one number or two, such as `7-8`";
                    self.error("C180", at, format!("`{}` is no number of digits", at.value), Some(help.into()));
                }
            }
        }
        Some(plan)
    }

    fn digits(&mut self, at: &At<String>, what: &str) -> bool {
        let good = !at.value.is_empty() && at.value.len() <= 8 && at.value.bytes().all(|b| b.is_ascii_digit());
        if !good {
            let help = "write its digits in quotes";
            self.error("C180", at, format!("`{}` is no {what}", at.value.escape_debug()), Some(help.into()));
        }
        good
    }

    fn rules(&mut self, raw: &[RawRule], has_plan: bool) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        if let Some(beyond) = raw.get(MOST_RULES) {
            let help = "use patterns, such as `_1[3-9]XXXXXXXXX`, instead of single numbers";
            self.error("C181", &beyond.when, format!("more than {MOST_RULES} rules"), Some(help.into()));
        }
        for raw in raw.iter().take(MOST_RULES) {
            let when = match raw.when.value.as_str() {
                "*" => None,
                text => match text.parse::<NumberPattern>() {
                    Ok(pattern) => Some(pattern),
                    Err(error) => {
                        let message = format!("`{}`: {error}", text.escape_debug());
                        self.error("C181", &raw.when, message, Some("or `*` for every number".into()));
                        continue;
                    }
                },
            };
            if rules.iter().any(|before| before.when.is_none() || before.when == when) {
                let help = "the first rule that matches decides; take this one away, or move it up";
                self.error("C181", &raw.when, "no number comes as far as this rule".into(), Some(help.into()));
            }
            if let Some(then) = self.change(raw, has_plan) {
                rules.push(Rule { when, then });
            }
        }
        rules
    }

    fn change(&mut self, raw: &RawRule, has_plan: bool) -> Option<Change> {
        let edits = raw.strip.is_some() || raw.add.is_some();
        let Some(to) = &raw.to else {
            if !edits {
                let help = "add `to: e164`, or `strip` and `add`";
                self.error("C181", &raw.when, "the rule does nothing".into(), Some(help.into()));
                return None;
            }
            let strip = raw.strip.as_ref().map_or(0, |strip| strip.value as usize);
            if let (Some(at), Some(longest)) = (&raw.strip, exact_length(&raw.when.value))
                && strip >= longest
                && raw.add.as_ref().is_none_or(|add| add.value.is_empty())
            {
                let help = format!("write less than {longest}, or add something");
                self.error("C181", at, "nothing would be left of the number".into(), Some(help));
            }
            let add = raw.add.as_ref().map(|add| self.dial_text(add)).unwrap_or_default();
            return Some(Change::Edit { strip, add });
        };
        if edits {
            let help = "keep `to`, or `strip` and `add`";
            self.error("C181", to, "a rule has one of the two".into(), Some(help.into()));
        }
        if !has_plan {
            let help = "add `numbering: {plan: cn, area: \"10\"}` to the trunk";
            self.error("C181", to, "without a numbering plan no number has another form".into(), Some(help.into()));
        }
        let form = Form::ALL.into_iter().find(|form| form.name() == to.value);
        if form.is_none() {
            let names = Form::ALL.map(Form::name);
            let help = match nearest(&to.value, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there is: {}", names.join(", ")),
            };
            self.error("C181", to, format!("there is no form `{}`", to.value), Some(help));
        }
        form.map(Change::To)
    }

    /// What may stand in front of a number.
    fn dial_text(&mut self, at: &At<String>) -> String {
        let good = at.value.len() <= 32
            && at.value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '*' | '#' | '-' | '_' | '.'));
        if !good {
            let help = "write digits, letters, + * # - _ .";
            self.error("C181", at, format!("`{}` cannot be dialled", at.value.escape_debug()), Some(help.into()));
        }
        at.value.clone()
    }

    fn caller_id(&mut self, raw: &RawCallerId) -> CallerId {
        let own = raw.replace.as_ref().map(|at| {
            if let Err(error) = NumberPattern::exact(&at.value) {
                self.error("C182", at, format!("`{}`: {error}", at.value.escape_debug()), None);
            }
            at.value.clone()
        });
        if let Some(hide) = raw.hide.as_ref().filter(|hide| hide.value) {
            if own.is_some() || !raw.only.is_empty() {
                let help = "keep `hide`, or `replace` and `only`";
                self.error("C182", hide, "a number that is hidden is not shown".into(), Some(help.into()));
            }
            return CallerId::Hide;
        }
        let mut allowed = Vec::new();
        for at in &raw.only {
            match at.value.parse::<NumberPattern>() {
                Ok(pattern) => allowed.push(pattern),
                Err(error) => self.error("C182", at, format!("`{}`: {error}", at.value.escape_debug()), None),
            }
        }
        match (own, raw.only.first()) {
            (None, None) => CallerId::Pass,
            (Some(own), None) => CallerId::Replace(own),
            (Some(otherwise), Some(_)) => CallerId::Only { allowed, otherwise },
            (None, Some(first)) => {
                let help = "add `replace`, the number that stands in for all others";
                self.error("C182", first, "nothing says what other callers are shown as".into(), Some(help.into()));
                CallerId::Hide
            }
        }
    }
}

/// Of a whole number; patterns match longer ones too.
fn exact_length(text: &str) -> Option<usize> {
    let is_exact = !text.starts_with('_') && !text.ends_with('*');
    is_exact.then(|| crate::routing::dialled(text).chars().count())
}
