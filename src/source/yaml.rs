//! YAML text to a tree of nodes with places, refusing what breaks line numbers or readers: anchors, aliases, merge keys,
//! tags, several documents, deep nesting. Scalars stay raw text, so `010` is three digits and `no` is a word.
//!
//! YAML 1.2. The slips that YAML itself accepts in silence (`#: done` is a comment) or answers in its own words
//! (`*: back`) are looked for by name first.

use super::diag::{Diags, shown};
use super::text::{File, Span};
use saphyr_parser::{Event, Parser, ScalarStyle};

/// A flow of some hundred sections is 40 KiB; what is larger is not a flow.
pub(crate) const MAX_FILE_BYTES: usize = 256 * 1024;
/// flow > sections > section > step > settings > keys needs 8.
const MAX_DEPTH: usize = 16;
const TOO_DEEP: &str = "this is nested too deep";
const TOO_DEEP_HINT: &str = "give the inner part a section of its own";

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub span: Span,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `plain` = written without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    pub fn scalar(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value of a key of this map.
    pub fn child(&self, key: &str) -> Option<&Node> {
        let Kind::Map(pairs) = &self.kind else { return None };
        pairs.iter().find(|(name, _)| name.scalar() == Some(key)).map(|(_, value)| value)
    }

    /// Nothing was written after the colon, or `null` or `~`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    pub fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a word or number",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a group of settings",
        }
    }
}

/// The file's tree, or `None` after at least one finding.
pub(crate) fn parse(file: &File, index: u16, diags: &mut Diags) -> Option<Node> {
    parse_up_to(MAX_FILE_BYTES, file, index, diags)
}

/// [`parse`] with another limit of octets.
pub(crate) fn parse_up_to(limit: usize, file: &File, index: u16, diags: &mut Diags) -> Option<Node> {
    let top = Span { file: index, start: 0, end: 0 };
    if file.text.len() > limit {
        let message = format!("this file has more than {} KiB; split it", limit / 1024);
        diags.error("E110", top, message);
        return None;
    }
    let trapped = find_traps(file, index, diags);
    let mut builder = Builder { diags, open: Vec::new(), root: None };
    let mut parser = Parser::new_from_str(&file.text);
    while let Some(next) = parser.next_event() {
        match next {
            Ok((event, span)) => {
                let start = file.byte_of_char(span.start.index());
                let end = file.byte_of_char(span.end.index()).max(start);
                builder.event(event, Span { file: index, start, end }).ok()?;
            }
            Err(error) => {
                // A trap that was named already is what the parser stumbled over; its own words would only confuse.
                let start = file.byte_of_char(error.marker().index());
                if !trapped && !find_slip(file, index, start, builder.diags) {
                    let (code, message, hint) = plain_words(error.info());
                    builder.diags.error_hint(code, Span { file: index, start, end: start }, message, hint);
                }
                return None;
            }
        }
    }
    let root = builder.root;
    if root.is_none() {
        diags.error("E114", top, "this file says nothing");
    }
    root
}

/// Where the parser stumbles over a key without its colon, the cause is on that line or one of those before it.
/// Returns whether it was found and told.
fn find_slip(file: &File, index: u16, stumbled: u32, diags: &mut Diags) -> bool {
    const LINES_BACK: usize = 3;
    let end = file.text[stumbled as usize..].find('\n').map_or(file.text.len(), |at| stumbled as usize + at);
    let mut stop = end;
    let mut lines = Vec::new();
    for line in file.text[..end].rsplit('\n') {
        let start = stop - line.len();
        if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
            lines.push((start, line));
        }
        stop = start.saturating_sub(1);
        if lines.len() == LINES_BACK {
            break;
        }
    }
    for (start, line) in lines {
        let body = line.trim_start().trim_start_matches("- ").trim_start();
        let name = &body[..body.find(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c))).unwrap_or(body.len())];
        let at = start + line.len() - body.len();
        let place =
            |from: usize, len: usize| Span { file: index, start: (at + from) as u32, end: (at + from + len) as u32 };
        let rest = body[name.len()..].trim_end();
        if name.is_empty() {
            continue;
        } else if rest.starts_with('：') {
            let message = "the full-width sign `：` means nothing here";
            diags.error_hint("E106", place(name.len(), '：'.len_utf8()), message, "write `:` and a space");
        } else if rest.trim_start().starts_with(['{', '[']) || (rest.is_empty() && !line.trim_start().starts_with("- "))
        {
            let value = if rest.is_empty() { String::new() } else { " {...}".to_string() };
            let (message, hint) =
                (format!("`{}` has no colon", shown(name)), format!("write `{}:{value}`", shown(name)));
            diags.error_hint("E100", place(0, name.len()), message, hint);
        } else {
            continue;
        }
        return true;
    }
    false
}

