//! The API as a caller of it meets it, without a socket: proof, headers, answers, and that its description is true.

use super::*;
use crate::cdr::{Burn, Figures, Members, Terms, csv_header};
use crate::events::{AgentStateName, Cause, Class, EndedBy, EventKind, Refusal, Source, SwitchEvent, TrunkStateName};
use crate::ids::{AgentId, CallId, LegId, PlanId, ProjectId, QueueId, Redacted, TrunkId};
use crate::store::{Store, StoreOptions};
use crate::switch::{LendView, PressureView};
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tower::ServiceExt;

mod statistics;

const TOKEN: &str = "a-token-for-tests";

/// A switch that notes what it is asked and answers each kind of command in its own way.
#[derive(Default)]
struct Desk {
    asked: Mutex<Vec<Command>>,
    state: Mutex<RunState>,
    /// The owner task is gone.
    stuck: AtomicBool,
}

impl SwitchPort for Desk {
    fn snapshot(&self) -> oneshot::Receiver<Arc<Snapshot>> {
        let (reply, answer) = oneshot::channel();
        let call = CallView {
            id: CallId(0xabc),
            from: Redacted::new("13800138000".into()),
            to: "95598".into(),
            state: "talking".into(),
            since: 1_000,
            age_s: 5,
            agent: Some(AgentId::new("1001")),
            queue: Some(QueueId::new("service")),
            flow: None,
            recording: true,
            recording_paused: false,
            class: Some(Class::Urgent),
            budget: Some(ProjectId::new("power")),
        };
        let agent = AgentView {
            id: AgentId::new("1001"),
            name: "Alice".into(),
            state: AgentStateName::Talking,
            reason: None,
            state_since_s: 5,
            queues: vec![QueueId::new("service")],
            call: Some(CallId(0xabc)),
            contacts: 1,
        };
        let queue = QueueView {
            id: QueueId::new("service"),
            project: Some(ProjectId::new("power")),
            today: Figures::default(),
            waiting: 0,
            longest_wait_s: 0,
            agents_logged_in: 1,
            agents_ready: 0,
            agents_busy: 1,
            offered: 1,
            answered: 1,
            abandoned: 0,
        };
        let status = Status { state: *self.state.lock().unwrap(), version: "1".into(), calls: 1, ..Status::default() };
        let trunk = TrunkView {
            id: TrunkId::new("carrier"),
            state: TrunkStateName::Up,
            why: "it answers OPTIONS".into(),
            registers: false,
            registered_s: None,
            targets: vec![TargetView { address: "UDP 192.0.2.1:5060".into(), up: true, resting: false }],
            calls_in: 1,
            calls_out: 0,
            max_calls: None,
            over_limit: 0,
        };
        let budget = BudgetView { id: ProjectId::new("power"), calls: 1, guarantee: 5, ceiling: 50 };
        let admission =
            AdmissionView { calls: 1, max_calls: 100, admitted: 7, mended: 0, overload: 0, budgets: vec![budget] };
        let refusal = RefusalView {
            reason: Refusal::BudgetCeiling,
            status: 486,
            class: Some(Class::Service),
            budget: Some(ProjectId::new("power")),
            trunk: None,
            calls: 3,
            remedy: "raise it".into(),
        };
        let (calls, queues, agents, trunks) = (vec![call], vec![queue], vec![agent], vec![trunk]);
        let project = ProjectView {
            id: ProjectId::new("power"),
            name: [("en".to_string(), "Power".to_string())].into(),
            numbers: vec!["95598".into()],
            queues: vec![QueueId::new("service")],
            agents: 1,
            targets: ProjectTargets { answer_rate: Some(0.97), ..ProjectTargets::default() },
            recording: None,
            day: "2026-03-08".into(),
            today: Figures::default(),
            occupancy: Some(0.8),
            burn: Some(Burn { answer_rate: 0.97, more_abandons: 3, answers_to_recover: Some(0) }),
        };
        let plan = LendView {
            plan: PlanId::new("surge"),
            from: ProjectId::new("gas"),
            to: ProjectId::new("power"),
            tier: 1,
            active: true,
            pressure: PressureView { longest_wait_ms: Some(42_000), waiting: Some(3) },
            when: PressureView { longest_wait_ms: Some(30_000), waiting: None },
            clear: PressureView { longest_wait_ms: Some(10_000), waiting: None },
            cap: 2,
            lent: vec![AgentId::new("1001")],
            by_hand: false,
            at_home: 1,
            leave: 1,
        };
        let members = Members {
            project: ProjectId::new("power"),
            zone: jiff::tz::TimeZone::UTC,
            queues: vec![QueueId::new("service")],
            agents: vec![AgentId::new("1001")],
            weights: Default::default(),
            terms: Terms::default(),
        };
        let snapshot = Snapshot {
            members: [members].into(),
            lending: vec![plan],
            projects: vec![project],
            status,
            calls,
            queues,
            agents,
            trunks,
            admission,
            refusals: vec![refusal],
            bans: vec![BanView { address: [192, 0, 2, 66].into(), failures: 100, since_s: 5, left_s: 3595 }],
            metrics: Metrics::default(),
            live: [("storm".to_string(), true)].into(),
        };
        if !self.stuck.load(Ordering::Relaxed) {
            let _ = reply.send(Arc::new(snapshot));
        }
        answer
    }

