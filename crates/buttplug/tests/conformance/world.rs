//! The world of the statements: the server with the devices D0 to D3, which are simulated and say what they were told.

use crate::client::{Client, FOR_EVER};
use crate::link::Link;
use crate::transport::Transport;
use async_trait::async_trait;
use buttplug::core::{FeatureIndex, OutputKind};
use buttplug::embedded::Server;
use buttplug::embedded::configuration::{DeviceConfiguration, UserConfiguration};
use buttplug::embedded::hardware::{BusEvents, HardwareBus, HardwareError, OpenHardware};
use buttplug::embedded::protocols::catalogue::{Catalogue, Wiring};
use buttplug::embedded::protocols::frame::Endpoint;
use buttplug::embedded::protocols::sighting::{Advertisement, BusKind, Sighting};
use buttplug::websocket::{WebSocketLimits, WebSocketListener};
use buttplug_hardware_simulated::{SimulatedBus, SimulatedDevice, Told};
use serde_json::{Value, json};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// The devices D0 to D3.
const FIXTURE: [&str; 4] = ["twin", "spinner", "stroker", "pump"];

/// What the battery of a device has left, in percent.
const CHARGE: u8 = 85;

pub(crate) struct World {
    pub(crate) transport: Transport,
    pub(crate) server: Server,
    /// In the order in which they came, which is that of their indexes.
    pub(crate) devices: Vec<SimulatedDevice>,
    /// Searches as long as it is wanted.
    pub(crate) searcher: Arc<Searcher>,
    bus: Arc<SimulatedBus>,
    address: Option<SocketAddr>,
}

impl World {
    /// The server with D0 to D3 and without watchdog.
    pub(crate) async fn new(transport: Transport) -> Self {
        Self::with_max_ping(transport, 0).await
    }

    /// The same with a watchdog, in milliseconds.
    pub(crate) async fn with_max_ping(transport: Transport, ms: u64) -> Self {
        let mut world = Self::start(transport, ms).await;
        for model in FIXTURE {
            world.add(model).await;
        }
        world
    }

    /// The server without devices.
    pub(crate) async fn empty(transport: Transport) -> Self {
        Self::start(transport, 0).await
    }

    async fn start(transport: Transport, max_ping_ms: u64) -> Self {
        let mut catalogue = Catalogue::builtin();
        catalogue.add_definition("conformance.toml", include_str!("devices.toml")).unwrap();
        let bus = Arc::new(SimulatedBus::new([]));
        let searcher = Arc::new(Searcher::default());
        let blue = DeviceConfiguration {
            address: "simulated:pump".into(),
            display_name: Some("Blue".into()),
            ..DeviceConfiguration::default()
        };
        let server = Server::builder()
            .name("Bench")
            .max_ping_time(Duration::from_millis(max_ping_ms))
            .catalogue(catalogue)
            .user_configuration(UserConfiguration { devices: vec![blue], ..UserConfiguration::default() })
            .bus(Arc::clone(&bus) as _)
            .bus(Arc::clone(&searcher) as _)
            .start();
        let address = match transport {
            Transport::Socket => Some(listen(&server).await),
            Transport::Memory | Transport::InProcess => None,
        };
        Self { transport, server, devices: Vec::new(), searcher, bus, address }
    }

    /// Adds a device of this model and has the server find it.
    pub(crate) async fn add(&mut self, model: &str) -> SimulatedDevice {
        let archetype = model.to_owned();
        let advertisement = Advertisement::Simulated { archetype };
        let device = SimulatedDevice::playing(Sighting::new(format!("simulated:{model}"), advertisement));
        device.set_battery(CHARGE);
        self.bus.add(device.clone());
        self.devices.push(device.clone());
        self.find().await;
        device
    }

    /// Searches, as some other client, until every device that is there is in the list.
    pub(crate) async fn find(&self) {
        let expected = self.devices.iter().filter(|device| device.is_present()).count();
        let mut other = Client::new(Link::memory(&self.server), &self.server);
        other.introduces_itself(4).await;
        other.says_message("StartScanning", json!({})).await;
        while self.server.devices().len() != expected {
            other.hears().await;
        }
        other.vanishes();
        self.searcher.searches_on(false).await;
    }

    /// A connection without handshake: S0.
    pub(crate) async fn stranger(&self) -> Client {
        let link = match self.address {
            Some(address) => Link::socket(address).await,
            None if self.transport == Transport::Memory => Link::memory(&self.server),
            None => Link::in_process(&self.server).await,
        };
        Client::new(link, &self.server)
    }

    /// A session of this version: S1 to S4, and one of version 0.
    pub(crate) async fn session(&self, version: u32) -> Client {
        let mut client = self.stranger().await;
        client.introduces_itself(version).await;
        client
    }

    /// What an output of a device was last told; 0 if nothing.
    pub(crate) fn hw(&self, device: usize, feature: u32, kind: OutputKind) -> i32 {
        self.devices[device].last(FeatureIndex(feature), kind).map_or(0, |told| told.value)
    }

    /// Everything that a device was told, oldest first.
    pub(crate) fn told(&self, device: usize) -> Vec<String> {
        let writes = self.devices[device].writes();
        writes.iter().map(|write| String::from_utf8_lossy(&write.frame.data).into_owned()).collect()
    }

