//! The flags of `serve` about encryption.

use std::path::PathBuf;

/// What `serve` can be told about encryption. With it other machines have to use `wss`; programs of this one may.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Encryption")]
pub(crate) struct TlsFlags {
    /// Serve `wss` with this certificate, PEM, the server's own first; other machines have to use it then, programs of
    /// this one may
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// The private key of that certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,

    /// The same with a certificate that is made and kept beside your settings; the log shows its fingerprint, which your
    /// browser shows too
    #[arg(long, conflicts_with_all = ["tls_certificate", "tls_key"])]
    pub(crate) tls_self_signed: bool,
}
