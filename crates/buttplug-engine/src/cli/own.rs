//! Flags for files in which people keep what they decided about their devices, and what they know of them.

use std::path::PathBuf;

/// Where a person's own files are.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct OwnFlags {
    /// File with what you decided about your devices: TOML, or the JSON of earlier engines; devices that connect are
    /// added to it, or kept in FILE.devices.toml if earlier engines could not read it any more [default: buttplug/devices.toml in your folder of settings]
    #[arg(long, value_name = "FILE", help_heading = "Devices")]
    pub(crate) user_device_config_file: Option<PathBuf>,

    /// Start even if that file is of no use, and without what it says
    #[arg(long, help_heading = "Devices")]
    pub(crate) ignore_bad_user_config: bool,

    /// Folder with definitions of your own devices, *.toml, preferred to what is built in; changed ones are taken over while
    /// the program runs
    #[arg(long, value_name = "DIR", help_heading = "Devices")]
    pub(crate) device_definitions: Option<PathBuf>,
}
