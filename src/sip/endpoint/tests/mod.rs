//! Calls between two endpoints, and single messages by hand, under a virtual clock.

mod arrivals;
mod calls;
mod challenges;
mod defects;
mod each_message;
mod early;
mod glare;
mod hand;
mod hardship;
mod mutation;
mod referrals;
mod reliable;
mod repetition;
mod session_id;
mod session_timers;
mod watchers;
mod world;
