//! From the file's text to a [`Config`]: shape first, then every value and every name, all faults at once.

mod admission;
mod features;
mod lend;
mod listen;
mod numbering;
mod numbers;
mod outside;
mod people;
mod projects;
mod queues;
mod registrar;
mod security;
mod tls;
mod toll;
mod trunks;

use super::raw::{self, RawConfig};
use super::read::At;
use super::{Auth, Config, ConfigError, FlowSource, Limits, MessagePolicy, Mode, Recording, Records, Sip, duration};
use crate::ids::{AgentId, QueueId, TrunkId};
use crate::sip::endpoint::ReliableProvisional;
use crate::source::diag::{Diagnostic, Diags, nearest, shown};
use crate::source::text::{Files, Sources, Span, decode};
use crate::source::yaml;
use crate::switch::{KeyPolicy, SrtpPolicy, SupervisionNotice};
use crate::trunks::Group;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Ten thousand agents fit; a file beyond it is a mistake or an attack on the reader's memory.
const MAX_FILE: u64 = 4 << 20;

/// Reads and checks the file at `path`.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = read(path)?;
    let sources = Sources { files: vec![(path.display().to_string(), text)] };
    let files = Files::new(&sources);
    let mut diags = Diags::new(&files);
    let file = files.0.first().and_then(|file| yaml::parse_up_to(MAX_FILE as usize, file, 0, &mut diags));
    let Some(raw) = file.and_then(|root| raw::read(&root, &mut diags)) else { return Err(refused(diags)) };
    let mut check = Check::new(path, diags);
    sources.files.iter().for_each(|(_, text)| check.contents.update(text));
    let config = check.config(raw);
    check.finish(config)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let fault = |message: String, suggestion: Option<String>| {
        ConfigError(vec![Diagnostic::of_file("C100", path.display().to_string(), message, suggestion)])
    };
    let meta = std::fs::metadata(path).map_err(|error| {
        let help = "name the project's folder with `--project DIR`, or make a project with `hotline init DIR`";
        fault(format!("cannot read this file: {error}"), Some(help.into()))
    })?;
    if meta.len() > MAX_FILE {
        return Err(fault(format!("the file has {} octets, more than the {MAX_FILE} allowed", meta.len()), None));
    }
    let octets = std::fs::read(path).map_err(|error| fault(format!("cannot read this file: {error}"), None))?;
    decode(octets).map_err(|(line, column)| {
        let mut error = fault("this is not UTF-8 text".into(), Some("save the file as UTF-8".into()));
        error.0.iter_mut().for_each(|finding| (finding.line, finding.column) = (line, column));
        error
    })
}

fn refused(diags: Diags) -> ConfigError {
    ConfigError(findings(diags))
}

/// In file order. What the YAML reader found has one code here; a line with a password in it is not shown, because findings
/// of a reload go to the log and the journal.
fn findings(diags: Diags) -> Vec<Diagnostic> {
    let mut found = diags.into_sorted();
    for finding in &mut found {
        if finding.code.starts_with('E') {
            finding.code = "C101";
        }
        let secret = |line: &str| ["password:", "md5:", "sha256:"].iter().any(|key| line.contains(key));
        finding.text = finding.text.take().filter(|line| !secret(line));
    }
    found
}

/// The findings so far, and where the file is.
struct Check<'f> {
    folder: PathBuf,
    file: PathBuf,
    diags: Diags<'f>,
    /// Of the file and the secrets it names.
    contents: Sha256,
}

impl<'f> Check<'f> {
    fn new(path: &Path, diags: Diags<'f>) -> Self {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        Self { folder, file: path.to_path_buf(), diags, contents: Sha256::new() }
    }

