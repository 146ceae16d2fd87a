//! What an admin is told about a file, and what the program makes of it.

mod admission;
mod projects;

use super::*;
use crate::acd::Strategy;
use crate::sip::endpoint::ReliableProvisional;
use crate::test_folder::TestFolder;
use std::fs;

/// A folder of its own for each test, with `ivr-flows/power.flow.yaml`.
fn project(name: &str, yaml: &str) -> TestFolder {
    let folder = TestFolder::new(name);
    fs::create_dir_all(folder.join("ivr-flows")).unwrap();
    fs::write(folder.join("ivr-flows/power.flow.yaml"), "ivr: 1\n").unwrap();
    private(&folder.join(FILE_NAME), yaml);
    folder
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn load(name: &str, yaml: &str) -> Result<Config, ConfigError> {
    Config::load(&project(name, yaml).join(FILE_NAME))
}

/// Each finding as `code line:column message | suggestion`.
fn findings(name: &str, yaml: &str) -> Vec<String> {
    load(name, yaml).expect_err("the file should be refused").0.iter().map(line).collect()
}

fn line(d: &Diagnostic) -> String {
    let suggestion = d.suggestion.as_deref().unwrap_or("-");
    format!("{} {}:{} {} | {suggestion}", d.code, d.line, d.column, d.message)
}

const GOOD: &str = r#"
version: 1
realm: pbx.example.com
listen: {sip_udp: 127.0.0.1:5070, sip_tcp: 127.0.0.1:5070, http: 127.0.0.1:8090, advertise: 203.0.113.5, rtp: {ports: 30000-30099}}
limits: {calls: 20, drain_timeout: 1m}
queues:
  service: {ring_timeout: 15s, wrap_up: 0s, max_len: 3}
  emergency: {}
agents:
  - {id: "1001", name: Alice, password: correct-horse, queues: [service, emergency, service]}
  - id: "1002"
    ha1: {md5: 939e7578ed9e3c518a452acee763bce9, sha256: 7ef97c17f2f4a3a1a1b3a1d1f9e1c1a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6}
trunks:
  carrier: {sources: [203.0.113.16/28, "2001:db8::1"], address: sip.example.com, transport: tcp, user: me, password: it-is-secret}
numbers:
  - {number: 95598, to: {flow: power}, open_to: [carrier]}
  - {number: "0*", to: {trunk: {name: carrier}}}
  - {number: "9000", to: {queue: service}, open_to: [any]}
  - {number: "9196", to: {test: echo}}
  - {number: "88", to: {agent: "1001"}}
"#;

#[test]
fn a_good_file_becomes_what_it_says() {
    let config = load("good", GOOD).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.listen.sip_udp, Some("127.0.0.1:5070".parse().unwrap()));
    assert_eq!(config.listen.sip_tcp, config.listen.sip_udp);
    assert_eq!(
        config.listen.rtp,
        Rtp { first: 30000, last: 30099, bind: "127.0.0.1".parse().unwrap(), advertise: None }
    );
    let service = &config.queues["service"];
    assert_eq!((service.ring_timeout, service.wrap_up, service.max_len), (Duration::from_secs(15), Duration::ZERO, 3));
    assert_eq!(service.max_wait, Queue::named(QueueId::new("x")).max_wait);
    let alice = &config.agents["1001"];
    assert_eq!(alice.queues, [QueueId::new("service"), QueueId::new("emergency")]);
    assert_eq!(alice.ha1, Ha1Set::new("1001", "pbx.example.com", "correct-horse"));
    let carrier = &config.trunks["carrier"];
    assert_eq!(format!("{:?}", carrier.sources), "[203.0.113.16/28, 2001:db8::1/128]");
    let gateway = carrier.gateway.as_ref().unwrap();
    assert_eq!(
        (gateway.host.as_str(), gateway.port, &gateway.transport),
        ("sip.example.com", 5060, &GatewayTransport::Tcp)
    );
    assert_eq!(config.numbers[0].open_to, OpenTo::Trunks(vec![TrunkId::new("carrier")]));
    assert_eq!(config.numbers[2].open_to, OpenTo::AnyTrunk);
    assert_eq!(config.numbers[3].open_to, OpenTo::Trunks(vec![]), "without a word only extensions may call");
}

