//! One endpoint and messages written by hand.

use crate::sip::endpoint::{Endpoint, EndpointConfig, SipEvent, UsageId};
use crate::sip::message::Message;
use crate::sip::peer::{Peer, Transmit};
use bytes::Bytes;
use std::time::{Duration, Instant};

pub struct Hand {
    pub start: Instant,
    pub now: Instant,
    pub endpoint: Endpoint,
    pub peer: Peer,
}

/// `{tag}` stands for `;tag=..` of To, if any.
pub const INVITE: &str = "INVITE sip:95598@192.0.2.2 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKhand-1;rport
Max-Forwards: 70
From: <sip:1001@192.0.2.1>;tag=me
To: <sip:95598@192.0.2.2>
Call-ID: by-hand
CSeq: 1 INVITE
Contact: <sip:1001@192.0.2.1:5060>
Content-Type: application/sdp
Content-Length: 5

v=0
";

impl Hand {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut EndpointConfig)) -> Self {
        let mut config = EndpointConfig { seed: [9; 32], ..EndpointConfig::default() };
        change(&mut config);
        let now = Instant::now();
        let peer = Peer::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        Self { start: now, now, endpoint: Endpoint::new(config), peer }
    }

    pub fn send(&mut self, text: &str) {
        self.send_from(self.peer, text);
    }

    pub fn send_from(&mut self, peer: Peer, text: &str) {
        self.endpoint.handle_message(self.now, peer, message(text));
    }

    pub fn events(&mut self) -> Vec<SipEvent> {
        // That a 100 came is told, and matters to no story.
        let told = |event: &SipEvent| !matches!(event, SipEvent::Trying { .. });
        std::iter::from_fn(|| self.endpoint.poll_event()).filter(told).collect()
    }

    pub fn invited(&mut self) -> UsageId {
        match self.events().pop() {
            Some(SipEvent::Invited { usage, .. }) => usage,
            other => panic!("no call but {other:?}"),
        }
    }

    pub fn transmits(&mut self) -> Vec<Transmit> {
        std::iter::from_fn(|| self.endpoint.poll_transmit()).collect()
    }

    pub fn sent(&mut self) -> Vec<Message> {
        self.transmits().into_iter().map(|t| Message::parse(t.bytes).unwrap()).collect()
    }

    /// The one message that went out.
    pub fn answer(&mut self) -> Message {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "one message was expected, not {sent:?}");
        sent.remove(0)
    }

    pub fn answer_to_options(&mut self) -> Message {
        self.send(&request("OPTIONS", 9, "options", None));
        self.answer()
    }

    /// Moves the clock; the times, in milliseconds since the start, and statuses (0 for a request) of what was sent.
    pub fn pass(&mut self, time: Duration) -> Vec<(u128, u16)> {
        let end = self.now + time;
        let mut sent = Vec::new();
        while let Some(at) = self.endpoint.next_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.endpoint.handle_timeout(at);
            let at = (at - self.start).as_millis();
            sent.extend(self.sent().iter().map(|message| (at, message.status())));
        }
        self.now = end;
        sent
    }
}

pub fn message(text: &str) -> Message {
    Message::parse(Bytes::from(text.replace('\n', "\r\n"))).unwrap()
}

/// INVITE turned into another request of the same series: method, CSeq number, branch, To tag.
pub fn request(method: &str, cseq: u32, branch: &str, to_tag: Option<&str>) -> String {
    let to_tag = to_tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
    format!(
        "{method} sip:95598@192.0.2.2 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch};rport
Max-Forwards: 70
From: <sip:1001@192.0.2.1>;tag=me
To: <sip:95598@192.0.2.2>{to_tag}
Call-ID: by-hand
CSeq: {cseq} {method}
Contact: <sip:1001@192.0.2.1:5060>
Content-Length: 0

"
    )
}
