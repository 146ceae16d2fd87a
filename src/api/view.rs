//! What the API shows of the switch and may ask of it: plain values with stable JSON keys. The event loop fills a
//! [`Snapshot`] now and then; a request reads the last one and never waits for the loop.

use super::metrics::Metrics;
use super::projects::ProjectView;
use super::refusals::RefusalView;
use crate::cdr::{Figures, Members};
use crate::events::{AgentStateName, Class, SupervisionMode, TrunkStateName};
use crate::ids::{AgentId, CallId, ProjectId, QueueId, Redacted, TrunkId};
use crate::switch::{AfterCall, Explained, LendView};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    pub status: Status,
    pub calls: Vec<CallView>,
    pub projects: Vec<ProjectView>,
    pub lending: Vec<LendView>,
    pub queues: Vec<QueueView>,
    pub agents: Vec<AgentView>,
    pub trunks: Vec<TrunkView>,
    pub admission: AdmissionView,
    /// Of the last hour.
    pub refusals: Vec<RefusalView>,
    pub bans: Vec<BanView>,
    /// Whose queues and agents are whose, for figures of other days than this.
    #[serde(skip)]
    pub members: Arc<[Members]>,
    #[serde(skip)]
    pub metrics: Metrics,
    /// The switches that flows ask for, and whether they are on.
    pub live: std::collections::BTreeMap<String, bool>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    pub state: RunState,
    pub mode: String,
    pub version: String,
    /// Hash of the flow bundle that new calls take.
    pub bundle: String,
    /// Short hash of hotline.yaml and its secret files as in force; `demo` without a file.
    pub config: String,
    pub uptime_s: u64,
    pub calls: u32,
    pub max_calls: u32,
    pub calls_total: u64,
    /// Bound addresses, as `sip/udp 127.0.0.1:5060`.
    pub listen: Vec<String>,
    /// What an operator should see, newest last.
    pub alarms: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    #[default]
    Starting,
    Running,
    Draining,
    Stopping,
}

#[derive(Clone, Debug, Serialize)]
pub struct CallView {
    pub id: CallId,
    pub from: Redacted<String>,
    pub to: String,
    /// `ringing`, `flow`, `queued`, `talking`, ...
    pub state: String,
    /// Start, in milliseconds since 1970.
    pub since: u64,
    pub age_s: u64,
    pub agent: Option<AgentId>,
    pub queue: Option<QueueId>,
    /// Where in the flow, as `section/step`.
    pub flow: Option<String>,
    pub recording: bool,
    /// Recorded, but not what is said now.
    pub recording_paused: bool,
    /// How urgent it was when it was let in, and whose budget it takes from.
    pub class: Option<Class>,
    pub budget: Option<ProjectId>,
}

/// An address that nobody listens to for a while; of IPv6 the first one of its network.
#[derive(Clone, Debug, Serialize)]
pub struct BanView {
    pub address: IpAddr,
    /// Wrong answers to challenges.
    pub failures: u32,
    pub since_s: u64,
    pub left_s: u64,
}

/// Who holds how much of all calls.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AdmissionView {
    pub calls: u32,
    pub max_calls: u32,
    /// Since the start.
    pub admitted: u64,
    /// Permits that did not match their calls, and were mended.
    pub mended: u64,
    /// How far new calls are turned away for load: 0 nobody, 100 most.
    pub overload: u32,
    pub budgets: Vec<BudgetView>,
}

