//! What entered digits must look like: a small pattern language and the checks of well-known numbers.

use super::diag::Diags;
use super::lower::name;
use super::value::ymd;
use super::yaml::Node;

/// A sequence of digit classes with counts, as in `1[3-9][0-9]{9}`. Matched whole, without backtracking.
#[derive(Debug)]
pub(super) struct Pattern {
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    /// Bit n for the digit n; bits 10 and 11 for `*` and `#`.
    class: u16,
    min: usize,
    max: usize,
}

/// Entries are at most 20 digits, so more items or higher counts mean nothing.
const MAX_ITEMS: usize = 32;
const MAX_COUNT: usize = 64;
const KEYS: &str = "0123456789*#";

impl Pattern {
    /// Or the byte and the reason where the text is no pattern.
    pub fn parse(text: &str) -> Result<Pattern, (usize, &'static str)> {
        let mut items = Vec::new();
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let (class, next) = match byte {
                b'0'..=b'9' => (bit(byte), at + 1),
                b'.' => (0x3ff, at + 1),
                b'\\' if bytes.get(at + 1) == Some(&b'd') => (0x3ff, at + 2),
                b'[' => parse_class(bytes, at)?,
                b'^' if at == 0 => {
                    at += 1;
                    continue;
                }
                b'$' if at + 1 == bytes.len() => break,
                _ => return Err((at, "this cannot stand in a pattern of digits")),
            };
            let (min, max, next) = parse_count(bytes, next)?;
            items.push(Item { class, min, max });
            if items.len() > MAX_ITEMS {
                return Err((at, "this pattern is too long"));
            }
            at = next;
        }
        if items.is_empty() { Err((0, "this pattern is empty")) } else { Ok(Pattern { items }) }
    }

    /// Follows all ways through the items at once: place = (item, repetitions so far).
    pub fn matches(&self, digits: &str) -> bool {
        let mut places = vec![(0, 0)];
        self.skip_optional(&mut places);
        for byte in digits.bytes() {
            let key = bit(byte);
            let mut next = Vec::new();
            for (item, count) in places {
                if let Some(found) = self.items.get(item)
                    && found.class & key != 0
                    && count < found.max
                {
                    next.push((item, count + 1));
                }
            }
            self.skip_optional(&mut next);
            places = next;
        }
        places.iter().any(|(item, _)| *item == self.items.len())
    }

    /// Adds the places that are reached without a digit.
    fn skip_optional(&self, places: &mut Vec<(usize, usize)>) {
        let mut i = 0;
        while let Some(&(item, count)) = places.get(i) {
            if self.items.get(item).is_some_and(|found| count >= found.min) && !places.contains(&(item + 1, 0)) {
                places.push((item + 1, 0));
            }
            i += 1;
        }
    }

    /// A text that matches, another one for each `nth`.
    fn example(&self, nth: u64) -> String {
        let row = digits(nth, self.items.iter().map(|item| item.min.max(1)).sum());
        let mut row = row.bytes().map(|byte| usize::from(byte - b'0'));
        let mut text = String::new();
        for item in &self.items {
            let keys: Vec<char> =
                KEYS.char_indices().filter(|(i, _)| item.class & 1 << i != 0).map(|(_, c)| c).collect();
            for _ in 0..item.min {
                let pick = row.next().unwrap_or(0) % keys.len().max(1);
                text.extend(keys.get(pick));
            }
        }
        text
    }

    pub fn can_match_length(&self, min: usize, max: usize) -> bool {
        let least: usize = self.items.iter().map(|item| item.min).sum();
        let most: usize = self.items.iter().map(|item| item.max).sum();
        least <= max && most >= min
    }

    pub fn has_key(&self, key: char) -> bool {
        u8::try_from(key).is_ok_and(|byte| self.items.iter().any(|item| item.class & bit(byte) != 0))
    }
}

/// Entries that pass the checks of well-known numbers; star is the X of an identity number.
const WELL_KNOWN: [&str; 4] = ["13800138000", "11010519491231002*", "20260308", "3101234569"];
/// Numbers that are tried before an entry is given up.
const MAX_TRIED: u64 = 20_000;

