//! `choose`: the first condition that holds names the section; without one, `else` or the step below.

use super::{Exit, Fact, Lower, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::expr::Expr;
use crate::ivr::lower::{Fields, expression};
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::{Group, Shape, required};
use crate::ivr::source::Name;
use crate::ivr::value::{Type, Value};
use crate::ivr::yaml::{Kind, Node};

#[derive(Debug)]
struct Choose {
    branches: Vec<(Expr, Name)>,
    otherwise: Option<Name>,
}

pub(super) const VERB: Verb = Verb {
    name: "choose",
    help: "Goes by the first condition that holds; carries on when none does.",
    shape: Shape::Either(&[Shape::List(&BRANCHES), BRANCHES]),
    outcomes: &["one for each branch", "carries on"],
    example: "- choose: [{if: account is set, goto: agent}, {else: bye}]",
    lower,
};

const BRANCHES: Shape = Shape::Either(&[Shape::Group(&BRANCH), Shape::Group(&ELSE)]);

const BRANCH: Group = Group {
    what: "a branch of `choose`",
    settings: &[
        required("if", Shape::Expression, "a condition"),
        required("goto", Shape::Section, "where to go when it holds"),
    ],
};

const ELSE: Group = Group {
    what: "the last branch of `choose`",
    settings: &[required("else", Shape::Section, "where to go when no condition holds")],
};

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        Kind::Map(_) => std::slice::from_ref(node),
        Kind::Scalar { .. } => {
            let hint = "write `- {if: condition, goto: section}` lines";
            lower.diags.error_hint("E112", node.span, "`choose` needs a list of branches", hint);
            return None;
        }
    };
    let mut choose = Choose { branches: Vec::new(), otherwise: None };
    let mut complete = true;
    for item in items {
        let group = if item.child("else").is_some() { &ELSE } else { &BRANCH };
        let Some(mut fields) = Fields::of(item, group, lower.diags) else {
            complete = false;
            continue;
        };
        if choose.otherwise.is_some() {
            lower.diags.error("E214", item.span, "nothing after `else` is ever looked at");
        }
        if item.child("else").is_some() {
            choose.otherwise = fields.need("else", lower.diags).and_then(|node| lower.section(node));
            complete &= choose.otherwise.is_some();
        } else {
            let condition = fields.need("if", lower.diags).and_then(|node| expression(node, lower.diags));
            let section = fields.need("goto", lower.diags).and_then(|node| lower.section(node));
            match (condition, section) {
                (Some(condition), Some(section)) => choose.branches.push((condition, section)),
                _ => complete = false,
            }
        }
        fields.finish(lower.diags);
    }
    complete.then(|| Box::new(choose) as Box<dyn Step>)
}

impl Step for Choose {
    fn verb(&self) -> &'static str {
        "choose"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        for (condition, section) in &self.branches {
            out.push(Fact::Reads(condition, Some(Type::Flag)));
            let mut sure = Vec::new();
            condition.proves_set(true, &mut sure);
            out.push(Fact::ExitProving(section, sure));
            let mut sure = Vec::new();
            condition.proves_set(false, &mut sure);
            out.push(Fact::Proves(sure));
        }
        out.push(match &self.otherwise {
            Some(section) => Exit::to("else", section, false),
            None => Exit::below(false),
        });
    }

    fn enter(&self, run: &mut Run) -> Next {
        for (condition, section) in &self.branches {
            match run.value(condition) {
                Ok(Value::Flag(true)) => return Next::Go(section.text.clone().into(), section.text.clone()),
                Ok(_) => {}
                Err(_) => return Next::WayOut("fault"),
            }
        }
        match &self.otherwise {
            Some(section) => Next::Go("else".into(), section.text.clone()),
            None => Next::CarryOn("none".into()),
        }
    }
}
