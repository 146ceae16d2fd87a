//! Statistics of flows, by flow and version: what calls counted as, how many were truly served without a human, and how
//! callers fared at each step. The formulas are told in `docs/statistics.md`.

use super::way::{FlowCall, Visit};
use crate::events::{During, ServiceEnd};
use crate::ids::FlowVersion;
use serde::Serialize;
use std::collections::BTreeMap;

/// The formulas of these figures; a change of any of them is another number.
pub const DEFINITIONS: u32 = 1;
const HOUR_MS: u64 = 3_600_000;
/// A success is provisional for so long.
const RETURN_MS: u64 = 24 * HOUR_MS;
/// Later calls that are looked at for returns.
pub const LOOKAHEAD_MS: u64 = 7 * 24 * HOUR_MS;
/// Contacts of one number or account that are looked at for the return of one call.
const MAX_CONTACTS: usize = 1000;

/// Figures of one flow in one version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlowReport {
    pub flow: String,
    pub version: FlowVersion,
    /// Start of the first and of the last call, milliseconds since 1970.
    pub first: u64,
    pub last: u64,
    pub calls: u64,
    /// Calls by what they count as; every end is there, and they add up to `calls`.
    pub ends: BTreeMap<ServiceEnd, u64>,
    pub closed_hours: u64,
    pub deflection: Deflection,
    pub guards: Guards,
    pub steps: Vec<StepReport>,
}

/// Calls served without a human, of those that the flow could have served.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Deflection {
    /// Calls without the short ones, emergencies, and those outside the hours.
    pub offered: u64,
    pub resolved: u64,
    /// Resolved, and the caller has not come back within 24 hours.
    pub confirmed: u64,
    /// Resolved less than 24 hours ago.
    pub provisional: u64,
    /// Resolved, and neither number nor account would show a return.
    pub unmatched: u64,
    pub returned_24h: u64,
    pub returned_72h: u64,
    pub returned_7d: u64,
    /// Left while an answer was being said.
    pub left_at_answer: u64,
    /// confirmed / offered
    pub low: Option<f64>,
    /// (confirmed + provisional + unmatched + left at an answer) / offered
    pub high: Option<f64>,
}

/// What must not grow while deflection does.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Guards {
    /// Calls in which a human was asked for / calls
    pub opt_out: Option<f64>,
    /// Returned within 24 hours / resolved
    pub returned: Option<f64>,
    /// Left after an error / calls
    pub left_after_error: Option<f64>,
    pub to_human_median_s: Option<f64>,
    pub to_human_p90_s: Option<f64>,
}

/// Figures of one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// The subflow's name; empty in the flow itself.
    pub subflow: String,
    pub section: String,
    /// From 1, as an editor counts.
    pub step: u32,
    pub verb: String,
    pub entries: u64,
    pub exits: BTreeMap<String, u64>,
    pub left: BTreeMap<During, u64>,
    pub median_s: Option<f64>,
    pub p90_s: Option<f64>,
    pub silent: u64,
    pub wrong: u64,
    pub repeats: u64,
    pub back: u64,
    pub opted_out: u64,
    /// Shares of entries.
    pub typed_ahead: Option<f64>,
    pub barged: Option<f64>,
}

#[derive(Default)]
struct Step {
    entries: u64,
    exits: BTreeMap<String, u64>,
    left: BTreeMap<During, u64>,
    times: Vec<u32>,
    silent: u64,
    wrong: u64,
    repeats: u64,
    opted_out: u64,
    typed_ahead: u64,
    barged: u64,
}

impl Step {
    fn add(&mut self, visit: &Visit) {
        self.entries += 1;
        self.times.push(u32::try_from(visit.ms).unwrap_or(u32::MAX));
        if let Some(outcome) = &visit.outcome {
            *self.exits.entry(outcome.clone()).or_default() += 1;
        }
        if let Some(during) = visit.left {
            *self.left.entry(during).or_default() += 1;
        }
        let outcome = visit.outcome.as_deref();
        self.silent += u64::from(visit.asked.silent);
        self.wrong += u64::from(visit.asked.wrong);
        self.repeats += u64::from(visit.asked.repeats);
        self.opted_out += u64::from(visit.asked.opted_out);
        self.typed_ahead += u64::from(visit.asked.typed_ahead || outcome == Some("typed_over"));
        self.barged += u64::from(visit.asked.barged || outcome == Some("barged"));
    }
}

/// Subflow, section, step, verb.
type Place = (String, String, u16, String);

#[derive(Default)]
struct Tally {
    first: u64,
    last: u64,
    calls: u64,
    ends: BTreeMap<ServiceEnd, u64>,
    closed: u64,
    opted_out: u64,
    to_human: Vec<u32>,
    deflection: Deflection,
    steps: BTreeMap<Place, Step>,
}

