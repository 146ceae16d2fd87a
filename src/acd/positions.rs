//! What waiting callers are told: how many stand before them, and how long it will take.
//!
//! The first place is told at once; after that a queue is walked when its order changed, and not too often.

use super::AcdOutput;
use super::distributor::{Acd, Deadline};
use super::queue::QueueKey;
use super::ticket::Told;
use crate::ids::TicketId;
use std::time::{Duration, Instant};

/// Positions of one queue are told at most this often: nobody wants to hear them more often, and telling costs a walk
/// over the queue.
const TELL_EVERY: Duration = Duration::from_secs(5);

impl Acd {
    /// Somebody who waits stands elsewhere now.
    pub(super) fn positions_changed(&mut self, now: Instant, key: QueueKey) {
        if !self.timers.is_set(&Deadline::Positions(key)) {
            let at = self.queues[key].told.map_or(now, |told| (told + TELL_EVERY).max(now));
            self.timers.set(Deadline::Positions(key), at);
        }
    }

    pub(super) fn tell_positions(&mut self, now: Instant, key: QueueKey) {
        self.queues[key].told = Some(now);
        let line: Vec<TicketId> = self.queues[key].line().map(|place| place.ticket).collect();
        for (ahead, id) in line.into_iter().enumerate() {
            if self.tickets.get(&id).is_some_and(|ticket| !ticket.is_offered()) {
                self.tell(now, id, ahead as u32);
            }
        }
    }

    /// Tells one caller the place and the wait, if either changed.
    pub(super) fn tell(&mut self, now: Instant, id: TicketId, ahead: u32) {
        let Some(key) = self.tickets.get(&id).map(|ticket| ticket.queue) else { return };
        let sight = self.sight(now, key, ahead);
        let (queue, Some(ticket)) = (&self.queues[key], self.tickets.get_mut(&id)) else { return };
        let waited = now.saturating_duration_since(ticket.joined);
        let before = ticket.told.and_then(|told| told.step);
        let step = queue.estimator.step(sight, ticket.guesses, waited, before);
        let told = Told { ahead, step };
        if ticket.told != Some(told) {
            ticket.told = Some(told);
            self.outputs.push_back(AcdOutput::Position { ticket: id, ahead, wait: step.map(|step| step.range()) });
        }
    }
}
