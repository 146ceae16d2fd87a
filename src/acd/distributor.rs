//! The distributor: every input, and what each decides.
//!
//! Two moves make a match: an agent who became available is served the best caller of the agent's queues ([`Acd::serve`]),
//! and a caller who became waiting is given the longest idle agent of the queue ([`Acd::place`]). As one of the two runs
//! after every change, neither side is ever left waiting for the other.

use super::agent::{Agent, AgentKey, Duty, IdlePlace, Intent, Reason, is_logged_in, is_staffed, reason};
use super::config::{bounded, bounded_or_zero};
use super::queue::{Queue, QueueKey};
use super::ticket::{Place, Ticket, TicketState};
use super::{AcdConfig, AcdOutput, Enqueue, EnqueueError, Leave, MAX_PRIORITY, MAX_TICKETS, UnknownAgent, Withdrawal};
use crate::events::{AgentStateName, OfferResult, QueueOutcome};
use crate::ids::{AgentId, QueueId, TicketId};
use crate::timers::Timers;
use slab::Slab;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Everything that the distributor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deadline {
    /// The lease of the offer that rings at this agent.
    Offer(AgentKey),
    /// The caller's longest wait.
    MaxWait(TicketId),
    /// The end of an agent's wrap-up.
    WrapUp(AgentKey),
    /// The end of a pause that ends by itself (`rona`, `busy`, `declined`, `unreachable`).
    Pause(AgentKey),
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
    pub(super) tickets: BTreeMap<TicketId, Ticket>,
    pub(super) timers: Timers<Deadline>,
    pub(super) outputs: VecDeque<AcdOutput>,
    pub(super) rona_pause: Option<Duration>,
    pub(super) busy_pause: Duration,
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
            tickets: BTreeMap::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
            rona_pause: None,
            busy_pause: Duration::ZERO,
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
                Deadline::WrapUp(agent) => self.end_wrap_up(now, agent),
                Deadline::Pause(agent) => self.end_pause(now, agent),
                Deadline::Positions(queue) => self.tell_positions(now, queue),
            }
        }
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
        let place = Place { priority: Reverse(priority), joined: now, seq: self.seq(), ticket: id };
        let at_bound = self.tickets.len() >= MAX_TICKETS;
        let queue = &mut self.queues[key];
        queue.counts.entered += 1;
        let refusal = if wish.leave_when_empty && queue.logged_in == 0 {
            Some(QueueOutcome::NoAgents)
        } else if at_bound || (queue.idle.is_empty() && queue.is_full() && !wish.returning) {
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
        let guesses = queue.estimator.guess(queue.sight(now, queue.ahead_of_new(priority)));
        let overtakes = queue.is_overtaken_by(priority);
        let until = now + bounded(wish.max_wait.unwrap_or(queue.config.max_wait));
        queue.join(place);
        self.timers.set(Deadline::MaxWait(id), until);
        let ticket = Ticket {
            queue: key,
            place,
            state: TicketState::Waiting,
            until,
            leave_when_empty: wish.leave_when_empty,
            guesses,
            told: None,
        };
        self.tickets.insert(id, ticket);
        if overtakes {
            self.positions_changed(now, key);
        }
        self.place(now, id);
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
        let waited = now.saturating_duration_since(held.place.joined);
        let queue = &mut self.queues[held.queue];
        queue.estimator.answered(held.guesses, waited);
        self.timers.clear(&Deadline::Offer(key));
        self.agents[key].duty = Duty::Talking {
            ticket,
            queue: queue.config.id.clone(),
            since: now,
            wrap_up: bounded_or_zero(queue.config.wrap_up),
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
        self.agents[key].intent = Intent::Ready;
        self.agent_changed(now, key);
        Ok(())
    }

    /// Takes effect at once (an offer that rings is withdrawn), or after the duty at hand. Reasons are cut at 64
    /// characters.
    pub fn set_not_ready(&mut self, now: Instant, agent: &AgentId, why: &str) -> Result<(), UnknownAgent> {
        let key = self.known(agent)?;
        self.timers.clear(&Deadline::Pause(key));
        self.agents[key].intent = Intent::NotReady { reason: reason(why), until: None };
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

    /// The agent's part in a queue call is over: wrap-up begins. Nothing happens when the agent is not in one.
    pub fn call_ended(&mut self, now: Instant, agent: &AgentId) {
        let Some(key) = self.agent_keys.get(agent).copied() else { return };
        let Duty::Talking { queue, since, wrap_up, .. } = &self.agents[key].duty else { return };
        let (queue, since, wrap_up) = (queue.clone(), *since, *wrap_up);
        self.agents[key].duty = Duty::WrapUp { queue, since };
        if wrap_up.is_zero() {
            return self.end_wrap_up(now, key);
        }
        self.timers.set(Deadline::WrapUp(key), now + wrap_up);
        self.settle(now, key, None);
    }

    /// The agent has finished the wrap-up before its time. Nothing happens outside a wrap-up.
    pub fn wrap_up_done(&mut self, now: Instant, agent: &AgentId) -> Result<(), UnknownAgent> {
        let key = self.known(agent)?;
        self.end_wrap_up(now, key);
        Ok(())
    }

    // --- matching ---

    /// Gives an available agent the best caller of the agent's queues: highest priority, then earliest to join.
    pub(super) fn serve(&mut self, now: Instant, key: AgentKey) {
        if self.reloading {
            return;
        }
        let best = self.agents[key].queues.iter().filter_map(|queue| self.queues[*queue].head()).min();
        if let Some(place) = best {
            let ticket = place.ticket;
            self.offer(now, key, ticket);
        }
    }

    /// Gives a waiting caller the longest idle agent of the queue, or a position, or an end when the wait is over.
    pub(super) fn place(&mut self, now: Instant, id: TicketId) {
        let Some(ticket) = self.tickets.get(&id) else { return };
        if ticket.state != TicketState::Waiting || self.reloading {
            return;
        }
        let queue = &self.queues[ticket.queue];
        if ticket.until <= now {
            self.end_ticket(now, id, QueueOutcome::Timeout);
        } else if ticket.leave_when_empty && queue.logged_in == 0 {
            self.end_ticket(now, id, QueueOutcome::NoAgents);
        } else if let Some(agent) = queue.idle.first().map(|place| place.agent) {
            self.offer(now, agent, id);
        } else if ticket.told.is_none() {
            let ahead = queue.ahead_of_new(ticket.place.priority.0).saturating_sub(1);
            self.tell(now, id, ahead);
        }
    }

    fn offer(&mut self, now: Instant, key: AgentKey, id: TicketId) {
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        let Some(idle) = self.agents[key].idle else { return };
        let queue = &mut self.queues[ticket.queue];
        let deadline = now + bounded(queue.config.ring_timeout);
        queue.offered(&ticket.place);
        queue.counts.offers += 1;
        ticket.state = TicketState::Offered { agent: key, deadline };
        let agent = &mut self.agents[key];
        agent.duty = Duty::Ringing { ticket: id, idle };
        let output = AcdOutput::Offer { ticket: id, agent: agent.id.clone(), queue: queue.config.id.clone(), deadline };
        self.timers.set(Deadline::Offer(key), deadline);
        self.outputs.push_back(output);
        self.settle(now, key, None);
    }

    // --- ends of offers ---

    /// The agent, if exactly this offer rings there now.
    fn lease(&self, ticket: TicketId, agent: &AgentId) -> Option<AgentKey> {
        let key = *self.agent_keys.get(agent)?;
        match self.agents[key].duty {
            Duty::Ringing { ticket: ringing, .. } if ringing == ticket => Some(key),
            _ => None,
        }
    }

    fn rona(&mut self, now: Instant, key: AgentKey, withdraw: Option<Withdrawal>) {
        if let Duty::Ringing { ticket, .. } = self.agents[key].duty
            && let Some(ticket) = self.tickets.get(&ticket)
        {
            self.queues[ticket.queue].counts.rona += 1;
        }
        let until = self.rona_pause.map(|pause| now + bounded(pause));
        self.pass_over(now, key, Cow::Borrowed("rona"), until, withdraw);
    }

    /// Ends the offer at this agent, pauses the agent and sends the caller on to the next.
    fn pass_over(
        &mut self,
        now: Instant,
        key: AgentKey,
        why: Reason,
        until: Option<Instant>,
        tell: Option<Withdrawal>,
    ) {
        self.agents[key].intent = Intent::NotReady { reason: why, until };
        if let Some(until) = until {
            self.timers.set(Deadline::Pause(key), until);
        }
        self.take_back(now, key, tell);
    }

    /// Ends the offer that rings at this agent, who is not available any more; the caller goes to the next.
    fn take_back(&mut self, now: Instant, key: AgentKey, tell: Option<Withdrawal>) {
        let Duty::Ringing { ticket: id, .. } = self.agents[key].duty else { return };
        self.timers.clear(&Deadline::Offer(key));
        self.agents[key].duty = Duty::Free;
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.state = TicketState::Waiting;
            self.queues[ticket.queue].offer_failed(ticket.place);
        }
        if let Some(why) = tell {
            self.outputs.push_back(AcdOutput::WithdrawOffer { ticket: id, agent: self.agents[key].id.clone(), why });
        }
        self.settle(now, key, None);
        self.place(now, id);
    }

    // --- ends of tickets ---

    fn max_wait_over(&mut self, now: Instant, id: TicketId) {
        if self.tickets.get(&id).is_some_and(|ticket| ticket.state == TicketState::Waiting) {
            self.end_ticket(now, id, QueueOutcome::Timeout);
        }
    }

    pub(super) fn end_ticket(&mut self, now: Instant, id: TicketId, outcome: QueueOutcome) {
        let Some(ticket) = self.tickets.get(&id) else { return };
        let TicketState::Offered { agent: key, .. } = ticket.state else {
            return self.remove_ticket(now, id, outcome);
        };
        let agent = &mut self.agents[key];
        let idle = match agent.duty {
            Duty::Ringing { idle, .. } => Some(idle),
            Duty::Free | Duty::Talking { .. } | Duty::WrapUp { .. } => None,
        };
        agent.duty = Duty::Free;
        self.timers.clear(&Deadline::Offer(key));
        let agent = self.agents[key].id.clone();
        self.outputs.push_back(AcdOutput::WithdrawOffer { ticket: id, agent, why: Withdrawal::CallerGone });
        self.remove_ticket(now, id, outcome);
        self.settle(now, key, idle);
    }

    fn remove_ticket(&mut self, now: Instant, id: TicketId, outcome: QueueOutcome) {
        let Some(ticket) = self.tickets.remove(&id) else { return };
        self.timers.clear(&Deadline::MaxWait(id));
        let queue = &mut self.queues[ticket.queue];
        queue.counts.ended(outcome);
        let somebody_behind = queue.leave(&ticket.place);
        self.outputs.push_back(AcdOutput::TicketEnded {
            ticket: id,
            queue: queue.config.id.clone(),
            outcome,
            waited: now.saturating_duration_since(ticket.place.joined),
        });
        if somebody_behind {
            self.positions_changed(now, ticket.queue);
        }
    }

    // --- agents: what follows a change ---

    /// Device, intent or own calls changed: a ringing offer falls when the agent could not be offered it now.
    pub(super) fn agent_changed(&mut self, now: Instant, key: AgentKey) {
        let agent = &self.agents[key];
        let could_ring = agent.reachable && agent.intent == Intent::Ready && agent.other_calls == 0 && !agent.leaving;
        if matches!(agent.duty, Duty::Ringing { .. }) && !could_ring {
            return self.take_back(now, key, Some(Withdrawal::AgentGone));
        }
        self.settle(now, key, None);
    }

    fn end_wrap_up(&mut self, now: Instant, key: AgentKey) {
        let Duty::WrapUp { queue, since } = &self.agents[key].duty else { return };
        if let Some(queue) = self.queue_keys.get(queue) {
            self.queues[*queue].estimator.handled(now.saturating_duration_since(*since));
        }
        self.timers.clear(&Deadline::WrapUp(key));
        self.agents[key].duty = Duty::Free;
        self.settle(now, key, None);
    }

    fn end_pause(&mut self, now: Instant, key: AgentKey) {
        if matches!(self.agents[key].intent, Intent::NotReady { until: Some(_), .. }) {
            self.agents[key].intent = Intent::Ready;
            self.settle(now, key, None);
        }
    }

    /// Brings the idle order, the counts and what is shown in line with the agent's facts, then serves the agent.
    /// `idle` is the place in the idle order to go back to, if not the last.
    pub(super) fn settle(&mut self, now: Instant, key: AgentKey, idle: Option<IdlePlace>) {
        let available = self.agents[key].is_available();
        match (available, self.agents[key].idle) {
            (true, None) => {
                let place = idle.unwrap_or_else(|| IdlePlace { since: now, seq: self.seq(), agent: key });
                self.agents[key].idle = Some(place);
                for queue in &self.agents[key].queues {
                    self.queues[*queue].idle.insert(place);
                }
            }
            (false, Some(place)) => {
                self.agents[key].idle = None;
                for queue in &self.agents[key].queues {
                    self.queues[*queue].idle.remove(&place);
                }
            }
            (true, Some(_)) | (false, None) => {}
        }
        self.show(now, key);
        if available {
            self.serve(now, key);
        } else {
            self.drop_if_left(key);
        }
    }

    fn show(&mut self, now: Instant, key: AgentKey) {
        let agent = &mut self.agents[key];
        let (state, reason) = agent.state();
        if (state, &reason) == (agent.shown, &agent.shown_reason) {
            return;
        }
        let before = std::mem::replace(&mut agent.shown, state);
        agent.shown_reason.clone_from(&reason);
        agent.since = Some(now);
        self.outputs.push_back(AcdOutput::AgentState {
            agent: agent.id.clone(),
            state,
            reason: reason.map(Cow::into_owned),
        });
        self.recount(key, before, state);
        if is_logged_in(before) && !is_logged_in(state) {
            let emptied = self.agents[key].queues.iter().copied().filter(|queue| self.queues[*queue].logged_in == 0);
            for queue in emptied.collect::<Vec<_>>() {
                self.queue_emptied(now, queue);
            }
        }
    }

    /// Moves the agent from one state to another in the counts of each of the agent's queues.
    pub(super) fn recount(&mut self, key: AgentKey, before: AgentStateName, after: AgentStateName) {
        for queue in &self.agents[key].queues {
            let queue = &mut self.queues[*queue];
            queue.staffed = queue.staffed + u32::from(is_staffed(after)) - u32::from(is_staffed(before));
            queue.logged_in = queue.logged_in + u32::from(is_logged_in(after)) - u32::from(is_logged_in(before));
        }
    }

    /// The last agent of the queue has logged out: callers who asked not to wait for nobody are given back.
    fn queue_emptied(&mut self, now: Instant, queue: QueueKey) {
        let tickets: Vec<TicketId> = self.queues[queue].line().map(|place| place.ticket).collect();
        for id in tickets {
            if self
                .tickets
                .get(&id)
                .is_some_and(|ticket| ticket.leave_when_empty && ticket.state == TicketState::Waiting)
            {
                self.end_ticket(now, id, QueueOutcome::NoAgents);
            }
        }
    }

    fn drop_if_left(&mut self, key: AgentKey) {
        let agent = &self.agents[key];
        if agent.leaving && agent.duty == Duty::Free {
            let agent = self.agents.remove(key);
            self.timers.clear(&Deadline::Pause(key));
            self.agent_keys.remove(&agent.id);
        }
    }

    // --- small things ---

    fn known(&self, agent: &AgentId) -> Result<AgentKey, UnknownAgent> {
        self.agent_keys.get(agent).copied().ok_or_else(|| UnknownAgent(agent.clone()))
    }

    fn seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }
}