    fn config(&mut self, raw: RawConfig) -> Config {
        self.version(raw.version.as_ref());
        let realm = self.realm(raw.realm);
        let tls = raw.tls.map(|raw| self.tls(raw));
        let listen = self.listen(raw.listen, tls.is_some());
        let sip = self.signalling(&raw.sip);
        let limits = self.limits(&raw.limits, &listen);
        let admission = self.admission(raw.admission, &limits);
        let srtp = self.srtp(raw.media.srtp.as_ref()).unwrap_or_default();
        let queues = self.queues(raw.queues, &raw.agents);
        let agents = self.agents(raw.agents, &realm, &queues);
        let trunks = self.trunks(raw.trunks, &listen, tls.as_ref());
        let flows = FlowSource::of_project(&self.folder);
        let trunk_groups = self.trunk_groups(raw.trunk_groups, &trunks);
        let names = Names { agents: &agents, queues: &queues, trunks: &trunks, trunk_groups: &trunk_groups };
        let numbers = self.numbers(raw.numbers, &names, &flows, &admission);
        let projects = self.projects(raw.projects, &queues, &numbers);
        let lend = self.lend(raw.lend, &projects, &agents);
        self.token_file(raw.auth.admin_token_file.as_ref());
        let auth = Auth {
            nonce_ttl: self.duration(raw.auth.nonce_ttl.as_ref(), Auth::default().nonce_ttl, NONCE_TTL),
            algorithms: self.algorithms(&raw.auth.algorithms),
            admin_token_file: raw.auth.admin_token_file.map(|file| self.folder.join(file.value)),
        };
        self.provable(&agents, &raw.auth.algorithms, &auth.algorithms);
        let security = self.security(&raw.security);
        let toll = self.toll(&raw.toll);
        let registrar = self.registrar(&raw.registrar);
        let recording = Recording {
            enabled: raw.recording.enabled.map_or(Recording::default().enabled, |enabled| enabled.value),
            pause_key: raw.recording.pause_key.as_ref().and_then(|keys| self.pause_key(keys)),
        };
        let supervision = self.supervision(&raw.supervision);
        let features = self.features(&raw.feature_codes);
        let records = Records {
            cdr_days: self.days(raw.records.cdr_days.as_ref(), Records::default().cdr_days),
            journal_days: self.days(raw.records.journal_days.as_ref(), Records::default().journal_days),
        };
        let bases = self.bases(raw.bases);
        let databases = self.databases(raw.databases);
        Config {
            mode: Mode::Production,
            id: String::new(),
            file: Some(self.file.clone()),
            state_dir: self.folder.join(raw.state_dir.map_or_else(|| "state".into(), |name| name.value)),
            flows,
            realm,
            listen,
            sip,
            tls,
            limits,
            admission,
            security,
            toll,
            srtp,
            auth,
            registrar,
            agents,
            queues,
            trunks,
            trunk_groups,
            numbers,
            projects,
            lend,
            recording,
            supervision,
            features,
            records,
            bases,
            databases,
            warnings: Vec::new(),
        }
    }

    fn finish(self, mut config: Config) -> Result<Config, ConfigError> {
        if self.diags.has_errors() {
            return Err(refused(self.diags));
        }
        config.warnings = findings(self.diags);
        // Short, so that it tells two configurations apart and nothing about the passwords in them.
        config.id = self.contents.finalize().iter().take(4).map(|octet| format!("{octet:02x}")).collect();
        Ok(config)
    }

    /// Makes a configuration with another secret another one.
    fn contents_of(&mut self, secret: &str) {
        self.contents.update(secret);
    }

    fn version(&mut self, version: Option<&At<u32>>) {
        match version {
            Some(version) if version.value == 1 => {}
            Some(version) => {
                let message = format!("version {} is not known to this program", version.value);
                self.error("C110", version, message, Some("write `version: 1`".into()));
            }
            // Told where the file was read.
            None => {}
        }
    }

    fn realm(&mut self, realm: Option<At<String>>) -> String {
        let Some(realm) = realm else { return "hotline".into() };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if realm.value.is_empty() || realm.value.len() > 255 || !realm.value.chars().all(plain) {
            let help = "use a domain name, such as `pbx.example.com`";
            self.error("C111", &realm, format!("`{}` cannot be a realm", realm.value), Some(help.into()));
        }
        realm.value
    }

    fn signalling(&mut self, raw: &super::raw::RawSip) -> Sip {
        let default = Sip::default();
        let min_se = self.duration(raw.min_se.as_ref(), default.min_se, MIN_SE);
        let session_expires =
            self.duration(raw.session_expires.as_ref(), default.session_expires.max(min_se), SESSION_EXPIRES);
        if let Some(text) = raw.session_expires.as_ref().filter(|_| session_expires < min_se) {
            let message = format!("`{}` is less than `sip.min_se`, the least that is agreed to", text.value);
            let help = format!("write {} or more", duration::show_duration(min_se));
            self.error("C133", text, message, Some(help));
        }
        let reliable_provisional = match &raw.reliable_provisional {
            None => default.reliable_provisional,
            Some(word) => match word.value.as_str() {
                "never" => ReliableProvisional::Never,
                "wanted" => ReliableProvisional::Wanted,
                "always" => ReliableProvisional::Always,
                other => {
                    let help = "`wanted` acknowledges early media, `always` each ringing too, `never` nothing";
                    let message = format!("`{other}` is not `never`, `wanted` or `always`");
                    self.error("C134", word, message, Some(help.into()));
                    default.reliable_provisional
                }
            },
        };
        Sip { session_expires, min_se, message: self.message_policy(raw), reliable_provisional }
    }

