//! `route explain`: what would become of a call, step by step, in sentences for people or JSON for programs. Reads the
//! project's files; no switch need run.

use super::output::{self, Format};
use super::project::config;
use super::{Common, Failure};
use crate::config::{Config, FILE_NAME, project, show_duration};
use crate::events::Source;
use crate::ids::{AgentId, QueueId, TrunkId};
use crate::ivr;
use crate::routing::{CallerId, Destination, OpenTrunks, RouteTable, TrunkNumbers};
use serde_json::{Value, json};
use std::net::IpAddr;

#[derive(clap::Subcommand)]
pub(super) enum RouteCommand {
    /// What would become of a call to a number, and why
    Explain(ExplainArgs),
}

#[derive(clap::Args)]
pub(super) struct ExplainArgs {
    /// As dialled
    number: String,
    /// The caller: an extension, a trunk, or an IP address; an extension unless told. With --trunk, the caller's number
    #[arg(long, value_name = "CALLER")]
    from: Option<String>,
    /// The trunk that the call comes by
    #[arg(long, value_name = "TRUNK")]
    trunk: Option<String>,
    /// When: 2026-03-08T14:05; now unless told
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// en or zh-CN
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Lang {
    En,
    #[value(name = "zh-CN", alias = "zh")]
    Zh,
}

/// The time of the call.
#[derive(Clone, Copy)]
enum When {
    Moment(jiff::Timestamp),
    /// As on the clock of whoever keeps the hours: each calendar in its own zone.
    Local(jiff::civil::DateTime),
}

impl When {
    fn read(text: &str) -> Result<When, Failure> {
        let moment = text.parse().map(When::Moment).ok();
        moment.or_else(|| text.parse().map(When::Local).ok()).ok_or_else(|| {
            Failure::Usage(format!(
                "`{text}` is no time; write 2026-03-08T14:05 for the zone of the hours, or 2026-03-08T14:05:00+08:00"
            ))
        })
    }

    fn in_zone(self, zone: &jiff::tz::TimeZone) -> Option<jiff::Zoned> {
        match self {
            When::Moment(moment) => Some(moment.to_zoned(zone.clone())),
            When::Local(time) => time.to_zoned(zone.clone()).ok(),
        }
    }
}

/// One thing that decides, in both languages and as data.
struct Fact {
    what: &'static str,
    en: String,
    zh: String,
    data: Value,
}

/// How a call would end here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Taken,
    Refused(u16),
}

struct Story {
    facts: Vec<Fact>,
    outcome: Outcome,
}

pub(super) fn route(common: &Common, command: &RouteCommand) -> Result<(), Failure> {
    let RouteCommand::Explain(args) = command;
    output::refuse_csv(common)?;
    let config = config(common)?;
    let when = args.at.as_deref().map_or(Ok(When::Moment(jiff::Timestamp::now())), When::read)?;
    let story = story(&config, args, when)?;
    if common.output == Some(Format::Json) {
        return output::write(&format!("{}\n", story.json(args.lang, &args.number)));
    }
    output::write(&story.text(args.lang))
}

fn story(config: &Config, args: &ExplainArgs, when: When) -> Result<Story, Failure> {
    let table = config.routes().map_err(Failure::Usage)?;
    let mut story = Story { facts: Vec::new(), outcome: Outcome::Taken };
    let (source, caller) = story.caller(config, &table, args)?;
    let mut called = args.number.clone();
    if let Some(numbers) = source.as_ref().and_then(|source| trunk_of(config, source)) {
        called = story.rewritten(numbers, &numbers.called_in, &called, "called_in", ("called number", "被叫号码"));
        if let Some(caller) = &caller {
            story.rewritten(numbers, &numbers.caller_in, caller, "caller_in", ("caller's number", "主叫号码"));
        }
    }
    if let Some(to) = story.number(&table, &called, source.as_ref()) {
        story.destination(config, &to, &called, caller.as_deref().unwrap_or_default(), when);
    }
    Ok(story)
}

fn trunk_of<'c>(config: &'c Config, source: &Source) -> Option<&'c TrunkNumbers> {
    match source {
        Source::Trunk(trunk) => config.trunks.get(trunk).map(|trunk| &trunk.numbers),
        Source::Extension(_) => None,
    }
}

