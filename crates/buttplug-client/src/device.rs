//! A device as an application holds it: what it is, and commands for all its matching features at once.

use crate::error::{Error, InvalidCommand, Target};
use crate::feature::Feature;
use crate::link::Link;
use crate::output::{Output, output_methods};
use crate::subscription::Readings;
use buttplug_core::input::InputKind;
use buttplug_core::message::{
    ClientRequest, DeviceDescription, DeviceIndex, FeatureIndex, StopCmd, StopScope,
};
use buttplug_core::output::OutputKind;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A device on the server.
///
/// Commands to the device reach all its matching features; [`features`](Self::features) are addressed one by one
/// through [`Feature`]. A handle belongs to one presence of the device: when the device leaves or the connection ends,
/// its commands fail, and if the device comes back a new handle is announced. Handles of the same presence are equal.
///
/// ```
/// use buttplug_client::{Device, Error, core::OutputKind};
///
/// async fn pulse(device: &Device) -> Result<(), Error> {
///     if device.has_output(OutputKind::Vibrate) {
///         device.vibrate(0.3).await?;
///         tokio::time::sleep(std::time::Duration::from_millis(500)).await;
///         device.stop().await?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Device {
    state: Arc<State>,
}

struct State {
    link: Arc<Link>,
    index: DeviceIndex,
    description: Mutex<Arc<DeviceDescription>>,
    gone: AtomicBool,
}

/// What a stop shall end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopWhat {
    /// Set outputs to zero. Positions stay where they are.
    pub outputs: bool,
    /// End subscriptions, also their streams here.
    pub inputs: bool,
}

impl StopWhat {
    /// Outputs and subscriptions.
    pub const ALL: Self = Self { outputs: true, inputs: true };
    /// Outputs; subscriptions go on.
    pub const OUTPUTS: Self = Self { outputs: true, inputs: false };
    /// Subscriptions; outputs go on.
    pub const INPUTS: Self = Self { outputs: false, inputs: true };

    pub(crate) fn request(self, scope: StopScope) -> ClientRequest {
        ClientRequest::Stop(StopCmd { scope, inputs: self.inputs, outputs: self.outputs })
    }
}

impl Device {
    pub(crate) fn new(link: Arc<Link>, description: Arc<DeviceDescription>) -> Self {
        let (index, description) = (description.index, Mutex::new(description));
        Self { state: Arc::new(State { link, index, description, gone: AtomicBool::new(false) }) }
    }

    /// The number by which the server knows the device. While the server runs, the same hardware gets the same one
    /// again, also for other clients and over reconnections; some servers keep it for longer. So settings may be kept
    /// under it, with the name beside it: after a restart the number may be another device's.
    pub fn index(&self) -> DeviceIndex {
        self.state.index
    }

    /// The name of the model.
    pub fn name(&self) -> String {
        self.description().name.clone()
    }

    /// The name its owner gave it.
    pub fn display_name(&self) -> Option<String> {
        self.description().display_name.clone()
    }

    /// The name to show: the owner's, else the model's.
    pub fn label(&self) -> String {
        let description = self.description();
        let own = description.display_name.as_ref().filter(|name| !name.is_empty());
        own.unwrap_or(&description.name).clone()
    }

    /// The least time between two writes to the device. Commands may come faster; the newest counts.
    pub fn message_gap(&self) -> Duration {
        Duration::from_millis(self.description().message_gap_ms.into())
    }

    /// All that the server has announced about the device, as it is now, or as it was last.
    pub fn description(&self) -> Arc<DeviceDescription> {
        Arc::clone(&crate::lock(&self.state.description))
    }

    /// Whether the device is still there.
    pub fn is_present(&self) -> bool {
        self.present().is_ok()
    }

    /// What the device has, in the order of the indexes.
    pub fn features(&self) -> Vec<Feature> {
        self.features_where(|_| true)
    }

    /// The feature with this index.
    pub fn feature(&self, index: FeatureIndex) -> Option<Feature> {
        self.description().feature(index).map(|_| Feature::new(self.clone(), index))
    }

    /// The features with an output of this kind.
    pub fn features_with_output(&self, kind: OutputKind) -> Vec<Feature> {
        self.features_where(|feature| feature.output(kind).is_some())
    }

    /// The features with an input of this kind.
    pub fn features_with_input(&self, kind: InputKind) -> Vec<Feature> {
        self.features_where(|feature| feature.input(kind).is_some())
    }

    /// Whether any feature has an output of this kind.
    pub fn has_output(&self, kind: OutputKind) -> bool {
        self.description().features.iter().any(|feature| feature.output(kind).is_some())
    }

    /// Whether any feature has an input of this kind.
    pub fn has_input(&self, kind: InputKind) -> bool {
        self.description().features.iter().any(|feature| feature.input(kind).is_some())
    }

    /// Sets an output of every feature that has it. A fraction means each feature's own range. All features are checked
    /// before anything is sent.
    ///
    /// # Errors
    /// [`Error::Invalid`] if no feature has the output or one can't do it; nothing is sent then. [`Error::Gone`] if the
    /// device left. Else the connection, the server or the time limit; of several failures the first.
    pub async fn run_output(&self, output: Output) -> Result<(), Error> {
        let requests = self.output_requests(&output)?;
        self.link().perform_all(requests).await
    }

    output_methods!();

