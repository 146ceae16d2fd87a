//! Keys that a peer presses. One press is one (SSRC, time stamp), whatever its packets carry: it is reported at the
//! first of them that comes, whichever that is, and never again.
//!
//! The marker is never needed (some gateways strip it); a press ends at the end bit, at the next press, or when
//! updates stay away; so three lost end packets lose nothing and a long press is one key.

use super::{EventPayload, GIVEN_UP, Micros, key_of};

/// Presses that are over but may still have packets on the way.
const REMEMBERED: usize = 8;

#[derive(Clone, Debug, Default)]
pub struct Keypad {
    state: State,
    /// Recent presses by (SSRC, time stamp, event), newest last written at `next`.
    known: [Option<(u32, u32, u8)>; REMEMBERED],
    next: usize,
}

#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Up,
    Down(Down),
}

#[derive(Clone, Debug)]
struct Down {
    ssrc: u32,
    /// Of the current segment: a press beyond 65535 samples goes on under a new time stamp (RFC 4733 2.5.1.3).
    timestamp: u32,
    event: u8,
    /// Samples of segments that are complete.
    earlier: u32,
    duration: u16,
    heard: Micros,
}

impl Down {
    fn held(&self) -> u32 {
        self.earlier.saturating_add(u32::from(self.duration))
    }
}

/// What one packet changed, in this order. Durations in ticks of the event's clock, until they are made 8 kHz samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Press {
    /// The press before is over, as this packet is of a new one.
    pub ended: Option<u32>,
    pub pressed: Option<char>,
    /// The press that this packet is of is over.
    pub released: Option<u32>,
}

impl Press {
    pub fn at_8_khz(self, khz: u32) -> Self {
        let samples = |ticks: Option<u32>| ticks.map(|ticks| at_8_khz(ticks, khz));
        Self { ended: samples(self.ended), pressed: self.pressed, released: samples(self.released) }
    }
}

/// A length in ticks of a clock, in 8 kHz samples.
pub fn at_8_khz(ticks: u32, khz: u32) -> u32 {
    u32::try_from(u64::from(ticks) * 8 / u64::from(khz)).unwrap_or(u32::MAX)
}

impl Keypad {
    pub fn receive(&mut self, now: Micros, ssrc: u32, timestamp: u32, payload: EventPayload) -> Press {
        let EventPayload { event, end, duration } = payload;
        let mut press = Press::default();
        let Some(key) = key_of(event) else { return press };
        if let State::Down(down) = &mut self.state
            && down.ssrc == ssrc
            && down.event == event
        {
            let next_segment = timestamp == down.timestamp.wrapping_add(0xffff);
            if next_segment {
                down.earlier = down.earlier.saturating_add(0xffff);
                down.timestamp = timestamp;
                down.duration = 0;
            }
            if timestamp == down.timestamp {
                down.heard = now;
                // Packets may come in the wrong order.
                down.duration = down.duration.max(duration);
                let held = down.held();
                if next_segment {
                    self.remember((ssrc, timestamp, event));
                }
                if end {
                    self.state = State::Up;
                    press.released = Some(held);
                }
                return press;
            }
        }
        if self.known.contains(&Some((ssrc, timestamp, event))) {
            return press;
        }
        self.remember((ssrc, timestamp, event));
        press.ended = self.release();
        press.pressed = Some(key);
        if end {
            // All that came before was lost.
            press.released = Some(u32::from(duration));
        } else {
            self.state = State::Down(Down { ssrc, timestamp, event, earlier: 0, duration, heard: now });
        }
        press
    }

    /// Gives a key up whose updates stay away. `Some` = how long it was held, in ticks.
    pub fn look(&mut self, now: Micros) -> Option<u32> {
        match &self.state {
            State::Down(down) if now.saturating_sub(down.heard) >= GIVEN_UP => self.release(),
            State::Down(_) | State::Up => None,
        }
    }

    pub fn is_down(&self) -> bool {
        matches!(self.state, State::Down(_))
    }

    fn release(&mut self) -> Option<u32> {
        match std::mem::take(&mut self.state) {
            State::Down(down) => Some(down.held()),
            State::Up => None,
        }
    }

