//! Lookups against systems that do what no system should, in the time that a caller has.

use super::*;
use crate::api::demo_systems;
use crate::ivr::{Sources, Type, load};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LOOKUPS: &str = r#"
lookups:
  bill:
    get: ${base.crm}/v1/bill
    query: {acct: "{account}"}
    takes: {account: digits}
    gives: {balance: {type: money, at: /data/balance_fen, unit: fen}}
    not_found: {status: 404}
  cached_bill:
    get: ${base.crm}/v1/bill
    cache: 5m
    takes: {account: digits}
    query: {acct: "{account}"}
    gives: {balance: {type: money, at: /data/balance_fen, unit: fen}}
  order:
    post: ${base.crm}/v1/order
    takes: {account: digits}
    body: {acct: "{account}"}
"#;

fn bundle() -> Bundle {
    let flow = "ivr: 1\nlanguages: [zh]\nsections:\n  start:\n    - pause: 1s\n    - hangup: bye\n";
    let texts = [("lookups.yaml", LOOKUPS), ("f.flow.yaml", flow), ("prompts/p.yaml", "bye: {zh: \"再见\"}\n")];
    let sources = Sources { files: texts.map(|(path, text)| (path.to_string(), text.to_string())).into() };
    load(&sources, None, &|_, _| None)
        .unwrap_or_else(|found| panic!("{}", found.iter().map(|f| f.to_string()).collect::<String>()))
}

/// A system that does `serve` with every connection, and how many there were.
async fn system<F>(serve: fn(TcpStream, u32) -> F) -> (Outside, Arc<AtomicU32>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, counted.fetch_add(1, Ordering::Relaxed)));
        }
    });
    (testing::outside_at("crm", port), count)
}

async fn heard(stream: &mut TcpStream) {
    let mut request = [0; 2048];
    let _ = stream.read(&mut request).await;
}

