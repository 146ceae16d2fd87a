//! What the switch is configured with: checked values only, swapped as a whole.

use super::feature_codes::FeatureCodes;
use super::gate::EdgePolicy;
use super::project::Project;
use crate::acd::AcdConfig;
use crate::admission::AdmissionConfig;
use crate::events::{Class, Source};
use crate::ids::{AgentId, TrunkId};
use crate::ivr;
use crate::media::clip::Clip;
use crate::registrar::RegistrarConfig;
use crate::routing::{RouteTable, TollRules, TrunkNumbers};
use crate::sdp::{KeyPolicy, Sha256, SrtpPolicy};
use crate::sip::digest::{Algorithm, Ha1Set};
use crate::sip::endpoint::EndpointConfig;
use crate::sip::peer::Peer;
use crate::trunks::TrunksConfig;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub struct SwitchConfig {
    /// By which an operator knows one configuration from another.
    pub id: String,
    pub endpoint: EndpointConfig,
    /// Domain of the extensions and realm of their credentials.
    pub realm: String,
    pub auth_key: [u8; 32],
    pub nonce_ttl: Duration,
    /// Who is not listened to.
    pub edge: EdgePolicy,
    /// What phones are challenged with, in this order.
    pub algorithms: Vec<Algorithm>,
    pub extensions: BTreeMap<AgentId, Extension>,
    pub trunks: TrunksConfig,
    /// What each trunk does with numbers; one that is not here leaves them as they are.
    pub trunk_numbers: BTreeMap<TrunkId, TrunkNumbers>,
    /// What extensions may have called outside.
    pub toll: TollRules,
    /// How urgent the calls of a trunk are, where the number that they dial does not say.
    pub trunk_classes: BTreeMap<TrunkId, Class>,
    pub routes: RouteTable,
    pub acd: AcdConfig,
    pub admission: AdmissionConfig,
    pub registrar: RegistrarConfig,
    /// The address in our SDP whoever the peer is, where media has one of its own.
    pub media_advertised: Option<IpAddr>,
    /// The one that media binds; without one it is where signalling came in.
    pub media_bound: Option<IpAddr>,
    /// Of the certificate that a handshake shows; without one there are none.
    pub certificate: Option<Sha256>,
    /// Whose audio is to be encrypted.
    pub srtp: Policies<SrtpPolicy>,
    /// How parties are told keys.
    pub keys: Policies<KeyPolicy>,
    /// Record what caller and agent say to each other.
    pub recording: bool,
    /// At least one.
    pub projects: Arc<[Project]>,
    /// What an agent presses to pause and resume it.
    pub pause_key: Option<Arc<str>>,
    /// What caller and agent hear of a supervisor.
    pub supervision: SupervisionNotice,
    /// A party whose audio stops for so long is gone.
    pub rtp_timeout: Option<Duration>,
    /// How long an extension or trunk dialled outright rings.
    pub direct_ring_time: Duration,
    /// What agents dial to say what they do.
    pub features: FeatureCodes,
    /// Extensions may send each other texts.
    pub messages: bool,
    /// Keys of test numbers show in events (demo mode only).
    pub show_digits: bool,
}

#[derive(Clone, Debug)]
pub struct Extension {
    pub name: String,
    pub ha1: Ha1Set,
}

/// How the two who talk are told that a supervisor joins them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SupervisionNotice {
    #[default]
    None,
    /// Two beeps.
    Tone,
    /// A prompt of the project; beeps while there is none.
    Prompt(String),
}

/// What holds for all, and for some otherwise.
#[derive(Clone, Debug, Default)]
pub struct Policies<T> {
    pub default: T,
    /// Those that are not as the default.
    pub extensions: BTreeMap<AgentId, T>,
    pub trunks: BTreeMap<TrunkId, T>,
}

impl<T: Copy> Policies<T> {
    pub(super) fn of(&self, source: &Source) -> T {
        let own = match source {
            Source::Extension(agent) => self.extensions.get(agent),
            Source::Trunk(trunk) => self.trunks.get(trunk),
        };
        own.copied().unwrap_or(self.default)
    }
}

impl SwitchConfig {
    /// Where a peer is to send media.
    pub(crate) fn media_address(&self, peer: &Peer) -> IpAddr {
        let told = self.media_advertised.or_else(|| self.endpoint.advertised.to(peer.remote.ip()));
        told.or(self.media_bound).unwrap_or(peer.local.ip())
    }

    /// Our own host as it stands in a From.
    pub(crate) fn sip_host(&self, peer: &Peer) -> String {
        match self.endpoint.advertised.to(peer.remote.ip()).unwrap_or(peer.local.ip()) {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        }
    }
}

/// Flows and the audio they name, as one immutable set.
#[derive(Debug)]
pub struct SwitchBundle {
    pub flows: Arc<ivr::Bundle>,
    /// By language, then by prompt or atom id.
    pub clips: BTreeMap<Box<str>, BTreeMap<Box<str>, Arc<Clip>>>,
}

impl SwitchBundle {
    /// The audio of a prompt in a language; without one, in the language of whoever has not chosen.
    pub fn clip(&self, lang: Option<&str>, id: &str) -> Option<Arc<Clip>> {
        let lang = lang.or_else(|| self.flows.default_language())?;
        self.clips.get(lang)?.get(id).cloned()
    }
}
