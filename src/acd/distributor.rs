//! The distributor: every input, and what each decides.

use super::agent::{Agent, AgentKey, Duty, Intent, reason};
use super::config::{bounded, bounded_or_zero};
use super::lending::Plan;
use super::memory::Memory;
use super::queue::{Queue, QueueKey};
use super::skill::SkillKey;
use super::ticket::{Ticket, TicketState};
use super::{AcdConfig, AcdOutput, Enqueue, EnqueueError, Leave, MAX_PRIORITY, MAX_TICKETS, UnknownAgent, Withdrawal};
use crate::events::{OfferResult, QueueOutcome};
use crate::ids::{AgentId, PlanId, ProjectId, QueueId, SkillId, TicketId};
use crate::timers::{Now, Timers};
use slab::Slab;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// Everything that the distributor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deadline {
    /// The lease of the offer that rings at this agent.
    Offer(AgentKey),
    /// The caller's longest wait.
    MaxWait(TicketId),
    /// A longer wait asks for less.
    Widen(TicketId),
    /// The caller has waited long enough for one agent alone.
    Sticky(TicketId),
    /// The end of an agent's wrap-up.
    WrapUp(AgentKey),
    /// The end of a pause that ends by itself (`rona`, `busy`, `declined`, `unreachable`).
    Pause(AgentKey),
    /// Waits are due to be compared with the lend plans.
    Lending,
    /// Positions of a queue changed and are due to be told.
    Positions(QueueKey),
}

/// The automatic call distributor. See the module's head for the rules.
#[derive(Clone, Debug)]
pub struct Acd {
    pub(super) queues: Slab<Queue>,
    pub(super) queue_keys: BTreeMap<QueueId, QueueKey>,
    pub(super) agents: Slab<Agent>,
    pub(super) agent_keys: BTreeMap<AgentId, AgentKey>,
    pub(super) skills: BTreeMap<SkillId, SkillKey>,
    /// Those that some agent has by the configuration.
    pub(super) held: BTreeSet<SkillKey>,
    pub(super) tickets: BTreeMap<TicketId, Ticket>,
    /// Who served a caller last.
    pub(super) served: Memory<AgentId>,
    /// Since when a caller had waited who hung up, and the priority.
    pub(super) left: Memory<(Instant, u8)>,
    pub(super) timers: Timers<Deadline>,
    /// Callers whose reach has changed, to be placed as soon as all that changed at the moment is known.
    pub(super) moved: Vec<TicketId>,
    pub(super) outputs: VecDeque<AcdOutput>,
    pub(super) plans: BTreeMap<PlanId, Plan>,
    /// Set by hand: up to which tier others lend to a project, whatever its callers wait.
    pub(super) tiers: BTreeMap<ProjectId, u8>,
    pub(super) rona_pause: Option<Duration>,
    pub(super) busy_pause: Duration,
    /// The last time that was told, milliseconds since 1970: skills end by it.
    pub(super) wall: u64,
    next_seq: u64,
    /// While a reload changes the tables nobody is matched.
    pub(super) reloading: bool,
}

impl Acd {
    /// Every agent starts logged out, until [`Acd::agent_reachable`].
    pub fn new(config: AcdConfig) -> Self {
        let mut acd = Self {
            queues: Slab::new(),
            queue_keys: BTreeMap::new(),
            agents: Slab::new(),
            agent_keys: BTreeMap::new(),
            skills: BTreeMap::new(),
            held: BTreeSet::new(),
            tickets: BTreeMap::new(),
            served: Memory::default(),
            left: Memory::default(),
            timers: Timers::new(),
            moved: Vec::new(),
            outputs: VecDeque::new(),
            plans: BTreeMap::new(),
            tiers: BTreeMap::new(),
            rona_pause: None,
            busy_pause: Duration::ZERO,
            wall: 0,
            next_seq: 0,
            reloading: false,
        };
        acd.configure(config);
        acd
    }

