//! `flow try`: a call of a flow in which the keyboard is the caller.

use super::flows::{self, Report};
use super::{Common, Failure, output};
use crate::ivr::Bundle;
use crate::ivr::trial::{self, Keyboard, Opening, TestFile};
use crate::source::diag::nearest;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Longest line that is read.
const MAX_LINE: u64 = 64 * 1024;

#[derive(clap::Args)]
#[command(after_help = format!("What can be typed:\n{}", trial::HELP))]
pub(super) struct TryArgs {
    /// An entry flow, by its name or file
    flow: PathBuf,
    /// A test file of this flow, whose `mock` answers for lookups, queues and telephones
    #[arg(long, value_name = "FILE")]
    mock: Option<PathBuf>,
    /// Local time of the flow at which the call begins, such as 2026-03-10T10:00
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The caller's number
    #[arg(long, value_name = "NUMBER")]
    caller: Option<String>,
    /// The language remembered for the caller
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,
}

pub(super) fn run(common: &Common, args: &TryArgs) -> Result<ExitCode, Failure> {
    let mut report = Report::new(common.output == Some(output::Format::Json));
    let by_file = args.flow.extension().is_some_and(|ext| ext == "yaml");
    let paths: Vec<PathBuf> = by_file.then(|| args.flow.clone()).into_iter().chain(args.mock.clone()).collect();
    let Some((bundle, sources, _)) = flows::project(common, &paths, &mut report)? else {
        return report.finish("flows");
    };
    let flow = name(&args.flow);
    known("entry flow", &flow, bundle.entry_flows())?;
    let opening = opening(args, &bundle, &flow)?;
    let mut mocks: Vec<TestFile> = Vec::new();
    if let Some(path) = &args.mock {
        let path = path.display().to_string();
        let (files, findings) = trial::read(&sources, &bundle);
        let findings: Vec<_> = findings.into_iter().filter(|finding| finding.path == path).collect();
        if !findings.is_empty() {
            findings.iter().for_each(|finding| report.add(finding));
            return report.finish("tests");
        }
        mocks.extend(files.into_iter().filter(|file| file.path == path && file.flow == flow));
        if mocks.is_empty() {
            let message = format!("{path}: this is no test file of the flow `{flow}`, such as `{flow}.test.yaml`");
            return Err(Failure::Usage(message));
        }
    }
    match Keyboard::begin(&bundle, &flow, &opening, mocks.first()) {
        Some(keyboard) => converse(keyboard),
        None => Err(Failure::Failed(format!("`{flow}` cannot be called"))),
    }
}

/// `power` of `ivr-flows/power.flow.yaml`.
fn name(flow: &Path) -> String {
    let file = flow.file_name().unwrap_or_default().to_string_lossy();
    match file.strip_suffix(".flow.yaml") {
        Some(name) => name.to_string(),
        None => flow.display().to_string(),
    }
}

fn known<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Result<(), Failure> {
    let known: Vec<&str> = known.into_iter().collect();
    if known.contains(&name) {
        return Ok(());
    }
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    };
    Err(Failure::Usage(format!("there is no {what} `{}`; {hint}", output::plain_lines(name))))
}

fn opening(args: &TryArgs, bundle: &Bundle, flow: &str) -> Result<Opening, Failure> {
    let lost = || Failure::Failed(format!("`{flow}` cannot be called"));
    let mut opening = Opening::ordinary(bundle, flow).ok_or_else(lost)?;
    if let Some(at) = &args.at {
        let moment = opening.at(bundle, flow, at);
        opening = moment.ok_or_else(|| Failure::Usage("--at wants a date and time: 2026-03-10T10:00".into()))?;
    }
    if let Some(caller) = &args.caller {
        let digits = caller.strip_prefix('+').unwrap_or(caller);
        if digits.len() > 32 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Failure::Usage("--caller wants a number, such as 13800138000".into()));
        }
        opening.caller.clone_from(caller);
    }
    if let Some(language) = &args.language {
        known("language of this flow", language, bundle.languages(flow).iter().map(String::as_str))?;
        opening.language = Some(language.clone());
    }
    Ok(opening)
}

/// Code 1: a script typed what has no meaning where it did.
fn converse(mut keyboard: Keyboard) -> Result<ExitCode, Failure> {
    let mut input = io::stdin().lock();
    let person = input.is_terminal();
    if person {
        output::write("You are the caller. `help` tells what can be typed; time is virtual.\n")?;
    }
    let mut lost = false;
    loop {
        let news: String = keyboard.news().into_iter().map(|line| line + "\n").collect();
        output::write(&output::plain_lines(&news))?;
        if keyboard.is_over() {
            return Ok(ExitCode::from(u8::from(lost && !person)));
        }
        if person {
            output::write("> ")?;
        }
        let mut line = Vec::new();
        if input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            keyboard.hang_up();
            continue;
        }
        let line = String::from_utf8_lossy(&line);
        if line.trim() == "help" {
            output::write(trial::HELP)?;
        } else if let Err(why) = keyboard.line(&line) {
            lost = true;
            output::write(&format!("{}\n", output::plain_lines(&why)))?;
        }
    }
}
