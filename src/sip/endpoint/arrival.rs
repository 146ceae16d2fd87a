//! Requests as they come in: which belong to something we know, which are owed a refusal, which are new.

use super::compose::Reply;
use super::reliable::{Caller, Reliable};
use super::usage::{Deadline, Exchange, Offering, Phase, Ringing};
use super::{EndReason, Endpoint, Owner, ServerRequest, SipEvent, TELL_AGAIN, Unusable, UsageId};
use crate::sip::dialog::{Dialog, Tag, body::sdp_of};
use crate::sip::message::{HeaderName, Message, Method, NameAddr, Refusal, Rport, UriRef, is_sips, validate_request};
use crate::sip::peer::{Peer, Transport};
use crate::sip::transaction::{Fresh, Matched};
use std::time::{Duration, Instant};

/// Requests inside dialogs are let through up to this many times the limit for new work, then dropped: a peer inside a
/// dialog can be mad too. What ends a call is let through always, as a call has one of each.
const HARD_LIMIT: usize = 2;

/// What an Expires beyond it is taken for: nobody waits a day for an answer.
const LONGEST_WAIT_S: u64 = 86_400;

impl Endpoint {
    pub(super) fn receive_request(&mut self, now: Instant, peer: Peer, request: Message) {
        let method = request.method().clone();
        let mut fresh = match self.layer.receive_request(now, &request, &method) {
            Matched::Absorbed => return,
            Matched::Unanswered(tx) => return self.send_trying(now, tx),
            Matched::Acknowledged(_) => return self.receive_ack(now, &request),
            Matched::New(fresh) => fresh,
        };
        if let Err(refusal) = validate_request(&request, &self.supported) {
            match refusal {
                Refusal::Drop(why) => self.drop_unusable(peer, why),
                Refusal::Answer(rejection) => {
                    self.unusable = Some(Unusable { peer, answered: Some(rejection.status), why: rejection.reason });
                    let headers: Vec<(&str, &str)> =
                        rejection.extra.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                    let reason = Some(rejection.reason);
                    let reply = Reply { status: rejection.status, reason, headers: &headers, ..Reply::default() };
                    self.refuse(peer, &request, reply);
                }
            }
            return;
        }
        if method == Method::Ack {
            return self.receive_ack(now, &request);
        }
        if is_sips(request.request_uri()) && !peer.transport.secure() {
            // Its sender was promised that nobody listens on the way (26.2.2), and somebody may have.
            return self.refuse(peer, &request, Reply::plain(416));
        }
        let to_tag = request.to().ok().and_then(|to| to.tag());
        if method == Method::Options && to_tag.is_none() {
            return self.receive_options(peer, &request);
        }
        let ends = matches!(method, Method::Bye | Method::Cancel);
        if !ends && self.layer.len() >= self.max_transactions.saturating_mul(HARD_LIMIT) {
            self.counts.dropped += 1;
            return;
        }
        if !self.allow.contains(&method.as_str()) {
            return self.refuse(peer, &request, Reply::plain(405));
        }
        if method == Method::Cancel {
            return self.receive_cancel(now, peer, request, fresh);
        }
        // REGISTER makes no dialog; a To tag in one means nothing (10.2).
        if let Some(tag) = to_tag.filter(|_| method != Method::Register) {
            if let Some(id) = self.usage_of(tag, &request) {
                self.hear_session(&request);
                return self.receive_in_dialog(now, id, peer, request, fresh);
            }
            return match self.subscription_of(tag, &request) {
                Some(id) => self.receive_of_subscriber(now, id, peer, request, fresh),
                None => self.refuse(peer, &request, Reply::plain(481)),
            };
        }
        if matches!(method, Method::Bye | Method::Info | Method::Update | Method::Prack | Method::Notify) {
            return self.refuse(peer, &request, Reply::plain(481)); // these live in dialogs only
        }
        if self.layer.is_merged(&request, &mut fresh) {
            return self.refuse(peer, &request, Reply::plain(482)); // 8.2.2.2
        }
        if self.sheds_calls && method == Method::Invite {
            self.counts.shed += 1;
            return self.send_stateless(peer, &request, Reply::plain(503));
        }
        if self.is_full() {
            self.counts.overloaded += 1;
            return self.send_stateless(peer, &request, Reply::plain(503));
        }
        if method == Method::Invite {
            return self.receive_call(now, peer, request, fresh);
        }
        let reply_peer = reply_to(peer, &request);
        if let Some(tx) = self.layer.start_server(now, request.clone(), fresh, reply_peer, false, Owner::Nobody) {
            self.events.push_back(SipEvent::Request { id: ServerRequest(tx), message: request, peer });
        }
    }

