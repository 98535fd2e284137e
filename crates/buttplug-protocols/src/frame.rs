//! Bytes to and from hardware, and where on the hardware they go.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::fmt;

/// Bytes of a frame. Nearly every frame fits in place, so that driving a device allocates nothing.
pub type FrameBytes = SmallVec<[u8; 24]>;

/// One write to hardware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where to.
    pub endpoint: Endpoint,
    /// What.
    pub data: FrameBytes,
    /// Whether the hardware confirms it, on buses that know the difference.
    pub response: bool,
}

impl Frame {
    /// A write that is not confirmed.
    pub fn new(endpoint: Endpoint, data: &[u8]) -> Self {
        Self { endpoint, data: SmallVec::from_slice(data), response: false }
    }

    /// The same write, confirmed by the hardware.
    #[must_use]
    pub fn with_response(mut self) -> Self {
        self.response = true;
        self
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.endpoint)?;
        self.data.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
    }
}

/// Frames in the order in which they are to be written.
pub type Frames = Vec<Frame>;

macro_rules! endpoints {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A place on the hardware where bytes go or come from. What it is there (a characteristic, a report, a whole
        /// port) the definition says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Endpoint {
            $($(#[$doc])* $variant,)*
            /// `generic0` to `generic31`: anything that has no name of its own.
            Generic(u8),
        }

        impl Endpoint {
            const NAMED: &'static [(Self, &'static str)] = &[$((Self::$variant, $name),)*];
        }
    };
}

endpoints! {
    /// Commands to the device.
    Tx = "tx",
    /// What the device says.
    Rx = "rx",
    /// Selects a mode of operation.
    TxMode = "txmode",
    /// Vibration only.
    TxVibrate = "txvibrate",
    /// Electric stimulation only.
    TxShock = "txshock",
    /// The maker's own control channel.
    TxVendorControl = "txvendorcontrol",
    /// Acceleration readings.
    RxAccel = "rxaccel",
    /// Touch readings.
    RxTouch = "rxtouch",
    /// Pressure readings.
    RxPressure = "rxpressure",
    /// The standard Bluetooth battery level.
    RxBleBattery = "rxblebattery",
    /// The standard Bluetooth model number.
    RxBleModel = "rxblemodel",
    /// A second channel for commands.
    Command = "command",
    /// Firmware updates.
    Firmware = "firmware",
    /// Access control.
    Whitelist = "whitelist",
}

impl Endpoint {
    const GENERIC: u8 = 32;

    /// How many different endpoints there are.
    pub const COUNT: usize = Self::NAMED.len() + Self::GENERIC as usize;

    /// The endpoint with this name, as definition files and user files spell it.
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(number) = name.strip_prefix("generic") {
            return number.parse().ok().filter(|number| *number < Self::GENERIC).map(Self::Generic);
        }
        Self::NAMED.iter().find(|(_, named)| *named == name).map(|(endpoint, _)| *endpoint)
    }

    /// Whether hardware that has it may be told by it. A battery and a model number stand in services that hardware of
    /// any sort has.
    pub fn tells_protocol(self) -> bool {
        !matches!(self, Self::RxBleBattery | Self::RxBleModel)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Generic(number) = self {
            return write!(f, "generic{number}");
        }
        let name = Self::NAMED.iter().find(|(endpoint, _)| endpoint == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_found_by_its_name() {
        for (endpoint, name) in Endpoint::NAMED {
            assert_eq!(Endpoint::from_name(name), Some(*endpoint));
            assert_eq!(endpoint.to_string(), *name);
        }
        assert_eq!(Endpoint::from_name("generic31"), Some(Endpoint::Generic(31)));
        assert_eq!(Endpoint::from_name("generic32"), None);
        assert_eq!(Endpoint::from_name("TX"), None);
    }
}
