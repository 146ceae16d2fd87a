//! Projects: what was promised, and what today has brought.

use super::Api;
use super::commands::run;
use super::reply::Refused;
use super::view::{Command, Done};
use crate::cdr::{Burn, Figures};
use crate::ids::{ProjectId, QueueId};
use crate::switch::LendView;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

const MAX_TIER: u8 = 3;

#[derive(Clone, Debug, Serialize)]
pub struct ProjectView {
    pub id: ProjectId,
    /// By language; under an empty one where it is the same in all.
    pub name: BTreeMap<String, String>,
    pub numbers: Vec<String>,
    pub queues: Vec<QueueId>,
    /// Those whose home it is.
    pub agents: u64,
    pub targets: ProjectTargets,
    /// Where it is not as for all.
    pub recording: Option<bool>,
    /// The day of the figures, as the clocks of the project's time zone have it.
    pub day: String,
    pub today: Figures,
    pub occupancy: Option<f64>,
    /// Of the target for the answer rate, where there is one.
    pub burn: Option<Burn>,
}

/// Shares, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ProjectTargets {
    pub answer_rate: Option<f64>,
    pub service_level: Option<f64>,
    pub satisfaction: Option<f64>,
}

pub(super) async fn list(State(api): State<Api>) -> Result<Response, Refused> {
    Ok(Json(&api.look().await?.projects).into_response())
}

/// One project, with its queues.
pub(super) async fn one(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Refused> {
    let snapshot = api.look().await?;
    let project = snapshot.projects.iter().find(|project| project.id.as_str() == id);
    let project = project.ok_or_else(|| Refused::not_found("there is no such project"))?;
    let queues: Vec<_> = snapshot.queues.iter().filter(|queue| project.queues.contains(&queue.id)).collect();
    let touches = |plan: &&LendView| plan.from == project.id || plan.to == project.id;
    let lending: Vec<_> = snapshot.lending.iter().filter(touches).collect();
    Ok(Json(json!({ "project": project, "queues": queues, "lending": lending })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetTier {
    tier: Option<u8>,
}

pub(super) async fn set_tier(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<SetTier>, JsonRejection>,
) -> Result<Json<Done>, Refused> {
    let Json(SetTier { tier }) = body.map_err(|error| Refused::new(error.status(), error.body_text()))?;
    if tier.is_some_and(|tier| tier > MAX_TIER) {
        return Err(Refused::bad("a tier is 0 (nobody), 1, 2 or 3; null for as hard as the project is pressed"));
    }
    run(&api, Command::SetTier { project: ProjectId::new(id), tier }).await
}
