//! Why a caller still waits, and why an agent has this caller or none: in plain sentences, for whoever is asked on the floor.

use super::LOGGED_OUT;
use super::agent::{Agent, Duty, Intent};
use super::config::Strategy;
use super::distributor::Acd;
use super::skill::{Level, SkillKey};
use super::ticket::{Ticket, TicketState};
use crate::ids::{AgentId, QueueId, TicketId};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Agents or callers told one by one; of more the number.
const TOLD: usize = 50;

/// Sentences, the same in each language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Explained {
    pub en: Vec<String>,
    pub zh: Vec<String>,
}

impl Explained {
    fn say(&mut self, en: impl Into<String>, zh: impl Into<String>) {
        self.en.push(en.into());
        self.zh.push(zh.into());
    }
}

/// Why an agent was offered a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The caller waited for this agent alone.
    Awaited,
    /// The agent became free, and this caller stood first of those whom the agent may serve.
    StoodFirst { waited: Duration },
    /// Of the idle agents who could, the strategy named this one.
    Named { strategy: Strategy, idle: Duration },
}

/// What keeps an agent from a caller.
enum Hindrance {
    NoPhone,
    LoggedOut,
    Lost,
    Paused { reason: String, left: Option<Duration> },
    Rings { ticket: TicketId },
    Talks { since: Duration },
    OwnCall,
    WrapsUp { left: Duration },
    OwesCode,
    OtherQueues { opens: Option<Duration> },
    Lacks { skill: String, has: Level, wants: Level, opens: Option<Duration> },
}

impl Hindrance {
    fn words(&self) -> (String, String) {
        let opens = |opens: &Option<Duration>| match opens {
            Some(left) => (format!("; will do after {} more", span(*left)), format!("，再等{}后可以", zh_span(*left))),
            None => (String::new(), String::new()),
        };
        match self {
            Self::LoggedOut => ("has logged out".into(), "已签出".into()),
            Self::NoPhone => ("is not logged in: no phone is registered".into(), "未登录：没有已注册的话机".into()),
            Self::Lost => {
                ("is waited for: the phone was lost in the middle of a call".into(), "通话中话机失联，等待恢复".into())
            }
            Self::Paused { reason, left: None } => (format!("is not ready: {reason}"), format!("示忙：{reason}")),
            Self::Paused { reason, left: Some(left) } => (
                format!("is not ready for {} more: {reason}", span(*left)),
                format!("示忙：{reason}，还有{}", zh_span(*left)),
            ),
            Self::Rings { ticket } => {
                (format!("is being rung for caller {ticket}"), format!("正在为来电 {ticket} 振铃"))
            }
            Self::Talks { since } => {
                (format!("talks to a caller, for {}", span(*since)), format!("通话中，已{}", zh_span(*since)))
            }
            Self::OwnCall => ("is on a call of its own".into(), "正在进行非队列通话".into()),
            Self::WrapsUp { left } => {
                (format!("wraps up for {} more", span(*left)), format!("话后整理，还有{}", zh_span(*left)))
            }
            Self::OwesCode => ("has yet to say what the last call was about".into(), "尚未填写上一通电话的小结".into()),
            Self::OtherQueues { opens: when } => {
                let (en, zh) = opens(when);
                (format!("serves other queues{en}"), format!("服务于其他队列{zh}"))
            }
            Self::Lacks { skill, has, wants, opens: when } => {
                let (en, zh) = opens(when);
                (
                    format!("has {skill} {has} where {wants} is asked for{en}"),
                    format!("技能 {skill} 为 {has}，要求 {wants}{zh}"),
                )
            }
        }
    }
}

