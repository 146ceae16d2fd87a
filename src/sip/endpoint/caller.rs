//! The side that calls: an INVITE of ours until it is answered, refused, cancelled or lost, with every phone it reached.

use super::arrival::header_text;
use super::compose::{Invitation, Within};
use super::prack::rseq_of;
use super::usage::{Calling, Cancelling, Exchange, Fork, Offering, Phase, Up};
use super::{EndReason, Endpoint, Full, Outgoing, Owner, SipEvent, UsageId};
use crate::sip::dialog::reason::Reason;
use crate::sip::dialog::session_timer::{LEAST_S, SessionTerms};
use crate::sip::dialog::{Dialog, body::sdp_of};
use crate::sip::digest::Login;
use crate::sip::message::{Contact, HeaderName, Message, Method, Uri, is_sips};
use crate::sip::peer::Transmit;
use crate::sip::transaction::{Branch, ClientId, derived};
use smallvec::SmallVec;
use std::time::Instant;

/// Early dialogs of one INVITE that are kept. A proxy that forks to more phones is served; what they say before they
/// answer is not.
const MAX_EARLY: usize = 16;

/// The status by which a proxy tells that one of several phones has refused (RFC 6228).
const EARLY_DIALOG_TERMINATED: u16 = 199;

/// Contacts of a redirection that are looked at.
const MAX_PLACES: usize = 10;

/// INVITEs of one call that may be sent before a 422 counts as a refusal.
const MAX_TRIES: u32 = 8;

impl Endpoint {
    /// A Call-ID for [`Outgoing::call_id`], for whoever has to name the call before it is sent.
    pub fn fresh_call_id(&mut self) -> String {
        self.mint.call_id()
    }

    /// Begins a call. [`SipEvent::Answered`] or [`SipEvent::Rejected`] tells its outcome, that no answer came (408) and that
    /// the way is closed (503) included. `Err`: too much is going on here; nothing was sent.
    pub fn invite(&mut self, now: Instant, order: Outgoing) -> Result<UsageId, Full> {
        if self.is_full() {
            return Err(Full);
        }
        let tag = self.mint.tag();
        let call_id = order.call_id.clone().unwrap_or_else(|| self.mint.call_id());
        let user = Uri::parse(order.from.as_str()).ok().and_then(|uri| uri.user().map(str::to_owned));
        let contact = self.composer.contact(&order.peer, user.as_deref(), is_sips(order.request_uri.as_bytes()));
        let login = order.credentials.clone().map(Login::new);
        let id = self.new_usage(tag, Phase::Over);
        self.composer.sessions.begin_ours(tag, &order.headers);
        // The transaction names its usage and the usage its transaction, so one of them is filled in afterwards.
        let (peer, branch) = (order.peer, self.mint.branch());
        let session = self.session;
        let invitation = invitation(&order, session, tag, &call_id, &contact);
        let bytes = self.composer.invite(&invitation, branch, 1, None);
        let tx = self.layer.start_client(now, branch, &Method::Invite, peer, bytes, Owner::Invite(id));
        let calling = Calling {
            tx,
            order,
            session,
            call_id,
            contact,
            cseq: 1,
            login,
            provisional: false,
            forks: SmallVec::new(),
        };
        if let Some(usage) = self.usages.get_mut(id.0) {
            usage.phase = Phase::Calling(Box::new(calling));
        }
        Ok(id)
    }

    pub(super) fn invite_answered(&mut self, now: Instant, id: UsageId, tx: ClientId, response: &Message) {
        match response.status() {
            ..200 => self.invite_progressed(now, id, response),
            200..300 => self.invite_accepted(now, id, tx, response),
            _ => self.invite_refused(now, id, response),
        }
    }

    fn invite_progressed(&mut self, now: Instant, id: UsageId, response: &Message) {
        self.change(id, |this, phase| match phase {
            Phase::Calling(mut calling) => {
                calling.provisional = true;
                if response.status() == 100 {
                    this.events.push_back(SipEvent::Trying { usage: id });
                } else {
                    this.hear_progress(now, id, &mut calling, response);
                }
                Phase::Calling(calling)
            }
            Phase::Cancelling(cancelling) if !cancelling.sent => this.send_cancel(now, *cancelling),
            other => other,
        });
    }

