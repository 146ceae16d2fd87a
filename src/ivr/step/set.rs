//! `set`: gives variables the values of expressions, in the order written.

use super::{Exit, Fact, Lower, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::expr::Expr;
use crate::ivr::lower::assignments;
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::ASSIGNMENTS;
use crate::ivr::source::Name;
use crate::ivr::value::{MILLION, Type, Value};
use crate::ivr::yaml::Node;

#[derive(Debug)]
struct Set {
    assignments: Vec<(Name, Expr)>,
}

pub(super) const VERB: Verb = Verb {
    name: "set",
    help: "Gives variables a value.",
    shape: ASSIGNMENTS,
    outcomes: &["carries on"],
    example: "- set: {account: \"3101234569\"}",
    lower,
};

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let assignments = assignments(node, "`set`", lower.diags);
    Some(Box::new(Set { assignments }))
}

impl Step for Set {
    fn verb(&self) -> &'static str {
        "set"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.extend(self.assignments.iter().map(|(name, expr)| Fact::Assigns(name, expr)));
        out.push(Exit::below(false));
    }

    fn enter(&self, run: &mut Run) -> Next {
        for (name, expr) in &self.assignments {
            let wanted = run.flow().and_then(|flow| flow.vars.get(&name.text)).map(|decl| &decl.ty);
            let stored = match (wanted, run.value(expr)) {
                (Some(wanted), Ok(value)) => run.store(&name.text, fitted(wanted, value)),
                _ => false,
            };
            if !stored {
                return Next::WayOut("fault");
            }
        }
        Next::CarryOn("ok".into())
    }
}

/// A written `5` or `"123"` as the type that it is stored in; the checker has made sure that it fits.
pub(super) fn fitted(wanted: &Type, value: Value) -> Value {
    match (wanted, value) {
        (Type::Money, Value::Int(whole)) => whole.checked_mul(100).map_or(Value::Int(whole), Value::Money),
        (Type::Money, Value::Number(n)) if n % (MILLION / 100) == 0 => Value::Money(n / (MILLION / 100)),
        (Type::Digits, Value::Text(text)) => Value::Digits(text),
        (_, value) => value,
    }
}
