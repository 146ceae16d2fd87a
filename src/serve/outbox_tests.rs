//! From a flow's wish to another system's door, also across a restart.

use super::keeper::EACH_AT_ONCE;
use super::*;
use crate::ids::Redacted;
use crate::ivr::{Channel, Sources, load};
use crate::serve::outside::testing::outside_at;
use crate::store::{OutboxFilter, outbox_entries};
use crate::test_folder::TestFolder;
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const MESSAGES: &str = "messages:\n  pay_link:\n    post: ${base.crm}/v1/send\n    takes: {to: digits, account: digits}\n    body: {to: \"{to}\", text: \"{account} {reference} {caller}\"}\n  reminder:\n    post: ${base.crm}/v1/remind\n    takes: {to: digits, account: digits}\n    body: {to: \"{to}\", remind: \"{account}\"}\nmailboxes:\n  service: {}\n";

fn bundle() -> Arc<SwitchBundle> {
    let flow = "ivr: 1\nlanguages: [zh]\nsections:\n  start:\n    - pause: 1s\n    - hangup: bye\n";
    let texts = [("messages.yaml", MESSAGES), ("f.flow.yaml", flow), ("prompts/p.yaml", "bye: {zh: \"再见\"}\n")];
    let sources = Sources { files: texts.map(|(path, text)| (path.to_string(), text.to_string())).into() };
    let flows = load(&sources, None, &|_, _| None).unwrap_or_else(|found| panic!("{found:?}"));
    Arc::new(SwitchBundle { flows: Arc::new(flows), clips: BTreeMap::new() })
}

/// A system that takes requests; each is told, and answered if `answers`.
async fn system(answers: bool) -> (Arc<Outside>, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, requests) = mpsc::channel(10);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let told = told.clone();
            tokio::spawn(async move {
                let mut seen = String::new();
                while !seen.ends_with('}') {
                    let mut part = [0; 2048];
                    let length = stream.read(&mut part).await.unwrap();
                    seen.push_str(std::str::from_utf8(&part[..length]).unwrap());
                }
                told.send(seen).await.unwrap();
                match answers {
                    true => stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await.unwrap(),
                    false => std::future::pending().await,
                }
            });
        }
    });
    (Arc::new(outside_at("crm", port)), requests)
}

fn start(folder: &TestFolder, outside: Arc<Outside>) -> (OutboxHandle, mpsc::Receiver<Control>) {
    let (control, controls) = mpsc::channel(10);
    let outbox = Outbox::open(&folder.join("outbox.db"), "switch-1").unwrap();
    (OutboxHandle::start(outbox, outside, Handle::current(), control).unwrap(), controls)
}

fn post(handle: &OutboxHandle) {
    send(handle, "pay_link");
}

