//! The one owner of all calls. `handle_input` or `handle_timeout` changes something, then everything that follows is left
//! in `poll_output`; nothing else comes in or out. A whole call centre runs on it in virtual time.
//!
//! The files beside this one are links: each translates between two rooms that do not know each other (SIP and calls,
//! flows and calls, queues and calls, media and calls). A decision met there belongs in one of the rooms.

mod admission_link;
mod auth_failures;
mod config;
mod extension_leg;
mod feature_codes;
mod flow_versions;
mod gate;
mod gruu;
mod identity;
mod inbound;
mod ivr_link;
mod join_link;
mod kept;
mod languages;
mod media_link;
mod message_link;
mod outbound_leg;
mod place_link;
mod port_pool;
mod presence_link;
mod project;
mod proof;
mod queue_link;
mod redirect_link;
mod refer_back;
mod registration;
mod sip_link;
mod supervision_link;
mod sweep;
mod test_number;
mod toll_link;
mod transfer_link;
mod trunk_leg;
mod trunk_link;
mod view;
mod voicemail_link;

pub use crate::acd::{AfterCall, Explained, LendView, PressureView};
pub use crate::sdp::{KeyPolicy, SrtpPolicy};
pub use config::{Extension, Policies, SupervisionNotice, SwitchBundle, SwitchConfig};
pub use feature_codes::{Feature, FeatureCodes};
pub use gate::{EdgePolicy, GateStats};
pub use kept::{KeptContact, KeptExtension, KeptWrapUp};
pub use languages::RememberedLanguage;
pub use place_link::Unplaced;
pub use project::{Project, ServiceLevelTarget, Targets};
pub use registration::OPTIONS as REGISTER_OPTIONS;
pub use supervision_link::Unfulfilled;
pub use transfer_link::Untransferable;
pub use view::{BanView, CallSummary, SwitchView};

use crate::acd::{Acd, Leave};
use crate::admission::{Admission, Bans, Load, Tally};
use crate::call::{Call, CallOutput, Notice};
use crate::events::{Cause, Class, EndedBy, EventKind, Refusal, SupervisionMode, SwitchEvent};
use crate::ids::{AgentId, CallId, LegId, ProjectId, QueueId, TicketId, TrunkId};
use crate::media::command::{MediaCmd, MediaEvent, PortLease, WorkerId};
use crate::registrar::{BindingId, Registrar};
use crate::sip::dialog::reason::Reason;
use crate::sip::digest::Authenticator;
use crate::sip::endpoint::{Endpoint, RequestId, Unusable, UsageId};
use crate::sip::message::Message;
use crate::sip::peer::{Peer, Transmit};
use crate::timers::{Now, Timers};
use crate::trunks::Trunks;
use auth_failures::AuthFailures;
use bytes::Bytes;
use identity::Identity;
use ivr_link::FlowRun;
use languages::Languages;
use message_link::Messages;
use place_link::Placement;
use port_pool::PortPool;
use presence_link::Watchers;
use redirect_link::Redirection;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use test_number::TestCall;
use transfer_link::Referral;
use trunk_leg::TrunkHunt;
use trunk_link::Errands;

