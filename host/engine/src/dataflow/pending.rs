//! Results that an operator gives some at a time.

use super::engine::Outputs;
use flowgate_base::error::Result;

/// Batches of results that are given before the rest of the dataflow gets its turn, or a few more.
const BATCHES_AT_ONCE: usize = 8;

/// Whether an operator has more results to give.
#[derive(Debug, Default)]
pub struct Pending {
    busy: bool,
}

impl Pending {
    /// Whether there is more to give.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Gives results, as many as may be at once. `next` gives some, and returns how many batches; `None`: there are no more.
    /// Returns whether that was all.
    pub fn give(
        &mut self,
        out: &mut Outputs,
        mut next: impl FnMut(&mut Outputs) -> Result<Option<usize>>,
    ) -> Result<bool> {
        self.busy = true;
        let mut given = 0;
        while given < BATCHES_AT_ONCE {
            match next(out)? {
                Some(batches) => given += batches,
                None => {
                    self.busy = false;
                    break;
                }
            }
        }
        Ok(!self.busy)
    }
}
