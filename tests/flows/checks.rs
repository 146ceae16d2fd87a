//! What an admin is told about a mistake: its code, its place, what to write instead.

use super::world::*;
use hotline::ivr::*;
use std::collections::BTreeSet;

pub const FLOW: &str = r#"ivr: 1
title: A clean flow
languages: [zh, en]
vars:
  account: {type: digits, private: true, optional: true}
  pin: {type: digits, secret: true}
  balance: {type: money}
  level: {type: one_of, of: [gold, plain], optional: true}
defaults:
  input: {silence: still_there, wrong_key: wrong_key, give_up: agent}
shortcuts: {0: agent}
sections:
  start:
    - say: welcome
    - menu: {say: two_ways, keys: {1: bill, 2: secret}}
  bill:
    - lookup: {name: account_by_phone, send: {phone: caller.number}, get: {account: account}, not_found: agent, failed: agent}
    - lookup: {name: bill_by_account, send: {account: account}, get: {balance: balance}, not_found: agent, failed: agent}
    - choose: [{if: balance < 0 or level is set and level = "gold", goto: agent}]
    - say: balance_is
    - hangup: goodbye
  secret:
    - collect: {say: ask_id_last6, save: pin, digits: 6}
    - set: {account: "3101234569"}
    - lookup: {name: verify_owner, send: {account: account, id: pin}, not_found: agent, failed: agent}
    - goto: agent
  agent:
    - hours: {calendar: agents, closed: bye}
    - queue: {to: service, max_wait: 10m, not_answered: bye}
  bye:
    - transfer: {trunk: night, number: "8001", failed: gone}
  gone:
    - hangup: goodbye
"#;

pub fn platform() -> Platform {
    let names = |list: &[&str]| list.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>();
    let bases = ["customers", "grid", "billing"].map(|base| (base.to_string(), names(&[base])));
    Platform {
        skills: std::collections::BTreeSet::new(),
        queues: names(&["service", "emergency"]),
        trunks: [("night".to_string(), BTreeSet::new())].into(),
        agents: names(&["1001"]),
        bases: bases.into(),
        databases: names(&["crm"]),
    }
}

/// The findings after one change, as `E102 33:7 message (suggestion)`.
pub fn findings_with(sources: &Sources) -> Vec<String> {
    let found = match load(sources, Some(&platform()), &audio) {
        Ok(bundle) => bundle.warnings,
        Err(found) => found,
    };
    let line = |d: &Diagnostic| {
        let hint = d.suggestion.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{} {}:{} {}{hint}", d.code, d.line, d.column, d.message)
    };
    found.iter().filter(|d| d.path.contains("test.flow")).map(line).collect()
}

/// A project with this flow, and the texts that it says beyond the sample's.
pub fn sources(flow: &str) -> Sources {
    let mut sources = project(flow, &[]);
    let texts = "two_ways: {zh: \"电费查询请按一，密码服务请按二。\", en: \"For your bill, press 1. For your password, press 2.\"}\n";
    sources.files.push(("prompts/checks.yaml".into(), texts.into()));
    sources
}

pub fn findings(from: &str, to: &str) -> Vec<String> {
    assert!(FLOW.contains(from), "`{from}` is not in the flow");
    findings_with(&sources(&FLOW.replacen(from, to, 1)))
}

