//! A telephone: its own SIP endpoint, its manners, a voice, and an ear that writes down what it heard.

mod fax;
mod voice;

pub use fax::{ATTRIBUTES, Faxing};

use super::config::Settings;
use super::sound::{self, Heard};
use bytes::Bytes;
use hotline::media::rtp;
use hotline::sdp::{Codec, Direction, MediaSpec, Session};
use hotline::sip::dialog::reason::Reason;
use hotline::sip::digest::{Credentials, Secret};
use hotline::sip::endpoint::{
    EndReason, Endpoint, EndpointConfig, Notice, Outgoing, OutgoingRequest, RequestId, SipEvent, UsageId,
};
use hotline::sip::message::{HeaderName, Message, Method};
use hotline::sip::peer::{Peer, Transmit};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What a phone does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    AnswerAfter(Duration),
    /// Rings until the caller gives up.
    Ring,
    Refuse(u16),
    /// Speaks before it answers.
    EarlyMedia(Duration),
}

#[derive(Clone, Copy, Debug)]
pub struct Manners {
    pub taking: Taking,
    /// How long after the answer it hangs up; `None` never.
    pub hangs_up_after: Option<Duration>,
    /// Sends its voice while a call is up.
    pub talks: bool,
    /// Between two packets of its voice. Usually 20 ms; longer to make a long world cheap.
    pub pace: Duration,
    pub codecs: &'static [Codec],
    /// What it says of the call that a REFER asks it to make, if it takes the REFER: a final status, or nothing.
    pub follows_refer: Option<Option<u16>>,
    /// It is the gateway of a fax machine.
    pub takes_fax: bool,
    /// Offers comfort noise: it may leave out its silence.
    pub noise: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            taking: Taking::AnswerAfter(Duration::from_secs(2)),
            hangs_up_after: None,
            talks: true,
            pace: Duration::from_millis(20),
            codecs: &[Codec::Pcma, Codec::Pcmu],
            follows_refer: None,
            takes_fax: false,
            noise: false,
        }
    }
}

/// Packets of a key that get lost on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    None,
    First,
    Ends,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Calling,
    Ringing,
    Up,
    Over(Over),
}

/// How a call ended, as its phone saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// This phone hung up or gave up.
    Ours,
    /// The far side hung up.
    Theirs,
    Cancelled,
    Refused(u16),
    /// No answer to what this phone sent, or to its answer.
    Lost,
}

/// One stretch of the same sound.
#[derive(Clone, Debug)]
pub struct Stretch {
    pub sound: Heard,
    pub from: Instant,
    pub until: Instant,
    pub packets: u32,
}

/// One call of a phone.
pub struct PhoneCall {
    pub usage: UsageId,
    pub incoming: bool,
    pub state: State,
    /// Provisional and final statuses that it was told, in order, without repetitions of the same.
    pub statuses: Vec<u16>,
    /// What it was told of its REFERs: the answers to them, then the statuses of their NOTIFYs.
    pub referred: Vec<u16>,
    pub retry_after: Option<u32>,
    /// Why it was refused.
    pub why: Option<Reason>,
    /// Who calls, as the phone shows it.
    pub from: String,
    pub heard: Vec<Stretch>,
    /// Packets that came before any answer to the call's offer.
    pub unasked: u32,
    pub keys_heard: String,
    /// The Call-ID that it called with, or was called with.
    pub sip_call_id: Option<String>,
    /// When it was last seen to be spoken to, to talk, or to hold.
    pub attended: Option<Instant>,
    /// What the INVITE that called it had left.
    pub max_forwards: Option<u8>,
    pub holding: bool,
    pub up_since: Option<Instant>,
    pub over_at: Option<Instant>,
    pub port: u16,
    pub mute: bool,
    pub fax: Option<Faxing>,
    /// By whom: the last octet of each datagram of a fax, without repetitions of the same.
    pub pages_of: Vec<u8>,
    sdp: Session,
    spec: Option<MediaSpec>,
    answer: Option<Bytes>,
    saying: bool,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    keys: VecDeque<KeyPacket>,
    last_key: Option<u32>,
}

