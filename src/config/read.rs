//! The keys of one map of `hotline.yaml`, taken by name. Each reader reports what is wrong under its whole key, with what
//! is expected there, and goes on, so that one start tells all mistakes.

use crate::source::diag::{Diags, nearest, shown};
use crate::source::text::Span;
use crate::source::yaml::{Kind, Node};
use std::collections::BTreeSet;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub value: T,
    pub span: Span,
}

pub(super) struct Keys<'n> {
    pub span: Span,
    path: String,
    pairs: &'n [(Node, Node)],
    asked: Vec<&'static str>,
}

impl<'n> Keys<'n> {
    /// `expected` says what belongs here, with an example.
    pub fn of(node: &'n Node, path: &str, expected: &str, diags: &mut Diags) -> Option<Self> {
        let pairs = match &node.kind {
            Kind::Map(pairs) => pairs.as_slice(),
            _ if node.is_null() => &[],
            _ => {
                wrong(node, path, "keys with values", expected, diags);
                return None;
            }
        };
        let mut seen = BTreeSet::new();
        for (key, _) in pairs {
            match key.scalar() {
                Some(name) if !seen.insert(name) => {
                    let message = format!("the key `{}` is there twice", shown(name));
                    diags.error_hint("C105", key.span, message, "keep one of them");
                }
                Some(_) => {}
                None => diags.error("C104", key.span, format!("a key is a word, not {}", key.what())),
            }
        }
        Some(Self { span: node.span, path: path.to_string(), pairs, asked: Vec::new() })
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Where the value of a key is; `None` when it has none.
    pub fn place(&self, name: &str) -> Option<Span> {
        let found = self.pairs.iter().find(|(key, _)| key.scalar() == Some(name));
        found.filter(|(_, value)| !value.is_null()).map(|(_, value)| value.span)
    }

    fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.asked.push(name);
        self.pairs.iter().find(|(key, _)| key.scalar() == Some(name)).map(|(_, value)| value).filter(|v| !v.is_null())
    }

