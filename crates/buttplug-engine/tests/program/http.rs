//! Plain HTTP as the simplest of programs speak it: one request, one answer, one connection.

use super::SOON;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What went wrong, for programs.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends bytes, closes this side, and reads whatever comes back.
pub(crate) async fn raw(port: u16, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("an open port");
    // Whoever is refused early does not take all of it.
    let _ = stream.write_all(request).await;
    let _ = stream.shutdown().await;
    let mut bytes = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("an answer in time");
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer { status: status.expect("a status"), head: head.to_owned(), body: body.to_owned() }
}

/// Sends a request with these further lines in its head, and a body.
pub(crate) async fn request(port: u16, method: &str, path: &str, head: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}"
    );
    raw(port, request.as_bytes()).await
}

pub(crate) async fn get(port: u16, path: &str) -> Answer {
    request(port, "GET", path, "", "").await
}

pub(crate) async fn put(port: u16, path: &str) -> Answer {
    request(port, "PUT", path, "", "").await
}

/// A stream of events.
pub(crate) struct EventStream(Lines<BufReader<TcpStream>>);

impl EventStream {
    pub(crate) async fn open(port: u16, path: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("an open port");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a connection");
        let mut events = Self(BufReader::new(stream).lines());
        assert_eq!(events.line().await, "HTTP/1.1 200 OK");
        while !events.line().await.is_empty() {}
        events
    }

    async fn line(&mut self) -> String {
        let line = timeout(SOON, self.0.next_line()).await.expect("a line in time");
        line.expect("a connection").expect("a line")
    }

    /// The rest of the next line that begins like this.
    pub(crate) async fn field(&mut self, name: &str) -> String {
        loop {
            if let Some(value) = self.line().await.strip_prefix(name) {
                return value.to_owned();
            }
        }
    }

    /// The next event, with its data.
    pub(crate) async fn next(&mut self) -> (String, Value) {
        let name = self.field("event: ").await;
        let data = self.field("data: ").await;
        (name, serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}")))
    }
}
