//! Fax by T.38 over UDPTL (ITU-T T.38 annex D, RFC 3362): an `image` line, usually in the place of the audio's, as RFC 3264
//! 8.3.3 has it for the same matter in another form.
//!
//! What the datagrams hold and what the attributes mean is between the two machines. Attributes are passed on as they come.

use super::error::SdpError;
use super::parse::{Description, Media};
use super::session::{Line, Session};
use super::spec::Direction;
use bytes::Bytes;
use smallvec::SmallVec;
use std::net::SocketAddr;

/// One side's `image` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fax {
    pub remote: SocketAddr,
    /// Whole lines.
    attributes: String,
}

impl Session {
    /// The fax that an offer asks for, if it has no audio beside it. What is wrong with it otherwise is told as of any offer.
    pub fn fax_asked(&self, sdp: &[u8]) -> Option<Fax> {
        let description = Description::parse(sdp).ok()?;
        let audio = description.media.iter().any(|media| media.is_audio() && media.port != 0);
        let (_, image) = description.media.iter().enumerate().find(|(_, media)| is_fax(media)).filter(|_| !audio)?;
        self.read_fax(&description, image).ok()
    }

    /// What was said last, and agreed to, is fax.
    pub fn is_fax(&self) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Fax(_)))
    }

    /// Offers the other side's fax in the place of our audio.
    pub fn offer_fax(&mut self, fax: &Fax) -> Bytes {
        let lines: SmallVec<[Line; 1]> = self.lines.iter().map(|line| line.with_fax(fax)).collect();
        self.before_fax = Some(self.sent.clone());
        self.send_lines(&lines)
    }

    /// Answers an offer of fax with the other side's. Audio comes back by an offer of either side.
    pub fn answer_fax(&mut self, sdp: &[u8], fax: &Fax) -> Result<(Bytes, SocketAddr), SdpError> {
        let description = Description::parse(sdp)?;
        let index = description.media.iter().position(is_fax).ok_or(SdpError::NoFax)?;
        let theirs = description.media.get(index).map(|media| self.read_fax(&description, media)).transpose()?;
        let theirs = theirs.ok_or(SdpError::NoFax)?;
        let lines = description.media.iter().enumerate();
        let lines: SmallVec<[Line; 1]> = lines
            .map(
                |(n, media)| if n == index { Line::Fax(fax.attributes.clone()) } else { Line::answering(media, false) },
            )
            .collect();
        let answer = self.send_lines(&lines);
        self.lines = lines;
        Ok((answer, theirs.remote))
    }

    /// Takes the answer to [`Session::offer_fax`].
    pub fn handle_fax_answer(&mut self, sdp: &[u8]) -> Result<Fax, SdpError> {
        let index = self.lines.iter().position(|line| !line.is_refused()).ok_or(SdpError::NoFax)?;
        let description = Description::parse(sdp)?;
        let media = description.media.get(index).filter(|media| is_fax(media)).ok_or(SdpError::NoFax)?;
        let fax = self.read_fax(&description, media)?;
        if let Some(line) = self.lines.get_mut(index) {
            *line = line.with_fax(&fax);
        }
        self.before_fax = None;
        Ok(fax)
    }

    /// Where fax was comes audio, unless the audio's own line is still there.
    pub(super) fn lines_for_audio(&mut self) {
        self.before_fax = None;
        let Some(fax) = self.lines.iter().position(|line| matches!(line, Line::Fax(_))) else { return };
        let audio = |line: &Line| matches!(line, Line::Refused { kind, .. } if kind.eq_ignore_ascii_case("audio"));
        let place = self.lines.iter().position(audio).unwrap_or(fax);
        let (kind, transport, formats) = ("image".into(), "udptl".into(), "t38".into());
        let refused = Line::Refused { kind, transport, formats, mid: None };
        for (at, line) in [(fax, refused), (place, Line::Ours { transport: self.protection.transport() })] {
            if let Some(old) = self.lines.get_mut(at) {
                *old = line;
            }
        }
    }

    fn read_fax(&self, description: &Description<'_>, media: &Media<'_>) -> Result<Fax, SdpError> {
        let ip = description.address(media)?;
        if ip.is_unspecified() || ip.is_ipv4() != self.advertised.is_ipv4() {
            return Err(SdpError::AddressFamily);
        }
        let mut attributes = String::new();
        // What else the party says of its stream, as its network, is not the other party's business.
        let of_t38 = |name: &str| name.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("T38"));
        let whole = |text: &str| !text.bytes().any(|octet| octet.is_ascii_control());
        for (name, value) in media.section.attributes() {
            if !of_t38(name) || !whole(name) || !whole(value) {
                continue;
            }
            let colon = if value.is_empty() { "" } else { ":" };
            attributes.extend(["a=", name, colon, value, "\r\n"]);
        }
        Ok(Fax { remote: SocketAddr::new(ip, media.port), attributes })
    }

    fn send_lines(&mut self, lines: &[Line]) -> Bytes {
        let text = self.text(lines, Default::default(), (Direction::SendRecv, 20), false, &Default::default());
        self.send(text)
    }
}

