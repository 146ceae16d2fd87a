use super::*;
use crate::sip::peer::Peer;
use TrunkStateName::{Disabled, Down, Unregistered, Up};

const SECOND: Duration = Duration::from_secs(1);

fn peer(nth: u8) -> Peer {
    Peer::udp(([192, 0, 2, nth], 5060).into(), ([10, 0, 0, 1], 5060).into())
}

fn carrier(targets: &[u8]) -> TrunkConfig {
    TrunkConfig {
        targets: targets.iter().map(|nth| peer(*nth)).collect(),
        host: "carrier.example".into(),
        domain: "carrier.example".into(),
        credentials: None,
        register: None,
        health: Some(30 * SECOND),
        caps: Caps::default(),
        enabled: true,
        manners: Manners::default(),
    }
}

fn only(config: TrunkConfig) -> TrunksConfig {
    TrunksConfig { trunks: [(TrunkId::new("carrier"), config)].into(), groups: BTreeMap::new() }
}

/// Trunks with a far side that answers by rule, in virtual time.
struct Line {
    trunks: Trunks,
    now: Instant,
    started: Instant,
    states: Vec<TrunkStateName>,
    whys: Vec<String>,
    /// What was sent, and when.
    sent: Vec<(Duration, Errand)>,
}

impl Line {
    fn new(config: TrunksConfig) -> Line {
        let now = Instant::now();
        let trunks = Trunks::new(now, 7, config);
        Line { trunks, now, started: now, states: Vec::new(), whys: Vec::new(), sent: Vec::new() }
    }

    /// Lets time pass; each errand is answered at once by `answer`, `None` never.
    fn run(&mut self, how_long: Duration, mut answer: impl FnMut(&Errand) -> Option<Answer>) {
        let end = self.now + how_long;
        loop {
            while let Some(output) = self.trunks.poll() {
                match output {
                    TrunksOutput::Send(errand) => {
                        let reply = answer(&errand);
                        self.sent.push((self.now - self.started, errand.clone()));
                        if let Some(reply) = reply {
                            self.trunks.answered(self.now, &errand, &reply);
                        }
                    }
                    TrunksOutput::State { state, why, .. } => {
                        self.states.push(state);
                        self.whys.push(why);
                    }
                }
            }
            match self.trunks.next_timeout().filter(|at| *at <= end) {
                Some(at) => {
                    self.now = at;
                    self.trunks.handle_timeout(at);
                }
                None => break,
            }
        }
        self.now = end;
    }

    fn ways(&mut self, name: &str) -> Vec<(String, usize, bool)> {
        let ways = self.trunks.ways(self.now, &TrunkId::new(name)).into_iter();
        ways.map(|way| (way.trunk.to_string(), way.target, way.doubtful)).collect()
    }

    fn tried(&mut self, name: &str, target: usize, outcome: CallOutcome) {
        let way = Way { trunk: TrunkId::new(name), target, doubtful: false };
        self.trunks.call_tried(self.now, &way, outcome);
    }
}

fn status(status: u16) -> Option<Answer> {
    Some(Answer { status: Some(status), ..Answer::default() })
}

fn granted(seconds: u32) -> Option<Answer> {
    Some(Answer { status: Some(200), granted_s: Some(seconds), ..Answer::default() })
}

// Health.

#[test]
fn a_trunk_that_stops_answering_options_is_down_after_two_and_up_after_two_good_ones() {
    let mut line = Line::new(only(carrier(&[1])));
    line.run(100 * SECOND, |_| status(200));
    assert_eq!(line.states, [Up]);
    line.run(45 * SECOND, |_| None);
    assert_eq!(line.states, [Up, Down]);
    assert_eq!(line.whys[1], "no answer to OPTIONS");
    let back = line.now;
    while line.states.len() < 3 {
        line.run(SECOND, |_| status(200));
    }
    assert!(line.now - back <= 30 * SECOND, "{:?}", line.now - back);
    assert_eq!(line.states, [Up, Down, Up]);
}

#[test]
fn one_lost_probe_takes_no_trunk_out_of_use() {
    let mut line = Line::new(only(carrier(&[1])));
    let mut nth = 0;
    line.run(600 * SECOND, |_| {
        nth += 1;
        if nth % 2 == 0 { None } else { status(200) }
    });
    assert_eq!(line.states, [Up]);
}

#[test]
fn whoever_refuses_options_is_there_and_whoever_cannot_serve_is_not() {
    for (said, state) in [(404, Up), (405, Up), (481, Up), (486, Up), (501, Up), (503, Down), (504, Down)] {
        let mut line = Line::new(only(carrier(&[1])));
        line.run(100 * SECOND, |_| status(said));
        assert_eq!(line.states.last(), Some(&state), "{said}");
    }
}

