use super::*;
use crate::sdp::SdpError;

pub const US: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 100));

fn session() -> Session {
    Session::new(7, US, 20000)
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Answers `offer` and holds the answer to the grammar by a parser that is not ours.
fn answer(session: &mut Session, offer: &str) -> (String, MediaSpec) {
    let (answer, spec) = session.handle_offer(offer.as_bytes(), None).unwrap();
    let parsed = sdp_types::Session::parse(&answer).unwrap();
    assert_eq!(parsed.origin.sess_id, "7");
    assert_eq!(parsed.medias.len(), offer.matches("m=").count(), "one answer line for each offer line");
    (text(&answer).to_string(), spec)
}

fn refusal(offer: &str) -> SdpError {
    session().handle_offer(offer.as_bytes(), None).unwrap_err()
}

/// An offer of one audio line by 198.51.100.1:4000.
pub fn offer(formats: &str, rest: &str) -> String {
    format!(
        "v=0\r\no=a 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}\r\n{rest}"
    )
}

fn peer(port: u16) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1], port))
}

// The examples of RFC 4317 with addresses in place of its host names, which are refused here.

#[test]
fn rfc_4317_2_1_audio_is_taken_and_video_refused_in_place() {
    let (answer, spec) = answer(
        &mut session(),
        "v=0\r\no=alice 2890844526 2890844526 IN IP4 198.51.100.1\r\ns=\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
         m=audio 49170 RTP/AVP 0 8 97\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:97 iLBC/8000\r\n\
         m=video 51372 RTP/AVP 31 32\r\na=rtpmap:31 H261/90000\r\na=rtpmap:32 MPV/90000\r\n",
    );
    assert!(answer.contains("m=audio 20000 RTP/AVP 0\r\n") && answer.contains("m=video 0 RTP/AVP 31 32\r\n"));
    assert!(answer.find("m=audio") < answer.find("m=video"));
    assert_eq!((spec.codec, spec.send_pt, spec.remote), (Codec::Pcmu, 0, peer(49170)));
    assert_eq!(spec.accepted, [(0, Codec::Pcmu), (8, Codec::Pcma)]);
    assert_eq!((spec.event_send_pt, spec.direction, spec.ptime_ms), (None, Direction::SendRecv, 20));
}

#[test]
fn rfc_4317_2_4_of_two_audio_streams_the_second_is_refused() {
    let (answer, spec) = answer(
        &mut session(),
        "v=0\r\no=alice 1 1 IN IP4 198.51.100.1\r\ns=\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
         m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n\
         m=audio 51372 RTP/AVP 97 101\r\na=rtpmap:97 iLBC/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
    );
    assert!(answer.contains("m=audio 20000 RTP/AVP 0\r\n") && answer.contains("m=audio 0 RTP/AVP 97 101\r\n"));
    assert_eq!((spec.remote, spec.event_send_pt), (peer(49170), None));
}

#[test]
fn rfc_4317_3_1_hold_and_resume_mirror_the_direction() {
    let mut session = session();
    let (first, _) = answer(&mut session, &offer("0 97", "a=rtpmap:97 iLBC/8000\r\n"));
    let (held, spec) = answer(&mut session, &offer("0 97", "a=rtpmap:97 iLBC/8000\r\na=sendonly\r\n"));
    assert_eq!(spec.direction, Direction::RecvOnly);
    assert!(held.contains("a=recvonly\r\n") && first.contains("a=sendrecv\r\n"));
    let (resumed, spec) = answer(&mut session, &offer("0 97", "a=rtpmap:97 iLBC/8000\r\n"));
    assert_eq!(spec.direction, Direction::SendRecv);
    let version = |sdp: &str| sdp_types::Session::parse(sdp.as_bytes()).unwrap().origin.sess_version;
    assert_eq!([version(&first), version(&held), version(&resumed)], [1, 2, 3]);
}

#[test]
fn rfc_4317_4_3_a_deleted_video_stream_keeps_its_line() {
    let mut session = session();
    answer(&mut session, &offer("0", "m=video 4002 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n"));
    let (answer, _) = answer(&mut session, &offer("0", "m=video 0 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n"));
    assert!(answer.contains("m=video 0 RTP/AVP 31\r\n"));
}