/// What of a call says whether it is a return.
struct Contact {
    started: u64,
    human: bool,
    topics: Vec<String>,
}

/// Takes calls in any order.
#[derive(Default)]
pub struct FlowStats {
    flows: BTreeMap<(String, FlowVersion), Tally>,
    /// Calls by project and by what they would be known again.
    contacts: BTreeMap<(String, String), Vec<Contact>>,
    /// Resolved ones, with the tally that they belong to.
    resolved: Vec<((String, FlowVersion), FlowCall)>,
}

impl FlowStats {
    pub fn add(&mut self, call: FlowCall) {
        self.look_ahead(&call);
        let key = (call.flow.clone(), call.version.clone());
        let tally = self.flows.entry(key.clone()).or_default();
        tally.first = if tally.calls == 0 { call.started } else { tally.first.min(call.started) };
        tally.last = tally.last.max(call.started);
        tally.calls += 1;
        *tally.ends.entry(call.end).or_default() += 1;
        tally.closed += u64::from(call.closed);
        tally.opted_out += u64::from(call.visits.iter().any(|visit| visit.asked.opted_out));
        tally.to_human.extend(call.human_ms.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)));
        for visit in &call.visits {
            let place = (visit.flow.clone(), visit.section.clone(), visit.step, visit.verb.clone());
            tally.steps.entry(place).or_default().add(visit);
        }
        if call.closed || matches!(call.end, ServiceEnd::Short | ServiceEnd::Emergency) {
            return;
        }
        tally.deflection.offered += 1;
        let at_answer = call.visits.last().is_some_and(|visit| visit.verb == "say" && visit.left.is_some());
        if call.end == ServiceEnd::LeftAtInput && at_answer {
            tally.deflection.left_at_answer += 1;
        }
        if call.end == ServiceEnd::Resolved {
            self.resolved.push((key, FlowCall { visits: Vec::new(), ..call }));
        }
    }

    /// A call after those that are counted: it may be a return.
    pub fn look_ahead(&mut self, call: &FlowCall) {
        for key in known_by(call) {
            let human = call.human_ms.is_some() || matches!(call.end, ServiceEnd::Message | ServiceEnd::Callback);
            let contact = Contact { started: call.started, human, topics: call.topics.clone() };
            self.contacts.entry(key).or_default().push(contact);
        }
    }

    /// The figures as of `now`, in order of flow and first call.
    pub fn report(mut self, now: u64) -> Vec<FlowReport> {
        for contacts in self.contacts.values_mut() {
            contacts.sort_by_key(|contact| contact.started);
        }
        for (key, call) in std::mem::take(&mut self.resolved) {
            let after = self.returned_after(&call);
            if let Some(tally) = self.flows.get_mut(&key) {
                tally.deflection.settle(&call, after, now);
            }
        }
        let mut reports: Vec<FlowReport> =
            self.flows.into_iter().map(|((flow, version), tally)| tally.report(flow, version)).collect();
        reports.sort_by(|a, b| (&a.flow, a.first).cmp(&(&b.flow, b.first)));
        reports
    }

    /// How long after it the same customer came back and got to a human or asked the same. `None` = has not.
    fn returned_after(&self, call: &FlowCall) -> Option<u64> {
        let same = |contact: &&Contact| contact.human || contact.topics.iter().any(|topic| call.topics.contains(topic));
        let first_return = |contacts: &Vec<Contact>| {
            let later = contacts.get(contacts.partition_point(|contact| contact.started <= call.started)..)?;
            let after = |contact: &Contact| contact.started - call.started;
            // Of one number that a whole office calls from, the next contacts say enough.
            let near = later.iter().take(MAX_CONTACTS).take_while(|contact| after(contact) <= LOOKAHEAD_MS);
            near.filter(same).map(after).next()
        };
        known_by(call).iter().filter_map(|key| first_return(self.contacts.get(key)?)).min()
    }
}

/// Project and number, project and account.
fn known_by(call: &FlowCall) -> Vec<(String, String)> {
    let project = call.project.as_ref().map_or_else(|| call.flow.clone(), |project| project.as_str().to_owned());
    let number = call.caller.expose();
    // A hidden number is a word such as `anonymous`.
    let number = number.bytes().any(|octet| octet.is_ascii_digit()).then(|| format!("n{number}"));
    let account = call.account.as_ref().map(|account| format!("a{}", account.expose()));
    number.into_iter().chain(account).map(|known| (project.clone(), known)).collect()
}

