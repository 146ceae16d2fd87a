//! Subscriptions to something of ours (RFC 6665), and those that a REFER makes by itself (RFC 3515): how long each lasts,
//! and the NOTIFYs that tell its state. One NOTIFY is on its way at a time; of what is to be told meanwhile the latest wins.
//!
//! What a state says is the app's; this file knows only when it may be told, and to whom.

use super::arrival::{header_text, reply_to};
use super::compose::{Reply, Within};
use super::usage::Phase;
use super::{Endpoint, Owner, ServerRequest, SipEvent, UsageId};
use crate::sip::dialog::{Dialog, Tag};
use crate::sip::message::{HeaderName, Message, Method, UriRef, is_sips};
use crate::sip::peer::Peer;
use crate::sip::transaction::{Fresh, ServerId};
use crate::timers::Timers;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// A subscription that is told by [`Endpoint::notify`]. Names nothing once it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(u64);

/// The event package of a REFER's own subscription (RFC 3515 2.4.4).
pub const REFER_PACKAGE: &str = "refer";
/// What a transfer may take; its outcome ends the subscription long before.
const REFER_LASTS: Duration = Duration::from_secs(300);

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `Some(reason)`: it is the last (RFC 6665 4.1.3).
    pub terminated: Option<&'static str>,
    /// Content type and bytes.
    pub body: Option<(&'static str, Bytes)>,
}

impl Notice {
    pub fn state(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { terminated: None, body: Some((content_type, body.into())) }
    }

    /// The last word of a subscription.
    pub fn last(reason: &'static str, body: Option<(&'static str, Bytes)>) -> Self {
        Self { terminated: Some(reason), body }
    }
}

/// How long a subscription may last and how often it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionTerms {
    /// Shorter is answered 423.
    pub min_s: u32,
    /// Longer is shortened.
    pub max_s: u32,
    /// Between two NOTIFYs of one subscription.
    pub pause: Duration,
}

impl Default for SubscriptionTerms {
    /// A minute at least, as for a registration; an hour at most, the usual length of RFC 4235 and RFC 3842. One change a
    /// second is as fast as a lamp can be read.
    fn default() -> Self {
        Self { min_s: 60, max_s: 3_600, pause: Duration::from_secs(1) }
    }
}

impl SubscriptionTerms {
    /// The length that is granted for one asked for. `Err`: too brief. 0 ends a subscription or only fetches the state.
    pub fn granted(&self, asked: Option<u32>) -> Result<u32, u32> {
        match asked {
            None => Ok(self.max_s),
            Some(0) => Ok(0),
            Some(seconds) if seconds < self.min_s => Err(self.min_s),
            Some(seconds) => Ok(seconds.min(self.max_s)),
        }
    }
}

#[derive(Debug)]
struct Subscription {
    place: Place,
    /// The value of Event in its NOTIFYs.
    event: Box<str>,
    until: Instant,
    terms: SubscriptionTerms,
    /// A NOTIFY is on its way.
    waits: bool,
    /// The pause after the last NOTIFY is not over.
    rests: bool,
    next: Option<Notice>,
    /// Its last NOTIFY has been sent.
    ending: bool,
}

impl Subscription {
    fn new(place: Place, event: Box<str>, until: Instant, terms: SubscriptionTerms) -> Self {
        Self { place, event, until, terms, waits: false, rests: false, next: None, ending: false }
    }
}

/// The dialog that a subscription lives in.
#[derive(Debug)]
enum Place {
    /// That of a call, as long as the call lasts.
    Call(UsageId),
    /// One of its own, or what a call left behind (RFC 5057 4.1).
    Own { tag: Tag, dialog: Box<Dialog> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    /// Nobody refreshed it.
    Expired,
    /// The next NOTIFY may go.
    Rested,
}

#[derive(Default)]
pub(super) struct Subscriptions {
    table: BTreeMap<SubscriptionId, Subscription>,
    by_tag: HashMap<Tag, SubscriptionId>,
    deadlines: Timers<(SubscriptionId, Deadline)>,
    last: u64,
}

impl Subscriptions {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_idle(&self) -> bool {
        self.table.is_empty() && self.by_tag.is_empty() && self.deadlines.is_empty()
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.next().map(|(at, _)| at)
    }

    fn insert(&mut self, subscription: Subscription) -> SubscriptionId {
        self.last += 1;
        let id = SubscriptionId(self.last);
        self.deadlines.set((id, Deadline::Expired), subscription.until);
        if let Place::Own { tag, .. } = &subscription.place {
            self.by_tag.insert(*tag, id);
        }
        self.table.insert(id, subscription);
        id
    }

