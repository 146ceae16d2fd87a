//! Provisional responses of ours that the caller acknowledges (RFC 3262 section 3): each is repeated until its PRACK comes,
//! the next one waits for it, and so does an answer to the call that would overtake the SDP in it.

use super::compose::{Reply, SDP};
use super::event::EndReason;
use super::usage::{Deadline, Exchange, OfferBy, Phase, Ringing};
use super::{Endpoint, ReliableProvisional, SipEvent, TELL_AGAIN, UsageId};
use crate::sip::dialog::body::sdp_of;
use crate::sip::message::{HeaderName, Message, Method};
use crate::sip::peer::{Peer, Transmit};
use crate::sip::transaction::ServerId;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// The option tag.
pub(super) const REL100: &str = "100rel";
/// RSeq begins below it, so that it never has to wrap (section 7.1), whatever a call is told.
const RSEQ_BELOW: u32 = 1 << 30;

/// What a caller's INVITE says of 100rel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Without,
    Supports,
    Requires,
}

impl Caller {
    pub fn of(invite: &Message) -> Self {
        match () {
            _ if invite.has_token(HeaderName::Require, REL100) => Caller::Requires,
            _ if invite.has_token(HeaderName::Supported, REL100) => Caller::Supports,
            _ => Caller::Without,
        }
    }
}

/// What of a call's provisional responses is under way.
#[derive(Debug)]
pub(super) struct Reliable {
    caller: Caller,
    /// Of the response sent last; 0 before the first.
    rseq: u32,
    unacknowledged: Option<Unacknowledged>,
    /// What is to be said after the PRACK. Only the latest counts, but no SDP is lost.
    waiting: Option<(u16, Option<Bytes>)>,
}

#[derive(Debug)]
struct Unacknowledged {
    name: Acknowledges,
    response: Transmit,
    pause: Duration,
    described: bool,
}

/// The numbers by which a PRACK names the response that it is for (section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acknowledges {
    rseq: u32,
    cseq: u32,
}

impl Acknowledges {
    /// `None` for a PRACK that does not say, or not of an INVITE.
    fn read(prack: &Message) -> Option<Self> {
        let rack = prack.rack()?.ok().filter(|rack| rack.cseq.method == Method::Invite)?;
        Some(Self { rseq: rack.rseq, cseq: rack.cseq.number })
    }
}

impl Reliable {
    pub fn new(caller: Caller) -> Self {
        Self { caller, rseq: 0, unacknowledged: None, waiting: None }
    }

    /// Whether a response has to be acknowledged.
    fn wants(&self, policy: ReliableProvisional, described: bool) -> bool {
        match (self.caller, policy) {
            (_, ReliableProvisional::Never) | (Caller::Without, _) => false,
            (Caller::Requires, _) | (_, ReliableProvisional::Always) => true,
            // A lost 180 costs a ringing tone, lost SDP the announcement that it was sent for.
            (Caller::Supports, ReliableProvisional::Wanted) => described,
        }
    }

    /// The SDP of a response is not known to have arrived: an answer to the call must not overtake it.
    pub fn holds_answer(&self) -> bool {
        self.unacknowledged.as_ref().is_some_and(|sent| sent.described)
    }

    /// The response whose PRACK may still come after the call was answered.
    pub fn outstanding(&self) -> Option<Acknowledges> {
        self.unacknowledged.as_ref().map(|sent| sent.name)
    }
}

impl Ringing {
    /// Whether what the caller is shown now has to be acknowledged.
    pub fn tells_reliably(&self, policy: ReliableProvisional) -> bool {
        let described = self.shown.as_ref().is_some_and(|(_, sdp)| sdp.is_some()) && self.exchange.is_open();
        self.reliable.wants(policy, described)
    }
}

impl Endpoint {
    /// Sends what is shown to the caller under the next RSeq, as soon as the one before is acknowledged.
    pub(super) fn tell_reliably(&mut self, now: Instant, id: UsageId) {
        let Some(usage) = self.usages.get_mut(id.0) else { return };
        let (to_tag, Phase::Ringing(ringing)) = (usage.tag, &mut usage.phase) else { return };
        let Some((status, sdp)) = ringing.shown.clone() else { return };
        self.deadlines.set((id, Deadline::TellAgain), now + TELL_AGAIN);
        if ringing.reliable.unacknowledged.is_some() {
            let before = ringing.reliable.waiting.take().and_then(|(_, sdp)| sdp);
            ringing.reliable.waiting = Some((status, sdp.or(before)));
            return;
        }
        let sdp = sdp.filter(|_| ringing.exchange.is_open());
        if ringing.exchange == Exchange::Owed && sdp.is_none() {
            // Without an offer it may not be the first reliable response to an INVITE that had none (section 5). The
            // caller learns of the call by its 100 and by our answer.
            return;
        }
        let reliable = &mut ringing.reliable;
        reliable.rseq = match reliable.rseq {
            0 => 1 + self.mint.below(RSEQ_BELOW),
            last => last + 1,
        };
        let (tx, rseq) = (ringing.tx, reliable.rseq);
        let (Some(request), Some(peer)) = (self.layer.open_request(tx), self.layer.server_peer(tx)) else { return };
        let Ok(cseq) = request.cseq() else { return };
        let reply = Reply {
            to_tag: Some(to_tag),
            contact: Some(&ringing.dialog.contact),
            rseq: Some(rseq),
            body: sdp.as_ref().map(|sdp| (SDP, &sdp[..])),
            ..Reply::plain(status)
        };
        let bytes = self.composer.response(request, &peer, reply);
        if sdp.is_some() {
            ringing.exchange = ringing.exchange.described();
        }
        reliable.unacknowledged = Some(Unacknowledged {
            name: Acknowledges { rseq, cseq: cseq.number },
            response: Transmit { peer, bytes: bytes.clone() },
            pause: self.timers.t1,
            described: sdp.is_some(),
        });
        self.layer.vouch(tx);
        self.layer.respond(now, tx, status, bytes);
        self.deadlines.set((id, Deadline::RepeatProgress), now + self.timers.t1);
        self.deadlines.set((id, Deadline::PrackOverdue), now + self.timers.expiry());
    }