#[test]
fn rfc_3264_8_an_unchanged_answer_keeps_its_version() {
    let mut session = session();
    let (first, _) = answer(&mut session, &offer("0", ""));
    let (again, _) = answer(&mut session, &offer("0", ""));
    assert_eq!(first, again);
}

#[test]
fn rfc_3264_8_our_later_offer_repeats_the_lines_the_peer_began_with() {
    let mut session = session();
    let first = "v=0\r\no=a 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
                 m=video 4002 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\n";
    answer(&mut session, first);
    let hold = session.offer(&[Codec::Pcma], Direction::SendOnly);
    let text = text(&hold);
    assert!(text.contains("m=video 0 RTP/AVP 31\r\nm=audio 20000 RTP/AVP 8 96\r\n"), "{text}");
    let answered = "v=0\r\no=a 1 2 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
                    m=video 0 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 8\r\na=recvonly\r\n";
    let spec = session.handle_answer(answered.as_bytes()).unwrap();
    assert_eq!((spec.direction, spec.codec), (Direction::SendOnly, Codec::Pcma));
}

#[test]
fn our_offer_says_what_we_speak_and_where() {
    let mut session = session();
    let offer = session.offer(&[Codec::Pcma, Codec::Pcmu], Direction::SendRecv);
    assert_eq!(
        text(&offer),
        "v=0\r\no=- 7 1 IN IP4 192.0.2.100\r\ns=-\r\nc=IN IP4 192.0.2.100\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 0 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
         a=ptime:20\r\na=sendrecv\r\n"
    );
    let parsed = sdp_types::Session::parse(&offer).unwrap();
    assert_eq!((parsed.medias[0].media.as_str(), parsed.medias[0].port), ("audio", 20000));
    assert_eq!(session.offer(&[Codec::Pcma, Codec::Pcmu], Direction::SendRecv), offer, "asked again, said again");
}

#[test]
fn an_answer_names_the_numbers_to_send_and_our_offer_those_to_receive() {
    let mut session = session();
    session.offer(&[Codec::Pcmu, Codec::Pcma], Direction::SendRecv);
    let answer = offer("8 110", "a=rtpmap:8 PCMA/8000\r\na=rtpmap:110 telephone-event/8000\r\na=ptime:30\r\n");
    let spec = session.handle_answer(answer.as_bytes()).unwrap();
    assert_eq!((spec.codec, spec.send_pt, spec.recv_pt, spec.ptime_ms), (Codec::Pcma, 8, 8, 30));
    assert_eq!((spec.event_send_pt, spec.event_recv_pt), (Some(110), Some(101)));
    assert_eq!(spec.accepted, [(0, Codec::Pcmu), (8, Codec::Pcma)]);
    assert_eq!((spec.remote, spec.remote_rtcp), (peer(4000), peer(4001)));
}

#[test]
fn each_branch_of_a_forked_call_may_answer_the_same_offer() {
    let mut session = session();
    session.offer(&[], Direction::SendRecv);
    assert!(session.handle_answer(offer("0", "").as_bytes()).is_ok());
    let other = offer("8", "").replace("198.51.100.1", "198.51.100.9");
    assert_eq!(session.handle_answer(other.as_bytes()).unwrap().remote.to_string(), "198.51.100.9:4000");
}

#[test]
fn an_answer_without_our_offer_is_refused() {
    let mut session = session();
    assert_eq!(session.handle_answer(offer("0", "").as_bytes()), Err(SdpError::AnswerWithoutOffer));
    session.offer(&[], Direction::SendRecv);
    answer(&mut session, &offer("0", ""));
    assert_eq!(session.handle_answer(offer("0", "").as_bytes()), Err(SdpError::AnswerWithoutOffer));
}

#[test]
fn an_answer_that_takes_a_codec_we_did_not_offer_is_refused() {
    let mut session = session();
    session.offer(&[Codec::Pcma], Direction::SendRecv);
    assert_eq!(session.handle_answer(offer("0", "").as_bytes()), Err(SdpError::NoCommonCodec));
    let refused = offer("8", "").replace("audio 4000", "audio 0");
    assert_eq!(session.handle_answer(refused.as_bytes()), Err(SdpError::NoAudio));
}

