//! Events in, records out.

use super::record::{Cdr, Direction, Segment, Stage, StageKind, word};
use super::way::Way;
use crate::events::{Cause, EndedBy, EventKind, LegRole, QueueOutcome, Refusal, ServiceEnd, SwitchEvent};
use crate::ids::{AgentId, CallId, LegId, Redacted, TicketId};
use std::collections::{BTreeMap, BTreeSet};

/// Calls open at once. Admission keeps the real number far below; if ends of calls are missing from a journal, the
/// oldest record is closed as interrupted so that the table does not grow.
const MAX_OPEN: usize = 100_000;

/// Legs of one call that its record keeps: a long hunt over agents fits, a loop does not fill the disk.
const MAX_SEGMENTS: usize = 64;

/// Stages of one call that its record keeps.
const MAX_STAGES: usize = 256;

/// Characters kept of one text: longer than any number, name or Call-ID that means something.
const MAX_TEXT: usize = 256;

/// Tags, topics and recordings of one call that its record keeps, each.
const MAX_NOTES: usize = 32;

/// Folds events, in their order, into call records.
#[derive(Clone, Debug)]
pub struct Fold {
    open: BTreeMap<CallId, Open>,
    max_open: usize,
    /// The last moment known of the switch: (monotonic, wall).
    last: (u64, u64),
}

impl Default for Fold {
    fn default() -> Self {
        Self { open: BTreeMap::new(), max_open: MAX_OPEN, last: (0, 0) }
    }
}

impl Fold {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one event. Returns a record when the event completed one: the end of a call, a refused call, or (only when
    /// the table is full) the oldest call, closed as interrupted. Events of calls that are not open change nothing.
    pub fn apply(&mut self, event: &SwitchEvent) -> Option<Cdr> {
        self.last = (event.mono, event.wall);
        if let EventKind::CallRefused { from, to, reason, status, source, sip_call_id, .. } = &event.kind {
            let cdr = refused(event, from, to.expose(), *reason, *status);
            return Some(Cdr { source: source.clone(), sip_call_id: cut(sip_call_id), ..cdr });
        }
        let call = event.call?;
        match &event.kind {
            EventKind::CallArrived { .. } | EventKind::CallPlaced { .. } => self.arrived(call, event),
            EventKind::CallEnded { cause, by } => {
                let open = self.open.remove(&call)?;
                // What comes after the last leg's end are reports only.
                let (mono, wall) = open.parted.unwrap_or((event.mono, event.wall));
                Some(open.close(event.seq, mono, wall, *cause, *by))
            }
            _ => {
                self.open.get_mut(&call)?.apply(event);
                None
            }
        }
    }

    /// Calls without an end yet, in order of their ids.
    pub fn open_calls(&self) -> impl ExactSizeIterator<Item = CallId> + '_ {
        self.open.keys().copied()
    }

    /// The switch was still at work at `wall`, though it had nothing to tell.
    pub fn alive(&mut self, wall: u64) {
        let since = wall.saturating_sub(self.last.1);
        self.last = (self.last.0 + since, self.last.1 + since);
    }

    /// The last moment known of the switch: monotonic, wall.
    pub fn last_sign(&self) -> (u64, u64) {
        self.last
    }

    /// Closes every open call as interrupted: the process that ran them is gone. They end with the last sign of life in
    /// the journal, because nobody knows what was after it, and never later than `wall`, the time of writing.
    pub fn interrupt(&mut self, wall: u64) -> Vec<Cdr> {
        let (mono, last_wall) = self.last;
        std::mem::take(&mut self.open).into_values().map(|open| open.interrupted(mono, last_wall.min(wall))).collect()
    }

    fn arrived(&mut self, call: CallId, event: &SwitchEvent) -> Option<Cdr> {
        let open = Open::new(call, event)?;
        let full = self.open.len() >= self.max_open && !self.open.contains_key(&call);
        let pushed_out = if full { self.open.pop_first() } else { None };
        let replaced = self.open.insert(call, open);
        let gone = pushed_out.map(|(_, open)| open).or(replaced)?;
        Some(gone.interrupted(event.mono, event.wall))
    }

    #[cfg(test)]
    pub(super) fn with_max_open(max_open: usize) -> Self {
        Self { max_open, ..Self::default() }
    }
}

