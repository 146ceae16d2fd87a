//! Texts from one extension to another (RFC 3428).

use super::*;

fn world_with_messages() -> World {
    World::new(Settings { messages: true, ..Settings::default() })
}

fn send(world: &mut World, from: PhoneId, to: &str, kind: &str, text: &str) -> u16 {
    let (kind, text) = (kind.to_string(), text.to_string());
    world.with(from, |phone, now| phone.text(now, to, &kind, &text));
    world.run(seconds(1.0));
    match world.phones[from.0].answers.last() {
        Some(("MESSAGE", status)) => *status,
        other => panic!("no answer to MESSAGE, but {other:?}"),
    }
}

#[test]
fn a_text_reaches_the_other_extension_and_its_phones_answer_comes_back() {
    let mut world = world_with_messages();
    let (from, to) = (world.agent("1001"), world.agent("1002"));
    assert_eq!(send(&mut world, from, "1002", "text/plain;charset=utf-8", "午饭?"), 200);
    let text = world.phones[to.0].texts.last().expect("a text").clone();
    assert_eq!(text, ("\"sip:1001@hotline\"".replace('"', ""), "午饭?".to_string()));
    assert_eq!(world.count(|kind| matches!(kind, EventKind::Message { status: 200, .. })), 1);
    world.finish();
}

#[test]
fn a_text_that_cannot_be_delivered_is_told_why() {
    let mut world = world_with_messages();
    let from = world.agent("1001");
    let _other = world.agent("1002");
    for (to, kind, text, status) in [
        ("1003", "text/plain", "hello".to_string(), 480),
        ("7777", "text/plain", "hello".to_string(), 404),
        ("1002", "text/html", "<b>hello</b>".to_string(), 415),
        ("1002", "text/plain", "x".repeat(1_301), 413),
        ("1002", "text/plain", "x".repeat(1_300), 200),
    ] {
        assert_eq!(send(&mut world, from, to, kind, &text), status, "{to} {kind}");
    }
    world.finish();
}

#[test]
fn a_stranger_and_a_trunk_send_no_texts() {
    let mut world = world_with_messages();
    let to = world.agent("1002");
    let (trunk, liar) = (world.caller("13800138000"), world.extension("1001", "not the password"));
    for from in [trunk, liar] {
        assert_eq!(send(&mut world, from, "1002", "text/plain", "hello"), 401);
    }
    assert!(world.phones[to.0].texts.is_empty());
    world.finish();
}

#[test]
fn texts_are_refused_unless_the_configuration_has_them_delivered() {
    let mut world = world();
    let (from, to) = (world.agent("1001"), world.agent("1002"));
    assert_eq!(send(&mut world, from, "1002", "text/plain", "hello"), 405);
    // A reload lets them pass, and another stops them.
    world.reconfigure(&Settings { messages: true, ..Settings::default() });
    assert_eq!(send(&mut world, from, "1002", "text/plain", "hello"), 200);
    world.reconfigure(&Settings::default());
    assert_eq!(send(&mut world, from, "1002", "text/plain", "hello"), 405);
    assert_eq!(world.phones[to.0].texts.len(), 1);
    world.finish();
}

#[test]
fn a_text_to_a_phone_that_was_unplugged_is_given_up_in_its_time() {
    let mut world = world_with_messages();
    let (from, to) = (world.agent("1001"), world.agent("1002"));
    world.switch_off(to);
    world.with(from, |phone, now| phone.text(now, "1002", "text/plain", "hello"));
    world.run(seconds(40.0));
    assert_eq!(world.phones[from.0].answers.last(), Some(&("MESSAGE", 408)));
    world.finish();
}
