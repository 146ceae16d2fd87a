//! A caller who came by a trunk and is sent to a number behind the same trunk is given back to the carrier by REFER (RFC 3515),
//! if the configuration says that the carrier takes that: the call then costs neither of us a second line. A carrier that does
//! not, or says nothing in time, is dialled as for any other transfer.

use super::toll_link::Paid;
use super::{Switch, SwitchTimer};
use crate::call::DialPurpose;
use crate::events::{Cause, EndedBy, NumberRole, TransferOutcome};
use crate::ids::CallId;
use crate::sip::endpoint::UsageId;
use crate::timers::Now;
use std::time::Duration;

/// What a carrier may take to answer for its new callee: longer than most phones ring.
const LIMIT: Duration = Duration::from_secs(40);

/// And one that has agreed, until it hangs up or tells how it went.
const ACCEPTED_LIMIT: Duration = Duration::from_secs(180);

/// A carrier that was asked to take its caller back.
#[derive(Debug)]
pub(super) struct Back {
    /// What is dialled if it does not.
    paid: Paid,
    /// 202: the caller may be taken away any moment.
    accepted: bool,
}

impl Switch {
    /// Sends the caller outside: back to the carrier that brought him, or else by a second call of ours.
    pub(super) fn send_outside(&mut self, now: Now, id: CallId, paid: Paid) {
        if !self.refer_back(now, id, &paid) {
            self.dial_referred(now, id, paid);
        }
    }

    fn dial_referred(&mut self, now: Now, id: CallId, paid: Paid) {
        let ring_time = self.config.direct_ring_time;
        if self.hunt(now, id, DialPurpose::Referred, paid, ring_time).is_err() {
            self.on_referral_failed(now, id, Cause::Unreachable);
        }
    }

    /// True when the carrier was asked.
    fn refer_back(&mut self, now: Now, id: CallId, paid: &Paid) -> bool {
        let Some(entry) = self.calls.get(&id) else { return false };
        let Some(own) = entry.trunk.clone().filter(|own| self.trunks.leads_to(&paid.trunk, own)) else { return false };
        let Some(config) = self.trunks.config(&own).filter(|config| config.manners.refers) else { return false };
        let host = config.host.clone();
        let Some(usage) = self.usage_of(entry.call.caller().id) else { return false };
        let Some(referral) = &entry.referral else { return false };
        let by = format!("sip:{}@{}", referral.by, self.config.realm);
        let dialled = self.rewritten(now, id, &own, NumberRole::CalledOut, &paid.number);
        let to = format!("sip:{}@{host}", super::outbound_leg::user_part(&dialled));
        if self.endpoint.refer(now.at, usage, &to, Some(&by)).is_err() {
            return false;
        }
        self.timers.set(SwitchTimer::CarrierAsked(id), now.at + LIMIT);
        if let Some(referral) = self.calls.get_mut(&id).and_then(|entry| entry.referral.as_mut()) {
            referral.back = Some(Back { paid: paid.clone(), accepted: false });
        }
        true
    }

    /// The call whose caller's carrier says something about our REFER.
    fn asked(&mut self, usage: UsageId) -> Option<(CallId, &mut Back)> {
        let leg = self.usages.get(&usage)?;
        let (id, _) = *self.legs.get(leg)?;
        Some((id, self.calls.get_mut(&id)?.referral.as_mut()?.back.as_mut()?))
    }

    pub(super) fn on_refer_answered(&mut self, now: Now, usage: UsageId, status: u16) {
        let Some((id, back)) = self.asked(usage) else { return };
        back.accepted = status < 300;
        if status >= 300 {
            return self.on_refer_refused(now, id);
        }
        // It rings there now: whoever dials meanwhile rings the same phone twice.
        self.timers.set(SwitchTimer::CarrierAsked(id), now.at + ACCEPTED_LIMIT);
    }

    pub(super) fn on_carrier_notified(&mut self, now: Now, usage: UsageId, status: Option<u16>, over: bool) {
        let Some((id, _)) = self.asked(usage) else { return };
        match status {
            Some(200..300) => {
                self.end_referral(now, id, 200, TransferOutcome::Completed);
                self.end_call(now, id, Cause::Normal, EndedBy::Agent);
            }
            Some(101..200) if !over => self.on_referral_ringing(now, id),
            // Told without an end, or ended without telling: the carrier hangs up when it has taken its caller.
            Some(..200) | None => {}
            Some(_) => self.on_refer_refused(now, id),
        }
    }

    /// The carrier says nothing. One that had agreed may have called already, so its caller goes back to the agent.
    pub(super) fn on_carrier_silent(&mut self, now: Now, id: CallId) {
        let back = self.calls.get_mut(&id).and_then(|entry| entry.referral.as_mut()).map(|referral| &mut referral.back);
        match back {
            Some(back) if back.as_ref().is_some_and(|back| back.accepted) => {
                *back = None;
                self.on_referral_failed(now, id, Cause::NoAnswer);
            }
            _ => self.on_refer_refused(now, id),
        }
    }

    /// The carrier will not, or has not: we dial.
    pub(super) fn on_refer_refused(&mut self, now: Now, id: CallId) {
        self.timers.clear(&SwitchTimer::CarrierAsked(id));
        let Some(referral) = self.calls.get_mut(&id).and_then(|entry| entry.referral.as_mut()) else { return };
        let Some(Back { paid, .. }) = referral.back.take() else { return };
        self.dial_referred(now, id, paid);
    }

    /// The call ended in mid-transfer. A carrier that had agreed has taken its caller.
    pub(super) fn referral_cut_short(&mut self, now: Now, id: CallId) {
        self.timers.clear(&SwitchTimer::CarrierAsked(id));
        let taken = |back: &Back| back.accepted;
        match self.referral_of(id).and_then(|referral| referral.back.as_ref()).is_some_and(taken) {
            true => self.end_referral(now, id, 200, TransferOutcome::Completed),
            false => self.end_referral(now, id, Cause::Cancelled.status(), TransferOutcome::Abandoned),
        }
    }
}
