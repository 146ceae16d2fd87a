use super::*;
use crate::events::flow::Asked;
use crate::events::media::Quality;
use crate::events::{
    AgentStateName, Cause, EndedBy, EventKind, KeySource, LegRole, MediaReport, OfferResult, QueueOutcome, Refusal,
    ServiceEnd, Source, SwitchEvent,
};
use crate::ids::{AgentId, CallId, FlowVersion, LegId, ProjectId, QueueId, Redacted, TicketId, TrunkId};

const WALL: u64 = 1_790_000_000_000;
const CALLER: LegId = LegId(1);
const AGENT: LegId = LegId(2);

/// A journal as it is written: time moves by `after`, and every event goes through the fold and through its stored form.
struct Journal {
    fold: Fold,
    seq: u64,
    mono: u64,
    wall: u64,
    done: Vec<Cdr>,
}

impl Journal {
    fn new() -> Self {
        Self { fold: Fold::new(), seq: 0, mono: 5_000, wall: WALL, done: Vec::new() }
    }

    fn after(&mut self, ms: u64) -> &mut Self {
        self.mono += ms;
        self.wall += ms;
        self
    }

    fn event(&mut self, call: Option<u64>, kind: EventKind) -> &mut Self {
        self.seq += 1;
        let event = SwitchEvent { seq: self.seq, wall: self.wall, mono: self.mono, call: call.map(CallId), kind };
        let stored = serde_json::to_string(&event).unwrap();
        let event: SwitchEvent = serde_json::from_str(&stored).unwrap();
        self.done.extend(self.fold.apply(&event));
        self
    }

    fn of(&mut self, call: u64, kind: EventKind) -> &mut Self {
        self.event(Some(call), kind)
    }

    fn arrives(&mut self, call: u64) -> &mut Self {
        self.of(
            call,
            EventKind::CallArrived {
                from: Redacted::new("13800138000".into()),
                to: "95598".into(),
                source: Source::Trunk(TrunkId::new("demo-trunk")),
                sip_call_id: "abc@10.0.0.1".into(),
                leg: CALLER,
                project: Some(ProjectId::new("power")),
            },
        )
    }

    fn ends(&mut self, call: u64, cause: Cause, by: EndedBy) -> Cdr {
        self.of(call, EventKind::CallEnded { cause, by });
        self.done.pop().expect("the end of a call completes its record")
    }
}

fn queue() -> QueueId {
    QueueId::new("service")
}

fn agent() -> AgentId {
    AgentId::new("1001")
}

/// The whole demo call up to the bridge: menu 4 s, wait 6 s of which the agent's phone rings 3 s.
fn talking(journal: &mut Journal) -> &mut Journal {
    let ticket = TicketId(9);
    journal
        .arrives(1)
        .after(20)
        .of(1, EventKind::CallAnswered { leg: CALLER })
        .of(1, EventKind::FlowStarted { flow: "power".into(), version: FlowVersion::new("f00d") })
        .after(2_000)
        .of(1, EventKind::Key { leg: CALLER, key: Some('1'), via: KeySource::Rfc4733 })
        .after(1_980)
        .of(1, EventKind::Key { leg: CALLER, key: None, via: KeySource::Info })
        .of(1, EventKind::Queued { ticket, queue: queue(), priority: 5, position: 1 })
        .after(3_000)
        .of(1, EventKind::Offered { ticket, queue: queue(), agent: agent() })
        .of(
            1,
            EventKind::LegStarted {
                leg: AGENT,
                role: LegRole::Agent,
                target: "sip:1001@10.0.0.7:5060".into(),
                sip_call_id: "def".into(),
            },
        )
        .of(1, EventKind::LegRinging { leg: AGENT })
        .after(3_000)
        .of(1, EventKind::LegAnswered { leg: AGENT })
        .of(1, EventKind::OfferEnded { ticket, agent: agent(), result: OfferResult::Answered })
        .of(1, EventKind::Dequeued { ticket, queue: queue(), outcome: QueueOutcome::Answered, waited_ms: 6_000 })
        .of(1, EventKind::FlowEnded { flow: "power".into(), outcome: "routed".into() })
        .of(1, EventKind::Bridged { a: CALLER, b: AGENT, agent: Some(agent()) })
        .of(1, EventKind::RecordingStarted { file: "2026/09/21/1.wav".into() })
}

