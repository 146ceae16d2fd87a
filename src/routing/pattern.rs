//! Which dialled numbers a route is for.

use std::fmt;
use std::str::FromStr;

/// The longest number that is looked up, in characters: E.164 has 15 digits, names and feature codes are short.
pub(super) const MAX_NUMBER: usize = 64;

/// As written in a file: `95598` is that number, `0086*` is every number that begins so, and after an underscore stands a
/// pattern as dial plans write it: `X` any digit, `Z` 1-9, `N` 2-9, `[2-57]` one of these, `.` at the end one or more
/// further characters, anything else itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NumberPattern {
    Exact(String),
    Prefix(String),
    Pattern(Pattern),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    places: Vec<Place>,
    /// Ends with `.`.
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    This(char),
    /// One of these digits, in order.
    Among(Vec<char>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    Empty,
    TooLong,
    /// A character that cannot be dialled, or a bracket in the wrong place.
    Unexpected(char),
    /// A `[` without `]`, or a set without a digit.
    BadSet,
    /// A `.` that is not at the end.
    DotInside,
}

impl NumberPattern {
    pub fn exact(number: &str) -> Result<Self, PatternError> {
        let number = dialled(number);
        check(&number)?;
        Ok(Self::Exact(number))
    }

    pub fn prefix(prefix: &str) -> Result<Self, PatternError> {
        let prefix = dialled(prefix);
        check(&prefix)?;
        Ok(Self::Prefix(prefix))
    }

    pub fn pattern(text: &str) -> Result<Self, PatternError> {
        Pattern::parse(text).map(Self::Pattern)
    }

    /// `number` as [`dialled`] gives it.
    pub(super) fn matches(&self, number: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == number,
            Self::Prefix(prefix) => number.starts_with(prefix),
            Self::Pattern(pattern) => pattern.matches(number),
        }
    }

    /// How special a route is: of those that match a number, the greatest decides. A whole number before a pattern of
    /// fixed length before what is open at the end; then more places that are fixed; then fewer choices for each.
    pub(super) fn weight(&self) -> Weight {
        match self {
            Self::Exact(number) => Weight { exact: true, closed: true, places: number.chars().count(), choices: 0 },
            Self::Prefix(prefix) => Weight { exact: false, closed: false, places: prefix.chars().count(), choices: 0 },
            Self::Pattern(pattern) => Weight {
                exact: false,
                closed: !pattern.open,
                places: pattern.places.len(),
                choices: -(pattern.places.iter().map(|place| place.choices() as i64 - 1).sum::<i64>()),
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    exact: bool,
    closed: bool,
    places: usize,
    /// Choices beyond one for each place, counted downwards.
    choices: i64,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, PatternError> {
        let mut places = Vec::new();
        let mut open = false;
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if open {
                return Err(PatternError::DotInside);
            }
            match c {
                'X' => places.push(Place::Among(('0'..='9').collect())),
                'Z' => places.push(Place::Among(('1'..='9').collect())),
                'N' => places.push(Place::Among(('2'..='9').collect())),
                '[' => places.push(Place::Among(set(&mut rest)?)),
                '.' => open = true,
                c if is_dialled(c) => places.push(Place::This(c)),
                c => return Err(PatternError::Unexpected(c)),
            }
        }
        match places.len() {
            0 if !open => Err(PatternError::Empty),
            0..=MAX_NUMBER => Ok(Self { places, open }),
            _ => Err(PatternError::TooLong),
        }
    }

    fn matches(&self, number: &str) -> bool {
        let mut rest = number.chars();
        let fits = self.places.iter().all(|place| rest.next().is_some_and(|c| place.has(c)));
        fits && (rest.next().is_some() == self.open)
    }
}

impl Place {
    fn has(&self, c: char) -> bool {
        match self {
            Self::This(this) => *this == c,
            Self::Among(among) => among.contains(&c),
        }
    }

    fn choices(&self) -> usize {
        match self {
            Self::This(_) => 1,
            Self::Among(among) => among.len(),
        }
    }
}

/// What stands between brackets: digits and ranges of digits.
fn set(rest: &mut std::str::Chars<'_>) -> Result<Vec<char>, PatternError> {
    let mut digits: Vec<char> = Vec::new();
    loop {
        match rest.next().ok_or(PatternError::BadSet)? {
            ']' => break,
            '-' => {
                let (from, to) = (digits.last().copied(), rest.next());
                let (Some(from), Some(to @ '0'..='9')) = (from, to) else { return Err(PatternError::BadSet) };
                if to <= from {
                    return Err(PatternError::BadSet);
                }
                digits.extend((from..=to).skip(1));
            }
            digit @ '0'..='9' => digits.push(digit),
            c => return Err(PatternError::Unexpected(c)),
        }
    }
    digits.sort_unstable();
    digits.dedup();
    if digits.is_empty() { Err(PatternError::BadSet) } else { Ok(digits) }
}

/// The user part of a URI as numbers are compared: parameters such as `;phone-context` cut off, and the visual separators
/// of RFC 3966 5.1.1 left out where everything else is a digit.
pub fn dialled(user: &str) -> String {
    let number = user.split(';').next().unwrap_or_default();
    let is_separator = |c: char| matches!(c, '-' | '.' | '(' | ')' | ' ' | '\u{a0}');
    let is_phone_number = number.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '*' | '#') || is_separator(c))
        && number.contains(|c: char| c.is_ascii_digit());
    if is_phone_number { number.chars().filter(|c| !is_separator(*c)).collect() } else { number.to_owned() }
}

fn check(number: &str) -> Result<(), PatternError> {
    if number.is_empty() {
        return Err(PatternError::Empty);
    }
    if number.chars().count() > MAX_NUMBER {
        return Err(PatternError::TooLong);
    }
    match number.chars().find(|c| !is_dialled(*c)) {
        Some(c) => Err(PatternError::Unexpected(c)),
        None => Ok(()),
    }
}

fn is_dialled(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '*' | '#' | '-' | '_' | '.' | '!' | '~')
}

impl FromStr for NumberPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if let Some(pattern) = text.strip_prefix('_') {
            return Self::pattern(pattern);
        }
        match text.strip_suffix('*') {
            Some(prefix) if !prefix.is_empty() => Self::prefix(prefix),
            _ => Self::exact(text),
        }
    }
}

impl fmt::Display for NumberPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(number) => f.write_str(number),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Pattern(pattern) => write!(f, "_{pattern}"),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in &self.places {
            match place {
                Place::This(c) => write!(f, "{c}")?,
                Place::Among(digits) => match (digits.first(), digits.len()) {
                    (Some('0'), 10) => f.write_str("X")?,
                    (Some('1'), 9) => f.write_str("Z")?,
                    (Some('2'), 8) => f.write_str("N")?,
                    _ => write!(f, "[{}]", digits.iter().collect::<String>())?,
                },
            }
        }
        f.write_str(if self.open { "." } else { "" })
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a number needs at least one character; write the digits as they are dialled"),
            Self::TooLong => write!(f, "a number has at most {MAX_NUMBER} characters; use a prefix such as `0086*`"),
            Self::Unexpected(c) => {
                write!(f, "`{}` cannot be dialled; write digits, letters, + * # - _ . ! ~", c.escape_debug())
            }
            Self::BadSet => f.write_str("a set is written like [2-57]: digits and rising ranges, closed by ]"),
            Self::DotInside => f.write_str("`.` stands for any further characters and can only be the last"),
        }
    }
}

impl std::error::Error for PatternError {}
