//! What an operator gives out during one call.

use super::operator::Route;
use crate::dataflow::batch::Batch;
use crate::dataflow::message::{Envelope, Message, Messages};
use crate::dataflow::watermark::Signal;

/// What an operator gives out during one call, by output.
pub struct Outputs {
    outputs: Vec<Output>,
    worker: u32,
    workers: u32,
}

struct Output {
    route: Route,
    messages: Vec<Envelope>,
    bytes: u64,
}

impl Outputs {
    /// Creates the outputs of an operator on this worker of `workers`: one for each route, which says where its messages go.
    pub fn new(routes: &[Route], worker: usize, workers: usize) -> Self {
        let output = |route: &Route| Output { route: *route, messages: Vec::new(), bytes: 0 };
        Outputs { outputs: routes.iter().map(output).collect(), worker: worker as u32, workers: workers as u32 }
    }

    /// Gives rows to an output; no rows, no message.
    pub fn emit(&mut self, output: usize, batch: Batch) {
        self.emit_to(output, 0, batch);
    }

    /// Gives rows to one worker's side of an output.
    pub fn emit_to(&mut self, output: usize, worker: usize, batch: Batch) {
        if batch.row_count() > 0 {
            let output = &mut self.outputs[output];
            output.bytes += batch.bytes() as u64;
            output.messages.push(Envelope::new(worker as u32, Message::Batch(batch)));
        }
    }

    /// Gives a signal to every receiver of every output.
    pub fn signal(&mut self, signal: Signal) {
        for output in &mut self.outputs {
            let receivers = if output.route == Route::Addressed { self.workers } else { 1 };
            for worker in 0..receivers {
                output.messages.push(Envelope::new(worker, Message::Signal { from: self.worker, signal }));
            }
        }
    }

    /// Bytes of the rows that were given to an output and not taken.
    pub fn bytes(&self, output: usize) -> u64 {
        self.outputs[output].bytes
    }

    /// Takes what was given to an output.
    pub fn take(&mut self, output: usize) -> Messages {
        let output = &mut self.outputs[output];
        output.bytes = 0;
        Messages(std::mem::take(&mut output.messages))
    }
}
