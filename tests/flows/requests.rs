//! Requests to other systems as an admin may get them wrong.

use super::world::*;
use hotline::ivr::*;

fn found_in(path: &str, text: &str) -> Vec<String> {
    let mut sources = sample();
    sources.files.push((path.into(), text.into()));
    let found = load(&sources, None, &audio).err().unwrap_or_default();
    found.iter().map(|d| format!("{} {}:{} {}", d.code, d.line, d.column, d.message)).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn a_form_that_does_not_say_where_it_goes_is_refused() {
    let form = |lines: &str| {
        found_in("more/messages.yaml", &format!("forms:\n  complaint:\n    takes: {{text: text}}\n{lines}"))
    };
    assert_eq!(form("    body: {text: \"{text}\"}\n"), ["E114 4:11 nothing is said of where this goes"]);
    assert_eq!(form("    auth: customers\n"), ["E114 4:11 nothing is said of where this goes"]);
    assert_eq!(form("    post: ${base.grid}/v1\n    body: {text: \"{text}\"}\n"), NONE);
    assert_eq!(form(""), NONE, "kept for whoever looks");
}

#[test]
fn a_database_says_by_itself_that_there_is_nothing() {
    let lookup = |lines: &str| {
        found_in(
            "more/lookups.yaml",
            &format!(
                "lookups:\n  area:\n    takes: {{phone: digits}}\n    sql: select a from b where c = :phone\n    database: crm\n{lines}"
            ),
        )
    };
    assert_eq!(lookup(""), NONE);
    assert_eq!(
        lookup("    not_found: {status: 404}\n"),
        ["E112 6:16 `not_found` reads an answer over HTTP, and this asks a database"]
    );
}

#[test]
fn a_parameter_may_be_called_as_the_other_system_calls_it() {
    let text = "lookups:\n  people:\n    get: ${base.crm}/people\n    takes: {phone: digits}\n    query: {$filter: \"phone eq {phone}\", \"page[size]\": \"1\"}\n";
    assert_eq!(found_in("more/lookups.yaml", text), NONE);
    let mut sources = sample();
    sources.files.push(("more/lookups.yaml".into(), text.into()));
    let bundle = bundle(&sources);
    let LookupSource::Http(http) = &bundle.lookup("people").unwrap().source else { panic!("no request") };
    let request = http.request(&[("phone".into(), Value::Digits("138".into()))]).unwrap();
    assert_eq!(request.path, "/people?%24filter=phone%20eq%20138&page%5Bsize%5D=1");
}
