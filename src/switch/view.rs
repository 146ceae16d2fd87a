//! What others may see of the switch: a copy made on request, never a reference into it.

use super::{Driver, GateStats, Holdings, Project, Switch};
use crate::acd::{AgentView, Explained, LendView, QueueView};
use crate::admission::{AdmissionView, Ban};
use crate::events::Class;
use crate::ids::{AgentId, CallId, FlowVersion, ProjectId, QueueId, Redacted, TicketId};
use crate::sip::endpoint::EndpointStats;
use crate::timers::Now;
use crate::trunks::TrunkView;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

#[derive(Clone, Debug)]
pub struct SwitchView {
    /// What flows ask for as `live.NAME`, and whether it is on.
    pub switches: BTreeMap<String, bool>,
    pub draining: bool,
    pub bundle: FlowVersion,
    /// The configuration's id, and how many calls it allows.
    pub config: String,
    pub admission: AdmissionView,
    pub calls: Vec<CallSummary>,
    pub projects: Arc<[Project]>,
    pub lending: Vec<LendView>,
    pub queues: Vec<QueueView>,
    pub agents: Vec<AgentView>,
    /// Registered contacts of each extension that has any.
    pub contacts: BTreeMap<AgentId, u32>,
    pub trunks: Vec<TrunkView>,
    pub sip: EndpointStats,
    pub gate: GateStats,
    /// Addresses that are banned: failures, and seconds since and left.
    pub bans: Vec<BanView>,
    pub holdings: Holdings,
    pub free_ports: usize,
}

/// An address that nobody listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanView {
    pub address: IpAddr,
    pub failures: u32,
    pub since_s: u64,
    pub left_s: u64,
}

impl BanView {
    fn of(ban: &Ban, now: Instant) -> Self {
        let since_s = now.saturating_duration_since(ban.since).as_secs();
        let left_s = ban.until.saturating_duration_since(now).as_secs();
        Self { address: ban.address, failures: ban.failures, since_s, left_s }
    }
}

/// One running call, in a line.
#[derive(Clone, Debug)]
pub struct CallSummary {
    pub id: CallId,
    pub from: Redacted<String>,
    pub to: String,
    pub state: CallStateName,
    /// Milliseconds since 1970, and how long ago that was by the monotonic clock.
    pub since: u64,
    pub age_s: u64,
    pub agent: Option<AgentId>,
    pub queue: Option<QueueId>,
    /// `section/step` of the flow.
    pub flow: Option<String>,
    pub recording: bool,
    /// Recorded, but not what is said now.
    pub recording_paused: bool,
    /// What it was let in as; `None` of a call that has ended.
    pub class: Option<Class>,
    pub budget: Option<ProjectId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStateName {
    Ringing,
    Flow,
    Queued,
    Talking,
    Test,
    Ending,
}

impl CallStateName {
    pub fn as_str(self) -> &'static str {
        match self {
            CallStateName::Ringing => "ringing",
            CallStateName::Flow => "flow",
            CallStateName::Queued => "queued",
            CallStateName::Talking => "talking",
            CallStateName::Test => "test",
            CallStateName::Ending => "ending",
        }
    }
}

impl Switch {
    pub fn view(&self, now: Now) -> SwitchView {
        let calls = self.calls.iter().map(|(id, entry)| {
            let (class, budget) = self.admission.held_by(*id).unzip();
            let state = match &entry.driver {
                _ if entry.call.is_ended() => CallStateName::Ending,
                _ if entry.call.is_bridged() => CallStateName::Talking,
                _ if entry.ticket.is_some() => CallStateName::Queued,
                _ if entry.referral.is_some() => CallStateName::Ringing,
                Driver::Flow(_) => CallStateName::Flow,
                Driver::Test(_) => CallStateName::Test,
                Driver::Direct | Driver::Queue(_) => CallStateName::Ringing,
            };
            CallSummary {
                id: *id,
                from: Redacted::new(entry.from.clone()),
                to: entry.to.clone(),
                state,
                since: entry.started.wall,
                age_s: now.at.saturating_duration_since(entry.started.at).as_secs(),
                agent: entry.serving.clone().or_else(|| entry.visiting.clone()),
                queue: entry.ticket.as_ref().map(|(_, queue)| queue.clone()),
                flow: match &entry.driver {
                    Driver::Flow(run) => Some(run.position().to_string()),
                    _ => None,
                },
                recording: entry.call.is_recording(),
                recording_paused: entry.call.is_recording_paused(),
                class,
                budget: budget.flatten().cloned(),
            }
        });
        SwitchView {
            switches: self.switches(),
            draining: self.draining,
            bundle: self.bundle.flows.version.clone(),
            config: self.config.id.clone(),
            admission: self.admission.view(),
            calls: calls.collect(),
            projects: self.config.projects.clone(),
            lending: self.acd.lending(now.at),
            queues: self.acd.queues(now.at),
            agents: self.acd.agents(now.at),
            contacts: self
                .config
                .extensions
                .keys()
                .map(|agent| (agent.clone(), self.registrar.bindings(agent.as_str()).count() as u32))
                .filter(|(_, contacts)| *contacts > 0)
                .collect(),
            trunks: self.trunks.views(now.at),
            sip: self.endpoint.stats(),
            gate: self.gate,
            bans: self.bans.in_force(now.at).map(|ban| BanView::of(ban, now.at)).collect(),
            holdings: self.holdings(),
            free_ports: self.ports.len(),
        }
    }

    /// Whether a running call has this id; whether an extension has this name. For commands that name one.
    pub fn has_call(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|entry| !entry.call.is_ended())
    }

    pub fn has_agent(&self, agent: &AgentId) -> bool {
        self.config.acd.agents.iter().any(|known| known.id == *agent)
    }

    /// Whether there is a plan by which others lend to this project.
    pub fn borrows(&self, project: &ProjectId) -> bool {
        self.config.acd.lend.iter().any(|plan| plan.to == *project)
    }

    /// Why the caller of this ticket or call waits, or has the agent it has; `None` where there is neither.
    pub fn explain_caller(&self, now: Now, id: u64) -> Option<Explained> {
        let entry = self.calls.get(&CallId(id));
        let ticket = entry.and_then(|entry| entry.ticket.as_ref()).map_or(TicketId(id), |(ticket, _)| *ticket);
        let serving = || self.explain_agent(now, entry?.serving.as_ref()?);
        self.acd.explain_ticket(now.at, ticket).or_else(serving)
    }

    pub fn explain_agent(&self, now: Now, agent: &AgentId) -> Option<Explained> {
        self.acd.explain_agent(now.at, agent)
    }

    /// Whether an extension is registered from anywhere.
    pub fn has_phone(&self, agent: &AgentId) -> bool {
        self.registrar.bindings(agent.as_str()).next().is_some()
    }

    pub fn calls(&self) -> usize {
        self.calls.len()
    }
}
