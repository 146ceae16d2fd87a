//! Fax between two who are joined. Who wants it asks by a re-INVITE with an image line and waits, while the other is asked
//! the same; only what both take is begun, and what one refuses is refused to the first: then it goes on as sound.
//! Back to sound the one side goes by an offer of its own, and the other is asked to follow.

use super::{Call, CallOutput};
use crate::events::EventKind;
use crate::ids::LegId;
use bytes::Bytes;

/// A fax that one asked for and the other has not answered yet.
#[derive(Debug)]
pub(super) struct FaxAsked {
    from: LegId,
    to: LegId,
    /// Of `from`, which waits for its answer; `None` = it waits no more.
    offer: Option<Bytes>,
}

impl Call {
    /// An offer of fax is handed to the other party. False for any other, and where there is nobody to take a fax.
    pub(super) fn ask_for_fax(&mut self, leg: LegId, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) -> bool {
        // Of more than two no fax can be between all.
        let alone = self.guests.is_empty();
        let Some(other) = self.partner.as_mut().filter(|_| self.bridged && alone) else { return false };
        let (party, other) = match leg == self.caller.id {
            true => (&self.caller, other),
            false => (&*other, &mut self.caller),
        };
        let waits = self.fax.as_ref().is_some_and(|asked| asked.offer.is_some());
        let Some(sdp) = sdp.filter(|_| !waits) else { return false };
        let Some(fax) = party.fax_asked(sdp).filter(|_| other.may_fax()) else { return false };
        self.fax = Some(FaxAsked { from: leg, to: other.id, offer: Some(Bytes::copy_from_slice(sdp)) });
        other.offer_fax(&fax, out);
        true
    }

    /// The answer of who was asked for a fax. False for that of any other leg.
    pub(super) fn fax_answered(&mut self, leg: LegId, sdp: Option<&[u8]>, out: &mut Vec<CallOutput>) -> bool {
        let Some(FaxAsked { from, offer, .. }) = self.fax.take_if(|asked| asked.to == leg) else { return false };
        let Some(other) = self.leg_mut(leg) else { return true };
        let taken = match sdp.map(|sdp| other.handle_fax_answer(sdp)) {
            Some(Ok(taken)) if offer.is_some() => Some(taken),
            // It is in a fax by now, or without any stream.
            Some(_) => {
                other.offer_audio(out);
                None
            }
            None => {
                _ = other.refreshed(None, out);
                None
            }
        };
        let (Some(offer), Some(party)) = (offer, self.leg_mut(from)) else { return true };
        let begun = taken.and_then(|fax| Some((party.answer_fax(&offer, &fax, out).ok()?, fax)));
        out.push(CallOutput::Event(EventKind::Fax { leg: from, relayed: begun.is_some() }));
        match begun {
            Some((near, fax)) => {
                party.begin_fax(near, out);
                if let Some(other) = self.leg_mut(leg) {
                    other.begin_fax(fax.remote, out);
                }
            }
            None => party.refuse_fax(out),
        }
        true
    }

    /// A party's re-INVITE ended without our answer.
    pub fn leg_withdrew(&mut self, leg: LegId) {
        if let Some(asked) = self.fax.as_mut().filter(|asked| asked.from == leg) {
            asked.offer = None;
        }
    }

    /// `leg` goes on with sound: so is the other to.
    pub(super) fn follow_to_audio(&mut self, leg: LegId, out: &mut Vec<CallOutput>) {
        let legs = std::iter::once(&mut self.caller).chain(&mut self.partner);
        let (own, others): (Vec<_>, Vec<_>) = legs.partition(|party| party.id == leg);
        if own.iter().any(|party| !party.is_fax()) {
            others.into_iter().filter(|party| party.keeps_fax()).for_each(|party| party.offer_audio(out));
        }
    }

    /// The two are joined no more, or anew: whoever is still in a fax has nobody to send it to.
    pub(super) fn end_fax(&mut self, out: &mut Vec<CallOutput>) {
        let waits = self.fax.as_mut().and_then(|asked| asked.offer.take().map(|_| asked.from));
        if let Some(party) = waits.and_then(|from| self.leg_mut(from)) {
            party.refuse_fax(out);
        }
        if !self.is_ended() {
            let legs = std::iter::once(&mut self.caller).chain(&mut self.partner);
            legs.filter(|party| party.is_fax()).for_each(|party| party.offer_audio(out));
        }
    }
}
