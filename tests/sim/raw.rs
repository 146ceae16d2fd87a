//! SIP written by hand, for what a well-behaved endpoint never does.

use bytes::Bytes;
use hotline::sip::message::{HeaderName, Message};
use std::net::SocketAddr;

/// One dialog of a caller who writes each message itself.
pub struct RawCall {
    pub address: SocketAddr,
    pub number: String,
    pub call_id: String,
    cseq: u32,
    to: Option<String>,
    target: Option<String>,
}

impl RawCall {
    pub fn new(address: SocketAddr, number: &str) -> RawCall {
        let call_id = format!("by-hand-{number}-{address}");
        RawCall { address, number: number.into(), call_id, cseq: 1, to: None, target: None }
    }

    pub fn sdp(&self) -> String {
        let ip = self.address.ip();
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
        )
    }

    pub fn invite(&self, sdp: Option<&str>) -> Bytes {
        self.request("INVITE", self.cseq, sdp)
    }

    /// The ACK to a 2xx, with the answer when the 2xx brought the offer.
    pub fn ack(&self, sdp: Option<&str>) -> Bytes {
        self.request("ACK", self.cseq, sdp)
    }

    pub fn reinvite(&mut self, sdp: Option<&str>) -> Bytes {
        self.cseq += 1;
        self.request("INVITE", self.cseq, sdp)
    }

    pub fn bye(&mut self) -> Bytes {
        self.cseq += 1;
        self.request("BYE", self.cseq, None)
    }

    pub fn ok_to(&self, request: &Message) -> Bytes {
        let line = |name: HeaderName, text: &str| {
            let value = String::from_utf8_lossy(request.header(name).unwrap_or_default()).into_owned();
            format!("{text}: {value}\r\n")
        };
        let head: String = [
            line(HeaderName::Via, "Via"),
            line(HeaderName::From, "From"),
            line(HeaderName::To, "To"),
            line(HeaderName::CallId, "Call-ID"),
            line(HeaderName::CSeq, "CSeq"),
        ]
        .concat();
        Bytes::from(format!("SIP/2.0 200 OK\r\n{head}Content-Length: 0\r\n\r\n"))
    }

    /// Takes the far side's tag and target from its answer.
    pub fn learn(&mut self, response: &Message) {
        let to = String::from_utf8_lossy(response.header(HeaderName::To).unwrap_or_default());
        self.to = Some(to.into_owned());
        if let Ok(contact) = response.contact() {
            self.target = Some(String::from_utf8_lossy(contact.uri).into_owned());
        }
    }

    fn request(&self, method: &str, cseq: u32, sdp: Option<&str>) -> Bytes {
        let RawCall { address, number, call_id, .. } = self;
        let uri = self.target.clone().unwrap_or_else(|| format!("sip:{number}@10.0.0.1"));
        let to = self.to.clone().unwrap_or_else(|| format!("<sip:{number}@hotline>"));
        let (kind, body) = match sdp {
            Some(sdp) => ("Content-Type: application/sdp\r\n", sdp),
            None => ("", ""),
        };
        Bytes::from(format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-{method}-{cseq}-{call_id}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:hand@hotline>;tag=hand\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:hand@{address}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}
