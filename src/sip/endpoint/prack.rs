//! Provisional responses of a callee that we acknowledge (RFC 3262 section 4): in order, each once, in the early dialog of
//! the phone that sent it.

use super::compose::Within;
use super::reliable::REL100;
use super::usage::{Fork, Phase};
use super::{Endpoint, Owner, UsageId};
use crate::sip::dialog::Dialog;
use crate::sip::digest::Login;
use crate::sip::message::{HeaderName, Message, Method};
use crate::sip::transaction::ClientId;
use std::time::Instant;

/// The RSeq of a response that wants a PRACK.
pub(super) fn rseq_of(response: &Message) -> Option<u32> {
    response.rseq().filter(|_| response.has_token(HeaderName::Require, REL100))
}

impl Fork {
    /// Whether a reliable response is the next in order. One that came before, or before its turn, is passed over: the
    /// callee repeats what is missing.
    pub fn take_rseq(&mut self, rseq: u32) -> bool {
        let next = self.rseq.is_none_or(|last| rseq.checked_sub(1) == Some(last));
        if next {
            self.rseq = Some(rseq);
        }
        next
    }
}

impl Endpoint {
    /// `acknowledged` is a whole RAck value.
    pub(super) fn send_prack(
        &mut self,
        now: Instant,
        id: UsageId,
        dialog: &mut Dialog,
        acknowledged: &str,
        login: Option<&mut Login>,
    ) {
        let with = Within { login, rack: Some(acknowledged), ..Within::default() };
        self.send_in_dialog(now, dialog, &Method::Prack, with, Owner::Prack(id));
    }

    /// Only a challenge changes anything: of everything else, the call's final answer tells.
    pub(super) fn prack_answered(&mut self, now: Instant, id: UsageId, tx: ClientId, response: &Message) {
        if !matches!(response.status(), 401 | 407) {
            return;
        }
        let sent = self.layer.sent_request(tx).and_then(|sent| Message::parse(sent.clone()).ok());
        let Some(acknowledged) = sent.as_ref().and_then(|prack| prack.text(HeaderName::RAck)) else { return };
        let acknowledged = String::from_utf8_lossy(&acknowledged).into_owned();
        let tag = response.to().ok().and_then(|to| to.tag()).unwrap_or_default();
        self.change(id, |this, phase| match phase {
            Phase::Calling(mut calling) => {
                let known = calling.login.as_mut().is_some_and(|l| l.take_challenge(response, || this.mint.cnonce()));
                let fork = calling.forks.iter_mut().find(|fork| fork.dialog.remote_tag() == tag);
                if let (true, Some(fork)) = (known, fork) {
                    this.send_prack(now, id, &mut fork.dialog, &acknowledged, calling.login.as_mut());
                }
                Phase::Calling(calling)
            }
            other => other,
        });
    }
}
