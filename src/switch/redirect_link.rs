//! Between a 3xx and calls: a phone that is rung sends its caller elsewhere (RFC 3261 8.1.3.4). That obeys the same rules as a
//! call of the phone's own, and leads to our numbers only: whatever host a Contact names, it is the number that counts.

use super::{Switch, SwitchTimer};
use crate::events::{EventKind, Source};
use crate::ids::{AgentId, CallId, LegId, Redacted};
use crate::routing::{Closed, Destination};
use crate::sip::endpoint::UsageId;
use crate::sip::message::Uri;
use crate::timers::Now;

/// Times that one call is sent elsewhere.
const MOST: usize = 5;

/// Where the call goes when nobody else is rung for it any more.
#[derive(Debug)]
pub(super) struct Redirection {
    leg: LegId,
    by: AgentId,
    to: String,
    destination: Destination,
}

impl Switch {
    /// A phone names other places, the one it likes best first. Takes the first that it may send anybody to; only for a
    /// caller who dialled it, as a flow or queue has ways of its own for a phone that does not answer.
    pub(super) fn on_redirected(&mut self, now: Now, usage: UsageId, places: &[Uri]) {
        let Some(leg) = self.usages.get(&usage).copied() else { return };
        let Some((id, _)) = self.legs.get(&leg).copied() else { return };
        let by = self.calls.get(&id).and_then(|entry| entry.call.rung_directly(leg)).cloned();
        let Some(by) = by.filter(|by| self.config.extensions.contains_key(by)) else { return };
        let mut refused = None;
        for place in places {
            match self.redirection(id, leg, &by, place) {
                Ok(redirection) => {
                    if let Some(entry) = self.calls.get_mut(&id) {
                        entry.redirection = Some(redirection);
                    }
                    return;
                }
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        if let Some((status, to)) = refused {
            self.emit(now, Some(id), EventKind::TransferRefused { leg, to: Redacted::new(to), status });
        }
    }

    /// The status is what the phone would be told if it called there.
    fn redirection(&self, id: CallId, leg: LegId, by: &AgentId, place: &Uri) -> Result<Redirection, (u16, String)> {
        let number = place.user_decoded().map(|user| super::inbound::printable(user.as_bytes())).unwrap_or_default();
        let refused = |status| (status, number.clone());
        let entry = self.calls.get(&id).ok_or(refused(481))?;
        if number.is_empty() {
            return Err(refused(404));
        }
        if entry.hops <= 2 || entry.diverted.len() >= MOST {
            return Err(refused(483));
        }
        let route =
            self.config.routes.route(&number, &Source::Extension(by.clone())).map_err(|closed| match closed {
                Closed::NotFound => refused(404),
                Closed::NotOpen => refused(403),
            })?;
        let destination = match route.to.clone() {
            Destination::Extension(agent) if agent == *by || entry.diverted.contains(&agent) => {
                return Err(refused(482)); // it has sent the call on already
            }
            Destination::Trunk { trunk, number: None } => Destination::Trunk { trunk, number: Some(number.clone()) },
            other => other,
        };
        Ok(Redirection { leg, by: by.clone(), to: number, destination })
    }

    /// Whether a call whose phones have all refused goes on elsewhere.
    pub(super) fn follow_redirection(&mut self, now: Now, id: CallId) -> bool {
        let Some(entry) = self.calls.get_mut(&id) else { return false };
        let Some(Redirection { leg, by, to, destination }) = entry.redirection.take() else { return false };
        entry.hops = entry.hops.saturating_sub(1);
        entry.diverted.push(by.clone());
        // It named a device of whoever sent the call on.
        entry.instance = None;
        self.stop_hunting(id);
        self.end_visit(now, id);
        self.timers.clear(&SwitchTimer::RingOut(id));
        self.emit(now, Some(id), EventKind::Redirected { leg, by, to: Redacted::new(to) });
        self.with_call(now, id, |call, out| call.forwarded(out));
        self.drive(now, id, destination);
        true
    }

    /// Who sent the call on, the last first (RFC 5806): the callee sees whom it was meant for.
    pub(super) fn diversions(&self, id: CallId) -> Vec<(String, String)> {
        let diverted = self.calls.get(&id).map_or(&[][..], |entry| &entry.diverted);
        let realm = &self.config.realm;
        let header = |by: &AgentId| ("Diversion".to_owned(), format!("<sip:{by}@{realm}>;reason=deflection;counter=1"));
        diverted.iter().rev().map(header).collect()
    }
}
