//! Stops on hardware that does not say whether a write has arrived, or on a link that stands still: no output waits for
//! another, and no toggle is pressed twice.

#![allow(clippy::expect_used, reason = "a broken world fails the test")]

mod rig;

use async_trait::async_trait;
use buttplug_hardware_simulated::Archetype::TwoMotorVibrator;
use buttplug_hardware_simulated::{SimulatedBus, SimulatedDevice};
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{Advertisement, BusKind, Sighting};
use buttplug_server::hardware::{Beginning, BusEvents, Hardware, HardwareBus, HardwareError, OpenHardware};
use buttplug_server::{Server, ServerBuilder};
use rig::{HANDSHAKE, TestClient, output, settle, sleep_ms, within};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

const STOP: &str = r#"[{"StopCmd":{"Id":40}}]"#;
const STOP_FIRST: &str = r#"[{"StopCmd":{"Id":41,"DeviceIndex":0,"FeatureIndex":0}}]"#;

/// How long a write waits for its end, and closing for the last writes: as on Bluetooth.
const CALL_TIME: Duration = Duration::from_secs(5);
const CLOSE_TIME: Duration = Duration::from_millis(600);

/// What a link does with writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// They arrive one after the other, and each is confirmed.
    Well,
    /// They arrive, and nobody says so.
    Silent,
    /// The first that is begun does not come through, and the others wait behind it.
    Still,
    /// So many are refused, and after that it is silent.
    Refusing(usize),
}

/// A link on which one write is under way at a time, and goes on whoever still waits for it.
struct Link {
    mood: Mood,
    /// Behind a bridge, which says why it has not done what it was asked for, or may have.
    bridged: bool,
    waiting: VecDeque<Ticket>,
    under_way: Option<Ticket>,
    arrived: Vec<(Instant, Frame)>,
}

struct Ticket {
    frame: Frame,
    beginning: Beginning,
    answer: oneshot::Sender<Result<(), HardwareError>>,
}

impl Link {
    fn go_on(&mut self) {
        while self.under_way.is_none() {
            let Some(ticket) = self.waiting.pop_front() else { return };
            if ticket.answer.is_closed() || !ticket.beginning.begin() {
                continue;
            }
            match self.mood {
                Mood::Still => self.under_way = Some(ticket),
                Mood::Refusing(left) => {
                    self.mood = left.checked_sub(2).map_or(Mood::Silent, |left| Mood::Refusing(left + 1));
                    let _ = ticket.answer.send(Err(HardwareError::Failed("not now".into())));
                }
                Mood::Silent => {
                    self.arrived.push((Instant::now(), ticket.frame.clone()));
                    // The answer does not come, and what comes next need not wait for it.
                    std::mem::forget(ticket.answer);
                }
                Mood::Well => {
                    self.arrived.push((Instant::now(), ticket.frame));
                    let _ = ticket.answer.send(Ok(()));
                }
            }
        }
    }
}

/// The same link for its bus, its hardware, and the test.
#[derive(Clone)]
struct Shared {
    link: Arc<Mutex<Link>>,
    changed: Arc<Notify>,
}

impl Shared {
    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().expect("nobody panics with it")
    }

    fn is(&self, mood: Mood) {
        let mut link = self.link();
        link.mood = mood;
        if mood == Mood::Well {
            if let Some(Ticket { frame, answer, .. }) = link.under_way.take() {
                link.arrived.push((Instant::now(), frame));
                let _ = answer.send(Ok(()));
            }
        }
        link.go_on();
        drop(link);
        self.changed.notify_waiters();
    }

    fn forget(&self) {
        self.link().arrived.clear();
    }

    /// What has arrived since `start`, as text.
    fn texts(&self, start: Instant) -> Vec<String> {
        let line = |(at, frame): &(Instant, Frame)| {
            format!("{} ms: {}", (*at - start).as_millis(), String::from_utf8_lossy(&frame.data))
        };
        self.link().arrived.iter().map(line).collect()
    }

    /// The first bytes of what has arrived.
    fn codes(&self) -> Vec<u8> {
        self.link().arrived.iter().map(|(_, frame)| frame.data[0]).collect()
    }
}

