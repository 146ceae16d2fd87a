//! What an agent does after a call: its time, its end, and the code that the queue may want.

use super::agent::{AgentKey, Duty};
use super::disposition::{Dispositions, NoDisposition};
use super::distributor::{Acd, Deadline};
use super::{AcdOutput, UnknownAgent};
use crate::ids::{AgentId, QueueId};
use std::fmt;
use std::time::{Duration, Instant};

/// Nobody is away from the callers for longer by one call.
pub const LONGEST_WRAP_UP: Duration = Duration::from_secs(3600);

/// What an agent may do about the call at hand or the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterCall {
    /// Ready before the time is over.
    End,
    /// So much longer than the time that is left.
    Extend(Duration),
    /// Says what the call was about, also while it goes on.
    Dispose(String),
}

/// A wrap-up as it is now, to be there after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappingUp {
    pub queue: QueueId,
    pub until: Instant,
    /// The queue wants a code that the agent has not given.
    pub owes: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterCallRefused {
    Unknown(UnknownAgent),
    NoWrapUp,
    NoCall,
    Owes,
    TooLong,
    Code(NoDisposition),
}

impl fmt::Display for AfterCallRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(agent) => agent.fmt(f),
            Self::NoWrapUp => f.write_str("the agent is in no wrap-up"),
            Self::NoCall => f.write_str("the agent has no call of a queue, nor wraps one up"),
            Self::Owes => f.write_str("the queue wants to know what the call was about; give its code first"),
            Self::TooLong => write!(f, "a wrap-up lasts {} min at most", LONGEST_WRAP_UP.as_secs() / 60),
            Self::Code(refused) => refused.fmt(f),
        }
    }
}

impl Acd {
    /// The agent's part in a queue call is over: wrap-up begins. Nothing happens when the agent is not in one.
    pub fn call_ended(&mut self, now: Instant, agent: &AgentId) {
        let Some(key) = self.agent_keys.get(agent).copied() else { return };
        let Duty::Talking { queue, since, wrap_up, owes, .. } = &self.agents[key].duty else { return };
        let (queue, since, wrap_up, owes) = (queue.clone(), *since, *wrap_up, *owes);
        self.agents[key].duty = Duty::WrapUp { queue, talk: Some(since), since: now, until: now + wrap_up, owes };
        if wrap_up.is_zero() {
            return self.wrap_up_over(now, key);
        }
        self.timers.set(Deadline::WrapUp(key), now + wrap_up);
        self.tell_wrap_up(key);
        self.settle(now, key, None);
    }

    /// The time is over. Who owes a code is asked for it as long as it takes.
    pub(super) fn wrap_up_over(&mut self, now: Instant, key: AgentKey) {
        self.end_wrap_up(now, key, true);
    }

    /// What is owed after it, is owed on; the call's time ends here in any case.
    fn end_wrap_up(&mut self, now: Instant, key: AgentKey, may_owe: bool) {
        let duty = std::mem::replace(&mut self.agents[key].duty, Duty::Free);
        if let Duty::WrapUp { queue, talk, owes, .. } = duty {
            if let (Some(queue), Some(talk)) = (self.queue_keys.get(&queue), talk) {
                self.queues[*queue].estimator.handled(now.saturating_duration_since(talk));
            }
            if owes && may_owe {
                self.agents[key].duty = Duty::Owes { queue, since: now };
            }
        }
        self.timers.clear(&Deadline::WrapUp(key));
        self.tell_wrap_up(key);
        self.settle(now, key, None);
    }

    /// After a reload: nobody owes a code to a queue that has none any more, and who is no agent any more owes nothing.
    pub(super) fn forgive(&mut self, now: Instant) {
        for key in self.agents.iter().map(|(key, _)| key).collect::<Vec<_>>() {
            let agent = &self.agents[key];
            let (Duty::Talking { queue, owes: true, .. }
            | Duty::WrapUp { queue, owes: true, .. }
            | Duty::Owes { queue, .. }) = &agent.duty
            else {
                continue;
            };
            if agent.leaving || self.codes_of(queue).is_none() {
                self.owes_no_more(now, key);
            }
        }
    }

