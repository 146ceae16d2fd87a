//! Session timers in a call (RFC 4028): refreshing it when that is on us, and ending it when nobody did.

use super::compose::Within;
use super::usage::{Deadline, Phase, Up};
use super::{Busy, EndReason, Endpoint, Owner, SipEvent, UsageId};
use crate::sip::dialog::session_timer::{Agreement, SessionTerms, SessionTimer};
use crate::sip::message::{Message, Method};
use bytes::Bytes;
use std::time::Instant;

impl Endpoint {
    /// Answers [`SipEvent::RefreshDue`]: a re-INVITE that changes nothing. [`SipEvent::ReofferAnswered`] or
    /// [`SipEvent::ReofferFailed`] tells the outcome.
    pub fn refresh(&mut self, now: Instant, id: UsageId, offer: Bytes) -> Result<(), Busy> {
        let mut result = Err(Busy);
        self.change(id, |this, phase| match phase {
            Phase::Up(mut up) => {
                if up.is_free() {
                    this.send_offer(now, id, &mut up, offer, 1, true);
                    result = Ok(());
                }
                Phase::Up(up)
            }
            other => other,
        });
        result
    }

    /// Other terms for calls to come, where session timers are in use at all.
    pub fn set_session(&mut self, terms: SessionTerms) {
        self.session = self.session.map(|_| terms);
    }

    /// What a 2xx of ours to an INVITE or UPDATE of the peer would agree to; `Err` is the Min-SE of a 422.
    pub(super) fn session_for(
        &self,
        request: &Message,
        running: Option<SessionTimer>,
    ) -> Result<Option<Agreement>, String> {
        let Some(terms) = &self.session else { return Ok(None) };
        terms.answer(request, running).map_err(|_| terms.min_s.to_string())
    }

    /// Takes what the 2xx to an INVITE or UPDATE of ours agrees to.
    pub(super) fn session_agreed(&mut self, now: Instant, id: UsageId, up: &mut Up, response: &Message, min_s: u32) {
        let timer = self.session.and_then(|_| SessionTimer::agreed(response, min_s));
        self.start_session(now, id, up, timer);
    }

    /// A 2xx to an INVITE or UPDATE of either side starts the time anew, or says that none is kept.
    pub(super) fn start_session(&mut self, now: Instant, id: UsageId, up: &mut Up, timer: Option<SessionTimer>) {
        up.session = timer;
        self.deadlines.clear(&(id, Deadline::Refresh));
        self.deadlines.clear(&(id, Deadline::SessionOver));
        let Some(timer) = timer else { return };
        self.deadlines.set((id, Deadline::SessionOver), now + timer.over_after());
        if timer.we_refresh {
            self.deadlines.set((id, Deadline::Refresh), now + timer.refresh_after());
        }
    }

    /// An UPDATE without SDP where the peer takes that (section 7.4), else a re-INVITE, for which the app has the SDP.
    pub(super) fn refresh_due(&mut self, now: Instant, id: UsageId) {
        self.change(id, |this, phase| match phase {
            Phase::Up(mut up) => {
                let Some(timer) = up.session else { return Phase::Up(up) };
                // Until an answer sets it anew; a change that is under way refreshes as well.
                this.deadlines.set((id, Deadline::Refresh), now + timer.retry_after());
                match (up.is_free(), up.updates) {
                    (true, true) => this.send_refresh(now, id, &mut up),
                    (true, false) => this.events.push_back(SipEvent::RefreshDue { usage: id }),
                    (false, _) => {}
                }
                Phase::Up(up)
            }
            other => other,
        });
    }

    fn send_refresh(&mut self, now: Instant, id: UsageId, up: &mut Up) {
        let with = Within { login: up.login.as_mut(), session: up.session, ..Within::default() };
        self.send_in_dialog(now, &mut up.dialog, &Method::Update, with, Owner::Refresh(id));
    }

    pub(super) fn refresh_answered(&mut self, now: Instant, id: UsageId, response: &Message) {
        self.change(id, |this, phase| match phase {
            Phase::Up(mut up) => {
                match (response.status(), up.session) {
                    (200..300, Some(timer)) => {
                        up.dialog.refresh_target(response);
                        this.session_agreed(now, id, &mut up, response, timer.min_s);
                    }
                    // The next try asks for more.
                    (422, Some(timer)) => up.session = timer.raised(response).or(up.session),
                    (401 | 407, Some(_))
                        if up.login.as_mut().is_some_and(|l| l.take_challenge(response, || this.mint.cnonce())) =>
                    {
                        this.send_refresh(now, id, &mut up)
                    }
                    (405 | 501, Some(_)) => {
                        up.updates = false;
                        this.deadlines.set((id, Deadline::Refresh), now);
                    }
                    (status @ (408 | 481), _) => return this.peer_lost(now, id, *up, status),
                    _ => {}
                }
                Phase::Up(up)
            }
            other => other,
        });
    }

    /// No answer ends the call (12.2.1.2); no way to send is tried again until the session is over.
    pub(super) fn refresh_failed(&mut self, now: Instant, id: UsageId, status: u16) {
        self.change(id, |this, phase| match phase {
            Phase::Up(up) if status == 408 => this.peer_lost(now, id, *up, status),
            other => other,
        });
    }

    pub(super) fn session_over(&mut self, now: Instant, id: UsageId) {
        self.change(id, |this, phase| match phase {
            Phase::Up(up) => {
                this.stop_repeating(id);
                this.drop_offer(now, &up.offering);
                this.ended(id, EndReason::SessionExpired);
                this.leave(now, id, up.dialog, up.login, None)
            }
            other => other,
        });
    }
}
