//! Trunks: which of them takes calls now, registered where they must be, and never more calls than was agreed.
//!
//! A trunk is reached at one or several targets. Each is judged by what it says to OPTIONS and to calls ([`target`]); a
//! trunk that has to register keeps its binding alive ([`registration`], RFC 3261 10.2). A group tries several trunks by
//! priority and weight. This module asks for messages to be sent and is told what came of them; it must never know how
//! they are written, nor what a call is made of.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod caps;
mod config;
mod dice;
mod registration;
mod target;
mod view;

#[cfg(test)]
mod tests;

pub use caps::{Caps, Direction};
pub use config::{Group, Manners, Member, TrunkConfig, TrunksConfig};
pub use view::{TargetView, TrunkView};

use crate::events::TrunkStateName;
use crate::ids::{LegId, TrunkId};
use crate::sip::peer::Peer;
use crate::timers::Timers;
use caps::Held;
use dice::Dice;
use registration::{Granted, Registration, is_refusal};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use target::{Fault, Target};

/// How long an answer to OPTIONS may take; what comes later says that the target is no good.
const PROBE_LIMIT: Duration = Duration::from_secs(4);
/// How long an answer to REGISTER may take before another target is tried.
const REGISTER_LIMIT: Duration = Duration::from_secs(8);
/// Between two probes of a target that is in doubt: its recovery is noticed after two of them.
const PROBE_SOON: Duration = Duration::from_secs(5);
/// A target that nobody probes is tried with a call again after this.
const REST: Duration = Duration::from_secs(20);
/// A Retry-After beyond it is a mistake, or an attack on our calls by whoever can answer one.
const LONGEST_REST: Duration = Duration::from_secs(600);
/// How long a stop waits for the answer to the REGISTER that takes a binding away.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// A request that the module wants to be sent, until [`Trunks::answered`].
#[derive(Clone, Debug, PartialEq)]
pub struct Errand {
    pub trunk: TrunkId,
    pub target: usize,
    pub kind: ErrandKind,
    /// How the trunk is reached, also one that a reload has just taken away.
    pub reach: Arc<TrunkConfig>,
    /// Told from an errand of an earlier configuration.
    serial: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrandKind {
    Probe,
    /// A binding for so many seconds; 0 takes it away.
    Register {
        expires_s: u32,
    },
}

/// What came of an errand. Without a status nobody answered, or the way is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: Option<u16>,
    /// Seconds that the registrar keeps our binding for.
    pub granted_s: Option<u32>,
    pub min_expires_s: Option<u32>,
    pub retry_after_s: Option<u32>,
    /// The route to use for calls (RFC 3608), one address each.
    pub service_route: Vec<String>,
}

/// What came of a call to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It said something that only a working target says.
    Taken,
    /// It cannot take calls now; seconds to wait, if it named any.
    Unavailable {
        retry_after_s: Option<u32>,
    },
    Silent,
    /// The transport has no way to it.
    Unreachable,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TrunksOutput {
    Send(Errand),
    /// The trunk is of another use than before.
    State {
        trunk: TrunkId,
        state: TrunkStateName,
        why: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    /// A REGISTER is due: the first, a refresh, or another try.
    Register(TrunkId),
    /// No answer to the REGISTER that is out.
    RegisterOverdue(TrunkId),
    /// The registrar has forgotten us.
    BindingOver(TrunkId),
    Probe(TrunkId, usize),
    ProbeOverdue(TrunkId, usize),
    /// A target that failed calls and is not probed may be tried again.
    Rested(TrunkId, usize),
}

/// One try for a call: a trunk's target, and whether it is believed to be of any use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub trunk: TrunkId,
    pub target: usize,
    /// Taken for down; tried only because nothing better is left.
    pub doubtful: bool,
}

struct Trunk {
    config: Arc<TrunkConfig>,
    targets: Vec<Target>,
    registration: Registration,
    held: Held,
    told: Option<TrunkStateName>,
    why: String,
}

