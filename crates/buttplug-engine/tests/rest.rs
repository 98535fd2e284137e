//! The REST API, seen by programs that know nothing but HTTP: what earlier engines answered, and what they did not.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod program;

use program::http::{EventStream, get, put, raw, request};
use program::{Engine, File, SOON, Socket, lovense, lovense_at, run, user_file};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An engine with a port for devices, and its port for REST.
async fn engine_with(file: File, more: &[&str]) -> (Engine, u16) {
    let mut arguments = vec!["--user-device-config-file", file.name(), "--rest-api-port", "0"];
    arguments.extend(["--use-device-websocket-server", "--device-websocket-server-port", "0"]);
    arguments.extend(more);
    let mut engine = Engine::start_with(&arguments).await;
    engine.files.push(file);
    let port = engine.rest_port().await;
    (engine, port)
}

/// The same with a vibrator, which is device 0.
async fn vibrator(name: &str, more: &[&str]) -> (Engine, u16, Socket) {
    let (mut engine, port) = engine_with(user_file(name), more).await;
    assert_eq!(get(port, "/api/v1/devices").await.json(), json!({}));
    let device = lovense(engine.device_port().await).await;
    devices(port, 1).await;
    (engine, port, device)
}

/// The devices, once there are so many.
async fn devices(port: u16, count: usize) -> Value {
    let there = async {
        loop {
            let devices = get(port, "/api/v1/devices").await.json();
            if devices.as_object().is_some_and(|devices| devices.len() == count) {
                return devices;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, there).await.expect("as many devices in time")
}

/// One simulated device of each of these kinds.
fn simulated(name: &str, kinds: &[&str]) -> File {
    let entries = kinds.iter().map(|kind| format!("[[simulated]]\narchetype = \"simulated-{kind}\"\n"));
    File::new(name, &entries.collect::<String>())
}

#[tokio::test]
async fn what_earlier_engines_answered_is_answered_still() {
    let (_engine, port, mut device) = vibrator("recorded.json", &[]).await;
    let hush = get(port, "/api/v1/devices/0").await;
    assert_eq!((hush.status, hush.header("content-type")), (200, Some("application/json")));
    let hush = hush.json();
    assert_eq!(
        (&hush["index"], &hush["name"], &hush["display_name"]),
        (&json!(0), &json!("Lovense Hush"), &Value::Null)
    );
    let motor = &hush["features"]["0"];
    assert_eq!(motor["FeatureIndex"], 0);
    assert!(motor["FeatureDescription"].is_string() && motor.get("Input").is_none(), "{motor}");
    assert_eq!(motor["Output"], json!({"Vibrate": {"Value": [0, 20]}}));
    let battery = json!({"Battery": {"Value": [[0, 100]], "Command": ["Read"]}});
    assert_eq!(hush["features"]["1"]["Input"], battery);
    assert_eq!(get(port, "/api/v1/devices").await.json(), json!({"0": hush}));
    assert_eq!(get(port, "/api/v1/devices/0/features").await.json(), hush["features"]);
    assert_eq!(put(port, "/api/v1/devices/0/features/0/").await.json(), *motor);
    for path in ["/api/v1/start-scanning", "/api/v1/start-scanning", "/api/v1/stop-scanning"] {
        for method in ["GET", "POST"] {
            let answer = request(port, method, path, "", "").await;
            assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{method} {path}");
        }
    }
    let answer = put(port, "/api/v1/devices/0/outputs/Vibrate/0.5").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(device.frames_until("Vibrate:10;").await, ["Vibrate:10;"]);
    let answer = put(port, "/api/v1/devices/0/features/0/outputs/Vibrate/1.0").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(device.frames_until("Vibrate:20;").await, ["Vibrate:20;"]);
    for path in ["/api/v1/devices/0/stop", "/api/v1/devices/stop"] {
        let answer = put(port, path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    }
    let head = request(port, "HEAD", "/api/v1/devices", "", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn what_can_not_be_done_is_refused_with_a_code_and_a_sentence() {
    let (_engine, port, mut device) = vibrator("refused.json", &[]).await;
    for (method, path, status, code) in [
        ("GET", "/api/v1/devices/5", 404, "no-such-device"),
        ("PUT", "/api/v1/devices/5/stop", 404, "no-such-device"),
        ("GET", "/api/v1/devices/0/features/9", 404, "no-such-feature"),
        ("PUT", "/api/v1/devices/0/features/9/stop", 404, "no-such-feature"),
        ("PUT", "/api/v1/devices/0/features/9/outputs/Vibrate/0.3", 404, "no-such-feature"),
        ("PUT", "/api/v1/devices/0/features/1/outputs/Vibrate/0.3", 404, "no-such-output"),
        ("PUT", "/api/v1/devices/0/outputs/Rotate/0.5", 404, "no-such-output"),
        ("PUT", "/api/v1/devices/0/outputs/Vibrate/2.5", 400, "bad-value"),
        ("PUT", "/api/v1/devices/0/outputs/Vibrate/-0.5", 400, "bad-value"),
        ("PUT", "/api/v1/devices/0/outputs/Vibrate/NaN", 400, "bad-value"),
        ("PUT", "/api/v1/devices/0/outputs/Vibrate/abc", 400, "bad-value"),
        ("PUT", "/api/v1/devices/0/outputs/Vibrate", 400, "bad-value"),
        ("PUT", "/api/v1/devices/0/outputs/vibrate/0.5", 400, "no-such-kind"),
        ("PUT", "/api/v1/devices/0/outputs/Vibrate/0.5?lease=1", 400, "bad-parameter"),
        ("PUT", "/api/v1/devices/0/outputs/Vibrate/0.5?leese=500", 400, "bad-parameter"),
        ("GET", "/api/v1/devices/0/features/0/inputs/Battery", 404, "no-such-input"),
        ("GET", "/api/v1/devices/0/features/1/inputs/battery", 400, "no-such-kind"),
        ("GET", "/api/v1/devices/abc", 400, "bad-index"),
        ("GET", "/api/v1/devices/0/outputs/Vibrate/0.5", 405, "wrong-method"),
        ("OPTIONS", "/api/v1/devices", 405, "wrong-method"),
        ("GET", "/api/v1/devices/", 404, "no-such-path"),
        ("GET", "/api/v1", 404, "no-such-path"),
        ("GET", "/", 404, "no-such-path"),
    ] {
        let answer = request(port, method, path, "", "").await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{method} {path}: {answer:?}");
        assert!(!answer.json()["error"]["message"].as_str().unwrap().is_empty(), "{answer:?}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{answer:?}");
    }
    assert_eq!(put(port, "/api/v1/devices/stop").await.status, 200);
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"], "nothing moved");
}

#[tokio::test]
async fn steps_durations_and_readings_are_within_reach() {
    let (_engine, port) = engine_with(simulated("rich.toml", &["stroker", "rotator"]), &[]).await;
    request(port, "POST", "/api/v1/start-scanning", "", "").await;
    let devices = devices(port, 2).await;
    let of = |name: &str| {
        let named = devices.as_object().unwrap().iter().find(|(_, device)| device["name"] == name);
        named.unwrap_or_else(|| panic!("no {name} in {devices}")).0.clone()
    };
    let (stroker, rotator) = (of("Simulated Stroker"), of("Simulated Rotator"));
    let timed = format!("/api/v1/devices/{stroker}/outputs/HwPositionWithDuration");
    let rotate = format!("/api/v1/devices/{rotator}/outputs/Rotate");
    let json = "Content-Type: application/json\r\n";
    for (path, head, body, status) in [
        (format!("{timed}/0.5"), "", "", 400),
        (format!("{timed}/0.5"), json, "{\"duration\": 500}", 200),
        (format!("{timed}/0.5"), json, "{\"duration\": 500000}", 400),
        (timed, "", "{\"value\": 1000, \"duration\": 500}", 200),
        (format!("{rotate}/-0.5"), "", "ignored, as ever", 200),
        (format!("{rotate}/-0.5"), json, "garbage", 400),
        (rotate.clone(), "", "{\"value\": -100}", 200),
        (rotate.clone(), "", "{\"value\": -101}", 400),
        (rotate, "", "{\"value\": 1, \"duration\": 5}", 400),
    ] {
        let answer = request(port, "PUT", &path, head, body).await;
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
    }
    let battery = get(port, &format!("/api/v1/devices/{rotator}/features/1/inputs/Battery")).await;
    assert!(battery.json()["value"].as_i64().is_some_and(|value| (0..=100).contains(&value)), "{battery:?}");
}

#[tokio::test]
async fn events_begin_with_what_is_there_and_are_json() {
    let (mut engine, port, device) = vibrator("events.json", &[]).await;
    let mut events = EventStream::open(port, "/api/v1/events").await;
    let mut text = EventStream::open(port, "/api/v1/events?format=text").await;
    let (name, snapshot) = events.next().await;
    assert_eq!((name.as_str(), &snapshot), ("Snapshot", &get(port, "/api/v1/devices").await.json()));
    let other = lovense_at(engine.device_port().await, "second").await;
    let (name, added) = events.next().await;
    assert_eq!(
        (name.as_str(), &added["name"], &added["index"]),
        ("DeviceAdded", &json!("Lovense Hush"), &json!(1))
    );
    drop(device);
    assert_eq!(events.next().await, ("DeviceRemoved".into(), json!({"index": 0, "name": "Lovense Hush"})));
    let told = "ButtplugClientDevice { name: \"Lovense Hush\", index:";
    assert_eq!(text.field("data: ").await, format!("DeviceAdded({told} 1 }})"));
    assert_eq!(text.field("data: ").await, format!("DeviceRemoved({told} 0 }})"));
    drop(other);
}

#[tokio::test]
async fn readers_that_do_not_read_have_a_limit_and_keep_no_stop_back() {
    let (_engine, port, mut device) = vibrator("stalled.json", &[]).await;
    let mut stalled = Vec::new();
    for _ in 0..16 {
        stalled.push(EventStream::open(port, "/api/v1/events").await);
    }
    let one_more = get(port, "/api/v1/events").await;
    assert_eq!((one_more.status, one_more.code().as_str()), (503, "busy"));
    put(port, "/api/v1/devices/0/outputs/Vibrate/0.5").await;
    device.frames_until("Vibrate:10;").await;
    // Far more than there are places for; all say nothing.
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    assert_eq!(put(port, "/api/v1/devices/stop").await.status, 200);
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    stalled.truncate(15);
    timeout(SOON, async {
        while get_events_status(port).await != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("a stream that is gone makes room");
}

/// What a stream of events is answered with, without staying for the events.
async fn get_events_status(port: u16) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    String::from_utf8_lossy(&status[9..]).parse().unwrap()
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_holds_up_nobody_and_counts() {
    let (_engine, port, mut device) = vibrator("slow-body.json", &[]).await;
    let mut slow = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let body = r#"{"value": 19}"#;
    let head = format!(
        "PUT /api/v1/devices/0/outputs/Vibrate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let (last, others) = body.as_bytes().split_last().unwrap();
    for (value, byte) in (1..).zip(others) {
        slow.write_all(&[*byte]).await.unwrap();
        let path = format!("/api/v1/devices/0/outputs/Vibrate/{}", f64::from(value) / 20.0);
        assert_eq!(put(port, &path).await.status, 200);
        let wanted = format!("Vibrate:{value};");
        assert_eq!(device.frames_until(&wanted).await, [wanted]);
    }
    slow.write_all(&[*last]).await.unwrap();
    assert_eq!(device.frames_until("Vibrate:19;").await, ["Vibrate:19;"]);
}

/// Sends a request over a connection that stays.
#[cfg(unix)]
async fn ask(stream: &mut TcpStream, method: &str, path: &str) {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// The status of the answer; the rest of it is left. `None`: the connection ended without one.
#[cfg(unix)]
async fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut begin = [0; 12];
    timeout(SOON, stream.read_exact(&mut begin)).await.expect("an answer, or an end").ok()?;
    String::from_utf8_lossy(&begin[9..]).parse().ok()
}

#[cfg(unix)]
#[tokio::test]
async fn a_stop_over_a_connection_that_is_to_make_room_for_another_is_heard() {
    let (engine, port, _device) = vibrator("make-room.json", &[]).await;
    // As many as may be, all silent for long enough to be closed for a newer one.
    let mut kept = Vec::new();
    for _ in 0..48 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        ask(&mut stream, "GET", "/healthz").await;
        assert_eq!(status(&mut stream).await, Some(200));
        let rest = "\r\n\r\n{\"status\":\"ok\"}";
        let mut answer = Vec::new();
        while !answer.ends_with(rest.as_bytes()) {
            answer.push(timeout(SOON, stream.read_u8()).await.expect("the rest").unwrap());
        }
        kept.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    // All of it is there when the engine looks again, the newcomers first.
    engine.signal("STOP");
    let mut newer = Vec::new();
    for _ in 0..24 {
        newer.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    for stream in &mut kept {
        ask(stream, "PUT", "/api/v1/devices/stop").await;
    }
    engine.signal("CONT");
    for (number, stream) in kept.iter_mut().enumerate() {
        assert_eq!(status(stream).await, Some(200), "the stop of connection {number}");
    }
}

#[tokio::test]
async fn whoever_asks_and_hangs_up_is_heard() {
    let (_engine, port, mut device) = vibrator("hang-up.json", &[]).await;
    for breaks in [false, true] {
        put(port, "/api/v1/devices/0/outputs/Vibrate/0.5").await;
        device.frames_until("Vibrate:10;").await;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        if breaks {
            stream.set_zero_linger().unwrap();
        }
        stream.write_all(b"PUT /api/v1/devices/stop HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        drop(stream);
        assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:0;"]);
    }
}

#[tokio::test]
async fn an_output_that_is_leased_stops_unless_it_is_renewed() {
    let (_engine, port, mut device) = vibrator("lease.json", &[]).await;
    let start = Instant::now();
    for _ in 0..4 {
        let answer = put(port, "/api/v1/devices/0/outputs/Vibrate/0.5?lease=400").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(device.frames_until("Vibrate:0;").await, ["Vibrate:10;", "Vibrate:0;"]);
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    // Without a lease it goes on.
    put(port, "/api/v1/devices/0/outputs/Vibrate/0.5?lease=400").await;
    put(port, "/api/v1/devices/0/outputs/Vibrate/1").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    put(port, "/api/v1/devices/0/outputs/Vibrate/0.1").await;
    let frames = device.frames_until("Vibrate:2;").await;
    assert!(!frames.iter().any(|frame| frame == "Vibrate:0;"), "{frames:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_end_of_the_program_stops_what_was_set_in_motion() {
    let (mut engine, port, mut device) = vibrator("end.json", &[]).await;
    put(port, "/api/v1/devices/0/outputs/Vibrate/0.5").await;
    device.frames_until("Vibrate:10;").await;
    let mut events = EventStream::open(port, "/api/v1/events").await;
    assert_eq!(events.next().await.0, "Snapshot");
    let start = Instant::now();
    engine.signal("TERM");
    let frames = device.frames_until_close().await;
    assert!(!frames.is_empty() && frames.iter().all(|frame| frame == "Vibrate:0;"), "{frames:?}");
    let status = engine.end().await;
    assert!(start.elapsed() < Duration::from_millis(2500), "{:?}", start.elapsed());
    assert_eq!((status.code(), engine.stderr().await.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn garbage_and_too_much_of_anything_is_refused_and_the_next_one_served() {
    let (_engine, port) = engine_with(user_file("garbage.json"), &[]).await;
    let long = "x".repeat(1_000_000);
    for (request, statuses) in [
        ("\x16\x03\x01 hello".to_owned(), &[400][..]),
        ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), &[400]),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), &[414, 431]),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {long}\r\n\r\n"), &[431]),
        ("GET /healthz HTTP/1.1\r\n\r\n".to_owned(), &[200]),
    ] {
        let answer = raw(port, request.as_bytes()).await;
        assert!(statuses.contains(&answer.status), "{answer:?}");
    }
    let output = "/api/v1/devices/0/outputs/Vibrate";
    let answer = request(port, "PUT", output, "", &"[".repeat(100_000)).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "too-large"));
    let answer = request(port, "PUT", output, "", &"[".repeat(4000)).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "bad-body"));
    assert_eq!(get(port, "/healthz").await.json(), json!({"status": "ok"}));
}

#[tokio::test]
async fn pages_from_elsewhere_get_a_403_that_says_what_to_do() {
    let (_engine, port) = engine_with(user_file("origin.json"), &[]).await;
    for (head, advice) in [
        ("Origin: https://example.com\r\n", "buttplug allow https://example.com"),
        ("Origin: null\r\n", "buttplug allow null"),
        ("Sec-Fetch-Site: cross-site\r\n", "from elsewhere"),
    ] {
        let answer = request(port, "GET", "/api/v1/start-scanning", head, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "refused"), "{head}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains(advice), "{message}");
    }
    let rebound = raw(port, b"GET /api/v1/devices HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    assert_eq!(rebound.status, 403);
    let origin = "Origin: http://localhost:3000\r\n";
    let preflight = format!("{origin}Access-Control-Request-Method: PUT\r\n");
    let answer = request(port, "OPTIONS", "/api/v1/devices/stop", &preflight, "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-methods")), (204, Some("PUT,POST")));
    let answer = request(port, "GET", "/api/v1/devices", origin, "").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:3000"));
}

#[tokio::test]
async fn pages_that_are_allowed_may_ask_and_read() {
    let more = ["--allow-origin", "https://*.example.com"];
    let (_engine, port) = engine_with(user_file("allowed.json"), &more).await;
    let origin = "Origin: https://player.example.com\r\n";
    let answer = request(port, "GET", "/api/v1/devices", origin, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://player.example.com"));
    let answer = request(port, "GET", "/api/v1/devices", "Origin: https://example.com\r\n", "").await;
    assert_eq!(answer.status, 403);
}

#[cfg(unix)]
#[tokio::test]
async fn with_a_token_nobody_asks_without_it() {
    const TOKEN: &str = "0123456789abcdef";
    let (mut engine, port) =
        engine_with(user_file("token.json"), &["--token", TOKEN, "--log", "trace"]).await;
    for path in ["/api/v1/devices", "/healthz", "/metrics", "/api/v1/devices?token=0123456789abcdeX"] {
        let answer = get(port, path).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "token-needed"), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let in_head = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(request(port, "PUT", "/api/v1/devices/stop", &in_head, "").await.status, 200);
    // The gate is passed, and what is wrong is that there is no device.
    let output = format!("/api/v1/devices/0/outputs/Vibrate/0.5?token={TOKEN}&lease=1000");
    let answer = request(port, "PUT", &output, "", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "no-such-device"));
    let in_path = format!("/api/v1/devices?token={TOKEN}");
    let page = "Origin: https://example.com\r\n";
    let before = format!("{page}Access-Control-Request-Method: GET\r\n");
    assert_eq!(request(port, "OPTIONS", "/api/v1/devices", &before, "").await.status, 204);
    let answer = request(port, "GET", &in_path, page, "").await;
    assert_eq!(answer.status, 200, "a page that knows the token");
    engine.signal("TERM");
    engine.end().await;
    assert!(engine.lines.iter().all(|line| !line.contains(TOKEN)), "{:#?}", engine.lines);
}

#[tokio::test]
async fn a_port_for_clients_is_opened_beside_it_when_asked_for() {
    let mut alone = Engine::start_with(&["--rest-api-port", "0"]).await;
    alone.line_with("no port for clients is opened").await;
    alone.rest_port().await;
    assert!(!alone.lines.iter().any(|line| line.contains("listening for clients")), "{:#?}", alone.lines);
    let mut both = Engine::start(&["--rest-api-port", "0", "--single-client"]).await;
    both.client().await.handshake().await;
    let port = both.rest_port().await;
    assert_eq!(get(port, "/healthz").await.status, 200);
    let ended = run(&["--websocket-port", "0", "--rest-api-port", &port.to_string()]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("in use") && ended.stderr.contains("--rest-api-port"), "{ended:?}");
}

#[tokio::test]
async fn it_describes_itself_and_counts() {
    let (_engine, port, mut device) = vibrator("counts.json", &[]).await;
    let description = get(port, "/openapi.json").await.json();
    assert!(description["paths"]["/api/v1/devices/{device}/outputs/{output}/{level}"]["put"].is_object());
    put(port, "/api/v1/devices/0/outputs/Vibrate/0.5").await;
    put(port, "/api/v1/devices/0/outputs/Vibrate/0.5").await;
    device.frames_until("Vibrate:10;").await;
    let metrics = get(port, "/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "buttplug_clients 1",
        "buttplug_devices 1",
        "buttplug_outputs_total 2",
        "buttplug_outputs_repeated_total 1",
        "buttplug_reconnects_total 0",
        "buttplug_write_seconds_count 1",
    ] {
        assert!(metrics.body.lines().any(|told| told == line), "{line} in {}", metrics.body);
    }
}
