//! Statistics, computed from the records when they are asked for.

use super::Api;
use super::records::{ask, moment, read};
use super::reply::Refused;
use crate::cdr::{DEFINITIONS, FlowStats, LOOKAHEAD_MS};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// Without `since`: a week.
const DEFAULT_MS: u64 = 7 * 86_400_000;
/// Calls looked at for one answer, which is then said to be incomplete.
const MAX_CALLS: u64 = 300_000;

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
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let until = query.until.as_deref().map(moment).transpose()?.unwrap_or(now);
    let since = query.since.as_deref().map(moment).transpose()?.unwrap_or(until.saturating_sub(DEFAULT_MS));
    if since > until {
        return Err(Refused::bad("`since` is after `until`"));
    }
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
