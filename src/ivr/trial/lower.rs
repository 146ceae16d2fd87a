//! Reads `*.test.yaml` files: every name in them is looked up in the flow that they test, so that a slip in a test is
//! found where it stands and not as a failure of the flow.

use super::moves;
use super::script::*;
use super::shape::{EXPECT, FILE, FORMAT_VERSION, GIVEN, TEST};
use crate::ivr::bundle::{Bundle, Mentions, is_test};
use crate::ivr::calendar::Openness;
use crate::ivr::diag::{Diagnostic, Diags, shown};
use crate::ivr::flow::Flow;
use crate::ivr::lower::{Fields, duration, name, names, text};
use crate::ivr::source::{Files, Name, Sources, Span};
use crate::ivr::value::{Type, Value};
use crate::ivr::wire::{LookupResult, QueueEnd, TransferFailure, TransferResult};
use crate::ivr::yaml::{self, Kind, Node};
use std::collections::BTreeMap;

/// A call never lasts longer than this.
pub(super) const LONGEST_MS: u64 = 4 * 3_600_000;

/// All test files among `sources`, with what is wrong in them.
pub fn read(sources: &Sources, bundle: &Bundle) -> (Vec<TestFile>, Vec<Diagnostic>) {
    let files = Files::new(sources);
    let mut diags = Diags::new(&files);
    let mut found = Vec::new();
    for (index, file) in files.0.iter().enumerate().filter(|(_, file)| is_test(&file.path)) {
        let Ok(index) = u16::try_from(index) else { break };
        let Some(root) = yaml::parse(file, index, &mut diags) else { continue };
        found.extend(test_file(&root, &file.path, bundle, &mut diags));
    }
    (found, diags.into_sorted())
}

/// What a test may name.
pub(super) struct Scope<'b> {
    pub bundle: &'b Bundle,
    pub flow: &'b Flow,
    /// Names that the flow and its subflows have in them.
    mentions: Mentions,
}

impl Scope<'_> {
    /// The declared type of a variable of the flow or of a subflow.
    fn variable(&self, name: &Name, diags: &mut Diags) -> Option<Type> {
        let flows = || std::iter::once(self.flow).chain(self.bundle.flows.iter().filter(|flow| flow.is_subflow()));
        let found = flows().find_map(|flow| flow.vars.get(&name.text)).map(|decl| decl.ty.clone());
        if found.is_none() {
            let known = flows().flat_map(|flow| flow.vars.keys()).map(String::as_str);
            diags.unknown("E301", name.span, "there is no variable", &name.text, known);
        }
        found
    }

    pub fn prompt(&self, node: &Node, diags: &mut Diags) -> Option<Name> {
        let name = name(node, "a prompt", diags)?;
        self.known_prompt(name, diags)
    }

    pub fn known_prompt(&self, name: Name, diags: &mut Diags) -> Option<Name> {
        let prompts = &self.bundle.prompts;
        if prompts.contains_key(&name.text) {
            return Some(name);
        }
        let known = prompts.keys().map(String::as_str).filter(|id| !id.starts_with("a_"));
        diags.unknown("E203", name.span, "there is no prompt", &name.text, known);
        None
    }
}

