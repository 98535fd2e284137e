//! Flags that concern programs more than people: other ways to reach clients and the program that started this one.

/// Other ways in and out than ports for clients and devices.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct LaunchFlags {
    /// Dial out to a client that listens at this URL, for example ws://192.168.1.5:9000, instead of listening for clients
    #[arg(long, value_name = "URL", help_heading = "Clients")]
    pub(crate) websocket_client_address: Option<String>,
}
