//! `hotline.yaml` as it is written: every key there may be, nothing checked yet but its shape. Unknown keys are refused.
//! Values keep their place in the file, so that a check can point at them. A key without a value is as good as left out.

pub(super) mod admission;
pub(super) mod project;
pub(super) mod queue;
pub(super) mod toll;

use super::read::{At, Keys};
use crate::source::diag::Diags;
use crate::source::text::Span;
use crate::source::yaml::Node;
use crate::switch::Feature;
use admission::{RawAdmission, RawSecurity};
use project::{RawLend, RawProject};
use queue::RawQueue;
use toll::RawToll;

pub(super) struct RawConfig {
    pub version: Option<At<u32>>,
    pub realm: Option<At<String>>,
    pub state_dir: Option<At<String>>,
    pub listen: RawListen,
    pub sip: RawSip,
    pub tls: Option<RawTls>,
    pub limits: RawLimits,
    pub admission: RawAdmission,
    pub security: RawSecurity,
    pub toll: RawToll,
    pub media: RawMedia,
    pub auth: RawAuth,
    pub registrar: RawRegistrar,
    pub agents: Vec<RawAgent>,
    pub queues: Vec<(At<String>, RawQueue)>,
    pub projects: Vec<(At<String>, RawProject)>,
    pub lend: Vec<(At<String>, RawLend)>,
    pub trunks: Vec<(At<String>, RawTrunk)>,
    pub trunk_groups: Vec<(At<String>, RawTrunkGroup)>,
    pub numbers: Vec<RawNumber>,
    pub recording: RawRecording,
    pub supervision: RawSupervision,
    pub feature_codes: RawFeatureCodes,
    pub records: RawRecords,
    pub bases: Vec<(At<String>, RawBase)>,
    pub databases: Vec<(At<String>, RawDatabase)>,
}

#[derive(Default)]
pub(super) struct RawListen {
    pub sip_udp: Option<At<String>>,
    pub sip_tcp: Option<At<String>>,
    pub sip_tls: Option<At<String>>,
    pub sip_ws: Option<At<String>>,
    pub sip_wss: Option<At<String>>,
    /// Pages that may connect by WebSocket; every page without it.
    pub allowed_origins: Option<Vec<At<String>>>,
    pub http: Option<At<String>>,
    /// The address that peers are told to reach us at, when it is not the one we bind to.
    /// To everybody, or to those in a network.
    pub advertise: Vec<(Option<At<String>>, At<String>)>,
    pub rtp: RawRtp,
}

pub(super) struct RawTls {
    pub certificate: At<String>,
    pub key: At<String>,
    /// Authorities of the certificates that peers may show.
    pub client_ca: Option<At<String>>,
}

#[derive(Default)]
pub(super) struct RawRtp {
    pub ports: Option<At<String>>,
    pub bind: Option<At<String>>,
    pub advertise: Option<At<String>>,
}

#[derive(Default)]
pub(super) struct RawSip {
    pub session_expires: Option<At<String>>,
    pub min_se: Option<At<String>>,
    /// `refuse` or `deliver`.
    pub message: Option<At<String>>,
    pub reliable_provisional: Option<At<String>>,
}

#[derive(Default)]
pub(super) struct RawLimits {
    pub calls: Option<At<u32>>,
    pub calls_per_second: Option<At<u32>>,
    pub drain_timeout: Option<At<String>>,
    pub rtp_timeout: Option<At<String>>,
}

#[derive(Default)]
pub(super) struct RawMedia {
    /// `off`, `optional`, `required` or `dtls`.
    pub srtp: Option<At<String>>,
}

#[derive(Default)]
pub(super) struct RawAuth {
    pub nonce_ttl: Option<At<String>>,
    /// `md5`, `sha-256`, `sha-512-256`, in the order in which phones are offered them.
    pub algorithms: Vec<At<String>>,
    pub admin_token_file: Option<At<String>>,
}

