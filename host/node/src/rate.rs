//! Rates: token buckets by name, of a bounded number of names.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bucket: full at first, refilled at its rate.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// Buckets by name.
#[derive(Debug)]
pub(crate) struct Rates {
    buckets: Mutex<HashMap<String, Bucket>>,
    names_max: usize,
}

impl Rates {
    /// Creates rates of at most `names_max` names; with more, those that were used longest ago are forgotten.
    pub(crate) fn new(names_max: usize) -> Rates {
        Rates { buckets: Mutex::default(), names_max }
    }

    /// Takes one from the bucket of a name, which holds `burst` and gets `per_s` each second.
    ///
    /// # Errors
    /// It is empty: the time until there is one.
    pub(crate) fn take(&self, name: &str, per_s: f64, burst: f64, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= self.names_max && !buckets.contains_key(name) {
            // A full one is as good as none.
            buckets.retain(|_, bucket| now.duration_since(bucket.at).as_secs_f64() * per_s + bucket.left < burst);
            if buckets.len() >= self.names_max {
                let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(name, _)| name.clone());
                oldest.map(|name| buckets.remove(&name));
            }
        }
        let bucket = buckets.entry(name.into()).or_insert(Bucket { left: burst, at: now });
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        *bucket = Bucket { left: (bucket.left + since * per_s).min(burst), at: now.max(bucket.at) };
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Ok(());
        }
        Err(Duration::try_from_secs_f64((1.0 - bucket.left) / per_s).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_base::clock;
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
                        let then = at + wait + Duration::from_micros(1);
                        now_ms = (then - start).as_millis() as u64 + 1;
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

    #[test]
    fn names_are_forgotten_and_do_not_pile_up() {
        let (rates, now) = (Rates::new(3), clock::monotonic());
        for name in 0..100 {
            rates.take(&name.to_string(), 1.0, 2.0, now).unwrap();
        }
        assert!(rates.buckets.lock().unwrap().len() <= 3);
    }
}
