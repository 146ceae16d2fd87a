//! Between a flow and its call: what the interpreter asks for becomes plays, timers, tickets and dials; what came of them
//! goes back as its events.

use super::queue_link::{MUSIC, NOTICE};
use super::supervision_link::BEEPS;
use super::voicemail_link::{TONE, Take};
use super::{Driver, Output, RememberedLanguage, Switch, SwitchBundle, SwitchTimer};
use crate::acd::{Enqueue, Leave, Lost, WaitRange};
use crate::call::DialPurpose;
use crate::events::{Cause, EndedBy, EventKind, KeySource, QueueOutcome};
use crate::ids::{AgentId, CallId, QueueId, Redacted, SkillId, TrunkId};
use crate::ivr::{
    self, Action, Event, QueueEnd, QueueEvent, Speech, Target, TraceEvent, TransferFailure, TransferResult,
};
use crate::media::command::{MediaCmd, PlayId, PlayItem, Tone};
use crate::timers::Now;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One flow at work for one call.
#[derive(Debug)]
pub(super) struct FlowRun {
    /// What the call began with; a reload does not touch it.
    pub(super) bundle: Arc<SwitchBundle>,
    pub(super) state: ivr::CallState,
    pub(super) flow: String,
    pub(super) began: Instant,
    timers: BTreeSet<u32>,
    /// The flow's play that is heard now.
    playing: Option<u32>,
    /// What is heard when no play runs.
    background: Option<Background>,
    /// The flow's id for its place in a queue, and what it asked for.
    queue: Option<(u32, Enqueue)>,
    /// The flow's id for its dial.
    transfer: Option<u32>,
    /// What goes along with that dial, by the names of the flow's variables.
    carry: Vec<(String, Redacted<String>)>,
    /// What the caller is speaking onto a recording.
    pub(super) take: Option<Take>,
    /// How the last key came, for the record.
    key_source: KeySource,
    position: String,
}

/// Characters of one variable that goes along.
const LONGEST_CARRIED: usize = 256;

#[derive(Clone, Debug)]
enum Background {
    Music(String),
    Ringing,
}

impl FlowRun {
    pub(super) fn timers(&self) -> impl Iterator<Item = u32> {
        self.timers.iter().copied()
    }

    /// The headers of what goes along with a dial that is under way. Whoever is called may be an old telephone, so that
    /// they are plain and short.
    pub(super) fn carried(&self) -> impl Iterator<Item = (String, String)> {
        let carry = self.transfer.map_or(&[][..], |_| &self.carry);
        carry.iter().map(|(name, value)| {
            let plain = value.expose().chars().map(|c| if c.is_control() { ' ' } else { c });
            (format!("X-Flow-{name}"), plain.take(LONGEST_CARRIED).collect())
        })
    }

    pub(super) fn transfer(&self) -> Option<u32> {
        self.transfer
    }

    /// Where the flow is, as `section/step`.
    pub(super) fn position(&self) -> &str {
        &self.position
    }
}

impl Switch {
    pub(super) fn start_flow(&mut self, now: Now, id: CallId, flow: &str) {
        let caller = self.calls.get(&id).map_or("", |entry| entry.from.as_str());
        let bundle = self.bundle_for(caller);
        let Some(state) = ivr::start(&bundle.flows, flow) else {
            let text =
                format!("number leads to flow `{flow}`, which is not in the bundle in force; see `hotline check`");
            self.emit(now, Some(id), EventKind::Alarm { text });
            self.end_call(now, id, Cause::Internal, EndedBy::System);
            return;
        };
        let Some(entry) = self.calls.get_mut(&id) else { return };
        let started = Event::Started {
            caller: Redacted::new(entry.from.clone()),
            called: entry.to.clone(),
            wall_ms: now.wall,
            lang: self.languages.of(&entry.from, now.wall),
        };
        let version = bundle.flows.version.clone();
        entry.driver = Driver::Flow(Box::new(FlowRun {
            bundle,
            state,
            flow: flow.to_string(),
            began: now.at,
            timers: BTreeSet::new(),
            playing: None,
            background: None,
            queue: None,
            transfer: None,
            carry: Vec::new(),
            take: None,
            key_source: KeySource::Rfc4733,
            position: String::new(),
        }));
        self.with_call(now, id, |call, out| call.answer(out));
        self.emit(now, Some(id), EventKind::FlowStarted { flow: flow.to_string(), version });
        if !self.live.is_empty() {
            self.step_flow(now, id, Event::Live { on: self.live.clone() });
        }
        self.step_flow(now, id, started);
    }

