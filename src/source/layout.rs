//! A YAML file of an admin's laid out anew: one indent, one space, long braces opened, nothing added, moved or lost. The
//! order, the words as they were written and every comment stay; what is laid out once stays as it is.

use super::diag::{Diagnostic, Diags};
use super::text::{Files, Sources};
use super::yaml::{self, Kind, Node};
use std::collections::BTreeMap;

/// Columns of a line; a braced group that goes beyond is opened, one setting a line.
const WIDTH: usize = 120;
const INDENT: usize = 2;
/// How a comment begins that was written by [`layout`] and not by a person.
pub(crate) const NOTE: &str = "# » ";

/// Comments to write at the end of the line on which an item begins, by the byte at which it begins in the file.
pub(crate) type Notes = BTreeMap<u32, String>;

/// The text of a file laid out anew, or why it is left alone. `notes` are made of the file's tree.
pub(crate) fn laid_out(
    path: &str,
    text: &str,
    notes: &dyn Fn(&Node) -> Option<Notes>,
) -> Result<String, Vec<Diagnostic>> {
    let (before, root) = read(path, text)?;
    let notes = notes(&root);
    let comments = |text: &str, root: &Node| -> Vec<String> {
        let texts = self::comments(text, root).into_iter().map(|comment| comment.text.to_string());
        texts.filter(|text| notes.is_none() || !text.starts_with(NOTE)).collect()
    };
    let kept = comments(&before, &root);
    // What is written is read again: a file is changed in its looks or not at all.
    let after = layout(&before, &root, notes.as_ref());
    let same = after.filter(|after| {
        read(path, after).is_ok_and(|(text, again)| same(&root, &again) && comments(&text, &again) == kept)
    });
    same.ok_or_else(|| {
        let message = "this file cannot be laid out without changing what it says; it is left as it is";
        vec![Diagnostic::of_file("E115", path.into(), message.into(), None)]
    })
}

fn read(path: &str, text: &str) -> Result<(String, Node), Vec<Diagnostic>> {
    let files = Files::new(&Sources { files: vec![(path.into(), text.into())] });
    let mut diags = Diags::new(&files);
    let root = files.0.first().and_then(|file| yaml::parse(file, 0, &mut diags));
    let text = files.0.first().map(|file| file.text.clone()).unwrap_or_default();
    match root {
        Some(root) if !diags.has_errors() => Ok((text, root)),
        _ => Err(diags.into_sorted()),
    }
}

fn same(a: &Node, b: &Node) -> bool {
    match (&a.kind, &b.kind) {
        // Over several lines a plain text may have to be quoted on one.
        (Kind::Scalar { text: a, plain: plain_a }, Kind::Scalar { text: b, plain: plain_b }) => {
            a == b && (plain_a == plain_b || a.contains('\n'))
        }
        (Kind::List(a), Kind::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Kind::Map(a), Kind::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(&a.0, &b.0) && same(&a.1, &b.1))
        }
        _ => false,
    }
}

/// The text of `root`, which was read from `text`. With notes, those of an earlier time are left out. `None` where
/// something stands in the file that has no layout of ours, such as a list for a key.
fn layout(text: &str, root: &Node, notes: Option<&Notes>) -> Option<String> {
    let mut comments = comments(text, root);
    if notes.is_some() {
        comments.retain(|comment| !comment.text.starts_with(NOTE));
    }
    let mut writer = Writer { text, comments, next: 0, out: String::new(), notes, note: None };
    let end = text.len();
    match inline(root, text, false) {
        Some(line) if matches!(root.kind, Kind::Scalar { .. }) => {
            writer.comments_before(start(root), 0);
            writer.out.push_str(&line);
            writer.end_line(self::end(root, text));
        }
        _ => writer.block(root, 0, false, end)?,
    }
    writer.comments_before(end, 0);
    Some(writer.out)
}

struct Comment<'t> {
    start: usize,
    text: &'t str,
    column: usize,
    alone: bool,
}

