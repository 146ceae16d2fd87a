//! The media plane in virtual time: what a caller, an agent and a stranger hear and get.

mod browsers;
mod conference;
mod fax;
mod hostile;
mod inband;
mod keys;
mod latch;
mod network;
mod noise;
mod playing;
mod quality;
mod recording;
mod relaying;
mod reports;
mod secure;
mod transcoding;
mod world;
