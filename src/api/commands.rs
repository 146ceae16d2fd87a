//! What is answered from the snapshot, and what asks the switch for something.

use super::reply::Refused;
use super::view::{Command, Done, PostDeed, RunState};
use super::{Api, metrics, records, security};
use crate::events::SupervisionMode;
use crate::ids::{AgentId, CallId, Redacted};
use crate::switch::AfterCall;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The switch does each of these in microseconds; a reload reads files first.
const COMMAND_LIMIT: Duration = Duration::from_secs(8);
/// A reason is a word or two on a wallboard.
const MAX_REASON: usize = 64;

/// The switch lives: its owner task answers. Says nothing else, because it is open to all.
pub(super) async fn healthz(State(api): State<Api>) -> Result<Json<Value>, Refused> {
    api.look().await.map(|_| Json(json!({ "ok": true })))
}

/// Whether new calls should be sent here.
pub(super) async fn readyz(State(api): State<Api>) -> Result<Response, Refused> {
    let state = api.look().await?.status.state;
    let ready = state == RunState::Running;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(json!({ "ready": ready, "state": state }))).into_response())
}

pub(super) async fn metrics(State(api): State<Api>) -> Result<Response, Refused> {
    let page = metrics::page(&*api.look().await?);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response())
}

pub(super) async fn status(State(api): State<Api>) -> Result<Response, Refused> {
    Ok(Json(&api.look().await?.status).into_response())
}

pub(super) async fn queues(State(api): State<Api>) -> Result<Response, Refused> {
    Ok(Json(&api.look().await?.queues).into_response())
}

