//! `buttplug serve`: its flags, and the life of the program from the first line to the exit code.

use super::{AbsentFlags, LimitFlags, SearchFlags, Subcommand, complain, say};
use crate::exit::Exit;
use crate::gatekeeper::{AllowedPages, Desk};
use crate::log::{self, Level};
use crate::settings::{Settings, SettingsError, Surroundings};
use crate::signals::{End, Panics, Signals};
use crate::user;
use crate::wiring::{Engine, StartError};
use buttplug_connector_websocket::{OriginPattern, Token};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};

/// The first line on stdout, whatever the log's level. Programs that start an engine wait for exactly this.
const FIRST_LINE: &str = "Intiface Server, starting up with stdout output.";

/// What `serve` can be told. Spelled as by earlier engines, because programs pass them.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ServeFlags {
    /// Port for clients, 12345 unless given; 0 takes any free port, and the log tells which
    #[arg(long, value_name = "PORT", help_heading = "Clients")]
    pub(crate) websocket_port: Option<u16>,

    /// Serve the whole network, clients and devices alike, not only this machine
    #[arg(long, help_heading = "Clients")]
    pub(crate) websocket_use_all_interfaces: bool,

    /// Listen for clients on this address instead, for example 192.168.1.5:12345 or [::1]:12345
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Clients")]
    pub(crate) websocket_listen_address: Option<String>,

    /// Milliseconds between pings after which a client counts as lost and its devices stop; 0 for no limit
    #[arg(long, value_name = "MS", default_value_t = 0, help_heading = "Clients")]
    pub(crate) max_ping_time: u32,

    /// Take one client at a time, as earlier engines did; a second one is refused until the first has left
    #[arg(long, conflicts_with = "max_clients", help_heading = "Clients")]
    pub(crate) single_client: bool,

    /// What the server calls itself [default: Buttplug Server]
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, help_heading = "Clients")]
    pub(crate) server_name: Option<String>,

    /// Let in web pages from there, for example https://example.org or https://*.example.org; `any` for all of them.
    /// Can be given several times; `buttplug allow` does the same for good
    #[arg(long, value_name = "ORIGIN", help_heading = "Who may come in")]
    pub(crate) allow_origin: Vec<OriginPattern>,

    /// Let in only those who know this token, clients and devices alike: in the header `Authorization: Bearer`, or in the
    /// address, as ?token=…; other people on this machine may see it here
    #[arg(
        long,
        value_name = "TOKEN",
        conflicts_with = "token_file",
        hide_default_value = true,
        help_heading = "Who may come in"
    )]
    pub(crate) token: Option<Token>,

    /// The same with the token from this file, its first line
    #[arg(long, value_name = "FILE", help_heading = "Who may come in")]
    pub(crate) token_file: Option<PathBuf>,

    /// Let in whoever is on the network, without a token
    #[arg(long, conflicts_with_all = ["token", "token_file"], help_heading = "Who may come in")]
    pub(crate) no_token: bool,

    /// Let devices dial in over WebSocket
    #[arg(long, help_heading = "Devices")]
    pub(crate) use_device_websocket_server: bool,

    /// Port for devices, 54817 unless given; 0 takes any free port, and the log tells which
    #[arg(long, value_name = "PORT", help_heading = "Devices")]
    pub(crate) device_websocket_server_port: Option<u16>,

    /// Listen for devices on this address instead
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Devices")]
    pub(crate) device_websocket_listen_address: Option<String>,

    #[command(flatten)]
    pub(crate) search: SearchFlags,

    /// File with what you decided about your devices: TOML, or the JSON of earlier engines; devices that connect are
    /// added to it [default: buttplug/devices.toml in your folder of settings]
    #[arg(long, value_name = "FILE", help_heading = "Devices")]
    pub(crate) user_device_config_file: Option<PathBuf>,

    /// Start even if that file is of no use, and without what it says
    #[arg(long, help_heading = "Devices")]
    pub(crate) ignore_bad_user_config: bool,

    /// Folder with definitions of your own devices, *.toml, preferred to what is built in; changed ones are taken over while
    /// the program runs
    #[arg(long, value_name = "DIR", help_heading = "Devices")]
    pub(crate) device_definitions: Option<PathBuf>,

    /// Which lines to log: error, warn, info, debug or trace [default: RUST_LOG, else info]
    #[arg(long, value_name = "LEVEL", help_heading = "Program")]
    pub(crate) log: Option<Level>,

    /// Print the program's name and version
    #[arg(short = 'V', long, help_heading = "Program")]
    pub(crate) version: bool,

    /// Print the version and nothing else
    #[arg(long, help_heading = "Program")]
    pub(crate) server_version: bool,

    #[cfg(feature = "tls")]
    #[command(flatten)]
    pub(crate) tls: super::TlsFlags,

    #[command(flatten)]
    pub(crate) limits: LimitFlags,

    #[command(flatten)]
    pub(crate) absent: AbsentFlags,
}

