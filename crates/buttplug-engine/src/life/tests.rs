//! Ends of the program at every moment of its life.

use super::*;
use crate::test_folder::Folder;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TcpStream>;

/// What ends the program, as at its start.
fn endings(panics: &Panics) -> Endings<'_> {
    let signals = Signals::install().unwrap();
    Endings { panics, signals, parent: None, frontend: None, machine_waits: None }
}

/// A port that nobody has.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn connect(port: u16) -> Socket {
    loop {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => return client_async("ws://localhost", stream).await.unwrap().0,
            // It is about to be opened.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn say(socket: &mut Socket, text: impl Into<String>) {
    socket.send(Message::text(text.into())).await.unwrap();
}

/// Reads up to a message with this text, for which it is looked in bytes, too.
async fn hear(socket: &mut Socket, wanted: &str) -> Vec<String> {
    let mut heard = Vec::new();
    while !heard.iter().any(|text: &String| text.contains(wanted)) {
        let message = socket.next().await.unwrap_or_else(|| panic!("no {wanted} in {heard:?}")).unwrap();
        heard.push(String::from_utf8_lossy(&message.into_data()).into_owned());
    }
    heard
}

/// A device that vibrates because a client wants it, and both.
async fn vibrating(clients: u16, devices: u16) -> (Socket, Socket) {
    let mut client = connect(clients).await;
    let shake = r#"[{"RequestServerInfo":{"Id":1,"ClientName":"x","ProtocolVersionMajor":4,"ProtocolVersionMinor":0}}]"#;
    say(&mut client, shake).await;
    hear(&mut client, "ServerInfo").await;
    say(&mut client, r#"[{"StartScanning":{"Id":2}}]"#).await;
    let mut device = connect(devices).await;
    say(&mut device, r#"{"identifier":"LVSDevice","address":"A1B2C3D4E5F6","version":0}"#).await;
    hear(&mut device, "DeviceType;").await;
    device.send(Message::binary(&b"P:1:A1B2C3D4E5F6;"[..])).await.unwrap();
    hear(&mut client, "Lovense Edge").await;
    let command =
        r#"[{"OutputCmd":{"Id":3,"DeviceIndex":0,"FeatureIndex":0,"Command":{"Vibrate":{"Value":9}}}}]"#;
    say(&mut client, command).await;
    hear(&mut device, "Vibrate1:9;").await;
    (client, device)
}

#[tokio::test]
async fn what_ran_is_stopped_though_it_takes_long_to_find_out_what_the_settings_mean() {
    let folder = Folder::new("slow-settings");
    let mine = "[[protocol.lovense.websocket]]\nnames = [\"LVSDevice\"]\n";
    let ran =
        r#"[{"bus": "websocket", "protocol": "lovense", "identifier": "P", "address": "A1B2C3D4E5F6"}]"#;
    let running = folder.file("running.json", ran);
    let devices = free_port();
    let mut flags = ServeFlags { stop_first: Some(running.clone()), ..ServeFlags::default() };
    flags.search.use_device_websocket_server = true;
    flags.search.device_websocket_server_port = Some(devices);
    flags.own.user_device_config_file = Some(folder.file("devices.toml", mine));
    let panics = Panics::default();
    let mut endings = endings(&panics);
    let supervisor = Supervisor::of_environment();
    let starting = start_and_serve(&flags, Subcommand::Typed, pending(), &mut endings, &supervisor);
    let device = async {
        let mut device = connect(devices).await;
        say(&mut device, r#"{"identifier":"LVSDevice","address":"A1B2C3D4E5F6","version":0}"#).await;
        hear(&mut device, "DeviceType;").await;
        device.send(Message::binary(&b"P:1:A1B2C3D4E5F6;"[..])).await.unwrap();
        hear(&mut device, "Vibrate1:0;").await;
        // Told to end, the program waits neither for the settings nor for more of its search.
        panics.happen();
        std::future::pending::<()>().await;
    };
    let exit = tokio::select! {
        exit = timeout(Duration::from_secs(20), starting) => exit.unwrap(),
        () = device => unreachable!(),
    };
    assert_eq!(exit, Ok(Exit::Internal));
    assert!(!running.exists(), "nothing runs");
}

#[tokio::test]
async fn settings_that_take_long_wait_for_no_device_that_was_sought_in_vain() {
    let folder = Folder::new("slow-and-vain");
    let ran = r#"[{"bus": "websocket", "protocol": "lovense", "address": "gone", "sought": 1}]"#;
    let running = folder.file("running.json", ran);
    let mut flags = ServeFlags { stop_first: Some(running), ..ServeFlags::default() };
    flags.search.use_device_websocket_server = true;
    flags.search.device_websocket_server_port = Some(0);
    let panics = Panics::default();
    let mut endings = endings(&panics);
    let plan = async {
        sleep(MAX_PLANNING * 3 / 2).await;
        Err(Refusal::System("settled".into()))
    };
    let supervisor = Supervisor::of_environment();
    let starting = start_and_serve(&flags, Subcommand::Typed, plan, &mut endings, &supervisor);
    let outcome = timeout(MAX_PLANNING * 3 / 2 + MAX_STOP_FIRST / 2, starting).await;
    assert_eq!(outcome.unwrap(), Err(Refusal::System("settled".into())));
}

#[test]
fn a_panic_in_any_task_stops_the_devices_and_ends_the_engine_as_a_failure() {
    let runtime = runtime().unwrap();
    let panics = Panics::install();
    let file = std::env::temp_dir().join(format!("buttplug-panic-{}.toml", std::process::id()));
    std::fs::write(&file, "[[protocol.lovense.websocket]]\nnames = [\"LVSDevice\"]\n").unwrap();
    let (clients, devices) = (free_port(), free_port());
    let mut flags = ServeFlags { websocket_port: Some(clients), ..ServeFlags::default() };
    flags.search.use_device_websocket_server = true;
    flags.search.device_websocket_server_port = Some(devices);
    flags.own.user_device_config_file = Some(file.clone());
    let players = runtime.spawn(async move {
        let (_client, mut device) = vibrating(clients, devices).await;
        let panicking = tokio::spawn(async { panic!("this panic is part of a test") });
        assert!(panicking.await.is_err());
        let heard = hear(&mut device, "Vibrate1:0;").await;
        assert!(heard.iter().all(|frame| frame.ends_with(":0;")), "{heard:?}");
    });
    let refuse = |reason: &Refusal| panic!("{reason}");
    let serving = attended(&flags, Subcommand::Typed, Surroundings::default(), &panics, &refuse);
    let exit = runtime.block_on(async { timeout(Duration::from_secs(20), serving).await });
    assert_eq!(exit, Ok(Ok(Exit::Internal)));
    runtime.block_on(players).unwrap();
    let _default_again = std::panic::take_hook();
    std::fs::remove_file(&file).unwrap();
}
