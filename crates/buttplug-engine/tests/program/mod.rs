//! The real program, started as its users start it, and the two sides that connect to it.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

pub(crate) mod http;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Nothing here takes long; what does not happen within this time does not happen.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// What is printed first.
pub(crate) const FIRST_LINE: &str = "Intiface Server, starting up with stdout output.";

static COMMANDS: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn command(arguments: &[&str]) -> Command {
    command_under(&[], arguments)
}

/// Starts a program as a person does. Whoever runs the tests may have SIGHUP ignored, which it would take over.
const AS_TYPED: &[&str] = if cfg!(target_os = "linux") { &["env", "--default-signal=HUP"] } else { &[] };

/// The program, started by another one whose last argument it is.
pub(crate) fn command_under(starter: &[&str], arguments: &[&str]) -> Command {
    let mut words = starter.iter().chain(&[env!("CARGO_BIN_EXE_buttplug")]).chain(arguments);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).env_remove("RUST_LOG").env_remove("NO_COLOR");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BUTTPLUG_")) {
        command.env_remove(name);
    }
    // What its owner decided about their devices plays no part in tests, nor what another test has met.
    let number = COMMANDS.fetch_add(1, Ordering::Relaxed);
    let folder = std::path::absolute(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let home = folder.join(format!("home-{}-{number}", std::process::id()));
    // An earlier process may have had this number.
    let _ = std::fs::remove_dir_all(&home);
    for folder in ["XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HOME", "APPDATA"] {
        command.env(folder, &home);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// What a program that ends by itself has left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) async fn run(arguments: &[&str]) -> Ended {
    let output = timeout(Duration::from_secs(60), command(arguments).output()).await;
    let output = output.expect("it ends by itself").expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A running engine.
pub(crate) struct Engine {
    pub(crate) child: Child,
    output: Lines<BufReader<ChildStdout>>,
    pub(crate) lines: Vec<String>,
    /// Files that it uses until its end.
    pub(crate) files: Vec<File>,
    /// The folder of its owner, as it believes.
    pub(crate) home: PathBuf,
}

impl Engine {
    /// Starts it on free ports.
    pub(crate) async fn start(more: &[&str]) -> Self {
        let mut arguments = vec!["--websocket-port", "0"];
        arguments.extend(more);
        Self::start_with(&arguments).await
    }

    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        Self::of(command(arguments))
    }

    /// Starts it in an environment with these variables.
    pub(crate) async fn start_in(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command(arguments);
        command.envs(environment.iter().copied());
        Self::of(command)
    }

    /// Starts it with a pipe for its input.
    pub(crate) async fn with_input(arguments: &[&str]) -> Self {
        let mut command = command(arguments);
        command.stdin(Stdio::piped());
        Self::of(command)
    }

    pub(crate) fn of(mut command: Command) -> Self {
        let home = command.as_std().get_envs().find(|(name, _)| *name == "HOME");
        let home = home.and_then(|(_, value)| value).map(PathBuf::from).unwrap_or_default();
        let mut child = command.spawn().expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, output, lines: Vec::new(), files: Vec::new(), home }
    }

    /// Reads its output up to a line with this text.
    pub(crate) async fn line_with(&mut self, text: &str) -> String {
        if let Some(line) = self.lines.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        self.new_line_with(text).await
    }

    /// The same among lines that have not been read yet.
    pub(crate) async fn new_line_with(&mut self, text: &str) -> String {
        let next = async {
            while let Some(line) = self.output.next_line().await.expect("readable") {
                self.lines.push(line.clone());
                if line.contains(text) {
                    return line;
                }
            }
            panic!("no line with {text:?} in {:#?}", self.lines)
        };
        match timeout(SOON, next).await {
            Ok(line) => line,
            Err(_) => panic!("no line with {text:?} in time: {:#?}", self.lines),
        }
    }

    async fn port(&mut self, text: &str) -> u16 {
        let line = self.line_with(text).await;
        Self::port_in(&line)
    }

    fn port_in(line: &str) -> u16 {
        let address = line.split("address=127.0.0.1:").nth(1).unwrap_or_else(|| panic!("no port in {line}"));
        address.trim().parse().unwrap_or_else(|_| panic!("no port in {line}"))
    }

    pub(crate) async fn client_port(&mut self) -> u16 {
        self.port("listening for clients address=127.0.0.1:").await
    }

    pub(crate) async fn device_port(&mut self) -> u16 {
        self.port("listening for devices address=127.0.0.1:").await
    }

    pub(crate) async fn rest_port(&mut self) -> u16 {
        self.port("listening for REST address=127.0.0.1:").await
    }

    pub(crate) async fn parent_port(&mut self) -> u16 {
        self.port("listening for the parent process address=127.0.0.1:").await
    }

    /// The port for clients of an engine that was started anew.
    pub(crate) async fn new_client_port(&mut self) -> u16 {
        Self::port_in(&self.new_line_with("listening for clients address=127.0.0.1:").await)
    }

    /// The port for devices that was opened last, as far as lines have been read.
    pub(crate) fn last_device_port(&self) -> u16 {
        let mut lines = self.lines.iter().rev();
        let line = lines.find(|line| line.contains("listening for devices address=127.0.0.1:"));
        Self::port_in(line.expect("an open port"))
    }

    pub(crate) async fn client(&mut self) -> Socket {
        let port = self.client_port().await;
        Socket::open(port).await
    }

    /// Sends a signal by its name.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id().expect("running"), name);
    }

    /// Waits for its end, and reads the rest of its output.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let rest = async {
            while let Some(line) = self.output.next_line().await.expect("readable") {
                self.lines.push(line);
            }
        };
        timeout(SOON, rest).await.expect("its output ends");
        timeout(SOON, self.child.wait()).await.expect("it ends").expect("a status")
    }

    pub(crate) async fn stderr(&mut self) -> String {
        let mut text = String::new();
        let mut pipe = self.child.stderr.take().expect("a pipe");
        timeout(SOON, pipe.read_to_string(&mut text)).await.expect("it ends").expect("text");
        text
    }
}