fn test_file(root: &Node, path: &str, bundle: &Bundle, diags: &mut Diags) -> Option<TestFile> {
    let mut fields = Fields::of(root, &FILE, diags)?;
    match fields.need("ivr_test", diags) {
        Some(node) if node.scalar() != Some(FORMAT_VERSION) => {
            let message = format!("this reads version {FORMAT_VERSION} of the test format");
            diags.error_hint("E112", node.span, message, format!("write `ivr_test: {FORMAT_VERSION}`"));
        }
        _ => {}
    }
    let wanted = fields.need("flow", diags).and_then(|node| name(node, "a flow", diags));
    let given = fields.take("given");
    let mock = fields.take("mock");
    let tests = fields.need("tests", diags);
    fields.finish(diags);
    let wanted = wanted?;
    let Some(flow) = bundle.flow(&wanted.text).filter(|flow| !flow.is_subflow()) else {
        diags.unknown("E202", wanted.span, "there is no entry flow", &wanted.text, bundle.entry_flows());
        return None;
    };
    let scope = Scope { bundle, flow, mentions: bundle.mentions(&flow.name) };
    let given = given.and_then(|node| self::given(node, Given::default(), &scope, diags)).unwrap_or_default();
    let mock = mock.and_then(|node| self::mock(node, Mock::default(), &scope, diags)).unwrap_or_default();
    let Kind::List(items) = &tests?.kind else {
        diags.error_hint("E112", root.span.part(0, 0), "`tests` is a list", "start each test with `- name: ...`");
        return None;
    };
    let tests = items.iter().filter_map(|item| test(item, &given, &mock, &scope, diags)).collect();
    Some(TestFile { path: path.to_string(), flow: flow.name.clone(), mock, tests })
}

fn test(node: &Node, given: &Given, mock: &Mock, scope: &Scope, diags: &mut Diags) -> Option<Test> {
    let mut fields = Fields::of(node, &TEST, diags)?;
    let name = fields.need("name", diags).and_then(|node| {
        let text = node.scalar().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            diags.error("E112", node.span, "a test's name is a line of text");
        }
        Some((node.span, text?.to_string()))
    });
    let given = match fields.take("given") {
        Some(node) => self::given(node, given.clone(), scope, diags)?,
        None => given.clone(),
    };
    let mock = match fields.take("mock") {
        Some(node) => self::mock(node, mock.clone(), scope, diags)?,
        None => mock.clone(),
    };
    let script = match fields.take("script").map(|node| (&node.kind, node.span)) {
        None => Vec::new(),
        Some((Kind::List(items), _)) => {
            items.iter().filter_map(|item| Some((item.span, moves::lower(item, scope, diags)?))).collect()
        }
        Some((_, span)) => {
            diags.error_hint("E112", span, "`script` is a list", "write `- hears: welcome`, `- presses: 1`, ...");
            Vec::new()
        }
    };
    let expect = fields.take("expect").and_then(|node| expect(node, scope, diags)).unwrap_or_default();
    fields.finish(diags);
    let (span, name) = name?;
    let (_, line, _) = diags.place(span);
    Some(Test { name, span, line, given, mock, script, expect })
}

fn given(node: &Node, mut given: Given, scope: &Scope, diags: &mut Diags) -> Option<Given> {
    let mut fields = Fields::of(node, &GIVEN, diags)?;
    if let Some(node) = fields.take("at") {
        match node.scalar().and_then(|text| Type::Datetime.read(text)) {
            Some(Value::Datetime(at)) => given.at = Some(at),
            _ => diags.error_hint("E112", node.span, "a date and time is needed here", "write `2026-03-10 10:00`"),
        }
    }
    let mut number = |key, what| fields.take(key).and_then(|node| telephone_number(node, what, diags));
    given.caller = number("caller", "the caller's number").or(given.caller);
    given.called = number("called", "the called number").or(given.called);
    if let Some(node) = fields.take("language") {
        match node.scalar() {
            Some("none") => given.language = Some(None),
            Some(lang) if scope.flow.languages.iter().any(|known| known == lang) => {
                given.language = Some(Some(lang.to_string()));
            }
            other => {
                let known = scope.flow.languages.iter().map(String::as_str).chain(["none"]);
                diags.unknown("E102", node.span, "the flow does not speak", other.unwrap_or_default(), known);
            }
        }
    }
    for (key, openness) in [("open", Openness::Open), ("closed", Openness::Closed), ("holiday", Openness::Holiday)] {
        let Some(node) = fields.take(key) else { continue };
        for calendar in names(node, "a calendar", diags) {
            if scope.bundle.calendars.contains_key(&calendar.text) {
                given.hours.insert(calendar.text, openness);
            } else {
                let known = scope.bundle.calendars.keys().map(String::as_str);
                diags.unknown("E206", calendar.span, "there is no calendar", &calendar.text, known);
            }
        }
    }
    if let Some(node) = fields.take("live") {
        given.live = Some(names_or_none(node, "a switch", diags).into_iter().collect());
    }
    fields.finish(diags);
    Some(given)
}

