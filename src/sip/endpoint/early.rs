//! Changing a session before the call is answered, by UPDATE (RFC 3311 5) or by the PRACK of the caller (RFC 3262 5). Either
//! is possible only after a reliable provisional response has completed the first offer and answer.

use super::compose::{Reply, SDP, Within};
use super::usage::{Exchange, OfferBy, Offering, Ours, Phase};
use super::{Busy, Endpoint, Owner, SipEvent, UsageId};
use crate::sip::dialog::body::sdp_of;
use crate::sip::message::{Message, Method};
use crate::sip::transaction::ClientId;
use bytes::Bytes;
use std::time::Instant;

impl Endpoint {
    /// Our offer, where RFC 3311 5.1 allows one.
    pub(super) fn offer_early(
        &mut self,
        now: Instant,
        id: UsageId,
        phase: &mut Phase,
        offer: Bytes,
    ) -> Result<(), Busy> {
        let (dialog, offering, login) = match phase {
            Phase::Ringing(ringing) => {
                let agreed = ringing.exchange == Exchange::Agreed && ringing.reliable.outstanding().is_none();
                let free = agreed && ringing.offering.is_idle() && ringing.accepted.is_none() && ringing.updates;
                free.then_some((&mut ringing.dialog, &mut ringing.offering, None)).ok_or(Busy)?
            }
            Phase::Calling(calling) => match &mut calling.forks[..] {
                [fork]
                    if fork.exchange == Exchange::Agreed && fork.offering.is_idle() && fork.updates && !fork.gone =>
                {
                    (&mut fork.dialog, &mut fork.offering, calling.login.as_mut())
                }
                _ => return Err(Busy),
            },
            _ => return Err(Busy),
        };
        let with = Within { login, body: Some((SDP, &offer)), ..Within::default() };
        let tx = self.send_in_dialog(now, dialog, &Method::Update, with, Owner::Reoffer(id));
        *offering =
            Offering::Ours(Ours { tx, by: OfferBy::Update, offer, attempt: 1, cancelled: false, refresh: false });
        Ok(())
    }

    /// The answer to our UPDATE, which the call's own answer may have overtaken.
    pub(super) fn early_offer_answered(&mut self, now: Instant, id: UsageId, tx: ClientId, response: &Message) {
        self.change(id, |this, mut phase| {
            let Some(mut talk) = phase.talk(|talk| talk.offering.is_ours(tx)) else { return phase };
            talk.offering.take_ours(tx);
            if (200..300).contains(&response.status()) {
                talk.dialog.refresh_target(response);
                talk.outdate();
                this.events.push_back(SipEvent::ReofferAnswered { usage: id, sdp: sdp_of(response) });
            } else {
                this.reoffer_lost(id, response.status());
            }
            phase
        });
        self.go_on(now, id);
    }

    /// The app's answer to the peer's offer.
    pub(super) fn answer_early(
        &mut self,
        now: Instant,
        phase: &mut Phase,
        answer: Result<Bytes, u16>,
        headers: &[(&str, &str)],
    ) {
        let Some(mut talk) = phase.talk(|talk| matches!(talk.offering, Offering::Theirs(_))) else { return };
        let Some(theirs) = talk.offering.take_theirs(None) else { return };
        let sdp = match answer {
            Ok(sdp) => sdp,
            Err(status) => {
                self.answer(now, theirs.tx, Reply { headers, ..Reply::plain(status.clamp(400, 699)) });
                return;
            }
        };
        talk.outdate();
        let update = theirs.by == OfferBy::Update;
        if let Some(request) = self.layer.open_request(theirs.tx).filter(|_| update) {
            talk.dialog.refresh_target(request);
        }
        let contact = talk.dialog.contact.clone();
        let contact = update.then_some(&*contact);
        self.answer(now, theirs.tx, Reply { contact, body: Some((SDP, &sdp)), ..Reply::plain(200) });
    }
}
