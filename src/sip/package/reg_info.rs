//! `application/reginfo+xml` (RFC 3680): at which contacts an address of record is registered.

use super::escaped;
use std::fmt::Write;

/// One contact that is bound now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactLine {
    pub uri: String,
    /// Thousandths.
    pub q: u16,
}

/// The whole state; `version` counts up from one NOTIFY of a subscription to the next.
pub fn body(aor: &str, version: u32, contacts: &[ContactLine]) -> String {
    let aor = escaped(aor);
    let state = if contacts.is_empty() { "terminated" } else { "active" };
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" \
         version=\"{version}\" state=\"full\">\r\n<registration aor=\"{aor}\" id=\"r\" state=\"{state}\">\r\n"
    );
    for (nth, ContactLine { uri, q }) in contacts.iter().enumerate() {
        // Writing into a String does not fail.
        let _ = write!(
            out,
            "<contact id=\"c{nth}\" state=\"active\" event=\"registered\" q=\"{}.{:03}\"><uri>{}</uri></contact>\r\n",
            q / 1000,
            q % 1000,
            escaped(uri)
        );
    }
    out.push_str("</registration>\r\n</reginfo>\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_contact_is_terminated() {
        assert!(body("sip:1001@pbx", 3, &[]).contains("id=\"r\" state=\"terminated\">\r\n</registration>"));
        let contact = ContactLine { uri: "sip:1001@192.0.2.1:5060;transport=tcp".into(), q: 500 };
        let one = body("sip:1001@pbx", 4, &[contact]);
        assert!(
            one.contains("state=\"active\" event=\"registered\" q=\"0.500\"><uri>sip:1001@192.0.2.1:5060;"),
            "{one}"
        );
    }
}
