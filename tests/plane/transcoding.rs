//! Parties that share no codec, or speak one that has to be made anew for each.

use crate::world::*;
use hotline::ids::LegId;
use hotline::media::codec::{self, Encoder, MAX_SAMPLES, NarrowDecoder, Rate};
use hotline::media::{MediaCmd, MediaEvent, PlayItem, Tone, rtp};
use hotline::sdp::Codec;
use std::f64::consts::TAU;
use std::time::Duration;

/// A person at a phone: a steady tone, as its codec encodes it.
pub struct Speaker {
    pub phone: Phone,
    encoder: Encoder,
    pub hertz: f64,
    said: usize,
}

impl Speaker {
    pub fn new(phone: &Phone, hertz: f64) -> Self {
        Self { phone: phone.clone(), encoder: Encoder::default(), hertz, said: 0 }
    }

    /// The next packet of so many milliseconds.
    pub fn packet(&mut self, ms: usize) -> Vec<u8> {
        let pcm: Vec<i16> = (0..ms * 16)
            .map(|n| (8000.0 * (TAU * self.hertz * (self.said + n) as f64 / 16_000.0).sin()) as i16)
            .collect();
        self.said += pcm.len();
        let mut payload = [0; codec::MAX_PAYLOAD];
        let octets = self.encoder.encode(self.phone.codec, Rate::Wide, &pcm, &mut payload);
        self.phone.sequence = self.phone.sequence.wrapping_add(1);
        let packet = self.phone.packet(self.phone.codec.payload_type(), false, &payload[..octets]);
        self.phone.timestamp = self.phone.timestamp.wrapping_add(ms as u32 * self.phone.codec.clock_khz());
        packet
    }

    fn talk(&mut self, world: &mut World, leg: LegId, ms: usize, each: usize) {
        for _ in 0..ms / each {
            let packet = self.packet(each);
            world.deliver(leg, self.phone.addr, &packet);
            world.run(each as u64);
        }
    }
}

/// What a phone's owner hears of the packets it was sent.
pub fn sound(codec: Codec, sent: &[Sent]) -> Vec<i16> {
    let mut decoder = NarrowDecoder::default();
    let mut all = Vec::new();
    for packet in sent.iter().filter(|s| s.rtp.payload_type == codec.payload_type()) {
        let mut pcm = [0; MAX_SAMPLES];
        let samples = decoder.decode(codec, &packet.payload, &mut pcm);
        all.extend_from_slice(&pcm[..samples]);
    }
    all
}

/// Level of one frequency to a sine of 8000, and how far the rest is below it, in dB.
pub fn tone(pcm: &[i16], hertz: f64) -> (f64, f64) {
    let (mut s, mut c, mut power) = (0.0, 0.0, 0.0);
    for (n, x) in pcm.iter().enumerate() {
        let (x, phase) = (f64::from(*x), TAU * hertz * n as f64 / 8000.0);
        s += x * phase.sin();
        c += x * phase.cos();
        power += x * x;
    }
    let n = pcm.len() as f64;
    let tone = 2.0 * (s * s + c * c) / (n * n);
    let rest = (power / n - tone).max(1e-9);
    (10.0 * (tone / 3.2e7).log10(), 10.0 * (tone / rest).log10())
}

/// Where loud sound begins, in ms.
fn begins(pcm: &[i16]) -> usize {
    pcm.iter().position(|x| x.unsigned_abs() > 2000).expect("sound") / 8
}

/// Time stamps as long as the packets and no holes.
pub fn assert_even(sent: &[Sent], codec: Codec) {
    for pair in sent.windows(2) {
        assert_eq!(pair[0].rtp.ssrc, pair[1].rtp.ssrc);
        assert_eq!(pair[1].rtp.sequence, pair[0].rtp.sequence.wrapping_add(1));
        let step = pair[1].rtp.timestamp.wrapping_sub(pair[0].rtp.timestamp);
        assert_eq!(Some(step), codec::ticks(codec, &pair[0].payload));
    }
}

