//! `init`, and a project's files for commands that need no running switch.

use super::{Common, Failure, output};
use crate::config::{Config, DemoEnv, FILE_NAME, Secret, template};
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

/// The project's configuration, or the demo's where there is none.
pub(super) fn config(common: &Common) -> Result<Config, Failure> {
    let file = common.project.join(FILE_NAME);
    if !file.exists() {
        eprintln!("hotline: no {}: telling of the demo", file.display());
        // Routes do not depend on the password; none is made up for a question.
        let demo = Config::demo(DemoEnv { secret: Some(Secret::new("")), ..DemoEnv::default() });
        return demo.map(|demo| demo.config).map_err(|error| Failure::Usage(error.to_string()));
    }
    Config::load(&file).map_err(|error| Failure::Usage(format!("{} cannot be used\n{error}", file.display())))
}
