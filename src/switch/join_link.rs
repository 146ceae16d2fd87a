//! Who takes whose place: an agent who talks to two parties joins them and leaves (a REFER with Replaces, RFC 3891), a phone
//! of the same agent goes on with a call, or a colleague takes one that rings (an INVITE with Replaces). Nobody is asked to
//! change anything for it: the two legs that stay are joined here.

use super::inbound::{Refused, printable};
use super::sip_link::warning_header;
use super::{Entry, Switch};
use crate::call::Leg;
use crate::events::{EventKind, LegRole, Refusal, Source, TransferOutcome};
use crate::ids::{AgentId, CallId, LegId, Redacted};
use crate::media::command::RecordingId;
use crate::sip::endpoint::{Standing, SubscriptionId, UsageId};
use crate::sip::message::{HeaderName, Message, Replaces};
use crate::sip::peer::Peer;
use crate::timers::Now;
use bytes::Bytes;

/// What the agent of one side of a call is to the distributor.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// A queue gave it this call.
    pub serving: Option<AgentId>,
    /// It made the call, or was called outright.
    pub own: Option<AgentId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Partner,
}

impl Entry {
    pub(super) fn take_seat(&mut self, side: Side) -> Seat {
        match side {
            Side::Caller => Seat { serving: self.served.take(), own: self.own_extension.take() },
            Side::Partner => Seat { serving: self.serving.take(), own: self.visiting.take() },
        }
    }

    /// Of those who are neither of the two: who is beside them, or waits for the end of a transfer.
    fn other_seats(&self) -> impl Iterator<Item = &Seat> {
        self.guests.values().chain(self.referral.iter().map(|referral| &referral.seat))
    }

    /// Agents for whom it is a call of their own.
    pub(super) fn own(&self) -> impl Iterator<Item = &AgentId> {
        let others = self.other_seats().filter_map(|seat| seat.own.as_ref());
        self.own_extension.iter().chain(&self.visiting).chain(others)
    }

    /// Agents to whom a queue gave it.
    pub(super) fn given(&self) -> impl Iterator<Item = &AgentId> {
        let others = self.other_seats().filter_map(|seat| seat.serving.as_ref());
        self.serving.iter().chain(&self.served).chain(others)
    }

    pub(super) fn put_seat(&mut self, side: Side, seat: Seat) {
        match side {
            Side::Caller => (self.served, self.own_extension) = (seat.serving, seat.own),
            Side::Partner => (self.serving, self.visiting) = (seat.serving, seat.own),
        }
    }

    pub(super) fn side_of(&self, leg: LegId) -> Side {
        if leg == self.call.caller().id { Side::Caller } else { Side::Partner }
    }

    /// The extension that a party of the call is.
    pub(super) fn agent_of(&self, leg: LegId) -> Option<&AgentId> {
        match self.side_of(leg) {
            Side::Caller => self.own_extension.as_ref().or(self.call.caller().agent.as_ref()),
            Side::Partner => {
                let other = self.call.legs().find(|other| other.id == leg)?;
                // Who was the caller once, and has taken a party back, is known by the seat.
                let once_caller = || (other.role == LegRole::Caller).then_some(());
                let seated = || once_caller().and(self.visiting.as_ref().or(self.serving.as_ref()));
                other.agent.as_ref().or_else(seated)
            }
        }
    }
}

/// The other call of an agent who joins two.
#[derive(Clone, Copy, Debug)]
pub(super) enum Consulted {
    /// Both talk: the parties that the agent talks to are joined.
    Talks { call: CallId, leg: LegId },
    /// Nobody has answered there yet, or a machine did: the other is sent to the same number.
    Waits { call: CallId },
}

impl Switch {
    /// The call that an agent wants to join to the one that it refers in, or the status owed.
    pub(super) fn consulted(&self, by: &AgentId, id: CallId, named: &Replaces<'_>) -> Result<Consulted, u16> {
        // Not 481, which would end the call that the REFER came in (RFC 3261 12.2.1.2).
        let (usage, standing) = self.endpoint.replaced(named).ok_or(404u16)?;
        let leg = self.usages.get(&usage).copied().ok_or(404u16)?;
        let (other, _) = self.legs.get(&leg).copied().ok_or(404u16)?;
        let entry = self.calls.get(&other).filter(|entry| !entry.call.is_ended()).ok_or(404u16)?;
        if other == id {
            return Err(400);
        }
        if entry.call.is_guest(leg) {
            return Err(403);
        }
        if entry.agent_of(leg) != Some(by) {
            return Err(403);
        }
        if standing == Standing::Up && entry.call.may_refer() {
            return Ok(Consulted::Talks { call: other, leg });
        }
        match entry.side_of(leg) {
            Side::Caller if entry.call.partner().is_none() && entry.referral.is_none() => {
                Ok(Consulted::Waits { call: other })
            }
            _ => Err(491),
        }
    }

