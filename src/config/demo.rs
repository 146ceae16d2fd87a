//! The configuration of `hotline demo`: everything on loopback, four agents, the sample hotline and the test numbers.

use super::secret::Secret;
use super::{
    Agent, Auth, Config, FlowSource, Gateway, GatewayTransport, Limits, Listen, Mode, Number, OpenTo, Queue, Recording,
    Records, Rtp, Sip, Target, Tls, Trunk,
};
use crate::ids::{AgentId, QueueId, TrunkId};
use crate::net::tls::{self, TlsFault};
use crate::registrar::RegistrarConfig;
use crate::routing::{Cidr, TestNumber, TrunkNumbers};
use crate::sip::digest::Ha1Set;
use crate::trunks::{Caps, Manners};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Callers from this machine, without registration.
pub const DEMO_TRUNK: &str = "demo-trunk";
/// The trunks that the samples send callers out by. They lead back to the demo itself, where the number that the flows
/// dial rings one of its agents.
const OUTWARD: [(&str, &str, &str); 2] = [("dispatch-24h", "8001", "1001"), ("outsourced-night", "4008", "1004")];

/// What the environment and the command line decide about a demo.
#[derive(Clone, Debug)]
pub struct DemoEnv {
    /// One password for all demo extensions; when `None` a random one that the state folder keeps.
    pub secret: Option<Secret>,
    pub bind: IpAddr,
    pub sip_port: u16,
    pub http_port: u16,
    pub state_dir: PathBuf,
}

impl Default for DemoEnv {
    fn default() -> Self {
        Self {
            secret: None,
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            sip_port: 5060,
            http_port: 8080,
            state_dir: PathBuf::from("state"),
        }
    }
}

/// A demo and the password that its extensions register with.
#[derive(Clone, Debug)]
pub struct Demo {
    pub config: Config,
    pub secret: Secret,
    /// Where a password that nobody gave is kept; somebody has to be told such a one.
    pub secret_file: Option<PathBuf>,
}

impl Demo {
    /// Adds TLS, for phones and for browsers, with a certificate of the demo's own that the state folder keeps, so that who
    /// has come to trust it need not do so at each start.
    pub fn secure(&mut self, tls_port: u16, wss_port: u16) -> Result<(), TlsFault> {
        let listen = &mut self.config.listen;
        let ip = listen.http.ip();
        let (certificate, key) = (self.config.state_dir.join("demo.pem"), self.config.state_dir.join("demo.key"));
        let fingerprint = match tls::check_identity(&certificate, &key) {
            Ok(own) if own.doubt.is_none() => own.fingerprint,
            Ok(_) | Err(_) => {
                tls::make_identity(&certificate, &key, &["localhost".into(), ip.to_string()])?;
                tls::check_identity(&certificate, &key)?.fingerprint
            }
        };
        self.config.tls = Some(Tls { certificate, fingerprint, key, client_ca: None });
        listen.sip_tls = Some(SocketAddr::new(ip, tls_port));
        listen.sip_wss = Some(SocketAddr::new(ip, wss_port));
        Ok(())
    }
}

pub(super) fn build(env: DemoEnv) -> io::Result<Demo> {
    let (secret, secret_file) = match env.secret {
        Some(secret) => (secret, None),
        None => {
            let file = env.state_dir.join("demo.password");
            (kept(&file)?, Some(file))
        }
    };
    let realm = "hotline".to_string();
    let both: Vec<QueueId> = ["service", "emergency"].map(QueueId::new).into();
    let agents = [("1001", "Alice"), ("1002", "Bob"), ("1003", "Carol"), ("1004", "Dave")].map(|(id, name)| {
        let ha1 = Ha1Set::new(id, &realm, secret.expose());
        (
            AgentId::new(id),
            Agent {
                id: AgentId::new(id),
                name: name.into(),
                ha1,
                queues: both.clone(),
                skills: Vec::new(),
                srtp: None,
                keys: Default::default(),
            },
        )
    });
    let queues = both.iter().map(|id| (id.clone(), queue(id))).collect();
    let trunk = TrunkId::new(DEMO_TRUNK);
    let sources = loopback();
    let own = SocketAddr::new(env.bind, env.sip_port);
    let outward = OUTWARD.map(|(id, ..)| (TrunkId::new(id), outward_trunk(TrunkId::new(id), own)));
    let config = Config {
        mode: Mode::Demo,
        id: "demo".into(),
        file: None,
        state_dir: env.state_dir,
        flows: FlowSource::Embedded,
        listen: Listen {
            sip_udp: Some(own),
            sip_tcp: Some(own),
            sip_tls: None,
            sip_ws: None,
            sip_wss: None,
            allowed_origins: None,
            http: SocketAddr::new(env.bind, env.http_port),
            advertise: Vec::new(),
            rtp: Rtp { first: 20000, last: 29999, bind: env.bind, advertise: None },
        },
        sip: Sip::default(),
        tls: None,
        limits: Limits::default(),
        admission: Default::default(),
        security: Default::default(),
        toll: Default::default(),
        srtp: Default::default(),
        auth: Auth::default(),
        registrar: RegistrarConfig::default(),
        numbers: numbers(&trunk),
        trunks: outward.into_iter().chain([(trunk.clone(), caller_trunk(trunk, sources))]).collect(),
        projects: BTreeMap::new(),
        lend: Vec::new(),
        trunk_groups: BTreeMap::new(),
        agents: agents.into(),
        queues,
        recording: Recording::default(),
        supervision: Default::default(),
        features: Default::default(),
        records: Records::default(),
        // Where the demo plays them is known when it listens.
        bases: BTreeMap::new(),
        databases: BTreeMap::new(),
        warnings: Vec::new(),
        realm,
    };
    Ok(Demo { config, secret, secret_file })
}

