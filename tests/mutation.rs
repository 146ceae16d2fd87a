//! Hostile bytes against the message layer: messages of the RFCs and of the field, bent at random, through every reader.
//!
//! What must hold for any input: no panic; memory in proportion to the input; a message reads the same a second time; a
//! refusal is itself a sound message with nothing of the attacker's as a header of its own; a stream gives the same
//! frames however it was cut. `HOTLINE_FUZZ_CASES` sets the number of cases, `HOTLINE_FUZZ_SEED` the seed.

// An allocator that counts can only be put in place with unsafe code.
#![allow(unsafe_code)]

use bytes::{Bytes, BytesMut};
use hotline::sip::message::frame::{Frame, FrameError, Framer};
use hotline::sip::message::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::path::Path;

/// Counts what each thread asks of the heap, so that tests beside each other do not disturb the figures.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static OCTETS: Cell<u64> = const { Cell::new(0) };
}

fn count(size: usize) {
    // A thread that is ending has no counters left; nobody reads them then.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
    let _ = OCTETS.try_with(|n| n.set(n.get() + size as u64));
}

// SAFETY: every call is handed on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

const INVITE: &[u8] = include_bytes!("fixtures/invite-770.dat");
const SUPPORTED: &[&str] = &["100rel", "replaces", "timer"];

