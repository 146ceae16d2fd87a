//! Between REGISTER and the registrar, and who proved to be which extension.

use super::Switch;
use super::auth_failures::AuthFailure;
use crate::events::EventKind;
use crate::ids::{AgentId, Redacted};
use crate::registrar::{ContactUpdate, RegistrarOutput};
use crate::sip::digest::{Algorithm, Verdict, Why};
use crate::sip::endpoint::ServerRequest;
use crate::sip::message::uri::UriRef;
use crate::sip::message::{Contact, HeaderName, Message, is_sips};
use crate::sip::peer::Peer;
use crate::timers::Now;

/// What a request's credentials show.
pub(super) enum Proof {
    Extension(AgentId),
    /// None given.
    None,
    /// The password is right and only the nonce is not.
    Stale,
    /// Given, and wrong.
    Wrong,
}

impl Switch {
    pub(super) fn prove(&mut self, now: Now, request: &Message, peer: Peer) -> Proof {
        let seconds = now.at.saturating_duration_since(self.started).as_secs();
        let extensions = &self.config.extensions;
        let lookup = |user: &str| extensions.get(user).map(|extension| extension.ha1.clone());
        let why = match self.auth.verify(seconds, request, request.method().as_str(), lookup) {
            Verdict::Ok { user } => return Proof::Extension(AgentId::new(user)),
            Verdict::Challenge { stale: _, why } => why,
        };
        // The log says why, the peer never learns it.
        let said = match why {
            Why::NoCredentials => return Proof::None,
            Why::StaleNonce => return Proof::Stale,
            Why::UnknownUser => "unknown user",
            Why::WrongPassword => "wrong password",
            Why::Replayed => "replayed credentials",
            _ => "malformed credentials",
        };
        let user = request.from().ok().and_then(|from| user_of(from.uri)).unwrap_or_default();
        let failure = AuthFailure { user, source: peer.remote, why: said };
        if let Some((failure, count)) = self.auth_failures.add(now.at, failure) {
            self.tell_auth_failed(now, failure, count);
        }
        if why == Why::Replayed { Proof::Stale } else { Proof::Wrong }
    }

    /// The headers of a 401. A `stale` one makes the client try again by itself.
    pub(super) fn challenge(&mut self, now: Now, request: &Message, stale: bool) -> Vec<(&'static str, String)> {
        let seconds = now.at.saturating_duration_since(self.started).as_secs();
        self.auth.challenge(seconds, stale, offered_to(request))
    }

    pub(super) fn tell_auth_failed(&mut self, now: Now, failure: AuthFailure, count: u32) {
        let AuthFailure { user, source, why } = failure;
        let (user, source) = (Redacted::new(user), Redacted::new(source.to_string()));
        self.emit(now, None, EventKind::AuthFailed { user, source, why: why.into(), count });
    }

    pub(super) fn on_register(&mut self, now: Now, id: ServerRequest, request: &Message, peer: Peer) {
        let agent = match self.prove(now, request, peer) {
            Proof::Extension(agent) => agent,
            unproven => {
                let challenge = self.challenge(now, request, matches!(unproven, Proof::Stale));
                self.endpoint.respond(now.at, id, 401, None, &challenge, None);
                return;
            }
        };
        match self.bind(now, &agent, request, peer) {
            Ok(headers) => self.endpoint.respond(now.at, id, 200, None, &headers, None),
            Err((status, headers)) => self.endpoint.respond(now.at, id, status, None, &headers, None),
        }
    }

    /// Stores the contacts of a proven REGISTER (RFC 3261 10.3) and lists what is bound then.
    #[allow(clippy::type_complexity)]
    fn bind(
        &mut self,
        now: Now,
        agent: &AgentId,
        request: &Message,
        peer: Peer,
    ) -> Result<Vec<(&'static str, String)>, (u16, Vec<(&'static str, String)>)> {
        let refuse = |status| (status, Vec::new());
        let to = request.to().map_err(|_| refuse(400))?;
        let aor = user_of(to.uri).unwrap_or_default();
        if aor != agent.as_str() {
            return Err(refuse(403));
        }
        let header_expires = request.expires();
        let mut updates = Vec::new();
        let mut remove_all = false;
        for contact in request.contacts() {
            match contact.map_err(|_| refuse(400))? {
                Contact::Star => remove_all = true,
                // Nobody could call it there without breaking what sips promises (RFC 3261 26.2.2).
                Contact::Address(at) if is_sips(at.uri) && !peer.transport.secure() => return Err(refuse(400)),
                Contact::Address(at) => updates.push(ContactUpdate {
                    uri: at.parse_uri().map_err(|_| refuse(400))?.to_owned(),
                    expires_s: at.expires().or(header_expires),
                    q: at.q(),
                    flow: peer,
                }),
            }
        }
        let cseq = request.cseq().map_err(|_| refuse(400))?.number;
        let call_id = request.call_id().map_err(|_| refuse(400))?.to_owned();
        let bound = if remove_all {
            if !updates.is_empty() || header_expires != Some(0) {
                return Err(refuse(400));
            }
            self.registrar.remove_all(now.at, agent.as_str(), &call_id, cseq)
        } else {
            self.registrar.register(now.at, agent.as_str(), updates, &call_id, cseq)
        };
        match bound {
            Ok(bindings) => Ok(bindings
                .iter()
                .map(|binding| ("Contact", format!("<{}>;expires={}", binding.contact, binding.expires_s)))
                .collect()),
            Err(error) => {
                let headers = error.min_expires().map(|seconds| ("Min-Expires", seconds.to_string()));
                Err((error.status(), headers.into_iter().collect()))
            }
        }
    }

    pub(super) fn on_registrar(&mut self, now: Now, output: RegistrarOutput<Peer>) {
        match output {
            RegistrarOutput::Registered { aor, contact, expires_s, .. } => {
                self.emit(now, None, EventKind::Registered { aor, contact: contact.into(), expires_s })
            }
            RegistrarOutput::Unregistered { aor, contact, why, .. } => {
                self.emit(now, None, EventKind::Unregistered { aor, contact: contact.into(), why: why.to_string() })
            }
            RegistrarOutput::Reachable { aor, reachable } => {
                self.acd.agent_reachable(now.at, &AgentId::new(aor), reachable)
            }
        }
    }
}

/// Clients that fail as soon as any challenge names an algorithm that they do not know, instead of passing over it.
const MD5_ONLY_CLIENTS: [&[u8]; 2] = [b"baresip v0.", b"baresip v1."];

fn offered_to(request: &Message) -> &'static [Algorithm] {
    let client = request.header(HeaderName::UserAgent).unwrap_or_default();
    match MD5_ONLY_CLIENTS.iter().any(|known| client.starts_with(known)) {
        true => &[Algorithm::Md5],
        false => &Algorithm::OFFERED,
    }
}

/// The user part of an address of record, with its escapes undone.
fn user_of(uri: &[u8]) -> Option<String> {
    UriRef::parse(uri).ok()?.user_decoded().map(|user| user.into_owned())
}
