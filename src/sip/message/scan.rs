//! The scanner: finds the start line, the header fields and the end of the head in a run of bytes (RFC 3261 section 7).
//!
//! It copies nothing and, with a table that has been used before, allocates nothing. It reads what RFC 4475 says must be
//! read (compact names, folds, blanks before the colon, lone LF as line end, any bytes in values) and notes what
//! [`super::validate`] has to refuse in [`Defects`] instead of failing, so that a refusal can be sent. It fails only on
//! what is not SIP. The stream framer uses the same functions, so that a message ends in one place for all.

use super::HeaderName;
use super::text::{self, NotANumber};

/// What a head may hold. A message beyond is refused (datagram) or its connection closed (stream).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of start line and header fields together. A UDP datagram cannot hold more than this either.
    pub head: usize,
    /// Header fields. Real ones have 10 to 40; a table of 256 is 5 KiB.
    pub headers: usize,
    /// Continued lines. Real messages have none.
    pub folds: usize,
    /// Octets of body, for streams: as many as a datagram could bring.
    pub body: usize,
}

impl Limits {
    pub const DEFAULT: Limits = Limits { head: 64 * 1024, headers: 256, folds: 256, body: 64 * 1024 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A range of the scanned bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn new(start: usize, end: usize) -> Span {
        // The head limit is far below u32::MAX; scan() refuses longer input.
        Span { start: start as u32, end: end as u32 }
    }

    #[inline]
    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) id: HeaderName,
    /// The value holds line ends, or a CR that some readers would take for one.
    pub(super) folded: bool,
    pub(super) name: Span,
    pub(super) value: Span,
}

impl Entry {
    /// From the first octet of the name to the last of the value.
    #[inline]
    pub(super) fn line<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        Span { start: self.name.start, end: self.value.end }.of(bytes)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum StartLine {
    /// Nothing has been scanned into this table.
    #[default]
    Empty,
    Request {
        method: Span,
        uri: Span,
        version: Span,
    },
    Response {
        version: Span,
        /// 100 to 699; anything else is noted as a defect and stands here as 0.
        status: u16,
        reason: Span,
    },
}

/// Where everything of one message lies. Reuse it: a second scan needs no memory.
#[derive(Clone, Debug, Default)]
pub struct HeaderTable {
    pub(super) start: StartLine,
    pub(super) entries: Vec<Entry>,
    pub(super) head: usize,
    pub(super) content_length: ContentLength,
    pub(super) defects: Defects,
}

impl HeaderTable {
    pub fn new() -> Self {
        // Room for a usual message, so that a fresh table grows once at most.
        Self { entries: Vec::with_capacity(24), ..Self::default() }
    }

    pub fn headers(&self) -> usize {
        self.entries.len()
    }
}

/// What the Content-Length headers say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentLength {
    #[default]
    Absent,
    Octets(u32),
    /// Negative, not a number, or beyond 32 bits.
    Malformed,
    /// More than one header. Even equal ones: two readers may disagree on which counts (RFC 4475 section 3.3.9).
    Repeated,
}

/// What was wrong with a head that could be read all the same. Each is owed a 400 or 513 by [`super::validate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defects(u16);

impl Defects {
    /// Blanks in the start line other than the two single spaces (RFC 4475: lwsstart, lwsruri, trws).
    pub const START_LINE_BLANKS: Defects = Defects(1);
    /// A status that is not three digits from 100 to 699 (bigcode).
    pub const STATUS: Defects = Defects(2);
    /// A line that is neither `token:` nor a continuation.
    pub const HEADER_LINE: Defects = Defects(4);
    /// CR without LF inside a line: some readers end the line there.
    pub const BARE_CR: Defects = Defects(8);
    pub const TOO_MANY_HEADERS: Defects = Defects(16);
    pub const TOO_MANY_FOLDS: Defects = Defects(32);
    /// The datagram ended before the empty line.
    pub const NO_EMPTY_LINE: Defects = Defects(64);

    pub fn has(self, defect: Defects) -> bool {
        self.0 & defect.0 != 0
    }

    pub fn none(self) -> bool {
        self.0 == 0
    }

