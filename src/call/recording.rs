//! What of a call is recorded, and when not.

use super::{Call, CallOutput, Leg, MediaOut, NOTICE};
use crate::events::EventKind;
use crate::ids::{AgentId, LegId};
use crate::media::command::{MediaCmd, PlayItem, RecordingId, Tone, WorkerId};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(super) struct Recording {
    id: RecordingId,
    worker: WorkerId,
    /// Of the caller alone, who may fall silent.
    alone: bool,
}

impl Call {
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Recorded, but not what is said now.
    pub fn is_recording_paused(&self) -> bool {
        self.paused && self.is_recording()
    }

    /// Records what the two say who are bridged. What was paused stays so, whoever talks to the caller by now: to resume it
    /// takes one key, and what is in the file cannot be taken back. Agents hear that it is.
    pub(super) fn record_both(&mut self, recording: RecordingId, out: &mut Vec<CallOutput>) {
        let far = self.partner.as_ref().map(|partner| partner.id);
        self.begin_recording(recording, far, out);
        if self.paused {
            out.media(self.caller.worker(), MediaCmd::RecordPause { recording, paused: true });
        }
        for party in self.two() {
            party.may_pause(true, out);
            if self.paused && party.agent.is_some() {
                beep(party, true, out);
            }
        }
    }

    /// Records what the caller says, until [`stop_recording`](Self::stop_recording) or the end of the call, and waits for
    /// the caller to say nothing for `quiet`. Nobody has paused what a machine asked for.
    pub fn record(&mut self, recording: RecordingId, quiet: Duration, out: &mut Vec<CallOutput>) {
        self.stop_recording(out);
        self.paused = false;
        self.begin_recording(recording, None, out);
        out.media(self.caller.worker(), MediaCmd::AwaitSilence { leg: self.caller.id, after: Some(quiet) });
    }

    fn begin_recording(&mut self, id: RecordingId, far: Option<LegId>, out: &mut Vec<CallOutput>) {
        let worker = self.caller.worker();
        self.recording = Some(Recording { id, worker, alone: far.is_none() });
        self.unwritten += 1;
        out.media(worker, MediaCmd::RecordStart { call: self.id, near: self.caller.id, far, recording: id });
    }

    pub fn stop_recording(&mut self, out: &mut Vec<CallOutput>) {
        if let Some(recording) = self.recording.take() {
            out.media(recording.worker, MediaCmd::RecordStop { recording: recording.id });
            if recording.alone {
                out.media(recording.worker, MediaCmd::AwaitSilence { leg: self.caller.id, after: None });
            }
            self.two().for_each(|party| party.may_pause(false, out));
        }
    }

    /// What is said while a recording is paused becomes silence in it, of the same length. `by`: the agent, or an operator.
    pub fn pause_recording(&mut self, paused: bool, by: Option<AgentId>, out: &mut Vec<CallOutput>) {
        let Some(recording) = self.recording.filter(|_| self.paused != paused) else { return };
        self.paused = paused;
        out.media(recording.worker, MediaCmd::RecordPause { recording: recording.id, paused });
        out.push(CallOutput::Event(match paused {
            true => EventKind::RecordingPaused { by },
            false => EventKind::RecordingResumed { by },
        }));
    }

    /// An agent pauses or resumes the recording by its keys, and hears which it was.
    pub fn pause_key(&mut self, leg: LegId, by: AgentId, out: &mut Vec<CallOutput>) {
        let paused = !self.paused;
        self.pause_recording(paused, Some(by), out);
        if let Some(party) = self.legs().find(|party| party.id == leg) {
            beep(party, paused, out);
        }
    }

    fn two(&self) -> impl Iterator<Item = &Leg> {
        std::iter::once(&self.caller).chain(&self.partner)
    }

    /// The recorder has completed or lost a recording of this call.
    pub fn recording_written(&mut self, out: &mut Vec<CallOutput>) {
        if self.unwritten > 0 {
            self.unwritten -= 1;
            self.close(out);
        }
    }
}

/// One beep: it is paused. Two: it goes on.
fn beep(party: &Leg, paused: bool, out: &mut Vec<CallOutput>) {
    let count = if paused { 1 } else { 2 };
    let tone = Tone::Cadence { freqs: [440, 0], level_dbm0: -20, on_ms: 150, off_ms: 100, count };
    let items = Arc::from([PlayItem::Tone(tone)]);
    party.media(MediaCmd::Play { leg: party.id, id: NOTICE, items, repeat: false, bargeable: false }, out);
}
