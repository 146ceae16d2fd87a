//! Flows that would run and treat a caller badly: no human in reach, keys that nobody tells of, conditions that are none,
//! answers that are not heard out.

use super::checks::{findings, findings_with, gives, platform, sources};
use super::world::*;
use hotline::ivr::*;

/// A flow of few lines, its texts in both languages, and what is found in it.
fn found_in(sections: &str, texts: &str) -> Vec<String> {
    let flow = format!(
        "ivr: 1\nlanguages: [zh, en]\nvars:\n  balance: {{type: money}}\n  level: {{type: one_of, of: [gold, plain], optional: true}}\n  vip: {{type: flag}}\n  ticket: {{type: digits, optional: true}}\n  note: {{type: text, optional: true}}\ndefaults: {{input: {{give_up: bye, silence: still_there}}}}\nsections:\n{sections}  bye:\n    - hangup: goodbye\n  agent:\n    - queue: {{to: service, not_answered: bye}}\n"
    );
    let mut sources = sources(&flow);
    let texts: String = texts.lines().map(|line| format!("{}\n", line.trim())).collect();
    sources.files.push(("prompts/policies.yaml".into(), texts));
    // What nothing reads is another test's.
    findings_with(&sources).into_iter().filter(|finding| !finding.starts_with("E304")).collect()
}

/// One finding, which begins so.
fn one(sections: &str, texts: &str, expected: &str) {
    let found = found_in(sections, texts);
    assert!(found.len() == 1 && found[0].starts_with(expected), "{sections}\n gives {found:#?}\n not {expected}");
}

const NONE: [&str; 0] = [];

#[test]
fn a_menu_without_a_human_in_reach_is_refused() {
    let start = |more: &str, agent: &str| {
        format!("  start:\n    - menu: {{say: two_ways, keys: {{1: a, 2: bye}}{more}}}\n  a:\n{agent}")
    };
    let with_agent = |sections: &str| sections.to_string() + "  kept:\n    steps: [{goto: agent}]\n    keep: true\n";
    let told = |sections: &str| {
        let found = found_in(&with_agent(sections), "");
        found.into_iter().filter(|finding| !finding.starts_with("E213")).collect::<Vec<_>>()
    };
    let lost = told(&start("", "    - hangup: goodbye\n"));
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(
        lost[0].starts_with("E231 12:7 in open hours no key of this menu leads to a human (lead to a queue"),
        "{lost:?}"
    );
    assert_eq!(told(&start(", no_agent: true", "    - hangup: goodbye\n")), NONE);
    assert_eq!(told(&start("", "    - goto: agent\n")), NONE);
    // The desk that answers when the other is closed is no human in open hours.
    let closed = told(&start("", "    - hours: {calendar: agents, closed: agent}\n    - hangup: goodbye\n"));
    assert!(closed.len() == 1 && closed[0].starts_with("E231"), "{closed:?}");
    // Digits to be typed on the way are keys too.
    let far = told(&start(
        "",
        "    - collect: {say: ask_account, save: ticket, digits: 10, give_up: bye}\n    - goto: agent\n",
    ));
    assert!(
        far.len() == 1 && far[0].starts_with("E231 12:7 a human is 11 keys away from this menu, more than 4"),
        "{far:?}"
    );
}

#[test]
fn nought_must_lead_to_a_human() {
    gives(
        "shortcuts: {0: agent}",
        "shortcuts: {0: @gone, 9: agent}",
        "E232",
        "callers press 0 for a human, and here it leads to none (lead to",
    );
}

#[test]
fn what_a_text_tells_to_press_is_there_and_every_key_is_told() {
    let texts = "three: {zh: \"一请按一，五请按五。\", en: \"Press 1, or press 2.\"}";
    let found = found_in("  start:\n    - menu: {say: three, keys: {1: agent, 2: bye}}\n", texts);
    assert_eq!(
        found,
        [
            "E411 12:19 `three` tells the caller to press 5 (zh), which does nothing here (add the key, or mend the text)",
            "E412 12:43 `three` does not tell of key 2 (zh) (say in the text what the key is for)",
        ]
    );
    // What was said just before counts, and a shortcut is a key.
    let texts = "first: {zh: \"人工请按一。\", en: \"For an agent, press one.\"}\nthen: {zh: \"再见请按二键。\", en: \"Goodbye: 2 for you, press the star key for more.\"}";
    let found = found_in(
        "  start:\n    - say: first\n    - menu: {say: then, keys: {1: agent, 2: bye, star: repeat}}\n",
        texts,
    );
    assert_eq!(found, ["E412 13:50 `then` does not tell of key star (zh) (say in the text what the key is for)"]);
}

