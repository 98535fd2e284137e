//! Devices that ran when an engine died are stopped also where no engine can serve: with no port for clients, and with as much
//! of the settings as is of use.

use crate::cli::{ServeFlags, Subcommand};
use crate::running;
use crate::settings::{Reach, Settings, Surroundings};
use crate::stop_first::MAX_STOP_FIRST;
use crate::wiring::{Engine, StartError};
use tokio::task::spawn_blocking;

/// Stops what the file says that the flags name, as far as it is found within [`MAX_STOP_FIRST`] and until it is
/// `enough`, which begins with the search. Answers whether all of it rests.
pub(crate) async fn stop_what_ran(
    flags: &ServeFlags,
    subcommand: Subcommand,
    enough: impl Future<Output = ()>,
) -> bool {
    let Some(path) = flags.stop_first.as_deref() else { return true };
    if let Ok(devices) = running::read(path) {
        let reach = Reach::of(flags, subcommand);
        if !devices.iter().any(|ran| reach.includes(&ran.device)) {
            return devices.is_empty();
        }
    }
    let flags = flags.clone();
    let settings =
        spawn_blocking(move || Settings::only_to_stop(&flags, subcommand, Surroundings::usual())).await;
    let Ok(mut settings) = settings else { return false };
    let engine = loop {
        match Engine::start(settings.clone()).await {
            Ok(engine) => break engine,
            Err(StartError::Port { .. }) if settings.devices.is_some() => settings.devices = None,
            Err(StartError::Definitions(_)) if settings.device_definitions.is_some() => {
                settings.device_definitions = None;
            }
            Err(error) => {
                tracing::error!("{error}; what ran when the engine died runs on");
                return false;
            }
        }
    };
    let unstopped = engine.unstopped();
    tokio::select! {
        left = unstopped.all_at_rest(MAX_STOP_FIRST) => if left > 0 {
            unstopped.vain().sought();
        },
        () = enough => {}
    }
    let left = engine.running();
    if left > 0 {
        let news = "not found in time: they may run on";
        // Who was told so before need not hear it again and again.
        if unstopped.has_unsought() {
            tracing::error!(devices = left, news);
        } else {
            tracing::debug!(devices = left, news);
        }
    }
    engine.shut_down().await;
    left == 0
}
