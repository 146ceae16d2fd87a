//! What is left in the file after a stop, a kill, a lock; and that the sender never waits.

use super::*;
use crate::cdr::Cdr;
use crate::events::{Cause, EndedBy, EventKind, Refusal, Source, SwitchEvent};
use crate::ids::{AgentId, CallId, LegId, Redacted, TrunkId};
use crate::test_folder::TestFolder;
use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const T0: u64 = 1_760_000_000_000;

fn folder(name: &str) -> TestFolder {
    TestFolder::new(name)
}

fn open(folder: &Path) -> (Store, Receiver<String>) {
    let (options, alarms) = options(folder);
    (Store::open(options).unwrap(), alarms)
}

fn options(folder: &Path) -> (StoreOptions, Receiver<String>) {
    let (alarm, alarms) = channel();
    let options = StoreOptions {
        path: folder.join("hotline.db"),
        // What the tests tell happened long ago.
        cdr_days: 36_500,
        journal_days: 36_500,
        wall: T0 + 3_600_000,
        recovered: Vec::new(),
        alarm: Box::new(move |text| drop(alarm.send(text))),
        reader: Box::new(|_| ()),
    };
    (options, alarms)
}

/// Events of a small switch: `at` is milliseconds since its start.
struct Teller {
    seq: u64,
}

impl Teller {
    fn say(&mut self, handle: &StoreHandle, at: u64, call: u64, kind: EventKind) {
        self.seq += 1;
        let event = SwitchEvent { seq: self.seq, wall: T0 + at, mono: at, call: Some(CallId(call)), kind };
        assert!(handle.record(event));
    }

    fn arrives(&mut self, handle: &StoreHandle, at: u64, call: u64) {
        let kind = EventKind::CallArrived {
            from: Redacted::new(format!("1380000{call:04}")),
            to: "95598".into(),
            source: Source::Trunk(TrunkId::new("carrier")),
            sip_call_id: format!("id-{call}@test"),
            leg: LegId(call),
            project: None,
        };
        self.say(handle, at, call, kind);
    }

    fn ends(&mut self, handle: &StoreHandle, at: u64, call: u64) {
        self.say(handle, at, call, EventKind::CallEnded { cause: Cause::Normal, by: EndedBy::Caller });
    }
}

fn all(records: &Records) -> Vec<Cdr> {
    let mut found = Vec::new();
    records
        .export(&CdrFilter::default(), |stored| {
            found.push(stored.record().unwrap());
            true
        })
        .unwrap();
    found
}

/// Waits, while the database is locked, until the spool has so many events.
fn until_spooled(store: &Store, place: &Path, events: usize) {
    for _ in 0..1_000 {
        let spool = fs::read_to_string(place.join("hotline.spool")).unwrap();
        if spool.lines().filter(|line| !line.is_empty()).count() == events && spool.ends_with('\n') {
            return;
        }
        // Refused by the lock, and time for the writer.
        store.handle.flush(Duration::from_millis(20));
    }
    panic!("not in the spool");
}

/// The folder as a kill -9 at this moment would leave it.
fn killed(from: &Path, name: &str) -> TestFolder {
    let to = folder(name);
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    to
}

#[test]
fn a_call_that_ended_has_its_record_and_its_events() {
    let place = folder("ended");
    let (store, _) = open(&place);
    let mut teller = Teller { seq: 0 };
    teller.arrives(&store.handle, 0, 7);
    teller.say(&store.handle, 100, 7, EventKind::CallAnswered { leg: LegId(7) });
    teller.ends(&store.handle, 5_100, 7);
    assert!(store.handle.flush(LIMIT));
    let records = all(&store.records);
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].call_id, records[0].duration_ms, records[0].cause), (Some(CallId(7)), 5_100, Cause::Normal));
    let call = store.records.call(CallId(7)).unwrap();
    let events: Vec<SwitchEvent> = call.events.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
    assert_eq!(events.iter().map(|event| event.mono).collect::<Vec<_>>(), [0, 100, 5_100]);
    assert_eq!(call.record.unwrap().record().unwrap(), records[0]);
    assert_eq!(store.records.call(CallId(8)).unwrap(), StoredCall::default());
}

