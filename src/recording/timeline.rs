//! Where on the line of time each received packet belongs. Pure: it is told when packets arrived and never asks.
//!
//! Both sides of a call are laid on one line that starts when the recording starts and ends when it ends, whatever was
//! lost, so the two stay in step and the length is that of the call. Within one stream the sender's time stamps say how
//! far packets are apart (RFC 3550 5.1); arrival says only where the stream as a whole lies, and corrects it when the
//! clocks of the two ends drift apart.

use super::{RATE, Stereo};
use crate::media::codec::{self, MAX_SAMPLES, NarrowDecoder};
use crate::media::{Side, TapFrame};
use std::collections::VecDeque;
use std::time::Instant;

/// How long a place on the line is kept open for packets that come late: more than a jittery path delays them.
const HOLD: i64 = RATE * 2 / 5;
/// Time stamps that place a packet further than this from its arrival have begun to count anew.
const JUMP: i64 = RATE;
/// What the earliest packets of a window may be off before the stream is moved: two packets, hardly heard.
const TOLERANCE: i64 = RATE / 25;
const WINDOW: i64 = 2 * RATE;
/// What is taken in one go where the line lags behind: 40 KB.
const CHUNK: i64 = RATE * 5 / 4;
/// No packet is placed further ahead of its arrival than this, which bounds the memory.
const LEAD: i64 = JUMP + RATE / 2;

#[derive(Debug)]
pub(super) struct Timeline {
    start: Instant,
    /// Samples already taken away.
    taken: i64,
    open: VecDeque<Stereo>,
    near: Track,
    far: Track,
}

/// One side: the stream it is hearing, if any.
#[derive(Debug, Default)]
struct Track {
    stream: Option<Stream>,
    decoder: NarrowDecoder,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// Ticks of its clock in a millisecond.
    khz: u32,
    /// The last time stamp, as it came and as counted on without wrapping, in ticks.
    timestamp: u32,
    counted: i64,
    /// Place on the line = counted time stamp in samples + this.
    offset: i64,
    /// The least lateness since the window began.
    window_start: i64,
    least_late: i64,
}

impl Timeline {
    pub fn new(start: Instant) -> Self {
        Self { start, taken: 0, open: VecDeque::new(), near: Track::default(), far: Track::default() }
    }

    pub fn place(&mut self, frame: &TapFrame) {
        let arrived = self.samples_at(frame.arrived);
        let (side, track) = match frame.side {
            Side::Near => (0, &mut self.near),
            Side::Far => (1, &mut self.far),
        };
        let first = track.place_of(frame, arrived);
        let last = arrived + LEAD;
        let mut pcm = [0; MAX_SAMPLES];
        let samples = track.decoder.decode(frame.codec, frame.payload(), &mut pcm);
        for (sample, place) in pcm[..samples].iter().copied().zip(first..last) {
            // Before the start, or too late: its place has been written.
            let Ok(at) = usize::try_from(place - self.taken) else { continue };
            if self.open.len() <= at {
                self.open.resize(at + 1, [0, 0]);
            }
            self.open[at][side] = sample;
        }
    }

    /// Whether so much of the line is due that it should be taken before the frame is placed: after the recorder was held
    /// up, the line must not grow by the whole pause.
    pub fn is_behind(&self, frame: &TapFrame) -> bool {
        self.samples_at(frame.arrived) - HOLD - self.taken > CHUNK
    }

    /// Takes what no packet that is still on its way is waited for, a chunk at most; `true` when there is more.
    pub fn take(&mut self, now: Instant, out: &mut Vec<Stereo>) -> bool {
        let due = self.samples_at(now) - HOLD;
        self.take_until(due.min(self.taken + CHUNK), out);
        self.taken < due
    }

    /// Takes all the rest, once `take` has no more: the line ends at `at`.
    pub fn finish(&mut self, at: Instant, out: &mut Vec<Stereo>) {
        self.take_until(self.samples_at(at), out);
    }

    #[cfg(test)]
    pub fn open_samples(&self) -> usize {
        self.open.len()
    }

    /// Samples taken so far.
    pub fn taken(&self) -> i64 {
        self.taken
    }

    fn take_until(&mut self, end: i64, out: &mut Vec<Stereo>) {
        let count = usize::try_from(end - self.taken).unwrap_or(0);
        let placed = count.min(self.open.len());
        out.extend(self.open.drain(..placed));
        out.resize(out.len() + count - placed, [0, 0]);
        self.taken = self.taken.max(end);
    }

    fn samples_at(&self, moment: Instant) -> i64 {
        let passed = moment.saturating_duration_since(self.start);
        i64::try_from(passed.as_micros()).unwrap_or(i64::MAX / RATE) * RATE / 1_000_000
    }
}

