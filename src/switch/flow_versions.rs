//! Which version of the flows a call takes, and calls that are moved to another one.

use super::{Driver, Switch, SwitchBundle};
use crate::events::EventKind;
use crate::ids::CallId;
use crate::ivr;
use crate::timers::Now;
use std::sync::Arc;

impl Switch {
    /// What a new call of `caller` takes: a version on trial for a share of the callers, each always the same.
    pub(super) fn bundle_for(&self, caller: &str) -> Arc<SwitchBundle> {
        let canary = self.canary.as_ref();
        let canary = canary.filter(|(bundle, percent)| is_among(caller, bundle.flows.version.as_str(), *percent));
        canary.map_or(&self.bundle, |(bundle, _)| bundle).clone()
    }

    /// Calls that wait at a question begin again in `section` of the version in force. Whoever waits in a queue, is being
    /// connected or talks stays where it is.
    pub(super) fn move_calls(&mut self, now: Now, section: &str) {
        let flows = self.calls.iter().filter(|(_, entry)| matches!(entry.driver, Driver::Flow(_)));
        let flows: Vec<CallId> = flows.map(|(id, _)| *id).collect();
        let mut moved = 0;
        for id in flows {
            let bundle = self.bundle.clone();
            let Some(run) = self.run(id) else { continue };
            let at = now.at.saturating_duration_since(run.began).as_millis() as u64;
            let mut actions = Vec::new();
            let to = (&*bundle.flows, section);
            if !ivr::move_call(&run.bundle.flows, &mut run.state, to, at, &mut actions) {
                continue;
            }
            let (flow, version) = (run.flow.clone(), bundle.flows.version.clone());
            run.bundle = bundle;
            moved += 1;
            self.emit(now, Some(id), EventKind::FlowEnded { flow: flow.clone(), outcome: "moved".into() });
            self.emit(now, Some(id), EventKind::FlowStarted { flow, version });
            for action in actions {
                self.act_flow(now, id, action);
            }
        }
        let text = format!("{moved} calls that waited at a question began again at `{section}`");
        self.emit(now, None, EventKind::Alarm { text });
    }
}

/// FNV-1a of version and caller, mixed, so that each version is tried out on others.
fn is_among(caller: &str, version: &str, percent: u8) -> bool {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for octet in version.bytes().chain([0]).chain(caller.bytes()) {
        hash = (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash ^ (hash >> 33)) % 100 < u64::from(percent)
}

#[cfg(test)]
mod tests {
    use super::is_among;

    #[test]
    fn a_share_of_the_callers_is_that_share_and_another_one_for_another_version() {
        let caller = |n: u32| format!("138{n:08}");
        for percent in [1, 10, 50] {
            let taken = (0..20_000).filter(|n| is_among(&caller(*n), "f00d", percent)).count();
            let expected = 200 * usize::from(percent);
            assert!(taken.abs_diff(expected) < expected / 5 + 30, "{taken} at {percent} %");
        }
        let both = (0..20_000).filter(|n| is_among(&caller(*n), "f00d", 10) && is_among(&caller(*n), "beef", 10));
        assert!((100..320).contains(&both.count()));
    }
}