/// The change gives this finding, and nothing else is blamed. `@` in the change marks the place that the finding names;
/// without it the expected text begins with line and column.
pub fn gives(from: &str, to: &str, code: &str, expected: &str) {
    assert!(FLOW.contains(from), "`{from}` is not in the flow");
    let marked = FLOW.replacen(from, to, 1);
    let place = marked.find('@').map(|at| {
        let before = &marked[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{line}:{column} ")
    });
    let found = findings_with(&sources(&marked.replace('@', "")));
    assert_eq!(found.len(), 1, "`{to}` gives {found:#?}");
    let expected = format!("{code} {}{expected}", place.unwrap_or_default());
    assert!(found[0].starts_with(&expected), "`{to}`\n gives {}\n not   {expected}", found[0]);
}

#[test]
fn the_clean_flow_gives_no_finding() {
    assert_eq!(findings("title", "title"), [] as [&str; 0]);
}

#[test]
fn verbs_and_settings() {
    gives("- say: welcome", "- @sya: welcome", "E102", "unknown step `sya` (did you mean `say`?)");
    gives(
        "- say: welcome",
        "- say: welcome\n      @barge_in: false",
        "E113",
        "a step has one verb only (settings of `say`",
    );
    gives(
        "- say: welcome",
        "- say@：welcome",
        "E106",
        "the full-width sign `：` means nothing here (write `:` and a space)",
    );
    gives("- say: welcome", "- @say welcome", "E112", "`say welcome` is not a step (a colon is missing");
    gives("max_wait: 10m", "@maxwait: 10m", "E102", "`queue` has no setting `maxwait` (did you mean `max_wait`?)");
    gives("max_wait: 10m", "max_wait: @10", "E112", "`max_wait` is a length of time, not `10` (add the unit: `10s`)");
    gives("max_wait: 10m", "max_wait: @9d", "E112", "`max_wait` is from 1s to 4h");
    gives("type: money", "type: @mony", "E102", "unknown type `mony` (did you mean `money`?)");
    gives("ivr: 1", "ivr: @2", "E112", "this reads version 1 of the flow language");
    gives(
        "- hours: {calendar: agents, closed: bye}",
        "- hours: @{calendar: agents}",
        "E212",
        "nothing is said for when it is closed",
    );
    gives(
        "{to: service, max_wait: 10m, not_answered: bye}",
        "@{to: service}",
        "E212",
        "nothing is said for when no agent answers",
    );
    gives("number: \"8001\"", "number: @balance", "E112", "a number to dial is written out in digits");
    gives("{say: two_ways, ", "@{", "E114", "`menu` needs `say:`");
    gives("keys: {1: bill", "keys: {@*: bill", "E104", "`*` means something else in YAML (write `star`)");
}

#[test]
fn names_that_do_not_exist() {
    gives("1: bill", "1: @bil", "E201", "there is no section `bil` (did you mean `bill`?)");
    gives("{0: agent}", "{0: @agnet}", "E201", "there is no section `agnet` (did you mean `agent`?)");
    gives("say: welcome", "say: @welcom", "E203", "there is no prompt `welcom` (did you mean `welcome`?)");
    gives("to: service", "to: @servce", "E204", "there is no queue `servce` (did you mean `service`?)");
    gives("trunk: night", "trunk: @nihgt", "E205", "there is no trunk `nihgt` (did you mean `night`?)");
    gives(
        "{trunk: night, number: \"8001\"",
        "{ext: @1002",
        "E205",
        "there is no extension `1002` (did you mean `1001`?)",
    );
    gives("calendar: agents", "calendar: @agent", "E206", "there is no calendar `agent` (did you mean `agents`?)");
    gives("name: verify_owner", "name: @verify_owners", "E207", "there is no lookup `verify_owners` (did you mean");
    gives(
        "account_by_phone, send: {phone: caller.number}",
        "@account_by_phone",
        "E207",
        "`account_by_phone` needs `phone` (add",
    );
    gives(
        "{phone: caller.number}",
        "{@fone: caller.number, phone: called}",
        "E207",
        "`account_by_phone` takes no `fone`",
    );
    gives(
        "get: {balance: balance}",
        "get: {balance: @amount}",
        "E207",
        "`bill_by_account` gives no `amount` (it gives balance)",
    );
}

#[test]
fn ways_through_the_flow() {
    gives(
        "- lookup: {name: verify_owner, send: {account: account, id: pin}, not_found: agent, failed: agent}\n    - goto: agent\n",
        "- @lookup: {name: verify_owner, send: {account: account, id: pin}, not_found: agent, failed: agent}\n",
        "E211",
        "section `secret` ends here with nowhere to go (end it with",
    );
    gives(
        "- goto: agent\n",
        "- goto: agent\n    - @say: welcome\n",
        "E214",
        "nothing gets here: the `goto` above never carries on",
    );
    gives(
        "- goto: agent\n",
        "- goto: agent\n  @extra:\n    - hangup: goodbye\n",
        "E213",
        "nothing leads to section `extra`",
    );
    gives("  gone:\n    - hangup: goodbye\n", "  @gone: []\n", "E211", "section `gone` is empty");
    let kept = "    - goto: agent\n  extra: {keep: true, steps: [{hangup: goodbye}]}\n";
    assert_eq!(findings("    - goto: agent\n", kept), ["E213 27:3 nothing leads to section `extra`"]);
    let spoken = findings("    - hangup: goodbye\n  secret", "    - goto: bill\n  secret");
    assert_eq!(spoken, [] as [&str; 0], "a loop that says something is no mistake");
    gives(
        "- goto: agent\n",
        "- goto: round\n  round:\n    - @tag: x\n    - goto: again\n  again:\n    - goto: round\n",
        "E221",
        "a call can go round without a key or time passing: round → again (put a menu",
    );
    gives(
        "- goto: agent\n",
        "- goto: round\n  round:\n    - @pause: 1s\n    - goto: round\n",
        "E222",
        "no way leads from here to an end of the call: round (lead to",
    );
}

#[test]
fn a_queue_that_leads_back_to_itself_when_full_is_a_loop() {
    let found = findings("failed: gone", "failed: agent, after_call: gone");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("E221 28:7 a call can go round without a key or time passing: agent → bye (put a"),
        "{found:?}"
    );
}

