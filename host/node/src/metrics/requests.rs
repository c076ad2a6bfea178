//! Counts of the requests to the API, by route and method, while the node runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::limits::ROUTES_MAX;

/// Buckets of times, as those of a job's calls: number `i` took at most 2^i microseconds.
const BUCKETS: usize = 26;

/// The route and method of requests beyond those that are counted by themselves.
const OTHER: &str = "other";

/// The requests of one route and method.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteFigures {
    /// The route as it is defined, with the names of its parameters: `/v1/jobs/{job}`.
    pub route: String,
    /// The method.
    pub method: String,
    /// Responses by class of status, from `1xx` to `5xx`.
    pub by_class: [u64; 5],
    /// Responses by the time that they took: number `i` at most 2^i microseconds, and more than those before it; the last one all the rest.
    pub times: Vec<u64>,
    /// All of these times, in microseconds.
    pub time_us: u64,
}

impl RouteFigures {
    /// The classes of status with responses, and their number.
    pub(super) fn classes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(self.by_class).filter(|(_, count)| *count > 0)
    }
}

/// The requests since the start of the node.
#[derive(Debug, Default)]
pub struct Requests {
    by_route: Mutex<BTreeMap<(String, String), RouteFigures>>,
}

impl Requests {
    /// Counts a response with this status. `route` is the one that matched, with the names of its parameters, never the path itself: that
    /// has names of tenants in it, and there is no end of them.
    pub fn note(&self, route: &str, method: &str, status: u16, took: Duration) {
        let mut by_route = self.by_route.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (route.to_string(), method.to_string());
        let known = by_route.contains_key(&key) || by_route.len() < ROUTES_MAX;
        let (route, method) = if known { key } else { (OTHER.into(), OTHER.into()) };
        let figures = by_route.entry((route, method)).or_insert_with_key(|(route, method)| RouteFigures {
            route: route.clone(),
            method: method.clone(),
            times: vec![0; BUCKETS],
            ..RouteFigures::default()
        });
        let micros = u64::try_from(took.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - micros.saturating_sub(1).leading_zeros()) as usize;
        figures.times[bucket.min(BUCKETS - 1)] += 1;
        figures.time_us = figures.time_us.saturating_add(micros);
        figures.by_class[usize::from(status / 100).clamp(1, 5) - 1] += 1;
    }

    /// Returns the requests so far, in the order of routes and methods.
    pub fn figures(&self) -> Vec<RouteFigures> {
        self.by_route.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_count_by_route_method_and_class() {
        let requests = Requests::default();
        requests.note("/v1/jobs/{job}", "GET", 200, Duration::from_micros(900));
        requests.note("/v1/jobs/{job}", "GET", 404, Duration::from_micros(3));
        requests.note("/v1/jobs", "POST", 201, Duration::from_secs(60));
        let figures = requests.figures();
        assert_eq!((figures.len(), figures[1].by_class, figures[1].time_us), (2, [0, 1, 0, 1, 0], 903));
        assert_eq!((figures[1].times[10], figures[1].times[2], figures[0].times[BUCKETS - 1]), (1, 1, 1));
        assert_eq!(figures[1].classes().collect::<Vec<_>>(), [("2xx", 1), ("4xx", 1)]);
    }

    #[test]
    fn invented_routes_make_no_series() {
        let requests = Requests::default();
        (0..10 * ROUTES_MAX).for_each(|i| requests.note(&format!("/{i}"), "GET", 404, Duration::ZERO));
        let figures = requests.figures();
        assert_eq!(figures.len(), ROUTES_MAX + 1);
        assert_eq!(figures.iter().map(|of| of.by_class[3]).sum::<u64>(), 10 * ROUTES_MAX as u64);
    }
}
