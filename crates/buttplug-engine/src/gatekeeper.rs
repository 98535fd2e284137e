//! Who may come in at the program's ports: the flags' rules, what the person has allowed since, and what they say when
//! asked.
//!
//! `gatekeeper/allowed.rs` is the file with the pages that the person has allowed, `gatekeeper/desk.rs` asks about others.

mod allowed;
mod desk;
mod terminal;

pub(crate) use allowed::{AllowedError, AllowedPages};
pub(crate) use desk::Desk;

use buttplug_connector_websocket::{
    Admission, Gate, Objection, Origin, OriginPattern, Refusal, Rules, Visit,
};
use desk::Answer;
use std::sync::Arc;

/// What a port lets in.
#[derive(Clone, Debug)]
pub(crate) struct Gatekeeper {
    /// What the flags say.
    pub(crate) rules: Rules,
    /// Pages are let in wherever they are from: programs that start the engine the way of earlier ones rely on it.
    pub(crate) any_page: bool,
    /// Pages that the person has allowed.
    pub(crate) allowed: Option<Arc<AllowedPages>>,
    /// Where the person is asked about others, if there is one to be asked.
    pub(crate) desk: Option<Arc<Desk>>,
}

impl Gatekeeper {
    async fn decide(&self, visit: &Visit) -> Result<(), Refusal> {
        let peer = visit.peer;
        let Err(objection) = self.rules.check(visit) else { return Ok(()) };
        match objection {
            Objection::Page(_) | Objection::Unreadable(_) if self.any_page => {
                let page = named(&objection);
                tracing::info!(%peer, page, "letting a web page in, as earlier engines did; --allow-origin lets in only those it names");
                Ok(())
            }
            Objection::Page(page) => {
                if self.is_allowed(&page).await || self.is_wanted(&page).await {
                    return Ok(());
                }
                // Another user's `buttplug allow` would change another file.
                let allow = self.allowed.as_ref().map(|allowed| {
                    format!("buttplug allow {page}, which has to change {}, or ", allowed.path().display())
                });
                let allow = allow.unwrap_or_default();
                tracing::warn!(
                    %peer, %page,
                    "refusing a web page; to let it in: {allow}start with --allow-origin {page}"
                );
                Err(Refusal { wants_token: false, text: refusal(&page) })
            }
            Objection::Unreadable(_) | Objection::NoToken | Objection::WrongToken => {
                tracing::warn!(%peer, reason = %objection, "refusing a connection");
                Err(objection.into())
            }
        }
    }

    async fn is_allowed(&self, page: &Origin) -> bool {
        let Some(allowed) = self.allowed.clone() else { return false };
        // Reads a file. A task that fails allows nothing.
        let read = tokio::task::spawn_blocking(move || allowed.read());
        let Ok(read) = read.await else { return false };
        match read {
            Ok(patterns) => patterns.iter().any(|pattern| pattern.allows(page)),
            Err(error) => {
                tracing::warn!("no page is let in by what was allowed before: {error}");
                false
            }
        }
    }

    /// Whether the person wants the page let in, as they say.
    async fn is_wanted(&self, page: &Origin) -> bool {
        let Some(desk) = &self.desk else { return false };
        let answer = desk.ask(page).await;
        if answer == Some(Answer::Always) {
            self.write_down(page).await;
        }
        matches!(answer, Some(Answer::Once | Answer::Always))
    }

    async fn write_down(&self, page: &Origin) {
        let Some(allowed) = self.allowed.clone() else { return };
        let pattern = OriginPattern::Exactly(page.clone());
        // Writes a file. The page is let in all the same.
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || allowed.allow(&pattern)).await {
            tracing::warn!(%page, "this page is let in only until the program ends: {error}");
        }
    }
}

impl Gate for Gatekeeper {
    fn admit<'a>(&'a self, visit: &'a Visit) -> Admission<'a> {
        Box::pin(self.decide(visit))
    }
}

/// The page that an objection is about, as far as it can be told.
fn named(objection: &Objection) -> String {
    match objection {
        Objection::Page(page) => page.to_string(),
        other => other.to_string(),
    }
}

/// What the page's reader is told. Whoever's page it is learns nothing of this machine's folders.
fn refusal(page: &Origin) -> String {
    format!(
        "Pages from {page} are not allowed to use the devices of this machine.\n\
         If you want them to, type this on the machine where the engine runs, as the user who runs it, and connect \
         again:\n\n    \
         buttplug allow {page}\n\n\
         The file that this has to change is named in the engine's log.\n\
         Or start the engine with: --allow-origin {page}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_connector_websocket::OriginError;

    fn visit(page: &str) -> Visit {
        Visit { peer: "127.0.0.1:5".parse().unwrap(), page: Some(page.parse::<Origin>()), token: None }
    }

    fn keeper(any_page: bool) -> Gatekeeper {
        Gatekeeper { rules: Rules::default(), any_page, allowed: None, desk: None }
    }

    #[tokio::test]
    async fn a_page_is_told_what_to_do() {
        let refusal = keeper(false).admit(&visit("https://example.org:8443")).await.unwrap_err();
        assert!(!refusal.wants_token);
        assert!(refusal.text.contains("buttplug allow https://example.org:8443"), "{}", refusal.text);
        assert!(refusal.text.contains("--allow-origin https://example.org:8443"), "{}", refusal.text);
    }

    #[tokio::test]
    async fn started_as_earlier_engines_were_any_page_is_let_in_but_no_wrong_token() {
        assert_eq!(keeper(true).admit(&visit("https://example.org")).await, Ok(()));
        assert_eq!(keeper(true).admit(&visit("no origin")).await, Ok(()));
        let mut keeper = keeper(true);
        keeper.rules.token = Some("0123456789abcdef".parse().unwrap());
        assert!(keeper.admit(&visit("https://example.org")).await.unwrap_err().wants_token);
    }

    #[tokio::test]
    async fn what_is_no_origin_is_refused() {
        let bad = visit("no origin");
        assert_eq!(bad.page, Some(Err(OriginError::NoScheme)));
        assert!(keeper(false).admit(&bad).await.is_err());
    }
}
