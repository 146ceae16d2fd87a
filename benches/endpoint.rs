//! One incoming call through the SIP endpoint: INVITE, 180, 200, ACK, BYE, 200, with parsing and writing of every message
//! and everything that is due until nothing of the call is left.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hotline::sip::endpoint::{Endpoint, EndpointConfig, SipEvent};
use hotline::sip::message::Message;
use hotline::sip::peer::Peer;
use std::hint::black_box;
use std::time::{Duration, Instant};

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

fn request(method: &str, call: u64, cseq: u32, to_tag: &str, body: &[u8]) -> Bytes {
    let mut text = format!(
        "{method} sip:95598@192.0.2.2:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-{call}-{method};rport\r\nMax-Forwards: 70\r\nFrom: \"Caller\" <sip:1001@192.0.2.1>;tag=from-{call}\r\nTo: <sip:95598@192.0.2.2>{to_tag}\r\nCall-ID: {call}-abcdef@192.0.2.1\r\nCSeq: {cseq} {method}\r\nContact: <sip:1001@192.0.2.1:5060>\r\nUser-Agent: bench\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO\r\n"
    )
    .into_bytes();
    if !body.is_empty() {
        text.extend_from_slice(b"Content-Type: application/sdp\r\n");
    }
    text.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    text.extend_from_slice(body);
    text.into()
}

fn last_sent(endpoint: &mut Endpoint) -> Bytes {
    let mut last = Bytes::new();
    while let Some(transmit) = endpoint.poll_transmit() {
        last = transmit.bytes;
    }
    last
}

fn call(endpoint: &mut Endpoint, now: Instant, peer: Peer, call: u64, invite: Bytes) {
    endpoint.handle_message(now, peer, Message::parse(invite).unwrap());
    let Some(SipEvent::Invited { usage, .. }) = endpoint.poll_event() else { panic!("no call") };
    endpoint.progress(now, usage, 180, None);
    black_box(last_sent(endpoint));
    endpoint.accept(now, usage, Bytes::from_static(SDP));
    let ok = Message::parse(last_sent(endpoint)).unwrap();
    let tag = format!(";tag={}", ok.to().unwrap().tag().unwrap());
    endpoint.handle_message(now, peer, Message::parse(request("ACK", call, 1, &tag, b"")).unwrap());
    endpoint.handle_message(now, peer, Message::parse(request("BYE", call, 2, &tag, b"")).unwrap());
    while let Some(event) = endpoint.poll_event() {
        black_box(event);
    }
    black_box(last_sent(endpoint));
}

fn uas_call(c: &mut Criterion) {
    let peer = Peer::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
    for alive in [0u64, 20_000] {
        // With so many calls' transactions still remembered, as after `alive / 32` calls a second.
        let config = EndpointConfig { max_transactions: 1 << 20, ..EndpointConfig::default() };
        let mut endpoint = Endpoint::new(config);
        let mut now = Instant::now();
        let mut count = 0;
        for _ in 0..alive {
            count += 1;
            call(&mut endpoint, now, peer, count, request("INVITE", count, 1, "", SDP));
            now += Duration::from_secs(32) / (alive as u32);
            endpoint.handle_timeout(now);
        }
        c.bench_function(&format!("uas_call_with_{alive}_remembered"), |b| {
            b.iter_batched(
                || {
                    count += 1;
                    (count, request("INVITE", count, 1, "", SDP))
                },
                |(number, invite)| {
                    call(&mut endpoint, now, peer, number, invite);
                    now += Duration::from_secs(32) / (alive.max(1) as u32);
                    endpoint.handle_timeout(now);
                },
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, uas_call);
criterion_main!(benches);
