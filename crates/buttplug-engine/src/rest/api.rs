//! Does what is asked for, as one client of the server. A stop request stops, whatever else is wrong.

use super::admit::admit;
use super::answer::{self, Answer};
use super::events::{self, Format, MAX_EVENT_STREAMS};
use super::lease::{Leased, Leases};
use super::port::MAX_BODY_BYTES;
use super::problem::Problem;
use super::route::{self, Action, Captured};
use super::wire::{self, DeviceOut, FeatureOut};
use super::{metrics, openapi, output};
use crate::gatekeeper::Gatekeeper;
use buttplug_client::{Client, Device, Error, Feature, StopWhat};
use buttplug_core::{DeviceIndex, FeatureIndex};
use buttplug_server::Server;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::{Body, Bytes};
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use serde_json::json;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

/// The name of the session, as in earlier engines.
const CLIENT_NAME: &str = "Intiface REST API";

/// Pause before a stop is tried again that found no place among those under way.
const STOP_AGAIN: Duration = Duration::from_millis(10);

/// The API, whoever asks.
pub(crate) struct Api {
    client: Client,
    server: Server,
    gate: Gatekeeper,
    /// How long a body may take.
    body_time: Duration,
    leases: Leases,
    streams: Arc<Semaphore>,
}

/// What a stop is about.
#[derive(Clone, Copy, Debug)]
enum Scope {
    All,
    Device(DeviceIndex),
    Feature(DeviceIndex, FeatureIndex),
}

impl Scope {
    fn has(self, (device, feature): Leased) -> bool {
        match self {
            Self::All => true,
            Self::Device(only) => device == only,
            Self::Feature(only, this) => (device, feature) == (only, this),
        }
    }
}

impl Api {
    /// An API that is not connected yet.
    pub(crate) fn new(server: Server, gate: Gatekeeper, body_time: Duration) -> Self {
        let client = Client::new(CLIENT_NAME);
        // The stream that keeps what nobody reads.
        drop(client.events());
        let streams = Arc::new(Semaphore::new(MAX_EVENT_STREAMS));
        Self { client, server, gate, body_time, leases: Leases::default(), streams }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Answers a request of this peer.
    pub(crate) async fn answer<B>(&self, peer: SocketAddr, request: Request<B>) -> Answer
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let admitted = admit(&parts, peer, &self.gate).await;
        let is_admitted = admitted.is_ok();
        let outcome = match admitted {
            Ok(()) => self.respond(&parts, body).await,
            Err(refusal) => Err(refusal.into()),
        };
        let mut answer = outcome.unwrap_or_else(|problem| {
            tracing::debug!(method = %parts.method, path = %parts.uri.path(), %problem, "not done");
            answer::problem(&problem)
        });
        answer::finish(&parts, is_admitted, &mut answer);
        answer
    }

