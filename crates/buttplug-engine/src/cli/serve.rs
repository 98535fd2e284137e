//! `buttplug serve`: its flags, and what becomes of them: a guard, or an engine, or a line that says what is wrong.

use super::{
    AbsentFlags, GuardFlags, LaunchFlags, LimitFlags, LogFlags, OwnFlags, SearchFlags, SourceFlags,
    Subcommand, TypedFlags, complain, say,
};
use crate::exit::Exit;
use crate::guard::{self, GuardError};
use crate::life;
use crate::log::{LAST_LINES, Level, Log, Wanted};
#[cfg(unix)]
use crate::signals;
use crate::signals::Panics;
use crate::sources::{self, Around, Settled, SourceError};
use crate::user;
use buttplug_connector_websocket::{OriginPattern, Token};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;

/// The first line on stdout, whatever the log's level. Programs that start an engine wait for exactly this.
const FIRST_LINE: &str = "Intiface Server, starting up with stdout output.";

/// What `serve` can be told. Spelled as by earlier engines, because programs pass them.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ServeFlags {
    /// Port for clients; 0 takes any free port, and the log tells which [default: 12345]
    #[arg(short = 'p', long, value_name = "PORT", help_heading = "Clients")]
    pub(crate) websocket_port: Option<u16>,

    /// Serve the whole network, clients and devices alike, not only this machine
    #[arg(long, help_heading = "Clients")]
    pub(crate) websocket_use_all_interfaces: bool,

    /// Listen for clients on this address instead, for example 192.168.1.5:12345 or [::1]:12345
    #[arg(short = 'l', long, value_name = "ADDRESS:PORT", help_heading = "Clients")]
    pub(crate) websocket_listen_address: Option<String>,

    /// Milliseconds between pings after which a client counts as lost and its devices stop; 0 for no limit
    #[arg(long, value_name = "MS", default_value_t = 0, help_heading = "Clients")]
    pub(crate) max_ping_time: u32,

    /// Take one client at a time, as earlier engines did; a second one is refused until the first has left
    #[arg(long, conflicts_with = "max_clients", help_heading = "Clients")]
    pub(crate) single_client: bool,

    /// Port on this machine for the REST API, 0 takes any free port, and the log tells which; without a port for clients
    /// beside it, none is opened
    #[arg(short = 'r', long, value_name = "PORT", help_heading = "Clients")]
    pub(crate) rest_api_port: Option<u16>,

    /// What the server calls itself [default: Buttplug Server]
    #[arg(short = 'n', long, value_name = "NAME", allow_hyphen_values = true, help_heading = "Clients")]
    pub(crate) server_name: Option<String>,

    /// Let in web pages from there, for example https://example.org or https://*.example.org; `any` for all of them.
    /// Can be given several times; `buttplug allow` does the same for good
    #[arg(short = 'o', long, value_name = "ORIGIN", help_heading = "Who may come in")]
    pub(crate) allow_origin: Vec<OriginPattern>,

    /// Let in only those who know this token, clients, devices and REST alike: in the header `Authorization: Bearer`, or in the
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
    #[arg(short = 't', long, value_name = "FILE", help_heading = "Who may come in")]
    pub(crate) token_file: Option<PathBuf>,

    /// Let in whoever is on the network, without a token
    #[arg(long, conflicts_with_all = ["token", "token_file"], help_heading = "Who may come in")]
    pub(crate) no_token: bool,

    /// Seconds after which an output that nobody has renewed returns to zero; what the file below says about a device goes
    /// before it [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(run_range()), help_heading = "Devices")]
    pub(crate) max_run: Option<u32>,

    #[command(flatten)]
    pub(crate) search: SearchFlags,

    #[command(flatten)]
    pub(crate) own: OwnFlags,

    #[command(flatten)]
    pub(crate) sources: SourceFlags,

    /// Run under a small process that starts the engine again should it die, and first of all stops what ran
    #[arg(short = 'g', long, help_heading = "Program")]
    pub(crate) guard: bool,

    #[command(flatten)]
    pub(crate) guarding: GuardFlags,

    /// End with the parent: once the process is gone that started this one, or the other end of standard input is closed, if
    /// that is a pipe; on Windows it has to be one, and its end is all that counts
    #[arg(long, alias = "exit-with-parent", help_heading = "Program")]
    pub(crate) stop_with_parent: bool,

    /// Keep in this file which devices run, and begin by stopping those that stand there; passed on by --guard
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) stop_first: Option<PathBuf>,

    /// Which lines to log: error, warn, info, debug or trace [default: RUST_LOG, else info]
    #[arg(long, value_name = "LEVEL", help_heading = "Log")]
    pub(crate) log: Option<Level>,

    #[command(flatten)]
    pub(crate) logging: LogFlags,

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
    pub(crate) launch: LaunchFlags,

    #[command(flatten)]
    pub(crate) absent: AbsentFlags,
}

