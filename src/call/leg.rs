//! One party of a call: its offer/answer state and what its media was told. The dialog itself lives in the SIP
//! endpoint; this file knows only what the dialog's usage may do next.

mod fax;

use super::{CallOutput, MediaOut};
use crate::events::{Cause, EventKind, LegRole};
use crate::ids::{AgentId, CallId, LegId};
use crate::media::command::{MediaCmd, PortLease, WorkerId};
use crate::sdp::{Codec, Direction, KeyPolicy, MediaSpec, Protection, SdpError, Session, SrtpPolicy};
use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// What a leg's dialog awaits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegState {
    /// Nobody has called: who is rung first and answers takes the place.
    Awaited,
    /// The caller's INVITE is in hand and unanswered; `answer` is our SDP, `None` while a late offer of ours is still open.
    /// `early`: offer and answer are exchanged already, and media may flow.
    Offered {
        answer: Option<Bytes>,
        early: bool,
    },
    /// Our INVITE is out, nothing heard but perhaps 100.
    Dialing,
    Ringing,
    /// Answered. `offer_out` is set while an offer of ours (late offer or re-INVITE) has no answer yet.
    Up {
        offer_out: bool,
    },
    /// Hung up; its media report has still to come.
    Gone,
}

#[derive(Debug)]
pub struct Leg {
    pub id: LegId,
    pub role: LegRole,
    /// The agent whose phone this is.
    pub agent: Option<AgentId>,
    state: LegState,
    worker: WorkerId,
    via: IpAddr,
    sdp: Session,
    spec: Option<MediaSpec>,
    held: bool,
    fax: bool,
    rtp_timeout: Option<Duration>,
    pause_key: Option<Arc<str>>,
    keys: KeyPolicy,
}

/// What every leg is made with.
#[derive(Clone, Debug)]
pub struct LegSeat {
    pub id: LegId,
    pub lease: PortLease,
    pub advertised: IpAddr,
    /// Where the party's signalling comes from.
    pub via: IpAddr,
    /// Silence after which the far side counts as gone; `None` never.
    pub rtp_timeout: Option<Duration>,
    pub protection: Protection,
    /// What an agent presses to pause or resume a recording.
    pub pause_key: Option<Arc<str>>,
    /// How it is told keys.
    pub keys: KeyPolicy,
}

impl Leg {
    /// The caller's leg. A refusal of the offer tells the status owed.
    pub fn caller(
        call: CallId,
        seat: LegSeat,
        offer: Option<&[u8]>,
        out: &mut Vec<CallOutput>,
    ) -> Result<Leg, SdpError> {
        Leg::offered(call, seat, (LegRole::Caller, None), offer, out)
    }

    /// A leg whose party called us, whatever it then is to the call.
    pub fn offered(
        call: CallId,
        seat: LegSeat,
        (role, agent): (LegRole, Option<AgentId>),
        offer: Option<&[u8]>,
        out: &mut Vec<CallOutput>,
    ) -> Result<Leg, SdpError> {
        let mut leg = Leg::new(seat.clone(), role, agent, LegState::Offered { answer: None, early: false });
        let negotiated = offer.map(|sdp| leg.sdp.handle_offer(sdp, None)).transpose()?;
        leg.create(call, seat.lease.port, out);
        if let Some((answer, spec)) = negotiated {
            leg.held = !spec.direction.may_send();
            leg.spec = Some(spec);
            leg.state = LegState::Offered { answer: Some(answer), early: false };
        }
        Ok(leg)
    }

    /// The place of a caller in a call that nobody has made, and whose media will live on this worker.
    pub fn awaited(id: LegId, worker: WorkerId) -> Leg {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let seat = LegSeat {
            id,
            lease: PortLease { worker, port: 0 },
            advertised: nowhere,
            via: nowhere,
            rtp_timeout: None,
            protection: Protection::new(SrtpPolicy::default(), false, [0; 32]),
            pause_key: None,
            keys: KeyPolicy::default(),
        };
        Leg::new(seat, LegRole::Caller, None, LegState::Awaited)
    }

