//! The open connection between a server and a simulated device.

use crate::device::SimulatedDevice;
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{Advertisement, Uuid};
use buttplug_server::hardware::{Hardware, HardwareError, HardwareEvent, MAX_WAITING_EVENTS, OpenHardware};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The longest that a write may take, as on a real bus.
pub const MAX_WRITE_TIME: Duration = Duration::from_secs(5);

/// The device's end of a connection. Dropping it ends the server's events.
pub(crate) struct Link {
    number: u64,
    // device -> its task: 64 events; when full a notification is dropped; closed means the server let go.
    events: mpsc::Sender<HardwareEvent>,
    endpoints: Vec<Endpoint>,
    subscribed: BTreeSet<Endpoint>,
}

impl Link {
    pub(crate) fn is_subscribed(&self, endpoint: Endpoint) -> bool {
        self.subscribed.contains(&endpoint)
    }

    pub(crate) fn notify(&self, endpoint: Endpoint, data: Vec<u8>) -> bool {
        self.is_subscribed(endpoint)
            && self.events.try_send(HardwareEvent::Notification { endpoint, data: data.into() }).is_ok()
    }

    /// Ends the connection. If there is no room for the reason, the end of the events says the same.
    pub(crate) fn lose(self, reason: &str) {
        let _ = self.events.try_send(HardwareEvent::Gone(reason.into()));
    }

    /// Whether this place exists. Hardware without addressable places has them all.
    fn has(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        if self.endpoints.is_empty() || self.endpoints.contains(&endpoint) {
            Ok(())
        } else {
            Err(HardwareError::NoEndpoint(endpoint))
        }
    }
}

impl SimulatedDevice {
    /// Opens the device with the first wiring that fits. An earlier connection is dead from then on.
    pub(crate) fn open(&self, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        let device = self.clone();
        self.change(move |state| {
            if !state.present {
                return Err(HardwareError::Gone);
            }
            let fits = |wiring: &&Wiring| {
                endpoints_found(wiring, &state.sighting.advertisement, state.services.as_ref())
            };
            let found = wirings.iter().enumerate().find_map(|(number, wiring)| Some((number, fits(wiring)?)));
            let (wiring, endpoints) = found.ok_or(HardwareError::NoProtocolFits)?;
            let (events, receiver) = mpsc::channel(MAX_WAITING_EVENTS);
            state.links_so_far += 1;
            let number = state.links_so_far;
            let subscribed = BTreeSet::new();
            state.link = Some(Link { number, events, endpoints: endpoints.clone(), subscribed });
            let hardware = Arc::new(Connection { device, number });
            Ok(OpenHardware { hardware, events: receiver, wiring, endpoints })
        })
    }
}

/// The endpoints that this wiring finds; `None` if it is for another bus or finds nothing.
fn endpoints_found(
    wiring: &Wiring,
    advertisement: &Advertisement,
    services: Option<&BTreeMap<Uuid, BTreeSet<Uuid>>>,
) -> Option<Vec<Endpoint>> {
    match (wiring, advertisement) {
        (Wiring::Bluetooth(wanted), Advertisement::Bluetooth { .. }) => {
            let is_there = |service: &Uuid, characteristic: &Uuid| match services {
                Some(services) => services.get(service).is_some_and(|there| there.contains(characteristic)),
                None => true,
            };
            let mut endpoints = Vec::new();
            for (service, characteristics) in wanted {
                let there = characteristics.iter().filter(|(_, uuid)| is_there(service, uuid));
                endpoints.extend(there.map(|(endpoint, _)| *endpoint));
            }
            endpoints.sort_unstable();
            endpoints.dedup();
            (!endpoints.is_empty()).then_some(endpoints)
        }
        (Wiring::Serial(_), Advertisement::Serial { .. })
        | (
            Wiring::Direct,
            Advertisement::Hid { .. }
            | Advertisement::Usb { .. }
            | Advertisement::WebSocket { .. }
            | Advertisement::Gamepad { .. }
            | Advertisement::LovenseConnect { .. }
            | Advertisement::Simulated { .. },
        ) => Some(Vec::new()),
        _ => None,
    }
}

/// The server's end of a connection.
struct Connection {
    device: SimulatedDevice,
    number: u64,
}

impl Connection {
    /// Does something with the link, as long as it is this connection's.
    fn with_link<T>(
        &self,
        action: impl FnOnce(&mut Link) -> Result<T, HardwareError>,
    ) -> Result<T, HardwareError> {
        self.device.change(|state| match &mut state.link {
            Some(link) if link.number == self.number => action(link),
            _ => Err(HardwareError::Gone),
        })
    }
}

