//! One leg's offers and answers: what we said last, and what the two sides agreed on (RFC 3264).
//!
//! A [`Session`] lives as long as its leg. It keeps the `o=` version, the order of the `m=` lines (which may never change,
//! RFC 3264 8) and the payload types once given a meaning (8.3.2). A refused description changes nothing.

use super::error::SdpError;
use super::parse::{Description, Media, parse_ip};
use super::protection::{Asked, Protection, SrtpPolicy, Transport};
use super::spec::{Codec, Direction, MediaSpec};
use bytes::Bytes;
use smallvec::SmallVec;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// telephone-event in our own offers; dynamic, and by long custom this one.
const EVENT_PT: u8 = 101;
/// Payload types looked at in one `m=` line. A browser offers about 15.
const MAX_FORMATS: usize = 64;

#[derive(Clone, Debug)]
pub struct Session {
    id: u64,
    version: u64,
    advertised: IpAddr,
    port: u16,
    /// What our side wants of the stream, whatever the peer asks for.
    wanted: Direction,
    /// The description last sent, from below its `o=` line.
    sent: String,
    /// The codecs that it names, and whether RTCP shares their port.
    said: (Vec<(u8, Codec)>, bool),
    /// The `m=` lines of the peer's last offer, in order; our own first offer has one line.
    lines: SmallVec<[Line; 1]>,
    payload_types: PayloadTypes,
    protection: Protection,
    offer: Option<Offer>,
    /// Where the peer last was, for holds that blank the address.
    remote: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
enum Line {
    /// The stream we take part in, with the transport that the peer named it by.
    Ours { transport: Transport },
    /// A stream answered with port 0: the line as it has to be repeated.
    Refused { kind: String, transport: String, formats: String },
}

#[derive(Clone, Copy, Debug)]
struct PayloadTypes {
    pcmu: u8,
    pcma: u8,
    event: u8,
}

/// Our offer that an answer is due to. Kept after the answer: each branch of a forked call sends its own.
#[derive(Clone, Debug)]
struct Offer {
    codecs: Vec<(u8, Codec)>,
    event: u8,
    rtcp_mux: bool,
    wanted_before: Direction,
}

/// What one audio `m=` line of the peer says, as far as we can use it.
struct Stream {
    remote: SocketAddr,
    remote_rtcp: SocketAddr,
    codecs: Vec<(u8, Codec)>,
    event: Option<u8>,
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
            sent: String::new(),
            said: (Vec::new(), false),
            lines: SmallVec::from_iter([Line::Ours { transport: protection.transport() }]),
            payload_types: PayloadTypes {
                pcmu: Codec::Pcmu.payload_type(),
                pcma: Codec::Pcma.payload_type(),
                event: EVENT_PT,
            },
            protection,
            offer: None,
            remote: None,
        }
    }

    /// A description that offers `codecs` (all, if none is named) in this order. `direction` is ours and holds until
    /// another offer or [`Session::want`] changes it.
    pub fn offer(&mut self, codecs: &[Codec], direction: Direction) -> Bytes {
        let codecs = if codecs.is_empty() { &[Codec::Pcmu, Codec::Pcma] } else { codecs };
        let codecs: Vec<_> = codecs.iter().map(|codec| (self.payload_types.of(*codec), *codec)).collect();
        let event = self.payload_types.event;
        let wanted_before = self.offer.as_ref().map_or(self.wanted, |offer| offer.wanted_before);
        self.wanted = direction;
        let mut attributes = String::new();
        self.protection.write_offer(&mut attributes);
        let text = self.text(&self.lines, &codecs, Some(event), direction, 20, &attributes);
        self.said = (codecs.clone(), false);
        self.offer = Some(Offer { codecs, event, rtcp_mux: false, wanted_before });
        self.send(text)
    }

    /// The description last sent as an offer that changes nothing: the same version too (RFC 3264 8, RFC 4028 7.4).
    pub fn repeat(&mut self) -> Bytes {
        let (codecs, rtcp_mux) = self.said.clone();
        let wanted_before = self.offer.as_ref().map_or(self.wanted, |offer| offer.wanted_before);
        self.offer = Some(Offer { codecs, event: self.payload_types.event, rtcp_mux, wanted_before });
        let sent = self.sent.clone();
        self.send(sent)
    }

    /// Our offer was refused: the stream goes on as it was (RFC 3264 8).
    pub fn withdraw_offer(&mut self) {
        if let Some(offer) = self.offer.take() {
            self.wanted = offer.wanted_before;
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
        let mut attributes = String::from(if stream.rtcp_mux { "a=rtcp-mux\r\n" } else { "" });
        self.protection.write_answer(stream.asked, &mut attributes);
        let text = self.text(&lines, &answered, stream.event, direction, stream.ptime_ms, &attributes);
        let answer = self.send(text);

        self.said = (answered.to_vec(), stream.rtcp_mux);
        self.lines = lines;
        self.offer = None;
        self.remote = Some(stream.remote);
        self.payload_types.learn(&stream.codecs, stream.event);
        let spec = MediaSpec {
            remote: stream.remote,
            remote_rtcp: stream.remote_rtcp,
            rtcp_mux: stream.rtcp_mux,
            codec,
            send_pt: pt,
            recv_pt: pt,
            accepted: stream.codecs,
            event_send_pt: stream.event,
            event_recv_pt: stream.event,
            direction,
            ptime_ms: stream.ptime_ms,
            security: self.protection.agree(stream.asked),
        };
        Ok((answer, spec))
    }

    /// Takes the peer's answer to our last offer. Each branch of a forked call may answer the same offer.
    pub fn handle_answer(&mut self, sdp: &[u8]) -> Result<MediaSpec, SdpError> {
        let offer = self.offer.as_ref().ok_or(SdpError::AnswerWithoutOffer)?;
        let description = Description::parse(sdp)?;
        let index = self.lines.iter().position(|line| matches!(line, Line::Ours { .. })).unwrap_or(0);
        let media = description.media.get(index).filter(|media| media.is_audio()).ok_or(SdpError::NoAudio)?;
        let mut stream = self.read_stream(&description, media, self.protection.answered(media))?;
        stream.codecs.retain(|(_, codec)| offer.codecs.iter().any(|(_, ours)| ours == codec));
        let (send_pt, codec) = *stream.codecs.first().ok_or(SdpError::NoCommonCodec)?;
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
            event_send_pt: stream.event,
            event_recv_pt: stream.event.map(|_| offer.event),
            direction: stream.direction.mirrored().and(self.wanted),
            ptime_ms: stream.ptime_ms,
            security: self.protection.agree(stream.asked),
        };
        self.remote = Some(stream.remote);
        Ok(spec)
    }

    /// The first audio line that we can take; if there is none, what is wrong with the first that was tried.
    fn choose_stream(&self, description: &Description<'_>) -> Result<(usize, Stream), SdpError> {
        let mut fault = SdpError::NoAudio;
        for (index, media) in description.media.iter().enumerate().filter(|(_, media)| media.is_audio()) {
            match self.read_stream(description, media, self.protection.asked(media)) {
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
        let (codecs, event) = formats(media);
        if codecs.is_empty() {
            return Err(SdpError::NoCommonCodec);
        }
        let attribute = |name| media.section.attribute(name).or_else(|| description.session.attribute(name));
        let address = media.section.connection().or_else(|| description.session.connection());
        let mut ip = address.ok_or(SdpError::NoAddress)??;
        let said = media.section.direction().or_else(|| description.session.direction());
        let mut direction = said.unwrap_or(Direction::SendRecv);
        if ip.is_unspecified() {
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
        Ok(Stream { remote, remote_rtcp, codecs, event, direction, ptime_ms, rtcp_mux, asked })
    }

    /// A description from below its `o=` line.
    fn text(
        &self,
        lines: &[Line],
        codecs: &[(u8, Codec)],
        event: Option<u8>,
        direction: Direction,
        ptime_ms: u8,
        attributes: &str,
    ) -> String {
        let mut text = String::with_capacity(320);
        // Writing to a String cannot fail; each result is dropped for that reason.
        let _ = write!(text, "s=-\r\nc=IN {} {}\r\nt=0 0\r\n", family(self.advertised), self.advertised);
        for line in lines {
            let transport = match line {
                Line::Refused { kind, transport, formats } => {
                    let _ = write!(text, "m={kind} 0 {transport} {formats}\r\n");
                    continue;
                }
                Line::Ours { transport } => transport.name(),
            };
            let _ = write!(text, "m=audio {} {transport}", self.port);
            for pt in codecs.iter().map(|(pt, _)| *pt).chain(event) {
                let _ = write!(text, " {pt}");
            }
            text.push_str("\r\n");
            for (pt, codec) in codecs {
                let _ = write!(text, "a=rtpmap:{pt} {}/8000\r\n", codec.name());
            }
            if let Some(pt) = event {
                let _ = write!(text, "a=rtpmap:{pt} telephone-event/8000\r\na=fmtp:{pt} 0-15\r\n");
            }
            let _ = write!(text, "a=ptime:{ptime_ms}\r\na={}\r\n{attributes}", attribute_of(direction));
        }
        text
    }

    /// Puts the head before `below`. The version grows when, and only when, something changed (RFC 3264 8).
    fn send(&mut self, below: String) -> Bytes {
        if below != self.sent {
            self.version += 1;
            self.sent = below;
        }
        let (family, ip) = (family(self.advertised), self.advertised);
        Bytes::from(format!("v=0\r\no=- {} {} IN {family} {ip}\r\n{}", self.id, self.version, self.sent))
    }
}

impl Line {
    fn answering(media: &Media<'_>, ours: bool) -> Self {
        if let (true, Some(transport)) = (ours, Transport::of(media)) {
            return Line::Ours { transport };
        }
        let (kind, transport, formats) = (media.kind.into(), media.transport.into(), media.formats.into());
        Line::Refused { kind, transport, formats }
    }
}

impl PayloadTypes {
    fn of(self, codec: Codec) -> u8 {
        match codec {
            Codec::Pcmu => self.pcmu,
            Codec::Pcma => self.pcma,
        }
    }

    /// Keeps the numbers that the peer gave, and moves ours out of their way.
    fn learn(&mut self, codecs: &[(u8, Codec)], event: Option<u8>) {
        let theirs = |wanted| codecs.iter().find(|(_, codec)| *codec == wanted).map(|(pt, _)| *pt);
        self.pcmu = theirs(Codec::Pcmu).unwrap_or(self.pcmu);
        self.pcma = theirs(Codec::Pcma).unwrap_or(self.pcma);
        self.event = event.unwrap_or(self.event);
        let spare = |taken: [u8; 2]| (96..=127).find(|pt| !taken.contains(pt)).unwrap_or(EVENT_PT);
        if self.pcmu == self.pcma {
            // The peer named one codec by the static number of the other.
            match theirs(Codec::Pcmu) {
                Some(_) => self.pcma = spare([self.pcmu, self.event]),
                None => self.pcmu = spare([self.pcma, self.event]),
            }
        }
        if [self.pcmu, self.pcma].contains(&self.event) {
            self.event = spare([self.pcmu, self.pcma]);
        }
    }
}

/// The audio payload types of an `m=` line that we speak, in the peer's order, and that of telephone-event.
fn formats(media: &Media<'_>) -> (Vec<(u8, Codec)>, Option<u8>) {
    let mut codecs: Vec<(u8, Codec)> = Vec::with_capacity(2);
    let mut event = None;
    let types = media.formats.split_ascii_whitespace().take(MAX_FORMATS);
    for pt in types.filter_map(|pt| pt.parse::<u8>().ok()).filter(|pt| *pt < 128) {
        let maps = media.section.attributes().filter(|(name, _)| name.eq_ignore_ascii_case("rtpmap"));
        let named = maps.filter_map(|(_, value)| value.split_once([' ', '\t'])).find(|(of, _)| of.parse() == Ok(pt));
        match (pt, named.map(|(_, encoding)| encoding)) {
            (_, Some(encoding)) if is_encoding(encoding, "telephone-event") => event = event.or(Some(pt)),
            (_, Some(encoding)) if is_encoding(encoding, "PCMU") => codecs.push((pt, Codec::Pcmu)),
            (_, Some(encoding)) if is_encoding(encoding, "PCMA") => codecs.push((pt, Codec::Pcma)),
            // Static types need no rtpmap (RFC 3551 6).
            (0, None) => codecs.push((pt, Codec::Pcmu)),
            (8, None) => codecs.push((pt, Codec::Pcma)),
            _ => {}
        }
    }
    // One number per codec is enough, and one number means one thing.
    let mut first = SmallVec::<[(u8, Codec); 2]>::new();
    codecs.retain(|(pt, codec)| {
        let new = !first.iter().any(|(seen_pt, seen)| seen == codec || seen_pt == pt);
        if new {
            first.push((*pt, *codec));
        }
        new
    });
    (codecs, event)
}

/// `name/8000`, `name/8000/1`. Another clock rate or a second channel is another format.
fn is_encoding(encoding: &str, name: &str) -> bool {
    let mut parts = encoding.trim().split('/');
    parts.next().is_some_and(|found| found.eq_ignore_ascii_case(name))
        && parts.next().is_none_or(|rate| rate.trim() == "8000")
        && parts.next().is_none_or(|channels| channels.trim() == "1")
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
mod tests;
