use super::*;
use std::collections::BTreeSet;

fn project(name: &str) -> ProjectId {
    ProjectId::new(name)
}

/// Ten calls: `power` is guaranteed 4 and may hold 8, `bank` is guaranteed 2 and may hold 10; one is kept back from
/// marketing and three from outbound.
fn two_projects() -> AdmissionConfig {
    AdmissionConfig {
        total: 10,
        calls_per_second: None,
        reserves: Reserves { urgent: 0, service: 0, marketing: 1, outbound: 3 },
        budgets: BTreeMap::from([
            (project("power"), Share { guarantee: 4, ceiling: 8 }),
            (project("bank"), Share { guarantee: 2, ceiling: 10 }),
        ]),
    }
}

struct World {
    admission: Admission,
    now: Instant,
    next: u64,
}

impl World {
    fn new(config: AdmissionConfig) -> Self {
        Self { admission: Admission::new(config), now: Instant::now(), next: 0 }
    }

    fn call(&mut self, class: Class, name: &str) -> Result<CallId, Refusal> {
        self.next += 1;
        let call = CallId(self.next);
        let project = (!name.is_empty()).then(|| project(name));
        self.admission.try_admit(self.now, call, class, project.as_ref()).map(|permit| permit.call)
    }

    /// How many calls of one kind get in before the first refusal, and why that one was refused.
    fn fill(&mut self, class: Class, name: &str) -> (u32, Refusal) {
        let mut count = 0;
        loop {
            match self.call(class, name) {
                Ok(_) => count += 1,
                Err(denial) => return (count, denial),
            }
        }
    }
}

#[test]
fn a_total_cap_lets_in_exactly_that_many_calls_and_the_next_when_one_ends() {
    let mut world = World::new(AdmissionConfig::total(3));
    let calls: Vec<CallId> = (0..3).map(|_| world.call(Class::Service, "").unwrap()).collect();
    assert_eq!(world.call(Class::Urgent, ""), Err(Refusal::TotalCap));
    assert!(world.admission.release(calls[1]));
    assert!(world.call(Class::Service, "").is_ok());
    assert_eq!(world.admission.in_use(), 3);
}

#[test]
fn ending_a_call_twice_gives_back_one_permit() {
    let mut world = World::new(AdmissionConfig::total(2));
    let call = world.call(Class::Service, "").unwrap();
    world.call(Class::Service, "").unwrap();
    assert!(world.admission.release(call));
    assert!(!world.admission.release(call));
    assert_eq!(world.admission.in_use(), 1);
}

#[test]
fn a_call_that_asks_twice_holds_one_permit() {
    let mut world = World::new(AdmissionConfig::total(5));
    let first = world.admission.try_admit(world.now, CallId(7), Class::Service, None);
    let second = world.admission.try_admit(world.now, CallId(7), Class::Urgent, Some(&project("power")));
    assert_eq!(first, second);
    assert_eq!(world.admission.in_use(), 1);
}

#[test]
fn a_guarantee_is_there_however_much_the_others_have_borrowed() {
    let mut world = World::new(two_projects());
    assert_eq!(world.fill(Class::Service, "bank"), (6, Refusal::Reserved), "4 of 10 stay for power");
    assert_eq!(world.fill(Class::Service, "power"), (4, Refusal::TotalCap));
    assert_eq!(world.admission.in_use(), 10);
}

#[test]
fn a_project_borrows_what_is_free_up_to_its_ceiling() {
    let mut world = World::new(two_projects());
    assert_eq!(world.fill(Class::Service, "power"), (8, Refusal::BudgetCeiling));
    assert_eq!(world.fill(Class::Service, "bank"), (2, Refusal::TotalCap));
}

#[test]
fn a_ceiling_holds_also_for_the_green_channel() {
    let mut world = World::new(two_projects());
    world.fill(Class::Service, "power");
    assert_eq!(world.call(Class::Urgent, "power"), Err(Refusal::BudgetCeiling));
}

#[test]
fn marketing_and_outbound_stop_borrowing_earlier_than_urgent_calls() {
    let mut world = World::new(two_projects());
    // Free beyond both guarantees: 4. Outbound leaves 3 of it, marketing 1, urgent calls nothing.
    assert_eq!(world.fill(Class::Outbound, ""), (1, Refusal::Reserved));
    assert_eq!(world.fill(Class::Marketing, ""), (2, Refusal::Reserved));
    assert_eq!(world.fill(Class::Urgent, ""), (1, Refusal::Reserved));
    assert_eq!(
        world.fill(Class::Outbound, "power"),
        (4, Refusal::Reserved),
        "a guarantee is not reserved against its owner"
    );
}

#[test]
fn a_draining_switch_lets_nobody_in_and_keeps_who_is_in() {
    let mut world = World::new(AdmissionConfig::total(5));
    let call = world.call(Class::Service, "").unwrap();
    world.admission.set_draining(true);
    assert_eq!(world.call(Class::Urgent, ""), Err(Refusal::Draining));
    assert!(world.admission.try_admit(world.now, call, Class::Service, None).is_ok());
    world.admission.set_draining(false);
    assert!(world.call(Class::Service, "").is_ok());
}

