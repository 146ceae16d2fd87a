//! Addresses that nobody listens to for a while, because somebody there kept answering challenges wrongly. Only that is
//! scored: whoever forges an address never sees the challenge, and so gets nobody else banned.

use super::network_of;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Addresses scored at once. Forged ones come to no score, so that only a botnet fills it, and then the oldest goes.
const MAX_SCORED: usize = 16_384;
const MAX_BANNED: usize = 16_384;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanPolicy {
    /// So many failures ban an address ..
    pub failures: u32,
    /// .. within this time ..
    pub within: Duration,
    /// .. for so long.
    pub lasts: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Score {
    since: Instant,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// An IPv4 address, or the first of an IPv6 network of 64 bits.
    pub address: IpAddr,
    pub failures: u32,
    pub since: Instant,
    pub until: Instant,
}

#[derive(Debug, Default)]
pub struct Bans {
    scores: BTreeMap<IpAddr, Score>,
    banned: BTreeMap<IpAddr, Ban>,
}

impl Bans {
    /// One more failure; the ban that it leads to.
    pub fn fail(&mut self, now: Instant, policy: &BanPolicy, address: IpAddr) -> Option<Ban> {
        let address = network_of(address);
        if !self.scores.contains_key(&address) && self.scores.len() >= MAX_SCORED {
            self.forget(now, policy);
        }
        let score = self.scores.entry(address).or_insert(Score { since: now, failures: 0 });
        if now.saturating_duration_since(score.since) > policy.within {
            *score = Score { since: now, failures: 0 };
        }
        score.failures = score.failures.saturating_add(1);
        let failures = score.failures;
        if failures < policy.failures || self.banned.len() >= MAX_BANNED {
            return None;
        }
        self.scores.remove(&address);
        let ban = Ban { address, failures, since: now, until: now + policy.lasts };
        self.banned.insert(address, ban);
        Some(ban)
    }

    pub fn is_banned(&self, now: Instant, address: IpAddr) -> bool {
        !self.banned.is_empty() && self.banned.get(&network_of(address)).is_some_and(|ban| now < ban.until)
    }

    /// Lets go what is over; gives the bans that were.
    pub fn expire(&mut self, now: Instant, policy: &BanPolicy) -> Vec<IpAddr> {
        self.scores.retain(|_, score| now.saturating_duration_since(score.since) <= policy.within);
        let over: Vec<IpAddr> = self.banned.values().filter(|ban| ban.until <= now).map(|ban| ban.address).collect();
        over.iter().for_each(|address| _ = self.banned.remove(address));
        over
    }

    /// Lifts the ban of an address, or all of them.
    pub fn lift(&mut self, address: Option<IpAddr>) -> Vec<IpAddr> {
        match address.map(network_of) {
            Some(address) => self.banned.remove(&address).map(|ban| ban.address).into_iter().collect(),
            None => std::mem::take(&mut self.banned).into_keys().collect(),
        }
    }

    pub fn in_force(&self, now: Instant) -> impl Iterator<Item = &Ban> {
        self.banned.values().filter(move |ban| now < ban.until)
    }

    fn forget(&mut self, now: Instant, policy: &BanPolicy) {
        self.scores.retain(|_, score| now.saturating_duration_since(score.since) <= policy.within);
        if self.scores.len() >= MAX_SCORED
            && let Some(oldest) = self.scores.iter().min_by_key(|(_, score)| score.since).map(|(address, _)| *address)
        {
            self.scores.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BanPolicy =
        BanPolicy { failures: 3, within: Duration::from_secs(600), lasts: Duration::from_secs(3600) };

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn the_third_failure_in_ten_minutes_bans_an_address_for_an_hour_and_nobody_else() {
        let (mut bans, start) = (Bans::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(bans.fail(at(0), &POLICY, address(1)).is_none());
        assert!(bans.fail(at(400), &POLICY, address(1)).is_none());
        assert!(bans.fail(at(601), &POLICY, address(1)).is_none(), "the first is long ago");
        assert!(bans.fail(at(602), &POLICY, address(1)).is_none());
        let ban = bans.fail(at(603), &POLICY, address(1)).unwrap();
        assert_eq!((ban.failures, ban.until), (3, at(603 + 3600)));
        assert!(bans.is_banned(at(604), address(1)) && !bans.is_banned(at(604), address(2)));
        assert!(!bans.is_banned(at(603 + 3600), address(1)));
        assert_eq!(bans.expire(at(603 + 3600), &POLICY), [address(1)]);
        assert_eq!(bans.in_force(at(604)).count(), 0);
    }

    #[test]
    fn an_operator_lifts_one_ban_or_all() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        for n in [1, 2, 3] {
            (0..3).for_each(|_| _ = bans.fail(now, &POLICY, address(n)));
        }
        assert_eq!(bans.lift(Some(address(2))), [address(2)]);
        assert_eq!(bans.lift(Some(address(9))), [] as [IpAddr; 0]);
        assert_eq!(bans.lift(None), [address(1), address(3)]);
    }

    #[test]
    fn a_botnet_fills_no_memory() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        for n in 0..MAX_SCORED as u32 + 10 {
            bans.fail(now + Duration::from_millis(u64::from(n)), &POLICY, address(n));
        }
        assert_eq!(bans.scores.len(), MAX_SCORED);
    }
}
