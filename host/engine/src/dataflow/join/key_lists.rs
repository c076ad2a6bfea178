//! Matching of two whole sets of rows on equal keys: lists of one set's rows by key, and a walk through the other set.

use super::layout::RowKeys;
use super::side::NONE;
use flowgate_state::index::KeyIndex;

/// The greatest initial capacity of the index, in keys: there may be far fewer keys than rows.
const ROOM_MAX: usize = 64 << 10;

/// The rows of a set by key.
#[derive(Debug, Default)]
pub(crate) struct KeyLists {
    index: KeyIndex,
    /// The rows of key `k`, by its number in the index, are `rows[starts[k]..starts[k + 1]]`.
    starts: Vec<u32>,
    rows: Vec<u32>,
}

impl KeyLists {
    /// Lists a set of rows by key; rows without a key are in no list.
    pub(crate) fn new(keys: &RowKeys) -> Self {
        let mut index = KeyIndex::with_room(keys.keys.len().min(ROOM_MAX));
        let mut of_rows = Vec::new();
        index.rows_of(&keys.keys, &mut of_rows);
        let mut starts = vec![0u32; index.rows() + 1];
        for (row, key) in of_rows.iter().enumerate() {
            starts[*key as usize + 1] += u32::from(keys.has_key(row));
        }
        for key in 0..index.rows() {
            starts[key + 1] += starts[key];
        }
        let mut ends = starts.clone();
        let mut rows = vec![0u32; starts[index.rows()] as usize];
        for (row, key) in of_rows.iter().enumerate().filter(|(row, _)| keys.has_key(*row)) {
            let end = &mut ends[*key as usize];
            rows[*end as usize] = row as u32;
            *end += 1;
        }
        KeyLists { index, starts, rows }
    }

    fn list(&self, key: u32) -> &[u32] {
        &self.rows[self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize]
    }

    /// Notes in `seen` the keys of a walk; `seen` has one entry for each key of the lists.
    pub(crate) fn note(&self, walk: &Walk, seen: &mut Vec<bool>) {
        seen.resize(self.index.rows(), false);
        walk.keys.iter().filter(|key| **key != NONE).for_each(|key| seen[*key as usize] = true);
    }

    /// Returns the rows of the set whose key was (`is`) or was not seen. `row_count` is the number of rows of the set.
    pub(crate) fn hit(&self, seen: &[bool], row_count: usize, is: bool) -> Vec<u32> {
        let mut hit = vec![false; row_count];
        for key in (0..seen.len()).filter(|key| seen[*key]) {
            self.list(key as u32).iter().for_each(|row| hit[*row as usize] = true);
        }
        (0..row_count as u32).filter(|row| hit[*row as usize] == is).collect()
    }
}

/// A walk through the other set, which can stop after any pair.
#[derive(Debug)]
pub(crate) struct Walk {
    /// For each row, the number of its key in the lists; [`NONE`] if they have no row of the key.
    keys: Vec<u32>,
    row: usize,
    /// Position in the row's list.
    at: usize,
}

impl Walk {
    /// Creates a walk through rows with these keys.
    pub(crate) fn new(lists: &KeyLists, keys: &RowKeys) -> Self {
        let mut numbers = Vec::with_capacity(keys.keys.len());
        lists.index.find_rows(&keys.keys, NONE, &mut numbers);
        for (row, key) in numbers.iter_mut().enumerate().filter(|(_, key)| **key != NONE) {
            if !keys.has_key(row) || lists.list(*key).is_empty() {
                *key = NONE;
            }
        }
        Walk { keys: numbers, row: 0, at: 0 }
    }

    /// Returns the next pairs, at rows_max `rows_max`: rows of the walk, and rows of the lists. Empty: there are no more.
    pub(crate) fn pairs(&mut self, lists: &KeyLists, rows_max: usize) -> (Vec<u32>, Vec<u32>) {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        while let Some(key) = self.keys.get(self.row) {
            if *key != NONE {
                let list = &lists.list(*key)[self.at..];
                let taken = list.len().min(rows_max - here.len());
                there.extend_from_slice(&list[..taken]);
                here.resize(there.len(), self.row as u32);
                self.at += taken;
                if taken < list.len() || here.len() == rows_max {
                    break;
                }
            }
            self.row += 1;
            self.at = 0;
        }
        (here, there)
    }

    /// Returns the rows of the walk that have (`is`) or do not have a pair.
    pub(crate) fn hit(&self, is: bool) -> Vec<u32> {
        (0..self.keys.len() as u32).filter(|row| (self.keys[*row as usize] != NONE) == is).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::join::layout::Layout;
    use arrow_array::{ArrayRef, Int64Array};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn keys(values: &[Option<i64>]) -> RowKeys {
        let column: ArrayRef = Arc::new(values.iter().copied().collect::<Int64Array>());
        Layout::new([], &[0]).keys(&[column], values.len()).unwrap()
    }

    proptest! {
        /// Goal: all pairs, each once, for any `rows_max`; rows with and without a pair on both sides.
        #[test]
        fn pairs_are_those_of_two_loops(
            left in prop::collection::vec(prop::option::of(0i64..6), 0..30),
            right in prop::collection::vec(prop::option::of(0i64..6), 0..30),
            rows_max in 1usize..9,
        ) {
            let (l, r) = (keys(&left), keys(&right));
            let lists = KeyLists::new(&r);
            let mut walk = Walk::new(&lists, &l);
            let mut got = Vec::new();
            loop {
                let (here, there) = walk.pairs(&lists, rows_max);
                prop_assert!(here.len() <= rows_max && here.len() == there.len());
                if here.is_empty() { break; }
                got.extend(here.into_iter().zip(there));
            }
            let matches = |l: &Option<i64>, r: &Option<i64>| l.is_some() && l == r;
            let mut want = Vec::new();
            for (i, l) in left.iter().enumerate() {
                want.extend(right.iter().enumerate().filter(|(_, r)| matches(l, r)).map(|(j, _)| (i as u32, j as u32)));
            }
            prop_assert_eq!(got, want);
            let mut seen = Vec::new();
            lists.note(&walk, &mut seen);
            for is in [true, false] {
                let l: Vec<u32> = (0..left.len() as u32)
                    .filter(|i| right.iter().any(|r| matches(&left[*i as usize], r)) == is).collect();
                prop_assert_eq!(walk.hit(is), l);
                let r: Vec<u32> = (0..right.len() as u32)
                    .filter(|j| left.iter().any(|l| matches(l, &right[*j as usize])) == is).collect();
                prop_assert_eq!(lists.hit(&seen, right.len(), is), r);
            }
        }
    }
}
