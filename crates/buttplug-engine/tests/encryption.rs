//! `wss`, with a certificate of the program's own making and with files.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod program;

use futures_util::{SinkExt, StreamExt};
use program::{Ended, Engine, Folder, SOON, Socket, command, run};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_tungstenite::tungstenite::Message;

/// An engine that encrypts with a certificate of its own making, kept in this folder.
fn self_signed(home: &Folder) -> Engine {
    let mut command = command(&["serve", "--websocket-port", "0", "--tls-self-signed"]);
    command.args(["--use-device-websocket-server", "--device-websocket-server-port", "0"]);
    for folder in ["XDG_CONFIG_HOME", "HOME", "APPDATA"] {
        command.env(folder, home.name());
    }
    Engine::of(command)
}

async fn fingerprint(engine: &mut Engine) -> String {
    let line = engine.line_with("fingerprint=").await;
    line.split("fingerprint=").nth(1).unwrap().trim().to_owned()
}

/// Connects like a program that trusts this certificate and nothing else, says this, and answers the reply.
async fn exchange(port: u16, certificate: &str, text: &str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let url = format!("wss://localhost:{port}/");
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    socket.send(Message::text(text)).await.unwrap();
    loop {
        match timeout(SOON, socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Close(frame) => return frame.unwrap().reason.to_string(),
            _ => {}
        }
    }
}

const HANDSHAKE: &str =
    r#"[{"RequestServerInfo":{"Id":1,"ClientName":"x","ProtocolVersionMajor":4,"ProtocolVersionMinor":0}}]"#;

#[tokio::test]
async fn both_ports_speak_wss_by_a_certificate_that_is_kept_and_this_machine_may_do_without() {
    let home = Folder::new("wss");
    let mut engine = self_signed(&home);
    let line = engine.line_with("made a certificate").await;
    let certificate = std::fs::read_to_string(line.split("find it in ").nth(1).unwrap()).unwrap();
    let first = fingerprint(&mut engine).await;
    let (clients, devices) = (engine.client_port().await, engine.device_port().await);
    let reply = exchange(clients, &certificate, HANDSHAKE).await;
    assert!(reply.contains("ServerInfo"), "{reply}");
    let reply =
        exchange(devices, &certificate, r#"{"identifier": "nobody", "address": "a", "version": 0}"#).await;
    assert!(!reply.is_empty(), "a device is heard, and refused with a reason");
    Socket::open(clients).await.handshake().await;
    let mut again = self_signed(&home);
    assert_eq!(fingerprint(&mut again).await, first);
    let reply = exchange(again.client_port().await, &certificate, HANDSHAKE).await;
    assert!(reply.contains("ServerInfo"), "{reply}");
}

#[tokio::test]
async fn a_peer_that_does_not_finish_its_encryption_holds_up_nobody() {
    let home = Folder::new("wss-slow");
    let mut engine = self_signed(&home);
    let port = engine.client_port().await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &[22, 3, 1]).await.unwrap();
        silent.push(stream);
    }
    Socket::open(port).await.handshake().await;
}

#[tokio::test]
async fn files_that_are_missing_are_named() {
    for (arguments, named) in [
        (&["serve", "--tls-certificate", "no/such.pem", "--tls-key", "no/such.key"][..], "no/such.pem"),
        (&["serve", "--tls-certificate", "no/such.pem"], "--tls-key"),
    ] {
        let Ended { code, stderr, .. } = run(arguments).await;
        assert!(code == Some(1) && stderr.contains(named), "{stderr}");
    }
}
