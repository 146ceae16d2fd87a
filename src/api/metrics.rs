//! Figures for Prometheus: counters folded from switch events, gauges copied in by the event loop, written in the text
//! format 0.0.4. Names begin with `hotline_`, units are base units, labels take only configured or enumerated values.

mod quality;

use super::projects::ProjectView;
use super::view::{AdmissionView, BudgetView, Snapshot};
use crate::events::{
    Cause, EventKind, OfferResult, Placed, QueueOutcome, Refusal, ServiceEnd, SwitchEvent, TransferOutcome, TrunkFault,
    TrunkStateName,
};
use crate::ids::{QueueId, TrunkId};
use quality::QualityCounts;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Bounds of the wait histogram in seconds; 20 is the usual service level.
const WAIT_BOUNDS_S: [u64; 9] = [5, 10, 15, 20, 30, 60, 120, 300, 600];

/// Counters since the start, and the gauges that the event loop sets before it takes a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub events: EventCounts,
    pub sip: SipFigures,
    pub media: MediaFigures,
    pub store: StoreFigures,
    pub lookups: LookupFigures,
    pub outbox: OutboxFigures,
}

/// What flows have posted.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutboxFigures {
    pub waiting: u64,
    /// For somebody to do.
    pub open: u64,
    /// Given up.
    pub failed: u64,
    pub delivered: u64,
    pub tries_failed: u64,
}

