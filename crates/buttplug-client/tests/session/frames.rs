//! What clients and scripted servers say, as text: requests, devices, lists, replies. Also used by the tests over a real
//! WebSocket.

/// What a client says, without its id.
pub(crate) const HANDSHAKE: &str =
    r#"{"RequestServerInfo":{"ClientName":"Test","ProtocolVersionMajor":4,"ProtocolVersionMinor":0}}"#;
pub(crate) const REQUEST_LIST: &str = r#"{"RequestDeviceList":{}}"#;
pub(crate) const PING: &str = r#"{"Ping":{}}"#;
pub(crate) const STOP_ALL: &str = r#"{"StopCmd":{"Inputs":true,"Outputs":true}}"#;

/// Two motors of different ranges, a battery.
pub(crate) const TWIN: &str = r#""0":{"DeviceName":"Twin","DeviceIndex":0,"DeviceMessageTimingGap":100,"DeviceFeatures":{
    "0":{"FeatureIndex":0,"FeatureDescription":"Left","Output":{"Vibrate":{"Value":[0,20]}}},
    "1":{"FeatureIndex":1,"FeatureDescription":"Right","Output":{"Vibrate":{"Value":[0,10]}}},
    "2":{"FeatureIndex":2,"FeatureDescription":"","Input":{"Battery":{"Value":[[0,100]],"Command":["Read"]}}}}}"#;

/// A rotator for both directions, a stroker, a button to subscribe to; its owner gave it a name.
pub(crate) const MIXER: &str = r#""5":{"DeviceName":"Mixer","DeviceDisplayName":"Kitchen","DeviceIndex":5,"DeviceMessageTimingGap":0,
    "DeviceFeatures":{
    "0":{"FeatureIndex":0,"Output":{"Rotate":{"Value":[-20,20]}}},
    "3":{"FeatureIndex":3,"Output":{"HwPositionWithDuration":{"Value":[0,100],"Duration":[0,1000]}}},
    "4":{"FeatureIndex":4,"Input":{"Button":{"Value":[[0,1]],"Command":["Subscribe"]}}}}}"#;

/// A device that tells how strong its radio's signal is, under one of the two names of that.
pub(crate) fn radio(spelling: &str) -> String {
    format!(
        r#""1":{{"DeviceName":"Radio","DeviceIndex":1,"DeviceFeatures":{{"0":{{"FeatureIndex":0,
        "Input":{{"{spelling}":{{"Value":[[-128,127]],"Command":["Read"]}}}}}}}}}}"#
    )
}

/// The messages of several frames in one.
pub(crate) fn one_frame(frames: &[String]) -> String {
    frames.join(",").replace("],[", ",")
}

/// A frame with this list, as the reply to `id` or as an event.
pub(crate) fn list(id: u32, devices: &[&str]) -> String {
    format!(r#"[{{"DeviceList":{{"Id":{id},"Devices":{{{}}}}}}}]"#, devices.join(","))
}

pub(crate) fn ok(id: u32) -> String {
    format!(r#"[{{"Ok":{{"Id":{id}}}}}]"#)
}

pub(crate) fn error(id: u32, code: u32, text: &str) -> String {
    format!(r#"[{{"Error":{{"Id":{id},"ErrorMessage":"{text}","ErrorCode":{code}}}}}]"#)
}

pub(crate) fn server_info(id: u32, major: u32, minor: u32, max_ping_ms: u32) -> String {
    format!(
        r#"[{{"ServerInfo":{{"Id":{id},"ServerName":"Rig","MaxPingTime":{max_ping_ms},
        "ProtocolVersionMajor":{major},"ProtocolVersionMinor":{minor}}}}}]"#
    )
}

pub(crate) fn reading(device: u32, feature: u32, kind: &str, value: i32, id: u32) -> String {
    format!(
        r#"[{{"InputReading":{{"Id":{id},"DeviceIndex":{device},"FeatureIndex":{feature},
        "Reading":{{"{kind}":{{"Value":{value}}}}}}}}}]"#
    )
}
