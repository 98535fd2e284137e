//! A person's own definitions: a folder of files, each checked before it is used, and looked at again while the program
//! runs. What is wrong is reported and never ends anything.
//!
//! Files are read and checked in threads that may block, so that no file, however odd, holds up a device.

mod file;
mod folder;
mod report;
mod shelf;

pub(crate) use file::{Wrong, check, read};
pub(crate) use folder::{FolderError, list};
pub(crate) use report::{counted, models, replaces};

use buttplug_protocols::definition::Definition;
use report::Line;
use shelf::Shelf;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

/// How long the folder is left alone between two looks: as soon as a person can have turned from the editor to the device.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How long the start waits for the first look. A hundred usual files take a small part of it, and whoever starts the
/// program waits for it to be ready.
const MAX_FIRST_LOOK: Duration = Duration::from_secs(2);

/// Takes the definitions that are right.
type Take = dyn Fn(&[Arc<Definition>]) + Send + Sync;

/// The definitions in a folder.
pub(crate) struct Definitions {
    state: State,
}

enum State {
    Resting(Books),
    Looking(JoinHandle<Look>),
}

/// What goes from one look to the next.
struct Books {
    folder: PathBuf,
    take: Arc<Take>,
    shelf: Shelf,
}

/// What came of a look.
struct Look {
    books: Books,
    news: Result<News, FolderError>,
}

/// What is new in the folder.
struct News {
    /// Other definitions than before were taken.
    taken: bool,
    /// To be logged once they count.
    lines: Vec<Line>,
}

impl Definitions {
    /// Looks at the folder for the first time. `take` gets the definitions that are right, now and whenever they are others,
    /// in a thread that may block.
    ///
    /// # Errors
    /// The folder can't be listed, or has too many entries. What is wrong with a file is only logged.
    pub(crate) async fn open(
        folder: &Path,
        take: impl Fn(&[Arc<Definition>]) + Send + Sync + 'static,
    ) -> Result<Self, FolderError> {
        let books = Books { folder: folder.to_owned(), take: Arc::new(take), shelf: Shelf::default() };
        let mut first = spawn_blocking(move || books.look());
        match timeout(MAX_FIRST_LOOK, &mut first).await {
            Ok(Ok(Look { books, news })) => {
                news?.lines.iter().for_each(Line::log);
                Ok(Self { state: State::Resting(books) })
            }
            Ok(Err(failed)) => {
                Err(FolderError::Unreadable { path: folder.to_owned(), reason: failed.to_string() })
            }
            Err(_) => {
                tracing::warn!(
                    "the definitions in {} take long to check; until they are used, devices are what is built in",
                    folder.display()
                );
                Ok(Self { state: State::Looking(first) })
            }
        }
    }

    /// Looks at the folder again and again, and says whenever other definitions have been taken. Goes on until it is
    /// dropped; a look that is under way then comes to nothing.
    pub(crate) async fn follow(self, taken: impl Fn()) {
        let mut state = self.state;
        let mut trouble = None;
        loop {
            let looking = match state {
                State::Looking(looking) => looking,
                State::Resting(books) => {
                    sleep(LOOK_AGAIN).await;
                    spawn_blocking(move || books.look())
                }
            };
            let look = match looking.await {
                Ok(look) => look,
                Err(failed) => {
                    tracing::error!(%failed, "the folder of definitions is not looked at any more");
                    return;
                }
            };
            match look.news {
                Ok(news) => {
                    trouble = None;
                    if news.taken {
                        taken();
                    }
                    news.lines.iter().for_each(Line::log);
                }
                Err(error) => {
                    if trouble.as_ref() != Some(&error) {
                        tracing::warn!("{error}; the definitions that were read before stay in use");
                    }
                    trouble = Some(error);
                }
            }
            state = State::Resting(look.books);
        }
    }
}