    /// Waits until this is what an output of a device was told last.
    pub(crate) async fn reaches_hw(&self, device: usize, feature: u32, kind: OutputKind, value: i32) {
        self.reaches_hw_timed(device, feature, kind, value, 0).await;
    }

    /// The same for a timed position.
    pub(crate) async fn reaches_hw_timed(
        &self,
        device: usize,
        feature: u32,
        kind: OutputKind,
        value: i32,
        duration_ms: u32,
    ) {
        self.is_told(device, feature, kind, |told| told == Told { value, duration_ms }).await;
    }

    /// The same for a timed position whose duration is left to the server.
    pub(crate) async fn reaches_hw_at_some_time(
        &self,
        device: usize,
        feature: u32,
        kind: OutputKind,
        value: i32,
    ) {
        self.is_told(device, feature, kind, |told| told.value == value).await;
    }

    async fn is_told(&self, device: usize, feature: u32, kind: OutputKind, expected: impl Fn(Told) -> bool) {
        let hardware = &self.devices[device];
        let told =
            |hardware: &SimulatedDevice| hardware.last(FeatureIndex(feature), kind).is_some_and(&expected);
        let outcome = timeout(FOR_EVER, hardware.wait_for(told)).await;
        assert!(
            outcome.is_ok(),
            "D{device} f{feature} {kind}, instead of what was expected: {:?}",
            self.told(device)
        );
    }

    /// Sets an output, as a client of version 4, and waits until the device knows.
    pub(crate) async fn sets(
        &self,
        client: &mut Client,
        (device, feature, kind, value): (usize, u32, OutputKind, i32),
    ) {
        let index = u32::try_from(device).unwrap();
        client.gets_ok("OutputCmd", crate::frames::drive(index, feature, kind.name(), value)).await;
        self.reaches_hw(device, feature, kind, value).await;
    }

    /// Every output that can be at rest is.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.devices.iter().all(SimulatedDevice::is_at_rest)
    }

    /// Waits until D3 is asked for its pressure, or no longer.
    pub(crate) async fn pressure_is_wanted(&self, wanted: bool) {
        let is_so = |device: &SimulatedDevice| device.is_subscribed(Endpoint::RxPressure) == wanted;
        let outcome = timeout(FOR_EVER, self.devices[3].wait_for(is_so)).await;
        assert!(outcome.is_ok(), "D3 subscribed: {}", !wanted);
    }
}

impl Client {
    /// Opens a session of this version.
    pub(crate) async fn introduces_itself(&mut self, version: u32) -> Value {
        let fields = match version {
            0 => json!({"ClientName": "Statement"}),
            1..=3 => json!({"ClientName": "Statement", "MessageVersion": version}),
            _ => {
                json!({"ClientName": "Statement", "ProtocolVersionMajor": version, "ProtocolVersionMinor": 0})
            }
        };
        let answer = self.asks("RequestServerInfo", fields).await;
        assert!(answer["ServerInfo"].is_object(), "{answer}");
        answer
    }
}

async fn listen(server: &Server) -> SocketAddr {
    let addresses = ["127.0.0.1:0".parse().unwrap()];
    let listener = WebSocketListener::bind(&addresses, WebSocketLimits::default()).await.unwrap();
    let address = listener.local_addresses()[0];
    tokio::spawn(listener.run(Arc::new(server.clone()), pending()));
    address
}

/// A bus that finds nothing and never ends a search by itself.
#[derive(Default)]
pub(crate) struct Searcher {
    state: watch::Sender<Searching>,
    reports: std::sync::Mutex<Option<BusEvents>>,
}

#[derive(Clone, Copy, Default)]
struct Searching {
    going_on: bool,
    begun: u32,
}

impl Searcher {
    /// How many searches have begun so far.
    pub(crate) fn searches(&self) -> u32 {
        self.state.borrow().begun
    }

    /// Waits until a search is going on, or none.
    pub(crate) async fn searches_on(&self, wanted: bool) {
        let mut state = self.state.subscribe();
        let outcome = timeout(FOR_EVER, state.wait_for(|state| state.going_on == wanted)).await;
        assert!(outcome.is_ok(), "a search is going on: {}", !wanted);
    }
}

#[async_trait]
impl HardwareBus for Searcher {
    fn kind(&self) -> BusKind {
        BusKind::Serial
    }

    fn message_gap(&self, _hardware: BusKind) -> Duration {
        Duration::ZERO
    }

    async fn attach(&self, events: BusEvents) {
        // Dropping it would be the end of the bus.
        *self.reports.lock().unwrap() = Some(events);
    }

    async fn start_scanning(&self) -> Result<(), HardwareError> {
        self.state.send_modify(|state| {
            state.begun += u32::from(!state.going_on);
            state.going_on = true;
        });
        Ok(())
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        self.state.send_modify(|state| state.going_on = false);
        Ok(())
    }

    fn is_scanning(&self) -> bool {
        self.state.borrow().going_on
    }

    async fn open(&self, _sighting: &Sighting, _wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        Err(HardwareError::Gone)
    }

    async fn shut_down(&self) {
        *self.reports.lock().unwrap() = None;
    }
}
