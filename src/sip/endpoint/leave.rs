//! Hanging up, in whatever state the call is, and the BYE that ends a dialog (RFC 3261 15).

use super::arrival::header_text;
use super::compose::{Reply, Within, reason_value};
use super::usage::{Bye, Leaving, Offering, Phase};
use super::{EndReason, Endpoint, Owner, UsageId};
use crate::sip::dialog::Dialog;
use crate::sip::digest::Login;
use crate::sip::message::{HeaderName, Message, Method};
use crate::sip::transaction::ServerId;
use std::time::Instant;

impl Endpoint {
    /// Ends the usage as its state demands: a refusal, a CANCEL, a BYE, or a BYE as soon as one is allowed. `reason` is
    /// protocol, cause and text of a Reason header (RFC 3326). No event of this usage follows.
    pub fn hangup(&mut self, now: Instant, id: UsageId, reason: Option<(&str, u16, &str)>) {
        let reason = reason.map(reason_value);
        let known = self.change(id, |this, phase| match phase {
            Phase::Ringing(ringing) => {
                this.drop_offer(now, &ringing.offering);
                let to_tag = this.usages.get(id.0).map(|usage| usage.tag);
                let headers: Vec<(&str, &str)> = reason.iter().map(|reason| ("Reason", reason.as_str())).collect();
                this.answer(now, ringing.tx, Reply { to_tag, headers: &headers, ..Reply::plain(480) });
                Phase::Over
            }
            Phase::Calling(calling) => this.cancel(now, *calling, reason),
            Phase::Up(up) => {
                let up = *up;
                this.drop_offer(now, &up.offering);
                match up.owed_ack {
                    // The callee may not say BYE before the ACK for its 2xx (15).
                    Some(owed) => {
                        let bye = Bye::AwaitsAck(owed);
                        Phase::Leaving(Box::new(Leaving { dialog: up.dialog, login: up.login, reason, bye }))
                    }
                    None => this.leave(now, id, up.dialog, up.login, reason),
                }
            }
            already @ (Phase::Cancelling(_) | Phase::Leaving(_) | Phase::Over) => already,
        });
        self.counts.stale_commands += u64::from(!known);
        self.heed(now);
    }

    /// What is still open of a change of the session ends with the dialog (15.1.2).
    pub(super) fn drop_offer(&mut self, now: Instant, offering: &Offering) {
        match offering {
            Offering::Idle => {}
            Offering::Theirs(theirs) => {
                self.answer(now, theirs.tx, Reply::plain(487));
            }
            // Gives up on INVITEs only; an UPDATE ends by itself.
            Offering::Ours(ours) => self.layer.give_up(now, ours.tx),
        }
    }

    /// Sends the BYE.
    pub(super) fn leave(
        &mut self,
        now: Instant,
        id: UsageId,
        mut dialog: Dialog,
        mut login: Option<Login>,
        reason: Option<String>,
    ) -> Phase {
        let with = Within { login: login.as_mut(), reason: reason.as_deref(), ..Within::default() };
        self.send_in_dialog(now, &mut dialog, &Method::Bye, with, Owner::Bye(id));
        Phase::Leaving(Box::new(Leaving { dialog, login, reason, bye: Bye::Sent }))
    }

    pub(super) fn bye_answered(&mut self, now: Instant, id: UsageId, response: &Message) {
        if response.status() < 200 {
            return;
        }
        self.change(id, |this, phase| match phase {
            Phase::Leaving(mut leaving) => {
                let challenged = matches!(response.status(), 401 | 407);
                let login = leaving.login.as_mut().filter(|_| challenged);
                if login.is_some_and(|login| login.take_challenge(response, || this.mint.cnonce())) {
                    return this.leave(now, id, leaving.dialog, leaving.login, leaving.reason);
                }
                // Whatever else it says, the dialog is over (15.1.1).
                Phase::Over
            }
            other => other,
        });
    }

    /// The peer hangs up.
    pub(super) fn receive_bye(&mut self, now: Instant, id: UsageId, tx: ServerId, bye: &Message) {
        self.answer(now, tx, Reply::plain(200));
        let reason = header_text(bye, HeaderName::Reason);
        let to_tag = self.usages.get(id.0).map(|usage| usage.tag);
        self.change(id, |this, phase| match phase {
            // A caller may end an early dialog so; what it has not had an answer to is refused (15.1.2).
            Phase::Ringing(ringing) => {
                this.answer(now, ringing.tx, Reply { to_tag, ..Reply::plain(487) });
                this.ended(id, EndReason::Bye { reason });
                Phase::Over
            }
            // A callee that answered, waited for our ACK in vain and hung up; its answer may still reach us.
            Phase::Calling(mut calling) => {
                calling.forks.iter_mut().filter(|fork| fork.dialog.owns(bye)).for_each(|fork| fork.gone = true);
                Phase::Calling(calling)
            }
            Phase::Up(up) => {
                this.drop_offer(now, &up.offering);
                this.ended(id, EndReason::Bye { reason });
                Phase::Over
            }
            // It crossed ours, whose answer is on its way; or it makes ours needless.
            Phase::Leaving(leaving) => match leaving.bye {
                Bye::Sent => Phase::Leaving(leaving),
                Bye::AwaitsAck(_) => Phase::Over,
            },
            other => other,
        });
    }
}
