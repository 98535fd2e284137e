//! Two ends with a bounded queue in each direction. Either end may end both directions; the other one first reads what
//! is still there, then learns why.

use crate::MAX_WAITING_MESSAGES;
use buttplug_core::connector::ConnectorError;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// One end.
pub(crate) struct Pipe<Out, In> {
    /// Until this end has closed.
    outgoing: Option<mpsc::Sender<Out>>,
    incoming: mpsc::Receiver<In>,
    /// What this end says when it ends the connection.
    farewell: Arc<OnceLock<ConnectorError>>,
    /// What the other end said.
    heard: Arc<OnceLock<ConnectorError>>,
    /// Why this end takes nothing more.
    ended: Option<ConnectorError>,
}

pub(crate) fn pair<A, B>() -> (Pipe<A, B>, Pipe<B, A>) {
    // this end -> other end, both ways alike: full ends the connection; closed means the sender has left.
    let (a_out, a_in) = mpsc::channel(MAX_WAITING_MESSAGES);
    let (b_out, b_in) = mpsc::channel(MAX_WAITING_MESSAGES);
    let (a_says, b_says) = (Arc::default(), Arc::default());
    (
        Pipe {
            outgoing: Some(a_out),
            incoming: b_in,
            farewell: Arc::clone(&a_says),
            heard: Arc::clone(&b_says),
            ended: None,
        },
        Pipe { outgoing: Some(b_out), incoming: a_in, farewell: b_says, heard: a_says, ended: None },
    )
}

impl<Out, In> Pipe<Out, In> {
    pub(crate) fn send(&mut self, message: Out) -> Result<(), ConnectorError> {
        let sent = self.outgoing.as_ref().map(|outgoing| outgoing.try_send(message));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(mpsc::error::TrySendError::Full(_))) => {
                let reason = format!("{MAX_WAITING_MESSAGES} messages are waiting to be read");
                let error = ConnectorError::Unresponsive { reason };
                self.end(error.clone(), ConnectorError::Lost { reason: overrun() });
                Err(error)
            }
            Some(Err(mpsc::error::TrySendError::Closed(_))) => Err(self.other_end_left()),
            None => Err(self.why_ended()),
        }
    }

    pub(crate) async fn receive(&mut self, batch: &mut Vec<In>) -> Result<(), ConnectorError> {
        if self.outgoing.is_none() {
            return Err(self.why_ended());
        }
        match self.incoming.recv_many(batch, MAX_WAITING_MESSAGES).await {
            0 => Err(self.other_end_left()),
            _ => Ok(()),
        }
    }

    /// Ends the connection in order.
    pub(crate) fn close(&mut self, reason: &str) {
        let closed_here = ConnectorError::Closed { reason: String::from("it was closed at this end") };
        self.end(closed_here, ConnectorError::Closed { reason: reason.to_owned() });
    }

    fn end(&mut self, here: ConnectorError, there: ConnectorError) {
        self.ended.get_or_insert(here);
        // Said before the queues close, so that whoever sees them closed finds it. The first word counts.
        let _ = self.farewell.set(there);
        self.outgoing = None;
        self.incoming.close();
    }

    fn other_end_left(&self) -> ConnectorError {
        let dropped = || ConnectorError::Lost { reason: String::from("the other end was dropped") };
        self.heard.get().cloned().unwrap_or_else(dropped)
    }

    fn why_ended(&self) -> ConnectorError {
        self.ended.clone().unwrap_or_else(|| self.other_end_left())
    }
}

fn overrun() -> String {
    format!("more than {MAX_WAITING_MESSAGES} messages were waiting to be read")
}
