//! One packet from a leg to another (or back to itself: echo), rewritten where it lies.
//!
//! The payload stays in place; our header is written right before it, over the sender's header, CSRCs and extension,
//! none of which concern the far end. PCMU and PCMA are changed into each other octet by octet; what would have to be decoded
//! does not come here but goes by `pcm`.

use super::leg::Leg;
use super::rtp::{HEADER, Header, Received};
use super::sink::{LegSlot, Sink};
use super::{Micros, codec};
use crate::sdp::Codec;

/// Sends to `to` what was received on leg `from`, unless `to` may not be sent to or is sent something of our own.
pub fn forward(
    to: &mut Leg,
    now: Micros,
    from: LegSlot,
    rtp: &Received,
    received: Codec,
    packet: &mut [u8],
    out: &mut impl Sink,
) {
    if to.is_occupied() {
        return;
    }
    let Some((sent, payload_type)) = to.sends() else { return };
    let Some(ticks) = packet.get(rtp.payload.clone()).and_then(|payload| codec::ticks(received, payload)) else {
        return;
    };
    let relayed = to.egress.relayed(now, from, rtp.ssrc, rtp.sequence, rtp.timestamp, ticks, rtp.marker);
    let Some(header) = relayed else { return };
    // A payload begins behind a fixed header (checked when it was parsed), so there is always room before it.
    let Some(start) = rtp.payload.start.checked_sub(HEADER) else { return };
    let Some(packet) = packet.get_mut(start..rtp.payload.end) else { return };
    packet[..HEADER].copy_from_slice(&Header { payload_type, ..header }.octets());
    codec::convert(&mut packet[HEADER..], received, sent);
    to.emit(packet, out);
}
