//! An index of keys that several tables share for as long as they have the same keys in the same rows.

use std::ops::Deref;
use std::sync::Arc;

use super::index::KeyIndex;

/// An index that is a table's own, or shared until it changes. Changing a key checks each time whether it is shared: that reads an
/// option, and not also a counter that other threads write.
#[derive(Debug, Default)]
pub(crate) struct SharedIndex {
    /// Used if nothing is shared.
    own: KeyIndex,
    shared: Option<Arc<KeyIndex>>,
}

impl From<KeyIndex> for SharedIndex {
    fn from(own: KeyIndex) -> Self {
        SharedIndex { own, shared: None }
    }
}

impl Deref for SharedIndex {
    type Target = KeyIndex;

    #[inline]
    fn deref(&self) -> &KeyIndex {
        self.shared.as_deref().unwrap_or(&self.own)
    }
}

impl SharedIndex {
    /// Creates an index with the same keys in the same rows, for another table.
    pub(crate) fn share(&mut self) -> Self {
        let shared = self.shared.get_or_insert_with(|| Arc::new(std::mem::take(&mut self.own)));
        SharedIndex { own: KeyIndex::default(), shared: Some(Arc::clone(shared)) }
    }

    /// The number of tables that share it.
    pub(crate) fn sharers(&self) -> usize {
        self.shared.as_ref().map_or(1, Arc::strong_count)
    }

    /// Returns the index to change it: from then on it is this table's own.
    #[inline]
    pub(crate) fn own(&mut self) -> &mut KeyIndex {
        if let Some(shared) = self.shared.take() {
            self.own = Arc::unwrap_or_clone(shared);
        }
        &mut self.own
    }
}
