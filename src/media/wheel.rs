//! Who is due in this millisecond. 20 slots of 1 ms: each leg has a slot and is looked at every 20 ms at the same
//! phase, so packets of many legs spread over the time instead of leaving in one burst. Deadlines are absolute: a late
//! tick does not make the next one late.
//!
//! Knows legs only by number. A leg with nothing to do sleeps in its slot and costs one comparison.

use super::{MS, Micros};

const SLOTS: usize = 20;
pub const ROTATION: Micros = SLOTS as Micros * MS;
/// After a stall two frames are caught up; more would be a burst that jitter buffers throw away.
const CATCH_UP: u64 = 2 * SLOTS as u64;

#[derive(Clone, Copy, Debug)]
struct Entry {
    leg: u32,
    /// Sleeps until then.
    due: Micros,
}

/// Where a leg sits; kept by the leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seat {
    slot: u8,
    place: u32,
}

#[derive(Debug, Default)]
pub struct Wheel {
    slots: [Vec<Entry>; SLOTS],
    /// Milliseconds since the epoch up to which all slots were turned (exclusive).
    turned: u64,
}

impl Wheel {
    /// Gives the leg a seat in the emptiest slot, due at once.
    pub fn join(&mut self, leg: u32) -> Seat {
        let emptiest = (0..SLOTS).min_by_key(|&slot| self.slots[slot].len()).unwrap_or(0);
        let slot = &mut self.slots[emptiest];
        slot.push(Entry { leg, due: 0 });
        Seat { slot: emptiest as u8, place: slot.len() as u32 - 1 }
    }

    /// Frees the seat. `Some` = this other leg has moved onto it.
    pub fn leave(&mut self, seat: Seat) -> Option<u32> {
        let slot = self.slots.get_mut(usize::from(seat.slot))?;
        let place = seat.place as usize;
        if place >= slot.len() {
            return None;
        }
        slot.swap_remove(place);
        slot.get(place).map(|moved| moved.leg)
    }

    /// Lets the leg sleep until `due`, or wakes it with 0.
    pub fn set_due(&mut self, seat: Seat, due: Micros) {
        if let Some(entry) = self.slots.get_mut(usize::from(seat.slot)).and_then(|s| s.get_mut(seat.place as usize)) {
            entry.due = due;
        }
    }

    /// The next slot whose time has come at `now`: its time, for `leg_due`. Call until `None`.
    pub fn turn(&mut self, now: Micros) -> Option<Micros> {
        let current = now / MS;
        if self.turned + CATCH_UP <= current {
            self.turned = current + 1 - CATCH_UP;
        }
        if self.turned > current {
            return None;
        }
        self.turned += 1;
        Some((self.turned - 1) * MS)
    }

    /// The `nth` leg of the slot of `time`: `Some(None)` = it sleeps, `None` = there are no more.
    pub fn leg_due(&self, time: Micros, nth: usize) -> Option<Option<u32>> {
        let entry = self.slots[(time / MS) as usize % SLOTS].get(nth)?;
        Some((entry.due <= time).then_some(entry.leg))
    }

    /// When to turn next. With nothing due within a rotation, in a rotation.
    pub fn next_turn(&self) -> Micros {
        let due = (self.turned..self.turned + SLOTS as u64)
            .find(|ms| self.slots[*ms as usize % SLOTS].iter().any(|entry| entry.due <= ms * MS));
        due.unwrap_or(self.turned + SLOTS as u64 - 1) * MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn_all(wheel: &mut Wheel, now: Micros) -> Vec<(Micros, u32)> {
        let mut due = Vec::new();
        while let Some(time) = wheel.turn(now) {
            let mut nth = 0;
            while let Some(leg) = wheel.leg_due(time, nth) {
                due.extend(leg.map(|leg| (time, leg)));
                nth += 1;
            }
        }
        due
    }

    #[test]
    fn each_leg_is_due_every_20_ms_at_its_own_phase() {
        let mut wheel = Wheel::default();
        for leg in 0..40 {
            wheel.join(leg);
        }
        let due = turn_all(&mut wheel, 39 * MS);
        for leg in 0..40 {
            let times: Vec<_> = due.iter().filter(|(_, who)| *who == leg).map(|(time, _)| *time).collect();
            assert_eq!(times.len(), 2);
            assert_eq!(times[1] - times[0], ROTATION);
        }
        for ms in 0..40 {
            assert_eq!(due.iter().filter(|(time, _)| *time == ms * MS).count(), 2, "spread over the slots");
        }
    }

    #[test]
    fn after_a_stall_of_a_second_each_leg_is_due_twice_not_fifty_times() {
        let mut wheel = Wheel::default();
        wheel.join(7);
        turn_all(&mut wheel, 0);
        assert_eq!(turn_all(&mut wheel, 1000 * MS).len(), 2);
        assert_eq!(turn_all(&mut wheel, 1020 * MS).len(), 1);
    }

    #[test]
    fn a_leg_that_leaves_is_no_longer_due_and_the_one_that_took_its_seat_still_is() {
        let mut wheel = Wheel::default();
        let seats: Vec<_> = (0..40).map(|leg| wheel.join(leg)).collect();
        assert_eq!(wheel.leave(seats[0]), Some(20));
        let due: Vec<_> = turn_all(&mut wheel, 19 * MS).into_iter().map(|(_, leg)| leg).collect();
        assert_eq!(due.len(), 39);
        assert!(!due.contains(&0) && due.contains(&20));
    }

    #[test]
    fn a_sleeping_leg_is_woken_by_its_deadline_and_decides_when_to_turn_next() {
        let mut wheel = Wheel::default();
        let seat = wheel.join(1);
        turn_all(&mut wheel, 5 * MS);
        wheel.set_due(seat, 100 * MS);
        assert_eq!(wheel.next_turn(), 25 * MS, "nothing due: in a rotation");
        assert!(turn_all(&mut wheel, 99 * MS).is_empty());
        assert_eq!(wheel.next_turn(), 100 * MS);
        assert_eq!(turn_all(&mut wheel, 100 * MS), [(100 * MS, 1)]);
    }
}
