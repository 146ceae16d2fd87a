//! Lamps: phones that watch whether an extension is on the phone, has mail, is registered (RFC 4235, RFC 3842, RFC 3680).

use super::*;

fn watch(world: &mut World, watcher: PhoneId, event: &str, of: &str) -> u16 {
    watch_for(world, watcher, event, of, 600)
}

fn watch_for(world: &mut World, watcher: PhoneId, event: &str, of: &str, seconds_long: u32) -> u16 {
    world.with(watcher, |phone, now| phone.subscribe(now, event, of, seconds_long));
    world.run(seconds(2.0));
    match world.phones[watcher.0].answers.last() {
        Some(("SUBSCRIBE", status)) => *status,
        other => panic!("no answer to SUBSCRIBE, but {other:?}"),
    }
}

/// The states of the dialogs that the watcher was told of last, with directions.
fn lamp(world: &World, watcher: PhoneId) -> Vec<(String, String)> {
    let body = String::from_utf8_lossy(world.phones[watcher.0].notified.last().expect("a NOTIFY").body()).into_owned();
    let between = |text: &str, from: &str, to: &str| {
        text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map(|(value, _)| value.to_string())
    };
    body.split("<dialog ")
        .skip(1)
        .map(|dialog| {
            let direction = between(dialog, "direction=\"", "\"").expect("a direction");
            (direction, between(dialog, "<state>", "</state>").expect("a state"))
        })
        .collect()
}

fn is(lamp: &[(String, String)], wanted: &[(&str, &str)]) -> bool {
    lamp.len() == wanted.len() && lamp.iter().zip(wanted).all(|((a, b), (c, d))| a == c && b == d)
}

#[test]
fn a_lamp_is_dark_then_blinks_then_shines_then_is_dark_again() {
    let mut world = world();
    let (watcher, agent) = (world.agent("1002"), world.agent("1001"));
    world.command(Command::AgentNotReady { agent: AgentId::new("1002"), reason: "lunch".into() });
    assert_eq!(watch(&mut world, watcher, "dialog", "1001"), 200);
    assert!(lamp(&world, watcher).is_empty());
    world.manners(agent, |manners| manners.taking = Taking::AnswerAfter(seconds(5.0)));
    let caller = ringing_agent(&mut world, agent);
    world.run(seconds(2.0));
    assert!(is(&lamp(&world, watcher), &[("recipient", "early")]), "{:?}", lamp(&world, watcher));
    let body = String::from_utf8_lossy(world.phones[watcher.0].notified.last().unwrap().body()).into_owned();
    assert!(!body.contains("13800138000"), "who calls from outside is not told: {body}");
    world.until_heard(caller, "voice of 1001");
    world.run(seconds(2.0));
    assert!(is(&lamp(&world, watcher), &[("recipient", "confirmed")]));
    world.hang_up(caller);
    world.run(seconds(2.0));
    assert!(lamp(&world, watcher).is_empty());
    let versions: Vec<u32> = world.phones[watcher.0]
        .notified
        .iter()
        .map(|notify| {
            let body = String::from_utf8_lossy(notify.body()).into_owned();
            let text = body.split("version=\"").nth(2).and_then(|rest| rest.split('"').next()).expect("a version");
            text.parse().expect("a number")
        })
        .collect();
    assert!(versions.iter().copied().eq(0..versions.len() as u32), "{versions:?}");
    end_of_watching(world);
}

/// Lets the subscriptions run out.
fn end_of_watching(mut world: World) {
    world.phones.iter_mut().for_each(|phone| phone.refreshes = false);
    world.run(seconds(700.0));
    world.finish();
}

#[test]
fn a_call_from_one_extension_to_another_shows_on_both_lamps_with_their_names() {
    let mut world = world();
    let (watcher, from, to) = (world.agent("1003"), world.agent("1001"), world.agent("1002"));
    for of in ["1001", "1002"] {
        assert_eq!(watch(&mut world, watcher, "dialog", of), 200);
    }
    world.dial(from, "1002");
    world.until_up(to);
    world.run(seconds(2.0));
    let bodies: Vec<String> = world.phones[watcher.0]
        .notified
        .iter()
        .rev()
        .take(2)
        .map(|notify| String::from_utf8_lossy(notify.body()).into_owned())
        .collect();
    for (of, other, direction) in [("1001", "1002", "initiator"), ("1002", "1001", "recipient")] {
        let body = bodies.iter().find(|body| body.contains(&format!("entity=\"sip:{of}@hotline\""))).expect("a lamp");
        assert!(body.contains("confirmed") && body.contains(direction), "{body}");
        assert!(body.contains(&format!("<remote><identity>sip:{other}@hotline")), "{body}");
    }
    world.hang_up(from);
    world.until_over(to);
    end_of_watching(world);
}

