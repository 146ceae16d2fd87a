//! Three and more who hear each other, or of whom one listens, whispers or breaks in.

use crate::transcoding::{Speaker, assert_even, sound, tone};
use crate::world::*;
use hotline::ids::LegId;
use hotline::media::codec::{Decoder, MAX_SAMPLES};
use hotline::media::{MediaCmd, MediaEvent, Part, PlayItem, Tone};
use hotline::sdp::Codec;

const THIRD: LegId = LegId(3);
/// Pitches by which caller, agent and third are known.
const PITCH: [f64; 3] = [500.0, 900.0, 1400.0];
const LEGS: [LegId; 3] = [CALLER, AGENT, THIRD];

struct Meeting {
    world: World,
    speakers: [Speaker; 3],
}

impl Meeting {
    /// Caller and agent are bridged; a third joins them.
    fn new(codecs: [Codec; 3], part: Part) -> Self {
        let mut meeting = Self::bridged(codecs);
        meeting.join(part);
        meeting
    }

    fn bridged(codecs: [Codec; 3]) -> Self {
        let (mut world, a, b) = World::bridged(codecs[0], codecs[1]);
        let c = Phone::new("10.0.0.3:6000", codecs[2]);
        world.answer(THIRD, &c);
        let speakers = [(a, PITCH[0]), (b, PITCH[1]), (c, PITCH[2])].map(|(phone, hertz)| Speaker::new(&phone, hertz));
        Self { world, speakers }
    }

    fn join(&mut self, part: Part) {
        self.world.command(MediaCmd::Join { leg: THIRD, to: CALLER, part });
    }

    /// All speak at once.
    fn talk(&mut self, ms: usize) {
        for _ in 0..ms / 20 {
            for (leg, speaker) in LEGS.into_iter().zip(&mut self.speakers) {
                let packet = speaker.packet(20);
                self.world.deliver(leg, speaker.phone.addr, &packet);
            }
            self.world.run(20);
        }
    }

    /// Whom each of the three hears after a while, by pitch.
    fn heard(&mut self) -> [[bool; 3]; 3] {
        self.talk(300);
        self.world.wire.sent.clear();
        self.talk(600);
        LEGS.map(|leg| {
            let codec = self.speakers[(leg.0 - 1) as usize].phone.codec;
            let pcm = sound(codec, &self.world.sent_to(leg));
            PITCH.map(|hertz| match pcm.len() >= 4000 {
                true => {
                    let (level, _) = tone(&pcm[..4000], hertz);
                    assert!(!(-25.0..=-3.0).contains(&level), "{leg:?} hears {hertz} at {level:.1} dB");
                    level > -3.0
                }
                false => false,
            })
        })
    }
}

const NOBODY_NEW: [[bool; 3]; 2] = [[false, true, false], [true, false, false]];

#[test]
fn three_parties_of_any_codecs_hear_the_other_two_and_not_themselves() {
    for codecs in [
        [Codec::Pcmu, Codec::Pcmu, Codec::Pcmu],
        [Codec::Pcmu, Codec::Pcma, Codec::G722],
        [Codec::G722, Codec::Opus, Codec::Pcma],
        [Codec::Opus, Codec::Opus, Codec::G722],
    ] {
        let heard = Meeting::new(codecs, Part::Talks).heard();
        assert_eq!(heard, [[false, true, true], [true, false, true], [true, true, false]], "{codecs:?}");
    }
}

#[test]
fn a_listener_hears_both_and_neither_hears_it() {
    let [caller, agent, third] = Meeting::new([Codec::Pcma, Codec::Pcmu, Codec::Opus], Part::Listens).heard();
    assert_eq!(([caller, agent], third), (NOBODY_NEW, [true, true, false]));
}

#[test]
fn a_whisper_reaches_the_agent_and_not_the_caller_and_the_part_may_change_at_any_time() {
    let mut meeting = Meeting::new([Codec::Pcma, Codec::Pcmu, Codec::Pcma], Part::Whispers { to: AGENT });
    assert_eq!(meeting.heard(), [[false, true, false], [true, false, true], [true, true, false]]);
    meeting.join(Part::Talks);
    assert_eq!(meeting.heard()[0], [false, true, true]);
    meeting.join(Part::Listens);
    assert_eq!(meeting.heard()[..2], NOBODY_NEW);
}