/// One packet of RFC 4733 to come.
struct KeyPacket {
    payload: [u8; 4],
    first: bool,
    lost: bool,
}

/// What a phone means to do later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    Register,
    Answer(usize),
    HangUp(usize),
    Say(usize),
}

pub struct Phone {
    pub number: String,
    pub voice: u16,
    pub manners: Manners,
    pub calls: Vec<PhoneCall>,
    /// Final answers to REGISTER and OPTIONS, in order.
    pub answers: Vec<(&'static str, u16)>,
    /// Whither it was asked to go, by REFER.
    pub sent_to: Vec<String>,
    /// Texts that came for it: from whom, and what.
    pub texts: Vec<(String, String)>,
    /// NOTIFYs about what it watches, in order.
    pub notified: Vec<Message>,
    /// Switched off: neither hears nor says anything any more.
    pub off: bool,
    /// Registers again in time.
    pub refreshes: bool,
    pub expires_s: u32,
    /// The address that it registers, if it is not its own, and parameters of that Contact.
    pub contact: Option<String>,
    pub contact_params: String,
    /// The name that it calls under, and the Max-Forwards, if it gives any.
    pub display: Option<String>,
    pub hops: Option<u8>,
    /// The Privacy and P-Asserted-Identity of its calls, if it writes any.
    pub privacy: Option<String>,
    pub asserts: Option<String>,
    /// Further headers of its INVITEs.
    pub headers: Vec<(String, String)>,
    /// Somebody answers for it by hand ([`super::raw`]).
    pub by_hand: bool,
    pub endpoint: Endpoint,
    pub plans: Vec<(Instant, Plan)>,
    /// RTP to send now: from our port, to where.
    pub packets: Vec<(u16, SocketAddr, Vec<u8>)>,
    pub peer: Peer,
    secret: Option<String>,
    /// Answers that its endpoint knows nothing of.
    replies: Vec<Transmit>,
    usages: BTreeMap<UsageId, usize>,
    asked: BTreeMap<RequestId, &'static str>,
}

impl Phone {
    pub fn new(number: &str, secret: Option<String>, index: u16, peer: Peer, settings: &Settings) -> Phone {
        let mut key = [index as u8; 32];
        key[..8].copy_from_slice(&(settings.seed ^ u64::from(index) << 48).to_le_bytes());
        Phone {
            number: number.into(),
            voice: sound::FIRST_VOICE + index,
            manners: Manners::default(),
            calls: Vec::new(),
            answers: Vec::new(),
            sent_to: Vec::new(),
            texts: Vec::new(),
            notified: Vec::new(),
            replies: Vec::new(),
            off: false,
            refreshes: true,
            expires_s: 120,
            contact: None,
            contact_params: String::new(),
            display: None,
            hops: None,
            privacy: None,
            asserts: None,
            headers: Vec::new(),
            by_hand: false,
            endpoint: {
                let mut endpoint = Endpoint::new(EndpointConfig { seed: key, ..settings.phones.clone() });
                endpoint.set_allowed("MESSAGE", true);
                endpoint
            },
            plans: Vec::new(),
            packets: Vec::new(),
            peer,
            secret,
            usages: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    /// The call that it had last.
    pub fn call(&self) -> &PhoneCall {
        self.calls.last().unwrap_or_else(|| panic!("{} never had a call", self.number))
    }

    pub fn state(&self) -> Option<&State> {
        self.calls.last().map(|call| &call.state)
    }

    pub fn is_busy(&self) -> bool {
        self.calls.iter().any(|call| !matches!(call.state, State::Over(_)))
    }

    pub fn register(&mut self, now: Instant, expires_s: u32) {
        let local = self.peer.local;
        let transport = self.peer.transport.uri_param().map(|t| format!(";transport={t}")).unwrap_or_default();
        let aor = format!("sip:{}@{}", self.number, super::config::REALM);
        let contact = self.contact.clone().unwrap_or_else(|| format!("sip:{}@{local}{transport}", self.number));
        let headers = vec![
            ("Contact".to_string(), format!("<{contact}>{}", self.contact_params)),
            ("Expires".to_string(), expires_s.to_string()),
        ];
        self.ask(now, "REGISTER", format!("sip:{}", super::config::REALM), aor, headers);
        if expires_s > 0 {
            self.plans.push((now + Duration::from_secs(u64::from(expires_s) / 2), Plan::Register));
        }
    }

    pub fn options(&mut self, now: Instant) {
        let to = format!("sip:{}", self.peer.remote);
        self.ask(now, "OPTIONS", to.clone(), to, Vec::new());
    }

    /// Sends a text to an extension.
    pub fn text(&mut self, now: Instant, to: &str, kind: &str, text: &str) {
        let order = OutgoingRequest {
            peer: self.peer,
            method: "MESSAGE",
            request_uri: format!("sip:{to}@{}", super::config::REALM),
            from: format!("sip:{}@{}", self.number, super::config::REALM),
            to: format!("sip:{to}@{}", super::config::REALM),
            headers: Vec::new(),
            body: Some((kind.to_string(), Bytes::from(text.to_string()))),
            credentials: self.credentials(),
        };
        let id = self.endpoint.request(now, order).expect("room in a phone");
        self.asked.insert(id, "MESSAGE");
    }

    /// Wants to be told of what an extension does.
    pub fn subscribe(&mut self, now: Instant, event: &str, of: &str, expires_s: u32) {
        let uri = format!("sip:{of}@{}", super::config::REALM);
        let headers = vec![
            ("Event".to_string(), event.to_string()),
            ("Expires".to_string(), expires_s.to_string()),
            ("Contact".to_string(), format!("<sip:{}@{}>", self.number, self.peer.local)),
        ];
        self.ask(now, "SUBSCRIBE", uri.clone(), uri, headers);
    }

    fn ask(&mut self, now: Instant, method: &'static str, uri: String, to: String, headers: Vec<(String, String)>) {
        let order = OutgoingRequest {
            peer: self.peer,
            method,
            request_uri: uri,
            from: format!("sip:{}@{}", self.number, super::config::REALM),
            to,
            headers,
            body: None,
            credentials: self.credentials(),
        };
        let id = self.endpoint.request(now, order).expect("room in a phone");
        self.asked.insert(id, method);
    }

    fn credentials(&self) -> Option<Credentials> {
        let secret = self.secret.clone()?;
        Some(Credentials { user: self.number.clone(), secret: Secret::Password(secret) })
    }

    /// Calls a number, as `from` if that is not its own.
    pub fn dial(&mut self, now: Instant, number: &str, from: Option<&str>) {
        let port = self.next_port();
        let mut sdp = Session::new(u64::from(port), self.peer.local.ip(), port);
        sdp.noise = self.manners.noise;
        let offer = sdp.offer(self.manners.codecs, Direction::SendRecv);
        self.dial_with(now, number, from, sdp, offer);
    }

    /// Calls with a description of its own making.
    pub fn dial_offering(&mut self, now: Instant, number: &str, offer: Bytes) {
        let port = self.next_port();
        self.dial_with(now, number, None, Session::new(u64::from(port), self.peer.local.ip(), port), offer);
    }

    fn dial_with(&mut self, now: Instant, number: &str, from: Option<&str>, sdp: Session, offer: Bytes) {
        let call_id = format!("{}-{}@{}", self.number, self.calls.len(), self.peer.local.ip());
        // Parameters are those of the URI, not of the number.
        let (number, params) = number.split_at(number.find(';').unwrap_or(number.len()));
        let order = Outgoing {
            peer: self.peer,
            request_uri: format!("sip:{number}@{}{params}", self.peer.remote),
            to: format!("sip:{number}@{}", super::config::REALM),
            from: format!("sip:{}@{}", from.unwrap_or(&self.number), super::config::REALM),
            from_display: self.display.clone(),
            call_id: Some(call_id.clone()),
            headers: self.own_headers(),
            offer,
            credentials: self.credentials(),
        };
        let usage = self.endpoint.invite(now, order).expect("room in a phone");
        let nth = self.begin(usage, false, State::Calling, sdp, String::new());
        self.calls[nth].sip_call_id = Some(call_id);
    }

    fn own_headers(&self) -> Vec<(String, String)> {
        let hops = self.hops.map(|hops| hops.to_string());
        let all =
            [("Max-Forwards", hops), ("Privacy", self.privacy.clone()), ("P-Asserted-Identity", self.asserts.clone())];
        let all = all.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?)));
        all.chain(self.headers.iter().cloned()).collect()
    }

