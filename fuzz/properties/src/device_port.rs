//! Peers at the device port, on real sockets: whatever a peer sends, its connection ends when it leaves, the server has
//! no device of it left, and the next device is heard as ever.
//!
//! An input that begins with a line of HTTP is what the peer sends. Any other is bytes from which a conversation is made
//! that begins with a good upgrade: a greeting of a device or of a bridge, messages, frames that break the rules, and
//! between them what a client wants of the device.

use crate::client::{Client, handshake};
use arbitrary::{Result, Unstructured};
use buttplug_hardware_dialin::DialInBus;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_server::Server;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// Steps of one conversation; the rest is left out.
const MAX_STEPS: usize = 30;

/// How long the end of a connection may take once its peer has left. Real time, so with room for a machine that is busy.
const END_TIME: Duration = Duration::from_secs(10);

/// After so many peers a device that behaves has to be served as ever.
const INPUTS_PER_HONEST_DEVICE: u32 = 200;

/// What a peer asks for first.
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What dials in as what.
const DIALLING_IN: &[(&str, &str)] =
    &[("lovense", "LVSDevice"), ("tcode-v03", "TCode"), ("satisfyer", "Satisfyer"), ("vorze-sa", "Vorze")];

/// Sends what `data` holds to the device port of a server that stays for the next input.
pub fn hold(data: &[u8]) {
    thread_local! {
        static HOUSE: RefCell<Option<House>> = const { RefCell::new(None) };
    }
    HOUSE.with_borrow_mut(|house| house.get_or_insert_with(House::new).visited(data));
}

/// A server with a device port, and the thread on which both and their peers run.
struct House {
    runtime: Runtime,
    server: Server,
    address: SocketAddr,
    visits: u32,
}

/// One thing that happens at the port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// The peer sends bytes.
    Send(Vec<u8>),
    /// A client says something about devices.
    Client(String),
    /// Everybody has a turn.
    Turn,
}

impl House {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (server, address) = runtime.block_on(async {
            let mut catalogue = Catalogue::builtin();
            for (protocol, identifier) in DIALLING_IN {
                catalogue.add_websocket_rule(protocol, identifier).expect("a protocol of the catalogue");
            }
            let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
            let bus = DialInBus::bind(&[loopback]).await.expect("a free port");
            let address = bus.local_addresses().first().copied().expect("an address");
            (Server::builder().catalogue(catalogue).bus(Arc::new(bus)).start(), address)
        });
        Self { runtime, server, address, visits: 0 }
    }

    fn visited(&mut self, data: &[u8]) {
        let steps = conversation(data);
        for step in &steps {
            crate::show(&format!("{step:?}"));
        }
        self.visits += 1;
        let honest = self.visits % INPUTS_PER_HONEST_DEVICE == 1;
        self.runtime.block_on(async {
            visit(&self.server, self.address, steps).await;
            if honest {
                honest_device(&self.server, self.address).await;
            }
        });
    }
}

async fn visit(server: &Server, address: SocketAddr, steps: Vec<Step>) {
    let peer = TcpStream::connect(address).await.expect("the port takes connections");
    let (mut from_port, mut to_port) = peer.into_split();
    let mut client = Client::connect(server);
    client.says(handshake(4).as_bytes());
    let sends = async {
        for step in steps {
            match step {
                // A port that has had enough closes; the rest is lost.
                Step::Send(bytes) => drop(to_port.write_all(&bytes).await),
                Step::Client(frame) => drop(client.says(frame.as_bytes())),
                Step::Turn => turns().await,
            }
        }
        turns().await;
        // Already closed by the port, perhaps.
        let _ = to_port.shutdown().await;
    };
    let hears = async {
        let mut heard = vec![0; 4096];
        // An error is an end as well.
        while from_port.read(&mut heard).await.is_ok_and(|count| count > 0) {}
    };
    let both = tokio::time::timeout(END_TIME, async { tokio::join!(sends, hears) }).await;
    assert!(both.is_ok(), "the connection does not end although the peer has left");
    client.vanishes();
    nobody_is_left(server).await;
}