#[test]
fn a_hotline_call_leaves_one_record_with_every_part_of_its_time() {
    let mut journal = Journal::new();
    talking(&mut journal)
        .after(30_000)
        .of(1, EventKind::RecordingEnded { file: "2026/09/21/1.wav".into(), length_ms: 30_000 })
        .of(1, EventKind::Unbridged { a: CALLER, b: AGENT })
        .of(1, EventKind::MediaReport { leg: CALLER, report: MediaReport { lost: 3, ..MediaReport::default() } })
        .of(1, EventKind::LegEnded { leg: CALLER, cause: Cause::Normal })
        .after(10)
        .of(1, EventKind::LegEnded { leg: AGENT, cause: Cause::Normal });
    let cdr = journal.ends(1, Cause::Normal, EndedBy::Caller);

    assert_eq!(cdr.call_id, Some(CallId(1)));
    assert_eq!((cdr.from.expose().as_str(), cdr.to.as_str()), ("13800138000", "95598"));
    assert_eq!(cdr.started, WALL);
    assert_eq!(cdr.answered, Some(WALL + 20));
    assert_eq!(cdr.ended, WALL + 40_010);
    assert_eq!(cdr.duration_ms, 40_010);
    assert_eq!(cdr.connected_ms, 39_990);
    assert_eq!((cdr.talk_ms, cdr.hold_ms, cdr.wait_ms, cdr.ring_ms), (30_000, 0, 6_000, 3_000));
    assert_eq!((cdr.queue.clone(), cdr.agent.clone()), (Some(queue()), Some(agent())));
    assert_eq!((cdr.flow.as_deref(), cdr.keys), (Some("power"), 2));
    assert_eq!((cdr.end, cdr.cause, cdr.q850, cdr.status), (EndedBy::Caller, Cause::Normal, 16, 200));
    assert_eq!((cdr.recording.as_deref(), cdr.recording_ms), (Some("2026/09/21/1.wav"), 30_000));

    let legs: Vec<_> = cdr.segments.iter().map(|s| (s.leg, s.role, s.agent.clone(), s.cause)).collect();
    assert_eq!(
        legs,
        [
            (CALLER, LegRole::Caller, None, Some(Cause::Normal)),
            (AGENT, LegRole::Agent, Some(agent()), Some(Cause::Normal))
        ]
    );
    assert_eq!(cdr.segments[0].media.map(|report| report.lost), Some(3));
    let way: Vec<_> =
        cdr.journey.iter().map(|s| (s.kind, s.name.as_str(), s.at_ms, s.duration_ms, s.outcome.as_deref())).collect();
    assert_eq!(
        way,
        [
            (StageKind::Flow, "power", 20, 9_980, Some("routed")),
            (StageKind::Queue, "service", 4_000, 6_000, Some("answered")),
            (StageKind::Offer, "1001", 7_000, 3_000, Some("answered")),
            (StageKind::Talk, "1001", 10_000, 30_000, Some("ended")),
        ]
    );
    assert_eq!(journal.fold.open_calls().len(), 0);
}

#[test]
fn time_on_hold_is_counted_apart_from_talk_and_overlapping_holds_count_once() {
    let mut journal = Journal::new();
    talking(&mut journal)
        .after(10_000)
        .of(1, EventKind::LegHeld { leg: AGENT })
        .after(2_000)
        .of(1, EventKind::LegHeld { leg: CALLER })
        .after(1_000)
        .of(1, EventKind::LegResumed { leg: AGENT })
        .after(1_000)
        .of(1, EventKind::LegResumed { leg: CALLER })
        .after(5_000);
    let cdr = journal.ends(1, Cause::Normal, EndedBy::Agent);
    assert_eq!((cdr.talk_ms, cdr.hold_ms), (15_000, 4_000));
}

