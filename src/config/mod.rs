//! `hotline.yaml` read, checked, and then trusted: [`raw`] types refuse unknown keys, [`check`] turns them into a
//! [`Config`] that cannot be wrong, and every fault is reported as file:line:column with what was probably meant.
//! Also the demo's built-in configuration, and what `hotline init` writes.
//!
//! Must never know: the switch's state, sockets. A `Config` is immutable; a reload makes another one.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod check;
mod defaults;
mod demo;
mod duration;
pub mod embedded;
mod error;
pub mod project;
mod raw;
mod reach;
mod read;
mod routes;
mod secret;
pub mod template;
#[cfg(test)]
mod tests;

pub use check::load;
pub use demo::{DEMO_TRUNK, Demo, DemoEnv};
pub use duration::{parse_duration, show_duration};
pub use error::ConfigError;
pub use reach::Reach;
pub use secret::Secret;

use crate::acd::{AgentSkill, Dispositions, LendPlan, Matching};
use crate::admission::{Reserves, Share};
use crate::events::Class;
use crate::http_client::{self, Origin};
use crate::ids::{AgentId, ProjectId, QueueId, TrunkId};
use crate::net::tls::ClientCertificate;
use crate::registrar::RegistrarConfig;
use crate::routing::{Cidr, TestNumber, TollRules, TrunkNumbers};
use crate::sip::digest::{Algorithm, Ha1Set};
use crate::sip::endpoint::ReliableProvisional;
use crate::sip::peer::Network;
use crate::source::Diagnostic;
use crate::switch::{EdgePolicy, FeatureCodes, KeyPolicy, Project, SrtpPolicy, SupervisionNotice};
use crate::trunks::{Caps, Group, Manners};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The file that makes a folder a project.
pub const FILE_NAME: &str = "hotline.yaml";

/// A whole, checked configuration. Every name in it that refers to another part of it exists.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub mode: Mode,
    /// Short hash of the file and the secrets it names; `demo` for the demo.
    pub id: String,
    /// The file it was read from; `None` for the demo.
    pub file: Option<PathBuf>,
    pub state_dir: PathBuf,
    pub flows: FlowSource,
    /// Domain of the extensions, and the realm they prove themselves in.
    pub realm: String,
    pub listen: Listen,
    pub sip: Sip,
    pub tls: Option<Tls>,
    pub limits: Limits,
    pub admission: Admission,
    pub security: EdgePolicy,
    pub toll: TollRules,
    /// Whether the audio of those that do not say is encrypted.
    pub srtp: SrtpPolicy,
    pub auth: Auth,
    pub registrar: RegistrarConfig,
    pub agents: BTreeMap<AgentId, Agent>,
    pub queues: BTreeMap<QueueId, Queue>,
    pub trunks: BTreeMap<TrunkId, Trunk>,
    /// Several trunks under one name, which no trunk has.
    pub trunk_groups: BTreeMap<TrunkId, Group>,
    /// In file order.
    pub numbers: Vec<Number>,
    /// None where the whole is one.
    pub projects: BTreeMap<ProjectId, Project>,
    /// By which projects help each other.
    pub lend: Vec<LendPlan>,
    pub recording: Recording,
    /// What caller and agent hear of a supervisor.
    pub supervision: SupervisionNotice,
    pub features: FeatureCodes,
    pub records: Records,
    /// Systems that flows may ask, by the names that the flows have for them.
    pub bases: BTreeMap<String, Base>,
    pub databases: BTreeMap<String, Database>,
    /// Findings that do not prevent a start.
    pub warnings: Vec<Diagnostic>,
}

