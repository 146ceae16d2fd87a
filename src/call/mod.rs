//! One call: the caller's leg, whoever is being rung for it, and whom it is bridged to (a back-to-back user agent).
//!
//! The call decides what its legs do to each other: answer, ring, bridge, hold, hang up, and what is left when one side
//! goes. It never decides *whom* to dial or *what* to play: a driver (flow, queue, test number) asks for that and is told
//! the outcome in a [`Notice`]. It knows no sockets, no dialogs and no registrations; legs are addressed by `LegId`.

mod fax;
mod guests;
mod leg;
mod recording;
mod transfer;

pub use leg::{Leg, LegSeat, LegState};

use crate::events::{Cause, EndedBy, EventKind, LegRole, MediaReport};
use crate::ids::{AgentId, CallId, LegId, TicketId};
use crate::media::command::{MediaCmd, PlayId, PlayItem, RecordingId, Tone, WorkerId};
use crate::sdp::SdpError;
use crate::sip::digest::Credentials;
use crate::sip::peer::Peer;
use bytes::Bytes;
use guests::Guest;
use recording::Recording;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a call asks of the SIP endpoint, the media workers and its driver, in order.
#[derive(Clone, Debug)]
pub enum CallOutput {
    Invite {
        leg: LegId,
        target: Box<DialTarget>,
        offer: Bytes,
    },
    Progress {
        leg: LegId,
        status: u16,
        sdp: Option<Bytes>,
    },
    Accept {
        leg: LegId,
        sdp: Bytes,
    },
    Reject {
        leg: LegId,
        cause: Cause,
    },
    Hangup {
        leg: LegId,
        cause: Cause,
    },
    /// `Err`: what is wrong with the offer, or nothing but that the leg is over.
    AnswerReoffer {
        leg: LegId,
        answer: Result<Bytes, Option<SdpError>>,
    },
    /// A re-INVITE; `leg_refreshed` brings its answer.
    Reoffer {
        leg: LegId,
        offer: Bytes,
    },
    /// A re-INVITE that changes nothing (RFC 4028); `leg_refreshed` brings the answer.
    Refresh {
        leg: LegId,
        offer: Bytes,
    },
    Media(WorkerId, MediaCmd),
    Event(EventKind),
    Notice(Notice),
}

/// What the driver of a call is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A phone that was dialled rings.
    Ringing { purpose: DialPurpose },
    /// A phone that was dialled answered. The driver now says `bridge` or `dismiss`.
    Answered { purpose: DialPurpose },
    /// Nobody of those dialled will answer; the telling cause of all.
    Failed { purpose: DialPurpose, cause: Cause },
    /// The bridged far side is gone; the caller is still there.
    PartnerGone { agent: Option<AgentId>, cause: Cause },
    /// Who had referred the caller to somebody else is gone before that came to an end.
    ReferrerGone,
    /// A supervisor whose phone was rung takes part.
    SupervisorCame { leg: LegId },
    /// Who was beside the two, or was rung for it, is gone.
    GuestGone { leg: LegId },
    /// The far side is gone, and a third who was with the two is to be bridged in its place.
    ThirdStays { leg: LegId, recorded: bool },
}

/// Who asked for a phone to be rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialPurpose {
    /// The number dialled leads straight to an extension or trunk.
    Direct,
    /// Whoever is to have the caller's place in a call that the switch begins.
    First,
    /// A flow's transfer, by the flow's id for it.
    Transfer(u32),
    /// A party of the call referred the other there.
    Referred,
    /// A queue offers this caller to an agent.
    Offer { ticket: TicketId, agent: AgentId },
}

/// A phone to ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialTarget {
    pub request_uri: String,
    pub to: String,
    /// The caller as the far side shall see it.
    pub from: String,
    pub from_display: Option<String>,
    pub peer: Peer,
    /// Route values of the way there.
    pub route: Arc<[String]>,
    /// By which the same telephone may be reached if this way is broken.
    pub other_ways: Vec<Way>,
    pub role: LegRole,
    pub agent: Option<AgentId>,
    /// How records name the target.
    pub shown: String,
    /// With these a challenge of the far side is answered.
    pub credentials: Option<Credentials>,
    /// Further headers of the INVITE.
    pub headers: Vec<(String, String)>,
}

