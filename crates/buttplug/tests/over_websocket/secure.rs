//! The client over an encrypted connection, as behind a reverse proxy. Key and certificate are of this test alone.

use crate::rig::{Peer, Server, TWIN};
use buttplug::core::connector::ConnectorError;
use buttplug::websocket::WebSocketClientConnector;
use buttplug::{Client, Error};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

const CERTIFICATE: &str = include_str!("certificate/certificate.pem");
const KEY: &str = include_str!("certificate/key.pem");

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn r2_a_wss_url_leads_to_a_whole_encrypted_session() {
    let server = Server::new().await;
    let client = Client::new("Test");
    for url in [
        server.url().replacen("ws", "wss", 1),
        server.url().replacen("ws://127.0.0.1", "WSS://localhost", 1) + "/path?query",
    ] {
        let connector = WebSocketClientConnector::new(url).with_trusted(CERTIFICATE);
        let (connected, mut peer) = tokio::join!(client.connect(connector), async {
            let stream = acceptor().accept(server.answers().await).await.unwrap();
            let mut peer = Peer::upgrades(stream).await;
            peer.welcomes(0, &[TWIN]).await;
            peer
        });
        assert!(connected.is_ok(), "{connected:?}");
        assert_eq!(client.devices().len(), 1);
        tokio::join!(client.disconnect(), peer.is_left());
    }
}

#[tokio::test]
async fn r2_a_server_that_is_not_trusted_or_not_encrypted_is_a_connector_error() {
    let server = Server::new().await;
    let client = Client::new("Test");
    let url = server.url().replacen("ws", "wss", 1);
    let connector = || WebSocketClientConnector::new(url.clone());
    let (untrusted, _) = tokio::join!(client.connect(connector()), async {
        acceptor().accept(server.answers().await).await.map(drop)
    });
    let (plain, ()) = tokio::join!(client.connect(connector().with_trusted(CERTIFICATE)), async {
        server.answers().await.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    for declined in [untrusted, plain] {
        assert!(matches!(declined, Err(Error::Connector(ConnectorError::Declined { .. }))), "{declined:?}");
    }
    let unreadable = client.connect(connector().with_trusted("no certificate")).await;
    assert!(matches!(unreadable, Err(Error::Connector(ConnectorError::BadAddress { .. }))), "{unreadable:?}");
    drop(server);
    let closed = client.connect(connector()).await;
    assert!(matches!(closed, Err(Error::Connector(ConnectorError::Refused { .. }))), "{closed:?}");
    assert!(!client.is_connected());
}