#[test]
fn phones_of_any_two_codecs_hear_each_other_clearly() {
    for (one, other) in [
        (Codec::G722, Codec::Pcma),
        (Codec::Opus, Codec::Pcmu),
        (Codec::Opus, Codec::G722),
        (Codec::Pcma, Codec::Opus),
        (Codec::Pcmu, Codec::G722),
        (Codec::G722, Codec::Opus),
    ] {
        let (mut world, a, b) = World::bridged(one, other);
        Speaker::new(&a, 1000.0).talk(&mut world, CALLER, 1500, 20);
        let sent = world.sent_to(AGENT);
        assert!(sent.iter().all(|s| s.rtp.payload_type == other.payload_type() && s.to == b.addr));
        let voice: Vec<Sent> =
            sent.into_iter().skip_while(|s| s.at < world.start + Duration::from_millis(250)).collect();
        assert_even(&voice, other);
        let (level, clear) = tone(&sound(other, &voice)[2400..9600], 1000.0);
        assert!(level.abs() < 1.0, "{one:?} to {other:?}: {level:.1} dB");
        assert!(
            clear > if one == Codec::Opus || other == Codec::Opus { 20.0 } else { 33.0 },
            "{one:?} to {other:?}: {clear:.1} dB"
        );
    }
}

#[test]
fn phones_of_the_same_codec_get_each_others_packets_untouched() {
    for codec in Codec::ALL {
        let (mut world, a, _) = World::bridged(codec, codec);
        let mut speaker = Speaker::new(&a, 700.0);
        let mut said = Vec::new();
        for _ in 0..20 {
            let packet = speaker.packet(20);
            said.push(packet[rtp::HEADER..].to_vec());
            world.deliver(CALLER, a.addr, &packet);
            world.run(20);
        }
        let sent = world.sent_to(AGENT);
        assert_eq!(sent.iter().map(|s| s.payload.clone()).collect::<Vec<_>>(), said, "{codec:?}");
        assert_even(&sent, codec);
    }
}

/// Two tones of coders that are not ours; see the folder.
#[test]
fn what_other_coders_made_is_heard_as_loud_as_it_was() {
    let g722: &[u8] = include_bytes!("../fixtures/codecs/ffmpeg.g722");
    let mut opus: &[u8] = include_bytes!("../fixtures/codecs/libopus.packets");
    let mut packets = Vec::new();
    while let [high, low, rest @ ..] = opus {
        let (packet, rest) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        packets.push(packet.to_vec());
        opus = rest;
    }
    for (codec, packets) in [(Codec::G722, g722.chunks(160).map(<[u8]>::to_vec).collect()), (Codec::Opus, packets)] {
        let (mut world, mut a, _) = World::bridged(codec, Codec::Pcma);
        for payload in packets {
            a.sequence = a.sequence.wrapping_add(1);
            a.timestamp = a.timestamp.wrapping_add(20 * codec.clock_khz());
            let packet = a.packet(codec.payload_type(), false, &payload);
            world.deliver(CALLER, a.addr, &packet);
            world.run(20);
        }
        let pcm = sound(Codec::Pcma, &world.sent_to(AGENT));
        let (high, _) = tone(&pcm[1600..6400], 1000.0);
        let (low, _) = tone(&pcm[1600..6400], 300.0);
        let asked = 20.0 * (3000.0f64 / 8000.0).log10();
        assert!(high.abs() < 1.0 && (low - asked).abs() < 1.0, "{codec:?}: {high:.2} and {low:.2} dB");
    }
}

#[test]
fn decoding_and_encoding_anew_adds_at_most_30_ms_in_the_middle() {
    let mut delays = Vec::new();
    // Phones and wheel at every phase to each other.
    for phase in 0..20 {
        let (mut world, a, _) = World::bridged(Codec::G722, Codec::Pcma);
        world.run(500 + phase);
        world.wire.sent.clear();
        let from = world.now;
        Speaker::new(&a, 1000.0).talk(&mut world, CALLER, 400, 20);
        let sent = world.sent_to(AGENT);
        let loud =
            sent.iter().find(|s| sound(Codec::Pcma, std::slice::from_ref(s)).iter().any(|x| x.unsigned_abs() > 2000));
        // The packet was complete when it came, and the one sent is complete when it leaves.
        delays.push(loud.expect("sound").at.duration_since(from).as_millis());
    }
    delays.sort_unstable();
    assert!(delays[10] <= 30 && delays[19] <= 50, "{delays:?}");
}

