//! What others may see of a trunk.

use super::Trunk;
use super::caps::Caps;
use crate::events::TrunkStateName;
use crate::ids::TrunkId;
use std::time::Instant;

#[derive(Clone, Debug)]
pub struct TrunkView {
    pub id: TrunkId,
    pub state: TrunkStateName,
    /// What last changed or confirmed it, in words.
    pub why: String,
    /// It registers, and for how many seconds more it is registered.
    pub registers: bool,
    pub registered_s: Option<u64>,
    pub targets: Vec<TargetView>,
    pub calls_in: u32,
    pub calls_out: u32,
    pub caps: Caps,
    /// Calls that found no place.
    pub refused: u64,
}

#[derive(Clone, Debug)]
pub struct TargetView {
    pub transport: &'static str,
    pub address: String,
    pub up: bool,
    /// It asked for no calls for a while.
    pub resting: bool,
}

impl Trunk {
    pub(super) fn view(&self, now: Instant, id: &TrunkId) -> TrunkView {
        let (calls_in, calls_out) = self.held.calls();
        let targets = self.config.targets.iter().zip(&self.targets).map(|(peer, target)| TargetView {
            transport: peer.transport.via_name(),
            address: peer.remote.to_string(),
            up: !target.is_down(),
            resting: target.is_resting(now),
        });
        TrunkView {
            id: id.clone(),
            state: self.state(),
            why: self.why.clone(),
            registers: self.registration.wanted(),
            registered_s: self.registration.bound_until().map(|until| until.saturating_duration_since(now).as_secs()),
            targets: targets.collect(),
            calls_in,
            calls_out,
            caps: self.config.caps,
            refused: self.held.refused(),
        }
    }
}
