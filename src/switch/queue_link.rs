//! Between the distributor and calls: a ticket becomes music, an offer becomes a ringing phone, an answer a bridge.

use super::kept::KeptWrapUp;
use super::supervision_link::BEEPS;
use super::{Driver, Output, Switch};
use crate::acd::{AcdOutput, AfterCall, AfterCallRefused, Enqueue, Lost, MAX_PRIORITY};
use crate::call::DialPurpose;
use crate::events::{Cause, EndedBy, EventKind, OfferResult, QueueOutcome};
use crate::ids::{AgentId, CallId, QueueId, Redacted, TicketId};
use crate::ivr::is_dialable;
use crate::media::command::{PlayId, PlayItem, RecordingId, Tone};
use crate::timers::Now;

/// Music while waiting; told apart from a flow's own plays, which count up from 1.
pub(super) const MUSIC: PlayId = PlayId(u32::MAX - 1);

/// What a caller hears whose agent was lost and for whom the flow has no words.
pub(super) const NOTICE: PlayId = PlayId(u32::MAX - 3);

/// Of a caller of whom nothing is known; 9 is the most urgent.
pub(super) const USUAL_PRIORITY: u8 = 5;

impl Switch {
    /// A number that leads straight to a queue: answered when there is room, music, then an agent. A caller for whom
    /// there is none hears the network's busy tone and pays nothing.
    pub(super) fn start_queue(&mut self, now: Now, id: CallId, queue: QueueId) {
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.driver = Driver::Queue(queue.clone());
        }
        if !self.enqueue(now, id, unprompted(queue, None)) {
            self.end_call(now, id, Cause::Internal, EndedBy::System);
            return;
        }
        let ticket = self.calls.get(&id).and_then(|entry| entry.ticket.as_ref());
        if ticket.is_some_and(|(ticket, _)| self.acd.holds(*ticket)) {
            self.with_call(now, id, |call, out| call.answer(out));
            self.wait_with_music(now, id);
        }
    }

    /// A notice, music and a place in front for a caller who had an agent. False when no queue had given the agent.
    pub(super) fn return_to_queue(&mut self, now: Now, id: CallId, lost: Lost) -> bool {
        let queue = match self.calls.get(&id).map(|entry| &entry.driver) {
            Some(Driver::Flow(_)) => return self.on_flow_agent_lost(now, id, lost),
            Some(Driver::Queue(queue)) => queue.clone(),
            Some(Driver::Direct | Driver::Test(_)) | None => return false,
        };
        self.play(now, id, MUSIC, vec![PlayItem::Tone(BEEPS), PlayItem::Tone(Tone::MusicOnHold)], true, false);
        self.enqueue(now, id, unprompted(queue, Some(lost)))
    }

    fn wait_with_music(&mut self, now: Now, id: CallId) {
        self.play(now, id, MUSIC, vec![PlayItem::Tone(Tone::MusicOnHold)], true, false);
    }

    /// The far side of a queue's call is gone otherwise than by hanging up. The agent may come back; one whose phone was
    /// lost twice in a call is passed over until set ready, as its way to us is at fault.
    pub(super) fn on_agent_lost(&mut self, now: Now, id: CallId, agent: AgentId) -> Option<Lost> {
        let since = self.acd.waiting_since(&agent).unwrap_or(now.at);
        self.acd.agent_lost(now.at, &agent);
        let entry = self.calls.get_mut(&id)?;
        if entry.lost.as_ref() == Some(&agent) {
            let _ = self.acd.set_not_ready(now.at, &agent, "lost");
            return Some(Lost { since, agent: None });
        }
        entry.lost = Some(agent.clone());
        self.look_for(now, &agent);
        Some(Lost { since, agent: Some(agent) })
    }

    /// Puts a caller into a queue. False when there is no such queue.
    pub(super) fn enqueue(&mut self, now: Now, id: CallId, mut wish: Enqueue) -> bool {
        let ticket = TicketId(self.fresh_id());
        let priority = if wish.lost.is_some() { MAX_PRIORITY } else { wish.priority };
        let queue = wish.queue.clone();
        let Some(entry) = self.calls.get_mut(&id) else { return false };
        // All who withhold their number come under one name, and none of them is known by it.
        wish.caller = is_dialable(&entry.from).then(|| Redacted::new(entry.from.clone()));
        entry.ticket = Some((ticket, queue.clone()));
        self.tickets.insert(ticket, id);
        if self.acd.enqueue(now.at, ticket, wish).is_err() {
            self.tickets.remove(&ticket);
            if let Some(entry) = self.calls.get_mut(&id) {
                entry.ticket = None;
            }
            return false;
        }
        let position = self.acd.waiting(&queue) as u32;
        self.emit(now, Some(id), EventKind::Queued { ticket, queue, priority, position });
        true
    }

    pub(super) fn hear_acd(&mut self, now: Now) {
        while let Some(output) = self.acd.poll() {
            self.on_acd(now, output);
        }
    }

    pub(super) fn on_acd(&mut self, now: Now, output: AcdOutput) {
        match output {
            AcdOutput::Offer { ticket, agent, queue, deadline } => {
                let Some(id) = self.tickets.get(&ticket).copied() else { return };
                self.emit(now, Some(id), EventKind::Offered { ticket, queue, agent: agent.clone() });
                let ring_time = deadline.saturating_duration_since(now.at);
                let purpose = DialPurpose::Offer { ticket, agent: agent.clone() };
                match self.dial_extension(now, id, purpose, &agent, ring_time) {
                    Ok(()) => {}
                    Err(Cause::Overload) => self.end_offer(now, ticket, &agent, OfferResult::NoPort),
                    Err(cause) => self.on_offer_failed(now, ticket, &agent, cause),
                }
            }
            AcdOutput::WithdrawOffer { ticket, agent, why } => {
                let Some(id) = self.tickets.get(&ticket).copied() else { return };
                let (result, cause) = match why {
                    crate::acd::Withdrawal::RingTimeout => (OfferResult::NoAnswer, Cause::NoAnswer),
                    crate::acd::Withdrawal::CallerGone => (OfferResult::Withdrawn, Cause::Cancelled),
                    crate::acd::Withdrawal::AgentGone => (OfferResult::Unreachable, Cause::Unreachable),
                };
                self.emit(now, Some(id), EventKind::OfferEnded { ticket, agent, result });
                self.with_call(now, id, |call, out| call.stop_dialing(cause, out));
            }
            AcdOutput::TicketEnded { ticket, queue, outcome, waited } => {
                let Some(id) = self.tickets.remove(&ticket) else { return };
                let waited_ms = waited.as_millis() as u64;
                self.emit(now, Some(id), EventKind::Dequeued { ticket, queue, outcome, waited_ms });
                let Some(entry) = self.calls.get_mut(&id) else { return };
                // A flow that has left this queue may be in another by now, which it is nothing to.
                let held = entry.ticket.take_if(|(held, _)| *held == ticket);
                if held.is_some() && outcome != QueueOutcome::Answered {
                    self.on_ticket_ended(now, id, outcome);
                }
            }
            AcdOutput::Position { ticket, ahead, wait } => {
                if let Some(id) = self.tickets.get(&ticket).copied() {
                    self.on_position(now, id, ahead, wait);
                }
            }
            AcdOutput::WrapUp { agent, wrap_up } => {
                let wrap_up =
                    wrap_up.map(|wrap_up| KeptWrapUp::of(now, wrap_up, self.last_served.get(&agent).copied()));
                self.outputs.push_back(Output::KeepWrapUp { agent, wrap_up });
            }
            AcdOutput::Pause { agent, reason } => self.outputs.push_back(Output::KeepPause { agent, reason }),
            AcdOutput::Lending { plan, to, on, pressure, by_hand } => {
                let longest_wait_ms = pressure.longest_wait.unwrap_or_default().as_millis() as u64;
                let waiting = pressure.waiting.unwrap_or_default();
                self.emit(now, None, EventKind::Lending { plan, to, on, longest_wait_ms, waiting, by_hand });
            }
            AcdOutput::Lent { agent, plan, to, on } => {
                self.emit(now, None, EventKind::AgentLent { agent, plan, to, on })
            }
            AcdOutput::AgentState { agent, state, reason } => {
                self.emit(now, None, EventKind::AgentState { agent, state, reason })
            }
        }
    }

    /// Agents who had gone away before the process ended are still away. Those who are no agents any more are forgotten.
    pub(super) fn restore_pauses(&mut self, now: Now, pauses: Vec<(AgentId, String)>) {
        for (agent, reason) in pauses {
            if self.acd.set_not_ready(now.at, &agent, &reason).is_err() {
                self.outputs.push_back(Output::KeepPause { agent, reason: None });
            }
        }
    }

    /// Who wrapped a call up when the process ended goes on with it for the rest of the time.
    pub(super) fn restore_wrap_ups(&mut self, now: Now, wrap_ups: Vec<(AgentId, KeptWrapUp)>) {
        for (agent, kept) in wrap_ups {
            self.last_served.extend(kept.call.map(|call| (agent.clone(), call)));
            if self.acd.restore_wrap_up(now.at, &agent, kept.read(now)).is_err() {
                self.outputs.push_back(Output::KeepWrapUp { agent, wrap_up: None });
            }
        }
    }

    /// Whether an agent may do this about the last call, and what the code means that is given.
    pub fn may_after_call(&self, agent: &AgentId, wish: &AfterCall) -> Result<Option<String>, AfterCallRefused> {
        self.acd.may_after_call(agent, wish)
    }

    pub(super) fn after_call(&mut self, now: Now, agent: AgentId, wish: &AfterCall) -> Result<(), AfterCallRefused> {
        let code = self.acd.after_call(now.at, &agent, wish)?;
        if let (Some(code), Some(call)) = (code, self.last_served.get(&agent).copied()) {
            self.emit(now, Some(call), EventKind::Disposed { agent, code });
        }
        Ok(())
    }

    /// The wait ended without an agent.
    fn on_ticket_ended(&mut self, now: Now, id: CallId, outcome: QueueOutcome) {
        let Some(entry) = self.calls.get(&id) else { return };
        if entry.call.is_ended() {
            return;
        }
        match entry.driver {
            Driver::Flow(_) => self.on_flow_queue_ended(now, id, outcome),
            _ if outcome == QueueOutcome::Full => self.end_call(now, id, Cause::Busy, EndedBy::System),
            _ => self.end_call(now, id, Cause::NoAnswer, EndedBy::System),
        }
    }

    pub(super) fn on_offer_answered(&mut self, now: Now, id: CallId, ticket: TicketId, agent: AgentId) {
        if !self.acd.offer_answered(now.at, ticket, &agent) {
            self.with_call(now, id, |call, out| call.dismiss(Cause::AnsweredElsewhere, out));
            return;
        }
        self.emit(now, Some(id), EventKind::OfferEnded { ticket, agent: agent.clone(), result: OfferResult::Answered });
        self.last_served.insert(agent.clone(), id);
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.serving = Some(agent);
        }
        if matches!(self.calls.get(&id).map(|entry| &entry.driver), Some(Driver::Flow(_))) {
            self.on_flow_queue_answered(now, id);
        } else {
            self.stop(now, id, MUSIC);
        }
        let recording = self.recording_for(id);
        self.with_call(now, id, |call, out| call.bridge(recording, out));
    }

    pub(super) fn on_offer_failed(&mut self, now: Now, ticket: TicketId, agent: &AgentId, cause: Cause) {
        let result = match cause {
            Cause::Busy => OfferResult::Busy,
            Cause::NoAnswer => OfferResult::NoAnswer,
            Cause::Declined | Cause::Forbidden => OfferResult::Declined,
            _ => OfferResult::Unreachable,
        };
        self.end_offer(now, ticket, agent, result);
    }

    fn end_offer(&mut self, now: Now, ticket: TicketId, agent: &AgentId, result: OfferResult) {
        let call = self.tickets.get(&ticket).copied();
        // What follows from it comes out of the distributor's `poll`, so after this event.
        if self.acd.offer_failed(now.at, ticket, agent, result) {
            self.emit(now, call, EventKind::OfferEnded { ticket, agent: agent.clone(), result });
        }
    }

    /// The id of the next recording of a call: counts up, and names the call in its upper part.
    pub(super) fn recording_for(&mut self, id: CallId) -> Option<RecordingId> {
        let project = self.calls.get(&id)?.project.as_ref();
        let own = self.config.projects.iter().find(|of| Some(&of.id) == project).and_then(|of| of.recording);
        own.unwrap_or(self.config.recording).then(|| RecordingId(self.fresh_id()))
    }
}

/// What a caller wishes whom no flow has asked anything.
pub(super) fn unprompted(queue: QueueId, lost: Option<Lost>) -> Enqueue {
    Enqueue { returning: lost.is_some(), lost, ..Enqueue::new(queue, USUAL_PRIORITY) }
}
