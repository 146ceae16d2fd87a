//! Systems that flows may ask: where they are, how we prove ourselves to them, and which databases may be read.

use super::Check;
use crate::config::raw::{RawBase, RawCredential, RawDatabase};
use crate::config::read::At;
use crate::config::{Base, Credential, Database, Secret};
use crate::http_client::{Origin, Reach, allowed};
use crate::net::tls::WebTls;
use std::collections::BTreeMap;

impl Check<'_> {
    pub(super) fn bases(&mut self, raw: Vec<(At<String>, RawBase)>) -> BTreeMap<String, Base> {
        let mut bases = BTreeMap::new();
        for (name, raw) in raw {
            if !self.name("base", &name) {
                continue;
            }
            if let Some(base) = self.base(&name, raw)
                && bases.insert(name.value.clone(), base).is_some()
            {
                self.error("C105", &name, format!("the base `{}` is there twice", name.value), None);
            }
        }
        bases
    }

    fn base(&mut self, name: &At<String>, raw: RawBase) -> Option<Base> {
        let auth: BTreeMap<_, _> = raw
            .auth
            .into_iter()
            .filter_map(|(name, raw)| Some((name.value.clone(), self.credential(&name, raw)?)))
            .collect();
        let Some(url) = raw.url else {
            let help = "add `url: https://billing.example.com`";
            self.error("C103", name, format!("`bases.{}.url` is missing", name.value), Some(help.into()));
            return None;
        };
        let origin = match Origin::parse(&url.value) {
            Ok(origin) => origin,
            Err(why) => {
                let message = format!("`{}` is no address of a system: {why}", url.value);
                self.error("C150", &url, message, Some("write `https://billing.example.com`".into()));
                return None;
            }
        };
        let reach = if raw.private.is_some_and(|private| private.value) { Reach::Private } else { Reach::Public };
        if let Some(address) = origin.address().filter(|address| !allowed(*address, reach)) {
            let (message, help) = match allowed(address, Reach::Private) {
                true => (
                    format!("{address} is in a network of one's own, which flows reach only when that is said"),
                    "add `private: true` if this system is yours",
                ),
                false => (format!("{address} is never asked: it is link-local or nobody's"), "name another address"),
            };
            self.error("C151", &url, message, Some(help.into()));
        }
        if !origin.secure && !auth.is_empty() && reach == Reach::Public {
            let message = "the secrets of this base would go over the network in clear".into();
            self.warning("C152", &url, message, Some("use `https://`".into()));
        }
        let ca = raw.ca.as_ref().map(|file| self.folder.join(&file.value));
        if origin.secure
            && let Err(fault) = WebTls::trusting(ca.as_deref())
        {
            let at = raw.ca.as_ref().unwrap_or(&url);
            self.error("C153", at, fault.message, Some(fault.remedy));
        }
        Some(Base { origin, reach, ca, auth })
    }

    fn credential(&mut self, name: &At<String>, raw: RawCredential) -> Option<Credential> {
        let value = match (&raw.token_file, &raw.token_env, &raw.password_file) {
            (Some(file), None, None) => self.secret_file(file)?,
            (None, None, Some(file)) => self.secret_file(file)?,
            (None, Some(variable), None) => match std::env::var(&variable.value) {
                Ok(value) if !value.is_empty() => {
                    self.contents_of(&value);
                    Secret::new(value)
                }
                _ => {
                    let message = format!("the environment has no `{}`", variable.value);
                    let help = "set it before the start, or use `token_file`";
                    self.error("C145", variable, message, Some(help.into()));
                    return None;
                }
            },
            _ => {
                let help = "give one of `token_file`, `token_env`, or `user` with `password_file`";
                self.error("C154", name, format!("`{}` needs one secret", name.value), Some(help.into()));
                return None;
            }
        };
        let printable = |secret: &Secret| secret.expose().chars().all(|c| c.is_ascii_graphic() || c == ' ');
        if !printable(&value) {
            let message = format!("the secret of `{}` has characters that no header can hold", name.value);
            self.error("C154", name, message, Some("use a secret of ASCII characters".into()));
            return None;
        }
        match (raw.user, raw.password_file, raw.header) {
            (Some(user), Some(_), None) => {
                let pair = format!("{}:{}", user.value, value.expose());
                Some(Credential::authorization(&format!("Basic {}", base64(pair.as_bytes()))))
            }
            (None, None, Some(header)) => {
                let plain = header.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
                if !plain || header.value.is_empty() {
                    let message = format!("`{}` cannot be the name of a header", header.value);
                    self.error("C154", &header, message, Some("write such as `X-Api-Key`".into()));
                }
                Some(Credential { header: header.value, value })
            }
            (None, None, None) => Some(Credential::authorization(&format!("Bearer {}", value.expose()))),
            _ => {
                let help = "`user` and `password_file` go together, without `header`";
                self.error("C154", name, format!("`{}` is put together wrongly", name.value), Some(help.into()));
                None
            }
        }
    }

    pub(super) fn databases(&mut self, raw: Vec<(At<String>, RawDatabase)>) -> BTreeMap<String, Database> {
        let mut databases = BTreeMap::new();
        for (name, raw) in raw {
            if !self.name("database", &name) {
                continue;
            }
            let Some(file) = raw.sqlite else {
                let help = "add `sqlite: data/customers.db`";
                self.error("C103", &name, format!("nothing is said of where `{}` is", name.value), Some(help.into()));
                continue;
            };
            let path = self.folder.join(&file.value);
            if !path.is_file() {
                let message = format!("there is no file {}", path.display());
                self.warning("C155", &file, message, Some("its lookups fail until it is there".into()));
            }
            databases.insert(name.value, Database::Sqlite(path));
        }
        databases
    }
}

/// RFC 4648 4, for the one place that wants it (RFC 7617).
fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for part in octets.chunks(3) {
        let bits = part.iter().fold(0u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - part.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= part.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    /// RFC 4648 10.
    #[test]
    fn base64_of_the_rfcs_words() {
        let words = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|word| base64(word.as_bytes()));
        assert_eq!(words, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }
}
