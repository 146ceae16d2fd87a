//! From the checked configuration to what the switch is made with.

use super::names::Known;
use super::trunks;
use crate::acd::{AcdConfig, AgentConfig, QueueConfig};
use crate::admission::AdmissionConfig;
use crate::config::{Config, GatewayTransport, Mode};
use crate::ids::QueueId;
use crate::net::tls::{TlsFiles, TlsGateway};
use crate::sdp::Sha256;
use crate::sip::dialog::session_timer::{LEAST_S, SessionTerms};
use crate::sip::endpoint::EndpointConfig;
use crate::sip::peer::{Advertised, Peer, Transport};
use crate::switch::{Extension, Policies, Project, REGISTER_OPTIONS, SwitchConfig};
use std::sync::Arc;
use std::time::Duration;

/// After a missed offer a demo agent comes back by itself; in production somebody sets the agent ready.
const DEMO_RONA_PAUSE: Duration = Duration::from_secs(30);
/// How long an extension or trunk dialled outright rings before the caller is told that nobody answers.
const DIRECT_RING_TIME: Duration = Duration::from_secs(60);

/// What is made anew at each start and kept over reloads.
#[derive(Clone)]
pub(super) struct Seeds {
    pub sip: [u8; 32],
    pub nonce_key: [u8; 32],
    pub media: u64,
    /// Of the certificate for encrypted audio.
    pub certificate: Sha256,
}

impl Seeds {
    pub(super) fn from_system(certificate: Sha256) -> Result<Seeds, String> {
        let mut sip = [0; 32];
        let mut nonce_key = [0; 32];
        let mut media = [0; 8];
        for part in [&mut sip[..], &mut nonce_key[..], &mut media[..]] {
            getrandom::fill(part).map_err(|error| format!("the operating system gives no random numbers: {error}"))?;
        }
        Ok(Seeds { sip, nonce_key, media: u64::from_le_bytes(media), certificate })
    }
}

/// `Err` is a sentence for the operator.
pub(super) fn switch_config(config: &Config, seeds: &Seeds, known: &Known) -> Result<SwitchConfig, String> {
    let listen = &config.listen;
    let mut endpoint = EndpointConfig { seed: seeds.sip, ..EndpointConfig::default() };
    let seconds = |length: std::time::Duration| u32::try_from(length.as_secs()).unwrap_or(u32::MAX);
    endpoint.session = Some(SessionTerms {
        expires_s: seconds(config.sip.session_expires),
        min_s: seconds(config.sip.min_se).max(LEAST_S),
    });
    endpoint.supported.extend(REGISTER_OPTIONS);
    endpoint.reliable = config.sip.reliable_provisional;
    if let Some(address) = listen.sip_tcp {
        endpoint.listen_ports.push((Transport::Tcp, address.port()));
    }
    let streams = [(Transport::Tls, listen.sip_tls), (Transport::Ws, listen.sip_ws), (Transport::Wss, listen.sip_wss)];
    let streams = streams.into_iter().filter_map(|(transport, address)| Some((transport, address?.port())));
    endpoint.listen_ports.extend(streams);
    endpoint.advertised = Advertised::new(listen.advertise.iter().copied());
    let bound_media = Some(listen.rtp.bind).filter(|address| !address.is_unspecified());
    // A call of two legs needs some room beside it for those being rung.
    endpoint.max_usages = endpoint.max_usages.max(config.limits.calls as usize * 4);
    Ok(SwitchConfig {
        id: config.id.clone(),
        endpoint,
        realm: config.realm.clone(),
        auth_key: seeds.nonce_key,
        nonce_ttl: config.auth.nonce_ttl,
        edge: config.security.clone(),
        toll: config.toll.clone(),
        algorithms: config.auth.algorithms.clone(),
        extensions: config
            .agents
            .values()
            .map(|agent| (agent.id.clone(), Extension { name: agent.name.clone(), ha1: agent.ha1.clone() }))
            .collect(),
        trunks: trunks::resolved(config, known)?,
        trunk_numbers: config.trunks.values().map(|trunk| (trunk.id.clone(), trunk.numbers.clone())).collect(),
        trunk_classes: config.trunks.values().filter_map(|trunk| Some((trunk.id.clone(), trunk.class?))).collect(),
        routes: config.routes()?,
        acd: acd(config),
        admission: AdmissionConfig {
            total: config.limits.calls,
            calls_per_second: config.limits.calls_per_second,
            reserves: config.admission.reserves,
            budgets: config.admission.budgets.clone(),
        },
        registrar: config.registrar.clone(),
        media_advertised: listen.rtp.advertise,
        media_bound: bound_media,
        certificate: Some(seeds.certificate),
        srtp: Policies {
            default: config.srtp,
            extensions: config.agents.values().filter_map(|agent| Some((agent.id.clone(), agent.srtp?))).collect(),
            trunks: config.trunks.values().filter_map(|trunk| Some((trunk.id.clone(), trunk.srtp?))).collect(),
        },
        keys: Policies {
            default: Default::default(),
            extensions: config.agents.values().map(|agent| (agent.id.clone(), agent.keys)).collect(),
            trunks: config.trunks.values().map(|trunk| (trunk.id.clone(), trunk.keys)).collect(),
        },
        recording: config.recording.enabled,
        projects: projects(config),
        pause_key: config.recording.pause_key.clone(),
        supervision: config.supervision.clone(),
        features: config.features.clone(),
        rtp_timeout: Some(config.limits.rtp_timeout).filter(|limit| !limit.is_zero()),
        direct_ring_time: DIRECT_RING_TIME,
        messages: config.sip.message == crate::config::MessagePolicy::Deliver,
        show_digits: config.mode == Mode::Demo,
    })
}