pub struct Trunks {
    trunks: BTreeMap<TrunkId, Trunk>,
    groups: BTreeMap<TrunkId, Group>,
    /// Which trunk each leg takes a place of.
    legs: BTreeMap<LegId, (TrunkId, Direction)>,
    timers: Timers<Deadline>,
    outputs: VecDeque<TrunksOutput>,
    dice: Dice,
    serial: u64,
    /// The switch takes no calls any more: nobody should send any.
    leaving: bool,
}

impl Trunks {
    pub fn new(now: Instant, seed: u64, config: TrunksConfig) -> Self {
        let mut trunks = Self {
            trunks: BTreeMap::new(),
            groups: BTreeMap::new(),
            legs: BTreeMap::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
            dice: Dice::new(seed),
            serial: 0,
            leaving: false,
        };
        trunks.reconfigure(now, config);
        trunks
    }

    /// Takes new numbers. A trunk that is written as before keeps all that is known of it, and every call its place.
    pub fn reconfigure(&mut self, now: Instant, config: TrunksConfig) {
        self.groups = config.groups;
        let gone: Vec<TrunkId> = self.trunks.keys().filter(|id| !config.trunks.contains_key(*id)).cloned().collect();
        for id in gone {
            self.forget(now, &id);
        }
        for (id, config) in config.trunks {
            match self.trunks.get_mut(&id) {
                Some(trunk) if trunk.config.is_same_as(&config) => {
                    let targets = config.targets.clone();
                    trunk.config = Arc::new(TrunkConfig { targets: trunk.config.targets.clone(), ..config });
                    self.retarget(now, &id, targets);
                }
                _ => {
                    self.forget(now, &id);
                    self.begin(now, id, config);
                }
            }
        }
    }

    fn begin(&mut self, now: Instant, id: TrunkId, config: TrunkConfig) {
        let targets: Vec<Target> = config.targets.iter().map(|_| Target::default()).collect();
        let registration = Registration::new(config.register);
        if registration.wanted() && !self.leaving {
            // Not all in the same instant after a start.
            let spread = self.dice.between(Duration::ZERO, Duration::from_millis(500));
            self.timers.set(Deadline::Register(id.clone()), now + spread);
        }
        if let Some(every) = config.health {
            for nth in 0..targets.len() {
                let first = self.dice.between(every / 2, every);
                self.timers.set(Deadline::Probe(id.clone(), nth), now + first);
            }
        }
        let mut held = Held::default();
        self.legs.values().filter(|(trunk, _)| *trunk == id).for_each(|(_, direction)| held.count(*direction));
        let why = match config.takes_calls() && targets.is_empty() {
            true => "its name has no address that we can reach".into(),
            false => "configured".into(),
        };
        let config = Arc::new(config);
        let trunk = Trunk { config, targets, registration, held, told: None, why };
        self.trunks.insert(id.clone(), trunk);
        self.tell(&id);
    }

    fn forget(&mut self, now: Instant, id: &TrunkId) {
        let Some(trunk) = self.trunks.get(id) else { return };
        let (bound, registrar, targets) =
            (trunk.registration.is_bound(now), trunk.registration.target(), trunk.targets.len());
        if bound {
            self.send(id, registrar, ErrandKind::Register { expires_s: 0 });
        }
        for nth in 0..targets {
            self.timers.clear(&Deadline::Probe(id.clone(), nth));
            self.timers.clear(&Deadline::ProbeOverdue(id.clone(), nth));
            self.timers.clear(&Deadline::Rested(id.clone(), nth));
        }
        for deadline in [Deadline::Register, Deadline::RegisterOverdue, Deadline::BindingOver] {
            self.timers.clear(&deadline(id.clone()));
        }
        self.trunks.remove(id);
    }

