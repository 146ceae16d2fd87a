//! One binding of ours at a carrier's registrar (RFC 3261 10.2): asked for, refreshed in time, asked for again after a
//! failure, each time later than the last.

use super::dice::Dice;
use std::time::{Duration, Instant};

/// The pause after the first failure, and the longest one: a registrar that comes back is noticed within it.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(25);
/// After a refusal of who we are, which trying again does not mend, and may lock the account.
const FIRST_REFUSED: Duration = Duration::from_secs(60);
const LONGEST_REFUSED: Duration = Duration::from_secs(600);
/// No registrar keeps a binding longer; what it says beyond is a mistake.
const LONGEST_S: u32 = 86_400;

pub struct Registration {
    /// Seconds to ask for; none when this trunk does not register.
    wanted_s: Option<u32>,
    /// Which of the trunk's targets is the registrar.
    target: usize,
    phase: Phase,
    /// Until when the registrar sends calls to us, whatever is asked of it meanwhile.
    bound_until: Option<Instant>,
    service_route: Vec<String>,
    failures: u32,
}

enum Phase {
    Idle,
    /// A REGISTER of this serial has no answer yet.
    Asking(u64),
}

pub struct Granted {
    pub seconds: u32,
    pub service_route: Vec<String>,
}

/// The registrar wants no binding of ours; a 408 says that it never heard of one (RFC 3261 21.4.9).
pub fn is_refusal(status: Option<u16>) -> bool {
    matches!(status, Some(400..=407 | 409..500 | 600..))
}

/// A binding as it was granted, in seconds.
pub struct Binding(u32);

impl Binding {
    /// When to refresh it, and when it is over. Early enough for another try or two before it runs out.
    pub fn deadlines(&self, dice: &mut Dice) -> (Duration, Duration) {
        let whole = Duration::from_secs(u64::from(self.0));
        (dice.between(whole * 7 / 10, whole * 8 / 10), whole)
    }
}

impl Registration {
    pub fn new(wanted_s: Option<u32>) -> Self {
        Self { wanted_s, target: 0, phase: Phase::Idle, bound_until: None, service_route: Vec::new(), failures: 0 }
    }

    pub fn wanted(&self) -> bool {
        self.wanted_s.is_some()
    }

    pub fn expires_s(&self) -> u32 {
        self.wanted_s.unwrap_or(0)
    }

    pub fn target(&self) -> usize {
        self.target
    }

    /// Which of the targets is the registrar from now on.
    pub fn aim(&mut self, target: usize) {
        self.target = target;
    }

    pub fn is_bound(&self, now: Instant) -> bool {
        self.bound_until.is_some_and(|until| until > now)
    }

    /// As far as the deadlines have told.
    pub fn is_held(&self) -> bool {
        self.bound_until.is_some()
    }

    pub fn bound_until(&self) -> Option<Instant> {
        self.bound_until
    }

    pub fn service_route(&self) -> &[String] {
        &self.service_route
    }

    pub fn is_asking(&self) -> bool {
        matches!(self.phase, Phase::Asking(_))
    }

    pub fn awaits(&self, serial: u64) -> bool {
        matches!(self.phase, Phase::Asking(awaited) if awaited == serial)
    }

    pub fn asked(&mut self, serial: u64) {
        self.phase = Phase::Asking(serial);
    }

    pub fn granted(&mut self, now: Instant, granted: Granted) -> Binding {
        let seconds = granted.seconds.clamp(1, LONGEST_S);
        self.phase = Phase::Idle;
        self.failures = 0;
        self.bound_until = Some(now + Duration::from_secs(u64::from(seconds)));
        self.service_route = granted.service_route;
        Binding(seconds)
    }

    /// The registrar keeps no binding as short as ours. True when it named a longer one that can be asked for.
    pub fn raise(&mut self, least_s: Option<u32>) -> bool {
        let longer = least_s.filter(|least| (self.expires_s() + 1..=LONGEST_S).contains(least));
        if longer.is_some() {
            self.wanted_s = longer;
        }
        longer.is_some()
    }

    /// The pause until the next try, at the next target if the registrar did not answer.
    pub fn failed(&mut self, status: Option<u16>, targets: usize, dice: &mut Dice) -> Duration {
        self.phase = Phase::Idle;
        let refused = is_refusal(status);
        if !refused {
            self.target = (self.target + 1) % targets.max(1);
        }
        let (first, longest) = if refused { (FIRST_REFUSED, LONGEST_REFUSED) } else { (FIRST_PAUSE, LONGEST_PAUSE) };
        let pause = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures += 1;
        // Half of it is chance, so that those whom one failure cut off do not come back at once (RFC 5626 4.5).
        dice.between(pause / 2, pause)
    }

    pub fn forgotten(&mut self) {
        self.bound_until = None;
        self.service_route.clear();
    }

    pub fn give_up(&mut self) {
        self.phase = Phase::Idle;
    }
}
