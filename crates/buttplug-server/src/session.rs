//! Decides what a client may do and when. Knows no socket, no device and no clock; `run.rs` does.

use crate::version::{self, Edge, Outgoing, ReadingForm, Request};
use buttplug_core::connector::CloseReason;
use buttplug_core::limits::quoted;
use buttplug_core::message::json::BadMessage;
use buttplug_core::message::{
    ClientRequest, InputCmd, OutputCmd, RequestServerInfo, ServerContent, ServerInfo, ServerMessage, StopCmd,
};
use buttplug_core::{
    ButtplugError, DeviceError, DeviceIndex, HandshakeError, MessageError, MessageId, PROTOCOL_VERSION_MINOR,
    PingError,
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
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Say this.
    Reply(Outgoing),
    /// The client has introduced itself.
    Opened { client_name: String, version: u32 },
    /// Answer with the list of devices.
    ListDevices(MessageId),
    /// Set an output, then answer.
    Output(MessageId, OutputCmd),
    /// Set several outputs of one device, all or none, then answer.
    Outputs(MessageId, DeviceIndex, Vec<OutputCmd>),
    /// Read, subscribe or unsubscribe an input, then answer; a reading in this form, if one is given.
    Input(MessageId, InputCmd, Option<ReadingForm>),
    /// Stop, then answer when it is done.
    Stop(MessageId, StopCmd),
    /// Search for devices on behalf of this client, or no longer.
    Scan(bool),
    /// End the session: stop what this client set in motion, wait (bounded) until that is written, then say the last
    /// words and close. Nothing follows.
    End { last_words: Option<ServerMessage>, reason: CloseReason },
}

enum State {
    /// Until the client introduces itself.
    ExpectHandshake { until: Instant },
    /// The session proper, in this version.
    Open { edge: &'static dyn Edge, watchdog: Option<Watchdog>, scanning: bool },
    /// Whatever still comes is answered with this error.
    Closed(ButtplugError),
}

/// The ping watchdog of an open session.
struct Watchdog {
    /// When it fires unless a ping comes.
    due: Instant,
    /// Until when it waits, being due, while messages are still arriving: one of them may be the ping.
    patience: Option<Instant>,
}

impl Watchdog {
    fn starting(at: Instant, max_ping: Duration) -> Self {
        Self { due: at + max_ping, patience: None }
    }
}

/// The state of one client's connection.
pub(crate) struct Session {
    state: State,
    settings: SessionSettings,
    /// The versions that this connection can carry, from the oldest to the newest.
    spoken: &'static [&'static dyn Edge],
}

