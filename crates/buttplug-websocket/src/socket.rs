//! One WebSocket connection: queues without waiting, receives in batches, and notices when the peer is gone.
//!
//! One task owns a socket and drives it by receiving. There is no task and no channel inside.

use crate::error::SocketError;
use crate::limits::{MAX_BATCH_BYTES, MAX_BATCH_FRAMES, SocketLimits};
use crate::meter::Meter;
use crate::stream::ServerStream;
use crate::watch::{Due, Watch};
use bytes::Bytes;
use futures_util::{Sink, Stream};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};

/// What a ping carries. Devices that dial in are used to one zero byte.
const PING_PAYLOAD: &[u8] = &[0];

/// The longest reason that fits into a close frame.
const MAX_REASON_BYTES: usize = 123;

/// A message from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Text; the bytes are valid UTF-8.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
}

/// One WebSocket connection. Dropping it closes it without ceremony.
pub struct Socket<S = ServerStream> {
    stream: WebSocketStream<Meter<S>>,
    limits: SocketLimits,
    watch: Watch,
    /// Fires no later than the watch's deadline; moved when it fires, not at each sign of life.
    timer: Pin<Box<Sleep>>,
    /// Whether something may be queued that the operating system does not have yet.
    dirty: bool,
    end: Option<SocketError>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// The server's end, after the upgrade. `rest` came after the request.
    pub(crate) async fn server(stream: S, rest: Vec<u8>, limits: SocketLimits) -> Self {
        let config = Some(Self::config(&limits));
        let stream =
            WebSocketStream::from_partially_read(Meter::new(stream), rest, Role::Server, config).await;
        Self::new(stream, limits)
    }

    /// An end of which the upgrade is done.
    pub(crate) fn new(stream: WebSocketStream<Meter<S>>, limits: SocketLimits) -> Self {
        let watch = Watch::new(Instant::now());
        let timer = Box::pin(sleep_until(watch.deadline(&limits)));
        Self { stream, limits, watch, timer, dirty: false, end: None }
    }

    /// The library's share of the limits.
    pub(crate) fn config(limits: &SocketLimits) -> WebSocketConfig {
        // The library panics at a limit of 0. It writes by itself once so much is queued, so nearly never: one flush
        // per batch.
        let max_queued = limits.max_queued.max(1);
        WebSocketConfig::default()
            .read_buffer_size(limits.read_buffer)
            .write_buffer_size(max_queued - 1)
            .max_write_buffer_size(max_queued)
            .max_message_size(Some(limits.max_message))
            .max_frame_size(Some(limits.max_message))
    }

    /// Queues a text message. It leaves with the next [`receive`](Self::receive), [`try_flush`](Self::try_flush) or
    /// [`close`](Self::close).
    ///
    /// # Errors
    /// The connection has ended, or more is queued than may be.
    pub fn send_text(&mut self, text: String) -> Result<(), SocketError> {
        self.queue(Message::Text(text.into()))
    }

    /// Queues a binary message, as [`send_text`](Self::send_text) does.
    ///
    /// # Errors
    /// The connection has ended, or more is queued than may be.
    pub fn send_binary(&mut self, bytes: Bytes) -> Result<(), SocketError> {
        self.queue(Message::Binary(bytes))
    }

