//! The bytes of the SIP grammar (RFC 3261 section 25): classes, trimming, quoting, lists and parameters.
//!
//! Everything here works on bytes, because a header may hold UTF-8, Latin-1 or worse and is still ours to answer.
//! CR and LF count as white space: inside a header value they can only be a fold (section 7.3.1).

use std::borrow::Cow;

const TOKEN: u8 = 1;
const BLANK: u8 = 2;
const DIGIT: u8 = 4;
/// Bytes at which a comma-separated list has to look closer.
const LIST: u8 = 8;
/// Bytes at which a parameter does.
const PARAM: u8 = 16;
/// Blanks, control bytes, quotes and angle brackets: never part of a URI.
const NOT_URI: u8 = 32;
/// What ends or divides a Call-ID for some reader.
const NOT_CALL_ID: u8 = 64;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut b = 0;
    while b < 256 {
        let byte = b as u8;
        let mut class = 0;
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
        {
            class |= TOKEN;
        }
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            class |= BLANK;
        }
        if byte.is_ascii_digit() {
            class |= DIGIT;
        }
        if matches!(byte, b',' | b'"' | b'<') {
            class |= LIST;
        }
        if matches!(byte, b';' | b'"' | b'=') {
            class |= PARAM;
        }
        if byte <= b' ' || matches!(byte, b'"' | b'<' | b'>' | 127) {
            class |= NOT_URI;
        }
        if byte <= b' ' || matches!(byte, b',' | b';' | 127) {
            class |= NOT_CALL_ID;
        }
        table[b] = class;
        b += 1;
    }
    table
}

#[inline]
pub(super) fn is_token_byte(byte: u8) -> bool {
    CLASS[byte as usize] & TOKEN != 0
}

/// White space, a fold included.
#[inline]
pub(super) fn is_blank(byte: u8) -> bool {
    CLASS[byte as usize] & BLANK != 0
}

/// Whether all bytes may stand in a URI.
pub(super) fn is_uri_text(bytes: &[u8]) -> bool {
    !bytes.iter().any(|b| CLASS[*b as usize] & NOT_URI != 0)
}

pub(super) fn is_call_id(bytes: &[u8]) -> bool {
    !bytes.is_empty() && !bytes.iter().any(|b| CLASS[*b as usize] & NOT_CALL_ID != 0)
}

pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| is_token_byte(*b))
}

#[inline]
pub(super) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_blank(*first)
    {
        bytes = rest;
    }
    bytes
}

#[inline]
pub(super) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes
        && is_blank(*last)
    {
        bytes = rest;
    }
    bytes
}

#[inline]
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

/// The leading token of `bytes` and what follows it.
#[inline]
pub(super) fn split_token(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|b| !is_token_byte(*b)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotANumber {
    /// Something other than digits, or nothing at all.
    Malformed,
    /// Digits only, but more than fit.
    TooLarge,
}

/// Digits only: no sign, no space, no empty text. Leading zeros count for nothing.
#[inline]
pub(super) fn decimal(bytes: &[u8]) -> Result<u32, NotANumber> {
    if bytes.is_empty() {
        return Err(NotANumber::Malformed);
    }
    let mut value = 0u64;
    for byte in bytes {
        if CLASS[*byte as usize] & DIGIT == 0 {
            return Err(NotANumber::Malformed);
        }
        // Held at the top once too large, so that the rest is still checked to be digits.
        value = (value * 10 + u64::from(byte - b'0')).min(1 << 33);
    }
    u32::try_from(value).map_err(|_| NotANumber::TooLarge)
}

/// Position of the first CR or LF at or after `from`. Eight bytes a step: headers are mostly neither.
#[inline]
pub(super) fn find_line_break(bytes: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // The low seven-bit test can be wrong above the first hit only, and the first hit is all that is used.
    let zero_byte = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let tail = bytes.get(from..)?;
    let (chunks, rest) = tail.as_chunks::<8>();
    for (n, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let hit = zero_byte(word ^ (ONES * b'\n' as u64)) | zero_byte(word ^ (ONES * b'\r' as u64));
        if hit != 0 {
            return Some(from + n * 8 + (hit.trailing_zeros() / 8) as usize);
        }
    }
    let at = rest.iter().position(|b| matches!(b, b'\r' | b'\n'))?;
    Some(from + chunks.len() * 8 + at)
}

/// `bytes[open]` is a double quote; the position after its closing quote, or `None` when it is never closed.
#[inline]
pub(super) fn quoted_end(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The text of a quoted-string with its escapes undone, or of a bare token as it stands.
pub(super) fn unquote(bytes: &[u8]) -> Cow<'_, [u8]> {
    let [b'"', inner @ .., b'"'] = bytes else { return Cow::Borrowed(bytes) };
    if !inner.iter().any(|b| matches!(b, b'\\' | b'\r' | b'\n')) {
        return Cow::Borrowed(inner);
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(&byte) = inner.get(at) {
        match byte {
            b'\\' => {
                out.extend(inner.get(at + 1));
                at += 2;
            }
            b'\r' | b'\n' => at = push_fold(inner, at, &mut out),
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(out)
}

/// The value on one line: each fold, with the white space around it, is one space (RFC 3261 section 7.3.1).
pub(super) fn unfold(bytes: &[u8]) -> Cow<'_, [u8]> {
    if find_line_break(bytes, 0).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if matches!(byte, b'\r' | b'\n') {
            at = push_fold(bytes, at, &mut out);
        } else {
            out.push(byte);
            at += 1;
        }
    }
    Cow::Owned(out)
}

fn push_fold(bytes: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    while out.last().is_some_and(|b| is_blank(*b)) {
        out.pop();
    }
    out.push(b' ');
    at + bytes[at..].iter().take_while(|b| is_blank(**b)).count()
}

/// Elements of a comma-separated value. Commas inside quotes and angle brackets do not count; empty elements are skipped.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub(super) fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let end = element_end(self.rest);
            let (element, rest) = self.rest.split_at(end);
            self.rest = rest.get(1..).unwrap_or_default();
            let element = trim(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
    }
}

#[inline]
fn element_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(skip) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| CLASS[*b as usize] & LIST != 0)) {
        at += skip;
        match bytes[at] {
            b',' => return at,
            b'"' => at = quoted_end(bytes, at).unwrap_or(bytes.len()),
            _ => at = bytes[at..].iter().position(|b| *b == b'>').map_or(bytes.len(), |close| at + close + 1),
        }
    }
    bytes.len()
}

