//! The program as a script meets it: what it prints where, and how it exits. No switch is running.

#[path = "../src/test_folder.rs"]
mod test_folder;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use test_folder::TestFolder;

struct Run {
    code: i32,
    out: String,
    err: String,
}

/// Runs `hotline` with these arguments in an empty environment of its own.
fn hotline(folder: &Path, args: &[&str]) -> Run {
    typed(folder, args, "")
}

/// The same with a standard input.
fn typed(folder: &Path, args: &[&str], input: &str) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hotline"));
    command.args(args).current_dir(folder);
    for name in [
        "HOTLINE_URL",
        "HOTLINE_ADMIN_TOKEN",
        "HOTLINE_HTTP_PORT",
        "HOTLINE_SIP_PORT",
        "HOTLINE_TLS_PORT",
        "HOTLINE_WSS_PORT",
        "HOTLINE_DEMO_SECRET",
    ] {
        command.env_remove(name);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that has no use for its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    Run { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
}

fn folder(name: &str) -> TestFolder {
    TestFolder::new(name)
}

/// What `init` makes, ready to be broken.
fn project(name: &str) -> TestFolder {
    let place = folder(name);
    let made = hotline(&place, &["init", "."]);
    assert_eq!((made.code, made.err.as_str()), (0, ""), "{}", made.out);
    place
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_project_that_init_made_passes_its_own_check() {
    let project = project("init");
    let checked = hotline(&project, &["check"]);
    assert_eq!((checked.code, checked.out.as_str()), (0, "./hotline.yaml: 0 errors, 0 warnings\n"), "{}", checked.err);
    let again = hotline(&project, &["init", "."]);
    assert_eq!(again.code, 2);
    assert!(again.err.contains("there already: ./secrets/1001, "), "{}", again.err);
}

#[test]
fn a_project_that_init_made_passes_its_tests_breaks_no_rule_and_says_what_production_lacks() {
    let project = project("init-tools");
    let explored = hotline(&project, &["flow", "explore"]);
    assert!(explored.code == 0 && explored.out.contains("0 findings"), "{} {}", explored.out, explored.err);
    let tested = hotline(&project, &["flow", "test"]);
    assert!(tested.code == 0 && tested.out.contains(" passed, 0 failed"), "{} {}", tested.out, tested.err);
    let checked = hotline(&project, &["check", "--production"]);
    assert_eq!(checked.code, 1, "{}", checked.out);
    let last = checked.out.lines().last().unwrap_or_default();
    assert!(last.starts_with("not ready for production") && last.contains("hotline prompt script"), "{last}");
}

#[test]
fn init_writes_over_nobodys_files() {
    let place = folder("init-over");
    let flow = place.join("ivr-flows/small-shop.flow.yaml");
    for (path, text) in [(&flow, "my flow"), (&place.join(".gitignore"), "my rules")] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let refused = hotline(&place, &["init", "."]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("./.gitignore, ./ivr-flows/small-shop.flow.yaml;"), "{}", refused.err);
    assert_eq!(fs::read_to_string(&flow).unwrap(), "my flow");
    assert!(!place.join("secrets").exists() && !place.join("hotline.yaml").exists(), "nothing was begun");
}

#[test]
fn a_faulty_configuration_is_code_2_with_file_line_and_column() {
    let project = project("config");
    replace(&project.join("hotline.yaml"), "    ring_timeout: 20s", "    ring_timout: 20s");
    for args in [&["check"][..], &["serve"], &["serve", "-c", "hotline.yaml"], &[]] {
        let run = hotline(&project, args);
        let said = run.out + &run.err;
        assert_eq!(run.code, 2, "{args:?} {said}");
        assert!(said.contains("unknown key `ring_timout`") && said.contains("did you mean `ring_timeout`?"), "{said}");
        let place = said.lines().find(|line| line.trim_start().starts_with("--> ")).unwrap();
        assert!(place.contains("hotline.yaml:") && place.split(':').count() == 3, "{place}");
    }
    let json = hotline(&project, &["check", "--json"]);
    assert!(json.out.starts_with("{\"code\":\"C102\",\"level\":\"error\",\"path\":"), "{}", json.out);
}

#[test]
fn a_faulty_flow_is_code_2_with_a_place_and_keeps_serve_from_starting() {
    let project = project("flow");
    replace(&project.join("ivr-flows/small-shop.flow.yaml"), "    - goto: message", "    - goto: massage");
    for args in [&["flow", "check"][..], &["check"], &["flow", "check", "ivr-flows/small-shop.flow.yaml"]] {
        let run = hotline(&project, args);
        assert_eq!(run.code, 2, "{args:?} {} {}", run.out, run.err);
        assert!(run.out.contains("small-shop.flow.yaml:") && run.out.contains("message"), "{}", run.out);
    }
    assert_eq!(hotline(&project, &["serve"]).code, 2);
    for args in [&["flow", "check", "--json"][..], &["-o", "json", "flow", "check"], &["check", "-o", "json"]] {
        let json = hotline(&project, args);
        assert!(json.out.lines().all(|line| line.starts_with('{')) && json.out.contains("\"column\":"), "{}", json.out);
    }
}

#[test]
fn recordings_that_are_missing_or_broken_are_told_by_their_file() {
    let project = project("recordings");
    fs::remove_file(project.join("prompts/en/still_there.wav")).unwrap();
    let warned = hotline(&project, &["check"]);
    assert_eq!(warned.code, 0, "{}", warned.out);
    assert!(warned.out.contains("put prompts/en/still_there.wav"), "{}", warned.out);
    assert!(warned.out.contains("small-shop.flow.yaml:"), "{}", warned.out);
    assert_eq!(hotline(&project, &["check", "--production"]).code, 1, "callers would meet silence");
    fs::write(project.join("prompts/en/still_there.wav"), "no sound").unwrap();
    let broken = hotline(&project, &["check"]);
    assert_eq!(broken.code, 2, "{}", broken.out);
    assert!(broken.out.contains("prompts/en/still_there.wav") && !broken.out.contains("E502"), "{}", broken.out);
}

#[test]
fn a_flow_file_that_is_not_text_is_told_with_its_line() {
    let project = project("bytes");
    fs::write(project.join("ivr-flows/small-shop.flow.yaml"), b"ivr: 1\ntitle: \xff\n").unwrap();
    fs::write(project.join("ivr-flows/other.flow.yaml"), "sections: {").unwrap();
    let run = hotline(&project, &["flow", "check", "-o", "json"]);
    assert_eq!((run.code, run.err.as_str()), (2, ""));
    let found: Vec<serde_json::Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let bad = &found[0];
    assert_eq!((bad["line"].as_u64(), bad["column"].as_u64()), (Some(2), Some(8)), "{}", run.out);
    assert!(bad["path"].as_str().unwrap().ends_with("small-shop.flow.yaml") && bad["suggestion"].is_string(), "{bad}");
    assert!(run.out.contains("other.flow.yaml"), "the other files are checked: {}", run.out);
    let test = hotline(&project, &["flow", "test"]);
    assert_eq!(test.code, 2, "{}{}", test.out, test.err);
}

#[test]
fn mistakes_of_the_configuration_and_of_the_flows_are_told_together() {
    let project = project("both");
    replace(&project.join("hotline.yaml"), "    ring_timeout: 20s", "    ring_timout: 20s");
    replace(&project.join("ivr-flows/small-shop.flow.yaml"), "    - goto: message", "    - goto: mesage");
    for args in [&["check"][..], &["flow", "check"]] {
        let run = hotline(&project, args);
        assert_eq!(run.code, 2);
        assert!(run.out.contains("ring_timout") && run.out.contains("mesage"), "{args:?} {}", run.out);
        assert!(run.out.ends_with(": 2 errors, 0 warnings\n"), "{args:?} {}", run.out);
    }
}

#[test]
fn a_texts_file_with_one_wrong_line_is_told_alone() {
    let project = project("one-line");
    let prompts: Vec<_> = fs::read_dir(project.join("prompts")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in prompts.iter().filter(|path| path.extension().is_some_and(|ext| ext == "yaml")) {
        let text = fs::read_to_string(file).unwrap();
        fs::write(file, format!("{text}broken: [\n")).unwrap();
        let run = hotline(&project, &["check"]);
        assert_eq!(run.code, 2, "{}", run.out);
        assert!(!run.out.contains("there is no prompt") && run.out.contains(" 1 error, "), "{}", run.out);
        fs::write(file, text).unwrap();
    }
}

#[test]
fn an_answer_has_the_form_that_was_asked_for_or_none() {
    let place = folder("forms");
    for args in [
        &["check"][..],
        &["flow", "check"],
        &["route", "explain", "95598"],
        &["queue", "show", "service"],
        &["trunk", "show", "carrier"],
    ] {
        let run = hotline(&place, &[args, &["-o", "csv"]].concat());
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{args:?}");
        assert!(run.err.contains("write `-o table` or `-o json`"), "{args:?} {}", run.err);
    }
    let table = hotline(&place, &["cdr", "export", "-o", "table"]);
    assert!(table.code == 2 && table.err.contains("`--format jsonl`"), "{}", table.err);
    assert_eq!(hotline(&place, &["call", "hangup", ""]).code, 2);
}

#[test]
fn the_hours_of_a_route_are_those_of_their_own_zone() {
    let place = folder("route-at");
    let at = |time: &str| hotline(&place, &["route", "explain", "95598", "--at", time]);
    let local = at("2026-11-23T12:00").out;
    assert!(local.contains("At 2026-11-23 12:00 +08:00 calendar "), "{local}");
    assert_eq!(at("2026-11-23T04:00:00Z").out, local);
    let bad = at("tomorrow");
    assert!(bad.code == 2 && bad.err.contains("write 2026-03-08T14:05") && !bad.err.contains("24h"), "{}", bad.err);
}

#[test]
fn a_flow_elsewhere_is_checked_with_the_project_it_lies_in() {
    let project = project("elsewhere");
    let outside = folder("outside");
    let flow = project.join("ivr-flows/small-shop.flow.yaml");
    let run = hotline(&outside, &["flow", "check", flow.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{} {}", run.out, run.err);
    fs::remove_file(project.join("hotline.yaml")).unwrap();
    let run = hotline(&project, &["flow", "check"]);
    assert_eq!(run.code, 0, "{} {}", run.out, run.err);
    assert!(run.err.contains("queues, trunks and agents are not checked"), "{}", run.err);
    assert_eq!(hotline(&outside, &["flow", "check"]).code, 2, "there are no flows there");
}

#[test]
fn a_switch_that_is_not_there_is_code_3_with_a_sentence() {
    let place = folder("nobody");
    // Nothing serves port 1, and no other test can be given it.
    let url = "http://127.0.0.1:1";
    for args in [
        &["status"][..],
        &["healthcheck"],
        &["call", "list"],
        &["queue", "list"],
        &["agent", "set", "1001", "ready"],
        &["cdr", "export", "--format", "csv"],
        &["drain"],
        &["reload"],
        &["stop"],
        &["wait-ready", "--timeout", "200ms"],
    ] {
        let run = hotline(&place, &[args, &["--url", url]].concat());
        assert_eq!(run.code, 3, "{args:?} {} {}", run.out, run.err);
        assert!(run.err.contains(&format!("cannot reach the switch at {url}")), "{}", run.err);
        assert_eq!(run.out, "", "{args:?}");
    }
}

#[test]
fn a_number_is_explained_for_each_kind_of_caller() {
    let place = folder("route");
    let explain = |from: &str| hotline(&place, &["route", "explain", "95598", "--from", from]);
    let trunk = explain("127.0.0.1");
    assert_eq!(trunk.code, 0, "{}", trunk.err);
    assert!(trunk.out.contains("flow power") && trunk.out.contains("the call is taken"), "{}", trunk.out);
    assert!(explain("1001").out.contains("the call is taken"));
    assert!(explain("203.0.113.9").out.contains("refused"));
    assert_eq!(explain("nobody").code, 2);
}

#[test]
fn wrong_usage_is_code_2_and_help_is_code_0() {
    let place = folder("usage");
    assert_eq!(hotline(&place, &["fly"]).code, 2);
    assert_eq!(hotline(&place, &["cdr", "export", "--format", "xml"]).code, 2);
    assert_eq!(hotline(&place, &["cdr", "export", "--offline", "--since", "soon"]).code, 2);
    assert_eq!(hotline(&place, &["cdr", "export", "--offline"]).code, 2, "no database there");
    assert_eq!((hotline(&place, &["--help"]).code, hotline(&place, &["--version"]).code), (0, 0));
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "nothing was left behind");
}

/// The sample project with its tests, in a folder of its own.
fn sample(name: &str) -> TestFolder {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
            let target = to.join(entry.file_name().unwrap());
            if entry.is_dir() {
                copy(&entry, &target);
            } else if entry.extension().is_some_and(|ext| ext == "yaml") {
                fs::copy(&entry, &target).unwrap();
            }
        }
    }
    let place = folder(name);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["ivr-flows", "prompts"] {
        copy(&root.join(part), &place.join(part));
    }
    place
}

#[test]
fn flow_tests_tell_people_and_programs_the_same() {
    let project = sample("flow-test");
    let told = hotline(&project, &["flow", "test", "--coverage", "--min", "90"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{}", told.out);
    assert!(told.out.contains("ivr-flows/tests/power.test.yaml\n  ok   "), "{}", told.out);
    assert!(told.out.contains(" 0 failed; ") && told.out.contains("\npower: 9"), "{}", told.out);
    let too_much = hotline(&project, &["flow", "test", "--coverage", "--min", "100"]);
    assert_eq!(too_much.code, 1, "{}", too_much.out);

    let file = project.join("ivr-flows/tests/power.test.yaml");
    replace(&file, "queue: none, keys: 3", "queue: none, keys: 4");
    let failed = hotline(&project, &["flow", "test", "--junit", "report.xml"]);
    assert_eq!(failed.code, 1);
    let (title, place) = ("error[T110]: keys should be 4 and is 3", "--> ivr-flows/tests/power.test.yaml:");
    assert!(failed.out.contains(title) && failed.out.contains(place), "{}", failed.out);
    let report = fs::read_to_string(project.join("report.xml")).unwrap();
    assert!(report.contains("failures=\"1\"") && report.contains("<failure message=\"keys should be 4 and is 3\">"));
    let tap = hotline(&project, &["flow", "test", "--tap"]);
    assert!(tap.code == 1 && tap.out.starts_with("TAP version 13\n1.."), "{}", tap.out);
    let failures: Vec<&str> = tap.out.lines().filter(|line| line.starts_with("not ok ")).collect();
    assert!(failures.len() == 1 && failures[0].contains(" - power: hears the balance"), "{}", tap.out);
    let json = hotline(&project, &["flow", "test", "--json"]);
    let lines: Vec<serde_json::Value> = json.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((json.code, lines.iter().filter(|line| line["passed"] == false).count()), (1, 1));
    let failed = lines.iter().find(|line| line["passed"] == false).unwrap();
    assert_eq!(failed["findings"][0]["code"], "T110");

    let empty = hotline(&project, &["flow", "test", "ivr-flows/lib"]);
    assert!(empty.code == 2 && empty.err.contains("there are no tests here"), "{}", empty.err);
    replace(&file, "hears: main_menu", "hears: main_menue");
    let slip = hotline(&project, &["flow", "test"]);
    assert!(slip.code == 2 && slip.out.contains("did you mean `main_menu`?"), "{}", slip.out);
}

/// What was done, without the times.
fn deeds(run: &Run) -> Vec<String> {
    run.out.lines().map(|line| line.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn at_the_keyboard_a_caller_hears_the_balance_and_the_end_of_input_hangs_up() {
    let project = sample("flow-try");
    let args = ["flow", "try", "power", "--at", "2026-03-10T10:00", "--caller", "13800138000", "--language", "en"];
    let typed_in = "2\n3\nfound account=3101234569\n1\nfound balance=1205.30\n";
    let run = typed(&project, &args, typed_in);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    assert!(run.out.contains("balance_is (en) Your balance is one thousand two hundred"), "{}", run.out);
    assert_eq!(deeds(&run).last().unwrap(), "caller hangs", "{}", run.out);
    // Who only waits hears the call to its end; time is not real.
    let silent = typed(&project, &args, &format!("{typed_in}.\n\n\n"));
    assert_eq!(deeds(&silent).last().unwrap(), "flow hangs", "{}", silent.out);
    let hung_up = typed(&project, &args, "wait 500ms\nhang\n1\n");
    assert_eq!(deeds(&hung_up), ["hears welcome", "hears choose_language", "caller hangs"]);
}

#[test]
fn at_the_keyboard_mocks_answer_and_secret_digits_are_not_shown() {
    let project = sample("flow-try-mock");
    let args = ["flow", "try", "ivr-flows/power.flow.yaml", "--mock", "ivr-flows/tests/power.test.yaml"];
    let run = typed(&project, &args, "1\n4\n1\n778866\nnot_found\nahead 2\nwaits\n.\n.\nfull\n");
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    assert!(run.out.contains("answer   found {account: 3101234569}"), "the mock answered: {}", run.out);
    let secrets = ["presses  7", "presses  8", "presses  6", "66", "7788"];
    assert!(secrets.iter().all(|secret| !run.out.contains(secret)), "{}", run.out);
    assert_eq!(deeds(&run).iter().filter(|deed| *deed == "presses (kept").count(), 6, "{}", run.out);
    assert!(run.out.contains("verify_owner (account, id)"), "{}", run.out);
    assert_eq!(deeds(&run).iter().filter(|deed| *deed == "hears you_are_number").count(), 2, "{}", run.out);
    assert!(run.out.contains("answer   full\n"), "{}", run.out);
    // An emergency: nobody in the queue, nobody in the control room.
    let dispatch = typed(&project, &args[..3], "1\n1\ntimeout\nno_answer\n.\n");
    assert!(dispatch.out.contains("dials    trunk dispatch-24h, number 8001\n"), "{}", dispatch.out);
    assert!(dispatch.out.contains("hears    dispatch_busy (zh)"), "{}", dispatch.out);
    let talk = typed(&project, &args[..3], "1\n0\nanswered\n.\nhang\n");
    assert!(talk.out.contains("an agent answers\nnothing more happens by itself"), "{}", talk.out);
    assert_eq!(talk.code, 1, "a script that typed what has no meaning is told so");
}

#[test]
fn at_the_keyboard_slips_are_told_and_the_call_goes_on() {
    let project = sample("flow-try-slips");
    let run =
        typed(&project, &["flow", "try", "power"], "what\nwait long\nhelp\n1\n3\nfound acount=1\nfound account=x\n");
    assert_eq!(run.code, 1, "{}", run.out);
    for told in [
        "these are no keys",
        "at most 4h",
        "Time is virtual",
        "found account=..., not_found, failed",
        "the lookup gives no `acount`: did you mean `account`?",
        "`account` is a digits, not `x`",
    ] {
        assert!(run.out.contains(told), "{told}: {}", run.out);
    }
    for (args, why) in [
        (&["powr"][..], "there is no entry flow `powr`; did you mean `power`?"),
        (&["power", "--language", "fr"], "known here: zh, en"),
        (&["power", "--at", "tomorrow"], "2026-03-10T10:00"),
        (&["power", "--caller", "me"], "--caller wants a number"),
        (&["power", "--mock", "ivr-flows/power.flow.yaml"], "no test file of the flow `power`"),
    ] {
        let refused = hotline(&project, &[&["flow", "try"], args].concat());
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{args:?}");
        assert!(refused.err.contains(why), "{}", refused.err);
    }
    replace(&project.join("ivr-flows/power.flow.yaml"), "- goto: more", "- goto: mroe");
    let faulty = hotline(&project, &["flow", "try", "power"]);
    assert_eq!(faulty.code, 2);
    assert!(faulty.out.contains("power.flow.yaml:") && faulty.out.contains("did you mean `more`?"), "{}", faulty.out);
}

#[test]
fn flow_explore_fails_with_a_test_that_shows_the_fault() {
    let project = sample("flow-explore");
    let sound = hotline(&project, &["flow", "explore", "ivr-flows/night.flow.yaml"]);
    assert_eq!((sound.code, sound.err.as_str()), (0, ""), "{}", sound.out);
    assert!(sound.out.contains(" states, complete, 0 findings\n") && sound.out.contains("queue service at night"));
    let early = hotline(&project, &["flow", "explore", "ivr-flows/night.flow.yaml", "--states", "20"]);
    assert!(early.out.contains("night: 20 states, stopped at 20 states"), "{}", early.out);

    let flow = project.join("ivr-flows/night.flow.yaml");
    replace(&flow, "open: day, closed: night}", "open: day, closed: late}");
    replace(&flow, "  night:\n", "  late:\n    - queue: {to: service, not_answered: night}\n  night:\n");
    let faulty = hotline(&project, &["flow", "explore", "ivr-flows/night.flow.yaml", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&faulty.out).unwrap();
    assert_eq!((faulty.code, found["findings"][0]["property"].as_str()), (1, Some("P7")), "{}", faulty.out);
    let script = found["findings"][0]["script"].as_str().unwrap();
    fs::write(project.join("ivr-flows/tests/found.test.yaml"), script).unwrap();
    let shown = hotline(&project, &["flow", "test", "ivr-flows/tests/found.test.yaml"]);
    assert!(shown.code == 1 && shown.out.contains("queue should be none and is service"), "{}", shown.out);
}

#[test]
fn an_editor_gets_a_schema_and_an_admin_the_language_from_the_program() {
    let place = folder("schema");
    let schema = hotline(&place, &["flow", "schema"]);
    let read: serde_json::Value = serde_json::from_str(&schema.out).unwrap();
    assert_eq!((schema.code, &read["$schema"]), (0, &"http://json-schema.org/draft-07/schema#".into()));
    assert!(hotline(&place, &["flow", "reference", "queue"]).out.contains("| `max_wait` |"));
    assert_eq!(hotline(&place, &["flow", "reference", "qeue"]).code, 2);
}

#[test]
fn a_flow_is_laid_out_once_and_a_check_says_whether_it_is() {
    let project = project("fmt");
    let flow = project.join("ivr-flows/small-shop.flow.yaml");
    assert_eq!(hotline(&project, &["flow", "fmt", "--check"]).code, 0, "a new project is laid out");
    let neat = fs::read_to_string(&flow).unwrap();
    fs::write(&flow, neat.replacen("ivr: 1", "ivr:    1   # first", 1)).unwrap();
    let checked = hotline(&project, &["flow", "fmt", "--check"]);
    assert_eq!(checked.code, 1);
    assert!(checked.out.contains("small-shop.flow.yaml: not laid out"), "{}", checked.out);
    assert_eq!(hotline(&project, &["flow", "fmt", "ivr-flows/small-shop.flow.yaml"]).code, 0);
    assert_eq!(fs::read_to_string(&flow).unwrap(), neat.replacen("ivr: 1", "ivr: 1  # first", 1));
    assert_eq!(hotline(&project, &["flow", "check"]).code, 0);
    let strangers = ["hosts", "compose.yaml"].map(|name| project.join(name));
    for file in &strangers {
        fs::write(file, "a:    1\n").unwrap();
        let refused = hotline(&project, &["flow", "fmt", "ivr-flows/small-shop.flow.yaml", file.to_str().unwrap()]);
        assert_eq!(refused.code, 2, "{}", refused.out);
        assert!(refused.err.contains("stays as it is"), "{}", refused.err);
        assert_eq!(fs::read_to_string(file).unwrap(), "a:    1\n");
    }
    fs::write(&flow, "sections: {").unwrap();
    let broken = hotline(&project, &["flow", "fmt"]);
    assert_eq!(broken.code, 2);
    assert!(broken.out.contains("small-shop.flow.yaml:1:"), "{}", broken.out);
    assert_eq!(fs::read_to_string(&flow).unwrap(), "sections: {");
}

#[test]
fn what_a_caller_would_hear_of_a_value_is_told_singly_and_in_numbers() {
    let place = folder("say");
    let say = |args: &[&str]| hotline(&place, &[&["flow", "say"], args].concat());
    assert_eq!(say(&["--lang", "zh", "--format", "money", "120530"]).out, "一千二百零五元三角\n");
    assert_eq!(say(&["--lang", "en", "--format", "money", "1230"]).out, "twelve point three yuan\n");
    assert_eq!(say(&["--lang", "zh", "--format", "date", "2026-03-08"]).out, "二零二六年三月八日\n");
    assert_eq!(say(&["--lang", "zh", "--format", "date", "2026-03-08", "--today", "2026-03-09"]).out, "昨天\n");
    assert_eq!(say(&["--lang", "zh", "--format", "number", "-35"]).out, "负三十五\n");
    let wrong = say(&["--lang", "zh", "--format", "money", "12.30"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (2, ""));
    assert!(wrong.err.contains("smallest unit"), "{}", wrong.err);
    assert_eq!(say(&["--lang", "fr", "--format", "number", "1"]).code, 2);
    assert_eq!(say(&["--lang", "zh", "--format", "sum", "1"]).code, 2);

    let lines = "{\"lang\": \"zh\", \"format\": \"time\", \"value\": \"14:05\"}\n\n{\"lang\": \"zh\"}\nnonsense\n\
                 {\"lang\": \"en\", \"format\": \"count\", \"value\": 105}\n";
    fs::write(place.join("values.jsonl"), lines).unwrap();
    let said = say(&["--batch", "values.jsonl"]);
    let rows: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((said.code, rows.len()), (1, 4), "{}", said.out);
    assert_eq!(rows[0]["text"], "下午两点零五分");
    assert!(rows[1]["error"].is_string() && rows[2]["line"] == 4, "{}", said.out);
    assert_eq!(rows[3]["text"], "one hundred and five");
}

#[test]
fn a_flow_is_drawn_for_a_wiki_and_for_a_program() {
    let project = project("graph");
    let drawn = hotline(&project, &["flow", "graph"]);
    assert!(drawn.code == 0 && drawn.out.starts_with("flowchart TD\n"), "{}{}", drawn.out, drawn.err);
    let told = hotline(&project, &["flow", "graph", "small-shop", "--format", "json"]);
    let graph: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(graph["sections"][0]["name"], "start");
    assert_eq!(hotline(&project, &["flow", "graph", "nothing"]).code, 2);
}

#[test]
fn a_recording_is_missing_then_there_then_older_than_its_text() {
    let place = folder("prompt");
    for dir in ["ivr-flows", "prompts/zh"] {
        fs::create_dir_all(place.join(dir)).unwrap();
    }
    let texts = place.join("prompts/a.yaml");
    fs::write(&texts, "sum: {zh: \"余额{balance:money}。\"}\nhello: {zh: \"您好。\"}\n").unwrap();
    let states = || -> Vec<(String, String)> {
        let told = hotline(&place, &["prompt", "status", "-o", "json"]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&told.out).unwrap();
        rows.iter().map(|row| (row["file"].as_str().unwrap().into(), row["state"].as_str().unwrap().into())).collect()
    };
    let now = |hello: &str, sum: &str| vec![("hello".to_string(), hello.to_string()), ("sum-1".into(), sum.into())];
    assert_eq!(states(), now("missing", "missing"));
    let sheet = hotline(&place, &["prompt", "script", "--lang", "zh"]).out;
    assert!(sheet.contains("heard in: 余额…。") && sheet.contains("2 to record"), "{sheet}");

    for file in ["hello", "sum-1"] {
        fs::write(place.join(format!("prompts/zh/{file}.wav")), "a recording").unwrap();
    }
    assert_eq!((states(), hotline(&place, &["prompt", "check"]).code), (now("recorded", "recorded"), 0));
    assert_eq!(hotline(&place, &["prompt", "accept"]).out, "2 recordings noted\n");
    replace(&texts, "您好。", "您好，欢迎。");
    assert_eq!((states(), hotline(&place, &["prompt", "check"]).code), (now("text changed", "recorded"), 1));
    assert_eq!(hotline(&place, &["prompt", "accept"]).code, 0);
    assert_eq!(states(), now("recorded", "recorded"));
}

#[test]
fn a_plan_says_what_is_blocked_who_waits_and_what_to_buy() {
    let place = folder("plan");
    let lines = hotline(&place, &["plan", "--traffic", "20", "--lines", "26", "-o", "json"]);
    assert_eq!((lines.code, lines.err.as_str()), (0, ""));
    let plan: serde_json::Value = serde_json::from_str(&lines.out).unwrap();
    assert_eq!(
        (plan["lines_needed"].as_u64(), plan["blocked_percent"].as_f64().map(|share| share > 3.0)),
        (Some(30), Some(true))
    );
    assert!(plan["says"].as_str().unwrap().contains("buy 4 more"), "{plan}");
    let queue = [
        "plan",
        "--calls-per-hour",
        "1000",
        "--handling",
        "2m",
        "--agents",
        "36",
        "--patience",
        "1m",
        "--within",
        "15s",
        "-o",
        "json",
    ];
    let plan: serde_json::Value = serde_json::from_str(&hotline(&place, &queue).out).unwrap();
    let figures = ["waits_percent", "mean_wait_s", "service_level_percent", "abandon_percent"]
        .map(|key| plan[key].as_f64().unwrap());
    assert_eq!(figures, [55.19, 24.8, 60.5, 4.62]);
    for bad in
        [&["plan"][..], &["plan", "--traffic", "-1"], &["plan", "--traffic", "nan"], &["plan", "--calls-per-hour", "9"]]
    {
        assert_eq!(hotline(&place, bad).code, 2, "{bad:?}");
    }
    let crowd =
        hotline(&place, &["plan", "--calls-per-hour", "1000", "--handling", "2m", "--agents", "33", "-o", "json"]);
    assert!(crowd.out.contains("34 agents at least"), "{}", crowd.out);
}