#[test]
fn a_reading_back_and_an_entry_tell_their_own_keys() {
    let texts = "enter: {zh: \"请输入号码，按星号键重新输入，转人工请按零。\", en: \"Please enter it.\"}\nback: {zh: \"{ticket:digits}，正确请按一。\", en: \"{ticket:digits}. Press 1 if right, press 2 if not.\"}";
    let found = found_in(
        "  start:\n    - collect: {say: enter, save: ticket, digits: 4, confirm: back, give_up: agent}\n    - goto: bye\n",
        texts,
    );
    assert_eq!(
        found,
        [
            "E411 12:22 `enter` tells the caller to press 0 (zh), which does nothing here (add the key, or mend the text)",
            "E412 12:63 `back` does not tell of key 2 (zh) (say in the text what the key is for)",
        ]
    );
}

#[test]
fn conditions_that_are_no_question_are_refused() {
    let choose = |branches: &str| {
        format!(
            "  start:\n    - lookup: {{name: bill_by_account, send: {{account: caller.number}}, get: {{balance: balance}}, not_found: bye, failed: bye}}\n    - lookup: {{name: outage_by_account, send: {{account: caller.number}}, get: {{vip: known}}, not_found: bye, failed: bye}}\n    - choose: {branches}\n    - goto: agent\n"
        )
    };
    one(&choose("[{if: vip and not vip, goto: bye}]"), "", "E306 14:21 this never holds");
    one(&choose("[{if: balance < 0 or balance >= 0, goto: bye}]"), "", "E306 14:21 this always holds");
    one(
        &choose("[{if: balance < 10, goto: bye}, {if: balance < 5, goto: agent}]"),
        "",
        "E306 14:52 the branches above take every case of this",
    );
    one(
        &choose("[{if: vip, goto: bye}, {if: not vip, goto: agent}, {else: bye}]").replace("    - goto: agent\n", ""),
        "",
        "E306 14:73 one of the branches above always holds: nothing is left for `else`",
    );
    one(
        &choose("[{if: balance < 0, goto: bye}, {if: balance > 0, goto: agent}]"),
        "",
        "E307 14:51 `balance` of 0.00 is in none of these branches and carries on below",
    );
    one(
        &choose("[{if: balance <= 0, goto: bye}, {if: balance >= 0, goto: agent}]"),
        "",
        "E308 14:52 `balance` of 0.00 fits a branch above as well, and goes there",
    );
    one(
        &choose("[{if: vip, goto: bye}]")
            .replace("    - goto: agent\n", "    - say: {prompt: goodbye, if: 1 > 2}\n    - goto: agent\n"),
        "",
        "E306 15:34 this never holds",
    );
    for sound in [
        "[{if: balance < 0, goto: bye}, {if: balance >= 0, goto: agent}]",
        "[{if: balance < 5, goto: bye}, {if: balance < 10, goto: agent}]",
        "[{if: balance < 0, goto: bye}, {if: balance > 0, goto: agent}, {else: bye}]",
        "[{if: vip, goto: bye}, {if: balance > 0 and not vip, goto: agent}]",
        "[{if: level is set and level = \"gold\", goto: bye}]",
        "[{if: live.storm, goto: bye}, {if: lang = \"en\", goto: agent}]",
        "[{if: caller.number starts_with \"138\", goto: bye}, {if: length(caller.number) = 0, goto: agent}]",
    ] {
        let mut flow = choose(sound);
        if sound.contains("else") {
            flow = flow.replace("    - goto: agent\n", "");
        }
        assert_eq!(found_in(&flow, ""), NONE, "{sound}");
    }
}

#[test]
fn nobody_listens_for_long_before_a_key() {
    let long = "话".repeat(60);
    let texts = format!("long: {{zh: \"{long}\", en: \"Short.\"}}");
    let sections = "  start:\n    - say: long\n    - say: long\n    - goto: agent\n";
    let flow = found_in(sections, &texts);
    assert_eq!(flow, NONE, "recordings are short here");
    let mut sources = sources(&format!(
        "ivr: 1\nlanguages: [zh, en]\nsections:\n{sections}  agent:\n    - queue: {{to: service, not_answered: bye}}\n  bye:\n    - hangup: goodbye\n"
    ));
    sources.files.push(("prompts/long.yaml".into(), texts));
    let spoken = |_: &str, id: &str| (id != "long").then_some(900);
    let found = load(&sources, Some(&platform()), &spoken).unwrap().warnings;
    let told: Vec<_> = found.iter().filter(|d| d.code == "E504").map(|d| (d.line, d.message.as_str())).collect();
    assert_eq!(told, [(6, "callers listen for about 27 s in `zh` before a key counts")]);
}

#[test]
fn six_choices_are_too_many() {
    let texts = "six: {zh: \"按一到六\", en: \"Press 1 to 6.\"}";
    one(
        "  start:\n    - menu: {say: six, keys: {1: agent, 2: bye, 3: bye, 4: bye, 5: bye, 6: bye}}\n",
        texts,
        "E506 12:7 6 choices are more than a caller keeps in mind (offer 5",
    );
}

