//! A stream as the port wants it: a peer has to read, and one that has said all it has to say is answered.

use super::crowd::Requests;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream with two changes.
///
/// A write that makes no progress for too long is an error. And the end of what the peer says is told only when its requests
/// are answered: some programs ask and close their side at once, and what they ask for may be a stop. A stream of events is
/// no answer to wait for; there it means that the reader has gone.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    limit: Duration,
    requests: Requests,
    /// The peer has said everything.
    ended: bool,
    /// Set while a write waits.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S, limit: Duration, requests: Requests) -> Self {
        Self { stream, limit, requests, ended: false, until: None }
    }

    fn watched<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.until = None;
            return progress;
        }
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(self.limit)));
        ready!(until.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ended {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            self.ended = buffer.filled().len() == before && buffer.remaining() > 0;
        }
        if self.ended { self.requests.poll_none_finite(cx).map(Ok) } else { Poll::Ready(Ok(())) }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, data);
        self.watched(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.watched(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_slowly_is_waited_for_and_one_that_stops_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut patient = Patient::new(ours, Duration::from_secs(5), Requests::default());
        let start = Instant::now();
        let reads = async {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_secs(4)).await;
                theirs.read_exact(&mut [0; 8]).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(patient.write_all(&[0; 64]), reads);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), Duration::from_secs(21));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_told_when_the_last_request_is_answered_or_goes_on_for_ever() {
        for endless in [false, true] {
            let (ours, mut theirs) = tokio::io::duplex(64);
            let requests = Requests::default();
            let mut request = requests.begin();
            theirs.write_all(b"stop").await.unwrap();
            theirs.shutdown().await.unwrap();
            let mut patient = Patient::new(ours, Duration::from_secs(5), requests);
            assert_eq!(patient.read(&mut [0; 8]).await.unwrap(), 4);
            let answers = async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if endless {
                    request.is_endless();
                    tokio::time::sleep(Duration::from_secs(9)).await;
                }
            };
            let start = Instant::now();
            let ends = async {
                assert_eq!(patient.read(&mut [0; 8]).await.unwrap(), 0);
                assert_eq!(start.elapsed(), Duration::from_secs(1));
            };
            tokio::join!(ends, answers);
        }
    }
}