    /// Operators have flipped a switch; calls that run see it at their next step.
    pub(super) fn on_live(&mut self, now: Now, on: BTreeSet<String>) {
        for name in self.live.symmetric_difference(&on).cloned().collect::<Vec<_>>() {
            let on = on.contains(&name);
            self.emit(now, None, EventKind::SwitchFlipped { name, on });
        }
        self.live = on;
        let flows = self.calls.iter().filter(|(_, entry)| matches!(entry.driver, Driver::Flow(_)));
        let flows: Vec<CallId> = flows.map(|(id, _)| *id).collect();
        for id in flows {
            self.step_flow(now, id, Event::Live { on: self.live.clone() });
        }
    }

    /// Gives the flow one event and carries out what it asks for.
    pub(super) fn step_flow(&mut self, now: Now, id: CallId, event: Event) {
        let Some(run) = self.run(id) else { return };
        let at = now.at.saturating_duration_since(run.began).as_millis() as u64;
        let bundle = run.bundle.clone();
        let mut actions = Vec::new();
        ivr::step(&bundle.flows, &mut run.state, at, event, &mut actions);
        for action in actions {
            self.act_flow(now, id, action);
        }
    }

    /// The call has ended, whoever ended it: the flow closes its books.
    pub(super) fn end_flow(&mut self, now: Now, id: CallId) {
        let Some(entry) = self.calls.get(&id) else { return };
        let Some((cause, by)) = entry.call.end() else { return };
        let lost = matches!(cause, Cause::RtpTimeout | Cause::AckTimeout);
        self.step_flow(now, id, if lost || by == EndedBy::Caller { Event::CallerHungUp } else { Event::CallEnded });
    }

    pub(super) fn run(&mut self, id: CallId) -> Option<&mut FlowRun> {
        match self.calls.get_mut(&id).map(|entry| &mut entry.driver) {
            Some(Driver::Flow(run)) => Some(run),
            _ => None,
        }
    }

    pub(super) fn act_flow(&mut self, now: Now, id: CallId, action: Action) {
        let Some(run) = self.run(id) else { return };
        match action {
            Action::Play { id: play, items, bargeable } => {
                run.playing = Some(play);
                let items: Vec<PlayItem> = items.iter().filter_map(|item| sound(&run.bundle, item)).collect();
                self.play(now, id, PlayId(play), items, false, bargeable);
            }
            Action::StopPlay { id: play } => {
                if run.playing == Some(play) {
                    run.playing = None;
                    self.stop(now, id, PlayId(play));
                    self.play_background(now, id);
                }
            }
            Action::Music { on } => self.set_background(now, id, on.map(Background::Music)),
            Action::TimerSet { id: timer, due_ms } => {
                run.timers.insert(timer);
                let due = run.began + Duration::from_millis(due_ms);
                self.timers.set(SwitchTimer::Flow(id, timer), due);
            }
            Action::TimerClear { id: timer } => {
                run.timers.remove(&timer);
                self.timers.clear(&SwitchTimer::Flow(id, timer));
            }
            Action::Fetch { id: step, lookup, args, within_ms } => {
                let (within, bundle) = (Duration::from_millis(within_ms), run.bundle.clone());
                self.outputs.push_back(Output::Fetch { call: id, id: step, lookup, args, within, bundle });
            }
            Action::Post { id: step, what, fields } => {
                let bundle = run.bundle.clone();
                let Some(caller) = self.calls.get(&id).map(|entry| entry.from.clone()) else { return };
                self.outputs.push_back(Output::Post { call: id, id: step, caller, what, fields, bundle });
            }
            Action::Record { id: step, max_ms: _, quiet_ms, mailbox } => {
                self.begin_take(now, id, step, mailbox, Duration::from_millis(quiet_ms));
            }
            Action::RecordStop { .. } => self.end_take(now, id),
            Action::Enqueue { id: step, queue, skills, priority, max_wait_ms, leave_when_empty } => {
                let wish = Enqueue {
                    skills: skills.iter().map(SkillId::new).collect(),
                    max_wait: Some(Duration::from_millis(max_wait_ms)),
                    leave_when_empty,
                    ..Enqueue::new(QueueId::new(queue), priority)
                };
                run.queue = Some((step, wish.clone()));
                if !self.enqueue(now, id, wish) {
                    self.on_flow_queue_ended(now, id, QueueOutcome::Closed);
                }
            }
            Action::Dequeue { .. } => {
                run.queue = None;
                if let Some((ticket, _)) = self.calls.get_mut(&id).and_then(|entry| entry.ticket.take()) {
                    self.acd.leave(now.at, ticket, Leave::Left);
                    // The flow may join another queue at once: whoever counts the callers hears of this end first.
                    self.hear_acd(now);
                }
            }
            Action::Dial { id: step, target, ring_ms, carry } => {
                run.transfer = Some(step);
                run.carry = carry;
                self.set_background(now, id, Some(Background::Ringing));
                let purpose = DialPurpose::Transfer(step);
                let ring_time = Duration::from_millis(ring_ms);
                let dialed = match target {
                    Target::Agent(agent) | Target::Ext(agent) => {
                        let agent = AgentId::new(agent);
                        self.visit(now, id, &agent);
                        self.dial_extension(now, id, purpose, &agent, ring_time).is_ok()
                    }
                    Target::Trunk { trunk, number } => {
                        self.dial_trunk(now, id, purpose, &TrunkId::new(trunk), &number, ring_time)
                    }
                };
                if !dialed {
                    self.on_transfer_failed(now, id, step, Cause::Unreachable);
                }
            }
            Action::DialCancel { .. } => {
                run.transfer = None;
                self.timers.clear(&SwitchTimer::RingOut(id));
                self.end_trunk_hunt(id);
                self.set_background(now, id, None);
                self.end_visit(now, id);
                self.with_call(now, id, |call, out| call.stop_dialing(Cause::Cancelled, out));
            }
            Action::Trace(trace) => self.trace_flow(now, id, trace),
            Action::Hangup { cause } => {
                let talked = self.calls.get(&id).is_some_and(|entry| entry.partner_left);
                let by = if talked { EndedBy::Agent } else { EndedBy::Flow };
                self.end_call(now, id, cause, by);
            }
        }
    }

