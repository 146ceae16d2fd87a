//! The dialog that a Replaces names (RFC 3891 3).

use super::usage::Phase;
use super::{Endpoint, UsageId};
use crate::sip::dialog::{Dialog, Tag};
use crate::sip::message::Replaces;
use crate::sip::package::dialog_info::DialogName;

/// How far the call of a dialog is that somebody wants to take the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// We called, and the peer's phone rings.
    Ringing,
    /// The peer called and has had no final answer. Only who began an early dialog may replace it (RFC 3891 3).
    Asking,
    Up,
    /// It is over but for the answer to our BYE.
    Over,
}

impl Endpoint {
    /// The call of a dialog. Its tags are as its peer sees us; phones that write them the other way round are understood too.
    pub fn replaced(&self, named: &Replaces<'_>) -> Option<(UsageId, Standing)> {
        self.of_dialog(named.call_id, named.to_tag, named.from_tag)
            .or_else(|| self.of_dialog(named.call_id, named.from_tag, named.to_tag))
    }

    fn of_dialog(&self, call_id: &str, local: &str, remote: &str) -> Option<(UsageId, Standing)> {
        let id = *self.by_tag.get(&Tag::read(local)?)?;
        let is_it = |dialog: &Dialog| *dialog.call_id == *call_id && dialog.remote_tag() == remote;
        let standing = match &self.usages.get(id.0)?.phase {
            Phase::Ringing(ringing) => is_it(&ringing.dialog).then_some(Standing::Asking),
            Phase::Calling(calling) => {
                calling.forks.iter().any(|fork| is_it(&fork.dialog) && !fork.gone).then_some(Standing::Ringing)
            }
            Phase::Up(up) => is_it(&up.dialog).then_some(Standing::Up),
            Phase::Leaving(leaving) => is_it(&leaving.dialog).then_some(Standing::Over),
            Phase::Cancelling(_) | Phase::Over => None,
        };
        standing.map(|standing| (id, standing))
    }

    /// The Call-ID of a call that is up.
    pub fn call_id(&self, id: UsageId) -> Option<&str> {
        self.usages.get(id.0)?.dialog().map(|dialog| &*dialog.call_id)
    }

    /// The value of a Replaces that names this call to its peer.
    pub fn replaces_value(&self, id: UsageId) -> Option<String> {
        let DialogName { call_id, local_tag, remote_tag } = self.dialog_name(id)?;
        Some(format!("{call_id};to-tag={local_tag};from-tag={remote_tag}"))
    }

    /// The dialog of this call, as its peer knows it.
    pub fn dialog_name(&self, id: UsageId) -> Option<DialogName> {
        let usage = self.usages.get(id.0)?;
        let dialog = match &usage.phase {
            Phase::Ringing(ringing) => &ringing.dialog,
            Phase::Calling(calling) => &calling.forks.first()?.dialog,
            Phase::Up(up) => &up.dialog,
            _ => return None,
        };
        Some(DialogName {
            call_id: dialog.call_id.to_string(),
            local_tag: dialog.remote_tag().to_string(),
            remote_tag: usage.tag.to_string(),
        })
    }
}