#[test]
fn the_codec_of_the_far_leg_is_preferred_when_offered() {
    let (answer, spec) = session().handle_offer(offer("0 8 101", EVENTS).as_bytes(), Some(Codec::Pcma)).unwrap();
    assert!(text(&answer).contains("m=audio 20000 RTP/AVP 8 101\r\n"));
    assert_eq!((spec.codec, spec.recv_pt), (Codec::Pcma, 8));
    assert_eq!(spec.accepted, [(8, Codec::Pcma), (0, Codec::Pcmu)]);
    let (_, spec) = session().handle_offer(offer("0", "").as_bytes(), Some(Codec::Pcma)).unwrap();
    assert_eq!(spec.codec, Codec::Pcmu);
}

const EVENTS: &str = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n";

#[test]
fn keys_are_taken_under_the_number_the_peer_gave_them() {
    let (text, spec) = answer(&mut session(), &offer("0 127", "a=rtpmap:127 Telephone-Event/8000\r\n"));
    assert!(text.contains("RTP/AVP 0 127\r\n") && text.contains("a=fmtp:127 0-15\r\n"));
    assert_eq!((spec.event_send_pt, spec.event_recv_pt), (Some(127), Some(127)));
    let (text, spec) = answer(&mut session(), &offer("0 100", "a=rtpmap:100 telephone-event/16000\r\n"));
    assert!(!text.contains("telephone-event"), "another clock is another format");
    assert_eq!(spec.event_send_pt, None);
}

#[test]
fn a_browser_that_offers_opus_first_gets_it_with_the_keys_of_its_clock() {
    let maps = "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n\
                a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n";
    let (text, spec) = answer(&mut session(), &offer("111 63 9 0 8 13 110 126", maps));
    assert!(text.contains("RTP/AVP 111 110\r\n") && text.contains("a=rtpmap:111 opus/48000/2\r\n"), "{text}");
    assert!(text.contains("a=fmtp:111 ") && text.contains("useinbandfec=1"), "{text}");
    assert_eq!((spec.codec, spec.send_pt, spec.event_send_pt, spec.event_khz), (Codec::Opus, 111, Some(110), 48));
    assert_eq!(spec.accepted, [(111, Codec::Opus), (9, Codec::G722), (0, Codec::Pcmu), (8, Codec::Pcma)]);
    let (text, spec) = answer(&mut session(), &offer("9 111 110 126", maps));
    assert!(text.contains("RTP/AVP 9 126\r\n") && text.contains("a=rtpmap:9 G722/8000\r\n"), "{text}");
    assert_eq!((spec.codec, spec.event_khz), (Codec::G722, 8));
}

#[test]
fn opus_with_one_channel_or_another_clock_is_another_format() {
    for encoding in ["opus/48000", "opus/48000/1", "opus/16000/2", "G722/16000"] {
        let map = format!("a=rtpmap:96 {encoding}\r\n");
        assert_eq!(refusal(&offer("96", &map)), SdpError::NoCommonCodec, "{encoding}");
    }
}

#[test]
fn our_offer_of_all_codecs_is_answered_by_the_one_the_phone_takes() {
    for (formats, maps, codec, khz) in [
        ("9 101", "a=rtpmap:101 telephone-event/8000\r\n", Codec::G722, 8),
        ("96 97", "a=rtpmap:96 OPUS/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n", Codec::Opus, 48),
        ("111 101", "a=rtpmap:111 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n", Codec::Opus, 8),
    ] {
        let mut session = session();
        let ours = session.offer(&[], Direction::SendRecv);
        assert!(text(&ours).contains("RTP/AVP 8 0 9 111 101 110\r\n"));
        let spec = session.handle_answer(offer(formats, maps).as_bytes()).unwrap();
        assert_eq!((spec.codec, spec.recv_pt, spec.event_khz), (codec, codec.payload_type(), khz));
        assert_eq!(spec.event_recv_pt, Some(if khz == 48 { 110 } else { 101 }));
    }
}

#[test]
fn hold_with_a_blank_address_keeps_the_place_the_peer_was_at() {
    let mut session = session();
    answer(&mut session, &offer("0", ""));
    let held = offer("0", "").replace("c=IN IP4 198.51.100.1", "c=IN IP4 0.0.0.0");
    let (text, spec) = answer(&mut session, &held);
    assert_eq!((spec.direction, spec.remote), (Direction::RecvOnly, peer(4000)));
    assert!(text.contains("a=recvonly\r\n"));
    let (_, spec) = answer(&mut session, &held.replace("t=0 0", "t=0 0\r\na=inactive"));
    assert_eq!(spec.direction, Direction::Inactive);
    let (_, spec) = answer(&mut session, &offer("0", ""));
    assert_eq!(spec.direction, Direction::SendRecv);
}

