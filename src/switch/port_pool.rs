//! RTP ports that media workers have opened ahead of need, so that an INVITE costs no round trip for one.

use crate::media::command::{PortLease, WorkerId};
use std::collections::{BTreeMap, VecDeque};

#[derive(Debug, Default)]
pub(super) struct PortPool {
    free: BTreeMap<WorkerId, VecDeque<PortLease>>,
}

impl PortPool {
    pub(super) fn add(&mut self, leases: Vec<PortLease>) {
        for lease in leases {
            self.free.entry(lease.worker).or_default().push_back(lease);
        }
    }

    /// A port for a new call, on the worker with the most to spare.
    pub(super) fn take_any(&mut self) -> Option<PortLease> {
        let queue = self.free.values_mut().max_by_key(|queue| queue.len())?;
        queue.pop_front()
    }

    /// A port for another leg of a call: all legs of a call live on one worker.
    pub(super) fn take_on(&mut self, worker: WorkerId) -> Option<PortLease> {
        self.free.get_mut(&worker)?.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.free.values().map(VecDeque::len).sum()
    }
}