#[test]
fn variables_and_expressions() {
    gives("balance < 0", "@balanse < 0", "E301", "there is no variable `balanse` (did you mean `balance`?)");
    gives("balance < 0", "balance < @\"x\"", "E303", "something that `<` can order is needed here");
    gives(
        "level = \"gold\"",
        "level = @\"glod\"",
        "E303",
        "`=` compares one_of with the text \"glod\" (it is one of gold, plain)",
    );
    gives(
        "level is set and ",
        "@",
        "E302",
        "`level` may not be set yet when this is evaluated (ask first: `level is set`)",
    );
    gives("balance < 0", "balance <@< 0", "E305", "a value is missing here");
    gives("get: {balance: balance}", "get: {@account: balance}", "E303", "`account` is digits, but receives money");
    gives(
        "{account: \"3101234569\"}",
        "{account: @310}",
        "E303",
        "digits is needed here, not the int 310 (put digits in quotes",
    );
    gives(
        "{account: \"3101234569\"}",
        "{account: \"310\", @lang: 'lang'}",
        "E303",
        "`lang` is built in and cannot be set",
    );
    gives("account: account, id: pin", "account: @balance, id: pin", "E303", "digits is needed here, not money");
    gives("save: pin", "save: @balance", "E303", "digits cannot be stored in `balance`");
    let unread = findings("balance: {type: money}", "balance: {type: money}\n  unread: {type: int}");
    assert_eq!(unread, ["E304 8:3 nothing reads the variable `unread`"]);
}

#[test]
fn a_variable_that_some_way_leaves_unset_is_found_where_it_is_read() {
    // From the menu's key 2, no lookup has run.
    gives(
        "    - set: {account: \"3101234569\"}\n    - lookup: {name: verify_owner, send: {account: account,",
        "    - lookup: {name: verify_owner, send: {account: @account,",
        "E302",
        "`account` may not be set yet when this is evaluated",
    );
    // The balance is said on a way on which it was not found.
    let said = "    - goto: told\n  told:\n    - say: balance_is\n";
    assert_eq!(findings("    - say: balance_is\n", said), [] as [&str; 0]);
    let text = FLOW
        .replacen("{balance: balance}, not_found: agent", "{balance: balance}, not_found: told", 1)
        .replacen("    - say: balance_is\n", said, 1);
    let found = findings_with(&sources(&text));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("E302 22:12 `balance` may not be set yet when `balance_is` says it"), "{found:?}");
}

