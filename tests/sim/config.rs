//! The centre that the stories happen in: four agents, two queues, the sample hotline, the test numbers, one trunk.

use hotline::acd::{AcdConfig, AgentConfig, Dispositions, LendPlan, Matching, QueueConfig};
use hotline::admission::{AdmissionConfig, Reserves, Share};
use hotline::events::Class;
use hotline::ids::{AgentId, ProjectId, QueueId, TrunkId};
use hotline::registrar::RegistrarConfig;
use hotline::routing::{
    Cidr, Destination, NumberPattern, OpenTo, Route, RouteTable, TestNumber, TollRules, TrunkNumbers,
};
use hotline::sip::dialog::session_timer::SessionTerms;
use hotline::sip::digest::{Algorithm, Ha1Set};
use hotline::sip::endpoint::EndpointConfig;
use hotline::sip::peer::Peer;
use hotline::switch::{
    EdgePolicy, Extension, FeatureCodes, KeyPolicy, Policies, Project, REGISTER_OPTIONS, SrtpPolicy, SupervisionNotice,
    SwitchConfig,
};
use hotline::trunks::{Caps, Manners, TrunkConfig, TrunksConfig};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub const AGENTS: [&str; 4] = ["1001", "1002", "1003", "1004"];
pub const REALM: &str = "hotline";

pub fn secret_of(agent: &str) -> String {
    format!("secret of {agent}")
}

/// By number: whose budget it takes from, and how urgent its calls are.
pub type Classed = BTreeMap<&'static str, (Option<ProjectId>, Option<Class>)>;

/// What a story changes of the usual centre.
#[derive(Clone, Debug)]
pub struct Settings {
    pub seed: u64,
    pub edge: EdgePolicy,
    pub calls: u32,
    pub calls_per_second: Option<u32>,
    pub reserves: Reserves,
    pub budgets: BTreeMap<ProjectId, Share>,
    /// Numbers that take from a budget, or whose calls are of a class.
    pub classed: Classed,
    pub trunk_classes: BTreeMap<TrunkId, Class>,
    pub toll: TollRules,
    pub realm: String,
    pub algorithms: &'static [Algorithm],
    /// The queues there are.
    pub queues: &'static [&'static str],
    /// The projects and their queues; one of all unless told.
    pub projects: &'static [(&'static str, &'static [&'static str])],
    pub lend: Vec<LendPlan>,
    /// Queues of agents who do not serve all.
    pub posts: &'static [(&'static str, &'static [&'static str])],
    /// Extensions may send each other texts.
    pub messages: bool,
    /// Passwords that an admin has changed.
    pub changed_passwords: &'static [(&'static str, &'static str)],
    /// The agents there are.
    pub agents: &'static [&'static str],
    /// Callers who may wait in each queue.
    pub max_len: u32,
    pub ring_timeout: Duration,
    pub wrap_up: Duration,
    pub wait_for_lost: Duration,
    pub dispositions: Dispositions,
    pub rtp_timeout: Option<Duration>,
    pub rona_pause: Option<Duration>,
    pub recording: bool,
    pub pause_key: Option<&'static str>,
    pub supervision: SupervisionNotice,
    pub srtp: SrtpPolicy,
    pub keys: Policies<KeyPolicy>,
    pub trunks: TrunksConfig,
    pub trunk_numbers: BTreeMap<TrunkId, TrunkNumbers>,
    /// Numbers beside the usual ones that lead to trunks and groups.
    pub dialled: Vec<(&'static str, &'static str)>,
    pub session: SessionTerms,
    pub registrar: RegistrarConfig,
    /// What the phones can do.
    pub phones: EndpointConfig,
    /// RTP ports of each of the two workers.
    pub ports: u16,
    /// How often the planes look for what is due; a coarser clock runs a longer world.
    pub tick: Duration,
}

/// A trunk at the address of the carrier that was made as the `nth` phone of the world.
pub fn trunk(nth: u8) -> TrunkConfig {
    let own = SocketAddr::from(([10, 0, 0, 1], 5060));
    TrunkConfig {
        targets: vec![Peer::udp(SocketAddr::from(([10, 3, 0, nth], 5060)), own)],
        host: "carrier.example".into(),
        domain: "carrier.example".into(),
        credentials: None,
        register: None,
        health: None,
        caps: Caps::default(),
        enabled: true,
        manners: Manners::default(),
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            edge: EdgePolicy::default(),
            calls: 50,
            calls_per_second: None,
            reserves: Reserves::default(),
            budgets: BTreeMap::new(),
            classed: Classed::new(),
            trunk_classes: BTreeMap::new(),
            toll: TollRules::default(),
            realm: REALM.into(),
            algorithms: &Algorithm::OFFERED,
            queues: &["service", "emergency"],
            projects: &[],
            lend: Vec::new(),
            posts: &[],
            messages: false,
            changed_passwords: &[],
            agents: &AGENTS,
            max_len: 1_000,
            ring_timeout: Duration::from_secs(10),
            wrap_up: Duration::from_secs(2),
            wait_for_lost: Duration::from_secs(20),
            dispositions: Dispositions::default(),
            rtp_timeout: Some(Duration::from_secs(10)),
            rona_pause: Some(Duration::from_secs(30)),
            recording: true,
            pause_key: None,
            supervision: SupervisionNotice::None,
            srtp: SrtpPolicy::default(),
            trunks: TrunksConfig::default(),
            keys: Policies::default(),
            trunk_numbers: BTreeMap::new(),
            dialled: Vec::new(),
            session: SessionTerms { expires_s: 1800, min_s: 90 },
            registrar: RegistrarConfig::default(),
            phones: EndpointConfig { server: "phone/1".into(), ..EndpointConfig::default() },
            ports: 64,
            tick: Duration::from_millis(1),
        }
    }
}

