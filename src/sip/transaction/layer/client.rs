//! Transactions of our requests.

use super::super::key::{Branch, Class};
use super::super::machine::{Action, Actions, ClientEvent, ClientTimer, Env};
use super::super::{ClientId, derived, invite_client, other_client};
use super::{Armed, Deadline, Layer, Name, Told};
use crate::sip::message::{Message, Method};
use crate::sip::peer::{Peer, Transmit, Transport};
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

/// 2xx of one INVITE that are acknowledged, one for each fork that answered. An attacker who answers a call of ours could
/// otherwise make it grow without limit.
const MAX_FORKS: usize = 16;

/// A response that the owner of its transaction must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery<O> {
    pub id: ClientId,
    pub owner: O,
}

#[derive(Clone, Copy, Debug)]
enum ClientState {
    Invite(invite_client::State),
    Other(other_client::State),
}

#[derive(Debug)]
pub(super) struct Client<O> {
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
    /// Goes by a stream for its size, and as this datagram where no stream can be had.
    datagram: Option<(Peer, Bytes)>,
}

/// Beyond it a request to somebody who listens for streams goes by one (RFC 3261 18.1.1): a datagram that has to be cut
/// into pieces is lost with any of them, and firewalls drop them.
const LARGEST_DATAGRAM: usize = 1_300;

impl<O: Copy> Layer<O> {
    /// Peers of datagrams that listen on TCP at the same address.
    pub fn set_streams(&mut self, streams: BTreeSet<SocketAddr>) {
        self.streams = streams;
    }

    /// The request as it goes by TCP, where it has to.
    fn by_stream(&self, peer: Peer, request: &[u8]) -> Option<(Peer, Bytes)> {
        let large = peer.transport == Transport::Udp && request.len() > LARGEST_DATAGRAM;
        if !large || !self.streams.contains(&peer.remote) {
            return None;
        }
        let via = b"\r\nVia: SIP/2.0/";
        let at = request.windows(via.len()).position(|window| window == via)? + via.len();
        let rest = request.get(at..)?.strip_prefix(b"UDP")?;
        let request = [request.get(..at)?, b"TCP", rest].concat();
        Some((Peer { transport: Transport::Tcp, ..peer }, request.into()))
    }

    /// No stream could be had before anybody has answered: the request goes as a datagram after all.
    fn send_as_datagram(&mut self, now: Instant, id: ClientId) -> bool {
        let Some(client) = self.clients.get_mut(id.0) else { return false };
        let unanswered = matches!(
            client.state,
            ClientState::Invite(invite_client::State::Calling { .. })
                | ClientState::Other(other_client::State::Trying { .. })
        );
        let Some((peer, request)) = client.datagram.take().filter(|_| unanswered) else { return false };
        let before = std::mem::replace(&mut client.peer, peer);
        client.request = request;
        let (state, actions) = begin(client.branch.1, Env { timers: self.timers, reliable: false });
        client.state = state;
        self.by_peer.remove(&(before, Name::Client(id)));
        self.by_peer.insert((peer, Name::Client(id)));
        self.perform_client(now, id, actions, None);
        true
    }

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
        let (peer, request, datagram) = match self.by_stream(peer, &request) {
            Some((stream, by_stream)) => (stream, by_stream, Some((peer, request))),
            None => (peer, request, None),
        };
        let (state, actions) = begin(class, Env { timers: self.timers, reliable: peer.reliable() });
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
            datagram,
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

    pub(super) fn expire_client(&mut self, now: Instant, id: ClientId, timer: ClientTimer) {
        if let Some(client) = self.clients.get_mut(id.0) {
            client.armed.note(timer as u8, false);
        }
        self.drive_client(now, id, ClientEvent::Timer(timer), None);
    }

    /// True when the response in hand is for the owner.
    pub(super) fn drive_client(
        &mut self,
        now: Instant,
        id: ClientId,
        event: ClientEvent,
        response: Option<&Message>,
    ) -> bool {
        if event == ClientEvent::TransportError && self.send_as_datagram(now, id) {
            return false;
        }
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

fn begin(class: Class, env: Env) -> (ClientState, Actions) {
    match class {
        Class::Invite => {
            let (state, actions) = invite_client::start(env);
            (ClientState::Invite(state), actions)
        }
        _ => {
            let (state, actions) = other_client::start(env);
            (ClientState::Other(state), actions)
        }
    }
}

/// The ACK for a refusal (17.1.1.3): everything from the INVITE, its Route included, and the To of the response.
fn refusal_ack(invite: &Bytes, response: &Message) -> Option<Bytes> {
    let invite = Message::parse(invite.clone()).ok()?;
    Some(derived::ack_for_refusal(&invite, response))
}
