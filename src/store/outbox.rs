//! What flows have posted, in a SQLite file of its own, so that a journal that is locked keeps no caller waiting and the
//! other way round. What [`Outbox::put`] has given a reference for is on disk and outlives a kill -9.
//!
//! At least once: a message whose delivery was not noted before the process died is delivered again, under the key that
//! it had before.

use super::StoreError;
use super::sqlite::{explain, make_private};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// References are read to callers: six digits from the first.
const FIRST: i64 = 100_000;
/// Messages that wait; more than a day of a busy hotline whose systems are all away. Beyond it, nothing is taken.
const MAX_WAITING: i64 = 100_000;
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
CREATE INDEX IF NOT EXISTS outbox_state ON outbox(state);
CREATE TABLE IF NOT EXISTS identity (key TEXT NOT NULL);
";

/// New messages of each box, and how many of them are urgent.
pub type Boxes = BTreeMap<String, (u32, u32)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxState {
    /// To be delivered.
    Waiting,
    Delivered,
    /// Nobody tries any more.
    Failed,
    /// For somebody to look at or to do; there is no system to deliver it to.
    Open,
}

impl OutboxState {
    fn name(self) -> &'static str {
        match self {
            OutboxState::Waiting => "waiting",
            OutboxState::Delivered => "delivered",
            OutboxState::Failed => "failed",
            OutboxState::Open => "open",
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
}

impl Outbox {
    /// `identity` is taken if the file has none yet: random, so that two switches never share a key.
    pub fn open(path: &Path, identity: &str) -> Result<Outbox, StoreError> {
        make_private(path)?;
        let open = || -> rusqlite::Result<(Connection, String)> {
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
            Ok((connection, identity))
        };
        let (connection, identity) = open().map_err(|error| explain(path, &error))?;
        Ok(Outbox { connection, path: path.to_path_buf(), identity })
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
        let waiting: i64 = transaction
            .query_row("SELECT count(*) FROM outbox WHERE state = 'waiting'", [], |row| row.get(0))
            .map_err(explained)?;
        if waiting >= MAX_WAITING {
            return Err(format!("{waiting} messages wait already; see to the systems that they go to"));
        }
        let put = "INSERT INTO outbox(what, name, call, made, state, due) VALUES(?1, ?2, ?3, ?4, 'open', ?4)";
        transaction.execute(put, params![what, name, call.cast_signed(), now.cast_signed()]).map_err(explained)?;
        let id = transaction.last_insert_rowid();
        let reference = (FIRST + id).to_string();
        let (state, content) = match content(&reference)? {
            Content::Deliver(request) => (OutboxState::Waiting, request),
            Content::Read(fields) => (OutboxState::Open, fields),
        };
        let put = "UPDATE outbox SET state = ?2, request = ?3 WHERE id = ?1";
        transaction.execute(put, params![id, state.name(), content]).map_err(explained)?;
        transaction.commit().map_err(explained)?;
        Ok(reference)
    }

