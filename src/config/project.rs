//! The files of a project: flow and prompt texts for the flow reader, audio for the media side. Reading them is all
//! that happens here; what they mean is known elsewhere.

use super::FlowSource;
use super::embedded;
use crate::source::Diagnostic;
use crate::source::text::decode;
use include_dir::Dir;
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

/// A flow or prompt file beyond this is refused; the largest sample has 20 kB.
pub const MAX_TEXT: u64 = 1 << 20;
/// Ten minutes of 48 kHz stereo.
pub const MAX_AUDIO: u64 = 128 << 20;
/// Files in one project, texts or recordings.
pub const MAX_FILES: usize = 20_000;
/// `ivr-flows/lib/a/b` is deep enough; deeper is a link to itself.
const MAX_DEPTH: usize = 4;

/// A YAML file, `path` as a finding should name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFile {
    pub path: String,
    pub text: String,
}

/// A prompt's audio: a whole file.
#[derive(Clone, Debug)]
pub struct AudioFile {
    pub lang: String,
    pub id: String,
    /// The end of its name.
    pub extension: String,
    /// For messages.
    pub path: String,
    pub bytes: Cow<'static, [u8]>,
}

impl AudioFile {
    /// Below the prompts' folder.
    pub fn name(&self) -> String {
        format!("{}/{}.{}", self.lang, self.id, self.extension)
    }
}

/// All YAML below the flows and the prompts folder, in path order.
pub fn texts(source: &FlowSource) -> io::Result<Vec<TextFile>> {
    let mut faults = Vec::new();
    let files = texts_with(source, &mut faults)?;
    match faults.first() {
        Some(fault) => Err(io::Error::new(io::ErrorKind::InvalidData, fault.one_line())),
        None => Ok(files),
    }
}