/// Those of the file, or the one that is all.
fn projects(config: &Config) -> Arc<[Project]> {
    match config.projects.is_empty() {
        true => [Project::of_all(config.queues.keys().cloned())].into(),
        false => config.projects.values().cloned().collect(),
    }
}

fn acd(config: &Config) -> AcdConfig {
    let project = |queue: &QueueId| config.projects.values().find(|project| project.queues.contains(queue));
    let queues = config.queues.values().map(|queue| QueueConfig {
        project: project(&queue.id).map(|project| project.id.clone()),
        ring_timeout: queue.ring_timeout,
        max_len: queue.max_len,
        wrap_up: queue.wrap_up,
        max_wait: queue.max_wait,
        matching: queue.matching.clone(),
        dispositions: queue.dispositions.clone(),
        ..QueueConfig::new(queue.id.clone())
    });
    let agents = config.agents.values().filter(|agent| !agent.queues.is_empty()).map(|agent| AgentConfig {
        id: agent.id.clone(),
        name: agent.name.clone(),
        queues: agent.queues.clone(),
        skills: agent.skills.clone(),
    });
    AcdConfig {
        queues: queues.collect(),
        agents: agents.collect(),
        lend: config.lend.clone(),
        rona_pause: (config.mode == Mode::Demo).then_some(DEMO_RONA_PAUSE),
        ..AcdConfig::default()
    }
}

