//! Every version on one device that has a bit of everything: what is listed, what commands mean, what replies look like.

use super::*;
use buttplug_core::message::json::split_frame;
use buttplug_core::message::{Feature, InputDescription, OutputDescription, ServerContent, ServerInfo};
use buttplug_core::{InputAction, InputCommands, InputKind, OutputKind, RssiSpelling, StepRange};
use std::fmt::Write;

mod agreement;

fn output(kind: OutputKind, min: i32, max: i32) -> OutputDescription {
    let timed = kind == OutputKind::HwPositionWithDuration;
    OutputDescription {
        kind,
        range: StepRange::new(min, max),
        duration_ms: timed.then(|| StepRange::new(0, 1000)),
    }
}

fn feature(index: u32, name: &str, outputs: &[OutputDescription], inputs: &[InputDescription]) -> Feature {
    Feature {
        index: FeatureIndex(index),
        description: name.to_owned(),
        outputs: outputs.to_vec(),
        inputs: inputs.to_vec(),
        ..Feature::default()
    }
}

fn input(kind: InputKind, min: i32, max: i32, read: bool) -> InputDescription {
    InputDescription {
        kind,
        spelling: RssiSpelling::Camel,
        ranges: vec![StepRange::new(min, max)],
        commands: InputCommands { read, subscribe: !read },
    }
}

fn device(index: u32, display_name: Option<&str>, features: Vec<Feature>) -> Arc<DeviceDescription> {
    Arc::new(DeviceDescription {
        index: DeviceIndex(index),
        name: String::from("Combo"),
        display_name: display_name.map(str::to_owned),
        message_gap_ms: 100,
        features,
    })
}

/// A device with a bit of everything, and with gaps between its features.
fn combo() -> Arc<DeviceDescription> {
    use OutputKind::{Constrict, HwPositionWithDuration, Led, Rotate, Vibrate};
    device(
        3,
        Some("Blue"),
        vec![
            feature(0, "Tip", &[output(Vibrate, 0, 10), output(Constrict, 0, 3)], &[]),
            feature(2, "Head", &[output(Rotate, -9, 9)], &[]),
            feature(3, "Lamp", &[output(Led, 0, 1)], &[]),
            feature(5, "Shaft", &[output(HwPositionWithDuration, 0, 99)], &[]),
            feature(6, "Cell", &[], &[input(InputKind::Battery, 0, 100, true)]),
            feature(7, "Bulb", &[], &[input(InputKind::Pressure, 0, 500, false)]),
        ],
    )
}

/// A device that turns one way only and has nothing else.
fn fan() -> Arc<DeviceDescription> {
    device(4, None, vec![feature(1, "", &[output(OutputKind::Rotate, 0, 7)], &[])])
}

/// A device that tells how well it is heard.
fn radio() -> Arc<DeviceDescription> {
    device(5, None, vec![feature(2, "", &[], &[input(InputKind::Rssi, -128, 0, true)])])
}

struct World;

impl Devices for World {
    fn describe(&self, device: DeviceIndex) -> Option<Arc<DeviceDescription>> {
        [combo(), fan(), radio()].into_iter().find(|one| one.index == device)
    }

    fn way(&self, _: DeviceIndex, _: FeatureIndex, target: i32) -> Option<u32> {
        Some(target.unsigned_abs())
    }
}

fn edge(version: u32) -> &'static dyn Edge {
    *ALL.iter().find(|edge| edge.version() == version).expect("a version")
}

