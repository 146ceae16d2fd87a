//! Zones as a name server would answer for them, and what becomes of a call to a name in them.

use super::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Records by kind and name. A name that is missing does not exist; one that is dead gives no answer.
#[derive(Default)]
struct Zone {
    records: BTreeMap<Question, Vec<Record>>,
    dead: Vec<&'static str>,
    asked: Vec<String>,
}

const TTL: Duration = Duration::from_secs(300);

impl Zone {
    fn add(&mut self, kind: RecordKind, name: &str, record: Record) -> &mut Self {
        self.records.entry(Question { kind, name: name.into() }).or_default().push(record);
        self
    }

    fn host(&mut self, name: &str, addresses: &[&str]) -> &mut Self {
        for address in addresses {
            let address: IpAddr = address.parse().unwrap();
            let kind = if address.is_ipv4() { RecordKind::A } else { RecordKind::Aaaa };
            self.add(kind, name, Record::Address(address));
        }
        self
    }

    /// `priority weight port target`
    fn srv(&mut self, name: &str, text: &str) -> &mut Self {
        let [priority, weight, port, target] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let number = |text: &str| text.parse().unwrap();
        let (priority, weight, port) = (number(priority), number(weight), number(port));
        self.add(RecordKind::Srv, name, Record::Srv(Srv { priority, weight, port, target: target.into() }))
    }

    /// `order preference flags service replacement`
    fn naptr(&mut self, name: &str, text: &str) -> &mut Self {
        let [order, preference, flags, service, replacement] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let naptr = Naptr {
            order: order.parse().unwrap(),
            preference: preference.parse().unwrap(),
            flags: flags.into(),
            service: service.into(),
            replacement: replacement.into(),
        };
        self.add(RecordKind::Naptr, name, Record::Naptr(naptr))
    }

    fn answer(&mut self, question: &Question) -> Answer {
        self.asked.push(format!("{:?} {}", question.kind, question.name));
        match self.records.get(question) {
            _ if self.dead.iter().any(|dead| question.name.ends_with(dead)) => Answer::Failed,
            Some(records) => Answer::Records { records: records.clone(), ttl: TTL },
            None => Answer::None { ttl: TTL },
        }
    }

    fn search(&mut self, place: Place, reach: Reach) -> Result<Located, NotFound> {
        let mut search = Search::new(place, reach);
        while let Some(question) = search.poll_question() {
            let answer = self.answer(&question);
            search.handle_answer(&question, answer);
        }
        search.result().cloned().expect("a search without questions is over")
    }

    /// Where a request to `uri` goes from a switch that listens for everything over IPv4.
    fn find(&mut self, uri: &str) -> Vec<String> {
        self.find_by(uri, everything())
    }

    fn find_by(&mut self, uri: &str, reach: Reach) -> Vec<String> {
        let place = Place::of_uri(&UriRef::parse(uri.as_bytes()).unwrap()).unwrap();
        match self.search(place, reach) {
            Ok(located) => located.targets(&mut |_| 0).iter().map(shown).collect(),
            Err(why) => vec![format!("{why:?}")],
        }
    }
}

fn shown(target: &Target) -> String {
    format!("{} {}", target.transport.via_name(), target.remote)
}

fn everything() -> Reach {
    Reach::new([Transport::Udp, Transport::Tcp, Transport::Tls].map(|transport| (transport, Family::V4)))
}

fn place(uri: &str) -> Place {
    Place::of_uri(&UriRef::parse(uri.as_bytes()).unwrap()).unwrap()
}

