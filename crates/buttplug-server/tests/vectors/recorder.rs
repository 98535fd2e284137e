//! Hardware that writes down what it is told, and the bus it is on: the part of the hardware in a vector.

use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::definition::VectorStep;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{BusKind, Sighting};
use buttplug_server::hardware::{
    BusEvent, BusEvents, Hardware, HardwareBus, HardwareError, HardwareEvent, MAX_WAITING_EVENTS,
    OpenHardware,
};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// One piece of hardware, alone on its bus. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Recorder {
    inner: Arc<Inner>,
}

struct Inner {
    /// Which of the wirings that it is offered finds its endpoints.
    wiring: usize,
    /// The endpoints that it has; empty if it has no addressable places.
    endpoints: Vec<Endpoint>,
    state: Mutex<State>,
    /// Told of every step, and when it is refused.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    log: Vec<(Instant, VectorStep)>,
    answers: VecDeque<Option<Vec<u8>>>,
    subscribed: BTreeSet<Endpoint>,
    bus: Option<BusEvents>,
    link: Option<mpsc::Sender<HardwareEvent>>,
    refused: bool,
}

impl Recorder {
    /// Hardware with these endpoints that answers reads with these bytes, in order; `None` refuses one.
    pub(crate) fn new(wiring: usize, endpoints: Vec<Endpoint>, answers: Vec<Option<Vec<u8>>>) -> Self {
        let state = Mutex::new(State { answers: answers.into(), ..State::default() });
        Self { inner: Arc::new(Inner { wiring, endpoints, state, changed: watch::Sender::default() }) }
    }

    /// The bus sees it.
    pub(crate) async fn is_sighted(&self, sighting: Sighting) {
        let bus = loop {
            let bus = self.state().bus.clone();
            match bus {
                Some(bus) => break bus,
                None => tokio::task::yield_now().await,
            }
        };
        assert!(bus.send(BusEvent::Sighted(sighting)).await.is_ok(), "the server listens to its bus");
    }

    /// Notifies of these bytes, if somebody has subscribed.
    pub(crate) fn notifies(&self, endpoint: Endpoint, data: &[u8]) {
        let state = self.state();
        let event = HardwareEvent::Notification { endpoint, data: data.to_vec().into() };
        if let Some(link) = state.link.as_ref().filter(|_| state.subscribed.contains(&endpoint)) {
            assert!(link.try_send(event).is_ok(), "the device's task listens");
        }
    }

    /// Waits until it has been told so many things since the log was taken last.
    pub(crate) async fn has_been_told(&self, count: usize) {
        self.is(|state| state.log.len() >= count).await;
    }

    /// Waits until the server has said that it has no use for it.
    pub(crate) async fn is_refused(&self) {
        self.is(|state| state.refused).await;
    }

    /// What it has been told since, and when.
    pub(crate) fn take_log(&self) -> Vec<(Instant, VectorStep)> {
        std::mem::take(&mut self.state().log)
    }

    /// Waits until its state is so.
    async fn is(&self, so: impl Fn(&State) -> bool) {
        // The sender lives as long as this does.
        let _ = self.inner.changed.subscribe().wait_for(|()| so(&self.state())).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a step, if there is such a place.
    fn is_told(&self, endpoint: Endpoint, step: VectorStep) -> Result<(), HardwareError> {
        if !self.inner.endpoints.is_empty() && !self.inner.endpoints.contains(&endpoint) {
            return Err(HardwareError::NoEndpoint(endpoint));
        }
        self.state().log.push((Instant::now(), step));
        self.inner.changed.send_replace(());
        Ok(())
    }
}

#[async_trait]
impl Hardware for Recorder {
    async fn write(&self, frame: &Frame) -> Result<(), HardwareError> {
        self.is_told(frame.endpoint, VectorStep::Write(frame.clone()))
    }

    async fn read(&self, endpoint: Endpoint, _length: u16) -> Result<Vec<u8>, HardwareError> {
        self.is_told(endpoint, VectorStep::Read(endpoint))?;
        let answer = self.state().answers.pop_front().flatten();
        answer.ok_or(HardwareError::Failed(String::from("it has no answer to this")))
    }

    async fn subscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        self.is_told(endpoint, VectorStep::Subscribe(endpoint))?;
        self.state().subscribed.insert(endpoint);
        Ok(())
    }

    async fn unsubscribe(&self, endpoint: Endpoint) -> Result<(), HardwareError> {
        self.is_told(endpoint, VectorStep::Unsubscribe(endpoint))?;
        self.state().subscribed.remove(&endpoint);
        Ok(())
    }

    async fn close(&self) {
        self.state().link = None;
    }
}

#[async_trait]
impl HardwareBus for Recorder {
    fn kind(&self) -> BusKind {
        BusKind::Bluetooth
    }

    fn message_gap(&self, _hardware: BusKind) -> Duration {
        Duration::ZERO
    }

    async fn attach(&self, events: BusEvents) {
        self.state().bus = Some(events);
    }

    async fn start_scanning(&self) -> Result<(), HardwareError> {
        Ok(())
    }

    async fn stop_scanning(&self) -> Result<(), HardwareError> {
        Ok(())
    }

    fn is_scanning(&self) -> bool {
        false
    }

    async fn open(&self, _sighting: &Sighting, wirings: &[&Wiring]) -> Result<OpenHardware, HardwareError> {
        let wiring = self.inner.wiring;
        if wiring >= wirings.len() {
            return Err(HardwareError::NoProtocolFits);
        }
        let (link, events) = mpsc::channel(MAX_WAITING_EVENTS);
        self.state().link = Some(link);
        let endpoints = self.inner.endpoints.clone();
        Ok(OpenHardware { hardware: Arc::new(self.clone()), events, wiring, endpoints })
    }

    async fn refuse(&self, _sighting: &Sighting, _reason: &str) {
        self.state().refused = true;
        self.inner.changed.send_replace(());
    }

    async fn shut_down(&self) {}
}
