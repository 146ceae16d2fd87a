//! Keys, silence, tries, barge-in and type-ahead.

use super::world::*;
use hotline::ivr::*;

const PROMPTS: [(&str, &str); 11] = [
    ("q", "请选择"),
    ("q2", "请再选择"),
    ("hint1", "请按键"),
    ("hint2", "请按一或二"),
    ("bad", "按键有误"),
    ("bad2", "还是有误"),
    ("ad", "广告"),
    ("one", "一号"),
    ("two", "二号"),
    ("lost", "放弃"),
    ("is_it", "是{number:phone}吗"),
];

/// A flow around the steps of its first section.
fn flow(steps: &str) -> Bundle {
    let text = format!(
        "ivr: 1\nlanguages: [zh]\nvars:\n  number: {{type: digits, optional: true}}\nsections:\n  start:\n{steps}\n  one:\n    - hangup: \
         one\n  two:\n    - hangup: two\n  lost:\n    - hangup: lost\n"
    );
    bundle(&project(&format!("{text}shortcuts: {{0: two, star: back, 9: repeat}}\n"), &PROMPTS))
}

const MENU: &str = "    - menu: {say: q, keys: {1: one, 2: two}, give_up: lost, wait: 5s, silence: [hint1, hint2], wrong_key: [bad, bad2]}";

#[test]
fn silence_and_wrong_keys_share_one_count_of_tries() {
    let bundle = flow(MENU);
    let mut call = Call::start(&bundle, "test");
    call.hears("q").hears("hint1 q").presses("7").hears("bad2 q").waits(10_000).hears("lost");
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("7").hears("bad q").presses("7").hears("bad2 q").presses("7").hears("lost");
}

#[test]
fn the_last_hint_is_said_again_when_there_are_more_tries_than_hints() {
    let bundle = flow(&MENU.replace("give_up: lost", "give_up: lost, tries: 5"));
    let mut call = Call::start(&bundle, "test");
    call.hears("q").hears("hint1 q").hears("hint2 q").hears("hint2 q").hears("hint2 q").hears("lost");
}

#[test]
fn silence_is_measured_from_the_end_of_the_prompt() {
    let bundle = flow(MENU);
    let mut call = Call::start(&bundle, "test");
    call.hears("q").waits(CLIP_MS + 4_900).hears_nothing_more();
    call.waits(200).hears("hint1 q");
}

#[test]
fn a_key_during_the_prompt_answers_it_and_one_during_an_unskippable_prompt_does_not() {
    let bundle = flow(MENU);
    let mut call = Call::start(&bundle, "test");
    call.hears("q").waits(500).presses("1").hears("one");
    assert!(call.now < CLIP_MS);
    let bundle = flow(&MENU.replace("give_up: lost", "give_up: lost, barge_in: false"));
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("1").waits(2_000).hears_nothing_more().presses("1").hears("one");
    assert_eq!(call.recorded_keys(), ".1");
}

#[test]
fn an_announcement_that_must_be_heard_drops_the_keys_pressed_before_and_during_it() {
    let steps = format!("    - pause: 2s\n    - say: {{prompt: ad, barge_in: false}}\n{MENU}");
    let bundle = flow(&steps);
    let mut call = Call::start(&bundle, "test");
    call.presses("1").hears("ad").presses("1").hears("q");
}

#[test]
fn keys_typed_during_a_prompt_wait_for_the_question_and_a_wrong_one_clears_the_rest() {
    let bundle = flow(&format!("    - say: ad\n    - pause: 2s\n{MENU}"));
    let mut call = Call::start(&bundle, "test");
    call.hears("ad").presses("1").hears("one");
    let mut call = Call::start(&bundle, "test");
    call.hears("ad").presses("71").hears("bad q").waits(3_000).hears_nothing_more();
}

#[test]
fn twenty_keys_wait_and_the_twenty_first_is_dropped() {
    let steps = "    - pause: 60s\n    - collect: {say: q, save: number, max: 20, confirm: is_it, give_up: lost}\n    - goto: one";
    let bundle = flow(steps);
    let mut call = Call::start(&bundle, "test");
    call.presses(&"2".repeat(25)).waits(60_000);
    call.hears(&format!("is_it-1 {} is_it-2", ["二"; 20].join(" "))).presses("1").hears("one");
    assert!(call.traces.contains(&TraceEvent::Collected { name: "number".into(), shown: "2".repeat(20) }));
}

