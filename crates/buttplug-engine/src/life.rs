//! The life of the program, from the first open port to the last stopped device: it starts, serves until there is a reason to
//! end, and ends in order.

use crate::cli::{ServeFlags, Subcommand};
use crate::exit::Exit;
use crate::frontend::{Failure, Frontend};
use crate::gatekeeper::Desk;
use crate::parent::{Parent, ParentError};
use crate::repeater::{Repeater, RepeaterSettings};
use crate::rescue;
use crate::running;
use crate::settings::{Listen, Settings, SettingsError, Surroundings, pages_gate};
use crate::signals::{End, Panics, Signals, Wish};
use crate::sleep::{Ready, Sleep, Sleeps};
use crate::stop_first::MAX_STOP_FIRST;
use crate::supervisor::{News, Supervisor};
use crate::wiring::{Engine, MAX_SHUTDOWN, StartError};
use buttplug_websocket::Gate;
use futures_util::FutureExt;
use std::future::pending;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// How long what ran when an engine died is looked for by one that is told to end before it has begun.
const LAST_SEARCH: Duration = Duration::from_secs(1);

/// How long what ran waits for the settings of the engine that is to stop it. Names of hosts in them may have to be looked up,
/// which takes as long as others like.
const MAX_PLANNING: Duration = Duration::from_secs(1);

/// How long a program may take that only stops what ran, should a disk or a bus never answer it.
const MAX_ONLY_STOP: Duration = MAX_STOP_FIRST.saturating_add(MAX_SHUTDOWN);

/// Why the program ends before it has served anybody.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Parent(#[from] ParentError),
    #[error("the system refuses what every program needs: {0}")]
    System(String),
}

impl Refusal {
    fn system(error: &io::Error) -> Self {
        Self::System(error.to_string())
    }

    /// The exit code for it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) | Self::Start(StartError::Port { .. } | StartError::Definitions(_)) => {
                Exit::Mend
            }
            Self::Parent(error) => error.exit(),
            Self::System(_) => Exit::Internal,
        }
    }
}

/// Lives until there is a reason to end. `refuse` says why it can't begin.
pub(crate) fn live(
    flags: &ServeFlags,
    subcommand: Subcommand,
    panics: &Panics,
    refuse: &dyn Fn(&Refusal),
) -> Exit {
    let desk = if flags.guarding.ask_at_terminal {
        Desk::at_terminal(true)
    } else if flags.stop_with_parent {
        // With a parent at the other end of the input, nobody types there.
        None
    } else {
        Desk::at_terminal(false)
    };
    let around = Surroundings { desk, ..Surroundings::usual() };
    let outcome = runtime().map_err(|error| Refusal::system(&error)).and_then(|runtime| {
        let outcome = runtime.block_on(attended(flags, subcommand, around, panics, refuse));
        runtime.shutdown_background();
        outcome
    });
    outcome.unwrap_or_else(|reason| {
        refuse(&reason);
        reason.exit()
    })
}