    async fn respond<B>(&self, parts: &Parts, body: B) -> Result<Answer, Problem>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if let Some(preflight) = answer::preflight(parts)? {
            return Ok(preflight);
        }
        let (action, captured) = route::find(&parts.method, parts.uri.path())?;
        match action {
            Action::StopAll => self.stop(Scope::All).await?,
            Action::StopDevice => self.stop(Scope::Device(captured.device()?)).await?,
            Action::StopFeature => {
                let feature = captured.feature()?.unwrap_or(FeatureIndex(0));
                self.stop(Scope::Feature(captured.device()?, feature)).await?;
            }
            Action::Output => self.output(parts, &captured, body).await?,
            Action::StartScanning => self.client.start_scanning().await?,
            Action::StopScanning => self.client.stop_scanning().await?,
            Action::Devices => {
                self.check_connected()?;
                let devices = self.client.devices();
                let by_index =
                    devices.iter().map(|device| (device.index().0, (&*device.description()).into()));
                return Ok(answer::json(&by_index.collect::<BTreeMap<u32, DeviceOut>>()));
            }
            Action::Device => {
                let device = self.device(captured.device()?)?;
                return Ok(answer::json(&DeviceOut::from(&*device.description())));
            }
            Action::Features => {
                let device = self.device(captured.device()?)?;
                return Ok(answer::json(&wire::features(&device.description())));
            }
            Action::Feature => {
                let (device, feature) = self.feature(&captured)?;
                let description = device.description();
                let feature = description.feature(feature.index()).ok_or(Error::NotConnected)?;
                return Ok(answer::json(&FeatureOut::from(feature)));
            }
            Action::Input => {
                let kind = captured.input()?;
                let value = self.feature(&captured)?.1.read(kind).await?;
                return Ok(answer::json(&json!({"value": value})));
            }
            Action::Events => {
                self.check_connected()?;
                let place = Arc::clone(&self.streams).try_acquire_owned();
                let place = place.map_err(|_| Problem::TooManyStreams)?;
                let format = Format::of(parts.uri.query());
                return Ok(answer::events(events::stream(&self.client, format, place)));
            }
            Action::Health => {
                self.check_connected()?;
                return Ok(answer::json(&json!({"status": "ok"})));
            }
            Action::Metrics => {
                return Ok(answer::text(metrics::CONTENT_TYPE, metrics::text(&self.server.statistics())));
            }
            Action::OpenApi => return Ok(answer::json(&openapi::document())),
        }
        Ok(answer::done())
    }

    /// Stops. Where the session is of no help everything is stopped: too much is better than too little.
    async fn stop(&self, scope: Scope) -> Result<(), Problem> {
        let standing = self.leases.standing(|leased| scope.has(leased));
        let stopped = match scope {
            Scope::All => persist(|| self.client.stop_all()).await,
            Scope::Device(index) => match self.device(index) {
                Ok(device) => persist(|| device.stop()).await,
                Err(Problem::Client(error)) => Err(error),
                Err(problem) => return Err(problem),
            },
            Scope::Feature(index, feature) => {
                match self.device(index).and_then(|device| self.feature_of(&device, feature)) {
                    Ok(feature) => persist(|| feature.stop()).await,
                    Err(Problem::Client(error)) => Err(error),
                    Err(problem) => return Err(problem),
                }
            }
        };
        match stopped {
            Ok(()) => {}
            Err(gone @ (Error::Gone { .. } | Error::Device(_))) => return Err(gone.into()),
            Err(error) => {
                tracing::warn!(%error, "a stop went wrong; stopping all devices");
                self.server.stop_all_devices().await;
            }
        }
        self.leases.forget(&standing);
        Ok(())
    }

    async fn output<B>(&self, parts: &Parts, captured: &Captured<'_>, body: B) -> Result<(), Problem>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (kind, level) = (captured.output()?, captured.level()?);
        let lease = output::lease(parts.uri.query())?;
        // Earlier engines ignore bodies, so beside a level only one that says what it is counts.
        let wanted = level.is_none() || says_json(parts);
        let body = if wanted { read(body, self.body_time).await? } else { Bytes::new() };
        let output = output::output(kind, level, &body)?;
        let device = self.device(captured.device()?)?;
        let feature = captured.feature()?.map(|index| self.feature_of(&device, index)).transpose()?;
        let features = match &feature {
            Some(feature) => vec![feature.clone()],
            None => device.features_with_output(kind),
        };
        let features: Vec<Leased> =
            features.iter().map(|feature| (device.index(), feature.index())).collect();
        let command = async {
            match &feature {
                Some(feature) => feature.run_output(output).await,
                None => device.run_output(output).await,
            }
        };
        if let Some(lease) = lease {
            let before = self.leases.lease(&features, Instant::now() + lease);
            let outcome = command.await;
            if matches!(outcome, Err(Error::Invalid(_) | Error::Busy { .. })) {
                self.leases.undo(before);
            }
            return Ok(outcome?);
        }
        let standing = self.leases.standing(|leased| features.contains(&leased));
        command.await?;
        self.leases.forget(&standing);
        Ok(())
    }

    /// Waits until leases are over, and answers which. Safe to cancel.
    pub(crate) async fn next_over(&self) -> Vec<Leased> {
        self.leases.wait().await;
        self.leases.take_over(Instant::now())
    }

    /// Stops a feature whose lease is over. Goes on trying until it is stopped or gone.
    pub(crate) async fn end_lease(&self, (device, feature): Leased) {
        loop {
            // Without a session the server has stopped it.
            let Some(feature) = self.client.device(device).and_then(|device| device.feature(feature)) else {
                return;
            };
            match feature.stop_with(StopWhat::OUTPUTS).await {
                Ok(()) | Err(Error::Gone { .. }) => {
                    tracing::info!(%device, feature = %feature.index(), "a lease is over; stopped");
                    return;
                }
                Err(error) => tracing::warn!(%device, %error, "a lease is over, and the stop is tried again"),
            }
            sleep(STOP_AGAIN).await;
        }
    }

    fn check_connected(&self) -> Result<(), Problem> {
        if self.client.is_connected() { Ok(()) } else { Err(Error::NotConnected.into()) }
    }

    fn device(&self, index: DeviceIndex) -> Result<Device, Problem> {
        self.check_connected()?;
        self.client.device(index).ok_or(Problem::NoSuchDevice(index))
    }

    fn feature(&self, captured: &Captured<'_>) -> Result<(Device, Feature), Problem> {
        let device = self.device(captured.device()?)?;
        let feature = self.feature_of(&device, captured.feature()?.unwrap_or(FeatureIndex(0)))?;
        Ok((device, feature))
    }

    fn feature_of(&self, device: &Device, feature: FeatureIndex) -> Result<Feature, Problem> {
        let missing = || Problem::NoSuchFeature { device: device.index(), name: device.name(), feature };
        device.feature(feature).ok_or_else(missing)
    }
}

