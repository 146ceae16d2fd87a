//! Strangers and a mad trunk send whatever they like while two people talk: nobody's call breaks, and nothing is left.
//!
//! `HOTLINE_FUZZ_CASES` sets how many messages, `HOTLINE_FUZZ_SEED` the seed, which a failure prints.

mod sim;

use bytes::Bytes;
use hotline::sip::message::Message;
use hotline::switch::Command;
use sim::raw::RawCall;
use sim::world::seconds;
use sim::{Dice, Settings, World};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

const SPLINTERS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b";",
    b"\"",
    b"<",
    b">",
    b",",
    b":",
    b"@",
    b"\0",
    b"\xff",
    b"99999999999",
    b"-1",
    b"%00",
    b"[::1",
    b"z9hG4bK",
    b"sip:",
    b";tag=",
    b"Via: ",
    b"To: <sip:a@b>;tag=1\r\n",
    b"ACK",
    b"CANCEL",
    b"Contact: *\r\n",
    b"m=audio 0 RTP/AVP 8\r\n",
    b"a=sendonly\r\n",
    b"Max-Forwards: 0\r\n",
    b"Require: 100rel\r\n",
    b"Expires: 0\r\n",
];

fn bent(dice: &mut Dice, whole: &[u8]) -> Bytes {
    let mut out = whole.to_vec();
    for _ in 0..dice.below(5) {
        let at = dice.below(out.len() as u64 + 1) as usize;
        let end = (at + dice.below(40) as usize).min(out.len());
        match dice.below(4) {
            0 => drop(out.drain(at..end)),
            1 => out[at..end].fill(dice.below(256) as u8),
            2 => drop(out.splice(at..at, dice.pick(SPLINTERS).iter().copied())),
            _ => drop(out.splice(at..end, whole[at.min(whole.len())..].iter().take(60).copied())),
        }
    }
    out.into()
}

/// Everything that the RFCs call torture.
fn torture() -> Vec<Bytes> {
    let folder = |name| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let files = ["rfc4475", "rfc5118"].map(|name| std::fs::read_dir(folder(name)).unwrap());
    let mut paths: Vec<_> = files.into_iter().flatten().map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "dat"));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap().into()).collect()
}

/// One message of a caller of whom the switch has heard `last`: sound, for the dice to bend.
fn message(dice: &mut Dice, call: &mut RawCall, last: Option<&Message>) -> Bytes {
    if let Some(last) = last.filter(|last| !last.is_request() && dice.per_mille(700)) {
        call.learn(last);
    }
    let sdp = call.sdp();
    match dice.below(8) {
        0..3 => call.invite(Some(&sdp)),
        3 => call.ack(None),
        4 => call.invite(None),
        5 if last.is_some_and(Message::is_request) => call.ok_to(last.unwrap()),
        5 | 6 => call.bye(),
        _ => {
            let method = dice.pick(&["CANCEL", "OPTIONS", "REGISTER", "INFO", "UPDATE", "NOTIFY", "REFER"]);
            let invite = String::from_utf8(call.invite(None).to_vec()).unwrap();
            let renamed =
                invite.replace("INVITE sip", &format!("{method} sip")).replace(" INVITE\r", &format!(" {method}\r"));
            // A CANCEL has the branch of its INVITE.
            let branch = if method == "CANCEL" { "-INVITE-" } else { "-other-" };
            renamed.replace("-INVITE-", branch).into()
        }
    }
}

#[test]
fn bent_messages_leave_a_call_alone_and_nothing_behind() {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (cases, seed) = (number("HOTLINE_FUZZ_CASES", 3_000), number("HOTLINE_FUZZ_SEED", 1));
    eprintln!("seed {seed}: run again with HOTLINE_FUZZ_SEED={seed} HOTLINE_FUZZ_CASES={cases}");
    let mut dice = Dice::new(seed);
    let torture = torture();
    // Room for calls that nobody ends, and a clock as coarse as so long a call allows.
    let mut world = World::new(Settings { seed, calls: 20, tick: Duration::from_millis(20), ..Settings::default() });
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_heard(caller, "voice of 1001");
    let strangers: [SocketAddr; 2] = ["10.9.0.66:5060", "10.9.0.67:5060"].map(|text| text.parse().unwrap());
    let trunk: [SocketAddr; 2] = ["10.2.99.1:5060", "10.2.99.2:5060"].map(|text| text.parse().unwrap());
    let mut calls: Vec<RawCall> = Vec::new();
    for case in 0..cases {
        let from = if dice.per_mille(400) { dice.pick(&strangers) } else { dice.pick(&trunk) };
        if calls.len() < 30 || dice.per_mille(50) {
            let mut call = RawCall::new(from, dice.pick(&["9193", "95598", "9196", "1002", "9000", "0"]));
            call.call_id = format!("bent-{case}");
            calls.push(call);
            calls.drain(..calls.len().saturating_sub(30));
        }
        let nth = dice.below(calls.len() as u64) as usize;
        let call = &mut calls[nth];
        let from = call.address;
        let heard = world.by_hand.get(&from);
        let last = heard.and_then(|heard| heard.iter().rev().find(|message| message.call_id() == Ok(&*call.call_id)));
        let sound = if dice.per_mille(100) {
            torture[dice.below(torture.len() as u64) as usize].clone()
        } else {
            message(&mut dice, call, last)
        };
        let bytes = if dice.per_mille(600) { bent(&mut dice, &sound) } else { sound };
        world.send_by_hand(from, bytes);
        world.run(Duration::from_millis(dice.below(20)));
        if case % 500 == 499 {
            world.by_hand.clear();
            assert!(world.is_up(caller) && world.is_up(agent), "the call broke after {case}\n{}", world.story());
        }
    }
    world.run(seconds(1.0));
    assert!(world.is_up(caller) && world.is_up(agent), "{}", world.story());
    assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"));
    let mad = world.count(|kind| matches!(kind, hotline::events::EventKind::CallArrived { .. }));
    assert!(cases < 1_000 || mad > 20, "only {mad} of the messages began a call");
    world.hang_up(caller);
    // Whoever went away without a BYE gets ours for 64*T1 after the ACK or the audio was missed for as long.
    world.run(seconds(120.0));
    // Whose offer said that it would send no audio is not missed: its call lasts until an operator or its limit ends it.
    world.command(Command::HangUpAll);
    world.run(seconds(5.0));
    world.finish();
}
