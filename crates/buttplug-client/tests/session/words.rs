//! Events in words, for what a test expects. Also used by the tests over a real WebSocket.

use buttplug_client::Event;

/// What an event says, in words.
pub(crate) fn words(event: &Event) -> String {
    match event {
        Event::Connected(server) => format!("connected to {}", server.name),
        Event::DeviceAdded(device) => format!("added {}", device.index()),
        Event::DeviceChanged(device) => format!("changed {}", device.index()),
        Event::DeviceRemoved(device) => format!("removed {}", device.index()),
        Event::Reading(reading) => {
            format!("{}/{} {} {}", reading.device, reading.feature, reading.kind, reading.value)
        }
        Event::ScanningFinished => String::from("scanning finished"),
        Event::Error(error) => format!("error: {error}"),
        Event::Disconnected(reason) => format!("disconnected: {reason}"),
        other => format!("{other:?}"),
    }
}