fn comments<'t>(text: &'t str, root: &Node) -> Vec<Comment<'t>> {
    let mut words = Vec::new();
    scalars(root, text, &mut words);
    let mut words = words.into_iter().peekable();
    let mut found = Vec::new();
    let mut line = 0;
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        while words.next_if(|(_, end)| *end <= at).is_some() {}
        if let Some((_, end)) = words.next_if(|(start, end)| (*start..*end).contains(&at)) {
            line = text[..end].rfind('\n').map_or(0, |n| n + 1).max(line);
            at = end;
            continue;
        }
        let before = &text[line..at];
        if c == '#' && (before.is_empty() || before.ends_with([' ', '\t'])) {
            let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
            let alone = before.trim().is_empty();
            found.push(Comment { start: at, text: text[at..end].trim_end(), column: before.chars().count(), alone });
            at = end;
            continue;
        }
        at += c.len_utf8();
        if c == '\n' {
            line = at;
        }
    }
    found
}

fn scalars(node: &Node, text: &str, found: &mut Vec<(usize, usize)>) {
    match &node.kind {
        Kind::Scalar { .. } => found.push(written_at(node, text)),
        Kind::List(items) => items.iter().for_each(|item| scalars(item, text, found)),
        Kind::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            scalars(key, text, found);
            scalars(value, text, found);
        }),
    }
}

/// Where a node's first sign stands.
fn start(node: &Node) -> usize {
    let first = match &node.kind {
        Kind::Scalar { .. } => None,
        Kind::List(items) => items.first(),
        Kind::Map(pairs) => pairs.first().map(|(key, _)| key),
    };
    // The parser's own place of an indented group may be that of the line; of a braced one it is the brace.
    first.map_or(node.span.start as usize, start).min(node.span.start as usize)
}

/// Where its last sign ends; the parser's end of a group is where the next thing begins.
fn end(node: &Node, text: &str) -> usize {
    let last = match &node.kind {
        Kind::Scalar { .. } => return written_at(node, text).1,
        Kind::List(items) => items.last().map(|item| end(item, text)),
        Kind::Map(pairs) => pairs.last().map(|(key, value)| end_of_pair(key, value, text)),
    };
    let last = last.unwrap_or(node.span.start as usize + 1);
    if is_braced(node, text) { closing(last, text) } else { last }
}

/// Where a word stands, from and to; the parser's end of a quoted one may be beyond the comment that follows it.
fn written_at(node: &Node, text: &str) -> (usize, usize) {
    let (start, end) = (node.span.start as usize, node.span.end as usize);
    let Some(quote) = text.get(start..).and_then(|rest| rest.chars().next()).filter(|c| matches!(c, '"' | '\'')) else {
        return (start, end);
    };
    let mut escaped = false;
    for (at, c) in text[start + 1..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            // Two of them are one within a text in single quotes.
            c if c == quote && quote == '\'' && text[start + 1 + at + 1..].starts_with(quote) => escaped = true,
            c if c == quote => return (start, start + 1 + at + 1),
            _ => {}
        }
    }
    (start, end)
}

/// Behind the brace that closes a group whose last item ends at `at`.
fn closing(mut at: usize, text: &str) -> usize {
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        match c {
            '#' => at += text[at..].find('\n').unwrap_or(text.len() - at),
            '}' | ']' => return at + 1,
            _ => at += c.len_utf8(),
        }
    }
    at
}

/// What is not there has a place anywhere.
fn end_of_pair(key: &Node, value: &Node, text: &str) -> usize {
    if value.span.start == value.span.end { end(key, text) } else { end(value, text) }
}

fn is_braced(node: &Node, text: &str) -> bool {
    text.get(node.span.start as usize..).is_some_and(|rest| match node.kind {
        Kind::Map(_) => rest.starts_with('{'),
        Kind::List(_) => rest.starts_with('['),
        Kind::Scalar { .. } => false,
    })
}

