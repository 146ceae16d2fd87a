//! Watches for a peer that should send and is silent: told after a while as a trouble, and at last as a time-out.

use crate::events::media::MediaTrouble;
use crate::media::{MS, Micros};
use std::time::Duration;

/// Silence of this length is no loss of packets any more.
const MISSED: Micros = 5_000 * MS;
/// Troubles told of one leg: a line that comes and goes must not fill the journal.
const MAX_TOLD: u8 = 20;

#[derive(Debug, Default)]
pub(super) struct Silence {
    /// When to give the peer up; `None` = it owes nothing (not answered yet, on hold).
    limit: Option<Micros>,
    /// Packets, or what restarts the watch: the command, an offer/answer.
    since: Micros,
    state: State,
    timed_out: bool,
    /// Troubles told so far.
    told: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing has come yet.
    #[default]
    Unheard,
    Heard,
    /// Missed since then, which was told.
    Missing {
        since: Micros,
    },
}

/// What a look brought to light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    Audio {
        since_answer: bool,
    },
    /// It has been silent for as long as was asked.
    TimedOut,
}

impl Silence {
    /// Starts the watch anew.
    pub fn watch(&mut self, now: Micros, limit: Option<Duration>) {
        self.limit = limit.map(|limit| Micros::try_from(limit.as_micros()).unwrap_or(Micros::MAX / 2));
        self.restart(now);
        self.timed_out = false;
    }

    /// An offer/answer: the time begins anew.
    pub fn restart(&mut self, now: Micros) {
        self.since = now;
    }

    /// A packet came.
    pub fn heard(&mut self, now: Micros) -> Option<MediaTrouble> {
        self.since = now;
        self.timed_out = false;
        match std::mem::replace(&mut self.state, State::Heard) {
            State::Missing { since } => Some(MediaTrouble::AudioBack { after_ms: now.saturating_sub(since) / MS }),
            State::Unheard | State::Heard => None,
        }
    }

    /// Asked while the peer is expected to send.
    pub fn look(&mut self, now: Micros) -> Option<Missed> {
        let limit = self.limit?;
        let silent = now.saturating_sub(self.since);
        if silent >= limit {
            return (!std::mem::replace(&mut self.timed_out, true)).then_some(Missed::TimedOut);
        }
        let since_answer = match self.state {
            State::Unheard => true,
            State::Heard => false,
            State::Missing { .. } => return None,
        };
        if silent < MISSED || self.told >= MAX_TOLD {
            return None;
        }
        self.told += 1;
        self.state = State::Missing { since: self.since };
        Some(Missed::Audio { since_answer })
    }

    /// When to look again.
    pub fn next_look(&self) -> Micros {
        let Some(limit) = self.limit.filter(|_| !self.timed_out) else { return Micros::MAX };
        let told = matches!(self.state, State::Missing { .. }) || self.told >= MAX_TOLD;
        self.since.saturating_add(if told { limit } else { MISSED.min(limit) })
    }

    /// Whether the peer was heard lately: not what is missing.
    pub fn speaks(&self, now: Micros) -> bool {
        self.state == State::Heard && now.saturating_sub(self.since) < MISSED / 5
    }
}
