//! A flow: its variables, defaults, shortcuts and sections, read from one `.flow.yaml` file.

use super::calendar::{lower_zone, zone};
use super::diag::{Diags, shown};
use super::expr::Known;
use super::lookup::{CHOICES, lower_type};
use super::lower::{Fields, identifier, keys, name, named, names, telephone_key, text};
use super::prompt::language;
use super::run::ask;
use super::settings::{Group, Shape, VARIABLES, optional, required};
use super::source::{Name, Span};
use super::step::{self, Lower, StepAt};
use super::value::{TYPE_NAMES, Type};
use super::yaml::{Kind, Node};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// The version of the language that this reads.
const LANGUAGE_VERSION: &str = "1";
/// Words that a key's target may be instead of a section.
const TARGET_WORDS: [&str; 2] = ["back", "repeat"];
/// The product serves hotlines of mainland China first; a flow elsewhere says `timezone:`.
pub(super) const DEFAULT_ZONE: &str = "Asia/Shanghai";
const MAX_SECTIONS: usize = 500;
const MAX_STEPS: usize = 100;
/// The checker follows each of them along every way.
const MAX_VARS: usize = 100;

/// A flow file.
pub(super) const FILE: Group = Group {
    what: "a flow",
    settings: &[
        required("ivr", Shape::Word(&[LANGUAGE_VERSION]), "the version of this language"),
        optional("title", Shape::Any, "what the flow is called in lists"),
        optional("project", Shape::Name, "the project that its calls are counted under"),
        optional("timezone", Shape::Text, "the time zone of `now`").or(DEFAULT_ZONE),
        required("languages", Shape::List(&Shape::Name), "its languages; the first is the default"),
        optional("vars", Shape::Named(&Shape::Group(&VARIABLE)), "its variables"),
        optional("takes", VARIABLES, "of a subflow: variables that its caller must give"),
        optional("gives", VARIABLES, "of a subflow: variables that its caller may have"),
        optional("defaults", Shape::Group(&DEFAULTS), "what steps use when they say nothing else"),
        optional("shortcuts", Shape::Keys(1, &Shape::Target), "keys that work in every menu that does not bind them"),
        required("sections", Shape::Named(&SECTION), "its sections; a call begins in `start`"),
    ],
};

const VARIABLE: Group = Group {
    what: "a variable",
    settings: &[
        required("type", Shape::Word(&TYPE_NAMES), "its type"),
        CHOICES,
        optional("private", Shape::Flag, "shown by its last two characters only"),
        optional("secret", Shape::Flag, "never shown, spoken or stored; forgotten once sent"),
        optional("optional", Shape::Flag, "may be unset; asked by `is set`"),
    ],
};

const DEFAULTS: Group = Group {
    what: "`defaults`",
    settings: &[
        optional("input", Shape::Group(&INPUT), "for steps that ask for keys"),
        optional("lookup", Shape::Group(&LOOKUP), "for lookups"),
    ],
};

const INPUT: Group = Group {
    what: "`input`",
    settings: &[
        ask::WAIT.or("6s"),
        ask::BETWEEN_DIGITS.or("3s"),
        ask::TRIES.or("3"),
        ask::SILENCE,
        ask::WRONG_KEY,
        optional("give_up", Shape::Section, "where to go when the tries run out"),
        optional("no_agent", Shape::Flag, "`true`: no human need be reached from the menus").or("false"),
    ],
};

const LOOKUP: Group = Group { what: "`lookup`", settings: &[step::LOOKUP_TIMEOUT, step::WAIT_SAY] };

const SECTION: Shape = Shape::Either(&[Shape::Steps, Shape::Group(&KEPT)]);

/// A section with more to say of it than its steps.
const KEPT: Group = Group {
    what: "a section",
    settings: &[
        required("steps", Shape::Steps, "its steps"),
        optional("keep", Shape::Flag, "kept although nothing leads here"),
    ],
};

