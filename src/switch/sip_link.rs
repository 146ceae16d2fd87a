//! Between the SIP endpoint and calls: what a dialog's usage told becomes a leg's input, what a call asks of a leg becomes an
//! endpoint command.

use super::extension_leg::{OtherWays, routes};
use super::{Driver, Switch};
use crate::call::{CallOutput, DialTarget, Notice};
use crate::events::{Cause, EndedBy, EventKind, LegRole};
use crate::ids::{CallId, LegId};
use crate::sdp::SdpError;
use crate::sip::dialog::reason::Reason;
use crate::sip::endpoint::{EndReason, Outgoing, ServerRequest, SessionUuid, SipEvent, UsageId};
use crate::sip::message::{Message, Method};
use crate::sip::peer::Peer;
use crate::timers::Now;
use bytes::Bytes;

impl Switch {
    pub(super) fn on_sip(&mut self, now: Now, event: SipEvent) {
        match event {
            SipEvent::Invited { usage, request, peer, sdp } => self.on_invited(now, usage, request, peer, sdp),
            SipEvent::Request { id, message, peer } => self.on_request(now, id, message, peer),
            SipEvent::Referred { usage, id, message } => self.on_referred(now, usage, id, &message),
            SipEvent::Trying { usage } => self.on_trunk_trying(usage),
            SipEvent::Progress { usage, status, sdp } => {
                self.on_trunk_progress(now, usage, sdp.is_some());
                self.with_leg(now, usage, |call, leg, out| call.leg_progress(leg, status, sdp.as_deref(), out))
            }
            SipEvent::Answered { usage, sdp, .. } => {
                self.note_reason(usage, Cause::Normal, None);
                self.on_trunk_answered(now, usage);
                self.name_session(usage);
                self.with_leg(now, usage, |call, leg, out| call.leg_answered(leg, sdp.as_deref(), out))
            }
            SipEvent::Rejected { usage, status, .. } if self.try_another_way(now, usage, status) => {}
            SipEvent::Rejected { usage, status, retry_after, local, why, contacts, .. } => {
                self.on_trunk_refused(now, usage, status, retry_after, local);
                self.on_trunk_redirected(now, usage, status, &contacts);
                self.on_redirected(now, usage, &contacts);
                self.note_reason(usage, cause_of_status(status), why);
                self.with_leg(now, usage, |call, leg, out| call.leg_ended(leg, cause_of_status(status), out))
            }
            SipEvent::Acked { usage, sdp } => {
                self.with_leg(now, usage, |call, leg, out| call.leg_acked(leg, sdp.as_deref(), out))
            }
            SipEvent::EarlyAnswer { usage, sdp } => {
                self.with_leg(now, usage, |call, leg, out| call.leg_early_answered(leg, sdp.as_deref(), out))
            }
            SipEvent::Reoffer { usage, sdp, .. } => {
                self.with_leg(now, usage, |call, leg, out| call.leg_reoffered(leg, sdp.as_deref(), out))
            }
            SipEvent::Info { usage, content_type, body } => self.on_info(now, usage, &content_type, &body),
            SipEvent::Ended { usage, why } => {
                let told = match &why {
                    EndReason::Bye { reason } | EndReason::Cancelled { reason } => reason.as_deref(),
                    _ => None,
                };
                let told = told.and_then(Reason::read);
                let cause = match why {
                    EndReason::Bye { .. } => Cause::Normal,
                    EndReason::Cancelled { .. } => Cause::Cancelled,
                    EndReason::AckTimeout | EndReason::PrackTimeout => Cause::AckTimeout,
                    EndReason::Timeout | EndReason::SessionExpired | EndReason::Transport => Cause::Unreachable,
                    _ => Cause::PeerError,
                };
                self.note_reason(usage, cause, told);
                self.with_leg(now, usage, |call, leg, out| call.leg_ended(leg, cause, out));
            }
            SipEvent::RefreshDue { usage } => {
                self.with_leg(now, usage, |call, leg, out| call.leg_refresh_due(leg, out))
            }
            SipEvent::ReofferAnswered { usage, sdp } => {
                self.with_leg(now, usage, |call, leg, out| call.leg_refreshed(leg, sdp.as_deref(), out))
            }
            SipEvent::ReofferFailed { usage, .. } => {
                self.with_leg(now, usage, |call, leg, out| call.leg_refreshed(leg, None, out))
            }
            SipEvent::ResponseTo { id, status, message } => {
                if !self.on_trunk_response(now, id, status, message.as_ref()) {
                    self.on_message_answered(now, id, status);
                    self.on_life_sign(now, id, message.is_some());
                }
            }
            // A referrer who does not listen any more; its transfer goes on.
            SipEvent::SubscriptionOver { subscription } => self.on_watcher_gone(subscription),
            SipEvent::Resubscribed { subscription, over } => self.on_resubscribed(now, subscription, over),
            SipEvent::ReferAnswered { usage, status } => self.on_refer_answered(now, usage, status),
            SipEvent::Notified { usage, status, over } => self.on_carrier_notified(now, usage, status, over),
            SipEvent::ReofferWithdrawn { usage } => self.with_leg(now, usage, |call, leg, _| call.leg_withdrew(leg)),
        }
    }