#[test]
fn packets_pass_untouched_again_when_the_third_is_gone_and_no_line_is_torn() {
    let mut meeting = Meeting::bridged([Codec::Pcmu; 3]);
    meeting.talk(400);
    meeting.join(Part::Talks);
    meeting.talk(1000);
    meeting.world.command(MediaCmd::Drop { leg: THIRD });
    let sent = meeting.world.sent_to(AGENT);
    assert_continuous(&sent, 60);
    let mut said = Vec::new();
    for _ in 0..10 {
        let packet = meeting.speakers[0].packet(20);
        said.push(packet[12..].to_vec());
        meeting.world.deliver(CALLER, meeting.speakers[0].phone.addr, &packet);
        meeting.world.run(20);
    }
    let after = meeting.world.sent_to(AGENT);
    assert_eq!(after.iter().map(|sent| sent.payload.clone()).collect::<Vec<_>>(), said);
    assert_continuous(&[&sent[..], &after[..]].concat(), 60);
}

#[test]
fn a_supervisor_who_leaves_by_command_leaves_the_two_as_they_were() {
    let mut meeting = Meeting::new([Codec::Pcmu; 3], Part::Talks);
    meeting.world.command(MediaCmd::Unbridge { leg: THIRD });
    assert_eq!(meeting.heard(), [NOBODY_NEW[0], NOBODY_NEW[1], [false; 3]]);
}

#[test]
fn a_supervisor_who_takes_the_call_over_talks_to_the_caller_alone() {
    let mut meeting = Meeting::new([Codec::Pcmu; 3], Part::Listens);
    meeting.world.command(MediaCmd::Bridge { a: CALLER, b: THIRD });
    assert_eq!(meeting.heard(), [[false, false, true], [false; 3], [true, false, false]]);
}

/// 16 kHz as it was decoded.
fn wide(codec: Codec, sent: &[Sent]) -> Vec<i16> {
    let mut decoder = Decoder::default();
    let mut all = Vec::new();
    for packet in sent {
        let mut pcm = [0; MAX_SAMPLES];
        let samples = decoder.decode(codec, &packet.payload, &mut pcm);
        all.extend_from_slice(&pcm[..samples]);
    }
    all
}

#[test]
fn two_wideband_phones_lose_nothing_by_a_third_that_is_narrow() {
    let mut meeting = Meeting::new([Codec::G722, Codec::G722, Codec::Pcma], Part::Talks);
    // What no narrowband line carries.
    meeting.speakers[0].hertz = 5600.0;
    meeting.talk(300);
    meeting.world.wire.sent.clear();
    meeting.talk(600);
    let pcm = wide(Codec::G722, &meeting.world.sent_to(AGENT));
    let (level, _) = tone(&pcm[..8000], 5600.0 / 2.0);
    assert!(level > -2.0, "{level:.1} dB");
}

#[test]
fn everybody_is_sent_even_packets_also_while_others_are_silent_or_lose_packets() {
    let mut meeting = Meeting::new([Codec::Pcmu, Codec::G722, Codec::Opus], Part::Talks);
    meeting.world.run(400);
    for nth in 0..50 {
        let packet = meeting.speakers[0].packet(20);
        if nth % 7 != 0 {
            meeting.world.deliver(CALLER, meeting.speakers[0].phone.addr, &packet);
        }
        meeting.world.run(20);
    }
    for (leg, codec) in LEGS.into_iter().zip([Codec::Pcmu, Codec::G722, Codec::Opus]) {
        let sent = meeting.world.sent_to(leg);
        assert!((68..=72).contains(&sent.len()), "{leg:?}: {}", sent.len());
        assert_even(&sent, codec);
    }
}