    /// Stops the device and ends its subscriptions.
    ///
    /// Goes out behind what was called before it and waits for no reply to that. Stops have places of their own: only
    /// [`MAX_STOPS_IN_FLIGHT`](crate::MAX_STOPS_IN_FLIGHT) unanswered stops make one fail with [`Error::Busy`], no
    /// number of other commands.
    ///
    /// # Errors
    /// [`Error::Gone`] if the device left. Else the connection, the server or the time limit.
    pub async fn stop(&self) -> Result<(), Error> {
        self.stop_with(StopWhat::ALL).await
    }

    /// Stops the outputs of the device, ends its subscriptions, or both.
    ///
    /// # Errors
    /// Those of [`stop`](Self::stop).
    pub async fn stop_with(&self, what: StopWhat) -> Result<(), Error> {
        self.present()?;
        self.link().perform(what.request(StopScope::Device(self.index()))).await
    }

    /// Reads the one input of this kind, in the unit of its [`InputKind`].
    ///
    /// # Errors
    /// [`Error::AmbiguousInput`] if several features have it, [`Error::Invalid`] if none has it or it can't be read.
    /// Otherwise those of [`Feature::read`].
    pub async fn read(&self, kind: InputKind) -> Result<i32, Error> {
        self.only_feature_with(kind)?.read(kind).await
    }

    /// Subscribes to the one input of this kind.
    ///
    /// # Errors
    /// [`Error::AmbiguousInput`] if several features have it, [`Error::Invalid`] if none has it or it can't be
    /// subscribed. Otherwise those of [`Feature::subscribe`].
    pub async fn subscribe(&self, kind: InputKind) -> Result<Readings, Error> {
        self.only_feature_with(kind)?.subscribe(kind).await
    }

    /// Ends all subscriptions of the one input of this kind.
    ///
    /// # Errors
    /// Those of [`subscribe`](Self::subscribe).
    pub async fn unsubscribe(&self, kind: InputKind) -> Result<(), Error> {
        self.only_feature_with(kind)?.unsubscribe(kind).await
    }

    /// The charge of the battery, 0 to 1. Each call asks the device over its radio: every minute is often enough.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub async fn battery(&self) -> Result<f64, Error> {
        Ok(f64::from(self.battery_percent().await?) / 100.0)
    }

    /// The charge of the battery in percent, 0 to 100.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub async fn battery_percent(&self) -> Result<u8, Error> {
        self.only_feature_with(InputKind::Battery)?.battery_percent().await
    }

    /// The strength of the radio signal in dBm; nearer to 0 is stronger.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub async fn rssi(&self) -> Result<i32, Error> {
        self.read(InputKind::Rssi).await
    }

    /// The description, if the device is still there.
    pub(crate) fn present(&self) -> Result<Arc<DeviceDescription>, Error> {
        self.link().check_open()?;
        if self.state.gone.load(Ordering::Acquire) {
            return Err(Error::Gone { device: self.index(), name: self.label() });
        }
        Ok(self.description())
    }

    /// The messages, after all checks.
    pub(crate) fn output_requests(&self, output: &Output) -> Result<Vec<ClientRequest>, Error> {
        Ok(output.for_device(&*self.present()?)?)
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.state.link
    }

    /// The device has left the server's list.
    pub(crate) fn leave(&self) {
        self.state.gone.store(true, Ordering::Release);
    }

    /// Takes a new description. Whether it differs from the old one.
    pub(crate) fn describe(&self, new: Arc<DeviceDescription>) -> bool {
        let mut description = crate::lock(&self.state.description);
        let differs = *description != new;
        *description = new;
        differs
    }

    /// The same for all handles of one presence, as long as one of them lives.
    pub(crate) fn identity(&self) -> usize {
        Arc::as_ptr(&self.state).addr()
    }

    fn features_where(&self, wanted: impl Fn(&buttplug_core::message::Feature) -> bool) -> Vec<Feature> {
        let description = self.description();
        let wanted = description.features.iter().filter(|feature| wanted(feature));
        wanted.map(|feature| Feature::new(self.clone(), feature.index)).collect()
    }

    fn only_feature_with(&self, kind: InputKind) -> Result<Feature, Error> {
        let description = self.present()?;
        let mut features = self.features_with_input(kind);
        let (device, name) = (description.index, description.name.clone());
        match features.len() {
            0 | 1 => features.pop().ok_or_else(|| {
                InvalidCommand::NoInput { target: Target { device, name, feature: None }, kind }.into()
            }),
            count => Err(Error::AmbiguousInput { device, name, kind, count }),
        }
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }
}

impl Eq for Device {}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("index", &self.index())
            .field("name", &self.name())
            .field("present", &self.is_present())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A device that leads nowhere.
    pub(crate) fn device(index: u32) -> Device {
        let (link, _) = Link::new(None);
        Device::new(Arc::new(link), description(index, "Twin", None))
    }

    fn description(index: u32, name: &str, display_name: Option<&str>) -> Arc<DeviceDescription> {
        Arc::new(DeviceDescription {
            index: DeviceIndex(index),
            name: name.to_owned(),
            display_name: display_name.map(str::to_owned),
            message_gap_ms: 100,
            features: Vec::new(),
        })
    }

    #[test]
    fn r10_the_name_to_show_is_the_owners_and_else_the_models() {
        let device = device(1);
        for (display_name, label) in
            [(None, "Twin"), (Some(""), "Twin"), (Some("Kitchen timer"), "Kitchen timer")]
        {
            device.describe(description(1, "Twin", display_name));
            assert_eq!(device.label(), label);
        }
    }

    #[test]
    fn handles_are_equal_for_the_same_presence_only() {
        let one = device(1);
        assert_eq!(one, one.clone());
        assert_ne!(one, device(1));
    }
}
