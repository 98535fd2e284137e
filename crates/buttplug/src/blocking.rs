//! Calls that wait, for scripts without async: the usual ones, and [`Client::run`] for everything else.
//!
//! A thread in the background keeps the connection, so the pings that a server may want go on while the script computes
//! or sleeps. When the [`Client`] is dropped, at the end of the script or by a panic, everything stops and the connection
//! closes. A process that is killed comes to no end: then an external server stops the devices, an embedded one can't.
//!
//! Not for async code: there, waiting panics.
//!
//! ```
//! use buttplug::{blocking::Client, choice::ServerChoice, embedded::Server};
//! use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
//! use std::{sync::Arc, time::Duration};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let toy = SimulatedDevice::new(Archetype::OneMotorVibrator, "simulated:desk");
//! let own = Server::builder().bus(Arc::new(SimulatedBus::new([toy.clone()])));
//! // Or ServerChoice::external("ws://127.0.0.1:12345")
//! let choice = ServerChoice::embedded(own);
//!
//! let client = Client::new("Script")?;
//! client.connect(&choice)?;
//! client.start_scanning()?;
//! if let Some(device) = client.next_device(Duration::from_secs(30)) {
//!     println!("{}: {} %", device.inner().label(), device.battery()? * 100.0);
//!     device.vibrate(0.5)?;
//!     std::thread::sleep(Duration::from_millis(50));
//!     device.stop()?;
//! }
//! client.disconnect();
//! assert!(toy.is_at_rest());
//! # Ok(())
//! # }
//! ```

use crate::choice::{Connected, ServerChoice};
use buttplug_client::{Error, Event, Events, Output};
use buttplug_core::message::ServerInfo;
use buttplug_core::{DeviceIndex, InputKind};
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{Instant, timeout_at};

/// A client whose calls wait. See [`buttplug_client::Client`] for what they do.
#[derive(Debug)]
pub struct Client {
    background: Arc<Background>,
    inner: buttplug_client::Client,
    events: Mutex<Events>,
    connected: Mutex<Option<Connected>>,
}

impl Client {
    /// A client, and the thread that will keep its connection.
    ///
    /// # Errors
    /// The thread can't be started, or this is async code.
    pub fn new(name: impl Into<String>) -> io::Result<Self> {
        if Handle::try_current().is_ok() {
            return Err(io::Error::other("blocking calls can't be used in async code; use the async client"));
        }
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let background = Arc::new(Background { handle: runtime.handle().clone(), runtime: Some(runtime) });
        let inner = buttplug_client::Client::new(name);
        let events = Mutex::new(inner.events());
        Ok(Self { background, inner, events, connected: Mutex::default() })
    }

    /// Connects to the server of choice. Devices that are there already are in [`devices`](Self::devices) when it
    /// returns. [`next_event`](Self::next_event) tells of the connection and then of them.
    ///
    /// # Errors
    /// Those of [`buttplug_client::Client::connect`].
    pub fn connect(&self, choice: &ServerChoice) -> Result<ServerInfo, Error> {
        let connected = self.run(choice.connect(&self.inner))?;
        let server = connected.server().clone();
        // One from before has lost its connection; its embedded server, if any, ends in the background.
        *locked(&self.connected) = Some(connected);
        Ok(server)
    }

    /// The devices that are there now, in the order of their indexes.
    pub fn devices(&self) -> Vec<Device> {
        self.inner.devices().into_iter().map(|device| self.device_of(device)).collect()
    }

    /// The device with this index, if it is there now.
    pub fn device(&self, index: DeviceIndex) -> Option<Device> {
        Some(self.device_of(self.inner.device(index)?))
    }

    /// Lets the server look for devices until told to stop.
    ///
    /// # Errors
    /// The connection, the server or the time limit.
    pub fn start_scanning(&self) -> Result<(), Error> {
        self.run(self.inner.start_scanning())
    }

    /// Ends the search.
    ///
    /// # Errors
    /// The connection, the server or the time limit.
    pub fn stop_scanning(&self) -> Result<(), Error> {
        self.run(self.inner.stop_scanning())
    }

