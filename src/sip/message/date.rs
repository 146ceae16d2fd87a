//! SIP-date: `Sat, 13 Nov 2010 23:29:00 GMT` and nothing else (RFC 3261 sections 20.17 and 25.1, RFC 1123).

/// Whether `value` has the form of a SIP date. The zone is always GMT, the day is not checked against the calendar.
pub fn is_sip_date(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let mut words = text.split_ascii_whitespace();
    let mut word = || words.next().unwrap_or_default();
    let digits = |w: &str, n: usize| w.len() == n && w.bytes().all(|b| b.is_ascii_digit());
    let weekday = matches!(word(), "Mon," | "Tue," | "Wed," | "Thu," | "Fri," | "Sat," | "Sun,");
    let day = digits(word(), 2);
    let month =
        matches!(word(), "Jan" | "Feb" | "Mar" | "Apr" | "May" | "Jun" | "Jul" | "Aug" | "Sep" | "Oct" | "Nov" | "Dec");
    let year = digits(word(), 4);
    let mut clock = word().split(':');
    let time = clock.by_ref().take(3).filter(|part| digits(part, 2)).count() == 3 && clock.next().is_none();
    weekday && day && month && year && time && word() == "GMT" && word().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gmt_dates_are_sip_dates() {
        assert!(is_sip_date(b"Sat, 13 Nov 2010 23:29:00 GMT"));
        for bad in [
            &b"Fri, 01 Jan 2010 16:00:00 EST"[..],
            b"2010-11-13T23:29:00Z",
            b"",
            b"Sat, 13 Nov 2010 23:29 GMT",
            b"\xff",
            b"Sat, 13 Nov 2010 23:29:00:00 GMT",
        ] {
            assert!(!is_sip_date(bad));
        }
    }
}