    fn command(&self, command: Command) -> oneshot::Receiver<CommandReply> {
        let (reply, answer) = oneshot::channel();
        let outcome = match &command {
            Command::Hangup { call: CallId(0xabc) } => Ok("hung up".into()),
            Command::Hangup { .. } => Err(CommandError::NotFound("no such call".into())),
            Command::Transfer { to, .. } if to.expose() == "1002" => Ok("sent".into()),
            Command::Transfer { .. } => Err(CommandError::Conflict("nobody talks".into())),
            Command::Supervise { .. } | Command::TakeOver { .. } | Command::Join { .. } => Ok("joined".into()),
            Command::PauseRecording { .. } => Ok("paused".into()),
            Command::Drain => Err(CommandError::Conflict("already draining".into())),
            Command::Reload => Err(CommandError::Invalid(vec!["hotline.yaml:3:5: unknown key".into()])),
            Command::Stop => {
                // A switch that is going away drops the question.
                return answer;
            }
            Command::Connect { .. }
            | Command::SetAgent { .. }
            | Command::AfterCall { .. }
            | Command::SetTier { .. }
            | Command::SetLive { .. }
            | Command::ExplainCaller { .. }
            | Command::ExplainAgent { .. } => Ok("set".into()),
            Command::Posted { reference: 100_001, .. } => Ok("settled".into()),
            Command::Posted { .. } => Err(CommandError::NotFound("no such message".into())),
            Command::LiftBans { .. } => Ok("lifted".into()),
            Command::Undrain => Ok("taking calls".into()),
            Command::Publish(_) | Command::Rollback(_) => Ok("published".into()),
        };
        self.asked.lock().unwrap().push(command);
        reply.send(outcome).unwrap();
        answer
    }
}

fn running() -> (Arc<Desk>, Api) {
    let desk = Arc::new(Desk { state: Mutex::new(RunState::Running), ..Desk::default() });
    (desk.clone(), Api::new(desk, None, Access::with_token(TOKEN)))
}

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:8080")
}

async fn send(api: &Api, request: Request<Body>) -> Response {
    api.router().oneshot(request).await.unwrap()
}

async fn as_admin(api: &Api, method: &str, path: &str) -> Response {
    let request = request(method, path).header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
    send(api, request.body(Body::empty()).unwrap()).await
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), 10 << 20).await.unwrap().to_vec()).unwrap()
}

