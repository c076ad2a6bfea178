//! An index of keys that several tables have together, as long as they have the same keys in the same rows.

use std::ops::Deref;
use std::sync::Arc;

use super::index::KeyIndex;

/// An index that is a table's own, or shared until it is changed. What changes keys one by one asks for it each time: that is a
/// look at an option, and not at a counter of other threads' as well.
#[derive(Debug, Default)]
pub(super) struct SharedIndex {
    /// Counts where nothing is shared.
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
    /// The same keys in the same rows, for another table.
    pub(super) fn share(&mut self) -> Self {
        let shared = self.shared.get_or_insert_with(|| Arc::new(std::mem::take(&mut self.own)));
        SharedIndex { own: KeyIndex::default(), shared: Some(Arc::clone(shared)) }
    }

    /// How many tables have it.
    pub(super) fn sharers(&self) -> usize {
        self.shared.as_ref().map_or(1, Arc::strong_count)
    }

    /// The index, to change it: from now on it is this table's own.
    #[inline]
    pub(super) fn own(&mut self) -> &mut KeyIndex {
        if let Some(shared) = self.shared.take() {
            self.own = Arc::unwrap_or_clone(shared);
        }
        &mut self.own
    }
}
