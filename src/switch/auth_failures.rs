//! Wrong credentials, told at most once a minute for each source and reason: whoever guesses passwords or floods the port must not
//! fill the journal and the log.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Between two tellings of one source.
const PAUSE: Duration = Duration::from_secs(60);
/// Sources and reasons told apart; the failures of all beyond share one place for each reason.
const MAX_SOURCES: usize = 1024;

/// One request whose credentials were wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuthFailure {
    /// As the request's From has it.
    pub user: String,
    pub source: SocketAddr,
    pub why: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct AuthFailures {
    /// `None` is the place of all sources beyond the bound.
    told: BTreeMap<(Option<IpAddr>, &'static str), Told>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    /// The last one since, and how many.
    untold: Option<(AuthFailure, u32)>,
}

impl AuthFailures {
    /// The failure with the number that it stands for, if its source may be told of again.
    pub(super) fn add(&mut self, now: Instant, failure: AuthFailure) -> Option<(AuthFailure, u32)> {
        let own = (Some(failure.source.ip()), failure.why);
        let room = self.told.len() < MAX_SOURCES || self.told.contains_key(&own);
        let place = if room { own } else { (None, failure.why) };
        let Some(told) = self.told.get_mut(&place) else {
            self.told.insert(place, Told { at: now, untold: None });
            return Some((failure, 1));
        };
        let count = told.untold.as_ref().map_or(0, |(_, count)| *count).saturating_add(1);
        if now.saturating_duration_since(told.at) < PAUSE {
            told.untold = Some((failure, count));
            return None;
        }
        *told = Told { at: now, untold: None };
        Some((failure, count))
    }

    /// What has waited long enough to be told. Sources that have been quiet are forgotten.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(AuthFailure, u32)> {
        let mut due = Vec::new();
        self.told.retain(|_, told| {
            if now.saturating_duration_since(told.at) < PAUSE {
                return true;
            }
            let untold = told.untold.take();
            let again = untold.is_some();
            told.at = now;
            due.extend(untold);
            again
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(source: u32) -> AuthFailure {
        let source = SocketAddr::new(IpAddr::V4(source.into()), 5060);
        AuthFailure { user: "1001".into(), source, why: "wrong password" }
    }

    #[test]
    fn a_flood_from_one_address_is_told_once_a_minute_and_none_of_it_is_uncounted() {
        let start = Instant::now();
        let mut failures = AuthFailures::default();
        let mut told = Vec::new();
        for second in 0..120 {
            let now = start + Duration::from_secs(second);
            told.extend(failures.add(now, failure(1)).map(|(_, count)| count));
        }
        told.extend(failures.due(start + Duration::from_secs(121)).into_iter().map(|(_, count)| count));
        assert_eq!(told, [1, 60, 59]);
        assert!(failures.due(start + Duration::from_secs(200)).is_empty());
        assert!(failures.told.is_empty(), "a quiet source is forgotten");
    }

    #[test]
    fn forged_addresses_fill_neither_memory_nor_journal() {
        let now = Instant::now();
        let mut failures = AuthFailures::default();
        let told = (0..10_000).filter(|source| failures.add(now, failure(*source)).is_some()).count();
        assert_eq!((told, failures.told.len()), (MAX_SOURCES + 1, MAX_SOURCES + 1));
        let later: u32 = failures.due(now + PAUSE).into_iter().map(|(_, count)| count).sum();
        assert_eq!(told as u32 + later, 10_000);
    }
}
