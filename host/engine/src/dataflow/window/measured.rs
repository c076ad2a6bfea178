//! How much memory accumulators take up, without looking at each key whenever somebody asks.

use std::cell::Cell;

/// Keys for which the memory is looked at each time.
const KEYS_MIN: usize = 64;

/// Keys for which it is looked at for a quarter of as many rows.
const SOME_KEYS: usize = 1024;

/// The memory of accumulators as it was when it was looked at last: some aggregates have to look at each key for that. It is done
/// once for as many rows as there are keys; in between it is taken to be the same for each key.
#[derive(Debug, Default)]
pub struct Measured {
    bytes: Cell<usize>,
    /// Of how many keys.
    keys: Cell<usize>,
    /// Rows that were added since.
    rows: Cell<usize>,
}

impl Measured {
    /// Rows were added.
    pub fn note(&self, rows: usize) {
        self.rows.set(self.rows.get() + rows);
    }

    /// The memory of `keys` keys, which `look` looks at.
    pub fn bytes(&self, keys: usize, look: impl FnOnce() -> usize) -> usize {
        let rows = self.rows.get();
        if keys <= KEYS_MIN || rows >= keys || keys <= SOME_KEYS && rows * 4 >= keys {
            self.bytes.set(look());
            self.keys.set(keys);
            self.rows.set(0);
        }
        (self.bytes.get() as u128 * keys as u128 / self.keys.get().max(1) as u128) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is measured follows what is there, and is looked at a bounded number of times.
    #[test]
    fn many_keys_are_looked_at_seldom_and_known_all_the_same() {
        let (measured, looks) = (Measured::default(), Cell::new(0));
        let rows = 100;
        for keys in (rows..=1_000_000).step_by(rows) {
            measured.note(rows);
            let bytes = measured.bytes(keys, || {
                looks.set(looks.get() + keys);
                keys * 10
            });
            assert!((keys * 8..=keys * 12).contains(&bytes), "{bytes} for {keys}");
        }
        assert!(looks.get() < 3_000_000, "{} keys were looked at", looks.get());
    }
}
