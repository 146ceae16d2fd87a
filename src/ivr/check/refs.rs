//! Names that must exist: sections, flows, calendars, lookups, and what the platform has.

use super::View;
use crate::ivr::bundle::Platform;
use crate::ivr::diag::{Diags, shown};
use crate::ivr::source::Name;
use crate::ivr::step::{Exit, Fact, Refers, To};

pub(super) fn check(view: &View, platform: Option<&Platform>, diags: &mut Diags) {
    let flow = view.flow;
    let section = |name: &Name, diags: &mut Diags| {
        if flow.section_index(&name.text).is_none() {
            diags.unknown("E201", name.span, "there is no section", &name.text, flow.section_names());
        }
    };
    for target in flow.shortcuts.values().filter_map(|target| target.section()).chain(&flow.defaults.give_up) {
        section(target, diags);
    }
    for name in flow.takes.iter().chain(&flow.gives) {
        match flow.vars.get(&name.text) {
            None => diags.unknown(
                "E301",
                name.span,
                "there is no variable",
                &name.text,
                flow.vars.keys().map(String::as_str),
            ),
            Some(decl) if decl.secret => {
                let message = format!("`{}` is secret and stays in its flow", name.text);
                diags.error("E701", name.span, message);
            }
            Some(_) => {}
        }
    }
    for fact in view.nodes.iter().flat_map(|node| &node.facts) {
        match fact {
            Fact::Exit(Exit { to: To::Section(name), .. }) | Fact::ExitProving(name, _) => section(name, diags),
            Fact::Refers(what, name) => refers(*what, name, view, platform, diags),
            Fact::Wrong { code, span, message, hint } => match hint {
                Some(hint) => diags.error_hint(code, *span, message.clone(), hint.clone()),
                None => diags.error(code, *span, message.clone()),
            },
            _ => {}
        }
    }
}

fn refers(what: Refers, name: &Name, view: &View, platform: Option<&Platform>, diags: &mut Diags) {
    let bundle = view.bundle;
    let mut must = |code, kind: &str, exists: bool, known: Vec<&str>| {
        if !exists {
            diags.unknown(code, name.span, &format!("there is no {kind}"), &name.text, known);
        }
    };
    let text = name.text.as_str();
    match (what, platform) {
        (Refers::Flow, _) => {
            let subflows = || bundle.flows.iter().filter(|flow| flow.is_subflow()).map(|flow| flow.name.as_str());
            must("E202", "subflow", subflows().any(|known| known == text), subflows().collect());
        }
        (Refers::Calendar, _) => {
            let known = bundle.calendars.keys().map(String::as_str).collect();
            must("E206", "calendar", bundle.calendars.contains_key(text), known);
        }
        (Refers::Lookup, _) => {
            let known = bundle.lookups.keys().map(String::as_str).collect();
            must("E207", "lookup", bundle.lookups.contains_key(text), known);
        }
        (Refers::Message, _) => {
            let known = bundle.templates.messages.keys().map(String::as_str).collect();
            must("E210", "message", bundle.templates.messages.contains_key(text), known);
        }
        (Refers::Form, _) => {
            let known = bundle.templates.forms.keys().map(String::as_str).collect();
            must("E210", "form", bundle.templates.forms.contains_key(text), known);
        }
        (Refers::Mailbox, _) => {
            let known = bundle.templates.mailboxes.keys().map(String::as_str).collect();
            must("E210", "mailbox", bundle.templates.mailboxes.contains_key(text), known);
        }
        (Refers::Language, _) => {
            let languages = &view.flow.languages;
            if !languages.contains(&name.text) {
                let message = format!("this flow does not speak `{}`", shown(text));
                diags.error_hint("E112", name.span, message, format!("it speaks {}", languages.join(", ")));
            }
        }
        (Refers::Queue, Some(platform)) => {
            must("E204", "queue", platform.queues.contains(text), platform.queues.iter().map(String::as_str).collect());
        }
        (Refers::Trunk, Some(platform)) => {
            let known = platform.trunks.keys().map(String::as_str).collect();
            must("E205", "trunk", platform.trunks.contains_key(text), known);
        }
        (Refers::Agent, Some(platform)) => {
            let known = platform.agents.iter().map(String::as_str).collect();
            must("E205", "extension", platform.agents.contains(text), known);
        }
        // `lang` is the language that the caller chose; one that no agent speaks is not asked for.
        (Refers::Skill, Some(_)) if text == "lang" => {}
        (Refers::Skill, Some(platform)) => {
            let known = platform.skills.iter().map(String::as_str).collect();
            must("E215", "agent with the skill", platform.skills.contains(text), known);
        }
        (Refers::Queue | Refers::Skill | Refers::Trunk | Refers::Agent, None) => {}
    }
}
