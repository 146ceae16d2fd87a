//! How flows come into force: published from the folder, at a time or to a share of the callers first, taken back by an
//! operator or because they do harm.
//!
//! Before the first publication the folder is what counts, at a start and at a reload. From then on it is the version that
//! was published last, until another one is published: a reload takes everything but flows.

use super::bundle;
use super::clock;
use super::event_loop::Control;
use super::versions::{Deed, Entry, Ledger, OnTrial, Planned, Versions};
use crate::api::{CommandError, CommandReply, Done, Publication, Rollback};
use crate::cdr::{Canary, Finding, Judged, Verdict};
use crate::config::embedded::BUILT_IN;
use crate::config::{Config, FlowSource, project};
use crate::events::EventKind;
use crate::ids::FlowVersion;
use crate::ivr::{Bundle, Sources, trial};
use crate::switch::SwitchBundle;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The wall clock may be set while a publication waits for its time.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A larger share is no trial any more.
const MAX_PERCENT: u8 = 50;
/// Failed tests that are told of.
const TOLD: usize = 20;

/// What callers take: all of them, or all but a share.
pub(super) struct Taken {
    pub bundle: SwitchBundle,
    pub canary: Option<(Arc<SwitchBundle>, u8)>,
}

/// What a start begins with.
pub(super) struct Beginning {
    pub taken: Taken,
    pub versions: Versions,
    /// What an operator has to see to.
    pub alarms: Vec<String>,
}

/// The version that was published last; the folder's flows where none was or it cannot be used any more.
pub(super) fn at_start(config: &Config, warn: &mut dyn FnMut(String)) -> Result<Beginning, Vec<String>> {
    let text = |error: std::io::Error| vec![error.to_string()];
    let mut versions = Versions::open(config.versions_dir()).map_err(text)?;
    let Ledger { current, canary: trial, .. } = versions.ledger().clone();
    let mut alarms = Vec::new();
    let mut usable = |version: &FlowVersion| {
        let kept = kept(config, &versions, version);
        kept.map_err(|findings| alarms.push(format!("callers do not take {}", findings.join("\n")))).ok()
    };
    let published = current.as_ref().and_then(&mut usable);
    let on_trial = trial.as_ref().filter(|_| published.is_some());
    let canary = on_trial.and_then(|trial| Some((Arc::new(usable(&trial.version)?), trial.percent)));
    let bundle = match published {
        Some(bundle) => bundle,
        None => bundle::load(config, warn)?,
    };
    let now = clock::wall_ms();
    let mut noted = versions.settle(&bundle.flows.version, now);
    if let (Some(OnTrial { version, .. }), None) = (trial, &canary) {
        let entry = Entry { at: now, what: Deed::TakenBack, version, by: None, why: Some("it cannot be used".into()) };
        noted = noted.and(versions.change(Some(entry), |ledger| ledger.canary = None));
    }
    alarms.extend(noted.err().map(|error| format!("the versions cannot be written: {error}")));
    Ok(Beginning { taken: Taken { bundle, canary }, versions, alarms })
}

/// What a reload takes: the folder's flows as long as nothing was published, and from then on what callers take already,
/// which has to fit the new configuration.
pub(super) fn at_reload(
    config: &Config,
    versions: &Versions,
    warn: &mut dyn FnMut(String),
) -> Result<Taken, Vec<String>> {
    let Ledger { current, canary, instead, .. } = versions.ledger();
    let Some(current) = current else {
        if config.flows == FlowSource::Embedded {
            warn(format!("flows are as before: {BUILT_IN}"));
        }
        return Ok(Taken { bundle: bundle::load(config, warn)?, canary: None });
    };
    let bundle = match kept(config, versions, current) {
        Err(findings) if instead.is_some() => {
            warn(format!("callers take the folder's flows instead of {}", findings.join("\n")));
            return Ok(Taken { bundle: bundle::load(config, warn)?, canary: None });
        }
        bundle => bundle?,
    };
    let canary = match canary {
        Some(OnTrial { version, percent, .. }) => Some((Arc::new(kept(config, versions, version)?), *percent)),
        None => None,
    };
    match bundle::load(config, &mut |_| {}).map(|found| found.flows.version.clone()) {
        Ok(found) if found == *current => {}
        Ok(found) => warn(format!(
            "the folder has other flows, version {found}{}: a reload leaves flows as they are, `hotline flow publish` puts the \
             folder's in force",
            versions.fate(&found)
        )),
        Err(_) => warn("the flows in the folder have faults and are not taken; `hotline check` tells them".into()),
    }
    Ok(Taken { bundle, canary })
}

