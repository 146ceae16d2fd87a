//! A running switch: opens everything, joins it, stops it again. The only place where all rooms meet.

mod board;
mod bundle;
mod centre;
pub(crate) mod clock;
mod complaints;
mod event_loop;
mod kept;
mod listen;
mod lookups;
mod names;
mod outbox;
mod outside;
mod publish;
mod pulse;
mod reload;
mod setup;
mod telemetry;
mod trunks;
mod versions;

pub use bundle::platform;

use crate::api::{self, Access, Api, CommandError, SwitchPort};
use crate::cdr::Judged;
use crate::config::{Base, Config, Mode, Secret};
use crate::events::EventKind;
use crate::ids::CallId;
use crate::media::handshake::Identity;
use crate::media::ports::PortRange;
use crate::media::ring::{RING_FRAMES, tap_rings};
use crate::media::sounds::Sounds;
use crate::media::worker::{self, MediaNotice, WorkerConfig, WorkerHandle};
use crate::media::{PortLease, WorkerId};
use crate::net;
use crate::recording::{Archive, Recorder, RecordingNotice, Recovered};
use crate::store::{Outbox, RecoveredRecording, Store, StoreOptions};
use crate::switch::{Command, Input, Switch};
use board::Board;
use complaints::Complaints;
use event_loop::{Control, EventLoop, FileWork};
use listen::Sockets;
use lookups::Lookups;
use names::{Known, Names};
use outbox::OutboxHandle;
use outside::{Outside, Systems};
use publish::{Beginning, Ended, Publisher, Taken};
use reload::{InForce, InUse};
use setup::Seeds;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Commands of operators and answers of lookups that wait for the owner task.
const CONTROL_QUEUE: usize = 1024;
/// Calls that have ended and wait to be judged: more than end in a second.
const ENDED_QUEUE: usize = 1024;
/// Notices of media workers: keys and ends of plays of every call in one busy second.
const MEDIA_QUEUE: usize = 16_384;
/// Port pairs that each worker keeps bound ahead: a second's calls at full load.
const READY_PORTS: usize = 512;
/// How long a start waits for the first RTP ports to be bound.
const PORTS_LIMIT: Duration = Duration::from_secs(3);
/// How long BYEs may take once calls are being ended.
const HANG_UP_LIMIT: Duration = Duration::from_secs(3);
/// How long requests under way may take at the end.
const DESK_LIMIT: Duration = Duration::from_secs(1);
const FLUSH_LIMIT: Duration = Duration::from_secs(5);
/// Trouble that lasts is told of this often.
const REMIND: Duration = Duration::from_secs(60);

/// What the command line and the environment say about a start.
#[derive(Default)]
pub struct Options {
    /// `HOTLINE_ADMIN_TOKEN`.
    pub admin_token: Option<String>,
    /// `--state`: outweighs `state_dir` of the file, also at a reload.
    pub state_dir: Option<std::path::PathBuf>,
    /// Lines for the operator, printed when everything is open.
    pub welcome: Vec<String>,
}

/// Exit codes of the product: 2 for what an operator can mend in files or flags.
const BAD_CONFIG: u8 = 2;
const INTERRUPTED: u8 = 130;

/// Runs until told to stop.
pub fn run(mut config: Config, options: Options) -> ExitCode {
    if let Some(state_dir) = &options.state_dir {
        config.state_dir = state_dir.clone();
    }
    // Kept to the end, for the last lines.
    let _log = match telemetry::init() {
        Ok(log) => log,
        Err(error) => return fail(&format!("cannot start the thread of the log: {error}")),
    };
    raise_file_limit();
    // Signalling has a thread to itself: a message read there is handled there, without waking another thread. HTTP and
    // the reading of files have the other one, so that no page and no reload delays a call.
    let signalling = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let desk = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("desk").enable_all().build();
    let (signalling, desk) = match (signalling, desk) {
        (Ok(signalling), Ok(desk)) => (signalling, desk),
        (Err(error), _) | (_, Err(error)) => return fail(&format!("cannot start threads: {error}")),
    };
    let ended = signalling.block_on(operate(config, options, desk.handle()));
    desk.shutdown_timeout(DESK_LIMIT);
    ended.unwrap_or_else(|text| fail(&text))
}