    /// "Are you there, and what can you do?" (11.2): answered at any load, and without keeping anything, as whoever likes
    /// may ask.
    fn receive_options(&mut self, peer: Peer, request: &Message) {
        let status = if self.closed { 503 } else { 200 };
        self.send_stateless(peer, request, Reply::plain(status));
    }

    /// The usage whose dialog a request with our tag belongs to: tag, Call-ID and the peer's tag must all agree (12.2.2).
    pub(super) fn usage_of(&mut self, tag: &str, request: &Message) -> Option<UsageId> {
        let id = *self.by_tag.get(&Tag::read(tag)?)?;
        self.usages.get_mut(id.0)?.dialog_of(request).map(|_| id)
    }

    fn receive_call(&mut self, now: Instant, peer: Peer, invite: Message, fresh: Fresh) {
        let tag = self.mint.tag();
        let user = UriRef::parse(invite.request_uri()).ok().and_then(|uri| uri.user());
        let contact = self.composer.contact(&peer, user, asks_for_sips(&invite));
        let Some(dialog) = Dialog::of_callee(&invite, tag, peer, contact) else {
            let reply = Reply { reason: Some("Missing or Unusable Contact"), ..Reply::plain(400) };
            return self.refuse(peer, &invite, reply);
        };
        let session = match self.session_for(&invite, None) {
            Ok(session) => session,
            Err(min_se) => {
                let headers: &[(&str, &str)] = &[("Min-SE", &min_se)];
                return self.refuse(peer, &invite, Reply { headers, ..Reply::plain(422) }); // RFC 4028 9
            }
        };
        let reply_peer = reply_to(peer, &invite);
        let Some(tx) = self.layer.start_server(now, invite.clone(), fresh, reply_peer, false, Owner::Nobody) else {
            return;
        };
        let sdp = sdp_of(&invite);
        let updates = invite.allows(&Method::Update);
        let ringing = Ringing {
            tx,
            dialog,
            exchange: if sdp.is_some() { Exchange::Offered } else { Exchange::Owed },
            offering: Offering::Idle,
            reliable: Reliable::new(Caller::of(&invite)),
            accepted: None,
            session,
            updates,
            shown: None,
        };
        let usage = self.new_usage(tag, Phase::Ringing(Box::new(ringing)));
        self.composer.sessions.begin(tag, &invite);
        self.layer.set_owner(tx, Owner::Invite(usage));
        self.deadlines.set((usage, Deadline::TellAgain), now + TELL_AGAIN);
        if let Some(seconds) = invite.expires() {
            self.deadlines
                .set((usage, Deadline::Expired), now + Duration::from_secs(u64::from(seconds).min(LONGEST_WAIT_S)));
        }
        self.trying.push_back((tx, now));
        self.events.push_back(SipEvent::Invited { usage, request: invite, peer, sdp });
    }