/// The whole life, of which a parent process is told if there is a port for it.
///
/// # Errors
/// The system refuses what comes before everything else. Of all other reasons that there are `refuse` has been told.
async fn attended(
    flags: &ServeFlags,
    subcommand: Subcommand,
    around: Surroundings,
    panics: &Panics,
    refuse: &dyn Fn(&Refusal),
) -> Result<Exit, Refusal> {
    let signals = Signals::install().map_err(|error| Refusal::system(&error))?;
    if flags.guarding.only_stop {
        // It ends soon by itself, and was started because of a signal: one more does not keep it from its work.
        let stop = rescue::stop_what_ran(flags, subcommand, pending());
        let all_rest = timeout(MAX_ONLY_STOP, stop).await.unwrap_or(false);
        return Ok(if all_rest && !panics.happened() { Exit::Orderly } else { Exit::Internal });
    }
    let mut endings = Endings {
        panics,
        signals,
        parent: flags.stop_with_parent.then(Parent::watch).transpose()?,
        frontend: None,
        machine_waits: None,
    };
    let supervisor = match flags.guarding.guarded {
        Some(rhythm) => Supervisor::guard(Duration::from_millis(rhythm)),
        None => Supervisor::of_environment(),
    };
    let plan = Plan::of(flags, subcommand, around);
    let outcome = start_and_serve(flags, subcommand, plan, &mut endings, &supervisor).await;
    let exit = match &outcome {
        Ok(exit) => *exit,
        Err(reason) => {
            refuse(reason);
            let Endings { panics, signals, parent, frontend, .. } = &mut endings;
            // The parent may be gone for good: nobody looks for what ran after this one.
            let enough = async {
                tokio::select! {
                    biased;
                    () = told_to_end(signals) => {}
                    _ = panics.next() => sleep(LAST_SEARCH).await,
                    _ = Parent::end_of(parent.as_ref()) => sleep(LAST_SEARCH).await,
                }
            };
            // Where an engine died and this one can't begin, it stops at least what ran.
            let rescue = async {
                tokio::select! {
                    _ = rescue::stop_what_ran(flags, subcommand, enough) => {}
                    never = supervisor.keep_telling() => never,
                }
            };
            tokio::join!(rescue, explain(frontend.as_mut(), reason));
            reason.exit()
        }
    };
    if let Some(frontend) = endings.frontend {
        frontend.close().await;
    }
    if outcome.is_ok() {
        tracing::info!("ended");
    }
    Ok(exit)
}

/// Waits for a signal that ends the program.
async fn told_to_end(signals: &mut Signals) {
    while let Wish::Pause(_) = signals.next().await {}
}

/// Tells the parent why there is no service. Not for long.
async fn explain(frontend: Option<&mut Frontend>, reason: &Refusal) {
    let Some(frontend) = frontend else { return };
    let taken = if let Refusal::Start(error) = reason { error.taken() } else { None };
    frontend.failed(Failure::new(reason, taken)).await;
}

/// The end before anybody was served: what ran when an engine died is stopped, as far as it is found at once.
async fn end_early(
    end: &End,
    flags: &ServeFlags,
    subcommand: Subcommand,
    endings: &Endings<'_>,
    supervisor: &Supervisor,
) -> Exit {
    tracing::info!(?end, "ending before the start is done");
    tokio::select! {
        _ = rescue::stop_what_ran(flags, subcommand, async { sleep(LAST_SEARCH).await }) => endings.exit(),
        never = supervisor.keep_telling() => never,
    }
}

/// From the first open port to the last stopped device. `plan` is what the flags mean.
async fn start_and_serve(
    flags: &ServeFlags,
    subcommand: Subcommand,
    plan: impl Future<Output = Result<Plan, Refusal>>,
    endings: &mut Endings<'_>,
    supervisor: &Supervisor,
) -> Result<Exit, Refusal> {
    if let Some(port) = flags.launch.frontend_websocket_port {
        let opened = Frontend::open(&Listen::Loopback(port).addresses()).await;
        let flag = "frontend-websocket-port";
        endings.frontend = Some(opened.map_err(|error| StartError::Port { error, flag })?);
    }
    if let Some(how) = &flags.guarding.after_death {
        tracing::error!(how, "the engine before this one died; its guard has started this one");
    }
    let mut plan = pin!(plan);
    let plan = loop {
        tokio::select! {
            biased;
            end = endings.next_end() => return Ok(end_early(&end, flags, subcommand, endings, supervisor).await),
            plan = timeout(MAX_PLANNING, plan.as_mut()) => if let Ok(plan) = plan {
                break plan?;
            },
            never = supervisor.keep_telling() => never,
        }
        // What ran does not wait for the names of hosts, and the engine that stops it ends in order. For what was sought in
        // vain before nobody waits.
        let is_waited_for = flags.stop_first.as_deref().is_some_and(running::names_unsought);
        let mut is_ending = false;
        let mut planned = None;
        let enough = async {
            tokio::select! {
                biased;
                end = endings.next_end() => {
                    tracing::info!(?end, "ending before the start is done");
                    is_ending = true;
                    sleep(LAST_SEARCH).await;
                }
                plan = plan.as_mut(), if !is_waited_for => planned = Some(plan),
            }
        };
        tokio::select! {
            _ = rescue::stop_what_ran(flags, subcommand, enough) => {}
            never = supervisor.keep_telling() => never,
        }
        if is_ending {
            return Ok(endings.exit());
        }
        if let Some(plan) = planned {
            break plan?;
        }
    };
    let service = tokio::select! {
        biased;
        end = endings.next_end() => return Ok(end_early(&end, flags, subcommand, endings, supervisor).await),
        started = Service::start(plan) => started?,
        never = supervisor.keep_telling() => never,
    };
    supervisor.tell(News::Ready);
    tokio::select! {
        exit = serving(service, endings, supervisor) => Ok(exit),
        never = supervisor.keep_telling() => never,
    }
}