/// A version that was kept, if it is as it was and fits the configuration.
fn kept(config: &Config, versions: &Versions, version: &FlowVersion) -> Result<SwitchBundle, Vec<String>> {
    let of_version = Config { flows: versions.source(version), ..config.clone() };
    let unusable =
        |why: &str| format!("version {version}, which was published: it {why}; publish others, or roll back");
    match versions.whole(version) {
        Err(error) => Err(vec![unusable("is damaged"), error.to_string()]),
        Ok(()) => bundle::load(&of_version, &mut |_| {}).map_err(|mut findings| {
            findings.insert(0, unusable("does not fit this configuration"));
            findings
        }),
    }
}

/// A call that has ended: the version that it took, and how it went.
pub(super) type Ended = (FlowVersion, Judged);

pub(super) struct Publisher {
    versions: Versions,
    watch: Canary,
    /// Calls of the version on trial have been found to be no worse, which was told.
    harmless: bool,
    /// What was due could neither be done nor dropped: not tried again earlier.
    not_before: Option<Instant>,
    control: mpsc::Sender<Control>,
}

impl Publisher {
    pub fn new(versions: Versions, control: mpsc::Sender<Control>) -> Self {
        let since = versions.ledger().canary.as_ref().map_or(0, |canary| canary.since);
        Self { versions, watch: Canary::since(since), harmless: false, not_before: None, control }
    }

    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Publishes what is in the project's folder; `in_force` is what all callers take now, and afterwards.
    pub async fn publish(&mut self, config: &Config, in_force: &mut FlowVersion, wish: Publication) -> CommandReply {
        let now = clock::wall_ms();
        if config.flows == FlowSource::Embedded {
            return Err(CommandError::Conflict(BUILT_IN.into()));
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
            (ledger.current, ledger.instead) = (Some(version.clone()), None);
            (ledger.canary, ledger.planned) = (None, None);
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
        (self.watch, self.harmless) = (Canary::since(now), false);
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
                let text = "no earlier version that was good is kept; name one that `hotline flow versions` shows, or put the \
                            earlier files into the folder and publish them";
                CommandError::Conflict(text.into())
            })?,
        };
        let bundle = self.load(config, &version).await?;
        let done = self.put_in_force(bundle, in_force, Deed::RolledBack, &said, now).await?;
        tracing::warn!(by = said.by, why = said.why, "rolled back; {done}");
        Ok(done.into())
    }

    async fn load(&self, config: &Config, version: &FlowVersion) -> Result<SwitchBundle, CommandError> {
        let (config, versions, version) = (config.clone(), self.versions.clone(), version.clone());
        let loaded = tokio::task::spawn_blocking(move || kept(&config, &versions, &version)).await;
        match loaded {
            Ok(Ok(bundle)) => Ok(bundle),
            Ok(Err(findings)) => Err(self.refused(findings).await),
            Err(_) => Err(CommandError::Conflict("the version could not be read; what was in force stays".into())),
        }
    }

    /// A reload has found callers to take this version.
    pub async fn reloaded(&mut self, version: &FlowVersion) {
        if let Err(error) = self.versions.settle(version, clock::wall_ms()) {
            self.alarm(format!("the versions cannot be written: {error}")).await;
        }
    }

    /// How long until a publication may be due.
    pub fn wait(&self) -> Option<Duration> {
        let planned = self.versions.ledger().planned.as_ref()?;
        let rest = self.not_before.map_or(Duration::ZERO, |then| then.saturating_duration_since(Instant::now()));
        Some(Duration::from_millis(planned.at.saturating_sub(clock::wall_ms())).max(rest).min(LOOK_AGAIN))
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
            Ok(done) => {
                self.not_before = None;
                tracing::info!("as planned: {done}");
            }
            Err(error) => {
                let dropped = self.note(Deed::TakenBack, &version, &wish, now, |ledger| ledger.planned = None);
                let retried = self.not_before.is_some();
                self.not_before = dropped.is_err().then(|| Instant::now() + LOOK_AGAIN);
                let more = if dropped.is_err() { "; it is tried again until it does" } else { "" };
                if dropped.is_ok() || !retried {
                    self.alarm(format!("version {version} did not come into force at its time: {error}{more}")).await;
                }
            }
        }
    }

    /// Judges a call that has ended, and takes a version back that does harm.
    pub async fn ended(&mut self, in_force: &FlowVersion, (version, judged): Ended) {
        let Some(canary) = self.versions.ledger().canary.clone() else { return };
        let is_new = version == canary.version;
        if !is_new && *in_force != version {
            return;
        }
        match self.watch.judge(clock::wall_ms(), is_new, judged) {
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
            noted.err().map_or_else(String::new, |error| format!(" (and that could not be written: {error})"));
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
        change: impl FnOnce(&mut Ledger),
    ) -> Result<(), CommandError> {
        let why = match &wish.skip_tests {
            Some(skipped) => Some(format!("{} (tests skipped: {skipped})", wish.why.clone().unwrap_or_default())),
            None => wish.why.clone(),
        };
        let entry = Entry { at, what, version: version.clone(), by: wish.by.clone(), why };
        self.versions
            .change(Some(entry), change)
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
