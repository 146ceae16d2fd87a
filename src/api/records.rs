//! Calls and call records: live ones from the snapshot, ended ones from the database.

use super::Api;
use super::commands::call_id;
use super::reply::Refused;
use crate::cdr::{csv_header, csv_row};
use crate::ids::CallId;
use crate::store::{CdrFilter, OutboxFilter, OutboxState, Records, StoreError};
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_core::Stream;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, Sender, channel};

const DEFAULT_RECENT: u32 = 50;
const DEFAULT_CDRS: u32 = 100;
/// Records in one JSON answer; a larger export comes as csv or jsonl, which are streamed.
const MAX_JSON: u32 = 1_000;
/// Octets of an export gathered before they are sent, and parts waiting for a slow reader.
const PART: usize = 32 << 10;
const PARTS: usize = 2;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CdrQuery {
    format: Option<Format>,
    limit: Option<u32>,
    since: Option<String>,
    until: Option<String>,
    before: Option<i64>,
    from: Option<String>,
    to: Option<String>,
    queue: Option<String>,
    agent: Option<String>,
    cause: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Jsonl,
    Csv,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallsQuery {
    limit: Option<u32>,
}

/// Calls in progress, and the last ones that ended.
pub(super) async fn calls(
    State(api): State<Api>,
    query: Result<Query<CallsQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let limit = read(query)?.limit.unwrap_or(DEFAULT_RECENT).min(MAX_JSON);
    let recent = match &api.0.records {
        Some(_) => ask(&api, move |records| records.newest(&CdrFilter::default(), limit)).await?,
        None => Vec::new(),
    };
    // A call that has just ended is recorded before the next picture of the switch is taken.
    let ended: Vec<CallId> = recent.iter().filter_map(|cdr| cdr.record().ok()?.call_id).collect();
    let snapshot = api.look().await?;
    let live = json!(snapshot.calls.iter().filter(|call| !ended.contains(&call.id)).collect::<Vec<_>>());
    Ok(verbatim(format!("{{\"live\":{live},\"recent\":{}}}", array(recent.into_iter().map(|cdr| cdr.json)))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutboxQuery {
    state: Option<OutboxState>,
    before: Option<i64>,
    limit: Option<u32>,
}

/// What flows have posted: what somebody has to see to, then the others, the newest first; nothing of what is in it.
pub(super) async fn outbox(
    State(api): State<Api>,
    query: Result<Query<OutboxQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let OutboxQuery { state, before, limit } = read(query)?;
    let filter = OutboxFilter { state, before };
    let found = ask(&api, move |records| records.outbox(&filter, limit.unwrap_or(MAX_JSON).min(MAX_JSON))).await?;
    Ok(axum::Json(found).into_response())
}

/// What is in one of them, for whoever sees to it; nothing once it is delivered.
pub(super) async fn posted(State(api): State<Api>, Path(number): Path<String>) -> Result<Response, Refused> {
    let number = message_number(&number)?;
    let found = ask(&api, move |records| records.outbox_content(number)).await?;
    found.map(verbatim).ok_or_else(|| Refused::not_found("there is no such message, or it is delivered"))
}

pub(super) fn message_number(text: &str) -> Result<i64, Refused> {
    text.parse().map_err(|_| Refused::not_found("a message has a number, as `hotline outbox list` shows"))
}

/// One call, live or ended, with everything that happened in it.
pub(super) async fn call(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Refused> {
    let id = call_id(&id)?;
    let snapshot = api.look().await?;
    let live = snapshot.calls.iter().find(|call| call.id == id);
    let stored = match &api.0.records {
        Some(_) => ask(&api, move |records| records.call(id)).await?,
        None => Default::default(),
    };
    if live.is_none() && stored.record.is_none() && stored.events.is_empty() {
        return Err(Refused::not_found("there is no such call"));
    }
    let (live, events) = (json!(live), array(stored.events));
    let record = stored.record.map_or_else(|| "null".to_string(), |record| record.json);
    Ok(verbatim(format!("{{\"live\":{live},\"record\":{record},\"events\":{events}}}")))
}

/// Call records: the newest as JSON, or all that match, oldest first, as csv or jsonl.
pub(super) async fn cdrs(
    State(api): State<Api>,
    query: Result<Query<CdrQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let query = read(query)?;
    let (format, limit) = (query.format.unwrap_or_default(), query.limit);
    let filter = query.filter()?;
    if format == Format::Json {
        let limit = limit.unwrap_or(DEFAULT_CDRS).min(MAX_JSON);
        let found = ask(&api, move |records| records.newest(&filter, limit)).await?;
        let next = if found.len() == limit as usize { found.last().map(|record| record.id) } else { None };
        let (records, next) = (array(found.into_iter().map(|cdr| cdr.json)), json!(next));
        return Ok(verbatim(format!("{{\"cdrs\":{records},\"next_before\":{next}}}")));
    }
    let records = api.0.records.clone().ok_or_else(no_database)?;
    let (sender, receiver) = channel(PARTS);
    let turn = api.0.exports.clone().acquire_owned().await.map_err(|_| stopping())?;
    tokio::task::spawn_blocking(move || {
        export(&records, &filter, format, limit, &sender);
        drop(turn);
    });
    let (kind, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"calls.csv\""),
        _ => ("application/x-ndjson", "attachment; filename=\"calls.jsonl\""),
    };
    let head = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
    Ok((head, Body::from_stream(Parts(receiver))).into_response())
}

impl CdrQuery {
    fn filter(self) -> Result<CdrFilter, Refused> {
        Ok(CdrFilter {
            since: self.since.as_deref().map(moment).transpose()?,
            until: self.until.as_deref().map(moment).transpose()?,
            after: None,
            before: self.before,
            from: self.from,
            to: self.to,
            queue: self.queue,
            agent: self.agent,
            cause: self.cause,
            call: None,
        })
    }
}

/// A moment as milliseconds since 1970, or as RFC 3339.
pub(super) fn moment(text: &str) -> Result<u64, Refused> {
    let parsed = text.parse::<u64>().ok().or_else(|| {
        let moment: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(moment.as_millisecond()).ok()
    });
    parsed.ok_or_else(|| Refused::bad("write a time as 2026-03-08T14:05:00Z or in milliseconds since 1970"))
}

pub(super) fn read<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Refused> {
    query.map(|Query(query)| query).map_err(|error| Refused::bad(error.body_text()))
}

/// Rows are JSON already and go out as they are, in the order of their keys; one that is not (a damaged file) is left
/// out.
fn array(rows: impl IntoIterator<Item = String>) -> String {
    let rows: Vec<String> = rows.into_iter().filter(|row| serde_json::from_str::<IgnoredAny>(row).is_ok()).collect();
    format!("[{}]", rows.join(","))
}

pub(super) fn verbatim(json: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

fn no_database() -> Refused {
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "this switch runs without a database")
}

fn stopping() -> Refused {
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the switch is stopping")
}

/// Asks the database on a thread that may block.
pub(super) async fn ask<T: Send + 'static>(
    api: &Api,
    question: impl FnOnce(&Records) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refused> {
    let records = api.0.records.clone().ok_or_else(no_database)?;
    let turn = api.0.queries.clone().acquire_owned().await.map_err(|_| stopping())?;
    let asked = tokio::task::spawn_blocking(move || {
        // Who asked may have gone meanwhile: the place is free when the question is done, and not before.
        let _turn = turn;
        question(&records)
    });
    let answer = asked.await.map_err(|_| stopping())?;
    answer.map_err(|error| {
        tracing::warn!(%error, "cannot read call records");
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the call records cannot be read now; see the log")
    })
}

/// Writes records into the channel until all are through or the reader is gone. A failure half-way cuts the answer off,
/// so that nobody takes a part for the whole.
fn export(records: &Records, filter: &CdrFilter, format: Format, limit: Option<u32>, to: &Sender<io::Result<Bytes>>) {
    let mut part = String::with_capacity(PART + 4096);
    if format == Format::Csv {
        part.push_str(&csv_header());
    }
    let mut left = limit.unwrap_or(u32::MAX);
    let result = records.export(filter, |stored| {
        if left == 0 {
            return false;
        }
        left -= 1;
        match format {
            Format::Csv => match stored.record() {
                Ok(record) => part.push_str(&csv_row(&record)),
                Err(_) => return true,
            },
            _ => {
                part.push_str(&stored.json);
                part.push('\n');
            }
        }
        part.len() < PART || to.blocking_send(Ok(Bytes::from(std::mem::take(&mut part)))).is_ok()
    });
    let last = match result {
        Ok(()) => Ok(Bytes::from(part)),
        Err(error) => Err(io::Error::other(error.to_string())),
    };
    let _ = to.blocking_send(last);
}

/// An answer's body out of a channel.
struct Parts(Receiver<io::Result<Bytes>>);

impl Stream for Parts {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_both_forms_and_nothing_else() {
        assert_eq!(moment("1000").unwrap(), 1000);
        assert_eq!(moment("1970-01-01T08:00:01+08:00").unwrap(), 1000);
        assert!(moment("yesterday").is_err() && moment("1960-01-01T00:00:00Z").is_err());
    }
}
