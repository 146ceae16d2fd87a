//! Requests inside a dialog, the peer's and ours.

use super::arrival::{header_text, reply_to};
use super::compose::{Reply, Within};
use super::usage::{Phase, Up};
use super::{EndReason, Endpoint, Owner, ServerRequest, SipEvent, UsageId};
use crate::sip::dialog::Dialog;
use crate::sip::message::{HeaderName, Message, Method};
use crate::sip::peer::Peer;
use crate::sip::transaction::{ClientId, Fresh};
use bytes::Bytes;
use std::time::Instant;

impl Endpoint {
    /// Sends an INFO in a call that is up.
    pub fn info(&mut self, now: Instant, id: UsageId, content_type: &str, body: Bytes) {
        let known = self.change(id, |this, phase| match phase {
            Phase::Up(mut up) => {
                let with = Within { login: up.login.as_mut(), body: Some((content_type, &body)), ..Within::default() };
                this.send_in_dialog(now, &mut up.dialog, &Method::Info, with, Owner::Info(id));
                Phase::Up(up)
            }
            other => other,
        });
        self.counts.stale_commands += u64::from(!known);
    }

    pub(super) fn info_answered(&mut self, now: Instant, id: UsageId, status: u16) {
        self.change(id, |this, phase| match phase {
            Phase::Up(up) if matches!(status, 408 | 481) => this.peer_lost(now, id, *up, status),
            other => other,
        });
    }

    /// A 481 or 408 to a request in the dialog ends it (12.2.1.2). The BYE after a 408 is for a peer that was only slow.
    pub(super) fn peer_lost(&mut self, now: Instant, id: UsageId, up: Up, status: u16) -> Phase {
        self.stop_repeating(id);
        self.drop_offer(now, &up.offering);
        if status == 481 {
            self.ended(id, EndReason::Unknown);
            return Phase::Over;
        }
        self.ended(id, EndReason::Timeout);
        self.leave(now, id, up.dialog, up.login, None)
    }

    pub(super) fn send_in_dialog(
        &mut self,
        now: Instant,
        dialog: &mut Dialog,
        method: &Method,
        with: Within<'_>,
        owner: Owner,
    ) -> ClientId {
        let cseq = dialog.next_cseq();
        let (peer, branch) = (dialog.next_hop(), self.mint.branch());
        let via = self.composer.via(&peer, branch);
        let bytes = self.composer.in_dialog(dialog, &via, method, cseq, with);
        self.layer.start_client(now, branch, method, peer, bytes, owner)
    }

    pub(super) fn receive_in_dialog(&mut self, now: Instant, id: UsageId, peer: Peer, request: Message, fresh: Fresh) {
        let method = request.method().clone();
        let is_invite = method == Method::Invite;
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        let reply_peer = reply_to(peer, &request);
        let Some(tx) = self.layer.start_server(now, request.clone(), fresh, reply_peer, true, Owner::Nobody) else {
            return;
        };
        let Some(usage) = self.usages.get_mut(id.0) else { return };
        let leaving = matches!(usage.phase, Phase::Leaving(_));
        let Some(dialog) = usage.dialog_of(&request) else { return };
        if dialog.take_cseq(number, is_invite).is_err() {
            self.counts.refused += 1;
            self.answer(now, tx, Reply { reason: Some("CSeq Out Of Order"), ..Reply::plain(500) }); // 12.2.2
            return;
        }
        // A peer that comes by another connection has lost the old one.
        if peer.reliable() {
            dialog.follow(peer);
        }
        match method {
            Method::Bye => self.receive_bye(now, id, tx, &request),
            Method::Options => {
                self.answer(now, tx, Reply::plain(200));
            }
            _ if leaving => {
                self.answer(now, tx, Reply::plain(481));
            }
            Method::Invite => self.receive_reinvite(now, id, tx, peer, &request),
            Method::Update => self.receive_update(now, id, tx, peer, &request),
            // Our answer to its INVITE still waits for a PRACK.
            Method::Refer if !matches!(self.usages.get(id.0).map(|usage| &usage.phase), Some(Phase::Up(_))) => {
                self.answer(now, tx, Reply::plain(491));
            }
            Method::Refer => {
                self.events.push_back(SipEvent::Referred { usage: id, id: ServerRequest(tx), message: request })
            }
            Method::Subscribe => self.receive_resubscribe(now, id, tx, &request),
            Method::Notify => self.receive_notify(now, id, tx, &request),
            Method::Prack => self.receive_prack(now, id, tx, peer, &request),
            Method::Info => {
                self.answer(now, tx, Reply::plain(200));
                let content_type = header_text(&request, HeaderName::ContentType).unwrap_or_default();
                self.events.push_back(SipEvent::Info { usage: id, content_type, body: request.body_bytes() });
            }
            _ => self.events.push_back(SipEvent::Request { id: ServerRequest(tx), message: request, peer }),
        }
    }
}