    /// A leg that we dial, and the offer for it: what the near side takes first, so that most bridges pass through.
    pub fn dialed(
        call: CallId,
        seat: LegSeat,
        role: LegRole,
        agent: Option<AgentId>,
        near: Option<&MediaSpec>,
        out: &mut Vec<CallOutput>,
    ) -> (Leg, Bytes) {
        let port = seat.lease.port;
        let mut leg = Leg::new(seat, role, agent, LegState::Dialing);
        leg.create(call, port, out);
        leg.sdp.noise = near.is_some_and(|near| near.noise.is_some());
        let offer = leg.sdp.offer(&codecs_from(near.map(|near| near.codec)), Direction::SendRecv);
        (leg, offer)
    }

    fn new(seat: LegSeat, role: LegRole, agent: Option<AgentId>, state: LegState) -> Leg {
        let mut sdp = Session::protected(seat.id.0, seat.advertised, seat.lease.port, seat.protection);
        if seat.keys == KeyPolicy::Inband {
            sdp.without_events();
        }
        Leg {
            id: seat.id,
            role,
            agent,
            state,
            worker: seat.lease.worker,
            via: seat.via,
            sdp,
            spec: None,
            held: false,
            fax: false,
            rtp_timeout: seat.rtp_timeout,
            pause_key: seat.pause_key,
            keys: seat.keys,
        }
    }

    fn create(&self, call: CallId, port: u16, out: &mut Vec<CallOutput>) {
        self.media(MediaCmd::Create { leg: self.id, call, port }, out);
        if !self.keys.takes_tones() {
            self.media(MediaCmd::WithoutTones { leg: self.id, on: true }, out);
        }
    }

    /// An agent can pause the recording by a key, or cannot any more.
    pub fn may_pause(&self, on: bool, out: &mut Vec<CallOutput>) {
        if let Some(keys) = self.pause_key.as_ref().filter(|_| self.agent.is_some() && !self.is_gone()) {
            self.media(MediaCmd::Feature { leg: self.id, keys: on.then(|| keys.clone()) }, out);
        }
    }

    /// How it is told keys.
    pub fn keys(&self) -> KeyPolicy {
        self.keys
    }

    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    pub fn state(&self) -> &LegState {
        &self.state
    }

    pub fn spec(&self) -> Option<&MediaSpec> {
        self.spec.as_ref()
    }

    pub fn codec(&self) -> Option<Codec> {
        self.spec.as_ref().map(|spec| spec.codec)
    }

    pub fn is_up(&self) -> bool {
        matches!(self.state, LegState::Up { .. })
    }