#[derive(Clone, Debug, Serialize)]
pub struct BudgetView {
    pub id: ProjectId,
    pub calls: u32,
    /// Calls that are always there for it.
    pub guarantee: u32,
    /// The most that it may hold.
    pub ceiling: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct QueueView {
    pub id: QueueId,
    pub project: Option<ProjectId>,
    pub waiting: u32,
    pub longest_wait_s: u64,
    pub agents_logged_in: u32,
    pub agents_ready: u32,
    pub agents_busy: u32,
    pub offered: u64,
    pub answered: u64,
    pub abandoned: u64,
    /// The counts above are since the start of the switch.
    pub today: Figures,
}

#[derive(Clone, Debug, Serialize)]
pub struct AgentView {
    pub id: AgentId,
    pub name: String,
    pub state: AgentStateName,
    pub reason: Option<String>,
    pub state_since_s: u64,
    pub queues: Vec<QueueId>,
    pub call: Option<CallId>,
    /// Registered contacts.
    pub contacts: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct TrunkView {
    pub id: TrunkId,
    pub state: TrunkStateName,
    /// By what the state was found out, in words.
    pub why: String,
    pub registers: bool,
    /// Seconds for which the registration still holds.
    pub registered_s: Option<u64>,
    pub targets: Vec<TargetView>,
    pub calls_in: u32,
    pub calls_out: u32,
    /// The most calls at once; `None` without a limit.
    pub max_calls: Option<u32>,
    /// Calls that found no place since the start.
    pub over_limit: u64,
}

/// One address of a trunk.
#[derive(Clone, Debug, Serialize)]
pub struct TargetView {
    /// `UDP 203.0.113.5:5060`.
    pub address: String,
    pub up: bool,
    /// It asked not to be called for a while.
    pub resting: bool,
}

/// What an operator may ask of the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Hangup {
        call: CallId,
    },
    /// Rings an agent, and then a number as if the agent had dialled it.
    Connect {
        agent: AgentId,
        to: Redacted<String>,
    },
    /// Sends the other party of an agent's call to a number.
    Transfer {
        call: CallId,
        to: Redacted<String>,
    },
    /// Rings an extension and lets it hear the call; of one that does, changes the mode.
    Supervise {
        call: CallId,
        by: AgentId,
        mode: SupervisionMode,
    },
    /// Gives the caller to whom supervises the call, and lets the agent go.
    TakeOver {
        call: CallId,
        by: AgentId,
    },
    /// Lets whom an agent talks to in `other` talk with both in `call`.
    Join {
        call: CallId,
        other: CallId,
    },
    PauseRecording {
        call: CallId,
        paused: bool,
    },
    SetAgent {
        agent: AgentId,
        ready: bool,
        reason: Option<String>,
    },
    /// Up to which tier others lend to a project; `None` = as hard as it is pressed.
    SetTier {
        project: ProjectId,
        tier: Option<u8>,
    },
    AfterCall {
        agent: AgentId,
        wish: AfterCall,
    },
    /// Why the caller of a ticket or call waits.
    ExplainCaller {
        id: u64,
    },
    ExplainAgent {
        agent: AgentId,
    },
    /// Turns a switch on or off that flows ask for as `live.NAME`.
    SetLive {
        name: String,
        on: bool,
    },
    /// Somebody has seen to what a flow had posted, or wants it tried again.
    Posted {
        reference: i64,
        deed: PostDeed,
        why: String,
    },
    /// New calls are refused, running ones go on.
    Drain,
    /// New calls are taken again.
    Undrain,
    /// Listens again to an address that is banned, or to all.
    LiftBans {
        address: Option<IpAddr>,
    },
    /// Ends all calls with BYE and stops.
    Stop,
    /// Reads configuration, flows and prompts again; nothing changes when one of them is faulty.
    Reload,
    /// Puts what is in the folder in force, or says when and for whom it is to be.
    Publish(Publication),
    /// Back to an earlier version.
    Rollback(Rollback),
}

/// How the flows in the folder come into force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Publication {
    /// Milliseconds since 1970; at once unless told.
    pub at: Option<u64>,
    /// The share of the callers, in percent, who take it first.
    pub canary: Option<u8>,
    /// Where calls that wait at a question begin again.
    pub move_calls: Option<String>,
    pub by: Option<String>,
    pub why: Option<String>,
    /// Why the flows' tests are not run.
    pub skip_tests: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rollback {
    /// How the version's hash begins; unless told the one before, or an end of the canary.
    pub version: Option<String>,
    pub by: Option<String>,
    pub why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostDeed {
    Close,
    Retry,
}

/// What a command did.
pub type CommandReply = Result<Done, CommandError>;

/// What was done, in a sentence; a reload also says what came of each part of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    pub done: String,
    /// Settings that are in force from now on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<String>,
    /// Settings that have changed in the file and are taken at the next start only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs_restart: Vec<String>,
    /// Why somebody waits, or has whom.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub explained: Option<Explained>,
    /// What was found in the files and did not stand in the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl From<String> for Done {
    fn from(done: String) -> Self {
        Self { done, ..Self::default() }
    }
}

impl From<Explained> for Done {
    fn from(explained: Explained) -> Self {
        Self { done: explained.en.join(" "), explained: Some(explained), ..Self::default() }
    }
}

impl From<&str> for Done {
    fn from(done: &str) -> Self {
        done.to_string().into()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// There is no such call or agent.
    NotFound(String),
    /// Not possible in the present state.
    Conflict(String),
    /// A file is faulty; each line says where and why. What was in force stays.
    Invalid(Vec<String>),
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound(text) | Self::Conflict(text) => f.write_str(text),
            Self::Invalid(lines) => f.write_str(&lines.join("\n")),
        }
    }
}