fn caller_trunk(id: TrunkId, sources: Vec<Cidr>) -> Trunk {
    Trunk {
        id,
        sources,
        client_certificate: None,
        gateway: None,
        enabled: true,
        caps: Caps::default(),
        manners: Manners::default(),
        numbers: TrunkNumbers::default(),
        srtp: None,
        keys: Default::default(),
        private: BTreeSet::new(),
        class: None,
    }
}

fn outward_trunk(id: TrunkId, own: SocketAddr) -> Trunk {
    // What listens at all addresses is called on this machine.
    let host = if own.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { own.ip() }.to_string();
    let gateway = Gateway {
        domain: host.clone(),
        host,
        port: own.port(),
        port_given: true,
        transport: GatewayTransport::Udp,
        credentials: None,
        register: None,
        health: None,
    };
    // The contractor is told whose account a caller has identified.
    let private = BTreeSet::from(["account".to_string()]);
    Trunk { gateway: Some(gateway), private, ..caller_trunk(id, Vec::new()) }
}

/// The password that an earlier start left in `file`, so that phones stay registered; else a new one, left there.
fn kept(file: &Path) -> io::Result<Secret> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
    match std::fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => return Ok(Secret::new(text.trim())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(named(error)),
    }
    let secret = Secret::random(6).map_err(|error| io::Error::other(error.to_string()))?;
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).map_err(named)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut out| writeln!(out, "{}", secret.expose()));
    written.map(|()| secret).map_err(named)
}

fn loopback() -> Vec<Cidr> {
    let blocks = [(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8), (IpAddr::V6(Ipv6Addr::LOCALHOST), 128)];
    blocks.into_iter().filter_map(|(address, prefix)| Cidr::new(address, prefix)).collect()
}

fn queue(id: &QueueId) -> Queue {
    Queue { wrap_up: Duration::from_secs(5), ..Queue::named(id.clone()) }
}

/// The table of the README. Demo callers from loopback come by the demo trunk, so each number is open to it.
fn numbers(trunk: &TrunkId) -> Vec<Number> {
    let flows = [("95598", "power"), ("9001", "small-shop"), ("9002", "night")];
    let flows = flows.map(|(number, flow)| (number, Target::Flow(flow.into())));
    let outward = OUTWARD.map(|(_, number, agent)| (number, Target::Agent(AgentId::new(agent))));
    let queue = ("9000", Target::Queue(QueueId::new("service")));
    let tests = [
        ("9190", TestNumber::RingOnly),
        ("9191", TestNumber::Word),
        ("9193", TestNumber::Hold),
        ("9196", TestNumber::Echo),
        ("9197", TestNumber::Tone),
        ("9198", TestNumber::Digits),
        ("9199", TestNumber::Record),
    ]
    .map(|(number, test)| (number, Target::Test(test)));
    flows
        .into_iter()
        .chain([queue])
        .chain(tests)
        .chain(outward)
        .map(|(number, to)| Number {
            number: number.into(),
            to,
            open_to: OpenTo::Trunks(vec![trunk.clone()]),
            class: None,
            budget: None,
        })
        .collect()
}
