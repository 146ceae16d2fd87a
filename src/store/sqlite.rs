//! The SQLite file: its tables, their migrations, and every statement. The only file that names `rusqlite`.
//!
//! `journal` has the events as lines of JSON, those of one call and one commit in a row; `cdr` has each record as JSON beside the columns that are searched; `open_call` has
//! the calls that have begun and not ended, which is what a start after a crash reads first; `flow_call` has the steps of each call
//! that a flow answered; `kept` has values by name. In WAL mode readers never
//! wait for the writer, and a committed transaction survives the process (`synchronous=NORMAL`: the last ones may be
//! lost with the machine's power, never the file).

use super::spool::{KeptLine, Left};
use super::{CdrFilter, KeptValue, RecoveredRecording, StoreError, StoredCall, StoredCdr};
use crate::cdr::{Cdr, FlowCall, Fold};
use crate::events::{Cause, EndedBy, EventKind, SwitchEvent};
use crate::ids::CallId;
use rusqlite::types::Value;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params, params_from_iter,
};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Migrations in order; a file of version n has had the first n.
const MIGRATIONS: [&str; 3] = [
    "
    CREATE TABLE run(id INTEGER PRIMARY KEY, started INTEGER NOT NULL);
    CREATE TABLE journal(
        id INTEGER PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL, wall INTEGER NOT NULL, call INTEGER,
        events TEXT NOT NULL);
    CREATE INDEX journal_call ON journal(call) WHERE call IS NOT NULL;
    CREATE TABLE open_call(call INTEGER PRIMARY KEY);
    CREATE TABLE cdr(
        id INTEGER PRIMARY KEY, call INTEGER, started INTEGER NOT NULL, caller TEXT NOT NULL,
        called TEXT NOT NULL, queue TEXT, agent TEXT, cause TEXT NOT NULL, json TEXT NOT NULL);
    CREATE UNIQUE INDEX cdr_call ON cdr(call) WHERE call IS NOT NULL;
    CREATE INDEX cdr_started ON cdr(started);
",
    "CREATE TABLE kept(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
    "CREATE TABLE flow_call(call INTEGER PRIMARY KEY, started INTEGER NOT NULL, json TEXT NOT NULL);
     CREATE INDEX flow_call_started ON flow_call(started);",
];

/// The writer meets a lock at most this long before it goes on gathering.
const WRITER_PATIENCE: Duration = Duration::from_millis(100);
/// A reader meets a lock only while the file is being made or recovered.
const READER_PATIENCE: Duration = Duration::from_secs(3);
/// Rows taken away in one go.
const PRUNE_ROWS: u32 = 2_000;
/// Rows of events shown of one call. A day-long call with a key a second has fewer events.
const MAX_ROWS: u32 = 100_000;
const DAY_MS: u64 = 86_400_000;

/// The writer's side.
pub(super) struct Database {
    path: PathBuf,
    connection: Connection,
    run: i64,
}

/// Events and records on their way into the file, in order.
#[derive(Default)]
pub(super) struct Batch {
    entries: VecDeque<Entry>,
    /// Only the last value of a name is of use.
    kept: BTreeMap<String, Option<String>>,
    unspooled: String,
}

struct Entry {
    seq: u64,
    wall: u64,
    call: Option<CallId>,
    json: String,
    begins: bool,
    /// Of a call that may have ended.
    disposition: Option<String>,
    record: Option<Box<Cdr>>,
}

impl Batch {
    pub fn push(&mut self, event: &SwitchEvent, record: Option<Cdr>) {
        let json = json(event);
        self.unspooled.push_str(&json);
        self.unspooled.push('\n');
        self.entries.push_back(Entry {
            seq: event.seq,
            wall: event.wall,
            call: event.call,
            json,
            begins: event.kind.begins_call(),
            disposition: disposition(event),
            record: record.map(Box::new),
        });
    }

