//! Switches that operators flip while calls run.

use super::world::*;
use hotline::ivr::*;
use std::collections::BTreeSet;

const FLOW: &str = "
ivr: 1
languages: [zh]
sections:
  start:
    - say: {prompt: storm, if: live.storm}
    - menu: {say: q, keys: {1: start, 2: closed_or_not}, give_up: bye}
  closed_or_not:
    - choose: [{if: live.closed and not live.storm, goto: shut}]
    - goto: start
  shut:
    - hangup: shut
  bye:
    - hangup: shut
";

fn on(names: &[&str]) -> Event {
    Event::Live { on: names.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>() }
}

fn bundle_of(flow: &str) -> Bundle {
    bundle(&project(flow, &[("storm", "台风"), ("q", "请选择"), ("shut", "已下班")]))
}

#[test]
fn a_switch_that_is_flipped_is_seen_by_a_running_call_at_its_next_step() {
    let bundle = bundle_of(FLOW);
    let mut call = Call::start(&bundle, "test");
    call.hears("q").tell(on(&["storm"]));
    call.presses("1").hears("storm").hears("q").tell(on(&["closed"]));
    call.presses("2").hears("shut");
}

#[test]
fn a_switch_that_was_on_before_the_call_is_on_from_its_first_step() {
    let bundle = bundle_of(FLOW);
    let mut call = Call::new(&bundle, "test");
    call.tell(on(&["storm"]));
    call.begin("13800138000", None);
    call.hears("storm").hears("q");
}

#[test]
fn a_switch_is_on_or_off_and_nothing_else() {
    let flow = FLOW.replace("live.closed and", "live.closed = 3 and");
    let found = load(&project(&flow, &[("storm", "台风"), ("q", "请选择"), ("shut", "已下班")]), None, &audio);
    let found = found.expect_err("a flag is no number");
    assert!(found.iter().any(|finding| finding.code == "E303" && finding.line == 9), "{found:?}");
}
