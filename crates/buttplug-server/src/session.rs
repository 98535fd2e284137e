//! Decides what a client may do and when. Knows no socket, no device and no clock; `run.rs` does.

use buttplug_core::connector::CloseReason;
use buttplug_core::limits::quoted;
use buttplug_core::message::json::BadMessage;
use buttplug_core::message::{
    ClientMessage, ClientRequest, InputCmd, OutputCmd, RequestServerInfo, ServerContent, ServerInfo,
    ServerMessage, StopCmd, VersionRequest,
};
use buttplug_core::{
    ButtplugError, DeviceError, HandshakeError, MessageError, MessageId, PROTOCOL_VERSION_MAJOR,
    PROTOCOL_VERSION_MINOR, PingError,
};
use std::time::{Duration, Instant};

/// How long a connection may go on without a handshake.
pub(crate) const MAX_HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// Tells clients apart, for as long as the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(pub(crate) u64);

/// What a server tells its clients about itself.
#[derive(Clone, Debug)]
pub(crate) struct SessionSettings {
    pub(crate) server_name: String,
    /// The longest time between pings; zero: no watchdog.
    pub(crate) max_ping: Duration,
}

impl SessionSettings {
    fn max_ping_ms(&self) -> u32 {
        u32::try_from(self.max_ping.as_millis()).unwrap_or(u32::MAX)
    }
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Say this.
    Reply(ServerMessage),
    /// The client has introduced itself.
    Opened { client_name: String },
    /// Answer with the list of devices.
    ListDevices(MessageId),
    /// Set an output, then answer.
    Output(MessageId, OutputCmd),
    /// Read, subscribe or unsubscribe an input, then answer.
    Input(MessageId, InputCmd),
    /// Stop, then answer when it is done.
    Stop(MessageId, StopCmd),
    /// Search for devices on behalf of this client, or no longer.
    Scan(bool),
    /// End the session: stop what this client set in motion, wait (bounded) until that is written, then say the last
    /// words and close. Nothing follows.
    End { last_words: Option<ServerMessage>, reason: CloseReason },
}

#[derive(Debug)]
enum State {
    /// Until the client introduces itself.
    ExpectHandshake { until: Instant },
    /// The session proper. `ping_due`: when the watchdog fires unless a ping comes.
    Open { ping_due: Option<Instant>, scanning: bool },
    /// Whatever still comes is answered with this error.
    Closed(ButtplugError),
}

/// The state of one client's connection.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    settings: SessionSettings,
}

impl Session {
    pub(crate) fn new(now: Instant, settings: SessionSettings) -> Self {
        Self { state: State::ExpectHandshake { until: now + MAX_HANDSHAKE_WAIT }, settings }
    }

    /// Handles one message and appends what is to be done.
    pub(crate) fn handle(&mut self, now: Instant, message: ClientMessage, effects: &mut Vec<Effect>) {
        let ClientMessage { id, request } = message;
        let mut refuse = |error: ButtplugError| effects.push(Effect::Reply(ServerMessage::error(id, &error)));
        match &mut self.state {
            State::Closed(error) => refuse(error.clone()),
            State::ExpectHandshake { .. } => match request {
                ClientRequest::RequestServerInfo(info) => self.open(now, id, info, effects),
                _ => refuse(HandshakeError::Missing.into()),
            },
            State::Open { ping_due, scanning } => match request {
                ClientRequest::RequestServerInfo(_) => refuse(HandshakeError::Repeated.into()),
                ClientRequest::Ping => {
                    if let Some(due) = ping_due {
                        *due = now + self.settings.max_ping;
                    }
                    effects.push(Effect::Reply(ServerMessage::ok(id)));
                }
                ClientRequest::StartScanning => {
                    *scanning = true;
                    effects.extend([Effect::Scan(true), Effect::Reply(ServerMessage::ok(id))]);
                }
                ClientRequest::StopScanning => {
                    let was_scanning = std::mem::take(scanning);
                    effects.extend([Effect::Scan(false), Effect::Reply(ServerMessage::ok(id))]);
                    if was_scanning {
                        effects.push(Effect::Reply(ServerMessage::event(ServerContent::ScanningFinished)));
                    }
                }
                ClientRequest::RequestDeviceList => effects.push(Effect::ListDevices(id)),
                ClientRequest::Output(cmd) => effects.push(Effect::Output(id, cmd)),
                ClientRequest::NamedOutput(cmd) => match cmd.known() {
                    Some(cmd) => effects.push(Effect::Output(id, cmd)),
                    None => refuse(DeviceError::UnknownOutput(quoted(&cmd.name)).into()),
                },
                ClientRequest::Input(cmd) => effects.push(Effect::Input(id, cmd)),
                ClientRequest::Stop(cmd) => effects.push(Effect::Stop(id, cmd)),
                ClientRequest::Disconnect => {
                    self.state = State::Closed(HandshakeError::Disconnected.into());
                    effects.push(Effect::End {
                        last_words: Some(ServerMessage::ok(id)),
                        reason: CloseReason::Done,
                    });
                }
            },
        }
    }