    fn remove(&mut self, id: SubscriptionId) -> Option<Subscription> {
        let gone = self.table.remove(&id)?;
        for deadline in [Deadline::Expired, Deadline::Rested] {
            self.deadlines.clear(&(id, deadline));
        }
        if let Place::Own { tag, .. } = &gone.place
            && self.by_tag.get(tag) == Some(&id)
        {
            self.by_tag.remove(tag);
        }
        Some(gone)
    }

    /// The call is over and its dialog goes on for what was subscribed in it.
    pub fn detach(&mut self, usage: UsageId, tag: Tag, dialog: &Dialog, of: &[SubscriptionId]) {
        for id in of {
            let subscription = self.table.get_mut(id).filter(|s| matches!(s.place, Place::Call(u) if u == usage));
            if let Some(subscription) = subscription {
                subscription.place = Place::Own { tag, dialog: Box::new(dialog.clone()) };
                self.by_tag.insert(tag, *id);
            }
        }
    }
}

impl Endpoint {
    /// Takes a REFER that came in a call: 202, and where its sender wants to be told how it goes on, the subscription for
    /// that (RFC 3515 2.4.4, RFC 4488).
    pub fn accept_refer(
        &mut self,
        now: Instant,
        id: UsageId,
        request: ServerRequest,
        told: bool,
    ) -> Option<SubscriptionId> {
        let number = self.layer.open_request(request.0)?.cseq().ok()?.number;
        let full = self.subscriptions.len() >= self.max_subscriptions;
        let usage = self.usages.get_mut(id.0)?;
        let Phase::Up(up) = &usage.phase else { return None };
        let (to_tag, contact) = (Some(usage.tag), up.dialog.contact.clone());
        let mut subscription = None;
        if told && !full {
            // From the second of a dialog on they have to be told apart (2.4.6).
            let event = match usage.subscriptions.is_empty() {
                true => REFER_PACKAGE.into(),
                false => format!("{REFER_PACKAGE};id={number}").into(),
            };
            let terms = SubscriptionTerms { pause: Duration::ZERO, ..SubscriptionTerms::default() };
            let new = Subscription::new(Place::Call(id), event, now + REFER_LASTS, terms);
            let new = self.subscriptions.insert(new);
            usage.subscriptions.push(new);
            subscription = Some(new);
        }
        let headers: &[(&str, &str)] = if subscription.is_some() { &[] } else { &[("Refer-Sub", "false")] };
        let reply = Reply { to_tag, contact: Some(&contact), headers, ..Reply::plain(202) };
        self.answer(now, request.0, reply);
        subscription
    }

    /// Tells a subscriber the state of what it watches, at once or as soon as it may be told again.
    pub fn notify(&mut self, now: Instant, id: SubscriptionId, notice: Notice) {
        let Some(subscription) = self.subscriptions.table.get_mut(&id) else { return };
        // The last word has been said or waits to be.
        if subscription.ending || subscription.next.as_ref().is_some_and(|next| next.terminated.is_some()) {
            return;
        }
        subscription.next = Some(notice);
        self.tell_subscriber(now, id);
    }

    fn tell_subscriber(&mut self, now: Instant, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.table.get_mut(&id) else { return };
        let last = subscription.next.as_ref().is_some_and(|next| next.terminated.is_some());
        // The last word waits for nothing: what ends the call may be right behind it.
        if !last && (subscription.waits || subscription.rests) {
            return;
        }
        let Some(notice) = subscription.next.take() else { return };
        let dialog = match &mut subscription.place {
            Place::Own { dialog, .. } => Some(&mut **dialog),
            Place::Call(usage) => self.usages.get_mut(usage.0).and_then(|usage| match &mut usage.phase {
                Phase::Up(up) => Some(&mut up.dialog),
                Phase::Leaving(leaving) => Some(&mut leaving.dialog),
                _ => None,
            }),
        };
        let Some(dialog) = dialog else {
            self.subscriptions.remove(id);
            return;
        };
        let state = match notice.terminated {
            Some(reason) => format!("terminated;reason={reason}"),
            None => format!("active;expires={}", subscription.until.saturating_duration_since(now).as_secs()),
        };
        subscription.waits = true;
        subscription.ending = last;
        let headers = [("Event", &*subscription.event), ("Subscription-State", &*state)];
        let body = notice.body.as_ref().map(|(content_type, bytes)| (*content_type, &bytes[..]));
        let with = Within { headers: &headers, body, ..Within::default() };
        let (cseq, peer, branch) = (dialog.next_cseq(), dialog.next_hop(), self.mint.branch());
        let via = self.composer.via(&peer, branch);
        let bytes = self.composer.in_dialog(dialog, &via, &Method::Notify, cseq, with);
        if !subscription.terms.pause.is_zero() {
            subscription.rests = true;
            self.subscriptions.deadlines.set((id, Deadline::Rested), now + subscription.terms.pause);
        }
        self.layer.start_client(now, branch, &Method::Notify, peer, bytes, Owner::Notify(id));
    }

