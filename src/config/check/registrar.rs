//! For how long phones register, and in which order they ring.

use super::super::duration::show_duration;
use super::super::raw::RawRegistrar;
use super::{Allowed, Check, allowed};
use crate::registrar::{RegistrarConfig, Ring};
use std::time::Duration;

/// RFC 3261 10.3 lets nobody ask a phone for more than an hour.
const MIN_EXPIRES: Allowed = allowed(1, 3_600);
const MAX_EXPIRES: Allowed = allowed(1, 7 * 86_400);
/// No NAT forgets faster than in 15 s, and after ten minutes all have forgotten.
const KEEP_ALIVE: Allowed = allowed(5, 600);
/// Each device rings by itself, with RTP ports of its own.
const MOST_CONTACTS: u32 = 50;

impl Check<'_> {
    pub(super) fn registrar(&mut self, raw: &RawRegistrar) -> RegistrarConfig {
        let default = RegistrarConfig::default();
        let length = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let seconds = |length: Duration| u32::try_from(length.as_secs()).unwrap_or(u32::MAX);
        let min = self.duration(raw.min_expires.as_ref(), length(default.min_expires_s), MIN_EXPIRES);
        let max = self.duration(raw.max_expires.as_ref(), length(default.max_expires_s).max(min), MAX_EXPIRES);
        if let Some(text) = raw.max_expires.as_ref().or(raw.min_expires.as_ref()).filter(|_| max < min) {
            let message = "`registrar.max_expires` is less than `registrar.min_expires`: no phone could register";
            self.error("C134", text, message.into(), Some(format!("write {} or more", show_duration(min))));
        }
        let keep_alive = match &raw.keep_alive {
            Some(text) if matches!(text.value.as_str(), "0" | "0s") => Duration::ZERO,
            text => self.duration(text.as_ref(), default.keep_alive, KEEP_ALIVE),
        };
        let max_contacts = match &raw.max_contacts {
            None => default.max_contacts,
            Some(contacts) if (1..=MOST_CONTACTS).contains(&contacts.value) => contacts.value as usize,
            Some(contacts) => {
                let help = format!("write a number from 1 to {MOST_CONTACTS}");
                self.error("C135", contacts, format!("{} devices cannot ring", contacts.value), Some(help));
                default.max_contacts
            }
        };
        let ring = match raw.ring.as_ref().map(|text| (text, text.value.as_str())) {
            None => default.ring,
            Some((_, "all")) => Ring::All,
            Some((_, "by_preference")) => Ring::ByPreference,
            Some((text, other)) => {
                let help = "write `all` or `by_preference`";
                self.error("C136", text, format!("devices cannot ring `{other}`"), Some(help.into()));
                default.ring
            }
        };
        RegistrarConfig {
            min_expires_s: seconds(min),
            max_expires_s: seconds(max),
            default_expires_s: seconds(max),
            max_contacts,
            keep_alive,
            ring,
            ..default
        }
    }
}