impl Story {
    fn say(&mut self, what: &'static str, en: String, zh: String, data: Value) {
        self.facts.push(Fact { what, en, zh, data });
    }

    fn text(&self, lang: Lang) -> String {
        let of = |fact: &Fact| match lang {
            Lang::En => format!("{}\n", fact.en),
            Lang::Zh => format!("{}\n", fact.zh),
        };
        self.facts.iter().map(of).collect()
    }

    fn json(&self, lang: Lang, number: &str) -> Value {
        let of = |fact: &Fact| {
            let text = if lang == Lang::En { &fact.en } else { &fact.zh };
            let mut data = fact.data.clone();
            if let Some(map) = data.as_object_mut() {
                map.insert("step".into(), json!(fact.what));
                map.insert("text".into(), json!(text));
            }
            data
        };
        let (taken, status) = match self.outcome {
            Outcome::Taken => (true, None),
            Outcome::Refused(status) => (false, Some(status)),
        };
        json!({
            "number": number, "taken": taken, "status": status,
            "steps": self.facts.iter().map(of).collect::<Vec<_>>(),
        })
    }

    /// Who calls, and the number that the call comes from.
    fn caller(
        &mut self,
        config: &Config,
        table: &RouteTable,
        args: &ExplainArgs,
    ) -> Result<(Option<Source>, Option<String>), Failure> {
        if let Some(name) = &args.trunk {
            let trunk = TrunkId::new(name);
            let Some(known) = config.trunks.get(&trunk) else {
                return Err(Failure::Usage(format!("there is no trunk `{name}`; see trunks in {FILE_NAME}")));
            };
            return Ok((self.by_trunk(trunk, known.enabled), args.from.clone()));
        }
        let Some(text) = &args.from else {
            let first = config.agents.keys().next().cloned();
            return Ok((first.clone().map(Source::Extension), first.map(|agent| agent.to_string())));
        };
        if let Ok(address) = text.parse::<IpAddr>() {
            let data = |trunk: Option<&TrunkId>| json!({"address": address.to_string(), "trunk": trunk});
            return Ok(match table.source_of(address) {
                Some((block, trunk)) => {
                    let en = format!("Calls from {address} come by trunk {trunk}, because of its source {block}.");
                    let zh = format!("来自 {address} 的呼叫经由中继 {trunk}（地址段 {block}）。");
                    let source = Source::Trunk(trunk.clone());
                    self.say("source", en, zh, data(Some(trunk)));
                    (Some(source), None)
                }
                None => {
                    let en = format!(
                        "No trunk has {address} among its sources: a caller from there must prove to be an extension."
                    );
                    let zh = format!("没有中继包含 {address}：该地址的主叫必须以分机身份通过认证。");
                    self.say("source", en, zh, data(None));
                    (None, None)
                }
            });
        }
        if config.agents.contains_key(text.as_str()) {
            return Ok((Some(Source::Extension(AgentId::new(text))), Some(text.clone())));
        }
        if let Some(known) = config.trunks.get(text.as_str()) {
            return Ok((self.by_trunk(TrunkId::new(text), known.enabled), None));
        }
        Err(Failure::Usage(format!(
            "`{text}` is no extension, trunk or IP address; see agents and trunks in {FILE_NAME}, or name the trunk with \
             --trunk"
        )))
    }

    /// A call that comes by a trunk; from one that is disabled, nobody in particular.
    fn by_trunk(&mut self, trunk: TrunkId, enabled: bool) -> Option<Source> {
        if enabled {
            return Some(Source::Trunk(trunk));
        }
        let en = format!("Trunk {trunk} is disabled: a call from its addresses is a stranger's.");
        let zh = format!("中继 {trunk} 已停用：来自其地址的呼叫视为陌生来源。");
        self.say("source", en, zh, json!({"trunk": trunk}));
        None
    }

