//! Folds events into what each queue and each agent did today. The day is that of the project's time zone and begins anew
//! at its midnight. Events of an earlier run of the process, read back from the journal, fold the same way.

use super::figures::{Tally, WorkTime};
use crate::events::{AgentStateName, EventKind, OfferResult, QueueOutcome, SwitchEvent};
use crate::ids::{AgentId, CallId, QueueId, TicketId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// What a project's days are made of.
#[derive(Clone, Debug)]
pub struct Members {
    pub zone: TimeZone,
    pub queues: Vec<QueueId>,
    /// Those whose home it is.
    pub agents: Vec<AgentId>,
    /// What a call counts in the weighted volume, by the tag that says its reason; 1 for others.
    pub weights: BTreeMap<String, f64>,
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

/// What an agent does now, since when by the monotonic clock.
#[derive(Clone, Debug)]
struct Doing {
    state: AgentStateName,
    since: u64,
    /// Where the call at hand came from, and how long it takes so far.
    handling: Option<(QueueId, u64)>,
}

/// Today, of every queue and agent.
#[derive(Clone, Debug, Default)]
pub struct Centre {
    of_queue: BTreeMap<QueueId, usize>,
    of_agent: BTreeMap<AgentId, usize>,
    members: Vec<Members>,
    queues: BTreeMap<QueueId, Day<Tally>>,
    agents: BTreeMap<AgentId, Day<WorkTime>>,
    doing: BTreeMap<AgentId, Doing>,
    offers: BTreeMap<TicketId, (QueueId, AgentId)>,
    /// The queue and the reason of calls that a human has answered.
    calls: BTreeMap<CallId, (Option<QueueId>, Option<String>)>,
    last_mono: u64,
}

impl Centre {
    /// The events that it is made of, by their names in the journal.
    pub const KINDS: [&str; 6] = ["offered", "offer_ended", "dequeued", "agent_state", "tagged", "call_ended"];

    pub fn new(members: Vec<Members>) -> Self {
        let mut centre = Self::default();
        centre.configure(members);
        centre
    }

    /// What has been counted stays.
    pub fn configure(&mut self, members: Vec<Members>) {
        let each = || members.iter().enumerate();
        self.of_queue = each().flat_map(|(at, of)| of.queues.iter().map(move |queue| (queue.clone(), at))).collect();
        self.of_agent = each().flat_map(|(at, of)| of.agents.iter().map(move |agent| (agent.clone(), at))).collect();
        self.members = members;
    }

    pub fn apply(&mut self, event: &SwitchEvent) {
        if event.mono < self.last_mono {
            // Another run of the process: what was under way in the one before has ended with it.
            (self.doing, self.offers, self.calls) = Default::default();
        }
        self.last_mono = event.mono;
        match &event.kind {
            EventKind::Offered { ticket, queue, agent } => {
                self.offers.insert(*ticket, (queue.clone(), agent.clone()));
            }
            EventKind::OfferEnded { ticket, agent, result } => {
                let offer = self.offers.remove(ticket);
                if let (OfferResult::Answered, Some((queue, _))) = (result, offer) {
                    if let Some(call) = event.call {
                        self.calls.entry(call).or_default().0 = Some(queue.clone());
                    }
                    if let Some(doing) = self.doing.get_mut(agent) {
                        doing.handling = Some((queue, 0));
                    }
                }
            }
            EventKind::Dequeued { queue, outcome, waited_ms, .. } => {
                let tally = self.today(queue, event.wall);
                match outcome {
                    QueueOutcome::Answered => tally.answered(*waited_ms),
                    QueueOutcome::Abandoned => tally.abandoned(*waited_ms),
                    QueueOutcome::Timeout
                    | QueueOutcome::Full
                    | QueueOutcome::Closed
                    | QueueOutcome::NoAgents
                    | QueueOutcome::Left => tally.unserved(),
                }
            }
            EventKind::AgentState { agent, state, .. } => self.agent(event, agent, *state),
            EventKind::Tagged { tag } => {
                if let Some(call) = event.call {
                    self.calls.entry(call).or_default().1 = Some(tag.clone());
                }
            }
            EventKind::CallEnded { .. } => {
                let call = event.call.and_then(|call| self.calls.remove(&call));
                if let Some((Some(queue), reason)) = call {
                    let weight = self.weight(&queue, reason.as_deref());
                    self.today(&queue, event.wall).weighed(weight);
                }
            }
            _ => {}
        }
    }

    fn weight(&self, queue: &QueueId, reason: Option<&str>) -> f64 {
        let project = self.of_queue.get(queue).and_then(|at| self.members.get(*at));
        project.zip(reason).and_then(|(project, reason)| project.weights.get(reason)).copied().unwrap_or(1.0)
    }

    fn agent(&mut self, event: &SwitchEvent, agent: &AgentId, state: AgentStateName) {
        let before = self.doing.remove(agent);
        let mut handling = None;
        if let Some(before) = before {
            let ms = event.mono.saturating_sub(before.since);
            let day = self.day(self.of_agent.get(agent), event.wall);
            let time = self.agents.entry(agent.clone()).or_default().on(day);
            let at_work = matches!(before.state, AgentStateName::Talking | AgentStateName::WrapUp);
            match before.state {
                AgentStateName::Talking if before.handling.is_some() => time.talk += ms,
                AgentStateName::WrapUp => time.wrap_up += ms,
                AgentStateName::Ready => time.idle += ms,
                _ => {}
            }
            if let Some((queue, so_far)) = before.handling {
                let so_far = so_far + if at_work { ms } else { 0 };
                match state {
                    AgentStateName::Talking | AgentStateName::WrapUp => handling = Some((queue, so_far)),
                    _ => self.today(&queue, event.wall).handled(so_far),
                }
            }
        }
        self.doing.insert(agent.clone(), Doing { state, since: event.mono, handling });
    }

    fn day(&self, project: Option<&usize>, wall: u64) -> i64 {
        let project = project.and_then(|at| self.members.get(*at));
        local_day(project.map(|of| &of.zone), wall)
    }

    fn today(&mut self, queue: &QueueId, wall: u64) -> &mut Tally {
        let day = self.day(self.of_queue.get(queue), wall);
        self.queues.entry(queue.clone()).or_default().on(day)
    }

    /// What this queue did on the day of `wall`.
    pub fn of_queue(&self, queue: &QueueId, wall: u64) -> Tally {
        let day = self.day(self.of_queue.get(queue), wall);
        self.queues.get(queue).filter(|tally| tally.day == day).map(|tally| tally.of.clone()).unwrap_or_default()
    }

    /// What these agents did on the day of `wall`; `mono` is now, for what they do at the moment.
    pub fn work_of(&self, agents: &[AgentId], wall: u64, mono: u64) -> WorkTime {
        let mut all = WorkTime::default();
        for agent in agents {
            let day = self.day(self.of_agent.get(agent), wall);
            if let Some(time) = self.agents.get(agent).filter(|time| time.day == day) {
                all.absorb(time.of);
            }
            if let Some(doing) = self.doing.get(agent) {
                let ms = mono.saturating_sub(doing.since);
                match doing.state {
                    AgentStateName::Talking if doing.handling.is_some() => all.talk += ms,
                    AgentStateName::WrapUp => all.wrap_up += ms,
                    AgentStateName::Ready => all.idle += ms,
                    _ => {}
                }
            }
        }
        all
    }

    pub fn members(&self) -> &[Members] {
        &self.members
    }

    /// Adds what an earlier run did on the same day.
    pub fn absorb(&mut self, earlier: Centre) {
        for (queue, before) in earlier.queues {
            let now = self.queues.entry(queue).or_insert_with(|| Day { day: before.day, of: Tally::default() });
            if now.day == before.day {
                now.of.absorb(&before.of);
            }
        }
        for (agent, before) in earlier.agents {
            let now = self.agents.entry(agent).or_insert_with(|| Day { day: before.day, of: WorkTime::default() });
            if now.day == before.day {
                now.of.absorb(before.of);
            }
        }
    }
}

/// The date there, such as `2026-03-08`.
pub fn day_of(zone: &TimeZone, wall_ms: u64) -> String {
    let at = Timestamp::from_second(i64::try_from(wall_ms / 1000).unwrap_or(0)).unwrap_or_default();
    zone.to_datetime(at).date().to_string()
}

/// Days since 1970-01-01, as the clocks on the wall there count them.
fn local_day(zone: Option<&TimeZone>, wall_ms: u64) -> i64 {
    let seconds = i64::try_from(wall_ms / 1000).unwrap_or(0);
    let at = Timestamp::from_second(seconds).ok();
    let offset = zone.zip(at).map_or(0, |(zone, at)| zone.to_offset(at).seconds());
    (seconds + i64::from(offset)).div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::super::figures::Terms;
    use super::*;
    use crate::events::{Cause, EndedBy};

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
        day.at += 10_000;
        let agents = [AgentId::new("1001")];
        let time = day.centre.work_of(&agents, EVENING + day.at, day.at);
        assert_eq!(time, WorkTime { talk: 60_000, wrap_up: 20_000, idle: 20_000 });
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
