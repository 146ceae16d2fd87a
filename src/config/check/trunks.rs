//! Trunks: who they are known by, where they take calls, how many; and the groups that they are tried in.

use super::super::raw::{RawMember, RawTrunk, RawTrunkGroup, RawTrunkLimits};
use super::super::read::At;
use super::super::{Gateway, GatewayTransport, Listen, Secret, Tls, Trunk};
use super::{Allowed, Check, allowed};
use crate::ids::TrunkId;
use crate::routing::{Cidr, CidrError};
use crate::source::diag::shown;
use crate::trunks::{Caps, Group, Manners, Member};
use std::collections::BTreeMap;
use std::time::Duration;

const SIP_PORT: u16 = 5060;
const SIPS_PORT: u16 = 5061;
/// Short enough that a carrier that forgot us sends calls again within minutes.
const REGISTRATION: Duration = Duration::from_secs(600);
const REGISTER: Allowed = allowed(30, 86_400);
const HEALTH: Duration = Duration::from_secs(30);
const HEALTH_RANGE: Allowed = allowed(5, 3_600);

impl Check<'_> {
    pub(super) fn trunks(
        &mut self,
        raw: Vec<(At<String>, RawTrunk)>,
        listen: &Listen,
        tls: Option<&Tls>,
    ) -> BTreeMap<TrunkId, Trunk> {
        let mut seen: BTreeMap<Cidr, String> = BTreeMap::new();
        let mut certificates = Vec::new();
        let mut trunks = BTreeMap::new();
        for (at, raw) in raw {
            self.name("trunk", &at);
            let name = at.value.clone();
            if name == "any" {
                self.error("C141", &at, "`any` means every trunk and cannot be one".into(), None);
            }
            let mut sources = Vec::new();
            for text in &raw.sources {
                if let Some(network) = self.network(text) {
                    if let Some(other) = seen.insert(network, name.clone()) {
                        let message = format!("{network} is a source of trunk `{other}` already");
                        let help = "a caller's trunk must be known by its address alone; give each block to one trunk";
                        self.error("C150", text, message, Some(help.into()));
                    }
                    sources.push(network);
                }
            }
            let gateway = self.gateway(&raw, listen);
            let id = TrunkId::new(&name);
            let client_certificate = self.client_certificate(&id, &raw, tls, &mut certificates);
            let brings = !raw.sources.is_empty() || raw.client_certificate.is_some();
            if raw.address.is_none() {
                self.without_address(&raw);
            }
            if !brings && raw.address.is_none() {
                let help = "give `sources` for calls from it, `address` for calls to it, or both";
                self.error("C151", &at, format!("trunk `{name}` neither brings nor takes calls"), Some(help.into()));
            }
            let enabled = raw.enabled.as_ref().is_none_or(|enabled| enabled.value);
            let caps = self.caps(&raw.limits);
            let numbers = self.trunk_numbers(&raw);
            let manners = self.manners(&raw);
            let (srtp, keys) = (self.srtp(raw.srtp.as_ref()), self.keys(raw.dtmf.as_ref()));
            let class = self.class(raw.class.as_ref());
            let private = raw.private.iter().map(|name| name.value.clone()).collect();
            let key = id.clone();
            let trunk = Trunk {
                id,
                sources,
                client_certificate,
                gateway,
                enabled,
                caps,
                manners,
                numbers,
                srtp,
                keys,
                private,
                class,
            };
            trunks.insert(key, trunk);
        }
        trunks
    }

    fn network(&mut self, text: &At<String>) -> Option<Cidr> {
        match text.value.parse::<Cidr>() {
            Ok(network) if network.prefix() > 0 => return Some(network),
            Ok(_) => {
                let help = "name the carrier's own addresses, such as `203.0.113.0/28`";
                let message = "this would let the whole internet call as the trunk".into();
                self.error("C152", text, message, Some(help.into()));
            }
            Err(CidrError::HostBits(block)) => {
                let message = format!("`{}` has bits set behind its prefix", text.value);
                self.error("C152", text, message, Some(format!("write `{block}`, or the single address")));
            }
            Err(CidrError::NotABlock) => {
                let help = "write `192.0.2.1` or `192.0.2.0/24`";
                self.error("C152", text, format!("`{}` is not an address block", text.value), Some(help.into()));
            }
        }
        None
    }

    fn gateway(&mut self, raw: &RawTrunk, listen: &Listen) -> Option<Gateway> {
        let transport = match raw.transport.as_ref().map(|at| (at, at.value.as_str())) {
            None | Some((_, "udp")) => GatewayTransport::Udp,
            Some((_, "tcp")) => GatewayTransport::Tcp,
            Some((at, "tls")) => match &raw.ca {
                Some(ca) => GatewayTransport::Tls { ca: self.authorities(ca) },
                None => {
                    let message = "nothing says whose certificate this trunk has to show".into();
                    let help =
                        "add `ca: FILE`; Debian has the public authorities in /etc/ssl/certs/ca-certificates.crt";
                    self.error("C163", at, message, Some(help.into()));
                    return None;
                }
            },
            Some((at, other)) => {
                self.error(
                    "C153",
                    at,
                    format!("`{other}` is not a transport of this version"),
                    Some("use udp, tcp or tls".into()),
                );
                GatewayTransport::Udp
            }
        };
        let credentials = self.credentials(raw);
        let register = self.register(raw);
        let text = raw.address.as_ref()?;
        let (open, key) = match &transport {
            GatewayTransport::Udp => (listen.sip_udp.is_some(), "sip_udp"),
            GatewayTransport::Tcp => (listen.sip_tcp.is_some(), "sip_tcp"),
            GatewayTransport::Tls { .. } => (listen.sip_tls.is_some(), "sip_tls"),
        };
        let default_port = if matches!(transport, GatewayTransport::Tls { .. }) { SIPS_PORT } else { SIP_PORT };
        if !open {
            let message = format!("calls to this trunk need `listen.{key}`, which is off");
            self.error("C158", text, message, Some("open it, or give the trunk the other `transport`".into()));
        }
        match host_port(&text.value, default_port) {
            Some((host, port)) => {
                let domain = raw.domain.as_ref().map(|domain| self.domain(domain));
                let health = self.health(raw.health.as_ref());
                let domain = domain.unwrap_or_else(|| host.clone());
                // Port 0 is nobody's.
                let port_given = host_port(&text.value, 0).is_some_and(|(_, port)| port != 0);
                Some(Gateway { host, port, port_given, transport, credentials, domain, register, health })
            }
            None => {
                let help = "write `sip.example.com`, `192.0.2.1:5060` or `[2001:db8::1]:5060`";
                self.error("C154", text, format!("`{}` is not a host", text.value), Some(help.into()));
                None
            }
        }
    }

    fn credentials(&mut self, raw: &RawTrunk) -> Option<(String, Secret)> {
        let secret = match (&raw.password, &raw.password_file) {
            (Some(password), Some(_)) => {
                let help = "keep one of `password` and `password_file`";
                self.error("C143", password, "more than one password is given".into(), Some(help.into()));
                None
            }
            (Some(password), None) => {
                self.exposed(password);
                Some(Secret::new(&password.value))
            }
            (None, Some(file)) => self.secret_file(file),
            (None, None) => None,
        };
        match (&raw.user, secret) {
            (Some(user), Some(secret)) => Some((user.value.clone(), secret)),
            (Some(user), None) if raw.password.is_none() && raw.password_file.is_none() => {
                self.error("C143", user, "`user` has no password".into(), Some("add `password_file`".into()));
                None
            }
            _ => None,
        }
    }

    /// Keys that say how calls are sent to the trunk, and nothing says where.
    fn without_address(&mut self, raw: &RawTrunk) {
        let keys = [("register", &raw.register), ("health", &raw.health), ("domain", &raw.domain)];
        for (key, at) in keys.into_iter().filter_map(|(key, at)| Some((key, at.as_ref()?))) {
            let help = "add `address`, the host of the carrier";
            self.error("C170", at, format!("`{key}` of a trunk without an address does nothing"), Some(help.into()));
        }
    }

    fn register(&mut self, raw: &RawTrunk) -> Option<Duration> {
        let text = raw.register.as_ref()?;
        let lasts = match text.value.as_str() {
            "false" => return None,
            "true" => REGISTRATION,
            _ => self.duration(Some(text), REGISTRATION, REGISTER),
        };
        if raw.user.is_none() {
            let help = "add `user`, and `password_file` if the carrier asks for a password";
            self.error("C171", text, "nothing says who registers".into(), Some(help.into()));
        }
        Some(lasts)
    }

    fn manners(&mut self, raw: &RawTrunk) -> Manners {
        let by_udp = raw.transport.as_ref().is_none_or(|transport| transport.value == "udp");
        if let Some(at) = raw.large_requests.as_ref().filter(|_| !by_udp) {
            let message = "requests of every size go by the trunk's `transport`".into();
            self.error("C175", at, message, Some("take `large_requests` away".into()));
        }
        Manners {
            refers: self.manner(raw.transfer.as_ref(), ["bridge", "refer"], raw),
            redirects: self.manner(raw.redirects.as_ref(), ["off", "same-trunk"], raw),
            large_by_tcp: self.manner(raw.large_requests.as_ref(), ["udp", "tcp"], raw),
        }
    }

    /// Whether the second of two words is written; the first is meant without the key.
    fn manner(&mut self, at: Option<&At<String>>, [usual, other]: [&str; 2], raw: &RawTrunk) -> bool {
        let Some(at) = at else { return false };
        if at.value != usual && at.value != other {
            let help = format!("write `{other}`, or `{usual}`, which is meant without the key");
            self.error("C175", at, format!("`{}` is neither of the two", shown(&at.value)), Some(help));
        }
        if at.value == other && raw.address.is_none() {
            let help = "add `address`, the host of the carrier";
            let message = format!("`{other}` is for calls to the trunk, and it takes none");
            self.error("C175", at, message, Some(help.into()));
        }
        at.value == other
    }

    fn health(&mut self, text: Option<&At<String>>) -> Option<Duration> {
        match text {
            Some(text) if matches!(text.value.as_str(), "off" | "false") => None,
            text => Some(self.duration(text, HEALTH, HEALTH_RANGE)),
        }
    }

    fn domain(&mut self, text: &At<String>) -> String {
        match host_port(&text.value, SIP_PORT) {
            Some((_, SIP_PORT)) => {}
            _ => {
                let help = "write a domain without a port, such as `carrier.example`";
                self.error("C154", text, format!("`{}` is not a domain", text.value), Some(help.into()));
            }
        }
        text.value.clone()
    }

    fn caps(&mut self, raw: &RawTrunkLimits) -> Caps {
        let mut cap = |at: &Option<At<u32>>| {
            let at = at.as_ref()?;
            if at.value == 0 {
                let help = "write at least 1, or leave the key out for no limit";
                self.error("C172", at, "a limit of 0 lets no call through".into(), Some(help.into()));
            }
            Some(at.value)
        };
        Caps {
            calls: cap(&raw.calls),
            calls_in: cap(&raw.calls_in),
            calls_out: cap(&raw.calls_out),
            per_second_in: cap(&raw.per_second_in),
            per_second_out: cap(&raw.per_second_out),
        }
    }

    pub(super) fn trunk_groups(
        &mut self,
        raw: Vec<(At<String>, RawTrunkGroup)>,
        trunks: &BTreeMap<TrunkId, Trunk>,
    ) -> BTreeMap<TrunkId, Group> {
        let mut groups = BTreeMap::new();
        for (at, raw) in raw {
            self.name("group", &at);
            let id = TrunkId::new(&at.value);
            if at.value == "any" || trunks.contains_key(&id) {
                let help = "calls are sent to a trunk or a group by its name; give the group one of its own";
                self.error("C141", &at, format!("`{id}` is taken already"), Some(help.into()));
            }
            if raw.members.is_empty() {
                let help = "add `members: [{trunk: NAME}]`";
                self.error("C173", &at, format!("group `{id}` has no trunk"), Some(help.into()));
            }
            let members = raw.members.iter().filter_map(|member| self.member(member, trunks)).collect();
            groups.insert(id, Group { members });
        }
        groups
    }

    fn member(&mut self, raw: &RawMember, trunks: &BTreeMap<TrunkId, Trunk>) -> Option<Member> {
        let trunk = TrunkId::new(&raw.trunk.value);
        match trunks.get(&trunk) {
            None => {
                self.missing(&raw.trunk, "trunk", trunks.keys().map(TrunkId::as_str));
                return None;
            }
            Some(known) if known.gateway.is_none() && raw_has_no_fault(known) => {
                let help = format!("give trunk `{trunk}` an `address`");
                self.error("C157", &raw.trunk, format!("trunk `{trunk}` takes no calls"), Some(help));
            }
            Some(_) => {}
        }
        let mut small = |at: &Option<At<u32>>| match at {
            None => 1,
            Some(at) => u16::try_from(at.value).unwrap_or_else(|_| {
                self.error("C173", at, format!("{} is too large", at.value), Some("write 0 to 65535".into()));
                1
            }),
        };
        Some(Member { trunk, priority: small(&raw.priority), weight: small(&raw.weight) })
    }
}

/// A trunk that only brings calls; one whose address has a fault of its own was told of already.
fn raw_has_no_fault(trunk: &Trunk) -> bool {
    !trunk.sources.is_empty() || trunk.client_certificate.is_some()
}

fn host_port(text: &str, default_port: u16) -> Option<(String, u16)> {
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Some((address.ip().to_string(), address.port())).filter(|_| address.port() != 0);
    }
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        return Some((address.to_string(), default_port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
        None => (text, default_port),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    (host.len() <= 253 && host.split('.').all(label)).then(|| (host.to_string(), port))
}