/// The node on one line, if it may stand on one; an indented group may not.
fn inline(node: &Node, text: &str, within_braces: bool) -> Option<String> {
    match &node.kind {
        Kind::Scalar { text: words, plain } => Some(scalar(node, words, *plain, text)),
        Kind::List(items) if is_braced(node, text) => {
            let items: Option<Vec<String>> = items.iter().map(|item| inline(item, text, true)).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        Kind::Map(pairs) if is_braced(node, text) => {
            let pairs: Option<Vec<String>> = pairs.iter().map(|(key, value)| pair(key, value, text)).collect();
            Some(format!("{{{}}}", pairs?.join(", ")))
        }
        // `[queue: {...}]`: a group of one within brackets needs no braces.
        Kind::Map(pairs) if within_braces => match &pairs[..] {
            [(key, value)] => pair(key, value, text),
            _ => None,
        },
        Kind::List(_) | Kind::Map(_) => None,
    }
}

fn pair(key: &Node, value: &Node, text: &str) -> Option<String> {
    let (key, value) = (inline(key, text, true)?, inline(value, text, true)?);
    Some(if value.is_empty() { key } else { format!("{key}: {value}") })
}

/// A word or text as it was written, or, over several lines, in quotes on one.
fn scalar(node: &Node, words: &str, plain: bool, text: &str) -> String {
    let (start, end) = written_at(node, text);
    let written = text.get(start..end).unwrap_or("");
    let quoted = written.len() > 1 && written.starts_with(['"', '\'']) && written.ends_with(['"', '\'']);
    match plain {
        true if !words.contains('\n') => words.to_string(),
        false if quoted && !written.contains('\n') => written.to_string(),
        _ => serde_json::Value::from(words).to_string(),
    }
}

/// A Chinese character is two columns wide.
fn columns(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{1100}' { 2 } else { 1 }).sum()
}

struct Writer<'t> {
    text: &'t str,
    comments: Vec<Comment<'t>>,
    next: usize,
    out: String,
    notes: Option<&'t Notes>,
    /// For the end of the line that is being written.
    note: Option<&'t str>,
}