    fn receive_cancel(&mut self, now: Instant, peer: Peer, cancel: Message, fresh: Fresh) {
        let meant = self
            .layer
            .cancelled(&cancel)
            .filter(|(invite, _)| self.layer.open_request(*invite).is_none_or(|invite| is_cancel_of(&cancel, invite)));
        let Some((invite, owner)) = meant else {
            return self.refuse(peer, &cancel, Reply::plain(481)); // 9.2
        };
        let usage = match owner {
            Owner::Invite(usage) | Owner::Reoffer(usage) => Some(usage),
            _ => None,
        };
        let tag = usage.and_then(|usage| self.usages.get(usage.0)).map(|usage| usage.tag);
        let to_tag = Some(tag.unwrap_or_else(|| self.stateless_tag(&cancel)));
        let reply_peer = reply_to(peer, &cancel);
        let reason = header_text(&cancel, HeaderName::Reason);
        if let Some(tx) = self.layer.start_server(now, cancel, fresh, reply_peer, true, Owner::Nobody) {
            self.answer(now, tx, Reply { to_tag, ..Reply::plain(200) });
        }
        let Some(usage) = usage else { return };
        self.change(usage, |this, phase| match phase {
            Phase::Ringing(ringing) if ringing.tx == invite => {
                this.answer(now, invite, Reply { to_tag, ..Reply::plain(487) });
                this.ended(usage, EndReason::Cancelled { reason });
                Phase::Over
            }
            Phase::Up(mut up) => {
                if up.offering.take_theirs(Some(invite)).is_some() {
                    this.answer(now, invite, Reply::plain(487));
                    this.events.push_back(SipEvent::ReofferWithdrawn { usage });
                }
                Phase::Up(up)
            }
            // It crossed our final answer: no effect (9.2).
            other => other,
        });
    }

    /// Answers without keeping anything: each repetition of the request gets the same answer again (8.2.7).
    pub(super) fn refuse(&mut self, peer: Peer, request: &Message, reply: Reply<'_>) {
        self.counts.refused += 1;
        self.send_stateless(peer, request, reply);
    }

    fn send_stateless(&mut self, peer: Peer, request: &Message, reply: Reply<'_>) {
        let to_tag = Some(self.stateless_tag(request));
        let retry_after_s = self.retry_after_s(reply.status);
        let bytes = self.composer.response(request, &peer, Reply { to_tag, retry_after_s, ..reply });
        self.layer.send(reply_to(peer, request), bytes);
    }

    pub(super) fn stateless_tag(&self, request: &Message) -> Tag {
        let branch = request.via().ok().and_then(|via| via.branch).unwrap_or_default();
        let from_tag = request.from().ok().and_then(|from| from.tag()).unwrap_or_default();
        let call_id = request.header(HeaderName::CallId).unwrap_or_default();
        self.mint.stateless_tag(&[branch.as_bytes(), b" ", from_tag.as_bytes(), b" ", call_id])
    }
}

/// Where the responses to a request go (18.2.2, RFC 3581): back over a stream; to the source of a datagram if its sender
/// asked for that, or sits behind a NAT, which shows in an address that is not the source; else to the port that it
/// says it listens at. `maddr` is not followed: it would make us send wherever a stranger likes.
pub(super) fn reply_to(peer: Peer, request: &Message) -> Peer {
    let Ok(via) = request.via() else { return peer };
    let behind_nat = via.sent_by_host.ip().is_some_and(|address| address != peer.remote.ip());
    if peer.transport != Transport::Udp || via.rport != Rport::Absent || behind_nat {
        return peer;
    }
    let mut reply = peer;
    reply.remote.set_port(via.port.unwrap_or(Transport::Udp.default_port()));
    reply
}

/// Whether our Contact in the answer has to be a sips URI (12.1.1).
fn asks_for_sips(invite: &Message) -> bool {
    let way = match invite.list(HeaderName::RecordRoute).next() {
        Some(first) => NameAddr::parse(first, HeaderName::RecordRoute).ok(),
        None => invite.contact().ok(),
    };
    is_sips(invite.request_uri()) || way.is_some_and(|way| is_sips(way.uri))
}

/// A CANCEL names its INVITE by more than the branch (9.1), and whoever only guessed the branch must not end a call.
fn is_cancel_of(cancel: &Message, invite: &Message) -> bool {
    let number = |message: &Message| message.cseq().ok().map(|cseq| cseq.number);
    let from_tag = |message: &Message| message.from().ok().and_then(|from| from.tag().map(str::to_owned));
    cancel.header(HeaderName::CallId) == invite.header(HeaderName::CallId)
        && number(cancel) == number(invite)
        && from_tag(cancel) == from_tag(invite)
}

pub(super) fn header_text(message: &Message, name: HeaderName) -> Option<String> {
    message.text(name).map(|value| String::from_utf8_lossy(&value).into_owned())
}