#[test]
fn an_answer_that_comes_too_late_is_no_good_sign() {
    let mut line = Line::new(only(carrier(&[1])));
    line.run(90 * SECOND, |_| None);
    assert_eq!(line.states, [Up, Down]);
    let late: Vec<Errand> = line.sent.iter().map(|(_, errand)| errand.clone()).collect();
    for errand in &late[..late.len() - 1] {
        line.trunks.answered(line.now, errand, &Answer { status: Some(200), ..Answer::default() });
    }
    line.run(Duration::ZERO, |_| None);
    assert_eq!(line.states, [Up, Down]);
}

#[test]
fn a_trunk_of_several_addresses_is_down_only_when_all_are_and_calls_go_where_one_is_up() {
    let mut line = Line::new(only(carrier(&[1, 2])));
    line.run(90 * SECOND, |errand| if errand.target == 0 { None } else { status(200) });
    assert_eq!(line.states, [Up]);
    assert_eq!(line.ways("carrier"), [("carrier".into(), 1, false), ("carrier".into(), 0, true)]);
    line.run(90 * SECOND, |_| None);
    assert_eq!(line.states, [Up, Down]);
    assert!(line.ways("carrier").iter().all(|(_, _, doubtful)| *doubtful), "tried only for want of a better one");
}

#[test]
fn two_calls_that_fail_take_a_target_out_and_probes_bring_it_back_on_probation() {
    let mut line = Line::new(only(carrier(&[1, 2])));
    line.run(SECOND, |_| status(200));
    line.tried("carrier", 0, CallOutcome::Silent);
    assert_eq!(line.ways("carrier")[0], ("carrier".into(), 0, false), "one failure is an accident");
    line.tried("carrier", 0, CallOutcome::Silent);
    assert_eq!(line.ways("carrier")[0], ("carrier".into(), 1, false));
    line.run(20 * SECOND, |_| status(200));
    assert_eq!(line.ways("carrier")[0], ("carrier".into(), 0, false));
    line.tried("carrier", 0, CallOutcome::Unavailable { retry_after_s: None });
    assert_eq!(line.ways("carrier")[0], ("carrier".into(), 1, false), "one more is enough now");
    line.tried("carrier", 0, CallOutcome::Taken);
    line.tried("carrier", 0, CallOutcome::Silent);
    assert_eq!(line.ways("carrier")[0], ("carrier".into(), 0, false), "a call that was taken makes good");
}

#[test]
fn a_trunk_that_is_not_probed_is_tried_again_after_a_rest() {
    let mut line = Line::new(only(TrunkConfig { health: None, ..carrier(&[1]) }));
    for _ in 0..2 {
        line.tried("carrier", 0, CallOutcome::Unreachable);
    }
    line.run(19 * SECOND, |_| None);
    assert_eq!(line.states, [Up, Down]);
    line.run(2 * SECOND, |_| None);
    assert_eq!(line.states, [Up, Down, Up]);
    assert!(line.sent.is_empty());
}

#[test]
fn a_target_that_names_a_time_is_left_alone_until_then_and_never_for_hours() {
    let mut line = Line::new(only(TrunkConfig { health: None, ..carrier(&[1, 2]) }));
    line.tried("carrier", 0, CallOutcome::Unavailable { retry_after_s: Some(30) });
    line.tried("carrier", 1, CallOutcome::Unavailable { retry_after_s: Some(u32::MAX) });
    assert!(line.ways("carrier").is_empty());
    line.run(30 * SECOND, |_| None);
    assert_eq!(line.ways("carrier").len(), 1);
    line.run(600 * SECOND, |_| None);
    assert_eq!(line.ways("carrier").len(), 2);
}

// Registration (RFC 3261 10.2).

fn registering() -> TrunksConfig {
    only(TrunkConfig { register: Some(600), health: None, ..carrier(&[1, 2]) })
}

#[test]
fn a_registration_is_refreshed_before_it_runs_out() {
    let mut line = Line::new(registering());
    line.run(3600 * SECOND, |_| granted(120));
    assert_eq!(line.states, [Unregistered, Up]);
    let times: Vec<Duration> = line.sent.iter().map(|(at, _)| *at).collect();
    assert!(times[0] < SECOND);
    for pair in times.windows(2) {
        let pause = pair[1] - pair[0];
        assert!((80 * SECOND..100 * SECOND).contains(&pause), "{pause:?}");
    }
    assert!(line.sent.iter().all(|(_, errand)| errand.kind == ErrandKind::Register { expires_s: 600 }));
}

