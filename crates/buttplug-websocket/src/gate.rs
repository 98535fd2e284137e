//! Who may come in. Any web page can open a socket to the machine it is shown on, and on a network anybody can, so a
//! peer is looked at before its upgrade.

use crate::origin::{Origin, OriginError, OriginPattern};
use crate::token::{Presented, Token};
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use thiserror::Error;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HeaderName, ORIGIN};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, Uri};

/// Browsers tell here how the page that asks relates to the place that is asked.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What is known of a peer that asks for an upgrade, or in HTTP for something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Where it comes from.
    pub peer: SocketAddr,
    /// The page that it is, if it is one; programs that are no browsers don't say.
    pub page: Option<Result<Origin, OriginError>>,
    /// What it gave as its token.
    pub token: Option<Presented>,
}

impl Visit {
    /// Reads it off a request.
    pub fn new(peer: SocketAddr, uri: &Uri, headers: &HeaderMap) -> Self {
        // More than one is what no browser sends; together they are no origin.
        let pages: Vec<&HeaderValue> = headers.get_all(ORIGIN).iter().collect();
        let is_elsewhere = headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site");
        let page = match pages.as_slice() {
            // Browsers name no origin where a page only shows something, an image for example.
            [] => is_elsewhere.then_some(Err(OriginError::Hidden)),
            [page] => Some(page.to_str().map_err(|_| OriginError::BadHost).and_then(str::parse)),
            _ => Some(Err(OriginError::BadHost)),
        };
        let header = headers.get(AUTHORIZATION);
        let token = header.and_then(|value| Presented::in_header(value.as_bytes()));
        let token = token.or_else(|| Presented::in_query(uri.query()?));
        Self { peer, page, token }
    }
}

/// What speaks against letting a peer in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Objection {
    /// A token is needed, and none was given.
    #[error("a token is needed here: in the header Authorization, as Bearer, or in the address, as ?token=…")]
    NoToken,
    /// The token is wrong.
    #[error("that is not the token that is needed here")]
    WrongToken,
    /// It is a page that nobody has allowed.
    #[error("pages from {0} are not allowed here")]
    Page(Origin),
    /// It is a page, and where it is from can't be understood.
    #[error("where this page is from can't be understood: {0}")]
    Unreadable(OriginError),
}

/// The answer to a peer that is not let in, in HTTP. It gets there as it is; pages can't read it, people can, in their
/// browser's tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whether a token would change it: status 401 and not 403.
    pub wants_token: bool,
    /// What happened and what to do: whole sentences.
    pub text: String,
}

impl From<Objection> for Refusal {
    fn from(objection: Objection) -> Self {
        let wants_token = matches!(objection, Objection::NoToken | Objection::WrongToken);
        Self { wants_token, text: format!("This connection was refused: {objection}.") }
    }
}

/// Decides who may come in. May take its time: the peer waits, others don't.
pub trait Gate: fmt::Debug + Send + Sync {
    /// Lets a peer in, or says why not. Called once for each request that is a good upgrade. Dropped if the peer is
    /// dropped meanwhile.
    fn admit<'a>(&'a self, visit: &'a Visit) -> Admission<'a>;
}

/// What becomes of a visit.
pub type Admission<'a> = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send + 'a>>;

/// The usual rules: with a token set, whoever knows it is let in and nobody else; without one, programs, pages from
/// this machine, and pages that are allowed.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Pages that are allowed.
    pub origins: Vec<OriginPattern>,
    /// The token. A page that knows it has it from a person who wants it let in.
    pub token: Option<Token>,
}

impl Rules {
    /// Looks at a peer.
    ///
    /// # Errors
    /// What speaks against letting it in.
    pub fn check(&self, visit: &Visit) -> Result<(), Objection> {
        if let Some(token) = &self.token {
            return match &visit.token {
                Some(presented) if token.is(presented) => Ok(()),
                Some(_) => Err(Objection::WrongToken),
                None => Err(Objection::NoToken),
            };
        }
        match &visit.page {
            None => Ok(()),
            Some(Ok(page)) if page.is_loopback() => Ok(()),
            Some(Ok(page)) if self.origins.iter().any(|pattern| pattern.allows(page)) => Ok(()),
            Some(Ok(page)) => Err(Objection::Page(page.clone())),
            Some(Err(_)) if self.origins.contains(&OriginPattern::Any) => Ok(()),
            Some(Err(error)) => Err(Objection::Unreadable(error.clone())),
        }
    }
}

