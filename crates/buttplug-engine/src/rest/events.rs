//! What happens, as server-sent events. A reader that stalls holds up nobody: what waits for it is reduced to its net
//! effect by the client library, and the connection ends when it takes nothing for long.

use super::wire::DeviceOut;
use buttplug_client::{Client, Device, Event, Events};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use hyper::body::Bytes;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// Streams of events that may be open. Each holds a connection for as long as it likes, so that there is always room for
/// those that say stop.
pub(crate) const MAX_EVENT_STREAMS: usize = 16;

/// Silence after which a comment is sent, so that whoever is in between keeps the connection open, and one whose reader is
/// gone is noticed.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Names and JSON, and first what is there.
    Json,
    /// The words of earlier engines, which are no format.
    Text,
}

impl Format {
    /// What the query asks for.
    pub(crate) fn of(query: Option<&str>) -> Self {
        let text = query.unwrap_or_default().split('&').any(|parameter| parameter == "format=text");
        if text { Self::Text } else { Self::Json }
    }
}

struct State {
    events: Events,
    format: Format,
    /// What comes before the events.
    first: Option<String>,
    over: bool,
    /// Free again when the stream is dropped.
    _place: OwnedSemaphorePermit,
}

/// The events from now on. The stream ends with the session.
pub(crate) fn stream(
    client: &Client,
    format: Format,
    place: OwnedSemaphorePermit,
) -> BoxStream<'static, Bytes> {
    // Before the snapshot, so that nothing falls in between. What falls in both is told twice.
    let events = client.events();
    let first = (format == Format::Json).then(|| {
        let devices: BTreeMap<u32, DeviceOut> = client
            .devices()
            .iter()
            .map(|device| (device.index().0, (&*device.description()).into()))
            .collect();
        written("Snapshot", &devices)
    });
    let state = State { events, format, first, over: false, _place: place };
    stream::unfold(state, |mut state| async move {
        let text = state.next().await?;
        Some((Bytes::from(text), state))
    })
    .boxed()
}

impl State {
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        while !self.over {
            let Ok(event) = timeout(KEEPALIVE, self.events.next()).await else {
                return Some(String::from(":\n\n"));
            };
            let event = event?;
            self.over = matches!(event, Event::Disconnected(_));
            let said = match self.format {
                Format::Json => as_json(&event),
                Format::Text => as_text(&event).map(|text| format!("data: {text}\n\n")),
            };
            if said.is_some() {
                return said;
            }
        }
        None
    }
}

fn as_json(event: &Event) -> Option<String> {
    let device = |name, device: &Device| written(name, &DeviceOut::from(&*device.description()));
    Some(match event {
        Event::DeviceAdded(added) => device("DeviceAdded", added),
        Event::DeviceChanged(changed) => device("DeviceChanged", changed),
        Event::DeviceRemoved(removed) => {
            written("DeviceRemoved", &json!({"index": removed.index().0, "name": removed.name()}))
        }
        Event::ScanningFinished => written("ScanningFinished", &json!({})),
        Event::Error(error) => written("Error", &json!({"message": error.to_string()})),
        Event::Disconnected(reason) => written("ServerDisconnect", &json!({"message": reason.to_string()})),
        // There are no subscriptions, and no stream before the connection.
        _ => return None,
    })
}

fn as_text(event: &Event) -> Option<String> {
    let device = |what: &str, device: &Device| {
        let (name, index) = (device.name(), device.index().0);
        format!("{what}(ButtplugClientDevice {{ name: {name:?}, index: {index} }})")
    };
    Some(match event {
        Event::DeviceAdded(added) => device("DeviceAdded", added),
        Event::DeviceRemoved(removed) => device("DeviceRemoved", removed),
        Event::ScanningFinished => String::from("ScanningFinished"),
        Event::Error(error) => format!("Error({:?})", error.to_string()),
        Event::Disconnected(_) => String::from("ServerDisconnect"),
        _ => return None,
    })
}

/// An event as the stream has it. JSON has no line breaks, so one line is enough.
fn written(name: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).unwrap_or_else(|_| String::from("null"));
    format!("event: {name}\ndata: {data}\n\n")
}
