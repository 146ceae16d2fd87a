//! Session timers (RFC 4028): how often a call that is up is refreshed, by whom, and when it has been silent for too long.

use crate::sip::message::{HeaderName, Message, Refresher, SessionExpires};
use std::time::Duration;

/// The option tag.
pub const TIMER: &str = "timer";
/// The least interval that anybody may ask for, and what holds without a Min-SE (section 5).
pub const LEAST_S: u32 = 90;

/// What we want of session timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTerms {
    /// The interval that we ask for.
    pub expires_s: u32,
    /// The least that we agree to; [`LEAST_S`] or more.
    pub min_s: u32,
}

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    pub interval_s: u32,
    pub we_refresh: bool,
    /// The largest Min-SE heard, which our requests repeat (section 7.4).
    pub min_s: u32,
}

/// The peer asks for less than our minimum: 422.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooBrief;

impl SessionTerms {
    /// Session-Expires and Min-SE of our first INVITE. Who refreshes is left to the callee (section 7.1).
    pub fn ask(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("Session-Expires", self.expires_s.to_string())];
        headers.extend(min_se(self.min_s));
        headers
    }

    /// After a 422: the terms to try again with, if its Min-SE asks for more than we did.
    pub fn raised(&self, refusal: &Message) -> Option<SessionTerms> {
        let min_s = refusal.seconds(HeaderName::MinSe).filter(|min_s| *min_s > self.expires_s)?;
        Some(SessionTerms { expires_s: min_s, min_s })
    }

    /// What a request of the peer, an INVITE or UPDATE, leads to if it is answered 2xx, and what that says (section 9).
    pub fn answer(&self, request: &Message, running: Option<SessionTimer>) -> Result<Option<Agreement>, TooBrief> {
        let supports = request.has_token(HeaderName::Supported, TIMER) || request.has_token(HeaderName::Require, TIMER);
        let asked = request.session_expires().and_then(Result::ok);
        match asked {
            // Whoever does not know session timers has no use for a 422, and a proxy that asks too much is not heard.
            Some(asked) if asked.seconds < self.min_s => return if supports { Err(TooBrief) } else { Ok(None) },
            None if !supports && running.is_none() => return Ok(None),
            _ => {}
        }
        let min_s = request.seconds(HeaderName::MinSe).unwrap_or(LEAST_S).max(running.map_or(LEAST_S, |r| r.min_s));
        let ours = self.expires_s.max(min_s);
        let kept = running.map(|running| if running.we_refresh { Refresher::Uas } else { Refresher::Uac });
        let refresher = match asked.and_then(|asked| asked.refresher).or(kept) {
            Some(refresher) if supports => refresher,
            // Who refreshes finds out first that the other is gone.
            _ => Refresher::Uas,
        };
        let timer = SessionTimer {
            interval_s: asked.map_or(ours, |asked| asked.seconds.min(ours)),
            we_refresh: refresher == Refresher::Uas,
            min_s,
        };
        Ok(Some(Agreement { timer, require: supports && refresher == Refresher::Uac }))
    }
}

/// A timer, and what our 2xx says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    pub timer: SessionTimer,
    /// The peer has to know session timers, as it is the one to refresh.
    require: bool,
}

impl Agreement {
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let refresher = if self.timer.we_refresh { "uas" } else { "uac" };
        let mut headers = vec![("Session-Expires", format!("{};refresher={refresher}", self.timer.interval_s))];
        if self.require {
            headers.push(("Require", TIMER.into()));
        }
        headers
    }
}

impl SessionTimer {
    /// What the 2xx to our INVITE or UPDATE agrees to (section 7.2). Without Session-Expires nobody refreshes.
    pub fn agreed(response: &Message, min_s: u32) -> Option<SessionTimer> {
        let SessionExpires { seconds, refresher } = response.session_expires()?.ok()?;
        // Less than anybody may ask for would have us send without end.
        Some(SessionTimer { interval_s: seconds.max(LEAST_S), we_refresh: refresher != Some(Refresher::Uas), min_s })
    }

    /// Session-Expires and Min-SE of our requests in the dialog (section 7.4).
    pub fn ask(&self) -> Vec<(&'static str, String)> {
        let refresher = if self.we_refresh { "uac" } else { "uas" };
        let mut headers = vec![("Session-Expires", format!("{};refresher={refresher}", self.interval_s))];
        headers.extend(min_se(self.min_s));
        headers
    }

    /// After a 422 to a refresh: the interval to ask for next.
    pub fn raised(&self, refusal: &Message) -> Option<SessionTimer> {
        let min_s = refusal.seconds(HeaderName::MinSe).filter(|min_s| *min_s > self.interval_s)?;
        Some(SessionTimer { interval_s: min_s, min_s, ..*self })
    }

    /// Half the interval after the last refresh the next is due (section 10).
    pub fn refresh_after(&self) -> Duration {
        Duration::from_secs(self.interval_s.into()) / 2
    }

    /// Between two tries of a refresh that failed.
    pub fn retry_after(&self) -> Duration {
        Duration::from_secs(self.interval_s.into()) / 8
    }

    /// Without a refresh the session is over a third of the interval, at most 32 s, before it would expire (section 10).
    pub fn over_after(&self) -> Duration {
        Duration::from_secs((self.interval_s - (self.interval_s / 3).min(32)).into())
    }
}

fn min_se(min_s: u32) -> Option<(&'static str, String)> {
    (min_s > LEAST_S).then(|| ("Min-SE", min_s.to_string()))
}
