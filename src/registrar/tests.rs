use super::*;

type Flow = &'static str;

struct World {
    registrar: Registrar<Flow>,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self { registrar: Registrar::new(RegistrarConfig::default()), now: Instant::now() }
    }

    fn register(
        &mut self,
        contacts: &[(&str, Option<u32>)],
        call_id: &str,
        cseq: u32,
        flow: Flow,
    ) -> Result<Vec<(String, u32)>, RegisterError> {
        let updates = contacts.iter().map(|(uri, expires_s)| update(uri, *expires_s, flow)).collect();
        let views = self.registrar.register(self.now, "1001", updates, call_id, cseq)?;
        Ok(views.into_iter().map(|view| (view.contact.to_string(), view.expires_s)).collect())
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.registrar.handle_timeout(self.now);
    }

    fn contacts(&self) -> Vec<String> {
        self.registrar.bindings("1001").map(|binding| binding.contact.to_string()).collect()
    }

    /// What was told since the last time, in short.
    fn told(&mut self) -> Vec<String> {
        let outputs = std::iter::from_fn(|| self.registrar.poll());
        outputs
            .filter(|output| !matches!(output, RegistrarOutput::Changed { .. }))
            .map(|output| match output {
                RegistrarOutput::Registered { contact, expires_s, flow, .. } => {
                    format!("+{contact} {expires_s} {flow}")
                }
                RegistrarOutput::Unregistered { contact, why, .. } => format!("-{contact} {why}"),
                RegistrarOutput::Reachable { aor, reachable } => format!("{aor} {reachable}"),
                RegistrarOutput::Silent { contact, silent, .. } => {
                    format!("{contact} {}", if silent { "silent" } else { "back" })
                }
                RegistrarOutput::KeepAlive { contact, flow, .. } => format!("?{contact} {flow}"),
                RegistrarOutput::Changed { aor } => format!("*{aor}"),
            })
            .collect()
    }
}

fn update(uri: &str, expires_s: Option<u32>, flow: Flow) -> ContactUpdate<Flow> {
    ContactUpdate { expires_s, ..ContactUpdate::new(uri.parse().unwrap(), flow) }
}

const DESK: &str = "sip:1001@10.0.0.7:5060";
const SOFT: &str = "sip:1001@10.0.0.8:5062;transport=tcp";

#[test]
fn a_phone_that_registers_can_be_called_until_it_expires() {
    let mut world = World::new();
    assert_eq!(world.register(&[(DESK, Some(300))], "a", 1, "f1"), Ok(vec![(DESK.into(), 300)]));
    assert_eq!(world.told(), ["+sip:1001@10.0.0.7:5060 300 f1", "1001 true"]);
    world.wait(299);
    assert_eq!(world.contacts(), [DESK]);
    assert!(world.told().is_empty());
    world.wait(1);
    assert!(world.contacts().is_empty() && !world.registrar.is_reachable("1001"));
    assert_eq!(world.told(), ["-sip:1001@10.0.0.7:5060 expired", "1001 false"]);
    assert_eq!(world.registrar.next_timeout(), None);
}

#[test]
fn a_refresh_moves_the_end_and_is_no_news() {
    let mut world = World::new();
    world.register(&[(DESK, Some(60))], "a", 1, "f1").unwrap();
    world.told();
    world.wait(59);
    assert_eq!(world.register(&[(DESK, Some(60))], "a", 2, "f1"), Ok(vec![(DESK.into(), 60)]));
    world.wait(59);
    assert_eq!(world.contacts(), [DESK]);
    assert!(world.told().is_empty());
}

#[test]
fn a_contact_written_another_way_is_the_same_contact_rfc_3261_19_1_4() {
    let mut world = World::new();
    world.register(&[("sip:1001@Phone.Example.com;x=1", None)], "a", 1, "f1").unwrap();
    world.register(&[("sip:1001@phone.example.com", None)], "a", 2, "f1").unwrap();
    assert_eq!(world.contacts(), ["sip:1001@phone.example.com"]);
    world.register(&[("sip:1001@phone.example.com:5070", None)], "a", 3, "f1").unwrap();
    assert_eq!(world.contacts().len(), 2);
}

