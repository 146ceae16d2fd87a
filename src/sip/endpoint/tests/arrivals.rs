//! Requests that never become a call: malformed, unknown, unwanted, or for something that does not exist.

use super::hand::{self, Hand, INVITE, message, request};
use crate::sip::endpoint::{EndReason, Outgoing, SipEvent};
use crate::sip::message::{HeaderName, Message};
use crate::sip::peer::{Advertised, ConnectionId, Peer, Transmit, Transport};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");

fn statuses(hand: &mut Hand) -> Vec<u16> {
    hand.sent().iter().map(|message| message.status()).collect()
}

/// A call that is up, and our tag in it.
fn answered(hand: &mut Hand) -> (crate::sip::endpoint::UsageId, String) {
    hand.send(INVITE);
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    let tag = hand.answer().to().unwrap().tag().unwrap().to_owned();
    hand.send(&request("ACK", 1, "ack", Some(&tag)));
    assert!(matches!(hand.events()[..], [SipEvent::Acked { .. }]));
    (usage, tag)
}

#[test]
fn an_invite_and_its_cancel_in_one_burst_end_the_call() {
    let mut hand = Hand::new();
    hand.send(INVITE);
    hand.send(&request("CANCEL", 1, "hand-1", None));
    let events = hand.events();
    assert!(
        matches!(events[..], [SipEvent::Invited { .. }, SipEvent::Ended { why: EndReason::Cancelled { .. }, .. }]),
        "{events:?}"
    );
    assert_eq!(statuses(&mut hand), [200, 487]);
}

#[test]
fn a_cancel_for_nothing_is_481_and_one_that_only_guessed_the_branch_too() {
    let mut hand = Hand::new();
    hand.send(&request("CANCEL", 1, "nothing", None));
    assert_eq!(statuses(&mut hand), [481]);
    hand.send(INVITE);
    hand.events();
    hand.sent();
    hand.send(&request("CANCEL", 1, "hand-1", None).replace("Call-ID: by-hand", "Call-ID: other"));
    hand.send(&request("CANCEL", 1, "hand-1", None).replace("tag=me", "tag=you"));
    hand.send(&request("CANCEL", 2, "hand-1", None));
    assert_eq!(statuses(&mut hand), [481, 481, 481]);
    assert!(hand.events().is_empty());
}

#[test]
fn a_cancel_after_the_answer_changes_nothing() {
    let mut hand = Hand::new();
    let (_, _) = answered(&mut hand);
    hand.send(&request("CANCEL", 1, "hand-1", None));
    assert_eq!(statuses(&mut hand), [200]);
    assert!(hand.events().is_empty());
    assert_eq!(hand.endpoint.stats().usages, 1);
}

#[test]
fn the_same_invite_by_two_paths_is_one_call() {
    let mut hand = Hand::new();
    hand.send(INVITE);
    hand.send(&INVITE.replace("hand-1", "other-path"));
    assert_eq!(hand.events().len(), 1);
    assert_eq!(statuses(&mut hand), [482, 100], "8.2.2.2");
}

#[test]
fn an_unknown_method_is_405_with_what_is_allowed() {
    let mut hand = Hand::new();
    for method in ["NOSUCH", "PUBLISH"] {
        hand.send(&request(method, 1, method, None));
        let answer = hand.answer();
        assert_eq!(answer.status(), 405);
        assert!(answer.allows(&crate::sip::message::Method::Invite));
        assert!(!answer.allows(&crate::sip::message::Method::Publish));
    }
    assert!(hand.endpoint.is_idle(), "a refusal keeps nothing");
}

#[test]
fn an_extension_that_is_required_and_missing_is_420() {
    let mut hand = Hand::new();
    hand.send(&INVITE.replace("Contact:", "Require: 100rel, outbound, gruu\nContact:"));
    let answer = hand.answer();
    assert_eq!((answer.status(), answer.header(HeaderName::Unsupported)), (420, Some(&b"outbound, gruu"[..])));
    assert!(hand.events().is_empty());
}

