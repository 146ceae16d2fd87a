//! Trunks, and which number leads where and for whom.

use super::super::raw::{RawNumber, RawTarget, RawTrunk};
use super::super::read::At;
use super::super::{
    FlowSource, Gateway, GatewayTransport, Listen, Number, OpenTo, Secret, Target, Tls, Trunk, project,
};
use super::{Check, Names};
use crate::ids::{AgentId, QueueId, TrunkId};
use crate::routing::{Cidr, CidrError, NumberPattern, TestNumber};
use std::collections::BTreeMap;

const SIP_PORT: u16 = 5060;
const SIPS_PORT: u16 = 5061;

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
            if !brings && raw.address.is_none() {
                let help = "give `sources` for calls from it, `address` for calls to it, or both";
                self.error("C151", &at, format!("trunk `{name}` neither brings nor takes calls"), Some(help.into()));
            }
            trunks.insert(id.clone(), Trunk { id, sources, client_certificate, gateway });
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
            Some((host, port)) => Some(Gateway { host, port, transport, credentials }),
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

    pub(super) fn numbers(&mut self, raw: Vec<RawNumber>, names: &Names, flows: &FlowSource) -> Vec<Number> {
        let mut seen = BTreeMap::new();
        let mut numbers = Vec::new();
        let known_flows = project::flow_names(flows);
        for raw in raw {
            let number = raw.number.value.clone();
            if let Some(pattern) = self.dialled(&raw.number)
                && let Some(line) = seen.insert(pattern, self.line(raw.number.span))
            {
                let message = format!("number `{number}` is there twice, first on line {line}");
                self.error("C155", &raw.number, message, Some("keep one of them".into()));
            }
            if names.agents.contains_key(number.as_str()) {
                let message = format!("`{number}` is an agent's extension, which is dialled as it is");
                self.error("C155", &raw.number, message, Some("take the number away or choose another".into()));
            }
            let open_to = self.open_to(&raw.open_to, names);
            if let Some(to) = raw.to.as_ref().and_then(|to| self.target(to, names, &known_flows)) {
                numbers.push(Number { number, to, open_to });
            }
        }
        numbers
    }

    fn dialled(&mut self, at: &At<String>) -> Option<NumberPattern> {
        match at.value.parse::<NumberPattern>() {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let help = "write the digits as they are dialled; a final `*` stands for any further ones";
                self.error("C156", at, format!("`{}`: {error}", at.value.escape_debug()), Some(help.into()));
                None
            }
        }
    }

    fn open_to(&mut self, raw: &[At<String>], names: &Names) -> OpenTo {
        let mut trunks = Vec::new();
        for at in raw {
            let id = TrunkId::new(&at.value);
            match at.value.as_str() {
                "any" => return OpenTo::AnyTrunk,
                _ if names.trunks.contains_key(&id) => trunks.push(id),
                _ => self.missing(at, "trunk", names.trunks.keys().map(TrunkId::as_str).chain(["any"])),
            }
        }
        OpenTo::Trunks(trunks)
    }

    fn target(&mut self, raw: &RawTarget, names: &Names, flows: &[String]) -> Option<Target> {
        match raw {
            RawTarget::Flow(at) => match flows.contains(&at.value) {
                true => return Some(Target::Flow(at.value.clone())),
                false => self.missing(at, "flow", flows.iter().map(String::as_str)),
            },
            RawTarget::Queue(at) => {
                let id = QueueId::new(&at.value);
                match names.queues.contains_key(&id) {
                    true => return Some(Target::Queue(id)),
                    false => self.missing(at, "queue", names.queues.keys().map(QueueId::as_str)),
                }
            }
            RawTarget::Agent(at) => {
                let id = AgentId::new(&at.value);
                match names.agents.contains_key(&id) {
                    true => return Some(Target::Agent(id)),
                    false => self.missing(at, "agent", names.agents.keys().map(AgentId::as_str)),
                }
            }
            RawTarget::Trunk(name, number) => {
                let trunk = TrunkId::new(&name.value);
                let number = number.as_ref().map(|number| number.value.clone());
                match names.trunks.get(&trunk) {
                    Some(known) if known.gateway.is_some() => return Some(Target::Trunk { trunk, number }),
                    Some(_) => {
                        let help = format!("give trunk `{trunk}` an `address`");
                        self.error("C157", name, format!("trunk `{trunk}` takes no calls"), Some(help));
                    }
                    None => self.missing(name, "trunk", names.trunks.keys().map(TrunkId::as_str)),
                }
            }
            RawTarget::Test(at) => match TestNumber::ALL.iter().find(|test| test.name() == at.value) {
                Some(test) => return Some(Target::Test(*test)),
                None => self.missing(at, "test number", TestNumber::ALL.iter().map(|test| test.name())),
            },
        }
        None
    }
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
