//! Lengths of time as people write them in files and on the command line: a whole number and a unit, `20s`.

use std::time::Duration;

/// Longest accepted: ten years, so that no sum of deadlines can overflow.
const MAX: Duration = Duration::from_secs(3650 * 86_400);

/// Reads `500ms`, `20s`, `2m`, `1h` or `7d`. The error says what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 =
        number.parse().map_err(|_| format!("`{text}` is not a length of time; write one like `20s`, `2m` or `1h`"))?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err(format!("`{text}` has no unit; write `{text}s` for seconds or `{text}m` for minutes")),
        _ => return Err(format!("`{unit}` is not a unit of time; use ms, s, m, h or d, as in `20s`")),
    };
    number
        .checked_mul(unit_ms)
        .map(Duration::from_millis)
        .filter(|length| *length <= MAX)
        .ok_or_else(|| format!("`{text}` is longer than ten years"))
}

/// The shortest form that [`parse_duration`] reads back.
pub fn show_duration(length: Duration) -> String {
    let ms = length.as_millis();
    for (unit, unit_ms) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if ms >= unit_ms && ms.is_multiple_of(unit_ms) {
            return format!("{}{unit}", ms / unit_ms);
        }
    }
    format!("{ms}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_shown_again() {
        for text in ["500ms", "20s", "2m", "1h", "7d", "90s"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn a_bad_length_of_time_says_what_to_write() {
        assert!(parse_duration("20").unwrap_err().contains("`20s`"));
        assert!(parse_duration("2 min").unwrap_err().contains("use ms, s, m, h or d"));
        assert!(parse_duration("soon").unwrap_err().contains("write one like"));
        assert!(parse_duration("-5s").is_err());
        assert!(parse_duration("99999999999999999999s").is_err());
        assert!(parse_duration("99999999999d").unwrap_err().contains("ten years"));
    }
}