#[test]
fn only_a_proven_extension_watches_and_only_its_own_mail_and_whereabouts() {
    let mut world = world();
    let watcher = world.agent("1001");
    let trunk = world.caller("13800138000");
    let liar = world.extension("1002", "not the password");
    assert_eq!(watch(&mut world, trunk, "dialog", "1001"), 401);
    assert_eq!(watch(&mut world, liar, "dialog", "1001"), 401);
    for (event, of, status) in [
        ("presence", "1002", 489),
        ("dialog", "7777", 404),
        ("message-summary", "1002", 403),
        ("reg", "1002", 403),
        ("message-summary", "1001", 200),
        ("reg", "1001", 200),
    ] {
        assert_eq!(watch(&mut world, watcher, event, of), status, "{event} of {of}");
    }
    assert_eq!(watch_for(&mut world, watcher, "dialog", "1002", 30), 423);
    let bodies: Vec<String> =
        world.phones[watcher.0].notified.iter().map(|n| String::from_utf8_lossy(n.body()).into_owned()).collect();
    assert!(bodies[0].contains("Messages-Waiting: no") && bodies[0].contains("Voice-Message: 0/0 (0/0)"), "{bodies:?}");
    assert!(bodies[1].contains("state=\"active\"") && bodies[1].contains("<uri>sip:1001@10.1.0.1"), "{bodies:?}");
    end_of_watching(world);
}

#[test]
fn a_mailbox_lamp_is_lit_by_messages_in_ones_own_box_and_in_those_of_ones_queues() {
    let mut world = world();
    let watcher = world.agent("1001");
    assert_eq!(watch(&mut world, watcher, "message-summary", "1001"), 200);
    let holds = |world: &mut World, boxes: &[(&str, (u32, u32))]| {
        world.mail(boxes);
        world.run(seconds(1.0));
        told_last(world, watcher)
    };
    let lit = holds(&mut world, &[("1001", (1, 0)), ("service", (2, 1)), ("1002", (5, 0)), ("elsewhere", (9, 9))]);
    assert!(lit.contains("Messages-Waiting: yes") && lit.contains("Voice-Message: 3/0 (1/0)"), "{lit}");
    let told = world.phones[watcher.0].notified.len();
    // What is in the boxes of others is told to others.
    holds(&mut world, &[("1001", (1, 0)), ("service", (2, 1))]);
    assert_eq!(world.phones[watcher.0].notified.len(), told);
    let dark = holds(&mut world, &[]);
    assert!(dark.contains("Messages-Waiting: no"), "{dark}");
    end_of_watching(world);
}

#[test]
fn a_fetch_tells_the_state_once_and_leaves_nothing() {
    let mut world = world();
    let (watcher, agent) = (world.agent("1002"), world.agent("1001"));
    assert_eq!(watch_for(&mut world, watcher, "dialog", "1001", 0), 200);
    assert_eq!(world.phones[watcher.0].notified.len(), 1);
    world.dial(agent, "9193");
    world.until_heard(agent, "music");
    world.run(seconds(3.0));
    assert_eq!(world.phones[watcher.0].notified.len(), 1);
    world.hang_up(agent);
    world.finish();
}

#[test]
fn a_watcher_that_is_unplugged_is_forgotten_with_the_next_change() {
    let mut world = world();
    let (watcher, agent) = (world.agent("1002"), world.agent("1001"));
    assert_eq!(watch(&mut world, watcher, "dialog", "1001"), 200);
    assert_eq!(world.switch.holdings().subscriptions, 1);
    world.switch_off(watcher);
    world.dial(agent, "9193");
    world.until_heard(agent, "music");
    world.run(seconds(40.0));
    assert_eq!(world.switch.holdings().subscriptions, 0);
    world.hang_up(agent);
    world.finish();
}

