//! `ezk-sip-types` 0.6, of 2026.

use super::*;
use ezk_sip_types::header::typed;
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::parse::Parse;
use ezk_sip_types::uri::{SipUri, SipUriUserPart};
use ezk_sip_types::{Headers, Name};

fn user(uri: &SipUri) -> Option<String> {
    match &uri.user_part {
        SipUriUserPart::Empty => None,
        SipUriUserPart::User(user) => Some(user.to_string()),
        SipUriUserPart::UserPw(both) => Some(format!("{}:{}", both.user, both.password)),
    }
}

/// As `ezk-sip-core` puts a message together from its lines.
fn theirs(raw: &[u8]) -> Result<Reading, String> {
    let bytes = Bytes::copy_from_slice(raw);
    let mut parser = PullParser::new(&bytes, 0);
    let text = |line: &[u8]| std::str::from_utf8(line).map(str::to_owned).map_err(|e| e.to_string());
    let mut lines = Vec::new();
    for line in &mut parser {
        lines.push(line.map_err(|e| format!("{e:?}"))?);
    }
    let body = raw.get(parser.head_end()..).unwrap_or_default().to_vec();
    let mut lines = lines.into_iter();
    let first = text(lines.next().ok_or("no line")?)?;
    let source = Bytes::from(first.clone().into_bytes());
    let start = std::str::from_utf8(&source).map_err(|e| e.to_string())?;
    let (_, MessageLine::Request(start)) = MessageLine::parse(&source)(start).map_err(|e| e.to_string())? else {
        return Err("no request".into());
    };
    let mut headers = Headers::new();
    let mut count = 0;
    for line in lines {
        let source = Bytes::copy_from_slice(line);
        let line = std::str::from_utf8(&source).map_err(|e| e.to_string())?;
        let (_, line) = Line::parse(&source, line).map_err(|e| e.to_string())?;
        headers.insert(line.name, line.value);
        count += 1;
    }
    let error = |e: ezk_sip_types::header::HeaderError| e.to_string();
    let via =
        headers.get_named::<Vec<typed::Via>>().map_err(error)?.into_iter().next().ok_or("an empty list of Via")?;
    let from = headers.get::<typed::FromTo>(Name::FROM).map_err(error)?;
    let to = headers.get::<typed::FromTo>(Name::TO).map_err(error)?;
    let contacts = headers.get_named::<Vec<typed::Contact>>().map_err(error)?;
    let contact = contacts.first().ok_or("no Contact")?;
    Ok(Reading {
        method: start.method.to_string(),
        uri_user: user(&start.uri),
        uri_host: start.uri.host_port.host.to_string(),
        uri_port: start.uri.host_port.port,
        via_transport: via.transport.to_string(),
        via_host: via.sent_by.host.to_string(),
        via_branch: via.params.get_val("branch").map(|branch| branch.to_string()),
        from_tag: from.tag.map(|tag| tag.to_string()),
        to_tag: to.tag.map(|tag| tag.to_string()),
        call_id: headers.get_named::<typed::CallID>().map_err(error)?.0.to_string(),
        cseq: headers.get_named::<typed::CSeq>().map_err(error)?.cseq,
        contact_user: user(&contact.uri.uri),
        contacts: contacts.len(),
        headers: count,
        body,
    })
}

#[test]
fn on_the_subset_that_ezk_reads_both_read_the_same() {
    agree_on_generated_messages(theirs);
}

const KNOWN: [Difference; 7] = [
    ("tel: URIs are not read", "19.1.6", "INVITE tel:+1-201-555-0123", |r| {
        assert_eq!((r.uri_user.as_deref(), r.uri_host.as_str()), (Some("+1-201-555-0123"), ""));
    }),
    ("a branch is percent-decoded", "25.1 via-branch: a token", "Via: SIP/2.0/UDP h;branch=z9hG4bK%66", |r| {
        assert_eq!(r.via_branch.as_deref(), Some("z9hG4bK%66"));
    }),
    ("names of parameters count their case", "7.3.1", "Via: SIP/2.0/UDP h;BRANCH=z9hG4bK2", |r| {
        assert_eq!(r.via_branch.as_deref(), Some("z9hG4bK2"));
    }),
    ("a tag in capitals is none", "7.3.1", "From: <sip:a@b>;TAG=x", |r| assert_eq!(r.from_tag.as_deref(), Some("x"))),
    (
        "one Latin-1 octet loses the message",
        "RFC 4475 3.1.1.1: be lenient in what is not yours",
        "Subject: \u{e9}",
        |r| assert_eq!(r.headers, 8),
    ),
    ("a user is percent-decoded", "19.1.2", "INVITE sip:%2321%23@h", |r| {
        assert_eq!(r.uri_user.as_deref(), Some("%2321%23"));
    }),
    ("Content-Length does not end the body", "18.3", "Content-Length: 1", |r| assert_eq!(r.body, b"v")),
];

#[test]
fn each_known_difference_from_ezk_is_still_one_and_ours_is_the_right_reading() {
    expect_differences(theirs, &KNOWN);
}
