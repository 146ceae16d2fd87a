//! Tests that admins write: what passes, what fails and how it is told, and what is wrong in a test file itself.

use super::world::*;
use hotline::ivr::trial::{self, End, Verdict};
use hotline::ivr::*;

const HEAD: &str = "ivr_test: 1\nflow: power\nmock: {account_by_phone: {account: \"3101234569\"}}\ntests:\n";

/// The sample with its recordings' texts as the only length, and one test file.
fn with_tests(text: &str) -> Sources {
    let mut sources = sample();
    sources.files.push(("ivr-flows/tests/t.test.yaml".into(), text.into()));
    sources
}

fn silent(_: &str, _: &str) -> Option<u32> {
    None
}

/// Plays one test of the power hotline: its lines below `- name: t`.
fn play(lines: &str) -> (Verdict, Vec<Diagnostic>) {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let sources = with_tests(&format!("{HEAD}  - name: t\n{lines}"));
    let bundle = load(&sources, None, &silent).expect("the sample loads");
    let (files, findings) = trial::read(&sources, &bundle);
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", shown.join("\n"));
    let verdict = trial::run(&bundle, "power", &files[0].tests[0]);
    let found = verdict.explain(&sources);
    (verdict, found)
}

fn passes(lines: &str) -> Verdict {
    let (verdict, found) = play(lines);
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(verdict.passed(), "{}\n{}", shown.join("\n"), trial::transcript(&verdict.lines).join("\n"));
    verdict
}

/// Code, line within the test, column, and message of the first fault.
fn fails(lines: &str) -> (&'static str, u32, u32, String) {
    let (_, found) = play(lines);
    let first = found.first().expect("a fault");
    (first.code, first.line - 5, first.column, first.message.clone())
}

/// What is wrong in a test file.
fn findings(text: &str) -> Vec<(&'static str, u32, u32, Option<String>)> {
    let sources = with_tests(text);
    let bundle = load(&sources, None, &silent).expect("a broken test file breaks no flow");
    let (_, found) = trial::read(&sources, &bundle);
    found.into_iter().map(|d| (d.code, d.line, d.column, d.suggestion)).collect()
}

#[test]
fn a_caller_hears_the_balance_and_hangs_up() {
    let verdict = passes(
        "mock: {bill_by_account: {balance: 1205.30}}\nscript:\n  - hears: [welcome, choose_language]\n  - presses: 1\n  \
         - hears: main_menu\n  - presses: 3\n  - hears: is_this_your_account\n  - presses: 1\n  \
         - hears: {prompt: balance_is, says: 您的账户余额为一千二百零五元三角。}\n  - hangs_up: while anything_else\n\
         expect: {end: caller, resolved: [bill_balance], queue: none, keys: 3, under: 60s, language: zh, variables: {balance: 1205.30}}",
    );
    assert_eq!(verdict.end, End::Caller);
}

#[test]
fn a_lookup_slower_than_its_time_has_failed_and_a_late_answer_changes_nothing() {
    passes(
        "mock: {bill_by_account: {after: 10s}}\nscript:\n  - presses: 1\n  - presses: 31\n  - hears: system_busy\n\
         expect: {end: transfer, queue: service, resolved: none}",
    );
}

#[test]
fn a_caller_who_never_presses_a_key_reaches_an_agent() {
    passes("script: [{silent: forever}]\nexpect: {end: transfer, keys: 0, under: 90s}");
}

#[test]
fn a_prompt_lasts_as_long_as_its_text_takes_to_speak() {
    // 17 characters of Mandarin at 0.23 s each; the question of languages is followed by a wait of 6 s.
    let verdict =
        passes("script: [hears: [welcome, choose_language, main_menu], hangs_up: now]\nexpect: {end: caller}");
    let welcome = 17 * 230;
    let menu = verdict.lines.iter().find(|(_, line)| matches!(line, trial::Line::Hears(h) if h.prompt == "main_menu"));
    let choose =
        verdict.lines.iter().find(|(_, line)| matches!(line, trial::Line::Hears(h) if h.prompt == "choose_language"));
    assert_eq!(choose.expect("heard").0, welcome);
    assert!(menu.expect("heard").0 > welcome + 6_000);
}