impl Gate for Rules {
    fn admit<'a>(&'a self, visit: &'a Visit) -> Admission<'a> {
        let admitted = self.check(visit).map_err(|objection| {
            tracing::warn!(peer = %visit.peer, reason = %objection, "refusing a connection");
            Refusal::from(objection)
        });
        Box::pin(std::future::ready(admitted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn visit(uri: &str, headers: &[(&str, &str)]) -> Visit {
        let header = |(name, value): &(&str, &str)| (name.parse().unwrap(), value.parse().unwrap());
        let headers: Vec<(HeaderName, HeaderValue)> = headers.iter().map(header).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        Visit::new("192.0.2.1:5".parse().unwrap(), &uri.parse().unwrap(), &map)
    }

    fn page(origin: &str) -> Visit {
        visit("/", &[("Origin", origin)])
    }

    #[test]
    fn programs_and_pages_of_this_machine_are_let_in_and_other_pages_are_not() {
        let rules = Rules::default();
        assert_eq!(rules.check(&visit("/", &[])), Ok(()));
        assert_eq!(rules.check(&page("http://localhost:3000")), Ok(()));
        let foreign = "https://example.org".parse().unwrap();
        assert_eq!(rules.check(&page("https://example.org")), Err(Objection::Page(foreign)));
        assert_eq!(rules.check(&page("null")), Err(Objection::Page(Origin::Nowhere)));
    }

    #[test]
    fn no_form_of_an_origin_slips_through() {
        let rules = Rules::default();
        for origin in
            ["", "localhost", "http://localhost http://example.org", "http://localhost@example.org", "é"]
        {
            let checked = rules.check(&page(origin));
            assert!(matches!(checked, Err(Objection::Unreadable(_))), "{origin}: {checked:?}");
        }
        let twice = visit("/", &[("Origin", "http://localhost"), ("Origin", "https://example.org")]);
        assert!(rules.check(&twice).is_err());
    }

    #[test]
    fn a_page_that_hides_behind_an_image_is_a_page() {
        let from = |site| visit("/", &[("Sec-Fetch-Site", site)]);
        assert_eq!(
            Rules::default().check(&from("cross-site")),
            Err(Objection::Unreadable(OriginError::Hidden))
        );
        for near in ["none", "same-origin", "same-site"] {
            assert_eq!(Rules::default().check(&from(near)), Ok(()), "{near}");
        }
        let local = visit("/", &[("Origin", "http://localhost"), ("Sec-Fetch-Site", "cross-site")]);
        assert_eq!(Rules::default().check(&local), Ok(()));
    }

    #[test]
    fn allowed_pages_are_let_in() {
        let rules = Rules { origins: vec!["https://*.example.org".parse().unwrap()], token: None };
        assert_eq!(rules.check(&page("https://a.example.org")), Ok(()));
        assert!(rules.check(&page("https://example.org")).is_err());
        let all = Rules { origins: vec![OriginPattern::Any], token: None };
        assert_eq!(all.check(&page("no origin at all")), Ok(()));
    }

    #[test]
    fn with_a_token_only_those_who_know_it_are_let_in() {
        let rules = Rules { origins: vec![OriginPattern::Any], token: Some(TOKEN.parse().unwrap()) };
        assert_eq!(rules.check(&visit("/", &[])), Err(Objection::NoToken));
        assert_eq!(rules.check(&page("http://localhost")), Err(Objection::NoToken));
        assert_eq!(rules.check(&visit("/?token=0123456789abcdeX", &[])), Err(Objection::WrongToken));
        let bearer = format!("Bearer {TOKEN}");
        assert_eq!(rules.check(&visit("/", &[("Authorization", &bearer)])), Ok(()));
        let query = format!("/some/path?token={TOKEN}");
        assert_eq!(rules.check(&visit(&query, &[("Origin", "https://example.org")])), Ok(()));
    }
}