/// Questions to other systems, by what came of them.
#[derive(Clone, Debug, Default)]
pub struct LookupFigures {
    pub outcomes: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct SipFigures {
    pub received: u64,
    pub sent: u64,
    pub retransmitted: u64,
    pub malformed: u64,
    pub dropped: u64,
    /// Requests that nobody listened to.
    pub from_banned: u64,
    pub from_scanners: u64,
    pub connections: u64,
    pub connections_refused: u64,
    pub connections_slow: u64,
    pub handshakes_failed: u64,
    pub transactions: u64,
    pub dialogs: u64,
    pub registrations: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct MediaFigures {
    pub legs: u64,
    pub ports_free: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub lost: u64,
    pub stray: u64,
    pub forged: u64,
    pub malformed: u64,
    /// Sends that the kernel refused.
    pub send_errors: u64,
    /// Whole milliseconds by which media workers woke up too late.
    pub late_ms: u64,
    /// Packets that found no room on their way to the recorder.
    pub unrecorded: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreFigures {
    pub queued: u64,
    pub written: u64,
    pub dropped: u64,
    pub failures: u64,
}

/// What the events have told so far.
#[derive(Clone, Debug, Default)]
pub struct EventCounts {
    pub arrived: u64,
    /// Calls that the switch began, by what for.
    pub placed: BTreeMap<Placed, u64>,
    pub answered: u64,
    pub ended: BTreeMap<Cause, u64>,
    pub refused: BTreeMap<Refusal, u64>,
    pub offers: BTreeMap<&'static str, u64>,
    pub queues: BTreeMap<QueueId, QueueCounts>,
    /// Calls that a flow answered.
    pub service: BTreeMap<ServiceEnd, u64>,
    pub transfers: BTreeMap<TransferOutcome, u64>,
    pub transfers_refused: u64,
    pub messages_delivered: u64,
    pub messages_refused: u64,
    /// Calls that a trunk did not take, by reason.
    pub trunk_failures: BTreeMap<(TrunkId, TrunkFault), u64>,
    /// By reason.
    pub auth_failed: BTreeMap<String, u64>,
    pub contacts_silent: u64,
    /// Calls to the outside that an extension may not have made, by the rule.
    pub toll_barred: BTreeMap<String, u64>,
    pub registered_elsewhere: u64,
    pub banned: u64,
    pub shed: u64,
    pub rtp_timeouts: u64,
    pub quality: QualityCounts,
    pub recordings_failed: u64,
    pub alarms: u64,
}

#[derive(Clone, Debug, Default)]
pub struct QueueCounts {
    pub entered: u64,
    pub left: BTreeMap<QueueOutcome, u64>,
    /// Waits of answered callers, not cumulative; the last slot is what is beyond every bound.
    pub waits: [u64; WAIT_BOUNDS_S.len() + 1],
    pub wait_ms_sum: u64,
}

impl EventCounts {
    pub fn apply(&mut self, event: &SwitchEvent) {
        match &event.kind {
            EventKind::CallArrived { .. } => self.arrived += 1,
            EventKind::CallPlaced { why, .. } => *self.placed.entry(*why).or_default() += 1,
            EventKind::CallAnswered { .. } => self.answered += 1,
            EventKind::CallEnded { cause, .. } => *self.ended.entry(*cause).or_default() += 1,
            EventKind::CallRefused { reason, .. } => *self.refused.entry(*reason).or_default() += 1,
            EventKind::Queued { queue, .. } => self.queues.entry(queue.clone()).or_default().entered += 1,
            EventKind::OfferEnded { result, .. } => *self.offers.entry(offer(*result)).or_default() += 1,
            EventKind::Dequeued { queue, outcome, waited_ms, .. } => {
                let counts = self.queues.entry(queue.clone()).or_default();
                *counts.left.entry(*outcome).or_default() += 1;
                if *outcome == QueueOutcome::Answered {
                    let slot = WAIT_BOUNDS_S.iter().position(|bound| *waited_ms <= bound * 1000);
                    counts.waits[slot.unwrap_or(WAIT_BOUNDS_S.len())] += 1;
                    counts.wait_ms_sum += waited_ms;
                }
            }
            EventKind::ServiceEnded { end, .. } => *self.service.entry(*end).or_default() += 1,
            EventKind::TransferEnded { outcome, .. } => *self.transfers.entry(*outcome).or_default() += 1,
            EventKind::TransferRefused { .. } => self.transfers_refused += 1,
            EventKind::Message { status: 200..300, .. } => self.messages_delivered += 1,
            EventKind::Message { .. } => self.messages_refused += 1,
            EventKind::AuthFailed { why, count, .. } => {
                *self.auth_failed.entry(why.replace(' ', "_")).or_default() += u64::from(*count);
            }
            EventKind::TollBarred { why, .. } => *self.toll_barred.entry(why.clone()).or_default() += 1,
            EventKind::RegisteredElsewhere { .. } => self.registered_elsewhere += 1,
            EventKind::SourceBanned { .. } => self.banned += 1,
            EventKind::ContactSilent { .. } => self.contacts_silent += 1,
            EventKind::TrunkFailed { trunk, why, .. } => {
                *self.trunk_failures.entry((trunk.clone(), *why)).or_default() += 1;
            }
            EventKind::CallsShed { count, .. } => self.shed += count,
            EventKind::RtpTimeout { .. } => self.rtp_timeouts += 1,
            EventKind::MediaReport { report, .. } => self.quality.report(report),
            EventKind::Fax { relayed, .. } => self.quality.fax(*relayed),
            EventKind::MediaTrouble { trouble, .. } => self.quality.trouble(trouble),
            EventKind::RecordingFailed { .. } => self.recordings_failed += 1,
            EventKind::Alarm { .. } => self.alarms += 1,
            // Steps within a call, and states that are shown as gauges of the snapshot.
            EventKind::LegStarted { .. }
            | EventKind::LegRinging { .. }
            | EventKind::LegAnswered { .. }
            | EventKind::LegEnded { .. }
            | EventKind::LegMoved { .. }
            | EventKind::LegTaken { .. }
            | EventKind::LegHeld { .. }
            | EventKind::LegResumed { .. }
            | EventKind::FlowStarted { .. }
            | EventKind::FlowStep { .. }
            | EventKind::FlowOutcome { .. }
            | EventKind::FlowLeft { .. }
            | EventKind::Key { .. }
            | EventKind::Collected { .. }
            | EventKind::Tagged { .. }
            | EventKind::Resolved { .. }
            | EventKind::Disposed { .. }
            | EventKind::Answered { .. }
            | EventKind::SwitchFlipped { .. }
            | EventKind::Lending { .. }
            | EventKind::AgentLent { .. }
            | EventKind::PostSettled { .. }
            | EventKind::Posted { .. }
            | EventKind::FlowEnded { .. }
            | EventKind::Offered { .. }
            | EventKind::Bridged { .. }
            | EventKind::Unbridged { .. }
            | EventKind::TransferStarted { .. }
            | EventKind::Redirected { .. }
            | EventKind::TrunkRedirected { .. }
            | EventKind::RecordingStarted { .. }
            | EventKind::RecordingEnded { .. }
            | EventKind::RecordingPaused { .. }
            | EventKind::RecordingResumed { .. }
            | EventKind::Supervised { .. }
            | EventKind::SupervisionEnded { .. }
            | EventKind::ThirdJoined { .. }
            | EventKind::AgentState { .. }
            | EventKind::Registered { .. }
            | EventKind::Unregistered { .. }
            | EventKind::SourceFreed { .. }
            | EventKind::ContactBack { .. }
            | EventKind::CallerKnown { .. }
            | EventKind::NumberRewritten { .. }
            | EventKind::TrunkState { .. }
            | EventKind::BundleLoaded { .. }
            | EventKind::BundleRefused { .. }
            | EventKind::Draining
            | EventKind::DrainEnded => {}
        }
    }
}

fn offer(result: OfferResult) -> &'static str {
    match result {
        OfferResult::Answered => "answered",
        OfferResult::NoAnswer => "no_answer",
        OfferResult::Busy => "busy",
        OfferResult::Declined => "declined",
        OfferResult::Unreachable => "unreachable",
        OfferResult::Withdrawn => "withdrawn",
        OfferResult::NoPort => "no_port",
    }
}

/// The whole page.
pub fn page(snapshot: &Snapshot) -> String {
    let mut out = Page(String::with_capacity(8192));
    let (status, metrics) = (&snapshot.status, &snapshot.metrics);
    out.family("build_info", "gauge", "Always 1; the version is in the label.");
    out.sample("build_info", &[("version", &status.version)], 1);
    out.one("uptime_seconds", "gauge", "Time since the switch started.", status.uptime_s);
    out.one("calls", "gauge", "Calls in progress.", u64::from(status.calls));
    out.one("calls_limit", "gauge", "Calls that the switch takes at once.", u64::from(status.max_calls));
    admission(&mut out, &snapshot.admission);
    events(&mut out, &metrics.events);
    queues(&mut out, snapshot);
    projects(&mut out, snapshot);
    trunks(&mut out, snapshot);
    sip(&mut out, &metrics.sip);
    media(&mut out, &metrics.media);
    quality::write(&mut out, &metrics.events.quality);
    store(&mut out, &metrics.store);
    lookups(&mut out, &snapshot.metrics.lookups);
    outbox(&mut out, &snapshot.metrics.outbox);
    out.0
}

fn events(out: &mut Page, counts: &EventCounts) {
    out.one("calls_arrived_total", "counter", "Calls taken in hand.", counts.arrived);
    out.family("calls_placed_total", "counter", "Calls that the switch began, by what for.");
    for (why, count) in &counts.placed {
        out.sample("calls_placed_total", &[("why", &word(why))], *count);
    }
    out.one("calls_answered_total", "counter", "Calls answered by the switch.", counts.answered);
    out.family("calls_ended_total", "counter", "Calls that are over, by cause.");
    for (cause, count) in &counts.ended {
        out.sample("calls_ended_total", &[("cause", &word(cause))], *count);
    }
    out.family("calls_refused_total", "counter", "INVITEs that never became a call, by reason.");
    for (reason, count) in &counts.refused {
        out.sample("calls_refused_total", &[("reason", &word(reason))], *count);
    }
    out.one(
        "calls_shed_total",
        "counter",
        "INVITEs refused unread: more than a second may bring, or than the switch keeps up with.",
        counts.shed,
    );
    out.family("offers_total", "counter", "Callers offered to an agent, by result.");
    for (result, count) in &counts.offers {
        out.sample("offers_total", &[("result", result)], *count);
    }
    out.family("flow_calls_total", "counter", "Calls that a flow answered, by what they count as.");
    for (end, count) in &counts.service {
        out.sample("flow_calls_total", &[("end", end.as_str())], *count);
    }
    out.family("transfers_total", "counter", "Callers whom an agent sent elsewhere, by outcome.");
    for (outcome, count) in &counts.transfers {
        out.sample("transfers_total", &[("outcome", &word(outcome))], *count);
    }
    let refused = counts.transfers_refused;
    out.one("transfers_refused_total", "counter", "Transfers that were not allowed.", refused);
    let (delivered, refused) = (counts.messages_delivered, counts.messages_refused);
    out.one("messages_delivered_total", "counter", "Texts between extensions that a phone took.", delivered);
    out.one("messages_refused_total", "counter", "Texts between extensions that were not delivered.", refused);
    out.family("auth_failures_total", "counter", "Requests with a wrong proof of identity, by reason.");
    for (reason, count) in &counts.auth_failed {
        out.sample("auth_failures_total", &[("reason", reason)], *count);
    }
    out.family("toll_barred_total", "counter", "Calls to the outside that an extension may not make, by rule.");
    for (why, count) in &counts.toll_barred {
        out.sample("toll_barred_total", &[("why", why)], *count);
    }
    let elsewhere = "Registrations from another network than all other phones of the extension.";
    out.one("registrations_elsewhere_total", "counter", elsewhere, counts.registered_elsewhere);
    out.one("sources_banned_total", "counter", "Addresses that were banned.", counts.banned);
    out.one("contacts_silent_total", "counter", "Phones behind NAT that stopped answering.", counts.contacts_silent);
    out.one("rtp_timeouts_total", "counter", "Legs whose audio stopped.", counts.rtp_timeouts);
    out.one("recordings_failed_total", "counter", "Recordings that broke off.", counts.recordings_failed);
    out.one("alarms_total", "counter", "Alarms raised.", counts.alarms);
}

fn admission(out: &mut Page, admission: &AdmissionView) {
    type Figure = fn(&BudgetView) -> u32;
    let figures: [(&str, &str, Figure); 3] = [
        ("budget_calls", "Calls in progress that take from a budget.", |budget| budget.calls),
        ("budget_guarantee", "Calls that are always there for a budget.", |budget| budget.guarantee),
        ("budget_ceiling", "The most calls that a budget may hold.", |budget| budget.ceiling),
    ];
    for (name, help, figure) in figures {
        out.family(name, "gauge", help);
        for budget in &admission.budgets {
            out.sample(name, &[("budget", budget.id.as_str())], u64::from(figure(budget)));
        }
    }
    let level = "How far new calls are turned away for load, the least urgent first: 0 nobody, 100 most.";
    out.one("overload_level", "gauge", level, u64::from(admission.overload));
    out.one("calls_admitted_total", "counter", "Calls that were given a place.", admission.admitted);
    out.one("permits_mended_total", "counter", "Permits that did not match their calls.", admission.mended);
}

fn queues(out: &mut Page, snapshot: &Snapshot) {
    out.family("queue_waiting", "gauge", "Callers waiting.");
    for queue in &snapshot.queues {
        out.sample("queue_waiting", &[("queue", queue.id.as_str())], u64::from(queue.waiting));
    }
    out.family("queue_agents", "gauge", "Agents of a queue, by state.");
    for queue in &snapshot.queues {
        let states =
            [("ready", queue.agents_ready), ("busy", queue.agents_busy), ("logged_in", queue.agents_logged_in)];
        for (state, count) in states {
            out.sample("queue_agents", &[("queue", queue.id.as_str()), ("state", state)], u64::from(count));
        }
    }
    let counts = &snapshot.metrics.events.queues;
    out.family("queue_entered_total", "counter", "Callers who entered a queue.");
    for (queue, counts) in counts {
        out.sample("queue_entered_total", &[("queue", queue.as_str())], counts.entered);
    }
    out.family("queue_left_total", "counter", "Callers who left a queue, by outcome.");
    for (queue, counts) in counts {
        for (outcome, count) in &counts.left {
            out.sample("queue_left_total", &[("queue", queue.as_str()), ("outcome", &word(outcome))], *count);
        }
    }
    out.family("queue_wait_seconds", "histogram", "Time to answer of answered callers.");
    for (queue, counts) in counts {
        let name = queue.as_str();
        let mut below = 0;
        for (bound, count) in WAIT_BOUNDS_S.iter().zip(counts.waits) {
            below += count;
            out.sample("queue_wait_seconds_bucket", &[("queue", name), ("le", &bound.to_string())], below);
        }
        let total = counts.waits.iter().sum();
        out.sample("queue_wait_seconds_bucket", &[("queue", name), ("le", "+Inf")], total);
        out.line("queue_wait_seconds_sum", &[("queue", name)], &format!("{:.3}", counts.wait_ms_sum as f64 / 1000.0));
        out.sample("queue_wait_seconds_count", &[("queue", name)], total);
    }
}

/// Today's, so that they fall at midnight; rates of longer times come from the counters of queues.
fn projects(out: &mut Page, snapshot: &Snapshot) {
    let each = || snapshot.projects.iter().map(|project| (project, &project.today));
    out.family("project_calls_today", "gauge", "Callers of today whose wait for a human is over, by outcome.");
    for (project, today) in each() {
        let short = today.short_abandoned;
        let outcomes = [
            ("answered", today.answered),
            ("abandoned", today.abandoned - short),
            ("short_abandoned", short),
            ("unserved", today.unserved),
        ];
        for (outcome, count) in outcomes {
            out.sample("project_calls_today", &[("project", project.id.as_str()), ("outcome", outcome)], count);
        }
    }
    type Share = fn(&ProjectView) -> Option<f64>;
    let shares: [(&str, &str, Share); 3] = [
        ("project_answer_rate_today", "Answered of offered, from 0 to 1.", |project| project.today.answer_rate),
        ("project_service_level_today", "By F4, from 0 to 1.", |project| project.today.service_level.f4),
        ("project_occupancy_today", "Share of agents' time at work, from 0 to 1.", |project| project.occupancy),
    ];
    for (name, help, share) in shares {
        out.family(name, "gauge", help);
        for project in &snapshot.projects {
            if let Some(share) = share(project) {
                out.line(name, &[("project", project.id.as_str())], &format!("{share:.4}"));
            }
        }
    }
    out.family("lent_agents", "gauge", "Agents who serve another project, by plan.");
    for plan in &snapshot.lending {
        out.sample("lent_agents", &[("plan", plan.plan.as_str())], plan.lent.len() as u64);
    }
    out.family("project_abandons_left", "gauge", "Callers who may still be lost today before the answer rate misses.");
    for project in &snapshot.projects {
        if let Some(burn) = project.burn {
            out.sample("project_abandons_left", &[("project", project.id.as_str())], burn.more_abandons);
        }
    }
}

fn sip(out: &mut Page, sip: &SipFigures) {
    out.one("sip_messages_received_total", "counter", "SIP messages read.", sip.received);
    out.one("sip_messages_sent_total", "counter", "SIP messages written.", sip.sent);
    out.one("sip_retransmissions_total", "counter", "SIP messages sent again.", sip.retransmitted);
    out.one("sip_malformed_total", "counter", "Datagrams and streams that are not SIP.", sip.malformed);
    out.one("sip_dropped_total", "counter", "SIP messages dropped at a bound.", sip.dropped);
    out.one("sip_banned_dropped_total", "counter", "Messages of banned addresses.", sip.from_banned);
    out.one("sip_scanners_dropped_total", "counter", "Requests of scanners, unanswered.", sip.from_scanners);
    out.one("sip_connections", "gauge", "Stream connections that are up.", sip.connections);
    let slow = "Connections closed because no whole message came in time.";
    out.one("sip_connections_slow_total", "counter", slow, sip.connections_slow);
    let refused = sip.connections_refused;
    out.one("sip_connections_refused_total", "counter", "Connections beyond a bound.", refused);
    let failed = sip.handshakes_failed;
    let help = "TLS and WebSocket handshakes that failed or took too long.";
    out.one("sip_tls_handshakes_failed_total", "counter", help, failed);
    out.one("sip_transactions", "gauge", "Transactions under way.", sip.transactions);
    out.one("sip_dialogs", "gauge", "Dialogs under way.", sip.dialogs);
    out.one("registrations", "gauge", "Contacts registered.", sip.registrations);
}

fn trunks(out: &mut Page, snapshot: &Snapshot) {
    out.family("trunk_state", "gauge", "1 for the state that a trunk is in.");
    for trunk in &snapshot.trunks {
        for state in TrunkStateName::ALL {
            let labels = [("trunk", trunk.id.as_str()), ("state", state.as_str())];
            out.sample("trunk_state", &labels, u64::from(trunk.state == state));
        }
    }
    out.family("trunk_calls", "gauge", "Calls that a trunk carries.");
    for trunk in &snapshot.trunks {
        for (direction, calls) in [("in", trunk.calls_in), ("out", trunk.calls_out)] {
            out.sample("trunk_calls", &[("trunk", trunk.id.as_str()), ("direction", direction)], u64::from(calls));
        }
    }
    out.family("trunk_calls_over_limit_total", "counter", "Calls beyond what a trunk's limits allow.");
    for trunk in &snapshot.trunks {
        out.sample("trunk_calls_over_limit_total", &[("trunk", trunk.id.as_str())], trunk.over_limit);
    }
    out.family("trunk_failures_total", "counter", "Calls that a trunk did not take, by reason.");
    for ((trunk, why), count) in &snapshot.metrics.events.trunk_failures {
        out.sample("trunk_failures_total", &[("trunk", trunk.as_str()), ("why", &word(why))], *count);
    }
}

fn media(out: &mut Page, media: &MediaFigures) {
    out.one("media_legs", "gauge", "Legs with media.", media.legs);
    out.one("media_ports_free", "gauge", "Port pairs ready for use.", media.ports_free);
    out.one("rtp_packets_received_total", "counter", "RTP packets taken.", media.packets_in);
    out.one("rtp_packets_sent_total", "counter", "RTP packets sent.", media.packets_out);
    out.one("rtp_packets_lost_total", "counter", "RTP packets missing in what was received.", media.lost);
    out.one("rtp_packets_stray_total", "counter", "RTP packets from a third address, unheard.", media.stray);
    out.one(
        "srtp_packets_forged_total",
        "counter",
        "Packets of encrypted legs that were not the peer's.",
        media.forged,
    );
    out.one("rtp_packets_malformed_total", "counter", "Datagrams on RTP ports that are not RTP.", media.malformed);
    out.one("rtp_send_errors_total", "counter", "RTP sends that the kernel refused.", media.send_errors);
    out.family("media_late_seconds_total", "counter", "By how much media workers woke up too late, added up.");
    out.line("media_late_seconds_total", &[], &format!("{:.3}", media.late_ms as f64 / 1000.0));
    let unrecorded = "Packets that found no room on their way to the recorder.";
    out.one("recording_packets_lost_total", "counter", unrecorded, media.unrecorded);
}

fn lookups(out: &mut Page, lookups: &LookupFigures) {
    out.family("lookups_total", "counter", "Questions of flows to other systems, by what came of them.");
    for (outcome, count) in &lookups.outcomes {
        out.sample("lookups_total", &[("outcome", outcome)], *count);
    }
}

fn outbox(out: &mut Page, outbox: &OutboxFigures) {
    out.one("outbox_waiting", "gauge", "Messages of flows that are to be delivered.", outbox.waiting);
    out.one("outbox_open", "gauge", "Messages of flows for somebody to do, such as callbacks.", outbox.open);
    out.one("outbox_failed", "gauge", "Messages of flows that were given up.", outbox.failed);
    out.one("outbox_delivered_total", "counter", "Messages of flows delivered.", outbox.delivered);
    out.one("outbox_tries_failed_total", "counter", "Deliveries that failed.", outbox.tries_failed);
}

fn store(out: &mut Page, store: &StoreFigures) {
    out.one("store_events_queued", "gauge", "Events not yet in the database.", store.queued);
    out.one("store_events_written_total", "counter", "Events in the database.", store.written);
    out.one("store_events_dropped_total", "counter", "Events lost because the queue was full.", store.dropped);
    out.one("store_failures_total", "counter", "Writes that the database refused.", store.failures);
}

/// A label value from the snake_case name that the event has in JSON.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "other".into(),
    }
}