/// What the parser says, in words an admin can act on.
fn plain_words(info: &str) -> (&'static str, String, &'static str) {
    if info.contains("recursion") {
        return ("E110", TOO_DEEP.into(), TOO_DEEP_HINT);
    }
    let hint = if info.contains("mapping values are not allowed") || info.contains("simple key expect ':'") {
        "put a text that holds `: ` in quotes, and line this up with its neighbours"
    } else if info.contains("flow") || info.contains("','") {
        "a `{` or `[` is not closed, or a comma is missing"
    } else if info.contains("quot") {
        "a quote is not closed"
    } else {
        "look at the indent and the brackets of this line and the one above"
    };
    ("E100", format!("this is not YAML here: {}", shown(info)), hint)
}

/// Finds the slips that YAML hides or answers badly. Returns whether one that stops the parser was found.
fn find_traps(file: &File, index: u16, diags: &mut Diags) -> bool {
    let mut found = false;
    let mut offset = 0u32;
    for line in file.text.split_inclusive('\n') {
        let place = |from: usize, len: usize| Span {
            file: index,
            start: offset + from as u32,
            end: offset + (from + len) as u32,
        };
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indent].find('\t')
            && !line.trim().is_empty()
        {
            diags.error_hint("E105", place(tab, 1), "a tab in the indent", "use spaces");
            found = true;
        }
        for (at, c) in unquoted(line) {
            let rest = &line[at..];
            let after = rest[c.len_utf8()..].trim_start_matches(' ');
            let starts_word = line[..at].ends_with([' ', '{', ',', '\t']) || at == 0;
            match c {
                '*' if starts_word && after.starts_with(':') => {
                    diags.error_hint("E104", place(at, 1), "`*` means something else in YAML", "write `star`");
                    found = true;
                }
                '#' if starts_word && after.starts_with(':') => {
                    diags.error_hint("E107", place(at, 1), "from `#` on YAML reads a comment", "write `hash`");
                    found = true;
                    break;
                }
                '#' if starts_word => break,
                _ => {}
            }
        }
        offset += line.len() as u32;
    }
    found
}

/// The characters of a line that stand outside quotes.
fn unquoted(line: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote = None;
    let mut before = ' ';
    line.char_indices().filter(move |(_, c)| {
        let outside = quote.is_none();
        match quote {
            Some(open) if *c == open => quote = None,
            None if matches!(c, '"' | '\'') && matches!(before, ' ' | '{' | '[' | ',' | ':') => quote = Some(*c),
            _ => {}
        }
        before = *c;
        outside && quote.is_none()
    })
}

/// Puts the parser's events together; keeps its own stack, so that no input can exhaust the thread's.
struct Builder<'a, 'f> {
    diags: &'a mut Diags<'f>,
    open: Vec<Open>,
    root: Option<Node>,
}

struct Open {
    span: Span,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map { pairs: Vec<(Node, Node)>, key: Option<Node> },
}

/// The file is refused; a finding says why.
struct Refused;

