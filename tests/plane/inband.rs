//! Keys as tones in the voice, from and to parties that take no telephone-event; and each press once, in however many
//! ways it is told.

use crate::world::*;
use hotline::events::media::KeySource;
use hotline::ids::LegId;
use hotline::media::codec::Law;
use hotline::media::codec::g711::{self, PEAK_0_DBM0};
use hotline::media::dtmf::detect::{Detector, FREQUENCIES, Heard};
use hotline::media::dtmf::tone;
use hotline::media::{MediaCmd, MediaEvent, RecordingId};
use hotline::sdp::Codec;
use std::f64::consts::TAU;
use std::process::Command;

const U: Codec = Codec::Pcmu;
const PAD: &str = "0123456789*#ABCD";

/// A tone of a key as a test set makes it.
#[derive(Clone, Copy)]
struct Tone {
    ms: f64,
    /// Relative error of the frequencies.
    off: (f64, f64),
    dbm0: (f64, f64),
    /// Of each tone to noise, in dB.
    noise: Option<f64>,
}

const PLAIN: Tone = Tone { ms: 40.0, off: (0.0, 0.0), dbm0: (-10.0, -10.0), noise: None };

impl Tone {
    /// `lead` samples of quiet, the tone, and 60 ms of quiet.
    fn samples(self, row: usize, column: usize, lead: usize) -> Vec<i16> {
        let peak = |dbm0: f64| PEAK_0_DBM0 * 10f64.powf(dbm0 / 20.0);
        let length = (self.ms * 8.0).round() as usize;
        let (low, high) = (FREQUENCIES[row] * (1.0 + self.off.0), FREQUENCIES[4 + column] * (1.0 + self.off.1));
        let hiss = self.noise.map_or(0.0, |snr| peak(self.dbm0.0 - snr) * 1.732);
        let mut dice = 1u32;
        let sample = |n: usize| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut sum = (f64::from(dice >> 8) / f64::from(1 << 23) - 1.0) * hiss;
            if (lead..lead + length).contains(&n) {
                let t = (n - lead) as f64 / 8000.0;
                sum += peak(self.dbm0.0) * (TAU * low * t).sin() + peak(self.dbm0.1) * (TAU * high * t).sin();
            }
            // Through a telephone line.
            g711::ALAW_DECODE[usize::from(g711::to_alaw(sum.clamp(-32768.0, 32767.0) as i16))]
        };
        (0..lead + length + 480).map(sample).collect()
    }

    /// How many of all keys, begun at several places of a block, are found, and how many others.
    fn found(self) -> (usize, usize, usize) {
        let (mut right, mut wrong, mut all) = (0, 0, 0);
        for lead in (240..320).step_by(13) {
            for place in 0..16 {
                let (row, column) = (place / 4, place % 4);
                let expected = ["123A", "456B", "789C", "*0#D"][row].chars().nth(column).expect("a key").to_string();
                let keys = heard(&self.samples(row, column, lead));
                all += 1;
                right += usize::from(keys == expected);
                wrong += usize::from(!keys.is_empty() && keys != expected);
            }
        }
        (right, wrong, all)
    }

    fn always(self, what: &str) {
        let (right, wrong, all) = self.found();
        assert_eq!((right, wrong), (all, 0), "{what}");
    }

    fn never(self, what: &str) {
        let (right, wrong, _) = self.found();
        assert_eq!((right, wrong), (0, 0), "{what}");
    }
}

/// Mu-law as linear sound.
fn linear(payload: &[u8]) -> Vec<i16> {
    payload.iter().map(|octet| Law::Mu.linear(*octet)).collect()
}

/// The keys that a detector finds.
fn heard(samples: &[i16]) -> String {
    let (mut detector, mut keys) = (Detector::default(), String::new());
    detector.hear(samples.iter().copied(), |heard| {
        if let Heard::Pressed(key) = heard {
            keys.push(key);
        }
    });
    keys
}

