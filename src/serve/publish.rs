//! How flows come into force: published from the folder, at a time or to a share of the callers first, taken back by an
//! operator or because they do harm.
//!
//! Before the first publication the folder is what counts, at a start and at a reload. From then on it is the version that
//! was published last, and a reload publishes what is in the folder.

use super::bundle;
use super::clock;
use super::event_loop::Control;
use super::versions::{Deed, Entry, OnTrial, Planned, Versions};
use crate::api::{CommandError, CommandReply, Done, Publication, Rollback};
use crate::cdr::{Canary, Finding, Judged, Verdict};
use crate::config::{Config, FlowSource, project};
use crate::events::EventKind;
use crate::ids::FlowVersion;
use crate::ivr::{Bundle, Sources, trial};
use crate::switch::SwitchBundle;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The wall clock may be set while a publication waits for its time.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A larger share is no trial any more.
const MAX_PERCENT: u8 = 50;
/// Failed tests that are told of.
const TOLD: usize = 20;

/// What a start begins with.
pub(super) struct Beginning {
    pub bundle: SwitchBundle,
    pub canary: Option<(Arc<SwitchBundle>, u8)>,
    pub versions: Versions,
}

/// The version that was published last; the folder's flows where none was or it cannot be used any more.
pub(super) fn at_start(config: &Config, warn: &mut dyn FnMut(String)) -> Result<Beginning, Vec<String>> {
    let versions = Versions::open(config.versions_dir()).map_err(|error| vec![error.to_string()])?;
    let mut kept = |version: &FlowVersion| match bundle::load(&of_version(config, &versions, version), &mut |_| {}) {
        Ok(bundle) => Some(bundle),
        Err(findings) => {
            warn(format!(
                "published version {version} cannot be used with this configuration:\n{}",
                findings.join("\n")
            ));
            None
        }
    };
    let ledger = versions.ledger();
    let published = ledger.current.as_ref().and_then(&mut kept);
    let canary = ledger.canary.as_ref().filter(|_| published.is_some());
    let canary = canary.and_then(|canary| Some((Arc::new(kept(&canary.version)?), canary.percent)));
    let bundle = match published {
        Some(bundle) => bundle,
        None => bundle::load(config, warn)?,
    };
    Ok(Beginning { bundle, canary, versions })
}

fn of_version(config: &Config, versions: &Versions, version: &FlowVersion) -> Config {
    Config { flows: versions.source(version), ..config.clone() }
}

/// A call that has ended: the version that it took, and how it went.
pub(super) type Ended = (FlowVersion, Judged);

pub(super) struct Publisher {
    versions: Versions,
    watch: Canary,
    /// Calls of the version on trial have been found to be no worse, which was told.
    harmless: bool,
    control: mpsc::Sender<Control>,
}

impl Publisher {
    pub fn new(versions: Versions, control: mpsc::Sender<Control>) -> Self {
        Self { versions, watch: Canary::default(), harmless: false, control }
    }