    fn message_policy(&mut self, raw: &super::raw::RawSip) -> MessagePolicy {
        match raw.message.as_ref().map(|text| (text, text.value.as_str())) {
            None | Some((_, "refuse")) => MessagePolicy::Refuse,
            Some((_, "deliver")) => MessagePolicy::Deliver,
            Some((text, other)) => {
                let help = "write `refuse`, or `deliver` to let extensions send each other texts";
                self.error("C137", text, format!("`{other}` says nothing about texts"), Some(help.into()));
                MessagePolicy::Refuse
            }
        }
    }

    fn pause_key(&mut self, keys: &At<String>) -> Option<Arc<str>> {
        let key = |key: char| key.is_ascii_digit() || matches!(key, '*' | '#' | 'A'..='D');
        // One key alone would be kept from everyone who is to be sent it.
        if (2..=4).contains(&keys.value.len()) && keys.value.chars().all(key) {
            return Some(keys.value.as_str().into());
        }
        let help =
            "write two to four keys of a telephone, the first one that callers are seldom sent, such as `\"*9\"`";
        self.error("C139", keys, format!("`{}` cannot be told from other keys", keys.value), Some(help.into()));
        None
    }

    fn supervision(&mut self, raw: &super::raw::RawSupervision) -> SupervisionNotice {
        let word = raw.notice.as_ref().map(|word| (word, word.value.as_str()));
        let notice = match (word, &raw.prompt) {
            (None | Some((_, "none")), _) => SupervisionNotice::None,
            (Some((_, "tone")), _) => SupervisionNotice::Tone,
            (Some((_, "prompt")), Some(prompt)) => return SupervisionNotice::Prompt(prompt.value.clone()),
            (Some((word, "prompt")), None) => {
                let help = "name the text that is said: `supervision: {notice: prompt, prompt: call_is_heard}`";
                self.error("C139", word, "no `prompt` says what is to be said".into(), Some(help.into()));
                SupervisionNotice::Tone
            }
            (Some((word, other)), _) => {
                let help = "`tone` is two beeps, `prompt` says a text, `none` nothing";
                self.error("C139", word, format!("`{other}` is no notice of a supervisor"), Some(help.into()));
                SupervisionNotice::None
            }
        };
        if let Some(prompt) = &raw.prompt {
            let help = "write `notice: prompt` beside it, or leave it out";
            self.error("C139", prompt, "this prompt would never be said".into(), Some(help.into()));
        }
        notice
    }

    fn limits(&mut self, raw: &super::raw::RawLimits, listen: &super::Listen) -> Limits {
        let default = Limits::default();
        // A bridged call has two legs, each with a pair of ports.
        let possible = (listen.rtp.pairs() / 2).max(1);
        let calls = match &raw.calls {
            None => default.calls.min(possible),
            Some(calls) if calls.value == 0 => {
                self.error("C131", calls, "a switch for 0 calls takes none".into(), Some("write at least 1".into()));
                1
            }
            Some(calls) if calls.value > possible => {
                let (first, last) = (listen.rtp.first, listen.rtp.last);
                let message =
                    format!("{} calls need four ports each; {first}-{last} is enough for {possible}", calls.value);
                let help = format!("write {possible} or less, or widen `listen.rtp.ports`");
                self.error("C131", calls, message, Some(help));
                possible
            }
            Some(calls) => calls.value,
        };
        let calls_per_second = raw.calls_per_second.as_ref().filter(|rate| {
            if rate.value == 0 {
                let help = "write at least 1, or leave the key out for any number";
                self.error("C131", *rate, "a switch for 0 calls a second takes none".into(), Some(help.into()));
            }
            rate.value > 0
        });
        Limits {
            calls,
            calls_per_second: calls_per_second.map(|rate| rate.value),
            drain_timeout: self.duration(raw.drain_timeout.as_ref(), default.drain_timeout, DRAIN),
            rtp_timeout: self.duration(raw.rtp_timeout.as_ref(), default.rtp_timeout, RTP_TIMEOUT),
        }
    }

    fn srtp(&mut self, word: Option<&At<String>>) -> Option<SrtpPolicy> {
        let word = word?;
        match word.value.as_str() {
            "off" => Some(SrtpPolicy::Off),
            "optional" => Some(SrtpPolicy::Optional),
            "required" => Some(SrtpPolicy::Required),
            "dtls" => Some(SrtpPolicy::Dtls),
            other => {
                let help = "`optional` encrypts with those who can, `required` refuses the others, `dtls` offers them what browsers take, `off` never encrypts";
                let message = format!("`{other}` is not `off`, `optional`, `required` or `dtls`");
                self.error("C138", word, message, Some(help.into()));
                None
            }
        }
    }

