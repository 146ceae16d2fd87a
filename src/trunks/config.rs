//! What a trunk and a group are configured with: checked values, addresses already resolved.

use super::caps::Caps;
use super::dice::Dice;
use crate::ids::TrunkId;
use crate::sip::digest::Credentials;
use crate::sip::peer::Peer;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrunksConfig {
    pub trunks: BTreeMap<TrunkId, TrunkConfig>,
    /// Named like trunks, and used in their place.
    pub groups: BTreeMap<TrunkId, Group>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TrunkConfig {
    /// Where calls to it are sent, the first before the others. Empty: nothing is known of its name, or it has none.
    pub targets: Vec<Peer>,
    /// The host part of its URIs, with the port when it is not the default. Empty: it only brings calls.
    pub host: String,
    /// The domain that we are known in there; the host unless the carrier has another.
    pub domain: String,
    pub credentials: Option<Credentials>,
    /// It wants to know where we are, for so many seconds at a time.
    pub register: Option<u32>,
    /// How often it is asked by OPTIONS whether it is there.
    pub health: Option<Duration>,
    pub caps: Caps,
    pub enabled: bool,
    pub manners: Manners,
}

/// What a carrier is known to do, or may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manners {
    /// A caller who came by it and is sent to a number behind it is given back by REFER (RFC 3515).
    pub refers: bool,
    /// When it answers 3xx, the number that it names is called there.
    pub redirects: bool,
    /// It listens on TCP too, for requests that no datagram should carry (RFC 3261 18.1.1).
    pub large_by_tcp: bool,
}

impl TrunkConfig {
    /// Whether it is the same carrier and account, be it at other addresses.
    pub(super) fn is_same_as(&self, other: &TrunkConfig) -> bool {
        let strip = |config: &TrunkConfig| TrunkConfig {
            caps: Caps::default(),
            targets: Vec::new(),
            manners: Manners::default(),
            ..config.clone()
        };
        strip(self) == strip(other)
    }

    pub fn takes_calls(&self) -> bool {
        !self.host.is_empty()
    }
}

/// Several trunks for the same numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub trunk: TrunkId,
    /// The lowest is tried first.
    pub priority: u16,
    /// Its share of the calls among those of the same priority; 0 only after all others.
    pub weight: u16,
}

impl Group {
    /// The order for one call: by priority, within one by chance as the weights say (the rule of RFC 2782).
    pub(super) fn order(&self, dice: &mut Dice) -> Vec<TrunkId> {
        let mut levels: BTreeMap<u16, Vec<&Member>> = BTreeMap::new();
        for member in &self.members {
            levels.entry(member.priority).or_default().push(member);
        }
        let mut order = Vec::with_capacity(self.members.len());
        for mut level in levels.into_values() {
            level.sort_by_key(|member| member.weight);
            while !level.is_empty() {
                let total: u64 = level.iter().map(|member| u64::from(member.weight)).sum();
                let mut chance = if total == 0 { 0 } else { dice.below(total) + 1 };
                let picked = level.iter().position(|member| {
                    let weight = u64::from(member.weight);
                    let hit = chance <= weight && (weight > 0 || total == 0);
                    chance = chance.saturating_sub(weight);
                    hit
                });
                order.push(level.remove(picked.unwrap_or(0)).trunk.clone());
            }
        }
        order
    }
}
