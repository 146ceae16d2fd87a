//! Agents, and how each proves who it is.

use super::super::raw::{RawAgent, RawHa1};
use super::super::read::At;
use super::super::{Agent, Auth, Queue, Secret};
use super::Check;
use crate::ids::{AgentId, QueueId};
use crate::routing::NumberPattern;
use crate::sip::digest::{Algorithm, Ha1Set};
use crate::source::diag::shown;
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A password file holds one line; more is another file by mistake.
const MAX_SECRET: u64 = 4096;
/// Shorter passwords of extensions fall to a dictionary within a day at the rate that guesses are let through.
const SHORT_PASSWORD: usize = 8;

impl Check<'_> {
    pub(super) fn agents(
        &mut self,
        raw: Vec<RawAgent>,
        realm: &str,
        queues: &BTreeMap<QueueId, Queue>,
    ) -> BTreeMap<AgentId, Agent> {
        let mut agents = BTreeMap::new();
        let mut first_line = BTreeMap::new();
        for agent in raw {
            let id = AgentId::new(&agent.id.value);
            self.extension(&agent.id);
            if let Some(line) = first_line.insert(id.clone(), self.line(agent.id.span)) {
                let message = format!("extension `{id}` is there twice, first on line {line}");
                self.error("C142", &agent.id, message, Some("give each agent an `id` of its own".into()));
                continue;
            }
            let mut serves = Vec::new();
            for queue in &agent.queues {
                let id = QueueId::new(&queue.value);
                if !queues.contains_key(&id) {
                    self.missing(queue, "queue", queues.keys().map(QueueId::as_str));
                } else if !serves.contains(&id) {
                    serves.push(id);
                }
            }
            // Without a proof there is an error already and nothing will run with this; the agent stays known, so that
            // no further finding says that it is missing.
            let ha1 = self.proof(&agent, realm).unwrap_or_else(|| Ha1Set::new("", "", ""));
            let name = agent.name.map_or_else(|| agent.id.value.clone(), |name| name.value);
            let srtp = self.srtp(agent.srtp.as_ref());
            let keys = self.keys(agent.dtmf.as_ref());
            let skills = self.agent_skills(&agent.skills);
            agents.insert(id.clone(), Agent { id, name, ha1, queues: serves, skills, srtp, keys });
        }
        agents
    }

    /// An agent's id is also what others dial.
    fn extension(&mut self, id: &At<String>) {
        let dialled = NumberPattern::exact(&id.value).is_ok_and(|number| number.to_string() == id.value);
        if self.name("agent", id) && !dialled {
            let help = "use digits, such as `1001`";
            self.error("C141", id, format!("nobody can dial `{}`", id.value), Some(help.into()));
        }
    }

    fn proof(&mut self, agent: &RawAgent, realm: &str) -> Option<Ha1Set> {
        match (&agent.password, &agent.password_file, &agent.ha1) {
            (Some(password), None, None) => {
                self.exposed(password);
                self.strength(password, &password.value);
                Some(Ha1Set::new(&agent.id.value, realm, &password.value))
            }
            (None, Some(file), None) => {
                let secret = self.secret_file(file)?;
                self.strength(file, secret.expose());
                Some(Ha1Set::new(&agent.id.value, realm, secret.expose()))
            }
            (None, None, Some(ha1)) => self.ha1(ha1),
            (None, None, None) => {
                let message = format!("agent `{}` has nothing to prove itself with", agent.id.value);
                self.error("C143", &agent.id, message, Some("add `password_file: secrets/NAME`".into()));
                None
            }
            _ => {
                let help = "keep one of `password`, `password_file` and `ha1`";
                self.error("C143", &agent.id, "more than one password is given".into(), Some(help.into()));
                None
            }
        }
    }

    fn ha1(&mut self, raw: &At<RawHa1>) -> Option<Ha1Set> {
        let ha1 = Ha1Set::from_hex(&raw.value.md5, &raw.value.sha256, raw.value.sha512_256.as_deref());
        if ha1.is_none() {
            let help = "they are the hashes of `id:realm:password` in hex";
            let message = "`md5` has 32 hex digits, `sha256` and `sha512_256` have 64".into();
            self.error("C144", raw, message, Some(help.into()));
        }
        ha1
    }

    /// What phones are challenged with. The strongest first is what RFC 8760 2.4 asks for; the usual order is what phones need.
    pub(super) fn algorithms(&mut self, raw: &[At<String>]) -> Vec<Algorithm> {
        let mut algorithms = Vec::new();
        for at in raw {
            let known = Algorithm::ALL.into_iter().find(|algorithm| algorithm.token().eq_ignore_ascii_case(&at.value));
            match known {
                Some(algorithm) if !algorithms.contains(&algorithm) => algorithms.push(algorithm),
                _ => {
                    let message = format!("`{}` is no digest algorithm, or the second of its kind", shown(&at.value));
                    self.error("C148", at, message, Some("use sha-512-256, sha-256 and md5".into()));
                }
            }
        }
        if algorithms.is_empty() { Auth::default().algorithms } else { algorithms }
    }

    /// Stored hashes that no challenge asks for let nobody in.
    pub(super) fn provable(&mut self, agents: &BTreeMap<AgentId, Agent>, raw: &[At<String>], offered: &[Algorithm]) {
        let Some(at) = raw.first() else { return };
        for agent in agents.values().filter(|agent| !offered.iter().any(|one| agent.ha1.of(*one).is_some())) {
            let message = format!("agent {} has no hash for any of these algorithms", agent.id);
            self.error("C148", at, message, Some("give it `ha1.sha512_256`, or a password".into()));
        }
    }

    /// A password's file, relative to the project. Its last line break is not part of the password.
    pub(super) fn secret_file(&mut self, at: &At<String>) -> Option<Secret> {
        let path = self.folder.join(&at.value);
        let text = match read_secret(&path) {
            Ok(text) => text,
            Err(message) => {
                let help = format!("put the password alone into {}, readable by this user only", path.display());
                self.error("C145", at, message, Some(help));
                return None;
            }
        };
        if open_to_others(&path) {
            let help = format!("chmod 600 {}", path.display());
            self.warning("C146", at, "other users of this machine can read this secret".into(), Some(help));
        }
        self.contents.update(&text);
        Some(Secret::new(text))
    }

    /// The token's file may not be there yet: the first start makes it.
    pub(super) fn token_file(&mut self, at: Option<&At<String>>) {
        let Some(at) = at else { return };
        let path = self.folder.join(&at.value);
        if open_to_others(&path) {
            let help = format!("chmod 600 {}", path.display());
            self.warning("C146", at, "other users of this machine can read the admin token".into(), Some(help));
        }
    }

    /// A password written into the file is as secret as the file.
    pub(super) fn exposed(&mut self, at: &At<String>) {
        let file: PathBuf = self.file.clone();
        if open_to_others(&file) {
            let help = format!("chmod 600 {}, or use `password_file`", file.display());
            self.warning("C146", at, "other users of this machine can read this password".into(), Some(help));
        }
    }

    /// Who has the key of our certificate can pretend to be us, so one that others can read is not used at all.
    pub(super) fn private(&mut self, at: &At<String>, path: &Path) {
        if open_to_others(path) {
            let help = format!("chmod 600 {}, and make a new one if others may have read it", path.display());
            self.error("C146", at, "other users of this machine can read this key".into(), Some(help));
        }
    }

    fn strength<T>(&mut self, at: &At<T>, password: &str) {
        if password.is_empty() {
            self.error("C143", at, "the password is empty".into(), None);
        } else if password.chars().count() < SHORT_PASSWORD {
            let message = format!("a password of fewer than {SHORT_PASSWORD} characters is soon guessed");
            self.warning("C147", at, message, None);
        }
    }
}

fn read_secret(path: &Path) -> Result<String, String> {
    let meta = std::fs::metadata(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if meta.len() > MAX_SECRET {
        return Err(format!("{} is too long for a password", path.display()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    match text.is_empty() || text.contains(['\n', '\r', '\0']) {
        true => Err(format!("{} is not one line with a password", path.display())),
        false => Ok(text.to_string()),
    }
}

#[cfg(unix)]
fn open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> bool {
    false
}