/// A call without an end: the record so far, and what is needed to go on with it.
#[derive(Clone, Debug)]
struct Open {
    cdr: Cdr,
    started_mono: u64,
    answered_mono: Option<u64>,
    /// When the last leg ended (monotonic, wall), while none is left.
    parted: Option<(u64, u64)>,
    /// Since when each phone rings, by leg.
    ringing: BTreeMap<LegId, u64>,
    bridges: BTreeSet<(LegId, LegId)>,
    held: BTreeSet<LegId>,
    /// Since when the caller is in talk or hold.
    together: Option<(Together, u64)>,
    /// Stages without an end: their place in the journey.
    in_flow: Vec<usize>,
    in_queue: Option<(TicketId, usize)>,
    offers: BTreeMap<AgentId, usize>,
    talking: Option<usize>,
    transfer: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Together {
    Talk,
    Hold,
}

impl Open {
    fn new(call: CallId, event: &SwitchEvent) -> Option<Self> {
        let (EventKind::CallArrived { from, to, project, .. } | EventKind::CallPlaced { from, to, project, .. }) =
            &event.kind
        else {
            return None;
        };
        let mut cdr = blank(event, from, to.expose());
        cdr.call_id = Some(call);
        cdr.project.clone_from(project);
        match &event.kind {
            EventKind::CallArrived { to, source, sip_call_id, leg, .. } => {
                cdr.sip_call_id = cut(sip_call_id);
                cdr.source = Some(source.clone());
                cdr.segments.push(segment(*leg, LegRole::Caller, to.expose(), sip_call_id, event.wall));
            }
            EventKind::CallPlaced { why, agent, .. } => {
                cdr.placed = Some(*why);
                cdr.agent.clone_from(agent);
            }
            _ => {}
        }
        Some(Self {
            cdr,
            started_mono: event.mono,
            answered_mono: None,
            parted: None,
            ringing: BTreeMap::new(),
            bridges: BTreeSet::new(),
            held: BTreeSet::new(),
            together: None,
            in_flow: Vec::new(),
            in_queue: None,
            offers: BTreeMap::new(),
            talking: None,
            transfer: None,
        })
    }

