//! Who joins two that talk: a supervisor, whose phone is rung at an operator's wish and who listens, whispers or breaks in,
//! and takes the call over; and a third party, whom an agent has on another line.

use super::config::SupervisionNotice;
use super::join_link::{Seat, Side};
use super::{Switch, SwitchTimer};
use crate::call::NOTICE;
use crate::events::{EventKind, LegRole, SupervisionMode};
use crate::ids::{AgentId, CallId, LegId};
use crate::media::command::{MediaCmd, PlayItem, Tone};
use crate::timers::Now;
use std::sync::Arc;
use std::time::Duration;

/// How long a supervisor's phones ring.
const RING: Duration = Duration::from_secs(30);
/// Two short beeps.
pub(super) const BEEPS: Tone = Tone::Cadence { freqs: [440, 0], level_dbm0: -20, on_ms: 200, off_ms: 200, count: 2 };

/// Why an operator's wish about a call that is up is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfulfilled {
    NoCall,
    NobodyTalks,
    NoExtension,
    OwnCall,
    NoPhone,
    NotThere,
    NoCommonAgent,
    Apart,
    NotRecorded,
}

impl Unfulfilled {
    /// For whoever wished it, after "call ...: ".
    pub fn words(self) -> &'static str {
        match self {
            Self::NoCall => "no such call is up",
            Self::NobodyTalks => "no two talk in it, it is being transferred, or it is full",
            Self::NoExtension => "there is no such extension; `hotline agent list` shows those there are",
            Self::OwnCall => "that extension is a party of the call",
            Self::NoPhone => "no phone of that extension is registered",
            Self::NotThere => "that extension does not supervise the call, or no agent serves a caller in it",
            Self::NoCommonAgent => "no agent talks in both calls",
            Self::Apart => "the calls are in different media workers; transfer the caller instead",
            Self::NotRecorded => "it is not recorded",
        }
    }
}

impl Switch {
    /// Whether a supervisor may be rung for this call, or go on in another mode.
    pub fn may_supervise(&self, id: CallId, by: &AgentId) -> Result<(), Unfulfilled> {
        let entry = self.up(id)?;
        if !self.config.extensions.contains_key(by) {
            return Err(Unfulfilled::NoExtension);
        }
        if entry.call.is_supervised_by(by) {
            return Ok(());
        }
        if !entry.call.may_be_joined() {
            return Err(Unfulfilled::NobodyTalks);
        }
        if entry.call.legs().any(|leg| entry.agent_of(leg.id) == Some(by)) {
            return Err(Unfulfilled::OwnCall);
        }
        if !self.registrar.is_reachable(by.as_str()) {
            return Err(Unfulfilled::NoPhone);
        }
        Ok(())
    }

    pub(super) fn supervise(&mut self, now: Now, id: CallId, by: &AgentId, mode: SupervisionMode) {
        if self.may_supervise(id, by).is_err() {
            return;
        }
        if self.calls.get(&id).is_some_and(|entry| entry.call.is_supervised_by(by)) {
            return self.with_call(now, id, |call, out| call.change_mode(by, mode, out));
        }
        let devices = self.registrar.rounds(by.as_str(), None).into_iter().next().unwrap_or_default();
        let mut targets = self.targets(id, by, devices);
        let Some(entry) = self.calls.get_mut(&id) else { return };
        for (seat, target) in &mut targets {
            target.role = LegRole::Supervisor;
            entry.guests.insert(seat.id, Seat { serving: None, own: Some(by.clone()) });
            self.acd.agent_call_started(now.at, by);
            self.timers.set(SwitchTimer::GuestRings(id, seat.id), now.at + RING);
        }
        let whispered_to = entry.agent_side();
        if targets.is_empty() {
            let text = format!("supervisor {by} of call {id} was not rung: no RTP port is free");
            return self.emit(now, Some(id), EventKind::Alarm { text });
        }
        self.with_call(now, id, |call, out| call.supervise((by, mode, whispered_to), targets, out));
    }

    /// A supervisor's phone was answered: the two are told, if that is the policy.
    pub(super) fn on_supervisor_came(&mut self, now: Now, id: CallId, leg: LegId) {
        self.timers.clear(&SwitchTimer::GuestRings(id, leg));
        let clip = match &self.config.supervision {
            SupervisionNotice::None => return,
            SupervisionNotice::Tone => None,
            SupervisionNotice::Prompt(prompt) => self.bundle.clip(None, prompt),
        };
        // A prompt that is not there must not make a supervisor unheard of.
        let items: Arc<[PlayItem]> = Arc::from([clip.map_or(PlayItem::Tone(BEEPS), PlayItem::Clip)]);
        self.with_call(now, id, |call, out| {
            let [one, other] = [Some(call.caller()), call.partner()];
            for (hears, holds) in [(one, other), (other, one)] {
                // Whoever is held hears music until it is fetched back.
                if let (Some(leg), false) = (hears, holds.is_some_and(crate::call::Leg::is_held)) {
                    let items = items.clone();
                    let play = MediaCmd::Play { leg: leg.id, id: NOTICE, items, repeat: false, bargeable: false };
                    leg.media(play, out);
                }
            }
        });
    }

