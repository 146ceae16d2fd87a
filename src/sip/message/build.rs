//! Writes messages into a buffer that is used again and again. What is copied from another message is copied byte for
//! byte; what is given as text can never end a line, so no caller can be made to add a header.

use super::scan::Entry;
use super::text;
use super::view::View;
use super::{HeaderName, Method};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A message being written. Start with a request or a response, add headers, and [`Builder::finish`].
#[derive(Debug)]
pub struct Builder<'b> {
    out: &'b mut BytesMut,
    body: Option<&'b [u8]>,
}

/// Several messages share one block, so that most cost no allocation; one that is kept for retransmission keeps its block,
/// so that a block is no larger than a page.
const BLOCK: usize = 4 * 1024;
/// How much room a message gets before it may have to be moved. Most are below 1 KiB.
const ROOM: usize = 1536;

impl<'b> Builder<'b> {
    pub fn request(out: &'b mut BytesMut, method: &Method, uri: impl AsRef<[u8]>) -> Builder<'b> {
        let mut builder = Builder::start(out);
        builder.put_line_text(method.as_str().as_bytes());
        builder.out.put_u8(b' ');
        // A blank would end the URI. The URI parser lets none through; this is the last line of defence.
        for (n, piece) in uri.as_ref().split(|b| *b <= b' ' || *b == 127).enumerate() {
            if n > 0 {
                builder.out.put_slice(b"%20");
            }
            builder.out.put_slice(piece);
        }
        builder.out.put_slice(b" SIP/2.0\r\n");
        builder
    }

    pub fn response(out: &'b mut BytesMut, status: u16, reason: impl AsRef<[u8]>) -> Builder<'b> {
        debug_assert!((100..700).contains(&status), "a status has three digits from 100 to 699, not {status}");
        let mut builder = Builder::start(out);
        builder.out.put_slice(b"SIP/2.0 ");
        builder.put_number(u32::from(status.clamp(100, 699)));
        builder.out.put_u8(b' ');
        builder.put_line_text(reason.as_ref());
        builder.out.put_slice(b"\r\n");
        builder
    }

    fn start(out: &'b mut BytesMut) -> Builder<'b> {
        // What an abandoned builder left is dropped.
        out.clear();
        if out.capacity() < ROOM {
            out.reserve(BLOCK);
        }
        Builder { out, body: None }
    }

    /// Line ends and NUL in the value become spaces: no value can begin a header of its own.
    pub fn header(&mut self, name: HeaderName, value: impl AsRef<[u8]>) -> &mut Self {
        self.named(name.as_str(), value)
    }

    /// A header by its name as text. Bytes that no name may hold become hyphens.
    pub fn named(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        debug_assert!(!name.is_empty(), "HeaderName::Other has no name to write; use `named` with one");
        self.put_name(name);
        self.put_line_text(value.as_ref());
        self.out.put_slice(b"\r\n");
        self
    }

    /// A header whose value is formatted in place, with the same care.
    pub fn formatted(&mut self, name: HeaderName, value: fmt::Arguments<'_>) -> &mut Self {
        self.put_name(name.as_str());
        // Writing into memory does not fail; a Display that fails has written what it could.
        let _ = fmt::write(&mut LineText { out: self.out }, value);
        self.out.put_slice(b"\r\n");
        self
    }

    pub fn number(&mut self, name: HeaderName, value: u32) -> &mut Self {
        self.put_name(name.as_str());
        self.put_number(value);
        self.out.put_slice(b"\r\n");
        self
    }

    pub fn cseq(&mut self, number: u32, method: &Method) -> &mut Self {
        self.put_name(HeaderName::CSeq.as_str());
        self.put_number(number);
        self.out.put_u8(b' ');
        self.put_line_text(method.as_str().as_bytes());
        self.out.put_slice(b"\r\n");
        self
    }

    /// Every line of that header as it stands, from the name to the end of the value. Only a fold is put on one line:
    /// RFC 3261 section 7.3.1 makes both the same, and many readers know no folds.
    pub fn raw_copy<'m>(&mut self, from: impl Into<View<'m>>, name: HeaderName) -> &mut Self {
        self.copy_all(from, |id| id == name)
    }

    /// Every header for which `keep` says so, in order and as it stands.
    pub fn copy_all<'m>(&mut self, from: impl Into<View<'m>>, mut keep: impl FnMut(HeaderName) -> bool) -> &mut Self {
        let from = from.into();
        for entry in from.entries() {
            if keep(entry.id) {
                self.put_entry(entry, from.bytes());
                self.out.put_slice(b"\r\n");
            }
        }
        self
    }

    /// A header line without its line end.
    fn put_entry(&mut self, entry: &Entry, bytes: &[u8]) {
        if entry.folded {
            self.out.put_slice(entry.name.of(bytes));
            self.out.put_slice(b": ");
            self.out.put_slice(&text::unfold(entry.value.of(bytes)));
        } else {
            self.out.put_slice(entry.line(bytes));
        }
    }

    fn put_raw_value(&mut self, value: &[u8]) {
        self.out.put_slice(&text::unfold(value));
    }

    /// Content-Type now, the octets when the message is finished.
    pub fn body(&mut self, content_type: impl AsRef<[u8]>, body: &'b [u8]) -> &mut Self {
        self.body = Some(body);
        self.header(HeaderName::ContentType, content_type)
    }

    /// Content-Length, the empty line and the body; the message as shared bytes.
    pub fn finish(&mut self) -> Bytes {
        let body = self.body.take().unwrap_or_default();
        self.put_name(HeaderName::ContentLength.as_str());
        // A body is bounded by Limits::body where it is read and by the caller where it is made.
        self.put_number(u32::try_from(body.len()).unwrap_or(u32::MAX));
        self.out.put_slice(b"\r\n\r\n");
        self.out.put_slice(body);
        self.out.split().freeze()
    }

    fn put_name(&mut self, name: &str) {
        let start = self.out.len();
        self.out.put_slice(name.as_bytes());
        for byte in &mut self.out[start..] {
            if !text::is_token_byte(*byte) {
                *byte = b'-';
            }
        }
        self.out.put_slice(b": ");
    }

    fn put_line_text(&mut self, value: &[u8]) {
        put_line_text(self.out, value);
    }

    fn put_number(&mut self, mut value: u32) {
        let mut digits = [0u8; 10];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out.put_slice(&digits[at..]);
    }
}

fn put_line_text(out: &mut BytesMut, value: &[u8]) {
    let start = out.len();
    out.put_slice(value);
    for byte in &mut out[start..] {
        if matches!(byte, b'\r' | b'\n' | 0) {
            *byte = b' ';
        }
    }
}

struct LineText<'b> {
    out: &'b mut BytesMut,
}

