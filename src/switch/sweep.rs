//! What is held is compared with what it is held for: permits, legs, dialogs, tickets, agents and RTP ports. A mismatch is
//! a fault of ours; it is mended, so that it does not eat up the budget, and told, so that it is found.

use super::{Switch, SwitchTimer};
use crate::acd::Leave;
use crate::events::{AgentStateName, EventKind};
use crate::ids::{AgentId, CallId, LegId, TicketId};
use crate::media::command::MediaCmd;
use crate::sip::endpoint::UsageId;
use crate::timers::Now;
use std::collections::BTreeSet;
use std::time::Duration;

/// Finding a leak within a minute keeps it from filling the budget.
pub(super) const EVERY: Duration = Duration::from_secs(60);

impl Switch {
    pub(super) fn sweep(&mut self, now: Now) {
        self.timers.set(SwitchTimer::Sweep, now.at + EVERY);
        // What has happened at this moment is no mismatch, only not yet heard by everyone.
        self.settle(now);
        // A call that has ended holds no permit any more; it is kept until its media has reported.
        let up = self.calls.iter().filter(|(_, entry)| !entry.call.is_ended()).map(|(id, _)| *id);
        for mismatch in self.admission.sweep(now.at, up) {
            self.mended(now, None, format!("a permit and a call: {mismatch:?}"));
        }
        // Before the legs: the worker of a leg that is mended now has until the next sweep to give its port back.
        self.sweep_ports(now);
        self.sweep_legs(now);
        self.sweep_usages(now);
        self.sweep_tickets(now);
        self.sweep_agents(now);
        self.tidy_errands();
    }

    fn sweep_legs(&mut self, now: Now) {
        let orphan = |(leg, (call, _)): (&LegId, &(CallId, Option<UsageId>))| {
            (!self.calls.contains_key(call)).then_some((*leg, *call))
        };
        let mut lost: Vec<(LegId, CallId)> = self.legs.iter().filter_map(orphan).collect();
        lost.sort();
        let held = self.trunks.held().chain(self.tolls.held().copied());
        let placed: Vec<LegId> = held.filter(|leg| !self.legs.contains_key(leg)).collect();
        for leg in placed {
            self.trunks.release(leg);
            self.tolls.release(leg);
            self.mended(now, None, format!("a place of a trunk without its leg {leg}"));
        }
        for (leg, call) in lost {
            if let Some((_, Some(usage))) = self.legs.remove(&leg) {
                self.usages.remove(&usage);
                self.endpoint.hangup(now.at, usage, None);
            }
            // A worker that has lost the leg reports it all the same, and leases the port anew.
            if let Some(lease) = self.ports.taken().get(&leg) {
                self.outputs.push_back(super::Output::Media(lease.worker, MediaCmd::Drop { leg }));
            }
            self.mended(now, Some(call), format!("leg {leg} without its call: its media worker never let it go"));
        }
    }

    fn sweep_usages(&mut self, now: Now) {
        let mut lost: Vec<UsageId> = self.endpoint.held().filter(|usage| !self.usages.contains_key(usage)).collect();
        let astray = self
            .usages
            .iter()
            .filter(|(usage, leg)| self.legs.get(leg).is_none_or(|(_, of_leg)| of_leg.as_ref() != Some(*usage)));
        lost.extend(astray.map(|(usage, _)| *usage));
        lost.sort();
        lost.dedup();
        for usage in lost {
            self.usages.remove(&usage);
            self.endpoint.hangup(now.at, usage, None);
            self.mended(now, None, format!("dialog {usage:?} without a leg"));
        }
    }

    fn sweep_ports(&mut self, now: Now) {
        let legs = &self.legs;
        let lost: Vec<_> = self.ports.taken().iter().filter(|(leg, _)| !legs.contains_key(leg)).collect();
        let lost: Vec<_> = lost.into_iter().map(|(leg, lease)| (*leg, lease.port)).collect();
        for (leg, port) in lost {
            self.ports.put_back(leg);
            self.mended(now, None, format!("RTP port {port} without its leg {leg}"));
        }
    }