#[test]
fn a_secret_stays_where_it_belongs() {
    gives("- goto: agent\n", "- choose: [{if: @pin = \"1\", goto: agent}, {else: bye}]\n", "E701", "`pin` is secret");
    let again = "- lookup: {name: verify_owner, send: {account: account, id: @pin}, not_found: agent, failed: agent}\n    - goto: agent\n";
    gives("- goto: agent\n", again, "E302", "`pin` may not be set yet");
    assert!(findings("failed: gone", "carry: [pin], failed: gone")[0].starts_with("E701 31:56 `pin` is secret"));
}

#[test]
fn keys_that_hide_one_another() {
    gives("2: secret", "2: secret, @1: secret", "E402", "`1` is given twice in `keys`");
    gives(
        "1: bill, 2: secret",
        "@1: bill, 12: secret",
        "E401",
        "after `1` the caller may still mean `12` (add `key_wait: 2s`",
    );
    let hidden = findings("2: secret", "2: secret, 0: secret");
    let told = "E403 15:56 this hides the shortcut `0` to `agent` while this menu is heard";
    assert!(hidden.iter().any(|finding| finding == told), "{hidden:#?}");
    gives("2: secret", "@pound: secret", "E112", "`pound` is no key of a telephone (write `hash`)");
    gives("digits: 6", "digits: 6, pattern: @\"[0-9]{7}\"", "E405", "this pattern can never match 6 to 6 digits");
    gives("digits: 6", "max: 6, pattern: @\"[0-9#]+\"", "E404", "the pattern wants the key that ends the entry");
    gives(
        "{say: ask_id_last6, save: pin, digits: 6}",
        "@{say: ask_id_last6, save: pin, digits: 6, check: id_card_cn}",
        "E405",
        "`id_card_cn` can never be right with 6 to 6 digits",
    );
}

#[test]
fn texts() {
    let with = |prompts: &str| {
        let mut sources = sources(&FLOW.replace("say: welcome", "say: hi"));
        sources.files.push(("prompts/hi.yaml".into(), prompts.into()));
        match load(&sources, None, &audio) {
            Ok(bundle) => bundle.warnings,
            Err(found) => found,
        }
        .iter()
        .map(|d| format!("{} {} {}:{} {}", d.code, d.path, d.line, d.column, d.message))
        .collect::<Vec<_>>()
    };
    let one = |prompts: &str, expected: &str| {
        let found = with(prompts);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:#?}");
    };
    assert_eq!(with("hi: {zh: \"好\", en: \"hi\"}\n"), [] as [&str; 0]);
    one("hi: {zh: \"好\"}\n", "E501 prompts/hi.yaml 1:1 `hi` has no text in `en`, which `test` speaks");
    one(
        "hi: {zh: \"{balance:money}\", en: \"{balance:money}\"}\n",
        "E302 ivr-flows/test.flow.yaml 14:12 `balance` may not be set yet when `hi` says it",
    );
    let found = with("hi: {zh: \"{lang:digits}\", en: \"hi\"}\n");
    assert!(
        found.iter().any(|f| f.starts_with("E303 prompts/hi.yaml 1:12 `lang` is one_of, which `digits` cannot read")),
        "{found:?}"
    );
    assert!(
        found.iter().any(|f| f.starts_with("E503 prompts/hi.yaml 1:1 the texts of `hi` do not say the same values")),
        "{found:?}"
    );
    one("hi: {zh: \"{called:digit}\", en: \"{called:digits}\"}\n", "E102 prompts/hi.yaml 1:12 unknown format `digit`");
    one(
        "hi: {zh: \"{called}\", en: \"{called:digits}\"}\n",
        "E112 prompts/hi.yaml 1:12 the slot `called` does not say how to read it",
    );
    one("hi: {zh: \"好}\", en: \"hi\"}\n", "E112 prompts/hi.yaml 1:12 a brace without its other half");
    let found = with("hi: {zh: \"{pin:digits}\", en: \"{pin:digits}\"}\n");
    assert!(found.len() == 2 && found[0].starts_with("E701 prompts/hi.yaml 1:12 `pin` is secret"), "{found:?}");
    one("hi: {zh: \"好\", en: \"hi\"}\nwelcome: {zh: \"好\", en: \"hi\"}\n", "E208");
}

