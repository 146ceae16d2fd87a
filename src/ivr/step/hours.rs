//! `hours`: branches on a calendar.

use super::{Exit, Fact, Lower, Refers, Step, Verb};
use crate::ivr::bundle::Bundle;
use crate::ivr::calendar::Openness;
use crate::ivr::lower::{Fields, name};
use crate::ivr::run::{Next, Run};
use crate::ivr::settings::{Group, Shape, optional, outcome, required};
use crate::ivr::source::Name;
use crate::ivr::yaml::Node;

#[derive(Debug)]
struct Hours {
    calendar: Name,
    open: Option<Name>,
    closed: Name,
    holiday: Option<Name>,
}

pub(super) const VERB: Verb = Verb {
    name: "hours",
    help: "Asks a calendar of `ivr-flows/calendars.yaml` whether it is open now.",
    shape: Shape::Group(&SETTINGS),
    outcomes: &["open", "closed", "holiday"],
    example: "- hours: {calendar: agents, closed: bye}",
    lower,
};

const SETTINGS: Group = Group {
    what: "`hours`",
    settings: &[
        required("calendar", Shape::Name, "which calendar"),
        optional("open", Shape::Section, "where to go when it is open; carries on unless told"),
        outcome("closed", "when it is closed"),
        optional("holiday", Shape::Section, "where to go on a holiday; as `closed` unless told"),
    ],
};

fn lower(node: &Node, lower: &mut Lower) -> Option<Box<dyn Step>> {
    let mut fields = Fields::of(node, &SETTINGS, lower.diags)?;
    let calendar = fields.need("calendar", lower.diags).and_then(|node| name(node, "a calendar", lower.diags));
    let open = lower.optional_section(&mut fields, "open");
    let closed = lower.outcome(&mut fields, "closed");
    let holiday = lower.optional_section(&mut fields, "holiday");
    fields.finish(lower.diags);
    Some(Box::new(Hours { calendar: calendar?, open: open?, closed: closed?, holiday: holiday? }))
}

impl Step for Hours {
    fn verb(&self) -> &'static str {
        "hours"
    }

    fn facts<'s>(&'s self, _bundle: &'s Bundle, out: &mut Vec<Fact<'s>>) {
        out.push(Fact::Refers(Refers::Calendar, &self.calendar));
        out.push(Exit::to("closed", &self.closed, false));
        out.extend(self.holiday.iter().map(|section| Exit::to("holiday", section, false)));
        out.push(self.open.as_ref().map_or(Exit::below(false), |section| Exit::to("open", section, false)));
    }

    fn enter(&self, run: &mut Run) -> Next {
        let Some(hours) = run.hours(&self.calendar.text) else { return Next::WayOut("fault") };
        let to = |outcome: &'static str, section: &Name| Next::Go(outcome.into(), section.text.clone());
        match (hours, &self.open) {
            (Openness::Open, Some(section)) => to("open", section),
            (Openness::Open, None) => Next::CarryOn("open".into()),
            (Openness::Closed, _) => to("closed", &self.closed),
            (Openness::Holiday, _) => to("holiday", self.holiday.as_ref().unwrap_or(&self.closed)),
        }
    }
}