#[test]
fn a_tone_of_40_ms_is_a_key_and_one_of_23_ms_is_none() {
    for ms in [40.0, 50.0, 100.0, 1000.0] {
        Tone { ms, ..PLAIN }.always("long enough");
    }
    for ms in [10.0, 20.0, 23.0] {
        Tone { ms, ..PLAIN }.never("too short");
    }
}

#[test]
fn frequencies_within_one_and_a_half_percent_are_taken_and_beyond_three_and_a_half_refused() {
    for (low, high) in [(0.015, 0.015), (-0.015, -0.015), (0.015, -0.015), (-0.015, 0.015)] {
        Tone { off: (low, high), ..PLAIN }.always("1.5 %");
    }
    for off in [0.035, -0.035, 0.045, -0.045] {
        Tone { off: (off, 0.0), ms: 100.0, ..PLAIN }.never("the row is off");
        Tone { off: (0.0, off), ms: 100.0, ..PLAIN }.never("the column is off");
    }
}

#[test]
fn levels_from_0_to_minus_25_dbm0_and_a_twist_of_plus_4_to_minus_8_db_are_taken() {
    for dbm0 in [(0.0, 0.0), (-25.0, -25.0), (-25.0, -21.0), (-17.0, -25.0), (-4.0, 0.0), (0.0, -8.0)] {
        Tone { dbm0, ..PLAIN }.always("within Q.24");
    }
    for dbm0 in [(-14.0, -4.0), (-2.0, -14.0), (-40.0, -40.0)] {
        Tone { dbm0, ms: 100.0, ..PLAIN }.never("beyond Q.24");
    }
}

#[test]
fn keys_are_found_in_noise_of_minus_15_db() {
    Tone { noise: Some(15.0), ..PLAIN }.always("in noise");
}

#[test]
fn a_tone_is_one_key_over_an_interruption_of_10_ms_and_two_over_a_pause_of_40_ms() {
    let press = |gap: usize| {
        let mut samples = Tone { ms: 60.0, ..PLAIN }.samples(1, 1, 320);
        samples.truncate(320 + 480);
        samples.extend(vec![0; gap * 8]);
        samples.extend(&Tone { ms: 60.0, ..PLAIN }.samples(1, 1, 0));
        heard(&samples)
    };
    assert_eq!((press(10).as_str(), press(40).as_str()), ("5", "55"));
}

/// Speech, as far as tones can be mistaken for it: a voice whose pitch and vowels glide over everything that a throat
/// can do, with pauses.
fn a_voice_that_glides(seconds: usize) -> Vec<i16> {
    let (mut phase, mut state) = (0.0f64, [[0.0f64; 2]; 3]);
    (0..seconds * 8000)
        .map(|n| {
            let t = n as f64 / 8000.0;
            let pitch = 140.0 + 70.0 * (t * 1.3).sin() + 30.0 * (t * 0.37).sin();
            phase += pitch / 8000.0;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase -= phase.floor();
            let formants = [500.0 + 250.0 * (t * 2.1).sin(), 1400.0 + 600.0 * (t * 1.7).sin(), 2500.0];
            let mut voice = 0.0;
            for (formant, memory) in formants.into_iter().zip(&mut state) {
                let (r, angle) = (0.985, TAU * formant / 8000.0);
                let next = pulse + 2.0 * r * angle.cos() * memory[0] - r * r * memory[1];
                *memory = [next, memory[0]];
                voice += next;
            }
            let word = if (t * 2.5).fract() < 0.75 { 1.0 } else { 0.0 };
            (voice * word * 4000.0).clamp(-32768.0, 32767.0) as i16
        })
        .collect()
}

