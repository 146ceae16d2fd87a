//! A call's way out: one trunk after the other until one takes it.
//!
//! The next is tried when a trunk fails by itself: 5xx, no answer to the INVITE, no way to it, or a cap of its own. What the
//! callee says ends the hunt (busy, declined, not found), and so does whatever the caller has heard of the far side: after a
//! provisional answer with media the call stays where it is, whatever comes then. A bare 180 binds nothing.

use super::inbound::printable;
use super::outbound_leg::user_part;
use super::toll_link::Paid;
use super::{Switch, SwitchTimer};
use crate::call::{DialPurpose, DialTarget};
use crate::events::{Cause, EndedBy, EventKind, LegRole, NumberRole, Source, TrunkFault};
use crate::ids::{CallId, LegId, TrunkId};
use crate::sip::endpoint::UsageId;
use crate::sip::message::Uri;
use crate::sip::peer::Peer;
use crate::timers::Now;
use crate::trunks::{CallOutcome, Direction, TrunkConfig, Way};
use std::collections::VecDeque;
use std::time::Duration;

/// Numbers that one trunk may name instead.
const MOST_REDIRECTIONS: usize = 5;
/// Trunks tried for one call: a caller waits for no longer list.
const MOST_TRIES: usize = 6;
/// No answer at all for so long, not even 100, and the next is tried: three copies of the INVITE have gone out by then.
const SILENCE: Duration = Duration::from_secs(2);
/// After one silence in this call, and for a trunk that is taken for down: the caller has waited enough.
const SHORT_SILENCE: Duration = Duration::from_millis(900);
/// With nothing else to try there is more time to lose.
const LONE_SILENCE: Duration = Duration::from_secs(8);

#[derive(Debug)]
pub(super) struct TrunkHunt {
    purpose: DialPurpose,
    paid: Paid,
    to_come: VecDeque<Way>,
    trying: Option<Try>,
    /// One of them said nothing.
    silent: bool,
    /// What the caller is told when none is left.
    cause: Cause,
    /// Other numbers that a trunk has named, the last in use, to be dialled there as they are.
    redirected: Vec<(TrunkId, String)>,
}

/// The trunk that has the call in hand.
#[derive(Debug)]
struct Try {
    way: Way,
    leg: LegId,
    /// The caller may hear the far side.
    media: bool,
    /// It failed by itself, and the call may go on to the next.
    failed: bool,
}

/// Why a trunk's target is not called.
enum NoWay {
    /// A reload, or its name, has taken it away meanwhile; others may be there.
    Gone,
    /// We have no RTP port, for this one or another.
    NoPort,
}

impl Switch {
    /// Rings a number behind a trunk or a group of trunks. False, and nothing done, when there is no way out.
    pub(super) fn dial_trunk(
        &mut self,
        now: Now,
        id: CallId,
        purpose: DialPurpose,
        trunk: &TrunkId,
        number: &str,
        ring_time: Duration,
    ) -> bool {
        self.pays(now, id, trunk, number).and_then(|paid| self.hunt(now, id, purpose, paid, ring_time)).is_ok()
    }

    pub(super) fn start_trunk(&mut self, now: Now, id: CallId, trunk: &TrunkId, number: Option<String>) {
        let Some(entry) = self.calls.get(&id) else { return };
        let number = number.unwrap_or_else(|| entry.to.clone());
        let ring_time = self.config.direct_ring_time;
        let paid = self.pays(now, id, trunk, &number);
        if let Err(cause) = paid.and_then(|paid| self.hunt(now, id, DialPurpose::Direct, paid, ring_time)) {
            self.end_call(now, id, cause, EndedBy::System);
        }
    }

    pub(super) fn hunt(
        &mut self,
        now: Now,
        id: CallId,
        purpose: DialPurpose,
        paid: Paid,
        ring_time: Duration,
    ) -> Result<(), Cause> {
        let mut to_come = VecDeque::from(self.trunks.ways(now.at, &paid.trunk));
        to_come.truncate(MOST_TRIES);
        let cause = Cause::TrunkDown;
        let hunt = TrunkHunt { purpose, paid, to_come, trying: None, silent: false, cause, redirected: Vec::new() };
        let entry = self.calls.get_mut(&id).filter(|entry| entry.call.may_dial()).ok_or(Cause::Unreachable)?;
        let is_offer = matches!(hunt.purpose, DialPurpose::Offer { .. });
        entry.trunk_hunt = Some(hunt);
        self.stop_hunting(id);
        if !is_offer {
            // For all of them together.
            self.timers.set(SwitchTimer::RingOut(id), now.at + ring_time);
        }
        match self.try_next(now, id) {
            true => Ok(()),
            false => {
                self.timers.clear(&SwitchTimer::RingOut(id));
                Err(self.end_trunk_hunt(id).unwrap_or(cause))
            }
        }
    }