    fn below(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) }
    }

    pub fn text(&mut self, name: &'static str, expected: &str, diags: &mut Diags) -> Option<At<String>> {
        let node = self.take(name)?;
        word(node, &self.below(name), expected, diags)
    }

    pub fn number(&mut self, name: &'static str, expected: &str, diags: &mut Diags) -> Option<At<u32>> {
        let (node, path) = (self.take(name)?, self.below(name));
        let value = node.scalar().and_then(|text| text.parse().ok());
        if value.is_none() {
            wrong(node, &path, "a whole number", expected, diags);
        }
        value.map(|value| At { value, span: node.span })
    }

    pub fn flag(&mut self, name: &'static str, diags: &mut Diags) -> Option<At<bool>> {
        let (node, path) = (self.take(name)?, self.below(name));
        let value = match node.scalar() {
            Some("true") => true,
            Some("false") => false,
            _ => {
                wrong(node, &path, "on or off", "`true` or `false`", diags);
                return None;
            }
        };
        Some(At { value, span: node.span })
    }

    /// A text that must be there.
    pub fn need(&mut self, name: &'static str, expected: &str, diags: &mut Diags) -> Option<At<String>> {
        if self.place(name).is_none() {
            self.missing(name, expected, diags);
        }
        self.text(name, expected, diags)
    }

    pub fn missing(&self, name: &str, expected: &str, diags: &mut Diags) {
        diags.error_hint("C103", self.span, format!("`{}` is missing", self.below(name)), format!("add {expected}"));
    }

    /// A word or a list of words.
    pub fn words(&mut self, name: &'static str, expected: &str, diags: &mut Diags) -> Vec<At<String>> {
        let Some(node) = self.take(name) else { return Vec::new() };
        let path = self.below(name);
        match &node.kind {
            Kind::List(items) => items.iter().filter_map(|item| word(item, &path, expected, diags)).collect(),
            _ => {
                wrong(node, &path, "a list", expected, diags);
                Vec::new()
            }
        }
    }

    /// One word, or one under each of several names of the admin's own.
    pub fn text_or_texts(
        &mut self,
        name: &'static str,
        expected: &str,
        diags: &mut Diags,
    ) -> Vec<(Option<At<String>>, At<String>)> {
        let Some(node) = self.take(name) else { return Vec::new() };
        let path = self.below(name);
        if !matches!(node.kind, Kind::Map(_)) {
            return word(node, &path, expected, diags).map(|text| (None, text)).into_iter().collect();
        }
        let Some(all) = Keys::of(node, &path, expected, diags) else { return Vec::new() };
        let pair = |(key, value): &(Node, Node), diags: &mut Diags| {
            let id = At { value: key.scalar()?.to_string(), span: key.span };
            let text = word(value, &format!("{path}.{}", shown(&id.value)), expected, diags)?;
            Some((Some(id), text))
        };
        all.pairs.iter().filter_map(|entry| pair(entry, diags)).collect()
    }

    /// A word for each of several names of the admin's own.
    pub fn pairs(&mut self, name: &'static str, expected: &str, diags: &mut Diags) -> Vec<(At<String>, At<String>)> {
        if self.place(name).is_some() && !self.is_map(name) {
            let (node, path) = (self.take(name), self.below(name));
            node.into_iter().for_each(|node| wrong(node, &path, "names with values", expected, diags));
            return Vec::new();
        }
        let texts = self.text_or_texts(name, expected, diags);
        texts.into_iter().filter_map(|(name, text)| Some((name?, text))).collect()
    }

    fn is_map(&self, name: &str) -> bool {
        let found = self.pairs.iter().find(|(key, _)| key.scalar() == Some(name));
        found.is_some_and(|(_, value)| matches!(value.kind, Kind::Map(_)))
    }

    /// The keys below a key.
    pub fn group<T: Default>(
        &mut self,
        name: &'static str,
        example: &str,
        diags: &mut Diags,
        read: impl FnOnce(&mut Keys, &mut Diags) -> T,
    ) -> T {
        let Some(node) = self.take(name) else { return T::default() };
        inside(node, &self.below(name), example, diags, read).unwrap_or_default()
    }

    /// Entries of a list, each with keys.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        example: &str,
        diags: &mut Diags,
        read: impl Fn(&mut Keys, &mut Diags) -> Option<T>,
    ) -> Vec<T> {
        let Some(node) = self.take(name) else { return Vec::new() };
        let path = self.below(name);
        let Kind::List(items) = &node.kind else {
            wrong(node, &path, "a list", example, diags);
            return Vec::new();
        };
        let path = format!("{path}[]");
        items.iter().filter_map(|item| inside(item, &path, example, diags, &read).flatten()).collect()
    }

    /// Entries under names of the admin's own, in file order.
    pub fn named<T: Default>(
        &mut self,
        name: &'static str,
        example: &str,
        diags: &mut Diags,
        read: impl Fn(&mut Keys, &mut Diags) -> T,
    ) -> Vec<(At<String>, T)> {
        let Some(node) = self.take(name) else { return Vec::new() };
        let path = self.below(name);
        let Some(all) = Keys::of(node, &path, example, diags) else { return Vec::new() };
        let mut entries: Vec<(At<String>, T)> = Vec::new();
        for (key, value) in all.pairs {
            let Some(id) = key.scalar() else { continue };
            let read = inside(value, &format!("{path}.{}", shown(id)), example, diags, &read).unwrap_or_default();
            entries.push((At { value: id.to_string(), span: key.span }, read));
        }
        entries
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self, diags: &mut Diags) {
        let place = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
        for (key, name) in self.pairs.iter().filter_map(|(key, _)| Some((key, key.scalar()?))) {
            if !self.asked.contains(&name) {
                let hint = match nearest(name, self.asked.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known here: {}", self.asked.join(", ")),
                };
                diags.error_hint("C102", key.span, format!("unknown key `{}`{place}", shown(name)), hint);
            }
        }
    }
}

fn inside<T>(
    node: &Node,
    path: &str,
    example: &str,
    diags: &mut Diags,
    read: impl FnOnce(&mut Keys, &mut Diags) -> T,
) -> Option<T> {
    let mut keys = Keys::of(node, path, example, diags)?;
    let value = read(&mut keys, diags);
    keys.finish(diags);
    Some(value)
}

fn word(node: &Node, path: &str, expected: &str, diags: &mut Diags) -> Option<At<String>> {
    match node.scalar() {
        Some(text) if !node.is_null() => Some(At { value: text.to_string(), span: node.span }),
        _ => {
            wrong(node, path, "one word or number", expected, diags);
            None
        }
    }
}

fn wrong(node: &Node, path: &str, needed: &str, expected: &str, diags: &mut Diags) {
    let found = match node.scalar() {
        Some(text) if !node.is_null() => format!("`{}`", shown(text)),
        _ => node.what().to_string(),
    };
    let message = match path {
        "" => format!("{needed} are needed here, not {found}"),
        path => format!("`{path}` is {needed}, not {found}"),
    };
    diags.error_hint("C104", node.span, message, format!("write {expected}"));
}
