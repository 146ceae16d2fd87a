//! `flow publish`, `rollback` and `versions`: which flows callers take.

use super::calls::read_time;
use super::client::Client;
use super::control::{done, parse};
use super::output::{self, Column, Format, field, moment};
use super::people::rows;
use super::{Common, Failure};
use serde_json::{Value, json};

#[derive(clap::Args)]
pub(super) struct PublishArgs {
    /// When it comes into force, as 2026-03-08T06:00; at once unless told
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Let this share of the callers take it first; it is taken back by itself if it does them harm
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=50))]
    canary: Option<u8>,
    /// Let calls that wait at a question begin again at this section, now
    #[arg(long, value_name = "SECTION", conflicts_with = "canary")]
    move_calls: Option<String>,
    #[command(flatten)]
    said: Said,
    /// Do not run the flows' tests, for this reason
    #[arg(long, value_name = "WHY")]
    skip_tests: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct RollbackArgs {
    /// The beginning of a version's hash; unless told the one before, or an end of the canary
    version: Option<String>,
    #[command(flatten)]
    said: Said,
}

/// Who does it, and why: for the list of versions.
#[derive(clap::Args)]
struct Said {
    #[arg(long, value_name = "NAME", env = "USER")]
    by: Option<String>,
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

const HISTORY: [Column; 5] = [
    ("at", |row| row["at"].as_u64().map_or_else(|| "-".into(), moment)),
    ("what", |row| field(row, "what")),
    ("version", |row| field(row, "version").chars().take(12).collect()),
    ("by", |row| field(row, "by")),
    ("why", |row| field(row, "why")),
];

pub(super) fn publish(common: &Common, args: &PublishArgs) -> Result<(), Failure> {
    let wish = json!({
        "at": read_time(&args.at)?, "canary": args.canary, "move_calls": args.move_calls,
        "by": args.said.by, "why": args.said.why, "skip_tests": args.skip_tests,
    });
    done(common, &Client::of(common)?.send("POST", "/api/v1/flows/publish", Some(&wish))?)
}

pub(super) fn rollback(common: &Common, args: &RollbackArgs) -> Result<(), Failure> {
    let wish = json!({ "version": args.version, "by": args.said.by, "why": args.said.why });
    done(common, &Client::of(common)?.send("POST", "/api/v1/flows/rollback", Some(&wish))?)
}

pub(super) fn versions(common: &Common) -> Result<(), Failure> {
    let format = Format::or_fitting(common.output);
    let text = Client::of(common)?.get("/api/v1/flows/versions")?;
    let answer = parse(&text)?;
    if format == Format::Table {
        let mut lines = match &answer["current"] {
            Value::Null => "in force: the folder's flows; nothing was published yet\n".to_string(),
            version => format!("in force: {}\n", output::show(version)),
        };
        if let Value::String(instead) = &answer["instead"] {
            lines = format!(
                "in force: {instead}, the folder's flows, as the published {} cannot be used; the log says why\n",
                field(&answer, "current")
            );
        }
        if let Value::Object(_) = &answer["canary"] {
            let canary = &answer["canary"];
            lines +=
                &format!("canary: {} for {} % of the callers\n", field(canary, "version"), field(canary, "percent"));
        }
        if let Value::Object(_) = &answer["planned"] {
            let at = answer["planned"]["at"].as_u64().map_or_else(|| "-".into(), moment);
            lines += &format!("planned: {} at {at}\n", field(&answer["planned"], "version"));
        }
        output::write(&format!("{lines}\n"))?;
    }
    output::print(format, &text, &rows(&answer["history"]), &HISTORY)
}
