//! The one task that owns the [`Switch`]: inputs in, outputs out, the next deadline. It decides only what is read first:
//! what belongs to running calls before new work, but never so that one of its sources silences another.

use super::board::Board;
use super::clock;
use super::complaints::Complaints;
use super::kept;
use super::lookups::Lookups;
use super::outbox::{OutboxHandle, Spoken};
use super::pulse::Pulse;
use crate::acd::{AfterCall, AfterCallRefused};
use crate::api;
use crate::api::metrics::{MediaFigures, StoreFigures};
use crate::events::{EventKind, Refusal, SwitchEvent, TrunkStateName};
use crate::ids::{AgentId, CallId};
use crate::media::PortLease;
use crate::media::worker::{MediaNotice, WorkerHandle};
use crate::net::{Net, NetEvent, Outlet};
use crate::store::StoreHandle;
use crate::switch::{
    Command, Input, Output, Switch, SwitchBundle, SwitchConfig, Unfulfilled, Unplaced, Untransferable,
};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What the rest of the process asks of the owner task.
pub(super) enum Control {
    Api(api::Command, oneshot::Sender<api::CommandReply>),
    /// Asks for the picture of the switch.
    Look(oneshot::Sender<Arc<api::Snapshot>>),
    /// A checked set of files takes the place of the one in force.
    Swap {
        config: Arc<SwitchConfig>,
        /// Absent: the one in force stays.
        bundle: Option<Arc<SwitchBundle>>,
    },
    /// Flows that all callers take from now on.
    Flows(Arc<SwitchBundle>),
    /// Flows that so many percent of the callers take.
    Canary(Option<(Arc<SwitchBundle>, u8)>),
    /// Calls that wait at a question begin again in this section.
    MoveCalls(String),
    Posted {
        call: CallId,
        id: u32,
        reference: Option<String>,
    },
    Fetched {
        call: CallId,
        id: u32,
        result: crate::ivr::LookupResult,
    },
    Fact {
        call: Option<CallId>,
        fact: EventKind,
    },
    /// New messages of each box, and how many are urgent.
    Boxes(crate::store::Boxes),
    Drain,
    HangUpAll,
    /// Answers when no call is left and no goodbye is under way.
    WhenEmpty(oneshot::Sender<()>),
    Stop,
}

/// A command that is about files, and who waits for its answer.
pub(super) type FileWork = (api::Command, oneshot::Sender<api::CommandReply>);

/// Inputs of each source handled between two looks at the clock and the timers. Anybody can write a To tag, so what calls
/// itself a running call's may fill its share and no more.
const TURN: Turn = Turn { urgent: 32, media: 16, fresh: 16, patient: 8 };
/// How old the picture that the API shows may be: a page that is read by many is painted ten times a second.
const PICTURE_AGE: Duration = Duration::from_millis(100);

pub(super) struct EventLoop {
    pub switch: Switch,
    pub net: Net,
    pub outlet: Outlet,
    pub workers: Vec<WorkerHandle>,
    /// Packets that found no room on their way to the recorder.
    pub unrecorded: Arc<AtomicU64>,
    pub media: mpsc::Receiver<MediaNotice>,
    pub leases: mpsc::UnboundedReceiver<Vec<PortLease>>,
    pub control: mpsc::Receiver<Control>,
    pub store: StoreHandle,
    pub board: Arc<Board>,
    pub lookups: Lookups,
    pub outbox: OutboxHandle,
    /// What is done with files: reloads and publications.
    pub reloads: mpsc::Sender<FileWork>,
    pub stopping: mpsc::Sender<()>,
    pub waiting_for_empty: Vec<oneshot::Sender<()>>,
    /// The last picture, until something is done by command.
    pub picture: Option<(Instant, Arc<api::Snapshot>)>,
    pub complaints: Complaints,
    pub pulse: Pulse,
    /// The process drains in order to end, which nobody takes back.
    pub leaving: bool,
    /// A part is gone without which no call can go on.
    pub broken: bool,
}

/// What may still be taken from each source.
#[derive(Clone, Copy, Debug)]
struct Turn {
    urgent: usize,
    media: usize,
    fresh: usize,
    patient: usize,
}

#[derive(Debug)]
enum Work {
    Net(NetEvent),
    Media(MediaNotice),
}

