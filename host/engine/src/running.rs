//! What a running job shows and takes: its state, its figures, and the limits of what its operators emit at once.

pub use crate::dataflow::{
    Activity, Beginning, CHAINED_MAX, CheckpointStatus, END_OF_TIME, FIRINGS_MAX, FromSavepoint, Holder, JobMetrics,
    JobState, NodeMetrics, OpenSink, PORTION_BYTES_MAX, PORTION_ROWS_MAX, Prospect, RunningJob, Saved, Since, Solo,
    SoloRows, SplitMetrics, Standing, Standings, Started, SwapOptions, Swapped, Swapping, TEXT_BYTES_MAX,
    TEXTS_BYTES_MAX, Taken, Tick, Upcoming, start,
};