/// What a message means in short, or the class of the error.
fn up(version: u32, message: &str) -> String {
    let frame = format!("[{{{message}}}]");
    let element = split_frame(frame.as_bytes()).expect(message).remove(0).expect(message);
    match edge(version).up(&element, &World) {
        Err(bad) => {
            assert_eq!(bad.id, MessageId(7), "{message}");
            format!("error {}", bad.error.class().code())
        }
        Ok(Request::Outputs(device, cmds)) => {
            cmds.iter().fold(format!("device {device}"), |mut text, cmd| {
                assert_eq!(cmd.device, device);
                let command = cmd.command;
                let _ = write!(text, ", {} {} {}", cmd.feature, command.kind(), command.value());
                if command.kind() == OutputKind::HwPositionWithDuration {
                    let _ = write!(text, " in {}", command.duration_ms());
                }
                text
            })
        }
        Ok(Request::Read(cmd, form)) => {
            assert_eq!(cmd.action, InputAction::Read);
            format!("read {} {} {} as {form:?}", cmd.device, cmd.feature, cmd.kind)
        }
        Ok(Request::Nothing) => String::from("nothing"),
        Ok(Request::Answer(frame)) => frame,
        Ok(Request::Current(request)) => format!("{request:?}"),
    }
}

fn down(version: u32, message: &ServerMessage) -> String {
    let mut out = Vec::new();
    edge(version).down(message, &mut out);
    String::from_utf8(out).expect("text")
}

