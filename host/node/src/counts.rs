//! How many of something there are at once, by who has them: none has more than its share.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts by tenant, or by address.
pub(crate) struct Counts<K> {
    of: Arc<Table<K>>,
    most: usize,
}

type Table<K> = Mutex<HashMap<K, usize>>;

/// One that is counted, until this is dropped.
pub(crate) struct Counted<K: Eq + Hash> {
    of: Arc<Table<K>>,
    key: K,
}

fn locked<K>(of: &Table<K>) -> MutexGuard<'_, HashMap<K, usize>> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Clone + Eq + Hash> Counts<K> {
    /// Counts up to `most` for each.
    pub(crate) fn new(most: usize) -> Counts<K> {
        Counts { of: Arc::default(), most }
    }

    /// Counts another one.
    ///
    /// # Errors
    /// There are as many as there may be: how many.
    pub(crate) fn add(&self, key: K) -> Result<Counted<K>, usize> {
        let mut of = locked(&self.of);
        let count = of.get(&key).copied().unwrap_or(0);
        if count >= self.most {
            return Err(count);
        }
        of.insert(key.clone(), count + 1);
        Ok(Counted { of: Arc::clone(&self.of), key })
    }

    /// Returns how many there are in all.
    pub(crate) fn sum(&self) -> usize {
        locked(&self.of).values().sum()
    }
}

impl<K: Eq + Hash> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut of = locked(&self.of);
        if let Some(count) = of.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                of.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_share_and_who_has_none_is_forgotten() {
        let counts = Counts::new(2);
        let held: Vec<_> = (0..2).map(|_| counts.add("acme").unwrap()).collect();
        assert_eq!(counts.add("acme").err(), Some(2));
        let other = counts.add("umbrella").unwrap();
        assert_eq!(counts.sum(), 3);
        drop(held);
        drop((counts.add("acme").unwrap(), other));
        assert!(locked(&counts.of).is_empty());
    }

    #[test]
    fn a_share_of_none_leaves_nothing() {
        let counts = Counts::new(0);
        assert_eq!(counts.add("acme").err(), Some(0));
        assert!(locked(&counts.of).is_empty());
    }
}