#[test]
fn a_repeat_costs_no_try_but_not_for_ever() {
    let bundle = flow(MENU);
    let mut call = Call::start(&bundle, "test");
    call.hears("q");
    for _ in 0..5 {
        call.presses("9").hears("q");
    }
    call.presses("9").hears("bad q").presses("9").hears("bad2 q").presses("9").hears("lost");
}

#[test]
fn a_menus_own_key_wins_over_a_shortcut() {
    let own = MENU.replace("1: one", "0: one, 1: two");
    let sources = |steps: &str| flow(steps);
    let bundle = sources(&own);
    assert!(bundle.warnings.iter().any(|w| w.code == "E403"));
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("0").hears("one");
    let bundle = flow(MENU);
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("0").hears("two");
}

#[test]
fn star_goes_back_to_the_menu_before() {
    let text = "ivr: 1\nlanguages: [zh]\nshortcuts: {star: back}\nsections:\n  start:\n    - menu: {say: q, keys: {1: deeper}, give_up: out}\n  \
                deeper:\n    - say: ad\n    - menu: {say: q2, keys: {1: out, 2: repeat, 3: back}, give_up: out}\n  out:\n    - hangup: one\n";
    let bundle = bundle(&project(text, &PROMPTS));
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("1").hears("ad").hears("q2").presses("2").hears("q2").presses("*").hears("q");
    call.presses("*").hears("q");
    call.presses("1").hears("ad").hears("q2").presses("3").hears("q").presses("11").forget_heard().waits(5_000);
    assert!(call.state.is_ended());
}

#[test]
fn one_and_ten_in_one_menu_are_told_apart_by_a_short_wait() {
    let bundle = flow(&MENU.replace("2: two", "10: two").replace("give_up", "key_wait: 2s, give_up"));
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("1").waits(1_900).hears_nothing_more().waits(200).hears("one");
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("10").hears("two");
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("15").hears("bad q");
}

const COLLECT: &str = "    - collect: {say: q, save: number, min: 3, max: 5, between_digits: 2s, wrong_key: bad, silence: hint1, give_up: lost}\n    - goto: one";

#[test]
fn an_entry_ends_by_hash_by_a_pause_or_by_its_length() {
    let bundle = flow(COLLECT);
    let entry = |keys: &str, wait| {
        let mut call = Call::start(&bundle, "test");
        call.hears("q").presses(keys).waits(wait).hears("one");
        call.traces
            .iter()
            .find_map(|t| if let TraceEvent::Collected { shown, .. } = t { Some(shown.clone()) } else { None })
    };
    assert_eq!(entry("1234#", 0).as_deref(), Some("1234"));
    assert_eq!(entry("1234", 2_100).as_deref(), Some("1234"));
    assert_eq!(entry("12345", 0).as_deref(), Some("12345"));
    // Star starts over.
    assert_eq!(entry("99*123#", 0).as_deref(), Some("123"));
}

#[test]
fn an_entry_that_is_too_short_is_a_wrong_key_and_none_at_all_is_silence() {
    let bundle = flow(COLLECT);
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("12#").hears("bad q").presses("12").waits(2_100).hears("bad q");
    let mut call = Call::start(&bundle, "test");
    call.hears("q").waits(7_100).hears("hint1 q").presses("#").hears("bad q");
}

#[test]
fn digits_are_data_while_a_number_is_asked_and_only_star_first_goes_back() {
    let steps = "    - menu: {say: q, keys: {1: ask}, give_up: lost}\n  ask:\n    - collect: {say: q2, save: number, digits: 3, give_up: lost, confirm: is_it}\n    - goto: one";
    let bundle = flow(steps);
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("1").hears("q2").presses("*").hears("q").presses("1").hears("q2");
    call.presses("090").hears("is_it-1 零 九 零 is_it-2").presses("1").hears("one");
}

#[test]
fn a_confirmation_cannot_be_typed_ahead_and_redoing_ends_after_the_tries() {
    let steps = "    - collect: {say: q, save: number, digits: 2, confirm: is_it, wrong_key: bad, give_up: lost}\n    - goto: one";
    let early = flow(&format!("    - pause: 2s\n{steps}"));
    let mut call = Call::start(&early, "test");
    call.presses("331").hears("is_it-1 三 三 is_it-2").waits(2_000).hears_nothing_more().presses("1").hears("one");
    let bundle = flow(steps);
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("33").hears("is_it-1 三 三 is_it-2").presses("2").hears("q");
    call.presses("34").hears("is_it-1 三 四 is_it-2").presses("7").hears("bad is_it-1 三 四 is_it-2");
    call.presses("2").hears("lost");
}