#[test]
fn after_a_kill_open_calls_are_recorded_as_interrupted_and_ended_ones_as_they_were() {
    let place = folder("alive");
    let (store, _) = open(&place);
    let mut teller = Teller { seq: 0 };
    for call in 1..=100 {
        teller.arrives(&store.handle, call, call);
    }
    teller.ends(&store.handle, 60_000, 50);
    assert!(store.handle.flush(LIMIT));

    let killed_once = killed(&place, "killed");
    let (again, _) = open(&killed_once);
    assert_eq!(again.interrupted, 99);
    let records = all(&again.records);
    assert_eq!(records.len(), 100);
    let normal: Vec<_> = records.iter().filter(|cdr| cdr.cause == Cause::Normal).map(|cdr| cdr.call_id).collect();
    assert_eq!(normal, [Some(CallId(50))]);
    let first = records.iter().find(|cdr| cdr.call_id == Some(CallId(1))).unwrap();
    assert_eq!((first.cause, first.end), (Cause::Interrupted, EndedBy::System));
    assert_eq!(first.ended, T0 + 60_000, "it was up at least until the last sign of life");
    let events = again.records.call(CallId(1)).unwrap().events;
    let last: SwitchEvent = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(last.kind, EventKind::CallEnded { cause: Cause::Interrupted, by: EndedBy::System });
    assert_eq!((last.wall, last.mono), (T0 + 60_000, 60_000), "no earlier than what happened before");

    let killed_again = killed(&again_path(&again), "killed-again");
    let (third, _) = open(&killed_again);
    assert_eq!((third.interrupted, all(&third.records).len()), (0, 100), "an interrupted call is closed once");
}

fn again_path(store: &Store) -> PathBuf {
    store.records.path().parent().unwrap().to_path_buf()
}

/// The database as it was at the last commit, the spool as it is now: a kill between two commits.
#[test]
fn a_kill_between_two_commits_loses_nothing_that_was_in_the_spool() {
    let place = folder("between");
    let (store, _) = open(&place);
    let mut teller = Teller { seq: 0 };
    teller.arrives(&store.handle, 0, 1);
    teller.arrives(&store.handle, 1, 2);
    assert!(store.handle.flush(LIMIT));
    let before = killed(&place, "between-before");
    let lock = sqlite::Lock::take(&place.join("hotline.db"));
    teller.ends(&store.handle, 10_000, 1);
    teller.arrives(&store.handle, 11_000, 3);
    let refused = EventKind::CallRefused {
        from: Redacted::new("1".into()),
        to: "2".into(),
        reason: Refusal::NotOpen,
        status: 403,
        source: None,
        budget: None,
        class: None,
        sip_call_id: String::new(),
    };
    teller.say(&store.handle, 12_000, 4, refused);
    until_spooled(&store, &place, 3);
    fs::copy(place.join("hotline.spool"), before.join("hotline.spool")).unwrap();
    drop(lock);

    let (again, _) = open(&before);
    let causes: Vec<_> = all(&again.records).iter().map(|cdr| (cdr.call_id, cdr.cause, cdr.duration_ms)).collect();
    assert_eq!(
        causes,
        [
            (Some(CallId(4)), Cause::Forbidden, 0),
            (Some(CallId(1)), Cause::Normal, 10_000),
            (Some(CallId(2)), Cause::Interrupted, 11_999),
            (Some(CallId(3)), Cause::Interrupted, 1_000),
        ]
    );
    assert_eq!(again.interrupted, 2);
    assert_eq!(again.records.call(CallId(1)).unwrap().events.len(), 2);
}