    fn sweep_tickets(&mut self, now: Now) {
        let lost: Vec<(TicketId, CallId)> = self
            .tickets
            .iter()
            .filter(|(ticket, call)| {
                let held = self.calls.get(call).and_then(|entry| entry.ticket.as_ref());
                held.is_none_or(|(held, _)| held != *ticket)
            })
            .map(|(ticket, call)| (*ticket, *call))
            .collect();
        for (ticket, call) in lost {
            self.acd.leave(now.at, ticket, Leave::Left);
            self.tickets.remove(&ticket);
            self.mended(now, Some(call), format!("ticket {ticket} without its call"));
        }
    }

    fn sweep_agents(&mut self, now: Now) {
        let entries = self.calls.values().filter(|entry| !entry.call.is_ended());
        let busy: BTreeSet<&AgentId> = entries
            .flat_map(|entry| entry.own().chain(entry.given()))
            .chain(self.calls.values().filter_map(|entry| entry.call.offered_to()))
            .collect();
        let agents = self.acd.agents(now.at).into_iter();
        let lost: Vec<_> = agents
            .filter(|view| matches!(view.state, AgentStateName::Ringing | AgentStateName::Talking))
            .filter(|view| !busy.contains(&view.agent))
            .collect();
        for view in lost {
            match (view.state, view.ticket) {
                (AgentStateName::Ringing, Some(ticket)) => self.acd.leave(now.at, ticket, Leave::Left),
                (_, Some(_)) => self.acd.call_ended(now.at, &view.agent),
                (_, None) => self.acd.agent_call_ended(now.at, &view.agent),
            }
            self.mended(now, None, format!("agent {} {:?} without a call", view.agent, view.state));
        }
    }