    fn trace_flow(&mut self, now: Now, id: CallId, trace: TraceEvent) {
        let Some(entry) = self.calls.get_mut(&id) else { return };
        let leg = entry.call.caller().id;
        let Driver::Flow(run) = &mut entry.driver else { return };
        let via = run.key_source;
        let kind = match trace {
            // Entering the flow is told with its version; entering a subflow shows in its steps.
            TraceEvent::Started { .. } => return,
            TraceEvent::Step { flow, section, step, verb } => {
                run.position = format!("{section}/{step}");
                let flow = if flow == run.flow { String::new() } else { flow };
                EventKind::FlowStep { flow, section, step, verb: verb.into() }
            }
            TraceEvent::Outcome { flow: _, section, step, verb, outcome, asked } => {
                EventKind::FlowOutcome { section, step, verb: verb.into(), outcome, asked }
            }
            TraceEvent::Left { flow: _, section, step, verb: _, during, asked } => {
                EventKind::FlowLeft { section, step, during, asked }
            }
            TraceEvent::Counted { end, closed, account } => EventKind::ServiceEnded { end, closed, account },
            TraceEvent::Key { key } => EventKind::Key { leg, key, via },
            TraceEvent::Collected { name, shown } => EventKind::Collected { name, shown },
            TraceEvent::Language { lang, remember_s } => {
                let caller = entry.from.clone();
                if let Some(seconds) = remember_s {
                    let choice = RememberedLanguage { caller, lang: lang.clone(), until: now.wall + seconds * 1000 };
                    if self.languages.remember(&choice, now.wall) {
                        self.outputs.push_back(Output::Remember(choice));
                    }
                }
                EventKind::Tagged { tag: format!("language:{lang}") }
            }
            TraceEvent::Tagged { tag } => EventKind::Tagged { tag },
            TraceEvent::Resolved { topic } => EventKind::Resolved { topic },
            TraceEvent::Answered { form, question, answer } => EventKind::Answered { form, question, answer },
            TraceEvent::Posted { what, name, reference } => EventKind::Posted { what: what.into(), name, reference },
            TraceEvent::Limit { which } => {
                EventKind::Alarm { text: format!("flow `{}` at `{}`: {}", run.flow, run.position, way_out(which)) }
            }
            TraceEvent::Ended { flow, outcome } => EventKind::FlowEnded { flow, outcome: outcome.into() },
        };
        self.emit(now, Some(id), kind);
    }

