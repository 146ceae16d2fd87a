//! `check` and `flow check`: what would keep a project from running, as a person or an editor wants to read it.

mod neat;
mod say;
mod schema;

use super::{Common, Failure, output};
use crate::config::project::AudioFile;
use crate::config::{Config, FILE_NAME, FlowSource, project};
use crate::ivr::{self, Allowed, Bundle, Level, Platform, Sources, trial};
use crate::media::prompts::{self, ClipLibrary};
use crate::serve;
use crate::source::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A text without its recording, with an older one, with one that nobody has spoken.
const UNRECORDED: &str = "E502";
const OUTDATED: &str = "E507";
const PLACEHOLDER: &str = "E508";
/// Recordings of a language that are told one by one.
const RECORDINGS_SHOWN: usize = 6;

#[derive(clap::Subcommand)]
pub(super) enum FlowCommand {
    /// Check flows, prompts, lookups and calendars
    Check(FlowCheckArgs),
    /// Run the flows' tests, without a switch and in no time
    Test(super::flow_test::TestArgs),
    /// Follow every call that a flow can have, and name the dead ends
    Explore(super::flow_explore::ExploreArgs),
    /// Call a flow from the keyboard, in virtual time
    Try(super::flow_try::TryArgs),
    /// Print the JSON Schema of a kind of file, for editors
    Schema(schema::SchemaArgs),
    /// Print the language's verbs and settings, or one verb
    Reference(schema::ReferenceArgs),
    /// Lay flow files out anew: indents, spaces, long lines; comments and meaning stay
    Fmt(neat::FmtArgs),
    /// Draw a flow, for a wiki or a program
    Graph(neat::GraphArgs),
    /// Tell what a caller would hear of a value
    Say(say::SayArgs),
    /// Put the flows of the running switch's folder in force
    Publish(super::flow_publish::PublishArgs),
    /// Go back to an earlier version, or end a canary
    Rollback(super::flow_publish::RollbackArgs),
    /// What is in force, and what was
    Versions,
    /// Whether the flows here would still take calls the way they went
    Replay(super::flow_replay::ReplayArgs),
}