fn fail(text: &str) -> ExitCode {
    eprintln!("hotline: {text}");
    ExitCode::from(BAD_CONFIG)
}

async fn operate(mut config: Config, options: Options, desk: &Handle) -> Result<ExitCode, String> {
    let signals = Signals::hear()?;
    if config.mode == Mode::Demo {
        config.bases = demo_systems(desk)?;
    }
    let identity = Identity::make()?;
    let seeds = Seeds::from_system(identity.fingerprint())?;
    let mut warnings = Vec::new();
    let Beginning { taken, versions, alarms } = publish::at_start(&config, &mut |warning| warnings.push(warning))
        .map_err(|findings| {
            format!("the flows in {} cannot be used:\n{}", bundle::origin(&config.flows), findings.join("\n"))
        })?;
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let Taken { bundle, canary } = taken;
    let (names_changed, changed_names) = mpsc::channel(1);
    let names = {
        // The desk's, as are all waits for others.
        let _desk = desk.enter();
        Names::start(Known::new(trunks::reach(&config), seeds.media), net::Resolver::of_system(), names_changed)
    };
    let known = names.keep(trunks::places(&config), names::START_PATIENCE).await;
    let switch_config = setup::switch_config(&config, &seeds, &known)?;
    let version = bundle.flows.version.clone();
    let (inlet, outlet) = net::channel();
    let counters = inlet.counters();
    let Sockets { net, tls, http, listen } = listen::open(&config, &switch_config, inlet, desk).await?;
    let (config_now, state_dir) = (config.clone(), options.state_dir.clone());
    let in_force = InForce { config: config_now, bundle: version, state_dir, tls: tls.is_some() };

    let (control, control_out) = mpsc::channel(CONTROL_QUEUE);
    let members = centre::members(&switch_config);
    let board = Arc::new(Board::new(mode(&config), listen.clone(), counters, members.clone()));
    let (archive, recovered) = open_archive(&config)?;
    let (ended, ends) = mpsc::channel(ENDED_QUEUE);
    let store = open_store(&config, &board, recovered, ended)?;
    if store.interrupted > 0 {
        tracing::warn!(
            calls = store.interrupted,
            "calls of an earlier run were found open and recorded as interrupted"
        );
    }

    let workers = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)) as u16;
    let (taps, readers) = tap_rings(usize::from(workers), RING_FRAMES);
    let unrecorded = readers.dropped();
    let recorder = start_recorder(&config, archive, readers, control.clone())?;
    let (media_in, media) = mpsc::channel(MEDIA_QUEUE);
    let (leases_in, mut leases) = mpsc::unbounded_channel();
    let workers = start_workers(&config, (workers, taps), &seeds, &identity, media_in, leases_in)?;

    let now = clock::now();
    let mut switch = Switch::new(now, now.wall, Arc::new(switch_config), Arc::new(bundle));
    // The first call finds a port. When none can be bound, the worker has told why and calls are refused for it.
    if let Ok(Some(ports)) = tokio::time::timeout(PORTS_LIMIT, leases.recv()).await {
        switch.handle_input(clock::now(), Input::Ports(ports));
    }
    for text in alarms {
        switch.handle_input(now, Input::Fact { call: None, fact: EventKind::Alarm { text } });
    }
    if canary.is_some() {
        switch.handle_input(clock::now(), Input::Canary(canary));
    }
    let mut left = store.kept;
    let languages = kept::languages(&mut left);
    // A choice whose time is over is kept no longer.
    for choice in languages.iter().filter(|choice| choice.until <= now.wall) {
        store.handle.keep(&kept::written_language(choice).0, None);
    }
    switch.handle_input(clock::now(), Input::Remembered(languages));
    let switches = kept::switches(&mut left);
    if !switches.is_empty() {
        tracing::info!(?switches, "switches of flows are on as before");
        switch.handle_input(clock::now(), Input::Live(switches));
    }
    for (project, tier) in kept::tiers(&mut left) {
        if switch.borrows(&project) {
            tracing::info!(%project, tier, "a tier that was set by hand holds as before");
            let tier = Some(tier);
            switch.handle_input(clock::now(), Input::Command(Command::SetTier { project, tier }));
        } else {
            store.handle.keep(&kept::written_tier(&project, None).0, None);
        }
    }
    // Before the phones: nobody who went away is to be offered a caller.
    switch.handle_input(clock::now(), Input::Paused(kept::pauses(&mut left)));
    switch.handle_input(clock::now(), Input::WrappingUp(kept::wrap_ups(&mut left)));
    let kept = kept::read(left, &config.listen);
    if !kept.is_empty() {
        tracing::info!(extensions = kept.len(), "phones that had registered before are called where they were");
        switch.handle_input(clock::now(), Input::Kept(kept));
    }
    let systems = Systems::of(&config).map_err(|fault| fault.to_string())?;
    let outside = Arc::new(Outside::new(systems, net::Resolver::of_system()));
    let outbox = open_outbox(&config, outside.clone(), desk, control.clone())?;
    let (reloads, reload_requests) = mpsc::channel(1);
    let (stopping, stop_requests) = mpsc::channel(1);
    let owner = EventLoop {
        switch,
        net,
        outlet,
        workers,
        unrecorded,
        media,
        leases,
        control: control_out,
        store: store.handle.clone(),
        board: board.clone(),
        outbox: outbox.clone(),
        lookups: Lookups { control: control.clone(), desk: desk.clone(), outside: outside.clone() },
        reloads: reloads.clone(),
        stopping,
        waiting_for_empty: Vec::new(),
        picture: None,
        complaints: Complaints::default(),
        pulse: pulse::Pulse::new(std::time::Instant::now()),
        leaving: false,
        broken: false,
    };
    let mut owner = tokio::spawn(owner.run());
    let in_use = InUse { tls, outside };
    let publisher = Publisher::new(versions, control.clone());
    let asked = reload::Asked { work: reload_requests, ends };
    desk.spawn(reload::task(in_force, seeds, in_use, (control.clone(), publisher), asked, (names, changed_names)));

    let token_file = config.admin_token_file();
    let (access, is_new) = Access::open(options.admin_token.as_deref(), &token_file).map_err(|error| {
        format!("the admin token cannot be used: {error}; mend that file, or give a token in HOTLINE_ADMIN_TOKEN")
    })?;
    let link = if options.admin_token.is_none() && (is_new || config.mode == Mode::Demo) {
        access.new_link(std::time::Instant::now()).ok()
    } else {
        None
    };
    let port = Arc::new(Port { control: control.clone() });
    let records = store.records.clone();
    // Figures may wait; the first call may not.
    let remembered = board.clone();
    desk.spawn_blocking(move || {
        centre::earlier(&records, members).into_iter().for_each(|day| remembered.remember(day))
    });
    let api = Api::new(port, Some(store.records), access);
    let (http_stop, http_stopped) = oneshot::channel::<()>();
    let api = desk.spawn(async {
        let http = tokio::net::TcpListener::from_std(http)?;
        let stopped = async {
            let _ = http_stopped.await;
        };
        api::serve(http, api, stopped).await
    });

    announce(&config, &listen, &options, link.as_deref());
    let code = watched(&mut owner, attend(&config, &control, &board, reloads, stop_requests, signals)).await?;

    // The owner drops the media workers with itself; the recorder completes its files after them.
    if !owner.is_finished() {
        let _ = control.send(Control::Stop).await;
        let _ = owner.await;
    }
    drop(recorder);
    let _ = tokio::task::spawn_blocking(move || outbox.close()).await;
    let _ = http_stop.send(());
    let _ = tokio::time::timeout(DESK_LIMIT, api).await;
    if !store.handle.close(FLUSH_LIMIT) {
        tracing::error!("the last records could not be written; see the store's alarms above");
    }
    Ok(code)
}

