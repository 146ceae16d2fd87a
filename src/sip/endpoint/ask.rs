//! Requests outside any call: ours, and the answers to the peers'.

use super::compose::Reply;
use super::{Endpoint, Full, OutgoingRequest, Owner, RequestId, SeriesId, ServerRequest, SipEvent};
use crate::sip::dialog::Tag;
use crate::sip::digest::Login;
use crate::sip::message::{Message, Method, is_sips};
use crate::sip::peer::Peer;
use bytes::Bytes;
use std::time::Instant;

/// A request of ours that waits for its final answer.
pub(super) struct Asked {
    order: OutgoingRequest,
    of: Option<SeriesId>,
    series: Series,
}

/// What the requests of one series share and count.
#[derive(Clone)]
pub(super) struct Series {
    tag: Tag,
    call_id: String,
    cseq: u32,
    login: Option<Login>,
}

impl Endpoint {
    /// Sends a request outside any call; [`SipEvent::ResponseTo`] brings its final answer.
    pub fn request(&mut self, now: Instant, order: OutgoingRequest) -> Result<RequestId, Full> {
        let series = self.new_series();
        self.ask(now, order, None, series)
    }

    /// Begins a series of requests: the REGISTERs of one binding, which have one Call-ID and count on (RFC 3261 10.2),
    /// and go on with the credentials that the last one was accepted with.
    pub fn open_series(&mut self) -> SeriesId {
        self.last_series += 1;
        let (id, series) = (SeriesId(self.last_series), self.new_series());
        self.series.insert(id, series);
        id
    }

    pub fn close_series(&mut self, id: SeriesId) {
        self.series.remove(&id);
    }

    /// [`Endpoint::request`] as the next of a series. They share credentials; those of the first are kept.
    pub fn request_in(&mut self, now: Instant, id: SeriesId, order: OutgoingRequest) -> Result<RequestId, Full> {
        let series = self.series.get(&id).cloned();
        let series = series.unwrap_or_else(|| self.new_series());
        self.ask(now, order, Some(id), series)
    }

    /// The Contact value under which peers behind `peer` reach us.
    pub fn contact(&self, peer: &Peer, user: Option<&str>, request_uri: &str) -> String {
        self.composer.contact(peer, user, is_sips(request_uri.as_bytes())).into()
    }

    fn new_series(&mut self) -> Series {
        Series { tag: self.mint.tag(), call_id: self.mint.call_id(), cseq: 0, login: None }
    }

    fn ask(
        &mut self,
        now: Instant,
        order: OutgoingRequest,
        of: Option<SeriesId>,
        mut series: Series,
    ) -> Result<RequestId, Full> {
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
        let login = series.login.take().zip(order.credentials.as_ref()).filter(|(login, of)| login.is_of(of));
        series.login = login.map(|(login, _)| login).or_else(|| order.credentials.clone().map(Login::new));
        let mut asked = Asked { order, of, series };
        self.send_request(now, id, &mut asked);
        self.asked.insert(id, asked);
        Ok(id)
    }

    fn send_request(&mut self, now: Instant, id: RequestId, asked: &mut Asked) {
        let series = &mut asked.series;
        series.cseq += 1;
        let branch = self.mint.branch();
        let counted = (series.tag, series.call_id.as_str(), series.cseq);
        let bytes = self.composer.request(&asked.order, branch, counted, series.login.as_mut());
        let method = Method::from_bytes(asked.order.method.as_bytes()).unwrap_or(Method::Options);
        self.layer.start_client(now, branch, &method, asked.order.peer, bytes, Owner::Request(id));
        self.remember(asked);
    }

    /// The next request of the series, whenever it is sent, goes on from here.
    fn remember(&mut self, asked: &Asked) {
        if self.is_superseded(asked) {
            return;
        }
        if let Some(kept) = asked.of.and_then(|of| self.series.get_mut(&of)) {
            *kept = asked.series.clone();
        }
    }

    fn is_superseded(&self, asked: &Asked) -> bool {
        asked.of.and_then(|of| self.series.get(&of)).is_some_and(|kept| kept.cseq > asked.series.cseq)
    }

    pub(super) fn request_answered(&mut self, now: Instant, id: RequestId, response: &Message) {
        let status = response.status();
        if status < 200 {
            return;
        }
        let Some(mut asked) = self.asked.remove(&id) else { return };
        let superseded = self.is_superseded(&asked);
        let login = asked.series.login.as_mut();
        match status {
            // Its successor of the same series is out, and has to be the last word (RFC 3261 10.2: CSeq orders them).
            401 | 407 if superseded => {}
            401 | 407 => {
                if login.is_some_and(|login| login.take_challenge(response, || self.mint.cnonce())) {
                    self.send_request(now, id, &mut asked);
                    self.asked.insert(id, asked);
                    return;
                }
                // The next try begins without what was refused.
                asked.series.login = None;
            }
            _ => login.into_iter().for_each(Login::accepted),
        }
        self.remember(&asked);
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
