//! Changing a session: re-INVITE in both directions, UPDATE from the peer, and what happens when both sides want to at
//! once (RFC 3261 14, RFC 3311 5). `early` has what differs before the answer.

use super::compose::{Reply, SDP, Within};
use super::usage::{Deadline, Exchange, OfferBy, Offering, Ours, OwedAck, Phase, Postponed, Theirs, Up, Usage};
use super::{Busy, Endpoint, Owner, SipEvent, UsageId};
use crate::sip::dialog::body::sdp_of;
use crate::sip::dialog::session_timer::LEAST_S;
use crate::sip::message::{Message, Method};
use crate::sip::peer::Peer;
use crate::sip::transaction::{ClientId, ServerId, derived};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Tries of one offer that meets the peer's again and again.
const MAX_ATTEMPTS: u8 = 5;
/// `Retry-After` of a 500 while another offer is open: 14.2 has a random value up to 10 seconds.
const RETRY_BELOW_S: u32 = 11;

impl Endpoint {
    /// Offers a change of the session: by re-INVITE, before the answer by UPDATE. [`SipEvent::ReofferAnswered`] or
    /// [`SipEvent::ReofferFailed`] tells the outcome; a re-INVITE that crosses the peer's is tried again by itself.
    pub fn reinvite(&mut self, now: Instant, id: UsageId, offer: Bytes) -> Result<(), Busy> {
        let mut result = Err(Busy);
        self.change(id, |this, mut phase| match phase {
            Phase::Ringing(_) | Phase::Calling(_) => {
                result = this.offer_early(now, id, &mut phase, offer);
                phase
            }
            Phase::Up(mut up) => {
                if up.is_free() {
                    this.send_offer(now, id, &mut up, offer, 1, false);
                    result = Ok(());
                }
                Phase::Up(up)
            }
            other => other,
        });
        result
    }

    /// Answers [`SipEvent::Reoffer`]: with SDP, or with the status of a refusal (488), which carries `headers`.
    pub fn answer_reoffer(&mut self, now: Instant, id: UsageId, answer: Result<Bytes, u16>, headers: &[(&str, &str)]) {
        let known = self.change(id, |this, mut phase| match phase {
            Phase::Up(mut up) => {
                if let Some(theirs) = up.offering.take_theirs(None) {
                    this.answer_theirs(now, id, &mut up, theirs, answer, headers);
                }
                Phase::Up(up)
            }
            Phase::Ringing(_) | Phase::Calling(_) => {
                this.answer_early(now, &mut phase, answer, headers);
                phase
            }
            other => other,
        });
        self.counts.stale_commands += u64::from(!known);
        self.go_on(now, id);
    }

    fn answer_theirs(
        &mut self,
        now: Instant,
        id: UsageId,
        up: &mut Up,
        theirs: Theirs,
        answer: Result<Bytes, u16>,
        headers: &[(&str, &str)],
    ) {
        let sdp = match answer {
            Ok(sdp) => sdp,
            Err(status) => {
                self.answer(now, theirs.tx, Reply { headers, ..Reply::plain(status.clamp(400, 699)) });
                return;
            }
        };
        if let Some(request) = self.layer.open_request(theirs.tx) {
            up.dialog.refresh_target(request);
        }
        let contact = up.dialog.contact.clone();
        let session = theirs.session;
        let reply = Reply { contact: Some(&contact), session, body: Some((SDP, &sdp)), ..Reply::plain(200) };
        if theirs.by != OfferBy::Prack {
            self.start_session(now, id, up, session.map(|session| session.timer));
        }
        match theirs.by {
            OfferBy::Invite => {
                let owed = self.answer_2xx(now, id, theirs.tx, reply);
                up.owed_ack = owed.map(|owed| OwedAck { offered: !theirs.offered, ..owed });
            }
            OfferBy::Update | OfferBy::Prack => {
                self.answer(now, theirs.tx, reply);
            }
        }
    }

