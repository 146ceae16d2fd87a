//! `tag` and `resolved`: words for the call's record. `resolved` says that the caller got what the call was for.

use super::{Exit, Fact, Lower, Step};
use crate::ivr::bundle::Bundle;
use crate::ivr::lower::name;
use crate::ivr::run::{Next, Run};
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

pub(super) fn lower_tag(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    Some(Box::new(Tag { tag: name(node, "a tag", lower.diags)? }))
}

pub(super) fn lower_resolved(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
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

    fn enter(&self, run: &mut Run) -> Next {
        run.trace(TraceEvent::Resolved { topic: self.topic.text.clone() });
        Next::CarryOn("ok".into())
    }
}
