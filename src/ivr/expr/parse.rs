//! Tokens to an [`Expr`]: precedence climbing with a fixed depth.

use super::lex::{self, LexError, Placed, Token};
use super::{Expr, FUNCTIONS, Kind, Op};
use crate::ivr::diag::nearest;
use crate::ivr::source::Span;
use crate::ivr::value::Value;

/// Parentheses and `not` nested deeper than this are refused; no condition anyone can read comes near.
const MAX_DEPTH: usize = 24;
/// Longer than this is not a condition but a program.
const MAX_BYTES: usize = 512;
const MAX_LIST: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub struct ParseError {
    pub span: Span,
    pub message: String,
    pub hint: Option<String>,
}

/// Reads `text`, which stands in its file at `place(from, to)` (byte offsets within `text`).
pub fn parse(text: &str, place: &dyn Fn(usize, usize) -> Span) -> Result<Expr, ParseError> {
    if text.len() > MAX_BYTES {
        let message = format!("an expression has at most {MAX_BYTES} bytes");
        let hint = Some("split it with `set` or several `choose` lines".to_string());
        return Err(ParseError { span: place(0, text.len()), message, hint });
    }
    let tokens = lex::lex(text).map_err(|LexError { start, end, message, hint }| ParseError {
        span: place(start, end),
        message,
        hint: hint.map(str::to_string),
    })?;
    let mut parser = Parser { tokens: &tokens, at: 0, end: text.len(), depth: 0, place };
    let expr = parser.climb(0)?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.unexpected("the expression should end here")),
    }
}

struct Parser<'a> {
    tokens: &'a [Placed],
    at: usize,
    end: usize,
    depth: usize,
    place: &'a dyn Fn(usize, usize) -> Span,
}

/// Binding strengths, weakest first.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARE: u8 = 4;
const SUM: u8 = 5;
const PRODUCT: u8 = 6;
const UNARY: u8 = 7;