#[test]
fn an_address_or_a_port_leaves_no_question_of_transport_rfc3263_4_1_and_4_2() {
    let mut zone = Zone::default();
    zone.host("a.example", &["192.0.2.1"]).srv("_sip._udp.a.example", "0 0 5070 a.example");
    for (uri, expected) in [
        ("sip:192.0.2.9", "UDP 192.0.2.9:5060"),
        ("sips:192.0.2.9", "TLS 192.0.2.9:5061"),
        ("sip:192.0.2.9:5099;transport=tcp", "TCP 192.0.2.9:5099"),
        ("sips:192.0.2.9;transport=tcp", "TLS 192.0.2.9:5061"),
        ("sip:192.0.2.9;transport=tls", "TLS 192.0.2.9:5061"),
        ("sip:b.example;maddr=192.0.2.8", "UDP 192.0.2.8:5060"),
        ("sip:a.example:5080", "UDP 192.0.2.1:5080"),
        ("sips:A.Example:5081", "TLS 192.0.2.1:5081"),
        ("sip:a.example:5080;transport=tcp", "TCP 192.0.2.1:5080"),
        ("sip:[2001:db8::1]", "OutOfReach"),
        ("sip:0.0.0.0", "OutOfReach"),
        ("sip:224.0.0.1", "OutOfReach"),
        ("sip:192.0.2.9:0", "OutOfReach"),
    ] {
        assert_eq!(zone.find(uri), [expected], "{uri}");
    }
    assert!(zone.asked.iter().all(|question| question.starts_with("A ")), "{:?}", zone.asked);
    let refused = |uri: &str| Place::of_uri(&UriRef::parse(uri.as_bytes()).unwrap()).unwrap_err();
    assert_eq!(refused("sip:a.example;transport=sctp"), NoPlace::Transport);
    assert_eq!(refused("sips:a.example;transport=udp"), NoPlace::Transport);
    assert_eq!(refused("tel:+861012345678"), NoPlace::Scheme);
}

#[test]
fn the_services_of_a_domain_are_taken_in_its_own_order_rfc3263_4_1() {
    let mut zone = Zone::default();
    zone.naptr("a.example", "50 50 s SIPS+D2T _sips._tcp.a.example.")
        .naptr("a.example", "90 50 s SIP+D2T _sip._tcp.other.example.")
        .naptr("a.example", "100 50 s SIP+D2U _sip._udp.a.example.")
        .srv("_sips._tcp.a.example", "0 0 5061 s.a.example.")
        .srv("_sip._tcp.other.example", "0 0 5060 t.a.example.")
        .host("s.a.example", &["192.0.2.1"])
        .host("t.a.example", &["192.0.2.2"]);
    assert_eq!(zone.find("sip:a.example"), ["TLS 192.0.2.1:5061"]);
    assert_eq!(zone.find("sips:a.example"), ["TLS 192.0.2.1:5061"]);
    let clear = || Reach::new([(Transport::Udp, Family::V4), (Transport::Tcp, Family::V4)]);
    assert_eq!(zone.find_by("sip:a.example", clear()), ["TCP 192.0.2.2:5060"], "the first that we can use");
    // A sips: URI goes nowhere in the clear.
    assert_eq!(zone.find_by("sips:a.example", clear()), ["OutOfReach"]);
    // Equal order: both, by preference.
    let mut zone = Zone::default();
    zone.naptr("b.example", "10 20 S sip+d2u _sip._udp.b.example")
        .naptr("b.example", "10 10 s SIP+D2T _sip._tcp.b.example")
        .naptr("b.example", "5 10 u E2U+sip .")
        .srv("_sip._udp.b.example", "0 0 5060 b.example")
        .srv("_sip._tcp.b.example", "0 0 5060 b.example")
        .host("b.example", &["192.0.2.3"]);
    assert_eq!(zone.find("sip:b.example"), ["TCP 192.0.2.3:5060", "UDP 192.0.2.3:5060"]);
}

#[test]
fn without_naptr_each_transport_is_asked_for_and_without_srv_the_name_is_the_server() {
    let mut zone = Zone::default();
    zone.srv("_sip._tcp.a.example", "10 0 5070 one.a.example")
        .srv("_sip._tcp.a.example", "5 0 5071 two.a.example")
        .host("one.a.example", &["192.0.2.1", "192.0.2.11"])
        .host("two.a.example", &["192.0.2.2"])
        .host("plain.example", &["192.0.2.3"]);
    let both = ["TCP 192.0.2.2:5071", "TCP 192.0.2.1:5070", "TCP 192.0.2.11:5070"];
    assert_eq!(zone.find("sip:a.example"), both);
    assert_eq!(
        zone.asked[..4],
        ["Naptr a.example", "Srv _sip._udp.a.example", "Srv _sip._tcp.a.example", "Srv _sips._tcp.a.example"]
    );
    zone.asked.clear();
    assert_eq!(zone.find("sip:a.example;transport=tcp"), both);
    assert_eq!(zone.asked[0], "Srv _sip._tcp.a.example", "4.2: the transport is known, so NAPTR has nothing to say");
    assert_eq!(zone.find("sip:plain.example"), ["UDP 192.0.2.3:5060"]);
    assert_eq!(zone.find("sips:plain.example"), ["TLS 192.0.2.3:5061"]);
    assert_eq!(zone.find("sip:plain.example;transport=tls"), ["TLS 192.0.2.3:5061"]);
    assert_eq!(zone.find("sip:nowhere.example"), ["NoRecords"]);
}

