//! The messages that an operator emits during one call.

use super::operator::Route;
use crate::dataflow::batch::Batch;
use crate::dataflow::checkpoint::boundary::Boundary;
use crate::dataflow::message::{Envelope, Message, Messages};
use crate::dataflow::watermark::Signal;
use flowgate_base::id::Worker;

/// The messages that an operator emits during one call, by output.
pub(crate) struct Outputs {
    outputs: Vec<Output>,
    worker: Worker,
    workers: u32,
}

struct Output {
    route: Route,
    messages: Vec<Envelope>,
    bytes: u64,
    /// Batches since the start, and their bytes.
    emitted: (u64, u64),
}

impl Outputs {
    /// Creates the outputs of an operator on worker `worker` of `workers`, one for each route.
    pub(crate) fn new(routes: &[Route], worker: Worker, workers: usize) -> Self {
        let output = |route: &Route| Output { route: *route, messages: Vec::new(), bytes: 0, emitted: (0, 0) };
        Outputs { outputs: routes.iter().map(output).collect(), worker, workers: workers as u32 }
    }

    /// Emits rows to an output. A batch without rows is no message.
    pub(crate) fn emit(&mut self, output: usize, batch: Batch) {
        self.emit_to(output, Worker(0), batch);
    }

    /// Emits rows to one receiver of an output, on worker `worker`.
    pub(crate) fn emit_to(&mut self, output: usize, worker: Worker, batch: Batch) {
        if batch.row_count() > 0 {
            let output = &mut self.outputs[output];
            let bytes = batch.bytes() as u64;
            output.bytes += bytes;
            output.emitted = (output.emitted.0 + 1, output.emitted.1 + bytes);
            output.messages.push(Envelope::new(self.worker, worker, Message::Batch(batch)));
        }
    }

    /// Emits a signal to every receiver of every output.
    pub(crate) fn signal(&mut self, signal: Signal) {
        self.broadcast(&Message::Signal(signal));
    }

    /// Sends the boundary of a checkpoint to every receiver of every output.
    pub(crate) fn boundary(&mut self, boundary: Boundary) {
        self.broadcast(&Message::Boundary(boundary));
    }

    fn broadcast(&mut self, message: &Message) {
        for output in &mut self.outputs {
            let receivers = if output.route == Route::Addressed { self.workers } else { 1 };
            for worker in (0..receivers).map(Worker) {
                output.messages.push(Envelope::new(self.worker, worker, message.clone()));
            }
        }
    }

    /// Whether nothing was emitted that has not been taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.outputs.iter().all(|output| output.messages.is_empty())
    }

    /// Bytes of the rows that were emitted to an output and not taken.
    pub(crate) fn bytes(&self, output: usize) -> u64 {
        self.outputs[output].bytes
    }

    /// Batches that were emitted to an output since the start, and their bytes.
    pub(crate) fn emitted(&self, output: usize) -> (u64, u64) {
        self.outputs.get(output).map_or((0, 0), |output| output.emitted)
    }

    /// Takes the messages of an output.
    pub(crate) fn take(&mut self, output: usize) -> Messages {
        let output = &mut self.outputs[output];
        output.bytes = 0;
        Messages(std::mem::take(&mut output.messages))
    }
}
