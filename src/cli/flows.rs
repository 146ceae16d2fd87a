//! `check` and `flow check`: what would keep a project from running, as a person or an editor wants to read it.

use super::{Common, Failure, output};
use crate::config::{self, Config, FILE_NAME, FlowSource, project};
use crate::ivr::{self, Platform, Sources};
use crate::media::prompts::ClipLibrary;
use crate::serve;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum FlowCommand {
    /// Check flows, prompts, lookups and calendars
    Check(FlowCheckArgs),
}

#[derive(clap::Args)]
pub(super) struct CheckArgs {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct FlowCheckArgs {
    /// Files or folders; all of ivr-flows unless told
    paths: Vec<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// The whole project: its configuration, then its flows.
pub(super) fn check(common: &Common, args: &CheckArgs) -> Result<ExitCode, Failure> {
    let file = common.project.join(FILE_NAME);
    let config = match Config::load(&file) {
        Ok(config) => config,
        Err(error) => {
            let mut report = Report::new(args.json);
            error.0.iter().for_each(|finding| report.config(finding));
            report.print()?;
            // Bad configuration, not a failed check: nothing could be made of it.
            return Ok(ExitCode::from(2));
        }
    };
    let mut report = Report::new(args.json);
    config.warnings.iter().for_each(|finding| report.config(finding));
    flows(&mut report, &config.flows, Some(&serve::platform(&config)), &[])?;
    report.finish(&file.display().to_string())
}

pub(super) fn run(common: &Common, command: &FlowCommand) -> Result<ExitCode, Failure> {
    let FlowCommand::Check(args) = command;
    let folder = project_of(common, &args.paths);
    let file = folder.join(FILE_NAME);
    let mut report = Report::new(args.json);
    let platform = match file.exists() {
        true => {
            let config = Config::load(&file);
            Some(serve::platform(&config.map_err(|error| Failure::Usage(error.to_string()))?))
        }
        false => {
            eprintln!("hotline: no {}: the names of queues, trunks and agents are not checked", file.display());
            None
        }
    };
    flows(&mut report, &FlowSource::of_project(&folder), platform.as_ref(), &args.paths)?;
    report.finish("flows")
}

/// A file that is given by its path brings its own project with it: the folder that its `ivr-flows` is in.
fn project_of(common: &Common, paths: &[PathBuf]) -> PathBuf {
    let told = common.project != Path::new(".");
    let own = paths.iter().find_map(|path| {
        let path = path.canonicalize().ok()?;
        let flows = path.ancestors().find(|folder| folder.ends_with("ivr-flows"))?;
        flows.parent().map(Path::to_path_buf)
    });
    match own {
        Some(own) if !told && common.project.canonicalize().ok().as_ref() != Some(&own) => own,
        _ => common.project.clone(),
    }
}

/// Checks all files of `source` together, since flows call each other. With `only`, what is found elsewhere is left out,
/// and flows among `only` that are not part of the project are checked against its prompts and lookups.
fn flows(
    report: &mut Report,
    source: &FlowSource,
    platform: Option<&Platform>,
    only: &[PathBuf],
) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::Usage(error.to_string());
    let mut files = project::texts(source).map_err(unreadable)?;
    let mut wanted = Vec::new();
    let mut strangers = Vec::new();
    for path in only {
        let given = if path.is_dir() { project::below(path, "yaml").map_err(unreadable)? } else { vec![path.clone()] };
        for path in given {
            let real = path.canonicalize().map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            match files.iter().position(|file| Path::new(&file.path).canonicalize().is_ok_and(|known| known == real)) {
                Some(at) => {
                    // Under the name that it was asked for.
                    files[at].path = path.display().to_string();
                }
                None => {
                    let text = project::read_text(&path).map_err(unreadable)?;
                    strangers.push(project::TextFile { path: path.display().to_string(), text });
                }
            }
            wanted.push(path.display().to_string());
        }
    }
    if !strangers.is_empty() {
        // A copy of a flow stands for it.
        let names: Vec<String> = strangers.iter().filter_map(|file| file_name(&file.path)).collect();
        files.retain(|file| file_name(&file.path).is_none_or(|name| !names.contains(&name)));
        files.append(&mut strangers);
    }
    if files.iter().all(|file| !file.path.ends_with(".flow.yaml")) {
        return Err(Failure::Usage("there are no flows here; name files, or a project with `--project DIR`".into()));
    }
    let library = clips(report, source)?;
    let sources = Sources { files: files.into_iter().map(|file| (file.path, file.text)).collect() };
    let length = |lang: &str, id: &str| library.find(lang, id).map(|clip| clip.duration_ms());
    let findings = match ivr::load(&sources, platform, &length) {
        Ok(bundle) => bundle.warnings,
        Err(findings) => findings,
    };
    for finding in findings.iter().filter(|finding| wanted.is_empty() || wanted.contains(&finding.path)) {
        report.flow(finding, &sources);
    }
    Ok(())
}

fn clips(report: &mut Report, source: &FlowSource) -> Result<ClipLibrary, Failure> {
    let audio = project::audio(source).map_err(|error| Failure::Usage(error.to_string()))?;
    let names: Vec<(String, &[u8])> =
        audio.iter().map(|file| (format!("{}/{}.wav", file.lang, file.id), file.bytes.as_ref())).collect();
    match ClipLibrary::from_files(names.iter().map(|(name, octets)| (name.as_str(), *octets))) {
        Ok(library) => Ok(library),
        Err(faults) => {
            faults.iter().for_each(|fault| report.audio(&fault.to_string()));
            Ok(ClipLibrary::default())
        }
    }
}

fn file_name(path: &str) -> Option<String> {
    Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned())
}

/// Findings in the two forms of the contract, and whether one of them is an error.
struct Report {
    json: bool,
    text: String,
    errors: usize,
    warnings: usize,
}

impl Report {
    fn new(json: bool) -> Self {
        Self { json, text: String::new(), errors: 0, warnings: 0 }
    }

    fn config(&mut self, finding: &config::Diagnostic) {
        self.count(finding.level == config::Level::Error);
        match self.json {
            true => self.line(&serde_json::to_string(finding).unwrap_or_default()),
            false => self.line(&finding.to_string()),
        }
    }

    fn flow(&mut self, finding: &ivr::Diagnostic, sources: &Sources) {
        self.count(finding.is_error());
        match self.json {
            true => self.line(&finding.json_line()),
            false => self.line(&finding.render(sources)),
        }
    }

    fn audio(&mut self, text: &str) {
        self.config(&config::Diagnostic {
            code: "C160",
            level: config::Level::Error,
            path: "prompts".into(),
            line: 0,
            column: 0,
            message: text.to_string(),
            suggestion: None,
        });
    }

    fn count(&mut self, error: bool) {
        if error {
            self.errors += 1;
        } else {
            self.warnings += 1;
        }
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn print(&self) -> Result<(), Failure> {
        output::write(&self.text)
    }

    /// Prints everything; the code says whether an error was found.
    fn finish(mut self, what: &str) -> Result<ExitCode, Failure> {
        if !self.json {
            let counted = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
            let (errors, warnings) = (counted(self.errors, "error"), counted(self.warnings, "warning"));
            self.line(&format!("{what}: {errors}, {warnings}"));
        }
        self.print()?;
        Ok(if self.errors > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }
}