impl Parser<'_> {
    fn climb(&mut self, weakest: u8) -> Result<Expr, ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.unexpected("this is nested too deep"));
        }
        let mut left = self.prefix()?;
        while let Some((op, strength)) = self.infix() {
            if strength < weakest {
                break;
            }
            if strength == COMPARE && is_comparison(&left) {
                return Err(self.unexpected("comparisons cannot be chained; join them with `and`"));
            }
            left = self.join(left, op, strength)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Expr, ParseError> {
        let Some(Placed { token, start, end }) = self.tokens.get(self.at).cloned() else {
            return Err(self.unexpected("something is missing here"));
        };
        self.at += 1;
        match token {
            Token::Literal(value) => Ok(self.expr(start, end, Kind::Literal(value))),
            Token::Sign("(") => {
                let inner = self.climb(0)?;
                self.sign(")")?;
                Ok(inner)
            }
            Token::Sign("-") => {
                let inner = self.climb(UNARY)?;
                let end = self.end_of_last();
                // A literal below zero is a literal, so that `balance < -5` compares money with an amount.
                let kind = match inner.kind {
                    Kind::Literal(Value::Int(n)) => Kind::Literal(Value::Int(-n)),
                    Kind::Literal(Value::Number(n)) => Kind::Literal(Value::Number(-n)),
                    _ => Kind::Negate(Box::new(inner)),
                };
                Ok(self.expr(start, end, kind))
            }
            Token::Word(word) => match word.as_str() {
                "not" => {
                    let inner = self.climb(NOT)?;
                    let end = self.end_of_last();
                    Ok(self.expr(start, end, Kind::Not(Box::new(inner))))
                }
                "true" | "yes" => Ok(self.expr(start, end, Kind::Literal(Value::Flag(true)))),
                "false" | "no" => Ok(self.expr(start, end, Kind::Literal(Value::Flag(false)))),
                "and" | "or" | "in" | "is" | "starts_with" | "set" => {
                    self.at -= 1;
                    Err(self.unexpected("a value is missing before this word"))
                }
                _ if self.next_is_sign("(") => self.call(&word, start, end),
                _ => Ok(self.expr(start, end, Kind::Variable(word))),
            },
            Token::Sign(_) => {
                self.at -= 1;
                Err(self.unexpected("a value is missing here"))
            }
        }
    }

    fn infix(&self) -> Option<(Infix, u8)> {
        let found = match &self.peek()?.token {
            Token::Word(word) => match word.as_str() {
                "or" => (Infix::Op(Op::Or), OR),
                "and" => (Infix::Op(Op::And), AND),
                "in" => (Infix::In, COMPARE),
                "is" => (Infix::Is, COMPARE),
                "starts_with" => (Infix::Op(Op::StartsWith), COMPARE),
                _ => return None,
            },
            Token::Sign(sign) => match *sign {
                "=" => (Infix::Op(Op::Equal), COMPARE),
                "!=" => (Infix::Op(Op::Unequal), COMPARE),
                "<" => (Infix::Op(Op::Less), COMPARE),
                "<=" => (Infix::Op(Op::LessEqual), COMPARE),
                ">" => (Infix::Op(Op::Greater), COMPARE),
                ">=" => (Infix::Op(Op::GreaterEqual), COMPARE),
                "+" => (Infix::Op(Op::Add), SUM),
                "-" => (Infix::Op(Op::Subtract), SUM),
                "*" => (Infix::Op(Op::Multiply), PRODUCT),
                "/" => (Infix::Op(Op::Divide), PRODUCT),
                _ => return None,
            },
            Token::Literal(_) => return None,
        };
        Some(found)
    }

    fn join(&mut self, left: Expr, infix: Infix, strength: u8) -> Result<Expr, ParseError> {
        self.at += 1;
        let span = left.span;
        let kind = match infix {
            Infix::Op(op) => Kind::Binary(op, Box::new(left), Box::new(self.climb(strength + 1)?)),
            Infix::In => {
                self.sign("[")?;
                let list = self.list("]")?;
                if list.is_empty() {
                    return Err(self.unexpected("the list after `in` is empty"));
                }
                Kind::In(Box::new(left), list)
            }
            Infix::Is => {
                let negated = self.next_is_word("not");
                if negated {
                    self.at += 1;
                }
                if !self.next_is_word("set") {
                    return Err(self.unexpected("after `is` comes `set`; to compare, write `=`"));
                }
                self.at += 1;
                let Kind::Variable(name) = left.kind else {
                    return Err(self.unexpected("`is set` asks about a variable"));
                };
                let set = Kind::IsSet(name);
                if negated { Kind::Not(Box::new(Expr { span, kind: set })) } else { set }
            }
        };
        let end = (self.place)(0, self.end_of_last()).end;
        Ok(Expr { span: Span { end: end.max(span.end), ..span }, kind })
    }

    fn call(&mut self, name: &str, start: usize, end: usize) -> Result<Expr, ParseError> {
        let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else {
            let hint = nearest(name, FUNCTIONS.iter().map(|(known, _)| *known));
            let hint = hint.map_or("known are length, last, days_between".into(), |n| format!("did you mean `{n}`?"));
            let message = format!("there is no function `{}`", crate::ivr::diag::shown(name));
            return Err(ParseError { span: (self.place)(start, end), message, hint: Some(hint) });
        };
        self.at += 1;
        let arguments = self.list(")")?;
        let end = self.end_of_last();
        Ok(self.expr(start, end, Kind::Call(*function, arguments)))
    }

    /// Values with commas up to `close`.
    fn list(&mut self, close: &'static str) -> Result<Vec<Expr>, ParseError> {
        let mut items = Vec::new();
        while !self.next_is_sign(close) {
            if !items.is_empty() {
                self.sign(",")?;
            }
            items.push(self.climb(0)?);
            if items.len() > MAX_LIST {
                return Err(self.unexpected("this list is too long"));
            }
        }
        self.at += 1;
        Ok(items)
    }

    fn sign(&mut self, sign: &'static str) -> Result<(), ParseError> {
        if !self.next_is_sign(sign) {
            return Err(self.unexpected(&format!("`{sign}` is missing here")));
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Option<&Placed> {
        self.tokens.get(self.at)
    }

    fn next_is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Placed { token: Token::Sign(s), .. }) if *s == sign)
    }

    fn next_is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Placed { token: Token::Word(w), .. }) if w == word)
    }

    fn end_of_last(&self) -> usize {
        self.at.checked_sub(1).and_then(|i| self.tokens.get(i)).map_or(0, |t| t.end)
    }

    fn expr(&self, start: usize, end: usize, kind: Kind) -> Expr {
        Expr { span: (self.place)(start, end), kind }
    }

    fn unexpected(&self, message: &str) -> ParseError {
        let (start, end) = self.peek().map_or((self.end, self.end), |t| (t.start, t.end));
        ParseError { span: (self.place)(start, end), message: message.into(), hint: None }
    }
}

enum Infix {
    Op(Op),
    In,
    Is,
}

fn is_comparison(expr: &Expr) -> bool {
    use Op::*;
    matches!(
        &expr.kind,
        Kind::Binary(Equal | Unequal | Less | LessEqual | Greater | GreaterEqual | StartsWith, ..) | Kind::In(..)
    )
}