    fn add(&mut self, defect: Defects) {
        self.0 |= defect.0;
    }
}

/// What a scan found, beside the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Octets of the head, the empty line included. The body begins here.
    pub head: usize,
    pub content_length: ContentLength,
    pub defects: Defects,
}

/// Why bytes are not a SIP message at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanError {
    /// No bytes, or line ends only: a keep-alive.
    Empty,
    /// The first line is neither a request line nor a status line.
    NotSip,
    /// The head is longer than [`Limits::head`].
    HeadTooLong,
}

impl ScanError {
    /// What the sender is owed, if it can be made out who that is.
    pub fn status(self) -> u16 {
        match self {
            ScanError::Empty | ScanError::NotSip => 400,
            ScanError::HeadTooLong => 513,
        }
    }
}

impl std::fmt::Display for ScanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ScanError::Empty => "no message, only line ends",
            ScanError::NotSip => "the first line is neither a SIP request line nor a SIP status line",
            ScanError::HeadTooLong => "the start line and headers are longer than the limit",
        })
    }
}

impl std::error::Error for ScanError {}

/// Scans the head of the message at the start of `bytes` into `table`. Line ends before the start line are skipped
/// (RFC 3261 section 7.5). Bytes after the head are not looked at.
pub fn scan(bytes: &[u8], table: &mut HeaderTable, limits: Limits) -> Result<Scanned, ScanError> {
    table.entries.clear();
    table.start = StartLine::Empty;
    table.head = 0;
    table.content_length = ContentLength::Absent;
    let mut defects = Defects::default();

    let begin = leading_line_ends(bytes);
    // A head that does not end within the limit is refused below, so the scan never runs past it.
    let limit = limits.head.min(u32::MAX as usize / 2);
    let within = bytes.len().min(begin.saturating_add(limit));
    let scanned = &bytes[..within];
    if begin == scanned.len() {
        return Err(ScanError::Empty);
    }

    let (line, mut at) = next_line(scanned, begin, &mut defects);
    table.start = start_line(scanned, begin, line, &mut defects).ok_or(ScanError::NotSip)?;

    let mut folds = 0;
    let mut ended = false;
    while at < scanned.len() {
        let line_start = at;
        let mut broken = Defects::default();
        let (mut line_end, next) = next_line(scanned, at, &mut broken);
        at = next;
        if line_end == line_start {
            ended = true;
            break;
        }
        let folds_before = folds;
        while at < scanned.len() && matches!(scanned[at], b' ' | b'\t') {
            folds += 1;
            (line_end, at) = next_line(scanned, at, &mut broken);
        }
        defects.add(broken);
        let Some((name, value)) = header_line(scanned, line_start, line_end) else {
            defects.add(Defects::HEADER_LINE);
            continue;
        };
        if table.entries.len() == limits.headers {
            defects.add(Defects::TOO_MANY_HEADERS);
            continue;
        }
        let id = HeaderName::from_bytes(name.of(scanned));
        if id == HeaderName::ContentLength {
            table.content_length = match (table.content_length, text::decimal(value.of(scanned))) {
                (ContentLength::Absent, Ok(octets)) => ContentLength::Octets(octets),
                (ContentLength::Absent, Err(NotANumber::Malformed | NotANumber::TooLarge)) => ContentLength::Malformed,
                _ => ContentLength::Repeated,
            };
        }
        table.entries.push(Entry { id, folded: folds > folds_before || !broken.none(), name, value });
    }
    if !ended {
        if within < bytes.len() {
            return Err(ScanError::HeadTooLong);
        }
        defects.add(Defects::NO_EMPTY_LINE);
    }
    if folds > limits.folds {
        defects.add(Defects::TOO_MANY_FOLDS);
    }
    table.head = at;
    table.defects = defects;
    Ok(Scanned { head: at, content_length: table.content_length, defects })
}

/// How many octets of line ends stand before the start line.
pub(super) fn leading_line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count()
}

