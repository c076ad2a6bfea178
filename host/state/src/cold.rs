//! The choice of the rows that spill.

use super::key::{KeyGroup, hash};
use super::marks::{LIVE, USED};
use super::table::{Table, Values};

/// A row that is to spill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Victim {
    group: KeyGroup,
    pub(crate) row: u32,
    /// It was used since the last search in its key group: there were not enough others.
    pub(crate) was_used: bool,
}

impl<V: Values> Table<V> {
    /// Returns at least `count` rows that were not used since the last search in their key group; if there are fewer, also
    /// used ones, except large rows that are held. They are ordered by key group.
    ///
    /// The search goes around the key groups, and takes all rows of some groups rather than a few of each: rows of one group are
    /// neighbours in the file, and writing a page costs the same for one row as for all of its rows.
    pub(crate) fn cold_rows(&mut self, count: usize) -> Vec<Victim> {
        let Table { index, marks, spilled, .. } = self;
        let groups = match &self.home {
            Some(home) => home.store.key_groups(),
            None => return Vec::new(),
        };
        let group_of = |row: usize| groups.of(hash(index.key(row as u32)));
        let mut cold = vec![0usize; groups.count() as usize];
        for (row, _) in marks.iter().enumerate().filter(|(_, mark)| **mark & (LIVE | USED) == LIVE) {
            cold[group_of(row).index()] += 1;
        }
        let (first, mut found, mut width) = (self.hand.0, 0, 0);
        while found < count && width < groups.count() {
            found += cold[((first + width) % groups.count()) as usize];
            width += 1;
        }
        self.hand = KeyGroup((first + width) % groups.count());
        let (mut victims, mut others) = (Vec::with_capacity(count), Vec::new());
        for (row, mark) in marks.iter_mut().enumerate().filter(|(_, mark)| **mark & LIVE != 0) {
            let group = group_of(row);
            if (group.0 + groups.count() - first) % groups.count() >= width {
                continue;
            }
            let (row, was_used) = (row as u32, *mark & USED != 0);
            *mark &= !USED;
            match was_used {
                _ if spilled.as_ref().is_some_and(|spilled| spilled.held.has(row)) => {}
                false => victims.push(Victim { group, row, was_used }),
                true if found < count => others.push(Victim { group, row, was_used }),
                true => {}
            }
        }
        others.truncate(count.saturating_sub(victims.len()));
        victims.extend(others);
        victims.sort_unstable();
        victims
    }
}