    fn rewritten(
        &mut self,
        numbers: &TrunkNumbers,
        rules: &[crate::routing::Rule],
        number: &str,
        role: &'static str,
        (en, zh): (&str, &str),
    ) -> String {
        let (made, rule) = numbers.apply(rules, number);
        if made != number {
            let nth = rule.unwrap_or(0);
            let (was, is) = (number.escape_debug(), made.escape_debug());
            let en = format!("The {en} `{was}` becomes `{is}`, by rule {nth} of the trunk.");
            let zh = format!("{zh} `{was}` 按中继的第 {nth} 条规则变为 `{is}`。");
            self.say("rewrite", en, zh, json!({"role": role, "was": number, "is": made, "rule": rule}));
        }
        made
    }

    /// The route of a number, if it is open to the caller.
    fn number(&mut self, table: &RouteTable, called: &str, source: Option<&Source>) -> Option<Destination> {
        let examined = table.examine(called, source);
        let shown = examined.number.escape_debug().to_string();
        if examined.number != called {
            let was = called.escape_debug();
            let en = format!("`{was}` is looked up as `{shown}`: separators and parameters do not count.");
            let zh = format!("`{was}` 按 `{shown}` 查找：分隔符和参数不计。");
            self.say("number", en, zh, json!({"was": called, "is": examined.number}));
        }
        let Some(best) = examined.best else {
            let status = if source.is_some() { 404 } else { 401 };
            let (more, more_zh) =
                if source.is_some() { ("", "") } else { (", as for every number", "（对任何号码都一样）") };
            let en =
                format!("No route has the number `{shown}`: the caller gets {status}{more}. Add it under `numbers`.");
            let zh = format!("没有号码为 `{shown}` 的路由：主叫收到 {status}{more_zh}。请在 `numbers` 中添加。");
            self.say("route", en, zh, json!({"route": null}));
            self.outcome = Outcome::Refused(status);
            return None;
        };
        let en = format!("`{shown}` is for the route `{}`, which leads to {}.", best.number, best.to);
        let zh = format!("`{shown}` 匹配路由 `{}`，去向：{}。", best.number, destination_zh(&best.to));
        let data = json!({"route": best.number.to_string(), "to": best.to, "project": best.project});
        self.say("route", en, zh, data);
        for other in examined.others {
            let en = format!("The route `{}` would match too, and is less special.", other.number);
            let zh = format!("路由 `{}` 也匹配，但不如前者具体。", other.number);
            self.say("other_route", en, zh, json!({"route": other.number.to_string()}));
        }
        let Some(source) = source else {
            let en =
                "The caller is neither a trunk nor proves to be an extension: refused with 401, whatever the number.";
            let zh = "主叫既不是中继，也未通过分机认证：无论什么号码都以 401 拒绝。";
            self.say("open", en.into(), zh.into(), json!({"open": false}));
            self.outcome = Outcome::Refused(401);
            return None;
        };
        let (named, named_zh) = match source {
            Source::Trunk(trunk) => (format!("trunk {trunk}"), format!("中继 {trunk}")),
            Source::Extension(agent) => (format!("extension {agent}"), format!("分机 {agent}")),
        };
        if examined.open {
            let (en, zh) =
                (format!("It is open to {named}: the call is taken."), format!("它对{named_zh}开放：呼叫被接受。"));
            self.say("open", en, zh, json!({"open": true, "caller": source}));
            return Some(best.to.clone());
        }
        let trunks = match &best.open_to.trunks {
            OpenTrunks::Any => "every trunk".to_owned(),
            OpenTrunks::Only(trunks) if trunks.is_empty() => "no trunk".to_owned(),
            OpenTrunks::Only(trunks) => trunks.iter().map(TrunkId::as_str).collect::<Vec<_>>().join(", "),
        };
        let extensions = if best.open_to.extensions { "extensions" } else { "no extension" };
        let en = format!(
            "It is not open to {named}, only to {trunks} and {extensions}: the caller is refused with 403, and no wider \
             route is tried."
        );
        let zh = format!("它不对{named_zh}开放：主叫被以 403 拒绝，也不再尝试更宽的路由。");
        self.say("open", en, zh, json!({"open": false, "caller": source}));
        self.outcome = Outcome::Refused(403);
        None
    }

