//! The value of a checked expression. Arithmetic that leaves its range is a [`Fault`], never a wrapped number.

use super::{Expr, Function, Kind, Op};
use crate::ivr::value::{DAY_MS, MILLION, Type, Value, date_of, day_and_clock};

/// Why an expression has no value in this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A result does not fit its type.
    Range,
    DivideByZero,
    /// A variable that no step has set.
    Unset,
    /// The types do not go together; the checker would have said so.
    Types,
}

/// Where an expression reads its variables.
pub trait Reader {
    fn read(&self, name: &str) -> Option<Value>;
}

pub fn eval(expr: &Expr, vars: &dyn Reader) -> Result<Value, Fault> {
    match &expr.kind {
        Kind::Literal(value) => Ok(value.clone()),
        Kind::Variable(name) => vars.read(name).ok_or(Fault::Unset),
        Kind::IsSet(name) => Ok(Value::Flag(vars.read(name).is_some())),
        Kind::Not(inner) => Ok(Value::Flag(!truth(inner, vars)?)),
        Kind::Negate(inner) => negate(eval(inner, vars)?),
        Kind::Binary(Op::And, a, b) => Ok(Value::Flag(truth(a, vars)? && truth(b, vars)?)),
        Kind::Binary(Op::Or, a, b) => Ok(Value::Flag(truth(a, vars)? || truth(b, vars)?)),
        Kind::Binary(op, a, b) => binary(*op, eval(a, vars)?, eval(b, vars)?),
        Kind::In(value, list) => {
            let value = eval(value, vars)?;
            for item in list {
                if binary(Op::Equal, value.clone(), eval(item, vars)?)? == Value::Flag(true) {
                    return Ok(Value::Flag(true));
                }
            }
            Ok(Value::Flag(false))
        }
        Kind::Call(function, arguments) => {
            let values = arguments.iter().map(|a| eval(a, vars)).collect::<Result<Vec<_>, _>>()?;
            call(*function, &values)
        }
    }
}

fn truth(expr: &Expr, vars: &dyn Reader) -> Result<bool, Fault> {
    match eval(expr, vars)? {
        Value::Flag(flag) => Ok(flag),
        _ => Err(Fault::Types),
    }
}

fn negate(value: Value) -> Result<Value, Fault> {
    let minus = |n: i64| n.checked_neg().ok_or(Fault::Range);
    Ok(match value {
        Value::Int(n) => Value::Int(minus(n)?),
        Value::Number(n) => Value::Number(minus(n)?),
        Value::Money(n) => Value::Money(minus(n)?),
        Value::Duration(n) => Value::Duration(minus(n)?),
        _ => return Err(Fault::Types),
    })
}

fn binary(op: Op, a: Value, b: Value) -> Result<Value, Fault> {
    match op {
        Op::Equal | Op::Unequal | Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => {
            let order = compare(&a, &b)?;
            Ok(Value::Flag(match op {
                Op::Equal => order.is_eq(),
                Op::Unequal => order.is_ne(),
                Op::Less => order.is_lt(),
                Op::LessEqual => order.is_le(),
                Op::Greater => order.is_gt(),
                _ => order.is_ge(),
            }))
        }
        Op::StartsWith => match (text(&a), text(&b)) {
            (Some(a), Some(b)) => Ok(Value::Flag(a.starts_with(b))),
            _ => Err(Fault::Types),
        },
        _ => arithmetic(op, a, b),
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Digits(text) => Some(text),
        _ => None,
    }
}

fn compare(a: &Value, b: &Value) -> Result<std::cmp::Ordering, Fault> {
    if let (Some(a), Some(b)) = (text(a), text(b)) {
        return Ok(a.cmp(b));
    }
    if a.kind() == b.kind() {
        return Ok(a.cmp(b));
    }
    // Of different kinds, only amounts go together: in millionths of a yuan or of one.
    match (amount(a), amount(b)) {
        (Some(a), Some(b)) => Ok(a.cmp(&b)),
        _ => Err(Fault::Types),
    }
}

fn amount(value: &Value) -> Option<i128> {
    match value {
        Value::Int(n) => Some(i128::from(*n) * i128::from(MILLION)),
        Value::Number(n) => Some(i128::from(*n)),
        Value::Money(n) => Some(i128::from(*n) * 10_000),
        _ => None,
    }
}