/// Keys of an entry that passes, or `None` when none is found.
pub(super) fn example(min: usize, max: usize, check: Option<Check>, pattern: Option<&Pattern>) -> Option<String> {
    let passes = |keys: &String| {
        let entry = keys.replace('*', if check == Some(Check::IdCardCn) { "X" } else { "*" });
        (min..=max).contains(&keys.len())
            && check.is_none_or(|check| check.accepts(&entry))
            && pattern.is_none_or(|pattern| pattern.matches(&entry))
    };
    let made = (0..MAX_TRIED).map(|nth| match pattern {
        Some(pattern) => pattern.example(nth),
        None => digits(nth, max),
    });
    WELL_KNOWN.into_iter().map(str::to_string).chain(made).find(passes)
}

/// The first `length` digits of a row that is different for each `nth`.
fn digits(nth: u64, length: usize) -> String {
    let mut row = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    let next = || {
        row = row.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(nth | 1);
        char::from(b'0' + (row >> 33) as u8 % 10)
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn bit(byte: u8) -> u16 {
    KEYS.bytes().position(|key| key == byte).map_or(0, |place| 1 << place)
}

/// `[3-9*]`: the class and the place after it.
fn parse_class(bytes: &[u8], open: usize) -> Result<(u16, usize), (usize, &'static str)> {
    let mut class = 0;
    let mut at = open + 1;
    while let Some(&byte) = bytes.get(at) {
        if byte == b']' {
            return if class == 0 { Err((open, "this class is empty")) } else { Ok((class, at + 1)) };
        }
        if bit(byte) == 0 {
            return Err((at, "only keys of a telephone can stand in a class"));
        }
        if bytes.get(at + 1) == Some(&b'-') {
            let Some(&last) = bytes.get(at + 2) else { break };
            if !(byte.is_ascii_digit() && last.is_ascii_digit() && byte <= last) {
                return Err((at, "a range goes from a lower to a higher digit"));
            }
            (byte..=last).for_each(|digit| class |= bit(digit));
            at += 3;
        } else {
            class |= bit(byte);
            at += 1;
        }
    }
    Err((open, "this class is not closed"))
}

/// `{2}`, `{2,4}`, `{2,}`, `?`, `*`, `+` or nothing: least, most, and the place after it.
fn parse_count(bytes: &[u8], at: usize) -> Result<(usize, usize, usize), (usize, &'static str)> {
    match bytes.get(at) {
        Some(b'?') => Ok((0, 1, at + 1)),
        Some(b'*') => Ok((0, MAX_COUNT, at + 1)),
        Some(b'+') => Ok((1, MAX_COUNT, at + 1)),
        Some(b'{') => {
            let inside = &bytes[at + 1..];
            let Some(length) = inside.iter().position(|b| *b == b'}') else {
                return Err((at, "this count is not closed"));
            };
            let text = std::str::from_utf8(&inside[..length]).unwrap_or_default();
            let (least, most) = match text.split_once(',') {
                None => (text.parse().ok(), text.parse().ok()),
                Some((least, "")) => (least.parse().ok(), Some(MAX_COUNT)),
                Some((least, most)) => (least.parse().ok(), most.parse().ok()),
            };
            match (least, most) {
                (Some(least), Some(most)) if least <= most && most <= MAX_COUNT => Ok((least, most, at + length + 2)),
                _ => Err((at, "a count is `{n}` or `{n,m}`, at most 64")),
            }
        }
        _ => Ok((1, 1, at)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Check digit of ISO/IEC 7812-1 (bank cards, many account numbers).
    Luhn,
    /// Chinese resident identity number with its check digit (GB 11643).
    IdCardCn,
    MobileCn,
    /// `YYYYMMDD`.
    Date,
}

const CHECKS: [(&str, Check); 4] =
    [("luhn", Check::Luhn), ("id_card_cn", Check::IdCardCn), ("mobile_cn", Check::MobileCn), ("date", Check::Date)];

/// As admins write them.
pub(super) const CHECK_NAMES: [&str; 4] = [CHECKS[0].0, CHECKS[1].0, CHECKS[2].0, CHECKS[3].0];

impl Check {
    pub fn lower(node: &Node, diags: &mut Diags) -> Option<Check> {
        let name = name(node, "a check", diags)?;
        let found = CHECKS.iter().find(|(known, _)| *known == name.text).map(|(_, check)| *check);
        if found.is_none() {
            diags.unknown("E102", node.span, "unknown check", &name.text, CHECKS.iter().map(|(known, _)| *known));
        }
        found
    }

    pub fn name(self) -> &'static str {
        CHECKS.iter().find(|(_, check)| *check == self).map_or("", |(name, _)| name)
    }

    pub fn can_match_length(self, min: usize, max: usize) -> bool {
        let length = match self {
            Check::Luhn => return max >= 2,
            Check::IdCardCn => 18,
            Check::MobileCn => 11,
            Check::Date => 8,
        };
        (min..=max).contains(&length)
    }

    pub fn accepts(self, digits: &str) -> bool {
        match self {
            Check::Luhn => luhn(digits),
            Check::IdCardCn => id_card_cn(digits),
            Check::MobileCn => super::run::is_mobile_cn(digits),
            Check::Date => is_date(digits),
        }
    }
}

fn is_date(digits: &str) -> bool {
    let part = |range| digits.get(range).and_then(|text: &str| text.parse::<i16>().ok());
    let parts = (digits.len() == 8).then(|| Some((part(0..4)?, part(4..6)?, part(6..8)?))).flatten();
    parts.is_some_and(|(year, month, day)| ymd(year, month as i8, day as i8).is_some())
}

fn luhn(digits: &str) -> bool {
    let mut sum = 0;
    for (i, byte) in digits.bytes().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return false;
        }
        let digit = u32::from(byte - b'0');
        sum += match i % 2 {
            0 => digit,
            _ if digit > 4 => digit * 2 - 9,
            _ => digit * 2,
        };
    }
    digits.len() >= 2 && sum.is_multiple_of(10)
}

fn id_card_cn(digits: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const LAST: &[u8; 11] = b"10X98765432";
    let bytes = digits.as_bytes();
    if bytes.len() != 18 || !bytes.iter().take(17).all(u8::is_ascii_digit) || !digits.get(6..14).is_some_and(is_date) {
        return false;
    }
    let sum: u32 = bytes.iter().zip(WEIGHTS).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
    bytes.last() == LAST.get((sum % 11) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_accepts_whole_entries_only() {
        let cases = [
            ("1[3-9][0-9]{9}", "13800138000", true),
            ("1[3-9][0-9]{9}", "12800138000", false),
            ("1[3-9][0-9]{9}", "138001380000", false),
            ("0?1+2*", "111", true),
            ("0?1+2*", "0122", true),
            ("0?1+2*", "022", false),
            (".{2,4}", "1", false),
            (".{2,4}", "1234", true),
            ("^\\d{3}$", "123", true),
            ("[0-9]{0,2}5", "5", true),
            ("[0-9]{0,2}5", "55", true),
            ("[0-9]{0,2}5", "556", false),
        ];
        for (pattern, digits, accepted) in cases {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(digits), accepted, "{pattern} {digits}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_at_its_byte() {
        for (pattern, at) in [("1[3-", 1), ("1{2", 1), ("12x", 2), ("[9-3]", 1), ("1{9,2}", 1), ("", 0), ("(1|2)", 0)] {
            assert_eq!(Pattern::parse(pattern).err().map(|(at, _)| at), Some(at), "{pattern}");
        }
    }

    #[test]
    fn well_known_numbers_are_checked_by_their_own_rules() {
        let cases = [
            (Check::Luhn, "79927398713", true),
            (Check::Luhn, "79927398710", false),
            (Check::Luhn, "0", false),
            (Check::IdCardCn, "11010519491231002X", true),
            (Check::IdCardCn, "110105194912310021", false),
            (Check::IdCardCn, "11010519491331002X", false),
            (Check::MobileCn, "13800138000", true),
            (Check::MobileCn, "12800138000", false),
            (Check::Date, "20240229", true),
            (Check::Date, "20260229", false),
            (Check::Date, "2026030*", false),
        ];
        for (check, digits, accepted) in cases {
            assert_eq!(check.accepts(digits), accepted, "{} {digits}", check.name());
        }
    }
}