impl Books {
    /// Looks at the folder, which may take a while.
    fn look(mut self) -> Look {
        let now = Instant::now();
        #[allow(clippy::disallowed_methods, reason = "files are stamped with it")]
        let today = SystemTime::now();
        let snapshot = folder::look(&self.folder, self.shelf.seen(), today);
        let news = snapshot.map(|snapshot| {
            let changes = self.shelf.update(snapshot, |path, content| file::check(path, content, now));
            let taken = shelf::matters(&changes);
            if taken {
                (self.take)(&self.shelf.in_use());
            }
            News { taken, lines: changes.iter().flat_map(report::lines).collect() }
        });
        Look { books: self, news }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::sync::Mutex;
    use tokio::sync::mpsc;

    /// A folder of this test's own, gone when dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("buttplug-definitions-{}-{name}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        /// Writes a definition whose model has this name.
        fn write(&self, file: &str, model: &str) {
            let text = format!(
                "write = 'value'\n[[websocket]]\nnames = ['mine']\n[[model]]\nfallback = '{model}'\n\
                 features = [{{ vibrate = 9 }}]\n[[example]]\ndo = 'stop'\nwrite = '00'\n"
            );
            fs::write(self.0.join(file), text).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// The models of the definitions taken last.
    #[derive(Clone, Default)]
    struct Taken(Arc<Mutex<Vec<String>>>);

    impl Taken {
        fn take(&self, definitions: &[Arc<Definition>]) {
            let models = definitions.iter().map(|definition| definition.fallback().unwrap().1.to_owned());
            *self.0.lock().unwrap() = models.collect();
        }

        fn models(&self) -> Vec<String> {
            self.0.lock().unwrap().clone()
        }

        /// Has the folder followed, and answers with the task and what is taken from now on.
        fn follow(&self, definitions: Definitions) -> (JoinHandle<()>, mpsc::UnboundedReceiver<Vec<String>>) {
            let (say, said) = mpsc::unbounded_channel();
            let taken = self.clone();
            (tokio::spawn(definitions.follow(move || say.send(taken.models()).unwrap())), said)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_is_handed_over_and_what_is_only_touched_is_not() {
        let folder = Folder::new("changes");
        folder.write("mine.toml", "One");
        fs::write(folder.0.join(".mine.toml"), "what an editor left").unwrap();
        fs::write(folder.0.join("notes.txt"), "no definition").unwrap();
        fs::create_dir(folder.0.join("folder.toml")).unwrap();
        let taken = Taken::default();
        let take = taken.clone();
        let definitions = Definitions::open(&folder.0, move |now| take.take(now)).await.unwrap();
        assert_eq!(taken.models(), ["One"]);
        let (following, mut said) = taken.follow(definitions);
        File::options()
            .append(true)
            .open(folder.0.join("mine.toml"))
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        sleep(3 * LOOK_AGAIN).await;
        assert!(said.try_recv().is_err(), "nothing but its time has changed");
        folder.write("mine.toml", "Two");
        assert_eq!(said.recv().await.unwrap(), ["Two"]);
        folder.write("another.toml", "More");
        assert_eq!(said.recv().await.unwrap(), ["More", "Two"]);
        fs::write(folder.0.join("mine.toml"), "half of").unwrap();
        sleep(3 * LOOK_AGAIN).await;
        fs::rename(&folder.0, folder.0.with_extension("away")).unwrap();
        sleep(3 * LOOK_AGAIN).await;
        assert!(said.try_recv().is_err(), "what was right stays in use");
        fs::rename(folder.0.with_extension("away"), &folder.0).unwrap();
        fs::remove_file(folder.0.join("mine.toml")).unwrap();
        assert_eq!(said.recv().await.unwrap(), ["More"]);
        following.abort();
        assert!(following.await.unwrap_err().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_look_that_takes_long_does_not_hold_up_the_start_and_counts_when_it_is_done() {
        let folder = Folder::new("slow");
        folder.write("mine.toml", "Slow");
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Mutex::new(released);
        let taken = Taken::default();
        let take = taken.clone();
        let slow = move |definitions: &[Arc<Definition>]| {
            released.lock().unwrap().recv().unwrap();
            take.take(definitions);
        };
        let path = folder.0.clone();
        let opening = tokio::spawn(async move { Definitions::open(&path, slow).await });
        // The paused clock stands still while a thread is at work.
        tokio::task::yield_now().await;
        tokio::time::advance(MAX_FIRST_LOOK).await;
        let definitions = opening.await.unwrap().unwrap();
        assert!(taken.models().is_empty());
        let (following, mut said) = taken.follow(definitions);
        release.send(()).unwrap();
        assert_eq!(said.recv().await.unwrap(), ["Slow"]);
        following.abort();
    }

    #[tokio::test]
    async fn a_folder_that_is_none_or_has_too_much_in_it_is_refused_by_name() {
        let folder = Folder::new("refused");
        let missing = folder.0.join("missing");
        let error = Definitions::open(&missing, |_| ()).await.err().unwrap().to_string();
        assert!(error.contains(&missing.display().to_string()), "{error}");
        for number in 0..=folder::MAX_FILES {
            fs::write(folder.0.join(format!("d{number}.toml")), "").unwrap();
        }
        let error = Definitions::open(&folder.0, |_| ()).await.err();
        assert_eq!(error, Some(FolderError::TooManyFiles(folder.0.clone())));
    }
}
