//! One client and its connection to the server: passes messages both ways, unread, until either side ends.

use super::Server;
use super::settings::Remote;
use buttplug_websocket::{CloseCode, DialError, Received, Socket, SocketError, Trust, dial, dial_tls};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

/// How long the way to the server may take to open.
const DIAL_TIME: Duration = Duration::from_secs(10);

/// Tells a client that it is the server behind this one that failed. Registered for gateways, but without a name in the
/// library.
const BAD_GATEWAY: u16 = 1014;

/// What both sides are told when this program ends.
const ENDING: &str = "the repeater is ending";

/// Which side ended first, and how.
enum End {
    Client(SocketError),
    Server(SocketError),
    /// This program is ending.
    Stopped,
}

/// Connects a client with the server and serves both until one of them, or the program, ends.
pub(super) async fn run(client: Socket, peer: SocketAddr, server: &Server, stop: impl Future<Output = ()>) {
    let Server { remote, limits } = server;
    let (url, limits) = (remote.url(), *limits);
    if remote.is_encrypted() {
        connect(client, peer, remote, dial_tls(url, limits, &Trust::default()), stop).await;
    } else {
        connect(client, peer, remote, dial(url, limits), stop).await;
    }
}

async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    mut client: Socket,
    peer: SocketAddr,
    remote: &Remote,
    dialling: impl Future<Output = Result<Socket<S>, DialError>>,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let dialled = tokio::select! {
        biased;
        () = &mut stop => return client.close(CloseCode::Away, ENDING).await,
        dialled = timeout(DIAL_TIME, dialling) => dialled,
    };
    let reason = match dialled {
        Ok(Ok(server)) => return serve(client, server, peer, stop).await,
        Ok(Err(reason)) => reason.to_string(),
        Err(_) => format!("no answer within {} s", DIAL_TIME.as_secs()),
    };
    tracing::warn!(%peer, server = remote.shown(), reason, "the server can't be reached, refusing a client");
    client.close(BAD_GATEWAY.into(), &format!("the server can't be reached: {reason}")).await;
}

async fn serve<C, S>(
    mut client: Socket<C>,
    mut server: Socket<S>,
    peer: SocketAddr,
    stop: impl Future<Output = ()>,
) where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    tracing::info!(%peer, "repeating for a client");
    let end = tokio::select! {
        biased;
        () = stop => End::Stopped,
        end = pass(&mut client, &mut server) => end,
    };
    match end {
        End::Client(error) => {
            tracing::info!(%peer, reason = %error, "the client is gone");
            let (code, reason) = farewell(error, CloseCode::Away, "the client is gone");
            server.close(code, &reason).await;
        }
        End::Server(error) => {
            tracing::warn!(%peer, reason = %error, "the server is gone");
            let (code, reason) = farewell(error, BAD_GATEWAY.into(), "the server is gone");
            client.close(code, &reason).await;
        }
        End::Stopped => {
            tokio::join!(server.close(CloseCode::Away, ENDING), client.close(CloseCode::Away, ENDING));
        }
    }
}

/// Passes messages on until one side ends. What waits for a side is bounded by its queue; a side that lets it fill up
/// counts as gone.
async fn pass<C, S>(client: &mut Socket<C>, server: &mut Socket<S>) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
    loop {
        // Each also writes out what is queued for its side.
        let (ended, passed) = tokio::select! {
            received = client.receive(|message| from_client.push(message)) => {
                let passed = from_client.drain(..).try_for_each(|message| send(server, message));
                (received.err().map(End::Client), passed.map_err(End::Server))
            }
            received = server.receive(|message| from_server.push(message)) => {
                let passed = from_server.drain(..).try_for_each(|message| send(client, message));
                (received.err().map(End::Server), passed.map_err(End::Client))
            }
        };
        if let Some(end) = ended.or(passed.err()) {
            return end;
        }
    }
}

fn send<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut Socket<S>,
    message: Received,
) -> Result<(), SocketError> {
    match message {
        // It came as UTF-8.
        Received::Text(text) => socket.send_text(String::from_utf8_lossy(&text).into_owned()),
        Received::Binary(data) => socket.send_binary(data),
    }
}

/// What one side is told of the other's end: its own words if it had any.
fn farewell(error: SocketError, code: CloseCode, text: &str) -> (CloseCode, String) {
    match error {
        SocketError::Closed { code: Some(its), reason } if may_be_sent(its) => (its.into(), reason),
        SocketError::Closed { code: None, .. } => (CloseCode::Normal, String::new()),
        other => (code, format!("{text}: {other}")),
    }
}

/// Whether a close frame may carry this code: some stand for the lack of one.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_learns_how_the_other_ended() {
        let closed = |code, reason: &str| SocketError::Closed { code, reason: reason.into() };
        let told = |error| {
            let (code, reason) = farewell(error, BAD_GATEWAY.into(), "the server is gone");
            (u16::from(code), reason)
        };
        for (error, code, reason) in [
            (closed(Some(1000), "bye"), 1000, "bye"),
            (closed(Some(1013), "another client is connected"), 1013, "another client is connected"),
            (closed(Some(4001), "own"), 4001, "own"),
            (closed(None, ""), 1000, ""),
            (closed(Some(1005), "odd"), 1014, "the server is gone: closed by the other side: odd"),
            (SocketError::Lost { reason: "reset".into() }, 1014, "the server is gone: reset"),
        ] {
            assert_eq!(told(error), (code, reason.to_owned()));
        }
    }
}