/// The seconds for which an output may be let run.
fn run_range() -> std::ops::RangeInclusive<i64> {
    let seconds = |time: std::time::Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    seconds(user::MIN_RUN)..=seconds(user::MAX_RUN)
}

/// Serves until told to end.
pub(super) fn run(typed: &TypedFlags, subcommand: Subcommand) -> Exit {
    let flags = &typed.flags;
    if flags.server_version {
        say(env!("CARGO_PKG_VERSION"));
        return Exit::Orderly;
    }
    if flags.version {
        say(concat!("buttplug ", env!("CARGO_PKG_VERSION")));
        return Exit::Orderly;
    }
    // No earlier engine had that flag, so nobody relies on what those did without it.
    let subcommand = if flags.sources.config.is_some() { Subcommand::Typed } else { subcommand };
    let settled = match sources::settle(&typed.given, subcommand, &Around::usual()) {
        Ok(settled) => settled,
        Err(error) => return wrong(&error),
    };
    #[cfg(unix)]
    signals::stand_still_for_no_terminal();
    let flags = &settled.flags;
    if flags.guard && flags.stop_first.is_none() {
        return guard(&settled, subcommand);
    }
    let wanted = Wanted {
        level: flags.log,
        format: flags.logging.log_format,
        file: flags.logging.file(),
        lines_per_peer: flags.limits.max_log_lines,
    };
    let log = Log::start(wanted, FIRST_LINE);
    for notice in &settled.notices {
        tracing::warn!("{notice}");
    }
    let panics = Panics::install();
    let refuse = |reason: &life::Refusal| refuse(&settled.explain(&reason.to_string()));
    let exit = life::live(flags, subcommand, &panics, &refuse);
    log.finish();
    exit
}

/// Says what is wrong with flags, environment or file.
pub(super) fn wrong(error: &SourceError) -> Exit {
    match error {
        SourceError::Flags(error) => {
            // Nobody reads what is wrong: the exit code says it too.
            let _ = error.print();
        }
        SourceError::Problems(problems) => problems.iter().for_each(complain),
    }
    Exit::Mend
}

/// Looks after an engine with the same settings.
fn guard(settled: &Settled, subcommand: Subcommand) -> Exit {
    for notice in &settled.notices {
        complain(notice);
    }
    let handover = (subcommand == Subcommand::Typed).then(|| settled.handover());
    let runtime = life::runtime().map_err(|error| GuardError::System(error.to_string()));
    match runtime
        .and_then(|runtime| runtime.block_on(guard::run(&settled.flags, subcommand, handover.as_ref())))
    {
        Ok(exit) => exit,
        Err(reason) => {
            complain(&reason);
            reason.exit()
        }
    }
}

/// Says why the program ends: to a person on stderr, and in the log for programs that read only that. Nobody has to read it:
/// what runs is stopped after this.
fn refuse(reason: &str) {
    let seen_twice = io::stdout().is_terminal() && io::stderr().is_terminal();
    if !seen_twice {
        tracing::error!("{reason}");
    }
    let reason = reason.to_owned();
    let (said, done) = sync_channel(1);
    let thread = std::thread::Builder::new().name("complaint".into()).spawn(move || {
        complain(reason);
        // Nobody waits any more if it took long.
        let _ = said.send(());
    });
    if thread.is_ok() {
        let _ = done.recv_timeout(LAST_LINES);
    }
}
