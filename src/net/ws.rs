//! SIP over WebSocket (RFC 6455, RFC 7118): the handshake that browsers open with, and messages out of frames. The only file
//! that names tungstenite and httparse, which do the reading; it owns no socket. What holds for a connection as for any other,
//! its limits and its end, is `converse`'s.

use super::converse::Heard;
use super::places::CHUNK;
use bytes::{Buf, Bytes, BytesMut};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tungstenite::error::{CapacityError, Error};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Message, Role, WebSocket, WebSocketConfig};

/// Of the request with its headers. Browsers write under 2 kB, cookies of the page included.
const LONGEST_HEAD: usize = 8192;
const MOST_HEADERS: usize = 64;
/// Of one message. A datagram could not be longer, and no SIP message of a browser is.
const LONGEST_MESSAGE: usize = 65_535;
/// For a refused peer to read why.
const FAREWELL: Duration = Duration::from_millis(500);
/// The subprotocol of RFC 7118 4.1.
const SUBPROTOCOL: &str = "sip";

/// The pages that may connect. A browser names its page's origin, which a page cannot forge; other programs name none or
/// what they like, so that this keeps out foreign pages and nobody else. Who calls or registers is asked for a password all
/// the same.
#[derive(Clone, Debug, Default)]
pub struct Origins(Option<Arc<BTreeSet<String>>>);

impl Origins {
    /// Every page.
    pub fn any() -> Origins {
        Origins(None)
    }

    /// Pages of these only, written `https://pbx.example.com`.
    pub fn only(origins: impl IntoIterator<Item = String>) -> Origins {
        Origins(Some(Arc::new(origins.into_iter().map(|origin| origin.to_ascii_lowercase()).collect())))
    }

    fn allows(&self, origin: &str) -> bool {
        self.0.as_ref().is_none_or(|known| known.contains(&origin.to_ascii_lowercase()))
    }
}

/// Why there is no WebSocket, and what is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NotHttp,
    Method,
    HeadTooLong,
    /// Not asked for: somebody looks at the port with a browser.
    NoUpgrade,
    Version,
    Key,
    Subprotocol,
    Origin,
}

impl Refusal {
    /// Status line, extra header lines, and a sentence for whoever reads it.
    fn answer(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Refusal::NotHttp => ("400 Bad Request", "", "this is not an HTTP/1.1 request with a Host"),
            Refusal::Method => ("405 Method Not Allowed", "Allow: GET\r\n", "a WebSocket is opened by GET"),
            Refusal::HeadTooLong => ("431 Request Header Fields Too Large", "", "the request's headers are too long"),
            Refusal::NoUpgrade => (
                "426 Upgrade Required",
                "Upgrade: websocket\r\n",
                "SIP over WebSocket is served here (RFC 7118). If a browser had to accept the certificate, it has now",
            ),
            Refusal::Version => {
                ("426 Upgrade Required", "Sec-WebSocket-Version: 13\r\n", "version 13 of WebSocket is spoken here")
            }
            Refusal::Key => ("400 Bad Request", "", "Sec-WebSocket-Key is not 16 octets in base64"),
            Refusal::Subprotocol => {
                ("400 Bad Request", "", "the subprotocol `sip` is needed (Sec-WebSocket-Protocol: sip)")
            }
            Refusal::Origin => {
                ("403 Forbidden", "", "pages of this origin may not connect; see `listen.allowed_origins`")
            }
        }
    }

    fn response(self) -> String {
        let (status, headers, sentence) = self.answer();
        let length = sentence.len() + 2;
        format!(
            "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{sentence}\r\n"
        )
    }
}

