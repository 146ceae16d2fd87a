//! What a traffic needs, before it comes: lines by Erlang B, agents by Erlang C and A. No switch is asked.

use super::output::{self, Format};
use super::{Common, Failure};
use crate::admission::erlang::{MOST_LINES, Queueing, erlang_b, lines_for, traffic_for};
use crate::config::parse_duration;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(clap::Args)]
#[command(
    after_help = "Lines: `hotline plan --traffic 84 --lines 100`. Agents: `hotline plan --calls-per-hour 1000 --handling 2m --agents 37 --patience 1m`.\nTraffic in Erlang is calls an hour times the hours that each lasts: 1000 calls of 2 minutes are 33.3."
)]
pub(super) struct PlanArgs {
    /// Traffic in Erlang: how many calls are up in the mean, were none refused
    #[arg(long, value_name = "ERLANG", value_parser = positive, required_unless_present = "calls_per_hour")]
    traffic: Option<f64>,
    #[arg(long, value_name = "CALLS", value_parser = positive, requires = "handling", conflicts_with = "traffic")]
    calls_per_hour: Option<f64>,
    /// How long each call takes, wrap-up included, such as 2m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    handling: Option<Duration>,
    /// Lines, trunk channels or calls at once
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_LINES)))]
    lines: Option<u32>,
    /// Agents who take calls
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_LINES)), requires = "calls_per_hour")]
    agents: Option<u32>,
    /// How long callers wait before they give up, in the mean
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "agents")]
    patience: Option<Duration>,
    /// The time of the service level
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "20s")]
    within: Duration,
    /// The share of calls that may find no line
    #[arg(long, value_name = "PERCENT", default_value = "1", value_parser = percent)]
    blocked: f64,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (1e-6..=1e6).contains(number));
    number.ok_or_else(|| "write a number above 0 and up to 1000000".into())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok().filter(|number| (0.0001..=50.0).contains(number));
    number.ok_or_else(|| "write a share from 0.0001 to 50".into())
}

pub(super) fn plan(common: &Common, args: &PlanArgs) -> Result<(), Failure> {
    let handling_s = args.handling.map_or(0.0, |time| time.as_secs_f64());
    let rate = args.calls_per_hour.map(|calls| calls / 3600.0);
    if rate.is_some() && handling_s <= 0.0 {
        return Err(Failure::Usage("a call that takes no time needs nobody; write `--handling 2m`".into()));
    }
    let traffic = args.traffic.or(rate.map(|rate| rate * handling_s)).unwrap_or_default();
    let mut plan = vec![("traffic_erlang", rounded(traffic, 2))];
    let mut says = Vec::new();
    if args.lines.is_some() || args.agents.is_none() {
        lines(args, traffic, &mut plan, &mut says);
    }
    if let (Some(agents), Some(calls_per_second)) = (args.agents, rate) {
        queue(args, Queueing { calls_per_second, handling_s, agents }, &mut plan, &mut says);
    }
    plan.push(("says", says.join(" ").into()));
    let keys: Vec<&str> = plan.iter().map(|(key, _)| *key).collect();
    let answer: Value =
        plan.iter().map(|(key, value)| (key.to_string(), value.clone())).collect::<serde_json::Map<_, _>>().into();
    output::print_one(Format::or_fitting(common.output), &answer.to_string(), &answer, &keys)
}

type Plan = Vec<(&'static str, Value)>;

fn lines(args: &PlanArgs, traffic: f64, plan: &mut Plan, says: &mut Vec<String>) {
    let share = args.blocked / 100.0;
    let needed = lines_for(traffic, share);
    let goal = format!("at most {} % of the calls find none", args.blocked);
    if let Some(lines) = args.lines {
        let blocked = erlang_b(traffic, lines);
        plan.push(("lines", lines.into()));
        plan.push(("blocked_percent", rounded(blocked * 100.0, 4)));
        plan.push(("carries_erlang", rounded(traffic_for(lines, share), 2)));
        says.push(match needed {
            Some(needed) if needed > lines => {
                format!(
                    "{:.2} % of the calls find no line; buy {} more, so that {goal}.",
                    blocked * 100.0,
                    needed - lines
                )
            }
            _ => format!("{:.2} % of the calls find no line; that is enough.", blocked * 100.0),
        });
    }
    plan.push(("lines_needed", needed.into()));
    if args.lines.is_none() {
        says.push(match needed {
            Some(needed) => format!("With {needed} lines {goal}."),
            None => format!("No number of lines up to {MOST_LINES} is enough."),
        });
    }
}

fn queue(args: &PlanArgs, queueing: Queueing, plan: &mut Plan, says: &mut Vec<String>) {
    let within = args.within.as_secs_f64();
    plan.push(("agents", queueing.agents.into()));
    match queueing.patient() {
        Some(waiting) => {
            let level = queueing.answered_within(within).unwrap_or_default();
            plan.push(("waits_percent", rounded(waiting.waits * 100.0, 2)));
            plan.push(("mean_wait_s", rounded(waiting.mean_wait_s, 1)));
            plan.push(("service_level_percent", rounded(level * 100.0, 1)));
            says.push(format!(
                "If nobody gives up, {:.0} % are answered within {within:.0} s and the mean wait is {:.0} s.",
                level * 100.0,
                waiting.mean_wait_s
            ));
        }
        None => {
            let least = queueing.traffic().floor() + 1.0;
            plan.push(("agents_needed", json!(least)));
            says.push(format!("The queue grows until callers give up: {least:.0} agents at least are needed."));
        }
    }
    if let Some(patience) = args.patience.filter(|patience| !patience.is_zero()) {
        let waiting = queueing.impatient(patience.as_secs_f64());
        plan.push(("waits_impatient_percent", rounded(waiting.waits * 100.0, 2)));
        plan.push(("abandon_percent", rounded(waiting.abandons * 100.0, 2)));
        plan.push(("mean_wait_impatient_s", rounded(waiting.mean_wait_s, 2)));
        says.push(format!(
            "With that patience {:.1} % give up, and the mean wait is {:.1} s.",
            waiting.abandons * 100.0,
            waiting.mean_wait_s
        ));
    }
}

fn rounded(value: f64, digits: i32) -> Value {
    let scale = 10f64.powi(digits);
    json!((value * scale).round() / scale)
}
