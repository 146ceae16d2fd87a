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
    /// Why others lend to a project, or why not
    Explain { project: String },
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
        ProjectCommand::Explain { project } => {
            output::refuse_csv(common)?;
            let text = client.get(&format!("/api/v1/projects/{}", segment(project)))?;
            if format == Format::Json {
                return output::print(format, &text, &[], &[]);
            }
            let plans = rows(&parse(&text)?["lending"]);
            let told = plans.iter().map(plan).collect::<String>();
            output::write(if plans.is_empty() { "no plan under `lend` has to do with it\n" } else { &told })
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

/// A plan, what it does, and what would change that.
fn plan(plan: &Value) -> String {
    let [name, from, to, tier] = ["plan", "from", "to", "tier"].map(|key| field(plan, key));
    let lent = rows(&plan["lent"]);
    let names = || lent.iter().map(output::show).collect::<Vec<_>>().join(", ");
    let number = |key: &str| plan[key].as_u64().unwrap_or(0);
    let (at_home, leave, cap) = (number("at_home"), number("leave"), number("cap"));
    let does = match (plan["active"] == true, lent.len() as u64) {
        (false, _) => "lends nobody".to_string(),
        (true, 0) if at_home <= leave => {
            format!("would lend, but of {from} only {at_home} are at work and {leave} must stay")
        }
        (true, 0) => format!("would lend, but nobody of {from} who is at work can do what it asks for"),
        (true, count) if count < cap && at_home <= leave => {
            format!("lends {}; no more, because {at_home} are left at home and {leave} must stay", names())
        }
        (true, count) => format!("lends {} ({count} of at most {cap})", names()),
    };
    let why = match (plan["by_hand"] == true, plan["active"] == true) {
        (true, _) => format!("set by hand, until `project tier {to} auto`"),
        (false, true) => format!("ends when {}", bounds(plan, "clear", "is below", " and ")),
        (false, false) => format!("begins when {}", bounds(plan, "when", "reaches", " or ")),
    };
    format!("{name} (tier {tier}, {from} helps {to}): {does}\n    {why}\n")
}

/// `the longest wait (12 s) reaches 30 s or the number of callers waiting (2) reaches 10`.
fn bounds(plan: &Value, which: &str, verb: &str, between: &str) -> String {
    let of = |what: &str, key: &str, unit: u64, word: &str| {
        let bound = plan[which][key].as_u64()? / unit;
        Some(format!("{what} ({}{word}) {verb} {bound}{word}", plan["pressure"][key].as_u64().unwrap_or(0) / unit))
    };
    let wait = of("the longest wait", "longest_wait_ms", 1000, " s");
    let waiting = of("the number of callers waiting", "waiting", 1, "");
    wait.into_iter().chain(waiting).collect::<Vec<_>>().join(between)
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

    #[test]
    fn a_plan_is_explained_by_what_it_does_and_what_would_change_that() {
        let told = |change: Value| {
            let mut plan = json!({
                "plan": "surge", "from": "gas", "to": "power", "tier": 1, "active": false, "by_hand": false,
                "pressure": {"longest_wait_ms": 12_400, "waiting": 2}, "when": {"longest_wait_ms": 30_000, "waiting": 10},
                "clear": {"longest_wait_ms": 10_000, "waiting": 3}, "cap": 2, "lent": [], "at_home": 3, "leave": 1
            });
            change.as_object().unwrap().iter().for_each(|(key, value)| plan[key] = value.clone());
            super::plan(&plan)
        };
        assert_eq!(
            told(json!({})),
            "surge (tier 1, gas helps power): lends nobody\n    begins when the longest wait (12 s) reaches 30 s or \
             the number of callers waiting (2) reaches 10\n"
        );
        let lending = told(json!({"active": true, "lent": ["2001"]}));
        assert!(
            lending.contains("lends 2001 (1 of at most 2)\n    ends when the longest wait (12 s) is below 10 s and")
        );
        assert!(told(json!({"active": true, "at_home": 1})).contains("only 1 are at work and 1 must stay"));
        assert!(
            told(json!({"active": true, "by_hand": true})).contains("set by hand, until `project tier power auto`")
        );
    }
}