    /// 101 to 199. One that wants a PRACK gets it, and counts once and in its turn (RFC 3262 4).
    fn hear_progress(&mut self, now: Instant, id: UsageId, calling: &mut Calling, response: &Message) {
        let status = response.status();
        if status == EARLY_DIALOG_TERMINATED {
            // Of several phones one has refused; what the others say is still to come (RFC 6228 5).
            let tag = response.to().ok().and_then(|to| to.tag()).unwrap_or_default();
            calling.forks.retain(|fork| fork.dialog.remote_tag() != tag);
            return;
        }
        let place = self.fork_of(calling, response);
        let cseq = calling.cseq;
        let Some(fork) = place.and_then(|place| calling.forks.get_mut(place)) else {
            self.events.push_back(SipEvent::Progress { usage: id, status, sdp: sdp_of(response) });
            return;
        };
        fork.updates |= response.allows(&Method::Update);
        // After the answer, more SDP means nothing (13.2.1).
        let sdp = sdp_of(response).filter(|_| fork.exchange == Exchange::Offered);
        if let Some(rseq) = rseq_of(response) {
            if !fork.take_rseq(rseq) {
                return;
            }
            if sdp.is_some() {
                fork.exchange = Exchange::Agreed;
            }
            let acknowledged = format!("{rseq} {cseq} INVITE");
            self.send_prack(now, id, &mut fork.dialog, &acknowledged, calling.login.as_mut());
        }
        if sdp.is_some() {
            fork.answer = sdp.clone();
        }
        self.events.push_back(SipEvent::Progress { usage: id, status, sdp });
    }

    /// The early dialog that a response belongs to; a new To tag makes a new one (12.1.2, 13.2.2.1).
    fn fork_of(&mut self, calling: &mut Calling, response: &Message) -> Option<usize> {
        let tag = response.to().ok().and_then(|to| to.tag())?;
        let known = calling.forks.iter().position(|fork| fork.dialog.remote_tag() == tag);
        if known.is_some() || calling.forks.len() >= MAX_EARLY {
            return known;
        }
        let invite = Message::parse(self.layer.sent_request(calling.tx)?.clone()).ok()?;
        let dialog = Dialog::of_caller(&invite, response, calling.order.peer)?;
        calling.forks.push(Fork {
            dialog,
            gone: false,
            rseq: None,
            exchange: Exchange::Offered,
            offering: Offering::Idle,
            answer: None,
            updates: false,
        });
        Some(calling.forks.len() - 1)
    }

    fn invite_accepted(&mut self, now: Instant, id: UsageId, tx: ClientId, response: &Message) {
        let tag = response.to().ok().and_then(|to| to.tag()).unwrap_or_default();
        if self.layer.acknowledge_again(tx, tag) {
            return;
        }
        let (Some(sent), Some(peer)) = (self.layer.sent_request(tx), self.layer.client_peer(tx)) else { return };
        let Ok(invite) = Message::parse(sent.clone()) else { return };
        let Some(dialog) = Dialog::of_caller(&invite, response, peer) else { return };
        self.acknowledge(tx, &dialog, &invite, tag);
        let mut dialog = Some(dialog);
        let mut remembered = true;
        let known = self.change(id, |this, phase| match phase {
            Phase::Calling(calling) if calling.tx == tx => {
                let Some(dialog) = dialog.take() else { return Phase::Calling(calling) };
                let mut up = Up::new(dialog, calling.login, response.allows(&Method::Update));
                let mut sdp = sdp_of(response);
                let (early, others) = calling.forks.into_iter().partition(|fork| fork.dialog.remote_tag() == tag);
                up.others = others;
                let early: Vec<Fork> = early;
                // What was said in the early dialog counts on.
                if let Some(early) = early.into_iter().next() {
                    if early.gone {
                        this.ended(id, EndReason::Bye { reason: None });
                        return Phase::Over;
                    }
                    up.dialog.continue_from(early.dialog);
                    up.offering = early.offering;
                    up.updates |= early.updates;
                    sdp = match early.exchange {
                        Exchange::Agreed => early.answer,
                        _ => sdp.or(early.answer),
                    };
                }
                this.events.push_back(SipEvent::Answered { usage: id, sdp, response: response.clone() });
                let min_s = calling.session.map_or(LEAST_S, |terms| terms.min_s);
                this.session_agreed(now, id, &mut up, response, min_s);
                Phase::Up(Box::new(up))
            }
            // The answer crossed our CANCEL (9.1): the call is up and is ended like any other.
            Phase::Cancelling(mut cancelling) => match dialog.take() {
                Some(mut dialog) => {
                    count_on(&mut dialog, &mut cancelling.forks);
                    this.leave(now, id, dialog, cancelling.login, cancelling.reason)
                }
                None => Phase::Over,
            },
            Phase::Up(mut up) => {
                if let Some(dialog) = &mut dialog {
                    count_on(dialog, &mut up.others);
                }
                Phase::Up(up)
            }
            other => {
                remembered = false;
                other
            }
        });
        // Nobody took it: another fork was first, or the call is over (13.2.2.4).
        if let Some(mut dialog) = dialog {
            if !known || !remembered {
                dialog.skip_ahead();
            }
            self.dismiss(now, dialog);
        }
    }

