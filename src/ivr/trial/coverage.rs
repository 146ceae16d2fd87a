//! What of a flow the tests have been through: steps, the ways out of them, keys of menus, conditions both ways, and
//! prompts in each language.

use super::call::{Heard, Line};
use crate::ivr::bundle::Bundle;
use crate::ivr::flow::Flow;
use crate::ivr::prompt::Part;
use crate::ivr::step::{Exit, Fact, Refers, To};
use crate::ivr::wire::TraceEvent;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A step of a flow; `step` counts from 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub flow: String,
    pub section: String,
    pub step: u16,
    pub verb: &'static str,
}

/// One thing that a test can reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    Step(Place),
    /// From a step to a section, or to the step below.
    Way(Place, Option<String>),
    /// A key of a menu, as it is dialled.
    Key(Place, String),
    /// The condition of a `say` holds or does not.
    Holds(Place, bool),
    Prompt(String, String),
}

pub const KINDS: [&str; 5] = ["steps", "ways", "keys", "conditions", "prompts"];

impl Item {
    pub fn kind(&self) -> &'static str {
        match self {
            Item::Step(..) => "steps",
            Item::Way(..) => "ways",
            Item::Key(..) => "keys",
            Item::Holds(..) => "conditions",
            Item::Prompt(..) => "prompts",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, step {} `{}`", self.flow, self.section, self.step + 1, self.verb)
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Step(place) => write!(f, "{place} is never reached"),
            Item::Way(place, Some(section)) => write!(f, "{place} never leads to `{section}`"),
            Item::Way(place, None) => write!(f, "{place} never leads on to the step below"),
            Item::Key(place, key) => write!(f, "{place}: key {key} is never pressed"),
            Item::Holds(place, true) => write!(f, "{place}: its condition never holds"),
            Item::Holds(place, false) => write!(f, "{place}: its condition always holds"),
            Item::Prompt(prompt, lang) => write!(f, "prompt `{prompt}` is never heard in `{lang}`"),
        }
    }
}

/// Everything that can be reached from an entry flow, and how often it was.
#[derive(Clone, Debug)]
pub struct Coverage {
    items: BTreeMap<Item, u32>,
}

impl Coverage {
    /// All that there is to reach, nothing reached.
    pub fn of(bundle: &Bundle, flow: &str) -> Self {
        let mut items = BTreeMap::new();
        let mut open: Vec<&Flow> = bundle.flow(flow).into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(flow) = open.pop() {
            if !seen.insert(flow.name.as_str()) {
                continue;
            }
            for section in &flow.sections {
                for (index, at) in section.steps.iter().enumerate() {
                    let verb = at.verb.verb();
                    let step = u16::try_from(index).unwrap_or(u16::MAX);
                    let place = Place { flow: flow.name.clone(), section: section.name.text.clone(), step, verb };
                    let mut facts = Vec::new();
                    at.verb.facts(bundle, &mut facts);
                    for fact in &facts {
                        if let Fact::Refers(Refers::Flow, name) = fact {
                            open.extend(bundle.flow(&name.text));
                        }
                        for item in wanted(&place, fact, &flow.languages, bundle) {
                            items.insert(item, 0);
                        }
                    }
                    items.insert(Item::Step(place), 0);
                }
            }
        }
        Self { items }
    }

    /// Counts what a call went through.
    pub fn note(&mut self, lines: &[(u64, Line)]) {
        for item in passed(lines) {
            if let Some(count) = self.items.get_mut(&item) {
                *count += 1;
            }
        }
    }

    /// What is not reached yet.
    pub fn missed(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|(_, count)| **count == 0).map(|(item, _)| item)
    }

    /// Reached and all, of one kind or, without one, of everything.
    pub fn count(&self, kind: Option<&str>) -> (usize, usize) {
        let of_kind = || self.items.iter().filter(|(item, _)| kind.is_none_or(|kind| item.kind() == kind));
        (of_kind().filter(|(_, count)| **count > 0).count(), of_kind().count())
    }

    pub fn percent(&self, kind: Option<&str>) -> f64 {
        let (reached, all) = self.count(kind);
        if all == 0 { 100.0 } else { reached as f64 * 100.0 / all as f64 }
    }
}

/// What a fact of a step is there to be reached.
fn wanted(place: &Place, fact: &Fact, languages: &[String], bundle: &Bundle) -> Vec<Item> {
    match fact {
        Fact::Exit(Exit { to: To::Section(section), .. }) | Fact::ExitProving(section, _) => {
            vec![Item::Way(place.clone(), Some(section.text.clone()))]
        }
        Fact::Exit(Exit { to: To::Below, .. }) => vec![Item::Way(place.clone(), None)],
        Fact::Key { key, .. } => vec![Item::Key(place.clone(), (*key).to_string())],
        Fact::Reads(..) if place.verb == "say" => [true, false].map(|holds| Item::Holds(place.clone(), holds)).to_vec(),
        Fact::Plays(name) | Fact::PlaysInQueue(name) => {
            // A text of values alone has no name that a caller could hear.
            let heard = |lang: &&String| {
                let text = bundle.prompts.get(&name.text).and_then(|prompt| prompt.texts.get(*lang));
                text.is_some_and(|text| matches!(text.parts.first(), Some(Part::Audio { .. })))
            };
            let spoken = languages.iter().filter(heard);
            spoken.map(|lang| Item::Prompt(name.text.clone(), lang.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// Everything that a call went through.
pub(super) fn passed(lines: &[(u64, Line)]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut here: Option<Place> = None;
    let mut left: Option<Place> = None;
    for (_, line) in lines {
        match line {
            Line::Hears(Heard { prompt, lang, from, until, .. }) if until > from => {
                items.extend(lang.split('+').map(|lang| Item::Prompt(prompt.clone(), lang.to_string())));
            }
            Line::Trace(TraceEvent::Step { flow, section, step, verb }) => {
                let place = Place { flow: flow.clone(), section: section.clone(), step: *step, verb };
                if let Some(from) = left.take().filter(|from| from.flow == *flow) {
                    if from.section == *section && *step == from.step + 1 {
                        items.push(Item::Way(from, None));
                    } else if *step == 0 {
                        items.push(Item::Way(from, Some(section.clone())));
                    }
                }
                items.push(Item::Step(place.clone()));
                here = Some(place);
            }
            Line::Trace(TraceEvent::Outcome { flow, section, step, verb, outcome, .. }) => {
                let place = Place { flow: flow.clone(), section: section.clone(), step: *step, verb };
                match *verb {
                    "say" => items.push(Item::Holds(place.clone(), outcome != "skipped")),
                    "menu" => items.push(Item::Key(place.clone(), dialled(outcome))),
                    _ => {}
                }
                left = Some(place);
            }
            Line::Trace(TraceEvent::Key { key: Some(key) }) => {
                items.extend(here.clone().map(|place| Item::Key(place, key.to_string())));
            }
            _ => {}
        }
    }
    items
}

/// A menu's outcome as the key that is dialled.
fn dialled(outcome: &str) -> String {
    match outcome {
        "star" => "*".into(),
        "hash" => "#".into(),
        key => key.to_string(),
    }
}
