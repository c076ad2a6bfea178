//! Results that an operator emits in parts.

use super::engine::Outputs;
use super::turn::Turn;
use flowgate_base::error::Result;

/// About how many batches an operator emits before it yields to the rest of the dataflow, if its turn is not over before.
const BATCHES_AT_ONCE: usize = 8;

/// Whether an operator has results left to emit.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    yielded: bool,
}

impl Pending {
    /// Whether results are left.
    pub(crate) fn has_yielded(&self) -> bool {
        self.yielded
    }

    /// Emits results until none are left or the operator should yield. `next` emits some and returns the number of batches;
    /// `None`: there are no more. Returns whether all have been emitted.
    pub(crate) fn emit(
        &mut self,
        out: &mut Outputs,
        mut next: impl FnMut(&mut Outputs) -> Result<Option<usize>>,
    ) -> Result<bool> {
        self.yielded = true;
        let (turn, mut emitted) = (Turn::begin(), 0);
        while emitted < BATCHES_AT_ONCE && (emitted == 0 || !turn.is_over()) {
            match next(out)? {
                Some(batches) => emitted += batches,
                None => {
                    self.yielded = false;
                    break;
                }
            }
        }
        Ok(!self.yielded)
    }
}