#[test]
fn packets_of_any_length_come_out_even_and_a_change_in_mid_call_is_not_heard() {
    for lengths in [&[10][..], &[20], &[30], &[40], &[60], &[40, 20], &[20, 60, 30]] {
        let (mut world, a, _) = World::bridged(Codec::G722, Codec::Pcma);
        let mut speaker = Speaker::new(&a, 1000.0);
        for each in lengths {
            speaker.talk(&mut world, CALLER, 1200, *each);
        }
        let sent = world.sent_to(AGENT);
        assert!(sent.iter().all(|s| s.payload.len() == 160));
        assert_even(&sent, Codec::Pcma);
        let pcm = sound(Codec::Pcma, &sent);
        let (level, clear) = tone(&pcm[2400..pcm.len() - 800], 1000.0);
        assert!(level.abs() < 0.5 && clear > 25.0, "{lengths:?}: {level:.1} dB, {clear:.1} dB");
    }
}

#[test]
fn a_phone_is_sent_packets_of_the_length_it_asked_for_in_every_codec() {
    for codec in Codec::ALL {
        for ptime in [20, 40, 60] {
            let mut world = World::new();
            let (a, b) = (Phone::new("10.0.0.1:4000", Codec::G722), Phone::new("10.0.0.2:5000", codec));
            world.answer(CALLER, &a);
            world.create(AGENT);
            world.offer(AGENT, hotline::sdp::MediaSpec { ptime_ms: ptime, ..b.spec() });
            world.command(MediaCmd::Bridge { a: CALLER, b: AGENT });
            if codec == Codec::G722 {
                // Passes through; what is sent is a prompt.
                world.play(AGENT, 1, vec![PlayItem::Tone(Tone::Milliwatt)], false);
                world.run(1200);
            } else {
                Speaker::new(&a, 500.0).talk(&mut world, CALLER, 1200, 20);
            }
            let sent = world.sent_to(AGENT);
            let lasts = |s: &Sent| codec::ticks(codec, &s.payload).expect("a packet") / codec.clock_khz();
            assert!(sent.len() >= 900 / usize::from(ptime), "{codec:?} {ptime}: {}", sent.len());
            assert!(sent.iter().all(|s| lasts(s) == u32::from(ptime)), "{codec:?} {ptime}");
        }
    }
}

#[test]
fn a_prompt_is_heard_by_phones_of_every_codec_as_loud_as_it_is() {
    for codec in Codec::ALL {
        let mut world = World::new();
        world.answer(CALLER, &Phone::new("10.0.0.1:4000", codec));
        world.play(CALLER, 1, vec![PlayItem::Tone(Tone::Milliwatt)], false);
        world.run(2000);
        let sent = world.sent_to(CALLER);
        assert_even(&sent, codec);
        let (level, clear) = tone(&sound(codec, &sent)[1600..14_400], 1004.0);
        let asked = 20.0 * (22_742.0f64 / 8000.0).log10();
        assert!((level - asked).abs() < 0.5, "{codec:?}: {level:.2} dB of {asked:.2}");
        assert!(clear > if codec == Codec::Opus { 18.0 } else { 30.0 }, "{codec:?}: {clear:.1} dB");
    }
}

