//! What must hold whatever callers, agents and the network do, checked on the events alone: the reference that the real
//! switch is measured against. It knows nothing of how the switch works.

use hotline::events::{AgentStateName, EventKind, LegRole, OfferResult, QueueOutcome, Source, SwitchEvent};
use hotline::ids::{AgentId, CallId, LegId, QueueId, TicketId};
use hotline::switch::{Holdings, SwitchView};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub struct Model {
    /// What was broken, in sentences.
    pub faults: Vec<String>,
    last: Option<(u64, u64)>,
    calls: BTreeMap<CallId, Call>,
    by_sip_call_id: BTreeMap<String, CallId>,
    ended: BTreeSet<CallId>,
    legs: BTreeMap<LegId, Leg>,
    tickets: BTreeMap<TicketId, Ticket>,
    dequeued: BTreeSet<TicketId>,
    /// The caller that each agent was given by a queue, to ring for or to talk to.
    busy: BTreeMap<AgentId, CallId>,
    /// Legs of agents' own calls: those that they made, and those put through to them outright.
    own: BTreeMap<LegId, AgentId>,
    /// The state and reason last told.
    agents: BTreeMap<AgentId, (AgentStateName, Option<String>)>,
    pub arrived: usize,
    pub bridged: usize,
}

#[derive(Default)]
struct Call {
    legs: BTreeSet<LegId>,
    bridge: Option<(LegId, LegId, Option<AgentId>)>,
    answered: bool,
    /// Led to a number that listens and may say nothing for long.
    listens: bool,
    /// Recordings that began and have not ended.
    recording: BTreeSet<String>,
}

struct Leg {
    call: CallId,
    agent: Option<AgentId>,
    answered: bool,
    ended: bool,
    reported: bool,
}

struct Ticket {
    call: CallId,
    queue: QueueId,
    offer: Option<AgentId>,
    answered: bool,
}

impl Model {
    pub fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    fn demand(&mut self, so: bool, text: impl FnOnce() -> String) {
        if !so {
            let text = text();
            self.fault(text);
        }
    }

    pub fn learn(&mut self, event: &SwitchEvent) {
        let (seq, mono) = (event.seq, event.mono);
        let in_order = self.last.is_none_or(|(last, before)| seq == last + 1 && mono >= before);
        self.demand(in_order, || format!("event {seq} at {mono} ms came out of order"));
        self.last = Some((seq, mono));
        if let Some(call) = event.call {
            self.learn_of(call, &event.kind);
        } else if let EventKind::AgentState { agent, state, reason } = &event.kind {
            let told = (*state, reason.clone());
            let before = self.agents.insert(agent.clone(), told.clone());
            self.demand(before != Some(told), || format!("agent {agent} became {state:?} twice"));
        }
    }

