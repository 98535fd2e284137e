//! A client of a fuzzed server: says bytes, hears frames, and knows which replies it is owed.

use crate::expectation::{self, Owed};
use crate::vocabulary::{self, Said};
use crate::world::{FOR_EVER, settle};
use async_trait::async_trait;
use buttplug_core::connector::{
    AcceptConnection, ClientFrame, CloseReason, ConnectorError, FrameFormat, ServerConnection, ServerFrame,
};
use buttplug_server::Server;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Events that one thing that happens may bring a client: devices that come or go, readings and the end of a search.
const MAX_EVENTS_PER_CAUSE: usize = 64;

/// One thing that a client can hear, with the time at which it was said.
enum Heard {
    Frame(Instant, String),
    Closed(CloseReason),
}

/// How a connection ended from the server's side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// When the server said that the pings had stayed away, if it did.
    pub(crate) pinged_out_at: Option<Instant>,
}

pub(crate) struct Client {
    to_server: Option<mpsc::UnboundedSender<Vec<u8>>>,
    from_server: mpsc::UnboundedReceiver<Heard>,
    owed: Vec<Owed>,
    /// Of the session, once there is one.
    pub(crate) version: Option<u32>,
    pub(crate) end: Option<End>,
    pinged_out_at: Option<Instant>,
    /// Why the server may end the connection of its own accord: the client said something that asks for it.
    pub(crate) may_be_closed: bool,
    /// The reply that was heard last: its id, when it was said, and what it was.
    last_reply: Option<(u32, Instant, String)>,
    /// What may bring events, this client's words aside.
    pub(crate) causes: usize,
    events: usize,
}

impl Client {
    /// A client that has not introduced itself yet.
    pub(crate) fn connect(server: &Server) -> Self {
        let (to_server, from_client) = mpsc::unbounded_channel();
        let (to_client, from_server) = mpsc::unbounded_channel();
        server.accept(Box::new(Connection { from_client, to_client })).expect("the server takes clients");
        Self {
            to_server: Some(to_server),
            from_server,
            owed: Vec::new(),
            version: None,
            end: None,
            pinged_out_at: None,
            may_be_closed: false,
            last_reply: None,
            causes: 1,
            events: 0,
        }
    }

    /// Introduces itself as a client of this version and hears that it is one.
    pub(crate) async fn introduces_itself(&mut self, version: u32) {
        self.says(handshake(version).as_bytes());
        self.hears_all_replies().await;
        assert_eq!(self.version, Some(version), "the handshake gives the version that was asked for");
    }

    /// Says something, and notes what it is owed for it. Returns that. It is text, as from every socket: what is none is
    /// replaced, since the product does not look at text that it passes over.
    pub(crate) fn says(&mut self, frame: &[u8]) -> Vec<Owed> {
        let frame = String::from_utf8_lossy(frame);
        let frame = frame.as_bytes();
        let Some(to_server) = self.to_server.as_ref().filter(|_| self.end.is_none()) else {
            return Vec::new();
        };
        let owed = expectation::replies(frame);
        // The first leaves, the other may ask for a version that is not spoken.
        self.may_be_closed |=
            owed.iter().any(|owed| ["Disconnect", "RequestServerInfo"].contains(&&*owed.name));
        self.causes += 1;
        self.owed.extend(owed.iter().cloned());
        // Nobody is there to hear it any more.
        let _ = to_server.send(frame.to_vec());
        owed
    }

    /// Hears what is there after everything has run that can run now.
    pub(crate) async fn hears_what_is_there(&mut self) {
        settle().await;
        while let Ok(heard) = self.from_server.try_recv() {
            self.take(heard);
        }
    }

    /// Hears until every reply has come, or the server has ended the connection, and then that nothing more comes.
    pub(crate) async fn hears_all_replies(&mut self) {
        self.hears_what_is_there().await;
        while !self.owed.is_empty() && self.end.is_none() && self.to_server.is_some() {
            match timeout(FOR_EVER, self.from_server.recv()).await {
                Ok(Some(heard)) => self.take(heard),
                Ok(None) => panic!("the connection was dropped; still owed: {:?}", self.owed),
                Err(_) => panic!("no reply; still owed: {:?}", self.owed),
            }
        }
        self.hears_what_is_there().await;
    }

    /// Hears until the reply with this id has come: when it was said, and what it is. `None`: the connection has ended.
    pub(crate) async fn hears_reply(&mut self, id: u32) -> Option<(Instant, String)> {
        while self.is_there() {
            match timeout(FOR_EVER, self.from_server.recv()).await {
                Ok(Some(heard)) => self.take(heard),
                Ok(None) => panic!("the connection was dropped; still owed: {:?}", self.owed),
                Err(_) => panic!("no reply to {id}"),
            }
            if let Some((_, at, name)) = self.last_reply.take_if(|(last, _, _)| *last == id) {
                return Some((at, name));
            }
        }
        None
    }

