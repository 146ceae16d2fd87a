//! Random centres, each from a seed, watched by an observer that knows nothing but what was put in and what came out.
//!
//! `HOTLINE_WORLDS` sets how many are run. A failure names the seed, and `HOTLINE_WORLD` runs that one alone.

// Whether, and how much, come of the same dice.
#![allow(clippy::filter_map_bool_then)]

use super::*;
use crate::events::OfferResult;
use std::collections::{BTreeMap, BTreeSet};

struct Random(u64);

impl Random {
    /// xorshift64*: enough to vary a world, and the same everywhere.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| &from[self.below(from.len() as u64) as usize])
    }
}

/// A caller as the observer knows it.
struct Caller {
    queue: QueueId,
    number: Option<Redacted<String>>,
    skills: Vec<SkillId>,
    priority: u8,
    /// Since when the place counts.
    since: Instant,
    /// Until then the agent of the last call may be waited for.
    known_until: Option<Instant>,
    joined: Instant,
    order: u64,
    until: Instant,
    leaves_when_empty: bool,
    offered_to: Option<AgentId>,
}

/// An agent as the observer knows it.
struct Person {
    state: AgentStateName,
    /// When and as which of all the agent became ready; kept while an offer rings, because a caller who leaves costs no turn.
    ready: (Instant, u64),
    rings_for: Option<TicketId>,
    /// In a call from a queue whose wrap-up was this long at the answer.
    owes_wrap_up: Option<Duration>,
    wrap_up_until: Option<Instant>,
    /// The offer that rang was taken back because the caller left.
    turn_kept: bool,
    calls: u64,
}