#[test]
fn mixing_adds_at_most_30_ms_in_the_middle() {
    let mut delays = Vec::new();
    for phase in 0..20 {
        let mut meeting = Meeting::new([Codec::Pcmu; 3], Part::Talks);
        meeting.world.run(500 + phase);
        meeting.world.wire.sent.clear();
        let from = meeting.world.now;
        for _ in 0..15 {
            let packet = meeting.speakers[0].packet(20);
            meeting.world.deliver(CALLER, meeting.speakers[0].phone.addr, &packet);
            meeting.world.run(20);
        }
        let sent = meeting.world.sent_to(THIRD);
        let loud = |sent: &&Sent| law_of(Codec::Pcmu, &sent.payload).iter().any(|x| x.unsigned_abs() > 2000);
        delays.push(sent.iter().find(loud).expect("sound").at.duration_since(from).as_millis());
    }
    delays.sort_unstable();
    assert!(delays[10] <= 30 && delays[19] <= 50, "{delays:?}");
}

#[test]
fn a_key_of_the_caller_still_reaches_the_agent_once_and_nobody_else() {
    let mut meeting = Meeting::new([Codec::Pcmu; 3], Part::Talks);
    meeting.talk(200);
    meeting.world.wire.sent.clear();
    meeting.world.events();
    for packet in meeting.speakers[0].phone.key(5, 100) {
        let from = meeting.speakers[0].phone.addr;
        meeting.world.deliver(CALLER, from, &packet);
        meeting.world.run(20);
    }
    meeting.world.run(200);
    assert_eq!(meeting.world.keys(), "5");
    let events = |sent: Vec<Sent>| sent.iter().filter(|sent| sent.rtp.payload_type == 101 && sent.rtp.marker).count();
    assert_eq!(LEGS.map(|leg| events(meeting.world.sent_to(leg))), [0, 1, 0]);
}

#[test]
fn a_notice_is_heard_by_the_one_it_is_for_while_the_others_go_on_talking() {
    for third in [None, Some(Part::Talks)] {
        let mut meeting = Meeting::bridged([Codec::Pcmu; 3]);
        third.into_iter().for_each(|part| meeting.join(part));
        meeting.talk(300);
        meeting.world.play(CALLER, 1, vec![PlayItem::Tone(Tone::Milliwatt)], false);
        let [caller, agent, _] = meeting.heard();
        assert_eq!((caller, agent[0]), ([false; 3], true), "{third:?}");
        meeting.world.command(MediaCmd::StopPlay { leg: CALLER, id: hotline::media::PlayId(1) });
        assert!(meeting.heard()[0][1]);
    }
}

#[test]
fn commands_that_make_no_sense_change_nothing_and_the_ninth_party_is_not_heard() {
    let mut meeting = Meeting::new([Codec::Pcmu; 3], Part::Talks);
    for (leg, to) in [(CALLER, CALLER), (AGENT, CALLER), (LegId(99), CALLER), (THIRD, LegId(99))] {
        meeting.world.command(MediaCmd::Join { leg, to, part: Part::Talks });
    }
    for leg in 4..=9 {
        let phone = Phone::new(&format!("10.0.0.{leg}:4000"), Codec::Pcmu);
        meeting.world.answer(LegId(leg), &phone);
        meeting.world.command(MediaCmd::Join { leg: LegId(leg), to: THIRD, part: Part::Listens });
    }
    assert_eq!(meeting.heard(), [[false, true, true], [true, false, true], [true, true, false]]);
    let mut last = |leg| sound(Codec::Pcmu, &meeting.world.sent_to(leg)).iter().any(|x| x.unsigned_abs() > 2000);
    assert!(last(LegId(8)) && !last(LegId(9)));
    // In any order they leave.
    for leg in [1, 5, 3, 4, 8, 2, 7, 6, 9] {
        meeting.world.command(MediaCmd::Drop { leg: LegId(leg) });
        meeting.world.run(60);
    }
    let dropped = |event: &MediaEvent| matches!(event, MediaEvent::Dropped { .. });
    assert_eq!(meeting.world.events().iter().filter(|event| dropped(event)).count(), 9);
}
