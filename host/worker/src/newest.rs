//! The newest checkpoint of a store.

use flowgate_base::error::Result;
use flowgate_checkpoint::History;
use flowgate_checkpoint::store::{Stores, local_folder};

/// Returns the number of the newest complete checkpoint of a store; `None` if it has none, or is not there yet.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn number(store: &str, stores: &Stores) -> Result<Option<u64>> {
    if local_folder(store).is_some_and(|folder| !folder.exists()) {
        return Ok(None);
    }
    let opened = stores.open_existing(store)?;
    let newest = History::read(&opened)?.newest_complete(&opened)?.manifest;
    Ok(newest.filter(|manifest| manifest.checkpoint().is_some()).map(|manifest| manifest.number))
}
