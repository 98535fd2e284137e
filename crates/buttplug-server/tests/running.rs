//! Which devices run is known at every moment, so that they can be stopped by whoever comes after a server that died.

mod rig;

use async_trait::async_trait;
use buttplug_hardware_simulated::Archetype::{OneMotorVibrator, Stroker, TwoMotorVibrator};
use buttplug_hardware_simulated::{SimulatedBus, SimulatedDevice};
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::Server;
use buttplug_server::configuration::{DeviceConfiguration, DeviceIdentity, UserConfiguration};
use buttplug_server::hardware::{BusEvent, BusEvents, HardwareBus, HardwareError, OpenHardware};
use rig::{HANDSHAKE, Rig, TestClient, lovense, output, settle, sleep_ms, texts, within};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A device that ran when an earlier server died.
fn ran(address: &str) -> DeviceIdentity {
    DeviceIdentity {
        bus: BusKind::Simulated,
        protocol: "simulated".into(),
        identifier: None,
        address: address.into(),
    }
}

const STOP: &str = r#"[{"StopCmd":{"Id":40}}]"#;

fn running(server: &Server) -> Vec<String> {
    server.running_devices().borrow().iter().map(|device| device.address.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_device_runs_from_its_first_value_until_all_its_zeros_have_arrived() {
    let rig = Rig::new(&[OneMotorVibrator, TwoMotorVibrator]).await;
    let mut client = rig.client().await;
    let mut word = rig.server.running_devices();
    assert!(word.borrow_and_update().is_empty());
    for feature in [0, 1] {
        client.sets(1, feature, "Vibrate", 9).await;
    }
    settle().await;
    assert_eq!(running(&rig.server), ["simulated:1"]);
    word.mark_unchanged();
    for value in [5, 7, 0] {
        client.sets(1, 0, "Vibrate", value).await;
        settle().await;
        assert!(!word.has_changed().unwrap(), "only changes between rest and motion count");
    }
    rig.devices[1].slow_writes(Duration::from_millis(300));
    client.says(STOP);
    sleep_ms(200).await;
    assert_eq!(running(&rig.server), ["simulated:1"], "its zeros are on their way");
    sleep_ms(500).await;
    assert!(running(&rig.server).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_movement_to_a_position_ends_by_itself() {
    let rig = Rig::new(&[Stroker]).await;
    let mut client = rig.client().await;
    client.asks(output(5, 0, 0, r#"{"HwPositionWithDuration":{"Value":50,"Duration":1000}}"#)).await;
    settle().await;
    assert!(running(&rig.server).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_lost_while_it_runs_counts_until_it_is_back_and_at_rest() {
    let rig = Rig::new(&[OneMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    rig.devices[0].vanish();
    sleep_ms(100).await;
    assert_eq!((rig.server.devices().len(), running(&rig.server).len()), (0, 1));
    rig.devices[0].reappear();
    rig.find().await;
    settle().await;
    assert!(running(&rig.server).is_empty() && rig.devices[0].is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_lost_while_it_runs_is_searched_for_and_stopped_without_any_client() {
    let rig = Rig::new(&[OneMotorVibrator, OneMotorVibrator]).await;
    let stranger = SimulatedDevice::new(OneMotorVibrator, "simulated:stranger");
    rig.bus.add(stranger.clone());
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    rig.devices[0].vanish();
    sleep_ms(30_000).await;
    rig.devices[0].forget_writes();
    rig.devices[0].reappear();
    sleep_ms(10_000).await;
    assert_eq!(texts(&rig.devices[0]), ["0 Vibrate 0"]);
    assert!(running(&rig.server).is_empty());
    let seen: Vec<_> = rig.server.devices().iter().map(|device| device.index.0).collect();
    assert_eq!(seen, [0, 1], "it is back under its index, and nobody else was asked in");
    assert!(!stranger.is_connected());
    assert!(client.heard().await.iter().all(|heard| !heard.contains("ScanningFinished")));
    sleep_ms(20_000).await;
    assert!(!rig.bus.is_scanning(), "and the search is over");
}

/// A bus that searches until it is told to stop, as a radio does.
struct Tireless {
    bus: SimulatedBus,
    searching: AtomicBool,
}

impl Tireless {
    fn new(bus: SimulatedBus) -> Arc<Self> {
        Arc::new(Self { bus, searching: AtomicBool::default() })
    }
}

#[async_trait]
impl HardwareBus for Tireless {
    fn kind(&self) -> BusKind {
        self.bus.kind()
    }

    fn message_gap(&self, hardware: BusKind) -> Duration {
        self.bus.message_gap(hardware)
    }

    async fn attach(&self, events: BusEvents) {
        let (all, mut seen) = mpsc::channel(8);
        self.bus.attach(all).await;
        tokio::spawn(async move {
            while let Some(event) = seen.recv().await {
                if event != BusEvent::ScanningFinished && events.send(event).await.is_err() {
                    return;
                }
            }
        });
    }

    async fn start_scanning(&self) -> Result<(), HardwareError> {
        self.searching.store(true, Ordering::Release);
        self.bus.start_scanning().await
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        self.searching.store(false, Ordering::Release);
        self.bus.stop_scanning().await
    }

    fn is_scanning(&self) -> bool {
        self.searching.load(Ordering::Acquire)
    }

    async fn open(&self, sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        self.bus.open(sighting, wirings).await
    }

    async fn shut_down(&self) {
        self.bus.shut_down().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_search_that_a_client_has_ended_lets_nobody_in_when_a_lost_device_is_searched_for() {
    let device = SimulatedDevice::new(OneMotorVibrator, "simulated:0");
    let bus = Tireless::new(SimulatedBus::new([device.clone()]));
    let server = Server::builder().bus(Arc::<Tireless>::clone(&bus)).start();
    let mut client = TestClient::of(&server).unwrap();
    client.asks(HANDSHAKE).await;
    client.asks(r#"[{"StartScanning":{"Id":2}}]"#).await;
    within(device.wait_for(SimulatedDevice::is_connected)).await;
    settle().await;
    client.says(r#"[{"StopScanning":{"Id":3}}]"#);
    client.says(output(4, 0, 0, r#"{"Vibrate":{"Value":9}}"#));
    settle().await;
    let stranger = SimulatedDevice::new(OneMotorVibrator, "simulated:stranger");
    bus.bus.add(stranger.clone());
    device.vanish();
    sleep_ms(30_000).await;
    device.reappear();
    sleep_ms(10_000).await;
    assert!(device.is_connected() && device.is_at_rest());
    assert!(!stranger.is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_lost_at_rest_is_not_searched_for() {
    let rig = Rig::new(&[OneMotorVibrator]).await;
    rig.devices[0].vanish();
    sleep_ms(100).await;
    rig.devices[0].reappear();
    sleep_ms(600_000).await;
    assert!(!rig.devices[0].is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_searches_meanwhile_hears_of_its_end_once() {
    let mut rig = Rig::new(&[OneMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    rig.devices[0].vanish();
    sleep_ms(12_000).await;
    client.asks(r#"[{"StartScanning":{"Id":2}}]"#).await;
    sleep_ms(25_000).await;
    let heard = client.heard().await;
    let ends = heard.iter().filter(|heard| heard.contains("ScanningFinished")).count();
    assert_eq!(ends, 1, "{heard:?}");
    rig.add(OneMotorVibrator).await;
    assert_eq!(rig.server.devices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_ran_when_an_earlier_server_died_is_found_and_stopped_without_any_client() {
    let device = SimulatedDevice::new(OneMotorVibrator, "simulated:0");
    let calm = SimulatedDevice::new(OneMotorVibrator, "simulated:1");
    // One that never finishes its search by itself, and one on which it can't be.
    let bus = Tireless::new(SimulatedBus::new([device.clone(), calm.clone()]));
    let other = Tireless::new(SimulatedBus::new([]).playing(BusKind::Serial));
    let server = Server::builder()
        .running_before(vec![ran("simulated:0"), ran("simulated:gone")])
        .bus(Arc::<Tireless>::clone(&other))
        .bus(Arc::<Tireless>::clone(&bus))
        .start();
    assert_eq!(running(&server), ["simulated:0", "simulated:gone"]);
    let begun = Instant::now();
    within(server.running_devices().wait_for(|running| running.len() == 1)).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO, "at once");
    settle().await;
    assert_eq!(texts(&device), ["0 Vibrate 0"]);
    // A client comes, searches, and ends that.
    let mut client = TestClient::of(&server).unwrap();
    client.asks(HANDSHAKE).await;
    sleep_ms(60 * 60 * 1000).await;
    assert!(bus.is_scanning() && !other.is_scanning());
    assert!(!calm.is_connected(), "whoever did not run is left alone");
    client.says(r#"[{"StartScanning":{"Id":2}}]"#);
    within(calm.wait_for(SimulatedDevice::is_connected)).await;
    client.says(r#"[{"StopScanning":{"Id":3}}]"#);
    let stranger = SimulatedDevice::new(OneMotorVibrator, "simulated:stranger");
    bus.bus.add(stranger.clone());
    sleep_ms(30 * 60 * 1000).await;
    assert!(!stranger.is_connected());
    sleep_ms(31 * 60 * 1000).await;
    assert!(!bus.is_scanning(), "there is no hope left");
    assert_eq!(running(&server), ["simulated:gone"]);
    server.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_takes_no_zeros_is_not_sought_for_ever() {
    let rig = Rig::new(&[OneMotorVibrator]).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    rig.devices[0].fail_writes(true);
    client.says(STOP);
    sleep_ms(290_000).await;
    let found = rig.server.statistics().reconnects;
    assert!(found > 10, "it is found, and lost again: {found}");
    sleep_ms(20_000).await;
    let found = rig.server.statistics().reconnects;
    sleep_ms(600_000).await;
    assert_eq!((rig.server.statistics().reconnects, rig.server.devices().len()), (found, 0));
    // Whoever finds it is not alone with it: once more it is sought when it is lost.
    rig.find().await;
    sleep_ms(60_000).await;
    assert!(rig.server.statistics().reconnects > found + 2);
    rig.devices[0].fail_writes(false);
    within(rig.devices[0].wait_for(SimulatedDevice::is_at_rest)).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_may_not_stay_is_stopped_and_takes_no_index() {
    let before = SimulatedDevice::new(OneMotorVibrator, "simulated:before");
    let bus = Arc::new(SimulatedBus::new([before.clone()]));
    let denied =
        DeviceConfiguration { address: before.address(), deny: true, ..DeviceConfiguration::default() };
    let configuration = UserConfiguration { devices: vec![denied], ..UserConfiguration::default() };
    let server = Server::builder()
        .running_before(vec![ran("simulated:before")])
        .user_configuration(configuration)
        .bus(Arc::<SimulatedBus>::clone(&bus))
        .start();
    within(server.running_devices().wait_for(|running| running.is_empty())).await.unwrap();
    assert_eq!(texts(&before), ["0 Vibrate 0"]);
    let other = SimulatedDevice::new(OneMotorVibrator, "simulated:other");
    bus.add(other.clone());
    let mut client = TestClient::of(&server).unwrap();
    client.asks(HANDSHAKE).await;
    client.says(r#"[{"StartScanning":{"Id":2}}]"#);
    within(other.wait_for(SimulatedDevice::is_connected)).await;
    settle().await;
    let seen: Vec<_> = server.devices().iter().map(|device| device.index.0).collect();
    assert_eq!(seen, [0]);
}

/// A rig with a device that was lost while it ran, and is being connected again: its handshake has begun.
async fn coming_back(answers: bool) -> (Rig, SimulatedDevice) {
    let mut rig = Rig::playing(BusKind::Bluetooth).await;
    let device = rig.add_device(lovense("AA:BB", "Z")).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    device.vanish();
    settle().await;
    device.forget_writes();
    device.slow_writes(Duration::from_millis(if answers { 150 } else { 4_000 }));
    device.reappear();
    client.says(r#"[{"StartScanning":{"Id":2}}]"#);
    within(device.wait_for(SimulatedDevice::is_connected)).await;
    assert!(rig.server.devices().is_empty());
    (rig, device)
}

#[tokio::test(start_paused = true)]
async fn a_device_that_ran_and_is_just_connecting_when_the_server_ends_gets_its_zeros() {
    let (rig, device) = coming_back(true).await;
    within(rig.server.shut_down()).await;
    assert_eq!(texts(&device).last().map(String::as_str), Some("Vibrate:0;"));
    assert!(running(&rig.server).is_empty() && !device.is_connected());
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_come_soon_does_not_keep_the_server_from_its_end() {
    let (rig, _device) = coming_back(false).await;
    let begun = Instant::now();
    within(rig.server.shut_down()).await;
    assert!(begun.elapsed() <= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(running(&rig.server), ["AA:BB"], "the next server has to know");
}
