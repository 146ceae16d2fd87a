//! What becomes of any attempt to reach somebody.

use super::{Driver, Switch, SwitchTimer};
use crate::acd::Lost;
use crate::call::{DialPurpose, DialTarget, LegSeat};
use crate::events::{Cause, EndedBy};
use crate::ids::{AgentId, CallId};
use crate::timers::Now;
use std::time::Duration;

/// Nobody talks to a caller who is back for less.
const UNHEARD: Duration = Duration::from_secs(2);

impl Switch {
    pub(super) fn dial(
        &mut self,
        now: Now,
        id: CallId,
        purpose: DialPurpose,
        targets: Vec<(LegSeat, DialTarget)>,
        ring_time: Duration,
    ) -> bool {
        if targets.is_empty() {
            return false;
        }
        self.stop_hunting(id);
        // A queue's offer has its own lease; every other ringing ends here.
        if !matches!(purpose, DialPurpose::Offer { .. }) {
            self.timers.set(SwitchTimer::RingOut(id), now.at + ring_time);
        }
        self.with_call(now, id, |call, out| call.dial(purpose, targets, out));
        true
    }

    /// An extension is dialled outright, by its number or by a transfer: no queue may offer it a caller meanwhile.
    pub(super) fn visit(&mut self, now: Now, id: CallId, agent: &AgentId) {
        self.end_visit(now, id);
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.visiting = Some(agent.clone());
            self.acd.agent_call_started(now.at, agent);
        }
    }

    pub(super) fn end_visit(&mut self, now: Now, id: CallId) {
        if let Some(agent) = self.calls.get_mut(&id).and_then(|entry| entry.visiting.take()) {
            self.acd.agent_call_ended(now.at, &agent);
        }
    }

    pub(super) fn on_ringing(&mut self, now: Now, id: CallId, purpose: DialPurpose) {
        match purpose {
            DialPurpose::Direct => self.with_call(now, id, |call, out| call.ring(out)),
            DialPurpose::Referred => self.on_referral_ringing(now, id),
            DialPurpose::First | DialPurpose::Transfer(_) | DialPurpose::Offer { .. } => {}
        }
    }

    pub(super) fn on_dial_answered(&mut self, now: Now, id: CallId, purpose: DialPurpose) {
        self.timers.clear(&SwitchTimer::RingOut(id));
        self.stop_hunting(id);
        if let Some(entry) = self.calls.get_mut(&id) {
            // Somebody took the call that another phone wanted elsewhere.
            entry.redirection = None;
        }
        match purpose {
            DialPurpose::Offer { ticket, agent } => self.on_offer_answered(now, id, ticket, agent),
            DialPurpose::First => self.on_first_answered(now, id),
            DialPurpose::Direct => {
                self.on_placed_reached(now, id);
                self.with_call(now, id, |call, out| call.bridge(None, out))
            }
            DialPurpose::Transfer(step) => self.on_transfer_answered(now, id, step),
            DialPurpose::Referred => self.on_referral_answered(now, id),
        }
    }

    pub(super) fn on_dial_failed(&mut self, now: Now, id: CallId, purpose: DialPurpose, cause: Cause) {
        if self.try_next_trunk(now, id, cause) {
            return;
        }
        let cause = self.end_trunk_hunt(id).unwrap_or(cause);
        if self.follow_redirection(now, id) {
            return;
        }
        let Err(cause) = self.go_on_hunting(now, id, &purpose, cause) else { return };
        self.timers.clear(&SwitchTimer::RingOut(id));
        match purpose {
            DialPurpose::Offer { ticket, agent } => self.on_offer_failed(now, ticket, &agent, cause),
            DialPurpose::First | DialPurpose::Direct => self.end_call(now, id, cause, EndedBy::System),
            DialPurpose::Transfer(step) => self.on_transfer_failed(now, id, step, cause),
            DialPurpose::Referred => self.on_referral_failed(now, id, cause),
        }
    }

    pub(super) fn on_ring_out(&mut self, now: Now, id: CallId) {
        let Some(entry) = self.calls.get(&id) else { return };
        if !entry.call.is_dialing() {
            return;
        }
        self.stop_hunting(id);
        self.end_trunk_hunt(id);
        let Some(entry) = self.calls.get(&id) else { return };
        let referred = entry.referral.is_some();
        let transfer = match &entry.driver {
            Driver::Flow(run) => run.transfer(),
            _ => None,
        };
        self.with_call(now, id, |call, out| call.stop_dialing(Cause::NoAnswer, out));
        if self.follow_redirection(now, id) {
            return;
        }
        match transfer {
            _ if referred => self.on_referral_failed(now, id, Cause::NoAnswer),
            Some(step) => self.on_transfer_failed(now, id, step, Cause::NoAnswer),
            None => self.end_call(now, id, Cause::NoAnswer, EndedBy::System),
        }
    }

    /// The far side of a bridge is gone; the caller is still on the line.
    pub(super) fn on_partner_gone(&mut self, now: Now, id: CallId, agent: Option<AgentId>, cause: Cause) {
        self.end_visit(now, id);
        let Some(entry) = self.calls.get_mut(&id) else { return };
        // Whoever hangs up says BYE; a phone that ends otherwise was unplugged, has started anew or lost its network, and its
        // caller must not pay for that. So was one that hangs up by itself, as some do, when its transfer has come to nothing.
        let unheard = entry.returned.take().is_some_and(|back| now.at.saturating_duration_since(back) < UNHEARD);
        let served = entry.serving.take();
        entry.partner_left = served.is_none() || !(unheard || cause != Cause::Normal);
        let lost = match served {
            Some(agent) if cause != Cause::Normal => self.on_agent_lost(now, id, agent),
            Some(agent) => {
                let since = self.acd.waiting_since(&agent).unwrap_or(now.at);
                self.acd.call_ended(now.at, &agent);
                unheard.then_some(Lost { since, agent: None })
            }
            None => None,
        };
        if lost.is_some_and(|lost| self.return_to_queue(now, id, lost)) {
            return;
        }
        if !self.on_flow_agent_gone(now, id) {
            let by = if agent.is_some() { EndedBy::Agent } else { EndedBy::System };
            self.end_call(now, id, cause, by);
        }
    }
}

/// What may stand before the `@` of a SIP URI (RFC 3261 25.1), escaped where it may not.
pub(super) fn user_part(user: &str) -> String {
    if user.is_empty() {
        return "anonymous".to_string();
    }
    let mut text = String::with_capacity(user.len());
    for byte in user.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text.push(byte as char),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' | b'&' | b'=' | b'+' | b'$' | b',' => {
                text.push(byte as char)
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
