//! What flows have to do with operators: switches that they ask for as `live.NAME`, and what they have posted.

use super::client::Client;
use super::control::{done, parse};
use super::output::{self, Column, Format, field, moment};
use super::people::{rows, segment};
use super::{Common, Failure};
use clap::ValueEnum;
use serde_json::json;

#[derive(clap::Subcommand)]
pub(super) enum LiveCommand {
    /// The switches that the flows in force ask for
    List,
    /// Turn one on or off; running calls see it at their next step
    Set { name: String, to: OnOff },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OnOff {
    On,
    Off,
}

const SWITCHES: [Column; 2] = [("switch", |row| field(row, "name")), ("on", |row| field(row, "on"))];

pub(super) fn live(common: &Common, command: &LiveCommand) -> Result<(), Failure> {
    let (client, format) = (Client::of(common)?, Format::or_fitting(common.output));
    match command {
        LiveCommand::List => {
            let text = client.get("/api/v1/live")?;
            output::print(format, &text, &rows(&parse(&text)?), &SWITCHES)
        }
        LiveCommand::Set { name, to } => {
            let body = json!({ "on": *to == OnOff::On });
            done(common, &client.send("PUT", &format!("/api/v1/live/{}", segment(name)), Some(&body))?)
        }
    }
}

#[derive(clap::Subcommand)]
pub(super) enum OutboxCommand {
    /// Messages, forms, callbacks and voicemails, and what became of them: first what somebody has to see to
    List {
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<Posted>,
        /// Those before this number, for going on where a list ended
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
        #[arg(long, value_name = "COUNT")]
        limit: Option<u32>,
    },
    /// What is in one that is not delivered: a callback's number, a form's fields
    Show { number: u64 },
    /// Try one again that was given up
    Retry(ByHand),
    /// Note that an open one or one that was given up is done; what was in it is erased
    Close(ByHand),
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Posted {
    /// For somebody to see to
    Open,
    /// Given up
    Failed,
    /// To be delivered
    Waiting,
    Delivered,
    /// Somebody has seen to it
    Closed,
}

#[derive(clap::Args)]
pub(super) struct ByHand {
    number: u64,
    /// Why, for whoever reads the journal
    #[arg(long)]
    why: String,
}

const ENTRIES: [Column; 8] = [
    ("number", |row| field(row, "reference")),
    ("what", |row| field(row, "what")),
    ("name", |row| field(row, "name")),
    ("state", |row| field(row, "state")),
    ("tries", |row| field(row, "tries")),
    ("made", |row| row["made"].as_u64().map_or_else(|| "-".into(), moment)),
    ("call", |row| field(row, "call")),
    ("why", |row| field(row, "why")),
];

pub(super) fn outbox(common: &Common, command: &OutboxCommand) -> Result<(), Failure> {
    let client = Client::of(common)?;
    let by_hand = |ByHand { number, why }: &ByHand, deed: &str| {
        let path = format!("/api/v1/outbox/{number}/{deed}");
        done(common, &client.send("POST", &path, Some(&json!({ "why": why })))?)
    };
    match command {
        OutboxCommand::List { state, before, limit } => {
            let mut path = String::from("/api/v1/outbox?");
            if let Some(state) = state.and_then(|state| state.to_possible_value()) {
                path.push_str(&format!("state={}&", state.get_name()));
            }
            before.iter().for_each(|before| path.push_str(&format!("before={before}&")));
            limit.iter().for_each(|limit| path.push_str(&format!("limit={limit}")));
            let text = client.get(&path)?;
            output::print(Format::or_fitting(common.output), &text, &rows(&parse(&text)?), &ENTRIES)
        }
        OutboxCommand::Show { number } => {
            let text = client.get(&format!("/api/v1/outbox/{number}"))?;
            let content = parse(&text)?;
            let keys: Vec<&str> = content.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
            output::print_one(Format::or_fitting(common.output), &text, &content, &keys)
        }
        OutboxCommand::Retry(which) => by_hand(which, "retry"),
        OutboxCommand::Close(which) => by_hand(which, "close"),
    }
}