#[test]
fn a_lifetime_too_short_is_answered_423_and_one_too_long_is_cut() {
    let mut world = World::new();
    let too_brief = world.register(&[(DESK, Some(59))], "a", 1, "f1").unwrap_err();
    assert_eq!((too_brief.status(), too_brief.min_expires()), (423, Some(60)));
    assert_eq!(world.register(&[(DESK, Some(u32::MAX))], "a", 1, "f1"), Ok(vec![(DESK.into(), 3_600)]));
    assert_eq!(world.register(&[(DESK, None)], "a", 2, "f1"), Ok(vec![(DESK.into(), 3_600)]));
}

#[test]
fn a_minimum_above_an_hour_is_never_asked_of_a_phone_rfc_3261_10_3() {
    let config =
        RegistrarConfig { min_expires_s: 86_400, max_expires_s: 10, default_expires_s: 0, ..Default::default() };
    let mut world = World { registrar: Registrar::new(config), now: Instant::now() };
    assert!(world.register(&[(DESK, Some(3_600))], "a", 1, "f1").is_ok());
    let error = world.register(&[(DESK, Some(3_599))], "a", 2, "f1").unwrap_err();
    assert_eq!(error.min_expires(), Some(3_600));
}

#[test]
fn expires_zero_removes_one_contact_and_the_star_removes_all() {
    let mut world = World::new();
    world.register(&[(DESK, None), (SOFT, None)], "a", 1, "f1").unwrap();
    assert_eq!(world.register(&[(DESK, Some(0))], "a", 2, "f1").unwrap(), [(SOFT.to_string(), 3_600)]);
    world.told();
    assert_eq!(world.register(&[(DESK, Some(0))], "a", 3, "f1").unwrap().len(), 1, "already gone is fine");
    assert_eq!(world.registrar.remove_all(world.now, "1001", "a", 4), Ok(Vec::new()));
    assert_eq!(world.told(), ["-sip:1001@10.0.0.8:5062;transport=tcp unregistered", "1001 false"]);
    assert!(world.registrar.is_empty() && world.registrar.next_timeout().is_none());
}

#[test]
fn a_delayed_request_cannot_undo_a_newer_one_rfc_3261_10_3_step_7() {
    let mut world = World::new();
    world.register(&[(DESK, Some(600))], "a", 5, "f1").unwrap();
    for (contacts, cseq) in [(&[(DESK, Some(0))][..], 4), (&[(DESK, Some(120))], 5)] {
        let error = world.register(contacts, "a", cseq, "f1").unwrap_err();
        assert_eq!((error, error.status()), (RegisterError::OutOfOrder, 500));
    }
    assert_eq!(world.registrar.remove_all(world.now, "1001", "a", 5), Err(RegisterError::OutOfOrder));
    assert_eq!(world.contacts(), [DESK]);
    // A phone that restarted begins again with another Call-ID.
    assert!(world.register(&[(DESK, Some(0))], "b", 1, "f1").unwrap().is_empty());
}

#[test]
fn a_refused_request_changes_nothing_at_all() {
    let mut world = World::new();
    world.register(&[(DESK, Some(600))], "a", 1, "f1").unwrap();
    world.told();
    assert!(world.register(&[(SOFT, None), (DESK, Some(0)), ("sip:x@y", Some(1))], "a", 2, "f1").is_err());
    assert!(world.register(&[(SOFT, None), ("tel:123", None)], "a", 2, "f1").is_err());
    assert_eq!(world.contacts(), [DESK]);
    assert!(world.told().is_empty());
    assert_eq!(world.registrar.len(), 1);
}

#[test]
fn the_same_contact_twice_in_one_request_counts_once_and_the_last_wins() {
    let mut world = World::new();
    assert_eq!(world.register(&[(DESK, Some(600)), (DESK, Some(120))], "a", 1, "f1"), Ok(vec![(DESK.into(), 120)]));
    assert_eq!(world.register(&[(DESK, Some(600)), (DESK, Some(0))], "a", 2, "f1"), Ok(vec![]));
    assert_eq!(world.registrar.len(), 0);
}

