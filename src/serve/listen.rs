//! Opening everything that is listened on, and what to do when something is taken.

use super::setup;
use crate::config::{Config, Mode};
use crate::net::tls::Tls;
use crate::net::{Inlet, Net, Origins, TcpTransport, UdpTransport};
use crate::switch::SwitchConfig;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use tokio::runtime::Handle;

pub(super) struct Sockets {
    pub net: Net,
    /// What new TLS connections are set up with; a reload replaces it.
    pub tls: Option<Tls>,
    pub http: std::net::TcpListener,
    /// What is open, for the operator.
    pub listen: Vec<String>,
}

/// `Err` is a sentence for the operator.
pub(super) async fn open(
    config: &Config,
    switch: &SwitchConfig,
    inlet: Inlet,
    desk: &Handle,
) -> Result<Sockets, String> {
    let wanted = &config.listen;
    let mut listen = Vec::new();
    let mut udp = Vec::new();
    if let Some(address) = wanted.sip_udp {
        let bound = UdpTransport::bind(address, inlet.clone());
        udp.push(bound.map_err(|error| taken(config.mode, Kind::Udp, address, &error))?);
        listen.push(format!("sip/udp {address}"));
    }
    let mut tcp = TcpTransport::open(wanted.sip_tcp, inlet, desk.clone())
        .await
        .map_err(|error| taken(config.mode, Kind::Tcp, wanted.sip_tcp.unwrap_or(([0, 0, 0, 0], 0).into()), &error))?;
    if let Some(address) = wanted.sip_tcp {
        listen.push(format!("sip/tcp {address}"));
    }
    let tls = match setup::tls_files(config, switch) {
        Some(files) => Some(Tls::new(files.load().map_err(|fault| fault.to_string())?)),
        None => None,
    };
    let origins = || wanted.allowed_origins.clone().map_or_else(Origins::any, Origins::only);
    if let Some(address) = wanted.sip_ws {
        tcp.web(address, None, origins()).map_err(|error| taken(config.mode, Kind::Ws, address, &error))?;
        listen.push(format!("sip/ws {address}"));
    }
    for (kind, address) in [(Kind::Tls, wanted.sip_tls), (Kind::Wss, wanted.sip_wss)] {
        let (Some(address), Some(tls)) = (address, &tls) else { continue };
        let opened = match kind {
            Kind::Tls => tcp.secure(address, tls.clone()),
            _ => tcp.web(address, Some(tls.clone()), origins()),
        };
        match opened {
            Ok(_) => listen.push(format!("sip/{} {address}", kind.name())),
            // A demo is tried by one flag at a time: who moves it to free ports does not think of these two.
            Err(error) if config.mode == Mode::Demo => {
                let lacks = format!("{}; the demo goes on without", taken(config.mode, kind, address, &error));
                tracing::warn!("{lacks}");
                listen.push(format!("no sip/{} ({address} is taken)", kind.name()));
            }
            Err(error) => return Err(taken(config.mode, kind, address, &error)),
        }
    }
    let http = listen_http(wanted.http).map_err(|error| taken(config.mode, Kind::Http, wanted.http, &error))?;
    listen.push(format!("http {}", wanted.http));
    Ok(Sockets { net: Net { udp, tcp }, tls, http, listen })
}

fn listen_http(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
    Http,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Udp => "udp",
            Kind::Tcp => "tcp",
            Kind::Tls => "tls",
            Kind::Ws => "ws",
            Kind::Wss => "wss",
            Kind::Http => "http",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Kind::Udp => "SIP over UDP",
            Kind::Tcp => "SIP over TCP",
            Kind::Tls => "SIP over TLS",
            Kind::Ws => "SIP over WebSocket",
            Kind::Wss => "SIP over secure WebSocket",
            Kind::Http => "HTTP",
        }
    }

    /// Where the operator chooses another.
    fn place(self, mode: Mode) -> &'static str {
        match (mode, self) {
            (Mode::Demo, Kind::Http) => "`--http-port` or HOTLINE_HTTP_PORT",
            (Mode::Demo, Kind::Tls) => "`--tls-port` or HOTLINE_TLS_PORT",
            (Mode::Demo, Kind::Ws | Kind::Wss) => "`--wss-port` or HOTLINE_WSS_PORT",
            (Mode::Demo, Kind::Udp | Kind::Tcp) => "`--sip-port` or HOTLINE_SIP_PORT",
            (Mode::Production, Kind::Http) => "`listen.http`",
            (Mode::Production, Kind::Udp) => "`listen.sip_udp`",
            (Mode::Production, Kind::Tcp) => "`listen.sip_tcp`",
            (Mode::Production, Kind::Tls) => "`listen.sip_tls`",
            (Mode::Production, Kind::Ws) => "`listen.sip_ws`",
            (Mode::Production, Kind::Wss) => "`listen.sip_wss`",
        }
    }
}

/// Why nothing listens there, and what to do: a demo has flags, a project its file.
fn taken(mode: Mode, kind: Kind, address: SocketAddr, error: &io::Error) -> String {
    let place = kind.place(mode);
    let remedy = match error.kind() {
        ErrorKind::AddrNotAvailable => match mode {
            Mode::Demo => {
                "this machine does not have that address; name one that `ip address` shows with `--bind`".into()
            }
            Mode::Production => {
                format!("this machine does not have that address; write one that `ip address` shows to {place}")
            }
        },
        ErrorKind::PermissionDenied => format!("ports below 1024 need rights; choose another with {place}"),
        _ => format!("stop what uses it or choose another port with {place}"),
    };
    format!("cannot listen on {address} for {}: {error}; {remedy}", kind.what())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_had_is_told_with_a_remedy_that_exists() {
        let address = SocketAddr::from(([192, 0, 2, 1], 5060));
        let told = |mode, kind, error| taken(mode, kind, address, &io::Error::from(error));
        let production = told(Mode::Production, Kind::Udp, ErrorKind::AddrInUse);
        assert!(production.contains("`listen.sip_udp`") && !production.contains("--sip-port"), "{production}");
        assert!(told(Mode::Demo, Kind::Tcp, ErrorKind::AddrInUse).contains("`--sip-port`"));
        assert!(told(Mode::Demo, Kind::Wss, ErrorKind::AddrInUse).contains("`--wss-port`"));
        assert!(told(Mode::Production, Kind::Ws, ErrorKind::PermissionDenied).contains("`listen.sip_ws`"));
        let strange = told(Mode::Production, Kind::Udp, ErrorKind::AddrNotAvailable);
        assert!(strange.contains("does not have that address") && !strange.contains("stop what"), "{strange}");
    }
}