    /// Carries out what a call asked of one of its legs' dialogs.
    pub(super) fn carry_out_sip(&mut self, now: Now, call: CallId, output: CallOutput) {
        match output {
            CallOutput::Invite { leg, target, offer } => self.invite(now, call, leg, *target, offer),
            CallOutput::Progress { leg, status, sdp } => {
                if let Some(usage) = self.usage_of(leg) {
                    self.endpoint.progress(now.at, usage, status, sdp);
                }
            }
            CallOutput::Accept { leg, sdp } => {
                if let Some(usage) = self.usage_of(leg) {
                    self.endpoint.accept(now.at, usage, sdp);
                }
            }
            CallOutput::Reject { leg, cause } => {
                if let Some(usage) = self.usage_of(leg) {
                    let reason = self.told(call, cause).unwrap_or(Reason::Q850(cause.q850())).to_string();
                    self.endpoint.reject(now.at, usage, cause.status(), None, &[("Reason", &reason)]);
                }
            }
            CallOutput::Hangup { leg, cause } => {
                if let Some(usage) = self.usage_of(leg) {
                    // RFC 3326: a phone whose call was answered elsewhere must not show it as missed.
                    let reason = match cause {
                        Cause::AnsweredElsewhere => ("SIP", 200, "Call completed elsewhere"),
                        other => {
                            let reason = self.told(call, other).unwrap_or(Reason::Q850(other.q850()));
                            (reason.protocol(), reason.cause(), "")
                        }
                    };
                    self.endpoint.hangup(now.at, usage, Some(reason));
                }
            }
            CallOutput::AnswerReoffer { leg, answer } => {
                if let Some(usage) = self.usage_of(leg) {
                    let warning = answer.as_ref().err().copied().flatten().map(warning_header);
                    let headers: Vec<(&str, &str)> = warning.iter().map(|value| ("Warning", value.as_str())).collect();
                    let answer = answer.map_err(|refusal| refusal.map_or(481, SdpError::status));
                    self.endpoint.answer_reoffer(now.at, usage, answer, &headers);
                }
            }
            CallOutput::Reoffer { leg, offer } => {
                let sent = self.usage_of(leg).is_some_and(|usage| self.endpoint.reinvite(now.at, usage, offer).is_ok());
                self.offered_again(now, call, leg, sent);
            }
            CallOutput::Refresh { leg, offer } => {
                let sent = self.usage_of(leg).is_some_and(|usage| self.endpoint.refresh(now.at, usage, offer).is_ok());
                self.offered_again(now, call, leg, sent);
            }
            CallOutput::Media(..) | CallOutput::Event(_) | CallOutput::Notice(_) => {}
        }
    }

