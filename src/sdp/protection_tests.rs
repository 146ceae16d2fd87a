use super::*;
use crate::sdp::Session;
use std::net::IpAddr;

const US: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 100));
const THEM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));
const KEY: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn session(policy: SrtpPolicy, private: bool) -> Session {
    Session::protected(7, US, 20000, Protection::new(policy, private, [5; 32]))
}

fn peer(policy: SrtpPolicy, private: bool) -> Session {
    Session::protected(8, THEM, 4000, Protection::new(policy, private, [6; 32]))
}

fn offer(transport: &str, rest: &str) -> String {
    format!(
        "v=0\r\no=a 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 4000 {transport} 8\r\n{rest}"
    )
}

fn line(tag: u32, suite: Suite) -> String {
    format!("a=crypto:{tag} {} {KEY}\r\n", suite.name())
}

fn answered(policy: SrtpPolicy, offer: &str) -> Result<(String, Security), SdpError> {
    let (answer, spec) = session(policy, false).handle_offer(offer.as_bytes(), None)?;
    sdp_types::Session::parse(&answer).expect("a description by another's grammar");
    Ok((String::from_utf8(answer.to_vec()).unwrap(), spec.security))
}

#[test]
fn srtp_is_answered_with_the_tag_of_the_first_usable_line_and_a_key_of_ours() {
    let unknown = format!("a=crypto:1 AES_256_CM_HMAC_SHA1_80 {KEY}\r\n");
    let lines = [unknown, line(2, Suite::AesCm32), line(3, Suite::AesCm80)].concat();
    for transport in ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP"] {
        let (answer, security) = answered(SrtpPolicy::Optional, &offer(transport, &lines)).unwrap();
        assert!(answer.contains(&format!("m=audio 20000 {transport} 8\r\n")), "{answer}");
        assert!(answer.contains("a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:"), "{answer}");
        assert!(!answer.contains(KEY) && answer.matches("a=crypto").count() == 1, "{answer}");
        let Security::Srtp { send, receive } = security else { panic!("{security:?}") };
        assert_eq!((send.suite, receive.suite, receive.key), (Suite::AesCm32, Suite::AesCm32, *b"YS___semctl () {"));
        assert_ne!(send.key, receive.key);
    }
}

#[test]
fn who_offers_no_key_that_can_be_used_is_told_which_could() {
    let only = offer("RTP/SAVP", &format!("a=crypto:1 F8_128_HMAC_SHA1_80 {KEY}\r\n"));
    for text in [only.as_str(), &offer("RTP/SAVP", "")] {
        let error = answered(SrtpPolicy::Optional, text).unwrap_err();
        assert_eq!((error, error.status()), (SdpError::NoCommonCrypto, 488));
        assert!(error.warning().1.contains("AES_CM_128_HMAC_SHA1_80"));
    }
    // A phone for which encryption is not all goes on without.
    let (answer, security) = answered(SrtpPolicy::Optional, &offer("RTP/AVP", "a=crypto:1 nonsense\r\n")).unwrap();
    assert_eq!((answer.contains("crypto"), security), (false, Security::Plain));
}

#[test]
fn required_refuses_the_clear_and_off_refuses_srtp() {
    let keyed = line(1, Suite::AesCm80);
    let (clear, secure) = (offer("RTP/AVP", ""), offer("RTP/SAVP", &keyed));
    assert_eq!(answered(SrtpPolicy::Required, &clear).unwrap_err(), SdpError::Unprotected);
    assert!(matches!(answered(SrtpPolicy::Required, &secure).unwrap().1, Security::Srtp { .. }));
    assert!(matches!(answered(SrtpPolicy::Required, &offer("RTP/AVP", &keyed)).unwrap().1, Security::Srtp { .. }));
    assert_eq!(answered(SrtpPolicy::Off, &secure).unwrap_err(), SdpError::Transport);
    assert_eq!(answered(SrtpPolicy::Off, &offer("RTP/AVP", &keyed)).unwrap().1, Security::Plain);
    // Two lines for the same audio: the one that is allowed is taken.
    let both = format!("{secure}m=audio 4002 RTP/AVP 8\r\n");
    assert!(answered(SrtpPolicy::Off, &both).unwrap().0.contains("m=audio 0 RTP/SAVP 8\r\nm=audio 20000 RTP/AVP 8"));
    assert!(answered(SrtpPolicy::Required, &both).unwrap().0.contains("m=audio 20000 RTP/SAVP 8"));
}

#[test]
fn what_we_offer_depends_on_who_can_read_it() {
    let offered = |policy, private| {
        let text = session(policy, private).offer(&[], crate::sdp::Direction::SendRecv);
        sdp_types::Session::parse(&text).expect("a description by another's grammar");
        let text = String::from_utf8(text.to_vec()).unwrap();
        (text.contains("RTP/SAVP"), text.matches("a=crypto:").count())
    };
    assert_eq!(offered(SrtpPolicy::Optional, false), (false, 0), "a key that everybody reads is none");
    assert_eq!(offered(SrtpPolicy::Optional, true), (false, 3), "and who has no SRTP answers without");
    assert_eq!(offered(SrtpPolicy::Required, false), (true, 3));
    assert_eq!(offered(SrtpPolicy::Required, true), (true, 3));
    assert_eq!(offered(SrtpPolicy::Off, true), (false, 0));
}

