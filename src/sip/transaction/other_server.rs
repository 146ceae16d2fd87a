//! Non-INVITE server transaction: RFC 3261 17.2.2 (figure 8), with a limit for a user that never answers: after 64*T1
//! the client has given up and would only be confused by an answer (RFC 4320 4.2).

use super::machine::{
    Env, Failure, ServerAction as Action, ServerActions as Actions, ServerEvent as Event, ServerTimer as Timer,
};
use smallvec::smallvec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The user owes an answer; a repeated request is absorbed.
    Trying,
    /// A provisional answer went out; a repeated request gets it again.
    Proceeding,
    /// Answered; a repeated request gets the answer again.
    Completed,
    Terminated,
}

pub fn start(env: Env) -> (State, Actions) {
    (State::Trying, smallvec![Action::Set(Timer::J, env.timers.expiry())])
}

pub fn step(state: State, event: Event, env: Env) -> (State, Actions) {
    use Action::*;
    match (state, event) {
        (State::Trying | State::Proceeding, Event::Provisional) => (State::Proceeding, smallvec![Send]),
        (State::Proceeding | State::Completed, Event::Request) => (state, smallvec![Resend]),
        (State::Trying | State::Proceeding, Event::Success | Event::Failure) => {
            if env.reliable {
                return (State::Terminated, smallvec![Send, Clear(Timer::J)]); // J is zero (17.2.2)
            }
            (State::Completed, smallvec![Send, Set(Timer::J, env.timers.expiry())])
        }
        (State::Trying | State::Proceeding | State::Completed, Event::Timer(Timer::J)) => {
            (State::Terminated, smallvec![])
        }
        (State::Proceeding | State::Completed, Event::TransportError) => {
            (State::Terminated, smallvec![Clear(Timer::J), Fail(Failure::Transport)])
        }
        // Absorbed: a repeated request before any answer (17.2.2), a user that answers twice, an ACK that is none of ours.
        (State::Trying, Event::Request | Event::TransportError)
        | (State::Completed, Event::Provisional | Event::Success | Event::Failure)
        | (State::Trying | State::Proceeding | State::Completed, Event::Ack) => (state, smallvec![]),
        // A timer that was cleared or never set in this state cannot fire.
        (State::Trying | State::Proceeding | State::Completed, Event::Timer(_)) | (State::Terminated, _) => {
            (state, smallvec![])
        }
    }
}
