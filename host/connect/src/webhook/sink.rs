//! Collects rows and delivers them.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::ArrayRef;
use ureq::Agent;

use super::endpoint::Endpoint;
use super::outcome::Outcome;
use crate::encode::JsonEncoder;
use crate::error::SinkError;
use crate::limits;
use crate::policy::Policy;
use crate::settings::{OnError, WebhookFormat};
use crate::sink::{Begin, Committable, Deliveries, Dropped, SinkWriter};
use crate::stop::Stop;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;

/// Posts rows, at most `batch_rows` in a request; waiting rows are sent when no more arrive. Rows are delivered in order: a
/// request is not sent before the previous one was delivered or given up.
///
/// When the job is to stop, a failing request is tried again for at most [`limits::WEBHOOK_STOP_MS`]. Once one was given up for
/// that reason, the rows behind it are dropped without an attempt, and counted.
pub(crate) struct WebhookSink {
    endpoint: Endpoint,
    agent: Agent,
    encoder: JsonEncoder,
    /// The rows of the next request as JSON lines.
    body: Vec<u8>,
    rows: usize,
    dropped: Dropped,
    deliveries: Arc<Deliveries>,
    stop: Arc<Stop>,
    /// Rows that were given up because the job was stopped, and the reason for the first of them.
    given_up: Dropped,
}

/// Why a request was not delivered.
enum Undelivered {
    Failed(String),
    /// A further attempt might have succeeded, but the job was stopped.
    Stopped(String),
}

impl WebhookSink {
    /// Creates a sink; it opens no connection before there are rows, and none that the policy does not grant.
    pub(crate) fn new(endpoint: Endpoint, schema: &Schema, policy: Option<&Arc<Policy>>) -> Self {
        let (agent, encoder) = (endpoint.agent(policy), JsonEncoder::new(schema));
        WebhookSink {
            endpoint,
            agent,
            encoder,
            body: Vec::new(),
            rows: 0,
            dropped: Dropped::default(),
            deliveries: Arc::default(),
            stop: Arc::default(),
            given_up: Dropped::default(),
        }
    }

    /// Sends the collected rows.
    fn send(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let mut body = std::mem::take(&mut self.body);
        if rows == 0 {
            return Ok(());
        }
        if self.endpoint.format == WebhookFormat::Array {
            body = array(&body);
        }
        if let Some(why) = self.given_up.first.clone() {
            self.give_up(rows as u64, why);
            return Ok(());
        }
        let delivered = self.deliver(&body, rows as u64);
        self.deliveries.retry_ended();
        let Err(undelivered) = delivered else {
            self.deliveries.add_delivered(rows as u64);
            return Ok(());
        };
        let message = |why: &str| format!("cannot deliver rows to {}: {why}", self.endpoint.shown);
        match (undelivered, self.endpoint.on_error) {
            (Undelivered::Stopped(why), _) => self.give_up(rows as u64, message(&why)),
            (Undelivered::Failed(why), OnError::Fail) => {
                return Err(Error::from(SinkError::Undelivered(message(&why))));
            }
            (Undelivered::Failed(why), OnError::Skip) => self.dropped.add(rows as u64, message(&why)),
        }
        Ok(())
    }

    fn give_up(&mut self, rows: u64, why: String) {
        self.given_up.add(rows, why.clone());
        self.dropped.add(rows, why);
    }

    /// Sends one request, with all of its attempts; the error is why it cannot be delivered.
    fn deliver(&self, body: &[u8], rows: u64) -> std::result::Result<(), Undelivered> {
        let grace = Duration::from_millis(limits::WEBHOOK_STOP_MS);
        let mut attempt = 1;
        loop {
            let mut request = self.agent.post(&self.endpoint.url);
            if let Some(headers) = request.headers_mut() {
                headers.extend(self.endpoint.headers.clone());
            }
            // A request that begins after a stop ends soon, whatever the server does.
            let request = match self.stop.left_of(grace) {
                Some(left) => {
                    let timeout = self.endpoint.timeout.min(left.max(grace / 5));
                    request.config().timeout_global(Some(timeout)).build()
                }
                None => request,
            };
            let attempts = |why: String| match attempt {
                1 => why,
                _ => format!("{why} (after {attempt} attempts)"),
            };
            match Outcome::of(request.send(body)) {
                Outcome::Delivered => return Ok(()),
                Outcome::Refused(why) => return Err(Undelivered::Failed(why)),
                Outcome::Again { why, .. } if attempt == self.endpoint.attempts => {
                    return Err(Undelivered::Failed(attempts(why)));
                }
                Outcome::Again { why, after_ms } => {
                    self.deliveries.will_retry(rows);
                    let wait_ms = self.endpoint.wait_ms(attempt, after_ms);
                    if !self.stop.sleep(Duration::from_millis(wait_ms.unsigned_abs()), grace) {
                        return Err(Undelivered::Stopped(attempts(why)));
                    }
                    self.deliveries.retries_now();
                    attempt += 1;
                }
            }
        }
    }

    /// Ends the sink: rows that were given up fail a job that must not lose any.
    fn close(&mut self) -> Result<()> {
        self.send()?;
        match (&self.given_up.first, self.endpoint.on_error) {
            (Some(why), OnError::Fail) => {
                let rows = self.given_up.rows;
                Err(Error::from(SinkError::Undelivered(format!(
                    "{why}; the job was stopped, {rows} rows were not delivered"
                ))))
            }
            _ => Ok(()),
        }
    }
}

impl SinkWriter for WebhookSink {
    fn start(&mut self, stop: &Arc<Stop>, _begin: Begin<'_>) -> Result<()> {
        self.stop = Arc::clone(stop);
        Ok(())
    }

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

    /// Delivers; what is delivered needs no commit.
    fn prepare(&mut self, _is_last: bool) -> Result<Option<Committable>> {
        self.close()?;
        Ok(None)
    }

    fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.dropped)
    }

    fn deliveries(&self) -> Option<Arc<Deliveries>> {
        Some(Arc::clone(&self.deliveries))
    }
}

/// Returns JSON lines as one array. Within a line there are no line ends: JSON texts escape them.
fn array(lines: &[u8]) -> Vec<u8> {
    let mut array = vec![b'['];
    array.extend_from_slice(lines.strip_suffix(b"\n").unwrap_or(lines));
    array.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b',');
    array.push(b']');
    array
}
