//! A message that is kept: its bytes and its table, shared by all clones.

use super::address::{Contact, NameAddr};
use super::digest::Auth;
use super::fields::{CSeq, FieldError, MediaType, RAck, Replaces, SessionExpires};
use super::scan::{self, ContentLength, Defects, HeaderTable, Limits};
use super::via::Via;
use super::view::{Lines, List, View};
use super::{HeaderName, Method};
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use super::scan::ScanError as ParseError;

/// One SIP message. A clone shares everything. See [`View`] for what each reader does; here they are at hand.
#[derive(Clone)]
pub struct Message {
    raw: Bytes,
    table: Arc<HeaderTable>,
    method: Method,
}

impl Message {
    /// Reads a datagram: the body is as long as Content-Length says, or the rest when there is none.
    pub fn parse(raw: Bytes) -> Result<Message, ParseError> {
        Self::parse_within(raw, Limits::DEFAULT)
    }

    pub fn parse_within(raw: Bytes, limits: Limits) -> Result<Message, ParseError> {
        let raw = raw.slice(scan::leading_line_ends(&raw)..);
        let mut table = HeaderTable::new();
        scan::scan(&raw, &mut table, limits)?;
        let view = View::new(&raw, &table);
        let (extent, method) = (view.extent(), view.method());
        // A response whose CSeq cannot be read is kept all the same; `validate_response` says what is wrong with it.
        let method = method.unwrap_or(Method::Other("".into()));
        Ok(Message { raw: raw.slice(..extent), table: Arc::new(table), method })
    }

    /// Reads what [`super::frame::Framer`] cut out of a stream.
    pub fn from_frame(raw: Bytes) -> Result<Message, ParseError> {
        Self::parse(raw)
    }

    #[inline]
    pub fn view(&self) -> View<'_> {
        View::new(&self.raw, &self.table)
    }

    /// The message's own octets, unchanged.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The method of a request, or of a response's CSeq.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Whether a request stands outside every dialog. A REGISTER always does, whatever tag its To has (RFC 3261 10.2).
    pub fn is_outside_dialog(&self) -> bool {
        self.is_request() && (self.method == Method::Register || self.to().map_or(true, |to| to.tag().is_none()))
    }

    /// The body as shared bytes.
    pub fn body_bytes(&self) -> Bytes {
        self.raw.slice_ref(self.body())
    }
}

macro_rules! readers {
    ($(fn $name:ident(&self $(, $arg:ident: $kind:ty)*) -> $result:ty;)+) => {
        impl Message {
            $(
                #[doc = concat!("See [`View::", stringify!($name), "`].")]
                #[inline]
                pub fn $name(&self $(, $arg: $kind)*) -> $result {
                    self.view().$name($($arg),*)
                }
            )+
        }
    };
}

readers! {
    fn is_request(&self) -> bool;
    fn request_uri(&self) -> &[u8];
    fn status(&self) -> u16;
    fn reason(&self) -> &[u8];
    fn version(&self) -> &[u8];
    fn body(&self) -> &[u8];
    fn content_length(&self) -> ContentLength;
    fn defects(&self) -> Defects;
    fn header(&self, name: HeaderName) -> Option<&[u8]>;
    fn text(&self, name: HeaderName) -> Option<Cow<'_, [u8]>>;
    fn header_named(&self, name: &str) -> Option<&[u8]>;
    fn headers(&self, name: HeaderName) -> Lines<'_>;
    fn list(&self, name: HeaderName) -> List<'_>;
    fn all_headers(&self) -> impl Iterator<Item = (&[u8], HeaderName, &[u8])>;
    fn count(&self, name: HeaderName) -> usize;
    fn via(&self) -> Result<Via<'_>, FieldError>;
    fn vias(&self) -> impl Iterator<Item = Result<Via<'_>, FieldError>>;
    fn from(&self) -> Result<NameAddr<'_>, FieldError>;
    fn to(&self) -> Result<NameAddr<'_>, FieldError>;
    fn address(&self, name: HeaderName) -> Result<NameAddr<'_>, FieldError>;
    fn addresses(&self, name: HeaderName) -> impl Iterator<Item = Result<NameAddr<'_>, FieldError>>;
    fn contacts(&self) -> impl Iterator<Item = Result<Contact<'_>, FieldError>>;
    fn contact(&self) -> Result<NameAddr<'_>, FieldError>;
    fn call_id(&self) -> Result<&str, FieldError>;
    fn cseq(&self) -> Result<CSeq, FieldError>;
    fn max_forwards(&self) -> Option<Result<u8, FieldError>>;
    fn expires(&self) -> Option<u32>;
    fn seconds(&self, name: HeaderName) -> Option<u32>;
    fn content_type(&self) -> Option<Result<MediaType<'_>, FieldError>>;
    fn part(&self, kind: &str, subtype: &str) -> Option<&[u8]>;
    fn has_token(&self, name: HeaderName, token: &str) -> bool;
    fn allows(&self, method: &Method) -> bool;
    fn credentials(&self, name: HeaderName) -> impl Iterator<Item = Auth<'_>>;
    fn authorization(&self) -> Option<Auth<'_>>;
    fn challenges(&self, name: HeaderName) -> impl Iterator<Item = Auth<'_>>;
    fn rack(&self) -> Option<Result<RAck, FieldError>>;
    fn rseq(&self) -> Option<u32>;
    fn session_expires(&self) -> Option<Result<SessionExpires, FieldError>>;
    fn replaces(&self) -> Option<Result<Replaces<'_>, FieldError>>;
    fn refer_to(&self) -> Option<Result<NameAddr<'_>, FieldError>>;
}

impl<'a> From<&'a Message> for View<'a> {
    fn from(message: &'a Message) -> View<'a> {
        message.view()
    }
}

/// As [`View`]: no header.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}