    fn remember(&mut self, press: (u32, u32, u8)) {
        self.known[self.next] = Some(press);
        self.next = (self.next + 1) % REMEMBERED;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds (ms, timestamp, event, end, duration) and returns the keys reported.
    fn keys(packets: &[(u64, u32, u8, bool, u16)]) -> String {
        let mut keypad = Keypad::default();
        let mut keys = String::new();
        for &(ms, timestamp, event, end, duration) in packets {
            keypad.look(ms * 1000);
            keys.extend(keypad.receive(ms * 1000, 1, timestamp, EventPayload { event, end, duration }).pressed);
        }
        keys
    }

    #[test]
    fn a_press_with_lost_beginning_or_lost_end_is_one_key() {
        assert_eq!(keys(&[(0, 0, 5, false, 160), (20, 0, 5, false, 320)]), "5", "no end");
        assert_eq!(keys(&[(60, 0, 5, true, 480)]), "5", "only an end");
        assert_eq!(keys(&[(60, 0, 5, true, 480), (80, 0, 5, true, 480), (100, 0, 5, true, 480)]), "5");
        assert_eq!(keys(&[(0, 0, 5, false, 160), (900, 0, 5, true, 7200)]), "5", "the middle is lost");
    }

    #[test]
    fn swapped_and_doubled_packets_are_one_key() {
        assert_eq!(
            keys(&[
                (0, 0, 9, false, 320),
                (1, 0, 9, false, 160),
                (2, 0, 9, false, 160),
                (3, 0, 9, true, 480),
                (4, 0, 9, false, 320)
            ]),
            "9"
        );
    }

    #[test]
    fn an_end_that_comes_after_the_next_press_began_is_no_third_key() {
        assert_eq!(
            keys(&[(0, 0, 1, false, 160), (90, 800, 1, false, 160), (91, 0, 1, true, 480), (110, 800, 1, true, 320)]),
            "11"
        );
    }

    #[test]
    fn the_same_key_twice_is_two_keys_even_without_any_end() {
        assert_eq!(keys(&[(0, 0, 1, false, 160), (20, 0, 1, false, 320), (100, 800, 1, false, 160)]), "11");
    }

    #[test]
    fn a_press_of_ten_seconds_in_segments_is_one_key() {
        let mut packets: Vec<_> = (1..=409).map(|n| (n * 20, 7, 3, false, (n * 160) as u16)).collect();
        packets.extend((410..=500).map(|n| (n * 20, 7 + 0xffff, 3, false, (n * 160 - 0xffff) as u16)));
        packets.push((10_020, 7 + 0xffff, 3, true, 15_000));
        assert_eq!(keys(&packets), "3");
    }

    #[test]
    fn a_key_whose_segments_never_end_has_a_length_all_the_same() {
        let mut keypad = Keypad::default();
        let mut held = None;
        for n in 0..70_000u32 {
            let payload = EventPayload { event: 4, end: n == 69_999, duration: u16::MAX };
            held = keypad.receive(0, 1, n.wrapping_mul(0xffff), payload).at_8_khz(8).released;
        }
        assert_eq!(held, Some(u32::MAX));
        assert_eq!((at_8_khz(u32::MAX, 48), at_8_khz(u32::MAX, 1)), (u32::MAX / 6, u32::MAX));
    }

    #[test]
    fn a_key_is_given_up_after_three_missed_updates_with_the_length_it_had() {
        let mut keypad = Keypad::default();
        keypad.receive(0, 1, 0, EventPayload { event: 4, end: false, duration: 400 });
        assert_eq!((keypad.look(149_000), keypad.look(150_000)), (None, Some(400)));
        assert!(!keypad.is_down());
    }

    #[test]
    fn flash_and_unknown_events_are_no_keys() {
        assert_eq!(keys(&[(0, 0, 16, false, 160), (0, 9, 255, true, 160)]), "");
    }

    #[test]
    fn all_sixteen_keys_are_known_both_ways() {
        for event in 0..16 {
            assert_eq!(super::super::event_of(key_of(event).unwrap()), Some(event));
        }
        assert_eq!(super::super::event_of('d'), Some(15));
        assert_eq!(super::super::event_of('x'), None);
    }

    #[test]
    fn a_cut_short_event_is_refused() {
        assert_eq!(EventPayload::parse(&[1, 0x80, 0]), None);
    }
}