#[test]
fn stopping_means_the_same_in_every_version() {
    for version in 0..=4 {
        let all = up(version, r#""StopAllDevices":{"Id":7}"#);
        assert!(all.contains("scope: All, inputs: true, outputs: true"), "{version}: {all}");
        let one = up(version, r#""StopDeviceCmd":{"Id":7,"DeviceIndex":3}"#);
        assert!(
            one.contains("scope: Device(DeviceIndex(3)), inputs: true, outputs: true"),
            "{version}: {one}"
        );
    }
}

#[test]
fn version_0_moves_everything_of_a_kind_at_once() {
    let cases = [
        (r#""SingleMotorVibrateCmd":{"Id":7,"DeviceIndex":3,"Speed":0.52}"#, "device 3, 0 Vibrate 6"),
        (r#""SingleMotorVibrateCmd":{"Id":7,"DeviceIndex":3,"Speed":0}"#, "device 3, 0 Vibrate 0"),
        (r#""SingleMotorVibrateCmd":{"Id":7,"DeviceIndex":3,"Speed":1.01}"#, "error 3"),
        (r#""SingleMotorVibrateCmd":{"Id":7,"DeviceIndex":4,"Speed":1}"#, "error 4"),
        (r#""SingleMotorVibrateCmd":{"Id":7,"DeviceIndex":9,"Speed":1}"#, "error 4"),
        (
            r#""VorzeA10CycloneCmd":{"Id":7,"DeviceIndex":3,"Speed":50,"Clockwise":true}"#,
            "device 3, 2 Rotate 5",
        ),
        (
            r#""VorzeA10CycloneCmd":{"Id":7,"DeviceIndex":3,"Speed":100,"Clockwise":false}"#,
            "device 3, 2 Rotate -9",
        ),
        (r#""VorzeA10CycloneCmd":{"Id":7,"DeviceIndex":3,"Speed":101,"Clockwise":false}"#, "error 3"),
        (r#""VorzeA10CycloneCmd":{"Id":7,"DeviceIndex":3,"Speed":5}"#, "error 3"),
        (r#""VorzeA10CycloneCmd":{"Id":7,"DeviceIndex":4,"Speed":5,"Clockwise":true}"#, "error 4"),
        (
            r#""FleshlightLaunchFW12Cmd":{"Id":7,"DeviceIndex":3,"Position":99,"Speed":99}"#,
            "device 3, 5 HwPositionWithDuration 99 in 213",
        ),
        (
            r#""FleshlightLaunchFW12Cmd":{"Id":7,"DeviceIndex":3,"Position":0,"Speed":99}"#,
            "device 3, 5 HwPositionWithDuration 0 in 213",
        ),
        (r#""FleshlightLaunchFW12Cmd":{"Id":7,"DeviceIndex":3,"Position":100,"Speed":5}"#, "error 3"),
        (r#""FleshlightLaunchFW12Cmd":{"Id":7,"DeviceIndex":4,"Position":50,"Speed":5}"#, "error 4"),
        (r#""KiirooCmd":{"Id":7,"DeviceIndex":3,"Command":"2"}"#, "error 3"),
        (r#""LovenseCmd":{"Id":7,"DeviceIndex":3,"Command":"Battery;"}"#, "error 3"),
        (r#""RequestLog":{"Id":7,"LogLevel":"Off"}"#, "nothing"),
        (r#""RequestLog":{"Id":7,"LogLevel":"Loud"}"#, "error 3"),
        (r#""Test":{"Id":7,"TestString":"abc"}"#, r#"[{"Test":{"Id":7,"TestString":"abc"}}]"#),
        (r#""Test":{"Id":7,"TestString":"\"\n"}"#, r#"[{"Test":{"Id":7,"TestString":"\"\n"}}]"#),
        (r#""Test":{"Id":7,"TestString":"Error"}"#, "error 3"),
    ];
    for (message, meaning) in cases {
        for version in [0, 1] {
            assert_eq!(up(version, message), meaning, "{message}");
        }
        for version in [3, 4] {
            assert_eq!(up(version, message), "error 3", "{message}");
        }
        let log = message.starts_with(r#""RequestLog""#);
        assert_eq!(up(2, message), if log { meaning } else { "error 3" }, "{message}");
    }
    assert_eq!(up(0, r#""RawCmd":{"Id":7,"DeviceIndex":3,"Command":[1]}"#), "error 3");
    assert_eq!(up(0, r#""VibrateCmd":{"Id":7,"DeviceIndex":3,"Speeds":[{"Index":0,"Speed":1}]}"#), "error 3");
}

#[test]
fn versions_1_to_3_address_motors_by_their_place_among_their_kind() {
    let cases = [
        (
            r#""VibrateCmd":{"Id":7,"DeviceIndex":3,"Speeds":[{"Index":0,"Speed":0.31}]}"#,
            "device 3, 0 Vibrate 4",
        ),
        (r#""VibrateCmd":{"Id":7,"DeviceIndex":3,"Speeds":[{"Index":1,"Speed":0.31}]}"#, "error 4"),
        (r#""VibrateCmd":{"Id":7,"DeviceIndex":3,"Speeds":[{"Index":0,"Speed":-0.1}]}"#, "error 3"),
        (r#""VibrateCmd":{"Id":7,"DeviceIndex":3,"Speeds":[{"Index":0}]}"#, "error 3"),
        (r#""VibrateCmd":{"Id":7,"DeviceIndex":3,"Speeds":[]}"#, "error 3"),
        (r#""VibrateCmd":{"Id":7,"DeviceIndex":3,"Speeds":[[0,1]]}"#, "error 3"),
        (r#""RotateCmd":{"Id":7,"DeviceIndex":3,"Rotations":[[0,1,true]]}"#, "error 3"),
        (r#""LinearCmd":{"Id":7,"DeviceIndex":3,"Vectors":[[0,4,1]]}"#, "error 3"),
        (r#""VibrateCmd":{"Id":7,"DeviceIndex":4,"Speeds":[{"Index":0,"Speed":1}]}"#, "error 4"),
        (
            r#""VibrateCmd":{"Id":7,"DeviceIndex":3,"Speeds":[{"Index":0,"Speed":1},{"Index":0,"Speed":0}]}"#,
            "device 3, 0 Vibrate 10, 0 Vibrate 0",
        ),
        (
            r#""RotateCmd":{"Id":7,"DeviceIndex":3,"Rotations":[{"Index":0,"Speed":0.25,"Clockwise":false}]}"#,
            "device 3, 2 Rotate -3",
        ),
        (
            r#""RotateCmd":{"Id":7,"DeviceIndex":4,"Rotations":[{"Index":0,"Speed":1,"Clockwise":true}]}"#,
            "error 4",
        ),
        (r#""RotateCmd":{"Id":7,"DeviceIndex":3,"Rotations":[]}"#, "error 3"),
        (
            r#""LinearCmd":{"Id":7,"DeviceIndex":3,"Vectors":[{"Index":0,"Duration":400.9,"Position":0.25}]}"#,
            "device 3, 5 HwPositionWithDuration 24 in 400",
        ),
        (
            r#""LinearCmd":{"Id":7,"DeviceIndex":3,"Vectors":[{"Index":0,"Duration":4,"Position":1.1}]}"#,
            "error 3",
        ),
        (
            r#""LinearCmd":{"Id":7,"DeviceIndex":3,"Vectors":[{"Index":1,"Duration":4,"Position":1}]}"#,
            "error 4",
        ),
        (r#""LinearCmd":{"Id":7,"DeviceIndex":3,"Vectors":[]}"#, "device 3"),
        (r#""LinearCmd":{"Id":7,"DeviceIndex":9,"Vectors":[]}"#, "error 4"),
    ];
    for (message, meaning) in cases {
        for version in 1..=3 {
            assert_eq!(up(version, message), meaning, "{version}: {message}");
        }
        assert_eq!(up(4, message), "error 3", "{message}");
    }
}

#[test]
fn version_2_reads_levels() {
    let cases = [
        (r#""BatteryLevelCmd":{"Id":7,"DeviceIndex":3}"#, "read 3 6 Battery as BatteryLevel"),
        (r#""BatteryLevelCmd":{"Id":7,"DeviceIndex":4}"#, "error 4"),
        (r#""RSSILevelCmd":{"Id":7,"DeviceIndex":5}"#, "read 5 2 Rssi as RssiLevel"),
        (r#""RSSILevelCmd":{"Id":7,"DeviceIndex":3}"#, "error 4"),
    ];
    for (message, meaning) in cases {
        assert_eq!(up(2, message), meaning, "{message}");
        for version in [0, 1, 3, 4] {
            assert_eq!(up(version, message), "error 3", "{version}: {message}");
        }
    }
    for version in [2, 3] {
        let raw =
            r#""RawWriteCmd":{"Id":7,"DeviceIndex":3,"Endpoint":"tx","Data":[1],"WriteWithResponse":false}"#;
        assert_eq!(up(version, raw), "error 3");
    }
}

#[test]
fn version_3_counts_every_strength_and_knows_the_battery() {
    let scalar = |index: u32, scalar: &str, kind: &str| {
        let scalar = format!(r#"{{"Index":{index},"Scalar":{scalar},"ActuatorType":"{kind}"}}"#);
        up(3, &format!(r#""ScalarCmd":{{"Id":7,"DeviceIndex":3,"Scalars":[{scalar}]}}"#))
    };
    let cases = [
        (0, "0.34", "Constrict", "device 3, 0 Constrict 2"),
        (1, "0.35", "Vibrate", "device 3, 0 Vibrate 4"),
        (2, "1", "Rotate", "device 3, 2 Rotate 9"),
        // Of the same feature, so what is meant is clear.
        (0, "1", "Vibrate", "device 3, 0 Vibrate 10"),
        (2, "1", "Vibrate", "error 4"),
        (3, "1", "Led", "error 4"),
        (0, "1", "Inflate", "error 4"),
        (0, "1.5", "Constrict", "error 4"),
        (0, "-0.1", "Constrict", "error 4"),
        (0, "null", "Constrict", "error 3"),
    ];
    for (index, value, kind, meaning) in cases {
        assert_eq!(scalar(index, value, kind), meaning, "{index} {value} {kind}");
    }
    for scalars in ["[]", r#"[[0,1,"Constrict"]]"#] {
        assert_eq!(
            up(3, &format!(r#""ScalarCmd":{{"Id":7,"DeviceIndex":3,"Scalars":{scalars}}}"#)),
            "error 3"
        );
    }
    let several = r#""ScalarCmd":{"Id":7,"DeviceIndex":3,"Scalars":[
        {"Index":2,"Scalar":0.5,"ActuatorType":"Rotate"},{"Index":1,"Scalar":0.5,"ActuatorType":"Vibrate"}]}"#;
    assert_eq!(up(3, several), "device 3, 0 Vibrate 5, 2 Rotate 5");
    let sensor = |command: &str, index: u32, kind: &str, device: u32| {
        up(
            3,
            &format!(
                r#""{command}":{{"Id":7,"DeviceIndex":{device},"SensorIndex":{index},"SensorType":"{kind}"}}"#
            ),
        )
    };
    assert_eq!(sensor("SensorReadCmd", 0, "Battery", 3), "read 3 6 Battery as Sensor { index: 0 }");
    assert_eq!(sensor("SensorReadCmd", 8, "Battery", 3), "read 3 6 Battery as Sensor { index: 8 }");
    for (kind, device) in [("RSSI", 3), ("Pressure", 3), ("Battery", 4), ("Battery", 9)] {
        assert_eq!(sensor("SensorReadCmd", 0, kind, device), "error 4");
    }
    for command in ["SensorSubscribeCmd", "SensorUnsubscribeCmd"] {
        assert_eq!(sensor(command, 0, "Pressure", 3), "error 4");
    }
}

#[test]
fn a_sensor_that_version_3_does_not_read_is_told_from_one_that_does_not_exist() {
    let reason = |kind: &str| {
        let frame = format!(
            r#"[{{"SensorReadCmd":{{"Id":7,"DeviceIndex":3,"SensorIndex":0,"SensorType":"{kind}"}}}}]"#
        );
        let element = split_frame(frame.as_bytes()).expect("a frame").remove(0).expect("a message");
        edge(3).up(&element, &World).map_err(|bad| bad.error.to_string())
    };
    let other = Err(String::from(
        "device 3 (Combo) has nothing that follows a SensorReadCmd of anything but its battery",
    ));
    assert_eq!(reason("Pressure"), other);
    assert_eq!(reason("RSSI"), other);
    assert_eq!(reason("Smell"), Err(String::from("no input is called \"Smell\"")));
}

#[test]
fn unknown_messages_and_those_of_servers_are_refused_in_every_version() {
    for version in 0..=4 {
        for name in ["Nonsense", "Ok", "DeviceAdded", "OutputCmd", "ScalarCmd"] {
            assert_eq!(up(version, &format!(r#""{name}":{{"Id":7}}"#)), "error 3", "{version} {name}");
        }
    }
}

#[test]
fn each_version_shows_devices_in_its_own_way() {
    let list = ServerMessage { id: MessageId(2), content: ServerContent::DeviceList(vec![combo()]) };
    let cases = [
        (
            0,
            r#"{"DeviceName":"Combo","DeviceIndex":3,"DeviceMessages":["FleshlightLaunchFW12Cmd","SingleMotorVibrateCmd","StopDeviceCmd","VorzeA10CycloneCmd"]}"#,
        ),
        (
            1,
            r#"{"DeviceName":"Combo","DeviceIndex":3,"DeviceMessages":{"VibrateCmd":{"FeatureCount":1},"RotateCmd":{"FeatureCount":1},"LinearCmd":{"FeatureCount":1},"SingleMotorVibrateCmd":{},"FleshlightLaunchFW12Cmd":{},"VorzeA10CycloneCmd":{},"StopDeviceCmd":{}}}"#,
        ),
        (
            2,
            r#"{"DeviceName":"Combo","DeviceIndex":3,"DeviceMessages":{"VibrateCmd":{"FeatureCount":1,"StepCount":[10]},"RotateCmd":{"FeatureCount":1,"StepCount":[9]},"LinearCmd":{"FeatureCount":1,"StepCount":[99]},"BatteryLevelCmd":{},"StopDeviceCmd":{}}}"#,
        ),
        (
            3,
            r#"{"DeviceName":"Combo","DeviceIndex":3,"DeviceMessageTimingGap":100,"DeviceDisplayName":"Blue","DeviceMessages":{"ScalarCmd":[{"FeatureDescriptor":"Tip","StepCount":3,"ActuatorType":"Constrict"},{"FeatureDescriptor":"Tip","StepCount":10,"ActuatorType":"Vibrate"},{"FeatureDescriptor":"Head","StepCount":9,"ActuatorType":"Rotate"}],"RotateCmd":[{"FeatureDescriptor":"Head","StepCount":9,"ActuatorType":"Rotate"}],"LinearCmd":[{"FeatureDescriptor":"Shaft","StepCount":99,"ActuatorType":"Position"}],"SensorReadCmd":[{"FeatureDescriptor":"Cell","SensorType":"Battery","SensorRange":[[0,100]]}],"StopDeviceCmd":{}}}"#,
        ),
    ];
    for (version, device) in cases {
        assert_eq!(down(version, &list), format!(r#"[{{"DeviceList":{{"Id":2,"Devices":[{device}]}}}}]"#));
        let change = ListChange::between(&[], vec![combo()]);
        let added = format!(r#"[{{"DeviceAdded":{{"Id":0,{}}}]"#, &device[1..]);
        assert_eq!(edge(version).list_changed(&change), [Outgoing::Frame(added)]);
    }
    let empty = ServerMessage { id: MessageId(2), content: ServerContent::DeviceList(Vec::new()) };
    assert_eq!(down(3, &empty), r#"[{"DeviceList":{"Id":2,"Devices":[]}}]"#);
}

#[test]
fn a_device_that_an_old_version_cannot_drive_can_still_be_stopped() {
    let list = ServerMessage { id: MessageId(2), content: ServerContent::DeviceList(vec![fan()]) };
    let shown = [
        (0, r#""DeviceMessages":["StopDeviceCmd"]"#),
        (1, r#""DeviceMessages":{"StopDeviceCmd":{}}"#),
        (2, r#""DeviceMessages":{"StopDeviceCmd":{}}"#),
        (
            3,
            r#""DeviceMessages":{"ScalarCmd":[{"FeatureDescriptor":"","StepCount":7,"ActuatorType":"Rotate"}],"StopDeviceCmd":{}}"#,
        ),
    ];
    for (version, messages) in shown {
        assert!(down(version, &list).contains(messages), "{}", down(version, &list));
    }
}

#[test]
fn the_reply_to_the_handshake_has_the_fields_of_its_version_and_no_other() {
    let info = |major| ServerMessage {
        id: MessageId(1),
        content: ServerContent::ServerInfo(ServerInfo {
            name: String::from("B"),
            max_ping_ms: 5,
            major,
            minor: 0,
        }),
    };
    for version in [0, 1] {
        assert_eq!(
            down(version, &info(version)),
            format!(
                r#"[{{"ServerInfo":{{"Id":1,"ServerName":"B","MajorVersion":0,"MinorVersion":0,"BuildVersion":0,"MessageVersion":{version},"MaxPingTime":5}}}}]"#
            )
        );
    }
    for version in [2, 3] {
        assert_eq!(
            down(version, &info(version)),
            format!(
                r#"[{{"ServerInfo":{{"Id":1,"ServerName":"B","MessageVersion":{version},"MaxPingTime":5}}}}]"#
            )
        );
    }
}

#[test]
fn readings_come_in_the_form_that_was_asked_for_and_old_versions_hear_no_others() {
    let (id, device) = (MessageId(7), DeviceIndex(3));
    let cases = [
        (
            ReadingForm::Sensor { index: 8 },
            r#"[{"SensorReading":{"Id":7,"DeviceIndex":3,"SensorIndex":8,"SensorType":"Battery","Data":[85]}}]"#,
        ),
        (
            ReadingForm::BatteryLevel,
            r#"[{"BatteryLevelReading":{"Id":7,"DeviceIndex":3,"BatteryLevel":0.85}}]"#,
        ),
        (ReadingForm::RssiLevel, r#"[{"RSSILevelReading":{"Id":7,"DeviceIndex":3,"RSSILevel":85}}]"#),
    ];
    for (form, frame) in cases {
        assert_eq!(form.reply(id, device, 85), Outgoing::Frame(frame.to_owned()));
    }
    let reading = buttplug_core::message::InputReading {
        device,
        feature: FeatureIndex(7),
        kind: InputKind::Pressure,
        spelling: RssiSpelling::Camel,
        value: 212,
    };
    let event = ServerMessage::event(ServerContent::InputReading(reading));
    for version in 0..=3 {
        assert_eq!(down(version, &event), "");
    }
    assert!(down(4, &event).contains("212"));
}

#[test]
fn a_device_that_is_replaced_is_gone_before_it_comes() {
    let (old, new, stays) = (combo(), combo(), fan());
    let change = ListChange::between(&[old, stays.clone()], vec![new, stays]);
    let frames = |version| -> Vec<String> {
        let text = |outgoing| match outgoing {
            Outgoing::Frame(frame) => frame,
            Outgoing::Message(message) => down(version, &message),
        };
        edge(version).list_changed(&change).into_iter().map(text).collect()
    };
    for version in 0..=3 {
        let frames = frames(version);
        assert_eq!(frames[0], r#"[{"DeviceRemoved":{"Id":0,"DeviceIndex":3}}]"#);
        assert!(frames[1].starts_with(r#"[{"DeviceAdded":{"Id":0,"DeviceName":"Combo","DeviceIndex":3,"#));
        assert_eq!(frames.len(), 2);
    }
    let lists = frames(4);
    assert_eq!(lists.len(), 2);
    assert!(!lists[0].contains(r#""3":"#) && lists[0].contains(r#""4":"#), "{}", lists[0]);
    assert!(lists[1].contains(r#""3":"#) && lists[1].contains(r#""4":"#), "{}", lists[1]);
}

#[test]
fn only_what_differs_between_two_lists_is_a_change() {
    let (one, two) = (combo(), fan());
    let change = ListChange::between(&[one.clone(), two.clone()], vec![one.clone(), two.clone()]);
    assert!(change.is_empty() && !change.has_replacement());
    let change = ListChange::between(std::slice::from_ref(&one), vec![two]);
    assert_eq!(
        (change.gone.as_slice(), change.come.len(), change.kept.len()),
        ([one.index].as_slice(), 1, 0)
    );
    assert!(!change.has_replacement());
}

/// How a client asks for a version, which one serves it, and the class of the refusal.
#[test]
fn a_client_is_served_in_the_version_it_asks_for() {
    use VersionRequest::{Message, None, Protocol};
    let major = |major| Protocol { major, minor: 7 };
    let served = |request| negotiate(request, ALL).map(Edge::version);
    for (request, version) in [
        (None, 0),
        (Message(0), 0),
        (Message(1), 1),
        (Message(2), 2),
        (Message(3), 3),
        (major(4), 4),
        (major(2), 2),
    ] {
        assert_eq!(served(request), Ok(version), "{request:?}");
    }
    assert_eq!(served(Message(4)), Err(HandshakeError::NoSuchMessageVersion(4)));
    assert_eq!(served(major(5)), Err(HandshakeError::TooNew { requested: 5, newest: 4 }));
    let typed = negotiate(Message(3), TYPED).map(Edge::version);
    assert_eq!(typed, Err(HandshakeError::TooOld { requested: 3, oldest: 4 }));
}
