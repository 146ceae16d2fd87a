//! Random calls over a network that loses, repeats and reorders. Whatever happens, both sides end, agree and forget.
//!
//! `HOTLINE_FUZZ_CASES` sets how many calls, `HOTLINE_FUZZ_SEED` where to start; a failure prints the seed.

use super::world::*;
use crate::sip::endpoint::{SipEvent, UsageId};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");

/// xorshift64*: small, and the same everywhere.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            dice.roll();
        }
        dice
    }

    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        (self.roll() >> 11) % limit
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Ring,
    Accept,
    Reject,
    Hangup(usize),
    Reoffer(usize),
    AnswerReoffer(usize, bool),
    Info(usize),
}

#[derive(Default)]
struct Side {
    usage: Option<UsageId>,
    answered: bool,
    acked: bool,
    /// Told that it ended, or ended it.
    ended: u32,
}

struct Play {
    world: World,
    dice: Dice,
    sides: [Side; 2],
    acts: BTreeMap<(Instant, u64), Act>,
    count: u64,
    accepted: bool,
}

impl Play {
    fn plan(&mut self, after: u64, act: Act) {
        self.count += 1;
        self.acts.insert((self.world.now + ms(after), self.count), act);
    }

    fn heed(&mut self) {
        for end in [PHONE, SWITCH] {
            for event in std::mem::take(&mut self.world.events[end]) {
                assert!(
                    self.sides[end].ended == 0 || matches!(event, SipEvent::Invited { .. }),
                    "{} after the end",
                    title(&event)
                );
                match event {
                    SipEvent::Invited { usage, .. } => {
                        assert!(self.sides[end].usage.is_none(), "one INVITE became two calls");
                        self.sides[end].usage = Some(usage);
                        let (ring, answer) = (self.dice.below(500), self.dice.below(6_000));
                        self.plan(ring, Act::Ring);
                        match self.dice.below(10) {
                            0 => self.plan(answer, Act::Reject),
                            1 => {}
                            _ => self.plan(answer, Act::Accept),
                        }
                    }
                    SipEvent::Answered { .. } => {
                        assert!(self.accepted, "an answer that nobody gave");
                        self.sides[end].answered = true;
                    }
                    SipEvent::Acked { .. } => self.sides[end].acked = true,
                    SipEvent::Reoffer { .. } => {
                        let (after, yes) = (self.dice.below(3_000), self.dice.percent(80));
                        self.plan(after, Act::AnswerReoffer(end, yes));
                    }
                    SipEvent::Rejected { .. } | SipEvent::Ended { .. } => self.sides[end].ended += 1,
                    _ => {}
                }
            }
        }
    }

    fn act(&mut self, act: Act) {
        let now = self.world.now;
        let end = match act {
            Act::Ring | Act::Accept | Act::Reject => SWITCH,
            Act::Hangup(end) | Act::Reoffer(end) | Act::AnswerReoffer(end, _) | Act::Info(end) => end,
        };
        let side = &mut self.sides[end];
        let Some(usage) = side.usage.filter(|_| side.ended == 0) else { return };
        let endpoint = &mut self.world.ends[end];
        match act {
            Act::Ring => endpoint.progress(now, usage, 180, None),
            Act::Accept => {
                self.accepted = true;
                endpoint.accept(now, usage, SDP);
            }
            Act::Reject => {
                side.ended += 1;
                endpoint.reject(now, usage, 486, None, &[]);
            }
            Act::Hangup(_) => {
                side.ended += 1;
                endpoint.hangup(now, usage, None);
            }
            Act::Reoffer(_) => drop(endpoint.reinvite(now, usage, SDP)),
            Act::AnswerReoffer(_, yes) => {
                endpoint.answer_reoffer(now, usage, if yes { Ok(SDP) } else { Err(488) }, &[])
            }
            Act::Info(_) => endpoint.info(now, usage, "text/plain", Bytes::new()),
        }
    }

    fn run_until(&mut self, limit: Instant) {
        loop {
            self.world.drain();
            self.heed();
            let planned = self.acts.first_key_value().map(|((at, _), _)| *at).filter(|at| *at <= limit);
            // Messages and timers that are due before the next act come first.
            if self.world.step(planned.unwrap_or(limit)) {
                continue;
            }
            let Some(((at, _), act)) = self.acts.pop_first().filter(|((at, _), _)| *at <= limit) else { break };
            self.world.now = at;
            self.act(act);
        }
        self.world.now = limit;
    }
}

fn play(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut world = World::new();
    let (loss, copies, slow) = (dice.below(31), dice.below(31), 1 + dice.below(1_500));
    let wire = Rc::new(RefCell::new(dice.clone()));
    wire.borrow_mut().roll();
    world.fate = Box::new(move |_| {
        let mut wire = wire.borrow_mut();
        if wire.percent(loss) {
            return vec![];
        }
        let count = if wire.percent(copies) { 2 + wire.below(2) } else { 1 };
        (0..count).map(|_| Duration::from_micros(wire.below(slow * 1_000))).collect()
    });
    let caller = world.dial();
    let mut play = Play { world, dice, sides: Default::default(), acts: BTreeMap::new(), count: 0, accepted: false };
    play.sides[PHONE].usage = Some(caller);
    for _ in 0..play.dice.below(6) {
        let (after, end) = (play.dice.below(15_000), play.dice.below(2) as usize);
        let act = if play.dice.percent(70) { Act::Reoffer(end) } else { Act::Info(end) };
        play.plan(after, act);
    }
    // Sooner or later one side hangs up, most often when the call is up; the caller always in the end.
    let (after, end) = (play.dice.below(20_000), play.dice.below(2) as usize);
    play.plan(after, Act::Hangup(end));
    play.plan(40_000, Act::Hangup(PHONE));
    // A caller whose every 1xx was lost may give up without a CANCEL (9.1); what rings then is the app's to limit.
    play.plan(60_000, Act::Hangup(SWITCH));
    let hung_up = play.world.now + secs(60);

    play.run_until(hung_up + secs(70));
    for end in [PHONE, SWITCH] {
        let side = &play.sides[end];
        assert_eq!(side.ended, u32::from(side.usage.is_some()), "side {end} ends once");
        assert_eq!(play.world.ends[end].stats().usages, 0, "side {end} still has a call 64*T1 after the end");
    }
    if play.sides[SWITCH].acked {
        assert!(play.sides[PHONE].answered || play.sides[PHONE].ended == 1, "acknowledged but never heard");
    }
    play.run_until(hung_up + secs(200));
    for end in &play.world.ends {
        assert!(end.is_idle(), "left behind: {:?}", end.stats());
    }
}

#[test]
fn both_sides_end_agree_and_forget_whatever_the_network_does() {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (cases, first) = (number("HOTLINE_FUZZ_CASES", 400).min(100_000), number("HOTLINE_FUZZ_SEED", 1));
    for seed in first..first + cases {
        if let Err(panic) = std::panic::catch_unwind(|| play(seed)) {
            eprintln!("seed {seed}: run again with HOTLINE_FUZZ_SEED={seed} HOTLINE_FUZZ_CASES=1");
            std::panic::resume_unwind(panic);
        }
    }
}
