//! The type of an expression, found before any call runs it.

use super::{Expr, Function, Kind, Op};
use crate::ivr::diag::{nearest, shown};
use crate::ivr::source::Span;
use crate::ivr::value::{Type, Value, is_digit_byte};

/// The variables that an expression may name.
pub trait Known {
    fn type_of(&self, name: &str) -> Option<Type>;
    fn names(&self) -> Vec<&str>;
}

#[derive(Clone, Debug, PartialEq)]
pub struct TypeError {
    pub code: &'static str,
    pub span: Span,
    pub message: String,
    pub hint: Option<String>,
}

/// What is known of a part: its type, and its value when it is written out. A written `0` fits money as well as int.
struct Part<'e> {
    ty: Type,
    literal: Option<&'e Value>,
    span: Span,
}

/// The type of `expr`, or where and why it has none. With `wanted`, also that the result fits there.
pub fn check(expr: &Expr, known: &dyn Known, wanted: Option<&Type>) -> Result<Type, TypeError> {
    let part = part(expr, known)?;
    match wanted {
        Some(wanted) if !fits(wanted, &part) => Err(wrong(part.span, wanted.name(), &part)),
        Some(wanted) => Ok(wanted.clone()),
        None => Ok(part.ty),
    }
}

fn part<'e>(expr: &'e Expr, known: &dyn Known) -> Result<Part<'e>, TypeError> {
    let ty = match &expr.kind {
        Kind::Literal(value) => return Ok(Part { ty: value.kind(), literal: Some(value), span: expr.span }),
        Kind::Variable(name) => variable(name, expr.span, known)?,
        Kind::IsSet(name) => variable(name, expr.span, known).map(|_| Type::Flag)?,
        Kind::Not(inner) => {
            flag(inner, known)?;
            Type::Flag
        }
        Kind::Negate(inner) => {
            let inner = part(inner, known)?;
            match inner.ty {
                Type::Int | Type::Number | Type::Money | Type::Duration => inner.ty,
                _ => return Err(wrong(inner.span, "a number", &inner)),
            }
        }
        Kind::Binary(Op::And | Op::Or, a, b) => {
            flag(a, known)?;
            flag(b, known)?;
            Type::Flag
        }
        Kind::Binary(op, a, b) => {
            let (a, b) = (part(a, known)?, part(b, known)?);
            match op {
                Op::Equal | Op::Unequal => same_kind(&a, &b, *op)?,
                Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => {
                    ordered(&a, *op)?;
                    ordered(&b, *op)?;
                    same_kind(&a, &b, *op)?;
                }
                Op::StartsWith => {
                    for side in [&a, &b] {
                        if !is_text(&side.ty) {
                            return Err(wrong(side.span, "text or digits", side));
                        }
                    }
                }
                _ => return arithmetic(*op, &a, &b, expr.span).map(|ty| Part { ty, literal: None, span: expr.span }),
            }
            Type::Flag
        }
        Kind::In(value, list) => {
            let value = part(value, known)?;
            for item in list {
                same_kind(&value, &part(item, known)?, Op::Equal)?;
            }
            Type::Flag
        }
        Kind::Call(function, arguments) => call(*function, arguments, expr.span, known)?,
    };
    Ok(Part { ty, literal: None, span: expr.span })
}

fn variable(name: &str, span: Span, known: &dyn Known) -> Result<Type, TypeError> {
    known.type_of(name).ok_or_else(|| undefined(name, span, known))
}

/// The error for a name that no variable has.
pub fn undefined(name: &str, span: Span, known: &dyn Known) -> TypeError {
    let hint = match nearest(name, known.names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "declare it under `vars:`, or put a fixed text in quotes".to_string(),
    };
    TypeError { code: "E301", span, message: format!("there is no variable `{}`", shown(name)), hint: Some(hint) }
}

fn flag(expr: &Expr, known: &dyn Known) -> Result<(), TypeError> {
    let part = part(expr, known)?;
    if part.ty == Type::Flag { Ok(()) } else { Err(wrong(part.span, "a condition", &part)) }
}

fn same_kind(a: &Part, b: &Part, op: Op) -> Result<(), TypeError> {
    let go_together = if is_text(&a.ty) && is_text(&b.ty) {
        !says_never(a, b) && !says_never(b, a)
    } else {
        fits(&a.ty, b) || fits(&b.ty, a)
    };
    if go_together {
        return Ok(());
    }
    let message = format!("`{}` compares {} with {}", op.sign(), described(a), described(b));
    Err(TypeError { code: "E303", span: b.span, message, hint: compare_hint(a, b).or_else(|| compare_hint(b, a)) })
}

/// A written text that `other` can never equal.
fn says_never(literal: &Part, other: &Part) -> bool {
    match (literal.literal, &other.ty) {
        (Some(Value::Text(text)), Type::OneOf(choices)) => !choices.contains(text),
        (Some(Value::Text(text)), Type::Digits) => !text.bytes().all(is_digit_byte),
        _ => false,
    }
}

