//! Published versions of flows: each kept whole in the state folder under its hash, and a ledger of which is in force.
//!
//! A kept version is never written again. The ledger is replaced in one step, so that a crash leaves the old one or the new.

use crate::config::FlowSource;
use crate::config::project::below;
use crate::ids::FlowVersion;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Versions that can be gone back to; older ones are taken away.
const KEPT: usize = 20;
/// Lines of the ledger.
const MAX_HISTORY: usize = 200;
const LEDGER: &str = "ledger.json";
const NEW: &str = "new";

/// What is in force, what is to be, and what was. Its keys are what the API shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ledger {
    /// `None` until something was published: then the folder is what counts.
    pub current: Option<FlowVersion>,
    pub canary: Option<OnTrial>,
    pub planned: Option<Planned>,
    /// Newest first.
    pub history: Vec<Entry>,
}

/// A version that a share of the callers takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct OnTrial {
    pub version: FlowVersion,
    pub percent: u8,
    /// Milliseconds since 1970.
    pub since: u64,
}

/// A version that comes into force by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Planned {
    pub version: FlowVersion,
    pub at: u64,
    #[serde(default)]
    pub canary: Option<u8>,
    #[serde(default)]
    pub move_calls: Option<String>,
    #[serde(default)]
    pub by: Option<String>,
    #[serde(default)]
    pub why: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub at: u64,
    pub what: Deed,
    pub version: FlowVersion,
    #[serde(default)]
    pub by: Option<String>,
    #[serde(default)]
    pub why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Deed {
    Published,
    Planned,
    Canary,
    /// An operator has ended it.
    CanaryEnded,
    RolledBack,
    /// A canary that did harm.
    TakenBack,
    Reloaded,
}

#[derive(Clone, Debug)]
pub(super) struct Versions {
    folder: PathBuf,
    ledger: Ledger,
}

impl Versions {
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        let file = folder.join(LEDGER);
        let ledger = match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                let text =
                    format!("this is no ledger of versions ({error}); move it away to begin with the folder's flows");
                named(&file, &io::Error::new(io::ErrorKind::InvalidData, text))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ledger::default(),
            Err(error) => return Err(named(&file, &error)),
        };
        Ok(Self { folder, ledger })
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The files of a kept version.
    pub fn source(&self, version: &FlowVersion) -> FlowSource {
        FlowSource::of_project(&self.folder.join(version.as_str()))
    }

    /// The one kept version whose hash begins so.
    pub fn find(&self, start: &str) -> Option<FlowVersion> {
        let known = |version: &&FlowVersion| version.as_str().starts_with(start) && self.is_kept(version);
        let mut found: Vec<&FlowVersion> =
            self.ledger.history.iter().map(|entry| &entry.version).filter(known).collect();
        found.sort();
        found.dedup();
        match found[..] {
            [version] => Some(version.clone()),
            _ => None,
        }
    }

    /// The version that was in force before the present one.
    pub fn before(&self) -> Option<FlowVersion> {
        let was_in_force = |entry: &&Entry| matches!(entry.what, Deed::Published | Deed::RolledBack | Deed::Reloaded);
        let mut versions = self.ledger.history.iter().filter(was_in_force).map(|entry| &entry.version);
        versions.find(|version| Some(*version) != self.ledger.current.as_ref() && self.is_kept(version)).cloned()
    }

    fn is_kept(&self, version: &FlowVersion) -> bool {
        self.folder.join(version.as_str()).is_dir()
    }

    /// Copies the files of `source` aside; what the version in force has too costs no room.
    pub fn copy(&self, source: &FlowSource) -> io::Result<FlowSource> {
        let FlowSource::Folders { flows, prompts } = source else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the built-in flows are part of the program"));
        };
        let new = self.folder.join(NEW);
        match std::fs::remove_dir_all(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(&new, &error)),
            _ => {}
        }
        crate::store::private_folder(&self.folder).map_err(|error| named(&self.folder, &error))?;
        let twin = self.ledger.current.as_ref().map(|version| self.folder.join(version.as_str()));
        for (folder, name) in [(flows, "ivr-flows"), (prompts, "prompts")] {
            for file in below(folder, "yaml")?.into_iter().chain(below(folder, "wav")?) {
                let Ok(inside) = file.strip_prefix(folder) else { continue };
                let inside = Path::new(name).join(inside);
                place(&file, &new.join(&inside), twin.as_ref().map(|twin| twin.join(&inside)))?;
            }
        }
        Ok(FlowSource::of_project(&new))
    }

    /// What was copied aside is this version.
    pub fn keep(&self, version: &FlowVersion) -> io::Result<()> {
        let (new, kept) = (self.folder.join(NEW), self.folder.join(version.as_str()));
        if kept.is_dir() {
            return std::fs::remove_dir_all(&new).map_err(|error| named(&new, &error));
        }
        std::fs::rename(&new, &kept).map_err(|error| named(&kept, &error))
    }

    /// Changes the ledger, on disk first.
    pub fn change(&mut self, entry: Entry, change: impl FnOnce(&mut Ledger)) -> io::Result<()> {
        let mut ledger = self.ledger.clone();
        ledger.history.insert(0, entry);
        ledger.history.truncate(MAX_HISTORY);
        change(&mut ledger);
        let (file, draft) = (self.folder.join(LEDGER), self.folder.join("ledger.new"));
        let text = serde_json::to_string_pretty(&ledger).map_err(io::Error::other)?;
        let write = || -> io::Result<()> {
            let mut out = std::fs::File::create(&draft)?;
            out.write_all(text.as_bytes())?;
            out.sync_all()?;
            std::fs::rename(&draft, &file)
        };
        write().map_err(|error| named(&file, &error))?;
        self.ledger = ledger;
        self.forget_old();
        Ok(())
    }

    /// A failure leaves a folder that harms nobody.
    fn forget_old(&self) {
        let ledger = &self.ledger;
        let canary = ledger.canary.as_ref().map(|canary| &canary.version);
        let planned = ledger.planned.as_ref().map(|planned| &planned.version);
        let mut wanted: Vec<&str> =
            ledger.current.iter().chain(canary).chain(planned).map(FlowVersion::as_str).collect();
        for entry in &ledger.history {
            if wanted.len() < KEPT && !wanted.contains(&entry.version.as_str()) {
                wanted.push(entry.version.as_str());
            }
        }
        for entry in ledger.history.iter().filter(|entry| !wanted.contains(&entry.version.as_str())) {
            let _ = std::fs::remove_dir_all(self.folder.join(entry.version.as_str()));
        }
    }
}

/// A copy, or another name for the same contents.
fn place(from: &Path, to: &Path, twin: Option<PathBuf>) -> io::Result<()> {
    let put = || -> io::Result<()> {
        to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        let contents = std::fs::read(from)?;
        let same = twin.filter(|twin| std::fs::read(twin).is_ok_and(|kept| kept == contents));
        match same.map(|twin| std::fs::hard_link(twin, to)) {
            Some(Ok(())) => Ok(()),
            _ => std::fs::write(to, contents),
        }
    };
    put().map_err(|error| named(from, &error))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
