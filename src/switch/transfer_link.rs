//! Between REFER (RFC 3515) and calls: who may send the other party of its call elsewhere, whither, what the referrer is told
//! of it, and where the caller is when it comes to nothing. A referral obeys the same rules as a call of the referrer's own.

use super::join_link::{Consulted, Seat, Side};
use super::queue_link::{MUSIC, unprompted};
use super::refer_back::Back;
use super::test_number::TestCall;
use super::{Driver, Switch, SwitchTimer};
use crate::acd::{Enqueue, Lost};
use crate::call::DialPurpose;
use crate::events::{Cause, EndedBy, EventKind, Source, TransferOutcome};
use crate::ids::{AgentId, CallId, LegId, Redacted};
use crate::media::command::{PlayItem, Tone};
use crate::routing::{Closed, Destination};
use crate::sip::endpoint::{Notice, ServerRequest, SubscriptionId, UsageId, phrase};
use crate::sip::message::uri::{Scheme, UriRef};
use crate::sip::message::{HeaderName, Message, Replaces};
use crate::timers::Now;

/// Why an operator's transfer is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untransferable {
    NoCall,
    /// Nobody talks in it, or it is being transferred already.
    NobodyTalks,
    /// The agent of the call may not dial that number.
    NotOpen,
}

/// A referral under way.
#[derive(Debug)]
pub(super) struct Referral {
    pub by: AgentId,
    to: String,
    /// Who is told how it goes on, unless the referrer does not want to be.
    subscription: Option<SubscriptionId>,
    pub(super) seat: Seat,
    /// The call was recorded before, so it is after.
    recorded: bool,
    pub(super) back: Option<Back>,
}

impl Switch {
    /// A REFER in a call.
    pub(super) fn on_referred(&mut self, now: Now, usage: UsageId, request: ServerRequest, message: &Message) {
        let place = self.usages.get(&usage).copied().and_then(|leg| Some((self.legs.get(&leg)?.0, leg)));
        let Some((id, leg)) = place else {
            return self.endpoint.respond(now.at, request, 481, None, &[], None);
        };
        let (by, wanted) = match self.referral(id, leg, message) {
            Ok(referral) => referral,
            Err((status, to)) => {
                self.endpoint.respond(now.at, request, status, None, &[], None);
                return self.emit(now, Some(id), EventKind::TransferRefused { leg, to: Redacted::new(to), status });
            }
        };
        // RFC 4488: `false` asks for no subscription.
        let told = message.text(HeaderName::ReferSub).is_none_or(|value| !value.starts_with(b"false"));
        let subscription = self.endpoint.accept_refer(now.at, usage, request, told);
        match wanted {
            Wanted::Number(to, destination) => self.begin_referral(now, id, leg, (by, to, subscription), destination),
            Wanted::SameNumber(other, to, destination) => {
                // Its phones must be free before they are called again.
                self.end_call(now, other, Cause::Normal, EndedBy::Agent);
                self.begin_referral(now, id, leg, (by, to, subscription), destination);
            }
            Wanted::Party(there) => self.join(now, &by, (id, leg), there, subscription),
        }
    }

    /// Who refers whither, or the status owed.
    fn referral(&self, id: CallId, leg: LegId, message: &Message) -> Result<(AgentId, Wanted), (u16, String)> {
        let nowhere = |status| (status, String::new());
        let uri = refer_to(message).map_err(nowhere)?;
        let to = uri.user_decoded().map(|user| super::inbound::printable(user.as_bytes())).unwrap_or_default();
        let refused = |status| (status, to.clone());
        let entry = self.calls.get(&id).ok_or(refused(481))?;
        if entry.referral.is_some() {
            return Err(refused(491));
        }
        // Who is beside the two has nobody to send elsewhere.
        if entry.call.is_guest(leg) {
            return Err(refused(603));
        }
        // Only an extension may; a trunk is a stranger to our numbers.
        let by = entry.agent_of(leg).filter(|agent| self.config.extensions.contains_key(*agent)).ok_or(refused(403))?;
        // Nobody is there whom it could refer.
        if !entry.call.may_refer() {
            return Err(refused(603));
        }
        if entry.hops <= 1 {
            return Err(refused(483));
        }
        if let Some(value) = one_replaces(uri).map_err(refused)? {
            let named = Replaces::parse(&value).map_err(|_| refused(400))?;
            let wanted = match self.consulted(by, id, &named).map_err(refused)? {
                Consulted::Talks { call, leg } if self.are_beside(id, call) => Wanted::Party((call, leg)),
                Consulted::Talks { .. } => return Err(refused(500)),
                Consulted::Waits { call } => {
                    let to = self.calls.get(&call).map(|entry| entry.to.clone()).unwrap_or_default();
                    let destination = self.destination_for(by, &to).map_err(refused)?;
                    Wanted::SameNumber(call, to, destination)
                }
            };
            return Ok((by.clone(), wanted));
        }
        if to.is_empty() {
            return Err(refused(404));
        }
        let destination = self.destination_for(by, &to).map_err(refused)?;
        Ok((by.clone(), Wanted::Number(to, destination)))
    }