#[test]
fn what_is_closed_does_not_lead_to_where_it_is_closed() {
    one(
        "  start:\n    - hours: {calendar: agents, closed: night}\n    - goto: agent\n  night:\n    - say: night_notice\n    - goto: agent\n",
        "",
        "E605 12:41 when it is closed, the call goes to the queue `service` all the same",
    );
    gives(
        "not_answered: bye}",
        "timeout: bye, full: bye, no_agents: bye, closed: @sorry}\n  sorry:\n    - say: goodbye\n    - goto: agent",
        "E605",
        "when it is closed, the call goes to the queue `service` all the same",
    );
}

#[test]
fn an_emergency_asks_no_calendar() {
    gives(
        "    - queue: {to: service,",
        "    - @queue: {to: service, priority: 9,",
        "E606",
        "this queue is for emergencies, and is reached in opening hours only (lead to it before",
    );
}

#[test]
fn an_answer_that_counts_is_heard_out() {
    gives(
        "    - say: balance_is\n",
        "    - @say: balance_is\n    - resolved: bill\n",
        "E801",
        "this answer can be skipped before it is heard, and would count as given (add `barge_in: false`)",
    );
    let heard = "    - say: {prompt: balance_is, barge_in: false}\n    - resolved: bill\n";
    assert_eq!(findings("    - say: balance_is\n", heard), NONE);
}

#[test]
fn a_failure_is_told_and_a_form_is_filed_once() {
    let file = |failed: &str, then: &str| {
        format!(
            "  start:\n    - form: {{template: outage_report, fields: {{account: caller.number, contact: caller.number}}, get: {{ticket: number}}, failed: {failed}}}\n{then}"
        )
    };
    one(
        &file("agent", "    - goto: bye\n"),
        "",
        "E802 12:128 when this fails, the caller hears nothing of it before `queue` (begin the section with",
    );
    assert_eq!(
        found_in(&file("told", "    - goto: bye\n  told:\n    - say: system_busy\n    - goto: agent\n"), ""),
        NONE
    );
    let again = "    - menu: {say: two_ways, keys: {1: start, 2: agent}}\n";
    one(
        &file("bye", again),
        "",
        "E803 12:24 the form `outage_report` can be filed twice in one call (lead elsewhere, or keep its number",
    );
    let asked = "    - menu: {say: two_ways, keys: {1: again, 2: agent}}\n  again:\n    - choose: [{if: ticket is set, goto: agent}]\n    - goto: start\n";
    assert_eq!(found_in(&file("bye", asked), ""), NONE);
}

#[test]
fn a_recording_is_announced() {
    one(
        "  start:\n    - record: {save: note, failed: bye}\n    - goto: agent\n",
        "",
        "E705 12:7 nothing tells the caller that `record` records (add `say:`",
    );
    one("  start:\n    - voicemail: {box: service}\n    - goto: agent\n", "", "E705 12:7");
    let notice = "  start:\n    - say: hello\n    - voicemail: {box: service}\n    - goto: agent\n";
    assert_eq!(found_in(notice, "hello: {zh: \"请留言\", en: \"Leave a message.\"}"), NONE);
}

#[test]
fn private_values_and_secrets_go_only_where_they_are_expected() {
    gives(
        "failed: gone",
        "carry: [@account], failed: gone",
        "E703",
        "`account` is private, and trunk `night` is not to be told it (leave it out, or add `private: [account]`",
    );
    let mut allowed = platform();
    allowed.trunks.insert("night".into(), ["account".to_string()].into());
    let text = super::checks::FLOW.replacen("failed: gone", "carry: [account], failed: gone", 1);
    assert!(load(&sources(&text), Some(&allowed), &audio).unwrap().warnings.is_empty());
    // The lookup says which argument is a secret's.
    gives(
        "{account: account, id: pin}",
        "{account: @pin, id: \"123456\"}",
        "E701",
        "`pin` is secret: it can only be sent",
    );
}

#[test]
fn a_lookup_keeps_no_secret_and_shows_none_in_an_address() {
    let lookup = |lines: &str| {
        let mut sources = sample();
        let text = format!("lookups:\n  check:\n    takes: {{id: {{type: digits, secret: true}}}}\n{lines}");
        sources.files.push(("more/lookups.yaml".into(), text));
        let found = load(&sources, None, &audio).err().unwrap_or_default();
        found.iter().map(|d| format!("{} {}:{} {}", d.code, d.line, d.column, d.message)).collect::<Vec<_>>()
    };
    assert_eq!(lookup("    post: ${base.a}/b\n    body: {id: \"{id}\"}\n"), NONE);
    assert_eq!(
        lookup("    post: ${base.a}/b\n    body: {id: \"{id}\"}\n    cache: 1m\n"),
        ["E704 2:3 `id` is secret, and `cache` would keep what was asked"]
    );
    assert_eq!(
        lookup("    get: ${base.a}/b\n    query: {id: \"{id}\"}\n"),
        ["E704 2:3 `id` is secret, and an address is written into logs on its way"]
    );
}

