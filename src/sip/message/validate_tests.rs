use super::super::Message;
use super::*;
use bytes::Bytes;

const SUPPORTED: &[&str] = &["100rel", "timer", "replaces"];

/// A sound INVITE in which the line that begins with `name` is replaced by `line` (or removed, when empty), or which
/// gets `line` besides when there is none of that name.
fn invite(name: &str, line: &str) -> Message {
    let sound = "INVITE sip:95598@pbx SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:95598@pbx>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:a@h>\r\n\
        Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";
    let (head, body) = sound.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    match lines.iter().position(|l| l.starts_with(name)) {
        Some(at) if line.is_empty() => drop(lines.remove(at)),
        Some(at) => lines[at] = line,
        None => lines.push(line),
    }
    Message::parse(Bytes::from(format!("{}\r\n\r\n{body}", lines.join("\r\n")))).unwrap()
}

fn owed(name: &str, line: &str) -> u16 {
    match validate_request(&invite(name, line), SUPPORTED) {
        Ok(()) => 0,
        Err(Refusal::Answer(rejection)) => rejection.status,
        Err(Refusal::Drop(_)) => 1,
    }
}

#[test]
fn a_sound_request_is_owed_nothing() {
    assert_eq!(owed("Subject", "Subject: plain"), 0);
    assert_eq!(owed("Max-Forwards", ""), 0, "RFC 2543 has none");
    assert_eq!(owed("From", "From: sip:a@b"), 0, "RFC 2543 has no tag");
    assert_eq!(owed("Content-Length", ""), 0, "a datagram needs none");
    assert_eq!(owed("Via", "Via: SIP/2.0/UDP h"), 0, "RFC 2543 has no branch");
    assert_eq!(owed("CSeq", "CSeq: 4294967295 INVITE"), 0);
    assert_eq!(owed("Require", "Require: timer, 100REL"), 0);
    assert_eq!(owed("Content-Type", "Content-Type: multipart/mixed;boundary=x"), 0);
    assert_eq!(owed("Accept", "Accept: text/plain, application/*;q=0.5"), 0);
    assert_eq!(owed("Contact", "Contact: <sip:a@h>;expires=60;q=0.1;"), 0, "one trailing semicolon");
}

#[test]
fn what_cannot_be_read_is_owed_400() {
    for (name, line) in [
        ("From", ""),
        ("To", ""),
        ("Call-ID", ""),
        ("CSeq", ""),
        ("To", "To: \"open <sip:a@b>"),
        ("From", "From: A, B <sip:a@b>;tag=1"),
        ("From", "From: <sip:a@b>;tag=1;;x"),
        ("To", "To: <not a uri>"),
        ("To", "To: <no-scheme>"),
        ("Call-ID", "Call-ID: two words"),
        ("CSeq", "CSeq: 1 BYE"),
        ("CSeq", "CSeq: 99999999999 INVITE"),
        ("CSeq", "CSeq: INVITE"),
        ("Content-Length", "Content-Length: 6"),
        ("Content-Length", "Content-Length: -5"),
        ("Content-Length", "Content-Length: 5\r\nl: 5"),
        ("Call-ID", "Call-ID: c\r\ni: d"),
        ("Max-Forwards", "Max-Forwards: 256"),
        ("Max-Forwards", "Max-Forwards: x"),
        ("Contact", "Contact: *"),
        ("Contact", "Contact: sip:a@b?x=y"),
        ("Route", "Route: <sip:a@b:99999;lr>"),
        ("Record-Route", "Record-Route: sip:"),
        ("Via", "Via: SIP/2.0/UDP h;branch=z9hG4bK"),
        ("Via", "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nVia: garbage"),
        ("Date", "Date: Fri, 01 Jan 2010 16:00:00 EST"),
        ("INVITE", "INVITE sip:a@b@c SIP/2.0"),
        ("INVITE", "INVITE sip:a@b  SIP/2.0"),
        ("INVITE", "INVITE <sip:a@b> SIP/2.0"),
        ("INVITE", "INVITE sip:a@b?x=y SIP/2.0"),
        ("X", "no colon here"),
        ("X", "X: bare\rreturn"),
        ("Require", "Require: \u{e9}"),
        ("Content-Type", ""),
        ("Content-Type", "Content-Type: sdp"),
    ] {
        assert_eq!(owed(name, line), 400, "{line:?} for {name}");
    }
}

