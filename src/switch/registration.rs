//! Between REGISTER and the registrar.

use super::gruu::public_gruu;
use super::proof::Proof;
use super::{Extension, Switch, SwitchConfig};
use crate::events::EventKind;
use crate::ids::{AgentId, Redacted};
use crate::registrar::{BindingId, BindingView, ContactUpdate, RegistrarOutput};
use crate::routing::Cidr;
use crate::sip::endpoint::{OutgoingRequest, RequestId, ServerRequest};
use crate::sip::message::uri::{Uri, UriRef};
use crate::sip::message::{Contact, HeaderName, HostRef, Message, NameAddr, Rport, is_sips};
use crate::sip::peer::Peer;
use crate::timers::Now;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

impl Switch {
    pub(super) fn on_register(&mut self, now: Now, id: ServerRequest, request: &Message, peer: Peer) {
        let agent = match self.prove(now, request, peer) {
            Proof::Extension(agent) => agent,
            unproven => {
                if let Proof::Elsewhere = unproven {
                    self.count_auth_failure(now, request, peer, "another realm");
                }
                let challenge = self.challenge(now, request, peer, matches!(unproven, Proof::Stale));
                self.endpoint.respond(now.at, id, 401, None, &challenge, None);
                return;
            }
        };
        let elsewhere = self.lives_elsewhere(&agent, peer);
        let bound = self.bind(now, &agent, request, peer);
        if let (Ok(_), Some(other)) = (&bound, elsewhere)
            && self.registrar.has_flow(agent.as_str(), &peer)
        {
            let (aor, from) = (agent.to_string(), Redacted::new(peer.remote.ip().to_string()));
            self.emit(now, None, EventKind::RegisteredElsewhere { aor, from, other: Redacted::new(other.to_string()) });
        }
        match bound {
            Ok(headers) => self.endpoint.respond(now.at, id, 200, None, &headers, None),
            Err(Refused { status, reason, headers }) => {
                self.endpoint.respond(now.at, id, status, reason, &headers, None)
            }
        }
    }

    /// Where the phones of an extension are, if none of them is in the network that this REGISTER comes from: the password
    /// may be in other hands.
    fn lives_elsewhere(&self, agent: &AgentId, peer: Peer) -> Option<IpAddr> {
        let network = |address: IpAddr| Cidr::around(address, if address.to_canonical().is_ipv4() { 24 } else { 48 });
        let own = network(peer.remote.ip());
        let mut others = self.registrar.bindings(agent.as_str()).map(|binding| binding.flow.remote.ip()).peekable();
        let first = *others.peek()?;
        others.all(|address| network(address) != own).then_some(first)
    }

    /// Stores the contacts of a proven REGISTER (RFC 3261 10.3) and lists what is bound then.
    fn bind(&mut self, now: Now, agent: &AgentId, request: &Message, peer: Peer) -> Result<Headers, Refused> {
        let to = request.to().map_err(|_| Refused::new(400))?;
        let aor = user_of(to.uri).unwrap_or_default();
        if aor != agent.as_str() {
            return Err(Refused::new(403));
        }
        let path = path_of(request)?;
        let terms = Terms { header_expires: request.expires(), outbound: outbound(request, &path), path, peer };
        let mut updates = Vec::new();
        let mut remove_all = false;
        for contact in request.contacts() {
            match contact.map_err(|_| Refused::new(400))? {
                Contact::Star => remove_all = true,
                Contact::Address(at) => updates.push(terms.update(request, &at)?),
            }
        }
        let cseq = request.cseq().map_err(|_| Refused::new(400))?.number;
        let call_id = request.call_id().map_err(|_| Refused::new(400))?.to_owned();
        let by_flow = updates.iter().any(|update| update.reg_id.is_some());
        let bound = if remove_all {
            if !updates.is_empty() || terms.header_expires != Some(0) {
                return Err(Refused::new(400));
            }
            self.registrar.remove_all(now.at, agent.as_str(), &call_id, cseq)
        } else {
            self.registrar.register(now.at, agent.as_str(), updates, &call_id, cseq)
        };
        let bound = bound.map_err(|error| {
            let headers = error.min_expires().map(|seconds| ("Min-Expires", seconds.to_string()));
            Refused { headers: headers.into_iter().collect(), ..Refused::new(error.status()) }
        })?;
        if !bound.is_empty() {
            self.acd.agent_back(now.at, agent);
        }
        let gruu = request.has_token(HeaderName::Supported, "gruu");
        let mut headers: Headers =
            bound.iter().map(|binding| ("Contact", self.told_contact(agent, binding, gruu))).collect();
        headers.extend(terms.path.iter().map(|route| ("Path", route.clone())));
        if by_flow && terms.outbound == Outbound::Asked {
            headers.push(("Require", "outbound".into()));
            // A datagram's way is kept open from here; on a stream the phone has to notice that it is gone.
            headers.extend(peer.reliable().then(|| ("Flow-Timer", FLOW_TIMER_S.to_string())));
        }
        headers.push(("Supported", OPTIONS.join(", ")));
        Ok(headers)
    }