impl Acd {
    /// Why this caller waits; `None` when none of this id does.
    pub fn explain_ticket(&self, now: Instant, id: TicketId) -> Option<Explained> {
        let ticket = self.tickets.get(&id)?;
        let queue = &self.queues[ticket.queue];
        let name = &queue.config.id;
        let (waited, ahead) = (now.saturating_duration_since(ticket.joined), queue.ahead_of(&ticket.place));
        let left = ticket.until.saturating_duration_since(now);
        let mut told = Explained::default();
        told.say(
            format!(
                "Caller {id} has waited in {name} for {}, with {ahead} ahead; the wait ends in {}.",
                span(waited),
                span(left)
            ),
            format!(
                "来电 {id} 在队列 {name} 已等待{}，前面有 {ahead} 位，{}后等待结束。",
                zh_span(waited),
                zh_span(left)
            ),
        );
        match ticket.state {
            TicketState::Offered { agent, deadline } => {
                let (who, left) = (called(&self.agents[agent]), deadline.saturating_duration_since(now));
                told.say(
                    format!("{who} is being rung for this caller, for {} more.", span(left)),
                    format!("正在为其呼叫坐席 {who}，还有{}。", zh_span(left)),
                );
                return Some(told);
            }
            TicketState::Reserved { agent } => {
                let who = called(&self.agents[agent]);
                told.say(
                    format!("The place is kept for {who} alone for a while."),
                    format!("暂时只为坐席 {who} 保留。"),
                );
            }
            TicketState::Waiting | TicketState::PutOff => {}
        }
        let could = |agent: &Agent| agent.queues.iter().any(|queue| self.may_reach(ticket, *queue));
        let agents: Vec<&Agent> =
            self.agent_keys.values().map(|key| &self.agents[*key]).filter(|agent| could(agent)).collect();
        if agents.is_empty() {
            told.say("No agent serves this queue.", "没有坐席服务于该队列。");
        }
        for agent in agents.iter().take(TOLD) {
            let (en, zh) = match self.unable(now, ticket, agent).or_else(|| occupied(now, agent)) {
                Some(hindrance) => hindrance.words(),
                None => ("is free, and others come before this caller".into(), "空闲，但另有来电排在前面".into()),
            };
            told.say(format!("{} {en}.", called(agent)), format!("坐席 {}：{zh}。", called(agent)));
        }
        if let more @ 1.. = agents.len().saturating_sub(TOLD) {
            told.say(format!("And {more} more agents."), format!("另有 {more} 位坐席。"));
        }
        Some(told)
    }

    /// What the agent does, why the last caller came here, and why those who wait do not.
    pub fn explain_agent(&self, now: Instant, id: &AgentId) -> Option<Explained> {
        let agent = &self.agents[*self.agent_keys.get(id)?];
        let who = called(agent);
        let mut told = Explained::default();
        let (en, zh) = occupied(now, agent).map_or_else(|| ("is ready".into(), "空闲".into()), |why| why.words());
        told.say(format!("{who} {en}."), format!("坐席 {who}：{zh}。"));
        if let Some((ticket, choice)) = &agent.chosen {
            let (en, zh) = match choice {
                Choice::Awaited => ("waited for this agent alone".into(), "只等待该坐席".to_string()),
                Choice::StoodFirst { waited } => (
                    format!("stood first when the agent became free, after {}", span(*waited)),
                    format!("在该坐席空闲时排在最前，已等待{}", zh_span(*waited)),
                ),
                Choice::Named { strategy, idle } => {
                    let named = Strategy::ALL.iter().find(|(_, known)| known == strategy).map_or("", |(name, _)| name);
                    (
                        format!("came by the strategy {named}; the agent had been idle for {}", span(*idle)),
                        format!("按策略 {named} 选中该坐席，其已空闲{}", zh_span(*idle)),
                    )
                }
            };
            told.say(format!("The last caller, {ticket}, {en}."), format!("最近一位来电 {ticket}：{zh}。"));
        }
        let waiting: Vec<(TicketId, &Ticket)> = self
            .tickets
            .iter()
            .filter(|(_, ticket)| {
                !ticket.is_offered() && agent.queues.iter().any(|queue| self.may_reach(ticket, *queue))
            })
            .map(|(id, ticket)| (*id, ticket))
            .collect();
        if waiting.is_empty() {
            told.say("No caller waits whom this agent serves.", "没有等待该坐席服务的来电。");
        }
        for (id, ticket) in waiting.iter().take(TOLD) {
            let (en, zh) = match self.unable(now, ticket, agent) {
                Some(Hindrance::Lacks { skill, has, wants, .. }) => (
                    format!("asks for {skill} {wants}; the agent has {has}"),
                    format!("要求技能 {skill} {wants}，该坐席为 {has}"),
                ),
                Some(_) => ("is for agents of other queues so far".into(), "目前只由其他队列的坐席服务".into()),
                None => ("waits for an agent like this one".into(), "等待此类坐席".into()),
            };
            let queue: &QueueId = &self.queues[ticket.queue].config.id;
            told.say(format!("Caller {id} in {queue} {en}."), format!("队列 {queue} 的来电 {id}：{zh}。"));
        }
        if let more @ 1.. = waiting.len().saturating_sub(TOLD) {
            told.say(format!("And {more} more callers."), format!("另有 {more} 位来电。"));
        }
        Some(told)
    }

