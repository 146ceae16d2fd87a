//! Between a new call and the room that it needs: as what it asks, and what it takes of all that there is a limit to. What
//! was taken goes back together.

use super::Switch;
use super::inbound::Refused;
use crate::events::{Class, Refusal, Source};
use crate::ids::{CallId, LegId, ProjectId, TrunkId};
use crate::media::command::PortLease;
use crate::routing::{Destination, Route};
use crate::sip::message::{HeaderName, Message};
use crate::timers::Now;
use crate::trunks::Direction;

/// Namespaces of Resource-Priority that are for emergencies alone: those of RFC 7135 and RFC 4412 10.
const EMERGENCIES: [&str; 3] = ["esnet", "ets", "wps"];

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
