//! Calls in progress, calls that ended, and the export of their records.

use super::client::Client;
use super::control::{done, parse};
use super::output::{self, Column, Format, field, moment};
use super::people::{rows, seconds, segment};
use super::{Common, Failure};
use crate::cdr::{csv_header, csv_row};
use crate::config::{FILE_NAME, Reach, parse_duration};
use crate::store::{CdrFilter, Records};
use serde_json::{Value, json};
use std::io::Write;

#[derive(clap::Subcommand)]
pub(super) enum CallCommand {
    /// Calls in progress, then the last ones that ended
    List {
        /// How many ended ones
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Calls in progress only
        #[arg(long)]
        live: bool,
    },
    /// One call with everything that happened in it
    Show {
        /// The call's id, as `call list` shows it
        call: String,
        /// Only its way through the flow, as lines for `flow replay`: no numbers, nothing that is masked
        #[arg(long)]
        trace: bool,
    },
    /// Ring an agent, and when it answers a number as if the agent had dialled it
    Connect {
        /// The agent's extension
        agent: String,
        /// A number that the agent may dial
        to: String,
    },
    /// Send whom an agent talks to in a call to another number, as the agent's phone could
    Transfer {
        /// The call's id, as `call list` shows it
        call: String,
        /// A number that the agent may dial
        to: String,
    },
    /// Ring an extension and let it hear a call, heard by nobody; its keys 4, 5 and 6 change to listen, whisper and barge
    Listen(Supervision),
    /// The same, heard by the agent alone
    Whisper(Supervision),
    /// The same, heard by caller and agent
    Barge(Supervision),
    /// Give the caller to who supervises the call, and let the agent go
    Takeover(Supervision),
    /// Let whom an agent talks to in another call talk with both in this one
    Join {
        /// The call's id, as `call list` shows it
        call: String,
        /// The agent's other call, which ends
        other: String,
    },
    /// Pause or resume the recording of a call
    Record {
        #[arg(value_enum)]
        what: Record,
        /// The call's id, as `call list` shows it
        call: String,
    },
    /// End a call
    Hangup {
        /// The call's id, as `call list` shows it
        #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
        call: String,
    },
}

