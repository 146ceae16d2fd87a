//! `flow explore`: every call that a flow can have, the rules it breaks with a test that shows it, and how far away a
//! human is.

use super::flows::{self, Report};
use super::{Common, Failure, output};
use crate::ivr::trial::{self, Bounds, Explored, clock};
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct ExploreArgs {
    /// Flows or folders; all entry flows of ivr-flows unless told
    paths: Vec<PathBuf>,
    /// Stop after this many states of a flow
    #[arg(long, value_name = "STATES", default_value_t = Bounds::default().states)]
    states: usize,
    /// Keys that a human may be away, in open hours
    #[arg(long, value_name = "KEYS", default_value_t = Bounds::default().human_keys)]
    human_keys: u32,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn explore(common: &Common, args: &ExploreArgs) -> Result<ExitCode, Failure> {
    let json = args.json || common.output == Some(output::Format::Json);
    let mut report = Report::new(json);
    let Some((bundle, _, wanted)) = flows::project(common, &args.paths, &mut report)? else {
        return report.finish("flows");
    };
    let bounds = Bounds { states: args.states, human_keys: args.human_keys, ..Bounds::default() };
    let mut text = String::new();
    let (mut broken, mut any) = (false, false);
    for flow in bundle.entry_flows() {
        let file = format!("{flow}.flow.yaml");
        if !(wanted.is_empty() || wanted.iter().any(|path| path.ends_with(&file))) {
            continue;
        }
        let Some(explored) = trial::explore(&bundle, flow, &bounds) else { continue };
        any = true;
        // Where it did not look, all may be well or not.
        broken |= !explored.findings.is_empty() || !explored.complete || !explored.unexplored.is_empty();
        text.push_str(&if json { as_json(flow, &explored) } else { told(flow, &explored) });
    }
    if !any {
        return Err(Failure::Usage(
            "there is no entry flow here; subflows are explored with the flows that call them".into(),
        ));
    }
    output::write(&text)?;
    Ok(ExitCode::from(u8::from(broken)))
}

fn told(flow: &str, explored: &Explored) -> String {
    let how = if explored.complete { "complete".into() } else { format!("stopped at {} states", explored.states) };
    let mut text = format!("{flow}: {} states, {how}, {} findings\n", explored.states, explored.findings.len());
    for place in &explored.unexplored {
        let _ =
            writeln!(text, "  not followed: what comes after the entry of `{place}`, for which no example was found");
    }
    for finding in &explored.findings {
        let _ = writeln!(text, "\n{}: {}\na test that fails until it is mended:", finding.property, finding.message);
        finding.script.lines().for_each(|line| _ = writeln!(text, "  {line}"));
    }
    if !explored.humans.is_empty() {
        let _ = writeln!(text, "\nways to a human (pressing at once / hearing each question out):");
    }
    for way in &explored.humans {
        let keys = if way.keys.is_empty() { "no key" } else { &way.keys };
        let times = format!("{} / {}", clock(way.at_once_ms), clock(way.listening_ms));
        let hours = if way.hours.is_empty() { String::new() } else { format!(" [{}]", way.hours) };
        let _ = writeln!(text, "  {keys:<14} {times:<18} {} at {}{hours}", way.target, way.place);
    }
    text
}

fn as_json(flow: &str, explored: &Explored) -> String {
    let findings: Vec<_> = explored
        .findings
        .iter()
        .map(|each| json!({"property": each.property, "message": each.message, "script": each.script}))
        .collect();
    let humans: Vec<_> = explored
        .humans
        .iter()
        .map(|way| {
            json!({
                "hours": way.hours, "place": way.place, "target": way.target, "keys": way.keys,
                "at_once_ms": way.at_once_ms, "listening_ms": way.listening_ms,
            })
        })
        .collect();
    let object = json!({
        "flow": flow, "states": explored.states, "complete": explored.complete, "findings": findings,
        "humans": humans, "not_followed": explored.unexplored,
    });
    format!("{object}\n")
}
