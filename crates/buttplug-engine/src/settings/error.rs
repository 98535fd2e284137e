//! What can be wrong with what is meant.

#[cfg(feature = "tls")]
use crate::identity::TlsError;
use crate::user::UserFileError;
use buttplug_connector_websocket::TokenError;
use buttplug_core::connector::ConnectorError;
use std::net::SocketAddr;
use std::path::PathBuf;
use thiserror::Error;

/// What is wrong with what was typed, or with a file it names.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum SettingsError {
    /// Two flags that exclude one another.
    #[error("--{0} and --{1} can't be combined; leave one of them out")]
    Conflict(&'static str, &'static str),
    /// No address, or one that nobody knows.
    #[error(
        "--{flag}: {value:?} is not an address to listen on ({reason}); give one such as 127.0.0.1:12345 or [::1]:12345"
    )]
    BadAddress {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No URL, or one that can't be dialled.
    #[error("--{flag}: {error}")]
    BadUrl {
        /// The flag.
        flag: &'static str,
        /// What is wrong with its value.
        error: ConnectorError,
    },
    /// A repeater without a server.
    #[error(
        "--repeater needs --repeater-remote-address, the server to repeat, for example 192.168.1.5:12345"
    )]
    NothingToRepeat,
    /// No address of an app.
    #[error(
        "--lovense-connect-address: {value:?} is not where an app can be ({reason}); give an address such as \
         192.168.1.44:34567, as the app shows it"
    )]
    BadApp {
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One port for two purposes.
    #[error("--{one} and --{other} can't share {address}; pass another port for one of them")]
    SharedPort {
        /// What they share.
        address: SocketAddr,
        /// A flag that chooses a port.
        one: &'static str,
        /// Another such flag.
        other: &'static str,
    },
    /// The catalogue file of an earlier engine is of no use.
    #[error("the catalogue file {} is of no use: {error}; mend it, or leave out --device-config-file: the catalogue is built in", path.display())]
    CatalogueFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: UserFileError,
    },
    /// Others could drive the devices.
    #[error(
        "--{flag} lets everybody on the network use your devices; pass --token-file FILE with a token in it that only \
         those know who may, or --no-token if everybody may"
    )]
    NoToken {
        /// The flag that opens the port.
        flag: &'static str,
    },
    /// The file with the token can't be read.
    #[error("the token file {} can't be read: {reason} (--token-file)", path.display())]
    TokenFile {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// What is in it is no token.
    #[error("there is no token in {}: {error} (--token-file)", path.display())]
    BadToken {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: TokenError,
    },
    /// There is no certificate to encrypt with.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The user file is of no use. Starting without it could lose what its owner decided.
    #[error("the user file {} is of no use: {error}; mend it, or pass --ignore-bad-user-config to start without it", path.display())]
    UserFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: UserFileError,
    },
}