#[derive(clap::Args)]
pub(super) struct Supervision {
    /// The call's id, as `call list` shows it
    call: String,
    /// The supervisor's extension
    #[arg(long, value_name = "EXTENSION")]
    by: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Record {
    /// What is said from now on becomes silence in the recording
    Pause,
    Resume,
}

#[derive(clap::Subcommand)]
pub(super) enum CdrCommand {
    /// Print call records, oldest first
    Export(ExportArgs),
}

#[derive(clap::Args)]
pub(super) struct ExportArgs {
    /// csv unless told
    #[arg(long, value_enum)]
    format: Option<ExportFormat>,
    /// Calls that began then or later: 2026-03-08, 2026-03-08T14:05:00+08:00, or 24h for the last 24 hours
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Calls that began before
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[arg(long)]
    limit: Option<u32>,
    #[arg(long)]
    from: Option<String>,
    #[arg(long)]
    to: Option<String>,
    #[arg(long)]
    queue: Option<String>,
    #[arg(long)]
    agent: Option<String>,
    /// Such as normal, no_answer or interrupted
    #[arg(long)]
    cause: Option<String>,
    /// Read the state folder's database, for when no switch is running
    #[arg(long)]
    offline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ExportFormat {
    Csv,
    Jsonl,
}

pub(super) const LIVE: [Column; 8] = [
    ("call", |call| field(call, "id")),
    ("from", |call| field(call, "from")),
    ("to", |call| field(call, "to")),
    ("state", |call| field(call, "state")),
    ("for", |call| seconds(call, "age_s")),
    ("queue", |call| field(call, "queue")),
    ("agent", |call| field(call, "agent")),
    ("step", |call| field(call, "flow")),
];

/// Live and ended calls in one table: an ended one is brought into the shape of a live one.
const LISTED: [Column; 11] = [
    ("call", |call| field(call, "id")),
    ("start", |call| call["since"].as_u64().map_or_else(|| "-".into(), moment)),
    ("from", |call| field(call, "from")),
    ("to", |call| field(call, "to")),
    ("state", |call| field(call, "state")),
    ("length", |call| seconds(call, "age_s")),
    ("queue", |call| field(call, "queue")),
    ("agent", |call| field(call, "agent")),
    ("flow", |call| if call["cause"].is_null() { "-".into() } else { field(call, "flow") }),
    ("step", |call| if call["cause"].is_null() { field(call, "flow") } else { "-".into() }),
    ("counts as", |call| field(call, "service_end")),
];

const EVENTS: [Column; 3] = [
    ("at", |event| event["mono"].as_u64().map_or_else(|| "-".into(), |ms| format!("{:.3}", ms as f64 / 1000.0))),
    ("event", |event| field(event, "event")),
    ("what", what),
];

pub(super) fn call(common: &Common, command: &CallCommand) -> Result<(), Failure> {
    let (client, format) = (Client::of(common)?, Format::or_fitting(common.output));
    match command {
        CallCommand::List { limit, live } => {
            let limit = if *live { 0 } else { *limit };
            let text = client.get(&format!("/api/v1/calls?limit={limit}"))?;
            let answer = parse(&text)?;
            let mut listed = rows(&answer["live"]);
            listed.extend(rows(&answer["recent"]).iter().map(ended));
            output::print(format, &text, &listed, &LISTED)
        }
        CallCommand::Show { call, trace } => {
            let text = client.get(&format!("/api/v1/calls/{}", segment(call)))?;
            if *trace {
                return output::write(&super::flow_replay::trace(&parse(&text)?));
            }
            show(format, &text)
        }
        CallCommand::Connect { agent, to } => {
            let body = json!({ "agent": agent, "to": to });
            done(common, &client.send("POST", "/api/v1/calls", Some(&body))?)
        }
        CallCommand::Transfer { call, to } => act(common, &client, "POST", (call, "transfer"), &json!({ "to": to })),
        CallCommand::Listen(wish) => supervise(common, &client, wish, "listen"),
        CallCommand::Whisper(wish) => supervise(common, &client, wish, "whisper"),
        CallCommand::Barge(wish) => supervise(common, &client, wish, "barge"),
        CallCommand::Takeover(wish) => {
            act(common, &client, "POST", (&wish.call, "takeover"), &json!({ "by": wish.by }))
        }
        CallCommand::Join { call, other } => act(common, &client, "POST", (call, "join"), &json!({ "other": other })),
        CallCommand::Record { what, call } => {
            act(common, &client, "PUT", (call, "recording"), &json!({ "paused": *what == Record::Pause }))
        }
        CallCommand::Hangup { call } => {
            done(common, &client.send("DELETE", &format!("/api/v1/calls/{}", segment(call)), None)?)
        }
    }
}

fn supervise(common: &Common, client: &Client, wish: &Supervision, mode: &str) -> Result<(), Failure> {
    act(common, client, "POST", (&wish.call, "supervise"), &json!({ "by": wish.by, "mode": mode }))
}

fn act(
    common: &Common,
    client: &Client,
    method: &str,
    (call, what): (&str, &str),
    body: &Value,
) -> Result<(), Failure> {
    done(common, &client.send(method, &format!("/api/v1/calls/{}/{what}", segment(call)), Some(body))?)
}

fn ended(cdr: &Value) -> Value {
    json!({
        "id": cdr["call_id"], "since": cdr["started"], "from": cdr["from"], "to": cdr["to"],
        "cause": cdr["cause"], "state": format!("ended: {}", output::field(cdr, "cause")), "age_s": cdr["duration_ms"].as_u64().map(|ms| ms / 1000),
        "queue": cdr["queue"], "agent": cdr["agent"], "flow": cdr["flow"], "service_end": cdr["service_end"],
    })
}

fn show(format: Format, text: &str) -> Result<(), Failure> {
    let answer = parse(text)?;
    let mut events = rows(&answer["events"]);
    // Times count from the call's own beginning.
    let start = events.first().and_then(|event| event["mono"].as_u64()).unwrap_or(0);
    for event in &mut events {
        if let Some(mono) = event["mono"].as_u64().filter(|mono| *mono >= start) {
            event["mono"] = json!(mono - start);
        }
    }
    if format == Format::Table {
        let (head, columns) = match answer["record"].is_null() {
            true => (answer["live"].clone(), &LIVE[..]),
            false => (ended(&answer["record"]), &LISTED[..]),
        };
        output::print(format, text, &[head], columns)?;
        output::write("\n")?;
    }
    output::print(format, text, &events, &EVENTS)
}

/// What is special about an event: every field that not all events have.
fn what(event: &Value) -> String {
    const COMMON: [&str; 5] = ["seq", "wall", "mono", "call", "event"];
    let fields = event.as_object().into_iter().flatten().filter(|(key, _)| !COMMON.contains(&key.as_str()));
    fields.map(|(key, value)| format!("{key}={}", output::show(value))).collect::<Vec<_>>().join(" ")
}

pub(super) fn cdr(common: &Common, command: &CdrCommand) -> Result<(), Failure> {
    let CdrCommand::Export(args) = command;
    let format = export_format(args.format, common.output)?;
    let (since, until) = (read_time(&args.since)?, read_time(&args.until)?);
    if args.offline {
        return offline(common, args, format, since, until);
    }
    let format = match format {
        ExportFormat::Csv => "csv",
        ExportFormat::Jsonl => "jsonl",
    };
    let mut path = format!("/api/v1/cdrs?format={format}");
    let numbers = [("since", since), ("until", until), ("limit", args.limit.map(u64::from))];
    let mut query: Vec<(&str, String)> =
        numbers.into_iter().filter_map(|(key, value)| Some((key, value?.to_string()))).collect();
    let texts = [
        ("from", &args.from),
        ("to", &args.to),
        ("queue", &args.queue),
        ("agent", &args.agent),
        ("cause", &args.cause),
    ];
    query.extend(texts.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))));
    for (key, value) in query {
        path.push_str(&format!("&{key}={}", segment(&value)));
    }
    Client::of(common)?.request("GET", &path, None)?.copy_to(&mut std::io::stdout().lock())
}