impl Session {
    pub(crate) fn new(now: Instant, settings: SessionSettings, spoken: &'static [&'static dyn Edge]) -> Self {
        Self { state: State::ExpectHandshake { until: now + MAX_HANDSHAKE_WAIT }, settings, spoken }
    }

    /// The version that is spoken, once it is negotiated and as long as the session lasts.
    pub(crate) fn edge(&self) -> Option<&'static dyn Edge> {
        if let State::Open { edge, .. } = self.state { Some(edge) } else { None }
    }

    /// Handles what one message asks for and appends what is to be done.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        id: MessageId,
        request: Request,
        effects: &mut Vec<Effect>,
    ) {
        match (&mut self.state, request) {
            (_, Request::Current(request)) => self.handle_current(now, id, request, effects),
            (State::Open { .. }, Request::Outputs(device, cmds)) => {
                effects.push(Effect::Outputs(id, device, cmds));
            }
            (State::Open { .. }, Request::Read(cmd, form)) => {
                effects.push(Effect::Input(id, cmd, Some(form)));
            }
            (State::Open { .. }, Request::Nothing) => effects.push(reply(ServerMessage::ok(id))),
            (State::Open { .. }, Request::Answer(frame)) => {
                effects.push(Effect::Reply(Outgoing::Frame(frame)));
            }
            (State::ExpectHandshake { .. }, _) => effects.push(error(id, &HandshakeError::Missing.into())),
            (State::Closed(reason), _) => effects.push(error(id, reason)),
        }
    }

    fn handle_current(
        &mut self,
        now: Instant,
        id: MessageId,
        request: ClientRequest,
        effects: &mut Vec<Effect>,
    ) {
        let mut refuse = |reason: &ButtplugError| effects.push(error(id, reason));
        match &mut self.state {
            State::Closed(reason) => refuse(reason),
            State::ExpectHandshake { .. } => match request {
                ClientRequest::RequestServerInfo(info) => self.open(now, id, info, effects),
                _ => refuse(&HandshakeError::Missing.into()),
            },
            State::Open { watchdog, scanning, .. } => match request {
                ClientRequest::RequestServerInfo(_) => refuse(&HandshakeError::Repeated.into()),
                ClientRequest::Ping => {
                    if let Some(watchdog) = watchdog {
                        *watchdog = Watchdog::starting(now, self.settings.max_ping);
                    }
                    effects.push(reply(ServerMessage::ok(id)));
                }
                ClientRequest::StartScanning => {
                    *scanning = true;
                    effects.extend([Effect::Scan(true), reply(ServerMessage::ok(id))]);
                }
                ClientRequest::StopScanning => {
                    let was_scanning = std::mem::take(scanning);
                    effects.extend([Effect::Scan(false), reply(ServerMessage::ok(id))]);
                    if was_scanning {
                        effects.push(reply(ServerMessage::event(ServerContent::ScanningFinished)));
                    }
                }
                ClientRequest::RequestDeviceList => effects.push(Effect::ListDevices(id)),
                ClientRequest::Output(cmd) => effects.push(Effect::Output(id, cmd)),
                ClientRequest::NamedOutput(cmd) => match cmd.known() {
                    Some(cmd) => effects.push(Effect::Output(id, cmd)),
                    None => refuse(&DeviceError::UnknownOutput(quoted(&cmd.name)).into()),
                },
                ClientRequest::Input(cmd) => effects.push(Effect::Input(id, cmd, None)),
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
        let reason = match &self.state {
            State::Open { .. } => bad.error,
            State::ExpectHandshake { .. } if is_handshake(&bad.error) => bad.error,
            State::ExpectHandshake { .. } => HandshakeError::Missing.into(),
            State::Closed(reason) => reason.clone(),
        };
        effects.push(error(bad.id, &reason));
    }

    /// When something is due: see [`expire`](Self::expire).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::ExpectHandshake { until } => Some(*until),
            State::Open { watchdog, .. } => watchdog.as_ref().map(|watchdog| watchdog.due),
            State::Closed(_) => None,
        }
    }

    /// Whether the deadline counts although messages are still arriving, one of which may be the ping that has been
    /// waiting its turn. It does one ping time after the session first saw that it was past: how long the server was
    /// too busy to look does not count, and a client that only floods is let go nevertheless.
    pub(crate) fn is_out_of_patience(&mut self, now: Instant) -> bool {
        let max_ping = self.settings.max_ping;
        match &mut self.state {
            State::ExpectHandshake { until } => now >= *until,
            State::Open { watchdog: Some(watchdog), .. } if now >= watchdog.due => {
                now >= *watchdog.patience.get_or_insert(now + max_ping)
            }
            State::Open { .. } | State::Closed(_) => false,
        }
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
            effects.push(reply(ServerMessage::event(ServerContent::ScanningFinished)));
        }
    }

    /// Whether events may be sent: after the handshake, until the end.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Whether the client still has to introduce itself.
    pub(crate) fn expects_handshake(&self) -> bool {
        matches!(self.state, State::ExpectHandshake { .. })
    }

    /// There is no place for this client: that is the answer to its handshake, and the end.
    pub(crate) fn turn_away(&mut self, id: MessageId, reason: ButtplugError, effects: &mut Vec<Effect>) {
        let last_words = Some(ServerMessage::error(id, &reason));
        effects.push(Effect::End { last_words, reason: CloseReason::Full });
        self.state = State::Closed(reason);
    }

    /// The error that ended the session, with which whatever still comes is answered.
    pub(crate) fn end_reason(&self) -> Option<&ButtplugError> {
        if let State::Closed(reason) = &self.state { Some(reason) } else { None }
    }

    fn open(&mut self, now: Instant, id: MessageId, info: RequestServerInfo, effects: &mut Vec<Effect>) {
        let refusal = match version::negotiate(info.version, self.spoken) {
            Ok(edge) => {
                let server_info = ServerInfo {
                    name: self.settings.server_name.clone(),
                    max_ping_ms: self.settings.max_ping_ms(),
                    major: edge.version(),
                    minor: PROTOCOL_VERSION_MINOR,
                };
                let max_ping = self.settings.max_ping;
                let watchdog = (!max_ping.is_zero()).then(|| Watchdog::starting(now, max_ping));
                self.state = State::Open { edge, watchdog, scanning: false };
                effects.extend([
                    Effect::Opened { client_name: info.client_name, version: edge.version() },
                    reply(ServerMessage { id, content: ServerContent::ServerInfo(server_info) }),
                ]);
                return;
            }
            Err(refusal) => refusal,
        };
        let answer = ServerMessage::error(id, &refusal.clone().into());
        if matches!(refusal, HandshakeError::TooNew { .. }) {
            self.state = State::Closed(refusal.into());
            effects.push(Effect::End { last_words: Some(answer), reason: CloseReason::Done });
        } else {
            effects.push(reply(answer));
        }
    }
}