#[test]
fn a_domain_that_offers_no_such_service_is_not_called_at_its_name_rfc2782() {
    let mut zone = Zone::default();
    zone.srv("_sip._udp.a.example", "0 0 0 .").host("a.example", &["192.0.2.1"]);
    assert_eq!(zone.find("sip:a.example;transport=udp"), ["NoRecords"]);
}

#[test]
fn both_families_are_tried_where_both_are_open_and_no_other() {
    let mut zone = Zone::default();
    zone.host("a.example", &["192.0.2.1", "2001:db8::1"]);
    let dual = Reach::new([(Transport::Udp, Family::V4), (Transport::Udp, Family::V6)]);
    assert_eq!(zone.find_by("sip:a.example:5060", dual), ["UDP [2001:db8::1]:5060", "UDP 192.0.2.1:5060"], "RFC 6724");
    assert_eq!(zone.find("sip:a.example:5060"), ["UDP 192.0.2.1:5060"]);
    let six = Reach::new([(Transport::Tcp, Family::V6)]);
    assert_eq!(zone.find_by("sip:a.example;transport=udp", six), ["OutOfReach"]);
}

#[test]
fn weights_share_the_calls_out_and_nobody_of_a_lower_priority_gets_any_rfc2782() {
    let mut zone = Zone::default();
    for (weight, host) in [(60, "192.0.2.1"), (30, "192.0.2.2"), (10, "192.0.2.3"), (0, "192.0.2.4")] {
        let name = format!("w{weight}.a.example");
        zone.srv("_sip._udp.a.example", &format!("1 {weight} 5060 {name}")).host(&name, &[host]);
    }
    zone.srv("_sip._udp.a.example", "2 65535 5060 last.a.example").host("last.a.example", &["192.0.2.9"]);
    let located = zone.search(place("sip:a.example;transport=udp"), everything()).unwrap();
    let mut first = BTreeMap::<String, u32>::new();
    let mut seed = 1u64;
    for _ in 0..10_000 {
        let targets = located.targets(&mut |below| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 33) % u64::from(below)) as u32
        });
        assert_eq!(targets.len(), 5);
        assert_eq!(targets[4].remote.to_string(), "192.0.2.9:5060");
        *first.entry(targets[0].remote.ip().to_string()).or_default() += 1;
    }
    let share = |host: &str| first.get(host).copied().unwrap_or(0);
    assert!((5_700..6_300).contains(&share("192.0.2.1")), "{first:?}");
    assert!((2_700..3_300).contains(&share("192.0.2.2")), "{first:?}");
    assert!((800..1_200).contains(&share("192.0.2.3")), "{first:?}");
    assert!((1..300).contains(&share("192.0.2.4")), "a very small chance, not none: {first:?}");
    // Whatever the numbers are.
    assert_eq!(located.targets(&mut |_| u32::MAX).len(), 5);
}

