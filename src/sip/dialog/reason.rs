//! Why a call ends, as one side tells the other: the Reason header (RFC 3326), also in refusals (RFC 6432).

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A cause of ITU-T Q.850.
    Q850(u8),
    /// A SIP status.
    Sip(u16),
}

impl Reason {
    /// The cause in a header's value, the telephone network's where there are several. Its text is for people, and passed
    /// on to nobody.
    pub fn read(value: &str) -> Option<Self> {
        let all = || unquoted(value).filter_map(Self::one);
        all().find(|reason| matches!(reason, Reason::Q850(_))).or_else(|| all().next())
    }

    fn one(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let protocol = parts.next()?;
        let cause = parts.find_map(|part| {
            let (name, cause) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("cause").then(|| cause.trim().parse::<u16>().ok()).flatten()
        })?;
        match cause {
            1..=127 if protocol.eq_ignore_ascii_case("Q.850") => Some(Reason::Q850(cause as u8)),
            200..=699 if protocol.eq_ignore_ascii_case("SIP") => Some(Reason::Sip(cause)),
            _ => None,
        }
    }

    pub fn protocol(self) -> &'static str {
        match self {
            Reason::Q850(_) => "Q.850",
            Reason::Sip(_) => "SIP",
        }
    }

    pub fn cause(self) -> u16 {
        match self {
            Reason::Q850(cause) => cause.into(),
            Reason::Sip(status) => status,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};cause={}", self.protocol(), self.cause())
    }
}

/// Elements between commas, each cut off where its quoted text begins.
fn unquoted(value: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let elements = value.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    elements.map(|element| element.split('"').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_telephone_networks_cause_is_found_among_others() {
        for (value, cause) in [
            ("Q.850;cause=17;text=\"User busy\"", Some(Reason::Q850(17))),
            ("SIP ;cause=200 ;text=\"Call completed, elsewhere\", q.850; Cause = 26", Some(Reason::Q850(26))),
            ("SIP;cause=486", Some(Reason::Sip(486))),
            ("Preemption;cause=1;text=\"UA Preemption\", SIP;cause=480", Some(Reason::Sip(480))),
            ("SIP;text=\"a, Q.850;cause=16\"", None),
            ("Q.850;cause=128", None),
            ("Q.850;cause=0", None),
            ("Q.850;cause=-5", None),
            ("SIP;cause=99999999999", None),
            ("", None),
            (",,;=;\"", None),
        ] {
            assert_eq!(Reason::read(value), cause, "{value}");
        }
        assert_eq!(Reason::Q850(17).to_string(), "Q.850;cause=17");
    }
}
