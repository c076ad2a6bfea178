//! The newest checkpoint of a store.

use std::path::Path;

use flowgate_base::error::Result;
use flowgate_checkpoint::History;
use flowgate_checkpoint::store::Stores;

/// Returns the number of the newest complete checkpoint of a store; `None` if it has none, or is not there yet.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn number(store: &str, stores: &Stores) -> Result<Option<u64>> {
    if folder(store).is_some_and(|folder| !folder.exists()) {
        return Ok(None);
    }
    let opened = stores.open_existing(store)?;
    let newest = History::read(&opened)?.newest_complete(&opened)?.manifest;
    Ok(newest.filter(|manifest| manifest.checkpoint().is_some()).map(|manifest| manifest.number))
}

/// Returns the folder of a store, if it is one on this machine.
pub(crate) fn folder(store: &str) -> Option<&Path> {
    match store.split_once("://") {
        Some(("file", path)) => Some(Path::new(path)),
        Some(_) => None,
        None => Some(Path::new(store)),
    }
}
