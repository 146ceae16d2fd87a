//! A new INVITE: who sends it, whither it leads, whether it gets in, and who drives the call then. Each refusal has its
//! reason in an event and its status on the wire; none of them tells a stranger which extensions exist.

use super::admission_link::{Asking, Room};
use super::gruu::instance_of_gruu;
use super::identity::{Identity, asserted};
use super::proof::Proof;
use super::sip_link::warning_header;
use super::test_number::TestCall;
use super::{CALL_LIMIT, Driver, Entry, Switch, SwitchTimer};
use crate::call::Call;
use crate::events::{Class, EndedBy, EventKind, NumberRole, Refusal, Source};
use crate::ids::{AgentId, CallId, ProjectId, Redacted, TrunkId};
use crate::media::command::WorkerId;
use crate::routing::{Closed, Destination, TestNumber};
use crate::sip::endpoint::UsageId;
use crate::sip::message::uri::UriRef;
use crate::sip::message::{HeaderName, Message};
use crate::sip::peer::Peer;
use crate::timers::Now;
use bytes::Bytes;
use std::time::Duration;

/// Of an INVITE that does not say (RFC 3261 8.1.1.6).
pub(super) const MOST_HOPS: u8 = 70;

/// Calls of one address to numbers that lead nowhere, of which each is written down by itself; of more within the time only
/// the sum is. A phone that redials a closed number, or whoever forges a carrier's address, fills no journal.
pub(super) const MISDIALLED: u32 = 60;
pub(super) const MISDIALLED_WITHIN: Duration = Duration::from_secs(60);

/// A refused new call.
pub(super) struct Refused {
    pub reason: Refusal,
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// Who is refused, where that is known.
    pub source: Option<Source>,
    /// What it asked for room as, if it came as far.
    pub asking: Option<Asking>,
    /// For the display of the phone.
    pub phrase: Option<String>,
}

impl Refused {
    pub(super) fn new(reason: Refusal, status: u16) -> Refused {
        Refused { reason, status, headers: Vec::new(), source: None, asking: None, phrase: None }
    }

    /// There is no room for it.
    pub(super) fn full(reason: Refusal) -> Refused {
        Refused::new(reason, reason.status_of_full())
    }
}

/// A new call that may come in.
struct Known {
    destination: Destination,
    project: Option<ProjectId>,
    asking: Asking,
    caller: Caller,
}

/// Who calls whom, as we tell it.
struct Caller {
    from: String,
    from_display: Option<String>,
    to: String,
    identity: Identity,
    asserted: bool,
    /// What is to be told of it when it is in.
    notes: Vec<EventKind>,
}

/// The two parties of a new INVITE, as text.
pub(super) struct Parties {
    pub from: String,
    from_display: Option<String>,
    pub to: String,
    /// The user of the To header.
    named: String,
    /// The device whose GRUU was dialled.
    instance: Option<String>,
}

impl Switch {
    pub(super) fn on_invited(&mut self, now: Now, usage: UsageId, request: Message, peer: Peer, offer: Option<Bytes>) {
        let parties = parties(&request);
        if let Err(refused) = self.take_in(now, usage, &request, peer, offer, &parties) {
            let headers: Vec<(&str, &str)> = refused.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            self.endpoint.reject(now.at, usage, refused.status, refused.phrase.as_deref(), &headers);
            // A challenge is half of a handshake, not a refusal that anybody needs to read about.
            if refused.status != 401 && !self.is_one_of_many(now, peer, &refused) {
                let (from, to) = (Redacted::new(parties.from), Redacted::new(parties.to));
                let Refused { reason, status, source, asking, .. } = refused;
                let (class, budget) = asking.map(|Asking { class, budget }| (class, budget)).unzip();
                let budget = budget.flatten();
                let sip_call_id = printable(request.call_id().unwrap_or_default().as_bytes());
                self.emit(
                    now,
                    None,
                    EventKind::CallRefused { from, to, reason, status, source, budget, class, sip_call_id },
                );
            }
        }
    }

