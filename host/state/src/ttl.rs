//! Time-to-live: which entries are still visible.
//!
//! The time is the job's processing time. An entry that was written at `t` is visible while `now < t + ttl`. Whole rows are visible
//! slightly longer: see `marks`.

/// A time-to-live and the current time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ttl {
    /// Milliseconds; `None`: for ever.
    ttl_ms: Option<i64>,
    now_ms: i64,
}

impl Ttl {
    /// Creates a time-to-live of `ttl_ms` milliseconds after the write; `None`: entries never expire.
    pub(crate) fn new(ttl_ms: Option<u64>) -> Self {
        // A time-to-live beyond the range of times is for ever.
        Ttl { ttl_ms: ttl_ms.and_then(|ms| i64::try_from(ms).ok()), now_ms: 0 }
    }

    /// Advances the time, which never goes back.
    pub(crate) fn set_now(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// The current time in Unix milliseconds.
    #[inline]
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Entries that were written at this time or earlier have expired; `None`: nothing expires.
    #[inline]
    pub(crate) fn expired_until(&self) -> Option<i64> {
        self.ttl_ms.map(|ttl| self.now_ms.saturating_sub(ttl))
    }

    /// Whether an entry that was written at this time is still visible.
    #[inline]
    pub(crate) fn is_seen(&self, written_ms: i64) -> bool {
        self.expired_until().is_none_or(|until| written_ms > until)
    }
}
