//! Questions to the name servers of this machine (RFC 1035), for [`locate`](crate::sip::locate). The only file that names the
//! crate `domain`. Never asked while a call waits: what is known is kept by `locate::Directory`.
//!
//! /etc/resolv.conf is read once. Names are taken as they stand: its search list is for people at a terminal, not for
//! trunks. What /etc/hosts says of a name counts before what any server says, as everywhere else on the machine.

use crate::sip::locate::{Answer, Naptr, Question, Record, RecordKind, Srv};
use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::{Message, Name, Question as Asked, ToName};
use domain::rdata::{A, Aaaa, Soa};
use domain::resolv::StubResolver;
use domain::resolv::stub::conf::ResolvConf;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// For one question, all servers and their TCP included.
const LIMIT: Duration = Duration::from_secs(2);
/// Of one answer. What a zone has beyond is not read.
const MOST_RECORDS: usize = 64;
/// How long nothing is taken for nothing, where the answer does not say.
const NOTHING_TTL: Duration = Duration::from_secs(300);
/// Files have no time to live; this one is looked at again after so long, and up to this length.
const HOSTS_TTL: Duration = Duration::from_secs(60);
const HOSTS_LENGTH: u64 = 256 << 10;

#[derive(Clone)]
pub struct Resolver {
    stub: Arc<StubResolver>,
    hosts: PathBuf,
    #[cfg(test)]
    _folder: Option<Arc<crate::test_folder::TestFolder>>,
}

impl Resolver {
    /// The servers of /etc/resolv.conf. Asks nothing yet.
    pub fn of_system() -> Resolver {
        Resolver::with(ResolvConf::default(), "/etc/hosts".into())
    }

    /// Without servers, with these lines for a hosts file.
    #[cfg(test)]
    pub(crate) fn of_hosts_only(lines: &str) -> Resolver {
        let folder = crate::test_folder::TestFolder::new("hosts-only");
        let file = folder.join("hosts");
        let _ = std::fs::write(&file, lines);
        let mut conf = ResolvConf::new();
        conf.finalize();
        for server in &mut conf.servers {
            // Nobody is there.
            server.addr = ([127, 0, 0, 1], 9).into();
        }
        let mut resolver = Resolver::with(conf, file);
        resolver._folder = Some(Arc::new(folder));
        resolver
    }

    fn with(mut servers: ResolvConf, hosts: PathBuf) -> Resolver {
        servers.options.timeout = LIMIT;
        Resolver {
            stub: Arc::new(StubResolver::from_conf(servers)),
            hosts,
            #[cfg(test)]
            _folder: None,
        }
    }

    /// Never longer than two seconds.
    pub async fn ask(&self, question: &Question) -> Answer {
        let kind = match question.kind {
            RecordKind::Naptr => Rtype::NAPTR,
            RecordKind::Srv => Rtype::SRV,
            RecordKind::A => Rtype::A,
            RecordKind::Aaaa => Rtype::AAAA,
        };
        if let Some(records) = of_hosts(&self.hosts, question).await {
            return Answer::Records { records, ttl: HOSTS_TTL };
        }
        let Ok(name) = Name::<Vec<u8>>::from_str(&question.name) else { return Answer::None { ttl: NOTHING_TTL } };
        match timeout(LIMIT, self.stub.query(Asked::new(name, kind, Class::IN))).await {
            Ok(Ok(reply)) => read(reply.as_ref(), kind),
            Ok(Err(_)) | Err(_) => Answer::Failed,
        }
    }
}

impl Resolver {
    /// The addresses of a host, those of IPv4 first: who has both answers at both, and IPv4 is the surer way.
    pub async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let question = |kind| Question { kind, name: host.into() };
        let (v4, v6) = (question(RecordKind::A), question(RecordKind::Aaaa));
        let (v4, v6) = tokio::join!(self.ask(&v4), self.ask(&v6));
        let records = [v4, v6].into_iter().flat_map(|answer| match answer {
            Answer::Records { records, .. } => records,
            Answer::None { .. } | Answer::Failed => Vec::new(),
        });
        let address = |record| if let Record::Address(address) = record { Some(address) } else { None };
        records.filter_map(address).collect()
    }
}