    /// An offer that could not be sent is as good as refused.
    fn offered_again(&mut self, now: Now, call: CallId, leg: LegId, sent: bool) {
        if !sent {
            self.with_call(now, call, |call, out| call.leg_refreshed(leg, None, out));
        }
    }

    fn invite(&mut self, now: Now, call: CallId, leg: LegId, target: DialTarget, offer: Bytes) {
        let sip_call_id = self.endpoint.fresh_call_id();
        self.emit(
            now,
            Some(call),
            EventKind::LegStarted {
                leg,
                role: target.role,
                target: target.shown.into(),
                sip_call_id: sip_call_id.clone(),
            },
        );
        // A call that goes on through us goes on counting, so that loops end (RFC 7332).
        let hops = self.calls.get(&call).map_or(0, |entry| entry.hops.saturating_sub(1));
        let mut headers = target.headers;
        headers.push(("Max-Forwards".into(), hops.to_string()));
        headers.extend(routes(&target.route));
        if let Some(Driver::Flow(run)) = self.calls.get(&call).map(|entry| &entry.driver) {
            headers.extend(run.carried());
        }
        if target.role == LegRole::Agent {
            headers.extend(self.diversions(call));
        }
        // RFC 3892: whom the callee owes this call to. It is our word, whatever the referrer wrote.
        if let Some(referral) = self.referral_of(call) {
            headers.push(("Referred-By".into(), format!("<sip:{}@{}>", referral.by, self.config.realm)));
        }
        headers.push(self.session_of(call).unwrap_or_else(|| SessionUuid::of_call(sip_call_id.as_bytes())).header());
        let outgoing = Outgoing {
            peer: target.peer,
            request_uri: target.request_uri,
            to: target.to,
            from: target.from,
            from_display: target.from_display,
            call_id: Some(sip_call_id),
            headers,
            offer,
            credentials: target.credentials,
        };
        if !target.other_ways.is_empty() {
            self.other_ways.insert(leg, OtherWays::new(outgoing.clone(), target.other_ways));
        }
        match self.endpoint.invite(now.at, outgoing) {
            Ok(usage) => {
                self.legs.insert(leg, (call, Some(usage)));
                self.usages.insert(usage, leg);
            }
            Err(_) => {
                self.legs.insert(leg, (call, None));
                self.with_call(now, call, |call, out| call.leg_ended(leg, Cause::Overload, out));
            }
        }
    }

    /// The name that the caller is known by from end to end.
    fn session_of(&self, call: CallId) -> Option<SessionUuid> {
        let caller = self.calls.get(&call)?.call.caller().id;
        self.endpoint.session_of(self.usage_of(caller)?)
    }

    /// A callee of a plain call answered: in our answer the caller hears its name.
    fn name_session(&mut self, usage: UsageId) {
        let call = self.usages.get(&usage).and_then(|leg| self.legs.get(leg)).map(|(call, _)| *call);
        let Some(entry) = call.and_then(|call| self.calls.get(&call)) else { return };
        if matches!(entry.driver, Driver::Direct)
            && let Some(caller) = self.usage_of(entry.call.caller().id)
            && let Some(named) = self.endpoint.session_of(usage)
        {
            self.endpoint.join_session(caller, named);
        }
    }

    /// Two parties talk: each is the far end of the other's session.
    pub(super) fn join_sessions(&mut self, a: LegId, b: LegId) {
        let (Some(a), Some(b)) = (self.usage_of(a), self.usage_of(b)) else { return };
        for (of, with) in [(a, b), (b, a)] {
            if let Some(named) = self.endpoint.session_of(with) {
                self.endpoint.join_session(of, named);
            }
        }
    }

    /// Keeps why one side of a call ended, so that the other is told the same (RFC 3326). What a flow does afterwards has
    /// reasons of its own.
    fn note_reason(&mut self, usage: UsageId, cause: Cause, reason: Option<Reason>) {
        let call = self.usages.get(&usage).and_then(|leg| self.legs.get(leg)).map(|(call, _)| *call);
        if let Some(entry) = call.and_then(|call| self.calls.get_mut(&call)) {
            let passed = matches!(entry.driver, Driver::Direct | Driver::Queue(_));
            entry.told = reason.filter(|_| passed).map(|reason| (cause, reason));
        }
    }

