//! Flags for where devices are found. Without any of them that name a place, `serve` looks in the usual places if it was
//! typed, and nowhere if flags stood alone, as with earlier engines.

/// Where devices are found.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SearchFlags {
    /// Find devices on Bluetooth Low Energy
    #[cfg(feature = "bluetooth")]
    #[arg(long, help_heading = "Devices")]
    pub(crate) use_bluetooth_le: bool,

    /// Find devices on serial ports; only ports that your file of devices names are looked at
    #[arg(long, help_heading = "Devices")]
    pub(crate) use_serial: bool,

    /// Find human interface devices on USB; only makes that are known are looked at
    #[arg(long, help_heading = "Devices")]
    pub(crate) use_hid: bool,

    /// Find game controllers, which rumble
    #[arg(long, help_heading = "Devices")]
    pub(crate) use_gamepads: bool,

    /// What earlier engines call --use-gamepads
    #[arg(long, hide = true)]
    pub(crate) use_sdl_gamepad: bool,

    /// What still earlier engines call --use-gamepads
    #[arg(long, hide = true)]
    pub(crate) use_xinput: bool,

    /// Find toys with a Lovense USB dongle, of either sort
    #[arg(long, help_heading = "Devices")]
    pub(crate) use_lovense_dongle: bool,

    /// Find toys with a Lovense USB dongle of the newer sort, a HID device
    #[arg(long, help_heading = "Devices")]
    pub(crate) use_lovense_dongle_hid: bool,

    /// Find toys with a Lovense USB dongle of the older sort, a serial port
    #[arg(long, help_heading = "Devices")]
    pub(crate) use_lovense_dongle_serial: bool,

    /// Find toys behind the app Lovense Connect in this network; asks the maker's directory where the app is
    #[arg(long, help_heading = "Devices")]
    pub(crate) use_lovense_connect: bool,

    /// Find them behind the app at this address and ask nobody else, for example 192.168.1.44:34567
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Devices")]
    pub(crate) lovense_connect_address: Option<String>,

    /// Let devices dial in over WebSocket
    #[arg(long, help_heading = "Devices")]
    pub(crate) use_device_websocket_server: bool,

    /// Port for devices; 0 takes any free port, and the log tells which [default: 54817]
    #[arg(long, value_name = "PORT", help_heading = "Devices")]
    pub(crate) device_websocket_server_port: Option<u16>,

    /// Listen for devices on this address instead
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Devices")]
    pub(crate) device_websocket_listen_address: Option<String>,
}
