//! Messages out of a byte stream (RFC 3261 section 18.3), and the line-end keep-alives of RFC 5626 section 3.5.1.
//!
//! The end of the head and the Content-Length come from [`super::scan`], which also reads the message afterwards: no
//! second reader can disagree about where a message ends. Frames are the same however the stream was cut.

use super::scan::{self, ContentLength, Defects, HeaderTable, Limits};
use super::text;
use bytes::{Buf, Bytes, BytesMut};
use std::fmt;

/// What a stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Exactly one message, head and body. Read it with [`super::Message::from_frame`].
    Message(Bytes),
    /// Two line ends between messages, owed one line end in return. The first of the two was handed out as a
    /// [`Frame::Pong`], because none can know whether a second will follow.
    Ping,
    /// One line end: the answer to a ping, if one was sent; otherwise nothing.
    Pong,
}

/// The stream cannot be read on: where the next message begins is unknown. Answer what `message` holds, if it holds a
/// request, and close the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameError {
    pub fault: FrameFault,
    /// The head of the message at fault; its first whole lines when it is too long; empty when it is not SIP.
    pub message: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameFault {
    NotSip,
    HeadTooLong,
    TooManyHeaders,
    /// Content-Length is negative, no number, or given twice.
    ContentLength,
    /// A CR alone, which some readers take for the end of a line: they may see another Content-Length.
    BareCr,
    BodyTooLong,
}

impl FrameFault {
    /// The status to answer with before closing.
    pub fn status(self) -> u16 {
        match self {
            FrameFault::NotSip | FrameFault::ContentLength | FrameFault::BareCr => 400,
            FrameFault::HeadTooLong | FrameFault::TooManyHeaders => 513,
            FrameFault::BodyTooLong => 413,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.fault {
            FrameFault::NotSip => "the stream holds something that is not SIP",
            FrameFault::HeadTooLong => "a message's start line and headers are longer than the limit",
            FrameFault::TooManyHeaders => "a message has more headers than the limit",
            FrameFault::ContentLength => "a message's Content-Length is not one number",
            FrameFault::BareCr => "a line of a message holds a CR that may be its end or not",
            FrameFault::BodyTooLong => "a message's body is longer than the limit",
        })
    }
}

impl std::error::Error for FrameError {}

/// Cuts a stream into frames. Push what was read, then take frames until there is none.
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    buffer: BytesMut,
    table: HeaderTable,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between messages.
    Idle { after_line_end: bool },
    /// Inside a head. `line` is where its current line begins, `searched` how far that line is known to go on.
    Head { line: usize, searched: usize },
    /// The head is `head` octets; `whole` are awaited.
    Body { whole: usize },
    /// After an error: everything is thrown away.
    Broken,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new(Limits::DEFAULT)
    }
}

impl Framer {
    pub fn new(limits: Limits) -> Framer {
        Framer {
            limits,
            buffer: BytesMut::new(),
            table: HeaderTable::default(),
            state: State::Idle { after_line_end: false },
        }
    }

    /// Holds at most one unfinished message, so at most the limits of head and body, besides what is pushed before
    /// frames are taken out.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Broken) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Octets that wait for more.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether a message has begun and not ended: the time to be strict about silence.
    pub fn in_message(&self) -> bool {
        !self.buffer.is_empty() && matches!(self.state, State::Head { .. } | State::Body { .. })
    }