    /// Doubled each time, without T2 as a limit (section 3).
    pub(super) fn repeat_progress(&mut self, now: Instant, id: UsageId) {
        let Some(Phase::Ringing(ringing)) = self.usages.get_mut(id.0).map(|usage| &mut usage.phase) else { return };
        let Some(sent) = &mut ringing.reliable.unacknowledged else { return };
        sent.pause *= 2;
        let (pause, response) = (sent.pause, sent.response.clone());
        self.deadlines.set((id, Deadline::RepeatProgress), now + pause);
        self.repeat(response.peer, response.bytes);
    }

    /// 64*T1 without a PRACK: the call is refused (section 3).
    pub(super) fn prack_overdue(&mut self, now: Instant, id: UsageId) {
        let to_tag = self.usages.get(id.0).map(|usage| usage.tag);
        self.change(id, |this, phase| match phase {
            Phase::Ringing(ringing) => {
                this.drop_offer(now, &ringing.offering);
                this.answer(now, ringing.tx, Reply { to_tag, reason: Some("PRACK Overdue"), ..Reply::plain(500) });
                this.ended(id, EndReason::PrackTimeout);
                Phase::Over
            }
            other => other,
        });
    }

    pub(super) fn receive_prack(&mut self, now: Instant, id: UsageId, tx: ServerId, peer: Peer, prack: &Message) {
        let Some(named) = Acknowledges::read(prack) else {
            self.counts.refused += 1;
            self.answer(now, tx, Reply { reason: Some("Missing or Bad RAck"), ..Reply::plain(400) });
            return;
        };
        let (known, exchange) = match self.usages.get_mut(id.0).map(|usage| &mut usage.phase) {
            Some(Phase::Ringing(ringing)) => {
                let known = ringing.reliable.unacknowledged.take_if(|sent| sent.name == named).is_some();
                (known, ringing.exchange)
            }
            // It was overtaken by our 2xx, which it does not concern.
            Some(Phase::Up(up)) => (up.unacknowledged.take_if(|sent| *sent == named).is_some(), Exchange::Agreed),
            _ => (false, Exchange::Agreed),
        };
        if !known {
            self.counts.refused += 1;
            self.answer(now, tx, Reply::plain(481)); // section 3
            return;
        }
        self.deadlines.clear(&(id, Deadline::RepeatProgress));
        self.deadlines.clear(&(id, Deadline::PrackOverdue));
        let sdp = sdp_of(prack);
        match (exchange, sdp) {
            (Exchange::Agreed, Some(_)) => self.receive_offer(now, id, tx, peer, prack, OfferBy::Prack),
            (Exchange::OfferedBack, sdp) => {
                self.answer(now, tx, Reply::plain(200));
                if let Some(Phase::Ringing(ringing)) = self.usages.get_mut(id.0).map(|usage| &mut usage.phase) {
                    ringing.exchange = Exchange::Agreed;
                }
                self.events.push_back(SipEvent::EarlyAnswer { usage: id, sdp });
            }
            // It offers anew what has had no answer yet: no answer could be told from the other (RFC 3264 4).
            (Exchange::Offered | Exchange::Owed, Some(_)) => self.refuse_offer(now, tx, 500),
            (_, None) => {
                self.answer(now, tx, Reply::plain(200));
            }
        }
        self.go_on(now, id);
    }

    /// The way is free: says what had to wait, the answer to the call first.
    pub(super) fn go_on(&mut self, now: Instant, id: UsageId) {
        let Some(Phase::Ringing(ringing)) = self.usages.get_mut(id.0).map(|usage| &mut usage.phase) else { return };
        if !ringing.offering.is_idle() || ringing.reliable.unacknowledged.is_some() {
            return;
        }
        if let Some(sdp) = ringing.accepted.take() {
            self.change(id, |this, phase| match phase {
                Phase::Ringing(ringing) => this.accept_ringing(now, id, *ringing, sdp),
                other => other,
            });
        } else if let Some(shown) = ringing.reliable.waiting.take() {
            ringing.shown = Some(shown);
            self.tell(now, id);
        }
    }
}
