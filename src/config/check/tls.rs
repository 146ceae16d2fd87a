//! Certificates: our own, and by whose a trunk is known.

use super::super::raw::{RawTls, RawTrunk};
use super::super::read::At;
use super::super::{Authorities, Tls};
use super::Check;
use crate::ids::TrunkId;
use crate::net::tls::{ClientCertificate, Identity, TlsFault, check_authorities, check_identity};
use sha2::Digest;

impl Check<'_> {
    pub(super) fn tls(&mut self, raw: RawTls) -> Tls {
        let (certificate, key) = (self.folder.join(&raw.certificate.value), self.folder.join(&raw.key.value));
        let own = check_identity(&certificate, &key).unwrap_or_else(|fault| {
            self.tls_fault(&raw.certificate, fault);
            Identity { fingerprint: [0; 32], doubt: None }
        });
        let fingerprint = own.fingerprint;
        if let Some(TlsFault { message, remedy }) = own.doubt {
            self.warning("C164", &raw.certificate, message, Some(remedy));
        }
        self.contents.update(fingerprint);
        self.private(&raw.key, &key);
        let client_ca = raw.client_ca.map(|ca| self.authorities(&ca));
        Tls { certificate, fingerprint, key, client_ca }
    }

    /// The file, looked into.
    pub(super) fn authorities(&mut self, at: &At<String>) -> Authorities {
        let file = self.folder.join(&at.value);
        let digest = check_authorities(&file).unwrap_or_else(|fault| {
            self.tls_fault(at, fault);
            [0; 32]
        });
        self.contents.update(digest);
        Authorities { file, digest }
    }

    pub(super) fn client_certificate(
        &mut self,
        trunk: &TrunkId,
        raw: &RawTrunk,
        tls: Option<&Tls>,
        seen: &mut Vec<(ClientCertificate, TrunkId)>,
    ) -> Option<ClientCertificate> {
        let at = raw.client_certificate.as_ref()?;
        let Ok(certificate) = at.value.parse::<ClientCertificate>() else {
            let message = format!("`{}` is neither a SHA-256 fingerprint nor a name", at.value.escape_debug());
            let help =
                "write what `openssl x509 -noout -fingerprint -sha256 -in FILE` prints behind `=`, or a host name";
            self.error("C162", at, message, Some(help.into()));
            return None;
        };
        if tls.is_none_or(|tls| tls.client_ca.is_none()) {
            let help = "add `client_ca: FILE` under `tls`, with the certificate of whoever issued it";
            self.error("C162", at, "no peer is asked for its certificate".into(), Some(help.into()));
        }
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == certificate) {
            let message = format!("trunk `{other}` is known by this certificate already");
            self.error("C150", at, message, Some("give each trunk a certificate of its own".into()));
        }
        seen.push((certificate.clone(), trunk.clone()));
        Some(certificate)
    }

    fn tls_fault(&mut self, at: &At<String>, fault: TlsFault) {
        self.error("C161", at, fault.message, Some(fault.remedy));
    }
}