#[test]
fn other_refusals_have_their_own_status() {
    assert_eq!(owed("INVITE", "INVITE sip:a@b SIP/3.0"), 505);
    assert_eq!(owed("INVITE", "INVITE urn:service:sos SIP/2.0"), 416);
    assert_eq!(owed("INVITE", "NEWMETHOD sip:a@b SIP/2.0"), 501, "RFC 4475 3.1.2.18");
    assert_eq!(owed("INVITE", &format!("INVITE sip:{}@b SIP/2.0", "a".repeat(5000))), 414);
    assert_eq!(owed("Max-Forwards", "Max-Forwards: 0"), 483);
    assert_eq!(owed("X", &"X: y\r\n".repeat(300)), 513);
    assert_eq!(owed("Content-Type", "Content-Type: application/unknownformat"), 415);
    assert_eq!(owed("Content-Encoding", "Content-Encoding: gzip"), 415);
    assert_eq!(owed("Accept", "Accept: text/nobodyKnowsThis"), 406);
}

#[test]
fn an_unknown_extension_is_named_in_the_refusal() {
    let message = invite("Require", "Require: timer, foo\r\nRequire: bar");
    let Err(Refusal::Answer(rejection)) = validate_request(&message, SUPPORTED) else { panic!("accepted") };
    assert_eq!(rejection.status, 420);
    assert_eq!(rejection.extra.as_slice(), [(HeaderName::Unsupported, "foo, bar".to_string())]);
}

#[test]
fn what_cannot_or_may_not_be_answered_is_dropped() {
    for line in ["", "Via: garbage", "Via: SIP/2.0/UDP", "Via: SIP/2.0/UDP [::1;branch=z9hG4bK1"] {
        assert_eq!(owed("Via", line), 1, "{line}");
    }
    assert_eq!(owed("Via", &"Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n".repeat(141)), 1, "more hops than can be");
    let ack = "ACK sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nCSeq: 1 BYE\r\n\r\n";
    let ack = Message::parse(Bytes::from(ack)).unwrap();
    assert!(matches!(validate_request(&ack, SUPPORTED), Err(Refusal::Drop(_))));
}

#[test]
fn ack_and_cancel_are_not_refused_for_require() {
    for method in ["ACK", "CANCEL"] {
        let text = format!(
            "{method} sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\nRequire: unknown\r\n\r\n"
        );
        assert_eq!(validate_request(&Message::parse(Bytes::from(text)).unwrap(), SUPPORTED), Ok(()));
    }
}

#[test]
fn a_request_inside_a_dialog_is_not_refused_for_its_date() {
    let message = invite("To", "To: <sip:95598@pbx>;tag=2\r\nDate: yesterday");
    assert_eq!(validate_request(&message, SUPPORTED), Ok(()));
}

#[test]
fn a_response_that_cannot_be_matched_is_dropped_with_a_reason() {
    let response = |start: &str, extra: &str| {
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n\
             Call-ID: c\r\nCSeq: 1 INVITE\r\n{extra}\r\n"
        );
        validate_response(&Message::parse(Bytes::from(text)).unwrap())
    };
    assert_eq!(response("SIP/2.0 200 OK", ""), Ok(()));
    assert_eq!(response("SIP/2.0 100", "Junk without a colon\r\n"), Ok(()), "an odd line elsewhere harms nothing");
    for (start, extra) in [
        ("SIP/2.0 99 X", ""),
        ("SIP/2.0 700 X", ""),
        ("SIP/2.0 2000 X", ""),
        ("SIP/3.0 200 OK", ""),
        ("SIP/2.0 200 OK", "Via: SIP/2.0/UDP second\r\n"),
        ("SIP/2.0 200 OK", "i: twice\r\n"),
        ("SIP/2.0 200 OK", "l: 9\r\n"),
        ("SIP/2.0 200 OK", "X: a\rb\r\n"),
    ] {
        assert!(response(start, extra).is_err(), "{start} {extra}");
    }
}