/// What the file says, if it says anything of this name.
async fn of_hosts(path: &Path, question: &Question) -> Option<Vec<Record>> {
    if !matches!(question.kind, RecordKind::A | RecordKind::Aaaa) {
        return None;
    }
    let path = path.to_path_buf();
    let file = tokio::task::spawn_blocking(move || {
        let short = std::fs::metadata(&path).is_ok_and(|meta| meta.len() <= HOSTS_LENGTH);
        short.then(|| std::fs::read_to_string(&path).ok()).flatten()
    });
    let text = file.await.ok()??;
    let addresses = hosts(&text, &question.name);
    let wants_v6 = question.kind == RecordKind::Aaaa;
    let of_kind = addresses.iter().filter(|ip| ip.is_ipv6() == wants_v6).map(|ip| Record::Address(*ip));
    (!addresses.is_empty()).then(|| of_kind.collect())
}

/// The addresses of `name` in the text of a hosts(5) file.
fn hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let of_name = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    });
    of_name.take(MOST_RECORDS).collect()
}

fn read(reply: &Message<bytes::Bytes>, kind: Rtype) -> Answer {
    match reply.header().rcode() {
        Rcode::NOERROR | Rcode::NXDOMAIN => {}
        _ => return Answer::Failed,
    }
    let Some((records, ttl)) = records(reply, kind) else { return Answer::Failed };
    match ttl {
        Some(ttl) => Answer::Records { records, ttl },
        None => Answer::None { ttl: nothing_for(reply).unwrap_or(NOTHING_TTL) },
    }
}

/// The records of that kind at the end of the chain of aliases, and the shortest time that one of them lives.
fn records(reply: &Message<bytes::Bytes>, kind: Rtype) -> Option<(Vec<Record>, Option<Duration>)> {
    let owner = reply.canonical_name()?;
    let mut found = Vec::new();
    let mut shortest: Option<Duration> = None;
    let mut alias = Duration::MAX;
    for record in reply.answer().ok()?.take(MOST_RECORDS) {
        let record = record.ok()?;
        let ttl = record.ttl().into_duration();
        if record.rtype() == Rtype::CNAME {
            alias = alias.min(ttl);
            continue;
        }
        if record.rtype() != kind || record.class() != Class::IN || !record.owner().name_eq(&owner) {
            continue;
        }
        let data = match kind {
            Rtype::A => record.into_record::<A>().ok()?.map(|a| Record::Address(IpAddr::V4(a.data().addr()))),
            Rtype::AAAA => record.into_record::<Aaaa>().ok()?.map(|a| Record::Address(IpAddr::V6(a.data().addr()))),
            Rtype::SRV => record.into_record::<domain::rdata::Srv<_>>().ok()?.map(|srv| {
                let srv = srv.data();
                Record::Srv(Srv {
                    priority: srv.priority(),
                    weight: srv.weight(),
                    port: srv.port(),
                    target: srv.target().to_string(),
                })
            }),
            _ => record.into_record::<domain::rdata::Naptr<_, _>>().ok()?.map(|naptr| {
                let naptr = naptr.data();
                let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
                Record::Naptr(Naptr {
                    order: naptr.order(),
                    preference: naptr.preference(),
                    flags: text(naptr.flags().as_slice()),
                    service: text(naptr.services().as_slice()),
                    replacement: naptr.replacement().to_string(),
                })
            }),
        };
        if let Some(data) = data {
            found.push(data);
            shortest = Some(shortest.map_or(ttl, |shortest| shortest.min(ttl)));
        }
    }
    // The alias in front that goes elsewhere takes its addresses along.
    Some((found, shortest.map(|ttl| ttl.min(alias))))
}

/// How long the absence of a record holds (RFC 2308 5).
fn nothing_for(reply: &Message<bytes::Bytes>) -> Option<Duration> {
    let mut authorities = reply.authority().ok()?.limit_to_in::<Soa<_>>();
    let soa = authorities.next()?.ok()?;
    Some(soa.ttl().min(soa.data().minimum()).into_duration())
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
