//! The systems that the sample hotline asks, played by the demo itself: customers, the grid and billing, over HTTP like
//! real ones. Whoever calls has account 3101234569 and a balance of 1205.30 yuan; an account that ends in 0 owes 86.05.

use axum::extract::{Json, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::net::TcpListener;

/// What hotline.yaml would call them.
pub const NAMES: [&str; 3] = ["customers", "grid", "billing"];

/// Answers until the process ends.
pub async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let router = axum::Router::new()
        .route("/customers/v1/accounts", get(account))
        .route("/customers/v1/verify", post(verify))
        .route("/grid/v1/outages", get(outage))
        .route("/billing/v1/bill", post(bill))
        .route("/customers/v1/messages", post(taken))
        .route("/grid/v1/reports", post(taken))
        .route("/grid/v1/voicemail", post(taken));
    axum::serve(listener, router).await
}

type Asked = Query<BTreeMap<String, String>>;

async fn account(Query(asked): Asked) -> Response {
    match asked.get("phone").is_some_and(|phone| !phone.is_empty()) {
        true => Json(json!({"data": {"account": "3101234569"}})).into_response(),
        false => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn verify(Json(asked): Json<Value>) -> StatusCode {
    if text(&asked, "id_last6") == "123456" { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

async fn outage(Query(_): Asked) -> Json<Value> {
    Json(json!({"data": {"known": false, "restore_at": "2026-01-01 18:30"}}))
}

async fn bill(Json(asked): Json<Value>) -> Json<Value> {
    let owes = text(&asked, "acct").ends_with('0');
    Json(json!({"data": {"balance_fen": if owes { -8605 } else { 120_530 }}}))
}

/// A message, report or recording, for nobody to read.
async fn taken(Json(_): Json<Value>) -> StatusCode {
    StatusCode::ACCEPTED
}

fn text<'v>(asked: &'v Value, name: &str) -> &'v str {
    asked.get(name).and_then(Value::as_str).unwrap_or_default()
}
