//! Where a web page is from, and which pages are meant by what a person writes. Knows no sockets.
//!
//! A browser says with every WebSocket which page opens it, and a page can't change that. Other programs say nothing.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use thiserror::Error;

/// Bytes of an origin: a name has 253 at most, the rest is for what stands around it.
pub const MAX_ORIGIN_BYTES: usize = 300;

/// Where a page is from, in the one form in which origins are compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// A place with a name.
    Site {
        /// `https`, `http`, or what programs with pages inside have made up. In lower case.
        scheme: String,
        /// The host, in lower case; IPv6 addresses in brackets. Empty for files.
        host: String,
        /// The port; `None` for the scheme's own.
        port: Option<u16>,
    },
    /// What browsers call `null`: files, and frames that are shut off from their page.
    Nowhere,
}

/// Why a text is no origin or no pattern of origins.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OriginError {
    /// Too long.
    #[error("it is longer than {MAX_ORIGIN_BYTES} bytes")]
    TooLong,
    /// Nothing before the host.
    #[error("it has to begin with https:// or http://, as in https://example.org")]
    NoScheme,
    /// No host, or one that can't be.
    #[error(
        "it names no host that could be; names with letters of other alphabets are written as browsers send them, xn--…"
    )]
    BadHost,
    /// A port that is none.
    #[error("its port has to be a number from 1 to 65535")]
    BadPort,
    /// The browser says only that the page is from elsewhere.
    #[error("its browser says that it is from elsewhere, and not from where")]
    Hidden,
    /// `*` where it can't be understood.
    #[error(
        "a * may only stand for what is before a domain, as in https://*.example.org; every page is `any`"
    )]
    BadWildcard,
}

impl Origin {
    /// Whether the page is of this machine: a program here has served it.
    pub fn is_loopback(&self) -> bool {
        let Self::Site { scheme, host, .. } = self else { return false };
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let loopback = host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || address.and_then(|host| host.parse::<Ipv6Addr>().ok()).is_some_and(|host| host.is_loopback());
        loopback && matches!(scheme.as_str(), "http" | "https")
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text.len() > MAX_ORIGIN_BYTES {
            return Err(OriginError::TooLong);
        }
        if text.eq_ignore_ascii_case("null") {
            return Ok(Self::Nowhere);
        }
        let (scheme, place) = text.split_once("://").ok_or(OriginError::NoScheme)?;
        let (host, port) = host_and_port(place)?;
        let scheme = self::scheme(scheme)?;
        if host.is_empty() && scheme != "file" {
            return Err(OriginError::BadHost);
        }
        let port = port.filter(|port| Some(*port) != usual_port(&scheme));
        Ok(Self::Site { scheme, host: self::host(host)?, port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site { scheme, host, port } => write_site(f, scheme, "", host, *port),
            Self::Nowhere => f.write_str("null"),
        }
    }
}

/// Pages that a person means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    /// Every page.
    Any,
    /// Pages from there.
    Exactly(Origin),
    /// Pages of all subdomains, at any depth, and not of the domain itself.
    Subdomains {
        /// As of an [`Origin`].
        scheme: String,
        /// The domain, without the dot before it.
        domain: String,
        /// As of an [`Origin`].
        port: Option<u16>,
    },
}

impl OriginPattern {
    /// Whether a page from there is meant.
    pub fn allows(&self, origin: &Origin) -> bool {
        match (self, origin) {
            (Self::Any, _) => true,
            (Self::Exactly(allowed), origin) => allowed == origin,
            (Self::Subdomains { scheme, domain, port }, Origin::Site { scheme: its, host, port: at }) => {
                let below = host.strip_suffix(domain.as_str()).and_then(|host| host.strip_suffix('.'));
                scheme == its && port == at && below.is_some_and(|below| !below.is_empty())
            }
            (Self::Subdomains { .. }, Origin::Nowhere) => false,
        }
    }
}

impl FromStr for OriginPattern {
    type Err = OriginError;

    /// Reads `any`, an origin, or one whose host begins with `*.`. What follows the host is left out, because people
    /// copy the address of a page.
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("any") {
            return Ok(Self::Any);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.contains('*') {
                Err(OriginError::BadWildcard)
            } else {
                text.parse().map(Self::Exactly)
            };
        };
        let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let site = match place.strip_prefix("*.") {
            Some(domain) => format!("{scheme}://{domain}"),
            None => format!("{scheme}://{place}"),
        };
        if site.contains('*') {
            return Err(OriginError::BadWildcard);
        }
        match (site.parse()?, place.starts_with("*.")) {
            (Origin::Site { scheme, host: domain, port }, true) => {
                // All of a top-level domain is no more than a word for everybody.
                if !domain.contains('.') || domain.parse::<Ipv4Addr>().is_ok() {
                    return Err(OriginError::BadWildcard);
                }
                Ok(Self::Subdomains { scheme, domain, port })
            }
            (origin, _) => Ok(Self::Exactly(origin)),
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Exactly(origin) => origin.fmt(f),
            Self::Subdomains { scheme, domain, port } => write_site(f, scheme, "*.", domain, *port),
        }
    }
}

fn write_site(
    f: &mut fmt::Formatter<'_>,
    scheme: &str,
    below: &str,
    host: &str,
    port: Option<u16>,
) -> fmt::Result {
    write!(f, "{scheme}://{below}{host}")?;
    port.map_or(Ok(()), |port| write!(f, ":{port}"))
}