/// Sends a signal by its name.
#[cfg(unix)]
pub(crate) fn signal(process: u32, name: &str) {
    let status = std::process::Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status();
    assert!(status.expect("a shell").success());
}

/// An engine with a device that vibrates because this client wants it.
pub(crate) async fn vibrating(name: &str, more: &[&str]) -> (Engine, Socket, Socket) {
    let file = user_file(name);
    let mut arguments = vec!["--websocket-port", "0", "--user-device-config-file", file.name()];
    arguments.extend(["--use-device-websocket-server", "--device-websocket-server-port", "0"]);
    arguments.extend(more);
    let mut engine = Engine::of(command_under(AS_TYPED, &arguments));
    engine.files.push(file);
    let (client, device) = make_vibrate(&mut engine).await;
    (engine, client, device)
}

/// A device that vibrates because this client wants it.
pub(crate) async fn make_vibrate(engine: &mut Engine) -> (Socket, Socket) {
    let device_port = engine.device_port().await;
    let mut client = engine.client().await;
    client.handshake().await;
    let mut device = lovense(device_port).await;
    client.ask("StartScanning", serde_json::json!({})).await;
    let name = client.first_device().await;
    assert!(name.contains("Lovense"), "{name}");
    let (reply, content) = vibrate(&mut client, 10).await;
    assert_eq!(reply, "Ok", "{content}");
    device.frames_until("Vibrate:10;").await;
    (client, device)
}

pub(crate) async fn vibrate(client: &mut Socket, value: i32) -> (String, Value) {
    let command =
        serde_json::json!({"DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": value}}});
    client.ask("OutputCmd", command).await
}

/// Has the engine log so many lines, at debug.
pub(crate) async fn make_lines(client: &mut Socket, lines: usize) {
    for line in 1..=lines {
        // A line each.
        client.text("nonsense").await;
        // Whoever reads none of the answers is given up.
        if line % 20 == 0 || line == lines {
            assert_eq!(client.ask("Ping", serde_json::json!({})).await.0, "Ok");
        }
    }
}

/// One side of a WebSocket connection.
pub(crate) struct Socket(pub(crate) WebSocketStream<TcpStream>);

