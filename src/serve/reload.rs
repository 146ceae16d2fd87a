//! Reading the files again: what a reload takes, what waits for the next start, and how the operator learns which is which.

use super::event_loop::{Control, FileWork};
use super::names::{Known, Names, RELOAD_PATIENCE};
use super::outside::{Outside, Systems};
use super::publish::{self, Ended, Publisher, Taken};
use super::setup::{self, Seeds};
use super::trunks;
use super::versions::Versions;
use crate::api::{self, CommandError, Done};
use crate::config::Config;
use crate::events::EventKind;
use crate::ids::FlowVersion;
use crate::net::tls::{Tls, TlsSettings};
use crate::switch::SwitchConfig;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// What is in force, as far as a reload compares with it.
#[derive(Clone)]
pub(super) struct InForce {
    pub config: Config,
    pub bundle: FlowVersion,
    /// `--state`, which outweighs the file.
    pub state_dir: Option<PathBuf>,
    /// The process began with TLS, so that it has it now.
    pub tls: bool,
}

/// What edges hold of the configuration, to be replaced in place.
pub(super) struct InUse {
    pub tls: Option<Tls>,
    pub outside: Arc<Outside>,
}

/// What the task hears of: work that is asked for, and calls that have ended.
pub(super) struct Asked {
    pub work: mpsc::Receiver<FileWork>,
    pub ends: mpsc::Receiver<Ended>,
}

/// A set of files that may be swapped in.
struct Fresh {
    config: Config,
    switch_config: SwitchConfig,
    flows: Taken,
    tls: Option<TlsSettings>,
    systems: Systems,
    done: Done,
}

/// Reads the files again on request. Off the owner's task, so that no call waits for a disk.
pub(super) async fn task(
    mut in_force: InForce,
    seeds: Seeds,
    InUse { tls, outside }: InUse,
    (control, mut publisher): (mpsc::Sender<Control>, Publisher),
    Asked { mut work, mut ends }: Asked,
    (names, mut names_changed): (Names, mpsc::Receiver<()>),
) {
    loop {
        let reply = tokio::select! {
            asked = work.recv() => match asked {
                Some((api::Command::Publish(wish), reply)) => {
                    let InForce { config, bundle, .. } = &mut in_force;
                    let _ = reply.send(publisher.publish(config, bundle, wish).await);
                    continue;
                }
                Some((api::Command::Rollback(wish), reply)) => {
                    let InForce { config, bundle, .. } = &mut in_force;
                    let _ = reply.send(publisher.roll_back(config, bundle, wish).await);
                    continue;
                }
                Some((_, reply)) => reply,
                None => return,
            },
            Some(ended) = ends.recv() => {
                publisher.ended(&in_force.bundle, ended).await;
                continue;
            }
            () = tokio::time::sleep(publisher.wait().unwrap_or_default()), if publisher.wait().is_some() => {
                let InForce { config, bundle, .. } = &mut in_force;
                publisher.due(config, bundle).await;
                continue;
            }
            Some(()) = names_changed.recv() => {
                // The files are as they were; only the addresses behind the trunks' names are others.
                match setup::switch_config(&in_force.config, &seeds, &names.known()) {
                    Ok(config) => {
                        // A certificate that cannot be read just now is no reason to call a dead address.
                        match (&tls, setup::tls_files(&in_force.config, &config).map(|files| files.load())) {
                            (Some(tls), Some(Ok(settings))) => tls.replace(settings),
                            (_, Some(Err(fault))) => tracing::error!("TLS stays as it was: {fault}"),
                            _ => {}
                        }
                        let _ = control.send(Control::Swap { config: Arc::new(config), bundle: None }).await;
                    }
                    Err(text) => tracing::error!("trunks stay at the addresses that they had: {text}"),
                }
                continue;
            }
        };
        let (before, seeds, lookup) = (in_force.clone(), seeds.clone(), names.clone());
        let versions = publisher.versions().clone();
        let read = tokio::task::spawn_blocking(move || {
            let known =
                |config: &Config| Handle::current().block_on(lookup.keep(trunks::places(config), RELOAD_PATIENCE));
            read(&before, &versions, &seeds, &known)
        });
        let read = read.await;
        let answer = match read {
            Ok(Ok(Fresh { config, switch_config, flows: Taken { bundle, canary }, tls: fresh_tls, systems, done })) => {
                outside.replace(systems);
                match (&tls, fresh_tls) {
                    (Some(tls), Some(settings)) => tls.replace(settings),
                    // The listener stays until a start; what its peers' certificates were good for does not.
                    (Some(tls), None) => tls.forget_trunks(),
                    (None, _) => {}
                }
                in_force.config = config;
                in_force.bundle = bundle.flows.version.clone();
                let swap = Control::Swap { config: Arc::new(switch_config), bundle: Some(Arc::new(bundle)) };
                let _ = control.send(swap).await;
                if canary.is_some() {
                    let _ = control.send(Control::Canary(canary)).await;
                }
                publisher.reloaded(&in_force.bundle).await;
                log(&done);
                Ok(done)
            }
            Ok(Err(findings)) => {
                names.keep(trunks::places(&in_force.config), RELOAD_PATIENCE).await;
                let error = findings.join("\n");
                tracing::error!("reload refused, what was in force stays:\n{error}");
                let _ = control.send(Control::Fact { call: None, fact: EventKind::BundleRefused { error } }).await;
                Err(CommandError::Invalid(findings))
            }
            Err(_) => Err(CommandError::Conflict("the reload broke off; what was in force stays".into())),
        };
        // A signal waits for no answer.
        let _ = reply.send(answer);
    }
}

