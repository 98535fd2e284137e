//! How many clients a server takes. A place is taken by the handshake, so that a connection whose client never introduces
//! itself takes none; those are counted where they are accepted.

use buttplug_core::UnknownError;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places for clients. Clones are handles to the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    limit: usize,
}

/// One client's place; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(limit)), limit }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.limit.saturating_sub(self.free.available_permits())
    }

    /// Takes a place.
    ///
    /// # Errors
    /// None is free.
    pub(crate) fn take(&self) -> Result<Place, UnknownError> {
        let taken = Arc::clone(&self.free).try_acquire_owned();
        taken.map(|permit| Place { _permit: permit }).map_err(|_| match self.limit {
            1 => UnknownError::Taken,
            limit => UnknownError::Full { limit },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_client_is_gone() {
        let places = Places::new(2);
        let (one, _two) = (places.take().unwrap(), places.take().unwrap());
        assert_eq!(places.take().err(), Some(UnknownError::Full { limit: 2 }));
        assert_eq!(places.taken(), 2);
        drop(one);
        assert_eq!(places.taken(), 1);
        assert!(places.take().is_ok());
        let single = Places::new(1);
        let _only = single.take().unwrap();
        assert_eq!(single.take().err(), Some(UnknownError::Taken));
    }
}
