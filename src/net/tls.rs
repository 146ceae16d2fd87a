//! TLS under SIP (RFC 3261 26.2, RFC 5922): our certificate, whom we believe, and the handshake of either side. TLS 1.2 and
//! 1.3. The only file that names rustls; it knows nothing of messages, and what is said after the handshake is `tcp`'s.

use crate::ids::TrunkId;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

pub use self_made::make_identity;

/// A connection that we opened.
pub(super) type Outgoing = client::TlsStream<TcpStream>;

/// How long before its end a certificate is complained of: a week's leave of whoever renews it, twice.
const RENEW_BEFORE: Duration = Duration::from_secs(14 * 86_400);
/// A system's whole bundle of authorities has 300 kB; more is another file by mistake.
const MAX_PEM: u64 = 4 << 20;
/// Debian's bundle of authorities, which most systems have at this place.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What TLS is to be made of, as files and names.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Our own, followed by its intermediates (PEM).
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Who issues the certificates of peers that show one; without it none is asked for.
    pub client_ca: Option<PathBuf>,
    /// Which trunk proves itself by which certificate.
    pub clients: Vec<(TrunkId, ClientCertificate)>,
    pub gateways: Vec<TlsGateway>,
}

/// Whom we connect to, and whose certificate it has to show.
#[derive(Clone, Debug)]
pub struct TlsGateway {
    pub remote: SocketAddr,
    pub name: String,
    pub ca: PathBuf,
}

/// The certificate that a peer is known by: its SHA-256 fingerprint, or a name that it was issued for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    Fingerprint([u8; 32]),
    /// In lower case.
    Name(String),
}

/// What is wrong with a file, as a sentence, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    pub message: String,
    pub remedy: String,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.remedy)
    }
}

impl std::error::Error for TlsFault {}

/// A certificate that can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// SHA-256.
    pub fingerprint: [u8; 32],
    /// Why peers refuse it, or soon will. That is for them to say: those who do not look are served, and so is everything
    /// that needs no certificate.
    pub doubt: Option<TlsFault>,
}

/// Whether `certificate` and `key` can be used.
pub fn check_identity(certificate: &Path, key: &Path) -> Result<Identity, TlsFault> {
    let provider = provider();
    identity(certificate, key, &provider)?;
    let chain = certificates(certificate)?;
    let leaf = chain.first().map(|leaf| leaf.as_ref()).unwrap_or_default();
    let doubt = chain.first().and_then(|leaf| doubt(certificate, leaf, &provider));
    Ok(Identity { fingerprint: Sha256::digest(leaf).into(), doubt })
}

/// Whether `path` holds certificates of authorities; gives a digest of the file, by which a new one is told from it.
pub fn check_authorities(path: &Path) -> Result<[u8; 32], TlsFault> {
    authorities(path)?;
    Ok(Sha256::digest(pem(path)?).into())
}

/// What new connections are set up with, made whole or not at all.
pub struct TlsSettings {
    acceptor: TlsAcceptor,
    gateways: HashMap<SocketAddr, (ServerName<'static>, TlsConnector)>,
    clients: Vec<(TrunkId, ClientCertificate)>,
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl TlsFiles {
    pub fn load(&self) -> Result<TlsSettings, TlsFault> {
        let provider = provider();
        let own = identity(&self.certificate, &self.key, &provider)?;
        let verifier = match &self.client_ca {
            // Phones have no certificate and prove themselves by digest; one that is shown has to be good.
            Some(ca) => WebPkiClientVerifier::builder_with_provider(authorities(ca)?, provider.clone())
                .allow_unauthenticated()
                .build()
                .map_err(|error| unusable(ca, &error))?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| unusable(&self.certificate, &error))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(own.clone());
        let mut gateways = HashMap::new();
        for gateway in &self.gateways {
            let name = ServerName::try_from(gateway.name.clone()).map_err(|_| TlsFault {
                message: format!("`{}` cannot be the name in a certificate", gateway.name),
                remedy: "use the host name that the trunk's certificate was issued for".into(),
            })?;
            let client = ClientConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[&TLS13, &TLS12])
                .map_err(|error| unusable(&gateway.ca, &error))?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(SipServer {
                    roots: authorities(&gateway.ca)?,
                    algorithms: provider.signature_verification_algorithms,
                }))
                .with_client_cert_resolver(own.clone());
            let same_place = |other: &&TlsGateway| other.remote == gateway.remote;
            if self.gateways.iter().filter(same_place).any(|other| other.name != gateway.name) {
                return Err(TlsFault {
                    message: format!("two trunks of different names are at {}", gateway.remote),
                    remedy: "give both the same `address`".into(),
                });
            }
            if self.gateways.iter().filter(same_place).any(|other| other.ca != gateway.ca) {
                return Err(TlsFault {
                    message: format!("two trunks at {} believe different authorities", gateway.remote),
                    remedy: "give both the same `ca`".into(),
                });
            }
            gateways.insert(gateway.remote, (name, TlsConnector::from(Arc::new(client))));
        }
        Ok(TlsSettings { acceptor: TlsAcceptor::from(Arc::new(server)), gateways, clients: self.clients.clone() })
    }
}

