//! Traces of calls, and `flow replay`: whether the flows in the folder would still take calls the way they went.

use super::client::Client;
use super::control::parse;
use super::flows::{self, Report};
use super::output;
use super::people::{rows, segment};
use super::{Common, Failure};
use crate::events::Asked;
use crate::ivr::trial::{self, Footstep, Retraced};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct ReplayArgs {
    /// Ids of calls, or files that `call show ID --trace` wrote
    #[arg(required = true)]
    calls: Vec<String>,
    /// Print each call as a test that takes the same way
    #[arg(long)]
    as_test: bool,
    /// One JSON object a line
    #[arg(long, conflicts_with = "as_test")]
    json: bool,
}

/// Events of a call that tell its way through the flow, and what of each may be told: neither numbers nor what masks hide.
const TOLD: [(&str, &[&str]); 9] = [
    ("flow_started", &["flow", "version"]),
    ("flow_step", &["flow", "section", "step", "verb"]),
    ("flow_outcome", &["section", "step", "verb", "outcome", "asked"]),
    ("flow_left", &["section", "step", "during", "asked"]),
    ("key", &["key"]),
    ("collected", &["name", "shown"]),
    ("resolved", &["topic"]),
    ("service_ended", &["end", "closed"]),
    ("flow_ended", &["flow", "outcome"]),
];

/// One line of JSON for each event, with its time from the first one.
pub(super) fn trace(answer: &Value) -> String {
    let mut text = String::new();
    let mut start = None;
    for event in rows(&answer["events"]) {
        let Some((_, keys)) = TOLD.iter().find(|(name, _)| event["event"] == *name) else { continue };
        let mono = event["mono"].as_u64().unwrap_or(0);
        let mut line = json!({ "at_ms": mono.saturating_sub(*start.get_or_insert(mono)), "event": event["event"] });
        for key in keys.iter().filter(|key| !event[**key].is_null()) {
            line[*key] = event[*key].clone();
        }
        text.push_str(&format!("{line}\n"));
    }
    text
}

pub(super) fn replay(common: &Common, args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let json = args.json || common.output == Some(output::Format::Json);
    let mut report = Report::new(json);
    let Some((bundle, ..)) = flows::project(common, &[], &mut report)? else {
        return report.finish("flows");
    };
    let mut differs = false;
    for call in &args.calls {
        let (flow, way) = read(call, &recorded(common, call)?)?;
        let Some(retraced) = trial::retrace(&bundle, &flow, &way) else {
            return Err(Failure::Failed(format!("{call}: there is no flow `{flow}` here any more")));
        };
        differs |= retraced.same < retraced.of;
        output::write(&match (args.as_test, json) {
            (true, _) => format!("# {call}\n{}", retraced.script),
            (false, true) => as_json(call, &flow, &retraced),
            (false, false) => told(call, &retraced),
        })?;
    }
    Ok(ExitCode::from(u8::from(differs)))
}

/// The trace of a file, or of a call that the switch knows.
fn recorded(common: &Common, call: &str) -> Result<String, Failure> {
    if std::path::Path::new(call).is_file() {
        return std::fs::read_to_string(call).map_err(|error| Failure::Usage(format!("{call}: {error}")));
    }
    let text = Client::of(common)?.get(&format!("/api/v1/calls/{}", segment(call)))?;
    Ok(trace(&parse(&text)?))
}

/// The flow of a trace, and the steps in it.
fn read(call: &str, trace: &str) -> Result<(String, Vec<Footstep>), Failure> {
    let bad = |what: &str| Failure::Usage(format!("{call}: {what}; `hotline call show ID --trace` writes a trace"));
    let (mut flow, mut way) = (None, Vec::new());
    for line in trace.lines().filter(|line| !line.trim().is_empty()) {
        let event: Value = serde_json::from_str(line).map_err(|_| bad("this is no line of JSON"))?;
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_string();
        let outcome = match event["event"].as_str() {
            // A call that was moved to another version began anew; the first way is the one that it took by itself.
            Some("flow_started") if flow.is_some() => break,
            Some("flow_started") => {
                flow = Some(text("flow"));
                continue;
            }
            Some("flow_step") => None,
            Some("flow_outcome") => Some(text("outcome")),
            _ => continue,
        };
        let asked: Asked = serde_json::from_value(event["asked"].clone()).unwrap_or_default();
        way.push(Footstep { section: text("section"), verb: text("verb"), outcome, asked });
    }
    match flow {
        Some(flow) if !way.is_empty() => Ok((flow, way)),
        _ => Err(bad("no flow answered this call")),
    }
}

fn told(call: &str, retraced: &Retraced) -> String {
    let Retraced { of, same, then, now, gave_up, .. } = retraced;
    let Some(then) = then else { return format!("{call}: the same, {of} steps\n") };
    let now = if now.is_empty() { "the call ends".into() } else { now.join(", or ") };
    let unsure = if *gave_up { " (not everything was looked at)" } else { "" };
    format!("{call}: differs after {same} of {of} steps{unsure}\n  then: {then}\n  now:  {now}\n")
}

fn as_json(call: &str, flow: &str, retraced: &Retraced) -> String {
    let Retraced { of, same, then, now, gave_up, .. } = retraced;
    let complete = !gave_up;
    format!(
        "{}\n",
        json!({"call": call, "flow": flow, "steps": of, "same": same, "then": then, "now": now, "complete": complete})
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_tells_the_way_with_times_from_its_start_and_no_number() {
        let events = json!({"events": [
            {"mono": 500, "event": "call_arrived", "from": "13800138000", "to": "95598"},
            {"mono": 600, "wall": 1, "seq": 2, "event": "flow_started", "flow": "power", "version": "f00d"},
            {"mono": 900, "event": "service_ended", "end": "short", "closed": false, "account": "0011223344556677"},
        ]});
        let trace = trace(&events);
        let lines: Vec<Value> = trace.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0], json!({"at_ms": 0, "event": "flow_started", "flow": "power", "version": "f00d"}));
        assert_eq!(lines[1], json!({"at_ms": 300, "event": "service_ended", "end": "short", "closed": false}));
    }

    #[test]
    fn what_is_no_trace_is_said_to_be_none() {
        assert!(read("x", "hello").is_err() && read("x", "").is_err() && read("x", "{}\n[]").is_err());
        let started = r#"{"event": "flow_started", "flow": "power"}"#;
        assert!(read("x", started).is_err(), "a call without a step has no way");
        let step = r#"{"event": "flow_step", "section": "start", "verb": "say"}"#;
        let (flow, way) = read("x", &format!("{started}\n{step}\n")).unwrap();
        assert_eq!((flow.as_str(), way.len()), ("power", 1));
    }
}