struct World {
    seed: u64,
    random: Random,
    acd: Acd,
    config: AcdConfig,
    now: Instant,
    callers: BTreeMap<TicketId, Caller>,
    people: BTreeMap<AgentId, Person>,
    next_ticket: u64,
    order: u64,
    /// Tickets that the input at hand allows to be answered.
    answering: Option<TicketId>,
    wall: u64,
    /// Who served a number last, and when the place was given up that it had, by queue.
    served: BTreeSet<(QueueId, Redacted<String>)>,
    gave_up: BTreeMap<(QueueId, Redacted<String>), (Instant, u8, Instant)>,
    last_offers: BTreeMap<(QueueId, AgentId), u64>,
    /// Agents that a reload took away at some time, who begin anew.
    removed: BTreeSet<AgentId>,
    loans: BTreeMap<AgentId, ProjectId>,
    ended: u64,
    answered: u64,
    log: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let config = random_config(&mut random);
        let acd = Acd::new(config.clone());
        Self {
            seed,
            random,
            acd,
            config,
            now: Instant::now(),
            callers: BTreeMap::new(),
            people: BTreeMap::new(),
            next_ticket: 0,
            order: 0,
            answering: None,
            wall: 0,
            served: BTreeSet::new(),
            gave_up: BTreeMap::new(),
            last_offers: BTreeMap::new(),
            removed: BTreeSet::new(),
            loans: BTreeMap::new(),
            ended: 0,
            answered: 0,
            log: Vec::new(),
        }
    }

    fn run(&mut self, steps: u64) {
        for _ in 0..steps {
            self.step();
            self.check();
        }
        self.close();
    }

    fn step(&mut self) {
        let (agent, ticket) = (self.some_agent(), self.some_ticket());
        match self.random.below(20) {
            0..=3 => self.enqueue(),
            4 => self.leave(ticket),
            5..=7 => {
                let pair = self.some_offer();
                self.answer(pair.0, &pair.1);
            }
            8 => self.answer(ticket, &agent),
            9 => {
                let (ticket, agent) = self.some_offer();
                let results =
                    [OfferResult::NoAnswer, OfferResult::Busy, OfferResult::Declined, OfferResult::Unreachable];
                let result = *self.random.pick(&results).unwrap();
                self.fail_offer(ticket, &agent, result);
            }
            10 => self.fail_offer(ticket, &agent, OfferResult::Withdrawn),
            11 if self.random.one_in(3) => {
                if let Some(person) = self.people.get_mut(&agent) {
                    person.owes_wrap_up = None;
                }
                self.acd.agent_lost(self.now, &agent);
            }
            11..=12 => self.hang_up(&agent),
            13 => {
                if let Some(person) = self.people.get_mut(&agent) {
                    person.wrap_up_until = None;
                }
                _ = self.acd.after_call(self.now, &agent, &AfterCall::End);
            }
            14 => _ = self.acd.set_ready(self.now, &agent),
            15 if self.random.one_in(3) => _ = self.acd.set_not_ready(self.now, &agent, "lunch"),
            16 if self.random.one_in(4) => self.acd.agent_back(self.now, &agent),
            16 => {
                let reachable = !self.random.one_in(5);
                self.acd.agent_reachable(self.now, &agent, reachable);
            }
            17 if self.random.one_in(2) => self.acd.agent_call_started(self.now, &agent),
            17 => self.acd.agent_call_ended(self.now, &agent),
            18 if self.random.one_in(8) => self.reconfigure(),
            18 if self.random.one_in(8) => {
                let project = ProjectId::new(self.random.pick(&PROJECTS).unwrap());
                let tier = self.random.one_in(2).then(|| self.random.below(4) as u8);
                self.acd.set_tier(self.now, &project, tier);
            }
            18 => {
                self.wall += self.random.below(20_000);
                self.acd.tell_time(crate::timers::Now { at: self.now, wall: self.wall });
            }
            _ => self.time_passes(),
        }
        self.drain();
    }

    fn enqueue(&mut self) {
        let Some(queue) = self.random.pick(&self.config.queues).map(|queue| queue.id.clone()) else { return };
        self.next_ticket += 1;
        let ticket = TicketId(self.next_ticket);
        let lost = self.random.one_in(6).then(|| Lost {
            since: self.now - Duration::from_secs(self.random.below(60)),
            agent: self.random.one_in(2).then(|| self.some_agent()),
        });
        let wish = Enqueue {
            returning: lost.is_some(),
            lost: lost.clone(),
            max_wait: self.random.one_in(2).then(|| Duration::from_secs(1 + self.random.below(120))),
            leave_when_empty: self.random.one_in(3),
            skills: SKILLS.iter().filter(|_| self.random.one_in(4)).map(SkillId::new).collect(),
            caller: self.random.one_in(2).then(|| Redacted::new(self.random.below(5).to_string())),
            ..Enqueue::new(queue.clone(), self.random.below(4) as u8)
        };
        let config = self.queue_config(&queue);
        let until = self.now + wish.max_wait.unwrap_or(config.max_wait);
        self.order += 1;
        let known = config
            .matching
            .sticky
            .filter(|_| wish.caller.clone().is_some_and(|number| self.served.contains(&(queue.clone(), number))));
        let kept = wish.caller.clone().and_then(|number| self.gave_up.remove(&(queue.clone(), number)));
        let kept = kept.filter(|(_, _, until)| *until > self.now);
        let (kept, known) = match lost {
            Some(lost) => (Some((lost.since, MAX_PRIORITY, until)), lost.agent.map(|_| config.matching.wait_for_lost)),
            None => (kept, known.map(|sticky| sticky.wait)),
        };
        self.callers.insert(
            ticket,
            Caller {
                queue,
                number: wish.caller.clone(),
                skills: wish.skills.clone(),
                priority: kept.map_or(wish.priority, |(_, before, _)| before.max(wish.priority)),
                since: kept.map_or(self.now, |(since, _, _)| since),
                known_until: known.map(|wait| self.now + wait),
                joined: self.now,
                order: self.order,
                until,
                leaves_when_empty: wish.leave_when_empty,
                offered_to: None,
            },
        );
        self.acd.enqueue(self.now, ticket, wish.clone()).unwrap();
        self.drain();
        if self.callers.contains_key(&ticket) {
            assert_eq!(self.acd.enqueue(self.now, ticket, wish), Err(EnqueueError::DuplicateTicket));
        }
    }

    fn leave(&mut self, ticket: TicketId) {
        let why = if self.random.one_in(2) { Leave::Abandoned } else { Leave::Left };
        self.acd.leave(self.now, ticket, why);
    }

    fn answer(&mut self, ticket: TicketId, agent: &AgentId) {
        let valid = self.callers.get(&ticket).is_some_and(|caller| caller.offered_to.as_ref() == Some(agent));
        if valid {
            let wrap_up = self.queue_config(&self.callers[&ticket].queue.clone()).wrap_up;
            let person = self.people.get_mut(agent).unwrap();
            person.owes_wrap_up = Some(wrap_up);
            self.answering = Some(ticket);
        }
        let taken = self.acd.offer_answered(self.now, ticket, agent);
        assert_eq!(taken, valid, "seed {}: {agent} answers {ticket}", self.seed);
    }

    fn hang_up(&mut self, agent: &AgentId) {
        if let Some(person) = self.people.get_mut(agent)
            && let Some(wrap_up) = person.owes_wrap_up.take()
        {
            person.wrap_up_until = Some(self.now + wrap_up);
        }
        self.acd.call_ended(self.now, agent);
    }

    /// Who reports a failure knows it already: no withdrawal is told.
    fn fail_offer(&mut self, ticket: TicketId, agent: &AgentId, result: OfferResult) {
        if let Some(caller) = self.callers.get_mut(&ticket)
            && caller.offered_to.as_ref() == Some(agent)
        {
            caller.offered_to = None;
            self.people.get_mut(agent).unwrap().rings_for = None;
        }
        self.acd.offer_failed(self.now, ticket, agent, result);
    }

    fn reconfigure(&mut self) {
        let fresh = random_config(&mut self.random);
        let mut config = self.config.clone();
        if self.random.one_in(3) {
            let queues = config.queues.len() as u64;
            config.queues.remove(self.random.below(queues) as usize);
        }
        for queue in fresh.queues {
            let known = config.queues.iter().position(|known| known.id == queue.id);
            match known {
                Some(at) if self.random.one_in(2) => config.queues[at] = queue,
                None if self.random.one_in(2) => config.queues.push(queue),
                _ => {}
            }
        }
        if config.queues.is_empty() {
            return;
        }
        for agent in fresh.agents {
            let known = config.agents.iter().position(|known| known.id == agent.id);
            match (known, self.random.below(4)) {
                (Some(at), 0) => _ = self.removed.insert(config.agents.remove(at).id),
                (Some(at), 1) => config.agents[at] = agent,
                (None, 0..=1) => config.agents.push(agent),
                _ => {}
            }
        }
        if self.random.one_in(2) {
            config.lend = fresh.lend;
        }
        self.config = config.clone();
        self.acd.reconfigure(self.now, config);
    }

    fn time_passes(&mut self) {
        let end = self.now + Duration::from_millis(self.random.below(15_000));
        while let Some(at) = self.acd.next_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.acd.handle_timeout(self.now);
            self.drain();
            assert!(self.acd.next_timeout().is_none_or(|at| at > self.now), "seed {}: a timer spins", self.seed);
        }
        self.now = end;
        self.acd.handle_timeout(self.now);
    }

    // --- the observer ---

    fn drain(&mut self) {
        while let Some(output) = self.acd.poll() {
            self.log.push(format!("{output:?}"));
            match output {
                AcdOutput::Offer { ticket, agent, queue, deadline } => self.saw_offer(ticket, agent, &queue, deadline),
                AcdOutput::WithdrawOffer { ticket, agent, why } => self.saw_withdrawal(ticket, &agent, why),
                AcdOutput::TicketEnded { ticket, queue, outcome, waited } => {
                    self.saw_end(ticket, &queue, outcome, waited)
                }
                AcdOutput::AgentState { agent, state, .. } => self.saw_state(agent, state),
                AcdOutput::Pause { .. } | AcdOutput::WrapUp { .. } => {}
                AcdOutput::Lending { .. } => {}
                AcdOutput::Lent { agent, to, on: true, .. } => _ = self.loans.insert(agent, to),
                AcdOutput::Lent { agent, .. } => _ = self.loans.remove(&agent),
                AcdOutput::Position { ticket, .. } => {
                    let caller = self.callers.get(&ticket);
                    assert!(caller.is_some_and(|caller| caller.offered_to.is_none()), "seed {}", self.seed);
                }
            }
        }
        self.answering = None;
    }

    fn saw_offer(&mut self, ticket: TicketId, agent: AgentId, queue: &QueueId, deadline: Instant) {
        let seed = self.seed;
        let served = self.queues_of(&agent);
        let caller = &self.callers[&ticket];
        assert_eq!((&caller.queue, &caller.offered_to), (queue, &None), "seed {seed}: {ticket} is offered twice");
        // Nobody whom the agent could serve was before this caller.
        let place = self.place(caller);
        for (other, waiting) in self.callers.iter().filter(|(_, other)| other.offered_to.is_none()) {
            let before = self.place(waiting) < place && self.may_serve(&agent, waiting) && !self.may_be_known(waiting);
            assert!(!before, "seed {seed}: {other} stood before {ticket}");
        }
        assert!(
            self.may_serve(&agent, caller) || self.may_be_known(caller),
            "seed {seed}: {agent} cannot serve {ticket}"
        );
        let person = &self.people[&agent];
        assert_eq!(person.state, AgentStateName::Ready, "seed {seed}: {agent} was not ready");
        assert_eq!((person.rings_for, person.owes_wrap_up), (None, None), "seed {seed}: {agent} has a caller");
        // Nobody of the queue was to be asked before.
        let config = self.queue_config(queue);
        let needs = self.needs(caller).0;
        let turn = |id: &AgentId, person: &Person| {
            let first = match config.matching.strategy {
                Strategy::LongestIdle => 0,
                Strategy::RoundRobin => self.last_offers.get(&(queue.clone(), id.clone())).copied().unwrap_or(0),
                Strategy::FewestCalls => person.calls,
                Strategy::SkillFit => {
                    let levels = self.levels(id);
                    1_000 - needs.keys().map(|skill| u64::from(levels.get(skill).copied().unwrap_or(0))).sum::<u64>()
                }
            };
            (!served.contains(queue) || !self.queues_of(id).contains(queue), first, person.ready)
        };
        for (other, idle) in self.people.iter().filter(|(_, other)| other.state == AgentStateName::Ready) {
            let anew = self.removed.contains(other) || self.removed.contains(&agent);
            let excused = self.may_be_known(caller)
                || (config.matching.strategy == Strategy::RoundRobin && anew)
                || !self.queues_of(other).contains(queue);
            let earlier = turn(other, idle) < turn(&agent, person) && self.may_serve(other, caller);
            assert!(excused || !earlier, "seed {seed}: it was the turn of {other}, not of {agent}");
        }
        assert_eq!(deadline, self.now + config.ring_timeout, "seed {seed}");
        self.callers.get_mut(&ticket).unwrap().offered_to = Some(agent.clone());
        self.order += 1;
        self.last_offers.insert((queue.clone(), agent.clone()), self.order);
        self.people.get_mut(&agent).unwrap().rings_for = Some(ticket);
    }

    fn saw_withdrawal(&mut self, ticket: TicketId, agent: &AgentId, why: Withdrawal) {
        let person = self.people.get_mut(agent).unwrap();
        assert_eq!(person.rings_for.take(), Some(ticket), "seed {}: nothing to withdraw", self.seed);
        person.turn_kept = why == Withdrawal::CallerGone;
        let caller = self.callers.get_mut(&ticket).unwrap();
        assert_eq!(caller.offered_to.take().as_ref(), Some(agent));
    }

    fn saw_end(&mut self, ticket: TicketId, queue: &QueueId, outcome: QueueOutcome, waited: Duration) {
        let seed = self.seed;
        let caller = self.callers.remove(&ticket);
        let caller = caller.unwrap_or_else(|| panic!("seed {seed}: {ticket} ended twice"));
        assert_eq!((&caller.queue, caller.joined + waited), (queue, self.now), "seed {seed}");
        let is_configured = self.config.queues.iter().any(|config| config.id == *queue);
        match outcome {
            QueueOutcome::Answered => {
                assert_eq!(self.answering, Some(ticket), "seed {seed}: answered by nobody");
                let agent = caller.offered_to.as_ref().unwrap();
                let person = self.people.get_mut(agent).unwrap();
                person.rings_for = None;
                person.calls += 1;
                self.answered += 1;
                self.served.extend(caller.number.clone().map(|number| (queue.clone(), number)));
            }
            QueueOutcome::Timeout => assert!(caller.until <= self.now, "seed {seed}: timed out early"),
            QueueOutcome::NoAgents => {
                let logged_in = self.people.iter().any(|(id, person)| {
                    person.state != AgentStateName::LoggedOut && self.queues_of(id).contains(queue)
                });
                assert!(caller.leaves_when_empty && !logged_in, "seed {seed}: {ticket} had agents");
            }
            QueueOutcome::Full => {
                let others = self.callers.values().filter(|other| other.queue == *queue).count();
                assert!(others >= self.queue_config(queue).max_len as usize, "seed {seed}: not full");
            }
            QueueOutcome::Closed => assert!(!is_configured, "seed {seed}: the queue is there"),
            QueueOutcome::Abandoned => {
                let until = self.now + self.queue_config(queue).matching.keep_place;
                if let Some(number) = caller.number.clone().filter(|_| until > self.now) {
                    self.gave_up.insert((queue.clone(), number), (caller.since, caller.priority, until));
                }
            }
            QueueOutcome::Left => {}
        }
        if outcome != QueueOutcome::Answered {
            assert_eq!(caller.offered_to, None, "seed {seed}: a phone rings for nobody");
        }
        self.ended += 1;
    }

    fn saw_state(&mut self, agent: AgentId, state: AgentStateName) {
        let (seed, now) = (self.seed, self.now);
        self.order += 1;
        let order = self.order;
        let person = self.people.entry(agent.clone()).or_insert(Person {
            state: AgentStateName::LoggedOut,
            ready: (now, order),
            rings_for: None,
            owes_wrap_up: None,
            wrap_up_until: None,
            turn_kept: false,
            calls: 0,
        });
        let before = std::mem::replace(&mut person.state, state);
        if state == AgentStateName::LoggedOut {
            person.calls = 0;
        }
        match state {
            AgentStateName::Ringing => assert!(person.rings_for.is_some(), "seed {seed}: {agent} rings for nobody"),
            AgentStateName::Ready | AgentStateName::NotReady | AgentStateName::LoggedOut => {
                assert_eq!(person.rings_for, None, "seed {seed}: {agent} still rings");
                // Out of a queue call one comes through the wrap-up, and out of the wrap-up by its end.
                assert_eq!(person.owes_wrap_up, None, "seed {seed}: {agent} left the call");
                assert!(person.wrap_up_until.is_none_or(|until| until <= now), "seed {seed}: {agent} cut the wrap-up");
                person.wrap_up_until = None;
                if state == AgentStateName::Ready && !(person.turn_kept && before == AgentStateName::Ringing) {
                    person.ready = (now, order);
                }
            }
            AgentStateName::WrapUp | AgentStateName::Talking => {}
        }
        person.turn_kept = false;
    }

    /// What must hold between inputs.
    fn check(&mut self) {
        let seed = self.seed;
        for (ticket, caller) in &self.callers {
            match &caller.offered_to {
                Some(agent) => assert_eq!(self.people[agent].rings_for, Some(*ticket), "seed {seed}"),
                None => {
                    let idle = self
                        .people
                        .iter()
                        .find(|(id, person)| person.state == AgentStateName::Ready && self.may_serve(id, caller));
                    assert!(
                        idle.is_none() || self.may_be_known(caller),
                        "seed {seed}: {ticket} waits beside an idle agent"
                    );
                    assert!(caller.until > self.now, "seed {seed}: {ticket} waits beyond its time");
                }
            }
        }
        for (id, person) in &self.people {
            if let Some(ticket) = person.rings_for {
                assert_eq!(self.callers[&ticket].offered_to.as_ref(), Some(id), "seed {seed}");
            }
            let shown = self.acd.agent(self.now, id).map_or(AgentStateName::LoggedOut, |view| view.state);
            assert_eq!(shown, person.state, "seed {seed}: {id}");
        }
        for view in self.acd.lending(self.now) {
            assert!(view.lent.len() <= view.cap as usize, "seed {seed}: {view:?}");
            let at_home = |(id, person): &(&AgentId, &Person)| {
                let at_work = !matches!(person.state, AgentStateName::LoggedOut | AgentStateName::NotReady);
                at_work && !self.loans.contains_key(*id) && self.is_home(id, &view.from)
            };
            let at_home = self.people.iter().filter(at_home).count();
            assert!(view.lent.is_empty() || at_home >= view.leave as usize, "seed {seed}: {at_home} {view:?}");
            assert!(view.lent.is_empty() || view.active, "seed {seed}: {view:?}");
            for lent in &view.lent {
                assert_eq!(self.loans.get(lent), Some(&view.to), "seed {seed}: {lent} was not told");
                assert!(self.is_home(lent, &view.from) && !self.is_home(lent, &view.to), "seed {seed}: {lent}");
            }
        }
        assert_eq!(self.acd.ticket_count(), self.callers.len(), "seed {seed}");
        for view in self.acd.queues(self.now) {
            let mut line: Vec<_> = self.callers.iter().filter(|(_, caller)| caller.queue == view.queue).collect();
            line.sort_by_key(|(_, caller)| self.place(caller));
            let line: Vec<TicketId> = line.into_iter().map(|(ticket, _)| *ticket).collect();
            let told: Vec<TicketId> =
                self.acd.tickets(self.now, &view.queue).unwrap().into_iter().map(|view| view.ticket).collect();
            assert_eq!(told, line, "seed {seed}: the order of {}", view.queue);
            assert_eq!((view.waiting + view.ringing) as usize, line.len());
            assert!(view.counts.offers >= view.counts.answered && view.counts.entered >= view.counts.answered);
        }
    }

    /// Everybody goes home: every offer and wait ends, no agent is lost, no timer is left.
    fn close(&mut self) {
        let agents: Vec<AgentId> = self.config.agents.iter().map(|agent| agent.id.clone()).collect();
        for agent in &agents {
            for _ in 0..200 {
                self.acd.agent_call_ended(self.now, agent);
            }
            self.acd.agent_reachable(self.now, agent, true);
            self.acd.set_ready(self.now, agent).unwrap();
            self.drain();
        }
        for _ in 0..100_000 {
            let offers: Vec<(TicketId, AgentId)> = self
                .callers
                .iter()
                .filter_map(|(ticket, caller)| caller.offered_to.clone().map(|agent| (*ticket, agent)))
                .collect();
            for (ticket, agent) in offers {
                self.answer(ticket, &agent);
                self.drain();
            }
            let talking: Vec<AgentId> = self.people.keys().cloned().collect();
            for agent in talking {
                self.hang_up(&agent);
                self.drain();
            }
            if self.callers.values().any(|caller| caller.offered_to.is_some()) {
                continue;
            }
            let Some(at) = self.acd.next_timeout() else { break };
            self.now = at.max(self.now);
            self.acd.handle_timeout(self.now);
            self.drain();
        }
        self.check();
        assert!(self.callers.is_empty(), "seed {}: a wait without end", self.seed);
        assert_eq!(self.ended, self.next_ticket, "seed {}", self.seed);
        for agent in &agents {
            let state = self.people[agent].state;
            assert_eq!(state, AgentStateName::Ready, "seed {}: {agent} is lost", self.seed);
        }
        assert_eq!(self.acd.next_timeout(), None, "seed {}: a timer is left", self.seed);
        // Each can still be reached by a caller.
        for agent in agents {
            let able = |queue: &QueueId| self.may_serve(&agent, &self.newcomer(queue));
            if let Some(queue) = self.queues_of(&agent).into_iter().find(able) {
                let idle =
                    self.acd.agents(self.now).into_iter().filter(|view| view.state == AgentStateName::Ready).count();
                let queue_wish = Enqueue::new(queue, 0);
                let mut acd = self.acd.clone();
                let rang = (0..idle as u64).any(|n| {
                    _ = acd.enqueue(self.now, TicketId(1_000_000 + n), queue_wish.clone());
                    acd.agent(self.now, &agent).is_some_and(|view| view.state == AgentStateName::Ringing)
                });
                assert!(rang, "seed {}: {agent} is ready and never rings", self.seed);
            }
        }
    }

    // --- choices ---

    fn some_agent(&mut self) -> AgentId {
        let configured = self.random.pick(&self.config.agents).map(|agent| agent.id.clone());
        configured.filter(|_| !self.random.one_in(20)).unwrap_or_else(|| AgentId::new("nobody"))
    }

    fn some_ticket(&mut self) -> TicketId {
        TicketId(1 + self.random.below(self.next_ticket + 1))
    }

    fn some_offer(&mut self) -> (TicketId, AgentId) {
        let offers: Vec<(TicketId, AgentId)> = self
            .callers
            .iter()
            .filter_map(|(ticket, caller)| caller.offered_to.clone().map(|agent| (*ticket, agent)))
            .collect();
        self.random.pick(&offers).cloned().unwrap_or((TicketId(u64::MAX), AgentId::new("nobody")))
    }

    fn queue_config(&self, queue: &QueueId) -> QueueConfig {
        self.config
            .queues
            .iter()
            .find(|config| config.id == *queue)
            .cloned()
            .unwrap_or_else(|| QueueConfig::new(queue.as_str()))
    }

    /// Priority and waiting together; of equal priority who has waited longer.
    fn place(&self, caller: &Caller) -> (Instant, u64) {
        let step = self.queue_config(&caller.queue).matching.ageing;
        (caller.since + step * u32::from(MAX_PRIORITY - caller.priority), caller.order)
    }

    fn levels(&self, agent: &AgentId) -> BTreeMap<SkillId, Level> {
        let config = self.config.agents.iter().find(|config| config.id == *agent);
        let skills = config.into_iter().flat_map(|config| &config.skills);
        let counts = skills.filter(|skill| skill.until.is_none_or(|until| self.wall < until));
        counts.map(|skill| (skill.skill.clone(), skill.level)).collect()
    }

    /// What the caller asks for after this wait, and whose agents may serve.
    fn needs(&self, caller: &Caller) -> (BTreeMap<SkillId, Level>, Vec<QueueId>) {
        let matching = self.queue_config(&caller.queue).matching;
        let held =
            |skill: &SkillId| self.config.agents.iter().any(|agent| agent.skills.iter().any(|s| s.skill == *skill));
        let mut needs: BTreeMap<SkillId, Level> = BTreeMap::new();
        for skill in caller.skills.iter().filter(|skill| held(skill)) {
            needs.insert(skill.clone(), matching.min_level);
        }
        for (skill, level) in matching.skills.iter().filter(|(skill, _)| held(skill)) {
            let least = needs.entry(skill.clone()).or_default();
            *least = (*least).max(*level);
        }
        let mut queues = vec![caller.queue.clone()];
        for step in matching.widen.iter().filter(|step| caller.joined + step.after <= self.now) {
            needs.values_mut().for_each(|least| *least = (*least).min(step.min_level.unwrap_or(MAX_LEVEL)));
            queues.extend(step.agents_of.iter().cloned());
        }
        needs.retain(|_, least| *least > 0);
        (needs, queues)
    }

    fn newcomer(&self, queue: &QueueId) -> Caller {
        Caller {
            queue: queue.clone(),
            number: None,
            skills: Vec::new(),
            priority: 0,
            since: self.now,
            known_until: None,
            joined: self.now,
            order: 0,
            until: self.now,
            leaves_when_empty: false,
            offered_to: None,
        }
    }

    fn may_serve(&self, agent: &AgentId, caller: &Caller) -> bool {
        let (needs, queues) = self.needs(caller);
        let (served, levels) = (self.queues_of(agent), self.levels(agent));
        let able = needs.iter().all(|(skill, least)| levels.get(skill).is_some_and(|level| level >= least));
        able && queues.iter().any(|queue| served.contains(queue))
    }

    /// Perhaps the caller waits for the agent of the last call.
    fn may_be_known(&self, caller: &Caller) -> bool {
        caller.known_until.is_some_and(|until| self.now < until)
    }

    fn is_home(&self, agent: &AgentId, project: &ProjectId) -> bool {
        let config = self.config.agents.iter().find(|config| config.id == *agent);
        let of = |queue: &QueueConfig| queue.project.as_ref() == Some(project);
        config
            .is_some_and(|config| self.config.queues.iter().any(|queue| of(queue) && config.queues.contains(&queue.id)))
    }

    fn queues_of(&self, agent: &AgentId) -> BTreeSet<QueueId> {
        let config = self.config.agents.iter().find(|config| config.id == *agent);
        let is_there = |queue: &&QueueId| self.config.queues.iter().any(|config| config.id == **queue);
        let mut queues: BTreeSet<QueueId> =
            config.map(|config| config.queues.iter().filter(is_there).cloned().collect()).unwrap_or_default();
        if let Some(project) = self.loans.get(agent).filter(|_| config.is_some()) {
            let lent = self.config.queues.iter().filter(|queue| queue.project.as_ref() == Some(project));
            queues.extend(lent.map(|queue| queue.id.clone()));
        }
        queues
    }
}

