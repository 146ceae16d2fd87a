//! What flows have posted, in a SQLite file of its own, so that a journal that is locked keeps no caller waiting and the
//! other way round. What [`Outbox::put`] has given a reference for is on disk and outlives a kill -9.
//!
//! At least once: a message whose delivery was not noted before the process died is delivered again, under the key that
//! it had before.

use super::StoreError;
use super::sqlite::{explain, make_private};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// References are read to callers: six digits from the first.
const FIRST: i64 = 100_000;
/// Messages that wait; more than a day of a busy hotline whose systems are all away. Beyond it, nothing is taken. The same
/// for those that somebody has to see to.
const MAX_WAITING: u64 = 100_000;
/// Messages that are over are kept for whoever asks, without what was in them.
const KEPT_MS: u64 = 30 * 86_400_000;
const BUSY: Duration = Duration::from_secs(2);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    what TEXT NOT NULL,
    name TEXT NOT NULL,
    call INTEGER NOT NULL,
    made INTEGER NOT NULL,
    state TEXT NOT NULL,
    request TEXT,
    tries INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL,
    why TEXT
);
CREATE INDEX IF NOT EXISTS outbox_due ON outbox(due) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS outbox_each ON outbox(what, name, due) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS outbox_state ON outbox(state);
CREATE INDEX IF NOT EXISTS outbox_over ON outbox(made) WHERE state IN ('delivered', 'closed', 'failed');
CREATE TABLE IF NOT EXISTS identity (key TEXT NOT NULL);
";

/// New messages of each box, and how many of them are urgent.
pub type Boxes = BTreeMap<String, (u32, u32)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxState {
    /// To be delivered.
    Waiting,
    Delivered,
    /// Nobody tries any more.
    Failed,
    /// For somebody to look at or to do; there is no system to deliver it to.
    Open,
    /// Somebody has seen to it.
    Closed,
}

impl OutboxState {
    fn name(self) -> &'static str {
        match self {
            OutboxState::Waiting => "waiting",
            OutboxState::Delivered => "delivered",
            OutboxState::Failed => "failed",
            OutboxState::Open => "open",
            OutboxState::Closed => "closed",
        }
    }
}

/// What a message holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A request, to be delivered.
    Deliver(String),
    /// JSON for somebody to read; there is no system to deliver it to.
    Read(String),
}

/// Something to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub id: i64,
    pub what: String,
    pub name: String,
    pub request: String,
    /// Deliveries that failed.
    pub tries: u32,
    pub made: u64,
    /// The same at each try, and of no other message.
    pub key: String,
}

/// A message as an operator sees it: nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutboxEntry {
    pub reference: String,
    pub what: String,
    pub name: String,
    pub call: String,
    pub made: u64,
    pub state: String,
    pub tries: u32,
    pub why: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    pub waiting: u64,
    pub open: u64,
    pub failed: u64,
}

pub struct Outbox {
    connection: Connection,
    path: PathBuf,
    identity: String,
    /// This is the one writer: counted once, and then with each change.
    counts: OutboxCounts,
    /// Something came into a box or left it since the boxes were read.
    boxes_changed: bool,
}

impl Outbox {
    /// `identity` is taken if the file has none yet: random, so that two switches never share a key.
    pub fn open(path: &Path, identity: &str) -> Result<Outbox, StoreError> {
        make_private(path)?;
        let open = || -> rusqlite::Result<(Connection, String, OutboxCounts)> {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            // A reference is told to a caller: what it stands for is on the disk by then, not in a buffer.
            connection.pragma_update(None, "synchronous", "full")?;
            // Of what was delivered or done nothing is left on the disk either.
            connection.pragma_update(None, "secure_delete", true)?;
            connection.execute_batch(SCHEMA)?;
            let known = connection.query_row("SELECT key FROM identity", [], |row| row.get(0)).optional()?;
            let identity = match known {
                Some(identity) => identity,
                None => {
                    connection.execute("INSERT INTO identity VALUES(?1)", [identity])?;
                    identity.to_string()
                }
            };
            let counts = count(&connection)?;
            Ok((connection, identity, counts))
        };
        let (connection, identity, counts) = open().map_err(|error| explain(path, &error))?;
        Ok(Outbox { connection, path: path.to_path_buf(), identity, counts, boxes_changed: true })
    }

