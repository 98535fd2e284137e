//! The engine that a guard looks after, from its start until it ends, hangs or is to end.

use super::lifeline::Lifeline;
use super::{MAX_DYING, Word};
use crate::supervisor::{News, Supervisor};
use std::io;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Child;
use tokio::time::{Instant, sleep_until};

/// An engine that is looked after.
pub(super) struct Ward {
    pub(super) engine: Child,
    pub(super) lifeline: Lifeline,
    pub(super) max_hang: Duration,
    /// By when it has to say its first word, if it has to: one that somebody started may have to wait for their answer.
    pub(super) born_by: Option<Instant>,
}

/// How the care for an engine ended.
pub(super) enum Life {
    /// It has ended by itself.
    Ended(ExitStatus),
    /// It gave no sign of life, and is dead now, or as good as that.
    Hung,
    /// It lives, and is to end.
    ToldToEnd,
}

impl Ward {
    /// Looks after it until it ends, or is to.
    ///
    /// # Errors
    /// The system does not tell how it stands, or does not let it be killed.
    pub(super) async fn live(&mut self, word: &mut Word, supervisor: &Supervisor) -> io::Result<Life> {
        let mut hangs_at = self.born_by;
        let mut hung = false;
        loop {
            let hanging = async {
                match hangs_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                status = self.engine.wait() => {
                    return status.map(|status| if hung { Life::Hung } else { Life::Ended(status) });
                }
                () = word.end() => return Ok(Life::ToldToEnd),
                news = self.lifeline.next(), if !hung => {
                    hangs_at = Some(Instant::now() + self.max_hang);
                    if news == News::Ready {
                        supervisor.tell(News::Ready);
                    }
                }
                () = hanging => {
                    if hung {
                        return Ok(Life::Hung);
                    }
                    // Not even one that is told to stand still outlives that, unless the system holds it.
                    self.engine.start_kill()?;
                    (hung, hangs_at) = (true, Some(Instant::now() + MAX_DYING));
                }
            }
        }
    }
}
