//! Registrations that outlive the process. Datagrams find their phone again after a restart; a phone that came over a
//! connection has lost it with the process and comes back by itself.

use super::{Output, Switch};
use crate::acd::{LONGEST_WRAP_UP, WrappingUp};
use crate::ids::{AgentId, CallId, QueueId};
use crate::registrar::{Binding, ContactUpdate, Kept};
use crate::sip::digest::Ha1Set;
use crate::sip::message::uri::Uri;
use crate::sip::peer::{Peer, Transport};
use crate::timers::Now;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// All that a restart needs to know of an extension's phones; without contacts, that there are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptExtension {
    pub id: AgentId,
    pub contacts: Vec<KeptContact>,
    /// By which a password is known from another one; none is known of an older run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptContact {
    pub contact: String,
    pub remote: SocketAddr,
    /// The socket of ours that it registered at: a NAT lets no other one through.
    pub local: SocketAddr,
    pub q: u16,
    /// When it expires, in milliseconds since 1970: the monotonic clock does not outlive the machine.
    pub until: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reg_id: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub path: Vec<String>,
    #[serde(default)]
    pub keep_alive: bool,
    pub call_id: String,
    pub cseq: u32,
}

impl KeptContact {
    fn of(binding: &Binding<Peer>, now: Now) -> Option<KeptContact> {
        let left = binding.expires.saturating_duration_since(now.at);
        (binding.flow.transport == Transport::Udp).then(|| KeptContact {
            contact: binding.contact.to_string(),
            remote: binding.flow.remote,
            local: binding.flow.local,
            q: binding.q,
            until: now.wall.saturating_add(left.as_millis() as u64),
            instance: binding.instance.as_deref().map(str::to_owned),
            reg_id: binding.reg_id,
            path: binding.path.to_vec(),
            keep_alive: binding.keep_alive,
            call_id: binding.call_id.to_string(),
            cseq: binding.cseq,
        })
    }

    /// `None` when its time is over.
    fn read(self, now: Now) -> Option<Kept<Peer>> {
        let left = self.until.checked_sub(now.wall).filter(|left| *left > 0)?;
        Some(Kept {
            update: ContactUpdate {
                q: Some(self.q),
                instance: self.instance.map(Into::into),
                reg_id: self.reg_id,
                path: self.path.into(),
                keep_alive: self.keep_alive,
                ..ContactUpdate::new(Uri::parse(self.contact).ok()?, Peer::udp(self.remote, self.local))
            },
            left: Duration::from_millis(left),
            call_id: self.call_id.into(),
            cseq: self.cseq,
        })
    }
}

/// An agent's wrap-up, as long as it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptWrapUp {
    pub queue: QueueId,
    /// Milliseconds since 1970.
    pub until: u64,
    pub owes: bool,
    /// The call that is wrapped up.
    pub call: Option<CallId>,
}

impl KeptWrapUp {
    pub(super) fn of(now: Now, wrap_up: WrappingUp, call: Option<CallId>) -> KeptWrapUp {
        let left = wrap_up.until.saturating_duration_since(now.at);
        let until = now.wall.saturating_add(left.as_millis() as u64);
        KeptWrapUp { queue: wrap_up.queue, until, owes: wrap_up.owes, call }
    }

    /// A clock that was set back meanwhile makes nobody wait for longer than anybody may.
    pub(super) fn read(self, now: Now) -> WrappingUp {
        let left = Duration::from_millis(self.until.saturating_sub(now.wall)).min(LONGEST_WRAP_UP);
        WrappingUp { queue: self.queue, until: now.at + left, owes: self.owes }
    }
}

impl Switch {
    /// Tells whoever keeps it what a restart needs to know of an extension now.
    pub(super) fn keep(&mut self, now: Now, aor: &str) {
        let contacts: Vec<KeptContact> =
            self.registrar.bindings(aor).filter_map(|binding| KeptContact::of(binding, now)).collect();
        let id = AgentId::new(aor);
        // Of a phone that never sends datagrams there is nothing to take back.
        let was_kept = match contacts.is_empty() {
            true => self.kept.remove(&id),
            false => !self.kept.insert(id.clone()),
        };
        if was_kept || !contacts.is_empty() {
            let password = self.config.extensions.get(&id).map(|extension| mark(&extension.ha1));
            self.outputs.push_back(Output::Keep(KeptExtension { id, contacts, password }));
        }
    }

    /// What an earlier run kept. Extensions that are no more, or have another password since, are forgotten.
    pub(super) fn restore(&mut self, now: Now, extensions: Vec<KeptExtension>) {
        for KeptExtension { id, contacts, password } in extensions {
            self.kept.insert(id.clone());
            let extension = self.config.extensions.get(&id);
            let known = extension.is_some_and(|of| password.is_none_or(|password| password == mark(&of.ha1)));
            let kept = contacts.into_iter().filter(|_| known).filter_map(|contact| contact.read(now));
            self.registrar.restore(now.at, id.as_str(), kept);
            if self.registrar.bindings(id.as_str()).next().is_none() {
                self.keep(now, id.as_str());
            }
        }
    }
}

/// So little of a password's hash that nobody finds the password by it, and enough that another one hardly has the same.
fn mark(ha1: &Ha1Set) -> String {
    ha1.sha256().chars().take(3).collect()
}
