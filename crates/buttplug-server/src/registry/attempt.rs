//! From a sighting to hardware that takes commands: open it, find out the model, hold the protocol's handshake.

use super::Place;
use crate::configuration::DeviceIdentity;
use crate::device::conversation::{ConversationError, hold};
use crate::device::task::{Parting, close};
use crate::hardware::{HardwareBus, HardwareError, OpenHardware};
use buttplug_protocols::catalogue::{Candidate, Setup, Wiring};
use buttplug_protocols::model::Model;
use buttplug_protocols::protocol::{Protocol, Topic};
use buttplug_protocols::sighting::Sighting;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The longest that connecting may take. Some devices wait for a person to press a button.
pub(crate) const MAX_CONNECT_TIME: Duration = Duration::from_secs(60);

/// Hardware with everything that makes it a device.
pub(crate) struct Ready {
    pub(crate) open: OpenHardware,
    pub(crate) protocol: Box<dyn Protocol>,
    pub(crate) protocol_id: String,
    pub(crate) identifier: Option<String>,
    pub(crate) model: Model,
}

impl Ready {
    /// What it is, at this place.
    pub(crate) fn identity(&self, (bus, address): &Place) -> DeviceIdentity {
        DeviceIdentity {
            bus: *bus,
            protocol: self.protocol_id.clone(),
            identifier: self.identifier.clone(),
            address: address.clone(),
        }
    }
}

/// Why a sighting did not become a device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum AttemptError {
    #[error("can't be opened: {0}")]
    Open(HardwareError),
    #[error("can't be identified as {protocol}: {reason}")]
    Identify { protocol: String, reason: String },
    #[error("no model of {protocol} is called {identifier:?}, and it has no fallback")]
    NoModel { protocol: String, identifier: String },
    #[error("can't be set up as {protocol}: {reason}")]
    Connect { protocol: String, reason: String },
    #[error("connecting took longer than {} s", .0.as_secs())]
    TookTooLong(Duration),
}

/// Makes a device of what was sighted, or closes it again.
pub(crate) async fn connect(
    bus: Arc<dyn HardwareBus>,
    sighting: Sighting,
    candidates: Vec<Candidate>,
) -> Result<Ready, AttemptError> {
    let mut opened = None;
    let talk = async {
        let wirings: Vec<&Wiring> = candidates.iter().map(Candidate::wiring).collect();
        let mut open = bus.open(&sighting, &wirings).await.map_err(AttemptError::Open)?;
        opened = Some(Arc::clone(&open.hardware));
        let wiring = wirings.get(open.wiring).ok_or(AttemptError::Open(HardwareError::NoProtocolFits))?;
        let mut outcome = Err(AttemptError::Open(HardwareError::NoProtocolFits));
        if let Some(first) = candidates.get(open.wiring) {
            bus.accept(&sighting, first.protocol()).await;
        }
        // A protocol that knows no such model leaves the hardware to the next one that finds its endpoints in the same places.
        for candidate in candidates.iter().skip(open.wiring).filter(|next| next.wiring() == *wiring) {
            outcome = introduce(candidate, &sighting, &mut open).await.map(|made| (candidate, made));
            if !matches!(outcome, Err(AttemptError::NoModel { .. })) {
                break;
            }
        }
        let (candidate, (identifier, model, protocol)) = outcome?;
        Ok(Ready { open, protocol, protocol_id: candidate.protocol().to_owned(), identifier, model })
    };
    let outcome = match tokio::time::timeout(MAX_CONNECT_TIME, talk).await {
        Ok(outcome) => outcome,
        Err(_) => Err(AttemptError::TookTooLong(MAX_CONNECT_TIME)),
    };
    if outcome.is_err() {
        if let Some(hardware) = opened {
            close(Parting { hardware, under_way: Vec::new() }).await;
        }
    }
    outcome
}

async fn introduce(
    candidate: &Candidate,
    sighting: &Sighting,
    open: &mut OpenHardware,
) -> Result<(Option<String>, Model, Box<dyn Protocol>), AttemptError> {
    let id = candidate.protocol();
    let identify = |reason: String| AttemptError::Identify { protocol: id.to_owned(), reason };
    let set_up = |reason: String| AttemptError::Connect { protocol: id.to_owned(), reason };
    let in_words = |error: ConversationError| error.to_string();

    let mut identification = candidate.identification(sighting).map_err(identify)?;
    let identifier = hold(&*open.hardware, &mut open.events, |heard| identification.next(heard))
        .await
        .map_err(in_words)
        .map_err(identify)?;
    let model = candidate.model_of(sighting, identifier.as_deref()).ok_or_else(|| AttemptError::NoModel {
        protocol: id.to_owned(),
        identifier: identifier.clone().unwrap_or_default(),
    })?;
    // The hasher's keys are random bits of the operating system's.
    let seed = RandomState::new().build_hasher().finish();
    let setup = Setup {
        identifier: identifier.as_deref(),
        model: &model,
        sighting,
        endpoints: &open.endpoints,
        seed,
    };
    let mut protocol = candidate.build(setup).map_err(set_up)?;
    hold(&*open.hardware, &mut open.events, |heard| protocol.converse(Topic::Connect, heard))
        .await
        .map_err(in_words)
        .map_err(set_up)?;
    Ok((identifier, model, protocol))
}
