//! Dialling with encryption: whom to trust, and the way from a `wss` URL to an open socket.

use crate::dial::{DialError, Failure, Scheme, Target, connect, dial_each, upgrade};
use crate::limits::SocketLimits;
use crate::socket::Socket;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// An encrypted stream.
pub type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// Whom to trust: what this machine trusts, and certificates of one's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Certificates as PEM text, for servers that no authority has certified.
    pub certificates: Vec<String>,
}

/// Opens an encrypted connection to a URL such as `wss://example.org`. Otherwise as [`dial`](crate::dial).
///
/// # Errors
/// The URL or a certificate of `trust` can't be used, nobody answers there in WebSocket, or whoever does is not trusted.
pub async fn dial_tls(
    url: &str,
    limits: SocketLimits,
    trust: &Trust,
) -> Result<Socket<TlsStream>, DialError> {
    let target = Target::parse(url, Scheme::Wss)?;
    let bad = |reason: String| DialError::BadUrl { reason };
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| bad(format!("{:?} is no name that a certificate can have", target.host)))?;
    let connector = TlsConnector::from(Arc::new(config(trust).await.map_err(bad)?));
    dial_each(&target, |address| {
        let (request, name, connector) = (target.request.clone(), name.clone(), connector.clone());
        async move {
            let stream = connect(address).await?;
            let encrypted = connector.connect(name, stream).await;
            let encrypted = encrypted
                .map_err(|error| Failure::NoUpgrade(format!("there is no trusted connection: {error}")))?;
            upgrade(encrypted, request, limits).await
        }
    })
    .await
}

async fn config(trust: &Trust) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    // Reads files.
    let native = spawn_blocking(rustls_native_certs::load_native_certs).await;
    match native {
        Ok(native) => {
            for error in native.errors {
                tracing::debug!(%error, "certificates of this machine can't be read");
            }
            roots.add_parsable_certificates(native.certs);
        }
        Err(error) => tracing::debug!(%error, "certificates of this machine can't be read"),
    }
    for text in &trust.certificates {
        let own = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|error| error.to_string());
        let added = own.and_then(|own| roots.add(own).map_err(|error| error.to_string()));
        added.map_err(|error| format!("a certificate that shall be trusted can't be read: {error}"))?;
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