    fn learn_of(&mut self, id: CallId, kind: &EventKind) {
        if let EventKind::CallArrived { leg, source, to, sip_call_id, .. } = kind {
            self.arrived += 1;
            self.by_sip_call_id.insert(sip_call_id.clone(), id);
            if let Source::Extension(agent) = source {
                self.own.insert(*leg, agent.clone());
            }
            let listens = ["9196", "9198", "9199"].contains(&to.expose().as_str());
            let new = self.calls.insert(id, Call { listens, ..Call::default() }).is_none() && !self.ended.contains(&id);
            self.demand(new, || format!("call {id} arrived twice"));
            return self.leg_begins(id, *leg, None);
        }
        if let EventKind::CallPlaced { .. } = kind {
            self.arrived += 1;
            let new = self.calls.insert(id, Call::default()).is_none() && !self.ended.contains(&id);
            return self.demand(new, || format!("call {id} was placed twice"));
        }
        if let EventKind::Disposed { .. } = kind {
            let known = self.calls.contains_key(&id) || self.ended.contains(&id);
            return self.demand(known, || format!("call {id} never was, and yet: {kind:?}"));
        }
        if !self.calls.contains_key(&id) {
            return self.fault(format!("call {id} is not there, and yet: {kind:?}"));
        }
        match kind {
            EventKind::CallAnswered { .. } => {
                let twice = self.calls.get_mut(&id).is_some_and(|call| std::mem::replace(&mut call.answered, true));
                self.demand(!twice, || format!("call {id} was answered twice"));
            }
            EventKind::LegStarted { leg, role, target, .. } => {
                self.leg_begins(id, *leg, (*role == LegRole::Agent).then(|| AgentId::new(target.expose())));
            }
            EventKind::LegMoved { leg, to } => {
                let left = self.calls.get_mut(&id).is_some_and(|call| call.legs.remove(leg));
                self.demand(left, || format!("leg {leg} left call {id}, which it was not in"));
                self.legs.get_mut(leg).into_iter().for_each(|leg| leg.call = *to);
            }
            EventKind::LegTaken { leg, .. } => {
                let here = self.legs.get(leg).is_some_and(|leg| leg.call == id && !leg.ended);
                self.demand(here, || format!("call {id} took leg {leg}, which did not come"));
                self.calls.get_mut(&id).into_iter().for_each(|call| _ = call.legs.insert(*leg));
            }
            EventKind::LegAnswered { leg } => self.leg_answered(id, *leg),
            EventKind::LegEnded { leg, .. } => self.leg_ended(id, *leg),
            EventKind::LegRinging { leg }
            | EventKind::LegHeld { leg }
            | EventKind::LegResumed { leg }
            | EventKind::Fax { leg, .. } => {
                let alive = self.legs.get(leg).is_some_and(|l| l.call == id && !l.ended);
                self.demand(alive, || format!("leg {leg} is gone, and yet: {kind:?}"));
            }
            EventKind::MediaReport { leg, .. } => {
                let owed = self.legs.get_mut(leg).is_some_and(|l| l.ended && !std::mem::replace(&mut l.reported, true));
                self.demand(owed, || format!("leg {leg} reported before its end or twice"));
            }
            EventKind::Queued { ticket, queue, .. } => {
                let waits = self.tickets.values().any(|other| other.call == id);
                self.demand(!waits, || format!("call {id} waits in two queues"));
                let new = Ticket { call: id, queue: queue.clone(), offer: None, answered: false };
                let twice = self.tickets.insert(*ticket, new).is_some() || self.dequeued.contains(ticket);
                self.demand(!twice, || format!("ticket {ticket} was given twice"));
            }
            EventKind::Offered { ticket, agent, .. } => self.offered(id, *ticket, agent),
            EventKind::OfferEnded { ticket, agent, result } => self.offer_ended(id, *ticket, agent, *result),
            EventKind::Dequeued { ticket, queue, outcome, .. } => {
                let Some(gone) = self.tickets.remove(ticket) else {
                    return self.fault(format!("ticket {ticket} left a queue that it was not in"));
                };
                self.dequeued.insert(*ticket);
                self.demand(gone.queue == *queue && gone.call == id, || format!("ticket {ticket} left another queue"));
                self.demand(gone.offer.is_none(), || format!("ticket {ticket} ended with an offer open"));
                let answered = *outcome == QueueOutcome::Answered;
                self.demand(answered == gone.answered, || format!("ticket {ticket}: {outcome:?} against its offers"));
            }
            EventKind::Bridged { a, b, agent } => self.bridged(id, *a, *b, agent.clone()),
            EventKind::Unbridged { a, b } => {
                let ended = self.calls.get_mut(&id).and_then(|call| call.bridge.take());
                let same = ended.as_ref().is_some_and(|(x, y, _)| (x, y) == (a, b));
                self.demand(same, || format!("call {id} parted {a} and {b}, who were not joined"));
                if let Some((_, far, Some(agent))) = ended
                    && !self.own.contains_key(&far)
                {
                    self.busy.remove(&agent);
                }
            }
            EventKind::RecordingStarted { file } => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.recording.insert(file.clone());
                }
            }
            EventKind::RecordingEnded { file, .. } | EventKind::RecordingFailed { file, .. } => {
                let began = self.calls.get_mut(&id).is_some_and(|call| call.recording.remove(file));
                self.demand(began, || format!("recording {file} ended and had not begun"));
            }
            EventKind::CallEnded { .. } => self.call_ended(id),
            EventKind::Alarm { text } => self.demand(!text.contains("mismatch"), || text.clone()),
            _ => {}
        }
    }

    fn leg_begins(&mut self, id: CallId, leg: LegId, agent: Option<AgentId>) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.legs.insert(leg);
        }
        let new = Leg { call: id, agent, answered: false, ended: false, reported: false };
        let twice = self.legs.insert(leg, new).is_some();
        self.demand(!twice, || format!("leg {leg} began twice"));
    }

    fn leg_answered(&mut self, id: CallId, leg: LegId) {
        let fresh = self
            .legs
            .get_mut(&leg)
            .is_some_and(|l| l.call == id && !l.ended && !std::mem::replace(&mut l.answered, true));
        self.demand(fresh, || format!("leg {leg} was answered twice, or after its end"));
    }

    fn leg_ended(&mut self, id: CallId, leg: LegId) {
        let first = self.legs.get_mut(&leg).is_some_and(|l| l.call == id && !std::mem::replace(&mut l.ended, true));
        self.demand(first, || format!("leg {leg} ended twice"));
        let was_own = self.own.remove(&leg).is_some();
        let joined =
            self.calls.get(&id).and_then(|call| call.bridge.as_ref()).is_some_and(|(a, b, _)| *a == leg || *b == leg);
        // The caller's end comes first in its call's; the two are parted by the same step.
        let caller = self.legs.get(&leg).is_some_and(|l| l.agent.is_none());
        self.demand(!joined || caller || was_own, || format!("leg {leg} ended while it was joined"));
    }

    fn offered(&mut self, id: CallId, ticket: TicketId, agent: &AgentId) {
        let waits = self
            .tickets
            .get_mut(&ticket)
            .is_some_and(|t| t.call == id && !t.answered && t.offer.replace(agent.clone()).is_none());
        self.demand(waits, || format!("ticket {ticket} was offered while it did not wait, or to two agents"));
        let own = self.own.values().any(|other| other == agent);
        self.demand(!own, || format!("agent {agent} was offered call {id} during a call of its own"));
        let other = self.busy.insert(agent.clone(), id);
        self.demand(other.is_none(), || format!("agent {agent} was offered call {id} while busy with {other:?}"));
    }

    fn offer_ended(&mut self, id: CallId, ticket: TicketId, agent: &AgentId, result: OfferResult) {
        let ended = self.tickets.get_mut(&ticket).is_some_and(|t| {
            t.answered |= result == OfferResult::Answered;
            t.call == id && t.offer.take().as_ref() == Some(agent)
        });
        self.demand(ended, || format!("an offer of ticket {ticket} to {agent} ended that was not open"));
        if result != OfferResult::Answered {
            self.busy.remove(agent);
        }
    }

    fn bridged(&mut self, id: CallId, a: LegId, b: LegId, agent: Option<AgentId>) {
        self.bridged += 1;
        for leg in [a, b] {
            let up = self.legs.get(&leg).is_some_and(|l| l.call == id && !l.ended);
            self.demand(up, || format!("call {id} joined leg {leg}, which is gone"));
        }
        let answered = self.legs.get(&b).is_some_and(|l| l.answered);
        self.demand(answered, || format!("call {id} joined leg {b}, which has not answered"));
        // Who was rung first in a call that nobody made has the caller's place.
        if let Some(agent) = self.legs.get(&a).and_then(|l| l.agent.clone()) {
            self.own.insert(a, agent);
        }
        if let Some(agent) = &agent
            && self.busy.get(agent) != Some(&id)
        {
            // Not by a queue. An agent with two phones may take such a call on the second.
            self.own.insert(b, agent.clone());
        }
        let before = self.calls.get_mut(&id).and_then(|call| call.bridge.replace((a, b, agent)));
        self.demand(before.is_none(), || format!("call {id} joined a second agent"));
    }

    fn call_ended(&mut self, id: CallId) {
        let Some(call) = self.calls.remove(&id) else { return };
        self.ended.insert(id);
        for leg in call.legs {
            let ended = self.legs.remove(&leg).is_some_and(|l| l.ended);
            self.demand(ended, || format!("call {id} ended before its leg {leg}"));
        }
        self.demand(call.bridge.is_none(), || format!("call {id} ended while two legs were joined"));
        self.demand(call.recording.is_empty(), || format!("call {id} ended before its recording"));
        let waits = self.tickets.iter().find(|(_, ticket)| ticket.call == id).map(|(ticket, _)| *ticket);
        self.demand(waits.is_none(), || format!("call {id} ended and its ticket {waits:?} still waits"));
    }

    /// Whether somebody owes the caller of this call a sound: it is there, and neither talks nor is listened to.
    pub fn owes_sound(&self, sip_call_id: &str) -> bool {
        let call = self.by_sip_call_id.get(sip_call_id).and_then(|id| self.calls.get(id));
        call.is_some_and(|call| call.bridge.is_none() && !call.listens)
    }

    /// At every moment: what is held fits the calls that there are.
    pub fn holds(&mut self, held: Holdings) {
        let calls = self.calls.len();
        self.demand(held.calls == calls, || format!("{} calls held, {calls} told", held.calls));
        self.demand(held.permits <= calls, || format!("{} permits for {calls} calls", held.permits));
        let (places, legs) = (held.trunk_places, held.legs);
        self.demand(places <= legs, || format!("{places} places of trunks for {legs} legs"));
        let tickets = self.tickets.len();
        self.demand(held.tickets == tickets, || format!("{} tickets held, {tickets} told", held.tickets));
    }

    /// After quiet time nothing is left but registrations.
    pub fn quiet(&mut self, view: &SwitchView, ports: usize, open: usize) {
        self.demand(self.calls.is_empty(), || "calls never ended".into());
        self.demand(self.tickets.is_empty(), || "tickets never ended".into());
        self.demand(self.busy.is_empty(), || "agents busy without a call".into());
        let held = view.holdings;
        self.demand(held == Holdings::default(), || format!("left over: {held:?}"));
        self.demand(view.free_ports == ports, || format!("{} of {ports} RTP ports came back", view.free_ports));
        self.demand(open == 0, || format!("{open} media legs left open"));
        for agent in &view.agents {
            let busy = matches!(agent.state, AgentStateName::Ringing | AgentStateName::Talking);
            self.demand(!busy, || format!("agent {} is {:?} without a call", agent.agent, agent.state));
        }
    }
}
