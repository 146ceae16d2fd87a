//! Keys that we press on a leg: those the flow sends, and those relayed from the other party, whose end is not known
//! when they begin. RFC 4733 2.5.1: an update every 20 ms with growing duration, the last one three times.

use super::super::egress::Egress;
use super::super::rtp::Header;
use super::{EventPayload, MIN_SAMPLES, Micros, event_of};
use std::collections::VecDeque;

/// Samples between two updates.
const UPDATE: u32 = 160;
/// The end is sent this often, because nothing says that it was lost (RFC 4733 2.5.1.4).
const ENDS: u8 = 3;
/// The shortest key that is sent as tones: 80 ms, of which a lost packet leaves the 40 that Q.24 asks for.
const MIN_TONE: u32 = 640;
/// Keys that may wait: a card number and a PIN. Beyond, the sender is told.
const MAX_WAITING: usize = 32;
/// A key that is held longer is let go: the duration field holds no more (8.19 s).
const MAX_SAMPLES: u32 = 0xffff;

#[derive(Clone, Debug)]
pub struct KeySender {
    state: State,
    waiting: VecDeque<Press>,
}

impl Default for KeySender {
    fn default() -> Self {
        // All the room there will ever be, so that a key that is relayed allocates nothing.
        Self { state: State::Idle, waiting: VecDeque::with_capacity(MAX_WAITING) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Press {
    event: u8,
    hold: Hold,
}

/// How long a key is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// In samples.
    For(u32),
    /// Until the other party lets go.
    UntilReleased,
}

#[derive(Clone, Debug)]
enum State {
    Idle,
    Sounding { press: Press, sounded: u32 },
    Ending { event: u8, duration: u16, left: u8 },
}

/// What the next 20 ms of a key are where it is sent as tones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// The piece of the key that begins so many samples after its begin.
    Sound { event: u8, from: u32 },
    /// Behind a key, so that the next is told from it.
    Pause,
}

impl KeySender {
    /// Queues a key for `samples`; false = unknown key or no room.
    pub fn press(&mut self, key: char, samples: u32) -> bool {
        self.queue(key, Hold::For(samples.clamp(MIN_SAMPLES, MAX_SAMPLES)))
    }

    /// Queues a key that is held until `release`.
    pub fn hold(&mut self, key: char) -> bool {
        // One finger: what was held before is over.
        self.release(0);
        self.queue(key, Hold::UntilReleased)
    }

    /// The held key was let go after `samples`.
    pub fn release(&mut self, samples: u32) {
        let sounding = match &mut self.state {
            State::Sounding { press, .. } => Some(press),
            State::Idle | State::Ending { .. } => None,
        };
        if let Some(press) = sounding.into_iter().chain(&mut self.waiting).find(|p| p.hold == Hold::UntilReleased) {
            press.hold = Hold::For(samples.clamp(MIN_SAMPLES, MAX_SAMPLES));
        }
    }

    /// While keys sound, the leg sends nothing else.
    pub fn is_active(&self) -> bool {
        !matches!(self.state, State::Idle) || !self.waiting.is_empty()
    }

    /// Every 20 ms while active: the packet to send.
    pub fn next(&mut self, now: Micros, egress: &mut Egress) -> Option<(Header, EventPayload)> {
        if matches!(self.state, State::Idle) {
            let press = self.waiting.pop_front()?;
            self.state = State::Sounding { press, sounded: UPDATE };
            let header = egress.event_begins(now);
            return Some((header, EventPayload { event: press.event, end: false, duration: UPDATE as u16 }));
        }
        match &mut self.state {
            State::Sounding { press, sounded } => {
                *sounded += UPDATE;
                let (event, sounded) = (press.event, (*sounded).min(MAX_SAMPLES));
                let over = match press.hold {
                    Hold::For(samples) => sounded >= samples,
                    Hold::UntilReleased => sounded == MAX_SAMPLES,
                };
                if over {
                    self.state = State::Ending { event, duration: sounded as u16, left: ENDS - 1 };
                }
                let header = egress.event_goes_on(sounded);
                Some((header, EventPayload { event, end: over, duration: sounded as u16 }))
            }
            State::Ending { event, duration, left } => {
                let payload = EventPayload { event: *event, end: true, duration: *duration };
                *left -= 1;
                if *left == 0 {
                    self.state = State::Idle;
                }
                Some((egress.event_goes_on(u32::from(payload.duration)), payload))
            }
            State::Idle => None,
        }
    }