#[derive(Debug)]
pub(super) struct Flow {
    pub name: String,
    pub span: Span,
    pub project: Option<String>,
    pub zone: TimeZone,
    /// The first is the default.
    pub languages: Vec<String>,
    pub vars: BTreeMap<String, VarDecl>,
    pub takes: Vec<Name>,
    pub gives: Vec<Name>,
    pub defaults: Defaults,
    pub shortcuts: BTreeMap<char, Target>,
    pub sections: Vec<Section>,
    by_name: BTreeMap<String, u16>,
    /// Some of it could not be read, so what is missing must not be judged.
    pub broken: bool,
    /// Some declarations could not be read, so neither can their uses be judged.
    pub unread_vars: bool,
}

#[derive(Debug)]
pub(super) struct Section {
    pub name: Name,
    pub steps: Vec<StepAt>,
    /// Kept although nothing leads here yet.
    pub keep: bool,
}

#[derive(Debug)]
pub(super) struct VarDecl {
    pub span: Span,
    pub ty: Type,
    /// Shown by its last two characters only.
    pub private: bool,
    /// Never shown, spoken or written out; forgotten once sent.
    pub secret: bool,
    pub optional: bool,
}

/// What steps use when they say nothing else.
#[derive(Debug)]
pub(super) struct Defaults {
    pub wait_ms: u64,
    pub between_ms: u64,
    pub tries: u8,
    pub silence: Vec<Name>,
    pub wrong_key: Vec<Name>,
    pub give_up: Option<Name>,
    /// No human need be reached from the menus.
    pub no_agent: bool,
    pub lookup_timeout_ms: u64,
    pub wait_say: Vec<Name>,
}

impl Default for Defaults {
    /// Six seconds to decide and three between digits suit callers of all ages; a lookup beyond three is a silence.
    fn default() -> Self {
        Self {
            wait_ms: 6_000,
            between_ms: 3_000,
            tries: 3,
            silence: Vec::new(),
            wrong_key: Vec::new(),
            give_up: None,
            no_agent: false,
            lookup_timeout_ms: 3_000,
            wait_say: Vec::new(),
        }
    }
}

/// Where a key leads.
#[derive(Debug)]
pub(super) enum Target {
    Section(Name),
    /// The menu before.
    Back,
    /// The question again.
    Repeat,
}

impl Target {
    pub fn lower(node: &Node, diags: &mut Diags) -> Option<Target> {
        let name = name(node, "a section", diags)?;
        Some(match name.text.as_str() {
            "back" => Target::Back,
            "repeat" => Target::Repeat,
            _ => Target::Section(name),
        })
    }

    pub fn section(&self) -> Option<&Name> {
        match self {
            Target::Section(name) => Some(name),
            Target::Back | Target::Repeat => None,
        }
    }
}

/// Variables that every flow has, and their types.
const BUILT_IN: [(&str, Type); 6] = [
    ("caller.number", Type::Digits),
    ("caller.mobile", Type::Flag),
    ("called", Type::Digits),
    ("now", Type::Datetime),
    ("queue.ahead", Type::Int),
    ("queue.wait", Type::Duration),
];

/// The switch that a variable `live.*` tells of. Operators turn it on and off while calls run, so it is never unset.
pub(super) fn switch_of(name: &str) -> Option<&str> {
    name.strip_prefix("live.").filter(|switch| !switch.is_empty())
}

impl Flow {
    pub fn section_index(&self, name: &str) -> Option<u16> {
        self.by_name.get(name).copied()
    }

    pub fn section_names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    pub fn is_subflow(&self) -> bool {
        self.name.contains('/')
    }
}

impl Known for Flow {
    fn type_of(&self, name: &str) -> Option<Type> {
        if let Some(decl) = self.vars.get(name) {
            return Some(decl.ty.clone());
        }
        if name == "lang" {
            return Some(Type::OneOf(self.languages.clone()));
        }
        if switch_of(name).is_some() {
            return Some(Type::Flag);
        }
        BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, ty)| ty.clone())
    }

    fn names(&self) -> Vec<&str> {
        self.vars.keys().map(String::as_str).chain(BUILT_IN.iter().map(|(name, _)| *name)).chain(["lang"]).collect()
    }
}

