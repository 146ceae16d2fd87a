//! One search for a place: which services, then which servers, then which addresses (RFC 3263 4.1, 4.2).

use super::order::{Located, NotFound, Server};
use super::records::{self, Answer, MOST_ADDRESSES, MOST_SERVERS, MOST_SERVICES, MOST_TARGETS, Record};
use super::{Family, Place, Question, Reach, RecordKind, Target, Transport, is_host};
use crate::sip::message::Host;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// What holds for less is asked for too often; what holds for longer is noticed too late when it changes.
const TTL: std::ops::RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_secs(3600);
/// For what was found although a question was left without an answer.
const DOUBTFUL_TTL: Duration = Duration::from_secs(30);
/// The transports that are asked for where nothing says which, the one to try first in front: what a sip: URI means without
/// any record (RFC 3263 4.1), and then those that need a connection.
const PREFERENCE: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// Put its questions to a name server and its answers in, in any order, until [`Search::result`] is there.
#[derive(Clone, Debug)]
pub struct Search {
    place: Place,
    reach: Reach,
    stage: Stage,
    to_ask: VecDeque<Question>,
    awaited: BTreeSet<Question>,
    ttl: Duration,
    /// A question has had no answer.
    doubtful: bool,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Awaits the domain's NAPTR records.
    Services(Vec<records::Naptr>),
    /// Awaits the SRV records of these services.
    Servers(Vec<Service>),
    /// Awaits the addresses of these servers.
    Addresses {
        servers: Vec<Named>,
        found: BTreeMap<Box<str>, Vec<std::net::IpAddr>>,
    },
    Over(Result<Located, NotFound>),
}

#[derive(Clone, Debug)]
struct Service {
    transport: Transport,
    rank: u16,
    name: Box<str>,
    records: Vec<records::Srv>,
    /// The domain says itself that this service is not offered.
    closed: bool,
}

/// A server whose addresses are not known yet.
#[derive(Clone, Debug)]
struct Named {
    transport: Transport,
    rank: (u16, u16),
    weight: u16,
    port: u16,
    name: Box<str>,
}

impl Search {
    pub fn new(place: Place, reach: Reach) -> Search {
        let stage = Stage::Over(Err(NotFound::OutOfReach));
        let (to_ask, awaited) = (VecDeque::new(), BTreeSet::new());
        let mut search = Search { place, reach, stage, to_ask, awaited, ttl: *TTL.end(), doubtful: false };
        search.begin();
        search
    }

    /// To be carried to a name server.
    pub fn poll_question(&mut self) -> Option<Question> {
        self.to_ask.pop_front()
    }

    /// What was not asked for is passed over.
    pub fn handle_answer(&mut self, question: &Question, answer: Answer) {
        if !self.awaited.remove(question) {
            return;
        }
        let records = match answer {
            Answer::Records { records, ttl } => {
                self.ttl = self.ttl.min(ttl);
                records
            }
            Answer::None { ttl } => {
                self.ttl = self.ttl.min(ttl);
                Vec::new()
            }
            Answer::Failed => {
                self.doubtful = true;
                Vec::new()
            }
        };
        self.take(question, records);
        if self.awaited.is_empty() {
            self.go_on();
        }
    }

    pub fn result(&self) -> Option<&Result<Located, NotFound>> {
        match &self.stage {
            Stage::Over(result) => Some(result),
            _ => None,
        }
    }

    fn begin(&mut self) {
        let transport = self.place.plain_transport();
        let name = match &self.place.host {
            Host::Name(name) => records::name(name),
            host => {
                let remote = host.ip().filter(|ip| is_host(*ip) && self.reach.reaches(transport, *ip));
                let port = self.place.port.unwrap_or(transport.default_port());
                let target = remote.filter(|_| port != 0).map(|ip| Target { transport, remote: (ip, port).into() });
                self.stage = Stage::Over(target.map(Located::fixed).ok_or(NotFound::OutOfReach));
                return;
            }
        };
        let Some(name) = name else {
            self.stage = Stage::Over(Err(NotFound::NoRecords));
            return;
        };
        match (self.place.port, self.place.transport) {
            // 4.2: a port leaves nothing to SRV.
            (Some(port), _) => self.find_addresses(vec![self.named(transport, port, name)]),
            (None, Some(transport)) => self.find_servers(self.services_of(&[transport], &name)),
            (None, None) => {
                self.stage = Stage::Services(Vec::new());
                self.ask(Question { kind: RecordKind::Naptr, name });
            }
        }
    }

