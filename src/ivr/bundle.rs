//! Everything that a call's conversation is made of, checked and under one hash. A call keeps the bundle it began with.

use super::calendar::{self, Calendar, Openness};
use super::check;
use super::diag::{Allowed, Diagnostic, Diags, shown};
use super::flow::{self, Flow};
use super::holidays;
use super::lookup::{self, Lookup};
use super::post::{self, Template, Templates};
use super::prompt::{self, Prompt};
use super::source::{Files, Sources, Span};
use super::step::{Fact, Refers};
use super::yaml;
use crate::ids::FlowVersion;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Files of one load; a hotline has a few dozen.
const MAX_FILES: usize = 1_000;

/// Milliseconds of a recording by language and file id, or `None` when there is none.
pub type Audio<'a> = &'a dyn Fn(&str, &str) -> Option<u32>;

/// What the platform has, for checking the names that flows use.
#[derive(Clone, Debug, Default)]
pub struct Platform {
    pub queues: BTreeSet<String>,
    /// What agents can do.
    pub skills: BTreeSet<String>,
    /// Trunks and the private variables that may go along with calls to them.
    pub trunks: BTreeMap<String, BTreeSet<String>>,
    /// Agents and other extensions.
    pub agents: BTreeSet<String>,
    /// Systems to ask over HTTP, and the names of the secrets that prove us there.
    pub bases: BTreeMap<String, BTreeSet<String>>,
    pub databases: BTreeSet<String>,
}

/// Names that a flow has in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    pub calendars: BTreeSet<String>,
    pub queues: BTreeSet<String>,
    pub trunks: BTreeSet<String>,
    pub agents: BTreeSet<String>,
}

/// Immutable once loaded.
#[derive(Debug)]
pub struct Bundle {
    /// Hash of all texts and the recordings' lengths, whatever the files are called; [`Bundle::cover_audio`] adds contents.
    pub version: FlowVersion,
    /// What was found and does not stand in the way.
    pub warnings: Vec<Diagnostic>,
    /// What was found and is accepted, each with its reason.
    pub allowed: Vec<Allowed>,
    pub(super) flows: Vec<Flow>,
    pub(super) prompts: BTreeMap<String, Prompt>,
    pub(super) lookups: BTreeMap<String, Lookup>,
    pub(super) calendars: BTreeMap<String, Calendar>,
    pub(super) templates: Templates,
    /// Of each calendar that says how far its holidays go, what is said when they end soon.
    ending: Vec<(String, Diagnostic)>,
    switches: BTreeSet<String>,
    audio_ms: BTreeMap<(String, String), u32>,
}

impl Bundle {
    /// The flows that a call can begin with.
    pub fn entry_flows(&self) -> impl Iterator<Item = &str> {
        self.flows.iter().filter(|flow| !flow.is_subflow()).map(|flow| flow.name.as_str())
    }

    /// Whether an entry flow has that section.
    pub fn has_section(&self, name: &str) -> bool {
        self.flows.iter().any(|flow| !flow.is_subflow() && flow.section_index(name).is_some())
    }

    /// The project that a flow's calls are counted under.
    pub fn project(&self, flow: &str) -> Option<&str> {
        self.flow(flow)?.project.as_deref()
    }

    /// The language of whoever has not chosen one: that of the first entry flow.
    pub fn default_language(&self) -> Option<&str> {
        let entry = self.flows.iter().find(|flow| !flow.is_subflow())?;
        entry.languages.first().map(String::as_str)
    }

    /// The switches that the flows ask for as `live.NAME`.
    pub fn switches(&self) -> &BTreeSet<String> {
        &self.switches
    }

