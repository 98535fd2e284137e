//! What a client tells the application by itself, and the queue it waits in. A reader that stalls holds up nobody:
//! readings thin out, and the rest is reduced to its net effect.

use crate::Device;
use crate::error::Error;
use crate::mailbox::{Buffer, Mailbox};
use buttplug_core::connector::ConnectorError;
use buttplug_core::message::{InputReading, ServerInfo};
use futures_util::Stream;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

/// Readings that may wait for a reader, per stream. When there are more, the oldest goes: a reading is only worth
/// something while it is new.
pub const MAX_WAITING_READINGS: usize = 256;

/// Other events that may wait for a reader, per stream, before they are reduced to their net effect: a device that came
/// and went unread is left out, of one that changed the last change stays, of ended searches the last one, of reported
/// errors the newest 16. The last disconnection stays, and so does every connect that a reader needs for hearing
/// connects and disconnections in turn. What is left is a few events per device; if that alone is more than half of
/// this, the next reduction waits until there is twice as much.
pub const MAX_WAITING_EVENTS: usize = 1024;

/// Reported errors that stay when waiting events are reduced.
const ERRORS_KEPT: usize = 16;

/// Something that happened without being asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection is made: handshake and first device list are there, and commands are taken. Sent once for each
    /// connection, before `connect` returns and before the first device is announced; [`Disconnected`](Self::Disconnected)
    /// follows in any case. Nothing is left of an earlier connection: whoever wants new devices starts a search.
    ///
    /// A connection that breaks before its first list is neither this nor a disconnection, just an error of `connect`.
    Connected(ServerInfo),
    /// A device is there. Also sent, before `connect` returns, for each device the server has already.
    DeviceAdded(Device),
    /// What the device can do, or its name, has changed. Its handles show it already.
    DeviceChanged(Device),
    /// A device is gone, and all handles of it with it.
    DeviceRemoved(Device),
    /// A reading of any subscription. The stream of the subscription gets it, too.
    Reading(InputReading),
    /// The server's search for devices has ended. Many servers never say so: don't wait for it.
    ScanningFinished,
    /// The server reports an error that belongs to no request.
    Error(Error),
    /// The connection has ended. Sent once for each [`Connected`](Self::Connected), after the removal of its devices; of
    /// several that nobody read, the last may be the only one left.
    Disconnected(DisconnectReason),
}

/// Why a connection has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisconnectReason {
    /// This client wanted it: `disconnect` was called, or the last handle dropped.
    Requested,
    /// The server closed the connection in order.
    ServerClosed {
        /// What it said; may be empty.
        reason: String,
    },
    /// The connection broke.
    Lost(ConnectorError),
    /// The server saw no pings in time. It has stopped the devices.
    PingTimeout {
        /// The server's text.
        message: String,
    },
}

impl From<ConnectorError> for DisconnectReason {
    fn from(error: ConnectorError) -> Self {
        match error {
            ConnectorError::Closed { reason } => Self::ServerClosed { reason },
            error => Self::Lost(error),
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("the client disconnected"),
            Self::ServerClosed { reason } if reason.is_empty() => {
                f.write_str("the server closed the connection")
            }
            Self::ServerClosed { reason } => write!(f, "the server closed the connection: {reason}"),
            Self::Lost(error) => error.fmt(f),
            Self::PingTimeout { message } => write!(f, "the server saw no pings in time: {message}"),
        }
    }
}

/// The events of a client, as a stream. It goes on over disconnections and ends when every [`Client`](crate::Client)
/// handle is dropped and the last connection is closed.
#[derive(Debug)]
pub struct Events {
    mailbox: Arc<Mailbox<EventBuffer>>,
}

impl Events {
    /// The next event; `None` when there will be no more. Safe to cancel: no event is lost.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|context| self.mailbox.poll_next(context)).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.mailbox.poll_next(context)
    }
}

/// Hands each event to every open stream.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    streams: Mutex<Vec<Weak<Mailbox<EventBuffer>>>>,
}

impl Hub {
    pub(crate) fn subscribe(&self) -> Events {
        let mailbox = Arc::new(Mailbox::default());
        crate::lock(&self.streams).push(Arc::downgrade(&mailbox));
        Events { mailbox }
    }