    /// Answers a message that can't be read. Before the handshake the handshake is what is missing, unless it is the
    /// handshake itself that can't be read.
    pub(crate) fn refuse(&self, bad: BadMessage, effects: &mut Vec<Effect>) {
        let is_handshake = |error: &ButtplugError| matches!(error, ButtplugError::Message(MessageError::BadField { name, .. }) if name == "RequestServerInfo");
        let error = match &self.state {
            State::Open { .. } => bad.error,
            State::ExpectHandshake { .. } if is_handshake(&bad.error) => bad.error,
            State::ExpectHandshake { .. } => HandshakeError::Missing.into(),
            State::Closed(error) => error.clone(),
        };
        effects.push(Effect::Reply(ServerMessage::error(bad.id, &error)));
    }

    /// When something is due: see [`expire`](Self::expire).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::ExpectHandshake { until } => Some(*until),
            State::Open { ping_due, .. } => *ping_due,
            State::Closed(_) => None,
        }
    }

    /// When the deadline counts even though messages are still arriving, one of which may be the ping that has been
    /// waiting its turn: one ping time later.
    pub(crate) fn final_deadline(&self) -> Option<Instant> {
        let patience = if self.is_open() { self.settings.max_ping } else { Duration::ZERO };
        self.deadline().map(|deadline| deadline + patience)
    }

    /// Ends the session if its deadline is past: the handshake or a ping did not come in time.
    pub(crate) fn expire(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        let error: ButtplugError = match self.state {
            State::ExpectHandshake { .. } => HandshakeError::Missing.into(),
            _ => PingError::TimedOut { max_ping_ms: self.settings.max_ping_ms() }.into(),
        };
        // Before the handshake nothing is said that was not asked for.
        let last_words = self.is_open().then(|| ServerMessage::error(MessageId::EVENT, &error));
        effects.push(Effect::End { last_words, reason: CloseReason::Done });
        self.state = State::Closed(error);
    }

    /// The search for devices has ended by itself.
    pub(crate) fn scanning_finished(&mut self, effects: &mut Vec<Effect>) {
        if let State::Open { scanning: scanning @ true, .. } = &mut self.state {
            *scanning = false;
            effects.push(Effect::Reply(ServerMessage::event(ServerContent::ScanningFinished)));
        }
    }

    /// Whether events may be sent: after the handshake, until the end.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    fn open(&mut self, now: Instant, id: MessageId, info: RequestServerInfo, effects: &mut Vec<Effect>) {
        let newest = PROTOCOL_VERSION_MAJOR;
        let error = match info.version {
            VersionRequest::Protocol { major, .. } if major == newest => {
                let server_info = ServerInfo {
                    name: self.settings.server_name.clone(),
                    max_ping_ms: self.settings.max_ping_ms(),
                    major: newest,
                    minor: PROTOCOL_VERSION_MINOR,
                };
                let ping_due = (!self.settings.max_ping.is_zero()).then(|| now + self.settings.max_ping);
                self.state = State::Open { ping_due, scanning: false };
                effects.extend([
                    Effect::Opened { client_name: info.client_name },
                    Effect::Reply(ServerMessage { id, content: ServerContent::ServerInfo(server_info) }),
                ]);
                return;
            }
            VersionRequest::Protocol { major, .. } if major > newest => {
                HandshakeError::TooNew { requested: major, newest }
            }
            VersionRequest::Message(version) if version >= newest => {
                HandshakeError::NoSuchMessageVersion(version)
            }
            VersionRequest::Protocol { major: requested, .. } | VersionRequest::Message(requested) => {
                HandshakeError::TooOld { requested, oldest: newest }
            }
            VersionRequest::None => HandshakeError::TooOld { requested: 0, oldest: newest },
        };
        let answer = ServerMessage::error(id, &error.clone().into());
        if matches!(error, HandshakeError::TooNew { .. }) {
            self.state = State::Closed(error.into());
            effects.push(Effect::End { last_words: Some(answer), reason: CloseReason::Done });
        } else {
            effects.push(Effect::Reply(answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::message::json;
    use buttplug_core::{ErrorClass, message::StopScope};

    const MS: Duration = Duration::from_millis(1);

    /// A session with a clock: says frames of JSON, shows the effects in short.
    struct Client {
        session: Session,
        now: Instant,
    }

    impl Client {
        fn new(max_ping: Duration) -> Self {
            let now = Instant::now();
            let settings = SessionSettings { server_name: String::from("Bench"), max_ping };
            Self { session: Session::new(now, settings), now }
        }

        fn open(max_ping: Duration) -> Self {
            let mut client = Self::new(max_ping);
            client.says(HANDSHAKE);
            client
        }

        fn says(&mut self, frame: &str) -> String {
            let mut messages = Vec::new();
            json::parse_client_frame(frame.as_bytes(), &mut messages);
            let mut effects = Vec::new();
            for message in messages {
                self.session.handle(self.now, message.expect(frame), &mut effects);
            }
            outline(effects)
        }

        fn after(&mut self, time: Duration) -> String {
            self.now += time;
            let mut effects = Vec::new();
            self.session.expire(self.now, &mut effects);
            outline(effects)
        }
    }

    fn outline(effects: Vec<Effect>) -> String {
        let message = |ServerMessage { id, content }| match content {
            ServerContent::Ok => format!("ok {id}"),
            ServerContent::Error(error) => format!("error {id} code {}", error.class.code()),
            ServerContent::ServerInfo(info) => {
                format!("info {id} v{}.{} ping {}", info.major, info.minor, info.max_ping_ms)
            }
            ServerContent::ScanningFinished => format!("scan finished {id}"),
            other => format!("{other:?}"),
        };
        let outline = |effect: Effect| match effect {
            Effect::Reply(reply) => message(reply),
            Effect::Opened { client_name } => format!("opened {client_name}"),
            Effect::ListDevices(id) => format!("list {id}"),
            Effect::Output(id, _) => format!("output {id}"),
            Effect::Input(id, _) => format!("input {id}"),
            Effect::Stop(id, cmd) => {
                format!("stop {id}{}", if cmd.scope == StopScope::All { " all" } else { "" })
            }
            Effect::Scan(on) => format!("scan {on}"),
            Effect::End { last_words: Some(words), reason } => {
                format!("end with {}, {reason:?}", message(words))
            }
            Effect::End { last_words: None, reason } => format!("end, {reason:?}"),
        };
        effects.into_iter().map(outline).collect::<Vec<_>>().join(", ")
    }

    const HANDSHAKE: &str = r#"[{"RequestServerInfo":{"Id":1,"ClientName":"T","ProtocolVersionMajor":4,"ProtocolVersionMinor":0}}]"#;

    fn request(version: &str) -> String {
        format!(r#"[{{"RequestServerInfo":{{"Id":1,"ClientName":"T"{version}}}}}]"#)
    }

    #[test]
    fn stop_is_passed_on_in_every_open_session() {
        let mut client = Client::open(Duration::ZERO);
        assert_eq!(client.says(r#"[{"StopCmd":{"Id":5}}]"#), "stop 5 all");
        assert_eq!(client.says(r#"[{"StopCmd":{"Id":6,"DeviceIndex":1}}]"#), "stop 6");
        assert_eq!(client.says(r#"[{"StopAllDevices":{"Id":7}}]"#), "stop 7 all");
    }

    #[test]
    fn versions_are_negotiated_and_only_a_newer_client_is_sent_away() {
        let cases = [
            (r#","ProtocolVersionMajor":4,"ProtocolVersionMinor":0"#, "opened T, info 1 v4.0 ping 0"),
            (r#","ProtocolVersionMajor":4,"ProtocolVersionMinor":7"#, "opened T, info 1 v4.0 ping 0"),
            (r#","ProtocolVersionMajor":4"#, "opened T, info 1 v4.0 ping 0"),
            (r#","MessageVersion":3,"ProtocolVersionMajor":4"#, "opened T, info 1 v4.0 ping 0"),
            (r#","ProtocolVersionMajor":5,"ProtocolVersionMinor":0"#, "end with error 1 code 1, Done"),
            (r#","MessageVersion":4"#, "error 1 code 1"),
            (r#","MessageVersion":3"#, "error 1 code 1"),
            ("", "error 1 code 1"),
        ];
        for (version, effects) in cases {
            assert_eq!(Client::new(Duration::ZERO).says(&request(version)), effects, "{version}");
        }
    }

    #[test]
    fn nothing_is_legal_before_the_handshake_and_the_handshake_only_once() {
        let mut client = Client::new(Duration::ZERO);
        for message in ["Ping", "StartScanning", "RequestDeviceList", "StopCmd", "Disconnect"] {
            assert_eq!(client.says(&format!(r#"[{{"{message}":{{"Id":3}}}}]"#)), "error 3 code 1");
        }
        assert!(!client.session.is_open());
        assert_eq!(client.says(HANDSHAKE), "opened T, info 1 v4.0 ping 0");
        assert_eq!(client.says(HANDSHAKE), "error 1 code 1");
        assert_eq!(client.says(r#"[{"RequestDeviceList":{"Id":10}}]"#), "list 10");
    }

    #[test]
    fn messages_after_the_handshake_in_its_frame_count() {
        let mut client = Client::new(Duration::ZERO);
        let frame = HANDSHAKE.replace(r#"}}]"#, r#"}},{"RequestDeviceList":{"Id":2}}]"#);
        assert_eq!(client.says(&frame), "opened T, info 1 v4.0 ping 0, list 2");
    }

    #[test]
    fn a_ping_without_watchdog_is_ok() {
        let mut client = Client::open(Duration::ZERO);
        assert_eq!(client.session.deadline(), None);
        assert_eq!(client.says(r#"[{"Ping":{"Id":3}}]"#), "ok 3");
    }

    #[test]
    fn the_watchdog_fires_exactly_one_ping_time_after_the_last_ping() {
        let mut client = Client::open(500 * MS);
        assert_eq!(client.after(499 * MS), "");
        assert_eq!(client.says(r#"[{"Ping":{"Id":3}}]"#), "ok 3");
        assert_eq!(client.after(499 * MS), "");
        assert_eq!(client.says(r#"[{"RequestDeviceList":{"Id":4}}]"#), "list 4");
        assert_eq!(client.after(MS), "end with error 0 code 2, Done");
        assert_eq!(client.says(r#"[{"Ping":{"Id":5}}]"#), "error 5 code 2");
        assert_eq!(client.says(HANDSHAKE), "error 1 code 2");
        assert_eq!(client.after(Duration::from_secs(60)), "");
    }

    #[test]
    fn a_client_whose_messages_still_wait_is_given_one_more_ping_time() {
        let client = Client::open(500 * MS);
        let patience = |session: &Session| Some(session.final_deadline()? - session.deadline()?);
        assert_eq!(patience(&client.session), Some(500 * MS));
        assert_eq!(patience(&Client::new(500 * MS).session), Some(Duration::ZERO));
    }

    #[test]
    fn the_watchdog_starts_with_the_handshake() {
        let mut client = Client::new(500 * MS);
        assert_eq!(client.after(2000 * MS), "");
        assert_eq!(client.says(HANDSHAKE), "opened T, info 1 v4.0 ping 500");
        assert_eq!(client.after(499 * MS), "");
        assert_eq!(client.after(MS), "end with error 0 code 2, Done");
    }

    #[test]
    fn a_connection_without_handshake_ends() {
        let mut client = Client::new(Duration::ZERO);
        assert_eq!(client.after(MAX_HANDSHAKE_WAIT - MS), "");
        assert_eq!(client.after(MS), "end, Done");
    }

    #[test]
    fn disconnect_stops_answers_and_closes_in_this_order() {
        let mut client = Client::open(Duration::ZERO);
        assert_eq!(client.says(r#"[{"Disconnect":{"Id":8}}]"#), "end with ok 8, Done");
        assert_eq!(client.says(r#"[{"Ping":{"Id":9}}]"#), "error 9 code 1");
    }

    #[test]
    fn a_search_ends_with_exactly_one_event() {
        let mut client = Client::open(Duration::ZERO);
        assert_eq!(client.says(r#"[{"StopScanning":{"Id":2}}]"#), "scan false, ok 2");
        assert_eq!(client.says(r#"[{"StartScanning":{"Id":3}}]"#), "scan true, ok 3");
        assert_eq!(client.says(r#"[{"StartScanning":{"Id":4}}]"#), "scan true, ok 4");
        assert_eq!(client.says(r#"[{"StopScanning":{"Id":5}}]"#), "scan false, ok 5, scan finished 0");
        let mut effects = Vec::new();
        client.session.scanning_finished(&mut effects);
        assert_eq!(effects, []);
        client.says(r#"[{"StartScanning":{"Id":6}}]"#);
        client.session.scanning_finished(&mut effects);
        assert_eq!(outline(std::mem::take(&mut effects)), "scan finished 0");
        client.session.scanning_finished(&mut effects);
        assert_eq!(effects, []);
    }

    #[test]
    fn error_classes_of_the_session_are_handshake_and_ping() {
        assert_eq!(ButtplugError::from(HandshakeError::Missing).class(), ErrorClass::Handshake);
        assert_eq!(ButtplugError::from(PingError::TimedOut { max_ping_ms: 1 }).class(), ErrorClass::Ping);
    }
}
