//! The memory of accumulators, without visiting every key at each request.

use std::cell::Cell;

/// Up to this number of keys, memory is measured at each request.
const KEYS_MIN: usize = 64;

/// Up to this number of keys, memory is measured once per `keys / 4` rows.
const SOME_KEYS: usize = 1024;

/// The last measurement of the memory of accumulators. Some aggregates have to visit each key to measure, so that it is done once
/// per `keys` rows; in between, the memory per key is taken to be constant.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// The memory at the last measurement.
    bytes: Cell<usize>,
    /// The number of keys at the last measurement.
    keys: Cell<usize>,
    /// Rows that were added since.
    rows: Cell<usize>,
}

impl Measured {
    /// Notes that rows were added.
    pub(crate) fn note(&self, rows: usize) {
        self.rows.set(self.rows.get() + rows);
    }

    /// Returns the memory of `keys` keys in bytes, which `measure` measures exactly.
    pub(crate) fn bytes(&self, keys: usize, measure: impl FnOnce() -> usize) -> usize {
        let rows = self.rows.get();
        if keys <= KEYS_MIN || rows >= keys || keys <= SOME_KEYS && rows * 4 >= keys {
            self.bytes.set(measure());
            self.keys.set(keys);
            self.rows.set(0);
        }
        (self.bytes.get() as u128 * keys as u128 / self.keys.get().max(1) as u128) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the estimate follows the memory, with a bounded number of visits to keys.
    #[test]
    fn the_estimate_is_close_though_keys_are_visited_seldom() {
        let (measured, visits) = (Measured::default(), Cell::new(0));
        let rows = 100;
        for keys in (rows..=1_000_000).step_by(rows) {
            measured.note(rows);
            let bytes = measured.bytes(keys, || {
                visits.set(visits.get() + keys);
                keys * 10
            });
            assert!((keys * 8..=keys * 12).contains(&bytes), "{bytes} for {keys}");
        }
        assert!(visits.get() < 3_000_000, "{} keys were visited", visits.get());
    }
}
