//! Who may use the API: whom the gate lets in, who is asked by a name of this machine. Any page on the web can have a
//! browser send requests to loopback; what gives it away are the headers that browsers add.

use super::answer::is_preflight;
use crate::gatekeeper::Gatekeeper;
use buttplug_core::limits::quoted;
use buttplug_websocket::{Gate, Visit};
use hyper::header::HOST;
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    /// The gate is against it.
    #[error("{text}")]
    Gate {
        /// Whether a token would change it.
        wants_token: bool,
        /// What happened and what to do.
        text: String,
    },
    /// Asked by a name that is not this machine's. A page can have its own name lead to loopback, and is then of the same
    /// origin.
    #[error("this API answers at localhost, 127.0.0.1 and [::1], not at {0:?}")]
    Host(String),
}

/// Lets a request in or not, by its headers.
///
/// # Errors
/// It was sent to a name that is not this machine's, or the gate is against it.
pub(crate) async fn admit(parts: &Parts, peer: SocketAddr, gate: &Gatekeeper) -> Result<(), Refusal> {
    let header = parts.headers.get(HOST).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let hosts = parts.uri.authority().map(Authority::as_str).into_iter();
    for host in hosts.chain(header.as_deref()) {
        if !host.parse::<Authority>().is_ok_and(|authority| is_here(&authority)) {
            tracing::warn!(%peer, host = quoted(host), "refusing a request by another name than this machine's");
            return Err(Refusal::Host(quoted(host)));
        }
    }
    let visit = Visit::new(peer, &parts.uri, &parts.headers);
    if visit.token.is_none() && is_preflight(parts) && gate.rules.token.is_some() {
        // Browsers ask without the token that the page will give. Nothing is done yet.
        return Ok(());
    }
    let admitted = gate.admit(&visit).await;
    admitted.map_err(|refusal| Refusal::Gate { wants_token: refusal.wants_token, text: refusal.text })
}

fn is_here(authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn keeper() -> Gatekeeper {
        Gatekeeper { rules: buttplug_websocket::Rules::default(), any_page: false, allowed: None, desk: None }
    }

    fn with_token() -> Gatekeeper {
        let mut keeper = keeper();
        keeper.rules.token = Some("0123456789abcdef".parse().unwrap());
        keeper
    }

    async fn ask(gate: &Gatekeeper, request: hyper::http::request::Builder) -> Result<(), Refusal> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        admit(&parts, "127.0.0.1:5".parse().unwrap(), gate).await
    }

    async fn check(headers: &[(&str, &str)], admitted: bool) {
        let mut request = Request::get("/api/v1/devices");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        assert_eq!(ask(&keeper(), request).await.is_ok(), admitted, "{headers:?}");
    }

    #[tokio::test]
    async fn programs_and_pages_of_this_machine_are_let_in() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.0.1.1", "[::1]:8080"] {
            check(&[("host", host)], true).await;
            check(&[("host", host), ("sec-fetch-site", "none")], true).await;
            check(&[("host", host), ("origin", &format!("http://{}", host.to_lowercase()))], true).await;
        }
        check(&[("host", "localhost"), ("sec-fetch-site", "same-site")], true).await;
        check(&[], true).await;
        check(&[("origin", "https://localhost:3000"), ("sec-fetch-site", "cross-site")], true).await;
    }

    #[tokio::test]
    async fn other_pages_are_not_however_they_ask() {
        for origin in [
            "https://example.com",
            "http://localhost.example.com",
            "http://localhost@example.com",
            "http://127.0.0.1.example.com",
            "http://[2001:db8::1]",
            "http://192.168.1.5",
            "file://",
            "null",
            "",
        ] {
            check(&[("host", "localhost"), ("origin", origin)], false).await;
        }
        check(&[("host", "localhost"), ("sec-fetch-site", "cross-site")], false).await;
    }

    #[tokio::test]
    async fn a_page_that_is_allowed_is_let_in() {
        let mut keeper = keeper();
        keeper.rules.origins = vec!["https://*.example.com".parse().unwrap()];
        let from =
            |origin| Request::get("/api/v1/devices").header("host", "localhost").header("origin", origin);
        assert_eq!(ask(&keeper, from("https://player.example.com")).await, Ok(()));
        let refused = ask(&keeper, from("https://example.org")).await.unwrap_err();
        assert!(refused.to_string().contains("buttplug allow https://example.org"), "{refused}");
    }

    #[tokio::test]
    async fn with_a_token_only_those_who_know_it_are_let_in_and_browsers_may_ask_before() {
        let keeper = with_token();
        let get = |path: &str| Request::get(path).header("host", "localhost");
        for wrong in [get("/api/v1/devices"), get("/api/v1/devices?token=0123456789abcdeX")] {
            let refused = ask(&keeper, wrong).await;
            assert!(matches!(refused, Err(Refusal::Gate { wants_token: true, .. })), "{refused:?}");
        }
        let bearer = get("/api/v1/devices").header("authorization", "Bearer 0123456789abcdef");
        assert_eq!(ask(&keeper, bearer).await, Ok(()));
        let page = get("/api/v1/events?token=0123456789abcdef").header("origin", "https://example.com");
        assert_eq!(ask(&keeper, page).await, Ok(()));
        let before = |method| {
            Request::builder()
                .method(method)
                .uri("/api/v1/devices/stop")
                .header("host", "localhost")
                .header("origin", "https://example.com")
                .header("access-control-request-method", "PUT")
        };
        assert_eq!(ask(&keeper, before("OPTIONS")).await, Ok(()));
        assert!(ask(&keeper, before("PUT")).await.is_err());
        assert!(
            ask(&self::keeper(), before("OPTIONS")).await.is_err(),
            "without a token the page itself counts"
        );
    }

    #[tokio::test]
    async fn a_name_that_leads_here_but_is_not_ours_is_refused() {
        for host in ["rebound.example.com:8080", "localhost:8080:1", "me@localhost", "", "192.168.1.5"] {
            check(&[("host", host)], false).await;
        }
        let elsewhere = Request::get("http://example.com/api/v1/devices");
        assert_eq!(ask(&with_token(), elsewhere).await, Err(Refusal::Host("example.com".into())));
    }
}