#[test]
fn what_is_in_the_spool_and_in_the_database_is_counted_once() {
    let place = folder("once");
    let (store, _) = open(&place);
    let lock = sqlite::Lock::take(&place.join("hotline.db"));
    Teller { seq: 0 }.arrives(&store.handle, 0, 1);
    until_spooled(&store, &place, 1);
    let spool = fs::read(place.join("hotline.spool")).unwrap();
    drop(lock);
    assert!(store.handle.flush(LIMIT));
    assert_eq!(fs::read(place.join("hotline.spool")).unwrap(), b"", "a commit empties the spool");
    let dead = killed(&place, "once-dead");
    fs::write(dead.join("hotline.spool"), spool).unwrap();
    let (again, _) = open(&dead);
    assert_eq!(again.records.call(CallId(1)).unwrap().events.len(), 2, "its arrival and its interruption");
}

#[test]
fn a_reader_sees_what_was_recorded_just_before() {
    let place = folder("fresh");
    let (store, _) = open(&place);
    let mut teller = Teller { seq: 0 };
    teller.arrives(&store.handle, 0, 1);
    teller.ends(&store.handle, 1, 1);
    assert_eq!(all(&store.records).len(), 1);
}

#[test]
fn a_stop_writes_all_and_leaves_nothing_open() {
    let place = folder("stop");
    let (store, _) = open(&place);
    let mut teller = Teller { seq: 0 };
    for call in 1..=2_000 {
        teller.arrives(&store.handle, call, call);
        teller.ends(&store.handle, call + 1, call);
    }
    assert!(store.handle.close(LIMIT));
    let (again, _) = open(&place);
    assert_eq!((again.interrupted, all(&again.records).len()), (0, 2_000));
}

#[test]
fn while_the_database_is_locked_nothing_is_lost_and_nobody_waits_and_an_alarm_is_raised() {
    let place = folder("locked");
    let (store, alarms) = open(&place);
    let lock = sqlite::Lock::take(&place.join("hotline.db"));
    let mut teller = Teller { seq: 0 };
    for call in 1..=1_500 {
        teller.arrives(&store.handle, call, call);
        teller.ends(&store.handle, call, call);
    }
    let alarm = alarms.recv_timeout(LIMIT).unwrap();
    assert!(alarm.contains("another program holds the database") && alarm.contains("wait in memory"), "{alarm}");
    assert!(store.handle.stats().queued == 3_000 && store.handle.stats().failures >= 1);
    drop(lock);
    assert!(store.handle.flush(LIMIT));
    assert_eq!(all(&store.records).len(), 1_500);
    assert!(alarms.recv_timeout(LIMIT).unwrap().contains("written again"));
    assert_eq!(store.handle.stats().dropped, 0);
}

#[test]
fn a_full_queue_drops_steps_first_counts_them_and_keeps_each_calls_record() {
    let place = folder("full");
    let (store, alarms) = open(&place);
    let lock = sqlite::Lock::take(&place.join("hotline.db"));
    let mut teller = Teller { seq: 0 };
    teller.arrives(&store.handle, 0, 1);
    let mut refused = 0;
    for at in 1..=100_010 {
        let kind = EventKind::Tagged { tag: "x".into() };
        let event = SwitchEvent { seq: at, wall: T0, mono: at, call: Some(CallId(1)), kind };
        refused += u64::from(!store.handle.record(event));
    }
    teller.ends(&store.handle, 200_000, 1);
    assert_eq!((refused, store.handle.stats().dropped), (11, 11));
    alarms.recv_timeout(LIMIT).unwrap();
    drop(lock);
    assert!(store.handle.flush(Duration::from_secs(60)));
    assert_eq!(all(&store.records)[0].duration_ms, 200_000);
    assert!(alarms.recv_timeout(LIMIT).unwrap().contains("11 events were lost"));
}

