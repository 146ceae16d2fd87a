//! Requests to other systems over HTTP/1.1: lookups, and what the outbox delivers. The only file that names hyper.
//!
//! A flow's author chooses a path, never a host: hosts are named by IT, and each time a name is resolved the address is
//! looked at before anybody connects, so that no name server can send us to this machine's own services or to a cloud's
//! metadata. Redirections are not followed. One connection serves one request: what is left of it cannot harm the next.
//!
//! Whoever calls sets the time limit and drops the future when it is over; nothing here goes on after that.

mod origin;
mod reach;
#[cfg(test)]
mod tests;

pub use origin::Origin;
pub use reach::{Reach, allowed};

use crate::net::Resolver;
use crate::net::tls::WebTls;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request as HttpRequest};
use hyper_util::rt::TokioIo;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// What a flow can use of an answer is some hundred octets; more than this is not for us.
pub const MAX_BODY: usize = 256 * 1024;
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 100;
/// Of a name's addresses; the rest are not tried.
const MAX_ADDRESSES: usize = 4;
/// For one address, so that a dead one leaves time for the next.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Where requests go.
#[derive(Clone)]
pub struct Site {
    pub origin: Origin,
    pub reach: Reach,
    pub tls: Option<WebTls>,
}

/// A request with nothing left to fill in.
pub struct Outgoing<'a> {
    pub method: &'a str,
    /// Below the origin's own path, with the query.
    pub path: &'a str,
    pub headers: &'a [(String, String)],
    /// The secret: a header and its whole value.
    pub proof: Option<(&'a str, &'a str)>,
    /// JSON.
    pub body: Option<&'a str>,
}

pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The name has no address.
    Unknown,
    /// It has, but none that we may connect to.
    Forbidden,
    /// Nobody takes connections there.
    Refused,
    /// The certificate is not good, or TLS failed otherwise.
    Tls,
    /// The connection ended or turned to garbage before the answer was whole.
    Broken,
    TooLarge,
    /// What is to be sent cannot be written as HTTP.
    Unsendable,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Fault::Unknown => "unknown_host",
            Fault::Forbidden => "forbidden_address",
            Fault::Refused => "refused",
            Fault::Tls => "tls",
            Fault::Broken => "broken",
            Fault::TooLarge => "too_large",
            Fault::Unsendable => "unsendable",
        }
    }

    /// Whether another try may go better.
    pub fn may_pass(self) -> bool {
        matches!(self, Fault::Refused | Fault::Broken | Fault::Unknown)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Unknown => "its host has no address; look at `bases:` and at the name servers",
            Fault::Forbidden => {
                "its host is at an address that is not allowed; in your own network say `private: true`"
            }
            Fault::Refused => "nobody takes connections there",
            Fault::Tls => "its certificate is not good; name its authorities by `ca:`",
            Fault::Broken => "the connection ended, or what came is not HTTP",
            Fault::TooLarge => "its answer is larger than 256 kB",
            Fault::Unsendable => "a value cannot be sent where it belongs",
        })
    }
}

/// Ends the task that drives a connection when the exchange is over or given up.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends one request and reads the whole answer.
pub async fn exchange(site: &Site, resolver: &Resolver, outgoing: Outgoing<'_>) -> Result<Answer, Fault> {
    let request = request(&site.origin, outgoing)?;
    let stream = connect(site, resolver).await?;
    match &site.tls {
        Some(tls) => {
            let stream = tls.connect(&site.origin.host, stream).await.map_err(|_| Fault::Tls)?;
            over(stream, request).await
        }
        None => over(stream, request).await,
    }
}

async fn connect(site: &Site, resolver: &Resolver) -> Result<TcpStream, Fault> {
    let known = site.origin.addresses(resolver).await;
    if known.is_empty() {
        return Err(Fault::Unknown);
    }
    let open: Vec<_> = known.into_iter().filter(|address| allowed(*address, site.reach)).collect();
    if open.is_empty() {
        return Err(Fault::Forbidden);
    }
    for address in open.into_iter().take(MAX_ADDRESSES) {
        let remote = SocketAddr::new(address, site.origin.port);
        if let Ok(Ok(stream)) = timeout(CONNECT_LIMIT, TcpStream::connect(remote)).await {
            return Ok(stream);
        }
    }
    Err(Fault::Refused)
}

fn request(origin: &Origin, outgoing: Outgoing<'_>) -> Result<HttpRequest<Full<Bytes>>, Fault> {
    let unsendable = |_| Fault::Unsendable;
    let method = Method::from_bytes(outgoing.method.as_bytes()).map_err(|_| Fault::Unsendable)?;
    let body = outgoing.body.unwrap_or_default();
    let mut request = HttpRequest::builder()
        .method(method)
        .uri(format!("{}{}", origin.path, outgoing.path))
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .map_err(|_| Fault::Unsendable)?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&origin.authority()).map_err(unsendable)?);
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("hotline/", env!("CARGO_PKG_VERSION"))));
    if outgoing.body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in outgoing.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Fault::Unsendable)?;
        headers.append(name, HeaderValue::from_str(value).map_err(unsendable)?);
    }
    if let Some((name, value)) = outgoing.proof {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Fault::Unsendable)?;
        let mut value = HeaderValue::from_str(value).map_err(unsendable)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(request)
}

async fn over<S>(stream: S, request: HttpRequest<Full<Bytes>>) -> Result<Answer, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| Fault::Broken)?;
    let _driver = Driver(tokio::spawn(connection).abort_handle());
    let answer = sender.send_request(request).await.map_err(|_| Fault::Broken)?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(|error| if error.is::<LengthLimitError>() { Fault::TooLarge } else { Fault::Broken })?;
    Ok(Answer { status, body: body.to_bytes() })
}