#[test]
fn two_of_us_agree_on_each_others_keys_and_keep_them_over_hold() {
    use crate::sdp::Direction;
    let (mut a, mut b) = (session(SrtpPolicy::Required, true), peer(SrtpPolicy::Optional, false));
    let text = a.offer(&[], Direction::SendRecv);
    let (answer, theirs) = b.handle_offer(&text, None).unwrap();
    let ours = a.handle_answer(&answer).unwrap();
    let Security::Srtp { send, receive } = ours.security else { panic!() };
    assert_eq!(theirs.security, Security::Srtp { send: receive, receive: send });
    // Either side offers again: the same keys, one line, the same transport.
    let again = a.offer(&[], Direction::SendOnly);
    assert_eq!(String::from_utf8_lossy(&again).matches("a=crypto:").count(), 1);
    let (answer, held) = b.handle_offer(&again, None).unwrap();
    assert_eq!((held.security, a.handle_answer(&answer).unwrap().security), (theirs.security.clone(), ours.security));
    let back = b.offer(&[], Direction::SendRecv);
    assert!(String::from_utf8_lossy(&back).contains("RTP/SAVP"));
    assert_eq!(b.handle_answer(&a.handle_offer(&back, None).unwrap().0).unwrap().security, theirs.security);
}

#[test]
fn an_answer_must_take_one_of_the_keys_that_were_offered() {
    let offered = |policy: SrtpPolicy| {
        let mut session = session(policy, true);
        session.offer(&[], crate::sdp::Direction::SendRecv);
        session
    };
    let answer = |transport, rest: &str| offer(transport, rest);
    let good = answer("RTP/SAVP", &line(1, Suite::AesCm80));
    assert!(offered(SrtpPolicy::Required).handle_answer(good.as_bytes()).is_ok());
    for bad in [
        answer("RTP/SAVP", ""),
        answer("RTP/AVP", ""),
        answer("RTP/SAVP", &line(9, Suite::AesCm80)),
        answer("RTP/SAVP", &line(1, Suite::AesCm32)),
    ] {
        let error = offered(SrtpPolicy::Required).handle_answer(bad.as_bytes()).unwrap_err();
        assert_eq!(error, SdpError::NoCommonCrypto, "{bad}");
    }
    // A phone without SRTP takes the optional offer in the clear.
    let plain = offered(SrtpPolicy::Optional).handle_answer(answer("RTP/AVP", "").as_bytes()).unwrap();
    assert_eq!(plain.security, Security::Plain);
}

#[test]
fn each_branch_of_a_forked_call_takes_keys_or_leaves_them() {
    let plain = offer("RTP/AVP", "");
    let keyed = |tag, suite| offer("RTP/AVP", &line(tag, suite));
    let mut session = session(SrtpPolicy::Optional, true);
    session.offer(&[], crate::sdp::Direction::SendRecv);
    // An announcement in the clear, a phone with keys, another with other keys, and a trunk in the clear.
    let mut answer = |text: &str| session.handle_answer(text.as_bytes()).unwrap().security;
    assert_eq!(answer(&plain), Security::Plain);
    let Security::Srtp { send, .. } = answer(&keyed(1, Suite::AesCm80)) else { panic!("keys were given") };
    let Security::Srtp { send: other, .. } = answer(&keyed(3, Suite::AesCm32)) else { panic!("keys were given") };
    assert_ne!((send.suite, send.key), (other.suite, other.key));
    assert_eq!(answer(&plain), Security::Plain);
}

#[test]
fn a_key_never_begins_anew_after_a_time_without_it() {
    let mut session = session(SrtpPolicy::Optional, false);
    let mut answer = |text: &str| session.handle_offer(text.as_bytes(), None).unwrap();
    let keyed = |suite| offer("RTP/AVP", &line(1, suite));
    let mut keys = Vec::new();
    for text in [
        keyed(Suite::AesCm80),
        offer("RTP/AVP", ""),
        keyed(Suite::AesCm80),
        keyed(Suite::AesCm32),
        keyed(Suite::AesCm80),
    ] {
        let (told, spec) = answer(&text);
        let Security::Srtp { send, .. } = spec.security else { continue };
        let mut line = String::new();
        Line { tag: 1, key: send }.write(&mut line);
        assert!(String::from_utf8_lossy(&told).contains(&line), "what is used is what was told");
        assert!(!keys.contains(&send.key), "{keys:?}");
        keys.push(send.key);
        assert_eq!(answer(&text).1.security, spec.security, "an offer that changes nothing changes no key");
    }
    assert_eq!(keys.len(), 4);
}
