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
mod diagnostic;
mod duration;
pub mod embedded;
pub mod project;
mod raw;
mod secret;
pub mod template;
#[cfg(test)]
mod tests;

pub use check::load;
pub use demo::{DEMO_TRUNK, Demo, DemoEnv};
pub use diagnostic::{ConfigError, Diagnostic, Level, nearest};
pub use duration::{parse_duration, show_duration};
pub use secret::{Ha1, Secret};

use crate::ids::{AgentId, QueueId, TrunkId};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The file that makes a folder a project.
pub const FILE_NAME: &str = "hotline.yaml";

/// A whole, checked configuration. Every name in it that refers to another part of it exists.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub mode: Mode,
    /// The file it was read from; `None` for the demo.
    pub file: Option<PathBuf>,
    pub state_dir: PathBuf,
    pub flows: FlowSource,
    /// Domain of the extensions, and the realm they prove themselves in.
    pub realm: String,
    pub listen: Listen,
    pub limits: Limits,
    pub auth: Auth,
    pub agents: BTreeMap<AgentId, Agent>,
    pub queues: BTreeMap<QueueId, Queue>,
    pub trunks: BTreeMap<TrunkId, Trunk>,
    /// In file order.
    pub numbers: Vec<Number>,
    pub recording: Recording,
    pub records: Records,
    /// Findings that do not prevent a start.
    pub warnings: Vec<Diagnostic>,
}

impl Config {
    /// Reads and checks the file at `path`. Relative paths in it are relative to its folder.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        check::load(path)
    }

    /// The built-in configuration of `hotline demo`: loopback only, the numbers of the README.
    pub fn demo(env: DemoEnv) -> Result<Demo, getrandom::Error> {
        demo::build(env)
    }

    /// The database of calls and events.
    pub fn database(&self) -> PathBuf {
        self.state_dir.join("hotline.db")
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub sip_udp: Option<SocketAddr>,
    pub sip_tcp: Option<SocketAddr>,
    pub http: SocketAddr,
    /// What Contact, Via and SDP say instead of the bound address.
    pub advertise: Option<IpAddr>,
    pub rtp: Rtp,
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once; beyond it new ones get 503 with Retry-After.
    pub calls: u32,
    /// How long SIGTERM waits for running calls before it ends them.
    pub drain_timeout: Duration,
    /// A call whose caller sends no media for this long is ended.
    pub rtp_timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    pub nonce_ttl: Duration,
    pub admin_token_file: Option<PathBuf>,
}

/// An extension. One without queues is a plain telephone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub id: AgentId,
    pub name: String,
    pub ha1: Ha1,
    pub queues: Vec<QueueId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    pub id: QueueId,
    /// How long one agent's phone rings before the call is offered to the next.
    pub ring_timeout: Duration,
    pub wrap_up: Duration,
    pub max_wait: Duration,
    pub max_len: u32,
    /// Prompt to play while waiting; `None` is the generated music.
    pub music: Option<String>,
}

/// A carrier or another exchange, known by where its packets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    pub id: TrunkId,
    pub sources: Vec<Network>,
    pub gateway: Option<Gateway>,
}

/// Where a trunk takes calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    pub host: String,
    pub port: u16,
    pub transport: GatewayTransport,
    pub credentials: Option<(String, Secret)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayTransport {
    Udp,
    Tcp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// As dialled. A final `*` stands for any further digits.
    pub number: String,
    pub to: Target,
    pub open_to: OpenTo,
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

/// What the numbers 9190 to 9199 of the demo do; a project may have them too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TestNumber {
    /// Rings for 60 s, then 480.
    RingOnly,
    /// Answers, plays a word, hangs up after 2 s.
    Word,
    /// Hold music for 120 s.
    Hold,
    Echo,
    /// 1004 Hz for 60 s.
    Tone,
    /// Collects digits until `#` and reads them back.
    Digits,
    /// Records until `#` or 30 s and plays it back.
    Record,
}

impl TestNumber {
    pub const ALL: [(&'static str, TestNumber); 7] = [
        ("ring_only", TestNumber::RingOnly),
        ("word", TestNumber::Word),
        ("hold", TestNumber::Hold),
        ("echo", TestNumber::Echo),
        ("tone", TestNumber::Tone),
        ("digits", TestNumber::Digits),
        ("record", TestNumber::Record),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, test)| *test == self).map_or("", |(name, _)| name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recording {
    pub enabled: bool,
    pub keep_days: u32,
}

/// How long the database keeps what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    pub cdr_days: u32,
    pub journal_days: u32,
}

/// An address block, `192.0.2.0/24` or one address. Host bits are cleared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4((u32::from(v4) & mask).into())
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6((u128::from(v6) & mask).into())
            }
            _ => return None,
        };
        Some(Self { address, prefix })
    }

    pub fn address(&self) -> IpAddr {
        self.address
    }

    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` is in the block. An IPv4 address that arrives mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        Network::new(address.to_canonical(), self.prefix).is_some_and(|block| block == *self)
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| ())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        Network::new(address, prefix.unwrap_or(if address.is_ipv4() { 32 } else { 128 })).ok_or(())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
