//! A fax instead of a talk: datagrams of T.38, passed on as they are.

use crate::world::*;
use hotline::media::{MediaCmd, MediaEvent, RecordingId};
use hotline::sdp::Codec;

const U: Codec = Codec::Pcmu;

fn faxing() -> (World, Phone, Phone) {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(200, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    for (leg, phone) in [(CALLER, &a), (AGENT, &b)] {
        world.command(MediaCmd::Fax { leg, remote: phone.addr });
        world.command(MediaCmd::RtpTimeout { leg, after: None });
    }
    world.wire.sent.clear();
    world.events();
    (world, a, b)
}

/// The datagram of that number. Such as look like RTCP are among them.
fn page(number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    vec![high, low, 3, 0xc0, 1, 0x80, 0]
}

#[test]
fn each_datagram_of_a_fax_reaches_the_other_machine_as_it_is() {
    let (mut world, a, b) = faxing();
    let pages: Vec<_> = (0..600).map(page).collect();
    for packet in &pages {
        world.deliver(CALLER, a.addr, packet);
        world.deliver(AGENT, b.addr, &page(7));
        world.run(30);
    }
    let got: Vec<_> = world.wire.datagrams.iter().filter(|(leg, ..)| *leg == AGENT).map(|(.., d)| d.clone()).collect();
    assert!(got == pages, "{} of {}", got.len(), pages.len());
    assert_eq!(world.wire.datagrams.len(), 1200, "and the other way");
}

#[test]
fn nothing_but_the_fax_is_sent_or_recorded_while_it_lasts_however_long_a_machine_is_silent() {
    let (mut world, mut a, _) = faxing();
    world.wire.rtcp.clear();
    world.command(MediaCmd::RecordStart { call: CALL, near: CALLER, far: Some(AGENT), recording: RecordingId(1) });
    world.command(MediaCmd::SendDtmf { leg: AGENT, key: '5', duration_ms: 100 });
    // The last of the sound is still on its way.
    for _ in 0..3 {
        let late = a.speak();
        world.deliver(CALLER, a.addr, &late);
    }
    world.run(60_000);
    let wire = &world.wire;
    assert_eq!((wire.sent.len(), wire.rtcp.len(), wire.datagrams.len(), wire.taps.len()), (0, 0, 0, 0));
    assert_eq!(world.events(), [MediaEvent::KeyUnsent { leg: AGENT, key: '5' }], "no silence is missed");
    // Back to sound.
    world.offer(CALLER, a.spec());
    world.offer(AGENT, Phone::new("10.0.0.2:5000", U).spec());
    world.talk(200, &mut [(CALLER, &mut a)]);
    assert!(world.sent_to(AGENT).iter().any(|sent| sent.payload == [a.voice; 160]));
}

#[test]
fn a_fax_machine_at_another_port_than_the_voice_is_found_and_a_stranger_is_not() {
    let (mut world, a, _) = faxing();
    let (moved, stranger) = ("10.0.0.1:4100".parse().unwrap(), "66.6.6.6:6".parse().unwrap());
    world.command(MediaCmd::Fax { leg: CALLER, remote: moved });
    for number in 0..200 {
        world.deliver(CALLER, stranger, &page(0x4000 + number));
        world.deliver(CALLER, moved, &page(number));
        world.deliver(AGENT, "10.0.0.2:5000".parse().unwrap(), &page(number));
        world.run(20);
    }
    let heard = world.wire.datagrams.iter().filter(|(leg, ..)| *leg == AGENT);
    assert!(heard.clone().all(|(.., datagram)| datagram[0] < 0x40), "nothing of the stranger's");
    assert_eq!(heard.count(), 200);
    assert_ne!(a.addr, moved);
}

#[test]
fn garbage_and_floods_in_a_fax_harm_nobody() {
    let (mut world, a, _) = faxing();
    for length in 0..64 {
        world.deliver(CALLER, a.addr, &vec![0x80; length]);
    }
    world.wire.datagrams.clear();
    for number in 0..20_000 {
        world.deliver(CALLER, a.addr, &page(number));
        if number % 20 == 0 {
            world.run(1);
        }
    }
    // 1 s at 20,000 a second: a burst and 200 a second are let through.
    assert!(world.wire.datagrams.len() <= 400, "{}", world.wire.datagrams.len());
}
