//! What goes into the four machines of RFC 3261 section 17 and what they ask for. Each machine is a function from a state
//! and an event to the next state and a list of actions; [`Layer`](super::Layer) carries them out.

use super::timing::TimerSet;
use smallvec::SmallVec;
use std::time::Duration;

/// What a machine may know of the world.
#[derive(Clone, Copy, Debug)]
pub struct Env {
    pub timers: TimerSet,
    /// The transport repeats for us: no retransmission timers, no waiting for stragglers.
    pub reliable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No final response (client), or no ACK for a refusal (server), within 64*T1.
    Timeout,
    Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientTimer {
    /// INVITE repetition.
    A,
    /// INVITE gives up.
    B,
    /// A refused INVITE absorbs repeated refusals.
    D,
    /// Non-INVITE repetition.
    E,
    /// Non-INVITE gives up.
    F,
    /// Non-INVITE absorbs repeated answers.
    K,
    /// An answered INVITE accepts further 2xx (RFC 6026).
    M,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    Provisional,
    Success,
    /// 300-699.
    Failure,
    Timer(ClientTimer),
    TransportError,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the request for the first time.
    Send,
    /// Send it again.
    Resend,
    /// Send the ACK for the refusal in hand (17.1.1.3).
    Ack,
    /// Hand the response to the user.
    Deliver,
    /// A final response is in: the transport no longer decides the outcome.
    Settled,
    Fail(Failure),
    Set(ClientTimer, Duration),
    Clear(ClientTimer),
}

pub type Actions = SmallVec<[Action; 6]>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerTimer {
    /// Repeats the refusal of an INVITE.
    G,
    /// Gives up waiting for its ACK.
    H,
    /// Absorbs repeated ACKs.
    I,
    /// Non-INVITE: absorbs repeated requests; before the answer, gives up on the user.
    J,
    /// Answered INVITE: absorbs repeated INVITEs (RFC 6026).
    L,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// The request again.
    Request,
    /// An ACK that carries the INVITE's branch.
    Ack,
    /// The user sends a provisional, a 2xx, a 300-699 response.
    Provisional,
    Success,
    Failure,
    Timer(ServerTimer),
    TransportError,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerAction {
    /// Send the user's new response.
    Send,
    /// Send the last response again because the request came again.
    Resend,
    /// Send the last response again because of a timer.
    Repeat,
    /// Hand the ACK to the user.
    Deliver,
    Fail(Failure),
    Set(ServerTimer, Duration),
    Clear(ServerTimer),
}

pub type ServerActions = SmallVec<[ServerAction; 4]>;
