//! Who gets in to the running switch, and who does not.

use super::client::Client;
use super::control::{done, parse};
use super::output::{self, Column, Format, field};
use super::people::{rows, seconds, segment};
use super::{Common, Failure};

const BUDGETS: [Column; 4] = [
    ("budget", |budget| field(budget, "id")),
    ("calls", |budget| field(budget, "calls")),
    ("guarantee", |budget| field(budget, "guarantee")),
    ("ceiling", |budget| field(budget, "ceiling")),
];

const REFUSALS: [Column; 7] = [
    ("calls", |refusal| field(refusal, "calls")),
    ("reason", |refusal| field(refusal, "reason")),
    ("status", |refusal| field(refusal, "status")),
    ("class", |refusal| field(refusal, "class")),
    ("budget", |refusal| field(refusal, "budget")),
    ("trunk", |refusal| field(refusal, "trunk")),
    ("remedy", |refusal| field(refusal, "remedy")),
];

pub(super) fn refusals(common: &Common) -> Result<(), Failure> {
    let text = Client::of(common)?.get("/api/v1/refusals")?;
    output::print(Format::or_fitting(common.output), &text, &rows(&parse(&text)?), &REFUSALS)
}

pub(super) fn admission(common: &Common) -> Result<(), Failure> {
    let format = Format::or_fitting(common.output);
    let text = Client::of(common)?.get("/api/v1/admission")?;
    let answer = parse(&text)?;
    if format == Format::Table {
        output::print_one(format, &text, &answer, &["calls", "max_calls", "admitted", "mended", "overload"])?;
        output::write("\n")?;
    }
    output::print(format, &text, &rows(&answer["budgets"]), &BUDGETS)
}

#[derive(clap::Subcommand)]
pub(super) enum BansCommand {
    /// Addresses that are banned, and for how long yet
    List,
    /// Listen again to one, or to all
    Clear {
        /// The address, as `bans list` shows it
        #[arg(required_unless_present = "all")]
        address: Option<String>,
        #[arg(long, conflicts_with = "address")]
        all: bool,
    },
}

const BANS: [Column; 4] = [
    ("address", |ban| field(ban, "address")),
    ("failures", |ban| field(ban, "failures")),
    ("since", |ban| seconds(ban, "since_s")),
    ("left", |ban| seconds(ban, "left_s")),
];

pub(super) fn bans(common: &Common, command: &BansCommand) -> Result<(), Failure> {
    let client = Client::of(common)?;
    match command {
        BansCommand::List => {
            let text = client.get("/api/v1/bans")?;
            output::print(Format::or_fitting(common.output), &text, &rows(&parse(&text)?), &BANS)
        }
        BansCommand::Clear { address: Some(address), .. } => {
            done(common, &client.send("DELETE", &format!("/api/v1/bans/{}", segment(address)), None)?)
        }
        BansCommand::Clear { address: None, .. } => done(common, &client.send("DELETE", "/api/v1/bans", None)?),
    }
}
