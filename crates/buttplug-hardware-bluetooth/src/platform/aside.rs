//! Connecting to the system's D-Bus, which blocks until dbus-daemon has said hello: at once as a rule, after 25 s or never
//! if it hangs. The program has one thread for everything, and a stop must not wait for that.

use crate::radio::RadioError;
use std::thread;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

/// One at a time: where one hangs the next would too, and threads would gather.
static TURN: Semaphore = Semaphore::const_new(1);

/// Runs this on a thread of its own, from which it can spawn tasks here. Who does not wait for it any more leaves it
/// behind; the end of the program does not wait for it either.
pub(super) async fn aside<T: Send + 'static>(
    connect: impl FnOnce() -> Result<T, RadioError> + Send + 'static,
) -> Result<T, RadioError> {
    let failed =
        |error: String| RadioError::Failed(format!("the system's D-Bus could not be asked: {error}"));
    let turn = TURN.acquire().await.map_err(|error| failed(error.to_string()))?;
    let (give, take) = oneshot::channel();
    let runtime = Handle::current();
    let connecting = move || {
        let _turn = turn;
        let _runtime = runtime.enter();
        // Too late for whoever asked: it is closed again.
        let _ = give.send(connect());
    };
    let thread = thread::Builder::new().name("bluetooth-dbus".into());
    thread.spawn(connecting).map_err(|error| failed(error.to_string()))?;
    take.await.map_err(|error| failed(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    /// The longest that a connection of these tests hangs.
    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn everything_goes_on_while_a_connection_hangs_and_the_next_one_waits_its_turn() {
        let (answer, hanging) = mpsc::channel();
        let first = aside(move || Ok(hanging.recv_timeout(LONG).is_ok()));
        // Given up, as after the longest time that somebody waits.
        let given_up = tokio::select! {
            biased;
            _ = first => false,
            () = tokio::task::yield_now() => true,
        };
        assert!(given_up, "the only thread is not held up");
        let mut second = std::pin::pin!(aside(|| Ok("connected")));
        assert!(futures_util::poll!(&mut second).is_pending());
        assert_eq!(TURN.available_permits(), 0, "the first still has its turn");
        answer.send(()).unwrap();
        assert_eq!(second.await, Ok("connected"));
        assert_eq!(aside(|| Err::<(), _>(RadioError::NotAllowed)).await, Err(RadioError::NotAllowed));
        // What is connected reads its connection in a task.
        let reading = aside(|| Ok(tokio::spawn(async { 7 }))).await.unwrap();
        assert_eq!(reading.await.unwrap(), 7);
    }
}
