//! Between trunks and the SIP endpoint: what a trunk wants asked becomes a REGISTER or an OPTIONS, and their answers what
//! the trunk is told.

use super::Switch;
use super::outbound_leg::user_part;
use crate::events::EventKind;
use crate::ids::TrunkId;
use crate::sip::endpoint::{OutgoingRequest, RequestId, SeriesId};
use crate::sip::message::uri::UriRef;
use crate::sip::message::{Contact, HeaderName, Message};
use crate::timers::Now;
use crate::trunks::{Answer, Errand, ErrandKind, TrunkConfig, TrunksOutput};
use std::collections::BTreeMap;

/// Requests to trunks that have no answer yet, and the series of each trunk's registration.
#[derive(Default)]
pub(super) struct Errands {
    out: BTreeMap<RequestId, Sent>,
    series: BTreeMap<TrunkId, SeriesId>,
}

struct Sent {
    errand: Errand,
    /// The Contact that a REGISTER binds.
    contact: String,
}

/// Of a trunk without a user of ours at it.
const NOBODY: &str = "hotline";

/// Addresses of a Service-Route that are kept: no carrier has so many proxies in a row.
const MOST_ROUTES: usize = 8;

impl Switch {
    pub(super) fn on_trunks(&mut self, now: Now, output: TrunksOutput) {
        match output {
            TrunksOutput::Send(errand) => self.run_errand(now, errand),
            TrunksOutput::State { trunk, state, why } => {
                self.emit(now, None, EventKind::TrunkState { trunk, state, why });
            }
        }
    }

    fn run_errand(&mut self, now: Now, errand: Errand) {
        let Some((order, contact)) = self.order_of(&errand) else {
            return self.trunks.answered(now.at, &errand, &Answer::default());
        };
        let sent = match errand.kind {
            ErrandKind::Probe => self.endpoint.request(now.at, order),
            ErrandKind::Register { .. } => {
                let endpoint = &mut self.endpoint;
                let series = self.errands.series.entry(errand.trunk.clone()).or_insert_with(|| endpoint.open_series());
                self.endpoint.request_in(now.at, *series, order)
            }
        };
        match sent {
            Ok(id) => _ = self.errands.out.insert(id, Sent { errand, contact }),
            Err(_) => self.trunks.answered(now.at, &errand, &Answer::default()),
        }
    }

    fn order_of(&self, errand: &Errand) -> Option<(OutgoingRequest, String)> {
        let config = &errand.reach;
        let peer = *config.targets.get(errand.target)?;
        let user = config.credentials.as_ref().map(|credentials| user_part(&credentials.user));
        let named = user.as_deref().unwrap_or(NOBODY);
        let mut order = OutgoingRequest {
            peer,
            method: "OPTIONS",
            request_uri: format!("sip:{}", config.host),
            to: format!("sip:{}", config.host),
            from: format!("sip:{named}@{}", self.config.sip_host(&peer)),
            headers: Vec::new(),
            body: None,
            credentials: None,
        };
        let mut contact = String::new();
        if let ErrandKind::Register { expires_s } = errand.kind {
            let own = format!("sip:{named}@{}", config.domain);
            contact = self.endpoint.contact(&peer, Some(named), "sip:");
            order.method = "REGISTER";
            // RFC 3261 10.2: the domain alone, without a user.
            order.request_uri = format!("sip:{}", config.domain);
            order.to.clone_from(&own);
            order.from = own;
            order.headers.push(("Contact".into(), format!("{contact};expires={expires_s}")));
            order.headers.push(("Expires".into(), expires_s.to_string()));
            order.credentials.clone_from(&config.credentials);
        }
        Some((order, contact))
    }

    /// The final answer to a request of ours outside any call. False when no trunk has asked for it.
    pub(super) fn on_trunk_response(
        &mut self,
        now: Now,
        id: RequestId,
        status: u16,
        message: Option<&Message>,
    ) -> bool {
        let Some(Sent { errand, contact }) = self.errands.out.remove(&id) else { return false };
        let answer = match message {
            Some(message) => read_answer(status, message, &contact),
            None => Answer::default(),
        };
        self.trunks.answered(now.at, &errand, &answer);
        true
    }

    /// Lets go what a trunk that is no longer there had begun.
    pub(super) fn tidy_errands(&mut self) {
        let kept = &self.config.trunks.trunks;
        let gone: Vec<TrunkId> = self.errands.series.keys().filter(|id| !kept.contains_key(*id)).cloned().collect();
        for id in gone {
            if let Some(series) = self.errands.series.remove(&id) {
                self.endpoint.close_series(series);
            }
        }
    }

    /// The trunk that a call comes by: its certificate proves it, its address is one of the trunk's, or we are registered there.
    pub(super) fn trunk_of(&self, sender: std::net::IpAddr, called: &str) -> Option<TrunkId> {
        let by_address = || self.config.routes.trunk_of(sender);
        self.vouched.clone().or_else(by_address).or_else(|| self.registered_trunk(sender, called))
    }

    /// The trunk that calls from this sender come by, where it has no block of addresses: we are registered there. Of
    /// several accounts at one carrier the one whose user is called.
    fn registered_trunk(&self, sender: std::net::IpAddr, called: &str) -> Option<TrunkId> {
        let sends = |config: &TrunkConfig| {
            config.register.is_some()
                && config.enabled
                && config.targets.iter().any(|peer| peer.remote.ip().to_canonical() == sender.to_canonical())
        };
        let is_called = |config: &TrunkConfig| config.credentials.as_ref().is_some_and(|own| own.user == called);
        let of_sender = || self.trunks.configs().filter(|(_, config)| sends(config));
        let named = of_sender().find(|(_, config)| is_called(config));
        named.or_else(|| of_sender().next()).map(|(id, _)| id.clone())
    }
}

fn read_answer(status: u16, message: &Message, contact: &str) -> Answer {
    let route = message.addresses(HeaderName::ServiceRoute).take(MOST_ROUTES).filter_map(Result::ok);
    Answer {
        status: Some(status),
        granted_s: granted(message, contact),
        min_expires_s: message.seconds(HeaderName::MinExpires),
        retry_after_s: message.seconds(HeaderName::RetryAfter),
        service_route: route.map(|at| format!("<{}>", String::from_utf8_lossy(at.uri))).collect(),
    }
}

/// For how long our own binding was made; the answer lists those of others too (RFC 3261 10.3, step 8). A registrar that
/// rewrites Contacts and has but one is believed.
fn granted(message: &Message, contact: &str) -> Option<u32> {
    let own = contact.trim_matches(['<', '>']);
    let own = UriRef::parse(own.as_bytes()).ok();
    let mut listed = Vec::new();
    for at in message.contacts().filter_map(Result::ok) {
        let Contact::Address(at) = at else { continue };
        let uri = UriRef::parse(at.uri).ok();
        if uri.zip(own).is_some_and(|(uri, own)| uri.equivalent(&own)) {
            return at.expires().or(message.expires());
        }
        listed.push(at.expires());
    }
    match listed[..] {
        [only] => only.or(message.expires()),
        _ => message.expires(),
    }
}
