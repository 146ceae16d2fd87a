//! Carries the questions of flows to the desk, and the answers back.

use super::event_loop::Control;
use super::outside::Outside;
use crate::ids::CallId;
use crate::ivr::Value;
use crate::switch::SwitchBundle;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

pub(super) struct Lookups {
    pub control: mpsc::Sender<Control>,
    /// Where other systems are waited for.
    pub desk: Handle,
    pub outside: Arc<Outside>,
}

impl Lookups {
    pub(super) fn fetch(
        &self,
        (call, id): (CallId, u32),
        lookup: String,
        args: Vec<(String, Value)>,
        within: Duration,
        bundle: Arc<SwitchBundle>,
    ) {
        let (control, outside) = (self.control.clone(), self.outside.clone());
        self.desk.spawn(async move {
            let result = outside.look_up(&bundle.flows, &lookup, &args, within).await;
            // A queue that stays full means overload; the flow's own time limit is its answer then.
            let _ = control.send(Control::Fetched { call, id, result }).await;
        });
    }
}