#[derive(Default)]
pub(super) struct RawRegistrar {
    pub min_expires: Option<At<String>>,
    pub max_expires: Option<At<String>>,
    pub max_contacts: Option<At<u32>>,
    pub keep_alive: Option<At<String>>,
    pub ring: Option<At<String>>,
}

pub(super) struct RawAgent {
    pub id: At<String>,
    pub name: Option<At<String>>,
    pub password: Option<At<String>>,
    pub password_file: Option<At<String>>,
    pub ha1: Option<At<RawHa1>>,
    pub queues: Vec<At<String>>,
    pub skills: Vec<(At<String>, At<String>)>,
    pub srtp: Option<At<String>>,
    pub dtmf: Option<At<String>>,
}

pub(super) struct RawHa1 {
    pub md5: String,
    pub sha256: String,
    pub sha512_256: Option<String>,
}

#[derive(Default)]
pub(super) struct RawTrunk {
    pub sources: Vec<At<String>>,
    /// Where calls to this trunk are sent, `host:port`; a trunk without it only brings calls in.
    pub address: Option<At<String>>,
    pub transport: Option<At<String>>,
    /// Authorities of the trunk's own certificate.
    pub ca: Option<At<String>>,
    /// The certificate that proves a caller to be this trunk: its SHA-256 fingerprint, or a name in it.
    pub client_certificate: Option<At<String>>,
    pub user: Option<At<String>>,
    pub password: Option<At<String>>,
    pub password_file: Option<At<String>>,
    pub enabled: Option<At<bool>>,
    /// How long a registration shall last, `true` for the usual time.
    pub register: Option<At<String>>,
    /// The domain of our account, where it is not the host of `address`.
    pub domain: Option<At<String>>,
    /// How often OPTIONS asks whether it is there, or `off`.
    pub health: Option<At<String>>,
    pub limits: RawTrunkLimits,
    pub numbering: Option<RawPlan>,
    pub into: RawRules,
    pub out: RawRules,
    pub caller_id: RawCallerId,
    pub trusted: Option<At<bool>>,
    /// Where its INVITEs have the number that was called.
    pub called_number: Option<At<String>>,
    pub srtp: Option<At<String>>,
    /// `bridge` or `refer`.
    pub transfer: Option<At<String>>,
    /// `off` or `same-trunk`.
    pub redirects: Option<At<String>>,
    /// `udp` or `tcp`.
    pub large_requests: Option<At<String>>,
    /// How it is told keys.
    pub dtmf: Option<At<String>>,
    /// Private variables of flows that may go along with calls to it.
    pub private: Vec<At<String>>,
    /// How urgent its calls are, where the number that they dial does not say.
    pub class: Option<At<String>>,
}

pub(super) struct RawPlan {
    pub span: Span,
    pub plan: Option<At<String>>,
    pub country: Option<At<String>>,
    pub area: Option<At<String>>,
    pub trunk_prefix: Option<At<String>>,
    pub international_prefix: Option<At<String>>,
    pub local_digits: Option<At<String>>,
}

/// What is done with numbers in one direction.
#[derive(Default)]
pub(super) struct RawRules {
    pub called: Vec<RawRule>,
    pub caller: Vec<RawRule>,
}

pub(super) struct RawRule {
    pub when: At<String>,
    pub to: Option<At<String>>,
    pub strip: Option<At<u32>>,
    pub add: Option<At<String>>,
}

#[derive(Default)]
pub(super) struct RawCallerId {
    pub hide: Option<At<bool>>,
    pub replace: Option<At<String>>,
    pub only: Vec<At<String>>,
}

#[derive(Default)]
pub(super) struct RawTrunkLimits {
    pub calls: Option<At<u32>>,
    pub calls_in: Option<At<u32>>,
    pub calls_out: Option<At<u32>>,
    pub per_second_in: Option<At<u32>>,
    pub per_second_out: Option<At<u32>>,
}

#[derive(Default)]
pub(super) struct RawTrunkGroup {
    pub members: Vec<RawMember>,
}

