//! The text of the status line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthChar;

use super::terminal;
use flowgate::job::graph::{JobGraph, NodeKind};
use flowgate::running::JobState;
use flowgate_base::clock;
use flowgate_connect::source::Progress;
use flowgate_worker::figures;
use flowgate_worker::rows::RowTotals;

/// Rates are over about this time.
const RATE_OVER: Duration = Duration::from_secs(2);

/// Before this time, an estimate of the remaining time is a guess.
const LEFT_AFTER: Duration = Duration::from_secs(1);

/// The line of one job.
pub(super) struct Line {
    graph: JobGraph,
    job: Arc<JobState>,
    started: Instant,
    /// The numbers of rows at times in the recent past.
    past: Vec<(Instant, u64)>,
}

impl Line {
    pub(super) fn new(graph: JobGraph, job: Arc<JobState>) -> Self {
        let started = Instant::now();
        Line { graph, job, started, past: vec![(started, 0)] }
    }

    /// Returns the current line, no longer than one of the terminal: a line that wraps could not be erased.
    pub(super) fn text(&mut self) -> String {
        let (now, rows) = (Instant::now(), RowTotals::of(&self.graph, &self.job.metrics));
        while self.past.len() > 1 && now - self.past[0].0 > RATE_OVER {
            self.past.remove(0);
        }
        let (then, before) = self.past[0];
        let rate = (rows.read - before) as f64 / (now - then).as_secs_f64().max(0.001);
        self.past.push((now, rows.read));
        let mut parts = vec![self.graph.name.clone()];
        if !self.job.stop_requested() {
            parts.extend(progress(self.sources(), now - self.started));
        }
        parts.push(format!("{} rows/s", figures::short(rate)));
        let count = |rows: u64, what: &str| format!("{} {what}", figures::short(rows as f64));
        parts.push(count(rows.read, "read"));
        parts.push(count(rows.delivered, "delivered"));
        for (rows, what) in [
            (rows.waiting, "waiting"),
            (rows.retrying, "retrying"),
            (rows.errors, "errors"),
            (rows.late, "late"),
            (rows.dropped, "dropped"),
        ] {
            if rows > 0 {
                parts.push(count(rows, what));
            }
        }
        if let Some(watermark) = self.job.metrics.watermark() {
            let lag = clock::now_ms().saturating_sub(watermark.0);
            parts.push(format!("watermark {}", figures::time(watermark)));
            parts.push(format!("lag {}", figures::lag(lag)));
        }
        if let Some(last) = self.job.checkpoint_status.last() {
            parts.push(format!("checkpoint {} ago", figures::lag(clock::now_ms().saturating_sub(last.at.0))));
        }
        if self.job.checkpoint_status.failure().is_some() {
            parts.push("checkpoints fail".into());
        }
        let width = terminal::stderr_width().unwrap_or(80).saturating_sub(1);
        head(&parts.join("  "), width.into())
    }

    fn sources(&self) -> impl Iterator<Item = Option<Progress>> {
        let nodes = self.graph.nodes.iter().zip(&self.job.metrics.nodes);
        nodes.filter(|(node, _)| matches!(node.kind, NodeKind::Source(_))).map(|(_, metrics)| metrics.progress())
    }
}

/// Returns the progress of the source that is furthest behind, and the estimate of the remaining time at the speed so far. Empty
/// where a source has no end.
fn progress(sources: impl Iterator<Item = Option<Progress>>, elapsed: Duration) -> Option<String> {
    let share = |of: Progress| if of.total == 0 { 1.0 } else { of.done as f64 / of.total as f64 };
    let shares: Option<Vec<f64>> = sources.map(|source| source.map(share)).collect();
    let done = shares?.into_iter().reduce(f64::min)?.clamp(0.0, 1.0);
    // 100 % is shown only when all is read.
    let mut text = format!("{}%", (done * 100.0).floor());
    if done > 0.0 && done < 1.0 && elapsed >= LEFT_AFTER {
        let left = elapsed.as_secs_f64() * (1.0 - done) / done;
        text += &format!("  {} left", figures::left(left));
    }
    Some(text)
}

/// Returns the beginning of a line, of at most `cells` cells.
fn head(text: &str, cells: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= cells
    };
    text.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(done: u64, total: u64) -> Option<Progress> {
        Some(Progress { done, total })
    }

    #[test]
    fn progress_is_that_of_the_source_behind() {
        let after = |sources: &[Option<Progress>], seconds| {
            progress(sources.iter().copied(), Duration::from_secs(seconds)).unwrap_or_default()
        };
        assert_eq!(after(&[at(25, 100), at(90, 100)], 10), "25%  30s left");
        assert_eq!(after(&[at(999, 1000)], 1), "99%  1s left");
        assert_eq!(after(&[at(5, 10)], 0), "50%");
        assert_eq!(after(&[at(0, 10)], 5), "0%");
        assert_eq!(after(&[at(10, 10), at(0, 0)], 5), "100%");
        // A source without an end has no percentage.
        assert_eq!(after(&[at(10, 10), None], 5), "");
        assert_eq!(after(&[], 5), "");
    }

    #[test]
    fn a_line_is_no_longer_than_the_terminal() {
        assert_eq!(head("abc", 2), "ab");
        assert_eq!(head("漢字", 3), "漢");
        assert_eq!(head("abc", 10), "abc");
    }
}