impl fmt::Write for LineText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        put_line_text(self.out, text.as_bytes());
        Ok(())
    }
}

/// A response to `request` as RFC 3261 section 8.2.6 has it: Via, From, To, Call-ID and CSeq copied, `to_tag` added
/// where To has none, Timestamp into a 100, Record-Route into what may form a dialog (section 12.1.1). With `source`
/// the top Via tells where the request came from (sections 18.2.1 and RFC 3581 section 4).
pub fn response_to<'b, 'm>(
    out: &'b mut BytesMut,
    request: impl Into<View<'m>>,
    status: u16,
    reason: impl AsRef<[u8]>,
    to_tag: Option<&str>,
    source: Option<SocketAddr>,
) -> Builder<'b> {
    let request = request.into();
    let mut builder = Builder::response(out, status, reason);
    let bytes = request.bytes();
    let mut top = true;
    for entry in request.entries() {
        match entry.id {
            HeaderName::Via => {
                let marked =
                    source.filter(|_| top).is_some_and(|source| put_top_via(&mut builder, entry, bytes, source));
                if !marked {
                    builder.put_entry(entry, bytes);
                    builder.out.put_slice(b"\r\n");
                }
                // An empty line above it is no Via.
                top &= text::Elements::new(entry.value.of(bytes)).next().is_none();
            }
            HeaderName::RecordRoute if (101..300).contains(&status) => {
                builder.put_entry(entry, bytes);
                builder.out.put_slice(b"\r\n");
            }
            _ => {}
        }
    }
    builder.raw_copy(request, HeaderName::From);
    let tag = to_tag.filter(|_| request.to().is_ok_and(|to| to.tag().is_none()));
    for entry in request.entries().iter().filter(|entry| entry.id == HeaderName::To) {
        builder.put_entry(entry, bytes);
        if let Some(tag) = tag {
            builder.out.put_slice(b";tag=");
            builder.put_line_text(tag.as_bytes());
        }
        builder.out.put_slice(b"\r\n");
    }
    builder.raw_copy(request, HeaderName::CallId).raw_copy(request, HeaderName::CSeq);
    if status == 100 {
        builder.raw_copy(request, HeaderName::Timestamp);
    }
    builder
}

/// Writes the line of the topmost Via with `received` and `rport` told by the socket. What the sender itself claimed
/// for `received` is left out. False, and nothing written, when nothing needs to be told or the Via cannot be read.
fn put_top_via(builder: &mut Builder<'_>, entry: &Entry, bytes: &[u8], source: SocketAddr) -> bool {
    let mut elements = text::Elements::new(entry.value.of(bytes));
    let Some(element) = elements.next() else { return false };
    let Ok(via) = super::Via::parse(element) else { return false };
    let asked = via.rport != super::Rport::Absent;
    let elsewhere = via.sent_by_host.ip() != Some(source.ip());
    let claimed = via.params.has("received");
    if !asked && !elsewhere && !claimed {
        return false;
    }
    let before_params = element.len() - via.params.as_bytes().len();
    builder.out.put_slice(entry.name.of(bytes));
    builder.out.put_slice(b": ");
    builder.put_raw_value(text::trim_end(&element[..before_params]));
    // Before the sender's own parameters, so that a quote that it left open cannot take these in.
    builder.out.put_slice(b";received=");
    match source.ip() {
        IpAddr::V4(address) => {
            for (n, octet) in address.octets().into_iter().enumerate() {
                if n > 0 {
                    builder.out.put_u8(b'.');
                }
                builder.put_number(u32::from(octet));
            }
        }
        // Without brackets (RFC 3261 section 25.1, RFC 5118 section 4.5). Writing into memory does not fail.
        IpAddr::V6(address) => drop(fmt::write(&mut LineText { out: builder.out }, format_args!("{address}"))),
    }
    if asked {
        builder.out.put_slice(b";rport=");
        builder.put_number(u32::from(source.port()));
    }
    for param in via.params {
        if param.is("received") || param.is("rport") {
            continue;
        }
        builder.out.put_u8(b';');
        builder.put_raw_value(param.name);
        if let Some(value) = param.value {
            builder.out.put_u8(b'=');
            builder.put_raw_value(value);
        }
    }
    for element in elements {
        builder.out.put_slice(b", ");
        builder.put_raw_value(element);
    }
    builder.out.put_slice(b"\r\n");
    true
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
