//! Non-INVITE client transaction: RFC 3261 17.1.2 (figure 6).

use super::machine::{Action, Actions, ClientEvent as Event, ClientTimer as Timer, Env, Failure};
use smallvec::smallvec;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No response yet; on a datagram transport the request is repeated after `resend`.
    Trying {
        resend: Duration,
    },
    /// A provisional response came; repeated every T2, because only a final response is proof against loss (RFC 4320).
    Proceeding,
    /// Answered; repetitions of the answer are absorbed.
    Completed,
    Terminated,
}

pub fn start(env: Env) -> (State, Actions) {
    let mut actions: Actions = smallvec![Action::Send, Action::Set(Timer::F, env.timers.expiry())];
    if !env.reliable {
        actions.push(Action::Set(Timer::E, env.timers.t1));
    }
    (State::Trying { resend: env.timers.t1 }, actions)
}

pub fn step(state: State, event: Event, env: Env) -> (State, Actions) {
    use Action::*;
    match (state, event) {
        (State::Trying { resend }, Event::Timer(Timer::E)) => {
            let next = env.timers.doubled(resend);
            (State::Trying { resend: next }, smallvec![Resend, Set(Timer::E, next)])
        }
        (State::Proceeding, Event::Timer(Timer::E)) => (state, smallvec![Resend, Set(Timer::E, env.timers.t2)]),
        (State::Trying { .. } | State::Proceeding, Event::Timer(Timer::F)) => {
            (State::Terminated, smallvec![Fail(Failure::Timeout)])
        }
        (State::Trying { .. } | State::Proceeding, Event::TransportError) => {
            (State::Terminated, smallvec![Fail(Failure::Transport)])
        }
        (State::Trying { .. } | State::Proceeding, Event::Provisional) => (State::Proceeding, smallvec![Deliver]),
        (State::Trying { .. } | State::Proceeding, Event::Success | Event::Failure) => {
            let mut actions: Actions = smallvec![Clear(Timer::E), Clear(Timer::F), Settled, Deliver];
            if env.reliable {
                return (State::Terminated, actions); // K is zero (17.1.2.2)
            }
            actions.push(Set(Timer::K, env.timers.t4));
            (State::Completed, actions)
        }
        (State::Completed, Event::Timer(Timer::K)) => (State::Terminated, smallvec![]),
        // Repetitions of the answer, and a transport that fails after it.
        (State::Completed, Event::Provisional | Event::Success | Event::Failure | Event::TransportError) => {
            (state, smallvec![])
        }
        // A timer that was cleared or never set in this state cannot fire.
        (State::Trying { .. } | State::Proceeding | State::Completed, Event::Timer(_)) | (State::Terminated, _) => {
            (state, smallvec![])
        }
    }
}