/// The same where one file that is not UTF-8 shall not hide the others: it is among `faults`, and is given with its bad
/// octets replaced, so that nothing calls missing what is in it.
pub fn texts_with(source: &FlowSource, faults: &mut Vec<Diagnostic>) -> io::Result<Vec<TextFile>> {
    let mut files = Vec::new();
    match source {
        FlowSource::Embedded => {
            for (root, dir) in [("ivr-flows", &embedded::FLOWS), ("prompts", &embedded::PROMPTS)] {
                embedded_texts(root, dir, &mut files);
            }
        }
        FlowSource::Folders { flows, prompts } => {
            for folder in [flows, prompts] {
                for path in below(folder, "yaml")? {
                    files.push(TextFile { path: shown(&path), ..read_file(&path, faults)? });
                }
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Every `prompts/<lang>/<id>.EXTENSION` of those `extensions`, in path order.
pub fn audio(source: &FlowSource, extensions: &[&str]) -> io::Result<Vec<AudioFile>> {
    let mut files = Vec::new();
    match source {
        FlowSource::Embedded => {
            for file in embedded::PROMPTS.dirs().flat_map(Dir::files) {
                if let Some((lang, id, extension)) = prompt_name(file.path(), extensions) {
                    let path = format!("prompts/{lang}/{id}.{extension}");
                    files.push(AudioFile { lang, id, extension, path, bytes: Cow::Borrowed(file.contents()) });
                }
            }
        }
        FlowSource::Folders { prompts, .. } => {
            for path in found_below(prompts, extensions)? {
                let Ok(inside) = path.strip_prefix(prompts) else { continue };
                if let Some((lang, id, extension)) = prompt_name(inside, extensions) {
                    if std::fs::metadata(&path)?.len() > MAX_AUDIO {
                        return Err(too_large(&path, MAX_AUDIO));
                    }
                    let bytes = Cow::Owned(std::fs::read(&path).map_err(|error| named(&path, error))?);
                    files.push(AudioFile { lang, id, extension, path: shown(&path), bytes });
                }
            }
        }
    }
    files.sort_by(|a, b| (&a.lang, &a.id, &a.extension).cmp(&(&b.lang, &b.id, &b.extension)));
    Ok(files)
}

/// Names of the entry flows: `power` for `ivr-flows/power.flow.yaml`. Empty when the folder cannot be read, which
/// reading the texts reports.
pub fn flow_names(source: &FlowSource) -> Vec<String> {
    let paths: Vec<PathBuf> = match source {
        FlowSource::Embedded => embedded::FLOWS.files().map(|file| file.path().to_path_buf()).collect(),
        FlowSource::Folders { flows, .. } => match std::fs::read_dir(flows) {
            Ok(entries) => entries.flatten().take(MAX_FILES).map(|entry| entry.path()).collect(),
            Err(_) => Vec::new(),
        },
    };
    let mut names: Vec<String> = paths
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_str()?.strip_suffix(".flow.yaml")?.to_string()))
        .collect();
    names.sort();
    names
}

/// Files below `folder` whose name ends in `.ext`. A missing folder has none.
pub fn below(folder: &Path, ext: &str) -> io::Result<Vec<PathBuf>> {
    found_below(folder, &[ext])
}

/// The same for several endings.
pub fn found_below(folder: &Path, extensions: &[&str]) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && depth == 0 => return Ok(found),
            entries => entries.map_err(|error| named(&folder, error))?,
        };
        for entry in entries {
            let path = entry.map_err(|error| named(&folder, error))?.path();
            if path.is_dir() && depth < MAX_DEPTH {
                open.push((path, depth + 1));
            } else if path.extension().is_some_and(|found| extensions.iter().any(|one| found == *one)) && path.is_file()
            {
                found.push(path);
            }
            if found.len() > MAX_FILES {
                return Err(io::Error::other(format!("{} has more than {MAX_FILES} files", folder.display())));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A file's text, with its path in every error.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut faults = Vec::new();
    let file = read_file(path, &mut faults)?;
    match faults.first() {
        Some(fault) => Err(io::Error::new(io::ErrorKind::InvalidData, fault.one_line())),
        None => Ok(file.text),
    }
}

/// A file under the path given; see [`texts_with`].
pub fn read_file(path: &Path, faults: &mut Vec<Diagnostic>) -> io::Result<TextFile> {
    if std::fs::metadata(path).map_err(|error| named(path, error))?.len() > MAX_TEXT {
        return Err(too_large(path, MAX_TEXT));
    }
    let octets = std::fs::read(path).map_err(|error| named(path, error))?;
    let replaced = || String::from_utf8_lossy(&octets).into_owned();
    let text = decode(octets.clone()).unwrap_or_else(|(line, column)| {
        let help = Some("save the file as UTF-8".to_string());
        let fault = Diagnostic::of_file("E100", shown(path), "this is not UTF-8 text".into(), help);
        faults.push(Diagnostic { line, column, ..fault });
        replaced()
    });
    Ok(TextFile { path: path.display().to_string(), text })
}

fn embedded_texts(root: &str, dir: &Dir<'static>, files: &mut Vec<TextFile>) {
    for file in dir.files().filter(|file| file.path().extension().is_some_and(|ext| ext == "yaml")) {
        if let Some(text) = file.contents_utf8() {
            files.push(TextFile { path: format!("{root}/{}", file.path().display()), text: text.to_string() });
        }
    }
    for inner in dir.dirs() {
        embedded_texts(root, inner, files);
    }
}

/// `zh/welcome.wav` is prompt `welcome` in language `zh`.
fn prompt_name(path: &Path, extensions: &[&str]) -> Option<(String, String, String)> {
    let (id, extension) = path.file_name()?.to_str()?.rsplit_once('.')?;
    let lang = path.parent()?;
    (lang.components().count() == 1 && extensions.contains(&extension)).then_some(())?;
    Some((lang.to_str()?.to_string(), id.to_string(), extension.to_string()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn too_large(path: &Path, limit: u64) -> io::Error {
    io::Error::other(format!("{} is larger than {limit} octets", path.display()))
}