const PROJECTS: [&str; 3] = ["gas", "power", "water"];
const SKILLS: [&str; 3] = ["billing", "en", "zh"];

fn random_matching(random: &mut Random, queues: &[&str]) -> Matching {
    let matching = Matching { ageing: Duration::from_secs(random.below(30)), ..Matching::default() };
    if random.one_in(3) {
        return matching;
    }
    let widen = (0..random.below(3)).map(|n| Widening {
        after: Duration::from_secs(10 * n + 1 + random.below(9)),
        min_level: random.one_in(2).then(|| random.below(60) as u8),
        agents_of: random.pick(queues).map(QueueId::new).into_iter().collect(),
    });
    Matching {
        widen: widen.collect(),
        strategy: random.pick(&Strategy::ALL).unwrap().1,
        skills: SKILLS
            .iter()
            .filter_map(|name| random.one_in(5).then(|| (SkillId::new(name), random.below(101) as u8)))
            .collect(),
        min_level: random.below(60) as u8,
        sticky: random.one_in(4).then(|| Sticky {
            remember: Duration::from_secs(1 + random.below(300)),
            wait: Duration::from_secs(1 + random.below(20)),
        }),
        keep_place: Duration::from_secs(random.below(3) * 20),
        ..matching
    }
}

fn random_config(random: &mut Random) -> AcdConfig {
    let names = ["a", "b", "c", "d"];
    let queues: Vec<QueueConfig> = names[..1 + random.below(4) as usize]
        .iter()
        .map(|name| QueueConfig {
            ring_timeout: Duration::from_secs(1 + random.below(30)),
            wrap_up: Duration::from_secs(random.below(4) * 5),
            max_len: random.below(8) as u32,
            max_wait: Duration::from_secs(1 + random.below(300)),
            matching: random_matching(random, &names),
            project: random.pick(&PROJECTS).map(ProjectId::new),
            ..QueueConfig::new(*name)
        })
        .collect();
    let agents = (0..1 + random.below(8))
        .map(|n| AgentConfig {
            queues: names.iter().filter(|_| random.one_in(2)).copied().map(QueueId::from).collect(),
            skills: SKILLS
                .iter()
                .filter_map(|name| {
                    random.one_in(2).then(|| AgentSkill {
                        skill: SkillId::new(name),
                        level: random.below(101) as u8,
                        until: random.one_in(3).then(|| 1 + random.below(100_000)),
                    })
                })
                .collect(),
            ..AgentConfig::new(AgentId::new(format!("10{n:02}")))
        })
        .collect();
    let plans = (0..random.below(4)).map(|n| {
        let from = random.below(3) as usize;
        LendPlan {
            id: PlanId::new(format!("plan{n}")),
            from: ProjectId::new(PROJECTS[from]),
            to: ProjectId::new(PROJECTS[(from + 1) % 3]),
            skill: random.one_in(3).then(|| (SkillId::new("billing"), random.below(50) as u8)),
            tier: 1 + random.below(3) as u8,
            when: Pressure {
                longest_wait: Some(Duration::from_secs(10 + random.below(20))),
                waiting: random.one_in(2).then(|| 2 + random.below(3) as u32),
            },
            clear: Pressure { longest_wait: Some(Duration::from_secs(1 + random.below(9))), waiting: Some(1) },
            cap: 1 + random.below(3) as u32,
            leave: random.below(3) as u32,
        }
    });
    let lend = plans.collect();
    AcdConfig {
        queues,
        agents,
        lend,
        rona_pause: random.one_in(2).then(|| Duration::from_secs(1 + random.below(60))),
        busy_pause: Duration::from_secs(1 + random.below(10)),
    }
}

fn worlds() -> u64 {
    number_of("HOTLINE_WORLDS").unwrap_or(200)
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn in_random_centres_no_caller_has_two_agents_no_offer_or_wait_is_endless_and_no_agent_is_lost() {
    let mut answered = 0;
    if let Some(seed) = number_of("HOTLINE_WORLD") {
        return World::new(seed).run(300);
    }
    for seed in 1..=worlds() {
        let mut world = World::new(seed);
        world.run(300);
        answered += world.answered;
    }
    // Worlds in which nothing happens would prove nothing.
    assert!(answered > worlds() * 5, "only {answered} calls were answered");
}

#[test]
fn the_same_seed_gives_the_same_centre_to_the_last_output() {
    for seed in 1..=10 {
        let outputs = || {
            let mut world = World::new(seed);
            let start = world.now;
            world.run(300);
            // Instants differ between runs, the time since the start does not.
            let told = world.log.into_iter().map(|line| {
                let end = ["deadline", "until"].iter().filter_map(|word| line.find(word)).min();
                line[..end.unwrap_or(line.len())].to_owned()
            });
            (told.collect::<Vec<_>>(), world.now - start)
        };
        assert_eq!(outputs(), outputs(), "seed {seed}");
    }
}
