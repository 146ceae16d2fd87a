//! Files to one immutable bundle: flows, texts and audio, checked together. Read at start and at each reload.

use crate::config::project;
use crate::config::{Config, FlowSource, Number, Target};
use crate::ids::TrunkId;
use crate::ivr::{self, Platform, Sources};
use crate::media::prompts::{self, ClipLibrary};
use crate::switch::SwitchBundle;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// `Err` holds one finding a line, ready for a terminal. Warnings of a good bundle go to `warn`.
pub(super) fn load(config: &Config, warn: &mut dyn FnMut(String)) -> Result<SwitchBundle, Vec<String>> {
    let text = |error: std::io::Error| vec![error.to_string()];
    let texts = project::texts(&config.flows).map_err(text)?;
    let audio = project::audio(&config.flows, &prompts::extensions()).map_err(text)?;
    let files: Vec<(String, &[u8])> = audio.iter().map(|file| (file.name(), file.bytes.as_ref())).collect();
    let library = ClipLibrary::from_files(files.iter().map(|(name, bytes)| (name.as_str(), *bytes)))
        .map_err(|errors| errors.iter().map(|error| format!("error: {error}")).collect::<Vec<_>>())?;

    let sources = Sources { files: texts.into_iter().map(|file| (file.path, file.text)).collect() };
    let duration = |lang: &str, id: &str| library.find(lang, id).map(|clip| clip.duration_ms());
    match ivr::load(&sources, Some(&platform(config)), &duration) {
        Ok(mut flows) => {
            let contents = audio.iter().map(|file| (file.lang.as_str(), file.id.as_str(), file.bytes.as_ref()));
            flows.cover_audio(contents);
            let ending = flows.ending(super::clock::wall_ms());
            let missing = without_flow(config, &flows);
            if !missing.is_empty() {
                return Err(missing);
            }
            flows.warnings.iter().chain(ending).for_each(|warning| warn(warning.one_line()));
            Ok(SwitchBundle { flows: Arc::new(flows), clips: clips(&library) })
        }
        Err(findings) => Err(findings.iter().map(|finding| finding.to_string()).collect()),
    }
}

/// A published version may be older or newer than the numbers that lead to its flows.
fn without_flow(config: &Config, flows: &ivr::Bundle) -> Vec<String> {
    let missing = |number: &Number| match &number.to {
        Target::Flow(flow) if !flows.entry_flows().any(|known| known == flow) => {
            let what = format!("number {} leads to the flow `{flow}`, which is not among these flows", number.number);
            Some(format!("error: {what}; publish it before the number leads there, and take it away after"))
        }
        _ => None,
    };
    config.numbers.iter().filter_map(missing).collect()
}

fn clips(library: &ClipLibrary) -> BTreeMap<Box<str>, BTreeMap<Box<str>, Arc<crate::media::Clip>>> {
    let mut clips: BTreeMap<Box<str>, BTreeMap<Box<str>, _>> = BTreeMap::new();
    for clip in library.clips() {
        clips.entry(clip.lang.as_ref().into()).or_default().insert(clip.id.as_ref().into(), clip.clone());
    }
    clips
}

/// The names that flows may refer to.
pub fn platform(config: &Config) -> Platform {
    let names = |name: &dyn std::fmt::Display| name.to_string();
    Platform {
        queues: config.queues.keys().map(|id| names(id)).collect(),
        skills: config.agents.values().flat_map(|agent| &agent.skills).map(|skill| names(&skill.skill)).collect(),
        trunks: trunks(config),
        agents: config.agents.keys().map(|id| names(id)).collect(),
        bases: config.bases.iter().map(|(name, base)| (name.clone(), base.auth.keys().cloned().collect())).collect(),
        databases: config.databases.keys().cloned().collect(),
    }
}

/// Trunks and groups of them, each with the private variables that may go there.
fn trunks(config: &Config) -> BTreeMap<String, BTreeSet<String>> {
    let private = |id: &TrunkId| config.trunks.get(id).map(|trunk| trunk.private.clone()).unwrap_or_default();
    let groups = config.trunk_groups.iter().map(|(id, group)| {
        let each = group.members.iter().map(|member| private(&member.trunk));
        (id.to_string(), each.reduce(|all, more| &all & &more).unwrap_or_default())
    });
    config.trunks.keys().map(|id| (id.to_string(), private(id))).chain(groups).collect()
}

/// Where the flows come from, for a message.
pub(super) fn origin(source: &FlowSource) -> String {
    match source {
        FlowSource::Embedded => "the built-in samples".into(),
        FlowSource::Folders { flows, prompts } => format!("{} and {}", flows.display(), prompts.display()),
    }
}