#[test]
fn a_second_switch_on_the_same_state_folder_is_refused() {
    let place = folder("twice");
    let (store, _) = open(&place);
    let options = StoreOptions {
        path: place.join("hotline.db"),
        cdr_days: 1,
        journal_days: 1,
        recovered: Vec::new(),
        wall: T0,
        alarm: Box::new(|_| ()),
        reader: Box::new(|_| ()),
    };
    let error = Store::open(options).err().unwrap().to_string();
    assert!(error.contains("another hotline uses this state folder"), "{error}");
    assert!(store.handle.close(LIMIT));
    open(&place);
}

#[test]
fn records_are_found_by_each_condition_and_in_pages() {
    let place = folder("filter");
    let (store, _) = open(&place);
    let mut teller = Teller { seq: 0 };
    for call in 1..=30 {
        teller.arrives(&store.handle, call * 1000, call);
        if call % 3 == 0 {
            let (a, b, agent) = (LegId(call), LegId(call + 1000), Some(AgentId::new("1001")));
            teller.say(&store.handle, call * 1000, call, EventKind::Bridged { a, b, agent });
        }
        teller.ends(&store.handle, call * 1000 + 500, call);
    }
    let refused = EventKind::CallRefused {
        from: Redacted::new("x' OR 1=1 --".into()),
        to: "1".into(),
        reason: Refusal::NotOpen,
        status: 403,
        source: None,
        budget: None,
        class: None,
        sip_call_id: String::new(),
    };
    store.handle.record(SwitchEvent { seq: 99, wall: T0 + 40_000, mono: 40_000, call: None, kind: refused });
    assert!(store.handle.flush(LIMIT));
    let count = |filter: CdrFilter| store.records.newest(&filter, 1000).unwrap().len();
    assert_eq!(count(CdrFilter::default()), 31);
    assert_eq!(count(CdrFilter { since: Some(T0 + 10_000), until: Some(T0 + 20_000), ..Default::default() }), 10);
    assert_eq!(count(CdrFilter { agent: Some("1001".into()), ..Default::default() }), 10);
    assert_eq!(count(CdrFilter { from: Some("13800000007".into()), ..Default::default() }), 1);
    assert_eq!(count(CdrFilter { cause: Some("forbidden".into()), ..Default::default() }), 1);
    assert_eq!(
        count(CdrFilter { from: Some("x' OR 1=1 --".into()), ..Default::default() }),
        1,
        "a caller's name is data"
    );
    let page = store.records.newest(&CdrFilter::default(), 20).unwrap();
    let rest = CdrFilter { before: Some(page.last().unwrap().id), ..Default::default() };
    assert_eq!(count(rest), 11);
}

#[test]
fn an_export_goes_through_any_number_of_records_in_order_and_can_be_broken_off() {
    let place = folder("export");
    let (store, _) = open(&place);
    let mut teller = Teller { seq: 0 };
    for call in 1..=1_200 {
        teller.arrives(&store.handle, call, call);
        teller.ends(&store.handle, call, call);
    }
    assert!(store.handle.flush(LIMIT));
    let calls: Vec<u64> = all(&store.records).iter().map(|cdr| cdr.call_id.unwrap().0).collect();
    assert!(calls.iter().copied().eq(1..=1_200));
    let mut seen = 0;
    store
        .records
        .export(&CdrFilter::default(), |_| {
            seen += 1;
            seen < 700
        })
        .unwrap();
    assert_eq!(seen, 700);
}

