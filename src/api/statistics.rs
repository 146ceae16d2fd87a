//! Statistics, computed from the records when they are asked for.

use super::Api;
use super::records::{ask, moment, read};
use super::reply::Refused;
use super::view::Snapshot;
use crate::cdr::{By, DEFINITIONS, FlowStats, LOOKAHEAD_MS, Of, Periods};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY_MS: u64 = 86_400_000;
const WEEK_MS: u64 = 7 * DAY_MS;
/// Calls looked at for one answer, which is then said to be incomplete.
const MAX_CALLS: u64 = 300_000;
/// The same, of events; a call of a contact centre has a dozen that matter here.
const MAX_EVENTS: u64 = 5_000_000;
/// Lines of one queue or agent. A year of days or a month of hours fits.
const MAX_PERIODS: u64 = 800;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FlowQuery {
    flow: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

/// What calls counted as and how callers fared at each step, by flow and version.
pub(super) async fn flows(
    State(api): State<Api>,
    query: Result<Query<FlowQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let query = read(query)?;
    let now = now();
    let (since, until) = stretch((query.since.as_deref(), query.until.as_deref()), now, WEEK_MS)?;
    let (flows, complete) = ask(&api, move |records| {
        let (mut stats, mut left) = (FlowStats::default(), MAX_CALLS);
        records.flow_calls((since, until.saturating_add(LOOKAHEAD_MS)), |call| {
            left -= 1;
            match call.started < until && query.flow.as_ref().is_none_or(|flow| *flow == call.flow) {
                true => stats.add(call),
                // Another flow of the project may be where a caller returns.
                false => stats.look_ahead(&call),
            }
            left > 0
        })?;
        Ok((stats.report(now), left > 0))
    })
    .await?;
    let answer =
        json!({ "definitions": DEFINITIONS, "since": since, "until": until, "complete": complete, "flows": flows });
    Ok(Json(answer).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeriodQuery {
    /// One only.
    id: Option<String>,
    #[serde(default)]
    by: By,
    since: Option<String>,
    until: Option<String>,
}

type Asked = Result<Query<PeriodQuery>, QueryRejection>;

/// Offered, answered and lost callers, service level and waits of each queue, by hour, day or in all.
pub(super) async fn queues(State(api): State<Api>, query: Asked) -> Result<Response, Refused> {
    periods(&api, query, Of::Queues).await
}

/// The same of each project.
pub(super) async fn projects(State(api): State<Api>, query: Asked) -> Result<Response, Refused> {
    periods(&api, query, Of::Projects).await
}

/// Calls, times and occupancy of each agent.
pub(super) async fn agents(State(api): State<Api>, query: Asked) -> Result<Response, Refused> {
    periods(&api, query, Of::Agents).await
}

async fn periods(api: &Api, query: Asked, of: Of) -> Result<Response, Refused> {
    let (query, now) = (read(query)?, now());
    let (since, until) = stretch((query.since.as_deref(), query.until.as_deref()), now, DAY_MS)?;
    let length = match query.by {
        By::Hour => DAY_MS / 24,
        By::Day => DAY_MS,
        By::Whole => u64::MAX,
    };
    if (until - since) / length > MAX_PERIODS {
        return Err(Refused::bad(format!(
            "these are more than {MAX_PERIODS} lines of each; ask for a shorter time, or by day"
        )));
    }
    let snapshot = api.look().await?;
    let there = ids(&snapshot, of);
    let (id, by) = (query.id, query.by);
    let mut periods = Periods::new(snapshot.members.clone(), TimeZone::system(), by, (since, until));
    // One that has gone meanwhile has lines for when it was there, and none that says that nothing happened.
    let (only, known) = (id.clone(), there.clone());
    let (lines, complete, kept_since) = ask(api, move |records| {
        let mut left = MAX_EVENTS;
        let from = since.saturating_sub(Periods::LOOKBACK_MS);
        records.events(from, &Periods::KINDS, |run, event| {
            left -= 1;
            periods.apply(run, &event);
            left > 0
        })?;
        Ok((periods.report(of, now, known, only.as_deref()), left > 0, records.oldest_event()?))
    })
    .await?;
    if let Some(id) = id.filter(|id| lines.is_empty() && !there.contains(id)) {
        return Err(Refused::not_found(format!("nothing is known of `{id}`; there are: {}", there.join(", "))));
    }
    let answer = json!({
        "definitions": DEFINITIONS, "since": since, "until": until, "by": by, "complete": complete,
        "kept_since": kept_since, "lines": lines,
    });
    Ok(Json(answer).into_response())
}

/// Who is there.
fn ids(snapshot: &Snapshot, of: Of) -> Vec<String> {
    match of {
        Of::Queues => snapshot.queues.iter().map(|queue| queue.id.to_string()).collect(),
        Of::Projects => snapshot.projects.iter().map(|project| project.id.to_string()).collect(),
        Of::Agents => snapshot.agents.iter().map(|agent| agent.id.to_string()).collect(),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// From when to when; without `since` as long as is usual.
fn stretch((since, until): (Option<&str>, Option<&str>), now: u64, usual_ms: u64) -> Result<(u64, u64), Refused> {
    let until = until.map(moment).transpose()?.unwrap_or(now);
    let since = since.map(moment).transpose()?.unwrap_or(until.saturating_sub(usual_ms));
    if since > until {
        return Err(Refused::bad("`since` is after `until`"));
    }
    Ok((since, until))
}