/// What TLS is made of; `None` where the file has no certificate of ours. `switch` is made of the same configuration.
pub(super) fn tls_files(config: &Config, switch: &SwitchConfig) -> Option<TlsFiles> {
    let own = config.tls.as_ref()?;
    let secure = config.trunks.values().filter_map(|trunk| {
        let gateway = trunk.gateway.as_ref()?;
        let GatewayTransport::Tls { ca } = &gateway.transport else { return None };
        Some((gateway, ca, &switch.trunks.trunks.get(&trunk.id)?.targets))
    });
    let gateways = secure.flat_map(|(gateway, ca, targets)| {
        let of = |peer: &Peer| TlsGateway { remote: peer.remote, name: gateway.host.clone(), ca: ca.file.clone() };
        targets.iter().map(of)
    });
    let clients = config.trunks.values().filter(|trunk| trunk.enabled);
    let clients = clients.filter_map(|trunk| Some((trunk.id.clone(), trunk.client_certificate.clone()?)));
    Some(TlsFiles {
        certificate: own.certificate.clone(),
        key: own.key.clone(),
        client_ca: own.client_ca.as_ref().map(|ca| ca.file.clone()),
        clients: clients.collect(),
        gateways: gateways.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const SEEDS: Seeds = Seeds { sip: [1; 32], nonce_key: [2; 32], media: 3, certificate: [4; 32] };

    fn made_of(name: &str, listen: &str) -> SwitchConfig {
        let file = std::env::temp_dir().join(format!("hotline-setup-{}-{name}.yaml", std::process::id()));
        let yaml = format!(
            "version: 1\nrealm: hotline\nlisten: {{{listen}}}\ntrunks:\n  carrier: {{sources: [127.0.0.2], address: 127.0.0.2}}\nnumbers:\n  - {{number: \"9196\", to: {{test: echo}}}}\n"
        );
        std::fs::write(&file, yaml).unwrap();
        let config = Config::load(Path::new(&file)).unwrap();
        switch_config(&config, &SEEDS, &Known::new(trunks::reach(&config), 1)).unwrap()
    }

    /// What a peer there is told of us in signalling and in SDP.
    fn told(made: &SwitchConfig, remote: &str) -> [String; 2] {
        let remote = std::net::SocketAddr::new(remote.parse().unwrap(), 5060);
        let peer = Peer::udp(remote, "127.0.0.1:5070".parse().unwrap());
        [made.sip_host(&peer), made.media_address(&peer).to_string()]
    }

    #[test]
    fn a_trunk_of_a_wildcard_listener_is_told_an_address_that_it_can_reach() {
        let made = made_of("wildcard", "sip_udp: 0.0.0.0:5070");
        let peer = made.trunks.trunks.values().next().unwrap().targets[0];
        assert_eq!(peer.local.to_string(), "127.0.0.1:5070");
        assert_eq!(told(&made, "127.0.0.9"), ["127.0.0.1"; 2], "the address that signalling came in on");
    }

    #[test]
    fn the_sdp_names_the_address_that_media_binds_unless_another_is_advertised() {
        let made = made_of("media", "sip_udp: 0.0.0.0:5070, rtp: {bind: 127.0.0.3}");
        assert_eq!(told(&made, "127.0.0.9"), ["127.0.0.1", "127.0.0.3"]);
        let made = made_of("nat", "sip_udp: 0.0.0.0:5070, advertise: 203.0.113.5, rtp: {bind: 127.0.0.3}");
        assert_eq!(told(&made, "127.0.0.9"), ["203.0.113.5"; 2]);
        let made = made_of("rtp", "sip_udp: 0.0.0.0:5070, advertise: 203.0.113.5, rtp: {advertise: 203.0.113.6}");
        assert_eq!(told(&made, "127.0.0.9"), ["203.0.113.5", "203.0.113.6"]);
    }

    #[test]
    fn each_network_is_told_the_address_that_it_reaches_us_at() {
        let networks = "advertise: {0.0.0.0/0: 203.0.113.5, 10.0.0.0/8: 10.0.0.5, 10.9.0.0/16: 10.9.0.5}";
        let made = made_of("networks", &format!("sip_udp: 0.0.0.0:5070, {networks}"));
        assert_eq!(told(&made, "198.51.100.1"), ["203.0.113.5"; 2]);
        assert_eq!(told(&made, "10.1.1.1"), ["10.0.0.5"; 2]);
        assert_eq!(told(&made, "10.9.1.1"), ["10.9.0.5"; 2]);
        assert_eq!(told(&made, "2001:db8::1"), ["127.0.0.1"; 2], "in none of them");
    }
}