    /// What the subscriber said to a NOTIFY: whatever is no 2xx ends the subscription (RFC 6665 4.2.2), and never the call
    /// that it may live in (RFC 5057 5.1).
    pub(super) fn notify_answered(&mut self, now: Instant, id: SubscriptionId, status: u16) {
        if status < 200 {
            return;
        }
        let Some(subscription) = self.subscriptions.table.get_mut(&id) else { return };
        subscription.waits = false;
        let ended = subscription.ending;
        if status >= 300 || ended {
            self.end_subscription(id, !ended);
            return;
        }
        self.tell_subscriber(now, id);
    }

    fn end_subscription(&mut self, id: SubscriptionId, told: bool) {
        let Some(gone) = self.subscriptions.remove(id) else { return };
        if let Place::Call(usage) = gone.place
            && let Some(usage) = self.usages.get_mut(usage.0)
        {
            // The place of the first stays taken: the next REFER of this dialog is its second.
            usage.subscriptions.iter_mut().filter(|s| **s == id).for_each(|s| *s = SubscriptionId(0));
        }
        if told {
            self.events.push_back(SipEvent::SubscriptionOver { subscription: id });
        }
    }

    pub(super) fn subscription_due(&mut self, now: Instant) {
        let Some((id, deadline)) = self.subscriptions.deadlines.pop(now) else { return };
        let Some(subscription) = self.subscriptions.table.get_mut(&id) else { return };
        match deadline {
            Deadline::Rested => {
                subscription.rests = false;
                self.tell_subscriber(now, id);
            }
            Deadline::Expired => {
                self.notify(now, id, Notice::last("timeout", None));
                self.events.push_back(SipEvent::SubscriptionOver { subscription: id });
            }
        }
    }
}

/// What a peer that watches asks for.
impl Endpoint {
    /// Grants a SUBSCRIBE that makes a dialog of its own: 200 with the time granted, after which the app owes the state by
    /// [`Endpoint::notify`] (RFC 6665 4.2.1.2); the last word at once where `seconds` is 0. `None`: it was refused.
    pub fn accept_subscription(
        &mut self,
        now: Instant,
        request: ServerRequest,
        peer: Peer,
        seconds: u32,
        terms: SubscriptionTerms,
    ) -> Option<SubscriptionId> {
        let asked = self.layer.open_request(request.0)?.clone();
        // Who only fetches leaves half of the room to those who watch.
        let room = if seconds == 0 { self.max_subscriptions / 2 } else { self.max_subscriptions };
        if self.subscriptions.len() >= room {
            self.counts.overloaded += 1;
            self.answer(now, request.0, Reply::plain(503));
            return None;
        }
        let tag = self.mint.tag();
        let user = UriRef::parse(asked.request_uri()).ok().and_then(|uri| uri.user());
        let contact = self.composer.contact(&peer, user, is_sips(asked.request_uri()));
        let event = header_text(&asked, HeaderName::Event).unwrap_or_default();
        let Some(dialog) = Dialog::of_callee(&asked, tag, peer, contact.clone()) else {
            let reply = Reply { reason: Some("Missing or Unusable Contact"), ..Reply::plain(400) };
            self.answer(now, request.0, reply);
            return None;
        };
        let expires = seconds.to_string();
        let headers: &[(&str, &str)] = &[("Expires", &expires)];
        self.answer(now, request.0, Reply { to_tag: Some(tag), contact: Some(&contact), headers, ..Reply::plain(200) });
        let until = now + Duration::from_secs(u64::from(seconds));
        let place = Place::Own { tag, dialog: Box::new(dialog) };
        let id = self.subscriptions.insert(Subscription::new(place, event.into(), until, terms));
        if seconds == 0 {
            self.subscriptions.deadlines.clear(&(id, Deadline::Expired));
        }
        Some(id)
    }