#[test]
fn a_registrar_that_keeps_longer_bindings_only_gets_one() {
    // RFC 3261 10.2.8: 423 with Min-Expires.
    let mut line = Line::new(registering());
    let brief = Answer { status: Some(423), min_expires_s: Some(1800), ..Answer::default() };
    line.run(10 * SECOND, |errand| match errand.kind {
        ErrandKind::Register { expires_s: 1800 } => granted(1800),
        _ => Some(brief.clone()),
    });
    assert_eq!((line.sent.len(), line.states.last()), (2, Some(&Up)));
    // One that names nothing sensible is a refusal like another.
    for least in [None, Some(0), Some(600), Some(u32::MAX)] {
        let mut line = Line::new(registering());
        line.run(10 * SECOND, |_| Some(Answer { min_expires_s: least, ..brief.clone() }));
        assert_eq!((line.sent.len(), &line.states[..]), (1, &[Unregistered][..]), "{least:?}");
    }
}

#[test]
fn a_silent_registrar_is_asked_ever_more_rarely_at_each_of_its_addresses_and_noticed_when_it_is_back() {
    let mut line = Line::new(registering());
    line.run(600 * SECOND, |_| None);
    assert_eq!(line.states, [Unregistered]);
    let pauses: Vec<Duration> = line.sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(pauses[0] <= 10 * SECOND && pauses.last().unwrap() >= &(20 * SECOND), "{pauses:?}");
    assert!(line.sent[0].1.target != line.sent[1].1.target);
    assert!(pauses.iter().any(|pause| *pause != pauses[pauses.len() - 1]), "no two trunks fall into step");
    let back = line.now;
    while line.states.len() < 2 {
        line.run(SECOND, |_| granted(600));
    }
    assert!(line.now - back <= 35 * SECOND, "{:?}", line.now - back);
}

#[test]
fn a_wrong_password_is_not_tried_in_a_row() {
    let mut line = Line::new(registering());
    line.run(600 * SECOND, |_| status(403));
    assert!((2..=9).contains(&line.sent.len()), "{}", line.sent.len());
    assert!(line.sent.iter().all(|(_, errand)| errand.target == 0));
    assert_eq!(line.states, [Unregistered]);
    assert!(line.trunks.views(line.now)[0].why.contains("password"));
}

#[test]
fn a_retry_after_of_the_registrar_is_kept() {
    let mut line = Line::new(registering());
    let later = Answer { status: Some(503), retry_after_s: Some(120), ..Answer::default() };
    line.run(119 * SECOND, |_| Some(later.clone()));
    assert_eq!(line.sent.len(), 1);
    line.run(3 * SECOND, |_| granted(600));
    assert_eq!(line.states, [Unregistered, Up]);
}

#[test]
fn a_refresh_that_fails_leaves_the_binding_until_it_runs_out() {
    let mut line = Line::new(registering());
    line.run(SECOND, |_| granted(100));
    line.run(40 * SECOND, |_| None);
    // Somebody on the way had no answer from the registrar either.
    line.run(55 * SECOND, |_| status(408));
    assert_eq!(line.states, [Unregistered, Up]);
    assert!(line.sent.len() > 2);
    line.run(10 * SECOND, |_| None);
    assert_eq!(line.states, [Unregistered, Up, Unregistered]);
}

#[test]
fn a_switch_that_stops_takes_its_binding_away_and_makes_it_again_when_it_goes_on() {
    let mut line = Line::new(registering());
    line.run(SECOND, |_| granted(600));
    line.trunks.set_leaving(line.now, true);
    assert!(line.trunks.is_leaving());
    line.run(SECOND, |_| granted(0));
    assert_eq!(line.sent.last().unwrap().1.kind, ErrandKind::Register { expires_s: 0 });
    assert!(!line.trunks.is_leaving());
    line.run(600 * SECOND, |_| granted(600));
    assert_eq!(line.sent.len(), 2, "a switch that is going asks for nothing");
    line.trunks.set_leaving(line.now, false);
    line.run(SECOND, |_| granted(600));
    assert_eq!(line.states, [Unregistered, Up, Unregistered, Up]);
    // A registrar that says nothing holds up no stop.
    line.trunks.set_leaving(line.now, true);
    line.run(3 * SECOND, |_| None);
    assert!(!line.trunks.is_leaving());
}