impl Writer<'_> {
    /// The items of a group, each on lines of its own; the first goes on the line begun when `on_line`. Comments before
    /// `limit` that stand as deep as the items belong to them.
    fn block(&mut self, node: &Node, indent: usize, on_line: bool, limit: usize) -> Option<()> {
        let first = start(node);
        match &node.kind {
            Kind::Scalar { .. } => return None,
            Kind::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    let limit = items.get(i + 1).map_or(limit, start);
                    self.begin_item(start(item), indent, on_line && i == 0);
                    self.out.push('-');
                    self.note = self.notes.and_then(|notes| notes.get(&(start(item) as u32))).map(String::as_str);
                    match self.fitting(item) {
                        Some(text) => self.end_with(&text, end(item, self.text)),
                        None if matches!(item.kind, Kind::Map(_)) => {
                            self.out.push(' ');
                            self.block(item, indent + INDENT, true, limit)?;
                        }
                        None => self.below(start(item), item, indent, limit)?,
                    }
                }
            }
            Kind::Map(pairs) => {
                for (i, (key, value)) in pairs.iter().enumerate() {
                    let limit = pairs.get(i + 1).map_or(limit, |(key, _)| start(key));
                    self.begin_item(start(key), indent, on_line && i == 0);
                    let name = inline(key, self.text, false).filter(|_| !is_braced(key, self.text))?;
                    self.out.push_str(&name);
                    self.out.push(':');
                    match self.fitting(value) {
                        Some(text) => self.end_with(&text, end_of_pair(key, value, self.text)),
                        None => self.below(end(key, self.text), value, indent, limit)?,
                    }
                }
            }
        }
        let braced = is_braced(node, self.text);
        let line = self.text[..first].rfind('\n').map_or(0, |line| line + 1);
        let dash = self.text[line..first].rfind('-').filter(|_| matches!(node.kind, Kind::List(_)));
        let column = dash.unwrap_or(first - line);
        while let Some(comment) = self.comments.get(self.next) {
            let inside = match braced {
                true => comment.start < end(node, self.text),
                false => comment.alone && comment.column >= column,
            };
            if comment.start >= limit || !inside {
                break;
            }
            self.comment(indent);
        }
        if braced {
            self.after_brace(end(node, self.text));
        }
        Some(())
    }

    /// A group under the line that names it.
    fn below(&mut self, named_at: usize, node: &Node, indent: usize, limit: usize) -> Option<()> {
        self.end_line(named_at);
        self.block(node, indent + INDENT, false, limit)
    }

    fn begin_item(&mut self, at: usize, indent: usize, on_line: bool) {
        if on_line {
            return;
        }
        self.comments_before(at, indent);
        self.blank_line_as_before(at);
        self.indent(indent);
    }

    /// The node on one line, if it fits on this one.
    fn fitting(&self, node: &Node) -> Option<String> {
        let text = inline(node, self.text, false)?;
        let inside = start(node)..end(node, self.text);
        let commented = self.comments.iter().skip(self.next).any(|comment| inside.contains(&comment.start));
        let line = self.out.rfind('\n').map_or(0, |at| at + 1);
        let fits = columns(&self.out[line..]) + 1 + columns(&text) <= WIDTH;
        let simple = match &node.kind {
            Kind::Scalar { .. } => true,
            Kind::List(items) => items.is_empty(),
            Kind::Map(pairs) => pairs.is_empty(),
        };
        (simple || fits && !commented).then_some(text)
    }

    fn end_with(&mut self, text: &str, at: usize) {
        if !text.is_empty() {
            self.out.push(' ');
            self.out.push_str(text);
        }
        self.end_line(at);
    }

    /// Ends a line, with the comment that follows the byte `at` on its line in the file.
    fn end_line(&mut self, at: usize) {
        let here = self
            .comments
            .get(self.next)
            .filter(|comment| comment.start >= at && !comment.alone && !self.text[at..comment.start].contains('\n'));
        if let Some(comment) = here {
            self.out.push_str("  ");
            self.out.push_str(comment.text);
            self.next += 1;
            self.note = None;
        } else if let Some(note) = self.note.take() {
            self.out.push_str("  ");
            self.out.push_str(NOTE);
            self.out.push_str(note);
        }
        self.out.push('\n');
    }

    /// A comment behind a closing brace goes to the end of the last line of what the braces held.
    fn after_brace(&mut self, at: usize) {
        let Some(written) = self.out.strip_suffix('\n') else { return };
        let last = written.rfind('\n').map_or(0, |n| n + 1);
        if !written[last..].contains(" #") {
            self.out.pop();
            self.end_line(at);
        }
    }

    fn comments_before(&mut self, at: usize, indent: usize) {
        while self.comments.get(self.next).is_some_and(|comment| comment.start < at) {
            self.comment(indent);
        }
    }

    fn comment(&mut self, indent: usize) {
        let Some(comment) = self.comments.get(self.next) else { return };
        let (at, text) = (comment.start, comment.text);
        if comment.alone {
            self.blank_line_as_before(at);
        }
        self.indent(indent);
        self.out.push_str(text);
        self.out.push('\n');
        self.next += 1;
    }

    /// One blank line where the file has one or more before the line of byte `at`.
    fn blank_line_as_before(&mut self, at: usize) {
        let before = &self.text[..at];
        let line = before.rfind('\n').map_or(0, |n| n + 1);
        let blank = line > 0 && before[line..].trim_start_matches(['-', ' ']).is_empty() && {
            let above = &before[..line - 1];
            above[above.rfind('\n').map_or(0, |n| n + 1)..].trim().is_empty()
        };
        if blank && !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn indent(&mut self, columns: usize) {
        self.out.extend(std::iter::repeat_n(' ', columns));
    }
}
