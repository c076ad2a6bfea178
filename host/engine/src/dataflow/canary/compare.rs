//! What two versions made of the same given rows. Pure.

use arrow_array::{Array, ArrayRef, UInt32Array};

use crate::dataflow::batch::take;
use flowgate_base::error::Result;
use flowgate_wall::Selection;

/// What one version made of given rows: for each output that is compared, and the rows that it failed.
pub(crate) struct Answered {
    /// The outputs, in the same order as those of the other version.
    pub(crate) outputs: Vec<Made>,
    /// The rows that failed, each once, in their order, and why.
    pub(crate) failures: Vec<(u32, String)>,
}

/// The rows of one output.
pub(crate) struct Made {
    /// From which given row each of them comes.
    pub(crate) of: Selection,
    /// The columns that are compared, in the same order as those of the other version.
    pub(crate) columns: Vec<ArrayRef>,
}

/// What came of a comparison.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    /// Given rows of which both made the same, or that both failed.
    pub(crate) equal: u64,
    /// Given rows of which they made different rows, each with the first output in which they do.
    pub(crate) differ: Vec<(u32, usize)>,
    /// Given rows that only the first version failed, and why.
    pub(crate) old_failed: Vec<(u32, String)>,
    /// Given rows that only the second version failed, and why.
    pub(crate) new_failed: Vec<(u32, String)>,
}

/// The output rows of each given row, in the order in which they were returned.
struct ByGiven {
    /// Rows of given row `i` are `rows[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    rows: Vec<u32>,
}

impl ByGiven {
    fn of(selection: &Selection, given: usize) -> ByGiven {
        let Selection::Rows(of) = selection else {
            return ByGiven { starts: (0..=given as u32).collect(), rows: (0..given as u32).collect() };
        };
        let mut starts = vec![0; given + 1];
        of.iter().for_each(|row| starts[*row as usize + 1] += 1);
        for i in 0..given {
            starts[i + 1] += starts[i];
        }
        let (mut next, mut rows) = (starts.clone(), vec![0; of.len()]);
        for (at, row) in of.iter().enumerate() {
            rows[next[*row as usize] as usize] = at as u32;
            next[*row as usize] += 1;
        }
        ByGiven { starts, rows }
    }

    fn rows(&self, given: usize) -> &[u32] {
        &self.rows[self.starts[given] as usize..self.starts[given + 1] as usize]
    }
}

impl Answered {
    /// Returns what was made of some of the given rows. `places` has the new number of each of them.
    ///
    /// # Errors
    /// The columns are too large.
    pub(crate) fn only(&self, places: &[Option<u32>]) -> Result<Answered> {
        let outputs = self.outputs.iter().map(|made| made.only(places)).collect::<Result<Vec<_>>>()?;
        let place = |(row, why): &(u32, String)| Some((places.get(*row as usize).copied()??, why.clone()));
        Ok(Answered { outputs, failures: self.failures.iter().filter_map(place).collect() })
    }
}

impl Made {
    fn only(&self, places: &[Option<u32>]) -> Result<Made> {
        let of: Vec<u32> = match &self.of {
            Selection::All => (0..places.len() as u32).collect(),
            Selection::Rows(rows) => rows.clone(),
        };
        let kept = (0..).zip(of).filter_map(|(at, given)| Some((at, places.get(given as usize).copied()??)));
        let (kept, of): (Vec<u32>, Vec<u32>) = kept.unzip();
        let columns = take(&self.columns, &UInt32Array::from(kept), "the rows of a canary")?;
        Ok(Made { of: Selection::Rows(of), columns })
    }

    /// Returns the rows that were made of a given row.
    pub(crate) fn rows_of(&self, given: u32) -> Vec<u32> {
        match &self.of {
            Selection::All => vec![given],
            Selection::Rows(of) => (0..of.len() as u32).filter(|at| of[*at as usize] == given).collect(),
        }
    }
}

/// Whether two values are the same, to the bit. Values of different types are not.
pub(crate) fn same(old: &dyn Array, at: u32, new: &dyn Array, new_at: u32) -> bool {
    old.slice(at as usize, 1).to_data() == new.slice(new_at as usize, 1).to_data()
}

/// Marks given rows of which an output has different rows.
fn mark(old: &Made, new: &Made, given: usize, differs: &mut [Option<usize>], output: usize) {
    if old.of == new.of && old.columns.iter().zip(&new.columns).all(|(old, new)| old.to_data() == new.to_data()) {
        return;
    }
    let (ours, theirs) = (ByGiven::of(&old.of, given), ByGiven::of(&new.of, given));
    for (row, differs) in differs.iter_mut().enumerate() {
        let (ours, theirs) = (ours.rows(row), theirs.rows(row));
        let rows_are_same = |(at, new_at): (&u32, &u32)| {
            old.columns.iter().zip(&new.columns).all(|(old, new)| same(old, *at, new, *new_at))
        };
        if ours.len() != theirs.len() || !ours.iter().zip(theirs).all(rows_are_same) {
            differs.get_or_insert(output);
        }
    }
}