#[test]
fn requests_for_a_dialog_that_does_not_exist_are_481() {
    let mut hand = Hand::new();
    for method in ["BYE", "INFO", "UPDATE", "INVITE", "OPTIONS"] {
        for tag in ["0123456789abcdef", "not-ours"] {
            hand.send(&request(method, 7, &format!("{method}{tag}"), Some(tag)));
            assert_eq!(statuses(&mut hand), [481], "{method}");
        }
    }
    hand.send(&request("BYE", 7, "no-tag", None));
    assert_eq!(statuses(&mut hand), [481]);
    hand.send(&request("ACK", 7, "ack", Some("0123456789abcdef")));
    assert!(hand.sent().is_empty(), "an ACK is never answered");
    assert_eq!(hand.endpoint.stats().stray_acks, 1);
    assert!(hand.endpoint.is_idle());
}

#[test]
fn a_third_party_without_the_tags_cannot_speak_in_a_dialog() {
    let mut hand = Hand::new();
    let (_, tag) = answered(&mut hand);
    hand.send(&request("BYE", 2, "a", Some(&tag)).replace("tag=me", "tag=guess"));
    hand.send(&request("BYE", 2, "b", Some(&tag)).replace("Call-ID: by-hand", "Call-ID: guess"));
    hand.send(&request("BYE", 2, "c", Some("0123456789abcdef")));
    assert_eq!(statuses(&mut hand), [481, 481, 481]);
    hand.send(&request("BYE", 2, "d", Some(&tag)));
    assert_eq!(statuses(&mut hand), [200]);
}

#[test]
fn a_gap_in_cseq_is_legal_and_a_step_back_is_500() {
    let mut hand = Hand::new();
    let (_, tag) = answered(&mut hand);
    hand.send(&request("INFO", 7, "gap", Some(&tag)));
    hand.send(&request("INFO", 3, "back", Some(&tag)));
    assert_eq!(statuses(&mut hand), [200, 500], "12.2.2");
    hand.send(&request("BYE", 90, "bye", Some(&tag)));
    assert_eq!(statuses(&mut hand), [200]);
    let events = hand.events();
    assert!(matches!(events[..], [SipEvent::Info { .. }, SipEvent::Ended { .. }]), "{events:?}");
}

