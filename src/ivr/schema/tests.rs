use super::super::load;
use super::super::source::{Files, Sources};
use super::super::yaml::{self, Kind, Node};
use super::*;
use jsonschema::Validator;

const POWER: &str = include_str!("../../../ivr-flows/power.flow.yaml");
const IDENTIFY: &str = include_str!("../../../ivr-flows/lib/identify.flow.yaml");
const LOOKUPS: &str = include_str!("../../../ivr-flows/lookups.yaml");
const CALENDARS: &str = include_str!("../../../ivr-flows/calendars.yaml");
const PROMPTS: &str = include_str!("../../../prompts/power.yaml");
const TESTS: &str = include_str!("../../../ivr-flows/tests/power.test.yaml");
const STARTER: &str = include_str!("../../../ivr-flows/small-shop.flow.yaml");

fn tree(text: &str) -> Node {
    let files = Files::new(&Sources { files: vec![("x.yaml".into(), text.into())] });
    let mut diags = super::super::diag::Diags::new(&files);
    yaml::parse(&files.0[0], 0, &mut diags).expect("YAML")
}

/// As an editor's YAML reads it: plain scalars have types.
fn json_of(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar { text, plain } => match text.as_str() {
            _ if !plain => json!(text),
            "" | "~" | "null" => Value::Null,
            "true" => json!(true),
            "false" => json!(false),
            text => text.parse::<i64>().map_or_else(|_| json!(text), |n| json!(n)),
        },
        Kind::List(items) => items.iter().map(json_of).collect(),
        Kind::Map(pairs) => {
            pairs.iter().map(|(key, value)| (key.scalar().unwrap_or_default().to_string(), json_of(value))).collect()
        }
    }
}

fn validator(of: Content) -> Validator {
    jsonschema::draft7::new(&schema(of)).expect("a schema")
}

/// The errors of reading the file alone; what only other files or sections can tell is left out.
fn found(path: &str, text: &str) -> Vec<String> {
    let found =
        load(&Sources { files: vec![(path.into(), text.into())] }, None, &|_, _| None).err().unwrap_or_default();
    found.into_iter().filter(|d| d.is_error() && READ.contains(&d.code)).map(|d| d.message).collect()
}

/// Findings of reading a file.
const READ: [&str; 7] = ["E100", "E102", "E103", "E112", "E113", "E114", "E212"];

