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

use buttplug_protocols::catalogue::Catalogue;
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

/// Makes a catalogue with these definitions.
type Build = dyn Fn(&[Arc<Definition>]) -> Catalogue + Send + Sync;

/// The definitions in a folder.
pub(crate) struct Definitions {
    catalogue: Catalogue,
    state: State,
}

enum State {
    Resting(Books),
    Looking(JoinHandle<Look>),
}

/// What goes from one look to the next.
struct Books {
    folder: PathBuf,
    build: Arc<Build>,
    shelf: Shelf,
}

/// What came of a look.
struct Look {
    books: Books,
    news: Result<News, FolderError>,
}

/// What is new in the folder.
struct News {
    /// What is known now, if that is something else than before.
    catalogue: Option<Catalogue>,
    /// To be logged once that counts.
    lines: Vec<Line>,
}

impl Definitions {
    /// Looks at the folder for the first time. `build` makes a catalogue with the definitions that are right; it runs in a
    /// thread that may block.
    ///
    /// # Errors
    /// The folder can't be listed, or has too many entries. What is wrong with a file is only logged.
    pub(crate) async fn open(
        folder: &Path,
        build: impl Fn(&[Arc<Definition>]) -> Catalogue + Send + Sync + 'static,
    ) -> Result<Self, FolderError> {
        let build: Arc<Build> = Arc::new(build);
        let books = Books { folder: folder.to_owned(), build: Arc::clone(&build), shelf: Shelf::default() };
        let mut first = spawn_blocking(move || books.look());
        match timeout(MAX_FIRST_LOOK, &mut first).await {
            Ok(Ok(Look { books, news })) => {
                let News { catalogue, lines } = news?;
                lines.iter().for_each(Line::log);
                let catalogue = catalogue.unwrap_or_else(|| build(&[]));
                Ok(Self { catalogue, state: State::Resting(books) })
            }
            Ok(Err(failed)) => {
                Err(FolderError::Unreadable { path: folder.to_owned(), reason: failed.to_string() })
            }
            Err(_) => {
                tracing::warn!(
                    "the definitions in {} take long to check; until they are used, devices are what is built in",
                    folder.display()
                );
                Ok(Self { catalogue: build(&[]), state: State::Looking(first) })
            }
        }
    }

    /// What is known with the definitions that were right at the first look.
    pub(crate) fn catalogue(&self) -> Catalogue {
        self.catalogue.clone()
    }

    /// Looks at the folder again and again, and hands over what is known whenever that is something else. Goes on until it
    /// is dropped; a look that is under way then comes to nothing.
    pub(crate) async fn follow(self, replace: impl Fn(Catalogue)) {
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
                Ok(News { catalogue, lines }) => {
                    trouble = None;
                    catalogue.into_iter().for_each(&replace);
                    lines.iter().for_each(Line::log);
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
        let snapshot = folder::look(&self.folder, self.shelf.seen(), SystemTime::now());
        let news = snapshot.map(|snapshot| {
            let changes = self.shelf.update(snapshot, |path, content| file::check(path, content, now));
            let catalogue = shelf::matters(&changes).then(|| (self.build)(&self.shelf.in_use()));
            News { catalogue, lines: changes.iter().flat_map(report::lines).collect() }
        });
        Look { books: self, news }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_protocols::sighting::{Advertisement, Sighting};
    use std::fs::{self, File};
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

    fn build(definitions: &[Arc<Definition>]) -> Catalogue {
        let mut catalogue = Catalogue::builtin();
        catalogue.add_definitions(definitions.iter().cloned()).unwrap();
        catalogue
    }

    /// The models that what dials in as `mine` might be.
    fn models(catalogue: &Catalogue) -> Vec<String> {
        let advertisement = Advertisement::WebSocket { identifier: "mine".into() };
        let candidates = catalogue.candidates(&Sighting { address: "it".into(), advertisement });
        candidates.iter().filter_map(|candidate| candidate.model(None)).map(|model| model.name).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_is_handed_over_and_what_is_only_touched_is_not() {
        let folder = Folder::new("changes");
        folder.write("mine.toml", "One");
        fs::write(folder.0.join(".mine.toml"), "what an editor left").unwrap();
        fs::write(folder.0.join("notes.txt"), "no definition").unwrap();
        fs::create_dir(folder.0.join("folder.toml")).unwrap();
        let definitions = Definitions::open(&folder.0, build).await.unwrap();
        assert_eq!(models(&definitions.catalogue()), ["One"]);
        let (replaced, mut catalogues) = mpsc::unbounded_channel();
        let following =
            tokio::spawn(definitions.follow(move |catalogue| replaced.send(models(&catalogue)).unwrap()));
        File::options()
            .append(true)
            .open(folder.0.join("mine.toml"))
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        sleep(3 * LOOK_AGAIN).await;
        assert!(catalogues.try_recv().is_err(), "nothing but its time has changed");
        folder.write("mine.toml", "Two");
        assert_eq!(catalogues.recv().await.unwrap(), ["Two"]);
        folder.write("another.toml", "More");
        assert_eq!(catalogues.recv().await.unwrap(), ["More", "Two"]);
        fs::write(folder.0.join("mine.toml"), "half of").unwrap();
        sleep(3 * LOOK_AGAIN).await;
        fs::rename(&folder.0, folder.0.with_extension("away")).unwrap();
        sleep(3 * LOOK_AGAIN).await;
        assert!(catalogues.try_recv().is_err(), "what was right stays in use");
        fs::rename(folder.0.with_extension("away"), &folder.0).unwrap();
        fs::remove_file(folder.0.join("mine.toml")).unwrap();
        assert_eq!(catalogues.recv().await.unwrap(), ["More"]);
        following.abort();
        assert!(following.await.unwrap_err().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_look_that_takes_long_does_not_hold_up_the_start_and_counts_when_it_is_done() {
        let folder = Folder::new("slow");
        folder.write("mine.toml", "Slow");
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = std::sync::Mutex::new(released);
        let slow = move |definitions: &[Arc<Definition>]| {
            if !definitions.is_empty() {
                released.lock().unwrap().recv().unwrap();
            }
            build(definitions)
        };
        let path = folder.0.clone();
        let opening = tokio::spawn(async move { Definitions::open(&path, slow).await });
        // The paused clock stands still while a thread is at work.
        tokio::task::yield_now().await;
        tokio::time::advance(MAX_FIRST_LOOK).await;
        let definitions = opening.await.unwrap().unwrap();
        assert!(models(&definitions.catalogue()).is_empty());
        let (replaced, mut catalogues) = mpsc::unbounded_channel();
        let following =
            tokio::spawn(definitions.follow(move |catalogue| replaced.send(models(&catalogue)).unwrap()));
        release.send(()).unwrap();
        assert_eq!(catalogues.recv().await.unwrap(), ["Slow"]);
        following.abort();
    }

    #[tokio::test]
    async fn a_folder_that_is_none_or_has_too_much_in_it_is_refused_by_name() {
        let folder = Folder::new("refused");
        let missing = folder.0.join("missing");
        let error = Definitions::open(&missing, build).await.err().unwrap().to_string();
        assert!(error.contains(&missing.display().to_string()), "{error}");
        for number in 0..=folder::MAX_FILES {
            fs::write(folder.0.join(format!("d{number}.toml")), "").unwrap();
        }
        let error = Definitions::open(&folder.0, build).await.err();
        assert_eq!(error, Some(FolderError::TooManyFiles(folder.0.clone())));
    }
}