/// What the switch and its TLS are made of, with what is known of the trunks' names.
fn made_of(config: &Config, seeds: &Seeds, known: &Known) -> Result<(SwitchConfig, Option<TlsSettings>), String> {
    let switch_config = setup::switch_config(config, seeds, known)?;
    let tls = match setup::tls_files(config, &switch_config) {
        Some(files) => Some(files.load().map_err(|fault| fault.to_string())?),
        None => None,
    };
    Ok((switch_config, tls))
}

/// `known` finds out what is known of the trunks of a configuration.
fn read(
    before: &InForce,
    versions: &Versions,
    seeds: &Seeds,
    known: &dyn Fn(&Config) -> Known,
) -> Result<Fresh, Vec<String>> {
    let mut fresh = match &before.config.file {
        Some(file) => Config::load(file).map_err(|error| vec![error.to_string()])?,
        None => before.config.clone(),
    };
    if let Some(state_dir) = &before.state_dir {
        fresh.state_dir = state_dir.clone();
    }
    let mut warnings: Vec<String> = fresh.warnings.iter().map(ToString::to_string).collect();
    let flows = publish::at_reload(&fresh, versions, &mut |warning| warnings.push(warning))?;
    let version = &flows.bundle.flows.version;
    let needs_restart = keep_until_restart(before, &mut fresh);
    let mut taken = taken(before, &fresh);
    if *version != before.bundle {
        taken.push("flows and prompts".into());
    }
    let (switch_config, tls) = made_of(&fresh, seeds, &known(&fresh)).map_err(|text| vec![text])?;
    let systems = Systems::of(&fresh).map_err(|fault| vec![fault.to_string()])?;
    let done = format!("in force: configuration {}, bundle {}", fresh.id, version);
    Ok(Fresh {
        config: fresh,
        switch_config,
        flows,
        tls,
        systems,
        done: Done { done, taken, needs_restart, warnings, ..Done::default() },
    })
}

/// Puts back what a running process cannot change, and names what would have changed.
fn keep_until_restart(InForce { config: running, tls, .. }: &InForce, fresh: &mut Config) -> Vec<String> {
    let mut changed = Vec::new();
    let mut keep = |differs: bool, key: &str| {
        if differs {
            changed.push(key.to_string());
        }
    };
    keep(running.listen != fresh.listen, "listen");
    keep(*tls != fresh.tls.is_some(), "tls");
    keep(running.state_dir != fresh.state_dir, "state_dir");
    keep(running.auth.admin_token_file != fresh.auth.admin_token_file, "auth.admin_token_file");
    let reliable = running.sip.reliable_provisional;
    keep(reliable != fresh.sip.reliable_provisional, "sip.reliable_provisional");
    keep(running.limits.drain_timeout != fresh.limits.drain_timeout, "limits.drain_timeout");
    keep(running.records != fresh.records, "records");
    fresh.listen = running.listen.clone();
    fresh.state_dir = running.state_dir.clone();
    fresh.auth.admin_token_file = running.auth.admin_token_file.clone();
    fresh.sip.reliable_provisional = reliable;
    fresh.limits.drain_timeout = running.limits.drain_timeout;
    fresh.records = running.records;
    changed
}

