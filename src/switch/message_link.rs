//! MESSAGE between extensions (RFC 3428), where the configuration has it delivered: passed to every phone of the one to the
//! other, whose answer the sender gets. Nothing is kept, and no text is in any event or log.

use super::Switch;
use super::proof::Proof;
use super::registration::user_of;
use crate::events::EventKind;
use crate::ids::AgentId;
use crate::sip::endpoint::{OutgoingRequest, RequestId, ServerRequest};
use crate::sip::message::{HeaderName, Message};
use crate::sip::peer::Peer;
use crate::timers::Now;
use std::collections::BTreeMap;

/// What fits into a datagram on any path (RFC 3428 8).
const LONGEST: usize = 1_300;
/// Texts on their way at once.
const MOST: usize = 1_024;

/// Texts that wait for an answer of the phones they were passed to.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pending: BTreeMap<ServerRequest, Pending>,
    of_phone: BTreeMap<RequestId, ServerRequest>,
}

#[derive(Debug)]
struct Pending {
    from: AgentId,
    to: AgentId,
    phones: usize,
    /// The last refusal.
    refused: u16,
}

impl Switch {
    pub(super) fn on_message(&mut self, now: Now, id: ServerRequest, request: &Message, peer: Peer) {
        let from = match self.prove(now, request, peer) {
            Proof::Extension(agent) => agent,
            unproven => {
                let challenge = self.challenge(now, request, peer, matches!(unproven, Proof::Stale));
                return self.endpoint.respond(now.at, id, 401, None, &challenge, None);
            }
        };
        let to = AgentId::new(user_of(request.request_uri()).unwrap_or_default());
        if let Err(status) = self.pass_on(now, id, request, &from, &to) {
            let headers: &[_] = if status == 415 { &[("Accept", "text/plain".to_string())] } else { &[] };
            self.endpoint.respond(now.at, id, status, None, headers, None);
            self.emit(now, None, EventKind::Message { from, to, status });
        }
    }

    fn pass_on(
        &mut self,
        now: Now,
        id: ServerRequest,
        request: &Message,
        from: &AgentId,
        to: &AgentId,
    ) -> Result<(), u16> {
        if !self.config.extensions.contains_key(to) {
            return Err(404);
        }
        if !matches!(request.content_type(), Some(Ok(kind)) if kind.is("text", "plain")) {
            return Err(415);
        }
        if request.body().len() > LONGEST {
            return Err(413);
        }
        if self.messages.pending.len() >= MOST {
            return Err(503);
        }
        let content_type = request.text(HeaderName::ContentType).unwrap_or_default();
        let content_type = String::from_utf8_lossy(&content_type).into_owned();
        let bindings: Vec<_> = self.registrar.bindings(to.as_str()).cloned().collect();
        let mut phones = 0;
        for binding in bindings {
            let order = OutgoingRequest {
                peer: binding.flow,
                method: "MESSAGE",
                request_uri: binding.contact.to_string(),
                to: format!("sip:{to}@{}", self.config.realm),
                from: format!("sip:{from}@{}", self.config.realm),
                headers: binding.path.iter().map(|hop| ("Route".to_string(), hop.clone())).collect(),
                body: Some((content_type.clone(), request.body_bytes())),
                credentials: None,
            };
            if let Ok(sent) = self.endpoint.request(now.at, order) {
                self.messages.of_phone.insert(sent, id);
                phones += 1;
            }
        }
        if phones == 0 {
            return Err(480);
        }
        let pending = Pending { from: from.clone(), to: to.clone(), phones, refused: 480 };
        self.messages.pending.insert(id, pending);
        Ok(())
    }

    /// A phone has answered, or will not. The first that takes the text decides; the last refusal, if none does.
    pub(super) fn on_message_answered(&mut self, now: Now, sent: RequestId, status: u16) {
        let Some(id) = self.messages.of_phone.remove(&sent) else { return };
        let Some(pending) = self.messages.pending.get_mut(&id) else { return };
        pending.phones -= 1;
        let taken = (200..300).contains(&status);
        if !taken {
            pending.refused = status;
            if pending.phones > 0 {
                return;
            }
        }
        let Some(Pending { from, to, refused, .. }) = self.messages.pending.remove(&id) else { return };
        // What is between us and the other's phone is none of the sender's: a challenge least of all.
        let status = match refused {
            _ if taken => 200,
            401 | 407 => 480,
            refused => refused.max(400),
        };
        self.endpoint.respond(now.at, id, status, None, &[], None);
        self.emit(now, None, EventKind::Message { from, to, status });
    }
}
