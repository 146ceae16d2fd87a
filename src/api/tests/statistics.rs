//! Statistics as who asks for them reads them.

use super::*;
use crate::events::ServiceEnd;
use crate::events::{Asked, During, OfferResult, QueueOutcome};
use crate::ids::{FlowVersion, TicketId};

#[tokio::test]
async fn a_call_through_a_flow_shows_in_the_statistics_of_each_step() {
    let folder = crate::test_folder::TestFolder::new("api-statistics");
    let store = store_in(&folder);
    let call = Some(CallId(7));
    let step = |section: &str, verb: &str| EventKind::FlowStep {
        flow: String::new(),
        section: section.into(),
        step: 0,
        verb: verb.into(),
    };
    let events = [
        (0, arrived(7, "13800138000")),
        (0, EventKind::FlowStarted { flow: "power".into(), version: FlowVersion::new("f00d") }),
        (0, step("main", "menu")),
        (
            4_000,
            EventKind::FlowOutcome {
                section: "main".into(),
                step: 0,
                verb: "menu".into(),
                outcome: "1".into(),
                asked: Asked { wrong: 1, ..Asked::default() },
            },
        ),
        (4_000, step("bill", "say")),
        (
            6_000,
            EventKind::FlowLeft { section: "bill".into(), step: 0, during: During::Prompt, asked: Asked::default() },
        ),
        (6_000, EventKind::ServiceEnded { end: ServiceEnd::LeftAtInput, closed: false, account: None }),
        (6_000, EventKind::CallEnded { cause: Cause::Normal, by: EndedBy::Caller }),
    ];
    for (seq, (mono, kind)) in (1..).zip(events) {
        store.handle.record(SwitchEvent { seq, wall: 1_000_000 + mono, mono, call, kind });
    }
    let api = running_over(&store);
    let get = async |path: &str| as_admin(&api, "GET", path).await;
    let answer = json_of(get("/api/v1/stats/flows?since=0&flow=power").await).await;
    let flow = &answer["flows"][0];
    assert_eq!((&answer["complete"], &flow["version"], &flow["calls"]), (&json!(true), &json!("f00d"), &json!(1)));
    assert_eq!((&flow["ends"]["left_at_input"], &flow["ends"]["short"]), (&json!(1), &json!(0)));
    assert_eq!((&flow["deflection"]["low"], &flow["deflection"]["high"]), (&json!(0.0), &json!(1.0)));
    let (say, menu) = (&flow["steps"][0], &flow["steps"][1]);
    assert_eq!((&say["section"], &say["left"], &say["median_s"]), (&json!("bill"), &json!({"prompt": 1}), &json!(2.0)));
    assert_eq!((&menu["exits"], &menu["wrong"], &menu["median_s"]), (&json!({"1": 1}), &json!(1), &json!(4.0)));
    assert_eq!(json_of(get("/api/v1/stats/flows?since=0&flow=shop").await).await["flows"], json!([]));
    assert_eq!(json_of(get("/api/v1/stats/flows?since=1006000").await).await["flows"], json!([]));
    for bad in ["since=soon", "since=2&until=1", "colour=red"] {
        assert_eq!(get(&format!("/api/v1/stats/flows?{bad}")).await.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
}

/// Two runs of the process: what the first did is told by the second.
#[tokio::test]
async fn what_queues_and_agents_did_is_told_over_a_restart() {
    let folder = crate::test_folder::TestFolder::new("api-periods");
    let (service, agent) = (QueueId::new("service"), AgentId::new("1001"));
    let leaves = |call, outcome, waited_ms| {
        (Some(call), EventKind::Dequeued { ticket: TicketId(call), queue: service.clone(), outcome, waited_ms })
    };
    let state = |state| (None, EventKind::AgentState { agent: agent.clone(), state, reason: None });
    let offer = EventKind::Offered { ticket: TicketId(1), queue: service.clone(), agent: agent.clone() };
    let taken = EventKind::OfferEnded { ticket: TicketId(1), agent: agent.clone(), result: OfferResult::Answered };
    let first = [
        (0, state(AgentStateName::Ready)),
        (60_000, (Some(1), offer)),
        (60_000, state(AgentStateName::Ringing)),
        (65_000, (Some(1), taken)),
        (65_000, leaves(1, QueueOutcome::Answered, 21_000)),
        (65_000, state(AgentStateName::Talking)),
        (95_000, state(AgentStateName::WrapUp)),
        (105_000, state(AgentStateName::Ready)),
    ];
    const NOON: u64 = 1_772_971_200_000;
    let tell = |store: &Store, at: u64, began: u64, seq: u64, (call, kind): (Option<u64>, EventKind)| {
        store.handle.record(SwitchEvent { seq, wall: NOON + at, mono: at - began, call: call.map(CallId), kind });
    };
    let store = store_in(&folder);
    for (seq, (at, event)) in first.into_iter().enumerate() {
        tell(&store, at, 0, seq as u64 + 1, event);
    }
    assert!(store.handle.close(Duration::from_secs(10)));
    drop(store);
    let store = store_in(&folder);
    tell(&store, 7_200_000, 7_200_000, 1, leaves(2, QueueOutcome::Abandoned, 30_000));
    assert!(store.handle.flush(Duration::from_secs(10)));
    let api = running_over(&store);
    let get = async |path: &str| as_admin(&api, "GET", path).await;
    let stretch = format!("since={NOON}&until={}", NOON + 10_800_000);

    let queues = json_of(get(&format!("/api/v1/stats/queues?{stretch}")).await).await;
    let line = &queues["lines"][0];
    assert_eq!((&line["id"], &line["offered"], &line["answered"]), (&json!("service"), &json!(2), &json!(1)));
    assert_eq!(
        (&line["service_level"]["f4"], &line["asa_s"], &line["aht_s"]),
        (&json!(0.0), &json!(21.0), &json!(40.0))
    );
    assert_eq!(queues["complete"], json!(true));
    let kept = queues["kept_since"].as_u64().unwrap();
    assert!((NOON..=NOON + 105_000).contains(&kept), "of the first run: {kept}");
    let hours = json_of(get(&format!("/api/v1/stats/queues?{stretch}&by=hour")).await).await;
    let seen: Vec<_> = hours["lines"].as_array().unwrap().iter().map(|line| line["offered"].clone()).collect();
    assert_eq!(seen, [json!(1), json!(1)]);

    let agents = json_of(get(&format!("/api/v1/stats/agents?{stretch}&id=1001")).await).await;
    let line = &agents["lines"][0];
    assert_eq!((&line["answered"], &line["talk_total_s"], &line["idle_total_s"]), (&json!(1), &json!(30), &json!(60)));
    assert_eq!(line["occupancy"], json!(0.4), "40 s of work, 60 s of rest");

    let projects = json_of(get(&format!("/api/v1/stats/projects?{stretch}&by=day")).await).await;
    let line = &projects["lines"][0];
    assert_eq!((&line["id"], &line["period"], &line["offered"]), (&json!("power"), &json!("2026-03-08"), &json!(2)));

    let nobody = get(&format!("/api/v1/stats/queues?{stretch}&id=nosuch")).await;
    assert_eq!(nobody.status(), StatusCode::NOT_FOUND);
    assert!(text(nobody).await.contains("there are: service"));
    for bad in ["since=0&by=hour", "by=week", "since=soon", "colour=red"] {
        assert_eq!(get(&format!("/api/v1/stats/agents?{bad}")).await.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let described = |name: &str| keys(&document["components"]["schemas"][name]["properties"]);
    assert_eq!(keys(&queues["lines"][0]), described("QueuePeriod"));
    assert_eq!(keys(&projects["lines"][0]), described("ProjectPeriod"));
    assert_eq!(keys(&agents["lines"][0]), described("AgentPeriod"));
}
