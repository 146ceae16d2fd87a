//! From YAML nodes to checked settings: one reader per kind of setting. Every reader reports what is wrong and goes on,
//! so that one pass finds all mistakes of a file.

use super::diag::{Diags, nearest, shown};
use super::expr::{self, Expr};
use super::settings::{Group, Setting, Shape};
use super::source::{Name, Span};
use super::value::{Value, duration_ms, is_digit_byte};
use super::yaml::{Kind, Node};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Longest name of anything: section, variable, prompt, queue.
const MAX_NAME_BYTES: usize = 64;

/// The settings in a map, taken by name. [`Fields::finish`] refuses what its group has not; where there is no table of
/// the settings, what nobody asked for.
pub(super) struct Fields<'n> {
    pub span: Span,
    what: String,
    group: Option<&'static Group>,
    asked: Vec<&'static str>,
    pairs: &'n [(Node, Node)],
}

/// A table of settings, or only what findings call them.
pub(super) trait Told {
    fn what(&self) -> &str;
    fn group(&self) -> Option<&'static Group> {
        None
    }
}

impl Told for &'static Group {
    fn what(&self) -> &str {
        self.what
    }
    fn group(&self) -> Option<&'static Group> {
        Some(self)
    }
}

impl Told for &str {
    fn what(&self) -> &str {
        self
    }
}

impl<'n> Fields<'n> {
    pub fn of(node: &'n Node, told: impl Told, diags: &mut Diags) -> Option<Self> {
        let (what, group) = (told.what().to_string(), told.group());
        let pairs = pairs(node, &what, "E111", diags)?;
        Some(Self { span: node.span, what, group, asked: Vec::new(), pairs })
    }

    /// All pairs, for maps whose keys are the admin's own names.
    pub fn all(&self) -> impl Iterator<Item = (&'n Node, &'n Node)> + use<'n> {
        self.pairs.iter().map(|(key, value)| (key, value))
    }

    fn setting(&self, name: &str) -> Option<&'static Setting> {
        self.group?.setting(name)
    }

    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        debug_assert!(self.group.is_none_or(|group| group.setting(name).is_some()), "{} lists no `{name}`", self.what);
        self.asked.push(name);
        self.pairs.iter().find(|(key, _)| key.scalar() == Some(name)).map(|(_, value)| value)
    }

    /// The setting, or a finding that it is missing.
    pub fn need(&mut self, name: &'static str, diags: &mut Diags) -> Option<&'n Node> {
        let found = self.take(name);
        if found.is_none() {
            let slip = self.pairs.iter().find_map(|(key, _)| nearest(key.scalar()?, [name]).and(key.scalar()));
            let hint = match slip {
                Some(slip) => format!("did you mean `{name}` by `{}`?", shown(slip)),
                None => format!("add `{name}: ...`"),
            };
            diags.error_hint("E114", self.span, format!("{} needs `{name}:`", self.what), hint);
        }
        found
    }

    /// What the group says of a setting.
    pub fn help(&self, name: &str) -> &'static str {
        self.setting(name).map_or("", |setting| setting.help)
    }

    pub fn flag(&mut self, name: &'static str, diags: &mut Diags) -> Option<bool> {
        self.take(name).and_then(|node| flag(node, diags))
    }

    /// A whole number within the limits that the group tells.
    pub fn number(&mut self, name: &'static str, diags: &mut Diags) -> Option<u32> {
        let node = self.take(name)?;
        let Shape::Number(from, to) = self.setting(name)?.shape else {
            debug_assert!(false, "`{name}` of {} is no number", self.what);
            return None;
        };
        number(node, &format!("`{name}`"), from..=to, diags)
    }

    /// A length of time in milliseconds within the limits that the group tells.
    pub fn time(&mut self, name: &'static str, diags: &mut Diags) -> Option<u64> {
        let node = self.take(name)?;
        let Shape::Time(what, from, to) = self.setting(name)?.shape else {
            debug_assert!(false, "`{name}` of {} is no length of time", self.what);
            return None;
        };
        duration(node, what, from..=to, diags)
    }

    /// Reports the settings that the group has not.
    pub fn finish(self, diags: &mut Diags) {
        for (key, _) in self.pairs {
            let Some(name) = key.scalar() else {
                diags.error("E112", key.span, format!("a name is needed here, not {}", key.what()));
                continue;
            };
            match self.setting(name) {
                Some(_) => {}
                None if self.group.is_none() && self.asked.contains(&name) => {}
                None => {
                    let known = self.group.map_or_else(|| self.asked.clone(), |group| group.names().collect());
                    let hint = match nearest(name, known.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("known here: {}", known.join(", ")),
                    };
                    let message = format!("{} has no setting `{}`", self.what, shown(name));
                    diags.error_hint("E102", key.span, message, hint);
                }
            }
        }
    }
}

