use crate::sdp::protection::{Protection, Security, SrtpPolicy};
use crate::sdp::{Direction, Handshake, Hash, MediaSpec, SdpError, Session};
use std::net::{IpAddr, Ipv4Addr};

const US: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
const PRINT: &str = "12:34:56:78:9A:BC:DE:F0:12:34:56:78:9A:BC:DE:F0:12:34:56:78:9A:BC:DE:F0:12:34:56:78:9A:BC:DE:F0";

pub fn protection(policy: SrtpPolicy, offered: bool) -> Protection {
    Protection::new(policy, true, [5; 32]).with_handshake([0xab; 32], offered)
}

fn session(offered: bool) -> Session {
    Session::protected(7, US, 20000, protection(SrtpPolicy::Optional, offered))
}

/// What a browser offers: streams in a group, candidates that trickle, and much that is not for us.
pub fn browser(ufrag: &str, setup: &str, rest: &str) -> String {
    format!(
        "v=0\r\no=- 46 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE a1 v2 d3\r\na=extmap-allow-mixed\r\n\
         a=msid-semantic: WMS 5b\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\n\
         a=rtcp:9 IN IP4 0.0.0.0\r\na=candidate:1 1 udp 2113937151 4f6c.local 54321 typ host generation 0\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle\r\n\
         a=fingerprint:sha-256 {PRINT}\r\na=setup:{setup}\r\na=mid:a1\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=msid:5b 77\r\na=rtcp-mux\r\n\
         a=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
         a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:110 telephone-event/48000\r\n\
         a=rtpmap:126 telephone-event/8000\r\na=ssrc:271 cname:qB\r\na=ssrc:271 msid:5b 77\r\n{rest}"
    )
}

const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:v2\r\na=rtpmap:96 VP8/90000\r\n\
                     m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:d3\r\n";

fn answered(session: &mut Session, offer: &str) -> (String, MediaSpec) {
    let (answer, spec) = session.handle_offer(offer.as_bytes(), None).unwrap();
    sdp_types::Session::parse(&answer).expect("a description by another's grammar");
    (String::from_utf8(answer.to_vec()).unwrap(), spec)
}

fn handshake(spec: &MediaSpec) -> &Handshake {
    let Security::Handshake(handshake) = &spec.security else { panic!("{:?}", spec.security) };
    handshake
}

