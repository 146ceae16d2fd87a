//! Statistics of what callers did.

use super::calls::read_time;
use super::client::Client;
use super::control::parse;
use super::output::{self, Column, Format, field};
use super::people::{rows, seconds, segment};
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
    /// What became of the callers of each queue: answered, lost, service level, waits, handling
    Queue(Stretch),
    /// What each agent did: calls, talk, wrap-up, pauses, occupancy
    Agent(Stretch),
    /// The queues of each project together
    Project(Stretch),
}

#[derive(clap::Args)]
pub(super) struct Stretch {
    /// One only
    name: Option<String>,
    /// Waits that ended then or later: 2026-03-08, 2026-03-08T14:05:00+08:00, or 7d for the last 7 days
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: String,
    /// Waits that ended before
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// A line for each hour or day, as the clocks of the project have them; without it one for all
    #[arg(long)]
    by: Option<By>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum By {
    Hour,
    Day,
}

const PERIOD: Column = ("from", |row| field(row, "period"));

const QUEUES: [Column; 14] = [
    PERIOD,
    ("queue", |row| field(row, "id")),
    ("offered", |row| field(row, "offered")),
    ("answered", |row| field(row, "answered")),
    ("abandoned", |row| field(row, "abandoned")),
    ("of them short", |row| field(row, "short_abandoned")),
    ("unserved", |row| field(row, "unserved")),
    ("answer rate", |row| percent(&row["answer_rate"])),
    ("abandon rate", |row| percent(&row["abandon_rate"])),
    ("service level", |row| {
        let level = &row["service_level"];
        format!("{} in {} s", percent(&level["f4"]), field(level, "within_s"))
    }),
    ("wait s", |row| field(row, "asa_s")),
    ("longest s", |row| field(row, "longest_wait_s")),
    ("talk s", |row| field(row, "talk_s")),
    ("wrap-up s", |row| field(row, "wrap_up_s")),
];

const AGENTS: [Column; 13] = [
    PERIOD,
    ("agent", |row| field(row, "id")),
    ("answered", |row| field(row, "answered")),
    ("missed", |row| field(row, "missed")),
    ("talk s", |row| field(row, "talk_s")),
    ("wrap-up s", |row| field(row, "wrap_up_s")),
    ("logged in", |row| seconds(row, "logged_in_total_s")),
    ("talking", |row| seconds(row, "talk_total_s")),
    ("wrap-up", |row| seconds(row, "wrap_up_total_s")),
    ("ready", |row| seconds(row, "idle_total_s")),
    ("not ready", |row| seconds(row, "not_ready_total_s")),
    ("other calls", |row| seconds(row, "other_calls_total_s")),
    ("occupancy", |row| percent(&row["occupancy"])),
];

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
    match command {
        StatsCommand::Flow { flow, since, until } => flows(common, flow.as_deref(), (since, until)),
        StatsCommand::Queue(stretch) => periods(common, "queues", stretch, &QUEUES),
        StatsCommand::Agent(stretch) => periods(common, "agents", stretch, &AGENTS),
        StatsCommand::Project(stretch) => {
            let mut columns = QUEUES.to_vec();
            columns[1].0 = "project";
            columns.push(("occupancy", |row| percent(&row["occupancy"])));
            periods(common, "projects", stretch, &columns)
        }
    }
}

/// The path with the times that were asked for.
fn asked(what: &str, (since, until): (&String, &Option<String>)) -> Result<String, Failure> {
    let mut path = format!("/api/v1/stats/{what}?");
    for (key, time) in [("since", read_time(&Some(since.clone()))?), ("until", read_time(until)?)] {
        time.iter().for_each(|time| path.push_str(&format!("{key}={time}&")));
    }
    Ok(path)
}

fn periods(common: &Common, what: &str, stretch: &Stretch, columns: &[Column]) -> Result<(), Failure> {
    let mut path = asked(what, (&stretch.since, &stretch.until))?;
    stretch.name.iter().for_each(|name| path.push_str(&format!("id={}&", segment(name))));
    match stretch.by {
        None => {}
        Some(By::Hour) => path.push_str("by=hour"),
        Some(By::Day) => path.push_str("by=day"),
    }
    let text = Client::of(common)?.get(&path)?;
    let (answer, format) = (parse(&text)?, Format::or_fitting(common.output));
    tell_what_is_missing(&answer);
    output::print(format, &text, &rows(&answer["lines"]), columns)
}

fn tell_what_is_missing(answer: &Value) {
    if answer["complete"] == json!(false) {
        eprintln!("hotline: too many calls for one answer, these are the first; give `--since` and `--until`");
    }
    let (since, kept) = (answer["since"].as_u64(), answer["kept_since"].as_u64());
    if let Some(kept) = kept.filter(|kept| since.is_some_and(|since| since < *kept)) {
        eprintln!(
            "hotline: nothing is known of before {}; `records.journal_days` says how long it is kept",
            output::moment(kept)
        );
    }
}

fn flows(common: &Common, flow: Option<&str>, times: (&String, &Option<String>)) -> Result<(), Failure> {
    let mut path = asked("flows", times)?;
    let (client, all) = (Client::of(common)?, path.clone());
    flow.iter().for_each(|flow| path.push_str(&format!("flow={}", segment(flow))));
    let text = client.get(&path)?;
    let answer = parse(&text)?;
    if let Some(flow) = flow.filter(|_| rows(&answer["flows"]).is_empty()) {
        let others = rows(&parse(&client.get(&all)?)?["flows"]);
        let mut others: Vec<_> = others.iter().map(|of| field(of, "flow")).collect();
        others.dedup();
        let others = if others.is_empty() { "none".into() } else { others.join(", ") };
        return Err(Failure::Failed(format!("no call of a flow `{flow}` in that time; there were calls of: {others}")));
    }
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
        tell_what_is_missing(&answer);
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
