//! A call centre in virtual time: the real `Switch` and the real media planes; around them phones, a network that loses,
//! doubles, delays and reorders, a clock, and a [`model`] of what must hold whatever happens. No sockets, no sleeping: an
//! hour of calls takes as long as its events take, and a seed gives the same hour again.
//!
//! Sounds are known by their bytes ([`sound`]): each recording, each phone's voice and the hold music has a pattern of its
//! own, so that a test can say what a caller heard.

// Each test crate uses its part of the world.
#![allow(dead_code, unused_imports)]

pub mod bundle;
pub mod config;
pub mod dice;
pub mod model;
pub mod phone;
pub mod raw;
pub mod shell;
pub mod sound;
pub mod stream;
pub mod world;

pub use config::Settings;
pub use dice::{Dice, Line};
pub use phone::{ATTRIBUTES, Loss, Manners, Over, Phone, State, Taking};
pub use world::{Fate, Lookups, PhoneId, Way, World};