/// Tries a stop until there is a place for it among those under way, each of which takes a second at most.
async fn persist<F: Future<Output = Result<(), Error>>>(stop: impl Fn() -> F) -> Result<(), Error> {
    loop {
        match stop().await {
            Err(Error::Busy { .. }) => sleep(STOP_AGAIN).await,
            outcome => return outcome,
        }
    }
}

fn says_json(parts: &Parts) -> bool {
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with(answer::JSON))
}

/// Reads a body, bounded in size and time.
async fn read<B>(body: B, time: Duration) -> Result<Bytes, Problem>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match timeout(time, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::TooLarge),
        Ok(Err(_)) => Err(Problem::BrokenBody),
        Err(_) => Err(Problem::TooSlow(time)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_connector_inprocess::InProcessConnector;
    use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
    use futures_util::{FutureExt, stream};
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use std::convert::Infallible;
    use std::io;

    const TIME: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_body_is_bounded_in_size_and_time() {
        let fits = vec![b'x'; MAX_BODY_BYTES];
        assert_eq!(read(Full::new(Bytes::from(fits.clone())), TIME).await, Ok(fits.into()));
        let one_more = Full::new(Bytes::from(vec![b'x'; MAX_BODY_BYTES + 1]));
        assert_eq!(read(one_more, TIME).await, Err(Problem::TooLarge));
        let start = Instant::now();
        let silent = stream::pending::<Result<Frame<Bytes>, Infallible>>();
        assert_eq!(read(StreamBody::new(silent), TIME).await, Err(Problem::TooSlow(TIME)));
        assert_eq!(start.elapsed(), TIME);
        let broken = stream::iter([Err::<Frame<Bytes>, _>(io::Error::from(io::ErrorKind::ConnectionReset))]);
        assert_eq!(read(StreamBody::new(broken), TIME).await, Err(Problem::BrokenBody));
    }

    fn gate() -> Gatekeeper {
        Gatekeeper { rules: Default::default(), any_page: false, allowed: None, desk: None }
    }

    /// A server with one simulated vibrator, and an API that is connected to it.
    async fn api() -> (Api, SimulatedDevice) {
        let device = SimulatedDevice::new(Archetype::OneMotorVibrator, "simulated:0");
        let bus = Arc::new(SimulatedBus::new([device.clone()]));
        let server = Server::builder().bus(bus).start();
        let api = Api::new(server.clone(), gate(), TIME);
        api.client.connect(InProcessConnector::new(Arc::new(server))).await.unwrap();
        api.client.start_scanning().await.unwrap();
        while api.client.devices().is_empty() {
            tokio::task::yield_now().await;
        }
        (api, device)
    }

    async fn ask(api: &Api, method: &str, path: &str) -> u16 {
        let request = Request::builder().method(method).uri(path).body(Full::<Bytes>::default()).unwrap();
        api.answer("127.0.0.1:5".parse().unwrap(), request).await.status().as_u16()
    }

    async fn in_motion(device: &SimulatedDevice) {
        while device.is_at_rest() {
            tokio::task::yield_now().await;
        }
    }

    async fn at_rest(device: &SimulatedDevice) {
        while !device.is_at_rest() {
            tokio::task::yield_now().await;
        }
    }

    const VIBRATE: &str = "/api/v1/devices/0/outputs/Vibrate/0.5";

    #[tokio::test(start_paused = true)]
    async fn a_stop_stops_even_without_a_session() {
        let (api, device) = api().await;
        let other = Client::new("other");
        other.connect(InProcessConnector::new(Arc::new(api.server.clone()))).await.unwrap();
        for path in ["stop", "0/stop", "0/features/0/stop", "7/features/9/stop"] {
            other.devices()[0].vibrate(0.5).await.unwrap();
            in_motion(&device).await;
            let unconnected = Api::new(api.server.clone(), gate(), TIME);
            assert_eq!(ask(&unconnected, "GET", "/healthz").await, 503);
            assert_eq!(ask(&unconnected, "PUT", VIBRATE).await, 503);
            assert_eq!(ask(&unconnected, "PUT", &format!("/api/v1/devices/{path}")).await, 200, "{path}");
            at_rest(&device).await;
        }
        for path in ["7/features/0/stop", "0/features/9/stop"] {
            assert_eq!(ask(&api, "PUT", &format!("/api/v1/devices/{path}")).await, 404, "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_devices_rest_for_a_sleep_outputs_are_refused_by_a_name_of_their_own() {
        let (api, device) = api().await;
        api.server.rest().await;
        let request = Request::builder().method("PUT").uri(VIBRATE).body(Full::<Bytes>::default()).unwrap();
        let answer = api.answer("127.0.0.1:5".parse().unwrap(), request).await;
        assert_eq!(answer.status().as_u16(), 503);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(said["error"]["code"], "resting", "{said}");
        assert!(device.is_at_rest());
        api.server.go_on();
        assert_eq!(ask(&api, "PUT", VIBRATE).await, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_lost_api_set_in_motion_stops() {
        let (api, device) = api().await;
        let server = api.server.clone();
        assert_eq!(ask(&api, "PUT", VIBRATE).await, 200);
        drop(api);
        at_rest(&device).await;
        assert_eq!(server.devices().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_counts_from_the_command_on_even_if_nobody_waits_for_the_answer() {
        let (api, device) = api().await;
        let start = Instant::now();
        let leased = format!("{VIBRATE}?lease=2000");
        let mut asked = Box::pin(ask(&api, "PUT", &leased));
        assert_eq!(asked.as_mut().now_or_never(), None);
        in_motion(&device).await;
        drop(asked);
        assert_eq!(ask(&api, "PUT", "/api/v1/devices/0/outputs/Vibrate/7?lease=9000").await, 400);
        let over = api.next_over().await;
        assert_eq!((over.len(), start.elapsed()), (1, Duration::from_millis(2000)));
        assert!(!device.is_at_rest());
        api.end_lease(over[0]).await;
        at_rest(&device).await;
        // Stopped in between, there is nothing to end.
        assert_eq!(ask(&api, "PUT", &leased).await, 200);
        assert_eq!(ask(&api, "PUT", "/api/v1/devices/stop").await, 200);
        assert!(timeout(Duration::from_secs(60), api.next_over()).await.is_err());
    }
}
