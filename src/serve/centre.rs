//! Today's figures of projects, queues and agents, as the API shows them.

use super::clock;
use crate::api::{ProjectTargets, ProjectView};
use crate::cdr::{Centre, Members, Tally, Terms, day_of};
use crate::ids::AgentId;
use crate::store::Records;
use crate::switch::{Project, SwitchConfig};

/// The longest that a day lasts anywhere, with the hour of a clock that was put back.
const DAY_MS: u64 = 25 * 3_600_000;

/// What the days of the projects of a configuration are made of.
pub(super) fn members(config: &SwitchConfig) -> Vec<Members> {
    let of = |project: &Project| {
        let home = config.acd.agents.iter().filter(|agent| agent.queues.iter().any(|id| project.queues.contains(id)));
        Members {
            project: project.id.clone(),
            terms: terms(project),
            zone: project.zone.clone(),
            queues: project.queues.clone(),
            agents: home.map(|agent| agent.id.clone()).collect(),
            weights: project.reasons.clone(),
        }
    };
    config.projects.iter().map(of).collect()
}

/// What earlier runs of the process did today. Reads the journal: not for the owner's task.
pub(super) fn earlier(records: &Records, members: Vec<Members>) -> Option<Centre> {
    let mut centre = Centre::new(members);
    let read =
        records.earlier_events(clock::wall_ms().saturating_sub(DAY_MS), &Centre::KINDS, |event| centre.apply(&event));
    match read {
        Ok(()) => Some(centre),
        Err(error) => {
            tracing::warn!("today's figures begin with this start: {error}");
            None
        }
    }
}

fn terms(project: &Project) -> Terms {
    let default = Terms::default();
    let within_s = project.targets.service_level.map_or(default.within_s, |level| level.within.as_secs());
    Terms { within_s, short_s: project.short_abandon.as_secs() }
}

pub(super) fn view(project: &Project, members: &Members, centre: &Centre, wall: u64, mono: u64) -> ProjectView {
    let mut tally = Tally::default();
    project.queues.iter().for_each(|queue| tally.absorb(&centre.of_queue(queue, wall)));
    let targets = &project.targets;
    let agents: &[AgentId] = &members.agents;
    ProjectView {
        id: project.id.clone(),
        name: project.names.clone(),
        numbers: project.numbers.clone(),
        queues: project.queues.clone(),
        agents: agents.len() as u64,
        targets: ProjectTargets {
            answer_rate: targets.answer_rate,
            service_level: targets.service_level.map(|level| level.share),
            satisfaction: targets.satisfaction,
        },
        recording: project.recording,
        day: day_of(&project.zone, wall),
        today: tally.figures(members.terms),
        occupancy: centre.work_of(agents, wall, mono).occupancy(),
        burn: targets.answer_rate.map(|target| tally.burn(target)),
    }
}
