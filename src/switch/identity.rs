//! Who is shown to whom. What a new call says of its caller is believed as far as its sender is trusted (RFC 3325); what a
//! caller wants hidden stays hidden from whoever is called (RFC 3323), and our records know it all the same.

use super::inbound::printable;
use super::outbound_leg::user_part;
use super::{Entry, Switch};
use crate::events::{EventKind, NumberRole};
use crate::ids::{CallId, Redacted, TrunkId};
use crate::routing::TrunkNumbers;
use crate::sip::message::uri::UriRef;
use crate::sip::message::{HeaderName, Message, NameAddr};
use crate::sip::peer::Peer;
use crate::timers::Now;

/// RFC 7433 8 has 128 octets of data; as hex, with its parameters.
const LONGEST_USER_TO_USER: usize = 320;

/// RFC 3323 4.1.1.3.
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// What a call says of its caller beside its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// The caller does not want to be shown.
    pub private: bool,
    /// The number that sent the call on to us.
    pub redirecting: Option<String>,
    pub user_to_user: Option<String>,
}

/// A caller whom a trusted carrier vouches for.
pub(super) struct Asserted {
    pub number: String,
    pub display: Option<String>,
}

/// How a caller stands in an INVITE of ours.
pub(super) struct Shown {
    /// A URI.
    pub from: String,
    pub display: Option<String>,
    pub headers: Vec<(String, String)>,
}

impl Identity {
    /// Of a call by a trunk. What else an untrusted sender writes about callers is passed over.
    pub fn of_trunk(request: &Message) -> Identity {
        Identity {
            private: wants_privacy(request),
            redirecting: redirecting(request),
            user_to_user: user_to_user(request),
        }
    }

    /// Of an extension: it is whom it proved to be, and may only hide that.
    pub fn of_extension(request: &Message) -> Identity {
        Identity { private: wants_privacy(request), ..Identity::default() }
    }
}

/// P-Asserted-Identity (RFC 3325 9.1): the number of the first value that has one, and a name.
pub(super) fn asserted(request: &Message) -> Option<Asserted> {
    let listed = request.addresses(HeaderName::PAssertedIdentity).filter_map(Result::ok);
    let known = |at: NameAddr<'_>| {
        let number = user_of(at.uri)?;
        let display = at.display_name().map(|name| printable(&name)).filter(|name| !name.is_empty());
        Some(Asserted { number, display })
    };
    listed.filter_map(known).next()
}

/// RFC 3323 4.2 and RFC 3325 9.3: `user`, `header` and `id` each ask that nobody be told.
fn wants_privacy(request: &Message) -> bool {
    let value = request.text(HeaderName::Privacy).unwrap_or_default();
    let asks = |token: &[u8]| {
        let token = token.trim_ascii();
        [&b"id"[..], b"user", b"header"].iter().any(|known| token.eq_ignore_ascii_case(known))
    };
    value.split(|octet| matches!(octet, b';' | b',')).any(asks)
}

/// Who sent the call on: the latest Diversion (RFC 5806 6.1 has it first), or the entry before the last of History-Info
/// (RFC 7044 10.3).
fn redirecting(request: &Message) -> Option<String> {
    let diverted = request.addresses(HeaderName::Diversion).filter_map(Result::ok).find_map(|at| user_of(at.uri));
    diverted.or_else(|| {
        let past: Vec<String> = request
            .addresses(HeaderName::HistoryInfo)
            .filter_map(Result::ok)
            .filter_map(|at| user_of(at.uri))
            .collect();
        past.iter().rev().nth(1).cloned()
    })
}

fn user_to_user(request: &Message) -> Option<String> {
    let value = request.text(HeaderName::UserToUser)?;
    let fits = !value.is_empty() && value.len() <= LONGEST_USER_TO_USER;
    let plain = fits && value.iter().all(|octet| octet.is_ascii_graphic() || *octet == b' ');
    plain.then(|| String::from_utf8_lossy(&value).into_owned())
}

fn user_of(uri: &[u8]) -> Option<String> {
    let user = UriRef::parse(uri).ok()?.user_decoded()?.into_owned();
    let user = printable(user.as_bytes());
    (!user.is_empty() && user != "anonymous").then_some(user)
}

