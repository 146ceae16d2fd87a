//! What of a call is recorded, and when not.

use super::{Call, CallOutput, MediaOut};
use crate::events::EventKind;
use crate::ids::AgentId;
use crate::media::command::{MediaCmd, RecordingId, WorkerId};

#[derive(Clone, Copy, Debug)]
pub(super) struct Recording {
    id: RecordingId,
    worker: WorkerId,
    paused: bool,
}

impl Call {
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Recorded, but not what is said now.
    pub fn is_recording_paused(&self) -> bool {
        self.recording.is_some_and(|recording| recording.paused)
    }

    /// Records what the two say who are bridged.
    pub(super) fn record_both(&mut self, recording: RecordingId, out: &mut Vec<CallOutput>) {
        let far = self.partner.as_ref().map(|partner| partner.id);
        self.begin_recording(recording, far, out);
        if let Some(partner) = &self.partner {
            partner.may_pause(true, out);
        }
    }

    /// Records what the caller says, until [`stop_recording`](Self::stop_recording) or the end of the call.
    pub fn record(&mut self, recording: RecordingId, out: &mut Vec<CallOutput>) {
        self.stop_recording(out);
        self.begin_recording(recording, None, out);
    }

    fn begin_recording(&mut self, id: RecordingId, far: Option<crate::ids::LegId>, out: &mut Vec<CallOutput>) {
        let worker = self.caller.worker();
        self.recording = Some(Recording { id, worker, paused: false });
        self.unwritten += 1;
        out.media(worker, MediaCmd::RecordStart { call: self.id, near: self.caller.id, far, recording: id });
    }

    pub fn stop_recording(&mut self, out: &mut Vec<CallOutput>) {
        if let Some(recording) = self.recording.take() {
            out.media(recording.worker, MediaCmd::RecordStop { recording: recording.id });
            if let Some(partner) = &self.partner {
                partner.may_pause(false, out);
            }
        }
    }

    /// What is said while a recording is paused becomes silence in it, of the same length. `by`: the agent, or an operator.
    pub fn pause_recording(&mut self, paused: bool, by: Option<AgentId>, out: &mut Vec<CallOutput>) {
        let Some(recording) = self.recording.as_mut().filter(|recording| recording.paused != paused) else { return };
        recording.paused = paused;
        out.media(recording.worker, MediaCmd::RecordPause { recording: recording.id, paused });
        out.push(CallOutput::Event(match paused {
            true => EventKind::RecordingPaused { by },
            false => EventKind::RecordingResumed { by },
        }));
    }

    /// The recorder has completed or lost a recording of this call.
    pub fn recording_written(&mut self, out: &mut Vec<CallOutput>) {
        if self.unwritten > 0 {
            self.unwritten -= 1;
            self.close(out);
        }
    }
}
