//! Where the names of trunks lead, found out in the background: no call waits for a name server, and a start waits a moment
//! only. What is found is made into another configuration of the switch (see `reload`), which is swapped in as any other.

use crate::net::Resolver;
use crate::sip::locate::{Answer, Asked, Directory, Located, News, Place, Reach, Search};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// How long a reload waits for first answers: NAPTR, SRV and addresses of a name server that is there.
pub(super) const RELOAD_PATIENCE: Duration = Duration::from_secs(3);
/// A start waits less, as phones wait for it; what is found later is swapped in.
pub(super) const START_PATIENCE: Duration = Duration::from_millis(500);
/// Questions under way; the others wait.
const AT_ONCE: usize = 8;

/// What is known now.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    reach: Reach,
    located: BTreeMap<Place, Located>,
    /// Decides among servers of equal priority, the same way as long as the process runs: a trunk whose servers changed
    /// their order would be another trunk, and would register anew.
    lot: u64,
}

impl Known {
    pub(super) fn new(reach: Reach, lot: u64) -> Known {
        Known { reach, lot, located: BTreeMap::new() }
    }

    /// In the order to be tried. Empty while nothing is known.
    pub(super) fn addresses(&self, place: &Place) -> Vec<SocketAddr> {
        let fixed;
        let located = match self.located.get(place) {
            Some(located) => located,
            // An address needs nobody to be asked.
            None => {
                fixed = Search::new(place.clone(), self.reach.clone());
                match fixed.result() {
                    Some(Ok(located)) => located,
                    _ => return Vec::new(),
                }
            }
        };
        let mut state = self.lot;
        let mut below = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % u64::from(below.max(1))) as u32
        };
        located.targets(&mut below).into_iter().map(|target| target.remote).collect()
    }
}

#[derive(Clone)]
pub(super) struct Names {
    known: Arc<Mutex<Known>>,
    orders: mpsc::Sender<(BTreeSet<Place>, oneshot::Sender<()>)>,
}

impl Names {
    /// `changed` hears of it when something else is known than before.
    pub(super) fn start(known: Known, resolver: Resolver, changed: mpsc::Sender<()>) -> Names {
        let (orders, taken) = mpsc::channel(1);
        let directory = Directory::new(known.reach.clone());
        let known = Arc::new(Mutex::new(known));
        tokio::spawn(run(directory, resolver, known.clone(), taken, changed));
        Names { known, orders }
    }

    /// From now on exactly these are kept. Gives what is known of them, at the latest when `patience` is at its end.
    pub(super) async fn keep(&self, places: BTreeSet<Place>, patience: Duration) -> Known {
        let (settled, waiting) = oneshot::channel();
        if self.orders.send((places, settled)).await.is_ok() {
            let _ = tokio::time::timeout(patience, waiting).await;
        }
        self.known()
    }

    pub(super) fn known(&self) -> Known {
        held(&self.known).clone()
    }
}

fn held(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(
    mut directory: Directory,
    resolver: Resolver,
    known: Arc<Mutex<Known>>,
    mut orders: mpsc::Receiver<(BTreeSet<Place>, oneshot::Sender<()>)>,
    changed: mpsc::Sender<()>,
) {
    let mut asking: JoinSet<(Asked, Answer)> = JoinSet::new();
    let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
    loop {
        while asking.len() < AT_ONCE
            && let Some(asked) = directory.poll_question()
        {
            let resolver = resolver.clone();
            asking.spawn(async move {
                let answer = resolver.ask(&asked.question).await;
                (asked, answer)
            });
        }
        while let Some(news) = directory.poll_news() {
            if note(news, &known) {
                // One that waits already is enough.
                let _ = changed.try_send(());
            }
        }
        if !directory.is_searching() {
            for settled in waiting.drain(..) {
                // Whoever no longer waits needs no answer.
                let _ = settled.send(());
            }
        }
        let due = directory.next_timeout();
        tokio::select! {
            order = orders.recv() => {
                let Some((places, settled)) = order else { return };
                held(&known).located.retain(|place, _| places.contains(place));
                directory.keep(Instant::now(), places);
                waiting.push(settled);
            }
            Some(answered) = asking.join_next() => {
                if let Ok((asked, answer)) = answered {
                    directory.handle_answer(Instant::now(), &asked, answer);
                }
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                directory.handle_timeout(Instant::now());
            }
        }
    }
}

/// Whether a name leads elsewhere now.
fn note(news: News, known: &Mutex<Known>) -> bool {
    match news {
        News::Found(place, located) => {
            let is_name = place.is_name();
            if is_name {
                tracing::info!("{place} is found");
            }
            held(known).located.insert(place, located);
            is_name
        }
        News::Unknown(place, why) => {
            tracing::warn!("{place} cannot be called: {why}; it is asked for again at least once a minute");
            false
        }
        News::Stale(place, why) => {
            tracing::warn!("{place} is called where it was before: {why}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::locate::Family;
    use crate::sip::message::{Host, HostRef};
    use crate::sip::peer::Transport;

    fn place(host: &str, port: Option<u16>) -> Place {
        Place::new(
            HostRef::parse(host).map(HostRef::to_owned).unwrap_or(Host::Name(host.into())),
            port,
            Some(Transport::Udp),
        )
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn reach() -> Reach {
        Reach::new([(Transport::Udp, Family::V4)])
    }

    #[test]
    fn an_address_is_known_without_asking_and_a_name_is_not() {
        let known = Known::new(reach(), 1);
        assert_eq!(known.addresses(&place("192.0.2.1", None)), [address("192.0.2.1:5060")]);
        assert!(known.addresses(&place("[2001:db8::1]", None)).is_empty(), "nothing listens over IPv6");
        assert!(known.addresses(&place("trunk.example", None)).is_empty());
    }

    #[tokio::test]
    async fn a_name_is_found_while_calls_go_on_and_told_of_and_forgotten_with_its_trunk() {
        let (changed, mut news) = mpsc::channel(1);
        let names = Names::start(Known::new(reach(), 1), Resolver::of_hosts_only("192.0.2.7 trunk.example"), changed);
        let trunk = place("trunk.example", Some(5070));
        let nowhere = place("nowhere.example", Some(5070));
        let known = names.keep([trunk.clone(), nowhere.clone()].into(), RELOAD_PATIENCE).await;
        assert_eq!(known.addresses(&trunk), [address("192.0.2.7:5070")]);
        assert!(known.addresses(&nowhere).is_empty(), "its trunk is down, and nothing else is");
        assert_eq!(news.recv().await, Some(()));
        assert!(names.keep(BTreeSet::new(), RELOAD_PATIENCE).await.addresses(&trunk).is_empty());
    }
}