    /// How a party is told keys.
    fn keys(&mut self, word: Option<&At<String>>) -> KeyPolicy {
        let Some(word) = word else { return KeyPolicy::default() };
        match word.value.as_str() {
            "auto" => KeyPolicy::Auto,
            "rfc4733" => KeyPolicy::Rfc4733,
            "info" => KeyPolicy::Info,
            "info-plain" => KeyPolicy::InfoPlain,
            "inband" => KeyPolicy::Inband,
            other => {
                let help = "write `auto` (telephone-event where it was agreed, else tones), which is meant without the key; \
                            `rfc4733`, never tones; `info` or `info-plain`, SIP INFO in place of tones; `inband`, always tones";
                self.error("C184", word, format!("`{other}` is no way to send keys"), Some(help.into()));
                KeyPolicy::default()
            }
        }
    }

    fn days(&mut self, days: Option<&At<u32>>, default: u32) -> u32 {
        match days {
            None => default,
            Some(days) if (1..=36_500).contains(&days.value) => days.value,
            Some(days) => {
                let help = "write a number of days from 1 to 36500";
                self.error("C132", days, format!("{} days cannot be kept", days.value), Some(help.into()));
                default
            }
        }
    }

    fn duration(&mut self, text: Option<&At<String>>, default: Duration, allowed: Allowed) -> Duration {
        let Some(text) = text else { return default };
        match duration::parse_duration(&text.value) {
            Ok(length) if (allowed.min..=allowed.max).contains(&length) => length,
            Ok(_) => {
                let [min, max] = [allowed.min, allowed.max].map(duration::show_duration);
                let message = format!("`{}` is out of range", text.value);
                self.error("C130", text, message, Some(format!("write a length of time from {min} to {max}")));
                default
            }
            Err(message) => {
                self.error("C130", text, message, None);
                default
            }
        }
    }

    fn error<T>(&mut self, code: &'static str, at: &At<T>, message: String, suggestion: Option<String>) {
        match suggestion {
            Some(suggestion) => self.diags.error_hint(code, at.span, message, suggestion),
            None => self.diags.error(code, at.span, message),
        }
    }

    fn warning<T>(&mut self, code: &'static str, at: &At<T>, message: String, suggestion: Option<String>) {
        match suggestion {
            Some(suggestion) => self.diags.warn_hint(code, at.span, message, suggestion),
            None => self.diags.warn(code, at.span, message),
        }
    }

    fn line(&self, span: Span) -> u32 {
        self.diags.place(span).1
    }

    /// "there is no queue `servcie`", with the name that was probably meant or all there are.
    fn missing<'a>(&mut self, at: &At<String>, what: &str, known: impl Iterator<Item = &'a str>) {
        let known: Vec<&str> = known.collect();
        let suggestion = match nearest(&at.value, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("no {what} is defined"),
            None => format!("there is: {}", known[..known.len().min(8)].join(", ")),
        };
        self.error("C140", at, format!("there is no {what} `{}`", at.value), Some(suggestion));
    }

    /// Whether `name` may be a name here; says so when not.
    fn name(&mut self, what: &str, at: &At<String>) -> bool {
        let name = at.value.as_str();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let good = !name.is_empty() && name.len() <= 64 && name.chars().all(plain);
        if !good {
            let help = "use 1 to 64 of the characters a-z, A-Z, 0-9, `-`, `_` and `.`";
            let name = shown(name);
            let message =
                format!("the {what} name `{name}` is empty, too long or has a character that no name has here");
            self.error("C141", at, message, Some(help.into()));
        }
        good
    }
}

/// What other parts of the file may refer to.
struct Names<'a> {
    agents: &'a BTreeMap<AgentId, super::Agent>,
    queues: &'a BTreeMap<QueueId, super::Queue>,
    trunks: &'a BTreeMap<TrunkId, super::Trunk>,
    trunk_groups: &'a BTreeMap<TrunkId, Group>,
}

/// The range a length of time may be in.
#[derive(Clone, Copy)]
struct Allowed {
    min: Duration,
    max: Duration,
}

const fn allowed(min_s: u64, max_s: u64) -> Allowed {
    Allowed { min: Duration::from_secs(min_s), max: Duration::from_secs(max_s) }
}

const NONCE_TTL: Allowed = allowed(10, 86_400);
/// RFC 4028 section 5 has 90 s for the least of both.
const MIN_SE: Allowed = allowed(90, 3_600);
const SESSION_EXPIRES: Allowed = allowed(90, 86_400);
const DRAIN: Allowed = allowed(0, 86_400);
const RTP_TIMEOUT: Allowed = allowed(5, 3_600);
/// Below 3 s no phone rings twice; above two minutes a caller is long gone.
const RING: Allowed = allowed(3, 120);
const WRAP_UP: Allowed = allowed(0, 3_600);
const MAX_WAIT: Allowed = allowed(1, 14_400);
