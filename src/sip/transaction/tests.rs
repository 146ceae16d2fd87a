//! The four machines as tables, each pair of state and event said, against figures 5 to 8 of RFC 3261 as RFC 6026
//! amends them.

use super::machine::*;
use super::*;
use std::fmt::Debug;
use std::fmt::Write;

fn env(reliable: bool) -> Env {
    Env { timers: TimerSet::default(), reliable }
}

/// `Calling + A -> Calling: Resend, Set(A, 1s)`; pairs that change nothing and do nothing are left out, so that the
/// expected table is exactly what may happen.
fn rows<S: Copy + Debug + PartialEq, E: Copy + Debug, A: Debug + 'static>(
    states: &[S],
    events: &[E],
    step: impl Fn(S, E) -> (S, Vec<A>),
) -> String {
    let mut table = String::new();
    let short = |text: String| text.split(' ').next().unwrap_or_default().to_owned();
    let event = |event: E| format!("{event:?}").replace("Timer(", "").replace(')', "");
    for state in states {
        for e in events {
            let (next, actions) = step(*state, *e);
            if next == *state && actions.is_empty() {
                continue;
            }
            let actions: Vec<String> = actions.iter().map(|action| format!("{action:?}")).collect();
            let (from, to) = (short(format!("{state:?}")), short(format!("{next:?}")));
            writeln!(table, "{from} + {} -> {to}: {}", event(*e), actions.join(", ")).unwrap();
        }
    }
    table
}

fn client_events() -> Vec<ClientEvent> {
    use ClientEvent::*;
    use ClientTimer::*;
    let mut events = vec![Provisional, Success, ClientEvent::Failure, TransportError];
    events.extend([A, B, D, E, F, K, M].map(Timer));
    events
}

fn server_events() -> Vec<ServerEvent> {
    use ServerEvent::*;
    use ServerTimer::*;
    let mut events = vec![Request, Ack, Provisional, Success, ServerEvent::Failure, TransportError];
    events.extend([G, H, I, J, L].map(Timer));
    events
}

fn invite_client_table(reliable: bool) -> String {
    use invite_client::{State::*, start, step};
    let (calling, _) = start(env(reliable));
    rows(&[calling, Proceeding, Completed, Accepted, Terminated], &client_events(), |state, event| {
        let (next, actions) = step(state, event, env(reliable));
        (next, actions.to_vec())
    })
}

#[test]
fn the_invite_client_is_figure_5_with_accepted() {
    use Action::*;
    let (_, actions) = invite_client::start(env(false));
    assert_eq!(
        actions[..],
        [Send, Set(ClientTimer::B, env(false).timers.expiry()), Set(ClientTimer::A, env(false).timers.t1)]
    );
    assert_eq!(
        invite_client_table(false),
        "\
Calling + Provisional -> Proceeding: Clear(A), Clear(B), Deliver
Calling + Success -> Accepted: Clear(A), Clear(B), Set(M, 32s), Settled, Deliver
Calling + Failure -> Completed: Clear(A), Clear(B), Settled, Ack, Deliver, Set(D, 32s)
Calling + TransportError -> Terminated: Fail(Transport)
Calling + A -> Calling: Resend, Set(A, 1s)
Calling + B -> Terminated: Fail(Timeout)
Proceeding + Provisional -> Proceeding: Deliver
Proceeding + Success -> Accepted: Clear(A), Clear(B), Set(M, 32s), Settled, Deliver
Proceeding + Failure -> Completed: Clear(A), Clear(B), Settled, Ack, Deliver, Set(D, 32s)
Proceeding + TransportError -> Terminated: Fail(Transport)
Proceeding + B -> Terminated: Fail(Timeout)
Completed + Failure -> Completed: Ack
Completed + D -> Terminated: 
Accepted + Success -> Accepted: Deliver
Accepted + M -> Terminated: 
"
    );
    let reliable = invite_client_table(true);
    assert!(
        reliable.contains("Proceeding + Failure -> Terminated: Clear(A), Clear(B), Settled, Ack, Deliver\n"),
        "D is 0"
    );
    let (_, actions) = invite_client::start(env(true));
    assert!(!actions.iter().any(|action| matches!(action, Set(ClientTimer::A, _))), "A runs over datagrams only");
}

fn other_client_table(reliable: bool) -> String {
    use other_client::{State::*, start, step};
    let (trying, _) = start(env(reliable));
    rows(&[trying, Proceeding, Completed, Terminated], &client_events(), |state, event| {
        let (next, actions) = step(state, event, env(reliable));
        (next, actions.to_vec())
    })
}

