//! Linear sound: what a leg says, decoded, in even pieces. Only for those who cannot work on packets: a bridge between
//! codecs that do not pass into each other, a mixer, a detector. A bridge of two legs that speak alike never comes here.
//!
//! [`Input`] is one leg's: packets go in as they come (`push`), and at each of the leg's turns of the wheel, which is every
//! [`TURN_MS`], exactly so much sound is taken out (`pull`), whatever was lost, late, doubled or of another length. It comes
//! at the rate of what is heard, 8 or 16 kHz, and says which; [`resample::Resampler`] goes between the two.
//!
//! Who takes part sets `Leg::wants_pcm` on the legs concerned. The plane then pushes all that they say, and takes each
//! turn's piece in `Plane::heard`, or for a conference in `plane/conference`. To let a leg hear something, give the piece
//! to `Leg::say`, which cuts packets of the peer's length in the peer's codec on the leg's one time line.
//!
//! | file | what it is about |
//! |---|---|
//! | `input` | one leg's sound, from packets to even pieces |
//! | `jitter` | packets that wait for their turn, and how long they should |
//! | `conceal` | sound for what is lost |
//! | `mixer` | several who hear each other |
//! | `resample` | 8 to 16 kHz and back |

pub mod conceal;
pub mod input;
pub mod jitter;
pub mod mixer;
pub mod resample;

pub use input::Input;

/// What is taken at a time: a turn of the wheel.
pub const TURN_MS: usize = 20;
/// A turn's samples at the higher rate.
pub const TURN: usize = TURN_MS * 16;