    /// Agents of this queue may serve the caller now or after a longer wait.
    fn may_reach(&self, ticket: &Ticket, queue: super::queue::QueueKey) -> bool {
        let steps = &self.queues[ticket.queue].config.matching.widen;
        let named = steps.iter().flat_map(|step| &step.agents_of).filter_map(|id| self.queue_keys.get(id));
        ticket.reach.queues.contains(&queue) || named.into_iter().any(|key| *key == queue)
    }

    /// Why the agent is not one of those who may serve the caller now.
    fn unable(&self, now: Instant, ticket: &Ticket, agent: &Agent) -> Option<Hindrance> {
        let reach = &ticket.reach;
        let serves = |queues: &[usize]| agent.queues.iter().any(|queue| queues.contains(queue));
        let lack = agent.skills.lack(&reach.wants);
        if serves(&reach.queues) && lack.is_none() {
            return None;
        }
        let waited = now.saturating_duration_since(ticket.joined);
        let later = self.queues[ticket.queue].config.matching.widen.iter().map(|step| step.after);
        let opens = later.filter(|after| *after > waited).find(|after| {
            let reach = self.reach(ticket.queue, &ticket.asked, *after);
            serves(&reach.queues) && agent.skills.lack(&reach.wants).is_none()
        });
        let opens = opens.map(|after| after - waited);
        Some(match lack.filter(|_| serves(&reach.queues)) {
            Some((skill, has, wants)) => Hindrance::Lacks { skill: self.skill_name(skill), has, wants, opens },
            None => Hindrance::OtherQueues { opens },
        })
    }

    fn skill_name(&self, key: SkillKey) -> String {
        self.skills.iter().find(|(_, known)| **known == key).map(|(name, _)| name.to_string()).unwrap_or_default()
    }
}

/// What the agent does that keeps it from any caller.
fn occupied(now: Instant, agent: &Agent) -> Option<Hindrance> {
    Some(match (&agent.duty, &agent.intent) {
        (Duty::Ringing { ticket, .. }, _) => Hindrance::Rings { ticket: *ticket },
        (Duty::Talking { since, .. }, _) => Hindrance::Talks { since: now.saturating_duration_since(*since) },
        (Duty::WrapUp { until, .. }, _) => Hindrance::WrapsUp { left: until.saturating_duration_since(now) },
        _ if agent.other_calls > 0 => Hindrance::OwnCall,
        _ if !agent.reachable || agent.leaving => Hindrance::NoPhone,
        (_, Intent::NotReady { reason, .. }) if reason == LOGGED_OUT => Hindrance::LoggedOut,
        (Duty::Owes { .. }, _) => Hindrance::OwesCode,
        (Duty::Free, Intent::Lost) => Hindrance::Lost,
        (Duty::Free, Intent::NotReady { reason, until }) => Hindrance::Paused {
            reason: reason.to_string(),
            left: until.map(|until| until.saturating_duration_since(now)),
        },
        (Duty::Free, Intent::Ready) => return None,
    })
}

fn called(agent: &Agent) -> String {
    match agent.name.is_empty() || agent.name == agent.id.as_str() {
        true => agent.id.to_string(),
        false => format!("{} ({})", agent.id, agent.name),
    }
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        s if s < 60 => format!("{s} s"),
        s if s < 3600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

fn zh_span(time: Duration) -> String {
    match time.as_secs() {
        s if s < 60 => format!("{s}秒"),
        s if s < 3600 => format!("{}分{}秒", s / 60, s % 60),
        s => format!("{}小时{}分", s / 3600, s % 3600 / 60),
    }
}