#[test]
fn a_caller_held_from_the_start_is_answered() {
    let held = offer("0", "").replace("c=IN IP4 198.51.100.1", "c=IN IP4 0.0.0.0");
    let (_, spec) = answer(&mut session(), &held);
    assert_eq!((spec.direction.may_send(), spec.remote.to_string()), (false, "0.0.0.0:4000".to_string()));
}

#[test]
fn our_own_hold_outlives_the_peers_next_offer() {
    let mut session = session();
    answer(&mut session, &offer("0", ""));
    session.offer(&[Codec::Pcmu], Direction::SendOnly);
    session.handle_answer(offer("0", "a=recvonly\r\n").as_bytes()).unwrap();
    let (text, spec) = answer(&mut session, &offer("0", ""));
    assert!(text.contains("a=sendonly\r\n"));
    assert_eq!(spec.direction, Direction::SendOnly);
}

#[test]
fn a_hold_that_the_peer_refused_is_undone() {
    let mut session = session();
    answer(&mut session, &offer("0", ""));
    session.offer(&[Codec::Pcmu], Direction::Inactive);
    session.offer(&[Codec::Pcmu], Direction::SendOnly);
    session.withdraw_offer();
    assert_eq!(answer(&mut session, &offer("0", "")).1.direction, Direction::SendRecv);
}

#[test]
fn odd_offers_of_real_phones_are_understood() {
    // No rtpmap, LF only, no s= or t=, c= and direction above the media.
    let (_, spec) = answer(
        &mut session(),
        "v=0\no=- 1 1 IN IP4 198.51.100.1\nc=IN IP4 198.51.100.1\na=sendonly\nm=audio 4000 RTP/AVP 8 0 \n",
    );
    assert_eq!((spec.codec, spec.direction), (Codec::Pcma, Direction::RecvOnly));
    // Case, a blank after the colon, an explicit channel.
    let (_, spec) = answer(&mut session(), &offer("96", "a=RTPMAP:96 pcmu/8000/1\r\na=PTIME: 10\r\na=SendOnly\r\n"));
    assert_eq!((spec.codec, spec.send_pt, spec.ptime_ms), (Codec::Pcmu, 96, 10));
    assert_eq!(spec.direction, Direction::RecvOnly);
    // Audio after video, with its own c= and no session c=.
    let (text, spec) = answer(
        &mut session(),
        "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nt=0 0\r\nm=video 4002 RTP/AVP 96\r\nc=IN IP4 198.51.100.2\r\n\
         a=rtpmap:96 VP8/90000\r\nm=audio 4000/2 RTP/AVPF 0\r\nc=IN IP4 198.51.100.1/127\r\n",
    );
    assert!(text.contains("m=video 0 RTP/AVP 96\r\nm=audio 20000 RTP/AVPF 0\r\n"));
    assert_eq!(spec.remote, peer(4000));
    // An encrypted twin before the plain line.
    let (text, _) = answer(
        &mut session(),
        "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n\
         m=audio 4000 RTP/AVP 0\r\n",
    );
    assert!(text.contains("m=audio 0 RTP/SAVP 0\r\nm=audio 20000 RTP/AVP 0\r\n"));
}

#[test]
fn a_static_number_that_the_peer_gave_another_meaning_is_not_g711() {
    assert_eq!(refusal(&offer("0", "a=rtpmap:0 iLBC/8000\r\n")), SdpError::NoCommonCodec);
    assert_eq!(refusal(&offer("8", "a=rtpmap:8 PCMA/16000\r\n")), SdpError::NoCommonCodec);
}

#[test]
fn packets_are_of_whole_tens_of_milliseconds() {
    for (said, taken) in [
        ("a=ptime:10", 10),
        ("a=ptime:30", 30),
        ("a=ptime:60", 60),
        ("a=ptime:0", 20),
        ("a=ptime:-5", 20),
        ("a=ptime:25", 20),
        ("a=ptime:240", 60),
        ("a=ptime:20.0", 20),
        ("a=ptime:99999999999", 20),
        ("a=ptime:40\r\na=maxptime:30", 30),
        ("a=maxptime:5", 10),
        ("a=x:1", 20),
    ] {
        assert_eq!(answer(&mut session(), &offer("0", &format!("{said}\r\n"))).1.ptime_ms, taken, "{said}");
    }
}

