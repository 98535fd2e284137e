//! The operating system's Bluetooth, through btleplug. Thin: translates calls, names and errors, and decides nothing.
//!
//! Each adapter has a connection to the system's Bluetooth service of its own, and the first thing on it is the
//! adapter's stream of events, which stays for the life of the process. On Linux, dbus-daemon takes back the rule of
//! another device when a program no longer wants to hear of one; the adapter's rule, older than all others, covers
//! them all.

#[cfg(target_os = "linux")]
mod aside;
#[cfg(target_os = "linux")]
mod discovery;
mod peer;
mod words;

use self::peer::SystemPeer;
use self::words::{no_service, radio_error};
use crate::radio::{Adapter, AdapterName, Peer, Radio, RadioError, RadioEvent, Reports, Spot, View};
use async_trait::async_trait;
#[cfg(not(target_os = "linux"))]
use btleplug::api::ScanFilter;
use btleplug::api::{Central, CentralEvent, CentralState, Manager as _, Peripheral as _};
use btleplug::platform::{self, Manager, PeripheralId};
use buttplug_protocols::sighting::Uuid;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(target_os = "linux")]
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Whether the system tells of adapters that come and go. Elsewhere the first list stays: asking again would open the
/// adapters anew.
const ADAPTERS_CHANGE: bool = cfg!(target_os = "linux");

/// Hardware, as one adapter of this system sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SystemSpot {
    adapter: AdapterName,
    address: Arc<str>,
    id: PeripheralId,
}

impl SystemSpot {
    fn new(adapter: &AdapterName, id: PeripheralId) -> Self {
        let address = address(&id.to_string());
        Self { adapter: Arc::clone(adapter), address: address.into(), id }
    }
}

impl Spot for SystemSpot {
    fn address(&self) -> &str {
        &self.address
    }

    fn adapter(&self) -> &AdapterName {
        &self.adapter
    }
}

/// The address in what the system calls a piece of hardware: `hci0/dev_AA_BB_CC_DD_EE_FF` on Linux, the address itself
/// on Windows, an identifier that the system made up on macOS.
fn address(id: &str) -> String {
    match id.rsplit_once("dev_") {
        Some((_, address)) => address.replace('_', ":"),
        None => id.to_owned(),
    }
}

/// The adapter's name in what btleplug tells of it, for example `hci0 (usb:v1D6Bp0246d0540)`.
fn adapter_name(info: &str) -> AdapterName {
    info.split_whitespace().next().unwrap_or(info).into()
}

/// A connection to the system's Bluetooth service.
async fn manager() -> Result<Manager, RadioError> {
    #[cfg(target_os = "linux")]
    return aside::aside(|| Handle::current().block_on(Manager::new()).map_err(no_service)).await;
    #[cfg(not(target_os = "linux"))]
    Manager::new().await.map_err(no_service)
}

/// The system's Bluetooth.
pub(crate) struct System {
    reports: Reports<SystemSpot>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// For looking which adapters there are.
    manager: Option<Manager>,
    #[cfg(target_os = "linux")]
    discovery: Option<Arc<discovery::Discovery>>,
    adapters: BTreeMap<AdapterName, Listening>,
}

impl State {
    /// The connection for searches, unless it is lost.
    #[cfg(target_os = "linux")]
    fn discovery(&self) -> Option<Arc<discovery::Discovery>> {
        self.discovery.as_ref().filter(|discovery| !discovery.is_lost()).cloned()
    }
}

/// An adapter whose events are listened to.
struct Listening {
    adapter: platform::Adapter,
    task: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl System {
    pub(crate) fn new(reports: Reports<SystemSpot>) -> Self {
        Self { reports, state: Mutex::default() }
    }

    /// A panic elsewhere leaves nothing half-done in it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn adapter(&self, name: &AdapterName) -> Result<platform::Adapter, RadioError> {
        let adapter = self.state().adapters.get(name).map(|listening| listening.adapter.clone());
        adapter.ok_or(RadioError::NotConnected)
    }

