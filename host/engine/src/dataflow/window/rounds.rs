//! Rounds: the rows of a batch that can be aggregated in one step when a key emits a result every `n` rows.

use std::collections::BTreeMap;

use super::plan::NewRows;
use crate::dataflow::batch::Batch;
use flowgate_wall::RowFailure;

/// Rows that can be aggregated in one step: no key emits a result before all of its rows here are aggregated.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Rows of the batch, in order.
    pub rows: Vec<u32>,
    /// The keys that emit a result after these rows.
    pub full: Vec<u32>,
}

/// The rows of a round, as a batch.
pub(crate) struct RoundRows {
    /// The rows.
    pub batch: Batch,
    /// The key of each row.
    pub keys: Vec<u32>,
    /// The time of each row.
    pub times: Vec<i64>,
}

impl Round {
    /// Selects the round's rows from a batch whose row `i` belongs to key `keys[i]`.
    pub(crate) fn of(&self, rows: &NewRows<'_>, keys: &[u32]) -> RoundRows {
        RoundRows {
            batch: rows.batch.select(&self.rows.clone().into()),
            keys: self.rows.iter().map(|row| keys[*row as usize]).collect(),
            times: self.rows.iter().map(|row| rows.times.at(*row as usize)).collect(),
        }
    }

    /// Maps failures of the round's rows to row numbers of the whole batch.
    pub(crate) fn in_batch(&self, failures: Vec<RowFailure>) -> impl Iterator<Item = RowFailure> {
        failures.into_iter().map(|failure| RowFailure { row: self.rows[failure.row as usize], ..failure })
    }
}

/// Where rounds end for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Every {
    /// The number of rows after which a round ends, and counting starts again.
    pub rows: u64,
    /// A smaller number of rows after which a round ends as well; 0: none.
    pub cut: u64,
}

/// Divides the rows of a batch into rounds: row `i` belongs to key `keys[i]`. By key, `since` is the number of rows since the last
/// round of `every.rows` rows; it is updated. A frequent key is in several rounds.
pub(crate) fn rounds(keys: &[u32], since: &mut [u64], every: Every) -> Vec<Round> {
    let mut rounds: Vec<Round> = Vec::new();
    // By key: the round of its next row. Only keys that have completed a round are here: they are few.
    let mut next: BTreeMap<u32, usize> = BTreeMap::new();
    for (row, key) in keys.iter().enumerate() {
        let at = if next.is_empty() { 0 } else { next.get(key).copied().unwrap_or(0) };
        if at == rounds.len() {
            rounds.push(Round::default());
        }
        let round = &mut rounds[at];
        round.rows.push(row as u32);
        let count = &mut since[*key as usize];
        *count += 1;
        if *count >= every.rows || *count == every.cut {
            if *count >= every.rows {
                *count = 0;
            }
            round.full.push(*key);
            next.insert(*key, at + 1);
        }
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Goal: each key emits a result after every `n`th row and after cuts, and no row is lost or reordered. Method: against
        /// counting.
        #[test]
        fn results_follow_every_nth_row(
            keys in prop::collection::vec(0u32..4, 0..60), n in 1u64..5, cut in 0u64..4, before in 0u64..4,
        ) {
            let cut = if cut < n { cut } else { 0 };
            let mut since = vec![before.min(n - 1); 4];
            let rounds = rounds(&keys, &mut since, Every { rows: n, cut });
            let mut all: Vec<u32> = rounds.iter().flat_map(|r| r.rows.clone()).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..keys.len() as u32).collect::<Vec<_>>());
            for key in 0..4u32 {
                let mut count = before.min(n - 1);
                let mut results = Vec::new();
                for (row, _) in keys.iter().enumerate().filter(|(_, k)| **k == key) {
                    count += 1;
                    if count == n || count == cut {
                        results.push(row as u32);
                    }
                    if count == n {
                        count = 0;
                    }
                }
                let mut got = Vec::new();
                for round in &rounds {
                    let last = round.rows.iter().rev().find(|row| keys[**row as usize] == key);
                    if round.full.contains(&key) { got.push(*last.unwrap()); }
                }
                prop_assert_eq!(got, results);
                prop_assert_eq!(since[key as usize], count);
            }
        }
    }
}
