//! What a NOTIFY says, by event package: the state of an extension's calls (RFC 4235), of its mailbox (RFC 3842), of its
//! registrations (RFC 3680). Each file writes one kind of body, always the whole state, so that nobody has to have heard
//! what was told before.

pub mod dialog_info;
pub mod message_summary;
pub mod reg_info;

/// The packages that can be subscribed to here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Package {
    Dialog,
    MessageSummary,
    Reg,
}

impl Package {
    pub const ALL: [Package; 3] = [Package::Dialog, Package::MessageSummary, Package::Reg];

    /// As the Event header names it.
    pub fn name(self) -> &'static str {
        match self {
            Package::Dialog => "dialog",
            Package::MessageSummary => "message-summary",
            Package::Reg => "reg",
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Package::Dialog => "application/dialog-info+xml",
            Package::MessageSummary => "application/simple-message-summary",
            Package::Reg => "application/reginfo+xml",
        }
    }

    /// Reads the value of an Event header. Event types are compared with case (RFC 6665 8.2.1).
    pub fn of_event(value: &str) -> Option<Package> {
        let name = value.split(';').next()?.trim();
        Package::ALL.into_iter().find(|package| package.name() == name)
    }
}

/// Text inside an XML element or attribute; what XML 1.0 cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_known_by_its_exact_name_with_or_without_an_id() {
        assert_eq!(Package::of_event("dialog"), Some(Package::Dialog));
        assert_eq!(Package::of_event("message-summary ;id=7"), Some(Package::MessageSummary));
        for unknown in ["", "Dialog", "dialog.winfo", "presence", ";id=1"] {
            assert_eq!(Package::of_event(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn no_name_breaks_out_of_its_element() {
        assert_eq!(escaped("a<b>&\"c\"\u{1}\n"), "a&lt;b&gt;&amp;&quot;c&quot;");
    }
}