/// Reads one flow file.
pub(super) fn lower(name: String, root: &Node, diags: &mut Diags) -> Option<Flow> {
    let errors_before = diags.error_count();
    let mut fields = Fields::of(root, &FILE, diags)?;
    match fields.need("ivr", diags) {
        Some(node) if node.scalar() != Some(LANGUAGE_VERSION) => {
            let message = format!("this reads version {LANGUAGE_VERSION} of the flow language");
            diags.error_hint("E112", node.span, message, format!("write `ivr: {LANGUAGE_VERSION}`"));
        }
        _ => {}
    }
    let project = fields.take("project").and_then(|node| self::name(node, "a project", diags)).map(|name| name.text);
    let zone = match fields.take("timezone") {
        Some(node) => lower_zone(node, diags),
        None => zone(DEFAULT_ZONE),
    };
    let languages = fields.need("languages", diags).map(|node| lower_languages(node, diags)).unwrap_or_default();
    let errors_before_vars = diags.error_count();
    let vars = fields.take("vars").map(|node| lower_vars(node, diags)).unwrap_or_default();
    let unread_vars = diags.error_count() > errors_before_vars;
    let takes = fields.take("takes").map(|node| names(node, "a variable", diags)).unwrap_or_default();
    let gives = fields.take("gives").map(|node| names(node, "a variable", diags)).unwrap_or_default();
    let defaults = fields.take("defaults").map(|node| lower_defaults(node, diags)).unwrap_or_default();
    let mut shortcuts = BTreeMap::new();
    if let Some(node) = fields.take("shortcuts") {
        for (key, value) in keys(node, "`shortcuts`", diags) {
            let (key, target) = (telephone_key(key, diags), Target::lower(value, diags));
            shortcuts.extend(key.zip(target));
        }
    }
    let sections = fields.need("sections", diags).map(|node| lower_sections(node, &defaults, diags));
    fields.finish(diags);
    let sections = sections?;
    let by_name = sections.iter().enumerate().map(|(i, section)| (section.name.text.clone(), i as u16)).collect();
    let mut flow = Flow {
        name,
        span: root.span,
        project,
        zone: zone.unwrap_or(TimeZone::UTC),
        languages,
        vars,
        takes,
        gives,
        defaults,
        shortcuts,
        sections,
        by_name,
        broken: false,
        unread_vars,
    };
    if flow.section_index("start").is_none() {
        let first = flow.sections.first().map_or(root.span.part(0, 0), |section| section.name.span);
        diags.error_hint("E201", first, "a flow begins in its section `start`", "name the first section `start`");
    } else if let Some(start) = flow.sections.iter().position(|section| section.name.text == "start")
        && start > 0
    {
        let place = flow.sections[start].name.span;
        diags.error("E112", place, "`start` is written first, as it is heard first");
    }
    flow.broken = diags.error_count() > errors_before;
    Some(flow)
}

fn lower_languages(node: &Node, diags: &mut Diags) -> Vec<String> {
    let Kind::List(items) = &node.kind else {
        diags.error_hint("E112", node.span, "languages are a list", "write `languages: [zh, en]`");
        return Vec::new();
    };
    if items.is_empty() {
        diags.error("E112", node.span, "a flow needs at least one language");
    }
    items.iter().filter_map(|item| language(item, diags)).map(|lang| lang.text).collect()
}

fn lower_vars(node: &Node, diags: &mut Diags) -> BTreeMap<String, VarDecl> {
    let mut vars = BTreeMap::new();
    for (key, value) in named(node, "`vars`", diags).unwrap_or_default() {
        let Some(name) = identifier(key, "a variable", diags) else { continue };
        let Some(mut fields) = Fields::of(value, &VARIABLE, diags) else { continue };
        let ty = lower_type(&mut fields, diags);
        let mut switch = |key| fields.flag(key, diags).unwrap_or(false);
        let (private, secret, optional) = (switch("private"), switch("secret"), switch("optional"));
        fields.finish(diags);
        if BUILT_IN.iter().any(|(known, _)| *known == name.text) || name.text == "lang" {
            diags.error_hint("E208", name.span, format!("`{}` is built in", name.text), "choose another name");
            continue;
        }
        let Some(ty) = ty else { continue };
        if vars.len() >= MAX_VARS {
            let hint = "split the flow into subflows";
            diags.error_hint("E110", name.span, format!("a flow has at most {MAX_VARS} variables"), hint);
            break;
        }
        vars.insert(name.text, VarDecl { span: name.span, ty, private, secret, optional });
    }
    vars
}

