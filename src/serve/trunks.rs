//! Trunks of the configuration with the addresses that their names stand for.

use super::names::Known;
use crate::config::{Config, Gateway, GatewayTransport, Trunk};
use crate::ids::TrunkId;
use crate::net;
use crate::sip::digest::{Credentials, Secret};
use crate::sip::locate::{Family, Place, Reach};
use crate::sip::message::{Host, HostRef};
use crate::sip::peer::{Peer, Transport};
use crate::trunks::{TrunkConfig, TrunksConfig};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Addresses of one name that calls are tried at.
const MOST_TARGETS: usize = 4;

/// What calls to trunks can be sent by.
pub(super) fn reach(config: &Config) -> Reach {
    let listen = &config.listen;
    let all = [
        (Transport::Udp, listen.sip_udp),
        (Transport::Tcp, listen.sip_tcp.or(listen.sip_udp)),
        (Transport::Tls, listen.sip_tls),
    ];
    Reach::new(all.into_iter().filter_map(|(transport, at)| Some((transport, Family::of(at?.ip())))))
}

/// What has to be found for the trunks.
pub(super) fn places(config: &Config) -> BTreeSet<Place> {
    config.trunks.values().filter_map(|trunk| trunk.gateway.as_ref()).map(place).collect()
}

/// A port leaves nothing to SRV records, and the transport nothing to NAPTR (RFC 3263 4.1, 4.2).
fn place(gateway: &Gateway) -> Place {
    let transport = transport(gateway);
    let host = match gateway.host.parse::<IpAddr>() {
        Ok(address) => Host::from(address),
        Err(_) => HostRef::parse(&gateway.host).map_or_else(|| Host::Name("".into()), HostRef::to_owned),
    };
    Place::new(host, gateway.port_given.then_some(gateway.port), Some(transport))
}

fn transport(gateway: &Gateway) -> Transport {
    match &gateway.transport {
        GatewayTransport::Udp => Transport::Udp,
        GatewayTransport::Tcp => Transport::Tcp,
        GatewayTransport::Tls { .. } => Transport::Tls,
    }
}

/// With what is `known` of their names. One whose name is not found takes no calls. `Err` is a sentence for the operator.
pub(super) fn resolved(config: &Config, known: &Known) -> Result<TrunksConfig, String> {
    let trunks = config.trunks.values().map(|trunk| Ok((trunk.id.clone(), one(config, trunk, known)?)));
    Ok(TrunksConfig { trunks: trunks.collect::<Result<_, String>>()?, groups: config.trunk_groups.clone() })
}

fn one(config: &Config, trunk: &Trunk, known: &Known) -> Result<TrunkConfig, String> {
    let mut made = TrunkConfig {
        targets: Vec::new(),
        host: String::new(),
        domain: String::new(),
        credentials: None,
        register: None,
        health: None,
        caps: trunk.caps,
        enabled: trunk.enabled,
        manners: trunk.manners,
    };
    let Some(gateway) = &trunk.gateway else { return Ok(made) };
    let transport = transport(gateway);
    let local = match transport {
        Transport::Udp => config.listen.sip_udp,
        Transport::Tcp => config.listen.sip_tcp.or(config.listen.sip_udp),
        _ => config.listen.sip_tls,
    };
    let local = local.ok_or_else(|| {
        format!(
            "trunk {} uses {transport:?}, for which nothing listens; add it under `listen`, which a start takes and no \
             reload",
            trunk.id
        )
    })?;
    made.targets = targets(&trunk.id, &known.addresses(&place(gateway)), transport, local);
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

/// An address that this machine has no way to is left out: it is the carrier's mistake, and others have to be called.
fn targets(trunk: &TrunkId, found: &[SocketAddr], transport: Transport, local: SocketAddr) -> Vec<Peer> {
    let peer = |remote: &SocketAddr| match facing(local, *remote) {
        Ok(local) => Some(Peer { transport, remote: *remote, local, connection: None }),
        Err(error) => {
            tracing::warn!("trunk {trunk}: this machine has no way to {}: {error}", remote.ip());
            None
        }
    };
    found.iter().filter_map(peer).take(MOST_TARGETS).collect()
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
