//! Flows without a telephone: calls in virtual time, tests that admins write, and what those tests reach.
//!
//! Pure, like the rest of the room: it is handed the texts of test files and gives verdicts.

mod call;
mod choices;
mod coverage;
mod explore;
mod judge;
mod keyboard;
mod liveness;
mod lower;
mod mocks;
mod moves;
mod properties;
mod retrace;
mod run;
mod script;
mod shape;
mod words;

pub use call::{Asked, Call, Due, Heard, Line, Opening};
pub use coverage::{Coverage, Item, KINDS, Place};
pub use explore::{Bounds, Explored, ToHuman, explore, skeletons};
pub use keyboard::{HELP, Keyboard};
pub use lower::read;
pub use properties::Finding;
pub use retrace::{Footstep, Retraced, retrace};
pub use run::{Fault, Verdict, run};
pub use script::{End, Test, TestFile};
pub(super) use shape::FILE as TEST_FILE;
pub use words::{clock, transcript};
