//! Every connector. A new one has a folder of its own, and one line here.

use crate::entry::{Entry, Kind};
use crate::settings::*;
use crate::sink::ConfiguredSink;
use crate::source::ConfiguredSource;

impl Kind for ConfiguredSource {
    const WORD: &'static str = "source";

    const LISTED: &'static [Entry<Self>] = &[
        Entry::of::<FileSource>(),
        Entry::of::<StdinSource>(),
        Entry::of::<Generator>(),
        Entry::of::<Nexmark>(),
        Entry::of::<System>(),
    ];

    const UNLISTED: &'static [Entry<Self>] = &[];
}

impl Kind for ConfiguredSink {
    const WORD: &'static str = "sink";

    const LISTED: &'static [Entry<Self>] =
        &[Entry::of::<Print>(), Entry::of::<FileSink>(), Entry::of::<Webhook>(), Entry::of::<Blackhole>()];

    const UNLISTED: &'static [Entry<Self>] = &[Entry::of::<Tap>()];
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use super::*;

    /// Goal: the registry keeps the trait's promises about names, examples and defaults. Method: each complete example is
    /// completed, twice, and configured without a folder.
    fn keeps_its_promises<K: Kind>() {
        let mut names = HashSet::new();
        for entry in K::LISTED.iter().chain(K::UNLISTED) {
            assert!(names.insert(entry.name), "two {}s are called {}", K::WORD, entry.name);
            assert_eq!(Entry::<K>::find(entry.name).unwrap().summary, entry.summary);
            assert!(entry.summary.ends_with('.'), "{}", entry.summary);
            if entry.example.contains("...") {
                continue;
            }
            let example = quoted(entry.example);
            let complete = (entry.complete)(serde_json::from_str(&example).unwrap()).unwrap();
            assert_eq!((entry.complete)(complete.clone()).unwrap(), complete, "{}", entry.name);
            assert!((entry.configure)(complete, Path::new("/nowhere")).is_ok(), "{}", entry.name);
        }
        assert!(Entry::<K>::find("no such connector").is_none());
    }

    /// The table of `docs/connectors.md` has the connectors, kinds and guarantees of the registry, in its order.
    #[test]
    fn the_page_has_every_connector_with_its_guarantee() {
        fn rows<K: Kind>() -> Vec<String> {
            let rows = |entry: &'static Entry<K>| {
                let cases = std::iter::once(("", entry.guarantee)).chain(entry.guarantee_cases.iter().copied());
                cases.map(|(case, guarantee)| {
                    let case = if case.is_empty() { String::new() } else { format!(", {case}") };
                    format!("| {} | `{}`{case} | {guarantee} |", K::WORD, entry.name)
                })
            };
            K::LISTED.iter().flat_map(rows).collect()
        }
        let page = include_str!("../../../docs/connectors.md");
        let starts = |line: &&str| line.starts_with("| source | ") || line.starts_with("| sink | ");
        let told: Vec<String> =
            page.lines().filter(starts).map(|line| line.split_inclusive('|').take(4).collect::<String>()).collect();
        assert_eq!(told, [rows::<ConfiguredSource>(), rows::<ConfiguredSink>()].concat());
    }

    /// Returns `{ path: a }` as JSON.
    fn quoted(example: &str) -> String {
        let inner = example.trim_matches(|c| "{} ".contains(c));
        match inner.split_once(": ") {
            Some((name, value)) => format!("{{\"{name}\":\"{value}\"}}"),
            None => "{}".into(),
        }
    }

    #[test]
    fn every_source_keeps_the_promises_of_its_entry() {
        keeps_its_promises::<ConfiguredSource>();
    }

    #[test]
    fn every_sink_keeps_the_promises_of_its_entry() {
        keeps_its_promises::<ConfiguredSink>();
    }

    #[test]
    fn settings_that_are_none_are_a_problem_of_the_whole() {
        let entry = Entry::<ConfiguredSource>::find("file").unwrap();
        let wrong = (entry.configure)(serde_json::json!({ "pth": "a" }), Path::new("/")).err().unwrap();
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].field.is_empty() && wrong[0].message.contains("pth"), "{wrong:?}");
    }
}