    /// Calls the next trunk that has room. False when there is none.
    fn try_next(&mut self, now: Now, id: CallId) -> bool {
        loop {
            let Some(hunt) = self.calls.get_mut(&id).and_then(|entry| entry.trunk_hunt.as_mut()) else { return false };
            hunt.trying = None;
            let Some(way) = hunt.to_come.pop_front() else { return false };
            let leg = LegId(self.fresh_id());
            if !self.trunks.take(now.at, leg, &way.trunk, Direction::Out) {
                self.trunk_failed(now, id, &way, TrunkFault::Cap, None);
                if let Some(hunt) = self.calls.get_mut(&id).and_then(|entry| entry.trunk_hunt.as_mut()) {
                    // The other targets of the same trunk have the same cap.
                    hunt.to_come.retain(|other| other.trunk != way.trunk);
                    hunt.cause = Cause::Limit;
                }
                continue;
            }
            match self.call_way(now, id, leg, way) {
                Ok(()) => return true,
                Err(NoWay::Gone) => self.trunks.release(leg),
                Err(NoWay::NoPort) => {
                    self.trunks.release(leg);
                    return false;
                }
            }
        }
    }

    fn call_way(&mut self, now: Now, id: CallId, leg: LegId, way: Way) -> Result<(), NoWay> {
        let config = self.trunks.config(&way.trunk).ok_or(NoWay::Gone)?.clone();
        let peer = *config.targets.get(way.target).ok_or(NoWay::Gone)?;
        let entry = self.calls.get(&id).filter(|entry| entry.call.may_dial()).ok_or(NoWay::Gone)?;
        let (worker, called) = (entry.call.caller().worker(), entry.to.clone());
        let hunt = entry.trunk_hunt.as_ref().ok_or(NoWay::Gone)?;
        let silence = match (way.doubtful || hunt.silent, hunt.to_come.is_empty()) {
            (true, _) => SHORT_SILENCE,
            (false, true) => LONE_SILENCE,
            (false, false) => SILENCE,
        };
        let (purpose, Paid { number, by, .. }) = (hunt.purpose.clone(), hunt.paid.clone());
        let other = hunt.redirected.last().filter(|(trunk, _)| *trunk == way.trunk).map(|(_, number)| number.clone());
        let diverted = number != called || other.is_some();
        // What the carrier named is in its own form.
        let number = match other {
            Some(number) => number,
            None => self.rewritten(now, id, &way.trunk, NumberRole::CalledOut, &number),
        };
        let target = self.target(now, id, &config, &way, peer, &number, diverted).ok_or(NoWay::Gone)?;
        let Some(hunt) = self.calls.get_mut(&id).and_then(|entry| entry.trunk_hunt.as_mut()) else {
            return Err(NoWay::Gone);
        };
        let Some(lease) = self.ports.take_on(worker, leg) else {
            hunt.cause = Cause::Overload;
            return Err(NoWay::NoPort);
        };
        let whose = Source::Trunk(way.trunk.clone());
        hunt.trying = Some(Try { way, leg, media: false, failed: false });
        self.tolls.take(leg, by);
        let seat = self.seat(leg, lease, peer, &whose);
        self.timers.set(SwitchTimer::TrunkSilent(id), now.at + silence);
        self.with_call(now, id, |call, out| call.dial(purpose, vec![(seat, target)], out));
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn target(
        &mut self,
        now: Now,
        id: CallId,
        config: &TrunkConfig,
        way: &Way,
        peer: Peer,
        number: &str,
        diverted: bool,
    ) -> Option<DialTarget> {
        let uri = format!("sip:{}@{}", user_part(number), config.host);
        let shown = self.shown_to_trunk(now, id, &way.trunk, peer, diverted.then_some(&uri))?;
        Some(DialTarget {
            request_uri: uri.clone(),
            to: uri,
            from: shown.from,
            from_display: shown.display,
            peer,
            role: LegRole::Outside,
            agent: None,
            shown: format!("{}/{number}", way.trunk),
            credentials: config.credentials.clone(),
            route: self.trunks.service_route(&way.trunk).into(),
            other_ways: Vec::new(),
            headers: shown.headers,
        })
    }

    /// A dialled trunk has failed the call. True when the call has gone on to another one.
    pub(super) fn try_next_trunk(&mut self, now: Now, id: CallId, cause: Cause) -> bool {
        let Some(hunt) = self.calls.get_mut(&id).and_then(|entry| entry.trunk_hunt.as_mut()) else { return false };
        let failed = hunt.trying.as_ref().is_some_and(|trying| trying.failed);
        hunt.cause = if failed && cause == Cause::Unreachable { Cause::TrunkDown } else { cause };
        self.timers.clear(&SwitchTimer::TrunkSilent(id));
        failed && self.try_next(now, id)
    }

    /// Nothing more is tried; the cause to tell the caller, if anything was.
    pub(super) fn end_trunk_hunt(&mut self, id: CallId) -> Option<Cause> {
        self.timers.clear(&SwitchTimer::TrunkSilent(id));
        let entry = self.calls.get_mut(&id)?;
        entry.trunk_hunt.take().map(|hunt| hunt.cause)
    }

    // What the trunk in hand says.

    fn in_hand(&mut self, usage: UsageId) -> Option<(CallId, &mut Try)> {
        let leg = *self.usages.get(&usage)?;
        let (call, _) = *self.legs.get(&leg)?;
        let trying = self.calls.get_mut(&call)?.trunk_hunt.as_mut()?.trying.as_mut()?;
        (trying.leg == leg).then_some((call, trying))
    }

    pub(super) fn on_trunk_trying(&mut self, usage: UsageId) {
        if let Some((call, _)) = self.in_hand(usage) {
            self.timers.clear(&SwitchTimer::TrunkSilent(call));
        }
    }

    pub(super) fn on_trunk_progress(&mut self, now: Now, usage: UsageId, media: bool) {
        if let Some((call, trying)) = self.in_hand(usage) {
            trying.media |= media;
            let way = trying.way.clone();
            self.timers.clear(&SwitchTimer::TrunkSilent(call));
            self.trunks.call_tried(now.at, &way, CallOutcome::Taken);
        }
    }

    pub(super) fn on_trunk_answered(&mut self, now: Now, usage: UsageId) {
        if let Some((call, trying)) = self.in_hand(usage) {
            let way = trying.way.clone();
            self.trunks.call_tried(now.at, &way, CallOutcome::Taken);
            self.end_trunk_hunt(call);
        }
    }

    /// `local`: no answer came (408), or the transport failed (503).
    pub(super) fn on_trunk_refused(
        &mut self,
        now: Now,
        usage: UsageId,
        status: u16,
        retry_after_s: Option<u32>,
        local: bool,
    ) {
        let Some((call, trying)) = self.in_hand(usage) else { return };
        let (outcome, fault) = match (status, local) {
            (503, true) => (CallOutcome::Unreachable, Some(TrunkFault::Unreachable)),
            (_, true) => (CallOutcome::Silent, Some(TrunkFault::Silent)),
            (503, false) => (CallOutcome::Unavailable { retry_after_s }, Some(TrunkFault::Unavailable)),
            (500..600, false) => (CallOutcome::Taken, Some(TrunkFault::Error)),
            (_, false) => (CallOutcome::Taken, None),
        };
        trying.failed = fault.is_some() && !trying.media;
        let way = trying.way.clone();
        self.trunks.call_tried(now.at, &way, outcome);
        if let Some(fault) = fault {
            self.trunk_failed(now, call, &way, fault, (!local).then_some(status));
        }
    }

    /// A trunk names another number (3xx), which is called there if it may do so: the caller's call, and our bill.
    pub(super) fn on_trunk_redirected(&mut self, now: Now, usage: UsageId, status: u16, places: &[Uri]) {
        if !(300..400).contains(&status) {
            return;
        }
        let Some((id, trying)) = self.in_hand(usage) else { return };
        let (way, leg, heard) = (trying.way.clone(), trying.leg, trying.media);
        let follows = |config: &TrunkConfig| config.manners.redirects && !heard;
        if !self.trunks.config(&way.trunk).is_some_and(follows) {
            return;
        }
        let number_of = |place: &Uri| place.user_decoded().map(|user| printable(user.as_bytes()));
        let Some(to) = places.iter().filter_map(number_of).find(|number| !number.is_empty()) else { return };
        let Some(entry) = self.calls.get_mut(&id) else { return };
        let Some(hunt) = entry.trunk_hunt.as_mut() else { return };
        let again = hunt.redirected.iter().any(|(_, number)| *number == to);
        if again || hunt.redirected.len() >= MOST_REDIRECTIONS || entry.hops <= 2 {
            let status = if again { 482 } else { 483 };
            return self.emit(now, Some(id), EventKind::TransferRefused { leg, to: to.into(), status });
        }
        let by = hunt.paid.by.clone();
        if !self.pays_for_other(now, id, by, &way.trunk, &to) {
            return;
        }
        let Some(entry) = self.calls.get_mut(&id) else { return };
        let Some(hunt) = entry.trunk_hunt.as_mut() else { return };
        entry.hops -= 1;
        hunt.redirected.push((way.trunk.clone(), to.clone()));
        if let Some(trying) = &mut hunt.trying {
            trying.failed = true;
        }
        let trunk = way.trunk.clone();
        hunt.to_come.push_front(way);
        self.emit(now, Some(id), EventKind::TrunkRedirected { trunk, to: to.into() });
    }

    pub(super) fn on_trunk_silent(&mut self, now: Now, id: CallId) {
        let Some(hunt) = self.calls.get_mut(&id).and_then(|entry| entry.trunk_hunt.as_mut()) else { return };
        let Some(trying) = hunt.trying.as_mut() else { return };
        trying.failed = true;
        hunt.silent = true;
        let (way, purpose) = (trying.way.clone(), hunt.purpose.clone());
        self.trunks.call_tried(now.at, &way, CallOutcome::Silent);
        self.trunk_failed(now, id, &way, TrunkFault::Silent, None);
        self.with_call(now, id, |call, out| call.stop_dialing(Cause::Unreachable, out));
        self.on_dial_failed(now, id, purpose, Cause::Unreachable);
    }

    fn trunk_failed(&mut self, now: Now, id: CallId, way: &Way, why: TrunkFault, status: Option<u16>) {
        self.emit(now, Some(id), EventKind::TrunkFailed { trunk: way.trunk.clone(), why, status });
    }
}
