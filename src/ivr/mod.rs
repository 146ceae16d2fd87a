//! The IVR: flows that admins write in YAML, their checker, and the interpreter that carries a caller through them.
//!
//! Pure. It opens no file, reads no clock and knows nothing of SIP, media or queues: [`load`] is handed texts, [`step`] is
//! handed one [`Event`] and leaves [`Action`]s. What a flow may not do to a caller (silence, a dead end, a lost call) is
//! refused by the checker or ended by a limit that leads to a human.
//!
//! The language is told in `ivr-flows/` by example; `step/` has one file per verb.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bundle;
mod calendar;
mod check;
mod digits;
mod expr;
mod flow;
mod graph;
mod holidays;
mod lookup;
mod lower;
mod neat;
mod outline;
mod post;
mod prompt;
mod reference;
mod run;
mod schema;
mod settings;
pub mod speech;
mod spoken;
mod step;
pub mod trial;
mod value;
mod wire;

use crate::source::{diag, text as source, yaml};

pub use crate::source::{Allowed, Diagnostic, Level, Sources, Span};
pub use bundle::{Audio, Bundle, Mentions, Platform, flow_name, is_part, load};
pub use calendar::zone as time_zone;
pub use graph::{Graph, graph};
pub use lookup::{BadReply, Http, Lookup, Request, Source as LookupSource, Sql};
pub use neat::{Texts, neat, texts};
pub use post::Template;
pub use reference::reference;
pub use run::{
    CallState, MAX_DEPTH, MAX_IVR_MS, MAX_LOOKUPS, MAX_STEPS, MAX_STEPS_IDLE, MAX_TYPED, move_call, start, step,
};
pub use schema::{Content as SchemaOf, schema};
pub use spoken::{Spoken, spoken};
pub use value::{Type, Value, date as read_date, is_dialable};
pub use wire::{
    Action, ActionId, Channel, Event, Kept, LookupResult, Mailbox, Post, QueueEnd, QueueEvent, Speech, Target,
    TraceEvent, TransferFailure, TransferResult,
};
