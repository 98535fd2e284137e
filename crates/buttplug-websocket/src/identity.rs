//! Listening with encryption: the certificate by which a server proves who it is.

use crate::stream::ServerStream;
use std::fmt;
use std::io;
use std::sync::Arc;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

/// A certificate and its private key. Neither is shown by `Debug`.
#[derive(Clone)]
pub struct Identity {
    acceptor: TlsAcceptor,
    certificate: CertificateDer<'static>,
}

/// Why there is no identity in a text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// No certificate.
    #[error(
        "there is no certificate in it that can be read; it has to be PEM, with the server's own certificate first"
    )]
    NoCertificate,
    /// No key.
    #[error(
        "there is no private key in it that can be read; it has to be PEM, and not protected by a password"
    )]
    NoKey,
    /// They can't be used.
    #[error("certificate and key can't be used: {0}")]
    Unusable(String),
}

impl Identity {
    /// From PEM: certificates, the server's own first and then those that lead to an authority, and the private key of the
    /// first.
    ///
    /// # Errors
    /// One of them is missing or can't be used, or they don't belong together.
    pub fn from_pem(certificates: &str, key: &str) -> Result<Self, IdentityError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates.as_bytes()).collect();
        let chain = chain.map_err(|_| IdentityError::NoCertificate)?;
        let certificate = chain.first().cloned().ok_or(IdentityError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| IdentityError::NoKey)?;
        let unusable = |error: tokio_rustls::rustls::Error| IdentityError::Unusable(error.to_string());
        let provider = Arc::new(crypto::ring::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = versions.map_err(unusable)?.with_no_client_auth();
        let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
        // A browser that is shown the port as a page offers others too, and would be turned away without a word.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }

    /// The server's own certificate, in DER: what its fingerprint is taken of.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Encrypts a connection.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<ServerStream> {
        Ok(ServerStream::Tls(Box::new(self.acceptor.accept(stream).await?)))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// Whether the peer begins to encrypt. Waits for its first byte.
pub(crate) async fn wants_encryption(stream: &TcpStream) -> io::Result<bool> {
    /// What a record of a TLS handshake begins with.
    const HANDSHAKE: u8 = 22;
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first == [HANDSHAKE])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let error = Identity::from_pem("", "").unwrap_err();
        assert_eq!(error, IdentityError::NoCertificate);
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(Identity::from_pem(certificate, certificate).unwrap_err(), IdentityError::NoKey);
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(matches!(Identity::from_pem(certificate, key).unwrap_err(), IdentityError::Unusable(_)));
    }
}
