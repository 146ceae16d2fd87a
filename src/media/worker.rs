//! The thread around a [`Plane`]: it owns the sockets, the clock and the wake-ups, and decides nothing about media.
//!
//! One loop: commands, expired wheel slots, packets, sleep. With few legs it sleeps until the next packet or slot, which
//! adds no delay. With many, a wake-up per packet would cost more than the packet, so it wakes at every whole
//! millisecond and takes what has come. No lock, allocation or log line on the way of a packet.

use super::command::{MediaCmd, MediaEvent, Part, PortLease, WorkerId};
use super::handshake::{Identity, Said};
use super::handshaker;
use super::plane::Plane;
use super::ports::{PortKeeper, PortRange};
use super::ring::TapWriter;
use super::sched::{self, Urgency};
use super::shell::{COMMANDS_TOKEN, Shell, TIMER_TOKEN, Token};
use super::socket::{PortPair, Received};
use super::sounds::Sounds;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::thread::ClockId;
use rustix::time::Timespec;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Commands that may wait for a worker: at twenty per call, the set-up of 400 calls at once.
pub const MAX_COMMANDS: usize = 8192;
/// Of these, kept for commands that end something or keep something from being heard: a worker that was overrun gets its
/// legs and ports back, and whoever was told that a recording pauses can rely on it.
const KEPT_FOR_ENDINGS: usize = MAX_COMMANDS / 4;
/// Commands taken between two looks at the sockets.
const COMMANDS_PER_WAKE: usize = 256;
/// Readiness reports taken from the kernel at once; each costs one receive. A socket that is flooded is read once per
/// wake, so in the millisecond rhythm it cannot take more than 1,000 packets a second from the others.
const EVENTS_PER_WAKE: usize = 1024;
/// Packets of strangers read from a socket just connected before its turn is over.
const DRAIN_PER_WAKE: usize = 64;

const MILLISECOND: Duration = Duration::from_millis(1);
/// The time over which packets are counted to choose the rhythm.
const MEASURE: Duration = Duration::from_millis(100);
/// Packets per [`MEASURE`] above which the millisecond rhythm is cheaper (about 50 legs), and below which waking for
/// each packet is; apart, so that the rhythm does not flap.
const MANY: u32 = 250;
const FEW: u32 = 150;
/// Legs that play cost a wake-up each wheel slot, packets or not.
const MANY_LEGS: usize = 50;

#[derive(Clone, Debug)]
pub struct WorkerConfig {
    pub id: WorkerId,
    /// An address of this machine, and best not the unspecified one: the sockets of a leg are then connected to its
    /// peer, which costs less and keeps strangers out in the kernel.
    pub bind: IpAddr,
    pub ports: PortRange,
    /// Port pairs kept bound ahead of need.
    pub ready_ports: usize,
    /// From the system's random source, and another for each worker: ports, SSRCs and first sequence numbers are
    /// drawn from it.
    pub seed: u64,
    /// Ask for real-time scheduling.
    pub real_time: bool,
    /// What legs are proven by whose keys come from a handshake; without one there are none.
    pub identity: Option<Identity>,
}

/// What a worker tells: called on the worker's threads, so it must return at once, as by a `try_send`.
pub type Notify = Arc<dyn Fn(MediaNotice) + Send + Sync>;

#[derive(Clone, Debug, PartialEq)]
pub enum MediaNotice {
    Event(MediaEvent),
    /// Ports that may be used in a `Create`, each once. It is announced anew after the leg has gone.
    Ports(Vec<PortLease>),
    /// What an operator has to do, in a sentence.
    Trouble(WorkerId, String),
    /// The thread stopped by a fault of its own. Its calls are silent from now on.
    Died(WorkerId),
}

/// The command that found no room, for another try.
#[derive(Debug)]
pub struct Full(pub Box<MediaCmd>);

/// What a worker has done since it started.
#[derive(Debug, Default)]
pub struct WorkerCounters {
    pub packets_in: AtomicU64,
    pub packets_out: AtomicU64,
    /// Sends that the kernel refused: no route, a full queue, a packet above the path's size.
    pub send_errors: AtomicU64,
    pub legs: AtomicUsize,
    /// Whole milliseconds by which wake-ups in the millisecond rhythm came late.
    pub late_ms: AtomicU64,
    /// The longest such time since it was last asked for, which sets it to 0.
    pub latest_ms: AtomicU32,
}