/// The settings that differ and are in force from now on.
fn taken(InForce { config: running, tls, .. }: &InForce, fresh: &Config) -> Vec<String> {
    let all = [
        ("realm", running.realm != fresh.realm),
        ("sip", running.sip != fresh.sip),
        // Whether there is TLS at all is settled at a start.
        ("tls", *tls && fresh.tls.is_some() && running.tls != fresh.tls),
        ("limits.calls", running.limits.calls != fresh.limits.calls),
        ("limits.calls_per_second", running.limits.calls_per_second != fresh.limits.calls_per_second),
        ("admission", running.admission != fresh.admission),
        ("security", running.security != fresh.security),
        ("toll", running.toll != fresh.toll),
        ("limits.rtp_timeout", running.limits.rtp_timeout != fresh.limits.rtp_timeout),
        ("media.srtp", running.srtp != fresh.srtp),
        ("auth.nonce_ttl", running.auth.nonce_ttl != fresh.auth.nonce_ttl),
        ("auth.algorithms", running.auth.algorithms != fresh.auth.algorithms),
        ("registrar", running.registrar != fresh.registrar),
        ("agents", running.agents != fresh.agents),
        ("queues", running.queues != fresh.queues),
        ("trunks", running.trunks != fresh.trunks),
        ("trunk_groups", running.trunk_groups != fresh.trunk_groups),
        ("lend", running.lend != fresh.lend),
        ("projects", running.projects != fresh.projects),
        ("numbers", running.numbers != fresh.numbers),
        ("bases", running.bases != fresh.bases),
        ("databases", running.databases != fresh.databases),
        ("recording", running.recording != fresh.recording),
        ("supervision", running.supervision != fresh.supervision),
        ("feature_codes", running.features != fresh.features),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_string()).collect()
}