/// From the last open port to the last stopped device.
async fn serving(service: Service, endings: &mut Endings<'_>, supervisor: &Supervisor) -> Exit {
    let served = async {
        if let (Some(frontend), Service::Engine(engine)) = (&endings.frontend, &service) {
            frontend.serves(engine.clients(), engine.present());
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

/// What the program is to be.
enum Plan {
    Engine(Box<Settings>),
    Repeater(Box<RepeaterSettings>, Arc<dyn Gate>),
}

impl Plan {
    /// Finds out what the flags mean.
    async fn of(flags: &ServeFlags, subcommand: Subcommand, around: Surroundings) -> Result<Self, Refusal> {
        if let Some(settings) = RepeaterSettings::new(flags)? {
            return Ok(Self::Repeater(Box::new(settings), Arc::new(pages_gate(flags, around))));
        }
        let flags = flags.clone();
        // Names of hosts may have to be looked up, for which nobody who wants the program to end waits.
        let settings = spawn_blocking(move || Settings::new(&flags, subcommand, around)).await;
        let settings = settings.map_err(|error| Refusal::System(error.to_string()))??;
        for notice in &settings.notices {
            tracing::warn!("{notice}");
        }
        Ok(Self::Engine(Box::new(settings)))
    }
}

/// What the program is.
enum Service {
    Engine(Box<Engine>),
    Repeater(Repeater),
}

impl Service {
    async fn start(plan: Plan) -> Result<Self, Refusal> {
        Ok(match plan {
            Plan::Engine(settings) => Self::Engine(Box::new(Engine::start(*settings).await?)),
            Plan::Repeater(settings, gate) => Self::Repeater(Repeater::start(*settings, gate).await?),
        })
    }

    /// Stops every device and goes on. A repeater has none.
    async fn stop_devices(&self) {
        match self {
            Self::Engine(engine) => engine.stop_devices().await,
            Self::Repeater(_) => {}
        }
    }

    /// Stops every device and lets none move.
    async fn rest(&self) {
        if let Self::Engine(engine) = self {
            engine.rest().await;
        }
    }

    /// Lets devices move again.
    fn go_on(&self) {
        if let Self::Engine(engine) = self {
            engine.go_on();
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
    /// The machine waits with its sleep until this is dropped.
    machine_waits: Option<Ready>,
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
                Event::Sleep(sleep) => self.sleep(service, sleep).await,
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

    /// Has every device stopped for the machine's sleep, and lets none move until that is over. Should the program be told to
    /// end meanwhile, the machine waits for that.
    async fn sleep(&mut self, service: &Service, sleep: Sleep) -> Option<End> {
        match sleep {
            Sleep::Begins(ready) => {
                tracing::info!(
                    "this machine is about to sleep; devices are stopped and rest until it is awake"
                );
                self.machine_waits = Some(ready);
                let end = self.unless_ended(service.rest()).await;
                if end.is_none() {
                    self.machine_waits = None;
                }
                end
            }
            Sleep::Over(reason) => {
                // What ran while nobody was there to stop it.
                let end = self.unless_ended(service.rest()).await;
                if end.is_none() {
                    service.go_on();
                    tracing::info!(reason, "this machine is awake; devices are stopped and may move again");
                }
                end
            }
        }
    }
}

/// One thread: a command never changes threads on its way, and an idle engine stays small.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
mod tests;