    fn apply(&mut self, event: &SwitchEvent) {
        let (mono, wall) = (event.mono, event.wall);
        match &event.kind {
            EventKind::CallAnswered { leg } => {
                self.answered_mono.get_or_insert(mono);
                self.cdr.answered.get_or_insert(wall);
                self.with_segment(*leg, |segment| _ = segment.answered.get_or_insert(wall));
            }
            EventKind::LegStarted { leg, role, target, sip_call_id } => {
                self.leg_started(*leg, *role, target.expose(), sip_call_id, wall)
            }
            EventKind::LegRinging { leg } => {
                // Nobody waits for a supervisor's phone.
                let is_called = |s: &Segment| !matches!(s.role, LegRole::Caller | LegRole::Supervisor);
                let is_called = !self.cdr.segments.iter().any(|s| s.leg == *leg && !is_called(s));
                if is_called && self.ringing.len() < MAX_SEGMENTS {
                    self.ringing.entry(*leg).or_insert(mono);
                }
                self.with_segment(*leg, |segment| _ = segment.ringing.get_or_insert(wall));
            }
            EventKind::LegAnswered { leg } => {
                self.ring_over(*leg, mono);
                self.with_segment(*leg, |segment| _ = segment.answered.get_or_insert(wall));
            }
            EventKind::LegTaken { leg, role, target, sip_call_id, .. } => {
                self.leg_started(*leg, *role, target.expose(), sip_call_id, wall);
                self.with_segment(*leg, |segment| segment.answered = Some(wall));
            }
            EventKind::LegMoved { leg, .. } => self.leg_ended(*leg, Cause::Normal, mono, wall),
            EventKind::LegEnded { leg, cause } => self.leg_ended(*leg, *cause, mono, wall),
            EventKind::LegHeld { leg } => {
                if self.held.len() < MAX_SEGMENTS {
                    self.held.insert(*leg);
                }
                self.account(mono);
            }
            EventKind::LegResumed { leg } => {
                self.held.remove(leg);
                self.account(mono);
            }
            EventKind::MediaReport { leg, report } => self.with_segment(*leg, |segment| segment.media = Some(*report)),
            EventKind::Bridged { a, b, agent } => self.bridged((*a, *b), agent.as_ref(), mono),
            EventKind::Unbridged { a, b } => self.unbridged((*a, *b), mono),
            EventKind::Queued { ticket, queue, .. } => {
                let stage = self.enter(StageKind::Queue, queue.as_str(), mono);
                self.in_queue = stage.map(|at| (*ticket, at));
                self.cdr.queue = Some(queue.clone());
            }
            EventKind::Offered { agent, .. } => {
                if let Some(at) = self.enter(StageKind::Offer, agent.as_str(), mono) {
                    self.offers.insert(agent.clone(), at);
                }
            }
            EventKind::OfferEnded { agent, result, .. } => {
                let at = self.offers.remove(agent);
                self.leave(at, mono, Some(word(result)));
            }
            EventKind::Dequeued { ticket, outcome, waited_ms, .. } => {
                self.dequeued(*ticket, *outcome, *waited_ms, mono)
            }
            EventKind::FlowStarted { flow, version } => {
                self.cdr.flow = Some(flow.clone());
                self.cdr.flow_version = Some(version.clone());
                if let Some(at) = self.enter(StageKind::Flow, flow, mono) {
                    self.in_flow.push(at);
                }
            }
            EventKind::FlowEnded { flow, outcome } => {
                let journey = &self.cdr.journey;
                if let Some(open) =
                    self.in_flow.iter().rposition(|at| journey.get(*at).is_some_and(|s| s.name == *flow))
                {
                    let at = self.in_flow.remove(open);
                    self.leave(Some(at), mono, Some(outcome.clone()));
                }
            }
            EventKind::ServiceEnded { end, closed, account } => {
                self.cdr.way.account(account.as_ref());
                self.service_ended(*end, *closed);
            }
            EventKind::FlowStep { flow, section, step, verb } => self.cdr.way.enter(flow, section, *step, verb, mono),
            EventKind::FlowOutcome { section, step, outcome, asked, .. } => {
                self.cdr.way.leave((section, *step), mono, |visit| {
                    (visit.outcome, visit.asked) = (Some(cut(outcome)), *asked);
                });
            }
            EventKind::FlowLeft { section, step, during, asked } => {
                self.cdr.way.leave((section, *step), mono, |visit| {
                    (visit.left, visit.asked) = (Some(*during), *asked);
                });
            }
            EventKind::Key { .. } => self.cdr.keys = self.cdr.keys.saturating_add(1),
            EventKind::Tagged { tag } => keep(&mut self.cdr.tags, &mut self.cdr.left_out, tag),
            EventKind::Disposed { code, .. } => self.cdr.disposition = Some(cut(code)),
            EventKind::Resolved { topic } => {
                self.cdr.way.topic(topic);
                keep(&mut self.cdr.resolved, &mut self.cdr.left_out, topic);
            }
            EventKind::TransferStarted { to, .. } => self.transfer = self.enter(StageKind::Transfer, to.expose(), mono),
            EventKind::TransferEnded { outcome, .. } => {
                let at = self.transfer.take();
                self.leave(at, mono, Some(word(outcome)));
            }
            EventKind::RecordingStarted { file } => self.recording_started(file),
            EventKind::RecordingEnded { file, length_ms } => {
                if self.cdr.recording.as_ref() == Some(&cut(file)) {
                    self.cdr.recording_ms = *length_ms;
                }
            }
            // The turning points of a call that its record does not keep: the journal has them, `call show` reads it.
            EventKind::Collected { .. }
            | EventKind::Answered { .. }
            | EventKind::Posted { .. }
            | EventKind::TollBarred { .. }
            | EventKind::RecordingFailed { .. }
            | EventKind::RecordingPaused { .. }
            | EventKind::RecordingResumed { .. }
            | EventKind::Supervised { .. }
            | EventKind::SupervisionEnded { .. }
            | EventKind::ThirdJoined { .. }
            | EventKind::RtpTimeout { .. }
            | EventKind::MediaTrouble { .. }
            | EventKind::Fax { .. }
            | EventKind::TransferRefused { .. }
            | EventKind::CallerKnown { .. }
            | EventKind::NumberRewritten { .. }
            | EventKind::TrunkFailed { .. }
            | EventKind::Redirected { .. }
            | EventKind::TrunkRedirected { .. }
            | EventKind::Alarm { .. } => {}
            // Never of one call, or dealt with before this.
            EventKind::CallArrived { .. }
            | EventKind::CallPlaced { .. }
            | EventKind::SwitchFlipped { .. }
            | EventKind::Lending { .. }
            | EventKind::AgentLent { .. }
            | EventKind::PostSettled { .. }
            | EventKind::CallRefused { .. }
            | EventKind::CallsShed { .. }
            | EventKind::CallEnded { .. }
            | EventKind::AgentState { .. }
            | EventKind::Registered { .. }
            | EventKind::Unregistered { .. }
            | EventKind::ContactSilent { .. }
            | EventKind::ContactBack { .. }
            | EventKind::AuthFailed { .. }
            | EventKind::RegisteredElsewhere { .. }
            | EventKind::SourceBanned { .. }
            | EventKind::SourceFreed { .. }
            | EventKind::TrunkState { .. }
            | EventKind::Message { .. }
            | EventKind::BundleLoaded { .. }
            | EventKind::BundleRefused { .. }
            | EventKind::Draining
            | EventKind::DrainEnded => {}
        }
    }

