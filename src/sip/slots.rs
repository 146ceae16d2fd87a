//! A table whose entries are named by index and generation, so that a name kept too long finds nothing instead of
//! someone else's entry.

use slab::Slab;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot {
    index: u32,
    generation: u32,
}

#[derive(Debug)]
pub(crate) struct Slots<T> {
    slab: Slab<(u32, T)>,
    generation: u32,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slab: Slab::new(), generation: 0 }
    }
}

impl<T> Slots<T> {
    pub fn insert(&mut self, value: T) -> Slot {
        self.generation = self.generation.wrapping_add(1);
        let index = self.slab.insert((self.generation, value));
        // The callers bound every table far below 2^32 entries.
        Slot { index: index as u32, generation: self.generation }
    }

    pub fn get(&self, slot: Slot) -> Option<&T> {
        self.slab.get(slot.index as usize).filter(|(generation, _)| *generation == slot.generation).map(|(_, v)| v)
    }

    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.slab.get_mut(slot.index as usize).filter(|(generation, _)| *generation == slot.generation).map(|(_, v)| v)
    }

    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        self.get(slot)?;
        self.slab.try_remove(slot.index as usize).map(|(_, value)| value)
    }

    pub fn len(&self) -> usize {
        self.slab.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_kept_too_long_finds_nothing() {
        let mut slots = Slots::default();
        let old = slots.insert("old");
        assert_eq!(slots.remove(old), Some("old"));
        let new = slots.insert("new");
        assert!(slots.get(old).is_none() && slots.get_mut(old).is_none() && slots.remove(old).is_none());
        assert_eq!((slots.get(new), slots.len()), (Some(&"new"), 1));
    }
}