    /// The subscription whose dialog a request with our tag belongs to.
    pub(super) fn subscription_of(&self, tag: &str, request: &Message) -> Option<SubscriptionId> {
        let id = *self.subscriptions.by_tag.get(&Tag::read(tag)?)?;
        match &self.subscriptions.table.get(&id)?.place {
            Place::Own { dialog, .. } => dialog.owns(request).then_some(id),
            Place::Call(_) => None,
        }
    }

    /// A request in the dialog of a subscription.
    pub(super) fn receive_of_subscriber(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        peer: Peer,
        request: Message,
        fresh: Fresh,
    ) {
        let reply_peer = reply_to(peer, &request);
        let Some(tx) = self.layer.start_server(now, request.clone(), fresh, reply_peer, true, Owner::Nobody) else {
            return;
        };
        let Some(subscription) = self.subscriptions.table.get_mut(&id) else { return };
        let Place::Own { dialog, .. } = &mut subscription.place else { return };
        if dialog.take_cseq(request.cseq().map_or(0, |cseq| cseq.number), false).is_err() {
            self.counts.refused += 1;
            self.answer(now, tx, Reply { reason: Some("CSeq Out Of Order"), ..Reply::plain(500) });
            return;
        }
        if peer.reliable() {
            dialog.peer = peer;
        }
        match request.method() {
            Method::Subscribe => self.renew(now, id, tx, &request),
            Method::Options => {
                self.answer(now, tx, Reply::plain(200));
            }
            // There is no call in it (any more).
            _ => {
                self.answer(now, tx, Reply::plain(481));
            }
        }
    }

    /// A SUBSCRIBE in the dialog of a call: about one of its REFERs (RFC 3515 2.4.4).
    pub(super) fn receive_resubscribe(&mut self, now: Instant, usage: UsageId, tx: ServerId, request: &Message) {
        let event = header_text(request, HeaderName::Event).unwrap_or_default();
        let of: SmallVec<[SubscriptionId; 1]> =
            self.usages.get(usage.0).map(|usage| usage.subscriptions.clone()).unwrap_or_default();
        let named = |id: &SubscriptionId| {
            self.subscriptions.table.get(id).is_some_and(|subscription| *subscription.event == *event.trim())
        };
        match of.iter().copied().find(named) {
            Some(id) => self.renew(now, id, tx, request),
            None => {
                self.counts.refused += 1;
                self.answer(now, tx, Reply::plain(481));
            }
        }
    }

    /// Goes on for as long again as is asked for, or ends (RFC 6665 4.2.1.3).
    fn renew(&mut self, now: Instant, id: SubscriptionId, tx: ServerId, request: &Message) {
        let Some(subscription) = self.subscriptions.table.get_mut(&id) else { return };
        let same = header_text(request, HeaderName::Event).is_some_and(|event| *event == *subscription.event);
        if subscription.ending || !same {
            self.counts.refused += 1;
            self.answer(now, tx, Reply::plain(481));
            return;
        }
        let seconds = match subscription.terms.granted(request.expires()) {
            Ok(seconds) => seconds,
            Err(least) => {
                self.counts.refused += 1;
                let least = least.to_string();
                self.answer(now, tx, Reply { headers: &[("Min-Expires", &least)], ..Reply::plain(423) });
                return;
            }
        };
        let contact = match &mut subscription.place {
            Place::Own { dialog, .. } => {
                dialog.refresh_target(request);
                Some(dialog.contact.clone())
            }
            Place::Call(usage) => self.usages.get(usage.0).and_then(|usage| usage.dialog()).map(|d| d.contact.clone()),
        };
        let is_refer = subscription.event.starts_with(REFER_PACKAGE);
        subscription.until = now + Duration::from_secs(u64::from(seconds));
        if seconds > 0 {
            self.subscriptions.deadlines.set((id, Deadline::Expired), subscription.until);
        }
        let expires = seconds.to_string();
        let headers: &[(&str, &str)] = &[("Expires", &expires)];
        self.answer(now, tx, Reply { contact: contact.as_deref(), headers, ..Reply::plain(200) });
        match seconds {
            // How the transfer goes is not asked for any more.
            0 if is_refer => self.notify(now, id, Notice::last("timeout", None)),
            _ => self.events.push_back(SipEvent::Resubscribed { subscription: id, over: seconds == 0 }),
        }
    }
}
