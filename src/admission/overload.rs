//! What is turned away when the switch falls behind: new calls only, the least urgent first, and no more than it takes to
//! keep up. Calls in haste are never among them. Rising needs a load that lasts, falling needs calm; between the two
//! everything stays as it is, so that the switch does not swing.

use crate::events::Class;
use std::time::{Duration, Instant};

/// How far behind the switch is, as its edge measures it about each [`Overload::EVERY`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How long a new call waits until it is looked at.
    pub delay: Duration,
    /// The longest by which a media worker woke up too late.
    pub media_late: Duration,
}

/// Beyond it a caller's phone is about to repeat its INVITE (T1 is 500 ms), and makes it worse.
const LONG: Duration = Duration::from_millis(250);
/// A packet of 20 ms goes out when the next one should: what is played and relayed is heard to stutter.
const LATE: Duration = Duration::from_millis(20);
/// Below these there is calm. A busy machine that does its work has lateness of some milliseconds all the time.
const PROMPT: Duration = Duration::from_millis(50);
const PUNCTUAL: Duration = Duration::from_millis(10);
/// A hiccup is over after so many looks.
const LASTING: u32 = 3;
const MOST: u32 = 100;
const STEP: u32 = 4;

#[derive(Clone, Debug, Default)]
pub struct Overload {
    /// 0 to 100.
    level: u32,
    /// Looks in a row that found too much.
    strained: u32,
    looked: Option<Instant>,
    /// Parts of a hundred that each class is owed.
    owed: [u32; Class::ALL.len()],
}

impl Overload {
    pub const EVERY: Duration = Duration::from_millis(100);

    pub fn observe(&mut self, now: Instant, load: Load) {
        let since = self.looked.map_or(Self::EVERY, |looked| now.saturating_duration_since(looked));
        self.looked = Some(now);
        // Nobody looks while there is nothing to do, which is calm too.
        let looks = (since.as_millis() / Self::EVERY.as_millis()).clamp(1, u128::from(MOST)) as u32;
        if load.delay > LONG || load.media_late > LATE {
            self.strained = if looks > LASTING { 1 } else { self.strained + 1 };
            let steps = if load.delay > LONG * 2 { 2 } else { 1 };
            if self.level > 0 || self.strained >= LASTING {
                self.level = (self.level + STEP * steps).min(MOST);
            }
            return;
        }
        self.strained = 0;
        if load.delay < PROMPT && load.media_late < PUNCTUAL {
            self.level = self.level.saturating_sub(looks);
        }
    }

    /// 0 while everybody is looked at, 100 when as good as nobody is.
    pub fn level(&self) -> u32 {
        self.level
    }

    /// Whether the next new call of this class is turned away.
    pub fn sheds(&mut self, class: Class) -> bool {
        let share = self.share(class);
        let Some(owed) = self.owed.get_mut(class as usize) else { return false };
        *owed += share;
        let sheds = *owed >= 100;
        if sheds {
            *owed -= 100;
        }
        sheds
    }

    /// How many of a hundred calls of this class are turned away.
    fn share(&self, class: Class) -> u32 {
        let (from, to, most) = match class {
            Class::Urgent => return 0,
            // Some get in, or nobody would find out that there is room again.
            Class::Service => (30, 100, 95),
            Class::Marketing => (5, 50, 100),
            Class::Outbound => (0, 40, 100),
        };
        (self.level.saturating_sub(from) * 100 / (to - from)).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(delay_ms: u64) -> Load {
        Load { delay: Duration::from_millis(delay_ms), media_late: Duration::ZERO }
    }

    struct World {
        overload: Overload,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            Self { overload: Overload::default(), now: Instant::now() }
        }

        fn looks(&mut self, count: u32, load: Load) -> u32 {
            for _ in 0..count {
                self.now += Overload::EVERY;
                self.overload.observe(self.now, load);
            }
            self.overload.level()
        }

        /// Of a hundred calls of a class.
        fn shed(&mut self, class: Class) -> usize {
            (0..100).filter(|_| self.overload.sheds(class)).count()
        }
    }

    #[test]
    fn a_hiccup_turns_nobody_away_and_a_lasting_load_the_least_urgent_first() {
        let mut world = World::new();
        assert_eq!(world.looks(2, load(2_000)), 0);
        assert_eq!(world.looks(1, load(0)), 0);
        assert_eq!(world.looks(2, load(2_000)), 0);
        assert!(world.looks(2, load(300)) > 0);
        let shed = |world: &mut World| Class::ALL.map(|class| world.shed(class));
        let [urgent, service, marketing, outbound] = shed(&mut world);
        assert!(urgent == 0 && service == 0 && marketing < outbound, "{marketing} {outbound}");
        world.looks(100, load(2_000));
        assert_eq!(shed(&mut world), [0, 95, 100, 100]);
    }

    #[test]
    fn media_that_is_late_beyond_hearing_turns_callers_away_and_lateness_that_nobody_hears_does_not() {
        let late = |ms| Load { delay: Duration::ZERO, media_late: Duration::from_millis(ms) };
        let mut world = World::new();
        assert_eq!(world.looks(1_000, late(9)), 0);
        let level = world.looks(20, late(25));
        assert!(level > 50, "{level}");
        assert_eq!(world.looks(100, late(9)), 0);
    }

    #[test]
    fn what_is_between_calm_and_strain_changes_nothing_and_calm_lets_all_in_again() {
        let mut world = World::new();
        let level = world.looks(10, load(300));
        assert_eq!(world.looks(50, load(150)), level);
        assert_eq!(world.looks(level - 1, load(10)), 1);
        assert_eq!(world.looks(1, load(10)), 0);
        // An hour without a look is an hour of calm.
        world.looks(10, load(300));
        world.now += Duration::from_secs(3_600);
        assert_eq!(world.looks(1, load(0)), 0);
    }

    #[test]
    fn media_that_comes_late_counts_as_much_as_signalling() {
        let mut world = World::new();
        let late = Load { delay: Duration::ZERO, media_late: Duration::from_millis(80) };
        assert!(world.looks(5, late) > 0);
    }

    /// A switch that takes 100 calls a look, and three times as many come: the controller finds its way, and what gets in is
    /// near what the switch can do.
    #[test]
    fn at_three_times_the_capacity_the_wait_stays_short_and_the_switch_stays_busy() {
        let mut world = World::new();
        let (mut queue, mut served, mut worst, mut urgent_shed) = (0u32, 0u32, 0u32, 0u32);
        for look in 0..600 {
            for nth in 0..300 {
                let class = [Class::Urgent, Class::Service, Class::Marketing][if nth < 10 {
                    0
                } else if nth < 100 {
                    1
                } else {
                    2
                }];
                match world.overload.sheds(class) {
                    true => urgent_shed += u32::from(class == Class::Urgent),
                    false => queue += 1,
                }
            }
            let done = queue.min(100);
            queue -= done;
            if look >= 100 {
                served += done;
                worst = worst.max(queue);
            }
            world.looks(1, load(u64::from(queue)));
        }
        assert_eq!(urgent_shed, 0);
        assert!(served > 500 * 95, "{served} of {}", 500 * 100);
        assert!(worst < 1_000, "{worst} ms");
    }
}