impl Deflection {
    fn settle(&mut self, call: &FlowCall, returned_after: Option<u64>, now: u64) {
        self.resolved += 1;
        let within = |ms: u64| returned_after.is_some_and(|after| after <= ms);
        self.returned_24h += u64::from(within(RETURN_MS));
        self.returned_72h += u64::from(within(3 * RETURN_MS));
        self.returned_7d += u64::from(within(LOOKAHEAD_MS));
        if within(RETURN_MS) {
            return;
        }
        if known_by(call).is_empty() {
            self.unmatched += 1;
        } else if now.saturating_sub(call.started) < RETURN_MS {
            self.provisional += 1;
        } else {
            self.confirmed += 1;
        }
    }
}

impl Tally {
    fn report(mut self, flow: String, version: FlowVersion) -> FlowReport {
        let mut deflection = self.deflection;
        let possible = deflection.confirmed + deflection.provisional + deflection.unmatched + deflection.left_at_answer;
        deflection.low = share(deflection.confirmed, deflection.offered);
        deflection.high = share(possible, deflection.offered);
        let after_error = self.ends.get(&ServiceEnd::LeftAfterError).copied().unwrap_or(0);
        let (to_human_median_s, to_human_p90_s) = middle(&mut self.to_human);
        let guards = Guards {
            opt_out: share(self.opted_out, self.calls),
            returned: share(deflection.returned_24h, deflection.resolved),
            left_after_error: share(after_error, self.calls),
            to_human_median_s,
            to_human_p90_s,
        };
        let ends = ServiceEnd::ALL.map(|end| (end, self.ends.get(&end).copied().unwrap_or(0))).into();
        FlowReport {
            flow,
            version,
            first: self.first,
            last: self.last,
            calls: self.calls,
            ends,
            closed_hours: self.closed,
            deflection,
            guards,
            steps: self.steps.into_iter().map(|(place, step)| step.report(place)).collect(),
        }
    }
}

impl Step {
    fn report(mut self, (subflow, section, step, verb): Place) -> StepReport {
        let (median_s, p90_s) = middle(&mut self.times);
        StepReport {
            subflow,
            section,
            step: u32::from(step) + 1,
            verb,
            entries: self.entries,
            back: self.exits.get("back").copied().unwrap_or(0),
            exits: self.exits,
            left: self.left,
            median_s,
            p90_s,
            silent: self.silent,
            wrong: self.wrong,
            repeats: self.repeats,
            opted_out: self.opted_out,
            typed_ahead: share(self.typed_ahead, self.entries),
            barged: share(self.barged, self.entries),
        }
    }
}

/// To four places, which is as much as anybody reads.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

