//! The record itself. Keys are stable: scripts and reports read them.

use super::way::Way;
use crate::events::{Cause, EndedBy, LegRole, MediaReport, Placed, Refusal, ServiceEnd, Source};
use crate::ids::{AgentId, CallId, FlowVersion, LegId, ProjectId, QueueId, Redacted};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One caller's contact, from the first INVITE to the last leg's end. Points in time are wall milliseconds (UTC),
/// `*_ms` are durations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cdr {
    /// Sequence number of the event that completed the record, or of the arrival where the end is missing: unique
    /// within a run of the switch.
    pub seq: u64,
    /// Absent for an INVITE that never became a call.
    pub call_id: Option<CallId>,
    pub sip_call_id: String,
    pub project: Option<ProjectId>,
    pub from: Redacted<String>,
    pub to: String,
    pub source: Option<Source>,
    #[serde(default)]
    pub direction: Direction,
    /// Why the switch began it, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed: Option<Placed>,
    pub started: u64,
    pub answered: Option<u64>,
    pub ended: u64,
    /// Arrival to end.
    pub duration_ms: u64,
    /// Our answer to end: what a trunk bills.
    pub connected_ms: u64,
    /// Two parties joined and neither on hold.
    pub talk_ms: u64,
    /// Two parties joined and one of them on hold.
    pub hold_ms: u64,
    /// In queues, until an answer or another end.
    pub wait_ms: u64,
    /// Phones that rang for the caller, added up.
    pub ring_ms: u64,
    /// The last queue, agent and flow of the contact; the whole way is in `journey`.
    pub queue: Option<QueueId>,
    pub agent: Option<AgentId>,
    pub flow: Option<String>,
    pub flow_version: Option<FlowVersion>,
    pub end: EndedBy,
    pub cause: Cause,
    /// ITU-T Q.850.
    pub q850: u8,
    /// The final SIP status that the caller got: 200 for an answered call.
    pub status: u16,
    pub refused: Option<Refusal>,
    /// The first recording; others follow in `more_recordings`.
    pub recording: Option<String>,
    pub recording_ms: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_recordings: Vec<String>,
    /// Keys that the caller pressed. Which, the record does not say.
    pub keys: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What a call that a flow answered counts as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_end: Option<ServiceEnd>,
    /// It came outside the hours of what it asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed_hours: bool,
    /// What was settled without a human; nothing where the call's end takes that back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved: Vec<String>,
    /// What it was about, as the agent said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposition: Option<String>,
    /// The legs, in order of their start.
    pub segments: Vec<Segment>,
    /// Where the caller was, in order.
    pub journey: Vec<Stage>,
    /// The steps of its flow; stored apart, as [`FlowCall`](super::FlowCall).
    #[serde(skip)]
    pub way: Way,
    /// Legs, stages and tags beyond what one record keeps.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u32,
}

/// Which way a call went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a trunk.
    #[default]
    Inbound,
    /// The switch began it, or an extension that called somebody outside.
    Outbound,
    /// An extension called something of ours.
    Internal,
}

impl Direction {
    pub(super) fn of(cdr: &Cdr) -> Self {
        match cdr.source {
            _ if cdr.placed.is_some() => Self::Outbound,
            Some(Source::Extension(_)) if cdr.outside().next().is_some() => Self::Outbound,
            Some(Source::Extension(_)) => Self::Internal,
            Some(Source::Trunk(_)) | None => Self::Inbound,
        }
    }
}

/// One leg of the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    pub leg: LegId,
    pub role: LegRole,
    /// Whom the leg called; for the caller's own leg, the number dialled.
    pub target: String,
    pub sip_call_id: String,
    pub agent: Option<AgentId>,
    pub started: u64,
    pub ringing: Option<u64>,
    pub answered: Option<u64>,
    /// Absent only in a record that was closed because the process died.
    pub ended: Option<u64>,
    pub cause: Option<Cause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaReport>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    Flow,
    Queue,
    /// An agent's phone rings for the caller.
    Offer,
    Talk,
    /// An agent sends the caller elsewhere.
    Transfer,
}

/// One part of the caller's way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    pub kind: StageKind,
    /// The flow's, queue's or agent's name.
    pub name: String,
    /// From the start of the contact.
    pub at_ms: u64,
    pub duration_ms: u64,
    /// How the stage ended; absent when the call's end ended it.
    pub outcome: Option<String>,
}

impl Cdr {
    /// The record as it is shown to who may not see numbers: those of the outside are masked.
    pub fn masked(&self) -> Cdr {
        let mut shown = self.clone();
        shown.from = Redacted::new(self.from.to_string());
        if self.leads_outside() {
            shown.to = mask(&self.to);
        }
        for segment in &mut shown.segments {
            if segment.role == LegRole::Outside || (segment.role == LegRole::Caller && self.leads_outside()) {
                segment.target = mask(&segment.target);
            }
        }
        for stage in &mut shown.journey {
            let dialled = |target: &str| target.rsplit('/').next() == Some(stage.name.as_str());
            if self.outside().any(|segment| segment.target == stage.name || dialled(&segment.target)) {
                stage.name = mask(&stage.name);
            }
        }
        shown
    }

    fn outside(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.role == LegRole::Outside)
    }

    /// Whether the number dialled is one of the outside, or one that nobody here has.
    fn leads_outside(&self) -> bool {
        let dialled = |target: &str| target.rsplit('/').next() == Some(self.to.as_str());
        self.refused == Some(Refusal::NotOpen)
            || self.placed.is_some()
            || self.outside().any(|segment| dialled(&segment.target))
    }
}

fn mask(text: &str) -> String {
    Redacted::new(text).to_string()
}

/// The record in a line, as a log shows it: who, where to, what became of it.
impl fmt::Display for Cdr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> ", self.from)?;
        match self.leads_outside() {
            true => f.write_str(&mask(&self.to))?,
            false => f.write_str(&self.to)?,
        }
        if let Some(queue) = &self.queue {
            write!(f, ", queue {queue}")?;
        }
        if let Some(agent) = &self.agent {
            write!(f, ", agent {agent}")?;
        }
        let seconds = |ms: u64| ms as f64 / 1000.0;
        match self.refused {
            Some(_) => write!(f, ", refused")?,
            None => write!(f, ", {:.1} s", seconds(self.duration_ms))?,
        }
        if self.talk_ms > 0 {
            write!(f, " ({:.1} s of talk)", seconds(self.talk_ms))?;
        }
        match self.refused {
            Some(reason) => write!(f, ": {}", word(&reason))?,
            None => write!(f, ", ended by the {}: {}", word(&self.end), word(&self.cause))?,
        }
        write!(f, " ({})", self.status)
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The word that a value is written with in events and records, so that tables use the same vocabulary.
pub(super) fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
