//! Flows as admins write them and callers hear them: the sample hotline call by call, the checker's findings, and streams
//! of events that no sane world would send.

mod allowing;
mod calls;
mod checks;
mod docs;
mod ends;
mod explorations;
mod garbage;
mod input;
mod limits;
mod live;
mod lookups;
mod policies;
mod posting;
mod replays;
mod requests;
mod secrets;
mod trials;
mod world;
