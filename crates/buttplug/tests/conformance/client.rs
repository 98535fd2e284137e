//! A client that says exactly what a test wants and hears everything; every frame that it hears is checked (C17).

use crate::frames::{error_code, message};
use crate::link::{Heard, Link};
use buttplug::embedded::Server;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// Longer than anything takes; whoever waits this long waits in vain.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(30);

/// How long a client on a paused clock listens before it believes that nothing comes. Less than a connection may stay
/// without its handshake.
const A_WHILE: Duration = Duration::from_secs(2);

/// How often a client on a real clock asks, and hears nothing but the answer, before it believes that nothing comes.
const QUESTIONS: usize = 3;

pub(crate) struct Client {
    link: Link,
    last_id: u32,
    /// Lasts as long as one of its clients.
    _server: Server,
}

impl Client {
    pub(crate) fn new(link: Link, server: &Server) -> Self {
        Self { link, last_id: 1000, _server: server.clone() }
    }

    /// Says a text frame as it stands.
    pub(crate) async fn says(&mut self, frame: &str) {
        self.link.send(frame).await;
    }

    /// Says a binary frame.
    pub(crate) async fn says_in_binary(&mut self, frame: &str) {
        self.link.send_binary(frame.as_bytes()).await;
    }

    /// Says one message and answers its id, which no other message has.
    pub(crate) async fn says_message(&mut self, name: &str, mut fields: Value) -> u32 {
        self.last_id += 1;
        fields["Id"] = self.last_id.into();
        self.says(&json!([{name: fields}]).to_string()).await;
        self.last_id
    }

    /// The next message, `{"Ok":{"Id":5}}`.
    pub(crate) async fn hears(&mut self) -> Value {
        match timeout(FOR_EVER, self.link.receive()).await {
            Ok(Heard::Frame(frame)) => {
                message(&frame).unwrap_or_else(|fault| panic!("not a frame of a server, {fault}: {frame}"))
            }
            Ok(Heard::End(code)) => panic!("the connection was closed with {code}"),
            Err(_) => panic!("nothing came"),
        }
    }

    /// The next message, if one comes within this time.
    pub(crate) async fn hears_within(&mut self, time: Duration) -> Option<Value> {
        match timeout(time, self.link.receive()).await {
            Ok(Heard::Frame(frame)) => {
                Some(message(&frame).unwrap_or_else(|fault| panic!("{fault}: {frame}")))
            }
            Ok(Heard::End(code)) => panic!("the connection was closed with {code}"),
            Err(_) => None,
        }
    }

    /// The next message is this `Ok`.
    pub(crate) async fn hears_ok(&mut self, id: u32) {
        assert_eq!(self.hears().await, json!({"Ok": {"Id": id}}));
    }

    /// The next message is an `Error` with this id and code.
    pub(crate) async fn hears_error(&mut self, id: u32, code: u64) {
        let error = self.hears().await;
        assert_eq!(error_code(&error, id), code, "{error}");
    }

    /// The server says no more and closes the connection. Answers with which code.
    pub(crate) async fn hears_the_end(&mut self) -> u16 {
        match timeout(FOR_EVER, self.link.receive()).await {
            Ok(Heard::End(code)) => code,
            Ok(Heard::Frame(frame)) => panic!("instead of the end: {frame}"),
            Err(_) => panic!("the connection stays open"),
        }
    }

    /// The server has nothing to say. Not for sessions with a watchdog.
    pub(crate) async fn hears_nothing(&mut self) {
        if !matches!(self.link, Link::Socket(_)) {
            if let Ok(heard) = timeout(A_WHILE, self.link.receive()).await {
                panic!("instead of nothing: {heard:?}");
            }
            return;
        }
        for _ in 0..QUESTIONS {
            let id = self.says_message("Ping", json!({})).await;
            let answer = self.hears().await;
            if answer != json!({"Ok": {"Id": id}}) {
                // Before the handshake.
                assert_eq!(error_code(&answer, id), 1, "instead of nothing: {answer}");
            }
        }
    }

    /// Says a message and hears the answer to it.
    pub(crate) async fn asks(&mut self, name: &str, fields: Value) -> Value {
        let said = format!("{name} {fields}");
        let id = self.says_message(name, fields).await;
        let answer = self.hears().await;
        let answers = answer.as_object().unwrap().values().all(|fields| fields["Id"] == id);
        assert!(answers, "{said} is not answered by {answer}");
        answer
    }

    /// Says a message that is answered with `Ok`.
    pub(crate) async fn gets_ok(&mut self, name: &str, fields: Value) {
        let said = format!("{name} {fields}");
        let answer = self.asks(name, fields).await;
        assert_eq!(answer, json!({"Ok": {"Id": self.last_id}}), "{said}");
    }

    /// Says a message that is answered with an `Error` of this code.
    pub(crate) async fn gets_error(&mut self, name: &str, fields: Value, code: u64) {
        let said = format!("{name} {fields}");
        let answer = self.asks(name, fields).await;
        assert_eq!(error_code(&answer, self.last_id), code, "{said}: {answer}");
    }

    /// The devices in the list that the client asks for.
    pub(crate) async fn lists(&mut self) -> Value {
        let mut answer = self.asks("RequestDeviceList", json!({})).await;
        let list = answer["DeviceList"].take();
        assert_eq!(list, json!({"Id": self.last_id, "Devices": list["Devices"]}));
        list["Devices"].clone()
    }

    /// The same for versions before 4, whose list is an array in any order: the devices in the order of their indexes.
    pub(crate) async fn lists_in_order(&mut self) -> Vec<Value> {
        let Value::Array(mut devices) = self.lists().await else { panic!("the devices are no array") };
        devices.sort_by_key(|device| device["DeviceIndex"].as_u64());
        devices
    }

    /// The connection ends without a word, as if the client's machine had lost its power.
    pub(crate) fn vanishes(self) {}
}