    /// Sends the ACK for a 2xx and leaves it with the transaction for repetitions.
    pub(super) fn acknowledge(&mut self, tx: ClientId, dialog: &Dialog, invite: &Message, tag: &str) {
        let peer = dialog.next_hop();
        let via = self.composer.via(&peer, self.mint.branch());
        let cseq = invite.cseq().map_or(1, |cseq| cseq.number);
        let with = Within { credentials_of: Some(invite), ..Within::default() };
        let bytes = self.composer.in_dialog(dialog, &via, &Method::Ack, cseq, with);
        self.layer.acknowledge(tx, tag, Transmit { peer, bytes });
    }

    fn dismiss(&mut self, now: Instant, mut dialog: Dialog) {
        let (peer, branch) = (dialog.next_hop(), self.mint.branch());
        let via = self.composer.via(&peer, branch);
        let cseq = dialog.next_cseq();
        let bytes = self.composer.in_dialog(&dialog, &via, &Method::Bye, cseq, Within::default());
        self.layer.start_client(now, branch, &Method::Bye, peer, bytes, Owner::Nobody);
    }

    fn invite_refused(&mut self, now: Instant, id: UsageId, response: &Message) {
        self.change(id, |this, phase| match phase {
            Phase::Calling(mut calling) => {
                let again = match response.status() {
                    401 | 407 => {
                        calling.login.as_mut().is_some_and(|l| l.take_challenge(response, || this.mint.cnonce()))
                    }
                    422 if calling.cseq < MAX_TRIES => {
                        let raised = calling.session.and_then(|terms| terms.raised(response));
                        calling.session = raised.or(calling.session);
                        raised.is_some()
                    }
                    _ => false,
                };
                if again {
                    this.try_again(now, id, &mut calling);
                    return Phase::Calling(calling);
                }
                this.events.push_back(rejection(id, response));
                Phase::Over
            }
            Phase::Cancelling(_) => Phase::Over,
            other => other,
        });
    }

    /// Sends the INVITE again, with credentials or another session interval: same Call-ID and tag, next number, new
    /// transaction (22.2, RFC 4028 7.3).
    fn try_again(&mut self, now: Instant, id: UsageId, calling: &mut Calling) {
        let Some(tag) = self.usages.get(id.0).map(|usage| usage.tag) else { return };
        calling.cseq += 1;
        calling.provisional = false;
        calling.forks.clear();
        let branch: Branch = self.mint.branch();
        let invitation = invitation(&calling.order, calling.session, tag, &calling.call_id, &calling.contact);
        let bytes = self.composer.invite(&invitation, branch, calling.cseq, calling.login.as_mut());
        let peer = calling.order.peer;
        calling.tx = self.layer.start_client(now, branch, &Method::Invite, peer, bytes, Owner::Invite(id));
    }

