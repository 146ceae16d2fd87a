//! Each fact the world may learn, in the order in which it happened: the one source of call records, journeys,
//! metrics, the console and webhooks. Emitted by the `Switch`, folded elsewhere; never read back by a decision.
//!
//! No event carries a secret digit, a credential or a message body. Numbers and addresses are `Redacted`: in clear where
//! an event is stored, masked where it is printed.

pub mod admission;
pub mod flow;
pub mod media;
pub mod placed;

pub use admission::{Class, Refusal};
pub use flow::{Asked, During, ServiceEnd};
pub use media::{KeySource, MediaReport, MediaTrouble};
pub use placed::Placed;

use crate::ids::{AgentId, CallId, FlowVersion, LegId, PlanId, ProjectId, QueueId, Redacted, TicketId, TrunkId};
use serde::{Deserialize, Serialize};

/// One fact. `seq` grows by one per event of a running switch; `wall` is milliseconds since 1970 (UTC), `mono` is
/// milliseconds since the switch started and is what durations are taken from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwitchEvent {
    pub seq: u64,
    pub wall: u64,
    pub mono: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub call: Option<CallId>,
    #[serde(flatten)]
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A new call was taken in hand. `source` says how its sender was known.
    CallArrived {
        from: Redacted<String>,
        to: Redacted<String>,
        source: Source,
        sip_call_id: String,
        leg: LegId,
        project: Option<ProjectId>,
    },
    /// The switch itself has begun a call: `from` is shown to `to`, who is not rung yet.
    CallPlaced {
        from: Redacted<String>,
        to: Redacted<String>,
        why: Placed,
        /// For whom, where that was known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<AgentId>,
        project: Option<ProjectId>,
    },
    /// A new INVITE was refused; it never became a call.
    CallRefused {
        from: Redacted<String>,
        to: Redacted<String>,
        reason: Refusal,
        status: u16,
        /// Who it came from, as far as that was known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<Source>,
        /// The budget of the number, and how urgent the call was, once it was known where it would lead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<ProjectId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class: Option<Class>,
        #[serde(default)]
        sip_call_id: String,
    },
    /// New INVITEs that were refused since the last such event and are not told one by one: with 503 unread, so that they cost
    /// the calls that are up nothing, or more to numbers that lead nowhere (`not_open`) than one address may have told.
    CallsShed {
        count: u64,
        #[serde(default = "rate_cap")]
        why: Refusal,
        #[serde(default)]
        class: Class,
    },
    /// The switch answered the caller (200 OK sent).
    CallAnswered {
        leg: LegId,
    },
    /// The last leg is gone. Emitted exactly once for each `CallArrived` and `CallPlaced`.
    CallEnded {
        cause: Cause,
        by: EndedBy,
    },

    LegStarted {
        leg: LegId,
        role: LegRole,
        target: Redacted<String>,
        sip_call_id: String,
    },
    LegRinging {
        leg: LegId,
    },
    LegAnswered {
        leg: LegId,
    },
    LegEnded {
        leg: LegId,
        cause: Cause,
    },
    /// The leg goes on in another call, whose events tell of it from now on.
    LegMoved {
        leg: LegId,
        to: CallId,
    },
    /// The other side of `LegMoved`.
    LegTaken {
        leg: LegId,
        from: CallId,
        role: LegRole,
        target: Redacted<String>,
        sip_call_id: String,
    },
    LegHeld {
        leg: LegId,
    },
    LegResumed {
        leg: LegId,
    },
    /// A party asked for a fax by T.38. `relayed`: the other took it, else it was refused.
    Fax {
        leg: LegId,
        relayed: bool,
    },

    FlowStarted {
        flow: String,
        version: FlowVersion,
    },
    FlowStep {
        /// The subflow's name; empty in the flow that the call began with.
        #[serde(skip_serializing_if = "String::is_empty", default)]
        flow: String,
        section: String,
        step: u16,
        verb: String,
    },
    FlowOutcome {
        section: String,
        step: u16,
        verb: String,
        outcome: String,
        #[serde(skip_serializing_if = "Asked::is_plain", default)]
        asked: Asked,
    },
    /// The call ended in a step, which therefore has no outcome.
    FlowLeft {
        section: String,
        step: u16,
        during: During,
        #[serde(skip_serializing_if = "Asked::is_plain", default)]
        asked: Asked,
    },
    /// A key of the caller. `key` is `None` where the flow masks it.
    Key {
        leg: LegId,
        key: Option<char>,
        via: KeySource,
    },
    /// Digits collected as a whole; `shown` is already masked as the flow's declaration asks.
    Collected {
        name: String,
        shown: String,
    },
    Tagged {
        tag: String,
    },
    Resolved {
        topic: String,
    },
    /// An operator has flipped a switch that flows ask for.
    SwitchFlipped {
        name: String,
        on: bool,
    },
    /// An answer of a survey; `None` where the caller passed the question over.
    Answered {
        form: String,
        question: String,
        answer: Option<char>,
    },
    /// A flow posted something that is kept until it is delivered: `what` is `sms`, `mail`, `webhook`, `form` or
    /// `callback`, `name` what the platform calls it, `reference` the number that it is kept under.
    Posted {
        what: String,
        name: String,
        reference: String,
    },
    FlowEnded {
        flow: String,
        outcome: String,
    },
    /// What a call that a flow answered counts as. Emitted once for each.
    ServiceEnded {
        end: ServiceEnd,
        /// It came outside the hours of what it asked for.
        closed: bool,
        /// Stands for the customer's account, to know another call about it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<Redacted<String>>,
    },

    Queued {
        ticket: TicketId,
        queue: QueueId,
        priority: u8,
        position: u32,
    },
    Offered {
        ticket: TicketId,
        queue: QueueId,
        agent: AgentId,
    },
    OfferEnded {
        ticket: TicketId,
        agent: AgentId,
        result: OfferResult,
    },
    Dequeued {
        ticket: TicketId,
        queue: QueueId,
        outcome: QueueOutcome,
        waited_ms: u64,
    },
    Bridged {
        a: LegId,
        b: LegId,
        agent: Option<AgentId>,
    },
    Unbridged {
        a: LegId,
        b: LegId,
    },

    /// The agent of `leg` sends the other party of the call elsewhere.
    TransferStarted {
        leg: LegId,
        by: AgentId,
        to: Redacted<String>,
    },
    TransferEnded {
        by: AgentId,
        to: Redacted<String>,
        outcome: TransferOutcome,
        /// The SIP status that the referrer was told.
        status: u16,
    },
    /// The phone of `leg` was rung for a caller and sends it on to another number (3xx).
    Redirected {
        leg: LegId,
        by: AgentId,
        to: Redacted<String>,
    },
    /// A trunk was called and names another number at the same carrier (3xx), which is called instead.
    TrunkRedirected {
        trunk: TrunkId,
        to: Redacted<String>,
    },
    /// A party asked to send the other elsewhere and may not, or there is no such number.
    TransferRefused {
        leg: LegId,
        to: Redacted<String>,
        status: u16,
    },

    /// A supervisor takes part in the call from now on, or goes on in another mode.
    Supervised {
        leg: LegId,
        by: AgentId,
        mode: SupervisionMode,
    },
    SupervisionEnded {
        leg: LegId,
        by: AgentId,
    },
    /// A third party talks with the two.
    ThirdJoined {
        leg: LegId,
    },

    RecordingStarted {
        file: String,
    },
    /// What is said from now on is not recorded. `by` is the agent; `None` = an operator.
    RecordingPaused {
        by: Option<AgentId>,
    },
    RecordingResumed {
        by: Option<AgentId>,
    },
    RecordingEnded {
        file: String,
        length_ms: u64,
    },
    RecordingFailed {
        file: String,
        error: String,
    },
    MediaReport {
        leg: LegId,
        report: MediaReport,
    },
    MediaTrouble {
        leg: LegId,
        #[serde(flatten)]
        trouble: MediaTrouble,
        /// The same for people.
        text: String,
    },
    RtpTimeout {
        leg: LegId,
    },

    AgentState {
        agent: AgentId,
        state: AgentStateName,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    /// Agents of another project begin or end to serve the callers of `to`, by the plan of that name.
    Lending {
        plan: PlanId,
        to: ProjectId,
        on: bool,
        /// How hard `to` was pressed at that moment.
        longest_wait_ms: u64,
        waiting: u32,
        /// Somebody has set the tier.
        by_hand: bool,
    },
    AgentLent {
        agent: AgentId,
        plan: PlanId,
        to: ProjectId,
        /// False when the agent is back.
        on: bool,
    },
    /// The agent says what the call was about, by a code of its queue; also after the call's end.
    Disposed {
        agent: AgentId,
        code: String,
    },
    Registered {
        aor: String,
        contact: Redacted<String>,
        expires_s: u32,
    },
    Unregistered {
        aor: String,
        contact: Redacted<String>,
        why: String,
    },
    /// A phone behind NAT leaves our questions unanswered; it is not called until it answers one.
    ContactSilent {
        aor: String,
        contact: Redacted<String>,
    },
    ContactBack {
        aor: String,
        contact: Redacted<String>,
    },
    /// An extension may not have this number called outside: `why` is `number`, `night`, `calls` or `per_hour`.
    TollBarred {
        by: AgentId,
        to: Redacted<String>,
        why: String,
    },
    /// An extension registers from another network than all the phones that it has.
    RegisteredElsewhere {
        aor: String,
        from: Redacted<String>,
        other: Redacted<String>,
    },
    /// Nobody listens to an address for so long, because so many proofs from there were wrong.
    SourceBanned {
        source: Redacted<String>,
        failures: u32,
        lasts_s: u64,
    },
    /// The ban is over, or an operator lifted it.
    SourceFreed {
        source: Redacted<String>,
    },
    AuthFailed {
        user: Redacted<String>,
        source: Redacted<String>,
        why: String,
        /// How many from this source since the last such event.
        #[serde(default = "once")]
        count: u32,
    },

    /// What a call says of its caller beside the number, where it says anything.
    CallerKnown {
        /// A trusted carrier vouches for the number.
        asserted: bool,
        /// The caller does not want to be shown to whoever is called.
        private: bool,
        /// The number that sent the call on to us.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        redirecting: Option<Redacted<String>>,
    },
    /// The rules of a trunk brought a number into another form; `rule` counts from 1.
    NumberRewritten {
        trunk: TrunkId,
        role: NumberRole,
        was: Redacted<String>,
        is: Redacted<String>,
        rule: Option<u16>,
    },
    /// A trunk did not take the call, which goes on to the next one if there is any.
    TrunkFailed {
        trunk: TrunkId,
        why: TrunkFault,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        status: Option<u16>,
    },
    /// A trunk is of another use than before; `why` says by what it was found out.
    TrunkState {
        trunk: TrunkId,
        state: TrunkStateName,
        why: String,
    },
    /// A text from one extension to another, and what its sender was told; not the text.
    Message {
        from: AgentId,
        to: AgentId,
        status: u16,
    },

    BundleLoaded {
        version: FlowVersion,
    },
    BundleRefused {
        error: String,
    },
    /// An operator has seen to what a flow had posted, or has it tried again; `why` in the operator's words.
    PostSettled {
        reference: String,
        state: String,
        why: String,
    },
    Draining,
    /// An operator took the draining back.
    DrainEnded,
    /// Something an operator should see, in a sentence that says what to do next.
    Alarm {
        text: String,
    },
}