#[test]
fn old_rows_go_and_the_events_of_a_running_call_stay() {
    let place = folder("old");
    fs::create_dir_all(&place).unwrap();
    let mut database = sqlite::Database::open(&place.join("hotline.db")).unwrap();
    database.close_open_calls(T0, &[]).unwrap();
    let mut batch = sqlite::Batch::default();
    let mut fold = crate::cdr::Fold::new();
    let mut push = |at: u64, call: u64, kind: EventKind| {
        let event = SwitchEvent { seq: at, wall: T0 + at, mono: at, call: Some(CallId(call)), kind };
        let record = fold.apply(&event);
        batch.push(&event, record);
    };
    let arrived = |call: u64| EventKind::CallArrived {
        from: Redacted::new("1".into()),
        to: "2".into(),
        source: Source::Extension(AgentId::new("1001")),
        sip_call_id: String::new(),
        leg: LegId(call),
        project: None,
    };
    push(0, 1, arrived(1));
    push(1, 2, arrived(2));
    push(2, 1, EventKind::CallEnded { cause: Cause::Normal, by: EndedBy::Caller });
    database.commit(&mut batch, 10).unwrap();
    let day = 86_400_000;
    let left = |database: &mut sqlite::Database, wall| {
        database.prune(wall, 10, 5);
        let records = Records::of(&place.join("hotline.db"));
        (
            records.call(CallId(1)).unwrap().events.len(),
            records.call(CallId(2)).unwrap().events.len(),
            all(&records).len(),
        )
    };
    assert_eq!(left(&mut database, T0 + 4 * day), (2, 1, 1));
    assert_eq!(left(&mut database, T0 + 6 * day), (0, 1, 1));
    assert_eq!(left(&mut database, T0 + 11 * day), (0, 1, 0));
    // A clock that was a year ahead and has been set right since.
    let event = SwitchEvent { seq: 3, wall: T0 + 400 * day, mono: 3, call: None, kind: EventKind::Draining };
    batch.push(&event, None);
    database.commit(&mut batch, 10).unwrap();
    let rows = || -> i64 {
        let reader = rusqlite::Connection::open(place.join("hotline.db")).unwrap();
        reader.query_row("SELECT count(*) FROM journal WHERE wall > ?1", [T0 as i64], |row| row.get(0)).unwrap()
    };
    let before = rows();
    database.prune(T0 + 12 * day, 10, 5);
    assert_eq!(rows(), before - 1, "what a clock ahead wrote does not stay for a year");
}

#[test]
fn a_database_of_a_newer_hotline_is_left_alone() {
    let place = folder("newer");
    let (store, _) = open(&place);
    assert!(store.handle.close(LIMIT));
    sqlite::Lock::run(&place.join("hotline.db"), "UPDATE meta SET value = '99' WHERE key = 'layout'");
    let error = sqlite::Database::open(&place.join("hotline.db")).err().unwrap().to_string();
    assert!(error.contains("made by a newer hotline"), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_named_with_what_to_do() {
    let place = folder("garbage");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("hotline.db"), vec![0x55; 10_000]).unwrap();
    let error = sqlite::Database::open(&place.join("hotline.db")).err().unwrap().to_string();
    assert!(error.contains("hotline.db") && error.contains("move it away"), "{error}");
}

#[cfg(unix)]
#[test]
fn only_this_user_can_read_what_is_written() {
    use std::os::unix::fs::PermissionsExt;
    let parent = folder("rights");
    let place = parent.join("state");
    let (store, _) = open(&place);
    Teller { seq: 0 }.arrives(&store.handle, 0, 1);
    assert!(store.handle.flush(LIMIT));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place), 0o700);
    for entry in fs::read_dir(&place).unwrap().map(Result::unwrap) {
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
    }
}

