//! The description of the API, kept by hand and held to the router by a test.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// OpenAPI 3.1, as JSON.
pub const OPENAPI: &str = include_str!("openapi.json");

pub(super) async fn show() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
