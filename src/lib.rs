//! hotline: a SIP/RTP softswitch with IVR for customer-service hotlines.
//!
//! # The one idea
//! Everything that decides is a pure state machine; everything that touches the world is a thin edge around it. A core
//! owns no socket, clock, file, thread or random source: it is handed an input and `now`, and leaves outputs to be polled.
//! So one process can run a whole call centre in virtual time from a seed (`tests/sim`), and the same code answers real calls.
//!
//! # The map
//! Pure, at the bottom: [`ids`], [`timers`], [`events`], [`source`] (texts that admins write, and findings about them), [`stun`].
//!
//! | room | what it decides |
//! |---|---|
//! | [`sip`] | `message` (scan, build, typed views, validate), `transaction` (RFC 3261 17, RFC 6026), `dialog`, `digest`, `endpoint`, `locate` (RFC 3263) |
//! | [`sdp`] | offers and answers, down to a `MediaSpec` |
//! | [`call`] | a call's legs: answer, ring, bridge, hold, hang up |
//! | [`ivr`] | the flow language: parse, check, expressions, speech, interpreter |
//! | [`acd`] | queues, agents, who is offered to whom |
//! | [`registrar`], [`routing`], [`admission`] | who is where; which number leads where; who gets in |
//! | [`trunks`] | which carriers take calls now: registrations, OPTIONS, failover, caps |
//! | [`cdr`] | folds events into call records |
//! | [`switch`] | the one owner of all calls: `handle_input`, `handle_timeout`, `poll_output`; its link files only translate |
//!
//! Edges: [`http_client`] (other systems that flows ask), [`media`] (`plane` and everything it names are pure; `worker` is the thread around it), [`recording`], [`net`],
//! [`config`], [`store`], [`api`], [`cli`], and [`serve`], which owns the switch's task and joins all of them.
//!
//! # The three paths
//! 1. *An INVITE becomes a ringing agent*: net (parse) → serve/event_loop → switch → sip/endpoint → switch/inbound
//!    (who, whither, admission, a leased RTP port) → call → ivr_link → ivr → queue_link → acd → registrar → call (second leg)
//!    → endpoint → poll_output → net.
//! 2. *An RTP packet reaches the agent and the recording*: media worker → plane → stream (sequence, latch, keys, statistics)
//!    → relay → egress → socket; a copy → bounded ring → recorder thread. A full ring is counted, never waited for.
//! 3. *An admin edits a flow*: file → serve (reload) → ivr load + check → `Input::Bundle` → switch swaps. A bad file leaves
//!    the old bundle in force; running calls keep theirs.
//!
//! # Vocabulary
//! leg = one party's dialog + stream · call = legs + what drives them · bridge = two legs' media joined · flow = an IVR script ·
//! bundle = flows + prompts + lookups + calendars under one hash · ticket = a caller's place in a queue · `CallId` is ours, the
//! header is `CallIdHeader`. *Session* and *channel* are avoided: each means four things.
//!
//! # What never changes
//! 1. Cores are pure; what can be observed is ordered, so that a seed replays exactly.
//! 2. Nothing from the wire, a flow file or an HTTP reply can panic the process or block another call.
//! 3. One owner per fact; the rest are projections of [`events::SwitchEvent`].
//! 4. A permit (admission, RTP port, ticket) is held by what it is for and returns with it.
//! 5. A call keeps the flows and prompts it began with.
//! 6. A reload swaps one checked, immutable snapshot and touches no agent, queue or call.
//! 7. Every step with an outside outcome has a time limit and another way out.
//! 8. What the journal has accepted survives kill -9.
//! 9. Secret digits are in no log, trace, record or event; numbers are masked in logs.
//! 10. Keep-alives and in-dialog requests are never refused for load.

pub mod acd;
pub mod admission;
pub mod api;
pub mod call;
pub mod cdr;
pub mod cli;
pub mod config;
pub mod events;
pub mod http_client;
pub mod ids;
pub mod ivr;
pub mod media;
pub mod net;
pub mod recording;
pub mod registrar;
pub mod routing;
pub mod sdp;
pub mod serve;
pub mod sip;
pub mod source;
pub mod store;
pub mod stun;
pub mod switch;
#[cfg(test)]
mod test_folder;
pub mod timers;
pub mod trunks;
