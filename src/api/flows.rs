//! Versions of flows: what is in force and was, and putting others in force.

use super::Api;
use super::commands::run;
use super::records::{ask, verbatim};
use super::reply::Refused;
use super::view::{Command, Done, Publication, Rollback};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::Response;
use std::io::ErrorKind;

/// Of a name, a reason.
const MAX_WORDS: usize = 200;
const NONE: &str = r#"{"current":null,"instead":null,"canary":null,"planned":null,"history":[]}"#;

/// The ledger as the publisher writes it.
pub(super) async fn versions(State(api): State<Api>) -> Result<Response, Refused> {
    let ledger = ask(&api, |records| {
        let file = records.path().with_file_name("versions").join("ledger.json");
        Ok(std::fs::read_to_string(file))
    });
    match ledger.await? {
        Ok(ledger) => Ok(verbatim(ledger)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(verbatim(NONE.into())),
        Err(error) => {
            let text = format!(
                "the list of versions cannot be read: {error}; see to `versions/ledger.json` of the state folder"
            );
            tracing::warn!("{text}");
            Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, text))
        }
    }
}

pub(super) async fn publish(
    State(api): State<Api>,
    body: Result<Json<Publication>, JsonRejection>,
) -> Result<Json<Done>, Refused> {
    let Json(wish) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    words([&wish.by, &wish.why, &wish.skip_tests, &wish.move_calls])?;
    run(&api, Command::Publish(wish)).await
}

pub(super) async fn roll_back(
    State(api): State<Api>,
    body: Result<Json<Rollback>, JsonRejection>,
) -> Result<Json<Done>, Refused> {
    let Json(wish) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    words([&wish.by, &wish.why, &wish.version, &None])?;
    run(&api, Command::Rollback(wish)).await
}

fn words(texts: [&Option<String>; 4]) -> Result<(), Refused> {
    let bad = |text: &String| text.is_empty() || text.chars().count() > MAX_WORDS || text.chars().any(char::is_control);
    match texts.into_iter().flatten().any(bad) {
        true => Err(Refused::bad(format!("a text has 1 to {MAX_WORDS} characters on one line"))),
        false => Ok(()),
    }
}