#[test]
fn one_extension_cannot_fill_the_table_of_watchers() {
    let mut world = world();
    let watcher = world.agent("1002");
    for _ in 0..256 {
        world.with(watcher, |phone, now| phone.subscribe(now, "dialog", "1001", 600));
        world.run(seconds(0.2));
    }
    assert_eq!(watch(&mut world, watcher, "dialog", "1001"), 403);
    assert_eq!(world.switch.holdings().subscriptions, 256);
    end_of_watching(world);
}

#[test]
fn an_extension_that_a_reload_took_away_is_watched_no_more() {
    let mut world = world();
    let watcher = world.agent("1002");
    assert_eq!(watch(&mut world, watcher, "dialog", "1001"), 200);
    let last = |world: &World| {
        let notify = world.phones[watcher.0].notified.last().expect("a NOTIFY");
        String::from_utf8_lossy(notify.header(HeaderName::SubscriptionState).unwrap_or_default()).into_owned()
    };
    assert!(last(&world).starts_with("active"));
    world.reconfigure(&Settings { agents: &["1002", "1003"], ..Settings::default() });
    world.run(seconds(1.0));
    assert_eq!(last(&world), "terminated;reason=noresource");
    world.finish();
}

/// What a phone writes into Replaces when the key of a blinking lamp is pressed.
fn replaces_of(body: &str) -> Option<String> {
    let of = |name: &str| body.split_once(name).and_then(|(_, rest)| rest.split('"').next());
    Some(format!("{};to-tag={};from-tag={};early-only", of("call-id=\"")?, of("local-tag=\"")?, of("remote-tag=\"")?))
}

fn told_last(world: &World, watcher: PhoneId) -> String {
    String::from_utf8_lossy(world.phones[watcher.0].notified.last().expect("a NOTIFY").body()).into_owned()
}

#[test]
fn a_colleague_takes_what_rings_by_the_key_under_its_lamp() {
    let mut world = world();
    let (away, near, asking) = (world.agent("1001"), world.agent("1002"), world.agent("1003"));
    assert_eq!(watch(&mut world, near, "dialog", "1001"), 200);
    world.manners(away, |manners| manners.taking = Taking::Ring);
    world.dial(asking, "1001");
    world.until_rings(away);
    world.run(seconds(1.0));
    let named = replaces_of(&told_last(&world, near)).expect("the dialog's name");
    world.with(near, |phone, now| {
        phone.headers = vec![("Replaces".into(), named)];
        phone.dial(now, "1001", None);
    });
    world.until_heard(near, "voice of 1003");
    assert_eq!(world.state(away), Some(&State::Over(Over::Cancelled)));
    world.run(seconds(1.0));
    assert!(lamp(&world, near).is_empty());
    world.hang_up(asking);
    world.until_over(near);
    end_of_watching(world);
}

#[test]
fn a_lamp_names_no_dialog_that_its_watcher_may_not_take() {
    // Of a call that is up, of one that the extension makes, and of whom a queue offers a caller to.
    let mut world = world();
    let (agent, near, other) = (world.agent("1001"), world.agent("1002"), world.agent("1003"));
    assert_eq!(watch(&mut world, near, "dialog", "1001"), 200);
    world.command(Command::AgentNotReady { agent: AgentId::new("1002"), reason: "lunch".into() });
    world.command(Command::AgentNotReady { agent: AgentId::new("1003"), reason: "lunch".into() });
    world.manners(other, |manners| manners.taking = Taking::Ring);
    world.dial(agent, "1003");
    world.until_rings(other);
    world.run(seconds(1.0));
    assert!(is(&lamp(&world, near), &[("initiator", "early")]) && replaces_of(&told_last(&world, near)).is_none());
    world.hang_up(agent);
    world.until_over(other);
    let caller = ringing_agent(&mut world, agent);
    world.run(seconds(1.0));
    assert!(is(&lamp(&world, near), &[("recipient", "early")]) && replaces_of(&told_last(&world, near)).is_none());
    world.until_heard(caller, "voice of 1001");
    world.run(seconds(1.0));
    assert!(is(&lamp(&world, near), &[("recipient", "confirmed")]) && replaces_of(&told_last(&world, near)).is_none());
    world.hang_up(caller);
    world.until_over(agent);
    end_of_watching(world);
}