    /// What one side said, if the other ends for the same cause.
    fn told(&self, call: CallId, cause: Cause) -> Option<Reason> {
        let (told_for, reason) = self.calls.get(&call)?.told?;
        (told_for == cause).then_some(reason)
    }

    pub(super) fn usage_of(&self, leg: LegId) -> Option<UsageId> {
        self.legs.get(&leg).and_then(|(_, usage)| *usage)
    }

    /// Tells the call that `usage` belongs to. A usage whose leg is gone already is let go by the endpoint itself.
    fn with_leg(
        &mut self,
        now: Now,
        usage: UsageId,
        change: impl FnOnce(&mut crate::call::Call, LegId, &mut Vec<CallOutput>),
    ) {
        let Some(leg) = self.usages.get(&usage).copied() else { return };
        let Some((call, _)) = self.legs.get(&leg).copied() else { return };
        self.with_call(now, call, |call, out| change(call, leg, out));
    }

    /// SIP INFO with a key in it: `application/dtmf-relay` or `application/dtmf`.
    fn on_info(&mut self, now: Now, usage: UsageId, content_type: &str, body: &[u8]) {
        let Some((key, duration_ms)) = key_of_info(content_type, body) else { return };
        // The worker knows whether the same press came with the audio.
        self.with_leg(now, usage, |call, leg, out| call.press(leg, key, duration_ms, out));
    }

    /// A key that a leg cannot be sent with its audio, for a peer that takes keys so.
    pub(super) fn send_key_by_info(&mut self, now: Now, leg: LegId, key: char) {
        let Some((call, Some(usage))) = self.legs.get(&leg).copied() else { return };
        let party = self.calls.get(&call).and_then(|entry| entry.call.legs().find(|party| party.id == leg));
        let told = party.filter(|party| party.is_up()).and_then(|party| party.keys().info(key, KEY_MS));
        if let Some((kind, body)) = told {
            self.endpoint.info(now.at, usage, kind, body.into());
        }
    }

    /// A request outside any dialog that is no INVITE.
    fn on_request(&mut self, now: Now, id: ServerRequest, message: Message, peer: Peer) {
        match message.method() {
            Method::Register => self.on_register(now, id, &message, peer),
            Method::Subscribe => self.on_subscribe(now, id, &message, peer),
            Method::Message if message.to().is_ok_and(|to| to.tag().is_none()) => {
                self.on_message(now, id, &message, peer)
            }
            // Outside a call there is nobody to be referred.
            Method::Refer => self.endpoint.respond(now.at, id, 403, None, &[], None),
            _ => self.endpoint.respond(now.at, id, 405, None, &[], None),
        }
    }

    pub(super) fn on_notice(&mut self, now: Now, id: CallId, notice: Notice) {
        match notice {
            Notice::Ringing { purpose } => self.on_ringing(now, id, purpose),
            Notice::Answered { purpose } => self.on_dial_answered(now, id, purpose),
            Notice::Failed { purpose, cause } => self.on_dial_failed(now, id, purpose, cause),
            Notice::PartnerGone { agent, cause } => self.on_partner_gone(now, id, agent, cause),
            Notice::SupervisorCame { leg } => self.on_supervisor_came(now, id, leg),
            Notice::GuestGone { leg } => self.on_guest_gone(now, id, leg),
            Notice::ThirdStays { leg, recorded } => self.on_third_stays(now, id, leg, recorded),
            Notice::ReferrerGone => self.on_referrer_gone(now, id),
        }
    }

    pub(super) fn end_call(&mut self, now: Now, id: CallId, cause: Cause, by: EndedBy) {
        self.with_call(now, id, |call, out| call.hang_up(cause, by, out));
    }
}

