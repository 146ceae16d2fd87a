//! Queues, and what agents can do.

use super::super::Queue;
use super::super::raw::RawAgent;
use super::super::raw::queue::{RawQueue, RawWidening};
use super::super::read::At;
use super::{Allowed, Check, MAX_WAIT, RING, WRAP_UP, allowed};
use crate::acd::{AgentSkill, Dispositions, Level, MAX_LEVEL, Matching, Sticky, Strategy, Widening};
use crate::ids::{QueueId, SkillId};
use crate::source::diag::shown;
use std::collections::{BTreeMap, BTreeSet};

/// Longer than a shift would be another order than that of priority.
const AGEING: Allowed = allowed(0, 14_400);
const REMEMBER: Allowed = allowed(60, 90 * 86_400);
const STICKY_WAIT: Allowed = allowed(1, 600);
const KEEP_PLACE: Allowed = allowed(0, 3_600);
const WAIT_FOR_LOST: Allowed = allowed(0, 120);
/// How long the caller waits for the agent of the last call, who is at work: about half of what a caller bears.
const USUAL_STICKY_WAIT: std::time::Duration = std::time::Duration::from_secs(20);
/// Digits of a disposition.
const MAX_CODE: usize = 6;
const DAY_MS: u64 = 86_400_000;

impl Check<'_> {
    /// `agents` are those of the file, whose skills are all that there are.
    pub(super) fn queues(&mut self, raw: Vec<(At<String>, RawQueue)>, agents: &[RawAgent]) -> BTreeMap<QueueId, Queue> {
        let names: BTreeSet<String> = raw.iter().map(|(name, _)| name.value.clone()).collect();
        let skills: BTreeSet<&str> =
            agents.iter().flat_map(|agent| &agent.skills).map(|(name, _)| name.value.as_str()).collect();
        raw.into_iter()
            .map(|(name, raw)| {
                self.name("queue", &name);
                let default = Queue::named(QueueId::new(&name.value));
                let queue = Queue {
                    ring_timeout: self.duration(raw.ring_timeout.as_ref(), default.ring_timeout, RING),
                    wrap_up: self.duration(raw.wrap_up.as_ref(), default.wrap_up, WRAP_UP),
                    max_wait: self.duration(raw.max_wait.as_ref(), default.max_wait, MAX_WAIT),
                    max_len: raw.max_len.as_ref().map_or(default.max_len, |len| len.value),
                    matching: self.matching(&name.value, &raw, &skills, &names),
                    dispositions: self.dispositions(&raw),
                    id: default.id,
                };
                (queue.id.clone(), queue)
            })
            .collect()
    }

    fn matching(&mut self, own: &str, raw: &RawQueue, skills: &BTreeSet<&str>, queues: &BTreeSet<String>) -> Matching {
        let default = Matching::default();
        let mut needed = Vec::new();
        for (name, level) in &raw.skills {
            if !skills.contains(name.value.as_str()) {
                self.missing(name, "agent with the skill", skills.iter().copied());
            }
            needed.push((SkillId::new(&name.value), self.level_in_words(level)));
        }
        let sticky = raw.sticky.remember.as_ref().map(|remember| Sticky {
            remember: self.duration(Some(remember), USUAL_STICKY_WAIT, REMEMBER),
            wait: self.duration(raw.sticky.wait.as_ref(), USUAL_STICKY_WAIT, STICKY_WAIT),
        });
        if let (None, Some(wait)) = (sticky, &raw.sticky.wait) {
            let help = "add `remember`, such as `sticky: {remember: 7d, wait: 20s}`";
            self.error(
                "C151",
                wait,
                "`sticky` does not say for how long agents are remembered".into(),
                Some(help.into()),
            );
        }
        Matching {
            strategy: self.strategy(raw.strategy.as_ref()),
            skills: needed,
            min_level: raw.min_level.as_ref().map_or(default.min_level, |level| self.level(level)),
            widen: self.widening(own, &raw.widen, queues),
            ageing: self.duration(raw.ageing.as_ref(), default.ageing, AGEING),
            sticky,
            keep_place: self.duration(raw.keep_place.as_ref(), default.keep_place, KEEP_PLACE),
            wait_for_lost: self.duration(raw.wait_for_lost.as_ref(), default.wait_for_lost, WAIT_FOR_LOST),
        }
    }

    /// What agents say of a call. Digits are pressed on a phone, so that they are few.
    fn dispositions(&mut self, raw: &RawQueue) -> Dispositions {
        let mut codes = BTreeMap::new();
        for (digits, name) in &raw.dispositions {
            self.name("disposition", name);
            let good = (1..=MAX_CODE).contains(&digits.value.len()) && digits.value.bytes().all(|b| b.is_ascii_digit());
            if !good {
                let message = format!("`{}` is no code of a disposition", shown(&digits.value));
                let help = format!("write up to {MAX_CODE} digits, such as `11: refund` below `1: billing`");
                self.error("C159", digits, message, Some(help));
            }
            codes.insert(digits.value.clone(), name.value.clone());
        }
        let required = raw.disposition_required.as_ref().is_some_and(|required| required.value);
        if let (true, true, Some(at)) = (required, codes.is_empty(), &raw.disposition_required) {
            let help = "add `dispositions: {1: billing, 2: fault}`";
            self.error("C159", at, "agents owe a code, and there is none".into(), Some(help.into()));
        }
        Dispositions { required, codes }
    }

    fn strategy(&mut self, word: Option<&At<String>>) -> Strategy {
        let Some(word) = word else { return Strategy::default() };
        let known = Strategy::ALL.into_iter().find(|(name, _)| *name == word.value);
        known.map(|(_, strategy)| strategy).unwrap_or_else(|| {
            let names = Strategy::ALL.map(|(name, _)| format!("`{name}`")).join(", ");
            let message = format!("`{}` is no strategy", shown(&word.value));
            self.error("C150", word, message, Some(format!("write one of {names}")));
            Strategy::default()
        })
    }

    fn widening(&mut self, own: &str, raw: &[RawWidening], queues: &BTreeSet<String>) -> Vec<Widening> {
        let mut steps: Vec<Widening> = Vec::new();
        for step in raw {
            let after = self.duration(Some(&step.after), MAX_WAIT.min, MAX_WAIT);
            if steps.last().is_some_and(|before| before.after >= after) {
                let message = format!("`{}` is not after the step before", step.after.value);
                self.error("C152", &step.after, message, Some("write the steps in order of time".into()));
            }
            for queue in &step.agents_of {
                if queue.value == own {
                    let message = format!("agents of `{own}` serve its callers from the beginning");
                    self.error("C152", queue, message, Some("name another queue".into()));
                } else if !queues.contains(&queue.value) {
                    self.missing(queue, "queue", queues.iter().map(String::as_str));
                }
            }
            if step.min_level.is_none() && step.agents_of.is_empty() {
                let help = "add `min_level: 40`, or `agents_of: [QUEUE]`";
                self.error("C152", &step.after, "this step changes nothing".into(), Some(help.into()));
            }
            steps.push(Widening {
                after,
                min_level: step.min_level.as_ref().map(|level| self.level(level)),
                agents_of: step.agents_of.iter().map(|queue| QueueId::new(&queue.value)).collect(),
            });
        }
        steps
    }

    fn level(&mut self, at: &At<u32>) -> Level {
        Level::try_from(at.value).ok().filter(|level| *level <= MAX_LEVEL).unwrap_or_else(|| {
            self.error("C150", at, format!("{} is no level", at.value), Some("write a number from 0 to 100".into()));
            0
        })
    }

    pub(super) fn level_in_words(&mut self, at: &At<String>) -> Level {
        match at.value.parse() {
            Ok(value) => self.level(&At { value, span: at.span }),
            Err(_) => {
                let message = format!("`{}` is no level", shown(&at.value));
                self.error("C150", at, message, Some("write a number from 0 to 100".into()));
                0
            }
        }
    }

    /// `80`, or `60 until 2027-06-30`: through that day (UTC).
    pub(super) fn agent_skills(&mut self, raw: &[(At<String>, At<String>)]) -> Vec<AgentSkill> {
        let mut skills = Vec::new();
        for (name, text) in raw {
            self.name("skill", name);
            let (level, until) = match text.value.split_once(" until ") {
                None => (text.value.as_str(), None),
                Some((level, date)) => (level, Some(date.trim())),
            };
            let level = self.level_in_words(&At { value: level.trim().to_string(), span: text.span });
            let until = until.and_then(|date| {
                let day = crate::ivr::read_date(date).and_then(|day| u64::try_from(day).ok());
                if day.is_none() {
                    let help = "write the last day as `60 until 2027-06-30`";
                    self.error("C150", text, format!("`{}` is no date", shown(date)), Some(help.into()));
                }
                day.map(|day| (day + 1) * DAY_MS)
            });
            skills.push(AgentSkill { skill: SkillId::new(&name.value), level, until });
        }
        skills
    }
}