    fn named(&self, transport: Transport, port: u16, name: Box<str>) -> Named {
        Named { transport, rank: (0, 0), weight: 0, port, name }
    }

    fn services_of(&self, transports: &[Transport], domain: &str) -> Vec<Service> {
        let services = transports.iter().zip(0..).filter_map(|(transport, rank)| {
            let name = records::service_name(*transport, domain)?;
            Some(Service { transport: *transport, rank, name, records: Vec::new(), closed: false })
        });
        services.collect()
    }

    /// The transports that may be used where the URI names none.
    fn open_transports(&self) -> Vec<Transport> {
        let may = |transport: &Transport| self.reach.has(*transport) && (!self.place.secure || transport.secure());
        PREFERENCE.into_iter().filter(may).collect()
    }

    fn ask(&mut self, question: Question) {
        if self.awaited.insert(question.clone()) {
            self.to_ask.push_back(question);
        }
    }

    fn take(&mut self, question: &Question, records: Vec<Record>) {
        match &mut self.stage {
            Stage::Services(services) => {
                services.extend(records.into_iter().filter_map(|record| match record {
                    Record::Naptr(naptr) => Some(naptr),
                    _ => None,
                }));
            }
            Stage::Servers(services) => {
                let mut found: Vec<records::Srv> = Vec::new();
                found.extend(records.into_iter().filter_map(|record| match record {
                    Record::Srv(srv) => Some(srv),
                    _ => None,
                }));
                // By the target's name, so that the answer's order, which means nothing, decides nothing.
                found.sort_by(|a, b| (a.priority, &a.target, a.port).cmp(&(b.priority, &b.target, b.port)));
                found.truncate(MOST_SERVERS);
                for service in services.iter_mut().filter(|service| service.name == question.name) {
                    service.closed = matches!(found.as_slice(), [only] if matches!(only.target.as_str(), "." | ""));
                    service.records.clone_from(&found);
                }
            }
            Stage::Addresses { found, .. } => {
                let addresses = found.entry(question.name.clone()).or_default();
                for record in records {
                    match record {
                        Record::Address(ip)
                            if is_host(ip) && !addresses.contains(&ip) && addresses.len() < MOST_ADDRESSES =>
                        {
                            addresses.push(ip);
                        }
                        _ => {}
                    }
                }
            }
            Stage::Over(_) => {}
        }
    }