    fn next_port(&self) -> u16 {
        4_000 + 2 * (self.calls.len() as u16 % 2_000)
    }

    fn begin(&mut self, usage: UsageId, incoming: bool, state: State, sdp: Session, from: String) -> usize {
        let nth = self.calls.len();
        let port = self.next_port();
        self.usages.insert(usage, nth);
        self.calls.push(PhoneCall {
            usage,
            incoming,
            state,
            statuses: Vec::new(),
            referred: Vec::new(),
            retry_after: None,
            why: None,
            from,
            heard: Vec::new(),
            unasked: 0,
            keys_heard: String::new(),
            sip_call_id: None,
            attended: None,
            max_forwards: None,
            holding: false,
            up_since: None,
            over_at: None,
            port,
            mute: false,
            fax: None,
            pages_of: Vec::new(),
            sdp,
            spec: None,
            answer: None,
            saying: false,
            ssrc: u32::from(self.voice) << 16 | nth as u32,
            sequence: 65_500,
            timestamp: 0xffff_f000,
            keys: VecDeque::new(),
            last_key: None,
        });
        nth
    }

    pub fn press_by_info(&mut self, now: Instant, key: char) {
        let usage = self.call().usage;
        // Whoever types waits for no word.
        if let Some(call) = self.calls.last_mut() {
            call.attended = Some(now);
        }
        let body = format!("Signal={key}\r\nDuration=160\r\n");
        self.endpoint.info(now, usage, "application/dtmf-relay", Bytes::from(body));
    }

