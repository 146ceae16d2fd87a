//! Addresses and ports.

use super::super::raw::{RawListen, RawRtp};
use super::super::read::At;
use super::super::{Listen, Rtp};
use super::Check;
use crate::routing::Cidr;
use crate::sip::peer::Network;
use crate::source::diag::shown;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const HTTP_PORT: u16 = 8080;
const SIP_PORT: u16 = 5060;
const SIPS_PORT: u16 = 5061;
const WS_PORT: u16 = 8088;
const WSS_PORT: u16 = 8443;
const RTP_FIRST: u16 = 20_000;
const RTP_LAST: u16 = 29_999;

/// A port that a listener has.
struct Taken<'r> {
    address: SocketAddr,
    what: &'static str,
    usual: u16,
    text: Option<&'r At<String>>,
}

impl Check<'_> {
    /// `secure`: there is a certificate to speak TLS with.
    pub(super) fn listen(&mut self, raw: RawListen, secure: bool) -> Listen {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let sip = self.sip(&raw, any);
        let http = match &raw.http {
            Some(text) => self.socket(text, HTTP_PORT, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), HTTP_PORT)),
            // The API is plain HTTP: beyond this machine only when somebody asks for it.
            None => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), HTTP_PORT),
        };
        if let Some(at) = raw.http.as_ref().filter(|_| !http.ip().is_loopback()) {
            let help = "keep it on 127.0.0.1 behind a proxy that speaks TLS";
            self.warning("C122", at, "the API's token crosses the network unencrypted".into(), Some(help.into()));
        }
        let advertise = self.advertise(&raw.advertise);
        let mut taken = Vec::new();
        self.own_port(raw.http.as_ref(), Some(http), "HTTP", HTTP_PORT, &mut taken);
        self.own_port(raw.sip_tcp.as_ref(), sip.1, "SIP over TCP", SIP_PORT, &mut taken);
        let sip_tls = self.secure(raw.sip_tls.as_ref(), SIPS_PORT, secure);
        self.own_port(raw.sip_tls.as_ref(), sip_tls, "SIP over TLS", SIPS_PORT, &mut taken);
        let sip_ws = raw.sip_ws.as_ref().filter(|text| text.value != "off");
        let sip_ws =
            sip_ws.map(|text| self.socket(text, WS_PORT, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), WS_PORT)));
        self.own_port(raw.sip_ws.as_ref(), sip_ws, "SIP over WebSocket", WS_PORT, &mut taken);
        let sip_wss = self.secure(raw.sip_wss.as_ref(), WSS_PORT, secure);
        self.own_port(raw.sip_wss.as_ref(), sip_wss, "SIP over WebSocket", WSS_PORT, &mut taken);
        if let Some(at) = raw.sip_ws.as_ref().filter(|_| sip_ws.is_some_and(|address| !address.ip().is_loopback())) {
            let help = "keep it on 127.0.0.1 behind a proxy that speaks TLS, or use `sip_wss`";
            self.warning("C122", at, "browsers talk to this port unencrypted".into(), Some(help.into()));
        }
        let allowed_origins = raw.allowed_origins.map(|all| all.iter().filter_map(|text| self.origin(text)).collect());
        let bind = sip.0.or(sip.1).or(sip_tls).map_or(any, |address| address.ip());
        let rtp = self.rtp(&raw.rtp, bind, &[sip.0, sip.1, sip_tls, sip_ws, sip_wss, Some(http)]);
        Listen { sip_udp: sip.0, sip_tcp: sip.1, sip_tls, sip_ws, sip_wss, allowed_origins, http, advertise, rtp }
    }

    /// An address for everybody, or one for each network of peers.
    fn advertise(&mut self, raw: &[(Option<At<String>>, At<String>)]) -> Vec<(Network, IpAddr)> {
        let mut told = Vec::new();
        for (network, text) in raw {
            let Some(address) = self.reachable(text) else { continue };
            let Some(at) = network else {
                let all = [IpAddr::from([0; 4]), IpAddr::from([0; 16])];
                told.extend(all.map(|all| (Network { address: all, prefix: 0 }, address)));
                continue;
            };
            match at.value.parse::<Cidr>() {
                Ok(network) if network.address().is_ipv4() == address.to_canonical().is_ipv4() => {
                    told.push((Network { address: network.address(), prefix: network.prefix() }, address));
                }
                Ok(_) => {
                    let help = "give each network an address of its own family";
                    self.error(
                        "C120",
                        text,
                        format!("{address} cannot be reached from {}", at.value),
                        Some(help.into()),
                    );
                }
                Err(_) => {
                    let help = "write a block such as `10.0.0.0/8`, or `0.0.0.0/0` for all others";
                    self.error("C120", at, format!("`{}` is not a network", shown(&at.value)), Some(help.into()));
                }
            }
        }
        told
    }

    /// What stands in an Origin header: scheme, host, and the port where it is not the scheme's own.
    fn origin(&mut self, text: &At<String>) -> Option<String> {
        let host = text.value.strip_prefix("https://").or_else(|| text.value.strip_prefix("http://"));
        let good = host.is_some_and(|host| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
            !host.is_empty() && host.chars().all(plain)
        });
        if !good {
            let help = "write `https://` and the host of the page, without a path, such as `https://pbx.example.com`";
            self.error(
                "C124",
                text,
                format!("`{}` is not the origin of a page", shown(&text.value)),
                Some(help.into()),
            );
        }
        good.then(|| text.value.clone())
    }

    /// Two listeners cannot have one port of one address. Told where one of them is written; the other may be a default.
    fn own_port<'r>(
        &mut self,
        text: Option<&'r At<String>>,
        address: Option<SocketAddr>,
        what: &'static str,
        usual: u16,
        taken: &mut Vec<Taken<'r>>,
    ) {
        let Some(address) = address else { return };
        let own = Taken { address, what, usual, text };
        let same = |other: &SocketAddr| {
            let ip = other.ip() == address.ip() || other.ip().is_unspecified() || address.ip().is_unspecified();
            other.port() == address.port() && ip
        };
        if let Some(other) = taken.iter().find(|other| same(&other.address)) {
            let (later, first) = if text.is_some() { (&own, other) } else { (other, &own) };
            let place = first.text.map(|text| self.diags.place(text.span));
            let place = place.map(|(_, line, column)| format!(" ({line}:{column})")).unwrap_or_default();
            let message = format!("port {} has {}{place} already", address.port(), first.what);
            if let Some(text) = later.text {
                self.error("C120", text, message, Some(format!("use another, such as {}", later.usual)));
            }
        }
        taken.push(own);
    }

    /// UDP and TCP. Without a word about either both are open; `off` closes one.
    fn sip(&mut self, raw: &RawListen, any: IpAddr) -> (Option<SocketAddr>, Option<SocketAddr>) {
        let default = SocketAddr::new(any, SIP_PORT);
        let mut one = |text: &Option<At<String>>| match text {
            None => Some(default),
            Some(text) if text.value == "off" => None,
            Some(text) => Some(self.socket(text, SIP_PORT, default)),
        };
        let both = (one(&raw.sip_udp), one(&raw.sip_tcp));
        if let ((None, None), Some(at), None) = (both, raw.sip_udp.as_ref(), raw.sip_tls.as_ref()) {
            let help = "leave one of `sip_udp` and `sip_tcp` on";
            self.error("C123", at, "no phone can reach a switch without SIP".into(), Some(help.into()));
        }
        both
    }

    fn secure(&mut self, text: Option<&At<String>>, port: u16, secure: bool) -> Option<SocketAddr> {
        let text = text.filter(|text| text.value != "off")?;
        let address = self.socket(text, port, SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port));
        if !secure {
            let help = "add `tls: {certificate: FILE, key: FILE}`";
            self.error("C160", text, "TLS needs a certificate".into(), Some(help.into()));
        }
        Some(address)
    }

    fn rtp(&mut self, raw: &RawRtp, bind: IpAddr, taken: &[Option<SocketAddr>]) -> Rtp {
        let (mut first, mut last) = (RTP_FIRST, RTP_LAST);
        if let Some(text) = &raw.ports {
            match port_range(&text.value) {
                Ok(range) => (first, last) = range,
                Err(message) => self.error("C121", text, message, Some("write a range like `20000-29999`".into())),
            }
            if let Some(clash) = taken.iter().flatten().find(|address| (first..=last).contains(&address.port())) {
                let message = format!("port {} is in the RTP range and has another use", clash.port());
                self.error("C121", text, message, Some("move the range or that port".into()));
            }
        }
        let bind = match &raw.bind {
            Some(text) => self.address(text).unwrap_or(bind),
            None => bind,
        };
        Rtp { first, last, bind, advertise: raw.advertise.as_ref().and_then(|text| self.reachable(text)) }
    }

    /// `ADDRESS`, `ADDRESS:PORT` or `:PORT`.
    fn socket(&mut self, text: &At<String>, port: u16, default: SocketAddr) -> SocketAddr {
        let value = text.value.as_str();
        let found = value
            .parse::<SocketAddr>()
            .ok()
            .or_else(|| value.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port)))
            .or_else(|| Some(SocketAddr::new(default.ip(), value.strip_prefix(':')?.parse().ok()?)));
        found.filter(|address| address.port() != 0).unwrap_or_else(|| {
            let help = format!("write an address and a port, such as `0.0.0.0:{port}` or `[::]:{port}`");
            self.error("C120", text, format!("`{value}` is not an address to listen on"), Some(help));
            default
        })
    }

    fn address(&mut self, text: &At<String>) -> Option<IpAddr> {
        let found = text.value.trim_matches(['[', ']']).parse().ok();
        if found.is_none() {
            let help = "write an IPv4 or IPv6 address, such as `192.0.2.10`";
            self.error("C120", text, format!("`{}` is not an IP address", text.value), Some(help.into()));
        }
        found
    }

    /// An address that a peer could send to.
    fn reachable(&mut self, text: &At<String>) -> Option<IpAddr> {
        let found = self.address(text)?;
        if found.is_unspecified() || found.is_multicast() {
            let help = "write the address by which phones and trunks reach this machine";
            self.error("C120", text, format!("nobody can send to {found}"), Some(help.into()));
        }
        Some(found)
    }
}

fn port_range(text: &str) -> Result<(u16, u16), String> {
    let bad = || format!("`{text}` is not a range of ports");
    let (first, last) = text.split_once('-').ok_or_else(bad)?;
    let (first, last): (u16, u16) = (first.trim().parse().map_err(|_| bad())?, last.trim().parse().map_err(|_| bad())?);
    if first < 1024 {
        return Err(format!("port {first} needs special rights; begin at 1024 or above"));
    }
    if first % 2 == 1 {
        return Err(format!("{first} is odd; RTP takes the even port of each pair, so begin with an even one"));
    }
    if last < first + 3 {
        return Err(format!("`{text}` has no room for the two legs of a call"));
    }
    Ok((first, last))
}
