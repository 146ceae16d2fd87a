//! Certificates made on the spot, in a folder that is gone with them.

use crate::test_folder::TestFolder;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Somebody who issues certificates.
pub struct Authority {
    pub folder: TestFolder,
    pub file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// The files of one certificate.
pub struct Issued {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub der: Vec<u8>,
}

impl Authority {
    pub fn new() -> Authority {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let folder = TestFolder::new("authority");
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let file = folder.join("ca.pem");
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Authority { folder, file, issuer: Issuer::new(params, key) }
    }

    /// For `names`: host names, IP addresses, or `sip:` URIs.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_until(names, 4096)
    }

    /// Good up to the first day of that year.
    pub fn issue_until(&self, names: &[&str], year: i32) -> Issued {
        let (uris, hosts): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains(':'));
        let mut params = CertificateParams::new(hosts.iter().map(|host| host.to_string()).collect::<Vec<_>>()).unwrap();
        params
            .subject_alt_names
            .extend(uris.iter().map(|uri| SanType::URI(uri.parse::<String>().unwrap().try_into().unwrap())));
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let issued = Issued {
            certificate: self.folder.join(format!("{number}.pem")),
            key: self.folder.join(format!("{number}.key")),
            der: certificate.der().to_vec(),
        };
        std::fs::write(&issued.certificate, certificate.pem()).unwrap();
        std::fs::write(&issued.key, key.serialize_pem()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&issued.key, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        issued
    }
}
