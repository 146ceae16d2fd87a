//! Texts that admins write, and places in them. No file is opened here: whoever calls hands the texts over.

use std::fmt;

/// All YAML files of `ivr-flows/` and `prompts/`: path as the admin knows it, and text.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub files: Vec<(String, String)>,
}

/// A place: bytes `start..end` of the file's text (a leading byte-order mark not counted).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    pub file: u16,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// The part of this place from byte `from` to byte `to`, counted from its start.
    pub(crate) fn part(self, from: usize, to: usize) -> Span {
        let at = |offset: usize| self.start.saturating_add(offset as u32).min(self.end);
        Span { file: self.file, start: at(from), end: at(to) }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}..{}", self.file, self.start, self.end)
    }
}

/// A name and where it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Name {
    pub text: String,
    pub span: Span,
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// One file with an index of its lines.
pub(crate) struct File {
    pub path: String,
    pub text: String,
    line_starts: Vec<u32>,
    /// Byte offset of each character; empty when the text is ASCII and the two are the same.
    char_offsets: Vec<u32>,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let line_starts =
            std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i as u32 + 1));
        let char_offsets =
            if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(i, _)| i as u32).collect() };
        Self { path: path.to_string(), text: text.to_string(), line_starts: line_starts.collect(), char_offsets }
    }

    /// Byte offset of the `index`-th character.
    pub fn byte_of_char(&self, index: usize) -> u32 {
        let end = self.text.len() as u32;
        if self.char_offsets.is_empty() {
            return (index as u32).min(end);
        }
        self.char_offsets.get(index).copied().unwrap_or(end)
    }

    /// Line and column, both from 1, columns in characters.
    pub fn line_column(&self, byte: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= byte).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0) as usize;
        let end = (byte as usize).min(self.text.len());
        let column = self.text.get(start..end).map_or(0, |before| before.chars().count());
        (line as u32, column as u32 + 1)
    }

    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }
}

/// The text of a file, or where it stops being UTF-8, as line and column.
pub(crate) fn decode(octets: Vec<u8>) -> Result<String, (u32, u32)> {
    String::from_utf8(octets).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|octet| **octet == b'\n').count();
        let start = good.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        let column = 1 + String::from_utf8_lossy(&good[start..]).chars().count();
        (line as u32, column as u32)
    })
}

/// All files of one load, in the order given.
pub(crate) struct Files(pub Vec<File>);

impl Files {
    pub fn new(sources: &Sources) -> Self {
        Self(sources.files.iter().map(|(path, text)| File::new(path, text)).collect())
    }

    pub fn place(&self, span: Span) -> (String, u32, u32) {
        match self.0.get(span.file as usize) {
            Some(file) => {
                let (line, column) = file.line_column(span.start);
                (file.path.clone(), line, column)
            }
            None => (String::new(), 1, 1),
        }
    }

    /// The line that a place begins in; `None` for one that is too long to be shown.
    pub fn line(&self, span: Span) -> Option<&str> {
        const LONGEST: usize = 1_000;
        let file = self.0.get(span.file as usize)?;
        let (line, _) = file.line_column(span.start);
        let start = *file.line_starts.get(line as usize - 1)? as usize;
        file.text.get(start..)?.lines().next().filter(|line| line.len() <= LONGEST)
    }

    pub fn slice(&self, span: Span) -> &str {
        self.0.get(span.file as usize).map_or("", |file| file.slice(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_a_byte_order_mark_shifts_nothing() {
        let file = File::new("f", "\u{feff}电力: x\r\nb: 二");
        assert_eq!(file.line_column(0), (1, 1));
        assert_eq!(file.line_column(file.byte_of_char(4)), (1, 5));
        let byte = file.text.find('二').unwrap_or(0) as u32;
        assert_eq!(file.line_column(byte), (2, 4));
        assert_eq!(file.line_column(9999), (2, 5));
    }
}