#[test]
fn no_secret_of_the_file_shows_in_a_debug_print() {
    let shown = format!("{:?}", load("debug", GOOD).unwrap());
    for secret in ["correct-horse", "it-is-secret", "939e7578", "7ef97c17"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn an_unknown_key_is_pointed_at_with_what_was_meant() {
    assert_eq!(
        findings("key", "version: 1\nqueues:\n  service:\n    ring_timout: 20s\n"),
        ["C102 4:5 unknown key `ring_timout` in `queues.service` | did you mean `ring_timeout`?"]
    );
    assert_eq!(findings("top", "version: 1\nqueue: {}\n"), ["C102 2:1 unknown key `queue` | did you mean `queues`?"]);
    let far = findings("far", "version: 1\nrecording: {colour: red}\n");
    assert_eq!(far, ["C102 2:13 unknown key `colour` in `recording` | known here: enabled, pause_key"]);
}

#[test]
fn every_fault_of_a_file_is_told_at_once() {
    let yaml = r#"version: 2
listen: {http: here, rtp: {ports: 20001-29999}}
limits: {calls: 0, drain_timeout: 5}
queues: {service: {ring_timeout: soon}}
agents:
  - {id: "1001", password: a-long-password, queues: [servcie]}
  - {id: "1001", password: a-long-password}
  - {id: "1002"}
numbers:
  - {number: "95598", to: {flow: powr}, open_to: [nobody]}
  - {number: "95598", to: {queue: sales}}
"#;
    assert_eq!(
        findings("all", yaml),
        [
            "C110 1:10 version 2 is not known to this program | write `version: 1`",
            "C120 2:16 `here` is not an address to listen on | write an address and a port, such as `0.0.0.0:8080` or `[::]:8080`",
            "C121 2:35 20001 is odd; RTP takes the even port of each pair, so begin with an even one | write a range like `20000-29999`",
            "C131 3:17 a switch for 0 calls takes none | write at least 1",
            "C130 3:35 `5` has no unit; write `5s` for seconds or `5m` for minutes | -",
            "C130 4:34 `soon` is not a length of time; write one like `20s`, `2m` or `1h` | -",
            "C140 6:54 there is no queue `servcie` | did you mean `service`?",
            "C142 7:10 extension `1001` is there twice, first on line 6 | give each agent an `id` of its own",
            "C143 8:10 agent `1002` has nothing to prove itself with | add `password_file: secrets/NAME`",
            "C140 10:34 there is no flow `powr` | did you mean `power`?",
            "C140 10:51 there is no trunk `nobody` | there is: any",
            "C155 11:14 number `95598` is there twice, first on line 10 | keep one of them",
            "C140 11:35 there is no queue `sales` | there is: service",
        ]
    );
}

#[test]
fn faults_of_yaml_itself_have_a_place_and_a_hint() {
    assert_eq!(
        findings("twice", "version: 1\nrealm: a\nrealm: b\n"),
        ["C105 3:1 the key `realm` is there twice | keep one of them"]
    );
    let wide = findings("wide", "version: 1\nrealm：a\n");
    assert_eq!(wide, ["C101 2:6 the full-width sign `：` means nothing here | write `:` and a space"]);
    let tab = findings("tab", "version: 1\nlisten:\n\thttp: 127.0.0.1:80\n");
    assert_eq!(tab, ["C101 3:1 a tab in the indent | use spaces"]);
    let colon = findings("colon", "version: 1\nlimits\n  calls: 5\n");
    assert_eq!(colon, ["C101 2:1 `limits` has no colon | write `limits:`"]);
    let list = findings("list", "version: 1\nagents: {id: 1}\n");
    assert!(list[0].starts_with("C1") && list[0].contains(" 2:9 "), "{list:?}");
    assert_eq!(findings("empty", ""), ["C101 1:1 this file says nothing | -"]);
    assert_eq!(
        findings("version", "realm: a\n"),
        ["C110 1:1 there is no `version` | begin the file with `version: 1`"]
    );
    assert!(!findings("merge", "version: 1\nqueues: {a: &x {}, b: {<<: *x}}\n").is_empty());
}

#[test]
fn every_value_of_a_wrong_kind_is_told_at_once_with_its_key_and_what_to_write() {
    let yaml = "version: one\nlimits: {calls: many, drain_timeout: [1]}\nagents: {id: 1}\n\
                numbers:\n- {number: \"1\", to: {flow: power, queue: x}}\n- {to: echo}\nrecording: {enabled: yes}\n";
    assert_eq!(
        findings("kinds", yaml),
        [
            "C104 1:10 `version` is a whole number, not `one` | write the version of this file's format, `1`",
            "C104 2:17 `limits.calls` is a whole number, not `many` | write calls at once, such as `500`",
            "C104 2:38 `limits.drain_timeout` is one word or number, not a list | write a length of time, such as `20s`, `2m` or `1h`",
            "C104 3:9 `agents` is a list, not a group of settings | write `- {id: \"1001\", password_file: secrets/1001}`",
            "C104 5:21 `numbers[].to` names more than one target | keep one of `flow`, `queue`, `agent`, `trunk`, `test`",
            "C103 6:3 `numbers[].number` is missing | add the digits as dialled, in quotes, such as `\"9000\"`",
            "C104 6:8 `numbers[].to` is keys with values, not `echo` | write one target, such as `to: {flow: hotline}`",
            "C104 7:22 `recording.enabled` is on or off, not `yes` | write `true` or `false`",
        ]
    );
}

#[test]
fn a_finding_shows_its_line_but_never_a_password() {
    let yaml = "version: 1\nlimits: {calls: many}\nagents: [{id: \"1001\", password: do-not-show, queues: [x]}]\n";
    let shown = load("shown", yaml).unwrap_err().to_string();
    assert!(shown.contains("limits: {calls: many}") && shown.contains("such as `500`"), "{shown}");
    assert!(shown.contains(":3:") && !shown.contains("do-not-show"), "{shown}");
}

#[test]
fn a_trunk_open_to_the_whole_internet_is_refused() {
    let found = findings("world", "version: 1\ntrunks: {all: {sources: [0.0.0.0/0]}}\n");
    assert!(found[0].starts_with("C152 2:26 this would let the whole internet call as the trunk"), "{found:?}");
}

#[test]
fn a_trunk_by_a_transport_that_is_off_is_refused() {
    let yaml = "version: 1\nlisten: {sip_tcp: \"off\"}\ntrunks: {t: {address: sip.example.com, transport: tcp}}\n";
    let found = findings("off", yaml);
    assert!(found[0].starts_with("C158 3:23 calls to this trunk need `listen.sip_tcp`, which is off"), "{found:?}");
}

#[test]
fn numbers_that_cannot_be_dialled_and_slips_in_blocks_are_told() {
    let yaml = "version: 1\ntrunks: {t: {sources: [203.0.113.17/28]}}\nagents: [{id: a/b, password: a-long-password}]\n\
                numbers:\n- {number: \"9 1\", to: {test: echo}}\n- {number: 400-1, to: {test: ecko}}\n- {number: \"4001\", to: {test: tone}}\n";
    let found = findings("dial", yaml).join("\n");
    for part in [
        "C152 2:24 `203.0.113.17/28` has bits set behind its prefix | write `203.0.113.16/28`",
        "C141 3:15 the agent name `a/b` is empty, too long or has a character that no name has here",
        "C140 6:30 there is no test number `ecko` | did you mean `echo`?",
        "C155 7:12 number `4001` is there twice, first on line 6",
    ] {
        assert!(found.contains(part), "{part} in\n{found}");
    }
}

#[test]
fn two_trunks_cannot_claim_the_same_addresses() {
    let found =
        findings("claim", "version: 1\ntrunks:\n  a: {sources: [10.1.0.0/16]}\n  b: {sources: [10.1.0.0/16]}\n");
    assert!(found[0].starts_with("C150 4:17 10.1.0.0/16 is a source of trunk `a` already"), "{found:?}");
}

#[test]
fn more_calls_than_ports_are_refused_with_the_figure_that_fits() {
    let found = findings("ports", "version: 1\nlisten: {rtp: {ports: 20000-20099}}\nlimits: {calls: 100}\n");
    assert_eq!(
        found,
        [
            "C131 3:17 100 calls need four ports each; 20000-20099 is enough for 25 | write 25 or less, or widen `listen.rtp.ports`"
        ]
    );
}

#[test]
fn sip_within_the_rtp_range_is_refused() {
    let found = findings("clash", "version: 1\nlisten: {rtp: {ports: 5000-6999}}\n");
    assert!(found[0].contains("port 5060 is in the RTP range"), "{found:?}");
}

#[test]
fn a_number_cannot_lead_to_a_trunk_that_takes_no_calls() {
    let yaml =
        "version: 1\ntrunks: {in: {sources: [10.0.0.1]}}\nnumbers: [{number: \"0*\", to: {trunk: {name: in}}}]\n";
    assert_eq!(findings("oneway", yaml), ["C157 3:45 trunk `in` takes no calls | give trunk `in` an `address`"]);
}

#[test]
fn a_password_file_is_read_without_its_line_break_and_a_missing_one_is_told() {
    let yaml = "version: 1\nagents: [{id: \"1001\", password_file: secrets/1001}]\n";
    let folder = project("file", yaml);
    let missing = Config::load(&folder.join(FILE_NAME)).unwrap_err().0;
    assert_eq!((missing[0].code, missing[0].line, missing[0].column), ("C145", 2, 38));
    fs::create_dir(folder.join("secrets")).unwrap();
    private(&folder.join("secrets/1001"), "from-a-file\n");
    let config = Config::load(&folder.join(FILE_NAME)).unwrap();
    assert_eq!(config.agents["1001"].ha1, Ha1Set::new("1001", "hotline", "from-a-file"));
}

#[cfg(unix)]
#[test]
fn a_password_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = project("open", "version: 1\nagents: [{id: \"1001\", password: a-long-password}]\n");
    fs::set_permissions(folder.join(FILE_NAME), fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = Config::load(&folder.join(FILE_NAME)).unwrap().warnings;
    assert_eq!((warnings[0].code, warnings[0].level), ("C146", crate::source::Level::Warning));
}

#[cfg(unix)]
#[test]
fn an_admin_token_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = project("token", "version: 1\nauth: {admin_token_file: token}\n");
    assert_eq!(Config::load(&folder.join(FILE_NAME)).unwrap().warnings, [], "the first start makes it");
    private(&folder.join("token"), "a-long-token\n");
    assert_eq!(Config::load(&folder.join(FILE_NAME)).unwrap().warnings, []);
    fs::set_permissions(folder.join("token"), fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = Config::load(&folder.join(FILE_NAME)).unwrap().warnings;
    assert_eq!((warnings[0].code, warnings[0].line), ("C146", 2));
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_told_by_name() {
    let folder = project("bytes", "");
    let missing = Config::load(&folder.join("other.yaml")).unwrap_err();
    assert!(missing.to_string().contains("other.yaml") && missing.to_string().contains("hotline init"), "{missing}");
    fs::write(folder.join(FILE_NAME), b"version: 1\nrealm: \xff\n").unwrap();
    assert!(Config::load(&folder.join(FILE_NAME)).unwrap_err().to_string().contains("hotline.yaml:2:8"));
}

#[test]
fn the_demo_has_the_numbers_of_the_readme_on_loopback_only() {
    let demo = Config::demo(DemoEnv { secret: Some(Secret::new("s3cret")), ..DemoEnv::default() }).unwrap();
    let config = demo.config;
    assert!(demo.secret_file.is_none() && config.listen.http.ip().is_loopback());
    assert!(config.listen.sip_udp.unwrap().ip().is_loopback() && config.listen.rtp.bind.is_loopback());
    let numbers: Vec<&str> = config.numbers.iter().map(|number| number.number.as_str()).collect();
    assert_eq!(
        numbers,
        ["95598", "9001", "9002", "9000", "9190", "9191", "9193", "9196", "9197", "9198", "9199", "8001", "4008"]
    );
    assert!(config.numbers.iter().all(|n| n.open_to == OpenTo::Trunks(vec![TrunkId::new(DEMO_TRUNK)])));
    assert_eq!(config.agents["1004"].ha1, Ha1Set::new("1004", "hotline", "s3cret"));
    let trunk = &config.trunks[DEMO_TRUNK];
    let known = |address: &str| trunk.sources.iter().any(|block| block.contains(address.parse().unwrap()));
    assert!(known("127.0.0.1") && known("::1") && known("::ffff:127.0.0.1") && !known("192.0.2.1"));
    assert!(config.limits.calls * 2 <= config.listen.rtp.pairs());
}

#[test]
fn a_demo_without_a_password_makes_one_up_once_and_keeps_it_with_its_state() {
    let [a, b] = ["demo-a", "demo-b"].map(TestFolder::new);
    let start = |folder: &Path| {
        let env = DemoEnv { state_dir: folder.join("state"), ..DemoEnv::default() };
        Config::demo(env).unwrap()
    };
    let (first, second, other) = (start(&a), start(&a), start(&b));
    assert!(first.secret == second.secret && first.secret != other.secret);
    let file = first.secret_file.unwrap();
    assert_eq!(file, a.join("state/demo.password"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_demo_speaks_tls_with_a_certificate_that_its_state_folder_keeps() {
    let folder = TestFolder::new("demo-tls");
    let start = || {
        let env = DemoEnv { secret: Some(Secret::new("x")), state_dir: folder.join("state"), ..DemoEnv::default() };
        let mut demo = Config::demo(env).unwrap();
        demo.secure(5061, 8443).unwrap();
        demo.config
    };
    let first = start();
    assert_eq!(first.listen.sip_tls, Some("127.0.0.1:5061".parse().unwrap()));
    assert_eq!(first.listen.sip_wss, Some("127.0.0.1:8443".parse().unwrap()));
    let tls = first.tls.unwrap();
    assert_eq!(start().tls.unwrap().fingerprint, tls.fingerprint, "phones that trust it go on trusting it");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&tls.key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    fs::write(&tls.certificate, "half of a").unwrap();
    assert_ne!(start().tls.unwrap().fingerprint, tls.fingerprint, "what cannot be used is made anew");
}

#[test]
fn browsers_are_let_in_where_the_file_says_and_from_the_pages_that_it_names() {
    let ca = crate::net::tls::testing::Authority::new();
    let own = ca.issue(&["hotline.example"]);
    let [certificate, key] = [&own.certificate, &own.key].map(|path| path.display());
    let yaml =
        |listen: &str| format!("version: 1\nlisten: {{{listen}}}\ntls: {{certificate: {certificate}, key: {key}}}\n");
    let origins = "allowed_origins: [\"https://pbx.example.com\", \"http://[::1]:3000\"]";
    let config = load("web", &yaml(&format!("sip_ws: \":8088\", sip_wss: \"[::]\", {origins}"))).unwrap();
    assert_eq!(config.listen.sip_ws, Some("127.0.0.1:8088".parse().unwrap()));
    assert_eq!(config.listen.sip_wss, Some("[::]:8443".parse().unwrap()));
    assert_eq!(config.listen.allowed_origins.unwrap(), ["https://pbx.example.com", "http://[::1]:3000"]);
    assert_eq!(load("web-all", &yaml("sip_wss: 0.0.0.0:8443")).unwrap().listen.allowed_origins, None);
    let found = findings(
        "web-bad",
        &yaml("sip_ws: 127.0.0.1:5060, sip_wss: 127.0.0.1:8080, allowed_origins: [pbx.example.com, \"https://a/b\"]"),
    );
    assert_eq!(
        found,
        [
            "C120 2:18 port 5060 has SIP over TCP already | use another, such as 8088",
            "C120 2:43 port 8080 has HTTP already | use another, such as 8443",
            "C124 2:77 `pbx.example.com` is not the origin of a page | write `https://` and the host of the page, without a path, such as `https://pbx.example.com`",
            "C124 2:94 `https://a/b` is not the origin of a page | write `https://` and the host of the page, without a path, such as `https://pbx.example.com`",
        ]
    );
    let one_port = findings("one-port", "version: 1\nlisten: {http: 127.0.0.1:5080, sip_tcp: 0.0.0.0:5080}\n");
    assert_eq!(one_port, ["C120 2:41 port 5080 has HTTP (2:16) already | use another, such as 5060"]);
    let default = findings("default-port", "version: 1\nlisten: {http: 127.0.0.1:5060}\n");
    assert_eq!(default, ["C120 2:16 port 5060 has SIP over TCP already | use another, such as 8080"]);
    let bare = findings("web-bare", "version: 1\nlisten: {sip_wss: 0.0.0.0:8443}\n");
    assert_eq!(bare, ["C160 2:19 TLS needs a certificate | add `tls: {certificate: FILE, key: FILE}`"]);
    let warned = load("web-open", &yaml("sip_ws: 0.0.0.0:8088")).unwrap().warnings;
    assert!(warned.iter().any(|finding| finding.code == "C122"), "{warned:?}");
}

#[test]
fn what_init_writes_is_a_configuration_without_a_finding() {
    let folder = TestFolder::new("init");
    let written = template::write(&folder).unwrap();
    assert!(written.contains(&folder.join("secrets/1001")));
    let config = Config::load(&folder.join(FILE_NAME)).unwrap();
    assert_eq!(config.warnings, []);
    assert!(project::flow_names(&config.flows).contains(&"small-shop".to_string()));
    assert_ne!(fs::read(folder.join("secrets/1001")).unwrap(), fs::read(folder.join("secrets/1002")).unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &str| fs::metadata(folder.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("secrets"), mode("secrets/1001")), (0o700, 0o600));
    }
    assert!(template::write(&folder).is_err(), "a project is not written over");
}

#[test]
fn a_projects_files_are_found_by_language_and_name() {
    let folder = project("files", "version: 1\n");
    fs::create_dir_all(folder.join("ivr-flows/lib")).unwrap();
    fs::write(folder.join("ivr-flows/lib/identify.flow.yaml"), "ivr: 1\n").unwrap();
    fs::create_dir_all(folder.join("prompts/zh/deep")).unwrap();
    fs::write(folder.join("prompts/zh/hello.wav"), b"RIFF").unwrap();
    fs::write(folder.join("prompts/zh/deep/no.wav"), b"RIFF").unwrap();
    let flows = Config::load(&folder.join(FILE_NAME)).unwrap().flows;
    let names: Vec<String> = project::texts(&flows).unwrap().into_iter().map(|file| file.path).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let audio = project::audio(&flows, &["wav"]).unwrap();
    assert_eq!(audio.iter().map(|a| (a.lang.as_str(), a.id.as_str())).collect::<Vec<_>>(), [("zh", "hello")]);
    assert_eq!(project::flow_names(&flows), ["power"], "a subflow is not an entry");
}

/// A damaged file gives findings with a place, or a configuration; never a panic.
#[test]
fn damaged_files_are_refused_with_a_place_or_taken() {
    let cases: u64 = std::env::var("HOTLINE_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300).min(20_000);
    let template = include_str!("template/hotline.yaml");
    const MARKS: &[u8] = b" :{}[]\"'*&#-0\n\t";
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let folder = project("damaged", "");
    let path = folder.join(FILE_NAME);
    for case in 0..cases {
        let mut text = if case % 2 == 0 { template } else { GOOD }.as_bytes().to_vec();
        for _ in 0..=next(4) {
            if text.is_empty() {
                break;
            }
            let at = next(text.len());
            match next(4) {
                0 => text[at] = MARKS[next(MARKS.len())],
                1 => text.truncate(at.max(1)),
                2 => drop(text.remove(at)),
                _ => text.insert(at, MARKS[next(MARKS.len())]),
            }
        }
        fs::write(&path, &text).unwrap();
        if let Err(error) = Config::load(&path) {
            assert!(!error.0.is_empty(), "case {case}");
            let lines = text.iter().filter(|octet| **octet == b'\n').count() as u32 + 2;
            assert!(error.0.iter().all(|d| d.line <= lines), "case {case}: {error}");
        }
    }
}

#[test]
fn texts_between_extensions_are_refused_unless_the_file_has_them_delivered() {
    use crate::config::MessagePolicy::{Deliver, Refuse};
    assert_eq!(load("texts", "version: 1\n").unwrap().sip.message, Refuse);
    assert_eq!(load("texts-on", "version: 1\nsip: {message: deliver}\n").unwrap().sip.message, Deliver);
    let found = findings("texts-odd", "version: 1\nsip: {message: yes}\n");
    assert!(format!("{found:?}").contains("C137"), "{found:?}");
}

#[test]
fn the_notice_of_a_supervisor_is_none_beeps_or_a_prompt_that_has_a_name() {
    use crate::switch::SupervisionNotice::{None, Prompt, Tone};
    let notice = |name: &str, yaml: &str| load(name, &format!("version: 1\n{yaml}\n")).unwrap().supervision;
    assert_eq!(notice("unnoticed", ""), None);
    assert_eq!(notice("beeps", "supervision: {notice: tone}"), Tone);
    assert_eq!(notice("says", "supervision: {notice: prompt, prompt: heard}"), Prompt("heard".into()));
    for (name, odd) in
        [("odd", "notice: loud"), ("nameless", "notice: prompt"), ("unsaid", "notice: tone, prompt: heard")]
    {
        let found = findings(name, &format!("version: 1\nsupervision: {{{odd}}}\n"));
        assert!(format!("{found:?}").contains("C139"), "{found:?}");
    }
}

#[test]
fn the_key_that_pauses_a_recording_is_two_to_four_keys_of_a_telephone() {
    let of = |name: &str, keys: &str| load(name, &format!("version: 1\nrecording: {{pause_key: {keys}}}\n"));
    assert_eq!(of("pause", "\"*9\"").unwrap().recording.pause_key.as_deref(), Some("*9"));
    for (name, odd) in [("one", "\"*\""), ("five", "\"*9999\""), ("letters", "\"*x\"")] {
        let found = findings(name, &format!("version: 1\nrecording: {{pause_key: {odd}}}\n"));
        assert!(format!("{found:?}").contains("C139"), "{found:?}");
    }
}

#[test]
fn session_timers_are_read_and_held_to_what_rfc_4028_allows() {
    let sip = load("timers", "version: 1\nsip: {session_expires: 10m, min_se: 2m}\n").unwrap().sip;
    assert_eq!((sip.session_expires.as_secs(), sip.min_se.as_secs()), (600, 120));
    assert_eq!(load("no-timers", "version: 1\n").unwrap().sip, Sip::default());
    // A minimum above the default raises what is asked for.
    let sip = load("least", "version: 1\nsip: {min_se: 1h}\n").unwrap().sip;
    assert_eq!(sip.session_expires, sip.min_se);
    assert_eq!(
        findings("brief", "version: 1\nsip: {session_expires: 2m, min_se: 3m}\n"),
        ["C133 2:24 `2m` is less than `sip.min_se`, the least that is agreed to | write 3m or more"]
    );
    let found = findings("range", "version: 1\nsip: {session_expires: 60s, min_se: 30s}\n");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|line| line.starts_with("C130") && line.contains("from 90s to")), "{found:?}");
}

#[test]
fn what_callers_have_to_acknowledge_is_one_of_three_words() {
    let read = |word: &str| load("reliable", &format!("version: 1\nsip: {{reliable_provisional: {word}}}\n"));
    for (word, meant) in [
        ("never", ReliableProvisional::Never),
        ("wanted", ReliableProvisional::Wanted),
        ("always", ReliableProvisional::Always),
    ] {
        assert_eq!(read(word).unwrap().sip.reliable_provisional, meant);
    }
    let found = findings("reliable-typo", "version: 1\nsip: {reliable_provisional: allways}\n");
    assert!(found.len() == 1 && found[0].starts_with("C134 2:29 `allways`"), "{found:?}");
}

/// A file that speaks TLS with the certificates of `ca`.
fn secure(certificate: &Path, key: &Path, more: &str) -> String {
    let [certificate, key] = [certificate, key].map(Path::display);
    format!(
        "version: 1\nlisten: {{sip_udp: off, sip_tls: 127.0.0.1}}\ntls:\n  certificate: {certificate}\n  key: {key}\n{more}"
    )
}

#[test]
fn tls_has_a_certificate_and_trunks_that_prove_themselves_by_theirs() {
    let ca = crate::net::tls::testing::Authority::new();
    let (own, file) = (ca.issue(&["hotline.example"]), ca.file.display());
    let trunks = format!(
        "  client_ca: {file}\ntrunks:\n  secure: {{client_certificate: Carrier.example, address: carrier.example, transport: tls, ca: {file}}}\n"
    );
    let config = load("tls", &secure(&own.certificate, &own.key, &trunks)).unwrap();
    assert_eq!(config.listen.sip_tls, Some("127.0.0.1:5061".parse().unwrap()));
    let trusted = config.tls.unwrap().client_ca.unwrap();
    assert_eq!(trusted.file, ca.file);
    let trunk = &config.trunks["secure"];
    assert_eq!(trunk.client_certificate, Some(ClientCertificate::Name("carrier.example".into())));
    let gateway = trunk.gateway.as_ref().unwrap();
    assert_eq!((gateway.port, &gateway.transport), (5061, &GatewayTransport::Tls { ca: trusted }));
}

#[test]
fn what_tls_lacks_is_told_with_its_remedy() {
    assert_eq!(
        findings("tls-bare", "version: 1\nlisten: {sip_tls: 0.0.0.0:5061}\n"),
        ["C160 2:19 TLS needs a certificate | add `tls: {certificate: FILE, key: FILE}`"]
    );
    let ca = crate::net::tls::testing::Authority::new();
    let (own, old) = (ca.issue(&["hotline.example"]), ca.issue_until(&["hotline.example"], 2020));
    let told = |name, yaml: &str| findings(name, yaml).join("\n").replace(&*ca.folder.to_string_lossy(), "DIR");
    // A date is no reason to refuse a start: all that needs no certificate goes on.
    let config = load("tls-old", &secure(&old.certificate, &old.key, "")).unwrap();
    let expired = config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(expired.contains("C164") && expired.contains(" has expired"), "{expired}");
    let missing = told("tls-missing", &secure(Path::new("none.pem"), &own.key, ""));
    assert!(missing.starts_with("C161 4:16 cannot read "), "{missing}");
    let mixed = told("tls-mixed", &secure(&own.certificate, &old.key, ""));
    assert!(mixed.contains("is not that of the certificate in DIR/"), "{mixed}");

    let trunks = "trunks:\n  a: {address: a.example, transport: tls}\n  b: {client_certificate: b.example}\n  c: {client_certificate: 00:11}\n";
    assert_eq!(
        findings("tls-trunks", &secure(&own.certificate, &own.key, trunks)),
        [
            "C163 7:38 nothing says whose certificate this trunk has to show | add `ca: FILE`; Debian has the public authorities in /etc/ssl/certs/ca-certificates.crt",
            "C162 8:27 no peer is asked for its certificate | add `client_ca: FILE` under `tls`, with the certificate of whoever issued it",
            "C162 9:27 `00:11` is neither a SHA-256 fingerprint nor a name | write what `openssl x509 -noout -fingerprint -sha256 -in FILE` prints behind `=`, or a host name",
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let ca = crate::net::tls::testing::Authority::new();
    let own = ca.issue(&["hotline.example"]);
    fs::set_permissions(&own.key, fs::Permissions::from_mode(0o644)).unwrap();
    let found = findings("tls-open-key", &secure(&own.certificate, &own.key, ""));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("C146 5:8 other users of this machine can read this key | chmod 600 "), "{found:?}");
}

#[test]
fn how_phones_register_is_configured_and_what_no_phone_could_keep_to_is_refused() {
    let yaml = "version: 1\nregistrar: {min_expires: 30s, max_expires: 10m, max_contacts: 3, keep_alive: 0s, ring: by_preference}\n";
    let registrar = load("registrar", yaml).unwrap().registrar;
    assert_eq!((registrar.min_expires_s, registrar.max_expires_s, registrar.default_expires_s), (30, 600, 600));
    assert_eq!((registrar.max_contacts, registrar.ring), (3, crate::registrar::Ring::ByPreference));
    assert!(registrar.keep_alive.is_zero());
    let found = findings(
        "registrar-bad",
        "version: 1\nregistrar:\n  min_expires: 10m\n  max_expires: 5m\n  max_contacts: 0\n  keep_alive: 1h\n  ring: loudly\n",
    );
    let codes: Vec<&str> = found.iter().map(|line| &line[..4]).collect();
    assert_eq!(codes, ["C134", "C135", "C130", "C136"], "{found:?}");
}

#[test]
fn a_trunk_that_registers_and_a_group_are_read_with_their_defaults() {
    let yaml = "version: 1\ntrunks:\n  a: {address: a.example, user: me, password: it-is-secret, register: true, health: \"off\"}\n  \
                b: {address: 192.0.2.1, limits: {calls: 30, per_second_out: 5}, enabled: false}\n\
                trunk_groups:\n  outside: {members: [{trunk: a}, {trunk: b, priority: 2, weight: 0}]}\n\
                numbers: [{number: \"0*\", to: {trunk: {name: outside}}}]\n";
    let config = load("register", yaml).unwrap();
    let gateway = |name: &str| config.trunks[name].gateway.clone().unwrap();
    assert_eq!((gateway("a").register, gateway("a").health), (Some(Duration::from_secs(600)), None));
    assert_eq!((gateway("b").register, gateway("b").health), (None, Some(Duration::from_secs(30))));
    assert_eq!(gateway("a").domain, "a.example");
    let b = &config.trunks["b"];
    assert_eq!((b.enabled, b.caps.calls, b.caps.per_second_out, b.caps.calls_in), (false, Some(30), Some(5), None));
    let members = &config.trunk_groups["outside"].members;
    assert_eq!((members[0].priority, members[0].weight, members[1].priority, members[1].weight), (1, 1, 2, 0));
    assert!(matches!(&config.numbers[0].to, Target::Trunk { trunk, .. } if trunk.as_str() == "outside"));
}

#[test]
fn what_a_trunk_cannot_do_is_pointed_at() {
    let yaml = "version: 1\ntrunks:\n  a: {address: a.example, register: 5s, user: me}\n  b: {sources: [192.0.2.1], register: true}\n  \
                c: {address: c.example, limits: {calls: 0}, health: 1s}\n\
                trunk_groups:\n  a: {members: [{trunk: c}]}\n  g: {}\n  h: {members: [{trunk: b}, {trunk: d, priority: 70000}]}\n";
    let found = findings("cannot", yaml);
    let codes: Vec<&str> = found.iter().map(|line| line.split_once(' ').unwrap().0).collect();
    assert_eq!(codes, ["C130", "C143", "C170", "C171", "C172", "C130", "C141", "C173", "C157", "C140"], "{found:#?}");
    assert!(found[0].starts_with("C130 3:37"), "{}", found[0]);
}

#[test]
fn new_calls_a_second_are_limited_where_the_file_says_so() {
    assert_eq!(load("no-rate", "version: 1\n").unwrap().limits.calls_per_second, None);
    let limits = load("rate", "version: 1\nlimits: {calls_per_second: 500}\n").unwrap().limits;
    assert_eq!(limits.calls_per_second, Some(500));
    assert_eq!(
        findings("no-calls", "version: 1\nlimits: {calls_per_second: 0}\n"),
        ["C131 2:28 a switch for 0 calls a second takes none | write at least 1, or leave the key out for any number"]
    );
}

#[test]
fn what_a_trunk_does_with_numbers_is_read() {
    let yaml = "version: 1\ntrunks:\n  a:\n    sources: [192.0.2.1]\n    numbering: {plan: cn, area: \"10\"}\n    \
                in: {called: [{match: \"+8610*\", strip: 5}], caller: [{match: \"*\", to: national}]}\n    \
                out: {called: [{match: \"9*\", strip: 1, add: \"0\"}, {match: \"*\", to: e164}]}\n    \
                caller_id: {only: [\"010888866*\"], replace: \"01088886600\"}\n    trusted: true\n  \
                b: {sources: [192.0.2.2], numbering: {country: \"39\", trunk_prefix: \"\", local_digits: 6-8}, caller_id: {hide: true}}\n";
    let config = load("numbering", yaml).unwrap();
    let a = &config.trunks["a"].numbers;
    assert_eq!(a.apply(&a.called_in, "+861095598"), ("95598".into(), Some(1)));
    assert_eq!(a.apply(&a.caller_in, "+8613800138000"), ("13800138000".into(), Some(1)));
    assert_eq!(a.apply(&a.called_out, "9075526771234").0, "0075526771234");
    assert_eq!(a.apply(&a.called_out, "075526771234"), ("+8675526771234".into(), Some(2)));
    assert_eq!(a.caller_id.shown("119").as_deref(), Some("01088886600"));
    assert!(a.trusted && !config.trunks["b"].numbers.trusted);
    let b = config.trunks["b"].numbers.plan.clone().unwrap();
    assert_eq!((b.trunk_prefix.as_str(), b.international_prefix.as_str(), b.local_digits), ("", "00", 6..=8));
}

#[test]
fn rules_for_numbers_that_cannot_work_are_refused_where_they_stand() {
    let trunk = |text: &str| format!("version: 1\ntrunks:\n  a:\n    sources: [192.0.2.1]\n    {text}\n");
    for (text, finding) in [
        ("numbering: {plan: zh}", "C180 5:23 there is no numbering plan `zh`"),
        ("numbering: {area: \"10\"}", "C180 5:16 the numbering says no country"),
        ("numbering: {plan: cn, area: \"010\"}", "C180 5:33 an area code is written without the 0 before it"),
        ("numbering: {country: \"+86\"}", "C180 5:26 `+86` is no country code"),
        ("numbering: {plan: cn, international_prefix: \"\"}", "C180 5:49 without an international prefix every number"),
        ("numbering: {plan: cn, local_digits: 8-7}", "C180 5:41 `8-7` is no number of digits"),
        ("in: {called: [{match: \"_[\", strip: 1}]}", "C181 5:27 `_[`:"),
        ("in: {called: [{match: \"1*\"}]}", "C181 5:27 the rule does nothing"),
        ("in: {called: [{match: \"1*\", to: e164}]}", "C181 5:37 without a numbering plan"),
        ("numbering: {plan: cn}\n    out: {called: [{match: \"1*\", to: e614}]}", "C181 6:38 there is no form `e614`"),
        ("in: {called: [{match: \"*\", add: \"0\"}, {match: \"1*\", strip: 1}]}", "C181 5:51 no number comes as far"),
        ("in: {called: [{match: \"110\", strip: 3}]}", "C181 5:41 nothing would be left"),
        ("in: {called: [{match: \"1*\", add: \"<\"}]}", "C181 5:38 `<` cannot be dialled"),
        ("caller_id: {only: [\"1*\"]}", "C182 5:24 nothing says what other callers are shown as"),
        ("caller_id: {hide: true, replace: \"1\"}", "C182 5:23 a number that is hidden is not shown"),
        ("caller_id: {replace: \"a b\"}", "C182 5:26 `a b`:"),
        ("called_number: from", "C183 5:20 `from` is no part of an INVITE with a number"),
        ("dtmf: rfc2833", "C184 5:11 `rfc2833` is no way to send keys"),
    ] {
        let found = findings("rules", &trunk(text));
        assert!(found[0].starts_with(finding), "{text}: {found:#?}");
    }
}

#[test]
fn how_an_agent_and_a_trunk_are_told_keys_is_said_for_each() {
    let yaml = GOOD
        .replace("{id: \"1001\",", "{id: \"1001\", dtmf: inband,")
        .replace("carrier: {", "carrier: {dtmf: info-plain, ");
    let config = load("keys", &yaml).unwrap();
    let of = |id: &str| config.agents[&AgentId::new(id)].keys;
    assert_eq!((of("1001"), of("1002")), (KeyPolicy::Inband, KeyPolicy::Auto));
    assert_eq!(config.trunks[&TrunkId::new("carrier")].keys, KeyPolicy::InfoPlain);
    let found = findings("keys-word", &GOOD.replace("{id: \"1001\",", "{id: \"1001\", dtmf: tones,"));
    assert!(found.len() == 1 && found[0].contains("`tones` is no way to send keys"), "{found:?}");
}

#[test]
fn who_is_encrypted_is_said_for_all_and_for_one() {
    let yaml = GOOD
        .replace("limits: {calls", "media: {srtp: required}\nlimits: {calls")
        .replace("{id: \"1001\",", "{id: \"1001\", srtp: off,")
        .replace("carrier: {", "carrier: {srtp: dtls, ");
    let config = load("srtp", &yaml).unwrap();
    assert_eq!(config.srtp, SrtpPolicy::Required);
    let of = |id: &str| config.agents[&AgentId::new(id)].srtp;
    assert_eq!((of("1001"), of("1002")), (Some(SrtpPolicy::Off), None));
    assert_eq!(config.trunks[&TrunkId::new("carrier")].srtp, Some(SrtpPolicy::Dtls));
    let found = findings("srtp-word", &GOOD.replace("limits: {calls", "media: {srtp: on}\nlimits: {calls"));
    assert!(
        found.len() == 1 && found[0].starts_with("C138 5:15 `on` is not `off`, `optional`, `required` or `dtls`"),
        "{found:?}"
    );
}

#[test]
fn what_a_carrier_may_do_is_read_and_needs_an_address() {
    let file = |lines: &str| format!("version: 1\ntrunks:\n  carrier: {{sources: [203.0.113.7], {lines}}}\n");
    let manners = |name: &str, lines: &str| load(name, &file(lines)).unwrap().trunks["carrier"].manners;
    let all = "address: 203.0.113.7, transfer: refer, redirects: same-trunk, large_requests: tcp";
    assert_eq!(manners("manners", all), Manners { refers: true, redirects: true, large_by_tcp: true });
    let none = "address: 203.0.113.7, transfer: bridge, redirects: \"off\", large_requests: udp";
    assert_eq!(manners("manners-usual", none), Manners::default());
    for (odd, finding) in [
        ("transfer: refer", "C175 3:47 `refer` is for calls to the trunk, and it takes none"),
        ("address: 203.0.113.7, redirects: maybe", "C175 3:70 `maybe` is neither of the two"),
        ("address: 203.0.113.7, transport: tcp, large_requests: tcp", "C175 3:91 requests of every size"),
    ] {
        let found = findings("manners-odd", &file(odd));
        assert!(found.iter().any(|told| told.starts_with(finding)), "{odd}: {found:?}");
    }
}

#[test]
fn phones_are_challenged_as_the_file_says_and_nobody_is_locked_out_by_it() {
    assert_eq!(load("digest-usual", "version: 1\n").unwrap().auth.algorithms, [Algorithm::Md5, Algorithm::Sha256]);
    let strong = "version: 1\nauth: {algorithms: [sha-512-256, SHA-256]}\n";
    assert_eq!(load("digest", strong).unwrap().auth.algorithms, [Algorithm::Sha512_256, Algorithm::Sha256]);
    let found = findings("digest-odd", "version: 1\nauth: {algorithms: [sha1, md5, md5]}\n");
    assert_eq!(found.iter().filter(|told| told.starts_with("C148 2:")).count(), 2, "{found:?}");
    let (md5, sha256) = ("0".repeat(32), "0".repeat(64));
    let agent = format!("agents: [{{id: \"1001\", ha1: {{md5: \"{md5}\", sha256: \"{sha256}\"}}}}]\n");
    let found = findings("digest-lacks", &format!("version: 1\nauth: {{algorithms: [sha-512-256]}}\n{agent}"));
    assert!(found.iter().any(|told| told.contains("agent 1001 has no hash")), "{found:?}");
}

#[test]
fn networks_that_are_told_an_address_are_networks_and_can_reach_it() {
    let told = |name: &str, value: &str| findings(name, &format!("version: 1\nlisten: {{advertise: {value}}}\n"));
    for (value, finding) in [
        ("{10.0.0.0/99: 10.0.0.5}", "C120 2:22 `10.0.0.0/99` is not a network"),
        ("{10.0.0.0/8: 0.0.0.0}", "C120 2:34 nobody can send to 0.0.0.0"),
        ("{10.0.0.0/8: \"2001:db8::1\"}", "C120 2:34 2001:db8::1 cannot be reached from 10.0.0.0/8"),
        ("[10.0.0.5]", "C104 2:21 `listen.advertise` is one word"),
    ] {
        let found = told("advertise", value);
        assert!(found.iter().any(|line| line.starts_with(finding)), "{value}: {found:?}");
    }
}

#[test]
fn skills_strategies_and_steps_are_read_and_what_cannot_be_is_refused_with_its_place() {
    let yaml = |queue: &str, skills: &str| {
        format!(
            "version: 1\nqueues:\n  service: {{{queue}}}\n  backoffice: {{}}\nagents:\n  - {{id: \"1001\", password: correct-horse, queues: [service], skills: {{{skills}}}}}\n"
        )
    };
    let good = load("matching", &yaml(
        "strategy: skill_fit, skills: {billing: 60}, min_level: 30, widen: [{after: 30s, min_level: 40}, {after: 1m, agents_of: [backoffice]}], ageing: 1m, sticky: {remember: 7d}, keep_place: 5m",
        "billing: 80, en: 60 until 2027-06-30",
    )).unwrap();
    let queue = &good.queues[&QueueId::new("service")].matching;
    assert_eq!((queue.strategy, queue.min_level, queue.widen.len()), (Strategy::SkillFit, 30, 2));
    assert_eq!(queue.sticky.map(|sticky| sticky.wait.as_secs()), Some(20));
    let skills = &good.agents[&AgentId::new("1001")].skills;
    assert_eq!((skills[0].level, skills[0].until), (80, None));
    // Through the last day: the midnight after it.
    assert_eq!((skills[1].level, skills[1].until), (60, Some(1_814_400_000_000)));

    let faults = findings(
        "matching-bad",
        &yaml(
            "strategy: fastest, skills: {biling: 60}, min_level: 101, widen: [{after: 1m}, {after: 30s, agents_of: [nowhere, service]}], sticky: {wait: 5s}",
            "billing: high, en: 60 until tomorrow",
        ),
    );
    let told = |text: &str| assert!(faults.iter().any(|fault| fault.contains(text)), "{text}: {faults:#?}");
    told("C150 3:23 `fastest` is no strategy");
    told("C140 3:41 there is no agent with the skill `biling` | did you mean `billing`?");
    told("C150 3:65 101 is no level");
    told("this step changes nothing");
    told("`30s` is not after the step before");
    told("there is no queue `nowhere`");
    told("agents of `service` serve its callers from the beginning");
    told("C151");
    told("`high` is no level");
    told("`tomorrow` is no date");
    assert_eq!(faults.len(), 10, "{faults:#?}");
    let list = findings("matching-list", &yaml("skills: [billing]", "billing: 80"));
    assert!(list[0].starts_with("C104") && list[0].contains("names with values"), "{list:?}");
}

#[test]
fn dispositions_are_names_by_digits_and_one_that_is_owed_must_be_there() {
    let queue = |text: &str| format!("version: 1\nqueues:\n  service: {{{text}}}\n");
    let yaml = queue("dispositions: {1: billing, \"11\": refund}, disposition_required: true");
    let dispositions = &load("codes", &yaml).unwrap().queues["service"].dispositions;
    assert_eq!((dispositions.required, dispositions.find("11").as_deref()), (true, Ok("billing/refund")));
    for (name, text, finding) in [
        ("code-letters", "dispositions: {1a: billing}", "C159 3:28 `1a` is no code of a disposition"),
        ("code-long", "dispositions: {1234567: billing}", "C159 3:28 `1234567` is no code"),
        ("code-name", "dispositions: {1: bill/ing}", "C141 3:31 the disposition name"),
        ("code-none", "disposition_required: true", "C159 3:35 agents owe a code, and there is none"),
    ] {
        let found = findings(name, &queue(text));
        assert!(found.len() == 1 && found[0].starts_with(finding), "{found:?}");
    }
}

#[test]
fn codes_that_agents_dial_are_read_and_may_not_begin_like_each_other() {
    use crate::switch::{Feature, FeatureCodes};
    let codes =
        |name: &str, text: &str| load(name, &format!("version: 1\nfeature_codes: {{{text}}}\n")).unwrap().features;
    assert_eq!(codes("codes-usual", ""), FeatureCodes::default());
    assert_eq!(codes("codes-off", "enabled: false"), FeatureCodes::none());
    let own = codes("codes-own", "pause: \"*7\", reasons: {5: coaching}");
    assert_eq!((own.codes[&Feature::Pause].as_str(), own.codes[&Feature::Ready].as_str()), ("*7", "*14"));
    assert_eq!(own.reasons, [('5', "coaching".to_string())].into());
    for (name, text, finding) in [
        ("codes-plain", "pause: \"13\"", "C188 2:24 `13` is no code to be dialled"),
        ("codes-alike", "pause: \"*1\"", "C188 2:24 `*1` begins like the code `*11`"),
        ("codes-reason", "reasons: {lunch: 1}", "C188 2:27 `lunch` is no digit"),
    ] {
        let found = findings(name, &format!("version: 1\nfeature_codes: {{{text}}}\n"));
        assert!(found.len() == 1 && found[0].starts_with(finding), "{found:?}");
    }
}