impl Turn {
    /// What is there already, running calls first; `None` when nothing is, or all shares are used up.
    fn next(&mut self, outlet: &mut Outlet, media: &mut mpsc::Receiver<MediaNotice>) -> Option<Work> {
        fn take<T>(share: &mut usize, queue: &mut mpsc::Receiver<T>) -> Option<T> {
            *share = share.checked_sub(1)?;
            queue.try_recv().ok()
        }
        take(&mut self.urgent, &mut outlet.urgent)
            .map(Work::Net)
            .or_else(|| take(&mut self.media, media).map(Work::Media))
            .or_else(|| take(&mut self.fresh, &mut outlet.fresh).map(Work::Net))
            .or_else(|| take(&mut self.patient, &mut outlet.patient).map(Work::Net))
    }
}

impl EventLoop {
    pub(super) async fn run(mut self) {
        // Made once and moved: arming a timer costs a lock, and most inputs leave the next deadline where it was.
        let mut sleep = pin!(tokio::time::sleep_until(Instant::now().into()));
        self.drain();
        while !self.broken {
            let due = self.switch.next_timeout();
            if let Some(at) = due
                && sleep.deadline() != at.into()
            {
                sleep.as_mut().reset(at.into());
            }
            // Whichever is ready, with equal chances: an order would let the first starve the rest.
            tokio::select! {
                control = self.control.recv() => match control {
                    None | Some(Control::Stop) => break,
                    Some(control) => self.on_control(control),
                },
                Some(event) = self.outlet.urgent.recv() => self.on_net(event),
                Some(notice) = self.media.recv() => self.on_media(notice),
                Some(leases) = self.leases.recv() => self.input(Input::Ports(leases)),
                Some(event) = self.outlet.fresh.recv() => self.on_net(event),
                Some(event) = self.outlet.patient.recv() => self.on_net(event),
                () = &mut sleep, if due.is_some() => {}
            }
            let began = Instant::now();
            self.more();
            self.pulse.turn(began.elapsed(), self.outlet.fresh.len(), TURN.fresh);
            if self.pulse.is_due(began) {
                let latest = |worker: &WorkerHandle| worker.counters().latest_ms.swap(0, Ordering::Relaxed);
                let late = self.workers.iter().map(latest).max().unwrap_or(0);
                let load = self.pulse.look(began, Duration::from_millis(late.into()));
                self.input(Input::Load(load));
            }
            if self.switch.next_timeout().is_some_and(|at| at <= Instant::now()) {
                self.switch.handle_timeout(clock::now());
                self.drain();
            }
            self.workers.iter_mut().for_each(WorkerHandle::wake);
            if !self.waiting_for_empty.is_empty() && self.switch.is_over() {
                for waiter in self.waiting_for_empty.drain(..) {
                    // Whoever no longer waits needs no answer.
                    let _ = waiter.send(());
                }
            }
        }
        self.drain();
        self.workers.iter_mut().for_each(WorkerHandle::wake);
    }

    /// What is there already, without another wait.
    fn more(&mut self) {
        let mut turn = TURN;
        while let Some(work) = turn.next(&mut self.outlet, &mut self.media) {
            match work {
                Work::Net(event) => self.on_net(event),
                Work::Media(notice) => self.on_media(notice),
            }
        }
    }

    fn on_net(&mut self, event: NetEvent) {
        self.input(match event {
            NetEvent::Message { peer, message, trunk } => Input::Sip { peer, message, trunk },
            NetEvent::Garbage { peer, raw, status } => Input::Garbage { peer, raw, status },
            NetEvent::Lost { peer } => Input::Lost { peer },
        });
        if let Some(unusable) = self.switch.take_unusable()
            && let Some(line) = self.complaints.note(Instant::now(), &unusable)
        {
            tracing::warn!("{line}");
        }
    }

    fn on_media(&mut self, notice: MediaNotice) {
        self.input(match notice {
            MediaNotice::Event(event) => Input::Media(event),
            MediaNotice::Ports(leases) => Input::Ports(leases),
            MediaNotice::Trouble(_, text) => Input::Fact { call: None, fact: EventKind::Alarm { text } },
            // Callers would be let in to hear nothing. Whoever supervises the process starts it anew.
            MediaNotice::Died(worker) => {
                tracing::error!(worker = worker.0, "media worker stopped by a fault of its own; please report it");
                self.broken = true;
                return;
            }
        });
    }

