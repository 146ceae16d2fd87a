//! The shape of every JSON answer: a value, or `{"error": sentence}` with a status that fits.

use super::view::CommandError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal. `details` are further lines, such as the findings in a file.
#[derive(Debug)]
pub(super) struct Refused {
    pub status: StatusCode,
    pub text: String,
    pub details: Vec<String>,
}

impl Refused {
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), details: Vec::new() }
    }

    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    pub fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }
}

impl From<CommandError> for Refused {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound(text) => Self::not_found(text),
            CommandError::Conflict(text) => Self::new(StatusCode::CONFLICT, text),
            CommandError::Invalid(details) => {
                let text = "the files are faulty; what was in force stays in force".into();
                Self { status: StatusCode::UNPROCESSABLE_ENTITY, text, details }
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = match self.details.is_empty() {
            true => json!({ "error": self.text }),
            false => json!({ "error": self.text, "details": self.details }),
        };
        (self.status, Json(body)).into_response()
    }
}

pub(super) async fn no_such_path() -> Refused {
    Refused::not_found("there is nothing here; /api/openapi.json lists every path")
}

pub(super) async fn wrong_method() -> Refused {
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, "this path has another method; see /api/openapi.json")
}