/// The pairs of a map whose names are the admin's own, each given once.
pub(super) fn named<'n>(node: &'n Node, what: &str, diags: &mut Diags) -> Option<&'n [(Node, Node)]> {
    pairs(node, what, "E111", diags)
}

/// The pairs of a map from keys of the telephone, each bound once.
pub(super) fn keys<'n>(node: &'n Node, what: &str, diags: &mut Diags) -> &'n [(Node, Node)] {
    pairs(node, what, "E402", diags).unwrap_or_default()
}

/// Reports each name that is given again with the code `twice`.
fn pairs<'n>(node: &'n Node, what: &str, twice: &'static str, diags: &mut Diags) -> Option<&'n [(Node, Node)]> {
    match &node.kind {
        Kind::Map(pairs) => {
            let mut seen = BTreeSet::new();
            for key in pairs.iter().map(|(key, _)| key) {
                if let Some(text) = key.scalar()
                    && !seen.insert(text)
                {
                    let message = format!("`{}` is given twice in {what}", shown(text));
                    diags.error_hint(twice, key.span, message, "keep one of them");
                }
            }
            Some(pairs)
        }
        Kind::Scalar { plain: true, .. } if full_width(node, diags) => None,
        _ => {
            let hint = "write `name: value` lines, or `{name: value, ...}`";
            diags.error_hint("E112", node.span, format!("{what} needs settings, not {}", node.what()), hint);
            None
        }
    }
}

/// A single word or text; reports anything else.
pub(super) fn text<'n>(node: &'n Node, what: &str, diags: &mut Diags) -> Option<&'n str> {
    match node.scalar() {
        Some(_) if full_width(node, diags) => None,
        Some(text) if !node.is_null() => Some(text),
        _ => {
            diags.error("E112", node.span, format!("{what} is needed here, not {}", node.what()));
            None
        }
    }
}

/// A name of anything that the flow refers to.
pub(super) fn name(node: &Node, what: &str, diags: &mut Diags) -> Option<Name> {
    let text = text(node, what, diags)?;
    let shaped = !text.is_empty()
        && text.len() <= MAX_NAME_BYTES
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
    if !shaped {
        let message = format!("`{}` cannot be {what}", shown(text));
        let hint = match what {
            "a prompt" => {
                "name a prompt here, such as `greeting`; its text goes into prompts/*.yaml: `greeting: {zh: \"...\", en: \"...\"}`"
            }
            _ => "use letters, digits, `_` and `-`",
        };
        diags.error_hint("E112", node.span, message, hint);
        return None;
    }
    Some(Name { text: text.to_string(), span: node.span })
}

/// A name that becomes a file name or a variable: lower-case letters, digits and `_`.
pub(super) fn identifier(node: &Node, what: &str, diags: &mut Diags) -> Option<Name> {
    let text = text(node, what, diags)?;
    let shaped = text.len() <= MAX_NAME_BYTES
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !shaped {
        let message = format!("`{}` cannot be {what}", shown(text));
        diags.error_hint("E112", node.span, message, "use lower-case letters, digits and `_`, a letter first");
        return None;
    }
    Some(Name { text: text.to_string(), span: node.span })
}

/// One name or a list of names.
pub(super) fn names(node: &Node, what: &str, diags: &mut Diags) -> Vec<Name> {
    match &node.kind {
        Kind::List(items) if items.is_empty() => {
            diags.error("E112", node.span, format!("{what} is needed here, not an empty list"));
            Vec::new()
        }
        Kind::List(items) => items.iter().filter_map(|item| name(item, what, diags)).collect(),
        _ => name(node, what, diags).into_iter().collect(),
    }
}

pub(super) fn flag(node: &Node, diags: &mut Diags) -> Option<bool> {
    match node.scalar() {
        Some("true" | "yes") => Some(true),
        Some("false" | "no") => Some(false),
        _ => {
            diags.error_hint("E112", node.span, "this is either on or off", "write `true` or `false`");
            None
        }
    }
}

pub(super) fn number(node: &Node, what: &str, range: RangeInclusive<u32>, diags: &mut Diags) -> Option<u32> {
    let text = text(node, what, diags)?;
    match text.parse::<u32>() {
        Ok(n) if range.contains(&n) => Some(n),
        _ => {
            let message = format!("{what} is a number from {} to {}", range.start(), range.end());
            diags.error("E112", node.span, message);
            None
        }
    }
}

