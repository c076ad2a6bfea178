//! The messages on an edge: batches, signals about time, and boundaries of checkpoints. An edge keeps the order of messages.

use std::sync::Arc;

use timely::container::Accountable;
use timely::dataflow::channels::ContainerBytes;

use super::batch::Batch;
use super::checkpoint::boundary::Boundary;
use super::engine::{Load, Ticket};
use super::watermark::Signal;
use super::wire;
use flowgate_base::id::Worker;

/// One message on an edge.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    /// Rows.
    Batch(Batch),
    /// A sender's promise about the rows that it will send.
    Signal(Signal),
    /// What the sender sends after it is behind the boundary.
    Boundary(Boundary),
    /// A change of the job, which takes effect at the tick of the message.
    Control(Control),
}

/// A change of the job, on the control stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// Sources emit no rows of this tick or later. Open windows emit no results.
    Stop,
    /// Sources end at this tick, as if there were no further rows: operators emit what they hold.
    Drain,
    /// Sources take the boundary of a checkpoint, and send it on.
    Checkpoint(Boundary),
}

/// A message with its addresses.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    /// The worker that sends it.
    pub from: Worker,
    /// The receiving worker, where the edge leads to other workers; elsewhere 0 and ignored.
    pub to: Worker,
    /// The message.
    pub message: Message,
    /// Counts the message as in flight until its receiver has processed it.
    pub ticket: Option<Ticket>,
}

impl Envelope {
    /// Addresses a message. It is not counted as in flight.
    pub(crate) fn new(from: Worker, to: Worker, message: Message) -> Self {
        Envelope { from, to, message, ticket: None }
    }

    /// Counts the message, if it has rows, as in flight after an output.
    pub(crate) fn count_for(&mut self, load: &Arc<Load>) {
        if let Message::Batch(batch) = &self.message {
            self.ticket = Some(load.ticket(batch.bytes()));
        }
    }
}

/// Messages of one sender, in order.
///
/// The engine counts messages at both ends of an edge: a message to several workers counts once for each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Messages(pub Vec<Envelope>);

impl Accountable for Messages {
    fn record_count(&self) -> i64 {
        self.0.len() as i64
    }
}

/// The encoding between worker processes. Peers are authenticated and run the same build before the first byte, so that a frame
/// that does not decode is an internal error: it ends the worker process, and its supervisor restarts the attempt.
impl ContainerBytes for Messages {
    fn from_bytes(bytes: timely::bytes::arc::Bytes) -> Self {
        wire::decode(&bytes).unwrap_or_else(|e| panic!("a worker process sent messages that do not decode: {e}"))
    }

    fn length_in_bytes(&self) -> usize {
        wire::encode(self).len()
    }

    fn into_bytes<W: std::io::Write>(&self, writer: &mut W) {
        if let Err(e) = writer.write_all(&wire::encode(self)) {
            panic!("the engine's buffer refused messages: {e}");
        }
    }
}
