//! INVITE server transaction: RFC 3261 17.2.1 (figure 7) with the Accepted state of RFC 6026 7.1.

use super::machine::{
    Env, Failure, ServerAction as Action, ServerActions as Actions, ServerEvent as Event, ServerTimer as Timer,
};
use smallvec::smallvec;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The user owes a final response; a repeated INVITE is answered with the last provisional one.
    Proceeding,
    /// Refused; the refusal is repeated until the ACK comes.
    Completed {
        resend: Duration,
    },
    /// The refusal was acknowledged; further ACKs are absorbed.
    Confirmed,
    /// Answered; the user repeats the 2xx (13.3.1.4) and receives the ACK. A repeated INVITE is absorbed.
    Accepted,
    Terminated,
}

pub fn start() -> (State, Actions) {
    (State::Proceeding, smallvec![])
}

pub fn step(state: State, event: Event, env: Env) -> (State, Actions) {
    use Action::*;
    match (state, event) {
        (State::Proceeding, Event::Request) => (state, smallvec![Resend]),
        (State::Proceeding, Event::Provisional) => (state, smallvec![Send]),
        (State::Proceeding, Event::Success) => (State::Accepted, smallvec![Send, Set(Timer::L, env.timers.expiry())]),
        (State::Proceeding, Event::Failure) => {
            let mut actions: Actions = smallvec![Send, Set(Timer::H, env.timers.expiry())];
            if !env.reliable {
                actions.push(Set(Timer::G, env.timers.t1));
            }
            (State::Completed { resend: env.timers.t1 }, actions)
        }
        (State::Completed { .. }, Event::Request) => (state, smallvec![Resend]),
        (State::Completed { resend }, Event::Timer(Timer::G)) => {
            let next = env.timers.doubled(resend);
            (State::Completed { resend: next }, smallvec![Repeat, Set(Timer::G, next)])
        }
        (State::Completed { .. }, Event::Timer(Timer::H)) => {
            (State::Terminated, smallvec![Clear(Timer::G), Fail(Failure::Timeout)])
        }
        (State::Completed { .. }, Event::Ack) => {
            let actions: Actions = smallvec![Clear(Timer::G), Clear(Timer::H)];
            if env.reliable {
                return (State::Terminated, actions); // I is zero (17.2.1)
            }
            let mut actions = actions;
            actions.push(Set(Timer::I, env.timers.t4));
            (State::Confirmed, actions)
        }
        (State::Confirmed, Event::Timer(Timer::I)) => (State::Terminated, smallvec![]),
        (State::Accepted, Event::Success) => (state, smallvec![Send]),
        (State::Accepted, Event::Ack) => (state, smallvec![Deliver]),
        (State::Accepted, Event::Timer(Timer::L)) => (State::Terminated, smallvec![]),
        (State::Proceeding | State::Completed { .. }, Event::TransportError) => {
            (State::Terminated, smallvec![Clear(Timer::G), Clear(Timer::H), Fail(Failure::Transport)])
        }
        // Absorbed: the peer repeats what is already dealt with, the user answers twice, or the transport fails when
        // nothing of ours is under way (RFC 6026 8.7).
        (State::Proceeding, Event::Ack)
        | (State::Completed { .. }, Event::Provisional | Event::Success | Event::Failure)
        | (
            State::Confirmed,
            Event::Request | Event::Ack | Event::Provisional | Event::Success | Event::Failure | Event::TransportError,
        )
        | (State::Accepted, Event::Request | Event::Provisional | Event::Failure | Event::TransportError) => {
            (state, smallvec![])
        }
        // A timer that was cleared or never set in this state cannot fire.
        (State::Proceeding | State::Completed { .. } | State::Confirmed | State::Accepted, Event::Timer(_))
        | (State::Terminated, _) => (state, smallvec![]),
    }
}
