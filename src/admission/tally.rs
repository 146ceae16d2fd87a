//! How often something has come from each network of addresses within a window of time. A window's count is enough: nobody is
//! locked out for longer than it lasts, and nothing is remembered beyond it.

use super::network_of;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Networks counted apart in one window; those beyond share a place, and what it may have.
const MAX_NETWORKS: usize = 8_192;

#[derive(Clone, Debug)]
pub struct Tally {
    window: Duration,
    most: u32,
    since: Option<Instant>,
    counts: BTreeMap<Option<IpAddr>, u32>,
}

impl Tally {
    /// At most so many from one network in each window.
    pub fn new(most: u32, window: Duration) -> Self {
        Self { window, most, since: None, counts: BTreeMap::new() }
    }

    /// Of passwords and tokens. Four windows meet any 12 s, so an address has at most 100 guesses in such a time.
    pub fn of_guesses() -> Self {
        Self::new(25, Duration::from_secs(4))
    }

    pub fn count(&mut self, now: Instant, from: IpAddr) {
        if self.is_over(now) {
            self.counts.clear();
            self.since = Some(now);
        }
        let place = self.place(from);
        *self.counts.entry(place).or_default() += 1;
    }

    pub fn is_used_up(&self, now: Instant, from: IpAddr) -> bool {
        !self.is_over(now) && self.counts.get(&self.place(from)).is_some_and(|count| *count >= self.most)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.since.is_none_or(|since| now.saturating_duration_since(since) >= self.window)
    }

    fn place(&self, from: IpAddr) -> Option<IpAddr> {
        let network = Some(network_of(from));
        let room = self.counts.len() < MAX_NETWORKS || self.counts.contains_key(&network);
        network.filter(|_| room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_twelve_seconds_have_more_than_a_hundred_guesses_of_one_address() {
        let start = Instant::now();
        let mut guesses = Tally::of_guesses();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let mut checked = Vec::new();
        for ms in 0..60_000 {
            let now = start + Duration::from_millis(ms);
            if !guesses.is_used_up(now, address) {
                guesses.count(now, address);
                checked.push(ms);
            }
            assert!(!guesses.is_used_up(now, "192.0.2.2".parse().unwrap()), "somebody else");
        }
        for first in 0..48_000 {
            let within = checked.iter().filter(|ms| (first..first + 12_000).contains(*ms)).count();
            assert!(within <= 100, "{within} from {first} ms on");
        }
    }

    #[test]
    fn a_network_of_ipv6_guesses_as_one_and_forged_addresses_fill_no_memory() {
        let now = Instant::now();
        let mut guesses = Tally::of_guesses();
        for host in 0..25 {
            guesses.count(now, format!("2001:db8::{host:x}").parse().unwrap());
        }
        assert!(guesses.is_used_up(now, "2001:db8::ffff".parse().unwrap()));
        assert!(!guesses.is_used_up(now, "2001:db8:0:1::1".parse().unwrap()));
        (0..100_000u32).for_each(|n| guesses.count(now, IpAddr::V4(n.into())));
        assert_eq!(guesses.counts.len(), MAX_NETWORKS + 1);
    }
}
