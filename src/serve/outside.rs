//! Asking other systems for flows: which there are, how many questions are out at once, what is remembered of the answers,
//! and what an operator learns when they fail. Runs at the desk, never on the call path.

use crate::api::metrics::LookupFigures;
use crate::config::{Base, Config, Credential, Database};
use crate::http_client::{self, Answer, Fault, Outgoing, Site};
use crate::ivr::{BadReply, Bundle, Lookup, LookupResult, LookupSource, Request, Sql, Value};
use crate::net::Resolver;
use crate::net::tls::{TlsFault, WebTls};
use crate::store;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Questions to one system at once: a system that hangs holds these for its time limit and no more. The next ones fail at
/// once, and callers go on.
const AT_ONCE: usize = 64;
/// Of a database file, each on a thread of its own.
const QUERIES_AT_ONCE: usize = 8;
/// Answers remembered, some 200 octets each.
const MAX_CACHED: usize = 10_000;
/// A failure that goes on is told of this often.
const REMIND: Duration = Duration::from_secs(60);

/// A system, its secrets by name, and its places for questions at once.
type Served = (Site, BTreeMap<String, Credential>, Arc<Semaphore>);
/// What failed, how.
type Trouble = (String, &'static str);

/// The systems there are, as the configuration in force names them.
pub(super) struct Systems {
    bases: BTreeMap<String, Served>,
    databases: BTreeMap<String, (Database, Arc<Semaphore>)>,
}

impl Systems {
    pub(super) fn of(config: &Config) -> Result<Systems, TlsFault> {
        let base = |(name, base): (&String, &Base)| {
            let tls = base.origin.secure.then(|| WebTls::trusting(base.ca.as_deref())).transpose()?;
            let site = Site { origin: base.origin.clone(), reach: base.reach, tls };
            Ok((name.clone(), (site, base.auth.clone(), Arc::new(Semaphore::new(AT_ONCE)))))
        };
        let database = |(name, database): (&String, &Database)| {
            (name.clone(), (database.clone(), Arc::new(Semaphore::new(QUERIES_AT_ONCE))))
        };
        Ok(Systems {
            bases: config.bases.iter().map(base).collect::<Result<_, TlsFault>>()?,
            databases: config.databases.iter().map(database).collect(),
        })
    }
}

/// Why a question has no answer. Each is a label of the metric.
enum Failure {
    /// hotline.yaml no longer names the system or the secret.
    Unnamed,
    Busy,
    TimedOut,
    Http(Fault),
    Reply(BadReply),
    Database(String),
}

impl Failure {
    fn label(&self) -> &'static str {
        match self {
            Failure::Unnamed => "unnamed",
            Failure::Busy => "busy",
            Failure::TimedOut => "timeout",
            Failure::Http(fault) => fault.name(),
            Failure::Reply(BadReply::Status(_)) => "status",
            Failure::Reply(BadReply::NotJson) => "not_json",
            Failure::Reply(BadReply::NothingUsable) => "unusable",
            Failure::Database(_) => "database",
        }
    }

    fn text(&self) -> String {
        match self {
            Failure::Unnamed => "hotline.yaml names no such base, secret or database".into(),
            Failure::Busy => format!("{AT_ONCE} questions to it are out already; it is too slow for so many calls"),
            Failure::TimedOut => "it did not answer in time".into(),
            Failure::Http(fault) => fault.to_string(),
            Failure::Reply(BadReply::Status(status)) => format!("it answered with status {status}"),
            Failure::Reply(BadReply::NotJson) => "its answer is not JSON".into(),
            Failure::Reply(BadReply::NothingUsable) => {
                "nothing that the lookup gives is in its answer; look at `at:` and the types".into()
            }
            Failure::Database(text) => text.clone(),
        }
    }
}

