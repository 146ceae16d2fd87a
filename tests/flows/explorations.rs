//! Faults put into flows on purpose, each found by following every call, with a test that shows it.

use super::world::*;
use hotline::ivr::trial::{self, Bounds, Coverage, Explored};
use hotline::ivr::*;

fn silent(_: &str, _: &str) -> Option<u32> {
    None
}

const HEAD: &str = "ivr: 1\nlanguages: [zh]\nvars: {n: {type: int}}\ndefaults: {input: {wait: 6s, tries: 2, give_up: bye}}\nsections:\n";
const TAIL: &str = "  agent: {keep: true, steps: [queue: {to: service, not_answered: bye}]}\n  bye: {keep: true, steps: [hangup: goodbye]}\n";

fn with(sections: &str) -> Sources {
    let mut sources = project(&format!("{HEAD}{sections}{TAIL}"), &[]);
    sources.files.retain(|(path, _)| !path.contains("lib/"));
    sources
}

/// Explores a flow that holds these sections.
fn explore(sections: &str) -> (Explored, Sources) {
    let sources = with(sections);
    let bundle = load(&sources, None, &silent).unwrap_or_else(|found| {
        panic!("{}", found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    });
    (trial::explore(&bundle, "test", &Bounds::default()).expect("a flow"), sources)
}

/// The flow breaks exactly these properties, and the test that is given for each fails on it.
fn breaks(sections: &str, properties: &[&str]) {
    let (explored, sources) = explore(sections);
    let told: Vec<String> = explored.findings.iter().map(|f| format!("{} {}", f.property, f.message)).collect();
    let found: Vec<&str> = explored.findings.iter().map(|finding| finding.property).collect();
    assert_eq!(found, properties, "{}", told.join("\n"));
    assert!(explored.complete);
    for finding in &explored.findings {
        let mut sources = sources.clone();
        sources.files.push(("ivr-flows/tests/found.test.yaml".into(), finding.script.clone()));
        let bundle = load(&sources, None, &silent).expect("the flow loads");
        let (files, wrong) = trial::read(&sources, &bundle);
        assert_eq!(wrong, [], "{}", finding.script);
        let verdict = trial::run(&bundle, "test", &files[0].tests[0]);
        assert!(!verdict.passed(), "this does not show it:\n{}", finding.script);
    }
}

#[test]
fn a_flow_in_order_breaks_nothing() {
    breaks("  start:\n    - menu: {say: main_menu, keys: {1: agent, 2: bye}}\n", &[]);
}

#[test]
fn a_state_that_no_call_gets_out_of_is_a_trap() {
    // The way out is open for another value of `n` than it ever has.
    breaks(
        "  start:\n    - menu: {say: main_menu, keys: {1: agent, 2: trap}}\n  trap:\n    - set: {n: 1}\n    - goto: again\n  again:\n    - menu: {say: main_menu, keys: {1: check}, give_up: check}\n  check:\n    - choose: [{if: n = 1, goto: again}]\n    - goto: agent\n",
        &["P1", "P4"],
    );
}

#[test]
fn a_silent_caller_and_one_with_wrong_keys_only_go_round_for_ever() {
    breaks(
        "  start:\n    - menu: {say: main_menu, keys: {1: agent}, give_up: more}\n  more:\n    - menu: {say: anything_else, keys: {1: agent}, give_up: start}\n",
        &["P2", "P3"],
    );
}

#[test]
fn a_human_behind_five_menus_is_too_far_and_one_behind_none_is_not_there() {
    let menu = |name: &str, next: &str| {
        format!("  {name}:\n    - menu: {{say: main_menu, keys: {{1: {next}}}, no_agent: true}}\n")
    };
    let deep: String =
        [("start", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "agent")].map(|(at, next)| menu(at, next)).concat();
    breaks(&deep, &["P4"]);
    breaks("  start:\n    - menu: {say: main_menu, keys: {1: bye}, no_agent: true}\n", &["P4"]);
}

#[test]
fn an_emergency_three_keys_away_is_too_deep() {
    breaks(
        "  start:\n    - menu: {say: main_menu, keys: {1: b, 0: agent}}\n  b:\n    - menu: {say: main_menu, keys: {1: c, 0: agent}}\n  c:\n    - menu: {say: main_menu, keys: {1: emergency, 0: agent}}\n  emergency:\n    - queue: {to: emergency, priority: 9, not_answered: bye}\n",
        &["P5"],
    );
}

#[test]
fn after_hours_a_queue_without_agents_is_a_dead_end() {
    breaks(
        "  start:\n    - hours: {calendar: agents, closed: late}\n    - goto: agent\n  late:\n    - say: night_notice\n    - queue: {to: service, not_answered: bye}\n",
        &["P7"],
    );
}

#[test]
fn a_form_that_a_call_can_file_twice_is_found() {
    breaks(
        "  start:\n    - form: {template: outage_report, fields: {account: caller.number, contact: caller.number}, failed: agent}\n    - menu: {say: main_menu, keys: {1: start, 0: agent}}\n",
        &["P9"],
    );
}

#[test]
fn a_secret_that_would_be_spoken_does_not_even_load() {
    let flow = "ivr: 1\nlanguages: [zh]\nvars: {pin: {type: digits, secret: true}}\ndefaults: {input: {give_up: bye}}\nsections:\n  start:\n    - collect: {say: hello, save: pin, digits: 6}\n    - say: tell\n    - hangup: goodbye\n  bye:\n    - hangup: goodbye\n";
    let found = load(&project(flow, &[("tell", "{pin:digits}。")]), None, &silent).expect_err("a secret");
    assert!(found.iter().any(|finding| finding.code == "E701"), "{found:?}");
}

#[test]
fn the_sample_hotline_keeps_to_everything() {
    let bundle = load(&sample(), None, &silent).expect("the sample");
    let explored = trial::explore(&bundle, "power", &Bounds::default()).expect("a flow");
    let told: Vec<String> =
        explored.findings.iter().map(|f| format!("{} {}\n{}", f.property, f.message, f.script)).collect();
    assert!(explored.complete && told.is_empty(), "{}", told.join("\n"));
    assert_eq!(explored.unexplored, [] as [&str; 0]);
    assert!(
        explored.humans.iter().any(|way| way.target == "queue emergency" && way.keys == "11"),
        "{:?}",
        explored.humans
    );
    assert!(explored.humans.iter().all(|way| way.at_once_ms <= way.listening_ms));
}

#[test]
fn a_search_that_stops_early_says_so() {
    let bundle = load(&sample(), None, &silent).expect("the sample");
    let explored = trial::explore(&bundle, "power", &Bounds { states: 50, ..Bounds::default() }).expect("a flow");
    assert_eq!((explored.complete, explored.states), (false, 50));
}

#[test]
fn tests_tell_what_they_leave_out_and_how_to_come_there() {
    let sources = with("  start:\n    - menu: {say: main_menu, keys: {1: agent, 2: bye}}\n");
    let bundle = load(&sources, None, &silent).expect("a flow");
    let mut coverage = Coverage::of(&bundle, "test");
    let (none, all) = coverage.count(None);
    assert!(none == 0 && all > 8, "{coverage:?}");
    let missed: Vec<_> = coverage.missed().cloned().collect();
    let skeletons = trial::skeletons(&bundle, "test", &missed);
    assert_eq!(skeletons.len(), all);
    for (item, script) in skeletons {
        let script = script.unwrap_or_else(|| panic!("{item}"));
        let mut sources = sources.clone();
        sources.files.push(("ivr-flows/tests/t.test.yaml".into(), script.clone()));
        let (files, wrong) = trial::read(&sources, &bundle);
        assert_eq!(wrong, [], "{script}");
        let verdict = trial::run(&bundle, "test", &files[0].tests[0]);
        assert!(verdict.passed(), "{script}");
        coverage.note(&verdict.lines);
        assert!(coverage.missed().all(|left| *left != item), "{item} is not reached by\n{script}");
    }
    assert_eq!(coverage.percent(None), 100.0);
}

#[test]
fn the_tests_of_the_sample_go_through_nine_tenths_of_it() {
    let mut sources = sample();
    let tests = include_str!("../../ivr-flows/tests/power.test.yaml");
    sources.files.push(("ivr-flows/tests/power.test.yaml".into(), tests.into()));
    let bundle = load(&sources, None, &silent).expect("the sample");
    let (files, _) = trial::read(&sources, &bundle);
    let mut coverage = Coverage::of(&bundle, "power");
    for test in &files[0].tests {
        coverage.note(&trial::run(&bundle, "power", test).lines);
    }
    let missed: Vec<String> = coverage.missed().map(ToString::to_string).collect();
    assert!(coverage.percent(None) >= 90.0, "{}", missed.join("\n"));
}

#[test]
fn the_examples_of_the_guide_pass() {
    let guide = include_str!("../../docs/flow-testing.md");
    let mut examples = 0;
    for block in guide.split("```yaml\n").skip(1) {
        let example = block.split("```").next().unwrap_or_default();
        let mut sources = sample();
        sources.files.push(("ivr-flows/tests/guide.test.yaml".into(), example.into()));
        let bundle = load(&sources, None, &silent).expect("the sample");
        let (files, wrong) = trial::read(&sources, &bundle);
        assert_eq!(wrong, []);
        for test in &files[0].tests {
            assert!(trial::run(&bundle, "power", test).passed(), "{}", test.name);
            examples += 1;
        }
    }
    assert!(examples >= 2);
}