    /// Whether the media of two calls is in one place, so that a leg of one can be joined to a leg of the other.
    pub(super) fn are_beside(&self, a: CallId, b: CallId) -> bool {
        let worker = |id| self.calls.get(&id).map(|entry| entry.call.caller().worker());
        worker(a).is_some() && worker(a) == worker(b)
    }

    /// The agent of both legs leaves; whom it talked to there and here are joined.
    pub(super) fn join(
        &mut self,
        now: Now,
        by: &AgentId,
        here: (CallId, LegId),
        there: (CallId, LegId),
        subscription: Option<SubscriptionId>,
    ) {
        let to = match self.calls.get(&there.0) {
            Some(entry) if entry.side_of(there.1) == Side::Caller => entry.to.clone(),
            Some(entry) => entry.from.clone(),
            None => String::new(),
        };
        let (by, to) = (by.clone(), Redacted::new(to));
        self.emit(now, Some(here.0), EventKind::TransferStarted { leg: here.1, by: by.clone(), to: to.clone() });
        self.tell_subscriber(now, subscription, 200);
        // A caller keeps its call: what drives it and what its record tells go on. Of two the one that was referred.
        let leaves_as = |(id, leg)| self.calls.get(&id).map(|entry: &Entry| entry.side_of(leg));
        let keeps_here = leaves_as(here) == Some(Side::Partner) || leaves_as(there) == Some(Side::Caller);
        let (stays, goes) = if keeps_here { (here, there) } else { (there, here) };
        self.move_over(now, stays, goes);
        let outcome = TransferOutcome::Completed;
        self.emit(now, Some(here.0), EventKind::TransferEnded { by, to, outcome, status: 200 });
    }

    /// The party opposite to `goes` takes the place of `stays`, in the call of the latter; the call of the former ends.
    fn move_over(&mut self, now: Now, stays: (CallId, LegId), goes: (CallId, LegId)) {
        let Some((given, seat, target)) = self.fetch(now, goes, stays.0) else { return };
        let was_side = self.calls.get(&stays.0).map(|entry| entry.side_of(stays.1));
        let recording = self.recording_again(stays.0);
        self.with_call(now, stays.0, |call, out| call.take_place(stays.1, given, recording, out));
        let left = match was_side {
            Some(Side::Caller) => self.promote(now, stays.0),
            _ => self.calls.get_mut(&stays.0).map(|entry| entry.take_seat(Side::Partner)).unwrap_or_default(),
        };
        if let Some(entry) = self.calls.get_mut(&stays.0) {
            entry.put_seat(Side::Partner, seat);
            if was_side == Some(Side::Caller) {
                entry.to = target;
            }
        }
        self.leave_seat(now, left);
    }

    /// Takes the party opposite to `goes` out of its call, which ends, for the call `to`: its leg, its seat, and who it is.
    pub(super) fn fetch(&mut self, now: Now, goes: (CallId, LegId), to: CallId) -> Option<(Leg, Seat, String)> {
        let entry = self.calls.get_mut(&goes.0)?;
        let moved_side = match entry.side_of(goes.1) {
            Side::Caller => Side::Partner,
            Side::Partner => Side::Caller,
        };
        let seat = entry.take_seat(moved_side);
        let target = if moved_side == Side::Partner { entry.to.clone() } else { entry.from.clone() };
        let mut given = None;
        self.with_call(now, goes.0, |call, out| given = call.give_away(goes.1, to, out));
        let Some(given) = given else {
            if let Some(entry) = self.calls.get_mut(&goes.0) {
                entry.put_seat(moved_side, seat);
            }
            return None;
        };
        let (leg, role) = (given.id, given.role);
        let target = given.agent.as_ref().map_or(target, |agent| agent.to_string());
        if let Some(place) = self.legs.get_mut(&leg) {
            place.0 = to;
        }
        let usage = self.legs.get(&leg).and_then(|(_, usage)| *usage);
        let sip_call_id = usage.and_then(|usage| self.endpoint.call_id(usage)).unwrap_or_default().to_owned();
        let taken = EventKind::LegTaken { leg, from: goes.0, role, target: Redacted::new(target.clone()), sip_call_id };
        self.emit(now, Some(to), taken);
        Some((given, seat, target))
    }

