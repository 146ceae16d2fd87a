//! Projects, with today's figures.

use super::client::Client;
use super::control::{done, parse};
use super::output::{self, Column, Format, field};
use super::people::{QUEUES, rows, segment};
use super::stats::percent;
use super::{Common, Failure};
use serde_json::{Value, json};

#[derive(clap::Subcommand)]
pub(super) enum ProjectCommand {
    /// All projects, with today's figures
    List,
    /// One project with its targets, today's figures and its queues
    Show {
        /// The project's name, as in hotline.yaml
        project: String,
    },
    /// Up to which tier others lend to a project, whatever its callers wait
    Tier {
        project: String,
        /// 0 (nobody), 1, 2, 3, or auto
        #[arg(value_name = "TIER", value_parser = ["0", "1", "2", "3", "auto"])]
        to: String,
    },
}

const PROJECTS: [Column; 11] = [
    ("project", |row| field(row, "id")),
    ("queues", |row| field(row, "queues")),
    ("agents", |row| field(row, "agents")),
    ("offered", |row| field(&row["today"], "offered")),
    ("answered", |row| field(&row["today"], "answered")),
    ("abandoned", |row| field(&row["today"], "abandoned")),
    ("short", |row| field(&row["today"], "short_abandoned")),
    ("answer rate", |row| percent(&row["today"]["answer_rate"])),
    ("service level", |row| percent(&row["today"]["service_level"]["f4"])),
    ("occupancy", |row| percent(&row["occupancy"])),
    ("may still lose", |row| field(&row["burn"], "more_abandons")),
];

const PLANS: [Column; 9] = [
    ("plan", |row| field(row, "plan")),
    ("from", |row| field(row, "from")),
    ("to", |row| field(row, "to")),
    ("tier", |row| field(row, "tier")),
    ("lends", |row| field(row, "active")),
    ("by hand", |row| field(row, "by_hand")),
    ("lent", |row| field(row, "lent")),
    ("cap", |row| field(row, "cap")),
    ("at home", |row| format!("{} (at least {})", field(row, "at_home"), field(row, "leave"))),
];

pub(super) fn project(common: &Common, command: &ProjectCommand) -> Result<(), Failure> {
    let (client, format) = (Client::of(common)?, Format::or_fitting(common.output));
    match command {
        ProjectCommand::List => {
            let text = client.get("/api/v1/projects")?;
            output::print(format, &text, &rows(&parse(&text)?), &PROJECTS)
        }
        ProjectCommand::Tier { project, to } => {
            let path = format!("/api/v1/projects/{}/tier", segment(project));
            done(common, &client.send("PUT", &path, Some(&json!({ "tier": to.parse::<u8>().ok() })))?)
        }
        ProjectCommand::Show { project } => {
            output::refuse_csv(common)?;
            let text = client.get(&format!("/api/v1/projects/{}", segment(project)))?;
            if format == Format::Json {
                return output::print(format, &text, &[], &[]);
            }
            let answer = parse(&text)?;
            output::write(&sentences(&answer["project"]))?;
            output::print(format, &text, &rows(&answer["queues"]), &QUEUES)?;
            let plans = rows(&answer["lending"]);
            if plans.is_empty() {
                return Ok(());
            }
            output::write("\n")?;
            output::print(format, &text, &plans, &PLANS)
        }
    }
}

/// The project as somebody would say it.
fn sentences(project: &Value) -> String {
    let (today, targets) = (&project["today"], &project["targets"]);
    let mut out = format!("Project {} on {}\n\n", field(project, "id"), field(project, "day"));
    let mut line = |what: &str, is: String, target: &Value| {
        let target = if target.is_null() { String::new() } else { format!("  (target {})", percent(target)) };
        out.push_str(&format!("{what:<22}{is}{target}\n"));
    };
    let none = Value::Null;
    let lost = format!(
        "{} abandoned, {} of them short; {} given back or turned away",
        field(today, "abandoned"),
        field(today, "short_abandoned"),
        field(today, "unserved")
    );
    line("offered", field(today, "offered"), &none);
    line("answered", field(today, "answered"), &none);
    line("lost", lost, &none);
    line("answer rate", percent(&today["answer_rate"]), &targets["answer_rate"]);
    line("abandon rate", format!("{} (without short ones)", percent(&today["abandon_rate"])), &none);
    let level = &today["service_level"];
    let name = format!("service level {} s", field(level, "within_s"));
    line(&name, format!("{} F4, {} F3", percent(&level["f4"]), percent(&level["f3"])), &targets["service_level"]);
    line("speed of answer", format!("{} s", field(today, "asa_s")), &none);
    line("handling time", format!("{} s", field(today, "aht_s")), &none);
    line("occupancy", percent(&project["occupancy"]), &none);
    line("weighted volume", field(today, "weighted_volume"), &none);
    out.push_str(&burn(&project["burn"]));
    out.push('\n');
    out
}

fn burn(burn: &Value) -> String {
    let target = percent(&burn["answer_rate"]);
    match (burn["more_abandons"].as_u64(), burn["answers_to_recover"].as_u64()) {
        (None, _) => String::new(),
        (Some(more), Some(0)) => format!("{more} more lost today before the answer rate falls below {target}\n"),
        (Some(_), Some(answers)) => format!("below {target}: met again after {answers} answers in a row\n"),
        (Some(_), None) => format!("below {target}: cannot be met any more today\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_reads_how_many_more_may_be_lost() {
        let said = |more: u64, answers: Option<u64>| {
            burn(&json!({ "answer_rate": 0.97, "more_abandons": more, "answers_to_recover": answers }))
        };
        assert_eq!(said(3, Some(0)), "3 more lost today before the answer rate falls below 97.0%\n");
        assert_eq!(said(0, Some(33)), "below 97.0%: met again after 33 answers in a row\n");
        assert_eq!(burn(&Value::Null), "", "no target");
    }
}