    fn on_control(&mut self, control: Control) {
        match control {
            Control::Api(command, reply) => self.on_api(command, reply),
            Control::Look(reply) => {
                // Whoever no longer waits needs no answer.
                let _ = reply.send(self.picture());
            }
            Control::Swap { config, bundle } => {
                self.board.configure(&config);
                self.input(Input::Config(config));
                if let Some(bundle) = bundle {
                    self.input(Input::Bundle(bundle));
                }
                self.picture = None;
            }
            Control::Flows(bundle) => {
                self.input(Input::Bundle(bundle));
                self.picture = None;
            }
            Control::Canary(canary) => self.input(Input::Canary(canary)),
            Control::MoveCalls(section) => self.input(Input::MoveCalls { section }),
            Control::Fetched { call, id, result } => self.input(Input::Fetched { call, id, result }),
            Control::Posted { call, id, reference } => self.input(Input::Posted { call, id, reference }),
            Control::Fact { call, fact } => self.input(Input::Fact { call, fact }),
            Control::Boxes(boxes) => self.input(Input::Boxes(boxes)),
            Control::Drain => {
                self.leaving = true;
                self.input(Input::Command(Command::Drain));
            }
            Control::HangUpAll => self.input(Input::Command(Command::HangUpAll)),
            Control::WhenEmpty(waiter) => self.waiting_for_empty.push(waiter),
            Control::Stop => {}
        }
    }

    /// Does what an operator wishes of a call, or tells why not.
    fn fulfil(
        &mut self,
        call: CallId,
        may: Result<(), Unfulfilled>,
        command: Command,
        done: String,
    ) -> Result<String, api::CommandError> {
        use api::CommandError::{Conflict, NotFound};
        match may {
            Ok(()) => {
                self.input(Input::Command(command));
                Ok(done)
            }
            Err(why @ Unfulfilled::NoCall) => Err(NotFound(format!("call {call}: {}", why.words()))),
            Err(why) => Err(Conflict(format!("call {call}: {}", why.words()))),
        }
    }

    fn connect(&mut self, agent: AgentId, to: &str) -> Result<String, api::CommandError> {
        use api::CommandError::{Conflict, NotFound};
        self.switch.may_connect(&agent, to).map_err(|why| match why {
            Unplaced::NoPhone => NotFound(format!("no phone is registered as {agent}")),
            Unplaced::Busy => Conflict(format!("{agent} is in a call already")),
            Unplaced::NotOpen => Conflict(format!("{agent} may not dial that number; see `hotline route explain`")),
        })?;
        self.input(Input::Command(Command::Connect { agent: agent.clone(), to: to.to_string() }));
        match self.switch.is_in_call(&agent) {
            true => Ok(format!("the phone of {agent} rings; the number is called when it is answered")),
            false => Err(Conflict("the call was not begun: there is no room for it; see `hotline admission`".into())),
        }
    }

