//! The SIP endpoint: messages in, calls out. It owns every transaction and dialog, answers by itself what needs no
//! decision (repetitions, OPTIONS, CANCEL, 481, 491, glare, challenges of carriers, BYEs that cross) and asks call control
//! only what call control decides.
//!
//! Like every core it is polled: hand it a message, a command or the time, then drain [`Endpoint::poll_event`] and
//! [`Endpoint::poll_transmit`], in that order, and come back at [`Endpoint::next_timeout`].
//!
//! Each file is one thing that is done: `arrival` finds out what a request is; `callee`, `reliable`, `caller`, `prack`,
//! `early`, `in_dialog`, `reoffer`, `refresh` and `leave` are what may happen to a call; `ask` is for requests outside
//! calls, `subscribe` for who watches something of ours.

mod arrival;
mod ask;
mod callee;
mod caller;
mod compose;
mod config;
mod early;
mod event;
mod in_dialog;
mod leave;
mod mint;
mod prack;
mod refer;
mod refresh;
mod reliable;
mod reoffer;
mod replaces;
mod salvage;
mod session_id;
mod subscribe;
mod usage;

pub use compose::phrase;
pub use config::{Busy, EndpointConfig, Full, Outgoing, OutgoingRequest, ReliableProvisional};
pub use event::{EndReason, EndpointStats, RequestId, SeriesId, ServerRequest, SipEvent, Unusable, UsageId};
pub use replaces::Standing;
pub use session_id::SessionUuid;
pub use subscribe::{Notice, SubscriptionId, SubscriptionTerms};

use super::dialog::Tag;
use super::dialog::session_timer::{SessionTerms, TIMER};
use super::message::{Message, validate_response};
use super::peer::{Peer, Transmit};
use super::slots::Slots;
use super::transaction::{Delivery, Failure, Layer, ServerId, TimerSet, Told};
use crate::timers::Timers;
use ask::{Asked, Series};
use bytes::Bytes;
use compose::{Composer, Reply};
use mint::Mint;
use reliable::REL100;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use subscribe::Subscriptions;
use usage::{Deadline, Phase, Usage};

pub struct Endpoint {
    timers: TimerSet,
    /// No new work is wanted.
    closed: bool,
    /// No new call is wanted at this moment.
    sheds_calls: bool,
    allow: Vec<&'static str>,
    supported: Vec<&'static str>,
    reliable: ReliableProvisional,
    session: Option<SessionTerms>,
    max_transactions: usize,
    max_usages: usize,
    composer: Composer,
    mint: Mint,
    layer: Layer<Owner>,
    usages: Slots<Usage>,
    by_tag: HashMap<Tag, UsageId>,
    asked: BTreeMap<RequestId, Asked>,
    subscriptions: Subscriptions,
    max_subscriptions: usize,
    series: BTreeMap<SeriesId, Series>,
    last_series: u64,
    last_request: u64,
    deadlines: Timers<(UsageId, Deadline)>,
    events: VecDeque<SipEvent>,
    /// INVITEs that have had no answer yet and are owed a 100.
    trying: VecDeque<(ServerId, Instant)>,
    counts: EndpointStats,
    /// The last one, until somebody asks.
    unusable: Option<Unusable>,
}

/// On whose behalf a transaction runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// Its outcome changes nothing: a CANCEL, a BYE to a fork that lost, a request of the app's.
    Nobody,
    /// The INVITE that began the usage.
    Invite(UsageId),
    /// A re-INVITE or UPDATE in it.
    Reoffer(UsageId),
    /// An UPDATE that only refreshes the session.
    Refresh(UsageId),
    Prack(UsageId),
    Bye(UsageId),
    Info(UsageId),
    Refer(UsageId),
    Request(RequestId),
    Notify(SubscriptionId),
}

/// `Retry-After` of each 503: long enough to be of use, spread so that callers do not return together.
const RETRY_AFTER_S: std::ops::Range<u32> = 4..12;
/// Why what no parser gets through is of no use.
const UNREADABLE: &str = "not readable as SIP";
/// A caller that waits is told so each minute, or proxies give up on the call (RFC 3261 13.3.1.1).
const TELL_AGAIN: Duration = Duration::from_secs(60);