/// What `attending` ends with, or a failure as soon as the owner of the switch ends untold: nobody would answer a call or
/// a command any more, and whoever supervises the process can only help when it ends.
async fn watched(
    owner: &mut JoinHandle<()>,
    attending: impl Future<Output = Result<ExitCode, String>>,
) -> Result<ExitCode, String> {
    tokio::select! {
        code = attending => code,
        _ = owner => {
            eprintln!("hotline: a part that all calls need stopped by a fault of its own, the process ends; please report it");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What operators and service managers send. Heard from the very beginning: a signal that comes in the first seconds waits
/// until everything is there, where it would end the process otherwise.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn hear() -> Result<Self, String> {
        let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
        Ok(Self {
            term: listen(SignalKind::terminate())?,
            int: listen(SignalKind::interrupt())?,
            hup: listen(SignalKind::hangup())?,
        })
    }
}

/// Waits for signals and for the API's wish to stop, and ends calls as each of them asks.
async fn attend(
    config: &Config,
    control: &mpsc::Sender<Control>,
    board: &Board,
    reloads: mpsc::Sender<FileWork>,
    mut stop_requests: mpsc::Receiver<()>,
    Signals { mut term, mut int, mut hup }: Signals,
) -> Result<ExitCode, String> {
    let code = loop {
        tokio::select! {
            _ = term.recv() => {
                tracing::info!("draining: new calls are refused, running calls go on");
                let empty = drain(control).await;
                tokio::select! {
                    _ = empty => break ExitCode::SUCCESS,
                    () = tokio::time::sleep(config.limits.drain_timeout) => break ExitCode::SUCCESS,
                    _ = term.recv() => break ExitCode::SUCCESS,
                    _ = int.recv() => break ExitCode::from(INTERRUPTED),
                    Some(()) = stop_requests.recv() => break ExitCode::SUCCESS,
                }
            }
            _ = int.recv() => break ExitCode::from(INTERRUPTED),
            Some(()) = stop_requests.recv() => break ExitCode::SUCCESS,
            _ = hup.recv() => {
                let (reply, answer) = oneshot::channel();
                if reloads.try_send((api::Command::Reload, reply)).is_ok() {
                    // The reload task has logged what came of it.
                    drop(answer);
                }
            }
        }
    };
    board.stopping();
    let empty = drain(control).await;
    let _ = control.send(Control::HangUpAll).await;
    let _ = tokio::time::timeout(HANG_UP_LIMIT, empty).await;
    Ok(code)
}

async fn drain(control: &mpsc::Sender<Control>) -> oneshot::Receiver<()> {
    let (waiter, empty) = oneshot::channel();
    let _ = control.send(Control::Drain).await;
    let _ = control.send(Control::WhenEmpty(waiter)).await;
    empty
}

/// Starts the systems that the sample flows ask, on a port of this machine's own choice.
fn demo_systems(desk: &Handle) -> Result<BTreeMap<String, Base>, String> {
    let failed = |error: std::io::Error| format!("cannot play the systems that the sample flows ask: {error}");
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    desk.spawn(async {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => api::demo_systems::serve(listener).await,
            Err(error) => Err(error),
        }
    });
    Ok(api::demo_systems::NAMES.map(|name| (name.to_string(), Base::of_demo(name, port))).into())
}

