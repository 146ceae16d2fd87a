//! We ask a peer to call somebody else in our stead (RFC 3515), and hear from it how that goes on.

use super::compose::{Reply, Within};
use super::usage::{Phase, Up};
use super::{Busy, Endpoint, Owner, SipEvent, UsageId};
use crate::sip::message::{HeaderName, Message, Method};
use crate::sip::transaction::ServerId;
use std::time::Instant;

/// A REFER of ours, as it was sent or will be once more with credentials.
#[derive(Debug)]
pub(super) struct Referring {
    refer_to: String,
    referred_by: Option<String>,
}

impl Endpoint {
    /// Asks the peer of a call to call `refer_to`, a URI without angle brackets. [`SipEvent::ReferAnswered`] tells whether it
    /// will, [`SipEvent::Notified`] what comes of it. One at a time in a call.
    pub fn refer(&mut self, now: Instant, id: UsageId, refer_to: &str, referred_by: Option<&str>) -> Result<(), Busy> {
        let mut result = Err(Busy);
        self.change(id, |this, phase| match phase {
            Phase::Up(mut up) => {
                if up.referring.is_none() && up.owed_ack.is_none() {
                    let referred_by = referred_by.map(str::to_owned);
                    up.referring = Some(Referring { refer_to: refer_to.to_owned(), referred_by });
                    this.send_refer(now, id, &mut up);
                    result = Ok(());
                }
                Phase::Up(up)
            }
            other => other,
        });
        result
    }

    fn send_refer(&mut self, now: Instant, id: UsageId, up: &mut Up) {
        let Some(referring) = &up.referring else { return };
        let bracketed = |uri: &str| format!("<{}>", uri.replace(|c: char| c.is_control() || "<>\" ".contains(c), ""));
        let (to, by) = (bracketed(&referring.refer_to), referring.referred_by.as_deref().map(bracketed));
        let mut headers = vec![("Refer-To", to.as_str())];
        headers.extend(by.as_deref().map(|by| ("Referred-By", by)));
        let with = Within { login: up.login.as_mut(), headers: &headers, ..Within::default() };
        self.send_in_dialog(now, &mut up.dialog, &Method::Refer, with, Owner::Refer(id));
    }

    /// `None`: no answer came, or there was no way to send.
    pub(super) fn refer_answered(&mut self, now: Instant, id: UsageId, status: u16, response: Option<&Message>) {
        if status < 200 {
            return;
        }
        self.change(id, |this, phase| match phase {
            Phase::Up(mut up) => {
                let challenge = response.filter(|_| matches!(status, 401 | 407));
                let again = challenge.is_some_and(|response| {
                    up.login.as_mut().is_some_and(|login| login.take_challenge(response, || this.mint.cnonce()))
                });
                if again {
                    this.send_refer(now, id, &mut up);
                    return Phase::Up(up);
                }
                if status >= 300 {
                    up.referring = None;
                }
                this.events.push_back(SipEvent::ReferAnswered { usage: id, status });
                // 12.2.1.2: the peer does not know the call any more.
                if status == 481 { this.peer_lost(now, id, *up, status) } else { Phase::Up(up) }
            }
            other => other,
        });
    }

    /// A NOTIFY in a call: about our REFER, or about nothing that we asked for.
    pub(super) fn receive_notify(&mut self, now: Instant, id: UsageId, tx: ServerId, notify: &Message) {
        let word = |name| notify.text(name).map(|value| String::from_utf8_lossy(&value).to_ascii_lowercase());
        let about_refer = word(HeaderName::Event).is_some_and(|event| {
            event.split(';').next().is_some_and(|package| package.trim() == super::subscribe::REFER_PACKAGE)
        });
        let referring = match self.usages.get_mut(id.0).map(|usage| &mut usage.phase) {
            Some(Phase::Up(up)) if about_refer => &mut up.referring,
            _ => &mut None,
        };
        if referring.is_none() {
            self.answer(now, tx, Reply::plain(481));
            return;
        }
        let over =
            word(HeaderName::SubscriptionState).is_some_and(|state| state.trim_start().starts_with("terminated"));
        if over {
            *referring = None;
        }
        self.answer(now, tx, Reply::plain(200));
        let status = status_of_fragment(notify.body());
        self.events.push_back(SipEvent::Notified { usage: id, status, over });
    }
}

/// The status line that a message/sipfrag body begins with (RFC 3420).
fn status_of_fragment(body: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(body.split(|b| matches!(b, b'\r' | b'\n')).next()?).ok()?;
    let status = line.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()?;
    (100..700).contains(&status).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::status_of_fragment;

    #[test]
    fn a_fragment_tells_a_status_or_nothing() {
        assert_eq!(status_of_fragment(b"SIP/2.0 180 Ringing\r\n"), Some(180));
        assert_eq!(status_of_fragment(b"SIP/2.0 200 OK\r\nTo: <sip:1@x>\r\n"), Some(200));
        assert_eq!(status_of_fragment(b"SIP/2.0 486"), Some(486));
        for bad in [&b""[..], b"SIP/2.0 99 x", b"SIP/2.0 700 x", b"SIP/2.0 abc", b"INVITE sip:1 SIP/2.0", b"\xff"] {
            assert_eq!(status_of_fragment(bad), None);
        }
    }
}
