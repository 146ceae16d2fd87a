//! Folds events into what queues, projects and agents did in each hour, each day or the whole of a stretch of time.
//!
//! A call counts in the period in which its wait ended, its handling in the one in which the wrap-up ended; an agent's time is
//! split where periods meet. Hours and days are those of the project's time zone.

use super::centre::Members;
use super::deeds::{Deed, Deeds};
use super::figures::{Figures, Tally, WorkTime, seconds};
use crate::events::{AgentStateName, OfferResult, SwitchEvent};
use crate::ids::{AgentId, ProjectId, QueueId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const HOUR_MS: u64 = 3_600_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    Hour,
    Day,
    /// The whole stretch is one.
    #[default]
    Whole,
}

/// Whose figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Queues,
    Projects,
    Agents,
}

#[derive(Clone, Debug)]
pub struct Periods {
    members: Arc<[Members]>,
    /// Of queues and agents of no project.
    zone: TimeZone,
    by: By,
    since: u64,
    until: u64,
    deeds: Deeds,
    /// The last run of the process that was seen, and when it last told something.
    run: (i64, u64),
    queues: BTreeMap<(u64, QueueId), Tally>,
    agents: BTreeMap<(u64, AgentId), Work>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Work {
    time: WorkTime,
    answered: u64,
    missed: u64,
    handled: u64,
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Period<T> {
    /// Of the queue, project or agent.
    pub id: String,
    /// Begin and end, in milliseconds since 1970.
    pub begin: u64,
    pub end: u64,
    /// The begin on the clocks there.
    pub period: String,
    #[serde(flatten)]
    pub figures: T,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueueFigures {
    pub project: Option<ProjectId>,
    #[serde(flatten)]
    pub figures: Figures,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProjectFigures {
    #[serde(flatten)]
    pub figures: Figures,
    pub occupancy: Option<f64>,
}

/// Whole times are in seconds, and so are means.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentFigures {
    pub answered: u64,
    /// The phone rang and nobody took the call, or it was declined, busy or gone.
    pub missed: u64,
    pub handled: u64,
    pub talk_s: Option<f64>,
    pub wrap_up_s: Option<f64>,
    pub aht_s: Option<f64>,
    pub logged_in_total_s: u64,
    pub talk_total_s: u64,
    pub wrap_up_total_s: u64,
    pub idle_total_s: u64,
    pub ringing_total_s: u64,
    pub other_calls_total_s: u64,
    pub not_ready_total_s: u64,
    pub occupancy: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Lines {
    Queues(Vec<Period<QueueFigures>>),
    Projects(Vec<Period<ProjectFigures>>),
    Agents(Vec<Period<AgentFigures>>),
}

impl Lines {
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Queues(lines) => lines.is_empty(),
            Self::Projects(lines) => lines.is_empty(),
            Self::Agents(lines) => lines.is_empty(),
        }
    }
}

impl Periods {
    /// The events that it is made of, by their names in the journal.
    pub const KINDS: [&str; 6] = Deeds::KINDS;
    /// From so long before the stretch on events are to be told, so that it is known what agents are doing at its begin.
    pub const LOOKBACK_MS: u64 = 24 * HOUR_MS;

    pub fn new(members: Arc<[Members]>, zone: TimeZone, by: By, (since, until): (u64, u64)) -> Self {
        let (deeds, queues, agents) = Default::default();
        Self { members, zone, by, since, until, deeds, run: (0, 0), queues, agents }
    }

    /// An event of a run of the process, in order.
    pub fn apply(&mut self, run: i64, event: &SwitchEvent) {
        if run != self.run.0 {
            self.run_ended(self.run.1);
        }
        self.run = (run, event.wall.max(self.run.1));
        let mut deeds = std::mem::take(&mut self.deeds);
        deeds.apply(event, |deed| self.count(deed, event.wall));
        self.deeds = deeds;
    }

    /// What agents did when a run was last heard of ends there.
    fn run_ended(&mut self, wall: u64) {
        self.until_now(wall);
        self.deeds.restart();
    }

    fn until_now(&mut self, wall: u64) {
        let mono = self.deeds.last_mono() + wall.saturating_sub(self.run.1);
        let doing = std::mem::take(&mut self.deeds);
        for (agent, doing) in doing.doing() {
            let ms = mono.saturating_sub(doing.since);
            self.spent(agent, doing.state, doing.of_queue(), ms, wall);
        }
        self.deeds = doing;
    }

    fn count(&mut self, deed: Deed<'_>, wall: u64) {
        let counts = (self.since..self.until).contains(&wall);
        match deed {
            Deed::Spent { agent, state, of_queue, ms } => self.spent(agent, state, of_queue, ms, wall),
            _ if !counts => {}
            Deed::Left { queue, outcome, waited } => self.queue(queue, wall).left(outcome, waited),
            Deed::Handled { queue, agent, talk, wrap_up } => {
                self.queue(queue, wall).handled(talk, wrap_up);
                self.agent(agent, wall).handled += 1;
            }
            Deed::Closed { queue, reason } => {
                let weight = self.project_of(queue).map_or(1.0, |project| project.weight(reason));
                self.queue(queue, wall).weighed(weight);
            }
            Deed::Rang { agent, result } => {
                let work = self.agent(agent, wall);
                match result {
                    OfferResult::Answered => work.answered += 1,
                    OfferResult::Withdrawn | OfferResult::NoPort => {}
                    OfferResult::NoAnswer | OfferResult::Busy | OfferResult::Declined | OfferResult::Unreachable => {
                        work.missed += 1
                    }
                }
            }
        }
    }

    /// Shares a state that ended at `wall` out among the periods that it touched.
    fn spent(&mut self, agent: &AgentId, state: AgentStateName, of_queue: bool, ms: u64, wall: u64) {
        let mut from = wall.saturating_sub(ms).max(self.since);
        let to = wall.min(self.until);
        let zone = self.home_of(agent).map_or(&self.zone, |home| &home.zone).clone();
        while from < to {
            let (begin, end) = self.period(&zone, from);
            let part = end.min(to).saturating_sub(from);
            self.agents.entry((begin, agent.clone())).or_default().time.spent(state, of_queue, part);
            from = end.max(from + 1);
        }
    }

    fn queue(&mut self, queue: &QueueId, wall: u64) -> &mut Tally {
        let zone = self.project_of(queue).map_or(&self.zone, |project| &project.zone);
        let (begin, _) = self.period(zone, wall);
        self.queues.entry((begin, queue.clone())).or_default()
    }

    fn agent(&mut self, agent: &AgentId, wall: u64) -> &mut Work {
        let zone = self.home_of(agent).map_or(&self.zone, |home| &home.zone);
        let (begin, _) = self.period(zone, wall);
        self.agents.entry((begin, agent.clone())).or_default()
    }

    fn project_of(&self, queue: &QueueId) -> Option<&Members> {
        self.members.iter().find(|project| project.queues.contains(queue))
    }

    fn home_of(&self, agent: &AgentId) -> Option<&Members> {
        self.members.iter().find(|project| project.agents.contains(agent))
    }

    /// Begin and end of the period that `wall` is in.
    fn period(&self, zone: &TimeZone, wall: u64) -> (u64, u64) {
        let whole = (self.since, self.until);
        let Some(at) = i64::try_from(wall).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()) else {
            return whole;
        };
        let (begin, end) = match self.by {
            By::Whole => return whole,
            By::Hour => {
                // By the offset of the moment: an hour that a clock repeats is two.
                let offset = i64::from(zone.to_offset(at).seconds()) * 1000;
                let hour = HOUR_MS as i64;
                let begin = (at.as_millisecond() + offset).div_euclid(hour) * hour - offset;
                (Some(begin), Some(begin + hour))
            }
            By::Day => {
                let here = at.to_zoned(zone.clone());
                let ms = |at: jiff::Zoned| at.timestamp().as_millisecond();
                let next = here.tomorrow().and_then(|next| next.start_of_day());
                (here.start_of_day().map(ms).ok(), next.map(ms).ok())
            }
        };
        let ms = |of: Option<i64>| of.and_then(|ms| u64::try_from(ms).ok());
        (ms(begin).unwrap_or(self.since), ms(end).unwrap_or(self.until))
    }

    fn line<T>(&self, (begin, id): (u64, &str), zone: &TimeZone, figures: T) -> Period<T> {
        let (_, end) = self.period(zone, begin);
        let at = i64::try_from(begin).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
        let form = if self.by == By::Day { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" };
        let period = at.to_zoned(zone.clone()).strftime(form).to_string();
        Period { id: id.to_string(), begin, end, period, figures }
    }

    /// The lines in order of time and name. `now` ends what agents are doing if the stretch goes on to it. Of `known`
    /// there is a line for the whole stretch even where nothing happened; `only` leaves all others out.
    pub fn report(mut self, of: Of, now: u64, known: impl IntoIterator<Item = String>, only: Option<&str>) -> Lines {
        self.until_now(now.max(self.run.1));
        let wanted = |id: &str| only.is_none_or(|only| only == id);
        let known = known.into_iter().filter(|id| self.by == By::Whole && wanted(id)).collect::<Vec<_>>();
        match of {
            Of::Queues => {
                for id in known {
                    self.queues.entry((self.since, QueueId::new(id))).or_default();
                }
                let lines =
                    self.queues.iter().filter(|((_, id), _)| wanted(id.as_str())).map(|((begin, id), tally)| {
                        let project = self.project_of(id);
                        let figures = tally.figures(project.map(|project| project.terms).unwrap_or_default());
                        let zone = project.map_or(&self.zone, |project| &project.zone);
                        let project = project.map(|project| project.project.clone());
                        self.line((*begin, id.as_str()), zone, QueueFigures { project, figures })
                    });
                Lines::Queues(lines.collect())
            }
            Of::Agents => {
                for id in known {
                    self.agents.entry((self.since, AgentId::new(id))).or_default();
                }
                let lines = self.agents.iter().filter(|((_, id), _)| wanted(id.as_str())).map(|((begin, id), work)| {
                    let zone = self.home_of(id).map_or(&self.zone, |home| &home.zone);
                    self.line((*begin, id.as_str()), zone, work.figures())
                });
                Lines::Agents(lines.collect())
            }
            Of::Projects => Lines::Projects(self.projects(|id| wanted(id))),
        }
    }

    fn projects(&self, wanted: impl Fn(&str) -> bool) -> Vec<Period<ProjectFigures>> {
        let mut lines = Vec::new();
        for project in self.members.iter().filter(|project| wanted(project.project.as_str())) {
            let queues = self.queues.iter().filter(|((_, id), _)| project.queues.contains(id));
            let agents = self.agents.iter().filter(|((_, id), _)| project.agents.contains(id));
            let mut begins: BTreeSet<u64> = queues.clone().map(|((begin, _), _)| *begin).collect();
            begins.extend(agents.clone().map(|((begin, _), _)| *begin));
            if self.by == By::Whole {
                begins.insert(self.since);
            }
            for begin in begins {
                let (mut tally, mut time) = (Tally::default(), WorkTime::default());
                queues.clone().filter(|((at, _), _)| *at == begin).for_each(|(_, of)| tally.absorb(of));
                agents.clone().filter(|((at, _), _)| *at == begin).for_each(|(_, of)| time.absorb(of.time));
                let figures = ProjectFigures { figures: tally.figures(project.terms), occupancy: time.occupancy() };
                lines.push(self.line((begin, project.project.as_str()), &project.zone, figures));
            }
        }
        lines.sort_by(|a, b| (a.begin, &a.id).cmp(&(b.begin, &b.id)));
        lines
    }
}

impl Work {
    fn figures(&self) -> AgentFigures {
        let Self { time, answered, missed, handled } = *self;
        AgentFigures {
            answered,
            missed,
            handled,
            talk_s: seconds(time.talk, handled),
            wrap_up_s: seconds(time.wrap_up, handled),
            aht_s: seconds(time.talk + time.wrap_up, handled),
            logged_in_total_s: time.logged_in() / 1000,
            talk_total_s: time.talk / 1000,
            wrap_up_total_s: time.wrap_up / 1000,
            idle_total_s: time.idle / 1000,
            ringing_total_s: time.ringing / 1000,
            other_calls_total_s: time.other_calls / 1000,
            not_ready_total_s: time.not_ready / 1000,
            occupancy: time.occupancy(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::Terms;
    use super::*;
    use crate::events::{EventKind, QueueOutcome};
    use crate::ids::{CallId, TicketId};

    /// 2026-03-08 06:30 UTC, which is 14:30 in Shanghai.
    const HALF_PAST_TWO: u64 = 1_772_951_400_000;
    const MINUTE: u64 = 60_000;

    struct Log {
        periods: Periods,
        run: i64,
        /// Since [`HALF_PAST_TWO`], and since when this run goes on.
        at: u64,
        began: u64,
    }

    impl Log {
        /// From 14:30 for three hours.
        fn by(by: By) -> Self {
            let members = Members {
                project: ProjectId::new("power"),
                zone: TimeZone::get("Asia/Shanghai").unwrap(),
                queues: vec![QueueId::new("power"), QueueId::new("vip")],
                agents: vec![AgentId::new("1001")],
                weights: BTreeMap::new(),
                terms: Terms { within_s: 20, short_s: 5 },
            };
            let stretch = (HALF_PAST_TWO, HALF_PAST_TWO + 180 * MINUTE);
            let periods = Periods::new([members].into(), TimeZone::UTC, by, stretch);
            Self { periods, run: 1, at: 0, began: 0 }
        }

        fn tell(&mut self, call: Option<u64>, kind: EventKind) {
            let mono = self.at - self.began;
            let event = SwitchEvent { seq: 1, wall: HALF_PAST_TWO + self.at, mono, call: call.map(CallId), kind };
            self.periods.apply(self.run, &event);
        }

        fn state(&mut self, state: AgentStateName) {
            self.tell(None, EventKind::AgentState { agent: AgentId::new("1001"), state, reason: None });
        }

        fn leaves(&mut self, queue: &str, outcome: QueueOutcome, waited_ms: u64) {
            let (ticket, queue) = (TicketId(1), QueueId::new(queue));
            self.tell(Some(1), EventKind::Dequeued { ticket, queue, outcome, waited_ms });
        }

        /// The phone rings for 10 s, the talk lasts so long, the wrap-up a minute.
        fn serves(&mut self, queue: &str, talk: u64) {
            let (ticket, agent) = (TicketId(1), AgentId::new("1001"));
            let offered = EventKind::Offered { ticket, queue: QueueId::new(queue), agent: agent.clone() };
            self.tell(Some(1), offered);
            self.state(AgentStateName::Ringing);
            self.at += 10_000;
            self.tell(Some(1), EventKind::OfferEnded { ticket, agent, result: OfferResult::Answered });
            self.leaves(queue, QueueOutcome::Answered, 10_000);
            self.state(AgentStateName::Talking);
            self.at += talk;
            self.state(AgentStateName::WrapUp);
            self.at += MINUTE;
            self.state(AgentStateName::Ready);
        }

        fn queues(self) -> Vec<Period<QueueFigures>> {
            let now = HALF_PAST_TWO + self.at;
            match self.periods.report(Of::Queues, now, ["power".into(), "idle".into()], None) {
                Lines::Queues(lines) => lines,
                other => panic!("{other:?}"),
            }
        }

        fn agents(self) -> Vec<Period<AgentFigures>> {
            let now = HALF_PAST_TWO + self.at;
            match self.periods.report(Of::Agents, now, [], None) {
                Lines::Agents(lines) => lines,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn an_hour_is_one_of_the_clock_of_the_project_and_a_call_counts_where_its_wait_ended() {
        let mut log = Log::by(By::Hour);
        log.at = 29 * MINUTE;
        log.serves("power", 3 * MINUTE);
        log.at = 40 * MINUTE;
        log.leaves("power", QueueOutcome::Abandoned, 90_000);
        log.leaves("power", QueueOutcome::Abandoned, 2_000);
        let lines = log.queues();
        let seen: Vec<_> = lines.iter().map(|l| (&*l.period, l.figures.figures.offered)).collect();
        assert_eq!(seen, [("2026-03-08 14:00", 1), ("2026-03-08 15:00", 2)]);
        let (first, second) = (&lines[0].figures.figures, &lines[1].figures.figures);
        assert_eq!((first.answered, first.service_level.f4, first.talk_s), (1, Some(1.0), None));
        assert_eq!((second.talk_s, second.wrap_up_s, second.aht_s), (Some(180.0), Some(60.0), Some(240.0)));
        assert_eq!((second.short_abandoned, second.abandon_rate, second.longest_wait_s), (1, Some(1.0), Some(90.0)));
    }

    #[test]
    fn an_agents_time_is_split_where_hours_meet_and_goes_on_to_now() {
        let mut log = Log::by(By::Hour);
        log.at = 10 * MINUTE;
        log.state(AgentStateName::Ready);
        log.at = 25 * MINUTE;
        log.serves("power", 10 * MINUTE);
        log.at = 45 * MINUTE;
        let lines = log.agents();
        let seen: Vec<_> = lines.iter().map(|l| (l.figures.idle_total_s, l.figures.talk_total_s)).collect();
        assert_eq!(seen, [(15 * 60, 5 * 60 - 10), ((45 * 60) - (36 * 60 + 10), 5 * 60 + 10)]);
        assert_eq!((lines[0].figures.answered, lines[1].figures.handled), (1, 1));
    }

    #[test]
    fn a_run_that_was_killed_counts_up_to_its_last_word_and_not_to_the_next_start() {
        let mut log = Log::by(By::Whole);
        log.state(AgentStateName::Ready);
        log.at = 10 * MINUTE;
        log.leaves("power", QueueOutcome::Abandoned, 90_000);
        (log.run, log.began, log.at) = (2, 60 * MINUTE, 70 * MINUTE);
        // Later by its own clock than the last of the run before: a run is told by its number.
        log.state(AgentStateName::Ready);
        log.at = 75 * MINUTE;
        let lines = log.agents();
        assert_eq!((lines.len(), lines[0].figures.idle_total_s), (1, 15 * 60));
    }

    #[test]
    fn what_was_before_or_after_the_stretch_does_not_count_but_tells_what_agents_were_doing() {
        let mut log = Log::by(By::Whole);
        (log.periods.since, log.periods.until) = (HALF_PAST_TWO + 30 * MINUTE, HALF_PAST_TWO + 50 * MINUTE);
        log.state(AgentStateName::Ready);
        log.leaves("power", QueueOutcome::Answered, 1);
        log.at = 60 * MINUTE;
        log.leaves("power", QueueOutcome::Answered, 1);
        log.state(AgentStateName::NotReady);
        let again = Log { periods: log.periods.clone(), ..log };
        assert_eq!(log.agents()[0].figures.idle_total_s, 20 * 60);
        let lines = again.queues();
        assert_eq!(
            lines.iter().map(|line| (&*line.id, line.figures.figures.offered)).collect::<Vec<_>>(),
            [("idle", 0), ("power", 0)]
        );
    }

    #[test]
    fn the_figures_of_a_project_are_those_of_all_its_queues_and_agents_at_home() {
        let mut log = Log::by(By::Day);
        log.state(AgentStateName::Ready);
        log.serves("power", 3 * MINUTE);
        log.leaves("vip", QueueOutcome::Timeout, 600_000);
        log.leaves("elsewhere", QueueOutcome::Timeout, 600_000);
        let Lines::Projects(lines) = log.periods.report(Of::Projects, HALF_PAST_TWO + log.at, [], None) else {
            panic!("not of projects");
        };
        assert_eq!((lines.len(), &*lines[0].period, &*lines[0].id), (1, "2026-03-08", "power"));
        let of = &lines[0].figures;
        assert_eq!((of.figures.offered, of.figures.unserved, of.occupancy), (2, 1, Some(1.0)));
    }

    #[test]
    fn a_day_on_which_clocks_are_put_back_has_an_hour_more() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let periods = Periods::new([].into(), zone.clone(), By::Day, (0, u64::MAX));
        // 2026-10-25 12:00 UTC.
        let (begin, end) = periods.period(&zone, 1_792_929_600_000);
        assert_eq!((end - begin) / HOUR_MS, 25);
    }
}