#[test]
fn talk_ends_with_the_agents_leg_even_if_nothing_said_that_the_bridge_ended() {
    let mut journal = Journal::new();
    talking(&mut journal)
        .after(8_000)
        .of(1, EventKind::LegEnded { leg: AGENT, cause: Cause::RtpTimeout })
        .after(20_000);
    let cdr = journal.ends(1, Cause::RtpTimeout, EndedBy::System);
    assert_eq!((cdr.talk_ms, cdr.segments[1].cause), (8_000, Some(Cause::RtpTimeout)));
    assert_eq!(cdr.journey.last().map(|stage| stage.duration_ms), Some(8_000));
}

#[test]
fn a_wall_clock_that_jumps_changes_no_duration() {
    let mut journal = Journal::new();
    talking(&mut journal).after(1_000);
    journal.wall -= 86_400_000;
    let cdr = journal.ends(1, Cause::Normal, EndedBy::Caller);
    assert_eq!((cdr.duration_ms, cdr.talk_ms), (11_000, 1_000));
}

#[test]
fn a_caller_who_hangs_up_while_waiting_has_waited_and_got_487_if_never_answered() {
    let mut journal = Journal::new();
    let ticket = TicketId(3);
    journal
        .arrives(1)
        .after(100)
        .of(1, EventKind::Queued { ticket, queue: queue(), priority: 0, position: 4 })
        .after(9_000)
        .of(1, EventKind::Dequeued { ticket, queue: queue(), outcome: QueueOutcome::Abandoned, waited_ms: 9_000 });
    let cdr = journal.ends(1, Cause::Cancelled, EndedBy::Caller);
    assert_eq!((cdr.wait_ms, cdr.talk_ms, cdr.status), (9_000, 0, 487));
    assert_eq!(cdr.journey[0].outcome.as_deref(), Some("abandoned"));
    assert_eq!(cdr.agent, None);
}

#[test]
fn two_offers_to_two_agents_both_show_and_their_rings_add_up() {
    let mut journal = Journal::new();
    let ticket = TicketId(3);
    journal.arrives(1).of(1, EventKind::Queued { ticket, queue: queue(), priority: 0, position: 1 });
    for (number, result) in [(2, OfferResult::NoAnswer), (3, OfferResult::Answered)] {
        let agent = AgentId::new(format!("100{number}"));
        let leg = LegId(number);
        let target = "sip:phone@10.0.0.9".into();
        journal
            .of(1, EventKind::Offered { ticket, queue: queue(), agent: agent.clone() })
            .of(1, EventKind::LegStarted { leg, role: LegRole::Agent, target, sip_call_id: String::new() })
            .of(1, EventKind::LegRinging { leg })
            .after(4_000)
            .of(1, EventKind::OfferEnded { ticket, agent, result });
        if result == OfferResult::NoAnswer {
            journal.of(1, EventKind::LegEnded { leg, cause: Cause::NoAnswer });
        } else {
            journal.of(1, EventKind::LegAnswered { leg });
        }
    }
    let cdr = journal.ends(1, Cause::Normal, EndedBy::Agent);
    assert_eq!(cdr.ring_ms, 8_000);
    let agents: Vec<_> =
        cdr.segments.iter().filter_map(|segment| segment.agent.as_ref().map(AgentId::as_str)).collect();
    assert_eq!(agents, ["1002", "1003"]);
    let offers: Vec<_> =
        cdr.journey.iter().filter(|s| s.kind == StageKind::Offer).filter_map(|s| s.outcome.as_deref()).collect();
    assert_eq!(offers, ["no_answer", "answered"]);
}

#[test]
fn a_refused_call_leaves_a_record_with_its_reason_and_status() {
    let mut journal = Journal::new();
    journal.event(
        None,
        EventKind::CallRefused {
            from: Redacted::new("13800138000".into()),
            to: "1001".into(),
            reason: Refusal::NotOpen,
            status: 403,
            source: Some(Source::Trunk(TrunkId::new("carrier"))),
            budget: None,
            class: None,
            sip_call_id: "a@b".into(),
        },
    );
    let cdr = journal.done.pop().unwrap();
    assert_eq!((cdr.call_id, cdr.refused, cdr.status), (None, Some(Refusal::NotOpen), 403));
    assert_eq!((cdr.source.clone(), &*cdr.sip_call_id), (Some(Source::Trunk(TrunkId::new("carrier"))), "a@b"));
    let line = cdr.to_string();
    assert!(line.ends_with(", refused: not_open (403)"), "the line of the log: {line}");
    assert_eq!((cdr.cause, cdr.duration_ms), (Cause::Forbidden, 0));
}

