//! A scanned message seen through its typed views. Borrowed, copied freely, and never allocating for what RFC 3261
//! messages usually hold.

use super::address::{Contact, NameAddr};
use super::digest::{Auth, Challenges};
use super::fields::{self, CSeq, FieldError, MediaType, RAck, Replaces, SessionExpires};
use super::multipart;
use super::scan::{ContentLength, Defects, Entry, HeaderTable, Limits, ScanError, StartLine, scan};
use super::text::{self, Elements};
use super::via::Via;
use super::{HeaderName, Method};
use std::borrow::Cow;
use std::fmt;

/// Bytes of one message and where everything lies in them.
#[derive(Clone, Copy)]
pub struct View<'a> {
    bytes: &'a [u8],
    table: &'a HeaderTable,
}

impl<'a> View<'a> {
    /// Scans a datagram, or a frame of a stream, into a table that is kept for the next one.
    pub fn scan(bytes: &'a [u8], table: &'a mut HeaderTable, limits: Limits) -> Result<View<'a>, ScanError> {
        scan(bytes, table, limits)?;
        Ok(View { bytes, table })
    }

    /// `table` must come from a scan of these bytes.
    pub(super) fn new(bytes: &'a [u8], table: &'a HeaderTable) -> View<'a> {
        View { bytes, table }
    }

    pub fn is_request(self) -> bool {
        matches!(self.table.start, StartLine::Request { .. })
    }

    /// The method of a request, or of a response's CSeq. A response without a readable CSeq has none worth the name.
    pub fn method(self) -> Option<Method> {
        match self.table.start {
            StartLine::Request { method, .. } => Method::from_bytes(method.of(self.bytes)),
            _ => self.cseq().ok().map(|cseq| cseq.method),
        }
    }

    /// As written in the request line; empty for a response.
    pub fn request_uri(self) -> &'a [u8] {
        match self.table.start {
            StartLine::Request { uri, .. } => uri.of(self.bytes),
            _ => &[],
        }
    }

    /// 100 to 699; 0 for a request and for a response whose status is none.
    pub fn status(self) -> u16 {
        match self.table.start {
            StartLine::Response { status, .. } => status,
            _ => 0,
        }
    }

    pub fn reason(self) -> &'a [u8] {
        match self.table.start {
            StartLine::Response { reason, .. } => reason.of(self.bytes),
            _ => &[],
        }
    }

    /// `SIP/2.0`, or what stands in its place.
    pub fn version(self) -> &'a [u8] {
        match self.table.start {
            StartLine::Request { version, .. } | StartLine::Response { version, .. } => version.of(self.bytes),
            StartLine::Empty => &[],
        }
    }

    /// As long as Content-Length says; all that follows the head when it says nothing, or more than is there.
    pub fn body(self) -> &'a [u8] {
        let rest = self.bytes.get(self.table.head..).unwrap_or_default();
        match self.table.content_length {
            ContentLength::Octets(octets) => rest.get(..octets as usize).unwrap_or(rest),
            _ => rest,
        }
    }

    pub fn content_length(self) -> ContentLength {
        self.table.content_length
    }

    pub fn defects(self) -> Defects {
        self.table.defects
    }

    /// The octets of the message itself: neither line ends before it nor a datagram's bytes after its body.
    pub(super) fn extent(self) -> usize {
        self.table.head + self.body().len()
    }

    // ---- headers as bytes ----

    /// The first header of that name as written, folds included ([`View::text`] undoes them).
    #[inline]
    pub fn header(self, name: HeaderName) -> Option<&'a [u8]> {
        let entry = self.table.entries.iter().find(|e| e.id == name)?;
        Some(entry.value.of(self.bytes))
    }

    /// [`View::header`] on one line.
    pub fn text(self, name: HeaderName) -> Option<Cow<'a, [u8]>> {
        self.header(name).map(text::unfold)
    }

    /// The first header of a name that [`HeaderName`] does not list.
    pub fn header_named(self, name: &str) -> Option<&'a [u8]> {
        self.all_headers().find(|(written, ..)| written.eq_ignore_ascii_case(name.as_bytes())).map(|(.., value)| value)
    }

    /// One value a header line.
    pub fn headers(self, name: HeaderName) -> Lines<'a> {
        Lines { bytes: self.bytes, entries: self.table.entries.iter(), name }
    }

    /// The elements of a comma-separated header across all its lines. Empty ones are left out.
    pub fn list(self, name: HeaderName) -> List<'a> {
        List { lines: self.headers(name), elements: Elements::new(&[]) }
    }

    /// Name as written, name as known, and value of every header in order.
    pub fn all_headers(self) -> impl Iterator<Item = (&'a [u8], HeaderName, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.table.entries.iter().map(move |e| (e.name.of(bytes), e.id, e.value.of(bytes)))
    }

    pub(super) fn entries(self) -> &'a [Entry] {
        &self.table.entries
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub fn count(self, name: HeaderName) -> usize {
        self.table.entries.iter().filter(|e| e.id == name).count()
    }

    // ---- typed views ----

    /// The topmost Via.
    #[inline]
    pub fn via(self) -> Result<Via<'a>, FieldError> {
        Via::parse(self.list(HeaderName::Via).next().ok_or(FieldError::missing(HeaderName::Via))?)
    }

    /// All Vias from the top.
    pub fn vias(self) -> impl Iterator<Item = Result<Via<'a>, FieldError>> + use<'a> {
        self.list(HeaderName::Via).map(Via::parse)
    }

    #[inline]
    pub fn from(self) -> Result<NameAddr<'a>, FieldError> {
        self.address(HeaderName::From)
    }

    #[inline]
    pub fn to(self) -> Result<NameAddr<'a>, FieldError> {
        self.address(HeaderName::To)
    }

    /// A header that holds one address: From, To, Refer-To, Referred-By, Reply-To.
    #[inline]
    pub fn address(self, name: HeaderName) -> Result<NameAddr<'a>, FieldError> {
        NameAddr::parse(self.header(name).ok_or(FieldError::missing(name))?, name)
    }

    /// A header that holds a list of addresses: Route, Record-Route, Path, P-Asserted-Identity.
    pub fn addresses(self, name: HeaderName) -> impl Iterator<Item = Result<NameAddr<'a>, FieldError>> + use<'a> {
        self.list(name).map(move |element| NameAddr::parse(element, name))
    }

    pub fn contacts(self) -> impl Iterator<Item = Result<Contact<'a>, FieldError>> + use<'a> {
        self.list(HeaderName::Contact).map(Contact::parse)
    }

    /// The first Contact that is an address.
    #[inline]
    pub fn contact(self) -> Result<NameAddr<'a>, FieldError> {
        self.addresses(HeaderName::Contact).next().unwrap_or(Err(FieldError::missing(HeaderName::Contact)))
    }

    #[inline]
    pub fn call_id(self) -> Result<&'a str, FieldError> {
        let value = self.header(HeaderName::CallId).ok_or(FieldError::missing(HeaderName::CallId))?;
        fields::call_id_text(value).ok_or(FieldError { header: HeaderName::CallId, what: "is not one word" })
    }

    #[inline]
    pub fn cseq(self) -> Result<CSeq, FieldError> {
        CSeq::parse(self.header(HeaderName::CSeq).ok_or(FieldError::missing(HeaderName::CSeq))?)
    }

    /// `None` when absent. RFC 3261 section 20.22 has 0 to 255.
    pub fn max_forwards(self) -> Option<Result<u8, FieldError>> {
        let wrong = FieldError { header: HeaderName::MaxForwards, what: "is not a number from 0 to 255" };
        let value = self.header(HeaderName::MaxForwards)?;
        Some(text::decimal(value).ok().and_then(|n| u8::try_from(n).ok()).ok_or(wrong))
    }

    /// Seconds; malformed counts as absent, over-large as the most there is.
    pub fn expires(self) -> Option<u32> {
        self.seconds(HeaderName::Expires)
    }

    /// A header that holds a number of seconds first: Expires, Min-Expires, Min-SE, Retry-After.
    pub fn seconds(self, name: HeaderName) -> Option<u32> {
        let value = self.header(name)?;
        let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
        let ends = value.get(digits).is_none_or(|b| text::is_blank(*b) || matches!(b, b';' | b'('));
        if ends { fields::seconds_of(&value[..digits]) } else { None }
    }

    pub fn content_type(self) -> Option<Result<MediaType<'a>, FieldError>> {
        self.header(HeaderName::ContentType).map(MediaType::parse)
    }

    /// The body, or its part, of that media type.
    pub fn part(self, kind: &str, subtype: &str) -> Option<&'a [u8]> {
        let content_type = self.content_type()?.ok()?;
        multipart::find_part(self.body(), &content_type, kind, subtype)
    }

    /// Whether a list of tokens holds this one, in any case: Supported, Require, Allow-Events.
    pub fn has_token(self, name: HeaderName, token: &str) -> bool {
        self.list(name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Whether Allow lists the method. Methods compare with case.
    pub fn allows(self, method: &Method) -> bool {
        self.list(HeaderName::Allow).any(|element| element == method.as_str().as_bytes())
    }

    /// Authorization or Proxy-Authorization, one a line.
    pub fn credentials(self, name: HeaderName) -> impl Iterator<Item = Auth<'a>> + use<'a> {
        self.headers(name).filter_map(Auth::parse)
    }

    /// The first Authorization.
    pub fn authorization(self) -> Option<Auth<'a>> {
        self.credentials(HeaderName::Authorization).next()
    }

    /// WWW-Authenticate or Proxy-Authenticate, several a line if need be.
    pub fn challenges(self, name: HeaderName) -> impl Iterator<Item = Auth<'a>> + use<'a> {
        self.headers(name).flat_map(Challenges::new)
    }

    pub fn rack(self) -> Option<Result<RAck, FieldError>> {
        self.header(HeaderName::RAck).map(RAck::parse)
    }

    pub fn rseq(self) -> Option<u32> {
        text::decimal(self.header(HeaderName::RSeq)?).ok()
    }

    pub fn session_expires(self) -> Option<Result<SessionExpires, FieldError>> {
        self.header(HeaderName::SessionExpires).map(SessionExpires::parse)
    }

    pub fn replaces(self) -> Option<Result<Replaces<'a>, FieldError>> {
        self.header(HeaderName::Replaces).map(Replaces::parse)
    }

    pub fn refer_to(self) -> Option<Result<NameAddr<'a>, FieldError>> {
        self.header(HeaderName::ReferTo).map(|value| NameAddr::parse(value, HeaderName::ReferTo))
    }
}

/// Values of the header lines of one name.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    bytes: &'a [u8],
    entries: std::slice::Iter<'a, Entry>,
    name: HeaderName,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let entry = self.entries.by_ref().find(|e| e.id == self.name)?;
        Some(entry.value.of(self.bytes))
    }
}

/// Elements of the header lines of one name.
#[derive(Clone, Debug)]
pub struct List<'a> {
    lines: Lines<'a>,
    elements: Elements<'a>,
}

impl<'a> Iterator for List<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if let Some(element) = self.elements.next() {
                return Some(element);
            }
            self.elements = Elements::new(self.lines.next()?);
        }
    }
}

/// The start line's kind only: headers hold numbers and credentials, which do not belong in a log.
impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method();
        let method = method.as_ref().map_or("?", Method::as_str);
        match self.status() {
            0 => write!(f, "Message({method}, {} octets)", self.extent()),
            status => write!(f, "Message({status} to {method}, {} octets)", self.extent()),
        }
    }
}