pub(super) struct RawMember {
    pub trunk: At<String>,
    pub priority: Option<At<u32>>,
    pub weight: Option<At<u32>>,
}

pub(super) struct RawNumber {
    pub number: At<String>,
    /// `None` after a finding.
    pub to: Option<RawTarget>,
    pub open_to: Vec<At<String>>,
    pub class: Option<At<String>>,
    pub budget: Option<At<String>>,
}

pub(super) enum RawTarget {
    Flow(At<String>),
    Queue(At<String>),
    Agent(At<String>),
    /// The trunk, and what to dial there; without it the number that was called.
    Trunk(At<String>, Option<At<String>>),
    Test(At<String>),
}

#[derive(Default)]
pub(super) struct RawRecording {
    pub enabled: Option<At<bool>>,
    pub pause_key: Option<At<String>>,
}

#[derive(Default)]
pub(super) struct RawSupervision {
    /// `none`, `tone` or `prompt`.
    pub notice: Option<At<String>>,
    pub prompt: Option<At<String>>,
}

/// Codes that agents dial, in the order of [`Feature::ALL`].
#[derive(Default)]
pub(super) struct RawFeatureCodes {
    pub enabled: Option<At<bool>>,
    pub codes: Vec<(Feature, Option<At<String>>)>,
    pub reasons: Vec<(At<String>, At<String>)>,
}

#[derive(Default)]
pub(super) struct RawRecords {
    pub cdr_days: Option<At<u32>>,
    pub journal_days: Option<At<u32>>,
}

/// A system that flows may ask over HTTP.
#[derive(Default)]
pub(super) struct RawBase {
    pub url: Option<At<String>>,
    /// It may be in a network of one's own.
    pub private: Option<At<bool>>,
    pub ca: Option<At<String>>,
    pub auth: Vec<(At<String>, RawCredential)>,
}

#[derive(Default)]
pub(super) struct RawCredential {
    pub token_file: Option<At<String>>,
    pub token_env: Option<At<String>>,
    /// What the token is sent in, when not as a bearer's.
    pub header: Option<At<String>>,
    pub user: Option<At<String>>,
    pub password_file: Option<At<String>>,
}

#[derive(Default)]
pub(super) struct RawDatabase {
    pub sqlite: Option<At<String>>,
}

const ADDRESS: &str = "an address and a port, such as `0.0.0.0:5060`";
const IP: &str = "an IP address, such as `192.0.2.10`";
const TIME: &str = "a length of time, such as `20s`, `2m` or `1h`";
const PASSWORD: &str = "a password in quotes; better `password_file: secrets/NAME`";
const FILE: &str = "the path of a file, such as `secrets/1001`";
const PEM: &str = "the path of a PEM file, such as `secrets/hotline.pem`";
const DTMF: &str = "`auto`, `rfc4733`, `info`, `info-plain` or `inband`";
const SRTP: &str = "`off`, `optional`, `required` or `dtls`";
const DAYS: &str = "days, such as `400`";
const RULE: &str = "`- {match: \"+86*\", strip: 3, add: \"0\"}`";
const RULES: &str = "`called: [{match: \"*\", to: e164}]`";
const GROUP: &str = "`trunk_groups: {outside: {members: [{trunk: carrier}]}}`";
const TARGETS: [&str; 5] = ["flow", "queue", "agent", "trunk", "test"];