    /// Keeps a message and gives its reference. `content` makes what is in it, once the reference is known; `Err` = it
    /// cannot be made, and nothing is kept.
    pub fn put(
        &mut self,
        (what, name): (&str, &str),
        call: u64,
        now: u64,
        content: impl FnOnce(&str) -> Result<Content, String>,
    ) -> Result<String, String> {
        let explained = |error: rusqlite::Error| error.to_string();
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explained)?;
        let put = "INSERT INTO outbox(what, name, call, made, state, due) VALUES(?1, ?2, ?3, ?4, 'open', ?4)";
        transaction.execute(put, params![what, name, call.cast_signed(), now.cast_signed()]).map_err(explained)?;
        let id = transaction.last_insert_rowid();
        let reference = (FIRST + id).to_string();
        let (state, content, others) = match content(&reference)? {
            Content::Deliver(request) => (OutboxState::Waiting, request, &mut self.counts.waiting),
            Content::Read(fields) => (OutboxState::Open, fields, &mut self.counts.open),
        };
        if *others >= MAX_WAITING {
            return Err(match state {
                OutboxState::Open => format!("{others} messages are open already; see to them: `hotline outbox list`"),
                _ => format!("{others} messages wait already; see to the systems that they go to"),
            });
        }
        let put = "UPDATE outbox SET state = ?2, request = ?3 WHERE id = ?1";
        transaction.execute(put, params![id, state.name(), content]).map_err(explained)?;
        transaction.commit().map_err(explained)?;
        *others += 1;
        self.boxes_changed |= what == "voicemail";
        Ok(reference)
    }

    /// Messages whose time has come, of each kind and name the longest due and no more than `room` has for it: what goes to
    /// a system that hangs hides nothing from others, and costs nothing, however much of it there is.
    pub fn due(&self, now: u64, room: impl Fn(&str, &str) -> usize) -> Result<Vec<Due>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Due>> {
            let mut next_kind = self.connection.prepare_cached(
                // Not `(what, name) > (?1, ?2)`, for which SQLite walks over all that are equal.
                "SELECT * FROM (SELECT what, name FROM outbox INDEXED BY outbox_each
                   WHERE state = 'waiting' AND what = ?1 AND name > ?2 ORDER BY name LIMIT 1)
                 UNION ALL
                 SELECT * FROM (SELECT what, name FROM outbox INDEXED BY outbox_each
                   WHERE state = 'waiting' AND what > ?1 ORDER BY what, name LIMIT 1)
                 LIMIT 1",
            )?;
            let mut statement = self.connection.prepare_cached(
                "SELECT id, request, tries, made FROM outbox INDEXED BY outbox_each
                 WHERE state = 'waiting' AND what = ?1 AND name = ?2 AND due <= ?3 ORDER BY due, id LIMIT ?4",
            )?;
            let (mut kind, mut found) = ((String::new(), String::new()), Vec::new());
            while let Some(next) =
                next_kind.query_row([&kind.0, &kind.1], |row| Ok((row.get(0)?, row.get(1)?))).optional()?
            {
                kind = next;
                let (what, name) = (&kind.0, &kind.1);
                let most = room(what, name);
                if most == 0 {
                    continue;
                }
                let rows = statement.query_map(params![what, name, now.cast_signed(), most as i64], |row| {
                    let id: i64 = row.get(0)?;
                    Ok(Due {
                        id,
                        what: what.clone(),
                        name: name.clone(),
                        request: row.get(1)?,
                        tries: row.get(2)?,
                        made: row.get::<_, i64>(3)?.cast_unsigned(),
                        key: format!("{}-{}", self.identity, FIRST + id),
                    })
                })?;
                for row in rows {
                    found.push(row?);
                }
            }
            Ok(found)
        };
        read().map_err(|error| explain(&self.path, &error))
    }

    /// What became of a message. One that was delivered keeps nothing of what was in it; one that was given up is there
    /// for whoever sees to it by hand.
    pub fn settle(&mut self, id: i64, state: OutboxState, why: Option<&str>) -> Result<(), StoreError> {
        let settle = "UPDATE outbox SET state = ?2, why = ?3, tries = tries + 1,
            request = CASE ?2 WHEN 'delivered' THEN NULL ELSE request END WHERE id = ?1";
        let done = self.connection.execute(settle, params![id, state.name(), why]);
        done.map_err(|error| explain(&self.path, &error))?;
        self.counts.waiting = self.counts.waiting.saturating_sub(1);
        self.counts.failed += u64::from(state == OutboxState::Failed);
        Ok(())
    }

    /// It is tried again at `due`.
    pub fn put_off(&self, id: i64, due: u64, why: &str) -> Result<(), StoreError> {
        let put_off = "UPDATE outbox SET due = ?2, why = ?3, tries = tries + 1 WHERE id = ?1";
        let done = self.connection.execute(put_off, params![id, due.cast_signed(), why]);
        done.map(drop).map_err(|error| explain(&self.path, &error))
    }

    /// When the next message is due. None is due later than `longest` from now: where the clock was ahead when it was put
    /// off, it is due at once.
    pub fn next_due(&self, now: u64, longest: u64) -> Result<Option<u64>, StoreError> {
        let ends = "SELECT (SELECT min(due) FROM outbox INDEXED BY outbox_due WHERE state = 'waiting'),
                           (SELECT max(due) FROM outbox INDEXED BY outbox_due WHERE state = 'waiting')";
        let late = now.saturating_add(longest);
        let read = || -> rusqlite::Result<Option<u64>> {
            let mut statement = self.connection.prepare_cached(ends)?;
            let (first, last): (Option<i64>, Option<i64>) =
                statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if last.is_some_and(|last| last.cast_unsigned() > late) {
                let at_once = "UPDATE outbox SET due = ?1 WHERE state = 'waiting' AND due > ?2";
                self.connection.execute(at_once, [now.cast_signed(), late.cast_signed()])?;
                return Ok(Some(now));
            }
            Ok(first.map(i64::cast_unsigned))
        };
        read().map_err(|error| explain(&self.path, &error))
    }

    pub fn counts(&self) -> OutboxCounts {
        self.counts
    }

    /// Spoken messages that wait for somebody to listen, by the name of their box: how many, and how many of them urgent.
    /// `None` when nothing has changed since they were read last.
    pub fn changed_boxes(&mut self) -> Result<Option<Boxes>, StoreError> {
        if !self.boxes_changed {
            return Ok(None);
        }
        let boxes = self.boxes()?;
        self.boxes_changed = false;
        Ok(Some(boxes))
    }

    fn boxes(&self) -> Result<Boxes, StoreError> {
        let read = || -> rusqlite::Result<Boxes> {
            let mut statement = self.connection.prepare_cached(
                "SELECT name, count(*), sum(coalesce(json_extract(request, '$.urgent'), '') = 'true') FROM outbox
                 WHERE state = 'open' AND what = 'voicemail' GROUP BY name",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
            rows.collect()
        };
        read().map_err(|error| explain(&self.path, &error))
    }

    /// Somebody has seen to an open or failed message: it is done, and what was in it is gone. False when there is none.
    pub fn close(&mut self, reference: i64, why: &str) -> Result<bool, StoreError> {
        let close = "UPDATE outbox SET state = 'closed', why = ?2, request = NULL
            WHERE id = ?1 AND state IN ('open', 'failed')";
        let done = self.connection.execute(close, params![reference.saturating_sub(FIRST), why]);
        self.by_hand(done)
    }

    /// A message that was given up is tried again from `now` on, for as long as a new one. False when there is none.
    pub fn retry(&mut self, reference: i64, now: u64, why: &str) -> Result<bool, StoreError> {
        let retry = "UPDATE outbox SET state = 'waiting', due = ?2, made = ?2, tries = 0, why = ?3
            WHERE id = ?1 AND state = 'failed' AND request IS NOT NULL";
        let done = self.connection.execute(retry, params![reference.saturating_sub(FIRST), now.cast_signed(), why]);
        self.by_hand(done)
    }

    /// People are slow: counted anew.
    fn by_hand(&mut self, done: rusqlite::Result<usize>) -> Result<bool, StoreError> {
        let explained = |error| explain(&self.path, &error);
        let done = done.map_err(explained)? > 0;
        if done {
            self.boxes_changed = true;
            self.counts = count(&self.connection).map_err(explained)?;
        }
        Ok(done)
    }

    /// Forgets what was over long ago.
    pub fn prune(&mut self, now: u64) {
        let old = "DELETE FROM outbox WHERE state IN ('delivered', 'closed', 'failed') AND made < ?1";
        // Old rows harm nobody; the next time will do.
        if self.connection.execute(old, [now.saturating_sub(KEPT_MS).cast_signed()]).is_ok_and(|rows| rows > 0) {
            self.counts = count(&self.connection).unwrap_or(self.counts);
        }
    }
}

