//! Random bits where nothing depends on their quality: names, pauses. Secrets are not made of them.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Other ones each time.
pub(crate) fn bits() -> u64 {
    // The hasher's keys are random bits of the operating system's.
    RandomState::new().build_hasher().finish()
}