    /// Where a number leads that an agent sends somebody to, as if it had called it.
    fn destination_for(&self, by: &AgentId, to: &str) -> Result<Destination, u16> {
        match self.config.routes.route(to, &Source::Extension(by.clone())) {
            Ok(route) => Ok(route.to.clone()),
            Err(Closed::NotFound) => Err(404),
            Err(Closed::NotOpen) => Err(403),
        }
    }

    /// Sends whom an agent talks to elsewhere at an operator's wish.
    pub(super) fn transfer(&mut self, now: Now, id: CallId, to: String) -> Result<(), Untransferable> {
        let (by, leg, destination) = self.transferable(id, &to)?;
        self.begin_referral(now, id, leg, (by, to, None), destination);
        Ok(())
    }

    /// Whether an operator may have the other party of this call sent to a number.
    pub fn may_transfer(&self, id: CallId, to: &str) -> Result<(), Untransferable> {
        self.transferable(id, to).map(|_| ())
    }

    fn transferable(&self, id: CallId, to: &str) -> Result<(AgentId, LegId, Destination), Untransferable> {
        let entry = self.calls.get(&id).filter(|entry| !entry.call.is_ended()).ok_or(Untransferable::NoCall)?;
        let partner = entry.call.partner().filter(|_| entry.call.may_refer() && entry.referral.is_none());
        let partner = partner.ok_or(Untransferable::NobodyTalks)?.id;
        // The caller goes where the agent who serves it could send it; an agent who called outside has no such caller.
        let of_agent = |leg: LegId| Some((entry.agent_of(leg)?.clone(), leg));
        let (by, leg) =
            of_agent(partner).or_else(|| of_agent(entry.call.caller().id)).ok_or(Untransferable::NobodyTalks)?;
        match self.destination_for(&by, to) {
            Ok(destination) => Ok((by, leg, destination)),
            Err(_) => Err(Untransferable::NotOpen),
        }
    }