impl Track {
    /// The place of the frame's first sample. Its last one was spoken when it left, so the whole lies before `arrived`.
    fn place_of(&mut self, frame: &TapFrame, arrived: i64) -> i64 {
        let khz = frame.codec.clock_khz();
        let samples = |ticks: i64| ticks * 8 / i64::from(khz);
        let by_arrival = arrived - samples(codec::ticks(frame.codec, frame.payload()).unwrap_or(0).into());
        let stream = match &mut self.stream {
            Some(stream) if stream.ssrc == frame.ssrc && stream.khz == khz => stream,
            other => other.insert(Stream {
                ssrc: frame.ssrc,
                khz,
                timestamp: frame.timestamp,
                counted: 0,
                offset: by_arrival,
                window_start: arrived,
                least_late: i64::MAX,
            }),
        };
        let step = frame.timestamp.wrapping_sub(stream.timestamp).cast_signed();
        stream.timestamp = frame.timestamp;
        stream.counted += i64::from(step);
        let late = by_arrival - (samples(stream.counted) + stream.offset);
        if late.abs() > JUMP {
            stream.offset += late;
            stream.window_start = arrived;
            stream.least_late = i64::MAX;
            return by_arrival;
        }
        stream.least_late = stream.least_late.min(late);
        if arrived - stream.window_start >= WINDOW {
            if stream.least_late.abs() > TOLERANCE {
                stream.offset += stream.least_late;
            }
            stream.window_start = arrived;
            stream.least_late = i64::MAX;
        }
        samples(stream.counted) + stream.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::RecordingId;
    use crate::sdp::Codec;
    use std::time::Duration;

    const FRAME: usize = 160;
    /// Loud in mu-law, and apart from silence.
    const LOUD: u8 = 0x10;

    fn frame(side: Side, start: Instant, timestamp: u32, arrived_ms: u64) -> TapFrame {
        let mut frame = TapFrame::empty(RecordingId(1), side, Codec::Pcmu, start + Duration::from_millis(arrived_ms));
        frame.timestamp = timestamp;
        TapFrame::split(frame, &[LOUD; FRAME]).next().unwrap()
    }

    fn ms(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    /// The whole line of a call of `length` ms, taken every 100 ms as packets come.
    fn record(mut frames: Vec<TapFrame>, start: Instant, length: u64) -> Vec<Stereo> {
        frames.sort_by_key(|frame| frame.arrived);
        let mut frames = frames.into_iter().peekable();
        let mut line = Timeline::new(start);
        let mut out = Vec::new();
        for now in (0..=length).step_by(100).map(|at| ms(start, at)) {
            while let Some(frame) = frames.next_if(|frame| frame.arrived <= now) {
                line.place(&frame);
            }
            line.take(now, &mut out);
            assert!(line.open.len() < usize::try_from(LEAD + HOLD + RATE).unwrap(), "memory is bounded");
        }
        line.finish(ms(start, length), &mut out);
        out
    }

    /// The parts of one side that are not silent, in ms.
    fn heard(line: &[Stereo], side: usize) -> Vec<(usize, usize)> {
        let mut parts: Vec<(usize, usize)> = Vec::new();
        for (at, _) in line.iter().enumerate().filter(|(_, sample)| sample[side] != 0) {
            match parts.last_mut() {
                Some((_, end)) if *end == at => *end = at + 1,
                _ => parts.push((at, at + 1)),
            }
        }
        parts.into_iter().map(|(from, to)| (from / 8, to / 8)).collect()
    }

    /// Packets of a talk from `from` to `to` ms as they leave the sender.
    fn talk(side: Side, start: Instant, from: u64, to: u64) -> Vec<TapFrame> {
        let frames = (from..to).step_by(20);
        frames.map(|at| frame(side, start, (at * 8) as u32, at + 20)).collect()
    }

    #[test]
    fn silence_and_speech_add_up_to_the_call() {
        let start = Instant::now();
        let mut frames = talk(Side::Near, start, 1000, 3000);
        frames.extend(talk(Side::Far, start, 2000, 5000));
        let line = record(frames, start, 7500);
        assert_eq!(line.len(), 7500 * 8);
        assert_eq!(heard(&line, 0), [(1000, 3000)]);
        assert_eq!(heard(&line, 1), [(2000, 5000)]);
    }

    #[test]
    fn fifteen_percent_loss_does_not_shorten_the_call_nor_move_a_word() {
        let start = Instant::now();
        let mut state = 12345u32;
        let mut lost = 0;
        let frames = talk(Side::Near, start, 0, 60_000);
        let sent = frames.len();
        let kept: Vec<_> = frames
            .into_iter()
            .filter(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let keep = (state >> 16) % 100 >= 15;
                lost += usize::from(!keep);
                keep
            })
            .collect();
        let places: Vec<_> = kept.iter().map(|frame| frame.timestamp as usize).collect();
        assert!(lost > sent / 10, "the seed loses about 15 %");
        let line = record(kept, start, 60_000);
        assert_eq!(line.len(), 60_000 * 8);
        assert_eq!(line.iter().filter(|sample| sample[0] != 0).count(), (sent - lost) * FRAME);
        assert!(places.iter().all(|at| line[*at][0] != 0 && line[at + FRAME - 1][0] != 0));
    }

    #[test]
    fn jitter_and_disorder_do_not_tear_a_word() {
        let start = Instant::now();
        let mut frames = talk(Side::Near, start, 0, 10_000);
        for (nth, frame) in frames.iter_mut().enumerate() {
            frame.arrived += Duration::from_millis([0, 35, 5, 60, 15][nth % 5]);
        }
        let line = record(frames, start, 11_000);
        assert_eq!(heard(&line, 0), [(0, 10_000)]);
    }

    #[test]
    fn a_pause_without_packets_stays_a_pause_when_time_stamps_stood_still() {
        let start = Instant::now();
        let mut frames = talk(Side::Near, start, 0, 1000);
        // On hold for 5 s: the phone goes on counting where it stopped.
        frames.extend((0..50).map(|nth| frame(Side::Near, start, 8000 + nth * 160, 6000 + 20 + u64::from(nth) * 20)));
        let line = record(frames, start, 8000);
        assert_eq!(heard(&line, 0), [(0, 1000), (6000, 7000)]);
    }

    #[test]
    fn an_outage_keeps_its_length_when_time_stamps_went_on() {
        let start = Instant::now();
        let mut frames = talk(Side::Near, start, 0, 1000);
        frames.extend(talk(Side::Near, start, 6000, 7000));
        assert_eq!(heard(&record(frames, start, 7000), 0), [(0, 1000), (6000, 7000)]);
    }

    #[test]
    fn another_source_and_a_wrapped_time_stamp_go_on_in_place() {
        let start = Instant::now();
        let near = u32::MAX - 8000;
        let mut frames: Vec<_> = (0..100)
            .map(|nth| frame(Side::Near, start, near.wrapping_add(nth * 160), 20 + u64::from(nth) * 20))
            .collect();
        frames.extend((100..200).map(|nth| {
            let mut frame = frame(Side::Near, start, 77 + nth * 160, 20 + u64::from(nth) * 20);
            frame.ssrc = 9;
            frame
        }));
        assert_eq!(heard(&record(frames, start, 4000), 0), [(0, 4000)]);
    }

    #[test]
    fn two_clocks_that_drift_apart_stay_within_a_few_packets() {
        let start = Instant::now();
        for drift_ppm in [-500i64, 500] {
            // Ten minutes at 500 ppm are 300 ms.
            let frames: Vec<_> = (0..30_000u32)
                .map(|nth| {
                    let sent_us = i64::from(nth) * 20_000;
                    let arrived = sent_us + sent_us * drift_ppm / 1_000_000 + 20_000;
                    let mut frame = frame(Side::Near, start, nth * 160, 0);
                    frame.arrived = start + Duration::from_micros(arrived as u64);
                    frame
                })
                .collect();
            let end = (600_000 + 600 * drift_ppm / 1000) as u64;
            let line = record(frames, start, end);
            let (_, last) = *heard(&line, 0).last().unwrap();
            assert!((last as i64 - end as i64).abs() <= 60, "{drift_ppm} ppm: ends at {last} of {end}");
        }
    }

    #[test]
    fn a_packet_that_comes_after_its_place_was_written_is_left_out() {
        let start = Instant::now();
        let mut frames = talk(Side::Near, start, 0, 2000);
        frames[10].arrived += Duration::from_millis(800);
        let line = record(frames, start, 2000);
        assert_eq!(heard(&line, 0), [(0, 200), (220, 2000)]);
    }

    #[test]
    fn wild_time_stamps_cost_no_memory() {
        let start = Instant::now();
        let frames = (0..5000u32).map(|nth| frame(Side::Far, start, nth.wrapping_mul(2_654_435_761), u64::from(nth)));
        assert_eq!(record(frames.collect(), start, 6000).len(), 48_000);
    }

    #[test]
    fn both_laws_on_one_line_are_equally_loud() {
        let start = Instant::now();
        let mut line = Timeline::new(start);
        for (codec, side) in [(Codec::Pcmu, Side::Near), (Codec::Pcma, Side::Far)] {
            let tone: Vec<i16> = (0..160).map(|n| (10_000.0 * (n as f32 * 0.3).sin()) as i16).collect();
            let clip = crate::media::Clip::from_pcm("x", "en", &tone);
            let empty = TapFrame::empty(RecordingId(1), side, codec, ms(start, 20));
            TapFrame::split(empty, clip.encoded(codec::Law::of(codec).unwrap())).for_each(|frame| line.place(&frame));
        }
        let mut out = Vec::new();
        line.finish(ms(start, 20), &mut out);
        assert_eq!(out.len(), 160);
        assert!(out.iter().all(|[left, right]| (left - right).abs() <= 1024 && left.abs() < 11_000));
    }
}