fn telephone_number(node: &Node, what: &str, diags: &mut Diags) -> Option<String> {
    let number = text(node, what, diags)?;
    let digits = number.strip_prefix('+').unwrap_or(number);
    if digits.len() > 32 || !digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#')) {
        diags.error_hint("E112", node.span, format!("{what} is written in digits"), "write \"13800138000\"");
        return None;
    }
    Some(number.to_string())
}

fn mock(node: &Node, mut mock: Mock, scope: &Scope, diags: &mut Diags) -> Option<Mock> {
    let fields = Fields::of(node, "`mock`", diags)?;
    for (key, value) in fields.all() {
        let Some(key) = name(key, "a lookup", diags) else { continue };
        match key.text.as_str() {
            "queue" => {
                let queues = by_name(value, "`queue`", &scope.mentions.queues, "queue", diags, ending);
                mock.queues.extend(queues.unwrap_or_default());
            }
            "transfer" => {
                let targets = scope.mentions.trunks.union(&scope.mentions.agents).cloned().collect();
                let transfers = by_name(value, "`transfer`", &targets, "trunk, extension or agent", diags, pickup);
                mock.transfers.extend(transfers.unwrap_or_default());
            }
            "post" => {
                for (key, value) in pairs(Some(value), "`post`", diags) {
                    let kept = each(value, diags, |node, diags| word(node, "what becomes of it", &POST_WORDS, diags));
                    mock.posts.insert(key.text, kept);
                }
            }
            "record" => {
                mock.recordings =
                    each(value, diags, |node, diags| word(node, "what becomes of it", &POST_WORDS, diags));
            }
            lookup => match scope.bundle.lookups.get(lookup) {
                Some(known) => {
                    let replies = each(value, diags, |node, diags| reply(node, &known.gives, diags));
                    mock.lookups.insert(key.text, replies);
                }
                None => {
                    let known =
                        scope.bundle.lookups.keys().map(String::as_str).chain(["queue", "transfer", "post", "record"]);
                    diags.unknown("E207", key.span, "there is no lookup", lookup, known);
                }
            },
        }
    }
    Some(mock)
}

/// One answer or a list of them.
fn each<T>(node: &Node, diags: &mut Diags, mut one: impl FnMut(&Node, &mut Diags) -> Option<T>) -> Vec<T> {
    match &node.kind {
        Kind::List(items) if !items.is_empty() => items.iter().filter_map(|item| one(item, diags)).collect(),
        _ => one(node, diags).into_iter().collect(),
    }
}

fn by_name<T>(
    node: &Node,
    what: &str,
    known: &std::collections::BTreeSet<String>,
    kind: &str,
    diags: &mut Diags,
    one: fn(&Node, &mut Diags) -> Option<T>,
) -> Option<BTreeMap<String, Vec<T>>> {
    let fields = Fields::of(node, what, diags)?;
    let mut all = BTreeMap::new();
    for (key, value) in fields.all() {
        let Some(key) = name(key, "a name", diags) else { continue };
        if !known.contains(&key.text) {
            let what = format!("the flow has no {kind}");
            diags.unknown("E204", key.span, &what, &key.text, known.iter().map(String::as_str));
            continue;
        }
        all.insert(key.text, each(value, diags, one));
    }
    Some(all)
}