#[test]
fn prompt_music_and_agent_follow_each_other_on_one_line_for_an_opus_caller() {
    let (mut world, _, b) = World::bridged(Codec::Opus, Codec::Pcma);
    world.play(CALLER, 1, vec![clip(500, 4000)], false);
    world.run(700);
    world.play(CALLER, 2, vec![PlayItem::Tone(Tone::MusicOnHold)], false);
    world.run(1000);
    world.command(MediaCmd::StopPlay { leg: CALLER, id: hotline::media::PlayId(2) });
    Speaker::new(&b, 1000.0).talk(&mut world, AGENT, 1000, 20);
    world.run(1000);
    let sent = world.sent_to(CALLER);
    let first = &sent[0];
    for pair in sent.windows(2) {
        assert_eq!(pair[0].rtp.ssrc, pair[1].rtp.ssrc);
        assert_eq!(pair[1].rtp.sequence, pair[0].rtp.sequence.wrapping_add(1));
        let clock = pair[1].at.duration_since(first.at).as_millis() as i64 * 48;
        let line = i64::from(pair[1].rtp.timestamp.wrapping_sub(first.rtp.timestamp));
        assert!((clock - line).abs() <= 40 * 48, "clock {clock}, time stamps {line}");
        assert!(pair[1].rtp.timestamp.wrapping_sub(pair[0].rtp.timestamp) >= 960, "no overlap");
    }
    let marked: Vec<_> = sent.iter().filter(|s| s.rtp.marker).collect();
    assert!((3..=6).contains(&marked.len()), "each change of source is marked: {}", marked.len());
    assert!(sent.windows(2).all(|w| w[1].at.duration_since(w[0].at).as_millis() <= 240), "never quiet");
}