#[test]
fn calls_found_open_after_a_crash_end_as_interrupted_at_the_last_sign_of_life() {
    let mut journal = Journal::new();
    talking(&mut journal)
        .after(7_000)
        .event(None, EventKind::AgentState { agent: agent(), state: AgentStateName::Talking, reason: None });
    let restarted = journal.wall + 60_000;
    let records = journal.fold.interrupt(restarted);
    assert_eq!(records.len(), 1);
    let cdr = &records[0];
    assert_eq!((cdr.cause, cdr.end, cdr.q850), (Cause::Interrupted, EndedBy::System, 41));
    assert_eq!((cdr.duration_ms, cdr.talk_ms), (17_000, 7_000));
    assert_eq!(cdr.ended, WALL + 17_000);
    assert_eq!(cdr.segments[1].ended, None);
    assert_eq!(journal.fold.open_calls().len(), 0);
    assert_eq!(journal.fold.interrupt(restarted), []);
}

#[test]
fn an_interrupted_record_never_ends_before_it_started_nor_after_it_was_written() {
    let mut journal = Journal::new();
    talking(&mut journal);
    assert_eq!(journal.fold.clone().interrupt(WALL + 500)[0].ended, WALL + 500);
    assert_eq!(journal.fold.interrupt(12)[0].ended, WALL);
}

#[test]
fn a_full_table_closes_its_oldest_call_and_keeps_counting_the_others() {
    let mut journal = Journal::new();
    journal.fold = Fold::with_max_open(2);
    journal.arrives(1).arrives(2).arrives(3);
    let pushed_out: Vec<_> = journal.done.drain(..).map(|cdr| (cdr.call_id, cdr.cause)).collect();
    assert_eq!(pushed_out, [(Some(CallId(1)), Cause::Interrupted)]);
    assert_eq!(journal.fold.open_calls().collect::<Vec<_>>(), [CallId(2), CallId(3)]);
    journal.of(1, EventKind::CallEnded { cause: Cause::Normal, by: EndedBy::Caller });
    assert!(journal.done.is_empty(), "a call has one record");
}

#[test]
fn events_of_a_call_that_is_not_open_change_nothing() {
    let mut journal = Journal::new();
    journal
        .of(9, EventKind::LegRinging { leg: AGENT })
        .of(9, EventKind::CallEnded { cause: Cause::Normal, by: EndedBy::Caller })
        .event(None, EventKind::CallAnswered { leg: CALLER })
        .event(None, EventKind::Draining);
    assert!(journal.done.is_empty());
    assert_eq!(journal.fold.open_calls().len(), 0);
}

#[test]
fn a_call_that_loops_cannot_grow_its_record_without_end() {
    let mut journal = Journal::new();
    journal.arrives(1);
    let long = "x".repeat(1_000);
    for leg in 10..400 {
        let leg = LegId(leg);
        let ticket = TicketId(leg.0);
        journal
            .of(
                1,
                EventKind::LegStarted {
                    leg,
                    role: LegRole::Outside,
                    target: long.clone().into(),
                    sip_call_id: long.clone(),
                },
            )
            .of(1, EventKind::LegRinging { leg })
            .of(1, EventKind::LegHeld { leg })
            .of(1, EventKind::Bridged { a: CALLER, b: leg, agent: None })
            .of(1, EventKind::Queued { ticket, queue: queue(), priority: 0, position: 1 })
            .of(1, EventKind::FlowStarted { flow: long.clone(), version: FlowVersion::new("v") })
            .of(1, EventKind::Tagged { tag: long.clone() })
            .of(1, EventKind::RecordingStarted { file: long.clone() });
    }
    let cdr = journal.ends(1, Cause::Normal, EndedBy::System);
    let size = serde_json::to_string(&cdr).unwrap().len();
    assert!(size < 200_000, "{size} octets");
    assert!(cdr.left_out > 1_000);
}

