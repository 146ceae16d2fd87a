//! The picture of the switch that the API shows: painted by the owner task for whoever asks.

use super::{centre, clock};
use crate::acd;
use crate::api::metrics::{EventCounts, LookupFigures, MediaFigures, OutboxFigures, SipFigures, StoreFigures};
use crate::api::{
    AdmissionView, AgentView, BanView, BudgetView, CallView, Metrics, QueueView, Refusals, RunState, Snapshot, Status,
    TargetView, TrunkView,
};
use crate::cdr::{Centre, Members};
use crate::events::{EventKind, QueueOutcome, SwitchEvent};
use crate::ids::{AgentId, CallId};
use crate::net::NetCounters;
use crate::switch::{SwitchConfig, SwitchView};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Alarms kept for the status page.
const ALARMS: usize = 20;

pub(super) struct Board {
    facts: Mutex<Facts>,
    net: Arc<NetCounters>,
    started: Instant,
    mode: String,
    listen: Vec<String>,
}

#[derive(Default)]
struct Facts {
    counts: EventCounts,
    refusals: Refusals,
    centre: Centre,
    alarms: VecDeque<String>,
    media: MediaFigures,
    stopping: bool,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    pub(super) fn new(mode: &str, listen: Vec<String>, net: Arc<NetCounters>, members: Vec<Members>) -> Board {
        let facts = Facts { centre: Centre::new(members), ..Facts::default() };
        Board { facts: Mutex::new(facts), net, started: Instant::now(), mode: mode.to_string(), listen }
    }

    pub(super) fn stopping(&self) {
        held(&self.facts).stopping = true;
    }

    pub(super) fn configure(&self, config: &SwitchConfig) {
        held(&self.facts).centre.configure(centre::members(config));
    }

    /// What earlier runs of the process did today.
    pub(super) fn remember(&self, earlier: Centre) {
        held(&self.facts).centre.absorb(earlier);
    }

    pub(super) fn count(&self, event: &SwitchEvent) {
        let mut facts = held(&self.facts);
        facts.counts.apply(event);
        facts.refusals.apply(event);
        facts.centre.apply(event);
        match &event.kind {
            EventKind::Alarm { text } => facts.alarm(text.clone()),
            EventKind::MediaReport { report, .. } => {
                facts.media.packets_in += report.packets_in;
                facts.media.packets_out += report.packets_out;
                facts.media.lost += report.lost;
                facts.media.stray += report.stray;
                facts.media.malformed += report.malformed;
                facts.media.forged += report.forged;
            }
            _ => {}
        }
    }

    pub(super) fn alarm(&self, text: String) {
        let mut facts = held(&self.facts);
        facts.counts.alarms += 1;
        facts.alarm(text);
    }

    pub(super) fn paint(
        &self,
        view: SwitchView,
        store: StoreFigures,
        workers: MediaFigures,
        (lookups, outbox): (LookupFigures, OutboxFigures),
    ) -> Snapshot {
        let now = clock::now();
        let facts = held(&self.facts);
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let holdings = view.holdings;
        let status = Status {
            state: match (facts.stopping, view.draining) {
                (true, _) => RunState::Stopping,
                (false, true) => RunState::Draining,
                (false, false) => RunState::Running,
            },
            mode: self.mode.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            bundle: view.bundle.to_string(),
            config: view.config.clone(),
            uptime_s: now.at.saturating_duration_since(self.started).as_secs(),
            calls: view.calls.len() as u32,
            max_calls: view.admission.total,
            calls_total: facts.counts.arrived,
            listen: self.listen.clone(),
            alarms: facts.alarms.iter().cloned().collect(),
        };
        let metrics = Metrics {
            sip: SipFigures {
                received: read(&self.net.received),
                sent: read(&self.net.sent),
                connections: read(&self.net.connections),
                connections_slow: read(&self.net.connections_slow),
                connections_refused: read(&self.net.connections_refused),
                handshakes_failed: read(&self.net.handshakes_failed),
                retransmitted: view.sip.retransmissions,
                malformed: view.sip.unanswerable + view.sip.refused,
                dropped: read(&self.net.dropped) + view.sip.dropped,
                from_banned: view.gate.banned,
                from_scanners: view.gate.scanners,
                transactions: holdings.transactions as u64,
                dialogs: holdings.usages as u64,
                registrations: view.contacts.values().map(|n| u64::from(*n)).sum(),
            },
            media: MediaFigures {
                legs: holdings.legs as u64,
                ports_free: view.free_ports as u64,
                send_errors: workers.send_errors,
                late_ms: workers.late_ms,
                unrecorded: workers.unrecorded,
                ..facts.media
            },
            events: facts.counts.clone(),
            store,
            lookups,
            outbox,
        };
        let talking: BTreeMap<&AgentId, CallId> =
            view.calls.iter().filter_map(|call| Some((call.agent.as_ref()?, call.id))).collect();
        let admission = admission_view(&view.admission);
        let uptime_ms = now.at.saturating_duration_since(self.started).as_millis() as u64;
        let projects = view.projects.iter().zip(facts.centre.members().iter());
        Snapshot {
            projects: projects
                .map(|(project, members)| centre::view(project, members, &facts.centre, now.wall, uptime_ms))
                .collect(),
            status,
            members: facts.centre.members().clone(),
            lending: view.lending.clone(),
            calls: view.calls.iter().map(call).collect(),
            queues: view.queues.iter().map(|queue| queue_view(queue, &facts, now.wall)).collect(),
            agents: view.agents.iter().map(|agent| agent_view(agent, &view, &talking)).collect(),
            trunks: view.trunks.iter().map(trunk_view).collect(),
            refusals: facts.refusals.view(uptime_ms, &admission),
            admission,
            live: view.switches.clone(),
            bans: view.bans.iter().map(ban_view).collect(),
            metrics,
        }
    }
}