#[test]
fn a_phone_that_changes_its_codec_by_payload_type_alone_is_heard_on() {
    let (mut world, a, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    let mut speaker = Speaker::new(&a, 1000.0);
    speaker.talk(&mut world, CALLER, 600, 20);
    speaker.phone.codec = Codec::G722;
    speaker.talk(&mut world, CALLER, 600, 20);
    speaker.phone.codec = Codec::Pcma;
    speaker.talk(&mut world, CALLER, 600, 20);
    let sent = world.sent_to(AGENT);
    assert_continuous(&sent, 60);
    let pcm = sound(Codec::Pcma, &sent);
    for part in [800..4000, 5600..8800, 10_400..13_600] {
        let (level, _) = tone(&pcm[part.clone()], 1000.0);
        assert!(level.abs() < 0.5, "{part:?}: {level:.1}");
    }
}

#[test]
fn a_phone_that_offers_another_codec_in_mid_call_is_heard_and_hears_on() {
    let (mut world, mut a, b) = World::bridged(Codec::Pcma, Codec::Pcma);
    Speaker::new(&a, 1000.0).talk(&mut world, CALLER, 400, 20);
    a.codec = Codec::Opus;
    (a.sequence, a.timestamp) = (100, 5);
    world.offer(CALLER, a.spec());
    world.wire.sent.clear();
    let (mut caller, mut agent) = (Speaker::new(&a, 1000.0), Speaker::new(&b, 700.0));
    for _ in 0..60 {
        let (said, answered) = (caller.packet(20), agent.packet(20));
        world.deliver(CALLER, a.addr, &said);
        world.deliver(AGENT, b.addr, &answered);
        world.run(20);
    }
    let (to_agent, to_caller) = (world.sent_to(AGENT), world.sent_to(CALLER));
    assert!(tone(&sound(Codec::Pcma, &to_agent)[3200..8000], 1000.0).0.abs() < 1.0);
    assert!(tone(&sound(Codec::Opus, &to_caller)[3200..8000], 700.0).0.abs() < 1.0);
}

#[test]
fn a_bad_network_is_smoothed_for_the_other_side() {
    let (mut world, a, _) = World::bridged(Codec::G722, Codec::Pcma);
    let mut speaker = Speaker::new(&a, 1000.0);
    let mut dice = 7u32;
    let mut below = |n: u32| {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (dice >> 8) % n
    };
    // 30 ms of jitter, which also changes the order; every twentieth packet is lost.
    let mut on_the_way: Vec<(u64, Vec<u8>)> = Vec::new();
    for ms in 0..10_000 {
        if ms % 20 == 0 {
            let packet = speaker.packet(20);
            if below(20) != 0 {
                on_the_way.push((ms + u64::from(below(30)), packet));
            }
        }
        for (_, packet) in on_the_way.extract_if(.., |(at, _)| *at <= ms) {
            world.deliver(CALLER, a.addr, &packet);
        }
        world.run(1);
    }
    let sent = world.sent_to(AGENT);
    assert_even(&sent[20..], Codec::Pcma);
    let pcm = sound(Codec::Pcma, &sent);
    let quiet = pcm[8000..].chunks(80).filter(|part| part.iter().all(|x| x.unsigned_abs() < 2000)).count();
    let pieces = pcm[8000..].len() / 80;
    assert!(quiet * 100 <= pieces * 2, "{quiet} of {pieces} pieces of 10 ms without sound");
}

#[test]
fn a_time_stamp_jump_costs_a_moment_and_two_time_lines_in_turn_no_storm() {
    let (mut world, a, _) = World::bridged(Codec::G722, Codec::Pcma);
    let mut speaker = Speaker::new(&a, 1000.0);
    speaker.talk(&mut world, CALLER, 1000, 20);
    speaker.phone.timestamp = speaker.phone.timestamp.wrapping_add(0x4000_0000);
    speaker.talk(&mut world, CALLER, 1000, 20);
    let pcm = sound(Codec::Pcma, &world.sent_to(AGENT));
    let quiet = pcm[1600..].chunks(80).filter(|part| part.iter().all(|x| x.unsigned_abs() < 2000)).count();
    assert!(quiet <= 8, "{quiet} pieces of 10 ms");

    // Every other packet claims to be an hour away.
    for n in 0..100 {
        let mut packet = speaker.packet(20);
        if n % 2 == 1 {
            packet[4] ^= 0x10;
        }
        world.deliver(CALLER, a.addr, &packet);
        world.run(20);
    }
    let pcm = sound(Codec::Pcma, &world.sent_to(AGENT));
    let quiet = pcm[800..].chunks(80).filter(|part| part.iter().all(|x| x.unsigned_abs() < 1000)).count();
    assert!(quiet * 10 <= pcm.len() / 80, "half of it is made up, hardly any is missing: {quiet}");
}

#[test]
fn delay_that_a_burst_brought_is_taken_back() {
    let (mut world, a, _) = World::bridged(Codec::G722, Codec::Pcma);
    let mut speaker = Speaker::new(&a, 1000.0);
    speaker.talk(&mut world, CALLER, 1000, 20);
    let held: Vec<_> = (0..30).map(|_| speaker.packet(20)).collect();
    world.run(600);
    for packet in held {
        world.deliver(CALLER, a.addr, &packet);
    }
    speaker.talk(&mut world, CALLER, 4000, 20);
    // Now it falls silent: what still waits comes out.
    world.wire.sent.clear();
    world.run(1000);
    let pcm = sound(Codec::Pcma, &world.sent_to(AGENT));
    let rest = pcm.chunks(80).take_while(|part| part.iter().any(|x| x.unsigned_abs() > 4000)).count() * 10;
    // A wait for a way that was just seen to be uneven, a packet, and what is made up after the last.
    assert!(rest <= 160, "{rest} ms still waited");
}

#[test]
fn when_the_speaker_falls_silent_the_other_side_still_gets_packets() {
    let (mut world, a, _) = World::bridged(Codec::Opus, Codec::Pcma);
    let mut speaker = Speaker::new(&a, 1000.0);
    speaker.talk(&mut world, CALLER, 1000, 20);
    world.run(12_000);
    speaker.phone.timestamp = speaker.phone.timestamp.wrapping_add(12_000 * 48);
    speaker.talk(&mut world, CALLER, 1000, 20);
    let sent = world.sent_to(AGENT);
    assert_continuous(&sent, 60);
    let longest = sent.windows(2).map(|w| w[1].at.duration_since(w[0].at).as_millis()).max();
    assert!(longest <= Some(240), "{longest:?}");
    let pcm = sound(Codec::Pcma, &sent);
    assert!(pcm[pcm.len() - 6400..].iter().any(|x| x.unsigned_abs() > 4000), "heard again");
}

#[test]
fn an_echo_comes_back_in_the_codec_that_the_phone_agreed_to() {
    for said in Codec::ALL {
        let mut world = World::new();
        let mut a = Phone::new("10.0.0.1:4000", Codec::Opus);
        world.answer(CALLER, &a);
        world.command(MediaCmd::Echo { leg: CALLER, on: true });
        a.codec = said;
        Speaker::new(&a, 1000.0).talk(&mut world, CALLER, 1000, 20);
        let sent = world.sent_to(CALLER);
        assert!(sent.iter().all(|s| s.rtp.payload_type == 111));
        let pcm = sound(Codec::Opus, &sent);
        assert!(begins(&pcm) < 120, "{said:?}");
        assert!(tone(&pcm[2400..7200], 1000.0).0.abs() < 1.0, "{said:?}");
    }
}

#[test]
fn a_key_keeps_its_length_between_phones_of_different_clocks() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Opus, Codec::Pcma);
    a.events = Some(110);
    let spec = hotline::sdp::MediaSpec { event_khz: 48, ..a.spec() };
    world.offer(CALLER, spec);
    // A key of 100 ms at 48 kHz: updates each 20 ms, the end three times.
    for n in 1..=7u16 {
        a.sequence = a.sequence.wrapping_add(1);
        let [high, low] = (n.min(5) * 960).to_be_bytes();
        let packet = a.packet(110, n == 1, &[5, u8::from(n >= 5) << 7 | 10, high, low]);
        world.deliver(CALLER, a.addr, &packet);
        world.run(20);
    }
    world.run(200);
    assert_eq!(world.keys(), "5");
    let ends = |sent: Vec<Sent>, pt| -> Vec<u16> {
        let keys = sent.into_iter().filter(|s| s.rtp.payload_type == pt && s.payload[1] & 0x80 != 0);
        keys.map(|s| u16::from_be_bytes([s.payload[2], s.payload[3]])).collect()
    };
    let heard = ends(world.sent_to(AGENT), 101);
    assert!(heard.len() == 3 && heard.iter().all(|ticks| (640..=960).contains(ticks)), "{heard:?}");
    for packet in b.key(7, 100) {
        world.deliver(AGENT, b.addr, &packet);
        world.run(20);
    }
    world.run(200);
    let heard = ends(world.sent_to(CALLER), 110);
    assert!(heard.len() == 3 && heard.iter().all(|ticks| (640 * 6..=960 * 6).contains(ticks)), "{heard:?}");
}

