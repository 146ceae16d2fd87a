use super::super::Message;
use super::*;

/// All frames of `stream` when it comes in pieces of `piece` octets.
fn frames(stream: &[u8], piece: usize) -> Vec<Result<Frame, FrameError>> {
    let mut framer = Framer::default();
    let mut found = Vec::new();
    for chunk in stream.chunks(piece) {
        framer.push(chunk);
        found.extend(std::iter::from_fn(|| framer.next()));
    }
    found
}

const STREAM: &str = "\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\nVia: x\r\nl : 4\r\n\r\nbody\
    \r\nINVITE sip:a@b SIP/2.0\r\nSubject: folded\r\n \r\n line\r\nContent-Length\t:\r\n 11\r\n\r\nv=0\r\n\r\nINVI\
    SIP/2.0 200 OK\nCSeq: 1 X\nContent-Length: 0\n\n\
    BYE sip:a@b SIP/2.0\r\nCall-ID: no length\r\n\r\n\r\n\r\n\r\n";

#[test]
fn frames_are_the_same_however_the_stream_is_cut() {
    let whole = frames(STREAM.as_bytes(), STREAM.len());
    let kinds: Vec<_> = whole
        .iter()
        .map(|f| match f {
            Ok(Frame::Message(raw)) => {
                String::from_utf8_lossy(Message::from_frame(raw.clone()).unwrap().body()).into_owned()
            }
            other => format!("{other:?}"),
        })
        .collect();
    let (ping, pong) = ("Ok(Ping)", "Ok(Pong)");
    assert_eq!(kinds, [pong, ping, "body", pong, "v=0\r\n\r\nINVI", "", "", pong, ping, pong]);
    for piece in 1..STREAM.len() {
        assert_eq!(frames(STREAM.as_bytes(), piece), whole, "pieces of {piece}");
    }
    for cut in 0..STREAM.len() {
        let mut framer = Framer::default();
        let mut found = Vec::new();
        for part in [&STREAM.as_bytes()[..cut], &STREAM.as_bytes()[cut..]] {
            framer.push(part);
            found.extend(std::iter::from_fn(|| framer.next()));
        }
        assert_eq!(found, whole, "cut at {cut}");
    }
}

#[test]
fn a_frame_ends_where_the_message_that_is_read_from_it_ends() {
    for frame in frames(STREAM.as_bytes(), 7) {
        if let Ok(Frame::Message(raw)) = frame {
            assert_eq!(Message::from_frame(raw.clone()).unwrap().raw(), &raw);
        }
    }
}

fn fault(stream: &str) -> (FrameFault, String) {
    let mut last = None;
    for piece in [1, 3, stream.len()] {
        let found = frames(stream.as_bytes(), piece);
        let Some(Err(error)) = found.last() else { panic!("no error in {found:?}") };
        assert!(last.is_none_or(|l| l == *error), "the error depends on the chunking");
        last = Some(error.clone());
    }
    let error = last.unwrap();
    (error.fault, String::from_utf8_lossy(&error.message).into_owned())
}

#[test]
fn a_length_that_can_be_read_in_two_ways_ends_the_stream_with_the_head_to_answer() {
    for length in [
        "Content-Length: 3\r\nl: 4",
        "l: 3\r\nl: 3",
        "Content-Length: -1",
        "Content-Length: +3",
        "l: 3x",
        "l:",
        "l: 3 4",
        "l: 99999999999",
    ] {
        let head = format!("OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n{length}\r\n\r\n");
        let stream = format!("{head}BYE sip:victim SIP/2.0\r\n\r\n");
        assert_eq!(fault(&stream), (FrameFault::ContentLength, head), "{length}");
    }
}

#[test]
fn a_lone_cr_that_may_hide_a_length_ends_the_stream() {
    for lines in ["X: a\rContent-Length: 9\r\nl: 0", "l: 9\r\nX: a\rl: 0", "X: a\r\rl: 0"] {
        let head = format!("OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n{lines}\r\n\r\n");
        assert_eq!(fault(&format!("{head}BYE sip:victim SIP/2.0\r\n\r\n")), (FrameFault::BareCr, head), "{lines:?}");
    }
}

#[test]
fn what_is_not_sip_is_refused_at_its_first_octet() {
    let mut framer = Framer::default();
    framer.push(b"\x16");
    assert!(matches!(framer.next(), Some(Err(FrameError { fault: FrameFault::NotSip, .. }))));
    framer.push(b"OPTIONS sip:a SIP/2.0\r\n\r\n");
    assert!(framer.next().is_none() && framer.buffered() == 0, "a broken stream stays broken and holds nothing");
    assert_eq!(fault("GET / HTTP/1.1\r\nHost: a\r\n\r\n").0, FrameFault::NotSip);
    assert_eq!(fault("\rOPTIONS sip:a SIP/2.0\r\n\r\n").0, FrameFault::NotSip);
    assert_eq!(fault(" \r\n\r\n").0, FrameFault::NotSip);
}

#[test]
fn memory_is_bounded_by_the_limits() {
    let endless = format!("OPTIONS sip:a SIP/2.0\r\nX: {}", "y".repeat(100_000));
    let mut framer = Framer::default();
    let mut most = 0;
    let mut error = None;
    for byte in endless.as_bytes().chunks(100) {
        framer.push(byte);
        most = most.max(framer.buffered());
        error = error.or(framer.next());
    }
    assert!(matches!(error, Some(Err(FrameError { fault: FrameFault::HeadTooLong, .. }))));
    assert!(most <= Limits::DEFAULT.head + 100);

    let (fault_of, told) = fault(&format!("OPTIONS sip:a SIP/2.0\r\nl: 0\r\nX: {}", "y".repeat(100_000)));
    assert_eq!((fault_of, &*told), (FrameFault::HeadTooLong, "OPTIONS sip:a SIP/2.0\r\nl: 0\r\n"), "whole lines only");

    let huge = "OPTIONS sip:a SIP/2.0\r\nl: 65537\r\n\r\n";
    assert_eq!(fault(huge), (FrameFault::BodyTooLong, huge.to_string()));
    let many = format!("OPTIONS sip:a SIP/2.0\r\n{}l: 5\r\n\r\n", "X: y\r\n".repeat(256));
    assert_eq!(fault(&many).0, FrameFault::TooManyHeaders);
}

#[test]
fn a_body_of_the_largest_size_comes_through() {
    let mut framer = Framer::default();
    framer.push(b"MESSAGE sip:a SIP/2.0\r\nl: 65536\r\n\r\n");
    assert!(framer.next().is_none() && framer.in_message());
    framer.push(&vec![b'x'; 64 * 1024]);
    let Some(Ok(Frame::Message(raw))) = framer.next() else { panic!("no message") };
    assert_eq!(Message::from_frame(raw).unwrap().body().len(), 64 * 1024);
    assert!(framer.next().is_none() && !framer.in_message());
}
