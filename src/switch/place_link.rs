//! Calls that the switch begins. Nobody has called, so that whoever is rung first and answers has the caller's place; from
//! there the call goes its way as if that party had dialled. It asks for room as every call does, and least urgently.

use super::inbound::MOST_HOPS;
use super::queue_link::MUSIC;
use super::{CALL_LIMIT, Entry, Switch, SwitchTimer};
use crate::call::{Call, DialPurpose};
use crate::events::{Class, EndedBy, EventKind, Placed, Refusal, Source};
use crate::ids::{AgentId, CallId, LegId, ProjectId, Redacted};
use crate::media::command::{PlayItem, Tone, WorkerId};
use crate::routing::Destination;
use crate::timers::Now;

/// A call to begin.
#[derive(Debug)]
pub(super) struct Placing {
    pub why: Placed,
    /// Who calls, as the other is shown it, and who is called.
    pub from: String,
    pub to: String,
    /// For whom, where that is known before anybody has answered.
    pub agent: Option<AgentId>,
    pub project: Option<ProjectId>,
    /// Whose calls it takes from.
    pub budget: Option<ProjectId>,
    /// Whither it goes when the first has answered.
    pub then: Destination,
}

/// What is left to do of a call that the switch has begun.
#[derive(Debug)]
pub(super) struct Placement {
    then: Option<Destination>,
}

/// Why an agent is not connected with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unplaced {
    /// There is no such extension, or it is not registered.
    NoPhone,
    /// It is in a call.
    Busy,
    /// It may not dial that number.
    NotOpen,
}

impl Switch {
    /// Whether an agent may be connected with a number at somebody's wish.
    pub fn may_connect(&self, agent: &AgentId, to: &str) -> Result<(), Unplaced> {
        if !self.config.extensions.contains_key(agent) || !self.has_phone(agent) {
            return Err(Unplaced::NoPhone);
        }
        if self.is_in_call(agent) {
            return Err(Unplaced::Busy);
        }
        self.config.routes.route(to, &Source::Extension(agent.clone())).map(drop).map_err(|_| Unplaced::NotOpen)
    }

    /// Whether an extension talks, or is called.
    pub fn is_in_call(&self, agent: &AgentId) -> bool {
        self.worker_of(agent).is_some()
    }

    /// Rings an agent, and then the number as if the agent had dialled it.
    pub(super) fn connect(&mut self, now: Now, agent: AgentId, to: String) -> Result<(), Refusal> {
        if self.may_connect(&agent, &to).is_err() {
            return Ok(());
        }
        let Ok(route) = self.config.routes.route(&to, &Source::Extension(agent.clone())) else { return Ok(()) };
        let order = Placing {
            why: Placed::Asked,
            from: agent.to_string(),
            to,
            agent: Some(agent.clone()),
            project: route.project.clone(),
            budget: route.budget.clone(),
            then: route.to.clone(),
        };
        let name = self.config.extensions.get(&agent).map(|extension| extension.name.clone());
        let id = self.place(now, None, order)?;
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.own_extension = Some(agent.clone());
            entry.from_display = name;
        }
        self.acd.agent_call_started(now.at, &agent);
        let ring_time = self.config.direct_ring_time;
        if let Err(cause) = self.dial_extension(now, id, DialPurpose::First, &agent, ring_time) {
            self.end_call(now, id, cause, EndedBy::System);
        }
        Ok(())
    }

    /// Begins a call in which nobody is yet; `beside` is the worker of a call that it is to be joined to.
    pub(super) fn place(&mut self, now: Now, beside: Option<WorkerId>, order: Placing) -> Result<CallId, Refusal> {
        let Placing { why, from, to, agent, project, budget, then } = order;
        let id = CallId(self.fresh_id());
        let (shown, called) = (Redacted::new(from.clone()), Redacted::new(to.clone()));
        let worker = match self.room_for(now, id, beside, budget.as_ref()) {
            Ok(worker) => worker,
            Err(reason) => {
                let refused = EventKind::CallRefused {
                    from: shown,
                    to: called,
                    reason,
                    status: reason.status_of_full(),
                    source: None,
                    budget,
                    class: Some(Class::Outbound),
                    sip_call_id: String::new(),
                };
                self.emit(now, None, refused);
                return Err(reason);
            }
        };
        let place = LegId(self.fresh_id());
        let placed = EventKind::CallPlaced { from: shown, to: called, why, agent, project: project.clone() };
        self.emit(now, Some(id), placed);
        let entry = Entry {
            project,
            hops: MOST_HOPS,
            placed: Some(Placement { then: Some(then) }),
            ..Entry::new(Call::placed(id, place, worker), now, from, to)
        };
        self.calls.insert(id, entry);
        self.timers.set(SwitchTimer::CallLimit(id), now.at + CALL_LIMIT);
        Ok(id)
    }

    fn room_for(
        &mut self,
        now: Now,
        id: CallId,
        beside: Option<WorkerId>,
        budget: Option<&ProjectId>,
    ) -> Result<WorkerId, Refusal> {
        if self.draining {
            return Err(Refusal::Draining);
        }
        if let Some(why) = self.admission.sheds(now.at, Class::Outbound) {
            return Err(why);
        }
        let worker = beside.or_else(|| self.ports.roomiest()).ok_or(Refusal::NoPort)?;
        self.admission.count_arrival(now.at);
        self.admission.try_admit(now.at, id, Class::Outbound, budget)?;
        Ok(worker)
    }

    /// Whoever was rung first is there, and hears the other ring.
    pub(super) fn on_first_answered(&mut self, now: Now, id: CallId) {
        let placement = self.calls.get_mut(&id).and_then(|entry| entry.placed.as_mut());
        let Some(then) = placement.and_then(|placement| placement.then.take()) else { return };
        match then {
            Destination::Extension(_) | Destination::Trunk { .. } => {
                self.play(now, id, MUSIC, vec![PlayItem::Tone(Tone::Ringback)], true, false);
            }
            Destination::Flow(_) | Destination::Queue(_) | Destination::Test(_) => self.tell_reached(now, id),
        }
        self.drive(now, id, then);
    }

    /// The party that a placed call is for has answered.
    pub(super) fn on_placed_reached(&mut self, now: Now, id: CallId) {
        if self.calls.get(&id).is_some_and(|entry| entry.placed.is_some()) {
            self.stop(now, id, MUSIC);
            self.tell_reached(now, id);
        }
    }

    fn tell_reached(&mut self, now: Now, id: CallId) {
        if let Some(entry) = self.calls.get(&id) {
            let leg = entry.call.caller().id;
            self.emit(now, Some(id), EventKind::CallAnswered { leg });
        }
    }
}
