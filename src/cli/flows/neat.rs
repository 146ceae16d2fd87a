//! `flow fmt` and `flow graph`: a flow's file laid out anew, and its picture.

use super::super::{Common, Failure, output};
use super::{Report, project_of};
use crate::config::{FILE_NAME, FlowSource, project};
use crate::ivr::{self, Sources, Texts};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(in crate::cli) struct FmtArgs {
    /// Files or folders; all of ivr-flows unless told
    paths: Vec<PathBuf>,
    /// Change nothing; fail when a file is not laid out so
    #[arg(long)]
    check: bool,
    /// Write what each prompt says beside the step that plays it
    #[arg(long)]
    with_text: bool,
}

#[derive(clap::Args)]
pub(in crate::cli) struct GraphArgs {
    /// A flow by its name or file; every entry flow unless told
    flow: Option<PathBuf>,
    /// mermaid or json
    #[arg(long, default_value = "mermaid")]
    format: GraphFormat,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum GraphFormat {
    Mermaid,
    Json,
}

pub(super) fn fmt(common: &Common, args: &FmtArgs) -> Result<ExitCode, Failure> {
    let folder = project_of(common, &args.paths);
    let texts = if args.with_text { Some(texts(&folder)?) } else { None };
    let mut report = Report::new(false);
    let mut changed = 0;
    for path in files(&folder, &args.paths)? {
        let name = path.display().to_string();
        let text = project::read_text(&path).map_err(unreadable)?;
        match ivr::neat(&name, &text, texts.as_ref()) {
            Ok(neat) if neat == text => {}
            Ok(neat) => {
                changed += 1;
                if args.check {
                    report.line(&format!("{name}: not laid out; run `hotline flow fmt`"));
                } else {
                    write_over(&path, &neat)?;
                    report.line(&format!("{name}: laid out"));
                }
            }
            Err(findings) => findings.iter().for_each(|finding| report.add(finding)),
        }
    }
    report.print()?;
    Ok(match () {
        () if report.errors > 0 => ExitCode::from(2),
        () if args.check && changed > 0 => ExitCode::from(1),
        () => ExitCode::SUCCESS,
    })
}

/// The files named, those below the folders named, or all of the project's flows. A file that no project would read is
/// refused before any is written over.
fn files(folder: &Path, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let flows = folder.join("ivr-flows");
    let named = if paths.is_empty() { std::slice::from_ref(&flows) } else { paths };
    let mut found = Vec::new();
    for path in named {
        if path.is_dir() {
            found.extend(project::below(path, "yaml").map_err(unreadable)?.into_iter().filter(|path| of_project(path)));
        } else if of_project(path) {
            found.push(path.clone());
        } else if !paths.is_empty() {
            let help =
                "flows, texts, tests, calendars, lookups and messages below `ivr-flows` or `prompts` can be laid out";
            return Err(Failure::Usage(format!(
                "{} is no file of a project and stays as it is; {help}",
                path.display()
            )));
        }
    }
    match found.is_empty() {
        true => Err(Failure::Usage("there are no flows here; name files, or a project with `--project DIR`".into())),
        false => Ok(found),
    }
}

/// Whether a file has the name of one that a project reads, and lies in a project or in one of its folders.
fn of_project(path: &Path) -> bool {
    let Ok(real) = path.canonicalize() else { return false };
    let placed = real
        .ancestors()
        .skip(1)
        .any(|folder| folder.ends_with("ivr-flows") || folder.ends_with("prompts") || folder.join(FILE_NAME).is_file());
    placed && ivr::is_part(&real.to_string_lossy())
}

/// Whole or not at all: a crash leaves the old file.
fn write_over(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("{}: {error}", path.display()));
    let real = path.canonicalize().map_err(failed)?;
    let mut beside = real.clone().into_os_string();
    beside.push(".new");
    std::fs::write(&beside, text).map_err(failed)?;
    let rights = std::fs::metadata(&real).map_err(failed)?.permissions();
    std::fs::set_permissions(&beside, rights).map_err(failed)?;
    std::fs::rename(&beside, &real).map_err(failed)
}

fn texts(folder: &Path) -> Result<Texts, Failure> {
    let files = project::texts(&FlowSource::of_project(folder)).map_err(unreadable)?;
    Ok(ivr::texts(&Sources { files: files.into_iter().map(|file| (file.path, file.text)).collect() }))
}

pub(super) fn graph(common: &Common, args: &GraphArgs) -> Result<ExitCode, Failure> {
    let mut flows = Vec::new();
    match &args.flow {
        Some(path) if path.is_file() => flows.push((flow_name(path), path.clone())),
        Some(name) => {
            let path = common.project.join("ivr-flows").join(format!("{}.flow.yaml", name.display()));
            if !path.is_file() {
                return Err(Failure::Usage(format!(
                    "there is no flow `{}`: {} is no file",
                    name.display(),
                    path.display()
                )));
            }
            flows.push((name.display().to_string(), path));
        }
        None => {
            let folder = common.project.join("ivr-flows");
            for name in project::flow_names(&FlowSource::of_project(&common.project)) {
                flows.push((name.clone(), folder.join(format!("{name}.flow.yaml"))));
            }
        }
    }
    let mut report = Report::new(false);
    let mut graphs = Vec::new();
    for (name, path) in flows {
        let text = project::read_text(&path).map_err(unreadable)?;
        match ivr::graph(&name, &path.display().to_string(), &text) {
            Ok(graph) => graphs.push(graph),
            Err(findings) => findings.iter().for_each(|finding| report.add(finding)),
        }
    }
    report.print()?;
    if report.errors > 0 {
        return Ok(ExitCode::from(2));
    }
    match args.format {
        GraphFormat::Json => {
            // One flow is one object, so that a script that asked for it need not look into a list.
            let shown = match &graphs[..] {
                [one] => serde_json::to_string_pretty(one),
                all => serde_json::to_string_pretty(all),
            };
            output::write(&(shown.map_err(|error| Failure::Failed(error.to_string()))? + "\n"))?;
        }
        GraphFormat::Mermaid => {
            for graph in &graphs {
                if graphs.len() > 1 {
                    output::write(&format!("%% {}\n", graph.flow))?;
                }
                output::write(&graph.mermaid())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `lib/identify` of `ivr-flows/lib/identify.flow.yaml`.
fn flow_name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = file.strip_suffix(".yaml").unwrap_or(&file);
    let stem = stem.strip_suffix(".flow").unwrap_or(stem).to_string();
    let in_lib = path.parent().is_some_and(|folder| folder.ends_with("lib"));
    if in_lib { format!("lib/{stem}") } else { stem }
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::Usage(error.to_string())
}
