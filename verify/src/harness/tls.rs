//! An authority of our own with a certificate for the loopback address, for registries that speak TLS.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::error::HarnessError;

/// The names that a server certificate is for, besides 127.0.0.1.
const LOCALHOST: &str = "localhost";
/// What was tried when an error has to do with keys or certificates.
pub(super) const MAKE_KEYS: &str = "cannot make certificates";

/// A key and its certificate.
pub struct Identity {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The private key, PKCS #8.
    pub key: Vec<u8>,
}

/// An authority that lives as long as the process and signs what it is asked to.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority, unlike all others.
    ///
    /// # Errors
    /// A system without randomness.
    pub fn new() -> Result<Self, HarnessError> {
        let key = key()?;
        let mut params = params(&[], "tallyman verify authority")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).map_err(HarnessError::other(MAKE_KEYS))?;
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// A key with a certificate for 127.0.0.1 and localhost.
    ///
    /// # Errors
    /// A system without randomness.
    pub fn issue(&self, name: &str) -> Result<Identity, HarnessError> {
        let key = key()?;
        let mut params = params(&[LOCALHOST.to_owned(), IpAddr::V4(Ipv4Addr::LOCALHOST).to_string()], name)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // RFC 5280, section 4.2.1.1, wants it; Python since 3.13 and OpenSSL, where they are strict, refuse what lacks it.
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(HarnessError::other(MAKE_KEYS))?;
        Ok(Identity { certificate: certificate.der().clone(), key: key.serialize_der() })
    }

    /// The settings of a server on the loopback address that speaks HTTP/1.1.
    ///
    /// # Errors
    /// A system without randomness.
    pub fn server(&self) -> Result<Arc<ServerConfig>, HarnessError> {
        let Identity { certificate, key } = self.issue("tallyman verify server")?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
            .map_err(HarnessError::other(MAKE_KEYS))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Its certificate, for those who shall trust it.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Writes its certificate to `ca.pem` in a folder, for those who shall trust it.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, HarnessError> {
        let file = folder.join("ca.pem");
        fs::write(&file, self.pem()).map_err(HarnessError::at("write", &file))?;
        Ok(file)
    }
}

fn key() -> Result<KeyPair, HarnessError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(HarnessError::other(MAKE_KEYS))
}

fn params(names: &[String], common_name: &str) -> Result<CertificateParams, HarnessError> {
    let mut params = CertificateParams::new(names).map_err(HarnessError::other(MAKE_KEYS))?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use rustls::{ClientConfig, RootCertStore};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    /// Whether a client that trusts `trusted` reads what a server of `authority` says, as `name`.
    async fn greeted(authority: &Authority, trusted: &Authority, name: &'static str) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(authority.server().unwrap());
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.write_all(b"hello").await;
                let _ = stream.shutdown().await;
            }
        });
        let mut roots = RootCertStore::empty();
        roots.add(trusted.certificate.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let connected = TlsConnector::from(Arc::new(config)).connect(name.try_into().unwrap(), stream).await;
        let mut said = String::new();
        if let Ok(mut stream) = connected {
            stream.read_to_string(&mut said).await.unwrap();
        }
        server.await.unwrap();
        said == "hello"
    }

    #[rstest::rstest]
    #[case("127.0.0.1", true)]
    #[case("localhost", true)]
    #[case("registry.example", false)]
    #[tokio::test]
    async fn who_trusts_the_authority_trusts_its_servers(#[case] name: &'static str, #[case] trusted: bool) {
        let authority = Authority::new().unwrap();
        assert_eq!(greeted(&authority, &authority, name).await, trusted);
    }

    #[tokio::test]
    async fn nobody_else_does() {
        assert!(!greeted(&Authority::new().unwrap(), &Authority::new().unwrap(), "127.0.0.1").await);
    }

    #[test]
    fn a_written_certificate_is_the_authoritys() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new().unwrap();
        let bundle = authority.write(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(bundle).unwrap(), authority.pem());
    }
}