/// `-o json` asks for what programs read: one record a line, since there may be millions.
fn export_format(told: Option<ExportFormat>, output: Option<Format>) -> Result<ExportFormat, Failure> {
    match (told, output) {
        (told, None) => Ok(told.unwrap_or(ExportFormat::Csv)),
        (None | Some(ExportFormat::Csv), Some(Format::Csv)) => Ok(ExportFormat::Csv),
        (None | Some(ExportFormat::Jsonl), Some(Format::Json)) => Ok(ExportFormat::Jsonl),
        _ => {
            Err(Failure::Usage("call records come as `--format csv` or `--format jsonl`, without another `-o`".into()))
        }
    }
}

fn offline(
    common: &Common,
    args: &ExportArgs,
    format: ExportFormat,
    since: Option<u64>,
    until: Option<u64>,
) -> Result<(), Failure> {
    let reach = Reach::of(&common.project.join(FILE_NAME));
    let state = common.state.clone().or(reach.state_dir).unwrap_or_else(|| common.project.join("state"));
    let filter = CdrFilter {
        since,
        until,
        from: args.from.clone(),
        to: args.to.clone(),
        queue: args.queue.clone(),
        agent: args.agent.clone(),
        cause: args.cause.clone(),
        ..CdrFilter::default()
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut result = Ok(());
    if format == ExportFormat::Csv {
        out.write_all(csv_header().as_bytes())?;
    }
    let mut left = args.limit.unwrap_or(u32::MAX);
    let read = Records::of(&state.join("hotline.db")).export(&filter, |stored| {
        if left == 0 {
            return false;
        }
        left -= 1;
        result = match format {
            ExportFormat::Jsonl => writeln!(out, "{}", stored.json),
            // A record that this version cannot read has no columns.
            ExportFormat::Csv => stored.record().map_or(Ok(()), |record| out.write_all(csv_row(&record).as_bytes())),
        };
        result.is_ok()
    });
    read.map_err(|error| Failure::Usage(error.to_string()))?;
    result?;
    Ok(out.flush()?)
}

/// A moment as milliseconds since 1970: a date or time of this machine's zone, RFC 3339, or how long ago.
pub(super) fn read_time(text: &Option<String>) -> Result<Option<u64>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let now = jiff::Zoned::now();
    let moment = if let Ok(ago) = parse_duration(text) {
        jiff::SignedDuration::try_from(ago).ok().and_then(|ago| now.timestamp().checked_sub(ago).ok())
    } else if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        Some(stamp)
    } else {
        let civil = text.parse::<jiff::civil::DateTime>().ok();
        civil.and_then(|civil| civil.to_zoned(now.time_zone().clone()).ok()).map(|zoned| zoned.timestamp())
    };
    let moment = moment.and_then(|moment| u64::try_from(moment.as_millisecond()).ok());
    moment.map(Some).ok_or_else(|| {
        Failure::Usage(format!("`{text}` is no time; write 2026-03-08, 2026-03-08T14:05, or 24h for the last 24 hours"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_a_moment_or_so_long_ago() {
        let read = |text: &str| read_time(&Some(text.into())).unwrap().unwrap();
        assert_eq!(read("2026-03-08T14:05:00+08:00"), 1_772_949_900_000);
        assert_eq!(read("2026-03-09") - read("2026-03-08"), 86_400_000);
        assert!(read("1h") < read("1m"));
        assert!(read_time(&Some("yesterday".into())).is_err());
    }

    #[test]
    fn an_export_keeps_to_the_form_that_was_asked_for() {
        assert_eq!(export_format(None, None), Ok(ExportFormat::Csv));
        assert_eq!(export_format(None, Some(Format::Json)), Ok(ExportFormat::Jsonl));
        assert_eq!(export_format(Some(ExportFormat::Jsonl), None), Ok(ExportFormat::Jsonl));
        for (told, output) in [(None, Format::Table), (Some(ExportFormat::Csv), Format::Json)] {
            assert!(matches!(export_format(told, Some(output)), Err(Failure::Usage(_))), "{told:?} {output:?}");
        }
    }

    #[test]
    fn an_event_shows_what_is_special_about_it() {
        let event =
            json!({"seq": 1, "wall": 2, "mono": 3, "call": "a", "event": "leg_ended", "cause": "busy", "leg": "1"});
        assert_eq!(what(&event), "cause=busy leg=1");
    }

    #[test]
    fn names_cannot_leave_their_part_of_a_path() {
        assert_eq!(segment("../stop?x=1&y#"), "..%2Fstop%3Fx%3D1%26y%23");
    }
}