    fn begin_referral(
        &mut self,
        now: Now,
        id: CallId,
        leg: LegId,
        (by, to, subscription): (AgentId, String, Option<SubscriptionId>),
        destination: Destination,
    ) {
        let Some(entry) = self.calls.get(&id) else { return };
        let recorded = entry.call.is_recording();
        self.emit(now, Some(id), EventKind::TransferStarted { leg, by: by.clone(), to: Redacted::new(to.clone()) });
        let mut by_caller = None;
        self.with_call(now, id, |call, out| by_caller = call.refer(leg, out));
        let seat = match by_caller {
            Some(true) => self.promote(now, id),
            _ => self
                .calls
                .get_mut(&id)
                .map_or_else(Seat::default, |entry| Seat { serving: entry.serving.take(), own: entry.visiting.take() }),
        };
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.hops = entry.hops.saturating_sub(1);
            entry.referral = Some(Referral { by, to: to.clone(), subscription, seat, recorded, back: None });
        }
        self.tell_referrer(now, id, 100);
        self.play(now, id, MUSIC, vec![PlayItem::Tone(Tone::MusicOnHold)], true, false);
        self.send_on(now, id, destination, to);
    }

    /// The caller referred its partner, who is the caller from now on. Whatever drove the call for the other is over.
    pub(super) fn promote(&mut self, now: Now, id: CallId) -> Seat {
        self.leave_flow(now, id);
        let Some(entry) = self.calls.get_mut(&id) else { return Seat::default() };
        entry.driver = Driver::Direct;
        let seat = entry.take_seat(Side::Caller);
        entry.trunk = None;
        let promoted = entry.take_seat(Side::Partner);
        entry.put_seat(Side::Caller, promoted);
        entry.from = match &entry.call.caller().agent {
            Some(agent) => agent.to_string(),
            None => entry.to.clone(),
        };
        entry.from_display = self.config.extensions.get(entry.from.as_str()).map(|extension| extension.name.clone());
        seat
    }

    /// The flow that drove the call so far is left behind.
    fn leave_flow(&mut self, now: Now, id: CallId) {
        self.step_flow(now, id, crate::ivr::Event::CallEnded);
        let Some(entry) = self.calls.get_mut(&id) else { return };
        if let Driver::Flow(run) = std::mem::replace(&mut entry.driver, Driver::Direct) {
            for timer in run.timers() {
                self.timers.clear(&SwitchTimer::Flow(id, timer));
            }
        }
    }

    fn send_on(&mut self, now: Now, id: CallId, destination: Destination, to: String) {
        let ring_time = self.config.direct_ring_time;
        match destination {
            Destination::Extension(agent) => {
                self.visit(now, id, &agent);
                if let Err(cause) = self.dial_extension(now, id, DialPurpose::Referred, &agent, ring_time) {
                    self.on_referral_failed(now, id, cause);
                }
            }
            Destination::Trunk { trunk, number } => {
                let number = number.unwrap_or(to);
                match self.pays(now, id, &trunk, &number) {
                    Ok(paid) => self.send_outside(now, id, paid),
                    Err(cause) => self.on_referral_failed(now, id, cause),
                }
            }
            Destination::Queue(queue) => {
                // A caller who was served before is not turned away by a full queue.
                let wish = Enqueue { returning: true, ..unprompted(queue.clone(), None) };
                self.leave_flow(now, id);
                if !self.enqueue(now, id, wish) {
                    return self.on_referral_failed(now, id, Cause::Internal);
                }
                if let Some(entry) = self.calls.get_mut(&id) {
                    entry.driver = Driver::Queue(queue);
                }
                self.end_referral(now, id, 200, TransferOutcome::Completed);
            }
            Destination::Flow(flow) => {
                self.taken_by_machine(now, id, to);
                self.start_flow(now, id, &flow);
            }
            Destination::Test(number) => {
                self.taken_by_machine(now, id, to);
                let (test, actions) = TestCall::start(number);
                if let Some(entry) = self.calls.get_mut(&id) {
                    entry.driver = Driver::Test(test);
                }
                self.act_test(now, id, actions);
            }
        }
    }

    fn taken_by_machine(&mut self, now: Now, id: CallId, to: String) {
        self.stop(now, id, MUSIC);
        self.leave_flow(now, id);
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.to = to;
        }
        self.end_referral(now, id, 200, TransferOutcome::Completed);
    }

    pub(super) fn on_referral_ringing(&mut self, now: Now, id: CallId) {
        self.tell_referrer(now, id, 180);
    }

    pub(super) fn on_referral_answered(&mut self, now: Now, id: CallId) {
        self.stop(now, id, MUSIC);
        let recorded = self.calls.get(&id).and_then(|entry| entry.referral.as_ref()).is_some_and(|r| r.recorded);
        let recording = if recorded { self.recording_for(id) } else { None };
        self.with_call(now, id, |call, out| call.bridge(recording, out));
        self.end_referral(now, id, 200, TransferOutcome::Completed);
    }

    /// Whoever was to take the caller does not: back to the referrer if it still is there, else to the queue that it came
    /// from; a call that has neither ends as a call of its own would have.
    pub(super) fn on_referral_failed(&mut self, now: Now, id: CallId, cause: Cause) {
        self.end_visit(now, id);
        self.stop(now, id, MUSIC);
        let Some(entry) = self.calls.get_mut(&id) else { return };
        let Some(referral) = &mut entry.referral else { return };
        let status = cause.status();
        if entry.call.referrer().is_some() {
            let (seat, recorded) = (std::mem::take(&mut referral.seat), referral.recorded);
            entry.put_seat(Side::Partner, seat);
            entry.returned = Some(now.at);
            let recording = if recorded { self.recording_for(id) } else { None };
            self.with_call(now, id, |call, out| _ = call.take_back(recording, out));
            return self.end_referral(now, id, status, TransferOutcome::Returned);
        }
        let back = self.return_to_queue(now, id, Lost { since: now.at, agent: None });
        let outcome = if back { TransferOutcome::Queued } else { TransferOutcome::Failed };
        self.end_referral(now, id, status, outcome);
        if back {
            return;
        }
        if !self.on_flow_agent_gone(now, id) {
            self.end_call(now, id, cause, EndedBy::System);
        }
    }

    /// The referrer hung up before the end of its transfer.
    pub(super) fn on_referrer_gone(&mut self, now: Now, id: CallId) {
        let referral = self.calls.get_mut(&id).and_then(|entry| entry.referral.as_mut());
        if let Some(seat) = referral.map(|referral| std::mem::take(&mut referral.seat)) {
            self.leave_seat(now, seat);
        }
    }

    /// The transfer is over, whatever came of it: its referrer is told and, unless it has its caller back, let go.
    pub(super) fn end_referral(&mut self, now: Now, id: CallId, status: u16, outcome: TransferOutcome) {
        self.tell_referrer(now, id, status);
        let Some(referral) = self.calls.get_mut(&id).and_then(|entry| entry.referral.take()) else { return };
        self.with_call(now, id, |call, out| call.release_referrer(Cause::Normal, out));
        self.leave_seat(now, referral.seat);
        self.emit(
            now,
            Some(id),
            EventKind::TransferEnded { by: referral.by, to: Redacted::new(referral.to), outcome, status },
        );
    }

    pub(super) fn leave_seat(&mut self, now: Now, seat: Seat) {
        if let Some(agent) = seat.serving {
            self.acd.call_ended(now.at, &agent);
        }
        if let Some(agent) = seat.own {
            self.acd.agent_call_ended(now.at, &agent);
        }
    }

    fn tell_referrer(&mut self, now: Now, id: CallId, status: u16) {
        let referral = self.calls.get(&id).and_then(|entry| entry.referral.as_ref());
        let subscription = referral.and_then(|referral| referral.subscription);
        self.tell_subscriber(now, subscription, status);
    }

    pub(super) fn tell_subscriber(&mut self, now: Now, subscription: Option<SubscriptionId>, status: u16) {
        let Some(subscription) = subscription else { return };
        // RFC 3515 2.4.4: a status line is as much as the referrer needs to know of the other's call.
        let body = Some((SIPFRAG, format!("SIP/2.0 {status} {}\r\n", phrase(status)).into()));
        let notice = match status {
            ..200 => Notice { terminated: None, body },
            _ => Notice::last("noresource", body),
        };
        self.endpoint.notify(now.at, subscription, notice);
    }

    pub(super) fn referral_of(&self, id: CallId) -> Option<&Referral> {
        self.calls.get(&id).and_then(|entry| entry.referral.as_ref())
    }
}