async fn nobody_is_left(server: &Server) {
    let deadline = Instant::now() + END_TIME;
    while !server.devices().is_empty() {
        assert!(Instant::now() < deadline, "a device is left: {:?}", server.devices());
        tokio::task::yield_now().await;
    }
}

/// A device that says what it should is taken, and gone when it leaves.
async fn honest_device(server: &Server, address: SocketAddr) {
    let mut device = TcpStream::connect(address).await.expect("the port takes connections");
    let greeting = r#"{"identifier":"TCode","address":"honest","version":0}"#;
    let mut all = UPGRADE.to_vec();
    write_frame(&mut all, 0x81, greeting.as_bytes(), 4);
    device.write_all(&all).await.expect("the port reads");
    let deadline = Instant::now() + END_TIME;
    while server.devices().is_empty() {
        assert!(Instant::now() < deadline, "a device that greets is not taken");
        tokio::task::yield_now().await;
    }
    drop(device);
    nobody_is_left(server).await;
}

/// Enough for a message to walk from a socket to a device's task and back.
async fn turns() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn conversation(data: &[u8]) -> Vec<Step> {
    if data.starts_with(b"GET ") || data.starts_with(b"POST ") {
        return vec![Step::Send(data.to_vec())];
    }
    let mut bytes = Unstructured::new(data);
    let mut steps = vec![Step::Send(UPGRADE.to_vec())];
    steps.extend(greeting(&mut bytes).map(Step::Send));
    steps.push(Step::Turn);
    while steps.len() < MAX_STEPS && !bytes.is_empty() {
        let Ok(step) = step(&mut bytes) else { break };
        steps.push(step);
    }
    steps
}

