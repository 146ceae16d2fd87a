//! The journal of switch events and the call records folded from it, in a SQLite file that one thread writes.
//!
//! The call path hands an event over and goes on ([`StoreHandle::record`] never waits). Some milliseconds later it is in
//! the spool and survives kill -9; a quarter of a second later it is in the database. While that is locked or the disk
//! is full, events wait in memory up to a bound, are tried again, and an alarm is raised. At the next start, calls that
//! the journal left open are closed as interrupted.
//!
//! Besides, it keeps the last value under each of some names ([`StoreHandle::keep`]) for the next start, by the same way.
//!
//! Must never know: the switch, SIP, credentials. Nothing of a running process is read back by a decision.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod outbox;
mod outside;
mod records;
mod spool;
mod sqlite;
#[cfg(test)]
mod tests;
mod writer;

pub use outbox::{Boxes, Content, Due, Outbox, OutboxCounts, OutboxEntry, OutboxFilter, OutboxState, outbox_entries};
pub use outside::{Row, one_row};
/// Databases of others, for tests.
#[cfg(test)]
pub(crate) mod testing {
    pub(crate) fn database(path: &std::path::Path, sql: &str) {
        rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }

    /// A connection that lets nobody else write, as long as it is held.
    pub(crate) fn locked(path: &std::path::Path) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }
}

pub use records::{CdrFilter, Records, StoredCall, StoredCdr};
pub use writer::{StoreHandle, StoreStats};

use crate::cdr::Cdr;
use std::fmt;
use std::path::{Path, PathBuf};

/// What the writer wants an operator to know, as a sentence that says what to do.
pub type Alarm = Box<dyn Fn(String) + Send>;

/// Is shown each record when it is complete, on the writer's thread.
pub type Reader = Box<dyn Fn(&Cdr) + Send>;

pub struct StoreOptions {
    /// The database file; its folder is made when missing, readable by this user only.
    pub path: PathBuf,
    pub cdr_days: u32,
    pub journal_days: u32,
    /// Milliseconds since 1970, now.
    pub wall: u64,
    /// Recordings that an earlier run left unfinished.
    pub recovered: Vec<RecoveredRecording>,
    pub alarm: Alarm,
    pub reader: Reader,
}

/// A recording of a call that the process did not live to complete: a sign of life of that call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredRecording {
    /// As the events name it.
    pub file: String,
    pub length_ms: u64,
    /// When it last grew, in milliseconds since 1970.
    pub last_wall: u64,
}

/// A store at work.
pub struct Store {
    pub handle: StoreHandle,
    pub records: Records,
    /// What earlier runs kept, in order of the names.
    pub kept: Vec<KeptValue>,
    /// Calls of an earlier run that were found open and are now recorded as interrupted.
    pub interrupted: usize,
}

impl Store {
    /// Opens or makes the database, closes what an earlier run left open, and starts the writer's thread.
    pub fn open(options: StoreOptions) -> Result<Store, StoreError> {
        if let Some(folder) = options.path.parent() {
            private_folder(folder).map_err(|error| StoreError::folder(folder, &error))?;
        }
        let lock = claim(&options.path)?;
        let spool_path = options.path.with_extension("spool");
        let (mut spool, left) = spool::Spool::open(&spool_path)
            .map_err(|error| StoreError::new(&spool_path, format!("cannot open or read this file: {error}")))?;
        let mut database = sqlite::Database::open(&options.path)?;
        database.bring_in(&left)?;
        let kept = database.kept()?;
        // At once: after the next run has begun, what is in the spool is not known again.
        spool.clear().map_err(|error| StoreError::new(&spool_path, format!("cannot empty this file: {error}")))?;
        let interrupted = database.close_open_calls(options.wall, &options.recovered)?;
        let path = options.path.clone();
        let handle = StoreHandle::spawn(database, spool, lock, options)?;
        let records = Records::of(&path).fresh_from(handle.clone());
        Ok(Store { handle, records, kept, interrupted })
    }
}

/// A name and what was kept under it last.
pub type KeptValue = (String, String);

/// Why the store could not be opened or read.
#[derive(Debug)]
pub struct StoreError {
    pub path: PathBuf,
    pub text: String,
}

impl StoreError {
    fn new(path: &Path, text: impl Into<String>) -> Self {
        Self { path: path.to_path_buf(), text: text.into() }
    }

    fn folder(folder: &Path, error: &std::io::Error) -> Self {
        Self::new(folder, format!("cannot make or use this folder: {error}; give another with `--state DIR`"))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.text)
    }
}

impl std::error::Error for StoreError {}

/// Makes `folder`, with its parents, for this user alone. One that is there already keeps its rights.
pub fn private_folder(folder: &Path) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Two switches on one database would close each other's calls; the second one is refused.
fn claim(database: &Path) -> Result<std::fs::File, StoreError> {
    let path = database.with_extension("lock");
    let failed = |error: std::io::Error| StoreError::new(&path, format!("cannot open this file: {error}"));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            let text = "another hotline uses this state folder; stop it, or give this one its own with `--state DIR`";
            Err(StoreError::new(database, text))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}