/// `{balance: 12.50, after: 2s}`, `{after: 10s}`, `fails`, `not_found`, `found`.
fn reply(node: &Node, gives: &BTreeMap<String, Type>, diags: &mut Diags) -> Option<Reply> {
    let word = |word: &str| match word {
        "fails" => Some(LookupResult::Failed),
        "not_found" => Some(LookupResult::NotFound),
        "found" => Some(LookupResult::Found(BTreeMap::new())),
        _ => None,
    };
    let Kind::Map(_) = node.kind else {
        let result = node.scalar().and_then(word);
        if result.is_none() {
            let hint = "write the fields of the reply, `{balance: 12.50}`, or `fails`, `not_found`, `found`";
            diags.error_hint("E112", node.span, "this is no answer of a lookup", hint);
        }
        return Some(Reply { after_ms: 0, result: result? });
    };
    let mut after_ms = 0;
    let mut result = None;
    let mut found = BTreeMap::new();
    for (key, value) in Fields::of(node, "a lookup's answer", diags)?.all() {
        let Some(key) = name(key, "a field", diags) else { continue };
        match (key.text.as_str(), gives.get(&key.text)) {
            ("after", None) => after_ms = duration(value, "`after`", 0..=LONGEST_MS, diags).unwrap_or(0),
            ("fails" | "not_found", None) => result = word(&key.text),
            (field, Some(ty)) => match value.scalar().and_then(|text| ty.read(text)) {
                Some(value) => _ = found.insert(field.to_string(), value),
                None => {
                    let message = format!("`{field}` is a {}, not {}", ty.name(), what_stands(value));
                    diags.error("E303", value.span, message);
                }
            },
            (field, None) => {
                let known = gives.keys().map(String::as_str).chain(["after", "fails", "not_found"]);
                diags.unknown("E207", key.span, "the lookup gives no", field, known);
            }
        }
    }
    Some(Reply { after_ms, result: result.unwrap_or(LookupResult::Found(found)) })
}

fn what_stands(node: &Node) -> String {
    node.scalar().map_or_else(|| node.what().to_string(), |text| format!("`{}`", shown(text)))
}

pub(super) const POST_WORDS: [(&str, bool); 2] = [("kept", true), ("fails", false)];

pub(super) const QUEUE_WORDS: [(&str, QueueOutcome); 6] = [
    ("answered", QueueOutcome::Answered),
    ("waits", QueueOutcome::Waits),
    ("timeout", QueueOutcome::Ended(QueueEnd::Timeout)),
    ("full", QueueOutcome::Ended(QueueEnd::Full)),
    ("closed", QueueOutcome::Ended(QueueEnd::Closed)),
    ("no_agents", QueueOutcome::Ended(QueueEnd::NoAgents)),
];

pub(super) const TRANSFER_WORDS: [(&str, TransferResult); 5] = [
    ("answered", TransferResult::Answered),
    ("busy", TransferResult::Failed(TransferFailure::Busy)),
    ("no_answer", TransferResult::Failed(TransferFailure::NoAnswer)),
    ("rejected", TransferResult::Failed(TransferFailure::Rejected)),
    ("unreachable", TransferResult::Failed(TransferFailure::Unreachable)),
];

