//! The RTP ports of one worker: a range, and a thread that binds pairs ahead of the calls that will need them, and closes
//! them after a peak, so that no caller waits for either.

use super::socket::PortPair;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long to wait before a range that had nothing to give is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// An operator hears of a trouble that lasts this often.
const REMIND: Duration = Duration::from_secs(60);
/// Pairs handed over at once, so that the first calls of a fresh process need not wait for the last pair.
const BATCH: usize = 32;

/// Even ports for RTP, each with the odd one above it for RTCP (RFC 3550 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    pairs: u16,
}

impl PortRange {
    /// The pairs that lie wholly within `first..=last`; `None` if there is not one, or port 0 is among them.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        let even = if first.is_multiple_of(2) { first } else { first.checked_add(1)? };
        let pairs = (u32::from(last) + 1).saturating_sub(u32::from(even)) / 2;
        (even > 0 && pairs > 0).then_some(Self { first: even, pairs: u16::try_from(pairs).ok()? })
    }

    pub fn pairs(self) -> usize {
        usize::from(self.pairs)
    }

    /// Cuts the range into `parts` of about the same size, one for each worker. Parts that would be empty are left out.
    pub fn split(self, parts: u16) -> Vec<Self> {
        let parts = parts.max(1);
        let (each, more) = (self.pairs / parts, self.pairs % parts);
        let mut first = self.first;
        let mut ranges = Vec::with_capacity(usize::from(parts));
        for nth in 0..parts {
            let pairs = each + u16::from(nth < more);
            if pairs > 0 {
                ranges.push(Self { first, pairs });
                first = first.saturating_add(pairs * 2);
            }
        }
        ranges
    }

    fn ports(self) -> impl Iterator<Item = u16> {
        (0..self.pairs).map(move |nth| self.first + nth * 2)
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, u32::from(self.first) + 2 * u32::from(self.pairs) - 1)
    }
}

/// The ports of a range that are not bound, in no order that could be guessed.
struct FreePorts {
    ports: Vec<u16>,
    random: ChaCha8Rng,
}

impl FreePorts {
    fn new(range: PortRange, seed: u64) -> Self {
        Self { ports: range.ports().collect(), random: ChaCha8Rng::seed_from_u64(seed) }
    }

    fn take(&mut self) -> Option<u16> {
        let count = self.ports.len();
        (count > 0).then(|| self.ports.swap_remove(below(&mut self.random, count)))
    }

    fn give_back(&mut self, port: u16) {
        self.ports.push(port);
    }
}

/// A number below `bound`, which is at most 32,768 of 2^64: the bias of the remainder cannot be observed.
pub(super) fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    (random.next_u64() % bound.max(1) as u64) as usize
}

/// What the worker tells this thread.
pub(super) enum PortNews {
    /// This many more are needed.
    Ask(usize),
    /// The next call will find no port.
    Dry,
    /// No longer needed. The sockets are closed here, off the media thread.
    Surplus(Vec<PortPair>),
}

pub(super) struct PortKeeper<D, T> {
    pub bind: IpAddr,
    pub range: PortRange,
    /// Pairs to bind at the start.
    pub ready: usize,
    pub seed: u64,
    pub news: Receiver<PortNews>,
    /// Takes over bound pairs.
    pub deliver: D,
    /// Is told what an operator has to do, once while a trouble lasts and now and then again.
    pub trouble: T,
}