    /// Nobody is there, any more or yet.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, LegState::Gone | LegState::Awaited)
    }

    pub fn is_awaited(&self) -> bool {
        self.state == LegState::Awaited
    }

    pub fn is_held(&self) -> bool {
        self.held
    }

    pub fn media(&self, command: MediaCmd, out: &mut Vec<CallOutput>) {
        out.media(self.worker, command);
    }

    /// The far phone rings. True the first time.
    pub fn ringing(&mut self, out: &mut Vec<CallOutput>) -> bool {
        if self.state != LegState::Dialing {
            return false;
        }
        self.state = LegState::Ringing;
        out.push(CallOutput::Event(EventKind::LegRinging { leg: self.id }));
        true
    }

    /// SDP that answers an offer of ours. True when the leg went on or off hold by it.
    pub fn handle_answer(&mut self, sdp: &[u8], out: &mut Vec<CallOutput>) -> Result<bool, SdpError> {
        if self.sdp.is_fax() {
            let fax = self.sdp.handle_fax_answer(sdp)?;
            self.begin_fax(fax.remote, out);
            return Ok(false);
        }
        let spec = self.sdp.handle_answer(sdp)?;
        Ok(self.take_spec(spec, out))
    }

    /// Our INVITE was answered with 200. A second answer after early media may repeat or leave out the SDP.
    pub fn answered(&mut self, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) -> Result<(), SdpError> {
        match sdp {
            Some(sdp) => _ = self.handle_answer(sdp, out)?,
            None if self.spec.is_some() => {}
            None => return Err(SdpError::NoAudio),
        }
        self.up(false, out);
        Ok(())
    }

    /// Tells the caller that somebody is rung. To an INVITE without an offer ours goes along, as far as the caller can be
    /// told reliably.
    pub fn ring(&mut self, out: &mut Vec<CallOutput>) {
        let late = matches!(self.state, LegState::Offered { answer: None, .. });
        let sdp = late.then(|| self.late_offer());
        out.push(CallOutput::Progress { leg: self.id, status: 180, sdp });
    }

    /// The caller answered that offer.
    pub fn early_answered(&mut self, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) -> Result<(), SdpError> {
        match &mut self.state {
            LegState::Offered { answer: None, .. } => {}
            // It was answered meanwhile, and its 2xx waits for this very answer (RFC 3262 3).
            LegState::Up { offer_out: offer_out @ true } => {
                *offer_out = false;
                return self.handle_answer(sdp.ok_or(SdpError::NoAudio)?, out).map(drop);
            }
            _ => return Ok(()),
        }
        let offer = self.late_offer();
        self.handle_answer(sdp.ok_or(SdpError::NoAudio)?, out)?;
        self.state = LegState::Offered { answer: Some(offer), early: true };
        Ok(())
    }

    fn late_offer(&mut self) -> Bytes {
        self.sdp.offer(&codecs_from(None), Direction::SendRecv)
    }

    /// Whether a 183 with SDP could go to the caller: its offer came with the INVITE and is unanswered.
    pub fn may_be_early(&self) -> bool {
        matches!(self.state, LegState::Offered { answer: Some(_), .. })
    }

    /// Tells the caller by a 183 where early media will come from.
    pub fn progress(&mut self, out: &mut Vec<CallOutput>) {
        let LegState::Offered { answer: Some(answer), early } = &mut self.state else { return };
        out.push(CallOutput::Progress { leg: self.id, status: 183, sdp: Some(answer.clone()) });
        if !std::mem::replace(early, true) {
            self.begin(out);
        }
    }

    /// Answers the caller. False when it was not waiting for an answer.
    pub fn accept(&mut self, out: &mut Vec<CallOutput>) -> bool {
        let LegState::Offered { answer, early } = &mut self.state else { return false };
        let (begun, answer) = (*early, answer.take());
        let (sdp, offer_out) = match answer {
            Some(answer) => (answer, false),
            None => (self.late_offer(), true),
        };
        out.push(CallOutput::Accept { leg: self.id, sdp });
        if !begun {
            self.begin(out);
        }
        self.up(offer_out, out);
        true
    }

    /// The ACK to our 200 arrived, with the answer when the offer was ours. True when the leg went on or off hold by it.
    pub fn acked(&mut self, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) -> Result<bool, SdpError> {
        let LegState::Up { offer_out } = &mut self.state else { return Ok(false) };
        if !std::mem::take(offer_out) {
            return Ok(false);
        }
        let in_fax = self.is_fax();
        match sdp.ok_or(SdpError::NoAudio).and_then(|sdp| self.handle_answer(sdp, out)) {
            // Who had the fax offered and does not go on with it is asked for sound.
            Err(_) if in_fax => {
                self.offer_audio(out);
                Ok(false)
            }
            taken => taken,
        }
    }

    /// A re-INVITE or UPDATE from the peer. True when the leg went on or off hold by it.
    pub fn reoffered(&mut self, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) -> bool {
        let Some(sdp) = sdp else {
            let LegState::Up { offer_out } = &mut self.state else {
                out.push(CallOutput::AnswerReoffer { leg: self.id, answer: Err(None) });
                return false;
            };
            *offer_out = true;
            let offer = match self.sdp.is_fax() {
                true => self.sdp.repeat(),
                false => self.sdp.offer(&codecs_from(self.codec()), Direction::SendRecv),
            };
            out.push(CallOutput::AnswerReoffer { leg: self.id, answer: Ok(offer) });
            return false;
        };
        match self.sdp.handle_offer(sdp, self.codec()) {
            Ok((answer, spec)) => {
                out.push(CallOutput::AnswerReoffer { leg: self.id, answer: Ok(answer) });
                self.take_spec(spec, out)
            }
            Err(refusal) => {
                out.push(CallOutput::AnswerReoffer { leg: self.id, answer: Err(Some(refusal)) });
                false
            }
        }
    }

    /// The session timer wants the session offered again as it is (RFC 4028 7.4).
    pub fn refresh(&mut self, out: &mut Vec<CallOutput>) {
        if self.is_up() {
            let offer = self.sdp.repeat();
            out.push(CallOutput::Refresh { leg: self.id, offer });
        }
    }

    /// Our re-INVITE was answered; `None` when it was refused or not sent, or its answer is of no use: the session goes on
    /// as it was. True when the leg went on or off hold by it.
    pub fn refreshed(&mut self, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) -> bool {
        match sdp.map(|sdp| self.handle_answer(sdp, out)) {
            Some(Ok(changed)) => changed,
            Some(Err(_)) | None => {
                self.sdp.withdraw_offer();
                false
            }
        }
    }

    /// Ends the leg on our side: the dialog by what its state owes, the media at once.
    pub fn hang_up(&mut self, cause: Cause, out: &mut Vec<CallOutput>) {
        match self.state {
            LegState::Gone | LegState::Awaited => return,
            LegState::Offered { .. } => out.push(CallOutput::Reject { leg: self.id, cause }),
            LegState::Dialing | LegState::Ringing | LegState::Up { .. } => {
                out.push(CallOutput::Hangup { leg: self.id, cause })
            }
        }
        self.gone(cause, out);
    }

    /// The dialog has ended already; lets the media go.
    pub fn gone(&mut self, cause: Cause, out: &mut Vec<CallOutput>) {
        if self.is_gone() {
            return;
        }
        self.state = LegState::Gone;
        out.push(CallOutput::Event(EventKind::LegEnded { leg: self.id, cause }));
        self.media(MediaCmd::Drop { leg: self.id }, out);
    }

    fn up(&mut self, offer_out: bool, out: &mut Vec<CallOutput>) {
        self.state = LegState::Up { offer_out };
        out.push(CallOutput::Event(EventKind::LegAnswered { leg: self.id }));
        self.watch_rtp(out);
    }

    /// The answer that the caller's offer got is on its way: from now on media may flow. Not before: a phone that was
    /// sent packets without an answer takes them for the far side's, or for an attack.
    fn begin(&mut self, out: &mut Vec<CallOutput>) {
        let Some(spec) = self.spec.clone() else { return };
        self.held = false;
        self.take_spec(spec, out);
    }

    /// Tells the plane what was agreed. True when hold changed.
    fn take_spec(&mut self, spec: MediaSpec, out: &mut Vec<CallOutput>) -> bool {
        let held = !spec.direction.may_send();
        let changed = held != self.held;
        self.held = held;
        self.fax = false;
        self.spec = Some(spec.clone());
        self.media(MediaCmd::SetRemote { leg: self.id, spec, via: self.via }, out);
        if changed {
            let event = match held {
                true => EventKind::LegHeld { leg: self.id },
                false => EventKind::LegResumed { leg: self.id },
            };
            out.push(CallOutput::Event(event));
        }
        if self.is_up() {
            self.watch_rtp(out);
        }
        changed
    }

    /// A peer that holds us, that we told to be silent, or that may leave its silence out owes no packets (RFC 3264 8.4).
    fn watch_rtp(&self, out: &mut Vec<CallOutput>) {
        let sends =
            self.spec.as_ref().is_some_and(|spec| spec.direction == Direction::SendRecv && spec.noise.is_none());
        let after = self.rtp_timeout.filter(|_| sends);
        self.media(MediaCmd::RtpTimeout { leg: self.id, after }, out);
    }
}

/// What we offer, the codec in use or likely first.
fn codecs_from(first: Option<Codec>) -> [Codec; Codec::ALL.len()] {
    let mut codecs = Codec::ALL;
    codecs.sort_by_key(|codec| Some(*codec) != first);
    codecs
}
