//! Phones of an extension: which of its devices ring together, which after them, and by which way each is reached.

use super::{Switch, SwitchTimer};
use crate::call::{DialPurpose, DialTarget, LegSeat, Way, telling};
use crate::events::{Cause, LegRole, Source};
use crate::ids::{AgentId, CallId, LegId};
use crate::registrar::{Binding, Device};
use crate::sip::endpoint::{Outgoing, UsageId};
use crate::sip::peer::Peer;
use crate::timers::Now;
use std::collections::VecDeque;
use std::time::Duration;

/// How long devices ring before those that are liked less get their turn: three rings.
const ROUND: Duration = Duration::from_secs(10);

/// Devices of an extension that ring later.
#[derive(Debug)]
pub(super) struct Hunt {
    purpose: DialPurpose,
    agent: AgentId,
    later: VecDeque<Vec<Device<Peer>>>,
    /// The most telling refusal so far.
    worst: Cause,
}

/// What a leg's phone may be called by when the way that was tried does not lead to it.
#[derive(Debug)]
pub(super) struct OtherWays {
    order: Outgoing,
    ways: VecDeque<Way>,
}

impl OtherWays {
    pub(super) fn new(order: Outgoing, ways: Vec<Way>) -> Self {
        Self { order, ways: ways.into() }
    }
}

impl Switch {
    /// Rings the devices of an extension. `Err`, and nothing done: it has none (unreachable), or no RTP port is free (overload).
    pub(super) fn dial_extension(
        &mut self,
        now: Now,
        id: CallId,
        purpose: DialPurpose,
        agent: &AgentId,
        ring_time: Duration,
    ) -> Result<(), Cause> {
        let entry = self.calls.get(&id).filter(|entry| entry.call.may_dial()).ok_or(Cause::Unreachable)?;
        // A GRUU that was dialled means one device; whoever a flow or queue asks for may answer with any.
        let instance = entry.instance.clone().filter(|_| purpose == DialPurpose::Direct);
        let mut later: VecDeque<_> = self.registrar.rounds(agent.as_str(), instance.as_deref()).into();
        let first = later.pop_front().ok_or(Cause::Unreachable)?;
        let targets = self.targets(id, agent, first);
        if !self.dial(now, id, purpose.clone(), targets, ring_time) {
            self.tell_no_port(now);
            return Err(Cause::Overload);
        }
        if !later.is_empty() {
            self.timers.set(SwitchTimer::NextRound(id), now.at + ROUND);
            if let Some(entry) = self.calls.get_mut(&id) {
                entry.hunt = Some(Hunt { purpose, agent: agent.clone(), later, worst: Cause::Unreachable });
            }
        }
        Ok(())
    }

    /// Nobody of a round has answered in its time: those after it ring instead (RFC 3261 16.6, serial search).
    pub(super) fn on_round_over(&mut self, now: Now, id: CallId) {
        let Some(entry) = self.calls.get(&id).filter(|entry| entry.call.is_dialing()) else { return };
        let (Some(hunt), cause) = (&entry.hunt, entry.call.refusal_so_far()) else { return };
        let purpose = hunt.purpose.clone();
        self.with_call(now, id, |call, out| call.stop_dialing(Cause::NoAnswer, out));
        if !self.ring_next_round(now, id, cause) {
            self.on_dial_failed(now, id, purpose, cause);
        }
    }

    /// Whether others ring now, after all of a round have refused. Whoever declined did so for the person (RFC 3261 21.6).
    pub(super) fn go_on_hunting(
        &mut self,
        now: Now,
        id: CallId,
        purpose: &DialPurpose,
        cause: Cause,
    ) -> Result<(), Cause> {
        match self.calls.get(&id).and_then(|entry| entry.hunt.as_ref()) {
            Some(hunt) if hunt.purpose == *purpose && cause != Cause::Declined => {
                let worst = telling(hunt.worst, cause);
                self.ring_next_round(now, id, cause).then_some(()).ok_or(worst)
            }
            _ => Err(cause),
        }
    }

