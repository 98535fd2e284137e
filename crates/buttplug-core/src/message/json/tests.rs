//! Frames in both directions: what is read, what is refused with which error, what is written.

use super::*;
use crate::error::ErrorClass;
use crate::limits::{MAX_FRAME_BYTES, MAX_MESSAGES_PER_FRAME, MAX_NESTING};
use crate::message::{
    ClientMessage, ClientRequest, DeviceIndex, FeatureIndex, MessageId, NamedOutputCmd, ServerMessage,
};
use crate::output::{OutputCommand, OutputKind};

fn parse(frame: &str) -> Vec<Result<ClientMessage, BadMessage>> {
    let mut out = Vec::new();
    parse_client_frame(frame.as_bytes(), &mut out);
    out
}

/// What a frame yields, in short: `id` of a message, `!id code` of an error.
fn outline(frame: &str) -> String {
    let outline = |parsed: Result<ClientMessage, BadMessage>| match parsed {
        Ok(message) => message.id.to_string(),
        Err(bad) => format!("!{} {}", bad.id, bad.error.class().code()),
    };
    parse(frame).into_iter().map(outline).collect::<Vec<_>>().join(", ")
}

#[test]
fn good_messages_are_written_as_they_are_read() {
    for frame in [
        r#"[{"RequestServerInfo":{"Id":1,"ClientName":"Night Player","ProtocolVersionMajor":4,"ProtocolVersionMinor":0}}]"#,
        r#"[{"RequestServerInfo":{"Id":1,"ClientName":"","MessageVersion":3}}]"#,
        r#"[{"RequestServerInfo":{"Id":1,"ClientName":"N"}}]"#,
        r#"[{"Ping":{"Id":4294967295}}]"#,
        r#"[{"StartScanning":{"Id":12}}]"#,
        r#"[{"StopScanning":{"Id":8}}]"#,
        r#"[{"RequestDeviceList":{"Id":2}}]"#,
        r#"[{"Disconnect":{"Id":90}}]"#,
        r#"[{"OutputCmd":{"Id":30,"DeviceIndex":0,"FeatureIndex":1,"Command":{"Vibrate":{"Value":14}}}}]"#,
        r#"[{"OutputCmd":{"Id":31,"DeviceIndex":1,"FeatureIndex":1,"Command":{"Rotate":{"Value":-6}}}}]"#,
        r#"[{"OutputCmd":{"Id":32,"DeviceIndex":4,"FeatureIndex":3,"Command":{"HwPositionWithDuration":{"Value":750,"Duration":300}}}}]"#,
        r#"[{"InputCmd":{"Id":33,"DeviceIndex":0,"FeatureIndex":2,"Type":"Battery","Command":"Read"}}]"#,
        r#"[{"InputCmd":{"Id":33,"DeviceIndex":0,"FeatureIndex":2,"Type":"RSSI","Command":"Read"}}]"#,
        r#"[{"InputCmd":{"Id":34,"DeviceIndex":6,"FeatureIndex":0,"Type":"Pressure","Command":"Subscribe"}}]"#,
        r#"[{"StopCmd":{"Id":40,"Inputs":true,"Outputs":true}}]"#,
        r#"[{"StopCmd":{"Id":41,"DeviceIndex":1,"FeatureIndex":1,"Inputs":false,"Outputs":true}}]"#,
    ] {
        let message = parse(frame).remove(0).expect(frame);
        let mut written = Vec::new();
        write_client_message(&message, &mut written);
        assert_eq!(String::from_utf8_lossy(&written), frame);
    }
}