    /// The connection for searches.
    #[cfg(target_os = "linux")]
    async fn discovery(&self) -> Result<Arc<discovery::Discovery>, RadioError> {
        if let Some(discovery) = self.state().discovery() {
            return Ok(discovery);
        }
        let fresh = Arc::new(aside::aside(discovery::Discovery::connect).await?);
        let mut state = self.state();
        // A search over another adapter may have been quicker. The first one may have searches on it by now.
        let discovery = state.discovery().unwrap_or(fresh);
        state.discovery = Some(Arc::clone(&discovery));
        Ok(discovery)
    }

    async fn peripheral(&self, spot: &SystemSpot) -> Result<platform::Peripheral, RadioError> {
        self.adapter(&spot.adapter)?.peripheral(&spot.id).await.map_err(radio_error)
    }

    async fn survey(&self) -> Result<Vec<Adapter>, RadioError> {
        let known = self.state().manager.clone();
        let manager = match known {
            Some(manager) => manager,
            None => {
                let manager = manager().await?;
                self.state().manager = Some(manager.clone());
                manager
            }
        };
        let mut found = Vec::new();
        let listed = if ADAPTERS_CHANGE || self.state().adapters.is_empty() {
            manager.adapters().await.map_err(no_service)?
        } else {
            self.state().adapters.values().map(|listening| listening.adapter.clone()).collect()
        };
        let mut nameless = None;
        for adapter in listed {
            match adapter.adapter_info().await.map_err(radio_error) {
                Ok(info) => {
                    let name = adapter_name(&info);
                    let powered = self.ask(&name, &adapter).await;
                    found.push((name, powered));
                }
                // It has gone meanwhile.
                Err(RadioError::NotConnected) => {}
                Err(error) => nameless = Some(error),
            }
        }
        if let Some(error) = nameless {
            // It is one of those that are known and have not answered.
            let silent = |name: &&AdapterName| found.iter().all(|(answered, _)| answered != *name);
            let those: Vec<_> = self.state().adapters.keys().filter(silent).cloned().collect();
            if those.is_empty() && found.is_empty() {
                return Err(error);
            }
            found.extend(those.into_iter().map(|name| (name, Err(error.clone()))));
        }
        gathered(found)
    }

    /// Whether this adapter is switched on. It is listened to from now on.
    async fn ask(&self, name: &AdapterName, adapter: &platform::Adapter) -> Result<bool, RadioError> {
        let listening = self.state().adapters.get(name).is_some_and(|known| !known.task.is_finished());
        if !listening {
            let listening = self.listen(name, adapter.clone()).await?;
            self.state().adapters.insert(Arc::clone(name), listening);
        }
        is_on(adapter).await
    }

    /// Listens to an adapter, over a connection of its own where adapters come and go.
    async fn listen(
        &self,
        name: &AdapterName,
        mut adapter: platform::Adapter,
    ) -> Result<Listening, RadioError> {
        if ADAPTERS_CHANGE {
            let manager = manager().await?;
            for own in manager.adapters().await.map_err(no_service)? {
                if own.adapter_info().await.is_ok_and(|info| adapter_name(&info) == *name) {
                    adapter = own;
                    break;
                }
            }
        }
        let mut events = adapter.events().await.map_err(radio_error)?;
        let (name, reports) = (Arc::clone(name), self.reports.clone());
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if report(event, &name, &reports).await.is_none() {
                    break;
                }
            }
        });
        Ok(Listening { adapter, task })
    }
}

/// Windows and macOS may not know it yet.
async fn is_on(adapter: &platform::Adapter) -> Result<bool, RadioError> {
    Ok(adapter.adapter_state().await.map_err(radio_error)? != CentralState::PoweredOff)
}

