//! Files and events as nobody should send them. Sizes and seed come from HOTLINE_FUZZ_CASES and HOTLINE_FUZZ_SEED.

use super::world::*;
use hotline::ids::Redacted;
use hotline::ivr::*;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

struct Dice(u64);

impl Dice {
    /// A case's own dice, so that one case can be run alone.
    fn of(case: u64) -> Self {
        let mut dice = Dice(env("HOTLINE_FUZZ_SEED", 95_598).wrapping_add(case.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        (0..3).for_each(|_| {
            dice.roll(1);
        });
        dice
    }
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides.max(1)
    }
    fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.roll(list.len())]
    }
}

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A project takes some milliseconds to check, so a number meant for single messages is cut.
fn cases() -> u64 {
    env("HOTLINE_FUZZ_CASES", 500).min(50_000)
}

fn spoil(text: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let line = dice.roll(lines.len());
    let words = [
        "{",
        "}",
        "[",
        "]",
        ": ",
        "- ",
        "#",
        "*",
        "&a ",
        "*a",
        "!!x",
        "'",
        "\"",
        "：",
        "\t",
        "\u{0}",
        "，",
        "0",
        "999999999999999999999",
        "if: ",
        "goto: start",
        "|",
        ">",
        "%",
        "---",
        "\u{feff}",
        "{{",
        "()",
        "not ",
        "é",
        "𠀀",
    ];
    match dice.roll(10) {
        0 => {
            lines.remove(line);
        }
        1 => {
            let copy = lines[line].clone();
            lines.insert(dice.roll(lines.len()), copy);
        }
        2 => {
            let other = dice.roll(lines.len());
            lines.swap(line, other);
        }
        3 => lines[line] = format!("{}{}", " ".repeat(dice.roll(8)), lines[line].trim_start()),
        4 => {
            let end = lines[line].char_indices().nth(dice.roll(60)).map_or(0, |(at, _)| at);
            lines[line].truncate(end);
        }
        5 => {
            // Two words of the file change places.
            let all: Vec<&str> =
                text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| w.len() > 2).collect();
            let (a, b) = (dice.one_of(&all).to_string(), dice.one_of(&all).to_string());
            return text.replacen(&a, &b, 1 + dice.roll(3));
        }
        6 | 7 => {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..=dice.roll(4) {
                let at = dice.roll(bytes.len());
                bytes[at] ^= 1 << dice.roll(8);
            }
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        _ => {
            let at = lines[line].char_indices().nth(dice.roll(40)).map_or(0, |(at, _)| at);
            let word = *dice.one_of(&words);
            lines[line].insert_str(at, &word.repeat(1 + dice.roll(3)));
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn a_spoiled_project_is_refused_with_places_or_still_runs() {
    let clean = sample();
    let (mut refused, mut accepted) = (0, 0);
    for case in 0..cases() {
        let mut dice = Dice::of(case);
        let mut sources = clean.clone();
        let file = dice.roll(sources.files.len());
        for _ in 0..=dice.roll(3) {
            let text = spoil(&sources.files[file].1, &mut dice);
            sources.files[file].1 = text;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| match load(&sources, None, &audio) {
            Err(found) => {
                assert!(found.iter().any(Diagnostic::is_error), "refused without an error");
                for finding in &found {
                    assert!(finding.line >= 1 && finding.column >= 1 && !finding.path.is_empty(), "{finding:?}");
                    assert!(finding.to_string().contains(finding.code));
                    assert!(!finding.json_line().contains('\n') && finding.json_line().len() > 20);
                }
                false
            }
            Ok(bundle) => {
                assert!(bundle.warnings.iter().all(|w| !w.is_error()));
                if bundle.entry_flows().any(|flow| flow == "power") {
                    wander(&bundle, &mut Dice::of(case), 60);
                }
                true
            }
        }));
        match outcome {
            Ok(true) => accepted += 1,
            Ok(false) => refused += 1,
            Err(_) => panic!("HOTLINE_FUZZ_SEED={} case {case}", env("HOTLINE_FUZZ_SEED", 95_598)),
        }
    }
    assert!(
        refused > 0 && accepted > 0,
        "{refused} refused, {accepted} accepted: the spoiling is too strong or too weak"
    );
}

#[test]
fn text_that_never_was_yaml_is_refused_in_bounded_time() {
    let walls = [
        "[", "{", "- ", "? ", "\"", "'", "a: ", "- - ", "{a: ", "|\n", "\n ", "#", "&a ", "%\n", "---\n", ",", "\t",
        "🙂: ",
    ];
    for wall in walls {
        for size in [1, 100, 20_000] {
            let mut sources = sample();
            sources.files.push(("ivr-flows/wall.flow.yaml".into(), wall.repeat(size)));
            assert!(load(&sources, None, &audio).is_err(), "{wall:?} x {size}");
        }
    }
    let mut sources = sample();
    sources.files.push(("ivr-flows/big.flow.yaml".into(), "# \n".repeat(200_000)));
    let found = load(&sources, None, &audio).unwrap_err();
    assert_eq!((found[0].code, found[0].line), ("E110", 1));
}

/// Any event at all, with ids that are right, old or never given.
fn any_event(dice: &mut Dice, ids: u32) -> Event {
    let id = dice.roll(ids as usize + 3) as ActionId;
    let value = |dice: &mut Dice| match dice.roll(5) {
        0 => Value::Digits("3101234569".into()),
        1 => Value::Money(dice.roll(1_000_000) as i64 - 500_000),
        2 => Value::Flag(dice.roll(2) == 0),
        3 => Value::Text("x".repeat(dice.roll(400))),
        _ => Value::Datetime(i64::MIN + dice.roll(usize::MAX / 4) as i64),
    };
    match dice.roll(16) {
        0 => Event::Started {
            caller: Redacted::new("x\u{0}138".into()),
            called: String::new(),
            wall_ms: u64::MAX,
            lang: Some("en".into()),
        },
        1..=4 => Event::Key(*dice.one_of(&['0', '1', '2', '3', '4', '9', '*', '#', 'A', '\u{0}', '电'])),
        5 | 6 => Event::PlayDone { id, heard_ms: dice.roll(5_000) as u32 },
        7 | 8 => Event::Timer { id },
        9 => {
            let names = ["account", "known", "restore_at", "balance", "other"];
            let fields: BTreeMap<String, Value> =
                (0..dice.roll(6)).map(|_| (dice.one_of(&names).to_string(), value(dice))).collect();
            let results = [LookupResult::Found(fields), LookupResult::NotFound, LookupResult::Failed];
            Event::Lookup { id, result: dice.one_of(&results).clone() }
        }
        10 => {
            let ends = [QueueEnd::Timeout, QueueEnd::Full, QueueEnd::Closed, QueueEnd::NoAgents];
            let position =
                QueueEvent::Position { ahead: dice.roll(3) as u32, wait_s: (dice.roll(2) == 0).then_some(u32::MAX) };
            let events = [position, QueueEvent::Answered, QueueEvent::Back, QueueEvent::Ended(*dice.one_of(&ends))];
            Event::Queue { id, event: *dice.one_of(&events) }
        }
        11 => {
            let results = [TransferResult::Answered, TransferResult::Failed(TransferFailure::Rejected)];
            Event::Transfer { id, result: *dice.one_of(&results) }
        }
        12 => Event::AgentGone,
        13 => Event::Posted { id, reference: (dice.roll(2) == 0).then(|| "100001".to_string()) },
        14 => {
            Event::Recorded { id, kept: (dice.roll(2) == 0).then(|| Kept { file: "1.wav".into(), length_ms: 2_000 }) }
        }
        _ if dice.roll(40) == 0 => Event::CallerHungUp,
        _ => Event::PlayDone { id: ids, heard_ms: 1_000 },
    }
}

/// What an action may be answered by.
fn asked(action: &Action) -> Option<ActionId> {
    match action {
        Action::Play { id, .. }
        | Action::TimerSet { id, .. }
        | Action::Fetch { id, .. }
        | Action::Enqueue { id, .. }
        | Action::Dial { id, .. }
        | Action::Record { id, .. }
        | Action::Post { id, .. } => Some(*id),
        _ => None,
    }
}

/// Events of a wandering caller; returns all actions.
fn wander(bundle: &Bundle, dice: &mut Dice, events: usize) -> Vec<Action> {
    let mut state = start(bundle, "power").expect("the flow is there");
    let mut log = Vec::new();
    let (mut at, mut ids, mut over) = (0u64, 0u32, false);
    let mut out = Vec::new();
    let mut next = Some(begin());
    for _ in 0..events {
        // Time may stand still, and the clock handed in may even go back.
        at = if dice.roll(20) == 0 { at / 2 } else { at + dice.roll(4_000) as u64 };
        let ev = next.take().unwrap_or_else(|| any_event(dice, ids));
        step(bundle, &mut state, at, ev, &mut out);
        assert!(out.len() <= 5 * MAX_STEPS_IDLE as usize + 100, "{} actions of one event", out.len());
        assert!(!over || out.is_empty(), "after the end: {out:?}");
        for action in &out {
            match action {
                Action::Play { items, .. } => assert!(!items.is_empty(), "an empty play never ends"),
                Action::Hangup { .. } => over = true,
                _ => {}
            }
        }
        ids = out.iter().filter_map(asked).fold(ids, Ord::max);
        over |= state.is_ended();
        log.append(&mut out);
        if dice.roll(50) == 0 {
            state = restored(&state);
        }
    }
    log
}

#[test]
fn events_in_any_order_never_break_a_call_and_replay_the_same() {
    let bundle = bundle(&sample());
    for case in 0..cases() / 10 {
        let twice = catch_unwind(AssertUnwindSafe(|| {
            let first = wander(&bundle, &mut Dice::of(case), 400);
            assert_eq!(first, wander(&bundle, &mut Dice::of(case), 400));
        }));
        assert!(twice.is_ok(), "HOTLINE_FUZZ_SEED={} case {case}", env("HOTLINE_FUZZ_SEED", 95_598));
    }
}

/// The first event of a call.
fn begin() -> Event {
    Event::Started { caller: Redacted::new("13800138000".into()), called: "95598".into(), wall_ms: MORNING, lang: None }
}

#[test]
fn what_was_answered_or_cleared_before_changes_nothing() {
    let bundle = bundle(&sample());
    const NEVER: ActionId = ActionId::MAX;
    for case in 0..cases() / 20 {
        let mut dice = Dice::of(case);
        let mut state = start(&bundle, "power").expect("the flow is there");
        let (mut at, mut timers, mut dead) = (0, std::collections::BTreeSet::new(), Vec::new());
        for turn in 0..200 {
            at += dice.roll(4_000) as u64;
            let event = if turn == 0 { begin() } else { any_event(&mut dice, timers.last().copied().unwrap_or(0)) };
            if let Event::Timer { id } = event
                && timers.remove(&id)
            {
                dead.push(id);
            }
            let mut out = Vec::new();
            step(&bundle, &mut state, at, event, &mut out);
            for action in out.drain(..) {
                match action {
                    Action::TimerSet { id, .. } => _ = timers.insert(id),
                    Action::TimerClear { id } => {
                        timers.remove(&id);
                        dead.push(id);
                    }
                    _ => {}
                }
            }
            // What a call is, but for the time that it was last told, and the steps it took since it heard of anything.
            let told_of = |state: &CallState| {
                let mut value = serde_json::to_value(state).unwrap();
                value.as_object_mut().unwrap().remove("at");
                value["counters"]["steps_idle"] = 0.into();
                value
            };
            let before = told_of(&state);
            let late = [
                Event::PlayDone { id: NEVER, heard_ms: 1 },
                Event::Timer { id: NEVER },
                Event::Lookup { id: NEVER, result: LookupResult::Failed },
                Event::Queue { id: NEVER, event: QueueEvent::Answered },
                Event::Transfer { id: NEVER, result: TransferResult::Answered },
                Event::Recorded { id: NEVER, kept: None },
                Event::Posted { id: NEVER, reference: None },
            ];
            let old = (!dead.is_empty()).then(|| Event::Timer { id: *dice.one_of(&dead) });
            for event in late.into_iter().chain(old) {
                let told = format!("case {case}, event {turn}: {event:?}");
                step(&bundle, &mut state, at, event, &mut out);
                assert!(out.is_empty(), "{told}: {out:?}");
                assert_eq!(told_of(&state), before, "{told}");
            }
        }
    }
}

/// A call as it is after a restart.
fn restored(state: &CallState) -> CallState {
    let text = serde_json::to_string(state).expect("plain data");
    serde_json::from_str(&text).expect("what was written")
}

/// All that a call is, but for what is never written down: secrets, and keys that no question has used yet.
fn written(state: &CallState) -> String {
    let mut shown = format!("{state:?}").replace(", \"id_last6\"", "").replace("\"id_last6\"", "");
    for keys in 1..=MAX_TYPED {
        shown = shown.replace(&format!(": {keys} keys"), ": 0 keys");
    }
    shown
}

#[test]
fn a_call_that_is_restored_at_any_event_goes_on_as_if_nothing_had_happened() {
    let bundle = bundle(&sample());
    let (mut whole, mut without_keys) = (0, 0);
    for case in 0..cases() / 10 {
        let mut dice = Dice::of(case);
        let mut state = start(&bundle, "power").expect("the flow is there");
        let (mut at, mut ids) = (0, 0);
        for turn in 0..200 {
            at += dice.roll(4_000) as u64;
            let event = if turn == 0 { begin() } else { any_event(&mut dice, ids) };
            let told = format!("case {case}, event {turn}: {event:?}");
            let mut twin = restored(&state);
            assert_eq!(written(&twin), written(&state), "{told}");
            let same = twin == state;
            let (mut out, mut of_twin) = (Vec::new(), Vec::new());
            step(&bundle, &mut state, at, event.clone(), &mut out);
            if same {
                step(&bundle, &mut twin, at, event, &mut of_twin);
                assert!(out == of_twin && twin == state, "{told}: {out:?} and {of_twin:?}");
                whole += 1;
            } else {
                without_keys += 1;
            }
            ids = out.iter().filter_map(asked).fold(ids, Ord::max);
        }
    }
    assert!(whole > 0 && without_keys > 0, "{whole} whole, {without_keys} without their keys");
}

/// A caller of some temper in the ordinary world: whatever is pressed, the call ends or reaches people.
#[test]
fn every_caller_ends_with_a_human_or_a_goodbye() {
    let bundle = bundle(&sample());
    for case in 0..cases() / 10 {
        let mut dice = Dice::of(case);
        let mut call = Call::start(&bundle, "power");
        for lookup in ["account_by_phone", "outage_by_account", "bill_by_account", "verify_owner"] {
            for _ in 0..MAX_LOOKUPS {
                let account = found(&[
                    ("account", Type::Digits, "3101234569"),
                    ("balance", Type::Money, "-1"),
                    ("known", Type::Flag, "false"),
                    ("restore_at", Type::Datetime, "2026-03-10 14:05"),
                ]);
                let reply = match dice.roll(4) {
                    0 => Reply::Never,
                    1 => Reply::After(dice.roll(5_000) as u64, LookupResult::Failed),
                    2 => Reply::After(dice.roll(5_000) as u64, LookupResult::NotFound),
                    _ => Reply::After(dice.roll(5_000) as u64, account),
                };
                call.mock(lookup, reply);
            }
        }
        let patience = 10 + dice.roll(60);
        for _ in 0..patience {
            if call.ended.is_some() || call.queue.is_some() || call.dialled.is_some() {
                break;
            }
            let key = dice.one_of(&['1', '2', '3', '4', '9', '*', '#', '7']).to_string();
            call.presses(&key).waits(dice.roll(9_000) as u64);
        }
        // Who has waited in vain leaves a message, which takes its time.
        call.waits(2 * MAX_IVR_MS);
        let served = call.ended.is_some() || call.queue.is_some() || call.dialled.is_some();
        assert!(served, "HOTLINE_FUZZ_SEED={} case {case}: {:?}", env("HOTLINE_FUZZ_SEED", 95_598), call.outcomes());
    }
}
