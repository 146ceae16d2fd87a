//! Between SUBSCRIBE and what there is to watch: the calls of an extension, its mailbox, its registrations. Who watches must
//! have proved to be an extension; what lies behind a number of the outside it is not told.

use super::proof::Proof;
use super::registration::user_of;
use super::{Switch, SwitchTimer};
use crate::call::LegState;
use crate::events::EventKind;
use crate::ids::AgentId;
use crate::registrar::Binding;
use crate::sip::endpoint::{Notice, ServerRequest, SubscriptionId, SubscriptionTerms};
use crate::sip::message::{HeaderName, MediaType, Message};
use crate::sip::package::dialog_info::{DialogLine, DialogState};
use crate::sip::package::message_summary::MessageCounts;
use crate::sip::package::reg_info::ContactLine;
use crate::sip::package::{Package, dialog_info, message_summary, reg_info};
use crate::sip::peer::Peer;
use crate::timers::Now;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// Lamps of the largest console, twice. More from one extension are refused.
const MOST_OF_ONE: usize = 256;
/// Changes of a tenth of a second are told as one.
const GATHER: Duration = Duration::from_millis(100);

/// Who watches what.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    table: BTreeMap<SubscriptionId, Watch>,
    of_one: BTreeMap<AgentId, usize>,
}

#[derive(Debug)]
struct Watch {
    by: AgentId,
    package: Package,
    of: AgentId,
    /// Of the last state told.
    version: u32,
    told: Shown,
}

/// What a watcher is told of, before it is written down.
#[derive(Debug, PartialEq)]
enum Shown {
    Dialogs(Vec<DialogLine>),
    Mail(MessageCounts),
    Contacts(Vec<ContactLine>),
}

/// The calls of each extension that is in one.
type Dialogs = BTreeMap<AgentId, Vec<DialogLine>>;

impl Watchers {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    fn insert(&mut self, id: SubscriptionId, watch: Watch) {
        *self.of_one.entry(watch.by.clone()).or_default() += 1;
        self.table.insert(id, watch);
    }

    fn remove(&mut self, id: SubscriptionId) {
        let Some(watch) = self.table.remove(&id) else { return };
        if let Some(count) = self.of_one.get_mut(&watch.by) {
            *count -= 1;
            if *count == 0 {
                self.of_one.remove(&watch.by);
            }
        }
    }
}

