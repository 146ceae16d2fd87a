//! One leg's offers and answers: what we said last, and what the two sides agreed on (RFC 3264).
//!
//! A [`Session`] lives as long as its leg. It keeps the `o=` version, the order of the `m=` lines (which may never change,
//! RFC 3264 8) and the payload types once given a meaning (8.3.2). A refused description changes nothing.

use super::error::SdpError;
use super::handshake::{Attributes, mid};
use super::parse::{Description, Media, parse_ip};
use super::payload::{COMFORT_NOISE, Events, PayloadTypes, formats};
use super::protection::{Asked, Protection, SrtpPolicy, Transport};
use super::spec::{Codec, Direction, MediaSpec};
use bytes::Bytes;
use smallvec::SmallVec;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What we like to be sent as Opus: speech of the 8 kHz band, one channel (RFC 7587 6.1).
const OPUS_FMTP: &str = "maxplaybackrate=16000;sprop-maxcapturerate=16000;stereo=0;sprop-stereo=0;useinbandfec=1";
#[derive(Clone, Debug)]
pub struct Session {
    id: u64,
    version: u64,
    pub(super) advertised: IpAddr,
    port: u16,
    /// What our side wants of the stream, whatever the peer asks for.
    wanted: Direction,
    /// Comfort noise is offered: the other side of the call takes it.
    pub noise: bool,
    /// The description last sent, from below its `o=` line.
    pub(super) sent: String,
    /// The one before, while an offer of fax is out, which may be refused.
    pub(super) before_fax: Option<String>,
    /// The codecs that it names, what goes beside them, and whether RTCP shares their port.
    said: (Vec<(u8, Codec)>, Events, bool),
    /// The `m=` lines of the peer's last offer, in order; our own first offer has one line.
    pub(super) lines: SmallVec<[Line; 1]>,
    payload_types: PayloadTypes,
    pub(super) protection: Protection,
    offer: Option<Offer>,
    /// Where the peer last was, for holds that blank the address.
    remote: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
pub(super) enum Line {
    /// The stream we take part in, with the transport that the peer named it by.
    Ours { transport: Transport },
    /// The same as fax, with the other machine's attributes.
    Fax(String),
    /// A stream answered with port 0: the line as it has to be repeated.
    Refused { kind: String, transport: String, formats: String, mid: Option<String> },
}

/// Our offer that an answer is due to. Kept after the answer: each branch of a forked call sends its own.
#[derive(Clone, Debug)]
struct Offer {
    codecs: Vec<(u8, Codec)>,
    events: Events,
    rtcp_mux: bool,
    wanted_before: Direction,
}

/// What one audio `m=` line of the peer says, as far as we can use it.
struct Stream {
    remote: SocketAddr,
    remote_rtcp: SocketAddr,
    codecs: Vec<(u8, Codec)>,
    events: Events,
    /// From the peer's point of view.
    direction: Direction,
    ptime_ms: u8,
    rtcp_mux: bool,
    asked: Asked,
}

impl Session {
    /// `id` is the session id of `o=`; `advertised` and `port` are where the peer is to send RTP (RTCP one above).
    pub fn new(id: u64, advertised: IpAddr, port: u16) -> Self {
        Self::protected(id, advertised, port, Protection::new(SrtpPolicy::Off, false, [0; 32]))
    }

    /// The same for a leg whose audio may or must be encrypted.
    pub fn protected(id: u64, advertised: IpAddr, port: u16, protection: Protection) -> Self {
        Self {
            id,
            version: 0,
            advertised,
            port,
            wanted: Direction::SendRecv,
            noise: false,
            sent: String::new(),
            before_fax: None,
            said: (Vec::new(), Events::default(), false),
            lines: SmallVec::from_iter([Line::Ours { transport: protection.transport() }]),
            payload_types: PayloadTypes::default(),
            protection,
            offer: None,
            remote: None,
        }
    }

    /// Telephone-event is neither offered nor agreed to.
    pub fn without_events(&mut self) {
        self.payload_types.events = Events::default();
    }

