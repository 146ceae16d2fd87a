//! Who gets in when there is not room for all.

use super::*;

#[test]
fn what_is_promised_to_budgets_has_to_fit_and_to_be_found() {
    let file = |rest: &str| {
        format!(
            "version: 1\nlisten: {{sip_udp: 127.0.0.1:5070}}\nlimits: {{calls: 100}}\n{rest}numbers: [{{number: \"1\", to: {{test: echo}}, class: urgent, budget: power}}]\n"
        )
    };
    let good = "admission: {reserves: {marketing: 10}, budgets: {power: {guarantee: 30}, bank: {guarantee: 70, ceiling: 80}}}\n";
    let config = load("budgets", &file(good)).unwrap();
    let (power, bank) =
        (&config.admission.budgets[&ProjectId::new("power")], &config.admission.budgets[&ProjectId::new("bank")]);
    assert_eq!(((power.guarantee, power.ceiling), (bank.guarantee, bank.ceiling)), ((30, 100), (70, 80)));
    assert_eq!((config.admission.reserves.marketing, config.admission.reserves.urgent), (10, 0));
    assert_eq!(
        (config.numbers[0].class, config.numbers[0].budget.as_ref()),
        (Some(Class::Urgent), Some(&ProjectId::new("power")))
    );

    let bad = "admission: {reserves: {outbound: 100}, budgets: {powr: {guarantee: 60}, bank: {guarantee: 50, ceiling: 40}, shop: {ceiling: 0}}}\n";
    assert_eq!(
        findings("budgets-bad", &file(bad).replace("urgent", "urgnt")),
        [
            "C192 4:34 with 100 kept free of 100 calls, no call of this class gets in | write less than 100; one call in ten is a usual reserve",
            "C190 4:91 the guarantee of 50 calls is above the ceiling of 40 | raise the ceiling to 50 or more, or lower the guarantee",
            "C191 4:91 up to here 110 calls are guaranteed, and the switch takes 100 | lower a guarantee, or raise `limits.calls`",
            "C190 4:125 a budget of 0 calls lets nobody in | write at least 1, or take the number away that it is for",
            "C193 5:50 there is no class of calls `urgnt` | did you mean `urgent`?",
            "C140 5:65 there is no budget `power` | did you mean `powr`?",
        ]
    );
}

#[test]
fn who_is_not_listened_to_is_read_and_nobody_is_banned_by_a_slip() {
    let file = |security: &str| {
        format!(
            "version: 1\nlisten: {{sip_udp: 127.0.0.1:5070}}\n{security}numbers: [{{number: \"1\", to: {{test: echo}}}}]\n"
        )
    };
    let edge = load("security", &file("")).unwrap().security;
    let bans = edge.bans.unwrap();
    assert_eq!((bans.failures, bans.within, bans.lasts), (100, Duration::from_secs(600), Duration::from_secs(3600)));
    assert!(edge.allow.iter().any(|block| block.contains("127.0.0.9".parse().unwrap())), "a proxy on this machine");
    assert!(edge.scanners.iter().any(|tool| tool == "friendly-scanner"));
    let given = "security: {bans: {after: 0}, allow: [192.0.2.0/24], scanners: [BadTool]}\n";
    let edge = load("security-given", &file(given)).unwrap().security;
    assert_eq!((edge.bans, edge.scanners), (None, vec!["badtool".to_string()]));
    assert!(edge.allow.iter().any(|block| block.contains("192.0.2.7".parse().unwrap())));
    let bad = "security: {bans: {after: 2, within: 1s}, allow: [192.0.2.1/24], scanners: [ua]}\n";
    let found = findings("security-bad", &file(bad));
    let codes: Vec<&str> = found.iter().map(|finding| finding.split(' ').next().unwrap()).collect();
    assert_eq!(codes, ["C195", "C130", "C196", "C197"], "{found:?}");
}

#[test]
fn what_extensions_may_have_called_is_read_with_its_slips_pointed_at() {
    let file = |toll: &str| {
        format!(
            "version: 1\nlisten: {{sip_udp: 127.0.0.1:5070}}\n{toll}numbers: [{{number: \"1\", to: {{test: echo}}}}]\n"
        )
    };
    let good = "toll: {deny: [\"00*\"], allow: [\"0044*\"], calls: 2, per_hour: 30, night: {from: \"22:00\", to: \"06:30\", utc_offset: \"-03:30\", deny: [\"0*\"]}}\n";
    let toll = load("toll", &file(good)).unwrap().toll;
    let night = toll.night.unwrap();
    assert_eq!((night.from_min, night.to_min, night.offset_min, night.deny.len()), (1320, 390, -210, 1));
    assert_eq!((toll.deny.len(), toll.allow.len(), toll.calls, toll.per_hour), (1, 1, Some(2), Some(30)));
    let bad = "toll: {allow: [\"0044*\"], calls: 0, night: {from: \"24:00\", to: six, utc_offset: \"8\"}}\n";
    let found = findings("toll-bad", &file(bad));
    let codes: Vec<&str> = found.iter().map(|finding| finding.split(' ').next().unwrap()).collect();
    assert_eq!(codes, ["C198", "C198", "C199", "C199", "C199"], "{found:?}");
}
