//! A phone that is a gateway of a fax machine: T.38 by hand-written descriptions, and pages as datagrams.

use super::*;

pub const ATTRIBUTES: &str = "a=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";

/// A fax under way.
#[derive(Clone, Debug)]
pub struct Faxing {
    remote: SocketAddr,
    sequence: u16,
    /// What the other machine said of itself.
    pub told: String,
}

impl Phone {
    fn fax_lines(&self, call: &PhoneCall) -> Bytes {
        let ip = self.peer.local.ip();
        let head = format!("v=0\r\no=- {} 9 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n", call.port);
        let own = format!("a=T38VendorInfo:{}\r\n", self.voice);
        Bytes::from(format!("{head}m=image {} udptl t38\r\n{ATTRIBUTES}{own}", call.port))
    }

    /// Asks the other party for a fax instead of the talk.
    pub fn ask_for_fax(&mut self, now: Instant) {
        let call = self.calls.last().expect("a call");
        let (usage, offer) = (call.usage, self.fax_lines(call));
        self.endpoint.reinvite(now, usage, offer).expect("no other offer under way");
    }

    /// Takes the description of a fax, offered or answered. False for any other.
    pub(super) fn take_fax(&mut self, now: Instant, nth: usize, sdp: &[u8]) -> bool {
        let text = std::str::from_utf8(sdp).expect("text");
        let Some((above, below)) = text.split_once("m=image ") else { return false };
        let (port, told) = below.split_once(" udptl t38\r\n").expect("T.38 over UDPTL");
        let (_, ip) = above.split_once("c=IN IP4 ").expect("an address");
        let ip = ip.lines().next().and_then(|ip| ip.parse().ok()).expect("an address");
        let remote = SocketAddr::new(ip, port.parse().expect("a port"));
        if remote.port() == 0 {
            return false;
        }
        self.calls[nth].fax = Some(Faxing { remote, sequence: 0, told: told.to_owned() });
        self.speak_up(now, nth);
        true
    }

    /// Answers an offer of fax as the phone's manners are. False for any other offer.
    pub(super) fn answer_fax(&mut self, now: Instant, nth: usize, sdp: &[u8]) -> bool {
        let usage = self.calls[nth].usage;
        if !self.manners.takes_fax || !self.take_fax(now, nth, sdp) {
            return false;
        }
        let answer = self.fax_lines(&self.calls[nth]);
        self.endpoint.answer_reoffer(now, usage, Ok(answer), &[]);
        true
    }

    /// The next datagram of a page: its number, and whose it is.
    pub(super) fn send_page(&mut self, nth: usize) -> bool {
        let call = &mut self.calls[nth];
        let Some(fax) = call.fax.as_mut().filter(|_| !matches!(call.state, State::Over(_))) else { return false };
        if !self.manners.talks {
            return true;
        }
        let [high, low] = fax.sequence.to_be_bytes();
        fax.sequence += 1;
        self.packets.push((call.port, fax.remote, vec![high, low, 3, 0xc0, 0x01, 0x80, 0x00, self.voice as u8]));
        true
    }
}