/// Compares what two versions made of `given` rows. Rows of different given rows may be in another order.
pub(crate) fn compare(given: usize, old: &Answered, new: &Answered) -> Verdicts {
    let mut differs: Vec<Option<usize>> = vec![None; given];
    for (output, (ours, theirs)) in old.outputs.iter().zip(&new.outputs).enumerate() {
        mark(ours, theirs, given, &mut differs, output);
    }
    let mut verdicts = Verdicts::default();
    let (mut ours, mut theirs) = (old.failures.iter().peekable(), new.failures.iter().peekable());
    for row in 0..given as u32 {
        let failed = (ours.next_if(|(failed, _)| *failed == row), theirs.next_if(|(failed, _)| *failed == row));
        match (failed, differs[row as usize]) {
            ((Some(_), Some(_)), _) | ((None, None), None) => verdicts.equal += 1,
            ((Some((_, why)), None), _) => verdicts.old_failed.push((row, why.clone())),
            ((None, Some((_, why))), _) => verdicts.new_failed.push((row, why.clone())),
            ((None, None), Some(output)) => verdicts.differ.push((row, output)),
        }
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn made(of: &[u32], values: &[i64]) -> Made {
        Made { of: Selection::Rows(of.to_vec()), columns: vec![Arc::new(Int64Array::from(values.to_vec()))] }
    }

    fn answered(outputs: Vec<Made>, failed: &[u32]) -> Answered {
        Answered { outputs, failures: failed.iter().map(|row| (*row, format!("no {row}"))).collect() }
    }

    #[test]
    fn rows_are_compared_by_the_row_that_they_come_from() {
        let old = answered(vec![made(&[0, 1, 1, 3], &[1, 2, 3, 4])], &[4, 5]);
        // Rows of other given rows come in another order: that is no difference.
        let same = answered(vec![made(&[3, 1, 0, 1], &[4, 2, 1, 3])], &[4, 5]);
        assert_eq!(compare(6, &old, &same), Verdicts { equal: 6, ..Verdicts::default() });
        let new = answered(vec![made(&[0, 1, 1, 2, 4], &[9, 3, 2, 0, 7])], &[3, 5]);
        let verdicts = compare(6, &old, &new);
        // Row 0 has another value, row 1 another order, row 2 one row more.
        assert_eq!(verdicts.differ, [(0, 0), (1, 0), (2, 0)]);
        assert_eq!(verdicts.new_failed, [(3, "no 3".to_string())]);
        assert_eq!(verdicts.old_failed, [(4, "no 4".to_string())]);
        assert_eq!(verdicts.equal, 1, "row 5 fails in both");
    }

    #[test]
    fn all_rows_are_the_rows_in_their_order() {
        let all = |values: &[i64]| Made { of: Selection::All, ..made(&[], values) };
        let old = answered(vec![all(&[1, 2])], &[]);
        assert_eq!(compare(2, &old, &answered(vec![made(&[0, 1], &[1, 2])], &[])).equal, 2);
        assert_eq!(compare(2, &old, &answered(vec![all(&[1, 3])], &[])).differ, [(1, 0)]);
    }

    #[test]
    fn some_of_the_rows_are_numbered_again() {
        let all = Made { of: Selection::All, ..made(&[], &[5, 6, 7]) };
        let some = answered(vec![made(&[2, 0, 1, 2], &[1, 2, 3, 4]), all], &[0, 2]);
        let only = some.only(&[None, Some(1), Some(0)]).unwrap();
        assert_eq!(only.outputs[0].of, Selection::Rows(vec![0, 1, 0]));
        assert_eq!(only.outputs[1].of, Selection::Rows(vec![1, 0]));
        let values: ArrayRef = Arc::new(Int64Array::from(vec![1, 3, 4]));
        assert_eq!(&only.outputs[0].columns, &[values]);
        assert_eq!(only.failures, [(0, "no 2".to_string())]);
    }

    #[test]
    fn the_first_output_that_differs_is_named_and_bits_count() {
        let float = |value: f64| Made { of: Selection::All, columns: vec![Arc::new(Float64Array::from(vec![value]))] };
        let pair = |a: f64, b: f64| answered(vec![float(a), float(b)], &[]);
        assert_eq!(compare(1, &pair(1.0, 0.0), &pair(1.0, -0.0)).differ, [(0, 1)]);
        assert_eq!(compare(1, &pair(f64::NAN, 0.0), &pair(f64::NAN, 0.0)).equal, 1);
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("")]));
        assert!(!same(&text, 1, &text, 2) && same(&text, 1, &text.slice(1, 1), 0));
    }

    proptest! {
        /// Each given row gets one verdict, and it is the one of a comparison of its rows alone.
        #[test]
        fn each_given_row_has_one_verdict(
            old in prop::collection::vec((0_u32..8, 0_i64..3), 0..20),
            new in prop::collection::vec((0_u32..8, 0_i64..3), 0..20),
        ) {
            let of = |rows: &[(u32, i64)]| {
                let (of, values): (Vec<u32>, Vec<i64>) = rows.iter().copied().unzip();
                answered(vec![made(&of, &values)], &[])
            };
            let verdicts = compare(8, &of(&old), &of(&new));
            let values = |rows: &[(u32, i64)], given: u32| -> Vec<i64> {
                rows.iter().filter(|(of, _)| *of == given).map(|(_, value)| *value).collect()
            };
            let expected: Vec<(u32, usize)> =
                (0..8).filter(|given| values(&old, *given) != values(&new, *given)).map(|given| (given, 0)).collect();
            prop_assert_eq!(verdicts.equal as usize + expected.len(), 8);
            prop_assert_eq!(verdicts.differ, expected);
        }
    }
}
