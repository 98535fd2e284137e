//! The certificate by which the program proves who it is, for `wss`: from files of the person's, or made and kept.

use crate::cli::TlsFlags;
use crate::user::replace;
use buttplug_connector_websocket::{Identity, IdentityError};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// Bytes of a file with a certificate or key. A chain has a few thousand.
const MAX_PEM_BYTES: u64 = 1024 * 1024;

/// How long a certificate of our own making is good. Apple's systems take none that is good for more than 825 days.
const GOOD_FOR: Duration = Duration::from_secs(820 * 86_400);

/// When it is made anew: before it ends, also for an engine that is not restarted for a while.
const RENEW_AFTER: Duration = Duration::from_secs(700 * 86_400);

/// A day, by which clocks may differ.
const DAY: Duration = Duration::from_secs(86_400);

/// Why there is no identity.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum TlsError {
    /// A file can't be read or written.
    #[error("{}: {reason} ({flag})", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: String,
        /// The flag that wants it.
        flag: &'static str,
    },
    /// What is in the files is of no use.
    #[error("{}: {error} ({flag})", path.display())]
    Identity {
        /// The file that was read last.
        path: PathBuf,
        /// What is wrong.
        error: IdentityError,
        /// The flag that names it.
        flag: &'static str,
    },
    /// No certificate could be made.
    #[error("no certificate can be made: {0} (--tls-self-signed)")]
    Unmade(String),
    /// The system knows no place for settings.
    #[error(
        "this system has no folder for settings to keep a certificate in; pass --tls-certificate and --tls-key"
    )]
    Nowhere,
}

/// The identity that the flags want, if they want one. `folder` is the one of the person's settings.
pub(crate) fn identity(flags: &TlsFlags, folder: Option<&Path>) -> Result<Option<Identity>, TlsError> {
    if let (Some(certificate), Some(key)) = (&flags.tls_certificate, &flags.tls_key) {
        let flag = "--tls-certificate";
        let (chain, secret) = (read(certificate, flag)?, read(key, "--tls-key")?);
        let wrong = |error: IdentityError| match error {
            IdentityError::NoKey => TlsError::Identity { path: key.clone(), error, flag: "--tls-key" },
            error => TlsError::Identity { path: certificate.clone(), error, flag },
        };
        return Identity::from_pem(&chain, &secret).map_err(wrong).map(Some);
    }
    if !flags.tls_self_signed {
        return Ok(None);
    }
    kept(folder.ok_or(TlsError::Nowhere)?, today()).map(Some)
}

#[allow(clippy::disallowed_methods, reason = "certificates are good for days of the calendar")]
fn today() -> SystemTime {
    SystemTime::now()
}

/// The fingerprint of a certificate, as browsers show it.
pub(crate) fn fingerprint(identity: &Identity) -> String {
    let digest = Sha256::digest(identity.certificate());
    digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// The identity that is kept in this folder. Made if there is none, or if it is old.
fn kept(folder: &Path, now: SystemTime) -> Result<Identity, TlsError> {
    const FLAG: &str = "--tls-self-signed";
    // Certificate and key in one file, so that they are never of different making.
    let path = folder.join("tls-identity.pem");
    let age = fs::metadata(&path).and_then(|metadata| metadata.modified());
    let age = age.ok().map(|made| now.duration_since(made).unwrap_or_default());
    if age.is_none_or(|age| age >= RENEW_AFTER) {
        let (certificate, key) = make(now).map_err(|error| TlsError::Unmade(error.to_string()))?;
        let failed = |path: &Path, error: io::Error| failed(path, &error, FLAG);
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        // Nobody else may read it.
        replace(&path, &(key + &certificate), &path).map_err(|error| failed(&path, error))?;
        // For the programs and phones that shall trust it.
        let public = folder.join("tls-certificate.pem");
        replace(&public, &certificate, &public).map_err(|error| failed(&public, error))?;
        tracing::info!("made a certificate; programs that shall trust it find it in {}", public.display());
    }
    let text = read(&path, FLAG)?;
    Identity::from_pem(&text, &text).map_err(|error| TlsError::Identity { path, error, flag: FLAG })
}

/// A certificate for this machine, and its key.
fn make(now: SystemTime) -> Result<(String, String), rcgen::Error> {
    let mut names = vec![String::from("localhost"), String::from("127.0.0.1"), String::from("::1")];
    if let Some(name) = machine_name() {
        names.push(format!("{name}.local"));
        names.push(name);
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "buttplug");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = (now - DAY).into();
    params.not_after = (now + GOOD_FOR).into();
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// The name of this machine on its network, if it can be one in a certificate.
fn machine_name() -> Option<String> {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok()?;
    let name = name.to_ascii_lowercase();
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (!name.is_empty() && name.len() < 64 && name.chars().all(good)).then_some(name)
}

fn read(path: &Path, flag: &'static str) -> Result<String, TlsError> {
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_PEM_BYTES).read_to_string(&mut text));
    read.map(|_| text).map_err(|error| failed(path, &error, flag))
}

fn failed(path: &Path, error: &io::Error, flag: &'static str) -> TlsError {
    TlsError::File { path: path.to_owned(), reason: error.to_string(), flag }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("buttplug-identity-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_certificate_is_made_once_and_again_when_it_is_old() {
        let folder = folder("once");
        let now = today();
        let first = fingerprint(&kept(&folder, now).unwrap());
        assert_eq!(first.len(), 32 * 3 - 1);
        assert_eq!(fingerprint(&kept(&folder, now + RENEW_AFTER / 2).unwrap()), first);
        assert_ne!(fingerprint(&kept(&folder, now + RENEW_AFTER + DAY).unwrap()), first);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder("key");
        kept(&folder, today()).unwrap();
        let mode = fs::metadata(folder.join("tls-identity.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let public = fs::read_to_string(folder.join("tls-certificate.pem")).unwrap();
        assert!(public.contains("BEGIN CERTIFICATE") && !public.contains("PRIVATE"), "{public}");
    }

    #[test]
    fn files_of_no_use_are_named_with_their_flag() {
        let folder = folder("files");
        fs::create_dir_all(&folder).unwrap();
        let (certificate, key) = make(today()).unwrap();
        let (good, secret, other) = (folder.join("a.pem"), folder.join("a.key"), folder.join("b.key"));
        fs::write(&good, certificate).unwrap();
        fs::write(&secret, key).unwrap();
        fs::write(&other, make(today()).unwrap().1).unwrap();
        let from = |certificate: &Path, key: &Path| {
            let flags = TlsFlags {
                tls_certificate: Some(certificate.into()),
                tls_key: Some(key.into()),
                tls_self_signed: false,
            };
            identity(&flags, None).map(|identity| identity.is_some()).map_err(|error| error.to_string())
        };
        assert_eq!(from(&good, &secret), Ok(true));
        for (certificate, key, named, flag) in [
            (&folder.join("none"), &secret, "none", "--tls-certificate"),
            (&good, &folder.join("none"), "none", "--tls-key"),
            (&secret, &secret, "a.key", "--tls-certificate"),
            (&good, &good, "a.pem", "--tls-key"),
            (&good, &other, "a.pem", "--tls-certificate"),
        ] {
            let error = from(certificate, key).unwrap_err();
            assert!(error.contains(named) && error.contains(flag), "{error}");
        }
    }
}
