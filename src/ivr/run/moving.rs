//! Calls that wait at a question begin again elsewhere, in a version that mends what they wait in.

use super::state::{CallState, Wait};
use super::{Action, Bundle, Run};

/// Lets a call that listens or is asked begin again in `section` of its entry flow in `new`, with its language and nothing
/// else of what it had entered. False, and nothing changes, for a call that waits for something else or when there is no
/// such section.
pub fn move_call(
    old: &Bundle,
    state: &mut CallState,
    (new, section): (&Bundle, &str),
    at: u64,
    out: &mut Vec<Action>,
) -> bool {
    let waits = matches!(state.wait, Wait::Key(_) | Wait::Prompt(_) | Wait::Timer(_));
    let entry = state.frames.first().and_then(|frame| old.flows.get(usize::from(frame.flow)));
    let place = entry.and_then(|flow| {
        let index = new.flow_index(&flow.name)?;
        Some((u16::try_from(index).ok()?, new.flows.get(index)?.section_index(section)?))
    });
    let Some((flow, section)) = place.filter(|_| waits) else { return false };
    state.at = state.at.max(at);
    let mut run = Run { bundle: old, state, out };
    run.release();
    run.left("moved".into());
    run.clock_stop();
    let mut moved = CallState::new(new.version.clone(), flow, state.lang.clone());
    if let Some(frame) = moved.frames.first_mut() {
        frame.section = section;
    }
    moved.caller.clone_from(&state.caller);
    moved.called.clone_from(&state.called);
    (moved.wall_ms, moved.at, moved.last_id) = (state.wall_ms, state.at, state.last_id);
    (moved.lang_known, moved.wait) = (state.lang_known, Wait::Nothing);
    moved.live = std::mem::take(&mut state.live);
    moved.books = std::mem::take(&mut state.books);
    moved.held_hours = std::mem::take(&mut state.held_hours);
    *state = moved;
    let mut run = Run { bundle: new, state, out };
    run.clock_start();
    let next = run.enter_current();
    run.advance(next);
    run.note_human();
    true
}
