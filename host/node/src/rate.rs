//! Rates: token buckets by name, of a bounded number of names.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use flowgate_base::bucket::Bucket;
use flowgate_base::clock;

/// Buckets by name.
#[derive(Debug)]
pub(crate) struct Rates {
    buckets: Mutex<HashMap<String, Bucket>>,
    names_max: usize,
    start: Instant,
}

impl Rates {
    /// Creates rates of at most `names_max` names; with more, those that were used longest ago are forgotten.
    pub(crate) fn new(names_max: usize) -> Rates {
        Rates { buckets: Mutex::default(), names_max, start: clock::monotonic() }
    }

    /// Takes one from the bucket of a name, which holds `burst` and gets `per_s` each second.
    ///
    /// # Errors
    /// It is empty: the seconds until there is one.
    pub(crate) fn take(&self, name: &str, per_s: f64, burst: f64, now: Instant) -> Result<(), u64> {
        let at = now.saturating_duration_since(self.start).as_secs_f64();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= self.names_max && !buckets.contains_key(name) {
            // A full one is as good as none.
            buckets.retain(|_, bucket| !bucket.is_full(at));
            if buckets.len() >= self.names_max {
                let used = |(_, bucket): &(&String, &Bucket)| bucket.used_at().unwrap_or(at);
                let oldest = buckets.iter().min_by(|a, b| used(a).total_cmp(&used(b))).map(|(name, _)| name.clone());
                oldest.map(|name| buckets.remove(&name));
            }
        }
        let bucket = buckets.entry(name.into()).or_insert_with(|| Bucket::new(per_s, burst));
        bucket.resize(at, per_s, burst);
        // A bucket that is never filled again has none for ever.
        bucket
            .take(at, 1.0)
            .map_err(|wait_s| Duration::try_from_secs_f64(wait_s).map_or(u64::MAX, |wait| wait.as_secs() + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Over any stretch of time, no more than the burst and the rate allow; and whoever waits as told is served.
        #[test]
        fn a_bucket_holds_its_rate(pauses in prop::collection::vec(0u64..400, 1..200)) {
            let (rates, start) = (Rates::new(10), clock::monotonic());
            let (mut now_ms, mut taken) = (0u64, Vec::new());
            for pause in pauses {
                now_ms += pause;
                let at = start + Duration::from_millis(now_ms);
                match rates.take("x", 10.0, 5.0, at) {
                    Ok(()) => taken.push(now_ms),
                    Err(wait) => {
                        now_ms += 1_000 * wait;
                        prop_assert!(rates.take("x", 10.0, 5.0, start + Duration::from_millis(now_ms)).is_ok());
                        taken.push(now_ms);
                    }
                }
            }
            for (at, first) in taken.iter().enumerate() {
                for (until, last) in taken.iter().enumerate().skip(at) {
                    let allowed = 5.0 + (last - first) as f64 / 100.0 + 1e-6;
                    prop_assert!((until - at + 1) as f64 <= allowed + 1.0);
                }
            }
        }
    }

    /// One that uses it seldom does not lose what another one has taken of its own.
    #[test]
    fn a_bucket_that_is_not_full_is_kept_whoever_comes() {
        let (rates, now) = (Rates::new(2), clock::monotonic());
        for _ in 0..100 {
            rates.take("busy", 1.0, 100.0, now).unwrap();
        }
        let later = now + Duration::from_secs(10);
        rates.take("other", 1.0, 5.0, later).unwrap();
        rates.take("third", 1.0, 5.0, later + Duration::from_secs(4)).unwrap();
        let taken = (0..100).filter(|_| rates.take("busy", 1.0, 100.0, later).is_ok()).count();
        assert_eq!(taken, 10, "it was not filled by being forgotten");
    }

    #[test]
    fn a_bucket_without_a_rate_is_empty_for_ever() {
        assert_eq!(Rates::new(2).take("x", 0.0, 0.0, clock::monotonic()), Err(u64::MAX));
    }

    #[test]
    fn names_are_forgotten_and_do_not_pile_up() {
        let (rates, now) = (Rates::new(3), clock::monotonic());
        for name in 0..100 {
            rates.take(&name.to_string(), 1.0, 2.0, now).unwrap();
        }
        assert!(rates.buckets.lock().unwrap().len() <= 3);
    }
}