#[test]
fn a_browser_is_answered_for_its_audio_and_for_nothing_else() {
    let (answer, spec) = answered(&mut session(false), &browser("abcd", "actpass", VIDEO));
    let print = ["AB"; 32].join(":");
    for line in [
        "a=group:BUNDLE a1\r\n",
        "a=ice-lite\r\n",
        "m=audio 20000 UDP/TLS/RTP/SAVPF 111 110\r\n",
        "a=mid:a1\r\n",
        "a=rtcp-mux\r\n",
        "a=setup:passive\r\n",
        &format!("a=fingerprint:sha-256 {print}\r\n"),
        "a=candidate:1 1 udp 2130706431 192.0.2.100 20000 typ host\r\na=end-of-candidates\r\n",
        "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:v2\r\n",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d3\r\n",
    ] {
        assert!(answer.contains(line), "{line}{answer}");
    }
    assert!(answer.find("a=ice-lite") < answer.find("m=audio") && answer.find("a=ice-ufrag") > answer.find("m=audio"));
    let agreed = handshake(&spec);
    assert!(!agreed.active && agreed.fingerprints[0].hash == Hash::Sha256);
    let ice = agreed.ice.as_ref().expect("it checks");
    assert!(answer.contains(&format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", ice.ufrag, ice.password)));
    assert!(ice.ufrag.len() >= 4 && ice.password.len() >= 22 && !format!("{ice:?}").contains(&ice.password));
    // Where it is, its checks will show: this is no hold.
    assert_eq!((spec.direction, spec.remote.ip().is_unspecified(), spec.rtcp_mux), (Direction::SendRecv, true, true));
}

#[test]
fn roles_follow_the_offer() {
    for (setup, said, active) in
        [("actpass", "passive", false), ("active", "passive", false), ("passive", "active", true)]
    {
        let (answer, spec) = answered(&mut session(false), &browser("abcd", setup, ""));
        assert!(answer.contains(&format!("a=setup:{said}\r\n")));
        assert_eq!(handshake(&spec).active, active, "{setup}");
    }
}

#[test]
fn hold_and_resume_keep_the_handshake_and_what_we_are_known_by() {
    let mut session = session(false);
    let (first, before) = answered(&mut session, &browser("abcd", "passive", ""));
    let held = browser("abcd", "actpass", "").replace("a=sendrecv", "a=sendonly");
    let (second, held) = answered(&mut session, &held);
    assert_eq!((held.direction, &held.security), (Direction::RecvOnly, &before.security), "who began it goes on to");
    let known_by = |text: &str| text.lines().filter(|line| line.contains("ice-") || line.contains("finger")).count();
    let same = first
        .lines()
        .filter(|line| line.starts_with("a=ice-") || line.starts_with("a=finger"))
        .all(|l| second.contains(l));
    assert!(same && known_by(&second) == 4, "{second}");
    // Our own hold says the same, and is for both sides to choose.
    let ours = session.offer(&[], Direction::SendOnly);
    let ours = std::str::from_utf8(&ours).unwrap();
    assert!(
        ours.contains("m=audio 20000 UDP/TLS/RTP/SAVPF")
            && ours.contains("a=setup:actpass")
            && ours.contains("a=mid:a1")
    );
    assert!(ours.contains("a=rtcp-mux") && ours.contains("a=group:BUNDLE a1"));
    let spec = session.handle_answer(browser("abcd", "passive", "").as_bytes()).unwrap();
    assert_eq!(spec.security, before.security);
}

#[test]
fn a_browser_that_begins_its_checks_anew_is_given_new_names_and_keeps_its_keys() {
    let mut session = session(false);
    let before = answered(&mut session, &browser("abcd", "actpass", "")).1;
    let after = answered(&mut session, &browser("efgh", "actpass", "")).1;
    let (before, after) = (handshake(&before), handshake(&after));
    assert_ne!(before.ice, after.ice);
    assert_eq!((before.association, before.active), (after.association, after.active));
    // Another certificate is another handshake.
    let other = browser("efgh", "actpass", "").replace("12:34", "99:34");
    let other = answered(&mut session, &other).1;
    assert_eq!((handshake(&other).association, &handshake(&other).ice), (after.association + 1, &after.ice));
    // So is one that the peer says is new (RFC 8842 4).
    let named = |id: &str| browser("efgh", "actpass", &format!("a=tls-id:{id}\r\n"));
    let associations =
        ["first", "first", "second"].map(|id| handshake(&answered(&mut session, &named(id)).1).association);
    assert_eq!(associations, [1, 1, 2].map(|n| after.association + 1 + n));
}

#[test]
fn what_we_offer_a_browser_it_can_answer_either_way() {
    for (setup, active) in [("active", false), ("passive", true)] {
        let mut session = session(true);
        let offer = session.offer(&[], Direction::SendRecv);
        sdp_types::Session::parse(&offer).expect("a description by another's grammar");
        let text = std::str::from_utf8(&offer).unwrap();
        for line in [
            "a=group:BUNDLE 0\r\n",
            "a=ice-lite\r\n",
            "UDP/TLS/RTP/SAVPF 8 0 9 111 101 110\r\n",
            "a=setup:actpass\r\n",
            "a=mid:0\r\n",
            "a=rtcp-mux\r\n",
            "a=candidate:",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(!text.contains("a=crypto"));
        let answer = browser("abcd", setup, "").replace("a1 v2 d3", "0").replace("mid:a1", "mid:0");
        let spec = session.handle_answer(answer.as_bytes()).unwrap();
        assert_eq!((handshake(&spec).active, spec.rtcp_mux), (active, true));
    }
}

#[test]
fn an_answer_that_says_nothing_of_the_certificate_is_refused_by_that_name() {
    for answer in [
        browser("abcd", "active", "").replace("a=fingerprint:sha-256", "a=fingerprint:md5"),
        browser("abcd", "active", "").replace("12:34", "1234"),
        browser("abcd", "active", "").replace("12:34", "12:34:56"),
        browser("abcd", "active", "").replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
    ] {
        let mut session = session(true);
        session.offer(&[], Direction::SendRecv);
        let error = session.handle_answer(answer.as_bytes()).unwrap_err();
        assert_eq!((error, error.status()), (SdpError::NoFingerprint, 488));
        assert!(error.warning().1.contains("a=fingerprint"));
    }
    let offer = browser("abcd", "actpass", "").replace("a=fingerprint", "a=finger");
    assert_eq!(session(false).handle_offer(offer.as_bytes(), None).unwrap_err(), SdpError::NoFingerprint);
}

#[test]
fn the_strongest_hash_is_the_one_that_counts() {
    let weak = format!("a=fingerprint:SHA-1 {}\r\n", ["01"; 20].join(":"));
    let both = browser("abcd", "actpass", "").replace("a=setup", &format!("{weak}a=setup"));
    let spec = answered(&mut session(false), &both).1;
    assert_eq!(handshake(&spec).fingerprints.iter().map(|print| print.hash).collect::<Vec<_>>(), [Hash::Sha256]);
    let only = browser("abcd", "actpass", "").replace(&format!("a=fingerprint:sha-256 {PRINT}\r\n"), &weak);
    let spec = answered(&mut session(false), &only).1;
    assert_eq!(
        (handshake(&spec).fingerprints[0].hash, handshake(&spec).fingerprints[0].octets.len()),
        (Hash::Sha1, 20)
    );
}

#[test]
fn a_desk_phone_without_checks_is_where_it_says() {
    let phone = format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\na=setup:actpass\r\n\
         a=fingerprint:sha-256 {PRINT}\r\nm=audio 4000 RTP/SAVP 8\r\n"
    );
    let (answer, spec) = answered(&mut session(false), &phone);
    assert!(answer.contains("m=audio 20000 RTP/SAVP 8\r\n") && !answer.contains("ice") && !answer.contains("a=mid"));
    assert_eq!((spec.remote.to_string().as_str(), &handshake(&spec).ice), ("198.51.100.1:4000", &None));
    // Of two lite agents neither checks.
    let lite =
        browser("abcd", "actpass", "").replace("t=0 0", "t=0 0\r\na=ice-lite").replace("0.0.0.0", "198.51.100.1");
    let (answer, spec) = answered(&mut session(false), &lite);
    assert!(!answer.contains("a=ice") && handshake(&spec).ice.is_none());
}

#[test]
fn off_has_no_handshake_and_required_is_content_with_one() {
    let with = |policy| {
        let mut session = Session::protected(7, US, 20000, protection(policy, true));
        let offer = session.offer(&[], Direction::SendRecv);
        let answer = session.handle_offer(browser("abcd", "actpass", "").as_bytes(), None).map(|_| ());
        (String::from_utf8(offer.to_vec()).unwrap().contains("UDP/TLS"), answer)
    };
    assert_eq!(with(SrtpPolicy::Off), (false, Err(SdpError::Transport)));
    assert_eq!(with(SrtpPolicy::Required), (true, Ok(())));
    let mut without = Session::protected(7, US, 20000, Protection::new(SrtpPolicy::Optional, true, [5; 32]));
    let refused = without.handle_offer(browser("abcd", "actpass", "").as_bytes(), None);
    assert_eq!(refused.unwrap_err(), SdpError::Transport);
}