    fn on_api(&mut self, command: api::Command, reply: oneshot::Sender<api::CommandReply>) {
        use api::CommandError::{Conflict, NotFound};
        let answer: Result<String, api::CommandError> = match command {
            api::Command::Hangup { call } if !self.switch.has_call(call) => {
                Err(NotFound(format!("no call {call} is up")))
            }
            api::Command::Hangup { call } => {
                self.input(Input::Command(Command::HangUp { call }));
                Ok(format!("call {call} is hung up"))
            }
            api::Command::Connect { agent, to } => self.connect(agent, to.expose()),
            api::Command::Transfer { call, to } => match self.switch.may_transfer(call, to.expose()) {
                Ok(()) => {
                    self.input(Input::Command(Command::Transfer { call, to: to.expose().clone() }));
                    Ok(format!(
                        "the other party of call {call} is on its way; `hotline call show {call}` tells how it ends"
                    ))
                }
                Err(Untransferable::NoCall) => Err(NotFound(format!("no call {call} is up"))),
                Err(Untransferable::NobodyTalks) => Err(Conflict(format!(
                    "in call {call} no agent talks to anybody, or it is being transferred already"
                ))),
                Err(Untransferable::NotOpen) => {
                    Err(Conflict("the agent of this call may not dial that number; see `hotline route explain`".into()))
                }
            },
            api::Command::Supervise { call, by, mode } => {
                let may = self.switch.may_supervise(call, &by);
                let done = format!(
                    "the phone of {by} rings, unless it is in call {call} already; it may change the mode by 4, 5 and 6"
                );
                self.fulfil(call, may, Command::Supervise { call, by, mode }, done)
            }
            api::Command::TakeOver { call, by } => {
                let may = self.switch.may_take_over(call, &by);
                let done = format!("{by} has the caller of call {call}");
                self.fulfil(call, may, Command::TakeOver { call, by }, done)
            }
            api::Command::Join { call, other } => {
                let may = self.switch.may_join(call, other);
                let done = format!("three talk in call {call}");
                self.fulfil(call, may, Command::Join { call, other }, done)
            }
            api::Command::PauseRecording { call, paused } => {
                let may = self.switch.may_pause_recording(call);
                let done = format!("the recording of call {call} {}", if paused { "is paused" } else { "goes on" });
                self.fulfil(call, may, Command::PauseRecording { call, paused }, done)
            }
            api::Command::SetAgent { agent, .. } if !self.switch.has_agent(&agent) => {
                Err(NotFound(format!("there is no agent {agent}; `hotline agent list` shows those there are")))
            }
            api::Command::SetAgent { agent, ready: true, .. } => {
                self.input(Input::Command(Command::AgentReady { agent: agent.clone() }));
                Ok(match self.switch.has_phone(&agent) {
                    true => format!("agent {agent} is ready"),
                    false => format!("agent {agent} has no phone registered: no caller is offered until it has"),
                })
            }
            api::Command::SetAgent { agent, ready: false, reason } => {
                let reason = reason.unwrap_or_else(|| "operator".into());
                self.input(Input::Command(Command::AgentNotReady { agent: agent.clone(), reason }));
                Ok(format!("agent {agent} is not ready"))
            }
            api::Command::AfterCall { agent, wish } => match self.switch.may_after_call(&agent, &wish) {
                Ok(code) => {
                    let done = match (&wish, code) {
                        (AfterCall::End, _) => format!("agent {agent} has wrapped up"),
                        (AfterCall::Extend(by), _) => format!("agent {agent} has {} s more", by.as_secs()),
                        (AfterCall::Dispose(given), code) => {
                            format!("the call of agent {agent} was about {}", code.as_ref().unwrap_or(given))
                        }
                    };
                    self.input(Input::Command(Command::AfterCall { agent, wish }));
                    Ok(done)
                }
                Err(refused @ AfterCallRefused::Unknown(_)) => Err(NotFound(refused.to_string())),
                Err(refused) => Err(Conflict(format!("agent {agent}: {refused}"))),
            },
            api::Command::ExplainCaller { id } => {
                let told = self.switch.explain_caller(clock::now(), id);
                let unknown =
                    || NotFound("no caller of this ticket or call waits or talks to an agent of a queue".into());
                let _ = reply.send(told.map(api::Done::from).ok_or_else(unknown));
                return;
            }
            api::Command::ExplainAgent { agent } => {
                let told = self.switch.explain_agent(clock::now(), &agent);
                let unknown =
                    || NotFound(format!("there is no agent {agent}; `hotline agent list` shows those there are"));
                let _ = reply.send(told.map(api::Done::from).ok_or_else(unknown));
                return;
            }
            api::Command::SetLive { name, on } => {
                let mut switches = self.switch.switches();
                match switches.get_mut(&name) {
                    Some(switch) => *switch = on,
                    None => {
                        let known: Vec<String> = switches.into_keys().collect();
                        let text = match known.is_empty() {
                            true => format!("no flow asks for `live.{name}`, nor for any other switch"),
                            false => format!("no flow asks for `live.{name}`; there is: {}", known.join(", ")),
                        };
                        let _ = reply.send(Err(NotFound(text)));
                        return;
                    }
                }
                let on_now = switches.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
                self.store.keep(kept::SWITCHES, kept::written_switches(&on_now));
                self.input(Input::Live(on_now));
                Ok(format!("`live.{name}` is {}", if on { "on" } else { "off" }))
            }
            api::Command::SetTier { project, tier } if self.switch.borrows(&project) => {
                let (name, value) = kept::written_tier(&project, tier);
                self.store.keep(&name, value);
                self.input(Input::Command(Command::SetTier { project: project.clone(), tier }));
                Ok(match tier {
                    Some(0) => format!("nobody is lent to {project} until `project tier {project} auto`"),
                    Some(tier) => {
                        format!("plans up to tier {tier} lend to {project} until `project tier {project} auto`")
                    }
                    None => format!("plans lend to {project} as hard as it is pressed"),
                })
            }
            api::Command::SetTier { project, .. } => {
                Err(NotFound(format!("no plan under `lend` is for project {project}")))
            }
            api::Command::Posted { reference, deed, why } => {
                let outbox = self.outbox.clone();
                // The disk is not waited for here.
                tokio::spawn(async move { _ = reply.send(by_hand(&outbox, reference, deed, why).await) });
                return;
            }
            api::Command::Drain => {
                self.input(Input::Command(Command::Drain));
                Ok("new calls are refused; running calls go on".into())
            }
            api::Command::Undrain if self.leaving => Err(Conflict("the switch is going down; start it again".into())),
            api::Command::Undrain => {
                self.input(Input::Command(Command::Undrain));
                Ok("new calls are taken".into())
            }
            api::Command::LiftBans { address: Some(address) } if !self.switch.is_banned(clock::now(), address) => {
                Err(NotFound(format!("{address} is not banned; `hotline bans list` shows those that are")))
            }
            api::Command::LiftBans { address } => {
                self.input(Input::Command(Command::LiftBans { address }));
                Ok(match address {
                    Some(address) => format!("{address} is listened to again"),
                    None => "no address is banned any more".into(),
                })
            }
            api::Command::Stop => match self.stopping.try_send(()) {
                Ok(()) => Ok("calls are being ended".into()),
                Err(_) => Err(Conflict("already stopping".into())),
            },
            work @ (api::Command::Reload | api::Command::Publish(_) | api::Command::Rollback(_)) => {
                if let Err(full) = self.reloads.try_send((work, reply)) {
                    let text = "a reload or publication is under way; try again";
                    let _ = full.into_inner().1.send(Err(Conflict(text.into())));
                }
                return;
            }
        };
        self.picture = None;
        let _ = reply.send(answer.map(api::Done::from));
    }