    pub(super) fn send_offer(
        &mut self,
        now: Instant,
        id: UsageId,
        up: &mut Up,
        offer: Bytes,
        attempt: u8,
        refresh: bool,
    ) {
        let session = up.session;
        let with = Within { login: up.login.as_mut(), session, body: Some((SDP, &offer)), ..Within::default() };
        let tx = self.send_in_dialog(now, &mut up.dialog, &Method::Invite, with, Owner::Reoffer(id));
        up.offering = Offering::Ours(Ours { tx, by: OfferBy::Invite, offer, attempt, cancelled: false, refresh });
        // No phone needs a person to answer a re-INVITE, so one without a final answer is stuck.
        self.deadlines.set((id, Deadline::OfferOverdue), now + self.timers.expiry() * 2);
    }

    pub(super) fn receive_reinvite(&mut self, now: Instant, id: UsageId, tx: ServerId, peer: Peer, request: &Message) {
        self.receive_offer(now, id, tx, peer, request, OfferBy::Invite);
    }

    /// UPDATE (RFC 3311). Without SDP, whatever else its body has, it refreshes, which needs no decision: its 2xx could
    /// bring no offer of ours (5.2).
    pub(super) fn receive_update(&mut self, now: Instant, id: UsageId, tx: ServerId, peer: Peer, request: &Message) {
        if sdp_of(request).is_some() {
            return self.receive_offer(now, id, tx, peer, request, OfferBy::Update);
        }
        let running = self.usages.get(id.0).and_then(Usage::session);
        let session = match self.session_for(request, running) {
            Ok(session) => session,
            Err(min_se) => return self.refuse_brief(now, tx, &min_se),
        };
        let Some(usage) = self.usages.get_mut(id.0) else { return };
        let Some(dialog) = usage.dialog_of(request) else { return };
        dialog.refresh_target(request);
        let contact = dialog.contact.clone();
        // Before the final answer to the INVITE there is no session that a timer could end.
        let session = session.filter(|_| matches!(usage.phase, Phase::Up(_)));
        self.answer(now, tx, Reply { contact: Some(&contact), session, ..Reply::plain(200) });
        self.change(id, |this, phase| match phase {
            Phase::Up(mut up) => {
                this.start_session(now, id, &mut up, session.map(|session| session.timer));
                Phase::Up(up)
            }
            other => other,
        });
    }

    /// The peer asks for a session interval below our minimum (RFC 4028 9).
    fn refuse_brief(&mut self, now: Instant, tx: ServerId, min_se: &str) {
        self.counts.refused += 1;
        self.answer(now, tx, Reply { headers: &[("Min-SE", min_se)], ..Reply::plain(422) });
    }

    pub(super) fn receive_offer(
        &mut self,
        now: Instant,
        id: UsageId,
        tx: ServerId,
        peer: Peer,
        request: &Message,
        by: OfferBy,
    ) {
        if let Some(status) = self.usages.get(id.0).and_then(|usage| refusal(&usage.phase, request, by)) {
            return self.refuse_offer(now, tx, status);
        }
        let running = self.usages.get(id.0).and_then(Usage::session);
        let session = match self.session_for(request, running) {
            Ok(session) => session,
            Err(min_se) => return self.refuse_brief(now, tx, &min_se),
        };
        let sdp = sdp_of(request);
        let Some(usage) = self.usages.get_mut(id.0) else { return };
        // Before the final answer to the INVITE there is no session that a timer could end.
        let session = session.filter(|_| matches!(usage.phase, Phase::Up(_)));
        let Some(talk) = usage.phase.talk(|talk| talk.dialog.owns(request)) else { return };
        talk.dialog.follow(peer);
        *talk.offering = Offering::Theirs(Theirs { tx, by, offered: sdp.is_some(), session });
        self.layer.set_owner(tx, Owner::Reoffer(id));
        self.events.push_back(SipEvent::Reoffer { usage: id, sdp, message: request.clone() });
    }

    /// 491: an offer of ours has had no answer; 500: theirs has had none, and they are to wait (14.2, RFC 3311 5.2).
    pub(super) fn refuse_offer(&mut self, now: Instant, tx: ServerId, status: u16) {
        self.counts.refused += 1;
        let wait = self.mint.below(RETRY_BELOW_S).to_string();
        let headers: &[(&str, &str)] = if status == 500 { &[("Retry-After", &wait)] } else { &[] };
        self.answer(now, tx, Reply { headers, ..Reply::plain(status) });
    }