#[async_trait]
impl Hardware for Shared {
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError> {
        self.write_unless_called_off(frame, &Beginning::default()).await
    }

    async fn write_unless_called_off(
        &self,
        frame: &Frame,
        beginning: &Beginning,
    ) -> Result<(), HardwareError> {
        let (answer, answered) = oneshot::channel();
        let ticket = Ticket { frame: frame.clone(), beginning: beginning.clone(), answer };
        {
            let mut link = self.link();
            link.waiting.push_back(ticket);
            link.go_on();
        }
        match timeout(CALL_TIME, answered).await {
            Ok(answer) => answer.expect("an answer"),
            Err(_) if self.link().bridged => Err(HardwareError::Unconfirmed("the bridge is silent".into())),
            Err(_) => Err(HardwareError::TimedOut("a write")),
        }
    }

    async fn read(&self, _: Endpoint, _: u16) -> Result<Vec<u8>, HardwareError> {
        Err(HardwareError::NotSupported("reading"))
    }

    async fn subscribe(&self, _: Endpoint) -> Result<(), HardwareError> {
        Ok(())
    }

    async fn unsubscribe(&self, _: Endpoint) -> Result<(), HardwareError> {
        Ok(())
    }

    async fn close(&self) {
        let heard = async {
            loop {
                let changed = self.changed.notified();
                if self.link().mood == Mood::Well {
                    return;
                }
                changed.await;
            }
        };
        let _ = timeout(CLOSE_TIME, heard).await;
        self.is(Mood::Still);
    }
}

/// A bus whose one device hangs on that link.
struct Bus(SimulatedBus, Shared);

#[async_trait]
impl HardwareBus for Bus {
    fn kind(&self) -> BusKind {
        self.0.kind()
    }

    fn message_gap(&self, hardware: BusKind) -> Duration {
        self.0.message_gap(hardware)
    }

    async fn attach(&self, events: BusEvents) {
        self.0.attach(events).await;
    }

    async fn start_scanning(&self) -> Result<(), HardwareError> {
        self.0.start_scanning().await
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        self.0.stop_scanning().await
    }

    fn is_scanning(&self) -> bool {
        self.0.is_scanning()
    }

    async fn open(&self, sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        let open = self.0.open(sighting, wirings).await?;
        // The simulated one stays open as long as this one does.
        let hardware = Arc::new(Held { link: self.1.clone(), _held: open.hardware });
        Ok(OpenHardware { hardware, ..open })
    }

    async fn shut_down(&self) {
        self.0.shut_down().await;
    }
}

struct Held {
    link: Shared,
    _held: Arc<dyn Hardware>,
}

#[async_trait]
impl Hardware for Held {
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError> {
        self.link.write(frame).await
    }

    async fn write_unless_called_off(
        &self,
        frame: &Frame,
        beginning: &Beginning,
    ) -> Result<(), HardwareError> {
        self.link.write_unless_called_off(frame, beginning).await
    }

    async fn read(&self, endpoint: Endpoint, length: u16) -> Result<Vec<u8>, HardwareError> {
        self.link.read(endpoint, length).await
    }

    async fn subscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        self.link.subscribe(endpoint).await
    }

    async fn unsubscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        self.link.unsubscribe(endpoint).await
    }

    async fn close(&self) {
        self.link.close().await;
    }
}

struct World {
    server: Server,
    link: Shared,
    client: TestClient,
}

