//! Connected hardware through btleplug: its characteristics by their places, calls, and notifications handed on.

use super::words::radio_error;
use crate::radio::{Abilities, Characteristic, Note, Peer, RadioError};
use async_trait::async_trait;
use btleplug::api::{CharPropFlags, Peripheral as _, WriteType};
use btleplug::platform::Peripheral;
use buttplug_protocols::sighting::Uuid;
use futures_util::StreamExt;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Ends a task when nobody listens to what it hands on any more.
struct Pump(AbortHandle);

impl Drop for Pump {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connected peripheral.
pub(super) struct SystemPeer {
    peripheral: Peripheral,
    ours: Vec<Characteristic>,
    /// The same as btleplug knows them, in the same order.
    theirs: Vec<btleplug::api::Characteristic>,
    pump: Mutex<Option<Pump>>,
}

impl SystemPeer {
    /// A peripheral that is connected and whose services are known.
    pub(super) fn new(peripheral: Peripheral) -> Self {
        let services = peripheral.services();
        let theirs: Vec<_> = services.into_iter().flat_map(|service| service.characteristics).collect();
        let ours = theirs.iter().map(|one| Characteristic {
            service: Uuid(one.service_uuid.as_u128()),
            uuid: Uuid(one.uuid.as_u128()),
            abilities: abilities(one.properties),
        });
        Self { ours: ours.collect(), theirs, peripheral, pump: Mutex::default() }
    }

    fn their(&self, place: usize) -> Result<&btleplug::api::Characteristic, RadioError> {
        self.theirs.get(place).ok_or_else(|| RadioError::Failed("there is no such characteristic".into()))
    }
}

#[async_trait]
impl Peer for SystemPeer {
    fn characteristics(&self) -> &[Characteristic] {
        &self.ours
    }

    async fn listen(&self, notes: mpsc::Sender<Note>) -> Result<(), RadioError> {
        let mut stream = self.peripheral.notifications().await.map_err(radio_error)?;
        let known = self.ours.clone();
        let pump = tokio::spawn(async move {
            while let Some(heard) = stream.next().await {
                let (service, uuid) = (Uuid(heard.service_uuid.as_u128()), Uuid(heard.uuid.as_u128()));
                let place = known.iter().position(|one| one.service == service && one.uuid == uuid);
                let Some(place) = place else { continue };
                let note = Note { place, data: heard.value };
                if let Err(mpsc::error::TrySendError::Closed(_)) = notes.try_send(note) {
                    break;
                }
            }
        });
        *self.pump.lock().unwrap_or_else(PoisonError::into_inner) = Some(Pump(pump.abort_handle()));
        Ok(())
    }

    async fn write(&self, place: usize, data: &[u8], confirmed: bool) -> Result<(), RadioError> {
        let sort = if confirmed { WriteType::WithResponse } else { WriteType::WithoutResponse };
        self.peripheral.write(self.their(place)?, data, sort).await.map_err(radio_error)
    }

    async fn read(&self, place: usize) -> Result<Vec<u8>, RadioError> {
        self.peripheral.read(self.their(place)?).await.map_err(radio_error)
    }

    async fn subscribe(&self, place: usize, wanted: bool) -> Result<(), RadioError> {
        let characteristic = self.their(place)?;
        let outcome = if wanted {
            self.peripheral.subscribe(characteristic).await
        } else {
            self.peripheral.unsubscribe(characteristic).await
        };
        outcome.map_err(radio_error)
    }
}

fn abilities(flags: CharPropFlags) -> Abilities {
    Abilities {
        read: flags.contains(CharPropFlags::READ),
        write: flags.contains(CharPropFlags::WRITE),
        write_unconfirmed: flags.contains(CharPropFlags::WRITE_WITHOUT_RESPONSE),
        notify: flags.intersects(CharPropFlags::NOTIFY.union(CharPropFlags::INDICATE)),
    }
}