#[test]
fn what_an_opus_caller_says_is_kept_and_played_back() {
    let mut world = World::new();
    let a = Phone::new("10.0.0.1:4000", Codec::Opus);
    world.answer(CALLER, &a);
    world.command(MediaCmd::Capture { leg: CALLER, limit: Duration::from_secs(5) });
    Speaker::new(&a, 1000.0).talk(&mut world, CALLER, 1000, 20);
    world.command(MediaCmd::StopCapture { leg: CALLER });
    let clip = world.events().into_iter().find_map(|event| match event {
        MediaEvent::Captured { clip, .. } => Some(clip),
        _ => None,
    });
    let clip = clip.expect("a capture");
    assert_eq!(clip.duration_ms(), 1000);
    assert!(tone(&law_of(Codec::Pcmu, &clip.pcmu)[1600..7200], 1000.0).0.abs() < 1.0);
}

#[test]
fn garbage_under_an_opus_payload_type_is_harmless() {
    let (mut world, mut a, _) = World::bridged(Codec::Opus, Codec::Pcma);
    let mut dice = 3u32;
    for n in 0..3000u32 {
        let length = n as usize % 700;
        let payload: Vec<u8> = (0..length)
            .map(|_| {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (dice >> 24) as u8
            })
            .collect();
        a.sequence = a.sequence.wrapping_add(1);
        a.timestamp = a.timestamp.wrapping_add(if n % 50 == 0 { dice } else { 960 });
        let packet = a.packet(111, false, &payload);
        world.deliver(CALLER, a.addr, &packet);
        world.run(if n % 3 == 0 { 20 } else { 0 });
    }
    world.wire.sent.clear();
    world.run(2000);
    let mut speaker = Speaker::new(&a, 1000.0);
    speaker.talk(&mut world, CALLER, 1000, 20);
    let pcm = sound(Codec::Pcma, &world.sent_to(AGENT));
    assert!(tone(&pcm[pcm.len() - 4800..], 1000.0).0.abs() < 1.0, "heard again");
}
