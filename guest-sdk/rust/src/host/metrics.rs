//! Figures that the host publishes under the operator's name: at most 100 names, each of letters, digits and `_`.

use crate::host::imports;

/// Adds to a counter, which only grows.
///
/// ```
/// let host = flowgate_sdk::testing::Host::new().install();
/// flowgate_sdk::metrics::add("robots", 2);
/// flowgate_sdk::metrics::add("robots", 1);
/// assert_eq!(host.counter("robots"), 3);
/// ```
pub fn add(counter: &str, n: u64) {
    imports::add(counter, n);
}

/// Sets a gauge.
///
/// ```
/// let host = flowgate_sdk::testing::Host::new().install();
/// flowgate_sdk::metrics::set("table_entries", 12.0);
/// assert_eq!(host.gauge("table_entries"), Some(12.0));
/// ```
pub fn set(gauge: &str, value: f64) {
    imports::set(gauge, value);
}