    /// Puts the far side on hold, or takes it back. False when another offer is under way.
    pub fn hold(&mut self, now: Instant, on: bool) -> bool {
        let codecs = self.manners.codecs;
        let Some(call) = self.calls.last_mut() else { return false };
        let direction = if on { Direction::SendOnly } else { Direction::SendRecv };
        let offer = call.sdp.offer(codecs, direction);
        let sent = self.endpoint.reinvite(now, call.usage, offer).is_ok();
        if sent {
            call.holding = on;
        } else {
            call.sdp.withdraw_offer();
        }
        sent
    }

    /// Sends the other party of its `nth` call to a number, as `query` continues the URI.
    pub fn refer(&mut self, now: Instant, nth: usize, number: &str, query: &str) {
        let uri = format!("sip:{number}@{}{query}", super::config::REALM);
        let sent = self.endpoint.refer(now, self.calls[nth].usage, &uri, None);
        assert!(sent.is_ok(), "a call that is up, and no other REFER in it");
    }

    /// Joins the other parties of two of its calls: a REFER in the `nth` that names the `other`.
    pub fn join(&mut self, now: Instant, nth: usize, other: usize, number: &str) {
        let named = self.replaces(other).replace(';', "%3B").replace('=', "%3D").replace('@', "%40");
        self.refer(now, nth, number, &format!("?Replaces={named}"));
    }