    /// Publishes what is in the project's folder; `in_force` is what all callers take now, and afterwards.
    pub async fn publish(&mut self, config: &Config, in_force: &mut FlowVersion, wish: Publication) -> CommandReply {
        let now = clock::wall_ms();
        if config.flows == FlowSource::Embedded {
            let text = "the demo's flows are part of the program; `hotline init DIR` makes a project of one's own";
            return Err(CommandError::Conflict(text.into()));
        }
        self.refuse(&wish, now)?;
        let (versions, from, tests) = (self.versions.clone(), config.clone(), wish.skip_tests.is_none());
        let prepared = tokio::task::spawn_blocking(move || prepare(&versions, &from, tests)).await;
        let (bundle, warnings) = match prepared {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(findings)) => return Err(self.refused(findings).await),
            Err(_) => return Err(CommandError::Conflict("the publication broke off; what was in force stays".into())),
        };
        let version = bundle.flows.version.clone();
        if let Some(section) = wish.move_calls.as_ref().filter(|section| !bundle.flows.has_section(section)) {
            return Err(CommandError::Invalid(vec![format!("no flow has a section `{section}` to move calls to")]));
        }
        let done = match (wish.at, wish.canary) {
            (Some(at), canary) => {
                let planned = Planned {
                    version: version.clone(),
                    at,
                    canary,
                    move_calls: wish.move_calls.clone(),
                    by: wish.by.clone(),
                    why: wish.why.clone(),
                };
                self.note(Deed::Planned, &version, &wish, now, |ledger| ledger.planned = Some(planned))?;
                format!("version {version} comes into force at its time; `hotline flow versions` shows it")
            }
            (None, Some(percent)) => self.try_out(bundle, percent, in_force, &wish, now).await?,
            (None, None) => self.put_in_force(bundle, in_force, Deed::Published, &wish, now).await?,
        };
        tracing::info!(by = wish.by, why = wish.why, skipped_tests = wish.skip_tests, "{done}");
        Ok(Done { done, warnings, ..Done::default() })
    }

    fn refuse(&self, wish: &Publication, now: u64) -> Result<(), CommandError> {
        let invalid = |text: String| Err(CommandError::Invalid(vec![text]));
        match (wish.at, wish.canary) {
            (Some(at), _) if at <= now => return invalid("that time is over".into()),
            (_, Some(percent)) if !(1..=MAX_PERCENT).contains(&percent) => {
                return invalid(format!("a canary takes 1 to {MAX_PERCENT} percent of the callers"));
            }
            (_, Some(_)) if wish.move_calls.is_some() => {
                return invalid("calls are moved to what all callers take; publish without a canary".into());
            }
            (_, Some(_)) if self.versions.ledger().current.is_none() => {
                let text = "there is no version to go back to; publish once without a canary first";
                return Err(CommandError::Conflict(text.into()));
            }
            _ => {}
        }
        Ok(())
    }

    async fn refused(&self, findings: Vec<String>) -> CommandError {
        let error = findings.join("\n");
        tracing::error!("publication refused, what was in force stays:\n{error}");
        let fact = EventKind::BundleRefused { error };
        let _ = self.control.send(Control::Fact { call: None, fact }).await;
        CommandError::Invalid(findings)
    }

    async fn put_in_force(
        &mut self,
        bundle: SwitchBundle,
        in_force: &mut FlowVersion,
        what: Deed,
        wish: &Publication,
        now: u64,
    ) -> Result<String, CommandError> {
        let version = bundle.flows.version.clone();
        self.note(what, &version, wish, now, |ledger| {
            (ledger.current, ledger.canary, ledger.planned) = (Some(version.clone()), None, None);
        })?;
        *in_force = version.clone();
        let _ = self.control.send(Control::Canary(None)).await;
        let _ = self.control.send(Control::Flows(Arc::new(bundle))).await;
        if let Some(section) = wish.move_calls.clone() {
            let _ = self.control.send(Control::MoveCalls(section)).await;
        }
        Ok(format!("in force: version {version}"))
    }

    async fn try_out(
        &mut self,
        bundle: SwitchBundle,
        percent: u8,
        in_force: &FlowVersion,
        wish: &Publication,
        now: u64,
    ) -> Result<String, CommandError> {
        let version = bundle.flows.version.clone();
        if version == *in_force {
            return Err(CommandError::Conflict("these flows are in force already; there is nothing to try out".into()));
        }
        let trial = OnTrial { version: version.clone(), percent, since: now };
        self.note(Deed::Canary, &version, wish, now, |ledger| (ledger.canary, ledger.planned) = (Some(trial), None))?;
        (self.watch, self.harmless) = (Canary::default(), false);
        let _ = self.control.send(Control::Canary(Some((Arc::new(bundle), percent)))).await;
        Ok(format!("{percent} % of the callers take version {version}; it is taken back if it does them harm"))
    }

    /// Back to an earlier version, or, while one is on trial, to what the others take.
    pub async fn roll_back(&mut self, config: &Config, in_force: &mut FlowVersion, wish: Rollback) -> CommandReply {
        let now = clock::wall_ms();
        let said = Publication { by: wish.by, why: wish.why, ..Publication::default() };
        if let (None, Some(canary)) = (&wish.version, self.versions.ledger().canary.clone()) {
            self.end_trial(Deed::CanaryEnded, &canary.version, &said, now).await?;
            return Ok(format!("nobody takes version {} any more; all take {in_force}", canary.version).into());
        }
        let version = match &wish.version {
            Some(start) => self.versions.find(start).ok_or_else(|| {
                CommandError::NotFound(format!("no one version begins with `{start}`; see `hotline flow versions`"))
            })?,
            None => self.versions.before().ok_or_else(|| {
                CommandError::Conflict("no earlier version was published that could be gone back to".into())
            })?,
        };
        let bundle = self.load(config, &version).await?;
        let done = self.put_in_force(bundle, in_force, Deed::RolledBack, &said, now).await?;
        tracing::warn!(by = said.by, why = said.why, "rolled back; {done}");
        Ok(done.into())
    }

    async fn load(&self, config: &Config, version: &FlowVersion) -> Result<SwitchBundle, CommandError> {
        let from = of_version(config, &self.versions, version);
        let loaded = tokio::task::spawn_blocking(move || bundle::load(&from, &mut |_| {})).await;
        match loaded {
            Ok(Ok(bundle)) => Ok(bundle),
            Ok(Err(findings)) => Err(self.refused(findings).await),
            Err(_) => Err(CommandError::Conflict("the version could not be read; what was in force stays".into())),
        }
    }

    /// A reload has taken the folder's flows; they are the version in force if versions are in use at all.
    pub async fn reloaded(&mut self, config: &Config, version: &FlowVersion) {
        if self.versions.ledger().current.as_ref().is_none_or(|current| current == version) {
            return;
        }
        let (versions, from, wanted) = (self.versions.clone(), config.clone(), version.clone());
        let kept = tokio::task::spawn_blocking(move || {
            versions.copy(&from.flows).and_then(|_| versions.keep(&wanted)).map_err(|error| error.to_string())
        });
        let kept = kept.await.unwrap_or_else(|_| Err("it broke off".into()));
        let noted = kept.and_then(|()| {
            self.note(Deed::Reloaded, version, &Publication::default(), clock::wall_ms(), |ledger| {
                (ledger.current, ledger.canary) = (Some(version.clone()), None);
            })
            .map_err(|error| format!("{error:?}"))
        });
        if let Err(error) = noted {
            self.alarm(format!("version {version} is in force, and will not be after a restart: {error}")).await;
        }
        let _ = self.control.send(Control::Canary(None)).await;
    }

    /// How long until a publication may be due.
    pub fn wait(&self) -> Option<Duration> {
        let planned = self.versions.ledger().planned.as_ref()?;
        Some(Duration::from_millis(planned.at.saturating_sub(clock::wall_ms())).min(LOOK_AGAIN))
    }

    /// Puts in force what is due.
    pub async fn due(&mut self, config: &Config, in_force: &mut FlowVersion) {
        let now = clock::wall_ms();
        let Some(planned) = self.versions.ledger().planned.clone().filter(|planned| planned.at <= now) else { return };
        let Planned { version, canary, move_calls, by, why, .. } = planned;
        let wish = Publication { move_calls, by, why, ..Publication::default() };
        let done = match (self.load(config, &version).await, canary) {
            (Ok(bundle), Some(percent)) => self.try_out(bundle, percent, in_force, &wish, now).await,
            (Ok(bundle), None) => self.put_in_force(bundle, in_force, Deed::Published, &wish, now).await,
            (Err(error), _) => Err(error),
        };
        match done {
            Ok(done) => tracing::info!("as planned: {done}"),
            Err(error) => {
                let _ = self.note(Deed::TakenBack, &version, &wish, now, |ledger| ledger.planned = None);
                self.alarm(format!("version {version} did not come into force at its time: {error:?}")).await;
            }
        }
    }

    /// Judges a call that has ended, and takes a version back that does harm.
    pub async fn ended(&mut self, (version, judged): Ended) {
        let ledger = self.versions.ledger();
        let Some(canary) = ledger.canary.clone() else { return };
        let is_new = version == canary.version;
        if !is_new && ledger.current.as_ref() != Some(&version) {
            return;
        }
        match self.watch.judge(is_new, judged) {
            Verdict::Worse(finding) => self.take_back(&canary.version, &finding).await,
            Verdict::Harmless if !self.harmless => {
                self.harmless = true;
                tracing::info!(
                    "version {} does callers no harm; `hotline flow publish` gives it to all",
                    canary.version
                );
            }
            Verdict::Harmless | Verdict::Watching => {}
        }
    }

    async fn take_back(&mut self, version: &FlowVersion, finding: &Finding) {
        let wish = Publication { why: Some(finding.to_string()), ..Publication::default() };
        let noted = self.end_trial(Deed::TakenBack, version, &wish, clock::wall_ms()).await;
        let unnoted =
            noted.err().map_or_else(String::new, |error| format!(" (and that could not be written: {error:?})"));
        self.alarm(format!("version {version} was taken back: {finding}{unnoted}")).await;
    }

    async fn end_trial(
        &mut self,
        what: Deed,
        version: &FlowVersion,
        wish: &Publication,
        now: u64,
    ) -> Result<(), CommandError> {
        // Callers first: a ledger that cannot be written is no reason to go on with what does harm.
        let _ = self.control.send(Control::Canary(None)).await;
        self.note(what, version, wish, now, |ledger| ledger.canary = None)
    }

    fn note(
        &mut self,
        what: Deed,
        version: &FlowVersion,
        wish: &Publication,
        at: u64,
        change: impl FnOnce(&mut super::versions::Ledger),
    ) -> Result<(), CommandError> {
        let why = match &wish.skip_tests {
            Some(skipped) => Some(format!("{} (tests skipped: {skipped})", wish.why.clone().unwrap_or_default())),
            None => wish.why.clone(),
        };
        let entry = Entry { at, what, version: version.clone(), by: wish.by.clone(), why };
        self.versions
            .change(entry, change)
            .map_err(|error| CommandError::Conflict(format!("the versions cannot be written: {error}")))
    }

    async fn alarm(&self, text: String) {
        let _ = self.control.send(Control::Fact { call: None, fact: EventKind::Alarm { text } }).await;
    }
}