    pub(crate) fn emit(&self, event: &Event) {
        let mut open = Vec::new();
        crate::lock(&self.streams).retain(|stream| {
            let mailbox = stream.upgrade();
            let stays = mailbox.is_some();
            open.extend(mailbox);
            stays
        });
        // Outside the lock: a reader that is woken may open another stream.
        for mailbox in open {
            mailbox.push(event.clone());
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        for stream in crate::lock(&self.streams).iter().filter_map(Weak::upgrade) {
            stream.close();
        }
    }
}

/// Waiting events, in order. Readings stand apart so that they can thin without a search.
#[derive(Debug)]
pub(crate) struct EventBuffer {
    readings: VecDeque<(u64, InputReading)>,
    others: VecDeque<(u64, Event)>,
    next: u64,
    /// How many others there may be before they are reduced; grows while reducing does not help.
    reduce_above: usize,
}

impl Default for EventBuffer {
    fn default() -> Self {
        Self { readings: VecDeque::new(), others: VecDeque::new(), next: 0, reduce_above: MAX_WAITING_EVENTS }
    }
}

impl Buffer for EventBuffer {
    type Item = Event;

    fn push(&mut self, event: Event) {
        let order = self.next;
        self.next += 1;
        if let Event::Reading(reading) = event {
            if self.readings.len() == MAX_WAITING_READINGS {
                self.readings.pop_front();
            }
            self.readings.push_back((order, reading));
            return;
        }
        self.others.push_back((order, event));
        if self.others.len() > self.reduce_above {
            self.reduce();
            self.reduce_above = MAX_WAITING_EVENTS.max(self.others.len() * 2);
        }
    }