    /// The name of a trunk stands for these addresses now. What is known of those that stay is kept; a name of which
    /// nothing is known any more goes on with what was.
    fn retarget(&mut self, now: Instant, id: &TrunkId, targets: Vec<Peer>) {
        let Some(trunk) = self.trunks.get_mut(id) else { return };
        if targets.is_empty() || trunk.config.targets == targets {
            return;
        }
        let old = std::mem::take(&mut trunk.targets);
        let registrar = trunk.config.targets.get(trunk.registration.target()).copied();
        let mut known: Vec<(Peer, Target)> = trunk.config.targets.iter().copied().zip(old).collect();
        let before = known.len();
        trunk.targets = targets
            .iter()
            .map(|peer| match known.iter().position(|(old, _)| old == peer) {
                Some(at) => known.swap_remove(at).1.moved(),
                None => Target::default(),
            })
            .collect();
        let place = registrar.and_then(|registrar| targets.iter().position(|peer| *peer == registrar));
        trunk.registration.aim(place.unwrap_or(0));
        let anew = place.is_none() && trunk.registration.wanted() && !self.leaving;
        trunk.config = Arc::new(TrunkConfig { targets, ..TrunkConfig::clone(&trunk.config) });
        let (health, resting) = (trunk.config.health, trunk.targets.iter().map(Target::is_down).collect::<Vec<_>>());
        for nth in 0..before {
            self.timers.clear(&Deadline::Probe(id.clone(), nth));
            self.timers.clear(&Deadline::ProbeOverdue(id.clone(), nth));
            self.timers.clear(&Deadline::Rested(id.clone(), nth));
        }
        for (nth, is_down) in resting.into_iter().enumerate() {
            match health {
                Some(every) => {
                    let first = self.dice.between(Duration::ZERO, PROBE_SOON.min(every));
                    self.timers.set(Deadline::Probe(id.clone(), nth), now + first);
                }
                None if is_down => self.timers.set(Deadline::Rested(id.clone(), nth), now + REST),
                None => {}
            }
        }
        if anew {
            self.timers.set(Deadline::Register(id.clone()), now);
        }
        if let Some(trunk) = self.trunks.get_mut(id) {
            trunk.why = "its name stands for other addresses".into();
        }
        self.tell(id);
    }

    /// Whether calls to `name`, a trunk or a group, may go by this trunk.
    pub fn leads_to(&self, name: &TrunkId, trunk: &TrunkId) -> bool {
        name == trunk
            || self.groups.get(name).is_some_and(|group| group.members.iter().any(|member| member.trunk == *trunk))
    }

    pub fn config(&self, trunk: &TrunkId) -> Option<&TrunkConfig> {
        self.trunks.get(trunk).map(|trunk| &*trunk.config)
    }

    pub fn configs(&self) -> impl Iterator<Item = (&TrunkId, &TrunkConfig)> {
        self.trunks.iter().map(|(id, trunk)| (id, &*trunk.config))
    }

    /// The route that the registrar wants calls to take (RFC 3608).
    pub fn service_route(&self, trunk: &TrunkId) -> &[String] {
        self.trunks.get(trunk).map_or(&[], |trunk| trunk.registration.service_route())
    }

    /// Where a call to a trunk or a group may be tried, the best first.
    pub fn ways(&mut self, now: Instant, name: &TrunkId) -> Vec<Way> {
        let order = match self.groups.get(name) {
            Some(group) => group.order(&mut self.dice),
            None => vec![name.clone()],
        };
        let mut ways = Vec::new();
        for id in order {
            let Some(trunk) = self.trunks.get(&id).filter(|trunk| trunk.config.enabled) else { continue };
            let lapsed = trunk.registration.wanted() && !trunk.registration.is_bound(now);
            let open = trunk.targets.iter().enumerate().filter(|(_, target)| !target.is_resting(now));
            ways.extend(open.map(|(nth, target)| Way {
                trunk: id.clone(),
                target: nth,
                doubtful: lapsed || target.is_down(),
            }));
        }
        // Stable: among those of use, and among the others, the order of the group and of the targets.
        ways.sort_by_key(|way| way.doubtful);
        ways
    }

