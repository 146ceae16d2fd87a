//! What callers and agents notice, one story a test.

mod explain;
mod lending;
mod lost;
mod matching;
mod wrap_up;

use super::*;
use crate::events::OfferResult;

struct Centre {
    acd: Acd,
    now: Instant,
    next: u64,
}

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn agent(name: &str) -> AgentId {
    AgentId::new(name)
}

fn queue(name: &str) -> QueueConfig {
    QueueConfig { wrap_up: seconds(10), ..QueueConfig::new(name) }
}

fn agents(names: &[(&str, &[&str])]) -> Vec<AgentConfig> {
    let one = |(id, queues): &(&str, &[&str])| AgentConfig {
        queues: queues.iter().copied().map(QueueId::from).collect(),
        ..AgentConfig::new(agent(id))
    };
    names.iter().map(one).collect()
}

fn config(queues: Vec<QueueConfig>, people: &[(&str, &[&str])]) -> AcdConfig {
    AcdConfig { queues, agents: agents(people), ..AcdConfig::default() }
}

impl Centre {
    fn new(config: AcdConfig) -> Self {
        Self { acd: Acd::new(config), now: Instant::now(), next: 0 }
    }

    /// One queue `service` with these agents, who log in in this order, a second apart.
    fn service(people: &[&str]) -> Self {
        let people: Vec<(&str, &[&str])> = people.iter().map(|id| (*id, &["service"][..])).collect();
        let mut centre = Self::new(config(vec![queue("service")], &people));
        for (id, _) in people {
            centre.login(id);
            centre.wait(1);
        }
        centre.told();
        centre
    }

    fn login(&mut self, id: &str) {
        self.acd.agent_reachable(self.now, &agent(id), true);
    }

    fn wish(name: &str) -> Enqueue {
        Enqueue::new(QueueId::new(name), 5)
    }

    fn caller(&mut self) -> TicketId {
        self.join(Self::wish("service"))
    }

    fn join(&mut self, wish: Enqueue) -> TicketId {
        self.next += 1;
        self.acd.enqueue(self.now, TicketId(self.next), wish).unwrap();
        TicketId(self.next)
    }

