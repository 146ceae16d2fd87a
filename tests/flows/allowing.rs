//! Findings that an author accepts, with a reason, where they stand.

use super::checks::{FLOW, platform, sources};
use super::world::*;
use hotline::ivr::*;

fn checked(flow: &str) -> Result<Bundle, Vec<Diagnostic>> {
    load(&sources(flow), Some(&platform()), &audio)
}

fn told(found: &[Diagnostic]) -> Vec<String> {
    found.iter().map(|d| format!("{} {}:{} {}", d.code, d.line, d.column, d.message)).collect()
}

const KEY: &str = "{1: bill, 2: secret, 9: bill}}";

#[test]
fn a_warning_with_a_reason_is_allowed_on_its_line_or_above_it() {
    let keys = FLOW.replacen("{1: bill, 2: secret}}", KEY, 1);
    let warned = told(&checked(&keys).unwrap().warnings);
    assert!(warned.len() == 2 && warned.iter().all(|line| line.starts_with("E412 15:")), "{warned:?}");
    let beside = keys.replacen(KEY, &format!("{KEY} # ivr: allow E412 for our own people"), 1);
    let above =
        keys.replacen("    - menu:", "    # ivr: allow E412 for our own people\n    # and nobody else\n    - menu:", 1);
    for flow in [beside, above] {
        let bundle = checked(&flow).unwrap();
        assert_eq!(told(&bundle.warnings), [] as [&str; 0], "{flow}");
        let reasons: Vec<_> = bundle.allowed.iter().map(|a| (a.finding.code, a.reason.as_str())).collect();
        assert_eq!(reasons, [("E412", "for our own people"); 2]);
    }
}

#[test]
fn a_rule_can_be_allowed_and_a_fault_cannot() {
    let far =
        FLOW.replacen("shortcuts: {0: agent}\n", "shortcuts: {0: gone} # ivr: allow E232 nobody is there yet\n", 1);
    let bundle = checked(&far).unwrap();
    assert_eq!(bundle.allowed.iter().map(|a| a.finding.code).collect::<Vec<_>>(), ["E232"]);
    let fault = FLOW.replacen("say: welcome", "say: welcom # ivr: allow E203 later", 1);
    let found = told(&checked(&fault).unwrap_err());
    assert!(
        found.len() == 2
            && found[0].starts_with("E203 14:12")
            && found[1].starts_with("E117 14:19 this allows nothing"),
        "{found:?}"
    );
}

#[test]
fn a_comment_without_a_reason_or_a_finding_is_told() {
    let with = |comment: &str| FLOW.replacen("- say: welcome", &format!("- say: welcome  {comment}"), 1);
    assert_eq!(
        told(&checked(&with("# ivr: allow E502")).unwrap_err()),
        ["E116 14:21 this does not say what it allows, and why"]
    );
    assert_eq!(
        told(&checked(&with("# ivr: allow this please")).unwrap_err()),
        ["E116 14:21 this does not say what it allows, and why"]
    );
    assert_eq!(
        told(&checked(&with("# ivr: allow E502 the studio is booked")).unwrap().warnings),
        ["E117 14:21 this allows nothing: there is no `E502` that can be allowed on line 14"]
    );
    assert!(told(&checked(&with("# ivr: allowing for tea")).unwrap_err()).len() == 1);
}

#[test]
fn a_missing_recording_can_wait_with_a_reason() {
    let flow = FLOW.replacen("- say: welcome", "- say: welcome  # ivr: allow E502 the studio is booked", 1);
    let silent = |_: &str, id: &str| (id != "welcome").then_some(900);
    let bundle = load(&sources(&flow), Some(&platform()), &silent).unwrap();
    assert_eq!(told(&bundle.warnings), [] as [&str; 0]);
    assert_eq!(bundle.allowed.len(), 2, "one for each language");
}

#[test]
fn a_list_of_what_is_allowed_has_the_reason_in_json() {
    let flow = FLOW.replacen("- say: welcome", "- say: welcome  # ivr: allow E502 later", 1);
    let silent = |_: &str, id: &str| (id != "welcome").then_some(900);
    let bundle = load(&sources(&flow), Some(&platform()), &silent).unwrap();
    let json = serde_json::to_value(&bundle.allowed[0]).unwrap();
    assert_eq!(
        (json["code"].as_str(), json["line"].as_u64(), json["reason"].as_str()),
        (Some("E502"), Some(14), Some("later"))
    );
}
