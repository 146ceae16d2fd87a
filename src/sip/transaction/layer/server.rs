//! Transactions of the peers' requests.

use super::super::key::{self, ServerKey};
use super::super::machine::{Env, ServerAction, ServerActions, ServerEvent, ServerTimer};
use super::super::{ServerId, invite_server, other_server};
use super::{Armed, Deadline, Layer, Name, Told};
use crate::sip::message::{Message, Method};
use crate::sip::peer::{Peer, Transmit};
use bytes::Bytes;
use std::time::Instant;

/// Octets that may leave for each octet received from a source that nothing vouches for yet, when the ACK for a refusal
/// stays out. Without a limit a forged INVITE makes its supposed sender receive a dozen refusals (26.3.2.4).
const UNPROVEN_GAIN: usize = 3;

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

#[derive(Clone, Copy, Debug)]
enum ServerState {
    Invite(invite_server::State),
    Other(other_server::State),
}

#[derive(Debug)]
pub(super) struct Server<O> {
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

#[derive(Clone, Copy, Debug, Default)]
struct Octets {
    received: usize,
    sent: usize,
}

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

    fn forget_merge_key(&mut self, key: Option<ServerKey>, id: ServerId) {
        if let Some(key) = key
            && self.merged.get(&key) == Some(&id)
        {
            self.merged.remove(&key);
        }
    }

    pub(super) fn expire_server(&mut self, now: Instant, id: ServerId, timer: ServerTimer) {
        if let Some(server) = self.servers.get_mut(id.0) {
            server.armed.note(timer as u8, false);
        }
        self.drive_server(now, id, ServerEvent::Timer(timer), None);
    }

    /// True when the ACK in hand is for the owner.
    pub(super) fn drive_server(
        &mut self,
        now: Instant,
        id: ServerId,
        event: ServerEvent,
        response: Option<Bytes>,
    ) -> bool {
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
