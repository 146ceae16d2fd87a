//! Conditions that are no question: true or false whatever happens, or hidden by the branches above. Each is tried with
//! values that between them take every way past the constants it compares with.

use super::View;
use crate::ivr::diag::Diags;
use crate::ivr::expr::{Expr, Kind, Known, Op, Reader, eval, literals, samples};
use crate::ivr::step::{Exit, Fact, To};
use crate::ivr::value::{Type, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Combinations of values that are tried; a `choose` with more is left to exploring.
const MAX_ROWS: usize = 4_096;

pub(super) fn check(view: &View, diags: &mut Diags) {
    for node in &view.nodes {
        let conditions: Vec<&Expr> = match node.verb {
            "choose" | "say" => node
                .facts
                .iter()
                .filter_map(|fact| if let Fact::Reads(c, _) = fact { Some(*c) } else { None })
                .collect(),
            _ => continue,
        };
        let Some(table) = Table::of(view, &conditions) else { continue };
        let otherwise = node.facts.iter().find_map(|fact| match fact {
            Fact::Exit(Exit { to: To::Section(name), outcome: "else", .. }) => Some(*name),
            _ => None,
        });
        let sound = single(&conditions, &table, diags);
        if !sound || node.verb != "choose" {
            continue;
        }
        if let Some(name) = otherwise.filter(|_| table.rows.iter().all(|row| row.holds.contains(&true))) {
            let message = "one of the branches above always holds: nothing is left for `else`";
            diags.error_hint("E306", name.span, message, "leave it out, or mend the conditions");
        }
        ranges(&conditions, &table, otherwise.is_some(), diags);
    }
}

/// Conditions that never or always hold, alone or after those above.
fn single(conditions: &[&Expr], table: &Table, diags: &mut Diags) -> bool {
    let mut sound = true;
    for (index, condition) in conditions.iter().enumerate() {
        let holds = |row: &&Row| row.holds.get(index) == Some(&true);
        let first = |row: &&Row| !row.holds.iter().take(index).any(|above| *above);
        let message = match () {
            () if !table.rows.iter().any(|row| holds(&row)) => "this never holds",
            () if table.rows.iter().all(|row| holds(&row)) => "this always holds",
            () if !table.rows.iter().any(|row| holds(&row) && first(&row)) => {
                "the branches above take every case of this"
            }
            () => continue,
        };
        sound = false;
        diags.error_hint("E306", condition.span, message, "mend the condition, or leave it out");
    }
    sound
}

/// Ranges of one value that leave a gap between them, or lie half over one another.
fn ranges(conditions: &[&Expr], table: &Table, has_else: bool, diags: &mut Diags) {
    let [name] = table.names.as_slice() else { return };
    if conditions.len() < 2 || !table.ordered {
        return;
    }
    let taken: Vec<bool> = table.rows.iter().map(|row| row.holds.contains(&true)).collect();
    let (first, last) = (taken.iter().position(|t| *t), taken.iter().rposition(|t| *t));
    if let (Some(first), Some(last), false) = (first, last, has_else)
        && let Some(gap) = (first..last).find(|at| taken.get(*at) == Some(&false))
        && let Some(place) = conditions.last()
    {
        let value = table.rows.get(gap).map(|row| row.shown.clone()).unwrap_or_default();
        let message = format!("`{name}` of {value} is in none of these branches and carries on below");
        diags.warn_hint("E307", place.span, message, "close the gap, as by `<=`, or say `else:`");
    }
    for (later, condition) in conditions.iter().enumerate() {
        for earlier in 0..later {
            let mut seen = [false; 3];
            for row in &table.rows {
                match (row.holds.get(earlier), row.holds.get(later)) {
                    (Some(true), Some(true)) => seen[0] = true,
                    (Some(true), _) => seen[1] = true,
                    (_, Some(true)) => seen[2] = true,
                    _ => {}
                }
            }
            if seen == [true; 3] {
                let both = table
                    .rows
                    .iter()
                    .find(|row| row.holds.get(earlier) == Some(&true) && row.holds.get(later) == Some(&true));
                let value = both.map(|row| row.shown.clone()).unwrap_or_default();
                let message = format!("`{name}` of {value} fits a branch above as well, and goes there");
                diags.warn_hint("E308", condition.span, message, "let the ranges meet without lying over one another");
                return;
            }
        }
    }
}

/// Every combination of values, and which conditions hold in it.
struct Table {
    names: Vec<String>,
    /// There is one variable, and its values have an order.
    ordered: bool,
    rows: Vec<Row>,
}

struct Row {
    holds: Vec<bool>,
    /// The value of the one variable.
    shown: String,
}

impl Table {
    /// `None` where the conditions are beyond this: too many values, or a case that has no value.
    fn of(view: &View, conditions: &[&Expr]) -> Option<Table> {
        let mut asked = Asked { view, variables: BTreeMap::new(), others: Vec::new() };
        for condition in conditions {
            asked.collect(condition)?;
        }
        let mut constants = Vec::new();
        conditions.iter().for_each(|condition| literals(condition, &mut constants));
        let mut rows: Vec<Case> = vec![Case::default()];
        for (name, with_unset) in &asked.variables {
            let ty = view.flow.type_of(name)?;
            let mut values: Vec<Option<Value>> = samples(&ty, &constants).into_iter().map(Some).collect();
            values.extend(with_unset.then_some(None));
            rows = spread(rows, values.len(), |case, nth| {
                case.values.insert(name.clone(), values.get(nth).cloned().flatten());
            })?;
        }
        for other in &asked.others {
            rows = spread(rows, 2, |case, nth| case.others.push(((*other).clone(), nth == 1)))?;
        }
        let mut table = Table { names: asked.variables.keys().cloned().collect(), ordered: false, rows: Vec::new() };
        if let [name] = table.names.as_slice() {
            use Type::{Date, Datetime, Duration, Int, Money, Number, Time};
            let ty = view.flow.type_of(name)?;
            let known = asked.others.is_empty() && !asked.variables.values().any(|unset| *unset);
            table.ordered = known && matches!(ty, Int | Number | Money | Date | Time | Datetime | Duration);
        }
        for case in &rows {
            let holds = conditions.iter().map(|condition| case.holds(condition)).collect::<Option<Vec<bool>>>()?;
            let shown = case.values.values().flatten().next().map(Value::plain).unwrap_or_default();
            table.rows.push(Row { holds, shown });
        }
        Some(table)
    }
}

fn spread(rows: Vec<Case>, times: usize, set: impl Fn(&mut Case, usize)) -> Option<Vec<Case>> {
    if times == 0 || rows.len() * times > MAX_ROWS {
        return None;
    }
    let each = |case: Case| {
        let set = &set;
        (0..times).map(move |nth| {
            let mut case = case.clone();
            set(&mut case, nth);
            case
        })
    };
    Some(rows.into_iter().flat_map(each).collect())
}

/// What conditions ask of: variables, each with whether it may be unset, and parts that can turn out either way.
struct Asked<'v> {
    view: &'v View<'v>,
    variables: BTreeMap<String, bool>,
    others: Vec<Expr>,
}

