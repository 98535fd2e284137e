//! Systems that call the program before the machine sleeps: Windows and macOS.

use super::Teller;
use buttplug_sleep::Word;
use tracing::debug;

/// Begins to listen.
pub(super) fn watch(teller: Teller) {
    let hear = move |word| match word {
        Word::Begins => teller.begins(),
        Word::Over => teller.is_over(),
    };
    match buttplug_sleep::listen(hear) {
        Ok(()) => debug!("the system tells when this machine is about to sleep"),
        Err(error) => debug!(%error, "nobody tells when this machine is about to sleep"),
    }
}
