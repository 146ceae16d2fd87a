use super::*;
use crate::media::screen::tests::{fragment, record};

const LEG: LegId = LegId(1);
const HERE: &str = "192.0.2.1:20000";
const THERE: &str = "198.51.100.1:40000";

/// Two ends and what is between them.
struct Pair {
    now: Instant,
    ours: Handshakes,
    theirs: Handshakes,
    /// Keys and failures, in order: ours, theirs.
    outcome: [Vec<Said>; 2],
    sent: usize,
    /// Cuts what each side sends.
    cut: Option<[u64; 2]>,
}

/// The datagram's open messages in parts of `size`, each in a datagram of its own, and the rest behind them (RFC 6347
/// 4.2.3). `number` counts the sender's open records.
fn cut(datagram: &[u8], size: usize, number: &mut u64) -> Vec<Vec<u8>> {
    let mut cut = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let (this, after) = rest.split_at(13 + usize::from(u16::from_be_bytes([rest[11], rest[12]])));
        rest = after;
        let (head, mut body) = this.split_at(13);
        if head[3..5] != [0, 0] {
            cut.push(this.to_vec());
            continue;
        }
        if head[0] != 22 {
            cut.push(record(head[0], 0, *number, body));
            *number += 1;
            continue;
        }
        while !body.is_empty() {
            let length = u32::from_be_bytes([0, body[1], body[2], body[3]]);
            let (message, after) = body.split_at(12 + length as usize);
            body = after;
            let (head, text) = message.split_at(12);
            let parts = if text.is_empty() { vec![text] } else { text.chunks(size).collect() };
            for (n, part) in parts.into_iter().enumerate() {
                let at = u32::try_from(n * size).unwrap();
                let part_size = u32::try_from(part.len()).unwrap();
                let made = [&head[..6], &at.to_be_bytes()[1..], &part_size.to_be_bytes()[1..], part].concat();
                cut.push(record(22, 0, *number, &made));
                *number += 1;
            }
        }
    }
    cut
}

fn handshake(active: bool, of: &Identity) -> Handshake {
    let print = Fingerprint { hash: Hash::Sha256, octets: of.fingerprint().to_vec() };
    Handshake { association: 1, active, fingerprints: vec![print], ice: None }
}

impl Pair {
    /// Each announces a certificate; what is shown need not be it.
    fn new(announced: impl FnOnce(Handshake) -> Handshake, we_begin: bool) -> Self {
        let (a, b) = (Identity::make().unwrap(), Identity::make().unwrap());
        let now = Instant::now();
        let of_b = announced(handshake(we_begin, &b));
        let of_a = handshake(!we_begin, &a);
        let (mut ours, mut theirs) = (Handshakes::new(a), Handshakes::new(b));
        let begin = |handshake, to: &str| {
            let what = What::Begin { handshake: Box::new(handshake), to: Some(to.parse().unwrap()) };
            Note { leg: LEG, association: 1, what }
        };
        ours.handle(now, begin(of_b, THERE));
        theirs.handle(now, begin(of_a, HERE));
        ours.handle(now, Note { leg: LEG, association: 1, what: What::Answered });
        Self { now, ours, theirs, outcome: [Vec::new(), Vec::new()], sent: 0, cut: None }
    }

