//! The side that is called: what the app answers to a new call, and the 2xx that is repeated until its ACK.

use super::compose::{Reply, SDP};
use super::usage::{Bye, Deadline, Exchange, OwedAck, Phase, Ringing, Up};
use super::{EndReason, Endpoint, SipEvent, TELL_AGAIN, UsageId};
use crate::sip::dialog::body::sdp_of;
use crate::sip::message::Message;
use crate::sip::peer::Transmit;
use crate::sip::transaction::ServerId;
use bytes::Bytes;
use std::time::Instant;

impl Endpoint {
    /// Tells the caller 180, 183 or another provisional status, with SDP for early media: the answer to its offer, or our
    /// own if it made none. Repeated each minute until the final answer.
    pub fn progress(&mut self, now: Instant, id: UsageId, status: u16, sdp: Option<Bytes>) {
        debug_assert!((101..200).contains(&status), "{status} is no provisional status for a callee to send");
        let Some(usage) = self.usages.get_mut(id.0) else {
            self.counts.stale_commands += 1;
            return;
        };
        if let Phase::Ringing(ringing) = &mut usage.phase
            && ringing.accepted.is_none()
        {
            ringing.shown = Some((status.clamp(101, 199), sdp));
            self.tell(now, id);
        }
    }

    /// Answers the call. `sdp` goes along unless a provisional response that the caller has acknowledged has said it.
    pub fn accept(&mut self, now: Instant, id: UsageId, sdp: Bytes) {
        let known = self.change(id, |this, phase| match phase {
            Phase::Ringing(ringing) => this.accept_ringing(now, id, *ringing, sdp),
            other => other,
        });
        self.counts.stale_commands += u64::from(!known);
    }

    /// Refuses the call. `headers` such as Contact for a redirection, or a challenge.
    pub fn reject(&mut self, now: Instant, id: UsageId, status: u16, reason: Option<&str>, headers: &[(&str, &str)]) {
        debug_assert!((300..700).contains(&status), "{status} is no refusal");
        let known = self.change(id, |this, phase| match phase {
            Phase::Ringing(ringing) => {
                let to_tag = this.usages.get(id.0).map(|usage| usage.tag);
                let status = status.clamp(300, 699);
                this.answer_and_forget(now, ringing.tx, Reply { reason, to_tag, headers, ..Reply::plain(status) });
                Phase::Over
            }
            other => other,
        });
        self.counts.stale_commands += u64::from(!known);
        self.heed(now);
    }

    pub(super) fn accept_ringing(&mut self, now: Instant, id: UsageId, mut ringing: Ringing, sdp: Bytes) -> Phase {
        self.deadlines.clear(&(id, Deadline::TellAgain));
        self.deadlines.clear(&(id, Deadline::Expired));
        if ringing.reliable.holds_answer() || !ringing.offering.is_idle() {
            ringing.accepted = Some(sdp); // RFC 3262 3
            return Phase::Ringing(Box::new(ringing));
        }
        self.deadlines.clear(&(id, Deadline::RepeatProgress));
        self.deadlines.clear(&(id, Deadline::PrackOverdue));
        let Ringing { tx, dialog, exchange, reliable, session, updates, .. } = ringing;
        self.layer.vouch(tx);
        let to_tag = self.usages.get(id.0).map(|usage| usage.tag);
        let owed_ack = self.answer_2xx(
            now,
            id,
            tx,
            Reply {
                to_tag,
                contact: Some(&dialog.contact),
                session,
                body: exchange.is_open().then_some((SDP, &sdp[..])),
                ..Reply::plain(200)
            },
        );
        let Some(owed_ack) = owed_ack else {
            self.ended(id, EndReason::Transport);
            return Phase::Over;
        };
        let mut up = Up::new(dialog, None, updates);
        up.owed_ack = Some(OwedAck { offered: exchange == Exchange::Owed, ..owed_ack });
        up.unacknowledged = reliable.outstanding();
        self.start_session(now, id, &mut up, session.map(|session| session.timer));
        Phase::Up(Box::new(up))
    }

    /// Sends a 2xx to an INVITE and starts to repeat it, over streams too (13.3.1.4).
    pub(super) fn answer_2xx(&mut self, now: Instant, id: UsageId, tx: ServerId, reply: Reply<'_>) -> Option<OwedAck> {
        let (request, peer) = (self.layer.open_request(tx)?, self.layer.server_peer(tx)?);
        let cseq = request.cseq().ok()?.number;
        let bytes = self.composer.response(request, &peer, reply);
        self.layer.respond(now, tx, reply.status, bytes.clone());
        self.deadlines.set((id, Deadline::RepeatAnswer), now + self.timers.t1);
        self.deadlines.set((id, Deadline::AckOverdue), now + self.timers.expiry());
        Some(OwedAck { cseq, ok: Transmit { peer, bytes }, pause: self.timers.t1, offered: false })
    }

