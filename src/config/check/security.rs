//! Who is not listened to.

use super::super::raw::admission::RawSecurity;
use super::{Allowed, Check, allowed};
use crate::admission::BanPolicy;
use crate::routing::Cidr;
use crate::switch::EdgePolicy;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

const WITHIN: Allowed = allowed(10, 86_400);
const LAST: Allowed = allowed(60, 30 * 86_400);
/// A phone with an old password asks again each minute or so, and a user mistypes: neither comes to this in ten minutes.
const AFTER: u32 = 100;
/// Shorter ones are in the names of honest phones.
const LEAST_SIGNATURE: usize = 4;

impl Check<'_> {
    pub(super) fn security(&mut self, raw: &RawSecurity) -> EdgePolicy {
        let within = self.duration(raw.bans.within.as_ref(), Duration::from_secs(600), WITHIN);
        let lasts = self.duration(raw.bans.last.as_ref(), Duration::from_secs(3600), LAST);
        let failures = raw.bans.after.as_ref().map_or(AFTER, |after| after.value);
        if let Some(after) = raw.bans.after.as_ref().filter(|after| (1..5).contains(&after.value)) {
            let help = "write 5 or more, or 0 for no bans";
            self.error("C195", after, "a user who mistypes a password would be banned".into(), Some(help.into()));
        }
        // Loopback: what a proxy on this machine passes on comes from there.
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let mut allow: Vec<Cidr> =
            loopback.into_iter().zip([8, 128]).filter_map(|(address, prefix)| Cidr::around(address, prefix)).collect();
        for text in &raw.allow {
            match text.value.parse::<Cidr>() {
                Ok(block) => allow.push(block),
                Err(_) => {
                    let help = "write `192.0.2.1`, or `192.0.2.0/24` without bits behind the prefix";
                    let message = format!("`{}` is not an address block", text.value.escape_debug());
                    self.error("C196", text, message, Some(help.into()));
                }
            }
        }
        let scanners = match &raw.scanners {
            None => EdgePolicy::SCANNERS.map(String::from).to_vec(),
            Some(given) => {
                for text in given.iter().filter(|text| text.value.trim().len() < LEAST_SIGNATURE) {
                    let message = format!("`{}` is in the name of many a phone", text.value.escape_debug());
                    let help = format!("write {LEAST_SIGNATURE} characters or more of the tool's User-Agent");
                    self.error("C197", text, message, Some(help));
                }
                given.iter().map(|text| text.value.trim().to_ascii_lowercase()).collect()
            }
        };
        let bans = (failures > 0).then_some(BanPolicy { failures, within, lasts });
        EdgePolicy { bans, allow, scanners }
    }
}