#[test]
fn a_voice_and_music_of_the_switch_are_no_keys() {
    assert_eq!(heard(&a_voice_that_glides(60)), "");
    let mut world = World::new();
    let a = Phone::new("10.0.0.1:4000", U);
    world.answer(CALLER, &a);
    let music = hotline::media::PlayItem::Tone(hotline::media::Tone::MusicOnHold);
    world.play(CALLER, 1, vec![music], false);
    world.run(30_000);
    let music: Vec<i16> = world.sent_to(CALLER).iter().flat_map(|s| linear(&s.payload)).collect();
    assert_eq!(heard(&music), "");
}

/// Where a speech synthesiser is installed, real words are tried too.
#[test]
fn speech_is_no_key() {
    let text = "Thank you for calling. Your balance is four hundred and fifty six dollars and seventy nine cents. \
                Please hold the line, he will be with you in a moment. Yes, no, hello, who is there, oh, I see, mhm. \
                The quick brown fox jumps over the lazy dog while seven wizards mix an evil potion. Nine nine nine.";
    let voices = ["en", "en-us+f3", "en+m7", "cmn", "cmn+f2", "de+f5", "en+whisper", "fr+m3"];
    for voice in voices {
        for speed in ["120", "200"] {
            let made = Command::new("espeak-ng").args(["-v", voice, "-s", speed, "--stdout", text]).output();
            let Ok(made) = made else { return };
            // 22,050 Hz to 8 kHz by the nearest sample: what folds back is one more test.
            let wav: Vec<i16> = made
                .stdout
                .get(44..)
                .unwrap_or_default()
                .chunks_exact(2)
                .map(|b| i16::from_le_bytes([b[0], b[1]]))
                .collect();
            let line: Vec<i16> = (0..wav.len() * 8000 / 22_050).map(|n| wav[n * 22_050 / 8000]).collect();
            assert_eq!(heard(&line), "", "{voice} at {speed}");
        }
    }
}

#[test]
fn what_we_send_as_tones_is_understood() {
    for event in 0..16u8 {
        let mut samples: Vec<i16> = vec![0; 100];
        samples.extend(tone::samples(event, 0).take(640));
        samples.extend([0; 480]);
        assert_eq!(heard(&samples), PAD.chars().nth(usize::from(event)).expect("a key").to_string());
    }
}

/// A phone that takes no telephone-event.
fn plain(addr: &str) -> Phone {
    Phone { events: None, ..Phone::new(addr, U) }
}

/// The packets of a key of `ms` and 100 ms of quiet, in the voice.
fn press(phone: &mut Phone, key: char, ms: usize) -> Vec<Vec<u8>> {
    let event = PAD.find(key).expect("a key") as u8;
    let mut samples: Vec<i16> = tone::samples(event, 0).take(ms * 8).collect();
    samples.extend(vec![0; 800]);
    let packet = |frame: &[i16]| {
        phone.sequence = phone.sequence.wrapping_add(1);
        phone.timestamp = phone.timestamp.wrapping_add(160);
        let mut payload = [0; 160];
        g711::encode(Law::Mu, frame, &mut payload);
        phone.packet(phone.codec.payload_type(), false, &payload)
    };
    samples.chunks_exact(160).map(packet).collect()
}

fn dial(world: &mut World, leg: LegId, phone: &mut Phone, keys: &str, keep: impl Fn(usize) -> bool) {
    for key in keys.chars() {
        for (n, packet) in press(phone, key, 100).iter().enumerate() {
            if keep(n) {
                world.deliver(leg, phone.addr, packet);
            }
            world.run(20);
        }
    }
}

fn told(world: &mut World) -> (String, Vec<KeySource>) {
    let key = |event| match event {
        MediaEvent::Key { leg: CALLER, key, via } => Some((key, via)),
        _ => None,
    };
    world.events().into_iter().filter_map(key).unzip()
}

/// What is left in the sound that a party was sent.
fn keys_in(sent: &[Sent]) -> String {
    let voice: Vec<i16> = sent.iter().filter(|s| s.payload.len() == 160).flat_map(|s| linear(&s.payload)).collect();
    heard(&voice)
}