fn log(done: &Done) {
    let list = |keys: &[String]| if keys.is_empty() { "nothing".to_string() } else { keys.join(", ") };
    tracing::info!("{}; changed: {}", done.done, list(&done.taken));
    if !done.needs_restart.is_empty() {
        tracing::warn!("changed, but taken at the next start only: {}", done.needs_restart.join(", "));
    }
    done.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FILE_NAME, template};
    use crate::serve::bundle;
    use std::path::Path;

    fn nothing(config: &Config) -> Known {
        Known::new(trunks::reach(config), 1)
    }

    fn seeds() -> Seeds {
        Seeds { sip: [1; 32], nonce_key: [2; 32], media: 3, certificate: [4; 32] }
    }

    fn reread(before: &InForce) -> Result<Fresh, Vec<String>> {
        read(before, &Versions::open(before.config.versions_dir()).unwrap(), &seeds(), &nothing)
    }

    fn replace(file: &Path, from: &str, to: &str) {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(file, text.replacen(from, to, 1)).unwrap();
    }

    #[test]
    fn a_reload_says_what_it_took_and_what_waits_for_a_start() {
        let folder = crate::test_folder::TestFolder::new("reload");
        template::write(&folder).unwrap();
        let file = folder.join(FILE_NAME);
        let config = Config::load(&file).unwrap();
        let bundle = bundle::load(&config, &mut |_| {}).unwrap().flows.version.clone();
        let in_force = InForce { config: config.clone(), bundle, state_dir: None, tls: false };

        let Fresh { done, .. } = reread(&in_force).unwrap();
        assert_eq!((done.taken.len(), done.needs_restart.len()), (0, 0), "{done:?}");

        replace(&file, "calls: 500", "calls: 20");
        replace(&file, "drain_timeout: 10m", "drain_timeout: 1m");
        replace(&file, "http: 127.0.0.1:8080", "http: 127.0.0.1:8081");
        replace(&file, "cdr_days: 400", "cdr_days: 40");
        std::fs::write(folder.join("secrets/1001"), "short\n").unwrap();
        let Fresh { config: fresh, switch_config, done, .. } = reread(&in_force).unwrap();
        assert_eq!(done.taken, ["limits.calls", "agents"]);
        assert_eq!(done.needs_restart, ["listen", "limits.drain_timeout", "records"]);
        assert!(done.warnings.iter().any(|text| text.contains("C147")), "{:?}", done.warnings);
        assert!(done.done.contains(&fresh.id) && fresh.id != config.id, "{}", done.done);
        assert_eq!((switch_config.admission.total, fresh.listen.http), (20, config.listen.http));

        // What waits is told again until the switch was restarted.
        let next = InForce { config: fresh, ..in_force };
        let Fresh { done, .. } = reread(&next).unwrap();
        assert_eq!((done.taken.len(), done.needs_restart.len()), (0, 3), "{done:?}");
    }
    #[test]
    fn a_renewed_certificate_is_taken_and_one_that_cannot_be_used_is_not() {
        let folder = crate::test_folder::TestFolder::new("reload-tls");
        let ca = crate::net::tls::testing::Authority::new();
        let (own, renewed) = (ca.issue(&["hotline.example"]), ca.issue(&["hotline.example"]));
        template::write(&folder).unwrap();
        let file = folder.join(FILE_NAME);
        let (certificate, key) = (own.certificate.display(), own.key.display());
        replace(&file, "# sip_tls: 0.0.0.0:5061", "sip_tls: 127.0.0.1:5061");
        replace(&file, "\nlimits:", &format!("\ntls: {{certificate: {certificate}, key: {key}}}\nlimits:"));
        let config = Config::load(&file).unwrap();
        let bundle = bundle::load(&config, &mut |_| {}).unwrap().flows.version.clone();
        let in_force = InForce { config, bundle, state_dir: None, tls: true };

        std::fs::copy(&renewed.certificate, &own.certificate).unwrap();
        let refused = reread(&in_force).err().unwrap().join("\n");
        assert!(refused.contains("is not that of the certificate"), "{refused}");
        std::fs::copy(&renewed.key, &own.key).unwrap();
        let Fresh { tls, done, .. } = reread(&in_force).unwrap();
        assert!(tls.is_some());
        assert_eq!(done.taken, ["tls"]);
        assert!(done.needs_restart.is_empty(), "{done:?}");

        // One whose day has come is told of, and holds up nothing else.
        let old = ca.issue_until(&["hotline.example"], 2020);
        std::fs::copy(&old.certificate, &own.certificate).unwrap();
        std::fs::copy(&old.key, &own.key).unwrap();
        let Fresh { tls, done, .. } = reread(&in_force).unwrap();
        assert!(tls.is_some() && done.warnings.iter().any(|text| text.contains("has expired")), "{done:?}");

        // Whom we believe is told as changed, too, and a file without TLS as one for the next start.
        let section = format!("tls: {{certificate: {certificate}, key: {key}}}");
        let believing = format!("tls: {{certificate: {certificate}, key: {key}, client_ca: {}}}", ca.file.display());
        replace(&file, &section, &believing);
        let Fresh { config, .. } = reread(&in_force).unwrap();
        let in_force = InForce { config, ..in_force };
        std::fs::copy(&crate::net::tls::testing::Authority::new().file, &ca.file).unwrap();
        assert_eq!(reread(&in_force).unwrap().done.taken, ["tls"]);
        replace(&file, &believing, "");
        replace(&file, "sip_tls: 127.0.0.1:5061", "# sip_tls: 127.0.0.1:5061");
        let Fresh { tls, done, .. } = reread(&in_force).unwrap();
        assert!(tls.is_none());
        assert_eq!(done.needs_restart, ["listen", "tls"]);
    }

    #[test]
    fn tls_that_waits_is_told_at_each_reload() {
        let folder = crate::test_folder::TestFolder::new("reload-tls-waits");
        let ca = crate::net::tls::testing::Authority::new();
        let own = ca.issue(&["hotline.example"]);
        template::write(&folder).unwrap();
        let file = folder.join(FILE_NAME);
        let config = Config::load(&file).unwrap();
        let bundle = bundle::load(&config, &mut |_| {}).unwrap().flows.version.clone();
        let mut in_force = InForce { config, bundle, state_dir: None, tls: false };
        let (certificate, key) = (own.certificate.display(), own.key.display());
        replace(&file, "# sip_tls: 0.0.0.0:5061", "sip_tls: 127.0.0.1:5061");
        replace(&file, "\nlimits:", &format!("\ntls: {{certificate: {certificate}, key: {key}}}\nlimits:"));
        for _ in 0..2 {
            let Fresh { done, config, .. } = reread(&in_force).unwrap();
            assert_eq!(done.needs_restart, ["listen", "tls"]);
            assert!(!done.taken.contains(&"tls".to_string()), "{done:?}");
            in_force.config = config;
        }
    }
}
