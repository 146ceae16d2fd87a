//! Expression text to tokens with byte offsets.

use super::super::value::{self, MILLION, Value};

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name, possibly dotted (`caller.number`), or a word such as `and`.
    Word(String),
    Literal(Value),
    Sign(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub token: Token,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LexError {
    pub start: usize,
    pub end: usize,
    pub message: String,
    pub hint: Option<&'static str>,
}

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: [&str; 15] = ["!=", "<=", ">=", "==", "=", "<", ">", "+", "-", "*", "/", "(", ")", "[", "]"];

pub fn lex(text: &str) -> Result<Vec<Placed>, LexError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c == ' ' || c == '\n' || c == '\t' {
            at += c.len_utf8();
            continue;
        }
        let rest = &text[at..];
        let (token, length) = match c {
            '"' | '\'' => quoted(rest, c, at)?,
            c if c.is_ascii_digit() => literal(rest, at)?,
            c if c.is_alphabetic() || c == '_' => word(rest),
            ',' => (Token::Sign(","), 1),
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(&"==") => return Err(error(at, 2, "`==` is not a sign here", Some("write `=`"))),
                Some(sign) => (Token::Sign(sign), sign.len()),
                None => return Err(strange(c, rest, at)),
            },
        };
        tokens.push(Placed { token, start: at, end: at + length });
        at += length;
    }
    Ok(tokens)
}

fn quoted(rest: &str, quote: char, at: usize) -> Result<(Token, usize), LexError> {
    match rest[1..].find(quote) {
        Some(end) => Ok((Token::Literal(Value::Text(rest[1..1 + end].to_string())), end + 2)),
        None => Err(error(at, rest.len(), "this text has no closing quote", None)),
    }
}

fn word(rest: &str) -> (Token, usize) {
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
    (Token::Word(rest[..end].to_string()), end)
}

/// `12`, `12.5`, `6s`, `2026-03-08`, `08:30`, `2026-03-08T14:05`.
fn literal(rest: &str, at: usize) -> Result<(Token, usize), LexError> {
    // A date is looked at first: `2026-03-08` is not a subtraction.
    if let Some(days) = rest.get(..10).and_then(value::date) {
        if rest[10..].starts_with('T')
            && let Some(seconds) = rest.get(11..16).and_then(value::time)
        {
            return Ok((Token::Literal(Value::Datetime(i64::from(days) * 86_400 + i64::from(seconds))), 16));
        }
        return Ok((Token::Literal(Value::Date(days)), 10));
    }
    if let Some(seconds) = rest.get(..5).and_then(value::time) {
        return Ok((Token::Literal(Value::Time(seconds)), 5));
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '.')).unwrap_or(rest.len());
    let text = &rest[..end];
    let value = if let Some(ms) = value::duration_ms(text) {
        Value::Duration(ms)
    } else if let Some(millionths) = value::decimal(text, 6) {
        if text.contains('.') { Value::Number(millionths) } else { Value::Int(millionths / MILLION) }
    } else {
        let hint = "numbers are `12` or `12.50`, lengths of time `6s`, `2m`, `1h`, `180d`; keys go in quotes";
        return Err(error(at, end, "this is not a number, date, time or length of time", Some(hint)));
    };
    Ok((Token::Literal(value), end))
}

fn strange(c: char, rest: &str, at: usize) -> LexError {
    let (message, hint) = match c {
        '{' | '}' => ("no braces are needed in an expression", Some("write the variable's name alone")),
        '&' | '|' => ("this sign is not used here", Some("write `and` or `or`")),
        '!' => ("this sign is not used here", Some("write `not`")),
        '“' | '”' | '‘' | '’' => ("a curly quote", Some("use plain quotes \"…\"")),
        '，' | '：' | '（' | '）' | '＝' | '＜' | '＞' => {
            ("a full-width sign", Some("switch the keyboard to English"))
        }
        _ => ("this sign is not used here", None),
    };
    error(at, rest.chars().next().map_or(0, char::len_utf8), message, hint)
}

fn error(start: usize, length: usize, message: &str, hint: Option<&'static str>) -> LexError {
    LexError { start, end: start + length, message: message.into(), hint }
}