/// The whole file. `None` when it is no map of keys.
pub(super) fn read(root: &Node, diags: &mut Diags) -> Option<RawConfig> {
    let mut keys = Keys::of(root, "", "`version: 1` and the other keys, each on a line of its own", diags)?;
    if keys.place("version").is_none() {
        diags.error_hint("C110", root.span.part(0, 0), "there is no `version`", "begin the file with `version: 1`");
    }
    let config = RawConfig {
        version: keys.number("version", "the version of this file's format, `1`", diags),
        realm: keys.text("realm", "a domain name, such as `pbx.example.com`", diags),
        state_dir: keys.text("state_dir", "the path of a folder, such as `state`", diags),
        listen: keys.group("listen", "`listen: {http: 127.0.0.1:8080}`", diags, listen),
        sip: keys.group("sip", "`sip: {session_expires: 30m}`", diags, |keys, diags| RawSip {
            session_expires: keys.text("session_expires", TIME, diags),
            min_se: keys.text("min_se", TIME, diags),
            message: keys.text("message", "`refuse` or `deliver`", diags),
            reliable_provisional: keys.text("reliable_provisional", "`never`, `wanted` or `always`", diags),
        }),
        tls: keys.group("tls", "`tls: {certificate: secrets/hotline.pem, key: secrets/hotline.key}`", diags, tls),
        limits: keys.group("limits", "`limits: {calls: 500}`", diags, |keys, diags| RawLimits {
            calls: keys.number("calls", "calls at once, such as `500`", diags),
            calls_per_second: keys.number("calls_per_second", "new calls a second, such as `100`", diags),
            drain_timeout: keys.text("drain_timeout", TIME, diags),
            rtp_timeout: keys.text("rtp_timeout", TIME, diags),
        }),
        admission: keys.group("admission", admission::EXAMPLE, diags, admission::admission),
        security: keys.group("security", "`security: {bans: {after: 100}}`", diags, admission::security),
        toll: keys.group("toll", "`toll: {deny: [\"00*\"]}`", diags, toll::toll),
        media: keys.group("media", "`media: {srtp: optional}`", diags, |keys, diags| RawMedia {
            srtp: keys.text("srtp", SRTP, diags),
        }),
        auth: keys.group("auth", "`auth: {nonce_ttl: 5m}`", diags, |keys, diags| RawAuth {
            nonce_ttl: keys.text("nonce_ttl", TIME, diags),
            algorithms: keys.words("algorithms", "some of `[sha-512-256, sha-256, md5]`", diags),
            admin_token_file: keys.text("admin_token_file", FILE, diags),
        }),
        registrar: keys.group("registrar", "`registrar: {max_expires: 1h}`", diags, |keys, diags| RawRegistrar {
            min_expires: keys.text("min_expires", TIME, diags),
            max_expires: keys.text("max_expires", TIME, diags),
            max_contacts: keys.number("max_contacts", "devices, such as `10`", diags),
            keep_alive: keys.text("keep_alive", "a length of time, such as `25s`, or `0s` for none", diags),
            ring: keys.text("ring", "`all` or `by_preference`", diags),
        }),
        agents: keys.list("agents", "`- {id: \"1001\", password_file: secrets/1001}`", diags, agent),
        queues: keys.named("queues", "`queues: {service: {ring_timeout: 20s}}`", diags, queue::queue),
        projects: keys.named("projects", "`projects: {power: {queues: [service]}}`", diags, project::project),
        lend: keys.named("lend", project::LEND, diags, project::lend),
        trunks: keys.named("trunks", "`trunks: {carrier: {sources: [203.0.113.0/28]}}`", diags, trunk),
        trunk_groups: keys.named("trunk_groups", GROUP, diags, |keys, diags| RawTrunkGroup {
            members: keys.list("members", "`- {trunk: carrier, priority: 1}`", diags, member),
        }),
        numbers: keys.list("numbers", "`- {number: \"9000\", to: {flow: hotline}}`", diags, number),
        recording: keys.group("recording", "`recording: {enabled: true}`", diags, |keys, diags| RawRecording {
            enabled: keys.flag("enabled", diags),
            pause_key: keys.text("pause_key", "keys such as `*9`", diags),
        }),
        supervision: keys.group("supervision", "`supervision: {notice: tone}`", diags, |keys, diags| RawSupervision {
            notice: keys.text("notice", "`none`, `tone` or `prompt`", diags),
            prompt: keys.text("prompt", "the name of a prompt", diags),
        }),
        feature_codes: keys.group("feature_codes", "`feature_codes: {pause: \"*13\"}`", diags, |keys, diags| {
            let code = |(name, feature, _)| (feature, keys.text(name, "a code such as `\"*13\"`", diags));
            let codes = Feature::ALL.map(code).into();
            RawFeatureCodes {
                codes,
                enabled: keys.flag("enabled", diags),
                reasons: keys.pairs("reasons", "reasons of a pause by digit, such as `{1: lunch}`", diags),
            }
        }),
        records: keys.group("records", "`records: {cdr_days: 400}`", diags, |keys, diags| RawRecords {
            cdr_days: keys.number("cdr_days", DAYS, diags),
            journal_days: keys.number("journal_days", DAYS, diags),
        }),
        bases: keys.named("bases", "`bases: {billing: {url: \"https://billing.example.com\"}}`", diags, base),
        databases: keys.named("databases", "`databases: {crm: {sqlite: data/crm.db}}`", diags, |keys, diags| {
            RawDatabase { sqlite: keys.text("sqlite", "the path of a SQLite database", diags) }
        }),
    };
    keys.finish(diags);
    Some(config)
}