    fn input(&mut self, input: Input) {
        self.switch.handle_input(clock::now(), input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Sip(transmit) => self.net.send(transmit),
                Output::Media(worker, command) => {
                    let sent = self.workers.get_mut(usize::from(worker.0)).map(|worker| worker.send(command));
                    if !matches!(sent, Some(Ok(()))) {
                        // The call's RTP timeout and its report limit end what the worker never heard of.
                        tracing::error!(worker = worker.0, "media worker does not keep up; a command was lost");
                    }
                }
                Output::Event(event) => self.publish(event),
                Output::Keep(extension) => self.store.keep(extension.id.as_str(), kept::written(&extension)),
                Output::Fetch { call, id, lookup, args, within, bundle } => {
                    self.lookups.fetch((call, id), lookup, args, within, bundle);
                }
                Output::Post { call, id, caller, what, fields, bundle } => {
                    self.outbox.post((call, id), caller, what, fields, bundle);
                }
                Output::KeepWrapUp { agent, wrap_up } => {
                    let wrap_up = wrap_up.and_then(|wrap_up| serde_json::to_string(&wrap_up).ok());
                    self.store.keep(&kept::name_of_wrap_up(&agent), wrap_up);
                }
                Output::KeepPause { agent, reason } => self.store.keep(&kept::name_of_pause(&agent), reason),
                Output::Remember(choice) => {
                    let (name, value) = kept::written_language(&choice);
                    self.store.keep(&name, value);
                }
                Output::Spoken { call, caller, mailbox, kept, bundle } => {
                    self.outbox.spoken(Spoken { call, caller, mailbox, kept, bundle });
                }
            }
        }
    }

    fn publish(&mut self, event: SwitchEvent) {
        log(&event);
        self.board.count(&event);
        self.store.record(event);
    }

    fn picture(&mut self) -> Arc<api::Snapshot> {
        if let Some((painted, picture)) = &self.picture
            && painted.elapsed() < PICTURE_AGE
        {
            return picture.clone();
        }
        let view = self.switch.view(clock::now());
        let stats = self.store.stats();
        let store = StoreFigures {
            queued: stats.queued,
            written: stats.written,
            dropped: stats.dropped,
            failures: stats.failures,
        };
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = || self.workers.iter().map(WorkerHandle::counters);
        let workers = MediaFigures {
            send_errors: counters().map(|counters| read(&counters.send_errors)).sum(),
            late_ms: counters().map(|counters| read(&counters.late_ms)).sum(),
            unrecorded: read(&self.unrecorded),
            ..MediaFigures::default()
        };
        let picture =
            Arc::new(self.board.paint(view, store, workers, (self.lookups.outside.figures(), self.outbox.figures())));
        self.picture = Some((Instant::now(), picture.clone()));
        picture
    }
}

