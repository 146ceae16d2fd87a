//! Trunks of the running switch.

use super::client::Client;
use super::control::parse;
use super::output::{self, Column, Format, field};
use super::people::{rows, seconds, segment};
use super::{Common, Failure};

#[derive(clap::Subcommand)]
pub(super) enum TrunkCommand {
    /// All trunks
    List,
    /// One trunk with its addresses
    Show {
        /// The trunk's name, as in hotline.yaml
        trunk: String,
    },
}

const TRUNKS: [Column; 8] = [
    ("trunk", |trunk| field(trunk, "id")),
    ("state", |trunk| field(trunk, "state")),
    ("why", |trunk| field(trunk, "why")),
    ("registered", |trunk| seconds(trunk, "registered_s")),
    ("calls_in", |trunk| field(trunk, "calls_in")),
    ("calls_out", |trunk| field(trunk, "calls_out")),
    ("max_calls", |trunk| field(trunk, "max_calls")),
    ("over_limit", |trunk| field(trunk, "over_limit")),
];

const TARGETS: [Column; 3] = [
    ("address", |target| field(target, "address")),
    ("up", |target| field(target, "up")),
    ("resting", |target| field(target, "resting")),
];

pub(super) fn trunk(common: &Common, command: &TrunkCommand) -> Result<(), Failure> {
    let (client, format) = (Client::of(common)?, Format::or_fitting(common.output));
    match command {
        TrunkCommand::List => {
            let text = client.get("/api/v1/trunks")?;
            output::print(format, &text, &rows(&parse(&text)?), &TRUNKS)
        }
        TrunkCommand::Show { trunk } => {
            output::refuse_csv(common)?;
            let text = client.get(&format!("/api/v1/trunks/{}", segment(trunk)))?;
            let answer = parse(&text)?;
            output::print(format, &text, std::slice::from_ref(&answer), &TRUNKS)?;
            if format == Format::Table {
                output::write("\n")?;
                output::print(format, &text, &rows(&answer["targets"]), &TARGETS)?;
            }
            Ok(())
        }
    }
}
