//! All transactions of one endpoint: found by key, driven by messages and deadlines.

use super::key::{self, Branch, Class, ServerKey};
use super::machine::{
    Action, Actions, ClientEvent, ClientTimer, Env, Failure, ServerAction, ServerActions, ServerEvent, ServerTimer,
};
use super::{ClientId, ServerId, TimerSet, derived, invite_client, invite_server, other_client, other_server};
use crate::sip::message::{Message, Method};
use crate::sip::peer::{Peer, Transmit};
use crate::sip::slots::Slots;
use crate::timers::Timers;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// 2xx of one INVITE that are acknowledged, one for each fork that answered. An attacker who answers a call of ours could
/// otherwise make it grow without limit.
const MAX_FORKS: usize = 16;
/// Octets that may leave for each octet received from a source that nothing vouches for yet, when the ACK for a refusal
/// stays out. Without a limit a forged INVITE makes its supposed sender receive a dozen refusals (26.3.2.4).
const UNPROVEN_GAIN: usize = 3;

/// The transactions of one endpoint. `O` is whatever the starter of a transaction wants to be told it by.
///
/// Outputs are polled: [`Layer::poll_transmit`] and [`Layer::poll_told`].
#[derive(Debug)]
pub struct Layer<O> {
    timers: TimerSet,
    clients: Slots<Client<O>>,
    servers: Slots<Server<O>>,
    by_branch: HashMap<(Branch, Class), ClientId>,
    by_key: HashMap<ServerKey, ServerId>,
    merged: HashMap<ServerKey, ServerId>,
    /// Whose outcome still depends on the transport to this peer.
    by_peer: BTreeSet<(Peer, Name)>,
    deadlines: Timers<Deadline>,
    out: VecDeque<Transmit>,
    told: VecDeque<Told<O>>,
    retransmissions: u64,
}

/// News that no message brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<O> {
    ClientFailed { id: ClientId, owner: O, failure: Failure },
    ServerFailed { id: ServerId, owner: O, failure: Failure },
}

/// A response that the owner of its transaction must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery<O> {
    pub id: ClientId,
    pub owner: O,
}

/// What a request turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched<O> {
    /// It belongs to a transaction and was dealt with.
    Absorbed,
    /// An INVITE repeated before it had any answer: a 100 is owed.
    Unanswered(ServerId),
    /// The ACK for a 2xx, under the branch of its INVITE, as RFC 2543 has it.
    Acknowledged(O),
    /// Nothing that we know.
    New(Fresh),
}

/// A request that found no transaction, with the key under which it was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    key: Option<ServerKey>,
    merge_key: Option<ServerKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Client(ClientId),
    Server(ServerId),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Client(ClientId, ClientTimer),
    Server(ServerId, ServerTimer),
}

#[derive(Clone, Copy, Debug)]
enum ClientState {
    Invite(invite_client::State),
    Other(other_client::State),
}

#[derive(Debug)]
struct Client<O> {
    state: ClientState,
    branch: (Branch, Class),
    peer: Peer,
    request: Bytes,
    /// The ACK for a refusal, once one came.
    refusal_ack: Option<Bytes>,
    /// The ACK for each 2xx by its To tag; the owner wrote them.
    acks: SmallVec<[(Box<str>, Transmit); 1]>,
    /// Its owner only waits for it to end.
    given_up: bool,
    armed: Armed,
    owner: O,
}

#[derive(Clone, Copy, Debug)]
enum ServerState {
    Invite(invite_server::State),
    Other(other_server::State),
}

#[derive(Debug)]
struct Server<O> {
    state: ServerState,
    key: ServerKey,
    merge_key: Option<ServerKey>,
    /// Where responses go.
    peer: Peer,
    /// Until the final response is sent.
    request: Option<Message>,
    last_response: Option<Bytes>,
    /// `None` once somebody vouched for the sender.
    unproven: Option<Octets>,
    armed: Armed,
    owner: O,
}

