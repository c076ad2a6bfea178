//! Results that an operator gives some at a time, and the signals that wait behind them.

use std::collections::VecDeque;

use super::engine::Outputs;
use super::watermark::Signal;
use crate::error::Result;

/// Batches of results that are given before the rest of the dataflow gets its turn, or a few more.
const BATCHES_AT_ONCE: usize = 8;

/// What an operator has still to give.
#[derive(Default)]
pub struct Pending {
    busy: bool,
    signals: VecDeque<Signal>,
}

impl Pending {
    /// Whether there is more to give.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// A signal is to be passed on behind all results.
    pub fn wait(&mut self, signal: Signal) {
        self.signals.push_back(signal);
    }

    /// Gives results, as many as may be at once, and behind the last one the signals that waited for it. `next` gives some, and
    /// says how many batches; `None`: there are no more. Gives whether that was all.
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
                    self.signals.drain(..).for_each(|signal| out.pass_on(signal));
                    break;
                }
            }
        }
        Ok(!self.busy)
    }
}