/// Serves until told to end.
pub(crate) fn run(flags: &ServeFlags, subcommand: Subcommand) -> Exit {
    if flags.server_version {
        say(env!("CARGO_PKG_VERSION"));
        return Exit::Orderly;
    }
    if flags.version {
        say(concat!("buttplug ", env!("CARGO_PKG_VERSION")));
        return Exit::Orderly;
    }
    let log = log::start(flags.log, flags.limits.max_log_lines, FIRST_LINE);
    let panics = Panics::install();
    let exit = match serve(flags, subcommand, &panics) {
        Ok(exit) => exit,
        Err(reason) => {
            refuse(&reason);
            reason.exit()
        }
    };
    log.finish();
    exit
}

/// Why the program ends before it has served anybody.
#[derive(Debug, PartialEq, Eq, Error)]
enum Refusal {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the system refuses what every program needs: {0}")]
    System(String),
}

impl Refusal {
    fn system(error: &io::Error) -> Self {
        Self::System(error.to_string())
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) | Self::Start(StartError::Port { .. } | StartError::Definitions(_)) => {
                Exit::Mend
            }
            Self::System(_) => Exit::Internal,
        }
    }
}

fn serve(flags: &ServeFlags, subcommand: Subcommand, panics: &Panics) -> Result<Exit, Refusal> {
    let around = Surroundings {
        settings_folder: user::settings_folder(),
        user_file: user::usual_path(),
        allowed_pages: AllowedPages::usual().ok(),
        desk: Desk::at_terminal(),
    };
    let settings = Settings::new(flags, subcommand, around)?;
    for notice in &settings.notices {
        tracing::warn!("{notice}");
    }
    // One thread: a command never changes threads on its way, and an idle engine stays small.
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Refusal::system(&error))?;
    let exit = live(&runtime, settings, panics);
    runtime.shutdown_background();
    exit
}

/// From the first open port to the last stopped device.
fn live(runtime: &Runtime, settings: Settings, panics: &Panics) -> Result<Exit, Refusal> {
    let (mut signals, engine) = runtime.block_on(async {
        let signals = Signals::install().map_err(|error| Refusal::system(&error))?;
        Ok::<_, Refusal>((signals, Engine::start(settings).await?))
    })?;
    let end = runtime.block_on(async {
        tokio::select! {
            biased;
            end = panics.next() => end,
            end = signals.next() => end,
        }
    });
    match &end {
        End::Asked(signal) => tracing::info!(signal, "ending"),
        End::Panicked => tracing::error!("ending after an internal failure"),
    }
    if !runtime.block_on(engine.shut_down()) {
        // The stop comes first and has a limit of its own, so what is cut here is the farewell.
        tracing::warn!("some connections did not close in time and are cut");
    }
    tracing::info!("ended");
    Ok(if panics.happened() { Exit::Internal } else { Exit::Orderly })
}

/// Says why the program ends: to a person on stderr, and in the log for programs that read only that.
fn refuse(reason: &Refusal) {
    let seen_twice = io::stdout().is_terminal() && io::stderr().is_terminal();
    if !seen_twice {
        tracing::error!("{reason}");
    }
    complain(reason);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_panic_in_any_task_ends_the_engine_as_a_failure() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let panics = Panics::default();
        let hook = panics.clone();
        runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            hook.happen();
        });
        let flags = ServeFlags { websocket_port: Some(0), ..ServeFlags::default() };
        let settings = Settings::new(&flags, Subcommand::Typed, Surroundings::default()).unwrap();
        assert_eq!(live(&runtime, settings, &panics), Ok(Exit::Internal));
    }
}