    /// What names its `nth` call in a Replaces.
    pub fn replaces(&self, nth: usize) -> String {
        self.endpoint.replaces_value(self.calls[nth].usage).expect("a call under way")
    }

    fn told_of_referral(&mut self, usage: UsageId, status: Option<u16>) {
        if let (Some(nth), Some(status)) = (self.usages.get(&usage), status) {
            self.calls[*nth].referred.push(status);
        }
    }

    /// Hangs up, gives up or refuses: whatever ends the last call.
    pub fn hang_up(&mut self, now: Instant) {
        let nth = self.calls.len() - 1;
        self.end_ours(now, nth);
    }

    fn end_ours(&mut self, now: Instant, nth: usize) {
        let call = &self.calls[nth];
        if matches!(call.state, State::Over(_)) {
            return;
        }
        match (call.incoming, &call.state) {
            (true, State::Ringing) => self.endpoint.reject(now, call.usage, 486, None, &[]),
            _ => self.endpoint.hangup(now, call.usage, None),
        }
        self.over(now, nth, Over::Ours);
    }

    fn over(&mut self, now: Instant, nth: usize, how: Over) {
        let call = &mut self.calls[nth];
        if !matches!(call.state, State::Over(_)) {
            call.state = State::Over(how);
            call.over_at = Some(now);
        }
    }

    pub fn carry_out(&mut self, now: Instant, plan: Plan) {
        if self.off {
            return;
        }
        match plan {
            Plan::Register if self.refreshes => self.register(now, self.expires_s),
            Plan::Register => {}
            Plan::Answer(nth) => self.answer(now, nth),
            Plan::HangUp(nth) => self.end_ours(now, nth),
            Plan::Say(nth) => self.say(now, nth),
        }
    }

    fn answer(&mut self, now: Instant, nth: usize) {
        let call = &mut self.calls[nth];
        if call.state != State::Ringing {
            return;
        }
        let Some(answer) = call.answer.clone() else { return };
        self.endpoint.accept(now, call.usage, answer);
        self.up(now, nth);
    }

    fn up(&mut self, now: Instant, nth: usize) {
        let call = &mut self.calls[nth];
        call.state = State::Up;
        call.up_since = Some(now);
        if let Some(after) = self.manners.hangs_up_after {
            self.plans.push((now + after, Plan::HangUp(nth)));
        }
        self.speak_up(now, nth);
    }

    pub fn receive(&mut self, now: Instant, bytes: Bytes) {
        let message = Message::parse(bytes).expect("the switch sends messages that can be read");
        let watched = message.text(HeaderName::Event).is_some_and(|event| !event.starts_with(b"refer"));
        if message.is_request() && *message.method() == Method::Notify && watched {
            let again = self.notified.iter().any(|n| n.header(HeaderName::Via) == message.header(HeaderName::Via));
            let mut out = bytes::BytesMut::new();
            let ok = hotline::sip::message::response_to(&mut out, &message, 200, "OK", None, None).finish();
            self.replies.push(Transmit { peer: self.peer, bytes: ok });
            if !again {
                self.notified.push(message);
            }
            return;
        }
        self.endpoint.handle_message(now, self.peer, message);
    }

    /// Reacts to what its endpoint tells; what is to be sent then is in the return value.
    pub fn settle(&mut self, now: Instant) -> Vec<Transmit> {
        while let Some(event) = self.endpoint.poll_event() {
            self.react(now, event);
        }
        let replies = std::mem::take(&mut self.replies);
        std::iter::from_fn(|| self.endpoint.poll_transmit()).chain(replies).collect()
    }