impl Endpoint {
    pub fn new(mut config: EndpointConfig) -> Self {
        let timers = config.timers.checked();
        config.supported.extend(config.session.map(|_| TIMER));
        config.supported.extend(Some(REL100).filter(|_| config.reliable != ReliableProvisional::Never));
        Self {
            timers,
            closed: false,
            sheds_calls: false,
            composer: Composer::new(&config),
            mint: Mint::new(config.seed),
            layer: Layer::new(timers),
            allow: config.allow,
            supported: config.supported,
            reliable: config.reliable,
            session: config.session,
            max_transactions: config.max_transactions,
            max_usages: config.max_usages,
            usages: Slots::default(),
            by_tag: HashMap::new(),
            asked: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            max_subscriptions: config.max_subscriptions,
            series: BTreeMap::new(),
            last_series: 0,
            last_request: 0,
            deadlines: Timers::new(),
            events: VecDeque::new(),
            trying: VecDeque::new(),
            counts: EndpointStats::default(),
            unusable: None,
        }
    }

    /// A message of a peer, whatever it holds: what is wrong with it is answered or counted, never an error of the caller's.
    pub fn handle_message(&mut self, now: Instant, peer: Peer, message: Message) {
        if message.is_request() {
            self.receive_request(now, peer, message);
        } else {
            self.receive_response(now, peer, &message);
        }
        self.heed(now);
    }

    /// What could not be parsed. Whoever sent it is told `status`, if it was a request and it can be made out who that is.
    pub fn handle_unreadable(&mut self, peer: Peer, raw: &[u8], status: u16) {
        match salvage::refusal(peer, raw, status) {
            Some((peer, answer)) => {
                self.counts.refused += 1;
                self.layer.send(peer, answer);
            }
            None => return self.drop_unusable(peer, UNREADABLE),
        }
        self.unusable = Some(Unusable { peer, answered: Some(status), why: UNREADABLE });
    }

    /// The last message of which nothing could be made since this was last asked: for the log, which need not hear of each.
    pub fn take_unusable(&mut self) -> Option<Unusable> {
        self.unusable.take()
    }

    /// A method that the app handles from now on, or no more: then it is 405 and not in `Allow`.
    pub fn set_allowed(&mut self, method: &'static str, allowed: bool) {
        self.allow.retain(|known| *known != method);
        self.allow.extend(allowed.then_some(method));
        self.composer.set_allow(&self.allow);
    }

    /// While closed, whoever asks by OPTIONS is told 503, so that trunks send their calls elsewhere. Refusing what comes
    /// all the same stays with call control.
    pub fn set_closed(&mut self, closed: bool) {
        self.closed = closed;
    }

    /// Peers of datagrams that listen on TCP at the same address: requests above 1,300 octets go to them by that (RFC 3261
    /// 18.1.1), and as datagrams where it cannot be had.
    pub fn set_streams(&mut self, streams: BTreeSet<SocketAddr>) {
        self.layer.set_streams(streams);
    }

    /// How many calls there may be, each leg counted.
    pub fn set_max_usages(&mut self, max_usages: usize) {
        self.max_usages = max_usages;
    }

    /// Whether new calls are refused with 503 and Retry-After, unread and without a trace but a count. What belongs to a call
    /// or a transaction that is there, a repeated INVITE too, goes its way.
    pub fn shed_calls(&mut self, shed: bool) {
        self.sheds_calls = shed;
    }

    /// The connection of `peer` is gone or could not be opened, or the network says that nobody is there. What waits for
    /// an answer from it fails as 503 (RFC 3261 8.1.3.1); callers that wait for ours on it are gone.
    pub fn handle_transport_error(&mut self, now: Instant, peer: Peer) {
        self.layer.handle_transport_error(now, peer);
        self.heed(now);
    }

