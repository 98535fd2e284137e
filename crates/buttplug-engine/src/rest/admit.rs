//! Who may use the API: programs on this machine, and pages that come from it. Any page on the web can have a browser
//! send requests to loopback; what gives it away are the headers that browsers add.

use buttplug_core::limits::quoted;
use hyper::header::{HOST, HeaderName, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use std::net::IpAddr;
use thiserror::Error;

/// Browsers tell here how the page that asks relates to the page that is asked.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    /// A page from elsewhere.
    #[error(
        "pages from {0:?} may not use this API, only programs and pages on this machine may; open the page from this \
         machine, or have a program of your own ask"
    )]
    Origin(String),
    /// A page from elsewhere, in a way that does not tell from where.
    #[error("other web pages may not use this API, only programs and pages on this machine may")]
    CrossSite,
    /// Asked by a name that is not this machine's. A page can have its own name lead to loopback, and is then of the same
    /// origin.
    #[error("this API answers at localhost, 127.0.0.1 and [::1], not at {0:?}")]
    Host(String),
}

/// Lets a request in or not, by its headers.
///
/// # Errors
/// It comes from a page elsewhere, or was sent to a name that is not this machine's.
pub(crate) fn admit(parts: &Parts) -> Result<(), Refusal> {
    let header = |name| parts.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let hosts = parts.uri.authority().map(Authority::as_str).into_iter();
    let host = header(HOST);
    for host in hosts.chain(host.as_deref()) {
        if !host.parse::<Authority>().is_ok_and(|authority| is_here(&authority)) {
            return Err(Refusal::Host(quoted(host)));
        }
    }
    match (header(ORIGIN), header(SEC_FETCH_SITE)) {
        (Some(origin), _) if is_local(&origin) => Ok(()),
        (Some(origin), _) => Err(Refusal::Origin(quoted(&origin))),
        (None, Some(site)) if site == "cross-site" => Err(Refusal::CrossSite),
        (None, _) => Ok(()),
    }
}

/// Whether an origin is a page from this machine: a scheme and a host, as browsers write it.
fn is_local(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    matches!(scheme, "http" | "https") && host.parse::<Authority>().is_ok_and(|host| is_here(&host))
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

    fn check(headers: &[(&str, &str)], admitted: bool) {
        let mut request = Request::get("/api/v1/devices");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(admit(&parts).is_ok(), admitted, "{headers:?}");
    }

    #[test]
    fn programs_and_pages_of_this_machine_are_let_in() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.0.1.1", "[::1]:8080"] {
            check(&[("host", host)], true);
            check(&[("host", host), ("sec-fetch-site", "none")], true);
            check(&[("host", host), ("origin", &format!("http://{}", host.to_lowercase()))], true);
        }
        check(&[("host", "localhost"), ("sec-fetch-site", "same-site")], true);
        check(&[], true);
        check(&[("origin", "https://localhost:3000"), ("sec-fetch-site", "cross-site")], true);
    }

    #[test]
    fn other_pages_are_not_however_they_ask() {
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
            check(&[("host", "localhost"), ("origin", origin)], false);
        }
        check(&[("host", "localhost"), ("sec-fetch-site", "cross-site")], false);
    }

    #[test]
    fn a_name_that_leads_here_but_is_not_ours_is_refused() {
        for host in ["rebound.example.com:8080", "localhost:8080:1", "me@localhost", "", "192.168.1.5"] {
            check(&[("host", host)], false);
        }
        let (parts, ()) = Request::get("http://example.com/api/v1/devices").body(()).unwrap().into_parts();
        assert_eq!(admit(&parts), Err(Refusal::Host("example.com".into())));
    }
}