impl Settings {
    pub fn config(&self) -> Arc<SwitchConfig> {
        let trunk = TrunkId::new("demo-trunk");
        let queues: Vec<QueueId> = self.queues.iter().map(QueueId::new).collect();
        let agents: Vec<AgentId> = self.agents.iter().map(AgentId::new).collect();
        let changed = |id: &AgentId| self.changed_passwords.iter().find(|(agent, _)| *agent == id.as_str());
        let secret =
            |id: &AgentId| changed(id).map_or_else(|| secret_of(id.as_str()), |(_, secret)| secret.to_string());
        let extension = |id: &AgentId| Extension {
            name: format!("Agent {id}"),
            ha1: Ha1Set::new(id.as_str(), &self.realm, &secret(id)),
        };
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        Arc::new(SwitchConfig {
            id: "sim".into(),
            projects: match self.projects {
                [] => [Project::of_all(queues.iter().cloned())].into(),
                projects => projects.iter().map(project).collect(),
            },
            endpoint: EndpointConfig {
                seed,
                session: Some(self.session),
                supported: REGISTER_OPTIONS.to_vec(),
                ..EndpointConfig::default()
            },
            realm: self.realm.clone(),
            auth_key: [9; 32],
            nonce_ttl: Duration::from_secs(300),
            edge: self.edge.clone(),
            algorithms: self.algorithms.to_vec(),
            extensions: agents.iter().map(|id| (id.clone(), extension(id))).collect(),
            trunks: self.trunks.clone(),
            trunk_numbers: self.trunk_numbers.clone(),
            trunk_classes: self.trunk_classes.clone(),
            toll: self.toll.clone(),
            routes: routes(&trunk, &self.dialled, &self.classed),
            acd: AcdConfig {
                queues: queues
                    .iter()
                    .map(|id| QueueConfig {
                        max_len: self.max_len,
                        ring_timeout: self.ring_timeout,
                        wrap_up: self.wrap_up,
                        dispositions: self.dispositions.clone(),
                        matching: Matching { wait_for_lost: self.wait_for_lost, ..Matching::default() },
                        project: self
                            .projects
                            .iter()
                            .find(|(_, queues)| queues.contains(&id.as_str()))
                            .map(|(project, _)| ProjectId::new(project)),
                        ..QueueConfig::new(id.clone())
                    })
                    .collect(),
                agents: agents
                    .iter()
                    .map(|id| AgentConfig {
                        name: format!("Agent {id}"),
                        queues: match self.posts.iter().find(|(agent, _)| *agent == id.as_str()) {
                            Some((_, posts)) => posts.iter().map(QueueId::new).collect(),
                            None => queues.to_vec(),
                        },
                        ..AgentConfig::new(id.clone())
                    })
                    .collect(),
                rona_pause: self.rona_pause,
                lend: self.lend.clone(),
                ..AcdConfig::default()
            },
            admission: AdmissionConfig {
                total: self.calls,
                calls_per_second: self.calls_per_second,
                reserves: self.reserves,
                budgets: self.budgets.clone(),
            },
            registrar: self.registrar.clone(),
            media_advertised: None,
            media_bound: None,
            certificate: Some([0xab; 32]),
            srtp: Policies { default: self.srtp, ..Policies::default() },
            keys: self.keys.clone(),
            recording: self.recording,
            pause_key: self.pause_key.map(Arc::from),
            supervision: self.supervision.clone(),
            features: FeatureCodes::default(),
            rtp_timeout: self.rtp_timeout,
            direct_ring_time: Duration::from_secs(60),
            messages: self.messages,
            show_digits: true,
        })
    }
}

fn project((id, queues): &(&str, &[&str])) -> Project {
    Project { queues: queues.iter().map(QueueId::new).collect(), ..Project::new(ProjectId::new(*id)) }
}

fn routes(trunk: &TrunkId, dialled: &[(&str, &str)], classed: &Classed) -> RouteTable {
    let tests = [
        ("9190", TestNumber::RingOnly),
        ("9191", TestNumber::Word),
        ("9193", TestNumber::Hold),
        ("9196", TestNumber::Echo),
        ("9197", TestNumber::Tone),
        ("9198", TestNumber::Digits),
        ("9199", TestNumber::Record),
    ];
    let open = OpenTo::trunks([trunk.clone()]);
    let route = |number: &str, to, open_to: &OpenTo| {
        let (budget, class) = classed.get(number).cloned().unwrap_or_default();
        let number = NumberPattern::exact(number).expect("a number");
        Route { budget, class, ..Route::new(number, to, open_to.clone()) }
    };
    let mut routes = vec![
        route("95598", Destination::Flow("power".into()), &open),
        route("9000", Destination::Queue(QueueId::new("service")), &open),
    ];
    routes.extend(tests.map(|(number, test)| route(number, Destination::Test(test), &open)));
    let beyond = |to: &str| Destination::Trunk { trunk: TrunkId::new(to), number: None };
    routes.extend(dialled.iter().map(|(number, to)| route(number, beyond(to), &OpenTo::everyone_known())));
    routes.extend(AGENTS.map(|id| route(id, Destination::Extension(AgentId::new(id)), &OpenTo::extensions())));
    let callers = Cidr::new(IpAddr::V4(Ipv4Addr::new(10, 2, 0, 0)), 16).expect("a block");
    RouteTable::new(routes, [(callers, trunk.clone())]).expect("a table")
}