    fn react(&mut self, now: Instant, event: SipEvent) {
        match event {
            SipEvent::Invited { usage, request, sdp, .. } => self.called(now, usage, &request, sdp),
            SipEvent::Progress { usage, status, sdp } => {
                if let Some(nth) = self.told(usage, status) {
                    let call = &mut self.calls[nth];
                    if call.state == State::Calling && status >= 180 {
                        call.state = State::Ringing;
                    }
                    if let Some(sdp) = sdp
                        && let Ok(spec) = call.sdp.handle_answer(&sdp)
                    {
                        call.spec = Some(spec);
                        self.speak_up(now, nth);
                    }
                }
            }
            SipEvent::Answered { usage, sdp, .. } => {
                if let Some(nth) = self.told(usage, 200) {
                    let call = &mut self.calls[nth];
                    if let Some(spec) = sdp.and_then(|sdp| call.sdp.handle_answer(&sdp).ok()) {
                        call.spec = Some(spec);
                    }
                    self.up(now, nth);
                }
            }
            SipEvent::Rejected { usage, status, retry_after, local, why, .. } => {
                if let Some(nth) = self.told(usage, status) {
                    self.calls[nth].retry_after = retry_after;
                    self.calls[nth].why = why;
                    self.over(now, nth, if local { Over::Lost } else { Over::Refused(status) });
                }
            }
            SipEvent::ReofferAnswered { usage, sdp } => {
                if let (Some(nth), Some(sdp)) = (self.usages.get(&usage).copied(), sdp)
                    && !self.take_fax(now, nth, &sdp)
                {
                    let call = &mut self.calls[nth];
                    call.fax = None;
                    if let Ok(spec) = call.sdp.handle_answer(&sdp) {
                        call.spec = Some(spec);
                    }
                }
            }
            SipEvent::ReofferFailed { usage, status } => {
                if let Some(nth) = self.told(usage, status) {
                    self.calls[nth].sdp.withdraw_offer();
                }
            }
            SipEvent::Ended { usage, why } => {
                if let Some(nth) = self.usages.get(&usage).copied() {
                    let how = match why {
                        EndReason::Bye { .. } => Over::Theirs,
                        EndReason::Cancelled { .. } => Over::Cancelled,
                        _ => Over::Lost,
                    };
                    self.over(now, nth, how);
                }
            }
            SipEvent::ResponseTo { id, status, .. } => {
                if let Some(method) = self.asked.remove(&id) {
                    self.answers.push((method, status));
                }
            }
            SipEvent::Request { id, message, .. } if *message.method() == Method::Message => {
                let from =
                    message.from().map(|from| String::from_utf8_lossy(from.uri).into_owned()).unwrap_or_default();
                self.texts.push((from, String::from_utf8_lossy(message.body()).into_owned()));
                self.endpoint.respond(now, id, 200, None, &[], None);
            }
            SipEvent::Request { id, message, .. } => {
                let status = if *message.method() == Method::Options { 200 } else { 405 };
                self.endpoint.respond(now, id, status, None, &[], None);
            }
            SipEvent::RefreshDue { usage } => {
                if let Some(nth) = self.usages.get(&usage) {
                    let call = &mut self.calls[*nth];
                    let direction = if call.holding { Direction::SendOnly } else { Direction::SendRecv };
                    let offer = call.sdp.offer(self.manners.codecs, direction);
                    if self.endpoint.refresh(now, usage, offer).is_err() {
                        call.sdp.withdraw_offer();
                    }
                }
            }
            SipEvent::Reoffer { usage, sdp, .. } => {
                let nth = self.usages.get(&usage).copied();
                if let (Some(nth), Some(sdp)) = (nth, &sdp)
                    && self.answer_fax(now, nth, sdp)
                {
                    return;
                }
                let call = nth.map(|nth| &mut self.calls[nth]);
                let answer = match (call, sdp) {
                    (Some(call), Some(sdp)) => call.sdp.handle_offer(&sdp, call.spec.as_ref().map(|spec| spec.codec)),
                    _ => return self.endpoint.answer_reoffer(now, usage, Err(488), &[]),
                };
                match answer {
                    Ok((answer, spec)) => {
                        if let Some(nth) = self.usages.get(&usage) {
                            self.calls[*nth].spec = Some(spec);
                            self.calls[*nth].fax = None;
                        }
                        self.endpoint.answer_reoffer(now, usage, Ok(answer), &[]);
                    }
                    Err(refusal) => self.endpoint.answer_reoffer(now, usage, Err(refusal.status()), &[]),
                }
            }
            SipEvent::ReferAnswered { usage, status } => self.told_of_referral(usage, Some(status)),
            SipEvent::Notified { usage, status, .. } => self.told_of_referral(usage, status),
            SipEvent::Referred { usage, id, message } => {
                let to = String::from_utf8_lossy(message.header(HeaderName::ReferTo).unwrap_or_default()).into_owned();
                self.sent_to.push(to);
                let Some(outcome) = self.manners.follows_refer else {
                    return self.endpoint.respond(now, id, 603, None, &[], None);
                };
                let told = self.endpoint.accept_refer(now, usage, id, true).expect("room in a phone");
                let fragment = |status: u16| ("message/sipfrag;version=2.0", format!("SIP/2.0 {status} So\r\n").into());
                self.endpoint.notify(now, told, Notice { terminated: None, body: Some(fragment(100)) });
                if let Some(status) = outcome {
                    self.endpoint.notify(now, told, Notice::last("noresource", Some(fragment(status))));
                }
            }
            SipEvent::SubscriptionOver { .. } | SipEvent::Resubscribed { .. } => {}
            // The switch sends no keys by INFO.
            SipEvent::Trying { .. }
            | SipEvent::Acked { .. }
            | SipEvent::Info { .. }
            | SipEvent::EarlyAnswer { .. }
            | SipEvent::ReofferWithdrawn { .. } => {}
        }
    }