    fn destination(&mut self, config: &Config, to: &Destination, called: &str, caller: &str, when: When) {
        match to {
            Destination::Flow(flow) => self.flow(config, flow, when),
            Destination::Queue(queue) => self.queue(config, queue),
            Destination::Extension(agent) => {
                let en = format!("The phones of extension {agent} ring for a minute; then the caller gets 480.");
                let zh = format!("分机 {agent} 的话机振铃一分钟，无人接听则主叫收到 480。");
                self.say("extension", en, zh, json!({"extension": agent}));
            }
            Destination::Trunk { trunk, number } => {
                self.trunk(config, trunk, number.as_deref().unwrap_or(called), caller);
            }
            Destination::Test(_) => {}
        }
    }

    fn flow(&mut self, config: &Config, flow: &str, when: When) {
        let files = project::texts(&config.flows).unwrap_or_default();
        let sources = ivr::Sources { files: files.into_iter().map(|file| (file.path, file.text)).collect() };
        let Ok(bundle) = ivr::load(&sources, None, &|_, _| Some(0)) else {
            let en = format!("The flows have mistakes, see `hotline check`: flow {flow} cannot be looked into.");
            self.say(
                "flow",
                en,
                format!("流程有错误（见 `hotline check`），无法查看流程 {flow}。"),
                json!({"flow": flow}),
            );
            return;
        };
        let mentions = bundle.mentions(flow);
        for calendar in &mentions.calendars {
            let Some(local) = bundle.zone(calendar).and_then(|zone| when.in_zone(zone)) else { continue };
            let moment = u64::try_from(local.timestamp().as_millisecond()).unwrap_or(0);
            let hours = bundle.hours(calendar, moment).unwrap_or("closed");
            let local = local.strftime("%Y-%m-%d %H:%M %:z").to_string();
            let zh = match hours {
                "open" => "营业",
                "holiday" => "假日",
                _ => "非营业",
            };
            let en = format!("At {local} calendar {calendar} says: {hours}.");
            self.say(
                "hours",
                en,
                format!("{local} 日历 {calendar}：{zh}。"),
                json!({"calendar": calendar, "hours": hours, "at": local}),
            );
        }
        let led = [
            ("queue", "队列", &mentions.queues),
            ("extension", "分机", &mentions.agents),
            ("trunk", "中继", &mentions.trunks),
        ];
        let named = led.iter().flat_map(|(en, zh, names)| names.iter().map(move |name| (*en, *zh, name)));
        let named: Vec<_> = named.map(|(en, zh, name)| (format!("{en} {name}"), format!("{zh} {name}"))).collect();
        let join = |which: fn(&(String, String)) -> &String, between: &str| {
            named.iter().map(which).map(String::as_str).collect::<Vec<_>>().join(between)
        };
        let (en, zh) = match named.is_empty() {
            true => (format!("Flow {flow} leads nowhere else."), format!("流程 {flow} 不转往别处。")),
            false => (
                format!("Flow {flow} may lead to {}.", join(|(en, _)| en, ", ")),
                format!("流程 {flow} 可能转往：{}。", join(|(_, zh)| zh, "、")),
            ),
        };
        let data =
            json!({"flow": flow, "queues": mentions.queues, "extensions": mentions.agents, "trunks": mentions.trunks});
        self.say("flow", en, zh, data);
        for queue in &mentions.queues {
            self.queue(config, &QueueId::new(queue));
        }
    }

    fn queue(&mut self, config: &Config, queue: &QueueId) {
        let Some(known) = config.queues.get(queue) else { return };
        let agents = config.agents.values().filter(|agent| agent.queues.contains(queue)).count();
        let (wait, ring) = (show_duration(known.max_wait), show_duration(known.ring_timeout));
        let en = format!(
            "Queue {queue} has {agents} agents: each rings for {ring}, a caller waits {wait} at most, and {} wait at once.",
            known.max_len
        );
        let zh = format!(
            "队列 {queue} 有 {agents} 名坐席：每人振铃 {ring}，最长等待 {wait}，最多 {} 人排队。",
            known.max_len
        );
        self.say("queue", en, zh, json!({"queue": queue, "agents": agents, "max_len": known.max_len}));
    }

