//! One connection: what is read from it and written to it until either side ends it.

use super::places::{CHUNK, Line, Shared, Unfinished};
use super::tls::TrunkProof;
use super::ws::Frames;
use super::{Inlet, NetCounters, NetEvent};
use crate::sip::message::Message;
use crate::sip::message::frame::{Frame, Framer};
use crate::sip::peer::{ConnectionId, Peer};
use bytes::Bytes;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

/// Time for the first whole message of a peer, and for the rest of a later one that has begun: what a slow-loris gets.
pub(super) const MESSAGE_LIMIT: Duration = Duration::from_secs(10);
/// Silence of a peer that has sent a message and has nothing here: no registration, no call. It connects anew when it wants
/// something again, and a stranger holds no place for long.
pub(super) const GUEST_LIMIT: Duration = Duration::from_secs(120);
/// Silence of a peer that has: longer than any registration (1 h) or call (4 h) that may live on it.
const IDLE_LIMIT: Duration = Duration::from_secs(5 * 3600);
/// Silence of a browser until it is asked whether it is there (RFC 6455 5.5.2), and the time it has to say so. A browser's
/// page is gone more often than a phone, and a proxy between us keeps the kernel's own keep-alives to itself.
const WEB_QUIET: Duration = Duration::from_secs(30);
const WEB_ANSWER: Duration = Duration::from_secs(15);
/// How long one message may wait for the peer to read.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// After the last octet of a peer: time for the switch to answer what came before it, then for the answers to leave.
pub(super) const ANSWER_TIME: Duration = Duration::from_millis(250);
const FAREWELL: Duration = Duration::from_secs(2);

/// What is known of a peer before it has said anything.
#[derive(Debug)]
pub(super) enum Standing {
    Stranger,
    /// We connected to it.
    Called,
    /// Its certificate is a trunk's.
    Trunk(TrunkProof),
}

/// How messages lie in the octets.
pub(super) enum Framing {
    Stream(Framer),
    Web(Box<Frames>),
}

/// What a peer sent.
pub(super) enum Heard {
    Message(Bytes),
    /// A keep-alive that is owed this answer.
    Ping(Bytes),
    /// A keep-alive, or an answer to one.
    Pong,
    /// Nothing of what follows can be understood. `message`, if it is a request, is owed `status`.
    Broken {
        message: Bytes,
        status: u16,
    },
    /// The peer has said goodbye.
    Over,
}

impl Framing {
    pub fn stream() -> Framing {
        Framing::Stream(Framer::default())
    }

    fn push(&mut self, octets: &[u8]) {
        match self {
            Framing::Stream(framer) => framer.push(octets),
            Framing::Web(frames) => frames.push(octets),
        }
    }

    fn next(&mut self) -> Option<Heard> {
        let framer = match self {
            Framing::Stream(framer) => framer,
            Framing::Web(frames) => return frames.next(),
        };
        Some(match framer.next()? {
            Ok(Frame::Message(raw)) => Heard::Message(raw),
            // RFC 5626 4.4.1: a double CRLF is answered with a single one.
            Ok(Frame::Ping) => Heard::Ping(Bytes::from_static(b"\r\n")),
            Ok(Frame::Pong) => Heard::Pong,
            Err(broken) => Heard::Broken { status: broken.fault.status(), message: broken.message },
        })
    }

    fn in_message(&self) -> bool {
        match self {
            Framing::Stream(framer) => framer.in_message(),
            Framing::Web(frames) => frames.in_message(),
        }
    }

    fn buffered(&self) -> usize {
        match self {
            Framing::Stream(framer) => framer.buffered(),
            Framing::Web(frames) => frames.buffered(),
        }
    }

    /// What ends a conversation, where there is such a thing.
    fn goodbye(&mut self) -> Option<Bytes> {
        match self {
            Framing::Stream(_) => None,
            Framing::Web(frames) => frames.goodbye(),
        }
    }

    /// How long a peer that is known may be silent, and what is said to it then before it is given up.
    fn patience(&self) -> (Duration, Option<Bytes>) {
        match self {
            Framing::Stream(_) => (IDLE_LIMIT, None),
            Framing::Web(_) => (WEB_QUIET, Some(Frames::ping())),
        }
    }
}

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The peer has said all, or nothing more of it can be understood; answers may still be owed.
    Over,
    /// It broke, or was too slow or too large.
    Cut,
}

/// The two directions of a connection, and what lies in them.
pub(super) struct Wire<R, W> {
    pub reader: R,
    pub writer: W,
    pub framing: Framing,
}

/// Reads and writes one connection until either side ends it.
pub(super) async fn converse<R, W>(
    wire: Wire<R, W>,
    peer: Peer,
    line: Line,
    standing: Standing,
    shared: Arc<Shared>,
    inlet: Inlet,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let counters = inlet.counters();
    counters.connections.fetch_add(1, Ordering::Relaxed);
    let Line { id, queued, held, mut dropped } = line;
    let Wire { reader, writer, framing } = wire;
    let mut writing = pin!(write(writer, queued, &counters));
    let ended = tokio::select! {
        ended = read(reader, framing, (peer, id, &held), &standing, &shared, &inlet) => ended,
        () = &mut writing => End::Cut,
        _ = &mut dropped => End::Cut,
    };
    if ended == End::Over {
        let unwritten = tokio::select! {
            () = &mut writing => false,
            _ = &mut dropped => false,
            () = tokio::time::sleep(ANSWER_TIME) => true,
        };
        // The queue has no sender any more and ends once it is empty.
        shared.forget(id);
        if unwritten {
            let _ = timeout(FAREWELL, writing).await;
        }
    }
    shared.forget(id);
    counters.connections.fetch_sub(1, Ordering::Relaxed);
    inlet.deliver(NetEvent::Lost { peer }).await;
}

