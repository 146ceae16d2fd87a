//! Who may use the API: whoever shows the admin token, or a browser that exchanged a one-time link for a cookie.
//! Tokens are held hashed; comparisons take the same time whatever is wrong.

use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use subtle::{Choice, ConstantTimeEq};

/// A shift and a bit; then the operator takes a new link.
const SESSION: Duration = Duration::from_secs(12 * 3600);
/// Browsers logged in at once; the oldest is logged out for one more.
const MAX_SESSIONS: usize = 64;
/// How long a login link waits to be used.
const LINK: Duration = Duration::from_secs(15 * 60);
const MAX_LINKS: usize = 16;
/// Octets of randomness in a token, a link and a cookie.
const RANDOM: usize = 32;
/// Shorter tokens can be guessed over the network in reasonable time: taken, because a try on one's own machine may have
/// an easy one, and warned of.
const GOOD_TOKEN: usize = 12;

type Hash = [u8; 32];

/// The proofs that are accepted now.
pub struct Access {
    token: Hash,
    sessions: Mutex<VecDeque<(Hash, Instant)>>,
    links: Mutex<VecDeque<(Hash, Instant)>>,
}

impl Access {
    pub fn with_token(token: &str) -> Self {
        Self { token: hash(token), sessions: Mutex::default(), links: Mutex::default() }
    }

    /// Takes the token that was given; else the one in `file`; else makes one and saves it there, readable by this
    /// user only. `true` when it was made now.
    pub fn open(given: Option<&str>, file: &Path) -> io::Result<(Self, bool)> {
        if let Some(token) = given {
            check(token, "the token of HOTLINE_ADMIN_TOKEN")?;
            return Ok((Self::with_token(token), false));
        }
        match std::fs::read_to_string(file) {
            Ok(text) => {
                let token = text.trim();
                check(token, &file.display().to_string())?;
                Ok((Self::with_token(token), false))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = random()?;
                save(file, &token)?;
                Ok((Self::with_token(&token), true))
            }
            Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", file.display()))),
        }
    }

    /// A code that one browser may exchange once for a cookie: the `login=` of a link.
    pub fn new_link(&self, now: Instant) -> io::Result<String> {
        let code = random()?;
        remember(&self.links, hash(&code), now + LINK, now, MAX_LINKS);
        Ok(code)
    }

    /// Exchanges a link's code; gives the cookie's value. A code works once.
    pub fn redeem(&self, code: &str, now: Instant) -> io::Result<Option<String>> {
        let hash_of_code = hash(code);
        {
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            links.retain(|(_, until)| *until > now);
            let Some(at) = find(&links, &hash_of_code) else { return Ok(None) };
            links.remove(at);
        }
        let cookie = random()?;
        remember(&self.sessions, hash(&cookie), now + SESSION, now, MAX_SESSIONS);
        Ok(Some(cookie))
    }

    pub fn token_is(&self, shown: &str) -> bool {
        hash(shown).ct_eq(&self.token).into()
    }

    pub fn cookie_is(&self, shown: &str, now: Instant) -> bool {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|(_, until)| *until > now);
        find(&sessions, &hash(shown)).is_some()
    }

    pub fn forget(&self, cookie: &str) {
        let hash = hash(cookie);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|(known, _)| !bool::from(known.ct_eq(&hash)));
    }
}

fn remember(list: &Mutex<VecDeque<(Hash, Instant)>>, hash: Hash, until: Instant, now: Instant, most: usize) {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    list.retain(|(_, until)| *until > now);
    while list.len() >= most {
        list.pop_front();
    }
    list.push_back((hash, until));
}

/// Looks at every entry whether or not one matched.
fn find(list: &VecDeque<(Hash, Instant)>, wanted: &Hash) -> Option<usize> {
    let mut found = None;
    for (index, (known, _)) in list.iter().enumerate() {
        let same: Choice = known.ct_eq(wanted);
        if bool::from(same) {
            found = Some(index);
        }
    }
    found
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

fn random() -> io::Result<String> {
    let mut octets = [0; RANDOM];
    getrandom::fill(&mut octets)
        .map_err(|error| io::Error::other(format!("no randomness from the system: {error}")))?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

fn check(token: &str, what: &str) -> io::Result<()> {
    let good = !token.is_empty() && token.bytes().all(|octet| octet.is_ascii_graphic());
    match good {
        true => {
            if token.len() < GOOD_TOKEN {
                tracing::warn!("{what} is short enough to be guessed; use {GOOD_TOKEN} characters or more");
            }
            Ok(())
        }
        false => {
            let text = format!("{what} must be ASCII characters without spaces, best {GOOD_TOKEN} or more");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
    }
}

fn save(file: &Path, token: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
    let mut out = options.open(file).map_err(named)?;
    writeln!(out, "{token}").map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_link_works_once_and_only_in_its_time() {
        let (access, now) = (Access::with_token("a-long-token"), Instant::now());
        let code = access.new_link(now).unwrap();
        let cookie = access.redeem(&code, now).unwrap().unwrap();
        assert!(access.cookie_is(&cookie, now));
        assert_eq!(access.redeem(&code, now).unwrap(), None);
        let late = access.new_link(now).unwrap();
        assert_eq!(access.redeem(&late, now + LINK).unwrap(), None);
    }

    #[test]
    fn a_browser_is_logged_out_after_the_session_and_by_request() {
        let (access, now) = (Access::with_token("a-long-token"), Instant::now());
        let login = || access.redeem(&access.new_link(now).unwrap(), now).unwrap().unwrap();
        let (first, second) = (login(), login());
        access.forget(&first);
        assert!(!access.cookie_is(&first, now) && access.cookie_is(&second, now));
        assert!(!access.cookie_is(&second, now + SESSION));
    }

    #[test]
    fn sessions_are_bounded_and_the_oldest_goes_first() {
        let (access, now) = (Access::with_token("a-long-token"), Instant::now());
        let cookies: Vec<String> =
            (0..=MAX_SESSIONS).map(|_| access.redeem(&access.new_link(now).unwrap(), now).unwrap().unwrap()).collect();
        assert!(!access.cookie_is(&cookies[0], now) && access.cookie_is(&cookies[1], now));
    }

    #[test]
    fn a_made_token_is_kept_for_the_next_start_and_readable_by_its_owner_only() {
        let folder = crate::test_folder::TestFolder::new("access");
        let file = folder.join("admin.token");
        let (_, made) = Access::open(None, &file).unwrap();
        let (again, made_again) = Access::open(None, &file).unwrap();
        assert!(made && !made_again);
        assert!(again.token_is(std::fs::read_to_string(&file).unwrap().trim()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused() {
        assert!(Access::open(Some("two words"), Path::new("unused")).is_err());
        assert!(Access::open(Some("twelve chars"), Path::new("unused")).is_err());
        assert!(Access::open(Some("long-enough-1"), Path::new("unused")).is_ok());
    }
}
