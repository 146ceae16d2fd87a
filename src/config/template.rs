//! What `hotline init` writes: a project to start from, with its own random passwords.

use super::embedded;
use super::secret::Secret;
use include_dir::Dir;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const HOTLINE_YAML: &str = include_str!("template/hotline.yaml");
/// The flow to start from and what belongs to it, below `ivr-flows`.
const FLOWS: [(&str, &str); 4] = [
    ("ivr-flows/small-shop.flow.yaml", include_str!("../../ivr-flows/small-shop.flow.yaml")),
    ("ivr-flows/tests/small-shop.test.yaml", include_str!("../../ivr-flows/tests/small-shop.test.yaml")),
    ("ivr-flows/calendars.yaml", include_str!("template/calendars.yaml")),
    ("ivr-flows/messages.yaml", include_str!("template/messages.yaml")),
];
/// Secrets and state never go into a repository.
const GITIGNORE: &str = "/secrets\n/state\n";
/// Extensions that the template has.
const AGENTS: [&str; 2] = ["1001", "1002"];
/// Characters of a password in hex: 64 bits, which no guessing over SIP reaches.
const PASSWORD_OCTETS: usize = 8;

/// Files that an error lists by name.
const SHOWN: usize = 8;

/// Makes a project in `folder`; gives the files written, without the prompts' audio. A folder that has one of the files
/// already is left as it is.
pub fn write(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let config = folder.join(super::FILE_NAME);
    let present: Vec<String> =
        all_files().iter().map(|file| folder.join(file)).filter(|path| path.exists()).map(shown).collect();
    if !present.is_empty() {
        let more = if present.len() > SHOWN { format!(" and {} more", present.len() - SHOWN) } else { String::new() };
        let names = present[..present.len().min(SHOWN)].join(", ");
        let text = format!("there already: {names}{more}; name a folder without them, or move them away");
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    folders(folder, false)?;
    let mut written = Vec::new();
    let mut put = |path: PathBuf, text: &str, secret: bool| -> io::Result<()> {
        new_file(&path, text.as_bytes(), secret)?;
        written.push(path);
        Ok(())
    };
    folders(&folder.join("secrets"), true)?;
    for agent in AGENTS {
        let password = Secret::random(PASSWORD_OCTETS).map_err(|error| io::Error::other(error.to_string()))?;
        put(folder.join("secrets").join(agent), &format!("{}\n", password.expose()), true)?;
    }
    folders(&folder.join("ivr-flows/tests"), false)?;
    for (file, text) in FLOWS {
        put(folder.join(file), text, false)?;
    }
    put(folder.join(".gitignore"), GITIGNORE, false)?;
    prompts(&folder.join("prompts"), &embedded::PROMPTS)?;
    // Last, because it is what makes the folder a project.
    put(config, HOTLINE_YAML, false)?;
    Ok(written)
}

/// Everything that [`write`] makes, below the project's folder.
fn all_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = AGENTS.iter().map(|agent| Path::new("secrets").join(agent)).collect();
    files.extend([super::FILE_NAME, ".gitignore"].map(PathBuf::from));
    files.extend(FLOWS.iter().map(|(file, _)| PathBuf::from(file)));
    let dirs = std::iter::once(&embedded::PROMPTS).chain(embedded::PROMPTS.dirs());
    files.extend(dirs.flat_map(Dir::files).map(|file| Path::new("prompts").join(file.path())));
    files
}

fn shown(path: PathBuf) -> String {
    path.display().to_string()
}

fn prompts(folder: &Path, from: &Dir<'_>) -> io::Result<()> {
    folders(folder, false)?;
    for file in from.files() {
        let Some(name) = file.path().file_name() else { continue };
        new_file(&folder.join(name), file.contents(), false)?;
    }
    for inner in from.dirs() {
        let Some(name) = inner.path().file_name() else { continue };
        prompts(&folder.join(name), inner)?;
    }
    Ok(())
}

fn folders(path: &Path, secret: bool) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    if secret {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    }
    builder.create(path).map_err(|error| named(path, &error))
}

fn new_file(path: &Path, content: &[u8], secret: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // Nothing is replaced, also if it came between the look and the writing.
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let file = options.open(path);
    file.and_then(|mut file| file.write_all(content)).map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
