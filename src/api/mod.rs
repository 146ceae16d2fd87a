//! The HTTP side: health, metrics, `/api/v1`, and a small status page. It sees the switch only through [`SwitchPort`]
//! (a snapshot to read, commands to ask) and the database only through [`Records`]; it can neither hold up a call nor
//! be held up by one.
//!
//! Every path but `/healthz` and `/readyz` wants proof (see [`access`]); without it nothing differs but the 401.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod access;
mod commands;
pub mod demo_systems;
mod flows;
mod guard;
pub mod metrics;
mod openapi;
mod page;
mod projects;
mod records;
mod refusals;
mod reply;
mod security;
mod statistics;
#[cfg(test)]
mod tests;
pub mod view;

pub use access::Access;
pub use metrics::Metrics;
pub use openapi::OPENAPI;
pub use projects::{ProjectTargets, ProjectView};
pub use refusals::{RefusalView, Refusals};
pub use view::{
    AdmissionView, AgentView, BanView, BudgetView, CallView, Command, CommandError, CommandReply, Done, PostDeed,
    Publication, QueueView, Rollback, RunState, Snapshot, Status, TargetView, TrunkView,
};

use crate::store::Records;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post, put};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

/// No request here has more to say; reading more would only cost memory.
const BODY_LIMIT: usize = 256 << 10;
/// Database queries at once. Each takes a thread of the blocking pool; more wait their turn.
const QUERIES: usize = 4;
/// Exports at once. Each holds a thread for as long as its reader takes; more wait.
const EXPORTS: usize = 4;
/// The owner of the switch answers within one of its turns, which take microseconds.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// What the API may see and ask of the switch.
pub trait SwitchPort: Send + Sync + 'static {
    /// Asks for the picture of now, or of a moment ago. A switch that does not answer is stuck or stopping.
    fn snapshot(&self) -> oneshot::Receiver<Arc<Snapshot>>;
    /// Asks for something; the reply comes when the switch has done it. A dropped sender means that it is stopping.
    fn command(&self, command: Command) -> oneshot::Receiver<CommandReply>;
}

/// The API's parts, shared by all requests.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

struct Parts {
    port: Arc<dyn SwitchPort>,
    records: Option<Records>,
    access: Access,
    guesses: security::Guesses,
    queries: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

impl Api {
    /// `records` is `None` when the switch runs without a database.
    pub fn new(port: Arc<dyn SwitchPort>, records: Option<Records>, access: Access) -> Self {
        let (queries, exports) = (Arc::new(Semaphore::new(QUERIES)), Arc::new(Semaphore::new(EXPORTS)));
        Self(Arc::new(Parts { port, records, access, guesses: security::Guesses::default(), queries, exports }))
    }

    pub fn access(&self) -> &Access {
        &self.0.access
    }

    /// The picture of the switch, or the answer to whoever asked for it.
    async fn look(&self) -> Result<Arc<Snapshot>, reply::Refused> {
        match tokio::time::timeout(LOOK_LIMIT, self.0.port.snapshot()).await {
            Ok(Ok(snapshot)) => Ok(snapshot),
            _ => Err(reply::Refused::unavailable("the switch does not answer; it is stopping, or look into its log")),
        }
    }

    /// The routes with everything that stands before them.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(page::index))
            .route("/page.js", get(page::script))
            .route("/page.css", get(page::style))
            .route("/healthz", get(commands::healthz))
            .route("/readyz", get(commands::readyz))
            .route("/metrics", get(commands::metrics))
            .route("/api/openapi.json", get(openapi::show))
            .route("/api/v1/status", get(commands::status))
            .route("/api/v1/calls", get(records::calls).post(commands::connect))
            .route("/api/v1/calls/{id}", get(records::call).delete(commands::hang_up))
            .route("/api/v1/calls/{id}/hangup", post(commands::hang_up))
            .route("/api/v1/calls/{id}/transfer", post(commands::transfer))
            .route("/api/v1/calls/{id}/supervise", post(commands::supervise))
            .route("/api/v1/calls/{id}/takeover", post(commands::take_over))
            .route("/api/v1/calls/{id}/join", post(commands::join))
            .route("/api/v1/calls/{id}/recording", put(commands::pause_recording))
            .route("/api/v1/projects", get(projects::list))
            .route("/api/v1/projects/{id}", get(projects::one))
            .route("/api/v1/projects/{id}/tier", put(projects::set_tier))
            .route("/api/v1/calls/{id}/why", get(commands::why_caller))
            .route("/api/v1/queues", get(commands::queues))
            .route("/api/v1/queues/{id}", get(commands::queue))
            .route("/api/v1/agents", get(commands::agents))
            .route("/api/v1/agents/{id}", get(commands::agent))
            .route("/api/v1/agents/{id}/state", put(commands::set_agent))
            .route("/api/v1/admission", get(commands::admission))
            .route("/api/v1/refusals", get(commands::refusals))
            .route("/api/v1/bans", get(commands::bans).delete(commands::lift_bans))
            .route("/api/v1/bans/{address}", delete(commands::lift_ban))
            .route("/api/v1/agents/{id}/after-call", put(commands::after_call))
            .route("/api/v1/agents/{id}/why", get(commands::why_agent))
            .route("/api/v1/trunks", get(commands::trunks))
            .route("/api/v1/trunks/{id}", get(commands::trunk))
            .route("/api/v1/live", get(commands::switches))
            .route("/api/v1/live/{name}", put(commands::set_live))
            .route("/api/v1/outbox", get(records::outbox))
            .route("/api/v1/outbox/{id}", get(records::posted))
            .route("/api/v1/outbox/{id}/close", post(commands::close_posted))
            .route("/api/v1/outbox/{id}/retry", post(commands::retry_posted))
            .route("/api/v1/cdrs", get(records::cdrs))
            .route("/api/v1/stats/flows", get(statistics::flows))
            .route("/api/v1/stats/queues", get(statistics::queues))
            .route("/api/v1/stats/projects", get(statistics::projects))
            .route("/api/v1/stats/agents", get(statistics::agents))
            .route("/api/v1/flows/versions", get(flows::versions))
            .route("/api/v1/flows/publish", post(flows::publish))
            .route("/api/v1/flows/rollback", post(flows::roll_back))
            .route("/api/v1/drain", post(commands::drain).delete(commands::undrain))
            .route("/api/v1/reload", post(commands::reload))
            .route("/api/v1/stop", post(commands::stop))
            .route("/api/v1/login", post(commands::new_link))
            .route("/api/v1/logout", post(commands::log_out))
            .fallback(reply::no_such_path)
            .method_not_allowed_fallback(reply::wrong_method)
            .layer(from_fn(security::time_limit))
            .layer(from_fn_with_state(self.clone(), security::proof))
            .layer(from_fn(security::origin))
            .layer(from_fn(security::headers))
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .with_state(self.clone())
    }
}

/// Serves until `stop` is done, then lets requests under way finish. The caller bounds how long that may take.
pub async fn serve(listener: TcpListener, api: Api, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let service = api.router().into_make_service_with_connect_info::<guard::Client>();
    axum::serve(guard::Guarded::new(listener), service).with_graceful_shutdown(stop).await
}
