//! `buttplug serve`: its flags, and the life of the program from the first line to the exit code.

use super::{
    AbsentFlags, GuardFlags, LaunchFlags, LimitFlags, LogFlags, OwnFlags, SearchFlags, SourceFlags,
    Subcommand, TypedFlags, complain, say,
};
use crate::exit::Exit;
use crate::frontend::{Failure, Frontend};
use crate::gatekeeper::Desk;
use crate::guard::{self, GuardError};
use crate::log::{Level, Log, Wanted};
use crate::repeater::{Repeater, RepeaterSettings};
use crate::rescue;
use crate::settings::{Listen, Settings, SettingsError, Surroundings, pages_gate};
#[cfg(unix)]
use crate::signals;
use crate::signals::{End, Panics, Parent, Signals, Wish};
use crate::sleep::{Sleep, Sleeps};
use crate::stop_first::MAX_STOP_FIRST;
use crate::sources::{self, Around, Settled, SourceError};
use crate::supervisor::{News, Supervisor};
use crate::user;
use crate::wiring::{Engine, MAX_SHUTDOWN, StartError};
use buttplug_connector_websocket::{OriginPattern, Token};
use futures_util::FutureExt;
use std::future::pending;
use std::io::{self, IsTerminal};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// The first line on stdout, whatever the log's level. Programs that start an engine wait for exactly this.
const FIRST_LINE: &str = "Intiface Server, starting up with stdout output.";

/// How long what ran when an engine died is looked for by one that is told to end before it has begun.
const LAST_SEARCH: Duration = Duration::from_secs(1);

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

    /// End with the parent: once the other end of standard input is closed, or, if that is no pipe, once the process is gone
    /// that started this one
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
    let exit = match serve(flags, subcommand, &panics) {
        Ok(exit) => exit,
        Err(reason) => {
            refuse(&settled.explain(&reason.to_string()));
            last_resort(flags, subcommand);
            reason.exit()
        }
    };
    log.finish();
    exit
}

/// Where an engine died and this one can't serve, it stops at least what ran.
fn last_resort(flags: &ServeFlags, subcommand: Subcommand) {
    let rescue = async {
        let Ok(mut signals) = Signals::install() else { return };
        tokio::select! {
            biased;
            () = rescue::stop_what_ran(flags, subcommand, MAX_STOP_FIRST) => {}
            _ = signals.next() => {}
        }
    };
    if let Some(runtime) = flags.stop_first.as_ref().and_then(|_| runtime().ok()) {
        runtime.block_on(rescue);
        runtime.shutdown_background();
    }
}

/// One thread: a command never changes threads on its way, and an idle engine stays small.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
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
    let runtime = runtime().map_err(|error| GuardError::System(error.to_string()));
    match runtime.and_then(|runtime| runtime.block_on(guard::run(&settled.flags, handover.as_ref()))) {
        Ok(exit) => exit,
        Err(reason) => {
            let exit = if reason == GuardError::NoFolder { Exit::Mend } else { Exit::Internal };
            complain(reason);
            exit
        }
    }
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
        // With a parent at the other end of the input, nobody types there.
        desk: if flags.stop_with_parent { None } else { Desk::at_terminal() },
        ..Surroundings::usual()
    };
    let runtime = runtime().map_err(|error| Refusal::system(&error))?;
    let exit = runtime.block_on(attended(flags, subcommand, around, panics));
    runtime.shutdown_background();
    exit
}