    pub fn keep(&mut self, name: String, value: Option<String>) {
        let line = KeptLine { keep: name, value };
        self.unspooled.push_str(&json(&line));
        self.unspooled.push('\n');
        self.kept.insert(line.keep, line.value);
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.kept.is_empty()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The lines of what was pushed since [`spooled`](Self::spooled) was last said.
    pub fn unspooled(&self) -> &str {
        &self.unspooled
    }

    pub fn spooled(&mut self) {
        self.unspooled.clear();
    }
}

impl Database {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_private(path)?;
        let connection = Self::prepare(path).map_err(|error| explain(path, &error))?;
        let mut database = Self { path: path.to_path_buf(), connection, run: 0 };
        database.migrate()?;
        Ok(database)
    }

    fn prepare(path: &Path) -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        // The first opening may meet another program that reads the file; later the writer is less patient.
        connection.busy_timeout(READER_PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.set_prepared_statement_cache_capacity(16);
        Ok(connection)
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        let version = self.version().map_err(|error| explain(&self.path, &error))?;
        if version > MIGRATIONS.len() {
            let text =
                format!("made by a newer hotline (layout {version}, known here {}); use that one", MIGRATIONS.len());
            return Err(StoreError::new(&self.path, text));
        }
        let apply = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            transaction.execute_batch(
                "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
            )?;
            for migration in &MIGRATIONS[version..] {
                transaction.execute_batch(migration)?;
            }
            let layout = MIGRATIONS.len().to_string();
            transaction.execute("INSERT OR REPLACE INTO meta VALUES('layout', ?1)", [layout])?;
            transaction.commit()
        };
        apply(&mut self.connection).map_err(|error| explain(&self.path, &error))
    }

    fn version(&self) -> rusqlite::Result<usize> {
        let tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'";
        if self.connection.query_row(tables, [], |row| row.get::<_, i64>(0))? == 0 {
            return Ok(0);
        }
        let layout = "SELECT value FROM meta WHERE key = 'layout'";
        let text: Option<String> = self.connection.query_row(layout, [], |row| row.get(0)).optional()?;
        Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// Begins a run. Calls that an earlier one left open get their record, and their journal the missing end; gives how
    /// many had no end.
    pub fn close_open_calls(&mut self, wall: u64, recovered: &[RecoveredRecording]) -> Result<usize, StoreError> {
        let closed = self.interrupt(wall, recovered).map_err(|error| explain(&self.path, &error))?;
        self.connection.busy_timeout(WRITER_PATIENCE).map_err(|error| explain(&self.path, &error))?;
        Ok(closed)
    }

    fn interrupt(&mut self, wall: u64, recovered: &[RecoveredRecording]) -> rusqlite::Result<usize> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut fold = Fold::new();
        let mut records = Vec::new();
        {
            let mut statement = transaction
                .prepare("SELECT events FROM journal WHERE call IN (SELECT call FROM open_call) ORDER BY id")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                // An event that this version cannot read is left out; the rest still makes a record.
                let events = row.get_ref(0)?.as_str()?.lines().filter_map(|line| serde_json::from_str(line).ok());
                records.extend(events.filter_map(|event: SwitchEvent| fold.apply(&event)));
            }
        }
        // The last sign of life of the whole run tells when the calls were up at least, whosever event it was.
        if let Some((_, events)) = last_row(&transaction, last_run(&transaction)?)?
            && let Some(last) = events.lines().last().and_then(|line| serde_json::from_str::<SwitchEvent>(line).ok())
        {
            fold.apply(&SwitchEvent { call: None, kind: EventKind::Draining, ..last });
        }
        // Quiet calls tell nothing for minutes: what the run noted of itself, and recordings that went on growing.
        let alive: Option<i64> = transaction
            .query_row("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'alive'", [], |row| row.get(0))
            .optional()?;
        transaction.execute("DELETE FROM meta WHERE key = 'alive'", [])?;
        let open: Vec<CallId> = fold.open_calls().collect();
        let mut completed = Vec::new();
        for recording in recovered {
            let Some(call) = call_of(&recording.file).filter(|call| open.contains(call)) else { continue };
            fold.alive(recording.last_wall.min(wall));
            let (file, length_ms) = (recording.file.clone(), recording.length_ms);
            completed.push((call, EventKind::RecordingEnded { file, length_ms }));
        }
        fold.alive(alive.unwrap_or(0).cast_unsigned().min(wall));
        transaction.execute("INSERT INTO run(started) VALUES(?1)", [signed(wall)])?;
        self.run = transaction.last_insert_rowid();
        for (call, kind) in completed {
            let (mono, wall) = fold.last_sign();
            let event = SwitchEvent { seq: 0, wall, mono, call: Some(call), kind };
            fold.apply(&event);
            let mut rows = Rows::default();
            rows.add(event.call, 0, wall, &json(&event));
            rows.insert(&transaction, self.run)?;
        }
        // What is whole now was in the spool; what is not was cut off by the end of the process.
        let cut_off = fold.open_calls().len();
        let (last_mono, _) = fold.last_sign();
        records.extend(fold.interrupt(wall));
        for record in &records {
            if let (Some(call), Cause::Interrupted) = (record.call_id, record.cause) {
                let kind = EventKind::CallEnded { cause: Cause::Interrupted, by: EndedBy::System };
                let event = SwitchEvent { seq: 0, wall: record.ended, mono: last_mono, call: Some(call), kind };
                let mut rows = Rows::default();
                rows.add(event.call, 0, record.ended, &json(&event));
                rows.insert(&transaction, self.run)?;
            }
            insert_record(&transaction, record)?;
        }
        transaction.execute("DELETE FROM open_call", [])?;
        transaction.commit()?;
        Ok(cut_off)
    }

    /// Adds what an earlier run had accepted and not committed. Calls that ended in it get their records from
    /// [`close_open_calls`](Self::close_open_calls).
    pub fn bring_in(&mut self, left: &Left) -> Result<(), StoreError> {
        let add = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let run = last_run(&transaction)?;
            // The process may have died between a commit and the emptying of the spool.
            let known = last_row(&transaction, run)?.map_or(0, |(seq, _)| seq as u64);
            let mut rows = Rows::default();
            for event in left.events.iter().filter(|event| event.seq > known) {
                rows.add(event.call, event.seq, event.wall, &json(event));
                if let (true, Some(call)) = (event.kind.begins_call(), event.call) {
                    transaction.execute("INSERT OR IGNORE INTO open_call VALUES(?1)", [signed(call.0)])?;
                }
                dispose(&transaction, event.call.map(|call| signed(call.0)), disposition(event).as_deref())?;
                if let EventKind::CallRefused { .. } = event.kind
                    && let Some(record) = Fold::new().apply(event)
                {
                    insert_record(&transaction, &record)?;
                }
            }
            rows.insert(&transaction, run)?;
            keep(&transaction, left.kept.iter().map(|line| (&line.keep, &line.value)))?;
            transaction.commit()
        };
        add(&mut self.connection).map_err(|error| explain(&self.path, &error))
    }

    /// Writes up to `most` entries in one transaction and takes them off the batch; gives their number.
    pub fn commit(&mut self, batch: &mut Batch, most: usize) -> Result<u64, StoreError> {
        let count = batch.entries.len().min(most);
        let entries = batch.entries.iter().take(count);
        self.write(entries, batch.kept.iter().take(most)).map_err(|error| explain(&self.path, &error))?;
        batch.entries.drain(..count);
        for _ in 0..most.min(batch.kept.len()) {
            batch.kept.pop_first();
        }
        Ok(count as u64)
    }

    /// What was kept under each name.
    pub fn kept(&self) -> Result<Vec<KeptValue>, StoreError> {
        let read = || -> rusqlite::Result<Vec<KeptValue>> {
            let mut statement = self.connection.prepare("SELECT name, value FROM kept ORDER BY name")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        read().map_err(|error| explain(&self.path, &error))
    }

    fn write<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
        kept: impl Iterator<Item = (&'a String, &'a Option<String>)>,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut rows = Rows::default();
        for entry in entries {
            rows.add(entry.call, entry.seq, entry.wall, &entry.json);
            let call = entry.call.map(|call| signed(call.0));
            if entry.begins {
                transaction.prepare_cached("INSERT OR IGNORE INTO open_call VALUES(?1)")?.execute([call])?;
            }
            if let Some(record) = &entry.record {
                insert_record(&transaction, record)?;
                let call = record.call_id.map(|call| signed(call.0));
                transaction.prepare_cached("DELETE FROM open_call WHERE call = ?1")?.execute([call])?;
            }
            dispose(&transaction, call, entry.disposition.as_deref())?;
        }
        rows.insert(&transaction, self.run)?;
        keep(&transaction, kept)?;
        transaction.commit()
    }

    /// Notes that the run is alive at `wall`: what a kill leaves of calls that say nothing. A failure is left for the next
    /// time.
    pub fn note_alive(&mut self, wall: u64) {
        let note = "INSERT OR REPLACE INTO meta VALUES('alive', ?1)";
        let _ = self.connection.prepare_cached(note).and_then(|mut note| note.execute([signed(wall)]));
    }

    /// Takes some of the rows away that are older than they should be; `true` when there may be more. A failure is
    /// left for the next time: old rows harm nobody.
    pub fn prune(&mut self, wall: u64, cdr_days: u32, journal_days: u32) -> bool {
        let before = |days: u32| signed(wall.saturating_sub(u64::from(days) * DAY_MS));
        // By the oldest row numbers, which are the oldest in time, so that no index on time has to be kept. Rows of a
        // clock that was ahead once would stand in the way for as long.
        let journal = "DELETE FROM journal WHERE id IN (SELECT id FROM journal ORDER BY id LIMIT ?2)
                       AND (wall < ?1 OR wall > ?3)
                       AND (call IS NULL OR call NOT IN (SELECT call FROM open_call))";
        let cdr = "DELETE FROM cdr WHERE id IN (SELECT id FROM cdr WHERE started < ?1 LIMIT ?2)";
        let ahead = signed(wall + DAY_MS);
        let flow = "DELETE FROM flow_call WHERE call IN (SELECT call FROM flow_call WHERE started < ?1 LIMIT ?2)";
        // As long as the records; what is left today goes with the next look.
        let _ = self.connection.execute(flow, params![before(cdr_days), PRUNE_ROWS]);
        let events = self.connection.execute(journal, params![before(journal_days), PRUNE_ROWS, ahead]).unwrap_or(0);
        let records = self.connection.execute(cdr, params![before(cdr_days), PRUNE_ROWS]).unwrap_or(0);
        events.max(records) >= PRUNE_ROWS as usize
    }
}