    fn told(&mut self, usage: UsageId, status: u16) -> Option<usize> {
        let nth = *self.usages.get(&usage)?;
        let statuses = &mut self.calls[nth].statuses;
        if statuses.last() != Some(&status) {
            statuses.push(status);
        }
        Some(nth)
    }

    /// Somebody calls.
    fn called(&mut self, now: Instant, usage: UsageId, request: &Message, offer: Option<Bytes>) {
        let from = String::from_utf8_lossy(request.header(HeaderName::From).unwrap_or_default()).into_owned();
        let busy = self.is_busy();
        let port = self.next_port();
        let mut sdp = Session::new(u64::from(port), self.peer.local.ip(), port);
        let answered = offer.as_deref().map(|offer| sdp.handle_offer(offer, self.manners.codecs.first().copied()));
        let nth = self.begin(usage, true, State::Ringing, sdp, from);
        self.calls[nth].sip_call_id = request.call_id().ok().map(Into::into);
        self.calls[nth].max_forwards = request.max_forwards().and_then(Result::ok);
        let refuse = |phone: &mut Phone, status| {
            phone.endpoint.reject(now, usage, status, None, &[]);
            phone.over(now, nth, Over::Refused(status));
        };
        let Some(Ok((answer, spec))) = answered else { return refuse(self, 488) };
        if busy {
            return refuse(self, 486);
        }
        let call = &mut self.calls[nth];
        call.answer = Some(answer.clone());
        call.spec = Some(spec);
        match self.manners.taking {
            Taking::Refuse(status) => refuse(self, status),
            Taking::Ring => self.endpoint.progress(now, usage, 180, None),
            Taking::AnswerAfter(after) => {
                self.endpoint.progress(now, usage, 180, None);
                self.plans.push((now + after, Plan::Answer(nth)));
            }
            Taking::EarlyMedia(after) => {
                self.endpoint.progress(now, usage, 183, Some(answer));
                self.speak_up(now, nth);
                self.plans.push((now + after, Plan::Answer(nth)));
            }
        }
    }
}
