//! Messages as they are seen in the field, and those that other stacks are known to misread.

use super::*;
use bytes::Bytes;

fn parse(text: &str) -> Message {
    Message::parse(Bytes::from(text.to_string())).unwrap()
}

/// A request with these lines before its end.
fn request(lines: &str) -> Message {
    parse(&format!("INVITE sip:95598@pbx SIP/2.0\r\n{lines}\r\n"))
}

fn user(uri: &[u8]) -> String {
    UriRef::parse(uri).unwrap().user_decoded().unwrap().into_owned()
}

#[test]
fn a_dotted_user_and_a_feature_code_reach_routing_as_dialled() {
    let dotted = parse("INVITE sip:john.doe@pbx.example.com SIP/2.0\r\n\r\n");
    let uri = UriRef::parse(dotted.request_uri()).unwrap();
    assert_eq!((uri.user(), uri.host()), (Some("john.doe"), Some(HostRef::Name("pbx.example.com"))));
    let code = parse("INVITE sip:%2321%23@pbx SIP/2.0\r\n\r\n");
    assert_eq!(user(code.request_uri()), "#21#");
    assert_eq!(code.request_uri(), b"sip:%2321%23@pbx");
}

#[test]
fn a_number_with_phone_context_goes_to_the_host_behind_the_at() {
    let message = parse("INVITE sip:+902121234567;phone-context=x@pbx SIP/2.0\r\n\r\n");
    let uri = UriRef::parse(message.request_uri()).unwrap();
    assert_eq!(uri.user_without_params(), Some("+902121234567"));
    assert_eq!(uri.host(), Some(HostRef::Name("pbx")));
}

#[test]
fn a_latin_1_subject_does_not_cost_the_call() {
    let mut bytes =
        b"INVITE sip:a@b SIP/2.0\r\nSubject: B\xfcro\r\nFrom: \"J\xfcrgen\" <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\r\n"
            .to_vec();
    let message = Message::parse(Bytes::from(bytes.clone())).unwrap();
    assert_eq!(message.header(HeaderName::Subject), Some(&b"B\xfcro"[..]));
    assert_eq!(message.from().unwrap().tag(), Some("1"));
    bytes.extend_from_slice(b"\xff");
    assert_eq!(Message::parse(Bytes::from(bytes)).unwrap().body(), b"\xff");
}

#[test]
fn a_datagram_without_content_length_keeps_its_body_and_one_with_it_loses_the_excess() {
    assert_eq!(request("\r\nv=0\r\n").body(), b"v=0\r\n\r\n");
    let exact = request("Content-Length : 3\r\n\r\nv=0INVITE sip:second SIP/2.0\r\n");
    assert_eq!(exact.body(), b"v=0");
    assert!(exact.raw().ends_with(b"v=0"));
}

#[test]
fn compact_folded_and_lone_line_feed_forms_are_the_same_message() {
    let message = parse(
        "\r\n\r\nOPTIONS sip:a@b SIP/2.0\nv: SIP/2.0/UDP h;branch=z9hG4bK1,\n SIP/2.0/TCP g\nf : sip:a@b ; tag = x\nt: <sip:c@d>\ni:1@2\nm: <sip:e@f>, \"A, B\" <sip:g@h>;q=0.5\nCSeq: 7\n\tOPTIONS\ns:\nk: timer,\n 100rel\nl: 0\n\n",
    );
    assert_eq!(message.via().unwrap().branch, Some("z9hG4bK1"));
    assert_eq!(message.vias().count(), 2);
    assert_eq!((message.from().unwrap().uri, message.from().unwrap().tag()), (&b"sip:a@b"[..], Some("x")));
    assert_eq!(message.call_id(), Ok("1@2"));
    assert_eq!(message.cseq().unwrap(), CSeq { number: 7, method: Method::Options });
    let contacts: Vec<_> = message.contacts().map(|c| c.unwrap().address().unwrap().uri.to_vec()).collect();
    assert_eq!(contacts, [b"sip:e@f", b"sip:g@h"]);
    assert_eq!(message.header(HeaderName::Subject), Some(&b""[..]));
    assert!(message.has_token(HeaderName::Supported, "100rel") && !message.has_token(HeaderName::Supported, "rel"));
    assert_eq!(message.method(), &Method::Options);
}

#[test]
fn quoted_brackets_do_not_end_an_address() {
    let message = request("From: \"> ; <\\\"\" <sip:a@b>;tag=1\r\nContact: \"<\" <sip:c@d>, \">\" <sip:e@f>\r\n");
    assert_eq!((message.from().unwrap().uri, message.from().unwrap().tag()), (&b"sip:a@b"[..], Some("1")));
    let uris: Vec<_> = message.addresses(HeaderName::Contact).map(|a| a.unwrap().uri).collect();
    assert_eq!(uris, [b"sip:c@d", b"sip:e@f"]);
}