impl Switch {
    /// What the rules of a trunk make of a number, and the event that tells of it where that is another than before.
    pub(super) fn rewrite(&self, trunk: &TrunkId, role: NumberRole, number: &str) -> (String, Option<EventKind>) {
        let Some(numbers) = self.config.trunk_numbers.get(trunk) else { return (number.to_string(), None) };
        let rules = match role {
            NumberRole::CalledIn => &numbers.called_in,
            NumberRole::CallerIn => &numbers.caller_in,
            NumberRole::CalledOut => &numbers.called_out,
            NumberRole::CallerOut => &numbers.caller_out,
        };
        let (made, rule) = numbers.apply(rules, number);
        let told = (made != number).then(|| EventKind::NumberRewritten {
            trunk: trunk.clone(),
            role,
            was: Redacted::new(number.to_string()),
            is: Redacted::new(made.clone()),
            rule: rule.and_then(|rule| u16::try_from(rule).ok()),
        });
        (made, told)
    }

    /// [`Switch::rewrite`] for a call that is there.
    pub(super) fn rewritten(
        &mut self,
        now: Now,
        id: CallId,
        trunk: &TrunkId,
        role: NumberRole,
        number: &str,
    ) -> String {
        let (made, told) = self.rewrite(trunk, role, number);
        if let Some(told) = told {
            self.emit(now, Some(id), told);
        }
        made
    }

    pub(super) fn trusts(&self, trunk: &TrunkId) -> bool {
        self.config.trunk_numbers.get(trunk).is_some_and(|numbers| numbers.trusted)
    }

    /// The caller as a trunk is shown it. `diverted`: we have sent the call on from the number that was called.
    pub(super) fn shown_to_trunk(
        &mut self,
        now: Now,
        id: CallId,
        trunk: &TrunkId,
        peer: Peer,
        diverted: Option<&str>,
    ) -> Option<Shown> {
        let entry = self.calls.get(&id)?;
        let (caller, called, identity) = (entry.from.clone(), entry.to.clone(), entry.identity.clone());
        let policy =
            self.config.trunk_numbers.get(trunk).map(|numbers: &TrunkNumbers| numbers.caller_id.shown(&caller));
        let shown = policy.unwrap_or(Some(caller)).filter(|number| !number.is_empty());
        let number = shown.map(|number| self.rewritten(now, id, trunk, NumberRole::CallerOut, &number));
        let host = self.config.sip_host(&peer);
        let own = number.as_ref().map(|number| format!("sip:{}@{host}", user_part(number)));
        let hidden = identity.private || own.is_none();
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, value: String| headers.push((name.into(), value));
        if self.trusts(trunk) {
            if let Some(own) = &own {
                add("P-Asserted-Identity", format!("<{own}>"));
            }
            if hidden {
                add("Privacy", "id".into());
            }
            if let Some(target) = diverted {
                let from = format!("sip:{}@{host}", user_part(&called));
                add("Diversion", format!("<{from}>;reason=deflection;counter=1"));
                if let Some(earlier) = &identity.redirecting {
                    add("Diversion", format!("<sip:{}@{host}>;reason=unknown", user_part(earlier)));
                }
                add("History-Info", format!("<{from}>;index=1"));
                // RFC 4458 2: 302 stands for a deflection.
                add("History-Info", format!("<{target};cause=302>;index=1.1;mp=1"));
            }
        }
        if let Some(data) = identity.user_to_user {
            add("User-to-User", data);
        }
        Some(match own.filter(|_| !hidden) {
            Some(from) => Shown { from, display: None, headers },
            None => Shown { from: ANONYMOUS.into(), display: Some("Anonymous".into()), headers },
        })
    }

    /// The caller as our own phones are shown it.
    pub(super) fn shown_inside(&self, entry: &Entry, peer: Peer) -> Shown {
        let headers = entry.identity.user_to_user.iter().map(|data| ("User-to-User".to_string(), data.clone()));
        let headers = headers.collect();
        if entry.identity.private {
            return Shown { from: ANONYMOUS.into(), display: Some("Anonymous".into()), headers };
        }
        // Whoever is rung first in a call of ours is to see whom it will talk to.
        let (number, display) = match entry.call.caller().is_awaited() {
            true => (&entry.to, None),
            false => (&entry.from, entry.from_display.clone()),
        };
        let from = format!("sip:{}@{}", user_part(number), self.config.sip_host(&peer));
        Shown { from, display, headers }
    }
}