    /// A call has shown what a target is worth.
    pub fn call_tried(&mut self, now: Instant, way: &Way, outcome: CallOutcome) {
        let Some(trunk) = self.trunks.get_mut(&way.trunk) else { return };
        let Some(target) = trunk.targets.get_mut(way.target) else { return };
        let fault = match outcome {
            CallOutcome::Taken => None,
            CallOutcome::Unavailable { .. } => Some(Fault::Unavailable),
            CallOutcome::Silent => Some(Fault::Silent),
            CallOutcome::Unreachable => Some(Fault::Unreachable),
        };
        let rested = Deadline::Rested(way.trunk.clone(), way.target);
        match fault {
            None => {
                target.call_taken();
                trunk.why = "it takes calls".into();
                self.timers.clear(&rested);
            }
            Some(fault) => {
                target.call_failed();
                if let CallOutcome::Unavailable { retry_after_s: Some(seconds) } = outcome {
                    target.rest(now + Duration::from_secs(u64::from(seconds)).min(LONGEST_REST));
                }
                trunk.why = format!("calls to it: {fault}");
                if trunk.config.health.is_some() {
                    // What the call found is looked into at once.
                    self.hasten(now, &way.trunk, way.target);
                } else if target.is_down() {
                    self.timers.set(rested, now + REST);
                }
            }
        }
        self.tell(&way.trunk);
    }

    /// A leg takes one of the places of its trunk, if there is one.
    pub fn take(&mut self, now: Instant, leg: LegId, id: &TrunkId, direction: Direction) -> bool {
        let Some(trunk) = self.trunks.get_mut(id) else { return true };
        if !trunk.held.take(now, &trunk.config.caps, direction) {
            return false;
        }
        self.legs.insert(leg, (id.clone(), direction));
        true
    }

    /// The leg is gone; a second time changes nothing.
    pub fn release(&mut self, leg: LegId) {
        if let Some((id, direction)) = self.legs.remove(&leg)
            && let Some(trunk) = self.trunks.get_mut(&id)
        {
            trunk.held.give_back(direction);
        }
    }

