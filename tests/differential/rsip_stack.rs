//! `rsip` 0.4, of 2022.

use super::*;
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::HeadersExt;

fn theirs(raw: &[u8]) -> Result<Reading, String> {
    let request = rsip::Request::try_from(raw).map_err(|e| e.to_string())?;
    let error = |e: rsip::Error| e.to_string();
    let user = |uri: &rsip::Uri| {
        uri.auth.as_ref().map(|auth| match &auth.password {
            Some(password) => format!("{}:{password}", auth.user),
            None => auth.user.clone(),
        })
    };
    let via = request.via_header().map_err(error)?.typed().map_err(error)?;
    let contact = request.contact_header().map_err(error)?.typed().map_err(error)?;
    let contacts = request.headers.iter().filter(|h| matches!(h, rsip::Header::Contact(_))).count();
    Ok(Reading {
        method: request.method.to_string(),
        uri_user: user(&request.uri),
        uri_host: request.uri.host_with_port.host.to_string(),
        uri_port: request.uri.host_with_port.port.as_ref().map(|p| *p.value()),
        via_transport: via.transport.to_string(),
        via_host: via.uri.host_with_port.host.to_string(),
        via_branch: via.branch().map(|b| b.to_string()),
        from_tag: request.from_header().map_err(error)?.typed().map_err(error)?.tag().map(|t| t.to_string()),
        to_tag: request.to_header().map_err(error)?.typed().map_err(error)?.tag().map(|t| t.to_string()),
        call_id: request.call_id_header().map_err(error)?.value().to_string(),
        cseq: request.cseq_header().map_err(error)?.typed().map_err(error)?.seq,
        contact_user: user(&contact.uri),
        contacts,
        headers: request.headers.iter().count(),
        body: request.body.clone(),
    })
}

#[test]
fn on_the_subset_that_rsip_reads_both_read_the_same() {
    agree_on_generated_messages(theirs);
}

const KNOWN: [Difference; 9] = [
    ("a dotted user is taken into the host", "25.1 user-unreserved", "INVITE sip:john.doe@pbx.example.com", |r| {
        assert_eq!((r.uri_user.as_deref(), r.uri_host.as_str()), (Some("john.doe"), "pbx.example.com"));
    }),
    ("tel: URIs are not read", "19.1.6", "INVITE tel:+1-201-555-0123", |r| {
        assert_eq!((r.uri_user.as_deref(), r.uri_host.as_str()), (Some("+1-201-555-0123"), ""));
    }),
    ("IPv6 in a URI is not read", "25.1 IPv6reference", "INVITE sip:u@[2001:db8::1]:5070", |r| {
        assert_eq!((r.uri_host.as_str(), r.uri_port), ("[2001:db8::1]", Some(5070)));
    }),
    ("extension methods are not read", "25.1 extension-method", "FROBNICATE sip:u@h", |r| {
        assert_eq!(r.method, "FROBNICATE");
    }),
    ("folded lines are not read", "7.3.1", "Subject: one\r\n two", |r| assert_eq!(r.headers, 8)),
    ("a blank before the colon is not read", "7.3.1, 25.1 HCOLON", "Subject : one", |r| assert_eq!(r.headers, 8)),
    ("compact names are other headers", "7.3.3", "m: <sip:second@h>", |r| assert_eq!(r.contacts, 2)),
    ("a list of contacts is one contact", "7.3.1", "Contact: <sip:u@h>, <sip:v@h>", |r| assert_eq!(r.contacts, 3)),
    ("Content-Length does not end the body", "18.3", "Content-Length: 1", |r| assert_eq!(r.body, b"v")),
];

#[test]
fn each_known_difference_from_rsip_is_still_one_and_ours_is_the_right_reading() {
    expect_differences(theirs, &KNOWN);
}