/// Of an event written before such events were counted.
fn once() -> u32 {
    1
}

/// Of an event written when there was no other reason.
fn rate_cap() -> Refusal {
    Refusal::RateCap
}

/// How the sender of a new call was known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Trunk(TrunkId),
    /// An extension that proved itself by digest.
    Extension(AgentId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegRole {
    Caller,
    Agent,
    /// A destination outside the agents: another trunk, a second extension.
    Outside,
    /// Hears the others, and is no party of what they talk about.
    Supervisor,
}

/// How a supervisor, who hears both, is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupervisionMode {
    /// By nobody.
    Listen,
    /// By the agent.
    Whisper,
    /// By both.
    Barge,
}

/// Why a call or a leg ended, or was not set up. Each maps to one SIP status (where one is owed) and one Q.850 cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Ordinary end after an answer.
    Normal,
    /// The caller cancelled before an answer.
    Cancelled,
    Busy,
    NoAnswer,
    Declined,
    NotFound,
    Forbidden,
    /// No codec, address or direction in common.
    NotAcceptable,
    /// No route, no registration or no reply from the far side.
    Unreachable,
    /// The far side answered with an error of its own.
    PeerError,
    /// The 200 OK was never acknowledged (RFC 3261 13.3.1.4).
    AckTimeout,
    RtpTimeout,
    /// Answered elsewhere: another leg of the same call won.
    AnsweredElsewhere,
    /// No trunk that leads there takes calls now.
    TrunkDown,
    Limit,
    Overload,
    /// The switch was stopped while the call was up.
    Shutdown,
    /// The process died; written when it came back.
    Interrupted,
    Internal,
}