    /// Stops every device and ends every subscription.
    ///
    /// # Errors
    /// The connection, the server or the time limit.
    pub fn stop_all(&self) -> Result<(), Error> {
        self.run(self.inner.stop_all())
    }

    /// The next event, if there is one within `limit`.
    pub fn next_event(&self, limit: Duration) -> Option<Event> {
        self.find_event(limit, Some)
    }

    /// The next device that is announced within `limit`. Other events on the way are dropped.
    pub fn next_device(&self, limit: Duration) -> Option<Device> {
        let device = self.find_event(limit, |event| match event {
            Event::DeviceAdded(device) => Some(device),
            _ => None,
        });
        Some(self.device_of(device?))
    }

    /// Stops everything and closes the connection; an embedded server ends. Takes a few seconds at most and succeeds in
    /// any case. Dropping the client does the same.
    pub fn disconnect(&self) {
        let (inner, connected) = (self.inner.clone(), locked(&self.connected).take());
        let end = async move {
            // Also what was connected with `run`.
            inner.disconnect().await;
            if let Some(connected) = connected {
                connected.end().await;
            }
        };
        if Handle::try_current().is_err() {
            return self.run(end);
        }
        // Dropped in async code, where nobody may wait: another thread does, and ends with the connection. Without one,
        // dropping what is connected ends it, too.
        let background = Arc::clone(&self.background);
        let _ = std::thread::Builder::new().spawn(move || background.wait(end));
    }

    /// Waits for a call of the async client, [`inner`](Self::inner), its devices or features.
    ///
    /// # Panics
    /// In async code.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.background.wait(work)
    }

    /// The client behind this one.
    pub fn inner(&self) -> &buttplug_client::Client {
        &self.inner
    }

    fn device_of(&self, inner: buttplug_client::Device) -> Device {
        Device { background: Arc::clone(&self.background), inner }
    }

    fn find_event<T>(&self, limit: Duration, wanted: impl Fn(Event) -> Option<T>) -> Option<T> {
        let mut events = locked(&self.events);
        let find = async {
            loop {
                if let Some(found) = wanted(events.next().await?) {
                    return Some(found);
                }
            }
        };
        self.run(async {
            match Instant::now().checked_add(limit) {
                Some(end) => timeout_at(end, find).await.ok().flatten(),
                None => find.await,
            }
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.disconnect();
    }
}

/// A device whose calls wait. See [`buttplug_client::Device`] for what they do; its errors are theirs.
#[derive(Clone, Debug)]
pub struct Device {
    background: Arc<Background>,
    inner: buttplug_client::Device,
}

/// The calls that are the same as those of the async device.
macro_rules! waiting {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            #[doc = concat!("Those of [`buttplug_client::Device::", stringify!($name), "`].")]
            pub fn $name(&self, $($argument: $kind),*) -> Result<$result, Error> {
                self.background.wait(self.inner.$name($($argument),*))
            }
        )*
    };
}

impl Device {
    /// The device behind this one: names, features, what it has.
    pub fn inner(&self) -> &buttplug_client::Device {
        &self.inner
    }

    waiting! {
        /// Sets the strength of vibration, 0 to 1.
        vibrate(fraction: f64) -> ();
        /// Sets the speed of rotation, -1 to 1.
        rotate(fraction: f64) -> ();
        /// Sets the speed of a machine that moves back and forth by itself, 0 to 1.
        oscillate(fraction: f64) -> ();
        /// Sets the pressure of a pump or a cuff, 0 to 1.
        constrict(fraction: f64) -> ();
        /// Goes to a position, 0 to 1, at the device's own speed.
        position(fraction: f64) -> ();
        /// Moves to a position, 0 to 1, so that it arrives after a time. Returns before.
        position_in(fraction: f64, duration: Duration) -> ();
        /// Sets any output.
        run_output(output: Output) -> ();
        /// Stops the device and ends its subscriptions.
        stop() -> ();
        /// The charge of the battery, 0 to 1.
        battery() -> f64;
        /// Reads the one input of this kind.
        read(kind: InputKind) -> i32;
    }
}

/// The thread that keeps connections, until nobody uses it any more.
#[derive(Debug)]
struct Background {
    handle: Handle,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl Background {
    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.handle.block_on(work)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Also where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What it protects is sound after a panic elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
