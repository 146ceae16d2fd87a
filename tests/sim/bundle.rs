//! The flows and texts that ship, with a sound of its own for each recording that they name.

use super::sound;
use hotline::ivr::{self, Platform, Sources};
use hotline::media::{Clip, Sounds};
use hotline::switch::SwitchBundle;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// A bundle and the name of each sound in it: `zh/welcome`.
pub struct Speech {
    pub bundle: Arc<SwitchBundle>,
    pub names: Vec<String>,
}

static SAMPLE: LazyLock<Arc<Speech>> = LazyLock::new(|| Arc::new(build(&sources(&[]))));
static SOUNDS: LazyLock<Arc<Sounds>> = LazyLock::new(|| {
    let mut sounds = Sounds::new(1);
    sounds.music = Arc::new(Clip::from_pcm("music", "", &sound::pcm(sound::MUSIC, 1_000)));
    Arc::new(sounds)
});

pub fn sample() -> Arc<Speech> {
    SAMPLE.clone()
}

pub fn sounds() -> Arc<Sounds> {
    SOUNDS.clone()
}

/// The sample, with one text of a flow changed, as after an admin's edit.
pub fn edited(from: &str, to: &str) -> Arc<Speech> {
    Arc::new(build(&sources(&[(from, to)])))
}

fn sources(edits: &[(&str, &str)]) -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["ivr-flows", "ivr-flows/lib", "prompts"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("the sample is in the repository") {
            let path = entry.expect("a readable folder").path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let name = format!("{folder}/{}", path.file_name().expect("a name").to_string_lossy());
                let mut text = std::fs::read_to_string(&path).expect("a readable file");
                for (from, to) in edits {
                    text = text.replace(from, to);
                }
                files.push((name, text));
            }
        }
    }
    files.sort();
    Sources { files }
}

fn build(sources: &Sources) -> Speech {
    // Every recording that the texts name is asked for by `load`: prompts last a second, the pieces of values a fifth.
    let asked = RefCell::new(BTreeMap::new());
    let audio = |lang: &str, id: &str| {
        let ms = if id.starts_with("a_") { 200 } else { 1_000 };
        asked.borrow_mut().insert((lang.to_string(), id.to_string()), ms);
        Some(ms)
    };
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>();
    let platform = Platform {
        queues: names(&["service", "emergency"]),
        trunks: ["demo-trunk", "dispatch-24h", "outsourced-night"]
            .map(|trunk| (trunk.to_string(), names(&["account"])))
            .into(),
        agents: names(&super::config::AGENTS),
        bases: ["customers", "grid", "billing"].map(|base| (base.to_string(), names(&[base]))).into(),
        ..Platform::default()
    };
    let flows = ivr::load(sources, Some(&platform), &audio).unwrap_or_else(|found| {
        let shown: Vec<_> = found.iter().map(|finding| finding.to_string()).collect();
        panic!("{}", shown.join("\n"))
    });
    let mut clips: BTreeMap<Box<str>, BTreeMap<Box<str>, Arc<Clip>>> = BTreeMap::new();
    let mut names = Vec::new();
    for ((lang, id), ms) in asked.into_inner() {
        let pcm = sound::pcm(names.len() as u16, ms as usize);
        let clip = Clip::from_pcm(id.as_str(), lang.as_str(), &pcm);
        names.push(format!("{lang}/{id}"));
        clips.entry(lang.into()).or_default().insert(id.into(), Arc::new(clip));
    }
    assert!(names.len() < usize::from(sound::FIRST_VOICE), "more recordings than numbers for them");
    Speech { bundle: Arc::new(SwitchBundle { flows: Arc::new(flows), clips }), names }
}
