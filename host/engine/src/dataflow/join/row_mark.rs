//! What a join knows of a kept row besides its columns.

use super::side::NONE;

/// The flag of a row that has had a pair.
pub(crate) const MATCHED: u8 = 1;
pub(super) const DEAD: u8 = 2;
/// The time of a row where there is none.
pub(crate) const NO_TIME: i64 = i64::MIN;
/// The bits of [`RowMark::tag`] that are flags.
const FLAGS: u32 = 8;

/// A row without its columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowMark {
    /// Event time, or [`NO_TIME`].
    pub time: i64,
    /// The processing time at which it arrived.
    pub arrived: i64,
    /// The next row of the key.
    pub(super) next: u32,
    /// The key's row in the table.
    pub key_row: u32,
    /// The row's number in snapshots, and its flags. 0 of a number: it has none yet.
    pub(super) tag: u64,
}

impl RowMark {
    /// Creates the mark of a row, of the key at `key_row`.
    pub(crate) fn new(key_row: u32, time: i64, arrived: i64, flags: u8) -> Self {
        RowMark { time, arrived, next: NONE, key_row, tag: u64::from(flags) }
    }

    /// Gives the row a number.
    pub(super) fn numbered(self, number: u64) -> Self {
        RowMark { tag: number << FLAGS | u64::from(self.flags()), ..self }
    }

    /// The row's number in snapshots: greater than those of earlier rows of the key.
    pub(super) fn number(&self) -> u64 {
        self.tag >> FLAGS
    }

    /// The flags.
    #[inline]
    pub(super) fn flags(&self) -> u8 {
        self.tag as u8
    }

    /// Whether the row has had a pair.
    #[inline]
    pub(crate) fn is_matched(&self) -> bool {
        self.flags() & MATCHED != 0
    }

    #[inline]
    pub(super) fn set(&mut self, flags: u8) {
        self.tag |= u64::from(flags);
    }

    pub(super) fn unset(&mut self, flags: u8) {
        self.tag &= !u64::from(flags);
    }

    /// The first watermark at which the row can have no pair.
    pub(super) fn expires(&self, reach_ms: i64) -> i64 {
        self.time.saturating_add(reach_ms)
    }
}
