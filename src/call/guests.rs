//! Parties beside the two who talk: supervisors, and a third whom an agent has added. They come and go without the two
//! being parted, and stay only as long as the two talk.

use super::{Call, CallOutput, DialTarget, Leg, LegSeat, Notice};
use crate::events::{Cause, EventKind, SupervisionMode};
use crate::ids::{AgentId, LegId};
use crate::media::command::{MAX_PARTIES, MediaCmd, Part, RecordingId};

#[derive(Debug)]
pub struct Guest {
    leg: Leg,
    /// `None` = a third who talks as the two do.
    supervises: Option<Supervisor>,
}

#[derive(Debug)]
struct Supervisor {
    by: AgentId,
    mode: SupervisionMode,
    /// The agent of the two.
    whispers_to: LegId,
}

impl Call {
    /// Rings the phones of a supervisor, who whispers to one of the two; the first to answer takes part.
    pub fn supervise(
        &mut self,
        (by, mode, whispers_to): (&AgentId, SupervisionMode, LegId),
        targets: Vec<(LegSeat, DialTarget)>,
        out: &mut Vec<CallOutput>,
    ) {
        let near = self.caller.spec();
        for (seat, target) in targets {
            let (leg, offer) = Leg::dialed(self.id, seat, target.role, target.agent.clone(), near, out);
            out.push(CallOutput::Invite { leg: leg.id, target: Box::new(target), offer });
            self.guests.push(Guest { leg, supervises: Some(Supervisor { by: by.clone(), mode, whispers_to }) });
        }
    }

    /// Two talk, whom another may join.
    pub fn may_be_joined(&self) -> bool {
        self.may_refer() && self.guests.len() + 2 < MAX_PARTIES
    }

    /// Whether somebody takes part in this call as its supervisor, or is being rung for it.
    pub fn is_supervised_by(&self, by: &AgentId) -> bool {
        self.guests.iter().any(|guest| guest.is_of(by))
    }

    /// The same, and the phone was answered.
    pub fn is_attended_by(&self, by: &AgentId) -> bool {
        self.guests.iter().any(|guest| guest.is_of(by) && guest.leg.is_up())
    }

    pub fn is_guest(&self, leg: LegId) -> bool {
        self.guests.iter().any(|guest| guest.leg.id == leg)
    }

    /// The supervisor whose phone this is.
    pub fn supervisor(&self, leg: LegId) -> Option<&AgentId> {
        let guest = self.guests.iter().find(|guest| guest.leg.id == leg)?;
        guest.supervises.as_ref().map(|supervisor| &supervisor.by)
    }

    /// A supervisor goes on in another mode.
    pub fn change_mode(&mut self, by: &AgentId, mode: SupervisionMode, out: &mut Vec<CallOutput>) {
        for guest in self.guests.iter_mut().filter(|guest| guest.is_of(by)) {
            if let Some(supervisor) = &mut guest.supervises {
                supervisor.mode = mode;
            }
            if guest.leg.is_up() {
                guest.join(self.caller.id, out);
            }
        }
    }

    /// A supervisor takes the place of the agent who serves the caller, and the agent is let go. `None` when that supervisor
    /// is not there.
    pub fn take_over(&mut self, by: &AgentId, record: Option<RecordingId>, out: &mut Vec<CallOutput>) -> Option<LegId> {
        let place = self.guests.iter().position(|guest| guest.is_of(by) && guest.leg.is_up())?;
        let mut agent = self.partner.take_if(|_| self.bridged)?;
        let guest = self.guests.remove(place);
        let leg = guest.leg.id;
        guest.tell_end(out);
        self.part(&agent, out);
        self.unreported.insert(agent.id);
        agent.hang_up(Cause::Normal, out);
        self.partner = Some(guest.leg);
        self.bridge(record, out);
        Some(leg)
    }

    /// A party of another call talks with the two.
    pub fn add(&mut self, given: Leg, out: &mut Vec<CallOutput>) {
        let guest = Guest { leg: given, supervises: None };
        guest.join(self.caller.id, out);
        self.guests.push(guest);
    }

