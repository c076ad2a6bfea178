//! The progress of the splits of a source.

use std::sync::Arc;

use super::metrics::NodeMetrics;
use super::source::OpenSplit;
use flowgate_connect::source::Progress;

const NOTHING: Progress = Progress { done: 0, total: 0 };

/// The progress of the splits that one worker reads. The source's metrics have the sum over all workers.
pub(super) struct SplitProgress {
    /// By split: the progress that the metrics contain.
    noted: Vec<Progress>,
    metrics: Arc<NodeMetrics>,
}

impl SplitProgress {
    /// Creates the progress of opened splits, and notes it in the metrics.
    pub(super) fn of(splits: &[OpenSplit], metrics: &Arc<NodeMetrics>) -> Self {
        let mut progress = SplitProgress { noted: vec![NOTHING; splits.len()], metrics: Arc::clone(metrics) };
        for (index, split) in splits.iter().enumerate() {
            match split.reader.progress() {
                Some(now) => progress.note(index, Some(now)),
                None => metrics.note_endless(),
            }
        }
        progress
    }

    /// Notes the progress of a split.
    pub(super) fn note(&mut self, index: usize, now: Option<Progress>) {
        if let (Some(now), Some(noted)) = (now, self.noted.get_mut(index)) {
            self.metrics.note_progress(*noted, now);
            *noted = now;
        }
    }

    /// Notes that a split has been read to its end.
    pub(super) fn note_end(&mut self, index: usize) {
        let total = self.noted.get(index).map_or(0, |noted| noted.total);
        self.note(index, Some(Progress { done: total, total }));
    }
}
