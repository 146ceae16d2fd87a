//! One leg's sound, from packets as they come to even pieces. See the module above for who uses it.
//!
//! The time line is the sender's: `next` is the time stamp of the first sample not yet decoded. A packet that is missing
//! while its successor is there was lost, and is made up for; when nothing is there at all, sound is made up without going
//! on, because what is late may still come: so the wait grows by itself where it was too short. It shrinks again, 10 ms at
//! a time and best in silence, when for a whole second every packet came earlier than it had to.

use super::super::codec::{self, Decoder, MAX_SAMPLES, Rate};
use super::super::{MS, Micros};
use super::conceal::Concealer;
use super::jitter::{Head, JitterBuffer, Unevenness};
use super::resample::Resampler;
use super::{TURN, TURN_MS};
use crate::sdp::Codec;

/// A time stamp further than this from the expected one belongs to another time line.
const JUMP: Micros = 1000 * MS;
/// A source that was not heard for so long has nothing more to say; whoever listens is better served by true silence.
const GONE: Micros = 400 * MS;
/// How long packets must have come too early before the wait shrinks, and by how much too early.
const WINDOW: Micros = 1000 * MS;
const SPARE: Micros = 25 * MS;
/// More than this is taken away even in the middle of a word.
const TOO_MUCH: Micros = 100 * MS;
/// More sound than this never waits.
const MOST: i64 = 250 * MS.cast_signed();
/// Mean of the samples' size below which a piece counts as silent: -54 dB to full scale.
const SILENT: u32 = 64;
const STEP_MS: usize = 10;
/// Decoded samples that wait for their turn: one packet and the rest of the one before.
const ROOM: usize = MAX_SAMPLES + 2 * TURN;

#[derive(Debug)]
pub struct Input {
    rate: Rate,
    state: State,
    ssrc: u32,
    codec: Codec,
    buffer: JitterBuffer,
    unevenness: Unevenness,
    decoder: Decoder,
    resampler: Resampler,
    concealer: Concealer,
    decoded: [i16; ROOM],
    ready: usize,
    /// Of the first sample not yet decoded.
    next: u32,
    /// Ticks made up without going on.
    owed: u32,
    /// What a new time line's next packet must carry, after a first that was not believed.
    rival: Option<u32>,
    heard: Micros,
    pulled: Micros,
    window: Window,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing to say.
    Idle,
    /// The first packet is there; those that follow it may come later than it did.
    Waiting {
        since: Micros,
    },
    Running,
}

/// The least time by which a packet came early since `began`.
#[derive(Debug)]
struct Window {
    began: Micros,
    least: i64,
    /// What is to be taken away when it is least heard.
    spare: Micros,
}

/// For figures: pieces of 10 ms made up, packets that came too late or found no place, and new time lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub concealed: u64,
    pub late: u64,
    pub resynced: u64,
}

