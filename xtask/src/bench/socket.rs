//! The bench's own end of a WebSocket: blocking, one buffer, frames built beforehand. A library would do more than is
//! measured here and so measure itself. Good for short frames on loopback, and no more than that.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use crate::run::{Context as _, Outcome};

/// Longest wait for an answer; nothing here takes a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Not zero, so that the other side has to unmask.
const MASK: [u8; 4] = [0x3a, 0x91, 0x5c, 0xe7];

/// The kinds of frames that occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// One connection.
pub(crate) struct Socket {
    stream: TcpStream,
    received: Vec<u8>,
    /// The bytes received and not yet taken.
    fresh: Range<usize>,
}

/// Appends one masked frame.
pub(crate) fn push_frame(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    out.push(0x80 | kind as u8);
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// The first frame in `bytes`: its kind, where its payload lies and where the next frame starts. None if it is not
/// complete yet.
fn first_frame(bytes: &[u8]) -> Outcome<Option<(Kind, Range<usize>)>> {
    let &[first, second, ..] = bytes else { return Ok(None) };
    let kind = match first {
        0x81 => Kind::Text,
        0x82 => Kind::Binary,
        0x88 => Kind::Close,
        0x89 => Kind::Ping,
        0x8a => Kind::Pong,
        other => return Err(format!("a frame that begins with {other:02x}")),
    };
    let (start, length) = match second {
        0..=125 => (2, usize::from(second)),
        126 => {
            let Some(&[high, low]) = bytes.get(2..4) else { return Ok(None) };
            (4, usize::from(u16::from_be_bytes([high, low])))
        }
        127 => {
            let Some(length) = bytes.get(2..10).and_then(|bytes| bytes.try_into().ok()) else {
                return Ok(None);
            };
            (10, u64::from_be_bytes(length) as usize)
        }
        _ => return Err("a masked frame from a server".to_owned()),
    };
    Ok((bytes.len() >= start + length).then_some((kind, start..start + length)))
}

impl Socket {
    /// Connects and upgrades.
    pub(crate) fn connect(port: u16) -> Outcome<Self> {
        Self::upgrade(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("can't connect")?)
    }

    /// Connects as a client and says hello.
    pub(crate) fn client(port: u16) -> Outcome<Self> {
        let mut socket = Self::connect(port)?;
        socket.hello()?;
        Ok(socket)
    }

    /// Makes a WebSocket of a connection.
    pub(crate) fn upgrade(stream: TcpStream) -> Outcome<Self> {
        stream.set_nodelay(true).context("no TCP_NODELAY")?;
        stream.set_read_timeout(Some(PATIENCE)).context("no timeout")?;
        let mut socket = Self { stream, received: vec![0; 64 * 1024], fresh: 0..0 };
        socket.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )?;
        loop {
            socket.receive()?;
            let head = &socket.received[socket.fresh.clone()];
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                if !head.starts_with(b"HTTP/1.1 101 ") {
                    return Err(format!("no upgrade but {}", String::from_utf8_lossy(&head[..end])));
                }
                socket.fresh.start += end + 4;
                return Ok(socket);
            }
        }
    }

    /// The Buttplug handshake.
    pub(crate) fn hello(&mut self) -> Outcome {
        self.send_text(
            r#"[{"RequestServerInfo":{"Id":1,"ClientName":"bench","ProtocolVersionMajor":4,"ProtocolVersionMinor":0}}]"#,
        )?;
        let reply = self.text()?;
        if reply.starts_with(r#"[{"ServerInfo":"#) {
            Ok(())
        } else {
            Err(format!("no ServerInfo but {reply}"))
        }
    }

    pub(crate) fn send_text(&mut self, text: &str) -> Outcome {
        self.send(Kind::Text, text.as_bytes())
    }

    pub(crate) fn send(&mut self, kind: Kind, payload: &[u8]) -> Outcome {
        let mut frame = Vec::with_capacity(payload.len() + 14);
        push_frame(&mut frame, kind, payload);
        self.write(&frame)
    }

    /// Writes frames that were built before.
    pub(crate) fn write(&mut self, frames: &[u8]) -> Outcome {
        self.stream.write_all(frames).context("can't write")
    }

    /// Another handle on the same connection, for a thread that only writes.
    pub(crate) fn writer(&self) -> Outcome<TcpStream> {
        self.stream.try_clone().context("no second handle")
    }

    /// Waits for the next message of the other side and hands it to `look`.
    pub(crate) fn next<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Outcome<T> {
        loop {
            if let Some(payload) = self.take()? {
                return Ok(look(&self.received[payload]));
            }
            self.receive()?;
        }
    }

    /// Waits for the next message, which is text.
    pub(crate) fn text(&mut self) -> Outcome<String> {
        self.next(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Waits for the next message, if only a short time. None if none came.
    pub(crate) fn next_within<T>(
        &mut self,
        time: Duration,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Outcome<Option<T>> {
        self.stream.set_read_timeout(Some(time)).context("no timeout")?;
        let message = loop {
            if let Some(payload) = self.take()? {
                break Some(payload);
            }
            if !self.receive_if_any()? {
                break None;
            }
        };
        self.stream.set_read_timeout(Some(PATIENCE)).context("no timeout")?;
        Ok(message.map(|payload| look(&self.received[payload])))
    }

    /// Waits for at least one message, and hands over all that are complete then.
    pub(crate) fn batch(&mut self, mut look: impl FnMut(&[u8]) -> Outcome) -> Outcome {
        let mut any = false;
        loop {
            while let Some(payload) = self.take()? {
                any = true;
                look(&self.received[payload])?;
            }
            if any {
                return Ok(());
            }
            self.receive()?;
        }
    }

    /// Whether [`Socket::sweep`] may be used: reading returns at once if there is nothing.
    pub(crate) fn set_nonblocking(&self, nonblocking: bool) -> Outcome {
        self.stream.set_nonblocking(nonblocking).context("can't switch blocking")
    }

    /// Takes what has come, without waiting. An error if the other side has gone.
    pub(crate) fn sweep(&mut self, mut look: impl FnMut(&[u8])) -> Outcome {
        loop {
            while let Some(payload) = self.take()? {
                look(&self.received[payload]);
            }
            if !self.receive_if_any()? {
                return Ok(());
            }
        }
    }

    /// Where the next complete message lies, if there is one. Pings on the way are answered.
    fn take(&mut self) -> Outcome<Option<Range<usize>>> {
        loop {
            let Some((kind, payload)) = first_frame(&self.received[self.fresh.clone()])? else {
                return Ok(None);
            };
            let payload = self.fresh.start + payload.start..self.fresh.start + payload.end;
            self.fresh.start = payload.end;
            match kind {
                Kind::Text | Kind::Binary => return Ok(Some(payload)),
                Kind::Ping => {
                    let payload = self.received[payload].to_vec();
                    self.send(Kind::Pong, &payload)?;
                }
                Kind::Pong => {}
                Kind::Close => {
                    // The reason follows a code of two bytes.
                    let reason =
                        self.received[payload].get(2..).map(String::from_utf8_lossy).unwrap_or_default();
                    return Err(format!("the other side closes: {reason}"));
                }
            }
        }
    }

    fn receive(&mut self) -> Outcome {
        if self.receive_if_any()? { Ok(()) } else { Err("no answer in time".to_owned()) }
    }

    /// Reads once. False if there was nothing in the time that the socket waits.
    fn receive_if_any(&mut self) -> Outcome<bool> {
        if self.fresh.is_empty() {
            self.fresh = 0..0;
        } else if self.fresh.end == self.received.len() {
            if self.fresh.start == 0 {
                self.received.resize(self.received.len() * 2, 0);
            }
            self.received.copy_within(self.fresh.clone(), 0);
            self.fresh = 0..self.fresh.len();
        }
        match self.stream.read(&mut self.received[self.fresh.end..]) {
            Ok(0) => Err("the other side has gone".to_owned()),
            Ok(count) => {
                self.fresh.end += count;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(false),
            Err(error) => Err(format!("can't read: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio_tungstenite::tungstenite::{Message, accept};

    use super::*;

    /// A socket whose other end is a library's, run by `serve`.
    fn against(
        serve: impl FnOnce(&mut tokio_tungstenite::tungstenite::WebSocket<TcpStream>) + Send + 'static,
    ) -> Socket {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || serve(&mut accept(listener.accept().unwrap().0).unwrap()));
        Socket::connect(port).unwrap()
    }

    #[test]
    fn messages_of_every_length_form_come_back_as_they_went() {
        let mut socket = against(|server| {
            while let Ok(message) = server.read() {
                server.send(message).unwrap();
            }
        });
        for length in [0, 1, 125, 126, 0xffff, 0x1_0000, 300_000] {
            let text = "x".repeat(length);
            socket.send_text(&text).unwrap();
            assert_eq!(socket.text().unwrap().len(), length);
        }
    }

    #[test]
    fn a_batch_hands_over_every_complete_message_and_answers_pings() {
        let mut socket = against(|server| {
            server.write(Message::text("one")).unwrap();
            server.write(Message::Ping("?".into())).unwrap();
            server.write(Message::text("two")).unwrap();
            server.flush().unwrap();
            assert_eq!(server.read().unwrap(), Message::Pong("?".into()));
            server.send(Message::text("three")).unwrap();
        });
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let look = |bytes: &[u8]| {
                seen.push(String::from_utf8_lossy(bytes).into_owned());
                Ok(())
            };
            socket.batch(look).unwrap();
        }
        assert_eq!(seen, ["one", "two", "three"]);
    }

    #[test]
    fn an_other_side_that_has_gone_is_an_error_and_silence_is_not() {
        let mut socket = against(|server| {
            let _ = server.read();
        });
        assert_eq!(socket.next_within(Duration::from_millis(20), |_| ()), Ok(None));
        socket.send_text("go").unwrap();
        assert!(socket.text().is_err());
    }
}
