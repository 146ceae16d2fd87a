//! Reading records and journals. Each question opens a connection of its own, so that none waits for another; all of
//! it blocks, so that async callers put it on the blocking pool.

use super::outbox::{OutboxEntry, OutboxFilter, outbox_content, outbox_entries};
use super::sqlite::Reader;
use super::{StoreError, StoreHandle};
use crate::cdr::{Cdr, FlowCall};
use crate::events::SwitchEvent;
use crate::ids::CallId;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a reader waits for what is on its way into the database. Longer only while the writer meets a lock, and
/// then what is there already is shown.
const FRESH: Duration = Duration::from_millis(500);

/// Where the records are.
#[derive(Clone)]
pub struct Records {
    path: Arc<Path>,
    /// Has what is not in the database yet.
    writer: Option<StoreHandle>,
}

/// Which records; every condition that is given must hold. `since` and `until` are in milliseconds since 1970 and mean
/// the start of the call; `after` and `before` are row numbers, for going on where a page ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CdrFilter {
    pub since: Option<u64>,
    pub until: Option<u64>,
    pub after: Option<i64>,
    pub before: Option<i64>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub queue: Option<String>,
    pub agent: Option<String>,
    pub cause: Option<String>,
    pub call: Option<CallId>,
}

/// A record as it is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCdr {
    pub id: i64,
    /// One line.
    pub json: String,
}

impl StoredCdr {
    pub fn record(&self) -> Result<Cdr, serde_json::Error> {
        serde_json::from_str(&self.json)
    }
}

/// What is known of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCall {
    pub record: Option<StoredCdr>,
    /// `SwitchEvent`s as JSON, in order.
    pub events: Vec<String>,
}

impl Records {
    /// The records in the database at `path`, which is opened when asked.
    pub fn of(path: &Path) -> Self {
        Self { path: Arc::from(path), writer: None }
    }

    /// The same, and what `writer` has accepted is read as well.
    pub(super) fn fresh_from(self, writer: StoreHandle) -> Self {
        Self { writer: Some(writer), ..self }
    }

    /// What flows have posted; its file is beside the records.
    pub fn outbox(&self, filter: &OutboxFilter, limit: u32) -> Result<Vec<OutboxEntry>, StoreError> {
        outbox_entries(&self.path.with_file_name("outbox.db"), filter, limit)
    }

    /// What is in one of them, while it is not delivered.
    pub fn outbox_content(&self, reference: i64) -> Result<Option<String>, StoreError> {
        outbox_content(&self.path.with_file_name("outbox.db"), reference)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn reader(&self) -> Result<Reader, StoreError> {
        if let Some(writer) = self.writer.as_ref().filter(|writer| writer.stats().queued > 0) {
            writer.flush(FRESH);
        }
        Reader::open(&self.path)
    }

    /// The last `limit` records that match, newest first.
    pub fn newest(&self, filter: &CdrFilter, limit: u32) -> Result<Vec<StoredCdr>, StoreError> {
        self.reader()?.cdrs(filter, true, limit)
    }

    /// Every record that matches, oldest first, a part at a time so that any number of them can be exported. Ends early
    /// when `each` says `false`.
    pub fn export(&self, filter: &CdrFilter, mut each: impl FnMut(StoredCdr) -> bool) -> Result<(), StoreError> {
        /// Rows in memory at once.
        const PART: u32 = 500;
        let reader = self.reader()?;
        let mut filter = filter.clone();
        loop {
            let part = reader.cdrs(&filter, false, PART)?;
            let Some(last) = part.last() else { return Ok(()) };
            filter.after = Some(last.id);
            let more = part.len() == PART as usize;
            if !part.into_iter().all(&mut each) || !more {
                return Ok(());
            }
        }
    }

    /// What flows did in calls that began between two moments (the second not included), oldest first, until `each` says
    /// `false`.
    pub fn flow_calls(&self, between: (u64, u64), each: impl FnMut(FlowCall) -> bool) -> Result<(), StoreError> {
        self.reader()?.flow_calls(between, each)
    }

    /// Events of these kinds that earlier runs of the process told since a moment in milliseconds since 1970, in order.
    pub fn earlier_events(
        &self,
        since: u64,
        kinds: &[&str],
        mut each: impl FnMut(SwitchEvent),
    ) -> Result<(), StoreError> {
        let reader = self.reader()?;
        let before = reader.last_run()?;
        reader.events(since, kinds, |run, event| {
            if run < before {
                each(event);
            }
            run < before
        })
    }

    /// Events of these kinds since a moment, in order, each with the number of the run of the process that told it, until
    /// `each` says `false`.
    pub fn events(
        &self,
        since: u64,
        kinds: &[&str],
        each: impl FnMut(i64, SwitchEvent) -> bool,
    ) -> Result<(), StoreError> {
        self.reader()?.events(since, kinds, each)
    }

    /// When the oldest of the events that are kept was told; `None` where there are none.
    pub fn oldest_event(&self) -> Result<Option<u64>, StoreError> {
        self.reader()?.oldest_event()
    }

    /// One call: its record, if it has ended, and its events in order. Both are empty for a call that was never seen.
    pub fn call(&self, call: CallId) -> Result<StoredCall, StoreError> {
        self.reader()?.call(call)
    }
}
