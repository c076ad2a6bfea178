//! The search for poison rows: a trap does not say which row it was, so the batch is split until it does.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::error::{CallError, FunctionError};
use super::limits::Limits;
use super::wire::RowFailure;
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};

/// Why a call over some rows gave no answer.
pub(super) enum Stop {
    /// The instance is gone; the rows may be at fault.
    Trapped(CallError),
    /// The operator cannot go on.
    Operator(Error),
    /// The operator goes no further, but what it has so far counts.
    GaveUp(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Operator(error)
    }
}

/// What came of a search.
pub(super) struct Searched {
    /// Rows that trap by themselves.
    pub(super) failures: Vec<RowFailure>,
    /// Why it ended before its time: the rows behind those that were answered or have failed were not tried.
    pub(super) gave_up: Option<Error>,
}

/// Says whether the job is being stopped.
pub(super) type IsStopping = dyn Fn() -> bool + Send + Sync;

/// How long a search goes on when the job is stopped: most have ended by then.
const STOPPING: Duration = Duration::from_secs(2);

/// What a search may still take.
struct Budget<'a> {
    limits: &'a Limits,
    traps: u32,
    /// `None`: without an end.
    until: Option<Instant>,
    is_stopping: &'a IsStopping,
    /// It was seen that the job is being stopped, and `until` is soon.
    stops: bool,
}

impl Budget<'_> {
    fn spend(&mut self, trapped: &CallError) -> Result<()> {
        self.traps += 1;
        if !self.stops && (self.is_stopping)() {
            self.stops = true;
            let soon = clock::monotonic() + STOPPING;
            self.until = Some(self.until.map_or(soon, |until| until.min(soon)));
        }
        let spent = if self.stops && self.until.is_some_and(|until| clock::monotonic() > until) {
            format!("the job was stopped, {} s later", STOPPING.as_secs())
        } else if self.traps > self.limits.traps_per_batch_max {
            format!("{} traps", self.limits.traps_per_batch_max)
        } else if self.until.is_some_and(|until| clock::monotonic() > until) {
            format!("{} ms", self.limits.search_ms_max)
        } else {
            return Ok(());
        };
        Err(FunctionError::TooManyTraps(format!(
            "too many rows fail: the search for them in one batch ended after {spent}; {trapped}"
        ))
        .into())
    }
}

/// Calls `run` over pieces of `0..row_count`, in row order, until each row is in a piece that was answered or has
/// failed by itself, or the search has taken what it may. `trapped` is why the call over all rows ended.
///
/// A piece gets the share of the deadline that it is of the batch, at least a tenth, so that one row that loops
/// costs about three deadlines and not one for each halving. A single row gets all of it before it is given up.
pub(super) fn search(
    row_count: usize,
    limits: &Limits,
    trapped: CallError,
    is_stopping: &IsStopping,
    mut run: impl FnMut(Range<usize>, Duration) -> std::result::Result<(), Stop>,
) -> Result<Searched> {
    let until = clock::monotonic().checked_add(Duration::from_millis(limits.search_ms_max));
    let mut budget = Budget { limits, traps: 0, until, is_stopping, stops: false };
    let mut failures = Vec::new();
    if row_count == 1 {
        return Ok(Searched { failures: vec![RowFailure { row: 0, message: trapped.to_string() }], gave_up: None });
    }
    if let Err(error) = budget.spend(&trapped) {
        return Ok(Searched { failures, gave_up: Some(error) });
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
            Err(Stop::GaveUp(error)) => return Ok(Searched { failures, gave_up: Some(error) }),
            Err(Stop::Operator(error)) => return Err(error),
            Err(Stop::Trapped(trapped)) => {
                if piece.len() == 1 {
                    let row = u32::try_from(piece.start).unwrap_or(u32::MAX);
                    failures.push(RowFailure { row, message: trapped.to_string() });
                }
                if let Err(error) = budget.spend(&trapped) {
                    return Ok(Searched { failures, gave_up: Some(error) });
                }
                if piece.len() > 1 {
                    pieces.extend(halves(piece));
                }
            }
        }
    }
    Ok(Searched { failures, gave_up: None })
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

    fn trap(why: &str) -> CallError {
        CallError::Trap(why.into())
    }

    proptest! {
        /// Every row is in exactly one answered piece, or it is poison and has failed; pieces come in row order.
        #[test]
        fn finds_exactly_the_poison_rows(poison in prop::collection::vec(any::<bool>(), 1..200)) {
            let limits = Limits::default();
            let mut answered = Vec::new();
            let failures = search(poison.len(), &limits, trap("all"), &|| false, |piece, _| {
                if poison[piece.clone()].contains(&true) {
                    return Err(Stop::Trapped(trap("poison")));
                }
                answered.extend(piece);
                Ok(())
            });
            // A batch in which no row is poison was not at fault as a whole: only a batch of one row must fail then.
            let searched = failures.unwrap();
            prop_assert!(searched.gave_up.is_none());
            let failed: Vec<usize> = searched.failures.iter().map(|f| f.row as usize).collect();
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
    fn too_many_traps_end_it_and_what_was_found_so_far_is_kept() {
        let limits = Limits { traps_per_batch_max: 20, ..Limits::default() };
        let searched =
            search(1_000, &limits, trap("all"), &|| false, |_, _| Err(Stop::Trapped(trap("unreachable")))).unwrap();
        let message = searched.gave_up.unwrap().message;
        assert!(message.contains("after 20 traps") && message.contains("unreachable"), "{message}");
        let rows: Vec<u32> = searched.failures.iter().map(|f| f.row).collect();
        assert_eq!(rows, (0..rows.len() as u32).collect::<Vec<_>>(), "the first rows, without a gap");
        assert!(rows.len() > 4, "{rows:?}");
    }

    #[test]
    fn every_row_of_a_full_batch_may_trap() {
        let searched =
            search(8_192, &Limits::default(), trap("all"), &|| false, |_, _| Err(Stop::Trapped(trap("no")))).unwrap();
        assert!(searched.gave_up.is_none());
        assert_eq!(searched.failures.len(), 8_192);
    }

    #[test]
    fn a_search_may_take_for_ever() {
        let limits = Limits { search_ms_max: u64::MAX, ..Limits::default() };
        let searched = search(2, &limits, trap("all"), &|| false, |_, _| Err(Stop::Trapped(trap("no")))).unwrap();
        assert_eq!(searched.failures.len(), 2);
    }

    #[test]
    fn a_search_ends_soon_when_the_job_is_stopped() {
        let limits = Limits { search_ms_max: u64::MAX, traps_per_batch_max: u32::MAX, ..Limits::default() };
        let start = clock::monotonic();
        let searched = search(1 << 30, &limits, trap("all"), &|| true, |_, _| {
            std::thread::sleep(Duration::from_millis(1));
            Err(Stop::Trapped(trap("no")))
        });
        let message = searched.unwrap().gave_up.unwrap().message;
        assert!(message.contains("after the job was stopped, 2 s later"), "{message}");
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}