#[test]
fn what_was_typed_before_a_confirmation_does_not_answer_the_question_after_it_either() {
    let steps = "    - pause: 2s\n    - collect: {say: q, save: number, digits: 2, confirm: is_it, give_up: lost}\n    - menu: {say: \
                 q2, keys: {1: one, 2: two}, give_up: lost}";
    let bundle = flow(steps);
    let mut call = Call::start(&bundle, "test");
    call.presses("3312").hears("is_it-1 三 三 is_it-2").presses("1").hears("q2").waits(2_000).hears_nothing_more();
}

#[test]
fn keys_typed_in_one_language_do_not_answer_questions_in_another() {
    let text = "ivr: 1\nlanguages: [zh, en]\nsections:\n  start:\n    - pause: 2s\n    - language: {say: choose_language, keys: \
                {1: zh, 2: en}, silence: zh}\n    - menu: {say: pay_menu, keys: {1: out}, give_up: out}\n  out:\n    - hangup: \
                goodbye\n";
    let bundle = bundle(&project(text, &[]));
    let mut call = Call::start(&bundle, "test");
    call.presses("21").hears("en/pay_menu").waits(3_000).hears_nothing_more();
    assert_eq!(call.recorded_keys(), "2.");
    let mut call = Call::start(&bundle, "test");
    call.presses("11").hears("goodbye");
}

#[test]
fn fresh_input_ignores_what_was_typed_before_it_was_asked() {
    let steps = "    - pause: 2s\n    - collect: {say: q, save: number, digits: 2, fresh_input: true, give_up: lost}\n    - goto: one";
    let bundle = flow(steps);
    let mut call = Call::start(&bundle, "test");
    call.presses("12").hears("q").presses("34").hears("one");
    assert!(call.traces.contains(&TraceEvent::Collected { name: "number".into(), shown: "34".into() }));
}

#[test]
fn a_hash_after_a_full_number_does_not_answer_the_next_question() {
    let steps = "    - collect: {say: q, save: number, digits: 3, give_up: lost}\n    - menu: {say: q2, keys: {hash: one, 2: two}, give_up: lost}";
    let bundle = flow(steps);
    // Typed in one go while the prompt runs.
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("123#").hears("q2").presses("2").hears("two");
    // Long after, it is an answer.
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("123").hears("q2").waits(3_500).presses("#").hears("one");
}

#[test]
fn a_key_ends_the_prompt_however_it_came() {
    // The media side has not heard a key that came by SIP INFO, so the flow itself must stop the play.
    for steps in [MENU, "    - say: ad\n    - menu: {say: q, keys: {1: one}, give_up: lost}"] {
        let bundle = flow(steps);
        let mut call = Call::start(&bundle, "test");
        let play =
            call.log.iter().find_map(|action| if let Action::Play { id, .. } = action { Some(*id) } else { None });
        call.presses("1");
        assert!(
            call.log.iter().any(|action| matches!(action, Action::StopPlay { id } if Some(*id) == play)),
            "{steps}"
        );
    }
}

#[test]
fn keys_that_no_telephone_has_are_not_heard() {
    let bundle = flow(MENU);
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("ABCD").presses("1").hears("one");
    assert!(!call.traces.iter().any(|trace| matches!(trace, TraceEvent::Key { key: Some('A'..='D') })));
}

#[test]
fn a_recording_that_never_ends_does_not_hold_the_caller() {
    let bundle = flow(MENU);
    let mut call = Call::start(&bundle, "test");
    call.hears("q");
    call.lose_playback();
    call.waits(2 * CLIP_MS + 5_000 + 5_000).hears("hint1 q");
    assert!(call.log.iter().any(|action| matches!(action, Action::StopPlay { .. })));
}

#[test]
fn the_media_sides_late_word_about_a_cut_prompt_changes_nothing() {
    let bundle = flow(MENU);
    let mut call = Call::start(&bundle, "test");
    call.hears("q").presses("7");
    let before = call.state.clone();
    call.tell(Event::PlayDone { id: 1, heard_ms: 300 });
    call.tell(Event::PlayDone { id: 2, heard_ms: 300 });
    call.tell(Event::Timer { id: 3 });
    assert_eq!(call.state, before);
    call.hears("bad q");
}
