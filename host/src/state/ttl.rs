//! Time-to-live: when entries were written last, and which of them are still seen.
//!
//! The time is the job's processing time. An entry that was written at `t` is seen while `now < t + ttl`.

use super::codec;
use super::table::Values;
use crate::error::Result;

/// How long entries are seen, and what time it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ttl {
    /// Milliseconds; `None`: for ever.
    ttl_ms: Option<i64>,
    now_ms: i64,
}

impl Ttl {
    /// Entries are seen for this many milliseconds after they were written.
    pub fn new(ttl_ms: Option<u64>) -> Self {
        // What is longer than time itself is for ever.
        Ttl { ttl_ms: ttl_ms.and_then(|ms| i64::try_from(ms).ok()), now_ms: 0 }
    }

    /// The time goes on; it does not go back.
    pub fn set_now(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// Milliseconds since 1970.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Entries that were written at this time or earlier are no longer seen; `None` where nothing expires.
    #[inline]
    pub fn expired_until(&self) -> Option<i64> {
        self.ttl_ms.map(|ttl| self.now_ms.saturating_sub(ttl))
    }

    /// Whether what was written then is still seen.
    #[inline]
    pub fn is_seen(&self, written_ms: i64) -> bool {
        self.expired_until().is_none_or(|until| written_ms > until)
    }
}

/// Columns whose rows are forgotten some time after they were last looked up to be changed.
#[derive(Debug, Default)]
pub struct Timed<V> {
    values: V,
    ttl: Ttl,
    /// By row; without rows where nothing expires.
    written_ms: Vec<i64>,
}

impl<V> Timed<V> {
    /// Around columns without rows.
    pub fn new(values: V, ttl_ms: Option<u64>) -> Self {
        Timed { values, ttl: Ttl::new(ttl_ms), written_ms: Vec::new() }
    }

    /// The columns.
    pub fn inner(&self) -> &V {
        &self.values
    }

    /// The columns, to change rows that were looked up for it.
    pub fn inner_mut(&mut self) -> &mut V {
        &mut self.values
    }

    /// When a row was written last.
    pub(super) fn written_ms(&self, row: u32) -> i64 {
        self.written_ms.get(row as usize).copied().unwrap_or_default()
    }

    /// A row counts as written then.
    pub(super) fn set_written_ms(&mut self, row: u32, written_ms: i64) {
        if let Some(written) = self.written_ms.get_mut(row as usize) {
            *written = written_ms;
        }
    }
}

impl<V: Values> Values for Timed<V> {
    fn grow(&mut self, rows: usize) {
        self.values.grow(rows);
        if self.ttl.ttl_ms.is_some() {
            self.written_ms.resize(rows, i64::MIN);
        }
    }

    fn clear(&mut self, row: u32) {
        self.values.clear(row);
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        codec::encode_prefix(&self.written_ms(row), out);
        self.values.encode(row, out);
    }

    fn decode(&mut self, row: u32, bytes: &[u8]) -> Result<()> {
        let (written_ms, rest) = codec::decode_prefix(bytes)?;
        self.set_written_ms(row, written_ms);
        self.values.decode(row, rest)
    }

    fn bytes(&self) -> usize {
        self.values.bytes() + self.written_ms.len() * 8
    }

    fn set_now(&mut self, now_ms: i64) {
        self.ttl.set_now(now_ms);
    }

    fn expired_until(&self) -> Option<i64> {
        self.ttl.expired_until()
    }

    #[inline]
    fn expire(&mut self, row: u32, until: i64) -> bool {
        self.written_ms[row as usize] <= until
    }

    #[inline]
    fn touch(&mut self, row: u32) {
        self.set_written_ms(row, self.ttl.now_ms);
    }
}
