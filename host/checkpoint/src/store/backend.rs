//! What a store has to do.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use flowgate_base::error::Result;

/// The bytes of an object, or of a part of it.
pub type Bytes = Vec<u8>;

/// A store that is held, until this is dropped or the process ends, however it does.
#[derive(Debug)]
pub struct Hold {
    /// The locked file.
    _file: File,
}

impl Hold {
    pub(crate) fn of(file: File) -> Self {
        Hold { _file: file }
    }
}

/// A folder of objects. Names have no `/`, and are those of [`Name`](crate::name::Name).
///
/// What succeeds is durable, and visible to all who read afterwards by name. A list may be old: names that are gone, or not there yet,
/// are possible. An operation that fails may have happened, or happen later, unless it says otherwise.
///
/// # Errors
/// Each function fails with [`AWAY`](crate::code::AWAY) or an I/O error where it may succeed later, and with
/// [`REFUSED`](crate::code::REFUSED) where somebody has to change something.
pub trait Backend: fmt::Debug + Send + Sync {
    /// Where it is, as a user writes it.
    fn address(&self) -> String;

    /// Creates an object unless the name exists. Returns whether it was created: of all who try, one succeeds.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool>;

    /// Writes an object, whether the name exists or not. Nobody sees a part of it.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// Copies a local file that does not change any more into an object. Nobody sees a part of it.
    fn upload(&self, name: &str, file: &Path) -> Result<()>;

    /// Reads an object, or this range of its bytes; `None`: there is none. A range beyond the end is shortened.
    fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>>;

    /// Returns the size of an object in bytes; `None`: there is none.
    fn size(&self, name: &str) -> Result<Option<u64>>;

    /// Returns names of objects, in any order.
    fn list(&self) -> Result<Vec<String>>;

    /// Deletes an object. One that does not exist counts as deleted.
    fn delete(&self, name: &str) -> Result<()>;

    /// Deletes what interrupted writes left behind. Nobody else writes.
    fn clean(&self) -> Result<()> {
        Ok(())
    }

    /// Holds the store for a running job of this process, as far as the store can: `None`: it cannot, and the fence alone decides.
    ///
    /// # Errors
    /// Another process holds it ([`LOCKED`](crate::code::LOCKED)); the message names it.
    fn hold(&self) -> Result<Option<Hold>> {
        Ok(None)
    }

    /// Returns a local folder from which [`Backend::upload`] need not copy; `None`: any folder does.
    fn scratch(&self) -> Option<PathBuf> {
        None
    }
}
