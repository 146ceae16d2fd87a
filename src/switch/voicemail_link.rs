//! Between a flow and the recorder: a tone, what the caller says after it, and where that goes. A message that is complete
//! goes to its mailbox also when the caller has hung up.

use super::test_number::BEEP;
use super::{Output, Switch};
use crate::events::EventKind;
use crate::ids::CallId;
use crate::ivr::{Event, Kept, Mailbox};
use crate::media::command::{PlayId, PlayItem, RecordingId};
use crate::timers::Now;
use std::time::Duration;

/// No play of a flow has this name.
pub(super) const TONE: PlayId = PlayId(u32::MAX - 2);

/// One recording that a flow has asked for.
#[derive(Debug)]
pub(super) struct Take {
    /// The flow's id for it.
    step: u32,
    mailbox: Option<Mailbox>,
    /// It ends when the caller says nothing for so long.
    quiet: Duration,
    state: State,
}

#[derive(Debug)]
enum State {
    Tone,
    /// The recorder was asked; it will say which file it is.
    Begun,
    Running {
        file: String,
    },
}

impl Switch {
    pub(super) fn begin_take(&mut self, now: Now, id: CallId, step: u32, mailbox: Option<Mailbox>, quiet: Duration) {
        if let Some(run) = self.run(id) {
            run.take = Some(Take { step, mailbox, quiet, state: State::Tone });
            self.play(now, id, TONE, vec![PlayItem::Tone(BEEP)], false, false);
        }
    }

    pub(super) fn on_tone_done(&mut self, now: Now, id: CallId) {
        let recording = RecordingId(self.fresh_id());
        let Some(take) = self.run(id).and_then(|run| run.take.as_mut()) else { return };
        if matches!(take.state, State::Tone) {
            take.state = State::Begun;
            let quiet = take.quiet;
            self.with_call(now, id, |call, out| call.record(recording, quiet, out));
        }
    }

    /// The flow wants no more. What was said comes back with the recorder's word that the file is complete.
    pub(super) fn end_take(&mut self, now: Now, id: CallId) {
        let Some(run) = self.run(id) else { return };
        match run.take.take_if(|take| matches!(take.state, State::Tone)) {
            Some(take) => {
                self.stop(now, id, TONE);
                self.step_flow(now, id, Event::Recorded { id: take.step, kept: None });
            }
            None => self.with_call(now, id, |call, out| call.stop_recording(out)),
        }
    }

    /// The caller has said what there was to say: as if the flow had had enough.
    pub(super) fn on_take_silent(&mut self, now: Now, id: CallId) {
        if self.run(id).is_some_and(|run| run.take.is_some()) {
            self.end_take(now, id);
        }
    }

    /// What the recorder says of the call's files, of which a take is one.
    pub(super) fn on_take_fact(&mut self, now: Now, id: CallId, fact: &EventKind) {
        let Some(run) = self.run(id) else { return };
        let Some(take) = run.take.as_mut() else { return };
        let kept = match (fact, &take.state) {
            (EventKind::RecordingStarted { file }, State::Begun) => {
                take.state = State::Running { file: file.clone() };
                return;
            }
            (EventKind::RecordingEnded { file, length_ms }, State::Running { file: own }) if file == own => {
                Some(Kept { file: file.clone(), length_ms: u32::try_from(*length_ms).unwrap_or(u32::MAX) })
            }
            // Whose file it was is not said. Were it an older one, this one would run on with nobody to end it.
            (EventKind::RecordingFailed { .. }, State::Begun) => None,
            (EventKind::RecordingFailed { file, .. }, State::Running { file: own }) if file == own => None,
            // An agent's call before it, whose file is completed late.
            _ => return,
        };
        let bundle = run.bundle.clone();
        let Some(Take { step, mailbox, .. }) = run.take.take() else { return };
        self.with_call(now, id, |call, out| call.stop_recording(out));
        let caller = self.calls.get(&id).map(|entry| entry.from.clone()).unwrap_or_default();
        if let (Some(mailbox), Some(kept)) = (mailbox, kept.clone()) {
            self.outputs.push_back(Output::Spoken { call: id, caller, mailbox, kept, bundle });
        }
        self.step_flow(now, id, Event::Recorded { id: step, kept });
    }
}
