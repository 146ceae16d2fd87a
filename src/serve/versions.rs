//! Published versions of flows: each kept whole in the state folder under its hash, and a ledger of which is in force.
//!
//! A kept version is never written again unless it was damaged. What the ledger names is on the disk before; the ledger
//! is replaced in one step, so that a crash leaves the old one or the new.

use crate::config::FlowSource;
use crate::config::project;
use crate::ids::FlowVersion;
use crate::media::prompts;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Versions that can be gone back to; older ones are taken away.
const KEPT: usize = 20;
/// Lines of the ledger.
const MAX_HISTORY: usize = 200;
const LEDGER: &str = "ledger.json";
const NEW: &str = "new";
/// In each kept version: what its files were, as `sha256sum -c` reads it.
const SUMS: &str = "SHA256SUMS";

/// What is in force, what is to be, and what was. Its keys are what the API shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ledger {
    /// `None` until something was published: then the folder is what counts.
    pub current: Option<FlowVersion>,
    /// The folder's version, which callers take as long as the published one cannot be used.
    pub instead: Option<FlowVersion>,
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
    #[serde(alias = "reloaded")]
    Published,
    Planned,
    Canary,
    /// An operator has ended it.
    CanaryEnded,
    RolledBack,
    /// A canary that did harm.
    TakenBack,
    /// It does not fit the configuration, or its files are damaged: the folder's flows are taken instead.
    Unusable,
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

    /// The version that was in force before the present one came, leaving out what was rolled back.
    pub fn before(&self) -> Option<FlowVersion> {
        let good = self.good();
        let mut earlier = good.into_iter().rev().filter(|version| Some(*version) != self.ledger.current.as_ref());
        earlier.find(|version| self.is_kept(version)).cloned()
    }

    /// What was in force and not rolled back, oldest first.
    fn good(&self) -> Vec<&FlowVersion> {
        let mut good: Vec<&FlowVersion> = Vec::new();
        for Entry { what, version, .. } in self.ledger.history.iter().rev() {
            match what {
                Deed::Published => good.push(version),
                Deed::RolledBack => {
                    let at = good.iter().rposition(|one| *one == version);
                    good.truncate(at.unwrap_or(good.len()));
                    good.push(version);
                }
                Deed::Planned | Deed::Canary | Deed::CanaryEnded | Deed::TakenBack | Deed::Unusable => {}
            }
        }
        good
    }

    /// What became of a version that is not in force, for people.
    pub fn fate(&self, version: &FlowVersion) -> &'static str {
        let Ledger { canary, planned, history, .. } = &self.ledger;
        let was = |deeds: &[Deed]| history.iter().any(|entry| entry.version == *version && deeds.contains(&entry.what));
        if canary.as_ref().is_some_and(|canary| canary.version == *version) {
            " (on trial)"
        } else if planned.as_ref().is_some_and(|planned| planned.version == *version) {
            " (planned)"
        } else if was(&[Deed::Published, Deed::RolledBack]) && !self.good().contains(&version) {
            " (rolled back)"
        } else if was(&[Deed::TakenBack, Deed::CanaryEnded]) {
            " (taken back)"
        } else {
            ""
        }
    }

    /// Notes what a start or a reload has found callers to take.
    pub fn settle(&mut self, taken: &FlowVersion, at: u64) -> io::Result<()> {
        let unusable = self.ledger.current.clone().filter(|current| current != taken);
        let instead = unusable.is_some().then(|| taken.clone());
        if instead == self.ledger.instead {
            return Ok(());
        }
        let entry = unusable.map(|version| Entry { at, what: Deed::Unusable, version, by: None, why: None });
        self.change(entry, |ledger| ledger.instead = instead)
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
        let (mut sums, mut folders) = (String::new(), BTreeSet::from([new.clone()]));
        let kinds: Vec<&str> = prompts::extensions().into_iter().chain(["yaml"]).collect();
        for (folder, name) in [(flows, "ivr-flows"), (prompts, "prompts")] {
            for file in project::found_below(folder, &kinds)? {
                let Ok(inside) = file.strip_prefix(folder) else { continue };
                let inside = Path::new(name).join(inside);
                let to = new.join(&inside);
                let sum = place(&file, &to, twin.as_ref().map(|twin| twin.join(&inside)))?;
                let _ = writeln!(sums, "{sum}  {}", inside.display());
                folders.extend(to.ancestors().skip(1).take_while(|folder| *folder != new).map(Path::to_path_buf));
            }
        }
        let finish = || {
            write(&new.join(SUMS), sums.as_bytes())?;
            folders.iter().try_for_each(|folder| sync(folder))
        };
        finish().map_err(|error| named(&new, &error))?;
        Ok(FlowSource::of_project(&new))
    }

    /// Whether all files of a kept version are as they were when it was kept.
    pub fn whole(&self, version: &FlowVersion) -> io::Result<()> {
        let folder = self.folder.join(version.as_str());
        let sums = std::fs::read_to_string(folder.join(SUMS)).map_err(|error| named(&folder.join(SUMS), &error))?;
        for (sum, inside) in sums.lines().filter_map(|line| line.split_once("  ")) {
            let file = folder.join(inside);
            if sum_of(&std::fs::read(&file).map_err(|error| named(&file, &error))?) != sum {
                let text = "this is not what was published";
                return Err(named(&file, &io::Error::new(io::ErrorKind::InvalidData, text)));
            }
        }
        Ok(())
    }

    /// What was copied aside is this version.
    pub fn keep(&self, version: &FlowVersion) -> io::Result<()> {
        let (new, kept) = (self.folder.join(NEW), self.folder.join(version.as_str()));
        if self.whole(version).is_ok() {
            return std::fs::remove_dir_all(&new).map_err(|error| named(&new, &error));
        }
        let replace = || {
            if kept.is_dir() {
                std::fs::remove_dir_all(&kept)?;
            }
            std::fs::rename(&new, &kept)?;
            sync(&self.folder)
        };
        replace().map_err(|error| named(&kept, &error))
    }

    /// Changes the ledger, on disk first.
    pub fn change(&mut self, entry: Option<Entry>, change: impl FnOnce(&mut Ledger)) -> io::Result<()> {
        let mut ledger = self.ledger.clone();
        ledger.history.splice(0..0, entry);
        ledger.history.truncate(MAX_HISTORY);
        change(&mut ledger);
        let (file, draft) = (self.folder.join(LEDGER), self.folder.join("ledger.new"));
        let text = serde_json::to_string_pretty(&ledger).map_err(io::Error::other)?;
        let replace = || -> io::Result<()> {
            write(&draft, text.as_bytes())?;
            std::fs::rename(&draft, &file)?;
            sync(&self.folder)
        };
        replace().map_err(|error| named(&file, &error))?;
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

/// A copy, or another name for the same contents; gives their sum.
fn place(from: &Path, to: &Path, twin: Option<PathBuf>) -> io::Result<String> {
    let put = || -> io::Result<String> {
        to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        let contents = std::fs::read(from)?;
        let same = twin.filter(|twin| std::fs::read(twin).is_ok_and(|kept| kept == contents));
        match same.map(|twin| std::fs::hard_link(twin, to)) {
            Some(Ok(())) => {}
            _ => write(to, &contents)?,
        }
        Ok(sum_of(&contents))
    };
    put().map_err(|error| named(from, &error))
}

fn sum_of(contents: &[u8]) -> String {
    Sha256::digest(contents).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A file whose contents a power cut leaves.
fn write(file: &Path, contents: &[u8]) -> io::Result<()> {
    let mut out = File::create(file)?;
    out.write_all(contents)?;
    out.sync_all()
}

/// The names in a folder are on the disk, too.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