/// What the world does to the switch.
#[derive(Debug)]
pub enum Input {
    Sip {
        peer: Peer,
        message: Message,
        /// The trunk that the connection's certificate proves its sender to be.
        trunk: Option<TrunkId>,
    },
    /// Bytes from a SIP socket that are no message, and the status that whoever sent them is owed.
    Garbage {
        peer: Peer,
        raw: Bytes,
        status: u16,
    },
    /// A stream to or from a peer is gone.
    Lost {
        peer: Peer,
    },
    Media(MediaEvent),
    /// How far behind the edges find the switch to be.
    Load(Load),
    /// New messages of each box, and how many of them are urgent, in place of what was told before.
    Boxes(BTreeMap<String, (u32, u32)>),
    /// RTP ports that a worker has opened and waits to use.
    Ports(Vec<PortLease>),
    /// The answer to an [`Output::Fetch`].
    Fetched {
        call: CallId,
        id: u32,
        result: crate::ivr::LookupResult,
    },
    /// The answer to an [`Output::Post`]: the number that it is kept under, or `None` when it could not be kept.
    Posted {
        call: CallId,
        id: u32,
        reference: Option<String>,
    },
    /// The switches that flows ask for as `live.*`: those that are on.
    Live(BTreeSet<String>),
    /// What the runs before have left by [`Output::Remember`]; once, at the start.
    Remembered(Vec<RememberedLanguage>),
    /// The pauses that the runs before have left by [`Output::KeepPause`]; once, before the phones are known.
    Paused(Vec<(AgentId, String)>),
    /// The wrap-ups that the runs before have left by [`Output::KeepWrapUp`]; likewise.
    WrappingUp(Vec<(AgentId, KeptWrapUp)>),
    /// A fact that an edge learned, to be written down in its order.
    Fact {
        call: Option<CallId>,
        fact: EventKind,
    },
    /// What the runs before have left by [`Output::Keep`]; once, at the start.
    Kept(Vec<KeptExtension>),
    Config(Arc<SwitchConfig>),
    Bundle(Arc<SwitchBundle>),
    /// Flows that so many percent of the callers take first.
    Canary(Option<(Arc<SwitchBundle>, u8)>),
    /// Calls that wait at a question begin again in this section of the bundle in force.
    MoveCalls {
        section: String,
    },
    Command(Command),
}

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    HangUp {
        call: CallId,
    },
    /// Ring an agent, and then a number as if the agent had dialled it.
    Connect {
        agent: AgentId,
        to: String,
    },
    /// Send the other party of an agent's call to a number, as the agent itself could.
    Transfer {
        call: CallId,
        to: String,
    },
    /// Let an extension hear a call; said again, in another mode.
    Supervise {
        call: CallId,
        by: AgentId,
        mode: SupervisionMode,
    },
    /// Let who supervises a call have the caller, and the agent go.
    TakeOver {
        call: CallId,
        by: AgentId,
    },
    /// Let whom an agent talks to in `other` talk with both in `call`.
    Join {
        call: CallId,
        other: CallId,
    },
    PauseRecording {
        call: CallId,
        paused: bool,
    },
    AgentReady {
        agent: AgentId,
    },
    /// Up to which tier others lend to a project; `None` = as hard as it is pressed.
    SetTier {
        project: ProjectId,
        tier: Option<u8>,
    },
    AgentNotReady {
        agent: AgentId,
        reason: String,
    },
    AfterCall {
        agent: AgentId,
        wish: AfterCall,
    },
    /// Refuse new calls from now on.
    Drain,
    /// Take new calls again.
    Undrain,
    /// Listen again to an address that is banned, or to all.
    LiftBans {
        address: Option<IpAddr>,
    },
    /// End every call with BYE.
    HangUpAll,
}

/// What the switch does to the world.
#[derive(Debug)]
pub enum Output {
    Sip(Transmit),
    Media(WorkerId, MediaCmd),
    Event(SwitchEvent),
    /// To be there after a restart, in place of what was kept of the same extension.
    Keep(KeptExtension),
    /// An agent's pause that lasts (or `None`: there is none any more), to be there after a restart.
    KeepPause {
        agent: AgentId,
        reason: Option<String>,
    },
    /// An agent's wrap-up (or `None`: there is none any more), to be there after a restart.
    KeepWrapUp {
        agent: AgentId,
        wrap_up: Option<KeptWrapUp>,
    },
    /// A flow's lookup, to be answered by `Input::Fetched` in the lookup's time limit or not at all.
    Fetch {
        call: CallId,
        id: u32,
        lookup: String,
        args: Vec<(String, crate::ivr::Value)>,
        within: Duration,
        /// What the call began with, where the lookup is told of.
        bundle: Arc<SwitchBundle>,
    },
    /// What a flow posts: to be kept on disk, answered by `Input::Posted`, and delivered however often that takes.
    Post {
        call: CallId,
        id: u32,
        caller: String,
        what: crate::ivr::Post,
        fields: Vec<(String, crate::ivr::Value)>,
        bundle: Arc<SwitchBundle>,
    },
    /// To be there after a restart, in place of what was remembered of the same caller.
    Remember(RememberedLanguage),
    /// A spoken message is complete, for whoever has the mailbox.
    Spoken {
        call: CallId,
        caller: String,
        mailbox: crate::ivr::Mailbox,
        kept: crate::ivr::Kept,
        bundle: Arc<SwitchBundle>,
    },
}

