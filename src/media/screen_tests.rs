use super::*;

pub(in crate::media) fn record(kind: u8, epoch: u16, number: u64, body: &[u8]) -> Vec<u8> {
    let mut made = vec![kind, 0xfe, 0xfd];
    made.extend(epoch.to_be_bytes());
    made.extend(&number.to_be_bytes()[2..]);
    made.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    made.extend(body);
    made
}

/// Header and `size` octets, whatever the header says.
pub(in crate::media) fn fragment(sequence: u16, length: u32, offset: u32, says: u32, size: usize) -> Vec<u8> {
    let mut made = vec![11];
    made.extend(&length.to_be_bytes()[1..]);
    made.extend(sequence.to_be_bytes());
    made.extend(&offset.to_be_bytes()[1..]);
    made.extend(&says.to_be_bytes()[1..]);
    made.resize(made.len() + size, 0);
    made
}

fn admits(datagram: &[u8]) -> bool {
    Screen::default().admit(datagram)
}

fn admits_message(body: &[u8]) -> bool {
    admits(&record(HANDSHAKE, 0, 0, body))
}

#[test]
fn messages_whole_and_in_parts_pass() {
    assert!(admits_message(&fragment(0, 60, 0, 60, 60)));
    assert!(admits_message(&fragment(4, 0, 0, 0, 0)), "ServerHelloDone is empty");
    assert!(admits_message(&[fragment(1, 60, 0, 60, 60), fragment(2, 400, 0, 100, 100)].concat()));
    assert!(admits_message(&fragment(2, 400, 300, 100, 100)));
    let flight =
        [record(HANDSHAKE, 0, 0, &fragment(2, 8, 0, 8, 8)), record(20, 0, 1, &[1]), record(HANDSHAKE, 1, 0, &[0; 48])];
    assert!(admits(&flight.concat()));
}

#[test]
fn what_no_handshake_sends_is_kept_out() {
    let bad = [
        ("an empty part of an empty message", fragment(0, 0, 1, 1, 0)),
        ("an empty part", fragment(0, 60, 0, 0, 0)),
        ("a part behind the end", fragment(0, 60, 40, 30, 30)),
        ("more than the record has", fragment(0, 60, 0, 60, 59)),
        ("too long a message", fragment(0, 16 * 1024 + 1, 0, 9, 9)),
        ("too far ahead", fragment(16, 9, 0, 9, 9)),
        ("half a header", fragment(0, 0, 0, 0, 0)[..11].to_vec()),
        ("a part with something behind it", [fragment(0, 60, 0, 30, 30), fragment(1, 0, 0, 0, 0)].concat()),
    ];
    for (what, body) in bad {
        assert!(!admits_message(&body), "{what}");
    }
    assert!(!admits(&record(HANDSHAKE, 1, 0, &[0; 65])), "fragments under the new keys");
    assert!(!admits(&record(HANDSHAKE, 2, 0, &[0; 48])), "keys after the next");
    let whole = record(20, 0, 0, &[1]);
    for cut in 1..whole.len() {
        assert!(!admits(&whole[..cut]), "cut after {cut}");
    }
}

#[test]
fn no_more_passes_than_a_handshake_has() {
    let mut screen = Screen::default();
    assert_eq!((0..500).filter(|_| screen.admit(&record(20, 0, 0, &[1]))).count(), 96);
    let mut screen = Screen::default();
    let many: Vec<u8> = (0..100).flat_map(|number| record(HANDSHAKE, 1, number, &[0; 48])).collect();
    assert_eq!((0..50).filter(|_| screen.admit(&many)).count(), 2);
    let mut screen = Screen::default();
    let many = record(HANDSHAKE, 0, 0, &fragment(9, 0, 0, 0, 0).repeat(100));
    assert_eq!((0..50).filter(|_| screen.admit(&many)).count(), 2);
}