    pub(super) fn repeat_answer(&mut self, now: Instant, id: UsageId) {
        let timers = self.timers;
        let owed = match self.usages.get_mut(id.0).map(|usage| &mut usage.phase) {
            Some(Phase::Up(up)) => up.owed_ack.as_mut(),
            Some(Phase::Leaving(leaving)) => match &mut leaving.bye {
                Bye::AwaitsAck(owed) => Some(owed),
                Bye::Sent => None,
            },
            _ => None,
        };
        let Some(owed) = owed else { return };
        owed.pause = timers.doubled(owed.pause);
        let (pause, ok) = (owed.pause, owed.ok.clone());
        self.deadlines.set((id, Deadline::RepeatAnswer), now + pause);
        self.repeat(ok.peer, ok.bytes);
    }

    /// 64*T1 without an ACK: the dialog is confirmed all the same, and ends with a BYE (13.3.1.4).
    pub(super) fn ack_overdue(&mut self, now: Instant, id: UsageId) {
        self.deadlines.clear(&(id, Deadline::RepeatAnswer));
        self.change(id, |this, phase| match phase {
            Phase::Up(up) => {
                this.ended(id, EndReason::AckTimeout);
                this.leave(now, id, up.dialog, up.login, None)
            }
            Phase::Leaving(leaving) => this.leave(now, id, leaving.dialog, leaving.login, leaving.reason),
            other => other,
        });
    }

    /// The ACK for a 2xx of ours, which finds us by the dialog alone.
    pub(super) fn receive_ack(&mut self, now: Instant, ack: &Message) {
        let tag = ack.to().ok().and_then(|to| to.tag());
        let number = ack.cseq().ok().map(|cseq| cseq.number);
        let Some(id) = tag.and_then(|tag| self.usage_of(tag, ack)) else {
            self.counts.stray_acks += 1;
            return;
        };
        self.change(id, |this, phase| match phase {
            Phase::Up(mut up) => {
                let Some(owed) = up.owed_ack.take_if(|owed| Some(owed.cseq) == number) else {
                    this.counts.stray_acks += 1;
                    return Phase::Up(up);
                };
                this.stop_repeating(id);
                let sdp = if owed.offered { sdp_of(ack) } else { None };
                this.events.push_back(SipEvent::Acked { usage: id, sdp });
                Phase::Up(up)
            }
            Phase::Leaving(leaving) => match &leaving.bye {
                Bye::AwaitsAck(owed) if Some(owed.cseq) == number => {
                    this.stop_repeating(id);
                    this.leave(now, id, leaving.dialog, leaving.login, leaving.reason)
                }
                _ => Phase::Leaving(leaving),
            },
            other => {
                this.counts.stray_acks += 1;
                other
            }
        });
    }

    pub(super) fn stop_repeating(&mut self, id: UsageId) {
        self.deadlines.clear(&(id, Deadline::RepeatAnswer));
        self.deadlines.clear(&(id, Deadline::AckOverdue));
    }

    pub(super) fn tell_again(&mut self, now: Instant, id: UsageId) {
        if let Some(Phase::Ringing(ringing)) = self.usages.get_mut(id.0).map(|usage| &mut usage.phase) {
            // An app that has said nothing for a minute still works on it.
            ringing.shown.get_or_insert((183, None));
            self.tell(now, id);
        }
    }

    pub(super) fn tell(&mut self, now: Instant, id: UsageId) {
        let Some(usage) = self.usages.get(id.0) else { return };
        let Phase::Ringing(ringing) = &usage.phase else { return };
        if ringing.tells_reliably(self.reliable) {
            return self.tell_reliably(now, id);
        }
        let Some((status, sdp)) = &ringing.shown else { return };
        // Our own offer may stand in a reliable response only (13.2.1), and what is agreed is not said again.
        let sdp = sdp.as_ref().filter(|_| ringing.exchange == Exchange::Offered);
        let (tx, status) = (ringing.tx, *status);
        let reply = Reply {
            to_tag: Some(usage.tag),
            contact: Some(&ringing.dialog.contact),
            body: sdp.map(|sdp| (SDP, &sdp[..])),
            ..Reply::plain(status)
        };
        let (Some(request), Some(peer)) = (self.layer.open_request(tx), self.layer.server_peer(tx)) else { return };
        let bytes = self.composer.response(request, &peer, reply);
        self.layer.vouch(tx);
        self.layer.respond(now, tx, status, bytes);
        self.deadlines.set((id, Deadline::TellAgain), now + TELL_AGAIN);
    }

    /// The time that the caller gave in Expires is over, which is as good as a CANCEL (13.3.1).
    pub(super) fn invitation_expired(&mut self, now: Instant, id: UsageId) {
        let to_tag = self.usages.get(id.0).map(|usage| usage.tag);
        self.change(id, |this, phase| match phase {
            Phase::Ringing(ringing) => {
                this.answer(now, ringing.tx, Reply { to_tag, ..Reply::plain(487) });
                this.ended(id, EndReason::Cancelled { reason: None });
                Phase::Over
            }
            other => other,
        });
    }

    /// The connection over which a caller waited is gone (17.2.4).
    pub(super) fn caller_lost(&mut self, id: UsageId) {
        self.change(id, |this, phase| match phase {
            Phase::Ringing(_) => {
                this.ended(id, EndReason::Transport);
                Phase::Over
            }
            other => other,
        });
    }
}