impl Line {
    /// The stream that we take part in, as fax.
    fn with_fax(&self, fax: &Fax) -> Line {
        if self.is_refused() { self.clone() } else { Line::Fax(fax.attributes.clone()) }
    }
}

fn is_fax(media: &Media<'_>) -> bool {
    media.port != 0
        && media.kind.eq_ignore_ascii_case("image")
        && media.transport.eq_ignore_ascii_case("udptl")
        && media.formats.eq_ignore_ascii_case("t38")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Codec;

    const ATTRIBUTES: &str =
        "a=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxFillBitRemoval\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";

    fn session() -> Session {
        Session::new(7, "192.0.2.9".parse().unwrap(), 20_000)
    }

    fn described(lines: &str) -> Vec<u8> {
        format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}").into_bytes()
    }

    fn media_of(sdp: &[u8]) -> String {
        let text = String::from_utf8(sdp.to_vec()).unwrap();
        text.find("m=").map(|at| text[at..].to_owned()).unwrap()
    }

    fn audio(session: &mut Session) {
        session.handle_offer(&described("m=audio 4000 RTP/AVP 8\r\n"), None).unwrap();
    }

    #[test]
    fn fax_is_offered_in_the_audios_place_and_answered_with_what_the_other_machine_said() {
        let (mut near, mut far) = (session(), session());
        audio(&mut near);
        far.offer(&[Codec::Pcma], Direction::SendRecv);
        far.handle_answer(&described("m=audio 6000 RTP/AVP 8\r\n")).unwrap();

        let asked = described(&format!("m=image 4002 udptl t38\r\n{ATTRIBUTES}"));
        let fax = near.fax_asked(&asked).unwrap();
        assert_eq!(fax.remote.to_string(), "192.0.2.1:4002");
        assert_eq!(media_of(&far.offer_fax(&fax)), format!("m=image 20000 udptl t38\r\n{ATTRIBUTES}"));

        let said = "a=T38FaxVersion:0\r\na=T38MaxBitRate:9600\r\n";
        let fax = far.handle_fax_answer(&described(&format!("m=image 6002 UDPTL T38\r\n{said}"))).unwrap();
        assert_eq!(fax.remote.port(), 6002);
        let (answer, remote) = near.answer_fax(&asked, &fax).unwrap();
        assert_eq!(media_of(&answer), format!("m=image 20000 udptl t38\r\n{said}"));
        assert_eq!(remote.port(), 4002);

        // And back: one side asks, the other is asked.
        let (answer, spec) = near.handle_offer(&described("m=audio 4000 RTP/AVP 8\r\n"), None).unwrap();
        assert!(media_of(&answer).starts_with("m=audio 20000 RTP/AVP 8\r\n"));
        assert_eq!(spec.remote.port(), 4000);
        let offer = far.offer(&[Codec::Pcma], Direction::SendRecv);
        assert!(media_of(&offer).starts_with("m=audio 20000 RTP/AVP 8 101\r\n"), "{offer:?}");
        assert!(far.handle_answer(&described("m=audio 6000 RTP/AVP 8\r\n")).is_ok());
    }

    #[test]
    fn only_what_describes_the_fax_goes_on_to_the_other_party() {
        let more = "a=T38FaxVersion:0\r\na=T38VendorInfo:\u{7}\r\na=sendrecv\r\na=rtcp:4003 IN IP4 10.0.0.7\r\na=t38faxmaxbuffer:72\r\n";
        let asked = described(&format!("m=image 4002 udptl t38\r\n{more}"));
        let fax = session().fax_asked(&asked).unwrap();
        assert_eq!(fax.attributes, "a=T38FaxVersion:0\r\na=t38faxmaxbuffer:72\r\n");
    }

    #[test]
    fn fax_on_a_line_of_its_own_beside_refused_audio_leaves_each_line_its_place() {
        let mut session = session();
        audio(&mut session);
        let asked = described("m=audio 0 RTP/AVP 8\r\nm=image 4002 udptl t38\r\na=T38FaxVersion:0\r\n");
        let fax = session.fax_asked(&asked).unwrap();
        let (answer, _) = session.answer_fax(&asked, &fax).unwrap();
        assert_eq!(media_of(&answer), "m=audio 0 RTP/AVP 8\r\nm=image 20000 udptl t38\r\na=T38FaxVersion:0\r\n");
        let offer = media_of(&session.offer(&[Codec::Pcma], Direction::SendRecv));
        assert!(offer.starts_with("m=audio 20000 RTP/AVP 8 101\r\n"), "{offer}");
        assert!(offer.ends_with("m=image 0 udptl t38\r\n"), "{offer}");
    }

    #[test]
    fn a_refused_fax_leaves_the_audio_as_it_was_told_last() {
        let mut session = session();
        session.offer(&[Codec::Pcma], Direction::SendRecv);
        session.handle_answer(&described("m=audio 6000 RTP/AVP 8\r\n")).unwrap();
        let before = media_of(&session.repeat());
        let fax = session.fax_asked(&described("m=image 4002 udptl t38\r\n")).unwrap();
        session.offer_fax(&fax);
        assert_eq!(session.handle_fax_answer(&described("m=image 0 udptl t38\r\n")), Err(SdpError::NoFax));
        session.withdraw_offer();
        let repeated = session.repeat();
        assert_eq!(media_of(&repeated), before);
        assert!(
            repeated.starts_with(b"v=0\r\no=- 7 3 "),
            "a description that differs from the last has another version"
        );
    }

    #[test]
    fn what_is_no_fax_or_has_audio_beside_it_is_not_taken_for_fax() {
        let session = session();
        for lines in [
            "m=image 0 udptl t38\r\n",
            "m=image 4002 TCP t38\r\n",
            "m=image 4002 udptl jpeg\r\n",
            "m=video 4002 RTP/AVP 96\r\n",
            "m=audio 4000 RTP/AVP 8\r\nm=image 4002 udptl t38\r\n",
            "m=image 4002 udptl t38\r\nc=IN IP4 0.0.0.0\r\n",
            "m=image 4002 udptl t38\r\nc=IN IP4 fax.example.org\r\n",
            "m=image 4002 udptl t38\r\nc=IN IP6 2001:db8::1\r\n",
            "",
        ] {
            assert_eq!(session.fax_asked(&described(lines)), None, "{lines}");
        }
    }

    #[test]
    fn other_media_are_refused_line_by_line_in_a_re_offer_too() {
        let mut session = session();
        let lines = "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=audio 4000 RTP/AVP 8\r\n\
                     m=image 4002 udptl t38\r\nm=application 5002 TCP/BFCP *\r\nm=text 5004 RTP/AVP 98\r\n";
        for _ in 0..2 {
            let (answer, _) = session.handle_offer(&described(lines), None).unwrap();
            let answer = media_of(&answer);
            let answered: Vec<_> = answer.lines().filter(|line| line.starts_with("m=")).collect();
            assert_eq!(
                answered,
                [
                    "m=video 0 RTP/AVP 96",
                    "m=audio 20000 RTP/AVP 8",
                    "m=image 0 udptl t38",
                    "m=application 0 TCP/BFCP *",
                    "m=text 0 RTP/AVP 98"
                ]
            );
        }
    }
}