/// How servers of the web prove themselves to us.
#[derive(Clone)]
pub struct WebTls(TlsConnector);

impl WebTls {
    /// Believes whoever `ca` says, or else whoever this machine believes.
    pub fn trusting(ca: Option<&Path>) -> Result<WebTls, TlsFault> {
        let own = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let path = ca.map(Path::to_path_buf).or(own).unwrap_or_else(|| PathBuf::from(SYSTEM_AUTHORITIES));
        let roots = authorities(&path).map_err(|fault| match ca {
            Some(_) => fault,
            None => TlsFault { remedy: "install ca-certificates, or name a PEM file by `ca:`".into(), ..fault },
        })?;
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| unusable(&path, &error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(WebTls(TlsConnector::from(Arc::new(client))))
    }

    pub async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>> {
        let name = ServerName::try_from(host.to_string()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

/// The settings in force. All clones see a change; connections that are up keep what they were set up with.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Mutex<Arc<TlsSettings>>>);

impl Tls {
    pub fn new(settings: TlsSettings) -> Tls {
        Tls(Arc::new(Mutex::new(Arc::new(settings))))
    }

    pub fn replace(&self, settings: TlsSettings) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// No trunk is known by a certificate any more, nor called by TLS; whoever else comes is served as before.
    pub fn forget_trunks(&self) {
        let acceptor = self.current().acceptor.clone();
        self.replace(TlsSettings { acceptor, gateways: HashMap::new(), clients: Vec::new() });
    }

    fn current(&self) -> Arc<TlsSettings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The handshake with a peer that connected to us.
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<(server::TlsStream<S>, Option<TrunkProof>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let settings = self.current();
        let stream = settings.acceptor.accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let proof = shown.and_then(|shown| {
            let (trunk, by) = settings.clients.iter().find(|(_, client)| client.is(shown))?;
            Some(TrunkProof { tls: self.clone(), trunk: trunk.clone(), by: by.clone() })
        });
        Ok((stream, proof))
    }

    /// The handshake with a gateway that we connected to. Fails for every other address: nothing says who is to be there.
    pub(super) async fn connect<S>(&self, stream: S, remote: SocketAddr) -> io::Result<client::TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let settings = self.current();
        let Some((name, connector)) = settings.gateways.get(&remote) else {
            return Err(io::Error::other("no trunk with `transport: tls` is at this address"));
        };
        connector.connect(name.clone(), stream).await
    }
}

/// That a connection is a trunk's, by the certificate that its peer showed.
#[derive(Debug)]
pub(super) struct TrunkProof {
    tls: Tls,
    trunk: TrunkId,
    by: ClientCertificate,
}

impl TrunkProof {
    /// The trunk, as long as it is to be known by that certificate.
    pub fn trunk(&self) -> Option<TrunkId> {
        let settings = self.tls.current();
        let holds = settings.clients.iter().any(|(trunk, by)| *trunk == self.trunk && *by == self.by);
        holds.then(|| self.trunk.clone())
    }
}

/// Whose certificate a handshake failed for: then somebody has to mend something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Theirs,
    /// The peer said something against ours, or against something else.
    Ours,
    /// No certificate's.
    Other,
}

/// Why a handshake failed, for the log.
pub(super) fn reason(error: &io::Error) -> (String, Fault) {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(fault)) => {
            (format!("its certificate is refused: {}", fault_text(fault)), Fault::Theirs)
        }
        Some(Error::AlertReceived(alert)) => (format!("it refused ours: {alert:?}"), Fault::Ours),
        Some(other) => (other.to_string(), Fault::Other),
        None => (error.to_string(), Fault::Other),
    }
}

fn fault_text(fault: &CertificateError) -> String {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet".into(),
        CertificateError::UnknownIssuer => "its issuer is none of the authorities in our file".into(),
        other => other.to_string(),
    }
}

impl ClientCertificate {
    fn is(&self, certificate: &CertificateDer<'_>) -> bool {
        match self {
            Self::Fingerprint(fingerprint) => Sha256::digest(certificate).as_slice() == fingerprint,
            Self::Name(name) => domains(certificate).iter().any(|domain| domain.eq_ignore_ascii_case(name)),
        }
    }
}

impl FromStr for ClientCertificate {
    type Err = ();

    /// 64 hex digits, colons between them or not, `sha256:` before them or not, as `openssl x509 -fingerprint -sha256`
    /// prints them; else a name.
    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text).replace(':', "");
        if digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let mut fingerprint = [0; 32];
            for (octet, place) in fingerprint.iter_mut().zip((0..64).step_by(2)) {
                let digits = digits.get(place..place + 2).ok_or(())?;
                *octet = u8::from_str_radix(digits, 16).map_err(drop)?;
            }
            return Ok(Self::Fingerprint(fingerprint));
        }
        let is_name = matches!(ServerName::try_from(text), Ok(ServerName::DnsName(_))) && !text.starts_with('*');
        is_name.then(|| Self::Name(text.to_ascii_lowercase())).ok_or(())
    }
}

