//! What `hotline init` writes: a project to start from, with its own random passwords.

use super::embedded;
use super::secret::Secret;
use include_dir::Dir;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const HOTLINE_YAML: &str = include_str!("template/hotline.yaml");
const FLOW: &str = include_str!("template/hotline.flow.yaml");
/// Secrets and state never go into a repository.
const GITIGNORE: &str = "/secrets\n/state\n";
/// Extensions that the template has.
const AGENTS: [&str; 2] = ["1001", "1002"];
/// Characters of a password in hex: 64 bits, which no guessing over SIP reaches.
const PASSWORD_OCTETS: usize = 8;

/// Makes a project in `folder`; gives the files written, without the prompts' audio. A folder that has a project
/// already is left as it is.
pub fn write(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let config = folder.join(super::FILE_NAME);
    if config.exists() {
        let text = format!("{} is there already; name another folder", config.display());
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
    folders(&folder.join("ivr-flows"), false)?;
    put(folder.join("ivr-flows/hotline.flow.yaml"), FLOW, false)?;
    put(folder.join(".gitignore"), GITIGNORE, false)?;
    prompts(&folder.join("prompts"), &embedded::PROMPTS)?;
    // Last, because it is what makes the folder a project: after a failure half-way `init` can be run again.
    put(config, HOTLINE_YAML, false)?;
    Ok(written)
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
    // A secret is never replaced: phones may have it. Other files of a half-made project are written again.
    options.write(true);
    if secret {
        options.create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    } else {
        options.create(true).truncate(true);
    }
    match options.open(path) {
        Ok(mut file) => file.write_all(content).map_err(|error| named(path, &error)),
        Err(error) if secret && error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(named(path, &error)),
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
