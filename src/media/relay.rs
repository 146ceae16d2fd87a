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

/// Comfort noise holds until the next packet; what comes then is 20 ms later at the earliest.
const NOISE_TICKS: u32 = 160;

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
    to.end_noise();
    let Some(packet) = readdress(to, now, from, rtp, (payload_type, ticks), packet) else { return };
    codec::convert(&mut packet[HEADER..], received, sent);
    to.emit(packet, out);
}

/// The same for comfort noise: passed on to who agreed to it, else made for `to` until it is sent a voice again.
pub fn forward_noise(to: &mut Leg, now: Micros, from: LegSlot, rtp: &Received, packet: &mut [u8], out: &mut impl Sink) {
    if to.is_occupied() || !to.can_send() {
        return;
    }
    to.hear_noise(packet.get(rtp.payload.clone()).unwrap_or_default());
    if let Some(payload_type) = to.takes_noise()
        && let Some(packet) = readdress(to, now, from, rtp, (payload_type, NOISE_TICKS), packet)
    {
        to.emit(packet, out);
    }
}

/// Puts our header before a payload. `None` = it is not to be sent.
fn readdress<'p>(
    to: &mut Leg,
    now: Micros,
    from: LegSlot,
    rtp: &Received,
    (payload_type, ticks): (u8, u32),
    packet: &'p mut [u8],
) -> Option<&'p mut [u8]> {
    let header = to.egress.relayed(now, from, rtp.ssrc, rtp.sequence, rtp.timestamp, ticks, rtp.marker)?;
    // A payload begins behind a fixed header (checked when it was parsed), so there is always room before it.
    let start = rtp.payload.start.checked_sub(HEADER)?;
    let packet = packet.get_mut(start..rtp.payload.end)?;
    packet[..HEADER].copy_from_slice(&Header { payload_type, ..header }.octets());
    Some(packet)
}
