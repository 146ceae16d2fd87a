//! The handshake and the frames of a browser, tungstenite's own client being the browser.

use super::*;
use tungstenite::protocol::frame::FrameHeader;

const REQUEST: &str = "GET /sip HTTP/1.1\r\nHost: pbx.example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nOrigin: https://pbx.example.com\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, SIP\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn answer(from: &str, to: &str) -> Result<String, Refusal> {
    assert!(REQUEST.contains(from), "{from}");
    upgrade(REQUEST.replace(from, to).as_bytes(), &Origins::any())
}

#[test]
fn a_browser_that_asks_for_sip_gets_the_answer_of_rfc6455_1_3_and_rfc7118_4_2() {
    let response = answer("chat", "chat").unwrap();
    assert!(response.starts_with("HTTP/1.1 101 "));
    assert!(response.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{response}");
    assert!(response.contains("\r\nSec-WebSocket-Protocol: sip\r\n"));
}

#[test]
fn whoever_asks_for_something_else_is_told_what_is_missing() {
    for (from, to, refusal) in [
        ("chat, SIP", "chat", Refusal::Subprotocol),
        ("Sec-WebSocket-Protocol: chat, SIP\r\n", "", Refusal::Subprotocol),
        ("Version: 13", "Version: 8", Refusal::Version),
        ("Sec-WebSocket-Version: 13\r\n", "", Refusal::Version),
        ("Upgrade: websocket\r\n", "", Refusal::NoUpgrade),
        ("keep-alive, Upgrade", "keep-alive", Refusal::NoUpgrade),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", Refusal::Key),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", Refusal::Key),
        ("Host: pbx.example.com\r\n", "", Refusal::NotHttp),
        ("Host:", "Host: a\r\nHost:", Refusal::NotHttp),
        ("HTTP/1.1", "HTTP/1.0", Refusal::NotHttp),
        ("GET /sip HTTP/1.1", "OPTIONS sip:a@b SIP/2.0", Refusal::NotHttp),
        ("GET", "POST", Refusal::Method),
        ("Host:", &"A: b\r\n".repeat(65), Refusal::HeadTooLong),
        ("Host:", &format!("A: {}\r\nHost:", "b".repeat(LONGEST_HEAD)), Refusal::HeadTooLong),
    ] {
        assert_eq!(answer(from, to), Err(refusal), "{from:?} -> {to:?}");
    }
    let response = Refusal::Version.response();
    assert!(response.starts_with("HTTP/1.1 426 ") && response.contains("\r\nSec-WebSocket-Version: 13\r\n"));
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len()).trim_end().to_string()));
}

#[test]
fn a_foreign_page_is_kept_out_where_the_pages_are_named() {
    let only = Origins::only(["https://PBX.example.com".into()]);
    let asks = |origin: &str| upgrade(REQUEST.replace("Origin: https://pbx.example.com\r\n", origin).as_bytes(), &only);
    assert!(asks("Origin: https://pbx.example.com\r\n").is_ok());
    assert!(asks("").is_ok(), "no browser, and no page to protect it from");
    for foreign in ["https://evil.example", "http://pbx.example.com", "null", "https://pbx.example.com.evil.example"] {
        assert_eq!(asks(&format!("Origin: {foreign}\r\n")), Err(Refusal::Origin), "{foreign}");
    }
    let twice = "Origin: https://pbx.example.com\r\nOrigin: https://evil.example\r\n";
    assert_eq!(asks(twice), Err(Refusal::Origin));
}

/// A browser's end, in memory.
struct Browser(WebSocket<Pipe>);

impl Browser {
    fn new() -> Browser {
        Browser(WebSocket::from_raw_socket(Pipe::default(), Role::Client, None))
    }

    fn says(&mut self, message: Message) -> Vec<u8> {
        self.0.send(message).unwrap();
        std::mem::take(&mut self.0.get_mut().outgoing)
    }

    fn fragment(&mut self, octets: &'static [u8], kind: Data, last: bool) -> Vec<u8> {
        self.says(Message::Frame(Frame::message(octets, OpCode::Data(kind), last)))
    }

    fn hears(&mut self, octets: &[u8]) -> Message {
        self.0.get_mut().incoming.extend_from_slice(octets);
        self.0.read().unwrap()
    }
}

/// Everything that is heard of `octets`, which come in pieces of `size`; closing codes are read by a browser.
fn heard(octets: &[u8], size: usize) -> Vec<String> {
    let mut frames = Frames::new();
    let mut told = Vec::new();
    for piece in octets.chunks(size) {
        frames.push(piece);
        while let Some(heard) = frames.next() {
            assert!(frames.buffered() <= octets.len());
            let over = matches!(heard, Heard::Broken { .. } | Heard::Over);
            told.push(match heard {
                Heard::Message(octets) => String::from_utf8_lossy(&octets).into_owned(),
                Heard::Ping(answer) => format!("{:?}", Browser::new().hears(&answer)),
                Heard::Pong => "pong".into(),
                Heard::Over => "over".into(),
                Heard::Broken { status, .. } => format!("broken {status}"),
            });
            if over {
                if let Some(goodbye) = frames.goodbye() {
                    told.push(match Browser::new().hears(&goodbye) {
                        Message::Close(Some(frame)) => format!("close {}", u16::from(frame.code)),
                        other => format!("{other:?}"),
                    });
                }
                assert!(frames.next().is_none());
                return told;
            }
        }
    }
    told
}

