//! `prompt status|script|check|accept`: which recordings a project has, lacks or has outgrown, and what to read out in the
//! studio. Works on the files of the project.

use super::output::{self, Column, Format, field};
use super::{Common, Failure};
use crate::config::{FlowSource, project};
use crate::ivr::{self, Sources, Spoken};
use crate::media::prompts::READ;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `scripts/make-prompts` made: file id, hash of text and voice, hash of the audio, length, text.
const PLACEHOLDERS: &str = "manifest.txt";
/// What people recorded: file id, hash of the audio, the text that was read.
const RECORDED: &str = "recorded.txt";

#[derive(clap::Subcommand)]
pub(super) enum PromptCommand {
    /// Each prompt's recording: recorded, placeholder, missing, or text changed since
    Status(PromptArgs),
    /// What is to be read out in the studio: everything that is not recorded as it stands
    Script(PromptArgs),
    /// Fail when a recording is missing, a placeholder, or older than its text
    Check(PromptArgs),
    /// Note that the recordings in place say the texts as they stand
    Accept(PromptArgs),
}

#[derive(clap::Args)]
pub(super) struct PromptArgs {
    /// Only this language
    #[arg(long)]
    lang: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Recorded,
    Placeholder,
    Missing,
    /// The recording says what the text was before.
    Changed,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Recorded => "recorded",
            State::Placeholder => "placeholder",
            State::Missing => "missing",
            State::Changed => "text changed",
        }
    }
}

pub(super) struct Piece {
    pub(super) spoken: Spoken,
    pub(super) path: PathBuf,
    pub(super) state: State,
    /// Hash of the recording in place.
    audio: Option<String>,
}

const COLUMNS: [Column; 4] = [
    ("lang", |row| field(row, "lang")),
    ("file", |row| field(row, "file")),
    ("state", |row| field(row, "state")),
    ("text", |row| field(row, "text")),
];