impl Builder<'_, '_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Refused> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => {
                self.refuse("E101", span, "a second document starts here", "one file holds one document; remove `---`")
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Alias(_) => self.refuse_reuse(span),
            Event::Scalar(text, style, anchor, tag) => {
                if anchor > 0 || tag.is_some() {
                    return self.refuse_reuse(span);
                }
                let plain = style == ScalarStyle::Plain;
                if plain && &*text == "<<" {
                    return self.refuse_reuse(span);
                }
                self.add(Node { span, kind: Kind::Scalar { text: text.into_owned(), plain } });
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => self.start(span, anchor > 0 || tag.is_some(), Items::List(Vec::new())),
            Event::MappingStart(anchor, tag) => {
                let items = Items::Map { pairs: Vec::new(), key: None };
                self.start(span, anchor > 0 || tag.is_some(), items)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { span: start, items }) = self.open.pop() {
                    let kind = match items {
                        Items::List(list) => Kind::List(list),
                        Items::Map { pairs, .. } => Kind::Map(pairs),
                    };
                    self.add(Node { span: Span { end: span.end.max(start.end), ..start }, kind });
                }
                Ok(())
            }
        }
    }

    fn start(&mut self, span: Span, reuse: bool, items: Items) -> Result<(), Refused> {
        if reuse {
            return self.refuse_reuse(span);
        }
        if self.open.len() >= MAX_DEPTH {
            return self.refuse("E110", span, TOO_DEEP, TOO_DEEP_HINT);
        }
        self.open.push(Open { span, items });
        Ok(())
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(list)) => list.push(node),
            Some(Items::Map { pairs, key }) => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => *key = Some(node),
            },
        }
    }

    fn refuse_reuse(&mut self, span: Span) -> Result<(), Refused> {
        let message = "YAML anchors, aliases, merge keys and tags are not taken here";
        self.refuse("E109", span, message, "write it out, or, in a flow, put what is shared in a section or subflow")
    }

    fn refuse(&mut self, code: &'static str, span: Span, message: &str, hint: &str) -> Result<(), Refused> {
        self.diags.error_hint(code, span, message, hint);
        Err(Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::{Files, Sources};
    use super::*;

    fn findings(text: &str) -> Vec<(&'static str, u32, u32)> {
        let files = Files::new(&Sources { files: vec![("f.flow.yaml".into(), text.into())] });
        let mut diags = Diags::new(&files);
        let root = parse(&files.0[0], 0, &mut diags);
        let found: Vec<_> = diags.into_sorted().into_iter().map(|d| (d.code, d.line, d.column)).collect();
        assert!(root.is_some() || !found.is_empty(), "refused without a word");
        found
    }

    #[test]
    fn each_yaml_trap_is_answered_by_its_name_and_place() {
        assert_eq!(findings("keys: {1: a, *: back}"), [("E104", 1, 14)]);
        assert_eq!(findings("keys:\n  *: back\n"), [("E104", 2, 3)]);
        assert_eq!(findings("keys:\n  1: a\n  #: done\n"), [("E107", 3, 3)]);
        assert_eq!(findings("keys: {1: a, #: done}"), [("E107", 1, 14)]);
        assert_eq!(findings("a:\n\tb: 1\n"), [("E105", 2, 1)]);
        assert_eq!(findings("a: &x 1\n"), [("E109", 1, 4)]);
        assert_eq!(findings("a: {<<: b}\n"), [("E109", 1, 5)]);
        assert_eq!(findings("a: !!str 1\n"), [("E109", 1, 4)]);
        assert_eq!(findings("a: 1\n---\nb: 2\n"), [("E101", 2, 1)]);
        assert_eq!(findings("zh: press: one\n")[0].0, "E100");
        assert_eq!(findings(""), [("E114", 1, 1)]);
    }

    #[test]
    fn comments_and_texts_may_hold_what_keys_may_not() {
        let text = "a: \"press *: or #: now\"  # *: and #: in a comment\nb: 'x #: y'\nc: a#:b\n";
        assert_eq!(findings(text), []);
    }

    #[test]
    fn an_editor_that_writes_a_byte_order_mark_and_crlf_does_no_harm() {
        assert_eq!(findings("\u{feff}a: 1\r\nb: {c: d}\r\n"), []);
    }

    #[test]
    fn nesting_without_end_is_refused_and_not_followed() {
        assert_eq!(findings(&"[".repeat(100_000))[0].0, "E110");
        assert_eq!(findings(&format!("{}a", "- ".repeat(100_000)))[0].0, "E110");
    }

    #[test]
    fn a_scalar_stays_as_it_was_written() {
        let files = Files::new(&Sources { files: vec![("f".into(), "a: 010\nb: no\nc: '~'\nd: ~\n".into())] });
        let mut diags = Diags::new(&files);
        let Some(Node { kind: Kind::Map(pairs), .. }) = parse(&files.0[0], 0, &mut diags) else { panic!("a map") };
        let texts: Vec<_> = pairs.iter().map(|(_, v)| (v.scalar().unwrap_or("-"), v.is_null())).collect();
        assert_eq!(texts, [("010", false), ("no", false), ("~", false), ("~", true)]);
        assert_eq!(files.slice(pairs[0].1.span), "010");
    }
}