/// What is wrong with a peer's SDP, in words for whoever looks after it (RFC 3261 20.43). We are known by a pseudonym: our
/// address may be one that the peer cannot know.
pub(super) fn warning_header(refusal: SdpError) -> String {
    let (code, text) = refusal.warning();
    format!("{code} hotline \"{text}\"")
}

fn cause_of_status(status: u16) -> Cause {
    match status {
        486 | 600 => Cause::Busy,
        300..=399 | 408 | 480 => Cause::NoAnswer,
        487 => Cause::Cancelled,
        603 | 607 => Cause::Declined,
        404 | 410 | 484 | 604 => Cause::NotFound,
        401 | 403 | 407 => Cause::Forbidden,
        415 | 488 | 606 => Cause::NotAcceptable,
        500..=599 if status == 503 => Cause::Unreachable,
        _ => Cause::PeerError,
    }
}

/// How long a key sounds whose INFO does not say, and the bounds for one that does.
const KEY_MS: u16 = 160;
const KEY_BOUNDS_MS: std::ops::RangeInclusive<u16> = 100..=250;

/// The key in an INFO body and how long it shall sound, in milliseconds. `dtmf-relay` is `Signal=5` on a line, often with
/// `Duration=` on another; `dtmf` is the bare key.
fn key_of_info(content_type: &str, body: &[u8]) -> Option<(char, u16)> {
    let kind = content_type.split(';').next().unwrap_or("").trim();
    let body = std::str::from_utf8(body).ok()?;
    let line = |wanted: &str| {
        body.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case(wanted).then_some(value.trim())
        })
    };
    let (text, duration_ms) = if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        (line("signal")?, line("duration").and_then(|text| text.parse().ok()))
    } else if kind.eq_ignore_ascii_case("application/dtmf") {
        (body.trim(), None)
    } else {
        return None;
    };
    let key = match text {
        "10" => '*',
        "11" => '#',
        _ => {
            let mut chars = text.chars();
            let key = chars.next()?.to_ascii_uppercase();
            (chars.next().is_none() && matches!(key, '0'..='9' | '*' | '#' | 'A'..='D')).then_some(key)?
        }
    };
    Some((key, duration_ms.unwrap_or(KEY_MS).clamp(*KEY_BOUNDS_MS.start(), *KEY_BOUNDS_MS.end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_info_key_is_read_in_both_forms_and_in_their_known_variants() {
        let key = |kind, body| key_of_info(kind, body).map(|(key, _)| key);
        assert_eq!(key("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(key("application/dtmf-relay", b"Signal= *\r\nDuration= 160"), Some('*'));
        assert_eq!(key("Application/DTMF; x=y", b"#"), Some('#'));
        assert_eq!(key("application/dtmf-relay", b"signal=11"), Some('#'));
        assert_eq!(key("application/dtmf", b"d"), Some('D'));
    }

    #[test]
    fn an_info_key_lasts_as_long_as_it_says_within_reason() {
        let lasts = |body: &[u8]| key_of_info("application/dtmf-relay", body).map(|(_, duration_ms)| duration_ms);
        assert_eq!(lasts(b"Signal=5\r\nDuration=200\r\n"), Some(200));
        assert_eq!(lasts(b"Signal=5\r\nDuration=20\r\n"), Some(100));
        assert_eq!(lasts(b"Signal=5\r\nDuration=9999\r\n"), Some(250));
        assert_eq!(lasts(b"Signal=5\r\nDuration=for ever\r\n"), Some(160));
        assert_eq!(lasts(b"Signal=5\r\n"), Some(160));
    }

    #[test]
    fn an_info_without_a_key_is_no_key() {
        assert_eq!(key_of_info("application/dtmf-relay", b"Duration=160"), None);
        assert_eq!(key_of_info("application/dtmf", b"55"), None);
        assert_eq!(key_of_info("text/plain", b"5"), None);
        assert_eq!(key_of_info("application/dtmf", &[0xff]), None);
    }
}