    fn mended(&mut self, now: Now, call: Option<CallId>, what: String) {
        let text = format!("a mismatch was found and mended, please report it: {what}");
        self.emit(now, call, EventKind::Alarm { text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::{Acd, AcdConfig, AgentConfig, Enqueue, QueueConfig};
    use crate::admission::AdmissionConfig;
    use crate::ids::QueueId;
    use crate::media::command::{PortLease, WorkerId};
    use crate::registrar::RegistrarConfig;
    use crate::routing::RouteTable;
    use crate::sip::digest::Algorithm;
    use crate::sip::endpoint::EndpointConfig;
    use crate::sip::message::Message;
    use crate::sip::peer::Peer;
    use crate::switch::{Holdings, Input, Output, SwitchBundle, SwitchConfig};
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Instant;

    fn switch(now: Now) -> Switch {
        let sources = crate::ivr::Sources { files: Vec::new() };
        let flows = crate::ivr::load(&sources, None, &|_, _| None).expect("no flows, no faults");
        let queue = QueueId::new("service");
        let agent = |id: &str| AgentConfig { queues: vec![queue.clone()], ..AgentConfig::new(id) };
        let config = SwitchConfig {
            projects: [crate::switch::Project::of_all([])].into(),
            id: "test".into(),
            endpoint: EndpointConfig::default(),
            realm: "hotline".into(),
            auth_key: [0; 32],
            nonce_ttl: Duration::from_secs(300),
            edge: Default::default(),
            extensions: BTreeMap::new(),
            trunks: Default::default(),
            trunk_numbers: BTreeMap::new(),
            trunk_classes: BTreeMap::new(),
            toll: Default::default(),
            routes: RouteTable::default(),
            acd: AcdConfig {
                queues: vec![QueueConfig::new(queue.clone())],
                agents: vec![agent("1001"), agent("1002")],
                ..AcdConfig::default()
            },
            admission: AdmissionConfig::total(10),
            registrar: RegistrarConfig::default(),
            algorithms: Algorithm::OFFERED.to_vec(),
            media_advertised: None,
            certificate: None,
            srtp: Default::default(),
            keys: Default::default(),
            media_bound: None,
            recording: false,
            pause_key: None,
            supervision: Default::default(),
            features: Default::default(),
            rtp_timeout: None,
            direct_ring_time: Duration::from_secs(60),
            messages: false,
            show_digits: false,
        };
        let bundle = SwitchBundle { flows: Arc::new(flows), clips: BTreeMap::new() };
        let mut switch = Switch::new(now, 1, Arc::new(config), Arc::new(bundle));
        let leases = (0..4).map(|nth| PortLease { worker: WorkerId(0), port: 20_000 + 2 * nth }).collect();
        switch.handle_input(now, Input::Ports(leases));
        while switch.poll_output().is_some() {}
        switch
    }

    /// What the next two sweeps tell an operator.
    fn alarms(switch: &mut Switch, now: Now) -> Vec<String> {
        let mut told = Vec::new();
        for nth in 1..=2 {
            let later = Now { at: now.at + EVERY * nth, wall: now.wall };
            switch.handle_timeout(later);
            while let Some(output) = switch.poll_output() {
                if let Output::Event(event) = output
                    && let EventKind::Alarm { text } = event.kind
                {
                    told.push(text);
                }
            }
        }
        told
    }

    fn ring(acd: &mut Acd, at: Instant) {
        acd.agent_reachable(at, &"1001".into(), true);
        let queue = QueueId::new("service");
        let wish = Enqueue::new(queue, 5);
        acd.enqueue(at, TicketId(7), wish).expect("a queue");
        while acd.poll().is_some() {}
    }

    #[test]
    fn each_thing_held_for_nothing_is_told_once_and_given_back() {
        let now = Now { at: Instant::now(), wall: 0 };
        type Leak = fn(&mut Switch, Instant);
        let leaks: [(&str, Leak); 7] = [
            ("a permit", |switch, at| {
                _ = switch.admission.try_admit(at, CallId(9), crate::events::Class::Service, None);
            }),
            ("without its call: its media worker", |switch, _| {
                switch.ports.take_any(LegId(5));
                switch.legs.insert(LegId(5), (CallId(9), None));
                switch.ports.release(LegId(5));
                switch.ports.add(vec![PortLease { worker: WorkerId(0), port: 20_008 }]);
            }),
            ("dialog", |switch, at| {
                let peer = Peer::udp("10.0.0.1:5060".parse().unwrap(), "10.0.0.2:5060".parse().unwrap());
                let invite = "INVITE sip:1@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK-1\r\n\
                              Max-Forwards: 70\r\nFrom: <sip:2@10.0.0.2>;tag=2\r\nTo: <sip:1@10.0.0.1>\r\n\
                              Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:2@10.0.0.2>\r\nContent-Length: 0\r\n\r\n";
                let invite = Message::parse(invite.into()).expect("an INVITE");
                switch.endpoint.handle_message(at, peer, invite);
                while switch.endpoint.poll_event().is_some() {}
            }),
            ("RTP port", |switch, _| _ = switch.ports.take_any(LegId(5))),
            ("ticket", |switch, _| _ = switch.tickets.insert(TicketId(7), CallId(9))),
            ("agent 1001", |switch, at| {
                // Rings for longer than two sweeps, so that only the sweep can end it.
                let mut config = AcdConfig { ..switch.config.acd.clone() };
                config.queues[0].ring_timeout = Duration::from_secs(600);
                switch.acd.reconfigure(at, config);
                ring(&mut switch.acd, at);
            }),
            ("agent 1002", |switch, at| {
                switch.acd.agent_reachable(at, &"1002".into(), true);
                switch.acd.agent_call_started(at, &"1002".into());
            }),
        ];
        for (what, leak) in leaks {
            let mut switch = switch(now);
            assert!(alarms(&mut switch, now).is_empty());
            let now = Now { at: now.at + EVERY * 2, wall: 0 };
            leak(&mut switch, now.at);
            let told = alarms(&mut switch, now);
            assert!(matches!(&told[..], [text] if text.contains(what)), "{what}: {told:?}");
            switch.handle_timeout(Now { at: now.at + EVERY * 3, wall: 0 });
            assert_eq!((switch.holdings(), switch.ports.len()), (Holdings::default(), 4), "{what}");
            let busy = [AgentStateName::Ringing, AgentStateName::Talking];
            assert!(switch.acd.agents(now.at).iter().all(|view| !busy.contains(&view.state)), "{what}");
        }
    }
}
