//! What was found, and in which order it is tried.

use super::records::MOST_TARGETS;
use super::{Target, Transport};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The servers of a place, until their records expire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    pub(super) servers: Vec<Server>,
    /// How long this holds.
    pub(super) ttl: Duration,
    /// A question went unanswered on the way, so that something may be missing.
    pub(super) doubtful: bool,
}

/// One server: a name with a port, and the addresses that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub transport: Transport,
    /// Lower is tried first: the preferred service, then the SRV record's own priority.
    pub rank: (u16, u16),
    pub weight: u16,
    pub port: u16,
    pub addresses: Vec<IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// The name servers say that there is nothing.
    NoRecords,
    /// There are servers, none of which can be reached by what we listen on.
    OutOfReach,
    /// The name servers gave no answer.
    NoAnswer,
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotFound::NoRecords => "the name has no address",
            NotFound::OutOfReach => "its addresses cannot be reached by what `listen` has open",
            NotFound::NoAnswer => "the name servers do not answer",
        })
    }
}

impl std::error::Error for NotFound {}

impl Located {
    /// Of an address that needs no record.
    pub(super) fn fixed(target: Target) -> Located {
        let Target { transport, remote } = target;
        let (port, addresses) = (remote.port(), vec![remote.ip()]);
        let servers = vec![Server { transport, rank: (0, 0), weight: 0, port, addresses }];
        Located { servers, ttl: Duration::MAX, doubtful: false }
    }

    /// Where a request is sent, in order, drawn by lot among servers of one priority in proportion to their weights
    /// (RFC 2782). `below` gives a random number less than the one it is given.
    pub fn targets(&self, below: &mut dyn FnMut(u32) -> u32) -> Vec<Target> {
        let mut ranks: Vec<(u16, u16)> = self.servers.iter().map(|server| server.rank).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let mut targets: Vec<Target> = Vec::new();
        for rank in ranks {
            let mut rest: Vec<&Server> = self.servers.iter().filter(|server| server.rank == rank).collect();
            // Those of weight 0 stand first, so that the lot 0 is theirs.
            rest.sort_by_key(|server| server.weight != 0);
            while let Some(server) = draw(&mut rest, below) {
                let of_server = server.addresses.iter().map(|address| Target {
                    transport: server.transport,
                    remote: SocketAddr::new(*address, server.port),
                });
                for target in of_server {
                    if !targets.contains(&target) && targets.len() < MOST_TARGETS {
                        targets.push(target);
                    }
                }
            }
        }
        targets
    }
}

fn draw<'a>(rest: &mut Vec<&'a Server>, below: &mut dyn FnMut(u32) -> u32) -> Option<&'a Server> {
    let sum: u32 = rest.iter().map(|server| u32::from(server.weight)).sum();
    let lot = if rest.len() > 1 { below(sum + 1).min(sum) } else { sum };
    let mut running = 0;
    let place = rest.iter().position(|server| {
        running += u32::from(server.weight);
        running >= lot
    })?;
    Some(rest.remove(place))
}