/// One of the words of `table`.
pub(super) fn word<T: Copy>(node: &Node, what: &str, table: &[(&'static str, T)], diags: &mut Diags) -> Option<T> {
    let text = text(node, what, diags)?;
    let found = table.iter().find(|(known, _)| *known == text).map(|(_, value)| *value);
    if found.is_none() {
        let unknown = format!("{what} is not");
        diags.unknown("E102", node.span, &unknown, text, table.iter().map(|(known, _)| *known));
    }
    found
}

/// `timeout`, or `{says: timeout, after: 2m}`.
fn outcome<T: Copy>(
    node: &Node,
    what: &str,
    table: &[(&'static str, T)],
    diags: &mut Diags,
) -> Option<(Option<u64>, T)> {
    let Kind::Map(_) = node.kind else { return Some((None, word(node, what, table, diags)?)) };
    let mut fields = Fields::of(node, what, diags)?;
    let after = fields.take("after").and_then(|node| duration(node, "`after`", 0..=LONGEST_MS, diags));
    let says = fields.need("says", diags).and_then(|node| word(node, what, table, diags));
    fields.finish(diags);
    Some((after, says?))
}

fn ending(node: &Node, diags: &mut Diags) -> Option<Ending> {
    let (after_ms, how) = outcome(node, "what the queue says", &QUEUE_WORDS, diags)?;
    Some(Ending { after_ms, how })
}

fn pickup(node: &Node, diags: &mut Diags) -> Option<Pickup> {
    let (after_ms, result) = outcome(node, "what the other side says", &TRANSFER_WORDS, diags)?;
    Some(Pickup { after_ms, result })
}

fn expect(node: &Node, scope: &Scope, diags: &mut Diags) -> Option<Expect> {
    let mut fields = Fields::of(node, &EXPECT, diags)?;
    let mut expect = Expect::default();
    if let Some(node) = fields.take("end") {
        expect.end = word(node, "the end", &ENDS, diags).map(|end| (node.span, end));
    }
    let mut list = |key, what| fields.take(key).map(|node| (node.span, names_or_none(node, what, diags)));
    expect.resolved = list("resolved", "a topic");
    expect.tags = list("tags", "a tag");
    expect.posted = list("posted", "a template or queue");
    expect.limits = list("limits", "a limit");
    let mut target = |key, what| {
        let node = fields.take(key)?;
        let name = name(node, what, diags)?;
        Some((node.span, Some(name.text).filter(|name| name != "none")))
    };
    expect.queue = target("queue", "a queue");
    expect.trunk = target("trunk", "a trunk");
    expect.ext = target("ext", "an extension");
    expect.agent = target("agent", "an agent");
    expect.language = target("language", "a language").and_then(|(span, lang)| Some((span, lang?)));
    let keys = fields.take("keys").map(|node| node.span);
    expect.keys = keys.and_then(|span| Some((span, fields.number("keys", diags)?)));
    let mut limit = |key| {
        let span = fields.take(key)?.span;
        Some((span, fields.time(key, diags)?))
    };
    expect.under_ms = limit("under");
    expect.over_ms = limit("over");
    if let Some(node) = fields.take("not_logged") {
        let wanted = names(node, "a variable", diags);
        expect.not_logged = wanted.into_iter().filter(|name| scope.variable(name, diags).is_some()).collect();
    }
    for (key, value) in pairs(fields.take("variables"), "`variables`", diags) {
        let Some(ty) = scope.variable(&key, diags) else { continue };
        match value.scalar().and_then(|text| ty.read(text)) {
            Some(value) => expect.variables.push((key, value)),
            None => {
                let message = format!("`{}` is a {}, not {}", key.text, ty.name(), what_stands(value));
                diags.error("E303", value.span, message);
            }
        }
    }
    for (key, value) in pairs(fields.take("carried"), "`carried`", diags) {
        let known = key.text == "lang" || scope.variable(&key, diags).is_some();
        if let (true, Some(text)) = (known, text(value, "a value", diags)) {
            expect.carried.push((key, text.to_string()));
        }
    }
    fields.finish(diags);
    Some(expect)
}

fn pairs<'n>(node: Option<&'n Node>, what: &str, diags: &mut Diags) -> Vec<(Name, &'n Node)> {
    let Some(fields) = node.and_then(|node| Fields::of(node, what, diags)) else { return Vec::new() };
    fields.all().filter_map(|(key, value)| Some((name(key, "a variable", diags)?, value))).collect()
}

/// Names, or `none` for an empty list.
fn names_or_none(node: &Node, what: &str, diags: &mut Diags) -> Vec<String> {
    match node.scalar() {
        Some("none") => Vec::new(),
        _ => names(node, what, diags).into_iter().map(|name| name.text).collect(),
    }
}

/// Local time of a flow as UTC; where clocks jump, the moment after the jump.
pub(super) fn wall_ms(flow: &Flow, local_s: i64) -> Option<u64> {
    let utc = jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let local = utc.checked_add(jiff::Span::new().try_seconds(local_s).ok()?).ok()?;
    let moment = local.to_zoned(flow.zone.clone()).ok()?.timestamp().as_millisecond();
    u64::try_from(moment).ok()
}

/// The part of a scalar's span that a name takes up.
pub(super) fn name_in(node: &Node, from: usize, name: &str, diags: &Diags) -> Name {
    let span: Span = diags.part_of(node, from, from + name.len());
    Name { text: name.to_string(), span }
}