#[async_trait]
impl Hardware for Connection {
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError> {
        let _in_order = self.device.inner.writing.lock().await;
        let (write_time, fails) = {
            let state = self.device.state();
            (state.write_time, state.writes_fail)
        };
        self.with_link(|link| link.has(frame.endpoint))?;
        if !write_time.is_zero() {
            tokio::time::sleep(write_time.min(MAX_WRITE_TIME)).await;
        }
        if write_time > MAX_WRITE_TIME {
            return Err(HardwareError::TimedOut("a write"));
        }
        if fails {
            return Err(HardwareError::Failed("the simulated device fails its writes".into()));
        }
        tracing::trace!(%frame, "simulated device written to");
        self.device.change(|state| {
            if state.link.as_ref().is_none_or(|link| link.number != self.number) {
                return Err(HardwareError::Gone);
            }
            let answers = state.arrive(frame);
            if let Some(link) = &state.link {
                for (endpoint, data) in answers {
                    link.notify(endpoint, data);
                }
            }
            Ok(())
        })
    }

    async fn read(&self, endpoint: Endpoint, length: u16) -> Result<Vec<u8>, HardwareError> {
        self.with_link(|link| link.has(endpoint))?;
        let value = self.device.state().values.get(&endpoint).cloned();
        let mut value = value.ok_or(HardwareError::NotSupported("reading this endpoint"))?;
        value.truncate(length.into());
        Ok(value)
    }