    /// What an entry flow and the subflows that it calls may lead to or ask, each name once.
    pub fn mentions(&self, flow: &str) -> Mentions {
        let mut found = Mentions::default();
        let mut open = vec![flow.to_string()];
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            let Some(flow) = self.flow(&name).filter(|_| seen.insert(name.clone())) else { continue };
            let mut facts = Vec::new();
            let steps = flow.sections.iter().flat_map(|section| &section.steps);
            steps.for_each(|at| at.verb.facts(self, &mut facts));
            for fact in facts {
                let Fact::Refers(what, name) = fact else { continue };
                let name = name.text.clone();
                match what {
                    Refers::Calendar => _ = found.calendars.insert(name),
                    Refers::Queue => _ = found.queues.insert(name),
                    Refers::Trunk => _ = found.trunks.insert(name),
                    Refers::Agent => _ = found.agents.insert(name),
                    Refers::Flow => open.push(name),
                    Refers::Skill
                    | Refers::Lookup
                    | Refers::Language
                    | Refers::Message
                    | Refers::Form
                    | Refers::Mailbox => {}
                }
            }
        }
        found
    }

    /// Whether a calendar is `open`, `closed` or at `holiday` at a moment, in milliseconds since 1970.
    pub fn hours(&self, calendar: &str, wall_ms: u64) -> Option<&'static str> {
        Some(match self.calendars.get(calendar)?.at(wall_ms) {
            Openness::Open => "open",
            Openness::Closed => "closed",
            Openness::Holiday => "holiday",
        })
    }

    /// The zone that a calendar's hours are told in.
    pub fn zone(&self, calendar: &str) -> Option<&jiff::tz::TimeZone> {
        self.calendars.get(calendar).map(Calendar::zone)
    }

    /// Calendars whose holidays are entered for two months more or less, as findings.
    pub fn ending(&self, wall_ms: u64) -> impl Iterator<Item = &Diagnostic> {
        let soon = move |name: &str| self.calendars.get(name).is_some_and(|calendar| calendar.ends_soon(wall_ms));
        self.ending.iter().filter(move |(name, _)| soon(name)).map(|(_, finding)| finding)
    }

    /// What a lookup takes and gives, for whoever carries it out.
    pub fn lookup(&self, name: &str) -> Option<&Lookup> {
        self.lookups.get(name)
    }

    /// A message that flows send.
    pub fn message(&self, name: &str) -> Option<&Template> {
        self.templates.messages.get(name)
    }

    /// A form that flows fill in.
    pub fn form(&self, name: &str) -> Option<&Template> {
        self.templates.forms.get(name)
    }

    /// Where spoken messages go.
    pub fn mailbox(&self, name: &str) -> Option<&Template> {
        self.templates.mailboxes.get(name)
    }

    /// Takes the recordings' contents into the version: one that was recorded anew makes another bundle.
    pub fn cover_audio<'a>(&mut self, recordings: impl IntoIterator<Item = (&'a str, &'a str, &'a [u8])>) {
        let mut sha = Sha256::new();
        sha.update(self.version.to_string());
        for (lang, id, octets) in recordings {
            sha.update(format!("{lang}/{id} {}\n", octets.len()));
            sha.update(octets);
        }
        self.version = version(sha);
    }

    pub(super) fn flow(&self, name: &str) -> Option<&Flow> {
        self.flows.iter().find(|flow| flow.name == name)
    }

    /// What a flow speaks, its default first.
    pub fn languages(&self, flow: &str) -> &[String] {
        self.flow(flow).map(|flow| flow.languages.as_slice()).unwrap_or_default()
    }

    pub(super) fn index_of(&self, name: &str) -> Option<usize> {
        self.flows.iter().position(|flow| flow.name == name)
    }

    /// The index of an entry flow.
    pub(super) fn flow_index(&self, name: &str) -> Option<usize> {
        self.flows.iter().position(|flow| flow.name == name && !flow.is_subflow())
    }

    pub(super) fn audio_ms(&self, lang: &str, id: &str) -> Option<u32> {
        self.audio_ms.get(&(lang.to_string(), id.to_string())).copied()
    }
}

/// Reads and checks a project's flows and texts. Without `platform`, names of queues, trunks and agents are not checked.
/// All findings come back at once: as the error, or as the bundle's warnings.
pub fn load(sources: &Sources, platform: Option<&Platform>, audio: Audio) -> Result<Bundle, Vec<Diagnostic>> {
    let files = Files::new(sources);
    let mut diags = Diags::allowing(&files);
    let mut bundle = read(&files, &mut diags);
    bundle.audio_ms = recordings(&bundle, audio);
    bundle.version = hash(&files, &bundle.audio_ms);
    bundle.ending = bundle
        .calendars
        .iter()
        .filter_map(|(name, calendar)| Some((name.clone(), calendar.ending(name, &diags)?)))
        .collect();
    bundle.switches = switches(&bundle);
    check::check(&bundle, platform, &mut diags);
    bundle.allowed = diags.take_allowed();
    if diags.has_errors() {
        return Err(diags.into_sorted());
    }
    bundle.warnings = diags.into_sorted();
    Ok(bundle)
}

