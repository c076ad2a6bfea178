//! The life of a batch, in the order in which it meets the files.
//!
//! [`worker`] starts the worker threads of a job and is their loop; [`build`] builds the dataflow of a checked graph. [`source`]
//! reads rows at a tick, and waits when too much is in flight; [`assign`] assigns event times to a stream; [`slot`] calls a plugin
//! function; [`shuffle`] brings all rows of a key to one worker; [`window`] aggregates; [`join`] joins two streams; [`process`]
//! runs functions with state and timers; [`sink`] writes rows to the outside, and [`sinks`] is the state that all sinks of a job
//! share. [`engine`] has the operator's contract and shell, and the only files that know Timely; [`watermark`] is the protocol of
//! time; [`taps`] show a sample of rows to who asks; [`swap`] puts later versions of functions in place of those that run; [`canary`]
//! runs one beside them. Tests in `simulation` try all orders of arrival. [`solo`] runs one process function without the engine.

mod alarm;
pub(crate) mod alignment;
pub(crate) mod assign;
pub(crate) mod batch;
pub(crate) mod build;
pub(crate) mod canary;
pub(crate) mod checkpoint;
pub(crate) mod dead_letter;
pub(crate) mod engine;
mod expansion;
mod job_clock;
pub(crate) mod job_state;
pub(crate) mod join;
pub(crate) mod message;
pub(crate) mod metrics;
mod pace;
#[cfg(test)]
mod pace_tests;
pub(crate) mod pending;
pub(crate) mod portions;
pub(crate) mod process;
mod progress;
mod quotas;
pub(crate) mod select;
pub(crate) mod shuffle;
pub(crate) mod since;
pub(crate) mod sink;
pub(crate) mod sinks;
pub(crate) mod slot;
pub(crate) mod solo;
pub(crate) mod source;
pub(crate) mod split_metrics;
pub(crate) mod standing;
pub(crate) mod swap;
pub(crate) mod taps;
mod traffic;
mod turn;
pub(crate) mod union;
pub(crate) mod upcoming;
pub(crate) mod watermark;
pub(crate) mod window;
pub(crate) mod wire;
pub(crate) mod worker;
mod writing;

pub use canary::report::{CanaryDifference, CanaryReport, ColumnDifference, DifferenceOf, Said, Took};
pub use canary::request::{CanaryOptions, RunningCanary};
pub(crate) use checkpoint::adopt::prospect;
pub use checkpoint::adopt::{FromSavepoint, Prospect};
pub use checkpoint::begin::Beginning;
pub use checkpoint::saving::Saved;
pub use checkpoint::status::{CheckpointStatus, Sums, Taken};
pub use dead_letter::{TEXT_BYTES_MAX, TEXTS_BYTES_MAX};
pub use engine::Tick;
pub use job_state::{JobState, current_worker};
pub use metrics::{JobMetrics, NodeMetrics, Standings};
pub use portions::{PORTION_BYTES_MAX, PORTION_ROWS_MAX};
pub use process::firing::{CHAINED_MAX, FIRINGS_MAX};
pub use since::Since;
pub use solo::{Solo, SoloRows};
pub use split_metrics::SplitMetrics;
pub use standing::{Holder, Standing};
pub use swap::request::{SwapOptions, Swapped, Swapping};
pub use taps::{RunningTap, TAPS_MAX, TappedRows};
pub use traffic::Traffic;
pub use upcoming::Upcoming;
pub use watermark::{Activity, END_OF_TIME};
pub use worker::{OpenSink, RunningJob, StartOptions, Started, start};

#[cfg(test)]
mod job_tests;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod standing_tests;