    /// Messages whose time has come, the longest due first: up to `each` of one kind and name, so that many for a system
    /// that hangs hide none for another.
    pub fn due(&self, now: u64, each: usize) -> Result<Vec<Due>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Due>> {
            let mut statement = self.connection.prepare_cached(
                "SELECT id, what, name, request, tries, made FROM (
                   SELECT *, row_number() OVER (PARTITION BY what, name ORDER BY due, id) AS nth FROM outbox
                   WHERE state = 'waiting' AND due <= ?1)
                 WHERE nth <= ?2 ORDER BY due, id",
            )?;
            let rows = statement.query_map(params![now.cast_signed(), each as i64], |row| {
                let id: i64 = row.get(0)?;
                Ok(Due {
                    id,
                    what: row.get(1)?,
                    name: row.get(2)?,
                    request: row.get(3)?,
                    tries: row.get(4)?,
                    made: row.get::<_, i64>(5)?.cast_unsigned(),
                    key: format!("{}-{}", self.identity, FIRST + id),
                })
            })?;
            rows.collect()
        };
        read().map_err(|error| explain(&self.path, &error))
    }

    /// What became of a message. One that was delivered keeps nothing of what was in it; one that was given up is there
    /// for whoever sees to it by hand.
    pub fn settle(&self, id: i64, state: OutboxState, why: Option<&str>) -> Result<(), StoreError> {
        let settle = "UPDATE outbox SET state = ?2, why = ?3, tries = tries + 1,
            request = CASE ?2 WHEN 'delivered' THEN NULL ELSE request END WHERE id = ?1";
        let done = self.connection.execute(settle, params![id, state.name(), why]);
        done.map(drop).map_err(|error| explain(&self.path, &error))
    }

    /// It is tried again at `due`.
    pub fn put_off(&self, id: i64, due: u64, why: &str) -> Result<(), StoreError> {
        let put_off = "UPDATE outbox SET due = ?2, why = ?3, tries = tries + 1 WHERE id = ?1";
        let done = self.connection.execute(put_off, params![id, due.cast_signed(), why]);
        done.map(drop).map_err(|error| explain(&self.path, &error))
    }

    /// When the next message is due.
    pub fn next_due(&self) -> Result<Option<u64>, StoreError> {
        let next = "SELECT min(due) FROM outbox WHERE state = 'waiting'";
        let due: rusqlite::Result<Option<i64>> = self.connection.query_row(next, [], |row| row.get(0));
        due.map(|due| due.map(i64::cast_unsigned)).map_err(|error| explain(&self.path, &error))
    }

    pub fn counts(&self) -> Result<OutboxCounts, StoreError> {
        let count = |state: OutboxState| {
            let count = "SELECT count(*) FROM outbox WHERE state = ?1";
            let found: rusqlite::Result<i64> = self.connection.query_row(count, [state.name()], |row| row.get(0));
            found.map(i64::cast_unsigned).map_err(|error| explain(&self.path, &error))
        };
        Ok(OutboxCounts {
            waiting: count(OutboxState::Waiting)?,
            open: count(OutboxState::Open)?,
            failed: count(OutboxState::Failed)?,
        })
    }

    /// Spoken messages that wait for somebody to listen, by the name of their box: how many, and how many of them urgent.
    pub fn boxes(&self) -> Result<Boxes, StoreError> {
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
    pub fn close(&self, reference: i64, why: &str) -> Result<bool, StoreError> {
        let close = "UPDATE outbox SET state = 'closed', why = ?2, request = NULL
            WHERE id = ?1 AND state IN ('open', 'failed')";
        let done = self.connection.execute(close, params![reference.saturating_sub(FIRST), why]);
        done.map(|rows| rows > 0).map_err(|error| explain(&self.path, &error))
    }

    /// A message that was given up is tried again from `now` on, for as long as a new one. False when there is none.
    pub fn retry(&self, reference: i64, now: u64, why: &str) -> Result<bool, StoreError> {
        let retry = "UPDATE outbox SET state = 'waiting', due = ?2, made = ?2, tries = 0, why = ?3
            WHERE id = ?1 AND state = 'failed' AND request IS NOT NULL";
        let done = self.connection.execute(retry, params![reference.saturating_sub(FIRST), now.cast_signed(), why]);
        done.map(|rows| rows > 0).map_err(|error| explain(&self.path, &error))
    }

    /// Forgets what was over long ago.
    pub fn prune(&self, now: u64) {
        let old = "DELETE FROM outbox WHERE state IN ('delivered', 'closed', 'failed') AND made < ?1";
        // Old rows harm nobody; the next time will do.
        let _ = self.connection.execute(old, [now.saturating_sub(KEPT_MS).cast_signed()]);
    }
}