/// The handshake of a peer that connected. Whoever is refused has been told why.
pub(super) async fn accept<S>(stream: &mut S, origins: &Origins) -> io::Result<Frames>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut received = BytesMut::with_capacity(1024);
    let answer = loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match end_of_head(&received) {
            Some(end) => break upgrade(&received.split_to(end), origins),
            None if received.len() >= LONGEST_HEAD => break Err(Refusal::HeadTooLong),
            None => {}
        }
    };
    match answer {
        Ok(response) => {
            stream.write_all(response.as_bytes()).await?;
            stream.flush().await?;
            let mut frames = Frames::new();
            frames.push(&received);
            Ok(frames)
        }
        Err(refusal) => {
            stream.write_all(refusal.response().as_bytes()).await?;
            stream.shutdown().await?;
            // What lies unread at the end makes the kernel take the answer back.
            let _ = timeout(FAREWELL, async { while !matches!(stream.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {} })
                .await;
            Err(io::Error::new(io::ErrorKind::InvalidData, refusal.answer().2))
        }
    }
}

fn end_of_head(octets: &[u8]) -> Option<usize> {
    octets.windows(4).position(|window| window == b"\r\n\r\n").map(|place| place + 4)
}

/// The answer to a request with its headers (RFC 6455 4.2).
fn upgrade(head: &[u8], origins: &Origins) -> Result<String, Refusal> {
    if head.len() > LONGEST_HEAD {
        return Err(Refusal::HeadTooLong);
    }
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLong),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Refusal::NotHttp),
    }
    if request.version != Some(1) {
        return Err(Refusal::NotHttp);
    }
    if request.method != Some("GET") {
        return Err(Refusal::Method);
    }
    let fields = Fields(request.headers);
    fields.one("Host").ok_or(Refusal::NotHttp)?;
    if !fields.lists("Upgrade", |word| word.eq_ignore_ascii_case("websocket"))
        || !fields.lists("Connection", |word| word.eq_ignore_ascii_case("upgrade"))
    {
        return Err(Refusal::NoUpgrade);
    }
    if fields.one("Sec-WebSocket-Version") != Some("13") {
        return Err(Refusal::Version);
    }
    let key = fields.one("Sec-WebSocket-Key").filter(|key| is_key(key)).ok_or(Refusal::Key)?;
    if !fields.lists("Sec-WebSocket-Protocol", |word| word.eq_ignore_ascii_case(SUBPROTOCOL)) {
        return Err(Refusal::Subprotocol);
    }
    if fields.named("Origin").next().is_some() && !fields.one("Origin").is_some_and(|origin| origins.allows(origin)) {
        return Err(Refusal::Origin);
    }
    let accept = derive_accept_key(key.as_bytes());
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    ))
}