fn send(handle: &OutboxHandle, template: &str) {
    let to = Some(Redacted::new("13800138000".to_string()));
    let what = Post::Message { channel: Channel::Sms, template: template.into(), to };
    let text = |text: &str| Value::Text(text.into());
    let fields = vec![("account".to_string(), text("3101")), ("to".to_string(), text("13800138000"))];
    handle.post((CallId(7), 3), "01088886600".into(), what, fields, bundle());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_kept_before_its_caller_hears_of_it_and_a_restart_delivers_it_under_the_same_key() {
    let folder = TestFolder::new("outbox-delivery");
    let (outside, mut requests) = system(false).await;
    let (handle, mut controls) = start(&folder, outside);
    post(&handle);
    let Some(Control::Posted { call: CallId(7), id: 3, reference: Some(reference) }) = controls.recv().await else {
        panic!("not kept")
    };
    let first = requests.recv().await.unwrap();
    assert!(first.contains("\"text\":\"3101 100001 01088886600\"") && reference == "100001", "{first}");
    // The other system has it and never says so: the process ends, and nobody knows what became of it.
    tokio::task::spawn_blocking(move || handle.close()).await.unwrap();
    let (outside, mut requests) = system(true).await;
    let (handle, _controls) = start(&folder, outside);
    let second = requests.recv().await.unwrap();
    let key = |request: &str| request.lines().find(|line| line.starts_with("idempotency-key")).map(str::to_string);
    assert_eq!((key(&first), key(&second)), (key(&second), Some("idempotency-key: switch-1-100001".into())));
    tokio::task::spawn_blocking(move || handle.close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoken_message_of_a_box_without_an_address_stays_open_for_whoever_looks() {
    let folder = TestFolder::new("outbox-spoken");
    let (outside, _requests) = system(true).await;
    let (handle, mut controls) = start(&folder, outside);
    let mailbox = Mailbox { name: "service".into(), urgent: false };
    let kept = Kept { file: "2026/11/22/1.wav".into(), length_ms: 4_000 };
    handle.spoken(Spoken { call: CallId(7), caller: "01088886600".into(), mailbox, kept, bundle: bundle() });
    let Some(Control::Fact { fact: EventKind::Posted { what, name, .. }, .. }) = controls.recv().await else {
        panic!("not told")
    };
    assert_eq!((what.as_str(), name.as_str()), ("voicemail", "service"));
    tokio::task::spawn_blocking(move || handle.close()).await.unwrap();
    let shown = outbox_entries(&folder.join("outbox.db"), &OutboxFilter::default(), 10).unwrap();
    assert_eq!((shown[0].what.as_str(), shown[0].state.as_str()), ("voicemail", "open"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_hangs_holds_up_what_goes_to_it_and_nothing_else() {
    let folder = TestFolder::new("outbox-hanging");
    let (outside, mut requests) = system(false).await;
    let (handle, mut controls) = start(&folder, outside);
    for _ in 0..20 {
        post(&handle);
        controls.recv().await.unwrap();
    }
    for _ in 0..EACH_AT_ONCE {
        assert!(requests.recv().await.unwrap().contains("\"text\""));
    }
    send(&handle, "reminder");
    assert!(requests.recv().await.unwrap().contains("\"remind\""), "not behind the sixteen that wait");
    tokio::task::spawn_blocking(move || handle.close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_closes_what_is_done() {
    let folder = TestFolder::new("outbox-by-hand");
    let (outside, _requests) = system(true).await;
    let (handle, mut controls) = start(&folder, outside);
    let what = Post::Callback { queue: "service".into(), number: Redacted::new("138".into()), within_s: None };
    handle.post((CallId(7), 3), "138".into(), what, Vec::new(), bundle());
    controls.recv().await.unwrap();
    assert_eq!(handle.by_hand(100_001, Deed::Retry, "?".into()).await, Ok(false));
    assert_eq!(handle.by_hand(100_001, Deed::Close, "called back".into()).await, Ok(true));
    assert_eq!(handle.by_hand(100_001, Deed::Close, "again".into()).await, Ok(false));
    tokio::task::spawn_blocking(move || handle.close()).await.unwrap();
    let shown = outbox_entries(&folder.join("outbox.db"), &OutboxFilter::default(), 10).unwrap();
    assert_eq!((shown[0].state.as_str(), shown[0].why.as_deref()), ("closed", Some("called back")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoken_message_that_the_disk_refuses_is_in_its_box_as_soon_as_the_disk_takes_it() {
    let folder = TestFolder::new("outbox-refusing");
    let (outside, _requests) = system(true).await;
    let (handle, mut controls) = start(&folder, outside);
    let busy = crate::store::testing::locked(&folder.join("outbox.db"));
    let say = |file: &str| {
        let mailbox = Mailbox { name: "service".into(), urgent: true };
        let kept = Kept { file: file.into(), length_ms: 4_000 };
        handle.spoken(Spoken { call: CallId(7), caller: "010".into(), mailbox, kept, bundle: bundle() });
    };
    say("2026/11/22/1.wav");
    say("2026/11/22/2.wav");
    let told = controls.recv().await;
    let Some(Control::Fact { fact: EventKind::Alarm { text }, .. }) = told else { panic!("no alarm") };
    assert!(text.contains("2026/11/22/1.wav") && text.contains("tried again"), "{text}");
    drop(busy);
    let mut kept = Vec::new();
    while kept.len() < 2 {
        match controls.recv().await {
            Some(Control::Fact { fact: EventKind::Posted { reference, .. }, .. }) => kept.push(reference),
            Some(Control::Fact { fact, .. }) => panic!("told once: {fact:?}"),
            _ => {}
        }
    }
    assert_eq!(kept, ["100001", "100002"]);
    tokio::task::spawn_blocking(move || handle.close()).await.unwrap();
}
