//! Requests that are made from an INVITE of ours: its CANCEL (RFC 3261 9.1), the ACK for its refusal (17.1.1.3), and the
//! ACK for a 2xx that came when its dialog was already gone.

use crate::sip::message::{Builder, HeaderName, Message, Method};
use bytes::{Bytes, BytesMut};

/// Hops that a request may take (RFC 3261 8.1.1.6).
pub const MAX_FORWARDS: u32 = 70;

/// Same Request-URI, branch, Route and numbers as the INVITE. `reason` is a whole Reason value (RFC 3326).
pub fn cancel(invite: &Message, reason: Option<&str>) -> Bytes {
    let mut out = BytesMut::new();
    let mut builder = same_transaction(&mut out, invite, &Method::Cancel);
    builder.raw_copy(invite, HeaderName::To);
    if let Some(reason) = reason {
        builder.header(HeaderName::Reason, reason);
    }
    builder.finish()
}

/// As the INVITE, with the To of the response. Credentials go along (22.1).
pub fn ack_for_refusal(invite: &Message, response: &Message) -> Bytes {
    let mut out = BytesMut::new();
    let mut builder = same_transaction(&mut out, invite, &Method::Ack);
    builder
        .raw_copy(response, HeaderName::To)
        .raw_copy(invite, HeaderName::Authorization)
        .raw_copy(invite, HeaderName::ProxyAuthorization);
    builder.finish()
}

/// The ACK for a 2xx to a re-INVITE whose dialog has ended meanwhile, made from the two messages alone. `via` is new.
pub fn ack_for_orphan(reinvite: &Message, response: &Message, via: &str) -> Bytes {
    let mut out = BytesMut::new();
    let contact = response.contact().map_or(reinvite.request_uri(), |contact| contact.uri);
    let mut builder = Builder::request(&mut out, &Method::Ack, contact);
    builder.header(HeaderName::Via, via);
    rest(&mut builder, reinvite, &Method::Ack);
    builder.raw_copy(response, HeaderName::To).finish()
}

fn same_transaction<'b>(out: &'b mut BytesMut, invite: &Message, method: &Method) -> Builder<'b> {
    let mut builder = Builder::request(out, method, invite.request_uri());
    builder.raw_copy(invite, HeaderName::Via);
    rest(&mut builder, invite, method);
    builder
}

fn rest(builder: &mut Builder<'_>, invite: &Message, method: &Method) {
    builder
        .number(HeaderName::MaxForwards, MAX_FORWARDS)
        .raw_copy(invite, HeaderName::Route)
        .raw_copy(invite, HeaderName::From)
        .raw_copy(invite, HeaderName::CallId)
        .raw_copy(invite, HeaderName::SessionId)
        .cseq(invite.cseq().map_or(1, |cseq| cseq.number), method);
}