    /// A recording for a call that was recorded until its parties changed.
    pub(super) fn recording_again(&mut self, id: CallId) -> Option<RecordingId> {
        let recorded = self.calls.get(&id).is_some_and(|entry| entry.call.is_recording());
        if recorded { self.recording_for(id) } else { None }
    }

    /// An INVITE with Replaces, from an extension that proved itself.
    pub(super) fn take_over(
        &mut self,
        now: Now,
        usage: UsageId,
        request: &Message,
        peer: Peer,
        offer: Option<Bytes>,
        source: &Source,
    ) -> Result<(), Refused> {
        let refused = |status| Refused::new(Refusal::BadRequest, status);
        // A stranger takes nobody's place, and a trunk is one.
        let Source::Extension(agent) = source else { return Err(Refused::new(Refusal::NotOpen, 403)) };
        // RFC 3891 3: one, and not beside a Join.
        if request.count(HeaderName::Replaces) != 1 || request.count(HeaderName::Join) != 0 {
            return Err(refused(400));
        }
        let named = request.replaces().and_then(Result::ok).ok_or_else(|| refused(400))?;
        let (replaced, standing) = self.endpoint.replaced(&named).ok_or_else(|| refused(481))?;
        match standing {
            Standing::Up if named.early_only => return Err(refused(486)),
            Standing::Asking => return Err(refused(481)),
            Standing::Over => return Err(refused(603)),
            Standing::Up | Standing::Ringing => {}
        }
        let leg = self.usages.get(&replaced).copied().ok_or_else(|| refused(603))?;
        let (id, _) = self.legs.get(&leg).copied().ok_or_else(|| refused(603))?;
        let entry = self.calls.get(&id).filter(|entry| !entry.call.is_ended()).ok_or_else(|| refused(603))?;
        let of = entry.agent_of(leg);
        let allowed = match standing {
            Standing::Ringing => of.is_some_and(|of| of == agent || self.are_colleagues(of, agent)),
            _ => of == Some(agent),
        };
        if !allowed {
            return Err(Refused::new(Refusal::NotOpen, 403));
        }
        // Whom a queue offers a caller to, the queue decides; a call that talks to a machine has no other side.
        let may = match standing {
            Standing::Ringing => entry.call.offered_to().is_none() && entry.call.is_dialing(),
            _ => entry.call.may_refer() && !entry.call.is_guest(leg),
        };
        if !may {
            return Err(refused(603));
        }
        // Whoever called goes on as the one who called.
        let same_role = entry.call.legs().find(|other| other.id == leg && standing == Standing::Up);
        let role = same_role.map_or(LegRole::Agent, |other| other.role);
        let worker = entry.call.caller().worker();
        let new = LegId(self.fresh_id());
        let lease = self.ports.take_on(worker, new).ok_or_else(|| Refused::new(Refusal::NoPort, 503))?;
        let seat = self.seat(new, lease, peer, &Source::Extension(agent.clone()));
        let mut outputs = Vec::new();
        let given = Leg::offered(id, seat, (role, Some(agent.clone())), offer.as_deref(), &mut outputs);
        let given = given.map_err(|refusal| {
            self.ports.put_back(new);
            let headers = vec![("Warning", warning_header(refusal))];
            Refused { headers, ..Refused::new(Refusal::NoCodec, refusal.status()) }
        })?;
        self.legs.insert(new, (id, Some(usage)));
        self.usages.insert(usage, new);
        let sip_call_id = printable(request.call_id().unwrap_or_default().as_bytes());
        let target = Redacted::new(agent.to_string());
        self.emit(now, Some(id), EventKind::LegStarted { leg: new, role, target, sip_call_id });
        for output in outputs {
            self.carry_out(now, id, output);
        }
        match standing {
            Standing::Ringing => {
                self.visit(now, id, agent);
                self.with_call(now, id, |call, out| call.pick_up(given, out));
            }
            _ => {
                let recording = self.recording_again(id);
                self.with_call(now, id, |call, out| call.take_seat_of(leg, given, recording, out));
            }
        }
        Ok(())
    }

    /// Both take calls of one queue, so that one may take what rings at the other's.
    pub(super) fn are_colleagues(&self, one: &AgentId, other: &AgentId) -> bool {
        let queues = |agent: &AgentId| {
            let config = self.config.acd.agents.iter().find(|known| known.id == *agent);
            config.map(|config| config.queues.as_slice()).unwrap_or_default()
        };
        queues(one).iter().any(|queue| queues(other).contains(queue))
    }
}