/// Whatever fires without an input. The rooms with timers of their own keep them; these are the links' deadlines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SwitchTimer {
    /// A flow's timer, by the flow's id for it.
    Flow(CallId, u32),
    /// A transfer or direct call has rung long enough.
    RingOut(CallId),
    /// The devices of an extension that ring have rung long enough; others may.
    NextRound(CallId),
    /// The trunk that was called has said nothing for too long.
    TrunkSilent(CallId),
    /// A phone of a supervisor has rung long enough.
    GuestRings(CallId, LegId),
    /// A test number's next step.
    Test(CallId),
    /// No call is longer than this.
    CallLimit(CallId),
    /// Reports of media and recorder that are still missing will not come.
    Reports(CallId),
    /// A carrier that was asked to take its caller back has not said what came of it.
    CarrierAsked(CallId),
    /// Tell how many calls were refused unread.
    Shed,
    /// Tell watchers what has changed.
    Lamps,
    /// Compare what is held with what it is held for.
    Sweep,
}

/// Who decides what happens to a call.
#[derive(Debug)]
enum Driver {
    /// The number led straight to an extension or trunk.
    Direct,
    Flow(Box<FlowRun>),
    /// The number led straight to a queue.
    Queue(QueueId),
    Test(TestCall),
}

#[derive(Debug)]
struct Entry {
    call: Call,
    driver: Driver,
    project: Option<ProjectId>,
    from: String,
    from_display: Option<String>,
    identity: Identity,
    to: String,
    /// What is left of the Max-Forwards of the caller's INVITE; whatever is dialled for it gets one less.
    hops: u8,
    started: Now,
    /// The one device that was dialled by its GRUU (RFC 5627).
    instance: Option<String>,
    hunt: Option<extension_leg::Hunt>,
    /// The trunk that the caller came by.
    trunk: Option<TrunkId>,
    /// The caller, if it is an extension: busy for queues as long as the call lasts.
    own_extension: Option<AgentId>,
    /// The far side, if it is an agent whom a queue gave this call.
    serving: Option<AgentId>,
    /// The far side, if it is an extension that was dialled outright.
    visiting: Option<AgentId>,
    /// The caller, if it is an agent whom a queue gave this call, and whom its caller then referred to somebody else.
    served: Option<AgentId>,
    /// What those beside the two are to the distributor.
    guests: BTreeMap<LegId, join_link::Seat>,
    /// One of the two is being sent elsewhere by the other.
    referral: Option<Referral>,
    ticket: Option<(TicketId, QueueId)>,
    /// The way out that is being looked for.
    trunk_hunt: Option<TrunkHunt>,
    /// When the caller came back to who had sent it elsewhere in vain.
    returned: Option<Instant>,
    /// The caller is to go elsewhere when nobody else is rung.
    redirection: Option<Redirection>,
    /// The extensions that have sent the call on, in order.
    diverted: Vec<AgentId>,
    /// What the side that ended last said of why, and our own word for it.
    told: Option<(Cause, Reason)>,
    /// The agent of this call whose phone was lost last.
    lost: Option<AgentId>,
    /// Somebody had been bridged and hung up first.
    partner_left: bool,
    /// Nobody has called: the switch began it.
    placed: Option<Placement>,
}

impl Entry {
    fn new(call: Call, now: Now, from: String, to: String) -> Entry {
        Entry {
            call,
            driver: Driver::Direct,
            project: None,
            from,
            from_display: None,
            identity: Identity::default(),
            to,
            hops: 0,
            started: now,
            instance: None,
            hunt: None,
            trunk: None,
            own_extension: None,
            serving: None,
            visiting: None,
            served: None,
            guests: BTreeMap::new(),
            referral: None,
            ticket: None,
            trunk_hunt: None,
            returned: None,
            redirection: None,
            diverted: Vec::new(),
            told: None,
            lost: None,
            partner_left: false,
            placed: None,
        }
    }
}

/// A call that nobody ends, ends here: nobody talks to a hotline longer, and a leaked call would hold its permit for ever.
const CALL_LIMIT: Duration = Duration::from_secs(4 * 3600);
/// A second's flood is one event.
const TELL_SHED: Duration = Duration::from_secs(1);
/// A media worker answers a drop at its next wake-up, and the recorder completes a file in a few of its own; after this
/// they are gone.
const REPORT_LIMIT: Duration = Duration::from_secs(2);

