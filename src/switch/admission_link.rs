//! Between a new call and the room that it needs: as what it asks, and what it takes of all that there is a limit to. What
//! was taken goes back together.

use super::Switch;
use super::inbound::{Refused, parties};
use crate::admission::Load;
use crate::events::{Class, EventKind, Refusal, Source};
use crate::ids::{AgentId, CallId, LegId, ProjectId, TrunkId};
use crate::media::command::PortLease;
use crate::routing::{Destination, Route};
use crate::sip::message::{HeaderName, Message, Method};
use crate::sip::peer::Peer;
use crate::timers::Now;
use crate::trunks::Direction;
use std::time::Duration;

/// Namespaces of Resource-Priority that are for emergencies alone: those of RFC 7135 and RFC 4412 10.
const EMERGENCIES: [&str; 3] = ["esnet", "ets", "wps"];

/// Between two tellings of operators.
const TELL_OVERLOAD: Duration = Duration::from_secs(60);

/// What a call asks for room as.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub class: Class,
    pub budget: Option<ProjectId>,
}

/// What a call that is let in holds from the start.
pub(super) struct Room {
    pub call: CallId,
    pub leg: LegId,
    pub lease: PortLease,
}

impl Switch {
    /// A trusted carrier's word on an emergency comes first, then what the number says, then what the trunk does.
    pub(super) fn asking(&self, source: &Source, request: &Message, route: &Route) -> Asking {
        let (of_trunk, is_emergency) = match source {
            Source::Trunk(trunk) => (self.config.trunk_classes.get(trunk), self.is_emergency(trunk, request)),
            Source::Extension(_) => (None, false),
        };
        let outward = matches!((source, &route.to), (Source::Extension(_), Destination::Trunk { .. }));
        let usual = if outward { Class::Outbound } else { Class::default() };
        let class = match is_emergency {
            true => Class::Urgent,
            false => route.class.or(of_trunk.copied()).unwrap_or(usual),
        };
        Asking { class, budget: route.budget.clone() }
    }

    fn is_emergency(&self, trunk: &TrunkId, request: &Message) -> bool {
        let space = |value: &[u8]| value.split(|octet| *octet == b'.').next().map(<[u8]>::to_ascii_lowercase);
        let is_named = |value: &[u8]| space(value).is_some_and(|name| EMERGENCIES.iter().any(|e| e.as_bytes() == name));
        self.trusts(trunk) && request.list(HeaderName::ResourcePriority).any(is_named)
    }

    /// Hands a message to the endpoint, which turns a new call away unread when more come than may, or than can be dealt
    /// with. What belongs to a call that is there, a repeated INVITE or one that takes its place too, goes its way.
    pub(super) fn take_or_shed(&mut self, now: Now, peer: Peer, message: Message) {
        let invites = *message.method() == Method::Invite && message.is_outside_dialog();
        let is_new = invites && self.admission.may_shed(now.at) && !self.takes_place(&message);
        let class = if is_new { self.class_at_sight(&message, peer) } else { Class::Urgent };
        let why = self.admission.sheds(now.at, class);
        self.endpoint.shed_calls(why.is_some());
        let before = self.endpoint.stats().shed;
        self.endpoint.handle_message(now.at, peer, message);
        if let Some(why) = why
            && self.endpoint.stats().shed > before
        {
            *self.shed.entry((why, class)).or_default() += 1;
        }
    }

    /// Whether an INVITE is for the place of another in a call that is there (RFC 3891).
    fn takes_place(&self, invite: &Message) -> bool {
        let named = invite.replaces().and_then(Result::ok);
        named.is_some_and(|named| self.endpoint.replaced(&named).is_some())
    }

    /// How urgent a new call is, as far as that costs little to find out: nobody has proved anything yet. Who is neither a
    /// trunk nor an extension on the way that it is registered by has the least claim.
    fn class_at_sight(&self, message: &Message, peer: Peer) -> Class {
        let parties = parties(message);
        let (source, number) = if self.registrar.has_flow(&parties.from, &peer) {
            (Source::Extension(AgentId::new(parties.from)), parties.to)
        } else {
            let Some(trunk) = self.trunk_of(peer.remote.ip(), &parties.to) else { return Class::Outbound };
            let (number, _) = self.called_by(&trunk, &parties);
            (Source::Trunk(trunk), number)
        };
        let route = self.config.routes.route(&number, &source);
        route.map_or(Class::default(), |route| self.asking(&source, message, route).class)
    }

    pub(super) fn tell_shed(&mut self, now: Now) {
        for ((why, class), count) in std::mem::take(&mut self.shed) {
            self.emit(now, None, EventKind::CallsShed { count, why, class });
        }
    }

    pub(super) fn on_load(&mut self, now: Now, load: Load) {
        let (0, 1..) = self.admission.observe(now.at, load) else { return };
        if self.told_overload.is_some_and(|told| now.at.saturating_duration_since(told) < TELL_OVERLOAD) {
            return;
        }
        self.told_overload = Some(now.at);
        let text = format!(
            "the switch falls behind (a new call waits {} ms, media wakes up {} ms late): new calls are turned away, the \
             least urgent first, until it keeps up; give the machine more CPU, or less to do beside",
            load.delay.as_millis(),
            load.media_late.as_millis()
        );
        self.emit(now, None, EventKind::Alarm { text });
    }

    /// No agent's phone can be rung for want of an RTP port: told now and then, as each try would.
    pub(super) fn tell_no_port(&mut self, now: Now) {
        if self.told_no_port.is_some_and(|told| now.at.saturating_duration_since(told) < TELL_OVERLOAD) {
            return;
        }
        self.told_no_port = Some(now.at);
        let text =
            "a phone could not be rung: no RTP port is free beside its caller's; give `listen.rtp` more ports".into();
        self.emit(now, None, EventKind::Alarm { text });
    }

    /// A place on the trunk, one of all calls, and a port.
    pub(super) fn make_room(
        &mut self,
        now: Now,
        source: &Source,
        destination: &Destination,
        asking: &Asking,
    ) -> Result<Room, Refused> {
        let call = CallId(self.fresh_id());
        let leg = LegId(self.fresh_id());
        if let Source::Trunk(trunk) = source
            && !self.trunks.take(now.at, leg, trunk, Direction::In)
        {
            return Err(Refused::full(Refusal::TrunkCap));
        }
        if let Err(refusal) = self.admission.try_admit(now.at, call, asking.class, asking.budget.as_ref()) {
            self.trunks.release(leg);
            return Err(Refused::full(refusal));
        }
        // An agent's second call beside its first, so that it can join the two.
        let calls = match source {
            Source::Extension(agent) => self.worker_of(agent),
            Source::Trunk(_) => None,
        };
        let is_called = || match destination {
            Destination::Extension(agent) => self.worker_of(agent),
            _ => None,
        };
        let beside = calls.or_else(is_called);
        let lease = beside.and_then(|worker| self.ports.take_on(worker, leg)).or_else(|| self.ports.take_any(leg));
        let Some(lease) = lease else {
            self.admission.release(call);
            self.trunks.release(leg);
            return Err(Refused::full(Refusal::NoPort));
        };
        Ok(Room { call, leg, lease })
    }

    /// The call that it was for never came to be.
    pub(super) fn give_room_back(&mut self, room: &Room) {
        self.admission.release(room.call);
        self.trunks.release(room.leg);
        self.ports.put_back(room.leg);
    }
}