    /// A binding in the answer to a REGISTER.
    fn told_contact(&self, agent: &AgentId, binding: &BindingView<Peer>, gruu: bool) -> String {
        let mut told = format!("<{}>;expires={}", binding.contact, binding.expires_s);
        let BindingView { q, instance, reg_id, .. } = binding;
        // Writing into a String does not fail.
        if *q < 1_000 {
            let _ = write!(told, ";q=0.{q:03}");
        }
        if let Some(instance) = instance {
            let _ = write!(told, ";+sip.instance=\"<{instance}>\"");
            if gruu {
                let _ = write!(told, ";pub-gruu=\"{}\"", public_gruu(agent.as_str(), &self.config.realm, instance));
            }
        }
        if let Some(reg_id) = reg_id {
            let _ = write!(told, ";reg-id={reg_id}");
        }
        told
    }

    /// Phones whose extension is gone, or has another password in these settings, are called no more: whoever has the old
    /// password may be a thief. The right ones come back with their next REGISTER. In another realm all passwords are hashed
    /// anew, which says nothing about them.
    pub(super) fn revoke_registrations(&mut self, now: Now, config: &SwitchConfig) {
        let same_realm = config.realm == self.config.realm;
        let holds = |id: &AgentId, was: &Extension| {
            config.extensions.get(id).is_some_and(|is| is.ha1 == was.ha1 || !same_realm)
        };
        for (id, _) in self.config.extensions.iter().filter(|(id, was)| !holds(id, was)) {
            self.registrar.revoke(now.at, id.as_str());
        }
    }

    /// Asks a phone behind NAT whether it is there: any answer will do (RFC 3261 11).
    fn ask_for_life(&mut self, now: Now, aor: String, binding: BindingId, contact: &Uri, flow: Peer) {
        match self.ask(now, contact, flow) {
            Some(id) => _ = self.asked_for_life.insert(id, (aor, binding, flow)),
            // Nobody is taken for gone because there is much to do here.
            None => self.registrar.kept_alive(now.at, &aor, binding, &flow, true),
        }
    }

    fn ask(&mut self, now: Now, contact: &Uri, flow: Peer) -> Option<RequestId> {
        let order = OutgoingRequest {
            peer: flow,
            method: "OPTIONS",
            request_uri: contact.to_string(),
            to: contact.to_string(),
            from: format!("sip:{}", self.config.sip_host(&flow)),
            headers: Vec::new(),
            body: None,
            credentials: None,
        };
        self.endpoint.request(now.at, order).ok()
    }

    /// Asks all phones of an agent whether they are there. Over datagrams the question is repeated for half a minute
    /// (RFC 3261 17.1.2.2), so that a phone is found that comes back meanwhile.
    pub(super) fn look_for(&mut self, now: Now, agent: &AgentId) {
        let phones: Vec<(Uri, Peer)> =
            self.registrar.bindings(agent.as_str()).map(|binding| (binding.contact.clone(), binding.flow)).collect();
        for (contact, flow) in phones {
            if let Some(id) = self.ask(now, &contact, flow) {
                self.looked_for.insert(id, agent.clone());
            }
        }
    }

    /// An answer to a request of ours, or that none came.
    pub(super) fn on_life_sign(&mut self, now: Now, id: RequestId, answered: bool) {
        if let Some(agent) = self.looked_for.remove(&id).filter(|_| answered) {
            self.acd.agent_back(now.at, &agent);
        }
        if let Some((aor, binding, flow)) = self.asked_for_life.remove(&id) {
            self.registrar.kept_alive(now.at, &aor, binding, &flow, answered);
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
            RegistrarOutput::Changed { aor } => self.keep(now, &aor),
            RegistrarOutput::KeepAlive { aor, binding, contact, flow } => {
                self.ask_for_life(now, aor, binding, &contact, flow)
            }
            RegistrarOutput::Silent { aor, contact, silent } => {
                let contact = contact.into();
                self.emit(
                    now,
                    None,
                    match silent {
                        true => EventKind::ContactSilent { aor, contact },
                        false => EventKind::ContactBack { aor, contact },
                    },
                )
            }
        }
    }
}

/// Extensions of REGISTER that are served: Path (RFC 3327), flows (RFC 5626) and GRUUs (RFC 5627).
pub const OPTIONS: [&str; 3] = ["path", "outbound", "gruu"];

/// Longest silence on a connection that we ask a phone of RFC 5626 to allow itself (its 4.4.1 has 95 to 120 s).
const FLOW_TIMER_S: u32 = 120;

/// Longest instance name that is kept; a UUID's is 45.
const MAX_INSTANCE: usize = 256;

/// Proxies between a phone and us beyond which a REGISTER is refused.
const MAX_PATH_HOPS: usize = 8;

