//! Projects, and what was promised.

use super::*;
use crate::routing::Destination;

const FILE: &str = r#"
version: 1
queues: {power: {}, gas: {}, spare: {}}
agents: [{id: "1001", password: correct-horse, queues: [power]}]
numbers:
  - {number: "95598", to: {flow: power}}
  - {number: "9000", to: {queue: gas}}
projects:
  power:
    name: {zh: 供电局, en: Power}
    numbers: ["95598"]
    queues: [power]
    targets: {answer_rate: 97%, service_level: {within: 20s, share: 80%}, satisfaction: 99.8%}
    timezone: Asia/Shanghai
    recording: false
    short_abandon: 3s
    reasons: {outage: 2.5}
  gas: {name: Gas, queues: [gas]}
"#;

#[test]
fn a_project_has_numbers_queues_and_targets_and_a_number_of_its_queue_is_its_own() {
    let config = load("projects", FILE).unwrap();
    let power = &config.projects["power"];
    assert_eq!(power.targets.answer_rate, Some(0.97));
    assert_eq!(power.targets.service_level.map(|level| (level.within.as_secs(), level.share)), Some((20, 0.8)));
    assert_eq!((power.names["zh"].as_str(), power.recording, power.reasons["outage"]), ("供电局", Some(false), 2.5));
    assert_eq!(config.projects["gas"].names[""], "Gas");
    let routes = config.routes().unwrap();
    let project = |number: &str| routes.examine(number, None).best.unwrap().project.clone().unwrap();
    assert_eq!((project("95598").as_str(), project("9000").as_str()), ("power", "gas"));
    assert!(matches!(routes.examine("9000", None).best.unwrap().to, Destination::Queue(_)));
}

#[test]
fn what_belongs_to_two_projects_or_to_nothing_is_told_with_its_place() {
    let edited = |from: &str, to: &str| {
        assert!(FILE.contains(from), "{from}");
        findings("projects-bad", &FILE.replacen(from, to, 1))
    };
    let found = |text: &str| vec![text.to_string()];
    assert_eq!(
        edited("queues: [gas]}", "queues: [power]}"),
        found("C191 18:29 queue `power` belongs to project `power` already | leave it in one of the two")
    );
    assert_eq!(
        edited("queues: [gas]}", "queues: [gass]}"),
        found("C140 18:29 there is no queue `gass` | did you mean `gas`?")
    );
    assert_eq!(
        edited("[\"95598\"]\n    q", "[\"95599\"]\n    q"),
        found("C140 11:15 there is no number `95599` | did you mean `95598`?")
    );
    assert!(edited(", queues: [gas]}", "}")[0].starts_with("C190 18:3 project `gas` has no queue"));
    assert!(edited("97%", "0.97")[0].starts_with("C193 13:28 `0.97` is no share"), "{:?}", edited("97%", "0.97"));
    assert!(edited("97%", "101%")[0].starts_with("C193"));
    assert!(edited("97%", "NaN%")[0].starts_with("C193"));
    assert!(edited(", share: 80%", "")[0].contains("a service level is a share within a time"));
    assert!(edited("Asia/Shanghai", "Shanghai")[0].starts_with("C192 14:15"));
    assert!(edited("outage: 2.5", "outage: -1")[0].starts_with("C194 17:23 `-1` is no weight"));
    assert!(edited("short_abandon", "short_abandons")[0].contains("did you mean `short_abandon`"));
}

const LENDING: &str = r#"
version: 1
queues: {power: {}, gas: {}, water: {}}
agents:
  - {id: "1001", password: correct-horse, queues: [power]}
  - {id: "2001", password: correct-horse, queues: [gas], skills: {billing: 40}}
projects: {power: {queues: [power]}, gas: {queues: [gas]}, water: {queues: [water]}}
lend:
  surge: {from: gas, to: power, skills: {billing: 40}, tier: 2, when: {longest_wait: 30s}, clear: {longest_wait: 10s}, cap: 2}
"#;

#[test]
fn a_plan_says_who_helps_whom_when_and_how_much() {
    let config = load("lend", LENDING).unwrap();
    let plan = &config.lend[0];
    assert_eq!((plan.from.as_str(), plan.to.as_str(), plan.tier), ("gas", "power", 2));
    assert_eq!((plan.cap, plan.leave, plan.when.waiting), (2, 1, None));
    assert_eq!(plan.skill.as_ref().map(|(skill, level)| (skill.as_str(), *level)), Some(("billing", 40)));
}

#[test]
fn a_plan_that_cannot_work_is_refused_with_its_place() {
    let edited = |from: &str, to: &str| {
        assert!(LENDING.contains(from), "{from}");
        findings("lend-bad", &LENDING.replacen(from, to, 1))
    };
    let refused = |from: &str, to: &str, with: &str| {
        let found = edited(from, to);
        assert!(found.iter().any(|found| found.starts_with(with)), "{found:#?}");
    };
    refused("from: gas", "from: gass", "C140 9:17 there is no project `gass`");
    refused("from: gas", "from: water", "C195 9:17 project `water` has no agents to lend");
    refused("to: power", "to: gas", "C197 9:26 `gas` would be helped by `gas`");
    refused("{billing: 40}, tier", "{bilingual: 40}, tier", "C140 9:42 there is no agent with the skill `bilingual`");
    refused("tier: 2", "tier: 4", "C196 9:62 there is no tier 4");
    refused("cap: 2", "cap: 0", "C196 9:");
    refused("cap: 2", "cap: -1", "C104 9:");
    refused(", cap: 2", "", "C196 9:3 plan `surge` lends nobody");
    refused("longest_wait: 10s", "longest_wait: 30s", "C196 9:3 plan `surge` would begin and end in turn");
    refused("clear: {longest_wait: 10s}", "clear: {waiting: 1}", "C196 9:3 plan `surge` would begin and end in turn");
    refused("when: {longest_wait: 30s}, ", "", "C196 9:3 nothing says when plan `surge` begins");
    let back = "lend:\n  back: {from: power, to: gas, when: {waiting: 9}, clear: {waiting: 1}, cap: 1}";
    refused("lend:", back, "C197 10:26 `power` would be helped by `gas`, which it helps itself by other plans");
}
