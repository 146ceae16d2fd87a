//! `call` and `return`: a subflow has its own variables; what it takes and gives is named on both sides.

use super::set::fitted;
use super::{Exit, Fact, Lower, Refers, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::expr::Expr;
use crate::ivr::flow::Flow;
use crate::ivr::lower::{Fields, assignments, name, received};
use crate::ivr::run::state::Vars;
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::{ASSIGNMENTS, Group, RECEIVED, Shape, optional, outcome, required};
use crate::ivr::source::Name;
use crate::ivr::yaml::Node;

#[derive(Debug)]
struct Call {
    flow: Name,
    send: Vec<(Name, Expr)>,
    /// Variable here, and the variable of the subflow that it receives.
    get: Vec<(Name, Name)>,
    failed: Name,
}

#[derive(Debug)]
struct Return {
    ok: bool,
}

pub(super) const CALL: Verb = Verb {
    name: "call",
    help: "Runs a subflow of `ivr-flows/lib/`, then carries on. The subflow declares what it takes and gives (`takes`, `gives`).",
    shape: Shape::Group(&SETTINGS),
    outcomes: &["ok (carries on)", "failed"],
    example: "- call: {flow: lib/identify, get: {account: account}, failed: agent}",
    lower,
};

const SETTINGS: Group = Group {
    what: "`call`",
    settings: &[
        required("flow", Shape::Name, "which subflow"),
        optional("send", ASSIGNMENTS, "variables that it takes"),
        optional("get", RECEIVED, "variables that receive what it gives"),
        outcome("failed", "when the subflow fails"),
    ],
};

pub(super) const RETURN: Verb = Verb {
    name: "return",
    help: "Ends a subflow. An entry flow hangs up by it.",
    shape: Shape::Word(&["ok", "failed"]),
    outcomes: &[],
    example: "- return: ok",
    lower: lower_return,
};

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &SETTINGS, lower.diags)?;
    let flow = fields.need("flow", lower.diags).and_then(|node| name(node, "a flow", lower.diags));
    let send = fields.take("send").map(|node| assignments(node, "`send`", lower.diags)).unwrap_or_default();
    let get = fields.take("get").map(|node| received(node, lower.diags)).unwrap_or_default();
    let failed = lower.outcome(&mut fields, "failed");
    fields.finish(lower.diags);
    Some(Box::new(Call { flow: flow?, send, get, failed: failed? }))
}

fn lower_return(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    match node.scalar() {
        Some("ok") => Some(Box::new(Return { ok: true })),
        Some("failed") => Some(Box::new(Return { ok: false })),
        _ => {
            lower.diags.error_hint("E112", node.span, "a subflow returns `ok` or `failed`", "write `- return: ok`");
            None
        }
    }
}

impl Step for Call {
    fn verb(&self) -> &'static str {
        "call"
    }

    fn facts<'s>(&'s self, bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.push(Fact::Refers(Refers::Flow, &self.flow));
        let sub = bundle.flow(&self.flow.text);
        let wrong = |name: &Name, message: String, hint: String| Fact::Wrong {
            code: "E202",
            span: name.span,
            message,
            hint: Some(hint),
        };
        for (variable, expr) in &self.send {
            let taken = sub.is_none_or(|sub| sub.takes.iter().any(|name| name.text == variable.text));
            if !taken {
                let message = format!("`{}` takes no `{}`", self.flow.text, variable.text);
                out.push(wrong(variable, message, format!("list it under `takes:` of {}", self.flow.text)));
            }
            let ty = sub.and_then(|sub| sub.vars.get(&variable.text)).map(|decl| decl.ty.clone());
            out.push(Fact::Reads(expr, ty));
        }
        for needed in sub.into_iter().flat_map(|sub| &sub.takes) {
            if self.send.iter().all(|(name, _)| name.text != needed.text) {
                let message = format!("`{}` needs `{}`", self.flow.text, needed.text);
                out.push(wrong(&self.flow, message, format!("add `send: {{{}: ...}}`", needed.text)));
            }
        }
        let mut sets = Vec::new();
        for (variable, from) in &self.get {
            let given = |sub: &&Flow| sub.gives.iter().any(|name| name.text == from.text);
            let decl = sub.filter(given).and_then(|sub| sub.vars.get(&from.text));
            if sub.is_some() && decl.is_none() {
                let message = format!("`{}` gives no `{}`", self.flow.text, from.text);
                out.push(wrong(from, message, format!("list it under `gives:` of {}", self.flow.text)));
            }
            out.push(Fact::Takes(from));
            sets.push((variable, decl.map(|decl| decl.ty.clone())));
        }
        out.push(Exit::to("failed", &self.failed, false));
        out.push(Exit::below_with(false, sets));
    }

    fn enter(&self, run: &mut Run) -> Next {
        let Some(index) = run.bundle.index_of(&self.flow.text) else { return Next::WayOut("lost") };
        let Some(sub) = run.bundle.flows.get(index) else { return Next::WayOut("lost") };
        let mut vars = Vars::default();
        for (variable, expr) in &self.send {
            let Some(decl) = sub.vars.get(&variable.text) else { continue };
            let value = run.value(expr).ok().and_then(|value| decl.ty.adopt(fitted(&decl.ty, value)));
            match value {
                Some(value) => vars.set(&variable.text, value, decl.secret),
                None => return Next::WayOut("fault"),
            }
        }
        match u16::try_from(index) {
            Ok(flow) => Next::Enter { flow, vars },
            Err(_) => Next::WayOut("lost"),
        }
    }

    fn returned(&self, run: &mut Run, ok: bool, vars: &Vars) -> Next {
        let failed = || Next::Go("failed".into(), self.failed.text.clone());
        if !ok {
            return failed();
        }
        for (variable, from) in &self.get {
            match vars.read(&from.text) {
                Some(value) if run.store(&variable.text, value.clone()) => {}
                _ => return failed(),
            }
        }
        Next::CarryOn("ok".into())
    }
}

impl Step for Return {
    fn verb(&self) -> &'static str {
        "return"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        if self.ok {
            out.push(Fact::Gives);
        }
        out.push(Fact::Ends);
    }

    fn enter(&self, _run: &mut Run) -> Next {
        Next::Return { ok: self.ok }
    }
}