    pub(super) fn stop_hunting(&mut self, id: CallId) {
        self.timers.clear(&SwitchTimer::NextRound(id));
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.hunt = None;
        }
    }

    fn ring_next_round(&mut self, now: Now, id: CallId, cause: Cause) -> bool {
        self.timers.clear(&SwitchTimer::NextRound(id));
        let Some(mut hunt) = self.calls.get_mut(&id).and_then(|entry| entry.hunt.take()) else { return false };
        hunt.worst = telling(hunt.worst, cause);
        while let Some(round) = hunt.later.pop_front() {
            let targets = self.targets(id, &hunt.agent, round);
            if targets.is_empty() {
                continue;
            }
            let purpose = hunt.purpose.clone();
            if !hunt.later.is_empty() {
                self.timers.set(SwitchTimer::NextRound(id), now.at + ROUND);
            }
            if let Some(entry) = self.calls.get_mut(&id) {
                entry.hunt = Some(hunt);
            }
            self.with_call(now, id, |call, out| call.dial(purpose, targets, out));
            return true;
        }
        false
    }

    /// What a call dials its devices with, each on a port beside the caller's.
    pub(super) fn targets(
        &mut self,
        id: CallId,
        agent: &AgentId,
        devices: Vec<Device<Peer>>,
    ) -> Vec<(LegSeat, DialTarget)> {
        let Some(entry) = self.calls.get(&id) else { return Vec::new() };
        let worker = entry.call.caller().worker();
        let mut targets = Vec::new();
        for device in devices {
            let mut ways = device.ways.iter().map(way);
            let Some(first) = ways.next() else { continue };
            let leg = LegId(self.fresh_id());
            let Some(lease) = self.ports.take_on(worker, leg) else { break };
            let peer = first.peer;
            let Some(entry) = self.calls.get(&id) else { break };
            let shown = self.shown_inside(entry, peer);
            let seat = self.seat(leg, lease, peer, &Source::Extension(agent.clone()));
            let target = DialTarget {
                request_uri: first.request_uri,
                to: format!("sip:{agent}@{}", self.config.realm),
                from: shown.from,
                from_display: shown.display,
                peer,
                route: first.route,
                other_ways: ways.collect(),
                role: LegRole::Agent,
                agent: Some(agent.clone()),
                shown: agent.to_string(),
                credentials: None,
                headers: shown.headers,
            };
            targets.push((seat, target));
        }
        targets
    }

    /// A phone did not get its INVITE: it is sent by the phone's next flow, if there is one (RFC 5626 5.3). True when it was.
    pub(super) fn try_another_way(&mut self, now: Now, usage: UsageId, status: u16) -> bool {
        // 430 is an edge proxy's "flow failed"; the others are made here when nothing came back or the connection is gone.
        if !matches!(status, 408 | 430 | 503) {
            return false;
        }
        let Some(leg) = self.usages.get(&usage).copied() else { return false };
        let Some(others) = self.other_ways.get_mut(&leg) else { return false };
        while let Some(way) = others.ways.pop_front() {
            let mut order = others.order.clone();
            (order.peer, order.request_uri) = (way.peer, way.request_uri);
            order.headers.retain(|(name, _)| name != "Route");
            order.headers.extend(routes(&way.route));
            let Ok(again) = self.endpoint.invite(now.at, order) else { continue };
            self.usages.remove(&usage);
            self.usages.insert(again, leg);
            if let Some((_, of_leg)) = self.legs.get_mut(&leg) {
                *of_leg = Some(again);
            }
            return true;
        }
        false
    }
}

fn way(binding: &Binding<Peer>) -> Way {
    Way { request_uri: binding.contact.to_string(), peer: binding.flow, route: binding.path.clone() }
}

/// The Route headers that a Path asks for (RFC 3327 5.4).
pub(super) fn routes(path: &[String]) -> impl Iterator<Item = (String, String)> {
    path.iter().map(|route| ("Route".to_string(), route.clone()))
}
