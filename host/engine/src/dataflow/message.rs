//! What flows on an edge: batches, and signals about time. Everything on an edge keeps its order.

use std::sync::Arc;

use timely::container::Accountable;
use timely::dataflow::channels::ContainerBytes;

use super::batch::Batch;
use super::engine::{Load, Ticket};
use super::watermark::Signal;
use super::wire;

/// One thing on an edge.
#[derive(Debug, Clone)]
pub enum Message {
    /// Rows.
    Batch(Batch),
    /// A sender's word about the rows that it is still to send.
    Signal {
        /// The worker that sends it.
        from: u32,
        /// What it says.
        signal: Signal,
    },
    /// A change of the job, which takes effect at the tick of this message.
    Control(Control),
}

/// What the control stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Sources give no row of this tick or later. Windows that are open give no result.
    Stop,
    /// Sources end here, as if there were no further rows: what is held comes out.
    Drain,
}

/// A message on its way.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The worker to which it goes, where the edge leads to other workers; 0 and not looked at elsewhere.
    pub to: u32,
    /// What it is.
    pub message: Message,
    /// Counts it as in flight, until its receiver has taken it.
    pub ticket: Option<Ticket>,
}

impl Envelope {
    /// Addresses a message, which nobody counts so far.
    pub fn new(to: u32, message: Message) -> Self {
        Envelope { to, message, ticket: None }
    }

    /// Counts rows as in flight behind an output.
    pub fn count_for(&mut self, load: &Arc<Load>) {
        if let Message::Batch(batch) = &self.message {
            self.ticket = Some(load.ticket(batch.bytes()));
        }
    }
}

/// Messages of one sender, in their order.
///
/// The engine counts messages on both ends of an edge: one that goes to several workers is several messages.
#[derive(Debug, Clone, Default)]
pub struct Messages(pub Vec<Envelope>);

impl Accountable for Messages {
    fn record_count(&self) -> i64 {
        self.0.len() as i64
    }
}

/// Between worker processes. Peers are authenticated and run the same build before the first byte, so that what does
/// not decode is our mistake: it ends the worker process, and its supervisor restarts the attempt.
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
