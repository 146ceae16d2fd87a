//! Callers who wait, and the agents who are offered them.

use super::*;
use hotline::events::AgentStateName;

#[test]
fn a_busy_agent_is_passed_over_for_the_next() {
    let mut world = world();
    let (busy, free) = (world.agent("1001"), world.agent("1002"));
    world.manners(busy, |manners| manners.taking = Taking::Refuse(486));
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_heard(caller, "voice of 1002");
    assert_eq!(offers(&world), [("1001".into(), OfferResult::Busy), ("1002".into(), OfferResult::Answered)]);
    world.hang_up(caller);
    assert_eq!(world.until_over(free), Over::Theirs);
    world.finish();
}

#[test]
fn an_agent_who_lets_it_ring_out_is_passed_over_and_rests() {
    let mut world = world();
    let (silent, next) = (world.agent("1001"), world.agent("1002"));
    world.manners(silent, |manners| manners.taking = Taking::Ring);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_rings(silent);
    assert_eq!(world.until_over(silent), Over::Cancelled);
    world.until_heard(caller, "voice of 1002");
    assert_eq!(offers(&world), [("1001".into(), OfferResult::NoAnswer), ("1002".into(), OfferResult::Answered)]);
    let rested = world.count(|kind| {
        matches!(kind, EventKind::AgentState { agent, reason: Some(reason), .. } if agent.as_str() == "1001" && reason == "rona")
    });
    assert_eq!(rested, 1);
    world.hang_up(next);
    world.until_over(caller);
    world.finish();
}

#[test]
fn an_offer_that_rings_out_as_its_phone_is_given_up_ends_once() {
    // Timer B (64*T1, RFC 3261 17.1.1.2) and the ring time end at the same instant.
    let mut world = World::new(Settings { ring_timeout: seconds(32.0), ..Settings::default() });
    let agent = world.agent("1001");
    world.switch_off(agent);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.run(seconds(40.0));
    assert_eq!(offers(&world).len(), 1, "{:?}", offers(&world));
    world.hang_up(caller);
    world.finish();
}

#[test]
fn when_all_agents_let_it_ring_the_caller_keeps_the_place_until_one_returns() {
    let mut world = world();
    let (first, second) = (world.agent("1001"), world.agent("1002"));
    for agent in [first, second] {
        world.manners(agent, |manners| manners.taking = Taking::Ring);
    }
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_rings(first);
    world.until_rings(second);
    world.until_over(second);
    assert!(world.hears(caller, "music"), "still waiting: {}", world.story());
    world.manners(first, |manners| manners.taking = Taking::AnswerAfter(seconds(1.0)));
    // 1001 rests for 30 s after it rang out, then it is offered the caller again.
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.until_over(first);
    assert_eq!(outcomes(&world), [QueueOutcome::Answered]);
    world.finish();
}

#[test]
fn a_full_queue_sounds_busy_and_is_never_answered() {
    let mut world = World::new(Settings { max_len: 1, ..Settings::default() });
    let (waiting, refused) = (world.caller("13800138000"), world.caller("13900139000"));
    world.dial(waiting, "9000");
    world.until_heard(waiting, "music");
    world.dial(refused, "9000");
    assert_eq!(world.until_over(refused), Over::Refused(486));
    assert_eq!(outcomes(&world), [QueueOutcome::Full]);
    assert!(world.hears(waiting, "music"), "who waits is untouched");
    world.hang_up(waiting);
    world.finish();
}

#[test]
fn a_caller_who_hangs_up_in_the_queue_is_written_down_as_abandoned() {
    let mut world = world();
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_heard(caller, "music");
    world.run(seconds(7.0));
    world.hang_up(caller);
    world.run(seconds(3.0));
    assert_eq!(outcomes(&world), [QueueOutcome::Abandoned]);
    assert!((6_900..7_200).contains(&world.record().wait_ms), "{}", world.record().wait_ms);
    world.finish();
}

