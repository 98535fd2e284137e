//! Looks after the files of decisions while the program runs: applies what their owner changes, and adds the devices that
//! connect.

use super::pair::{Kept, UserFiles};
use super::store::Look;
use super::{Decisions, UserFileError};
use buttplug_server::configuration::KnownDevice;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How long a file is left alone between two looks: as soon as a person can have turned from the editor to the device.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How long a change must have stood to count. Whoever writes a file piece by piece is done within that.
const SETTLE: Duration = Duration::from_millis(500);

/// How long new devices are gathered before they are written, so that many that come together make one write.
const GATHER: Duration = Duration::from_millis(250);

/// Looks after a file, and what goes with it.
pub(crate) struct Keeper {
    files: UserFiles,
    known: watch::Receiver<Arc<Vec<Arc<KnownDevice>>>>,
    /// What was wrong last with which file, which is said once.
    trouble: Vec<(PathBuf, UserFileError)>,
    /// Somebody is changing a file.
    is_settling: bool,
}

/// What came of an errand to the disk.
struct Errand {
    files: UserFiles,
    looks: Vec<(PathBuf, Look)>,
    kept: Vec<Kept>,
}

impl Keeper {
    /// Looks after `files`, which get the devices that are `known`.
    pub(crate) fn new(files: UserFiles, known: watch::Receiver<Arc<Vec<Arc<KnownDevice>>>>) -> Self {
        Self { files, known, trouble: Vec::new(), is_settling: false }
    }

    /// Goes on until it is told to stop, or whoever could tell it is gone; then the files are written a last time. `apply`
    /// gets what they say when their owner has changed it, in a thread that may block.
    pub(crate) async fn run(
        mut self,
        mut stop: oneshot::Receiver<()>,
        apply: impl Fn(&Decisions) + Send + Sync + 'static,
    ) {
        let apply = Arc::new(apply);
        let mut looks = interval(LOOK_AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut going_on = true;
        while going_on {
            going_on = tokio::select! {
                biased;
                _ = &mut stop => false,
                // Whatever else happens, nothing looks at it earlier.
                () = sleep(SETTLE), if self.is_settling => true,
                // A server that is gone meets nobody any more.
                Ok(()) = self.known.changed(), if !self.is_settling => {
                    tokio::select! {
                        _ = &mut stop => false,
                        () = sleep(GATHER) => true,
                    }
                }
                _ = looks.tick(), if !self.is_settling => true,
            };
            let known = Arc::clone(&self.known.borrow_and_update());
            let mut files = self.files;
            let apply = Arc::clone(&apply);
            let errand = spawn_blocking(move || {
                let looks = files.look();
                if looks.iter().any(|(_, look)| matches!(look, Look::Changed(_))) {
                    apply(&files.decisions());
                }
                let kept = files.keep(&known);
                Errand { files, looks, kept }
            });
            match errand.await {
                Ok(errand) => {
                    self.files = errand.files;
                    self.is_settling = errand.looks.iter().any(|(_, look)| *look == Look::Settling);
                    self.trouble = report(&self.trouble, &errand.looks, errand.kept);
                }
                Err(failed) => {
                    tracing::error!(%failed, "your decisions about devices are not looked after any more");
                    return;
                }
            }
        }
    }
}

/// Says what came of an errand, and what is wrong now.
fn report(
    before: &[(PathBuf, UserFileError)],
    looks: &[(PathBuf, Look)],
    kept: Vec<Kept>,
) -> Vec<(PathBuf, UserFileError)> {
    for (path, look) in looks {
        let path = path.display();
        match look {
            Look::Same | Look::Settling => {}
            Look::Changed(_) => {
                tracing::info!("{path} was changed, and counts for devices that connect from now on");
            }
            Look::Lost(error) => tracing::error!("{path}: {error}; what it said before goes on to count"),
        }
    }
    let mut trouble = Vec::new();
    for Kept { path, written, made_beside } in kept {
        match (written, made_beside) {
            (Ok(true), Some(file)) => tracing::info!(
                "{} is made: devices that are new stand there, because there is no place for them in {} as long as \
                 earlier engines shall read it",
                path.display(),
                file.display()
            ),
            (Ok(true), None) => tracing::debug!("{}: devices that are new have been added", path.display()),
            (Ok(false), _) => {}
            (Err(error), _) => {
                let wrong = (path, error);
                if !before.contains(&wrong) {
                    let (path, error) = (wrong.0.display(), &wrong.1);
                    tracing::warn!("{path}: {error}; devices that are new may get other indexes next time");
                }
                trouble.push(wrong);
            }
        }
    }
    trouble
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::DeviceIndex;
    use buttplug_protocols::sighting::BusKind;
    use buttplug_server::configuration::DeviceIdentity;
    use std::fs;
    use std::path::PathBuf;
    use tokio::sync::mpsc;
    use tokio::time::{Instant, timeout};

    fn known(address: &str) -> Arc<KnownDevice> {
        let identity = DeviceIdentity {
            bus: BusKind::WebSocket,
            protocol: "lovense".into(),
            identifier: None,
            address: address.into(),
        };
        Arc::new(KnownDevice { identity, index: DeviceIndex(0), name: "Lovense Edge".into() })
    }

    /// A file that does not exist yet, gone after the test.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("buttplug-keeper-{name}-{}.toml", std::process::id()));
            let _ = fs::remove_file(&path);
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
            let _ = fs::remove_file(self.0.with_extension("toml.bak"));
        }
    }

    #[tokio::test]
    async fn the_devices_met_last_are_written_when_it_is_told_to_stop() {
        let place = Place::new("last");
        let file = UserFiles::open(&place.0).files;
        let (met, watched) = watch::channel(Arc::default());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(Keeper::new(file, watched).run(stopped, |_| ()));
        met.send_replace(Arc::new(vec![known("a")]));
        stop.send(()).unwrap();
        running.await.unwrap();
        assert!(fs::read_to_string(&place.0).unwrap().contains("address = \"a\""));
    }

    #[tokio::test(start_paused = true)]
    async fn what_its_owner_changes_is_handed_over() {
        let place = Place::new("changes");
        fs::write(&place.0, "[[device]]\naddress = \"a\"\n").unwrap();
        let file = UserFiles::open(&place.0).files;
        let (_met, watched) = watch::channel(Arc::default());
        let (stop, stopped) = oneshot::channel();
        let (applied, mut changes) = mpsc::unbounded_channel();
        let apply = move |decisions: &Decisions| applied.send(decisions.clone()).unwrap();
        let running = tokio::spawn(Keeper::new(file, watched).run(stopped, apply));
        let began = Instant::now();
        fs::write(&place.0, "[[device]]\naddress = \"a\"\ndeny = true\n").unwrap();
        let decisions = timeout(Duration::from_secs(60), changes.recv()).await.unwrap().unwrap();
        assert!(decisions.configuration.devices[0].deny);
        assert!(began.elapsed() >= SETTLE, "it may have been half of it");
        drop(stop);
        running.await.unwrap();
    }
}