impl Input {
    /// For sound at `rate`, which is best that of the leg's codec.
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            state: State::Idle,
            ssrc: 0,
            codec: Codec::Pcmu,
            buffer: JitterBuffer::default(),
            unevenness: Unevenness::default(),
            decoder: Decoder::default(),
            resampler: Resampler::default(),
            concealer: Concealer::new(rate),
            decoded: [0; ROOM],
            ready: 0,
            next: 0,
            owed: 0,
            rival: None,
            heard: 0,
            pulled: 0,
            window: Window::new(0),
            counts: Counts::default(),
        }
    }

    pub fn rate(&self) -> Rate {
        self.rate
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// One packet, each once and in any order.
    pub fn push(&mut self, now: Micros, ssrc: u32, timestamp: u32, codec: Codec, payload: &[u8]) {
        let Some(ticks) = codec::ticks(codec, payload) else {
            self.counts.late += 1;
            return;
        };
        let goes_on = self.state != State::Idle && ssrc == self.ssrc && codec.clock_khz() == self.codec.clock_khz();
        if !goes_on {
            self.begin(now, ssrc, timestamp, codec);
        } else if self.to_micros(self.distance(timestamp)).unsigned_abs() > JUMP {
            if self.rival != Some(timestamp) {
                // One packet with a time of its own is not believed: two time lines in turn would tear all sound.
                self.rival = Some(timestamp.wrapping_add(ticks));
                self.counts.late += 1;
                return;
            }
            self.counts.resynced += 1;
            self.begin(now, ssrc, timestamp, codec);
        } else if let State::Waiting { .. } = self.state
            && self.distance(timestamp) < 0
        {
            // It overtook the one we took for the first.
            self.next = timestamp;
        }
        self.rival = None;
        self.codec = codec;
        self.heard = now;
        self.unevenness.arrive(now, timestamp, codec.clock_khz());
        let distance = self.distance(timestamp);
        if distance + i64::from(ticks) <= 0 {
            self.counts.late += 1;
            return;
        }
        if self.to_micros(distance) > MOST {
            // Held up on the way and come at once: the rest of the call is not to be that much later.
            let wait = self.unevenness.wait() / MS * u64::from(codec.clock_khz());
            self.next = timestamp.wrapping_sub(wait as u32);
            self.owed = 0;
        }
        self.window.note(self.earliness(now, distance));
        if !self.buffer.insert(codec, timestamp, ticks, payload) {
            self.counts.late += 1;
        }
    }

    /// The next turn's worth of sound, [`TURN_MS`] at [`Input::rate`]. `None` = there is nothing to say.
    pub fn pull<'a>(&mut self, now: Micros, pcm: &'a mut [i16; TURN]) -> Option<&'a [i16]> {
        if now.saturating_sub(self.heard) > GONE && self.ready == 0 {
            self.state = State::Idle;
            self.buffer.clear();
        }
        match self.state {
            State::Idle => return None,
            State::Waiting { since } if now < since + self.unevenness.wait() => {
                let piece = &mut pcm[..TURN_MS * self.rate.per_ms()];
                self.concealer.conceal(piece);
                self.pulled = now;
                return Some(piece);
            }
            State::Waiting { .. } => {
                self.state = State::Running;
                self.window = Window::new(now);
            }
            State::Running => {}
        }
        self.pulled = now;
        self.window.close(now, self.unevenness.wait());
        let step = STEP_MS * self.rate.per_ms();
        let piece = &mut pcm[..TURN_MS * self.rate.per_ms()];
        for part in piece.chunks_exact_mut(step) {
            self.fill(step);
            self.shrink(step);
            part.copy_from_slice(&self.decoded[..step]);
            self.decoded.copy_within(step..self.ready, 0);
            self.ready -= step;
        }
        Some(piece)
    }

    /// What is still waiting is not wanted.
    pub fn stop(&mut self) {
        self.state = State::Idle;
        self.buffer.clear();
        self.ready = 0;
    }

    fn begin(&mut self, now: Micros, ssrc: u32, timestamp: u32, codec: Codec) {
        self.buffer.clear();
        self.unevenness.forget_transit();
        (self.ssrc, self.codec, self.next, self.owed) = (ssrc, codec, timestamp, 0);
        self.state = State::Waiting { since: now };
    }

    /// Decodes or makes up until `samples` are ready.
    fn fill(&mut self, samples: usize) {
        while self.ready < samples {
            let Some((slot, head)) = self.buffer.earliest(self.next) else {
                self.owed = self.owed.saturating_add(self.ticks_of(samples - self.ready));
                self.make_up(samples - self.ready);
                return;
            };
            let gap = self.distance(head.timestamp);
            if gap + i64::from(head.ticks) <= 0 {
                self.buffer.remove(slot);
                continue;
            }
            if gap <= 0 {
                self.decode(slot, head, gap.unsigned_abs() as u32);
                continue;
            }
            // What was made up while nothing was there was in place of this.
            let made = u32::try_from(gap).unwrap_or(u32::MAX).min(self.owed);
            self.owed -= made;
            self.next = self.next.wrapping_add(made);
            if gap > i64::from(made) {
                self.bridge(slot, head, gap - i64::from(made));
            }
        }
    }

    fn decode(&mut self, slot: usize, head: Head, skipped: u32) {
        let mut native = [0; MAX_SAMPLES];
        let samples = self.decoder.decode(head.codec, self.buffer.payload(slot), &mut native);
        self.buffer.remove(slot);
        let rate = Rate::of(head.codec);
        // Its beginning may have been there already, or made up for.
        let skipped = (skipped / head.codec.clock_khz()) as usize * rate.per_ms();
        self.take(rate, native.get(skipped..samples).unwrap_or_default());
        self.next = head.timestamp.wrapping_add(head.ticks);
        self.owed = 0;
    }

    /// What is missing before a packet that is there: told by that packet, or made up 10 ms at a time.
    fn bridge(&mut self, slot: usize, head: Head, gap: i64) {
        let whole = gap == i64::from(head.ticks);
        if whole {
            let mut native = [0; MAX_SAMPLES];
            let rate = Rate::of(head.codec);
            let samples = (head.ticks / head.codec.clock_khz()) as usize * rate.per_ms();
            let room = &mut native[..samples.min(MAX_SAMPLES)];
            let told = self.decoder.recover(head.codec, self.buffer.payload(slot), room);
            if told > 0 {
                self.take(rate, &native[..told]);
                self.next = head.timestamp;
                self.counts.concealed += (told / (STEP_MS * rate.per_ms())) as u64;
                return;
            }
        }
        let most = i64::from(self.codec.clock_khz()) * STEP_MS as i64;
        let ticks = gap.min(most) as u32;
        self.make_up((ticks / self.codec.clock_khz()) as usize * self.rate.per_ms());
        self.next = self.next.wrapping_add(ticks);
    }

    /// Adds what came.
    fn take(&mut self, rate: Rate, pcm: &[i16]) {
        let room = &mut self.decoded[self.ready..];
        let samples = self.resampler.convert(rate, self.rate, pcm, room);
        self.concealer.came(&mut self.decoded[self.ready..self.ready + samples]);
        self.ready += samples;
    }

    fn make_up(&mut self, samples: usize) {
        let samples = samples.min(ROOM - self.ready);
        self.concealer.conceal(&mut self.decoded[self.ready..self.ready + samples]);
        self.ready += samples;
        self.counts.concealed += 1;
    }

    /// Takes a piece away where more waits than has to: the sound before flows into the sound after.
    fn shrink(&mut self, step: usize) {
        let spare = self.window.spare;
        if spare < (STEP_MS as Micros) * MS {
            return;
        }
        let size: u32 = self.decoded[..step].iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
        if size > SILENT * step as u32 && spare < TOO_MUCH {
            return;
        }
        if self.ready < 2 * step && self.buffer.earliest(self.next).is_none() {
            return;
        }
        self.fill(2 * step);
        for n in 0..step {
            let (before, after) = (i32::from(self.decoded[n]), i32::from(self.decoded[n + step]));
            let (n_i, of) = (n as i32, step as i32);
            self.decoded[n] = ((before * (of - n_i) + after * n_i) / of) as i16;
        }
        self.decoded.copy_within(2 * step..self.ready, step);
        self.ready -= step;
        self.window.spare = spare - (STEP_MS as Micros) * MS;
    }

    /// Ticks from what is decoded next.
    fn distance(&self, timestamp: u32) -> i64 {
        i64::from(timestamp.wrapping_sub(self.next).cast_signed())
    }

    fn to_micros(&self, ticks: i64) -> i64 {
        ticks * 1000 / i64::from(self.codec.clock_khz())
    }

    fn ticks_of(&self, samples: usize) -> u32 {
        (samples / self.rate.per_ms()) as u32 * self.codec.clock_khz()
    }

    /// How long before its sound is due a packet came.
    fn earliness(&self, now: Micros, distance: i64) -> i64 {
        let waiting = (self.ready / self.rate.per_ms()) as i64 * MS.cast_signed();
        let next_turn = self.pulled.cast_signed() + TURN_MS as i64 * MS.cast_signed();
        next_turn - now.cast_signed() + waiting + self.to_micros(distance)
    }
}

impl Window {
    fn new(now: Micros) -> Self {
        Self { began: now, least: i64::MAX, spare: 0 }
    }

    fn note(&mut self, early: i64) {
        self.least = self.least.min(early);
    }

    fn close(&mut self, now: Micros, wait: Micros) {
        if now < self.began + WINDOW {
            return;
        }
        let spare = self.least.saturating_sub(wait.cast_signed()).max(0).cast_unsigned();
        let known = self.least != i64::MAX && spare > SPARE;
        *self = Self { spare: if known { spare - SPARE / 2 } else { 0 }, ..Self::new(now) };
    }
}
