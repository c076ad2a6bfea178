//! The edges of a running job's graph, for a picture of it.

use crate::status::{Input, Operator, Status};

/// An edge: one operator reads an output of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge<'a> {
    /// The operator whose output is read, and which output.
    pub from: &'a Input,
    /// The operator that reads it.
    pub to: &'a str,
    /// Rows of that output, whether or not they have arrived; `None` for an output that a plugin names, whose rows are not counted.
    pub rows: Option<u64>,
    /// Their bytes in memory; of main outputs only.
    pub bytes: Option<u64>,
    /// The watermark that the receiver has received from all of its senders; `None` before the first one, and without event time.
    pub watermark_ms: Option<i64>,
    /// How full the edge is: the share of the last seconds in which its sender, or what brings the rows to their worker, could not emit, on
    /// the worker where that was most, in thousandths. A sender of several edges cannot emit while one of them is full.
    pub full_permille: u16,
}

impl Status {
    /// Returns the edges, in the order of their receivers.
    pub fn edges(&self) -> Vec<Edge<'_>> {
        let inputs = self.operators.iter().flat_map(|to| to.inputs.iter().map(move |from| (from, to)));
        inputs.filter_map(|(from, to)| self.edge(from, to)).collect()
    }

    fn edge<'a>(&'a self, from: &'a Input, to: &'a Operator) -> Option<Edge<'a>> {
        let sender = self.operator(&from.operator)?;
        let (rows, bytes) = match from.output.as_str() {
            "" => (Some(sender.rows_out), Some(sender.traffic.bytes_out)),
            "errors" => (Some(sender.errors), None),
            "late" => (Some(sender.late), None),
            _ => (None, None),
        };
        Some(Edge {
            from,
            to: &to.name,
            rows,
            bytes,
            watermark_ms: to.watermark_ms(),
            full_permille: sender.output_full_permille().max(to.rows_wait_permille),
        })
    }

    /// Returns how far the watermark of the whole job is behind the clock, in milliseconds; `None` without event time, and when all is read.
    pub fn watermark_lag_ms(&self) -> Option<i64> {
        self.watermark_ms().and_then(|at| self.lag_ms(at))
    }

    /// Returns how far a watermark is behind the clock, in milliseconds, at least 0; `None` for the last one, behind which nothing comes.
    pub fn lag_ms(&self, watermark_ms: i64) -> Option<i64> {
        (watermark_ms < i64::MAX).then(|| self.now_ms.saturating_sub(watermark_ms).max(0))
    }
}

impl Operator {
    /// Returns the share of the last seconds in which the operator could not emit, on the worker where that was most, in thousandths.
    pub fn output_full_permille(&self) -> u16 {
        self.on_workers.iter().map(|on| on.load.output_full_permille).max().unwrap_or(0)
    }
}

#[cfg(test)]
#[path = "edges_tests.rs"]
mod tests;
