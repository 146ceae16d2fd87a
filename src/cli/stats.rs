//! Statistics of what callers did.

use super::calls::read_time;
use super::client::Client;
use super::control::parse;
use super::output::{self, Column, Format, field};
use super::people::{rows, segment};
use super::{Common, Failure};
use serde_json::{Value, json};

#[derive(clap::Subcommand)]
pub(super) enum StatsCommand {
    /// What calls of each flow counted as, and how callers fared at each step
    Flow {
        /// One flow only
        #[arg(long)]
        flow: Option<String>,
        /// Calls that began then or later: 2026-03-08, 2026-03-08T14:05:00+08:00, or 24h for the last 24 hours
        #[arg(long, value_name = "TIME", default_value = "7d")]
        since: String,
        /// Calls that began before
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
}

const FLOWS: [Column; 13] = [
    ("flow", |row| field(row, "flow")),
    ("version", |row| short(&row["version"])),
    ("calls", |row| field(row, "calls")),
    ("short", |row| ends(row, &["short"])),
    ("resolved", |row| ends(row, &["resolved"])),
    ("left", |row| ends(row, &["left_at_input", "left_after_error", "left_waiting"])),
    ("asked for human", |row| ends(row, &["opted_out"])),
    ("routed", |row| ends(row, &["routed"])),
    ("forced", |row| ends(row, &["forced"])),
    ("overflow", |row| ends(row, &["overflow"])),
    ("other", |row| ends(row, &["dismissed", "interrupted", "message", "callback", "emergency"])),
    ("deflection", |row| format!("{}-{}", percent(&row["deflection"]["low"]), percent(&row["deflection"]["high"]))),
    ("to human", |row| format!("{} s", output::show(&row["guards"]["to_human_median_s"]))),
];

const STEPS: [Column; 18] = [
    ("flow", |row| field(row, "flow")),
    ("version", |row| short(&row["version"])),
    ("section", |row| match row["subflow"].as_str() {
        Some("") | None => field(row, "section"),
        Some(subflow) => format!("{subflow}: {}", field(row, "section")),
    }),
    ("step", |row| field(row, "step")),
    ("verb", |row| field(row, "verb")),
    ("entries", |row| field(row, "entries")),
    ("exits", |row| counts(&row["exits"])),
    ("left", |row| counts(&row["left"])),
    ("median s", |row| field(row, "median_s")),
    ("p90 s", |row| field(row, "p90_s")),
    ("silent", |row| field(row, "silent")),
    ("wrong", |row| field(row, "wrong")),
    ("repeats", |row| field(row, "repeats")),
    ("back", |row| field(row, "back")),
    ("asked for human", |row| field(row, "opted_out")),
    ("typed ahead", |row| percent(&row["typed_ahead"])),
    ("barged in", |row| percent(&row["barged"])),
    ("share left", |row| {
        let left = row["left"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum::<u64>();
        percent(&json!(left as f64 / row["entries"].as_u64().unwrap_or(1).max(1) as f64))
    }),
];

pub(super) fn stats(common: &Common, command: &StatsCommand) -> Result<(), Failure> {
    let StatsCommand::Flow { flow, since, until } = command;
    let mut path = String::from("/api/v1/stats/flows?");
    let (since, until) = (read_time(&Some(since.clone()))?, read_time(until)?);
    for (key, time) in [("since", since), ("until", until)] {
        time.iter().for_each(|time| path.push_str(&format!("{key}={time}&")));
    }
    flow.iter().for_each(|flow| path.push_str(&format!("flow={}", segment(flow))));
    let text = Client::of(common)?.get(&path)?;
    let answer = parse(&text)?;
    let flows = rows(&answer["flows"]);
    let mut steps = Vec::new();
    for flow in &flows {
        for mut step in rows(&flow["steps"]) {
            (step["flow"], step["version"]) = (flow["flow"].clone(), flow["version"].clone());
            steps.push(step);
        }
    }
    let format = Format::or_fitting(common.output);
    if format == Format::Table {
        output::print(format, &text, &flows, &FLOWS)?;
        output::write("\n")?;
        if answer["complete"] == json!(false) {
            eprintln!("hotline: too many calls for one answer, these are the first; give `--since` and `--until`");
        }
    }
    output::print(format, &text, &steps, &STEPS)
}

fn ends(row: &Value, names: &[&str]) -> String {
    names.iter().filter_map(|name| row["ends"][name].as_u64()).sum::<u64>().to_string()
}

/// The first characters tell versions apart.
fn short(version: &Value) -> String {
    output::show(version).chars().take(8).collect()
}

pub(super) fn percent(share: &Value) -> String {
    share.as_f64().map_or_else(|| "-".into(), |share| format!("{:.1}%", share * 100.0))
}

/// `1=12 give_up=3`.
fn counts(counts: &Value) -> String {
    let counts = counts.as_object().into_iter().flatten().map(|(name, count)| format!("{name}={count}"));
    let text = counts.collect::<Vec<_>>().join(" ");
    if text.is_empty() { "-".into() } else { text }
}