#[test]
fn a_request_without_contacts_only_asks() {
    let mut world = World::new();
    world.register(&[(DESK, Some(600))], "a", 1, "f1").unwrap();
    world.wait(100);
    assert_eq!(world.register(&[], "z", 1, "f9"), Ok(vec![(DESK.into(), 500)]));
}

#[test]
fn a_lost_connection_takes_its_contacts_and_no_others() {
    let mut world = World::new();
    world.register(&[(DESK, None)], "a", 1, "udp").unwrap();
    world.register(&[(SOFT, None)], "b", 1, "tcp-1").unwrap();
    world.told();
    world.registrar.connection_lost(world.now, &"tcp-1");
    assert_eq!(world.told(), ["-sip:1001@10.0.0.8:5062;transport=tcp connection lost"]);
    assert_eq!(world.contacts(), [DESK]);
    world.registrar.connection_lost(world.now, &"tcp-1");
    assert!(world.told().is_empty());
}

#[test]
fn a_phone_that_reconnected_outlives_its_old_connection() {
    let mut world = World::new();
    world.register(&[(SOFT, None)], "a", 1, "tcp-1").unwrap();
    world.register(&[(SOFT, None)], "a", 2, "tcp-2").unwrap();
    assert_eq!(world.told().last().map(String::as_str), Some("+sip:1001@10.0.0.8:5062;transport=tcp 3600 tcp-2"));
    world.registrar.connection_lost(world.now, &"tcp-1");
    assert_eq!(world.contacts(), [SOFT]);
    world.registrar.connection_lost(world.now, &"tcp-2");
    assert_eq!(world.told(), ["-sip:1001@10.0.0.8:5062;transport=tcp connection lost", "1001 false"]);
}

#[test]
fn the_preferred_contact_comes_first_and_equal_ones_in_order_of_coming() {
    let mut world = World::new();
    let mut low = update("sip:low@h", None, "f");
    low.q = Some(100);
    let updates = vec![low, update("sip:one@h", None, "f"), update("sip:two@h", None, "f")];
    world.registrar.register(world.now, "1001", updates, "a", 1).unwrap();
    assert_eq!(world.contacts(), ["sip:one@h", "sip:two@h", "sip:low@h"]);
}

#[test]
fn an_aor_holds_ten_contacts_and_may_still_refresh_and_remove_them() {
    let mut world = World::new();
    let uris: Vec<String> = (0..11).map(|n| format!("sip:1001@10.0.0.{n}")).collect();
    for (n, uri) in uris.iter().take(10).enumerate() {
        world.register(&[(uri, None)], "a", n as u32 + 1, "f").unwrap();
    }
    let error = world.register(&[(&uris[10], None)], "b", 1, "f").unwrap_err();
    assert_eq!((error, error.status()), (RegisterError::TooManyContacts, 403));
    world.register(&[(&uris[0], None)], "b", 2, "f").unwrap();
    world.register(&[(&uris[0], Some(0)), (&uris[10], None)], "b", 3, "f").unwrap();
    assert_eq!(world.contacts().len(), 10);
}