fn bridged(caller: Phone, agent: Phone) -> (World, Phone, Phone) {
    let mut world = World::new();
    world.answer(CALLER, &caller);
    world.answer(AGENT, &agent);
    world.command(MediaCmd::Bridge { a: CALLER, b: AGENT });
    (world, caller, agent)
}

#[test]
fn a_caller_without_telephone_event_is_understood_by_its_tones() {
    let mut world = World::new();
    let mut a = plain("10.0.0.1:4000");
    world.answer(CALLER, &a);
    dial(&mut world, CALLER, &mut a, "4556001233*#AD", |_| true);
    let (keys, via) = told(&mut world);
    assert_eq!(keys, "4556001233*#AD");
    assert!(via.iter().all(|via| *via == KeySource::Inband));
}

#[test]
fn tones_in_the_voice_of_who_sends_events_are_no_second_keys() {
    let mut world = World::new();
    let mut a = Phone::new("10.0.0.1:4000", U);
    world.answer(CALLER, &a);
    dial(&mut world, CALLER, &mut a, "123", |_| true);
    assert_eq!(told(&mut world).0, "");
}

#[test]
fn a_packet_lost_in_the_middle_of_a_tone_makes_no_second_key_of_it() {
    for lost in 0..5 {
        let mut world = World::new();
        let mut a = plain("10.0.0.1:4000");
        world.answer(CALLER, &a);
        dial(&mut world, CALLER, &mut a, "1159", |n| n != lost);
        assert_eq!(told(&mut world).0, "1159", "packet {lost} of each");
    }
}

#[test]
fn a_tone_becomes_an_event_on_the_other_side_and_is_not_heard_beside_it() {
    let (mut world, mut a, _) = bridged(plain("10.0.0.1:4000"), Phone::new("10.0.0.2:5000", U));
    world.talk(200, &mut [(CALLER, &mut a)]);
    dial(&mut world, CALLER, &mut a, "681", |_| true);
    world.run(200);
    let sent = world.sent_to(AGENT);
    let events: Vec<_> = sent.iter().filter(|s| s.payload.len() == 4 && s.rtp.marker).map(|s| s.payload[0]).collect();
    assert_eq!((events, keys_in(&sent).as_str()), (vec![6, 8, 1], ""));
    assert_continuous(&sent, 300);
}

#[test]
fn between_two_parties_without_events_a_tone_arrives_as_one_tone() {
    let (mut world, mut a, _) = bridged(plain("10.0.0.1:4000"), plain("10.0.0.2:5000"));
    world.talk(200, &mut [(CALLER, &mut a)]);
    dial(&mut world, CALLER, &mut a, "66812#", |_| true);
    world.run(300);
    let sent = world.sent_to(AGENT);
    assert_eq!(keys_in(&sent), "66812#");
    assert_continuous(&sent, 300);
    assert_eq!(told(&mut world).0, "66812#");
}

/// How long the agent's side was told that the caller's key is down, in milliseconds; the key must have an end.
fn held_for(sent: &[Sent]) -> u64 {
    let events: Vec<_> = sent.iter().filter(|s| s.payload.len() == 4).collect();
    let (first, last) = (events.first().expect("a key"), events.last().expect("a key"));
    assert!(last.payload[1] & 0x80 != 0, "it is let go");
    last.at.duration_since(first.at).as_millis() as u64
}

#[test]
fn a_key_in_the_voice_is_let_go_when_the_voice_stops_within_it() {
    let (mut world, mut a, _) = bridged(plain("10.0.0.1:4000"), Phone::new("10.0.0.2:5000", U));
    world.talk(200, &mut [(CALLER, &mut a)]);
    for packet in press(&mut a, '6', 100).iter().take(4) {
        world.deliver(CALLER, a.addr, packet);
        world.run(20);
    }
    // The phone falls silent (mute, hold, a lift): it would be a key of eight seconds.
    world.run(9000);
    let sent = world.sent_to(AGENT);
    assert!(held_for(&sent) <= 400, "{}", held_for(&sent));
    world.talk(200, &mut [(CALLER, &mut a)]);
    assert!(world.sent_to(AGENT).iter().any(|s| s.payload.len() == 160), "the voice is heard again");
}

