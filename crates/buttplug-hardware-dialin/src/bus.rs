//! The bus: listens, hears greetings, reports who has dialled in, and hands lines to the server.

use crate::bridge::{Bridge, Bridged};
use crate::greeting::Greeting;
use crate::limits::{BRIDGED_BLUETOOTH_GAP, DialInLimits, MAX_LINES, MESSAGE_GAP};
use crate::line::{Line, LineTimes};
use crate::roster::{Full, Roster};
use crate::speech::Speech;
use crate::version0::{Hearing, Version0};
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::hardware::{BusEvent, BusEvents, HardwareBus, HardwareError, OpenHardware};
#[cfg(feature = "tls-server")]
use buttplug_websocket::Identity;
use buttplug_websocket::{BindError, CloseCode, Gate, Listener, Received, Socket};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// The device port. Devices may dial in from [`bind`](Self::bind) on; they are heard once the bus is attached.
#[derive(Debug)]
pub struct DialInBus {
    port: Arc<Port>,
    addresses: Vec<SocketAddr>,
    accepting: Mutex<Accepting>,
    /// `true`: take nothing new.
    stop: watch::Sender<bool>,
}

/// What the tasks of the port share.
#[derive(Debug)]
struct Port {
    roster: Roster,
    limits: DialInLimits,
    /// One task per line.
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
enum Accepting {
    /// The ports are open, nobody is attached.
    Bound(Listener),
    /// The accept loop runs.
    Running(JoinHandle<()>),
    Over,
}

impl DialInBus {
    /// Opens the device port on these addresses. Port 0 takes any free port, the same one for all addresses with port
    /// 0. IPv6 loopback and IPv6 on all interfaces are left out, if something else remains, on machines without IPv6.
    ///
    /// # Errors
    /// One of the ports can't be opened. The error names it and what to do.
    pub async fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        Self::bind_with(addresses, DialInLimits::default()).await
    }

    /// [`bind`](Self::bind) with other limits.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub async fn bind_with(addresses: &[SocketAddr], limits: DialInLimits) -> Result<Self, BindError> {
        let listener = Listener::bind(addresses, limits.listener).await?;
        let addresses = listener.local_addresses();
        let roster = Roster::new(limits.max_devices);
        let port = Arc::new(Port { roster, limits, tasks: Mutex::default() });
        let accepting = Mutex::new(Accepting::Bound(listener));
        Ok(Self { port, addresses, accepting, stop: watch::Sender::new(false) })
    }

    /// The same with another gate. Without one, programs and pages of this machine are let in, see
    /// [`Rules`](buttplug_websocket::Rules).
    #[must_use]
    pub fn with_gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.change(|listener| listener.with_gate(gate));
        self
    }

    fn change(&mut self, change: impl FnOnce(Listener) -> Listener) {
        let accepting = self.accepting.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Accepting::Bound(listener) = std::mem::replace(accepting, Accepting::Over) {
            *accepting = Accepting::Bound(change(listener));
        }
    }

    /// The same with encryption: other machines have to use it, programs of this one may.
    #[cfg(feature = "tls-server")]
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.change(|listener| listener.with_identity(identity));
        self
    }

    /// Where it listens, with the ports chosen for port 0.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The line that this sighting is about.
    fn pending(&self, sighting: &Sighting) -> Option<Arc<Line>> {
        self.port.roster.find(sighting, Line::is_pending)
    }

    fn open_line(&self, line: &Arc<Line>, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        if line.sighting().bus() != BusKind::WebSocket {
            return Bridged::open(Arc::clone(line), wirings);
        }
        let wiring = wirings.iter().position(|wiring| matches!(wiring, Wiring::Direct));
        let wiring = wiring.ok_or(HardwareError::NoProtocolFits)?;
        let (hardware, events) = Version0::open(Arc::clone(line))?;
        Ok(OpenHardware { hardware: Arc::new(hardware), events, wiring, endpoints: Vec::new() })
    }
}

impl Port {
    /// Hears a greeting and gives the connection a line and a task of its own.
    async fn greet(self: Arc<Self>, mut socket: Socket, peer: SocketAddr, events: BusEvents) {
        let (first, more) = match timeout(self.limits.greeting_time, first_messages(&mut socket)).await {
            Ok(Some(messages)) => messages,
            Ok(None) => return tracing::info!(%peer, "a device left without a greeting"),
            Err(_) => {
                let reason = format!("no greeting within {} s", self.limits.greeting_time.as_secs_f32());
                tracing::info!(%peer, %reason, "refusing a device");
                return socket.close(CloseCode::Policy, &reason).await;
            }
        };
        match Greeting::parse(&first) {
            Ok(Greeting::Version0(sighting)) => {
                let line = self.line(sighting, peer, socket, Speech::Version0(Hearing::default()));
                self.admit(line, peer, events).await;
            }
            Ok(Greeting::Bridge(offer)) => {
                let bridge = Bridge::new(peer, offer.transport);
                let line = self.line(offer.sighting, peer, socket, Speech::Bridge(Box::new(bridge)));
                // It may be gone already.
                line.hear(more);
                self.admit(line, peer, events).await;
            }
            Err(error) => {
                tracing::info!(%peer, %error, "refusing a device");
                socket.close(error.close_code(), &error.to_string()).await;
            }
        }
    }

