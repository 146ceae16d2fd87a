//! Call records: what one caller's contact was, folded from the events of the switch.
//!
//! A [`Cdr`] is complete when the call has ended; until then its parts are kept in [`Fold`]. Nothing here decides
//! anything: the records are a projection, and folding the same journal again gives the same records. This module must
//! never know where events are stored or who reads the records.
//!
//! Durations come from the monotonic clock of the events, points in time from the wall clock (milliseconds since 1970,
//! UTC). A wall clock that jumps changes no duration.

mod canary;
mod centre;
mod csv;
mod deeds;
mod figures;
mod flow_stats;
mod fold;
mod periods;
mod record;

#[cfg(test)]
mod tests;
mod way;

pub use self::csv::{cell as csv_cell, csv_header, csv_row};
pub use canary::{Canary, Finding, Harm, Judged, Verdict};
pub use centre::{Centre, Members, day_of};
pub use figures::{Burn, Figures, ServiceLevel, Tally, Terms, WorkTime};
pub use flow_stats::{DEFINITIONS, Deflection, FlowReport, FlowStats, Guards, LOOKAHEAD_MS, StepReport};
pub use fold::Fold;
pub use periods::{By, Lines, Of, Periods};
pub use record::{Cdr, Direction, Segment, Stage, StageKind};
pub use way::{FlowCall, Visit, Way};
