//! The catalogue: from a sighting to a protocol that drives the device.

use crate::frame::Endpoint;
use crate::model::Model;
use crate::protocol::{Identification, Protocol};
use crate::sighting::{Sighting, Uuid};
use std::collections::BTreeMap;

/// How a protocol's endpoints are found on hardware of one bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// Characteristics of services.
    Bluetooth(BTreeMap<Uuid, BTreeMap<Endpoint, Uuid>>),
    /// The settings of a serial port.
    Serial(SerialSettings),
    /// The bus has no addressable places: everything goes one way in and one way out.
    Direct,
}

/// The settings of a serial port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialSettings {
    /// Bits per second.
    pub baud_rate: u32,
    /// Bits per character.
    pub data_bits: u8,
    /// `N`, `E` or `O`.
    pub parity: char,
    /// Stop bits.
    pub stop_bits: u8,
}

/// What a protocol is made from, once the hardware is open and identified.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The identifier that the identification found.
    pub identifier: Option<&'a str>,
    /// The model.
    pub model: &'a Model,
    /// What the bus saw.
    pub sighting: &'a Sighting,
    /// The endpoints that the hardware has; empty where the bus has no addressable places.
    pub endpoints: &'a [Endpoint],
    /// Random bits for protocols that need some, fresh for every connection.
    pub seed: u64,
}

/// The catalogue of protocols and models.
#[derive(Clone, Debug)]
pub struct Catalogue {}

/// Why a rule of a person's own could not be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// No protocol has this id.
    #[error("no protocol is called {0:?}")]
    UnknownProtocol(String),
}

impl Catalogue {
    /// The catalogue that is built in.
    pub fn builtin() -> Self {
        Self {}
    }

    /// Adds a rule of a person's own: what dials in as `identifier` speaks `protocol`. Tried before built-in rules.
    ///
    /// # Errors
    /// No protocol has this id.
    pub fn add_websocket_rule(&mut self, protocol: &str, _identifier: &str) -> Result<(), CatalogueError> {
        Err(CatalogueError::UnknownProtocol(protocol.into()))
    }

    /// The protocols that might fit, best first.
    pub fn candidates(&self, _sighting: &Sighting) -> Vec<Candidate> {
        Vec::new()
    }
}

/// A protocol that might fit a sighting.
#[derive(Clone, Debug)]
pub struct Candidate {
    wiring: Wiring,
}

impl Candidate {
    /// Its id.
    pub fn protocol(&self) -> &str {
        ""
    }

    /// How to find its endpoints.
    pub fn wiring(&self) -> &Wiring {
        &self.wiring
    }

    /// Finds out the model.
    pub fn identification(&self, _sighting: &Sighting) -> Result<Box<dyn Identification>, String> {
        Err(String::new())
    }

    /// The model with this identifier, or else the fallback. `None`: no such model, and no fallback.
    pub fn model(&self, _identifier: Option<&str>) -> Option<Model> {
        None
    }

    /// Makes the protocol for one device.
    ///
    /// # Errors
    /// The model or the hardware does not fit the protocol; the reason is for people.
    pub fn build(&self, _setup: Setup<'_>) -> Result<Box<dyn Protocol>, String> {
        Err(String::new())
    }
}
