//! `flow say`: what a caller would hear of a value, one or a file full of them.

use super::super::{Failure, output};
use crate::config::{FlowSource, project};
use crate::ivr::speech::{self, Piece};
use crate::ivr::{self, Sources, Texts};
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Longest line of a batch; values are short.
const MAX_LINE: u64 = 64 * 1024;

#[derive(clap::Args)]
pub(in crate::cli) struct SayArgs {
    /// zh or en
    #[arg(long, required_unless_present = "batch")]
    lang: Option<String>,
    /// number, count, digits, phone, money, money_abs, date, time, datetime, duration, percent or ordinal
    #[arg(long, required_unless_present = "batch")]
    format: Option<String>,
    /// Money in its smallest unit, a date as 2026-03-08, a time as 14:05
    #[arg(required_unless_present = "batch", allow_hyphen_values = true)]
    value: Option<String>,
    /// A day, such as 2026-03-10: dates near it are read as today and tomorrow, those of its year without the year
    #[arg(long, value_name = "DATE")]
    today: Option<String>,
    /// A file of JSON objects, one a line, with lang, format and value; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "value")]
    batch: Option<PathBuf>,
}

pub(super) fn say(args: &SayArgs) -> Result<ExitCode, Failure> {
    let texts = atoms()?;
    if let Some(file) = &args.batch {
        return batch(args, file, &texts);
    }
    let told = |text: &Option<String>| text.clone().unwrap_or_default();
    match speech::pieces(&told(&args.lang), &told(&args.format), &told(&args.value), args.today.as_deref()) {
        Ok(pieces) => output::write(&format!("{}\n", words(&texts, &told(&args.lang), &pieces)))?,
        Err(error) => return Err(Failure::Usage(error.to_string())),
    }
    Ok(ExitCode::SUCCESS)
}

/// The words of the pieces that values are read from come with the program.
fn atoms() -> Result<Texts, Failure> {
    let files = project::texts(&FlowSource::Embedded).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(ivr::texts(&Sources { files: files.into_iter().map(|file| (file.path, file.text)).collect() }))
}

fn words(texts: &Texts, lang: &str, pieces: &[Piece]) -> String {
    speech::words(lang, pieces, &|id| texts.get(id)?.get(lang).map(String::as_str))
}

/// A line of output for each line of input, in its order.
fn batch(args: &SayArgs, file: &Path, texts: &Texts) -> Result<ExitCode, Failure> {
    let unreadable = |error: io::Error| Failure::Usage(format!("{}: {error}", file.display()));
    let source: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(std::fs::File::open(file).map_err(unreadable)?),
    };
    let mut lines = BufReader::new(source);
    let mut out = String::new();
    let mut failed = false;
    for number in 1_u64.. {
        let mut line = String::new();
        if lines.by_ref().take(MAX_LINE).read_line(&mut line).map_err(unreadable)? == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        let said = said(args, &line, texts);
        failed |= said.is_err();
        let told = said.unwrap_or_else(|error| json!({"line": number, "error": error}));
        let _ = writeln!(out, "{told}");
        if out.len() > MAX_LINE as usize {
            output::write(&out)?;
            out.clear();
        }
    }
    output::write(&out)?;
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn said(args: &SayArgs, line: &str, texts: &Texts) -> Result<Value, String> {
    let given: Value = serde_json::from_str(line).map_err(|error| format!("this is no JSON object: {error}"))?;
    let field = |name: &str, fallback: &Option<String>| match given.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        None => fallback.clone().ok_or_else(|| format!("`{name}` is missing")),
        Some(_) => Err(format!("`{name}` is a text or a number")),
    };
    let (lang, format, value) = (field("lang", &args.lang)?, field("format", &args.format)?, field("value", &None)?);
    let today = field("today", &args.today).ok();
    let pieces = speech::pieces(&lang, &format, &value, today.as_deref()).map_err(|error| error.to_string())?;
    let text = words(texts, &lang, &pieces);
    let atoms: Vec<String> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Atom(id) => (*id).to_string(),
            Piece::Pause(ms) => format!("pause {ms}ms"),
        })
        .collect();
    Ok(json!({"lang": lang, "format": format, "value": value, "text": text, "atoms": atoms}))
}