/// The API's view of the owner task.
struct Port {
    control: mpsc::Sender<Control>,
}

impl SwitchPort for Port {
    fn snapshot(&self) -> oneshot::Receiver<Arc<api::Snapshot>> {
        let (reply, answer) = oneshot::channel();
        // Full or gone, the dropped sender tells.
        let _ = self.control.try_send(Control::Look(reply));
        answer
    }

    fn command(&self, command: api::Command) -> oneshot::Receiver<api::CommandReply> {
        let (reply, answer) = oneshot::channel();
        if let Err(full) = self.control.try_send(Control::Api(command, reply))
            && let Control::Api(_, reply) = full.into_inner()
        {
            let _ = reply.send(Err(CommandError::Conflict("the switch is busy; try again".into())));
        }
        answer
    }
}

fn open_archive(config: &Config) -> Result<(Archive, Vec<RecoveredRecording>), String> {
    let folder = config.recordings_dir();
    let (archive, recovered) =
        Archive::open(folder.clone()).map_err(|error| format!("cannot record into {}: {error}", folder.display()))?;
    let recovered = recovered.into_iter().map(|Recovered { file, length_ms, last_wall }| {
        tracing::info!(file, length_ms, "a recording of an earlier run was completed");
        RecoveredRecording { file, length_ms, last_wall }
    });
    Ok((archive, recovered.collect()))
}