pub(super) struct Outside {
    systems: Mutex<Arc<Systems>>,
    resolver: Resolver,
    cache: Mutex<Cache>,
    figures: Mutex<LookupFigures>,
    told: Mutex<BTreeMap<Trouble, (Instant, u64)>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why something was not delivered, and whether another try is of no use.
pub(super) struct Delivery {
    pub why: String,
    pub for_good: bool,
}

impl Outside {
    pub(super) fn new(systems: Systems, resolver: Resolver) -> Outside {
        Outside {
            systems: Mutex::new(Arc::new(systems)),
            resolver,
            cache: Mutex::default(),
            figures: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// For the next question; those that are out end as they began.
    pub(super) fn replace(&self, systems: Systems) {
        *held(&self.systems) = Arc::new(systems);
        held(&self.cache).entries.clear();
    }

    pub(super) fn figures(&self) -> LookupFigures {
        held(&self.figures).clone()
    }

    /// Answers within `within`, whatever the other system does.
    pub(super) async fn look_up(
        &self,
        bundle: &Bundle,
        name: &str,
        args: &[(String, Value)],
        within: Duration,
    ) -> LookupResult {
        let end = Instant::now() + within;
        let Some(lookup) = bundle.lookup(name) else { return LookupResult::Failed };
        let key = lookup.cache_ms.map(|ms| (Key::of(bundle, name, args), Duration::from_millis(ms)));
        if let Some(found) = key.as_ref().and_then(|(key, _)| held(&self.cache).find(key)) {
            self.count("cached");
            return found;
        }
        let asked = tokio::time::timeout_at(end.into(), self.ask(lookup, args, end)).await;
        match asked.unwrap_or(Err(Failure::TimedOut)) {
            Ok(result) => {
                if let (Some((key, keep)), LookupResult::Found(_)) = (key, &result) {
                    held(&self.cache).put(key, result.clone(), Instant::now() + keep);
                }
                self.count(if result == LookupResult::NotFound { "not_found" } else { "found" });
                result
            }
            Err(failure) => {
                self.count(failure.label());
                self.tell(name, &failure);
                LookupResult::Failed
            }
        }
    }

    async fn ask(&self, lookup: &Lookup, args: &[(String, Value)], end: Instant) -> Result<LookupResult, Failure> {
        match &lookup.source {
            LookupSource::Http(http) => {
                let request = http.request(args).ok_or(Failure::Http(Fault::Unsendable))?;
                let answer = self.send(&request).await?;
                lookup.read_json(answer.status, &answer.body).map_err(Failure::Reply)
            }
            LookupSource::Sql(sql) => self.query(lookup, sql, args, end).await,
        }
    }

    /// Hands something over; a status of success is its receipt.
    pub(super) async fn deliver(&self, request: &Request, within: Duration) -> Result<(), Delivery> {
        let answer = tokio::time::timeout(within, self.send(request)).await;
        match answer.unwrap_or(Err(Failure::TimedOut)) {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
            Ok(answer) => {
                // What is wrong with the message itself. A missing path is a deployment as often as not, and 409 what a
                // system says that still works on the same key.
                let for_good = matches!(answer.status, 400 | 406 | 410..=418 | 422 | 426 | 428 | 431);
                Err(Delivery { why: Failure::Reply(BadReply::Status(answer.status)).text(), for_good })
            }
            Err(failure) => {
                let for_good = matches!(failure, Failure::Http(Fault::Unsendable));
                Err(Delivery { why: failure.text(), for_good })
            }
        }
    }

    /// One request, with the tries that it allows. Whoever calls limits the time.
    async fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let systems = held(&self.systems).clone();
        let Some((site, auth, places)) = systems.bases.get(&request.base) else { return Err(Failure::Unnamed) };
        let proof = match request.auth.as_ref().map(|name| auth.get(name)) {
            Some(Some(credential)) => Some((credential.header.as_str(), credential.value.expose())),
            Some(None) => return Err(Failure::Unnamed),
            None => None,
        };
        let _place = places.try_acquire().map_err(|_| Failure::Busy)?;
        let mut tries = 0;
        loop {
            let outgoing = Outgoing {
                method: &request.method,
                path: &request.path,
                headers: &request.headers,
                proof,
                body: request.body.as_deref(),
            };
            let answer = http_client::exchange(site, &self.resolver, outgoing).await;
            let again = match &answer {
                Ok(answer) => matches!(answer.status, 502..=504),
                Err(fault) => fault.may_pass(),
            };
            if !again || tries >= request.retries {
                return answer.map_err(Failure::Http);
            }
            tries += 1;
        }
    }

    async fn query(
        &self,
        lookup: &Lookup,
        sql: &Sql,
        args: &[(String, Value)],
        end: Instant,
    ) -> Result<LookupResult, Failure> {
        let systems = held(&self.systems).clone();
        let Some((database, places)) = systems.databases.get(sql.database()) else { return Err(Failure::Unnamed) };
        // Kept by the thread, which may outlive the wait for it.
        let place = places.clone().try_acquire_owned().map_err(|_| Failure::Busy)?;
        let bound = |name: &String| {
            let value = args.iter().find(|(arg, _)| arg == name).map(|(_, value)| value.plain());
            (name.clone(), value.unwrap_or_default())
        };
        let parameters: Vec<(String, String)> = sql.parameters.iter().map(bound).collect();
        let Database::Sqlite(path) = database.clone();
        let query = sql.query.clone();
        let row = tokio::task::spawn_blocking(move || {
            let _place = place;
            store::one_row(&path, &query, &parameters, end.saturating_duration_since(Instant::now()))
        });
        match row.await.map_err(|_| Failure::Busy)?.map_err(Failure::Database)? {
            None => Ok(LookupResult::NotFound),
            Some(row) => {
                let column = |name: &str| row.iter().find(|(column, _)| column == name).map(|(_, value)| value);
                lookup.read_row(column).map_err(Failure::Reply)
            }
        }
    }

    fn count(&self, outcome: &'static str) {
        *held(&self.figures).outcomes.entry(outcome).or_default() += 1;
    }

    /// The first failure of its kind, then once a minute with their number: a system that is down fails for every caller.
    fn tell(&self, lookup: &str, failure: &Failure) {
        let now = Instant::now();
        let mut told = held(&self.told);
        let entry = told.entry((lookup.to_string(), failure.label())).or_insert((now, 0));
        entry.1 += 1;
        if entry.1 == 1 || now.duration_since(entry.0) >= REMIND {
            let count = entry.1;
            *entry = (now, entry.1);
            drop(told);
            tracing::warn!(lookup, count, "a lookup failed, its callers take the `failed` way: {}", failure.text());
        }
    }
}

/// What was asked, as a hash: questions have account numbers in them.
#[derive(PartialEq, Eq, Hash)]
struct Key([u8; 32]);

impl Key {
    fn of(bundle: &Bundle, lookup: &str, args: &[(String, Value)]) -> Key {
        let mut sha = Sha256::new();
        let mut put = |text: &str| {
            sha.update((text.len() as u64).to_be_bytes());
            sha.update(text);
        };
        put(&bundle.version.to_string());
        put(lookup);
        for (name, value) in args {
            put(name);
            put(&value.plain());
        }
        Key(sha.finalize().into())
    }
}

#[derive(Default)]
struct Cache {
    entries: HashMap<Key, (LookupResult, Instant)>,
}

impl Cache {
    fn find(&mut self, key: &Key) -> Option<LookupResult> {
        let (result, until) = self.entries.get(key)?;
        if *until > Instant::now() {
            return Some(result.clone());
        }
        self.entries.remove(key);
        None
    }

    fn put(&mut self, key: Key, result: LookupResult, until: Instant) {
        if self.entries.len() >= MAX_CACHED {
            let now = Instant::now();
            self.entries.retain(|_, (_, until)| *until > now);
            if self.entries.len() >= MAX_CACHED {
                return;
            }
        }
        self.entries.insert(key, (result, until));
    }
}

/// One system on loopback, for the tests of those who ask it.
#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::http_client::{Origin, Reach};

    pub(in crate::serve) fn outside_at(base: &str, port: u16) -> Outside {
        let origin = Origin { secure: false, host: "127.0.0.1".into(), port, path: String::new() };
        let site = Site { origin, reach: Reach::Private, tls: None };
        let bases = [(base.to_string(), (site, BTreeMap::new(), Arc::new(Semaphore::new(AT_ONCE))))].into();
        Outside::new(Systems { bases, databases: BTreeMap::new() }, Resolver::of_hosts_only(""))
    }
}

#[cfg(test)]
#[path = "outside_tests.rs"]
mod tests;