/// What the adapters have answered, in the order of their names. One that does not answer says nothing about the others;
/// if none does, it is the system that fails.
fn gathered(found: Vec<(AdapterName, Result<bool, RadioError>)>) -> Result<Vec<Adapter>, RadioError> {
    if found.iter().all(|(_, powered)| powered.is_err()) {
        if let Some((_, Err(error))) = found.into_iter().next() {
            return Err(error);
        }
        return Ok(Vec::new());
    }
    let told = |(name, powered): (AdapterName, Result<bool, RadioError>)| {
        if let Err(error) = &powered {
            tracing::debug!(adapter = &*name, %error, "an adapter can't be asked how it is");
        }
        Adapter { name, powered: powered.ok() }
    };
    let mut adapters: Vec<Adapter> = found.into_iter().map(told).collect();
    adapters.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(adapters)
}

/// Hands on what an adapter tells. `None`: nobody listens any more.
async fn report(event: CentralEvent, adapter: &AdapterName, reports: &Reports<SystemSpot>) -> Option<()> {
    let event = match event {
        CentralEvent::DeviceDisconnected(id) => {
            return reports.losses.send(SystemSpot::new(adapter, id)).await.ok();
        }
        CentralEvent::StateUpdate(state) => {
            // Rare, and it must not be lost.
            let power = RadioEvent::Power(Arc::clone(adapter), state != CentralState::PoweredOff);
            return reports.events.send(power).await.ok();
        }
        CentralEvent::DeviceDiscovered(id)
        | CentralEvent::DeviceUpdated(id)
        | CentralEvent::ManufacturerDataAdvertisement { id, .. }
        | CentralEvent::ServiceDataAdvertisement { id, .. }
        | CentralEvent::ServicesAdvertisement { id, .. }
        | CentralEvent::RssiUpdate { id, .. } => RadioEvent::Heard(SystemSpot::new(adapter, id)),
        CentralEvent::DeviceConnected(_) | CentralEvent::DeviceServicesModified(_) => return Some(()),
    };
    match reports.events.try_send(event) {
        Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Some(()),
        Err(mpsc::error::TrySendError::Closed(_)) => None,
    }
}

#[async_trait]
impl Radio for System {
    type Spot = SystemSpot;

    async fn adapters(&self) -> Result<Vec<Adapter>, RadioError> {
        let found = self.survey().await;
        match &found {
            Ok(_) => {}
            // The service has gone, and with it whatever was listened to.
            Err(RadioError::NoService(_) | RadioError::NotAllowed) => *self.state() = State::default(),
            // The connection itself may be what is broken; the next look opens a new one.
            Err(RadioError::NotConnected | RadioError::Refused(_) | RadioError::Failed(_)) => {
                self.state().manager = None;
            }
        }
        found
    }

    async fn start_scan(&self, adapter: &AdapterName) -> Result<(), RadioError> {
        #[cfg(target_os = "linux")]
        return self.discovery().await?.start(adapter).await;
        #[cfg(not(target_os = "linux"))]
        self.adapter(adapter)?.start_scan(ScanFilter::default()).await.map_err(radio_error)
    }

    async fn stop_scan(&self, adapter: &AdapterName) -> Result<(), RadioError> {
        #[cfg(target_os = "linux")]
        return self.discovery().await?.stop(adapter).await;
        #[cfg(not(target_os = "linux"))]
        self.adapter(adapter)?.stop_scan().await.map_err(radio_error)
    }

    async fn known(&self, adapter: &AdapterName) -> Result<Vec<SystemSpot>, RadioError> {
        let peripherals = self.adapter(adapter)?.peripherals().await.map_err(radio_error)?;
        Ok(peripherals.into_iter().map(|peripheral| SystemSpot::new(adapter, peripheral.id())).collect())
    }