/// Median and ninetieth percentile (nearest rank) in seconds.
fn middle(times: &mut [u32]) -> (Option<f64>, Option<f64>) {
    times.sort_unstable();
    let at = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).max(1);
        times.get(rank - 1).map(|ms| f64::from(*ms) / 1000.0)
    };
    (at(50), at(90))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Asked;
    use crate::ids::ProjectId;

    const DAY: u64 = 24 * HOUR_MS;

    fn call(at: u64, caller: &str, end: ServiceEnd) -> FlowCall {
        let topics = if end == ServiceEnd::Resolved { vec!["bill".into()] } else { Vec::new() };
        FlowCall {
            started: at,
            project: Some(ProjectId::new("power")),
            flow: "power".into(),
            version: FlowVersion::new("f00d"),
            caller: caller.into(),
            account: None,
            end,
            closed: false,
            topics,
            human_ms: None,
            visits: Vec::new(),
            left_out: 0,
        }
    }

    fn human(call: FlowCall) -> FlowCall {
        FlowCall { human_ms: Some(40_000), ..call }
    }

    fn report(calls: impl IntoIterator<Item = FlowCall>) -> FlowReport {
        let mut stats = FlowStats::default();
        calls.into_iter().for_each(|call| stats.add(call));
        stats.report(100 * DAY).pop().expect("one flow")
    }

    #[test]
    fn every_call_counts_once_and_what_could_not_be_served_is_not_in_the_denominator() {
        let ends = ServiceEnd::ALL.map(|end| call(DAY, "13800138000", end));
        let closed = FlowCall { closed: true, ..call(DAY, "13800138001", ServiceEnd::Overflow) };
        let report = report(ends.into_iter().chain([closed]));
        assert_eq!(report.ends.values().sum::<u64>(), report.calls);
        assert_eq!((report.calls, report.deflection.offered), (15, 12));
    }

    #[test]
    fn a_success_is_taken_back_when_the_caller_returns_within_a_day_for_a_human_or_the_same_thing() {
        let first = |caller| call(DAY, caller, ServiceEnd::Resolved);
        let later = |after: u64, caller, end| call(DAY + after, caller, end);
        let report = report([
            first("13800138001"),
            human(later(DAY / 2, "13800138001", ServiceEnd::Routed)),
            first("13800138002"),
            later(DAY / 2, "13800138002", ServiceEnd::Resolved),
            first("13800138003"),
            human(later(2 * DAY, "13800138003", ServiceEnd::OptedOut)),
            first("13800138004"),
            later(HOUR_MS, "13800138004", ServiceEnd::LeftAtInput),
        ]);
        let deflection = &report.deflection;
        assert_eq!((deflection.resolved, deflection.confirmed), (5, 3));
        assert_eq!((deflection.returned_24h, deflection.returned_72h, deflection.returned_7d), (2, 3, 3));
        assert_eq!((deflection.low, deflection.high), (Some(0.375), Some(0.375)));
        assert_eq!(report.guards.returned, Some(0.4));
    }

    #[test]
    fn the_account_shows_a_return_from_another_telephone_and_a_hidden_number_is_not_taken_for_content() {
        let account = |call: FlowCall| FlowCall { account: Some("0011223344556677".into()), ..call };
        let report = report([
            account(call(DAY, "13800138001", ServiceEnd::Resolved)),
            account(human(call(DAY + HOUR_MS, "02012345678", ServiceEnd::Routed))),
            call(DAY, "anonymous", ServiceEnd::Resolved),
        ]);
        assert_eq!((report.deflection.returned_24h, report.deflection.unmatched), (1, 1));
        assert_eq!((report.deflection.low, report.deflection.high), (Some(0.0), Some(0.3333)));
    }

    #[test]
    fn what_was_resolved_today_is_provisional_and_a_hang_up_in_an_answer_is_no_more_than_possible() {
        let mut stats = FlowStats::default();
        stats.add(call(DAY, "13800138001", ServiceEnd::Resolved));
        let say = Visit { left: Some(During::Prompt), verb: "say".into(), ..visit("bill", 0, 2_000) };
        stats.add(FlowCall { visits: vec![say], ..call(DAY, "13800138002", ServiceEnd::LeftAtInput) });
        let deflection = stats.report(DAY + HOUR_MS).pop().expect("one flow").deflection;
        assert_eq!((deflection.provisional, deflection.left_at_answer), (1, 1));
        assert_eq!((deflection.low, deflection.high), (Some(0.0), Some(1.0)));
    }

    fn visit(section: &str, step: u16, ms: u64) -> Visit {
        Visit {
            flow: String::new(),
            section: section.into(),
            step,
            verb: "menu".into(),
            ms,
            outcome: None,
            left: None,
            asked: Asked::default(),
        }
    }

    #[test]
    fn a_step_s_figures_are_those_of_its_visits() {
        let outcome = |outcome: &str, ms, asked| Visit { outcome: Some(outcome.into()), asked, ..visit("main", 0, ms) };
        let visits = vec![
            outcome("1", 1_000, Asked { barged: true, ..Asked::default() }),
            outcome("back", 2_000, Asked { wrong: 2, silent: 1, ..Asked::default() }),
            outcome("0", 3_000, Asked { opted_out: true, typed_ahead: true, ..Asked::default() }),
            Visit { left: Some(During::Answer), ..visit("main", 0, 9_000) },
        ];
        let report = report([FlowCall { visits, ..call(DAY, "13800138000", ServiceEnd::LeftAtInput) }]);
        assert_eq!(report.guards.opt_out, Some(1.0));
        let [step] = &report.steps[..] else { panic!("{:?}", report.steps) };
        assert_eq!((step.step, step.entries, step.back, step.opted_out), (1, 4, 1, 1));
        assert_eq!((step.median_s, step.p90_s), (Some(2.0), Some(9.0)));
        assert_eq!((step.silent, step.wrong), (1, 2));
        assert_eq!((step.barged, step.typed_ahead), (Some(0.25), Some(0.25)));
        assert_eq!(step.left, BTreeMap::from([(During::Answer, 1)]));
        let left: u64 = step.left.values().sum();
        assert_eq!(step.exits.values().sum::<u64>() + left, step.entries, "whoever came in went out or left");
    }

    #[test]
    fn versions_are_told_apart() {
        let mut stats = FlowStats::default();
        stats.add(call(DAY, "13800138001", ServiceEnd::Resolved));
        stats.add(FlowCall { version: FlowVersion::new("beef"), ..call(2 * DAY, "13800138002", ServiceEnd::Forced) });
        let versions: Vec<String> = stats.report(9 * DAY).iter().map(|report| report.version.to_string()).collect();
        assert_eq!(versions, ["f00d", "beef"]);
    }
}