fn read(files: &Files, diags: &mut Diags) -> Bundle {
    let mut bundle = Bundle {
        version: FlowVersion::new(""),
        warnings: Vec::new(),
        allowed: Vec::new(),
        flows: Vec::new(),
        prompts: BTreeMap::new(),
        lookups: BTreeMap::new(),
        calendars: BTreeMap::new(),
        templates: Templates::default(),
        ending: Vec::new(),
        switches: BTreeSet::new(),
        audio_ms: BTreeMap::new(),
    };
    let mut official = BTreeMap::new();
    for (index, file) in files.0.iter().enumerate() {
        let span = Span { file: index.min(MAX_FILES) as u16, start: 0, end: 0 };
        if index >= MAX_FILES {
            diags.error("E110", span, format!("a project has at most {MAX_FILES} files"));
            break;
        }
        let kind = match Content::of(&file.path) {
            Some(Content::Tests) => continue,
            Some(kind) => kind,
            None => {
                let hint = "flows end in `.flow.yaml`; texts are in `prompts/`";
                diags.error_hint("E209", span, format!("`{}` is not part of a project", shown(&file.path)), hint);
                continue;
            }
        };
        let Some(root) = yaml::parse(file, span.file, diags) else {
            diags.pass_over(kind.unknown_names());
            continue;
        };
        match kind {
            Content::Prompts => prompt::lower(&root, &mut bundle.prompts, diags),
            Content::Calendars => calendar::lower(&root, &mut bundle.calendars, diags),
            Content::Lookups => lookup::lower(&root, &mut bundle.lookups, diags),
            Content::Holidays(name) => _ = official.insert(name, holidays::lower(&root, diags)),
            Content::Messages => post::lower(&root, &mut bundle.templates, diags),
            Content::Flow(name) if bundle.index_of(&name).is_some() => {
                diags.error("E208", span, format!("there are two flows `{}`", shown(&name)));
            }
            Content::Flow(name) => bundle.flows.extend(flow::lower(name, &root, diags)),
            Content::Tests => {}
        }
    }
    holidays::settle(&mut bundle.calendars, &official, diags);
    bundle
}

/// The flow that a file holds, by its path.
pub fn flow_name(path: &str) -> Option<String> {
    match Content::of(path)? {
        Content::Flow(name) => Some(name),
        _ => None,
    }
}

/// Whether a file holds tests of flows, by its path.
pub(super) fn is_test(path: &str) -> bool {
    Content::of(path) == Some(Content::Tests)
}

/// What a file holds, by its path.
#[derive(Debug, PartialEq)]
enum Content {
    Flow(String),
    Prompts,
    Calendars,
    Holidays(String),
    Lookups,
    Messages,
    Tests,
}

/// Whether a file's name and folder are those of one that a project reads.
pub fn is_part(path: &str) -> bool {
    Content::of(path).is_some()
}

/// Whether a file holds prompt texts.
pub(super) fn is_prompts(path: &str) -> bool {
    Content::of(path) == Some(Content::Prompts)
}

impl Content {
    /// The codes of names that nothing else can give: without the file each of them would be called unknown.
    fn unknown_names(&self) -> &'static [&'static str] {
        match self {
            Content::Flow(_) => &["E202"],
            Content::Prompts => &["E203", "E501"],
            Content::Calendars | Content::Holidays(_) => &["E206"],
            Content::Lookups => &["E207"],
            Content::Messages => &["E210"],
            Content::Tests => &[],
        }
    }

    fn of(path: &str) -> Option<Content> {
        let parts: Vec<&str> = path.split(['/', '\\']).collect();
        let (file, folders) = parts.split_last()?;
        let parent = folders.last().copied().unwrap_or("");
        let stem = file.strip_suffix(".yaml").or(file.strip_suffix(".yml"))?;
        Some(match (parent, stem) {
            ("tests", _) => Content::Tests,
            _ if stem.ends_with(".test") => Content::Tests,
            ("prompts", _) => Content::Prompts,
            ("holidays", _) => Content::Holidays(stem.to_string()),
            (_, "calendars") => Content::Calendars,
            (_, "lookups") => Content::Lookups,
            (_, "messages") => Content::Messages,
            ("lib", _) => Content::Flow(format!("lib/{}", stem.strip_suffix(".flow").unwrap_or(stem))),
            _ => Content::Flow(stem.strip_suffix(".flow")?.to_string()),
        })
    }
}