struct Fields<'a>(&'a [httparse::Header<'a>]);

impl<'a> Fields<'a> {
    fn named(&self, name: &'static str) -> impl Iterator<Item = &'a str> + use<'a> {
        let named = self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| std::str::from_utf8(field.value).unwrap_or_default().trim())
    }

    /// The value of a header that has to be there once.
    fn one(&self, name: &'static str) -> Option<&'a str> {
        let mut values = self.named(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Whether one of the words in a comma-separated list passes.
    fn lists(&self, name: &'static str, passes: impl Fn(&str) -> bool) -> bool {
        self.named(name).flat_map(|value| value.split(',')).any(|word| passes(word.trim()))
    }
}

/// 16 octets in base64 (RFC 6455 4.2.1).
fn is_key(text: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
    matches!(text.strip_suffix("=="), Some(digits) if digits.len() == 22 && digits.bytes().all(plain))
}

/// Octets in, SIP messages out, and what the WebSocket itself has to say in between.
pub(super) struct Frames {
    socket: WebSocket<Pipe>,
    /// Octets that have come since something whole did.
    waiting: usize,
    /// What ends the conversation has been said or need not be.
    parted: bool,
}

/// What tungstenite takes for its connection.
#[derive(Default)]
struct Pipe {
    incoming: BytesMut,
    outgoing: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = out.len().min(self.incoming.len());
        match length {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            length => {
                self.incoming.copy_to_slice(out.get_mut(..length).unwrap_or_default());
                Ok(length)
            }
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Frames {
    fn new() -> Frames {
        // No more memory than the octets that are there: most browsers are silent most of the time.
        let config = WebSocketConfig::default()
            .read_buffer_size(CHUNK)
            .write_buffer_size(0)
            .max_message_size(Some(LONGEST_MESSAGE))
            .max_frame_size(Some(LONGEST_MESSAGE));
        let socket = WebSocket::from_raw_socket(Pipe::default(), Role::Server, Some(config));
        Frames { socket, waiting: 0, parted: false }
    }

    pub fn push(&mut self, octets: &[u8]) {
        self.waiting += octets.len();
        self.socket.get_mut().incoming.extend_from_slice(octets);
    }

    /// The next thing that is whole. A frame may carry no more than one SIP message (RFC 7118 5.1).
    pub fn next(&mut self) -> Option<Heard> {
        if self.parted {
            return None;
        }
        let read = self.socket.read();
        if let Err(Error::Io(_)) = read {
            // Nothing whole is left. Pongs leave by the way.
            return None;
        }
        self.waiting = 0;
        let payload = match read {
            Ok(Message::Text(text)) => Bytes::from(text),
            Ok(Message::Binary(octets)) => octets,
            Ok(Message::Ping(_)) => {
                // The pong is written before the next read, or now.
                let _ = self.socket.flush();
                return Some(Heard::Ping(self.outgoing()));
            }
            Ok(Message::Pong(_)) => return Some(Heard::Pong),
            Ok(Message::Close(_) | Message::Frame(_)) => return Some(Heard::Over),
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Some(Heard::Over),
            Err(fault) => return Some(self.broken(&fault)),
        };
        // Line ends keep a connection open here as on any stream (RFC 7118 6, RFC 5626 3.5.1).
        Some(match payload.as_ref() {
            b"\r\n\r\n" => Heard::Ping(framed(Bytes::from_static(b"\r\n"))),
            line_ends if line_ends.iter().all(|octet| matches!(octet, b'\r' | b'\n')) => Heard::Pong,
            _ => Heard::Message(payload),
        })
    }

    /// Ends the conversation with the code of RFC 6455 7.4.1 that says why.
    fn broken(&mut self, fault: &Error) -> Heard {
        let (code, status) = match fault {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => (CloseCode::Size, 413),
            Error::Utf8(_) => (CloseCode::Invalid, 400),
            _ => (CloseCode::Protocol, 400),
        };
        let _ = self.socket.close(Some(CloseFrame { code, reason: "".into() }));
        Heard::Broken { message: Bytes::new(), status }
    }

    /// The closing frame that is owed, or ours.
    pub fn goodbye(&mut self) -> Option<Bytes> {
        self.parted = true;
        let _ = self.socket.flush();
        Some(self.outgoing()).filter(|octets| !octets.is_empty())
    }

    pub fn in_message(&self) -> bool {
        self.waiting > 0
    }

    /// No message grows beyond the longest; what came besides were frames that hold nothing.
    pub fn buffered(&self) -> usize {
        self.waiting.min(LONGEST_MESSAGE)
    }

    pub fn ping() -> Bytes {
        written(Frame::ping(Bytes::new()))
    }

    fn outgoing(&mut self) -> Bytes {
        std::mem::take(&mut self.socket.get_mut().outgoing).into()
    }
}

/// A SIP message as it is written to a browser: as text where it is text, as some clients read nothing else.
pub(super) fn framed(message: Bytes) -> Bytes {
    let kind = if std::str::from_utf8(&message).is_ok() { Data::Text } else { Data::Binary };
    written(Frame::message(message, OpCode::Data(kind), true))
}

fn written(frame: Frame) -> Bytes {
    let mut octets = Vec::with_capacity(frame.len());
    // Writing into memory does not fail.
    let _ = frame.format(&mut octets);
    octets.into()
}

#[cfg(test)]
#[path = "ws_tests.rs"]
mod tests;
