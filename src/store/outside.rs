//! One row of somebody else's SQLite database, read and never written.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value as Json;
use std::path::Path;
use std::time::{Duration, Instant};

/// Steps of SQLite's machine between two looks at the clock: some 10 us.
const STEPS: i32 = 1_000;
/// Of a text in a column; a flow's variable holds less.
const MAX_COLUMN: usize = 4_096;

/// A column's name and what is in it.
pub type Row = Vec<(String, Json)>;

/// The first row of `query`, whose `:name` parameters are bound. `Err` is a sentence for an operator, without values.
/// Blocks up to `limit`.
pub fn one_row(
    path: &Path,
    query: &str,
    parameters: &[(String, String)],
    limit: Duration,
) -> Result<Option<Row>, String> {
    let end = Instant::now() + limit;
    // Not `CREATE`: a misspelt path is an error, not an empty database.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::OperationInterrupted) => "it took too long".to_string(),
        // Its text may quote the query, which is the admin's own; values are bound and never in it.
        _ => error.to_string(),
    };
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(limit).map_err(failed)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    connection.progress_handler(STEPS, Some(move || Instant::now() >= end)).map_err(failed)?;
    let mut statement = connection.prepare(query).map_err(failed)?;
    if !statement.readonly() {
        return Err("the query would change the database".into());
    }
    for (name, value) in parameters {
        if let Some(index) = statement.parameter_index(&format!(":{name}")).map_err(failed)? {
            statement.raw_bind_parameter(index, value).map_err(failed)?;
        }
    }
    let names: Vec<String> = statement.column_names().map(str::to_string).collect();
    let mut rows = statement.raw_query();
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let read = |(index, name): (usize, String)| {
        let value = match row.get_ref(index).ok()? {
            ValueRef::Null | ValueRef::Blob(_) => Json::Null,
            ValueRef::Integer(whole) => Json::from(whole),
            ValueRef::Real(real) => Json::from(real),
            ValueRef::Text(text) if text.len() <= MAX_COLUMN => Json::from(String::from_utf8_lossy(text)),
            ValueRef::Text(_) => Json::Null,
        };
        Some((name, value))
    };
    Ok(Some(names.into_iter().enumerate().filter_map(read).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    fn customers(folder: &TestFolder) -> std::path::PathBuf {
        let path = folder.join("crm.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "create table customer(phone text, area text, vip int); insert into customer values('138', '城关', 1)",
            )
            .unwrap();
        path
    }

    fn ask(path: &Path, query: &str, phone: &str) -> Result<Option<Row>, String> {
        one_row(path, query, &[("phone".into(), phone.into())], Duration::from_millis(300))
    }

    #[test]
    fn a_row_is_found_by_a_bound_parameter_and_none_by_words_of_sql_in_it() {
        let folder = TestFolder::new("outside-row");
        let path = customers(&folder);
        let query = "select area, vip from customer where phone = :phone";
        let row = ask(&path, query, "138").unwrap().unwrap();
        assert_eq!(row, [("area".to_string(), Json::from("城关")), ("vip".to_string(), Json::from(1))]);
        assert_eq!(ask(&path, query, "' or 1=1 --").unwrap(), None);
    }

    #[test]
    fn nothing_can_be_changed_and_a_query_without_end_is_broken_off() {
        let folder = TestFolder::new("outside-limits");
        let path = customers(&folder);
        assert!(ask(&path, "delete from customer", "").is_err());
        let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
        assert_eq!(ask(&path, endless, "").unwrap_err(), "it took too long");
        assert!(ask(&folder.join("no.db"), "select 1", "").is_err());
        assert!(!folder.join("no.db").exists());
    }
}