    /// A description that offers `codecs` (all, if none is named) in this order. `direction` is ours and holds until
    /// another offer or [`Session::want`] changes it.
    pub fn offer(&mut self, codecs: &[Codec], direction: Direction) -> Bytes {
        self.lines_for_audio();
        let codecs = if codecs.is_empty() { &Codec::ALL } else { codecs };
        let codecs: Vec<_> = codecs.iter().map(|codec| (self.payload_types.of(*codec), *codec)).collect();
        let mut events = self.payload_types.events;
        if !codecs.iter().any(|(_, codec)| *codec == Codec::Opus) {
            events.at_48000 = None;
        }
        events.noise = self.noise.then_some(COMFORT_NOISE);
        let wanted_before = self.offer.as_ref().map_or(self.wanted, |offer| offer.wanted_before);
        self.wanted = direction;
        let attributes = self.protection.write_offer(&self.candidate());
        let rtcp_mux = self.protection.offers_handshake();
        let text = self.text(&self.lines, (&codecs, events), (direction, 20), rtcp_mux, &attributes);
        self.said = (codecs.clone(), events, rtcp_mux);
        self.offer = Some(Offer { codecs, events, rtcp_mux, wanted_before });
        self.send(text)
    }

    /// The description last sent as an offer that changes nothing: the same version too (RFC 3264 8, RFC 4028 7.4).
    pub fn repeat(&mut self) -> Bytes {
        let (codecs, events, rtcp_mux) = self.said.clone();
        let wanted_before = self.offer.as_ref().map_or(self.wanted, |offer| offer.wanted_before);
        self.offer = Some(Offer { codecs, events, rtcp_mux, wanted_before });
        let sent = self.sent.clone();
        self.send(sent)
    }

    /// Our offer was refused: the stream goes on as it was (RFC 3264 8).
    pub fn withdraw_offer(&mut self) {
        if let Some(offer) = self.offer.take() {
            self.wanted = offer.wanted_before;
        }
        if let Some(before) = self.before_fax.take() {
            self.sent = before;
            self.version += 1;
        }
    }

    /// Answers the peer's offer. `preferred` is taken if it is offered; else the peer's first codec that we speak.
    pub fn handle_offer(&mut self, sdp: &[u8], preferred: Option<Codec>) -> Result<(Bytes, MediaSpec), SdpError> {
        let description = Description::parse(sdp)?;
        let (index, mut stream) = self.choose_stream(&description)?;
        if let Some(at) = stream.codecs.iter().position(|(_, codec)| Some(*codec) == preferred) {
            stream.codecs[..=at].rotate_right(1);
        }
        let (pt, codec) = *stream.codecs.first().ok_or(SdpError::NoCommonCodec)?;
        let direction = stream.direction.mirrored().and(self.wanted);
        let lines: SmallVec<_> =
            description.media.iter().enumerate().map(|(i, media)| Line::answering(media, i == index)).collect();
        let answered = [(pt, codec)];
        let (event, event_khz) = stream.events.beside(codec);
        let events = stream.events.only(event, codec);
        self.noise = events.noise.is_some();
        let attributes = self.protection.write_answer(&stream.asked, &self.candidate());
        let timing = (direction, stream.ptime_ms);
        let text = self.text(&lines, (&answered, events), timing, stream.rtcp_mux, &attributes);
        let answer = self.send(text);

        self.said = (answered.to_vec(), events, stream.rtcp_mux);
        self.lines = lines;
        self.offer = None;
        self.remote = Some(stream.remote);
        self.payload_types.learn(&stream.codecs, stream.events);
        let spec = MediaSpec {
            remote: stream.remote,
            remote_rtcp: stream.remote_rtcp,
            rtcp_mux: stream.rtcp_mux,
            codec,
            send_pt: pt,
            recv_pt: pt,
            accepted: stream.codecs,
            event_send_pt: event,
            event_recv_pt: event,
            event_khz,
            noise: events.noise,
            direction,
            ptime_ms: stream.ptime_ms,
            security: self.protection.agree(&stream.asked),
        };
        Ok((answer, spec))
    }