/// A way to a telephone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub request_uri: String,
    pub peer: Peer,
    pub route: Arc<[String]>,
}

/// Music that a held party hears, told apart from whatever a driver plays.
const HOLD_MUSIC: PlayId = PlayId(u32::MAX);
/// The same for what the switch itself tells a party amid its talk.
pub const NOTICE: PlayId = PlayId(u32::MAX - 1);

#[derive(Debug)]
struct Attempt {
    purpose: DialPurpose,
    legs: Vec<Leg>,
    /// The caller was shown early media: nothing else is shown until the answer.
    early: bool,
    /// The most telling refusal so far: busy says more than unreachable.
    worst: Cause,
}

#[derive(Debug)]
pub struct Call {
    pub id: CallId,
    caller: Leg,
    attempt: Option<Attempt>,
    /// Answered, and bridged unless `bridged` is still false.
    partner: Option<Leg>,
    bridged: bool,
    /// Referred the caller to whoever is being connected, and may get it back.
    parked: Option<Leg>,
    fax: Option<fax::FaxAsked>,
    /// Beside the two who talk.
    guests: Vec<Guest>,
    recording: Option<Recording>,
    /// What the two say is not to be recorded, in whichever recording of theirs.
    paused: bool,
    /// Legs that ended, whose media report is outstanding.
    unreported: BTreeSet<LegId>,
    /// Recordings begun whose end the recorder has not told.
    unwritten: u32,
    ended: Option<(Cause, EndedBy)>,
}

/// Short spelling for the most frequent outputs.
trait MediaOut {
    fn media(&mut self, worker: WorkerId, command: MediaCmd);
}

impl MediaOut for Vec<CallOutput> {
    fn media(&mut self, worker: WorkerId, command: MediaCmd) {
        self.push(CallOutput::Media(worker, command));
    }
}

impl Call {
    /// A call for an INVITE that was admitted and routed. `Err` tells the status owed for its SDP.
    pub fn new(id: CallId, seat: LegSeat, offer: Option<&[u8]>, out: &mut Vec<CallOutput>) -> Result<Call, SdpError> {
        Ok(Call::of(id, Leg::caller(id, seat, offer, out)?))
    }

    /// A call that nobody has made: whoever is rung first and answers has the caller's place from then on.
    pub fn placed(id: CallId, place: LegId, worker: WorkerId) -> Call {
        Call::of(id, Leg::awaited(place, worker))
    }

    fn of(id: CallId, caller: Leg) -> Call {
        Call {
            id,
            caller,
            attempt: None,
            partner: None,
            bridged: false,
            parked: None,
            fax: None,
            guests: Vec::new(),
            recording: None,
            paused: false,
            unreported: BTreeSet::new(),
            unwritten: 0,
            ended: None,
        }
    }

    pub fn caller(&self) -> &Leg {
        &self.caller
    }

    pub fn partner(&self) -> Option<&Leg> {
        self.partner.as_ref()
    }

    pub fn is_bridged(&self) -> bool {
        self.bridged
    }

    pub fn is_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Why and by whom the call was ended.
    pub fn end(&self) -> Option<(Cause, EndedBy)> {
        self.ended
    }

    pub fn is_dialing(&self) -> bool {
        self.attempt.is_some()
    }

    /// The agent to whom a queue offers the caller now.
    pub fn offered_to(&self) -> Option<&AgentId> {
        match self.attempt.as_ref().map(|attempt| &attempt.purpose) {
            Some(DialPurpose::Offer { agent, .. }) => Some(agent),
            _ => None,
        }
    }

    /// The most telling refusal of those being rung; of none yet, that they do not answer.
    pub fn refusal_so_far(&self) -> Cause {
        self.attempt.as_ref().map_or(Cause::NoAnswer, |attempt| telling(Cause::NoAnswer, attempt.worst))
    }