    /// The earliest moment at which [`Endpoint::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        let usage = self.deadlines.next().map(|(at, _)| at);
        [self.layer.next_timeout(), usage, self.subscriptions.next_timeout()].into_iter().flatten().min()
    }

    /// Lets everything that is due by `now` happen; nothing when called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(at) = self.next_timeout().filter(|at| *at <= now) {
            if self.layer.next_timeout() == Some(at) {
                self.layer.handle_next_timeout(now);
                self.heed(now);
            } else if let Some((id, deadline)) = self.deadlines.pop(now) {
                self.expire(now, id, deadline);
            } else {
                self.subscription_due(now);
            }
        }
    }

    pub fn poll_event(&mut self) -> Option<SipEvent> {
        self.events.pop_front()
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        while let Some((id, now)) = self.trying.pop_front() {
            self.send_trying(now, id);
        }
        self.layer.poll_transmit()
    }

    pub fn stats(&self) -> EndpointStats {
        EndpointStats {
            transactions: self.layer.len(),
            usages: self.usages.len(),
            subscriptions: self.subscriptions.len(),
            retransmissions: self.layer.retransmissions(),
            ..self.counts
        }
    }

    /// The usages that somebody has still to answer, cancel or hang up.
    pub fn held(&self) -> impl Iterator<Item = UsageId> {
        let phase = |id: &UsageId| self.usages.get(id.0).map(|usage| &usage.phase);
        let held = move |id: &UsageId| matches!(phase(id), Some(Phase::Ringing(_) | Phase::Calling(_) | Phase::Up(_)));
        self.by_tag.values().copied().filter(held)
    }

    /// Whether nothing is alive and nothing waits: what a test for leaks, or a shutdown, asks.
    pub fn is_idle(&self) -> bool {
        self.layer.is_idle()
            && self.usages.len() == 0
            && self.by_tag.is_empty()
            && self.composer.sessions.is_empty()
            && self.asked.is_empty()
            && self.subscriptions.is_idle()
            && self.deadlines.is_empty()
            && self.trying.is_empty()
            && self.events.is_empty()
    }
}

impl Endpoint {
    #[cfg(test)]
    fn usages_for_test(&self) -> Vec<UsageId> {
        let mut usages: Vec<UsageId> = self.by_tag.values().copied().collect();
        usages.sort();
        usages
    }

    fn receive_response(&mut self, now: Instant, peer: Peer, response: &Message) {
        if let Err(why) = validate_response(response) {
            return self.drop_unusable(peer, why);
        }
        self.hear_session(response);
        match self.layer.receive_response(now, response) {
            Ok(Delivery { id, owner }) => match owner {
                Owner::Nobody => {}
                Owner::Invite(usage) => self.invite_answered(now, usage, id, response),
                Owner::Reoffer(usage) => self.reoffer_answered(now, usage, id, response),
                Owner::Refresh(usage) => self.refresh_answered(now, usage, response),
                Owner::Prack(usage) => self.prack_answered(now, usage, id, response),
                Owner::Bye(usage) => self.bye_answered(now, usage, response),
                Owner::Info(usage) => self.info_answered(now, usage, response.status()),
                Owner::Refer(usage) => self.refer_answered(now, usage, response.status(), Some(response)),
                Owner::Request(request) => self.request_answered(now, request, response),
                Owner::Notify(subscription) => self.notify_answered(now, subscription, response.status()),
            },
            Err(true) => {}
            Err(false) => self.counts.stray_responses += 1,
        }
    }

    /// No answer is possible or safe.
    fn drop_unusable(&mut self, peer: Peer, why: &'static str) {
        self.counts.unanswerable += 1;
        self.unusable = Some(Unusable { peer, answered: None, why });
    }

    /// Attends to what transactions report by themselves.
    fn heed(&mut self, now: Instant) {
        while let Some(told) = self.layer.poll_told() {
            match told {
                Told::ClientFailed { id, owner, failure } => {
                    // As if the status had arrived (8.1.3.1).
                    let status = match failure {
                        Failure::Timeout => 408,
                        Failure::Transport => 503,
                    };
                    match owner {
                        Owner::Nobody | Owner::Prack(_) => {}
                        Owner::Invite(usage) => self.invite_failed(usage, status),
                        Owner::Reoffer(usage) => self.reoffer_failed(now, usage, id, status),
                        Owner::Refresh(usage) => self.refresh_failed(now, usage, status),
                        Owner::Bye(usage) => self.over(usage),
                        Owner::Info(usage) => self.info_answered(now, usage, status),
                        Owner::Refer(usage) => self.refer_answered(now, usage, status, None),
                        Owner::Request(request) => self.request_failed(request, status),
                        Owner::Notify(subscription) => self.notify_answered(now, subscription, status),
                    }
                }
                Told::ServerFailed { owner, failure: Failure::Transport, .. } => match owner {
                    Owner::Invite(usage) => self.caller_lost(usage),
                    Owner::Reoffer(usage) => self.reoffer_withdrawn(usage),
                    _ => {}
                },
                // No ACK for a refusal: the usage was over when it was refused (17.2.1 tells, 13.3.1.3 has nothing to do).
                Told::ServerFailed { failure: Failure::Timeout, .. } => {}
            }
        }
    }

