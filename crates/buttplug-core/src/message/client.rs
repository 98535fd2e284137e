//! What clients say.

use super::{DeviceIndex, FeatureIndex, MessageId};
use crate::input::{InputAction, InputKind, RssiSpelling};
use crate::output::{OutputCommand, OutputKind};

/// One message of a client. It gets exactly one reply, which carries the same id.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientMessage {
    /// 1 or more. Need not be unique.
    pub id: MessageId,
    /// What the client wants.
    pub request: ClientRequest,
}

/// What a client can want.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientRequest {
    /// The handshake, first on every connection. Answered by `ServerInfo`.
    ///
    /// Errors, class handshake: the version is not spoken, or the handshake is already done.
    RequestServerInfo(RequestServerInfo),
    /// The client leaves: its devices stop, its subscriptions end. Answered by `Ok`, then the connection closes.
    Disconnect,
    /// Feeds the ping watchdog. Answered by `Ok`.
    Ping,
    /// Looks for devices until told to stop. Answered by `Ok`; devices come as `DeviceList` events.
    StartScanning,
    /// Ends the search. Answered by `Ok`, also when there was none.
    StopScanning,
    /// Answered by `DeviceList`.
    RequestDeviceList,
    /// Sets one output of one feature. Answered by `Ok` once the value is the device's wanted state.
    ///
    /// Errors, all of class device, nothing changes: unknown device or feature, no such output, value out of range.
    Output(OutputCmd),
    /// Sets an output by its name on the wire: one of a newer server, that is not known here. On the wire it is the same
    /// message as [`Output`](Self::Output), so it is never parsed from a frame.
    ///
    /// Errors: those of [`Output`](Self::Output).
    NamedOutput(NamedOutputCmd),
    /// Reads an input, or begins or ends its events. A read is answered by `InputReading`, the others by `Ok`.
    ///
    /// Errors, all of class device: unknown device or feature, no such input, action not listed, device failed.
    Input(InputCmd),
    /// Sets outputs to zero and ends subscriptions. Answered by `Ok` when the zeros are written, after a bounded wait
    /// at the latest.
    ///
    /// Errors, class device: unknown device or feature.
    Stop(StopCmd),
}

/// The handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestServerInfo {
    /// The program's name, for logs and displays; may be empty.
    pub client_name: String,
    /// The version the client wants to speak.
    pub version: VersionRequest,
}

/// How a client asks for a version. The layout differs with the age of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionRequest {
    /// No version field at all: version 0.
    None,
    /// `MessageVersion`, versions 0 to 3.
    Message(u32),
    /// `ProtocolVersionMajor` and `ProtocolVersionMinor`, from version 4 on.
    Protocol {
        /// The major version.
        major: u32,
        /// The minor version.
        minor: u32,
    },
}

/// Sets one output of one feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputCmd {
    /// The device.
    pub device: DeviceIndex,
    /// Its feature.
    pub feature: FeatureIndex,
    /// The output and its value.
    pub command: OutputCommand,
}

/// Sets one output of one feature, named as the server lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedOutputCmd {
    /// The device.
    pub device: DeviceIndex,
    /// Its feature.
    pub feature: FeatureIndex,
    /// The output's name on the wire.
    pub name: String,
    /// In steps of the range that the server lists.
    pub value: i32,
    /// Left out if `None`.
    pub duration_ms: Option<u32>,
}

impl NamedOutputCmd {
    /// The same as a command of a known kind, if the name is one.
    pub fn known(&self) -> Option<OutputCmd> {
        let kind = OutputKind::from_name(&self.name)?;
        let command = match (kind, self.duration_ms) {
            (OutputKind::HwPositionWithDuration, Some(ms)) => OutputCommand::timed_position(self.value, ms),
            _ => OutputCommand::new(kind, self.value),
        };
        Some(OutputCmd { device: self.device, feature: self.feature, command })
    }
}

/// Reads one input of one feature, or begins or ends its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputCmd {
    /// The device.
    pub device: DeviceIndex,
    /// Its feature.
    pub feature: FeatureIndex,
    /// The input.
    pub kind: InputKind,
    /// How the peer spells [`InputKind::Rssi`].
    pub spelling: RssiSpelling,
    /// What to do.
    pub action: InputAction,
}

/// Sets outputs to zero and ends subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopCmd {
    /// What to stop.
    pub scope: StopScope,
    /// End the subscriptions in scope.
    pub inputs: bool,
    /// Set the outputs in scope to zero; positions stay where they are.
    pub outputs: bool,
}

/// What a stop reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopScope {
    /// Every device.
    All,
    /// All features of one device.
    Device(DeviceIndex),
    /// One feature.
    Feature(DeviceIndex, FeatureIndex),
}

impl StopCmd {
    /// Stops outputs and ends subscriptions of everything.
    pub const ALL: Self = Self { scope: StopScope::All, inputs: true, outputs: true };
}
