//! The bus against an app of ours, which answers as the maker's does. Time is paused.

mod conformance;

use super::answers;
use super::bus::{ConnectBus, ConnectSettings};
use super::limits::{COMMAND_GAP, ConnectTimes};
use super::web::{Web, WebError};
use async_trait::async_trait;
use buttplug_client::core::{InputKind, OutputKind};
use buttplug_client::{Client, Device, Event, Output, Value};
use buttplug_connector_inprocess::InProcessConnector;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::Server;
use buttplug_server::hardware::{BusEvent, HardwareBus, HardwareError, HardwareEvent, OpenHardware};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

const DIRECTORY: &str =
    r#"{"192-168-1-44.lovense.club":{"domain":"192-168-1-44.lovense.club","httpPort":"34567"}}"#;
const HOST: &str = "192.168.1.44:34567";

/// The app, and the directory that names it.
struct App {
    state: Mutex<State>,
    start: Instant,
}

struct State {
    directory: Result<String, WebError>,
    toys: Result<String, WebError>,
    /// How long an answer to a command takes; `None`: for ever.
    delay: Option<Duration>,
    /// Who asked for what, with the milliseconds since the start.
    asked: Vec<(u128, String)>,
}

fn toy(id: &str, name: &str, status: bool, battery: u8) -> String {
    format!(
        r#""{id}":{{"id":"{id}","name":"{name}","nickName":"","status":{status},"battery":{battery},"version":""}}"#
    )
}

fn list(toys: &[String]) -> String {
    format!(r#"{{"type":"OK","code":200,"data":{{{}}}}}"#, toys.join(","))
}

fn away() -> WebError {
    WebError::Unreachable { host: HOST.into(), reason: String::from("nobody there") }
}

impl App {
    fn new(toys: &[String]) -> Arc<Self> {
        let state = State {
            directory: Ok(DIRECTORY.into()),
            toys: Ok(list(toys)),
            delay: Some(Duration::from_millis(5)),
            asked: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state), start: Instant::now() })
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    fn note(&self, what: &str) {
        let after = self.start.elapsed().as_millis();
        self.change(|state| state.asked.push((after, what.into())));
    }

    /// When this was asked for.
    fn asked(&self, what: &str) -> Vec<u128> {
        let state = self.state.lock().unwrap();
        state.asked.iter().filter(|(_, asked)| asked == what).map(|(at, _)| *at).collect()
    }

    /// The commands so far.
    fn commands(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let commands = state.asked.iter().filter(|(_, asked)| asked.contains('?'));
        commands.map(|(_, asked)| asked.clone()).collect()
    }
}

#[async_trait]
impl Web for App {
    async fn directory(&self) -> Result<Vec<u8>, WebError> {
        self.note("directory");
        self.state.lock().unwrap().directory.clone().map(String::into_bytes)
    }

    async fn get(&self, host: SocketAddr, path: &str) -> Result<Vec<u8>, WebError> {
        assert_eq!(host.to_string(), HOST);
        self.note(path);
        self.state.lock().unwrap().toys.clone().map(String::into_bytes)
    }

    async fn tell(&self, _host: SocketAddr, path: &str) -> Result<(), WebError> {
        let delay = self.state.lock().unwrap().delay;
        match delay {
            Some(delay) => sleep(delay).await,
            None => pending().await,
        }
        self.note(path);
        Ok(())
    }
}

struct World {
    app: Arc<App>,
    bus: Arc<ConnectBus>,
    events: mpsc::Receiver<BusEvent>,
}

impl World {
    async fn new(toys: &[String]) -> Self {
        Self::with(toys, ConnectSettings::default()).await
    }

    async fn with(toys: &[String], settings: ConnectSettings) -> Self {
        let app = App::new(toys);
        let bus = Arc::new(ConnectBus::with_web(settings, app.clone()));
        let (sender, events) = mpsc::channel(8);
        bus.attach(sender).await;
        Self { app, bus, events }
    }

    async fn sighted(&mut self) -> Sighting {
        match timeout(Duration::from_secs(60), self.events.recv()).await {
            Ok(Some(BusEvent::Sighted(sighting))) => sighting,
            other => panic!("no sighting but {other:?}"),
        }
    }

    async fn open(&mut self) -> OpenHardware {
        self.bus.start_scanning().await.unwrap();
        let sighting = self.sighted().await;
        self.bus.stop_scanning().await.unwrap();
        self.bus.open(&sighting, &[&Wiring::Direct]).await.unwrap()
    }
}

fn frame(text: &str) -> Frame {
    Frame::new(Endpoint::Tx, text.as_bytes())
}