impl<D, T> PortKeeper<D, T>
where
    D: Fn(Vec<PortPair>) + Send + 'static,
    T: Fn(String) + Send + 'static,
{
    /// Runs until the worker's end of `news` is dropped.
    pub fn spawn(self, name: String) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name(name).spawn(move || self.run())
    }

    fn run(self) {
        let mut free = FreePorts::new(self.range, self.seed);
        let mut wanted = self.ready;
        let mut told: Option<Instant> = None;
        let mut dry = false;
        loop {
            let mut trouble = self.fill(&mut free, &mut wanted);
            // Fewer than wished is no trouble until a call finds none.
            if dry && wanted > 0 && trouble.is_none() {
                let range = self.range;
                trouble =
                    Some(format!("all RTP ports {range} are in use: widen the port range or lower the limit of calls"));
            }
            let refused = trouble.is_some() && !free.ports.is_empty();
            if let Some(text) = trouble
                && told.is_none_or(|at| at.elapsed() >= REMIND)
            {
                (self.trouble)(text);
                told = Some(Instant::now());
            }
            let news = if refused {
                self.news.recv_timeout(RETRY)
            } else {
                self.news.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            dry = matches!(news, Ok(PortNews::Dry));
            match news {
                Ok(PortNews::Ask(more)) => wanted += more,
                Ok(PortNews::Surplus(pairs)) => pairs.into_iter().for_each(|pair| free.give_back(pair.port)),
                Ok(PortNews::Dry) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Binds what is wanted, as far as there are ports. Gives back what stands in the way, if anything does.
    fn fill(&self, free: &mut FreePorts, wanted: &mut usize) -> Option<String> {
        let mut batch = Vec::with_capacity(BATCH);
        let mut refused = Vec::new();
        let mut trouble = None;
        while *wanted > 0 {
            let Some(port) = free.take() else { break };
            match PortPair::bind(self.bind, port) {
                Ok(pair) => {
                    batch.push(pair);
                    *wanted -= 1;
                    if batch.len() == BATCH {
                        (self.deliver)(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
                    }
                }
                Err(error) => {
                    refused.push(port);
                    // Another program may hold a few ports of the range; what is left without them is worth a word.
                    if error.kind() != io::ErrorKind::AddrInUse || free.ports.is_empty() {
                        trouble = Some(self.explain(&error));
                        break;
                    }
                }
            }
        }
        refused.into_iter().for_each(|port| free.give_back(port));
        if !batch.is_empty() {
            (self.deliver)(batch);
        }
        trouble
    }

    fn explain(&self, error: &io::Error) -> String {
        let (range, ip) = (self.range, self.bind);
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("RTP ports {range} on {ip} are taken by another program: stop it or choose another range")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("{ip} is no address of this machine: set the media address to one that `ip address` lists")
            }
            io::ErrorKind::PermissionDenied => {
                format!("RTP ports {range} need a privilege: choose a range above 1024")
            }
            _ if error.raw_os_error().is_some_and(|code| code == libc::EMFILE || code == libc::ENFILE) => {
                "out of file descriptors for RTP sockets: raise the limit (LimitNOFILE, ulimit -n) to four per call"
                    .into()
            }
            _ => format!("cannot bind RTP ports {range} on {ip}: {error}"),
        }
    }
}

#[cfg(test)]
impl PortRange {
    /// Pairs on the loopback that nothing else uses: below the ports that the kernel gives out (32,768 and up), in a
    /// place of this process's own, and each only once. At most 500 pairs.
    pub(super) fn unused(pairs: u16) -> Self {
        use std::sync::atomic::{AtomicU16, Ordering};
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let home = (std::process::id() % 32) as u16 * 700;
        loop {
            let next = home.wrapping_add(NEXT.fetch_add(2 * pairs, Ordering::Relaxed));
            let first = 10_000 + next % 21_000;
            let range = Self { first, pairs };
            if range.ports().all(|port| PortPair::bind(IpAddr::from([127, 0, 0, 1]), port).is_ok()) {
                return range;
            }
        }
    }

    pub(super) fn first_port(self) -> u16 {
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::mpsc;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    /// Longer than any machine takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn a_range_holds_whole_pairs_only() {
        let range = |first, last| PortRange::new(first, last).map(|range| (range.first, range.pairs()));
        assert_eq!(range(20000, 29999), Some((20000, 5000)));
        assert_eq!(range(20001, 20004), Some((20002, 1)));
        assert_eq!(range(65534, 65535), Some((65534, 1)));
        assert_eq!(range(65535, 65535), None);
        assert_eq!(range(20000, 20000), None);
        assert_eq!(range(30000, 20000), None);
        assert_eq!(range(0, 3), None);
        assert_eq!(PortRange::new(20000, 29999).map(|range| range.to_string()), Some("20000-29999".into()));
    }

    #[test]
    fn workers_never_share_a_port() {
        let range = PortRange::new(20000, 20021).unwrap();
        let parts = range.split(3);
        let ports: Vec<_> = parts.iter().flat_map(|part| part.ports()).collect();
        assert_eq!(ports.len(), 11);
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 11);
        assert!(ports.iter().all(|port| port % 2 == 0 && (20000..=20020).contains(port)));
        assert_eq!(PortRange::new(20000, 20003).unwrap().split(5).len(), 2);
    }

    /// A keeper with what it delivers and says.
    fn keeper(
        range: PortRange,
        ready: usize,
    ) -> (mpsc::Sender<PortNews>, mpsc::Receiver<PortPair>, mpsc::Receiver<String>) {
        let (news_in, news) = mpsc::channel();
        let (pair_in, pairs) = mpsc::channel();
        let (text_in, texts) = mpsc::channel();
        let deliver = move |batch: Vec<PortPair>| batch.into_iter().for_each(|pair| drop(pair_in.send(pair)));
        let trouble = move |text| drop(text_in.send(text));
        PortKeeper { bind: HERE, range, ready, seed: 1, news, deliver, trouble }.spawn("ports".into()).unwrap();
        (news_in, pairs, texts)
    }

    #[test]
    fn a_range_that_is_used_up_is_told_once_and_a_surplus_port_serves_again() {
        let (news, pairs, texts) = keeper(PortRange::unused(2), 1);
        let first = pairs.recv_timeout(PATIENCE).unwrap();
        news.send(PortNews::Ask(2)).unwrap();
        let second = pairs.recv_timeout(PATIENCE).unwrap();
        assert!(texts.try_recv().is_err(), "no trouble while calls have ports");
        news.send(PortNews::Dry).unwrap();
        assert!(texts.recv_timeout(PATIENCE).unwrap().starts_with("all RTP ports"));
        news.send(PortNews::Dry).unwrap();
        let port = first.port;
        news.send(PortNews::Surplus(vec![first])).unwrap();
        assert_eq!(pairs.recv_timeout(PATIENCE).unwrap().port, port);
        assert_ne!(second.port, port);
        drop(news);
        assert!(
            pairs.recv_timeout(PATIENCE).is_err_and(|error| error == mpsc::RecvTimeoutError::Disconnected),
            "the thread ends with its worker"
        );
        assert!(texts.try_recv().is_err(), "told once");
    }

    #[test]
    fn a_port_held_by_another_program_is_passed_over() {
        let range = PortRange::unused(2);
        let theirs = std::net::UdpSocket::bind((HERE, range.first + 1)).unwrap();
        let (_news, pairs, texts) = keeper(range, 2);
        assert_eq!(pairs.recv_timeout(PATIENCE).unwrap().port, range.first + 2);
        assert!(texts.recv_timeout(PATIENCE).unwrap().contains("taken by another program"));
        drop(theirs);
        assert_eq!(pairs.recv_timeout(PATIENCE).unwrap().port, range.first, "tried again");
    }

    #[test]
    fn the_order_of_ports_depends_on_the_seed_alone() {
        let order = |seed| {
            let mut free = FreePorts::new(PortRange::new(20000, 20199).unwrap(), seed);
            std::iter::from_fn(|| free.take()).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert_eq!(order(1).len(), 100);
    }
}