impl Config {
    /// Reads and checks the file at `path`. Relative paths in it are relative to its folder.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        check::load(path)
    }

    /// The built-in configuration of `hotline demo`: loopback only, the numbers of the README.
    /// Fails when the state folder cannot keep a password that nobody gave.
    pub fn demo(env: DemoEnv) -> std::io::Result<Demo> {
        demo::build(env)
    }

    /// The database of calls and events.
    pub fn database(&self) -> PathBuf {
        self.state_dir.join("hotline.db")
    }

    /// Published versions of the flows.
    pub fn versions_dir(&self) -> PathBuf {
        self.state_dir.join("versions")
    }

    /// What flows have posted.
    pub fn outbox(&self) -> PathBuf {
        self.state_dir.join("outbox.db")
    }

    pub fn recordings_dir(&self) -> PathBuf {
        self.state_dir.join("recordings")
    }

    /// Where the token of the HTTP API is, unless it came by the environment.
    pub fn admin_token_file(&self) -> PathBuf {
        self.auth.admin_token_file.clone().unwrap_or_else(|| self.state_dir.join("admin.token"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Digits of the test numbers show in events, and the demo's lookups are answered by a built-in mock.
    Demo,
    Production,
}

/// Where flows and prompts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowSource {
    /// The sample set that is part of the program.
    Embedded,
    Folders {
        flows: PathBuf,
        prompts: PathBuf,
    },
}

impl FlowSource {
    /// The folders of the project in `folder`.
    pub fn of_project(folder: &Path) -> Self {
        Self::Folders { flows: folder.join("ivr-flows"), prompts: folder.join("prompts") }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub sip_udp: Option<SocketAddr>,
    pub sip_tcp: Option<SocketAddr>,
    /// `None` without [`Config::tls`].
    pub sip_tls: Option<SocketAddr>,
    /// Browsers, in the clear: behind a proxy that speaks TLS.
    pub sip_ws: Option<SocketAddr>,
    /// Browsers. `None` without [`Config::tls`].
    pub sip_wss: Option<SocketAddr>,
    /// The pages that browsers may connect from; `None` for all.
    pub allowed_origins: Option<Vec<String>>,
    pub http: SocketAddr,
    /// What Contact, Via and SDP say to peers in a network instead of the bound address.
    pub advertise: Vec<(Network, IpAddr)>,
    pub rtp: Rtp,
}

/// Files of the switch's own certificate, found good when the configuration was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub certificate: PathBuf,
    /// SHA-256 of the certificate, by which a renewed one is told from the one before.
    pub fingerprint: [u8; 32],
    pub key: PathBuf,
    /// Without it no peer is asked for a certificate.
    pub client_ca: Option<Authorities>,
}

/// A file with the certificates of authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    pub file: PathBuf,
    /// Of what is in it, by which another list is told from the one before.
    pub digest: [u8; 32],
}

/// Ports `first..=last`, used in pairs: RTP on the even one, RTCP above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtp {
    pub first: u16,
    pub last: u16,
    pub bind: IpAddr,
    pub advertise: Option<IpAddr>,
}

impl Rtp {
    /// How many legs can have media at once.
    pub fn pairs(&self) -> u32 {
        (u32::from(self.last) - u32::from(self.first)).div_ceil(2)
    }
}

/// How calls are signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sip {
    /// How long a call may stay up without a sign of life in its signalling, in whole seconds; asked of peers that know
    /// session timers (RFC 4028).
    pub session_expires: Duration,
    /// The least such time that we agree to.
    pub min_se: Duration,
    /// What becomes of texts from one extension to another (RFC 3428).
    pub message: MessagePolicy,
    /// What callers have to acknowledge before the answer (RFC 3262).
    pub reliable_provisional: ReliableProvisional,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessagePolicy {
    #[default]
    Refuse,
    Deliver,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once; beyond it new ones get 503 with Retry-After.
    pub calls: u32,
    /// New calls a second; what is beyond it gets 503 at once, unread.
    pub calls_per_second: Option<u32>,
    /// How long SIGTERM waits for running calls before it ends them.
    pub drain_timeout: Duration,
    /// A call whose caller sends no media for this long is ended.
    pub rtp_timeout: Duration,
}