fn arithmetic(op: Op, a: Value, b: Value) -> Result<Value, Fault> {
    use Value::{Date, Datetime, Duration, Int, Money};
    if let (Int(a), Int(b)) = (&a, &b)
        && op != Op::Divide
    {
        let result = match op {
            Op::Add => a.checked_add(*b),
            Op::Subtract => a.checked_sub(*b),
            _ => a.checked_mul(*b),
        };
        return result.map(Int).ok_or(Fault::Range);
    }
    let sign = if op == Op::Subtract { -1 } else { 1 };
    let ms_wide = |n: i64| i128::from(n) * sign;
    match (op, &a, &b) {
        (Op::Add | Op::Subtract, Duration(a), Duration(b)) => narrow(i128::from(*a) + ms_wide(*b)).map(Duration),
        (Op::Add | Op::Subtract, Datetime(a), Duration(b)) => {
            narrow(i128::from(*a) + ms_wide(*b).div_euclid(1000)).map(Datetime)
        }
        (Op::Add | Op::Subtract, Date(a), Duration(b)) => {
            let days = i128::from(*a) + ms_wide(*b).div_euclid(i128::from(DAY_MS));
            i32::try_from(days).ok().filter(|d| date_of(*d).is_some()).map(Date).ok_or(Fault::Range)
        }
        (Op::Subtract, Datetime(a), Datetime(b)) => narrow((i128::from(*a) - i128::from(*b)) * 1000).map(Duration),
        (Op::Multiply, Duration(a), Int(b)) => narrow(i128::from(*a) * i128::from(*b)).map(Duration),
        (Op::Divide, Duration(a), Int(b)) => quotient(i128::from(*a), i128::from(*b)).map(Duration),
        _ => {
            let money = matches!((&a, &b), (Money(_), _) | (_, Money(_)));
            let ratio = op == Op::Divide && matches!((&a, &b), (Money(_), Money(_)));
            let (a, b) = (amount(&a).ok_or(Fault::Types)?, amount(&b).ok_or(Fault::Types)?);
            let million = i128::from(MILLION);
            let millionths = match op {
                Op::Add => a + b,
                Op::Subtract => a - b,
                Op::Multiply => rounded(a.checked_mul(b).ok_or(Fault::Range)?, million)?,
                _ => rounded(a.checked_mul(million).ok_or(Fault::Range)?, b)?,
            };
            if money && !ratio {
                narrow(rounded(millionths, 10_000)?).map(Money)
            } else {
                narrow(millionths).map(Value::Number)
            }
        }
    }
}

fn narrow(wide: i128) -> Result<i64, Fault> {
    i64::try_from(wide).map_err(|_| Fault::Range)
}

fn quotient(a: i128, b: i128) -> Result<i64, Fault> {
    narrow(rounded(a, b)?)
}

/// Rounds half away from zero, as a bill does.
fn rounded(a: i128, b: i128) -> Result<i128, Fault> {
    if b == 0 {
        return Err(Fault::DivideByZero);
    }
    let half = b.abs() / 2;
    let away = if (a < 0) == (b < 0) { half } else { -half };
    let shifted = if b < 0 { a - away } else { a + away };
    Ok(shifted / b)
}

fn call(function: Function, values: &[Value]) -> Result<Value, Fault> {
    match (function, values) {
        (Function::Length, [value]) => {
            let text = text(value).ok_or(Fault::Types)?;
            Ok(Value::Int(text.chars().count() as i64))
        }
        (Function::Last, [value, Value::Int(count)]) => {
            let whole = text(value).ok_or(Fault::Types)?;
            let count = usize::try_from(*count).map_err(|_| Fault::Range)?;
            let skipped = whole.chars().count().saturating_sub(count);
            let end: String = whole.chars().skip(skipped).collect();
            Ok(if value.kind() == Type::Digits { Value::Digits(end) } else { Value::Text(end) })
        }
        (Function::DaysBetween, [a, b]) => {
            let (a, b) = (day(a)?, day(b)?);
            Ok(Value::Int(i64::from(b) - i64::from(a)))
        }
        _ => Err(Fault::Types),
    }
}

fn day(value: &Value) -> Result<i32, Fault> {
    match value {
        Value::Date(days) => Ok(*days),
        Value::Datetime(seconds) => Ok(day_and_clock(*seconds).0),
        _ => Err(Fault::Types),
    }
}
