//! Calls as callers and agents live them, told in virtual time. Each story says who did what and what everybody heard and
//! saw; `finish` then waits until all is quiet and demands that nothing is left: no call, leg, permit, port or transaction.

#[path = "../sim/mod.rs"]
mod sim;

mod admission;
mod endings;
mod fax;
mod features;
mod gate;
mod holding;
mod identity;
mod joining;
mod loops;
mod lost;
mod media;
mod menu;
mod messages;
mod numbers;
mod overload;
mod passing;
mod placed;
mod progress;
mod projects;
mod queue;
mod redirections;
mod refusals;
mod registration;
mod reloads;
mod session_timers;
mod supervision;
mod toll;
mod transfers;
mod trunks;
mod versions;
mod watching;
mod wrap_up;

use hotline::admission::{Reserves, Share};
use hotline::events::{
    Cause, Class, EndedBy, EventKind, OfferResult, QueueOutcome, Refusal, ServiceEnd, Source, TransferOutcome,
};
use hotline::ids::{AgentId, CallId, ProjectId, TrunkId};
use hotline::sdp::Codec;
use hotline::sip::message::{HeaderName, Message, Method};
use hotline::switch::{Command, KeyPolicy, Untransferable};
use sim::raw::RawCall;
use sim::world::seconds;
use sim::{Fate, Lookups, Loss, Over, PhoneId, Settings, State, Taking, Way, World};
use std::net::SocketAddr;
use std::time::Duration;

fn world() -> World {
    World::new(Settings::default())
}

/// Straight to the queue `service`, until the agent's phone rings.
fn ringing_agent(world: &mut World, agent: PhoneId) -> PhoneId {
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_rings(agent);
    caller
}

/// Caller and agent 1001 talk.
fn talking() -> (World, PhoneId, PhoneId) {
    let mut world = world();
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.until_heard(agent, "voice of 13800138000");
    (world, caller, agent)
}

fn offers(world: &World) -> Vec<(String, OfferResult)> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::OfferEnded { agent, result, .. } => Some((agent.to_string(), *result)),
            _ => None,
        })
        .collect()
}

fn outcomes(world: &World) -> Vec<QueueOutcome> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::Dequeued { outcome, .. } => Some(*outcome),
            _ => None,
        })
        .collect()
}

fn refusals(world: &World) -> Vec<(Refusal, u16)> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::CallRefused { reason, status, .. } => Some((*reason, *status)),
            _ => None,
        })
        .collect()
}

/// The final answer to what was last sent by hand.
fn final_answer(world: &World, address: SocketAddr) -> Message {
    let is_final = |message: &&Message| !message.is_request() && message.status() >= 200;
    world.by_hand[&address].iter().rfind(is_final).expect("a final answer").clone()
}

fn final_answer_within(world: &mut World, address: SocketAddr) -> Message {
    world.until("a final answer", |world| {
        world.by_hand[&address].iter().any(|message| !message.is_request() && message.status() >= 200)
    });
    final_answer(world, address)
}

/// Where a caller is whose messages are written by hand.
const BY_HAND: &str = "10.2.99.1:5060";

/// A caller by hand who talks to the agent.
fn talks_by_hand(world: &mut World, agent: PhoneId) -> RawCall {
    let address: SocketAddr = BY_HAND.parse().unwrap();
    let mut call = RawCall::new(address, "9000");
    let sdp = call.sdp();
    world.send_by_hand(address, call.invite(Some(&sdp)));
    let ok = final_answer_within(world, address);
    call.learn(&ok);
    world.send_by_hand(address, call.ack(None));
    world.until_up(agent);
    call
}

/// The first request of a method that comes to whoever answers by hand.
fn request_within(world: &mut World, address: SocketAddr, method: Method) -> Message {
    let find = |world: &World| {
        let mut messages = world.by_hand.get(&address).into_iter().flatten();
        messages.find(|message| message.is_request() && *message.method() == method).cloned()
    };
    world.until("a request", |world| find(world).is_some());
    find(world).expect("waited for")
}