/// The whole life, of which a parent process is told if there is a port for it.
async fn attended(
    flags: &ServeFlags,
    subcommand: Subcommand,
    around: Surroundings,
    panics: &Panics,
) -> Result<Exit, Refusal> {
    let signals = Signals::install().map_err(|error| Refusal::system(&error))?;
    if flags.guarding.only_stop {
        // It ends soon by itself, and was started because of a signal: one more does not keep it from its work.
        rescue::stop_what_ran(flags, subcommand, MAX_STOP_FIRST).await;
        return Ok(Exit::Orderly);
    }
    let mut endings = Endings {
        panics,
        signals,
        parent: flags
            .stop_with_parent
            .then(Parent::watch)
            .transpose()
            .map_err(|error| Refusal::system(&error))?,
        frontend: None,
    };
    if let Some(port) = flags.launch.frontend_websocket_port {
        let opened = Frontend::open(&Listen::Loopback(port).addresses()).await;
        let flag = "frontend-websocket-port";
        endings.frontend = Some(opened.map_err(|error| StartError::Port { error, flag })?);
    }
    let outcome = live(flags, subcommand, around, &mut endings).await;
    if let Err(reason) = &outcome {
        endings.explain(reason).await;
    }
    if let Some(frontend) = endings.frontend {
        frontend.close().await;
    }
    if outcome.is_ok() {
        tracing::info!("ended");
    }
    outcome
}

/// From the first open port to the last stopped device.
async fn live(
    flags: &ServeFlags,
    subcommand: Subcommand,
    around: Surroundings,
    endings: &mut Endings<'_>,
) -> Result<Exit, Refusal> {
    if let Some(how) = &flags.guarding.after_death {
        tracing::error!(how, "the engine before this one died; its guard has started this one");
    }
    let supervisor = match flags.guarding.guarded {
        Some(rhythm) => Supervisor::guard(Duration::from_millis(rhythm)),
        None => Supervisor::of_environment(),
    };
    let service = tokio::select! {
        biased;
        end = endings.next_end() => {
            tracing::info!(?end, "ending before the start is done");
            rescue::stop_what_ran(flags, subcommand, LAST_SEARCH).await;
            return Ok(endings.exit());
        }
        started = Service::start(flags, subcommand, around) => started?,
    };
    supervisor.tell(News::Ready);
    tokio::select! {
        exit = serving(service, endings, &supervisor) => Ok(exit),
        never = supervisor.keep_telling() => never,
    }
}

/// From the last open port to the last stopped device.
async fn serving(service: Service, endings: &mut Endings<'_>, supervisor: &Supervisor) -> Exit {
    let served = async {
        if let (Some(frontend), Service::Engine(engine)) = (&endings.frontend, &service) {
            frontend.created(engine.advertised().cloned(), engine.present());
        }
        endings.next(&service, &mut Sleeps::watch()).await
    };
    // A panic here is one like any other: devices are stopped.
    match AssertUnwindSafe(served).catch_unwind().await.unwrap_or(End::Panicked) {
        End::Asked(reason) => tracing::info!(reason, "ending"),
        End::Panicked => tracing::error!("ending after an internal failure"),
    }
    supervisor.tell(News::Ending);
    if !service.shut_down().await {
        // The stop comes first and has a limit of its own, so what is cut here is the farewell.
        tracing::warn!("some connections did not close in time and are cut");
    }
    endings.exit()
}

/// What the program is.
enum Service {
    Engine(Box<Engine>),
    Repeater(Repeater),
}

impl Service {
    async fn start(
        flags: &ServeFlags,
        subcommand: Subcommand,
        around: Surroundings,
    ) -> Result<Self, Refusal> {
        if let Some(settings) = RepeaterSettings::new(flags)? {
            return Ok(Self::Repeater(Repeater::start(settings, Arc::new(pages_gate(flags, around))).await?));
        }
        let flags = flags.clone();
        // Names of hosts may have to be looked up, for which nobody who wants the program to end waits.
        let settings = spawn_blocking(move || Settings::new(&flags, subcommand, around)).await;
        let settings = settings.map_err(|error| Refusal::System(error.to_string()))??;
        for notice in &settings.notices {
            tracing::warn!("{notice}");
        }
        Ok(Self::Engine(Box::new(Engine::start(settings).await?)))
    }

    /// Stops every device and goes on. A repeater has none.
    async fn stop_devices(&self) {
        match self {
            Self::Engine(engine) => engine.stop_devices().await,
            Self::Repeater(_) => {}
        }
    }

