//! Trunks of the configuration with the addresses that their names stand for.

use crate::config::{Config, Gateway, GatewayTransport, Trunk};
use crate::net;
use crate::sip::digest::{Credentials, Secret};
use crate::sip::peer::{Peer, Transport};
use crate::trunks::{TrunkConfig, TrunksConfig};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// Addresses of one name that calls are tried at.
const MOST_TARGETS: usize = 4;

/// `Err` is a sentence for the operator.
pub(super) fn resolved(config: &Config) -> Result<TrunksConfig, String> {
    let trunks = config.trunks.values().map(|trunk| Ok((trunk.id.clone(), one(config, trunk)?)));
    Ok(TrunksConfig { trunks: trunks.collect::<Result<_, String>>()?, groups: config.trunk_groups.clone() })
}

fn one(config: &Config, trunk: &Trunk) -> Result<TrunkConfig, String> {
    let mut made = TrunkConfig {
        targets: Vec::new(),
        host: String::new(),
        domain: String::new(),
        credentials: None,
        register: None,
        health: None,
        caps: trunk.caps,
        enabled: trunk.enabled,
    };
    let Some(gateway) = &trunk.gateway else { return Ok(made) };
    let (transport, local) = match &gateway.transport {
        GatewayTransport::Udp => (Transport::Udp, config.listen.sip_udp),
        GatewayTransport::Tcp => (Transport::Tcp, config.listen.sip_tcp.or(config.listen.sip_udp)),
        GatewayTransport::Tls { .. } => (Transport::Tls, config.listen.sip_tls),
    };
    let local = local.ok_or_else(|| {
        format!(
            "trunk {} uses {transport:?}, for which nothing listens; add it under `listen`, which a start takes and no \
             reload",
            trunk.id
        )
    })?;
    made.targets = targets(gateway, transport, local).map_err(|error| format!("trunk {}: {error}", trunk.id))?;
    made.host = in_uri(&gateway.host);
    if gateway.port != transport.default_port() {
        made.host = format!("{}:{}", made.host, gateway.port);
    }
    made.domain = in_uri(&gateway.domain);
    made.credentials = gateway.credentials.as_ref().map(|(user, secret)| Credentials {
        user: user.clone(),
        secret: Secret::Password(secret.expose().to_string()),
    });
    made.register = gateway.register.map(|lasts| u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX));
    made.health = gateway.health;
    Ok(made)
}

fn targets(gateway: &Gateway, transport: Transport, local: SocketAddr) -> Result<Vec<Peer>, String> {
    let mut targets = Vec::new();
    for remote in resolve(&gateway.host, gateway.port, local).into_iter().take(MOST_TARGETS) {
        let local =
            facing(local, remote).map_err(|error| format!("this machine has no way to {}: {error}", remote.ip()))?;
        targets.push(Peer { transport, remote, local, connection: None });
    }
    if targets.is_empty() {
        let text = format!("`{}` has no address that {} can reach", gateway.host, local.ip());
        if gateway.host.parse::<IpAddr>().is_ok() {
            return Err(text);
        }
        // A name server that is down must not keep a call centre from starting.
        tracing::warn!("{text}; `hotline reload` looks it up again");
    }
    Ok(targets)
}

/// At start and reload only, never while a call waits.
fn resolve(host: &str, port: u16, local: SocketAddr) -> Vec<SocketAddr> {
    let found = (host, port).to_socket_addrs().into_iter().flatten();
    let mut found: Vec<SocketAddr> = found.filter(|address| address.is_ipv4() == local.is_ipv4()).collect();
    found.dedup();
    found
}

/// Our end towards `remote`, of a listener that may listen at all addresses of this machine.
fn facing(bound: SocketAddr, remote: SocketAddr) -> io::Result<SocketAddr> {
    match bound.ip().is_unspecified() {
        true => Ok(SocketAddr::new(net::address_facing(remote)?, bound.port())),
        false => Ok(bound),
    }
}

/// A host as URIs write it: an IPv6 address in brackets (RFC 3261 19.1.1).
fn in_uri(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.to_string(),
    }
}