    /// One of those rung has answered. False when it is no guest's phone.
    pub(super) fn guest_answered(&mut self, leg: LegId, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) -> bool {
        let Some(place) = self.guests.iter().position(|guest| guest.leg.id == leg) else { return false };
        let guest = &mut self.guests[place];
        let by = guest.supervises.as_ref().map(|supervisor| supervisor.by.clone());
        if guest.leg.answered(sdp, out).is_err() {
            self.let_go(|guest| guest.leg.id == leg, Cause::NotAcceptable, out);
            return true;
        }
        guest.join(self.caller.id, out);
        if let Some(by) = by {
            self.let_go(|other| other.is_of(&by) && other.leg.id != leg, Cause::AnsweredElsewhere, out);
            out.push(CallOutput::Notice(Notice::SupervisorCame { leg }));
        }
        true
    }

    /// A guest's dialog is over. False when it was no guest's.
    pub(super) fn guest_gone(&mut self, leg: LegId, cause: Cause, out: &mut Vec<CallOutput>) -> bool {
        let Some(place) = self.guests.iter().position(|guest| guest.leg.id == leg) else { return false };
        let mut guest = self.guests.remove(place);
        self.unreported.insert(leg);
        guest.tell_end(out);
        guest.leg.gone(cause, out);
        out.push(CallOutput::Notice(Notice::GuestGone { leg }));
        true
    }

    /// Nobody is left whom they could hear.
    pub(super) fn dismiss_guests(&mut self, out: &mut Vec<CallOutput>) {
        self.let_go(|_| true, Cause::Normal, out);
    }

    /// A third who talks, for whom the call goes on when one of the two leaves.
    pub(super) fn third(&mut self) -> Option<Leg> {
        let place = self.guests.iter().position(|guest| guest.supervises.is_none() && guest.leg.is_up())?;
        Some(self.guests.remove(place).leg)
    }

    /// Nobody of a supervisor's phones has answered in its time.
    pub fn stop_ringing_guest(&mut self, leg: LegId, out: &mut Vec<CallOutput>) {
        self.let_go(|guest| guest.leg.id == leg && !guest.leg.is_up(), Cause::NoAnswer, out);
    }

    fn let_go(&mut self, which: impl Fn(&Guest) -> bool, cause: Cause, out: &mut Vec<CallOutput>) {
        for mut guest in self.guests.extract_if(.., |guest| which(guest)) {
            self.unreported.insert(guest.leg.id);
            guest.tell_end(out);
            guest.leg.hang_up(cause, out);
            out.push(CallOutput::Notice(Notice::GuestGone { leg: guest.leg.id }));
        }
    }
}

impl Guest {
    pub(super) fn leg(&self) -> &Leg {
        &self.leg
    }

    pub(super) fn leg_mut(&mut self) -> &mut Leg {
        &mut self.leg
    }

    fn is_of(&self, by: &AgentId) -> bool {
        self.supervises.as_ref().is_some_and(|supervisor| supervisor.by == *by)
    }

    /// Takes its part beside the two of whom one is `to`, or takes another.
    fn join(&self, to: LegId, out: &mut Vec<CallOutput>) {
        let leg = self.leg.id;
        let (part, event) = match &self.supervises {
            None => (Part::Talks, EventKind::ThirdJoined { leg }),
            Some(Supervisor { by, mode, whispers_to }) => {
                let part = match mode {
                    SupervisionMode::Listen => Part::Listens,
                    SupervisionMode::Whisper => Part::Whispers { to: *whispers_to },
                    SupervisionMode::Barge => Part::Talks,
                };
                (part, EventKind::Supervised { leg, by: by.clone(), mode: *mode })
            }
        };
        self.leg.media(MediaCmd::Join { leg, to, part }, out);
        out.push(CallOutput::Event(event));
    }

    fn tell_end(&self, out: &mut Vec<CallOutput>) {
        if let Some(supervisor) = self.supervises.as_ref().filter(|_| self.leg.is_up()) {
            let by = supervisor.by.clone();
            out.push(CallOutput::Event(EventKind::SupervisionEnded { leg: self.leg.id, by }));
        }
    }
}
