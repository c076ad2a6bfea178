//! Every limit of the page of metrics, with its reason.
//!
//! A series costs Prometheus some kilobytes of memory for as long as it is kept. A tenant must not be able to fill that of the operator of
//! the node, nor to take the place of another tenant's series.

/// Maximum samples of a page: what an ordinary Prometheus takes in a scrape, about 10 MB of text. A job of ten operators, half of them with
/// plugins, has about 300.
pub(super) const SAMPLES_MAX: usize = 60_000;

/// Maximum operators of a job with metrics of their own, in the order of the job. Jobs that people write have fewer than 30; a generated one
/// may have thousands.
pub(super) const OPERATORS_MAX: usize = 100;

/// Maximum metrics of an operator that its plugin publishes, in the order of their names. The contract allows 100, which times
/// [`OPERATORS_MAX`] would be a tenth of the page for one job.
pub(super) const PLUGIN_METRICS_MAX: usize = 20;

/// Maximum workers of a job with metrics of their own: more than a machine has cores for one job.
pub(super) const WORKERS_MAX: usize = 64;

/// Maximum bytes of the value of a label, escapes of control characters included: names of tenants, jobs and plugins are shorter; that of an
/// operator is cut.
pub(super) const LABEL_BYTES_MAX: usize = 128;

/// Maximum pairs of route and method whose requests are counted: the API has fewer routes. Others count together, so that a caller who
/// invents paths makes no series.
pub(super) const ROUTES_MAX: usize = 200;
