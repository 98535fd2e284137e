//! Bridges through a whole server: the catalogue and the protocols are the real ones.

use crate::bridge::{Bridge, RX, TX, offer};
use crate::rig::{AGES, closed, say};
use buttplug_client::core::{InputKind, OutputKind};
use buttplug_client::{Client, Device, Event, Output, Value};
use buttplug_connector_inprocess::InProcessConnector;
use buttplug_hardware_dialin::{DialInBus, DialInLimits, SocketLimits};
use buttplug_protocols::catalogue::Catalogue;
use buttplug_server::Server;
use buttplug_websocket::dial;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

struct World {
    server: Server,
    client: Client,
    url: String,
}

impl World {
    async fn new(catalogue: Catalogue) -> Self {
        let limits = DialInLimits::default();
        let bus = DialInBus::bind_with(&["127.0.0.1:0".parse().unwrap()], limits).await.unwrap();
        let url = format!("ws://{}", bus.local_addresses()[0]);
        let server = Server::builder().catalogue(catalogue).bus(Arc::new(bus)).start();
        let client = Client::new("test");
        client.connect(InProcessConnector::new(Arc::new(server.clone()))).await.unwrap();
        Self { server, client, url }
    }

    async fn bridge(&self, greeting: &str) -> Bridge {
        let mut socket = dial(&self.url, SocketLimits::default()).await.unwrap();
        say(&mut socket, greeting);
        Bridge::new(socket)
    }

