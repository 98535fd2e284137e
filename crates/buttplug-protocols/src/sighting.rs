//! What a bus saw: the facts by which hardware is recognised.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// A bus on which hardware is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BusKind {
    /// Bluetooth Low Energy.
    Bluetooth,
    /// Serial ports.
    Serial,
    /// USB human interface devices.
    Hid,
    /// Other USB devices.
    Usb,
    /// Devices that dial in over WebSocket.
    WebSocket,
    /// Game controllers.
    Gamepad,
    /// Toys behind the app Lovense Connect.
    LovenseConnect,
    /// Devices that live in the process.
    Simulated,
}

impl BusKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Bluetooth,
        Self::Serial,
        Self::Hid,
        Self::Usb,
        Self::WebSocket,
        Self::Gamepad,
        Self::LovenseConnect,
        Self::Simulated,
    ];

    /// The bus that is displayed as `name`.
    ///
    /// ```
    /// use buttplug_protocols::sighting::BusKind;
    ///
    /// assert!(BusKind::ALL.iter().all(|bus| BusKind::from_name(&bus.to_string()) == Some(*bus)));
    /// assert_eq!(BusKind::from_name("tin can"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bus| bus.to_string() == name)
    }
}

impl fmt::Display for BusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bluetooth => "bluetooth",
            Self::Serial => "serial",
            Self::Hid => "hid",
            Self::Usb => "usb",
            Self::WebSocket => "websocket",
            Self::Gamepad => "gamepad",
            Self::LovenseConnect => "lovense-connect",
            Self::Simulated => "simulated",
        })
    }
}

/// A 128-bit Bluetooth UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Uuid(pub u128);

impl std::str::FromStr for Uuid {
    type Err = ();

    /// Reads the form with 36 characters.
    fn from_str(text: &str) -> Result<Self, ()> {
        let groups: Vec<&str> = text.split('-').collect();
        if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) || text.contains('+') {
            return Err(());
        }
        u128::from_str_radix(&groups.concat(), 16).map(Self).map_err(|_| ())
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        let (a, b, c, d, e) =
            (n >> 96, n >> 80 & 0xffff, n >> 64 & 0xffff, n >> 48 & 0xffff, n & 0xffff_ffff_ffff);
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The numbers of a USB device: its maker's and the product's.
pub type UsbIds = (u16, u16);

/// Hardware as its bus saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What stays the same when the hardware comes back: a radio address, a port name, what a device calls itself.
    pub address: String,
    /// What it says of itself.
    pub advertisement: Advertisement,
    /// How well it was heard, in dBm, from about -100 at the edge to -30 close by; `None` where that means nothing or is
    /// not told. Not what it is recognised by.
    pub signal_dbm: Option<i16>,
    /// Who has brought it, if it came over a network by itself: whose lines of the log those about it are.
    pub peer: Option<IpAddr>,
}

/// What hardware says of itself, in the terms of its bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advertisement {
    /// Over the air.
    Bluetooth {
        /// The advertised name, empty if there is none.
        name: String,
        /// Company ids and their data.
        manufacturer_data: Vec<(u16, Vec<u8>)>,
        /// Advertised services.
        services: Vec<Uuid>,
    },
    /// A serial port.
    Serial {
        /// Its name, for example `/dev/ttyUSB0` or `COM7`.
        port: String,
        /// The numbers of the USB adapter that it is on, if it is on one and the system tells.
        usb: Option<UsbIds>,
    },
    /// A human interface device on USB.
    Hid {
        /// The maker's number.
        vendor_id: u16,
        /// The product's number.
        product_id: u16,
        /// What it calls itself; empty if it does not.
        product: String,
    },
    /// Another USB device.
    Usb {
        /// The maker's number.
        vendor_id: u16,
        /// The product's number.
        product_id: u16,
    },
    /// A device that dialled in.
    WebSocket {
        /// What it calls itself.
        identifier: String,
    },
    /// A game controller.
    Gamepad {
        /// What it calls itself.
        name: String,
    },
    /// A toy that the app Lovense Connect lists.
    LovenseConnect {
        /// What the app calls its model.
        name: String,
    },
    /// A device in the process.
    Simulated {
        /// Which kind of device it plays.
        archetype: String,
    },
}

impl Sighting {
    /// Hardware with this address that says this of itself.
    pub fn new(address: impl Into<String>, advertisement: Advertisement) -> Self {
        Self { address: address.into(), advertisement, signal_dbm: None, peer: None }
    }

    /// The bus.
    pub fn bus(&self) -> BusKind {
        match self.advertisement {
            Advertisement::Bluetooth { .. } => BusKind::Bluetooth,
            Advertisement::Serial { .. } => BusKind::Serial,
            Advertisement::Hid { .. } => BusKind::Hid,
            Advertisement::Usb { .. } => BusKind::Usb,
            Advertisement::WebSocket { .. } => BusKind::WebSocket,
            Advertisement::Gamepad { .. } => BusKind::Gamepad,
            Advertisement::LovenseConnect { .. } => BusKind::LovenseConnect,
            Advertisement::Simulated { .. } => BusKind::Simulated,
        }
    }

    /// The name by which models are told apart where nothing better is known; empty if the bus knows none.
    pub fn name(&self) -> &str {
        match &self.advertisement {
            Advertisement::Bluetooth { name, .. }
            | Advertisement::Gamepad { name }
            | Advertisement::LovenseConnect { name } => name,
            Advertisement::Serial { port, .. } => port,
            Advertisement::Hid { product, .. } => product,
            Advertisement::WebSocket { identifier } => identifier,
            Advertisement::Simulated { archetype } => archetype,
            Advertisement::Usb { .. } => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_written_as_they_are_read() {
        let text = "6e400001-b5a3-f393-e0a9-e50e24dcca9e";
        assert_eq!(text.parse::<Uuid>().map(|uuid| uuid.to_string()), Ok(String::from(text)));
        for bad in
            ["", "6e400001", "6e400001-b5a3-f393-e0a9-e50e24dcca9", "6e40000g-b5a3-f393-e0a9-e50e24dcca9e"]
        {
            assert!(bad.parse::<Uuid>().is_err(), "{bad}");
        }
    }
}
