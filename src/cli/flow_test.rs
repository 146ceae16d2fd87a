//! `flow test`: plays the calls of `*.test.yaml` in virtual time and says what came of them, to a person, to a CI server
//! (TAP, JUnit) or to a program.

use super::flows::{self, Report};
use super::{Common, Failure, output};
use crate::ivr::trial::{self, Coverage, Fault, Item, Line, Test, Verdict, clock};
use crate::ivr::{self, Bundle, Sources};
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct TestArgs {
    /// Test files, flows or folders; all of ivr-flows unless told
    paths: Vec<PathBuf>,
    /// Test Anything Protocol
    #[arg(long)]
    tap: bool,
    /// Also write a JUnit report
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Say how much of each flow the tests go through, and what they leave out
    #[arg(long)]
    coverage: bool,
    /// Fail when less than this percentage is gone through; with --coverage
    #[arg(long, value_name = "PERCENT", requires = "coverage", value_parser = clap::value_parser!(u8).range(0..=100))]
    min: Option<u8>,
    /// Show what happened also in calls that went well
    #[arg(short, long)]
    verbose: bool,
}

/// A test that was played.
struct Played<'t> {
    path: &'t str,
    flow: &'t str,
    test: &'t Test,
    verdict: Verdict,
}

pub(super) fn test(common: &Common, args: &TestArgs) -> Result<ExitCode, Failure> {
    let json = args.json || common.output == Some(output::Format::Json);
    let mut report = Report::new(json);
    let Some((bundle, sources, wanted)) = flows::project(common, &args.paths, &mut report)? else {
        return report.finish("flows");
    };
    let (files, findings) = trial::read(&sources, &bundle);
    let asked_for = |path: &str, flow: &str| {
        wanted.is_empty() || wanted.iter().any(|given| given == path || ivr::flow_name(given).as_deref() == Some(flow))
    };
    // A flow that is named may be tested by any file.
    let findings: Vec<_> = findings.iter().filter(|finding| asked_for(&finding.path, "")).collect();
    if !findings.is_empty() {
        findings.into_iter().for_each(|finding| report.add(finding));
        return report.finish("tests");
    }
    let mut played = Vec::new();
    for file in files.iter().filter(|file| asked_for(&file.path, &file.flow)) {
        for test in &file.tests {
            let verdict = trial::run(&bundle, &file.flow, test);
            played.push(Played { path: &file.path, flow: &file.flow, test, verdict });
        }
    }
    if played.is_empty() {
        return Err(Failure::Usage("there are no tests here; write them to ivr-flows/tests/<flow>.test.yaml".into()));
    }
    if let Some(file) = &args.junit {
        std::fs::write(file, junit(&played, &sources))
            .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    }
    let mut text = match (json, args.tap) {
        (true, _) => json_lines(&played, &sources),
        (false, true) => tap(&played, &sources),
        (false, false) => told(&played, &sources, args.verbose),
    };
    let mut failed = played.iter().any(|played| !played.verdict.passed());
    if args.coverage {
        let covered = covered(&bundle, &played, |flow| asked_for("", flow));
        failed |= covered.iter().any(|(_, coverage)| coverage.percent(None) < f64::from(args.min.unwrap_or(0)));
        for (flow, coverage) in &covered {
            text.push_str(&match json {
                true => coverage_json(flow, coverage),
                false => coverage_told(&bundle, flow, coverage, if args.tap { "# " } else { "" }),
            });
        }
    }
    output::write(&text)?;
    Ok(ExitCode::from(u8::from(failed)))
}

/// What the tests went through of each flow that calls begin in; one without a test has not been gone through at all.
fn covered<'t>(
    bundle: &'t Bundle,
    played: &[Played<'t>],
    asked_for: impl Fn(&str) -> bool,
) -> Vec<(&'t str, Coverage)> {
    let flows = bundle.entry_flows().filter(|flow| asked_for(flow));
    let mut covered: Vec<(&str, Coverage)> = flows.map(|flow| (flow, Coverage::of(bundle, flow))).collect();
    for each in played {
        let known = covered.iter().position(|(flow, _)| *flow == each.flow);
        let place = known.unwrap_or_else(|| {
            covered.push((each.flow, Coverage::of(bundle, each.flow)));
            covered.len() - 1
        });
        if let Some((_, coverage)) = covered.get_mut(place) {
            coverage.note(&each.verdict.lines);
        }
    }
    covered
}

fn coverage_told(bundle: &Bundle, flow: &str, coverage: &Coverage, mark: &str) -> String {
    let mut lines = Vec::new();
    let of = |kind: Option<&str>| {
        let (reached, all) = coverage.count(kind);
        format!("{reached} of {all} {}", kind.unwrap_or("in all"))
    };
    let each: Vec<String> = trial::KINDS.iter().map(|kind| of(Some(kind))).collect();
    lines.push(format!("{flow}: {:.1} % covered ({})", coverage.percent(None), each.join(", ")));
    let missed: Vec<Item> = coverage.missed().cloned().collect();
    lines.extend(missed.iter().map(|item| format!("  {item}")));
    let first = trial::skeletons(bundle, flow, &missed).into_iter().find_map(|(item, script)| Some((item, script?)));
    if let Some((item, script)) = first {
        lines.push(format!("a test for the first that a call can come to ({item}):"));
        lines.extend(script.lines().map(|line| format!("  {line}")));
    }
    lines.iter().map(|line| format!("{mark}{line}\n")).collect()
}

