//! Signs of life of phones behind NAT. The question keeps the NAT's way open; a phone that leaves it unanswered is not
//! called any more, until it answers one or registers again. Its binding stays: a phone that was asleep need not know.

use super::{Binding, BindingId, Deadline, Registrar, RegistrarOutput, can_be_called};
use std::sync::Arc;
use std::time::Instant;

impl<F: Clone + Ord> Registrar<F> {
    pub(super) fn ask_for_life(&mut self, aor: &Arc<str>, id: BindingId) {
        let asked = self.aors.get(aor).and_then(|bindings| bindings.iter().find(|binding| binding.id == id));
        if let Some(binding) = asked {
            self.outputs.push_back(RegistrarOutput::KeepAlive {
                aor: aor.to_string(),
                binding: id,
                contact: binding.contact.clone(),
                flow: binding.flow.clone(),
            });
        }
    }

    /// The bindings that a start brings back were not made in one instant, and are not asked in one: each at its own part
    /// of the period, which the golden ratio keeps apart from all others.
    pub(super) fn stagger(&mut self, now: Instant, aor: &Arc<str>, binding: &Binding<F>) {
        let key = (aor.clone(), binding.id, Deadline::KeepAlive);
        if self.timers.is_set(&key) {
            let part = (binding.id.0 as u32).wrapping_mul(0x9e37_79b9);
            self.timers.set(key, now + self.config.keep_alive.mul_f64(f64::from(part) / f64::from(u32::MAX)));
        }
    }

    /// What came of a [`RegistrarOutput::KeepAlive`] over `flow`. One question is many datagrams (RFC 3261 17.1.2.2 repeats it
    /// for 32 s), so one that stays unanswered is enough. A phone that has come back by another flow since needs none.
    pub fn kept_alive(&mut self, now: Instant, aor: &str, id: BindingId, flow: &F, answered: bool) {
        let Some((key, _)) = self.aors.get_key_value(aor) else { return };
        let key = key.clone();
        let Some(bindings) = self.aors.get_mut(aor) else { return };
        let was_reachable = can_be_called(bindings);
        let Some(binding) = bindings.iter_mut().find(|binding| binding.id == id && binding.flow == *flow) else {
            return;
        };
        if std::mem::replace(&mut binding.silent, !answered) == answered {
            let contact = binding.contact.to_string();
            self.outputs.push_back(RegistrarOutput::Silent { aor: aor.to_string(), contact, silent: !answered });
        }
        let reachable = can_be_called(bindings);
        if reachable != was_reachable {
            self.outputs.push_back(RegistrarOutput::Reachable { aor: aor.to_string(), reachable });
        }
        if !self.config.keep_alive.is_zero() {
            self.timers.set((key, id, Deadline::KeepAlive), now + self.config.keep_alive);
        }
    }
}