    pub(super) fn on_flow_key(&mut self, now: Now, id: CallId, key: char, via: KeySource) {
        if let Some(run) = self.run(id) {
            run.key_source = via;
            self.step_flow(now, id, Event::Key(key));
        }
    }

    pub(super) fn on_flow_timer(&mut self, now: Now, id: CallId, timer: u32) {
        if let Some(run) = self.run(id)
            && run.timers.remove(&timer)
        {
            self.step_flow(now, id, Event::Timer { id: timer });
        }
    }

    pub(super) fn on_flow_play_done(&mut self, now: Now, id: CallId, play: PlayId, heard_ms: u32) {
        if play == TONE {
            return self.on_tone_done(now, id);
        }
        let Some(run) = self.run(id) else { return };
        if play == NOTICE {
            return self.play_background(now, id);
        }
        if run.playing != Some(play.0) {
            return;
        }
        run.playing = None;
        self.step_flow(now, id, Event::PlayDone { id: play.0, heard_ms });
        self.play_background(now, id);
    }

    pub(super) fn on_fetched(&mut self, now: Now, id: CallId, step: u32, result: ivr::LookupResult) {
        self.step_flow(now, id, Event::Lookup { id: step, result });
    }

    pub(super) fn on_posted(&mut self, now: Now, id: CallId, step: u32, reference: Option<String>) {
        self.step_flow(now, id, Event::Posted { id: step, reference });
    }

    pub(super) fn on_position(&mut self, now: Now, id: CallId, ahead: u32, wait: Option<WaitRange>) {
        if let Some((step, _)) = self.run(id).and_then(|run| run.queue.clone()) {
            let wait_s = wait.map(|range| range.high_s.unwrap_or(range.low_s));
            self.step_flow(now, id, Event::Queue { id: step, event: QueueEvent::Position { ahead, wait_s } });
        }
    }

    /// An agent took the caller. The flow's sounds stop before the two are joined.
    pub(super) fn on_flow_queue_answered(&mut self, now: Now, id: CallId) {
        let Some(run) = self.run(id) else { return };
        let step = run.queue.as_ref().map(|(step, _)| *step);
        if let Some(step) = step {
            self.step_flow(now, id, Event::Queue { id: step, event: QueueEvent::Answered });
        }
        self.silence(now, id);
    }

    pub(super) fn on_flow_queue_ended(&mut self, now: Now, id: CallId, outcome: QueueOutcome) {
        let Some((step, _)) = self.run(id).and_then(|run| run.queue.take()) else { return };
        let end = match outcome {
            QueueOutcome::Timeout => QueueEnd::Timeout,
            QueueOutcome::Full => QueueEnd::Full,
            QueueOutcome::NoAgents => QueueEnd::NoAgents,
            QueueOutcome::Closed => QueueEnd::Closed,
            // Its own doing: the flow waits for nothing.
            QueueOutcome::Answered | QueueOutcome::Abandoned | QueueOutcome::Left => return,
        };
        self.step_flow(now, id, Event::Queue { id: step, event: QueueEvent::Ended(end) });
    }

    /// The agent's phone was lost in mid-call: the caller waits again, before everybody else. Without such a queue any
    /// more the wait has ended for the flow. False when no queue had given the agent.
    pub(super) fn on_flow_agent_lost(&mut self, now: Now, id: CallId, lost: Lost) -> bool {
        let Some((step, wish)) = self.run(id).and_then(|run| run.queue.clone()) else { return false };
        self.step_flow(now, id, Event::Queue { id: step, event: QueueEvent::Back });
        if self.run(id).is_some_and(|run| run.playing.is_none()) {
            self.play(now, id, NOTICE, vec![PlayItem::Tone(BEEPS)], false, false);
        }
        if !self.enqueue(now, id, Enqueue { returning: true, lost: Some(lost), ..wish }) {
            self.on_flow_queue_ended(now, id, QueueOutcome::Closed);
        }
        true
    }

    /// Whom the caller talked to has gone. The queue that gave the agent has no more to do with the call. False when no
    /// flow drives it.
    pub(super) fn on_flow_agent_gone(&mut self, now: Now, id: CallId) -> bool {
        let Some(run) = self.run(id) else { return false };
        run.queue = None;
        self.step_flow(now, id, Event::AgentGone);
        true
    }