#[test]
fn every_mistake_of_a_file_is_told_in_one_go() {
    let text = FLOW
        .replacen("say: welcome", "sya: welcome", 1)
        .replacen("1: bill", "1: bil", 1)
        .replacen("to: service", "to: servce", 1)
        .replacen("balance < 0", "balanse < 0", 1);
    let codes: Vec<String> =
        findings_with(&sources(&text)).iter().map(|f| f.split(' ').next().unwrap().to_string()).collect();
    assert_eq!(codes, ["E102", "E201", "E301", "E204"]);
}

#[test]
fn subflows_that_call_each_other_are_refused() {
    let sub = |to: &str| {
        format!(
            "ivr: 1\nlanguages: [zh]\nsections:\n  start:\n    - call: {{flow: lib/{to}, failed: out}}\n    - return: ok\n  out:\n    - return: failed\n"
        )
    };
    let mut sources = sample();
    sources.files.push(("ivr-flows/lib/a.flow.yaml".into(), sub("b")));
    sources.files.push(("ivr-flows/lib/b.flow.yaml".into(), sub("a")));
    let found = load(&sources, None, &audio).unwrap_err();
    assert_eq!(found.iter().map(|d| d.code).collect::<Vec<_>>(), ["E223", "E223"]);
    // A chain of eight is followed, one of nine is not.
    for (length, accepted) in [(7, true), (8, false)] {
        let mut sources = sample();
        for i in 1..length {
            sources.files.push((format!("ivr-flows/lib/s{i}.flow.yaml"), sub(&format!("s{}", i + 1))));
        }
        let last = "ivr: 1\nlanguages: [zh]\nsections:\n  start:\n    - return: ok\n";
        sources.files.push((format!("ivr-flows/lib/s{length}.flow.yaml"), last.into()));
        let main = "ivr: 1\nlanguages: [zh]\nsections:\n  start:\n    - call: {flow: lib/s1, failed: out}\n    - hangup: goodbye\n  out:\n    - hangup: goodbye\n";
        sources.files.push(("ivr-flows/main.flow.yaml".into(), main.into()));
        let loaded = load(&sources, None, &audio);
        assert_eq!(loaded.is_ok(), accepted, "{length}: {loaded:?}");
        if let Ok(bundle) = loaded {
            let mut call = Call::start(&bundle, "main");
            call.hears("goodbye");
        }
    }
}

#[test]
fn a_finding_is_shown_with_its_line_and_as_json() {
    let sources = sources(&FLOW.replace("- say: welcome", "- sya: welcome"));
    let found = load(&sources, None, &audio).unwrap_err();
    let shown = found[0].to_string();
    let expected = "error[E102]: unknown step `sya`
  --> ivr-flows/test.flow.yaml:14:7
   |
14 |     - sya: welcome
   |       ^^^ did you mean `say`?";
    assert_eq!(shown, expected);
    let json = r#"{"code":"E102","level":"error","path":"ivr-flows/test.flow.yaml","line":14,"column":7,"message":"unknown step `sya`","suggestion":"did you mean `say`?"}"#;
    assert_eq!(found[0].json_line(), json);
}

#[test]
fn columns_are_counted_in_characters_after_chinese_text() {
    let sources = project(&FLOW.replace("title: A clean flow", "title: {电力: 热线, x: *y}"), &[]);
    let found = load(&sources, None, &audio).unwrap_err();
    assert_eq!((found[0].code, found[0].line, found[0].column), ("E100", 2, 20));
    let text = "欢迎: {zh: \"好\"}\nok: {zh: \"您好，{caller.number:fone}\"}\n";
    let mut sources = sample();
    sources.files.push(("prompts/x.yaml".into(), text.into()));
    let found = load(&sources, None, &audio).unwrap_err();
    assert_eq!(found.iter().map(|d| (d.code, d.line, d.column)).collect::<Vec<_>>(), [("E112", 1, 1), ("E102", 2, 15)]);
}

