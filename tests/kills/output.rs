//! The committed output of a job.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::store::names;

/// The rows of each sink as they are written, sorted.
#[derive(Debug, PartialEq)]
pub(crate) struct Output(BTreeMap<String, Vec<String>>);

impl Output {
    /// Reads the parts of sinks whose folders have their names.
    pub(crate) fn read(job: &Path, sinks: &[String]) -> Self {
        Output(sinks.iter().map(|sink| (sink.clone(), rows(&job.join(sink)))).collect())
    }

    /// Returns the number of rows of each sink.
    pub(crate) fn counts(&self) -> Vec<(&str, usize)> {
        self.0.iter().map(|(sink, rows)| (sink.as_str(), rows.len())).collect()
    }

    /// Describes how it differs from `expected`; `None` if it does not.
    pub(crate) fn differs_from(&self, expected: &Output) -> Option<String> {
        let differing = self.0.iter().filter(|(sink, rows)| expected.0.get(*sink) != Some(*rows));
        let lines: Vec<String> = differing
            .map(|(sink, rows)| {
                let expected = &expected.0[sink];
                let (lost, more) = (missing(expected, rows), missing(rows, expected));
                format!(
                    "{sink}: {} rows, not {}; lost {}: {:?}; too many {}: {:?}",
                    rows.len(),
                    expected.len(),
                    lost.len(),
                    &lost[..lost.len().min(3)],
                    more.len(),
                    &more[..more.len().min(3)]
                )
            })
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

/// Returns rows of `all` that are not in `of`, as often as they are missing. Both are sorted.
fn missing<'a>(all: &'a [String], of: &[String]) -> Vec<&'a str> {
    let mut of = of.iter().peekable();
    let is_missing = |row: &&String| {
        while of.next_if(|other| other < row).is_some() {}
        of.next_if(|other| other == row).is_none()
    };
    all.iter().filter(is_missing).map(String::as_str).collect()
}

fn rows(folder: &Path) -> Vec<String> {
    let mut rows = Vec::new();
    for name in names(folder).iter().filter(|name| name.starts_with("part-")) {
        let text = fs::read_to_string(folder.join(name)).expect("a part is text");
        assert!(text.is_empty() || text.ends_with('\n'), "{name} ends within a row");
        let headers = usize::from(name.ends_with(".csv"));
        rows.extend(text.lines().skip(headers).map(str::to_owned));
    }
    rows.sort_unstable();
    rows
}