#[test]
fn messages_are_the_same_however_their_octets_are_cut() {
    let mut browser = Browser::new();
    let all = [
        browser.says(Message::text("OPTIONS one")),
        browser.says(Message::binary(&b"OPTIONS two \xe9"[..])),
        browser.fragment(b"OPTIONS th", Data::Text, false),
        browser.says(Message::Ping(Bytes::from_static(b"there?"))),
        browser.fragment(b"ree", Data::Continue, true),
        browser.says(Message::text("\r\n\r\n")),
        browser.says(Message::text("\r\n")),
        browser.says(Message::Pong(Bytes::new())),
        browser.says(Message::text("OPTIONS four")),
        browser.says(Message::Close(None)),
    ]
    .concat();
    let expected = heard(&all, all.len());
    assert_eq!(expected[..2], ["OPTIONS one", "OPTIONS two \u{fffd}"]);
    assert_eq!(expected[2], "Pong(b\"there?\")");
    assert_eq!(expected[3], "OPTIONS three");
    assert!(expected[4].starts_with("Text(") && expected[4].contains("\\r\\n"), "{}", expected[4]);
    assert_eq!(expected[5..9], ["pong", "pong", "OPTIONS four", "over"]);
    assert_eq!(expected[9], "Close(None)");
    for size in 1..40 {
        assert_eq!(heard(&all, size), expected, "pieces of {size}");
    }
}

#[test]
fn what_breaks_the_rules_is_told_the_code_of_rfc6455_7_4_1_and_nothing_after_it_is_read() {
    let mut browser = Browser::new();
    let whole = browser.says(Message::text("OPTIONS one"));
    let mut raw = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut octets = browser.says(Message::text("OPTIONS two"));
        change(&mut octets);
        octets
    };
    let unmasked = framed(Bytes::from_static(b"OPTIONS two")).to_vec();
    let reserved_bit = raw(&|octets| octets[0] |= 0x40);
    let unknown_kind = raw(&|octets| octets[0] = 0x83);
    let lone_rest = raw(&|octets| octets[0] = 0x80);
    let cut_ping = raw(&|octets| octets[0] = 0x09);
    let long_ping = vec![0x89, 0xfe, 0, 126, 0, 0, 0, 0];
    let bad_text = {
        let mut octets = browser.says(Message::binary(&b"\xff\xfe"[..]));
        octets[0] = 0x81;
        octets
    };
    for (broken, expected) in [
        (unmasked, ["broken 400", "close 1002"]),
        (reserved_bit, ["broken 400", "close 1002"]),
        (unknown_kind, ["broken 400", "close 1002"]),
        (lone_rest, ["broken 400", "close 1002"]),
        (cut_ping, ["broken 400", "close 1002"]),
        ([long_ping, vec![0; 126]].concat(), ["broken 400", "close 1002"]),
        (bad_text, ["broken 400", "close 1007"]),
    ] {
        let all = [whole.clone(), broken, whole.clone()].concat();
        assert_eq!(heard(&all, all.len())[1..], expected);
    }
}

#[test]
fn what_is_announced_too_long_is_refused_before_it_comes() {
    // 16 GiB in a frame, and little by little.
    let mut header = vec![0x82, 0xff];
    header.extend_from_slice(&(16u64 << 30).to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    assert_eq!(heard(&header, 1), ["broken 413", "close 1009"]);
    let mut browser = Browser::new();
    let piece: &'static [u8] = &[b'x'; 40_000];
    let parts = [browser.fragment(piece, Data::Binary, false), browser.fragment(piece, Data::Continue, true)].concat();
    assert_eq!(heard(&parts, 4096), ["broken 413", "close 1009"]);
    assert_eq!(heard(&browser.says(Message::binary(vec![b'x'; LONGEST_MESSAGE])), 4096)[0].len(), LONGEST_MESSAGE);
}

#[test]
fn messages_leave_as_text_where_they_are_text() {
    let mut browser = Browser::new();
    assert_eq!(browser.hears(&framed(Bytes::from_static(b"INVITE \xc3\xa9"))), Message::text("INVITE \u{e9}"));
    assert_eq!(browser.hears(&framed(Bytes::from_static(b"INVITE \xe9"))), Message::binary(&b"INVITE \xe9"[..]));
    assert_eq!(browser.hears(&Frames::ping()), Message::Ping(Bytes::new()));
    let long = "x".repeat(70_000);
    assert_eq!(browser.hears(&framed(Bytes::from(long.clone()))), Message::text(long));
    let mut cursor = io::Cursor::new(framed(Bytes::from_static(b"x")));
    let (header, _) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
    assert!(header.mask.is_none(), "a server does not mask (RFC 6455 5.1)");
}

#[test]
fn frames_that_hold_nothing_count_for_no_more_than_one_message() {
    let mut frames = Frames::new();
    let frame = |code, last| {
        let mut header = FrameHeader { is_final: last, opcode: OpCode::Data(code), ..FrameHeader::default() };
        header.mask = Some([0; 4]);
        written(Frame::from_payload(header, Bytes::new()))
    };
    frames.push(&frame(Data::Text, false));
    for _ in 0..100_000 {
        frames.push(&frame(Data::Continue, false));
        assert!(frames.next().is_none());
    }
    assert!(frames.in_message() && frames.buffered() <= LONGEST_MESSAGE);
}
