//! Time-to-live: which of what was written is still seen.
//!
//! The time is the job's processing time. An entry that was written at `t` is seen while `now < t + ttl`. Whole rows are seen for
//! a little longer: see [`marks`](super::marks).

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