/// The end of the content of the line at `start`, and the start of the next line. The line end is LF or CRLF; at the
/// end of the bytes it may be missing.
#[inline]
pub(super) fn next_line(bytes: &[u8], start: usize, defects: &mut Defects) -> (usize, usize) {
    let mut from = start;
    loop {
        match text::find_line_break(bytes, from) {
            None => return (bytes.len(), bytes.len()),
            Some(at) if bytes[at] == b'\n' => return (at, at + 1),
            Some(at) if bytes.get(at + 1) == Some(&b'\n') => return (at, at + 2),
            Some(at) => {
                defects.add(Defects::BARE_CR);
                from = at + 1;
            }
        }
    }
}

/// Name and value of the field in `bytes[start..end]`, folds included, each without blanks around it.
#[inline]
pub(super) fn header_line(bytes: &[u8], start: usize, end: usize) -> Option<(Span, Span)> {
    let line = &bytes[start..end];
    let (name, rest) = text::split_token(line);
    let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    if name.is_empty() || rest.get(blanks) != Some(&b':') {
        return None;
    }
    let value = text::trim_start(&rest[blanks + 1..]);
    let value_start = end - value.len();
    let value_end = value_start + text::trim_end(value).len();
    Some((Span::new(start, start + name.len()), Span::new(value_start, value_end)))
}