#[test]
fn a_reload_to_a_smaller_budget_ends_no_call_and_lets_none_in_until_there_is_room() {
    let mut world = World::new(AdmissionConfig::total(5));
    let calls: Vec<CallId> = (0..4).map(|_| world.call(Class::Service, "").unwrap()).collect();
    world.admission.reconfigure(AdmissionConfig::total(3));
    assert_eq!(world.admission.in_use(), 4);
    assert_eq!(world.call(Class::Service, ""), Err(Refusal::TotalCap));
    world.admission.release(calls[0]);
    assert_eq!(world.call(Class::Service, ""), Err(Refusal::TotalCap));
    world.admission.release(calls[1]);
    assert!(world.call(Class::Service, "").is_ok());
}

#[test]
fn a_reload_counts_running_calls_into_their_projects_new_shares() {
    let mut world = World::new(AdmissionConfig::total(10));
    for _ in 0..8 {
        world.call(Class::Service, "power").unwrap();
    }
    world.admission.reconfigure(two_projects());
    assert_eq!(world.call(Class::Service, "power"), Err(Refusal::BudgetCeiling));
    assert_eq!(world.fill(Class::Service, "bank"), (2, Refusal::TotalCap));
}

#[test]
fn a_sweep_gives_back_a_permit_whose_call_is_gone_and_counts_a_call_that_had_none() {
    let mut world = World::new(AdmissionConfig::total(5));
    let kept = world.call(Class::Service, "").unwrap();
    let lost = world.call(Class::Marketing, "").unwrap();
    let later = world.now + Duration::from_secs(60);
    let stranger = CallId(999);
    let found = world.admission.sweep(later, [kept, stranger]);
    assert_eq!(
        found,
        [
            Mismatch::PermitWithoutCall { call: lost, class: Class::Marketing, held_ms: 60_000 },
            Mismatch::CallWithoutPermit { call: stranger },
        ]
    );
    assert_eq!(world.admission.in_use(), 2);
    assert_eq!(world.admission.sweep(later, [kept, stranger]), []);
    assert!(world.admission.release(stranger));
    assert_eq!(world.admission.view().mended, 2);
}

/// The rule as the definitions write it, summed anew each time.
fn rule(config: &AdmissionConfig, used: &BTreeMap<ProjectId, u32>, class: Class, asking: Option<&ProjectId>) -> bool {
    let total_used: u32 = used.values().sum();
    let free = i64::from(config.total) - i64::from(total_used);
    let used_by = |project: &ProjectId| i64::from(used.get(project).copied().unwrap_or(0));
    let owed: i64 = config
        .budgets
        .iter()
        .filter(|(project, _)| asking != Some(project))
        .map(|(project, share)| (i64::from(share.guarantee) - used_by(project)).max(0))
        .sum();
    let (guarantee, ceiling) = asking
        .and_then(|project| config.budgets.get(project))
        .map_or((0, i64::MAX), |share| (i64::from(share.guarantee), i64::from(share.ceiling)));
    let in_use = asking.map_or(0, used_by);
    in_use < ceiling && (in_use < guarantee || free - owed > i64::from(config.reserves.of(class)))
}

#[test]
fn random_traffic_is_admitted_exactly_as_the_written_rule_says_and_no_guarantee_is_ever_missed() {
    let worlds: u64 = std::env::var("HOTLINE_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    for seed in 1..=worlds.min(20_000) {
        let mut random = Random(seed);
        let names = ["power", "bank", "shop"];
        let mut config = AdmissionConfig::total(5 + random.below(30));
        config.reserves =
            Reserves { urgent: 0, service: random.below(2), marketing: random.below(4), outbound: random.below(6) };
        let mut left = config.total;
        for name in names.iter().take(random.below(4) as usize) {
            let guarantee = random.below(left / 2 + 1);
            left -= guarantee;
            let ceiling = guarantee + random.below(config.total);
            config.budgets.insert(project(name), Share { guarantee, ceiling });
        }
        let mut admission = Admission::new(config.clone());
        // Calls of no project count under an empty name.
        let mut calls: Vec<(CallId, ProjectId)> = Vec::new();
        let mut used: BTreeMap<ProjectId, u32> = BTreeMap::new();
        let now = Instant::now();
        for step in 0..200 {
            if random.below(3) == 0 && !calls.is_empty() {
                let (call, name) = calls.swap_remove(random.below(calls.len() as u32) as usize);
                assert!(admission.release(call));
                *used.get_mut(&name).unwrap() -= 1;
                continue;
            }
            let class = [Class::Urgent, Class::Service, Class::Marketing, Class::Outbound][random.below(4) as usize];
            let name = ["", "power", "bank", "shop"][random.below(4) as usize];
            let asking = (!name.is_empty()).then(|| project(name));
            let verdict = admission.try_admit(now, CallId(step), class, asking.as_ref());
            assert_eq!(
                verdict.is_ok(),
                rule(&config, &used, class, asking.as_ref()),
                "seed {seed} step {step}: {verdict:?}"
            );
            if verdict.is_ok() {
                calls.push((CallId(step), project(name)));
                *used.entry(project(name)).or_default() += 1;
            }
            assert!(admission.in_use() <= config.total, "seed {seed}");
            for (owner, share) in &config.budgets {
                let in_use = used.get(owner).copied().unwrap_or(0);
                let has_room = admission.clone().try_admit(now, CallId(u64::MAX), Class::Outbound, Some(owner)).is_ok();
                assert!(in_use >= share.guarantee || has_room, "seed {seed}: {owner} misses its guarantee");
            }
        }
        let live: BTreeSet<CallId> = calls.iter().map(|(call, _)| *call).collect();
        assert_eq!(admission.sweep(now, live), [], "seed {seed}");
    }
}

/// xorshift64*, enough to vary a world and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % u64::from(end.max(1))) as u32
    }
}