    async fn look(&self, spot: &SystemSpot) -> Result<View, RadioError> {
        let peripheral = self.peripheral(spot).await?;
        let properties = peripheral.properties().await.map_err(radio_error)?.unwrap_or_default();
        // Some hardware goes on advertising while it is connected.
        let connected = peripheral.is_connected().await.map_err(radio_error)?;
        let mut manufacturer_data: Vec<_> = properties.manufacturer_data.into_iter().collect();
        manufacturer_data.sort();
        let mut services: Vec<_> = properties.services.iter().map(|uuid| Uuid(uuid.as_u128())).collect();
        services.sort();
        let local = properties.local_name.filter(|name| !is_address(name, &spot.address));
        let name = properties.advertisement_name.or(local).unwrap_or_default();
        Ok(View { name, manufacturer_data, services, rssi: properties.rssi, connected })
    }

    async fn connect(&self, spot: &SystemSpot) -> Result<Box<dyn Peer>, RadioError> {
        let peripheral = self.peripheral(spot).await?;
        // Also when the system is connected already: then it only waits until the services are known.
        peripheral.connect().await.map_err(radio_error)?;
        peripheral.discover_services().await.map_err(radio_error)?;
        Ok(Box::new(SystemPeer::new(peripheral)))
    }

    async fn disconnect(&self, spot: &SystemSpot) -> Result<(), RadioError> {
        self.peripheral(spot).await?.disconnect().await.map_err(radio_error)
    }

    async fn shut_down(&self) {
        *self.state() = State::default();
    }
}

/// Without any name Linux makes one of the address.
fn is_address(name: &str, address: &str) -> bool {
    name.len() == address.len() && name.replace('-', ":").eq_ignore_ascii_case(address)
}

/// How Bluetooth stands now, asked of the system directly.
pub(crate) async fn survey() -> Result<Vec<Adapter>, RadioError> {
    let manager = manager().await?;
    let mut found = Vec::new();
    for adapter in manager.adapters().await.map_err(no_service)? {
        let name = adapter_name(&adapter.adapter_info().await.map_err(radio_error)?);
        found.push((name, is_on(&adapter).await));
    }
    gathered(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_on_every_adapter() {
        for (id, expected) in [
            ("hci0/dev_F0_82_05_9A_D3_BD", "F0:82:05:9A:D3:BD"),
            ("hci1/dev_F0_82_05_9A_D3_BD", "F0:82:05:9A:D3:BD"),
            ("F0:82:05:9A:D3:BD", "F0:82:05:9A:D3:BD"),
            ("0e7a5b0c-9e5a-4b1c-8d7e-0a1b2c3d4e5f", "0e7a5b0c-9e5a-4b1c-8d7e-0a1b2c3d4e5f"),
        ] {
            assert_eq!(address(id), expected);
        }
    }

    #[test]
    fn an_adapter_that_does_not_answer_says_nothing_about_the_others() {
        let failed = || Err(RadioError::Failed("busy".into()));
        let found = gathered(vec![("hci1".into(), Ok(true)), ("hci0".into(), failed())]);
        let adapter = |name: &str, powered| Adapter { name: name.into(), powered };
        assert_eq!(found, Ok(vec![adapter("hci0", None), adapter("hci1", Some(true))]));
        assert_eq!(gathered(vec![("hci0".into(), failed())]), Err(RadioError::Failed("busy".into())));
        assert_eq!(gathered(vec![]), Ok(vec![]));
    }

    #[test]
    fn an_adapter_has_a_short_name() {
        assert_eq!(&*adapter_name("hci0 (usb:v1D6Bp0246d0540)"), "hci0");
        assert_eq!(&*adapter_name("CoreBluetooth"), "CoreBluetooth");
    }

    #[test]
    fn a_name_made_of_the_address_is_none() {
        assert!(is_address("F0-82-05-9A-D3-BD", "F0:82:05:9A:D3:BD"));
        assert!(!is_address("LVS-Z001", "F0:82:05:9A:D3:BD"));
    }
}