#[test]
fn another_prompt_than_the_one_named_fails_at_its_line() {
    let told = fails("script:\n  - hears: welcome\n  - hears: main_menu");
    let message = "the caller should hear `main_menu` and hears `choose_language`";
    assert_eq!(told, ("T101", 3, 16, message.into()));
}

#[test]
fn three_dots_let_everything_by_up_to_the_prompt_that_is_named() {
    passes("script:\n  - hears: [..., still_there, main_menu]\n  - hangs_up");
    passes(
        "script:\n  - hears: ...\n  - hears: main_menu\n  - presses: 0\n  - hears: to_agent\nexpect: {end: transfer}",
    );
}

#[test]
fn words_that_differ_are_told_with_what_was_said() {
    let told = fails("script:\n  - hears: {prompt: welcome, says: 您好。}");
    assert_eq!((told.0, told.3.as_str()), ("T102", "`welcome` says \"您好，欢迎致电九五五九八供电服务热线。\""));
}

#[test]
fn a_lookup_that_no_mock_answers_fails_the_test() {
    let told = fails("script:\n  - presses: 131");
    assert_eq!((told.0, told.1), ("T105", 2));
    assert_eq!(told.3, "the lookup `bill_by_account` is asked and no mock answers it");
}

#[test]
fn each_answer_of_a_list_is_given_once_and_the_last_for_ever() {
    passes(
        "mock: {bill_by_account: [{balance: 5.00}, {balance: -2.00}]}\nscript:\n  - presses: 131\n  \
         - hears: {prompt: balance_is, says: 您的账户余额为五元。}\n  - hears: anything_else\n  - presses: 131\n  \
         - hears: {prompt: balance_owed, says: 您的账户已欠费两元。}\n  - hears: pay_menu\n  - presses: 231\n  - hears: balance_owed\n  - hangs_up",
    );
}

#[test]
fn agents_queues_and_telephones_answer_as_the_test_says() {
    passes("mock: {queue: {service: full}}\nscript: [presses: 10]\nexpect: {end: hangup, queue: service}");
    passes(
        "mock: {queue: {emergency: {says: timeout, after: 20s}}, transfer: {dispatch-24h: busy}}\nscript:\n  - presses: 11\n  \
         - hears: [stay_away, dispatch_busy, leave_message]\nexpect: {end: hangup, trunk: dispatch-24h, tags: [emergency]}",
    );
    passes(
        "script:\n  - presses: 10\n  - hears: to_agent\n  - queue_says: {ahead: 2, wait: 5m}\n  \
         - hears: {prompt: you_are_number, says: 您前面还有两位客户。}\n  - agent_answers\n  - waits: 2m\n  - agent_leaves\n  \
         - hears: rate_us\nexpect: {end: hangup, over: 2m}",
    );
    passes(
        "given: {closed: agents}\nscript: [presses: 10]\nexpect: {end: transfer, queue: none, trunk: outsourced-night}",
    );
    passes(
        "given: {closed: agents}\nscript: [presses: 10, transfer_says: no_answer, hears: [..., night_busy]]\nexpect: {end: hangup}",
    );
}

#[test]
fn digits_meant_for_one_ear_are_not_in_the_record() {
    passes(
        "mock: {verify_owner: found}\nscript:\n  - presses: 141\n  - hears: ask_id_last6\n  - presses: 421989\n  - hears: link_sent\n\
         expect: {end: hangup, not_logged: [id_last6], keys: 9}",
    );
    // A tone of the caller's that the flow shows is found.
    let open = sample_with("id_last6: {type: digits, secret: true}", "id_last6:    {type: digits}");
    let mut sources = open;
    let test = format!(
        "{HEAD}  - name: t\n    mock: {{verify_owner: found}}\n    script: [presses: 141, hears: ask_id_last6, presses: 421989]\n    expect: {{not_logged: [id_last6]}}\n"
    );
    sources.files.push(("ivr-flows/tests/t.test.yaml".into(), test));
    let bundle = load(&sources, None, &silent).expect("a flow without secrets");
    let (files, _) = trial::read(&sources, &bundle);
    let verdict = trial::run(&bundle, "power", &files[0].tests[0]);
    assert!(verdict.faults.iter().any(|fault| fault.message.contains("`id_last6` is in the record")), "{verdict:?}");
}