fn reply(message: ServerMessage) -> Effect {
    Effect::Reply(message.into())
}

fn error(id: MessageId, reason: &ButtplugError) -> Effect {
    reply(ServerMessage::error(id, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::ErrorClass;
    use buttplug_core::message::json;
    use buttplug_core::message::{ClientMessage, StopScope};

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
            Self { session: Session::new(now, settings, version::ALL), now }
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
                let ClientMessage { id, request } = message.expect(frame);
                self.session.handle(self.now, id, Request::Current(request), &mut effects);
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
            Effect::Reply(Outgoing::Message(reply)) => message(reply),
            Effect::Reply(Outgoing::Frame(frame)) => frame,
            Effect::Opened { client_name, .. } => format!("opened {client_name}"),
            Effect::ListDevices(id) => format!("list {id}"),
            Effect::Output(id, _) => format!("output {id}"),
            Effect::Outputs(id, device, cmds) => format!("outputs {id} {device} {}", cmds.len()),
            Effect::Input(id, _, form) => format!("input {id} {form:?}"),
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
            (r#","MessageVersion":3"#, "opened T, info 1 v3.0 ping 0"),
            (r#","MessageVersion":0"#, "opened T, info 1 v0.0 ping 0"),
            (r#","ProtocolVersionMajor":2,"ProtocolVersionMinor":0"#, "opened T, info 1 v2.0 ping 0"),
            ("", "opened T, info 1 v0.0 ping 0"),
        ];
        for (version, effects) in cases {
            assert_eq!(Client::new(Duration::ZERO).says(&request(version)), effects, "{version}");
        }
    }

    #[test]
    fn a_connection_that_carries_values_speaks_only_the_newest_version() {
        let mut client = Client::new(Duration::ZERO);
        client.session.spoken = version::TYPED;
        assert_eq!(client.says(&request(r#","MessageVersion":3"#)), "error 1 code 1");
        assert_eq!(client.says(HANDSHAKE), "opened T, info 1 v4.0 ping 0");
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
    fn a_client_whose_messages_still_wait_is_given_one_more_ping_time_from_when_that_was_seen() {
        let mut client = Client::open(500 * MS);
        let opened = client.now;
        let mut out_of_patience = |at: u32| client.session.is_out_of_patience(opened + at * MS);
        assert!(!out_of_patience(499));
        // Nobody looked for a long time, which is not the client's fault.
        assert!(!out_of_patience(5000));
        assert!(!out_of_patience(5499));
        assert!(out_of_patience(5500));
        client.now = opened + 5499 * MS;
        assert_eq!(client.says(r#"[{"Ping":{"Id":3}}]"#), "ok 3");
        assert!(!client.session.is_out_of_patience(opened + 5998 * MS));
        assert!(!client.session.is_out_of_patience(opened + 5999 * MS));
        assert!(client.session.is_out_of_patience(opened + 6499 * MS));
        let mut stranger = Client::new(500 * MS);
        assert!(!stranger.session.is_out_of_patience(stranger.now));
        assert!(stranger.session.is_out_of_patience(stranger.now + MAX_HANDSHAKE_WAIT));
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