fn compare_hint(a: &Part, b: &Part) -> Option<String> {
    match (&a.ty, b.literal) {
        (Type::Digits | Type::Text, Some(Value::Int(_) | Value::Number(_))) => {
            Some("put digits in quotes: \"123\"".into())
        }
        (Type::OneOf(choices), Some(Value::Text(_))) => Some(format!("it is one of {}", choices.join(", "))),
        (Type::Money, Some(Value::Number(_))) => Some("money has two places after the point".into()),
        _ => None,
    }
}

fn ordered(part: &Part, op: Op) -> Result<(), TypeError> {
    match part.ty {
        Type::Int | Type::Number | Type::Money | Type::Date | Type::Time | Type::Datetime | Type::Duration => Ok(()),
        _ => Err(wrong(part.span, &format!("something that `{}` can order", op.sign()), part)),
    }
}

fn arithmetic(op: Op, a: &Part, b: &Part, span: Span) -> Result<Type, TypeError> {
    use Type::*;
    let ty = match (op, &a.ty, &b.ty) {
        (Op::Add | Op::Subtract, Money, Int | Number) if fits(&Money, b) => Money,
        (Op::Add, Int | Number, Money) if fits(&Money, a) => Money,
        (Op::Add | Op::Subtract, Money, Money) => Money,
        (Op::Multiply | Op::Divide, Money, Int | Number) => Money,
        (Op::Multiply, Int | Number, Money) => Money,
        (Op::Divide, Money, Money) => Number,
        (Op::Divide, Int | Number, Int | Number) => Number,
        (_, Int, Int) => Int,
        (_, Int | Number, Int | Number) => Number,
        (Op::Add | Op::Subtract, Duration, Duration) => Duration,
        (Op::Add | Op::Subtract, Datetime, Duration) => Datetime,
        (Op::Add | Op::Subtract, Date, Duration) => Date,
        (Op::Subtract, Datetime, Datetime) => Duration,
        (Op::Multiply | Op::Divide, Duration, Int) => Duration,
        _ => {
            let message = format!("`{}` cannot take {} and {}", op.sign(), described(a), described(b));
            return Err(TypeError { code: "E303", span, message, hint: None });
        }
    };
    Ok(ty)
}

fn call(function: Function, arguments: &[Expr], span: Span, known: &dyn Known) -> Result<Type, TypeError> {
    let (wanted, result): (&[&[Type]], Type) = match function {
        Function::Length => (&[&[Type::Text, Type::Digits]], Type::Int),
        Function::Last => (&[&[Type::Text, Type::Digits], &[Type::Int]], Type::Digits),
        Function::DaysBetween => (&[&[Type::Date, Type::Datetime], &[Type::Date, Type::Datetime]], Type::Int),
    };
    if arguments.len() != wanted.len() {
        let message = format!("{} values are needed here, {} are given", wanted.len(), arguments.len());
        return Err(TypeError { code: "E303", span, message, hint: None });
    }
    let mut first = None;
    for (argument, accepted) in arguments.iter().zip(wanted) {
        let part = part(argument, known)?;
        if !accepted.contains(&part.ty) {
            let names: Vec<_> = accepted.iter().map(Type::name).collect();
            return Err(wrong(part.span, &names.join(" or "), &part));
        }
        first = first.or(Some(part.ty));
    }
    // The end of a text is a text; the end of digits is digits.
    Ok(if function == Function::Last { first.unwrap_or(result) } else { result })
}

fn fits(wanted: &Type, part: &Part) -> bool {
    match (wanted, part.literal) {
        (Type::Money, Some(Value::Int(_))) => true,
        (Type::Money, Some(Value::Number(millionths))) => millionths % 10_000 == 0,
        (Type::Digits, Some(Value::Text(text))) => text.bytes().all(is_digit_byte),
        (Type::OneOf(choices), Some(Value::Text(text))) => choices.contains(text),
        _ => wanted.takes(&part.ty),
    }
}

fn is_text(ty: &Type) -> bool {
    matches!(ty, Type::Text | Type::Digits | Type::OneOf(_))
}

fn described(part: &Part) -> String {
    match part.literal {
        Some(Value::Text(text)) => format!("the text \"{}\"", shown(text)),
        Some(value) => format!("the {} {}", value.kind().name(), value.plain()),
        None => part.ty.name().to_string(),
    }
}

fn wrong(span: Span, wanted: &str, found: &Part) -> TypeError {
    let message = format!("{wanted} is needed here, not {}", described(found));
    let hint = match (wanted, found.literal) {
        ("digits", Some(Value::Int(_) | Value::Number(_))) => Some("put digits in quotes: \"123\"".into()),
        _ => None,
    };
    TypeError { code: "E303", span, message, hint }
}