pub struct Switch {
    config: Arc<SwitchConfig>,
    bundle: Arc<SwitchBundle>,
    /// Flows on trial, and the share of the callers that takes them.
    canary: Option<(Arc<SwitchBundle>, u8)>,
    endpoint: Endpoint,
    auth: Authenticator,
    auth_failures: AuthFailures,
    /// Passwords guessed.
    guesses: Tally,
    /// Numbers called that lead nowhere.
    misdialled: Tally,
    bans: Bans,
    tolls: toll_link::Tolls,
    gate: GateStats,
    acd: Acd,
    registrar: Registrar<Peer>,
    /// Extensions of which something is kept beyond this run.
    kept: BTreeSet<AgentId>,
    admission: Admission,
    trunks: Trunks,
    errands: Errands,
    calls: BTreeMap<CallId, Entry>,
    legs: HashMap<LegId, (CallId, Option<UsageId>)>,
    usages: HashMap<UsageId, LegId>,
    other_ways: HashMap<LegId, extension_leg::OtherWays>,
    /// Signs of life that phones were asked for.
    asked_for_life: BTreeMap<RequestId, (String, BindingId, Peer)>,
    /// Agents whose phones were lost, by what was asked of those.
    looked_for: BTreeMap<RequestId, AgentId>,
    /// The call that each agent was given last by a queue.
    last_served: BTreeMap<AgentId, CallId>,
    tickets: BTreeMap<TicketId, CallId>,
    ports: PortPool,
    watchers: Watchers,
    messages: Messages,
    timers: Timers<SwitchTimer>,
    notices: VecDeque<(CallId, Notice)>,
    outputs: VecDeque<Output>,
    /// Reused between calls, so that a call's step costs no allocation of its own.
    scratch: Vec<CallOutput>,
    /// The trunk that a certificate proves the sender of the message in hand to be.
    vouched: Option<TrunkId>,
    draining: bool,
    /// Calls refused unread that the journal does not know of yet.
    shed: BTreeMap<(Refusal, Class), u64>,
    /// When operators were last told of overload.
    told_overload: Option<Instant>,
    /// And that no RTP port is free.
    told_no_port: Option<Instant>,
    /// The switches that are on.
    live: BTreeSet<String>,
    languages: Languages,
    /// New messages of each box, and how many are urgent.
    boxes: BTreeMap<String, (u32, u32)>,
    started: Instant,
    last_id: u64,
    last_event: u64,
}

impl Switch {
    /// `id_base` must grow from one start of the process to the next (milliseconds since 1970 do).
    pub fn new(now: Now, id_base: u64, config: Arc<SwitchConfig>, bundle: Arc<SwitchBundle>) -> Switch {
        let mut endpoint = config.endpoint.clone();
        // RFC 3891: INVITEs with Replaces are ours to understand, not the core's.
        endpoint.supported.push("replaces");
        let mut switch = Switch {
            endpoint: Endpoint::new(endpoint),
            auth: authenticator(&config),
            auth_failures: AuthFailures::default(),
            guesses: Tally::of_guesses(),
            misdialled: Tally::new(inbound::MISDIALLED, inbound::MISDIALLED_WITHIN),
            bans: Bans::default(),
            tolls: toll_link::Tolls::default(),
            gate: GateStats::default(),
            acd: Acd::new(config.acd.clone()),
            registrar: Registrar::new(config.registrar.clone()),
            kept: BTreeSet::new(),
            admission: Admission::new(config.admission.clone()),
            trunks: Trunks::new(now.at, dice_of(&config.endpoint.seed), config.trunks.clone()),
            errands: Errands::default(),
            calls: BTreeMap::new(),
            legs: HashMap::new(),
            usages: HashMap::new(),
            other_ways: HashMap::new(),
            asked_for_life: BTreeMap::new(),
            looked_for: BTreeMap::new(),
            last_served: BTreeMap::new(),
            tickets: BTreeMap::new(),
            ports: PortPool::default(),
            watchers: Watchers::default(),
            messages: Messages::default(),
            timers: Timers::new(),
            notices: VecDeque::new(),
            outputs: VecDeque::new(),
            scratch: Vec::new(),
            vouched: None,
            draining: false,
            shed: BTreeMap::new(),
            told_overload: None,
            told_no_port: None,
            live: BTreeSet::new(),
            languages: Languages::default(),
            boxes: BTreeMap::new(),
            started: now.at,
            // 20 bits of counter a millisecond of uptime: ids of two runs never meet.
            last_id: id_base << 20,
            last_event: 0,
            config,
            bundle,
            canary: None,
        };
        switch.endpoint.set_allowed("MESSAGE", switch.config.messages);
        switch.endpoint.set_streams(streams(&switch.config));
        let version = switch.bundle.flows.version.clone();
        switch.emit(now, None, EventKind::BundleLoaded { version });
        switch.acd.tell_time(now);
        switch.timers.set(SwitchTimer::Sweep, now.at + sweep::EVERY);
        switch
    }