fn listen(keys: &mut Keys, diags: &mut Diags) -> RawListen {
    RawListen {
        sip_udp: keys.text("sip_udp", ADDRESS, diags),
        sip_tcp: keys.text("sip_tcp", ADDRESS, diags),
        sip_tls: keys.text("sip_tls", "an address and a port, such as `0.0.0.0:5061`", diags),
        sip_ws: keys.text("sip_ws", "an address and a port, such as `127.0.0.1:8088`", diags),
        sip_wss: keys.text("sip_wss", "an address and a port, such as `0.0.0.0:8443`", diags),
        allowed_origins: keys
            .place("allowed_origins")
            .map(|_| keys.words("allowed_origins", "origins of pages, such as `[https://pbx.example.com]`", diags)),
        http: keys.text("http", "an address and a port, such as `127.0.0.1:8080`", diags),
        advertise: keys.text_or_texts("advertise", IP, diags),
        rtp: keys.group("rtp", "`rtp: {ports: 20000-29999}`", diags, |keys, diags| RawRtp {
            ports: keys.text("ports", "a range of ports, such as `20000-29999`", diags),
            bind: keys.text("bind", IP, diags),
            advertise: keys.text("advertise", IP, diags),
        }),
    }
}

fn tls(keys: &mut Keys, diags: &mut Diags) -> Option<RawTls> {
    let (certificate, key) = (keys.need("certificate", PEM, diags), keys.need("key", PEM, diags));
    let client_ca = keys.text("client_ca", PEM, diags);
    Some(RawTls { certificate: certificate?, key: key?, client_ca })
}

fn agent(keys: &mut Keys, diags: &mut Diags) -> Option<RawAgent> {
    let id = keys.need("id", "an extension in quotes, such as `\"1001\"`", diags);
    let span = keys.span;
    // Its other keys are read also when it has no id, for the findings about them.
    let agent = RawAgent {
        id: id.clone().unwrap_or(At { value: String::new(), span }),
        name: keys.text("name", "a name, such as `Alice`", diags),
        password: keys.text("password", PASSWORD, diags),
        password_file: keys.text("password_file", FILE, diags),
        ha1: ha1(keys, diags),
        queues: keys.words("queues", "names of queues, such as `[service]`", diags),
        skills: keys.pairs("skills", "levels from 0 to 100, such as `{billing: 80}`", diags),
        srtp: keys.text("srtp", SRTP, diags),
        dtmf: keys.text("dtmf", DTMF, diags),
    };
    id.map(|_| agent)
}

