//! `init` and `route`: a project's files, without a running switch.

use super::{Common, Failure, output};
use crate::config::{Config, DemoEnv, FILE_NAME, Secret, template};
use crate::events::Source;
use crate::ids::{AgentId, TrunkId};
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct InitArgs {
    /// Folder to make
    folder: PathBuf,
}

pub(super) fn init(args: &InitArgs) -> Result<(), Failure> {
    let written = template::write(&args.folder).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut text = String::new();
    for path in &written {
        text.push_str(&format!("{}\n", path.display()));
    }
    let folder = args.folder.display();
    text.push_str(&format!("next: hotline check --project {folder} && hotline serve --project {folder}\n"));
    output::write(&text)
}

#[derive(clap::Subcommand)]
pub(super) enum RouteCommand {
    /// Why a number leads where it leads, for a caller
    Explain {
        /// As dialled
        number: String,
        /// The caller: an extension, a trunk, or an IP address; an extension unless told
        #[arg(long, value_name = "CALLER")]
        from: Option<String>,
    },
}

pub(super) fn route(common: &Common, command: &RouteCommand) -> Result<(), Failure> {
    let RouteCommand::Explain { number, from } = command;
    let config = config(common)?;
    let table = config.routes().map_err(Failure::Usage)?;
    let mut lines = Vec::new();
    let source = match from.as_deref() {
        None => config.agents.keys().next().cloned().map(Source::Extension),
        Some(text) => match text.parse::<IpAddr>() {
            Ok(address) => {
                lines.push(table.explain_source(address));
                table.trunk_of(address).map(Source::Trunk)
            }
            Err(_) => Some(named(&config, text)?),
        },
    };
    lines.extend(table.explain(number, source.as_ref()));
    lines.push(String::new());
    output::write(&lines.join("\n"))
}

/// The project's configuration, or the demo's where there is none.
fn config(common: &Common) -> Result<Config, Failure> {
    let file = common.project.join(FILE_NAME);
    if !file.exists() {
        eprintln!("hotline: no {}: telling of the demo", file.display());
        // Routes do not depend on the password; none is made up for a question.
        let demo = Config::demo(DemoEnv { secret: Some(Secret::new("")), ..DemoEnv::default() });
        return demo.map(|demo| demo.config).map_err(|error| Failure::Usage(error.to_string()));
    }
    Config::load(&file).map_err(|error| Failure::Usage(format!("{} cannot be used\n{error}", file.display())))
}

fn named(config: &Config, name: &str) -> Result<Source, Failure> {
    if config.agents.contains_key(name) {
        return Ok(Source::Extension(AgentId::new(name)));
    }
    if config.trunks.contains_key(name) {
        return Ok(Source::Trunk(TrunkId::new(name)));
    }
    Err(Failure::Usage(format!("`{name}` is no extension, trunk or IP address; see agents and trunks in {FILE_NAME}")))
}