fn scheme(text: &str) -> Result<String, OriginError> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    if begins && text.chars().all(good) { Ok(text.to_ascii_lowercase()) } else { Err(OriginError::NoScheme) }
}

fn host_and_port(place: &str) -> Result<(&str, Option<u16>), OriginError> {
    let after_address = place.rfind(']').map_or(0, |end| end + 1);
    let colon = place.get(after_address..).and_then(|rest| rest.find(':')).map(|at| after_address + at);
    let Some(colon) = colon else { return Ok((place, None)) };
    let (host, port) = place.split_at(colon);
    let digits = port.get(1..).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    let port = digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0);
    Ok((host, Some(port.ok_or(OriginError::BadPort)?)))
}

fn host(text: &str) -> Result<String, OriginError> {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| OriginError::BadHost)?;
        return Ok(format!("[{address}]"));
    }
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if text.chars().all(good) && !text.starts_with('.') && !text.contains("..") {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(OriginError::BadHost)
    }
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn pattern(text: &str) -> OriginPattern {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn origins_have_one_form() {
        for (text, form) in [
            ("https://Example.ORG", "https://example.org"),
            ("HTTPS://example.org:443", "https://example.org"),
            ("http://example.org:80", "http://example.org"),
            ("http://example.org:8080", "http://example.org:8080"),
            ("http://[0:0::1]:5", "http://[::1]:5"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("file://", "file://"),
            ("null", "null"),
        ] {
            assert_eq!(origin(text).to_string(), form, "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_the_reason() {
        use OriginError::{BadHost, BadPort, NoScheme, TooLong};
        for (text, error) in [
            ("", NoScheme),
            ("example.org", NoScheme),
            ("://example.org", NoScheme),
            ("ht tp://example.org", NoScheme),
            ("https://", BadHost),
            ("https://me@example.org", BadHost),
            ("https://example.org/", BadHost),
            ("https://a b", BadHost),
            ("https://.example.org", BadHost),
            ("https://a..b", BadHost),
            ("https://bücher.example", BadHost),
            ("https://[::1", BadPort),
            ("https://[x]", BadHost),
            ("https://example.org:", BadPort),
            ("https://example.org:0", BadPort),
            ("https://example.org:+1", BadPort),
            ("https://example.org:70000", BadPort),
            (&format!("https://{}", "a".repeat(MAX_ORIGIN_BYTES)), TooLong),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(error), "{text}");
        }
    }

    #[test]
    fn pages_of_this_machine_are_told_from_those_that_look_like_it() {
        for (text, loopback) in [
            ("http://localhost", true),
            ("https://localhost:3000", true),
            ("http://player.localhost", true),
            ("http://127.0.0.1:8080", true),
            ("http://127.1.2.3", true),
            ("http://[::1]:8080", true),
            ("http://localhost.example.org", false),
            ("http://notlocalhost", false),
            ("http://127.0.0.1.example.org", false),
            ("http://192.168.1.1", false),
            ("http://0.0.0.0", false),
            ("chrome-extension://localhost", false),
            ("null", false),
            ("file://", false),
        ] {
            assert_eq!(origin(text).is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn a_pattern_means_what_it_says_and_nothing_beside_it() {
        for (text, allowed, others) in [
            (
                "https://example.org",
                &["https://example.org", "https://EXAMPLE.org:443"][..],
                &[
                    "http://example.org",
                    "https://example.org:444",
                    "https://a.example.org",
                    "https://example.com",
                ][..],
            ),
            ("https://example.org/some/page?x#y", &["https://example.org"], &["https://example.com"]),
            (
                "https://*.example.org",
                &["https://a.example.org", "https://a.b.example.org"],
                &[
                    "https://example.org",
                    "https://badexample.org",
                    "http://a.example.org",
                    "https://a.example.org:8443",
                    "https://a.example.org.evil.example",
                    "null",
                ],
            ),
            ("https://*.example.org:8443", &["https://a.example.org:8443"], &["https://a.example.org"]),
            ("any", &["https://example.org", "null", "file://"], &[]),
            ("null", &["null"], &["file://", "https://null"]),
        ] {
            let pattern = pattern(text);
            for page in allowed {
                assert!(pattern.allows(&origin(page)), "{text} allows {page}");
            }
            for page in others {
                assert!(!pattern.allows(&origin(page)), "{text} does not allow {page}");
            }
        }
    }

    #[test]
    fn patterns_are_written_as_they_are_read() {
        for text in ["any", "null", "https://example.org", "https://*.example.org:8443", "http://[::1]:5"] {
            assert_eq!(pattern(text).to_string(), text);
        }
        assert_eq!(pattern(" https://Example.org/ ").to_string(), "https://example.org");
    }

    #[test]
    fn a_pattern_that_could_mean_everybody_has_to_say_so() {
        for text in
            ["*", "https://*", "https://*.org", "*.example.org", "https://a.*.org", "https://*.127.0.0.1"]
        {
            assert_eq!(text.parse::<OriginPattern>(), Err(OriginError::BadWildcard), "{text}");
        }
        assert_eq!("example.org".parse::<OriginPattern>(), Err(OriginError::NoScheme));
    }
}