fn ha1(keys: &mut Keys, diags: &mut Diags) -> Option<At<RawHa1>> {
    let hash = "a hash in hex";
    let span = keys.place("ha1")?;
    let hashes = keys.group("ha1", "`ha1: {md5: ..., sha256: ...}`", diags, |keys, diags| {
        let sha512_256 = keys.text("sha512_256", hash, diags).map(|at| at.value);
        Some(RawHa1 {
            md5: keys.need("md5", hash, diags)?.value,
            sha256: keys.need("sha256", hash, diags)?.value,
            sha512_256,
        })
    });
    hashes.map(|value| At { value, span })
}

fn trunk(keys: &mut Keys, diags: &mut Diags) -> RawTrunk {
    RawTrunk {
        sources: keys.words("sources", "addresses or blocks, such as `[203.0.113.0/28]`", diags),
        address: keys.text("address", "a host, such as `sip.example.com:5060`", diags),
        transport: keys.text("transport", "`udp`, `tcp` or `tls`", diags),
        ca: keys.text("ca", PEM, diags),
        client_certificate: keys.text("client_certificate", "a name in it or its SHA-256 fingerprint", diags),
        user: keys.text("user", "a user name", diags),
        password: keys.text("password", PASSWORD, diags),
        password_file: keys.text("password_file", FILE, diags),
        enabled: keys.flag("enabled", diags),
        register: keys.text("register", "`true`, or how long a registration shall last, such as `10m`", diags),
        domain: keys.text("domain", "a domain, such as `carrier.example`", diags),
        health: keys.text("health", "how often it is asked by OPTIONS, such as `30s`, or `off`", diags),
        limits: keys.group("limits", "`limits: {calls: 30}`", diags, |keys, diags| RawTrunkLimits {
            calls: keys.number("calls", "calls at once, such as `30`", diags),
            calls_in: keys.number("calls_in", "calls at once that come from it, such as `20`", diags),
            calls_out: keys.number("calls_out", "calls at once that go to it, such as `20`", diags),
            per_second_in: keys.number("per_second_in", "new calls from it in a second, such as `10`", diags),
            per_second_out: keys.number("per_second_out", "new calls to it in a second, such as `10`", diags),
        }),
        numbering: keys.group("numbering", "`numbering: {plan: cn, area: \"10\"}`", diags, plan),
        into: keys.group("in", RULES, diags, rules),
        out: keys.group("out", RULES, diags, rules),
        caller_id: keys.group("caller_id", "`caller_id: {replace: \"01088886600\"}`", diags, |keys, diags| {
            RawCallerId {
                hide: keys.flag("hide", diags),
                replace: keys.text("replace", "the number to show, in quotes", diags),
                only: keys.words("only", "numbers that may be shown, such as `[\"010888866*\"]`", diags),
            }
        }),
        trusted: keys.flag("trusted", diags),
        called_number: keys.text("called_number", "`request_uri` or `to`", diags),
        srtp: keys.text("srtp", SRTP, diags),
        transfer: keys.text("transfer", "`bridge` or `refer`", diags),
        redirects: keys.text("redirects", "`off` or `same-trunk`", diags),
        large_requests: keys.text("large_requests", "`udp` or `tcp`", diags),
        dtmf: keys.text("dtmf", DTMF, diags),
        private: keys.words("private", "variables of flows, such as `[account]`", diags),
        class: keys.text("class", admission::CLASS, diags),
    }
}

fn base(keys: &mut Keys, diags: &mut Diags) -> RawBase {
    RawBase {
        url: keys.text("url", "an address, such as `https://billing.example.com`", diags),
        private: keys.flag("private", diags),
        ca: keys.text("ca", PEM, diags),
        auth: keys.named("auth", "`auth: {billing: {token_file: secrets/billing}}`", diags, |keys, diags| {
            RawCredential {
                token_file: keys.text("token_file", "the path of a file, such as `secrets/billing`", diags),
                token_env: keys.text("token_env", "a variable of the environment, such as `BILLING_TOKEN`", diags),
                header: keys.text("header", "the name of a header, such as `X-Api-Key`", diags),
                user: keys.text("user", "a user name", diags),
                password_file: keys.text("password_file", "the path of a file, such as `secrets/billing`", diags),
            }
        }),
    }
}

