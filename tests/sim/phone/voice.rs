//! The voice of a phone, its keys, and its ear.

use super::*;

impl Phone {
    /// Presses a key for 100 ms in RFC 4733.
    pub fn press(&mut self, now: Instant, key: char, loss: Loss) {
        const UPDATES: u16 = 5;
        let nth = self.calls.len() - 1;
        let event = match key {
            '*' => 10,
            '#' => 11,
            digit => digit.to_digit(10).expect("a key") as u8,
        };
        let call = &mut self.calls[nth];
        // Whoever types waits for no word.
        call.attended = Some(now);
        for n in 1..=UPDATES + 2 {
            let [high, low] = (n.min(UPDATES) * 160).to_be_bytes();
            let end = n >= UPDATES;
            let lost = match loss {
                Loss::None => false,
                Loss::First => n == 1,
                Loss::Ends => end,
            };
            let payload = [event, u8::from(end) << 7 | 10, high, low];
            call.keys.push_back(KeyPacket { payload, first: n == 1, lost });
        }
        // A key is heard after a pause; back to back with the next it would be taken for the same press.
        self.speak_up(now, nth);
    }

    pub(super) fn speak_up(&mut self, now: Instant, nth: usize) {
        let call = &mut self.calls[nth];
        if !std::mem::replace(&mut call.saying, true) {
            self.plans.push((now, Plan::Say(nth)));
        }
    }

    /// The next packet of a call: a key if one is pressed, else the voice.
    pub(super) fn say(&mut self, now: Instant, nth: usize) {
        let Manners { talks, pace, .. } = self.manners;
        let voice = self.voice;
        self.calls[nth].saying = false;
        if self.send_page(nth) {
            self.calls[nth].saying = true;
            self.plans.push((now + pace, Plan::Say(nth)));
            return;
        }
        let call = &mut self.calls[nth];
        let (Some(spec), false) = (&call.spec, matches!(call.state, State::Over(_))) else { return };
        let remote = spec.remote;
        let mut header = rtp::Header {
            marker: false,
            payload_type: spec.send_pt,
            sequence: call.sequence.wrapping_add(1),
            timestamp: call.timestamp.wrapping_add(if call.keys.is_empty() {
                pace.as_millis() as u32 * 8
            } else {
                160
            }),
            ssrc: call.ssrc,
        };
        call.timestamp = header.timestamp;
        let payload = match (call.keys.pop_front(), spec.event_send_pt) {
            (Some(key), Some(payload_type)) => {
                if key.first {
                    call.last_key = Some(header.timestamp);
                }
                call.sequence = header.sequence;
                header.payload_type = payload_type;
                header.marker = key.first;
                header.timestamp = call.last_key.unwrap_or(header.timestamp);
                if call.keys.front().is_none_or(|next| next.first) {
                    call.timestamp = call.timestamp.wrapping_add(800);
                }
                (!key.lost).then(|| key.payload.to_vec())
            }
            _ if talks && !call.holding && !call.mute && spec.direction.may_send() => {
                call.sequence = header.sequence;
                Some(sound::encoded(voice, spec.codec))
            }
            _ => None,
        };
        let pressing = !call.keys.is_empty();
        if let Some(payload) = payload {
            self.packets.push((call.port, remote, [&header.octets(), &payload[..]].concat()));
        }
        if pressing || talks {
            call.saying = true;
            let pause = if pressing { Duration::from_millis(20) } else { pace };
            self.plans.push((now + pause, Plan::Say(nth)));
        }
    }

    /// A datagram on one of its RTP ports.
    pub fn hear(&mut self, now: Instant, port: u16, packet: &[u8]) {
        /// A shorter pause than this belongs to the sound around it.
        const PAUSE: Duration = Duration::from_millis(100);
        let Some(call) = self.calls.iter_mut().rev().find(|call| call.port == port) else { return };
        let Some(spec) = &call.spec else { return call.unasked += 1 };
        if call.fax.is_some() && rtp::parse(packet).is_err() {
            let page = *packet.last().expect("no empty datagram");
            if call.pages_of.last() != Some(&page) {
                call.pages_of.push(page);
            }
            return;
        }
        let Ok(rtp) = rtp::parse(packet) else { return };
        let payload = &packet[rtp.payload.clone()];
        if Some(rtp.payload_type) == spec.event_recv_pt {
            if rtp.marker && payload.len() == 4 {
                let key = b"0123456789*#".get(usize::from(payload[0])).copied().unwrap_or(b'?');
                call.keys_heard.push(char::from(key));
            }
            return;
        }
        let codec = match spec.accepted.iter().find(|(pt, _)| *pt == rtp.payload_type) {
            Some((_, codec)) => *codec,
            None => spec.codec,
        };
        let sound = sound::listen(codec, payload);
        if sound == Heard::Silence {
            return;
        }
        match call.heard.last_mut() {
            Some(last) if last.sound == sound && now.duration_since(last.until) <= PAUSE.max(self.manners.pace * 3) => {
                last.until = now;
                last.packets += 1;
            }
            _ => call.heard.push(Stretch { sound, from: now, until: now, packets: 1 }),
        }
    }

    /// Calls of its own that are up, may hear something and have heard nothing since the last look, with their Call-IDs.
    pub fn unheard(&mut self, now: Instant, since: Instant) -> impl Iterator<Item = (String, &mut PhoneCall)> {
        let idle = self.off || self.by_hand;
        self.calls.iter_mut().filter_map(move |call| {
            let may_hear = call.spec.as_ref().is_some_and(|spec| spec.direction.may_receive());
            let heard = call.heard.last().is_some_and(|last| last.until >= since);
            if idle
                || call.holding
                || call.fax.is_some()
                || call.incoming
                || call.state != State::Up
                || !may_hear
                || heard
            {
                call.attended = Some(now);
                return None;
            }
            let id = call.sip_call_id.clone()?;
            Some((id, call))
        })
    }
}