/// A refused SUBSCRIBE: status and headers.
type Refusal = (u16, Vec<(&'static str, String)>);

impl Switch {
    pub(super) fn on_subscribe(&mut self, now: Now, id: ServerRequest, request: &Message, peer: Peer) {
        let by = match self.prove(now, request, peer) {
            Proof::Extension(agent) => agent,
            unproven => {
                let challenge = self.challenge(now, request, peer, matches!(unproven, Proof::Stale));
                return self.endpoint.respond(now.at, id, 401, None, &challenge, None);
            }
        };
        match self.wanted(&by, request) {
            Ok((package, of, seconds)) => self.watch(now, id, (by, package, of), seconds, peer),
            Err((status, headers)) => self.endpoint.respond(now.at, id, status, None, &headers, None),
        }
    }

    /// What a proven extension asks to be told, and for how long.
    fn wanted(&self, by: &AgentId, request: &Message) -> Result<(Package, AgentId, u32), Refusal> {
        let refuse = |status| (status, Vec::new());
        let event = request.text(HeaderName::Event).map(|value| String::from_utf8_lossy(&value).into_owned());
        let package = event.as_deref().and_then(Package::of_event).ok_or_else(|| {
            // RFC 6665 4.2.1.1.
            let known = Package::ALL.map(Package::name).join(", ");
            (489, vec![("Allow-Events", known)])
        })?;
        let mut accepted = request.list(HeaderName::Accept).filter_map(|range| MediaType::parse(range).ok()).peekable();
        let (kind, subtype) = package.content_type().split_once('/').unwrap_or_default();
        if accepted.peek().is_some() && !accepted.any(|range| range.accepts(kind, subtype)) {
            return Err(refuse(406));
        }
        let of = AgentId::new(user_of(request.request_uri()).unwrap_or_default());
        if !self.config.extensions.contains_key(&of) {
            return Err(refuse(404));
        }
        // Mail and whereabouts are everybody's own; who is on the phone all colleagues may see.
        if package != Package::Dialog && of != *by {
            return Err(refuse(403));
        }
        let seconds = SubscriptionTerms::default()
            .granted(request.expires())
            .map_err(|least| (423, vec![("Min-Expires", least.to_string())]))?;
        if seconds > 0 && self.watchers.of_one.get(by).is_some_and(|count| *count >= MOST_OF_ONE) {
            return Err(refuse(403));
        }
        Ok((package, of, seconds))
    }

    fn watch(
        &mut self,
        now: Now,
        id: ServerRequest,
        (by, package, of): (AgentId, Package, AgentId),
        seconds: u32,
        peer: Peer,
    ) {
        let terms = SubscriptionTerms::default();
        let Some(subscription) = self.endpoint.accept_subscription(now.at, id, peer, seconds, terms) else { return };
        let told = self.state_of(package, (&by, &of), &self.dialogs());
        let body = Some((package.content_type(), self.body_of(&of, 0, &told).into()));
        if seconds == 0 {
            // RFC 6665 4.4.3: a fetch.
            return self.endpoint.notify(now.at, subscription, Notice::last("timeout", body));
        }
        self.watchers.insert(subscription, Watch { by, package, of, version: 0, told });
        self.endpoint.notify(now.at, subscription, Notice { terminated: None, body });
    }

    /// A watcher refreshed, which is owed the whole state, or wants no more of it.
    pub(super) fn on_resubscribed(&mut self, now: Now, id: SubscriptionId, over: bool) {
        let Some(watch) = self.watchers.table.get(&id) else { return };
        let told = self.state_of(watch.package, (&watch.by, &watch.of), &self.dialogs());
        let Some(body) = self.write_down(id, told) else { return };
        let body = Some(body);
        let terminated = over.then_some("timeout");
        self.endpoint.notify(now.at, id, Notice { terminated, body });
        if over {
            self.watchers.remove(id);
        }
    }

    pub(super) fn on_watcher_gone(&mut self, id: SubscriptionId) {
        self.watchers.remove(id);
    }

    /// Something happened that lamps may show.
    pub(super) fn note_change(&mut self, now: Now, kind: &EventKind) {
        let shown = matches!(
            kind,
            EventKind::CallArrived { .. }
                | EventKind::CallPlaced { .. }
                | EventKind::CallEnded { .. }
                | EventKind::LegStarted { .. }
                | EventKind::LegRinging { .. }
                | EventKind::LegAnswered { .. }
                | EventKind::LegEnded { .. }
                | EventKind::LegTaken { .. }
                | EventKind::Bridged { .. }
                | EventKind::Registered { .. }
                | EventKind::Unregistered { .. }
        );
        if shown {
            self.lamps_change(now);
        }
    }

    fn lamps_change(&mut self, now: Now) {
        if self.watchers.len() > 0 && !self.timers.is_set(&SwitchTimer::Lamps) {
            self.timers.set(SwitchTimer::Lamps, now.at + GATHER);
        }
    }

    pub(super) fn on_boxes(&mut self, now: Now, boxes: BTreeMap<String, (u32, u32)>) {
        self.boxes = boxes;
        self.lamps_change(now);
    }

    /// An extension's box has its name; the boxes of the queues that it serves are its business too.
    fn mail_of(&self, of: &AgentId) -> MessageCounts {
        let agent = self.config.acd.agents.iter().find(|agent| agent.id == *of);
        let queues = agent.into_iter().flat_map(|agent| &agent.queues).map(|queue| queue.as_str());
        let held = std::iter::once(of.as_str()).chain(queues).filter_map(|name| self.boxes.get(name));
        held.fold(MessageCounts::default(), |counts, (new, urgent)| MessageCounts {
            new: counts.new.saturating_add(*new),
            new_urgent: counts.new_urgent.saturating_add(*urgent),
            ..counts
        })
    }

    /// Tells each watcher whose state is another than the one it was told last.
    pub(super) fn light_lamps(&mut self, now: Now) {
        let dialogs = self.dialogs();
        let state = |watch: &Watch| self.state_of(watch.package, (&watch.by, &watch.of), &dialogs);
        let states = self.watchers.table.iter().map(|(id, watch)| (*id, state(watch), watch));
        let due: Vec<_> =
            states.filter(|(_, state, watch)| *state != watch.told).map(|(id, state, _)| (id, state)).collect();
        for (id, state) in due {
            let Some(body) = self.write_down(id, state) else { continue };
            self.endpoint.notify(now.at, id, Notice { terminated: None, body: Some(body) });
        }
    }

    /// The body of the next NOTIFY of a subscription, which tells this state.
    fn write_down(&mut self, id: SubscriptionId, state: Shown) -> Option<(&'static str, Bytes)> {
        let watch = self.watchers.table.get_mut(&id)?;
        watch.version += 1;
        watch.told = state;
        let watch = self.watchers.table.get(&id)?;
        Some((watch.package.content_type(), self.body_of(&watch.of, watch.version, &watch.told).into()))
    }

    /// Extensions that are no more are watched no more, and watch nobody.
    pub(super) fn drop_watchers_of_strangers(&mut self, now: Now) {
        let known = |agent: &AgentId| self.config.extensions.contains_key(agent);
        let gone = self.watchers.table.iter().filter(|(_, watch)| !known(&watch.by) || !known(&watch.of));
        let gone: Vec<SubscriptionId> = gone.map(|(id, _)| *id).collect();
        for id in gone {
            self.watchers.remove(id);
            self.endpoint.notify(now.at, id, Notice::last("noresource", None));
        }
    }

    fn state_of(&self, package: Package, (by, of): (&AgentId, &AgentId), dialogs: &Dialogs) -> Shown {
        match package {
            Package::Dialog => Shown::Dialogs(self.lines_for(by, of, dialogs)),
            Package::MessageSummary => Shown::Mail(self.mail_of(of)),
            Package::Reg => {
                let bindings = self.registrar.bindings(of.as_str());
                let line = |binding: &Binding<Peer>| ContactLine { uri: binding.contact.to_string(), q: binding.q };
                Shown::Contacts(bindings.map(line).collect())
            }
        }
    }

    fn body_of(&self, of: &AgentId, version: u32, state: &Shown) -> String {
        let entity = format!("sip:{of}@{}", self.config.realm);
        match state {
            Shown::Dialogs(lines) => dialog_info::body(&entity, version, lines),
            Shown::Mail(counts) => message_summary::body(&entity, *counts),
            Shown::Contacts(contacts) => reg_info::body(&entity, version, contacts),
        }
    }

    /// The calls of an extension, with the names of those dialogs whose place the watcher may take.
    fn lines_for(&self, by: &AgentId, of: &AgentId, dialogs: &Dialogs) -> Vec<DialogLine> {
        let Some(lines) = dialogs.get(of) else { return Vec::new() };
        let colleague = self.are_colleagues(of, by);
        let may = |line: &DialogLine| by == of || colleague && line.state == DialogState::Early && !line.initiator;
        let shown = |line: &DialogLine| DialogLine { named: line.named.clone().filter(|_| may(line)), ..line.clone() };
        lines.iter().map(shown).collect()
    }

    /// The calls that extensions are in.
    fn dialogs(&self) -> Dialogs {
        let mut found = Dialogs::new();
        for entry in self.calls.values().filter(|entry| !entry.call.is_ended()) {
            let caller = entry.call.caller();
            for leg in entry.call.legs() {
                let Some(agent) = entry.agent_of(leg.id) else { continue };
                let initiator = leg.id == caller.id;
                let state = match leg.state() {
                    LegState::Dialing => DialogState::Trying,
                    LegState::Offered { .. } if !entry.call.is_dialing() => DialogState::Trying,
                    LegState::Offered { .. } | LegState::Ringing => DialogState::Early,
                    LegState::Up { .. } => DialogState::Confirmed,
                    LegState::Gone | LegState::Awaited => continue,
                };
                let remote = if initiator { &entry.to } else { &entry.from };
                // A number of ours; who calls from outside is nobody's business but the agent's.
                let ours = self.config.extensions.contains_key(remote.as_str());
                let remote = ours.then(|| format!("sip:{remote}@{}", self.config.realm));
                // Whom a queue offers a caller to, the queue decides.
                let usage = self.legs.get(&leg.id).and_then(|(_, usage)| *usage);
                let usage = usage.filter(|_| entry.call.offered_to().is_none());
                let named = usage.and_then(|usage| self.endpoint.dialog_name(usage));
                found.entry(agent.clone()).or_default().push(DialogLine {
                    id: leg.id.to_string(),
                    initiator,
                    state,
                    remote,
                    named,
                });
            }
        }
        found
    }
}
