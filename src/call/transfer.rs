//! A party refers the other to somebody else (RFC 3515): the two are parted, the referrer waits aside, and whom it referred
//! becomes the caller of whoever is rung next. So a transfer that comes to nothing can end where it began.

use super::{Call, CallOutput, HOLD_MUSIC, Leg, Notice};
use crate::events::Cause;
use crate::ids::LegId;
use crate::media::command::{MediaCmd, PlayItem, RecordingId, Tone};
use std::sync::Arc;

impl Call {
    /// Parts the bridged; `referrer` waits aside. True when it had been the caller, and the other now is. `None`, and nothing
    /// done, when there is nobody to refer.
    pub fn refer(&mut self, referrer: LegId, out: &mut Vec<CallOutput>) -> Option<bool> {
        if !self.may_refer() {
            return None;
        }
        let by_caller = referrer == self.caller.id;
        let partner = self.partner.take_if(|partner| by_caller || partner.id == referrer)?;
        self.part(partner.id, out);
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
