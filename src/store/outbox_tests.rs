//! What is kept of messages, and in which order it is offered.

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
    let before = outbox.due(1_000, |_, _| 10).unwrap();
    drop(outbox);
    let outbox = Outbox::open(&path, "second").unwrap();
    assert_eq!(outbox.due(1_000, |_, _| 10).unwrap(), before);
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
    assert_eq!(
        (outbox.due(8_999, |_, _| 10).unwrap().len(), outbox.next_due(1_000, 60_000).unwrap()),
        (0, Some(9_000))
    );
    assert_eq!(outbox.due(9_000, |_, _| 10).unwrap()[0].tries, 1);
    let open = outbox.put(("callback", "service"), 7, 1_000, |_| Ok(Content::Read("{}".into()))).unwrap();
    assert_eq!(outbox.counts(), OutboxCounts { waiting: 1, open: 1, failed: 0 });
    assert_eq!(outbox_content(&path, open.parse().unwrap()).unwrap().as_deref(), Some("{}"));
    outbox.settle(2, OutboxState::Failed, Some("404")).unwrap();
    assert_eq!(outbox_content(&path, 100_002).unwrap().as_deref(), Some("to 100002"), "given up, not thrown away");
    assert_eq!(outbox_content(&path, 7).unwrap(), None);
    let shown = outbox_entries(&path, &OutboxFilter::default(), 10).unwrap();
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
    assert_eq!(outbox.counts(), OutboxCounts::default());
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
    let boxes: Boxes = [("1001".to_string(), (2, 1)), ("service".to_string(), (1, 0))].into();
    assert_eq!((outbox.changed_boxes().unwrap(), outbox.changed_boxes().unwrap()), (Some(boxes), None));
    outbox.close(100_002, "heard").unwrap();
    assert_eq!(outbox.changed_boxes().unwrap().unwrap()["1001"], (1, 0));
}

#[test]
fn many_for_one_system_hide_none_for_another() {
    let folder = TestFolder::new("outbox-each");
    let mut outbox = Outbox::open(&folder.join("outbox.db"), "a").unwrap();
    (0..50).for_each(|_| _ = put(&mut outbox));
    outbox.put(("form", "report"), 7, 2_000, |_| Ok(Content::Deliver("form".into()))).unwrap();
    let due: Vec<_> = outbox.due(2_000, |_, _| 3).unwrap().into_iter().map(|due| (due.id, due.name)).collect();
    let expected = [(51, "report"), (1, "pay_link"), (2, "pay_link"), (3, "pay_link")];
    assert_eq!(due, expected.map(|(id, name)| (id, name.to_string())));
    let to_others: Vec<_> = outbox.due(2_000, |_, name| usize::from(name != "pay_link")).unwrap();
    assert_eq!(to_others.iter().map(|due| due.id).collect::<Vec<_>>(), [51], "one that is busy is not even looked at");
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
    assert_eq!((outbox.due(5_000, |_, _| 10).unwrap()[0].tries, outbox.counts().failed), (0, 0));
    assert!(outbox.close(100_002, "called back").unwrap());
    assert!(!outbox.close(100_002, "again").unwrap());
    assert_eq!(outbox_content(&path, 100_002).unwrap(), None, "nothing is kept of what is done");
    let shown = outbox_entries(&path, &OutboxFilter::default(), 1).unwrap();
    assert_eq!((shown[0].state.as_str(), shown[0].why.as_deref()), ("closed", Some("called back")));
    assert_eq!(outbox.counts(), OutboxCounts { waiting: 1, open: 0, failed: 0 });
}

/// Steps that SQLite takes for what is done, in hundreds of its instructions.
fn steps(outbox: &mut Outbox, done: impl FnOnce(&mut Outbox)) -> usize {
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = count.clone();
    let hundred = move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        false
    };
    outbox.connection.progress_handler(100, Some(hundred)).unwrap();
    done(outbox);
    outbox.connection.progress_handler(0, None::<fn() -> bool>).unwrap();
    count.load(std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn a_message_costs_the_same_however_many_wait_for_another_system() {
    let folder = TestFolder::new("outbox-backlog");
    let mut outbox = Outbox::open(&folder.join("outbox.db"), "a").unwrap();
    let work = |outbox: &mut Outbox| {
        let content = |_: &str| Ok(Content::Deliver("form".into()));
        outbox.put(("form", "report"), 7, 1_000, content).unwrap();
        let due = outbox.due(2_000, |_, _| 4).unwrap();
        outbox.next_due(2_000, 60_000).unwrap();
        outbox.settle(due.iter().find(|due| due.name == "report").unwrap().id, OutboxState::Delivered, None).unwrap();
        assert!(outbox.changed_boxes().unwrap().is_none());
    };
    outbox.changed_boxes().unwrap();
    (0..20).for_each(|_| _ = put(&mut outbox));
    let few = steps(&mut outbox, work);
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
        INSERT INTO outbox(what, name, call, made, state, request, due)
        SELECT 'sms', 'pay_link', 7, 1000, 'waiting', 'to', 1000 FROM n";
    outbox.connection.execute_batch(fill).unwrap();
    let many = steps(&mut outbox, work);
    assert!(many <= few + 3, "{few} hundred steps with 20 that wait, {many} hundred with 50,000");
}

#[test]
fn what_was_put_off_by_a_clock_that_was_ahead_is_due_when_the_clock_is_right() {
    let folder = TestFolder::new("outbox-clock");
    let mut outbox = Outbox::open(&folder.join("outbox.db"), "a").unwrap();
    put(&mut outbox);
    let (hour, day) = (3_600_000, 86_400_000);
    outbox.put_off(1, 1_000 + hour, "away").unwrap();
    assert_eq!(outbox.next_due(1_000, hour).unwrap(), Some(1_000 + hour), "no later than it may be");
    outbox.put_off(1, 1_000 + day, "away").unwrap();
    assert_eq!(outbox.next_due(1_000, hour).unwrap(), Some(1_000));
    assert_eq!(outbox.due(1_000, |_, _| 1).unwrap().len(), 1);
}

#[test]
fn what_somebody_has_to_see_to_is_listed_before_a_thousand_deliveries() {
    let folder = TestFolder::new("outbox-list");
    let path = folder.join("outbox.db");
    let mut outbox = Outbox::open(&path, "a").unwrap();
    outbox.put(("callback", "service"), 7, 1_000, |_| Ok(Content::Read("{}".into()))).unwrap();
    (0..1_001).for_each(|_| _ = put(&mut outbox));
    (2..=1_001).for_each(|id| outbox.settle(id, OutboxState::Delivered, None).unwrap());
    let list = |state: Option<OutboxState>, before: Option<i64>, most: u32| {
        let filter = OutboxFilter { state, before };
        let found = outbox_entries(&path, &filter, most).unwrap();
        found.into_iter().map(|entry| entry.reference).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 2), ["100001", "101002"]);
    assert_eq!(list(Some(OutboxState::Delivered), None, 1), ["101001"]);
    assert_eq!(list(Some(OutboxState::Delivered), Some(101_001), 1), ["101000"]);
    assert_eq!(list(Some(OutboxState::Waiting), None, 10), ["101002"]);
    assert!(list(Some(OutboxState::Failed), None, 10).is_empty() && list(None, Some(i64::MIN), 10).is_empty());
}