#[test]
fn a_missing_recording_is_told_where_it_is_played_and_does_not_stop_the_flow() {
    let bundle = load(&sample(), None, &|_, id| (!id.starts_with("welcome")).then_some(900)).unwrap();
    let sources = sample();
    let (path, text) = sources.files.iter().find(|(path, _)| path.ends_with("power.flow.yaml")).unwrap();
    let line = 1 + text.lines().position(|line| line.contains("say: welcome")).unwrap() as u32;
    let found: Vec<_> = bundle.warnings.iter().map(|w| (w.code, &w.path, w.line, w.message.as_str())).collect();
    assert_eq!(
        found,
        [
            ("E502", path, line, "`welcome` has no recording in `en` and will be silent"),
            ("E502", path, line, "`welcome` has no recording in `zh` and will be silent"),
        ]
    );
    assert_eq!(bundle.warnings[0].suggestion.as_deref(), Some("put prompts/en/welcome.wav"));
    let none = load(&sample(), None, &|_, _| None).unwrap();
    assert!(
        none.warnings.len() <= 2 && none.warnings.iter().all(|w| w.message.contains(" recordings are missing in "))
    );
}

#[test]
fn a_recording_made_anew_makes_another_bundle() {
    let with = |audio: &[u8]| {
        let mut bundle = bundle(&sample());
        bundle.cover_audio([("zh", "welcome", audio)]);
        bundle.version
    };
    assert_eq!(with(b"one"), with(b"one"));
    assert_ne!(with(b"one"), with(b"two"));
}

#[test]
fn settings_without_effect_and_unknown_music_are_warned_of() {
    let warned = |from: &str, to: &str| {
        let bundle = load(&sample_with(from, to), None, &audio_but_calm).unwrap();
        bundle.warnings.iter().map(|w| format!("{} {}", w.code, w.message)).collect::<Vec<_>>()
    };
    assert_eq!(warned("ivr: 1", "ivr: 1"), Vec::<String>::new(), "the sample has none of them");
    let skills = warned("        to: service\n", "        to: service\n        skills: [lang]\n");
    assert!(skills.is_empty(), "the language that the caller chose: {skills:?}");
    assert!(warned("ring: 40s,", "ring: 40s, carry: [lang],").is_empty());
    assert_eq!(
        warned("wait: your_wait_is}", "wait: your_wait_is, music: calm}"),
        ["E502 there is no music `calm`; the built-in one will play"]
    );
}

fn audio_but_calm(_: &str, id: &str) -> Option<u32> {
    (id != "calm").then_some(900)
}

#[test]
fn slips_that_yaml_answers_badly_are_told_by_their_cause() {
    let sections = |from: &str, to: &str| {
        let text = FLOW.replacen(from, to, 1);
        assert!(text != FLOW, "{from}");
        let found = load(&sources(&text), Some(&platform()), &audio).unwrap_err();
        let line = |d: &Diagnostic| format!("{} {}", d.message, d.suggestion.as_deref().unwrap_or("-"));
        found.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(sections("  bill:\n", "  bill\n"), ["`bill` has no colon write `bill:`"]);
    assert_eq!(
        sections("languages: [zh, en]", "languages [zh, en]"),
        ["`languages` has no colon write `languages: {...}`"]
    );
    let text = sections("- say: welcome", "- say: \"Hello please wait\"");
    assert!(text[0].contains("cannot be a prompt") && text[0].contains("prompts/*.yaml"), "{text:?}");
    let setting = sections("not_answered: bye}", "not_answered: bye, colour: red}");
    assert!(setting[0].contains("known here: to, skills, priority"), "{setting:?}");
}

#[test]
fn the_version_follows_the_contents_and_not_the_place_or_order_of_files() {
    let sources = sample();
    let version = |sources: &Sources| bundle(sources).version.clone();
    let mut moved = sources.clone();
    moved.files.reverse();
    for (path, _) in &mut moved.files {
        *path = format!("/srv/hotline/{path}");
    }
    assert_eq!(version(&sources), version(&moved));
    moved.files[0].1.push_str("# a comment\n");
    assert_ne!(version(&sources), version(&moved));
}
