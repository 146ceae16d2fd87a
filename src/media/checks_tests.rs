use super::*;
use crate::stun::{BINDING_ERROR, BINDING_SUCCESS};

/// RFC 5769 2.1: a request with all that ICE sends.
const SAMPLE: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff\
    80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const FROM: &str = "192.0.2.1:32853";

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn known_by(ufrag: &str, password: &str) -> KnownBy {
    KnownBy::new(&Ice { ufrag: ufrag.into(), password: password.into() })
}

fn ask(packet: &[u8], password: &str, from: &str) -> Option<(Option<bool>, Vec<u8>)> {
    let known_by = known_by("evtj", password);
    let checked = known_by.answer(&known_by.read(packet)?, from.parse().unwrap())?;
    Some((checked.proven, checked.answer.as_bytes().to_vec()))
}

/// A request as a browser makes it, written by hand.
fn request(more: &[(u16, &[u8])]) -> Vec<u8> {
    let mut made = octets("000100002112a442b7e7a701bc34d686fa87dfae");
    let add = |made: &mut Vec<u8>, kind: u16, value: &[u8]| {
        made.extend_from_slice(&kind.to_be_bytes());
        made.extend_from_slice(&(value.len() as u16).to_be_bytes());
        made.extend_from_slice(value);
        made.resize(made.len().next_multiple_of(4), 0);
    };
    add(&mut made, USERNAME, b"evtj:h6vY");
    more.iter().for_each(|(kind, value)| add(&mut made, *kind, value));
    let length = (made.len() - 20 + 24) as u16;
    made[2..4].copy_from_slice(&length.to_be_bytes());
    let sum = known_by("evtj", PASSWORD).sum(&[&made]);
    add(&mut made, MESSAGE_INTEGRITY, &sum);
    made
}

#[test]
fn the_check_of_rfc_5769_is_proven_and_its_role_is_taken_by_us() {
    let (proven, answer) = ask(&octets(SAMPLE), PASSWORD, FROM).unwrap();
    // It names itself controlled, which a lite agent is (RFC 8445 7.3.1.1).
    assert_eq!(
        (proven, &answer[..2], &answer[4..20]),
        (None, &BINDING_ERROR.to_be_bytes()[..], &octets(SAMPLE)[4..20])
    );
    assert_eq!(&answer[20..28], [0, 9, 0, 4, 0, 0, 4, 87]);
}

#[test]
fn a_browser_is_told_where_it_is_seen_with_proof() {
    let packet = request(&[(PRIORITY, &[0, 0, 0, 1]), (USE_CANDIDATE, &[]), (0x802a, &[1; 8])]);
    let (proven, answer) = ask(&packet, PASSWORD, FROM).unwrap();
    assert_eq!((proven, &answer[..2]), (Some(true), &BINDING_SUCCESS.to_be_bytes()[..]));
    // RFC 5769 2.2 has the same address for the same transaction.
    assert_eq!(answer[20..32], octets("002000080001a147e112a643"));
    let message = Message::read(&answer).unwrap();
    let signed = message.attributes().map(Result::unwrap).find(|found| found.kind == MESSAGE_INTEGRITY).unwrap();
    let mut head = signed.before.to_vec();
    head[3] = (signed.before.len() + 4) as u8;
    assert_eq!(signed.value, known_by("evtj", PASSWORD).sum(&[&head]));
    let (proven, answer) = ask(&request(&[]), PASSWORD, "[2001:db8::1]:9").unwrap();
    assert_eq!((proven, answer.len()), (Some(false), 20 + 24 + 24 + 8));
}

#[test]
fn who_has_not_the_password_or_asks_for_another_leg_gets_no_answer() {
    let good = request(&[]);
    assert!(ask(&good, PASSWORD, FROM).is_some());
    assert_eq!(ask(&good, "another password", FROM), None);
    for other in ["evt", "evtk", "evtj:h6vY"] {
        assert!(known_by(other, PASSWORD).read(&good).is_none(), "{other}");
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(ask(&bad, PASSWORD, FROM), None, "octet {at}");
        assert_eq!(ask(&good[..at], PASSWORD, FROM), None, "cut at {at}");
    }
    let mut unsigned = good[..good.len() - 24].to_vec();
    unsigned[3] -= 24;
    assert_eq!(ask(&unsigned, PASSWORD, FROM), None);
}

#[test]
fn what_must_be_understood_and_is_not_is_refused_by_name() {
    let (proven, answer) = ask(&request(&[(0x0042, &[1, 2, 3])]), PASSWORD, FROM).unwrap();
    assert_eq!((proven, &answer[..2]), (None, &BINDING_ERROR.to_be_bytes()[..]));
    assert!(answer.windows(6).any(|part| part == [0, 10, 0, 2, 0, 0x42]));
}

#[test]
fn nothing_behind_the_proof_is_believed() {
    let mut packet = request(&[]);
    packet.extend([0, USE_CANDIDATE as u8, 0, 0]);
    packet[3] += 4;
    assert_eq!(ask(&packet, PASSWORD, FROM).unwrap().0, Some(false));
}

proptest::proptest! {
    #[test]
    fn lengths_that_lie_are_read_past_no_end(changes in proptest::collection::vec((0usize..96, proptest::num::u8::ANY), 0..6), cut in 0usize..8) {
        let mut packet = octets(SAMPLE);
        for (at, octet) in changes {
            if let Some(place) = packet.get_mut(at) {
                *place = octet;
            }
        }
        packet.truncate(packet.len() - cut);
        ask(&packet, PASSWORD, FROM);
    }

    #[test]
    fn garbage_is_never_answered(packet in proptest::collection::vec(proptest::num::u8::ANY, 0..700)) {
        proptest::prop_assert_eq!(ask(&packet, PASSWORD, FROM), None);
    }
}
