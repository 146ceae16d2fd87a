//! INVITE client transaction: RFC 3261 17.1.1 (figure 5) with the Accepted state of RFC 6026 7.2.

use super::machine::{Action, Actions, ClientEvent as Event, ClientTimer as Timer, Env, Failure};
use smallvec::smallvec;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No response yet; on a datagram transport the INVITE is repeated after `resend`.
    Calling {
        resend: Duration,
    },
    /// A provisional response came: the callee has it, nothing is repeated and no limit runs (17.1.1.2) until
    /// the owner gives up on it.
    Proceeding,
    /// Refused and acknowledged; repetitions of the refusal are acknowledged again.
    Completed,
    /// Answered; further 2xx, repeated or of another fork, go to the user, who owes an ACK for each.
    Accepted,
    Terminated,
}

pub fn start(env: Env) -> (State, Actions) {
    let mut actions: Actions = smallvec![Action::Send, Action::Set(Timer::B, env.timers.expiry())];
    if !env.reliable {
        actions.push(Action::Set(Timer::A, env.timers.t1));
    }
    (State::Calling { resend: env.timers.t1 }, actions)
}

pub fn step(state: State, event: Event, env: Env) -> (State, Actions) {
    use Action::*;
    let ended = |actions: Actions| (State::Terminated, actions);
    match (state, event) {
        (State::Calling { resend }, Event::Timer(Timer::A)) => {
            // Doubled without T2 as its limit: B ends it (17.1.1.2).
            (State::Calling { resend: resend * 2 }, smallvec![Resend, Set(Timer::A, resend * 2)])
        }
        // In Proceeding nothing sets B but the layer, for an owner that no longer waits (9.1).
        (State::Calling { .. } | State::Proceeding, Event::Timer(Timer::B)) => ended(smallvec![Fail(Failure::Timeout)]),
        (State::Calling { .. } | State::Proceeding, Event::TransportError) => {
            ended(smallvec![Fail(Failure::Transport)])
        }
        (State::Calling { .. }, Event::Provisional) => {
            (State::Proceeding, smallvec![Clear(Timer::A), Clear(Timer::B), Deliver])
        }
        (State::Proceeding, Event::Provisional) => (State::Proceeding, smallvec![Deliver]),
        (State::Calling { .. } | State::Proceeding, Event::Success) => (
            State::Accepted,
            smallvec![Clear(Timer::A), Clear(Timer::B), Set(Timer::M, env.timers.expiry()), Settled, Deliver],
        ),
        (State::Calling { .. } | State::Proceeding, Event::Failure) => {
            let mut actions: Actions = smallvec![Clear(Timer::A), Clear(Timer::B), Settled, Ack, Deliver];
            if env.reliable {
                return ended(actions); // D is zero (17.1.1.2)
            }
            actions.push(Set(Timer::D, env.timers.expiry()));
            (State::Completed, actions)
        }
        (State::Completed, Event::Failure) => (State::Completed, smallvec![Ack]),
        (State::Completed, Event::Timer(Timer::D)) => ended(smallvec![]),
        (State::Accepted, Event::Success) => (State::Accepted, smallvec![Deliver]),
        (State::Accepted, Event::Timer(Timer::M)) => ended(smallvec![]),
        // Late for a decided transaction (a fork that still rings, a refusal after an answer): absorbed. A transport
        // that fails after the decision concerns an ACK, which the peer's repetition will ask for again.
        (State::Completed, Event::Provisional | Event::Success | Event::TransportError)
        | (State::Accepted, Event::Provisional | Event::Failure | Event::TransportError) => (state, smallvec![]),
        // A timer that was cleared or never set in this state cannot fire.
        (State::Calling { .. } | State::Proceeding | State::Completed | State::Accepted, Event::Timer(_))
        | (State::Terminated, _) => (state, smallvec![]),
    }
}