    /// The complete record. Stages, rings and bridges without an end of their own end here.
    fn close(mut self, seq: u64, mono: u64, wall: u64, cause: Cause, by: EndedBy) -> Cdr {
        for leg in self.ringing.keys().copied().collect::<Vec<_>>() {
            self.ring_over(leg, mono);
        }
        if self.cdr.flow.is_some() && self.cdr.service_end.is_none() {
            // The process died with the call, or an agent had taken the caller out of the flow's hands.
            let end = match (self.cdr.agent.is_some(), self.cdr.way.asked_for_human()) {
                (true, true) => ServiceEnd::OptedOut,
                (true, false) => ServiceEnd::Routed,
                (false, _) => ServiceEnd::Interrupted,
            };
            self.service_ended(end, false);
        }
        self.cdr.way.close(mono);
        self.bridges.clear();
        self.account(mono);
        if let Some((_, at)) = self.in_queue.take() {
            // A wait that the end of the call ended has no `Dequeued` before it in the journal of a killed process.
            let waited = self.leave(Some(at), mono, None);
            self.cdr.wait_ms += waited;
        }
        let open: Vec<usize> =
            self.in_flow.drain(..).chain(self.talking).chain(self.transfer).chain(self.offers.into_values()).collect();
        for at in open {
            close_stage(&mut self.cdr.journey, at, mono.saturating_sub(self.started_mono), None);
        }
        let mut cdr = self.cdr;
        cdr.direction = Direction::of(&cdr);
        cdr.seq = seq;
        cdr.ended = wall;
        cdr.duration_ms = mono.saturating_sub(self.started_mono);
        cdr.connected_ms = self.answered_mono.map_or(0, |answered| mono.saturating_sub(answered));
        cdr.end = by;
        cdr.cause = cause;
        cdr.q850 = cause.q850();
        cdr.status = if cdr.answered.is_some() { 200 } else { cause.status() };
        cdr
    }

    fn interrupted(self, mono: u64, wall: u64) -> Cdr {
        let seq = self.cdr.seq;
        let wall = wall.max(self.cdr.started);
        self.close(seq, mono, wall, Cause::Interrupted, EndedBy::System)
    }

    fn service_ended(&mut self, end: ServiceEnd, closed: bool) {
        (self.cdr.service_end, self.cdr.closed_hours) = (Some(end), closed);
        if end != ServiceEnd::Resolved {
            self.cdr.resolved.clear();
        }
    }

    // --- legs ---