    /// As `next`, where the key is sent as tones.
    pub fn tone(&mut self) -> Option<Tone> {
        match &mut self.state {
            State::Idle => {
                let press = self.waiting.pop_front()?;
                self.state = State::Sounding { press, sounded: UPDATE };
                Some(Tone::Sound { event: press.event, from: 0 })
            }
            State::Sounding { press, sounded } => {
                let from = *sounded;
                let over = match press.hold {
                    Hold::For(samples) => from >= samples.max(MIN_TONE),
                    Hold::UntilReleased => from >= MAX_SAMPLES,
                };
                let event = press.event;
                if over {
                    self.state = State::Ending { event, duration: 0, left: ENDS - 1 };
                    return Some(Tone::Pause);
                }
                *sounded += UPDATE;
                Some(Tone::Sound { event, from })
            }
            State::Ending { left, .. } => {
                *left -= 1;
                if *left == 0 {
                    self.state = State::Idle;
                }
                Some(Tone::Pause)
            }
        }
    }

    /// The peer can no longer be sent keys: those that wait are given back to be reported.
    pub fn clear(&mut self) -> impl Iterator<Item = char> {
        self.state = State::Idle;
        self.waiting.drain(..).filter_map(|press| super::key_of(press.event))
    }

    fn queue(&mut self, key: char, hold: Hold) -> bool {
        match event_of(key) {
            Some(event) if self.waiting.len() < MAX_WAITING => {
                self.waiting.push_back(Press { event, hold });
                true
            }
            Some(_) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(sender: &mut KeySender) -> Vec<(Header, EventPayload)> {
        let mut egress = Egress::new(1, 0, 0);
        let mut packets = Vec::new();
        for tick in 0.. {
            match sender.next(tick * 20_000, &mut egress) {
                Some(packet) => {
                    egress.count(4);
                    packets.push(packet);
                }
                None => break,
            }
        }
        packets
    }

    #[test]
    fn a_key_grows_in_one_time_stamp_and_its_end_is_sent_three_times() {
        let mut sender = KeySender::default();
        assert!(sender.press('#', 800));
        let packets = all(&mut sender);
        let durations: Vec<_> = packets.iter().map(|(_, payload)| (payload.duration, payload.end)).collect();
        assert_eq!(
            durations,
            [(160, false), (320, false), (480, false), (640, false), (800, true), (800, true), (800, true)]
        );
        assert!(packets.iter().all(|(_, payload)| payload.event == 11));
        assert!(packets.windows(2).all(|pair| pair[0].0.timestamp == pair[1].0.timestamp));
        assert!(packets.windows(2).all(|pair| pair[0].0.sequence + 1 == pair[1].0.sequence));
        assert_eq!(packets.iter().filter(|(header, _)| header.marker).count(), 1);
    }

    #[test]
    fn the_shortest_key_lasts_40_ms() {
        let mut sender = KeySender::default();
        sender.press('1', 1);
        assert_eq!(all(&mut sender).last().unwrap().1.duration, 320);
    }

    #[test]
    fn a_held_key_sounds_until_it_is_released() {
        let mut sender = KeySender::default();
        let mut egress = Egress::new(1, 0, 0);
        sender.hold('5');
        for tick in 0..50 {
            let (_, payload) = sender.next(tick * 20_000, &mut egress).unwrap();
            assert!(!payload.end);
        }
        sender.release(8000);
        assert!(sender.next(1_000_000, &mut egress).unwrap().1.end);
    }

    #[test]
    fn a_new_held_key_lets_the_one_before_go() {
        let mut sender = KeySender::default();
        sender.hold('1');
        sender.hold('2');
        sender.release(320);
        let ends: Vec<_> = all(&mut sender).iter().filter(|(_, p)| p.end).map(|(_, p)| (p.event, p.duration)).collect();
        assert_eq!(ends, [(1, 320), (1, 320), (1, 320), (2, 320), (2, 320), (2, 320)]);
    }

    #[test]
    fn a_key_that_is_never_released_ends_when_its_duration_is_full() {
        let mut sender = KeySender::default();
        sender.hold('5');
        let packets = all(&mut sender);
        assert_eq!(packets.len(), 410 + 2);
        assert_eq!(packets.last().unwrap().1, EventPayload { event: 5, end: true, duration: 0xffff });
    }

    #[test]
    fn the_33rd_waiting_key_is_refused() {
        let mut sender = KeySender::default();
        assert!((0..32).all(|_| sender.press('1', 400)));
        assert!(!sender.press('1', 400) && !sender.press('x', 400));
        assert_eq!(sender.clear().count(), 32);
        assert!(!sender.is_active());
    }
}