    fn queue(&mut self, message: Message) -> Result<(), SocketError> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        self.dirty = true;
        match Pin::new(&mut self.stream).start_send(message) {
            Ok(()) => Ok(()),
            Err(WebSocketError::WriteBufferFull(_)) => {
                Err(SocketError::QueueFull { limit: self.limits.max_queued })
            }
            Err(error) => Err(self.fail(SocketError::from_library(error))),
        }
    }

    /// Writes out what is queued as far as it goes without waiting. `false`: not everything went, and whoever
    /// receives has to be woken to write the rest.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn try_flush(&mut self) -> Result<bool, SocketError> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        match self.poll_write_out(&mut Context::from_waker(Waker::noop())) {
            Ok(()) => Ok(!self.dirty),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Whether everything queued has been given to the operating system.
    pub fn is_flushed(&self) -> bool {
        !self.dirty
    }

    /// Writes out what is queued and waits until something arrives, then hands everything that is already there to
    /// `take`, up to [`MAX_BATCH_FRAMES`] and [`MAX_BATCH_BYTES`]. May return without having called it. Safe to
    /// cancel: nothing is lost.
    ///
    /// # Errors
    /// The connection has ended. What arrived before the end has been taken by earlier calls. Later calls return the
    /// same error.
    pub async fn receive(&mut self, mut take: impl FnMut(Received)) -> Result<(), SocketError> {
        poll_fn(|cx| self.poll_receive(cx, &mut take)).await
    }

    /// [`receive`](Self::receive) for callers that wait for several things.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Received),
    ) -> Poll<Result<(), SocketError>> {
        if let Some(end) = &self.end {
            return Poll::Ready(Err(end.clone()));
        }
        loop {
            // What came before a failing write is read before the failure is told.
            let written = self.poll_write_out(cx);
            let read_before = self.stream.get_ref().read;
            let (taken, read) = self.poll_batch(cx, &mut take);
            if self.stream.get_ref().read != read_before {
                self.watch.heard(Instant::now());
            }
            let end = match (read, written) {
                (Poll::Ready(Err(error)), _) | (_, Err(error)) => Some(self.fail(error)),
                (Poll::Ready(Ok(())), Ok(())) => return Poll::Ready(Ok(())),
                (Poll::Pending, Ok(())) => None,
            };
            match end {
                _ if taken => return Poll::Ready(Ok(())),
                Some(error) => return Poll::Ready(Err(error)),
                None => {}
            }
            match self.poll_watch(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.fail(error))),
                // A ping is queued and has to be written.
                Poll::Ready(Ok(())) => {}
            }
        }
    }

    /// Takes what is there. `Ready(Ok)`: the batch is full. The first of the pair tells whether anything was taken.
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        take: &mut impl FnMut(Received),
    ) -> (bool, Poll<Result<(), SocketError>>) {
        let mut taken = false;
        let mut bytes = 0;
        for _ in 0..MAX_BATCH_FRAMES {
            let message = match Pin::new(&mut self.stream).poll_next(cx) {
                Poll::Pending => return (taken, Poll::Pending),
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => {
                    return (taken, Poll::Ready(Err(SocketError::from_library(error))));
                }
                Poll::Ready(None) => {
                    let error = SocketError::from_library(WebSocketError::ConnectionClosed);
                    return (taken, Poll::Ready(Err(error)));
                }
            };
            bytes += message.len();
            match message {
                Message::Text(text) => {
                    take(Received::Text(text.into()));
                    taken = true;
                }
                Message::Binary(data) => {
                    take(Received::Binary(data));
                    taken = true;
                }
                // The library queues the answer.
                Message::Ping(_) => self.dirty = true,
                Message::Close(frame) => {
                    let error = SocketError::Closed {
                        code: frame.as_ref().map(|frame| frame.code.into()),
                        reason: frame.map(|frame| printable(frame.reason.as_str())).unwrap_or_default(),
                    };
                    return (taken, Poll::Ready(Err(error)));
                }
                Message::Pong(_) | Message::Frame(_) => {}
            }
            if bytes >= MAX_BATCH_BYTES {
                break;
            }
        }
        (taken, Poll::Ready(Ok(())))
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Result<(), SocketError> {
        if !self.dirty {
            return Ok(());
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.dirty = false;
                self.watch.drained();
                Ok(())
            }
            Poll::Ready(Err(error)) => Err(SocketError::from_library(error)),
            Poll::Pending => {
                self.watch.blocked(Instant::now(), self.stream.get_ref().written);
                Ok(())
            }
        }
    }

    /// `Ready(Ok)`: a ping has been queued.
    fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        loop {
            let deadline = self.watch.deadline(&self.limits);
            // Only forward: an earlier one finds out when it fires that there was life.
            if deadline < self.timer.deadline() {
                self.timer.as_mut().reset(deadline);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match self.watch.expire(Instant::now(), &self.limits) {
                Due::Nothing => self.timer.as_mut().reset(deadline),
                Due::Ping => {
                    self.timer.as_mut().reset(self.watch.deadline(&self.limits));
                    let ping = Message::Ping(Bytes::from_static(PING_PAYLOAD));
                    return Poll::Ready(match self.queue(ping) {
                        // What is queued asks for life as well as a ping does.
                        Ok(()) | Err(SocketError::QueueFull { .. }) => Ok(()),
                        Err(error) => Err(error),
                    });
                }
                Due::Silent => {
                    return Poll::Ready(Err(SocketError::Silent { after: self.limits.lost_after }));
                }
                Due::Stalled => {
                    return Poll::Ready(Err(SocketError::Stalled { after: self.limits.stall_after }));
                }
            }
        }
    }

    /// Remembers the end, the first one found, and tells the peer as far as that goes without waiting.
    fn fail(&mut self, error: SocketError) -> SocketError {
        if let Some(end) = &self.end {
            return end.clone();
        }
        if let Some(code) = error.close_code() {
            let _ = Pin::new(&mut self.stream).start_send(close_message(code, &error.to_string()));
        }
        // Also the answer to a peer that closed in order.
        let _ = Pin::new(&mut self.stream).poll_flush(&mut Context::from_waker(Waker::noop()));
        self.end = Some(error.clone());
        error
    }

    /// Writes out what is queued and closes in order: the peer learns code and reason, and has time to read them. A
    /// peer that broke a rule has been told that code and reason instead. Takes no longer than the limit for closing.
    /// Afterwards the socket is of no use.
    pub async fn close(&mut self, code: CloseCode, reason: &str) {
        // Boxed: it happens once, and its future would make every socket's task larger for life.
        let _ = Box::pin(timeout(self.limits.close_time, self.close_in_order(code, reason))).await;
        let end = SocketError::Closed { code: Some(code.into()), reason: String::from(reason) };
        self.end.get_or_insert(end);
    }

    async fn close_in_order(&mut self, code: CloseCode, reason: &str) {
        match self.end {
            Some(SocketError::Lost { .. } | SocketError::Silent { .. } | SocketError::Stalled { .. }) => {
                return;
            }
            Some(_) => {}
            None => {
                let _ = poll_fn(|cx| Pin::new(&mut self.stream).poll_flush(cx)).await;
                let _ = Pin::new(&mut self.stream).start_send(close_message(code, reason));
            }
        }
        let _ = poll_fn(|cx| Pin::new(&mut self.stream).poll_flush(cx)).await;
        linger(self.stream.get_mut(), self.limits.close_time).await;
    }
}

/// Says that nothing more follows, and waits until the peer has read that: closing a stream with unread bytes in it
/// would reset it, and the peer could lose what was written last.
pub(crate) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, limit: Duration) {
    let drain = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut unread = vec![0; 4096];
        while stream.read(&mut unread).await.is_ok_and(|count| count > 0) {}
    };
    let _ = timeout(limit, drain).await;
}

fn close_message(code: CloseCode, reason: &str) -> Message {
    let end = (0..=reason.len().min(MAX_REASON_BYTES)).rev().find(|end| reason.is_char_boundary(*end));
    let reason = reason.get(..end.unwrap_or(0)).unwrap_or_default();
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests;