/// Which timers of a transaction are set, so that its end need not search for those that are not.
#[derive(Clone, Copy, Debug, Default)]
struct Armed(u8);

impl Armed {
    fn note(&mut self, timer: u8, set: bool) {
        self.0 = if set { self.0 | 1 << timer } else { self.0 & !(1 << timer) };
    }

    fn has(self, timer: u8) -> bool {
        self.0 & 1 << timer != 0
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Octets {
    received: usize,
    sent: usize,
}

impl<O: Copy> Layer<O> {
    pub fn new(timers: TimerSet) -> Self {
        Self {
            timers,
            clients: Slots::default(),
            servers: Slots::default(),
            by_branch: HashMap::new(),
            by_key: HashMap::new(),
            merged: HashMap::new(),
            by_peer: BTreeSet::new(),
            deadlines: Timers::new(),
            out: VecDeque::new(),
            told: VecDeque::new(),
            retransmissions: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing at all is kept or queued.
    pub fn is_idle(&self) -> bool {
        self.is_empty()
            && self.by_branch.is_empty()
            && self.by_key.is_empty()
            && self.merged.is_empty()
            && self.by_peer.is_empty()
            && self.deadlines.is_empty()
            && self.out.is_empty()
            && self.told.is_empty()
    }

    pub fn retransmissions(&self) -> u64 {
        self.retransmissions
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    pub fn poll_told(&mut self) -> Option<Told<O>> {
        self.told.pop_front()
    }

    /// Sends outside any transaction: an ACK for a 2xx, a repetition of one, a stateless answer.
    pub fn send(&mut self, peer: Peer, bytes: Bytes) {
        self.out.push_back(Transmit { peer, bytes });
    }

    pub fn send_again(&mut self, peer: Peer, bytes: Bytes) {
        self.retransmissions += 1;
        self.send(peer, bytes);
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.next().map(|(at, _)| at)
    }

    /// Lets the earliest deadline expire if it is due.
    pub fn handle_next_timeout(&mut self, now: Instant) {
        match self.deadlines.pop(now) {
            Some(Deadline::Client(id, timer)) => {
                if let Some(client) = self.clients.get_mut(id.0) {
                    client.armed.note(timer as u8, false);
                }
                self.drive_client(now, id, ClientEvent::Timer(timer), None);
            }
            Some(Deadline::Server(id, timer)) => {
                if let Some(server) = self.servers.get_mut(id.0) {
                    server.armed.note(timer as u8, false);
                }
                self.drive_server(now, id, ServerEvent::Timer(timer), None);
            }
            None => {}
        }
    }

    /// The connection is gone, could not be made, or the network said that nobody is there.
    pub fn handle_transport_error(&mut self, now: Instant, peer: Peer) {
        let lowest = (peer, Name::Client(ClientId(Default::default())));
        let names: Vec<Name> =
            self.by_peer.range(lowest..).take_while(|(p, _)| *p == peer).map(|(_, name)| *name).collect();
        for name in names {
            match name {
                Name::Client(id) => {
                    self.drive_client(now, id, ClientEvent::TransportError, None);
                }
                Name::Server(id) => {
                    self.drive_server(now, id, ServerEvent::TransportError, None);
                }
            }
        }
    }
}

/// The client side.
impl<O: Copy> Layer<O> {
    /// Sends `request`, whose only Via carries `branch`, and keeps at it.
    pub fn start_client(
        &mut self,
        now: Instant,
        branch: Branch,
        method: &Method,
        peer: Peer,
        request: Bytes,
        owner: O,
    ) -> ClientId {
        let class = Class::of(method);
        let env = Env { timers: self.timers, reliable: peer.reliable() };
        let (state, actions) = match class {
            Class::Invite => {
                let (state, actions) = invite_client::start(env);
                (ClientState::Invite(state), actions)
            }
            _ => {
                let (state, actions) = other_client::start(env);
                (ClientState::Other(state), actions)
            }
        };
        let branch = (branch, class);
        let client = Client {
            state,
            branch,
            peer,
            request,
            refusal_ack: None,
            acks: SmallVec::new(),
            given_up: false,
            armed: Armed::default(),
            owner,
        };
        let id = ClientId(self.clients.insert(client));
        self.by_branch.insert(branch, id);
        self.by_peer.insert((peer, Name::Client(id)));
        self.perform_client(now, id, actions, None);
        id
    }

    /// Finds the transaction of a response. `Ok` is for its owner; `Err(true)` was absorbed, `Err(false)` is a stray.
    pub fn receive_response(&mut self, now: Instant, response: &Message) -> Result<Delivery<O>, bool> {
        let id = self.client_of(response).ok_or(false)?;
        let event = match response.status() {
            ..200 => ClientEvent::Provisional,
            200..300 => ClientEvent::Success,
            _ => ClientEvent::Failure,
        };
        let owner = self.clients.get(id.0).ok_or(false)?.owner;
        if self.drive_client(now, id, event, Some(response)) { Ok(Delivery { id, owner }) } else { Err(true) }
    }

    fn client_of(&self, response: &Message) -> Option<ClientId> {
        let branch = Branch::read(response.via().ok()?.branch?)?;
        let class = Class::of(&response.cseq().ok()?.method);
        self.by_branch.get(&(branch, class)).copied()
    }

    /// The request as it was sent.
    pub fn sent_request(&self, id: ClientId) -> Option<&Bytes> {
        self.clients.get(id.0).map(|client| &client.request)
    }

    pub fn client_peer(&self, id: ClientId) -> Option<Peer> {
        self.clients.get(id.0).map(|client| client.peer)
    }

    /// Sends the ACK for the 2xx of one fork, and keeps it for repetitions.
    pub fn acknowledge(&mut self, id: ClientId, tag: &str, ack: Transmit) {
        self.out.push_back(ack.clone());
        if let Some(client) = self.clients.get_mut(id.0) {
            client.acks.push((tag.into(), ack));
        }
    }

    /// Answers a repeated 2xx with the ACK that its fork has had (13.2.2.4). False for a fork that has had none.
    pub fn acknowledge_again(&mut self, id: ClientId, tag: &str) -> bool {
        let Some(client) = self.clients.get(id.0) else { return false };
        let Some((_, ack)) = client.acks.iter().find(|(t, _)| **t == *tag) else {
            // Beyond the limit of forks nothing is sent at all.
            return client.acks.len() >= MAX_FORKS;
        };
        self.out.push_back(ack.clone());
        self.retransmissions += 1;
        true
    }

    /// Limits an INVITE that rings and whose owner no longer wants it to 64*T1 from now: after a CANCEL (9.1), or when its
    /// dialog ended around it. Nothing else would end it if the final response is lost.
    pub fn give_up(&mut self, now: Instant, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id.0) {
            client.given_up = true;
            self.limit_given_up(now, id);
        }
    }

    /// While it still calls B runs already; when it begins to ring B would stop.
    fn limit_given_up(&mut self, now: Instant, id: ClientId) {
        let Some(client) = self.clients.get_mut(id.0) else { return };
        let rings = matches!(client.state, ClientState::Invite(invite_client::State::Proceeding));
        if client.given_up && rings && !client.armed.has(ClientTimer::B as u8) {
            client.armed.note(ClientTimer::B as u8, true);
            self.deadlines.set(Deadline::Client(id, ClientTimer::B), now + self.timers.expiry());
        }
    }

    fn forget_client(&mut self, id: ClientId) {
        if let Some(client) = self.clients.remove(id.0) {
            self.by_branch.remove(&client.branch);
            self.by_peer.remove(&(client.peer, Name::Client(id)));
            use ClientTimer::*;
            for timer in [A, B, D, E, F, K, M].into_iter().filter(|timer| client.armed.has(*timer as u8)) {
                self.deadlines.clear(&Deadline::Client(id, timer));
            }
        }
    }

    /// True when the response in hand is for the owner.
    fn drive_client(&mut self, now: Instant, id: ClientId, event: ClientEvent, response: Option<&Message>) -> bool {
        let Some(client) = self.clients.get_mut(id.0) else { return false };
        let env = Env { timers: self.timers, reliable: client.peer.reliable() };
        let actions = match client.state {
            ClientState::Invite(state) => {
                let (next, actions) = invite_client::step(state, event, env);
                client.state = ClientState::Invite(next);
                actions
            }
            ClientState::Other(state) => {
                let (next, actions) = other_client::step(state, event, env);
                client.state = ClientState::Other(next);
                actions
            }
        };
        let delivered = self.perform_client(now, id, actions, response);
        self.limit_given_up(now, id);
        delivered
    }

    fn perform_client(&mut self, now: Instant, id: ClientId, actions: Actions, response: Option<&Message>) -> bool {
        let mut delivered = false;
        for action in actions {
            let Some(client) = self.clients.get_mut(id.0) else { return delivered };
            match action {
                Action::Send => self.out.push_back(Transmit { peer: client.peer, bytes: client.request.clone() }),
                Action::Resend => {
                    self.retransmissions += 1;
                    self.out.push_back(Transmit { peer: client.peer, bytes: client.request.clone() });
                }
                Action::Ack => {
                    if client.refusal_ack.is_none() {
                        client.refusal_ack = response.and_then(|response| refusal_ack(&client.request, response));
                    }
                    if let Some(ack) = &client.refusal_ack {
                        self.out.push_back(Transmit { peer: client.peer, bytes: ack.clone() });
                    }
                }
                Action::Deliver => delivered = true,
                Action::Settled => {
                    self.by_peer.remove(&(client.peer, Name::Client(id)));
                }
                Action::Fail(failure) => self.told.push_back(Told::ClientFailed { id, owner: client.owner, failure }),
                Action::Set(timer, after) => {
                    client.armed.note(timer as u8, true);
                    self.deadlines.set(Deadline::Client(id, timer), now + after);
                }
                Action::Clear(timer) => {
                    if client.armed.has(timer as u8) {
                        client.armed.note(timer as u8, false);
                        self.deadlines.clear(&Deadline::Client(id, timer));
                    }
                }
            }
        }
        let over = matches!(
            self.clients.get(id.0).map(|client| client.state),
            Some(
                ClientState::Invite(invite_client::State::Terminated)
                    | ClientState::Other(other_client::State::Terminated)
            )
        );
        if over {
            self.forget_client(id);
        }
        delivered
    }
}

/// The ACK for a refusal (17.1.1.3): everything from the INVITE, its Route included, and the To of the response.
fn refusal_ack(invite: &Bytes, response: &Message) -> Option<Bytes> {
    let invite = Message::parse(invite.clone()).ok()?;
    Some(derived::ack_for_refusal(&invite, response))
}

/// The server side.
impl<O: Copy> Layer<O> {
    /// Looks a request up, ACKs included. [`Matched::New`] is the only outcome that leaves work to do with the request
    /// itself.
    pub fn receive_request(&mut self, now: Instant, request: &Message, method: &Method) -> Matched<O> {
        let sought = if *method == Method::Ack { &Method::Invite } else { method };
        let key = key::server_key(request, sought);
        let id = key.as_ref().and_then(|key| self.by_key.get(key)).copied();
        let Some((id, server)) = id.and_then(|id| Some((id, self.servers.get_mut(id.0)?))) else {
            return Matched::New(Fresh { key, merge_key: None });
        };
        if let Some(octets) = &mut server.unproven {
            octets.received += request.raw().len();
        }
        if *method == Method::Ack {
            let owner = server.owner;
            return match self.drive_server(now, id, ServerEvent::Ack, None) {
                true => Matched::Acknowledged(owner),
                false => Matched::Absorbed,
            };
        }
        let unanswered = server.last_response.is_none() && *method == Method::Invite;
        self.drive_server(now, id, ServerEvent::Request, None);
        if unanswered { Matched::Unanswered(id) } else { Matched::Absorbed }
    }

    /// The INVITE transaction that a CANCEL means (9.2), with its owner.
    pub fn cancelled(&self, cancel: &Message) -> Option<(ServerId, O)> {
        let id = *self.by_key.get(&key::server_key(cancel, &Method::Invite)?)?;
        Some((id, self.servers.get(id.0)?.owner))
    }

    /// Whether this request reached us before by another path, under another branch, and is still being dealt with.
    pub fn is_merged(&self, request: &Message, fresh: &mut Fresh) -> bool {
        fresh.merge_key = key::merge_key(request);
        fresh.merge_key.as_ref().is_some_and(|key| self.merged.contains_key(key))
    }

    /// Opens a transaction for a request that [`receive_request`](Self::receive_request) found new. `peer` is where its
    /// responses go; a `proven` sender is repeated to without limit. `None` when its headers make no key.
    pub fn start_server(
        &mut self,
        now: Instant,
        request: Message,
        fresh: Fresh,
        peer: Peer,
        proven: bool,
        owner: O,
    ) -> Option<ServerId> {
        let key = fresh.key?;
        let method = request.method().clone();
        let env = Env { timers: self.timers, reliable: peer.reliable() };
        let (state, actions) = if method == Method::Invite {
            let (state, actions) = invite_server::start();
            (ServerState::Invite(state), actions)
        } else {
            let (state, actions) = other_server::start(env);
            (ServerState::Other(state), actions)
        };
        // In a dialog its numbers tell copies apart already, so only new work has a merge key.
        let merge_key = fresh.merge_key.filter(|key| !self.merged.contains_key(key));
        let unproven = (!proven && !peer.reliable()).then(|| Octets { received: request.raw().len(), sent: 0 });
        let server = Server {
            state,
            key: key.clone(),
            merge_key: merge_key.clone(),
            peer,
            request: Some(request),
            last_response: None,
            unproven,
            armed: Armed::default(),
            owner,
        };
        let id = ServerId(self.servers.insert(server));
        self.by_key.insert(key, id);
        if let Some(merge_key) = merge_key {
            self.merged.insert(merge_key, id);
        }
        // A datagram that comes back undelivered changes nothing for a server: its peer repeats, or H and J end it.
        if peer.reliable() {
            self.by_peer.insert((peer, Name::Server(id)));
        }
        self.perform_server(now, id, actions);
        Some(id)
    }

    /// The request, while its final response is owed.
    pub fn open_request(&self, id: ServerId) -> Option<&Message> {
        self.servers.get(id.0)?.request.as_ref()
    }

    pub fn server_peer(&self, id: ServerId) -> Option<Peer> {
        self.servers.get(id.0).map(|server| server.peer)
    }

    pub fn has_answered(&self, id: ServerId) -> bool {
        self.servers.get(id.0).is_none_or(|server| server.last_response.is_some())
    }

    pub fn set_owner(&mut self, id: ServerId, owner: O) {
        if let Some(server) = self.servers.get_mut(id.0) {
            server.owner = owner;
        }
    }

    /// The sender is who it claims to be, or welcome anyway: repetitions to it need no limit.
    pub fn vouch(&mut self, id: ServerId) {
        if let Some(server) = self.servers.get_mut(id.0) {
            server.unproven = None;
        }
    }

    /// Sends a response and keeps it for repetition.
    pub fn respond(&mut self, now: Instant, id: ServerId, status: u16, response: Bytes) {
        let event = match status {
            ..200 => ServerEvent::Provisional,
            200..300 => ServerEvent::Success,
            _ => ServerEvent::Failure,
        };
        self.drive_server(now, id, event, Some(response));
        if status >= 200
            && let Some(server) = self.servers.get_mut(id.0)
        {
            server.request = None;
            // A client that was challenged may try again under the same CSeq (22.2 only says SHOULD), and is no copy.
            if matches!(status, 401 | 407) {
                let merge_key = server.merge_key.take();
                self.forget_merge_key(merge_key, id);
            }
        }
    }

    /// Drops the transaction of a request that was answered without keeping state (26.3.2.4).
    pub fn forget(&mut self, id: ServerId) {
        if let Some(server) = self.servers.remove(id.0) {
            self.by_key.remove(&server.key);
            self.by_peer.remove(&(server.peer, Name::Server(id)));
            self.forget_merge_key(server.merge_key, id);
            use ServerTimer::*;
            for timer in [G, H, I, J, L].into_iter().filter(|timer| server.armed.has(*timer as u8)) {
                self.deadlines.clear(&Deadline::Server(id, timer));
            }
        }
    }

    fn forget_merge_key(&mut self, key: Option<Arc<[u8]>>, id: ServerId) {
        if let Some(key) = key
            && self.merged.get(&key) == Some(&id)
        {
            self.merged.remove(&key);
        }
    }

    /// True when the ACK in hand is for the owner.
    fn drive_server(&mut self, now: Instant, id: ServerId, event: ServerEvent, response: Option<Bytes>) -> bool {
        let Some(server) = self.servers.get_mut(id.0) else { return false };
        let env = Env { timers: self.timers, reliable: server.peer.reliable() };
        let actions = match server.state {
            ServerState::Invite(state) => {
                let (next, actions) = invite_server::step(state, event, env);
                server.state = ServerState::Invite(next);
                actions
            }
            ServerState::Other(state) => {
                let (next, actions) = other_server::step(state, event, env);
                server.state = ServerState::Other(next);
                actions
            }
        };
        if let Some(response) = response
            && actions.contains(&ServerAction::Send)
        {
            server.last_response = Some(response);
        }
        self.perform_server(now, id, actions)
    }

    fn perform_server(&mut self, now: Instant, id: ServerId, actions: ServerActions) -> bool {
        let mut delivered = false;
        for action in actions {
            let Some(server) = self.servers.get_mut(id.0) else { return delivered };
            match action {
                ServerAction::Send | ServerAction::Resend | ServerAction::Repeat => {
                    let Some(bytes) = server.last_response.clone() else { continue };
                    if let Some(octets) = &mut server.unproven {
                        let limit = octets.received * UNPROVEN_GAIN;
                        if action == ServerAction::Repeat && octets.sent + bytes.len() > limit {
                            continue;
                        }
                        octets.sent += bytes.len();
                    }
                    if action != ServerAction::Send {
                        self.retransmissions += 1;
                    }
                    self.out.push_back(Transmit { peer: server.peer, bytes });
                }
                ServerAction::Deliver => delivered = true,
                ServerAction::Fail(failure) => {
                    self.told.push_back(Told::ServerFailed { id, owner: server.owner, failure });
                }
                ServerAction::Set(timer, after) => {
                    server.armed.note(timer as u8, true);
                    self.deadlines.set(Deadline::Server(id, timer), now + after);
                }
                ServerAction::Clear(timer) => {
                    if server.armed.has(timer as u8) {
                        server.armed.note(timer as u8, false);
                        self.deadlines.clear(&Deadline::Server(id, timer));
                    }
                }
            }
        }
        let over = matches!(
            self.servers.get(id.0).map(|server| server.state),
            Some(
                ServerState::Invite(invite_server::State::Terminated)
                    | ServerState::Other(other_server::State::Terminated)
            )
        );
        if over {
            self.forget(id);
        }
        delivered
    }
}
