//! Requests outside any call: ours, and the answers to the peers'.

use super::compose::Reply;
use super::{Endpoint, Full, OutgoingRequest, Owner, RequestId, ServerRequest, SipEvent};
use crate::sip::dialog::Tag;
use crate::sip::digest::Login;
use crate::sip::message::{Message, Method};
use bytes::Bytes;
use std::time::Instant;

/// A request of ours that waits for its final answer.
pub(super) struct Asked {
    order: OutgoingRequest,
    tag: Tag,
    call_id: String,
    cseq: u32,
    login: Option<Login>,
}

impl Endpoint {
    /// Sends a request outside any call; [`SipEvent::ResponseTo`] brings its final answer.
    pub fn request(&mut self, now: Instant, order: OutgoingRequest) -> Result<RequestId, Full> {
        debug_assert!(
            !matches!(order.method, "INVITE" | "ACK" | "CANCEL"),
            "{} has a command of its own",
            order.method
        );
        if self.layer.len() >= self.max_transactions {
            return Err(Full);
        }
        self.last_request += 1;
        let id = RequestId(self.last_request);
        let login = order.credentials.clone().map(Login::new);
        let mut asked = Asked { order, tag: self.mint.tag(), call_id: self.mint.call_id(), cseq: 0, login };
        self.send_request(now, id, &mut asked);
        self.asked.insert(id, asked);
        Ok(id)
    }

    fn send_request(&mut self, now: Instant, id: RequestId, asked: &mut Asked) {
        asked.cseq += 1;
        let branch = self.mint.branch();
        let series = (asked.tag, asked.call_id.as_str(), asked.cseq);
        let bytes = self.composer.request(&asked.order, branch, series, asked.login.as_mut());
        let method = Method::from_bytes(asked.order.method.as_bytes()).unwrap_or(Method::Options);
        self.layer.start_client(now, branch, &method, asked.order.peer, bytes, Owner::Request(id));
    }

    pub(super) fn request_answered(&mut self, now: Instant, id: RequestId, response: &Message) {
        let status = response.status();
        if status < 200 {
            return;
        }
        let Some(mut asked) = self.asked.remove(&id) else { return };
        let login = asked.login.as_mut().filter(|_| matches!(status, 401 | 407));
        if login.is_some_and(|login| login.take_challenge(response, || self.mint.cnonce())) {
            self.send_request(now, id, &mut asked);
            self.asked.insert(id, asked);
            return;
        }
        self.events.push_back(SipEvent::ResponseTo { id, status, message: Some(response.clone()) });
    }

    pub(super) fn request_failed(&mut self, id: RequestId, status: u16) {
        if self.asked.remove(&id).is_some() {
            self.events.push_back(SipEvent::ResponseTo { id, status, message: None });
        }
    }

    /// Answers [`SipEvent::Request`]. A 503 gets its Retry-After here.
    pub fn respond(
        &mut self,
        now: Instant,
        id: ServerRequest,
        status: u16,
        reason: Option<&str>,
        headers: &[(&str, String)],
        body: Option<(&str, Bytes)>,
    ) {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        debug_assert!((100..700).contains(&status), "{status} is no status");
        let reply = Reply {
            status: status.clamp(100, 699),
            reason,
            to_tag: Some(self.mint.tag()),
            headers: &headers,
            body: body.as_ref().map(|(content_type, bytes)| (*content_type, &bytes[..])),
            ..Reply::default()
        };
        if !self.answer_and_forget(now, id.0, reply) {
            self.counts.stale_commands += 1;
        }
    }
}
