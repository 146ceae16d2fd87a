//! `application/dialog-info+xml` (RFC 4235): which calls an extension is in, for the lamps of other phones.

use super::escaped;
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DialogState {
    /// Called, and not heard from yet.
    Trying,
    /// It rings.
    Early,
    /// Answered.
    Confirmed,
}

impl DialogState {
    fn name(self) -> &'static str {
        match self {
            DialogState::Trying => "trying",
            DialogState::Early => "early",
            DialogState::Confirmed => "confirmed",
        }
    }
}

/// One call of the extension.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DialogLine {
    /// Names this call as long as it lasts.
    pub id: String,
    /// The extension called; otherwise it was called.
    pub initiator: bool,
    pub state: DialogState,
    /// The other party's URI, where the watcher may know it.
    pub remote: Option<String>,
    /// The dialog, where the watcher may take its place (RFC 3891).
    pub named: Option<DialogName>,
}

/// A dialog as the phone that is watched knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DialogName {
    pub call_id: String,
    /// That phone's own.
    pub local_tag: String,
    pub remote_tag: String,
}

/// The whole state; `version` counts up from one NOTIFY of a subscription to the next.
pub fn body(entity: &str, version: u32, dialogs: &[DialogLine]) -> String {
    let entity = escaped(entity);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
         version=\"{version}\" state=\"full\" entity=\"{entity}\">\r\n"
    );
    for DialogLine { id, initiator, state, remote, named } in dialogs {
        let direction = if *initiator { "initiator" } else { "recipient" };
        // Writing into a String does not fail.
        let _ = write!(out, "<dialog id=\"{}\"", escaped(id));
        if let Some(DialogName { call_id, local_tag, remote_tag }) = named {
            let (call_id, local, remote) = (escaped(call_id), escaped(local_tag), escaped(remote_tag));
            let _ = write!(out, " call-id=\"{call_id}\" local-tag=\"{local}\" remote-tag=\"{remote}\"");
        }
        let _ = write!(
            out,
            " direction=\"{direction}\">\r\n<state>{}</state>\r\n\
             <local><identity>{entity}</identity></local>\r\n",
            state.name()
        );
        if let Some(remote) = remote {
            let _ = write!(out, "<remote><identity>{}</identity></remote>\r\n", escaped(remote));
        }
        out.push_str("</dialog>\r\n");
    }
    out.push_str("</dialog-info>\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_extension_has_no_dialog_and_a_ringing_one_is_early() {
        let idle = body("sip:1001@pbx", 0, &[]);
        assert!(idle.contains("version=\"0\" state=\"full\" entity=\"sip:1001@pbx\"") && !idle.contains("<dialog "));
        let line = DialogLine {
            id: "1f".into(),
            initiator: false,
            state: DialogState::Early,
            remote: Some("sip:\"x\"<1>@pbx".into()),
            named: None,
        };
        let named = DialogName { call_id: "c\"1".into(), local_tag: "l".into(), remote_tag: "r".into() };
        let picked_up = body("sip:1001@pbx", 7, &[DialogLine { named: Some(named), ..line.clone() }]);
        let ids = "<dialog id=\"1f\" call-id=\"c&quot;1\" local-tag=\"l\" remote-tag=\"r\" direction=";
        assert!(picked_up.contains(ids), "{picked_up}");
        let rings = body("sip:1001@pbx", 7, &[line]);
        assert!(rings.contains("<dialog id=\"1f\" direction=\"recipient\">\r\n<state>early</state>"), "{rings}");
        assert!(rings.contains("<identity>sip:&quot;x&quot;&lt;1&gt;@pbx</identity>"), "{rings}");
    }
}