#[test]
fn what_was_expected_and_did_not_come_is_told_where_it_is_written() {
    let told = |expect: &str| fails(&format!("script: [presses: 10]\nexpect: {{{expect}}}")).3;
    assert_eq!(told("end: hangup"), "end should be hangup and is transfer");
    assert_eq!(told("queue: none"), "queue should be none and is service");
    assert_eq!(told("keys: 3"), "keys should be 3 and is 2");
    assert_eq!(told("resolved: [bill_balance]"), "resolved should be bill_balance and is none");
    assert_eq!(told("language: en"), "language should be en and is zh");
    assert_eq!(told("trunk: night"), "trunk should be night and is none");
    assert_eq!(told("carried: {lang: zh}"), "carried lang should be zh and is nothing");
    assert!(told("under: 2s").starts_with("the call should last under 2s and lasts 0:"));
    assert!(told("over: 2m").starts_with("the call should last over 2m and lasts 0:"));
    assert_eq!(told("variables: {balance: 1.00}"), "`balance` should be 1.00 and is not set");
    let place = fails("script: [presses: 10]\nexpect: {end: hangup}");
    assert_eq!((place.0, place.1, place.2), ("T110", 2, 19));
}

#[test]
fn a_caller_cannot_act_once_the_call_is_over() {
    let told = fails("mock: {queue: {service: full}}\nscript: [presses: 10, waits: 3m, presses: 1]");
    assert_eq!(told.0, "T103");
    assert_eq!(fails("script: [hears: welcome, hangs_up: now, agent_answers]").0, "T104");
}

#[test]
fn slips_in_a_test_file_are_found_where_they_stand_with_the_right_word() {
    let tests = "tests: [{name: t, script: [hears: welcome]}]\n";
    let near = |word: &str| Some(format!("did you mean `{word}`?"));
    let at = |text: &str| findings(text).into_iter().next().expect("a finding");
    assert_eq!(findings(&format!("ivr_test: 1\nflow: power\n{tests}")), []);
    assert_eq!(at(&format!("ivr_test: 1\nflow: powre\n{tests}")), ("E202", 2, 7, near("power")));
    assert_eq!(at(&format!("ivr_test: 2\nflow: power\n{tests}")).0, "E112");
    assert_eq!(at(&format!("ivr_test: 1\nflow: power\nmocks: {{}}\n{tests}")), ("E102", 3, 1, near("mock")));
    let one = |line: &str| at(&format!("ivr_test: 1\nflow: power\ntests:\n  - name: t\n    {line}\n"));
    assert_eq!(one("script: [hears: welcom]"), ("E203", 5, 21, near("welcome")));
    assert_eq!(one("script: [haers: welcome]"), ("E102", 5, 14, near("hears")));
    assert_eq!(
        one("script: [presses: 1a]"),
        ("E112", 5, 24, Some("write digits, `star`, `hash`, or several keys in quotes: \"3101234569#\"".into()))
    );
    assert_eq!(one("script: [waits: 5]"), ("E112", 5, 21, Some("add the unit: `5s`".into())));
    assert_eq!(one("script: [hangs_up: while welcom]"), ("E203", 5, 30, near("welcome")));
    assert_eq!(one("script: [queue_says: timout]"), ("E102", 5, 26, near("timeout")));
    assert_eq!(one("mock: {bill_by_acount: fails}"), ("E207", 5, 12, near("bill_by_account")));
    assert_eq!(one("mock: {bill_by_account: {balanse: 1.00}}"), ("E207", 5, 30, near("balance")));
    assert_eq!(one("mock: {bill_by_account: {balance: much}}").0, "E303");
    assert_eq!(one("mock: {queue: {servic: full}}"), ("E204", 5, 20, near("service")));
    assert_eq!(one("mock: {transfer: {dispatch-24h: bussy}}"), ("E102", 5, 37, near("busy")));
    assert_eq!(one("given: {at: tomorrow}").0, "E112");
    assert_eq!(one("given: {closed: agent}"), ("E206", 5, 21, near("agents")));
    assert_eq!(one("given: {language: eng}"), ("E102", 5, 23, near("en")));
    assert_eq!(one("expect: {ends: caller}"), ("E102", 5, 14, near("end")));
    assert_eq!(one("expect: {end: calller}"), ("E102", 5, 19, near("caller")));
    assert_eq!(one("expect: {variables: {balanse: 1.00}}"), ("E301", 5, 26, near("balance")));
    assert_eq!(one("expect: {not_logged: [id_last_6]}"), ("E301", 5, 27, near("id_last6")));
}