const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// Whither a REFER leads.
enum Wanted {
    Number(String, Destination),
    /// The number that the agent is calling in another call, in which nobody talks to it yet.
    SameNumber(CallId, String, Destination),
    /// Who talks to this leg of the agent's in another call.
    Party((CallId, LegId)),
}

/// The URI that a REFER names. `Err`: the status owed.
fn refer_to(message: &Message) -> Result<UriRef<'_>, u16> {
    // RFC 3515 2.4.2: exactly one.
    if message.count(HeaderName::ReferTo) != 1 {
        return Err(400);
    }
    let address = message.refer_to().and_then(Result::ok).ok_or(400u16)?;
    let uri = UriRef::parse(address.uri).map_err(|_| 400u16)?;
    if uri.scheme() == Scheme::Other {
        return Err(416);
    }
    // We call; we send nothing else at somebody's wish.
    match uri.param("method").is_some_and(|method| method != "INVITE") {
        true => Err(403),
        false => Ok(uri),
    }
}

/// The Replaces that a URI asks for (RFC 3891 4). `Err`: it asks for two.
fn one_replaces(uri: UriRef<'_>) -> Result<Option<Vec<u8>>, u16> {
    let name_of = |pair: &str| pair.split('=').next().unwrap_or(pair).eq_ignore_ascii_case("replaces");
    match uri.headers().unwrap_or_default().split('&').filter(|pair| name_of(pair)).count() {
        0 => Ok(None),
        1 => Ok(uri.header("Replaces").map(|value| value.into_owned())),
        _ => Err(400),
    }
}
