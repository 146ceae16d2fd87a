//! A flow as a picture: its sections, and which way leads from where to where. Made from the text, never kept beside it.

use super::diag::{Diagnostic, Diags};
use super::outline::{self, What};
use super::source::{Files, Sources};
use super::yaml;
use serde::Serialize;
use std::fmt::Write;

#[derive(Debug, Serialize)]
pub struct Graph {
    pub flow: String,
    pub title: Option<String>,
    pub sections: Vec<Section>,
    pub edges: Vec<Edge>,
}

#[derive(Debug, Serialize)]
pub struct Section {
    pub name: String,
    pub line: u32,
    pub steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
pub struct Step {
    pub verb: &'static str,
    pub line: u32,
    /// What it names first: the prompt, queue or section.
    pub names: Vec<String>,
}

/// A way out of a section.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Edge {
    pub from: String,
    pub to: String,
    pub kind: Target,
    /// The key, condition or outcome that leads there.
    pub on: String,
    pub line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Section,
    Subflow,
    Queue,
    Transfer,
    End,
}

/// The picture of one flow file.
pub fn graph(name: &str, path: &str, text: &str) -> Result<Graph, Vec<Diagnostic>> {
    let files = Files::new(&Sources { files: vec![(path.into(), text.into())] });
    let mut diags = Diags::new(&files);
    let root = files.0.first().and_then(|file| yaml::parse(file, 0, &mut diags));
    let Some(root) = root.filter(|_| !diags.has_errors()) else { return Err(diags.into_sorted()) };
    let title = root.child("title").and_then(|node| node.scalar()).map(str::to_string);
    let give_up = root.child("defaults").and_then(|node| node.child("input")).and_then(|node| node.child("give_up"));
    let mut graph = Graph { flow: name.to_string(), title, sections: Vec::new(), edges: Vec::new() };
    for (section, steps) in outline::sections(&root) {
        let from = section.scalar().unwrap_or_default();
        let mut told = Vec::new();
        for step in &steps {
            let line = outline::line(&files, step.item);
            let mut edge = |to: &str, kind, on: &str| {
                let edge = Edge { from: from.into(), to: to.into(), kind, on: on.into(), line };
                if !graph.edges.contains(&edge) {
                    graph.edges.push(edge);
                }
            };
            let mentions = step.mentions();
            let mut names = Vec::new();
            for mention in &mentions {
                match (mention.what, step.verb, mention.on.as_str()) {
                    (What::Section, _, "goto") if step.verb == "goto" => edge(mention.name, Target::Section, ""),
                    (What::Section, _, on) => edge(mention.name, Target::Section, on),
                    (What::Name, "call", "flow") => edge(mention.name, Target::Subflow, "call"),
                    (What::Name, "queue", "to") => edge(mention.name, Target::Queue, ""),
                    (What::Name, "transfer", "agent" | "ext" | "trunk") => edge(mention.name, Target::Transfer, ""),
                    _ => {}
                }
                if mention.what != What::Section {
                    names.push(mention.name.to_string());
                }
            }
            if let Some(to) = give_up.and_then(|node| node.scalar()).filter(|_| step.leaves_out("give_up")) {
                edge(to, Target::Section, "give_up");
            }
            if matches!(step.verb, "hangup" | "return") {
                let how = if step.verb == "return" { step.settings.scalar().unwrap_or_default() } else { "" };
                edge(step.verb, Target::End, how);
            }
            told.push(Step { verb: step.verb, line, names });
        }
        graph.sections.push(Section { name: from.into(), line: outline::line(&files, section), steps: told });
    }
    Ok(graph)
}

impl Graph {
    /// As a Mermaid flowchart, which wikis and editors draw.
    pub fn mermaid(&self) -> String {
        let mut out = String::from("flowchart TD\n");
        for section in &self.sections {
            let steps = section.steps.iter().map(|step| match step.names.first() {
                Some(name) => format!("{} {name}", step.verb),
                None => step.verb.to_string(),
            });
            let lines: Vec<String> = std::iter::once(format!("<b>{}</b>", section.name)).chain(steps).collect();
            let _ = writeln!(out, "  s_{}[\"{}\"]", section.name, escaped(&lines.join("<br/>")));
        }
        let mut others: Vec<String> = Vec::new();
        for edge in &self.edges {
            let to = match edge.kind {
                Target::Section if matches!(edge.to.as_str(), "back" | "repeat") => format!("s_{}", edge.from),
                Target::Section => format!("s_{}", edge.to),
                kind => {
                    let label = format!("{kind:?} {}", edge.to);
                    let at = others.iter().position(|known| *known == label).unwrap_or_else(|| {
                        others.push(label.clone());
                        let label = if kind == Target::End { &edge.to } else { &label };
                        let _ = writeln!(out, "  x{}([\"{}\"])", others.len() - 1, escaped(&label.to_lowercase()));
                        others.len() - 1
                    });
                    format!("x{at}")
                }
            };
            let on = if edge.to == "back" || edge.to == "repeat" {
                format!("{}: {}", edge.on, edge.to)
            } else {
                edge.on.clone()
            };
            let _ = match on.is_empty() {
                true => writeln!(out, "  s_{} --> {to}", edge.from),
                false => writeln!(out, "  s_{} -->|\"{}\"| {to}", edge.from, escaped(&on)),
            };
        }
        out
    }
}

/// Mermaid takes a label in quotes; what is left are the quotes themselves.
fn escaped(text: &str) -> String {
    text.replace('"', "#quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const POWER: &str = include_str!("../../ivr-flows/power.flow.yaml");

    #[test]
    fn every_way_of_a_flow_is_in_its_picture() {
        let graph = graph("power", "power.flow.yaml", POWER).unwrap();
        let has = |from: &str, to: &str, on: &str| {
            assert!(graph.edges.iter().any(|e| (&*e.from, &*e.to, &*e.on) == (from, to, on)), "{from} {to} {on}");
        };
        has("start", "main", "");
        has("main", "bill", "3");
        has("main", "agent", "give_up");
        has("bill", "bill_overdue", "balance < 0");
        has("bill", "bill_ok", "else");
        has("bill", "bill_down", "failed");
        has("bill", "lib/identify", "call");
        assert!(graph.edges.iter().any(|e| e.kind == Target::Queue && e.to == "service"));
        for edge in graph.edges.iter().filter(|e| e.kind == Target::Section && !matches!(&*e.to, "back" | "repeat")) {
            assert!(graph.sections.iter().any(|s| s.name == edge.to), "{edge:?}");
        }
        let drawn = graph.mermaid();
        assert!(drawn.starts_with("flowchart TD\n") && drawn.contains("s_main -->|\"3\"| s_bill"), "{drawn}");
    }

    #[test]
    fn what_is_no_yaml_has_no_picture_but_a_finding() {
        let found = graph("x", "x.flow.yaml", "sections: {").unwrap_err();
        assert_eq!(found[0].line, 1);
    }
}