type Headers = Vec<(&'static str, String)>;

/// A REGISTER that changes nothing.
struct Refused {
    status: u16,
    reason: Option<&'static str>,
    headers: Headers,
}

impl Refused {
    fn new(status: u16) -> Refused {
        Refused { status, reason: None, headers: Vec::new() }
    }
}

/// Whether the contacts of a REGISTER are flows (RFC 5626 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outbound {
    /// The phone knows flows, and we or the first proxy can keep its flow apart.
    Asked,
    /// The phone names a flow and does not say that it knows what that means; it is kept all the same.
    Unasked,
    /// A proxy on the way would not keep the flow.
    Impossible { asked: bool },
}

fn outbound(request: &Message, path: &[String]) -> Outbound {
    let asked = request.has_token(HeaderName::Supported, "outbound");
    let direct = request.vias().count() <= 1;
    let kept_by_edge = || {
        let first = NameAddr::parse(path.first()?.as_bytes(), HeaderName::Path).ok()?;
        first.parse_uri().ok()?.param("ob").map(|_| ())
    };
    match (direct || kept_by_edge().is_some(), asked) {
        (true, true) => Outbound::Asked,
        (true, false) => Outbound::Unasked,
        (false, asked) => Outbound::Impossible { asked },
    }
}

fn path_of(request: &Message) -> Result<Arc<[String]>, Refused> {
    let mut path = Vec::new();
    for value in request.list(HeaderName::Path) {
        let is_sip = |value| NameAddr::parse(value, HeaderName::Path).ok()?.parse_uri().ok().map(|uri| uri.is_sip());
        if path.len() == MAX_PATH_HOPS || is_sip(value) != Some(true) {
            return Err(Refused { reason: Some("Bad Path"), ..Refused::new(400) });
        }
        path.push(String::from_utf8_lossy(value).into_owned());
    }
    Ok(path.into())
}

/// What all contacts of a REGISTER have in common.
struct Terms {
    header_expires: Option<u32>,
    outbound: Outbound,
    path: Arc<[String]>,
    peer: Peer,
}

impl Terms {
    fn update(&self, request: &Message, contact: &NameAddr<'_>) -> Result<ContactUpdate<Peer>, Refused> {
        // Nobody could call it there without breaking what sips promises (RFC 3261 26.2.2).
        if is_sips(contact.uri) && !self.peer.transport.secure() {
            return Err(Refused::new(400));
        }
        let uri = contact.parse_uri().map_err(|_| Refused::new(400))?.to_owned();
        let instance = contact.params.find("+sip.instance").map(|param| param.text());
        let instance = instance.and_then(|text| String::from_utf8(text.into_owned()).ok());
        let instance = instance.map(|text| text.trim_matches(['<', '>']).to_owned());
        let writable = |text: &String| {
            !text.is_empty()
                && text.len() <= MAX_INSTANCE
                && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\<>".contains(&b))
        };
        let instance = instance.filter(writable).map(Arc::from);
        let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse().ok();
        let reg_id = contact.params.value("reg-id").and_then(number).filter(|_| instance.is_some());
        let reg_id = match self.outbound {
            Outbound::Impossible { asked: true } if reg_id.is_some() => {
                return Err(Refused { reason: Some("First Hop Lacks Outbound Support"), ..Refused::new(439) });
            }
            Outbound::Impossible { .. } => None,
            Outbound::Asked | Outbound::Unasked => reg_id,
        };
        let (flow, keep_alive) = flow_to(&uri, request, self.peer);
        Ok(ContactUpdate {
            expires_s: contact.expires().or(self.header_expires),
            q: contact.q(),
            instance,
            reg_id,
            path: self.path.clone(),
            keep_alive,
            ..ContactUpdate::new(uri, flow)
        })
    }
}

/// Where requests to a contact go, and whether a NAT on that way has to be kept open.
///
/// That is where its REGISTER came from: it is the one address that is known to lead to the phone, whatever the phone
/// writes. Only a phone that listens at another port of the very address that it sends from, and does not ask for answers
/// to where it sends from (`rport`, RFC 3581), is taken at its word.
fn flow_to(contact: &Uri, request: &Message, peer: Peer) -> (Peer, bool) {
    if peer.reliable() {
        return (peer, false);
    }
    let address = match contact.host() {
        Some(HostRef::V4(address)) => Some(IpAddr::V4(address)),
        Some(HostRef::V6(address)) => Some(IpAddr::V6(address)),
        _ => None,
    };
    let port = contact.port().unwrap_or(peer.transport.default_port());
    let same_host = address == Some(peer.remote.ip());
    let symmetric = request.via().is_ok_and(|via| via.rport != Rport::Absent);
    let only_one = request.vias().count() <= 1;
    if same_host && only_one && !symmetric {
        return (Peer { remote: SocketAddr::new(peer.remote.ip(), port), ..peer }, false);
    }
    // Behind a proxy it is the proxy's work.
    (peer, only_one && !(same_host && port == peer.remote.port()))
}

/// The user part of an address of record, with its escapes undone.
pub(super) fn user_of(uri: &[u8]) -> Option<String> {
    UriRef::parse(uri).ok()?.user_decoded().map(|user| user.into_owned())
}
