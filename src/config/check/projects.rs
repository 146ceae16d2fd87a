//! Projects: every name in them is there, and nothing belongs to two.

use super::super::Number;
use super::super::Queue;
use super::super::raw::project::RawProject;
use super::super::read::At;
use super::{Allowed, Check, allowed};
use crate::ids::{ProjectId, QueueId};
use crate::ivr::time_zone;
use crate::source::diag::shown;
use crate::switch::{Project, ServiceLevelTarget, Targets};
use std::collections::BTreeMap;

/// Service levels and short abandons are told by whole seconds of the first ten minutes.
const WITHIN: Allowed = allowed(1, 600);
const SHORT: Allowed = allowed(0, 60);
/// A call that counted for more would be a slip.
const MAX_WEIGHT: f64 = 1_000.0;

impl Check<'_> {
    pub(super) fn projects(
        &mut self,
        raw: Vec<(At<String>, RawProject)>,
        queues: &BTreeMap<QueueId, Queue>,
        numbers: &[Number],
    ) -> BTreeMap<ProjectId, Project> {
        let mut projects = BTreeMap::new();
        let mut owners = BTreeMap::new();
        for (name, raw) in raw {
            self.name("project", &name);
            if raw.queues.is_empty() {
                let help = "add `queues: [QUEUE]`; figures, targets and lending are about its queues";
                self.error("C190", &name, format!("project `{}` has no queue", name.value), Some(help.into()));
            }
            for (what, list) in [("queue", &raw.queues), ("number", &raw.numbers)] {
                for at in list {
                    let owner = owners.insert((what, at.value.clone()), name.value.clone());
                    if let Some(owner) = owner {
                        let message = format!("{what} `{}` belongs to project `{owner}` already", shown(&at.value));
                        self.error("C191", at, message, Some("leave it in one of the two".into()));
                    }
                }
            }
            for at in raw.queues.iter().filter(|at| !queues.contains_key(at.value.as_str())) {
                self.missing(at, "queue", queues.keys().map(QueueId::as_str));
            }
            for at in &raw.numbers {
                if !numbers.iter().any(|number| number.number == at.value) {
                    self.missing(at, "number", numbers.iter().map(|number| number.number.as_str()));
                }
            }
            let project = self.project(ProjectId::new(&name.value), &raw);
            projects.insert(project.id.clone(), project);
        }
        projects
    }

    fn project(&mut self, id: ProjectId, raw: &RawProject) -> Project {
        let default = Project::new(id);
        let targets = Targets {
            answer_rate: raw.targets.answer_rate.as_ref().and_then(|at| self.share(at)),
            service_level: self.service_level(raw),
            satisfaction: raw.targets.satisfaction.as_ref().and_then(|at| self.share(at)),
        };
        let zone = raw.timezone.as_ref().and_then(|at| {
            let zone = time_zone(&at.value);
            if zone.is_none() {
                let message = format!("there is no time zone `{}`", shown(&at.value));
                self.error("C192", at, message, Some("write it as in `Asia/Shanghai`".into()));
            }
            zone
        });
        let mut reasons = BTreeMap::new();
        for (reason, weight) in &raw.reasons {
            reasons.insert(reason.value.clone(), self.weight(weight));
        }
        Project {
            names: raw
                .name
                .iter()
                .map(|(lang, name)| (lang.as_ref().map_or("", |lang| &lang.value).to_owned(), name.value.clone()))
                .collect(),
            numbers: raw.numbers.iter().map(|number| number.value.clone()).collect(),
            queues: raw.queues.iter().map(|queue| QueueId::new(&queue.value)).collect(),
            targets,
            zone: zone.unwrap_or_else(jiff::tz::TimeZone::system),
            recording: raw.recording.as_ref().map(|recording| recording.value),
            short_abandon: self.duration(raw.short_abandon.as_ref(), default.short_abandon, SHORT),
            reasons,
            ..default
        }
    }

    fn service_level(&mut self, raw: &RawProject) -> Option<ServiceLevelTarget> {
        let level = &raw.targets.service_level;
        match (&level.within, &level.share) {
            (Some(within), Some(share)) => Some(ServiceLevelTarget {
                within: self.duration(Some(within), WITHIN.min, WITHIN),
                share: self.share(share)?,
            }),
            (Some(at), None) | (None, Some(at)) => {
                let help = "write both, as in `service_level: {within: 20s, share: 80%}`";
                self.error("C193", at, "a service level is a share within a time".into(), Some(help.into()));
                None
            }
            (None, None) => None,
        }
    }

    /// `97%`, from 0 to 1.
    fn share(&mut self, at: &At<String>) -> Option<f64> {
        let percent = at.value.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        let share = percent.filter(|percent| *percent > 0.0 && *percent <= 100.0).map(|percent| percent / 100.0);
        if share.is_none() {
            let message = format!("`{}` is no share", shown(&at.value));
            self.error("C193", at, message, Some("write more than 0% and up to 100%, such as `97%`".into()));
        }
        share
    }

    fn weight(&mut self, at: &At<String>) -> f64 {
        let weight = at.value.parse::<f64>().ok().filter(|weight| (0.0..=MAX_WEIGHT).contains(weight));
        weight.unwrap_or_else(|| {
            let message = format!("`{}` is no weight", shown(&at.value));
            self.error("C194", at, message, Some("write a number from 0 to 1000, such as `1.5`".into()));
            1.0
        })
    }
}