    /// Takes the peer's answer to our last offer. Each branch of a forked call may answer the same offer.
    pub fn handle_answer(&mut self, sdp: &[u8]) -> Result<MediaSpec, SdpError> {
        let offer = self.offer.as_ref().ok_or(SdpError::AnswerWithoutOffer)?;
        let description = Description::parse(sdp)?;
        let index = self.lines.iter().position(|line| !line.is_refused()).unwrap_or(0);
        let media = description.media.get(index).filter(|media| media.is_audio()).ok_or(SdpError::NoAudio)?;
        let mut stream = self.read_stream(&description, media, self.protection.answered(&description, media))?;
        stream.codecs.retain(|(_, codec)| offer.codecs.iter().any(|(_, ours)| ours == codec));
        let (send_pt, codec) = *stream.codecs.first().ok_or(SdpError::NoCommonCodec)?;
        let (event, event_khz) = stream.events.beside(codec);
        let recv_pt = offer.codecs.iter().find(|(_, ours)| *ours == codec).map_or(send_pt, |(pt, _)| *pt);
        let spec = MediaSpec {
            remote: stream.remote,
            remote_rtcp: stream.remote_rtcp,
            // Only what was offered may be answered (RFC 5761 5.1.1).
            rtcp_mux: stream.rtcp_mux && offer.rtcp_mux,
            codec,
            send_pt,
            recv_pt,
            accepted: offer.codecs.clone(),
            event_send_pt: event,
            event_recv_pt: event.and(offer.events.at(event_khz)),
            event_khz,
            noise: offer.events.noise.and(stream.events.only(event, codec).noise),
            direction: stream.direction.mirrored().and(self.wanted),
            ptime_ms: stream.ptime_ms,
            security: self.protection.agree(&stream.asked),
        };
        self.remote = Some(stream.remote);
        Ok(spec)
    }

    /// The first audio line that we can take; if there is none, what is wrong with the first that was tried.
    fn choose_stream(&self, description: &Description<'_>) -> Result<(usize, Stream), SdpError> {
        let mut fault = SdpError::NoAudio;
        for (index, media) in description.media.iter().enumerate().filter(|(_, media)| media.is_audio()) {
            match self.read_stream(description, media, self.protection.asked(description, media)) {
                Ok(stream) => return Ok((index, stream)),
                Err(error) if fault == SdpError::NoAudio => fault = error,
                Err(_) => {}
            }
        }
        Err(fault)
    }

    fn read_stream(
        &self,
        description: &Description<'_>,
        media: &Media<'_>,
        asked: Result<Asked, SdpError>,
    ) -> Result<Stream, SdpError> {
        if media.port == 0 {
            return Err(SdpError::NoAudio);
        }
        let asked = asked?;
        let (codecs, mut events) = formats(media);
        if self.payload_types.events == Events::default() {
            events = Events { noise: events.noise, ..Events::default() };
        }
        if codecs.is_empty() {
            return Err(SdpError::NoCommonCodec);
        }
        let attribute = |name| media.section.attribute(name).or_else(|| description.session.attribute(name));
        let address = media.section.connection().or_else(|| description.session.connection());
        let nowhere =
            if self.advertised.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let mut ip = if asked.checks() { nowhere } else { address.ok_or(SdpError::NoAddress)?? };
        let said = media.section.direction().or_else(|| description.session.direction());
        let mut direction = said.unwrap_or(Direction::SendRecv);
        if ip.is_unspecified() && !asked.checks() {
            // The hold of RFC 2543: the peer takes nothing, and what it sends comes from where it was.
            direction = direction.and(Direction::SendOnly);
            ip = self.remote.map_or(ip, |remote| remote.ip());
        } else if ip.is_ipv4() != self.advertised.is_ipv4() {
            return Err(SdpError::AddressFamily);
        }
        let remote = SocketAddr::new(ip, media.port);
        let rtcp_mux = media.section.attribute("rtcp-mux").is_some();
        let remote_rtcp = if rtcp_mux { remote } else { rtcp_address(media.section.attribute("rtcp"), remote) };
        let ptime_ms = packet_time(attribute("ptime"), attribute("maxptime"));
        Ok(Stream { remote, remote_rtcp, codecs, events, direction, ptime_ms, rtcp_mux, asked })
    }

    /// Where the peer is to send, as a candidate says it.
    fn candidate(&self) -> String {
        format!("{} {}", self.advertised, self.port)
    }