    pub fn handle_input(&mut self, now: Now, input: Input) {
        match input {
            Input::Sip { peer, message, trunk } => {
                self.vouched = trunk;
                if !self.keeps_out(now, peer, &message) {
                    self.take_or_shed(now, peer, message);
                }
            }
            Input::Garbage { peer, .. } if self.ignores_garbage(now, peer) => {}
            Input::Garbage { peer, raw, status } => self.endpoint.handle_unreadable(peer, &raw, status),
            Input::Lost { peer } => {
                self.endpoint.handle_transport_error(now.at, peer);
                self.registrar.connection_lost(now.at, &peer);
                self.trunks.connection_lost(now.at, &peer);
            }
            Input::Media(event) => self.on_media(now, event),
            Input::Load(load) => self.on_load(now, load),
            Input::Ports(leases) => self.ports.add(leases),
            Input::Fetched { call, id, result } => self.on_fetched(now, call, id, result),
            Input::Posted { call, id, reference } => self.on_posted(now, call, id, reference),
            Input::Live(on) => self.on_live(now, on),
            Input::Boxes(boxes) => self.on_boxes(now, boxes),
            Input::Remembered(choices) => {
                choices.iter().for_each(|choice| _ = self.languages.remember(choice, now.wall));
            }
            Input::Paused(pauses) => self.restore_pauses(now, pauses),
            Input::WrappingUp(wrap_ups) => self.restore_wrap_ups(now, wrap_ups),
            Input::Fact { call, fact } => self.on_fact(now, call, fact),
            Input::Kept(extensions) => self.restore(now, extensions),
            Input::Config(config) => self.reconfigure(now, config),
            Input::Bundle(bundle) => {
                self.emit(now, None, EventKind::BundleLoaded { version: bundle.flows.version.clone() });
                self.bundle = bundle;
            }
            Input::Canary(canary) => {
                if let Some((bundle, _)) = &canary {
                    self.emit(now, None, EventKind::BundleLoaded { version: bundle.flows.version.clone() });
                }
                self.canary = canary;
            }
            Input::MoveCalls { section } => self.move_calls(now, &section),
            Input::Command(command) => self.on_command(now, command),
        }
        self.settle(now);
        self.vouched = None;
        if !self.shed.is_empty() && !self.timers.is_set(&SwitchTimer::Shed) {
            self.timers.set(SwitchTimer::Shed, now.at + TELL_SHED);
        }
    }

