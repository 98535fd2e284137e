//! What is logged, and what is not.

use crate::rig::{Peer, Peers, STOP_ALL, TWIN, error, list, ok, told};
use buttplug_client::{Client, Error};
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Keeps every line with its level.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push((*event.metadata().level(), line.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}

#[tokio::test(start_paused = true)]
async fn r29_what_happens_is_logged_at_its_level_and_no_frame_above_trace() {
    let lines = Lines::default();
    let _here = tracing::subscriber::set_default(lines.clone());
    // While there is only one, whether a line is wanted is asked once, in whichever thread says it first: another test's.
    let _second = Dispatch::new(Lines::default());
    let client = Client::new("Test");
    let mut events = client.events();
    let mut peer = Peers::new().welcome(&client, 0, &[TWIN]).await;
    let motor = client.devices()[0].features().remove(0);
    let (late, (_, id)) = tokio::join!(motor.vibrate(0.5), async { peer.next().await.unwrap() });
    assert!(matches!(late, Err(Error::Timeout { .. })), "{late:?}");
    for frame in [ok(id), ok(4711), error(0, 4, "a flat battery"), list(0, &[])] {
        peer.says(&frame);
    }
    told(&mut events).await;
    let ((), ()) = tokio::join!(client.disconnect(), async {
        let peer: &mut Peer = &mut peer;
        peer.grants(STOP_ALL).await;
    });
    let lines = lines.0.lock().unwrap();
    for (level, text) in [
        (Level::INFO, "connected"),
        (Level::INFO, "device added"),
        (Level::DEBUG, "the reply came after the request was given up"),
        (Level::TRACE, "ignored a reply that nobody waits for"),
        (Level::WARN, "a flat battery"),
        (Level::INFO, "device removed"),
        (Level::INFO, "disconnected"),
    ] {
        assert!(lines.iter().any(|(at, line)| *at == level && line.contains(text)), "{text}: {lines:?}");
    }
    for (level, line) in lines.iter().filter(|(level, _)| *level != Level::TRACE) {
        for of_a_frame in ["{", "DeviceFeatures", "Value"] {
            assert!(!line.contains(of_a_frame), "{level}: {line}");
        }
    }
}