async fn say(mut stream: TcpStream, text: &str) {
    heard(&mut stream).await;
    let _ = stream.write_all(text.as_bytes()).await;
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn ask(outside: &Outside, lookup: &str) -> LookupResult {
    let args = [("account".to_string(), Value::Digits("3101234569".into()))];
    outside.look_up(&bundle(), lookup, &args, Duration::from_millis(400)).await
}

fn balance(yuan: &str) -> LookupResult {
    LookupResult::Found([("balance".to_string(), Type::Money.read(yuan).unwrap())].into())
}

fn outcomes(outside: &Outside) -> Vec<(&'static str, u64)> {
    outside.figures().outcomes.into_iter().collect()
}

#[tokio::test]
async fn fen_become_yuan_and_404_is_not_found() {
    let (outside, _) =
        system(|stream, _| async move { say(stream, &ok(r#"{"data":{"balance_fen":120530}}"#)).await }).await;
    assert_eq!(ask(&outside, "bill").await, balance("1205.30"));
    let (outside, _) =
        system(|stream, _| say_owned(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into())).await;
    assert_eq!(ask(&outside, "bill").await, LookupResult::NotFound);
}

async fn say_owned(stream: TcpStream, text: String) {
    say(stream, &text).await;
}

#[tokio::test]
async fn whatever_a_system_does_the_caller_goes_on_within_the_time_limit() {
    type Serve = fn(TcpStream, u32) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
    let bad: [(&str, Serve); 7] = [
        ("timeout", |mut stream, _| {
            Box::pin(async move {
                heard(&mut stream).await;
                std::future::pending::<()>().await
            })
        }),
        ("timeout", |mut stream, _| {
            Box::pin(async move {
                heard(&mut stream).await;
                // An octet a while, for ever.
                for octet in ok(&" ".repeat(10_000)).bytes() {
                    let _ = stream.write_all(&[octet]).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        }),
        ("not_json", |stream, _| Box::pin(async move { say(stream, &ok("<html>login</html>")).await })),
        ("unusable", |stream, _| Box::pin(async move { say(stream, &ok(r#"{"data":{"balance_fen":"lots"}}"#)).await })),
        ("too_large", |stream, _| Box::pin(async move { say(stream, &ok(&"x".repeat(10 << 20))).await })),
        ("status", |stream, _| {
            Box::pin(async move {
                say(stream, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n").await
            })
        }),
        ("broken", |stream, _| Box::pin(async move { drop(stream) })),
    ];
    for (outcome, serve) in bad {
        let (outside, _) = system(serve).await;
        assert_eq!(ask(&outside, "bill").await, LookupResult::Failed, "{outcome}");
        assert_eq!(outcomes(&outside), [(outcome, 1)]);
    }
}

#[tokio::test]
async fn a_reset_is_asked_again_where_that_does_no_harm_and_an_order_is_placed_once() {
    let serve = |stream: TcpStream, nth| async move {
        if nth > 0 {
            say(stream, &ok(r#"{"data":{"balance_fen":5}}"#)).await;
        }
    };
    let (outside, count) = system(serve).await;
    assert_eq!(ask(&outside, "bill").await, balance("0.05"));
    assert_eq!(count.load(Ordering::Relaxed), 2);
    let (outside, count) = system(serve).await;
    assert_eq!(ask(&outside, "order").await, LookupResult::Failed);
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_answer_serves_again_for_as_long_as_the_lookup_says() {
    let (outside, count) =
        system(|stream, _| async move { say(stream, &ok(r#"{"data":{"balance_fen":1}}"#)).await }).await;
    assert_eq!(ask(&outside, "cached_bill").await, balance("0.01"));
    assert_eq!(ask(&outside, "cached_bill").await, balance("0.01"));
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert_eq!(outcomes(&outside), [("cached", 1), ("found", 1)]);
}

#[tokio::test]
async fn a_system_that_has_taken_all_its_places_fails_the_next_caller_at_once() {
    let (outside, count) = system(|_, _| std::future::pending()).await;
    let systems = held(&outside.systems).clone();
    let _taken = systems.bases["crm"].2.clone().try_acquire_many_owned(AT_ONCE as u32).unwrap();
    assert_eq!(ask(&outside, "bill").await, LookupResult::Failed);
    assert_eq!((outcomes(&outside), count.load(Ordering::Relaxed)), (vec![("busy", 1)], 0));
}

#[tokio::test]
async fn a_row_of_a_database_answers_like_a_system_and_no_row_is_not_found() {
    let folder = crate::test_folder::TestFolder::new("outside-sql");
    let path = folder.join("crm.db");
    crate::store::testing::database(
        &path,
        "create table c(phone text, area text); insert into c values('138', '城关')",
    );
    let flow = "ivr: 1\nlanguages: [zh]\nsections:\n  start:\n    - pause: 1s\n    - hangup: bye\n";
    let lookups = "lookups:\n  area:\n    sql: select area from c where phone = :phone\n    database: crm\n    takes: {phone: digits}\n    gives: {area: text}\n";
    let texts = [("lookups.yaml", lookups), ("f.flow.yaml", flow), ("prompts/p.yaml", "bye: {zh: \"再见\"}\n")];
    let sources = Sources { files: texts.map(|(path, text)| (path.to_string(), text.to_string())).into() };
    let bundle = load(&sources, None, &|_, _| None).unwrap();
    let databases = [("crm".to_string(), (Database::Sqlite(path), Arc::new(Semaphore::new(1))))].into();
    let outside = Outside::new(Systems { bases: BTreeMap::new(), databases }, Resolver::of_hosts_only(""));
    let ask = async |phone: &str| {
        let args = [("phone".to_string(), Value::Digits(phone.into()))];
        outside.look_up(&bundle, "area", &args, Duration::from_secs(2)).await
    };
    let found = LookupResult::Found([("area".to_string(), Value::Text("城关".into()))].into());
    assert_eq!((ask("138").await, ask("139").await), (found, LookupResult::NotFound));
}

/// The sample's own lookups, asked of the systems that the demo plays.
#[tokio::test]
async fn the_demo_answers_the_sample_hotline_over_http() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(demo_systems::serve(listener));
    let mut config =
        Config::demo(crate::config::DemoEnv { secret: Some(crate::config::Secret::new("x")), ..Default::default() })
            .unwrap()
            .config;
    config.bases = demo_systems::NAMES.map(|name| (name.to_string(), Base::of_demo(name, port))).into();
    let bundle = super::super::bundle::load(&config, &mut |_| {}).unwrap();
    let outside =
        Outside::new(Systems::of(&config).unwrap_or_else(|fault| panic!("{fault}")), Resolver::of_hosts_only(""));
    let ask = async |lookup: &str, args: &[(&str, &str)]| {
        let args: Vec<_> =
            args.iter().map(|(name, text)| (name.to_string(), Value::Digits(text.to_string()))).collect();
        outside.look_up(&bundle.flows, lookup, &args, Duration::from_secs(3)).await
    };
    let account = LookupResult::Found([("account".to_string(), Value::Digits("3101234569".into()))].into());
    assert_eq!(ask("account_by_phone", &[("phone", "13800138000")]).await, account);
    assert_eq!(ask("account_by_phone", &[("phone", "")]).await, LookupResult::NotFound);
    assert_eq!(ask("bill_by_account", &[("account", "3101234569")]).await, balance("1205.30"));
    assert_eq!(ask("bill_by_account", &[("account", "3101234560")]).await, balance("-86.05"));
    assert_eq!(
        ask("verify_owner", &[("account", "3101234569"), ("id", "123456")]).await,
        LookupResult::Found(BTreeMap::new())
    );
    assert_eq!(ask("verify_owner", &[("account", "3101234569"), ("id", "123457")]).await, LookupResult::NotFound);
    let LookupResult::Found(outage) = ask("outage_by_account", &[("account", "3101234569")]).await else { panic!() };
    assert_eq!(outage["known"], Value::Flag(false));
    assert_eq!(outage["restore_at"].plain(), "2026-01-01 18:30");
}
