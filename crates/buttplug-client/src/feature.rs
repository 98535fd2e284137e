//! One feature of a device as an application holds it: its ranges, its outputs, its inputs.

use crate::device::{Device, StopWhat};
use crate::error::{Error, InvalidCommand, Target};
use crate::output::{Output, output_methods};
use crate::subscription::{Readings, SubscriptionKey};
use buttplug_core::input::{InputAction, InputKind};
use buttplug_core::message::{
    self, ClientRequest, DeviceDescription, FeatureIndex, InputCmd, InputDescription, OutputDescription,
    ServerContent, StopScope,
};
use buttplug_core::output::OutputKind;
use std::sync::Arc;

/// One thing a device has: a motor, a light, a button. What it shows is what the server announces now.
///
/// ```
/// use buttplug_client::{Device, Error, core::{InputKind, OutputKind}};
///
/// /// Full power for the first motor, the other ones stay as they are.
/// async fn first_motor(device: &Device) -> Result<(), Error> {
///     if let Some(motor) = device.features_with_output(OutputKind::Vibrate).first() {
///         if let Some(output) = motor.output(OutputKind::Vibrate) {
///             motor.vibrate_steps(output.range.max()).await?;
///         }
///     }
///     Ok(())
/// }
///
/// /// Follows a pressure sensor; dropping the stream ends the subscription.
/// async fn follow(device: &Device) -> Result<(), Error> {
///     let mut pressure = device.subscribe(InputKind::Pressure).await?;
///     while let Some(value) = pressure.next().await {
///         println!("{value}");
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    device: Device,
    index: FeatureIndex,
}

impl Feature {
    pub(crate) fn new(device: Device, index: FeatureIndex) -> Self {
        Self { device, index }
    }

    /// The device it belongs to.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Its number on the device.
    pub fn index(&self) -> FeatureIndex {
        self.index
    }

    /// What it is, for displays; may be empty.
    pub fn description(&self) -> String {
        self.announced(|feature| feature.description.clone())
    }

    /// What it can do, with ranges.
    pub fn outputs(&self) -> Vec<OutputDescription> {
        self.announced(|feature| feature.outputs.clone())
    }

    /// The output of this kind, with its ranges.
    pub fn output(&self, kind: OutputKind) -> Option<OutputDescription> {
        self.announced(|feature| feature.output(kind).copied())
    }

    /// What it can tell, with ranges and what may be asked of it.
    pub fn inputs(&self) -> Vec<InputDescription> {
        self.announced(|feature| feature.inputs.clone())
    }

    /// The input of this kind.
    pub fn input(&self, kind: InputKind) -> Option<InputDescription> {
        self.announced(|feature| feature.input(kind).cloned())
    }

    /// Names of outputs and inputs that a newer server announces and this client does not know.
    pub fn unknown(&self) -> Vec<String> {
        self.announced(|feature| [&*feature.unknown_outputs, &*feature.unknown_inputs].concat())
    }

    /// Names of outputs that a newer server announces. [`Output::named`] sets them.
    pub fn unknown_outputs(&self) -> Vec<String> {
        self.announced(|feature| feature.unknown_outputs.clone())
    }

    /// Sets an output.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the feature lacks the output or the value is out of its range; nothing is sent then.
    /// [`Error::Gone`] if the device left. Else the connection, the server or the time limit.
    pub async fn run_output(&self, output: Output) -> Result<(), Error> {
        let request = self.output_request(&output)?;
        self.device.link().perform(request).await
    }

    output_methods!();

    /// Stops the feature and ends its subscriptions.
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

    /// Stops the outputs of the feature, ends its subscriptions, or both.
    ///
    /// # Errors
    /// Those of [`stop`](Self::stop).
    pub async fn stop_with(&self, what: StopWhat) -> Result<(), Error> {
        self.device.present()?;
        let scope = StopScope::Feature(self.device.index(), self.index);
        self.device.link().perform(what.request(scope)).await
    }

    /// Reads an input, in the unit of its [`InputKind`].
    ///
    /// # Errors
    /// [`Error::Invalid`] if the feature lacks the input or it can't be read; nothing is sent then. [`Error::Gone`] if
    /// the device left. Else the connection, the server or the time limit.
    pub async fn read(&self, kind: InputKind) -> Result<i32, Error> {
        let request = self.input_request(kind, InputAction::Read)?;
        match self.device.link().ask(request, None).await? {
            ServerContent::InputReading(reading) => Ok(reading.value),
            _ => Err(Error::UnexpectedReply { request: "InputCmd" }),
        }
    }

    /// Subscribes to an input. Each stream gets all readings from now on; the server is told when the last one is
    /// dropped.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the feature lacks the input or it can't be subscribed; nothing is sent then.
    /// [`Error::Gone`] if the device left. Else the connection, the server or the time limit.
    pub async fn subscribe(&self, kind: InputKind) -> Result<Readings, Error> {
        let request = self.input_request(kind, InputAction::Subscribe)?;
        let key = SubscriptionKey { device: self.device.index(), feature: self.index, kind };
        let readings = Readings::new(key, Arc::clone(self.device.link()));
        match self.device.link().ask(request, Some(Arc::downgrade(readings.mailbox()))).await? {
            ServerContent::Ok => Ok(readings),
            _ => Err(Error::UnexpectedReply { request: "InputCmd" }),
        }
    }

    /// Ends all subscriptions of an input, and their streams here. Dropping the streams does the same without waiting.
    ///
    /// # Errors
    /// Those of [`subscribe`](Self::subscribe).
    pub async fn unsubscribe(&self, kind: InputKind) -> Result<(), Error> {
        let request = self.input_request(kind, InputAction::Unsubscribe)?;
        self.device.link().perform(request).await
    }

    /// The charge of the battery, 0 to 1.
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
        let percent = self.read(InputKind::Battery).await?.clamp(0, 100);
        Ok(u8::try_from(percent).unwrap_or(100))
    }

    /// The strength of the radio signal in dBm; nearer to 0 is stronger.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub async fn rssi(&self) -> Result<i32, Error> {
        self.read(InputKind::Rssi).await
    }

    /// Nothing, if the device no longer has the feature.
    fn announced<T: Default>(&self, read: impl FnOnce(&message::Feature) -> T) -> T {
        self.device.description().feature(self.index).map(read).unwrap_or_default()
    }

    fn find<'a>(&self, device: &'a DeviceDescription) -> Result<&'a message::Feature, InvalidCommand> {
        device.feature(self.index).ok_or_else(|| InvalidCommand::NoFeature { target: self.target(device) })
    }

    fn target(&self, device: &DeviceDescription) -> Target {
        Target { device: device.index, name: device.name.clone(), feature: Some(self.index) }
    }

    /// The message, after all checks.
    pub(crate) fn output_request(&self, output: &Output) -> Result<ClientRequest, Error> {
        let device = self.device.present()?;
        Ok(output.for_feature(&device, self.find(&device)?)?)
    }

    fn input_request(&self, kind: InputKind, action: InputAction) -> Result<ClientRequest, Error> {
        let device = self.device.present()?;
        let Some(input) = self.find(&device)?.input(kind) else {
            return Err(InvalidCommand::NoInput { target: self.target(&device), kind }.into());
        };
        if !input.commands.allow(action) {
            return Err(InvalidCommand::ActionNotListed { target: self.target(&device), kind, action }.into());
        }
        let (feature, spelling) = (self.index, input.spelling);
        Ok(ClientRequest::Input(InputCmd { device: device.index, feature, kind, spelling, action }))
    }
}