    pub fn handle_timeout(&mut self, now: Now) {
        self.endpoint.handle_timeout(now.at);
        self.acd.handle_timeout(now.at);
        self.registrar.handle_timeout(now.at);
        self.trunks.handle_timeout(now.at);
        while let Some(timer) = self.timers.pop(now.at) {
            match timer {
                SwitchTimer::Flow(call, id) => self.on_flow_timer(now, call, id),
                SwitchTimer::RingOut(call) => self.on_ring_out(now, call),
                SwitchTimer::NextRound(call) => self.on_round_over(now, call),
                SwitchTimer::TrunkSilent(call) => self.on_trunk_silent(now, call),
                SwitchTimer::GuestRings(call, leg) => {
                    self.with_call(now, call, |call, out| call.stop_ringing_guest(leg, out))
                }
                SwitchTimer::Test(call) => self.on_test_timer(now, call),
                SwitchTimer::CallLimit(call) => {
                    self.with_call(now, call, |call, out| call.hang_up(Cause::Limit, EndedBy::System, out))
                }
                SwitchTimer::Shed => self.tell_shed(now),
                SwitchTimer::CarrierAsked(call) => self.on_carrier_silent(now, call),
                SwitchTimer::Lamps => self.light_lamps(now),
                SwitchTimer::Sweep => {
                    for (failure, count) in self.auth_failures.due(now.at) {
                        self.tell_auth_failed(now, failure, count);
                    }
                    self.acd.tell_time(now);
                    self.expire_bans(now);
                    self.sweep(now);
                }
                SwitchTimer::Reports(call) => self.with_call(now, call, |call, out| call.give_up_reports(out)),
            }
            self.settle(now);
        }
        self.settle(now);
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        [
            self.endpoint.next_timeout(),
            self.acd.next_timeout(),
            self.registrar.next_timeout(),
            self.trunks.next_timeout(),
            self.timers.next().map(|(at, _)| at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(transmit) = self.endpoint.poll_transmit() {
            return Some(Output::Sip(transmit));
        }
        self.outputs.pop_front()
    }

    /// Lets every room react to what the others said, until all are quiet.
    fn settle(&mut self, now: Now) {
        loop {
            if let Some((call, notice)) = self.notices.pop_front() {
                self.on_notice(now, call, notice);
            } else if let Some(event) = self.endpoint.poll_event() {
                self.on_sip(now, event);
            } else if let Some(output) = self.acd.poll() {
                self.on_acd(now, output);
            } else if let Some(output) = self.registrar.poll() {
                self.on_registrar(now, output);
            } else if let Some(output) = self.trunks.poll() {
                self.on_trunks(now, output);
            } else {
                break;
            }
        }
    }

    /// Changes one call and carries out all that it asks for.
    fn with_call(&mut self, now: Now, id: CallId, change: impl FnOnce(&mut Call, &mut Vec<CallOutput>)) {
        let Some(entry) = self.calls.get_mut(&id) else { return };
        let mut outputs = std::mem::take(&mut self.scratch);
        change(&mut entry.call, &mut outputs);
        let (ended, finished) = (entry.call.is_ended(), entry.call.is_finished());
        for output in outputs.drain(..) {
            self.carry_out(now, id, output);
        }
        self.scratch = outputs;
        if ended {
            self.release(now, id);
        }
        if finished {
            self.forget(id);
        }
    }

    fn carry_out(&mut self, now: Now, call: CallId, output: CallOutput) {
        match output {
            CallOutput::Media(worker, command) => {
                if let MediaCmd::Drop { leg } = &command {
                    self.release_leg(*leg);
                }
                self.outputs.push_back(Output::Media(worker, command));
            }
            CallOutput::Event(kind) => {
                if let EventKind::Bridged { a, b, .. } = kind {
                    self.join_sessions(a, b);
                }
                self.emit(now, Some(call), kind)
            }
            CallOutput::Notice(notice) => self.notices.push_back((call, notice)),
            sip => self.carry_out_sip(now, call, sip),
        }
    }

    /// What a call holds beyond its legs goes back as soon as it has ended.
    fn release(&mut self, now: Now, id: CallId) {
        let Some(entry) = self.calls.get_mut(&id) else { return };
        let ticket = entry.ticket.take();
        let agents = [entry.own_extension.take(), entry.visiting.take()];
        let serving = [entry.serving.take(), entry.served.take()];
        let guests = std::mem::take(&mut entry.guests);
        self.referral_cut_short(now, id);
        let Some(entry) = self.calls.get_mut(&id) else { return };
        entry.trunk_hunt = None;
        if let Some((ticket, _)) = ticket {
            let why = match entry.call.end() {
                Some((_, EndedBy::Caller)) => Leave::Abandoned,
                _ => Leave::Left,
            };
            self.acd.leave(now.at, ticket, why);
        }
        for agent in serving.into_iter().flatten() {
            self.acd.call_ended(now.at, &agent);
        }
        for agent in agents.into_iter().flatten() {
            self.acd.agent_call_ended(now.at, &agent);
        }
        for (leg, seat) in guests {
            self.timers.clear(&SwitchTimer::GuestRings(id, leg));
            self.leave_seat(now, seat);
        }
        self.admission.release(id);
        self.timers.clear(&SwitchTimer::RingOut(id));
        self.timers.clear(&SwitchTimer::NextRound(id));
        self.timers.clear(&SwitchTimer::TrunkSilent(id));
        self.timers.clear(&SwitchTimer::Test(id));
        self.timers.clear(&SwitchTimer::CallLimit(id));
        if !self.timers.is_set(&SwitchTimer::Reports(id)) {
            self.timers.set(SwitchTimer::Reports(id), now.at + REPORT_LIMIT);
        }
        self.end_flow(now, id);
    }

    fn forget(&mut self, id: CallId) {
        self.timers.clear(&SwitchTimer::Reports(id));
        if let Some(Entry { driver: Driver::Flow(run), .. }) = self.calls.remove(&id) {
            for timer in run.timers() {
                self.timers.clear(&SwitchTimer::Flow(id, timer));
            }
        }
    }

    fn release_leg(&mut self, leg: LegId) {
        self.other_ways.remove(&leg);
        self.trunks.release(leg);
        self.tolls.release(leg);
        if let Some((_, Some(usage))) = self.legs.get_mut(&leg).map(|place| (place.0, place.1.take())) {
            self.usages.remove(&usage);
        }
    }

    fn reconfigure(&mut self, now: Now, config: Arc<SwitchConfig>) {
        let new = config.acd.agents.iter().map(|agent| agent.id.clone()).filter(|agent| !self.acd.is_agent(agent));
        let new: BTreeSet<AgentId> = new.collect();
        self.acd.reconfigure(now.at, config.acd.clone());
        self.acd.tell_time(now);
        // An agent who is new to the distributor may be on a call.
        for agent in self.calls.values().flat_map(Entry::own).filter(|agent| new.contains(*agent)) {
            self.acd.agent_call_started(now.at, agent);
        }
        self.admission.reconfigure(config.admission.clone());
        self.registrar.reconfigure(config.registrar.clone());
        self.revoke_registrations(now, &config);
        self.trunks.reconfigure(now.at, config.trunks.clone());
        self.auth.reconfigure(&config.realm, config.nonce_ttl.as_secs(), &config.algorithms);
        self.endpoint.set_max_usages(config.endpoint.max_usages);
        self.endpoint.set_streams(streams(&config));
        if let Some(terms) = config.endpoint.session {
            self.endpoint.set_session(terms);
        }
        self.config = config;
        self.forget_bans(now);
        self.drop_watchers_of_strangers(now);
        self.endpoint.set_allowed("MESSAGE", self.config.messages);
        // An agent who is new to the distributor may have been registered for long.
        for agent in &self.config.acd.agents {
            self.acd.agent_reachable(now.at, &agent.id, self.registrar.is_reachable(agent.id.as_str()));
        }
    }

    fn on_command(&mut self, now: Now, command: Command) {
        match command {
            Command::HangUp { call } => {
                self.with_call(now, call, |call, out| call.hang_up(Cause::Normal, EndedBy::Operator, out))
            }
            // What stands against it was told before the command came here, and want of room is told by an event.
            Command::Connect { agent, to } => _ = self.connect(now, agent, to),
            Command::Transfer { call, to } => {
                // What stands against it was told before the command came here; what came between needs nothing.
                let _ = self.transfer(now, call, to);
            }
            Command::Supervise { call, by, mode } => self.supervise(now, call, &by, mode),
            Command::TakeOver { call, by } => self.take_call_over(now, call, &by),
            Command::Join { call, other } => self.join_calls(now, call, other),
            Command::PauseRecording { call, paused } => {
                self.with_call(now, call, |call, out| call.pause_recording(paused, None, out))
            }
            Command::AgentReady { agent } => {
                // An unknown agent was refused before the command came here; one removed meanwhile needs nothing.
                let _ = self.acd.set_ready(now.at, &agent);
            }
            Command::SetTier { project, tier } => _ = self.acd.set_tier(now.at, &project, tier),
            Command::AgentNotReady { agent, reason } => {
                let _ = self.acd.set_not_ready(now.at, &agent, &reason);
            }
            Command::AfterCall { agent, wish } => {
                let _ = self.after_call(now, agent, &wish);
            }
            Command::Drain => {
                if !std::mem::replace(&mut self.draining, true) {
                    self.admission.set_draining(true);
                    self.endpoint.set_closed(true);
                    self.trunks.set_leaving(now.at, true);
                    self.emit(now, None, EventKind::Draining);
                }
            }
            Command::Undrain => {
                if std::mem::replace(&mut self.draining, false) {
                    self.admission.set_draining(false);
                    self.endpoint.set_closed(false);
                    self.trunks.set_leaving(now.at, false);
                    self.emit(now, None, EventKind::DrainEnded);
                }
            }
            Command::LiftBans { address } => self.lift_bans(now, address),
            Command::HangUpAll => {
                let all: Vec<CallId> = self.calls.keys().copied().collect();
                for id in all {
                    self.with_call(now, id, |call, out| call.hang_up(Cause::Shutdown, EndedBy::System, out));
                }
            }
        }
    }

    fn emit(&mut self, now: Now, call: Option<CallId>, kind: EventKind) {
        self.note_change(now, &kind);
        self.last_event += 1;
        let mono = now.at.saturating_duration_since(self.started).as_millis() as u64;
        self.outputs.push_back(Output::Event(SwitchEvent { seq: self.last_event, wall: now.wall, mono, call, kind }));
    }

    fn uptime_s(&self, now: Now) -> u64 {
        now.at.saturating_duration_since(self.started).as_secs()
    }

    fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// No call is left, every BYE has had its answer or its time, and no carrier sends another call: what a stop waits for.
    pub fn is_over(&self) -> bool {
        self.calls.is_empty() && self.endpoint.stats().usages == 0 && !self.trunks.is_leaving()
    }

    /// The last message that broke the rules of SIP since this was last asked, for the log.
    pub fn take_unusable(&mut self) -> Option<Unusable> {
        self.endpoint.take_unusable()
    }

    /// The switches that the flows in force ask for, and whether they are on. One that no flow asks for any more is there
    /// as long as it is on.
    pub fn switches(&self) -> BTreeMap<String, bool> {
        let asked = self.bundle.flows.switches();
        asked.iter().chain(&self.live).map(|name| (name.clone(), self.live.contains(name))).collect()
    }

    /// What exists, for those who look for leaks: all zero when idle.
    pub fn holdings(&self) -> Holdings {
        let sip = self.endpoint.stats();
        Holdings {
            calls: self.calls.len(),
            legs: self.legs.len(),
            usages: self.usages.len().max(sip.usages),
            subscriptions: sip.subscriptions.max(self.watchers.len()),
            transactions: sip.transactions,
            tickets: self.tickets.len(),
            permits: self.admission.in_use() as usize,
            trunk_places: self.trunks.held().len(),
            leases: self.ports.taken().len(),
            // The sweep's own is always there.
            timers: self.timers.len() - 1,
        }
    }
}

/// Where carriers that are called by UDP listen on TCP too.
fn streams(config: &SwitchConfig) -> BTreeSet<SocketAddr> {
    let large = config.trunks.trunks.values().filter(|trunk| trunk.manners.large_by_tcp);
    large.flat_map(|trunk| trunk.targets.iter().map(|peer| peer.remote)).collect()
}

fn authenticator(config: &SwitchConfig) -> Authenticator {
    let mut auth = Authenticator::new(config.realm.clone(), config.auth_key, config.nonce_ttl.as_secs());
    auth.reconfigure(&config.realm, config.nonce_ttl.as_secs(), &config.algorithms);
    auth
}

/// Pauses and shares of calls need another chance than tags and branches, not a secret one.
fn dice_of(seed: &[u8; 32]) -> u64 {
    seed.chunks_exact(8).fold(0, |all, part| {
        part.iter()
            .fold(all, |all: u64, octet| all.rotate_left(8) ^ u64::from(*octet))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    pub calls: usize,
    pub legs: usize,
    pub usages: usize,
    /// Watchers of something of ours.
    pub subscriptions: usize,
    pub transactions: usize,
    pub tickets: usize,
    pub permits: usize,
    /// Of legs that come or go by a trunk.
    pub trunk_places: usize,
    /// RTP ports of legs.
    pub leases: usize,
    pub timers: usize,
}
