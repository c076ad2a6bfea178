//! How far the splits of a source have come.

use std::sync::Arc;

use super::metrics::NodeMetrics;
use super::source::OpenSplit;
use flowgate_connect::source::Progress;

const NOTHING: Progress = Progress { done: 0, total: 0 };

/// The splits that one worker reads; their sum over all workers is in the source's figures.
pub(super) struct SplitProgress {
    /// What the figures have of each.
    noted: Vec<Progress>,
    metrics: Arc<NodeMetrics>,
}

impl SplitProgress {
    /// Of splits that have been opened.
    pub(super) fn of(splits: &[OpenSplit], metrics: &Arc<NodeMetrics>) -> Self {
        let mut progress = SplitProgress { noted: vec![NOTHING; splits.len()], metrics: Arc::clone(metrics) };
        for (index, split) in splits.iter().enumerate() {
            match split.reader.progress() {
                Some(now) => progress.note(index, Some(now)),
                None => metrics.is_endless(),
            }
        }
        progress
    }

    /// A split has come so far.
    pub(super) fn note(&mut self, index: usize, now: Option<Progress>) {
        if let (Some(now), Some(noted)) = (now, self.noted.get_mut(index)) {
            self.metrics.moved(*noted, now);
            *noted = now;
        }
    }

    /// A split has ended: all of it was read.
    pub(super) fn note_end(&mut self, index: usize) {
        let total = self.noted.get(index).map_or(0, |noted| noted.total);
        self.note(index, Some(Progress { done: total, total }));
    }
}