#[test]
fn every_output_kind_has_its_own_command() {
    for kind in crate::OutputKind::ALL {
        let payload =
            if kind.name().starts_with("Hw") { r#"{"Value":1,"Duration":2}"# } else { r#"{"Value":1}"# };
        let frame = format!(
            r#"[{{"OutputCmd":{{"Id":3,"DeviceIndex":0,"FeatureIndex":0,"Command":{{"{kind}":{payload}}}}}}}]"#
        );
        assert_eq!(outline(&frame), "3", "{frame}");
    }
}

#[test]
fn an_output_by_name_looks_like_any_other_and_stands_for_its_kind_where_it_is_known() {
    let named = |name: &str, duration_ms| NamedOutputCmd {
        device: DeviceIndex(2),
        feature: FeatureIndex(1),
        name: name.into(),
        value: -7,
        duration_ms,
    };
    let payload = r#"{"Value":-7,"Duration":300}"#;
    for (name, duration_ms, command) in [
        ("Warp", None, r#"{"Warp":{"Value":-7}}"#.to_owned()),
        ("Warp", Some(300), format!(r#"{{"Warp":{payload}}}"#)),
        (r#"a"b"#, None, r#"{"a\"b":{"Value":-7}}"#.to_owned()),
        ("HwPositionWithDuration", Some(300), format!(r#"{{"HwPositionWithDuration":{payload}}}"#)),
    ] {
        let request = ClientRequest::NamedOutput(named(name, duration_ms));
        let mut written = Vec::new();
        write_client_message(&ClientMessage { id: MessageId(5), request }, &mut written);
        let expected =
            format!(r#"[{{"OutputCmd":{{"Id":5,"DeviceIndex":2,"FeatureIndex":1,"Command":{command}}}}}]"#);
        assert_eq!(String::from_utf8_lossy(&written), expected);
    }
    let known = |name: &str, duration_ms| named(name, duration_ms).known().map(|cmd| cmd.command);
    let timed = OutputCommand::timed_position(-7, 300);
    assert_eq!(known("HwPositionWithDuration", Some(300)), Some(timed));
    assert_eq!(known("Vibrate", Some(300)), Some(OutputCommand::new(OutputKind::Vibrate, -7)));
    assert_eq!((known("Warp", None), known("vibrate", None)), (None, None));
}

#[test]
fn bad_frames_get_one_message_error_without_id() {
    for frame in [
        "hello",
        "[",
        r#"[{"Ping":{"Id":5}"#,
        r#"{"Ping":{"Id":5}}"#,
        "\"Ping\"",
        "5",
        "null",
        "[]",
        "[5]",
        "[null]",
        "[{}]",
        r#"[{"Ping":{"Id":5},"StopScanning":{"Id":6}}]"#,
        r#"[{"Ping":{"Id":5}}] garbage"#,
    ] {
        assert_eq!(outline(frame), "!0 3", "{frame}");
    }
    assert_eq!(outline(""), "");
    assert_eq!(outline("  "), "");
}

#[test]
fn ids_are_whole_numbers_from_1_to_4294967295() {
    for id in ["0", "-1", "\"4\"", "4294967296", "4.5", "null", "[1]", "{}"] {
        assert_eq!(outline(&format!(r#"[{{"Ping":{{"Id":{id}}}}}]"#)), "!0 3", "{id}");
    }
    assert_eq!(outline(r#"[{"Ping":{}}]"#), "!0 3");
    assert_eq!(outline(r#"[{"Ping":5}]"#), "!0 3");
    assert_eq!(outline(r#"[{"Nonsense":{}}]"#), "!0 3");
    assert_eq!(outline(r#"[{"Ping":{"Id":4.0}}]"#), "4");
}

#[test]
fn a_bad_message_is_answered_with_its_id_and_the_right_class() {
    let output = |command: &str| {
        format!(r#"[{{"OutputCmd":{{"Id":7,"DeviceIndex":0,"FeatureIndex":0,"Command":{command}}}}}]"#)
    };
    let input =
        |rest: &str| format!(r#"[{{"InputCmd":{{"Id":7,"DeviceIndex":0,"FeatureIndex":0,{rest}}}}}]"#);
    let cases = [
        (String::from(r#"[{"Nonsense":{"Id":7}}]"#), 3),
        (String::from(r#"[{"Ok":{"Id":7}}]"#), 3),
        (String::from(r#"[{"ScalarCmd":{"Id":7,"DeviceIndex":0,"Scalars":[]}}]"#), 3),
        (String::from(r#"[{"RequestServerInfo":{"Id":7}}]"#), 3),
        (String::from(r#"[{"RequestServerInfo":{"Id":7,"ClientName":null}}]"#), 3),
        (String::from(r#"[{"OutputCmd":{"Id":7,"FeatureIndex":0,"Command":{"Vibrate":{"Value":1}}}}]"#), 3),
        (
            String::from(
                r#"[{"OutputCmd":{"Id":7,"DeviceIndex":-1,"FeatureIndex":0,"Command":{"Vibrate":{"Value":1}}}}]"#,
            ),
            3,
        ),
        (String::from(r#"[{"StopCmd":{"Id":7,"FeatureIndex":0}}]"#), 3),
        (String::from(r#"[{"StopCmd":{"Id":7,"Inputs":"yes"}}]"#), 3),
        (output("{}"), 3),
        (output("5"), 3),
        (output(r#"{"Vibrate":{"Value":1},"Rotate":{"Value":1}}"#), 3),
        (output(r#"{"Vibrate":{}}"#), 3),
        (output(r#"{"Vibrate":{"Value":10.5}}"#), 3),
        (output(r#"{"Vibrate":{"Value":"10"}}"#), 3),
        (output(r#"{"Vibrate":{"Value":[]}}"#), 3),
        (output(r#"{"Vibrate":{"Value":[1,2]}}"#), 3),
        (output(r#"{"Vibrate":{"Value":3000000000}}"#), 3),
        (output(r#"{"HwPositionWithDuration":{"Value":1}}"#), 3),
        (output(r#"{"HwPositionWithDuration":{"Value":-1,"Duration":1}}"#), 3),
        (output(r#"{"RotateWithDirection":{"Value":1}}"#), 3),
        (output(r#"{"Inflate":{"Value":1}}"#), 4),
        (output(r#"{"vibrate":{"Value":1}}"#), 4),
        (input(r#""Type":"battery","Command":"Read""#), 4),
        (input(r#""Type":"Battery","Command":"Peek""#), 3),
        (input(r#""Type":5,"Command":"Read""#), 3),
    ];
    for (frame, code) in cases {
        assert_eq!(outline(&frame), format!("!7 {code}"), "{frame}");
    }
}

#[test]
fn what_published_clients_send_is_understood() {
    let value = |command: &str| {
        let frame =
            format!(r#"[{{"OutputCmd":{{"Id":7,"DeviceIndex":0,"FeatureIndex":0,"Command":{command}}}}}]"#);
        match parse(&frame).remove(0).expect(&frame).request {
            crate::message::ClientRequest::Output(cmd) => cmd.command,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(value(r#"{"Vibrate":{"Value":[7]}}"#).value(), 7);
    assert_eq!(value(r#"{"Vibrate":{"Value":10.0}}"#).value(), 10);
    assert_eq!(value(r#"{"Vibrate":{"Value":5,"Duration":3}}"#).value(), 5);
    assert_eq!(value(r#"{"RotateWithDirection":{"Value":5,"Clockwise":false}}"#).value(), -5);
    assert_eq!(value(r#"{"RotationWithDirection":{"Value":5,"Clockwise":true}}"#).value(), 5);
    assert_eq!(value(r#"{"PositionWithDuration":{"Value":5,"Duration":3}}"#).duration_ms(), 3);
    for frame in [
        r#"[{"StopAllDevices":{"Id":3}}]"#,
        r#"[{"StopDeviceCmd":{"Id":3,"DeviceIndex":0}}]"#,
        r#"[{"StopCmd":{"Id":3,"DeviceIndex":null,"FeatureIndex":null,"Inputs":null}}]"#,
        r#"[{"InputCmd":{"Id":3,"DeviceIndex":0,"FeatureIndex":0,"Type":"Battery","Command":"read"}}]"#,
        r#"[{"Ping":{"Id":3,"Extra":{"a":[1,2,{}]}}}]"#,
        "[ { \"Ping\" :\n { \"Id\" : 3 } } ]",
        r#"[{"Ping":{"\u0049d":3}}]"#,
        r#"[{"P\u0069ng":{"Id":3}}]"#,
    ] {
        assert_eq!(outline(frame), "3", "{frame}");
    }
}

#[test]
fn good_messages_of_a_frame_work_although_one_is_bad() {
    assert_eq!(outline(r#"[{"Ping":{"Id":5}},{"Nonsense":{"Id":6}},{"Ping":{"Id":7}}]"#), "5, !6 3, 7");
    assert_eq!(outline(r#"[{"Ping":{"Id":5}}][{"Ping":{"Id":6}}]"#), "5, 6");
    assert_eq!(outline(r#"[{"Ping":{"Id":5}},7,{"Ping":{"Id":0}}]"#), "5, !0 3, !0 3");
}

#[test]
fn frames_beyond_a_limit_get_one_error_and_nothing_is_executed() {
    let ping = r#"{"Ping":{"Id":5}}"#;
    let many = |count| format!("[{}]", vec![ping; count].join(","));
    assert_eq!(parse(&many(MAX_MESSAGES_PER_FRAME)).len(), MAX_MESSAGES_PER_FRAME);
    assert_eq!(outline(&many(MAX_MESSAGES_PER_FRAME + 1)), "!0 3");

    let nested = |levels: usize| {
        format!(r#"[{{"Ping":{{"Id":5,"X":{}1{}}}}}]"#, "[".repeat(levels - 3), "]".repeat(levels - 3))
    };
    assert_eq!(outline(&nested(MAX_NESTING)), "5");
    assert_eq!(outline(&nested(MAX_NESTING + 1)), "!0 3");
    assert_eq!(outline(&"[".repeat(100_000)), "!0 3");
    assert_eq!(outline(&format!(r#"[{{"Ping":{{"Id":5,"X":"{}\"["}}}}]"#, "[".repeat(1000))), "5");

    let long = |bytes: usize| format!(r#"[{{"Ping":{{"Id":5,"X":"{}"}}}}]"#, "x".repeat(bytes - 26));
    assert_eq!(long(MAX_FRAME_BYTES).len(), MAX_FRAME_BYTES);
    assert_eq!(outline(&long(MAX_FRAME_BYTES)), "5");
    assert_eq!(outline(&long(MAX_FRAME_BYTES + 1)), "!0 3");
}

#[test]
fn error_texts_repeat_only_a_little_of_what_the_peer_sent() {
    let frame = format!(r#"[{{"{}":{{"Id":7}}}}]"#, "N".repeat(100_000));
    let Err(bad) = parse(&frame).remove(0) else { panic!("accepted") };
    assert!(bad.error.to_string().len() < 300, "{}", bad.error);
}

fn parse_server(frame: &str) -> (Vec<ServerMessage>, usize) {
    let mut out = Vec::new();
    let report = parse_server_frame(frame.as_bytes(), &mut out).expect(frame);
    (out, report.skipped.len())
}

#[test]
fn server_messages_are_written_as_they_are_read() {
    for frame in [
        r#"[{"Ok":{"Id":12}}]"#,
        r#"[{"Error":{"Id":41,"ErrorMessage":"there is no device 9","ErrorCode":4}}]"#,
        r#"[{"ScanningFinished":{"Id":0}}]"#,
        r#"[{"ServerInfo":{"Id":1,"ServerName":"Bench","MaxPingTime":0,"ProtocolVersionMajor":4,"ProtocolVersionMinor":0}}]"#,
        r#"[{"InputReading":{"Id":33,"DeviceIndex":0,"FeatureIndex":2,"Reading":{"Battery":{"Value":85}}}}]"#,
        r#"[{"InputReading":{"Id":0,"DeviceIndex":6,"FeatureIndex":0,"Reading":{"RSSI":{"Value":-61}}}}]"#,
        r#"[{"DeviceList":{"Id":2,"Devices":{}}}]"#,
        concat!(
            r#"[{"DeviceList":{"Id":2,"Devices":{"0":{"DeviceIndex":0,"DeviceName":"Twin Wand","DeviceMessageTimingGap":75,"#,
            r#""DeviceFeatures":{"0":{"FeatureIndex":0,"FeatureDescription":"Front","Output":{"Vibrate":{"Value":[0,20]}}},"#,
            r#""2":{"FeatureIndex":2,"FeatureDescription":"","Input":{"Battery":{"Value":[[0,100]],"Command":["Read"]}}}}},"#,
            r#""4":{"DeviceIndex":4,"DeviceName":"Stroker","DeviceDisplayName":"Desk unit","DeviceMessageTimingGap":0,"#,
            r#""DeviceFeatures":{"3":{"FeatureIndex":3,"FeatureDescription":"Shaft","Output":{"Position":{"Value":[0,999]},"#,
            r#""HwPositionWithDuration":{"Value":[0,999],"Duration":[0,99999]}},"#,
            r#""Input":{"Pressure":{"Value":[[0,500]],"Command":["Read","Subscribe"]}}}}}}}}]"#
        ),
    ] {
        let (mut messages, skipped) = parse_server(frame);
        assert_eq!((messages.len(), skipped), (1, 0), "{frame}");
        let mut written = Vec::new();
        write_server_message(&messages.remove(0), &mut written);
        assert_eq!(String::from_utf8_lossy(&written), frame);
    }
}

#[test]
fn unknown_parts_of_a_device_list_are_skipped_and_the_device_stays() {
    let (messages, skipped) = parse_server(concat!(
        r#"[{"DeviceList":{"Id":2,"New":1,"Devices":{"0":{"DeviceIndex":0,"DeviceName":"A","DeviceMessageTimingGap":0,"New":{},"#,
        r#""DeviceFeatures":{"0":{"FeatureIndex":0,"FeatureDescription":"","Colour":3,"Output":{"Warp":{"Speed":9},"Vibrate":{"Value":[0,20],"Unit":"g"}},"#,
        r#""Input":{"Smell":{"Value":[[0,1]],"Command":["Read"]},"RSSI":{"Value":[-128,0],"Command":["Read","Sniff"]}}}}}}}}]"#
    ));
    assert_eq!(skipped, 0);
    let crate::message::ServerContent::DeviceList(devices) = &messages[0].content else {
        panic!("{messages:?}")
    };
    let feature = &devices[0].features[0];
    assert_eq!(feature.outputs.len(), 1);
    assert_eq!(feature.inputs[0].spelling, crate::RssiSpelling::Upper);
    assert!(feature.inputs[0].commands.read);
    assert_eq!(feature.unknown_outputs, ["Warp"]);
    assert_eq!(feature.unknown_inputs, ["Smell"]);
}

#[test]
fn one_unreadable_server_message_does_not_cost_the_others() {
    let (messages, skipped) =
        parse_server(r#"[{"Ok":{"Id":1}},{"Wonder":{"Id":0}},{"Ok":{}},{"Ok":{"Id":2}}]"#);
    assert_eq!((messages.len(), skipped), (2, 2));
    assert!(parse_server_frame(b"not json", &mut Vec::new()).is_err());
    assert!(parse_server_frame(b"{}", &mut Vec::new()).is_err());
}

#[test]
fn foreign_error_codes_and_old_servers_are_read() {
    let (messages, _) = parse_server(concat!(
        r#"[{"Error":{"Id":1,"ErrorMessage":"?","ErrorCode":99}},"#,
        r#"{"ServerInfo":{"Id":1,"ServerName":null,"MessageVersion":3,"MaxPingTime":0}}]"#
    ));
    let crate::message::ServerContent::Error(error) = &messages[0].content else { panic!("{messages:?}") };
    assert_eq!(error.class, ErrorClass::Unknown);
    let crate::message::ServerContent::ServerInfo(info) = &messages[1].content else {
        panic!("{messages:?}")
    };
    assert_eq!((info.major, info.name.as_str()), (3, ""));
}