fn greeting(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut frame = Vec::new();
    let identifier = match bytes.int_in_range(0..=5)? {
        place @ 0..=3 => DIALLING_IN[place].1.to_owned(),
        4 => "Nobody".to_owned(),
        _ => "x".repeat(bytes.int_in_range(0..=300)?),
    };
    let version = *bytes.choose(&["0", "0", "0", "0", "0", "1", "-1", "null", "\"0\"", "0.0"])?;
    let address = *bytes.choose(&["a", "a", "b", "", "\\u0000\\ud83d\\ude00"])?;
    let text = match bytes.int_in_range(0..=9)? {
        0 => String::from_utf8_lossy(piece(bytes)?).into_owned(),
        1 => format!(r#"["{identifier}","{address}",{version}]"#),
        2 => format!(r#"{{"version":{version},"devices":[{{}}],"identifier":"{identifier}"}}"#),
        8 | 9 => offer(bytes, address)?,
        _ => format!(r#"{{"identifier":"{identifier}","address":"{address}","version":{version}}}"#),
    };
    let opcode = *bytes.choose(&[0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x82, 0x01])?;
    write_frame(&mut frame, opcode, text.as_bytes(), 4);
    Ok(frame)
}

/// A greeting of version 1.
fn offer(bytes: &mut Unstructured<'_>, address: &str) -> Result<String> {
    /// Hardware of every kind, and hardware that there is not.
    const HARDWARE: &[&str] = &[
        r#""transport":"bluetooth-le","name":"LVS-Z001","services":{"0000fff0-0000-1000-8000-00805f9b34fb":["0000fff1-0000-1000-8000-00805f9b34fb","0000fff2-0000-1000-8000-00805f9b34fb"]}"#,
        r#""transport":"bluetooth-le","name":"LOVE EGG","rssi":-60,"services":{"0000ff00-0000-1000-8000-00805f9b34fb":["0000ff01-0000-1000-8000-00805f9b34fb"]}"#,
        r#""transport":"bluetooth-le","name":"","manufacturer_data":{"620":"ff21"},"services":{}"#,
        r#""transport":"bluetooth-le","name":"LVS-Z001","services":{"fff0":[]}"#,
        r#""transport":"serial","port":"/dev/ttyUSB0""#,
        r#""transport":"hid","vendor_id":1,"product_id":65536"#,
        r#""transport":"usb","vendor_id":1155,"product_id":22336"#,
    ];
    let hardware = bytes.choose(HARDWARE)?;
    Ok(format!(r#"{{"version":1,"address":"{address}",{hardware}}}"#))
}

fn step(bytes: &mut Unstructured<'_>) -> Result<Step> {
    /// What hardware says when it is asked.
    const ANSWERS: &[&str] =
        &["Z:11:0082059AD3BD;", "P:1:0;", "85;", "s99;", "OK;", "ERR;", ";", "-1;", "99999999999;"];
    /// What a bridge says; ids are small, so that now and then one is asked for.
    const SAYINGS: &[&str] = &[
        r#"{"id":1,"ok":{}}"#,
        r#"{"id":2,"ok":{}}"#,
        r#"{"id":1,"data":"55"}"#,
        r#"{"id":2,"error":"not connected"}"#,
        r#"{"notify":{"characteristic":"0000fff1-0000-1000-8000-00805f9b34fb","data":"5a3a31313a3030383230353941443342443b"}}"#,
        r#"{"notify":{"endpoint":"rx","data":"4f4b3b"}}"#,
        r#"{"rssi":-58}"#,
        r#"{"gone":{}}"#,
        r#"{"id":0,"ok":{}}"#,
        r#"{"notify":{"characteristic":"0000fff1-0000-1000-8000-00805f9b34fb","data":"5"}}"#,
        "{}",
    ];
    /// What a client wants of the device that comes first.
    const WISHES: &[&str] = &[
        r#"[{"OutputCmd":{"Id":2,"DeviceIndex":0,"FeatureIndex":0,"Command":{"Vibrate":{"Value":9}}}}]"#,
        r#"[{"OutputCmd":{"Id":2,"DeviceIndex":1,"FeatureIndex":0,"Command":{"HwPositionWithDuration":{"Value":9,"Duration":100}}}}]"#,
        r#"[{"InputCmd":{"Id":3,"DeviceIndex":0,"FeatureIndex":1,"Type":"Battery","Command":"Read"}}]"#,
        r#"[{"InputCmd":{"Id":4,"DeviceIndex":0,"FeatureIndex":1,"Type":"Battery","Command":"Subscribe"}}]"#,
        r#"[{"StopCmd":{"Id":5}}]"#,
        r#"[{"StartScanning":{"Id":6}}]"#,
    ];
    let mut frame = Vec::new();
    match bytes.int_in_range(0..=15)? {
        0..=2 => {
            let answer = bytes.choose(ANSWERS)?.as_bytes();
            write_frame(&mut frame, *bytes.choose(&[0x82, 0x82, 0x81])?, answer, 4);
        }
        3 | 4 => write_frame(&mut frame, *bytes.choose(&[0x81, 0x82])?, piece(bytes)?, 4),
        // Pings, pongs, ends, parts and opcodes that nobody has, with and without a mask.
        5 | 6 => {
            let opcode = *bytes.choose(&[0x89, 0x8a, 0x88, 0x01, 0x02, 0x00, 0x80, 0x83, 0xf1, 0x09])?;
            let mask = if bytes.ratio(1, 8)? { 0 } else { 4 };
            write_frame(&mut frame, opcode, piece(bytes)?, mask);
        }
        7 => frame.extend_from_slice(piece(bytes)?),
        8 => return Ok(Step::Turn),
        12..=15 => write_frame(&mut frame, 0x81, bytes.choose(SAYINGS)?.as_bytes(), 4),
        _ => return Ok(Step::Client((*bytes.choose(WISHES)?).to_owned())),
    }
    Ok(Step::Send(frame))
}

/// Some of what is left.
fn piece<'a>(bytes: &mut Unstructured<'a>) -> Result<&'a [u8]> {
    let length = bytes.int_in_range(0..=40)?;
    bytes.bytes(usize::min(length, bytes.len()))
}

/// Appends a frame of WebSocket as a peer sends it; `mask` is 4 bytes of mask or none.
fn write_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: usize) {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let masked = if mask == 0 { 0 } else { 0x80 };
    out.push(opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => out.push(masked | length),
        (_, Ok(length)) => {
            out.push(masked | 126);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    let mask = &MASK[..mask];
    out.extend_from_slice(mask);
    let mut key = mask.iter().cycle();
    out.extend(payload.iter().map(|byte| byte ^ key.next().copied().unwrap_or_default()));
}