    /// The legs that take a place.
    pub fn held(&self) -> impl ExactSizeIterator<Item = LegId> + '_ {
        self.legs.keys().copied()
    }

    /// From now on nobody should send calls: bindings are taken away, and made again when it is taken back.
    pub fn set_leaving(&mut self, now: Instant, leaving: bool) {
        if std::mem::replace(&mut self.leaving, leaving) == leaving {
            return;
        }
        let ids: Vec<TrunkId> = self.trunks.keys().cloned().collect();
        for id in ids {
            let Some(trunk) = self.trunks.get_mut(&id).filter(|trunk| trunk.registration.wanted()) else { continue };
            if leaving && trunk.registration.is_bound(now) {
                self.register(now, &id);
            } else if leaving {
                trunk.registration.give_up();
                self.timers.clear(&Deadline::Register(id.clone()));
                self.timers.clear(&Deadline::RegisterOverdue(id));
            } else {
                self.timers.set(Deadline::Register(id), now);
            }
        }
    }

    /// Whether bindings are still being taken away.
    pub fn is_leaving(&self) -> bool {
        self.leaving && self.trunks.values().any(|trunk| trunk.registration.is_asking())
    }

    /// A connection to this address is gone: what was registered over it is reached no more (RFC 5626 4.4.1).
    pub fn connection_lost(&mut self, now: Instant, peer: &Peer) {
        for (id, trunk) in &self.trunks {
            let at = trunk.config.targets.get(trunk.registration.target());
            let over = |own: &Peer| own.transport == peer.transport && own.remote == peer.remote;
            if at.is_some_and(over) && trunk.registration.is_bound(now) && !trunk.registration.is_asking() {
                let soon = self.dice.between(Duration::from_millis(500), Duration::from_secs(2));
                self.timers.set(Deadline::Register(id.clone()), now + soon);
            }
        }
    }

    /// An errand is done. One that is no longer waited for changes nothing.
    pub fn answered(&mut self, now: Instant, errand: &Errand, answer: &Answer) {
        match errand.kind {
            ErrandKind::Probe => self.probe_answered(now, errand, answer),
            ErrandKind::Register { expires_s } => self.register_answered(now, errand, expires_s, answer),
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|(at, _)| at)
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(deadline) = self.timers.pop(now) {
            match deadline {
                Deadline::Register(id) => self.register(now, &id),
                Deadline::RegisterOverdue(id) => self.register_failed(now, &id, &Answer::default()),
                Deadline::BindingOver(id) => {
                    if let Some(trunk) = self.trunks.get_mut(&id) {
                        trunk.registration.forgotten();
                        trunk.why = "the registration ran out".into();
                        self.tell(&id);
                    }
                }
                Deadline::Probe(id, nth) => self.probe(now, &id, nth),
                Deadline::ProbeOverdue(id, nth) => self.probed(now, &id, nth, Some("no answer to OPTIONS".into())),
                Deadline::Rested(id, nth) => {
                    if let Some(trunk) = self.trunks.get_mut(&id)
                        && let Some(target) = trunk.targets.get_mut(nth)
                    {
                        target.rested();
                        trunk.why = "tried again with the next call".into();
                        self.tell(&id);
                    }
                }
            }
        }
    }

    pub fn poll(&mut self) -> Option<TrunksOutput> {
        self.outputs.pop_front()
    }

    pub fn views(&self, now: Instant) -> Vec<TrunkView> {
        self.trunks.iter().map(|(id, trunk)| trunk.view(now, id)).collect()
    }

    // --- registration ---

    fn register(&mut self, now: Instant, id: &TrunkId) {
        let Some(trunk) = self.trunks.get_mut(id).filter(|trunk| trunk.config.enabled) else { return };
        if trunk.targets.is_empty() {
            return;
        }
        let expires_s = if self.leaving { 0 } else { trunk.registration.expires_s() };
        let target = trunk.registration.target();
        let serial = self.send(id, target, ErrandKind::Register { expires_s });
        if let Some(trunk) = self.trunks.get_mut(id) {
            trunk.registration.asked(serial);
        }
        self.timers.clear(&Deadline::Register(id.clone()));
        let limit = if self.leaving { LEAVE_LIMIT } else { REGISTER_LIMIT };
        self.timers.set(Deadline::RegisterOverdue(id.clone()), now + limit);
    }

    fn register_answered(&mut self, now: Instant, errand: &Errand, expires_s: u32, answer: &Answer) {
        let id = &errand.trunk;
        let Some(trunk) = self.trunks.get_mut(id).filter(|trunk| trunk.registration.awaits(errand.serial)) else {
            return;
        };
        self.timers.clear(&Deadline::RegisterOverdue(id.clone()));
        match answer.status {
            Some(200..300) if expires_s == 0 => {
                trunk.registration.forgotten();
                trunk.registration.give_up();
                self.timers.clear(&Deadline::BindingOver(id.clone()));
                trunk.why = "it was taken away, as the switch takes no more calls".into();
                self.tell(id);
            }
            Some(200..300) => {
                let granted = Granted {
                    seconds: answer.granted_s.unwrap_or(expires_s),
                    service_route: answer.service_route.clone(),
                };
                let seconds = granted.seconds;
                let held = trunk.registration.granted(now, granted);
                trunk.why = format!("registered for {seconds} s");
                let (refresh, over) = held.deadlines(&mut self.dice);
                self.timers.set(Deadline::Register(id.clone()), now + refresh);
                self.timers.set(Deadline::BindingOver(id.clone()), now + over);
                self.tell(id);
            }
            // Asked for less than the registrar keeps (RFC 3261 10.2.8).
            Some(423) if trunk.registration.raise(answer.min_expires_s) => self.register(now, id),
            _ => self.register_failed(now, id, answer),
        }
    }

    fn register_failed(&mut self, now: Instant, id: &TrunkId, answer: &Answer) {
        let Some(trunk) = self.trunks.get_mut(id) else { return };
        self.timers.clear(&Deadline::RegisterOverdue(id.clone()));
        if self.leaving {
            // It runs out by itself.
            trunk.registration.forgotten();
            return trunk.registration.give_up();
        }
        let pause = trunk.registration.failed(answer.status, trunk.targets.len(), &mut self.dice);
        let named = answer.retry_after_s.map(|seconds| Duration::from_secs(u64::from(seconds)).min(LONGEST_REST));
        trunk.why = match answer.status {
            None => "no answer to REGISTER".into(),
            Some(status @ (401 | 403 | 407)) => {
                format!("REGISTER was refused with {status}; look at `user` and the password")
            }
            Some(status) => format!("REGISTER was refused with {status}"),
        };
        self.timers.set(Deadline::Register(id.clone()), now + pause.max(named.unwrap_or_default()));
        // A registrar that no longer wants us has not kept the binding either.
        if is_refusal(answer.status) {
            trunk.registration.forgotten();
            self.timers.clear(&Deadline::BindingOver(id.clone()));
        }
        self.tell(id);
    }

    // --- probes ---

    fn probe(&mut self, now: Instant, id: &TrunkId, nth: usize) {
        let Some(trunk) = self.trunks.get(id).filter(|trunk| trunk.config.enabled) else { return };
        if nth >= trunk.targets.len() {
            return;
        }
        let serial = self.send(id, nth, ErrandKind::Probe);
        if let Some(target) = self.trunks.get_mut(id).and_then(|trunk| trunk.targets.get_mut(nth)) {
            target.asked(serial);
        }
        self.timers.set(Deadline::ProbeOverdue(id.clone(), nth), now + PROBE_LIMIT);
    }

    fn probe_answered(&mut self, now: Instant, errand: &Errand, answer: &Answer) {
        let target = self.trunks.get(&errand.trunk).and_then(|trunk| trunk.targets.get(errand.target));
        if target.is_some_and(|target| target.awaits(errand.serial)) {
            let bad = match answer.status {
                None => Some("no answer to OPTIONS".into()),
                Some(status @ 502..=504) => Some(format!("{status} to OPTIONS")),
                // Whoever refuses OPTIONS is there to refuse it.
                Some(_) => None,
            };
            self.probed(now, &errand.trunk, errand.target, bad);
        }
    }

    fn probed(&mut self, now: Instant, id: &TrunkId, nth: usize, bad: Option<String>) {
        self.timers.clear(&Deadline::ProbeOverdue(id.clone(), nth));
        let Some(trunk) = self.trunks.get_mut(id) else { return };
        let Some(every) = trunk.config.health else { return };
        let Some(target) = trunk.targets.get_mut(nth) else { return };
        let next = match target.probed(bad.is_none()) {
            true => every,
            false => PROBE_SOON.min(every),
        };
        let next = self.dice.between(next * 9 / 10, next);
        self.timers.set(Deadline::Probe(id.clone(), nth), now + next);
        trunk.why = bad.unwrap_or_else(|| "it answers OPTIONS".into());
        self.tell(id);
    }

    fn hasten(&mut self, now: Instant, id: &TrunkId, nth: usize) {
        if !self.timers.is_set(&Deadline::ProbeOverdue(id.clone(), nth)) {
            self.timers.set(Deadline::Probe(id.clone(), nth), now);
        }
    }

    fn send(&mut self, id: &TrunkId, target: usize, kind: ErrandKind) -> u64 {
        self.serial += 1;
        if let Some(trunk) = self.trunks.get(id) {
            let reach = trunk.config.clone();
            let errand = Errand { trunk: id.clone(), target, kind, reach, serial: self.serial };
            self.outputs.push_back(TrunksOutput::Send(errand));
        }
        self.serial
    }

    /// Tells the state of a trunk where it is another than was told.
    fn tell(&mut self, id: &TrunkId) {
        let Some(trunk) = self.trunks.get_mut(id) else { return };
        let state = trunk.state();
        if trunk.told.replace(state) != Some(state) {
            self.outputs.push_back(TrunksOutput::State { trunk: id.clone(), state, why: trunk.why.clone() });
        }
    }
}

impl Trunk {
    fn state(&self) -> TrunkStateName {
        if !self.config.enabled {
            TrunkStateName::Disabled
        } else if self.registration.wanted() && !self.registration.is_held() {
            TrunkStateName::Unregistered
        } else if self.config.takes_calls() && self.targets.iter().all(Target::is_down) {
            TrunkStateName::Down
        } else {
            TrunkStateName::Up
        }
    }
}
