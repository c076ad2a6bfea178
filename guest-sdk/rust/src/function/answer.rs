//! The answer to one call (`functions.wit`), and how its selection is collected.

use crate::column::batch::Column;

/// The given rows that the output rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Output row `i` comes from given row `i`; the numbers of rows are equal.
    All,
    /// Output row `i` comes from given row `rows[i]`.
    Rows(Vec<u32>),
}

/// A given row that the function could not handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFailure {
    /// Index of the given row.
    pub row: u32,
    /// What is wrong with it.
    pub message: String,
}

/// The rows of one output.
#[derive(Debug, Clone, PartialEq)]
pub struct RowsOut {
    /// Where its rows come from.
    pub selection: Selection,
    /// The columns it makes.
    pub columns: Vec<Column>,
}

/// The answer to one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The rows of each output, the main output first.
    pub outputs: Vec<RowsOut>,
    /// The failed rows, each at most once.
    pub failures: Vec<RowFailure>,
}

/// Collects the given rows of an output. While they are consecutive from 0 on, it only counts: a function that keeps every row of
/// a batch then answers with `All`.
#[derive(Debug)]
pub(crate) struct Selected {
    /// While `rows` is empty, the number of selected rows, which are the first ones.
    first: u32,
    rows: Vec<u32>,
    capacity: usize,
}

impl Selected {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Selected { first: 0, rows: Vec::new(), capacity }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, row: u32) {
        if self.rows.is_empty() {
            if row == self.first {
                self.first += 1;
                return;
            }
            self.spell_out();
        }
        self.rows.push(row);
    }

    pub(crate) fn len(&self) -> usize {
        if self.rows.is_empty() { self.first as usize } else { self.rows.len() }
    }

    /// Removes the rows at the end that come from `row`.
    pub(crate) fn take_back(&mut self, row: u32) {
        while self.rows.last() == Some(&row) {
            self.rows.pop();
            if self.rows.is_empty() {
                self.first = 0;
                return;
            }
        }
        if self.rows.is_empty() && self.first == row.wrapping_add(1) {
            self.first = row;
        }
    }

    pub(crate) fn finish(mut self, given: usize) -> Selection {
        if self.rows.is_empty() {
            if self.first as usize == given {
                return Selection::All;
            }
            self.spell_out();
        }
        Selection::Rows(self.rows)
    }

    #[cold]
    fn spell_out(&mut self) {
        self.rows.reserve_exact(self.capacity.max(self.first as usize + 1));
        self.rows.extend(0..self.first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn selected_is_a_list(steps in prop::collection::vec((0u32..4, any::<bool>()), 0..20)) {
            let mut selected = Selected::with_capacity(2);
            let mut list: Vec<u32> = Vec::new();
            // Rows arrive in order; each may be skipped, selected several times, and taken back.
            for (row, (times, back)) in (0u32..).zip(&steps) {
                for _ in 0..*times {
                    selected.push(row);
                    list.push(row);
                }
                if *back {
                    selected.take_back(row);
                    list.retain(|kept| *kept != row);
                }
                prop_assert_eq!(selected.len(), list.len());
            }
            let all: Vec<u32> = (0..steps.len() as u32).collect();
            let expected = if list == all { Selection::All } else { Selection::Rows(list) };
            let finished = selected.finish(steps.len());
            // `[0, 1, .., n]` may be spelled out where it was not the beginning at some time.
            prop_assert!(finished == expected || (expected == Selection::All && finished == Selection::Rows(all)));
        }
    }
}
