//! `buttplug scan`: has a server without clients look for hardware, and shows what it makes of it.

mod seen;

use super::{
    GivenFlags, LaunchFlags, OwnFlags, SearchFlags, ServeFlags, SourceFlags, Subcommand, complain, print,
    serve,
};
use crate::exit::Exit;
use crate::settings::{Settings, Surroundings};
use crate::signals::Signals;
use crate::sources::{Around, settle};
use crate::wiring::{DeviceSide, MAX_SHUTDOWN};
use buttplug_hardware_serial::system_ports;
use seen::Seen;
use std::io;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep_until, timeout};

/// What `scan` can be told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Ends with 0 if a device is found, with 1 if none is. Devices are connected to see what they are, \
        then stopped and let go; so end an engine that uses them first, or pass --look-only."
)]
pub(crate) struct ScanFlags {
    // The first, because it only looks, and the others take.
    #[command(flatten)]
    given: GivenFlags,

    /// How long to look; Ctrl-C ends it before
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,

    /// Connect nothing
    #[arg(long)]
    look_only: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    #[allow(dead_code, reason = "read as one of those that were given")]
    search: SearchFlags,

    #[command(flatten)]
    #[allow(dead_code, reason = "the same")]
    own: OwnFlags,

    #[command(flatten)]
    #[allow(dead_code, reason = "the same")]
    sources: SourceFlags,
}

/// Looks, and says what is there: in order only if a device is.
pub(super) fn run(flags: &ScanFlags) -> Exit {
    let &ScanFlags { seconds, look_only, json, .. } = flags;
    let mut settled = match settle(&flags.given, Subcommand::Typed, &Around::usual()) {
        Ok(settled) => settled,
        Err(error) => return serve::wrong(&error),
    };
    let serve = for_devices(std::mem::take(&mut settled.flags));
    let settings = match Settings::new(&serve, Subcommand::Typed, Surroundings::usual()) {
        Ok(settings) => settings,
        Err(error) => {
            complain(settled.explain(&error.to_string()));
            return Exit::Mend;
        }
    };
    for notice in settled.notices.iter().chain(&settings.notices) {
        complain(notice);
    }
    let look = Look { time: Duration::from_secs(seconds.into()), only: look_only };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let seen = runtime.block_on(look.around(&settings));
    runtime.shutdown_background();
    match seen {
        Ok(Some(seen)) => {
            let exit = if seen.has_devices() { Exit::Orderly } else { Exit::Mend };
            print(&if json { seen.json() } else { seen.to_string() }, exit)
        }
        Ok(None) => Exit::Mend,
        Err(error) => failed(&error),
    }
}

/// What of the settings is about devices: clients are not served.
fn for_devices(flags: ServeFlags) -> ServeFlags {
    let ServeFlags { search, own, token, token_file, no_token, launch, .. } = flags;
    let launch = LaunchFlags { device_config_file: launch.device_config_file, ..LaunchFlags::default() };
    ServeFlags { search, own, token, token_file, no_token, launch, ..ServeFlags::default() }
}

fn failed(error: &io::Error) -> Exit {
    complain(format_args!("the system refuses what every program needs: {error}"));
    Exit::Internal
}

struct Look {
    time: Duration,
    only: bool,
}

impl Look {
    /// Looks until the time is over or somebody ends it. When it returns every device has been stopped. `None`: it could
    /// not be begun, and that has been said.
    async fn around(&self, settings: &Settings) -> io::Result<Option<Seen>> {
        let mut signals = Signals::install()?;
        let DeviceSide { builder, buses, known, device_addresses, .. } =
            match DeviceSide::open(settings).await {
                Ok(side) => side,
                Err(error) => {
                    complain(error);
                    return Ok(None);
                }
            };
        if settings.devices.is_some() && device_addresses.is_empty() {
            complain(
                "devices can't dial in: another program has their port; an engine that runs may hold devices, too",
            );
        }
        for address in device_addresses {
            complain(format_args!("devices may dial in at {address}"));
        }
        let server = if self.only { builder.look_only() } else { builder }.start();
        let mut sightings = server.sightings();
        let until = Instant::now() + self.time;
        complain(format_args!("looking for {} s; Ctrl-C ends it before", self.time.as_secs()));
        server.search(true);
        let mut seen = Seen::default();
        loop {
            tokio::select! {
                biased;
                _ = signals.next() => break,
                () = sleep_until(until) => break,
                sighted = sightings.recv() => match sighted {
                    Ok(sighted) => seen.note(sighted),
                    // What is still there comes again.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                },
            }
        }
        if let Some(trouble) = buses.trouble() {
            seen.trouble(trouble);
        }
        if timeout(MAX_SHUTDOWN, server.shut_down()).await.is_err() {
            complain("some devices did not let go in time");
        }
        // What came in the meantime.
        loop {
            match sightings.try_recv() {
                Ok(sighted) => seen.note(sighted),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if settings.search.serial {
            seen.ports(&system_ports(), &known.catalogue().serial_ports());
        }
        Ok(Some(seen))
    }
}
