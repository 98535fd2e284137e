//! The yardstick: a bare WebSocket echo, in a process of its own, with the same library and the same plain loop that any
//! server on it would have. Read a message, send it back, flush when no more is waiting.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite;

use super::process::Process;
use crate::run::{Context as _, Outcome};

/// A running echo server. Dropping it ends it.
pub(crate) struct Echo {
    child: Child,
    pub(crate) port: u16,
}

impl Echo {
    pub(crate) fn start() -> Outcome<Self> {
        let program = std::env::current_exe().context("can't find this program")?;
        let mut child = Command::new(program)
            .arg("echo-server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("can't start the echo server")?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line).context("the echo server says nothing")?;
        }
        match line.trim().parse() {
            Ok(port) => Ok(Self { child, port }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(format!("the echo server names no port: {error}"))
            }
        }
    }

    pub(crate) fn process(&self) -> Process {
        Process::new(self.child.id())
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server's side: prints its port, then echoes until whoever started it has gone.
pub(crate) fn serve(_: &[String]) -> Outcome {
    std::thread::spawn(|| {
        // Nothing is sent; the pipe ends when the parent does.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().context("runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("can't listen")?;
        println!("{}", listener.local_addr().context("can't listen")?.port());
        loop {
            let (stream, _) = listener.accept().await.context("can't accept")?;
            // A connection that breaks is over; the client notices.
            tokio::spawn(async { drop(echo(stream).await) });
        }
    })
}

async fn echo(stream: TcpStream) -> Result<(), tungstenite::Error> {
    stream.set_nodelay(true)?;
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        socket.feed(message?).await?;
        while let Some(Some(message)) = socket.next().now_or_never() {
            socket.feed(message?).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::socket::{Kind, Socket, push_frame};
    use super::*;

    #[test]
    fn what_arrives_in_one_piece_comes_back_in_order() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let stream = listener.accept().unwrap().0;
            stream.set_nonblocking(true).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            runtime.block_on(async { drop(echo(TcpStream::from_std(stream).unwrap()).await) });
        });
        let mut socket = Socket::connect(port).unwrap();
        let mut frames = Vec::new();
        for number in 0..300 {
            push_frame(&mut frames, Kind::Text, number.to_string().as_bytes());
        }
        socket.write(&frames).unwrap();
        for number in 0..300 {
            assert_eq!(socket.text().unwrap(), number.to_string());
        }
    }
}
