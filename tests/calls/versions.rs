//! Which version of the flows callers take, and calls that are moved to another one.

use super::*;

#[test]
fn a_canary_is_for_a_share_of_the_callers_each_of_whom_takes_the_same_version_again() {
    let mut world = world();
    world.tries_out(sim::bundle::edited("silence: zh}", "silence: en}"), 50);
    let mut taken = Vec::new();
    for caller in ["13800138000", "13800138001", "13800138002", "13800138003", "13800138004", "13800138005"] {
        let phone = world.caller(caller);
        let mut versions = Vec::new();
        for _ in 0..2 {
            world.dial(phone, "95598");
            world.until_heard(phone, "zh/welcome");
            world.hang_up(phone);
            world.run(seconds(3.0));
            let record = world.records.last().expect("each call leaves one");
            versions.push(record.flow_version.clone().expect("a flow answered"));
        }
        assert_eq!(versions[0], versions[1], "{caller} takes another version");
        taken.push(versions[0].clone());
    }
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 2, "both versions are taken");
    world.finish();
}

#[test]
fn callers_at_a_question_begin_again_in_the_new_version_and_whoever_talks_is_left_alone() {
    let (mut world, talking, agent) = talking();
    let asked = world.caller("13800138009");
    world.dial(asked, "95598");
    world.until_heard(asked, "zh/choose_language");
    world.press(asked, "2");
    world.until_heard(asked, "en/main_menu");
    world.reload(sim::bundle::edited("silence: zh}", "silence: en}"));
    world.moves_calls("emergency");
    world.until_heard(asked, "en/stay_away");
    world.run(seconds(2.0));
    let is_over = |phone| matches!(world.state(phone), Some(State::Over(_)));
    assert!(!is_over(talking) && !is_over(agent), "a talk goes on");
    assert_eq!(world.count(|kind| matches!(kind, EventKind::FlowStarted { .. })), 2, "one call began anew");
    world.hang_up(asked);
    world.hang_up(talking);
    world.run(seconds(3.0));
    world.finish();
}