#[test]
fn a_record_reads_back_from_its_json_and_hides_the_callers_number_when_masked() {
    let mut journal = Journal::new();
    talking(&mut journal).of(
        1,
        EventKind::LegStarted {
            leg: LegId(3),
            role: LegRole::Outside,
            target: "13900139000".into(),
            sip_call_id: String::new(),
        },
    );
    let cdr = journal.ends(1, Cause::Normal, EndedBy::Caller);
    let json = serde_json::to_string(&cdr).unwrap();
    assert_eq!(serde_json::from_str::<Cdr>(&json).unwrap(), cdr);
    assert!(json.contains("\"call_id\":\"1\"") && json.contains("\"cause\":\"normal\""), "{json}");
    let masked = serde_json::to_string(&cdr.masked()).unwrap();
    assert!(!masked.contains("13800138000") && !masked.contains("13900139000"), "{masked}");
    assert!(masked.contains("1001"));
}

#[test]
fn a_csv_line_has_a_cell_for_each_column_and_reads_back_as_it_was() {
    let mut journal = Journal::new();
    talking(&mut journal)
        .of(1, EventKind::Tagged { tag: "bill, \"red\"".into() })
        .of(1, EventKind::Resolved { topic: "=cmd|' /C calc'!A0".into() })
        .of(1, EventKind::ServiceEnded { end: ServiceEnd::Resolved, closed: false, account: None });
    let cdr = journal.ends(1, Cause::Normal, EndedBy::Caller);
    let file = csv_header() + &csv_row(&cdr);
    assert!(file.ends_with("\r\n") && file.matches("\r\n").count() == 2);
    let mut reader = ::csv::Reader::from_reader(file.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let row = reader.records().next().unwrap().unwrap();
    let cell = |name: &str| row.get(names.iter().position(|n| n == name).unwrap()).unwrap().to_owned();
    assert_eq!(row.len(), names.len());
    assert_eq!(cell("tags"), "bill, \"red\"");
    assert_eq!(cell("resolved"), "'=cmd|' /C calc'!A0");
    assert_eq!(cell("from"), "13800138000");
    assert_eq!(cell("source"), "trunk demo-trunk");
    assert_eq!(cell("started_utc"), "2026-09-21T14:13:20.000Z");
    assert_eq!((cell("end"), cell("cause"), cell("q850")), ("caller".into(), "normal".into(), "16".into()));
    assert_eq!(cell("recording"), "2026/09/21/1.wav");
}

#[test]
fn a_csv_line_has_the_worst_of_both_legs_and_directions_and_nothing_where_nothing_was_measured() {
    let quality = |r, mos, loss| Some(Quality { r, mos, loss });
    let caller = MediaReport {
        heard: quality(93.2, 4.41, 0.0),
        sent: quality(61.5, 3.18, 0.0725),
        round_trip_us: Some(180_400),
        stray: 3,
        ..MediaReport::default()
    };
    let agent = MediaReport { heard: quality(80.0, 4.02, 0.01), stray: 4, ..MediaReport::default() };
    let ends = |rated: bool| {
        let mut journal = Journal::new();
        talking(&mut journal);
        if rated {
            journal.of(1, EventKind::MediaReport { leg: CALLER, report: caller });
            journal.of(1, EventKind::MediaReport { leg: AGENT, report: agent });
        }
        csv_row(&journal.ends(1, Cause::Normal, EndedBy::Caller))
    };
    assert!(csv_header().ends_with(
        ",worst_mos,worst_r,worst_loss_percent,worst_round_trip_ms,stray_packets,service_end,closed_hours,disposition,direction,placed\r\n"
    ));
    assert!(ends(true).ends_with(",3.18,61.5,7.25,180,7,routed,false,,inbound,\r\n"), "{}", ends(true));
    assert!(ends(false).ends_with(",,,,,0,routed,false,,inbound,\r\n"), "{}", ends(false));
}

#[test]
fn folding_the_same_journal_again_gives_the_same_records() {
    let run = || {
        let mut journal = Journal::new();
        talking(&mut journal).after(500);
        journal.ends(1, Cause::Normal, EndedBy::Agent)
    };
    assert_eq!(run(), run());
}

#[test]
fn an_outside_number_that_was_dialled_is_masked_in_logs_and_for_who_may_not_see_numbers() {
    let outside = "0015551234";
    let mut journal = Journal::new();
    let arrived = EventKind::CallArrived {
        from: "1001".into(),
        to: outside.into(),
        source: Source::Extension(agent()),
        sip_call_id: String::new(),
        leg: CALLER,
        project: None,
    };
    let (leg, target) = (LegId(2), Redacted::from(format!("carrier/{outside}")));
    journal
        .of(1, arrived)
        .of(1, EventKind::LegStarted { leg, role: LegRole::Outside, target, sip_call_id: String::new() })
        .of(1, EventKind::Bridged { a: CALLER, b: leg, agent: None });
    let cdr = journal.ends(1, Cause::Normal, EndedBy::Caller);
    assert_eq!(cdr.to, outside);
    let (line, masked) = (cdr.to_string(), serde_json::to_string(&cdr.masked()).unwrap());
    assert!(!line.contains(outside) && !masked.contains(outside), "{line}\n{masked}");

    let refused = EventKind::CallRefused {
        from: "1001".into(),
        to: outside.into(),
        reason: Refusal::NotOpen,
        status: 404,
        source: None,
        budget: None,
        class: None,
        sip_call_id: String::new(),
    };
    journal.event(None, refused);
    let line = journal.done.pop().unwrap().to_string();
    assert!(!line.contains(outside), "{line}");
    // Our own numbers are no secret.
    talking(&mut journal);
    assert!(journal.ends(1, Cause::Normal, EndedBy::Caller).to_string().contains("95598"));
}

#[test]
fn what_a_call_counts_as_is_in_its_record_and_takes_back_what_does_not_stand() {
    let mut journal = Journal::new();
    let flow = EventKind::FlowStarted { flow: "power".into(), version: FlowVersion::new("f00d") };
    let resolved = EventKind::Resolved { topic: "bill".into() };
    let counts = |end| EventKind::ServiceEnded { end, closed: true, account: None };
    journal.arrives(1).of(1, flow.clone()).of(1, resolved.clone()).of(1, counts(ServiceEnd::Resolved));
    let cdr = journal.ends(1, Cause::Normal, EndedBy::Caller);
    assert_eq!((cdr.service_end, cdr.closed_hours), (Some(ServiceEnd::Resolved), true));
    assert_eq!(cdr.resolved, ["bill"]);
    assert!(csv_row(&cdr).trim_end().ends_with(",resolved,true,,inbound,"), "{}", csv_row(&cdr));
    journal.arrives(2).of(2, flow).of(2, resolved).of(2, counts(ServiceEnd::OptedOut));
    let cdr = journal.ends(2, Cause::Normal, EndedBy::Caller);
    assert_eq!((cdr.service_end, cdr.resolved.len()), (Some(ServiceEnd::OptedOut), 0));
}

#[test]
fn a_call_that_its_flow_could_not_count_counts_as_interrupted_or_as_its_agent_s() {
    let mut journal = Journal::new();
    let flow = EventKind::FlowStarted { flow: "power".into(), version: FlowVersion::new("f00d") };
    journal.arrives(1).of(1, flow);
    let cdr = journal.fold.interrupt(WALL + 5_000).pop().expect("it was open");
    assert_eq!(cdr.service_end, Some(ServiceEnd::Interrupted));
    talking(&mut journal);
    assert_eq!(journal.ends(1, Cause::Normal, EndedBy::Agent).service_end, Some(ServiceEnd::Routed));
    // Who had asked for a human counts as such, also when the process died while they talked.
    talking(&mut journal);
    let step = EventKind::FlowStep { flow: String::new(), section: "main".into(), step: 0, verb: "menu".into() };
    let asked = Asked { opted_out: true, ..Asked::default() };
    let left =
        EventKind::FlowOutcome { section: "main".into(), step: 0, verb: "menu".into(), outcome: "0".into(), asked };
    journal.of(1, step).of(1, left);
    let cdr = journal.fold.interrupt(WALL + 5_000).pop().expect("it was open");
    assert_eq!(cdr.service_end, Some(ServiceEnd::OptedOut));
    journal.arrives(3);
    let cdr = journal.ends(3, Cause::Normal, EndedBy::Caller);
    assert_eq!(cdr.service_end, None, "no flow answered it");
}