    fn line(&self, sighting: Sighting, peer: SocketAddr, socket: Socket, speech: Speech) -> Arc<Line> {
        let times = LineTimes { write: self.limits.write_time, answer: self.limits.answer_time };
        let sighting = Sighting { peer: Some(peer.ip()), ..sighting };
        Arc::new(Line::new(sighting, socket, speech, times))
    }

    async fn admit(self: Arc<Self>, line: Arc<Line>, peer: SocketAddr, events: BusEvents) {
        let sighting = line.sighting().clone();
        tracing::debug!(%peer, bus = %sighting.bus(), address = ?sighting.address, name = ?sighting.name(), "a device dialled in");
        let pending_time = self.limits.pending_time;
        if let Err(full) = self.roster.add(&line) {
            let max = self.limits.max_devices;
            let reason = match full {
                Full::Devices => format!("{max} devices are connected, no more may be"),
                Full::Address => {
                    format!("{MAX_LINES} connections with this address have not ended yet; wait a moment")
                }
            };
            tracing::warn!(%peer, %reason, "refusing a device");
            line.end(CloseCode::Again, &reason);
            return line.run(pending_time, std::future::ready(())).await;
        }
        let port = Arc::clone(&self);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are let go of here.
        while tasks.try_join_next().is_some() {}
        let reported = Arc::clone(&line);
        tasks.spawn(async move {
            let report = async {
                // The server may take its time: the line waits, the port does not. An attached server that is gone
                // ends the bus.
                if let Ok(room) = events.reserve().await {
                    reported.report(|| room.send(BusEvent::Sighted(sighting)));
                }
            };
            Arc::clone(&line).run(pending_time, report).await;
            port.roster.remove(&line);
        });
    }
}

/// The first message, if there is one, and what has come together with it.
async fn first_messages(socket: &mut Socket) -> Option<(Received, Vec<Received>)> {
    let (mut first, mut more) = (None, Vec::new());
    while first.is_none() {
        let take = |message| match first {
            None => first = Some(message),
            Some(_) => more.push(message),
        };
        if socket.receive(take).await.is_err() {
            break;
        }
    }
    Some((first?, more))
}

#[async_trait]
impl HardwareBus for DialInBus {
    fn kind(&self) -> BusKind {
        BusKind::WebSocket
    }

    fn message_gap(&self, hardware: BusKind) -> Duration {
        match hardware {
            BusKind::Bluetooth => BRIDGED_BLUETOOTH_GAP,
            BusKind::Serial
            | BusKind::Hid
            | BusKind::Usb
            | BusKind::WebSocket
            | BusKind::Gamepad
            | BusKind::LovenseConnect
            | BusKind::Simulated => MESSAGE_GAP,
        }
    }

    fn replaces_connected(&self) -> bool {
        true
    }

    async fn attach(&self, events: BusEvents) {
        let mut accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner);
        *accepting = match std::mem::replace(&mut *accepting, Accepting::Over) {
            Accepting::Bound(listener) => {
                let port = Arc::clone(&self.port);
                let mut stop = self.stop.subscribe();
                Accepting::Running(tokio::spawn(async move {
                    let stopped = async {
                        // Fails when the bus is gone, which is a reason to stop as well.
                        let _ = stop.wait_for(|stop| *stop).await;
                    };
                    let serve = move |socket, peer| Arc::clone(&port).greet(socket, peer, events.clone());
                    listener.run(stopped, serve).await;
                }))
            }
            running_or_over => running_or_over,
        };
    }

    async fn start_scanning(&self) -> Result<(), HardwareError> {
        Ok(())
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        Ok(())
    }

    /// Hardware that is lost dials in again.
    fn seeks(&self, _address: &str) -> bool {
        true
    }

    fn is_scanning(&self) -> bool {
        false
    }

    async fn open(&self, sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        while let Some(line) = self.pending(sighting) {
            match self.open_line(&line, wirings) {
                // Another with the same greeting may have taken its place just now.
                Err(HardwareError::Gone) => {}
                opened => {
                    if opened.is_ok() {
                        // One that the server has not let go of yet must not stay open beside this one.
                        self.port.roster.before(&line).iter().for_each(|earlier| earlier.end_replaced());
                    }
                    return opened;
                }
            }
        }
        Err(HardwareError::Gone)
    }

    async fn accept(&self, sighting: &Sighting, protocol: &str) {
        if let Some(line) = self.port.roster.find(sighting, Line::is_opened) {
            line.accept(protocol);
        }
    }

    async fn refuse(&self, sighting: &Sighting, reason: &str) {
        if let Some(line) = self.pending(sighting) {
            tracing::info!(address = ?sighting.address, name = ?sighting.name(), %reason, "refusing a device");
            line.end(CloseCode::Policy, reason);
        }
    }

    async fn shut_down(&self) {
        self.stop.send_replace(true);
        let accepting = {
            let mut accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *accepting, Accepting::Over)
        };
        if let Accepting::Running(task) = accepting {
            let _ = task.await;
        }
        // Nobody can be added any more.
        for line in self.port.roster.all() {
            line.end(CloseCode::Away, "the server is ending");
        }
        let mut tasks = std::mem::take(&mut *self.port.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
    }
}