fn open_store(
    config: &Config,
    board: &Arc<Board>,
    recovered: Vec<RecoveredRecording>,
    ended: mpsc::Sender<Ended>,
) -> Result<Store, String> {
    let board = board.clone();
    Store::open(StoreOptions {
        path: config.database(),
        cdr_days: config.records.cdr_days,
        journal_days: config.records.journal_days,
        wall: clock::wall_ms(),
        recovered,
        alarm: Box::new(move |text| {
            tracing::warn!("{text}");
            board.alarm(text);
        }),
        reader: Box::new(move |record| {
            if let (Some(version), Some(judged)) = (&record.flow_version, Judged::of(record)) {
                // A call that is not judged is one less of thousands.
                let _ = ended.try_send((version.clone(), judged));
            }
            let call = record.call_id.map(tracing::field::display);
            tracing::info!(call, "{record}");
        }),
    })
    .map_err(|error| {
        let text = error.to_string();
        if text.contains("--state") { text } else { format!("{text}; {STATE_REMEDY}") }
    })
}

fn open_outbox(
    config: &Config,
    outside: Arc<Outside>,
    desk: &Handle,
    control: mpsc::Sender<Control>,
) -> Result<OutboxHandle, String> {
    let identity = Secret::random(8).map_err(|error| format!("no random octets from the system: {error}"))?;
    let outbox = Outbox::open(&config.outbox(), identity.expose()).map_err(|error| error.to_string())?;
    OutboxHandle::start(outbox, outside, desk.clone(), control)
        .map_err(|error| format!("cannot start the thread of the outbox: {error}"))
}

/// What helps when the state folder takes no files.
const STATE_REMEDY: &str = "make the folder writable for this user, or name another with `--state DIR` or `state_dir`";

fn start_recorder(
    config: &Config,
    archive: Archive,
    readers: crate::media::ring::TapReaders,
    control: mpsc::Sender<Control>,
) -> Result<Recorder, String> {
    let mut trouble = RecordingTrouble::default();
    let notify = move |notice| {
        let alarm = trouble.alarm(&notice, Instant::now()).map(|text| (None, EventKind::Alarm { text }));
        for (call, fact) in fact(notice).into_iter().chain(alarm) {
            // Full means that the owner is overloaded; the file itself is not lost.
            let _ = control.try_send(Control::Fact { call, fact });
        }
    };
    Recorder::spawn(archive, readers, notify)
        .map_err(|error| format!("cannot record into {}: {error}; {STATE_REMEDY}", config.recordings_dir().display()))
}

fn fact(notice: RecordingNotice) -> Option<(Option<CallId>, EventKind)> {
    match notice {
        RecordingNotice::Started { call, file, .. } => Some((Some(call), EventKind::RecordingStarted { file })),
        RecordingNotice::Ended { call, file, length_ms, .. } => {
            Some((Some(call), EventKind::RecordingEnded { file, length_ms }))
        }
        RecordingNotice::Failed { call, file, error, .. } => {
            Some((Some(call), EventKind::RecordingFailed { file, error }))
        }
        RecordingNotice::Stopped | RecordingNotice::FramesLost { .. } => None,
    }
}

