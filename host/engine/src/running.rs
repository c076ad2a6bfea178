//! What a running job shows and takes: its state, its figures, and the limits of what its operators emit at once.

pub use crate::dataflow::{
    Activity, Beginning, CHAINED_MAX, CanaryDifference, CanaryOptions, CanaryReport, CheckpointStatus,
    ColumnDifference, DifferenceOf, END_OF_TIME, FIRINGS_MAX, FromSavepoint, Holder, JobMetrics, JobState, NodeMetrics,
    OpenSink, PORTION_BYTES_MAX, PORTION_ROWS_MAX, Prospect, RunningCanary, RunningJob, RunningTap, Said, Saved, Since,
    Solo, SoloRows, SplitMetrics, Standing, Standings, StartOptions, Started, Sums, SwapOptions, Swapped, Swapping,
    TAPS_MAX, TEXT_BYTES_MAX, TEXTS_BYTES_MAX, Taken, TappedRows, Tick, Took, Traffic, Upcoming, current_worker, start,
};