#[test]
fn a_cseq_above_two_to_the_31_and_an_underscore_in_a_host_are_read() {
    let message = request("CSeq: 4294967295 INVITE\r\nVia: SIP/2.0/UDP my_pbx.lan:5060;branch=z9hG4bK1\r\n");
    assert_eq!(message.cseq().unwrap().number, u32::MAX);
    assert_eq!(message.via().unwrap().sent_by_host, HostRef::Name("my_pbx.lan"));
}

#[test]
fn a_garbage_via_is_an_error_and_not_an_empty_list() {
    for via in ["", "garbage", ";;;", "SIP/2.0/UDP", ",,,"] {
        let message = request(&format!("Via: {via}\r\n"));
        assert!(message.via().is_err(), "{via}");
    }
    assert!(request("").via().is_err());
}

#[test]
fn a_via_branch_is_never_decoded() {
    let message = request("Via: SIP/2.0/UDP h;branch=z9hG4bK%66%41\r\n");
    assert_eq!(message.via().unwrap().branch, Some("z9hG4bK%66%41"));
}

#[test]
fn sha_256_and_lists_of_qops_and_several_challenges_are_read() {
    let message = parse(
        "SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth,auth-int\"\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"m\", algorithm=MD5, Digest realm=\"s\", nonce=\"o\"\r\n\r\n",
    );
    let all: Vec<_> = message.challenges(HeaderName::WwwAuthenticate).collect();
    assert_eq!(all.len(), 3);
    assert_eq!(all[0].algorithm(), digest::Algorithm::Sha256);
    assert!(all[0].has_qop("auth") && all[0].has_qop("auth-int"));
    assert_eq!(all[2].realm().as_deref(), Some("s"));
}

#[test]
fn an_unknown_method_and_any_scheme_are_read_so_that_they_can_be_answered() {
    let message =
        parse("FROBNICATE urn:service:sos SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nCSeq: 1 FROBNICATE\r\n\r\n");
    assert_eq!(message.method(), &Method::Other("FROBNICATE".into()));
    assert_eq!(message.cseq().unwrap().method, *message.method());
    let tel = parse("INVITE tel:+86-95598;phone-context=x SIP/2.0\r\n\r\n");
    assert_eq!(UriRef::parse(tel.request_uri()).unwrap().user(), Some("+86-95598"));
}

#[test]
fn a_reason_phrase_is_kept_whatever_it_is() {
    for (line, reason) in [("SIP/2.0 486 Besetzt \u{fc}", "Besetzt \u{fc}"), ("SIP/2.0 486 ", ""), ("SIP/2.0 486", "")]
    {
        let message = parse(&format!("{line}\r\nCSeq: 1 INVITE\r\n\r\n"));
        assert_eq!((message.status(), message.reason()), (486, reason.as_bytes()));
        assert_eq!(message.method(), &Method::Invite);
    }
}

#[test]
fn numbers_in_headers_are_bounded_and_never_wrap() {
    let message = request(
        "Expires: 99999999999999999999\r\nMin-SE: 90;x=y\r\nRetry-After: 18000 (busy);duration=60\r\nMin-Expires: -1\r\nMax-Forwards: 256\r\nRSeq: 4294967296\r\n",
    );
    assert_eq!(message.expires(), Some(u32::MAX));
    assert_eq!(message.seconds(HeaderName::MinSe), Some(90));
    assert_eq!(message.seconds(HeaderName::RetryAfter), Some(18000));
    assert_eq!(message.seconds(HeaderName::MinExpires), None);
    assert!(matches!(message.max_forwards(), Some(Err(_))));
    assert_eq!(message.rseq(), None);
}

#[test]
fn a_clone_shares_its_bytes_and_a_log_line_shows_no_header() {
    let message = request("From: <sip:13800138000@secret>;tag=1\r\n");
    let clone = message.clone();
    assert_eq!(clone.raw().as_ptr(), message.raw().as_ptr());
    assert_eq!(format!("{message:?}"), format!("Message(INVITE, {} octets)", message.raw().len()));
}

#[test]
fn headers_that_nobody_listed_are_found_by_name() {
    let message = request("X-Skill: Billing\r\nx-skill: second\r\n");
    assert_eq!(message.header_named("x-SKILL"), Some(&b"Billing"[..]));
    assert_eq!(message.header_named("X-Other"), None);
}

#[test]
fn a_keep_alive_is_told_from_garbage() {
    assert_eq!(Message::parse(Bytes::from("\r\n\r\n")).err(), Some(ParseError::Empty));
    assert_eq!(Message::parse(Bytes::from("\0")).err(), Some(ParseError::NotSip));
}