    /// Whether a refusal is told in a sum.
    fn is_one_of_many(&mut self, now: Now, peer: Peer, refused: &Refused) -> bool {
        if refused.reason != Refusal::NotOpen {
            return false;
        }
        let is_one = self.misdialled.is_used_up(now.at, peer.remote.ip());
        match is_one {
            true => *self.shed.entry((Refusal::NotOpen, Class::default())).or_default() += 1,
            false => self.misdialled.count(now.at, peer.remote.ip()),
        }
        is_one
    }

    fn take_in(
        &mut self,
        now: Now,
        usage: UsageId,
        request: &Message,
        peer: Peer,
        offer: Option<Bytes>,
        parties: &Parties,
    ) -> Result<(), Refused> {
        let source = self.identify(now, request, peer, parties)?;
        let taken = match request.count(HeaderName::Replaces) {
            0 => self.let_in(now, usage, request, peer, offer, parties, source.clone()),
            _ => self.take_over(now, usage, request, peer, offer, &source),
        };
        taken.map_err(|refused| Refused { source: Some(source), ..refused })
    }

    #[allow(clippy::too_many_arguments)]
    fn let_in(
        &mut self,
        now: Now,
        usage: UsageId,
        request: &Message,
        peer: Peer,
        offer: Option<Bytes>,
        parties: &Parties,
        source: Source,
    ) -> Result<(), Refused> {
        // Strangers who are challenged do not count: they would use up what known callers may have.
        self.admission.count_arrival(now.at);
        let code = match &source {
            Source::Extension(agent) => self.read_code(agent, &parties.to).transpose()?.map(|wish| (agent, wish)),
            Source::Trunk(_) => None,
        };
        let (known, wish) = match code {
            Some((agent, wish)) => (self.confirmed(agent, request, parties), Some(wish)),
            None => (self.known(&source, request, parties)?, None),
        };
        let asking = known.asking.clone();
        let begun = self.begin(now, usage, request, peer, offer, parties, source, known);
        begun.map_err(|refused| Refused { asking: Some(asking), ..refused })?;
        // The agent is on this call by now, so that no caller is offered before it is over.
        wish.into_iter().for_each(|wish| self.on_command(now, wish));
        Ok(())
    }

    /// Seats a call whose way is known, if there is room.
    #[allow(clippy::too_many_arguments)]
    fn begin(
        &mut self,
        now: Now,
        usage: UsageId,
        request: &Message,
        peer: Peer,
        offer: Option<Bytes>,
        parties: &Parties,
        source: Source,
        known: Known,
    ) -> Result<(), Refused> {
        let Known { destination, project, asking, caller } = known;
        let Caller { from, from_display, to, identity, asserted, notes } = caller;
        let hops = request.max_forwards().and_then(Result::ok).unwrap_or(MOST_HOPS);
        // What we would send on has no hop left: a call that went round in a ring, or is about to.
        if hops <= 1 && matches!(destination, Destination::Extension(_) | Destination::Trunk { .. }) {
            return Err(Refused::new(Refusal::LoopDetected, 483));
        }
        if self.draining {
            return Err(Refused::full(Refusal::Draining));
        }
        let room = self.make_room(now, &source, &destination, &asking)?;
        let Room { call: id, leg, lease } = room;
        let seat = self.seat(leg, lease, peer, &source);
        let mut outputs = Vec::new();
        let call = Call::new(id, seat, offer.as_deref(), &mut outputs).map_err(|refusal| {
            self.give_room_back(&room);
            let headers = vec![("Warning", warning_header(refusal))];
            Refused { headers, ..Refused::new(Refusal::NoCodec, refusal.status()) }
        })?;

        let (own_extension, trunk) = match &source {
            Source::Extension(agent) => (Some(agent.clone()), None),
            Source::Trunk(trunk) => (None, Some(trunk.clone())),
        };
        self.legs.insert(leg, (id, Some(usage)));
        self.usages.insert(usage, leg);
        self.emit(
            now,
            Some(id),
            EventKind::CallArrived {
                from: Redacted::new(from.clone()),
                to: Redacted::new(to.clone()),
                source,
                sip_call_id: printable(request.call_id().unwrap_or_default().as_bytes()),
                leg,
                project: project.clone(),
            },
        );
        for note in notes {
            self.emit(now, Some(id), note);
        }
        if asserted || identity.private || identity.redirecting.is_some() {
            let redirecting = identity.redirecting.clone().map(Redacted::new);
            self.emit(now, Some(id), EventKind::CallerKnown { asserted, private: identity.private, redirecting });
        }
        if let Some(agent) = &own_extension {
            self.acd.agent_call_started(now.at, agent);
        }
        let entry = Entry {
            project,
            from_display,
            identity,
            hops,
            instance: parties.instance.clone(),
            trunk,
            own_extension,
            ..Entry::new(call, now, from, to)
        };
        self.calls.insert(id, entry);
        self.timers.set(SwitchTimer::CallLimit(id), now.at + CALL_LIMIT);
        for output in outputs {
            self.carry_out(now, id, output);
        }
        self.drive(now, id, destination);
        Ok(())
    }