    /// The next frame; `None` when more octets are needed, and always after an error.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        loop {
            match self.state {
                State::Broken => return None,
                State::Idle { after_line_end } => {
                    if let Some(frame) = self.between_messages(after_line_end)? {
                        return Some(Ok(frame));
                    }
                }
                State::Head { line, searched } => match self.head(line, searched)? {
                    Ok(()) => {}
                    Err(error) => return Some(Err(error)),
                },
                State::Body { whole } => {
                    if self.buffer.len() < whole {
                        return None;
                    }
                    self.state = State::Idle { after_line_end: false };
                    let message = self.buffer.split_to(whole).freeze();
                    if self.buffer.is_empty() {
                        // Lets go of the block: an idle connection is not to keep the size of its largest message.
                        self.buffer = BytesMut::new();
                    }
                    return Some(Ok(Frame::Message(message)));
                }
            }
        }
    }

    /// Takes one line end off the front, or enters a head. `None`: more octets are needed.
    fn between_messages(&mut self, after_line_end: bool) -> Option<Option<Frame>> {
        let taken = match (self.buffer.first()?, self.buffer.get(1)) {
            (b'\n', _) => 1,
            (b'\r', Some(b'\n')) => 2,
            (b'\r', None) => return None,
            (b'\r', Some(_)) => {
                // A CR alone is no line end and begins nothing; the head refuses it.
                self.state = State::Head { line: 0, searched: 0 };
                return Some(None);
            }
            _ => {
                self.state = State::Head { line: 0, searched: 0 };
                return Some(None);
            }
        };
        self.buffer.advance(taken);
        self.state = State::Idle { after_line_end: !after_line_end };
        Some(Some(if after_line_end { Frame::Ping } else { Frame::Pong }))
    }

    /// Looks for the empty line, then reads the head. `None`: more octets are needed.
    fn head(&mut self, mut line: usize, mut searched: usize) -> Option<Result<(), FrameError>> {
        // Told from the first octet, so that TLS or noise on a plain port is not collected for long.
        if !self.buffer.first().is_some_and(|b| text::is_token_byte(*b)) {
            return Some(Err(self.broken(FrameFault::NotSip, 0)));
        }
        let end = loop {
            let Some(feed) = line_feed(&self.buffer, searched) else {
                if self.buffer.len() >= self.limits.head {
                    return Some(Err(self.head_too_long()));
                }
                self.state = State::Head { line, searched: self.buffer.len() };
                return None;
            };
            if line > 0 && is_empty_line(&self.buffer[line..feed]) {
                break feed + 1;
            }
            line = feed + 1;
            searched = line;
        };
        if end > self.limits.head {
            return Some(Err(self.head_too_long()));
        }
        Some(self.measure(end))
    }

    fn measure(&mut self, end: usize) -> Result<(), FrameError> {
        let scanned = match scan::scan(&self.buffer[..end], &mut self.table, self.limits) {
            Ok(scanned) => scanned,
            Err(_) => return Err(self.broken(FrameFault::NotSip, 0)),
        };
        if scanned.defects.has(Defects::TOO_MANY_HEADERS) {
            // The Content-Length may stand among those that were not read.
            return Err(self.broken(FrameFault::TooManyHeaders, end));
        }
        if scanned.defects.has(Defects::BARE_CR) {
            return Err(self.broken(FrameFault::BareCr, end));
        }
        let body = match scanned.content_length {
            // Section 20.14 wants it on streams; taken as none where it is missing, as phones do send such requests.
            ContentLength::Absent => 0,
            ContentLength::Octets(octets) => octets as usize,
            ContentLength::Malformed | ContentLength::Repeated => {
                return Err(self.broken(FrameFault::ContentLength, end));
            }
        };
        if body > self.limits.body {
            return Err(self.broken(FrameFault::BodyTooLong, end));
        }
        self.state = State::Body { whole: scanned.head + body };
        Ok(())
    }

    fn head_too_long(&mut self) -> FrameError {
        let within = &self.buffer[..self.buffer.len().min(self.limits.head)];
        let lines = within.iter().rposition(|b| *b == b'\n').map_or(0, |feed| feed + 1);
        self.broken(FrameFault::HeadTooLong, lines)
    }

    fn broken(&mut self, fault: FrameFault, head: usize) -> FrameError {
        let message = self.buffer.split_to(head).freeze();
        self.buffer = BytesMut::new();
        self.state = State::Broken;
        FrameError { fault, message }
    }
}

fn line_feed(bytes: &[u8], from: usize) -> Option<usize> {
    let mut from = from;
    loop {
        let at = text::find_line_break(bytes, from)?;
        if bytes[at] == b'\n' {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The content of a line up to its LF: nothing, or the CR of its CRLF.
fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, [] | [b'\r'])
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
