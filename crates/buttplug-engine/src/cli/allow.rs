//! `buttplug allow`: the web pages that may use the devices of this machine.

use super::{complain, print};
use crate::exit::Exit;
use crate::gatekeeper::{AllowedError, AllowedPages};
use buttplug_connector_websocket::OriginPattern;

/// What `allow` can be told.
#[derive(Debug, clap::Args)]
#[command(after_help = "An engine that runs honours it at once.\n\
    For example: buttplug allow https://example.org\n    \
    or, for all of its subdomains: buttplug allow 'https://*.example.org'\n\
    With no origin, what is allowed is listed.")]
pub(crate) struct AllowFlags {
    /// Where the pages are from, as in https://example.org; `any` for all pages there are
    origin: Option<OriginPattern>,

    /// Take it back; a page that is connected stays so
    #[arg(long, requires = "origin")]
    revoke: bool,
}

/// Does what `allow` was told.
pub(super) fn run(flags: &AllowFlags) -> Exit {
    match answer(flags) {
        Ok(text) => print(&text, Exit::Orderly),
        Err(error) => {
            complain(error);
            Exit::Mend
        }
    }
}

fn answer(flags: &AllowFlags) -> Result<String, AllowedError> {
    let pages = AllowedPages::usual()?;
    let Some(origin) = &flags.origin else {
        return Ok(pages.read()?.iter().map(|pattern| format!("{pattern}\n")).collect());
    };
    let done = match (flags.revoke, origin) {
        (true, origin) if pages.forget(origin)? => format!("{origin} is not allowed any more"),
        (true, origin) => format!("{origin} was not allowed"),
        (false, OriginPattern::Any) if pages.allow(origin)? => {
            "every web page that is opened on this machine is allowed".into()
        }
        (false, origin) if pages.allow(origin)? => format!("pages from {origin} are allowed"),
        (false, origin) => format!("{origin} was allowed already"),
    };
    Ok(format!("{done} ({})\n", pages.path().display()))
}