/// Which of the recorder's notices an operator is alarmed by: a full disk fails every call's recording and is told once a
/// minute.
#[derive(Default)]
struct RecordingTrouble {
    told: Option<Instant>,
}

impl RecordingTrouble {
    fn alarm(&mut self, notice: &RecordingNotice, now: Instant) -> Option<String> {
        match notice {
            RecordingNotice::Failed { call, error, .. } => {
                if self.told.is_some_and(|told| now.duration_since(told) < REMIND) {
                    return None;
                }
                self.told = Some(now);
                Some(format!("call {call} goes on without its recording: {error}"))
            }
            RecordingNotice::FramesLost { count } => Some(format!(
                "recordings have gaps: {count} packets came faster than they are written; give the recordings a faster disk \
                 and the machine more CPU"
            )),
            RecordingNotice::Stopped => Some(
                "the recorder stopped by a fault of its own, calls go on unrecorded: restart, and report it".into(),
            ),
            RecordingNotice::Started { .. } | RecordingNotice::Ended { .. } => None,
        }
    }
}

fn start_workers(
    config: &Config,
    (count, taps): (u16, Vec<crate::media::ring::TapWriter>),
    seeds: &Seeds,
    identity: &Identity,
    media: mpsc::Sender<MediaNotice>,
    leases: mpsc::UnboundedSender<Vec<PortLease>>,
) -> Result<Vec<WorkerHandle>, String> {
    let rtp = config.listen.rtp;
    let range = PortRange::new(rtp.first, rtp.last)
        .ok_or_else(|| format!("RTP ports {}-{} hold no pair; give an even port and more", rtp.first, rtp.last))?;
    let sounds = Arc::new(Sounds::new(seeds.media));
    let lost = Arc::new(AtomicUsize::new(0));
    let mut workers = Vec::new();
    for (id, (ports, taps)) in (0..).map(WorkerId).zip(range.split(count).into_iter().zip(taps)) {
        let (media, leases, lost) = (media.clone(), leases.clone(), lost.clone());
        let notify = Arc::new(move |notice: MediaNotice| {
            let notice = match notice {
                // Never lost, or a port would be lost with it; bounded by the number of ports.
                MediaNotice::Ports(ports) => return drop(leases.send(ports)),
                notice => notice,
            };
            if media.try_send(notice).is_err() && lost.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::error!("the switch does not keep up with its media workers; notices are lost");
            }
        });
        let ready_ports = READY_PORTS.min(ports.pairs());
        let config = WorkerConfig {
            id,
            bind: rtp.bind,
            ports,
            ready_ports,
            seed: seeds.media,
            real_time: true,
            identity: Some(identity.clone()),
        };
        workers.push(
            worker::spawn(config, sounds.clone(), Some(taps), notify)
                .map_err(|error| format!("cannot start a media worker: {error}"))?,
        );
    }
    Ok(workers)
}

fn mode(config: &Config) -> &'static str {
    match config.mode {
        Mode::Demo => "demo",
        Mode::Production => "production",
    }
}

/// What a person at the terminal needs to go on.
fn announce(config: &Config, listen: &[String], options: &Options, link: Option<&str>) {
    let mut lines =
        vec![format!("hotline {} ({}) is running: {}", env!("CARGO_PKG_VERSION"), mode(config), listen.join(", "))];
    lines.extend(options.welcome.iter().cloned());
    if let Some(code) = link {
        lines.push(format!("status page, this link works once: http://{}/?login={code}", config.listen.http));
    }
    // Nobody reading is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{}", lines.join("\n"));
}

/// Each leg has two sockets; the usual soft limit of 1,024 descriptors would end at 250 calls.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).is_err() {
        tracing::warn!("the limit of open files could not be raised; see `ulimit -n`");
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