    /// Who calls. Strangers are asked for credentials alike, so that no answer tells them
    /// which numbers exist; a trunk is known and is told. Nobody speaks in an extension's name without its password, also
    /// not from a trunk's address: softphones and gateways may share one.
    fn identify(&mut self, now: Now, request: &Message, peer: Peer, parties: &Parties) -> Result<Source, Refused> {
        Ok(match self.prove(now, request, peer) {
            Proof::Extension(agent) => Source::Extension(agent),
            Proof::None | Proof::Elsewhere if !self.config.extensions.contains_key(parties.from.as_str()) => {
                match self.trunk_of(peer.remote.ip(), &parties.to) {
                    Some(trunk) => Source::Trunk(trunk),
                    None => {
                        // The usual mistake with a new trunk, or a stranger: either way the operator is to see it.
                        self.count_auth_failure(now, request, peer, "a call from no trunk's address");
                        return Err(self.challenged(now, request, peer, Refusal::NotOpen, false));
                    }
                }
            }
            Proof::None | Proof::Elsewhere => return Err(self.challenged(now, request, peer, Refusal::NotOpen, false)),
            Proof::Stale => return Err(self.challenged(now, request, peer, Refusal::NotOpen, true)),
            Proof::Wrong => return Err(self.challenged(now, request, peer, Refusal::BadCredentials, false)),
        })
    }

    /// The media worker of a call that an agent is in.
    pub(super) fn worker_of(&self, agent: &AgentId) -> Option<WorkerId> {
        let of = |entry: &&Entry| {
            !entry.call.is_ended()
                && [&entry.own_extension, &entry.serving, &entry.visiting].into_iter().flatten().any(|a| a == agent)
        };
        self.calls.values().find(of).map(|entry| entry.call.caller().worker())
    }

    /// Who the caller is to us, and where the number leads.
    fn known(&self, source: &Source, request: &Message, parties: &Parties) -> Result<Known, Refused> {
        let caller = match source {
            Source::Extension(agent) => self.known_extension(agent, request, parties),
            Source::Trunk(trunk) => self.known_caller(trunk, request, parties),
        };
        let route = self.config.routes.route(&caller.to, source).map_err(|closed| match closed {
            Closed::NotFound => Refused::new(Refusal::NotOpen, 404),
            Closed::NotOpen => Refused::new(Refusal::NotOpen, 403),
        })?;
        let (destination, project) = (route.to.clone(), route.project.clone());
        Ok(Known { destination, project, asking: self.asking(source, request, route), caller })
    }

    /// An agent's code is followed, which a short call says.
    fn confirmed(&self, agent: &AgentId, request: &Message, parties: &Parties) -> Known {
        let caller = self.known_extension(agent, request, parties);
        let asking = Asking { class: Class::default(), budget: None };
        Known { destination: Destination::Test(TestNumber::Confirm), project: None, asking, caller }
    }

    /// An extension can speak neither in another's name nor under one of its own making.
    fn known_extension(&self, agent: &AgentId, request: &Message, parties: &Parties) -> Caller {
        Caller {
            from: agent.to_string(),
            from_display: self.config.extensions.get(agent).map(|extension| extension.name.clone()),
            to: parties.to.clone(),
            identity: Identity::of_extension(request),
            asserted: false,
            notes: Vec::new(),
        }
    }