    fn trunk(&mut self, config: &Config, name: &TrunkId, number: &str, caller: &str) {
        let mut members: Vec<(u16, TrunkId)> = match config.trunk_groups.get(name) {
            Some(group) => group.members.iter().map(|member| (member.priority, member.trunk.clone())).collect(),
            None => vec![(0, name.clone())],
        };
        members.sort();
        if config.trunk_groups.contains_key(name) {
            let order = members.iter().map(|(_, trunk)| trunk.as_str()).collect::<Vec<_>>().join(", ");
            let en = format!("Group {name} is tried in this order, those that are down last: {order}.");
            let zh = format!("中继组 {name} 按此顺序尝试（故障者最后）：{order}。");
            self.say(
                "group",
                en,
                zh,
                json!({"group": name, "order": members.iter().map(|(_, trunk)| trunk).collect::<Vec<_>>()}),
            );
        }
        let mut of_use = false;
        for (_, trunk) in members {
            let Some(known) = config.trunks.get(&trunk) else { continue };
            if !known.enabled {
                let en = format!("Trunk {trunk} is disabled and passed over.");
                self.say(
                    "trunk",
                    en,
                    format!("中继 {trunk} 已停用，跳过。"),
                    json!({"trunk": trunk, "enabled": false}),
                );
                continue;
            }
            of_use = true;
            let numbers = &known.numbers;
            let (dialled, rule) = numbers.apply(&numbers.called_out, number);
            let shown = match &numbers.caller_id {
                CallerId::Hide => None,
                policy => policy.shown(caller).map(|shown| numbers.apply(&numbers.caller_out, &shown).0),
            };
            let host = known.gateway.as_ref().map(|gateway| gateway.host.clone()).unwrap_or_default();
            let by = rule.map(|nth| format!(" (its rule {nth})")).unwrap_or_default();
            let by_zh = rule.map(|nth| format!("（第 {nth} 条规则）")).unwrap_or_default();
            let (as_whom, as_whom_zh) = match &shown {
                Some(number) => {
                    (format!("showing {}", number.escape_debug()), format!("显示主叫 {}", number.escape_debug()))
                }
                None => ("showing no number".into(), "不显示主叫".into()),
            };
            let to = dialled.escape_debug().to_string();
            let en = format!("Trunk {trunk} is called with {to}{by} at {host}, {as_whom}.");
            let zh = format!("经中继 {trunk} 呼叫 {to}{by_zh}，地址 {host}，{as_whom_zh}。");
            let data =
                json!({"trunk": trunk, "number": dialled, "rule": rule, "host": host, "shows": shown, "enabled": true});
            self.say("trunk", en, zh, data);
        }
        if !of_use {
            let en = "No trunk is left that could take the call: the caller gets 503.";
            let zh = "没有可用的中继：主叫收到 503。";
            self.say("fallback", en.into(), zh.into(), json!({"status": 503}));
            self.outcome = Outcome::Refused(503);
            return;
        }
        let en = "A trunk that fails, is silent or full is followed by the next; after the last the caller gets 503.";
        self.say(
            "fallback",
            en.into(),
            "中继故障、无应答或满载时换下一条；全部失败则主叫收到 503。".into(),
            json!({"status": 503}),
        );
    }
}

