//! `tag` and `resolved`: words for the call's record. `resolved` says that the caller got what the call was for.

use super::{Exit, Fact, Lower, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::lower::name;
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::Shape;
use crate::ivr::source::Name;
use crate::ivr::wire::TraceEvent;
use crate::ivr::yaml::Node;

#[derive(Debug)]
struct Tag {
    tag: Name,
}

#[derive(Debug)]
struct Resolved {
    topic: Name,
}

pub(super) const TAG: Verb = Verb {
    name: "tag",
    help: "Notes a word in the call's record.",
    shape: Shape::Name,
    outcomes: &["carries on"],
    example: "- tag: complaint",
    lower: lower_tag,
};

pub(super) const RESOLVED: Verb = Verb {
    name: "resolved",
    help: "Notes that the caller was served without an agent, and in what. Counts when the `say` before it was heard past its last value.",
    shape: Shape::Name,
    outcomes: &["carries on"],
    example: "- resolved: bill",
    lower: lower_resolved,
};

fn lower_tag(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    Some(Box::new(Tag { tag: name(node, "a tag", lower.diags)? }))
}

fn lower_resolved(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    Some(Box::new(Resolved { topic: name(node, "a topic", lower.diags)? }))
}

impl Step for Tag {
    fn verb(&self) -> &'static str {
        "tag"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.push(Exit::below(false));
    }

    fn enter(&self, run: &mut Run) -> Next {
        run.trace(TraceEvent::Tagged { tag: self.tag.text.clone() });
        Next::CarryOn("ok".into())
    }
}

impl Step for Resolved {
    fn verb(&self) -> &'static str {
        "resolved"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.push(Exit::below(false));
    }

    fn resolves(&self) -> Option<&str> {
        Some(&self.topic.text)
    }

    fn enter(&self, run: &mut Run) -> Next {
        if !run.state.books.confirms() {
            return Next::CarryOn("unheard".into());
        }
        run.trace(TraceEvent::Resolved { topic: self.topic.text.clone() });
        Next::CarryOn("ok".into())
    }
}
