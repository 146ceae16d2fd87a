//! `flow schema` and `flow reference`: the language, for editors and for people.

use super::super::{Failure, output};
use crate::ivr;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(in crate::cli) struct SchemaArgs {
    /// flow, lookups, calendars, messages, prompts or test
    #[arg(default_value = "flow")]
    kind: Kind,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    Flow,
    Lookups,
    Calendars,
    Messages,
    Prompts,
    Test,
}

#[derive(clap::Args)]
pub(in crate::cli) struct ReferenceArgs {
    /// One verb, such as queue
    verb: Option<String>,
}

pub(super) fn schema(args: &SchemaArgs) -> Result<ExitCode, Failure> {
    let schema = ivr::schema(match args.kind {
        Kind::Flow => ivr::SchemaOf::Flow,
        Kind::Lookups => ivr::SchemaOf::Lookups,
        Kind::Calendars => ivr::SchemaOf::Calendars,
        Kind::Messages => ivr::SchemaOf::Messages,
        Kind::Prompts => ivr::SchemaOf::Prompts,
        Kind::Test => ivr::SchemaOf::Test,
    });
    output::write(&format!("{schema:#}\n"))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn reference(args: &ReferenceArgs) -> Result<ExitCode, Failure> {
    let text = ivr::reference(args.verb.as_deref());
    let text =
        text.ok_or_else(|| Failure::Usage("there is no such verb; `hotline flow reference` tells all".into()))?;
    output::write(&text)?;
    Ok(ExitCode::SUCCESS)
}