    pub(super) fn reoffer_answered(&mut self, now: Instant, id: UsageId, tx: ClientId, response: &Message) {
        match response.status() {
            ..200 => {}
            _ if *response.method() == Method::Update => self.early_offer_answered(now, id, tx, response),
            200..300 => self.reoffer_accepted(now, id, tx, response),
            _ => self.reoffer_refused(now, id, tx, response),
        }
    }

    fn reoffer_accepted(&mut self, now: Instant, id: UsageId, tx: ClientId, response: &Message) {
        let tag = response.to().ok().and_then(|to| to.tag()).unwrap_or_default();
        if self.layer.acknowledge_again(tx, tag) {
            return;
        }
        let Some(sent) = self.layer.sent_request(tx) else { return };
        let Ok(reinvite) = Message::parse(sent.clone()) else { return };
        let mut taken = false;
        self.change(id, |this, phase| match phase {
            Phase::Up(mut up) => {
                if up.offering.take_ours(tx).is_some() {
                    taken = true;
                    up.dialog.refresh_target(response);
                    let min_s = up.session.map_or(LEAST_S, |timer| timer.min_s);
                    this.session_agreed(now, id, &mut up, response, min_s);
                    this.acknowledge(tx, &up.dialog, &reinvite, tag);
                    this.deadlines.clear(&(id, Deadline::OfferOverdue));
                    this.events.push_back(SipEvent::ReofferAnswered { usage: id, sdp: sdp_of(response) });
                }
                Phase::Up(up)
            }
            other => other,
        });
        // We hung up meanwhile. The peer still waits for its ACK.
        if !taken && let Some(peer) = self.layer.client_peer(tx) {
            let via = self.composer.via(&peer, self.mint.branch());
            let bytes = derived::ack_for_orphan(&reinvite, response, &via);
            self.layer.acknowledge(tx, tag, crate::sip::peer::Transmit { peer, bytes });
        }
    }

    fn reoffer_refused(&mut self, now: Instant, id: UsageId, tx: ClientId, response: &Message) {
        let status = response.status();
        self.change(id, |this, phase| match phase {
            Phase::Up(mut up) => {
                let Some(Ours { offer, attempt, cancelled, refresh, .. }) = up.offering.take_ours(tx) else {
                    return Phase::Up(up);
                };
                this.deadlines.clear(&(id, Deadline::OfferOverdue));
                match status {
                    408 | 481 => return this.peer_lost(now, id, *up, status),
                    491 if attempt < MAX_ATTEMPTS && !cancelled && !refresh => {
                        let pause = this.back_off(up.dialog.ours);
                        this.deadlines.set((id, Deadline::OfferAgain), now + pause);
                        up.postponed = Some(Postponed { offer, attempt });
                    }
                    401 | 407 => {
                        let again = !cancelled
                            && up.login.as_mut().is_some_and(|l| l.take_challenge(response, || this.mint.cnonce()));
                        match again {
                            true => this.send_offer(now, id, &mut up, offer, attempt, refresh),
                            false => this.reoffer_lost(id, status),
                        }
                    }
                    422 if attempt < MAX_ATTEMPTS && !cancelled => {
                        match up.session.and_then(|timer| timer.raised(response)) {
                            Some(raised) => {
                                up.session = Some(raised);
                                this.send_offer(now, id, &mut up, offer, attempt + 1, refresh);
                            }
                            None => this.reoffer_lost(id, status),
                        }
                    }
                    _ => this.reoffer_lost(id, status),
                }
                Phase::Up(up)
            }
            other => other,
        });
    }

    /// 14.1: who chose the Call-ID waits 2.1 to 4 seconds, the other up to 2, in steps of 10 ms, so that one is first.
    fn back_off(&mut self, ours: bool) -> Duration {
        let steps = if ours { 210 + self.mint.below(191) } else { self.mint.below(201) };
        Duration::from_millis(u64::from(steps) * 10)
    }

    pub(super) fn reoffer_lost(&mut self, usage: UsageId, status: u16) {
        self.events.push_back(SipEvent::ReofferFailed { usage, status });
    }