pub(super) async fn queue(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Refused> {
    let snapshot = api.look().await?;
    let queue = snapshot.queues.iter().find(|queue| queue.id.as_str() == id);
    let queue = queue.ok_or_else(|| Refused::not_found("there is no such queue"))?;
    let agents: Vec<_> = snapshot.agents.iter().filter(|agent| agent.queues.contains(&queue.id)).collect();
    let calls: Vec<_> = snapshot.calls.iter().filter(|call| call.queue.as_ref() == Some(&queue.id)).collect();
    Ok(Json(json!({ "queue": queue, "agents": agents, "calls": calls })).into_response())
}

pub(super) async fn agents(State(api): State<Api>) -> Result<Response, Refused> {
    Ok(Json(&api.look().await?.agents).into_response())
}

pub(super) async fn agent(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Refused> {
    let snapshot = api.look().await?;
    let agent = snapshot.agents.iter().find(|agent| agent.id.as_str() == id);
    agent.map(|agent| Json(agent).into_response()).ok_or_else(|| Refused::not_found("there is no such agent"))
}

pub(super) async fn admission(State(api): State<Api>) -> Result<Response, Refused> {
    Ok(Json(&api.look().await?.admission).into_response())
}

/// Of the last hour.
pub(super) async fn refusals(State(api): State<Api>) -> Result<Response, Refused> {
    Ok(Json(&api.look().await?.refusals).into_response())
}

pub(super) async fn bans(State(api): State<Api>) -> Result<Response, Refused> {
    Ok(Json(&api.look().await?.bans).into_response())
}

pub(super) async fn lift_bans(State(api): State<Api>) -> Result<Json<Done>, Refused> {
    run(&api, Command::LiftBans { address: None }).await
}

pub(super) async fn lift_ban(State(api): State<Api>, Path(address): Path<String>) -> Result<Json<Done>, Refused> {
    let address = address.parse().map_err(|_| Refused::bad("write an IP address, as `bans list` shows it"))?;
    run(&api, Command::LiftBans { address: Some(address) }).await
}

pub(super) async fn trunks(State(api): State<Api>) -> Result<Response, Refused> {
    Ok(Json(&api.look().await?.trunks).into_response())
}

pub(super) async fn trunk(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Refused> {
    let snapshot = api.look().await?;
    let trunk = snapshot.trunks.iter().find(|trunk| trunk.id.as_str() == id);
    trunk.map(|trunk| Json(trunk).into_response()).ok_or_else(|| Refused::not_found("there is no such trunk"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetAgent {
    state: SetState,
    reason: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SetState {
    Ready,
    NotReady,
}

pub(super) async fn set_agent(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<SetAgent>, JsonRejection>,
) -> Result<Json<Done>, Refused> {
    let Json(body) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    let reason = body.reason.filter(|text| !text.is_empty()).map(self::reason).transpose()?;
    let (agent, ready) = (AgentId::new(id), body.state == SetState::Ready);
    run(&api, Command::SetAgent { agent, ready, reason }).await
}

/// Why this caller waits: a call's id, or a ticket's.
pub(super) async fn why_caller(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Done>, Refused> {
    run(&api, Command::ExplainCaller { id: call_id(&id)?.0 }).await
}

pub(super) async fn why_agent(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Done>, Refused> {
    run(&api, Command::ExplainAgent { agent: AgentId::new(id) }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum AfterCallWish {
    End(bool),
    ExtendS(u32),
    Disposition(String),
}

/// `{"end": true}`, `{"extend_s": 60}` or `{"disposition": "11"}`
pub(super) async fn after_call(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<AfterCallWish>, JsonRejection>,
) -> Result<Json<Done>, Refused> {
    let Json(body) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    let wish = match body {
        AfterCallWish::End(true) => AfterCall::End,
        AfterCallWish::End(false) => return Err(Refused::bad("a wrap-up that is not to end ends at its time")),
        AfterCallWish::ExtendS(0) => return Err(Refused::bad("`extend_s` is how many seconds longer")),
        AfterCallWish::ExtendS(by) => AfterCall::Extend(Duration::from_secs(by.into())),
        AfterCallWish::Disposition(code) => AfterCall::Dispose(reason(code)?),
    };
    run(&api, Command::AfterCall { agent: AgentId::new(id), wish }).await
}

/// `[{"name": "storm_notice", "on": false}]`
pub(super) async fn switches(State(api): State<Api>) -> Result<Json<Value>, Refused> {
    let snapshot = api.look().await?;
    Ok(Json(snapshot.live.iter().map(|(name, on)| json!({ "name": name, "on": on })).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetLive {
    on: bool,
}

pub(super) async fn set_live(
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Result<Json<SetLive>, JsonRejection>,
) -> Result<Json<Done>, Refused> {
    let Json(SetLive { on }) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    run(&api, Command::SetLive { name, on }).await
}

pub(super) async fn hang_up(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Done>, Refused> {
    run(&api, Command::Hangup { call: call_id(&id)? }).await
}

/// Digits of the longest number that may be dialled, and some more.
const MAX_NUMBER: usize = 64;

fn number(to: String) -> Result<Redacted<String>, Refused> {
    match to.is_empty() || to.len() > MAX_NUMBER || to.chars().any(char::is_control) {
        false => Ok(to.into()),
        true => Err(Refused::bad(format!("`to` is a number as it is dialled, up to {MAX_NUMBER} characters"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Connect {
    agent: String,
    to: String,
}

pub(super) async fn connect(
    State(api): State<Api>,
    body: Result<Json<Connect>, JsonRejection>,
) -> Result<Json<Done>, Refused> {
    let Json(Connect { agent, to }) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    run(&api, Command::Connect { agent: AgentId::new(agent), to: number(to)? }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Transfer {
    to: String,
}

pub(super) async fn transfer(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<Transfer>, JsonRejection>,
) -> Result<Json<Done>, Refused> {
    let Json(Transfer { to }) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    run(&api, Command::Transfer { call: call_id(&id)?, to: number(to)? }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Supervise {
    by: String,
    mode: SupervisionMode,
}

pub(super) async fn supervise(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<Supervise>, JsonRejection>,
) -> Result<Json<Done>, Refused> {
    let Json(Supervise { by, mode }) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    run(&api, Command::Supervise { call: call_id(&id)?, by: AgentId::new(by), mode }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeOver {
    by: String,
}

pub(super) async fn take_over(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<TakeOver>, JsonRejection>,
) -> Result<Json<Done>, Refused> {
    let Json(TakeOver { by }) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    run(&api, Command::TakeOver { call: call_id(&id)?, by: AgentId::new(by) }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Join {
    other: String,
}

pub(super) async fn join(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<Join>, JsonRejection>,
) -> Result<Json<Done>, Refused> {
    let Json(Join { other }) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    run(&api, Command::Join { call: call_id(&id)?, other: call_id(&other)? }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseRecording {
    paused: bool,
}

pub(super) async fn pause_recording(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<PauseRecording>, JsonRejection>,
) -> Result<Json<Done>, Refused> {
    let Json(PauseRecording { paused }) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    run(&api, Command::PauseRecording { call: call_id(&id)?, paused }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    why: String,
}

type Whys = Result<Json<Why>, JsonRejection>;

pub(super) async fn close_posted(state: State<Api>, id: Path<String>, body: Whys) -> Result<Json<Done>, Refused> {
    settle_posted(state, id, body, PostDeed::Close).await
}

pub(super) async fn retry_posted(state: State<Api>, id: Path<String>, body: Whys) -> Result<Json<Done>, Refused> {
    settle_posted(state, id, body, PostDeed::Retry).await
}

async fn settle_posted(
    State(api): State<Api>,
    Path(number): Path<String>,
    body: Whys,
    deed: PostDeed,
) -> Result<Json<Done>, Refused> {
    let Json(Why { why }) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    let reference = records::message_number(&number)?;
    run(&api, Command::Posted { reference, deed, why: reason(why)? }).await
}

/// A word or two on one line.
fn reason(text: String) -> Result<String, Refused> {
    match text.is_empty() || text.chars().count() > MAX_REASON || text.chars().any(char::is_control) {
        false => Ok(text),
        true => Err(Refused::bad(format!("a reason has up to {MAX_REASON} characters on one line"))),
    }
}

pub(super) async fn drain(State(api): State<Api>) -> Result<Json<Done>, Refused> {
    run(&api, Command::Drain).await
}

pub(super) async fn undrain(State(api): State<Api>) -> Result<Json<Done>, Refused> {
    run(&api, Command::Undrain).await
}

pub(super) async fn reload(State(api): State<Api>) -> Result<Json<Done>, Refused> {
    run(&api, Command::Reload).await
}

pub(super) async fn stop(State(api): State<Api>) -> Result<Json<Done>, Refused> {
    run(&api, Command::Stop).await
}

/// A link for a browser, for whoever has the token already.
pub(super) async fn new_link(State(api): State<Api>) -> Result<Json<Value>, Refused> {
    let code = api.0.access.new_link(Instant::now());
    let code = code.map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(Json(json!({ "login": format!("/?login={code}") })))
}

pub(super) async fn log_out(State(api): State<Api>, headers: HeaderMap) -> Response {
    if let Some(cookie) = security::cookie(&headers) {
        api.0.access.forget(cookie);
    }
    (StatusCode::OK, [security::cleared_cookie()], Json(json!({ "done": "logged out" }))).into_response()
}

pub(super) fn call_id(text: &str) -> Result<CallId, Refused> {
    text.parse().map_err(|_| Refused::bad("a call id is hexadecimal, as `call list` shows it"))
}

pub(super) async fn run(api: &Api, command: Command) -> Result<Json<Done>, Refused> {
    tracing::info!(?command, "asked over the API");
    match tokio::time::timeout(COMMAND_LIMIT, api.0.port.command(command)).await {
        Ok(Ok(reply)) => Ok(Json(reply?)),
        Ok(Err(_)) => Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the switch is stopping")),
        Err(_) => Err(Refused::new(StatusCode::GATEWAY_TIMEOUT, "the switch has not answered; look at its log")),
    }
}