    /// A description from below its `o=` line.
    pub(super) fn text(
        &self,
        lines: &[Line],
        (codecs, events): (&[(u8, Codec)], Events),
        (direction, ptime_ms): (Direction, u8),
        rtcp_mux: bool,
        attributes: &Attributes,
    ) -> String {
        let mut text = String::with_capacity(320);
        // Writing to a String cannot fail; each result is dropped for that reason.
        let (family, ip, session) = (family(self.advertised), self.advertised, &attributes.session);
        let _ = write!(text, "s=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n{session}");
        for line in lines {
            let transport = match line {
                Line::Refused { kind, transport, formats, mid } => {
                    let _ = write!(text, "m={kind} 0 {transport} {formats}\r\n");
                    if let Some(mid) = mid {
                        let _ = write!(text, "a=mid:{mid}\r\n");
                    }
                    continue;
                }
                Line::Fax(attributes) => {
                    let _ = write!(text, "m=image {} udptl t38\r\n{attributes}", self.port);
                    continue;
                }
                Line::Ours { transport } => transport.name(),
            };
            let _ = write!(text, "m=audio {} {transport}", self.port);
            let noise = events.noise;
            let events = [(events.at_8000, "8000"), (events.at_48000, "48000")];
            let events = events.into_iter().filter_map(|(pt, clock)| Some((pt?, clock)));
            for pt in codecs.iter().map(|(pt, _)| *pt).chain(noise).chain(events.clone().map(|(pt, _)| pt)) {
                let _ = write!(text, " {pt}");
            }
            text.push_str("\r\n");
            for (pt, codec) in codecs {
                let _ = write!(text, "a=rtpmap:{pt} {}/{}\r\n", codec.name(), codec.clock());
                if *codec == Codec::Opus {
                    let _ = write!(text, "a=fmtp:{pt} {OPUS_FMTP}\r\n");
                }
            }
            if let Some(pt) = noise {
                let _ = write!(text, "a=rtpmap:{pt} CN/8000\r\n");
            }
            for (pt, clock) in events {
                let _ = write!(text, "a=rtpmap:{pt} telephone-event/{clock}\r\na=fmtp:{pt} 0-15\r\n");
            }
            let mux = if rtcp_mux { "a=rtcp-mux\r\n" } else { "" };
            let (direction, stream) = (attribute_of(direction), &attributes.stream);
            let _ = write!(text, "a=ptime:{ptime_ms}\r\na={direction}\r\n{mux}{stream}");
        }
        text
    }

    /// Puts the head before `below`. The version grows when, and only when, something changed (RFC 3264 8).
    pub(super) fn send(&mut self, below: String) -> Bytes {
        if below != self.sent {
            self.version += 1;
            self.sent = below;
        }
        let (family, ip) = (family(self.advertised), self.advertised);
        Bytes::from(format!("v=0\r\no=- {} {} IN {family} {ip}\r\n{}", self.id, self.version, self.sent))
    }
}

impl Line {
    pub fn is_refused(&self) -> bool {
        matches!(self, Line::Refused { .. })
    }

    pub fn answering(media: &Media<'_>, ours: bool) -> Self {
        if let (true, Some(transport)) = (ours, Transport::of(media)) {
            return Line::Ours { transport };
        }
        let (kind, transport, formats) = (media.kind.into(), media.transport.into(), media.formats.into());
        Line::Refused { kind, transport, formats, mid: mid(media) }
    }
}

/// `a=rtcp:port [IN IP4 address]` (RFC 3605); without a usable one, the port above RTP's.
fn rtcp_address(attribute: Option<&str>, rtp: SocketAddr) -> SocketAddr {
    let next = SocketAddr::new(rtp.ip(), rtp.port().checked_add(1).unwrap_or(rtp.port()));
    let Some(value) = attribute else { return next };
    let mut parts = value.split_ascii_whitespace();
    let Some(port) = parts.next().and_then(|port| port.parse().ok()).filter(|port| *port != 0) else { return next };
    let ip = parts.nth(2).and_then(|host| parse_ip(host).ok());
    let ip = ip.filter(|ip| ip.is_ipv4() == rtp.is_ipv4() && !ip.is_unspecified());
    SocketAddr::new(ip.unwrap_or(rtp.ip()), port)
}

/// What the peer likes to receive, in whole 10 ms from 10 to 60; 20 where it does not say (RFC 3551 4.2).
fn packet_time(ptime: Option<&str>, maxptime: Option<&str>) -> u8 {
    let number = |text: Option<&str>| {
        let digits = text?.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u32>().ok().filter(|ms| *ms > 0)
    };
    let ms = number(ptime).unwrap_or(20).min(number(maxptime).unwrap_or(60)).clamp(10, 60);
    u8::try_from(ms / 10 * 10).unwrap_or(20)
}

fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IP4" } else { "IP6" }
}

fn attribute_of(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
pub(super) mod tests;
