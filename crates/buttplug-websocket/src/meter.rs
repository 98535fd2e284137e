//! Counts what passes through a stream, so that progress can be told from waiting.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read at a stretch before others have a turn. A peer can make of them some ten thousand frames that add up to
/// no message, each of which takes its time.
const MAX_STRETCH_BYTES: usize = 256 * 1024;

/// A stream and what has passed through it. Whoever reads it gives way to others now and then, also if there is always more to
/// read.
#[derive(Debug)]
pub(crate) struct Meter<S> {
    stream: S,
    /// Bytes read since others had a turn.
    stretch: usize,
    /// Bytes read so far; may wrap.
    pub(crate) read: u64,
    /// Bytes written so far; may wrap.
    pub(crate) written: u64,
}

impl<S> Meter<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, stretch: 0, read: 0, written: 0 }
    }

    #[cfg(test)]
    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.stretch >= MAX_STRETCH_BYTES {
            self.stretch = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        self.stretch = if result.is_pending() { 0 } else { self.stretch + read };
        self.read = self.read.wrapping_add(read as u64);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Meter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        if let Ok(count) = &result {
            self.written = self.written.wrapping_add(*count as u64);
        }
        Poll::Ready(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