/// Owns a worker. Dropping it ends the thread and closes every socket.
pub struct WorkerHandle {
    id: WorkerId,
    /// A ring, not a channel: the worker outranks the thread that fills it, so it must never wait for that thread to
    /// complete a send, as the receivers of channels do in a loop. On one core that loop would not end.
    commands: rtrb::Producer<MediaCmd>,
    unseen: bool,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What both sides touch.
struct Shared {
    wake: OwnedFd,
    /// The worker has been woken and has not looked yet.
    woken: AtomicBool,
    /// It looks every millisecond anyway.
    looks: AtomicBool,
    stop: AtomicBool,
    /// Bound pairs on their way from the keeper. The worker only tries the lock: who holds it wakes the worker afterwards.
    pairs: Mutex<Vec<PortPair>>,
    counters: WorkerCounters,
}

impl Shared {
    fn wake(&self) {
        // In one order with the worker's own look at `woken` after it clears `looks`, so that one of the two acts.
        if !self.woken.swap(true, Ordering::SeqCst) && !self.looks.load(Ordering::SeqCst) {
            self.poke();
        }
    }

    fn poke(&self) {
        // Fails only when the counter is at its end, and then the worker is awake.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

/// Starts a worker and the thread that keeps its ports. `taps` leads to the recorder.
/// `sounds` are the generated ones, made once for all workers.
pub fn spawn(
    config: WorkerConfig,
    sounds: Arc<Sounds>,
    taps: Option<TapWriter>,
    notify: Notify,
) -> io::Result<WorkerHandle> {
    let shared = Arc::new(Shared {
        wake: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        woken: AtomicBool::new(false),
        looks: AtomicBool::new(false),
        stop: AtomicBool::new(false),
        pairs: Mutex::default(),
        counters: WorkerCounters::default(),
    });
    let (commands, commands_out) = rtrb::RingBuffer::new(MAX_COMMANDS);
    let (news_in, news) = mpsc::channel();
    let mut shell = Shell::new(&config, news_in, taps, notify.clone(), &shared.wake)?;

    let id = config.id;
    let (said_in, said) = rtrb::RingBuffer::new(handshaker::SAID);
    let mut threads = Vec::new();
    if let Some(identity) = config.identity.clone() {
        let waking = shared.clone();
        let (handshaker, thread) =
            handshaker::spawn(identity, format!("keys-{}", id.0), said_in, move || waking.wake())?;
        shell.handshaker = Some(handshaker);
        threads.push(thread);
    }
    let keeper = PortKeeper {
        bind: config.bind,
        range: config.ports,
        ready: config.ready_ports,
        seed: config.seed,
        news,
        deliver: {
            let shared = shared.clone();
            move |batch: Vec<PortPair>| {
                shared.pairs.lock().unwrap_or_else(PoisonError::into_inner).extend(batch);
                shared.wake();
            }
        },
        trouble: {
            let notify = notify.clone();
            move |text| notify(MediaNotice::Trouble(id, text))
        },
    };
    let now = Instant::now();
    let worker = Worker {
        plane: Plane::with_sounds(config.seed, now, sounds),
        shell,
        commands: commands_out,
        said,
        shared: shared.clone(),
        clock: Clock::new(now),
        rhythm: Rhythm::EachPacket,
        measured: Measured { since: now, packets: 0 },
        buffer: [0; 2048],
    };
    let media = std::thread::Builder::new().name(format!("media-{}", id.0)).spawn(move || {
        let urgency = sched::make_urgent(config.real_time);
        tell_urgency(id, urgency, config.real_time);
        let run = std::panic::AssertUnwindSafe(|| worker.run());
        if std::panic::catch_unwind(run).is_err() {
            notify(MediaNotice::Died(id));
        }
    })?;
    // The worker first: the others end with it.
    threads.insert(0, media);
    let mut handle = WorkerHandle { id, commands, unseen: false, shared, threads };
    handle.threads.push(keeper.spawn(format!("ports-{}", id.0))?);
    Ok(handle)
}

fn tell_urgency(id: WorkerId, urgency: Urgency, asked: bool) {
    match urgency {
        Urgency::RealTime => tracing::info!(worker = id.0, "media worker runs with real-time priority"),
        Urgency::Nice if !asked => tracing::info!(worker = id.0, "media worker runs with nice -10"),
        Urgency::Nice => tracing::warn!(
            worker = id.0,
            "media worker runs with nice -10: allow real-time priority (LimitRTPRIO=10, CAP_SYS_NICE) for even audio under load"
        ),
        Urgency::Ordinary => tracing::warn!(
            worker = id.0,
            "media worker runs with ordinary priority: audio may stutter when other programs are busy; allow LimitRTPRIO=10 or LimitNICE=-10"
        ),
    }
}

impl WorkerHandle {
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// Never waits. Commands that end or silence something are still taken when others are refused. The worker sees it at its next
    /// wake-up, which [`wake`](Self::wake) brings about.
    pub fn send(&mut self, command: MediaCmd) -> Result<(), Full> {
        let ends = matches!(
            command,
            MediaCmd::Drop { .. }
                | MediaCmd::RecordStop { .. }
                | MediaCmd::RecordPause { paused: true, .. }
                | MediaCmd::Unbridge { .. }
                | MediaCmd::Join { part: Part::Listens, .. }
                | MediaCmd::StopPlay { .. }
        );
        if !ends && self.commands.slots() <= KEPT_FOR_ENDINGS {
            return Err(Full(Box::new(command)));
        }
        match self.commands.push(command) {
            Ok(()) => {
                self.unseen = true;
                Ok(())
            }
            Err(rtrb::PushError::Full(command)) => Err(Full(Box::new(command))),
        }
    }

    /// Wakes the worker if anything was sent since: once for all commands of one turn, as each wake-up costs more than
    /// the commands.
    pub fn wake(&mut self) {
        if std::mem::take(&mut self.unseen) {
            self.shared.wake();
        }
    }

    pub fn counters(&self) -> &WorkerCounters {
        &self.shared.counters
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake();
        for thread in self.threads.drain(..) {
            // A fault in the thread has been told by itself.
            let _ = thread.join();
        }
    }
}

/// When the worker wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rhythm {
    /// For each packet and each wheel slot.
    EachPacket,
    /// At whole milliseconds; `next` is the coming one.
    EachMillisecond { next: Instant },
}

struct Measured {
    since: Instant,
    packets: u32,
}

/// Reckons the moments of `Instant` in the kernel's monotonic clock, which is what it sleeps by.
struct Clock {
    instant: Instant,
    kernel: Timespec,
}

impl Clock {
    fn new(instant: Instant) -> Self {
        let passed = instant.elapsed();
        let kernel = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        // `kernel` was read `passed` after `instant`; the remainder, some tens of nanoseconds, only shifts the wheel.
        Self { instant: instant + passed, kernel }
    }

