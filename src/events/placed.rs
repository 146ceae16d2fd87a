//! Calls that the switch itself begins.

use super::EventKind;
use serde::{Deserialize, Serialize};

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placed {
    /// Somebody had an agent connected with a number.
    Asked,
    /// A caller was promised it.
    Callback,
}

impl EventKind {
    /// Whether it is the first of its call.
    pub fn begins_call(&self) -> bool {
        matches!(self, EventKind::CallArrived { .. } | EventKind::CallPlaced { .. })
    }
}