fn start_line(bytes: &[u8], start: usize, end: usize, defects: &mut Defects) -> Option<StartLine> {
    let line = &bytes[start..end];
    let is_version = |word: &[u8]| word.get(..4).is_some_and(|sip| sip.eq_ignore_ascii_case(b"SIP/"));
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let first = line.iter().position(blank)?;
    if is_version(line) {
        let version = Span::new(start, start + first);
        let rest = &line[first + 1..];
        let (code, reason) = rest.split_at(rest.iter().position(blank).unwrap_or(rest.len()));
        let status = match (code.len(), text::decimal(code)) {
            (3, Ok(status @ 100..=699)) => status as u16,
            _ => {
                defects.add(Defects::STATUS);
                0
            }
        };
        let reason_start = end - reason.get(1..).unwrap_or_default().len();
        return Some(StartLine::Response { version, status, reason: Span::new(reason_start, end) });
    }

    if !text::is_token(&line[..first]) {
        return None;
    }
    let trimmed = text::trim_end(line);
    let last = trimmed.iter().rposition(blank)?;
    let version = &trimmed[last + 1..];
    if !is_version(version) || last <= first {
        return None;
    }
    let uri = text::trim(&line[first..last]);
    if uri.is_empty() {
        return None;
    }
    if uri.len() != last - first - 1 || trimmed.len() != line.len() || uri.iter().any(|b| text::is_blank(*b)) {
        defects.add(Defects::START_LINE_BLANKS);
    }
    let uri_start = start + first + line[first..].iter().take_while(|b| text::is_blank(**b)).count();
    Some(StartLine::Request {
        method: Span::new(start, start + first),
        uri: Span::new(uri_start, uri_start + uri.len()),
        version: Span::new(start + last + 1, start + trimmed.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(text: &str) -> (Scanned, Vec<(HeaderName, String, String)>) {
        let mut table = HeaderTable::new();
        let found = scan(text.as_bytes(), &mut table, Limits::DEFAULT).unwrap();
        let text_of = |span: &Span| String::from_utf8_lossy(span.of(text.as_bytes())).into_owned();
        (found, table.entries.iter().map(|e| (e.id, text_of(&e.name), text_of(&e.value))).collect())
    }

    #[test]
    fn folds_compact_names_blanks_before_the_colon_and_lone_line_feeds_are_read() {
        let (found, headers) =
            scanned("\r\n\nOPTIONS sip:a@b SIP/2.0\nv :  x\r\nSubject:\r\n  one\r\n\ttwo \r\nEmpty:\n\nbody");
        assert!(found.defects.none());
        assert_eq!(headers[0], (HeaderName::Via, "v".into(), "x".into()));
        assert_eq!(headers[1], (HeaderName::Subject, "Subject".into(), "one\r\n\ttwo".into()));
        assert_eq!(headers[2], (HeaderName::Other, "Empty".into(), "".into()));
    }

    #[test]
    fn a_line_of_blanks_continues_a_header_and_does_not_end_the_head() {
        let (found, headers) = scanned("OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n \r\nTo: y\r\n\r\n");
        assert!(found.defects.none());
        assert_eq!(headers.len(), 2);
        assert_eq!(headers[0].2, "x");
    }

    #[test]
    fn odd_lines_are_noted_and_the_rest_is_read() {
        let (found, headers) = scanned("OPTIONS sip:a@b SIP/2.0\r\nno colon here\r\nTo: y\r\nX: a\rb\r\n\r\n");
        assert!(found.defects.has(Defects::HEADER_LINE) && found.defects.has(Defects::BARE_CR));
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn a_head_cut_short_is_noted() {
        for text in [
            "OPTIONS sip:a@b SIP/2.0",
            "OPTIONS sip:a@b SIP/2.0\r\n",
            "OPTIONS sip:a@b SIP/2.0\r\nTo: y",
            "OPTIONS sip:a@b SIP/2.0\r\nTo: y\r\n",
        ] {
            assert!(scanned(text).0.defects.has(Defects::NO_EMPTY_LINE), "{text:?}");
        }
    }

    #[test]
    fn content_length_counts_once_or_not_at_all() {
        let with = |lines: &str| scanned(&format!("BYE sip:a@b SIP/2.0\r\n{lines}\r\n")).0.content_length;
        assert_eq!(with(""), ContentLength::Absent);
        assert_eq!(with("Content-Length : 7\r\n"), ContentLength::Octets(7));
        assert_eq!(with("l: 7\r\n"), ContentLength::Octets(7));
        assert_eq!(with("l: 7\r\nContent-Length: 7\r\n"), ContentLength::Repeated);
        for bad in ["-1", "+1", "", "x", "1 2", "0x10", "99999999999999999999"] {
            assert_eq!(with(&format!("Content-Length: {bad}\r\n")), ContentLength::Malformed, "{bad}");
        }
    }

    #[test]
    fn what_is_not_sip_is_said_to_be_so() {
        let mut table = HeaderTable::new();
        let mut scan = |text: &str| scan(text.as_bytes(), &mut table, Limits::DEFAULT).map(|_| ());
        assert_eq!(scan(""), Err(ScanError::Empty));
        assert_eq!(scan("\r\n\r\n"), Err(ScanError::Empty));
        for text in [
            "x",
            "GET / HTTP/1.1\r\n\r\n",
            "INVITE sip:a@b\r\n\r\n",
            "INVITE  SIP/2.0\r\n\r\n",
            " INVITE sip:a@b SIP/2.0\r\n\r\n",
            "SIP/2.0\r\n\r\n",
            "\0\0\0",
        ] {
            assert_eq!(scan(text), Err(ScanError::NotSip), "{text:?}");
        }
    }

    #[test]
    fn more_headers_or_folds_or_octets_than_allowed_are_bounded() {
        let many = format!("BYE sip:a@b SIP/2.0\r\n{}\r\n", "X: y\r\n".repeat(300));
        let (found, headers) = scanned(&many);
        assert!(found.defects.has(Defects::TOO_MANY_HEADERS));
        assert_eq!(headers.len(), 256);

        let folded = format!("BYE sip:a@b SIP/2.0\r\nX: y\r\n{}\r\n", " z\r\n".repeat(300));
        assert!(scanned(&folded).0.defects.has(Defects::TOO_MANY_FOLDS));

        let long = format!("BYE sip:a@b SIP/2.0\r\nX: {}\r\n\r\n", "y".repeat(70_000));
        assert_eq!(scan(long.as_bytes(), &mut HeaderTable::new(), Limits::DEFAULT), Err(ScanError::HeadTooLong));
    }

    #[test]
    fn a_reason_phrase_may_be_missing() {
        for line in ["SIP/2.0 100 ", "SIP/2.0 100", "sip/2.0 100 Trying it\u{fc}"] {
            let mut table = HeaderTable::new();
            let text = format!("{line}\r\n\r\n");
            assert!(scan(text.as_bytes(), &mut table, Limits::DEFAULT).unwrap().defects.none());
            assert!(matches!(table.start, StartLine::Response { status: 100, .. }));
        }
    }
}