#[test]
fn reading_six_fields_and_writing_a_message_allocates_nothing_once_warm() {
    let mut table = HeaderTable::new();
    let mut out = BytesMut::new();
    let mut round = || {
        let view = View::scan(black_box(INVITE), &mut table, Limits::DEFAULT).unwrap();
        black_box(view.via().unwrap().branch.unwrap());
        black_box((view.from().unwrap().tag(), view.to().unwrap().tag()));
        black_box((view.call_id().unwrap(), view.cseq().unwrap().number));
        black_box(view.contact().unwrap().parse_uri().unwrap().host());
        black_box(UriRef::parse(view.request_uri()).unwrap().user());
        let method = view.method().unwrap();
        let mut copy = Builder::request(&mut out, &method, view.request_uri());
        copy.copy_all(view, |name| name != HeaderName::ContentLength && name != HeaderName::ContentType);
        let copy = copy.body(view.header(HeaderName::ContentType).unwrap(), view.body()).finish();
        assert_eq!(copy.len(), INVITE.len());
        // Sent and forgotten; one that is kept keeps its part of the buffer.
        drop(copy);
        let source = "198.51.100.7:40123".parse().ok();
        black_box(response_to(&mut out, view, 180, "Ringing", Some("tag"), source).finish());
    };
    (0..100).for_each(|_| round());
    let before = ALLOCATIONS.get();
    (0..1_000).for_each(|_| round());
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

#[test]
fn no_bent_message_breaks_a_reader() {
    let cases = from_env("HOTLINE_FUZZ_CASES", 20_000);
    let seed = from_env("HOTLINE_FUZZ_SEED", 0x5109_0b5e);
    let corpus = corpus();
    let mut random = Random(seed | 1);
    let mut tally = Tally::default();
    for case in 0..cases {
        let raw = bent(&corpus, &mut random);
        let shown = Shown { seed, case, raw: &raw };
        let before = OCTETS.get();
        read_as_datagram(&raw, &shown, &mut tally);
        read_as_stream(&raw, &mut random, &shown);
        // All that was asked for, freed or not: copies of the input, tables, answers. A reader that copies again and
        // again, or trusts a number in the input, goes far beyond.
        let asked = OCTETS.get() - before;
        assert!(asked <= 400_000 + 200 * raw.len() as u64, "{asked} octets for {} {shown}", raw.len());
    }
    println!("seed {seed}: {tally:?}");
    if cases >= 10_000 {
        let each = [tally.accepted, tally.refused, tally.dropped, tally.not_sip];
        assert!(each.iter().all(|n| *n > cases / 1000), "the cases are too much alike: {tally:?}");
    }
}

#[derive(Debug, Default)]
struct Tally {
    accepted: u64,
    refused: u64,
    dropped: u64,
    not_sip: u64,
}

fn read_as_datagram(raw: &Bytes, shown: &Shown<'_>, tally: &mut Tally) {
    let Ok(message) = Message::parse(raw.clone()) else {
        tally.not_sip += 1;
        return;
    };
    let again = Message::parse(message.raw().clone()).unwrap_or_else(|e| panic!("{e} {shown}"));
    assert_eq!(again.raw(), message.raw(), "{shown}");
    assert_eq!(again.all_headers().collect::<Vec<_>>(), message.all_headers().collect::<Vec<_>>(), "{shown}");
    assert!(message.raw().len() <= raw.len() && message.body().len() <= raw.len(), "{shown}");
    read_everything(&message);

    let refusal = if message.is_request() {
        validate_request(&message, SUPPORTED)
    } else {
        validate_response(&message).map_err(Refusal::Drop)
    };
    match refusal {
        Ok(()) => {
            tally.accepted += 1;
            assert!(message.via().is_ok() && message.cseq().is_ok() && message.call_id().is_ok(), "{shown}");
            answer(&message, 200, shown);
        }
        Err(Refusal::Answer(rejection)) => {
            tally.refused += 1;
            assert!((400..=699).contains(&rejection.status), "{shown}");
            answer(&message, rejection.status, shown);
        }
        Err(Refusal::Drop(_)) => tally.dropped += 1,
    }
}

/// Whatever the request was, what is sent for it is a sound response that holds the headers it should and no other.
fn answer(request: &Message, status: u16, shown: &Shown<'_>) {
    if !request.is_request() {
        return;
    }
    let mut out = BytesMut::new();
    let source = "198.51.100.7:40123".parse().ok();
    let sent = response_to(&mut out, request, status, "Reason", Some("tag"), source).finish();
    let answer = Message::parse(sent.clone()).unwrap_or_else(|e| panic!("{e} {shown}"));
    assert!(answer.defects().none() && answer.status() == status, "{shown}");
    assert_eq!(answer.raw(), &sent, "{shown}");
    for (_, name, _) in answer.all_headers() {
        let copied = matches!(
            name,
            HeaderName::Via
                | HeaderName::From
                | HeaderName::To
                | HeaderName::CallId
                | HeaderName::CSeq
                | HeaderName::RecordRoute
                | HeaderName::ContentLength
        );
        assert!(copied, "{name:?} {shown}");
    }
    assert_eq!(answer.count(HeaderName::Via), request.count(HeaderName::Via), "{shown}");
    assert_eq!(answer.via().map(|v| v.branch), request.via().map(|v| v.branch), "{shown}");
    assert_eq!(answer.via().unwrap().received, "198.51.100.7".parse().ok(), "{shown}");
}

fn read_everything(message: &Message) {
    black_box((message.method(), message.reason(), message.version(), message.content_length()));
    if let Ok(uri) = UriRef::parse(message.request_uri()) {
        read_uri(uri);
    }
    for via in message.vias().flatten() {
        black_box((via.has_rfc3261_branch(), via.params.iter().map(|p| p.text().len()).sum::<usize>()));
    }
    let lists = [
        HeaderName::From,
        HeaderName::To,
        HeaderName::Contact,
        HeaderName::Route,
        HeaderName::RecordRoute,
        HeaderName::ReferTo,
        HeaderName::PAssertedIdentity,
        HeaderName::Other,
    ];
    for name in lists {
        for address in message.addresses(name).flatten() {
            black_box((address.tag(), address.display_name(), address.expires(), address.q()));
            address.parse_uri().into_iter().for_each(read_uri);
        }
    }
    for contact in message.contacts() {
        black_box(contact.map(|c| c.address().map(|a| a.uri)).ok());
    }
    black_box((message.from().is_ok(), message.to().is_ok(), message.contact().is_ok(), message.call_id().is_ok()));
    black_box((message.cseq().is_ok(), message.max_forwards(), message.expires(), message.rseq()));
    black_box((message.rack(), message.session_expires(), message.replaces(), message.refer_to().is_some()));
    black_box((message.part("application", "sdp"), message.part("application", "octet-stream")));
    for (_, name, value) in message.all_headers() {
        black_box((message.text(name), message.seconds(name), message.list(name).take(20).count()));
        black_box(message.has_token(HeaderName::Supported, "timer"));
        for auth in message.challenges(name).chain(message.credentials(name)).take(20) {
            black_box((auth.algorithm(), auth.has_qop("auth"), auth.nonce_count(), auth.stale(), auth.uri()));
            black_box((auth.username(), auth.realm(), auth.nonce(), auth.response(), auth.cnonce(), auth.opaque()));
        }
        black_box((date::is_sip_date(value), MediaType::parse(value).is_ok(), CSeq::parse(value).is_ok()));
        black_box((Replaces::parse(value).is_ok(), RAck::parse(value).is_ok(), SessionExpires::parse(value).is_ok()));
    }
}

fn read_uri(uri: UriRef<'_>) {
    let kept = uri.to_owned();
    assert_eq!(kept.to_string(), uri.as_str());
    assert!(kept.equivalent(&kept), "{kept}");
    black_box((uri.user_decoded(), uri.user_param("phone-context"), uri.password(), uri.host(), uri.port()));
    black_box((uri.params().count(), uri.header("Replaces"), uri.param("lr")));
}

fn read_as_stream(raw: &[u8], random: &mut Random, shown: &Shown<'_>) {
    let whole = frames([raw].into_iter());
    let size = 1 + random.below(40);
    assert_eq!(frames(raw.chunks(size)), whole, "in pieces of {size} {shown}");
    for frame in whole.into_iter().flatten() {
        let Frame::Message(frame) = frame else { continue };
        let message = Message::from_frame(frame.clone()).unwrap_or_else(|e| panic!("{e} {shown}"));
        assert_eq!(message.raw(), &frame, "framer and reader disagree about the end {shown}");
    }
}

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Result<Frame, FrameError>> {
    let mut framer = Framer::default();
    let mut found = Vec::new();
    for piece in pieces {
        framer.push(piece);
        found.extend(std::iter::from_fn(|| framer.next()));
    }
    found
}

fn corpus() -> Vec<Vec<u8>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut paths: Vec<_> = ["rfc4475", "rfc5118"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(fixtures.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut corpus: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    corpus.push(INVITE.to_vec());
    corpus.extend(FIELD.iter().map(|text| text.replace('\n', "\r\n").into_bytes()));
    corpus
}

/// What the RFC messages lack: dialogs, digest, timers, transfers.
const FIELD: [&str; 5] = [
    "REGISTER sip:hotline SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.5;rport;branch=z9hG4bKa\nMax-Forwards: 70\nFrom: <sip:1001@hotline>;tag=a\nTo: <sip:1001@hotline>\nCall-ID: r1\nCSeq: 2 REGISTER\nContact: <sip:1001@10.0.0.5:5062;ob>;expires=300;+sip.instance=\"<urn:uuid:0>\";reg-id=1, *\nAuthorization: Digest username=\"1001\", realm=\"hotline\", nonce=\"abc,=\\\"\", uri=\"sip:hotline\", response=\"00\", algorithm=SHA-256, cnonce=\"x\", qop=auth, nc=00000001\nContent-Length: 0\n\n",
    "SIP/2.0 401 Unauthorized\nVia: SIP/2.0/TCP [2001:db8::1]:5061;branch=z9hG4bKb;received=2001:db8::2;rport=5\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>;tag=2\nCall-ID: x\nCSeq: 1 INVITE\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth,auth-int\", Digest realm=\"r\", nonce=\"n\", stale=true\nContent-Length: 0\n\n",
    "REFER sip:a@b SIP/2.0\nVia: SIP/2.0/TLS h;branch=z9hG4bKc\nFrom: A <sip:a@b>;tag=1\nTo: \"B, C\" <sip:a@b>;tag=2\nCall-ID: x@y\nCSeq: 4294967295 REFER\nRefer-To: <sip:q@h?Replaces=1%40h%3Bto-tag%3D2%3Bfrom-tag%3D3>\nReferred-By: <sip:a@b>\nReplaces: 1@h;to-tag=2;from-tag=3;early-only\nSession-Expires: 1800;refresher=uas\nRAck: 1 2 INVITE\nRSeq: 5\nRequire: timer, replaces\nl: 0\n\n",
    "\n\n\n\nINFO sip:+902121234567;phone-context=x@[::1]:5060;user=phone SIP/2.0\nv: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bKd\nRoute: <sip:e;lr>,<sip:f;lr>\nRecord-Route: <sip:g;lr>\n <sip:h;lr>\nf: tel:+1-201;tag=1\nt: <tel:95598;phone-context=x>;tag=2\ni: y\nCSeq: 1 INFO\nc: application/dtmf-relay\nl: 22\n\nSignal=5\nDuration=16",
    "BYE sip:a@b SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKe\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>;tag=2\nCall-ID: z\nCSeq: 9 BYE\nl: 0\n\nACK sip:a@b SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKf\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>;tag=2\nCall-ID: z\nCSeq: 8 ACK\nl: 0\n\n",
];

/// Pieces that mean something to a reader, which flipped bits would take long to find.
const PIECES: [&[u8]; 36] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n ",
    b"\r\n\r\n",
    b"\0",
    b"\"",
    b"\\",
    b"<",
    b">",
    b",",
    b";",
    b";;",
    b"=",
    b":",
    b"@",
    b"?",
    b"%",
    b"%00",
    b"[",
    b"]",
    b":::",
    b"*",
    b"-1",
    b"99999999999",
    b"\xff\xfe",
    b"\xc3\xa9",
    b"SIP/2.0",
    b" ",
    b"\t",
    b"Content-Length: 3\r\n",
    b"l: 7\r\n",
    b"Via: SIP/2.0/UDP x\r\n",
    b";tag=",
    b";branch=z9hG4bK",
    b"Digest ",
];

fn bent(corpus: &[Vec<u8>], random: &mut Random) -> Bytes {
    let mut raw = corpus[random.below(corpus.len())].clone();
    for _ in 0..1 + random.below(4) {
        let at = random.below(raw.len() + 1);
        let upto = (at + random.below(24)).min(raw.len());
        match random.below(9) {
            0 if at < raw.len() => raw[at] ^= 1 << random.below(8),
            1 if at < raw.len() => raw[at] = random.below(256) as u8,
            2 => drop(raw.drain(at..upto)),
            3 => raw.truncate(at),
            4 => {
                let copy = raw[at..upto].to_vec();
                let to = random.below(raw.len() + 1);
                raw.splice(to..to, copy);
            }
            5 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len());
                let piece = &other[from..(from + random.below(200)).min(other.len())];
                raw.splice(at..upto, piece.iter().copied());
            }
            6 => {
                let piece = PIECES[random.below(PIECES.len())];
                let many = if random.below(20) == 0 { 400 } else { 1 };
                raw.splice(at..at, piece.repeat(many));
            }
            7 => {
                // A whole line again, elsewhere: duplicate headers.
                let lines: Vec<&[u8]> = raw.split_inclusive(|b| *b == b'\n').collect();
                let (line, to) = (random.below(lines.len().max(1)), random.below(lines.len() + 1));
                let mut bent: Vec<u8> = lines[..to].concat();
                bent.extend_from_slice(lines.get(line).copied().unwrap_or_default());
                bent.extend(lines[to..].concat());
                raw = bent;
            }
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                raw.splice(at..upto, piece.iter().copied());
            }
        }
    }
    raw.into()
}

/// The case that failed, to run it again.
struct Shown<'a> {
    seed: u64,
    case: u64,
    raw: &'a Bytes,
}

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "(HOTLINE_FUZZ_SEED={} case {})\n{}", self.seed, self.case, self.raw.escape_ascii())
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
