//! Descriptions of phones and browsers, broken at random. `HOTLINE_FUZZ_CASES` sets how many, `HOTLINE_FUZZ_SEED` the seed.

use super::handshake::tests::{browser, protection};
use super::session::tests::{US, offer};
use super::{Direction, Session, SrtpPolicy};

#[test]
fn mutated_descriptions_never_panic_and_answers_stay_parseable() {
    let cases: u64 = std::env::var("HOTLINE_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(3000);
    let seed: u64 = std::env::var("HOTLINE_FUZZ_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0x5d9);
    let mut state = seed | 1;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    let seeds = [
        offer("0 8 101", "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=rtcp:5000 IN IP4 1.2.3.4\r\n"),
        offer("96 97", "a=rtpmap:96 PCMA/8000\r\na=rtpmap:97 PCMU/8000\r\na=ptime:30\r\na=sendonly\r\na=rtcp-mux\r\n"),
        offer("8", "m=video 4002 RTP/AVP 31\r\nm=audio 1 RTP/SAVP 0\r\nm=image 5 udptl t38\r\na=inactive\r\n"),
        browser("abcd", "actpass", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v2\r\n"),
    ];
    let pieces = [
        "\r\n",
        "\n",
        "m=audio ",
        "a=",
        "c=IN IP4 ",
        "0",
        "65536",
        " ",
        ":",
        "/",
        "=",
        "\0",
        "\u{ff}",
        "v=0\r\n",
        "rtpmap:",
        "99999999999999999999",
        "-1",
        "RTP/AVP",
        "0.0.0.0",
        "::",
        "a=rtpmap:0 PCMU\r\n",
        "a=sendrecv\r\n",
        "a=fingerprint:",
        "a=mid:",
    ];
    let mut session = Session::protected(7, US, 20000, protection(SrtpPolicy::Optional, true));
    for case in 0..cases {
        let mut text = seeds[random(seeds.len())].clone().into_bytes();
        for _ in 0..=random(8) {
            let at = random(text.len());
            match random(5) {
                0 => text[at] = random(256) as u8,
                1 => drop(text.drain(at..(at + random(40)).min(text.len()))),
                2 => drop(text.splice(at..at, pieces[random(pieces.len())].bytes())),
                3 => text.truncate(at.max(1)),
                _ => {
                    let part = text[at..(at + random(60)).min(text.len())].to_vec();
                    drop(text.splice(at..at, part));
                }
            }
            if text.is_empty() {
                text.push(b'v');
            }
        }
        let shown = || format!("case {case}, HOTLINE_FUZZ_SEED={seed}: {}", String::from_utf8_lossy(&text));
        if let Ok((answer, spec)) = session.handle_offer(&text, None) {
            assert!(sdp_types::Session::parse(&answer).is_ok(), "{}\n-> {answer:?}", shown());
            assert!((10..=60).contains(&spec.ptime_ms) && spec.send_pt < 128, "{}", shown());
            assert!(answer.len() <= text.len() + 1024, "{}", shown());
        }
        session.offer(&[], Direction::SendRecv);
        let _ = session.handle_answer(&text);
    }
}