    async fn subscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        self.with_link(|link| {
            link.has(endpoint)?;
            link.subscribed.insert(endpoint);
            Ok(())
        })
    }

    async fn unsubscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        self.with_link(|link| {
            link.has(endpoint)?;
            link.subscribed.remove(&endpoint);
            Ok(())
        })
    }

    async fn close(&self) {
        // What was written before is delivered: a slow write that is under way has the lock.
        let _delivered = self.device.inner.writing.lock().await;
        self.device.change(|state| {
            if state.link.as_ref().is_some_and(|link| link.number == self.number) {
                state.link = None;
            }
        });
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.device.change(|state| {
            if state.link.as_ref().is_some_and(|link| link.number == self.number) {
                state.link = None;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archetype::Archetype;
    use bytes::Bytes;
    use tokio::time::Instant;

    fn opened() -> (SimulatedDevice, OpenHardware) {
        let device = SimulatedDevice::new(Archetype::TwoMotorVibrator, "simulated:1");
        let open = device.open(&[&Wiring::Direct]).unwrap();
        (device, open)
    }

    fn frame(text: &str) -> Frame {
        Frame::new(Endpoint::Tx, text.as_bytes())
    }

    #[tokio::test]
    async fn what_is_written_arrives() {
        let (device, open) = opened();
        open.hardware.write(&frame("0 Vibrate 3")).await.unwrap();
        assert_eq!(device.writes()[0].frame, frame("0 Vibrate 3"));
        assert!(device.is_connected());
        open.hardware.close().await;
        open.hardware.close().await;
        assert!(!device.is_connected());
        assert_eq!(open.hardware.write(&frame("0 Vibrate 4")).await, Err(HardwareError::Gone));
        assert_eq!(device.write_count(), 1);
    }

    #[tokio::test]
    async fn a_battery_is_read_and_pressure_is_heard_by_those_who_subscribed() {
        let (device, mut open) = opened();
        device.set_battery(42);
        assert_eq!(open.hardware.read(Endpoint::RxBleBattery, 20).await, Ok(vec![42]));
        assert!(open.hardware.read(Endpoint::RxTouch, 20).await.is_err(), "it has no such value");
        device.set_pressure(1);
        open.hardware.subscribe(Endpoint::RxPressure).await.unwrap();
        open.hardware.subscribe(Endpoint::RxPressure).await.unwrap();
        device.set_pressure(300);
        let data = Bytes::from_static(&[0x2c, 0x01, 0x00, 0x00]);
        let heard = HardwareEvent::Notification { endpoint: Endpoint::RxPressure, data };
        assert_eq!(open.events.recv().await, Some(heard));
        open.hardware.unsubscribe(Endpoint::RxPressure).await.unwrap();
        device.set_pressure(2);
        assert!(open.events.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_lost_link_says_so_even_when_there_is_no_room_for_the_reason() {
        for notifications in [0, MAX_WAITING_EVENTS + 1] {
            let (device, mut open) = opened();
            open.hardware.subscribe(Endpoint::RxPressure).await.unwrap();
            (0..notifications).for_each(|_| device.set_pressure(1));
            device.vanish();
            let mut heard = Vec::new();
            while let Some(event) = open.events.recv().await {
                heard.push(event);
            }
            assert_eq!(heard.len(), notifications.clamp(1, MAX_WAITING_EVENTS));
            assert_eq!(open.hardware.write(&frame("0 Vibrate 1")).await, Err(HardwareError::Gone));
            assert_eq!(device.open(&[&Wiring::Direct]).err(), Some(HardwareError::Gone));
            device.reappear();
            assert!(device.open(&[&Wiring::Direct]).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_writes_arrive_late_and_in_order_and_failing_ones_do_not() {
        let (device, open) = opened();
        device.slow_writes(Duration::from_millis(100));
        let start = Instant::now();
        let (first, second) = (frame("0 Vibrate 1"), frame("0 Vibrate 2"));
        let (a, b) = tokio::join!(open.hardware.write(&first), open.hardware.write(&second));
        assert_eq!((a, b), (Ok(()), Ok(())));
        let arrived: Vec<_> =
            device.writes().into_iter().map(|write| (write.at - start, write.frame)).collect();
        assert_eq!(arrived, [(Duration::from_millis(100), first), (Duration::from_millis(200), second)]);
        device.slow_writes(Duration::from_secs(60));
        let start = Instant::now();
        let failed = open.hardware.write(&frame("0 Vibrate 3")).await;
        assert_eq!(failed, Err(HardwareError::TimedOut("a write")));
        assert_eq!(start.elapsed(), MAX_WRITE_TIME);
        device.slow_writes(Duration::ZERO);
        device.fail_writes(true);
        assert!(open.hardware.write(&frame("0 Vibrate 4")).await.is_err());
        device.fail_writes(false);
        assert_eq!(open.hardware.write(&frame("0 Vibrate 5")).await, Ok(()));
        assert_eq!(device.write_count(), 3);
    }

    #[tokio::test]
    async fn bluetooth_hardware_takes_the_first_wiring_whose_endpoints_are_there() {
        let wiring = |service, tx| {
            Wiring::Bluetooth(BTreeMap::from([(
                Uuid(service),
                BTreeMap::from([(Endpoint::Tx, Uuid(tx)), (Endpoint::Rx, Uuid(tx + 1))]),
            )]))
        };
        let (first, second) = (wiring(0xaa00, 0xaa01), wiring(0xbb00, 0xbb01));
        let wirings = [&Wiring::Direct, &first, &second];
        let open = |device: &SimulatedDevice| device.open(&wirings).map(|open| (open.wiring, open.endpoints));
        let device = SimulatedDevice::bluetooth("AA:BB", "Toy");
        assert_eq!(open(&device), Ok((1, vec![Endpoint::Tx, Endpoint::Rx])));
        let device = SimulatedDevice::bluetooth("AA:BB", "Toy").with_service(Uuid(0xbb00), [Uuid(0xbb01)]);
        assert_eq!(open(&device), Ok((2, vec![Endpoint::Tx])));
        let connection = device.open(&wirings).unwrap();
        let missing = connection.hardware.subscribe(Endpoint::Rx).await;
        assert_eq!(missing, Err(HardwareError::NoEndpoint(Endpoint::Rx)));
        let device = SimulatedDevice::bluetooth("AA:BB", "Toy").with_service(Uuid(0xcc00), []);
        assert_eq!(open(&device), Err(HardwareError::NoProtocolFits));
    }

    #[tokio::test]
    async fn a_responder_answers_what_is_written() {
        let device = SimulatedDevice::bluetooth("AA:BB", "LVS-Z").with_responder(|frame| {
            if &frame.data[..] == b"DeviceType;" {
                vec![(Endpoint::Rx, b"Z:11:0082059AD3BD;".to_vec())]
            } else {
                vec![]
            }
        });
        let services = BTreeMap::from([(Endpoint::Tx, Uuid(1)), (Endpoint::Rx, Uuid(2))]);
        let wiring = Wiring::Bluetooth(BTreeMap::from([(Uuid(0), services)]));
        let mut open = device.open(&[&wiring]).unwrap();
        open.hardware.subscribe(Endpoint::Rx).await.unwrap();
        open.hardware.write(&frame("DeviceType;")).await.unwrap();
        let data = Bytes::from_static(b"Z:11:0082059AD3BD;");
        assert_eq!(
            open.events.recv().await,
            Some(HardwareEvent::Notification { endpoint: Endpoint::Rx, data })
        );
        open.hardware.write(&frame("Vibrate:1;")).await.unwrap();
        assert!(open.events.try_recv().is_err());
    }
}