fn plan(keys: &mut Keys, diags: &mut Diags) -> Option<RawPlan> {
    Some(RawPlan {
        span: keys.span,
        plan: keys.text("plan", "`cn` or `nanp`", diags),
        country: keys.text("country", "a country code in quotes, such as `\"86\"`", diags),
        area: keys.text("area", "an area code in quotes, such as `\"10\"`", diags),
        trunk_prefix: keys.text("trunk_prefix", "digits in quotes, such as `\"0\"`", diags),
        international_prefix: keys.text("international_prefix", "digits in quotes, such as `\"00\"`", diags),
        local_digits: keys.text("local_digits", "digits of a number within its area, such as `7-8`", diags),
    })
}

fn rules(keys: &mut Keys, diags: &mut Diags) -> RawRules {
    RawRules { called: keys.list("called", RULE, diags, rule), caller: keys.list("caller", RULE, diags, rule) }
}

fn rule(keys: &mut Keys, diags: &mut Diags) -> Option<RawRule> {
    let when = keys.need("match", "the numbers that it is for, such as `\"+86*\"`, or `\"*\"` for all", diags);
    let to = keys.text("to", "`e164`, `international`, `national` or `local`", diags);
    let strip = keys.number("strip", "characters to take away in front, such as `1`", diags);
    let add = keys.text("add", "characters to put in front, in quotes, such as `\"0\"`", diags);
    Some(RawRule { when: when?, to, strip, add })
}

fn member(keys: &mut Keys, diags: &mut Diags) -> Option<RawMember> {
    let trunk = keys.need("trunk", "the name of a trunk", diags);
    let priority = keys.number("priority", "a number, the lowest is tried first", diags);
    let weight = keys.number("weight", "its share of the calls among those of the same priority", diags);
    Some(RawMember { trunk: trunk?, priority, weight })
}

fn number(keys: &mut Keys, diags: &mut Diags) -> Option<RawNumber> {
    let number = keys.need("number", "the digits as dialled, in quotes, such as `\"9000\"`", diags);
    let place = keys.place("to");
    if place.is_none() {
        keys.missing("to", "what the number leads to, such as `to: {flow: hotline}`", diags);
    }
    let to = keys.group("to", "one target, such as `to: {flow: hotline}`", diags, target);
    let open_to = keys.words("open_to", "names of trunks, such as `[carrier]`, or `[any]`", diags);
    let class = keys.text("class", admission::CLASS, diags);
    let budget = keys.text("budget", "a name below `admission.budgets`", diags);
    Some(RawNumber { number: number?, to, open_to, class, budget })
}

fn target(keys: &mut Keys, diags: &mut Diags) -> Option<RawTarget> {
    let given: Vec<&str> = TARGETS.into_iter().filter(|name| keys.place(name).is_some()).collect();
    if given.len() > 1 || keys.is_empty() {
        let text =
            format!("`{}` names {}", keys.path(), if given.is_empty() { "nothing" } else { "more than one target" });
        diags.error_hint(
            "C104",
            keys.span,
            text,
            format!("keep one of {}", TARGETS.map(|t| format!("`{t}`")).join(", ")),
        );
    }
    let flow = keys.text("flow", "the name of a flow", diags).map(RawTarget::Flow);
    let queue = keys.text("queue", "the name of a queue", diags).map(RawTarget::Queue);
    let agent = keys.text("agent", "an extension, such as `\"1001\"`", diags).map(RawTarget::Agent);
    let test = keys.text("test", "a test number, such as `echo`", diags).map(RawTarget::Test);
    let trunk = keys.group("trunk", "`trunk: {name: carrier}`", diags, |keys, diags| {
        let number = keys.text("number", "the digits to dial there", diags);
        Some(RawTarget::Trunk(keys.need("name", "the name of a trunk", diags)?, number))
    });
    flow.or(queue).or(agent).or(test).or(trunk)
}
