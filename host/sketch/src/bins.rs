//! Counts of magnitudes, by the logarithm of the magnitude.

use crate::varint;

/// The number of bins that are kept: the highest ones. Lower ones are counted in the lowest that is kept.
///
/// Which bins are kept depends only on the highest one, so that merging is exactly associative and commutative.
pub(crate) const BINS_MAX: i32 = 2048;

/// Counts of consecutive bins; the first and the last are not 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Bins {
    first: i32,
    counts: Vec<u64>,
}

impl Bins {
    pub(crate) fn add(&mut self, bin: i32, count: u64) {
        if self.counts.is_empty() {
            self.first = bin;
        }
        let bin = bin.max(self.last().saturating_sub(BINS_MAX - 1));
        if bin < self.first {
            let missing = (self.first - bin) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = bin;
        }
        let position = (bin - self.first) as usize;
        if position >= self.counts.len() {
            self.make_last(bin);
        }
        let counted = &mut self.counts[(bin - self.first) as usize];
        *counted = counted.saturating_add(count);
    }

    fn last(&self) -> i32 {
        self.first + self.counts.len().saturating_sub(1) as i32
    }

    /// Makes room up to the bin `last`, and counts bins that are then too low in the lowest that is kept.
    fn make_last(&mut self, last: i32) {
        let first = self.first.max(last - (BINS_MAX - 1));
        let low = ((first - self.first) as usize).min(self.counts.len());
        let low_count = self.counts.drain(..low).fold(0, u64::saturating_add);
        self.first = first;
        self.counts.resize((last - first) as usize + 1, 0);
        self.counts[0] = self.counts[0].saturating_add(low_count);
    }

    /// Memory in bytes besides its own.
    pub(crate) fn bytes(&self) -> usize {
        self.counts.capacity() * 8
    }

    pub(crate) fn merge(&mut self, other: &Bins) {
        // The highest first, so that nothing moves twice.
        other.iter().rev().for_each(|(bin, count)| self.add(bin, count));
    }

    /// Bins that are not empty, the lowest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (i32, u64)> {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count != 0);
        filled.map(|(position, count)| (self.first + position as i32, *count))
    }

    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().fold(0, |total, count| total.saturating_add(*count))
    }

    /// The number of filled bins, the lowest bin, then for each the distance from the one before and the count.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        varint::write(self.iter().count() as u64, bytes);
        let mut before = None;
        for (bin, count) in self.iter() {
            match before {
                None => varint::write(u64::from((bin << 1 ^ bin >> 31) as u32), bytes),
                Some(before) => varint::write((bin - before) as u64, bytes),
            }
            varint::write(count, bytes);
            before = Some(bin);
        }
    }

    /// Reads what `encode` wrote; `bytes` then begins after it.
    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Bins> {
        let filled = varint::read(bytes)?;
        let mut bins = Bins::default();
        for index in 0..filled {
            let number = varint::read(bytes)?;
            let count = varint::read(bytes)?;
            if index == 0 {
                let zigzag = u32::try_from(number).ok()?;
                bins.first = (zigzag >> 1) as i32 ^ -((zigzag & 1) as i32);
                bins.counts.push(count);
            } else {
                let distance = usize::try_from(number).ok().filter(|distance| *distance > 0)?;
                let len = bins.counts.len().checked_add(distance).filter(|len| *len <= BINS_MAX as usize)?;
                bins.counts.resize(len, 0);
                bins.counts[len - 1] = count;
            }
        }
        Some(bins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// What `Bins` stands for.
    fn naive(added: &[(i32, u64)]) -> Vec<(i32, u64)> {
        let lowest = added.iter().map(|(bin, _)| *bin).max().unwrap_or(0) - (BINS_MAX - 1);
        let mut counts = BTreeMap::new();
        for (bin, count) in added {
            *counts.entry(*bin.max(&lowest)).or_insert(0) += count;
        }
        counts.into_iter().collect()
    }

    fn bins(added: &[(i32, u64)]) -> Bins {
        let mut bins = Bins::default();
        added.iter().for_each(|(bin, count)| bins.add(*bin, *count));
        bins
    }

    fn additions() -> impl Strategy<Value = Vec<(i32, u64)>> {
        prop::collection::vec((prop_oneof![-50i32..50, -40_000i32..40_000], 1u64..9), 0..30)
    }

    proptest! {
        #[test]
        fn bins_are_a_map_of_counts(added in additions()) {
            let bins = bins(&added);
            prop_assert_eq!(bins.iter().collect::<Vec<_>>(), naive(&added));
            let mut bytes = Vec::new();
            bins.encode(&mut bytes);
            let mut rest = &bytes[..];
            let decoded = Bins::decode(&mut rest).unwrap();
            prop_assert_eq!(decoded.iter().collect::<Vec<_>>(), bins.iter().collect::<Vec<_>>());
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn merging_is_adding(left in additions(), right in additions()) {
            let mut merged = bins(&left);
            merged.merge(&bins(&right));
            prop_assert_eq!(merged.iter().collect::<Vec<_>>(), naive(&[left, right].concat()));
        }

        #[test]
        fn foreign_bytes_are_none_or_bins(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(bins) = Bins::decode(&mut &bytes[..]) {
                prop_assert!(bins.counts.len() <= BINS_MAX as usize);
            }
        }
    }
}