#[test]
fn rtcp_goes_where_the_peer_says() {
    let rtcp = |attributes: &str| answer(&mut session(), &offer("0", attributes));
    assert_eq!(rtcp("").1.remote_rtcp, peer(4001));
    assert_eq!(rtcp("a=rtcp:5000\r\n").1.remote_rtcp, peer(5000));
    assert_eq!(rtcp("a=rtcp:5000 IN IP4 198.51.100.7\r\n").1.remote_rtcp.to_string(), "198.51.100.7:5000");
    assert_eq!(rtcp("a=rtcp:0\r\n").1.remote_rtcp, peer(4001));
    assert_eq!(rtcp("a=rtcp:5000 IN IP4 tracker.example\r\n").1.remote_rtcp, peer(5000));
    let (text, spec) = rtcp("a=rtcp:5000\r\na=rtcp-mux\r\n");
    assert!(text.contains("a=rtcp-mux\r\n"));
    assert_eq!((spec.rtcp_mux, spec.remote_rtcp), (true, peer(4000)));
    assert!(!rtcp("").0.contains("rtcp-mux"), "not answered where it was not offered");
    let last_port = offer("0", "").replace("audio 4000", "audio 65535");
    assert_eq!(answer(&mut session(), &last_port).1.remote_rtcp, peer(65535));
}

#[test]
fn an_ipv6_leg_talks_ipv6() {
    let us: IpAddr = "2001:db8::5".parse().unwrap();
    let mut session = Session::new(7, us, 20000);
    let offer = offer("0", "").replace("IN IP4 198.51.100.1", "IN IP6 2001:db8::9");
    let (text, spec) = answer(&mut session, &offer);
    assert!(text.contains("c=IN IP6 2001:db8::5\r\n") && text.contains("o=- 7 1 IN IP6 2001:db8::5\r\n"));
    assert_eq!(spec.remote.to_string(), "[2001:db8::9]:4000");
}

#[test]
fn what_cannot_be_taken_is_refused_with_a_reason() {
    let with_address = |c: &str| offer("0", "").replace("c=IN IP4 198.51.100.1", c);
    for (text, error, status) in [
        (offer("18 4", ""), SdpError::NoCommonCodec, 488),
        (offer("0", "").replace("m=audio", "m=video"), SdpError::NoAudio, 488),
        (offer("0", "").replace("audio 4000", "audio 0"), SdpError::NoAudio, 488),
        (offer("0", "").replace("RTP/AVP", "UDP/TLS/RTP/SAVPF"), SdpError::Transport, 488),
        (with_address("c=IN IP4 phone.example.com"), SdpError::AddressIsName, 488),
        (with_address("c=IN IP6 2001:db8::1"), SdpError::AddressFamily, 488),
        (with_address("c=ATM NSAP 47.0091"), SdpError::AddressFamily, 488),
        (with_address("c=IN IP4 239.1.1.1/127"), SdpError::NotUnicast, 488),
        (with_address("c=IN IP4 255.255.255.255"), SdpError::NotUnicast, 488),
        (with_address("x=none"), SdpError::NoAddress, 400),
        (offer("0", "").replace("audio 4000", "audio 70000"), SdpError::Syntax(M_LINE), 400),
        (offer("0", "").replace("audio 4000 RTP/AVP 0", "audio 4000"), SdpError::Syntax(M_LINE), 400),
        ("hello".into(), SdpError::Syntax("the first line is not v=0"), 400),
        (String::new(), SdpError::Syntax("the first line is not v=0"), 400),
        ("v=1\r\n".into(), SdpError::Syntax("the first line is not v=0"), 400),
        ("v=0\r\n".into(), SdpError::NoAudio, 488),
        (format!("v=0\r\n{}", "a=x\r\n".repeat(4000)), SdpError::TooLong, 400),
    ] {
        assert_eq!((refusal(&text), refusal(&text).status()), (error, status), "{text}");
        assert!((300..=399).contains(&error.warning().0) && !error.warning().1.contains('"'));
    }
}

const M_LINE: &str = "an m= line is not: m=<media> <port> <transport> <formats>";

