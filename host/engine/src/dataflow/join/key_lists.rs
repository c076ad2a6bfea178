//! Matches two whole sets of rows on equal keys: lists of one set's rows by key, and a walk through the other set.

use super::layout::RowKeys;
use super::side::NONE;
use flowgate_state::index::KeyIndex;

/// The greatest number of keys for which there is room from the start: there may be far fewer than rows.
const ROOM_MAX: usize = 64 << 10;

/// The rows of a set by key.
#[derive(Debug, Default)]
pub struct KeyLists {
    groups: KeyIndex,
    /// The rows of group `g` are `rows[starts[g]..starts[g + 1]]`.
    starts: Vec<u32>,
    rows: Vec<u32>,
}

impl KeyLists {
    /// Of a set of rows; those without a key are in no list.
    pub fn new(keys: &RowKeys) -> Self {
        let mut groups = KeyIndex::with_room(keys.keys.len().min(ROOM_MAX));
        let mut of_rows = Vec::new();
        groups.rows_of(&keys.keys, &mut of_rows);
        let mut starts = vec![0u32; groups.rows() + 1];
        for (row, group) in of_rows.iter().enumerate() {
            starts[*group as usize + 1] += u32::from(keys.has_key(row));
        }
        for group in 0..groups.rows() {
            starts[group + 1] += starts[group];
        }
        let mut ends = starts.clone();
        let mut rows = vec![0u32; starts[groups.rows()] as usize];
        for (row, group) in of_rows.iter().enumerate().filter(|(row, _)| keys.has_key(*row)) {
            let end = &mut ends[*group as usize];
            rows[*end as usize] = row as u32;
            *end += 1;
        }
        KeyLists { groups, starts, rows }
    }

    fn list(&self, group: u32) -> &[u32] {
        &self.rows[self.starts[group as usize] as usize..self.starts[group as usize + 1] as usize]
    }

    /// Notes which keys a walk has; `seen` has an entry for each that there is.
    pub fn note(&self, walk: &Walk, seen: &mut Vec<bool>) {
        seen.resize(self.groups.rows(), false);
        walk.groups.iter().filter(|group| **group != NONE).for_each(|group| seen[*group as usize] = true);
    }

    /// Rows of the set, of which there are `row_count`, whose key was (or was not) seen.
    pub fn hit(&self, seen: &[bool], row_count: usize, is: bool) -> Vec<u32> {
        let mut hit = vec![false; row_count];
        for group in (0..seen.len()).filter(|group| seen[*group]) {
            self.list(group as u32).iter().for_each(|row| hit[*row as usize] = true);
        }
        (0..row_count as u32).filter(|row| hit[*row as usize] == is).collect()
    }
}

/// A walk through the other set, that can stop after any pair.
#[derive(Debug)]
pub struct Walk {
    /// For each row, the group of its key in the lists; [`NONE`] where they have no row of it.
    groups: Vec<u32>,
    row: usize,
    /// Position in the row's list.
    at: usize,
}

impl Walk {
    /// Through rows with these keys.
    pub fn new(lists: &KeyLists, keys: &RowKeys) -> Self {
        let mut groups = Vec::with_capacity(keys.keys.len());
        lists.groups.find_rows(&keys.keys, NONE, &mut groups);
        for (row, group) in groups.iter_mut().enumerate().filter(|(_, group)| **group != NONE) {
            if !keys.has_key(row) || lists.list(*group).is_empty() {
                *group = NONE;
            }
        }
        Walk { groups, row: 0, at: 0 }
    }

    /// The next pairs, up to `most`: a row of the walk and one of the lists each. None: that was all.
    pub fn pairs(&mut self, lists: &KeyLists, most: usize) -> (Vec<u32>, Vec<u32>) {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        while let Some(group) = self.groups.get(self.row) {
            if *group != NONE {
                let list = &lists.list(*group)[self.at..];
                let taken = list.len().min(most - here.len());
                there.extend_from_slice(&list[..taken]);
                here.resize(there.len(), self.row as u32);
                self.at += taken;
                if taken < list.len() || here.len() == most {
                    break;
                }
            }
            self.row += 1;
            self.at = 0;
        }
        (here, there)
    }

    /// Rows of the walk that have (or do not have) a pair.
    pub fn hit(&self, is: bool) -> Vec<u32> {
        (0..self.groups.len() as u32).filter(|row| (self.groups[*row as usize] != NONE) == is).collect()
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
        /// Goal: all pairs, each once, whatever is taken at a time; rows with and without a pair on both sides.
        #[test]
        fn pairs_are_those_of_two_loops(
            left in prop::collection::vec(prop::option::of(0i64..6), 0..30),
            right in prop::collection::vec(prop::option::of(0i64..6), 0..30),
            most in 1usize..9,
        ) {
            let (l, r) = (keys(&left), keys(&right));
            let lists = KeyLists::new(&r);
            let mut walk = Walk::new(&lists, &l);
            let mut got = Vec::new();
            loop {
                let (here, there) = walk.pairs(&lists, most);
                prop_assert!(here.len() <= most && here.len() == there.len());
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
