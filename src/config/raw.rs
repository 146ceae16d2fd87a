//! `hotline.yaml` as it is written: every key there may be, nothing checked yet but its shape. Unknown keys are refused.
//! Values keep their place in the file, so that a check can point at them.

use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// A value and where it stands.
pub type At<T> = Spanned<T>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    pub version: Option<At<u32>>,
    pub realm: Option<At<String>>,
    pub state_dir: Option<At<String>>,
    #[serde(default)]
    pub listen: RawListen,
    #[serde(default)]
    pub limits: RawLimits,
    #[serde(default)]
    pub auth: RawAuth,
    #[serde(default)]
    pub agents: Vec<At<RawAgent>>,
    #[serde(default)]
    pub queues: BTreeMap<String, At<RawQueue>>,
    #[serde(default)]
    pub trunks: BTreeMap<String, At<RawTrunk>>,
    #[serde(default)]
    pub numbers: Vec<At<RawNumber>>,
    #[serde(default)]
    pub recording: RawRecording,
    #[serde(default)]
    pub records: RawRecords,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawListen {
    pub sip_udp: Option<At<String>>,
    pub sip_tcp: Option<At<String>>,
    pub http: Option<At<String>>,
    /// The address that peers are told to reach us at, when it is not the one we bind to.
    pub advertise: Option<At<String>>,
    #[serde(default)]
    pub rtp: RawRtp,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRtp {
    pub ports: Option<At<String>>,
    pub bind: Option<At<String>>,
    pub advertise: Option<At<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLimits {
    pub calls: Option<At<u32>>,
    pub drain_timeout: Option<At<String>>,
    pub rtp_timeout: Option<At<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAuth {
    pub nonce_ttl: Option<At<String>>,
    pub admin_token_file: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAgent {
    pub id: At<String>,
    pub name: Option<At<String>>,
    pub password: Option<At<String>>,
    pub password_file: Option<At<String>>,
    pub ha1: Option<At<RawHa1>>,
    #[serde(default)]
    pub queues: Vec<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawHa1 {
    pub md5: String,
    pub sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawQueue {
    pub ring_timeout: Option<At<String>>,
    pub wrap_up: Option<At<String>>,
    pub max_wait: Option<At<String>>,
    pub max_len: Option<At<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTrunk {
    #[serde(default)]
    pub sources: Vec<At<String>>,
    /// Where calls to this trunk are sent, `host:port`; a trunk without it only brings calls in.
    pub address: Option<At<String>>,
    pub transport: Option<At<String>>,
    pub user: Option<At<String>>,
    pub password: Option<At<String>>,
    pub password_file: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawNumber {
    pub number: At<String>,
    pub to: At<RawTarget>,
    #[serde(default)]
    pub open_to: Vec<At<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawTarget {
    Flow(At<String>),
    Queue(At<String>),
    Agent(At<String>),
    Trunk(RawTrunkTarget),
    Test(At<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTrunkTarget {
    pub name: At<String>,
    /// What to dial there; without it the number that was called.
    pub number: Option<At<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRecording {
    pub enabled: Option<At<bool>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRecords {
    pub cdr_days: Option<At<u32>>,
    pub journal_days: Option<At<u32>>,
}
