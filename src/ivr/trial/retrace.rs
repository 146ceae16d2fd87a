//! A call that was, taken again through the flows that are: whether they would still take it the same way, and where not.
//!
//! What a call's record tells of its steps is enough. Values that the caller entered or a lookup gave are not in it and not
//! needed: of all that caller and systems could do, what leads the recorded way is looked for.

use super::call::{Call, Line, Opening};
use super::choices::{Choice, Outside, openings};
use super::explore::{Past, signature};
use super::liveness::Liveness;
use crate::events::Asked;
use crate::ivr::bundle::Bundle;
use crate::ivr::wire::TraceEvent;
use std::collections::BTreeSet;

/// States looked at for one call: a long call has some thousands.
const MAX_STATES: usize = 50_000;
/// What a remembered language looks like from outside.
const REMEMBERED: &str = "remembered";

/// A step of a call that was entered, or left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footstep {
    pub section: String,
    pub verb: String,
    /// How it was left; `None` where it was entered.
    pub outcome: Option<String>,
    pub asked: Asked,
}

/// How far the flows that are take a call the way that it went.
#[derive(Clone, Debug)]
pub struct Retraced {
    pub of: usize,
    pub same: usize,
    /// The first step of the record that no call can take here any more.
    pub then: Option<String>,
    /// What is done there instead.
    pub now: Vec<String>,
    /// Not everything was looked at.
    pub gave_up: bool,
    /// A test that takes a call this way.
    pub script: String,
}

impl Footstep {
    /// Steps that a person would call the same: places within a section are not compared, so that one may be added before
    /// them, nor how a caller went on from a prompt.
    fn is(&self, other: &Footstep) -> bool {
        let how = |step: &Footstep| match (step.verb.as_str(), step.outcome.as_deref()) {
            ("say", Some(outcome)) if outcome != "skipped" => Some("said".to_string()),
            (_, outcome) => outcome.map(str::to_string),
        };
        (&self.section, &self.verb, how(self)) == (&other.section, &other.verb, how(other))
            && (self.asked.silent, self.asked.wrong) == (other.asked.silent, other.asked.wrong)
    }

    fn words(&self) -> String {
        match &self.outcome {
            None => format!("`{}` in section `{}`", self.verb, self.section),
            Some(outcome) => format!("`{}` in section `{}` left by `{outcome}`", self.verb, self.section),
        }
    }
}

struct Search<'w> {
    way: &'w [Footstep],
    same: usize,
    now: BTreeSet<String>,
}

impl Search<'_> {
    /// How far the way is matched after these lines; `None` when they leave it.
    fn follow(&mut self, mut same: usize, call: &mut Call) -> Option<usize> {
        for (_, line) in std::mem::take(&mut call.lines) {
            let step = match line {
                Line::Trace(TraceEvent::Step { section, verb, .. }) => {
                    Footstep { section, verb: verb.into(), outcome: None, asked: Asked::default() }
                }
                Line::Trace(TraceEvent::Outcome { section, verb, outcome, asked, .. }) => {
                    Footstep { section, verb: verb.into(), outcome: Some(outcome), asked }
                }
                _ => continue,
            };
            match self.way.get(same) {
                // The caller had hung up by then.
                None => break,
                Some(wanted) if wanted.is(&step) => same += 1,
                Some(_) => {
                    self.reached(same, Some(step));
                    return None;
                }
            }
        }
        self.reached(same, None);
        Some(same)
    }

    fn reached(&mut self, same: usize, instead: Option<Footstep>) {
        if same > self.same {
            self.same = same;
            self.now.clear();
        }
        if same == self.same {
            self.now.extend(instead.map(|step| step.words()));
        }
    }
}

/// `None` when there is no such entry flow.
pub fn retrace(bundle: &Bundle, flow: &str, way: &[Footstep]) -> Option<Retraced> {
    let (outside, live) = (Outside::of(bundle), Liveness::of(bundle));
    let openings = with_languages(bundle, flow, way, openings(bundle, flow)?);
    let mut search = Search { way, same: 0, now: BTreeSet::new() };
    let (mut known, mut best) = (BTreeSet::new(), (0, 0, Vec::new()));
    let mut open: Vec<(Call, usize, usize, Vec<Choice>)> = Vec::new();
    for (env, (_, opening)) in openings.iter().enumerate().rev() {
        let Some(mut call) = Call::begin(bundle, flow, opening) else { continue };
        if let Some(same) = search.follow(0, &mut call) {
            open.push((call, env, same, vec![Choice::Begin]));
        }
    }
    while let Some((call, env, same, path)) = open.pop() {
        if same > best.0 || best.2.is_empty() {
            best = (same, env, path.clone());
        }
        if same == way.len() || known.len() >= MAX_STATES {
            break;
        }
        if !known.insert(format!("{same}|{}", signature(&call, env, &Past::default(), &live))) {
            continue;
        }
        let mut next = Vec::new();
        for (choice, mut after) in outside.choices(&call) {
            if let Some(same) = search.follow(same, &mut after) {
                next.push((after, env, same, [path.as_slice(), &[choice]].concat()));
            }
        }
        // Whatever leads farthest is gone on with.
        next.sort_by_key(|(_, _, same, _)| *same);
        open.append(&mut next);
    }
    let (same, env, path) = best;
    let path: Vec<&Choice> = path.iter().collect();
    let same_all = same == way.len();
    Some(Retraced {
        of: way.len(),
        same: search.same,
        then: way.get(search.same).filter(|_| !same_all).map(Footstep::words),
        now: if same_all { Vec::new() } else { search.now.into_iter().collect() },
        gave_up: !same_all && known.len() >= MAX_STATES,
        script: outside.script(bundle, flow, openings.get(env), &path, "as a call went", ""),
    })
}

/// A caller whose language was remembered is one of whom it is remembered.
fn with_languages(
    bundle: &Bundle,
    flow: &str,
    way: &[Footstep],
    openings: Vec<(String, Opening)>,
) -> Vec<(String, Opening)> {
    if way.iter().all(|step| step.outcome.as_deref() != Some(REMEMBERED)) {
        return openings;
    }
    let each = |(name, opening): (String, Opening)| {
        let known = |language: &String| (name.clone(), Opening { language: Some(language.clone()), ..opening.clone() });
        bundle.languages(flow).iter().map(known).collect::<Vec<_>>()
    };
    openings.into_iter().flat_map(each).collect()
}