/// Checks and tests what is in the folder, and keeps a copy, which is what is then used.
fn prepare(versions: &Versions, config: &Config, tests: bool) -> Result<(SwitchBundle, Vec<String>), Vec<String>> {
    let mut warnings = Vec::new();
    let found = bundle::load(config, &mut |warning| warnings.push(warning))?;
    if tests {
        test(&config.flows, &found.flows)?;
    }
    let text = |error: std::io::Error| vec![error.to_string()];
    let flows = versions.copy(&config.flows).map_err(text)?;
    let kept = bundle::load(&Config { flows, ..config.clone() }, &mut |_| {})?;
    if kept.flows.version != found.flows.version {
        return Err(vec!["the files changed while they were read; publish again".into()]);
    }
    versions.keep(&kept.flows.version).map_err(text)?;
    Ok((kept, warnings))
}

fn test(source: &FlowSource, bundle: &Bundle) -> Result<(), Vec<String>> {
    let texts = project::texts(source).map_err(|error| vec![error.to_string()])?;
    let sources = Sources { files: texts.into_iter().map(|file| (file.path, file.text)).collect() };
    let (files, findings) = trial::read(&sources, bundle);
    let mut faults: Vec<String> = findings.iter().map(ToString::to_string).collect();
    for file in &files {
        for test in &file.tests {
            let verdict = trial::run(bundle, &file.flow, test);
            if faults.len() < TOLD && !verdict.passed() {
                faults.extend(verdict.explain(&sources).iter().map(ToString::to_string));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