impl Asked<'_> {
    fn collect(&mut self, expr: &Expr) -> Option<()> {
        match &expr.kind {
            Kind::Not(inner) => self.collect(inner),
            Kind::Binary(Op::And | Op::Or, a, b) => {
                self.collect(a)?;
                self.collect(b)
            }
            _ if simple(expr) => {
                let mut names = BTreeSet::new();
                expr.reads(&mut |name, _, _| _ = names.insert(name.to_string()));
                if let Kind::IsSet(name) = &expr.kind {
                    names.insert(name.clone());
                }
                for name in names {
                    let optional = self.view.flow.vars.get(&name).is_some_and(|declared| declared.optional);
                    self.variables.insert(name, optional);
                }
                Some(())
            }
            _ => {
                if !self.others.contains(expr) {
                    self.others.push(expr.clone());
                }
                Some(())
            }
        }
    }
}

/// A comparison of one variable with constants, which the samples decide.
fn simple(expr: &Expr) -> bool {
    let constant = |expr: &Expr| match &expr.kind {
        Kind::Literal(_) => true,
        Kind::Negate(inner) => matches!(inner.kind, Kind::Literal(_)),
        _ => false,
    };
    let variable = |expr: &Expr| matches!(expr.kind, Kind::Variable(_));
    match &expr.kind {
        Kind::Literal(_) | Kind::Variable(_) | Kind::IsSet(_) => true,
        Kind::Binary(Op::Equal | Op::Unequal | Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual, a, b) => {
            (constant(a) || variable(a)) && (constant(b) || variable(b)) && !(variable(a) && variable(b))
        }
        Kind::In(value, list) => variable(value) && list.iter().all(constant),
        _ => false,
    }
}

/// One combination of values.
#[derive(Clone, Default)]
struct Case {
    values: BTreeMap<String, Option<Value>>,
    others: Vec<(Expr, bool)>,
}

impl Reader for Case {
    fn read(&self, name: &str) -> Option<Value> {
        self.values.get(name).cloned().flatten()
    }
}

impl Case {
    /// What is unset is asked about by `is set` before it is read, or found by another check.
    fn holds(&self, expr: &Expr) -> Option<bool> {
        if let Some((_, holds)) = self.others.iter().find(|(other, _)| other == expr) {
            return Some(*holds);
        }
        match &expr.kind {
            Kind::Not(inner) => self.holds(inner).map(|holds| !holds),
            Kind::Binary(Op::And, a, b) => Some(self.holds(a)? && self.holds(b)?),
            Kind::Binary(Op::Or, a, b) => Some(self.holds(a)? || self.holds(b)?),
            _ => match eval(expr, self) {
                Ok(Value::Flag(holds)) => Some(holds),
                _ => None,
            },
        }
    }
}
