//! How the published ids are packed into the program. Shared with the build script.

use serde::{Deserialize, Serialize};

/// A UUID, most significant byte first.
pub(crate) type Id = [u8; 16];

/// The models of a protocol.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PublishedProtocol {
    /// The protocol's id.
    pub(crate) protocol: String,
    /// The fallback first, if it has one.
    pub(crate) models: Vec<PublishedModel>,
}

/// A model and its ids.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PublishedModel {
    /// What it is called; none for the fallback.
    pub(crate) name: Option<String>,
    /// Its id.
    pub(crate) id: Id,
    /// The indexes of its features and their ids, in order; none for those of the fallback.
    pub(crate) features: Option<Vec<(u32, Id)>>,
}
