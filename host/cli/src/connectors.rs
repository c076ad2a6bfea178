//! `flowgate connectors`.

use super::terminal;
use flowgate_base::error::Result;
use flowgate_connect::entry::{Entry, Kind};
use flowgate_connect::sink::ConfiguredSink;
use flowgate_connect::source::ConfiguredSource;

pub(super) const EXAMPLES: &str = "\
Example:
  flowgate connectors

`flowgate schema` has every setting of every connector.";

/// Prints every source and sink with an example, its guarantee and what it does.
pub(super) fn run() -> Result<()> {
    terminal::print(&format!("{}\n{}", list::<ConfiguredSource>(), list::<ConfiguredSink>()))
}

fn list<K: Kind>() -> String {
    let call = |entry: &Entry<K>| format!("{}: {}", entry.name, entry.example);
    let width = K::LISTED.iter().map(|entry| call(entry).chars().count()).max().unwrap_or(0);
    let line = |entry: &Entry<K>| {
        let guarantee = entry.guarantee.to_string();
        format!("  {:width$}  {guarantee:26}  {}\n", call(entry), entry.summary)
    };
    format!("{}s\n{}", K::WORD, K::LISTED.iter().map(line).collect::<String>())
}