#[test]
fn a_key_in_the_voice_is_let_go_when_events_are_agreed_on_meanwhile() {
    let (mut world, mut a, _) = bridged(plain("10.0.0.1:4000"), Phone::new("10.0.0.2:5000", U));
    world.talk(200, &mut [(CALLER, &mut a)]);
    for packet in press(&mut a, '6', 100).iter().take(4) {
        world.deliver(CALLER, a.addr, packet);
        world.run(20);
    }
    world.offer(CALLER, Phone { events: Some(101), ..a.clone() }.spec());
    world.talk(2000, &mut [(CALLER, &mut a)]);
    assert!(held_for(&world.sent_to(AGENT)) <= 300);
}

#[test]
fn an_event_becomes_a_tone_for_who_takes_no_events() {
    let (mut world, mut a, _) = bridged(Phone::new("10.0.0.1:4000", U), plain("10.0.0.2:5000"));
    world.talk(200, &mut [(CALLER, &mut a)]);
    for event in [1, 1, 9] {
        for packet in a.key(event, 100) {
            world.deliver(CALLER, a.addr, &packet);
            world.run(20);
        }
        world.talk(200, &mut [(CALLER, &mut a)]);
    }
    let sent = world.sent_to(AGENT);
    assert_eq!(keys_in(&sent), "119");
    assert!(sent.iter().all(|s| s.payload.len() == 160), "no event it did not agree to");
}

#[test]
fn a_tone_is_in_no_recording() {
    let mut world = World::new();
    let mut a = plain("10.0.0.1:4000");
    world.answer(CALLER, &a);
    world.command(MediaCmd::RecordStart { call: CALL, near: CALLER, far: None, recording: RecordingId(1) });
    dial(&mut world, CALLER, &mut a, "4711", |_| true);
    assert_eq!(told(&mut world).0, "4711");
    let recorded: Vec<i16> = world.wire.taps.iter().flat_map(|tap| linear(tap.payload())).collect();
    assert!(recorded.len() > 8000 / 2);
    assert_eq!(heard(&recorded), "");
}

#[test]
fn a_press_told_by_events_and_by_info_is_one_key_here_and_on_the_other_side() {
    let (mut world, mut a, _) = bridged(Phone::new("10.0.0.1:4000", U), Phone::new("10.0.0.2:5000", U));
    world.talk(200, &mut [(CALLER, &mut a)]);
    let info = MediaCmd::Press { leg: CALLER, key: '7', duration_ms: 160 };
    for info_first in [false, true] {
        if info_first {
            world.command(info.clone());
        }
        for packet in a.key(7, 100) {
            world.deliver(CALLER, a.addr, &packet);
            world.run(20);
        }
        if !info_first {
            world.command(info.clone());
        }
        world.talk(400, &mut [(CALLER, &mut a)]);
    }
    assert_eq!(told(&mut world).0, "77");
    let sent = world.sent_to(AGENT);
    assert_eq!(sent.iter().filter(|s| s.payload.len() == 4 && s.rtp.marker).count(), 2);
}

#[test]
fn a_press_by_info_stops_a_bargeable_prompt_as_any_key_does() {
    let mut world = World::new();
    let mut a = Phone::new("10.0.0.1:4000", U);
    world.answer(CALLER, &a);
    world.play(CALLER, 3, vec![clip(5000, 9000)], true);
    world.talk(500, &mut [(CALLER, &mut a)]);
    world.command(MediaCmd::Press { leg: CALLER, key: '1', duration_ms: 160 });
    let events = world.events();
    assert!(events.contains(&MediaEvent::Key { leg: CALLER, key: '1', via: KeySource::Info }));
    assert!(events.iter().any(|event| matches!(event, MediaEvent::PlayDone { stopped: true, .. })));
}