#[test]
fn a_caller_who_hangs_up_while_the_agent_rings_stops_the_phone() {
    let mut world = world();
    let agent = world.agent("1001");
    world.manners(agent, |manners| manners.taking = Taking::Ring);
    let caller = ringing_agent(&mut world, agent);
    world.run(seconds(2.0));
    world.hang_up(caller);
    assert_eq!(world.until_over(agent), Over::Cancelled);
    world.run(seconds(1.0));
    assert_eq!(offers(&world), [("1001".into(), OfferResult::Withdrawn)]);
    // No fault of the agent's: the next caller rings at once.
    let next = world.caller("13900139000");
    world.dial(next, "9000");
    world.until_rings(agent);
    world.hang_up(next);
    world.until_over(agent);
    world.finish();
}

#[test]
fn a_caller_whose_agent_is_unplugged_waits_again_before_everybody_else() {
    let mut world = World::new(Settings { wait_for_lost: Duration::ZERO, ..Settings::default() });
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "0");
    world.until_heard(caller, "voice of 1001");
    let other = world.caller("13900139000");
    world.dial(other, "9000");
    world.until_heard(other, "music");
    world.switch_off(agent);
    let lost = world.now;
    world.until_heard(caller, "music");
    let after = (world.now - lost).as_secs_f64();
    assert!((9.5..12.0).contains(&after), "{after}");
    let second = world.agent("1002");
    world.until_heard(caller, "voice of 1002");
    assert!(world.hears(other, "music"), "who came later waits on");
    world.hang_up(second);
    world.until_heard(other, "voice of 1002");
    world.hang_up(other);
    world.finish();
}

#[test]
fn an_agent_whose_registration_ran_out_is_never_offered_a_caller() {
    let mut world = world();
    let agent = world.agent("1001");
    world.phones[agent.0].refreshes = false;
    world.run(seconds(121.0));
    assert_eq!(world.count(|kind| matches!(kind, EventKind::Unregistered { .. })), 1);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.run(seconds(10.0));
    assert!(offers(&world).is_empty() && world.hears(caller, "music"));
    world.register(agent);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.finish();
}

#[test]
fn an_agent_who_answers_as_the_offer_is_withdrawn_is_let_go_at_once() {
    // The agent's 200 and our CANCEL cross (RFC 3261 9.1): the call that nobody wants is acknowledged and ended.
    let mut world = World::new(Settings { ring_timeout: seconds(10.0), ..Settings::default() });
    let (late, next) = (world.agent("1001"), world.agent("1002"));
    world.manners(late, |manners| manners.taking = Taking::AnswerAfter(seconds(9.993)));
    world.manners(next, |manners| manners.taking = Taking::Ring);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until("1001 answers", |world| world.phones[late.0].calls.iter().any(|call| call.up_since.is_some()));
    world.run(seconds(1.0));
    assert_eq!(world.state(late), Some(&State::Over(Over::Theirs)), "{}", world.story());
    assert_eq!(offers(&world), [("1001".into(), OfferResult::NoAnswer)]);
    assert!(world.hears(caller, "music") && !world.heard(caller).contains(&"voice of 1001".into()));
    world.hang_up(caller);
    world.until_over(next);
    world.finish();
}

#[test]
fn two_callers_for_one_agent_are_served_in_order() {
    let (mut world, first, agent) = talking();
    let callers: Vec<PhoneId> = (0..2)
        .map(|n| {
            let caller = world.caller(&format!("1390013900{n}"));
            world.dial(caller, "9000");
            world.run(seconds(1.0));
            caller
        })
        .collect();
    world.hang_up(first);
    world.until_heard(callers[0], "voice of 1001");
    assert!(world.hears(callers[1], "music"));
    world.hang_up(agent);
    world.until_heard(callers[1], "voice of 1001");
    world.hang_up(callers[1]);
    world.finish();
}

#[test]
fn an_agent_with_two_phones_answers_one_and_the_other_stops_ringing() {
    let mut world = world();
    let (slow, quick) = (world.agent("1001"), world.agent("1001"));
    world.manners(slow, |manners| manners.taking = Taking::AnswerAfter(seconds(5.0)));
    let caller = ringing_agent(&mut world, quick);
    world.until_rings(slow);
    world.until_up(quick);
    assert_eq!(world.until_over(slow), Over::Cancelled);
    world.until_heard(quick, "voice of 13800138000");
    assert_eq!(offers(&world), [("1001".into(), OfferResult::Answered)]);
    world.hang_up(caller);
    assert_eq!(world.until_over(quick), Over::Theirs);
    world.finish();
}

