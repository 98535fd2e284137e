//! The test world: a server, simulated devices, and clients that say and hear frames of JSON. One paused clock.
#![allow(dead_code, reason = "each test file uses its part of the world")]
#![allow(clippy::expect_used, clippy::panic, reason = "a broken world fails the test")]

use async_trait::async_trait;
use buttplug_core::connector::{
    AcceptConnection, ClientFrame, CloseReason, ConnectorError, FrameFormat, ServerConnection, ServerFrame,
};
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::sighting::BusKind;
use buttplug_server::{Server, ServerBuilder};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Longer than anything in a test takes by the paused clock; whoever waits this long waits in vain.
const FOR_EVER: Duration = Duration::from_secs(600);

pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) bus: Arc<SimulatedBus>,
    pub(crate) devices: Vec<SimulatedDevice>,
    pub(crate) start: Instant,
}

impl Rig {
    /// A server with these devices connected, in this order from index 0.
    pub(crate) async fn new(archetypes: &[Archetype]) -> Self {
        Self::with(archetypes, Duration::ZERO, |builder| builder).await
    }

    /// The same with a message gap and other settings.
    pub(crate) async fn with(
        archetypes: &[Archetype],
        gap: Duration,
        settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        Self::on(SimulatedBus::new([]).with_message_gap(gap), archetypes, settings).await
    }

    /// A server whose devices play hardware of this bus; none are there yet.
    pub(crate) async fn playing(kind: BusKind) -> Self {
        Self::on(SimulatedBus::new([]).playing(kind), &[], |builder| builder).await
    }

    async fn on(
        bus: SimulatedBus,
        archetypes: &[Archetype],
        settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let bus = Arc::new(bus);
        let server = settings(Server::builder().name("Rig").bus(Arc::clone(&bus) as _)).start();
        let mut rig = Self { server, bus, devices: Vec::new(), start: Instant::now() };
        for archetype in archetypes {
            rig.add(*archetype).await;
        }
        rig.start = Instant::now();
        rig
    }

    /// Adds a device and has it found.
    pub(crate) async fn add(&mut self, archetype: Archetype) -> SimulatedDevice {
        self.add_device(SimulatedDevice::new(archetype, format!("simulated:{}", self.devices.len()))).await
    }

    /// The same for a device that was made elsewhere.
    pub(crate) async fn add_device(&mut self, device: SimulatedDevice) -> SimulatedDevice {
        self.bus.add(device.clone());
        self.devices.push(device.clone());
        self.find().await;
        device
    }

    /// Searches until every device that is there is connected.
    pub(crate) async fn find(&self) {
        let mut client = self.client().await;
        client.asks(r#"[{"StartScanning":{"Id":2}}]"#).await;
        for device in self.devices.iter().filter(|device| device.is_present()) {
            within(device.wait_for(SimulatedDevice::is_connected)).await;
        }
        let expected = self.devices.iter().filter(|device| device.is_present()).count();
        while self.server.devices().len() < expected {
            tokio::task::yield_now().await;
        }
    }

    /// A client that has introduced itself.
    pub(crate) async fn client(&self) -> TestClient {
        let mut client = self.stranger();
        let info = client.asks(HANDSHAKE).await;
        assert!(info.contains("ServerInfo"), "{info}");
        client
    }

    /// A client that has not introduced itself yet.
    pub(crate) fn stranger(&self) -> TestClient {
        self.try_stranger().expect("the server takes clients")
    }

    pub(crate) fn try_stranger(&self) -> Result<TestClient, String> {
        TestClient::of(&self.server)
    }

    /// What a device was told since the start, with milliseconds.
    pub(crate) fn told(&self, device: usize) -> Vec<String> {
        let writes = self.devices[device].writes();
        let line = |write: &buttplug_hardware_simulated::Write| {
            let at = write.at.saturating_duration_since(self.start).as_millis();
            format!("{at} ms: {}", String::from_utf8_lossy(&write.frame.data))
        };
        writes.iter().map(line).collect()
    }
}

pub(crate) const HANDSHAKE: &str = r#"[{"RequestServerInfo":{"Id":1,"ClientName":"Rig","ProtocolVersionMajor":4,"ProtocolVersionMinor":0}}]"#;

/// A frame that makes the session's task panic.
pub(crate) const PANIC: &str = "panic";

/// A Lovense device that answers its questions.
pub(crate) fn lovense(address: &str, model: &str) -> SimulatedDevice {
    let answer = format!("{model}:11:0082059AD3BD;").into_bytes();
    SimulatedDevice::bluetooth(address, format!("LVS-{model}001")).with_responder(move |frame| {
        match &frame.data[..] {
            b"DeviceType;" => vec![(Endpoint::Rx, answer.clone())],
            b"Battery;" => vec![(Endpoint::Rx, b"85;".to_vec())],
            _ => vec![],
        }
    })
}

/// What a device was told, as text.
pub(crate) fn texts(device: &SimulatedDevice) -> Vec<String> {
    device.writes().iter().map(|write| String::from_utf8_lossy(&write.frame.data).into_owned()).collect()
}

/// Ends a wait that would never end.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(FOR_EVER, future).await.expect("nothing came of it")
}

/// Lets everything run that can run without the clock moving.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_nanos(1)).await;
    at_this_instant().await;
}

/// Lets everything run that can run at this very instant.
pub(crate) async fn at_this_instant() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn sleep_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

pub(crate) struct TestClient {
    to_server: Option<mpsc::Sender<String>>,
    from_server: mpsc::UnboundedReceiver<Sent>,
    last_id: u32,
}

#[derive(Debug)]
enum Sent {
    Frame(String),
    Closed(CloseReason),
}