impl Socket {
    pub(crate) async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("an open port");
        stream.set_nodelay(true).expect("a TCP option");
        let url = format!("ws://127.0.0.1:{port}/");
        let opened = timeout(SOON, tokio_tungstenite::client_async(url, stream)).await.expect("an answer");
        Self(opened.expect("an upgrade").0)
    }

    pub(crate) async fn text(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.expect("a connection");
    }

    pub(crate) async fn binary(&mut self, data: &[u8]) {
        self.0.send(Message::binary(data.to_vec())).await.expect("a connection");
    }

    /// The next message with content, or the close frame.
    pub(crate) async fn next(&mut self) -> Message {
        // Pings don't count: a peer that only pings says nothing.
        let next = async {
            loop {
                match self.0.next().await.expect("a message").expect("a good message") {
                    Message::Ping(_) | Message::Pong(_) => {}
                    message => return message,
                }
            }
        };
        timeout(SOON, next).await.expect("a message in time")
    }

    /// Sends one message of version 4 and answers the reply to it, by name and content.
    pub(crate) async fn ask(&mut self, name: &str, mut content: Value) -> (String, Value) {
        content["Id"] = 77.into();
        self.text(serde_json::json!([{ name: content }]).to_string()).await;
        self.receive(|_, content| content["Id"] == 77).await
    }

    /// The next message of the server that is wanted.
    pub(crate) async fn receive(&mut self, wanted: impl Fn(&str, &Value) -> bool) -> (String, Value) {
        loop {
            let Message::Text(text) = self.next().await else { panic!("not a text message") };
            let Value::Array(messages) = serde_json::from_str(&text).expect("JSON") else {
                panic!("not an array: {text}")
            };
            for message in messages {
                let Value::Object(message) = message else { panic!("not an object: {text}") };
                for (name, content) in message {
                    if wanted(&name, &content) {
                        return (name, content);
                    }
                }
            }
        }
    }

    pub(crate) async fn first_device(&mut self) -> String {
        self.device(0).await
    }

    /// Asks for the device list until the device with this index is there, and answers its name. Waiting for the event
    /// would not do: it may have come before the reply to an earlier message.
    pub(crate) async fn device(&mut self, index: u32) -> String {
        let there = async {
            loop {
                let (_, list) = self.ask("RequestDeviceList", serde_json::json!({})).await;
                if let Some(name) = list["Devices"][index.to_string()]["DeviceName"].as_str() {
                    return name.to_owned();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, there).await.expect("a device in time")
    }

    /// Passes over events up to the server's close frame, and answers its code.
    pub(crate) async fn close_code(&mut self) -> Option<CloseCode> {
        loop {
            match self.next().await {
                Message::Text(_) => {}
                Message::Close(close) => return close.map(|close| close.code),
                other => panic!("{other:?} instead of a close frame"),
            }
        }
    }

    pub(crate) async fn handshake(&mut self) -> Value {
        let content =
            serde_json::json!({"ClientName": "test", "ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0});
        let (name, content) = self.ask("RequestServerInfo", content).await;
        assert_eq!(name, "ServerInfo");
        content
    }

    /// The next frame of a device.
    pub(crate) async fn frame(&mut self) -> Vec<u8> {
        match self.next().await {
            Message::Binary(data) => data.to_vec(),
            other => panic!("{other:?} instead of a frame"),
        }
    }

    /// Frames of a device up to the end of its connection.
    pub(crate) async fn frames_until_close(&mut self) -> Vec<String> {
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                Message::Binary(data) => frames.push(String::from_utf8_lossy(&data).into_owned()),
                Message::Close(_) => return frames,
                other => panic!("{other:?} after {frames:?}"),
            }
        }
    }

    /// Frames of a device up to this one.
    pub(crate) async fn frames_until(&mut self, last: &str) -> Vec<String> {
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                Message::Binary(data) => frames.push(String::from_utf8_lossy(&data).into_owned()),
                other => panic!("{other:?} instead of {last} after {frames:?}"),
            }
            if frames.last().is_some_and(|frame| frame == last) {
                return frames;
            }
        }
    }
}

/// Asks for an upgrade at this path with these headers, and answers the status and what is said to people.
pub(crate) async fn knock(port: u16, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("an open port");
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    stream.write_all((request + "\r\n").as_bytes()).await.expect("a connection");
    let mut answer = Vec::new();
    let read = async {
        // An upgraded connection stays open, a refused one ends.
        while !answer.starts_with(b"HTTP/1.1 101 ")
            && stream.read_buf(&mut answer).await.expect("a connection") > 0
        {}
    };
    timeout(SOON, read).await.expect("an answer");
    let answer = String::from_utf8(answer).expect("text");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// A vibrator with one motor that dials in and speaks Lovense.
pub(crate) async fn lovense(port: u16) -> Socket {
    lovense_at(port, "A1B2C3D4E5F6").await
}

/// The same with another address.
pub(crate) async fn lovense_at(port: u16, address: &str) -> Socket {
    let mut device = Socket::open(port).await;
    device.text(format!(r#"{{"identifier": "LVSDevice", "address": "{address}", "version": 0}}"#)).await;
    device.frames_until("DeviceType;").await;
    device.binary(b"Z:11:A1B2C3D4E5F6;").await;
    device
}

/// A file of this test's own, gone when dropped.
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("buttplug-test-{}-{name}", std::process::id()));
        std::fs::write(&path, content).expect("a writable directory");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn name(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let mut backup = self.0.clone().into_os_string();
        backup.push(".bak");
        let _ = std::fs::remove_file(backup);
    }
}

/// A folder of this test's own, gone when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("buttplug-test-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).expect("a writable directory");
        Self(path)
    }

    pub(crate) fn name(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }

    /// The path of a file in it.
    pub(crate) fn path_of(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a plain path").to_owned()
    }

    /// Writes a file, and answers its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("a writable directory");
        path.to_str().expect("a plain path").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A user file by which what dials in as `LVSDevice` speaks Lovense.
pub(crate) fn user_file(name: &str) -> File {
    let content = r#"{"version": {"major": 5, "minor": 0}, "user_configs": {"protocols": {
        "lovense": {"communication": [{"websocket": {"name": "LVSDevice"}}]},
        "no-such-protocol": {"communication": [{"websocket": {"name": "x"}}]}}}}"#;
    File::new(name, content)
}