/// The file again, in braces, in its order.
fn written(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar { text, plain: true } if !text.contains([',', '{', '[', ']', '}']) => text.clone(),
        Kind::Scalar { text, .. } => json!(text).to_string(),
        Kind::List(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Kind::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| format!("{}: {}", written(key), written(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

fn nth<'n>(node: &'n mut Node, n: &mut usize) -> Option<&'n mut Node> {
    if *n == 0 {
        return Some(node);
    }
    *n -= 1;
    match &mut node.kind {
        Kind::Scalar { .. } => None,
        Kind::List(items) => items.iter_mut().find_map(|item| nth(item, n)),
        Kind::Map(pairs) => pairs.iter_mut().find_map(|(_, value)| nth(value, n)),
    }
}

#[test]
fn the_samples_are_right_by_the_schema_too() {
    let files = [
        (Content::Flow, POWER),
        (Content::Flow, IDENTIFY),
        (Content::Flow, STARTER),
        (Content::Lookups, LOOKUPS),
        (Content::Calendars, CALENDARS),
        (Content::Prompts, PROMPTS),
        (Content::Test, TESTS),
    ];
    for (of, text) in files {
        let value = json_of(&tree(text));
        let found: Vec<String> =
            validator(of).iter_errors(&value).map(|e| format!("{} {e}", e.instance_path())).collect();
        assert!(found.is_empty(), "{of:?}: {found:?}");
    }
}

#[test]
fn every_verb_of_the_reference_is_right_by_the_schema() {
    let flow = validator(Content::Flow);
    for verb in &VERBS {
        let steps = verb.example.lines().map(|line| format!("    {line}\n")).collect::<String>();
        let text = format!("ivr: 1\nlanguages: [zh, en]\nsections:\n  start:\n{steps}");
        assert!(flow.is_valid(&json_of(&tree(&text))), "{}", verb.name);
    }
}

#[test]
fn an_editor_and_the_check_refuse_the_same_mistakes() {
    let flow = validator(Content::Flow);
    let mut compared = 0;
    for (path, text) in [("power.flow.yaml", POWER), ("lib/identify.flow.yaml", IDENTIFY)] {
        compared += agree(text, &flow, &|text| found(path, text), &BEYOND_SCHEMA);
    }
    assert!(compared > 1_000, "{compared}");
}

#[test]
fn an_editor_and_the_reader_of_tests_refuse_the_same_mistakes() {
    let files = [
        ("power.flow.yaml", POWER),
        ("lib/identify.flow.yaml", IDENTIFY),
        ("lookups.yaml", LOOKUPS),
        ("calendars.yaml", CALENDARS),
        ("messages.yaml", include_str!("../../../ivr-flows/messages.yaml")),
        ("prompts/power.yaml", PROMPTS),
        ("prompts/system.yaml", include_str!("../../../prompts/system.yaml")),
        ("prompts/atoms.yaml", include_str!("../../../prompts/atoms.yaml")),
    ];
    let sources = Sources { files: files.map(|(path, text)| (path.into(), text.into())).into() };
    let bundle = load(&sources, None, &|_, _| Some(1)).expect("the sample");
    let found = |text: &str| {
        let file = Sources { files: vec![("tests/power.test.yaml".into(), text.into())] };
        let (_, found) = crate::ivr::trial::read(&file, &bundle);
        found.into_iter().filter(|d| READ.contains(&d.code)).map(|d| d.message).collect::<Vec<_>>()
    };
    assert_eq!(found(TESTS), [] as [&str; 0]);
    // The values of `mock` are as many as there are lookups, queues and trunks: no schema knows them.
    let beyond = [
        "what the queue says",
        "what the other side says",
        "cannot be",
        "a date and time",
        "written in digits",
        "does not speak",
        "no key of a telephone",
        "no moment of the call",
        "no answer of a lookup",
        "this reads version",
        "says is not",
        "becomes of it is not",
        "what becomes",
        "`mock`",
        "a lookup's answer",
        "`after` is ",
        "needs settings",
    ];
    let (head, tests) = TESTS.split_once("\n  - name:").expect("tests");
    let schema = validator(Content::Test);
    // A test at a time, or each change would be looked for in all of them.
    let one = |test: &str| agree(&format!("{head}\n  - name:{test}\n"), &schema, &found, &beyond);
    let compared: usize = tests.split("\n  - name:").map(one).sum();
    assert!(compared > 1_000, "{compared}");
}

/// At every place of a sample, one at a time: a value of another kind, a setting renamed, a setting left out. What reading
/// refuses in words of `beyond` alone, a schema need not.
fn agree(text: &str, schema: &Validator, found: &dyn Fn(&str) -> Vec<String>, beyond: &[&str]) -> usize {
    let word = |text: &str| Kind::Scalar { text: text.into(), plain: true };
    let node = |kind: Kind| Node { span: Default::default(), kind };
    let list = |item: Node| Kind::List(vec![item]);
    let mut compared = 0;
    let root = tree(text);
    for n in 0.. {
        if nth(&mut root.clone(), &mut { n }).is_none() {
            break;
        }
        for change in 0..24 {
            let mut mutant = root.clone();
            let Some(place) = nth(&mut mutant, &mut { n }) else { break };
            match (change, &mut place.kind) {
                (0, kind) => *kind = list(node(list(node(word("deep"))))),
                (1, kind) => *kind = Kind::Map(vec![(node(word("zz")), node(word("zz")))]),
                (2, Kind::Scalar { text, .. }) if text.parse::<u32>().is_ok() => *text = "99999".into(),
                (2, Kind::Scalar { text, .. }) if text.ends_with(['s', 'e']) => *text = "a word".into(),
                (change @ 4.., Kind::Map(pairs)) => match (change % 2, pairs.get_mut(change / 2 - 2)) {
                    (0, Some((key, _))) => key.kind = word(&format!("{}zz", key.scalar().unwrap_or_default())),
                    (1, Some(_)) => _ = pairs.remove(change / 2 - 2),
                    _ => continue,
                },
                _ => continue,
            }
            let text = written(&mutant);
            let (by_schema, said) = (!schema.is_valid(&json_of(&mutant)), found(&text));
            let only_beyond = said.iter().all(|message| beyond.iter().any(|words| message.contains(words)));
            if by_schema == said.is_empty() && (by_schema || !only_beyond) {
                panic!("schema {by_schema}, read {said:?}: {text}");
            }
            compared += 1;
        }
    }
    compared
}

/// What reading refuses and a schema cannot say: names that are no names, rules between settings.
const BEYOND_SCHEMA: [&str; 13] = [
    "cannot be",
    "is no ",
    "no expression",
    "exactly one t",
    "needs the `number:`",
    "when the tries run out",
    "when no agent answers",
    "needs its choices",
    "can never",
    "at least one",
    "written out in digits",
    "unknown",
    "this reads version",
];
