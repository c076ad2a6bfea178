//! A token bucket: what may be used at a rate, and at once after a pause.

/// A bucket that holds `burst` at most, is full at first, and gets `rate` for each unit of what goes by: of time in seconds, or of rows. What
/// is spent may be more than there is: then the bucket is in debt. Over any stretch that ends out of debt, at most `rate` for each unit and
/// one `burst` were spent. Knows no clock: what has gone by is handed in.
#[derive(Debug, Clone)]
pub struct Bucket {
    rate: f64,
    burst: f64,
    /// Negative in debt.
    left: f64,
    /// What had gone by at the last call.
    at: Option<f64>,
}

impl Bucket {
    /// Creates a full bucket.
    pub fn new(rate: f64, burst: f64) -> Bucket {
        Bucket { rate, burst, left: burst, at: None }
    }

    /// Spends something, and returns what is left when `at` has gone by in all. What has gone by only grows; what went by before the
    /// first call does not count.
    pub fn spend(&mut self, at: f64, spent: f64) -> f64 {
        let before = self.at.unwrap_or(at);
        // Of two workers, the one that was later may be first here.
        self.at = Some(before.max(at));
        let earned = (at - before).max(0.0) * self.rate;
        // What was spent meanwhile is paid from what was earned meanwhile; only what is left over has to fit into the bucket.
        self.left = (self.left + earned - spent).min(self.burst);
        self.left
    }

    /// Takes all of an amount.
    ///
    /// # Errors
    /// There is less, and nothing is taken: how much has to go by until there is enough.
    pub fn take(&mut self, at: f64, amount: f64) -> Result<(), f64> {
        if self.spend(at, 0.0) < amount {
            return Err(self.until(amount));
        }
        self.left -= amount;
        Ok(())
    }

    /// Returns how much has to go by until this much is left; infinite if nothing is ever earned.
    pub fn until(&self, wanted: f64) -> f64 {
        let short = wanted - self.left;
        if short <= 0.0 { 0.0 } else { short / self.rate }
    }

    /// Gives it another rate and another size from `at` on.
    pub fn resize(&mut self, at: f64, rate: f64, burst: f64) {
        self.left = self.spend(at, 0.0).min(burst);
        (self.rate, self.burst) = (rate, burst);
    }

    /// Whether it would be full at `at`.
    pub fn is_full(&self, at: f64) -> bool {
        self.left + (at - self.used_at().unwrap_or(at)).max(0.0) * self.rate >= self.burst
    }

    /// What had gone by at the last call; `None`: there was none.
    pub fn used_at(&self) -> Option<f64> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_spent_comes_back_with_what_goes_by() {
        let mut bucket = Bucket::new(2.0, 10.0);
        assert_eq!(bucket.spend(100.0, 4.0), 6.0, "it is full at first, whatever went by before");
        assert_eq!(bucket.spend(101.0, 0.0), 8.0);
        assert_eq!(bucket.spend(200.0, 0.0), 10.0, "no more than it holds");
        assert_eq!(bucket.spend(200.0, 13.0), -3.0);
        assert_eq!((bucket.until(0.0), bucket.until(1.0), bucket.until(-4.0)), (1.5, 2.0, 0.0));
        assert_eq!(bucket.spend(201.5, 0.0), 0.0);
        assert_eq!(bucket.spend(150.0, 0.0), 0.0, "nothing is earned backwards");
        assert_eq!(bucket.spend(201.5, 0.0), 0.0, "and nothing twice");
    }

    #[test]
    fn a_bucket_without_a_rate_is_never_filled_again() {
        let mut bucket = Bucket::new(0.0, 0.0);
        assert_eq!(bucket.until(0.0), 0.0);
        bucket.spend(0.0, 1.0);
        assert_eq!((bucket.spend(1e9, 0.0), bucket.until(0.0)), (-1.0, f64::INFINITY));
    }

    #[test]
    fn what_is_not_there_is_not_taken() {
        let mut bucket = Bucket::new(10.0, 5.0);
        assert_eq!(bucket.take(0.0, 4.0), Ok(()));
        assert_eq!(bucket.take(0.0, 2.0), Err(0.1));
        assert_eq!(bucket.take(0.0, 1.0), Ok(()));
        assert_eq!(Bucket::new(0.0, 0.0).take(9.0, 1.0), Err(f64::INFINITY));
    }

    #[test]
    fn a_bucket_of_another_size_keeps_what_fits() {
        let mut bucket = Bucket::new(1.0, 10.0);
        bucket.spend(0.0, 10.0);
        assert!(!bucket.is_full(9.0) && bucket.is_full(10.0));
        bucket.resize(4.0, 2.0, 3.0);
        assert_eq!((bucket.spend(4.0, 0.0), bucket.spend(4.25, 0.0)), (3.0, 3.0));
        assert!(bucket.is_full(4.0) && bucket.used_at() == Some(4.25));
    }

    proptest! {
        /// Goal: no stretch has more than its rate and one burst. Method: somebody who spends whenever there is something left, and every
        /// stretch between two of those moments.
        #[test]
        fn no_stretch_has_more_than_the_rate(steps in prop::collection::vec((0u32..50, 0u32..40), 1..60)) {
            let (rate, burst) = (3.0, 20.0);
            let mut bucket = Bucket::new(rate, burst);
            let (mut at, mut spent, mut points) = (0.0, 0.0, vec![(0.0, 0.0)]);
            bucket.spend(at, 0.0);
            for (passes, wants) in steps {
                at += f64::from(passes);
                let takes = f64::from(wants).min(bucket.spend(at, 0.0).max(0.0).floor());
                bucket.spend(at, takes);
                spent += takes;
                points.push((at, spent));
            }
            for (i, (from, before)) in points.iter().enumerate() {
                for (to, after) in &points[i..] {
                    prop_assert!(after - before <= (to - from) * rate + burst + 1e-6);
                }
            }
        }
    }
}
