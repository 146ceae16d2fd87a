//! SIP written by hand, for what a well-behaved endpoint never does.

use bytes::Bytes;
use hotline::sip::message::{HeaderName, Message};
use std::net::SocketAddr;

/// One dialog of a party who writes each message itself.
pub struct RawCall {
    pub address: SocketAddr,
    pub number: String,
    pub call_id: String,
    /// The whole From and To values of its requests.
    pub from: String,
    pub to: String,
    pub max_forwards: u8,
    /// Of the INVITE and its CANCEL, if it is somebody else's.
    pub branch: Option<String>,
    /// Further header lines of its requests.
    pub headers: String,
    cseq: u32,
    /// The number of its last INVITE.
    invited: u32,
    target: Option<String>,
}

impl RawCall {
    pub fn new(address: SocketAddr, number: &str) -> RawCall {
        let call_id = format!("by-hand-{number}-{address}");
        RawCall {
            address,
            number: number.into(),
            from: "<sip:hand@hotline>;tag=hand".into(),
            to: format!("<sip:{number}@hotline>"),
            max_forwards: 70,
            branch: None,
            headers: String::new(),
            call_id,
            cseq: 1,
            invited: 1,
            target: None,
        }
    }

    /// The dialog of who was called by `invite` and answers with `tag`.
    pub fn called(address: SocketAddr, invite: &Message, tag: &str) -> RawCall {
        let mut call = RawCall::new(address, "");
        call.call_id = header(invite, HeaderName::CallId);
        call.from = format!("{};tag={tag}", header(invite, HeaderName::To));
        call.to = header(invite, HeaderName::From);
        call.aim(invite);
        call
    }

    pub fn sdp(&self) -> String {
        self.sdp_saying("sendrecv")
    }

    pub fn sdp_saying(&self, direction: &str) -> String {
        let ip = self.address.ip();
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
        )
    }

    pub fn invite(&self, sdp: Option<&str>) -> Bytes {
        self.request("INVITE", sdp)
    }

    pub fn reinvite(&mut self, sdp: Option<&str>) -> Bytes {
        self.cseq += 1;
        self.invited = self.cseq;
        self.request("INVITE", sdp)
    }

    /// An offer outside an INVITE (RFC 3311).
    pub fn update(&mut self, sdp: &str) -> Bytes {
        self.cseq += 1;
        self.request("UPDATE", Some(sdp))
    }

    /// Acknowledges a reliable provisional response (RFC 3262).
    pub fn prack(&mut self, response: &Message, sdp: Option<&str>) -> Bytes {
        self.cseq += 1;
        let rseq = response.rseq().expect("a reliable response");
        let lines = format!("RAck: {rseq} {} INVITE\r\n", self.invited);
        let kept = std::mem::replace(&mut self.headers, lines);
        let prack = self.request("PRACK", sdp);
        self.headers = kept;
        prack
    }

    /// The ACK to a 2xx, with the answer when the 2xx brought the offer.
    pub fn ack(&self, sdp: Option<&str>) -> Bytes {
        self.request("ACK", sdp)
    }

    /// Requests go to the number again, as those of its first transaction do.
    pub fn target_number(&mut self) {
        self.target = None;
    }

    /// The ACK to a refusal, under the branch of its INVITE (RFC 3261 17.1.1.3).
    pub fn ack_refusal(&self) -> Bytes {
        let text = String::from_utf8_lossy(&self.request("ACK", None)).into_owned();
        Bytes::from(text.replacen("branch=z9hG4bK-ACK-", "branch=z9hG4bK-INVITE-", 1))
    }

    pub fn cancel(&self) -> Bytes {
        self.request("CANCEL", None)
    }

    pub fn refer(&mut self) -> Bytes {
        self.cseq += 1;
        self.request("REFER", None)
    }

    pub fn bye(&mut self) -> Bytes {
        self.cseq += 1;
        self.request("BYE", None)
    }

    pub fn ok_to(&self, request: &Message) -> Bytes {
        self.response(request, 200, None, None)
    }

    /// A response of whoever was called; `tag` tells several phones apart that answer one INVITE.
    pub fn response(&self, request: &Message, status: u16, tag: Option<&str>, sdp: Option<&str>) -> Bytes {
        let lines = [
            (HeaderName::Via, "Via"),
            (HeaderName::From, "From"),
            (HeaderName::CallId, "Call-ID"),
            (HeaderName::CSeq, "CSeq"),
        ];
        let head: String = lines.map(|(name, text)| format!("{text}: {}\r\n", header(request, name))).concat();
        let to = header(request, HeaderName::To);
        let tag = tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let (kind, body) = described(sdp);
        Bytes::from(format!(
            "SIP/2.0 {status} By Hand\r\n{head}To: {to}{tag}\r\nContact: <sip:hand@{}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        ))
    }

    /// Takes the far side's tag and target from its answer.
    pub fn learn(&mut self, response: &Message) {
        self.to = header(response, HeaderName::To);
        self.aim(response);
    }

    fn aim(&mut self, message: &Message) {
        if let Ok(contact) = message.contact() {
            self.target = Some(String::from_utf8_lossy(contact.uri).into_owned());
        }
    }

    fn request(&self, method: &str, sdp: Option<&str>) -> Bytes {
        let RawCall { address, number, call_id, from, to, max_forwards, headers, .. } = self;
        let cseq = if method == "ACK" || method == "CANCEL" { self.invited } else { self.cseq };
        let uri = self.target.clone().unwrap_or_else(|| format!("sip:{number}@10.0.0.1"));
        // A CANCEL has the branch of its INVITE (RFC 3261 9.1).
        let of = if method == "CANCEL" { "INVITE" } else { method };
        let own = self.branch.clone().filter(|_| of == "INVITE");
        let branch = own.unwrap_or_else(|| {
            let id = call_id.replace(|c: char| !c.is_ascii_alphanumeric() && !"-.:@".contains(c), "");
            format!("z9hG4bK-{of}-{cseq}-{id}")
        });
        let (kind, body) = described(sdp);
        Bytes::from(format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch={branch}\r\n\
             Max-Forwards: {max_forwards}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:hand@{address}>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}

pub fn header(message: &Message, name: HeaderName) -> String {
    String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned()
}

fn described(sdp: Option<&str>) -> (&'static str, &str) {
    match sdp {
        Some(sdp) => ("Content-Type: application/sdp\r\n", sdp),
        None => ("", ""),
    }
}