#[test]
fn answers_go_back_as_rfc_3581_and_18_2_2_say() {
    let mut hand = Hand::new();
    let from = |text: &str| Peer::udp(text.parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
    let rport = request("OPTIONS", 1, "a", Some("x"));
    let plain = rport.replace(";rport", "");
    let other_address = plain.replace("UDP 192.0.2.1:5060", "UDP 10.1.1.1:5060");
    let mut reply = |source: &str, text: &str| {
        hand.send_from(from(source), text);
        let transmit = hand.transmits().pop().unwrap();
        let answer = crate::sip::message::Message::parse(transmit.bytes).unwrap();
        let via = answer.via().unwrap();
        (transmit.peer.remote.to_string(), via.params.as_bytes().to_vec())
    };
    let (to, via) = reply("192.0.2.1:4000", &rport);
    assert_eq!(to, "192.0.2.1:4000", "rport: to the source");
    assert_eq!(String::from_utf8(via).unwrap(), ";received=192.0.2.1;rport=4000;branch=z9hG4bKa");
    let (to, via) = reply("192.0.2.1:4000", &plain);
    assert_eq!(to, "192.0.2.1:5060", "no rport: to the port that it listens at");
    assert!(!String::from_utf8(via).unwrap().contains("received"));
    let (to, via) = reply("192.0.2.1:4000", &other_address);
    assert_eq!(to, "192.0.2.1:4000", "behind a NAT: to the source");
    assert!(String::from_utf8(via).unwrap().contains("received=192.0.2.1"));
}

#[test]
fn a_full_table_refuses_new_work_only() {
    let mut hand = Hand::with(|config| config.max_usages = 1);
    let (_, tag) = answered(&mut hand);
    hand.send(&INVITE.replace("hand-1", "hand-2").replace("by-hand", "second"));
    let answer = hand.answer();
    assert_eq!(answer.status(), 503);
    assert!(answer.seconds(HeaderName::RetryAfter).is_some_and(|wait| (4..12).contains(&wait)));
    assert_eq!(hand.endpoint.stats().overloaded, 1);
    hand.send(&request("BYE", 2, "bye", Some(&tag)));
    assert_eq!(statuses(&mut hand), [200]);
}

#[test]
fn a_mad_peer_inside_a_dialog_meets_the_hard_limit() {
    let mut hand = Hand::with(|config| config.max_transactions = 20);
    let (_, tag) = answered(&mut hand);
    for number in 2..200 {
        hand.send(&request("INFO", number, &format!("flood{number}"), Some(&tag)));
    }
    let stats = hand.endpoint.stats();
    assert_eq!(stats.transactions, 40);
    assert_eq!(stats.dropped, 198 - 39);
    hand.sent();
    hand.send(&request("BYE", 200, "bye", Some(&tag)));
    assert_eq!(statuses(&mut hand), [200], "what ends the call is heard at any load");
}

#[test]
fn an_options_is_answered_with_what_we_can_do_and_keeps_nothing() {
    let mut hand = Hand::new();
    let options = request("OPTIONS", 1, "opt", None);
    hand.send(&options);
    let answer = hand.answer();
    assert_eq!(answer.status(), 200);
    for owed in [HeaderName::Allow, HeaderName::Accept, HeaderName::Server] {
        assert_eq!(answer.count(owed), 1, "{owed}");
    }
    assert_eq!(answer.header(HeaderName::Supported), Some(&b"100rel"[..]), "nothing is claimed that is not there");
    assert!(answer.to().unwrap().tag().is_some());
    hand.send(&options);
    assert_eq!(hand.answer().raw(), answer.raw(), "a repetition is told the same, To tag included (8.2.7)");
    hand.send(&options.replace("Max-Forwards: 70", "Max-Forwards: 0"));
    assert_eq!(statuses(&mut hand), [200], "it has arrived, and does not go on (RFC 4475 3.3.11)");
    assert!(hand.events().is_empty() && hand.endpoint.is_idle());
    hand.endpoint.set_closed(true);
    hand.send(&options);
    let answer = hand.answer();
    assert_eq!(answer.status(), 503);
    assert!(answer.seconds(HeaderName::RetryAfter).is_some_and(|wait| (4..12).contains(&wait)));
}

#[test]
fn a_flood_of_options_takes_no_room_from_calls_and_a_full_table_none_from_options() {
    let mut hand = Hand::with(|config| config.max_transactions = 1);
    for n in 0..100 {
        hand.send(&request("OPTIONS", 1, &format!("flood{n}"), None));
    }
    assert_eq!(statuses(&mut hand), [200; 100]);
    hand.send(INVITE);
    hand.invited();
    assert_eq!(statuses(&mut hand), [100]);
    hand.send(&INVITE.replace("hand-1", "hand-2").replace("by-hand", "second"));
    assert_eq!(statuses(&mut hand), [503], "full");
    hand.send(&request("OPTIONS", 1, "alive", None));
    assert_eq!(statuses(&mut hand), [200]);
}

#[test]
fn a_request_is_answered_once() {
    let mut hand = Hand::new();
    hand.send(&request("REGISTER", 1, "reg", None));
    let Some(SipEvent::Request { id, .. }) = hand.events().pop() else { panic!() };
    hand.endpoint.respond(hand.now, id, 200, None, &[], None);
    hand.answer();
    hand.endpoint.respond(hand.now, id, 200, None, &[], None);
    assert!(hand.sent().is_empty());
    assert_eq!(hand.endpoint.stats().stale_commands, 1);
}

#[test]
fn only_a_new_call_has_too_many_hops() {
    let mut hand = Hand::new();
    let spent = |text: &str| text.replace("Max-Forwards: 70", "Max-Forwards: 0");
    hand.send(&spent(INVITE));
    assert_eq!(statuses(&mut hand), [483], "it would go on to a phone");
    hand.send(INVITE);
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    let tag = hand.answer().to().unwrap().tag().unwrap().to_owned();
    hand.send(&spent(&request("ACK", 1, "ack", Some(&tag))));
    hand.send(&spent(&request("INFO", 2, "info", Some(&tag))));
    hand.send(&spent(&request("BYE", 3, "bye", Some(&tag))));
    assert_eq!(statuses(&mut hand), [200, 200]);
    let events = hand.events();
    let [SipEvent::Acked { .. }, SipEvent::Info { .. }, SipEvent::Ended { .. }] = events[..] else {
        panic!("{events:?}")
    };
}

#[test]
fn a_reason_without_words_has_no_text() {
    for (text, written) in [("", "Q.850;cause=16"), ("Bye", "Q.850;cause=16;text=\"Bye\"")] {
        let mut hand = Hand::new();
        let (usage, _) = answered(&mut hand);
        hand.endpoint.hangup(hand.now, usage, Some(("Q.850", 16, text)));
        assert_eq!(hand.answer().header(HeaderName::Reason), Some(written.as_bytes()));
    }
}

#[test]
fn a_challenged_stranger_costs_no_memory() {
    let mut hand = Hand::new();
    for n in 0..100 {
        hand.send(&INVITE.replace("hand-1", &format!("flood{n}")).replace("by-hand", &format!("call{n}")));
        let usage = hand.invited();
        hand.endpoint.reject(hand.now, usage, 401, None, &[("WWW-Authenticate", "Digest realm=\"x\", nonce=\"y\"")]);
        assert_eq!(statuses(&mut hand), [401], "no 100 before it, so that the client goes on asking");
    }
    assert!(hand.endpoint.is_idle(), "26.3.2.4: {:?}", hand.endpoint.stats());
}

#[test]
fn a_challenge_that_came_late_is_repeated_like_any_refusal() {
    let mut hand = Hand::new();
    hand.send(INVITE);
    let usage = hand.invited();
    assert_eq!(statuses(&mut hand), [100], "the client was told to wait");
    hand.endpoint.reject(hand.now, usage, 401, None, &[]);
    assert_eq!(statuses(&mut hand), [401]);
    assert!(hand.pass(Duration::from_secs(2)).contains(&(500, 401)));
}

#[test]
fn an_authorised_retry_under_the_same_cseq_is_no_copy() {
    let mut hand = Hand::new();
    hand.send(&request("REGISTER", 1, "first", None));
    let Some(SipEvent::Request { id, .. }) = hand.events().pop() else { panic!() };
    hand.endpoint.respond(hand.now, id, 401, None, &[], None);
    hand.send(&request("REGISTER", 1, "again", None));
    assert_eq!(hand.events().len(), 1);
}

#[test]
fn a_refused_tag_is_the_same_for_each_repetition() {
    let mut hand = Hand::new();
    let bye = request("BYE", 7, "again", None);
    hand.send(&bye);
    hand.send(&bye);
    let answers = hand.sent();
    assert_eq!(answers[0].raw(), answers[1].raw(), "8.2.7");
}

#[test]
fn an_invite_without_a_contact_is_400() {
    let mut hand = Hand::new();
    hand.send(&INVITE.replace("Contact: <sip:1001@192.0.2.1:5060>\n", ""));
    assert_eq!(statuses(&mut hand), [400]);
    hand.send(&INVITE.replace("<sip:1001@192.0.2.1:5060>", "<tel:+86123>"));
    assert_eq!(statuses(&mut hand), [400]);
    assert!(hand.events().is_empty() && hand.endpoint.is_idle());
}

#[test]
fn a_caller_older_than_contacts_and_branches_is_called_back_at_its_from() {
    // RFC 2543, as in RFC 4475 3.4.1: no branch, no From tag, no Contact, no Max-Forwards, no Content-Length.
    let mut hand = Hand::new();
    let old = "INVITE sip:95598@192.0.2.2 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1
From: <sip:1001@192.0.2.1:5070;user=phone>
To: sip:95598@192.0.2.2
Call-ID: by-hand
CSeq: 56 INVITE
Content-Type: application/sdp

v=0
";
    hand.send(old);
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    let to = hand.answer().text(HeaderName::To).unwrap().into_owned();
    let ack = old.replace("INVITE", "ACK").replace("sip:95598@192.0.2.2\nCall", "TO\nCall");
    hand.send(&ack.replace("TO", std::str::from_utf8(&to).unwrap()));
    assert!(matches!(hand.events()[..], [SipEvent::Acked { .. }]));
    hand.endpoint.hangup(hand.now, usage, None);
    let bye = hand.transmits().pop().unwrap();
    assert_eq!(bye.peer.remote.port(), 5070);
    let bye = crate::sip::message::Message::parse(bye.bytes).unwrap();
    assert_eq!(bye.request_uri(), b"sip:1001@192.0.2.1:5070;user=phone");
    hand.send(&old.replace("192.0.2.1\n", "192.0.2.1;branch=z9hG4bKnew\n").replace("by-hand", "new"));
    assert_eq!(statuses(&mut hand), [400], "whoever knows branches knows contacts (8.1.1.8)");
}

#[test]
fn a_datagram_beyond_parsing_is_answered_at_most_once_and_never_bigger() {
    let mut hand = Hand::new();
    let peer = hand.peer;
    let broken = request("INVITE", 1, "broken", None).replace('\n', "\r\n");
    hand.endpoint.handle_unreadable(peer, broken.as_bytes(), 400);
    let answer = hand.answer();
    assert_eq!((answer.status(), answer.call_id().unwrap()), (400, "by-hand"));
    let shortest = b"X a:b SIP/2.0\nv:SIP/2.0/UDP 192.0.2.1\nf:a\nt:a\ni:a\nCSeq:1\n\n";
    hand.endpoint.handle_unreadable(peer, shortest, 400);
    assert!(hand.transmits()[0].bytes.len() <= 2 * shortest.len());
    for silent in [
        &b"\x00\x01\x02"[..],
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n\r\n",
        broken.replace("INVITE", "ACK").as_bytes(),
        broken.replace("192.0.2.1:5060;branch", "198.51.100.7;branch").as_bytes(),
        broken.replace("Call-ID: by-hand\r\n", "").as_bytes(),
    ] {
        hand.endpoint.handle_unreadable(peer, silent, 400);
        assert!(hand.sent().is_empty(), "{:?}", String::from_utf8_lossy(silent));
    }
}

#[test]
fn a_stream_that_cannot_be_read_on_is_told_why_whatever_its_via_says() {
    let mut hand = Hand::new();
    let peer = Peer { transport: Transport::Tcp, connection: Some(ConnectionId(1)), ..hand.peer };
    let head = request("INVITE", 1, "huge", None).replace("UDP 192.0.2.1", "TCP phone.example").replace('\n', "\r\n");
    for status in [400, 413, 513] {
        hand.endpoint.handle_unreadable(peer, head.as_bytes(), status);
        assert_eq!(hand.answer().status(), status);
    }
    hand.endpoint.handle_unreadable(hand.peer, head.as_bytes(), 513);
    assert!(hand.sent().is_empty(), "a datagram might be anybody's");
}

#[test]
fn a_peer_that_reconnects_is_found_over_its_new_connection() {
    let mut hand = Hand::new();
    let stream = |n| Peer { transport: Transport::Tcp, connection: Some(ConnectionId(n)), ..hand.peer };
    let (old, new) = (stream(1), stream(2));
    hand.send_from(old, &INVITE.replace("UDP", "TCP"));
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    let tag = hand.answer().to().unwrap().tag().unwrap().to_owned();
    hand.send_from(old, &request("ACK", 1, "ack", Some(&tag)).replace("UDP", "TCP"));
    hand.send_from(new, &request("INFO", 2, "info", Some(&tag)).replace("UDP", "TCP"));
    hand.sent();
    hand.endpoint.hangup(hand.now, usage, None);
    assert_eq!(hand.transmits()[0].peer, new);
}

#[test]
fn a_request_with_unreadable_identity_is_dropped_without_a_trace() {
    let mut hand = Hand::new();
    hand.send(&INVITE.replace("SIP/2.0/UDP 192.0.2.1:5060", "garbage"));
    assert!(hand.sent().is_empty() && hand.events().is_empty());
    assert_eq!(hand.endpoint.stats().unanswerable, 1);
    let strange = message(
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK0123456789abcdef\nFrom: <sip:a@b>;tag=1\nTo: <sip:b@c>;tag=2\nCall-ID: x\nCSeq: 1 INVITE\nContent-Length: 0\n\n",
    );
    hand.endpoint.handle_message(hand.now, hand.peer, strange);
    assert_eq!(hand.endpoint.stats().stray_responses, 1);
    assert!(hand.sent().is_empty(), "a response is never answered");
}

#[test]
fn sdp_beside_other_parts_is_found() {
    let mut hand = Hand::new();
    let body = "--b1\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b1\r\ncontent-type : application/sdp\r\n\r\nv=0\r\ns=x\r\n--b1--\r\n";
    let head = hand::INVITE.split("Content-Type").next().unwrap().replace('\n', "\r\n");
    let text =
        format!("{head}Content-Type: multipart/mixed;boundary=\"b1\"\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    hand.endpoint.handle_message(hand.now, hand.peer, crate::sip::message::Message::parse(text.into()).unwrap());
    let Some(SipEvent::Invited { sdp: Some(sdp), .. }) = hand.events().pop() else { panic!() };
    assert_eq!(&sdp[..], b"v=0\r\ns=x");
}

#[test]
fn an_advertised_host_stands_wherever_our_address_would() {
    let mut hand = Hand::with(|config| config.advertised = Advertised::everywhere([203, 0, 113, 5].into()));
    hand.send(INVITE);
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    let answer = hand.answer();
    assert_eq!(answer.text(HeaderName::Contact).as_deref(), Some(&b"<sip:95598@203.0.113.5:5060>"[..]));
    let tag = answer.to().unwrap().tag().unwrap().to_owned();
    hand.send(&request("ACK", 1, "ack", Some(&tag)));
    hand.endpoint.hangup(hand.now, usage, None);
    assert_eq!(hand.answer().via().unwrap().sent_by_host.ip(), Some([203, 0, 113, 5].into()));
}

#[test]
fn a_sips_uri_is_served_over_tls_only_and_answered_with_a_sips_contact() {
    let mut hand = Hand::with(|config| config.listen_ports.push((Transport::Tls, 5061)));
    let stream = |transport| Peer { transport, connection: Some(ConnectionId(1)), ..hand.peer };
    let (tcp, tls) = (stream(Transport::Tcp), stream(Transport::Tls));
    let secure = INVITE.replace("INVITE sip:", "INVITE SIPS:");
    hand.send(&secure);
    hand.send_from(tcp, &secure.replace("UDP", "TCP").replace("hand-1", "tcp"));
    assert_eq!(statuses(&mut hand), [416, 416], "RFC 3261 26.2.2");
    assert!(hand.events().is_empty());
    let plain = INVITE.replace("hand-1", "plain").replace("by-hand", "other");
    let by_contact = plain
        .replace("plain", "contact")
        .replace("other", "third")
        .replace("<sip:1001@192.0.2.1:", "<sips:1001@192.0.2.1:");
    for (invite, contact) in [
        (&secure, "<sips:95598@192.0.2.2:5061>"),
        (&plain, "<sip:95598@192.0.2.2:5061;transport=tls>"),
        (&by_contact, "<sips:95598@192.0.2.2:5061>"),
    ] {
        hand.send_from(tls, &invite.replace("UDP", "TLS"));
        let usage = hand.invited();
        hand.endpoint.accept(hand.now, usage, SDP);
        let answer = hand.answer();
        assert_eq!(String::from_utf8_lossy(&answer.text(HeaderName::Contact).unwrap()), contact, "RFC 3261 12.1.1");
    }
}

#[test]
fn a_browser_is_given_a_contact_that_leads_back_over_websocket_rfc7118_5() {
    let mut hand = Hand::with(|config| config.listen_ports.push((Transport::Wss, 8443)));
    let browser = Peer { transport: Transport::Wss, connection: Some(ConnectionId(7)), ..hand.peer };
    let via = INVITE.replace("UDP 192.0.2.1:5060", "WSS df7jal23ls0d.invalid");
    assert_ne!(via, INVITE);
    hand.send_from(browser, &via.replace("<sip:1001@192.0.2.1:5060>", "<sip:1001@df7jal23ls0d.invalid;transport=ws>"));
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    let answer = hand.answer();
    let contact = answer.text(HeaderName::Contact).unwrap();
    assert_eq!(String::from_utf8_lossy(&contact), "<sip:95598@192.0.2.2:8443;transport=ws>");
    let tag = answer.to().unwrap().tag().unwrap().to_owned();
    let ack = request("ACK", 1, "ack", Some(&tag)).replace("UDP 192.0.2.1:5060", "WSS df7jal23ls0d.invalid");
    hand.send_from(browser, &ack);
    hand.endpoint.hangup(hand.now, usage, None);
    let bye = hand.endpoint.poll_transmit().unwrap();
    assert_eq!(bye.peer, browser, "the name in its Contact is nobody's");
    assert!(
        bye.bytes
            .starts_with(b"BYE sip:1001@df7jal23ls0d.invalid;transport=ws SIP/2.0\r\nVia: SIP/2.0/WSS 192.0.2.2:8443;")
    );
}

/// An INVITE of ours with so much in a header, to a peer of datagrams, and who listens for streams besides.
fn large_call(hand: &mut Hand, octets: usize, streams: &[SocketAddr]) -> Transmit {
    hand.endpoint.set_streams(streams.iter().copied().collect());
    let order = Outgoing {
        peer: hand.peer,
        request_uri: "sip:95598@192.0.2.1".into(),
        to: "sip:95598@192.0.2.1".into(),
        from: "sip:1001@192.0.2.2".into(),
        from_display: None,
        call_id: None,
        headers: vec![("X-Filling".into(), "x".repeat(octets))],
        offer: SDP,
        credentials: None,
    };
    hand.endpoint.invite(hand.now, order).unwrap();
    hand.transmits().remove(0)
}

#[test]
fn a_request_too_large_for_a_datagram_goes_by_tcp_where_the_peer_listens_for_it_rfc_3261_18_1_1() {
    let mut hand = Hand::new();
    let carrier = [hand.peer.remote];
    let large = large_call(&mut hand, 1_300, &carrier);
    assert_eq!(large.peer, Peer { transport: Transport::Tcp, ..hand.peer });
    let invite = Message::parse(large.bytes.clone()).unwrap();
    assert!(invite.via().unwrap().is_transport("TCP"));
    assert!(hand.pass(Duration::from_secs(10)).is_empty(), "a stream repeats by itself what is lost");
    // What belongs to the transaction stays on the way that it began on.
    hand.endpoint.handle_message(hand.now, large.peer, Message::parse(answer_to(&invite, 486)).unwrap());
    let ack = hand.transmits().pop().unwrap();
    assert_eq!((ack.peer, ack.bytes.starts_with(b"ACK ")), (large.peer, true));
    assert!(matches!(hand.events()[..], [SipEvent::Rejected { status: 486, .. }]));

    let mut hand = Hand::new();
    let small = large_call(&mut hand, 100, &carrier);
    assert!(small.peer.transport == Transport::Udp && small.bytes.len() <= 1_300);
    // A phone is where its datagrams come from, and nowhere else.
    let mut hand = Hand::new();
    let to_phone = large_call(&mut hand, 1_300, &[([192, 0, 2, 77], 5060).into()]);
    assert_eq!(to_phone.peer, hand.peer);
}

#[test]
fn a_large_request_goes_as_a_datagram_where_nobody_takes_the_connection() {
    let mut hand = Hand::new();
    let carrier = [hand.peer.remote];
    let large = large_call(&mut hand, 1_300, &carrier);
    hand.endpoint.handle_transport_error(hand.now, large.peer);
    let datagram = hand.transmits().remove(0);
    assert_eq!(datagram.peer, hand.peer);
    let invite = Message::parse(datagram.bytes).unwrap();
    assert!(invite.via().unwrap().is_transport("UDP") && hand.events().is_empty());
    assert_eq!(hand.pass(Duration::from_millis(600)).len(), 1, "repeated like any datagram");
    hand.endpoint.handle_transport_error(hand.now, hand.peer);
    assert!(matches!(hand.events()[..], [SipEvent::Rejected { status: 503, .. }]), "once, and not for ever");
}

fn answer_to(invite: &Message, status: u16) -> Bytes {
    let text = |name| String::from_utf8_lossy(invite.header(name).unwrap_or_default()).into_owned();
    let (via, from, to) = (text(HeaderName::Via), text(HeaderName::From), text(HeaderName::To));
    let (call_id, cseq) = (text(HeaderName::CallId), text(HeaderName::CSeq));
    format!("SIP/2.0 {status} So\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to};tag=far\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n").into()
}