    pub(super) fn on_transfer_answered(&mut self, now: Now, id: CallId, step: u32) {
        if let Some(run) = self.run(id) {
            run.transfer = None;
        }
        self.set_background(now, id, None);
        self.step_flow(now, id, Event::Transfer { id: step, result: TransferResult::Answered });
        self.silence(now, id);
        let recording = self.recording_for(id);
        self.with_call(now, id, |call, out| call.bridge(recording, out));
    }

    pub(super) fn on_transfer_failed(&mut self, now: Now, id: CallId, step: u32, cause: Cause) {
        let Some(run) = self.run(id) else { return };
        if run.transfer.take() != Some(step) {
            return;
        }
        self.end_visit(now, id);
        self.set_background(now, id, None);
        let failure = match cause {
            Cause::Busy => TransferFailure::Busy,
            Cause::NoAnswer => TransferFailure::NoAnswer,
            Cause::Unreachable | Cause::TrunkDown | Cause::Limit | Cause::Overload => TransferFailure::Unreachable,
            _ => TransferFailure::Rejected,
        };
        self.step_flow(now, id, Event::Transfer { id: step, result: TransferResult::Failed(failure) });
    }

    fn set_background(&mut self, now: Now, id: CallId, background: Option<Background>) {
        let Some(run) = self.run(id) else { return };
        let was_on = run.background.is_some();
        let is_on = background.is_some();
        run.background = background;
        if is_on {
            self.play_background(now, id);
        } else if was_on {
            self.stop(now, id, MUSIC);
        }
    }

    /// Starts what is heard between plays, unless a play runs.
    fn play_background(&mut self, now: Now, id: CallId) {
        let Some(run) = self.run(id) else { return };
        if run.playing.is_some() {
            return;
        }
        let Some(background) = &run.background else { return };
        let item = match background {
            Background::Ringing => PlayItem::Tone(Tone::Ringback),
            Background::Music(name) => match run.bundle.clip(None, name) {
                Some(clip) => PlayItem::Clip(clip),
                None => PlayItem::Tone(Tone::MusicOnHold),
            },
        };
        if self.calls.get(&id).is_some_and(|entry| !entry.call.is_bridged()) {
            self.play(now, id, MUSIC, vec![item], true, false);
        }
    }

    /// Nothing of the flow's is heard any more.
    fn silence(&mut self, now: Now, id: CallId) {
        let Some(run) = self.run(id) else { return };
        run.background = None;
        let playing = run.playing.take();
        for play in [Some(MUSIC), playing.map(PlayId)].into_iter().flatten() {
            self.stop(now, id, play);
        }
    }

    pub(super) fn play(
        &mut self,
        now: Now,
        id: CallId,
        play: PlayId,
        items: Vec<PlayItem>,
        repeat: bool,
        bargeable: bool,
    ) {
        self.with_call(now, id, |call, out| {
            let leg = call.caller().id;
            call.caller().media(MediaCmd::Play { leg, id: play, items: Arc::from(items), repeat, bargeable }, out);
        });
    }

    pub(super) fn stop(&mut self, now: Now, id: CallId, play: PlayId) {
        self.with_call(now, id, |call, out| {
            let leg = call.caller().id;
            call.caller().media(MediaCmd::StopPlay { leg, id: play }, out);
        });
    }
}

/// Why a flow had to take its way out, and what to do about it.
fn way_out(which: &str) -> &'static str {
    match which {
        "steps" | "loop" => {
            "the call went in a circle; look for sections that lead to each other without a key or time"
        }
        "time" => "the caller had been with the machine for 15 minutes; look whether the way to an agent is found",
        "depth" => "subflows call each other too deep; look for a circle of `call`",
        "lookups" => "the call made too many lookups and the next ones fail; look for a circle through `lookup`",
        "fault" => "a value could not be computed; look at the expressions of the step and what its lookups gave",
        "no_target" => "the queue ended in a way that the step has no section for; add `not_answered`",
        _ => "the step could not go on, which is a fault of this program; please report it",
    }
}

/// The audio of one piece of speech. A piece without audio was warned of when the bundle was checked.
fn sound(bundle: &SwitchBundle, speech: &Speech) -> Option<PlayItem> {
    match speech {
        Speech::Prompt { lang, id } => bundle.clip(Some(lang), id).map(PlayItem::Clip),
        Speech::Atom { lang, id } => bundle.clip(Some(lang), id).map(PlayItem::Clip),
        Speech::Silence(ms) => Some(PlayItem::Silence(*ms)),
    }
}