async fn json_of(response: Response) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

/// Every path and method of the description, with an id where one is needed.
fn described() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            found.push((method.to_uppercase(), path.replace("{id}", "abc")));
        }
    }
    found
}

#[tokio::test]
async fn without_proof_every_path_but_the_two_probes_is_401_also_one_that_is_not_there() {
    let (desk, api) = running();
    let more =
        [("GET", "/nothing"), ("GET", "/api/v1/../v1/status"), ("POST", "/api/v1/nothing"), ("PATCH", "/metrics")];
    let more = more.map(|(method, path)| (method.to_string(), path.to_string()));
    for (method, path) in described().into_iter().chain(more) {
        let open = matches!(path.as_str(), "/healthz" | "/readyz");
        for proof in [None, Some("Bearer wrong-token"), Some("Basic YTpi"), Some("Bearer "), Some("Bearer \u{e9}")] {
            let mut request = request(&method, &path);
            if let Some(proof) = proof {
                request = request.header(header::AUTHORIZATION, proof);
            }
            let status = send(&api, request.body(Body::empty()).unwrap()).await.status();
            let expected = if open { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(status, expected, "{method} {path} {proof:?}");
        }
    }
    assert!(desk.asked.lock().unwrap().is_empty(), "nobody was served");
}

#[tokio::test]
async fn the_description_and_the_router_agree() {
    let (_, api) = running();
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    for (method, path) in described() {
        let status = as_admin(&api, &method, &path).await.status();
        assert!(!matches!(status, StatusCode::METHOD_NOT_ALLOWED), "{method} {path} is described and not served");
        let not_there = status == StatusCode::NOT_FOUND && !path.contains("abc");
        assert!(!not_there, "{method} {path} is described and not there");
    }
    let source = include_str!("mod.rs");
    let served: BTreeSet<&str> = source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let paths: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(served, paths);
    for path in &served {
        let concrete = path.replace("{id}", "abc");
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let described = !document["paths"][path][method.to_lowercase()].is_null();
            let served = as_admin(&api, method, &concrete).await.status() != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(described, served, "{method} {path}");
        }
    }
}

/// A reader of the API finds in an answer what the description says, and nothing that it does not.
#[tokio::test]
async fn answers_have_the_keys_of_their_schema() {
    let (_, api) = running();
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let schema = |name: &str| keys(&document["components"]["schemas"][name]["properties"]);
    let get = async |path: &str| json_of(as_admin(&api, "GET", path).await).await;
    assert_eq!(keys(&get("/api/v1/status").await), schema("Status"));
    assert_eq!(keys(&get("/api/v1/calls").await["live"][0]), schema("Call"));
    assert_eq!(keys(&get("/api/v1/queues").await[0]), schema("Queue"));
    assert_eq!(keys(&get("/api/v1/agents").await[0]), schema("Agent"));
    assert_eq!(keys(&get("/api/v1/trunks").await[0]), schema("Trunk"));
    assert_eq!(get("/api/v1/trunks/carrier").await["state"], "up");
    assert_eq!(get("/api/v1/queues/service").await["agents"][0]["id"], "1001");
}

#[tokio::test]
async fn every_answer_tells_the_browser_to_be_careful() {
    let (_, api) = running();
    for response in [
        as_admin(&api, "GET", "/").await,
        as_admin(&api, "GET", "/nothing").await,
        send(&api, request("GET", "/healthz").body(Body::empty()).unwrap()).await,
        send(&api, request("GET", "/api/v1/status").body(Body::empty()).unwrap()).await,
    ] {
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_string();
        assert!(header("content-security-policy").contains("default-src 'none'"));
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
        assert!(!header("content-security-policy").contains("unsafe"));
        assert_eq!((header("x-content-type-options"), header("x-frame-options")), ("nosniff".into(), "DENY".into()));
        assert_eq!((header("cache-control"), header("referrer-policy")), ("no-store".into(), "no-referrer".into()));
    }
}