fn destination_zh(to: &Destination) -> String {
    match to {
        Destination::Flow(flow) => format!("流程 {flow}"),
        Destination::Queue(queue) => format!("队列 {queue}"),
        Destination::Extension(agent) => format!("分机 {agent}"),
        Destination::Trunk { trunk, number: Some(number) } => format!("经中继 {trunk} 呼叫 {number}"),
        Destination::Trunk { trunk, number: None } => format!("经中继 {trunk} 呼叫同一号码"),
        Destination::Test(test) => format!("测试号码 {}", test.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    const YAML: &str = "version: 1\n\
        agents: [{id: \"1001\", password: a-long-password, queues: [service]}]\n\
        queues: {service: {max_wait: 10m}}\n\
        trunks:\n  \
          carrier: {sources: [192.0.2.0/28], address: 192.0.2.1, numbering: {plan: cn, area: \"10\"}, \
            in: {called: [{match: \"+8610*\", strip: 5}]}, out: {called: [{match: \"*\", to: e164}]}, \
            caller_id: {replace: \"01088886600\"}}\n  \
          spare: {address: 192.0.2.2, caller_id: {hide: true}}\n  \
          off: {sources: [192.0.2.64/28], address: 192.0.2.65, enabled: false}\n\
        trunk_groups: {outside: {members: [{trunk: spare, priority: 2}, {trunk: carrier}]}}\n\
        numbers:\n  \
          - {number: \"95598\", to: {queue: service}, open_to: [carrier]}\n  \
          - {number: \"955*\", to: {test: echo}}\n  \
          - {number: \"19*\", to: {trunk: {name: off}}}\n  \
          - {number: \"0*\", to: {trunk: {name: outside}}}\n";

    fn told(change: impl FnOnce(&mut ExplainArgs)) -> Story {
        let folder = TestFolder::new("explain");
        let file = folder.join(FILE_NAME);
        std::fs::write(&file, YAML).unwrap();
        let config = Config::load(&file).unwrap();
        let mut args = ExplainArgs { number: "95598".into(), from: None, trunk: None, at: None, lang: Lang::En };
        change(&mut args);
        story(&config, &args, When::Moment(jiff::Timestamp::UNIX_EPOCH)).unwrap_or_else(|failure| panic!("{failure:?}"))
    }

    #[track_caller]
    fn says(story: &Story, lang: Lang, parts: &[&str]) {
        let text = story.text(lang);
        for part in parts {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_call_by_a_trunk_is_told_from_its_number_to_its_queue() {
        let story = told(|args| {
            args.number = "+86-10-95598".into();
            args.trunk = Some("carrier".into());
            args.from = Some("13800138000".into());
        });
        assert_eq!(story.outcome, Outcome::Taken);
        says(
            &story,
            Lang::En,
            &[
                "becomes `95598`, by rule 1",
                "`955*` would match too",
                "open to trunk carrier",
                "has 1 agents",
                "waits 10m",
            ],
        );
        says(&story, Lang::Zh, &["变为 `95598`", "匹配路由 `95598`", "对中继 carrier开放", "队列 service"]);
        let json = story.json(Lang::En, "95598");
        assert_eq!((&json["taken"], &json["steps"][0]["step"]), (&json!(true), &json!("rewrite")));
    }

    #[test]
    fn a_call_to_a_group_is_told_trunk_by_trunk() {
        let story = told(|args| args.number = "075526771234".into());
        says(
            &story,
            Lang::En,
            &[
                "Group outside is tried in this order, those that are down last: carrier, spare.",
                "Trunk carrier is called with +8675526771234 (its rule 1) at 192.0.2.1, showing 01088886600.",
                "Trunk spare is called with 075526771234 at 192.0.2.2, showing no number.",
                "after the last the caller gets 503",
            ],
        );
        says(&story, Lang::Zh, &["中继组 outside", "不显示主叫"]);
    }

    #[test]
    fn a_trunk_that_is_disabled_neither_brings_a_call_nor_takes_one() {
        for name in [(Some("off"), None), (None, Some("off"))] {
            let story = told(|args| (args.from, args.trunk) = (name.0.map(str::to_string), name.1.map(str::to_string)));
            assert_eq!(story.outcome, Outcome::Refused(401), "{name:?}");
            says(&story, Lang::En, &["a call from its addresses is a stranger's"]);
        }
        let story = told(|args| args.number = "1900".into());
        assert_eq!(story.outcome, Outcome::Refused(503));
        says(&story, Lang::En, &["Trunk off is disabled and passed over", "No trunk is left"]);
    }

    #[test]
    fn a_call_that_is_refused_is_told_with_its_status() {
        for (number, from, status, part) in [
            ("1", None, 404, "No route has the number `1`: the caller gets 404"),
            ("1", Some("203.0.113.9"), 401, "401, as for every number"),
            ("95598", Some("203.0.113.9"), 401, "refused with 401, whatever the number"),
            ("0755", Some("192.0.2.3"), 403, "not open to trunk carrier"),
        ] {
            let story = told(|args| {
                args.number = number.into();
                args.from = from.map(str::to_string);
            });
            assert_eq!(story.outcome, Outcome::Refused(status), "{number}");
            says(&story, Lang::En, &[part]);
            assert_eq!(story.json(Lang::Zh, number)["status"], json!(status));
        }
        says(&told(|args| args.from = Some("192.0.2.3".into())), Lang::En, &["because of its source 192.0.2.0/28"]);
    }
}