    fn expire(&mut self, now: Instant, id: UsageId, deadline: Deadline) {
        match deadline {
            Deadline::RepeatAnswer => self.repeat_answer(now, id),
            Deadline::AckOverdue => self.ack_overdue(now, id),
            Deadline::RepeatProgress => self.repeat_progress(now, id),
            Deadline::PrackOverdue => self.prack_overdue(now, id),
            Deadline::TellAgain => self.tell_again(now, id),
            Deadline::Expired => self.invitation_expired(now, id),
            Deadline::OfferAgain => self.offer_again(now, id),
            Deadline::OfferOverdue => self.offer_overdue(now, id),
            Deadline::Refresh => self.refresh_due(now, id),
            Deadline::SessionOver => self.session_over(now, id),
        }
    }

    /// Replaces the phase of a usage by what `next` makes of it; [`Phase::Over`] ends the usage. False for a stale id.
    fn change(&mut self, id: UsageId, next: impl FnOnce(&mut Self, Phase) -> Phase) -> bool {
        let Some(usage) = self.usages.get_mut(id.0) else { return false };
        let tag = usage.tag;
        // What was subscribed in the dialog outlives the call (RFC 5057 4.1).
        let subscribed = (!usage.subscriptions.is_empty()).then(|| usage.subscriptions.clone());
        let dialog = subscribed.as_ref().and_then(|_| usage.dialog().cloned());
        let phase = std::mem::replace(&mut usage.phase, Phase::Over);
        let phase = next(self, phase);
        match phase {
            Phase::Over => {
                if let (Some(of), Some(dialog)) = (subscribed, dialog) {
                    self.subscriptions.detach(id, tag, &dialog, &of);
                }
                self.over(id)
            }
            phase => {
                if let Some(usage) = self.usages.get_mut(id.0) {
                    usage.phase = phase;
                }
            }
        }
        true
    }

    fn new_usage(&mut self, tag: Tag, phase: Phase) -> UsageId {
        let id = UsageId(self.usages.insert(Usage { tag, phase, subscriptions: SmallVec::new() }));
        self.by_tag.insert(tag, id);
        id
    }

    fn over(&mut self, id: UsageId) {
        if let Some(usage) = self.usages.remove(id.0) {
            self.by_tag.remove(&usage.tag);
            self.composer.sessions.end(usage.tag);
            for deadline in Deadline::ALL {
                self.deadlines.clear(&(id, deadline));
            }
        }
    }

    fn ended(&mut self, usage: UsageId, why: EndReason) {
        self.events.push_back(SipEvent::Ended { usage, why });
    }

    fn is_full(&self) -> bool {
        self.layer.len() >= self.max_transactions || self.usages.len() >= self.max_usages
    }

    /// Answers an open request of a peer. False when it is answered or gone already.
    fn answer(&mut self, now: Instant, tx: ServerId, reply: Reply<'_>) -> bool {
        let reply = Reply { retry_after_s: self.retry_after_s(reply.status), ..reply };
        let (Some(request), Some(peer)) = (self.layer.open_request(tx), self.layer.server_peer(tx)) else {
            return false;
        };
        let bytes = self.composer.response(request, &peer, reply);
        self.layer.respond(now, tx, reply.status, bytes);
        true
    }

    /// [`Endpoint::answer`] for a challenge: unless the client was told to wait, it repeats its request until it hears
    /// us, so that nothing needs to be kept for a sender who may not be who he says (RFC 3261 26.3.2.4).
    fn answer_and_forget(&mut self, now: Instant, tx: ServerId, reply: Reply<'_>) -> bool {
        let waiting = self.layer.has_answered(tx);
        let answered = self.answer(now, tx, reply);
        if !waiting && matches!(reply.status, 401 | 407) {
            self.layer.forget(tx);
        }
        answered
    }

    fn retry_after_s(&mut self, status: u16) -> Option<u32> {
        (status == 503).then(|| RETRY_AFTER_S.start + self.mint.below(RETRY_AFTER_S.end - RETRY_AFTER_S.start))
    }

    fn send_trying(&mut self, now: Instant, tx: ServerId) {
        if !self.layer.has_answered(tx) {
            self.answer(now, tx, Reply::plain(100));
        }
    }

    fn repeat(&mut self, peer: Peer, bytes: Bytes) {
        self.layer.send_again(peer, bytes);
    }
}

#[cfg(test)]
mod tests;
