//! Who proved to be which extension, and how often somebody may guess. What a sender is told is the same whatever was wrong:
//! neither a status nor a header nor the time it takes tells which extensions exist.

use super::Switch;
use super::auth_failures::AuthFailure;
use super::registration::user_of;
use crate::events::EventKind;
use crate::ids::{AgentId, Redacted};
use crate::sip::digest::{Algorithm, Verdict, Why};
use crate::sip::message::{HeaderName, Message};
use crate::sip::peer::Peer;
use crate::timers::Now;

/// What a request's credentials show.
pub(super) enum Proof {
    Extension(AgentId),
    /// None given.
    None,
    /// Given for somebody else's realm only, as proxies on the way may ask for.
    Elsewhere,
    /// Given under a nonce that is not good, or once more; the sender may try again.
    Stale,
    /// Given, and wrong.
    Wrong,
}

impl Switch {
    pub(super) fn prove(&mut self, now: Now, request: &Message, peer: Peer) -> Proof {
        if self.may_not_guess(now, request, peer) {
            self.count_auth_failure(now, request, peer, "too many guesses");
            return Proof::Wrong;
        }
        let seconds = self.uptime_s(now);
        let extensions = &self.config.extensions;
        let lookup = |user: &str| extensions.get(user).map(|extension| extension.ha1.clone());
        let why = match self.auth.verify(seconds, request, peer.remote.ip(), lookup) {
            Verdict::Ok { user } => return Proof::Extension(AgentId::new(user)),
            Verdict::Challenge { stale: _, why } => why,
        };
        // The log says why, the peer never learns it.
        let said = match why {
            Why::NoCredentials => return Proof::None,
            Why::OtherRealm => return Proof::Elsewhere,
            // As often as a phone registers less often than nonces live, and when it has a new address.
            Why::StaleNonce => return Proof::Stale,
            Why::UnknownUser => "unknown user",
            Why::WrongPassword => "wrong password",
            Why::Replayed => "replayed credentials",
            Why::WrongUri => "another uri",
            Why::Malformed => "malformed credentials",
        };
        if matches!(why, Why::UnknownUser | Why::WrongPassword) {
            self.guesses.count(now.at, peer.remote.ip());
            self.score(now, peer);
        }
        self.count_auth_failure(now, request, peer, said);
        if why == Why::Replayed { Proof::Stale } else { Proof::Wrong }
    }

    /// Whether the address has used up its guesses. A phone on the very way that it is registered by is heard all the same:
    /// whoever forges its address sees none of our answers, and must not lock it out.
    fn may_not_guess(&self, now: Now, request: &Message, peer: Peer) -> bool {
        let claims = || request.credentials(HeaderName::Authorization).filter(|auth| auth.is_digest());
        self.guesses.is_used_up(now.at, peer.remote.ip())
            && claims().next().is_some()
            && !claims().all(|auth| auth.username().is_some_and(|user| self.registrar.has_flow(&user, &peer)))
    }

    /// The headers of a 401. A `stale` one makes the client try again by itself.
    pub(super) fn challenge(
        &mut self,
        now: Now,
        request: &Message,
        peer: Peer,
        stale: bool,
    ) -> Vec<(&'static str, String)> {
        let seconds = self.uptime_s(now);
        self.auth.challenge(seconds, stale, offered_to(request, &self.config.algorithms), peer.remote.ip())
    }

    pub(super) fn count_auth_failure(&mut self, now: Now, request: &Message, peer: Peer, why: &'static str) {
        let user = request.from().ok().and_then(|from| user_of(from.uri)).unwrap_or_default();
        let failure = AuthFailure { user, source: peer.remote, why };
        if let Some((failure, count)) = self.auth_failures.add(now.at, failure) {
            self.tell_auth_failed(now, failure, count);
        }
    }

    pub(super) fn tell_auth_failed(&mut self, now: Now, failure: AuthFailure, count: u32) {
        let AuthFailure { user, source, why } = failure;
        let (user, source) = (Redacted::new(user), Redacted::new(source.to_string()));
        self.emit(now, None, EventKind::AuthFailed { user, source, why: why.into(), count });
    }
}

/// Clients that fail as soon as any challenge names an algorithm that they do not know, instead of passing over it.
const MD5_ONLY_CLIENTS: [&[u8]; 4] = [b"baresip v0.", b"baresip v1.", b"JsSIP ", b"SIP.js/"];

fn offered_to<'a>(request: &Message, algorithms: &'a [Algorithm]) -> &'a [Algorithm] {
    let client = request.header(HeaderName::UserAgent).unwrap_or_default();
    let knows_md5_only = MD5_ONLY_CLIENTS.iter().any(|known| client.starts_with(known));
    if knows_md5_only && algorithms.contains(&Algorithm::Md5) { &[Algorithm::Md5] } else { algorithms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_fail_at_an_algorithm_they_do_not_know_are_not_shown_it() {
        let offered = |agent: &str| {
            let text = format!(
                "REGISTER sip:a SIP/2.0\r\nVia: SIP/2.0/WSS a.invalid;branch=z9hG4bK1\r\nFrom: <sip:1@a>;tag=1\r\nTo: <sip:1@a>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nUser-Agent: {agent}\r\n\r\n"
            );
            offered_to(&Message::parse(text.into_bytes().into()).unwrap(), &Algorithm::OFFERED)
        };
        for agent in ["JsSIP 3.13.8", "SIP.js/0.21.2", "baresip v1.0.0 (x86_64/linux)"] {
            assert_eq!(offered(agent), [Algorithm::Md5], "{agent}");
        }
        assert_eq!(offered("baresip v3.1.0"), Algorithm::OFFERED);
    }
}
