//! `--guard`: the same program once more, as a small process that looks after the one that serves.
//!
//! It holds the other end of the engine's standard input. Closing it tells the engine to end, and the system closes it
//! when the guard itself dies, so that neither outlives the other with a device running. From there comes how things stand.
//! An engine that dies, or hangs, is started again with the order to stop first what ran.

mod claim;
mod lifeline;
mod ward;

use crate::cli::{ServeFlags, Subcommand};
use crate::exit::Exit;
use crate::gatekeeper::Desk;
use crate::log::Queue;
use crate::parent::{Parent, ParentError};
use crate::signals::{Signals, Wish};
use crate::sources::Handover;
use crate::stop_first::MAX_STOP_FIRST;
use crate::supervisor::{News, Supervisor};
use crate::user::persons_folder;
use claim::Claim;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use ward::{Life, Ward};

/// How long an engine may take to end in order: as long as it allows itself, and some more for a busy machine. Programs that
/// start this one kill it after three seconds, and an engine that hangs must be dead by then.
const MAX_FAREWELL: Duration = Duration::from_millis(2700);

/// How long an engine may take that is killed. One that waits for a disk or a driver may take for ever, and what ran is stopped
/// without it.
const MAX_DYING: Duration = Duration::from_secs(1);

/// An engine that has served for so long is well: should it die, the next one is started at once.
const STEADY: Duration = Duration::from_secs(60);

/// The pause before an engine is started again that has died soon after its start; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause. A machine on which nothing starts is tried six times a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause while a device runs.
const LONGEST_PAUSE_IN_MOTION: Duration = Duration::from_millis(500);

/// How long an engine that is started again may take until its first word, on top of the silence that is allowed later.
const MAX_BIRTH: Duration = Duration::from_secs(10);

/// How long an engine may take that only stops what runs.
const MAX_RESCUE: Duration = MAX_STOP_FIRST.saturating_add(MAX_FAREWELL);

/// Signs of life that an engine gives in the time after which it counts as hanging.
const BEATS: u32 = 4;

/// Why nothing can be guarded.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum GuardError {
    /// There is no folder for the file that says what runs.
    #[error("--guard keeps a file about running devices, and this system tells no folder for it; set HOME")]
    NoFolder,
    /// Nobody tells it that the parent has ended.
    #[error(transparent)]
    Parent(#[from] ParentError),
    /// The system does not let the engine be started or watched.
    #[error("--guard: the engine can't be started or watched: {0}")]
    System(String),
}

impl GuardError {
    /// The exit code for it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoFolder => Exit::Mend,
            Self::Parent(error) => error.exit(),
            Self::System(_) => Exit::Internal,
        }
    }
}

/// How often the engine has died lately. Pure.
#[derive(Debug, Default)]
struct Deaths(u32);

impl Deaths {
    /// One more, after so long a life. Answers the pause before the next start.
    fn another(&mut self, lived: Duration) -> Duration {
        if lived >= STEADY {
            self.0 = 0;
        }
        self.0 = self.0.saturating_add(1);
        match self.0 {
            1 => Duration::ZERO,
            // The exponent stays small.
            deaths => (FIRST_PAUSE * 2_u32.pow(deaths.min(12) - 2)).min(LONGEST_PAUSE),
        }
    }

    /// Whether an engine of this guard has died.
    fn any(&self) -> bool {
        self.0 > 0
    }

    /// What the guard's own end is, if the engine's is one. An engine that can't start says so to whoever typed the
    /// command; once it has run, something that passes may be in its way, its own port for example.
    fn is_the_end(&self, status: ExitStatus) -> Option<Exit> {
        match status.code() {
            Some(0) => Some(Exit::Orderly),
            Some(code) if code == i32::from(Exit::Mend as u8) && self.0 == 0 => Some(Exit::Mend),
            _ => None,
        }
    }
}

/// What tells the guard to end.
struct Word {
    signals: Signals,
    parent: Option<Parent>,
}

impl Word {
    async fn end(&mut self) {
        let Self { signals, parent } = self;
        let parent = Parent::end_of(parent.as_ref());
        let signals = async {
            // One that wants a pause is heard by the engine itself.
            while let Wish::Pause(_) = signals.next().await {}
        };
        tokio::select! {
            () = signals => {}
            _ = parent => {}
        }
    }
}

/// Looks after an engine with these flags until told to end, or the engine has ended in order. Without a handover it is
/// passed the flags that were typed.
pub(crate) async fn run(
    flags: &ServeFlags,
    subcommand: Subcommand,
    handover: Option<&Handover>,
) -> Result<Exit, GuardError> {
    // Whoever started this process hears from it, not from the engine.
    let supervisor = Supervisor::of_environment();
    let log = Queue::beside();
    let outcome = tokio::select! {
        outcome = look_after(flags, subcommand, handover, &supervisor, &log) => outcome,
        never = supervisor.keep_telling() => never,
    };
    supervisor.tell(News::Ending);
    log.finish();
    outcome
}