/// The length of every recording that a prompt or value may need.
fn recordings(bundle: &Bundle, audio: Audio) -> BTreeMap<(String, String), u32> {
    let mut found = BTreeMap::new();
    let mut look = |lang: &str, id: &str| {
        if let Some(ms) = audio(lang, id) {
            found.insert((lang.to_string(), id.to_string()), ms);
        }
    };
    for prompt in bundle.prompts.values() {
        for (lang, text) in &prompt.texts {
            text.files().for_each(|file| look(lang, file));
        }
    }
    if let Some(lang) = bundle.default_language() {
        for step in bundle.flows.iter().flat_map(|flow| &flow.sections).flat_map(|section| &section.steps) {
            let mut facts = Vec::new();
            step.verb.facts(bundle, &mut facts);
            let music = facts.iter().filter_map(|fact| if let Fact::Music(name) = fact { Some(name) } else { None });
            music.for_each(|name| look(lang, &name.text));
        }
    }
    found
}

fn switches(bundle: &Bundle) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut facts = Vec::new();
    let steps = bundle.flows.iter().flat_map(|flow| &flow.sections).flat_map(|section| &section.steps);
    steps.for_each(|at| at.verb.facts(bundle, &mut facts));
    for fact in &facts {
        if let Fact::Reads(expr, _) | Fact::Fills(expr, _) | Fact::Sends(expr, _) | Fact::Assigns(_, expr) = fact {
            expr.reads(&mut |name, _, _| found.extend(flow::switch_of(name).map(str::to_string)));
        }
    }
    found
}

/// Kind, name and text of every file, in an order of their own, and the recordings' lengths.
fn hash(files: &Files, audio_ms: &BTreeMap<(String, String), u32>) -> FlowVersion {
    let mut contents: Vec<(String, &str)> =
        files.0.iter().map(|file| (format!("{:?}", Content::of(&file.path)), file.text.as_str())).collect();
    contents.sort_unstable();
    let mut sha = Sha256::new();
    let mut put = |text: &str| {
        sha.update((text.len() as u64).to_be_bytes());
        sha.update(text.as_bytes());
    };
    for (kind, text) in contents {
        put(&kind);
        put(text);
    }
    for ((lang, id), ms) in audio_ms {
        put(lang);
        put(id);
        put(&ms.to_string());
    }
    version(sha)
}

fn version(sha: Sha256) -> FlowVersion {
    let digest = sha.finalize();
    let mut hex = String::with_capacity(32);
    for byte in digest.iter().take(16) {
        let _ = write!(hex, "{byte:02x}");
    }
    FlowVersion::new(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_place_and_name() {
        let flow = |name: &str| Some(Content::Flow(name.into()));
        assert_eq!(Content::of("ivr-flows/power.flow.yaml"), flow("power"));
        assert_eq!(Content::of("/p/ivr-flows/lib/identify.flow.yaml"), flow("lib/identify"));
        assert_eq!(Content::of("ivr-flows\\lib\\identify.yaml"), flow("lib/identify"));
        assert_eq!(Content::of("ivr-flows/calendars.yaml"), Some(Content::Calendars));
        assert_eq!(Content::of("prompts/power.yaml"), Some(Content::Prompts));
        assert_eq!(Content::of("ivr-flows/tests/power.test.yaml"), Some(Content::Tests));
        assert_eq!(Content::of("ivr-flows/notes.yaml"), None);
        assert_eq!(Content::of("power.flow.txt"), None);
    }
}
