//! The page: samples in the text format of Prometheus, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
//!
//! Metrics are in the order of the table, the samples of a metric in that of their labels: the same figures are the same page.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::limits::{LABEL_BYTES_MAX, SAMPLES_MAX};
use super::table::{self, Kind, Metric};
use flowgate_base::shown::one_line;

/// The content type of a page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A value of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    /// A count.
    Count(u64),
    /// A measure.
    Measure(f64),
}

/// Counts of what took at most so long: number `i` has what took at most 2^i microseconds, and more than those before it; the last one has the
/// rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times<'a> {
    /// The counts.
    pub(super) counts: &'a [u64],
    /// The sum of all times.
    pub(super) sum_us: u64,
}

impl Times<'_> {
    /// The number of samples.
    pub(super) fn samples(&self) -> usize {
        self.counts.len().saturating_sub(1).min(64).div_ceil(BOUNDS_APART) + 3
    }
}

/// Every second bound of [`Times`] is on the page, 1 us, 4 us ... 16.8 s: 14 samples instead of 26, and a quantile is still within a factor of
/// four.
const BOUNDS_APART: usize = 2;

#[derive(Debug)]
enum Sample {
    Value(Value),
    /// Bounds in microseconds with their cumulative counts, the count of all, and the sum in microseconds.
    Histogram(Vec<(u64, u64)>, u64, u64),
}

impl Sample {
    fn len(&self) -> usize {
        match self {
            Sample::Value(_) => 1,
            Sample::Histogram(bounds, ..) => bounds.len() + 3,
        }
    }
}

/// The samples of a page, at most [`SAMPLES_MAX`].
#[derive(Debug)]
pub(super) struct Page {
    /// By name of the metric and values of its labels.
    samples: BTreeMap<&'static str, BTreeMap<Vec<String>, Sample>>,
    len: usize,
    len_max: usize,
}

impl Page {
    /// Creates a page that keeps room for so many samples until [`Page::open`] is called.
    pub(super) fn with_reserve(samples: usize) -> Self {
        Page { samples: BTreeMap::new(), len: 0, len_max: SAMPLES_MAX.saturating_sub(samples) }
    }

    /// Gives the reserve up.
    pub(super) fn open(&mut self) {
        self.len_max = SAMPLES_MAX;
    }

    /// Returns how many samples it may still take.
    pub(super) fn room(&self) -> usize {
        self.len_max - self.len
    }

    /// Adds a sample; `labels` are the values of the metric's labels. Returns the samples that are left out: 1, if the page is full or has one
    /// with these labels.
    pub(super) fn add(&mut self, metric: &'static Metric, labels: &[&str], value: Value) -> usize {
        debug_assert!(metric.kind != Kind::Histogram);
        self.insert(metric, labels, Sample::Value(value))
    }

    /// Adds a histogram, or leaves all of it out.
    pub(super) fn add_times(&mut self, metric: &'static Metric, labels: &[&str], times: Times<'_>) -> usize {
        debug_assert!(metric.kind == Kind::Histogram);
        let bounded = times.counts.len().saturating_sub(1);
        let (mut bounds, mut so_far) = (Vec::with_capacity(bounded / BOUNDS_APART + 1), 0_u64);
        for (at, count) in times.counts.iter().enumerate() {
            so_far = so_far.saturating_add(*count);
            if at < bounded.min(64) && at % BOUNDS_APART == 0 {
                bounds.push((1 << at, so_far));
            }
        }
        self.insert(metric, labels, Sample::Histogram(bounds, so_far, times.sum_us))
    }

    fn insert(&mut self, metric: &'static Metric, labels: &[&str], sample: Sample) -> usize {
        debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
        let len = sample.len();
        let labels: Vec<String> = labels.iter().map(|value| one_line(value, LABEL_BYTES_MAX)).collect();
        let samples = self.samples.entry(metric.name).or_default();
        if self.len + len > self.len_max || samples.contains_key(&labels) {
            return len;
        }
        samples.insert(labels, sample);
        self.len += len;
        0
    }

    /// Returns the text.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(128 * self.len);
        for metric in table::ALL {
            let Some(samples) = self.samples.get(metric.name).filter(|samples| !samples.is_empty()) else { continue };
            let help = metric.meaning.replace('\\', "\\\\").replace('\n', "\\n");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {} {help}\n# TYPE {} {}", metric.name, metric.name, metric.kind.name());
            for (labels, sample) in samples {
                let labels = metric.labels.iter().copied().zip(labels.iter().map(String::as_str));
                write_sample(&mut text, metric.name, labels, sample);
            }
        }
        text
    }
}

fn write_sample<'a>(text: &mut String, name: &str, labels: impl Iterator<Item = (&'a str, &'a str)>, sample: &Sample) {
    let labels: Vec<String> = labels.map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
    let labels = labels.join(",");
    // Writing to a string cannot fail.
    let mut line = |suffix: &str, bound: Option<String>, value: String| {
        let bound = bound.map(|bound| format!("le=\"{bound}\""));
        let _ = match (labels.is_empty(), bound) {
            (true, None) => writeln!(text, "{name}{suffix} {value}"),
            (true, Some(bound)) => writeln!(text, "{name}{suffix}{{{bound}}} {value}"),
            (false, None) => writeln!(text, "{name}{suffix}{{{labels}}} {value}"),
            (false, Some(bound)) => writeln!(text, "{name}{suffix}{{{labels},{bound}}} {value}"),
        };
    };
    match sample {
        Sample::Value(Value::Count(count)) => line("", None, count.to_string()),
        Sample::Value(Value::Measure(measure)) => line("", None, number(*measure)),
        Sample::Histogram(bounds, count, sum_us) => {
            for (bound_us, so_far) in bounds {
                line("_bucket", Some(number(*bound_us as f64 / 1e6)), so_far.to_string());
            }
            line("_bucket", Some("+Inf".into()), count.to_string());
            line("_sum", None, number(*sum_us as f64 / 1e6));
            line("_count", None, count.to_string());
        }
    }
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        value => value.to_string(),
    }
}

/// Escapes the value of a label. Line feeds and other control characters are gone before.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