    fn leg_started(&mut self, leg: LegId, role: LegRole, target: &str, sip_call_id: &str, wall: u64) {
        // The caller's own leg is there since the arrival.
        if self.cdr.segments.iter().any(|segment| segment.leg == leg) {
            return;
        }
        if self.cdr.segments.len() >= MAX_SEGMENTS {
            self.cdr.left_out = self.cdr.left_out.saturating_add(1);
            return;
        }
        let mut new = segment(leg, role, target, sip_call_id, wall);
        // The agent whose phone is offered the caller now; an agent called without a queue is named by the extension.
        if role == LegRole::Agent {
            let by_extension = || (!target.contains(['@', ':'])).then(|| AgentId::new(cut(target)));
            new.agent = self.offers.keys().next().cloned().or_else(by_extension);
        }
        self.cdr.segments.push(new);
    }

    fn leg_ended(&mut self, leg: LegId, cause: Cause, mono: u64, wall: u64) {
        self.ring_over(leg, mono);
        self.held.remove(&leg);
        self.bridges.retain(|(a, b)| *a != leg && *b != leg);
        self.account(mono);
        self.with_segment(leg, |segment| {
            segment.ended.get_or_insert(wall);
            segment.cause.get_or_insert(cause);
        });
        if self.cdr.segments.iter().all(|segment| segment.ended.is_some()) {
            self.parted = Some((mono, wall));
        }
    }

    fn with_segment(&mut self, leg: LegId, change: impl FnOnce(&mut Segment)) {
        if let Some(segment) = self.cdr.segments.iter_mut().find(|segment| segment.leg == leg) {
            change(segment);
        }
    }

    fn ring_over(&mut self, leg: LegId, mono: u64) {
        if let Some(since) = self.ringing.remove(&leg) {
            self.cdr.ring_ms += mono.saturating_sub(since);
        }
    }

    // --- talk and hold ---

    fn bridged(&mut self, legs: (LegId, LegId), agent: Option<&AgentId>, mono: u64) {
        self.cdr.way.answered(mono);
        if self.bridges.len() < MAX_SEGMENTS {
            self.bridges.insert(legs);
        }
        if let Some(agent) = agent {
            self.cdr.agent = Some(agent.clone());
            for leg in [legs.0, legs.1] {
                self.with_segment(leg, |segment| {
                    if segment.role != LegRole::Caller {
                        segment.agent = Some(agent.clone());
                    }
                });
            }
        }
        self.account(mono);
        let with = agent.map_or_else(|| self.far_side(legs), |agent| agent.as_str().to_owned());
        let before = self.talking.take();
        self.leave(before, mono, Some("moved_on".to_owned()));
        self.talking = self.enter(StageKind::Talk, &with, mono);
    }

    fn unbridged(&mut self, (a, b): (LegId, LegId), mono: u64) {
        self.bridges.retain(|legs| *legs != (a, b) && *legs != (b, a));
        self.account(mono);
    }

    fn far_side(&self, (a, b): (LegId, LegId)) -> String {
        let outside = |segment: &&Segment| (segment.leg == a || segment.leg == b) && segment.role != LegRole::Caller;
        self.cdr.segments.iter().find(outside).map_or_else(String::new, |segment| segment.target.clone())
    }

    /// Adds the time since the last change to what it was, and notes what it is from now on.
    fn account(&mut self, mono: u64) {
        if let Some((what, since)) = self.together {
            let time = mono.saturating_sub(since);
            match what {
                Together::Talk => self.cdr.talk_ms += time,
                Together::Hold => self.cdr.hold_ms += time,
            }
        }
        let held = self.bridges.iter().any(|(a, b)| self.held.contains(a) || self.held.contains(b));
        self.together = match (self.bridges.is_empty(), held) {
            (true, _) => None,
            (false, true) => Some((Together::Hold, mono)),
            (false, false) => Some((Together::Talk, mono)),
        };
        if self.together.is_none() {
            let talk = self.talking.take();
            self.leave(talk, mono, Some("ended".to_owned()));
        }
    }

    // --- the journey ---

    fn enter(&mut self, kind: StageKind, name: &str, mono: u64) -> Option<usize> {
        if self.cdr.journey.len() >= MAX_STAGES {
            self.cdr.left_out = self.cdr.left_out.saturating_add(1);
            return None;
        }
        let at_ms = mono.saturating_sub(self.started_mono);
        self.cdr.journey.push(Stage { kind, name: cut(name), at_ms, duration_ms: 0, outcome: None });
        Some(self.cdr.journey.len() - 1)
    }

