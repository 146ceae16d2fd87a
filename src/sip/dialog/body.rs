//! The SDP of a message: the body itself, or the part of a multipart body that is SDP (RFC 5621 section 3), as gateways
//! send it beside ISUP or a location.

use crate::sip::message::Message;
use bytes::Bytes;

/// `None` when there is no SDP, an empty body included.
pub fn sdp_of(message: &Message) -> Option<Bytes> {
    if message.body().is_empty() {
        return None;
    }
    // Without a type: RFC 3261 20.15 wants one, and the only body that an INVITE is likely to have without is SDP.
    if message.content_type().is_none() {
        return Some(message.body_bytes());
    }
    message.part("application", "sdp").map(|part| message.raw().slice_ref(part))
}