fn count(connection: &Connection) -> rusqlite::Result<OutboxCounts> {
    let count = |state: OutboxState| {
        let count = "SELECT count(*) FROM outbox WHERE state = ?1";
        let found: rusqlite::Result<i64> = connection.query_row(count, [state.name()], |row| row.get(0));
        found.map(i64::cast_unsigned)
    };
    Ok(OutboxCounts {
        waiting: count(OutboxState::Waiting)?,
        open: count(OutboxState::Open)?,
        failed: count(OutboxState::Failed)?,
    })
}

/// Which messages somebody wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxFilter {
    /// All of them without one.
    pub state: Option<OutboxState>,
    /// Those with smaller references, for going on where a list ended.
    pub before: Option<i64>,
}

/// Up to `most` messages in the file at `path`, for whoever asks; not on the thread that writes it. What somebody has to
/// see to comes first, or a busy day's deliveries would hide it; within that, the newest.
pub fn outbox_entries(path: &Path, filter: &OutboxFilter, most: u32) -> Result<Vec<OutboxEntry>, StoreError> {
    let of = |states: &str| {
        format!(
            "SELECT * FROM (SELECT id, what, name, call, made, state, tries, why FROM outbox
             WHERE state {states} AND (?2 IS NULL OR state = ?2) AND id < ?3 ORDER BY id DESC LIMIT ?1)"
        )
    };
    let (first, then) = (of("IN ('open', 'failed')"), of("IN ('waiting', 'delivered', 'closed')"));
    let read = || -> rusqlite::Result<Vec<OutboxEntry>> {
        let connection = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(BUSY)?;
        let mut statement = connection.prepare(&format!("{first} UNION ALL {then} LIMIT ?1"))?;
        let before = filter.before.map_or(i64::MAX, |before| before.saturating_sub(FIRST));
        let rows = statement.query_map(params![most, filter.state.map(OutboxState::name), before], |row| {
            let (id, call): (i64, i64) = (row.get(0)?, row.get(3)?);
            Ok(OutboxEntry {
                reference: (FIRST + id).to_string(),
                what: row.get(1)?,
                name: row.get(2)?,
                call: crate::ids::CallId(call.cast_unsigned()).to_string(),
                made: row.get::<_, i64>(4)?.cast_unsigned(),
                state: row.get(5)?,
                tries: row.get(6)?,
                why: row.get(7)?,
            })
        })?;
        rows.collect()
    };
    read().map_err(|error| explain(path, &error))
}

/// What is in the message with this reference: the fields of an open one, the request of another that is not delivered.
pub fn outbox_content(path: &Path, reference: i64) -> Result<Option<String>, StoreError> {
    let read = || -> rusqlite::Result<Option<Option<String>>> {
        let connection = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(BUSY)?;
        let asked = "SELECT request FROM outbox WHERE id = ?1";
        connection.query_row(asked, [reference.saturating_sub(FIRST)], |row| row.get(0)).optional()
    };
    read().map(Option::flatten).map_err(|error| explain(path, &error))
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