#[test]
fn a_quiet_call_that_a_kill_interrupts_ends_with_the_last_sign_of_life() {
    let place = folder("quiet");
    let (store, _) = open(&place);
    let mut teller = Teller { seq: 0 };
    teller.arrives(&store.handle, 0, 7);
    teller.say(&store.handle, 2, 7, EventKind::CallAnswered { leg: LegId(7) });
    teller.arrives(&store.handle, 3, 8);
    let file = "2025-10-09/7.wav".to_string();
    teller.say(&store.handle, 3, 7, EventKind::RecordingStarted { file: file.clone() });
    assert!(store.handle.flush(LIMIT));

    let beat = killed(&place, "beat");
    sqlite::Lock::run(
        &beat.join("hotline.db"),
        &format!("INSERT OR REPLACE INTO meta VALUES('alive', {})", T0 + 5_000),
    );
    let (again, _) = open(&beat);
    let records = all(&again.records);
    assert_eq!(records.iter().map(|record| record.duration_ms).collect::<Vec<_>>(), [5_000, 4_997]);
    assert_eq!((records[0].ended, records[0].connected_ms), (T0 + 5_000, 4_998));

    let recorded = killed(&place, "recorded");
    let (mut options, _alarms) = options(&recorded);
    options.recovered = vec![
        RecoveredRecording { file: "2025-10-09/1.wav".into(), length_ms: 9, last_wall: T0 + 9_000 },
        RecoveredRecording { file: file.clone(), length_ms: 6_400, last_wall: T0 + 6_900 },
    ];
    let again = Store::open(options).unwrap();
    let records = all(&again.records);
    assert_eq!((records[0].duration_ms, records[0].recording_ms), (6_900, 6_400));
    assert_eq!((records[0].recording.as_ref(), records[0].cause), (Some(&file), Cause::Interrupted));
    let told = again.records.call(CallId(7)).unwrap().events;
    assert!(told.iter().any(|event| event.contains("recording_ended")), "{told:?}");
    // And a second start finds nothing more.
    drop(again);
    let place = killed(&recorded, "third");
    let (third, _) = open(&place);
    assert_eq!((third.interrupted, all(&third.records).len()), (0, 2));
}

#[test]
fn what_was_brought_in_from_the_spool_is_gone_from_it_before_the_next_run_begins() {
    let place = folder("replayed");
    let (store, _) = open(&place);
    let mut teller = Teller { seq: 0 };
    let lock = sqlite::Lock::take(&place.join("hotline.db"));
    teller.arrives(&store.handle, 0, 7);
    teller.ends(&store.handle, 10, 7);
    until_spooled(&store, &place, 2);
    let left = killed(&place, "replayed-left");
    drop(lock);
    // The next start ends right before its run begins.
    let stop = "CREATE TRIGGER stop BEFORE INSERT ON run BEGIN SELECT RAISE(ABORT, 'killed here'); END";
    sqlite::Lock::run(&left.join("hotline.db"), stop);
    let (broken_off, _alarms) = options(&left);
    assert!(Store::open(broken_off).is_err());
    assert_eq!(fs::read(left.join("hotline.spool")).unwrap(), b"");
    sqlite::Lock::run(&left.join("hotline.db"), "DROP TRIGGER stop");
    let (again, _) = open(&left);
    assert_eq!(all(&again.records).len(), 1);
    assert_eq!(again.records.call(CallId(7)).unwrap().events.len(), 2);
}

#[test]
fn a_spool_that_cannot_be_written_is_told_once_though_the_database_takes_all() {
    let place = folder("spool-full");
    private_folder(&place).unwrap();
    let (options, alarms) = options(&place);
    let lock = claim(&options.path).unwrap();
    let mut database = sqlite::Database::open(&options.path).unwrap();
    database.close_open_calls(T0, &[]).unwrap();
    let handle = StoreHandle::spawn(database, spool::Spool::full(), lock, options).unwrap();
    let mut teller = Teller { seq: 0 };
    for call in 1..20 {
        teller.arrives(&handle, call, call);
        assert!(handle.flush(LIMIT));
    }
    assert_eq!(handle.stats().written, 19);
    assert!(handle.stats().failures >= 19);
    let told: Vec<_> = alarms.try_iter().collect();
    assert!(told.len() == 1 && told[0].contains("a kill would cost"), "{told:?}");
}