    fn go_on(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Over(Err(NotFound::NoRecords))) {
            Stage::Services(naptr) => {
                let Host::Name(domain) = &self.place.host else { return };
                let domain = domain.clone();
                let mut services = self.chosen(naptr);
                if services.is_empty() {
                    services = self.services_of(&self.open_transports(), &domain);
                }
                self.find_servers(services);
            }
            Stage::Servers(services) => self.choose_servers(services),
            Stage::Addresses { servers, found } => self.finish(servers, &found),
            over @ Stage::Over(_) => self.stage = over,
        }
    }

    /// The services of the lowest order that we can use, by preference: once an order has one, higher orders do not count
    /// (RFC 3403 4.1).
    fn chosen(&self, mut naptr: Vec<records::Naptr>) -> Vec<Service> {
        naptr.sort_by(|a, b| (a.order, a.preference, &a.replacement).cmp(&(b.order, b.preference, &b.replacement)));
        let open = self.open_transports();
        let usable = naptr.into_iter().filter_map(|naptr| {
            let transport = records::transport_of(&naptr.service).filter(|transport| open.contains(transport))?;
            // `s` leads to SRV records. RFC 3263 has no other.
            let name = records::name(&naptr.replacement).filter(|_| naptr.flags.eq_ignore_ascii_case("s"))?;
            Some((naptr.order, Service { transport, rank: 0, name, records: Vec::new(), closed: false }))
        });
        let usable: Vec<(u16, Service)> = usable.take(MOST_SERVICES).collect();
        let order = usable.first().map(|(order, _)| *order);
        let of_order = usable.into_iter().filter(|(of, _)| Some(*of) == order).zip(0..);
        of_order.map(|((_, service), rank)| Service { rank, ..service }).collect()
    }

    fn find_servers(&mut self, services: Vec<Service>) {
        if services.is_empty() {
            self.stage = Stage::Over(Err(NotFound::OutOfReach));
            return;
        }
        let names: Vec<Box<str>> = services.iter().map(|service| service.name.clone()).collect();
        self.stage = Stage::Servers(services);
        for name in names {
            self.ask(Question { kind: RecordKind::Srv, name });
        }
    }

    fn choose_servers(&mut self, services: Vec<Service>) {
        let closed = services.iter().any(|service| service.closed);
        let servers = services.iter().flat_map(|service| {
            service.records.iter().filter_map(|srv| {
                let name = records::name(&srv.target).filter(|_| srv.port != 0)?;
                let (transport, rank) = (service.transport, (service.rank, srv.priority));
                Some(Named { transport, rank, weight: srv.weight, port: srv.port, name })
            })
        });
        let mut servers: Vec<Named> = servers.collect();
        servers.sort_by_key(|server| server.rank);
        servers.truncate(MOST_TARGETS);
        if servers.is_empty() && !closed {
            // 4.2: without SRV records the name itself is the server.
            let Host::Name(domain) = &self.place.host else { return };
            let transport = self.place.plain_transport();
            let Some(name) = records::name(domain) else { return };
            servers.push(self.named(transport, transport.default_port(), name));
        }
        self.find_addresses(servers);
    }

    fn find_addresses(&mut self, servers: Vec<Named>) {
        let mut questions = Vec::new();
        for server in &servers {
            // RFC 6724: IPv6 first where both can be reached.
            for (family, kind) in [(Family::V6, RecordKind::Aaaa), (Family::V4, RecordKind::A)] {
                if self.reach.0.contains(&(server.transport, family)) {
                    questions.push(Question { kind, name: server.name.clone() });
                }
            }
        }
        let none = if servers.is_empty() { self.nothing() } else { NotFound::OutOfReach };
        self.stage = match questions.is_empty() {
            true => Stage::Over(Err(none)),
            false => Stage::Addresses { servers, found: BTreeMap::new() },
        };
        questions.into_iter().for_each(|question| self.ask(question));
    }

    fn finish(&mut self, named: Vec<Named>, found: &BTreeMap<Box<str>, Vec<std::net::IpAddr>>) {
        let servers = named.into_iter().filter_map(|named| {
            let Named { transport, rank, weight, port, name } = named;
            let of_name = found.get(&name)?.iter().copied();
            let mut addresses: Vec<_> = of_name.filter(|ip| self.reach.reaches(transport, *ip)).collect();
            // Whichever answer came first, and however a name server turns its answers: a trunk whose addresses changed
            // places would be another trunk.
            addresses.sort_by_key(|ip| (ip.is_ipv4(), *ip));
            (!addresses.is_empty()).then_some(Server { transport, rank, weight, port, addresses })
        });
        let servers: Vec<Server> = servers.collect();
        let ttl = if self.doubtful { DOUBTFUL_TTL } else { self.ttl.clamp(*TTL.start(), *TTL.end()) };
        self.stage = Stage::Over(match servers.is_empty() {
            true => Err(self.nothing()),
            false => Ok(Located { servers, ttl, doubtful: self.doubtful }),
        });
    }

    fn nothing(&self) -> NotFound {
        if self.doubtful { NotFound::NoAnswer } else { NotFound::NoRecords }
    }
}