    /// Ends a stage and returns how long it was.
    fn leave(&mut self, at: Option<usize>, mono: u64, outcome: Option<String>) -> u64 {
        at.map_or(0, |at| close_stage(&mut self.cdr.journey, at, mono.saturating_sub(self.started_mono), outcome))
    }

    fn dequeued(&mut self, ticket: TicketId, outcome: QueueOutcome, waited_ms: u64, mono: u64) {
        self.cdr.wait_ms += waited_ms;
        if self.in_queue.is_some_and(|(open, _)| open == ticket) {
            let at = self.in_queue.take().map(|(_, at)| at);
            self.leave(at, mono, Some(word(&outcome)));
        }
    }

    fn recording_started(&mut self, file: &str) {
        if self.cdr.recording.is_none() {
            self.cdr.recording = Some(cut(file));
        } else {
            keep(&mut self.cdr.more_recordings, &mut self.cdr.left_out, file);
        }
    }
}

fn close_stage(journey: &mut [Stage], at: usize, now_ms: u64, outcome: Option<String>) -> u64 {
    let Some(stage) = journey.get_mut(at) else { return 0 };
    stage.duration_ms = now_ms.saturating_sub(stage.at_ms);
    stage.outcome = outcome;
    stage.duration_ms
}

fn keep(notes: &mut Vec<String>, left_out: &mut u32, note: &str) {
    if notes.len() < MAX_NOTES {
        notes.push(cut(note));
    } else {
        *left_out = left_out.saturating_add(1);
    }
}

fn segment(leg: LegId, role: LegRole, target: &str, sip_call_id: &str, wall: u64) -> Segment {
    Segment {
        leg,
        role,
        target: cut(target),
        sip_call_id: cut(sip_call_id),
        agent: None,
        started: wall,
        ringing: None,
        answered: None,
        ended: None,
        cause: None,
        media: None,
    }
}

fn blank(event: &SwitchEvent, from: &Redacted<String>, to: &str) -> Cdr {
    Cdr {
        seq: event.seq,
        call_id: None,
        sip_call_id: String::new(),
        project: None,
        direction: Direction::Inbound,
        placed: None,
        from: Redacted::new(cut(from.expose())),
        to: cut(to),
        source: None,
        started: event.wall,
        answered: None,
        ended: event.wall,
        duration_ms: 0,
        connected_ms: 0,
        talk_ms: 0,
        hold_ms: 0,
        wait_ms: 0,
        ring_ms: 0,
        queue: None,
        agent: None,
        flow: None,
        flow_version: None,
        end: EndedBy::System,
        cause: Cause::Internal,
        q850: Cause::Internal.q850(),
        status: 0,
        refused: None,
        recording: None,
        recording_ms: 0,
        more_recordings: Vec::new(),
        keys: 0,
        tags: Vec::new(),
        service_end: None,
        closed_hours: false,
        resolved: Vec::new(),
        disposition: None,
        segments: Vec::new(),
        journey: Vec::new(),
        way: Way::default(),
        left_out: 0,
    }
}

fn refused(event: &SwitchEvent, from: &Redacted<String>, to: &str, reason: Refusal, status: u16) -> Cdr {
    let cause = match reason {
        Refusal::TotalCap
        | Refusal::BudgetCeiling
        | Refusal::Reserved
        | Refusal::RateCap
        | Refusal::TrunkCap
        | Refusal::NoPort => Cause::Limit,
        Refusal::Overload => Cause::Overload,
        Refusal::Draining => Cause::Shutdown,
        // A wrong number is not a forbidden one (Q.850 1, unallocated).
        Refusal::NotOpen if status == 404 => Cause::NotFound,
        Refusal::NotOpen | Refusal::BadCredentials => Cause::Forbidden,
        Refusal::NoCodec => Cause::NotAcceptable,
        Refusal::BadRequest | Refusal::LoopDetected => Cause::PeerError,
    };
    let mut cdr = blank(event, from, to);
    cdr.call_id = event.call;
    cdr.cause = cause;
    cdr.q850 = cause.q850();
    cdr.status = status;
    cdr.refused = Some(reason);
    cdr
}

/// A text from the wire or a file, cut: the open table is bounded in bytes, not only in calls.
fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
