//! A store, with the put that has a certain outcome.

use std::ops::Deref;
use std::sync::Arc;

use flowgate_base::error::{Result, Retry};

use crate::limits::CREATE_TRIES;
use crate::store::backend::{Backend, Bytes};

/// A checkpoint store. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
}

/// The outcome of a create-only put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The object has our bytes: we created it.
    Ours,
    /// Somebody else created it before, with these bytes.
    Taken(Bytes),
}

impl Store {
    /// Creates a store over a backend.
    pub fn new(backend: impl Backend + 'static) -> Self {
        Store::shared(Arc::new(backend))
    }

    /// Creates a store over a backend that others use too.
    pub fn shared(backend: Arc<dyn Backend>) -> Self {
        Store { backend }
    }

    /// Creates an object unless the name exists. Nobody else writes these bytes.
    ///
    /// A put that is answered by an error may have succeeded, or succeed later: the name is read back, and the put is repeated, until the
    /// outcome is certain.
    ///
    /// # Errors
    /// The store fails again and again: the outcome is not known. The caller tries again with the same bytes, and tries no other name.
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<Created> {
        let mut last = None;
        for _ in 0..CREATE_TRIES {
            match self.backend.create(name, bytes) {
                Ok(true) => return Ok(Created::Ours),
                // A store that repeats requests itself says `taken` when its first one was carried out and the answer was lost.
                Ok(false) => {}
                Err(error) if error.retry() == Retry::Never => return Err(error),
                Err(error) => last = Some(error),
            }
            match self.backend.read(name, None) {
                Ok(Some(found)) if found == bytes => return Ok(Created::Ours),
                Ok(Some(found)) => return Ok(Created::Taken(found)),
                // Not there, or not there yet.
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            let attempt = format!("cannot create {name} in {}", self.backend.address());
            let reason = "the store says that it exists, and that it does not".into();
            crate::error::CheckpointError::Away { attempt, reason }.into()
        }))
    }
}

impl Deref for Store {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        &*self.backend
    }
}
