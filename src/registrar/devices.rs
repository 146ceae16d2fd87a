//! Whom a call to an AOR rings: devices, not contacts. One that registered over several flows is one device with several
//! ways to it, of which one at a time is tried (RFC 5626 5.3: never two targets of the same instance at once).

use super::binding::Binding;
use super::{Registrar, Ring};
use std::cmp::Reverse;

/// One telephone and the ways to it, the one proven last first. There is at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Device<F> {
    pub ways: Vec<Binding<F>>,
}

impl<F> Device<F> {
    /// Preference in thousandths: that of its best way.
    pub fn q(&self) -> u16 {
        self.ways.iter().map(|way| way.q).max().unwrap_or_default()
    }
}

impl<F: Clone + Ord> Registrar<F> {
    /// The devices to ring, those at once that stand together, round by round. With `instance` only that one (RFC 5627:
    /// the GRUU of a device reaches it alone). What gives no sign of life is left out.
    pub fn rounds(&self, aor: &str, instance: Option<&str>) -> Vec<Vec<Device<F>>> {
        let devices = self.devices(aor, instance);
        match self.config.ring {
            Ring::All if devices.is_empty() => Vec::new(),
            Ring::All => vec![devices],
            Ring::ByPreference => {
                let mut rounds: Vec<Vec<Device<F>>> = Vec::new();
                for device in devices {
                    match rounds.last_mut() {
                        Some(round) if round.first().is_some_and(|first| first.q() == device.q()) => round.push(device),
                        _ => rounds.push(vec![device]),
                    }
                }
                rounds
            }
        }
    }

    /// The preferred first, then the oldest.
    fn devices(&self, aor: &str, instance: Option<&str>) -> Vec<Device<F>> {
        let mut devices: Vec<Device<F>> = Vec::new();
        let answering = self.aors.get(aor).into_iter().flatten().filter(|binding| !binding.silent);
        for binding in
            answering.filter(|binding| instance.is_none_or(|wanted| binding.instance.as_deref() == Some(wanted)))
        {
            let same = |device: &&mut Device<F>| {
                binding.instance.is_some() && device.ways.iter().any(|way| way.instance == binding.instance)
            };
            match devices.iter_mut().find(same) {
                Some(device) => device.ways.push(binding.clone()),
                None => devices.push(Device { ways: vec![binding.clone()] }),
            }
        }
        for device in &mut devices {
            device.ways.sort_by_key(|way| Reverse(way.refreshed));
        }
        // Stable: bindings of one AOR are kept in the order of their coming.
        devices.sort_by_key(|device| Reverse(device.q()));
        devices
    }
}
