//! Conditions and assignments of a flow: `balance < 0 and not vip`. A small typed language with no loops and no calls
//! out: every expression ends, its types are checked before a call takes it, and money stays exact.
//!
//! `or` < `and` < `not` < comparison, `in`, `starts_with`, `is set` < `+ -` < `* /` < `-x`.

mod eval;
mod lex;
mod parse;
mod samples;
mod types;

pub use eval::Fault;
pub(super) use eval::{Reader, eval};
pub(super) use parse::parse;
pub(super) use samples::{literals, samples};
pub(super) use types::{Known, TypeError, check, undefined};

use super::source::Span;
use super::value::Value;

/// An expression and where each part of it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expr {
    pub span: Span,
    pub kind: Kind,
}

impl Expr {
    /// The variable that this is and nothing else.
    pub fn variable(&self) -> Option<&str> {
        match &self.kind {
            Kind::Variable(name) => Some(name),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Literal(Value),
    Variable(String),
    IsSet(String),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
    Call(Function, Vec<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    StartsWith,
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Op {
    pub fn sign(self) -> &'static str {
        match self {
            Op::Or => "or",
            Op::And => "and",
            Op::Equal => "=",
            Op::Unequal => "!=",
            Op::Less => "<",
            Op::LessEqual => "<=",
            Op::Greater => ">",
            Op::GreaterEqual => ">=",
            Op::StartsWith => "starts_with",
            Op::Add => "+",
            Op::Subtract => "-",
            Op::Multiply => "*",
            Op::Divide => "/",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Length,
    Last,
    DaysBetween,
}

pub(super) const FUNCTIONS: [(&str, Function); 3] =
    [("length", Function::Length), ("last", Function::Last), ("days_between", Function::DaysBetween)];

impl Expr {
    /// Each variable that is read for its value, in reading order. `guarded` tells that an `is set` before it in the
    /// same expression made sure of it.
    pub fn reads(&self, visit: &mut dyn FnMut(&str, Span, bool)) {
        self.walk(&mut Vec::new(), visit);
    }

    /// Variables that are certainly set once this has turned out `outcome`.
    pub fn proves_set(&self, outcome: bool, out: &mut Vec<String>) {
        match (&self.kind, outcome) {
            (Kind::IsSet(name), true) => out.push(name.clone()),
            (Kind::Not(inner), _) => inner.proves_set(!outcome, out),
            (Kind::Binary(Op::And, a, b), true) | (Kind::Binary(Op::Or, a, b), false) => {
                a.proves_set(outcome, out);
                b.proves_set(outcome, out);
            }
            _ => {}
        }
    }

    fn walk(&self, sure: &mut Vec<String>, visit: &mut dyn FnMut(&str, Span, bool)) {
        match &self.kind {
            Kind::Literal(_) | Kind::IsSet(_) => {}
            Kind::Variable(name) => visit(name, self.span, sure.contains(name)),
            Kind::Not(inner) | Kind::Negate(inner) => inner.walk(sure, visit),
            // The right side is only looked at when the left side left the question open.
            Kind::Binary(op @ (Op::And | Op::Or), a, b) => {
                a.walk(sure, visit);
                let before = sure.len();
                a.proves_set(*op == Op::And, sure);
                b.walk(sure, visit);
                sure.truncate(before);
            }
            Kind::Binary(_, a, b) => {
                a.walk(sure, visit);
                b.walk(sure, visit);
            }
            Kind::In(value, list) => {
                value.walk(sure, visit);
                list.iter().for_each(|item| item.walk(sure, visit));
            }
            Kind::Call(_, arguments) => arguments.iter().for_each(|a| a.walk(sure, visit)),
        }
    }
}

#[cfg(test)]
mod tests;
