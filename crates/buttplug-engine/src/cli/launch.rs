//! Flags that concern programs more than people: other ways to reach clients and the program that started this one.

use std::path::PathBuf;

/// Other ways in and out than ports for clients and devices.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct LaunchFlags {
    /// Dial out to a client that listens at this URL, for example ws://192.168.1.5:9000, instead of listening for clients
    #[arg(long, value_name = "URL", help_heading = "Clients")]
    pub(crate) websocket_client_address: Option<String>,

    /// Announce the port for clients on the network by mDNS
    #[arg(long, help_heading = "Clients")]
    pub(crate) broadcast_server_mdns: bool,

    /// What is added to the name that is announced
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "Clients")]
    pub(crate) mdns_suffix: Option<String>,

    /// Port on this machine for the program that starts this one: it is told what happens, may ask for the end, and when
    /// it is gone the engine ends
    #[arg(long, value_name = "PORT", help_heading = "Program")]
    pub(crate) frontend_websocket_port: Option<u16>,

    /// Catalogue file of an earlier engine: what it knows beyond what is built in is known too
    #[arg(long, value_name = "FILE", help_heading = "Devices")]
    pub(crate) device_config_file: Option<PathBuf>,

    /// Be no server, but pass everything on to one elsewhere, for web pages that reach only their own machine
    #[arg(long, help_heading = "Repeater")]
    pub(crate) repeater: bool,

    /// Port on this machine for the clients of the repeater [default: 12345]
    #[arg(long, value_name = "PORT", help_heading = "Repeater")]
    pub(crate) repeater_port: Option<u16>,

    /// The server to repeat, for example 192.168.1.5:12345 or wss://example.org
    #[arg(long, value_name = "HOST:PORT", help_heading = "Repeater")]
    pub(crate) repeater_remote_address: Option<String>,
}