/// Whether a server is whom we mean (RFC 5922 7): its certificate leads to an authority of the trunk's, and bears its name.
#[derive(Debug)]
struct SipServer {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for SipServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, self.algorithms.all)?;
        let presented = domains(end_entity);
        let bears = match server_name {
            ServerName::DnsName(name) => presented.iter().any(|domain| domain.eq_ignore_ascii_case(name.as_ref())),
            // Of addresses RFC 5922 says nothing; a certificate that bears one is as good as a name.
            other => webpki::EndEntityCert::try_from(end_entity)
                .is_ok_and(|certificate| certificate.verify_is_valid_for_subject_name(other).is_ok()),
        };
        if bears {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::NotValidForNameContext { expected: server_name.to_owned(), presented }.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The SIP domains that a certificate speaks for (RFC 5922 7.1): those of its `sip:` URIs without a user, or its DNS names
/// when there are none. A wildcard is a name like any other, as it must match nothing else (7.2).
fn domains(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    let uris: Vec<String> = certificate.valid_uri_names().filter_map(sip_domain).collect();
    if uris.is_empty() { certificate.valid_dns_names().map(str::to_owned).collect() } else { uris }
}

fn sip_domain(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let host = rest.split([';', '?', ':']).next()?;
    let plain = scheme.eq_ignore_ascii_case("sip") && !rest.contains('@') && !host.is_empty();
    plain.then(|| host.to_owned())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn identity(certificate: &Path, key: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<SingleCertAndKey>, TlsFault> {
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_slice(&pem(key)?).map_err(|_| TlsFault {
        message: format!("there is no private key in {}", key.display()),
        remedy: "give a PEM file with an unencrypted key (`-----BEGIN PRIVATE KEY-----`)".into(),
    })?;
    let own = CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
        Error::InconsistentKeys(_) => TlsFault {
            message: format!(
                "the key in {} is not that of the certificate in {}",
                key.display(),
                certificate.display()
            ),
            remedy:
                "give the key that the certificate was made with; the first certificate in the file has to be our own"
                    .into(),
        },
        Error::InvalidCertificate(_) => unusable(certificate, &error),
        _ => unusable(key, &error),
    })?;
    Ok(Arc::new(SingleCertAndKey::from(own)))
}

/// What is to be said of a certificate's dates.
fn doubt(path: &Path, leaf: &CertificateDer<'_>, provider: &CryptoProvider) -> Option<TlsFault> {
    let parsed = ParsedCertificate::try_from(leaf).ok()?;
    // Its dates are looked at before its issuer, who need not be known here.
    let algorithms = provider.signature_verification_algorithms.all;
    let at = |time| {
        let found = verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], time, algorithms);
        match found {
            Err(Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
                Some(Dates::Over)
            }
            Err(Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            )) => Some(Dates::ToCome),
            _ => None,
        }
    };
    let now = UnixTime::now();
    let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + RENEW_BEFORE);
    let renew = "get a new one, and then `hotline reload`";
    let (what, remedy) = match (at(now), at(soon)) {
        (Some(Dates::Over), _) => ("has expired", renew),
        (Some(Dates::ToCome), _) => ("is not valid yet", "set this machine's clock, or wait until it is"),
        (None, Some(Dates::Over)) => ("expires within two weeks", renew),
        _ => return None,
    };
    Some(TlsFault { message: format!("the certificate in {} {what}", path.display()), remedy: remedy.into() })
}

enum Dates {
    ToCome,
    Over,
}

fn authorities(path: &Path) -> Result<Arc<RootCertStore>, TlsFault> {
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(certificates(path)?);
    if taken == 0 {
        return Err(TlsFault {
            message: format!("no certificate in {} can be an authority's", path.display()),
            remedy: "give the PEM file of whoever issued the certificates".into(),
        });
    }
    Ok(Arc::new(roots))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem(path)?).filter_map(Result::ok).collect();
    if found.is_empty() {
        return Err(TlsFault {
            message: format!("there is no certificate in {}", path.display()),
            remedy: "give a PEM file (`-----BEGIN CERTIFICATE-----`)".into(),
        });
    }
    Ok(found)
}

fn pem(path: &Path) -> Result<Vec<u8>, TlsFault> {
    let fault = |why: String| TlsFault {
        message: format!("cannot read {}: {why}", path.display()),
        remedy: "give a PEM file that this user can read".into(),
    };
    let meta = std::fs::metadata(path).map_err(|error| fault(error.to_string()))?;
    if meta.len() > MAX_PEM {
        return Err(fault(format!("it has {} octets", meta.len())));
    }
    std::fs::read(path).map_err(|error| fault(error.to_string()))
}

fn unusable(path: &Path, error: &dyn fmt::Display) -> TlsFault {
    TlsFault {
        message: format!("{} cannot be used: {error}", path.display()),
        remedy: "make it anew, with a key of RSA (2048 bits or more), ECDSA P-256 or Ed25519".into(),
    }
}

#[path = "tls_self_made.rs"]
mod self_made;
#[cfg(test)]
#[path = "tls_testing.rs"]
pub(crate) mod testing;
#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