#[test]
fn a_writer_that_stops_by_a_fault_says_so_and_senders_are_refused() {
    let (mut options, alarms) = options(&folder("fault"));
    options.reader = Box::new(|_| panic!("a fault of ours"));
    let store = Store::open(options).unwrap();
    let mut teller = Teller { seq: 0 };
    teller.arrives(&store.handle, 0, 1);
    teller.ends(&store.handle, 1, 1);
    assert!(!store.handle.flush(LIMIT));
    assert!(alarms.recv_timeout(LIMIT).unwrap().contains("written no more"));
    let event = SwitchEvent { seq: 9, wall: T0, mono: 9, call: None, kind: EventKind::Draining };
    assert!(!store.handle.record(event));
    assert_eq!(store.handle.stats().dropped, 1);
}

#[test]
fn what_was_kept_last_is_there_after_a_stop_and_after_a_kill() {
    let place = folder("kept");
    let (store, _) = open(&place);
    assert!(store.kept.is_empty());
    let value = |n: u32| Some(format!("value {n}"));
    for n in 0..3 {
        store.handle.keep("1001", value(n));
    }
    store.handle.keep("1002", value(9));
    assert!(store.handle.flush(LIMIT));
    // Not yet in the database when the process is killed.
    let lock = sqlite::Lock::take(&place.join("hotline.db"));
    store.handle.keep("1001", value(3));
    store.handle.keep("1002", None);
    until_spooled(&store, &place, 2);
    let after_kill = killed(&place, "kept-killed");
    drop(lock);
    let (killed, _) = open(&after_kill);
    assert_eq!(killed.kept, [("1001".to_string(), "value 3".to_string())]);
    store.handle.keep("1003", value(1));
    assert!(store.handle.close(LIMIT));
    drop(store);
    let (stopped, _) = open(&place);
    let names: Vec<&str> = stopped.kept.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["1001", "1003"]);
}

#[test]
fn the_events_of_earlier_runs_are_read_back_in_order_and_those_of_this_one_are_not() {
    let place = folder("earlier");
    let (store, _) = open(&place);
    let mut teller = Teller { seq: 0 };
    for call in 1..=3 {
        teller.arrives(&store.handle, call, call);
    }
    // One commit keeps the events of each call together.
    for call in (1..=3).rev() {
        teller.ends(&store.handle, 100 - call, call);
    }
    assert!(store.handle.close(LIMIT));
    drop(store);
    let (store, _) = open(&place);
    Teller { seq: 0 }.arrives(&store.handle, 1, 9);
    assert!(store.handle.flush(LIMIT));
    let read = |since| {
        let mut calls = Vec::new();
        store.records.earlier_events(since, &["call_ended"], |event| calls.push(event.call.unwrap().0)).unwrap();
        calls
    };
    assert_eq!(read(0), [3, 2, 1]);
    assert_eq!(read(T0 + 10_000), [] as [u64; 0]);
    assert!(store.handle.close(LIMIT));
}

#[test]
fn what_an_agent_says_of_a_call_after_its_end_is_in_the_record_that_was_written() {
    let folder = folder("disposed");
    let (store, _alarms) = open(&folder);
    let (mut teller, handle) = (Teller { seq: 0 }, store.handle.clone());
    let says = |code: &str| EventKind::Disposed { agent: AgentId::new("1001"), code: code.into() };
    for call in [1, 2] {
        teller.arrives(&handle, 0, call);
        teller.ends(&handle, 1_000, call);
    }
    assert!(handle.flush(LIMIT));
    teller.say(&handle, 2_000, 1, says("fault"));
    teller.say(&handle, 3_000, 1, says("billing/refund"));
    teller.say(&handle, 3_000, 7, says("of no call"));
    let records = all(&store.records);
    let said = records.iter().map(|record| (record.call_id, record.disposition.as_deref()));
    let mut said: Vec<_> = said.collect();
    said.sort();
    assert_eq!(said, [(Some(CallId(1)), Some("billing/refund")), (Some(CallId(2)), None)]);
}