async fn look_after(
    flags: &ServeFlags,
    subcommand: Subcommand,
    handover: Option<&Handover>,
    supervisor: &Supervisor,
    log: &Queue,
) -> Result<Exit, GuardError> {
    // Before anything that takes time: the earlier it is looked for, the sooner is its end noticed.
    let parent = flags.stop_with_parent.then(Parent::watch).transpose()?;
    let folder = dirs::runtime_dir().or_else(persons_folder).ok_or(GuardError::NoFolder)?.join("buttplug");
    let claim = Claim::take(&folder, flags, subcommand, MAX_RESCUE);
    let program = std::env::current_exe().map_err(system)?;
    let mut arguments: Vec<OsString> = match handover {
        Some(handover) => handover.arguments().collect(),
        None => std::env::args_os().skip(1).collect(),
    };
    arguments.extend(["--stop-first".into(), claim.path.clone().into()]);
    if !flags.stop_with_parent {
        arguments.push("--stop-with-parent".into());
        if Desk::at_terminal(false).is_some() {
            arguments.push("--ask-at-terminal".into());
        }
    }
    let max_hang = Duration::from_secs(flags.guarding.max_hang.into());
    let mut word = Word { signals: Signals::install().map_err(system)?, parent };
    let mut deaths = Deaths::default();
    let mut died: Option<String> = None;
    let start = || {
        let mut command = Command::new(still_there(&program));
        command.args(&arguments);
        let settings = handover.into_iter().flat_map(Handover::removed);
        for variable in settings.chain(["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"]) {
            command.env_remove(variable);
        }
        command.envs(handover.into_iter().flat_map(Handover::set));
        command
    };
    loop {
        let mut command = start();
        if let Some(died) = &died {
            command.arg(format!("--after-death={died}"));
        }
        let born = Instant::now();
        let right = claim.for_engine();
        let started = lifeline::start(command, max_hang / BEATS);
        drop(right);
        let how = match started {
            Ok((engine, lifeline)) => {
                let born_by = died.is_some().then(|| (born + max_hang + MAX_BIRTH).into());
                let mut ward = Ward { engine, lifeline, max_hang, born_by };
                match ward.live(&mut word, supervisor).await {
                    Ok(Life::ToldToEnd) => {
                        supervisor.tell(News::Ending);
                        let Ward { engine, lifeline, .. } = ward;
                        drop(lifeline);
                        let exit = farewell(engine, log).await;
                        rescue(start(), &claim, deaths.any(), log).await;
                        return Ok(exit);
                    }
                    Ok(Life::Hung) => format!("it hung for {} s and was killed", max_hang.as_secs()),
                    Ok(Life::Ended(status)) => {
                        if let Some(exit) = deaths.is_the_end(status) {
                            rescue(start(), &claim, deaths.any(), log).await;
                            return Ok(exit);
                        }
                        status.to_string()
                    }
                    // One of which nothing is known is none that can be relied on.
                    Err(error) => {
                        let _ = ward.engine.start_kill();
                        error.to_string()
                    }
                }
            }
            Err(error) if deaths.0 == 0 => return Err(system(error)),
            Err(error) => error.to_string(),
        };
        let mut pause = deaths.another(born.elapsed());
        if claim.may_be_stopped(deaths.any()) {
            pause = pause.min(LONGEST_PAUSE_IN_MOTION);
        }
        log.line(format_args!(
            "buttplug: the engine died ({how}); starting it again in {} s, what ran is stopped first",
            pause.as_secs_f32()
        ));
        died = Some(how);
        tokio::select! {
            () = sleep(pause) => {}
            () = word.end() => {
                supervisor.tell(News::Ending);
                rescue(start(), &claim, deaths.any(), log).await;
                return Ok(Exit::Internal);
            }
        }
    }
}

/// The program's file, or what is left of it where it is not there any more: replaced by another version, or removed.
fn still_there(program: &Path) -> &Path {
    if cfg!(target_os = "linux") && !program.exists() { Path::new("/proc/self/exe") } else { program }
}

fn system(error: io::Error) -> GuardError {
    GuardError::System(error.to_string())
}

/// Waits for an engine that has been told to end.
async fn farewell(mut engine: Child, log: &Queue) -> Exit {
    match timeout(MAX_FAREWELL, engine.wait()).await {
        Ok(Ok(status)) if status.success() => Exit::Orderly,
        Ok(_) => Exit::Internal,
        Err(_) => {
            log.line("buttplug: the engine does not end, and is ended");
            // One that is gone by now needs no more, and one that the system does not let go of keeps nobody waiting.
            let _ = engine.start_kill();
            let _ = timeout(MAX_DYING, engine.wait()).await;
            Exit::Internal
        }
    }
}

/// Has what still runs stopped, where the engine did not live to do it or could not reach it. Should this process be killed
/// meanwhile, that goes on.
async fn rescue(mut command: Command, claim: &Claim, after_death: bool, log: &Queue) {
    if !claim.may_be_stopped(after_death) {
        return;
    }
    log.line(format_args!(
        "buttplug: devices may be running; looking for them for {} s to stop them",
        MAX_STOP_FIRST.as_secs()
    ));
    claim.pass_on();
    command.arg("--only-stop").stdin(Stdio::null());
    // Whoever kills this process with its group leaves that one alive.
    #[cfg(unix)]
    command.process_group(0);
    match command.spawn() {
        Ok(mut engine) => {
            if !timeout(MAX_RESCUE, engine.wait())
                .await
                .is_ok_and(|ended| ended.is_ok_and(|status| status.success()))
            {
                log.line("buttplug: it is not sure that they rest");
            }
        }
        Err(error) => log.line(format_args!("buttplug: nothing can stop them: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_started_again_at_once_and_one_that_dies_young_after_growing_pauses() {
        let mut deaths = Deaths::default();
        let second = Duration::from_secs(1);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            pauses.push(deaths.another(second).as_millis());
        }
        assert_eq!(pauses, [0, 250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(deaths.another(STEADY), Duration::ZERO);
        deaths.0 = u32::MAX;
        assert_eq!(deaths.another(second), LONGEST_PAUSE);
    }
}