#[derive(clap::Args)]
pub(super) struct CheckArgs {
    /// Fail also when a recording is missing
    #[arg(long)]
    production: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct FlowCheckArgs {
    /// Files or folders; all of ivr-flows unless told
    paths: Vec<PathBuf>,
    /// Fail also for recordings that are missing, placeholders, or older than their text
    #[arg(long)]
    production: bool,
    /// List what `# ivr: allow` comments accept, and why
    #[arg(long)]
    allowed: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// The whole project: its configuration, then its flows.
pub(super) fn check(common: &Common, args: &CheckArgs) -> Result<ExitCode, Failure> {
    output::refuse_csv(common)?;
    let file = common.project.join(FILE_NAME);
    let json = args.json || common.output == Some(output::Format::Json);
    let mut report = Report { production: args.production, ..Report::new(json) };
    let config = match Config::load(&file) {
        Ok(config) => config,
        Err(error) => {
            error.0.iter().for_each(|finding| report.add(finding));
            let source = FlowSource::of_project(&common.project);
            // The flows' own mistakes are there all the same; only the names that the configuration gives are not known.
            if !project::flow_names(&source).is_empty() {
                flows(&mut report, &source, None, &[])?;
            }
            return report.finish(&file.display().to_string());
        }
    };
    config.warnings.iter().for_each(|finding| report.add(finding));
    flows(&mut report, &config.flows, Some(&serve::platform(&config)), &[])?;
    report.finish(&file.display().to_string())
}

pub(super) fn run(common: &Common, command: &FlowCommand) -> Result<ExitCode, Failure> {
    match command {
        FlowCommand::Check(args) => check_flows(common, args),
        FlowCommand::Test(args) => super::flow_test::test(common, args),
        FlowCommand::Explore(args) => super::flow_explore::explore(common, args),
        FlowCommand::Try(args) => super::flow_try::run(common, args),
        FlowCommand::Schema(args) => schema::schema(args),
        FlowCommand::Reference(args) => schema::reference(args),
        FlowCommand::Fmt(args) => neat::fmt(common, args),
        FlowCommand::Graph(args) => neat::graph(common, args),
        FlowCommand::Say(args) => say::say(args),
        FlowCommand::Publish(args) => super::flow_publish::publish(common, args).map(|()| ExitCode::SUCCESS),
        FlowCommand::Rollback(args) => super::flow_publish::rollback(common, args).map(|()| ExitCode::SUCCESS),
        FlowCommand::Replay(args) => super::flow_replay::replay(common, args),
        FlowCommand::Versions => super::flow_publish::versions(common).map(|()| ExitCode::SUCCESS),
    }
}

fn check_flows(common: &Common, args: &FlowCheckArgs) -> Result<ExitCode, Failure> {
    output::refuse_csv(common)?;
    let folder = project_of(common, &args.paths);
    let file = folder.join(FILE_NAME);
    let json = args.json || common.output == Some(output::Format::Json);
    let mut report = Report { production: args.production, allowed: args.allowed, ..Report::new(json) };
    let platform = match file.exists() {
        true => match Config::load(&file) {
            Ok(config) => Some(serve::platform(&config)),
            Err(error) => {
                error.0.iter().for_each(|finding| report.add(finding));
                None
            }
        },
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
    let (sources, wanted, faults) = gather(source, only)?;
    let asked_for = |finding: &Diagnostic| wanted.is_empty() || wanted.contains(&finding.path);
    recordings(report, source, &sources)?;
    let findings = match load(report, source, &sources, platform)? {
        Ok(bundle) => {
            let accepted = bundle.allowed.iter().filter(|accepted| asked_for(&accepted.finding));
            accepted.for_each(|accepted| report.accepted(accepted));
            let ending: Vec<Diagnostic> = bundle.ending(serve::clock::wall_ms()).cloned().collect();
            let (_, tests) = trial::read(&sources, &bundle);
            bundle.warnings.into_iter().chain(ending).chain(tests).collect()
        }
        Err(findings) => findings,
    };
    faults.iter().chain(&findings).filter(|finding| asked_for(finding)).for_each(|finding| report.add(finding));
    Ok(())
}

/// Recordings that say something else than their text, and those that nobody has spoken. Missing ones are told where they
/// are played.
fn recordings(report: &mut Report, source: &FlowSource, sources: &Sources) -> Result<(), Failure> {
    let FlowSource::Folders { prompts, .. } = source else { return Ok(()) };
    let mut told: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
    for piece in super::prompts::pieces_of(sources, prompts) {
        let (code, message, help) = match piece.state {
            super::prompts::State::Changed => {
                let message = format!("`{}` was recorded before its text changed", piece.spoken.file);
                (OUTDATED, message, "record it anew, or `hotline prompt accept` it")
            }
            super::prompts::State::Placeholder if report.production => (
                PLACEHOLDER,
                format!("`{}` is a placeholder", piece.spoken.file),
                "record it; `hotline prompt script` lists all",
            ),
            _ => continue,
        };
        let count = told.entry((code, piece.spoken.lang.clone())).or_default();
        *count += 1;
        report.unready += usize::from(report.production);
        if *count <= RECORDINGS_SHOWN || report.json {
            let mut finding = Diagnostic::of_file(code, piece.path.display().to_string(), message, Some(help.into()));
            finding.level = Level::Warning;
            report.add(&finding);
        }
    }
    let json = report.json;
    for ((code, lang), count) in told.into_iter().filter(|(_, count)| *count > RECORDINGS_SHOWN && !json) {
        report
            .line(&format!("{code}: {} more in `{lang}`; `hotline prompt status` lists all", count - RECORDINGS_SHOWN));
    }
    Ok(())
}

/// The texts of a project together with those among `only` that are not part of it, and the paths that `only` stands for.
/// What is wrong with their octets is told apart.
fn gather(source: &FlowSource, only: &[PathBuf]) -> Result<(Sources, Vec<String>, Vec<Diagnostic>), Failure> {
    let unreadable = |error: std::io::Error| Failure::Usage(error.to_string());
    let mut faults = Vec::new();
    let mut files = project::texts_with(source, &mut faults).map_err(unreadable)?;
    let mut wanted = Vec::new();
    let mut strangers = Vec::new();
    for path in only {
        let given = if path.is_dir() { project::below(path, "yaml").map_err(unreadable)? } else { vec![path.clone()] };
        for path in given {
            let real = path.canonicalize().map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            match files.iter().position(|file| Path::new(&file.path).canonicalize().is_ok_and(|known| known == real)) {
                Some(at) => {
                    // Under the name that it was asked for.
                    let name = path.display().to_string();
                    let same = faults.iter_mut().filter(|fault| fault.path == files[at].path);
                    same.for_each(|fault| fault.path.clone_from(&name));
                    files[at].path = name;
                }
                None => {
                    strangers.push(project::read_file(&path, &mut faults).map_err(unreadable)?);
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
    Ok((Sources { files: files.into_iter().map(|file| (file.path, file.text)).collect() }, wanted, faults))
}

/// Flows and texts with the lengths of their recordings.
pub(super) fn load(
    report: &mut Report,
    source: &FlowSource,
    sources: &Sources,
    platform: Option<&Platform>,
) -> Result<Result<Bundle, Vec<Diagnostic>>, Failure> {
    let (library, broken) = clips(report, source)?;
    let length = |lang: &str, id: &str| {
        let found = library.find(lang, id).map(|clip| clip.duration_ms());
        found.or_else(|| broken.contains(&(lang.to_string(), id.to_string())).then_some(1))
    };
    Ok(ivr::load(sources, platform, &length))
}

/// The flows that a command works on without a running switch, or `None` when they have errors, which are reported.
pub(super) fn project(
    common: &Common,
    paths: &[PathBuf],
    report: &mut Report,
) -> Result<Option<(Bundle, Sources, Vec<String>)>, Failure> {
    let source = FlowSource::of_project(&project_of(common, paths));
    let (sources, wanted, faults) = gather(&source, paths)?;
    if !faults.is_empty() {
        faults.iter().for_each(|fault| report.add(fault));
        return Ok(None);
    }
    match load(report, &source, &sources, None)? {
        Ok(bundle) => Ok(Some((bundle, sources, wanted))),
        Err(findings) => {
            findings.iter().filter(|finding| finding.is_error()).for_each(|finding| report.add(finding));
            Ok(None)
        }
    }
}

/// The recordings, and the names of those that cannot be read: they are there, so that nothing may call them missing.
fn clips(report: &mut Report, source: &FlowSource) -> Result<(ClipLibrary, BTreeSet<(String, String)>), Failure> {
    let mut audio =
        project::audio(source, &prompts::extensions()).map_err(|error| Failure::Usage(error.to_string()))?;
    let load = |audio: &[AudioFile]| {
        let names: Vec<(String, &[u8])> = audio.iter().map(|file| (file.name(), file.bytes.as_ref())).collect();
        ClipLibrary::from_files(names.iter().map(|(name, octets)| (name.as_str(), *octets)))
    };
    let mut broken = BTreeSet::new();
    let loaded = load(&audio).or_else(|_| {
        audio.retain(|file| match load(std::slice::from_ref(file)) {
            Ok(_) => true,
            Err(faults) => {
                faults.iter().for_each(|fault| report.audio(&file.path, &fault.to_string()));
                broken.insert((file.lang.clone(), file.id.clone()));
                false
            }
        });
        load(&audio)
    });
    match loaded {
        Ok(library) => Ok((library, broken)),
        Err(faults) => {
            faults.iter().for_each(|fault| report.audio("prompts", &fault.to_string()));
            Ok((ClipLibrary::default(), broken))
        }
    }
}

fn file_name(path: &str) -> Option<String> {
    Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned())
}

/// Findings in the two forms of the contract, and whether one of them is an error.
pub(super) struct Report {
    json: bool,
    text: String,
    errors: usize,
    warnings: usize,
    /// Callers in production must not meet silence, so that missing recordings fail the check.
    production: bool,
    /// Findings that stand in the way of production alone.
    unready: usize,
    /// Whether to list what comments accept.
    allowed: bool,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self { json, text: String::new(), errors: 0, warnings: 0, production: false, unready: 0, allowed: false }
    }

    pub(super) fn add(&mut self, finding: &Diagnostic) {
        self.unready += usize::from(self.production && finding.code == UNRECORDED);
        let barred = self.production && [UNRECORDED, OUTDATED, PLACEHOLDER].contains(&finding.code);
        let level = if barred { Level::Error } else { finding.level };
        self.count(level == Level::Error && !barred);
        let finding = Diagnostic { level, ..finding.clone() };
        match self.json {
            true => self.line(&finding.json_line()),
            false => self.line(&finding.to_string()),
        }
    }

    fn accepted(&mut self, accepted: &Allowed) {
        if !self.allowed {
            return;
        }
        let Diagnostic { code, path, line, column, message, .. } = &accepted.finding;
        match self.json {
            true => self.line(&serde_json::to_string(accepted).unwrap_or_default()),
            false => self.line(&format!(
                "allowed[{code}]: {message}\n --> {path}:{line}:{column}\n  = reason: {}",
                accepted.reason
            )),
        }
    }

    fn audio(&mut self, path: &str, text: &str) {
        let help = "save it as an ordinary WAV file: PCM, 8 to 48 kHz, or record it again";
        self.add(&Diagnostic::of_file("C160", path.into(), text.to_string(), Some(help.into())));
    }

    fn count(&mut self, error: bool) {
        if error {
            self.errors += 1;
        } else {
            self.warnings += 1;
        }
    }

    pub(super) fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        output::write(&self.text)
    }

    /// Prints everything. Code 2: a file cannot be used. Code 1: the files can be used and are not ready for production.
    pub(super) fn finish(mut self, what: &str) -> Result<ExitCode, Failure> {
        if !self.json {
            let counted = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
            let (errors, warnings) = (counted(self.errors, "error"), counted(self.warnings, "warning"));
            self.line(&format!("{what}: {errors}, {warnings}"));
            if self.unready > 0 {
                self.line(
                    "not ready for production: recordings are missing, placeholders, or older than their text; \
                     `hotline prompt script` has what to read out, `hotline prompt status` what is done",
                );
            }
        }
        self.print()?;
        Ok(match () {
            () if self.errors > 0 => ExitCode::from(2),
            () if self.unready > 0 => ExitCode::from(1),
            () => ExitCode::SUCCESS,
        })
    }
}
