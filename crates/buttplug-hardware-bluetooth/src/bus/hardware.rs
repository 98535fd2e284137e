//! One piece of hardware on the bus: connecting, its link, and the link's end.

use super::{Inner, in_time, locked};
use crate::limits::{
    CONNECT_PAUSE, CONNECT_TIME, CONNECT_TRIES, DISCONNECT_TIME, DISCONNECT_WAIT, LOST_LOOK_TIME,
};
use crate::link::{End, Link, LinkHandle, in_terms_of_hardware};
use crate::places::first_fit;
use crate::radio::{Peer, Radio, RadioError, Spot};
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::sighting::Sighting;
use buttplug_server::hardware::{HardwareError, OpenHardware};
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, trace};

/// Waits for the end of the bus.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender is the bus: it going away means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

impl<R: Radio> Inner<R> {
    /// The task of one piece of hardware, from connecting to the end of its link. It ends early when the bus says `stop`,
    /// and holds on to that until the system needs nobody any more.
    pub(super) async fn serve(
        self: Arc<Self>,
        spot: R::Spot,
        sighting: Sighting,
        wirings: Vec<Wiring>,
        mut give: oneshot::Sender<Result<OpenHardware, HardwareError>>,
        mut stop: watch::Receiver<bool>,
    ) {
        let connecting = timeout(CONNECT_TIME, self.connect(&spot, &wirings));
        let outcome = tokio::select! {
            biased;
            () = stopped(&mut stop) => Err(HardwareError::Gone),
            () = give.closed() => Err(HardwareError::TimedOut("connecting")),
            outcome = connecting => outcome.unwrap_or(Err(HardwareError::TimedOut("connecting"))),
        };
        let (link, handle, open) = match outcome {
            Ok(connected) => connected,
            Err(error) => {
                let handle = LinkHandle::new();
                locked(&self.links).insert(spot.clone(), handle.clone());
                // Whoever asked may be gone.
                let _ = give.send(Err(error));
                return self.hang_up(&spot, &handle, stop).await;
            }
        };
        locked(&self.links).insert(spot.clone(), handle.clone());
        self.tell(|finder, _| finder.opened(&sighting.address));
        if give.send(Ok(open)).is_err() {
            handle.let_go();
        }
        let mut running = pin!(link.run());
        let watching = async {
            let look = self.look_once(&spot, &handle);
            let stop = async {
                stopped(&mut stop).await;
                handle.let_go();
            };
            tokio::join!(look, stop);
        };
        let end = tokio::select! {
            biased;
            () = watching => running.await,
            end = &mut running => end,
        };
        let address = sighting.address.clone();
        match end {
            End::Lost(reason) => {
                handle.closed();
                debug!(address, reason, "the link ended; the device is sought");
                self.tell(|finder, now| finder.closed(now, sighting, true));
                // What the system said may have meant something else. Hardware whose link is up does not advertise, and goes
                // on with what it was told.
                let is_up = tokio::select! {
                    biased;
                    view = timeout(LOST_LOOK_TIME, self.radio.look(&spot)) => {
                        view.is_ok_and(|view| view.is_ok_and(|view| view.connected))
                    }
                    () = stopped(&mut stop) => true,
                };
                if is_up {
                    debug!(address, "the link is still up, and is ended");
                    self.hang_up(&spot, &handle, stop).await;
                    self.tell(|finder, _| finder.list(spot.adapter()));
                } else {
                    locked(&self.links).remove(&spot);
                }
            }
            End::Closed => {
                self.hang_up(&spot, &handle, stop).await;
                self.tell(|finder, now| finder.closed(now, sighting, false));
            }
        }
    }

    /// Finds out whether a link has ended before it was in the list: the news of that found nobody to tell.
    async fn look_once(&self, spot: &R::Spot, handle: &LinkHandle) {
        match in_time(self.radio.look(spot)).await {
            Ok(view) if view.connected => {}
            Ok(_) | Err(RadioError::NotConnected) => handle.lose("the link ended"),
            Err(error) => debug!(address = spot.address(), %error, "a link could not be looked at"),
        }
    }

    /// Ends a link and waits for its end. Who waits for the handle or the end of the bus does so only until the system
    /// has been told.
    async fn hang_up(&self, spot: &R::Spot, handle: &LinkHandle, stop: watch::Receiver<bool>) {
        let mut ending = pin!(self.disconnect(spot));
        // Then it ends the link by itself.
        let ended = timeout(DISCONNECT_WAIT, &mut ending).await.is_ok();
        handle.closed();
        drop(stop);
        if !ended {
            ending.await;
        }
    }

    /// Ends a link and waits for its end.
    async fn disconnect(&self, spot: &R::Spot) {
        match timeout(DISCONNECT_TIME, self.radio.disconnect(spot)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(address = spot.address(), %error, "a link could not be ended"),
            Err(_) => debug!(address = spot.address(), "the end of a link takes long"),
        }
        locked(&self.links).remove(spot);
    }

    async fn connect(
        &self,
        spot: &R::Spot,
        wirings: &[Wiring],
    ) -> Result<(Link, LinkHandle, OpenHardware), HardwareError> {
        // What can't be looked at is most likely not there; connecting finds out.
        let was_connected = in_time(self.radio.look(spot)).await.is_ok_and(|view| view.connected);
        let peer = self.connect_patiently(spot).await.map_err(in_terms_of_hardware)?;
        let there = peer.characteristics().iter().map(|one| format!("{}/{}", one.service, one.uuid));
        trace!(address = spot.address(), there = ?there.collect::<Vec<_>>(), "characteristics");
        let (wiring, places) =
            first_fit(wirings, peer.characteristics()).ok_or(HardwareError::NoProtocolFits)?;
        Link::new(peer, wiring, places, was_connected).await.map_err(in_terms_of_hardware)
    }

    /// Connects, and tries again a few times if that fails.
    async fn connect_patiently(&self, spot: &R::Spot) -> Result<Box<dyn Peer>, RadioError> {
        let mut tries = 1;
        loop {
            match self.radio.connect(spot).await {
                Err(error) if tries < CONNECT_TRIES => {
                    debug!(address = spot.address(), %error, tries, "connecting failed and is tried again");
                    tries += 1;
                    sleep(CONNECT_PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }
}