    /// No answer, or no way to send: 408 ends the call, 503 only the offer (12.2.1.2).
    pub(super) fn reoffer_failed(&mut self, now: Instant, id: UsageId, tx: ClientId, status: u16) {
        self.change(id, |this, mut phase| match phase {
            Phase::Up(mut up) => {
                let Some(Ours { cancelled, .. }) = up.offering.take_ours(tx) else { return Phase::Up(up) };
                this.deadlines.clear(&(id, Deadline::OfferOverdue));
                if status == 408 && !cancelled {
                    return this.peer_lost(now, id, *up, status);
                }
                this.reoffer_lost(id, status);
                Phase::Up(up)
            }
            // Of a call that rings, its INVITE decides.
            Phase::Ringing(_) | Phase::Calling(_) => {
                let talk = phase.talk(|talk| talk.offering.is_ours(tx));
                if talk.and_then(|talk| talk.offering.take_ours(tx)).is_some() {
                    this.reoffer_lost(id, status);
                }
                phase
            }
            other => other,
        });
        self.go_on(now, id);
    }

    pub(super) fn offer_again(&mut self, now: Instant, id: UsageId) {
        self.change(id, |this, phase| match phase {
            Phase::Up(mut up) => {
                let free = up.offering.is_idle() && up.owed_ack.is_none();
                match up.postponed.take() {
                    Some(Postponed { offer, attempt }) if free => {
                        this.send_offer(now, id, &mut up, offer, attempt + 1, false)
                    }
                    // The peer's own change is under way: ours waits once more.
                    Some(postponed) => {
                        let pause = this.back_off(up.dialog.ours);
                        this.deadlines.set((id, Deadline::OfferAgain), now + pause);
                        up.postponed = Some(postponed);
                    }
                    None => {}
                }
                Phase::Up(up)
            }
            other => other,
        });
    }

    /// The CANCEL brings a final answer, or 64*T1 later none is waited for any more.
    pub(super) fn offer_overdue(&mut self, now: Instant, id: UsageId) {
        self.change(id, |this, phase| match phase {
            Phase::Up(mut up) => {
                if let Offering::Ours(ours) = &mut up.offering
                    && ours.by == OfferBy::Invite
                {
                    ours.cancelled = this.cancel_transaction(now, ours.tx, None);
                }
                Phase::Up(up)
            }
            other => other,
        });
    }

    /// The connection on which the peer's re-INVITE waits for our answer is gone.
    pub(super) fn reoffer_withdrawn(&mut self, id: UsageId) {
        self.change(id, |this, mut phase| {
            let talk = phase.talk(|talk| matches!(talk.offering, Offering::Theirs(_)));
            if talk.and_then(|talk| talk.offering.take_theirs(None)).is_some() {
                this.events.push_back(SipEvent::ReofferWithdrawn { usage: id });
            }
            phase
        });
    }
}

/// The status with which an offer of the peer meets what is under way already.
fn refusal(phase: &Phase, request: &Message, by: OfferBy) -> Option<u16> {
    let (offering, exchange) = match phase {
        // The peer has not finished its last one: our 2xx or its ACK is still on the way.
        Phase::Up(up) if up.owed_ack.is_some() && up.offering.is_idle() => return Some(491),
        Phase::Up(up) => (&up.offering, Exchange::Agreed),
        // A second INVITE before our final answer to the first (14.2).
        Phase::Ringing(_) if by == OfferBy::Invite => return Some(500),
        Phase::Ringing(ringing) => (&ringing.offering, ringing.exchange),
        Phase::Calling(_) if by == OfferBy::Invite => return Some(491),
        Phase::Calling(calling) => match &calling.forks[..] {
            [fork] if fork.dialog.owns(request) && fork.exchange == Exchange::Agreed => (&fork.offering, fork.exchange),
            // Ours has had no answer from one of them.
            _ => return Some(491),
        },
        Phase::Cancelling(_) | Phase::Leaving(_) | Phase::Over => return Some(491),
    };
    match (offering, exchange) {
        (Offering::Ours(_), _) | (_, Exchange::OfferedBack) => Some(491),
        (Offering::Theirs(_), _) | (_, Exchange::Offered | Exchange::Owed) => Some(500),
        (Offering::Idle, Exchange::Agreed) => None,
    }
}
