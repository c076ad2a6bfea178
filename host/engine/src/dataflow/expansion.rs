//! How many rows a function may emit for each one that it takes.

use crate::error::RunError;
use flowgate_base::bucket::Bucket;
use flowgate_base::error::{Error, Result};

/// Rows that a function may emit beyond its share on one worker: as many as one call may return, so that a row that stands for very many is
/// paid for by those around it.
const EXPANSION_ROWS_MAX: f64 = 1_000_000.0;

/// The rows of a function on one worker. A timer that fires and a pair of rows count as a row that it takes.
pub(crate) struct Expansion {
    plugin: String,
    rows_max: f64,
    bucket: Bucket,
    taken: f64,
}

impl Expansion {
    /// Creates the account of a function that may emit `rows_max` rows for each one that it takes, beside [`EXPANSION_ROWS_MAX`].
    pub(super) fn new(plugin: &str, rows_max: f64) -> Expansion {
        let mut bucket = Bucket::new(rows_max, EXPANSION_ROWS_MAX);
        bucket.spend(0.0, 0.0);
        Expansion { plugin: plugin.into(), rows_max, bucket, taken: 0.0 }
    }

    /// Notes rows that it took, and those that it emitted for them.
    ///
    /// # Errors
    /// It emits too many: the user's.
    pub(crate) fn note(&mut self, taken: usize, emitted: usize) -> Result<()> {
        self.taken += taken as f64;
        if self.bucket.spend(self.taken, emitted as f64) >= 0.0 {
            return Ok(());
        }
        Err(Error::from(RunError::Expansion { plugin: self.plugin.clone(), rows_max: self.rows_max }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: usize = EXPANSION_ROWS_MAX as usize;

    #[test]
    fn what_is_within_its_share_goes_on_without_end() {
        let mut of = Expansion::new("guest", 10.0);
        (0..100_000).for_each(|_| of.note(8_192, 81_920).unwrap());
    }

    #[test]
    fn a_row_that_stands_for_many_is_paid_for_by_those_around_it() {
        let mut of = Expansion::new("guest", 10.0);
        of.note(1, BURST + 10).unwrap();
        // The next one is too soon, and behind enough other rows it is not.
        let error = of.note(0, 1).unwrap_err();
        assert!(error.message.contains("`guest`") && error.message.contains("`rows_out_per_row`"), "{error}");
        let mut of = Expansion::new("guest", 10.0);
        for _ in 0..5 {
            of.note(1, BURST).unwrap();
            of.note(BURST / 5, BURST).unwrap();
        }
    }

    #[test]
    fn a_steady_surplus_ends_it() {
        let mut of = Expansion::new("guest", 2.0);
        let lasted = (0..).find(|_| of.note(1_000, 3_000).is_err()).unwrap();
        assert_eq!(lasted, BURST / 1_000, "a row too many for each one");
    }
}