impl Cause {
    /// ITU-T Q.850 cause value, as carried in `Reason: Q.850;cause=` (RFC 3326).
    pub fn q850(self) -> u8 {
        match self {
            Cause::Normal | Cause::Cancelled => 16,
            Cause::Busy => 17,
            Cause::NoAnswer => 19,
            Cause::Declined | Cause::Forbidden => 21,
            Cause::AnsweredElsewhere => 26,
            Cause::NotFound => 1,
            Cause::NotAcceptable => 88,
            Cause::Unreachable => 20,
            Cause::PeerError | Cause::Internal => 127,
            Cause::AckTimeout => 102,
            Cause::RtpTimeout => 27,
            Cause::TrunkDown => 38,
            Cause::Limit | Cause::Overload => 42,
            Cause::Shutdown | Cause::Interrupted => 41,
        }
    }

    /// The final SIP status that tells an unanswered caller of this cause.
    pub fn status(self) -> u16 {
        match self {
            Cause::Busy => 486,
            // Normal: somebody here ended the call before its answer.
            Cause::Normal | Cause::NoAnswer | Cause::Unreachable | Cause::RtpTimeout => 480,
            Cause::Declined => 603,
            Cause::NotFound => 404,
            Cause::Forbidden => 403,
            Cause::NotAcceptable => 488,
            Cause::Cancelled => 487,
            Cause::TrunkDown | Cause::Limit | Cause::Overload | Cause::Shutdown => 503,
            Cause::PeerError => 502,
            Cause::AckTimeout | Cause::AnsweredElsewhere | Cause::Interrupted | Cause::Internal => 500,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    Caller,
    Agent,
    Flow,
    System,
    Operator,
}

/// What became of whom an agent sent elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferOutcome {
    /// Talks or waits where it was sent.
    Completed,
    /// Nobody took it there, and it is back with who sent it.
    Returned,
    /// Nobody took it, who sent it had left, and it waits in the queue that it came from.
    Queued,
    /// Nobody took it, and nobody was left to give it back to.
    Failed,
    /// It hung up before.
    Abandoned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferResult {
    Answered,
    NoAnswer,
    Busy,
    Declined,
    Unreachable,
    /// The caller left, or another agent won.
    Withdrawn,
    /// No phone was rung, as no RTP port was free for it.
    NoPort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueOutcome {
    Answered,
    Abandoned,
    Timeout,
    Full,
    Closed,
    NoAgents,
    /// The flow took the caller out of the queue.
    Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentStateName {
    LoggedOut,
    Ready,
    NotReady,
    Ringing,
    Talking,
    WrapUp,
}

/// Which number of a call, and on which side of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberRole {
    CalledIn,
    CallerIn,
    CalledOut,
    CallerOut,
}

/// Why a call was not taken by a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkFault {
    /// It said that it cannot take calls (503).
    Unavailable,
    /// It failed in another way (5xx).
    Error,
    /// It said nothing.
    Silent,
    /// The transport has no way to it.
    Unreachable,
    /// It carries all the calls that were agreed.
    Cap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkStateName {
    Up,
    /// None of its targets takes calls.
    Down,
    /// It sends and takes calls only while we are registered, which we are not.
    Unregistered,
    /// Switched off in the configuration or by an operator.
    Disabled,
}

impl TrunkStateName {
    pub const ALL: [TrunkStateName; 4] = [Self::Up, Self::Down, Self::Unregistered, Self::Disabled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unregistered => "unregistered",
            Self::Disabled => "disabled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_printed_without_numbers_and_addresses_and_stored_with_them() {
        let (number, address) = ("0015551234", "sip:1001@192.0.2.77:5060");
        let events = [
            EventKind::LegStarted {
                leg: LegId(1),
                role: LegRole::Outside,
                target: format!("carrier/{number}").into(),
                sip_call_id: String::new(),
            },
            EventKind::CallRefused {
                from: number.into(),
                to: number.into(),
                reason: Refusal::NotOpen,
                status: 404,
                source: None,
                budget: None,
                class: None,
                sip_call_id: String::new(),
            },
            EventKind::TrunkRedirected { trunk: TrunkId::new("carrier"), to: number.into() },
            EventKind::Registered { aor: "1001".into(), contact: address.into(), expires_s: 60 },
            EventKind::Unregistered { aor: "1001".into(), contact: address.into(), why: "expired".into() },
            EventKind::AuthFailed { user: number.into(), source: address.into(), why: String::new(), count: 1 },
        ];
        for event in events {
            let (printed, stored) = (format!("{event:?}"), serde_json::to_string(&event).expect("plain data"));
            assert!(!printed.contains(number) && !printed.contains("192.0.2.77"), "{printed}");
            assert!(stored.contains(number) || stored.contains(address), "{stored}");
        }
    }

    #[test]
    fn a_failure_written_before_failures_were_counted_counts_as_one() {
        let old = r#"{"event":"auth_failed","user":"1001","source":"192.0.2.1:5060","why":"wrong password"}"#;
        assert!(matches!(serde_json::from_str(old), Ok(EventKind::AuthFailed { count: 1, .. })));
    }
}
