//! Portions of key groups: the rows of a slot that are merged at once.

use std::ops::RangeInclusive;

use crate::limits::COMPACTION_BYTES;
use crate::manifest::{Block, DataFile, Slot};

/// Divides the key groups into ranges whose blocks in these files have about [`COMPACTION_BYTES`].
pub(crate) fn portions<'a>(
    files: impl IntoIterator<Item = &'a DataFile>,
    key_groups: u32,
    slot: &Slot,
) -> Vec<RangeInclusive<u16>> {
    let last = last_group(key_groups);
    let mut bytes = vec![0u64; usize::from(last) + 1];
    for file in files {
        for Block { groups: (first, last), length, .. } in
            file.blocks.iter().filter(|block| file.slot_of(block) == slot)
        {
            let groups = u64::from(last - first) + 1;
            bytes[usize::from(*first)..=usize::from(*last)].iter_mut().for_each(|bytes| *bytes += length / groups);
        }
    }
    let mut portions = Vec::new();
    let (mut from, mut sum) = (0, 0);
    for (group, bytes) in (0..=last).zip(bytes) {
        sum += bytes;
        if sum >= COMPACTION_BYTES && group < last {
            portions.push(from..=group);
            (from, sum) = (group + 1, 0);
        }
    }
    portions.push(from..=last);
    portions
}

/// Returns the last key group.
pub(crate) fn last_group(key_groups: u32) -> u16 {
    u16::try_from(key_groups.saturating_sub(1)).unwrap_or(u16::MAX)
}
