//! A leg whose stream becomes a fax, and sound again.

use super::{CallOutput, Leg, codecs_from};
use crate::media::command::MediaCmd;
use crate::sdp::{Direction, Fax, SdpError, Security};
use std::net::SocketAddr;

impl Leg {
    pub fn is_fax(&self) -> bool {
        self.fax && !self.is_gone()
    }

    /// In a fax, and not asked to go back to sound.
    pub fn keeps_fax(&self) -> bool {
        self.is_fax() && self.sdp.is_fax()
    }

    /// The fax that an offer asks for. UDPTL is not encrypted: a leg whose sound is stays with sound.
    pub fn fax_asked(&self, sdp: &[u8]) -> Option<Fax> {
        self.sdp.fax_asked(sdp).filter(|_| self.may_fax())
    }

    pub fn may_fax(&self) -> bool {
        self.is_up() && self.spec.as_ref().is_some_and(|spec| spec.security == Security::Plain)
    }

    pub fn offer_fax(&mut self, fax: &Fax, out: &mut Vec<CallOutput>) {
        let offer = self.sdp.offer_fax(fax);
        out.push(CallOutput::Reoffer { leg: self.id, offer });
    }

    pub fn handle_fax_answer(&mut self, sdp: &[u8]) -> Result<Fax, SdpError> {
        self.sdp.handle_fax_answer(sdp)
    }

    /// Answers the party's offer with what the other machine said. Where the datagrams are to go is handed back.
    pub fn answer_fax(&mut self, offer: &[u8], fax: &Fax, out: &mut Vec<CallOutput>) -> Result<SocketAddr, SdpError> {
        let (answer, remote) = self.sdp.answer_fax(offer, fax)?;
        out.push(CallOutput::AnswerReoffer { leg: self.id, answer: Ok(answer) });
        Ok(remote)
    }

    pub fn refuse_fax(&mut self, out: &mut Vec<CallOutput>) {
        out.push(CallOutput::AnswerReoffer { leg: self.id, answer: Err(Some(SdpError::NoFax)) });
    }

    pub fn begin_fax(&mut self, remote: SocketAddr, out: &mut Vec<CallOutput>) {
        self.fax = true;
        self.media(MediaCmd::Fax { leg: self.id, remote }, out);
        // Between two pages a machine may say nothing for long.
        self.media(MediaCmd::RtpTimeout { leg: self.id, after: None }, out);
    }

    /// Asks the party to go back to sound.
    pub fn offer_audio(&mut self, out: &mut Vec<CallOutput>) {
        if self.is_up() {
            let offer = self.sdp.offer(&codecs_from(self.codec()), Direction::SendRecv);
            out.push(CallOutput::Reoffer { leg: self.id, offer });
        }
    }
}