impl Facts {
    fn alarm(&mut self, text: String) {
        if self.alarms.len() == ALARMS {
            self.alarms.pop_front();
        }
        self.alarms.push_back(text);
    }
}

fn call(call: &crate::switch::CallSummary) -> CallView {
    CallView {
        id: call.id,
        from: call.from.clone(),
        to: call.to.clone(),
        state: call.state.as_str().into(),
        since: call.since,
        age_s: call.age_s,
        agent: call.agent.clone(),
        queue: call.queue.clone(),
        flow: call.flow.clone(),
        recording: call.recording,
        recording_paused: call.recording_paused,
        class: call.class,
        budget: call.budget.clone(),
    }
}

fn admission_view(admission: &crate::admission::AdmissionView) -> AdmissionView {
    let budget = |share: &crate::admission::ShareView| BudgetView {
        id: share.budget.clone(),
        calls: share.in_use,
        guarantee: share.guarantee,
        ceiling: share.ceiling,
    };
    AdmissionView {
        calls: admission.in_use,
        max_calls: admission.total,
        admitted: admission.admitted,
        mended: admission.mended,
        overload: admission.overload,
        budgets: admission.budgets.iter().map(budget).collect(),
    }
}

fn queue_view(queue: &acd::QueueView, facts: &Facts, wall: u64) -> QueueView {
    let totals = facts.counts.queues.get(&queue.queue);
    let left = |outcome| totals.and_then(|totals| totals.left.get(&outcome).copied()).unwrap_or(0);
    let agents = &queue.agents;
    QueueView {
        id: queue.queue.clone(),
        project: queue.project.clone(),
        today: facts.centre.of_queue(&queue.queue, wall).figures(facts.centre.terms_of(&queue.queue)),
        waiting: queue.waiting + queue.ringing,
        longest_wait_s: queue.longest_wait_ms / 1000,
        agents_logged_in: agents.ready + agents.not_ready + agents.ringing + agents.talking + agents.wrap_up,
        agents_ready: agents.ready,
        agents_busy: agents.ringing + agents.talking + agents.wrap_up,
        offered: totals.map_or(0, |totals| totals.entered),
        answered: left(QueueOutcome::Answered),
        abandoned: left(QueueOutcome::Abandoned),
    }
}

fn ban_view(ban: &crate::switch::BanView) -> BanView {
    BanView { address: ban.address, failures: ban.failures, since_s: ban.since_s, left_s: ban.left_s }
}

fn trunk_view(trunk: &crate::trunks::TrunkView) -> TrunkView {
    let target = |target: &crate::trunks::TargetView| TargetView {
        address: format!("{} {}", target.transport, target.address),
        up: target.up,
        resting: target.resting,
    };
    TrunkView {
        id: trunk.id.clone(),
        state: trunk.state,
        why: trunk.why.clone(),
        registers: trunk.registers,
        registered_s: trunk.registered_s,
        targets: trunk.targets.iter().map(target).collect(),
        calls_in: trunk.calls_in,
        calls_out: trunk.calls_out,
        max_calls: trunk.caps.calls,
        over_limit: trunk.refused,
    }
}

fn agent_view(agent: &acd::AgentView, view: &SwitchView, talking: &BTreeMap<&AgentId, CallId>) -> AgentView {
    AgentView {
        id: agent.agent.clone(),
        name: agent.name.clone(),
        state: agent.state,
        reason: agent.reason.clone(),
        state_since_s: agent.for_ms.unwrap_or(0) / 1000,
        queues: agent.queues.clone(),
        call: talking.get(&agent.agent).copied(),
        contacts: view.contacts.get(&agent.agent).copied().unwrap_or(0),
    }
}