#[test]
fn the_table_is_bounded_and_says_so() {
    let config = RegistrarConfig { max_bindings: 2, ..Default::default() };
    let mut registrar = Registrar::new(config);
    let now = Instant::now();
    for aor in ["1", "2"] {
        registrar.register(now, aor, vec![update("sip:a@h", None, "f")], "a", 1).unwrap();
    }
    let error = registrar.register(now, "3", vec![update("sip:a@h", None, "f")], "a", 1).unwrap_err();
    assert_eq!(error.status(), 503);
    assert!(registrar.register(now, "2", vec![update("sip:a@h", None, "f")], "a", 2).is_ok());
    assert!(registrar.register(now, "3", Vec::new(), "a", 1).unwrap().is_empty());
    assert_eq!(registrar.aors().collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn oversized_requests_are_refused() {
    let mut world = World::new();
    let long = format!("sip:{}@h", "x".repeat(2_000));
    assert_eq!(world.register(&[(&long, None)], "a", 1, "f"), Err(RegisterError::BadContact));
    assert_eq!(world.register(&[(DESK, None)], &"x".repeat(300), 1, "f"), Err(RegisterError::CallIdTooLong));
    let many = vec![(DESK, None); 65];
    assert_eq!(world.register(&many, "a", 1, "f"), Err(RegisterError::TooManyContacts));
}

/// Random registers, removals, lost connections and time: reachability told is reachability had, counts and timers stay
/// whole, and in the end nothing is left.
#[test]
fn after_any_traffic_what_was_told_matches_what_is_bound() {
    for seed in 1..=200u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut below = |end: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % end
        };
        let mut world = World::new();
        let mut told: BTreeMap<String, bool> = BTreeMap::new();
        let flows = ["f0", "f1", "f2", "f3"];
        for cseq in 1..200u32 {
            let aor = format!("100{}", below(3));
            let flow = flows[below(4) as usize];
            match below(10) {
                0 => world.registrar.connection_lost(world.now, &flow),
                1 => world.wait(below(400)),
                2 => _ = world.registrar.remove_all(world.now, &aor, "a", cseq),
                _ => {
                    let count = below(4);
                    let updates = (0..count).map(|_| {
                        let uri = format!("sip:u@10.0.0.{}", below(14));
                        update(&uri, [None, Some(0), Some(60), Some(300)][below(4) as usize], flow)
                    });
                    let updates = updates.collect();
                    let call_id = ["a", "b"][below(2) as usize];
                    _ = world.registrar.register(world.now, &aor, updates, call_id, cseq);
                }
            }
            while let Some(output) = world.registrar.poll() {
                if let RegistrarOutput::Reachable { aor, reachable } = output {
                    assert_ne!(told.insert(aor, reachable), Some(reachable), "seed {seed}: told twice");
                }
            }
            let mut total = 0;
            for (aor, reachable) in &told {
                let count = world.registrar.bindings(aor).count();
                assert_eq!(count > 0, *reachable, "seed {seed}: {aor}");
                assert!(count <= 10, "seed {seed}");
                total += count;
            }
            assert_eq!(world.registrar.len(), total, "seed {seed}");
            assert!(world.registrar.next_timeout().is_none_or(|at| at > world.now), "seed {seed}");
        }
        world.wait(4_000);
        assert!(world.registrar.is_empty() && world.registrar.aors().next().is_none(), "seed {seed}");
        assert!(world.registrar.by_flow.is_empty() && world.registrar.timers.is_empty(), "seed {seed}: left behind");
    }
}

fn flow_of(instance: &str, reg_id: u32, uri: &str, flow: Flow) -> ContactUpdate<Flow> {
    ContactUpdate { instance: Some(instance.into()), reg_id: Some(reg_id), ..update(uri, None, flow) }
}

#[test]
fn the_flows_of_an_instance_are_one_device_and_the_newest_way_comes_first() {
    let mut world = World::new();
    let register = |world: &mut World, update, call_id: &str, cseq| {
        world.registrar.register(world.now, "1001", vec![update], call_id, cseq).unwrap();
    };
    register(&mut world, flow_of("i", 1, "sip:a@h", "f1"), "a", 1);
    register(&mut world, flow_of("i", 2, "sip:b@h", "f2"), "b", 1);
    register(&mut world, update(DESK, None, "f3"), "c", 1);
    let ways = |world: &World, instance| -> Vec<Vec<String>> {
        let round = world.registrar.rounds("1001", instance).remove(0);
        round.iter().map(|device| device.ways.iter().map(|way| way.flow.to_string()).collect()).collect()
    };
    assert_eq!(ways(&world, None), [vec!["f2", "f1"], vec!["f3"]]);
    register(&mut world, flow_of("i", 1, "sip:moved@h", "f4"), "a", 2);
    assert_eq!(ways(&world, Some("i")), [vec!["f4", "f2"]], "replaced, not added");
    assert!(world.registrar.rounds("1001", Some("another")).is_empty());
    assert_eq!(world.registrar.len(), 3);
}

#[test]
fn whoever_takes_a_flow_away_need_not_name_it() {
    let mut world = World::new();
    world.registrar.register(world.now, "1001", vec![flow_of("i", 1, DESK, "f1")], "a", 1).unwrap();
    assert!(world.register(&[(DESK, Some(0))], "b", 1, "f1").unwrap().is_empty());
}