impl TestClient {
    /// A client of this server that has not introduced itself yet.
    pub(crate) fn of(server: &Server) -> Result<Self, String> {
        let (to_server, from_client) = mpsc::channel(10_000);
        let (to_client, from_server) = mpsc::unbounded_channel();
        let connection = TestConnection { from_client, to_client };
        server.accept(Box::new(connection))?;
        Ok(Self { to_server: Some(to_server), from_server, last_id: 1000 })
    }

    /// Says a frame and does not wait.
    pub(crate) fn says(&self, frame: impl Into<String>) {
        let to_server = self.to_server.as_ref().expect("still connected");
        to_server.try_send(frame.into()).expect("the server reads");
    }

    /// The next frame.
    pub(crate) async fn hears(&mut self) -> String {
        match within(self.from_server.recv()).await {
            Some(Sent::Frame(frame)) => frame,
            other => panic!("instead of a frame: {other:?}"),
        }
    }

    /// The next frame, however long it takes.
    pub(crate) async fn hears_late(&mut self) -> String {
        match self.from_server.recv().await {
            Some(Sent::Frame(frame)) => frame,
            other => panic!("instead of a frame: {other:?}"),
        }
    }

    /// The frames that are there after everything has run.
    pub(crate) async fn heard(&mut self) -> Vec<String> {
        settle().await;
        self.has_heard()
    }

    /// The frames that are there.
    pub(crate) fn has_heard(&mut self) -> Vec<String> {
        let mut frames = Vec::new();
        while let Ok(Sent::Frame(frame)) = self.from_server.try_recv() {
            frames.push(frame);
        }
        frames
    }

    /// Says a frame and hears the next one.
    pub(crate) async fn asks(&mut self, frame: impl Into<String>) -> String {
        self.says(frame);
        self.hears().await
    }

    /// Waits for the end of the connection from the server's side.
    pub(crate) async fn hears_the_end(&mut self) -> CloseReason {
        loop {
            match within(self.from_server.recv()).await {
                Some(Sent::Closed(reason)) => return reason,
                Some(Sent::Frame(_)) => {}
                None => panic!("the connection was dropped instead of closed"),
            }
        }
    }

    /// Waits for the end of the connection, before which the server says nothing.
    pub(crate) async fn hears_nothing_but_the_end(&mut self) -> CloseReason {
        match within(self.from_server.recv()).await {
            Some(Sent::Closed(reason)) => reason,
            other => panic!("instead of the end: {other:?}"),
        }
    }

    /// Sets an output and expects `Ok`.
    pub(crate) async fn sets(&mut self, device: u32, feature: u32, kind: &str, value: i32) {
        let reply = self.tries(device, feature, kind, value).await;
        assert!(reply.contains("\"Ok\""), "{reply}");
    }

    /// Sets an output and hears the reply.
    pub(crate) async fn tries(&mut self, device: u32, feature: u32, kind: &str, value: i32) -> String {
        self.last_id += 1;
        let id = self.last_id;
        self.asks(output(id, device, feature, &format!(r#"{{"{kind}":{{"Value":{value}}}}}"#))).await
    }

    /// The connection breaks.
    pub(crate) fn vanishes(&mut self) {
        self.to_server = None;
    }
}

/// An `OutputCmd` frame.
pub(crate) fn output(id: u32, device: u32, feature: u32, command: &str) -> String {
    format!(
        r#"[{{"OutputCmd":{{"Id":{id},"DeviceIndex":{device},"FeatureIndex":{feature},"Command":{command}}}}}]"#
    )
}

/// An `InputCmd` frame.
pub(crate) fn input(id: u32, device: u32, feature: u32, kind: &str, command: &str) -> String {
    format!(
        r#"[{{"InputCmd":{{"Id":{id},"DeviceIndex":{device},"FeatureIndex":{feature},"Type":"{kind}","Command":"{command}"}}}}]"#
    )
}

/// The code of an `Error` frame with this id.
pub(crate) fn error_code(frame: &str, id: u32) -> Option<u32> {
    let value: serde_json::Value = serde_json::from_str(frame).expect(frame);
    let error = &value[0]["Error"];
    (error["Id"] == id)
        .then(|| error["ErrorCode"].as_u64())
        .flatten()
        .and_then(|code| u32::try_from(code).ok())
}

struct TestConnection {
    from_client: mpsc::Receiver<String>,
    to_client: mpsc::UnboundedSender<Sent>,
}

#[async_trait]
impl ServerConnection for TestConnection {
    fn format(&self) -> FrameFormat {
        FrameFormat::Json
    }

    fn peer(&self) -> String {
        String::from("the rig")
    }

    fn send(&mut self, frame: ServerFrame) -> Result<(), ConnectorError> {
        let ServerFrame::Text(text) = frame else { panic!("a typed message on a connection of JSON") };
        let lost = |_| ConnectorError::Lost { reason: String::from("the rig is gone") };
        self.to_client.send(Sent::Frame(text)).map_err(lost)
    }

    async fn receive(&mut self, batch: &mut Vec<ClientFrame>) -> Result<(), ConnectorError> {
        let mut frames = Vec::new();
        if self.from_client.recv_many(&mut frames, 100).await == 0 {
            return Err(ConnectorError::Lost { reason: String::from("the rig is gone") });
        }
        assert!(!frames.iter().any(|frame| frame == PANIC), "on purpose");
        batch.extend(frames.into_iter().map(|frame| ClientFrame::Text(frame.into())));
        Ok(())
    }

    async fn close(&mut self, reason: CloseReason) {
        let _ = self.to_client.send(Sent::Closed(reason));
    }
}