/// The parameters after a value: `;name`, `;name=value`, `;name="quoted"`, with white space anywhere the grammar has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Params<'a> {
    bytes: &'a [u8],
}

/// One parameter. `value` is as written, quotes included; [`Param::text`] undoes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    pub name: &'a [u8],
    pub value: Option<&'a [u8]>,
}

impl<'a> Param<'a> {
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    pub fn text(&self) -> Cow<'a, [u8]> {
        unquote(self.value.unwrap_or_default())
    }

    /// The value when it is plain text without blanks, as every token is.
    pub(super) fn word(&self) -> Option<&'a str> {
        let value = self.value?;
        let plain = !value.is_empty() && !value.iter().any(|b| is_blank(*b));
        if plain { std::str::from_utf8(value).ok() } else { None }
    }
}

impl<'a> Params<'a> {
    /// `bytes` is empty or begins at the first semicolon.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// As written, from the first semicolon on.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first parameter of that name, in any case.
    pub fn find(&self, name: &str) -> Option<Param<'a>> {
        self.iter().find(|p| p.is(name))
    }

    /// The value of the first parameter of that name, as written.
    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.find(name)?.value
    }

    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub fn iter(&self) -> ParamIter<'a> {
        ParamIter { rest: self.bytes }
    }

    /// Whether each parameter is a token, with a token, host or quoted-string as value. One trailing semicolon is
    /// forgiven, because phones send it; an empty parameter between two is not (RFC 4475 3.1.2.1).
    pub(super) fn well_formed(&self) -> bool {
        let mut rest = trim_end(self.bytes);
        if !rest.is_empty() && rest[0] != b';' {
            return false;
        }
        if let [inner @ .., b';'] = rest {
            rest = trim_end(inner);
        }
        while let Some((param, after)) = next_param(rest) {
            if !is_token(param.name) || !param.value.is_none_or(is_param_value) {
                return false;
            }
            rest = after;
        }
        true
    }
}

impl<'a> IntoIterator for Params<'a> {
    type Item = Param<'a>;
    type IntoIter = ParamIter<'a>;
    fn into_iter(self) -> ParamIter<'a> {
        self.iter()
    }
}

fn is_param_value(value: &[u8]) -> bool {
    match value {
        [] => false,
        [b'"', ..] => quoted_end(value, 0) == Some(value.len()),
        // gen-value has hosts, so colons and brackets belong; the rest that separates does not (section 25.1).
        _ => !value.iter().any(|b| is_blank(*b) || matches!(b, b'"' | b'<' | b'>' | b',' | b';' | 0..=31 | 127)),
    }
}