/// Writes what is queued, until the queue is closed and empty or the peer no longer takes it.
async fn write(mut writer: impl AsyncWrite + Unpin, mut queued: mpsc::Receiver<Bytes>, counters: &NetCounters) {
    while let Some(bytes) = queued.recv().await {
        let written = timeout(WRITE_LIMIT, async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        });
        if !matches!(written.await, Ok(Ok(()))) {
            counters.send_failed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        counters.sent.fetch_add(1, Ordering::Relaxed);
    }
    // TLS says goodbye, so that the peer knows that nothing was cut off (RFC 8446 6.1).
    let _ = timeout(WRITE_LIMIT, writer.shutdown()).await;
}

async fn read(
    mut reader: impl AsyncRead + Unpin,
    mut framing: Framing,
    (peer, id, held): (Peer, ConnectionId, &AtomicBool),
    standing: &Standing,
    shared: &Shared,
    inlet: &Inlet,
) -> End {
    let mut proven = !matches!(standing, Standing::Stranger);
    let mut unfinished = Unfinished::new(shared);
    let (idle_limit, mut question) = framing.patience();
    let is_held = || matches!(standing, Standing::Trunk(_)) || held.load(Ordering::Relaxed);
    let mut heard_at = Instant::now();
    let mut said_at = heard_at;
    let mut deadline = Instant::now() + if proven { idle_limit } else { MESSAGE_LIMIT };
    let mut chunk = [0u8; CHUNK];
    loop {
        let length = match timeout_at(deadline, reader.read(&mut chunk)).await {
            Ok(Ok(length)) => length,
            Ok(Err(_)) => return End::Cut,
            Err(_) if proven && !framing.in_message() && is_held() && deadline < heard_at + idle_limit => {
                deadline = heard_at + idle_limit;
                continue;
            }
            Err(_) => match question.take().filter(|_| proven && !framing.in_message()) {
                Some(question) => {
                    shared.say(id, question);
                    deadline = Instant::now() + WEB_ANSWER;
                    continue;
                }
                None => {
                    let awaited = !proven || framing.in_message();
                    if awaited {
                        too_slow(peer, MESSAGE_LIMIT, shared, inlet);
                    }
                    return End::Cut;
                }
            },
        };
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { return End::Over };
        heard_at = Instant::now();
        let had_begun = framing.in_message();
        framing.push(bytes);
        let mut whole = false;
        while let Some(heard) = framing.next() {
            whole = true;
            match heard {
                Heard::Message(raw) => match Message::from_frame(raw.clone()) {
                    Ok(message) => {
                        said_at = heard_at;
                        proven = true;
                        if !is_held() {
                            shared.heard(id);
                        }
                        let trunk = match standing {
                            Standing::Trunk(proof) => proof.trunk(),
                            Standing::Stranger | Standing::Called => None,
                        };
                        inlet.deliver(NetEvent::Message { peer, message, trunk }).await;
                    }
                    Err(error) => inlet.deliver(NetEvent::Garbage { peer, raw, status: error.status() }).await,
                },
                Heard::Ping(answer) => shared.say(id, answer),
                Heard::Pong => {}
                Heard::Broken { message, status } => {
                    if let Some(goodbye) = framing.goodbye() {
                        shared.say(id, goodbye);
                    }
                    inlet.deliver(NetEvent::Garbage { peer, raw: message, status }).await;
                    return End::Over;
                }
                Heard::Over => {
                    if let Some(goodbye) = framing.goodbye() {
                        shared.say(id, goodbye);
                    }
                    return End::Over;
                }
            }
        }
        // Signs of life keep no connection on which nothing is.
        let is_guest = proven && !framing.in_message() && !is_held();
        if !unfinished.hold(framing.buffered()) || is_guest && heard_at >= said_at + GUEST_LIMIT {
            return End::Cut;
        }
        if proven && !framing.in_message() {
            (_, question) = framing.patience();
            // What it is given by then is looked at when the shorter time is over.
            deadline = heard_at + idle_limit.min(GUEST_LIMIT);
        } else if proven && (whole || !had_begun) {
            deadline = Instant::now() + MESSAGE_LIMIT;
        }
    }
}

pub(super) fn too_slow(peer: Peer, limit: Duration, shared: &Shared, inlet: &Inlet) {
    inlet.counters().connections_slow.fetch_add(1, Ordering::Relaxed);
    if let Some(count) = shared.too_slow() {
        let seconds = limit.as_secs();
        tracing::warn!(last = %peer.remote, "{count} connections closed: no whole message came within {seconds} s");
    }
}