    /// Time passes, timer by timer.
    fn wait(&mut self, s: u64) {
        let end = self.now + seconds(s);
        while let Some(at) = self.acd.next_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.acd.handle_timeout(self.now);
        }
        self.now = end;
    }

    fn answer(&mut self, ticket: TicketId, id: &str) -> bool {
        self.acd.offer_answered(self.now, ticket, &agent(id))
    }

    fn state(&self, id: &str) -> (AgentStateName, Option<String>) {
        let view = self.acd.agent(self.now, &agent(id)).unwrap();
        (view.state, view.reason)
    }

    /// What was told since the last time, in short; positions apart.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(output) = self.acd.poll() {
            match output {
                AcdOutput::Offer { ticket, agent, .. } => told.push(format!("{agent} rings for {ticket}")),
                AcdOutput::WithdrawOffer { ticket, agent, why } => {
                    told.push(format!("{agent} stops for {ticket}: {why:?}"))
                }
                AcdOutput::TicketEnded { ticket, outcome, waited, .. } => {
                    told.push(format!("{ticket} {outcome:?} after {}", waited.as_secs()))
                }
                AcdOutput::Position { .. }
                | AcdOutput::AgentState { .. }
                | AcdOutput::Pause { .. }
                | AcdOutput::WrapUp { .. } => {}
                AcdOutput::Lending { to, on, pressure, .. } => told.push(format!(
                    "{to} {} help at {} s",
                    if on { "gets" } else { "needs no" },
                    pressure.longest_wait.unwrap_or_default().as_secs()
                )),
                AcdOutput::Lent { agent, to, on, .. } => {
                    told.push(format!("{agent} {} {to}", if on { "helps" } else { "leaves" }))
                }
            }
        }
        told
    }

    fn positions(&mut self) -> Vec<(u64, u32)> {
        std::iter::from_fn(|| self.acd.poll())
            .filter_map(|output| match output {
                AcdOutput::Position { ticket, ahead, .. } => Some((ticket.0, ahead)),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn a_caller_is_offered_to_the_agent_who_is_idle_for_longest() {
    let mut centre = Centre::service(&["1003", "1001", "1002"]);
    centre.caller();
    centre.caller();
    assert_eq!(centre.told(), ["1003 rings for 1", "1001 rings for 2"]);
}

#[test]
fn an_answer_joins_caller_and_agent_and_wrap_up_follows_the_call() {
    let mut centre = Centre::service(&["1001"]);
    let caller = centre.caller();
    centre.wait(3);
    assert!(centre.answer(caller, "1001"));
    assert_eq!(centre.told(), ["1001 rings for 1", "1 Answered after 3"]);
    assert_eq!(centre.state("1001").0, AgentStateName::Talking);
    let next = centre.caller();
    centre.wait(60);
    centre.acd.call_ended(centre.now, &agent("1001"));
    assert_eq!(centre.state("1001").0, AgentStateName::WrapUp);
    centre.wait(9);
    assert_eq!(centre.told(), [] as [&str; 0]);
    centre.wait(1);
    assert_eq!(centre.told(), [format!("1001 rings for {next}")]);
}

#[test]
fn an_agent_may_end_the_wrap_up_early_and_nothing_else_does() {
    let mut centre = Centre::service(&["1001"]);
    let caller = centre.caller();
    assert!(centre.answer(caller, "1001"));
    centre.acd.call_ended(centre.now, &agent("1001"));
    centre.caller();
    centre.told();
    centre.acd.set_ready(centre.now, &agent("1001")).unwrap();
    centre.acd.agent_call_started(centre.now, &agent("1001"));
    centre.acd.agent_call_ended(centre.now, &agent("1001"));
    centre.acd.agent_reachable(centre.now, &agent("1001"), false);
    centre.acd.agent_reachable(centre.now, &agent("1001"), true);
    assert_eq!((centre.told().len(), centre.state("1001").0), (0, AgentStateName::WrapUp));
    centre.acd.after_call(centre.now, &agent("1001"), &AfterCall::End).unwrap();
    assert_eq!(centre.told(), ["1001 rings for 2"]);
}

#[test]
fn a_phone_that_rings_out_pauses_its_agent_and_the_caller_goes_to_the_next_at_once() {
    let mut centre = Centre::service(&["1001", "1002"]);
    let caller = centre.caller();
    centre.wait(1);
    centre.caller();
    centre.caller();
    centre.told();
    centre.acd.offer_failed(centre.now, TicketId(2), &agent("1002"), OfferResult::Busy);
    centre.wait(19);
    // 1002 is back from the busy pause and rings for the second; the first is in front of the third.
    assert_eq!(centre.told(), ["1002 rings for 2", "1001 stops for 1: RingTimeout"]);
    assert_eq!(centre.state("1001"), (AgentStateName::NotReady, Some("rona".into())));
    assert!(!centre.answer(caller, "1001"), "the lease is over");
    assert!(centre.answer(TicketId(2), "1002"));
    centre.acd.call_ended(centre.now, &agent("1002"));
    centre.wait(10);
    assert_eq!(centre.told(), ["2 Answered after 19", "1002 rings for 1"]);
}

#[test]
fn an_agent_who_missed_a_call_stays_away_until_set_ready_or_for_the_pause_configured() {
    let mut centre = Centre::service(&["1001"]);
    centre.caller();
    centre.wait(3_600);
    assert_eq!(centre.state("1001").1.as_deref(), Some("rona"));
    centre.told();
    let mut timed = config(vec![queue("service")], &[("1001", &["service"])]);
    timed.rona_pause = Some(seconds(60));
    centre.acd.reconfigure(centre.now, timed);
    centre.caller();
    assert_eq!(centre.told(), [] as [&str; 0]);
    centre.acd.set_ready(centre.now, &agent("1001")).unwrap();
    assert_eq!(centre.told(), ["1001 rings for 2"]);
    centre.wait(20 + 60);
    assert_eq!(centre.told(), ["1001 stops for 2: RingTimeout", "1001 rings for 2"]);
}

#[test]
fn a_busy_or_declining_agent_is_passed_over_for_five_seconds() {
    for result in [OfferResult::Busy, OfferResult::Declined, OfferResult::Unreachable, OfferResult::Withdrawn] {
        let mut centre = Centre::service(&["1001"]);
        let caller = centre.caller();
        centre.acd.offer_failed(centre.now, caller, &agent("1001"), result);
        assert_eq!(centre.state("1001").0, AgentStateName::NotReady);
        centre.told();
        centre.wait(4);
        assert_eq!(centre.told(), [] as [&str; 0], "{result:?}");
        centre.wait(1);
        assert_eq!(centre.told(), ["1001 rings for 1"], "{result:?}");
    }
}

#[test]
fn higher_priority_is_served_first_and_equal_priority_in_order_of_joining() {
    let mut centre = Centre::service(&[]);
    let mut people = config(vec![queue("service")], &[("1001", &["service"])]);
    people.queues[0].wrap_up = Duration::ZERO;
    centre.acd.reconfigure(centre.now, people);
    for priority in [5, 5, 9, 0, 9, 200] {
        centre.join(Enqueue { priority, ..Centre::wish("service") });
        centre.wait(1);
    }
    centre.told();
    centre.login("1001");
    for expected in [3, 5, 6, 1, 2, 4] {
        assert_eq!(centre.told().last(), Some(&format!("1001 rings for {expected}")));
        assert!(centre.answer(TicketId(expected), "1001"));
        centre.acd.call_ended(centre.now, &agent("1001"));
    }
}

#[test]
fn an_agent_of_two_queues_takes_the_caller_who_came_first_in_either() {
    let people = [("1001", &["a", "b"][..])];
    let mut centre = Centre::new(config(vec![queue("a"), queue("b")], &people));
    centre.join(Centre::wish("b"));
    centre.wait(1);
    centre.join(Centre::wish("a"));
    centre.join(Enqueue { priority: 6, ..Centre::wish("a") });
    centre.login("1001");
    assert_eq!(centre.told(), ["1001 rings for 3"]);
    assert!(centre.answer(TicketId(3), "1001"));
    centre.acd.call_ended(centre.now, &agent("1001"));
    centre.wait(10);
    assert_eq!(centre.told().last().map(String::as_str), Some("1001 rings for 1"));
}

#[test]
fn a_caller_who_hangs_up_while_a_phone_rings_frees_the_agent_with_the_turn_kept() {
    let mut centre = Centre::service(&["1001", "1002"]);
    let caller = centre.caller();
    centre.wait(5);
    centre.acd.leave(centre.now, caller, Leave::Abandoned);
    assert_eq!(centre.told(), ["1001 rings for 1", "1001 stops for 1: CallerGone", "1 Abandoned after 5"]);
    centre.caller();
    assert_eq!(centre.told(), ["1001 rings for 2"]);
    centre.acd.leave(centre.now, caller, Leave::Left);
    assert_eq!(centre.told(), [] as [&str; 0], "a ticket ends once");
    centre.acd.leave(centre.now, TicketId(2), Leave::Abandoned);
    centre.wait(60);
    assert_eq!(centre.state("1001").0, AgentStateName::Ready, "no lease is left to run out");
}

#[test]
fn two_agents_cannot_both_have_a_caller_and_a_stranger_cannot_take_one() {
    let mut centre = Centre::service(&["1001", "1002"]);
    let caller = centre.caller();
    assert!(!centre.answer(caller, "1002"));
    assert!(!centre.answer(caller, "9999"));
    assert!(!centre.answer(TicketId(77), "1001"));
    assert!(centre.answer(caller, "1001"));
    assert!(!centre.answer(caller, "1001"), "only once");
}

#[test]
fn a_wait_ends_after_its_time_but_not_while_a_phone_rings() {
    let mut centre = Centre::service(&[]);
    centre.join(Enqueue { max_wait: Some(seconds(30)), ..Centre::wish("service") });
    centre.wait(30);
    assert_eq!(centre.told(), ["1 Timeout after 30"]);

    let mut centre = Centre::service(&["1001"]);
    let caller = centre.join(Enqueue { max_wait: Some(seconds(10)), ..Centre::wish("service") });
    centre.wait(15);
    assert_eq!(centre.told(), ["1001 rings for 1"]);
    centre.acd.offer_failed(centre.now, caller, &agent("1001"), OfferResult::Declined);
    assert_eq!(centre.told(), ["1 Timeout after 15"]);
}

#[test]
fn a_full_queue_turns_callers_away_but_not_when_an_agent_is_idle() {
    let small = QueueConfig { max_len: 1, ..queue("service") };
    let none = QueueConfig { max_len: 0, ..queue("direct") };
    let mut centre = Centre::new(config(vec![small, none], &[("1001", &["direct"])]));
    centre.caller();
    centre.caller();
    assert_eq!(centre.told(), ["2 Full after 0"]);
    centre.login("1001");
    centre.join(Centre::wish("direct"));
    centre.join(Centre::wish("direct"));
    assert_eq!(centre.told(), ["1001 rings for 3", "4 Full after 0"]);
}

#[test]
fn a_caller_who_asked_so_does_not_wait_for_an_empty_queue() {
    let mut centre = Centre::service(&["1001"]);
    let choosy = Enqueue { leave_when_empty: true, ..Centre::wish("service") };
    centre.acd.set_not_ready(centre.now, &agent("1001"), "lunch").unwrap();
    let patient = centre.caller();
    centre.join(choosy.clone());
    assert_eq!(centre.told(), [] as [&str; 0], "an agent at lunch is logged in");
    centre.acd.agent_reachable(centre.now, &agent("1001"), false);
    assert_eq!(centre.told(), ["2 NoAgents after 0"]);
    centre.join(choosy);
    assert_eq!(centre.told(), ["3 NoAgents after 0"]);
    assert_eq!(centre.acd.tickets(centre.now, &QueueId::new("service")).unwrap()[0].ticket, patient);
}

#[test]
fn an_agent_whose_phone_is_lost_while_it_rings_is_not_waited_for() {
    let mut centre = Centre::service(&["1001", "1002"]);
    let caller = centre.caller();
    centre.told();
    centre.acd.agent_reachable(centre.now, &agent("1001"), false);
    assert_eq!(centre.told(), ["1001 stops for 1: AgentGone", "1002 rings for 1"]);
    assert_eq!(centre.state("1001").0, AgentStateName::LoggedOut);
    centre.acd.offer_failed(centre.now, caller, &agent("1002"), OfferResult::Busy);
    centre.wait(4);
    assert_eq!(centre.told(), [] as [&str; 0], "a phone without a registration is never offered");
    centre.login("1001");
    assert_eq!(centre.told(), ["1001 rings for 1"]);
}

#[test]
fn a_pause_survives_a_phone_that_restarts() {
    let mut centre = Centre::service(&["1001"]);
    centre.acd.set_not_ready(centre.now, &agent("1001"), "training").unwrap();
    centre.acd.agent_reachable(centre.now, &agent("1001"), false);
    assert_eq!(centre.state("1001"), (AgentStateName::LoggedOut, None));
    centre.login("1001");
    assert_eq!(centre.state("1001"), (AgentStateName::NotReady, Some("training".into())));
}

#[test]
fn an_agent_on_a_call_of_their_own_is_offered_nobody() {
    let mut centre = Centre::service(&["1001"]);
    centre.acd.agent_call_started(centre.now, &agent("1001"));
    centre.acd.agent_call_started(centre.now, &agent("1001"));
    assert_eq!(centre.state("1001"), (AgentStateName::Talking, Some("own_call".into())));
    centre.caller();
    centre.acd.agent_call_ended(centre.now, &agent("1001"));
    assert_eq!(centre.told(), [] as [&str; 0]);
    centre.acd.agent_call_ended(centre.now, &agent("1001"));
    assert_eq!(centre.told(), ["1001 rings for 1"]);
    centre.acd.agent_call_started(centre.now, &agent("1001"));
    assert_eq!(centre.told(), ["1001 stops for 1: AgentGone"]);
}

#[test]
fn not_ready_while_talking_takes_effect_after_the_wrap_up() {
    let mut centre = Centre::service(&["1001"]);
    let caller = centre.caller();
    assert!(centre.answer(caller, "1001"));
    centre.acd.set_not_ready(centre.now, &agent("1001"), "lunch").unwrap();
    assert_eq!(centre.state("1001").0, AgentStateName::Talking);
    centre.acd.call_ended(centre.now, &agent("1001"));
    assert_eq!(centre.state("1001").0, AgentStateName::WrapUp);
    centre.wait(10);
    assert_eq!(centre.state("1001"), (AgentStateName::NotReady, Some("lunch".into())));
}

#[test]
fn an_agent_who_loses_the_registration_while_talking_keeps_the_call_and_gets_no_other() {
    let mut centre = Centre::service(&["1001"]);
    let caller = centre.caller();
    assert!(centre.answer(caller, "1001"));
    centre.acd.agent_reachable(centre.now, &agent("1001"), false);
    assert_eq!(centre.state("1001").0, AgentStateName::Talking);
    centre.caller();
    centre.told();
    centre.acd.call_ended(centre.now, &agent("1001"));
    centre.wait(10);
    assert_eq!((centre.told().len(), centre.state("1001").0), (0, AgentStateName::LoggedOut));
}

#[test]
fn a_caller_hears_the_place_on_joining_and_again_only_when_it_changed() {
    let mut centre = Centre::service(&[]);
    for _ in 0..3 {
        centre.caller();
    }
    assert_eq!(centre.positions(), [(1, 0), (2, 1), (3, 2)]);
    centre.acd.leave(centre.now, TicketId(1), Leave::Abandoned);
    centre.wait(1);
    assert_eq!(centre.positions(), [(2, 0), (3, 1)]);
    centre.wait(600 - 2);
    assert_eq!(centre.positions(), []);
}

#[test]
fn positions_of_a_queue_are_told_every_five_seconds_at_most() {
    let mut centre = Centre::service(&[]);
    for _ in 0..10 {
        centre.caller();
    }
    centre.acd.leave(centre.now, TicketId(1), Leave::Abandoned);
    centre.wait(1);
    centre.positions();
    for ticket in 2..=5 {
        centre.acd.leave(centre.now, TicketId(ticket), Leave::Abandoned);
        centre.wait(1);
    }
    let told = centre.positions();
    assert_eq!(told, [(6, 0), (7, 1), (8, 2), (9, 3), (10, 4)], "one walk after four changes");
}

#[test]
fn an_urgent_caller_moves_the_others_back_and_they_are_told() {
    let mut centre = Centre::service(&[]);
    centre.caller();
    centre.positions();
    centre.join(Enqueue { priority: 9, ..Centre::wish("service") });
    centre.wait(1);
    assert_eq!(centre.positions(), [(2, 0), (1, 1)]);
}

#[test]
fn a_wait_is_told_as_a_range_once_somebody_works_on_the_queue() {
    let mut centre = Centre::service(&["1001"]);
    let first = centre.caller();
    assert!(centre.answer(first, "1001"));
    let waits = |centre: &mut Centre| {
        let outputs: Vec<AcdOutput> = std::iter::from_fn(|| centre.acd.poll()).collect();
        outputs
            .into_iter()
            .filter_map(|output| match output {
                AcdOutput::Position { wait, .. } => Some(wait),
                _ => None,
            })
            .next_back()
    };
    centre.caller();
    assert_eq!(waits(&mut centre), Some(Some(WaitRange { low_s: 0, high_s: Some(30) })), "nobody has waited yet");
    let mut empty = Centre::service(&[]);
    empty.caller();
    assert_eq!(waits(&mut empty), Some(None));
}

#[test]
fn a_reload_leaves_waits_offers_calls_pauses_and_turns_as_they_are() {
    let people: &[(&str, &[&str])] =
        &[("1001", &["service"]), ("1002", &["service"]), ("1003", &["service"]), ("1004", &["service"])];
    let mut centre = Centre::service(&["1001", "1002", "1003", "1004"]);
    let (talking, ringing) = (centre.caller(), centre.caller());
    assert!(centre.answer(talking, "1001"));
    centre.acd.set_not_ready(centre.now, &agent("1003"), "lunch").unwrap();
    centre.told();
    let before = (centre.acd.agents(centre.now), centre.acd.tickets(centre.now, &QueueId::new("service")));
    for _ in 0..20 {
        let slower = QueueConfig { ring_timeout: seconds(60), wrap_up: seconds(600), ..queue("service") };
        centre.acd.reconfigure(centre.now, config(vec![slower], people));
    }
    assert_eq!(centre.acd.poll(), None);
    assert_eq!(before, (centre.acd.agents(centre.now), centre.acd.tickets(centre.now, &QueueId::new("service"))));
    // Leases and wrap-ups run as they began: 20 s and 10 s.
    centre.acd.call_ended(centre.now, &agent("1001"));
    centre.wait(10);
    assert_eq!(centre.state("1001").0, AgentStateName::Ready);
    centre.wait(10);
    assert_eq!(centre.told(), [format!("1002 stops for {ringing}: RingTimeout"), format!("1004 rings for {ringing}")]);
}

#[test]
fn a_removed_queue_gives_its_callers_back_and_its_agents_serve_the_others() {
    let people = [("1001", &["a", "b"][..]), ("1002", &["a"])];
    let mut centre = Centre::new(config(vec![queue("a"), queue("b")], &people));
    centre.login("1001");
    centre.join(Centre::wish("a"));
    centre.join(Centre::wish("a"));
    centre.wait(1);
    centre.join(Centre::wish("b"));
    centre.told();
    centre.acd.reconfigure(centre.now, config(vec![queue("b")], &[("1001", &["b"]), ("1002", &["b"])]));
    let told = centre.told();
    assert_eq!(
        told,
        ["1001 stops for 1: CallerGone", "1 Closed after 1", "2 Closed after 1", "1001 rings for 3"],
        "{told:?}"
    );
    let gone = centre.acd.enqueue(centre.now, TicketId(9), Centre::wish("a"));
    assert_eq!(gone, Err(EnqueueError::UnknownQueue));
}

#[test]
fn a_removed_agent_finishes_the_call_and_is_gone_a_ringing_one_is_replaced() {
    let mut centre = Centre::service(&["1001", "1002", "1003"]);
    let (talking, ringing) = (centre.caller(), centre.caller());
    assert!(centre.answer(talking, "1001"));
    centre.told();
    centre.acd.reconfigure(centre.now, config(vec![queue("service")], &[("1003", &["service"])]));
    assert_eq!(centre.told(), [format!("1002 stops for {ringing}: AgentGone"), format!("1003 rings for {ringing}")]);
    assert!(!centre.acd.is_agent(&agent("1002")));
    assert_eq!(centre.state("1001").0, AgentStateName::Talking);
    centre.acd.call_ended(centre.now, &agent("1001"));
    assert!(centre.acd.is_agent(&agent("1001")));
    centre.wait(10);
    assert!(!centre.acd.is_agent(&agent("1001")));
}

#[test]
fn an_agent_given_a_queue_by_a_reload_serves_who_waits_there() {
    let mut centre = Centre::new(config(vec![queue("a"), queue("b")], &[("1001", &["a"]), ("1002", &["a"])]));
    centre.login("1002");
    centre.wait(1);
    centre.login("1001");
    centre.join(Centre::wish("b"));
    assert_eq!(centre.told(), [] as [&str; 0]);
    let people = [("1001", &["a", "b"][..]), ("1002", &["a", "b"])];
    centre.acd.reconfigure(centre.now, config(vec![queue("a"), queue("b")], &people));
    assert_eq!(centre.told(), ["1002 rings for 1"], "1002 is idle for longer");
}

#[test]
fn zero_and_endless_times_in_a_configuration_cannot_spin_or_overflow() {
    let odd = QueueConfig {
        ring_timeout: Duration::ZERO,
        wrap_up: Duration::MAX,
        max_wait: Duration::MAX,
        ..QueueConfig::new("service")
    };
    let mut all = config(vec![odd], &[("1001", &["service", "nowhere", "service"])]);
    all.rona_pause = Some(Duration::ZERO);
    all.busy_pause = Duration::ZERO;
    let mut centre = Centre::new(all);
    centre.login("1001");
    centre.join(Enqueue { max_wait: Some(Duration::ZERO), ..Centre::wish("service") });
    centre.wait(3);
    assert_eq!(centre.told().len(), 3, "rings for a second, then the wait is over");
    let caller = centre.caller();
    centre.acd.offer_failed(centre.now, caller, &agent("1001"), OfferResult::Busy);
    centre.told();
    assert_eq!(centre.acd.next_timeout(), Some(centre.now + seconds(1)));
    centre.wait(1);
    assert!(centre.answer(caller, "1001"));
    centre.acd.call_ended(centre.now, &agent("1001"));
    assert_eq!(centre.state("1001").0, AgentStateName::WrapUp);
}

#[test]
fn views_show_the_queue_as_callers_and_agents_have_it() {
    let mut centre = Centre::service(&["1001", "1002"]);
    let caller = centre.caller();
    centre.acd.set_not_ready(centre.now, &agent("1002"), &"x".repeat(200)).unwrap();
    centre.caller();
    centre.wait(4);
    let view = &centre.acd.queues(centre.now)[0];
    assert_eq!((view.waiting, view.ringing, view.longest_wait_ms), (1, 1, 4_000));
    assert_eq!((view.agents.ringing, view.agents.not_ready), (1, 1));
    assert_eq!((view.counts.entered, view.counts.offers), (2, 1));
    let line = centre.acd.tickets(centre.now, &QueueId::new("service")).unwrap();
    assert_eq!((line[0].offered_to.clone(), line[0].offer_ends_in_ms), (Some(agent("1001")), Some(16_000)));
    assert_eq!((line[1].ahead, line[1].offered_to.clone()), (1, None));
    assert_eq!(centre.acd.agent(centre.now, &agent("1001")).unwrap().ticket, Some(caller));
    assert_eq!(centre.state("1002").1.map(|reason| reason.len()), Some(64));
    let json = serde_json::to_string(view).unwrap();
    assert!(json.contains("\"queue\":\"service\"") && json.contains("\"not_ready\":1"), "{json}");
    assert_eq!(centre.acd.set_ready(centre.now, &agent("77")), Err(UnknownAgent(agent("77"))));
}

#[test]
fn a_caller_whose_agent_was_lost_is_let_into_a_full_queue() {
    let small = QueueConfig { max_len: 1, ..queue("service") };
    let mut centre = Centre::new(config(vec![small], &[("1001", &["service"])]));
    let first = centre.caller();
    let refused = centre.caller();
    assert_eq!(centre.told(), [format!("{refused} Full after 0")]);
    let lost = Some(Lost { since: centre.now, agent: None });
    let returning = centre.join(Enqueue { returning: true, lost, ..Centre::wish("service") });
    assert!(centre.told().is_empty());
    centre.login("1001");
    assert_eq!(centre.told(), [format!("1001 rings for {returning}")]);
    assert!(centre.answer(returning, "1001") && !centre.answer(first, "1001"));
}

#[test]
fn an_offer_fails_once() {
    let mut centre = Centre::service(&["1001"]);
    let caller = centre.caller();
    let fails =
        |centre: &mut Centre| centre.acd.offer_failed(centre.now, caller, &agent("1001"), OfferResult::NoAnswer);
    assert!(fails(&mut centre));
    assert!(!fails(&mut centre));
}

#[test]
fn a_pause_that_lasts_is_kept_for_a_restart_and_one_that_ends_by_itself_is_not() {
    let mut centre = Centre::service(&["1001"]);
    let kept = |centre: &mut Centre| {
        let outputs: Vec<AcdOutput> = std::iter::from_fn(|| centre.acd.poll()).collect();
        outputs
            .into_iter()
            .filter_map(|output| match output {
                AcdOutput::Pause { reason, .. } => Some(reason.unwrap_or_else(|| "-".into())),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let caller = centre.caller();
    centre.acd.offer_failed(centre.now, caller, &agent("1001"), OfferResult::Busy);
    centre.wait(5);
    assert_eq!(kept(&mut centre), [] as [&str; 0], "a busy pause is over before any restart");
    centre.wait(20);
    assert_eq!(kept(&mut centre), ["rona"]);
    centre.acd.set_not_ready(centre.now, &agent("1001"), "lunch").unwrap();
    centre.acd.set_not_ready(centre.now, &agent("1001"), "lunch").unwrap();
    centre.acd.set_ready(centre.now, &agent("1001")).unwrap();
    assert_eq!(kept(&mut centre), ["lunch", "-"], "once each");
}