/// A length of time in milliseconds, between the two given.
pub(super) fn duration(node: &Node, what: &str, range: RangeInclusive<u64>, diags: &mut Diags) -> Option<u64> {
    let text = text(node, what, diags)?;
    let Some(ms) = duration_ms(text).and_then(|ms| u64::try_from(ms).ok()) else {
        let message = format!("{what} is a length of time, not `{}`", shown(text));
        let hint = match text.parse::<u32>() {
            Ok(n) => format!("add the unit: `{n}s`"),
            Err(_) => "write `6s`, `2m`, `1h` or `180d`".to_string(),
        };
        diags.error_hint("E112", node.span, message, hint);
        return None;
    };
    if !range.contains(&ms) {
        let message = format!("{what} is from {} to {}", spelled(*range.start()), spelled(*range.end()));
        diags.error("E112", node.span, message);
        return None;
    }
    Some(ms)
}

fn spelled(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units.iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", ms / unit),
        None => format!("{ms}ms"),
    }
}

/// An expression, with the place of each of its parts.
pub(super) fn expression(node: &Node, diags: &mut Diags) -> Option<Expr> {
    let text = text(node, "an expression", diags)?;
    // "3101234569" in quotes is a text, as it is in `number: "8001"`; without them it is a number.
    if let Kind::Scalar { plain: false, .. } = node.kind
        && !text.is_empty()
        && text.bytes().all(is_digit_byte)
    {
        return Some(Expr { span: node.span, kind: expr::Kind::Literal(Value::Text(text.to_string())) });
    }
    let parsed = {
        let place = |from: usize, to: usize| diags.part_of(node, from, to);
        expr::parse(text, &place)
    };
    match parsed {
        Ok(expr) => Some(expr),
        Err(error) => {
            match error.hint {
                Some(hint) => diags.error_hint("E305", error.span, error.message, hint),
                None => diags.error("E305", error.span, error.message),
            }
            None
        }
    }
}

/// `name: expression` pairs, as in `send:` and `fields:`.
pub(super) fn assignments(node: &Node, what: &str, diags: &mut Diags) -> Vec<(Name, Expr)> {
    let pairs = named(node, what, diags).unwrap_or_default().iter();
    pairs.filter_map(|(key, value)| Some((name(key, "a name", diags)?, expression(value, diags)?))).collect()
}

/// `variable: name` pairs, as in `get:`.
pub(super) fn received(node: &Node, diags: &mut Diags) -> Vec<(Name, Name)> {
    let pairs = named(node, "`get`", diags).unwrap_or_default().iter();
    pairs.filter_map(|(key, value)| Some((name(key, "a variable", diags)?, name(value, "a name", diags)?))).collect()
}

/// A key of the telephone: `0`-`9`, `star`, `hash`.
pub(super) fn telephone_key(node: &Node, diags: &mut Diags) -> Option<char> {
    let keys = ["star", "hash"];
    match node.scalar() {
        Some("star") => Some('*'),
        Some("hash") => Some('#'),
        Some(text) => match (text.chars().next(), text.chars().count()) {
            (Some(digit), 1) if digit.is_ascii_digit() => Some(digit),
            _ if full_width(node, diags) => None,
            _ => {
                let hint = match text {
                    "*" => "write `star`".to_string(),
                    "#" | "pound" => "write `hash`".to_string(),
                    _ => nearest(text, keys).map_or("keys are 0-9, star and hash".into(), |k| format!("write `{k}`")),
                };
                diags.error_hint("E112", node.span, format!("`{}` is no key of a telephone", shown(text)), hint);
                None
            }
        },
        None => {
            diags.error("E112", node.span, format!("a key is needed here, not {}", node.what()));
            None
        }
    }
}

/// Full-width signs and curly quotes that a Chinese keyboard leaves in unquoted words.
fn full_width(node: &Node, diags: &mut Diags) -> bool {
    const PAIRS: [(char, char); 14] = [
        ('：', ':'),
        ('，', ','),
        ('＃', '#'),
        ('＊', '*'),
        ('｛', '{'),
        ('｝', '}'),
        ('［', '['),
        ('］', ']'),
        ('“', '"'),
        ('”', '"'),
        ('‘', '\''),
        ('’', '\''),
        ('－', '-'),
        ('\u{3000}', ' '),
    ];
    let Kind::Scalar { text, plain: true } = &node.kind else { return false };
    let found = text.char_indices().find_map(|(at, c)| {
        let ascii = match c {
            '０'..='９' => char::from_u32(c as u32 - '０' as u32 + '0' as u32),
            _ => PAIRS.iter().find(|(wide, _)| *wide == c).map(|(_, ascii)| *ascii),
        };
        ascii.map(|ascii| (at, c, ascii))
    });
    let Some((at, wide, ascii)) = found else { return false };
    let place = diags.part_of(node, at, at + wide.len_utf8());
    let hint = match ascii {
        ':' => "write `:` and a space".to_string(),
        '*' => "write `star`".to_string(),
        '#' => "write `hash`".to_string(),
        ' ' => "use a plain space".to_string(),
        _ => format!("write `{ascii}`"),
    };
    diags.error_hint("E106", place, format!("the full-width sign `{wide}` means nothing here"), hint);
    true
}
