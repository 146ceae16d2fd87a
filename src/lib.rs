pub mod events;
pub mod ids;
pub mod timers;