async fn by_hand(outbox: &OutboxHandle, reference: i64, deed: api::PostDeed, why: String) -> api::CommandReply {
    use api::CommandError::{Conflict, NotFound};
    let (is, wanted) = match deed {
        api::PostDeed::Close => ("closed", "open or given up"),
        api::PostDeed::Retry => ("tried again", "given up"),
    };
    match outbox.by_hand(reference, deed, why).await {
        Ok(true) => Ok(format!("message {reference} is {is}").into()),
        Ok(false) => {
            Err(NotFound(format!("there is no message {reference} that is {wanted}; see `hotline outbox list`")))
        }
        Err(why) => Err(Conflict(why)),
    }
}

/// What concerns the whole switch; every step of a call for whoever asks with `HOTLINE_LOG=debug`. The call as a whole
/// is logged when its record is complete.
fn log(event: &SwitchEvent) {
    let call = event.call.map(tracing::field::display);
    match &event.kind {
        EventKind::Alarm { text } => tracing::warn!(call, "{text}"),
        EventKind::TrunkState { trunk, state: state @ (TrunkStateName::Down | TrunkStateName::Unregistered), why } => {
            tracing::warn!("trunk {trunk} is {}: {why}", state.as_str());
        }
        EventKind::TrunkState { trunk, state, why } => tracing::info!("trunk {trunk} is {}: {why}", state.as_str()),
        EventKind::CallsShed { count, why: Refusal::Overload, class } => {
            tracing::warn!(count, class = class.as_str(), "new calls were refused: the switch falls behind")
        }
        EventKind::CallsShed { count, why: Refusal::NotOpen, .. } => {
            tracing::warn!(count, "calls to numbers that lead nowhere were refused, more than are told one by one")
        }
        EventKind::CallsShed { count, .. } => {
            tracing::warn!(
                count,
                "new calls were refused: more came than `limits.calls_per_second` allows; raise it if the machine has room"
            )
        }
        EventKind::RecordingFailed { .. } | EventKind::BundleRefused { .. } => tracing::warn!(call, "{:?}", event.kind),
        // The address stands in clear: who bans by logs reads it, and it is no caller's number.
        EventKind::AuthFailed { user, source, why, count } => {
            tracing::warn!(source = source.expose(), %user, count, "not let in: {why}");
        }
        EventKind::SourceBanned { source, failures, lasts_s } => {
            tracing::warn!(source = source.expose(), failures, lasts_s, "banned: too many wrong passwords");
        }
        EventKind::RegisteredElsewhere { aor, from, other } => {
            let (from, other) = (from.expose(), other.expose());
            tracing::warn!(aor, from, other, "registered from another network than all its phones");
        }
        EventKind::TollBarred { by, to, why } => {
            tracing::warn!(call, %by, %to, "not called: the rules of `toll` bar it ({why})");
        }
        EventKind::SourceFreed { .. }
        | EventKind::Lending { .. }
        | EventKind::Registered { .. }
        | EventKind::Unregistered { .. }
        | EventKind::ContactSilent { .. }
        | EventKind::ContactBack { .. }
        | EventKind::BundleLoaded { .. }
        | EventKind::Draining
        | EventKind::DrainEnded => tracing::info!(call, "{:?}", event.kind),
        _ => tracing::debug!(call, "{:?}", event.kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::peer::Peer;

    #[test]
    fn a_flood_that_calls_itself_urgent_leaves_media_and_new_callers_their_turn() {
        let lost = || NetEvent::Lost { peer: Peer::udp(([192, 0, 2, 1], 5060).into(), ([192, 0, 2, 2], 5060).into()) };
        let (urgent_in, urgent) = mpsc::channel(1000);
        let (fresh_in, fresh) = mpsc::channel(1000);
        let (patient_in, patient) = mpsc::channel(1000);
        let (media_in, mut media) = mpsc::channel(1000);
        for _ in 0..1000 {
            urgent_in.try_send(lost()).unwrap();
            fresh_in.try_send(lost()).unwrap();
            patient_in.try_send(lost()).unwrap();
        }
        media_in.try_send(MediaNotice::Ports(Vec::new())).unwrap();
        let mut outlet = Outlet { urgent, fresh, patient };
        let mut turn = TURN;
        let work: Vec<Work> = std::iter::from_fn(|| turn.next(&mut outlet, &mut media)).collect();
        assert_eq!(work.iter().filter(|work| matches!(work, Work::Media(_))).count(), 1);
        assert_eq!(1000 - outlet.urgent.len(), TURN.urgent);
        assert_eq!(1000 - outlet.fresh.len(), TURN.fresh);
        assert_eq!(1000 - outlet.patient.len(), TURN.patient);
        assert!(work[..TURN.urgent].iter().all(|work| matches!(work, Work::Net(_))), "running calls come first");
    }
}
