//! RTP ports that media workers have opened ahead of need, so that an INVITE costs no round trip for one, and those that
//! legs use.

use crate::ids::LegId;
use crate::media::command::{PortLease, WorkerId};
use std::collections::{BTreeMap, VecDeque};

#[derive(Debug, Default)]
pub(super) struct PortPool {
    free: BTreeMap<WorkerId, VecDeque<PortLease>>,
    taken: BTreeMap<LegId, PortLease>,
}

impl PortPool {
    pub(super) fn add(&mut self, leases: Vec<PortLease>) {
        for lease in leases {
            self.free.entry(lease.worker).or_default().push_back(lease);
        }
    }

    /// A port for the first leg of a new call, on the worker with the most to spare.
    pub(super) fn take_any(&mut self, leg: LegId) -> Option<PortLease> {
        let queue = self.free.values_mut().max_by_key(|queue| queue.len())?;
        let lease = queue.pop_front()?;
        self.taken.insert(leg, lease);
        Some(lease)
    }

    /// The worker with the most to spare.
    pub(super) fn roomiest(&self) -> Option<WorkerId> {
        let (worker, queue) = self.free.iter().max_by_key(|(_, queue)| queue.len())?;
        (!queue.is_empty()).then_some(*worker)
    }

    /// A port for another leg of a call: all legs of a call live on one worker.
    pub(super) fn take_on(&mut self, worker: WorkerId, leg: LegId) -> Option<PortLease> {
        let lease = self.free.get_mut(&worker)?.pop_front()?;
        self.taken.insert(leg, lease);
        Some(lease)
    }

    /// The port of a leg that its worker never heard of.
    pub(super) fn put_back(&mut self, leg: LegId) {
        if let Some(lease) = self.taken.remove(&leg) {
            self.add(vec![lease]);
        }
    }

    /// The worker let the leg go, and leases its port anew in its own time.
    pub(super) fn release(&mut self, leg: LegId) {
        self.taken.remove(&leg);
    }

    pub(super) fn taken(&self) -> &BTreeMap<LegId, PortLease> {
        &self.taken
    }

    /// How many are free.
    pub(super) fn len(&self) -> usize {
        self.free.values().map(VecDeque::len).sum()
    }
}
