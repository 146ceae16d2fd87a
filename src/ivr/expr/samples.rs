//! Values that between them take every way past the constants that expressions compare with: what exploring a flow hands
//! to it, and what conditions are judged by.

use super::{Expr, Kind};
use crate::ivr::value::{MILLION, Type, Value};
use std::collections::BTreeSet;

/// The constants in an expression.
pub fn literals(expr: &Expr, found: &mut Vec<Value>) {
    match &expr.kind {
        Kind::Literal(value) => found.push(value.clone()),
        Kind::Variable(_) | Kind::IsSet(_) => {}
        Kind::Not(inner) => literals(inner, found),
        Kind::Negate(inner) => {
            literals(inner, found);
            let mut own = Vec::new();
            literals(inner, &mut own);
            found.extend(own.into_iter().filter_map(|value| match value {
                Value::Int(n) => n.checked_neg().map(Value::Int),
                Value::Number(n) => n.checked_neg().map(Value::Number),
                Value::Money(n) => n.checked_neg().map(Value::Money),
                _ => None,
            }));
        }
        Kind::Binary(_, a, b) => {
            literals(a, found);
            literals(b, found);
        }
        Kind::In(value, list) => {
            literals(value, found);
            list.iter().for_each(|each| literals(each, found));
        }
        Kind::Call(_, arguments) => arguments.iter().for_each(|each| literals(each, found)),
    }
}

/// Each constant of the type with its neighbours, and zero or, where zero means nothing, some ordinary value.
pub fn samples(ty: &Type, constants: &[Value]) -> Vec<Value> {
    let near = |of: &dyn Fn(&Value) -> Option<i64>| {
        let each = constants.iter().filter_map(of);
        each.flat_map(|at| [at.saturating_sub(1), at, at.saturating_add(1)]).collect::<BTreeSet<i64>>()
    };
    let with_zero = |of: &dyn Fn(&Value) -> Option<i64>| {
        let mut near = near(of);
        near.extend([-1, 0, 1]);
        near.into_iter()
    };
    let ordinary = |text: &str| ty.read(text).into_iter();
    let texts = |another: &str| {
        let known = constants.iter().filter_map(|value| match value {
            Value::Text(text) | Value::Digits(text) => Some(text.clone()),
            _ => None,
        });
        known.chain([another.to_string()]).collect::<BTreeSet<_>>().into_iter().filter_map(|text| ty.read(&text))
    };
    let mut found: Vec<Value> = match ty {
        Type::Flag => vec![Value::Flag(true), Value::Flag(false)],
        Type::OneOf(choices) => choices.iter().cloned().map(Value::Text).collect(),
        Type::Int => {
            with_zero(&|value| if let Value::Int(n) = value { Some(*n) } else { None }).map(Value::Int).collect()
        }
        // A whole number may be compared with money and with numbers.
        Type::Money => {
            let fen = |value: &Value| match value {
                Value::Int(whole) => whole.checked_mul(100),
                Value::Number(n) => Some(n / (MILLION / 100)),
                Value::Money(fen) => Some(*fen),
                _ => None,
            };
            with_zero(&fen).map(Value::Money).collect()
        }
        Type::Number => {
            let millionths = |value: &Value| match value {
                Value::Int(whole) => whole.checked_mul(MILLION),
                Value::Number(n) => Some(*n),
                _ => None,
            };
            with_zero(&millionths).map(Value::Number).collect()
        }
        Type::Text => texts("another").collect(),
        Type::Digits => texts("3101234569").collect(),
        Type::Date => {
            let days = near(&|value| if let Value::Date(day) = value { Some(i64::from(*day)) } else { None });
            let days = days.into_iter().filter_map(|day| i32::try_from(day).ok());
            days.map(Value::Date).chain(ordinary("2026-03-12")).collect()
        }
        Type::Time => {
            let clocks = near(&|value| if let Value::Time(at) = value { Some(i64::from(*at)) } else { None });
            let clocks = clocks.into_iter().filter_map(|at| u32::try_from(at).ok()).filter(|at| *at < 86_400);
            clocks.map(Value::Time).chain(ordinary("18:30")).collect()
        }
        Type::Datetime => {
            let moments = near(&|value| if let Value::Datetime(at) = value { Some(*at) } else { None });
            moments.into_iter().map(Value::Datetime).chain(ordinary("2026-03-10 18:30")).collect()
        }
        Type::Duration => {
            let lengths = near(&|value| if let Value::Duration(ms) = value { Some(*ms) } else { None });
            lengths.into_iter().map(Value::Duration).chain(ordinary("300s")).collect()
        }
    };
    found.dedup();
    found
}
