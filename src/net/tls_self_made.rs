//! A certificate that nobody has issued: for a demo, and for a first try. The only file of the product that names rcgen.

use super::TlsFault;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// Makes a key and a certificate for `names` (host names and addresses), and keeps them in these files, whose folder is made
/// where it is not there. What the files held before is gone.
pub fn make_identity(certificate: &Path, key: &Path, names: &[String]) -> Result<(), TlsFault> {
    let fault = |path: &Path, why: &dyn std::fmt::Display| TlsFault {
        message: format!("cannot keep a certificate in {}: {why}", path.display()),
        remedy: "make the folder writable for this user, or name another with `--state DIR`".into(),
    };
    let made = || {
        let pair = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "hotline, made by itself");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok::<_, rcgen::Error>((params.self_signed(&pair)?.pem(), pair.serialize_pem()))
    };
    let (certificate_pem, key_pem) = made().map_err(|error| fault(certificate, &error))?;
    if let Some(folder) = key.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| fault(key, &error))?;
    }
    // The key first: a certificate without its key would be taken for the whole.
    write(key, &key_pem, 0o600).map_err(|error| fault(key, &error))?;
    write(certificate, &certificate_pem, 0o644).map_err(|error| fault(certificate, &error))
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // Anew, as the mode is given to new files only.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    options.open(path)?.write_all(text.as_bytes())
}
