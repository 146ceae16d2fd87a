//! Queues and agents.

use super::client::Client;
use super::control::{done, parse};
use super::output::{self, Column, Format, clock, field};
use super::stats::percent;
use super::{Common, Failure};
use crate::config::parse_duration;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(clap::Subcommand)]
pub(super) enum QueueCommand {
    /// All queues
    List,
    /// One queue with its agents and callers
    Show {
        /// The queue's name, as in hotline.yaml
        queue: String,
    },
    /// Why a caller waits: who could take the call, and what keeps each from it
    Explain {
        /// The call's id or its ticket's, as `call list` and `queue show` tell them
        caller: String,
        #[command(flatten)]
        words: Words,
    },
}

/// In which language something is explained
#[derive(clap::Args)]
pub(super) struct Words {
    #[arg(long, value_enum, default_value = "en")]
    lang: Lang,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Lang {
    En,
    Zh,
}

#[derive(clap::Subcommand)]
pub(super) enum AgentCommand {
    /// All agents
    List,
    /// One agent
    Show {
        /// The extension, such as 1001
        agent: String,
    },
    /// Make an agent ready or not ready
    Set {
        /// The extension, such as 1001
        agent: String,
        #[arg(value_name = "STATE")]
        to: AgentState,
        /// Why, for `not_ready`: a word or two for the wallboard
        #[arg(long)]
        reason: Option<String>,
    },
    /// What an agent does, why the last caller came, and why those who wait do not
    Explain {
        /// The extension, such as 1001
        agent: String,
        #[command(flatten)]
        words: Words,
    },
    /// End an agent's wrap-up, or make it longer
    WrapUp {
        /// The extension, such as 1001
        agent: String,
        /// So much longer; without it the wrap-up ends
        #[arg(long, value_parser = parse_duration)]
        extend: Option<Duration>,
    },
    /// Say what an agent's call, or the one before, was about
    Dispose {
        /// The extension, such as 1001
        agent: String,
        /// A code of the queue, as digits or as its names joined by `/`
        code: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum AgentState {
    Ready,
    NotReady,
}

pub(super) const QUEUES: [Column; 11] = [
    ("queue", |queue| field(queue, "id")),
    ("waiting", |queue| field(queue, "waiting")),
    ("longest_wait", |queue| seconds(queue, "longest_wait_s")),
    ("agents", |queue| field(queue, "agents_logged_in")),
    ("ready", |queue| field(queue, "agents_ready")),
    ("busy", |queue| field(queue, "agents_busy")),
    ("offered", |queue| field(&queue["today"], "offered")),
    ("answered", |queue| field(&queue["today"], "answered")),
    ("abandoned", |queue| field(&queue["today"], "abandoned")),
    ("answer_rate", |queue| percent(&queue["today"]["answer_rate"])),
    ("service_level", |queue| percent(&queue["today"]["service_level"]["f4"])),
];

const AGENT: [&str; 8] = ["id", "name", "state", "reason", "state_since_s", "call", "contacts", "queues"];

const AGENTS: [Column; 8] = [
    ("agent", |agent| field(agent, "id")),
    ("name", |agent| field(agent, "name")),
    ("state", |agent| field(agent, "state")),
    ("reason", |agent| field(agent, "reason")),
    ("for", |agent| seconds(agent, "state_since_s")),
    ("call", |agent| field(agent, "call")),
    ("phones", |agent| field(agent, "contacts")),
    ("queues", |agent| field(agent, "queues")),
];

pub(super) fn queue(common: &Common, command: &QueueCommand) -> Result<(), Failure> {
    let (client, format) = (Client::of(common)?, Format::or_fitting(common.output));
    match command {
        QueueCommand::List => {
            let text = client.get("/api/v1/queues")?;
            output::print(format, &text, &rows(&parse(&text)?), &QUEUES)?;
            match format {
                Format::Table => {
                    output::write("\ncounts and rates are today's; `hotline stats queue` tells those of any time\n")
                }
                Format::Json | Format::Csv => Ok(()),
            }
        }
        QueueCommand::Explain { caller, words } => {
            explain(common, &client, &format!("/api/v1/calls/{}/why", segment(caller)), words)
        }
        QueueCommand::Show { queue } => {
            output::refuse_csv(common)?;
            let text = client.get(&format!("/api/v1/queues/{}", segment(queue)))?;
            let answer = parse(&text)?;
            output::print(format, &text, &[answer["queue"].clone()], &QUEUES)?;
            if format == Format::Table {
                output::write("\n")?;
                output::print(format, &text, &rows(&answer["agents"]), &AGENTS)?;
                output::write("\n")?;
                output::print(format, &text, &rows(&answer["calls"]), &super::calls::LIVE)?;
            }
            Ok(())
        }
    }
}

fn explain(common: &Common, client: &Client, path: &str, words: &Words) -> Result<(), Failure> {
    let text = client.get(path)?;
    let (answer, format) = (parse(&text)?, Format::or_fitting(common.output));
    if format == Format::Json {
        return output::write(&format!("{}\n", text.trim_end()));
    }
    let lang = match words.lang {
        Lang::En => "en",
        Lang::Zh => "zh",
    };
    let lines = answer[lang].as_array().into_iter().flatten().filter_map(Value::as_str);
    output::write(&lines.map(|line| format!("{}\n", output::plain_lines(line))).collect::<String>())
}

pub(super) fn agent(common: &Common, command: &AgentCommand) -> Result<(), Failure> {
    let (client, format) = (Client::of(common)?, Format::or_fitting(common.output));
    let put = |agent: &str, what: &str, body: Value| {
        done(common, &client.send("PUT", &format!("/api/v1/agents/{}/{what}", segment(agent)), Some(&body))?)
    };
    match command {
        AgentCommand::List => {
            let text = client.get("/api/v1/agents")?;
            output::print(format, &text, &rows(&parse(&text)?), &AGENTS)
        }
        AgentCommand::Show { agent } => {
            let text = client.get(&format!("/api/v1/agents/{}", segment(agent)))?;
            output::print_one(format, &text, &parse(&text)?, &AGENT)
        }
        AgentCommand::Set { agent, to, reason } => {
            let state = match to {
                AgentState::Ready => "ready",
                AgentState::NotReady => "not_ready",
            };
            put(agent, "state", json!({ "state": state, "reason": reason }))
        }
        AgentCommand::Explain { agent, words } => {
            explain(common, &client, &format!("/api/v1/agents/{}/why", segment(agent)), words)
        }
        AgentCommand::WrapUp { agent, extend: Some(by) } => {
            put(agent, "after-call", json!({ "extend_s": by.as_secs() }))
        }
        AgentCommand::WrapUp { agent, extend: None } => put(agent, "after-call", json!({ "end": true })),
        AgentCommand::Dispose { agent, code } => put(agent, "after-call", json!({ "disposition": code })),
    }
}

pub(super) fn rows(list: &Value) -> Vec<Value> {
    list.as_array().cloned().unwrap_or_default()
}

pub(super) fn seconds(row: &Value, key: &str) -> String {
    row[key].as_u64().map_or_else(|| "-".into(), clock)
}

/// A name as one part of a path (RFC 3986 2.1).
pub(super) fn segment(name: &str) -> String {
    let mut out = String::new();
    for octet in name.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(octet as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