    /// The extension whose phone is rung by this leg because its own number was dialled.
    pub fn rung_directly(&self, leg: LegId) -> Option<&AgentId> {
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.purpose == DialPurpose::Direct)?;
        attempt.legs.iter().find(|l| l.id == leg)?.agent.as_ref()
    }

    /// Tells the caller that its call goes elsewhere (RFC 3261 21.1.3).
    pub fn forwarded(&mut self, out: &mut Vec<CallOutput>) {
        if !self.caller.is_up() {
            out.push(CallOutput::Progress { leg: self.caller.id, status: 181, sdp: None });
        }
    }

    /// Nobody else is on the line or being rung.
    pub fn may_dial(&self) -> bool {
        !self.is_ended() && self.partner.is_none() && self.attempt.is_none()
    }

    /// Every leg is gone and has reported, and what was recorded is written.
    pub fn is_finished(&self) -> bool {
        self.is_ended() && self.unreported.is_empty() && self.unwritten == 0 && self.parked.is_none()
    }

    /// The legs not yet gone.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        std::iter::once(&self.caller)
            .filter(|leg| !leg.is_gone())
            .chain(self.partner.iter())
            .chain(self.parked.iter())
            .chain(self.guests.iter().map(Guest::leg))
            .chain(self.attempt.iter().flat_map(|attempt| attempt.legs.iter()))
    }

    /// Tells the caller that something rings, unless it hears so: a bare 180 would put its own tone over early media.
    pub fn ring(&mut self, out: &mut Vec<CallOutput>) {
        if self.attempt.as_ref().is_some_and(|attempt| attempt.early) {
            return;
        }
        self.caller.ring(out);
    }

    /// Answers the caller, once.
    pub fn answer(&mut self, out: &mut Vec<CallOutput>) {
        if self.caller.accept(out) {
            out.push(CallOutput::Event(EventKind::CallAnswered { leg: self.caller.id }));
        }
    }

    /// Rings phones for the caller, all at once; the first to answer wins.
    pub fn dial(&mut self, purpose: DialPurpose, targets: Vec<(LegSeat, DialTarget)>, out: &mut Vec<CallOutput>) {
        if !self.may_dial() || targets.is_empty() {
            out.push(CallOutput::Notice(Notice::Failed { purpose, cause: Cause::Unreachable }));
            return;
        }
        let near = self.caller.spec();
        let mut legs = Vec::with_capacity(targets.len());
        for (seat, target) in targets {
            let (leg, offer) = Leg::dialed(self.id, seat, target.role, target.agent.clone(), near, out);
            out.push(CallOutput::Invite { leg: leg.id, target: Box::new(target), offer });
            legs.push(leg);
        }
        self.attempt = Some(Attempt { purpose, legs, early: false, worst: Cause::Unreachable });
    }

    /// Stops ringing. The driver who says so needs no notice.
    pub fn stop_dialing(&mut self, cause: Cause, out: &mut Vec<CallOutput>) {
        if let Some(mut attempt) = self.attempt.take() {
            for leg in &mut attempt.legs {
                self.unreported.insert(leg.id);
                leg.hang_up(cause, out);
            }
        }
    }

    /// Joins the caller and the phone that answered. `record` names the recording to make of both.
    pub fn bridge(&mut self, record: Option<RecordingId>, out: &mut Vec<CallOutput>) {
        let Some(partner) = &self.partner else { return };
        let (near, far, agent) = (self.caller.id, partner.id, partner.agent.clone());
        // Whoever held before the two were joined says so no second time.
        let holding = [(near, self.caller.is_held()), (far, partner.is_held())];
        let worker = self.caller.worker();
        self.end_fax(out);
        self.bridged = true;
        self.answer(out);
        out.media(worker, MediaCmd::Bridge { a: near, b: far });
        out.push(CallOutput::Event(EventKind::Bridged { a: near, b: far, agent }));
        for (holder, _) in holding.into_iter().filter(|(_, holds)| *holds) {
            self.entertain(holder, out);
        }
        if let Some(recording) = record {
            self.record_both(recording, out);
        }
    }

    /// Lets the far side go; the caller stays.
    pub fn dismiss(&mut self, cause: Cause, out: &mut Vec<CallOutput>) {
        self.stop_dialing(cause, out);
        if let Some(mut partner) = self.partner.take() {
            self.part(&partner, out);
            self.unreported.insert(partner.id);
            partner.hang_up(cause, out);
        }
    }

    /// Ends the whole call from our side.
    pub fn hang_up(&mut self, cause: Cause, by: EndedBy, out: &mut Vec<CallOutput>) {
        if self.is_ended() {
            return;
        }
        self.ended = Some((cause, by));
        self.dismiss(cause, out);
        if !self.caller.is_gone() {
            self.unreported.insert(self.caller.id);
            self.caller.hang_up(cause, out);
        }
        self.close(out);
    }

    /// A provisional answer from a phone that we dialled.
    pub fn leg_progress(&mut self, leg: LegId, status: u16, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) {
        if let Some(guest) = self.guests.iter_mut().find(|guest| guest.leg().id == leg) {
            if status == 180 {
                guest.leg_mut().ringing(out);
            }
            return;
        }
        let Some(attempt) = &mut self.attempt else { return };
        let alone = attempt.legs.len() == 1;
        let Some(ringing) = attempt.legs.iter_mut().find(|l| l.id == leg) else { return };
        // What one of several phones says while they ring is not passed on: the caller hears that they ring.
        let rings = status == 180 || (sdp.is_some() && !alone);
        if rings && ringing.ringing(out) {
            out.push(CallOutput::Notice(Notice::Ringing { purpose: attempt.purpose.clone() }));
        }
        // Early media (RFC 3960) only where the caller has no answer of ours to listen to, and one phone speaks.
        let early = self.caller.may_be_early() && alone && attempt.purpose == DialPurpose::Direct;
        if let Some(sdp) = sdp.filter(|_| early)
            && ringing.handle_answer(sdp, out).is_ok()
        {
            attempt.early = true;
            self.caller.progress(out);
            out.media(self.caller.worker(), MediaCmd::Bridge { a: self.caller.id, b: leg });
        }
    }

    /// A phone that we dialled answered: the others stop ringing.
    pub fn leg_answered(&mut self, leg: LegId, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) {
        if self.guest_answered(leg, sdp, out) {
            return;
        }
        let Some(mut attempt) = self.attempt.take() else { return };
        let Some(place) = attempt.legs.iter().position(|l| l.id == leg) else {
            self.attempt = Some(attempt);
            return;
        };
        let mut winner = attempt.legs.remove(place);
        if winner.answered(sdp, out).is_err() {
            self.unreported.insert(winner.id);
            winner.hang_up(Cause::NotAcceptable, out);
            self.attempt = Some(attempt);
            self.refused(Cause::NotAcceptable, out);
            return;
        }
        let purpose = attempt.purpose.clone();
        self.seat(winner);
        self.attempt = Some(attempt);
        self.stop_dialing(Cause::AnsweredElsewhere, out);
        out.push(CallOutput::Notice(Notice::Answered { purpose }));
    }

    /// Whoever answered is the far side, or the caller where nobody had called.
    fn seat(&mut self, leg: Leg) {
        if self.caller.is_awaited() {
            self.caller = leg;
        } else {
            self.partner = Some(leg);
            self.bridged = false;
        }
    }

    /// The ACK to our 200, with the answer when the offer was ours.
    pub fn leg_acked(&mut self, leg: LegId, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) {
        let Some(party) = self.leg_mut(leg) else { return };
        match party.acked(sdp, out) {
            Ok(true) if self.bridged => self.entertain(leg, out),
            Ok(_) => {}
            Err(_) => self.leg_unheard(leg, Cause::NotAcceptable, out),
        }
    }

    /// The caller, whose INVITE had no offer, answered ours before we answered the call (RFC 3262 5).
    pub fn leg_early_answered(&mut self, leg: LegId, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) {
        let Some(party) = self.leg_mut(leg) else { return };
        if party.early_answered(sdp, out).is_err() {
            self.leg_unheard(leg, Cause::NotAcceptable, out);
        }
    }

    /// A re-INVITE or UPDATE from a party, a phone that rings included. Hold is ended here: the other side hears music until the return.
    pub fn leg_reoffered(&mut self, leg: LegId, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) {
        if self.ask_for_fax(leg, sdp, out) {
            return;
        }
        let Some(party) = self.leg_mut(leg) else {
            out.push(CallOutput::AnswerReoffer { leg, answer: Err(None) });
            return;
        };
        if party.reoffered(sdp, out) && self.bridged {
            self.entertain(leg, out);
        }
        self.follow_to_audio(leg, out);
    }

    /// The session of a leg is due for a refresh by re-INVITE.
    pub fn leg_refresh_due(&mut self, leg: LegId, out: &mut Vec<CallOutput>) {
        if let Some(party) = self.leg_mut(leg) {
            party.refresh(out);
        }
    }

    /// The answer to our re-INVITE, if it was accepted.
    pub fn leg_refreshed(&mut self, leg: LegId, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) {
        if self.fax_answered(leg, sdp, out) {
            return;
        }
        if let Some(party) = self.leg_mut(leg)
            && party.refreshed(sdp, out)
            && self.bridged
        {
            self.entertain(leg, out);
        }
        self.follow_to_audio(leg, out);
    }

    /// Music for the party opposite to `leg`, as long as `leg` holds.
    fn entertain(&self, leg: LegId, out: &mut Vec<CallOutput>) {
        let Some(partner) = self.partner.as_ref().filter(|_| !self.is_guest(leg)) else { return };
        let (holder, other) = match leg == self.caller.id {
            true => (&self.caller, partner),
            false => (partner, &self.caller),
        };
        let command = match holder.is_held() {
            true => MediaCmd::Play {
                leg: other.id,
                id: HOLD_MUSIC,
                items: Arc::from([PlayItem::Tone(Tone::MusicOnHold)]),
                repeat: true,
                bargeable: false,
            },
            false => MediaCmd::StopPlay { leg: other.id, id: HOLD_MUSIC },
        };
        other.media(command, out);
    }

    /// A key that a party pressed by SIP INFO, which goes no further than us: whoever it is joined with gets it with its
    /// audio.
    pub fn press(&self, from: LegId, key: char, duration_ms: u16, out: &mut Vec<CallOutput>) {
        if let Some(party) = self.legs().find(|party| party.id == from) {
            party.media(MediaCmd::Press { leg: from, key, duration_ms }, out);
        }
    }

    /// A leg's dialog is over: refused, hung up by its party, or lost. The dialog itself needs nothing more.
    pub fn leg_ended(&mut self, leg: LegId, cause: Cause, out: &mut Vec<CallOutput>) {
        if leg == self.caller.id {
            self.caller_gone(cause, out);
        } else if self.partner.as_ref().is_some_and(|partner| partner.id == leg) {
            self.partner_gone(cause, out);
        } else if self.parked.as_ref().is_some_and(|parked| parked.id == leg) {
            self.referrer_gone(cause, out);
        } else if self.guest_gone(leg, cause, out) {
        } else if let Some(attempt) = &mut self.attempt
            && let Some(place) = attempt.legs.iter().position(|l| l.id == leg)
        {
            let mut lost = attempt.legs.remove(place);
            self.unreported.insert(leg);
            lost.gone(cause, out);
            self.refused(cause, out);
        }
    }

    /// A leg other than the caller's cannot go on, by a fault of ours.
    pub fn leg_failed(&mut self, leg: LegId, cause: Cause, out: &mut Vec<CallOutput>) {
        out.push(CallOutput::Hangup { leg, cause });
        self.leg_ended(leg, cause, out);
    }

    /// Media from a party stopped for too long: its phone or its network is gone.
    pub fn leg_silent(&mut self, leg: LegId, out: &mut Vec<CallOutput>) {
        out.push(CallOutput::Event(EventKind::RtpTimeout { leg }));
        self.leg_unheard(leg, Cause::RtpTimeout, out);
    }

    /// A party's audio was to be encrypted, and no keys came of it.
    pub fn leg_without_keys(&mut self, leg: LegId, out: &mut Vec<CallOutput>) {
        self.leg_unheard(leg, Cause::NotAcceptable, out);
    }

    /// Without its caller a call is over; without anybody else it goes on.
    fn leg_unheard(&mut self, leg: LegId, cause: Cause, out: &mut Vec<CallOutput>) {
        if leg == self.caller.id {
            self.hang_up(cause, EndedBy::System, out);
        } else if self.legs().any(|other| other.id == leg) {
            self.leg_failed(leg, cause, out);
        }
    }

    /// The plane let a leg go and says what its media did.
    pub fn leg_reported(&mut self, leg: LegId, report: MediaReport, out: &mut Vec<CallOutput>) {
        if self.unreported.remove(&leg) {
            out.push(CallOutput::Event(EventKind::MediaReport { leg, report }));
            self.close(out);
        }
    }

    /// Closes the record without the reports that are still missing.
    pub fn give_up_reports(&mut self, out: &mut Vec<CallOutput>) {
        if self.is_ended() && !self.is_finished() {
            self.unreported.clear();
            self.unwritten = 0;
            self.close(out);
        }
    }

    fn caller_gone(&mut self, cause: Cause, out: &mut Vec<CallOutput>) {
        if self.is_ended() {
            return;
        }
        // A BYE in the early dialog is as good as a CANCEL (RFC 3261 15).
        let cause = if cause == Cause::Normal && !self.caller.is_up() { Cause::Cancelled } else { cause };
        self.ended = Some((
            cause,
            match self.caller.role {
                _ if cause == Cause::AckTimeout => EndedBy::System,
                // Rung by us, and in the caller's place since.
                LegRole::Agent => EndedBy::Agent,
                _ => EndedBy::Caller,
            },
        ));
        self.unreported.insert(self.caller.id);
        self.caller.gone(cause, out);
        // The far side is told when the caller did not hang up but was lost.
        let told = if matches!(cause, Cause::Cancelled | Cause::Unreachable) { cause } else { Cause::Normal };
        self.dismiss(told, out);
        self.close(out);
    }

    fn partner_gone(&mut self, cause: Cause, out: &mut Vec<CallOutput>) {
        let Some(mut partner) = self.partner.take() else { return };
        let recorded = self.is_recording();
        let third = self.third();
        self.part(&partner, out);
        self.unreported.insert(partner.id);
        partner.gone(cause, out);
        out.push(CallOutput::Notice(match &third {
            Some(third) => Notice::ThirdStays { leg: third.id, recorded },
            None => Notice::PartnerGone { agent: partner.agent, cause },
        }));
        self.partner = third;
    }

    /// Ends bridge and recording, if there are any, and lets go whoever was there for those who talked.
    fn part(&mut self, partner: &Leg, out: &mut Vec<CallOutput>) {
        if self.is_recording() {
            partner.may_pause(false, out);
        }
        self.stop_recording(out);
        self.end_fax(out);
        self.dismiss_guests(out);
        if std::mem::take(&mut self.bridged) {
            out.media(self.caller.worker(), MediaCmd::Unbridge { leg: self.caller.id });
            out.media(self.caller.worker(), MediaCmd::StopPlay { leg: self.caller.id, id: HOLD_MUSIC });
            out.push(CallOutput::Event(EventKind::Unbridged { a: self.caller.id, b: partner.id }));
        }
    }

    /// One of several phones refused; the attempt fails with the last.
    fn refused(&mut self, cause: Cause, out: &mut Vec<CallOutput>) {
        let Some(attempt) = &mut self.attempt else { return };
        attempt.worst = telling(attempt.worst, cause);
        if attempt.legs.is_empty()
            && let Some(attempt) = self.attempt.take()
        {
            out.push(CallOutput::Notice(Notice::Failed { purpose: attempt.purpose, cause: attempt.worst }));
        }
    }

    fn close(&mut self, out: &mut Vec<CallOutput>) {
        if self.is_finished()
            && let Some((cause, by)) = self.ended
        {
            out.push(CallOutput::Event(EventKind::CallEnded { cause, by }));
        }
    }

    fn leg_mut(&mut self, leg: LegId) -> Option<&mut Leg> {
        let dialed = self.attempt.iter_mut().flat_map(|attempt| attempt.legs.iter_mut());
        std::iter::once(&mut self.caller)
            .chain(self.partner.iter_mut())
            .chain(self.parked.iter_mut())
            .chain(self.guests.iter_mut().map(Guest::leg_mut))
            .chain(dialed)
            .find(|l| l.id == leg && !l.is_gone())
    }
}

/// Of two refusals the one that tells the caller more.
pub fn telling(a: Cause, b: Cause) -> Cause {
    let rank = |cause: Cause| match cause {
        Cause::Declined => 5,
        Cause::Busy => 4,
        Cause::NoAnswer => 3,
        Cause::NotAcceptable | Cause::Forbidden | Cause::NotFound => 2,
        Cause::PeerError => 1,
        _ => 0,
    };
    if rank(b) > rank(a) { b } else { a }
}