    pub fn poll(&mut self) -> Option<AcdOutput> {
        self.outputs.pop_front()
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|(at, _)| at)
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(deadline) = self.timers.pop(now) {
            match deadline {
                Deadline::Offer(agent) => self.rona(now, agent, Some(Withdrawal::RingTimeout)),
                Deadline::MaxWait(ticket) => self.max_wait_over(now, ticket),
                Deadline::Widen(ticket) => self.widen(now, ticket),
                Deadline::Sticky(ticket) => self.release(ticket),
                Deadline::WrapUp(agent) => self.wrap_up_over(now, agent),
                Deadline::Pause(agent) => self.end_pause(now, agent),
                Deadline::Lending => self.review_plans(now),
                Deadline::Positions(queue) => self.tell_positions(now, queue),
            }
            let next = self.timers.next().filter(|(at, _)| *at <= now);
            if !matches!(next, Some((_, Deadline::Widen(_) | Deadline::Sticky(_)))) {
                self.place_moved(now);
            }
        }
    }

    /// What the clock on the wall says; skills that have ended by it count no more. Told every minute or so.
    pub fn tell_time(&mut self, now: Now) {
        let before = std::mem::replace(&mut self.wall, now.wall);
        let ended = |agent: &Agent| {
            agent.learned.iter().any(|(_, _, until)| until.is_some_and(|until| (before..=now.wall).contains(&until)))
        };
        let changed: Vec<AgentKey> = self.agents.iter().filter(|(_, agent)| ended(agent)).map(|(key, _)| key).collect();
        changed.into_iter().for_each(|key| self.relearn(key));
    }

    // --- callers ---

    /// A caller joins. What becomes of it comes out of [`Acd::poll`]: an offer, a position, or an end at once (full,
    /// no agents).
    pub fn enqueue(&mut self, now: Instant, id: TicketId, wish: Enqueue) -> Result<(), EnqueueError> {
        let key = *self.queue_keys.get(&wish.queue).ok_or(EnqueueError::UnknownQueue)?;
        if self.tickets.contains_key(&id) {
            return Err(EnqueueError::DuplicateTicket);
        }
        let priority = wish.priority.min(MAX_PRIORITY);
        let caller = wish.caller.map(|caller| (wish.queue.clone(), caller));
        let kept = caller.as_ref().and_then(|caller| self.left.take(now, caller));
        let (since, priority) = match (&wish.lost, kept) {
            (Some(lost), _) => (lost.since.min(now), MAX_PRIORITY),
            (None, Some((since, before))) => (since, priority.max(before)),
            (None, None) => (now, priority),
        };
        let seq = self.seq();
        let place = self.place_of(key, priority, since, seq, id);
        let asked: Vec<SkillKey> = wish.skills.iter().map(|name| self.skill_key(name)).collect();
        let reach = self.reach(key, &asked, Duration::ZERO);
        let known = self.awaited(now, key, wish.lost.as_ref(), caller.as_ref());
        let finds_agent =
            known.is_some_and(|(agent, _)| self.agents[agent].idle.is_some()) || self.agent_for(&reach).is_some();
        let at_bound = self.tickets.len() >= MAX_TICKETS;
        let queue = &mut self.queues[key];
        queue.counts.entered += 1;
        let refusal = if wish.leave_when_empty && known.is_none() && queue.agents.logged_in() == 0 {
            Some(QueueOutcome::NoAgents)
        } else if at_bound || (!finds_agent && queue.is_full() && !wish.returning) {
            Some(QueueOutcome::Full)
        } else {
            None
        };
        if let Some(outcome) = refusal {
            queue.counts.ended(outcome);
            self.outputs.push_back(AcdOutput::TicketEnded {
                ticket: id,
                queue: wish.queue,
                outcome,
                waited: Duration::ZERO,
            });
            return Ok(());
        }
        let until = now + bounded(wish.max_wait.unwrap_or(queue.config.max_wait));
        let overtakes = queue.is_overtaken_at(&place);
        let ahead = queue.ahead_of(&place);
        queue.join(place);
        let guesses = self.queues[key].estimator.guess(self.sight(now, key, ahead));
        let state = match known {
            Some((agent, wait)) => {
                self.timers.set(Deadline::Sticky(id), now + bounded(wait));
                TicketState::Reserved { agent }
            }
            _ => TicketState::Waiting,
        };
        self.timers.set(Deadline::MaxWait(id), until);
        let ticket = Ticket {
            queue: key,
            place,
            priority,
            joined: now,
            since,
            asked,
            reach,
            state,
            until,
            leave_when_empty: wish.leave_when_empty,
            guesses,
            told: None,
            caller,
        };
        self.tickets.insert(id, ticket);
        if overtakes {
            self.positions_changed(now, key);
        }
        self.widen(now, id);
        self.place_moved(now);
        self.watch_waits(now);
        Ok(())
    }

    /// The caller is gone. Nothing happens when the ticket has ended already.
    pub fn leave(&mut self, now: Instant, ticket: TicketId, why: Leave) {
        let outcome = match why {
            Leave::Abandoned => QueueOutcome::Abandoned,
            Leave::Left => QueueOutcome::Left,
        };
        self.end_ticket(now, ticket, outcome);
    }

    // --- offers ---

    /// The agent answered. `true`: the lease was valid, the two belong together and the ticket has ended as answered.
    /// `false`: too late or never offered; the caller is not this agent's, hang the agent up.
    #[must_use]
    pub fn offer_answered(&mut self, now: Instant, ticket: TicketId, agent: &AgentId) -> bool {
        let Some(key) = self.lease(ticket, agent) else { return false };
        let Some(held) = self.tickets.get(&ticket) else { return false };
        let waited = now.saturating_duration_since(held.joined);
        let queue = &mut self.queues[held.queue];
        queue.estimator.answered(held.guesses, waited);
        if let (Some(caller), Some(sticky)) = (held.caller.clone(), queue.config.matching.sticky) {
            self.served.keep(now, caller, agent.clone(), now + bounded(sticky.remember));
        }
        self.agents[key].calls += 1;
        self.timers.clear(&Deadline::Offer(key));
        self.agents[key].duty = Duty::Talking {
            ticket,
            queue: queue.config.id.clone(),
            since: now,
            waiting_since: held.since,
            wrap_up: bounded_or_zero(queue.config.wrap_up),
            owes: queue.config.dispositions.required,
        };
        self.remove_ticket(now, ticket, QueueOutcome::Answered);
        self.settle(now, key, None);
        true
    }

    /// The agent's phone did not take the call. The agent is passed over for a while, the caller goes to the next agent
    /// at once or keeps the place. `false`, and nothing done, when the lease is over already.
    pub fn offer_failed(&mut self, now: Instant, ticket: TicketId, agent: &AgentId, result: OfferResult) -> bool {
        let Some(key) = self.lease(ticket, agent) else { return false };
        let why = match result {
            OfferResult::NoAnswer => {
                self.rona(now, key, None);
                return true;
            }
            OfferResult::NoPort => {
                self.put_off(now, key, ticket);
                return true;
            }
            OfferResult::Busy => "busy",
            OfferResult::Declined => "declined",
            OfferResult::Unreachable => "unreachable",
            // Not the agent's doing, yet without a pause the same pair would be tried again without end.
            OfferResult::Withdrawn | OfferResult::Answered => "withdrawn",
        };
        let until = now + bounded(self.busy_pause);
        self.pass_over(now, key, Cow::Borrowed(why), Some(until), None);
        true
    }

    // --- agents ---

    /// The agent's device can be called (registered) or cannot. The first time makes the agent ready; later the agent's
    /// own wish is kept, so that a phone that restarts does not end a pause. Unknown ids are other people's phones.
    pub fn agent_reachable(&mut self, now: Instant, agent: &AgentId, reachable: bool) {
        let Some(key) = self.agent_keys.get(agent).copied() else { return };
        if self.agents[key].reachable == reachable {
            return;
        }
        self.agents[key].reachable = reachable;
        self.agent_changed(now, key);
    }

    /// Takes effect at once, or after the duty at hand; a wrap-up is not cut short.
    pub fn set_ready(&mut self, now: Instant, agent: &AgentId) -> Result<(), UnknownAgent> {
        let key = self.known(agent)?;
        self.timers.clear(&Deadline::Pause(key));
        self.intend(key, Intent::Ready);
        self.agent_changed(now, key);
        Ok(())
    }

    /// Takes effect at once (an offer that rings is withdrawn), or after the duty at hand. Reasons are cut at 64
    /// characters.
    pub fn set_not_ready(&mut self, now: Instant, agent: &AgentId, why: &str) -> Result<(), UnknownAgent> {
        let key = self.known(agent)?;
        self.timers.clear(&Deadline::Pause(key));
        self.intend(key, Intent::NotReady { reason: reason(why), until: None });
        self.agent_changed(now, key);
        Ok(())
    }

    /// The agent's extension is on a call that came from no queue. Calls are counted: one `ended` for each `started`.
    pub fn agent_call_started(&mut self, now: Instant, agent: &AgentId) {
        let Some(key) = self.agent_keys.get(agent).copied() else { return };
        self.agents[key].other_calls += 1;
        self.agent_changed(now, key);
    }

    pub fn agent_call_ended(&mut self, now: Instant, agent: &AgentId) {
        let Some(key) = self.agent_keys.get(agent).copied() else { return };
        self.agents[key].other_calls = self.agents[key].other_calls.saturating_sub(1);
        self.agent_changed(now, key);
    }

    // --- small things ---

    /// What a queue looks like from a place in it.
    pub(super) fn sight(&self, now: Instant, key: QueueKey, ahead: u32) -> super::estimate::Sight {
        let queue = &self.queues[key];
        let head = queue.head().and_then(|place| self.tickets.get(&place.ticket)).map(|ticket| ticket.joined);
        queue.sight(now, ahead, head)
    }

    pub(super) fn known(&self, agent: &AgentId) -> Result<AgentKey, UnknownAgent> {
        self.agent_keys.get(agent).copied().ok_or_else(|| UnknownAgent(agent.clone()))
    }

    pub(super) fn seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }
}