#[test]
fn two_phones_of_an_agent_that_answer_at_once_leave_one_talk() {
    let mut world = world();
    let phones = [world.agent("1001"), world.agent("1001")];
    let caller = ringing_agent(&mut world, phones[1]);
    world.until_heard(caller, "voice of 1001");
    world.run(seconds(1.0));
    let up: Vec<PhoneId> = phones.into_iter().filter(|phone| world.is_up(*phone)).collect();
    let [winner] = up[..] else { panic!("{}", world.story()) };
    let other = if winner == phones[0] { phones[1] } else { phones[0] };
    assert_eq!(world.state(other), Some(&State::Over(Over::Theirs)), "acknowledged, then hung up on");
    assert!(world.hears(winner, "voice of 13800138000"));
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_lost_connection_takes_its_agent_out_of_the_queue() {
    let mut world = world();
    let agent = world.extension("1001", &sim::config::secret_of("1001"));
    world.use_tcp(agent);
    world.register(agent);
    world.run(seconds(1.0));
    let caller = ringing_agent(&mut world, agent);
    world.lose_connection(agent);
    world.run(seconds(1.0));
    assert_eq!(offers(&world), [("1001".into(), OfferResult::Unreachable)]);
    assert!(world.hears(caller, "music"));
    // It comes back over another connection and is offered the caller who still waits.
    world.use_tcp(agent);
    world.register(agent);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.finish();
}

#[test]
fn an_agent_who_is_away_when_the_process_is_killed_is_away_after_it() {
    let mut world = world();
    let (away, there) = (world.agent("1001"), world.agent("1002"));
    world.run(seconds(1.0));
    let lunch = Command::AgentNotReady { agent: AgentId::new("1001"), reason: "lunch".into() };
    world.command(lunch);
    world.restart(seconds(30.0));
    let shown = |world: &World| {
        let view = world.view().agents.into_iter().find(|view| view.agent.as_str() == "1001").unwrap();
        (view.state, view.reason)
    };
    assert_eq!(shown(&world), (AgentStateName::NotReady, Some("lunch".into())));
    let caller = ringing_agent(&mut world, there);
    world.until_heard(caller, "voice of 1002");
    world.hang_up(caller);
    world.until_over(there);
    // Back from lunch, and so after the next restart.
    world.command(Command::AgentReady { agent: AgentId::new("1001") });
    world.restart(seconds(30.0));
    assert_eq!(shown(&world).0, AgentStateName::Ready);
    let _ = away;
    world.finish();
}

#[test]
fn a_phone_that_rings_when_the_wait_is_over_may_still_be_answered() {
    let mut world = World::new(Settings { ring_timeout: seconds(60.0), ..Settings::default() });
    world.reload(sim::bundle::edited("max_wait: 10m", "max_wait: 20s"));
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "0");
    world.until_heard(caller, "music");
    world.run(seconds(10.0));
    let agent = world.agent("1001");
    world.manners(agent, |manners| manners.taking = Taking::AnswerAfter(seconds(55.0)));
    world.run(seconds(50.0));
    assert!(world.hears(caller, "music"), "{}", world.story());
    world.until_heard(caller, "voice of 1001");
    assert_eq!(outcomes(&world), [QueueOutcome::Answered]);
    world.hang_up(agent);
    world.until_heard(caller, "zh/rate_us");
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_caller_who_overflows_to_a_second_queue_while_a_phone_rings_talks_undisturbed() {
    // The wish to be called back is kept while a phone rings, and the caller goes on into another queue.
    let mut world =
        World::new(Settings { posts: &[("1001", &["service"]), ("1002", &["emergency"])], ..Settings::default() });
    world.reload(sim::bundle::edited(
        "    - say: callback_taken\n    - goto: thanks\n",
        "    - queue: {to: emergency, announce: {every: 10s, next: you_are_next}, max_wait: 20s, not_answered: thanks}\n",
    ));
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "0");
    world.within(seconds(150.0), "the offer", |world| world.hears(caller, "zh/offer_callback"));
    let (first, second) = (world.agent("1001"), world.agent("1002"));
    world.manners(first, |manners| manners.taking = Taking::Ring);
    world.until_rings(first);
    world.press(caller, "1");
    world.until_heard(caller, "voice of 1002");
    // Longer than the second queue would have kept the caller waiting, and than any guard of it.
    world.run(seconds(200.0));
    assert!(world.hears(caller, "voice of 1002"), "{}", world.story());
    assert_eq!(outcomes(&world), [QueueOutcome::Left, QueueOutcome::Answered]);
    assert_eq!(world.heard(caller).last().map(String::as_str), Some("voice of 1002"));
    world.hang_up(second);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_caller_without_a_number_gets_nobody_elses_place() {
    let mut world = world();
    let mut config = std::sync::Arc::into_inner(world.settings.config()).expect("made for this story");
    for queue in &mut config.acd.queues {
        queue.matching.keep_place = seconds(300.0);
    }
    world.reconfigure_to(std::sync::Arc::new(config));
    for (number, returns) in [("13800138000", true), ("anonymous", false), ("Unavailable", false)] {
        let (withheld, patient) = (world.caller(number), world.caller("13900139000"));
        world.dial(withheld, "9000");
        world.until_heard(withheld, "music");
        world.dial(patient, "9000");
        world.until_heard(patient, "music");
        world.hang_up(withheld);
        world.run(seconds(5.0));
        let other = world.caller(number);
        world.dial(other, "9000");
        world.until_heard(other, "music");
        let agent = world.agent("1001");
        let (next, last) = if returns { (other, patient) } else { (patient, other) };
        world.until_heard(next, "voice of 1001");
        world.hang_up(next);
        world.until_heard(last, "voice of 1001");
        world.hang_up(last);
        world.run(seconds(5.0));
        world.command(Command::AgentNotReady { agent: AgentId::new("1001"), reason: "lunch".into() });
        world.with(agent, |phone, now| phone.register(now, 0));
        world.run(seconds(1.0));
        world.command(Command::AgentReady { agent: AgentId::new("1001") });
    }
    world.finish();
}

#[test]
fn an_extension_that_becomes_an_agent_while_it_talks_is_offered_nobody_until_it_hangs_up() {
    let mut world = World::new(Settings { posts: &[("1001", &[])], ..Settings::default() });
    let mut config = std::sync::Arc::into_inner(world.settings.config()).expect("made for this story");
    config.acd.agents.retain(|agent| agent.id.as_str() != "1001");
    world.reconfigure_to(std::sync::Arc::new(config));
    let extension = world.agent("1001");
    world.dial(extension, "9196");
    world.until_heard(extension, "voice of 1001");
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_heard(caller, "music");
    world.reconfigure(&Settings::default());
    world.run(seconds(10.0));
    assert!(offers(&world).is_empty() && world.hears(caller, "music"), "{}", world.story());
    world.hang_up(extension);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.finish();
}

#[test]
fn an_agent_is_not_paused_because_we_have_no_port() {
    let mut world = World::new(Settings { ports: 2, ..Settings::default() });
    let callers: Vec<PhoneId> = (0..4).map(|nth| world.caller(&format!("1380013800{nth}"))).collect();
    for caller in &callers {
        world.dial(*caller, "9000");
        world.until_heard(*caller, "music");
    }
    // Both workers have given all their ports to callers; then two agents come.
    let agents = [world.agent("1001"), world.agent("1002")];
    world.run(seconds(10.0));
    assert!(offers(&world).iter().all(|(_, result)| *result == OfferResult::NoPort), "{:?}", offers(&world));
    let ready = |world: &World| {
        let of = |id: &str| world.view().agents.into_iter().find(|view| view.agent.as_str() == id).expect("an agent");
        ["1001", "1002"].map(|id| of(id).state)
    };
    assert_eq!(ready(&world), [hotline::events::AgentStateName::Ready; 2]);
    assert!(offers(&world).len() <= 4 * 6, "{} offers in ten seconds", offers(&world).len());
    let told = |kind: &EventKind| matches!(kind, EventKind::Alarm { text } if text.contains("no RTP port"));
    assert_eq!(world.count(told), 1);
    world.hang_up(callers[0]);
    world.within(seconds(5.0), "an agent is rung", |world| agents.iter().any(|agent| world.is_up(*agent)));
    for caller in &callers[1..] {
        world.hang_up(*caller);
    }
    world.finish();
}