    fn at(&self, moment: Instant) -> Timespec {
        let ahead = moment.saturating_duration_since(self.instant);
        let nanoseconds = self.kernel.tv_nsec + i64::from(ahead.subsec_nanos());
        let seconds = i64::try_from(ahead.as_secs()).unwrap_or(i64::MAX / 2);
        Timespec {
            tv_sec: self.kernel.tv_sec + seconds + nanoseconds / 1_000_000_000,
            tv_nsec: nanoseconds % 1_000_000_000,
        }
    }
}

struct Worker {
    plane: Plane,
    shell: Shell,
    commands: rtrb::Consumer<MediaCmd>,
    /// What came of handshakes.
    said: rtrb::Consumer<Said>,
    shared: Arc<Shared>,
    clock: Clock,
    rhythm: Rhythm,
    measured: Measured,
    /// Larger than any RTP packet on an Ethernet path; what is longer arrives cut and is refused by its length.
    buffer: [u8; 2048],
}

impl Worker {
    fn run(mut self) {
        let mut ready = Vec::with_capacity(EVENTS_PER_WAKE);
        while !self.shared.stop.load(Ordering::Acquire) {
            self.sleep(&mut ready);
            let now = Instant::now();
            // First, so that a packet that was sent after a command is handled after it.
            if self.shared.woken.load(Ordering::Acquire) {
                self.handle_commands(now);
            }
            // Asking for one slot costs less than finding out whether anyone sits there.
            self.plane.tick(now, &mut self.shell);
            // The first round is what was ready; another follows only if the report was full.
            let mut full = self.handle_ready(now, &ready);
            for _ in 0..3 {
                if !full {
                    break;
                }
                ready.clear();
                self.poll(&mut ready, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
                full = self.handle_ready(now, &ready);
            }
            self.drain_connected(now);
            self.measure(now);
        }
    }

    /// Waits as the rhythm asks and leaves in `ready` what the kernel reports.
    fn sleep(&mut self, ready: &mut Vec<epoll::Event>) {
        ready.clear();
        match &mut self.rhythm {
            Rhythm::EachPacket => {
                if self.plane.next_tick().is_none_or(|due| self.shell.wake_at(due, self.clock.at(due))) {
                    self.poll(ready, None);
                } else {
                    // Without a timer of its own it has to look again soon.
                    self.poll(ready, Some(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 }));
                }
            }
            Rhythm::EachMillisecond { next } => {
                let due = *next;
                // Interrupted by a signal, it only wakes early.
                let _ = rustix::thread::clock_nanosleep_absolute(ClockId::Monotonic, &self.clock.at(due));
                // Missed milliseconds are not made up, which the wheel does for those who play; the phase is kept, or all
                // streams would be shifted by the rest.
                let missed = due.elapsed().as_millis().try_into().unwrap_or(u32::MAX);
                if missed > 0 {
                    self.shared.counters.late_ms.fetch_add(u64::from(missed), Ordering::Relaxed);
                    self.shared.counters.latest_ms.fetch_max(missed, Ordering::Relaxed);
                }
                *next = due + MILLISECOND * missed + MILLISECOND;
                self.poll(ready, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
            }
        }
    }

    fn poll(&self, ready: &mut Vec<epoll::Event>, timeout: Option<&Timespec>) {
        // An interruption reports nothing; the loop comes back.
        let _ = epoll::wait(self.shell.epoll(), rustix::buffer::spare_capacity(ready), timeout);
    }

    /// Handles a report. Gives back whether there may be more.
    fn handle_ready(&mut self, now: Instant, ready: &[epoll::Event]) -> bool {
        for event in ready {
            match event.data.u64() {
                COMMANDS_TOKEN => self.handle_commands(now),
                TIMER_TOKEN => self.shell.timer_fired(),
                token => {
                    self.receive(now, Token::from_u64(token));
                }
            }
        }
        ready.len() == EVENTS_PER_WAKE
    }

    /// Takes one packet of a socket through the plane. `false` = there was none.
    fn receive(&mut self, now: Instant, token: Token) -> bool {
        let Some((slot, received)) = self.shell.receive(token, &mut self.buffer) else { return false };
        match received {
            Received::Packet(len, from) => {
                self.measured.packets += 1;
                let packet = &mut self.buffer[..len];
                if token.rtcp {
                    self.plane.handle_rtcp(now, slot, from, packet, &mut self.shell);
                } else {
                    self.plane.handle_rtp(now, slot, from, packet, &mut self.shell);
                }
                true
            }
            Received::Nothing => true,
            Received::Empty => false,
        }
    }

    /// Empties the queues of sockets that were just connected, so that they can trust the kernel from here on.
    fn drain_connected(&mut self, now: Instant) {
        for nth in (0..self.shell.draining().len()).rev() {
            // What is received may end other drains.
            let Some(&pair) = self.shell.draining().get(nth) else { continue };
            let token = Token { pair, rtcp: false };
            let emptied = (0..DRAIN_PER_WAKE).any(|_| !self.receive(now, token));
            if emptied {
                self.shell.drained(pair);
            }
        }
    }

    fn handle_commands(&mut self, now: Instant) {
        // The signal first, then the mark, then the looking: what comes at any moment in between is either seen now or
        // signals anew. The swap, unlike a store, makes what every earlier `wake` announced visible.
        self.shell.forget_wake(&self.shared.wake);
        self.shared.woken.swap(false, Ordering::AcqRel);
        let pairs = self.shared.pairs.try_lock().map(|mut pairs| std::mem::take(&mut *pairs)).unwrap_or_default();
        if !pairs.is_empty() {
            self.shell.take_ports(pairs);
        }
        while let Ok(said) = self.said.pop() {
            self.plane.handshake(now, said, &mut self.shell);
        }
        for _ in 0..COMMANDS_PER_WAKE {
            let Ok(command) = self.commands.pop() else {
                self.publish(0);
                return;
            };
            self.plane.command(now, command, &mut self.shell);
        }
        self.shared.wake();
    }

    fn publish(&mut self, packets_in: u32) {
        let counters = &self.shared.counters;
        counters.packets_in.fetch_add(u64::from(packets_in), Ordering::Relaxed);
        counters.packets_out.fetch_add(std::mem::take(&mut self.shell.sent), Ordering::Relaxed);
        counters.send_errors.fetch_add(std::mem::take(&mut self.shell.refused), Ordering::Relaxed);
        counters.legs.store(self.shell.legs(), Ordering::Relaxed);
    }

    /// Counts, and every tenth of a second chooses the rhythm.
    fn measure(&mut self, now: Instant) {
        if now.saturating_duration_since(self.measured.since) < MEASURE {
            return;
        }
        let packets = std::mem::replace(&mut self.measured, Measured { since: now, packets: 0 }).packets;
        self.publish(packets);
        self.rhythm = match self.rhythm {
            Rhythm::EachPacket if packets > MANY || self.shell.legs() > MANY_LEGS => {
                Rhythm::EachMillisecond { next: now + MILLISECOND }
            }
            Rhythm::EachMillisecond { .. } if packets < FEW && self.shell.legs() <= MANY_LEGS => Rhythm::EachPacket,
            rhythm => rhythm,
        };
        let looks = matches!(self.rhythm, Rhythm::EachMillisecond { .. });
        if self.shared.looks.swap(looks, Ordering::SeqCst) && !looks && self.shared.woken.load(Ordering::SeqCst) {
            self.shared.poke();
        }
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
