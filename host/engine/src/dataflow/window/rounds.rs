//! Results by number of rows: which rows of a batch belong together when a key gives a result each `n` rows.

use std::collections::BTreeMap;

use super::plan::NewRows;
use crate::dataflow::batch::Batch;
use flowgate_wall::RowFailure;

/// Rows that can be added up at once: no key among them gives a result before all of its rows here are added.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Rows of the batch, in order.
    pub rows: Vec<u32>,
    /// The keys that are to give a result behind these rows.
    pub full: Vec<u32>,
}

/// The rows of a round.
pub struct RoundRows {
    /// The rows.
    pub batch: Batch,
    /// Their keys.
    pub keys: Vec<u32>,
    /// When they are.
    pub times: Vec<i64>,
}

impl Round {
    /// The rows, out of a batch whose row `i` belongs to key `keys[i]`.
    pub fn of(&self, rows: &NewRows<'_>, keys: &[u32]) -> RoundRows {
        RoundRows {
            batch: rows.batch.select(&self.rows.clone().into()),
            keys: self.rows.iter().map(|row| keys[*row as usize]).collect(),
            times: self.rows.iter().map(|row| rows.times.at(*row as usize)).collect(),
        }
    }

    /// Failures of the round's rows, with their places in the batch.
    pub fn outside(&self, failures: Vec<RowFailure>) -> impl Iterator<Item = RowFailure> {
        failures.into_iter().map(|failure| RowFailure { row: self.rows[failure.row as usize], ..failure })
    }
}

/// Where rounds end for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    /// After this number of rows, and then again.
    pub rows: u64,
    /// After this smaller number of them as well; 0: not.
    pub cut: u64,
}

/// Divides the rows of a batch: row `i` belongs to key `keys[i]`, of which `since` counts the rows since it was full last, cuts left
/// aside. `since` is brought up to date. A key that comes often is in several rounds.
pub fn rounds(keys: &[u32], since: &mut [u64], every: Every) -> Vec<Round> {
    let mut rounds: Vec<Round> = Vec::new();
    // By key: the round that its next row belongs to. Keys of one batch are few: those that gave a result are fewer.
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
        /// Goal: each key gives a result behind each of its `n`th rows, and behind cuts, and no row is lost or moved. Method: against
        /// counting.
        #[test]
        fn results_come_behind_every_nth_row(
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