    pub(super) fn invite_failed(&mut self, id: UsageId, status: u16) {
        self.change(id, |this, phase| match phase {
            Phase::Calling(_) => {
                this.events.push_back(SipEvent::Rejected {
                    usage: id,
                    status,
                    reason: super::compose::phrase(status).into(),
                    why: None,
                    contacts: Vec::new(),
                    retry_after: None,
                    local: true,
                });
                Phase::Over
            }
            Phase::Cancelling(_) => Phase::Over,
            other => other,
        });
    }

    /// Gives up on a callee that has not answered.
    pub(super) fn cancel(&mut self, now: Instant, calling: Calling, reason: Option<String>) -> Phase {
        let Calling { tx, login, forks, .. } = calling;
        let cancelling = Cancelling { tx, sent: false, reason, login, forks: forks.into_vec() };
        if calling.provisional { self.send_cancel(now, cancelling) } else { Phase::Cancelling(Box::new(cancelling)) }
    }

    fn send_cancel(&mut self, now: Instant, mut cancelling: Cancelling) -> Phase {
        if !self.cancel_transaction(now, cancelling.tx, cancelling.reason.as_deref()) {
            return Phase::Over;
        }
        cancelling.sent = true;
        Phase::Cancelling(Box::new(cancelling))
    }

    /// Sends the CANCEL for an INVITE that has had a provisional response, and gives it 64*T1 to end (9.1).
    pub(super) fn cancel_transaction(&mut self, now: Instant, tx: ClientId, reason: Option<&str>) -> bool {
        let (Some(sent), Some(peer)) = (self.layer.sent_request(tx), self.layer.client_peer(tx)) else { return false };
        let Ok(invite) = Message::parse(sent.clone()) else { return false };
        let Some(branch) = invite.via().ok().and_then(|via| Branch::read(via.branch?)) else { return false };
        let bytes = derived::cancel(&invite, reason);
        self.layer.start_client(now, branch, &Method::Cancel, peer, bytes, Owner::Nobody);
        self.layer.give_up(now, tx);
        true
    }
}

/// Goes on counting where the early dialog of the same phone has ended.
fn count_on(dialog: &mut Dialog, forks: &mut Vec<Fork>) {
    if let Some(place) = forks.iter().position(|fork| fork.dialog.remote_tag() == dialog.remote_tag()) {
        dialog.continue_from(forks.swap_remove(place).dialog);
    }
}

fn invitation<'a>(
    order: &'a Outgoing,
    session: Option<SessionTerms>,
    tag: crate::sip::dialog::Tag,
    call_id: &'a str,
    contact: &'a str,
) -> Invitation<'a> {
    Invitation {
        peer: order.peer,
        request_uri: &order.request_uri,
        to: &order.to,
        from: &order.from,
        from_display: order.from_display.as_deref(),
        tag,
        call_id,
        contact,
        headers: &order.headers,
        offer: &order.offer,
        session,
    }
}

/// The Contacts of a 3xx by their q-values; where they are alike, as they stand.
fn places(response: &Message) -> Vec<Uri> {
    if !(300..400).contains(&response.status()) {
        return Vec::new();
    }
    let contacts = response.contacts().filter_map(|contact| match contact {
        Ok(Contact::Address(at)) => Some((at.q().unwrap_or(1000), at.parse_uri().ok()?.to_owned())),
        _ => None,
    });
    let mut contacts: Vec<(u16, Uri)> = contacts.take(MAX_PLACES).collect();
    contacts.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    contacts.into_iter().map(|(_, uri)| uri).collect()
}

fn rejection(usage: UsageId, response: &Message) -> SipEvent {
    SipEvent::Rejected {
        usage,
        status: response.status(),
        reason: String::from_utf8_lossy(response.reason()).into_owned(),
        why: header_text(response, HeaderName::Reason).and_then(|value| Reason::read(&value)),
        contacts: places(response),
        retry_after: response.seconds(HeaderName::RetryAfter),
        local: false,
    }
}