#[test]
fn a_name_server_that_turns_its_answers_round_changes_nothing() {
    let mut desk = Desk::new();
    desk.zone.host("t.example", &["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    desk.directory.keep(desk.now, [place("sip:t.example:5060")].into());
    assert_eq!(desk.settle().len(), 1);
    for _ in 0..3 {
        desk.zone.records.values_mut().for_each(|records| records.rotate_left(1));
        assert_eq!(desk.pass(300), [""; 0]);
    }
}

#[test]
fn a_hostile_zone_neither_grows_nor_spins_us() {
    let mut zone = Zone::default();
    for number in 0..5_000 {
        zone.naptr("a.example", &format!("1 {number} s SIP+D2U _sip{number}._udp.a.example"));
    }
    for service in 0..20 {
        for number in 0..500 {
            zone.srv(&format!("_sip{service}._udp.a.example"), &format!("{number} 1 5060 h{number}.a.example"));
        }
    }
    for host in 0..500 {
        for number in 0..=255 {
            zone.host(&format!("h{host}.a.example"), &[&format!("192.0.2.{number}")]);
        }
    }
    let found = zone.find("sip:a.example");
    assert!(zone.asked.len() <= 1 + 8 + 32, "{} questions", zone.asked.len());
    assert!(found.len() <= 32);
    // Names that lead to themselves, nowhere, or into the clouds.
    let mut zone = Zone::default();
    zone.naptr("b.example", "1 1 s SIP+D2U b.example")
        .naptr("b.example", "1 1 s SIP+D2T .")
        .naptr("b.example", "1 1 s SIP+D2T bad..name")
        .srv("b.example", "1 1 5060 b.example")
        .srv("b.example", &format!("1 1 5060 {}.example", "x".repeat(64)))
        .srv("b.example", "1 1 0 c.example")
        .host("b.example", &["255.255.255.255", "0.0.0.0", "239.1.1.1", "192.0.2.1", "192.0.2.1"]);
    assert_eq!(zone.find("sip:b.example"), ["UDP 192.0.2.1:5060"]);
}

#[test]
fn answers_nobody_asked_for_change_nothing() {
    let mut search = Search::new(place("sip:a.example:5060"), everything());
    let question = search.poll_question().unwrap();
    let forged = Question { kind: RecordKind::A, name: "b.example".into() };
    let address = |text: &str| Record::Address(text.parse().unwrap());
    search.handle_answer(&forged, Answer::Records { records: vec![address("203.0.113.9")], ttl: TTL });
    assert!(search.result().is_none());
    let wrong_kind = Record::Srv(Srv { priority: 0, weight: 0, port: 1, target: "b.example".into() });
    let records = vec![wrong_kind, address("192.0.2.1")];
    search.handle_answer(&question, Answer::Records { records, ttl: TTL });
    let targets = search.result().unwrap().as_ref().unwrap().targets(&mut |_| 0);
    assert_eq!(targets.iter().map(shown).collect::<Vec<_>>(), ["UDP 192.0.2.1:5060"]);
}

/// A directory with its zone, in virtual time.
struct Desk {
    directory: Directory,
    zone: Zone,
    now: Instant,
}

impl Desk {
    fn new() -> Desk {
        Desk { directory: Directory::new(everything()), zone: Zone::default(), now: Instant::now() }
    }

    /// Answers what is asked; tells the news.
    fn settle(&mut self) -> Vec<String> {
        while let Some(asked) = self.directory.poll_question() {
            let answer = self.zone.answer(&asked.question);
            self.directory.handle_answer(self.now, &asked, answer);
        }
        std::iter::from_fn(|| self.directory.poll_news())
            .map(|news| match news {
                News::Found(place, located) => format!("{place} {}", shown(&located.targets(&mut |_| 0)[0])),
                News::Unknown(place, why) => format!("{place} unknown {why:?}"),
                News::Stale(place, why) => format!("{place} stale {why:?}"),
            })
            .collect()
    }

    fn pass(&mut self, seconds: u64) -> Vec<String> {
        self.now += Duration::from_secs(seconds);
        self.directory.handle_timeout(self.now);
        self.settle()
    }
}

#[test]
fn a_trunk_follows_its_records_and_keeps_what_it_had_when_the_name_server_dies() {
    let mut desk = Desk::new();
    desk.zone.host("t.example", &["192.0.2.1"]);
    let trunk = place("sip:t.example:5060");
    desk.directory.keep(desk.now, [trunk.clone(), place("sip:192.0.2.7")].into());
    assert_eq!(desk.settle(), ["192.0.2.7 UDP 192.0.2.7:5060", "t.example:5060 UDP 192.0.2.1:5060"]);
    assert_eq!(desk.pass(299), [""; 0]);
    desk.zone.records.clear();
    desk.zone.host("t.example", &["192.0.2.2"]);
    assert_eq!(desk.pass(1), ["t.example:5060 UDP 192.0.2.2:5060"]);
    desk.zone.dead.push("t.example");
    assert_eq!(desk.pass(300), ["t.example:5060 stale NoAnswer"]);
    assert_eq!(desk.pass(10), [""; 0], "told once");
    assert!(desk.directory.located(&trunk).is_some(), "calls go on to where it was");
    desk.zone.dead.clear();
    assert_eq!(desk.pass(60), [""; 0], "the same as before is no news");
    // Numeric places are never asked for again, and what is not kept is forgotten.
    desk.directory.keep(desk.now, BTreeSet::new());
    assert_eq!(desk.directory.next_timeout(), None);
    assert!(desk.directory.located(&trunk).is_none());
}

#[test]
fn a_lost_answer_does_not_send_calls_to_the_carriers_web_server() {
    let mut desk = Desk::new();
    desk.zone.host("carrier.example", &["192.0.2.80"]).srv("_sip._udp.carrier.example", "1 1 5060 sip.carrier.example");
    desk.zone.host("sip.carrier.example", &["192.0.2.1"]);
    let trunk = Place::new(Host::Name("carrier.example".into()), None, Some(Transport::Udp));
    desk.directory.keep(desk.now, [trunk.clone()].into());
    assert_eq!(desk.settle(), ["carrier.example UDP 192.0.2.1:5060"]);
    desk.zone.dead.push("_udp.carrier.example");
    assert_eq!(desk.pass(300), [""; 0]);
    desk.zone.dead.clear();
    for _ in 0..3 {
        assert_eq!(desk.pass(300), [""; 0], "and all is as before");
    }
}

#[test]
fn a_name_that_is_unknown_at_start_is_told_once_and_found_within_a_minute_of_being_there() {
    let mut desk = Desk::new();
    let trunk = place("sip:t.example");
    desk.directory.keep(desk.now, [trunk.clone()].into());
    assert_eq!(desk.settle(), ["t.example unknown NoRecords"]);
    for _ in 0..10 {
        assert_eq!(desk.pass(60), [""; 0]);
    }
    let asked = desk.zone.asked.len();
    assert_eq!(desk.pass(59), [""; 0]);
    assert_eq!(desk.zone.asked.len(), asked, "a name that is not there is asked for once a minute");
    desk.zone.host("t.example", &["192.0.2.1"]);
    assert_eq!(desk.pass(1), ["t.example UDP 192.0.2.1:5060"]);
}

#[test]
fn an_answer_that_comes_after_its_search_was_given_up_changes_nothing() {
    let mut desk = Desk::new();
    let trunk = place("sip:t.example:5060");
    desk.directory.keep(desk.now, [trunk.clone()].into());
    let late = desk.directory.poll_question().unwrap();
    desk.directory.keep(desk.now, BTreeSet::new());
    desk.directory.keep(desk.now, [trunk.clone()].into());
    let records = vec![Record::Address("203.0.113.9".parse().unwrap())];
    desk.directory.handle_answer(desk.now, &late, Answer::Records { records, ttl: TTL });
    assert!(desk.directory.located(&trunk).is_none());
}

#[test]
fn a_target_that_failed_rests_half_a_minute_then_a_minute_and_is_tried_last_meanwhile() {
    let target = |last: u8| Target { transport: Transport::Udp, remote: ([192, 0, 2, last], 5060).into() };
    let (mut rests, t0) = (Rests::default(), Instant::now());
    let at = |seconds: u64| t0 + Duration::from_secs(seconds);
    let order = |rests: &Rests, now| {
        let mut targets = [target(1), target(2), target(3)];
        rests.sort(now, &mut targets);
        targets.map(|target| match target.remote.ip() {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(_) => 0,
        })
    };
    rests.failed(t0, target(1));
    assert_eq!(order(&rests, at(29)), [2, 3, 1]);
    assert_eq!(order(&rests, at(30)), [1, 2, 3]);
    rests.failed(at(30), target(1));
    assert!(rests.is_resting(at(89), target(1)) && !rests.is_resting(at(90), target(1)));
    rests.failed(at(31), target(2));
    rests.failed(at(32), target(3));
    assert_eq!(order(&rests, at(40)), [2, 3, 1], "all rest: who has rested longest is tried first");
    rests.answered(target(1));
    assert_eq!(order(&rests, at(40)), [1, 2, 3]);
    for number in 0..5_000u16 {
        rests.failed(at(50), Target { transport: Transport::Udp, remote: ([192, 0, 2, 9], number).into() });
    }
    assert!(rests.len() <= 1024);
}
