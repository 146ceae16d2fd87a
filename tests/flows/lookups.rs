//! What an admin writes about other systems: how it is asked, how its answer is read, and what is refused.

use super::world::*;
use hotline::ivr::*;

const FLOW: &str = "ivr: 1\nlanguages: [zh]\nsections:\n  start:\n    - pause: 1s\n    - hangup: goodbye\n";

fn with(lookups: &str) -> Result<Bundle, Vec<String>> {
    let mut sources = project(FLOW, &[]);
    sources.files.retain(|(path, _)| !path.ends_with("lookups.yaml") && !path.contains("/lib/"));
    sources.files.push(("ivr-flows/lookups.yaml".into(), format!("lookups:\n  it:\n{lookups}")));
    load(&sources, None, &audio)
        .map_err(|found| found.iter().map(|d| format!("{} {}:{} {}", d.code, d.line, d.column, d.message)).collect())
}

fn request(lookups: &str, args: &[(&str, Type, &str)]) -> Option<Request> {
    let bundle = with(lookups).unwrap_or_else(|found| panic!("{found:#?}"));
    let args: Vec<_> = args.iter().map(|(name, ty, text)| (name.to_string(), ty.read(text).unwrap())).collect();
    match &bundle.lookup("it").unwrap().source {
        LookupSource::Http(http) => http.request(&args),
        LookupSource::Sql(_) => panic!("not over HTTP"),
    }
}

#[test]
fn values_are_data_wherever_they_land() {
    let name = [("name", Type::Text, "王/..?a=b&c#d\"e")];
    let lookup = "    post: ${base.crm}/v1/{name}/x\n    query: {q: \"{name}\"}\n    body: {a: \"n={name}\", b: 3, c: [true, \"{name}\"]}\n    takes: {name: text}\n";
    let request = request(lookup, &name).unwrap();
    let encoded = "%E7%8E%8B%2F..%3Fa%3Db%26c%23d%22e";
    assert_eq!(request.path, format!("/v1/{encoded}/x?q={encoded}"));
    let body: serde_json::Value = serde_json::from_str(request.body.as_ref().unwrap()).unwrap();
    assert_eq!(body, serde_json::json!({"a": "n=王/..?a=b&c#d\"e", "b": 3, "c": [true, "王/..?a=b&c#d\"e"]}));
}

#[test]
fn a_value_that_would_climb_out_of_its_folder_or_break_a_header_sends_nothing() {
    let path = "    get: ${base.crm}/v1/{name}\n    takes: {name: text}\n";
    assert_eq!(request(path, &[("name", Type::Text, "..")]), None);
    let header = "    get: ${base.crm}/v1\n    headers: {X-Name: \"{name}\"}\n    takes: {name: text}\n";
    assert_eq!(request(header, &[("name", Type::Text, "a\r\nX-Evil: 1")]), None);
    assert!(request(header, &[("name", Type::Text, "Alice")]).is_some());
}

#[test]
fn mistakes_about_a_system_are_told_where_they_are() {
    let cases = [
        ("    get: https://crm.example.com/v1\n", "E702 3:10"),
        ("    get: ${base.crm}/v1?x=1\n", "E702 3:10"),
        ("    get: ${base.crm}/v1/{acct}\n    takes: {account: digits}\n", "E207 3:25"),
        ("    get: ${base.crm}/v1\n    body: {a: 1}\n", "E112 4:11"),
        ("    post: ${base.crm}/v1\n    retries: 2\n", "E112 4:14"),
        ("    get: ${base.crm}/v1\n    post: ${base.crm}/v1\n", "E114 4:11"),
        ("    get: ${base.crm}/v1\n    headers: {Authorization: x}\n", "E112 4:15"),
        ("    get: ${base.crm}/v1\n    gives: {a: {type: money, unit: fenn}}\n", "E102 4:36"),
        ("    get: ${base.crm}/v1\n    gives: {a: {type: money, at: data.x}}\n", "E112 4:34"),
        ("    get: ${base.crm}/v1\n    not_found: {status: 40}\n", "E112 4:25"),
        ("    takes: {a: digits}\n", "E114 2:3"),
        ("    sql: delete from customer\n    database: crm\n", "E112 3:10"),
        ("    sql: select 1; drop table x\n    database: crm\n", "E112 3:10"),
        ("    sql: select a from b where c = :d\n    database: crm\n", "E207 3:36"),
        ("    sql: select 1\n", "E114 3:10"),
        ("    get: ${base.crm}/v1\n    sql: select 1\n    database: crm\n", "E114 2:3"),
        ("    get: ${base.crm}/v1\n    cach: 5m\n", "E102 4:5"),
    ];
    for (lookup, expected) in cases {
        let found = with(lookup).expect_err(lookup);
        assert!(found.iter().any(|line| line.starts_with(&format!("{expected} "))), "{lookup}{found:#?}");
    }
}

#[test]
fn answers_are_read_by_their_digits_and_never_as_floating_point() {
    let lookup = "    get: ${base.crm}/v1\n    gives:\n      yuan: {type: money, at: /m}\n      fen: {type: money, at: /f, unit: fen}\n      at: {type: datetime, at: /t, zone: Asia/Shanghai}\n      epoch: {type: datetime, at: /e, unit: epoch}\n      wait: {type: duration, at: /w, unit: minutes}\n      vip: {type: flag, at: /v}\n      id: {type: digits, at: /a/0/id}\n      level: {type: one_of, of: [gold, plain], at: /l}\n";
    let bundle = with(lookup).unwrap();
    let lookup = bundle.lookup("it").unwrap();
    let body = br#"{"m": 1205.30, "f": 120530, "t": "2026-03-08T06:05:00Z", "e": 1772949900, "w": 5, "v": 1, "a": [{"id": 3101234569}], "l": "silver"}"#;
    let Ok(LookupResult::Found(values)) = lookup.read_json(200, body) else { panic!("not read") };
    let plain = |name: &str| values.get(name).map(Value::plain);
    assert_eq!([plain("yuan"), plain("fen")], [Some("1205.30".into()), Some("1205.30".into())]);
    assert_eq!([plain("at"), plain("epoch")], [Some("2026-03-08 14:05".into()), Some("2026-03-08 14:05".into())]);
    assert_eq!([plain("wait"), plain("vip")], [Some("300s".into()), Some("true".into())]);
    assert_eq!(plain("id"), Some("3101234569".into()));
    assert_eq!(plain("level"), None, "not one of the choices");
}

#[test]
fn an_answer_may_say_in_its_own_words_that_there_is_no_such_thing() {
    let lookup = "    get: ${base.crm}/v1\n    gives: {a: digits}\n    not_found: {at: /code, is: NO_ACCOUNT}\n";
    let bundle = with(lookup).unwrap();
    let lookup = bundle.lookup("it").unwrap();
    assert_eq!(lookup.read_json(200, br#"{"code": "NO_ACCOUNT"}"#), Ok(LookupResult::NotFound));
    assert_eq!(lookup.read_json(404, b""), Err(BadReply::Status(404)), "a wrong path is no missing customer");
    assert_eq!(lookup.read_json(200, br#"{"code": "OK"}"#), Err(BadReply::NothingUsable));
    assert_eq!(lookup.read_json(200, b"\xff\xfe"), Err(BadReply::NotJson));
    let deep = "[".repeat(100_000);
    assert_eq!(lookup.read_json(200, deep.as_bytes()), Err(BadReply::NotJson));
}