#[test]
fn a_lost_connection_is_registered_over_anew() {
    let mut line = Line::new(registering());
    line.run(SECOND, |_| granted(600));
    line.trunks.connection_lost(line.now, &peer(9));
    line.run(5 * SECOND, |_| granted(600));
    assert_eq!(line.sent.len(), 1, "somebody else's");
    line.trunks.connection_lost(line.now, &peer(1));
    line.run(5 * SECOND, |_| granted(600));
    assert_eq!(line.sent.len(), 2);
}

#[test]
fn a_service_route_is_kept_as_long_as_the_binding() {
    let mut line = Line::new(registering());
    let route = vec!["<sip:edge.carrier.example;lr>".to_string()];
    let answer = Answer { service_route: route.clone(), ..granted(60).unwrap() };
    line.run(SECOND, |_| Some(answer.clone()));
    let carrier = TrunkId::new("carrier");
    assert_eq!(line.trunks.service_route(&carrier), route);
    line.run(70 * SECOND, |_| None);
    assert!(line.trunks.service_route(&carrier).is_empty());
}

// Configuration.

#[test]
fn a_reload_keeps_what_is_written_as_before_and_unregisters_what_is_gone() {
    let mut line = Line::new(registering());
    line.run(SECOND, |_| granted(600));
    let mut same = registering();
    same.trunks.get_mut("carrier").unwrap().caps.calls = Some(1);
    line.trunks.reconfigure(line.now, same);
    line.run(SECOND, |_| granted(600));
    assert_eq!((line.sent.len(), &line.states[..]), (1, &[Unregistered, Up][..]));
    line.trunks.reconfigure(line.now, TrunksConfig::default());
    line.run(600 * SECOND, |_| granted(0));
    assert_eq!(line.sent.len(), 2);
    assert_eq!(line.sent[1].1.kind, ErrandKind::Register { expires_s: 0 });
    assert!(line.trunks.next_timeout().is_none());
}

#[test]
fn a_name_that_stands_for_other_addresses_keeps_what_is_known_of_those_that_stay() {
    let mut line = Line::new(only(carrier(&[1, 2])));
    line.tried("carrier", 0, CallOutcome::Silent);
    line.tried("carrier", 0, CallOutcome::Silent);
    let id = TrunkId::new("carrier");
    line.trunks.retarget(line.now, &id, vec![peer(3), peer(1)]);
    assert_eq!(line.ways("carrier"), [("carrier".into(), 0, false), ("carrier".into(), 1, true)]);
    line.trunks.retarget(line.now, &id, Vec::new());
    assert_eq!(line.ways("carrier").len(), 2, "a name server that knows nothing takes nothing away");
    line.run(20 * SECOND, |_| status(200));
    assert!(line.ways("carrier").iter().all(|(_, _, doubtful)| !doubtful));
    assert!(line.sent.iter().all(|(_, errand)| errand.reach.targets[errand.target] != peer(2)));
}

#[test]
fn a_registrar_that_moves_is_registered_at_anew() {
    let mut line = Line::new(registering());
    line.run(SECOND, |_| granted(600));
    let id = TrunkId::new("carrier");
    line.trunks.retarget(line.now, &id, vec![peer(2), peer(1)]);
    line.run(SECOND, |_| granted(600));
    assert_eq!(line.sent.len(), 1, "it has only changed its place in the list");
    line.trunks.retarget(line.now, &id, vec![peer(3)]);
    line.run(SECOND, |_| granted(600));
    assert_eq!((line.sent.len(), line.sent[1].1.reach.targets[0]), (2, peer(3)));
}

#[test]
fn a_name_without_an_address_is_down_until_it_has_one() {
    let mut line = Line::new(only(TrunkConfig { register: Some(600), ..carrier(&[]) }));
    line.run(60 * SECOND, |_| granted(600));
    assert_eq!((line.sent.len(), &line.states[..]), (0, &[Unregistered][..]));
    let mut plain = Line::new(only(carrier(&[])));
    plain.run(60 * SECOND, |_| status(200));
    assert_eq!(plain.states, [Down]);
    assert!(plain.ways("carrier").is_empty());
    for line in [&mut line, &mut plain] {
        line.trunks.retarget(line.now, &TrunkId::new("carrier"), vec![peer(1)]);
        line.run(60 * SECOND, |errand| if errand.kind == ErrandKind::Probe { status(200) } else { granted(600) });
        assert_eq!(line.states.last(), Some(&Up));
    }
}

