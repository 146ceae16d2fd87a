//! A party refers the other to somebody else (RFC 3515): the two are parted, the referrer waits aside, and whom it referred
//! becomes the caller of whoever is rung next. So a transfer that comes to nothing can end where it began.

use super::{Call, CallOutput, HOLD_MUSIC, Leg, Notice};
use crate::events::{Cause, EndedBy, EventKind};
use crate::ids::{CallId, LegId};
use crate::media::command::{MediaCmd, PlayItem, RecordingId, Tone};
use std::sync::Arc;

impl Call {
    /// Parts the bridged; `referrer` waits aside. True when it had been the caller, and the other now is. `None`, and nothing
    /// done, when there is nobody to refer.
    pub fn refer(&mut self, referrer: LegId, out: &mut Vec<CallOutput>) -> Option<bool> {
        let partner = self.parted_from(referrer, out)?;
        let by_caller = referrer == self.caller.id;
        let parked = match by_caller {
            true => {
                partner.media(MediaCmd::StopPlay { leg: partner.id, id: HOLD_MUSIC }, out);
                std::mem::replace(&mut self.caller, partner)
            }
            false => partner,
        };
        // Whoever keeps listening hears that something is under way.
        let items = Arc::from([PlayItem::Tone(Tone::Ringback)]);
        let ringback = MediaCmd::Play { leg: parked.id, id: HOLD_MUSIC, items, repeat: true, bargeable: false };
        parked.media(ringback, out);
        self.parked = Some(parked);
        Some(by_caller)
    }

    /// Two are joined, and neither has referred the other yet.
    pub fn may_refer(&self) -> bool {
        self.bridged && !self.is_ended() && self.parked.is_none()
    }

    /// Whom the referrer had sent away comes back to it. False when it is gone.
    pub fn take_back(&mut self, record: Option<RecordingId>, out: &mut Vec<CallOutput>) -> bool {
        let Some(referrer) = self.parked.take_if(|_| self.attempt.is_none() && self.partner.is_none()) else {
            return false;
        };
        referrer.media(MediaCmd::StopPlay { leg: referrer.id, id: HOLD_MUSIC }, out);
        self.partner = Some(referrer);
        self.bridge(record, out);
        true
    }

    /// The referrer is not needed any more. Owed by the driver also when the call has ended, once it has told the referrer so.
    pub fn release_referrer(&mut self, cause: Cause, out: &mut Vec<CallOutput>) {
        if let Some(mut referrer) = self.parked.take() {
            self.unreported.insert(referrer.id);
            referrer.hang_up(cause, out);
        }
    }

    pub fn referrer(&self) -> Option<&Leg> {
        self.parked.as_ref()
    }

    /// The referrer hung up, or was lost, before it was known what becomes of whom it referred.
    pub(super) fn referrer_gone(&mut self, cause: Cause, out: &mut Vec<CallOutput>) {
        if let Some(mut referrer) = self.parked.take() {
            self.unreported.insert(referrer.id);
            referrer.gone(cause, out);
            out.push(CallOutput::Notice(Notice::ReferrerGone));
        }
    }
}

/// Two calls of one party become one.
impl Call {
    /// `leaving` goes, and the party opposite to it goes on in the call `to`; this one ends.
    pub fn give_away(&mut self, leaving: LegId, to: CallId, out: &mut Vec<CallOutput>) -> Option<Leg> {
        let partner = self.parted_from(leaving, out)?;
        let given = match leaving == self.caller.id {
            true => partner,
            false => std::mem::replace(&mut self.caller, partner),
        };
        given.media(MediaCmd::StopPlay { leg: given.id, id: HOLD_MUSIC }, out);
        out.push(CallOutput::Event(EventKind::LegMoved { leg: given.id, to }));
        self.hang_up(Cause::Normal, EndedBy::Agent, out);
        Some(given)
    }

    /// `given`, from another call, talks to the party opposite to `leaving`, who goes.
    pub fn take_place(&mut self, leaving: LegId, given: Leg, record: Option<RecordingId>, out: &mut Vec<CallOutput>) {
        let Some(partner) = self.parted_from(leaving, out) else {
            // Nobody is there any more to be joined to.
            self.partner = Some(given);
            return self.dismiss(Cause::Normal, out);
        };
        let mut gone = match leaving == self.caller.id {
            true => {
                partner.media(MediaCmd::StopPlay { leg: partner.id, id: HOLD_MUSIC }, out);
                std::mem::replace(&mut self.caller, partner)
            }
            false => partner,
        };
        self.unreported.insert(gone.id);
        gone.hang_up(Cause::Normal, out);
        self.partner = Some(given);
        self.bridge(record, out);
    }

    /// Another phone of the same party goes on where `leaving` was.
    pub fn take_seat_of(
        &mut self,
        leaving: LegId,
        mut given: Leg,
        record: Option<RecordingId>,
        out: &mut Vec<CallOutput>,
    ) {
        given.accept(out);
        if leaving != self.caller.id {
            return self.take_place(leaving, given, record, out);
        }
        let Some(partner) = self.parted_from(leaving, out) else { return };
        let mut gone = std::mem::replace(&mut self.caller, given);
        self.unreported.insert(gone.id);
        gone.hang_up(Cause::Normal, out);
        self.partner = Some(partner);
        self.bridge(record, out);
    }

    /// Somebody answers from another phone what rings: as if one of those dialled had.
    pub fn pick_up(&mut self, mut given: Leg, out: &mut Vec<CallOutput>) {
        let Some(attempt) = &self.attempt else { return };
        let purpose = attempt.purpose.clone();
        self.stop_dialing(Cause::AnsweredElsewhere, out);
        given.accept(out);
        self.seat(given);
        out.push(CallOutput::Notice(Notice::Answered { purpose }));
    }

    /// Ends the bridge of `leg`, who is one of the two; the partner is taken out.
    fn parted_from(&mut self, leg: LegId, out: &mut Vec<CallOutput>) -> Option<Leg> {
        if !self.may_refer() {
            return None;
        }
        let by_caller = leg == self.caller.id;
        let partner = self.partner.take_if(|partner| by_caller || partner.id == leg)?;
        self.part(&partner, out);
        Some(partner)
    }
}