async fn end(hardware: &mut OpenHardware) -> String {
    match timeout(Duration::from_secs(60), hardware.events.recv()).await {
        Ok(Some(HardwareEvent::Gone(reason))) => reason,
        other => panic!("no end but {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_before_a_search_and_then_every_ten_seconds() {
    let mut world = World::new(&[toy("d0f00baa1234", "Lush", true, 85), toy("b", "Edge", false, 1)]).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.app.state.lock().unwrap().asked, []);
    world.bus.start_scanning().await.unwrap();
    assert!(world.bus.is_scanning());
    let sighting = world.sighted().await;
    assert_eq!((sighting.bus(), sighting.address.as_str()), (BusKind::LovenseConnect, "d0f00baa1234"));
    assert_eq!(sighting.name(), "Lush");
    assert_eq!(world.sighted().await, sighting, "again with the next pass");
    assert_eq!(world.app.asked("directory"), [30_000], "only while no app is known");
    assert_eq!(world.app.asked("/GetToys"), [30_000, 40_000]);
    world.bus.stop_scanning().await.unwrap();
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.app.asked("/GetToys"), [30_000, 40_000]);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_is_not_there_and_a_directory_that_talks_nonsense_are_asked_again() {
    let mut world = World::new(&[toy("a", "Lush", true, 1)]).await;
    world.app.change(|state| state.directory = Err(away()));
    world.bus.start_scanning().await.unwrap();
    sleep(Duration::from_secs(11)).await;
    for nonsense in ["<html>", "{}", "[]"] {
        world.app.change(|state| state.directory = Ok(nonsense.into()));
        sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(world.app.asked("directory").len(), 5);
    world.app.change(|state| {
        state.directory = Ok(DIRECTORY.into());
        state.toys = Err(away());
    });
    sleep(Duration::from_secs(20)).await;
    assert_eq!(world.app.asked("directory").len(), 7, "an app without an answer is forgotten");
    let toys = list(&[toy("a", "Lush", true, 1)]);
    world.app.change(|state| state.toys = Ok(toys));
    assert_eq!(world.sighted().await.address, "a");
}

#[tokio::test(start_paused = true)]
async fn an_app_that_a_person_has_named_needs_no_directory() {
    let settings = ConnectSettings { hosts: vec![HOST.parse().unwrap()], ..ConnectSettings::default() };
    let mut world = World::with(&[toy("a", "Lush", true, 1)], settings).await;
    world.app.change(|state| state.toys = Err(away()));
    world.bus.start_scanning().await.unwrap();
    sleep(Duration::from_secs(11)).await;
    let toys = list(&[toy("a", "Lush", true, 1)]);
    world.app.change(|state| state.toys = Ok(toys));
    assert_eq!(world.sighted().await.address, "a");
    assert_eq!(world.app.asked("directory"), []);
}

#[tokio::test(start_paused = true)]
async fn commands_are_paths_and_go_in_their_order() {
    let mut world = World::new(&[toy("a", "Edge", true, 85)]).await;
    let open = world.open().await;
    let (first, second) = (frame("Vibrate1?v=10&t=a"), frame("Vibrate2?v=0&t=a"));
    let (one, two) = tokio::join!(open.hardware.write(&first), open.hardware.write(&second));
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert_eq!(world.app.commands(), ["/Vibrate1?v=10&t=a", "/Vibrate2?v=0&t=a"]);
    assert!(open.hardware.write(&Frame::new(Endpoint::Tx, &[0xff])).await.is_err());
    assert!(open.hardware.subscribe(Endpoint::Rx).await.is_err());
    assert_eq!(world.bus.message_gap(BusKind::LovenseConnect), COMMAND_GAP);
}

#[tokio::test(start_paused = true)]
async fn a_command_without_an_answer_ends_and_the_next_one_goes() {
    let mut world = World::new(&[toy("a", "Lush", true, 85)]).await;
    let open = world.open().await;
    world.app.change(|state| state.delay = None);
    let start = Instant::now();
    let stalled = open.hardware.write(&frame("Vibrate1?v=9&t=a")).await;
    assert!(matches!(stalled, Err(HardwareError::TimedOut(_))), "{stalled:?}");
    assert_eq!(start.elapsed(), ConnectTimes::default().write);
    // Nobody waits for this one any more, and the stop behind it comes through.
    assert!(
        timeout(Duration::from_millis(10), open.hardware.write(&frame("Vibrate1?v=8&t=a"))).await.is_err()
    );
    world.app.change(|state| state.delay = Some(Duration::ZERO));
    assert_eq!(open.hardware.write(&frame("Vibrate1?v=0&t=a")).await, Ok(()));
    assert_eq!(world.app.commands(), ["/Vibrate1?v=0&t=a"]);
}

#[tokio::test(start_paused = true)]
async fn the_battery_follows_the_list_which_is_asked_for_once_a_second() {
    let mut world = World::new(&[toy("a", "Lush", true, 85)]).await;
    let open = world.open().await;
    assert_eq!(open.hardware.read(Endpoint::Rx, 20).await, Ok(vec![85]));
    let toys = list(&[toy("a", "Lush", true, 84)]);
    world.app.change(|state| {
        state.toys = Ok(toys);
        state.asked.clear();
    });
    sleep(Duration::from_millis(5500)).await;
    assert_eq!(open.hardware.read(Endpoint::Rx, 20).await, Ok(vec![84]));
    assert_eq!(world.app.asked("/GetToys").len(), 5);
    open.hardware.close().await;
    world.app.change(|state| state.asked.clear());
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.app.asked("/GetToys"), [], "nobody has a toy");
}

#[tokio::test(start_paused = true)]
async fn a_toy_is_gone_when_the_app_says_so_or_says_nothing() {
    for answer in [
        Ok(list(&[toy("a", "Lush", false, 85)])),
        Ok(String::from("<html>")),
        Err(WebError::Status { host: HOST.into(), status: 500 }),
        Err(away()),
    ] {
        let mut world = World::new(&[toy("a", "Lush", true, 85)]).await;
        let mut open = world.open().await;
        world.app.change(|state| state.toys = answer);
        assert!(!end(&mut open).await.is_empty());
        assert_eq!(open.hardware.write(&frame("Vibrate1?v=0&t=a")).await, Err(HardwareError::Gone));
        assert_eq!(open.hardware.read(Endpoint::Rx, 20).await, Err(HardwareError::Gone));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_written_is_delivered_before_the_end_and_shutting_down_leaves_nothing_behind() {
    let mut world = World::new(&[toy("a", "Lush", true, 85)]).await;
    let open = world.open().await;
    let stop = frame("Vibrate1?v=0&t=a");
    let (written, ()) = tokio::join!(open.hardware.write(&stop), open.hardware.close());
    assert_eq!(written, Ok(()));
    open.hardware.close().await;
    assert_eq!(world.app.commands(), ["/Vibrate1?v=0&t=a"]);
    let again = world.open().await;
    again.hardware.close().await;
    world.bus.start_scanning().await.unwrap();
    world.bus.shut_down().await;
    world.bus.shut_down().await;
    assert!(world.bus.start_scanning().await.is_err() && !world.bus.is_scanning());
    assert_eq!(Arc::strong_count(&world.app), 2, "the bus itself and the test");
}

#[tokio::test(start_paused = true)]
async fn shutting_down_does_not_wait_for_an_answer() {
    struct Silent;
    #[async_trait]
    impl Web for Silent {
        async fn directory(&self) -> Result<Vec<u8>, WebError> {
            pending().await
        }
        async fn get(&self, _: SocketAddr, _: &str) -> Result<Vec<u8>, WebError> {
            pending().await
        }
        async fn tell(&self, _: SocketAddr, _: &str) -> Result<(), WebError> {
            pending().await
        }
    }
    let bus = ConnectBus::with_web(ConnectSettings::default(), Arc::new(Silent));
    let (sender, _events) = mpsc::channel(8);
    bus.attach(sender).await;
    bus.start_scanning().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    bus.shut_down().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// A client of a server with this bus.
async fn served(app: &Arc<App>) -> (Server, Client) {
    let bus = ConnectBus::with_web(ConnectSettings::default(), app.clone());
    let server = Server::builder().bus(Arc::new(bus)).start();
    let client = Client::new("test");
    client.connect(InProcessConnector::new(Arc::new(server.clone()))).await.unwrap();
    (server, client)
}

async fn found(client: &Client) -> Device {
    let mut events = client.events();
    client.start_scanning().await.unwrap();
    loop {
        if let Some(Event::DeviceAdded(device)) = events.next().await {
            return device;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn through_a_server_a_toy_is_driven_read_and_stopped() {
    let app = App::new(&[toy("d0f00baa1234", "Nora", true, 85)]);
    let (server, client) = served(&app).await;
    let device = found(&client).await;
    assert_eq!(device.name(), "Lovense Nora");
    assert_eq!(device.read(InputKind::Battery).await.unwrap(), 85);
    let rotate = |steps| Output::new(OutputKind::Rotate, Value::Steps(steps));
    device.run_output(rotate(-7)).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(app.commands(), ["/RotateChange?t=d0f00baa1234", "/Rotate?v=7&t=d0f00baa1234"]);
    server.shut_down().await;
    let commands = app.commands();
    assert!(commands.contains(&String::from("/Vibrate1?v=0&t=d0f00baa1234")), "{commands:?}");
    assert!(commands.contains(&String::from("/Rotate?v=0&t=d0f00baa1234")), "{commands:?}");
}

#[test]
fn the_app_of_these_tests_says_what_the_makers_does() {
    assert_eq!(answers::hosts(DIRECTORY.as_bytes()), [HOST.parse().unwrap()]);
    let toys = answers::toys(list(&[toy("a", "Lush", true, 3)]).as_bytes()).unwrap();
    assert_eq!((toys[0].id.as_str(), toys[0].connected, toys[0].battery), ("a", true, 3));
}