#[test]
fn a_disabled_trunk_is_left_alone() {
    let mut line = Line::new(only(TrunkConfig { register: Some(600), enabled: false, ..carrier(&[1]) }));
    line.run(600 * SECOND, |_| status(200));
    assert_eq!((line.sent.len(), &line.states[..]), (0, &[Disabled][..]));
    assert!(line.ways("carrier").is_empty());
    line.trunks.reconfigure(line.now, registering());
    line.run(SECOND, |_| granted(600));
    assert_eq!(line.states, [Disabled, Unregistered, Up]);
}

// Groups and caps.

fn group(members: &[(&str, u16, u16)]) -> TrunksConfig {
    let member = |(trunk, priority, weight): &(&str, u16, u16)| Member {
        trunk: TrunkId::new(trunk),
        priority: *priority,
        weight: *weight,
    };
    let quiet = |(trunk, ..): &(&str, u16, u16)| (TrunkId::new(trunk), TrunkConfig { health: None, ..carrier(&[1]) });
    TrunksConfig {
        trunks: members.iter().map(quiet).collect(),
        groups: [(TrunkId::new("outside"), Group { members: members.iter().map(member).collect() })].into(),
    }
}

#[test]
fn a_group_is_tried_by_priority_and_shares_calls_by_weight() {
    let mut line = Line::new(group(&[("spare", 2, 1), ("small", 1, 1), ("large", 1, 3), ("rest", 1, 0)]));
    let (mut large, mut rest_before_others) = (0, 0);
    for _ in 0..1000 {
        let ways: Vec<String> = line.ways("outside").into_iter().map(|(trunk, ..)| trunk).collect();
        assert_eq!((ways.len(), ways[3].as_str()), (4, "spare"));
        large += usize::from(ways[0] == "large");
        rest_before_others += usize::from(ways[2] != "rest");
    }
    assert!((680..820).contains(&large), "{large}");
    assert_eq!(rest_before_others, 0);
}

#[test]
fn calls_at_once_are_counted_for_each_direction_and_together_and_come_back_once() {
    let caps = Caps { calls: Some(3), calls_in: Some(2), calls_out: Some(2), ..Caps::default() };
    let mut line = Line::new(only(TrunkConfig { caps, ..carrier(&[1]) }));
    let (now, id) = (line.now, TrunkId::new("carrier"));
    let mut take = |leg, direction| line.trunks.take(now, LegId(leg), &id, direction);
    assert!(take(1, Direction::In) && take(2, Direction::In));
    assert!(!take(3, Direction::In), "two in");
    assert!(take(4, Direction::Out));
    assert!(!take(5, Direction::Out), "three together");
    line.trunks.release(LegId(1));
    line.trunks.release(LegId(1));
    assert!(line.trunks.take(now, LegId(5), &id, Direction::Out));
    assert!(!line.trunks.take(now, LegId(6), &id, Direction::In));
    assert_eq!(line.trunks.views(now)[0].refused, 3);
    // A reload that writes the trunk anew forgets no call.
    line.trunks.reconfigure(now, only(TrunkConfig { caps, ..carrier(&[2]) }));
    assert_eq!((line.trunks.views(now)[0].calls_in, line.trunks.views(now)[0].calls_out), (1, 2));
    assert!(!line.trunks.take(now, LegId(6), &id, Direction::In));
}

#[test]
fn no_second_has_more_new_calls_than_agreed() {
    let caps = Caps { per_second_out: Some(2), ..Caps::default() };
    let mut line = Line::new(only(TrunkConfig { caps, ..carrier(&[1]) }));
    let id = TrunkId::new("carrier");
    let taken: Vec<bool> = (0..8u64)
        .map(|nth| {
            let at = line.now + Duration::from_millis(300 * nth);
            line.trunks.take(at, LegId(nth), &id, Direction::Out)
        })
        .collect();
    assert_eq!(taken, [true, true, false, false, true, true, false, false]);
    assert!(line.trunks.take(line.now, LegId(99), &id, Direction::In), "the other direction has its own");
}

#[test]
fn a_trunk_whose_name_leads_nowhere_is_down_until_it_leads_somewhere() {
    let mut line = Line::new(only(carrier(&[])));
    line.run(60 * SECOND, |_| None);
    assert_eq!((&line.states[..], line.whys[0].as_str()), (&[Down][..], "its name has no address that we can reach"));
    assert!(line.sent.is_empty());
    line.trunks.reconfigure(line.now, only(carrier(&[1])));
    line.run(SECOND, |_| None);
    assert_eq!(line.states, [Down, Up]);
    // One that only brings calls has no name to be found.
    let mut line = Line::new(only(TrunkConfig { host: String::new(), ..carrier(&[]) }));
    line.run(SECOND, |_| None);
    assert_eq!(line.states, [Up]);
}
