//! Random decisions that a seed repeats.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A sequence of random numbers (SplitMix64).
pub struct Chance(u64);

impl Chance {
    /// Starts the sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Chance(seed)
    }

    /// Returns a number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// Returns a time below `end`, in whole microseconds.
    pub fn time_below(&mut self, end: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(end.as_micros()).expect("a short time")))
    }
}

/// Returns the seed of FLOWGATE_TEST_SEED, or one of the clock.
///
/// # Panics
/// If the variable is not a number.
pub fn seed() -> u64 {
    match std::env::var("FLOWGATE_TEST_SEED") {
        Ok(seed) => seed.parse().expect("FLOWGATE_TEST_SEED is a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos().into(),
    }
}
