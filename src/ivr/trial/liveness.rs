//! Which variables a condition may still look at, from each step on: two calls that differ in no other are the same call.
//! The usual analysis of compilers, over what the steps say of themselves.

use crate::ivr::bundle::Bundle;
use crate::ivr::expr::{Expr, Kind};
use crate::ivr::flow::{Flow, Target};
use crate::ivr::run::state::Frame;
use crate::ivr::step::{Exit, Fact, To};
use std::collections::BTreeSet;

type Names = BTreeSet<String>;

pub(super) struct Liveness {
    /// By flow, section and step.
    live: Vec<Vec<Vec<Names>>>,
}

/// What a step does with variables, and where it leads: a section's index or the step below, with what is set on the way.
struct Effect {
    uses: Names,
    sets: Names,
    exits: Vec<(Option<usize>, Names)>,
}

impl Liveness {
    pub fn of(bundle: &Bundle) -> Self {
        Self { live: bundle.flows.iter().map(|flow| of_flow(flow, bundle)).collect() }
    }

    pub fn is_live(&self, frame: &Frame, name: &str) -> bool {
        let section = self.live.get(usize::from(frame.flow)).and_then(|flow| flow.get(usize::from(frame.section)));
        section.and_then(|section| section.get(usize::from(frame.step))).is_some_and(|names| names.contains(name))
    }
}

fn of_flow(flow: &Flow, bundle: &Bundle) -> Vec<Vec<Names>> {
    let effects: Vec<Vec<Effect>> = flow
        .sections
        .iter()
        .map(|section| section.steps.iter().map(|at| effect(&*at.verb, flow, bundle)).collect())
        .collect();
    let mut live: Vec<Vec<Names>> = effects.iter().map(|section| vec![Names::new(); section.len() + 1]).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for (section, steps) in effects.iter().enumerate().rev() {
            for (step, effect) in steps.iter().enumerate().rev() {
                let mut names = effect.uses.clone();
                for (to, sets) in &effect.exits {
                    let after = match to {
                        Some(target) => live.get(*target).and_then(|section| section.first()),
                        None => live.get(section).and_then(|section| section.get(step + 1)),
                    };
                    let passed = after.into_iter().flatten();
                    names.extend(passed.filter(|name| !sets.contains(*name) && !effect.sets.contains(*name)).cloned());
                }
                if let Some(known) = live.get_mut(section).and_then(|section| section.get_mut(step))
                    && *known != names
                {
                    *known = names;
                    changed = true;
                }
            }
        }
    }
    live
}

fn effect(verb: &dyn crate::ivr::step::Step, flow: &Flow, bundle: &Bundle) -> Effect {
    let index = |name: &str| flow.section_index(name).map(usize::from);
    let mut effect = Effect { uses: Names::new(), sets: Names::new(), exits: Vec::new() };
    let mut facts = Vec::new();
    verb.facts(bundle, &mut facts);
    for fact in &facts {
        match fact {
            Fact::Reads(expr, _) | Fact::Fills(expr, _) | Fact::Assigns(_, expr) => names_in(expr, &mut effect.uses),
            Fact::Exit(Exit { to: To::Section(section), sets, .. }) => {
                let sets = sets.iter().map(|(name, _)| name.text.clone()).collect();
                effect.exits.extend(index(&section.text).map(|to| (Some(to), sets)));
            }
            Fact::Exit(Exit { to: To::Below, sets, .. }) => {
                effect.exits.push((None, sets.iter().map(|(name, _)| name.text.clone()).collect()));
            }
            Fact::ExitProving(section, _) => {
                effect.exits.extend(index(&section.text).map(|to| (Some(to), Names::new())));
            }
            _ => {}
        }
        if let Fact::Assigns(name, _) = fact {
            effect.sets.insert(name.text.clone());
        }
    }
    // Shortcuts act wherever keys are asked for, and `back` leads to any menu.
    if matches!(verb.verb(), "menu" | "collect" | "language") {
        let targets = flow.shortcuts.values().filter_map(Target::section).filter_map(|name| index(&name.text));
        effect.exits.extend(targets.map(|to| (Some(to), Names::new())));
        let menus = flow
            .sections
            .iter()
            .enumerate()
            .filter(|(_, section)| section.steps.iter().any(|at| at.verb.verb() == "menu"));
        effect.exits.extend(menus.map(|(to, _)| (Some(to), Names::new())));
    }
    effect
}

fn names_in(expr: &Expr, names: &mut Names) {
    match &expr.kind {
        Kind::Variable(name) | Kind::IsSet(name) => _ = names.insert(name.clone()),
        Kind::Literal(_) => {}
        Kind::Not(inner) | Kind::Negate(inner) => names_in(inner, names),
        Kind::Binary(_, a, b) => {
            names_in(a, names);
            names_in(b, names);
        }
        Kind::In(value, list) => {
            names_in(value, names);
            list.iter().for_each(|each| names_in(each, names));
        }
        Kind::Call(_, arguments) => arguments.iter().for_each(|each| names_in(each, names)),
    }
}