#[test]
fn a_device_that_no_longer_answers_makes_room_for_one_that_does() {
    let mut world = World::new();
    for n in 0..10u32 {
        let contact = format!("sip:1001@10.0.0.{n}");
        let kept = ContactUpdate { keep_alive: true, ..update(&contact, Some(3600), "f1") };
        world.registrar.register(world.now, "1001", vec![kept], &format!("call-{n}"), 1).unwrap();
    }
    world.told();
    let id = world.registrar.bindings("1001").nth(3).unwrap().id;
    world.registrar.kept_alive(world.now, "1001", id, &"f1", false);
    world.told();
    world.register(&[("sip:1001@10.0.0.77", None)], "new", 1, "f2").unwrap();
    assert_eq!(world.contacts().len(), 10);
    assert!(world.told().iter().any(|line| line.contains("10.0.0.3")), "told of the one that went");
    let full = world.register(&[("sip:1001@10.0.0.78", None)], "newer", 1, "f2");
    assert_eq!(full, Err(RegisterError::TooManyContacts), "all others answer");
}

#[test]
fn a_silent_contact_is_not_called_and_is_still_registered() {
    let mut world = World::new();
    let kept = ContactUpdate { keep_alive: true, ..update(DESK, Some(600), "f1") };
    world.registrar.register(world.now, "1001", vec![kept], "a", 1).unwrap();
    world.told();
    world.wait(25);
    assert_eq!(world.told(), ["?sip:1001@10.0.0.7:5060 f1"]);
    let id = world.registrar.bindings("1001").next().unwrap().id;
    world.registrar.kept_alive(world.now, "1001", id, &"f1", false);
    assert_eq!(world.told(), ["sip:1001@10.0.0.7:5060 silent", "1001 false"]);
    assert!(world.registrar.rounds("1001", None).is_empty() && world.registrar.len() == 1);
    world.wait(25);
    world.registrar.kept_alive(world.now, "1001", id, &"another flow", true);
    assert!(!world.registrar.is_reachable("1001"), "somebody else's sign of life");
    world.registrar.kept_alive(world.now, "1001", id, &"f1", true);
    assert_eq!(world.told()[1..], ["sip:1001@10.0.0.7:5060 back", "1001 true"]);
    // A REGISTER is a sign of life, too.
    world.registrar.kept_alive(world.now, "1001", id, &"f1", false);
    world.register(&[(DESK, Some(600))], "a", 2, "f1").unwrap();
    assert!(world.registrar.is_reachable("1001"));
}

#[test]
fn phones_that_came_all_at_once_come_back_spread_and_leave_others_their_turn() {
    let mut world = World::new();
    let mut granted = BTreeSet::new();
    for n in 0..5_000u32 {
        let bound = world.registrar.register(world.now, &n.to_string(), vec![update(DESK, Some(1_000), "f")], "a", 1);
        granted.insert(bound.unwrap()[0].expires_s);
    }
    assert!(granted.len() > 90 && granted.iter().all(|s| (900..=1_000).contains(s)), "{granted:?}");
    world.now += Duration::from_secs(1_000);
    let mut turns = 0;
    while world.registrar.next_timeout().is_some_and(|at| at <= world.now) {
        let before = world.registrar.len();
        world.registrar.handle_timeout(world.now);
        assert!(before - world.registrar.len() <= MOST_EXPIRED);
        turns += 1;
    }
    assert!(world.registrar.is_empty() && turns >= 5_000 / MOST_EXPIRED);
}

#[test]
fn phones_that_a_start_brings_back_are_asked_one_after_the_other() {
    let mut world = World::new();
    for n in 0..1_000u32 {
        let kept = Kept {
            update: ContactUpdate { keep_alive: true, ..update(DESK, Some(600), "f") },
            left: Duration::from_secs(600),
            call_id: "a".into(),
            cseq: 1,
        };
        world.registrar.restore(world.now, &n.to_string(), [kept].into_iter());
    }
    world.told();
    let begin = world.now;
    let mut most = 0;
    while world.now < begin + Duration::from_secs(25) {
        world.now += Duration::from_secs(1);
        world.registrar.handle_timeout(world.now);
        most = most.max(world.told().len());
    }
    assert!((40..80).contains(&most), "a thousand in 25 s, and {most} of them in one");
}
