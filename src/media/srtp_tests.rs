use super::*;

const SUITES: [Suite; 3] = [Suite::AesCm80, Suite::AesCm32, Suite::AesGcm128];

fn octets<const N: usize>(hex: &str) -> [u8; N] {
    std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

fn master(suite: Suite) -> MasterKey {
    // RFC 3711 B.3.
    let mut salt = octets("0ec675ad498afeebb6960b3aabe6");
    if suite == Suite::AesGcm128 {
        salt[12..].fill(0);
    }
    MasterKey { suite, key: octets("e1f97a0d3e018be0d64fa32c06de4139"), salt, mki: 0 }
}

fn pair(suite: Suite) -> (Sender, Receiver) {
    (Sender::new(&master(suite)), Receiver::new(&master(suite)))
}

fn packet(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    packet.extend([0xd5; 160]);
    packet
}

fn protect(sender: &mut Sender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_OVERHEAD, 0);
    let length = sender.protect_rtp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn open(receiver: &mut Receiver, protected: &[u8]) -> Result<Vec<u8>, Untrue> {
    let mut packet = protected.to_vec();
    let length = receiver.open_rtp(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

#[test]
fn session_keys_are_those_of_rfc_3711_b_3() {
    let Cipher::Counter { cipher, salt, .. } = Cipher::derive(&master(Suite::AesCm80), Kind::Rtp) else { panic!() };
    assert_eq!(salt[..14], octets::<14>("30cbbc08863d8c85d49db34a9ae1"));
    let expected = Aes128::new(&octets::<16>("c61e7a93744f39ee10734afe3ff7a087").into());
    let stream = |cipher: &Aes128| {
        let mut made = [0; 32];
        keystream(cipher, [7; 16]).apply_keystream(&mut made);
        made
    };
    assert_eq!(stream(&cipher), stream(&expected));
}

#[test]
fn the_key_stream_is_that_of_rfc_3711_b_2() {
    let cipher = Aes128::new(&octets::<16>("2b7e151628aed2a6abf7158809cf4f3c").into());
    let mut salt = [0; 16];
    salt[..14].copy_from_slice(&octets::<14>("f0f1f2f3f4f5f6f7f8f9fafbfcfd"));
    let mut made = [0; 16];
    counter(&cipher, &salt, 0, 0).apply_keystream(&mut made);
    assert_eq!(made, octets("e03ead0935c95e80e166b16dd92b4eb4"));
}

#[test]
fn a_protected_packet_of_another_hand_is_opened() {
    // RFC 7714 16.1.1 gives session keys, so the cipher is made of them directly.
    let key = UnboundKey::new(&AES_128_GCM, &octets::<16>("000102030405060708090a0b0c0d0e0f")).unwrap();
    let cipher = Cipher::Gcm { key: Box::new(LessSafeKey::new(key)), salt: octets("517569642070726f2071756f") };
    let (mut sender, mut receiver) = pair(Suite::AesGcm128);
    sender.rtp = cipher;
    let text = b"Gallia est omnis divisa in partes tres";
    let clear = [&octets::<12>("8040f17b8041f8d35501a0b2")[..], text].concat();
    let protected = protect(&mut sender, &clear);
    let expected: [u8; 54] = octets(
        "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
    );
    assert_eq!(protected[12..], expected);
    let key = UnboundKey::new(&AES_128_GCM, &octets::<16>("000102030405060708090a0b0c0d0e0f")).unwrap();
    receiver.rtp = Cipher::Gcm { key: Box::new(LessSafeKey::new(key)), salt: octets("517569642070726f2071756f") };
    assert_eq!(open(&mut receiver, &protected).unwrap(), clear);
}

#[test]
fn what_one_side_protects_the_other_opens_also_past_the_end_of_the_sequence() {
    for suite in SUITES {
        let (mut sender, mut receiver) = pair(suite);
        // Two times round, most of it skipped: a tenth is lost, and at each wrap the packets around it.
        for n in 0..1_400u32 {
            let sequence = (n * 97 + 60_000) as u16;
            let protected = protect(&mut sender, &packet(sequence, 7));
            if n % 10 != 3 && !(65_000..=65_535).contains(&sequence) {
                assert_eq!(open(&mut receiver, &protected), Ok(packet(sequence, 7)), "{suite:?} {n}");
            }
        }
    }
}

#[test]
fn packets_that_overtook_each_other_around_the_wrap_are_all_heard_once() {
    for suite in SUITES {
        let (mut sender, mut receiver) = pair(suite);
        let sent: Vec<Vec<u8>> =
            (0..200u16).map(|n| protect(&mut sender, &packet(65_436u16.wrapping_add(n), 7))).collect();
        for chunk in sent.chunks(4) {
            for protected in chunk.iter().rev() {
                assert!(open(&mut receiver, protected).is_ok(), "{suite:?}");
            }
            for protected in chunk {
                assert_eq!(open(&mut receiver, protected), Err(Untrue::Replayed));
            }
        }
        assert_eq!(open(&mut receiver, &sent[0]), Err(Untrue::Replayed), "too old to tell");
    }
}

#[test]
fn a_forged_damaged_or_short_packet_is_refused_and_changes_nothing() {
    for suite in SUITES {
        let (mut sender, mut receiver) = pair(suite);
        assert!(open(&mut receiver, &protect(&mut sender, &packet(1, 7))).is_ok());
        let good = protect(&mut sender, &packet(2, 7));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(open(&mut receiver, &bad).is_err(), "{suite:?} octet {at}");
            assert!(open(&mut receiver, &good[..at]).is_err(), "{suite:?} cut at {at}");
        }
        let mut other = Sender::new(&MasterKey { key: [9; 16], ..master(suite) });
        // Far ahead: if it were believed, the next good packet would be a replay.
        assert_eq!(open(&mut receiver, &protect(&mut other, &packet(30_000, 7))), Err(Untrue::Tag));
        assert_eq!(open(&mut receiver, &good), Ok(packet(2, 7)), "still heard");
    }
}

#[test]
fn a_thousand_sources_under_one_key_take_no_more_room_than_four() {
    let (mut receiver, mut last) = (Receiver::new(&master(Suite::AesCm80)), Vec::new());
    for ssrc in 0..1000 {
        let mut sender = Sender::new(&master(Suite::AesCm80));
        last = protect(&mut sender, &packet(5, ssrc));
        assert_eq!(open(&mut receiver, &last), Ok(packet(5, ssrc)));
    }
    assert_eq!(open(&mut receiver, &last), Err(Untrue::Replayed));
}

#[test]
fn reports_are_protected_with_a_count_of_their_own() {
    for suite in SUITES {
        let (mut sender, mut receiver) = pair(suite);
        let report = [&[0x80, 200, 0, 6, 0, 0, 0, 7][..], &[3; 20]].concat();
        for _ in 0..3 {
            let mut buffer = [0; 64];
            buffer[..report.len()].copy_from_slice(&report);
            let length = sender.protect_rtcp(&mut buffer, report.len()).unwrap();
            assert_ne!(buffer[8..28], report[8..28]);
            for at in 0..length {
                let mut bad = buffer;
                bad[at] ^= 1;
                assert!(receiver.open_rtcp(&mut bad[..length]).is_err(), "{suite:?} octet {at}");
                let mut cut = buffer;
                assert!(receiver.open_rtcp(&mut cut[..at]).is_err(), "{suite:?} cut at {at}");
            }
            let mut copy = buffer;
            let opened = receiver.open_rtcp(&mut buffer[..length]).unwrap();
            assert_eq!(buffer[..opened], report);
            assert_eq!(receiver.open_rtcp(&mut copy[..length]), Err(Untrue::Replayed));
        }
    }
}

#[test]
fn a_key_identifier_of_the_peer_is_passed_over() {
    let keyed = MasterKey { mki: 4, ..master(Suite::AesCm80) };
    let (mut sender, mut receiver) = (Sender::new(&master(Suite::AesCm80)), Receiver::new(&keyed));
    let mut protected = protect(&mut sender, &packet(9, 7));
    let tag = protected.split_off(protected.len() - 10);
    protected.extend([0, 0, 0, 1]);
    protected.extend(tag);
    assert_eq!(open(&mut receiver, &protected), Ok(packet(9, 7)));
}