pub(super) fn prompt(common: &Common, command: &PromptCommand) -> Result<ExitCode, Failure> {
    let (PromptCommand::Status(args)
    | PromptCommand::Script(args)
    | PromptCommand::Check(args)
    | PromptCommand::Accept(args)) = command;
    let folder = prompts_folder(common);
    let mut pieces = pieces(common, &folder)?;
    pieces.retain(|piece| args.lang.as_ref().is_none_or(|lang| piece.spoken.lang == *lang));
    if pieces.is_empty() {
        return Err(Failure::Usage("there are no prompts here; name a project with `--project DIR`".into()));
    }
    match command {
        PromptCommand::Status(_) => list(common, pieces.iter())?,
        PromptCommand::Script(_) => script(&pieces)?,
        PromptCommand::Accept(_) => accept(&folder, &pieces)?,
        PromptCommand::Check(_) => {
            let open: Vec<&Piece> = pieces.iter().filter(|piece| piece.state != State::Recorded).collect();
            list(common, open.iter().copied())?;
            return Ok(if open.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn prompts_folder(common: &Common) -> PathBuf {
    match FlowSource::of_project(&common.project) {
        FlowSource::Folders { prompts, .. } => prompts,
        FlowSource::Embedded => common.project.join("prompts"),
    }
}

/// Every piece of audio that the texts ask for, in the order of language and file.
fn pieces(common: &Common, folder: &Path) -> Result<Vec<Piece>, Failure> {
    let files = project::texts(&FlowSource::of_project(&common.project)).map_err(unreadable)?;
    let sources = Sources { files: files.into_iter().map(|file| (file.path, file.text)).collect() };
    Ok(pieces_of(&sources, folder))
}

/// The same of texts that were read before.
pub(super) fn pieces_of(sources: &Sources, folder: &Path) -> Vec<Piece> {
    let texts = ivr::texts(sources);
    let mut notes: BTreeMap<String, Notes> = BTreeMap::new();
    let mut found = Vec::new();
    for spoken in ivr::spoken(&texts) {
        let notes = notes.entry(spoken.lang.clone()).or_insert_with(|| Notes::read(&folder.join(&spoken.lang)));
        // Where no recording is, the usual one is asked for.
        let named = |extension: &str| folder.join(&spoken.lang).join(format!("{}.{extension}", spoken.file));
        let path = READ.into_iter().map(named).find(|path| path.exists()).unwrap_or_else(|| named("wav"));
        let audio = std::fs::read(&path).ok().map(|octets| hash(&octets));
        let state = match &audio {
            None => State::Missing,
            Some(audio) => notes.state(&spoken, audio),
        };
        found.push(Piece { spoken, path, state, audio });
    }
    found
}

/// What is noted of a language's files: id to hash of the audio and text.
#[derive(Default)]
struct Notes {
    placeholders: BTreeMap<String, (String, String)>,
    recorded: BTreeMap<String, (String, String)>,
}

impl Notes {
    /// A list that is not there or not ours notes nothing.
    fn read(folder: &Path) -> Notes {
        let rows = |name: &str, audio: usize, text: usize| {
            let lines = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            let rows = lines.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
                let cells: Vec<&str> = line.split('\t').collect();
                Some((cells.first()?.to_string(), (cells.get(audio)?.to_string(), cells.get(text)?.to_string())))
            });
            rows.collect()
        };
        Notes { placeholders: rows(PLACEHOLDERS, 2, 4), recorded: rows(RECORDED, 1, 2) }
    }

    fn state(&self, spoken: &Spoken, audio: &str) -> State {
        let of = |rows: &BTreeMap<String, (String, String)>| {
            rows.get(&spoken.file).filter(|(noted, _)| noted == audio).map(|(_, text)| *text == spoken.text)
        };
        match (of(&self.placeholders), of(&self.recorded)) {
            (Some(true), _) => State::Placeholder,
            (Some(false), _) | (None, Some(false)) => State::Changed,
            // A recording that nobody has noted is taken at its word.
            (None, Some(true) | None) => State::Recorded,
        }
    }
}

fn hash(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

fn list<'p>(common: &Common, pieces: impl Iterator<Item = &'p Piece>) -> Result<(), Failure> {
    let rows: Vec<Value> = pieces
        .map(|piece| {
            let Spoken { lang, file, text, prompt, .. } = &piece.spoken;
            json!({"lang": lang, "file": file, "prompt": prompt, "state": piece.state.name(), "text": text})
        })
        .collect();
    let answer = serde_json::to_string_pretty(&rows).map_err(|error| Failure::Failed(error.to_string()))?;
    output::print(Format::or_fitting(common.output), &answer, &rows, &COLUMNS)
}

/// One piece a paragraph: the file to save it as, the words, and, for a fragment, the sentence that it is heard in.
fn script(pieces: &[Piece]) -> Result<(), Failure> {
    let mut out = String::new();
    for piece in pieces.iter().filter(|piece| piece.state != State::Recorded) {
        let Spoken { text, whole, .. } = &piece.spoken;
        let _ = writeln!(out, "{}  ({})", piece.path.display(), piece.state.name());
        let _ = writeln!(out, "    {text}");
        if whole != text {
            let _ = writeln!(out, "    heard in: {whole}");
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{} to record", pieces.iter().filter(|piece| piece.state != State::Recorded).count());
    output::write(&out)
}

fn accept(folder: &Path, pieces: &[Piece]) -> Result<(), Failure> {
    let mut languages: BTreeMap<&str, String> = BTreeMap::new();
    for piece in pieces.iter().filter(|piece| matches!(piece.state, State::Recorded | State::Changed)) {
        let Some(audio) = &piece.audio else { continue };
        let rows = languages.entry(&piece.spoken.lang).or_insert_with(|| {
            "# What people recorded, written by `hotline prompt accept`: file id, hash of the audio, text\n".into()
        });
        let _ = writeln!(rows, "{}\t{audio}\t{}", piece.spoken.file, piece.spoken.text);
    }
    let mut noted = 0;
    for (lang, rows) in languages {
        noted += rows.lines().count() - 1;
        let path = folder.join(lang).join(RECORDED);
        std::fs::write(&path, rows).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
    }
    output::write(&format!("{noted} recordings noted\n"))
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::Usage(error.to_string())
}