    /// A Lovense vibrator behind a bridge, connected.
    async fn lovense(&self, address: &str) -> (Bridge, Device) {
        let mut events = self.client.events();
        let mut bridge = self.bridge(&offer(address)).await;
        assert_eq!(bridge.hears().await, r#"{"accepted":{"protocol":"lovense"}}"#);
        let subscribe = format!(r#"{{"id":1,"subscribe":{{"characteristic":"{RX}"}}}}"#);
        bridge.answers(&subscribe, r#"{"id":1,"ok":{}}"#).await;
        assert_eq!(bridge.hears().await, written("DeviceType;"));
        bridge.says(&notified("Z:11:0082059AD3BD;"));
        let added = async {
            loop {
                if let Some(Event::DeviceAdded(device)) = events.next().await {
                    return device;
                }
            }
        };
        let device = timeout(AGES, added).await.expect("no device");
        (bridge, device)
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// What a bridge hears when this is written without response.
fn written(text: &str) -> String {
    let data = hex(text);
    format!(r#"{{"write":{{"characteristic":"{TX}","data":"{data}","response":false}}}}"#)
}

fn notified(text: &str) -> String {
    let data = hex(text);
    format!(r#"{{"notify":{{"characteristic":"{RX}","data":"{data}"}}}}"#)
}

fn vibrate(steps: i32) -> Output {
    Output::new(OutputKind::Vibrate, Value::Steps(steps))
}

#[tokio::test]
async fn a_protocol_drives_its_hardware_through_a_bridge_as_over_its_own_radio() {
    let world = World::new(Catalogue::builtin()).await;
    let (mut bridge, device) = world.lovense("AA:BB").await;
    assert_eq!(device.name(), "Lovense Hush");
    device.run_output(vibrate(5)).await.unwrap();
    assert_eq!(bridge.hears().await, written("Vibrate:5;"));
    let battery = device.read(InputKind::Battery);
    let answer = async {
        assert_eq!(bridge.hears().await, written("Battery;"));
        bridge.says(&notified("85;"));
    };
    let (battery, ()) = tokio::join!(battery, answer);
    assert_eq!(format!("{:?}", battery.unwrap()), "85");
    world.client.stop_all().await.unwrap();
    assert_eq!(bridge.hears().await, written("Vibrate:0;"));
    // The end of the server stops the device and lets go of it.
    let ((), (said, end)) = tokio::join!(world.server.shut_down(), bridge.end());
    let (last, zeros) = said.split_last().unwrap();
    assert_eq!(last, r#"{"disconnect":{}}"#);
    assert!(!zeros.is_empty() && zeros.iter().all(|zero| *zero == written("Vibrate:0;")), "{zeros:?}");
    assert_eq!(end, closed(1000, ""));
}

#[tokio::test]
async fn hardware_that_comes_back_through_another_bridge_keeps_its_index_and_is_told_to_rest() {
    let world = World::new(Catalogue::builtin()).await;
    let (first, before) = world.lovense("AA:BB").await;
    let (mut other, _) = world.lovense("CC:DD").await;
    before.run_output(vibrate(5)).await.unwrap();
    let (mut second, after) = world.lovense("AA:BB").await;
    assert_eq!(after.index(), before.index());
    assert_eq!(second.hears().await, written("Vibrate:0;"));
    let (said, end) = first.end().await;
    assert_eq!(said, [written("Vibrate:5;"), written("Vibrate:0;")], "the old connection is told to rest");
    assert_eq!(end, closed(1008, "the same address has dialled in again"), "and not to let go");
    world.client.stop_all().await.unwrap();
    assert_eq!(other.hears().await, written("Vibrate:0;"));
}

#[tokio::test]
async fn a_stranger_at_the_address_of_hardware_that_runs_is_turned_away_and_what_runs_stays_under_control() {
    let world = World::new(Catalogue::builtin()).await;
    let (mut bridge, device) = world.lovense("AA:BB").await;
    device.run_output(vibrate(5)).await.unwrap();
    assert_eq!(bridge.hears().await, written("Vibrate:5;"));
    let stranger = world.bridge(&offer("AA:BB").replace("LVS-Z001", "Nobody")).await;
    assert_eq!(stranger.end().await.1, closed(1008, "no known device matches"));
    device.run_output(vibrate(7)).await.unwrap();
    assert_eq!(bridge.hears().await, written("Vibrate:7;"));
    // One that matches and then has no endpoints gets to the device, which rests first.
    let unfit =
        r#"{"version":1,"transport":"bluetooth-le","address":"AA:BB","name":"LVS-Z001","services":{}}"#;
    let (said, _) = world.bridge(unfit).await.end().await;
    assert!(said[0].contains("none of the matching protocols finds its endpoints"), "{said:?}");
    let (said, _) = bridge.end().await;
    assert_eq!(said[0], written("Vibrate:0;"));
    // It may be let go of in words, as nobody has it any more by then.
    assert!(said[1..].iter().all(|word| word == r#"{"disconnect":{}}"#), "{said:?}");
}

#[tokio::test]
async fn hardware_that_no_definition_knows_is_rejected() {
    let world = World::new(Catalogue::builtin()).await;
    for (greeting, reason) in [
        (
            r#"{"version":1,"transport":"bluetooth-le","address":"a","name":"Nobody","services":{}}"#,
            "no known device matches",
        ),
        (r#"{"version":1,"transport":"usb","vendor_id":1,"product_id":2}"#, "no known device matches"),
        (
            r#"{"version":1,"transport":"bluetooth-le","address":"a","name":"LVS-Z001","services":{}}"#,
            "can't be opened: none of the matching protocols finds its endpoints on this hardware",
        ),
    ] {
        let (said, end) = world.bridge(greeting).await.end().await;
        assert_eq!(said, [format!(r#"{{"rejected":{{"reason":"{reason}"}}}}"#)]);
        assert_eq!(end, closed(1008, reason));
    }
}
/// Two motors, each told in a write of its own that has to be confirmed.
const CONFIRMED: &str = r#"
write = "f1+feature value"
response = true

[[bluetooth]]
names = ["Confirms"]
services.fff0 = { tx = "fff2" }

[[model]]
fallback = "Confirms"
features = [{ vibrate = 100 }, { vibrate = 100 }]

[[example]]
do = ["vibrate 0 1", "vibrate 1 1", "stop"]
write = ["f1 01", "f2 01", ["f1 00", "f2 00"]]
"#;

#[tokio::test]
async fn a_stop_goes_out_although_the_bridge_answers_nothing() {
    let mut catalogue = Catalogue::builtin();
    catalogue.add_definition("confirms.toml", CONFIRMED).unwrap();
    let world = World::new(catalogue).await;
    let mut events = world.client.events();
    let (mut other, other_device) = world.lovense("AA:BB").await;
    let mut bridge = world.bridge(&offer("CC:DD").replace("LVS-Z001", "Confirms")).await;
    assert_eq!(bridge.hears().await, r#"{"accepted":{"protocol":"confirms"}}"#);
    let device = loop {
        match timeout(AGES, events.next()).await.unwrap() {
            Some(Event::DeviceAdded(device)) if device.name() == "Confirms" => break device,
            _ => {}
        }
    };
    let write = |id: u32, data: &str| {
        format!(r#"{{"id":{id},"write":{{"characteristic":"{TX}","data":"{data}","response":true}}}}"#)
    };
    other_device.run_output(vibrate(5)).await.unwrap();
    device.run_output(vibrate(50)).await.unwrap();
    assert_eq!(bridge.hears().await, write(1, "f132"));
    assert_eq!(other.hears().await, written("Vibrate:5;"));
    let asked = Instant::now();
    let stopped = async {
        world.client.stop_all().await.unwrap();
        asked.elapsed()
    };
    let zeros = async {
        assert_eq!(other.hears().await, written("Vibrate:0;"));
        let others = asked.elapsed();
        assert_eq!(bridge.hears().await, write(2, "f100"));
        assert_eq!(bridge.hears().await, write(3, "f200"));
        (others, asked.elapsed())
    };
    let (answered, (others, zeros)) = tokio::join!(stopped, zeros);
    assert!(others < Duration::from_millis(200), "another device's stop took {others:?}");
    assert!(zeros < Duration::from_secs(1), "zeros went out after {zeros:?}, unanswered writes hold them up");
    assert!(answered < Duration::from_secs(2), "answered after {answered:?}");
    // Nor does one that dials in anew wait long for the old connection.
    let asked = Instant::now();
    let mut again = world.bridge(&offer("CC:DD").replace("LVS-Z001", "Confirms")).await;
    assert_eq!(again.hears().await, r#"{"accepted":{"protocol":"confirms"}}"#);
    let accepted = asked.elapsed();
    assert!(accepted < Duration::from_secs(2), "accepted after {accepted:?}");
    let (said, end) = bridge.end().await;
    assert!(!said.is_empty() && said.iter().all(|zero| zero.contains("00\"")), "{said:?}");
    assert_eq!(end, closed(1008, "the same address has dialled in again"));
    let asked = Instant::now();
    let ((), (said, _)) = tokio::join!(world.server.shut_down(), again.end());
    assert!(said.contains(&String::from(r#"{"disconnect":{}}"#)), "{said:?}");
    assert!(asked.elapsed() < Duration::from_secs(3), "the server ended after {:?}", asked.elapsed());
}
