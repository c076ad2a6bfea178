//! The metrics of the node itself.

use super::page::{Page, Times, Value};
use super::requests::RouteFigures;
use super::table;

/// The figures of the node, for the page.
#[derive(Debug, Clone, Default)]
pub struct NodeFigures {
    /// Its version.
    pub version: String,
    /// When it was started, in Unix milliseconds.
    pub since_ms: i64,
    /// Processor time of its process, in microseconds; `None` where the system does not say it, as of memory and disk.
    pub cpu_us: Option<u64>,
    /// Memory of its process.
    pub resident_bytes: Option<u64>,
    /// The file system of its data folder.
    pub disk: Option<Disk>,
    /// Lines of its log that were dropped; `None` for a tenant, whose business it is not, as of compilations.
    pub log_lines_dropped: Option<u64>,
    /// The number of tenants.
    pub tenants: u64,
    /// What each tenant uses of each quota that is shown.
    pub quotas: Vec<QuotaUse>,
    /// Requests to the API, by route.
    pub requests: Vec<RouteFigures>,
    /// The compilation of plugins.
    pub compiles: Option<Compiles>,
}

/// A file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk {
    /// Bytes that are free for the node.
    pub free_bytes: u64,
    /// All bytes.
    pub size_bytes: u64,
}

/// What a tenant uses of a quota, in the quota's unit.
#[derive(Debug, Clone, Default)]
pub struct QuotaUse {
    /// The tenant.
    pub tenant: String,
    /// The quota, by its name in the table of quotas.
    pub quota: &'static str,
    /// What is used; `None` if that is not measured.
    pub used: Option<f64>,
    /// What may be used; `None` without a limit.
    pub limit: Option<f64>,
    /// Requests that were refused because of it.
    pub refusals: u64,
}

/// The compilation of plugins.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compiles {
    /// Plugins that wait.
    pub waiting: u64,
    /// Plugins that are being compiled.
    pub running: u64,
    /// Plugins that were compiled since the start.
    pub done: u64,
    /// Plugins that were refused or could not be compiled.
    pub failed: u64,
}

/// Adds the metrics of the node. Returns the number of samples that are left out.
pub(super) fn add(page: &mut Page, node: &NodeFigures) -> usize {
    let seconds = |us: u64| Value::Measure(us as f64 / 1e6);
    let mut left_out = 0;
    let mut set = |metric, labels: &[&str], value| left_out += page.add(metric, labels, value);
    set(&table::NODE_INFO, &[&node.version], Value::Count(1));
    set(&table::NODE_START_TIME, &[], Value::Measure(node.since_ms as f64 / 1e3));
    node.cpu_us.into_iter().for_each(|us| set(&table::NODE_CPU, &[], seconds(us)));
    node.resident_bytes.into_iter().for_each(|bytes| set(&table::NODE_MEMORY, &[], Value::Count(bytes)));
    if let Some(disk) = node.disk {
        set(&table::NODE_DISK_FREE, &[], Value::Count(disk.free_bytes));
        set(&table::NODE_DISK_SIZE, &[], Value::Count(disk.size_bytes));
    }
    node.log_lines_dropped.into_iter().for_each(|lines| set(&table::NODE_LOG_DROPPED, &[], Value::Count(lines)));
    set(&table::TENANTS, &[], Value::Count(node.tenants));
    if let Some(compiles) = node.compiles {
        set(&table::COMPILES_WAITING, &[], Value::Count(compiles.waiting));
        set(&table::COMPILES_RUNNING, &[], Value::Count(compiles.running));
        set(&table::COMPILES, &["done"], Value::Count(compiles.done));
        set(&table::COMPILES, &["failed"], Value::Count(compiles.failed));
    }
    for of in &node.quotas {
        let labels = [of.tenant.as_str(), of.quota];
        of.used.into_iter().for_each(|used| set(&table::QUOTA_USED, &labels, Value::Measure(used)));
        of.limit.into_iter().for_each(|limit| set(&table::QUOTA_LIMIT, &labels, Value::Measure(limit)));
        set(&table::QUOTA_REFUSALS, &labels, Value::Count(of.refusals));
    }
    for of in &node.requests {
        for (class, count) in of.classes() {
            left_out += page.add(&table::API_REQUESTS, &[&of.route, &of.method, class], Value::Count(count));
        }
        let times = Times { counts: &of.times, sum_us: of.time_us };
        left_out += page.add_times(&table::API_TIME, &[&of.route, &of.method], times);
    }
    left_out
}