    /// The connection breaks.
    pub(crate) fn vanishes(&mut self) {
        self.to_server = None;
        self.owed.clear();
    }

    pub(crate) fn is_there(&self) -> bool {
        self.to_server.is_some() && self.end.is_none()
    }

    fn take(&mut self, heard: Heard) {
        match heard {
            Heard::Frame(at, frame) => self.take_frame(at, &frame),
            Heard::Closed(reason) => {
                assert!(self.end.is_none(), "closed twice");
                let for_a_reason = self.may_be_closed
                    || self.pinged_out_at.is_some()
                    // Who does not introduce itself is let go.
                    || self.version.is_none()
                    || reason == CloseReason::GoingAway;
                assert!(for_a_reason, "the server ended a connection for no reason ({reason:?})");
                self.end = Some(End { pinged_out_at: self.pinged_out_at });
                self.owed.clear();
            }
        }
    }

    fn take_frame(&mut self, at: Instant, frame: &str) {
        assert!(self.end.is_none(), "a frame after the end: {frame}");
        let said = vocabulary::check(frame, self.version);
        if said.name == "ServerInfo" {
            assert_eq!(self.version, None, "a second handshake: {frame}");
            self.version = Some(version_of(frame));
        }
        match said {
            Said { id: 0, error_code: Some(2), .. } => {
                assert_eq!(self.pinged_out_at, None, "pinged out twice: {frame}");
                self.pinged_out_at = Some(at);
            }
            Said { id: 0, error_code: None, .. } => {
                self.events += 1;
                let most = self.causes * MAX_EVENTS_PER_CAUSE;
                assert!(self.events <= most, "{} events, at most {most} expected: {frame}", self.events);
            }
            Said { id, name, .. } => {
                let place = self.owed.iter().position(|owed| owed.id == id);
                let Some(place) = place else {
                    // Once the client is gone its questions are forgotten here, not there.
                    assert!(self.to_server.is_none(), "a reply that nobody asked for: {frame}");
                    return;
                };
                self.owed.remove(place);
                self.last_reply = Some((id, at, name));
            }
        }
    }
}

/// The version in a `ServerInfo`.
fn version_of(frame: &str) -> u32 {
    let value: serde_json::Value = serde_json::from_str(frame).unwrap_or_default();
    let info = &value[0]["ServerInfo"];
    let version = info.get("ProtocolVersionMajor").or_else(|| info.get("MessageVersion"));
    version.and_then(serde_json::Value::as_u64).and_then(|v| u32::try_from(v).ok()).unwrap_or(u32::MAX)
}

/// How a client of this version introduces itself.
pub(crate) fn handshake(version: u32) -> String {
    let fields = match version {
        0 => String::new(),
        1..=3 => format!(r#","MessageVersion":{version}"#),
        _ => format!(r#","ProtocolVersionMajor":{version},"ProtocolVersionMinor":0"#),
    };
    format!(r#"[{{"RequestServerInfo":{{"Id":1,"ClientName":"Fuzz"{fields}}}}}]"#)
}

/// The server's end.
struct Connection {
    from_client: mpsc::UnboundedReceiver<Vec<u8>>,
    to_client: mpsc::UnboundedSender<Heard>,
}

#[async_trait]
impl ServerConnection for Connection {
    fn format(&self) -> FrameFormat {
        FrameFormat::Json
    }

    fn peer(&self) -> String {
        String::from("a fuzzer")
    }

    fn send(&mut self, frame: ServerFrame) -> Result<(), ConnectorError> {
        let ServerFrame::Text(text) = frame else { panic!("a typed message on a connection of JSON") };
        let lost = |_| ConnectorError::Lost { reason: String::from("the fuzzer is gone") };
        self.to_client.send(Heard::Frame(Instant::now(), text)).map_err(lost)
    }

    async fn receive(&mut self, batch: &mut Vec<ClientFrame>) -> Result<(), ConnectorError> {
        let mut frames = Vec::new();
        if self.from_client.recv_many(&mut frames, 100).await == 0 {
            return Err(ConnectorError::Lost { reason: String::from("the fuzzer is gone") });
        }
        batch.extend(frames.into_iter().map(|frame| ClientFrame::Text(Bytes::from(frame))));
        Ok(())
    }

    async fn close(&mut self, reason: CloseReason) {
        // Whoever is gone does not hear it.
        let _ = self.to_client.send(Heard::Closed(reason));
    }
}
