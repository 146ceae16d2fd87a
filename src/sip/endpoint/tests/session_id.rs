//! Session-ID (RFC 7989) in each message of a call.

use super::world::{PHONE, SWITCH, World, ms};
use crate::sip::endpoint::{SessionUuid, UsageId};
use crate::sip::message::HeaderName;
use bytes::Bytes;

const PHONES: &str = "ab30317f1a784dc48ff824d0d3715d86";

/// What end `from` said in each of its messages.
fn said(world: &World, from: usize) -> Vec<Option<String>> {
    let of = |message: &crate::sip::message::Message| {
        message.header(HeaderName::SessionId).map(|value| String::from_utf8_lossy(value).into_owned())
    };
    world.log.iter().filter(|sent| sent.from == from).map(|sent| of(&sent.message)).collect()
}

/// A call that is answered after ringing and ended by who called, with this header in its INVITE.
fn whole_call(session: Option<&str>, up: impl FnOnce(&mut World, UsageId)) -> World {
    let mut world = World::new();
    let mut order = world.order();
    order.headers.extend(session.map(|value| ("Session-ID".to_string(), value.to_string())));
    let caller = world.ends[PHONE].invite(world.now, order).unwrap();
    world.run(ms(5));
    let callee = world.invited();
    world.ends[SWITCH].progress(world.now, callee, 180, None);
    world.run(ms(5));
    world.ends[SWITCH].accept(world.now, callee, Bytes::from_static(b"v=0 answer\r\n"));
    world.run(ms(5));
    up(&mut world, callee);
    world.ends[PHONE].hangup(world.now, caller, None);
    world.run(ms(50));
    world.run(ms(40_000));
    assert!(world.ends.iter().all(|end| end.is_idle()), "no name is kept longer than its call");
    world
}

#[test]
fn each_message_names_both_ends_as_soon_as_they_are_known() {
    let world = whole_call(Some(&format!("{PHONES};remote=00000000000000000000000000000000")), |_, _| {});
    let call_id = world.log[0].message.header(HeaderName::CallId).unwrap().to_vec();
    let ours = SessionUuid::of_call(&call_id).to_string();
    assert!(ours.as_bytes()[12] == b'5' && matches!(ours.as_bytes()[16], b'8'..=b'b'), "a UUID of version 5: {ours}");
    let (phones, switches) = (said(&world, PHONE), said(&world, SWITCH));
    assert_eq!(phones[0].as_deref(), Some(&*format!("{PHONES};remote=00000000000000000000000000000000")));
    assert!(phones.len() >= 3 && phones[1..].iter().all(|s| s.as_deref() == Some(&*format!("{PHONES};remote={ours}"))));
    assert!(switches.len() >= 4 && switches.iter().all(|s| s.as_deref() == Some(&*format!("{ours};remote={PHONES}"))));
}

#[test]
fn who_is_joined_with_another_is_told_that_ones_name() {
    let far = SessionUuid::of_call(b"another call");
    let world = whole_call(Some(PHONES), |world, callee| {
        assert_eq!(world.ends[SWITCH].session_of(callee).unwrap().to_string(), PHONES);
        world.ends[SWITCH].join_session(callee, far);
    });
    assert_eq!(said(&world, SWITCH).last().unwrap().as_deref(), Some(&*format!("{far};remote={PHONES}")));
}

#[test]
fn who_says_nothing_usable_of_it_is_told_nothing() {
    let odd =
        ["", "0", "00000000000000000000000000000000", "not-a-name", "+b30317f1a784dc48ff824d0d3715d86", ";remote="];
    for session in [None].into_iter().chain(odd.map(Some)) {
        let world = whole_call(session, |_, _| {});
        assert!(said(&world, SWITCH).iter().all(Option::is_none), "{session:?}");
        assert!(said(&world, PHONE)[1..].iter().all(|s| s.is_none() || s.as_deref() == session), "{session:?}");
    }
}