    /// A caller by a trunk, with both numbers in the form that its rules give them. No rule and no carrier makes an
    /// extension of a stranger.
    fn known_caller(&self, trunk: &TrunkId, request: &Message, parties: &Parties) -> Caller {
        let vouched = if self.trusts(trunk) { asserted(request) } else { None };
        let vouched = vouched.filter(|caller| !self.config.extensions.contains_key(caller.number.as_str()));
        let is_asserted = vouched.is_some();
        let (number, from_display) = match vouched {
            Some(caller) => (caller.number, caller.display),
            None => (parties.from.clone(), parties.from_display.clone()),
        };
        let (from, from_told) = match self.rewrite(trunk, NumberRole::CallerIn, &number) {
            (made, _) if self.config.extensions.contains_key(made.as_str()) => (number, None),
            made => made,
        };
        let (to, to_told) = self.called_by(trunk, parties);
        let notes = from_told.into_iter().chain(to_told).collect();
        Caller { from, from_display, to, identity: Identity::of_trunk(request), asserted: is_asserted, notes }
    }

    /// The number that a caller by a trunk has dialled, and what its rules have made of it.
    pub(super) fn called_by(&self, trunk: &TrunkId, parties: &Parties) -> (String, Option<EventKind>) {
        let in_to = self.config.trunk_numbers.get(trunk).is_some_and(|numbers| numbers.called_in_to);
        self.rewrite(trunk, NumberRole::CalledIn, if in_to { &parties.named } else { &parties.to })
    }

    fn challenged(&mut self, now: Now, request: &Message, peer: Peer, reason: Refusal, stale: bool) -> Refused {
        Refused { headers: self.challenge(now, request, peer, stale), ..Refused::new(reason, 401) }
    }

    /// Hands the new call to whoever drives it.
    pub(super) fn drive(&mut self, now: Now, id: CallId, destination: Destination) {
        match destination {
            Destination::Flow(flow) => self.start_flow(now, id, &flow),
            Destination::Queue(queue) => self.start_queue(now, id, queue),
            Destination::Extension(agent) => self.start_direct(now, id, agent),
            Destination::Trunk { trunk, number } => self.start_trunk(now, id, &trunk, number),
            Destination::Test(number) => {
                let (test, actions) = TestCall::start(number);
                if let Some(entry) = self.calls.get_mut(&id) {
                    entry.driver = Driver::Test(test);
                }
                self.act_test(now, id, actions);
            }
        }
    }

    fn start_direct(&mut self, now: Now, id: CallId, agent: AgentId) {
        self.visit(now, id, &agent);
        let ring_time = self.config.direct_ring_time;
        if let Err(cause) = self.dial_extension(now, id, crate::call::DialPurpose::Direct, &agent, ring_time) {
            self.end_call(now, id, cause, EndedBy::System);
        }
    }
}

pub(super) fn parties(request: &Message) -> Parties {
    let user = |uri: &[u8]| UriRef::parse(uri).ok()?.user_decoded().map(|user| user.into_owned());
    let to = user(request.request_uri()).unwrap_or_default();
    let instance = UriRef::parse(request.request_uri()).ok().and_then(|uri| uri.param("gr"));
    let instance = instance.filter(|gr| !gr.is_empty()).map(instance_of_gruu);
    let (from, from_display) = match request.from() {
        Ok(from) => {
            let display = from.display_name().map(|name| printable(&name)).filter(|name| !name.is_empty());
            (user(from.uri).unwrap_or_default(), display)
        }
        Err(_) => Default::default(),
    };
    let named = request.to().ok().and_then(|to| user(to.uri)).unwrap_or_default();
    let [from, to, named] = [from, to, named].map(|number| printable(number.as_bytes()));
    Parties { from, from_display, to, named, instance }
}

/// Text from the wire as records and logs may hold it: no control bytes, bounded.
pub(super) fn printable(bytes: &[u8]) -> String {
    const LONGEST: usize = 128;
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