fn keep<'a>(
    transaction: &Transaction<'_>,
    values: impl Iterator<Item = (&'a String, &'a Option<String>)>,
) -> rusqlite::Result<()> {
    for (name, value) in values {
        match value {
            Some(value) => {
                let put = "INSERT INTO kept VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = excluded.value";
                transaction.prepare_cached(put)?.execute(params![name, value])?
            }
            None => transaction.prepare_cached("DELETE FROM kept WHERE name = ?1")?.execute([name])?,
        };
    }
    Ok(())
}

/// The call that a recording is named after.
fn call_of(file: &str) -> Option<CallId> {
    let stem = Path::new(file).file_stem()?.to_str()?;
    stem.split('-').next()?.parse().ok()
}

/// The number of the last run; 0 before the first.
fn last_run(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    transaction.query_row("SELECT coalesce(max(id), 0) FROM run", [], |row| row.get(0))
}

/// The row with a run's last event, and its number. Only the rows of the last commits can have it.
fn last_row(transaction: &Transaction<'_>, run: i64) -> rusqlite::Result<Option<(i64, String)>> {
    let last = "SELECT seq, events FROM (SELECT * FROM journal ORDER BY id DESC LIMIT 5000) WHERE run = ?1
                ORDER BY seq DESC LIMIT 1";
    transaction.query_row(last, [run], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// Events of one commit, those of a call together: a fifth of the rows, and of the time.
#[derive(Default)]
struct Rows {
    rows: Vec<JournalRow>,
    by_call: BTreeMap<Option<CallId>, usize>,
}

struct JournalRow {
    call: Option<CallId>,
    /// Of the last event.
    seq: u64,
    wall: u64,
    events: String,
}

impl Rows {
    fn add(&mut self, call: Option<CallId>, seq: u64, wall: u64, json: &str) {
        let at = *self.by_call.entry(call).or_insert(self.rows.len());
        match self.rows.get_mut(at) {
            Some(row) => {
                (row.seq, row.wall) = (seq, wall);
                row.events.push('\n');
                row.events.push_str(json);
            }
            None => self.rows.push(JournalRow { call, seq, wall, events: json.to_string() }),
        }
    }

    fn insert(&self, transaction: &Transaction<'_>, run: i64) -> rusqlite::Result<()> {
        let insert = "INSERT INTO journal(run, seq, wall, call, events) VALUES(?1, ?2, ?3, ?4, ?5)";
        let mut statement = transaction.prepare_cached(insert)?;
        for row in &self.rows {
            let call = row.call.map(|call| signed(call.0));
            statement.execute(params![run, signed(row.seq), signed(row.wall), call, row.events])?;
        }
        Ok(())
    }
}

fn disposition(event: &SwitchEvent) -> Option<String> {
    match &event.kind {
        EventKind::Disposed { code, .. } => Some(code.clone()),
        _ => None,
    }
}

/// An agent has said what a call was about whose record is written; of one that is up the record will say it.
fn dispose(transaction: &Transaction<'_>, call: Option<i64>, code: Option<&str>) -> rusqlite::Result<()> {
    let (Some(call), Some(code)) = (call, code) else { return Ok(()) };
    let update = "UPDATE cdr SET json = json_set(json, '$.disposition', ?2) WHERE call = ?1";
    transaction.prepare_cached(update)?.execute(params![call, code]).map(drop)
}

fn insert_record(transaction: &Transaction<'_>, record: &Cdr) -> rusqlite::Result<()> {
    let insert = "INSERT OR IGNORE INTO cdr(call, started, caller, called, queue, agent, cause, json)
                  VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    transaction.prepare_cached(insert)?.execute(params![
        record.call_id.map(|call| signed(call.0)),
        signed(record.started),
        record.from.expose(),
        record.to,
        record.queue.as_ref().map(|queue| queue.as_str()),
        record.agent.as_ref().map(|agent| agent.as_str()),
        word(&record.cause),
        json(record),
    ])?;
    if let (Some(call), Some(way)) = (record.call_id, FlowCall::of(record)) {
        let insert = "INSERT OR IGNORE INTO flow_call VALUES(?1, ?2, ?3)";
        transaction.prepare_cached(insert)?.execute(params![signed(call.0), signed(way.started), json(&way)])?;
    }
    Ok(())
}

/// A reader's connection: for one question, then dropped.
pub(super) struct Reader {
    path: PathBuf,
    connection: Connection,
}

impl Reader {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // Not created here: a typing error in a path should not leave an empty database behind.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(READER_PATIENCE)?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| explain(path, &error))?;
        Ok(Self { path: path.to_path_buf(), connection })
    }

    /// Records that match, newest first or oldest first.
    pub fn cdrs(&self, filter: &CdrFilter, newest_first: bool, limit: u32) -> Result<Vec<StoredCdr>, StoreError> {
        let mut sql = String::from("SELECT id, json FROM cdr WHERE 1");
        let mut values: Vec<Value> = Vec::new();
        let mut also = |condition: &str, value: Option<Value>| {
            if let Some(value) = value {
                sql.push_str(" AND ");
                sql.push_str(condition);
                values.push(value);
            }
        };
        also("started >= ?", filter.since.map(|since| signed(since).into()));
        also("started < ?", filter.until.map(|until| signed(until).into()));
        also("id > ?", filter.after.map(Value::from));
        also("id < ?", filter.before.map(Value::from));
        also("caller = ?", filter.from.clone().map(Value::from));
        also("called = ?", filter.to.clone().map(Value::from));
        also("queue = ?", filter.queue.clone().map(Value::from));
        also("agent = ?", filter.agent.clone().map(Value::from));
        also("cause = ?", filter.cause.clone().map(Value::from));
        also("call = ?", filter.call.map(|call| signed(call.0).into()));
        sql.push_str(if newest_first { " ORDER BY id DESC LIMIT ?" } else { " ORDER BY id LIMIT ?" });
        values.push(Value::from(limit));
        let read = || -> rusqlite::Result<Vec<StoredCdr>> {
            let mut statement = self.connection.prepare(&sql)?;
            let rows = statement.query_map(params_from_iter(&values), stored)?;
            rows.collect()
        };
        read().map_err(|error| explain(&self.path, &error))
    }

    /// What flows did in calls that began between two moments, in that order, until `each` says `false`.
    pub fn flow_calls(
        &self,
        (since, until): (u64, u64),
        mut each: impl FnMut(FlowCall) -> bool,
    ) -> Result<(), StoreError> {
        let mut read = || -> rusqlite::Result<()> {
            let select = "SELECT json FROM flow_call WHERE started >= ?1 AND started < ?2 ORDER BY started";
            let mut statement = self.connection.prepare(select)?;
            let mut rows = statement.query(params![signed(since), signed(until)])?;
            while let Some(row) = rows.next()? {
                // What this version cannot read is left out.
                if serde_json::from_str(row.get_ref(0)?.as_str()?).is_ok_and(|call| !each(call)) {
                    break;
                }
            }
            Ok(())
        };
        read().map_err(|error| explain(&self.path, &error))
    }

    /// Events of these kinds since `since`, in order, each with the number of its run, until `each` says `false`. A commit
    /// keeps the events of a call together, so that those of different calls come in order only after a sort over what one
    /// commit may hold.
    pub fn events(
        &self,
        since: u64,
        kinds: &[&str],
        mut each: impl FnMut(i64, SwitchEvent) -> bool,
    ) -> Result<(), StoreError> {
        /// More than one commit has.
        const WINDOW: usize = 4_000;
        let marks: Vec<String> = kinds.iter().map(|kind| format!("\"event\":\"{kind}\"")).collect();
        let mut read = || -> rusqlite::Result<()> {
            let select = "SELECT run, events FROM journal WHERE id >= ?1 AND wall >= ?2 ORDER BY id";
            let mut statement = self.connection.prepare(select)?;
            let mut rows = statement.query([self.first_row_since(signed(since))?, signed(since)])?;
            // What closes the calls of a run that was killed has no number of its own: the order read tells it apart.
            let mut window: BTreeMap<(i64, u64, u64), SwitchEvent> = BTreeMap::new();
            let mut count = 0;
            while let Some(row) = rows.next()? {
                let run: i64 = row.get(0)?;
                let wanted = |line: &&str| marks.iter().any(|mark| line.contains(mark.as_str()));
                for line in row.get_ref(1)?.as_str()?.lines().filter(wanted) {
                    // What this version cannot read is left out.
                    if let Ok(event) = serde_json::from_str::<SwitchEvent>(line) {
                        count += 1;
                        window.insert((run, event.seq, count), event);
                    }
                }
                while window.len() > WINDOW
                    && let Some(((run, ..), event)) = window.pop_first()
                {
                    if !each(run, event) {
                        return Ok(());
                    }
                }
            }
            for ((run, ..), event) in window {
                if !each(run, event) {
                    break;
                }
            }
            Ok(())
        };
        read().map_err(|error| explain(&self.path, &error))
    }

    /// Where to begin to read. Rows stand in order of time, save where a clock was set: by halves, as there is no index on
    /// time.
    fn first_row_since(&self, since: i64) -> rusqlite::Result<i64> {
        let ends = "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM journal";
        let (mut low, mut high): (i64, i64) =
            self.connection.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut wall_from = self.connection.prepare("SELECT wall FROM journal WHERE id >= ?1 ORDER BY id LIMIT 1")?;
        while low < high {
            let middle = low + (high - low) / 2;
            match wall_from.query_row([middle], |row| row.get::<_, i64>(0))? < since {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// The number of the run that goes on, or of the last one.
    pub fn last_run(&self) -> Result<i64, StoreError> {
        let last = "SELECT coalesce(max(id), 0) FROM run";
        self.connection.query_row(last, [], |row| row.get(0)).map_err(|error| explain(&self.path, &error))
    }

    /// When the oldest event that is kept was told.
    pub fn oldest_event(&self) -> Result<Option<u64>, StoreError> {
        let oldest = "SELECT wall FROM journal ORDER BY id LIMIT 1";
        let row = self.connection.query_row(oldest, [], |row| row.get::<_, i64>(0)).optional();
        Ok(row.map_err(|error| explain(&self.path, &error))?.map(i64::cast_unsigned))
    }

    /// One call: its record, if it has ended, and its events in order.
    pub fn call(&self, call: CallId) -> Result<StoredCall, StoreError> {
        let filter = CdrFilter { call: Some(call), ..CdrFilter::default() };
        let record = self.cdrs(&filter, true, 1)?.pop();
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement =
                self.connection.prepare("SELECT events FROM journal WHERE call = ?1 ORDER BY id LIMIT ?2")?;
            let mut rows = statement.query(params![signed(call.0), MAX_ROWS])?;
            let mut events = Vec::new();
            while let Some(row) = rows.next()? {
                events.extend(row.get_ref(0)?.as_str()?.lines().map(str::to_string));
            }
            Ok(events)
        };
        let events = read().map_err(|error| explain(&self.path, &error))?;
        Ok(StoredCall { record, events })
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredCdr> {
    Ok(StoredCdr { id: row.get(0)?, json: row.get(1)? })
}

/// SQLite has signed integers only; the bits are kept.
fn signed(value: u64) -> i64 {
    value as i64
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn word(cause: &Cause) -> String {
    json(cause).trim_matches('"').to_string()
}

/// SQLite gives its own files the rights of the database, so the database is made first, for this user alone.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(StoreError::new(path, format!("cannot make or write this file: {error}; check the folder's rights")))
        }
    }
}

/// What happened, with what to do about it.
pub(super) fn explain(path: &Path, error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode as Code;
    let text = match error.sqlite_error_code() {
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => "another program holds the database; end it".into(),
        Some(Code::DiskFull) => "the disk is full; free some room".into(),
        Some(Code::NotADatabase | Code::DatabaseCorrupt) => {
            "this is not a usable database; move it away to start with an empty one, or restore it from a copy".into()
        }
        Some(Code::ReadOnly | Code::PermissionDenied | Code::CannotOpen) => {
            "no right to write here, or it is not there; check its owner and the folder's".into()
        }
        _ => error.to_string(),
    };
    StoreError::new(path, text)
}

/// Another program that holds the database, for tests.
#[cfg(test)]
pub(super) struct Lock(Connection);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
impl Lock {
    pub fn take(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(READER_PATIENCE).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }

    pub fn run(path: &Path, sql: &str) {
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }
}

#[cfg(test)]
impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.execute_batch("ROLLBACK");
    }
}