/// Parameters in order; empty ones are skipped.
#[derive(Clone, Debug)]
pub struct ParamIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = Param<'a>;

    #[inline]
    fn next(&mut self) -> Option<Param<'a>> {
        loop {
            let (param, rest) = next_param(self.rest)?;
            self.rest = rest;
            if !param.name.is_empty() || param.value.is_some() {
                return Some(param);
            }
        }
    }
}

/// The parameter at the front, with or without its semicolon, and what follows. Its name may be empty.
#[inline]
fn next_param(bytes: &[u8]) -> Option<(Param<'_>, &[u8])> {
    let body = trim_start(bytes);
    if body.is_empty() {
        return None;
    }
    // Params are cut at a semicolon, so only a closing quote can leave other bytes in its place: junk, but a piece.
    let body = body.strip_prefix(b";").unwrap_or(body);
    let mut equals = None;
    let mut at = 0;
    while let Some(skip) = body.get(at..).and_then(|rest| rest.iter().position(|b| CLASS[*b as usize] & PARAM != 0)) {
        at += skip;
        match body[at] {
            b';' => break,
            b'"' => at = quoted_end(body, at).unwrap_or(body.len()),
            _ => {
                equals = equals.or(Some(at));
                at += 1;
            }
        }
    }
    // Without a semicolon ahead the parameter goes on to the end.
    let end = if body.get(at) == Some(&b';') { at } else { body.len() };
    let (piece, rest) = body.split_at(end);
    let param = match equals {
        Some(eq) => Param { name: trim(&piece[..eq]), value: Some(trim(&piece[eq + 1..])) },
        None => Param { name: trim(piece), value: None },
    };
    Some((param, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_are_found_at_every_offset_and_beside_high_bytes() {
        for len in 0..40 {
            for at in 0..len {
                for (fill, brk) in
                    [(b'a', b'\n'), (b'a', b'\r'), (0x8a, b'\n'), (0x8d, b'\r'), (0x0b, b'\n'), (0x0c, b'\r')]
                {
                    let mut bytes = vec![fill; len];
                    bytes[at] = brk;
                    for from in 0..=len {
                        assert_eq!(
                            find_line_break(&bytes, from),
                            (from <= at).then_some(at),
                            "{len} {at} {from} {fill:x}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_are_digits_only_and_never_wrap() {
        assert_eq!(decimal(b"0009"), Ok(9));
        assert_eq!(decimal(b"4294967295"), Ok(u32::MAX));
        assert_eq!(decimal(b"4294967296"), Err(NotANumber::TooLarge));
        assert_eq!(decimal(b"36893488147419103232"), Err(NotANumber::TooLarge));
        for bad in [&b""[..], b"-1", b"+1", b" 1", b"1 ", b"0x1", b"99999999999999999999a"] {
            assert_eq!(decimal(bad), Err(NotANumber::Malformed));
        }
    }

    #[test]
    fn a_comma_in_a_name_or_address_does_not_split_a_list() {
        let value = br#""Bell, A. \", <x" <sip:a,b@h>;q=1 , , sip:c@h,<sip:d@h>"#;
        let elements: Vec<_> = Elements::new(value).map(|e| String::from_utf8_lossy(e).into_owned()).collect();
        assert_eq!(elements, [r#""Bell, A. \", <x" <sip:a,b@h>;q=1"#, "sip:c@h", "<sip:d@h>"]);
    }

    #[test]
    fn parameters_are_read_with_blanks_quotes_and_any_case() {
        let params = Params::new(b"; TAG = x ;a=\"1;\\\"2\";lr; rport");
        assert_eq!(params.value("tag"), Some(&b"x"[..]));
        assert_eq!(params.find("a").map(|p| p.text().into_owned()), Some(b"1;\"2".to_vec()));
        assert!(params.has("lr") && params.has("RPORT") && !params.has("l"));
        assert!(params.well_formed());
    }

    #[test]
    fn empty_parameters_are_malformed_and_one_trailing_semicolon_is_not() {
        assert!(Params::new(b";a=1;").well_formed());
        for bad in [&b";;,;,,"[..], b";a;;b", b";;", b";a=", b";=b", b";a=b c", b";a=\"x", b"junk;a=1", b";a=<b>"] {
            assert!(!Params::new(bad).well_formed(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn folds_become_one_space() {
        assert_eq!(unfold(b"one \r\n\t two\n three").as_ref(), b"one two three");
        assert_eq!(unquote(b"\"a\r\n b\\\"c\"").as_ref(), b"a b\"c");
        assert_eq!(unquote(b"\"").as_ref(), b"\"");
    }
}