struct Page(String);

impl Page {
    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP hotline_{name} {help}\n# TYPE hotline_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.line(name, labels, &value.to_string());
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: &str) {
        let _ = write!(self.0, "hotline_{name}");
        for (index, (key, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{key}=\"", if index == 0 { '{' } else { ',' });
            for c in text.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CallId, TicketId};

    fn event(kind: EventKind) -> SwitchEvent {
        SwitchEvent { seq: 1, wall: 0, mono: 0, call: Some(CallId(1)), kind }
    }

    fn answered_after(waited_ms: u64) -> SwitchEvent {
        let (ticket, queue) = (TicketId(1), QueueId::new("service"));
        event(EventKind::Dequeued { ticket, queue, outcome: QueueOutcome::Answered, waited_ms })
    }

    #[test]
    fn a_wait_lands_in_every_bucket_at_or_above_it() {
        let mut snapshot = Snapshot::default();
        for waited in [4_000, 20_000, 20_001, 9_000_000] {
            snapshot.metrics.events.apply(&answered_after(waited));
        }
        let text = page(&snapshot);
        let bucket = |le: &str| {
            let start = format!("hotline_queue_wait_seconds_bucket{{queue=\"service\",le=\"{le}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().to_string()
        };
        assert_eq!([bucket("5"), bucket("20"), bucket("30"), bucket("600"), bucket("+Inf")], ["1", "2", "3", "3", "4"]);
        assert!(text.contains("hotline_queue_wait_seconds_sum{queue=\"service\"} 9044.001\n"), "{text}");
        assert!(text.contains("hotline_queue_left_total{queue=\"service\",outcome=\"answered\"} 4\n"));
    }

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut snapshot = Snapshot::default();
        snapshot.status.version = "a\"} 1\nevil 2\\".into();
        assert!(page(&snapshot).contains("hotline_build_info{version=\"a\\\"} 1\\nevil 2\\\\\"} 1\n"));
    }

    /// The text format wants HELP and TYPE once per family, before its samples, and no sample twice.
    #[test]
    fn the_page_is_well_formed() {
        let mut snapshot = Snapshot::default();
        snapshot.metrics.events.apply(&answered_after(1));
        snapshot
            .metrics
            .events
            .apply(&event(EventKind::CallEnded { cause: Cause::RtpTimeout, by: crate::events::EndedBy::System }));
        let text = page(&snapshot);
        assert!(text.contains("hotline_calls_ended_total{cause=\"rtp_timeout\"} 1\n"));
        let mut family = "";
        let (mut families, mut samples) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split(' ').next().unwrap();
                assert!(families.insert(family), "{family} has two HELP lines");
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert!(name.starts_with(family), "{line} is not under its own HELP");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                assert!(samples.insert(name), "{name} is there twice");
            }
        }
    }
}
