//! What hardware is known: what is built in, with a person's own definitions, and what they added to protocols. Both may
//! change while the program runs, each in its own time.

use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::definition::{Addition, Definition};
use buttplug_server::Server;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known at the moment.
pub(crate) struct Known {
    state: Mutex<State>,
}

struct State {
    sources: Sources,
    /// Counts the changes of the sources.
    changes: u64,
    /// Made of the sources, or of those before if the present ones are still being worked on.
    catalogue: Catalogue,
}

#[derive(Clone, Default)]
struct Sources {
    /// What a catalogue file of an earlier engine adds; the same for the whole life.
    from_file: Vec<Addition>,
    definitions: Vec<Arc<Definition>>,
    additions: Vec<Addition>,
}

impl Known {
    /// What is built in, what a catalogue file adds to it, and what a person does.
    pub(crate) fn new(from_file: Vec<Addition>, additions: &[Addition]) -> Self {
        let sources = Sources { from_file, additions: additions.to_vec(), ..Sources::default() };
        let catalogue = sources.catalogue();
        Self { state: Mutex::new(State { sources, changes: 0, catalogue }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy, which is cheap.
    pub(crate) fn catalogue(&self) -> Catalogue {
        self.state().catalogue.clone()
    }

    /// From now on a person's own definitions are these. May take a second: everything is tried.
    pub(crate) fn define(&self, definitions: &[Arc<Definition>]) {
        self.change(|sources| sources.definitions = definitions.to_vec());
    }

    /// From now on what they added to protocols is this. May take a second: everything is tried.
    pub(crate) fn add(&self, additions: &[Addition]) {
        let same = self.state().sources.additions == additions;
        if !same {
            self.change(|sources| sources.additions = additions.to_vec());
        }
    }

    fn change(&self, change: impl FnOnce(&mut Sources)) {
        let (sources, number) = {
            let mut state = self.state();
            change(&mut state.sources);
            state.changes += 1;
            (state.sources.clone(), state.changes)
        };
        // Unlocked: nobody who publishes waits for it.
        let catalogue = sources.catalogue();
        let mut state = self.state();
        // Otherwise somebody works on a later change, which has this one in it.
        if state.changes == number {
            state.catalogue = catalogue;
        }
    }

    /// Lets the server know what is known.
    pub(crate) fn publish(&self, server: &Server) {
        // Locked: what is published last is what is known last.
        let state = self.state();
        server.set_catalogue(state.catalogue.clone());
    }
}

impl Sources {
    /// Additions come last: they may be about definitions.
    fn catalogue(&self) -> Catalogue {
        let mut catalogue = Catalogue::builtin();
        if let Err(error) = catalogue.add_definitions(self.definitions.iter().cloned()) {
            tracing::warn!("definitions of your own have no effect: {error}");
        }
        for addition in self.from_file.iter().chain(&self.additions) {
            if let Err(error) = catalogue.extend(addition) {
                tracing::warn!("something that you added has no effect: {error}");
            }
        }
        catalogue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_protocols::definition::{Rule, parse};
    use buttplug_protocols::sighting::{Advertisement, Sighting};

    fn addition(protocol: &str, identifier: &str) -> Addition {
        let rules = vec![Rule::WebSocket(vec![identifier.to_owned()])];
        Addition { protocol: protocol.into(), rules, groups: Vec::new() }
    }

    fn spoken_by(catalogue: &Catalogue, identifier: &str) -> Option<String> {
        let advertisement = Advertisement::WebSocket { identifier: identifier.into() };
        let found = catalogue.candidates(&Sighting::new(identifier, advertisement));
        found.first().map(|candidate| candidate.protocol().to_owned())
    }

    #[test]
    fn additions_and_definitions_change_independently_and_additions_may_be_about_definitions() {
        let text = "write = \"value\"\n[[websocket]]\nnames = [\"plain\"]\n[[model]]\nfallback = \"Mine\"\n\
            features = [{ vibrate = 9 }]\n[[example]]\ndo = \"vibrate 0 1\"\nwrite = \"01\"\n";
        let mine = Arc::new(parse("mine.toml", text).unwrap().definition);
        let known = Known::new(
            vec![addition("wevibe", "listed")],
            &[addition("mine", "added"), addition("lovense", "LVSDevice")],
        );
        let latest = || known.catalogue();
        assert_eq!(spoken_by(&latest(), "LVSDevice").as_deref(), Some("lovense"));
        assert_eq!(spoken_by(&latest(), "added"), None);
        known.define(&[mine]);
        assert_eq!(spoken_by(&latest(), "added").as_deref(), Some("mine"));
        assert_eq!(spoken_by(&latest(), "LVSDevice").as_deref(), Some("lovense"));
        known.add(&[]);
        assert_eq!(spoken_by(&latest(), "listed").as_deref(), Some("wevibe"), "whatever a person changes");
        assert_eq!(spoken_by(&latest(), "added"), None);
        assert_eq!(spoken_by(&latest(), "plain").as_deref(), Some("mine"));
    }
}