#[test]
fn the_other_client_is_figure_6() {
    assert_eq!(
        other_client_table(false),
        "\
Trying + Provisional -> Proceeding: Deliver
Trying + Success -> Completed: Clear(E), Clear(F), Settled, Deliver, Set(K, 5s)
Trying + Failure -> Completed: Clear(E), Clear(F), Settled, Deliver, Set(K, 5s)
Trying + TransportError -> Terminated: Fail(Transport)
Trying + E -> Trying: Resend, Set(E, 1s)
Trying + F -> Terminated: Fail(Timeout)
Proceeding + Provisional -> Proceeding: Deliver
Proceeding + Success -> Completed: Clear(E), Clear(F), Settled, Deliver, Set(K, 5s)
Proceeding + Failure -> Completed: Clear(E), Clear(F), Settled, Deliver, Set(K, 5s)
Proceeding + TransportError -> Terminated: Fail(Transport)
Proceeding + E -> Proceeding: Resend, Set(E, 4s)
Proceeding + F -> Terminated: Fail(Timeout)
Completed + K -> Terminated: 
"
    );
    let reliable = other_client_table(true);
    assert!(reliable.contains("Trying + Success -> Terminated: Clear(E), Clear(F), Settled, Deliver\n"), "K is 0");
}

fn invite_server_table(reliable: bool) -> String {
    use invite_server::{State::*, step};
    let completed = Completed { resend: env(reliable).timers.t1 };
    rows(&[Proceeding, completed, Confirmed, Accepted, Terminated], &server_events(), |state, event| {
        let (next, actions) = step(state, event, env(reliable));
        (next, actions.to_vec())
    })
}

#[test]
fn the_invite_server_is_figure_7_with_accepted() {
    assert_eq!(
        invite_server_table(false),
        "\
Proceeding + Request -> Proceeding: Resend
Proceeding + Provisional -> Proceeding: Send
Proceeding + Success -> Accepted: Send, Set(L, 32s)
Proceeding + Failure -> Completed: Send, Set(H, 32s), Set(G, 500ms)
Proceeding + TransportError -> Terminated: Clear(G), Clear(H), Fail(Transport)
Completed + Request -> Completed: Resend
Completed + Ack -> Confirmed: Clear(G), Clear(H), Set(I, 5s)
Completed + TransportError -> Terminated: Clear(G), Clear(H), Fail(Transport)
Completed + G -> Completed: Repeat, Set(G, 1s)
Completed + H -> Terminated: Clear(G), Fail(Timeout)
Confirmed + I -> Terminated: 
Accepted + Ack -> Accepted: Deliver
Accepted + Success -> Accepted: Send
Accepted + L -> Terminated: 
"
    );
    let reliable = invite_server_table(true);
    assert!(reliable.contains("Proceeding + Failure -> Completed: Send, Set(H, 32s)\n"), "G runs over datagrams only");
    assert!(reliable.contains("Completed + Ack -> Terminated: Clear(G), Clear(H)\n"), "I is 0");
}

fn other_server_table(reliable: bool) -> String {
    use other_server::{State::*, step};
    rows(&[Trying, Proceeding, Completed, Terminated], &server_events(), |state, event| {
        let (next, actions) = step(state, event, env(reliable));
        (next, actions.to_vec())
    })
}

#[test]
fn the_other_server_is_figure_8_with_a_limit_for_the_user() {
    assert_eq!(
        other_server_table(false),
        "\
Trying + Provisional -> Proceeding: Send
Trying + Success -> Completed: Send, Set(J, 32s)
Trying + Failure -> Completed: Send, Set(J, 32s)
Trying + J -> Terminated: 
Proceeding + Request -> Proceeding: Resend
Proceeding + Provisional -> Proceeding: Send
Proceeding + Success -> Completed: Send, Set(J, 32s)
Proceeding + Failure -> Completed: Send, Set(J, 32s)
Proceeding + TransportError -> Terminated: Clear(J), Fail(Transport)
Proceeding + J -> Terminated: 
Completed + Request -> Completed: Resend
Completed + TransportError -> Terminated: Clear(J), Fail(Transport)
Completed + J -> Terminated: 
"
    );
    assert!(other_server_table(true).contains("Trying + Success -> Terminated: Send, Clear(J)\n"), "J is 0");
}

#[test]
fn a_branch_of_ours_reads_back_and_others_do_not() {
    let branch = Branch(0x0123_4567_89ab_cdef);
    assert_eq!(Branch::read(&branch.text()), Some(branch));
    for other in
        ["z9hG4bK", "z9hG4bK0123456789ABCDEF", "z9hG4bK0123456789abcde", "0123456789abcdef", "z9hG4bK+123456789abcdef"]
    {
        assert_eq!(Branch::read(other), None, "{other}");
    }
}