#[test]
fn calendars_have_no_gap_and_no_hour_twice() {
    let calendar = |lines: &str| {
        let mut sources = sample();
        sources
            .files
            .push(("more/calendars.yaml".into(), format!("calendars:\n  desk:\n    timezone: Asia/Shanghai\n{lines}")));
        let found = match load(&sources, None, &audio) {
            Ok(bundle) => bundle.warnings,
            Err(found) => found,
        };
        found.iter().map(|d| format!("{} {}:{} {}", d.code, d.line, d.column, d.message)).collect::<Vec<_>>()
    };
    assert_eq!(calendar("    open: {mon-fri: \"08:00-20:00\", sat-sun: closed}\n"), NONE);
    assert_eq!(calendar("    open: {mon-fri: \"08:00-20:00\"}\n"), ["E601 4:11 nothing is said of sat, sun: closed"]);
    assert_eq!(
        calendar("    open: {daily: [\"08:00-12:00\", \"11:00-20:00\"]}\n"),
        ["E602 4:35 these hours lie over others of the day"]
    );
    let holidays = "    open: {daily: \"08:00-20:00\"}\n    covers_until: 2026-12-31\n    holidays: {2026-10-01..2026-10-07: closed";
    assert_eq!(calendar(&format!("{holidays}, 2026-10-05: closed}}\n")), ["E602 6:48 this holiday is there already"]);
    assert_eq!(
        calendar(&format!("{holidays}}}\n    make_up_workdays: {{2026-10-04: mon}}\n")),
        ["E602 7:24 this workday is listed as a holiday too"]
    );
    let endless = holidays.replace("    covers_until: 2026-12-31\n", "") + "}\n";
    assert_eq!(calendar(&endless), ["E603 3:5 nothing is said of how far these holidays go"]);
}

#[test]
fn holidays_that_end_soon_are_told_two_months_before() {
    let mut sources = sample();
    let text = "calendars:\n  desk:\n    timezone: Asia/Shanghai\n    open: {daily: \"08:00-20:00\"}\n    covers_until: 2026-12-31\n";
    sources.files.push(("more/calendars.yaml".into(), text.into()));
    let bundle = bundle(&sources);
    const DAY_MS: u64 = 86_400_000;
    let new_year = 1_798_732_800_000; // 2027-01-01 00:00 in Shanghai
    let told = |at: u64| {
        bundle.ending(at).map(|d| format!("{} {}:{} {}", d.code, d.line, d.column, d.message)).collect::<Vec<_>>()
    };
    assert_eq!(told(new_year - 62 * DAY_MS), NONE);
    let expected = ["E604 5:19 the holidays of `desk` are entered until 2026-12-31 only"];
    assert_eq!(told(new_year - 59 * DAY_MS), expected);
    assert_eq!(told(new_year + DAY_MS), expected);
}

#[test]
fn what_a_subflow_gives_is_taken_by_somebody() {
    let sub = "ivr: 1\nlanguages: [zh]\nvars:\n  one: {type: digits}\n  two: {type: digits}\ngives: [one, two]\nsections:\n  start:\n    - set: {one: \"1\", two: \"2\"}\n    - return: ok\n";
    let main = "ivr: 1\nlanguages: [zh]\nvars: {one: {type: digits}}\nsections:\n  start:\n    - call: {flow: lib/s, get: {one: one}, failed: out}\n    - say: says_one\n    - hangup: goodbye\n  out:\n    - hangup: goodbye\n";
    let mut sources = project(main, &[("says_one", "{one:digits}")]);
    sources.files.push(("ivr-flows/lib/s.flow.yaml".into(), sub.into()));
    let found: Vec<_> = load(&sources, None, &audio)
        .unwrap()
        .warnings
        .iter()
        .map(|d| (d.code, d.line, d.column, d.message.clone()))
        .collect();
    assert_eq!(found, [("E224", 6, 14, "no flow that calls `lib/s` takes its `two`".to_string())]);
}

#[test]
fn a_section_that_is_kept_is_told_and_not_refused() {
    let kept = "    - goto: agent\n  extra: {keep: true, steps: [{hangup: goodbye}]}\n";
    assert_eq!(findings("    - goto: agent\n", kept), ["E213 27:3 nothing leads to section `extra`"]);
}

#[test]
fn the_samples_give_no_finding() {
    assert_eq!(bundle(&sample()).warnings, []);
}