fn lower_defaults(node: &Node, diags: &mut Diags) -> Defaults {
    let mut defaults = Defaults::default();
    let Some(mut fields) = Fields::of(node, &DEFAULTS, diags) else { return defaults };
    if let Some(mut input) = fields.take("input").and_then(|node| Fields::of(node, &INPUT, diags)) {
        defaults.wait_ms = input.time("wait", diags).unwrap_or(defaults.wait_ms);
        defaults.between_ms = input.time("between_digits", diags).unwrap_or(defaults.between_ms);
        defaults.tries = input.number("tries", diags).map_or(defaults.tries, |n| n as u8);
        let mut prompts = |key| input.take(key).map(|node| names(node, "a prompt", diags)).unwrap_or_default();
        defaults.silence = prompts("silence");
        defaults.wrong_key = prompts("wrong_key");
        defaults.give_up = input.take("give_up").and_then(|node| name(node, "a section", diags));
        defaults.no_agent = input.flag("no_agent", diags).unwrap_or(false);
        input.finish(diags);
    }
    if let Some(mut lookup) = fields.take("lookup").and_then(|node| Fields::of(node, &LOOKUP, diags)) {
        defaults.lookup_timeout_ms = lookup.time("timeout", diags).unwrap_or(defaults.lookup_timeout_ms);
        let wait_say = lookup.take("wait_say").map(|node| names(node, "a prompt", diags));
        defaults.wait_say = wait_say.unwrap_or_default();
        lookup.finish(diags);
    }
    fields.finish(diags);
    defaults
}

fn lower_sections(node: &Node, defaults: &Defaults, diags: &mut Diags) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for (key, value) in named(node, "`sections`", diags).unwrap_or_default() {
        let Some(name) = identifier(key, "a section's name", diags) else { continue };
        if TARGET_WORDS.contains(&name.text.as_str()) {
            let message = format!("`{}` is a word of the language", name.text);
            diags.error_hint("E208", name.span, message, "choose another name");
            continue;
        }
        if sections.len() >= MAX_SECTIONS {
            diags.error_hint("E110", name.span, "this flow has too many sections", "split it into subflows");
            break;
        }
        if sections.iter().any(|section| section.name == name || section.name.text == name.text) {
            continue; // Reported as a key given twice.
        }
        let (steps, keep) = match &value.kind {
            Kind::Map(_) => {
                let Some(mut fields) = Fields::of(value, &KEPT, diags) else { continue };
                let keep = fields.flag("keep", diags).unwrap_or(false);
                let steps = fields.need("steps", diags);
                fields.finish(diags);
                (steps, keep)
            }
            _ => (Some(value), false),
        };
        let steps = steps.map(|node| lower_steps(node, defaults, diags)).unwrap_or_default();
        sections.push(Section { name, steps, keep });
    }
    sections
}

fn lower_steps(node: &Node, defaults: &Defaults, diags: &mut Diags) -> Vec<StepAt> {
    let Kind::List(items) = &node.kind else {
        if node.is_null() || text(node, "a list of steps", diags).is_some() {
            let message = format!("a section is a list of steps, not {}", shown(node.scalar().unwrap_or_default()));
            diags.error_hint("E112", node.span, message, "start each step with a dash: `- say: welcome`");
        }
        return Vec::new();
    };
    if items.len() > MAX_STEPS {
        diags.error_hint("E110", node.span, "this section has too many steps", "split it into several sections");
    }
    let mut lower = Lower { diags, defaults };
    items.iter().take(MAX_STEPS).filter_map(|item| step::lower(item, &mut lower)).collect()
}