#[test]
fn the_tests_of_the_sample_pass() {
    let mut sources = sample();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ivr-flows/tests");
    for entry in std::fs::read_dir(root).expect("the sample has tests").map(|entry| entry.expect("a file").path()) {
        let text = std::fs::read_to_string(&entry).expect("a text");
        sources.files.push((entry.display().to_string(), text));
    }
    let bundle = load(&sources, None, &silent).expect("the sample loads");
    let (files, findings) = trial::read(&sources, &bundle);
    assert_eq!(findings, []);
    for file in &files {
        for test in &file.tests {
            let verdict = trial::run(&bundle, &file.flow, test);
            let told: Vec<String> = verdict.explain(&sources).iter().map(ToString::to_string).collect();
            assert!(verdict.passed(), "{}: {}\n{}", file.path, test.name, told.join("\n"));
        }
    }
}

#[test]
fn a_secret_that_a_lookup_is_sent_is_in_no_transcript() {
    let bundle = bundle(&sample());
    let text = "ivr_test: 1\nflow: power\nmock:\n  account_by_phone: {account: \"3101234569\"}\n  verify_owner: found\ntests:\n  - name: secret\n    script:\n      - presses: 1\n      - presses: 4\n      - presses: 1\n      - hears: [..., ask_id_last6]\n      - presses: \"908172\"\n";
    let file = Sources { files: vec![("tests/secret.test.yaml".into(), text.into())] };
    let (files, wrong) = trial::read(&file, &bundle);
    assert_eq!(wrong, []);
    let verdict = trial::run(&bundle, "power", &files[0].tests[0]);
    let told = trial::transcript(&verdict.lines);
    let asked = told.iter().find(|line| line.contains("verify_owner")).unwrap_or_else(|| panic!("{told:#?}"));
    assert!(asked.contains("id: (secret)") && !asked.contains("72"), "{asked}");
}

#[test]
fn a_recording_that_fails_takes_its_own_way() {
    let flow = "ivr: 1\nlanguages: [zh]\nvars: {note: {type: text}}\nsections:\n  start:\n    - record: {save: note, say: speak, failed: sorry}\n    - hangup: goodbye\n  sorry:\n    - hangup: bad\n";
    let sources = project(flow, &[("speak", "请留言"), ("bad", "对不起")]);
    let bundle = bundle(&sources);
    let text = "ivr_test: 1\nflow: test\nmock: {record: fails}\ntests:\n  - name: full disk\n    script:\n      - hears: [speak, bad]\n";
    let file = Sources { files: vec![("tests/r.test.yaml".into(), text.into())] };
    let (files, wrong) = trial::read(&file, &bundle);
    assert_eq!(wrong, []);
    let verdict = trial::run(&bundle, "test", &files[0].tests[0]);
    assert!(verdict.passed(), "{:#?}", trial::transcript(&verdict.lines));
}