    fn pop(&mut self) -> Option<Event> {
        match (self.readings.front(), self.others.front()) {
            (Some((reading, _)), Some((other, _))) if reading > other => {
                self.others.pop_front().map(|(_, event)| event)
            }
            (None, _) => self.others.pop_front().map(|(_, event)| event),
            _ => self.readings.pop_front().map(|(_, reading)| Event::Reading(reading)),
        }
    }
}

impl EventBuffer {
    /// Leaves what a reader still has to know. Afterwards there are at most a few events per device.
    fn reduce(&mut self) {
        let added: HashSet<_> = self.others.iter().filter_map(|(_, event)| id_if(event, is_added)).collect();
        let removed: HashSet<_> =
            self.others.iter().filter_map(|(_, event)| id_if(event, is_removed)).collect();
        let mut events = self.others.iter().map(|(_, event)| event);
        let first = events.find(|event| matches!(event, Event::Connected(_) | Event::Disconnected(_)));
        // What it has read leaves the reader without a connection, so to it an end without its beginning is none.
        let end_needs_connect = matches!(first, Some(Event::Connected(_)));
        let (mut changed, mut errors) = (HashSet::new(), 0);
        let (mut scan_seen, mut ends) = (false, 0);
        let mut kept = VecDeque::with_capacity(self.others.len());
        // From the newest to the oldest, so that the newest of what counts once is the one that stays.
        while let Some((order, event)) = self.others.pop_back() {
            let keep = match &event {
                Event::Connected(_) => ends == 0 || (ends == 1 && end_needs_connect),
                Event::DeviceAdded(device) => !removed.contains(&device.identity()),
                Event::DeviceRemoved(device) => !added.contains(&device.identity()),
                Event::DeviceChanged(device) => {
                    let id = device.identity();
                    !removed.contains(&id) && !added.contains(&id) && changed.insert(id)
                }
                Event::ScanningFinished => !std::mem::replace(&mut scan_seen, true),
                Event::Disconnected(_) => {
                    ends += 1;
                    ends == 1
                }
                Event::Error(_) => {
                    errors += 1;
                    errors <= ERRORS_KEPT
                }
                Event::Reading(_) => false,
            };
            if keep {
                kept.push_front((order, event));
            }
        }
        self.others = kept;
    }
}

fn id_if(event: &Event, wanted: fn(&Event) -> Option<&Device>) -> Option<usize> {
    wanted(event).map(Device::identity)
}

fn is_added(event: &Event) -> Option<&Device> {
    if let Event::DeviceAdded(device) = event { Some(device) } else { None }
}

fn is_removed(event: &Event) -> Option<&Device> {
    if let Event::DeviceRemoved(device) = event { Some(device) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::device;
    use buttplug_core::input::{InputKind, RssiSpelling};
    use buttplug_core::message::{DeviceIndex, FeatureIndex};

    fn reading(value: i32) -> Event {
        Event::Reading(InputReading {
            device: DeviceIndex(0),
            feature: FeatureIndex(0),
            kind: InputKind::Button,
            spelling: RssiSpelling::Camel,
            value,
        })
    }

    fn drain(buffer: &mut EventBuffer) -> Vec<String> {
        std::iter::from_fn(|| buffer.pop())
            .map(|event| match event {
                Event::Connected(server) => format!("connected to {}", server.name),
                Event::DeviceAdded(device) => format!("added {}", device.index()),
                Event::DeviceChanged(device) => format!("changed {}", device.index()),
                Event::DeviceRemoved(device) => format!("removed {}", device.index()),
                Event::Reading(reading) => format!("reading {}", reading.value),
                Event::ScanningFinished => String::from("finished"),
                Event::Error(_) => String::from("error"),
                Event::Disconnected(reason) => reason.to_string(),
            })
            .collect()
    }

    #[test]
    fn events_come_out_in_the_order_they_went_in() {
        let mut buffer = EventBuffer::default();
        let device = device(4);
        for event in
            [reading(1), Event::DeviceAdded(device.clone()), reading(2), Event::DeviceRemoved(device)]
        {
            buffer.push(event);
        }
        assert_eq!(drain(&mut buffer), ["reading 1", "added 4", "reading 2", "removed 4"]);
    }

    #[test]
    fn r28_readings_thin_to_the_newest_and_push_out_nothing_else() {
        let mut buffer = EventBuffer::default();
        let count = MAX_WAITING_READINGS as i32 + 44;
        buffer.push(Event::DeviceAdded(device(0)));
        (0..count).for_each(|value| buffer.push(reading(value)));
        buffer.push(Event::ScanningFinished);
        let left = drain(&mut buffer);
        assert_eq!(left.len(), MAX_WAITING_READINGS + 2);
        assert_eq!((left[0].as_str(), left[1].as_str()), ("added 0", "reading 44"));
        assert_eq!(left[MAX_WAITING_READINGS + 1], "finished");
    }

    #[test]
    fn events_nobody_reads_are_reduced_to_what_still_matters() {
        let mut buffer = EventBuffer::default();
        let (known, stays) = (device(0), device(1));
        buffer.push(Event::DeviceRemoved(known));
        buffer.push(Event::DeviceAdded(stays));
        for _ in 0..MAX_WAITING_EVENTS {
            let passing = device(2);
            buffer.push(Event::DeviceAdded(passing.clone()));
            buffer.push(Event::DeviceChanged(passing.clone()));
            buffer.push(Event::DeviceRemoved(passing));
            buffer.push(Event::ScanningFinished);
            assert!(buffer.others.len() <= MAX_WAITING_EVENTS);
        }
        buffer.reduce();
        assert_eq!(drain(&mut buffer), ["removed 0", "added 1", "finished"]);
    }

    /// `+` connects to the server of that number, `-` loses the connection to it.
    fn check_connections(unread: &[&str], left: &[&str]) {
        let mut buffer = EventBuffer::default();
        for word in unread {
            let (what, name) = word.split_at(1);
            buffer.push(match what {
                "+" => Event::Connected(ServerInfo { name: name.into(), major: 4, minor: 0, max_ping_ms: 0 }),
                _ => Event::Disconnected(DisconnectReason::ServerClosed { reason: name.into() }),
            });
        }
        for _ in 0..2 {
            // A second time changes nothing.
            buffer.reduce();
        }
        let told = drain(&mut buffer).into_iter().map(|told| {
            let sign = if told.starts_with("connected") { '+' } else { '-' };
            format!("{sign}{}", told.split(' ').next_back().unwrap_or_default())
        });
        assert_eq!(told.collect::<Vec<_>>(), left, "{unread:?}");
    }

    #[test]
    fn r28_of_unread_connections_the_last_end_stays_and_connects_and_ends_still_alternate() {
        // The reader has heard of no connection.
        check_connections(&["+1"], &["+1"]);
        check_connections(&["+1", "-1"], &["+1", "-1"]);
        check_connections(&["+1", "-1", "+2"], &["+1", "-1", "+2"]);
        check_connections(&["+1", "-1", "+2", "-2"], &["+2", "-2"]);
        check_connections(&["+1", "-1", "+2", "-2", "+3"], &["+2", "-2", "+3"]);
        // The reader has heard of one.
        check_connections(&["-1"], &["-1"]);
        check_connections(&["-1", "+2"], &["-1", "+2"]);
        check_connections(&["-1", "+2", "-2"], &["-2"]);
        check_connections(&["-1", "+2", "-2", "+3"], &["-2", "+3"]);
        check_connections(&[], &[]);
    }
}