    /// Carries all datagrams that `lost` lets through, in this moment.
    fn carry(&mut self, mut lost: impl FnMut(usize) -> bool) {
        loop {
            let mut quiet = true;
            for side in 0..2 {
                let (from, to) =
                    if side == 0 { (&mut self.ours, &mut self.theirs) } else { (&mut self.theirs, &mut self.ours) };
                while let Some(said) = from.poll() {
                    quiet = false;
                    let Said::Send { octets, .. } = said else {
                        self.outcome[side].push(said);
                        continue;
                    };
                    self.sent += 1;
                    if !lost(self.sent) {
                        let from = if side == 0 { HERE } else { THERE }.parse().unwrap();
                        let parts = match &mut self.cut {
                            Some(numbers) => cut(&octets, 60, &mut numbers[side]),
                            None => vec![octets],
                        };
                        for octets in parts {
                            let what = What::Datagram { from, octets: octets.into() };
                            to.handle(self.now, Note { leg: LEG, association: 1, what });
                        }
                    }
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.ours.handle_timeout(self.now);
        self.theirs.handle_timeout(self.now);
    }

    fn keys(&self, side: usize) -> (MasterKey, MasterKey) {
        match self.outcome[side].as_slice() {
            [Said::Keys { send, receive, association: 1, .. }] => (*send, *receive),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn both_ends_get_each_others_keys_whoever_begins() {
    for we_begin in [false, true] {
        let mut pair = Pair::new(|right| right, we_begin);
        pair.carry(|_| false);
        let ((send, receive), (their_send, their_receive)) = (pair.keys(0), pair.keys(1));
        assert_eq!((send, receive), (their_receive, their_send));
        assert!(send != receive && send.suite == Suite::AesGcm128 && send.key != [0; 16]);
    }
}

#[test]
fn messages_that_come_in_small_parts_are_put_together() {
    for we_begin in [false, true] {
        let mut pair = Pair::new(|right| right, we_begin);
        pair.cut = Some([0, 0]);
        pair.carry(|_| false);
        assert_eq!(pair.keys(0).0, pair.keys(1).1);
    }
}

/// Each part points at the next, none has a body: `rtc-dtls` would follow them by a call within a call.
#[test]
fn a_chain_of_empty_parts_does_not_end_the_process() {
    let peer = || {
        let mut pair = Pair::new(|right| right, false);
        let chain: Vec<u32> = (1..=60_000).rev().chain([0]).collect();
        for (number, offsets) in (0..).zip(chain.chunks(120)) {
            let body: Vec<u8> = offsets.iter().flat_map(|offset| fragment(0, 0, *offset, 1, 0)).collect();
            let what = What::Datagram { from: THERE.parse().unwrap(), octets: record(22, 0, number, &body).into() };
            pair.ours.handle(pair.now, Note { leg: LEG, association: 1, what });
        }
        pair.pass(LIMIT);
        assert_eq!(pair.ours.poll(), Some(Said::Failed { leg: LEG, association: 1, why: NoKeys::Refused }));
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(peer).unwrap().join().unwrap();
}

#[test]
fn a_flood_of_records_for_later_is_kept_neither_in_memory_nor_from_an_end() {
    let mut pair = Pair::new(|right| right, false);
    for number in 0..2_000 {
        let octets = record(22, 1, number, &[7; 48]).into();
        let what = What::Datagram { from: THERE.parse().unwrap(), octets };
        pair.ours.handle(pair.now, Note { leg: LEG, association: 1, what });
    }
    pair.carry(|_| false);
    assert!(pair.outcome[0].is_empty(), "no more is taken from it");
    pair.pass(LIMIT);
    pair.carry(|_| false);
    assert_eq!(pair.outcome[0], [Said::Failed { leg: LEG, association: 1, why: NoKeys::Refused }]);
}

#[test]
fn lost_datagrams_are_sent_again() {
    for nth in 1..=8 {
        let mut pair = Pair::new(|right| right, nth % 2 == 0);
        pair.carry(|sent| sent == nth);
        for _ in 0..20 {
            pair.pass(Duration::from_millis(100));
            pair.carry(|_| false);
        }
        assert_eq!(pair.keys(0).0, pair.keys(1).1, "without datagram {nth}");
    }
}

#[test]
fn another_certificate_than_announced_gives_no_keys_and_says_so() {
    let forged = |mut handshake: Handshake| {
        handshake.fingerprints[0].octets[31] ^= 1;
        handshake
    };
    for we_begin in [false, true] {
        let mut pair = Pair::new(forged, we_begin);
        pair.carry(|_| false);
        assert_eq!(pair.outcome[0], [Said::Failed { leg: LEG, association: 1, why: NoKeys::Certificate }]);
        assert!(pair.ours.is_empty());
        assert!(!we_begin || !matches!(pair.outcome[1].as_slice(), [Said::Keys { .. }]));
    }
}

#[test]
fn fingerprints_by_other_hashes_are_compared_too() {
    for (hash, size) in [(Hash::Sha1, 20), (Hash::Sha384, 48), (Hash::Sha512, 64)] {
        let der = b"a certificate";
        let octets = match hash {
            Hash::Sha1 => sha1::Sha1::digest(der).to_vec(),
            Hash::Sha384 => sha2::Sha384::digest(der).to_vec(),
            _ => sha2::Sha512::digest(der).to_vec(),
        };
        assert_eq!(octets.len(), size);
        assert!(is_of(&Fingerprint { hash, octets: octets.clone() }, der));
        assert!(!is_of(&Fingerprint { hash, octets }, b"another"));
    }
}

#[test]
fn who_never_answers_is_given_up_after_fifteen_seconds() {
    for we_begin in [false, true] {
        let mut pair = Pair::new(|right| right, we_begin);
        let (mut waited, mut last_sent) = (Duration::ZERO, Duration::ZERO);
        while pair.outcome[0].is_empty() && waited < Duration::from_secs(60) {
            let before = pair.sent;
            pair.carry(|_| true);
            pair.pass(Duration::from_millis(100));
            waited += Duration::from_millis(100);
            pair.carry(|_| true);
            if pair.sent > before {
                last_sent = waited;
            }
        }
        assert_eq!(pair.outcome[0], [Said::Failed { leg: LEG, association: 1, why: NoKeys::Unanswered }]);
        assert_eq!((waited, pair.ours.next_timeout()), (LIMIT, None));
        assert!(last_sent > Duration::from_secs(10) && pair.sent < 30, "{last_sent:?}, {}", pair.sent);
    }
}

#[test]
fn a_gap_of_five_seconds_in_the_way_is_outlasted_whichever_flight_it_meets() {
    for (we_begin, begins) in (0..6).flat_map(|nth| [(false, nth), (true, nth)]) {
        let mut pair = Pair::new(|right| right, we_begin);
        pair.carry(|sent| sent > begins);
        for _ in 0..50 {
            pair.pass(Duration::from_millis(100));
            pair.carry(|_| true);
        }
        for _ in 0..80 {
            pair.pass(Duration::from_millis(100));
            pair.carry(|_| false);
        }
        assert_eq!(pair.keys(0).0, pair.keys(1).1, "after {begins} datagrams, {we_begin}");
    }
}

#[test]
fn a_desk_phone_that_listens_only_when_it_has_answered_gets_its_keys() {
    let mut pair = Pair::new(|right| right, true);
    pair.ours.handle(pair.now, Note { leg: LEG, association: 1, what: What::End });
    let of_b = handshake(true, &pair.theirs.identity);
    let what = What::Begin { handshake: Box::new(of_b), to: Some(THERE.parse().unwrap()) };
    pair.ours.handle(pair.now, Note { leg: LEG, association: 1, what });
    for _ in 0..600 {
        pair.pass(Duration::from_millis(100));
        pair.carry(|_| true);
    }
    pair.ours.handle(pair.now, Note { leg: LEG, association: 1, what: What::Answered });
    for _ in 0..40 {
        pair.pass(Duration::from_millis(100));
        pair.carry(|_| false);
    }
    assert_eq!(pair.keys(0).0, pair.keys(1).1);
}

#[test]
fn a_caller_that_waits_for_the_answer_is_waited_for() {
    let mut pair = Pair::new(|right| right, false);
    let what = What::Begin { handshake: Box::new(handshake(false, &Identity::make().unwrap())), to: None };
    pair.ours.handle(pair.now, Note { leg: LEG, association: 1, what });
    pair.pass(Duration::from_secs(120));
    assert!(pair.ours.poll().is_none(), "it rings");
    pair.ours.handle(pair.now, Note { leg: LEG, association: 1, what: What::Answered });
    pair.pass(LIMIT);
    assert!(matches!(pair.ours.poll(), Some(Said::Failed { why: NoKeys::Unanswered, .. })));
}

#[test]
fn a_neighbour_of_the_peer_neither_draws_its_handshake_away_nor_spoils_it() {
    let neighbour: SocketAddr = "198.51.100.1:6666".parse().unwrap();
    for we_begin in [false, true] {
        for behind_nat in [false, true] {
            let mut pair = Pair::new(|right| right, we_begin);
            if behind_nat {
                // Its description names an address that nothing comes from.
                let Running { way, .. } = pair.ours.running.get_mut(&LEG).unwrap();
                *way = Way::Unchecked { home: Some("10.0.0.7:4000".parse().unwrap()), heard: None };
            }
            let spoofed = |pair: &mut Pair| {
                let octets = record(22, 0, 0, &fragment(0, 1, 0, 1, 1)).into();
                let what = What::Datagram { from: neighbour, octets };
                pair.ours.handle(pair.now, Note { leg: LEG, association: 1, what });
            };
            if !behind_nat {
                spoofed(&mut pair);
            }
            let mut astray = 0;
            pair.carry(|_| false);
            for _ in 0..50 {
                spoofed(&mut pair);
                pair.pass(Duration::from_millis(100));
                let ours = &mut pair.ours;
                let sent = std::mem::take(&mut ours.said);
                astray += sent.iter().filter(|said| matches!(said, Said::Send { to, .. } if *to == neighbour)).count();
                ours.said = sent;
                pair.carry(|_| false);
            }
            assert_eq!((pair.keys(0).0, pair.keys(0).1), (pair.keys(1).1, pair.keys(1).0));
            assert_eq!(astray, 0);
        }
    }
}

#[test]
fn who_spoke_first_on_a_host_behind_a_nat_is_heard_alone_until_it_falls_silent() {
    let neighbour: SocketAddr = "198.51.100.1:6666".parse().unwrap();
    let mut pair = Pair::new(|right| right, false);
    pair.ours.running.get_mut(&LEG).unwrap().way =
        Way::Unchecked { home: Some("10.0.0.7:4000".parse().unwrap()), heard: None };
    // Their first words arrive, and no more.
    pair.carry(|nth| nth > 1);
    let to_after_a_word_from_the_neighbour = |pair: &mut Pair| {
        let octets = record(22, 0, 0, &fragment(0, 1, 0, 1, 1)).into();
        let what = What::Datagram { from: neighbour, octets };
        pair.ours.handle(pair.now, Note { leg: LEG, association: 1, what });
        pair.ours.running[&LEG].to
    };
    assert_eq!(to_after_a_word_from_the_neighbour(&mut pair), Some(THERE.parse().unwrap()));
    pair.now += SPEAKS;
    assert_eq!(to_after_a_word_from_the_neighbour(&mut pair), Some(neighbour));
}

#[test]
fn a_finished_handshake_is_let_go_after_a_while() {
    let mut pair = Pair::new(|right| right, false);
    pair.carry(|_| false);
    assert_eq!(pair.ours.len(), 1);
    pair.pass(AFTERWARDS);
    assert!(pair.ours.is_empty() && pair.ours.poll().is_none());
    // What comes of an earlier one, or of a leg that is gone, is passed over.
    let what = What::Datagram { from: THERE.parse().unwrap(), octets: vec![22; 60].into() };
    pair.ours.handle(pair.now, Note { leg: LEG, association: 1, what });
    assert!(pair.ours.poll().is_none());
}

#[test]
fn garbage_in_a_handshake_breaks_neither_it_nor_us() {
    let mut dice = 7u64;
    let mut random = move || {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice
    };
    for _ in 0..40 {
        let mut pair = Pair::new(|right| right, random() % 2 == 0);
        for _ in 0..20 {
            let mut octets: Vec<u8> = (0..random() % 300).map(|_| random() as u8).collect();
            let head = [20 + (random() % 5) as u8, 0xfe, 0xfd, 0, (random() % 3) as u8, 0, 0, 0, 0, 0, random() as u8];
            octets.splice(..head.len().min(octets.len()), head);
            let what = What::Datagram { from: THERE.parse().unwrap(), octets: octets.into() };
            pair.ours.handle(pair.now, Note { leg: LEG, association: 1, what });
        }
        pair.carry(|_| false);
        for _ in 0..200 {
            pair.pass(Duration::from_millis(100));
            pair.carry(|_| false);
        }
        assert_eq!(pair.outcome[0].len(), 1, "keys, or a clear end");
        assert!(pair.ours.len() <= 1);
    }
}

#[test]
fn a_neighbour_with_another_certificate_ends_no_call() {
    for comes in [true, false] {
        let mut pair = Pair::new(|right| right, false);
        let port = "198.51.100.1:50000".parse().unwrap();
        let mut neighbour = Handshakes::new(Identity::make().unwrap());
        let what =
            What::Begin { handshake: Box::new(handshake(true, &pair.ours.identity)), to: Some(HERE.parse().unwrap()) };
        neighbour.handle(pair.now, Note { leg: LEG, association: 1, what });
        for _ in 0..4 {
            while let Some(Said::Send { octets, .. }) = neighbour.poll() {
                let what = What::Datagram { from: port, octets: octets.into() };
                pair.ours.handle(pair.now, Note { leg: LEG, association: 1, what });
            }
            while let Some(Said::Send { octets, .. }) = pair.ours.poll() {
                let what = What::Datagram { from: HERE.parse().unwrap(), octets: octets.into() };
                neighbour.handle(pair.now, Note { leg: LEG, association: 1, what });
            }
        }
        assert!(pair.outcome[0].is_empty() && pair.ours.len() == 1);
        match comes {
            true => {
                pair.carry(|_| false);
                assert_eq!(pair.keys(0).0, pair.keys(1).1);
            }
            false => {
                pair.pass(LIMIT);
                pair.carry(|_| true);
                assert_eq!(pair.outcome[0], [Said::Failed { leg: LEG, association: 1, why: NoKeys::Certificate }]);
            }
        }
    }
}