fn coverage_json(flow: &str, coverage: &Coverage) -> String {
    let kinds: serde_json::Map<String, serde_json::Value> = trial::KINDS
        .iter()
        .map(|kind| {
            let (reached, all) = coverage.count(Some(kind));
            ((*kind).to_string(), json!({"covered": reached, "all": all}))
        })
        .collect();
    let missed: Vec<String> = coverage.missed().map(ToString::to_string).collect();
    format!("{}\n", json!({"flow": flow, "percent": coverage.percent(None), "kinds": kinds, "missed": missed}))
}

/// For a person: a line for each test, and what happened in those that failed.
fn told(played: &[Played], sources: &Sources, verbose: bool) -> String {
    let mut text = String::new();
    let mut path = "";
    for each in played {
        if each.path != path {
            path = each.path;
            let _ = writeln!(text, "{path}");
        }
        let verdict = &each.verdict;
        let mark = if verdict.passed() { "ok  " } else { "FAIL" };
        let lasted = clock(verdict.lasted_ms);
        let _ = writeln!(text, "  {mark} {}  ({lasted}, {})", output::plain_lines(&each.test.name), verdict.end.name());
        for finding in verdict.explain(sources) {
            let _ = writeln!(text, "{finding}");
        }
        if verbose || !verdict.passed() {
            difference(verdict).iter().for_each(|line| _ = writeln!(text, "    {line}"));
        }
    }
    let failed = played.iter().filter(|played| !played.verdict.passed()).count();
    let simulated: u64 = played.iter().map(|played| played.verdict.lasted_ms).sum();
    let _ = writeln!(text, "{} passed, {failed} failed; {} of calls", played.len() - failed, clock(simulated));
    text
}

/// The transcript; where a test wanted something else, that line is marked `-` and what stands in its place `+`.
fn difference(verdict: &Verdict) -> Vec<String> {
    let mut lines: Vec<String> = trial::transcript(&verdict.lines).iter().map(|line| format!("  {line}")).collect();
    let Some((at, wanted)) = verdict.faults.iter().find_map(|fault: &Fault| fault.wanted.clone()) else { return lines };
    let clock_at = clock(at);
    let place = lines.iter().rposition(|line| line.trim_start().starts_with(&clock_at) && line.contains("hears "));
    let place = match place {
        Some(place) => {
            lines[place].replace_range(0..1, "+");
            place
        }
        None => lines.len(),
    };
    lines.insert(place, format!("- {clock_at:>8}  {wanted}"));
    lines
}

fn tap(played: &[Played], sources: &Sources) -> String {
    let mut text = format!("TAP version 13\n1..{}\n", played.len());
    for (index, each) in played.iter().enumerate() {
        let mark = if each.verdict.passed() { "ok" } else { "not ok" };
        let name = each.test.name.replace('#', "\\#");
        let _ = writeln!(text, "{mark} {} - {}: {}", index + 1, each.flow, output::show(&name.into()));
        if each.verdict.passed() {
            continue;
        }
        text.push_str("  ---\n");
        for finding in each.verdict.explain(sources) {
            let place = format!("{}:{}:{}", finding.path, finding.line, finding.column);
            let _ = writeln!(text, "  message: {}\n  at: {}", json!(finding.message), json!(place));
        }
        text.push_str("  transcript: |\n");
        difference(&each.verdict).iter().for_each(|line| _ = writeln!(text, "    {line}"));
        text.push_str("  ...\n");
    }
    text
}

fn json_lines(played: &[Played], sources: &Sources) -> String {
    let mut text = String::new();
    for each in played {
        let keys = each.verdict.lines.iter().filter(|(_, line)| matches!(line, Line::Presses(_))).count();
        let object = json!({
            "path": each.path, "line": each.test.line, "flow": each.flow, "name": each.test.name,
            "passed": each.verdict.passed(), "end": each.verdict.end.name(), "lasted_ms": each.verdict.lasted_ms,
            "keys": keys, "findings": each.verdict.explain(sources), "transcript": difference(&each.verdict),
        });
        let _ = writeln!(text, "{object}");
    }
    text
}

fn junit(played: &[Played], sources: &Sources) -> String {
    let failed = played.iter().filter(|played| !played.verdict.passed()).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(text, "<testsuite name=\"hotline flow test\" tests=\"{}\" failures=\"{failed}\">", played.len());
    for each in played {
        let seconds = each.verdict.lasted_ms as f64 / 1000.0;
        let (flow, name, path) = (escaped(each.flow), escaped(&each.test.name), escaped(each.path));
        let line = each.test.line;
        let head =
            format!("classname=\"{flow}\" name=\"{name}\" file=\"{path}\" line=\"{line}\" time=\"{seconds:.3}\"");
        if each.verdict.passed() {
            let _ = writeln!(text, "  <testcase {head}/>");
            continue;
        }
        let findings = each.verdict.explain(sources);
        let message = findings.first().map_or("", |finding| finding.message.as_str());
        let told: Vec<String> = findings.iter().map(ToString::to_string).chain(difference(&each.verdict)).collect();
        let (message, told) = (escaped(message), escaped(&told.join("\n")));
        let _ =
            writeln!(text, "  <testcase {head}>\n    <failure message=\"{message}\">{told}</failure>\n  </testcase>");
    }
    text.push_str("</testsuite>\n");
    text
}

/// XML text; characters that XML does not have at all become `\u{fffd}`.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
