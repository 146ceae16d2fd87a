//! Folds events into what each queue and each agent did today. The day is that of the project's time zone and begins anew
//! at its midnight. Events of an earlier run of the process, read back from the journal, fold the same way.

use super::deeds::{Deed, Deeds};
use super::figures::{Tally, Terms, WorkTime};
use crate::events::SwitchEvent;
use crate::ids::{AgentId, ProjectId, QueueId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a project's figures are made of.
#[derive(Clone, Debug)]
pub struct Members {
    pub project: ProjectId,
    pub zone: TimeZone,
    pub queues: Vec<QueueId>,
    /// Those whose home it is.
    pub agents: Vec<AgentId>,
    /// What a call counts in the weighted volume, by the tag that says its reason; 1 for others.
    pub weights: BTreeMap<String, f64>,
    pub terms: Terms,
}

impl Members {
    pub fn weight(&self, reason: Option<&str>) -> f64 {
        reason.and_then(|reason| self.weights.get(reason)).copied().unwrap_or(1.0)
    }
}

#[derive(Clone, Debug, Default)]
struct Day<T> {
    day: i64,
    of: T,
}

impl<T: Default> Day<T> {
    fn on(&mut self, day: i64) -> &mut T {
        if self.day != day {
            *self = Self { day, of: T::default() };
        }
        &mut self.of
    }
}

/// Today, of every queue and agent.
#[derive(Clone, Debug, Default)]
pub struct Centre {
    deeds: Deeds,
    today: Today,
}

#[derive(Clone, Debug, Default)]
struct Today {
    of_queue: BTreeMap<QueueId, usize>,
    of_agent: BTreeMap<AgentId, usize>,
    members: Arc<[Members]>,
    queues: BTreeMap<QueueId, Day<Tally>>,
    agents: BTreeMap<AgentId, Day<WorkTime>>,
}

impl Centre {
    /// The events that it is made of, by their names in the journal.
    pub const KINDS: [&str; 6] = Deeds::KINDS;

    pub fn new(members: Vec<Members>) -> Self {
        let mut centre = Self::default();
        centre.configure(members);
        centre
    }

    /// What has been counted stays.
    pub fn configure(&mut self, members: Vec<Members>) {
        let each = || members.iter().enumerate();
        let today = &mut self.today;
        today.of_queue = each().flat_map(|(at, of)| of.queues.iter().map(move |queue| (queue.clone(), at))).collect();
        today.of_agent = each().flat_map(|(at, of)| of.agents.iter().map(move |agent| (agent.clone(), at))).collect();
        today.members = members.into();
    }

    pub fn apply(&mut self, event: &SwitchEvent) {
        let today = &mut self.today;
        self.deeds.apply(event, |deed| today.count(deed, event.wall));
    }

    /// What this queue did on the day of `wall`.
    pub fn of_queue(&self, queue: &QueueId, wall: u64) -> Tally {
        let day = local_day(self.today.project_of(queue), wall);
        self.today.queues.get(queue).filter(|tally| tally.day == day).map(|tally| tally.of.clone()).unwrap_or_default()
    }

    /// What these agents did on the day of `wall`; `mono` is now, for what they do at the moment.
    pub fn work_of(&self, agents: &[AgentId], wall: u64, mono: u64) -> WorkTime {
        let mut all = WorkTime::default();
        for agent in agents {
            let day = local_day(self.today.home_of(agent), wall);
            if let Some(time) = self.today.agents.get(agent).filter(|time| time.day == day) {
                all.absorb(time.of);
            }
            if let Some(doing) = self.deeds.doing().get(agent) {
                all.spent(doing.state, doing.of_queue(), mono.saturating_sub(doing.since));
            }
        }
        all
    }

    pub fn members(&self) -> &Arc<[Members]> {
        &self.today.members
    }

    /// By what a queue's figures are told.
    pub fn terms_of(&self, queue: &QueueId) -> Terms {
        self.today.project_of(queue).map(|project| project.terms).unwrap_or_default()
    }

    /// Adds what an earlier run did on the same day.
    pub fn absorb(&mut self, earlier: Centre) {
        for (queue, before) in earlier.today.queues {
            let now = self.today.queues.entry(queue).or_insert_with(|| Day { day: before.day, of: Tally::default() });
            if now.day == before.day {
                now.of.absorb(&before.of);
            }
        }
        for (agent, before) in earlier.today.agents {
            let now =
                self.today.agents.entry(agent).or_insert_with(|| Day { day: before.day, of: WorkTime::default() });
            if now.day == before.day {
                now.of.absorb(before.of);
            }
        }
    }
}

impl Today {
    fn count(&mut self, deed: Deed<'_>, wall: u64) {
        match deed {
            Deed::Left { queue, outcome, waited } => self.queue(queue, wall).left(outcome, waited),
            Deed::Handled { queue, talk, wrap_up, .. } => self.queue(queue, wall).handled(talk, wrap_up),
            Deed::Closed { queue, reason } => {
                let weight = self.project_of(queue).map_or(1.0, |project| project.weight(reason));
                self.queue(queue, wall).weighed(weight);
            }
            Deed::Spent { agent, state, of_queue, ms } => {
                let day = local_day(self.home_of(agent), wall);
                self.agents.entry(agent.clone()).or_default().on(day).spent(state, of_queue, ms);
            }
            Deed::Rang { .. } => {}
        }
    }

    fn queue(&mut self, queue: &QueueId, wall: u64) -> &mut Tally {
        let day = local_day(self.project_of(queue), wall);
        self.queues.entry(queue.clone()).or_default().on(day)
    }

    fn project_of(&self, queue: &QueueId) -> Option<&Members> {
        self.of_queue.get(queue).and_then(|at| self.members.get(*at))
    }

    fn home_of(&self, agent: &AgentId) -> Option<&Members> {
        self.of_agent.get(agent).and_then(|at| self.members.get(*at))
    }
}

/// The date there, such as `2026-03-08`.
pub fn day_of(zone: &TimeZone, wall_ms: u64) -> String {
    let at = Timestamp::from_second(i64::try_from(wall_ms / 1000).unwrap_or(0)).unwrap_or_default();
    zone.to_datetime(at).date().to_string()
}

/// Days since 1970-01-01, as the clocks on the wall there count them.
fn local_day(project: Option<&Members>, wall_ms: u64) -> i64 {
    let seconds = i64::try_from(wall_ms / 1000).unwrap_or(0);
    let at = Timestamp::from_second(seconds).ok();
    let offset = project.zip(at).map_or(0, |(project, at)| project.zone.to_offset(at).seconds());
    (seconds + i64::from(offset)).div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{AgentStateName, Cause, EndedBy, EventKind, OfferResult, QueueOutcome};
    use crate::ids::{CallId, TicketId};

    /// 2026-03-08 15:30 UTC, which is 23:30 in Shanghai.
    const EVENING: u64 = 1_772_983_800_000;

    struct Day {
        centre: Centre,
        seq: u64,
        /// Milliseconds since [`EVENING`] began.
        at: u64,
    }

    impl Day {
        fn new() -> Self {
            let members = Members {
                project: ProjectId::new("power"),
                terms: Terms::default(),
                zone: TimeZone::get("Asia/Shanghai").unwrap(),
                queues: vec![QueueId::new("power")],
                agents: vec![AgentId::new("1001")],
                weights: [("outage".to_string(), 2.5)].into(),
            };
            Self { centre: Centre::new(vec![members]), seq: 0, at: 0 }
        }

        fn tell(&mut self, call: Option<u64>, kind: EventKind) {
            self.seq += 1;
            let call = call.map(CallId);
            self.centre.apply(&SwitchEvent { seq: self.seq, wall: EVENING + self.at, mono: self.at, call, kind });
        }

        fn state(&mut self, state: AgentStateName) {
            self.tell(None, EventKind::AgentState { agent: AgentId::new("1001"), state, reason: None });
        }

        fn leaves(&mut self, call: u64, outcome: QueueOutcome, waited_ms: u64) {
            let (ticket, queue) = (TicketId(call), QueueId::new("power"));
            self.tell(Some(call), EventKind::Dequeued { ticket, queue, outcome, waited_ms });
        }

        /// A caller waits 10 s, talks for 60 s, and the agent wraps up for 20 s.
        fn served(&mut self, call: u64) {
            let (ticket, queue, agent) = (TicketId(call), QueueId::new("power"), AgentId::new("1001"));
            self.state(AgentStateName::Ready);
            self.at += 10_000;
            self.tell(Some(call), EventKind::Offered { ticket, queue, agent: agent.clone() });
            self.state(AgentStateName::Ringing);
            self.at += 5_000;
            self.tell(Some(call), EventKind::OfferEnded { ticket, agent, result: OfferResult::Answered });
            self.leaves(call, QueueOutcome::Answered, 15_000);
            self.state(AgentStateName::Talking);
            self.at += 60_000;
            self.tell(Some(call), EventKind::CallEnded { cause: Cause::Normal, by: EndedBy::Caller });
            self.state(AgentStateName::WrapUp);
            self.at += 20_000;
            self.state(AgentStateName::Ready);
        }

        fn today(&self) -> super::super::figures::Figures {
            self.centre.of_queue(&QueueId::new("power"), EVENING + self.at).figures(Terms::default())
        }
    }

    #[test]
    fn handling_is_talk_and_wrap_up_and_ringing_is_neither_work_nor_rest() {
        let mut day = Day::new();
        day.served(1);
        let today = day.today();
        assert_eq!((today.answered, today.asa_s, today.aht_s), (1, Some(15.0), Some(80.0)));
        assert_eq!((today.talk_s, today.wrap_up_s, today.longest_wait_s), (Some(60.0), Some(20.0), Some(15.0)));
        day.at += 10_000;
        let agents = [AgentId::new("1001")];
        let time = day.centre.work_of(&agents, EVENING + day.at, day.at);
        assert_eq!(
            time,
            WorkTime { talk: 60_000, wrap_up: 20_000, idle: 20_000, ringing: 5_000, ..WorkTime::default() }
        );
        assert_eq!(time.occupancy(), Some(0.8));
    }

    #[test]
    fn the_day_begins_anew_at_midnight_of_the_projects_time_zone() {
        let mut day = Day::new();
        day.leaves(1, QueueOutcome::Abandoned, 30_000);
        day.leaves(2, QueueOutcome::Timeout, 600_000);
        assert_eq!((day.today().offered, day.today().unserved), (2, 1));
        day.at += 30 * 60_000;
        assert_eq!(day.today().offered, 0);
        day.leaves(3, QueueOutcome::Abandoned, 30_000);
        assert_eq!(day.today().offered, 1);
    }

    #[test]
    fn what_a_run_before_did_today_counts_and_what_it_left_open_does_not() {
        let mut before = Day::new();
        before.served(1);
        before.leaves(2, QueueOutcome::Abandoned, 30_000);
        let mut day = Day::new();
        day.at = 0;
        day.leaves(3, QueueOutcome::Abandoned, 1_000);
        day.centre.absorb(before.centre);
        let today = day.today();
        assert_eq!((today.offered, today.answered, today.abandoned, today.short_abandoned), (3, 1, 2, 1));
        // The next run's clock begins at 0: the agent has not been ready for all the time between.
        let mut again = Day::new();
        again.served(1);
        again.at = 0;
        again.state(AgentStateName::Ready);
        assert_eq!(again.centre.work_of(&[AgentId::new("1001")], EVENING, 0).idle, 10_000);
    }

    #[test]
    fn a_call_counts_by_the_reason_that_it_was_tagged_with() {
        let mut day = Day::new();
        day.tell(Some(1), EventKind::Tagged { tag: "outage".into() });
        day.served(1);
        day.served(2);
        day.tell(Some(3), EventKind::Tagged { tag: "outage".into() });
        day.tell(Some(3), EventKind::CallEnded { cause: Cause::Normal, by: EndedBy::Caller });
        assert_eq!(day.today().weighted_volume, 3.5, "the third was answered by nobody");
    }
}
