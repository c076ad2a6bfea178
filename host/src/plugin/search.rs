//! The search for poison rows: a trap does not say which row it was, so the batch is split until it does.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::limits::Limits;
use super::wire::RowFailure;
use crate::clock;
use crate::error::{Error, Result};

/// Why a call over some rows gave no answer.
pub(super) enum Stop {
    /// The instance is gone; the rows may be at fault.
    Trapped(String),
    /// The operator cannot go on.
    Operator(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Operator(error)
    }
}

/// What a search may still take.
struct Budget<'a> {
    limits: &'a Limits,
    traps: u32,
    until: Instant,
}

impl Budget<'_> {
    fn spend(&mut self, message: &str) -> Result<()> {
        self.traps += 1;
        let spent = if self.traps > self.limits.traps_per_batch_max {
            format!("{} traps", self.limits.traps_per_batch_max)
        } else if clock::monotonic() > self.until {
            format!("{} ms", self.limits.search_ms_max)
        } else {
            return Ok(());
        };
        Err(Error::user(format!("too many rows fail: the search for them in one batch ended after {spent}; {message}")))
    }
}

/// Calls `run` over pieces of `0..row_count`, in row order, until each row is in a piece that was answered or has
/// failed by itself. `message` is why the call over all rows ended.
///
/// A piece gets the share of the deadline that it is of the batch, a tenth at the least, so that one row that loops
/// costs about three deadlines and not one for each halving. A single row gets all of it before it is given up.
pub(super) fn search(
    row_count: usize,
    limits: &Limits,
    message: String,
    mut run: impl FnMut(Range<usize>, Duration) -> std::result::Result<(), Stop>,
) -> Result<Vec<RowFailure>> {
    let mut budget =
        Budget { limits, traps: 0, until: clock::monotonic() + Duration::from_millis(limits.search_ms_max) };
    let mut failures = Vec::new();
    budget.spend(&message)?;
    if row_count == 1 {
        return Ok(vec![RowFailure { row: 0, message }]);
    }
    let mut pieces = halves(0..row_count);
    while let Some(piece) = pieces.pop() {
        let deadline = limits.deadline();
        let share = match piece.len() {
            1 => deadline,
            rows => (deadline.mul_f64(rows as f64 / row_count as f64)).max(deadline / 10),
        };
        match run(piece.clone(), share) {
            Ok(()) => {}
            Err(Stop::Operator(error)) => return Err(error),
            Err(Stop::Trapped(message)) => {
                budget.spend(&message)?;
                if piece.len() > 1 {
                    pieces.extend(halves(piece));
                } else {
                    failures.push(RowFailure { row: u32::try_from(piece.start).unwrap_or(u32::MAX), message });
                }
            }
        }
    }
    Ok(failures)
}

/// The second half first: the pieces are a stack.
fn halves(piece: Range<usize>) -> Vec<Range<usize>> {
    let middle = piece.start + piece.len() / 2;
    vec![middle..piece.end, piece.start..middle]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every row is in exactly one answered piece, or it is poison and has failed; pieces come in row order.
        #[test]
        fn finds_exactly_the_poison_rows(poison in prop::collection::vec(any::<bool>(), 1..200)) {
            let limits = Limits::default();
            let mut answered = Vec::new();
            let failures = search(poison.len(), &limits, "all".into(), |piece, _| {
                if poison[piece.clone()].contains(&true) {
                    return Err(Stop::Trapped("poison".into()));
                }
                answered.extend(piece);
                Ok(())
            });
            // A batch in which no row is poison was not at fault as a whole: only a batch of one row must fail then.
            let failed: Vec<usize> = failures.unwrap().iter().map(|f| f.row as usize).collect();
            if poison.len() == 1 {
                prop_assert_eq!(failed, vec![0]);
            } else {
                let expected: Vec<usize> = (0..poison.len()).filter(|i| poison[*i]).collect();
                prop_assert_eq!(failed, expected);
                let good: Vec<usize> = (0..poison.len()).filter(|i| !poison[*i]).collect();
                prop_assert_eq!(answered, good);
            }
        }
    }

    #[test]
    fn too_many_traps_end_it() {
        let limits = Limits { traps_per_batch_max: 10, ..Limits::default() };
        let error = search(1_000, &limits, "all".into(), |_, _| Err(Stop::Trapped("unreachable".into())));
        let message = error.unwrap_err().message;
        assert!(message.contains("after 10 traps") && message.contains("unreachable"), "{message}");
    }
}
