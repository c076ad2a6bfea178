//! Collects rows and delivers them.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arrow_array::ArrayRef;
use ureq::Agent;

use super::endpoint::Endpoint;
use super::outcome::Outcome;
use crate::connector::encode::JsonEncoder;
use crate::connector::limits;
use crate::connector::sink::{Deliveries, Dropped, SinkWriter};
use crate::error::{Error, Result};
use crate::job::spec::{OnError, WebhookFormat};
use crate::schema::Schema;

/// Posts rows, at most `batch_rows` in a request; what waits is sent when nothing more comes at once. Rows are delivered in
/// order: a request is not sent before the one before it was delivered or given up.
pub(crate) struct WebhookSink {
    endpoint: Endpoint,
    agent: Agent,
    encoder: JsonEncoder,
    /// The rows of the next request as JSON lines.
    body: Vec<u8>,
    rows: usize,
    dropped: Dropped,
    deliveries: Arc<Deliveries>,
}

impl WebhookSink {
    /// Opens no connection before there are rows.
    pub(crate) fn new(endpoint: Endpoint, schema: &Schema) -> Self {
        let (agent, encoder) = (endpoint.agent(), JsonEncoder::new(schema));
        let dropped = Dropped::default();
        WebhookSink { endpoint, agent, encoder, body: Vec::new(), rows: 0, dropped, deliveries: Arc::default() }
    }

    /// Sends what has been collected.
    fn send(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let mut body = std::mem::take(&mut self.body);
        if rows == 0 {
            return Ok(());
        }
        if self.endpoint.format == WebhookFormat::Array {
            body = array(&body);
        }
        let delivered = self.deliver(&body, rows as u64);
        self.deliveries.retry_ended();
        let Err(why) = delivered else {
            self.deliveries.add_delivered(rows as u64);
            return Ok(());
        };
        let message = format!("cannot deliver rows to {}: {why}", self.endpoint.shown);
        match self.endpoint.on_error {
            OnError::Fail => Err(Error::external(message)),
            OnError::Skip => {
                self.dropped.add(rows as u64, message);
                Ok(())
            }
        }
    }

    /// One request, as often as it has to be sent; why it cannot be delivered.
    fn deliver(&self, body: &[u8], rows: u64) -> std::result::Result<(), String> {
        let mut attempt = 1;
        loop {
            let mut request = self.agent.post(&self.endpoint.url);
            if let Some(headers) = request.headers_mut() {
                headers.extend(self.endpoint.headers.clone());
            }
            match Outcome::of(request.send(body)) {
                Outcome::Delivered => return Ok(()),
                Outcome::Refused(why) => return Err(why),
                Outcome::Again { why, .. } if attempt == self.endpoint.attempts => {
                    return Err(match attempt {
                        1 => why,
                        _ => format!("{why} (after {attempt} attempts)"),
                    });
                }
                Outcome::Again { after_ms, .. } => {
                    self.deliveries.retry(rows);
                    let wait_ms = self.endpoint.wait_ms(attempt, after_ms);
                    thread::sleep(Duration::from_millis(wait_ms.unsigned_abs()));
                    attempt += 1;
                }
            }
        }
    }
}

impl SinkWriter for WebhookSink {
    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()> {
        for row in 0..row_count {
            self.encoder.encode(columns, row..row + 1, &mut self.body);
            self.rows += 1;
            if self.rows == self.endpoint.batch_rows || self.body.len() >= limits::WEBHOOK_BODY_BYTES_MAX {
                self.send()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.send()
    }

    fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.dropped)
    }

    fn deliveries(&self) -> Option<Arc<Deliveries>> {
        Some(Arc::clone(&self.deliveries))
    }
}

/// JSON lines as one array. Within a line there are no line ends: JSON texts have them escaped.
fn array(lines: &[u8]) -> Vec<u8> {
    let mut array = vec![b'['];
    array.extend_from_slice(lines.strip_suffix(b"\n").unwrap_or(lines));
    array.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b',');
    array.push(b']');
    array
}
