//! What stands before every route: headers that a browser obeys, foreign origins refused, proof of identity, a bound
//! on guesses, and a time limit.

use super::Api;
use super::guard::Client;
use super::reply::Refused;
use crate::admission::Tally;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const COOKIE: &str = "hotline_login";
/// Longer than any answer takes but a slow database; a body that dribbles in for longer is cut off.
const TIME_LIMIT: Duration = Duration::from_secs(10);

const HEADERS: [(header::HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A page of another site must not drive the API with this browser's cookie: whatever names a foreign origin is
/// refused, before any proof is looked at.
pub(super) async fn origin(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if let Some(origin) = headers.get(header::ORIGIN) {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let own = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
        if own.is_none() || own != host {
            return Refused::new(StatusCode::FORBIDDEN, "requests from another site's page are refused")
                .into_response();
        }
    }
    next.run(request).await
}

pub(super) async fn time_limit(request: Request, next: Next) -> Response {
    match tokio::time::timeout(TIME_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refused::new(StatusCode::GATEWAY_TIMEOUT, "this took too long; try again").into_response(),
    }
}

/// Lets through what is open to all, and whoever proves to be the admin.
pub(super) async fn proof(State(api): State<Api>, request: Request, next: Next) -> Response {
    let now = Instant::now();
    if matches!(request.uri().path(), "/healthz" | "/readyz") {
        return next.run(request).await;
    }
    let from = request.extensions().get::<ConnectInfo<Client>>().map(|ConnectInfo(client)| client.address());
    // Who is logged in stays so, whatever others at the same address (a reverse proxy's, perhaps) try.
    if cookie(request.headers()).is_some_and(|cookie| api.0.access.cookie_is(cookie, now)) {
        return next.run(request).await;
    }
    if from.is_some_and(|from| api.0.guesses.tally().is_used_up(now, from)) {
        let text = "too many wrong tokens from this address; wait a few seconds";
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "12")], text).into_response();
    }
    if let Some(code) = login_code(request.method(), request.uri()) {
        return match api.0.access.redeem(code, now) {
            Ok(Some(cookie)) => logged_in(&cookie),
            Ok(None) => refused(&api, from, now, true),
            Err(error) => Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        };
    }
    if bearer(request.headers()).is_some_and(|token| api.0.access.token_is(token)) {
        return next.run(request).await;
    }
    // A cookie cannot be guessed, and pages that were left open show theirs for hours after it has expired.
    let guessed = request.headers().contains_key(header::AUTHORIZATION);
    let person = request.uri().path() == "/";
    match guessed {
        true => refused(&api, from, now, person),
        false => unproven(person),
    }
}

/// The cookie's value, where there is one.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE);
    all.iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    })
}

/// Takes the cookie away from the browser.
pub(super) fn cleared_cookie() -> (header::HeaderName, String) {
    (header::SET_COOKIE, format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn login_code<'a>(method: &Method, uri: &'a Uri) -> Option<&'a str> {
    if method != Method::GET || uri.path() != "/" {
        return None;
    }
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("login="))
}

/// The page that follows a link moves on by itself: a redirect would still count as coming from the site that had the
/// link, and the browser would hold the strict cookie back.
fn logged_in(cookie: &str) -> Response {
    let set = format!("{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict");
    let page = "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=\"0;url=/\"><title>hotline</title>\
                <p><a href=\"/\">hotline</a>";
    ([(header::SET_COOKIE, set)], Html(page)).into_response()
}

fn refused(api: &Api, from: Option<IpAddr>, now: Instant, person: bool) -> Response {
    if let Some(from) = from {
        api.0.guesses.tally().count(now, from);
    }
    unproven(person)
}

fn unproven(person: bool) -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"hotline\"")];
    if person {
        let page = "<!doctype html><meta charset=utf-8><title>hotline</title><p>请用启动时打印的一次性链接登录，\
                    或重新运行 <code>hotline status --login</code> 取得新链接。\
                    <p>Log in with the one-time link printed at start, or take a new one with \
                    <code>hotline status --login</code>.";
        return (StatusCode::UNAUTHORIZED, challenge, Html(page)).into_response();
    }
    let text = "show the admin token: `Authorization: Bearer TOKEN`";
    (StatusCode::UNAUTHORIZED, challenge, Refused::new(StatusCode::UNAUTHORIZED, text)).into_response()
}

/// Wrong proofs, so that one address cannot try tokens by the thousand.
pub(super) struct Guesses(Mutex<Tally>);

impl Default for Guesses {
    fn default() -> Self {
        Self(Mutex::new(Tally::new(GUESSES, GUESS_WINDOW)))
    }
}

impl Guesses {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wrong tokens looked at from one address in [`GUESS_WINDOW`]; after that none is looked at.
const GUESSES: u32 = 100;
const GUESS_WINDOW: Duration = Duration::from_secs(12);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_code_is_taken_from_the_front_page_only() {
        let code = |uri: &'static str| login_code(&Method::GET, &Uri::from_static(uri)).is_some();
        assert!(code("/?login=abc") && code("/?x=1&login=abc"));
        assert!(!code("/api/v1/status?login=abc") && !code("/?nologin=abc"));
    }
}
