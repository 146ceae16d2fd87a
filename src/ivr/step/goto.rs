//! `goto`: on to another section of this flow.

use super::{Exit, Fact, Lower, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::Shape;
use crate::ivr::source::Name;
use crate::ivr::yaml::Node;

#[derive(Debug)]
struct Goto {
    section: Name,
}

pub(super) const VERB: Verb = Verb {
    name: "goto",
    help: "Goes to a section.",
    shape: Shape::Section,
    outcomes: &["the section"],
    example: "- goto: agent",
    lower,
};

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    Some(Box::new(Goto { section: lower.section(node)? }))
}

impl Step for Goto {
    fn verb(&self) -> &'static str {
        "goto"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.push(Exit::to("goto", &self.section, false));
    }

    fn enter(&self, _run: &mut Run) -> Next {
        Next::Go("goto".into(), self.section.text.clone())
    }
}