    fn owes_no_more(&mut self, now: Instant, key: AgentKey) {
        match &mut self.agents[key].duty {
            Duty::Free | Duty::Ringing { .. } => {}
            Duty::Talking { owes, .. } => *owes = false,
            Duty::WrapUp { owes, .. } => {
                *owes = false;
                self.tell_wrap_up(key);
                self.settle(now, key, None);
            }
            Duty::Owes { .. } => self.end_wrap_up(now, key, false),
        }
    }

    /// The codes of a queue that has some.
    fn codes_of(&self, queue: &QueueId) -> Option<&Dispositions> {
        let codes = &self.queues[*self.queue_keys.get(queue)?].config.dispositions;
        (!codes.codes.is_empty()).then_some(codes)
    }

    /// What the code means that is given, if any; or why it may not be.
    pub fn may_after_call(&self, agent: &AgentId, wish: &AfterCall) -> Result<Option<String>, AfterCallRefused> {
        let key = self.known(agent).map_err(AfterCallRefused::Unknown)?;
        match (wish, &self.agents[key].duty) {
            (AfterCall::End, Duty::WrapUp { owes: true, .. } | Duty::Owes { .. }) => Err(AfterCallRefused::Owes),
            (AfterCall::Extend(by), Duty::WrapUp { since, until, .. }) => {
                match until.saturating_duration_since(*since).saturating_add(*by) <= LONGEST_WRAP_UP {
                    true => Ok(None),
                    false => Err(AfterCallRefused::TooLong),
                }
            }
            (AfterCall::End, Duty::WrapUp { .. }) => Ok(None),
            (AfterCall::End | AfterCall::Extend(_), _) => Err(AfterCallRefused::NoWrapUp),
            (
                AfterCall::Dispose(code),
                Duty::Talking { queue, .. } | Duty::WrapUp { queue, .. } | Duty::Owes { queue, .. },
            ) => {
                let codes = self.codes_of(queue).ok_or(AfterCallRefused::Code(NoDisposition::None))?;
                codes.find(code).map(Some).map_err(AfterCallRefused::Code)
            }
            (AfterCall::Dispose(_), _) => Err(AfterCallRefused::NoCall),
        }
    }

    /// Does it, and gives the meaning of the code.
    pub fn after_call(
        &mut self,
        now: Instant,
        agent: &AgentId,
        wish: &AfterCall,
    ) -> Result<Option<String>, AfterCallRefused> {
        let meaning = self.may_after_call(agent, wish)?;
        let key = self.known(agent).map_err(AfterCallRefused::Unknown)?;
        match (wish, &mut self.agents[key].duty) {
            (AfterCall::Extend(by), Duty::WrapUp { until, .. }) => {
                *until += *by;
                self.timers.set(Deadline::WrapUp(key), *until);
                self.tell_wrap_up(key);
                self.settle(now, key, None);
            }
            (AfterCall::Dispose(_), _) => self.owes_no_more(now, key),
            _ => self.end_wrap_up(now, key, false),
        }
        Ok(meaning)
    }

    /// What was left of a wrap-up when the process ended. Nothing happens to an agent who has begun something else.
    pub fn restore_wrap_up(&mut self, now: Instant, agent: &AgentId, left: WrappingUp) -> Result<(), UnknownAgent> {
        let key = self.known(agent)?;
        if self.agents[key].duty != Duty::Free {
            return Ok(());
        }
        let WrappingUp { queue, until, owes } = left;
        let owes = owes && self.codes_of(&queue).is_some();
        self.agents[key].duty = Duty::WrapUp { queue, talk: None, since: now, until, owes };
        match until <= now {
            true => self.wrap_up_over(now, key),
            false => {
                self.timers.set(Deadline::WrapUp(key), until);
                self.settle(now, key, None);
            }
        }
        Ok(())
    }

    fn tell_wrap_up(&mut self, key: AgentKey) {
        let agent = &self.agents[key];
        let wrap_up = match &agent.duty {
            Duty::WrapUp { queue, until, owes, .. } => {
                Some(WrappingUp { queue: queue.clone(), until: *until, owes: *owes })
            }
            Duty::Owes { queue, since } => Some(WrappingUp { queue: queue.clone(), until: *since, owes: true }),
            Duty::Free | Duty::Ringing { .. } | Duty::Talking { .. } => None,
        };
        self.outputs.push_back(AcdOutput::WrapUp { agent: agent.id.clone(), wrap_up });
    }
}
