//! Clients of different versions at one server, each in its own words.

mod rig;

use buttplug_hardware_simulated::Archetype::{OneMotorVibrator, PressureSensor, Stroker, TwoMotorVibrator};
use rig::{Rig, TestClient, error_code, input, settle, sleep_ms, texts};

async fn client_of(rig: &Rig, version: u32) -> TestClient {
    let mut client = rig.stranger();
    introduces_itself(&mut client, version).await;
    client
}

async fn introduces_itself(client: &mut TestClient, version: u32) {
    let handshake = match version {
        0 => String::new(),
        1..=3 => format!(r#","MessageVersion":{version}"#),
        _ => format!(r#","ProtocolVersionMajor":{version},"ProtocolVersionMinor":0"#),
    };
    let info = client
        .asks(format!(r#"[{{"RequestServerInfo":{{"Id":1,"ClientName":"V{version}"{handshake}}}}}]"#))
        .await;
    assert!(info.starts_with(r#"[{"ServerInfo":{"Id":1,"#), "{info}");
}

#[tokio::test(start_paused = true)]
async fn the_last_writer_wins_whatever_its_version_and_the_end_of_one_stops_only_what_it_set_in_motion() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut clients = Vec::new();
    for version in 0..=4 {
        clients.push(client_of(&rig, version).await);
    }
    let commands = [
        r#"[{"SingleMotorVibrateCmd":{"Id":2,"DeviceIndex":0,"Speed":0.1}}]"#,
        r#"[{"VibrateCmd":{"Id":2,"DeviceIndex":0,"Speeds":[{"Index":0,"Speed":0.2}]}}]"#,
        r#"[{"VibrateCmd":{"Id":2,"DeviceIndex":0,"Speeds":[{"Index":1,"Speed":0.3}]}}]"#,
        r#"[{"ScalarCmd":{"Id":2,"DeviceIndex":0,"Scalars":[{"Index":0,"Scalar":0.4,"ActuatorType":"Vibrate"}]}}]"#,
        r#"[{"OutputCmd":{"Id":2,"DeviceIndex":0,"FeatureIndex":1,"Command":{"Vibrate":{"Value":50}}}}]"#,
    ];
    for (client, command) in clients.iter_mut().zip(commands) {
        assert_eq!(client.asks(command).await, r#"[{"Ok":{"Id":2}}]"#);
        settle().await;
    }
    let told =
        ["0 Vibrate 10", "1 Vibrate 10", "0 Vibrate 20", "1 Vibrate 30", "0 Vibrate 40", "1 Vibrate 50"];
    assert_eq!(texts(&rig.devices[0]), told);
    rig.devices[0].forget_writes();
    // Motors are driven by the clients of versions 3 and 4 now; the others leave nothing behind.
    for version in [0, 1, 2] {
        clients[version].vanishes();
        settle().await;
        assert_eq!(texts(&rig.devices[0]), Vec::<String>::new(), "version {version}");
    }
    clients[3].vanishes();
    settle().await;
    assert_eq!(texts(&rig.devices[0]), ["0 Vibrate 0"]);
    assert_eq!(clients[4].asks(r#"[{"StopAllDevices":{"Id":3}}]"#).await, r#"[{"Ok":{"Id":3}}]"#);
    assert!(rig.devices[0].is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_comes_and_goes_is_told_to_each_client_in_its_way() {
    let mut rig = Rig::new(&[OneMotorVibrator]).await;
    let mut old = client_of(&rig, 2).await;
    let mut new = client_of(&rig, 4).await;
    assert_eq!(old.heard().await, Vec::<String>::new());
    rig.add(OneMotorVibrator).await;
    let added = old.hears().await;
    assert!(added.starts_with(
        r#"[{"DeviceAdded":{"Id":0,"DeviceName":"Simulated 1-Motor Vibrator","DeviceIndex":1,"#
    ));
    assert!(new.hears().await.starts_with(r#"[{"DeviceList":{"Id":0,"Devices":{"0":"#));
    rig.devices[1].vanish();
    assert_eq!(old.hears().await, r#"[{"DeviceRemoved":{"Id":0,"DeviceIndex":1}}]"#);
    assert!(!new.hears().await.contains(r#""1":{"DeviceIndex":1"#));
}

#[tokio::test(start_paused = true)]
async fn a_later_change_does_not_tell_what_was_so_before_the_handshake() {
    let mut rig = Rig::new(&[OneMotorVibrator]).await;
    let mut strangers = [rig.stranger(), rig.stranger()];
    rig.add(OneMotorVibrator).await;
    rig.devices[0].vanish();
    settle().await;
    for (client, version) in strangers.iter_mut().zip([0, 3]) {
        introduces_itself(client, version).await;
    }
    rig.add(Stroker).await;
    rig.devices[1].vanish();
    for client in &mut strangers {
        let told = client.heard().await;
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with(r#"[{"DeviceAdded":{"Id":0,"DeviceName":"Simulated Stroker","#),
            "{told:?}"
        );
        assert_eq!(told[1], r#"[{"DeviceRemoved":{"Id":0,"DeviceIndex":1}}]"#);
    }
}

#[tokio::test(start_paused = true)]
async fn readings_reach_only_those_who_subscribed_and_whose_version_has_them() {
    let rig = Rig::new(&[PressureSensor]).await;
    let mut old = client_of(&rig, 3).await;
    let (mut one, mut other) = (client_of(&rig, 4).await, client_of(&rig, 4).await);
    let subscribe =
        r#"[{"SensorSubscribeCmd":{"Id":2,"DeviceIndex":0,"SensorIndex":0,"SensorType":"Pressure"}}]"#;
    assert_eq!(error_code(&old.asks(subscribe).await, 2), Some(4));
    assert_eq!(one.asks(input(2, 0, 0, "Pressure", "Subscribe")).await, r#"[{"Ok":{"Id":2}}]"#);
    rig.devices[0].set_pressure(212);
    assert!(one.hears().await.contains(r#"{"Pressure":{"Value":212}}"#));
    for client in [&mut old, &mut other] {
        assert_eq!(client.heard().await, Vec::<String>::new());
    }
    let battery = r#"[{"SensorReadCmd":{"Id":3,"DeviceIndex":0,"SensorIndex":0,"SensorType":"Battery"}}]"#;
    assert_eq!(
        old.asks(battery).await,
        r#"[{"SensorReading":{"Id":3,"DeviceIndex":0,"SensorIndex":0,"SensorType":"Battery","Data":[80]}}]"#
    );
}

async fn launch(client: &mut TestClient, position: u32, speed: u32) {
    let reply = client
        .asks(format!(
            r#"[{{"FleshlightLaunchFW12Cmd":{{"Id":2,"DeviceIndex":0,"Position":{position},"Speed":{speed}}}}}]"#
        ))
        .await;
    assert_eq!(reply, r#"[{"Ok":{"Id":2}}]"#);
}

#[tokio::test(start_paused = true)]
async fn a_launch_takes_as_long_as_its_way_at_its_speed_and_never_jumps() {
    let rig = Rig::new(&[Stroker]).await;
    let mut client = client_of(&rig, 0).await;
    for (position, speed) in [(99, 50), (99, 20), (0, 99), (49, 0)] {
        launch(&mut client, position, speed).await;
        sleep_ms(1000).await;
    }
    assert_eq!(
        texts(&rig.devices[0]),
        [
            "0 HwPositionWithDuration 1000 in 409 ms",
            "0 HwPositionWithDuration 1000 in 979 ms",
            "0 HwPositionWithDuration 0 in 213 ms",
            "0 HwPositionWithDuration 494 in 8391 ms",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_launch_is_not_faster_than_asked_from_wherever_it_may_be() {
    let rig = Rig::new(&[Stroker]).await;
    let mut client = client_of(&rig, 0).await;
    // Where it is before the first command is not known.
    launch(&mut client, 0, 50).await;
    sleep_ms(1000).await;
    // On a long and slow way, close to its end by what was asked and far from it in truth.
    launch(&mut client, 99, 5).await;
    sleep_ms(100).await;
    launch(&mut client, 89, 99).await;
    // A stop may have halted it anywhere.
    client.asks(r#"[{"StopAllDevices":{"Id":3}}]"#).await;
    sleep_ms(5000).await;
    launch(&mut client, 99, 99).await;
    assert_eq!(
        texts(&rig.devices[0]),
        [
            "0 HwPositionWithDuration 0 in 409 ms",
            "0 HwPositionWithDuration 1000 in 3667 ms",
            "0 HwPositionWithDuration 898 in 191 ms",
            "0 HwPositionWithDuration 1000 in 213 ms",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn one_bad_part_keeps_the_whole_command_from_the_device() {
    let rig = Rig::new(&[TwoMotorVibrator]).await;
    let mut client = client_of(&rig, 1).await;
    let reply = client
        .asks(r#"[{"VibrateCmd":{"Id":2,"DeviceIndex":0,"Speeds":[{"Index":0,"Speed":1},{"Index":9,"Speed":1}]}}]"#)
        .await;
    assert_eq!(error_code(&reply, 2), Some(4));
    settle().await;
    assert_eq!(rig.told(0), Vec::<String>::new());
}