    /// Stops every device for the machine's sleep, and lets none move until that is over.
    async fn sleep(&self, sleep: Sleep) {
        let Self::Engine(engine) = self else { return };
        match sleep {
            Sleep::Begins(ready) => {
                tracing::info!(
                    "this machine is about to sleep; devices are stopped and rest until it is awake"
                );
                engine.rest().await;
                drop(ready);
            }
            Sleep::Over(reason) => {
                // What ran while nobody was there to stop it.
                engine.rest().await;
                engine.go_on();
                tracing::info!(reason, "this machine is awake; devices are stopped and may move again");
            }
        }
    }

    /// Ends in order. Answers whether all of it was done in time.
    async fn shut_down(self) -> bool {
        match self {
            Self::Engine(engine) => engine.shut_down().await,
            Self::Repeater(repeater) => timeout(MAX_SHUTDOWN, repeater.shut_down()).await.is_ok(),
        }
    }
}

/// What the program has to react to.
enum Event {
    End(End),
    /// A wish that it stand still; the name of the signal.
    Pause(&'static str),
    Sleep(Sleep),
}

/// Everything that can end the program.
struct Endings<'a> {
    panics: &'a Panics,
    signals: Signals,
    parent: Option<Parent>,
    frontend: Option<Frontend>,
}

impl Endings<'_> {
    /// What the end comes to that was asked for.
    fn exit(&self) -> Exit {
        if self.panics.happened() { Exit::Internal } else { Exit::Orderly }
    }

    /// Waits for the first.
    async fn next_end(&mut self) -> End {
        loop {
            if let Event::End(end) = self.event(None).await {
                return end;
            }
        }
    }

    /// Waits for the next thing that the program has to react to.
    async fn event(&mut self, sleeps: Option<&mut Sleeps>) -> Event {
        let frontend = async {
            match &mut self.frontend {
                Some(frontend) => frontend.wants_end().await,
                None => pending().await,
            }
        };
        let sleep = async {
            match sleeps {
                Some(sleeps) => sleeps.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            end = self.panics.next() => Event::End(end),
            end = Parent::end_of(self.parent.as_ref()) => Event::End(end),
            wish = self.signals.next() => match wish {
                Wish::End(signal) => Event::End(End::Asked(signal)),
                Wish::Pause(signal) => Event::Pause(signal),
            },
            sleep = sleep => Event::Sleep(sleep),
            reason = frontend => Event::End(End::Asked(reason)),
        }
    }

    /// Does this, unless there is a reason to end: the end stops devices too, and is not kept waiting.
    async fn unless_ended(&mut self, act: impl Future<Output = ()>) -> Option<End> {
        let mut act = pin!(act);
        tokio::select! {
            biased;
            end = self.next_end() => Some(end),
            () = &mut act => None,
        }
    }

    /// Waits for the first. Meanwhile a wish that the program stand still stops the devices, and so does the machine's sleep.
    async fn next(&mut self, service: &Service, sleeps: &mut Sleeps) -> End {
        loop {
            let end = match self.event(Some(sleeps)).await {
                Event::End(end) => return end,
                Event::Sleep(sleep) => self.unless_ended(service.sleep(sleep)).await,
                Event::Pause(signal) => {
                    tracing::warn!(
                        signal,
                        "devices are stopped; the engine goes on, or they would run on one day"
                    );
                    self.unless_ended(service.stop_devices()).await
                }
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Tells the parent why there is no service. Not for long, and not if the program is to end anyway.
    async fn explain(&mut self, reason: &Refusal) {
        let Some(frontend) = &mut self.frontend else { return };
        let taken = if let Refusal::Start(error) = reason { error.taken() } else { None };
        tokio::select! {
            biased;
            _ = self.signals.next() => {}
            () = frontend.failed(Failure::new(reason, taken)) => {}
        }
    }
}

/// Says why the program ends: to a person on stderr, and in the log for programs that read only that.
fn refuse(reason: &str) {
    let seen_twice = io::stdout().is_terminal() && io::stderr().is_terminal();
    if !seen_twice {
        tracing::error!("{reason}");
    }
    complain(reason);
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let exit = runtime.block_on(attended(&flags, Subcommand::Typed, Surroundings::default(), &panics));
        assert_eq!(exit, Ok(Exit::Internal));
    }
}