    /// A supervisor changes the mode by a key of the phone: 4 listens, 5 whispers, 6 breaks in.
    pub(super) fn on_guest_key(&mut self, now: Now, id: CallId, leg: LegId, key: char) {
        let mode = match key {
            '4' => SupervisionMode::Listen,
            '5' => SupervisionMode::Whisper,
            '6' => SupervisionMode::Barge,
            _ => return,
        };
        let by = self.calls.get(&id).and_then(|entry| entry.call.supervisor(leg)).cloned();
        if let Some(by) = by {
            self.with_call(now, id, |call, out| call.change_mode(&by, mode, out));
        }
    }

    pub(super) fn on_guest_gone(&mut self, now: Now, id: CallId, leg: LegId) {
        self.timers.clear(&SwitchTimer::GuestRings(id, leg));
        if let Some(seat) = self.calls.get_mut(&id).and_then(|entry| entry.guests.remove(&leg)) {
            self.leave_seat(now, seat);
        }
    }

    /// Whether this supervisor may take the caller from the agent.
    pub fn may_take_over(&self, id: CallId, by: &AgentId) -> Result<(), Unfulfilled> {
        let entry = self.up(id)?;
        let served = entry.call.partner().is_some_and(|partner| entry.agent_of(partner.id).is_some());
        match served && entry.call.is_bridged() && entry.call.is_attended_by(by) {
            true => Ok(()),
            false => Err(Unfulfilled::NotThere),
        }
    }

    pub(super) fn take_call_over(&mut self, now: Now, id: CallId, by: &AgentId) {
        if self.may_take_over(id, by).is_err() {
            return;
        }
        let recording = self.recording_again(id);
        let mut leg = None;
        self.with_call(now, id, |call, out| leg = call.take_over(by, recording, out));
        if let Some(leg) = leg {
            self.seat_guest(now, id, leg);
        }
    }

    /// One of the two has left, and a third who was with them goes on in its place.
    pub(super) fn on_third_stays(&mut self, now: Now, id: CallId, leg: LegId, recorded: bool) {
        let recording = if recorded { self.recording_for(id) } else { None };
        self.seat_guest(now, id, leg);
        self.with_call(now, id, |call, out| call.bridge(recording, out));
    }

    /// A guest sits where the partner sat, who is free.
    fn seat_guest(&mut self, now: Now, id: CallId, leg: LegId) {
        let Some(entry) = self.calls.get_mut(&id) else { return };
        let left = entry.take_seat(Side::Partner);
        let seat = entry.guests.remove(&leg).unwrap_or_default();
        entry.put_seat(Side::Partner, seat);
        self.leave_seat(now, left);
    }

    /// Whether whom an agent talks to in `other` may join its call `id`.
    pub fn may_join(&self, id: CallId, other: CallId) -> Result<(), Unfulfilled> {
        self.joinable(id, other).map(drop)
    }

    /// The agent's leg in the other call.
    fn joinable(&self, id: CallId, other: CallId) -> Result<LegId, Unfulfilled> {
        let (entry, lends) = (self.up(id)?, self.up(other)?);
        let talk = entry.call.may_be_joined() && lends.call.may_refer() && id != other;
        if !talk || entry.referral.is_some() || lends.referral.is_some() {
            return Err(Unfulfilled::NobodyTalks);
        }
        let two = |entry: &super::Entry| [Some(entry.call.caller().id), entry.call.partner().map(|leg| leg.id)];
        let here: Vec<&AgentId> = two(entry).into_iter().flatten().filter_map(|leg| entry.agent_of(leg)).collect();
        let of_both = |leg: &LegId| lends.agent_of(*leg).is_some_and(|agent| here.contains(&agent));
        let leg = two(lends).into_iter().flatten().find(of_both).ok_or(Unfulfilled::NoCommonAgent)?;
        if !self.are_beside(id, other) {
            return Err(Unfulfilled::Apart);
        }
        Ok(leg)
    }

    pub(super) fn join_calls(&mut self, now: Now, id: CallId, other: CallId) {
        let Ok(leaving) = self.joinable(id, other) else { return };
        let Some((given, seat, _)) = self.fetch(now, (other, leaving), id) else { return };
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.guests.insert(given.id, seat);
        }
        self.with_call(now, id, |call, out| call.add(given, out));
    }

    /// The keys by which an agent pauses or resumes the recording.
    pub(super) fn on_pause_key(&mut self, now: Now, leg: LegId) {
        let Some((id, _)) = self.legs.get(&leg).copied() else { return };
        let Some(entry) = self.calls.get(&id).filter(|entry| entry.call.is_recording()) else { return };
        let Some(by) = entry.agent_of(leg).cloned() else { return };
        self.with_call(now, id, |call, out| call.pause_key(leg, by, out));
    }

    /// Whether there is anything to pause or resume.
    pub fn may_pause_recording(&self, id: CallId) -> Result<(), Unfulfilled> {
        match self.up(id)?.call.is_recording() {
            true => Ok(()),
            false => Err(Unfulfilled::NotRecorded),
        }
    }

    fn up(&self, id: CallId) -> Result<&super::Entry, Unfulfilled> {
        self.calls.get(&id).filter(|entry| !entry.call.is_ended()).ok_or(Unfulfilled::NoCall)
    }
}

impl super::Entry {
    /// Who is whispered to: the agent of the two; who was called, if neither is one.
    fn agent_side(&self) -> LegId {
        let caller = self.call.caller().id;
        match self.call.partner() {
            Some(partner) if self.agent_of(partner.id).is_some() || self.agent_of(caller).is_none() => partner.id,
            _ => caller,
        }
    }
}