/// The newest `most` messages in the file at `path`, for whoever asks; not on the thread that writes it.
pub fn outbox_entries(path: &Path, most: u32) -> Result<Vec<OutboxEntry>, StoreError> {
    let read = || -> rusqlite::Result<Vec<OutboxEntry>> {
        let connection = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(BUSY)?;
        let mut statement = connection
            .prepare("SELECT id, what, name, call, made, state, tries, why FROM outbox ORDER BY id DESC LIMIT ?1")?;
        let rows = statement.query_map([most], |row| {
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
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    fn put(outbox: &mut Outbox) -> String {
        outbox.put(("sms", "pay_link"), 7, 1_000, |reference| Ok(Content::Deliver(format!("to {reference}")))).unwrap()
    }

    #[test]
    fn what_was_given_a_reference_is_there_after_a_restart_and_keeps_its_key() {
        let folder = TestFolder::new("outbox-restart");
        let path = folder.join("outbox.db");
        let mut outbox = Outbox::open(&path, "first").unwrap();
        assert_eq!((put(&mut outbox), put(&mut outbox)), ("100001".into(), "100002".into()));
        let before = outbox.due(1_000, 10).unwrap();
        drop(outbox);
        let outbox = Outbox::open(&path, "second").unwrap();
        assert_eq!(outbox.due(1_000, 10).unwrap(), before);
        assert_eq!((before[0].key.as_str(), before[0].request.as_str()), ("first-100001", "to 100001"));
    }

    #[test]
    fn a_message_is_due_until_it_is_delivered_or_put_off_and_then_holds_nothing_more() {
        let folder = TestFolder::new("outbox-settle");
        let path = folder.join("outbox.db");
        let mut outbox = Outbox::open(&path, "a").unwrap();
        put(&mut outbox);
        put(&mut outbox);
        outbox.settle(1, OutboxState::Delivered, None).unwrap();
        outbox.put_off(2, 9_000, "refused").unwrap();
        assert_eq!((outbox.due(8_999, 10).unwrap().len(), outbox.next_due().unwrap()), (0, Some(9_000)));
        assert_eq!(outbox.due(9_000, 10).unwrap()[0].tries, 1);
        let open = outbox.put(("callback", "service"), 7, 1_000, |_| Ok(Content::Read("{}".into()))).unwrap();
        assert_eq!(outbox.counts().unwrap(), OutboxCounts { waiting: 1, open: 1, failed: 0 });
        assert_eq!(outbox_content(&path, open.parse().unwrap()).unwrap().as_deref(), Some("{}"));
        outbox.settle(2, OutboxState::Failed, Some("404")).unwrap();
        assert_eq!(outbox_content(&path, 100_002).unwrap().as_deref(), Some("to 100002"), "given up, not thrown away");
        assert_eq!(outbox_content(&path, 7).unwrap(), None);
        let shown = outbox_entries(&path, 10).unwrap();
        assert_eq!((shown[0].reference.clone(), shown[2].state.as_str()), (open, "delivered"));
        let left: Option<String> =
            outbox.connection.query_row("SELECT request FROM outbox WHERE id = 1", [], |row| row.get(0)).unwrap();
        assert_eq!(left, None);
    }

    #[test]
    fn a_message_that_cannot_be_made_is_not_kept() {
        let folder = TestFolder::new("outbox-unmade");
        let mut outbox = Outbox::open(&folder.join("outbox.db"), "a").unwrap();
        assert!(outbox.put(("sms", "x"), 1, 0, |_| Err("no".into())).is_err());
        assert_eq!(outbox.counts().unwrap(), OutboxCounts::default());
    }

    #[test]
    fn a_box_holds_what_nobody_has_listened_to() {
        let folder = TestFolder::new("outbox-boxes");
        let mut outbox = Outbox::open(&folder.join("outbox.db"), "a").unwrap();
        for (name, urgent) in [("1001", "false"), ("1001", "true"), ("service", "false")] {
            let content = |_: &str| Ok(Content::Read(format!("{{\"urgent\":\"{urgent}\"}}")));
            outbox.put(("voicemail", name), 7, 1_000, content).unwrap();
        }
        outbox.put(("callback", "1001"), 7, 1_000, |_| Ok(Content::Read("{}".into()))).unwrap();
        put(&mut outbox);
        assert_eq!(outbox.boxes().unwrap(), [("1001".to_string(), (2, 1)), ("service".to_string(), (1, 0))].into());
        outbox.close(100_002, "heard").unwrap();
        assert_eq!(outbox.boxes().unwrap()["1001"], (1, 0));
    }

    #[test]
    fn many_for_one_system_hide_none_for_another() {
        let folder = TestFolder::new("outbox-each");
        let mut outbox = Outbox::open(&folder.join("outbox.db"), "a").unwrap();
        (0..50).for_each(|_| _ = put(&mut outbox));
        outbox.put(("form", "report"), 7, 2_000, |_| Ok(Content::Deliver("form".into()))).unwrap();
        let due: Vec<_> = outbox.due(2_000, 3).unwrap().into_iter().map(|due| (due.id, due.name)).collect();
        let expected = [(1, "pay_link"), (2, "pay_link"), (3, "pay_link"), (51, "report")];
        assert_eq!(due, expected.map(|(id, name)| (id, name.to_string())));
    }

    #[test]
    fn what_somebody_has_done_is_closed_and_what_was_given_up_can_be_tried_again() {
        let folder = TestFolder::new("outbox-hand");
        let path = folder.join("outbox.db");
        let mut outbox = Outbox::open(&path, "a").unwrap();
        put(&mut outbox);
        outbox.put(("callback", "service"), 7, 1_000, |_| Ok(Content::Read("{\"number\":\"138\"}".into()))).unwrap();
        assert!(!outbox.close(100_001, "no").unwrap(), "it is under way");
        assert!(!outbox.retry(100_002, 5_000, "no").unwrap(), "there is nobody to deliver it to");
        assert!(!outbox.close(i64::MIN, "no").unwrap() && !outbox.retry(7, 1, "no").unwrap());
        outbox.settle(1, OutboxState::Failed, Some("404")).unwrap();
        assert!(outbox.retry(100_001, 5_000, "the address is right now").unwrap());
        assert_eq!((outbox.due(5_000, 10).unwrap()[0].tries, outbox.counts().unwrap().failed), (0, 0));
        assert!(outbox.close(100_002, "called back").unwrap());
        assert!(!outbox.close(100_002, "again").unwrap());
        assert_eq!(outbox_content(&path, 100_002).unwrap(), None, "nothing is kept of what is done");
        let shown = outbox_entries(&path, 1).unwrap();
        assert_eq!((shown[0].state.as_str(), shown[0].why.as_deref()), ("closed", Some("called back")));
        assert_eq!(outbox.counts().unwrap(), OutboxCounts { waiting: 1, open: 0, failed: 0 });
    }
}
