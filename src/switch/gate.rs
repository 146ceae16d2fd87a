//! Who is not listened to at all: addresses that are banned, and tools that look for open switches. They get no answer, so
//! that they learn nothing and cost nothing. Trunks, addresses on the list of friends, phones on the way that they are
//! registered by, and whatever belongs to a call that is up, pass.

use super::registration::user_of;
use super::{Switch, SwitchConfig};
use crate::admission::{Ban, BanPolicy, Bans};
use crate::events::EventKind;
use crate::ids::Redacted;
use crate::routing::Cidr;
use crate::sip::message::{HeaderName, Message, Method};
use crate::sip::peer::Peer;
use crate::timers::Now;
use std::net::IpAddr;

/// Who is kept out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EdgePolicy {
    pub bans: Option<BanPolicy>,
    /// Never banned, and may use any tool.
    pub allow: Vec<Cidr>,
    /// Parts of the User-Agent of tools that nobody needs here, in lower case.
    pub scanners: Vec<String>,
}

impl EdgePolicy {
    /// Tools that are seen to try every address of the internet, and that no phone or exchange calls itself.
    pub const SCANNERS: [&'static str; 8] =
        ["friendly-scanner", "sipvicious", "sip-scan", "sundayddr", "sipcli", "pplsip", "vaxsipuseragent", "iwar"];
}

/// What was not listened to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateStats {
    pub banned: u64,
    pub scanners: u64,
}

impl Switch {
    /// Whether nobody listens to the message.
    pub(super) fn keeps_out(&mut self, now: Now, peer: Peer, message: &Message) -> bool {
        let address = peer.remote.ip();
        let banned = self.bans.is_banned(now.at, address);
        if !banned && self.config.edge.scanners.is_empty() || !is_news(message) {
            return false;
        }
        let scans = || is_scanner(&self.config, message);
        if !(banned || scans()) || self.is_friend(address) || self.vouched.is_some() {
            return false;
        }
        if banned {
            let user = message.from().ok().and_then(|from| user_of(from.uri));
            if user.is_some_and(|user| self.registrar.has_flow(&user, &peer)) {
                return false;
            }
            self.gate.banned += 1;
            return true;
        }
        self.gate.scanners += 1;
        self.count_auth_failure(now, message, peer, "scanner");
        true
    }

    /// The same of what is no message.
    pub(super) fn ignores_garbage(&mut self, now: Now, peer: Peer) -> bool {
        let address = peer.remote.ip();
        let ignores = self.bans.is_banned(now.at, address) && !self.is_friend(address);
        self.gate.banned += u64::from(ignores);
        ignores
    }

    fn is_friend(&self, address: IpAddr) -> bool {
        self.config.edge.allow.iter().any(|block| block.contains(address)) || self.trunk_of(address, "").is_some()
    }

    /// Somebody has answered a challenge wrongly.
    pub(super) fn score(&mut self, now: Now, peer: Peer) {
        let Some(policy) = self.config.edge.bans else { return };
        let address = peer.remote.ip();
        if self.is_friend(address) {
            return;
        }
        if let Some(Ban { address, failures, .. }) = self.bans.fail(now.at, &policy, address) {
            let lasts_s = policy.lasts.as_secs();
            let source = Redacted::new(address.to_string());
            self.emit(now, None, EventKind::SourceBanned { source, failures, lasts_s });
        }
    }

    pub(super) fn expire_bans(&mut self, now: Now) {
        if let Some(policy) = self.config.edge.bans {
            let over = self.bans.expire(now.at, &policy);
            self.tell_freed(now, over);
        }
    }

    /// Bans that are switched off are over, and nobody is half on the way to one.
    pub(super) fn forget_bans(&mut self, now: Now) {
        if self.config.edge.bans.is_none() {
            self.lift_bans(now, None);
            self.bans = Bans::default();
        }
    }

    pub(super) fn lift_bans(&mut self, now: Now, address: Option<IpAddr>) {
        let over = self.bans.lift(address);
        self.tell_freed(now, over);
    }

    fn tell_freed(&mut self, now: Now, over: Vec<IpAddr>) {
        for address in over {
            self.emit(now, None, EventKind::SourceFreed { source: Redacted::new(address.to_string()) });
        }
    }

    pub fn is_banned(&self, now: Now, address: IpAddr) -> bool {
        self.bans.is_banned(now.at, address)
    }
}

/// A request that belongs to nothing that is there.
fn is_news(message: &Message) -> bool {
    message.is_outside_dialog() && !matches!(message.method(), Method::Ack | Method::Cancel)
}

fn is_scanner(config: &SwitchConfig, message: &Message) -> bool {
    let Some(agent) = message.header(HeaderName::UserAgent) else { return false };
    let agent = String::from_utf8_lossy(agent).to_ascii_lowercase();
    config.edge.scanners.iter().any(|signature| agent.contains(signature.as_str()))
}