#[tokio::test]
async fn a_page_of_another_site_is_refused_even_with_the_token() {
    let (desk, api) = running();
    for origin in ["http://evil.example", "null", "http://127.0.0.1:8081", "https://127.0.0.1:8080.evil.example"] {
        let request = request("POST", "/api/v1/calls/abc/hangup")
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::ORIGIN, origin);
        let status = send(&api, request.body(Body::empty()).unwrap()).await.status();
        assert_eq!(status, StatusCode::FORBIDDEN, "{origin}");
    }
    assert!(desk.asked.lock().unwrap().is_empty());
    let own = request("POST", "/api/v1/calls/abc/hangup")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header(header::ORIGIN, "http://127.0.0.1:8080");
    assert_eq!(send(&api, own.body(Body::empty()).unwrap()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_link_logs_one_browser_in_once_with_a_cookie_that_scripts_cannot_read() {
    let (_, api) = running();
    let link = json_of(as_admin(&api, "POST", "/api/v1/login").await).await["login"].as_str().unwrap().to_string();
    let response = send(&api, request("GET", &link).body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let set = response.headers()[header::SET_COOKIE].to_str().unwrap().to_string();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Path=/"), "{set}");
    let cookie = set.split(';').next().unwrap().to_string();
    let with_cookie = |method: &str, path: &str| {
        request(method, path).header(header::COOKIE, format!("other=1; {cookie}")).body(Body::empty()).unwrap()
    };
    assert_eq!(send(&api, with_cookie("GET", "/api/v1/status")).await.status(), StatusCode::OK);
    let again = send(&api, request("GET", &link).body(Body::empty()).unwrap()).await;
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED, "the link has been used");
    assert_eq!(send(&api, with_cookie("POST", "/api/v1/logout")).await.status(), StatusCode::OK);
    assert_eq!(send(&api, with_cookie("GET", "/api/v1/status")).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn commands_reach_the_switch_and_its_no_is_told_as_what_it_is() {
    let (desk, api) = running();
    let status = async |method: &str, path: &str| as_admin(&api, method, path).await.status().as_u16();
    assert_eq!(status("DELETE", "/api/v1/calls/abc").await, 200);
    assert_eq!(status("POST", "/api/v1/calls/def/hangup").await, 404);
    assert_eq!(status("POST", "/api/v1/calls/not-hex/hangup").await, 400);
    assert_eq!(status("POST", "/api/v1/drain").await, 409);
    assert_eq!(status("POST", "/api/v1/stop").await, 503);
    let reload = as_admin(&api, "POST", "/api/v1/reload").await;
    assert_eq!(reload.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(json_of(reload).await["details"][0], "hotline.yaml:3:5: unknown key");
    let asked = desk.asked.lock().unwrap();
    assert_eq!(asked[0], Command::Hangup { call: CallId(0xabc) });
}

#[tokio::test]
async fn whoever_joins_a_call_says_who_and_how_and_shows_proof() {
    let (desk, api) = running();
    let send_as = async |method: &str, what: &str, body: Value, proof: &str| {
        let request = request(method, &format!("/api/v1/calls/abc/{what}"))
            .header(header::AUTHORIZATION, format!("Bearer {proof}"))
            .header(header::CONTENT_TYPE, "application/json");
        send(&api, request.body(Body::from(body.to_string())).unwrap()).await.status().as_u16()
    };
    let good = [
        ("POST", "supervise", json!({"by": "1004", "mode": "whisper"})),
        ("POST", "takeover", json!({"by": "1004"})),
        ("POST", "join", json!({"other": "def"})),
        ("PUT", "recording", json!({"paused": true})),
    ];
    for (method, what, body) in good.clone() {
        assert_eq!(send_as(method, what, body.clone(), TOKEN).await, 200, "{what}");
        assert_eq!(send_as(method, what, body, "wrong").await, 401, "{what}");
        assert_eq!(send_as(method, what, json!({"to": "1002"}), TOKEN).await, 422, "{what}");
    }
    assert_eq!(send_as("POST", "supervise", json!({"by": "1004", "mode": "shout"}), TOKEN).await, 422);
    assert_eq!(send_as("POST", "join", json!({"other": "x"}), TOKEN).await, 400);
    let (call, by) = (CallId(0xabc), AgentId::new("1004"));
    let asked = desk.asked.lock().unwrap();
    assert_eq!(asked[0], Command::Supervise { call, by, mode: crate::events::SupervisionMode::Whisper });
    assert_eq!(asked[3], Command::PauseRecording { call, paused: true });
}

#[tokio::test]
async fn a_transfer_names_a_number_and_nothing_else() {
    let (desk, api) = running();
    let post = async |id: &str, body: Value| {
        let request = request("POST", &format!("/api/v1/calls/{id}/transfer"))
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::CONTENT_TYPE, "application/json");
        send(&api, request.body(Body::from(body.to_string())).unwrap()).await.status().as_u16()
    };
    assert_eq!(post("abc", json!({"to": "1002"})).await, 200);
    assert_eq!(post("abc", json!({"to": "1003"})).await, 409);
    assert_eq!(post("not-hex", json!({"to": "1002"})).await, 400);
    assert_eq!(post("abc", json!({})).await, 422);
    assert_eq!(post("abc", json!({"to": "1002", "by": "1001"})).await, 422);
    for bad in ["".to_string(), "x".repeat(65), "1\n2".to_string()] {
        assert_eq!(post("abc", json!({"to": bad})).await, 400);
    }
    assert_eq!(desk.asked.lock().unwrap().len(), 2);
    let without = request("POST", "/api/v1/calls/abc/transfer").body(Body::from("{}")).unwrap();
    assert_eq!(send(&api, without).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_message_is_settled_by_hand_only_with_a_reason() {
    let (desk, api) = running();
    let post = async |path: &str, body: Value| {
        let request = request("POST", &format!("/api/v1/outbox/{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::CONTENT_TYPE, "application/json");
        send(&api, request.body(Body::from(body.to_string())).unwrap()).await.status().as_u16()
    };
    assert_eq!(post("100001/close", json!({"why": "called back"})).await, 200);
    assert_eq!(post("100001/retry", json!({"why": "线路好了"})).await, 200);
    assert_eq!(post("7/close", json!({"why": "called back"})).await, 404);
    let settled = |reference, deed, why: &str| Command::Posted { reference, deed, why: why.into() };
    let asked = [(100_001, PostDeed::Close, "called back"), (100_001, PostDeed::Retry, "线路好了")];
    let asked = asked.into_iter().chain([(7, PostDeed::Close, "called back")]);
    let asked: Vec<Command> = asked.map(|(reference, deed, why)| settled(reference, deed, why)).collect();
    for bad in ["".to_string(), "x".repeat(65), "a\nb".to_string()] {
        assert_eq!(post("100001/close", json!({"why": bad})).await, 400);
    }
    assert_eq!(post("100001/close", json!({})).await, 422);
    assert_eq!(post("99999999999999999999/retry", json!({"why": "x"})).await, 404);
    assert_eq!(*desk.asked.lock().unwrap(), asked, "what is refused reaches nobody");
}

#[tokio::test]
async fn an_agents_state_is_set_and_nonsense_is_refused() {
    let (desk, api) = running();
    let put = async |body: Vec<u8>, kind: &str| {
        let request = request("PUT", "/api/v1/agents/1001/state")
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::CONTENT_TYPE, kind);
        send(&api, request.body(Body::from(body)).unwrap()).await.status().as_u16()
    };
    let json = "application/json";
    assert_eq!(put(json!({"state": "not_ready", "reason": "午休"}).to_string().into(), json).await, 200);
    assert_eq!(put(json!({"state": "asleep"}).to_string().into(), json).await, 422);
    assert_eq!(put(json!({"state": "ready", "why": "x"}).to_string().into(), json).await, 422);
    assert_eq!(put(json!({"state": "ready", "reason": "a\nb"}).to_string().into(), json).await, 400);
    assert_eq!(put(json!({"state": "ready", "reason": "x".repeat(65)}).to_string().into(), json).await, 400);
    assert_eq!(put(b"{}".to_vec(), "text/plain").await, 415);
    assert_eq!(put("[".repeat(100_000).into(), json).await, 400, "deep JSON");
    assert_eq!(put(vec![b' '; 300 << 10], json).await, 413, "huge JSON");
    assert_eq!(
        *desk.asked.lock().unwrap(),
        [Command::SetAgent { agent: AgentId::new("1001"), ready: false, reason: Some("午休".into()) }]
    );
}

#[tokio::test]
async fn a_draining_switch_is_alive_and_not_ready() {
    let (desk, api) = running();
    let probe =
        async |path: &str| send(&api, request("GET", path).body(Body::empty()).unwrap()).await.status().as_u16();
    assert_eq!((probe("/healthz").await, probe("/readyz").await), (200, 200));
    for state in [RunState::Starting, RunState::Draining, RunState::Stopping] {
        *desk.state.lock().unwrap() = state;
        assert_eq!((probe("/healthz").await, probe("/readyz").await), (200, 503));
    }
}

#[tokio::test]
async fn a_switch_whose_owner_is_gone_is_neither_alive_nor_ready() {
    let (desk, api) = running();
    desk.stuck.store(true, Ordering::Relaxed);
    for path in ["/healthz", "/readyz"] {
        let answer = send(&api, request("GET", path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status().as_u16(), 503, "{path}");
    }
}

#[tokio::test]
async fn without_a_database_live_calls_are_shown_and_records_are_refused() {
    let (_, api) = running();
    assert_eq!(json_of(as_admin(&api, "GET", "/api/v1/calls").await).await["recent"], json!([]));
    assert_eq!(json_of(as_admin(&api, "GET", "/api/v1/calls/abc").await).await["live"]["id"], "abc");
    assert_eq!(as_admin(&api, "GET", "/api/v1/calls/fff").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(as_admin(&api, "GET", "/api/v1/cdrs").await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

fn running_over(store: &Store) -> Api {
    let desk = Arc::new(Desk { state: Mutex::new(RunState::Running), ..Desk::default() });
    Api::new(desk, Some(store.records.clone()), Access::with_token(TOKEN))
}

fn store_in(folder: &std::path::Path) -> Store {
    Store::open(StoreOptions {
        path: folder.join("hotline.db"),
        cdr_days: 36_500,
        journal_days: 36_500,
        recovered: Vec::new(),
        wall: 0,
        alarm: Box::new(|_| ()),
        reader: Box::new(|_| {}),
    })
    .unwrap()
}

fn arrived(call: u64, from: &str) -> EventKind {
    EventKind::CallArrived {
        from: Redacted::new(from.into()),
        to: "95598".into(),
        source: Source::Extension(AgentId::new("1001")),
        sip_call_id: "x".into(),
        leg: LegId(call),
        project: None,
    }
}

#[tokio::test]
async fn records_come_as_json_pages_and_as_whole_exports() {
    let folder = crate::test_folder::TestFolder::new("api");
    let store = store_in(&folder);
    for call in 1..=150 {
        let event = |at: u64, kind| SwitchEvent {
            seq: call * 2 + at,
            wall: call * 1000,
            mono: at,
            call: Some(CallId(call)),
            kind,
        };
        store.handle.record(event(0, arrived(call, &format!("=cmd|{call}"))));
        store.handle.record(event(1, EventKind::CallEnded { cause: Cause::Normal, by: EndedBy::Caller }));
    }
    let api = running_over(&store);
    let get = async |path: &str| as_admin(&api, "GET", path).await;

    let page = json_of(get("/api/v1/cdrs?limit=100").await).await;
    assert_eq!((page["cdrs"].as_array().unwrap().len(), &page["cdrs"][0]["started"]), (100, &json!(150_000)));
    let rest = json_of(get(&format!("/api/v1/cdrs?before={}", page["next_before"])).await).await;
    assert_eq!((rest["cdrs"].as_array().unwrap().len(), &rest["next_before"]), (50, &Value::Null));

    let lines = text(get("/api/v1/cdrs?format=jsonl").await).await;
    let started: Vec<u64> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["started"].as_u64().unwrap()).collect();
    assert!(started.iter().copied().eq((1..=150).map(|call| call * 1000)), "all, oldest first");
    let csv = text(get("/api/v1/cdrs?format=csv&since=100000&limit=2").await).await;
    assert!(csv.starts_with(&csv_header()) && csv.lines().count() == 3, "{csv}");
    assert!(csv.contains(",'=cmd|100,"), "a caller's name is no formula: {csv}");

    let call = json_of(get("/api/v1/calls/5").await).await;
    assert_eq!(
        (&call["live"], &call["record"]["call_id"], &call["events"][1]["event"]),
        (&Value::Null, &json!("5"), &json!("call_ended"))
    );
    for bad in ["format=xml", "since=soon", "limit=-1", "colour=red", "limit=99999999999999"] {
        assert_eq!(get(&format!("/api/v1/cdrs?{bad}")).await.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
    assert_eq!(json_of(get("/api/v1/cdrs?from=%27%20OR%201%3D1%20--").await).await["cdrs"], json!([]));
}

/// Through a real socket: the address is known, so that guessing is slowed down for it alone.
#[tokio::test]
async fn a_guesser_is_throttled_and_the_link_that_was_not_guessed_still_works_elsewhere() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (_, api) = running();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, api.clone(), async {
        let _ = stopped.await;
    }));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut ask = async |proof: &str| {
        let asked = format!("GET /api/v1/status HTTP/1.1\r\nHost: {address}\r\n{proof}\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut head = vec![0; 4096];
        let count = stream.read(&mut head).await.unwrap();
        String::from_utf8_lossy(&head[9..count.min(12)]).into_owned()
    };
    // Pages that were left open show a login that has expired, again and again; that is no guessing.
    for _ in 0..150 {
        assert_eq!(ask("Cookie: hotline_login=expired").await, "401");
    }
    let mut codes = Vec::new();
    for _ in 0..101 {
        codes.push(ask("Authorization: Bearer guess").await);
    }
    assert!(codes[..100].iter().all(|code| code == "401") && codes[100] == "429", "{codes:?}");
    // Behind a proxy all have one address: who is logged in goes on.
    let code = api.access().new_link(Instant::now()).unwrap();
    let cookie = api.access().redeem(&code, Instant::now()).unwrap().unwrap();
    assert_eq!(ask(&format!("Cookie: hotline_login={cookie}")).await, "200");
    assert_eq!(ask("Authorization: Bearer guess").await, "429");
    drop(stream);
    assert_eq!(as_admin(&api, "GET", "/api/v1/status").await.status(), StatusCode::OK);
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_expired_or_unknown_link_leads_nowhere() {
    let (_, api) = running();
    for path in ["/?login=", "/?login=0000", "/?login=%00"] {
        let response = send(&api, request("GET", path).body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().get(header::SET_COOKIE).is_none());
    }
    assert!(api.access().redeem("0000", Instant::now()).unwrap().is_none());
    let head = request(Method::HEAD.as_str(), "/").body(Body::empty()).unwrap();
    assert_eq!(send(&api, head).await.status(), StatusCode::UNAUTHORIZED);
}