/// Who gets in when there is not room for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    pub reserves: Reserves,
    /// Parts of `limits.calls`, by name.
    pub budgets: BTreeMap<ProjectId, Share>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    pub nonce_ttl: Duration,
    /// What phones are challenged with, in this order.
    pub algorithms: Vec<Algorithm>,
    pub admin_token_file: Option<PathBuf>,
}

/// An extension. One without queues is a plain telephone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub id: AgentId,
    pub name: String,
    pub ha1: Ha1Set,
    pub queues: Vec<QueueId>,
    pub skills: Vec<AgentSkill>,
    pub srtp: Option<SrtpPolicy>,
    pub keys: KeyPolicy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    pub id: QueueId,
    /// How long one agent's phone rings before the call is offered to the next.
    pub ring_timeout: Duration,
    pub wrap_up: Duration,
    pub max_wait: Duration,
    pub max_len: u32,
    pub matching: Matching,
    pub dispositions: Dispositions,
}

/// A carrier or another exchange, known by where its packets come from or by its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    pub id: TrunkId,
    pub sources: Vec<Cidr>,
    pub client_certificate: Option<ClientCertificate>,
    pub gateway: Option<Gateway>,
    pub enabled: bool,
    pub caps: Caps,
    pub manners: Manners,
    /// What it does with numbers, and whose it shows.
    pub numbers: TrunkNumbers,
    pub srtp: Option<SrtpPolicy>,
    pub keys: KeyPolicy,
    /// Private variables of flows that may go along with calls to it.
    pub private: BTreeSet<String>,
    /// How urgent its calls are, where the number that they dial does not say.
    pub class: Option<Class>,
}

/// Where a trunk takes calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    pub host: String,
    pub port: u16,
    /// As written; without it the host's SRV records may say another.
    pub port_given: bool,
    pub transport: GatewayTransport,
    pub credentials: Option<(String, Secret)>,
    /// The domain of our account there.
    pub domain: String,
    /// How long each registration with it shall last.
    pub register: Option<Duration>,
    /// How often it is asked by OPTIONS whether it is there.
    pub health: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayTransport {
    Udp,
    Tcp,
    Tls {
        /// Whose authorities' certificates the gateway may show.
        ca: Authorities,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// As in the file, and known to be a [`NumberPattern`](crate::routing::NumberPattern).
    pub number: String,
    pub to: Target,
    pub open_to: OpenTo,
    pub class: Option<Class>,
    /// One of [`Admission::budgets`].
    pub budget: Option<ProjectId>,
}

/// Extensions that proved themselves may always call a number; this says who else may. Nobody unknown ever may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenTo {
    AnyTrunk,
    Trunks(Vec<TrunkId>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Flow(String),
    Queue(QueueId),
    Agent(AgentId),
    Trunk { trunk: TrunkId, number: Option<String> },
    Test(TestNumber),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub enabled: bool,
    /// What an agent presses to pause and resume the recording of its call.
    pub pause_key: Option<Arc<str>>,
}

/// A system that flows may ask over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    pub origin: Origin,
    pub reach: http_client::Reach,
    /// Whose certificates it may show; without it, those that this machine trusts.
    pub ca: Option<PathBuf>,
    /// How we prove ourselves there, by the names that lookups use.
    pub auth: BTreeMap<String, Credential>,
}

impl Base {
    /// A system that the demo plays on a port of loopback.
    pub fn of_demo(name: &str, port: u16) -> Base {
        let origin = Origin { secure: false, host: "127.0.0.1".into(), port, path: format!("/{name}") };
        // It believes everybody.
        let auth = [(name.to_string(), Credential::authorization("Bearer demo"))].into();
        Base { origin, reach: http_client::Reach::Private, ca: None, auth }
    }
}

/// A header that proves who we are, and its whole value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub header: String,
    pub value: Secret,
}

impl Credential {
    fn authorization(value: &str) -> Self {
        Self { header: "Authorization".into(), value: Secret::new(value) }
    }
}

/// A database that flows may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite(PathBuf),
}

/// How long the database keeps what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    pub cdr_days: u32,
    pub journal_days: u32,
}