impl World {
    async fn with(
        bus: SimulatedBus,
        device: SimulatedDevice,
        settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let link = Link {
            mood: Mood::Well,
            bridged: false,
            waiting: VecDeque::new(),
            under_way: None,
            arrived: Vec::new(),
        };
        let link = Shared { link: Arc::new(Mutex::new(link)), changed: Arc::default() };
        bus.add(device);
        let server = settings(Server::builder().bus(Arc::new(Bus(bus, link.clone())))).start();
        let mut client = TestClient::of(&server).expect("the server takes clients");
        client.asks(HANDSHAKE).await;
        client.asks(r#"[{"StartScanning":{"Id":2}}]"#).await;
        // An F-Machine takes its time to connect.
        sleep_ms(5000).await;
        client.heard().await;
        assert_eq!(server.devices().len(), 1);
        Self { server, link, client }
    }

    /// Both motors of a vibrator run.
    async fn vibrator(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let device = SimulatedDevice::new(TwoMotorVibrator, "simulated:0");
        let mut world = Self::with(SimulatedBus::new([]), device, settings).await;
        for feature in [0, 1] {
            world.client.sets(0, feature, "Vibrate", 9).await;
        }
        settle().await;
        world.link.forget();
        world
    }

    /// An F-Machine that is switched on.
    async fn machine() -> Self {
        let bus = SimulatedBus::new([]).playing(BusKind::Bluetooth);
        let device = SimulatedDevice::bluetooth("fm", "FM-A");
        let mut world = Self::with(bus, device, |builder| builder).await;
        world.link.forget();
        world.client.sets(0, 0, "Oscillate", 1).await;
        sleep_ms(1000).await;
        assert!(world.runs(), "it is on");
        world
    }

    /// Whether the machine runs: each press of its switch turns it on or off.
    fn runs(&self) -> bool {
        self.link.codes().iter().filter(|code| **code == 1).count() % 2 == 1
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_the_confirmation_of_an_earlier_stop_of_another_output() {
    for leaves in [false, true] {
        let mut world = World::vibrator(|builder| builder).await;
        let mut other = TestClient::of(&world.server).expect("a second client");
        other.asks(HANDSHAKE).await;
        other.sets(0, 1, "Vibrate", 5).await;
        settle().await;
        world.link.forget();
        world.link.is(Mood::Silent);
        let start = Instant::now();
        if leaves {
            world.client.vanishes();
        } else {
            world.client.says(STOP_FIRST);
        }
        sleep_ms(500).await;
        assert_eq!(world.link.texts(start), ["0 ms: 0 Vibrate 0"]);
        other.says(STOP);
        sleep_ms(1000).await;
        let arrived = world.link.texts(start);
        assert_eq!(arrived, ["0 ms: 0 Vibrate 0", "700 ms: 0 Vibrate 0", "700 ms: 1 Vibrate 0"], "{leaves}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_output_whose_time_is_over_rests_although_another_write_is_not_confirmed() {
    for stopped in [false, true] {
        let mut world = World::vibrator(|builder| builder.user_configuration(max_run(2))).await;
        for feature in [0, 1] {
            world.client.sets(0, feature, "Vibrate", 8).await;
        }
        let start = Instant::now();
        sleep_ms(1000).await;
        world.link.is(Mood::Silent);
        if stopped {
            world.client.says(STOP_FIRST);
        } else {
            world.client.sets(0, 0, "Vibrate", 5).await;
        }
        sleep_ms(2000).await;
        let arrived = world.link.texts(start);
        let rests = |line: &String| line.starts_with("2200 ms") && line.ends_with("1 Vibrate 0");
        assert!(arrived.iter().any(rests), "{stopped}: {arrived:?}");
    }
}

fn max_run(seconds: u64) -> buttplug_server::configuration::UserConfiguration {
    let max_run = Some(Duration::from_secs(seconds));
    buttplug_server::configuration::UserConfiguration { max_run, ..Default::default() }
}

#[tokio::test(start_paused = true)]
async fn stops_one_after_the_other_that_are_not_confirmed_do_not_cost_the_device() {
    let mut world = World::vibrator(|builder| builder).await;
    world.link.is(Mood::Still);
    for _ in 0..16 {
        world.client.says(STOP);
        sleep_ms(300).await;
    }
    world.link.is(Mood::Well);
    sleep_ms(1000).await;
    assert_eq!(world.client.heard().await.len(), 16, "each is answered");
    assert_eq!(world.server.devices().len(), 1);
    assert!(world.server.running_devices().borrow().is_empty());
    world.client.sets(0, 0, "Vibrate", 3).await;
    settle().await;
    let last = world.link.link().arrived.last().map(|(_, frame)| frame.clone());
    assert_eq!(last, Some(Frame::new(Endpoint::Tx, b"0 Vibrate 3")));
}

#[tokio::test(start_paused = true)]
async fn a_zero_that_nobody_confirms_is_said_again_until_somebody_does() {
    let world = World::vibrator(|builder| builder).await;
    world.link.is(Mood::Still);
    let start = Instant::now();
    world.client.says(STOP);
    sleep_ms(7000).await;
    // What has begun arrives, and behind it all zeros, those too that had not begun when their time was over.
    world.link.is(Mood::Well);
    sleep_ms(1000).await;
    let arrived = world.link.texts(start);
    assert_eq!(arrived, ["7000 ms: 0 Vibrate 0", "7000 ms: 0 Vibrate 0", "7000 ms: 1 Vibrate 0"]);
    assert!(world.server.running_devices().borrow().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_switch_is_pressed_once_for_a_stop_however_long_the_link_stands_still_and_whatever_was_in_front() {
    // How often it is stopped, whether a value is under way already, and when the link recovers.
    for (stops, value, recovers) in [
        (1, false, 100),
        (1, false, 3000),
        (1, false, 7000),
        (5, false, 3000),
        (5, false, 12_000),
        (1, true, 3000),
        (1, true, 7000),
        (5, true, 12_000),
        (0, true, 12_000),
    ] {
        for bridged in [false, true] {
            a_switch_is_pressed_once(stops, value, recovers, bridged).await;
        }
    }
}

async fn a_switch_is_pressed_once(stops: u32, value: bool, recovers: u64, bridged: bool) {
    let case = (stops, value, recovers, bridged);
    let mut world = World::machine().await;
    world.link.link().bridged = bridged;
    world.link.is(Mood::Still);
    if value {
        world.client.sets(0, 0, "Oscillate", 3).await;
        sleep_ms(50).await;
    }
    if stops == 0 {
        // It is switched off as by any other value, and has not begun with that when a stop gives it up.
        world.client.sets(0, 0, "Oscillate", 0).await;
        sleep_ms(11_000).await;
        world.client.says(STOP);
    }
    for _ in 0..stops {
        world.client.says(STOP);
        sleep_ms(300).await;
    }
    sleep_ms(recovers).await;
    assert!(world.runs(), "{case:?}: nothing has come through");
    world.link.is(Mood::Well);
    sleep_ms(3000).await;
    assert!(!world.runs(), "{case:?}: {:?}", world.link.codes());
    assert!(world.server.running_devices().borrow().is_empty(), "{case:?}");
    world.client.says(STOP);
    sleep_ms(1000).await;
    assert!(!world.runs(), "{case:?}: it stays off");
    assert_eq!(world.server.devices().len(), 1, "{case:?}");
}

/// Belts run for as long as they were told to, so that a stop is a frame of its own.
#[tokio::test(start_paused = true)]
async fn a_stop_that_is_no_zero_arrives_behind_what_stands_still_whatever_comes_after_it() {
    for ends in [false, true] {
        let advertisement =
            Advertisement::Hid { vendor_id: 0x1f54, product_id: 1, product: "RealTouch".into() };
        let device = SimulatedDevice::playing(Sighting::new("belts", advertisement));
        let bus = SimulatedBus::new([]).playing(BusKind::Hid);
        let world = World::with(bus, device, |builder| builder).await;
        world.link.forget();
        world.link.is(Mood::Still);
        let runs = r#"{"HwPositionWithDuration":{"Value":90,"Duration":60000}}"#;
        world.client.says(output(7, 0, 0, runs));
        settle().await;
        world.client.says(STOP);
        sleep_ms(400).await;
        let (server, mut shutdown) = (world.server.clone(), None);
        if ends {
            shutdown = Some(tokio::spawn(async move { server.shut_down().await }));
        } else {
            world.client.says(STOP);
        }
        // At its end the program has no time left by then but for closing.
        sleep_ms(1900).await;
        world.link.is(Mood::Well);
        sleep_ms(1000).await;
        // Behind the number of the report: 02 moves the belts, 01 stops them.
        let codes: Vec<u8> = world.link.link().arrived.iter().map(|(_, frame)| frame.data[1]).collect();
        assert!(codes.starts_with(&[2]) && codes.ends_with(&[1]), "{ends}: {codes:?}");
        if let Some(shutdown) = shutdown {
            within(shutdown).await.expect("shutdown ends");
        }
        assert!(world.server.running_devices().borrow().is_empty(), "{ends}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_switch_is_pressed_once_when_the_program_ends_while_the_link_stands_still() {
    for recovers in [500, 1300, 1700] {
        let world = World::machine().await;
        world.link.is(Mood::Still);
        let server = world.server.clone();
        let shutdown = tokio::spawn(async move { server.shut_down().await });
        sleep_ms(recovers).await;
        world.link.is(Mood::Well);
        within(shutdown).await.expect("shutdown ends");
        assert!(!world.runs(), "{recovers}: {:?}", world.link.codes());
    }
}

#[tokio::test(start_paused = true)]
async fn zeros_that_are_not_confirmed_before_the_end_arrive_in_the_time_that_closing_has() {
    let mut world = World::vibrator(|builder| builder).await;
    world.client.sets(0, 0, "Vibrate", 8).await;
    settle().await;
    world.link.is(Mood::Still);
    let server = world.server.clone();
    let shutdown = tokio::spawn(async move { server.shut_down().await });
    sleep_ms(1700).await;
    world.link.forget();
    world.link.is(Mood::Well);
    within(shutdown).await.expect("shutdown ends");
    let arrived: Vec<Vec<u8>> =
        world.link.link().arrived.iter().map(|(_, frame)| frame.data.to_vec()).collect();
    for zero in ["0 Vibrate 0", "1 Vibrate 0"] {
        assert!(arrived.contains(&zero.as_bytes().to_vec()), "{zero}");
    }
}

#[tokio::test(start_paused = true)]
async fn hardware_that_confirms_nothing_is_closed_within_the_time_that_the_end_of_the_program_has() {
    // The last of these refuses its zeros for almost as long as it is tried, and confirms none after that.
    for mood in [Mood::Silent, Mood::Still, Mood::Refusing(12), Mood::Refusing(28)] {
        let world = World::vibrator(|builder| builder).await;
        world.link.is(mood);
        let begun = Instant::now();
        within(world.server.shut_down()).await;
        assert!(begun.elapsed() <= Duration::from_millis(2200), "{mood:?}: {:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_given_up_gets_all_its_zeros_at_once() {
    let world = World::vibrator(|builder| builder).await;
    // Two zeros, six times: then it counts as gone.
    world.link.is(Mood::Refusing(12));
    world.client.says(STOP);
    sleep_ms(3000).await;
    let arrived = world.link.link().arrived.clone();
    assert_eq!(arrived.len(), 2, "{arrived:?}");
    assert_eq!(arrived[0].0, arrived[1].0, "one that is waited for in vain does not hold up the other");
    sleep_ms(5000).await;
    assert!(world.server.devices().is_empty());
}