#[test]
fn a_refused_offer_changes_nothing() {
    let mut session = session();
    let (first, _) = answer(&mut session, &offer("0", ""));
    assert!(session.handle_offer(offer("18", "").as_bytes(), None).is_err());
    let (again, _) = answer(&mut session, &offer("0", ""));
    assert_eq!(first, again);
}

#[test]
fn the_numbers_of_our_offers_stay_apart_whatever_the_peer_calls_its_own() {
    for formats in ["101", "8", "0 8 101", "101 102", "96 97 98", "101 96"] {
        for rest in [
            "a=rtpmap:101 PCMU/8000\r\na=rtpmap:8 PCMU/8000\r\n",
            "a=rtpmap:101 PCMA/8000\r\na=rtpmap:102 PCMU/8000\r\na=rtpmap:96 telephone-event/8000\r\n",
            "a=rtpmap:96 PCMU/8000\r\na=rtpmap:97 PCMA/8000\r\na=rtpmap:98 telephone-event/8000\r\n",
        ] {
            let mut session = session();
            if session.handle_offer(offer(formats, rest).as_bytes(), None).is_err() {
                continue;
            }
            let again = session.offer(&[], Direction::SendRecv);
            let line = text(&again).lines().find(|line| line.starts_with("m=audio")).unwrap().to_string();
            let mut numbers: Vec<_> = line.split(' ').skip(3).collect();
            numbers.sort();
            numbers.dedup();
            assert_eq!(numbers.len(), 6, "{formats}: {line}");
        }
    }
}

// RFC 4028 7.4: a refresh by re-INVITE repeats the session.

#[test]
fn a_session_said_again_is_the_same_to_the_letter_whoever_offered_it() {
    let mut held = session();
    let (said, _) =
        answer(&mut held, &offer("0 8 101", "a=rtpmap:101 telephone-event/8000\r\na=sendonly\r\na=rtcp-mux\r\n"));
    assert!(said.contains("a=recvonly"));
    assert_eq!(text(&held.repeat()), said);
    let spec = held
        .handle_answer(offer("0 101", "a=rtpmap:101 telephone-event/8000\r\na=sendonly\r\na=rtcp-mux\r\n").as_bytes())
        .unwrap();
    assert_eq!((spec.direction, spec.codec, spec.rtcp_mux), (Direction::RecvOnly, Codec::Pcmu, true));

    let mut caller = session();
    let said = caller.offer(&[Codec::Pcma, Codec::Pcmu], Direction::SendRecv);
    caller.handle_answer(offer("8", "").as_bytes()).unwrap();
    assert_eq!(caller.repeat(), said);
    // Refused, it leaves everything as it was.
    caller.withdraw_offer();
    assert_eq!(caller.repeat(), said);
    assert_eq!(caller.handle_answer(offer("8", "").as_bytes()).unwrap().direction, Direction::SendRecv);
}

#[test]
fn comfort_noise_is_agreed_to_where_it_is_offered_beside_g711_and_offered_on() {
    for (formats, rest, noise) in [
        ("8 13 101", "a=rtpmap:101 telephone-event/8000\r\n", Some(13)),
        ("0 98", "a=rtpmap:98 CN/8000\r\n", Some(98)),
        ("8", "", None),
        ("9 13", "", None),
        ("8 98", "a=rtpmap:98 CN/16000\r\n", None),
    ] {
        let mut near = session();
        let (answer, spec) = answer(&mut near, &offer(formats, rest));
        assert_eq!((spec.noise, answer.contains("CN/8000")), (noise, noise.is_some()), "{formats}");
        near.repeat();
        let again = near.handle_answer(offer(formats, rest).as_bytes()).unwrap();
        assert_eq!((again.noise, again.event_recv_pt), (noise, spec.event_recv_pt), "{formats}: after a refresh");
    }
    let mut far = session();
    far.noise = true;
    let offered = far.offer(&[Codec::Pcma], Direction::SendRecv);
    assert!(text(&offered).contains("m=audio 20000 RTP/AVP 8 13 101\r\n"));
    assert_eq!(far.handle_answer(offer("8 13", "").as_bytes()).unwrap().noise, Some(13));
    assert_eq!(far.repeat(), offered);
    assert_eq!(far.handle_answer(offer("8 13", "").as_bytes()).unwrap().noise, Some(13));
    assert_eq!(far.handle_answer(offer("8", "").as_bytes()).unwrap().noise, None, "its branch does not take it");
}
